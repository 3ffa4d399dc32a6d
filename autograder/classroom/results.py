"""The outcome of grading one submission, as Python, JSON and files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.classroom.whole_file import write_whole
from autograder.grading.decision import Tests
from autograder.grading.score import CellScore, has_points, no_points
from autograder.grading.status import Status
from course.cells import grade_id


@dataclass
class Result:
    """A graded submission.

    Attributes:
        student: whose it is.
        assignment: the assignment's name.
        status: how grading ended; whatever is not ``graded`` has a message.
        score: the points of the whole assignment, what handing in late costs taken off.
        max_score: the points that could be had.
        seconds: how long the answers ran.
        message: why it was not graded, in a sentence.
        cells: points by test cell, and by cell that a person grades; see ``cell_name``.
        misconceptions: the known mistakes that were recognised, by exercise.
        notes: what student and instructor should know of how the answers were found.
        comments: what a person has written in Formgrader, by the answer's cell.
        penalty: what handing in late costs.
        tests: where the tests ran: ``apart`` from the answers, or ``together`` with them, at least
            in one notebook.
        is_final: False where grading itself failed, so that the submission is graded again.
    """

    student: str
    assignment: str
    status: Status
    score: float = 0.0
    max_score: float = 0.0
    seconds: float = 0.0
    message: str = ""
    cells: dict[str, CellScore] = field(default_factory=dict)
    misconceptions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)
    penalty: float = 0.0
    tests: Tests = Tests.APART
    is_final: bool = True

    def to_json(self) -> dict[str, Any]:
        """Everything but ``is_final``, for JSON."""
        data = asdict(self)
        del data["is_final"]
        return data


def cell_name(notebook: str, cell: str, notebooks: int) -> str:
    """What a test cell is called in results: its ``grade_id``, after the notebook's name and a
    slash where the assignment has several notebooks.

    Args:
        notebook: the name of the cell's notebook.
        cell: its ``grade_id``.
        notebooks: how many notebooks the assignment has.
    """
    return f"{notebook}/{cell}" if notebooks > 1 else cell


def read_results(student: str, assignment: str, notebooks: Sequence[Path]) -> Result:
    """The result that a submission's autograded notebooks hold.

    Args:
        student: whose submission it is.
        assignment: the assignment's name.
        notebooks: all the notebooks of the submission.
    """
    result = Result(student, assignment, Status.GRADED)
    for path in notebooks:
        _add_notebook(result, nbformat.read(path, as_version=4), path.stem, len(notebooks))
    result.is_final = result.status != Status.ERROR
    result.score = sum(cell.score or 0.0 for cell in result.cells.values())
    result.max_score = sum(cell.max_score for cell in result.cells.values())
    return result


def _add_notebook(result: Result, notebook: NotebookNode, name: str, notebooks: int) -> None:
    graded = notebook.metadata["course"]
    result.seconds += graded["seconds"]
    if graded["status"] != Status.GRADED and result.status == Status.GRADED:
        result.status, result.message = Status(graded["status"]), graded["message"]
    result.misconceptions |= graded["misconceptions"]
    result.notes += graded["notes"]
    if graded.get("tests") == Tests.TOGETHER:
        result.tests = Tests.TOGETHER
    for cell in notebook.cells:
        if has_points(cell):
            noted = cell.metadata["course"]
            points = float(cell.metadata["nbgrader"]["points"])
            key = cell_name(name, grade_id(cell), notebooks)
            result.cells[key] = CellScore(noted["score"], points, noted["message"])


def failed(
    student: str, assignment: str, notebooks: Mapping[str, NotebookNode], message: str
) -> Result:
    """The result of a submission whose grading failed, with no answer to blame: no points, and not
    final, so the next run tries again.

    Args:
        student: whose submission it is.
        assignment: the assignment's name.
        notebooks: the instructor's notebooks, by name.
        message: what failed.
    """
    cells = {
        cell_name(name, cell, len(notebooks)): score
        for name, notebook in notebooks.items()
        for cell, score in no_points(notebook, message).items()
    }
    maximum = sum(cell.max_score for cell in cells.values())
    return Result(
        student,
        assignment,
        Status.ERROR,
        max_score=maximum,
        message=message,
        cells=cells,
        is_final=False,
    )


def save(result: Result, key: str, path: Path) -> None:
    """Write a result beside the key of what it was made from; whole or not at all."""
    write_whole(path, json.dumps({"key": key} | result.to_json(), indent=1))


def load(path: Path, key: str | None = None) -> Result | None:
    """A saved result, or None where there is none that can be read.

    Args:
        path: the file.
        key: what it must have been made from; anything by default.
    """
    try:
        data = json.loads(path.read_text())
        if data.pop("key") != key and key is not None:
            return None
        cells = {name: CellScore(**cell) for name, cell in data.pop("cells").items()}
        status, tests = Status(data.pop("status")), Tests(data.pop("tests", Tests.APART))
        return Result(status=status, tests=tests, cells=cells, **data)
    except (OSError, ValueError, KeyError, TypeError):
        return None
