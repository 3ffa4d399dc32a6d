"""The sources of the site: what Sphinx makes its pages from.

Each has the path of the file in the repository that it is made from, so links between files hold.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder.errors import CourseError
from autograder.gates.section_map import Coverage, load
from autograder.notebooks.folders import number_of
from autograder.notebooks.markdown import passages
from autograder.notebooks.repository import Repository, read_repository
from autograder.notebooks.source import Lesson, all_lessons
from autograder.publish.bundle import student_readme
from autograder.publish.lesson_lists import PICTURES
from autograder.publish.site import article_page, drawings, lesson_page
from autograder.publish.site.links import Links, anchor
from autograder.publish.thumbnails import thumbnail

FRONT = "docs/index.md"
# In their order, each with its name in the contents. What else is in docs/ follows.
GUIDES = {
    "docs/students.md": "For students",
    "docs/instructors.md": "For instructors",
    "docs/learning-platforms.md": "Canvas, Moodle, Blackboard",
    "docs/term.md": "A whole term",
    "solutions/README.md": "Writing a lesson",
    "SECURITY.md": "Security",
    "docs/maintainers.md": "For maintainers",
    "CONTRIBUTING.md": "Contributing",
}
REFERENCE = {
    "lessons/GLOSSARY.md": "Glossary",
    "docs/api.md": "The package course",
    "CHANGELOG.md": "Changelog",
}
STUDENT_README = "autograder/publish/student/README.md"

# A paragraph that is only a link to a heading of a file that is not on the site.
_PLACEHOLDER = re.compile(r"^\[[^\]]+\]\(([^()\s#]+)#([\w-]+)\)$", re.MULTILINE)


@dataclass(frozen=True)
class _Course:
    root: Path
    lessons: dict[str, Lesson]
    coverage: Coverage
    repository: Repository | None


def make_sources(root: Path, *, pdf: bool = True) -> dict[str, bytes]:
    """The sources of all pages and of their pictures, by path.

    Args:
        root: the repository.
        pdf: whether each lesson's page links to a PDF of it.

    Raises:
        CourseError: a lesson is not built, a text is missing, or the setting is wrong.
    """
    root = Path(root)
    course = _Course(
        root,
        {lesson.name: lesson for lesson in all_lessons(root)},
        load(root),
        read_repository(root),
    )
    pages = {_path(lesson): lesson for lesson in course.lessons.values()}
    articles = {
        article_page.path(number, course.coverage): number for number in course.coverage.articles
    }
    texts = [*GUIDES, *_other_guides(root), *REFERENCE]
    links = Links({"index.md", *pages, *articles, *texts}, course.repository)

    made: dict[str, bytes] = {"index.md": _front_page(course, links, articles).encode()}
    for path, lesson in pages.items():
        notebook = lesson_page.make_page(lesson, course.repository, pdf=pdf)
        made[path] = nbformat.writes(notebook).encode()
        if (picture := thumbnail(lesson)) is not None:
            made[f"{PICTURES.as_posix()}/{lesson.name}.png"] = picture.png
    for path, number in articles.items():
        made[path] = article_page.make_page(number, course.coverage, course.lessons).encode()
    for path in texts:
        text = drawings.as_tables(_with_sections(root, path, links))
        made[path] = links.moved(text, path, path).encode()
    return made


def _other_guides(root: Path) -> list[str]:
    """The texts in docs/ that have no name here."""
    paths = [path.relative_to(root).as_posix() for path in sorted((root / "docs").glob("*.md"))]
    return [path for path in paths if path not in {FRONT, *GUIDES, *REFERENCE}]


def _path(lesson: Lesson) -> str:
    return lesson.student_notebook.relative_to(lesson.root).as_posix()


def _read(root: Path, path: str) -> str:
    if path == STUDENT_README:
        return student_readme(root)
    if not (root / path).is_file():
        raise CourseError(f"There is no {path}, and the site needs it.")
    return (root / path).read_text(encoding="utf-8")


def _with_sections(root: Path, path: str, links: Links) -> str:
    """A text in which a paragraph that is only a link to a section elsewhere is that section.

    So a guide uses what the README says, and both read well where they are.
    """
    text = _read(root, path)

    def section(placeholder: re.Match[str]) -> str:
        file = (root / path).parent.joinpath(placeholder[1]).resolve()
        name = file.relative_to(root.resolve()).as_posix()
        if name in links.pages:
            return placeholder[0]
        return links.moved(_section(_read(root, name), placeholder[2], name), name, path)

    return _PLACEHOLDER.sub(section, text)


def _section(text: str, fragment: str, name: str) -> str:
    """A section of a text, from its heading to the next one that is not below it."""
    headings = [passage for passage in passages(text) if passage.level]
    for index, heading in enumerate(headings):
        if anchor(heading.source) == fragment:
            after = (other for other in headings[index + 1 :] if other.level <= heading.level)
            lines = text.split("\n")
            end = next((other.line - 1 for other in after), len(lines))
            return "\n".join(lines[heading.line - 1 : end]).rstrip()
    raise CourseError(
        f"{name} has no heading #{fragment}, and a guide of the site takes its section."
    )


def _front_page(course: _Course, links: Links, articles: Mapping[str, int]) -> str:
    """``docs/index.md``, then the lessons by part, then the table of contents, which is hidden."""
    text = _read(course.root, FRONT)
    lines = [links.moved(text, FRONT, "index.md").rstrip(), ""]
    parts = itertools.groupby(course.lessons.values(), key=lambda lesson: lesson.header.part)
    contents: list[str] = []
    for part, group in parts:
        lessons = list(group)
        lines += [f"## {part}", "", *(line for lesson in lessons for line in _entry(lesson))]
        contents += _toctree(part, [(_title(lesson), _path(lesson)) for lesson in lessons])
    titles = [(course.coverage.articles[number], path) for path, number in articles.items()]
    contents += _toctree("The articles", titles)
    guides = [(title, path) for path, title in GUIDES.items()]
    guides += [("", path) for path in _other_guides(course.root)]
    contents += _toctree("Guides", guides)
    contents += _toctree("Reference", [(title, path) for path, title in REFERENCE.items()])
    return "\n".join([*lines, *contents]) + "\n"


def _entry(lesson: Lesson) -> list[str]:
    header = lesson.header
    picture = thumbnail(lesson)
    alt = " ".join(picture.alt.split()).replace("]", "\\]") if picture else ""
    image = [f"![{alt}]({PICTURES.as_posix()}/{lesson.name}.png)", ""] if picture else []
    return [
        "::::{container} course-lesson",
        *image,
        f"### [{_title(lesson)}]({_path(lesson)})",
        "",
        " ".join(header.summary.split()),
        "",
        f"*{header.minutes_reading} minutes to read, {header.minutes} with the exercises*",
        "::::",
        "",
    ]


def _toctree(caption: str, entries: Sequence[tuple[str, str]]) -> list[str]:
    """A table of contents; a page without a name in it has that of its heading."""
    pages = [(title, path.rpartition(".")[0]) for title, path in entries]
    listed = [f"{title} <{page}>" if title else page for title, page in pages]
    return ["```{toctree}", ":hidden:", f":caption: {caption}", "", *listed, "```", ""]


def _title(lesson: Lesson) -> str:
    return f"{number_of(lesson.name)} {lesson.header.title}"
