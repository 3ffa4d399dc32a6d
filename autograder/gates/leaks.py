"""Leaks: secret lines in places where students can look.

Feedback may say what a mistake was, and it shows the student's own answer; everything else stays
secret there too.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from bs4 import BeautifulSoup

from autograder.gates.finding import Finding
from autograder.gates.secret_lines import MIN_INSIDE, MIN_LENGTH, Secrets, collect, normalise
from autograder.notebooks.cells import (
    ALTERNATIVE,
    BEGIN_HIDDEN,
    BEGIN_SOLUTION,
    END_HIDDEN,
    END_SOLUTION,
    MISCONCEPTION,
)
from course.cells import tags

_BINARY = {".png", ".jpg", ".gif", ".npz", ".npy", ".keras", ".pyc", ".db", ".gz"}
_MARKERS = set(normalise("\n".join((BEGIN_SOLUTION, END_SOLUTION, BEGIN_HIDDEN, END_HIDDEN))))


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
        secrets: from ``secret_lines.collect``.
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
    # As JSON: nbformat refuses what is not a valid notebook, and a leak may be in such a file.
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
