"""An assignment as its instructor has it: notebooks with solutions, and files beside them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nbformat

from autograder.classroom.results import cell_name
from autograder.errors import CourseError
from autograder.grading import known_mistakes
from autograder.grading.conditions import Conditions
from autograder.grading.released import released
from autograder.grading.score import has_points
from autograder.notebooks.cells import groups, without_outputs
from autograder.notebooks.files import archive, assignment_files
from autograder.notebooks.folders import is_lesson, known_mistakes_path
from course.cells import grade_id


class Assignment:
    """A folder of ``solutions/``: a lesson, or an assignment that an instructor has made by hand.

    Attributes:
        root: the repository.
        name: the folder's name.
        folder: the folder.
        notebooks: the instructor's notebooks, by name.
        texts: the same without outputs, as JSON.
        released: what students were given of them, by name.
        files: a tar archive of what the notebooks may read or import.
        known_mistakes: what a lesson's known mistakes do in the tests as they are now, see
            ``grading.known_mistakes``; empty where that is not kept.
    """

    def __init__(self, root: Path, name: str) -> None:
        """Read it.

        Args:
            root: the repository.
            name: a folder of ``solutions/`` with one notebook or more.

        Raises:
            CourseError: there is no such assignment.
        """
        self.root = Path(root).resolve()
        self.name = name
        self.folder = self.root / "solutions" / name
        paths = sorted(self.folder.glob("*.ipynb"))
        if not paths:
            raise CourseError(
                f"There is no assignment {name!r}: expected notebooks in {self.folder}. "
                "A lesson's notebook is made by `autograder build`."
            )
        self.notebooks = {path.stem: nbformat.read(path, as_version=4) for path in paths}
        self.texts = {name: without_outputs(notebook) for name, notebook in self.notebooks.items()}
        self.released = {
            name: released(name, notebook) for name, notebook in self.notebooks.items()
        }
        self.files = archive(self.folder)
        self.known_mistakes = self._known_mistakes()

    def _known_mistakes(self) -> bytes:
        path = known_mistakes_path(self.folder)
        data = path.read_bytes() if path.is_file() and self.is_lesson else b""
        key = known_mistakes.read_known_mistakes(data).key
        is_fresh = [key] == [known_mistakes.key(each) for each in self.notebooks.values()]
        return data if is_fresh else b""

    def exercises(self) -> dict[str, str]:
        """The exercise that each cell with points belongs to, in the notebook's order; the cell
        itself where there is none, as where a person grades it."""
        exercises = {}
        for name, notebook in self.notebooks.items():
            answers = {
                test: grade_id(notebook.cells[group.solution])
                for group in groups(notebook)
                if group.solution is not None
                for test in group.tests
            }
            for index, cell in enumerate(notebook.cells):
                if has_points(cell):
                    key = cell_name(name, grade_id(cell), len(self.notebooks))
                    exercises[key] = answers.get(index, grade_id(cell))
        return exercises

    @property
    def is_lesson(self) -> bool:
        """Whether the notebook is made from a lesson's source, and not by hand."""
        return is_lesson(self.folder)

    def key(self, conditions: Conditions) -> str:
        """A digest of all that a result depends on, apart from the submission.

        Args:
            conditions: how answers are run.
        """
        digest = hashlib.sha256(
            f"{conditions.environment} {conditions.timeout} {conditions.isolated} "
            f"{conditions.tests}".encode()
        )
        for name, notebook in self.notebooks.items():
            cells = [
                # Points, kinds and ids decide what an answer is worth as its tests do.
                (cell.cell_type, cell.source, cell.metadata.get("nbgrader"))
                for cell in notebook.cells
                if cell.cell_type == "code" or "nbgrader" in cell.metadata
            ]
            digest.update(json.dumps([name, cells], sort_keys=True).encode())
        digest.update(self.known_mistakes)
        for path in assignment_files(self.folder):
            digest.update(path.relative_to(self.folder).as_posix().encode() + path.read_bytes())
        return digest.hexdigest()
