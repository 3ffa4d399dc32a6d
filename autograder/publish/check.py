"""All gates of the course: what ``autograder check`` runs, one gate after the other.

The tests of each gate call the same functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.gates import coverage, leaks, style
from autograder.gates.finding import Finding
from autograder.notebooks.source import Lesson
from autograder.publish import build, lesson_lists

DRIFT, LEAKS, COVERAGE, STYLE, PROOF = "drift", "leaks", "coverage", "style", "proof"


@dataclass(frozen=True)
class Gate:
    """One gate over the lessons that were chosen.

    Attributes:
        name: of the gate.
        steps: how many parts its work has.
        findings: what each part finds, which may be nothing. The work is done as one asks for it.
    """

    name: str
    steps: int
    findings: Iterator[Sequence[Finding]]


def gates(
    root: Path, lessons: Sequence[Lesson], *, whole: bool, quick: bool = False, workers: int = 2
) -> list[Gate]:
    """The gates, in the order in which a mistake is cheapest to find.

    Args:
        root: the repository.
        lessons: the lessons to look at.
        whole: whether these are all of them. Then what belongs to no single lesson is looked at
            too: the tables of lessons, the other files in ``lessons/``, the history of the map.
        quick: without the proofs, which run every known mistake.
        workers: how many notebooks run at a time.

    Raises:
        CourseError: there is no map of sections, or it cannot be read.
    """
    coverage.load(root)
    names = [] if whole else [lesson.name for lesson in lessons]
    found = [
        Gate(COVERAGE, 1, _coverage(root, names)),
        Gate(STYLE, 1, _style(root, names)),
        Gate(LEAKS, 1, _leaks(root, names)),
        Gate(DRIFT, len(lessons) + whole, _drift(root, lessons, whole)),
    ]
    return found if quick else [*found, _proof(lessons, workers)]


def _coverage(root: Path, names: Sequence[str]) -> Iterator[Sequence[Finding]]:
    found = coverage.check(root, names)
    if not names and coverage.has_history(root):
        found += coverage.history_problems(root)
    yield found


def _style(root: Path, names: Sequence[str]) -> Iterator[Sequence[Finding]]:
    yield style.check(root, names)


def _leaks(root: Path, names: Sequence[str]) -> Iterator[Sequence[Finding]]:
    yield [leak.finding() for leak in leaks.check(root, names)]


def _drift(root: Path, lessons: Sequence[Lesson], whole: bool) -> Iterator[Sequence[Finding]]:
    for lesson in lessons:
        yield build.check(lesson)
    if whole:
        yield lesson_lists.check(root)


def _proof(lessons: Sequence[Lesson], workers: int) -> Gate:
    # Here, since it takes the sandbox along, which no other gate needs.
    from autograder import proofs

    work = proofs.plan(lessons)
    proven = proofs.as_proven(work, workers)
    found = (proofs.findings(work[index].variant, proof) for index, proof in proven)
    return Gate(PROOF, len(work), found)
