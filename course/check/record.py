"""What a reader has passed, kept between checks: ``course progress`` shows it.

One small file of JSON in the reader's own folder. Of each exercise that has been checked it holds
whether it passes, on which day that was found, and ten hexadecimal digits that tell whether the
answer has changed since. No answer is in it, and nothing is sent anywhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import platformdirs

from course.check.answers import DONE, NOT_YET
from course.check.lesson import Lesson

VARIABLE = "COURSE_PROGRESS"
FILE = "progress.json"


def record_path() -> Path:
    """The file: ``$COURSE_PROGRESS``, or ``progress.json`` in the reader's folder for the course's
    data, which on Linux is ``~/.local/share/course``."""
    return Path(os.environ.get(VARIABLE) or platformdirs.user_data_path("course") / FILE)


@dataclass(frozen=True)
class Checked:
    """What the last check of an exercise has found.

    Attributes:
        passed: whether it passes the tests that the reader sees, or nothing was left to check.
        answer: a digest of the answer that was checked.
        on: the day, as 2026-11-28.
    """

    passed: bool
    answer: str
    on: str


class Record:
    """The file. One that cannot be read counts as empty, and one that cannot be written stays as
    it was: noting progress never keeps anybody from checking an answer.

    Args:
        path: where it is; with None, nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self) -> dict[str, dict[str, Checked]]:
        """What is known, by lesson and exercise."""
        if self._path is None:
            return {}
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                lesson: {name: Checked(**found) for name, found in exercises.items()}
                for lesson, exercises in data.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def note(self, lesson: Lesson, found: Mapping[str, tuple[str, str | None]]) -> None:
        """Note what a check has found. An exercise that it says nothing about, because it was not
        answered or its tests have not run, stays as it was noted.

        Args:
            lesson: the lesson; one that this course has not made is not noted.
            found: by exercise, its state as a constant of ``course.check.answers``, and the text of
                the answer; None where that is the one in the notebook.
        """
        if self._path is None or lesson.name is None:
            return
        saved = {e.name: "" if e.answer is None else e.answer.source for e in lesson.exercises}
        new = {
            name: Checked(
                state in DONE, digest(saved[name] if text is None else text), f"{date.today()}"
            )
            for name, (state, text) in found.items()
            if state in DONE or state == NOT_YET
        }
        known = self.read()
        if not new:
            return
        known[lesson.name] = known.get(lesson.name, {}) | new
        data = {name: {e: asdict(c) for e, c in each.items()} for name, each in known.items()}
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(data, indent=1, sort_keys=True), encoding="utf-8")
            temporary.replace(self._path)


def digest(answer: str) -> str:
    """Ten hexadecimal digits that tell an answer from another; space around it does not count."""
    return hashlib.sha256(answer.strip().encode()).hexdigest()[:10]
