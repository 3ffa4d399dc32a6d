"""A student's copy of a lesson, taken apart: its own cells, the student's cells, the exercises."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.nbgraderformat import MetadataValidator

from course.cells import (
    DEMO,
    FULL_SIZE,
    find_grade_id,
    hidden_tests,
    is_edited,
    is_named_by_digest,
    points_of,
    tags,
)
from course.check.names import bound_names, has_statements, needed_names
from course.lessons import LessonError

_HEADING = re.compile(r"^#+\s+(.+?)\s*$", re.MULTILINE)


@dataclass
class Exercise:
    """An answer and the tests that follow it.

    ``answer`` is None where tests come before any answer, as an instructor's own notebook may
    have it. ``missing`` are the ids of graded cells after the answer that the student deleted.
    """

    name: str
    title: str
    answer: NotebookNode | None
    tests: list[NotebookNode] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def cells(self) -> list[NotebookNode]:
        """The answer, if there is one, and its tests."""
        return [*([] if self.answer is None else [self.answer]), *self.tests]

    @property
    def points(self) -> float:
        """The points that its cells give."""
        return sum(map(points_of, self.cells))

    @property
    def is_untouched(self) -> bool:
        """Whether the answer is as it was released, as far as the notebook can tell."""
        answer = self.answer
        known = answer is not None and "checksum" in answer.metadata.nbgrader
        return answer is not None and known and not is_edited(answer)

    @property
    def visible(self) -> list[NotebookNode]:
        """The tests in which there is something to be seen."""
        return [test for test in self.tests if has_statements(test.source)]

    @property
    def hidden(self) -> int | None:
        """How many tests are hidden, or None where that is not noted. A test cell in which nothing
        is to be seen has one at least."""
        counts = [
            count if has_statements(test.source) else max(count or 0, 1)
            for test in self.tests
            for count in [hidden_tests(test)]
        ]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None


@dataclass
class Lesson:
    """A notebook as a student saved it.

    ``own`` are the lesson's cells in the lesson's order, ``extra`` the student's, and ``missing``
    the ids of cells that the student deleted.
    """

    path: Path
    notebook: NotebookNode
    made_here: bool
    own: list[NotebookNode]
    extra: list[NotebookNode]
    missing: list[str]
    exercises: list[Exercise]

    @property
    def name(self) -> str | None:
        """The lesson's name, such as 07_chest_xrays, wherever the notebook is; None where this
        course has not made it."""
        course = self.notebook.metadata.get("course")
        name = course.get("lesson") if self.made_here and isinstance(course, dict) else None
        return name if isinstance(name, str) else None

    def graded_cells(self) -> list[NotebookNode]:
        """The cells that grading runs: the lesson's own, without those that only show something."""
        return [cell for cell in self.own if not {DEMO, FULL_SIZE} & tags(cell)]

    def needed_cells(self, exercise: Exercise) -> list[NotebookNode]:
        """The code cells that decide about an exercise, in the lesson's order.

        These are its answer and tests, the lesson's own code before them, and of the other
        exercises the cells before them that define what any of these use.
        """
        code = [cell for cell in self.graded_cells() if cell.cell_type == "code"]
        mine = {id(cell) for cell in exercise.cells}
        end = max((i for i, cell in enumerate(code, 1) if id(cell) in mine), default=0)
        others = {id(c) for e in self.exercises if e is not exercise for c in e.cells}
        taken = [cell for cell in code[:end] if id(cell) not in others]
        left = [cell for cell in code[:end] if id(cell) in others]
        needs = set().union(*(needed_names(cell.source) for cell in taken), set())
        while more := [cell for cell in left if bound_names(cell.source) & needs]:
            taken += more
            left = [cell for cell in left if all(cell is not other for other in more)]
            needs = needs.union(*(needed_names(cell.source) for cell in more))
        ids = {id(cell) for cell in taken}
        return [cell for cell in code if id(cell) in ids]


