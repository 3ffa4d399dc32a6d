"""A class's folder: what was handed in, and what grading has written."""

from __future__ import annotations

from pathlib import Path

from autograder.classroom.results import Result, load
from autograder.errors import CourseError
from autograder.nbgrader_course.settings import class_dir


class ClassFolder:
    """Where everything about a class is kept, with nbgrader's names for the folders in it.

    Attributes:
        path: the folder.
    """

    def __init__(self, root: Path, path: Path | None = None) -> None:
        """Nothing is read or made yet.

        Args:
            root: the repository.
            path: the folder; by default ``$COURSE_CLASS_DIR``, or ``class/`` in the repository.
        """
        self.path = (path or class_dir(Path(root).resolve())).resolve()

    @property
    def submitted(self) -> Path:
        """Where submissions are, as STUDENT/ASSIGNMENT/NOTEBOOK.ipynb."""
        return self.path / "submitted"

    def submission(self, student: str, assignment: str) -> Path:
        """Where a student hands an assignment in."""
        return self.submitted / student / assignment

    def autograded(self, student: str, assignment: str) -> Path:
        """Where nbgrader keeps a student's graded notebooks."""
        return self.path / "autograded" / student / assignment

    def feedback(self, student: str, assignment: str) -> list[Path]:
        """A student's feedback pages, one for each notebook."""
        return sorted((self.path / "feedback" / student / assignment).glob("*.html"))

    def report(self, assignment: str) -> Path:
        """The page that says how the class did."""
        return self.path / "reports" / f"{assignment}.html"

    def result(self, student: str, assignment: str) -> Path:
        """The file of a student's result."""
        return self.path / "results" / assignment / f"{student}.json"

    def students(self, assignment: str) -> list[str]:
        """Everyone who has a folder in ``submitted/``, with the assignment in it or not.

        Args:
            assignment: its name, for the message.

        Raises:
            CourseError: there are no submissions.
        """
        folders = self.submitted.iterdir() if self.submitted.is_dir() else []
        names = sorted(
            folder.name for folder in folders if folder.is_dir() and not folder.name.startswith(".")
        )
        if not names:
            raise CourseError(
                f"No submissions: expected notebooks in {self.submitted}/STUDENT/{assignment}/."
            )
        return names

    def check_student(self, student: str, assignment: str) -> None:
        """See that somebody has a folder in ``submitted/``.

        Args:
            student: who.
            assignment: its name, for the message.

        Raises:
            CourseError: there is no such folder, or there are no submissions at all.
        """
        everyone = self.students(assignment)
        if student not in everyone:
            raise CourseError(
                f"No student {student!r} in {self.submitted}. Students are: {', '.join(everyone)}."
            )

    def results(self, assignment: str) -> list[Result]:
        """What has been graded so far, with the present tests or earlier ones."""
        paths = sorted((self.path / "results" / assignment).glob("*.json"))
        return [result for path in paths if (result := load(path)) is not None]

    def assignments(self) -> set[str]:
        """The names of the assignments of which anything has been graded."""
        return {path.parent.name for path in (self.path / "results").glob("*/*.json")}
