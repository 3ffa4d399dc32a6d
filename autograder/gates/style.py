"""Style of notebooks: what every built notebook must keep to, so that everyone can read it."""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from nbformat import NotebookNode

from autograder.gates.finding import Finding
from autograder.notebooks.cells import MAX_LINES, read_notebook
from autograder.notebooks.folders import lesson_folders, source_path
from autograder.notebooks.markdown import headings, html_pictures, pictures
from course.cells import RESULT, tags

INSTRUCTOR, STUDENT = "instructor notebook", "lesson"
MAX_OUTPUT = 100_000

# What is wrong with a cell, and what to do about it.
Fault = tuple[str, str]

# Shorter than this, an alt text does not say what the figure shows.
MIN_ALT = 20
KERNEL = "python3"

# What tqdm writes, and absolute paths of users and of temporary files.
_PROGRESS = re.compile(r"\d%\|")
_PLACE = re.compile(r"(?<![\w./])/(?:tmp|root|home/\w+|Users/\w+)/[^\s'\"]*")


def check(root: Path, names: Collection[str] = ()) -> list[Finding]:
    """What is wrong with the style of the notebooks in ``solutions/`` and ``lessons/``.

    Args:
        root: the repository.
        names: only these lessons; all by default.
    """
    root = Path(root)
    found = []
    for folder in lesson_folders(root):
        if names and folder.name not in names:
            continue
        instructor = source_path(folder).with_suffix(".ipynb")
        student = root / "lessons" / folder.name / instructor.name
        for kind, path in ((INSTRUCTOR, instructor), (STUDENT, student)):
            file = path.relative_to(root).as_posix()
            notebook = read_notebook(path)
            if notebook is None:
                found.append(Finding(file, f"the {kind} is missing", "run `autograder build`"))
            else:
                found += problems(notebook, kind, file)
    return found


def problems(notebook: NotebookNode, kind: str, file: str = "") -> Iterator[Finding]:
    """What is wrong with one notebook.

    Args:
        notebook: as it is stored.
        kind: ``INSTRUCTOR`` or ``STUDENT``.
        file: what to call it in findings.
    """
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    if kernel != KERNEL:
        problem = f"the kernel is {kernel!r}, and every lesson runs on {KERNEL!r}"
        yield Finding(file, problem, "correct the kernelspec in the source's header")
    if kind == INSTRUCTOR and not any(RESULT in tags(cell) for cell in notebook.cells):
        problem = f"no cell is tagged {RESULT}, so nbval would compare nothing"
        yield Finding(file, problem, "tag the cells that state a result")
    for place, problem, remedy in _heading_problems(notebook):
        yield Finding(file, problem, remedy, place)
    check_outputs = _instructor_outputs if kind == INSTRUCTOR else _student_outputs
    for number, cell in enumerate(notebook.cells, 1):
        faults = [*_cell_problems(cell), *(check_outputs(cell) if cell.cell_type == "code" else ())]
        for problem, remedy in faults:
            yield Finding(file, problem, remedy, number)


def _heading_problems(notebook: NotebookNode) -> Iterator[tuple[int | None, str, str]]:
    found = headings(notebook)
    top = [heading for heading in found if heading.level == 1]
    if len(top) != 1:
        problem = f"among its headings there are {len(top)} of level one"
        yield None, problem, "there should be one, the title at the top"
    if found and found[0].level != 1:
        yield found[0].cell + 1, f"{found[0].text!r} comes before the title", "begin with the title"
    for before, heading in itertools.pairwise(found):
        if heading.level > before.level + 1:
            problem = (
                f"{heading.text!r} is of level {heading.level} and follows a heading of level "
                f"{before.level}"
            )
            yield heading.cell + 1, problem, "headings go down one level at a time"


def _cell_problems(cell: NotebookNode) -> Iterator[Fault]:
    lines = len(cell.source.splitlines())
    if cell.cell_type == "code" and lines > MAX_LINES:
        yield f"{lines} lines, and a cell has at most {MAX_LINES}", "split it"
    if cell.cell_type == "markdown":
        for picture in pictures(cell.source):
            if len(picture.alt) < MIN_ALT:
                problem = f"the image {picture.source[:60]!r} has no alt text"
                yield problem, "say in its alt text what it shows"


def _student_outputs(cell: NotebookNode) -> Iterator[Fault]:
    if cell.outputs or cell.execution_count is not None:
        yield "a lesson is released without outputs", "run `autograder build`"


def _instructor_outputs(cell: NotebookNode) -> Iterator[Fault]:
    if not cell.outputs:
        build = "run `autograder build --force`"
        if RESULT in tags(cell):
            yield f"it is tagged {RESULT} and has no stored output to compare with", build
        elif _displays(cell.source):
            yield "it shows something, and no output is stored", build
    for output in cell.outputs:
        if output.output_type == "error":
            yield f"it ended in {output.ename}", "correct the source, then build"
        size = len(json.dumps(output).encode())
        if size > MAX_OUTPUT:
            allowed = f"at most {MAX_OUTPUT / 1000:.0f} kB are allowed"
            yield f"an output of {size / 1000:.0f} kB", f"show less, {allowed}"
        yield from _noise(output)
        if output.output_type in {"display_data", "execute_result"}:
            yield from _alt_problems(output)


def _noise(output: NotebookNode) -> Iterator[Fault]:
    """What a reader would take for a fault, or what belongs to one machine."""
    if output.output_type == "stream" and output.name == "stderr":
        lines = [line for line in re.split(r"[\r\n]", output.text) if not _PROGRESS.search(line)]
        if (stray := "".join(lines).strip()) or not _PROGRESS.search(output.text):
            problem = f"it stores {stray[:60]!r} on stderr, which looks like a fault to a reader"
            yield problem, "leave only progress bars there"
    text = output.get("text") or output.get("data", {}).get("text/plain") or ""
    if place := _PLACE.search(text):
        problem = f"its output names {place[0]!r}, a folder of the machine where it was built"
        yield problem, "print something else"


def _alt_problems(output: NotebookNode) -> Iterator[Fault]:
    for kind in output.data:
        if kind.startswith("image/"):
            about = output.metadata.get(kind)
            alt = about.get("alt") if isinstance(about, dict) else None
            alt = str(alt or output.metadata.get("alt") or "").strip()
            if len(alt) < MIN_ALT:
                yield "a figure without alt text", 'end the cell with `plots.show(fig, alt="…")`'
    if any(len(picture.alt) < MIN_ALT for picture in html_pictures(output.data.get("text/html"))):
        yield "an image in an HTML output has no alt text", "say in its alt text what it shows"


def _displays(source: str) -> bool:
    """Whether code, as far as one can see without running it, shows something."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # one of IPython's commands
        return False
    calls = [
        ast.unparse(statement.value.func)
        for statement in statements
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    ]
    return any(call in {"print", "display", "plots.show"} for call in calls)
