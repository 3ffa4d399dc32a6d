"""How far a reader is in all lessons, and what comes next: ``course progress``."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from course.check.lesson import Exercise, Lesson, read_lesson
from course.check.record import Checked, digest
from course.lessons import LESSONS, NEEDS, LessonError

PASSED, CHANGED, TRIED, NOT_TRIED = "passed", "changed since it passed", "tried", "not tried"


@dataclass(frozen=True)
class LessonProgress:
    """How far a lesson is.

    Attributes:
        name: its folder in ``lessons/``.
        title: its number and the heading at its top.
        exercises: the state of each exercise: passed, changed since it passed, tried, not tried.
        points: of the exercises that pass; where tests are hidden, grading may give fewer.
        max_points: of all exercises.
        needs: the lessons to do before it.
        problem: why its notebook cannot be read; "" where it can.
    """

    name: str
    title: str
    exercises: dict[str, str] = field(default_factory=dict)
    points: float = 0.0
    max_points: float = 0.0
    needs: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def is_done(self) -> bool:
        """Whether every exercise passes."""
        return not self.problem and set(self.exercises.values()) <= {PASSED}

    @property
    def is_begun(self) -> bool:
        """Whether anything of it was tried."""
        return set(self.exercises.values()) - {NOT_TRIED} != set()

    def count(self, *states: str) -> int:
        """How many exercises are in one of these states."""
        return sum(state in states for state in self.exercises.values())


@dataclass(frozen=True)
class Overview:
    """All lessons, and the name of the lesson to do next; None where all are done.

    Attributes:
        lessons: in their order.
        next_lesson: the lesson to do next.
        next_exercise: its first exercise that does not pass.
    """

    lessons: list[LessonProgress]
    next_lesson: str | None = None
    next_exercise: str | None = None


def overview(root: Path, record: Mapping[str, Mapping[str, Checked]]) -> Overview:
    """How far a reader is.

    Args:
        root: the folder that holds ``lessons/``.
        record: what checks have found, by lesson and exercise.

    Raises:
        LessonError: there is no lesson.
    """
    needs = _needs(root)
    lessons = [
        _progress(folder, record.get(folder.name, {}), needs.get(folder.name, []))
        for folder in sorted((root / LESSONS).iterdir())
        if folder.is_dir() and any(folder.glob("*.ipynb"))
    ]
    if not lessons:
        raise LessonError(f"There is no lesson in {root / LESSONS}.")
    done = {lesson.name for lesson in lessons if lesson.is_done}
    left = [lesson for lesson in lessons if not lesson.is_done and not lesson.problem]
    ready = [lesson for lesson in left if not _missing(lesson, done, lessons)]
    chosen = next(iter([*filter(lambda each: each.is_begun, ready), *ready, *left]), None)
    if chosen is None:
        return Overview(lessons)
    exercise = next(name for name, state in chosen.exercises.items() if state != PASSED)
    return Overview(lessons, chosen.name, exercise)


def _missing(
    lesson: LessonProgress, done: Collection[str], lessons: Sequence[LessonProgress]
) -> list[str]:
    """The lessons that are there, are not done, and are needed for this one."""
    there = {each.name for each in lessons}
    return [name for name in lesson.needs if name in there and name not in done]


def _needs(root: Path) -> dict[str, list[str]]:
    """What each lesson needs; nothing is known where the file is not there or is damaged."""
    try:
        data = json.loads((root / LESSONS / NEEDS).read_text(encoding="utf-8"))
        return {str(name): [str(need) for need in needs] for name, needs in data.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _progress(folder: Path, known: Mapping[str, Checked], needs: list[str]) -> LessonProgress:
    try:
        lesson = _read(folder)
    except LessonError as error:
        return LessonProgress(folder.name, _title(folder.name), needs=needs, problem=str(error))
    states = {each.name: _state(each, known.get(each.name)) for each in lesson.exercises}
    return LessonProgress(
        folder.name,
        _title(folder.name, lesson),
        states,
        sum(each.points for each in lesson.exercises if states[each.name] == PASSED),
        sum(each.points for each in lesson.exercises),
        needs,
    )


def _read(folder: Path) -> Lesson:
    """The lesson in a folder: of several notebooks the one that has the lesson's own name."""
    own = folder / f"{folder.name.partition('_')[2]}.ipynb"
    return read_lesson(own if own.is_file() else min(folder.glob("*.ipynb")))


