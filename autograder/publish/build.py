"""From a lesson's source to the instructor notebook and the student's lesson, and back again:
are the committed notebooks what the sources make?"""

from __future__ import annotations

import difflib
import filecmp
import tempfile
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from autograder.errors import CourseError
from autograder.nbgrader_course.api import release_notebook
from autograder.notebooks.cells import copy_outputs, read_notebook, same_code, without_outputs
from autograder.notebooks.instructor import make_instructor_notebook
from autograder.notebooks.source import Lesson
from autograder.publish import execute as execution

# A lesson may train for a minute in one cell; a notebook that hangs should not hang the build.
CELL_TIMEOUT = 600


def build(
    lesson: Lesson, *, force: bool = False, on_cell: Callable[[int, int], None] | None = None
) -> bool:
    """Make a lesson's two notebooks.

    The instructor notebook is executed only when its code has changed or when ``force`` is set;
    otherwise it keeps its outputs, so an edit of the prose takes a second.

    Args:
        lesson: the lesson.
        force: execute in any case.
        on_cell: called with the number of cells run so far and of all cells.

    Returns:
        Whether the notebook was executed.

    Raises:
        CourseError: a cell of the lesson raised.
    """
    notebook = make_instructor_notebook(lesson)
    committed = read_notebook(lesson.instructor_notebook)
    executes = force or committed is None or not same_code(committed, notebook)
    if executes:
        _execute(lesson, notebook, on_cell)
    else:
        copy_outputs(committed, notebook)
    nbformat.write(notebook, lesson.instructor_notebook)
    release_notebook(lesson.root, lesson.name)
    return executes


def _execute(
    lesson: Lesson, notebook: NotebookNode, on_cell: Callable[[int, int], None] | None
) -> None:
    def report(index: int) -> None:
        if on_cell:
            on_cell(index + 1, len(notebook.cells))

    try:
        execution.run(notebook, lesson.folder, CELL_TIMEOUT, report)
    except CellExecutionError as error:
        raise CourseError(f"{lesson.name}: a cell raised.\n{error}") from None


def check(lesson: Lesson) -> list[str]:
    """What of a lesson's committed notebooks is not what its source makes.

    Source cells of the instructor notebook, and every byte of the student's lesson.

    Returns:
        One sentence for each difference; empty where there is none.
    """
    committed = read_notebook(lesson.instructor_notebook)
    if committed is None:
        return [f"{lesson.name}: there is no instructor notebook: run `autograder build`."]
    fresh = make_instructor_notebook(lesson)
    problems = []
    if without_outputs(fresh) != without_outputs(committed):
        diff = _first_difference(without_outputs(committed), without_outputs(fresh))
        problems.append(
            f"{lesson.name}: the instructor notebook is not what its source makes: {diff}. "
            "Edit the source, then run `autograder build`."
        )
    with tempfile.TemporaryDirectory() as folder:
        release_notebook(lesson.root, lesson.name, Path(folder))
        problems += _compare_folders(Path(folder) / lesson.name, lesson.student_notebook.parent)
    return problems


def _compare_folders(made: Path, committed: Path) -> list[str]:
    name = f"lessons/{committed.name}"
    if not committed.is_dir():
        return [f"{name}: the folder is missing: run `autograder build`."]
    here, there = (
        {
            path.relative_to(base)
            for path in base.rglob("*")
            if path.is_file() and ".ipynb_checkpoints" not in path.parts
        }
        for base in (made, committed)
    )
    problems = [f"{name}/{path}: missing: run `autograder build`." for path in sorted(here - there)]
    problems += [
        f"{name}/{path}: no source makes this file: remove it." for path in sorted(there - here)
    ]
    for path in sorted(here & there):
        if not filecmp.cmp(made / path, committed / path, shallow=False):
            diff = _first_difference((committed / path).read_text(), (made / path).read_text())
            problems.append(
                f"{name}/{path}: not what `autograder build` makes: {diff}. Lessons are never "
                "edited by hand: edit the source in solutions/ and build."
            )
    return problems


def _first_difference(old: str, new: str) -> str:
    changes = [
        line
        for line in difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    return " / ".join(line.strip()[:100] for line in changes[:2])
