"""The files beside an instructor's notebook, which it may read or import."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from autograder.notebooks.folders import is_source

HIDDEN = {".ipynb_checkpoints", "__pycache__"}


def assignment_files(folder: Path) -> Iterator[Path]:
    """An assignment's files, without its notebooks and without a lesson's source."""
    for path in sorted(folder.rglob("*")):
        hidden = HIDDEN & set(path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix != ".ipynb" and not is_source(path):
            yield path


def archive(folder: Path) -> bytes:
    """An assignment's files as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in assignment_files(folder):
            tar.add(path, path.relative_to(folder), recursive=False)
    return buffer.getvalue()