def _state(exercise: Exercise, checked: Checked | None) -> str:
    answer = "" if exercise.answer is None else exercise.answer.source
    if checked is None:
        return NOT_TRIED if exercise.answer is None or exercise.is_untouched else TRIED
    if not checked.passed:
        return TRIED
    # A fresh copy of the lesson takes nothing away from what a reader has passed.
    same = exercise.is_untouched or checked.answer == digest(answer)
    return PASSED if same else CHANGED


def show(found: Overview, console: Console) -> None:
    """Print it, with what to do next below the table."""
    table = Table(box=None, pad_edge=False)
    table.add_column("lesson", no_wrap=True)
    for name in ("passed", "tried", "not tried", "points"):
        table.add_column(name, justify="right")
    table.add_column("")
    done = {lesson.name for lesson in found.lessons if lesson.is_done}
    for lesson in found.lessons:
        tried = lesson.count(TRIED, CHANGED)
        table.add_row(
            lesson.title,
            *(
                str(count or "·")
                for count in (lesson.count(PASSED), tried, lesson.count(NOT_TRIED))
            ),
            f"{lesson.points:g}/{lesson.max_points:g}",
            _remark(lesson, found, done),
        )
    console.print(table)
    console.print()
    for line in _lines(found):
        console.print(line, soft_wrap=True, highlight=False)


def _remark(lesson: LessonProgress, found: Overview, done: Collection[str]) -> Text:
    if lesson.problem:
        return Text("cannot be read", "red")
    if lesson.is_done:
        return Text("done", "green")
    if lesson.name == found.next_lesson:
        return Text("next", "bold")
    missing = [name.partition("_")[0] for name in _missing(lesson, done, found.lessons)]
    return Text(f"after {', '.join(missing)}" if missing else "", "dim")


def _lines(found: Overview) -> Iterator[Text]:
    everything = [state for lesson in found.lessons for state in lesson.exercises.values()]
    points = sum(lesson.points for lesson in found.lessons)
    most = sum(lesson.max_points for lesson in found.lessons)
    yield Text(
        f"{everything.count(PASSED)} of {len(everything)} exercises pass the tests that you see, "
        f"{points:g} of {most:g} points. Where tests are hidden, grading may give fewer.",
        "bold",
    )
    for lesson in found.lessons:
        changed = [name for name, state in lesson.exercises.items() if state == CHANGED]
        if changed:
            yield Text(
                f"Changed since {'it' if len(changed) == 1 else 'they'} passed, in "
                f"{lesson.title}: {', '.join(changed)}. "
                f"Check again: course check {LESSONS}/{lesson.name}"
            )
        if lesson.problem:
            yield Text(lesson.problem)
    if found.next_lesson is None:
        if all(lesson.is_done for lesson in found.lessons):
            yield Text("Every lesson is done.")
        return
    title = next(each.title for each in found.lessons if each.name == found.next_lesson)
    yield Text(
        f"Next: exercise {found.next_exercise} of {title}, in {LESSONS}/{found.next_lesson}."
    )


def _title(name: str, lesson: Lesson | None = None) -> str:
    """What to call a lesson: its number and its heading; the words of its name without one."""
    number, _, words = name.partition("_")
    first = "" if lesson is None else lesson.notebook.cells[0].source.partition("\n")[0]
    heading = first.removeprefix("# ").strip() if first.startswith("# ") else ""
    return f"{number} {heading or words.replace('_', ' ')}".strip()
