"""A page about a graded assignment: how it went, where it was hard, what needs a look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import matplotlib.figure
import matplotlib.ticker
import numpy as np

from autograder.classroom.likeness import SHORTEST, alike
from autograder.classroom.pages import BLUE, embedded, render
from autograder.classroom.results import Result
from autograder.errors import CourseError
from autograder.grading.decision import Tests
from autograder.grading.score import NOT_ANSWERED
from autograder.grading.status import Status

# More would make a page that nobody reads.
MOST_GROUPS, MOST_NAMES = 30, 12
MOST_MESSAGE, MOST_EXAMPLE = 300, 1_500

# Hours before the deadline, from the one named to the next.
SPANS = (
    ("more than two days before", 48.0),
    ("one to two days before", 24.0),
    ("three to 24 hours before", 3.0),
    ("in the last three hours", 0.0),
    ("late", -np.inf),
)

Answers = Mapping[str, Mapping[str, str]]


def make_report(
    results: list[Result],
    exercises: Mapping[str, str],
    answers: Answers,
    hours: Mapping[str, float] | None = None,
) -> str:
    """The page, as one HTML document that needs no other file.

    Args:
        results: of one assignment.
        exercises: the exercise of each test cell.
        answers: by student and exercise, the text of the answer.
        hours: from each student's submission to the deadline, negative where it was late; by
            default the assignment has no deadline.

    Raises:
        CourseError: there are no results.
    """
    if not results:
        raise CourseError("There is nothing to report: grade the assignment first.")
    scores = _numbers([result.score for result in results])
    most = float(_numbers([result.max_score for result in results]).max())
    picture, alt = _histogram(scores, most)
    new = list(_new_mistakes(results, exercises, answers))
    return render(
        "report.html.j2",
        assignment=results[0].assignment,
        graded=len(results),
        together=any(result.tests == Tests.TOGETHER for result in results),
        most=f"{most:g}",
        median=f"{np.median(scores):g}",
        picture=picture,
        picture_alt=alt,
        exercises=list(_exercise_rows(results, exercises)),
        mistakes=_known_mistakes(results, answers),
        common=[group for group in new if len(group[2]) > 1],
        single=[group for group in new if len(group[2]) == 1],
        spans=list(_spans(results, hours or {})),
        looks=list(_looks(results)),
        twins=list(alike(answers)),
        shortest=SHORTEST,
        names=_names,
    )


def _numbers(values: list[float]) -> np.ndarray:
    """Points as numbers from 0 up, whatever an assignment's metadata says."""
    finite = np.nan_to_num(np.array(values, dtype=float), posinf=0.0)
    numbers: np.ndarray = np.maximum(finite, 0.0)
    return numbers


def _histogram(scores: np.ndarray, most: float) -> tuple[str, str]:
    """A picture of the distribution as base64, and its alt text."""
    top = max(most, float(scores.max())) or 1.0
    figure = matplotlib.figure.Figure(figsize=(7, 2.8), dpi=110, layout="constrained")
    axis = figure.subplots()
    bins = int(min(20, top + 1))
    counts, edges, _ = axis.hist(scores, bins=bins, range=(0, top), color=BLUE)
    axis.set(xlabel="points", ylabel="submissions", xlim=(0, top))
    axis.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator("auto", integer=True))
    axis.spines[["top", "right"]].set_visible(False)
    peak = int(np.argmax(counts))
    alt = (
        f"Histogram of points from 0 to {top:g}. Most submissions, {counts[peak]:.0f} of "
        f"{len(scores)}, have {edges[peak]:.1f} to {edges[peak + 1]:.1f} points; the lowest has "
        f"{scores.min():g} and the highest {scores.max():g}."
    )
    return embedded(figure), alt


def _exercise_rows(
    results: list[Result], exercises: Mapping[str, str]
) -> Iterator[dict[str, str | int]]:
    totals = _numbers([result.score + result.penalty for result in results])
    for name in dict.fromkeys(exercises.values()):
        tests = [test for test, exercise in exercises.items() if exercise == name]
        points = _numbers([_points(result, tests) for result in results])
        most = float(_numbers([_most(result, tests) for result in results]).max())
        others = totals - points
        varied = points.std() > 0 and others.std() > 0
        yield {
            "name": name,
            "points": f"{most:g}",
            "solved": f"{np.mean(points >= most):.0%}",
            "none": int(np.sum(points == 0)),
            "difficulty": f"{1 - points.mean() / most:.0%}" if most else "–",
            "discrimination": f"{np.corrcoef(points, others)[0, 1]:.2f}" if varied else "–",
        }


