"""The files beside an instructor's notebook, which it may read or import."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from autograder.notebooks.folders import is_source, known_mistakes_path

HIDDEN = {".ipynb_checkpoints", "__pycache__"}


def assignment_files(folder: Path) -> Iterator[Path]:
    """An assignment's files, without its notebooks, a lesson's source and its known mistakes."""
    for path in sorted(folder.rglob("*")):
        hidden = HIDDEN & set(path.relative_to(folder).parts)
        is_ours = path.suffix == ".ipynb" or path == known_mistakes_path(folder) or is_source(path)
        if path.is_file() and not hidden and not is_ours:
            yield path


def archive(folder: Path) -> bytes:
    """An assignment's files as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in assignment_files(folder):
            tar.add(path, path.relative_to(folder), recursive=False)
    return buffer.getvalue()
