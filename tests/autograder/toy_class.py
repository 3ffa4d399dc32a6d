"""The class that hands in the toy lesson, and how it is graded in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from autograder.classroom.assignment import Assignment
from autograder.classroom.folders import ClassFolder
from autograder.classroom.grade_class import grade_class
from autograder.classroom.gradebook import Gradebook
from autograder.classroom.results import Result
from autograder.classroom.workers import Pool, local
from autograder.grading.conditions import Conditions
from autograder.grading.grade_submission import grade_submission
from autograder.grading.job import Job
from autograder.sandbox.isolation import isolation_problem

# Where there is no sandbox, the same must hold without one.
ISOLATED = isolation_problem() is None

ASSIGNMENT = "90_adding"
RIGHT = {
    "add": "def add(a, b):\n    return as_array(a) + as_array(b)",
    "names": "names = ['a', 'b']",
}
DIFFERENCE = "def add(a, b):\n    return as_array(a) - as_array(b)"


def grade(
    root: Path,
    name: str = ASSIGNMENT,
    *,
    classes: Path | None = None,
    students: Sequence[str] | None = None,
    conditions: Conditions | None = None,
    pool: AbstractContextManager[Pool] | None = None,
    database: str | None = None,
    run: Callable[[Job], dict[str, str]] = grade_submission,
    force: bool = False,
) -> Iterator[Result]:
    """Grade a class as `autograder grade` does.

    Args:
        root: the course.
        name: the assignment.
        classes: the class's folder; the course's own by default.
        students: who; everybody by default.
        conditions: how answers are run; for 20 seconds a cell, isolated if that can be, by default.
        pool: where; two at a time on this machine by default.
        database: the gradebook's URL; a file by default.
        run: what grades one submission.
        force: grade unchanged submissions again.
    """
    conditions = conditions or Conditions(20, isolated=ISOLATED)
    assignment = Assignment(root, name)
    folder = ClassFolder(root, classes)

    return grade_class(
        assignment,
        folder,
        Gradebook(folder, database),
        pool or local(2, conditions.isolated),
        run,
        students=students,
        conditions=conditions,
        force=force,
    )
