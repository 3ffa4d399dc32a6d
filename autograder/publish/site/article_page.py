"""A page for each article that the course follows: its sections, and where they are answered."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

from autograder.gates.section_map import Coverage, Headings
from autograder.notebooks.folders import number_of, title_of
from autograder.notebooks.source import Lesson
from autograder.publish.site.links import anchor


def path(number: int, coverage: Coverage) -> str:
    """The path of an article's page."""
    words = re.findall(r"[a-z0-9]+", coverage.articles[number].partition("?")[0].lower())
    return f"articles/{'-'.join(words)}.md"


def make_page(number: int, coverage: Coverage, lessons: Mapping[str, Lesson]) -> str:
    """The page of an article: each section and item, with the headings that answer it.

    Args:
        number: of the article in the map of sections.
        coverage: the map.
        lessons: those that are written, by name.
    """
    own = [
        (section, item, headings)
        for key, headings in coverage.sections.items()
        for article, section, item in [coverage.split(key)]
        if article == number
    ]
    answered = sum(1 for _, _, headings in own if headings and None not in headings.values())
    whole = sum(1 for _, _, headings in own if headings)
    lines = [
        f"# {coverage.articles[number]}",
        "",
        f"The sections of article {number} in its order, and the headings of the lessons that "
        f"answer them. {answered} of {whole} sections and items are answered"
        + (". The others wait for lessons to come." if answered < whole else "."),
    ]
    for section, group in itertools.groupby(own, key=lambda entry: entry[0]):
        lines += ["", f"## {section}", ""]
        for _, item, headings in group:
            if item:
                lines.append(f"- **{item}**: {_answers(headings, lessons)}")
            elif headings:
                lines += [f"Answered in: {_answers(headings, lessons)}", ""]
    return "\n".join(lines) + "\n"


def _answers(headings: Headings, lessons: Mapping[str, Lesson]) -> str:
    return "; ".join(
        _link(lessons[name], heading)
        if heading and name in lessons
        else f"{title_of(name)} (to come)"
        for name, heading in headings.items()
    )


def _link(lesson: Lesson, heading: str) -> str:
    target = lesson.student_notebook.relative_to(lesson.root).as_posix()
    number = number_of(lesson.name)
    return f"[{number} {lesson.header.title}: {heading}](../{target}#{anchor(heading)})"
