"""What the gradebook says of submissions: points of tests and of people, penalties, comments.

Grading proposes points. What counts is in nbgrader's database, where a person may have given others
in Formgrader, so whatever shows points takes them from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nbgrader import api as nbgrader

from autograder.classroom.results import Result, cell_name
from autograder.grading.score import WAITING, CellScore
from autograder.nbgrader_course.open_gradebook import is_waiting


@dataclass
class FinalPoints:
    """What the gradebook says of one submission.

    Attributes:
        cells: by cell, see ``cell_name``: the points, None where a person has yet to give them, and
            whether a person has given them.
        penalty: what handing in late costs.
        comments: what a person has written, by the name of an answer's or a task's cell.
    """

    cells: dict[str, tuple[float | None, bool]] = field(default_factory=dict)
    penalty: float = 0.0
    comments: dict[str, str] = field(default_factory=dict)


def read_final_points(
    book: nbgrader.Gradebook, assignment: str, student: str | None = None
) -> dict[str, FinalPoints]:
    """The final points of an assignment's submissions, by student.

    Args:
        book: the database, open.
        assignment: the assignment's name.
        student: whose; of everybody by default.
    """
    submission, given = nbgrader.SubmittedAssignment, nbgrader.Assignment
    notebook, of_notebook = nbgrader.SubmittedNotebook, nbgrader.Notebook
    grade, comment, cell = nbgrader.Grade, nbgrader.Comment, nbgrader.BaseCell
    rows = book.db.query(submission.id, submission.student_id).join(given)
    rows = rows.filter(given.name == assignment)
    if student is not None:
        rows = rows.filter(submission.student_id == student)
    found = {name: FinalPoints() for _, name in rows}
    wanted = rows.with_entities(submission.id)
    notebooks = (
        book.db.query(
            notebook.id, of_notebook.name, submission.student_id, notebook.late_submission_penalty
        )
        .join(of_notebook, notebook.notebook_id == of_notebook.id)
        .join(submission, notebook.assignment_id == submission.id)
        .filter(submission.id.in_(wanted))
        .all()
    )
    count = len({name for _, name, _, _ in notebooks})
    places = {key: (who, name) for key, name, who, _ in notebooks}
    for _, _, who, penalty in notebooks:
        found[who].penalty += penalty or 0.0
    of_wanted = book.db.query(notebook.id).filter(notebook.assignment_id.in_(wanted))
    grades = (
        book.db.query(
            grade.notebook_id, cell.name, grade.auto_score, grade.manual_score, grade.score
        )
        .join(cell, grade.cell_id == cell.id)
        .filter(grade.notebook_id.in_(of_wanted))
    )
    for row in grades:
        who, of = places[row.notebook_id]
        points = None if is_waiting(row) else float(row.score)
        found[who].cells[cell_name(of, row.name, count)] = points, row.manual_score is not None
    comments = (
        book.db.query(comment.notebook_id, cell.name, comment.manual_comment)
        .join(cell, comment.cell_id == cell.id)
        .filter(comment.notebook_id.in_(of_wanted), comment.manual_comment.is_not(None))
    )
    for key, name, text in comments:
        who, of = places[key]
        if text.strip():
            found[who].comments[cell_name(of, name, count)] = text
    return found


def with_final_points(result: Result, final: FinalPoints | None) -> Result:
    """A result with the gradebook's points, penalty and comments in the place of its own.

    Args:
        result: what grading has found, or an earlier outcome of this function.
        final: what the gradebook says; None where it does not know the submission.
    """
    if final is None:
        return result
    cells = _final_cells(result.cells, final.cells)
    given = sum(cell.score or 0.0 for cell in cells.values())
    return replace(
        result,
        cells=cells,
        score=max(0.0, given - final.penalty),
        penalty=final.penalty,
        comments=dict(final.comments),
    )


def _final_cells(
    cells: Mapping[str, CellScore], final: Mapping[str, tuple[float | None, bool]]
) -> dict[str, CellScore]:
    found = {}
    for name, cell in cells.items():
        score, by_hand = final.get(name, (cell.score, cell.by_hand))
        message = cell.message
        if score is None:
            message = WAITING
        elif message == WAITING:
            message = ""
        found[name] = CellScore(score, cell.max_score, message, by_hand)
    return found
