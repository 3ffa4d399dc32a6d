"""From a lesson's source to the instructor notebook and the student's lesson, and back again:
are the committed notebooks what the sources make?"""

from __future__ import annotations

import difflib
import filecmp
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from autograder.errors import CourseError
from autograder.gates.finding import Finding
from autograder.nbgrader_course.api import release_notebook
from autograder.notebooks.cells import copy_outputs, read_notebook, same_code, without_outputs
from autograder.notebooks.folders import known_mistakes_path
from autograder.notebooks.instructor import make_instructor_notebook
from autograder.notebooks.source import Lesson
from autograder.publish.execute import run_notebook
from autograder.publish.kept_mistakes import is_fresh

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
    keeps = not force and committed is not None and same_code(committed, notebook)
    if committed is not None and keeps:
        copy_outputs(committed, notebook)
    else:
        _execute(lesson, notebook, on_cell)
    nbformat.write(notebook, lesson.instructor_notebook)
    release_notebook(lesson.root, lesson.name)
    return not keeps


def _execute(
    lesson: Lesson, notebook: NotebookNode, on_cell: Callable[[int, int], None] | None
) -> None:
    def report(index: int) -> None:
        if on_cell:
            on_cell(index + 1, len(notebook.cells))

    try:
        run_notebook(notebook, lesson.folder, CELL_TIMEOUT, report)
    except CellExecutionError as error:
        raise CourseError(f"{lesson.name}: a cell raised.\n{error}") from None


def check(lesson: Lesson) -> list[Finding]:
    """What of a lesson's committed notebooks is not what its source makes: source cells of the
    instructor notebook, and every byte of the student's lesson."""
    file = lesson.instructor_notebook.relative_to(lesson.root).as_posix()
    committed = read_notebook(lesson.instructor_notebook)
    if committed is None:
        return [Finding(file, "there is no instructor notebook", "run `autograder build`")]
    found = []
    old, new = without_outputs(committed), without_outputs(make_instructor_notebook(lesson))
    if old != new:
        found.append(
            Finding(
                file,
                "the instructor notebook is not what its source makes, "
                f"{_first_difference(old, new)}",
                "edit the source, then run `autograder build`",
                _first_cell(old, new),
            )
        )
    if not is_fresh(lesson):
        kept = known_mistakes_path(lesson.folder).relative_to(lesson.root).as_posix()
        said = "what is kept of known mistakes is not about these mistakes and these tests"
        found.append(Finding(kept, said, "run `autograder build`"))
    with tempfile.TemporaryDirectory() as folder:
        release_notebook(lesson.root, lesson.name, Path(folder))
        found += _compare_folders(Path(folder) / lesson.name, lesson.student_notebook.parent)
    return found


def _compare_folders(made: Path, committed: Path) -> Iterator[Finding]:
    name = f"lessons/{committed.name}"
    if not committed.is_dir():
        yield Finding(name, "the folder is missing", "run `autograder build`")
        return
    here, there = (
        {
            path.relative_to(base)
            for path in base.rglob("*")
            if path.is_file() and ".ipynb_checkpoints" not in path.parts
        }
        for base in (made, committed)
    )
    for path in sorted(here - there):
        yield Finding(f"{name}/{path}", "it is missing", "run `autograder build`")
    for path in sorted(there - here):
        yield Finding(f"{name}/{path}", "no source makes this file", "remove it")
    for path in sorted(here & there):
        if not filecmp.cmp(made / path, committed / path, shallow=False):
            old, new = (committed / path).read_text("utf-8"), (made / path).read_text("utf-8")
            yield Finding(
                f"{name}/{path}",
                f"it is not what `autograder build` makes, {_first_difference(old, new)}",
                "lessons are never edited by hand: edit the source in solutions/ and build",
                _first_cell(old, new),
            )


def _first_difference(old: str, new: str) -> str:
    """The first lines that differ, in quotes, shortened."""
    changes = [
        line
        for line in difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    return "first " + " / ".join(line.strip()[:100] for line in changes[:2])


def _first_cell(old: str, new: str) -> int | None:
    """The number of the first cell that differs in the texts of two notebooks, from 1; None where
    it is not a cell, or they are no notebooks."""
    try:
        cells = [json.loads(text)["cells"] for text in (old, new)]
    except (ValueError, KeyError, TypeError):
        return None
    pairs = enumerate(itertools.zip_longest(*cells), 1)
    return next((number for number, (one, other) in pairs if one != other), None)
