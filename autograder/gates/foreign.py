"""What to know of an assignment that was not made here, before anything of it runs."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator

from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import (
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    LockCells,
)

from course.cells import first_line

AUTOTEST = re.compile(r"^\s*#+\s*(HASHED\s+)?AUTOTEST\b", re.MULTILINE)
# What `nbgrader generate_assignment` does without a database.
STEPS = (LockCells, ClearSolutions, ClearOutput, ClearHiddenTests, ClearMarkScheme)


def refusals(notebook: NotebookNode) -> list[str]:
    """Why an assignment's notebook can be neither released nor graded, in sentences; none if it can
    be.

    Args:
        notebook: the instructor's; it is not changed.
    """
    return list(_refusals(notebook))


def _refusals(notebook: NotebookNode) -> Iterator[str]:
    language = _language(notebook)
    if language != "python":
        yield f"its kernel runs {language}, and only Python is graded here"
        return
    text = copy.deepcopy(notebook)
    try:
        MetadataValidator().validate_nb(text)
        for step in STEPS:
            text, _ = step().preprocess(text, {})
    except Exception as error:
        # nbgrader raises many kinds, and a malformed field raises others.
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        yield (
            f"`nbgrader generate_assignment` refuses it: {reason}. Correct the cell in JupyterLab, "
            "under Property Inspector or Create Assignment"
        )


def faults(notebook: NotebookNode) -> list[str]:
    """What will give points that nobody has earned, in sentences.

    Args:
        notebook: an instructor's notebook without ``refusals``.
    """
    found = [
        f"{_name(cell)} has AUTOTEST comments, which grading does not turn into tests: write the "
        "tests out"
        for cell in notebook.cells
        if cell.cell_type == "code" and AUTOTEST.search(cell.source)
    ]
    cells = notebook.cells
    if any(map(utils.is_grade, cells)) and not any(map(utils.is_solution, cells)):
        found.append(
            "no cell is marked as an answer: mark them in JupyterLab, or all that a student hands "
            "in has to run together with the tests"
        )
    return found


def remarks(notebook: NotebookNode) -> list[str]:
    """What else to know of an assignment, in sentences.

    Args:
        notebook: an instructor's notebook without ``refusals``.
    """
    by_hand = [
        cell
        for cell in notebook.cells
        if utils.is_task(cell) or (utils.is_grade(cell) and utils.is_solution(cell))
    ]
    if not by_hand:
        return []
    points = sum(float(cell.metadata["nbgrader"].get("points", 0)) for cell in by_hand)
    names = ", ".join(_name(cell) for cell in by_hand)
    return [f"{points:g} points are given by a person, and count in students' totals: {names}"]


def _language(notebook: NotebookNode) -> str:
    kernel = notebook.metadata.get("kernelspec", {})
    info = notebook.metadata.get("language_info", {})
    language = kernel.get("language") or info.get("name") or "python"
    return str(language).lower()


def _name(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id") or first_line(cell))
