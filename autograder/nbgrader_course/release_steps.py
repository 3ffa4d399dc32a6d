"""What this course adds to nbgrader's steps when a lesson is released."""

from __future__ import annotations

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from course.cells import RESULT, tags, text_of


class KeepResults(NbGraderPreprocessor):
    """Before the outputs are cleared, note what the result cells claim, and lock those cells.

    ``course check`` compares a student's notebook with it.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        if cell.cell_type == "code" and RESULT in tags(cell):
            cell.metadata["course"] = {"expected": text_of(cell.get("outputs", ())).rstrip("\n")}
            cell.metadata["editable"] = False
            cell.metadata["deletable"] = False
        return cell, resources
