"""Grade a class's submissions: several run at a time, one writer keeps nbgrader's gradebook."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import nbformat
import sqlalchemy
from filelock import FileLock, Timeout
from nbformat import NotebookNode
from nbgrader.api import Assignment, Gradebook, SubmittedAssignment
from nbgrader.apps.api import NbGraderAPI

from autograder.classroom.gradebook import interrupts_later
from autograder.classroom.results import CellResult, Result, load, read_results, save
from autograder.classroom.workers import dask, default_workers, local
from autograder.errors import CourseError
from autograder.grading.grade_notebook import nothing
from autograder.grading.grade_submission import Job, environment_key, grade_submission
from autograder.grading.known_mistakes import Signatures
from autograder.grading.read_submission import Intake, read_timestamp
from autograder.grading.reading_process import shared_reading_process
from autograder.grading.rebuild import stubs
from autograder.grading.released import released
from autograder.grading.status import CELL_TIMEOUT, ERROR
from autograder.nbgrader_course.api import nbgrader_api, succeed
from autograder.nbgrader_course.settings import COURSE_ID, class_dir, gradebook_url
from autograder.notebooks.cells import groups, without_outputs
from autograder.notebooks.files import archive, assignment_files
from autograder.notebooks.folders import is_source, source_path
from autograder.notebooks.source import read_lesson
from autograder.proofs import signatures
from autograder.sandbox.isolation import IsolationError, isolation_problem
from course.cells import grade_id

# Submissions that wait in the executor's queue, for each one that is being graded. More would fill
# a scheduler's memory, fewer would leave workers idle.
WAITING = 3

# Where marked notebooks wait for nbgrader.
STAGED = ".marked-"
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclasses.dataclass(frozen=True)
class Task:
    """A submission that is to be graded. ``key`` stands for all that its result depends on."""

    student: str
    intakes: dict[str, Intake]
    key: str


class Grading:
    """One assignment's grading: the instructor's notebooks, the class's folders, nbgrader."""

    def __init__(
        self,
        root: Path,
        assignment: str,
        class_folder: Path | None = None,
        timeout: int = CELL_TIMEOUT,
        trust_submissions: bool = False,
        workers: int | None = None,
        cluster: str | None = None,
        gradebook: str | None = None,
    ) -> None:
        """Find the assignment and make it known to the gradebook.

        Args:
            root: the repository.
            assignment: a folder of ``solutions/`` with one notebook or more.
            class_folder: the class's folder; ``class_dir(root)`` by default.
            timeout: seconds for one cell.
            trust_submissions: run answers without a sandbox, with all rights of this user.
            workers: how many submissions are run at a time on this machine; as many as its cores
                and memory allow by default.
            cluster: the address of a Dask scheduler whose workers grade instead.
            gradebook: the URL of nbgrader's database; a file in the class's folder by default.

        Raises:
            CourseError: there is no such assignment, or no sandbox on this machine.
        """
        # A cluster's workers each look for their own.
        if not trust_submissions and not cluster and (problem := isolation_problem()):
            raise IsolationError(
                f"{problem} Nothing was graded. If you would run every submission yourself, "
                "unread, go on with --trust-submissions."
            )
        self.root = Path(root).resolve()
        self.assignment = assignment
        self.classes = (class_folder or class_dir(self.root)).resolve()
        self.timeout = timeout
        self.trust_submissions = trust_submissions
        self.workers = workers or default_workers()
        self.cluster = cluster
        self.gradebook = gradebook_url(self.classes, gradebook)
        self.source = self.root / "solutions" / assignment
        self.instructors = self._read_instructors()
        self.texts = {
            name: without_outputs(notebook) for name, notebook in self.instructors.items()
        }
        self.released = {
            name: released(name, notebook) for name, notebook in self.instructors.items()
        }
        self.reading = shared_reading_process()
        self.files = archive(self.source)
        self.key = self._assignment_key()

    def _read_instructors(self) -> dict[str, NotebookNode]:
        paths = sorted(self.source.glob("*.ipynb"))
        if not paths:
            raise CourseError(
                f"There is no assignment {self.assignment!r}: expected notebooks in {self.source}. "
                "A lesson's notebook is made by `autograder build`."
            )
        return {path.stem: nbformat.read(path, as_version=4) for path in paths}

    def _assignment_key(self) -> str:
        isolated = not self.trust_submissions
        digest = hashlib.sha256(f"{environment_key()} {self.timeout} {isolated}".encode())
        for name, notebook in self.instructors.items():
            code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
            digest.update("\0".join([name, *code]).encode())
        for path in assignment_files(self.source):
            digest.update(path.relative_to(self.source).as_posix().encode() + path.read_bytes())
        return digest.hexdigest()

    def exercises(self) -> dict[str, str]:
        """The exercise that each test cell belongs to; a test without one stands for itself."""
        exercises = {}
        for name, notebook in self.instructors.items():
            for group in groups(notebook):
                solution = None if group.solution is None else notebook.cells[group.solution]
                for test in (grade_id(notebook.cells[index]) for index in group.tests):
                    key = f"{name}/{test}" if len(self.instructors) > 1 else test
                    exercises[key] = test if solution is None else grade_id(solution)
        return exercises

    @property
    def submitted(self) -> Path:
        return self.classes / "submitted"

    def students(self) -> list[str]:
        """Everyone who has a folder in ``submitted/``, with this assignment in it or not.

        Raises:
            CourseError: there are no submissions.
        """
        folders = self.submitted.iterdir() if self.submitted.is_dir() else []
        names = sorted(
            folder.name for folder in folders if folder.is_dir() and not folder.name.startswith(".")
        )
        if not names:
            raise CourseError(
                f"No submissions: expected {self.submitted}/STUDENT/{self.assignment}/"
                f"{next(iter(self.instructors))}.ipynb."
            )
        return names

    def feedback(self, student: str) -> list[Path]:
        """A student's feedback pages."""
        return sorted((self.classes / "feedback" / student / self.assignment).glob("*.html"))

    def results(self) -> list[Result]:
        """What has been graded so far, with these tests or earlier ones."""
        folder = self.classes / "results" / self.assignment
        results = [load(path) for path in sorted(folder.glob("*.json"))]
        return [result for result in results if result is not None]

    def answers(self) -> dict[str, dict[str, str]]:
        """The text of each submission's answers that are not blank, by student and exercise."""
        answers: dict[str, dict[str, str]] = {}
        for student in self.students():
            given = answers.setdefault(student, {})
            for name, notebook in self.instructors.items():
                folder = self.submitted / student / self.assignment
                blank = stubs(notebook)
                intake = self.reading.read(
                    folder, self.released[name], self.released.keys() - {name}
                )
                for exercise, text in intake.answers.items():
                    if text.strip() != blank[exercise].strip():
                        given[exercise] = text
        return answers

    def grade(self, students: list[str], force: bool = False) -> Iterator[Result]:
        """Grade each student's submission and write feedback; results come as they are made.

        A submission that has not changed since it was graded is not run again.

        Args:
            students: folders of ``submitted/``.
            force: grade unchanged submissions too.

        Raises:
            CourseError: the disk is full, or the database or the cluster cannot be reached. What
                has been graded is kept, and the same call goes on with the rest.
        """
        recorded = set() if force else self._recorded()
        todo = []
        for task in map(self.task, students):
            result = self._saved(task) if task.student in recorded else None
            if result is None:
                todo.append(task)
            else:
                yield result
        if todo:
            with self._alone():
                with interrupts_later():
                    self._register()
                yield from self._grade_all(todo)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One run at a time writes to a class's folders; what a killed one left is removed."""
        try:
            with FileLock(self.classes / ".grading.lock", timeout=0):
                for left in self.classes.glob(f"{STAGED}*"):
                    shutil.rmtree(left)
                yield
        except Timeout:
            raise CourseError(
                f"Another run is grading in {self.classes}. Wait for it, or stop it, and run the "
                "same command again."
            ) from None

    def task(self, student: str) -> Task:
        """What a student has handed in."""
        intakes = {
            name: self.reading.read(
                self.submitted / student / self.assignment,
                notebook,
                self.released.keys() - {name},
            )
            for name, notebook in self.released.items()
        }
        return Task(student, intakes, self._submission_key(intakes))

    def job(self, task: Task, known: Signatures | None = None) -> Job:
        """All that grading a submission needs.

        Args:
            task: the submission.
            known: how known mistakes fail, to recognise them by.
        """
        isolated = not self.trust_submissions
        key = environment_key()
        return Job(self.texts, task.intakes, self.files, self.timeout, known or {}, isolated, key)

    def _recorded(self) -> set[str]:
        """Whose submissions stand in the gradebook."""
        is_file = self.gradebook == gradebook_url(self.classes)
        if is_file and not (self.classes / "gradebook.db").is_file():
            return set()
        try:
            with Gradebook(self.gradebook, COURSE_ID) as book:
                rows = book.db.query(SubmittedAssignment.student_id).join(Assignment)
                return {student for (student,) in rows.filter(Assignment.name == self.assignment)}
        except sqlalchemy.exc.OperationalError as error:
            raise CourseError(f"The gradebook cannot be read: {error.orig}") from None

    def _saved(self, task: Task) -> Result | None:
        """An earlier result, if all that it wrote is still there."""
        if (self.classes / "autograded" / task.student / self.assignment).is_dir():
            return load(self._result_path(task.student), task.key)
        return None

    def _result_path(self, student: str) -> Path:
        return self.classes / "results" / self.assignment / f"{student}.json"

    def _executor(self) -> AbstractContextManager[tuple[Executor, int]]:
        return dask(self.cluster) if self.cluster else local(self.workers)

    def _grade_all(self, todo: list[Task]) -> Iterator[Result]:
        """Grade several submissions at a time; this thread alone writes to the gradebook."""
        known = self._known_mistakes()
        waiting = iter(todo)
        running: dict[Future, Task] = {}
        with self._executor() as (executor, workers):
            while True:
                while len(running) < workers * (1 + WAITING) and (task := next(waiting, None)):
                    running[executor.submit(grade_submission, self.job(task, known))] = task
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    with interrupts_later():
                        result = self._finish(running.pop(future), future)
                    yield result

    def _known_mistakes(self) -> Signatures:
        if not is_source(source_path(self.source)) or not source_path(self.source).is_file():
            return {}
        cache = self.classes / "results" / self.assignment / ".known" / f"{self.key}.json"
        return signatures(read_lesson(self.source), cache, self.workers)

    def _finish(self, task: Task, future: Future) -> Result:
        """Record what came of a submission; what could not be recorded is not marked as done."""
        try:
            notebooks = future.result()
        except CourseError:
            raise
        except Exception as error:
            # A cluster's worker was lost too often. No submission can bring this about.
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            return self._failed(task.student, f"The worker failed: {reason[0]}")
        try:
            result = self.record(task.student, notebooks)
            if result.is_final:
                save(result, task.key, self._result_path(task.student))
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            raise self._disk_full() from None
        return result

    def _disk_full(self) -> CourseError:
        return CourseError(
            f"The disk that holds {self.classes} is full. Every submission that was graded "
            "before is kept: make room, and run the same command to go on."
        )

    def _submission_key(self, intakes: dict[str, Intake]) -> str:
        digest = hashlib.sha256(self.key.encode())
        for name, intake in intakes.items():
            answers, elsewhere = sorted(intake.answers.items()), sorted(intake.elsewhere)
            noted = intake.status, intake.notes
            digest.update(repr((name, answers, elsewhere, noted)).encode())
        return digest.hexdigest()

    def _register(self) -> None:
        """Make the assignment known to the gradebook, as ``nbgrader generate_assignment`` does,
        without touching the released lesson."""
        with tempfile.TemporaryDirectory() as folder:
            api = nbgrader_api(self.root, self.classes, Path(folder), self.gradebook)
            try:
                result = api.generate_assignment(self.assignment, force=True)
            except sqlalchemy.exc.OperationalError as error:
                raise CourseError(f"The gradebook cannot be written: {error.orig}") from None
            if "Cannot add or remove cells" in result.get("log", ""):
                raise CourseError(
                    f"{self.assignment} has gained or lost graded cells since its first "
                    "submission was graded, and nbgrader cannot change a graded assignment. "
                    f"Move {self.classes / 'gradebook.db'} away and grade again."
                )
            succeed(result, f"registering {self.assignment}")

    def record(self, student: str, notebooks: dict[str, str]) -> Result:
        """Hand marked notebooks to nbgrader, which writes gradebook and feedback.

        Args:
            student: whose they are.
            notebooks: what ``grade_submission`` returned.
        """
        with tempfile.TemporaryDirectory(prefix=STAGED, dir=self.classes) as name:
            staged = Path(name)
            folder = staged / student / self.assignment
            folder.mkdir(parents=True)
            for notebook, marked in notebooks.items():
                (folder / f"{notebook}.ipynb").write_text(marked, encoding="utf-8")
            self._copy_timestamp(student, folder)
            api = self._api(staged)
            graded = api.autograde(self.assignment, student, force=True)
            if not graded["success"]:
                return self._nbgrader_failed(student, graded)
            written = (self.classes / "autograded" / student / self.assignment).glob("*.ipynb")
            result = read_results(student, self.assignment, sorted(written))
            answered = api.generate_feedback(self.assignment, student, force=True)
            if not answered["success"]:
                return self._nbgrader_failed(student, answered)
        return result

    def _api(self, staged: Path) -> NbGraderAPI:
        api = nbgrader_api(self.root, self.classes, gradebook=self.gradebook)
        api.coursedir.submitted_directory = (
            str(staged.relative_to(self.root))
            if (staged.is_relative_to(self.root))
            else str(staged)
        )
        api.config.RebuildNotebook.marked = api.config.MarkNotebook.marked = True
        return api

    def _copy_timestamp(self, student: str, folder: Path) -> None:
        stamp = self.submitted / student / self.assignment / "timestamp.txt"
        if read_timestamp(stamp) is not None:
            shutil.copy(stamp, folder)

    def _nbgrader_failed(self, student: str, outcome: dict) -> Result:
        """nbgrader itself failed, which no submission should be able to cause."""
        log = outcome.get("log") or outcome.get("error") or ""
        if os.strerror(errno.ENOSPC) in log or "database or disk is full" in log:
            raise self._disk_full()
        reason = log.strip().splitlines()
        return self._failed(
            student, "nbgrader failed: " + (reason[-1] if reason else "it gave no reason")
        )

    def _failed(self, student: str, message: str) -> Result:
        """Not graded through nobody's fault; the next run tries again."""
        cells = {}
        for name, notebook in self.instructors.items():
            for test, score in nothing(notebook, message).items():
                key = f"{name}/{test}" if len(self.instructors) > 1 else test
                cells[key] = CellResult(score.score, score.max_score, message)
        maximum = sum(cell.max_score for cell in cells.values())
        return Result(
            student, self.assignment, ERROR, 0.0, maximum, 0.0, message, cells, is_final=False
        )
