"""A lesson as a page to read: what students get, with the figures and results of the executed
notebook, and without tests."""

from __future__ import annotations

import re
from html import escape

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader import utils

from autograder.errors import CourseError
from autograder.gates.leaks import html_text
from autograder.notebooks.cells import read_notebook
from autograder.notebooks.repository import Repository
from autograder.notebooks.source import Lesson
from course.cells import FULL_SIZE, INSTALL, is_answer, points_of, tags

# What `course.plots.show` adds for JupyterLab, whose images have no alternative text. Here they do.
_READ_ALOUD = re.compile(r'<p style="[^"]*">Figure: ')


def make_page(lesson: Lesson, repository: Repository | None = None, *, pdf: bool) -> NotebookNode:
    """The notebook that a lesson's page is made from.

    Text and code are the released lesson's, so an answer is its `YOUR CODE HERE`; outputs are the
    instructor notebook's, of the cells that are neither answers nor tests. Tests are left out, and
    so is what cells at full size show, since it tells only which data sets that machine had.

    Args:
        lesson: the lesson.
        repository: for the badges; None makes none.
        pdf: whether there is a PDF of the page beside it.

    Raises:
        CourseError: the lesson is not built, or one of its notebooks is older than the other.
    """
    released = read_notebook(lesson.student_notebook)
    executed = read_notebook(lesson.instructor_notebook)
    if released is not None:
        released.cells = [cell for cell in released.cells if INSTALL not in tags(cell)]
    if released is None or executed is None or not _match(released, executed):
        raise CourseError(
            f"The notebooks of {lesson.name} are missing, or do not belong together: run "
            f"`autograder build {lesson.name}`."
        )
    cells: list[NotebookNode] = []
    tests: list[NotebookNode] = []
    for cell, run in zip(released.cells, executed.cells, strict=True):
        if utils.is_grade(cell) and not is_answer(cell):
            tests.append(cell)
            continue
        if tests:
            cells.append(_instead_of(tests))
            tests = []
        cells.append(_shown(cell, run))
    if tests:
        cells.append(_instead_of(tests))
    title, *rest = cells[0].source.split("\n", 1)
    cells[:1] = [
        _prose(title),
        _prose(_links(lesson, repository, pdf)),
        _prose("\n".join(rest)),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    language = {"name": "python", "pygments_lexer": "ipython3"}
    page: NotebookNode = nbformat.v4.new_notebook(cells=cells, metadata={"language_info": language})
    page.metadata["kernelspec"] = dict(lesson.kernelspec)
    return page


def _match(released: NotebookNode, executed: NotebookNode) -> bool:
    return [cell.get("id") for cell in released.cells] == [
        cell.get("id") for cell in executed.cells
    ]


def _shown(cell: NotebookNode, run: NotebookNode) -> NotebookNode:
    """A released cell with the outputs of its run, and none of its metadata."""
    if cell.cell_type != "code":
        return _prose(cell.source)
    shown: NotebookNode = nbformat.v4.new_code_cell(cell.source)
    if not is_answer(cell) and FULL_SIZE not in tags(cell):
        shown.outputs = [new for old in run.get("outputs", ()) for new in _output(old)]
    for output in shown.outputs:
        alt = output.get("metadata", {}).get("image/png", {}).get("alt")
        if alt:
            shown.metadata["mystnb"] = {"image": {"alt": alt}}
    return shown


def _output(output: NotebookNode) -> list[NotebookNode]:
    """An output as the page shows it: without progress bars, without what is there twice."""
    if output.output_type == "stream":
        return [output] if output.name == "stdout" else []
    html = output.get("data", {}).get("text/html", "")
    if _READ_ALOUD.match(html):
        return []
    if html.lstrip().startswith("<pre"):
        # A table that rich has drawn, in colours that are hard to read on white.
        return [new_output("stream", name="stdout", text=html_text(html).lstrip("\n"))]
    return [output]


def _prose(text: str) -> NotebookNode:
    cell: NotebookNode = new_markdown_cell(text)
    return cell


def _instead_of(tests: list[NotebookNode]) -> NotebookNode:
    points = sum(map(points_of, tests))
    plural = "test cell" if len(tests) == 1 else "test cells"
    return _prose(
        f'<p class="course-tests">The notebook has {len(tests)} {plural} for this, '
        f"{points:g} point{'' if points == 1 else 's'}.</p>"
    )


def _links(lesson: Lesson, repository: Repository | None, pdf: bool) -> str:
    """What a reader may want instead of the page: the notebook, paper, a machine to run it on."""
    name = lesson.notebook_name
    path = lesson.student_notebook.relative_to(lesson.root).as_posix()
    links = [f'<a href="{escape(name)}.ipynb" download>Notebook</a>']
    if pdf:
        links.append(f'<a href="{escape(name)}.pdf">PDF</a>')
    if repository:
        links += [
            f'<a class="course-badge" href="{escape(address)}">Open in {service}</a>'
            for service, address in repository.services(path).items()
        ]
    return f'<p class="course-links">{" ".join(links)}</p>'
