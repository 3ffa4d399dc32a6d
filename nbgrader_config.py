"""This repository is an nbgrader course: plain `nbgrader` commands work from its root."""

from pathlib import Path

from autograder.nbgrader_settings import configure

configure(get_config(), Path(__file__).parent)  # noqa: F821 - nbgrader defines get_config
