"""``course check``: what is right in a student's notebook, what is not yet, and why.

Two questions, each answered by a tool that the course is built on. Do the visible tests accept the
answers, in the notebook that grading would run? nbgrader's Validator says. Does the notebook as it
was saved run from top to bottom and show the results that it claims? nbval says.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.check.answers import Outcome, check_answers
from course.check.lesson import Lesson, read_lesson
from course.check.show import Progress
from course.check.whole import WholeRun, run_whole
from course.lessons import find_notebook

__all__ = ["Report", "check"]


@dataclass
class Report:
    """The state of a notebook. ``whole`` is None where the notebook as a whole was not run."""

    lesson: str
    notebook: str
    exercises: list[Outcome]
    problems: list[str]
    whole: WholeRun | None
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether there is nothing left to do."""
        return (
            all(outcome.is_right for outcome in self.exercises)
            and not self.problems
            and (self.whole is None or self.whole.is_right)
        )

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"right": self.is_right, **dataclasses.asdict(self)}


def check(
    name: str | Path,
    *,
    whole: bool = True,
    timeout: float = 300,
    progress: Progress | None = None,
) -> Report:
    """Check a lesson's exercises, and its notebook as a whole.

    Args:
        name: a notebook, a lesson's folder, or a lesson's name.
        whole: whether the saved notebook is also run from top to bottom. True by default.
        timeout: the seconds that a cell may take, 300 by default.
        progress: what shows how far the check has come. None, the default, shows nothing.

    Raises:
        LessonError: there is no such lesson, or its notebook cannot be read.
    """
    start = time.monotonic()
    progress = progress or Progress(None)
    lesson = read_lesson(find_notebook(name))
    with progress:
        progress.exercises(lesson.exercises)
        outcomes, problems = check_answers(lesson, timeout=timeout, on_cell=progress.at_cell)
        ran = _run_whole(lesson, outcomes, timeout, progress) if whole else None
    return Report(
        lesson=lesson.path.resolve().parent.name,
        notebook=str(lesson.path),
        exercises=outcomes,
        problems=problems,
        whole=ran,
        seconds=round(time.monotonic() - start, 1),
    )


def _run_whole(
    lesson: Lesson, outcomes: list[Outcome], timeout: float, progress: Progress
) -> WholeRun:
    progress.whole(sum(cell.cell_type == "code" for cell in lesson.notebook.cells))
    return run_whole(lesson, outcomes, timeout=timeout, on_cell=progress.at_count)
