"""The outcome of grading one submission, as Python, JSON and files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader import utils

from autograder.grading.status import ERROR, GRADED
from course.cells import grade_id


@dataclass(frozen=True)
class CellResult:
    """Points for one test cell; None where a person has to give them."""

    score: float | None
    max_score: float
    message: str = ""


@dataclass
class Result:
    """A graded submission. ``status`` is one of graded, missing, unreadable, error, timeout,
    memory, died, refused; whatever is not ``graded`` has a message. ``misconceptions`` are the
    known mistakes that were recognised, by exercise, ``notes`` what student and instructor should
    know of how the answers were found. A result is not final where grading itself
    failed, and the submission should be graded again."""

    student: str
    assignment: str
    status: str
    score: float = 0.0
    max_score: float = 0.0
    seconds: float = 0.0
    message: str = ""
    cells: dict[str, CellResult] = field(default_factory=dict)
    misconceptions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    is_final: bool = True

    def to_json(self) -> dict:
        """Everything, for JSON."""
        data = asdict(self)
        del data["is_final"]
        return data


def read_results(student: str, assignment: str, notebooks: list[Path]) -> Result:
    """The result that stands in a submission's autograded notebooks."""
    result = Result(student, assignment, GRADED)
    for path in notebooks:
        _add_notebook(result, nbformat.read(path, as_version=4), path.stem, len(notebooks) > 1)
    result.is_final = result.status != ERROR
    result.score = sum(cell.score or 0.0 for cell in result.cells.values())
    result.max_score = sum(cell.max_score for cell in result.cells.values())
    return result


def _add_notebook(result: Result, notebook: NotebookNode, name: str, several: bool) -> None:
    graded = notebook.metadata["course"]
    result.seconds += graded["seconds"]
    if graded["status"] != GRADED and result.status == GRADED:
        result.status, result.message = graded["status"], graded["message"]
    result.misconceptions |= graded["misconceptions"]
    result.notes += graded.get("notes", [])
    for cell in notebook.cells:
        if utils.is_grade(cell):
            key = f"{name}/{grade_id(cell)}" if several else grade_id(cell)
            noted = cell.metadata["course"]
            points = float(cell.metadata["nbgrader"]["points"])
            result.cells[key] = CellResult(noted["score"], points, noted["message"])


def save(result: Result, key: str, path: Path) -> None:
    """Write a result beside the key of what it was made from; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps({"key": key} | result.to_json(), indent=1))
    temporary.replace(path)


def load(path: Path, key: str | None = None) -> Result | None:
    """A saved result, or None where there is none for this key (or, without one, none at all)."""
    try:
        data = json.loads(path.read_text())
        if data.pop("key") != key and key is not None:
            return None
        cells = {name: CellResult(**cell) for name, cell in data.pop("cells").items()}
        return Result(**data, cells=cells)
    except (OSError, ValueError, KeyError, TypeError):
        return None
