"""The steps that make a student's feedback of a graded notebook, with nbgrader."""

from __future__ import annotations

from typing import Any

from nbconvert.exporters import Exporter
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import GetGrades

from autograder.nbgrader_course.feedback_page import make_page
from autograder.nbgrader_course.open_gradebook import is_waiting, recorded
from course.cells import grade_id


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

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        with recorded(resources["nbgrader"]) as self.rows:
            for cell in nb.cells:
                self.preprocess_cell(cell, resources, 0)
            penalty = self.rows.notebook.late_submission_penalty or 0
            resources["nbgrader"] |= {
                "score": self.rows.notebook.score - penalty,
                "max_score": self.rows.notebook.max_score,
                "late_penalty": penalty,
            }
        return nb, resources

    def _get_score(self, cell: NotebookNode, resources: ResourcesDict) -> None:
        grade = self.rows.grades[grade_id(cell)]
        cell.metadata.nbgrader["score"] = grade.score
        cell.metadata.nbgrader["points"] = grade.max_score
        cell.metadata.nbgrader["waiting"] = is_waiting(grade)

    def _get_comment(self, cell: NotebookNode, resources: ResourcesDict) -> None:
        cell.metadata.nbgrader["comment"] = self.rows.comments[grade_id(cell)].comment
