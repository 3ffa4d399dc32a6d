"""Put a student's answers into the instructor's notebook.

Nothing else of a submission takes part in grading: not its tests, its metadata or its other cells.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

from nbconvert.preprocessors import TagRemovePreprocessor
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import ClearSolutions
from traitlets.config import Config

from autograder.lesson import DEMO

Answers = dict[str, str]


@dataclass
class Group:
    """An exercise as graded: indices of the solution cell, if there is one, and of its tests."""

    solution: int | None
    tests: list[int] = field(default_factory=list)


def is_answer(cell: NotebookNode) -> bool:
    """Whether students write in this cell: a solution, a written answer or a task."""
    return utils.is_solution(cell) or utils.is_task(cell)


def grade_id(cell: NotebookNode) -> str | None:
    """A cell's ``grade_id``, or None."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def stubs(instructor: NotebookNode) -> Answers:
    """What the student finds in each answer cell of a released lesson."""
    cleared, _ = ClearSolutions().preprocess(copy.deepcopy(instructor), {})
    return {grade_id(cell): cell.source for cell in cleared.cells if is_answer(cell)}


def references(instructor: NotebookNode) -> Answers:
    """The instructor's own answers."""
    return {grade_id(cell): cell.source for cell in instructor.cells if is_answer(cell)}


def rebuild(instructor: NotebookNode, answers: Answers) -> NotebookNode:
    """The instructor's notebook with answers in place of the solutions, without ``demo`` cells.

    Args:
        instructor: the instructor notebook; it is not changed.
        answers: text by ``grade_id``. An exercise that is not among them gets what the released
            lesson shows there; an id that the notebook does not have is left out.
    """
    texts = stubs(instructor) | answers
    remover = TagRemovePreprocessor(
        config=Config(TagRemovePreprocessor={"remove_cell_tags": [DEMO]})
    )
    notebook, _ = remover.preprocess(copy.deepcopy(instructor), {})
    for cell in notebook.cells:
        if is_answer(cell):
            cell.source = texts[grade_id(cell)]
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    return notebook


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
