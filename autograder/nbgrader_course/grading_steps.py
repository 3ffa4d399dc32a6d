"""The steps that this course adds to nbgrader's own, as nbgrader preprocessors.

``settings.py`` names them for ``nbgrader_config.py``, so the plain ``nbgrader`` commands run them
too.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades
from traitlets import Bool, Integer

from autograder.grading.decide import decisions
from autograder.grading.grade_submission import mark
from autograder.grading.intake import Intake
from autograder.grading.own_cells import Handed
from autograder.grading.read_submission import read_timestamp
from autograder.grading.reading_process import shared_reading_process
from autograder.grading.rebuild import rebuild
from autograder.grading.released import released
from autograder.grading.status import CELL_TIMEOUT, Status
from autograder.nbgrader_course.open_gradebook import recorded
from autograder.notebooks.files import archive
from autograder.sandbox.workplace import shared_workplace
from course.cells import grade_id, is_answer


def _folder(preprocessor: NbGraderPreprocessor, resources: ResourcesDict, submitted: bool) -> Path:
    """The folder of what was submitted, or of the instructor's version of it."""
    coursedir = preprocessor.parent.parent.coursedir
    names = resources["nbgrader"]
    step = coursedir.submitted_directory if submitted else coursedir.source_directory
    student = names["student"] if submitted else "."
    return Path(coursedir.format_path(step, student, names["assignment"]))


def _instructor(preprocessor: NbGraderPreprocessor, resources: ResourcesDict) -> NotebookNode:
    path = _folder(preprocessor, resources, submitted=False)
    return nbformat.read(path / f"{resources['nbgrader']['notebook']}.ipynb", as_version=4)


class RebuildNotebook(NbGraderPreprocessor):
    """Replace a submitted notebook by the instructor's with the student's answers in it."""

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        instructor = _instructor(self, resources)
        folder = _folder(self, resources, submitted=True)
        name = resources["nbgrader"]["notebook"]
        source = _folder(self, resources, submitted=False)
        siblings = {path.stem for path in source.glob("*.ipynb")} - {name}
        intake = shared_reading_process().read(folder, released(name, instructor), siblings)
        rebuilt = rebuild(instructor, intake.answers)
        rebuilt.metadata["course"] = {
            "elsewhere": sorted(intake.elsewhere),
            "status": intake.status,
            "message": intake.message,
            "notes": intake.notes,
            "work": intake.work,
            "handed": intake.handed,
        }
        return rebuilt, resources


class SubmissionExporter(NotebookExporter):
    """Leaves reading a submission to ``RebuildNotebook``, which has a name for whatever is wrong
    with it, where nbgrader would give up."""

    def from_filename(
        self, filename: str, resources: dict[str, Any] | None = None, **options: Any
    ) -> tuple[NotebookNode, dict[str, Any]]:
        if any(isinstance(step, RebuildNotebook) for step in self._preprocessors):
            resources = self._init_resources(resources)
            resources["metadata"]["name"] = Path(filename).stem
            return self.from_notebook_node(new_notebook(), resources=resources, **options)
        return super().from_filename(filename, resources=resources, **options)


def hand_in_all(assignment: str, student: str, notebooks: list[str]) -> None:
    """nbgrader's hook before it converts a submission: have every notebook of the assignment
    looked for, whatever was handed in and under whichever name, put a time stamp aside that
    nbgrader could not read, and take away what is not a file.

    nbgrader calls it in the repository's folder. It copies what lies beside a notebook: what a link
    points to, be it the solution, and it waits for ever for what comes out of a pipe.

    Args:
        assignment: what nbgrader was asked to grade; may be a pattern.
        student: whose submissions; may be a pattern.
        notebooks: the notebooks that were found in one submission; changed in place.
    """
    folder = os.path.dirname(notebooks[0])
    sources = sorted((Path("solutions") / Path(folder).name).glob("*.ipynb"))
    notebooks[:] = [os.path.join(folder, source.name) for source in sources] or notebooks
    for where, folders, files in os.walk(folder):
        for path in (Path(where, name) for name in (*folders, *files)):
            # A notebook that is a link is not copied, and is refused when it is read.
            if not stat.S_ISREG(path.lstat().st_mode) and not _is_folder(path):
                if path.suffix != ".ipynb":
                    path.unlink()
    stamp = Path(folder, "timestamp.txt")
    if stamp.exists() and read_timestamp(stamp) is None:
        stamp.rename(stamp.with_name("timestamp.invalid.txt"))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


class MarkNotebook(NbGraderPreprocessor):
    """Run a rebuilt notebook, and note in each test cell what it is worth and why."""

    timeout = Integer(CELL_TIMEOUT, help="Seconds for one cell.").tag(config=True)
    trust_submissions = Bool(
        False, help="Run answers without a sandbox: only for answers that you would run yourself."
    ).tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        answers = {grade_id(cell): cell.source for cell in nb.cells if is_answer(cell)}
        noted = nb.metadata["course"]
        status = Status(noted["status"]) if noted["status"] else None
        elsewhere, notes = set(noted["elsewhere"]), list(noted["notes"])
        handed = [Handed(*cell) for cell in noted["handed"]]
        intake = Intake(
            answers,
            elsewhere,
            status,
            noted["message"],
            notes,
            work=noted["work"],
            handed=handed,
        )
        workplace = shared_workplace(not self.trust_submissions)
        source = _folder(self, resources, submitted=False)
        instructor = _instructor(self, resources)
        decided = decisions(source.resolve(), workplace, self.timeout)
        decision = decided.get(resources["nbgrader"]["notebook"])
        marked = mark(
            instructor, intake, workplace, archive(source), self.timeout, decision=decision
        )
        return marked, resources


class SaveScores(SaveAutoGrades):
    """Write the noted scores into nbgrader's gradebook. What a person has given stays."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if utils.is_task(cell):
            # nbgrader itself leaves a task as it was, also where nothing was handed in.
            self._add_score(cell, resources)
        return cell, resources

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        with recorded(resources["nbgrader"]) as self.rows:
            for cell in nb.cells:
                self.preprocess_cell(cell, resources, 0)
        return nb, resources

    def _add_score(self, cell: NotebookNode, resources: ResourcesDict) -> None:
        grade = self.rows.grades[grade_id(cell)]
        grade.auto_score = cell.metadata["course"]["score"]
        grade.needs_manual_grade = grade.auto_score is None or grade.manual_score is not None

    def _add_comment(self, cell: NotebookNode, resources: ResourcesDict) -> None:
        unchanged = cell.metadata.nbgrader.get("checksum") == utils.compute_checksum(cell)
        comment = "No response." if unchanged and not utils.is_task(cell) else None
        self.rows.comments[grade_id(cell)].auto_comment = comment
