"""What a class has handed in, read one student at a time."""

from __future__ import annotations

from autograder.classroom.assignment import Assignment
from autograder.classroom.folders import ClassFolder
from autograder.grading.intake import Intake
from autograder.grading.reading_process import shared_reading_process


def read_intakes(assignment: Assignment, folder: ClassFolder, student: str) -> dict[str, Intake]:
    """What a student has handed in, by the notebook's name.

    Args:
        assignment: the assignment.
        folder: the class's folder.
        student: the student.
    """
    submission = folder.submission(student, assignment.name)
    return {
        name: shared_reading_process().read(
            submission, notebook, assignment.released.keys() - {name}
        )
        for name, notebook in assignment.released.items()
    }


def given_answers(assignment: Assignment, folder: ClassFolder) -> dict[str, dict[str, str]]:
    """The text of each answer that is not blank, by student and exercise.

    Args:
        assignment: the assignment.
        folder: the class's folder.

    Raises:
        CourseError: there are no submissions.
    """
    given: dict[str, dict[str, str]] = {}
    for student in folder.students(assignment.name):
        answers = given.setdefault(student, {})
        for name, intake in read_intakes(assignment, folder, student).items():
            blank = assignment.released[name].stubs
            for exercise, text in intake.answers.items():
                if text.strip() != blank[exercise].strip():
                    answers[exercise] = text
    return given
