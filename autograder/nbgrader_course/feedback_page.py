"""A student's feedback as one page: exercises first, the lesson's own text folded away."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbconvert.filters import Highlight2HTML
from nbformat import NotebookNode
from nbgrader import utils
from pygments.formatters import HtmlFormatter

from autograder.grading.decision import Tests
from autograder.grading.harmless import PICTURES, harmless_html
from autograder.grading.status import Status
from autograder.notebooks.cells import groups
from autograder.notebooks.markdown import Heading, headings
from course.cells import find_grade_id, is_answer

TEMPLATES = Path(__file__).parent
DRAWN = "A picture that an answer has drawn."
SECTION = 2

_highlight = Highlight2HTML(pygments_lexer="ipython3")


@dataclass
class Test:
    """A graded cell without an answer in it, as its student may see it."""

    score: float
    points: float
    message: str
    code: Markup

    @property
    def lost(self) -> bool:
        return self.score < self.points


@dataclass
class Exercise:
    """An answer with the tests of it, or tests that belong to no answer.

    Attributes:
        name: the heading above it.
        anchor: the identifier in the page.
        section: what to read again: its title and the identifier in the page, if there is one.
        waiting: whether a person still has to give points.
    """

    name: str
    anchor: str
    section: tuple[str, str] | None
    answer: Markup | None = None
    outputs: list[Markup] = field(default_factory=list)
    score: float = 0.0
    points: float = 0.0
    waiting: bool = False
    tests: list[Test] = field(default_factory=list)
    mistake: str = ""
    comment: str = ""

    @property
    def solved(self) -> bool:
        return not self.waiting and self.score >= self.points

    @property
    def messages(self) -> list[str]:
        """What its failing tests say, each message once."""
        return list(dict.fromkeys(test.message for test in self.tests if test.lost))


def make_page(notebook: NotebookNode, grades: dict[str, Any]) -> str:
    """The page, as one HTML document that needs no other file and runs nothing.

    Args:
        notebook: a graded notebook without hidden tests, with each cell's points from the
            gradebook (``GetGrades``).
        grades: the notebook's name, and its ``score``, ``max_score`` and ``late_penalty``.
    """
    titles = headings(notebook)
    sections = [title for title in titles if title.level <= SECTION]
    exercises = list(_exercises(notebook, titles, sections))
    graded = notebook.metadata.get("course", {})
    status = graded.get("status", Status.GRADED)
    return _template().render(
        title=titles[0].text if titles else grades["notebook"],
        status="" if status == Status.GRADED else status.capitalize(),
        message=graded.get("message", ""),
        notes=graded.get("notes", []),
        together=graded.get("tests") == Tests.TOGETHER,
        exercises=exercises,
        score=grades["score"],
        points=grades["max_score"],
        penalty=grades["late_penalty"],
        lesson=_lesson(notebook, sections),
        style=_style(),
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    environment.filters["number"] = "{:g}".format
    environment.filters["inline"] = _inline
    return environment.get_template("feedback.html.j2")


@functools.cache
def _style() -> Markup:
    return Markup(HtmlFormatter(style="default").get_style_defs(".highlight"))


def _exercises(
    notebook: NotebookNode, titles: list[Heading], sections: list[Heading]
) -> Iterator[Exercise]:
    parts = [(group.solution, group.tests) for group in groups(notebook)]
    parts += [
        (index, [])
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type != "code" and (is_answer(cell) or utils.is_grade(cell))
    ]
    parts.sort(key=lambda part: part[1][0] if part[0] is None else part[0])
    names: set[str] = set()
    for number, (solution, tests) in enumerate(parts, 1):
        first = notebook.cells[tests[0] if solution is None else solution]
        index = tests[0] if solution is None else solution
        above = [title for title in titles if title.cell < index]
        grade_id = find_grade_id(first) or f"exercise {number}"
        name = above[-1].text if above and above[-1].level > 1 else grade_id
        if name in names:
            name = f"{name} ({grade_id})"
        names.add(name)
        before = [
            (title.text, f"section-{place}")
            for place, title in enumerate(sections, 1)
            if above and title.level == SECTION and title.cell < above[-1].cell
        ]
        exercise = Exercise(name, f"exercise-{number}", before[-1] if before else None)
        if solution is not None:
            _add_answer(exercise, first)
        for test in tests:
            _add_test(exercise, notebook.cells[test])
        yield exercise


def _add_answer(exercise: Exercise, cell: NotebookNode) -> None:
    if cell.cell_type == "code":
        exercise.answer = _code(cell.source)
        exercise.outputs = [_output(output) for output in cell.outputs]
    else:
        exercise.answer = _markdown(cell.source, None)
    exercise.mistake = cell.metadata.get("course", {}).get("misconception", "")
    exercise.comment = cell.metadata.nbgrader.get("comment") or ""
    if utils.is_grade(cell) or utils.is_task(cell):
        _add_points(exercise, cell)


def _add_test(exercise: Exercise, cell: NotebookNode) -> None:
    message = cell.metadata.get("course", {}).get("message", "")
    given = _add_points(exercise, cell)
    points = float(cell.metadata.nbgrader.points)
    exercise.tests.append(Test(given, points, message, _code(cell.source)))


def _add_points(exercise: Exercise, cell: NotebookNode) -> float:
    graded = cell.metadata.nbgrader
    score = float(graded.get("score") or 0.0)
    exercise.score += score
    exercise.points += float(graded.points)
    exercise.waiting |= bool(graded.get("waiting"))
    return score


def _lesson(notebook: NotebookNode, sections: list[Heading]) -> list[tuple[str, str, list[Markup]]]:
    """The title, the identifier and the cells of each section."""
    found: list[tuple[str, str, list[Markup]]] = []
    for index, cell in enumerate(notebook.cells):
        begun = False
        for number, title in enumerate(sections, 1):
            if title.cell == index:
                found.append((title.text, f"section-{number}", []))
                begun = True
        if not found:
            found.append(("Before the first section", "section-0", []))
        shown = found[-1][2]
        if is_answer(cell):
            shown.append(Markup('<p class="note">Here your answer has its place.</p>'))
        elif cell.cell_type == "code":
            shown.append(_code(cell.source))
            if not utils.is_grade(cell):
                shown += [_output(output) for output in cell.outputs]
        elif cell.cell_type == "markdown":
            shown.append(_markdown(cell.source, SECTION if begun else None))
    return found


@functools.lru_cache(maxsize=1000)
def _code(source: str) -> Markup:
    return Markup(_highlight(source)) if source.strip() else Markup("")


def _inline(heading: str) -> Markup:
    """A heading as HTML: it may hold code and emphasis, and stands in links too, so no link."""
    parser = MarkdownIt("zero").enable(["backticks", "emphasis", "escape"])
    return Markup(parser.renderInline(heading))


@functools.cache
def _parser() -> MarkdownIt:
    # Without HTML, and with links that run nothing, whoever has written it.
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").use(dollarmath_plugin)
    parser.add_render_rule("image", _image)
    return parser


def _image(_: object, tokens: list[Token], index: int, *__: object) -> str:
    """An image's alt text: the file of the image is not in the page."""
    return str(Markup("<em>[{}]</em>").format(tokens[index].content or "a picture"))


