"""The files beside an instructor's notebook, which it may read or import."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from autograder.lesson import is_source

HIDDEN = {".ipynb_checkpoints", "__pycache__"}


def assignment_files(folder: Path) -> Iterator[Path]:
    """An assignment's files, without its notebooks and without a lesson's source."""
    for path in sorted(folder.rglob("*")):
        hidden = HIDDEN & set(path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix != ".ipynb" and not is_source(path):
            yield path


def write_archive(folder: Path | None, archive: BinaryIO) -> None:
    """Write an assignment's files as a tar archive; an empty one without a folder."""
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in assignment_files(folder) if folder else ():
            tar.add(path, path.relative_to(folder), recursive=False)
    archive.flush()
