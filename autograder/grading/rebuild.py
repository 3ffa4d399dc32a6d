"""Put a student's answers into the instructor's notebook.

Nothing else of a submission takes part in grading: not its tests, its metadata or its other cells.
"""

from __future__ import annotations

import copy

from nbconvert.preprocessors import TagRemovePreprocessor
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions
from traitlets.config import Config

from autograder.notebooks.cells import Answers
from course.cells import DEMO, FULL_SIZE, grade_id, is_answer


def stubs(instructor: NotebookNode) -> Answers:
    """What the student finds in each answer cell of a released lesson."""
    cleared, _ = ClearSolutions().preprocess(copy.deepcopy(instructor), {})
    return {grade_id(cell): cell.source for cell in cleared.cells if is_answer(cell)}


def references(instructor: NotebookNode) -> Answers:
    """The instructor's own answers."""
    return {grade_id(cell): cell.source for cell in instructor.cells if is_answer(cell)}


def rebuild(instructor: NotebookNode, answers: Answers) -> NotebookNode:
    """The instructor's notebook with answers in place of the solutions, without ``demo`` and
    ``full-size`` cells.

    Args:
        instructor: the instructor notebook; it is not changed.
        answers: text by ``grade_id``. An exercise that is not among them gets what the released
            lesson shows there; an id that the notebook does not have is left out.
    """
    texts = stubs(instructor) | answers
    remover = TagRemovePreprocessor(
        config=Config(TagRemovePreprocessor={"remove_cell_tags": [DEMO, FULL_SIZE]})
    )
    notebook: NotebookNode
    notebook, _ = remover.preprocess(copy.deepcopy(instructor), {})
    for cell in notebook.cells:
        if is_answer(cell):
            cell.source = texts[grade_id(cell)]
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None
    return notebook
