"""The steps that make a student's feedback of a graded notebook, with nbgrader."""

from __future__ import annotations

from typing import Any

from nbconvert.exporters import Exporter
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import GetGrades

from autograder.nbgrader_course.feedback_page import make_page


class FeedbackExporter(Exporter):
    """Writes the page. nbconvert's own lists a lesson's cells, and asks elsewhere for scripts."""

    file_extension = ".html"
    output_mimetype = "text/html"

    # A page is text, while the base of all exporters promises a notebook.
    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **options: Any
    ) -> tuple[str, dict[str, Any]]:
        graded, resources = super().from_notebook_node(nb, resources, **options)
        return make_page(graded, resources["nbgrader"]), resources


class GetPoints(GetGrades):
    """Take each cell's points from the gradebook, and note where a person has yet to give them."""

    def _get_score(self, cell: NotebookNode, resources: ResourcesDict) -> None:
        super()._get_score(cell, resources)
        grade = self.gradebook.find_grade(
            cell.metadata.nbgrader.grade_id, self.notebook_id, self.assignment_id, self.student_id
        )
        cell.metadata.nbgrader["waiting"] = grade.auto_score is None and grade.manual_score is None
