"""An assignment of one exercise, to try single answers and tests in the sandbox."""

from __future__ import annotations

from collections.abc import Callable

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.tests import create_grade_cell, create_solution_cell

from autograder.grading.grade_notebook import Examination, examine


@pytest.fixture(scope="module")
def examine_one(workplace) -> Callable[..., Examination]:
    """Grade one answer, "answer", by one test, "test", which is worth a point.

    ``examine_one(setup, answer, test, right, timeout=20)``, where ``setup`` is the lesson's own
    cell and ``right`` the instructor's answer.
    """

    def run(setup: str, answer: str, test: str, right: str, timeout: int = 20) -> Examination:
        cells = [
            new_code_cell(setup),
            create_solution_cell(right, "code", "answer"),
            create_grade_cell(test, "code", "test", 1),
        ]
        notebook = nbformat.from_dict(new_notebook(cells=cells))
        return examine(notebook, {"answer": answer}, workplace, timeout=timeout)

    return run
