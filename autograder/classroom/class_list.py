"""The class list: nbgrader's table of students, which its commands and Formgrader show too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from nbgrader import api as nbgrader

from autograder.classroom.person import Person
from autograder.nbgrader_course.open_gradebook import opened


def read_class_list(url: str) -> dict[str, Person]:
    """Everybody in the gradebook, by the name of the folder.

    Args:
        url: of the gradebook's database, which is made where there is none.

    Raises:
        CourseError: the database cannot be reached.
    """
    with opened(url, "read or written") as book:
        return people_of(book)


def people_of(book: nbgrader.Gradebook) -> dict[str, Person]:
    """Everybody in an open gradebook, by the name of the folder."""
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
    with opened(url, "read or written") as book:
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
    with opened(url, "read or written") as book:
        try:
            due: datetime | None = book.find_assignment(assignment).duedate
        except nbgrader.MissingEntry:
            return None
        return due
