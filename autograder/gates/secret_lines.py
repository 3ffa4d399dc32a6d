"""The lines that only instructors may see: answers, hidden tests, known mistakes and alternatives.

A line is not secret if students see it elsewhere in a lesson, or if it is too short to tell
anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from autograder.notebooks.cells import (
    ALTERNATIVE,
    BEGIN_HIDDEN,
    BEGIN_SOLUTION,
    END_HIDDEN,
    END_SOLUTION,
    MISCONCEPTION,
)
from autograder.notebooks.source import Lesson, all_lessons
from course.cells import tags

ANSWER, HIDDEN, EXPLANATION = "answer", "hidden test", "explanation"

# A shorter line (`return x`) tells nothing, and occurs everywhere.
MIN_LENGTH = 12

# A line of this length is noticed inside a longer one too, and in a program; a shorter one
# (`return report`) only as a whole line of a notebook or a page.
MIN_INSIDE = 25

# What may precede a line that was copied into a comment, a list, a quotation or a traceback.
_DECORATION = "#>-*`| \t"
_TRACEBACK = re.compile(r"^(?:-+> ?)?\d+ +")


@dataclass
class Secrets:
    """Secret lines, each with its lesson and kind."""

    lines: dict[str, tuple[str, str]] = field(default_factory=dict)
    _starts: dict[str, list[str]] = field(default_factory=dict)

    def add(self, line: str, lesson: str, kind: str) -> None:
        """Add a normalised line, unless it is there already."""
        if line not in self.lines:
            self.lines[line] = (lesson, kind)
            if len(line) >= MIN_INSIDE:
                self._starts.setdefault(line[:MIN_LENGTH], []).append(line)

    def in_feedback(self, submitted: str) -> Secrets:
        """What stays secret in feedback on a notebook with the text ``submitted``."""
        kept, known = Secrets(), set(normalise(submitted))
        for line, (lesson, kind) in self.lines.items():
            if kind != EXPLANATION and line not in known:
                kept.add(line, lesson, kind)
        return kept

    def inside(self, line: str) -> Iterator[str]:
        """The secrets that a normalised line shows."""
        if line in self.lines:
            yield line
        for start in range(len(line) - MIN_INSIDE + 1):
            for secret in self._starts.get(line[start : start + MIN_LENGTH], ()):
                if line.startswith(secret, start) and secret != line:
                    yield secret


def normalise(text: str) -> list[str]:
    """The lines of a text with single spaces, without marks of comments, lists and tracebacks."""
    lines = (_TRACEBACK.sub("", " ".join(line.split())) for line in text.splitlines())
    return [line.strip(_DECORATION) for line in lines]


def collect(root: Path) -> Secrets:
    """The secret lines of all lessons of the course at ``root``."""
    lessons = all_lessons(Path(root))
    candidates = Secrets()
    for lesson in lessons:
        for kind, text in _hidden(lesson):
            for line in normalise(text):
                if len(line) >= MIN_LENGTH:
                    candidates.add(line, lesson.name, kind)
    seen = {line for lesson in lessons for text in _visible(lesson) for line in normalise(text)}
    shown = {secret for line in seen for secret in candidates.inside(line)}
    secrets = Secrets()
    for line, (name, kind) in candidates.lines.items():
        if line not in shown:
            secrets.add(line, name, kind)
    return secrets


def _is_secret(cell: NotebookNode) -> bool:
    return bool(tags(cell) & {MISCONCEPTION, ALTERNATIVE})


def _visible(lesson: Lesson) -> Iterator[str]:
    for cell in lesson.cells:
        if not _is_secret(cell):
            visible, _ = _parts(cell.source)
            yield visible


def _hidden(lesson: Lesson) -> Iterator[tuple[str, str]]:
    for cell in lesson.cells:
        for kind in tags(cell) & {MISCONCEPTION, ALTERNATIVE}:
            lines = cell.source.splitlines()
            code = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
            yield EXPLANATION, "\n".join(lines[:code])
            yield kind, "\n".join(lines[code:])
        if not _is_secret(cell) and "grade_id" in cell.metadata:
            _, hidden = _parts(cell.source)
            yield (ANSWER if cell.metadata.get("solution") else HIDDEN), hidden


def _parts(source: str) -> tuple[str, str]:
    """The lines of a cell outside and inside its markers."""
    visible: list[str] = []
    hidden: list[str] = []
    inside = False
    for line in source.splitlines():
        mark = line.strip()
        if mark in {BEGIN_SOLUTION, BEGIN_HIDDEN}:
            inside = True
        elif mark in {END_SOLUTION, END_HIDDEN}:
            inside = False
        else:
            (hidden if inside else visible).append(line)
    return "\n".join(visible), "\n".join(hidden)
