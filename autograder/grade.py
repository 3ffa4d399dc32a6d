"""Grade a class's submissions: several run at a time, one writer keeps nbgrader's gradebook."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.apps.api import NbGraderAPI

from autograder.errors import CourseError
from autograder.examine import CELL_TIMEOUT, ERROR
from autograder.files import assignment_files
from autograder.intake import Intake, read_answers
from autograder.lesson import is_source, read_lesson, source_path
from autograder.nbgrader_settings import class_dir
from autograder.rebuild import grade_id, groups, stubs
from autograder.recognise import Signatures, signatures
from autograder.release import nbgrader_api, succeed
from autograder.results import Result, load, read_results, save
from autograder.sandbox import IsolationError, Workplace, isolation_problem, shared_workplace
from autograder.submission import mark

# Results that were made by other rules are made again.
RULES = 2


class Grading:
    """One assignment's grading: the instructor's notebooks, the class's folders, nbgrader."""

    def __init__(
        self,
        root: Path,
        assignment: str,
        class_folder: Path | None = None,
        timeout: int = CELL_TIMEOUT,
        trust_submissions: bool = False,
        workers: int = os.cpu_count() or 1,
    ) -> None:
        """Find the assignment and make it known to the gradebook.

        Args:
            root: the repository.
            assignment: a folder of ``solutions/`` with one notebook or more.
            class_folder: the class's folder; ``class_dir(root)`` by default.
            timeout: seconds for one cell.
            trust_submissions: run answers without a sandbox, with all rights of this user.
            workers: how many submissions are run at a time.

        Raises:
            CourseError: there is no such assignment, or no sandbox on this machine.
        """
        if not trust_submissions and (problem := isolation_problem()):
            raise IsolationError(
                f"{problem} Nothing was graded. If you would run every submission yourself, "
                "unread, go on with --trust-submissions."
            )
        self.root = Path(root).resolve()
        self.assignment = assignment
        self.classes = (class_folder or class_dir(self.root)).resolve()
        self.timeout = timeout
        self.trust_submissions = trust_submissions
        self.workers = workers
        self.source = self.root / "solutions" / assignment
        self.instructors = self._read_instructors()
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
        digest = hashlib.sha256(f"rules {RULES} timeout {self.timeout}".encode())
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
                for exercise, text in read_answers(folder, name, notebook).answers.items():
                    if text.strip() != blank[exercise].strip():
                        given[exercise] = text
        return answers

    def grade(self, students: list[str], force: bool = False) -> Iterator[Result]:
        """Grade each student's submission and write feedback; results come as they are made.

        A submission that has not changed since it was graded is not run again.

        Args:
            students: folders of ``submitted/``.
            force: grade unchanged submissions too.
        """
        todo = []
        for student in students:
            intakes = {
                name: read_answers(self.submitted / student / self.assignment, name, notebook)
                for name, notebook in self.instructors.items()
            }
            key = self._submission_key(intakes)
            result = None if force else self._saved(student, key)
            if result is None:
                todo.append((student, intakes, key))
            else:
                yield result
        if todo:
            self._register()
            yield from self._grade_all(todo)

    def _saved(self, student: str, key: str) -> Result | None:
        """An earlier result, if all that it wrote is still there."""
        written = self.classes / "autograded" / student / self.assignment
        if written.is_dir() and (self.classes / "gradebook.db").is_file():
            return load(self._result_path(student), key)
        return None

    def _result_path(self, student: str) -> Path:
        return self.classes / "results" / self.assignment / f"{student}.json"

    def _grade_all(self, todo: list[tuple[str, dict[str, Intake], str]]) -> Iterator[Result]:
        """Mark several submissions at a time; this thread alone writes to the gradebook."""
        known = self._known_mistakes()
        workplace = shared_workplace(not self.trust_submissions)
        with ThreadPoolExecutor(self.workers) as pool:
            futures = {
                pool.submit(self._mark, intakes, known, workplace): (student, key)
                for student, intakes, key in todo
            }
            try:
                for future in as_completed(futures):
                    student, key = futures[future]
                    result = self._record(student, future.result())
                    save(result, key, self._result_path(student))
                    yield result
            finally:
                # Whoever stops now should not wait for the rest of the class.
                for future in futures:
                    future.cancel()

    def _known_mistakes(self) -> Signatures:
        if not is_source(source_path(self.source)) or not source_path(self.source).is_file():
            return {}
        cache = self.classes / "results" / self.assignment / ".known" / f"{self.key}.json"
        return signatures(read_lesson(self.source), cache, self.workers)

    def _mark(
        self, intakes: dict[str, Intake], known: Signatures, workplace: Workplace
    ) -> dict[str, NotebookNode]:
        return {
            name: mark(self.instructors[name], intake, workplace, self.source, self.timeout, known)
            for name, intake in intakes.items()
        }

    def _submission_key(self, intakes: dict[str, Intake]) -> str:
        digest = hashlib.sha256(self.key.encode())
        for name, intake in intakes.items():
            answers, elsewhere = sorted(intake.answers.items()), sorted(intake.elsewhere)
            digest.update(repr((name, answers, elsewhere, intake.status)).encode())
        return digest.hexdigest()

    def _register(self) -> None:
        """Make the assignment known to the gradebook, as ``nbgrader generate_assignment`` does,
        without touching the released lesson."""
        with tempfile.TemporaryDirectory() as folder:
            api = nbgrader_api(self.root, self.classes, Path(folder))
            result = api.generate_assignment(self.assignment, force=True)
            if "Cannot add or remove cells" in result.get("log", ""):
                raise CourseError(
                    f"{self.assignment} has gained or lost graded cells since its first "
                    "submission was graded, and nbgrader cannot change a graded assignment. "
                    f"Move {self.classes / 'gradebook.db'} away and grade again."
                )
            succeed(result, f"registering {self.assignment}")

    def _record(self, student: str, notebooks: dict[str, NotebookNode]) -> Result:
        """Hand marked notebooks to nbgrader, which writes gradebook and feedback."""
        with tempfile.TemporaryDirectory(prefix=".marked-", dir=self.classes) as name:
            staged = Path(name)
            folder = staged / student / self.assignment
            folder.mkdir(parents=True)
            for notebook, marked in notebooks.items():
                nbformat.write(marked, folder / f"{notebook}.ipynb")
            self._copy_timestamp(student, folder)
            api = self._api(staged)
            graded = api.autograde(self.assignment, student, force=True)
            if not graded["success"]:
                return self._failed(student, graded)
            written = (self.classes / "autograded" / student / self.assignment).glob("*.ipynb")
            result = read_results(student, self.assignment, sorted(written))
            succeed(
                api.generate_feedback(self.assignment, student, force=True),
                f"feedback for {student}",
            )
        return result

    def _api(self, staged: Path) -> NbGraderAPI:
        api = nbgrader_api(self.root, self.classes)
        api.coursedir.submitted_directory = (
            str(staged.relative_to(self.root))
            if (staged.is_relative_to(self.root))
            else str(staged)
        )
        api.config.RebuildNotebook.marked = api.config.MarkNotebook.marked = True
        return api

    def _copy_timestamp(self, student: str, folder: Path) -> None:
        stamp = self.submitted / student / self.assignment / "timestamp.txt"
        if stamp.is_file() and not stamp.is_symlink() and stamp.stat().st_size < 100:
            shutil.copy(stamp, folder)

    def _failed(self, student: str, graded: dict) -> Result:
        """nbgrader itself failed, which no submission should be able to cause."""
        reason = (graded.get("log") or graded.get("error") or "").strip().splitlines()
        return Result(
            student,
            self.assignment,
            ERROR,
            message="nbgrader failed: " + (reason[-1] if reason else "it gave no reason"),
        )