def _points(result: Result, tests: list[str]) -> float:
    return sum(result.cells[test].score or 0.0 for test in tests if test in result.cells)


def _most(result: Result, tests: list[str]) -> float:
    return sum(result.cells[test].max_score for test in tests if test in result.cells)


def _known_mistakes(
    results: list[Result], answers: Answers
) -> list[tuple[str, str, list[str], str]]:
    """Exercise, mistake, students and an example, the most frequent first."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for result in results:
        for pair in result.misconceptions.items():
            found[pair].append(result.student)
    return [
        (exercise, mistake, students, _example(exercise, students, answers))
        for (exercise, mistake), students in sorted(
            found.items(), key=lambda item: (-len(item[1]), item[0])
        )
    ]


def _new_mistakes(
    results: list[Result], exercises: Mapping[str, str], answers: Answers
) -> Iterator[tuple[str, list[str], list[str], str]]:
    """Answers that fail alike and as no known mistake does: the exercise, what the tests say, the
    students and an example, the most frequent first."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    said: dict[tuple[str, str], list[str]] = {}
    for result in results:
        failing: dict[str, dict[str, str]] = defaultdict(dict)
        for test, cell in result.cells.items():
            lost = cell.score is not None and cell.score < cell.max_score and not cell.by_hand
            if lost and cell.message != NOT_ANSWERED and result.status == Status.GRADED:
                failing[exercises.get(test, test)][test] = cell.message
        for exercise, messages in failing.items():
            if exercise not in result.misconceptions:
                key = exercise, _failure(messages)
                found[key].append(result.student)
                texts = dict.fromkeys(text.partition(" (line ")[0] for text in messages.values())
                said[key] = [_cut(text, MOST_MESSAGE) for text in texts]
    common = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_GROUPS]
    for (exercise, failure), students in common:
        example = _example(exercise, students, answers)
        yield exercise, said[exercise, failure], students, example


def _failure(messages: Mapping[str, str]) -> str:
    """What tells one way to fail an exercise from another: which tests fail, and what they say. The
    line of an answer depends on how it is written."""
    return "\n".join(
        f"{name}: {text.partition(' (line ')[0]}" for name, text in sorted(messages.items())
    )


def _example(exercise: str, students: list[str], answers: Answers) -> str:
    """The shortest of some students' answers."""
    given = [answers.get(student, {}).get(exercise, "") for student in students]
    return _cut(min(filter(None, given), key=len, default=""), MOST_EXAMPLE)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} …"


def _names(students: list[str]) -> str:
    shown = ", ".join(_cut(student, 60) for student in students[:MOST_NAMES])
    more = len(students) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _spans(results: list[Result], hours: Mapping[str, float]) -> Iterator[tuple[str, int, str]]:
    """When submissions came: the span of time, how many, and their mean points."""
    left = [(hours[result.student], result.score) for result in results if result.student in hours]
    if not left:
        return
    upper = np.inf
    for name, lower in SPANS:
        scores = [score for before, score in left if lower <= before < upper]
        yield name, len(scores), f"{np.mean(_numbers(scores)):.3g}" if scores else "–"
        upper = lower


def _looks(results: list[Result]) -> Iterator[tuple[str, str]]:
    for result in sorted(results, key=lambda result: result.student):
        if result.status != Status.GRADED:
            yield result.student, f"{result.status}: {_cut(result.message, MOST_MESSAGE)}"
        for note in result.notes:
            yield result.student, _cut(note, MOST_MESSAGE)
        waiting = [name for name, cell in result.cells.items() if cell.score is None]
        if waiting:
            yield result.student, f"points to be given by a person: {', '.join(waiting)}"
        if any("in another cell" in cell.message for cell in result.cells.values()):
            yield result.student, "an answer needs a cell that grading does not run"
