"""Load a dataset by name without touching the network."""

from __future__ import annotations

import importlib
import os
import pkgutil
from pathlib import Path
from typing import Any

import platformdirs


class DatasetNotDownloadedError(RuntimeError):
    """A public dataset was asked for and is not on this machine."""


def data_dir() -> Path:
    """Where prepared datasets are kept: ``$COURSE_DATA_DIR``, or a folder in the user's cache."""
    configured = os.environ.get("COURSE_DATA_DIR")
    return Path(configured) if configured else platformdirs.user_cache_path("course") / "tfds"


def register() -> None:
    """Import every builder module of this package, which registers its class with TFDS."""
    package = importlib.import_module("course.datasets.builders")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


def load(name: str, *, split: Any = None, **kwargs: Any) -> Any:
    """``tfds.load`` without the network: prepares our own datasets, reads downloaded public ones.

    Args:
        name: a dataset's name as in ``tfds.load``, such as ``"digits"`` or ``"cifar10"``.
        split: such as ``"train"``, ``"train[:80%]"`` or a list of those.
        **kwargs: as for ``tfds.load``; ``batch_size=-1`` gives whole tensors.

    Raises:
        DatasetNotDownloadedError: a public dataset that has not been downloaded yet.
    """
    import filelock
    import tensorflow_datasets as tfds

    register()
    directory = data_dir()
    directory.mkdir(parents=True, exist_ok=True)
    builder = tfds.builder(name, data_dir=directory, try_gcs=False)
    if not Path(builder.data_dir).exists():
        from course.datasets.base import OfflineBuilder

        if not isinstance(builder, OfflineBuilder):
            raise DatasetNotDownloadedError(name)
        # Two kernels may ask at once: one prepares, the other waits.
        with filelock.FileLock(directory / f"{builder.name}.lock"):
            builder = tfds.builder(name, data_dir=directory, try_gcs=False)
            builder.download_and_prepare()
    return tfds.load(name, split=split, data_dir=directory, download=False, try_gcs=False, **kwargs)
