"""``course check``: what is right in a student's notebook, what is not yet, and why.

Two questions, each answered by a tool that the course is built on. Do the visible tests accept the
answers, in the notebook that grading would run? nbgrader's Validator says. Does the notebook as it
was saved run from top to bottom and show the results that it claims? nbval says.
"""

from __future__ import annotations

import dataclasses
import difflib
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.check.answers import Outcome, check_answers
from course.check.lesson import Exercise, Lesson, read_lesson
from course.check.memory import Memory
from course.check.record import Record
from course.check.show import Progress
from course.check.unseen import problems, warnings
from course.check.whole import WholeRun, run_whole
from course.lessons import LessonError, find_notebook

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
    def is_done(self) -> bool:
        """Whether nothing is left to do, as far as the visible tests tell."""
        return (
            all(outcome.is_done for outcome in self.exercises)
            and not self.problems
            and (self.whole is None or self.whole.is_right)
        )

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"done": self.is_done, **dataclasses.asdict(self)}


def check(
    name: str | Path,
    *,
    whole: bool = True,
    only: Collection[str] = (),
    timeout: float = 300,
    memory: Path | None = None,
    record: Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Check a lesson's exercises, and its notebook as a whole.

    Args:
        name: a notebook, a lesson's folder, or a lesson's name.
        whole: whether the saved notebook is also run from top to bottom. True by default.
        only: names of exercises. If there are any, only these are checked, and the notebook is not
            run as a whole.
        timeout: the seconds that a cell may take, 300 by default.
        memory: a folder in which findings are kept, so that the next check runs only what has
            changed. None, the default, keeps nothing.
        record: a file in which is noted what passes, for ``course progress``. None, the default,
            notes nothing.
        force: whether everything is run, whatever has changed. False by default.
        progress: what shows how far the check has come. None, the default, shows nothing.

    Raises:
        LessonError: there is no such lesson or exercise, or its notebook cannot be read.
    """
    start = time.monotonic()
    progress = progress or Progress(None)
    lesson = read_lesson(find_notebook(name))
    chosen = _choose(lesson, only)
    kept = Memory(memory, lesson)
    known = {} if force else {e.name: o for e in chosen if (o := kept.outcome(e))}
    run = None if force or not whole or only else kept.whole(timeout)
    left = [exercise for exercise in chosen if exercise.name not in known]
    failures: list[str] = []
    with progress:
        progress.exercises(left)
        if left:
            # Everything, where nothing is known: exactly what grading runs.
            part = None if len(left) == len(lesson.exercises) else left
            outcomes, failures = check_answers(
                lesson, part, timeout=timeout, on_cell=progress.at_cell
            )
            known |= {outcome.name: outcome for outcome in outcomes}
        if whole and not only and run is None:
            run = _run_whole(lesson, list(known.values()), timeout, progress)
    found = [known[exercise.name] for exercise in chosen]
    if not failures:
        kept.keep(found, run, timeout)
        Record(record).note(lesson, {o.name: (o.state, None) for o in found})
    for exercise, outcome in zip(chosen, found, strict=True):
        outcome.warnings = warnings(lesson, exercise)
    return Report(
        lesson=lesson.path.resolve().parent.name,
        notebook=str(lesson.path),
        exercises=found,
        problems=problems(lesson) + failures,
        whole=run,
        seconds=round(time.monotonic() - start, 1),
    )


def _choose(lesson: Lesson, only: Collection[str]) -> list[Exercise]:
    names = [exercise.name for exercise in lesson.exercises]
    for name in only:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise LessonError(
                f"{lesson.path} has no exercise {name!r}.{hint} There are: {', '.join(names)}."
            )
    return [e for e in lesson.exercises if not only or e.name in only]


def _run_whole(
    lesson: Lesson, outcomes: list[Outcome], timeout: float, progress: Progress
) -> WholeRun:
    progress.whole(sum(cell.cell_type == "code" for cell in lesson.notebook.cells))
    return run_whole(lesson, outcomes, timeout=timeout, on_cell=progress.at_count)
