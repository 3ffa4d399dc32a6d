"""The table of results while a class is graded, above its progress bar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import RenderableType

from autograder.classroom.grade_table import grade_table
from autograder.classroom.results import Result
from course.progress import Bars

# What else is on the screen: the table's head and frame, a legend of some lines, the bar.
OTHER_LINES = 14


class GrowingTable(Bars):
    """A progress bar below the results so far; the newest of them where the screen is small.

    The table leaves the screen with the bar: the whole one, sorted, follows.
    """

    def __init__(self, *columns: Any, **options: Any) -> None:
        self._results: list[Result] = []
        self._exercises: Mapping[str, str] = {}
        super().__init__(*columns, **options)

    def show(self, result: Result, exercises: Mapping[str, str]) -> None:
        """Add a student's row. ``exercises`` has the exercise of each test cell."""
        self._results, self._exercises = [*self._results, result], exercises

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn: the table, once there is a result, and the bars."""
        if self._results:
            rows = max(self.console.height - OTHER_LINES, 3)
            yield grade_table(self._results[-rows:], self._exercises, remarks=False)
        yield from super().get_renderables()

    def stop(self) -> None:
        """Stop drawing, and leave the bars on the screen without the table."""
        self._results = []
        super().stop()
