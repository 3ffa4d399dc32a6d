"""A page about a graded assignment: how it went, where it was hard, what needs a look."""

from __future__ import annotations

import ast
import base64
import io
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import jinja2
import matplotlib.figure
import matplotlib.ticker
import numpy as np
from rapidfuzz import fuzz

from autograder.classroom.results import Result
from autograder.errors import CourseError
from autograder.grading.status import Status

TEMPLATES = Path(__file__).parent

# Answers below this length are alike by nature; above this likeness two of them are named.
SHORTEST, ALIKE = 200, 95
BLUE = "#0072B2"


def make_report(
    results: list[Result], exercises: Mapping[str, str], answers: Mapping[str, Mapping[str, str]]
) -> str:
    """The page, as one HTML document that needs no other file.

    Args:
        results: of one assignment.
        exercises: the exercise of each test cell.
        answers: by student and exercise, the text of the answer.

    Raises:
        CourseError: there are no results.
    """
    if not results:
        raise CourseError("There is nothing to report: grade the assignment first.")
    scores = np.array([result.score for result in results])
    most = max(result.max_score for result in results)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    picture, alt = _histogram(scores, most)
    return environment.get_template("report.html.j2").render(
        assignment=results[0].assignment,
        graded=len(results),
        most=f"{most:g}",
        median=f"{np.median(scores):g}",
        picture=picture,
        picture_alt=alt,
        exercises=list(_exercise_rows(results, exercises)),
        mistakes=_mistakes(results),
        looks=list(_looks(results)),
        twins=list(_twins(answers)),
        shortest=SHORTEST,
    )


def _histogram(scores: np.ndarray, most: float) -> tuple[str, str]:
    """A picture of the distribution as base64, and its alt text."""
    figure = matplotlib.figure.Figure(figsize=(7, 2.8), dpi=110, layout="constrained")
    axis = figure.subplots()
    counts, edges, _ = axis.hist(scores, bins=min(20, int(most) + 1), range=(0, most), color=BLUE)
    axis.set(xlabel="points", ylabel="submissions", xlim=(0, most))
    axis.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator("auto", integer=True))
    axis.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    peak = int(np.argmax(counts))
    alt = (
        f"Histogram of points from 0 to {most:g}. Most submissions, {counts[peak]:.0f} of "
        f"{len(scores)}, have {edges[peak]:.1f} to {edges[peak + 1]:.1f} points; the lowest has "
        f"{scores.min():g} and the highest {scores.max():g}."
    )
    return base64.b64encode(buffer.getvalue()).decode(), alt


def _exercise_rows(
    results: list[Result], exercises: Mapping[str, str]
) -> Iterator[dict[str, str | int]]:
    totals = np.array([result.score for result in results])
    for name in dict.fromkeys(exercises.values()):
        tests = [test for test, exercise in exercises.items() if exercise == name]
        points = np.array([_points(result, tests) for result in results])
        most = max(_most(result, tests) for result in results)
        others = totals - points
        varied = points.std() > 0 and others.std() > 0
        yield {
            "name": name,
            "points": f"{most:g}",
            "full": int(np.sum(points == most)),
            "none": int(np.sum(points == 0)),
            "difficulty": f"{1 - points.mean() / most:.0%}" if most else "–",
            "discrimination": f"{np.corrcoef(points, others)[0, 1]:.2f}" if varied else "–",
        }


def _points(result: Result, tests: list[str]) -> float:
    return sum(result.cells[test].score or 0.0 for test in tests if test in result.cells)


def _most(result: Result, tests: list[str]) -> float:
    return sum(result.cells[test].max_score for test in tests if test in result.cells)


def _mistakes(results: list[Result]) -> list[tuple[str, str, int]]:
    counts = Counter(pair for result in results for pair in result.misconceptions.items())
    return [(exercise, mistake, count) for (exercise, mistake), count in counts.most_common()]


def _looks(results: list[Result]) -> Iterator[tuple[str, str]]:
    for result in sorted(results, key=lambda result: result.student):
        if result.status != Status.GRADED:
            yield result.student, f"{result.status}: {result.message}"
        waiting = [name for name, cell in result.cells.items() if cell.score is None]
        if waiting:
            yield result.student, f"points to be given by a person: {', '.join(waiting)}"
        if any("in another cell" in cell.message for cell in result.cells.values()):
            yield result.student, "an answer needs a cell that grading does not run"


def _twins(answers: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, str]]:
    names = dict.fromkeys(name for given in answers.values() for name in given)
    for name in names:
        shapes = {
            student: _shape(given[name])
            for student, given in answers.items()
            if len(given.get(name, "")) >= SHORTEST
        }
        for (one, left), (other, right) in itertools.combinations(sorted(shapes.items()), 2):
            likeness = fuzz.ratio(left, right, score_cutoff=ALIKE)
            if likeness:
                yield name, f"{one}, {other}", f"{likeness:.0f} %"


class _Anonymous(ast.NodeTransformer):
    """Gives every variable a name by order of appearance."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.setdefault(node.id, f"n{len(self.names)}")
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self.names.setdefault(node.arg, f"n{len(self.names)}")
        return node


def _shape(source: str) -> str:
    """An answer without what is changed first when it is copied."""
    try:
        return ast.unparse(_Anonymous().visit(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return " ".join(source.split())
