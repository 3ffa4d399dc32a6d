"""A lesson's source: one py:percent file, read and checked.

The format is described in ``solutions/README.md``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import jupytext
from nbformat import NotebookNode
from ruamel.yaml.comments import CommentedMap

from autograder.errors import CourseError
from autograder.notebooks import checked_yaml
from autograder.notebooks.cells import (
    ALTERNATIVE,
    BEGIN_HIDDEN,
    BEGIN_SOLUTION,
    END_HIDDEN,
    END_SOLUTION,
    MAX_LINES,
    MISCONCEPTION,
    THUMBNAIL,
)
from autograder.notebooks.folders import lesson_folders, source_path
from autograder.notebooks.header import Header
from course.cells import DEMO, FULL_SIZE, RESULT, tags

GRADE_ID = re.compile(r"[A-Za-z0-9_]+")
TAGS = frozenset({DEMO, RESULT, FULL_SIZE, MISCONCEPTION, ALTERNATIVE, THUMBNAIL})

# What a cell marker may carry beside the type: `# %% grade_id="relu" points=2 tags=["demo"]`.
MARKER_KEYS = frozenset({"grade_id", "points", "solution", "tags", "lines_to_next_cell"})


@dataclass(frozen=True)
class Exercise:
    """A solution cell with its tests, the wrong answers they must catch, and other right ones."""

    name: str
    solution: NotebookNode
    tests: list[NotebookNode]
    misconceptions: list[NotebookNode]
    alternatives: list[NotebookNode]

    @property
    def points(self) -> float:
        return sum(float(test.metadata["points"]) for test in self.tests)


@dataclass(frozen=True)
class Lesson:
    """A lesson's source and the places of the notebooks that are made from it."""

    name: str
    source: Path
    header: Header
    kernelspec: dict[str, str]
    cells: list[NotebookNode]
    exercises: list[Exercise]

    @property
    def folder(self) -> Path:
        return self.source.parent

    @property
    def root(self) -> Path:
        return self.folder.parent.parent

    @property
    def notebook_name(self) -> str:
        return self.source.stem

    @property
    def instructor_notebook(self) -> Path:
        return self.source.with_suffix(".ipynb")

    @property
    def student_notebook(self) -> Path:
        return self.root / "lessons" / self.name / f"{self.notebook_name}.ipynb"

    @property
    def points(self) -> float:
        return sum(exercise.points for exercise in self.exercises)


def explanation(cell: NotebookNode) -> str:
    """The comment at the top of a misconception or alternative, as one line."""
    lines = []
    for line in cell.source.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    return " ".join(lines)


def all_lessons(root: Path) -> list[Lesson]:
    """Every lesson of the course, in order."""
    return [read_lesson(folder) for folder in lesson_folders(Path(root))]


def read_lesson(folder: Path) -> Lesson:
    """Read and check a lesson's source.

    Raises:
        CourseError: the source is missing or breaks a rule of ``solutions/README.md``.
    """
    folder = Path(folder).resolve()
    path = source_path(folder)
    if not path.is_file():
        raise CourseError(f"{folder.name} has no source: expected the file {path}.")
    where = f"{folder.name}/{path.name}"
    text = path.read_text(encoding="utf-8")
    header = _read_header(text, where)
    notebook = _read_cells(text)
    for number, cell in enumerate(notebook.cells, 1):
        _check_cell(cell, f"{where}, cell {number}")
    cells = [cell for cell in notebook.cells if cell.source.strip()]
    exercises = list(_exercises(cells, where))
    lesson = Lesson(
        name=folder.name,
        source=path,
        header=header,
        kernelspec=dict(notebook.metadata.get("kernelspec", {})),
        cells=cells,
        exercises=exercises,
    )
    _check_lesson(lesson, where)
    return lesson


def _read_cells(text: str) -> NotebookNode:
    # Whoever gets a lesson may change its cells.
    return copy.deepcopy(_parse(text))


@lru_cache(maxsize=64)
def _parse(text: str) -> NotebookNode:
    """Every gate reads all lessons, and jupytext takes a third of a second for one."""
    notebook: NotebookNode = jupytext.reads(text, fmt="py:percent")
    return notebook


def _read_header(text: str, where: str) -> Header:
    block = _header_block(text)
    try:
        jupyter = checked_yaml.load(block).get("jupyter") if block else None
        data = jupyter.get("course") if isinstance(jupyter, CommentedMap) else None
        if isinstance(data, CommentedMap):
            return checked_yaml.check(data, Header)
    except checked_yaml.YamlFault as fault:
        raise CourseError(fault.describe(where)) from None
    raise CourseError(
        f"{where}, line 1: the source has no `jupyter: course:` block in a YAML header at its top: "
        "copy one from solutions/README.md."
    )


def _header_block(text: str) -> str:
    """The YAML between the first two lines `# ---`, on the lines that it has in the file."""
    lines = text.splitlines()
    marks = [number for number, line in enumerate(lines) if line.rstrip() == "# ---"][:2]
    if len(marks) < 2 or marks[0] != 0:
        return ""
    yaml = [line.removeprefix("#").removeprefix(" ") for line in lines[1 : marks[1]]]
    return "\n".join(["", *yaml])


