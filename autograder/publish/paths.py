"""Ways through the course: which lesson needs which, a term, one article, and what readers know.

All are made from the lessons' headers, the map of sections and ``solutions/paths.yml``, so a lesson
that is written joins them by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from autograder.errors import CourseError
from autograder.gates.section_map import Coverage
from autograder.notebooks import checked_yaml
from autograder.notebooks.folders import FOLDER, number_of, title_of
from autograder.notebooks.source import Lesson
from course.lessons import LESSONS

FILE = Path("solutions") / "paths.yml"
PER_WEEK = 2


def _names(lessons: list[str]) -> list[str]:
    for name in lessons:
        if not FOLDER.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a lesson, such as 07_chest_xrays")
    return lessons


class Way(BaseModel):
    """A way that somebody has chosen: for whom it is, and the lessons that it is about. What they
    need joins them."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    title: Annotated[str, StringConstraints(min_length=1)]
    about: Annotated[str, StringConstraints(min_length=1)]
    lessons: Annotated[list[str], AfterValidator(_names)]


class Ways(BaseModel):
    """The content of ``solutions/paths.yml``."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    ways: list[Way]


def load(root: Path, lessons: Set[str]) -> list[Way]:
    """The ways that the course at ``root`` names; none where there is no file of them.

    Args:
        root: the repository.
        lessons: all lessons that there are or will be.

    Raises:
        CourseError: the file is not of the form that its first lines describe, or names a lesson
            that nobody plans.
    """
    path = Path(root) / FILE
    if not path.is_file():
        return []
    try:
        ways = checked_yaml.check(checked_yaml.load(path.read_text("utf-8")), Ways).ways
    except checked_yaml.YamlFault as fault:
        raise CourseError(fault.describe(str(FILE))) from None
    for name in (name for way in ways for name in way.lessons):
        if name not in lessons:
            raise CourseError(
                f"{FILE} names {name}, which is neither a lesson nor in the map of sections: "
                "correct the name."
            )
    return ways


def page(lessons: list[Lesson], coverage: Coverage, ways: Iterable[Way]) -> str:
    """The part of the page of lessons that shows the ways, in Markdown.

    Args:
        lessons: in their order.
        coverage: which articles they mirror.
        ways: those that somebody has chosen.
    """
    known = {lesson.name: lesson for lesson in lessons}
    lines = ["## Ways through the course", "", _ABOUT, "", *_graph(known), ""]
    lines += [f"### A term, {PER_WEEK} lessons a week", "", *_term(lessons), ""]
    lines += ["### One article", ""]
    for number, title in coverage.articles.items():
        about = f"- **{number}** *{title}*: "
        planned = coverage.lessons_of(number) - set(coverage.later())
        lines.append(about + _way(planned, known))
    for way in ways:
        lines += ["", f"### {way.title}", "", " ".join(way.about.split()), ""]
        lines.append(_way(set(way.lessons), known))
    return "\n".join(lines)


_ABOUT = """\
The lessons may be read in the order of their numbers, and need not be: an arrow leads from a lesson
to those that need it."""


def everything_for(names: Set[str], needs: Mapping[str, list[str]]) -> list[str]:
    """Some lessons and all that these need, in the order of their numbers.

    Args:
        names: the lessons; those that are not written are left out.
        needs: of each written lesson, those that it needs.
    """
    found: set[str] = set()
    left = set(names & needs.keys())
    while left:
        found |= left
        left = {need for name in left for need in needs[name]} & needs.keys() - found
    return sorted(found)


def direct_needs(needs: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Of each lesson, those that it needs and that none of its other needs needs."""
    direct = {}
    for name, asked in needs.items():
        indirect = {
            further
            for need in asked
            for further in everything_for({need}, needs)
            if further != need
        }
        direct[name] = sorted(set(asked) - indirect)
    return direct


def _graph(known: Mapping[str, Lesson]) -> list[str]:
    direct = direct_needs(_needs(known))
    lines = ["```mermaid", "flowchart LR"]
    for name, lesson in known.items():
        after = [f"l{number_of(other)}" for other in known if name in direct[other]]
        arrow = f" --> {' & '.join(after)}" if after else ""
        title = lesson.header.title.replace('"', "'")
        lines.append(f'    l{number_of(name)}["{number_of(name)}<br>{title}"]{arrow}')
    return [*lines, "```"]


def _term(lessons: list[Lesson]) -> list[str]:
    lines = ["| week | lessons | hours |", "|---|---|---|"]
    for week, start in enumerate(range(0, len(lessons), PER_WEEK), 1):
        some = lessons[start : start + PER_WEEK]
        hours = sum(lesson.header.minutes for lesson in some) / 60
        lines.append(f"| {week} | {', '.join(map(_link, some))} | {hours:.1f} |")
    return lines


def _way(names: set[str], known: Mapping[str, Lesson]) -> str:
    steps = [known[name] for name in everything_for(names, _needs(known))]
    hours = sum(lesson.header.minutes for lesson in steps) / 60
    shown = ", ".join(map(_link, steps)) or "none is written yet"
    to_come = ", ".join(map(title_of, sorted(names - known.keys())))
    return f"{shown} (about {hours:.0f} hours)." + (f" To come: {to_come}." if to_come else "")


def _needs(known: Mapping[str, Lesson]) -> dict[str, list[str]]:
    return {name: list(lesson.header.needs) for name, lesson in known.items()}


def _link(lesson: Lesson) -> str:
    path = lesson.student_notebook.relative_to(lesson.root / LESSONS).as_posix()
    return f"[{number_of(lesson.name)} {lesson.header.title}]({path})"
