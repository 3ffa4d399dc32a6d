"""Results as a table of students and exercises, for a terminal of 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autograder.classroom.results import Result
from autograder.grading.decision import Tests
from autograder.grading.status import Status

# More would push the table off the screen; the report has all.
MOST_REMARKS = 20
RAN_TOGETHER = (
    "The tests ran together with the answers, in one sandboxed process: SECURITY.md says what that "
    "protects."
)
NO_BREAK = "\N{NO-BREAK SPACE}"


def grade_table(
    results: Sequence[Result],
    exercises: Mapping[str, str],
    notes: Mapping[str, str] | None = None,
    remarks: bool = True,
) -> RenderableType:
    """Students by exercises, with points, totals and states.

    Exercises are numbered in their order in the notebook, and a line below the table names them:
    their names have up to thirty characters, which no five columns have room for. Further lines
    say why somebody has no points, and which of several files was graded.

    Args:
        results: of one assignment.
        exercises: the exercise of each test cell.
        notes: a remark by student, shown after the name; none by default.
        remarks: whether lines below the table say what there is to say of single students; True by
            default.
    """
    names = list(dict.fromkeys(exercises.get(name, name) for r in results for name in r.cells))
    table = Table(title=results[0].assignment if results else None, title_justify="left")
    table.add_column("student", no_wrap=True)
    for number, _ in enumerate(names, 1):
        table.add_column(str(number), justify="right", no_wrap=True)
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for result in results:
        who = Text(result.student)
        if notes:
            who.append(f" ({notes[result.student]})")
        points = [_points(result, name, exercises) for name in names]
        total = f"{result.score:g}/{result.max_score:g}"
        status = Text(result.status, style="" if result.status == Status.GRADED else "red")
        if result.penalty:
            status.append(f", {-result.penalty:g} late")
        table.add_row(who, *points, total, status)
    # A number and its name stay on one line.
    legend = "  ".join(f"{number}{NO_BREAK}{name}" for number, name in enumerate(names, 1))
    lines = [Text(legend)]
    if any(result.tests == Tests.TOGETHER for result in results):
        lines.append(Text(RAN_TOGETHER))
    about = _remarks(results) if remarks else ()
    said = [Text(f"{student}: {sentence}") for student, sentence in about]
    more = [] if len(said) <= MOST_REMARKS else [Text(f"… and {len(said) - MOST_REMARKS} more.")]
    return Group(table, *lines, *said[:MOST_REMARKS], *more)


def _remarks(results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Why somebody has no points, and what was taken for a submission."""
    for result in results:
        if result.status != Status.GRADED:
            yield result.student, f"{result.status}. {result.message}"
        for note in result.notes:
            yield result.student, note


def _points(result: Result, exercise: str, exercises: Mapping[str, str]) -> Text:
    cells = [cell for name, cell in result.cells.items() if exercises.get(name, name) == exercise]
    scores = [cell.score for cell in cells if cell.score is not None]
    if not cells or len(scores) < len(cells):
        return Text("?")
    score, most = sum(scores), sum(cell.max_score for cell in cells)
    colour = "green" if score == most else "yellow" if score else "red"
    return Text(f"{score:g}/{most:g}", style=colour)
