"""Results as a table of students and exercises."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from autograder.classroom.results import Result
from autograder.grading.status import GRADED


def grade_table(
    results: list[Result], exercises: Mapping[str, str], notes: Mapping[str, str] | None = None
) -> Table:
    """Students by exercises, with points, totals and what needs a look.

    Args:
        results: of one assignment.
        exercises: the exercise of each test cell.
        notes: a remark by student, shown beside the name.
    """
    table = Table(title=results[0].assignment if results else None, title_justify="left")
    table.add_column("student", no_wrap=True)
    names = list(dict.fromkeys(exercises.get(name, name) for r in results for name in r.cells))
    for name in names:
        # Long names break where their words end.
        table.add_column(name.replace("_", "_\n"), justify="right", overflow="fold")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for result in results:
        who = result.student
        if notes:
            who += f" ({notes[result.student]})"
        cells = [_points(result, name, exercises) for name in names]
        total = f"{result.score:g}/{result.max_score:g}"
        status = result.status if result.status == GRADED else f"[red]{result.status}[/red]"
        table.add_row(who, *cells, total, status)
    return table


def _points(result: Result, exercise: str, exercises: Mapping[str, str]) -> str:
    cells = [cell for name, cell in result.cells.items() if exercises.get(name, name) == exercise]
    if not cells or any(cell.score is None for cell in cells):
        return "?"
    score, most = sum(cell.score for cell in cells), sum(cell.max_score for cell in cells)
    colour = "green" if score == most else "yellow" if score else "red"
    return f"[{colour}]{score:g}/{most:g}[/{colour}]"
