"""The course's datasets, as TensorFlow Datasets builders that need no network.

``load("digits", split="train")`` is ``tfds.load`` with a data directory of ours and no look at the
network; ``arrays("digits", "train")`` gives the split as NumPy arrays. Importing this package makes
the builders known to TFDS, so ``tfds.load`` and ``tfds.builder`` find them too. A public dataset is
taken by the same calls once it is downloaded.
"""

from course.datasets.errors import (
    DataFolderError,
    DatasetNotDownloadedError,
    DownloadFailedError,
    UnknownDatasetError,
)
from course.datasets.in_memory import arrays
from course.datasets.loading import data_dir, download, info, load
from course.datasets.registry import names, register

register()

__all__ = [
    "DataFolderError",
    "DatasetNotDownloadedError",
    "DownloadFailedError",
    "UnknownDatasetError",
    "arrays",
    "data_dir",
    "download",
    "info",
    "load",
    "names",
]
