"""What students were given: an assignment's notebook as it was released, to match submissions with.

It is made from the instructor's notebook and holds no solution and no hidden test, only texts.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

from course.cells import find_grade_id, is_answer


@dataclass(frozen=True)
class ReleasedCell:
    """A cell of a released notebook. ``answer`` is the ``grade_id`` of an answer cell, and None of
    a cell that students leave as it is. Below a task students add cells."""

    answer: str | None
    grade_id: str | None
    cell_id: str | None
    cell_type: str
    text: str
    is_task: bool = False


@dataclass(frozen=True)
class ReleasedNotebook:
    """A released notebook.

    Attributes:
        name: its file's name without ``.ipynb``.
        lesson: the lesson that its metadata names; None for a notebook that was not built here.
        cells: in their order.
        own_ids: the ids of the lesson's cells, as its metadata lists them.
    """

    name: str
    lesson: str | None
    cells: tuple[ReleasedCell, ...]
    own_ids: tuple[str, ...]

    @property
    def stubs(self) -> Mapping[str, str]:
        """What students find in each answer cell, by ``grade_id``."""
        return {cell.answer: cell.text for cell in self.cells if cell.answer is not None}


def released(name: str, instructor: NotebookNode) -> ReleasedNotebook:
    """The released form of an instructor's notebook; the notebook is not changed.

    Args:
        name: its file's name without ``.ipynb``.
        instructor: the notebook with its solutions.
    """
    notebook, _ = ClearSolutions().preprocess(copy.deepcopy(instructor), {})
    notebook, _ = ClearHiddenTests().preprocess(notebook, {})
    course = notebook.metadata.get("course", {})
    return ReleasedNotebook(
        name,
        course.get("lesson"),
        tuple(_cell(cell) for cell in notebook.cells),
        tuple(course.get("cells", ())),
    )


def _cell(cell: NotebookNode) -> ReleasedCell:
    name = find_grade_id(cell)
    return ReleasedCell(
        name if is_answer(cell) else None,
        name,
        cell.get("id"),
        cell.cell_type,
        cell.source,
        utils.is_task(cell),
    )
