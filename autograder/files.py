"""The files beside an instructor's notebook, which it may read or import."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autograder.lesson import is_source

NOT_FILES = shutil.ignore_patterns("*.ipynb", ".ipynb_checkpoints", "__pycache__", "*.pyc")


@contextmanager
def assignment_files(folder: Path) -> Iterator[Path]:
    """A copy of an assignment's files without its notebooks and without a lesson's source."""

    def ignored(directory: str, names: list[str]) -> set[str]:
        sources = {name for name in names if is_source(Path(directory, name))}
        return NOT_FILES(directory, names) | sources

    with tempfile.TemporaryDirectory(prefix="files-") as name:
        copy = Path(name, "files")
        shutil.copytree(folder, copy, ignore=ignored)
        yield copy
