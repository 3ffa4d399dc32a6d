"""Leaks: lines that only instructors may see, found where students can look.

Secret are the answers, the hidden tests, and the misconceptions and alternatives of every lesson's
source. A line is no secret when it also stands in what students see of a lesson, or when it is too
short to tell anything. Feedback may say what a mistake was, and shows the student's own answer;
everything else stays secret there too.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bs4 import BeautifulSoup
from nbformat import NotebookNode

from autograder.gates.finding import Finding
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

# A shorter line (`return x`) says nothing, and stands everywhere.
MIN_LENGTH = 12

# A line of this length is also noticed inside of a longer one, and in a program; shorter ones
# (`return report`) only as a whole line of a notebook or a page.
MIN_INSIDE = 25

# What may stand before a line that was copied into a comment, a list or a quotation.
_DECORATION = "#>-*`| \t"
_TRACEBACK = re.compile(r"^(?:-+> ?)?\d+ +")
_BINARY = {".png", ".jpg", ".gif", ".npz", ".npy", ".keras", ".pyc", ".db", ".gz"}


@dataclass(frozen=True)
class Leak:
    """A secret line in a place where students can look. ``cell`` and ``line`` count from 1."""

    file: str
    cell: int | None
    line: int
    lesson: str
    kind: str
    text: str

    def __str__(self) -> str:
        return str(self.finding())

    def finding(self) -> Finding:
        """The leak as a gate reports it."""
        return Finding(
            self.file,
            f"{self.kind} of {self.lesson}, {self.text[:100]!r}, can be seen by students",
            "remove it from what students get; a lesson is changed in its source and built",
            self.cell,
            self.line,
        )


@dataclass
class Secrets:
    """Secret lines, each with its lesson and kind."""

    lines: dict[str, tuple[str, str]] = field(default_factory=dict)
    _starts: dict[str, list[str]] = field(default_factory=dict)

    def add(self, line: str, lesson: str, kind: str) -> None:
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
    """The secret lines of every lesson below ``root/solutions``."""
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
    """The lines of a cell outside and inside of its markers."""
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


def check(root: Path, names: Collection[str] = ()) -> list[Leak]:
    """The leaks in what students get of the course at ``root``.

    Args:
        root: the repository.
        names: only in these lessons; in all of ``lessons/`` by default.
    """
    root = Path(root)
    secrets = collect(root)
    places = [root / "lessons" / name for name in names] or [root / "lessons"]
    return [leak for place in places for leak in find(place, secrets, relative_to=root)]


def check_feedback(path: Path, secrets: Secrets, submitted: str = "") -> list[Leak]:
    """The leaks in a page of feedback on a notebook with the text ``submitted``."""
    return find(path, secrets.in_feedback(submitted))


def find(path: Path, secrets: Secrets, relative_to: Path | None = None) -> list[Leak]:
    """The leaks in a folder, a file, a wheel or another zip archive.

    Args:
        path: where students can look.
        secrets: from ``collect``.
        relative_to: the folder that files are named from; the path's own by default.
    """
    path = Path(path)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    base = relative_to or (path if path.is_dir() else path.parent)
    return [
        leak
        for file in files
        if file.is_file()
        for leak in _file(str(file.relative_to(base)), file.read_bytes(), secrets)
    ]


def _file(name: str, content: bytes, secrets: Secrets) -> Iterator[Leak]:
    if zipfile.is_zipfile(io.BytesIO(content)) and not name.endswith(tuple(_BINARY)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from _file(f"{name}/{member}", archive.read(member), secrets)
        return
    if name.endswith(tuple(_BINARY)):
        return
    text = content.decode("utf-8", errors="replace")
    if name.endswith(".ipynb"):
        yield from _notebook(name, text, secrets)
    else:
        yield from _text(name, None, html_text(text) if name.endswith(".html") else text, secrets)


def _notebook(name: str, text: str, secrets: Secrets) -> Iterator[Leak]:
    try:
        notebook = json.loads(text)
        cells = notebook["cells"]
    except (ValueError, KeyError, TypeError):
        yield from _text(name, None, text, secrets)
        return
    rest = {key: value for key, value in notebook.items() if key != "cells"}
    for number, part in [(None, rest), *enumerate(cells, 1)]:
        for string in _strings(part):
            yield from _text(name, number, string, secrets)
        if _has_key(part, "jupytext"):
            # Jupytext would put the answers back into a student's copy.
            yield Leak(name, number, 1, "the lesson", "metadata", "jupytext's pairing")
        for tag in tags(part) & {MISCONCEPTION, ALTERNATIVE}:
            yield Leak(name, number, 1, "the lesson", "tag", tag)


def _text(name: str, cell: int | None, text: str, secrets: Secrets) -> Iterator[Leak]:
    least = MIN_INSIDE if name.endswith(".py") else MIN_LENGTH
    for number, line in enumerate(normalise(text), 1):
        secret = next(secrets.inside(line), None) if len(line) >= least else None
        if secret is not None:
            yield Leak(name, cell, number, *secrets.lines[secret], secret)
        elif cell is not None and line in _MARKERS:
            yield Leak(name, cell, number, "the lesson", "marker", line)


_MARKERS = {
    marker.strip(_DECORATION) for marker in (BEGIN_SOLUTION, END_SOLUTION, BEGIN_HIDDEN, END_HIDDEN)
}


def _strings(value: object) -> Iterator[str]:
    """The texts in a piece of JSON. A list of strings is how a notebook keeps lines."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            yield "".join(value) if any("\n" in item for item in value) else "\n".join(value)
        else:
            for item in value:
                yield from _strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)


def _has_key(value: object, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has_key(item, key) for item in value.values())
    return isinstance(value, list) and any(_has_key(item, key) for item in value)


def html_text(html: str) -> str:
    """The text of a page as its reader sees it, without highlighting."""
    page = BeautifulSoup(html, "html.parser")
    for hidden in page(["style", "script"]):
        hidden.decompose()
    for block in page(["br", "p", "div", "li", "pre", "tr"]):
        block.insert_before("\n")
    return page.get_text()
