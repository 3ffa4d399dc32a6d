"""What earlier checks of a notebook have found, so that a check runs only what has changed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

from course.check.answers import ERROR, Outcome
from course.check.lesson import Exercise, Lesson
from course.check.whole import STOPPED, Problem, WholeRun
from course.installed import DISTRIBUTION, TENSORFLOW, installed_versions

# Another version of one of these may judge the same answer otherwise.
_PACKAGES = (*TENSORFLOW, DISTRIBUTION, "keras", "nbgrader", "nbval", "numpy", "pandas")


class Memory:
    """Outcomes by the texts that they depend on, in one file for each notebook.

    Errors are not kept, because another run may end otherwise: they may come from the time that a
    cell took, or from memory that ran out. A file that cannot be read or written counts as empty.

    Args:
        folder: where the files are. With None, nothing is kept.
        lesson: the notebook. One that was not made by this course may import its neighbours, so
            its text does not tell whether something has changed, and nothing is kept.
    """

    def __init__(self, folder: Path | None, lesson: Lesson):
        self._lesson = lesson
        self._file: Path | None = None
        if folder is not None and lesson.made_here:
            self._file = folder / f"{_digest(str(lesson.path.resolve()))}.json"
        self._found = self._read()

    def outcome(self, exercise: Exercise) -> Outcome | None:
        """What the last check found of an exercise, or None if its texts have changed since."""
        found = self._found.get(self._key(exercise))
        with contextlib.suppress(TypeError):
            if found is not None:
                return Outcome(**{**found, "warnings": [], "unchanged": True})
        return None

    def whole(self, timeout: float) -> WholeRun | None:
        """What the last run of the whole notebook found, or None if the file has changed since."""
        found = self._found.get(self._whole_key(timeout))
        with contextlib.suppress(TypeError, KeyError):
            if found is not None:
                problems = [Problem(**problem) for problem in found["problems"]]
                return WholeRun(**{**found, "problems": problems, "unchanged": True})
        return None

    def keep(self, outcomes: list[Outcome], whole: WholeRun | None, timeout: float) -> None:
        """Keep what this check has found, beside what still holds of earlier ones."""
        if self._file is None:
            return
        exercises = {exercise.name: exercise for exercise in self._lesson.exercises}
        holds = {self._key(exercise) for exercise in exercises.values()}
        holds.add(self._whole_key(timeout))
        found = {key: value for key, value in self._found.items() if key in holds}
        for outcome in outcomes:
            if outcome.state != ERROR:
                found[self._key(exercises[outcome.name])] = dataclasses.asdict(outcome)
        if whole and not whole.failure and all(p.kind != STOPPED for p in whole.problems):
            found[self._whole_key(timeout)] = dataclasses.asdict(whole)
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new = self._file.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps(found), encoding="utf-8")
            new.replace(self._file)

    def _read(self) -> dict[str, Any]:
        try:
            text = self._file.read_text(encoding="utf-8") if self._file else "{}"
            found = json.loads(text)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _key(self, exercise: Exercise) -> str:
        cells = self._lesson.needed_cells(exercise)
        texts = [(cell.source, cell.metadata) for cell in cells]
        return _digest(json.dumps([_versions(), exercise.name, exercise.missing, texts]))

    def _whole_key(self, timeout: float) -> str:
        return _digest(json.dumps([_versions(), timeout, self._lesson.notebook]))


def _versions() -> list[str]:
    return [platform.python_version(), *map(" ".join, installed_versions(_PACKAGES).items())]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
