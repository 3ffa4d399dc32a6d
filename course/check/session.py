"""How far the exercises of a notebook are, by the cells that have run in its kernel.

Cells are known by their text: not every editor tells the kernel the ids of cells.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nbformat.v4 import new_code_cell

from course.check.answers import HIDDEN, NOT_YET, PASSES, RIGHT, UNANSWERED
from course.check.lesson import Exercise, Lesson, read_lesson
from course.check.names import bound_names, needed_names, parse
from course.lessons import LESSONS, LessonError, find_root
from course.notebook import CellRun

NOT_TRIED = "not tried"
_SIGNS = {RIGHT: "✓", PASSES: "✓", HIDDEN: "?", NOT_YET: "✗", UNANSWERED: "·", NOT_TRIED: "·"}


@dataclass(frozen=True)
class Standing:
    """How far an exercise is: its name, a state, and why. Prints as one line.

    ``answer`` is the text of the cell that has answered it, "" where none has.
    """

    name: str
    state: str
    message: str = ""
    answer: str = field(default="", compare=False)

    def __str__(self) -> str:
        line = f"{_SIGNS[self.state]} {self.name}: {self.state}"
        return f"{line}. {self.message}" if self.message else line


def lesson_of(runs: Sequence[CellRun]) -> Lesson | None:
    """The lesson that these cells come from, or None where it is not found: it is looked for in
    the working directory and among the course's lessons."""
    texts = {run.source.strip() for run in runs}
    for folder in (_here(), _lessons()):
        best, most = None, 0
        for path in folder:
            try:
                lesson = read_lesson(path)
            except LessonError:
                continue
            tests = [test for exercise in lesson.exercises for test in exercise.visible]
            known = sum(test.source.strip() in texts for test in tests)
            if known > most:
                best, most = lesson, known
        if best is not None:
            return best
    return None


def _here() -> Iterator[Path]:
    yield from sorted(Path.cwd().glob("*.ipynb"))


def _lessons() -> Iterator[Path]:
    try:
        yield from sorted((find_root() / LESSONS).glob("*/*.ipynb"))
    except LessonError:
        return


def exercises_by_shape(runs: Sequence[CellRun]) -> list[Exercise]:
    """What may be exercises where the lesson is not found: each function that a cell with an assert
    uses and another cell defines."""
    defined = [name for run in runs for name in _functions(run.source)]
    found: dict[str, Exercise] = {}
    for run in runs:
        tree = parse(run.source)
        if tree is None or not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
            continue
        needed = needed_names(run.source)
        name = next((name for name in reversed(defined) if name in needed), None)
        if name is None:
            continue
        exercise = found.setdefault(name, Exercise(name, "", None))
        if all(test.source != run.source for test in exercise.tests):
            exercise.tests.append(new_code_cell(run.source))
    return list(found.values())


def _functions(source: str) -> list[str]:
    tree = parse(source)
    return [n.name for n in tree.body if isinstance(n, ast.FunctionDef)] if tree else []


def standings(exercises: Sequence[Exercise], runs: Sequence[CellRun]) -> list[Standing]:
    """How far each of these exercises is.

    Args:
        exercises: the exercises of a lesson.
        runs: the cells that have run, in their order.
    """
    last = {run.source.strip(): (order, run) for order, run in enumerate(runs)}
    bound: dict[str, int] = {}
    for order, run in enumerate(runs):
        bound |= dict.fromkeys(bound_names(run.source), order)
    found = []
    for exercise in exercises:
        answered = max((bound[name] for name in _names(exercise) if name in bound), default=-1)
        standing = _standing(exercise, last, answered)
        answer = runs[answered].source if answered >= 0 else ""
        found.append(dataclasses.replace(standing, answer=answer))
    return found


def _names(exercise: Exercise) -> set[str]:
    """The names that an exercise's answer defines."""
    bound = set() if exercise.answer is None else bound_names(exercise.answer.source)
    return {exercise.name} | bound


def _standing(exercise: Exercise, last: dict[str, tuple[int, CellRun]], answered: int) -> Standing:
    tests = exercise.visible
    ran = [last[test.source.strip()] for test in tests if test.source.strip() in last]
    fresh = [run for order, run in ran if order > answered]
    blank = exercise.answer is not None and last.get(exercise.answer.source.strip())
    if any(run.is_blank for run in fresh) or (answered < 0 and blank and blank[1].is_blank):
        return Standing(exercise.name, UNANSWERED)
    if failed := next((run.failure for run in fresh if run.failure), None):
        return Standing(exercise.name, NOT_YET, failed)
    if len(fresh) < len(ran):
        message = "The answer has run since: run its tests again."
        return Standing(exercise.name, NOT_TRIED, message)
    if not tests:
        message = "All of its tests are hidden."
        return Standing(exercise.name, HIDDEN if answered >= 0 else NOT_TRIED, message)
    if len(ran) < len(tests):
        message = f"{len(ran)} of its {len(tests)} tests have run, and pass." if ran else ""
        return Standing(exercise.name, NOT_TRIED, message)
    if exercise.hidden == 0:
        return Standing(exercise.name, RIGHT)
    count = f"{exercise.hidden} more, hidden, count too." if exercise.hidden else ""
    return Standing(exercise.name, PASSES, count)
