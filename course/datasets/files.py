"""Prepared datasets on disk: who may write, and whether a folder is complete."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

# A TFRecord adds its length (8 bytes) and two checksums (4 bytes each).
_RECORD_OVERHEAD = 16


def lock(root: Path, name: str) -> filelock.BaseFileLock:
    """The lock under which a dataset is written, so that of two processes one waits."""
    root.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(root / f"{name}.lock")


def has_all_records(builder: tfds.core.DatasetBuilder) -> bool:
    """Whether every file of every split is there and, for TFRecords, as long as it should be.

    Looks at sizes only, so it costs no more than a look into the folder.
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
