"""What a test cell is worth after it has run. In doubt, nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from nbgrader import utils

from autograder.grading.decision import NUMBER
from course.cells import grade_id

NOT_ANSWERED = "Not answered."
WAITING = "A person gives these points."
NO_MESSAGE = "An assertion failed, without a message."


@dataclass(frozen=True)
class CellScore:
    """Points for one test cell. ``score`` is None where a person has to give them.

    ``message`` says in words for a student why points are missing; it is empty where none are.
    ``by_hand`` is whether a person has given the points, which only the gradebook knows.
    """

    score: float | None
    max_score: float
    message: str = ""
    by_hand: bool = False


def has_points(cell: NotebookNode) -> bool:
    """Whether points are given for a cell: a test, an answer that a person grades, or a task."""
    return bool(utils.is_grade(cell) or utils.is_task(cell))


def score_cell(cell: NotebookNode, expected: str | None = None) -> CellScore:
    """The points for a cell that has some, after it has run.

    Full points if it ended without an error. A number from 0 to the maximum as its last value is
    partial credit, as in nbgrader. Any other value there gives nothing, where nbgrader would give
    everything, unless the instructor's own answer gives no number there either: then the value is
    only shown. What the cell writes to stderr does not matter.

    Args:
        cell: the test cell.
        expected: what it ends in with the instructor's own answers, see ``decision``; None where
            that is not known.
    """
    maximum = float(cell.metadata["nbgrader"]["points"])
    if cell.cell_type != "code" or utils.is_solution(cell) or utils.is_task(cell):
        return CellScore(None, maximum, WAITING)
    if cell.execution_count is None:
        return CellScore(0.0, maximum, error_message(cell) or "This test did not run.")
    message = error_message(cell)
    if message is not None:
        return CellScore(0.0, maximum, message)
    values = [output for output in cell.outputs if output.output_type == "execute_result"]
    if not values and expected != NUMBER:
        return CellScore(maximum, maximum)
    text = values[-1].data.get("text/plain", "") if values else "None"
    return _partial_credit(text, maximum, expected)


def no_points(notebook: NotebookNode, message: str) -> dict[str, CellScore]:
    """No points for any cell of a notebook, for one reason; by ``grade_id``."""
    return {
        grade_id(cell): CellScore(0.0, float(cell.metadata["nbgrader"]["points"]), message)
        for cell in notebook.cells
        if has_points(cell)
    }


def _partial_credit(text: str, maximum: float, expected: str | None) -> CellScore:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isclose(value, maximum):
        # A sum of tenths may end a little above.
        value = maximum
    if 0 <= value <= maximum:
        return CellScore(value, maximum, "" if value == maximum else f"Partial credit: {value:g}.")
    if expected not in (None, NUMBER):
        return CellScore(maximum, maximum)
    return CellScore(
        0.0, maximum, f"The test's last value is {text[:80]}, not a number from 0 to {maximum:g}."
    )


def error_output(cell: NotebookNode) -> NotebookNode | None:
    """The error that a code cell ended with, or None."""
    errors = [output for output in cell.get("outputs", ()) if output.output_type == "error"]
    return errors[-1] if errors else None


def error_message(cell: NotebookNode) -> str | None:
    """The error that a cell ended with, in words for a student: an assertion's own message, or
    the error's type and text. None where there was no error."""
    error = error_output(cell)
    if error is None:
        return None
    text = strip_ansi(error.evalue).strip()
    if error.ename == "AssertionError":
        return text or NO_MESSAGE
    return f"{error.ename}: {text}" if text else error.ename
