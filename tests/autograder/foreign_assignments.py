"""Small assignments that were not made for this grader, each with a way of testing that is met in
public ones, and how nbgrader itself scores them.

A file of ``foreign/`` begins with a sentence, and then has its cells: ``lesson``, ``answer NAME``,
``right NAME`` for another right answer to the same exercise, ``wrong NAME`` for a partly wrong one,
``test POINTS``, ``unmarked`` for an answer in a cell that is not marked as one, ``own`` for a cell
that the student adds. ``timeout SECONDS`` is for one cell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.preprocessors import Execute
from nbgrader.tests import create_grade_cell, create_solution_cell
from nbgrader.utils import determine_grade, is_grade

from autograder.grading.decide import decide
from autograder.grading.decision import Decision
from autograder.grading.grade_notebook import Examination, examine
from autograder.grading.own_cells import Handed
from autograder.notebooks.cells import Answers
from autograder.sandbox.workplace import Workplace
from course.cells import find_grade_id, grade_id, is_answer

FOLDER = Path(__file__).parent / "foreign"
MARK = re.compile(r"^---- (\w+) ?(.*)$", re.MULTILINE)
TIMEOUT = 30


@dataclass(frozen=True)
class ForeignAssignment:
    """An assignment with a right answer and a partly wrong one.

    Attributes:
        name: the file's name.
        about: the way of testing, in a sentence.
        instructor: the instructor's notebook.
        right: the same with right answers.
        wrong: the same with the partly wrong ones.
        timeout: seconds for one cell.
    """

    name: str
    about: str
    instructor: NotebookNode
    right: NotebookNode
    wrong: NotebookNode
    timeout: int = TIMEOUT

    @property
    def points(self) -> float:
        """What can be had."""
        return sum(
            cell.metadata["nbgrader"]["points"] for cell in self.instructor.cells if is_grade(cell)
        )


def names() -> list[str]:
    """All assignments."""
    return sorted(path.stem for path in FOLDER.glob("*.cells"))


def read(name: str) -> ForeignAssignment:
    """One of them."""
    text = (FOLDER / f"{name}.cells").read_text()
    about, *parts = MARK.split(text)
    instructor: list[NotebookNode] = []
    right: list[NotebookNode] = []
    wrong: list[NotebookNode] = []
    timeout = TIMEOUT
    for kind, argument, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        source, number = body.strip("\n"), len(instructor)
        if kind == "timeout":
            timeout = int(argument)
        elif kind == "wrong" or argument == "wrong":
            wrong[-1] = nbformat.from_dict(wrong[-1] | {"source": source})
        elif kind == "right":
            right[-1] = nbformat.from_dict(right[-1] | {"source": source})
        else:
            if kind == "answer":
                cell = create_solution_cell(source, "code", argument)
            elif kind == "test":
                cell = create_grade_cell(source, "code", f"test_{number}", float(argument))
            else:
                cell = new_code_cell(source)
            if kind != "own":
                instructor.append(cell)
            right.append(cell)
            wrong.append(cell)
    return ForeignAssignment(
        name,
        about.strip(),
        nbformat.from_dict(new_notebook(cells=instructor)),
        nbformat.from_dict(new_notebook(cells=right)),
        nbformat.from_dict(new_notebook(cells=wrong)),
        timeout,
    )


def stock_scores(notebook: NotebookNode, timeout: int, folder: Path) -> dict[str, float]:
    """What nbgrader itself gives to each test of a notebook, which it runs in a kernel of its own.

    Args:
        notebook: with somebody's answers in it.
        timeout: seconds for one cell.
        folder: where it runs.
    """
    copy = nbformat.from_dict(notebook)
    copy.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    copy, _ = Execute(timeout=timeout).preprocess(copy, {"metadata": {"path": str(folder)}})
    return {grade_id(cell): determine_grade(cell)[0] for cell in copy.cells if is_grade(cell)}


def our_decision(assignment: ForeignAssignment, workplace: Workplace) -> Decision:
    """Where the tests of an assignment run."""
    return decide(assignment.instructor, workplace, timeout=assignment.timeout)


def our_grade(
    assignment: ForeignAssignment,
    notebook: NotebookNode,
    decision: Decision,
    workplace: Workplace,
) -> Examination:
    """How we grade a submission of it.

    Args:
        assignment: the assignment.
        notebook: what is handed in.
        decision: where the tests run.
        workplace: the processes.
    """
    answers: Answers = {grade_id(c): c.source for c in notebook.cells if is_answer(c)}
    handed = [
        Handed(name, "" if name else cell.source)
        for cell in notebook.cells
        for name in [find_grade_id(cell)]
    ]
    return examine(
        assignment.instructor,
        answers,
        workplace,
        timeout=assignment.timeout,
        decision=decision,
        handed=handed,
    )