def read_lesson(path: Path) -> Lesson:
    """Read a notebook and take it apart.

    Raises:
        LessonError: the file is not a notebook, or the notebook is not a lesson.
    """
    notebook = _read_notebook(path)
    course = notebook.metadata.get("course")
    listed = course.get("cells") if isinstance(course, dict) else None
    made_here = isinstance(listed, list)
    if isinstance(listed, list):
        own, extra, missing = _split(notebook, listed)
    else:
        own, extra, missing = list(notebook.cells), [], []
    exercises = _exercises(own)
    if not exercises:
        raise LessonError(
            f"{path} has no exercise: none of its cells is an answer or a test that nbgrader "
            "knows. Name a lesson's notebook; if this is one, its cell metadata was lost, so take "
            "a fresh copy of the lesson and paste your answers into it."
        )
    _validate(path, notebook, own)
    if isinstance(listed, list):
        _note_missing(exercises, listed, missing)
    return Lesson(path, notebook, made_here, own, extra, missing, exercises)


def _read_notebook(path: Path) -> NotebookNode:
    again = "Open it in JupyterLab and save it again, or take a fresh copy of the lesson."
    try:
        # Some editors begin a file with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
        raw = json.loads(text)
    except UnicodeDecodeError as error:
        raise LessonError(f"{path} is not a notebook: it is not UTF-8 text. {again}") from error
    except OSError as error:
        raise LessonError(f"{path} cannot be read: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        what = (
            f"its text breaks off or goes wrong at line {error.lineno}, column {error.colno} "
            f"({error.msg})"
            if text.strip()
            else "the file is empty"
        )
        raise LessonError(f"{path} is not a valid notebook: {what}. {again}") from error
    if not isinstance(raw, dict) or "cells" not in raw:
        raise LessonError(f"{path} is not a notebook of format 4: it has no cells. {again}")
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises AttributeError, KeyError and its own errors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise LessonError(f"{path} is not a valid notebook: {reason}. {again}") from error
    language = notebook.metadata.get("kernelspec", {}).get("language") or "python"
    if str(language).lower() != "python":
        raise LessonError(
            f"{path} is a notebook for a kernel of {language}, and lessons are written in Python. "
            f"{again}"
        )
    return notebook


def _split(
    notebook: NotebookNode, listed: list[str]
) -> tuple[list[NotebookNode], list[NotebookNode], list[str]]:
    by_id = {cell.get("id"): cell for cell in reversed(notebook.cells)}
    own = [by_id[name] for name in listed if name in by_id]
    taken = {id(cell) for cell in own}
    extra = [cell for cell in notebook.cells if id(cell) not in taken]
    return own, extra, [name for name in listed if name not in by_id]


def _exercises(cells: list[NotebookNode]) -> list[Exercise]:
    exercises: list[Exercise] = []
    title = ""
    for cell in cells:
        name = find_grade_id(cell) or ""
        if utils.is_solution(cell):
            exercises.append(Exercise(name, title, cell))
        elif utils.is_grade(cell):
            if not exercises:
                exercises.append(Exercise(name, title, None))
            exercises[-1].tests.append(cell)
        elif cell.cell_type == "markdown" and (headings := _HEADING.findall(cell.source)):
            title = headings[-1]
    return exercises


def _note_missing(exercises: list[Exercise], listed: list[str], missing: list[str]) -> None:
    """Tell each exercise which graded cells between its answer and the next were deleted."""
    by_name = {exercise.name: exercise for exercise in exercises if exercise.answer is not None}
    current = None
    for name in listed:
        current = by_name.get(name, current)
        if current is not None and name in missing and not is_named_by_digest(name):
            current.missing.append(name)


def _validate(path: Path, notebook: NotebookNode, own: list[NotebookNode]) -> None:
    graded = NotebookNode({**notebook, "cells": own})
    try:
        MetadataValidator().validate_nb(graded)
    except (
        Exception
    ) as error:  # its errors have no common base but Exception; KeyError is one of them
        raise LessonError(
            f"{path}: grading would refuse this notebook: {str(error).strip().splitlines()[0]}. "
            "Delete the cell that is a copy of another, or take a fresh copy of the lesson and "
            "paste your answers into it."
        ) from error
