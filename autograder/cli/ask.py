"""The command for questions to a student about an answer."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.cli.shared import AssignmentName, ClassPath, console, course_root, errors, progress
from autograder.errors import CourseError
from course.progress import Bars

if TYPE_CHECKING:
    from autograder.classroom.assignment import Assignment
    from autograder.classroom.folders import ClassFolder
    from autograder.grading.conditions import Conditions
    from autograder.grading.intake import Intake
    from autograder.grading.oral_check import Submission
    from autograder.grading.questions import OralCheck

app = typer.Typer(rich_markup_mode="rich")

# Of what a student has not got right, a message names so much.
MOST_NAMED = 5


@app.command()
def ask(
    assignment: AssignmentName,
    student: Annotated[str, typer.Argument(help="The student's folder in class/submitted/.")],
    exercise: Annotated[
        str | None,
        typer.Option(help="The exercise to ask about; one that is right, by chance, by default."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Another number asks other questions; the same one the same.")
    ] = 0,
    output: Annotated[
        Path | None, typer.Option(help="Write a page for printing, HTML, instead of text.")
    ] = None,
    class_folder: ClassPath = None,
    timeout: Annotated[int, typer.Option(help="Seconds for one cell.", min=1)] = 30,
    trust_submissions: Annotated[
        bool,
        typer.Option("--trust-submissions", help="Run without a sandbox, at your own risk."),
    ] = False,
) -> None:
    """Make a sheet for an oral check: small changes of a student's own right answer, each with the
    question which test fails now. The key for the teacher is on a page of its own.
    """
    from autograder.classroom.assignment import Assignment
    from autograder.classroom.folders import ClassFolder
    from autograder.classroom.oral_sheet import as_page, as_text, make_sheet
    from autograder.classroom.whole_file import write_whole
    from autograder.grading.conditions import Conditions
    from autograder.grading.questions import QUESTIONS

    root = course_root()
    asked = Assignment(root, Path(assignment).name)
    folder = ClassFolder(root, class_folder)
    folder.check_student(student, asked.name)
    conditions = Conditions(timeout, isolated=not trust_submissions)
    check = _check(asked, folder, student, conditions, exercise, seed)
    sheet = make_sheet(asked.name, student, check)
    if len(check.questions) < QUESTIONS:
        errors.print(
            f"Of {check.tried} changes that were tried, only {len(check.questions)} make "
            "a question.",
            highlight=False,
            soft_wrap=True,
        )
    if output is None:
        console.print(as_text(sheet), markup=False, highlight=False, soft_wrap=True)
        return
    write_whole(output, as_page(sheet))
    console.print(str(output), markup=False, highlight=False, soft_wrap=True)


def _check(
    assignment: Assignment,
    folder: ClassFolder,
    student: str,
    conditions: Conditions,
    exercise: str | None,
    seed: int,
) -> OralCheck:
    """Questions about the exercise that is asked for, or about the first right one of an order by
    chance that has some.

    Raises:
        CourseError: nothing was handed in, nothing is right, or no test notices any change.
    """
    from autograder.grading.oral_check import MOST_TRIES, make_oral_check

    chance = f"{seed} {assignment.name} {student}"
    candidates = _right(assignment, folder, student, conditions, exercise)
    random.Random(chance).shuffle(candidates)
    tried = 0
    with progress(Bars) as bar:
        for submission, name in candidates:
            task = bar.add_task(f"Changing {name}", total=MOST_TRIES)
            check = make_oral_check(submission, name, chance, partial(bar.advance, task))
            bar.update(task, completed=MOST_TRIES)
            tried += check.tried
            if check.questions:
                return check
    names = ", ".join(name for _, name in candidates)
    raise CourseError(
        f"There is nothing to ask {student} about {names}: {tried} small changes were tried, and "
        "no test that students see notices any of them."
    )


def _right(
    assignment: Assignment,
    folder: ClassFolder,
    student: str,
    conditions: Conditions,
    exercise: str | None,
) -> list[tuple[Submission, str]]:
    """The exercises that a student has got right, with the notebook of each.

    Raises:
        CourseError: there is none, or the one that is asked for is none of them.
    """
    from autograder.classroom.submissions import read_intakes
    from autograder.grading.oral_check import faults

    intakes = read_intakes(assignment, folder, student)
    if all(intake.status for intake in intakes.values()):
        reasons = " ".join(intake.message for intake in intakes.values())
        raise CourseError(f"There is nothing to ask {student} about {assignment.name}: {reasons}")
    found: list[tuple[Submission, str]] = []
    wrong: dict[str, str] = {}
    known: list[str] = []
    for submission in _submissions(assignment, intakes, conditions):
        said = faults(submission)
        found += [(submission, name) for name, fault in said.items() if not fault]
        wrong |= {name: fault for name, fault in said.items() if fault}
        known += said
    if exercise is not None and exercise not in known:
        raise CourseError(
            f"{assignment.name} has no exercise {exercise!r} with tests that was handed in. "
            f"Exercises are: {', '.join(known)}."
        )
    if exercise in wrong:
        raise CourseError(
            f"The answer of {student} to {exercise} is not right, and questions are about right "
            f"answers: {wrong[exercise]}"
        )
    if not found:
        listed = "\n".join(f"{name}: {fault}" for name, fault in list(wrong.items())[:MOST_NAMED])
        raise CourseError(
            f"No answer of {student} in {assignment.name} is right, and questions are about right "
            f"answers:\n{listed}"
        )
    return [each for each in found if exercise in (None, each[1])]


def _submissions(
    assignment: Assignment, intakes: Mapping[str, Intake], conditions: Conditions
) -> Iterator[Submission]:
    """What could be read of a submission, as it is graded."""
    from autograder.grading.decide import decisions
    from autograder.grading.oral_check import Submission
    from autograder.sandbox.workplace import shared_workplace

    place = shared_workplace(conditions.isolated)
    decided = decisions(assignment.folder, place, conditions.timeout)
    for name, intake in intakes.items():
        if not intake.status:
            yield Submission(
                assignment.notebooks[name],
                intake,
                place,
                assignment.files,
                conditions.timeout,
                decided[name],
                assignment.is_lesson,
            )
