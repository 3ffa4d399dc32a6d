"""A student's own cells, which run too where an assignment was not made here.

nbgrader runs all that a student hands in, and takes the instructor's text for the tests only. Where
answers and tests share a process it is the same here: between two cells that nbgrader knows, the
student's cells take the place of the instructor's if they differ. Where they are apart, what the
student has added or changed runs after the instructor's cells, with the answers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from course.cells import DEMO, FULL_SIZE, find_grade_id, tags


class Handed(NamedTuple):
    """A cell of a submission: the ``grade_id`` of one that nbgrader knows, or the text of a cell
    of code that it does not know."""

    grade_id: str | None
    text: str


def is_own(cell: NotebookNode) -> bool:
    """Whether a cell of a rebuilt notebook is one of the student's own."""
    noted = cell.metadata.get("course")
    return isinstance(noted, dict) and noted.get("own") is True


def with_own_cells(
    notebook: NotebookNode, instructor: NotebookNode, handed: Sequence[Handed], *, apart: bool
) -> NotebookNode:
    """A rebuilt notebook with the student's own cells.

    Args:
        notebook: the rebuilt notebook; it is changed.
        instructor: the instructor's notebook that it was made from.
        handed: the cells of the submission, in their order.
        apart: whether the instructor's cells all stay.
    """
    given = _segments(handed)
    released = {
        name: [cell for cell in cells if _is_unmarked_code(cell)]
        for name, cells in _parts(instructor)
    }
    cells: list[NotebookNode] = []
    for name, part in _parts(notebook):
        texts = given.get(name)
        known = {_normal(cell.source): cell for cell in released[name]}
        if texts is None or [*map(_normal, texts)] == [_normal(c.source) for c in released[name]]:
            cells += part
            continue
        if apart:
            cells += part
            cells += [_own_cell(text) for text in texts if _normal(text) not in known]
            continue
        cells += [cell for cell in part if not _is_unmarked_code(cell)]
        kept = {_normal(cell.source): cell for cell in part if _is_unmarked_code(cell)}
        for text in texts:
            same = known.get(_normal(text))
            if same is None:
                cells.append(_own_cell(text))
            elif not {DEMO, FULL_SIZE} & tags(same) and _normal(text) in kept:
                cells.append(kept[_normal(text)])
    notebook.cells = cells
    return notebook


def _own_cell(text: str) -> NotebookNode:
    cell: NotebookNode = new_code_cell(text, metadata={"course": {"own": True}})
    return cell


def _is_unmarked_code(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and find_grade_id(cell) is None


def _parts(notebook: NotebookNode) -> list[tuple[str, list[NotebookNode]]]:
    """The cells from one that nbgrader knows to the next, under its ``grade_id``; those before the
    first under no name."""
    parts: list[tuple[str, list[NotebookNode]]] = [("", [])]
    for cell in notebook.cells:
        name = find_grade_id(cell)
        if name is not None:
            parts.append((name, []))
        parts[-1][1].append(cell)
    return parts


def _segments(handed: Sequence[Handed]) -> dict[str, list[str]]:
    segments: dict[str, list[str]] = {"": []}
    name = ""
    for cell in handed:
        if cell.grade_id is not None:
            name = cell.grade_id
            segments.setdefault(name, [])
        else:
            segments[name].append(cell.text)
    return segments


def _normal(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
