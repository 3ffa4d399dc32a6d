"""What can go wrong with a dataset, each in a sentence that says what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class UnknownDatasetError(ValueError):
    """No dataset of the course or of TFDS has this name."""

    def __init__(self, name: str, known: Iterable[str], own: Iterable[str]):
        close = difflib.get_close_matches(name.lower(), sorted(set(known)), n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        super().__init__(
            f"There is no dataset {name!r}.{hint} The course has {', '.join(sorted(own))}; "
            "public datasets are listed at https://www.tensorflow.org/datasets/catalog/overview."
        )
        self.name = name
        self.close = close


class DatasetNotDownloadedError(RuntimeError):
    """A public dataset was asked for that is not on this machine.

    ``name`` is the dataset's, ``size`` says how much is to be downloaded, and ``command`` does it.
    """

    def __init__(self, name: str, size: str):
        self.name, self.size, self.command = name, size, f"course download {name}"
        super().__init__(
            f"{name} is a public dataset and is not on this machine yet ({size} to download). "
            f"Run `{self.command}` in a terminal once, with a network connection, and then this "
            "cell again."
        )


class DataFolderError(OSError):
    """A dataset could not be written to the folder where data are kept.

    ``name`` is the dataset's, ``folder`` the one for all data; the cause is the system's error.
    """

    def __init__(self, name: str, folder: Path, reason: str):
        self.name, self.folder = name, folder
        super().__init__(
            f"{name} cannot be written to {folder} ({reason}): set the environment variable "
            "COURSE_DATA_DIR to a folder with room that you may write to, and run this again."
        )


class DownloadFailedError(RuntimeError):
    """A public dataset could not be downloaded. The message says why and what to do."""
