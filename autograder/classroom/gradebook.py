"""The one writer: what grading finds out goes to nbgrader's gradebook and to the class's folder."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy
from filelock import FileLock, Timeout
from nbgrader import api as nbgrader
from sqlalchemy.engine import make_url

from autograder.classroom.assignment import Assignment
from autograder.classroom.final_points import FinalPoints, read_final_points, with_final_points
from autograder.classroom.folders import ClassFolder
from autograder.classroom.results import Result, failed, read_results, save
from autograder.errors import DISK_FULL, CourseError
from autograder.grading.read_submission import read_secret, read_timestamp
from autograder.nbgrader_course.api import nbgrader_api, succeed
from autograder.nbgrader_course.open_gradebook import one_engine, opened
from autograder.nbgrader_course.settings import gradebook_url

# Where marked notebooks wait for nbgrader.
STAGED = ".marked-"


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Let Ctrl-C take effect when the block has ended.

    nbgrader catches an interrupt as it catches a failure of the submission in hand, and goes on.
    The standard library has nothing that holds a signal back in the main thread alone.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: came.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came.is_set():
        before(signal.SIGINT, None)


class Gradebook:
    """A class's grades: nbgrader's database, autograded notebooks, feedback pages and results.

    Attributes:
        folder: the class's folder.
        url: of nbgrader's database; it may hold a password.
    """

    def __init__(self, folder: ClassFolder, url: str | None = None) -> None:
        """Nothing is opened yet.

        Args:
            folder: the class's folder.
            url: of nbgrader's database; ``gradebook.db`` in the folder by default.

        Raises:
            CourseError: it is not the URL of a database.
        """
        self.folder = folder
        self.url = gradebook_url(folder.path, url)
        self._lock = FileLock(folder.path / ".grading.lock", timeout=0)

    def __str__(self) -> str:
        """The URL without a password."""
        return make_url(self.url).render_as_string(hide_password=True)

    def final_points(self, assignment: str, student: str | None = None) -> dict[str, FinalPoints]:
        """What counts, by student: of everybody whose submission is in the database.

        Args:
            assignment: the assignment's name.
            student: whose; of everybody by default.

        Raises:
            CourseError: the database cannot be reached.
        """
        if self._is_missing():
            return {}
        with opened(self.url) as book:
            return read_final_points(book, assignment, student)

    def final_results(self, assignment: str) -> list[Result]:
        """What has been graded so far, with the points that count.

        Raises:
            CourseError: the database cannot be reached.
        """
        final = self.final_points(assignment)
        return [
            with_final_points(result, final.get(result.student))
            for result in self.folder.results(assignment)
        ]

    def bring_up_to_date(
        self, assignment: Assignment, result: Result, key: str, final: FinalPoints
    ) -> Result:
        """A result of an earlier run with the points that count now. Where a person has given
        others since, or has written a comment, the feedback is made again.

        Args:
            assignment: the assignment.
            result: as it was saved.
            key: what it was made from.
            final: what the gradebook says of it.

        Raises:
            CourseError: another run is writing, or the disk is full.
        """
        current = with_final_points(result, final)
        if current == result:
            return result
        with self.alone(), _interrupts_later(), self._room_on_disk():
            api = nbgrader_api(assignment.root, self.folder.path, gradebook=self.url)
            outcome = api.generate_feedback(assignment.name, result.student, force=True)
            if outcome["success"]:
                save(current, key, self.folder.result(result.student, assignment.name))
                return current
            reason = self._reason(outcome)
        return failed(result.student, assignment.name, assignment.notebooks, reason)

    @contextmanager
    def _room_on_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            raise self._disk_full() from None

    def hours_before_deadline(self, assignment: str) -> dict[str, float]:
        """From each student's submission to the deadline, or to that of an extension, negative
        where it was late; only for submissions whose time is known, and none where the assignment
        has no deadline.

        Raises:
            CourseError: the database cannot be reached.
        """
        if self._is_missing():
            return {}
        submitted, given = nbgrader.SubmittedAssignment, nbgrader.Assignment
        columns = submitted.student_id, submitted.timestamp, given.duedate, submitted.extension
        with opened(self.url) as book:
            rows = book.db.query(*columns).join(given).filter(given.name == assignment).all()
        return {
            student: (due + (extension or timedelta()) - came).total_seconds() / 3600
            for student, came, due, extension in rows
            if came is not None and due is not None
        }

    def _is_missing(self) -> bool:
        """Whether the database is a file that nothing has made yet."""
        is_file = self.url == gradebook_url(self.folder.path)
        return is_file and not (self.folder.path / "gradebook.db").is_file()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One run at a time writes to a class's folder; what a killed one has left is removed.
        Inside such a block another one changes nothing.

        Raises:
            CourseError: another run is writing.
        """
        is_inside = self._lock.is_locked
        try:
            with self._lock:
                for left in () if is_inside else self.folder.path.glob(f"{STAGED}*"):
                    shutil.rmtree(left)
                with nullcontext() if is_inside else one_engine():
                    yield
        except Timeout:
            raise CourseError(
                f"Another run is grading in {self.folder.path}. Wait for it, or stop it, and run "
                "the same command again."
            ) from None

    def register(self, assignment: Assignment) -> None:
        """Make an assignment known to the database, as ``nbgrader generate_assignment`` does, and
        leave the released lesson as it is.

        Raises:
            CourseError: the database cannot be written, or holds grades for other cells than the
                assignment has now.
        """
        with _interrupts_later(), tempfile.TemporaryDirectory() as release:
            api = nbgrader_api(assignment.root, self.folder.path, Path(release), self.url)
            try:
                outcome = api.generate_assignment(assignment.name, force=True)
            except sqlalchemy.exc.OperationalError as error:
                raise CourseError(f"The gradebook cannot be written: {error.orig}") from None
            if "Cannot add or remove cells" in outcome.get("log", ""):
                raise CourseError(
                    f"{assignment.name} has gained or lost graded cells since its first "
                    "submission was graded, and nbgrader cannot change a graded assignment. "
                    "Its grades have to be made again: keep those that you want with `nbgrader "
                    f"export`, run `nbgrader db assignment remove {assignment.name} --force`, and "
                    "grade again. Other assignments, students and their grades stay; points that "
                    "a person has given in this one are lost, so note them first."
                )
            succeed(outcome, f"registering {assignment.name}")

    def record(
        self, assignment: Assignment, student: str, notebooks: Mapping[str, str], key: str
    ) -> Result:
        """Write what a submission is worth: gradebook and feedback, with nbgrader, and the result.

        Args:
            assignment: a registered assignment.
            student: whose submission it is.
            notebooks: the marked notebooks as JSON, by name.
            key: what the result was made from.

        Returns:
            The result. It is saved if it is final; otherwise the next run grades again.

        Raises:
            CourseError: the disk is full. What was recorded before is kept.
        """
        with _interrupts_later(), self._room_on_disk():
            result = self._record(assignment, student, notebooks)
            if result.is_final:
                save(result, key, self.folder.result(student, assignment.name))
            return result

    def _record(self, assignment: Assignment, student: str, notebooks: Mapping[str, str]) -> Result:
        name = assignment.name
        with tempfile.TemporaryDirectory(prefix=STAGED, dir=self.folder.path) as staged:
            folder = Path(staged, student, name)
            folder.mkdir(parents=True)
            for notebook, marked in notebooks.items():
                (folder / f"{notebook}.ipynb").write_text(marked, encoding="utf-8")
            submitted = self.folder.submission(student, name)
            if read_timestamp(submitted / "timestamp.txt") is not None:
                shutil.copy(submitted / "timestamp.txt", folder)
            if (secret := read_secret(submitted / "submission_secret.txt")) is not None:
                # By this nbgrader's exchange finds to whom the feedback goes.
                (folder / "submission_secret.txt").write_text(secret, encoding="utf-8")
            api = nbgrader_api(
                assignment.root, self.folder.path, gradebook=self.url, marked=Path(staged)
            )
            outcome = api.autograde(name, student, force=True)
            if outcome["success"]:
                written = sorted(self.folder.autograded(student, name).glob("*.ipynb"))
                final = self.final_points(name, student).get(student)
                result = with_final_points(read_results(student, name, written), final)
                outcome = api.generate_feedback(name, student, force=True)
            if outcome["success"]:
                return result
            return failed(student, name, assignment.notebooks, self._reason(outcome))

    def _reason(self, outcome: Mapping[str, Any]) -> str:
        """Why nbgrader itself failed, which no submission should be able to cause.

        Raises:
            CourseError: the disk is full.
        """
        log = outcome.get("log") or outcome.get("error") or ""
        if os.strerror(errno.ENOSPC) in log or "database or disk is full" in log:
            raise self._disk_full()
        lines = log.strip().splitlines()
        return f"nbgrader failed: {lines[-1] if lines else 'it gave no reason'}"

    def _disk_full(self) -> CourseError:
        return CourseError(
            f"The disk that holds {self.folder.path} is full. Every submission that was graded "
            "before is kept: make room, and run the same command to go on."
        )
