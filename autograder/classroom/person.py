"""A student, as the class list knows one."""

from __future__ import annotations

from dataclasses import dataclass


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
