"""A class in the middle of a term, put into nbgrader's gradebook without grading anything."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import nbformat
from nbformat.v4 import new_notebook
from nbgrader.api import Gradebook
from sqlalchemy.exc import SAWarning

from autograder.classroom.results import Result, save
from autograder.grading.score import CellScore
from autograder.grading.status import Status
from autograder.nbgrader_course.api import empty_gradebook
from autograder.nbgrader_course.settings import COURSE_ID

START = datetime(2026, 10, 2, 22)
MOST = 10.0


@dataclass(frozen=True)
class Work:
    """What a student has handed in of a lesson: of its ten points, six are a test's and four a
    person's, who gives them unless ``by_hand`` is None."""

    by_test: float = 6.0
    by_hand: float | None = 4.0
    hours_late: float = 0.0
    mistakes: Mapping[str, str] = field(default_factory=dict)
    status: Status = Status.GRADED
    penalty: float = 0.0


NOTHING = Work(0.0, 0.0, status=Status.MISSING)


def make_course(root: Path, lessons: Sequence[str]) -> Path:
    """A course of lessons whose notebooks are empty."""
    for name in lessons:
        folder = root / "solutions" / name
        folder.mkdir(parents=True)
        nbformat.write(new_notebook(), folder / "notebook.ipynb")
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    (root / "class").mkdir()
    (root / "class" / "gradebook.db").write_bytes(empty_gradebook())
    return root


def due(number: int) -> datetime:
    """The deadline of a lesson: one a week."""
    return START + timedelta(weeks=number)


def fill(
    root: Path,
    names: Mapping[str, tuple[str, str]],
    works: Mapping[str, Mapping[str, Work]],
) -> None:
    """Write what is graded.

    Args:
        root: the course.
        names: first and last names, by student.
        works: by lesson and student; a lesson without any has a deadline and nothing graded.
    """
    classes = root / "class"
    with (
        warnings.catch_warnings(),
        Gradebook(f"sqlite:///{classes / 'gradebook.db'}", COURSE_ID) as book,
    ):
        # nbgrader's own objects set these off.
        warnings.simplefilter("ignore", SAWarning)
        for student, (first, last) in names.items():
            book.update_or_create_student(
                student, first_name=first, last_name=last, email=f"{student}@example.org"
            )
        for number, (lesson, handed_in) in enumerate(works.items()):
            book.update_or_create_assignment(lesson, duedate=due(number))
            book.update_or_create_notebook("notebook", lesson)
            for cell, kind, points in (("test", "code", 6.0), ("why", "markdown", 4.0)):
                book.add_grade_cell(cell, "notebook", lesson, max_score=points, cell_type=kind)
            for student, work in handed_in.items():
                _hand_in(book, classes, number, lesson, student, work)
        book.db.commit()


def _hand_in(
    book: Gradebook, classes: Path, number: int, lesson: str, student: str, work: Work
) -> None:
    came = due(number) + timedelta(hours=work.hours_late or -5)
    book.update_or_create_submission(lesson, student, timestamp=came)
    notebook = book.find_submission_notebook("notebook", lesson, student)
    notebook.late_submission_penalty = work.penalty or None
    test = book.find_grade("test", "notebook", lesson, student)
    test.auto_score = work.by_test
    why = book.find_grade("why", "notebook", lesson, student)
    why.manual_score = work.by_hand
    why.needs_manual_grade = work.by_hand is None
    # As grading leaves it, before a person has given anything.
    cells = {"test": CellScore(work.by_test, 6.0), "why": CellScore(None, 4.0)}
    message = "" if work.status == Status.GRADED else "It ran for more than 30 seconds."
    result = Result(
        student, lesson, work.status, work.by_test, MOST, 1.0, message, cells, dict(work.mistakes)
    )
    save(result, "key", classes / "results" / lesson / f"{student}.json")
