"""This repository is an nbgrader course: plain `nbgrader` commands work from its root."""

import os
from pathlib import Path

from autograder.nbgrader_course.formgrader import protect
from autograder.nbgrader_course.settings import GRADEBOOK_VARIABLE, configure

configure(
    get_config(),  # noqa: F821 - nbgrader defines it
    Path(__file__).parent,
    gradebook=os.environ.get(GRADEBOOK_VARIABLE),
)
# Formgrader reads this file in the process of the Jupyter server.
protect()
