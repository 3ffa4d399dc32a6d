"""A lesson's source: one py:percent file, read and checked.

The format is described in ``solutions/README.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from autograder.errors import CourseError
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
from course.cells import DEMO, FULL_SIZE, RESULT, tags

FOLDER = re.compile(r"\d\d_[a-z0-9_]+")
GRADE_ID = re.compile(r"[A-Za-z0-9_]+")
TAGS = frozenset({DEMO, RESULT, FULL_SIZE, MISCONCEPTION, ALTERNATIVE, THUMBNAIL})

# What a cell marker may carry beside the type: `# %% grade_id="relu" points=2 tags=["demo"]`.
MARKER_KEYS = frozenset({"grade_id", "points", "solution", "tags", "lines_to_next_cell"})


@dataclass(frozen=True)
class Header:
    """The lesson's data, from the YAML at the top of its source.

    ``minutes`` is the time with exercises, ``minutes_reading`` without. ``mirrors`` maps an
    article's section to the heading that answers it.
    """

    title: str
    summary: str
    part: str
    minutes: int
    minutes_reading: int
    objectives: list[str]
    mirrors: dict[str, str]
    datasets: list[str] = field(default_factory=list)
    full_size: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)


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
        return sum(test.metadata["points"] for test in self.tests)


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


def source_path(folder: Path) -> Path:
    """Where a lesson folder's source stands, whether it exists or not."""
    return folder / f"{folder.name.partition('_')[2]}.py"


def is_source(path: Path) -> bool:
    """Whether a file is a lesson's source, and not an instructor's helper module."""
    return FOLDER.fullmatch(path.parent.name) is not None and path == source_path(path.parent)


def lesson_folders(root: Path) -> Iterator[Path]:
    """The folders below ``root/solutions`` that hold a lesson's source, in order."""
    for folder in sorted((root / "solutions").iterdir()):
        if folder.is_dir() and source_path(folder).is_file() and FOLDER.fullmatch(folder.name):
            yield folder


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
    notebook = jupytext.read(path, fmt="py:percent")
    where = f"{folder.name}/{path.name}"
    header = _header(notebook.metadata.get("course"), where)
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


def _header(data: dict | None, where: str) -> Header:
    if data is None:
        raise CourseError(f"{where}: the YAML header has no `jupyter: course:` block.")
    try:
        header = Header(**data)
    except TypeError as error:
        reason = str(error).replace("Header.__init__() ", "")
        raise CourseError(f"{where}: the header's `course:` block is wrong: {reason}.") from None
    if not isinstance(header.mirrors, dict) or not header.mirrors:
        raise CourseError(f"{where}: `mirrors` must map article sections to headings.")
    if header.minutes < header.minutes_reading or header.minutes_reading <= 0:
        raise CourseError(f"{where}: `minutes` must be at least `minutes_reading`, and both > 0.")
    return header


def _check_cell(cell: NotebookNode, where: str) -> None:
    unknown = set(cell.metadata) - MARKER_KEYS
    if unknown:
        raise CourseError(
            f"{where}: unknown {', '.join(sorted(unknown))} on the cell marker; "
            f"known are {', '.join(sorted(MARKER_KEYS - {'lines_to_next_cell'}))}."
        )
    unknown = tags(cell) - TAGS
    if unknown:
        raise CourseError(f"{where}: unknown tag {', '.join(sorted(unknown))}.")
    lines = len(cell.source.splitlines())
    if cell.cell_type == "code" and lines > MAX_LINES:
        raise CourseError(f"{where}: {lines} lines, and a cell has at most {MAX_LINES}: split it.")
    grade_id = cell.metadata.get("grade_id")
    if grade_id is None:
        if "points" in cell.metadata or "solution" in cell.metadata:
            raise CourseError(f"{where}: `points` and `solution` need a `grade_id`.")
        for marker in (BEGIN_SOLUTION, BEGIN_HIDDEN):
            if marker in cell.source and not tags(cell) & {MISCONCEPTION, ALTERNATIVE}:
                raise CourseError(f"{where}: `{marker}` stands in a cell without a `grade_id`.")
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
            raise CourseError(f"{where}: the answer must stand between `{begin}` and `{end}`.")
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
                    raise CourseError(f"{where}: a cell of {kind} stands before any exercise.")
                getattr(current, kind).append(cell)
    if current is not None:
        yield current


def _check_lesson(lesson: Lesson, where: str) -> None:
    seen: set[str] = set()
    for cell in lesson.cells:
        grade_id = cell.metadata.get("grade_id")
        if grade_id in seen:
            raise CourseError(f"{where}: grade_id {grade_id!r} is used twice.")
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