def _check_cell(cell: NotebookNode, where: str) -> None:
    unknown = set(cell.metadata) - MARKER_KEYS
    if unknown:
        raise CourseError(
            f"{where}: unknown {', '.join(sorted(unknown))} on the cell marker; "
            f"known are {', '.join(sorted(MARKER_KEYS - {'lines_to_next_cell'}))}."
        )
    unknown = tags(cell) - TAGS
    if unknown:
        raise CourseError(
            f"{where}: unknown tag {', '.join(sorted(unknown))}; known are "
            f"{', '.join(sorted(TAGS))}."
        )
    lines = len(cell.source.splitlines())
    if cell.cell_type == "code" and lines > MAX_LINES:
        raise CourseError(f"{where}: {lines} lines, and a cell has at most {MAX_LINES}: split it.")
    grade_id = cell.metadata.get("grade_id")
    if grade_id is None:
        if "points" in cell.metadata or "solution" in cell.metadata:
            raise CourseError(f"{where}: `points` and `solution` need a `grade_id`.")
        for marker in (BEGIN_SOLUTION, BEGIN_HIDDEN):
            if marker in cell.source and not tags(cell) & {MISCONCEPTION, ALTERNATIVE}:
                raise CourseError(f"{where}: `{marker}` is in a cell without a `grade_id`.")
        return
    if not GRADE_ID.fullmatch(str(grade_id)):
        raise CourseError(f"{where}: grade_id {grade_id!r} must be letters, digits, underscores.")
    if bool(cell.metadata.get("solution")) == ("points" in cell.metadata):
        raise CourseError(f"{where}: {grade_id} needs either `solution=true` or `points=…`.")
    if tags(cell) - {RESULT}:
        raise CourseError(f"{where}: {grade_id} is graded and cannot be tagged {tags(cell)}.")
    _check_regions(cell, where)


def _check_regions(cell: NotebookNode, where: str) -> None:
    lines = [line.strip() for line in cell.source.splitlines()]
    is_solution = bool(cell.metadata.get("solution"))
    for begin, end, wanted in (
        (BEGIN_SOLUTION, END_SOLUTION, is_solution),
        (BEGIN_HIDDEN, END_HIDDEN, False),
    ):
        if lines.count(begin) != lines.count(end):
            raise CourseError(f"{where}: `{begin}` and `{end}` do not pair up.")
        if wanted and begin not in lines:
            raise CourseError(f"{where}: the answer must be between `{begin}` and `{end}`.")
    if (is_solution and BEGIN_HIDDEN in lines) or (not is_solution and BEGIN_SOLUTION in lines):
        raise CourseError(f"{where}: solutions and hidden tests cannot share a cell.")
    if not is_solution and lines[0] == BEGIN_HIDDEN:
        raise CourseError(
            f"{where}: {cell.metadata['grade_id']} shows nothing to the student: begin it with a "
            "comment that says what is checked."
        )
    points = cell.metadata.get("points")
    if not is_solution and not (isinstance(points, int | float) and points > 0):
        raise CourseError(f"{where}: points must be a positive number, not {points!r}.")


def _exercises(cells: list[NotebookNode], where: str) -> Iterator[Exercise]:
    current: Exercise | None = None
    for cell in cells:
        if cell.metadata.get("solution"):
            if current is not None:
                yield current
            current = Exercise(cell.metadata["grade_id"], cell, [], [], [])
            continue
        kinds = {
            "tests": "points" in cell.metadata,
            "misconceptions": MISCONCEPTION in tags(cell),
            "alternatives": ALTERNATIVE in tags(cell),
        }
        for kind, applies in kinds.items():
            if applies:
                if current is None:
                    raise CourseError(f"{where}: a cell of {kind} comes before the first exercise.")
                getattr(current, kind).append(cell)
    if current is not None:
        yield current


def _check_lesson(lesson: Lesson, where: str) -> None:
    seen: set[str] = set()
    for cell in lesson.cells:
        grade_id = cell.metadata.get("grade_id")
        if grade_id in seen:
            raise CourseError(f"{where}: grade_id {grade_id!r} is used twice: rename one cell.")
        if grade_id:
            seen.add(grade_id)
    if sum(THUMBNAIL in tags(cell) for cell in lesson.cells) > 1:
        raise CourseError(f"{where}: one cell has the tag `{THUMBNAIL}`, not several.")
    if not lesson.exercises:
        raise CourseError(f"{where}: a lesson needs at least one exercise.")
    for exercise in lesson.exercises:
        for kind, least in (("tests", 1), ("misconceptions", 2), ("alternatives", 1)):
            found = len(getattr(exercise, kind))
            if found < least:
                raise CourseError(f"{where}: {exercise.name} has {found} {kind}, needs {least}.")
        for cell in exercise.misconceptions + exercise.alternatives:
            if len(explanation(cell)) < 10:
                raise CourseError(
                    f"{where}: a misconception or alternative of {exercise.name} must begin with "
                    "a comment that says what it is."
                )
