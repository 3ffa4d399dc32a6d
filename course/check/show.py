"""A report of ``course check`` in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from course.cells import find_grade_id, grade_id
from course.check.answers import (
    BY_HAND,
    ERROR,
    HIDDEN,
    NOT_YET,
    PASSES,
    RIGHT,
    UNANSWERED,
    UNTESTED,
)
from course.check.whole import EXERCISE, RESULT, WAITING
from course.progress import Bars

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from course.check import Report
    from course.check.answers import Outcome
    from course.check.lesson import Exercise
    from course.check.whole import Problem, WholeRun

# A sign and a word in addition to the colour, for readers who cannot see it.
_STYLES = {
    RIGHT: ("✓", "green"),
    PASSES: ("✓", "green"),
    HIDDEN: ("?", "cyan"),
    BY_HAND: ("?", "cyan"),
    UNTESTED: ("?", "yellow"),
    NOT_YET: ("✗", "yellow"),
    UNANSWERED: ("·", "dim"),
    ERROR: ("!", "red"),
}


class Progress:
    """A bar over exercises, then one over the notebook's cells.

    Args:
        console: where the bars are drawn. With None, nothing is drawn.
    """

    def __init__(self, console: Console | None):
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        self._bars = Bars(
            *columns, TimeElapsedColumn(), console=console, transient=True, disable=console is None
        )
        self._task = TaskID(0)
        self._ends: dict[str, int] = {}
        self._titles: dict[str, str] = {}

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bars.stop()

    def exercises(self, exercises: list[Exercise]) -> None:
        """Begin the bar over exercises."""
        self._task = self._bars.add_task("Reading the lesson", total=len(exercises))
        for index, exercise in enumerate(exercises):
            cells = [exercise.answer, *exercise.tests]
            for cell in filter(None, cells):
                self._ends[grade_id(cell)] = index
                self._titles[grade_id(cell)] = exercise.name

    def at_cell(self, cell: NotebookNode) -> None:
        """A cell is about to run: an exercise is done when a later one's cell is reached."""
        name = find_grade_id(cell)
        if name in self._ends:
            self._bars.update(
                self._task,
                completed=self._ends[name],
                description=f"Testing {self._titles[name]}",
            )

    def whole(self, cells: int) -> None:
        """Begin the bar over the notebook's cells."""
        self._bars.update(self._task, completed=len(set(self._ends.values())))
        self._task = self._bars.add_task("Running the notebook from the top", total=cells)

    def at_count(self, done: int) -> None:
        """This many cells are done."""
        self._bars.update(self._task, completed=done)


def show(report: Report, console: Console) -> None:
    """Print a report."""
    console.print()
    for outcome in report.exercises:
        console.print(_outcome(outcome))
    for problem in report.problems:
        console.print(_warning(problem))
    if report.whole is not None:
        console.print()
        console.print(_whole(report.whole))
    console.print()
    console.print(_summary(report))


def _outcome(outcome: Outcome) -> Group:
    sign, style = _STYLES[outcome.state]
    head = Text.from_markup(
        f"[{style}]{sign} [bold]{escape(outcome.name)}[/bold]: {outcome.state}[/{style}]"
    )
    if outcome.title:
        head.append(f"  {outcome.title}", "dim")
    if outcome.tests > 1 and outcome.state in {NOT_YET, ERROR, UNANSWERED} and outcome.passed:
        head.append(f"  ({outcome.passed} of {outcome.tests} visible tests pass)", "dim")
    if outcome.unchanged:
        head.append("  (unchanged)", "dim")
    parts: list[RenderableType] = [head]
    if outcome.message:
        parts.append(Padding(Text(outcome.message), (0, 0, 0, 4)))
    parts += [Padding(_warning(text), (0, 0, 0, 2)) for text in outcome.warnings]
    return Group(*parts)


def _warning(text: str) -> Text:
    return Text.assemble(("! ", "bold yellow"), text)


def _whole(whole: WholeRun) -> Group:
    if whole.failure:
        return Group(_warning(whole.failure))
    waiting = [p for p in whole.problems if p.kind == WAITING]
    listed = [p for p in whole.problems if p.kind == EXERCISE]
    others = [p for p in whole.problems if p.kind not in {WAITING, EXERCISE}]
    parts: list[RenderableType] = []
    if whole.is_right:
        parts.append(
            Text.assemble(
                ("✓ ", "green"), f"The notebook runs from top to bottom: {whole.ran} code cells."
            )
        )
    else:
        parts.append(Text(f"The notebook, run from top to bottom ({whole.cells} code cells):"))
    if whole.unchanged:
        parts.append(Text("  (the file is unchanged since the last check)", "dim"))
    if waiting:
        parts.append(
            _warning(
                f"{_cells(waiting, 'waits', 'wait')} for an exercise that is not answered yet."
            )
        )
    if listed:
        parts.append(_warning(f"{_cells(listed, 'fails', 'fail')} in the exercises listed above."))
    for problem in others:
        what = "shows another result in a fresh run" if problem.kind == RESULT else "fails"
        line = Text.assemble(("✗ ", "red"), f"Cell {problem.cell} {what}: ", (problem.line, "cyan"))
        parts += [line, Padding(Text(problem.message), (0, 0, 0, 4))]
    if whole.compared:
        parts.append(
            Text.assemble(("✓ ", "green"), f"{_results(whole.compared)} as the notebook claims.")
        )
    return Group(*parts)


def _cells(problems: list[Problem], one: str, many: str) -> str:
    return f"1 cell {one}" if len(problems) == 1 else f"{len(problems)} cells {many}"


def _results(count: int) -> str:
    return "1 result is" if count == 1 else f"{count} results are"


def _summary(report: Report) -> Text:
    passed = sum(outcome.state in {RIGHT, PASSES} for outcome in report.exercises)
    total = len(report.exercises)
    what = "exercise passes" if total == 1 else "exercises pass"
    text = Text(f"{passed} of {total} {what} the tests that you see", "bold")
    text.append(f", checked in {report.seconds:.0f} s.\n")
    text.append(_points(report) + "\n")
    if any(outcome.unchanged for outcome in report.exercises):
        text.append("What is unchanged was not run again: --force runs everything.\n", "dim")
    if not report.is_done:
        text.append("Change what is listed, save the notebook, and check again.\n")
    text.right_crop(1)
    return text


def _points(report: Report) -> str:
    def add(name: str) -> float:
        return sum(float(getattr(outcome, name)) for outcome in report.exercises)

    if not add("points"):
        return "There is no test, so points cannot be told."
    parts = [f"Points: {add('earned'):g} of {add('points'):g} are certain"]
    if left := add("open_points"):
        parts.append(f"{left:g} more depend on tests that you do not see")
    if by_hand := add("points_by_hand"):
        parts.append(f"{by_hand:g} are given by a person")
    return ", ".join(parts) + "."
