"""Prepared datasets on disk: which process writes, and whether a folder is complete."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from course.datasets.errors import DataFolderError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

# A TFRecord adds its length (8 bytes) and two checksums (4 bytes each).
_RECORD_OVERHEAD = 16


# What the system says where nothing can be written, or nothing more.
_UNWRITABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOTDIR,
    errno.EEXIST,
}


@contextlib.contextmanager
def writing(root: Path, name: str) -> Iterator[None]:
    """Hold the lock under which a dataset is written, so that of two processes one waits.

    Args:
        root: the folder where all data are kept; it is made if it does not exist.
        name: the dataset's.

    Raises:
        DataFolderError: the folder cannot be made or written to, or is full.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(root / f"{name}.lock"):
            yield
    except OSError as error:
        is_here = error.filename is None or Path(os.fsdecode(error.filename)).is_relative_to(root)
        is_above = error.filename is not None and root.is_relative_to(os.fsdecode(error.filename))
        if error.errno not in _UNWRITABLE or not (is_here or is_above):
            raise
        raise DataFolderError(name, root, error.strerror or type(error).__name__) from error


def has_all_records(builder: tfds.core.DatasetBuilder) -> bool:
    """Whether every file of every split is there and, for TFRecords, as long as it should be.

    Only sizes are compared, so this takes no longer than listing the folder.
    """
    if not builder.info.splits:
        return False
    for split in builder.info.splits.values():
        files = [os.fspath(path) for path in split.filepaths]
        if not all(os.path.exists(file) for file in files):
            return False
        size = split.num_bytes + _RECORD_OVERHEAD * split.num_examples
        is_plain = str(builder.info.file_format.value) == "tfrecord"
        if is_plain and sum(map(os.path.getsize, files)) != size:
            return False
    return True
