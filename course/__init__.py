"""What a lesson imports: data, models, training helpers, precision, results and figures.

``import course`` is cheap: TensorFlow is loaded when something first needs it. Import ``course``
before TensorFlow, because the variables below are read when TensorFlow is loaded.
"""

import os

import lazy_loader

from course.quiet import quiet_import

# TensorFlow and XLA log to stderr, where nbgrader takes any line for a failed test.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
quiet_import()

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["datasets", "fallbacks", "models", "plots", "precision", "results", "training"],
    submod_attrs={"runtime": ["setup"], "notebook": ["check_here"]},
)
