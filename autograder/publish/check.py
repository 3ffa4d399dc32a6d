"""The gates of the course, one after the other, as ``autograder check`` runs them.

The tests of each gate call the same functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from autograder.gates import coverage, leaks, section_map, style, terms
from autograder.gates.finding import Finding, Gate
from autograder.notebooks.source import Lesson
from autograder.publish import build, lesson_lists


def gates(root: Path, lessons: Sequence[Lesson], *, whole: bool) -> list[Gate]:
    """The gates that run no answers, in the order in which a mistake is cheapest to find.

    ``proofs.gate`` is the one that runs them; this module does not import it, since it brings the
    sandbox with it.

    Args:
        root: the repository.
        lessons: the lessons to look at.
        whole: whether these are all of them. Then what belongs to no single lesson is looked at
            too: the tables of lessons, the other files in ``lessons/``, the history of the map.

    Raises:
        CourseError: there is no map of sections, or it cannot be read.
    """
    section_map.load(root)
    names = [] if whole else [lesson.name for lesson in lessons]
    return [
        Gate("coverage", 1, _coverage(root, names)),
        Gate("terms", 1, _terms(root, names)),
        Gate("style", 1, _style(root, names)),
        Gate("leaks", 1, _leaks(root, names)),
        Gate("drift", len(lessons) + whole, _drift(root, lessons, whole)),
    ]


def _coverage(root: Path, names: Sequence[str]) -> Iterator[Sequence[Finding]]:
    found = coverage.check(root, names)
    if not names and coverage.has_history(root):
        found += coverage.history_problems(root)
    yield found


def _terms(root: Path, names: Sequence[str]) -> Iterator[Sequence[Finding]]:
    yield terms.check(root, names)


def _style(root: Path, names: Sequence[str]) -> Iterator[Sequence[Finding]]:
    yield style.check(root, names)


def _leaks(root: Path, names: Sequence[str]) -> Iterator[Sequence[Finding]]:
    yield [leak.finding() for leak in leaks.check(root, names)]


def _drift(root: Path, lessons: Sequence[Lesson], whole: bool) -> Iterator[Sequence[Finding]]:
    for lesson in lessons:
        yield build.check(lesson)
    if whole:
        yield lesson_lists.check(root)
