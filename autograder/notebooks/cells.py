"""The cells of a notebook: markers, exercises, answers and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader import utils

from course.cells import tags

# The text of answers by ``grade_id``.
Answers = dict[str, str]

# A cell of code that is longer is hard to read.
MAX_LINES = 25
BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
MISCONCEPTION, ALTERNATIVE = "misconception", "alternative"
THUMBNAIL = "thumbnail"


@dataclass
class Group:
    """An exercise as graded: indices of the solution cell, if there is one, and of its tests."""

    solution: int | None
    tests: list[int] = field(default_factory=list)


def groups(notebook: NotebookNode) -> Iterator[Group]:
    """The exercises of a notebook: each solution cell with the test cells that follow it."""
    current: Group | None = None
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if utils.is_solution(cell):
            if current is not None:
                yield current
            current = Group(index)
        elif utils.is_grade(cell):
            if current is None:
                current = Group(None)
            current.tests.append(index)
    if current is not None:
        yield current


def same_code(one: NotebookNode, other: NotebookNode) -> bool:
    """Whether two notebooks would run the same code, so that outputs of one hold for the other."""

    def code(notebook: NotebookNode) -> list[tuple[str, list[str]]]:
        return [
            (cell.source, sorted(tags(cell) - {THUMBNAIL}))
            for cell in notebook.cells
            if cell.cell_type == "code"
        ]

    return code(one) == code(other)


def copy_outputs(source: NotebookNode, target: NotebookNode) -> None:
    """Give ``target`` the outputs of ``source``; the two have the same code cells."""
    pairs = zip(
        (cell for cell in source.cells if cell.cell_type == "code"),
        (cell for cell in target.cells if cell.cell_type == "code"),
        strict=True,
    )
    for old, new in pairs:
        new.outputs = old.outputs
        new.execution_count = old.execution_count


def without_outputs(notebook: NotebookNode) -> str:
    """A notebook as text without outputs, to compare sources with."""
    copy = nbformat.from_dict(notebook)
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    return str(nbformat.writes(copy))


def read_notebook(path: Path) -> NotebookNode | None:
    """A notebook, or None where there is no file."""
    return nbformat.read(path, as_version=4) if path.is_file() else None
