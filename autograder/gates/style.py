"""Style of notebooks: what every built notebook must keep to, so that everyone can read it."""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from autograder.notebooks.cells import MAX_LINES, read_notebook
from autograder.notebooks.folders import lesson_folders, source_path
from autograder.notebooks.markdown import headings, html_pictures, pictures
from course.cells import RESULT, tags

INSTRUCTOR, STUDENT = "instructor notebook", "lesson"
MAX_OUTPUT = 100_000

# Shorter than this, an alt text does not say what the figure shows.
MIN_ALT = 20
KERNEL = "python3"

# What tqdm writes, and absolute paths of users and of temporary files.
_PROGRESS = re.compile(r"\d%\|")
_PLACE = re.compile(r"(?<![\w./])/(?:tmp|root|home/\w+|Users/\w+)/[^\s'\"]*")


def check(root: Path) -> list[str]:
    """What is wrong with the style of the notebooks in ``solutions/`` and ``lessons/``.

    Returns:
        One sentence for each finding, with the file, the cell (counted from 1) and what to do.
    """
    root = Path(root)
    found = []
    for folder in lesson_folders(root):
        instructor = source_path(folder).with_suffix(".ipynb")
        student = root / "lessons" / folder.name / instructor.name
        for kind, path in ((INSTRUCTOR, instructor), (STUDENT, student)):
            where = str(path.relative_to(root))
            notebook = read_notebook(path)
            if notebook is None:
                found.append(f"{where}: the {kind} is missing: run `autograder build`.")
            else:
                found += [f"{where}, {problem}" for problem in problems(notebook, kind)]
    return found


def problems(notebook: NotebookNode, kind: str) -> Iterator[str]:
    """What is wrong with one notebook; ``kind`` is INSTRUCTOR or STUDENT."""
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    if kernel != KERNEL:
        yield f"metadata: the kernel is {kernel!r}, and every lesson runs on {KERNEL!r}."
    yield from _heading_problems(notebook)
    for number, cell in enumerate(notebook.cells, 1):
        for problem in _cell_problems(cell):
            yield f"cell {number}: {problem}"
        if cell.cell_type == "code":
            check_outputs = _instructor_outputs if kind == INSTRUCTOR else _student_outputs
            for problem in check_outputs(cell):
                yield f"cell {number}: {problem}"
    if kind == INSTRUCTOR and not any(RESULT in tags(cell) for cell in notebook.cells):
        yield (
            f"metadata: no cell is tagged {RESULT}, so nbval would compare nothing. Tag the cells "
            "that state a result."
        )


def _heading_problems(notebook: NotebookNode) -> Iterator[str]:
    found = headings(notebook)
    top = [heading for heading in found if heading.level == 1]
    if len(top) != 1:
        yield f"headings: there are {len(top)} of level one, and there should be one, the title."
    if found and found[0].level != 1:
        yield f"cell {found[0].cell + 1}: {found[0].text!r} stands before the title."
    for before, heading in itertools.pairwise(found):
        if heading.level > before.level + 1:
            yield (
                f"cell {heading.cell + 1}: {heading.text!r} is of level {heading.level} and "
                f"follows one of level {before.level}: headings go down one level at a time."
            )


def _cell_problems(cell: NotebookNode) -> Iterator[str]:
    lines = len(cell.source.splitlines())
    if cell.cell_type == "code" and lines > MAX_LINES:
        yield f"{lines} lines, and a cell has at most {MAX_LINES}: split it."
    if cell.cell_type == "markdown":
        for picture in pictures(cell.source):
            if len(picture.alt) < MIN_ALT:
                yield f"the image {picture.source[:60]!r} has no alt text that says what it shows."


def _student_outputs(cell: NotebookNode) -> Iterator[str]:
    if cell.outputs or cell.execution_count is not None:
        yield "a lesson is released without outputs: run `autograder build`."


def _instructor_outputs(cell: NotebookNode) -> Iterator[str]:
    if not cell.outputs:
        if RESULT in tags(cell):
            yield f"it is tagged {RESULT} and has no stored output to compare with."
        elif _displays(cell.source):
            yield "it shows something, and no output is stored: run `autograder build --force`."
    for output in cell.outputs:
        if output.output_type == "error":
            yield f"it ended in {output.ename}."
        size = len(json.dumps(output).encode())
        if size > MAX_OUTPUT:
            yield f"an output of {size / 1000:.0f} kB; {MAX_OUTPUT / 1000:.0f} kB are the most."
        yield from _noise(output)
        if output.output_type in {"display_data", "execute_result"}:
            yield from _alt_problems(output)


def _noise(output: NotebookNode) -> Iterator[str]:
    """What a reader would take for a fault, or what belongs to one machine."""
    if output.output_type == "stream" and output.name == "stderr":
        lines = [line for line in re.split(r"[\r\n]", output.text) if not _PROGRESS.search(line)]
        if (stray := "".join(lines).strip()) or not _PROGRESS.search(output.text):
            yield (
                f"it stores {stray[:60]!r} on stderr, which looks like a fault to a reader: "
                "only progress bars belong there."
            )
    text = output.get("text") or output.get("data", {}).get("text/plain") or ""
    if place := _PLACE.search(text):
        yield f"its output names {place[0]!r}, a folder of the machine where it was built."


def _alt_problems(output: NotebookNode) -> Iterator[str]:
    for kind in output.data:
        if kind.startswith("image/"):
            about = output.metadata.get(kind)
            alt = about.get("alt") if isinstance(about, dict) else None
            alt = str(alt or output.metadata.get("alt") or "").strip()
            if len(alt) < MIN_ALT:
                yield 'a figure without alt text: end the cell with `plots.show(fig, alt="…")`.'
    if any(len(picture.alt) < MIN_ALT for picture in html_pictures(output.data.get("text/html"))):
        yield "an image in an HTML output has no alt text that says what it shows."


def _displays(source: str) -> bool:
    """Whether code, as far as one can see without running it, shows something."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a line of IPython's own
        return False
    calls = [
        ast.unparse(statement.value.func)
        for statement in statements
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    ]
    return any(call in {"print", "display", "plots.show"} for call in calls)