@functools.lru_cache(maxsize=1000)
def _markdown(source: str, section: int | None) -> Markup:
    """A text as HTML, with its headings below those of the page.

    Args:
        source: in Markdown.
        section: leave out headings down to this level, which the page itself shows.
    """
    parser = _parser()
    shown: list[Token] = []
    skipping = False
    for token in parser.parse(source):
        if token.type == "heading_open":
            skipping = section is not None and int(token.tag[1]) <= section
        if not skipping:
            shown.append(token)
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{max(4, min(6, int(token.tag[1]) + 1))}"
        if token.type == "heading_close":
            skipping = False
    return Markup(parser.renderer.render(shown, parser.options, {}))


def _output(output: NotebookNode) -> Markup:
    if output.output_type == "stream":
        return Markup("<pre>{}</pre>").format(output.text)
    if output.output_type == "error":
        return Markup("<pre>{}: {}</pre>").format(output.ename, output.evalue)
    for kind in PICTURES:
        if kind in output.data:
            return Markup('<img src="data:{};base64,{}" alt="{}">').format(
                kind, "".join(output.data[kind].split()), DRAWN
            )
    if "text/html" in output.data:
        return Markup('<div class="table">{}</div>').format(
            Markup(harmless_html(output.data["text/html"]))
        )
    return Markup("<pre>{}</pre>").format(output.data.get("text/plain", ""))
