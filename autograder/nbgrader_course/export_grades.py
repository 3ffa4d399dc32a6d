"""``nbgrader export`` with the state of each submission, which points alone do not tell."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Assignment, Gradebook, MissingEntry, Student
from nbgrader.plugins import ExportPlugin

from autograder.grading.status import Status
from autograder.nbgrader_course.open_gradebook import is_waiting

# nbgrader's own columns, and what follows them.
COLUMNS = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
    "raw_score", "late_submission_penalty", "score", "max_score", "state",
)  # fmt: skip

# States beside those of grading: nothing is in the gradebook; a person still has to give points.
NOT_GRADED, PARTLY_GRADED = "not graded", "partly graded"


class ExportGrades(ExportPlugin):
    """nbgrader's table with a column ``state``: ``graded``, ``partly graded`` where a person still
    has to give points, ``not graded`` where grading knows of no submission, or why there are no
    points, such as ``missing`` and ``unreadable``."""

    def export(self, gradebook: Gradebook) -> None:
        """Write the file that ``--to`` names, ``grades.csv`` by default.

        Args:
            gradebook: the database, open.
        """
        path = Path(self.to or "grades.csv")
        self.log.info("Exporting grades to %s", path)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows(gradebook))

    def _rows(self, gradebook: Gradebook) -> Iterator[dict[str, Any]]:
        for assignment in gradebook.assignments:
            if self.assignment and assignment.name not in map(str, self.assignment):
                continue
            for student in gradebook.students:
                if not self.student or student.id in map(str, self.student):
                    yield self._row(gradebook, assignment, student)

    def _row(
        self, gradebook: Gradebook, assignment: Assignment, student: Student
    ) -> dict[str, Any]:
        row = {
            "assignment": assignment.name,
            "duedate": assignment.duedate,
            "student_id": student.id,
            "last_name": student.last_name,
            "first_name": student.first_name,
            "email": student.email,
            "raw_score": 0.0,
            "late_submission_penalty": 0.0,
            "score": 0.0,
            "max_score": assignment.max_score,
            "state": NOT_GRADED,
        }
        try:
            submission = gradebook.find_submission(assignment.name, student.id)
        except MissingEntry:
            return row
        penalty = submission.late_submission_penalty or 0.0
        waits = any(
            is_waiting(grade) for notebook in submission.notebooks for grade in notebook.grades
        )
        state = self._state(student.id, assignment.name)
        return row | {
            "timestamp": submission.timestamp,
            "raw_score": submission.score,
            "late_submission_penalty": penalty,
            "score": max(0.0, submission.score - penalty),
            "state": PARTLY_GRADED if waits and state == Status.GRADED else state,
        }

    def _state(self, student: str, assignment: str) -> str:
        """How grading ended, as the graded notebooks tell; of several the worst."""
        coursedir = self.parent.coursedir
        folder = coursedir.format_path(coursedir.autograded_directory, student, assignment)
        states = [
            nbformat.read(path, as_version=4).metadata.get("course", {}).get("status")
            for path in sorted(Path(folder).glob("*.ipynb"))
        ]
        if not states:
            return NOT_GRADED
        return next((str(state) for state in states if state != Status.GRADED), Status.GRADED)
