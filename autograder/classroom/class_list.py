"""The class list: nbgrader's table of students, which its commands and Formgrader show too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy
from nbgrader import api as nbgrader

from autograder.errors import CourseError
from autograder.nbgrader_course.settings import COURSE_ID


@dataclass(frozen=True)
class Person:
    """A student.

    Attributes:
        student: the name of the student's folder, which is nbgrader's id.
        first_name: empty where it is not known, as the others are.
        last_name: the family name.
        email: the address.
        lms_user_id: what the platform knows the student by in all assignments.
    """

    student: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""


def read_class_list(url: str) -> dict[str, Person]:
    """Everybody in the gradebook, by the name of the folder.

    Args:
        url: of the gradebook's database, which is made where there is none.

    Raises:
        CourseError: the database cannot be reached.
    """
    with _gradebook(url) as book:
        return {
            row.id: Person(
                row.id,
                row.first_name or "",
                row.last_name or "",
                row.email or "",
                row.lms_user_id or "",
            )
            for row in book.students
        }


def add_to_class_list(url: str, people: Iterable[Person]) -> None:
    """Add students, or what is new about them. What is known already and not said here stays.

    Args:
        url: of the gradebook's database, which is made where there is none.
        people: the students.

    Raises:
        CourseError: the database cannot be written.
    """
    with _gradebook(url) as book:
        for person in people:
            said = {
                "first_name": person.first_name,
                "last_name": person.last_name,
                "email": person.email,
                "lms_user_id": person.lms_user_id,
            }
            known: Mapping[str, str] = {name: text for name, text in said.items() if text}
            book.update_or_create_student(person.student, **known)


def deadline(url: str, assignment: str) -> datetime | None:
    """An assignment's deadline in UTC; None where it has none, or is not in the gradebook yet.

    Raises:
        CourseError: the database cannot be reached.
    """
    with _gradebook(url) as book:
        try:
            due: datetime | None = book.find_assignment(assignment).duedate
        except nbgrader.MissingEntry:
            return None
        return due


@contextmanager
def _gradebook(url: str) -> Iterator[nbgrader.Gradebook]:
    try:
        with nbgrader.Gradebook(url, COURSE_ID) as book:
            yield book
    except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.DatabaseError) as error:
        raise CourseError(f"The gradebook cannot be read or written: {error.orig}") from None
