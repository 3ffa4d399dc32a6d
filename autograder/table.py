"""Results as a table of students and exercises."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from autograder.examine import GRADED
from autograder.results import Result


def grade_table(results: list[Result], notes: Mapping[str, str] | None = None) -> Table:
    """Students by test cells, with points, totals and what needs a look.

    Args:
        results: of one assignment.
        notes: a remark by student, shown beside the name.
    """
    table = Table(title=results[0].assignment if results else None, title_justify="left")
    table.add_column("student", no_wrap=True)
    names = list(dict.fromkeys(name for result in results for name in result.cells))
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("status", overflow="fold")
    for result in results:
        who = result.student
        if notes:
            who += f" ({notes[result.student]})"
        cells = [_points(result, name) for name in names]
        total = f"{result.score:g}/{result.max_score:g}"
        status = result.status if result.status == GRADED else f"[red]{result.status}[/red]"
        table.add_row(who, *cells, total, status)
    return table


def _points(result: Result, name: str) -> str:
    cell = result.cells.get(name)
    if cell is None or cell.score is None:
        return "?"
    colour = "green" if cell.score == cell.max_score else "yellow" if cell.score else "red"
    return f"[{colour}]{cell.score:g}[/{colour}]"
