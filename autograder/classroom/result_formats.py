"""Results as Gradescope and PrairieLearn read them: the file ``results.json`` of one submission.

Gradescope: https://gradescope-autograders.readthedocs.io/en/latest/specs/ and PrairieLearn:
https://prairielearn.readthedocs.io/en/latest/externalGrading/ say what is in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from autograder.grading.status import Status

if TYPE_CHECKING:
    from autograder.classroom.results import Result

# PrairieLearn takes a megabyte at most, so long messages are cut.
MAX_BYTES, MAX_MESSAGE = 1_000_000, 5_000
NOT_READ = {Status.MISSING, Status.UNREADABLE, Status.REFUSED}


class Format(StrEnum):
    """What reads the result."""

    GRADESCOPE = "gradescope"
    PRAIRIELEARN = "prairielearn"


def as_results_json(result: Result, exercises: Mapping[str, str], form: Format) -> str:
    """A result as the text of a ``results.json``.

    Args:
        result: of one student.
        exercises: the exercise of each cell with points.
        form: what reads it.
    """
    make = _gradescope if form is Format.GRADESCOPE else _prairielearn
    most = MAX_MESSAGE
    while True:
        text = json.dumps(make(result, exercises, most), indent=1)
        if len(text) < MAX_BYTES or most < 10:
            return text
        most //= 2


def _gradescope(result: Result, exercises: Mapping[str, str], most: int) -> dict[str, Any]:
    return {
        "score": result.score,
        "execution_time": round(result.seconds),
        "output": _said(result, most),
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            test | {"status": "passed" if test["score"] >= test["max_score"] else "failed"}
            for test in _tests(result, exercises, most, "score", "max_score", "output")
        ],
    }


def _prairielearn(result: Result, exercises: Mapping[str, str], most: int) -> dict[str, Any]:
    gradable = result.is_final and result.status not in NOT_READ
    share = result.score / result.max_score if result.max_score else 0.0
    said = _said(result, most)
    return {
        "gradable": gradable,
        "score": min(1.0, max(0.0, share)) if gradable else 0.0,
        "message": "" if gradable else said,
        "output": said,
        "format_errors": [] if gradable else [said],
        "tests": list(_tests(result, exercises, most, "points", "max_points", "message")),
    }


def _tests(
    result: Result, exercises: Mapping[str, str], most: int, points: str, maximum: str, text: str
) -> Iterator[dict[str, Any]]:
    for name, cell in result.cells.items():
        exercise = exercises.get(name, name)
        yield {
            "name": f"{exercise}: {name}" if exercise != name else name,
            points: cell.score or 0.0,
            maximum: cell.max_score,
            text: cell.message[:most],
        }


def _said(result: Result, most: int) -> str:
    lines = [] if result.status == Status.GRADED else [f"{result.status}: {result.message}"]
    lines += result.notes
    if result.penalty:
        lines.append(f"Handing in late cost {result.penalty:g} points.")
    lines += [
        f"{exercise}: this behaves like a known mistake. {mistake}"
        for exercise, mistake in result.misconceptions.items()
    ]
    return "\n".join(lines)[:most]
