"""The steps that this course adds to nbgrader's own, as nbgrader preprocessors.

``nbgrader_config.py`` names them, so the plain ``nbgrader`` commands run them too.
"""

from __future__ import annotations

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.lesson import RESULT, tags


def stated_result(cell: NotebookNode) -> str:
    """What a cell that claims a result shows: its standard output and its last value, as text."""
    parts = []
    for output in cell.get("outputs", ()):
        if output.output_type == "stream" and output.name == "stdout":
            parts.append(output.text)
        elif output.output_type in {"execute_result", "display_data"}:
            parts.append(output.data.get("text/plain", ""))
    return "".join(parts).rstrip("\n")


class KeepResults(NbGraderPreprocessor):
    """Before the outputs are cleared, note what the result cells claim, and lock those cells.

    ``course check`` compares a student's notebook with it.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        if cell.cell_type == "code" and RESULT in tags(cell):
            cell.metadata["course"] = {"expected": stated_result(cell)}
            cell.metadata["editable"] = False
            cell.metadata["deletable"] = False
        return cell, resources
