"""nbgrader's gradebook, opened once for a class and read once for a notebook.

nbgrader opens its database eight times for each submission, each time with a new engine, which
looks at every table and compiles every statement anew, and it asks for each grade by a query that
joins seven tables and commits it by itself. For one submission that is no matter; of what the one
writer of a class does it was the larger part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nbgrader.api import BaseCell, Comment, Grade, Gradebook, SubmittedNotebook
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import scoped_session, sessionmaker

from autograder.errors import CourseError
from autograder.nbgrader_course.settings import COURSE_ID


@contextmanager
def one_engine() -> Iterator[None]:
    """Have nbgrader open each database once in this block, instead of each time it is asked to."""
    engines: dict[tuple[str, str], Engine] = {}
    opens, closes = Gradebook.__init__, Gradebook.close

    def reopen(
        self: Gradebook, db_url: str, course_id: str = "default_course", authenticator: Any = None
    ) -> None:
        if (db_url, course_id) not in engines:
            opens(self, db_url, course_id, authenticator)
            engines[db_url, course_id] = self.engine
            return
        self.engine = engines[db_url, course_id]
        self.db = scoped_session(sessionmaker(autoflush=True, bind=self.engine, future=True))
        self.course_id, self.authenticator = course_id, authenticator

    def end_session(self: Gradebook) -> None:
        self.db.remove()

    Gradebook.__init__, Gradebook.close = reopen, end_session
    try:
        yield
    finally:
        Gradebook.__init__, Gradebook.close = opens, closes
        for engine in engines.values():
            engine.dispose()


@contextmanager
def opened(url: str, doing: str = "read") -> Iterator[Gradebook]:
    """nbgrader's gradebook, open.

    Args:
        url: of its database, which is made where there is none.
        doing: what it is opened for, for the message. "read" by default.

    Raises:
        CourseError: the database cannot be reached, read or written.
    """
    try:
        with Gradebook(url, COURSE_ID) as book:
            yield book
    except DatabaseError as error:
        raise CourseError(f"The gradebook cannot be {doing}: {error.orig}") from None


def is_waiting(grade: Any) -> bool:
    """Whether a person has yet to give the points of a grade.

    Args:
        grade: a ``Grade``, or a row with its ``auto_score`` and ``manual_score``.
    """
    return grade.auto_score is None and grade.manual_score is None


@dataclass(frozen=True)
class RecordedNotebook:
    """What the gradebook holds about one notebook of a submission.

    Attributes:
        notebook: its row, which sums up its points.
        grades: of its graded cells, by ``grade_id``.
        comments: on its answers, by ``grade_id``.
    """

    notebook: SubmittedNotebook
    grades: Mapping[str, Grade]
    comments: Mapping[str, Comment]


@contextmanager
def recorded(names: Mapping[str, str]) -> Iterator[RecordedNotebook]:
    """One notebook's rows; what the block changes in them is kept when it ends.

    Args:
        names: the ``nbgrader`` part of a converter's resources: ``db_url``, ``notebook``,
            ``assignment`` and ``student``.
    """
    with Gradebook(names["db_url"]) as book:
        submitted = book.find_submission_notebook(
            names["notebook"], names["assignment"], names["student"]
        )

        def rows(kind: type[Grade] | type[Comment]) -> dict[str, Any]:
            found = book.db.query(BaseCell.name, kind).join(kind, kind.cell_id == BaseCell.id)
            return {name: row for name, row in found.filter(kind.notebook_id == submitted.id)}

        yield RecordedNotebook(submitted, rows(Grade), rows(Comment))
        book.db.commit()
