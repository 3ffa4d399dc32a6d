"""What this course adds to nbgrader's steps when a lesson is released."""

from __future__ import annotations

import re
from pathlib import Path

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.notebooks.cells import BEGIN_HIDDEN, END_HIDDEN
from autograder.notebooks.repository import read_repository
from course.cells import INSTALL, RAISES, RESULT, note_hidden_tests, tags, text_of

# A line that claims something: an assert, or a call of a testing function such as
# `np.testing.assert_allclose` or `self.assertEqual`.
_CLAIM = re.compile(r"^\s*(?:assert\b|(?:\w+\.)*assert\w+\()")


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


class NoteHiddenTests(NbGraderPreprocessor):
    """Before the hidden tests are cut, note in each test cell how many it has.

    Only their number is noted. ``course check`` says with it what the visible tests leave open.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        if cell.cell_type == "code" and utils.is_grade(cell) and not utils.is_solution(cell):
            note_hidden_tests(cell, count_hidden_tests(cell.source))
        return cell, resources


class GoOnAfterErrors(NbGraderPreprocessor):
    """Tag answers and their tests so that *Run All* goes on after one that raises.

    An exercise that is not answered yet then stops nobody from reading and running the rest.
    Grading and ``course check`` take no tag from a submission.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        if cell.cell_type == "code" and (utils.is_grade(cell) or utils.is_solution(cell)):
            cell.metadata["tags"] = sorted(tags(cell) | {RAISES})
        return cell, resources


_INSTALL = """\
# On Colab this installs the course; elsewhere it does nothing.
if "google.colab" in str(get_ipython()):
    %pip install --quiet --no-deps {package}
    from course.colab import install_what_is_missing

    install_what_is_missing()"""


class InstallOnColab(NbGraderPreprocessor):
    """Before the first code, add a cell that installs the course on Colab, if it is known where
    from. It defines nothing elsewhere, so no answer can depend on it."""

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        repository = read_repository(Path(self.parent.parent.coursedir.root))
        if repository is not None:
            source = _INSTALL.format(package=repository.package)
            cell = new_code_cell(source, id=INSTALL, metadata={"tags": [INSTALL]})
            kinds = [each.cell_type for each in nb.cells]
            nb.cells.insert(kinds.index("code") if "code" in kinds else 0, cell)
        return nb, resources


def count_hidden_tests(source: str) -> int:
    """The number of claims in the hidden parts of a test cell; a hidden part that claims nothing
    by an assert counts as one."""
    claims, hidden, count = 0, False, 0
    for line in source.splitlines():
        if BEGIN_HIDDEN in line:
            hidden, claims = True, 0
        elif END_HIDDEN in line and hidden:
            hidden = False
            count += max(claims, 1)
        elif hidden and _CLAIM.match(line):
            claims += 1
    return count
