"""Grade a class's submissions: several run at a time, and one writer keeps what comes of them."""

from __future__ import annotations

import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass

from autograder.classroom.assignment import Assignment
from autograder.classroom.folders import ClassFolder
from autograder.classroom.gradebook import Gradebook
from autograder.classroom.results import Result, failed, load
from autograder.classroom.submissions import read_intakes
from autograder.classroom.workers import Pool
from autograder.errors import CourseError
from autograder.grading.conditions import Conditions
from autograder.grading.decision import Decision
from autograder.grading.intake import Intake
from autograder.grading.job import Job
from autograder.grading.read_submission import read_timestamp

# Submissions that wait in the pool's queue, for each one that is being graded. More would fill a
# scheduler's memory, fewer would leave workers idle.
WAITING = 3


@dataclass(frozen=True)
class Task:
    """A submission that is to be graded. ``key`` is a digest of all that its result depends on."""

    student: str
    intakes: Mapping[str, Intake]
    key: str


def read_task(
    assignment: Assignment, folder: ClassFolder, student: str, assignment_key: str
) -> Task:
    """What a student has handed in.

    Args:
        assignment: the assignment.
        folder: the class's folder.
        student: the student.
        assignment_key: see ``Assignment.key``.
    """
    stamp = read_timestamp(folder.submission(student, assignment.name) / "timestamp.txt")
    digest = hashlib.sha256(f"{assignment_key} {stamp}".encode())
    intakes = read_intakes(assignment, folder, student)
    for name, intake in intakes.items():
        answers, elsewhere = sorted(intake.answers.items()), sorted(intake.elsewhere)
        said = (
            intake.status,
            intake.message,
            intake.notes,
            sorted(intake.work.items()),
            intake.handed,
        )
        digest.update(repr((name, answers, elsewhere, said)).encode())
    return Task(student, intakes, digest.hexdigest())


def make_job(
    assignment: Assignment,
    task: Task,
    conditions: Conditions,
    decisions: Mapping[str, Decision] | None = None,
) -> Job:
    """All that grading a submission needs, wherever that is done.

    Args:
        assignment: the assignment.
        task: the submission.
        conditions: how its answers are run.
        decisions: where the tests of each notebook run; apart by default.
    """
    known = assignment.known_mistakes
    return Job(assignment.texts, task.intakes, assignment.files, conditions, known, decisions or {})


def grade_class(
    assignment: Assignment,
    folder: ClassFolder,
    gradebook: Gradebook,
    pool: AbstractContextManager[Pool],
    grade_submission: Callable[[Job], dict[str, str]],
    *,
    students: Sequence[str] | None = None,
    conditions: Conditions | None = None,
    decisions: Callable[[], Mapping[str, Decision]] = dict,
    force: bool = False,
) -> Iterator[Result]:
    """Grade each student's submission and write feedback; results come as they are made.

    A submission that has not changed since it was graded is not run again. Points and comments are
    the gradebook's: those that a person has given since are in the results and in the feedback.

    Args:
        assignment: the assignment.
        folder: the class's folder.
        gradebook: where grades are written.
        pool: what runs the submissions, see ``workers``; opened when there is something to run.
        grade_submission: grades one submission, see ``grading.grade_submission``. It is a
            parameter so that the classroom imports nothing that runs answers.
        students: folders of ``submitted/``; all of them by default.
        conditions: how answers are run; isolated, with 30 seconds for one cell, by default.
        decisions: returns where the tests of each notebook run; called when there is something to
            run. By default they run apart.
        force: grade unchanged submissions too; False by default.

    Yields:
        A result for each student, in the order in which they are known.

    Raises:
        CourseError: the disk is full, or the database or the cluster cannot be reached. What has
            been graded is kept, and the same call goes on with the rest.
    """
    conditions = conditions or Conditions()
    key = assignment.key(conditions)
    recorded = {} if force else gradebook.final_points(assignment.name)
    unchanged: deque[tuple[Task, Result]] = deque()

    def to_run() -> Iterator[Task]:
        """Read one student at a time, so that the first is graded before the last is read."""
        for student in folder.students(assignment.name) if students is None else students:
            task = read_task(assignment, folder, student, key)
            result = _saved(assignment, folder, task) if student in recorded else None
            if result is None:
                yield task
            else:
                unchanged.append((task, result))

    def drain() -> Iterator[Result]:
        while unchanged:
            task, result = unchanged.popleft()
            final = recorded[task.student]
            yield gradebook.bring_up_to_date(assignment, result, task.key, final)

    tasks = to_run()
    first = next(tasks, None)
    yield from drain()
    if first is None:
        return
    with gradebook.alone():
        gradebook.register(assignment)
        decided = decisions()
        jobs = (
            (task, make_job(assignment, task, conditions, decided))
            for task in itertools.chain([first], tasks)
        )
        with pool as opened:
            for task, future in _run(jobs, opened, grade_submission):
                yield _finish(assignment, gradebook, task, future)
                yield from drain()
    yield from drain()


def _saved(assignment: Assignment, folder: ClassFolder, task: Task) -> Result | None:
    """An earlier result, if all that was written with it is still there."""
    if folder.autograded(task.student, assignment.name).is_dir():
        return load(folder.result(task.student, assignment.name), task.key)
    return None


Marked = Future[dict[str, str]]


def _run(
    jobs: Iterator[tuple[Task, Job]], pool: Pool, grade_submission: Callable[[Job], dict[str, str]]
) -> Iterator[tuple[Task, Marked]]:
    """Grade several submissions at a time; each comes back when it is done."""
    running: dict[Marked, Task] = {}
    while True:
        while len(running) < pool.workers * (1 + WAITING) and (item := next(jobs, None)):
            task, job = item
            running[pool.executor.submit(grade_submission, job)] = task
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future


def _finish(assignment: Assignment, gradebook: Gradebook, task: Task, future: Marked) -> Result:
    """Record what came of a submission; what could not be recorded is graded again."""
    try:
        notebooks = future.result()
    except CourseError:
        raise
    except Exception as error:
        # A cluster's worker was lost too often. No submission can bring this about.
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        message = f"The worker failed: {reason[0]}"
        return failed(task.student, assignment.name, assignment.notebooks, message)
    return gradebook.record(assignment, task.student, notebooks, task.key)
