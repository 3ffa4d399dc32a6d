"""Where lessons are: the names of their folders and sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

FOLDER = re.compile(r"\d\d_[a-z0-9_]+")


def source_path(folder: Path) -> Path:
    """The path of a lesson folder's source, whether it exists or not."""
    return folder / f"{folder.name.partition('_')[2]}.py"


def is_source(path: Path) -> bool:
    """Whether a file is a lesson's source, and not an instructor's helper module."""
    return FOLDER.fullmatch(path.parent.name) is not None and path == source_path(path.parent)


def known_mistakes_path(folder: Path) -> Path:
    """The path of what a lesson's known mistakes do in its tests, whether it exists or not."""
    return folder / "known_mistakes.json.xz"


def is_lesson(folder: Path) -> bool:
    """Whether a folder's notebook is made from a lesson's source, and not by hand."""
    source = source_path(folder)
    return is_source(source) and source.is_file()


def lesson_folders(root: Path) -> Iterator[Path]:
    """The folders below ``root/solutions`` that hold a lesson's source, in order."""
    for folder in sorted((root / "solutions").iterdir()):
        if folder.is_dir() and source_path(folder).is_file() and FOLDER.fullmatch(folder.name):
            yield folder


def number_of(name: str) -> str:
    """The number of a lesson, 07 of ``07_chest_xrays``."""
    return name.partition("_")[0]


def title_of(name: str) -> str:
    """A lesson's name in words, "07 chest xrays" of ``07_chest_xrays``."""
    return name.replace("_", " ")
