"""What a process imports before it forks: what lessons use and what is slow to import."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

PRELOAD = (
    "numpy",
    "tensorflow",
    "keras",
    "matplotlib.pyplot",
    "tensorflow_datasets",
    "sklearn.linear_model",
    "course",
    "course.datasets",
    "course.models",
    "course.plots",
    "course.precision",
    "course.runtime",
    "course.training",
)


def preload(modules: Sequence[str] = PRELOAD) -> None:
    """Import modules; one that cannot be imported is named on stderr and fails later."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(f"not preloaded: {module} ({error})", file=sys.stderr)
