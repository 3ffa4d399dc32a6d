"""The base class of the course's datasets."""

from __future__ import annotations

import functools
import hashlib
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import tensorflow_datasets as tfds

from course.datasets.files import has_all_records, lock

_FINGERPRINT = "builder.sha256"


class OfflineBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A dataset that is made from installed libraries or by simulation, never downloaded.

    What is on disk is a cache: a damaged folder, or one that an older text of the builder's module
    made, is made anew. Processes that ask at once wait for one of them.
    """

    def __init__(self, **kwargs):
        try:
            super().__init__(**kwargs)
        except Exception:
            # TFDS reads the folder's information here. If that is what failed, start afresh.
            folder = getattr(self, "_data_dir", None)
            if not folder or not Path(folder).exists():
                raise
            shutil.rmtree(folder)
            super().__init__(**kwargs)

    def is_prepared(self) -> bool:
        """Whether the folder is complete and was made by this text of the builder."""
        folder = Path(self.data_dir)
        mark = folder / _FINGERPRINT
        return (
            mark.is_file()
            and mark.read_text() == _fingerprint(type(self))
            and super().is_prepared()
            and has_all_records(self)
        )

    def download_and_prepare(self, *, download_dir=None, download_config=None, **kwargs) -> None:
        """As TFDS does it, but without the network, one process at a time, and quietly."""
        config = download_config or tfds.download.DownloadConfig()
        config.try_download_gcs = False
        folder = Path(self.data_dir)
        with lock(Path(self.data_dir_root), self.name), _quiet_bars():
            if folder.exists():
                # Another process may have made it while this one waited.
                fresh = type(self)(**self._original_state)
                if fresh.is_prepared() and not config.download_mode.overwrite_dataset:
                    self.info.read_from_directory(self.data_dir)
                    return
                shutil.rmtree(folder)
            for leftover in folder.parent.glob(f"incomplete.*_{folder.name}"):
                shutil.rmtree(leftover, ignore_errors=True)
            self._count_examples()
            super().download_and_prepare(
                download_dir=download_dir, download_config=config, **kwargs
            )

    def _download_and_prepare(self, dl_manager, download_config) -> None:
        super()._download_and_prepare(dl_manager, download_config)
        # TFDS writes to a temporary folder here, and renames it when all is done.
        Path(self.data_dir, _FINGERPRINT).write_text(_fingerprint(type(self)))

    def _log_download_bytes(self) -> None:
        """Nothing is downloaded."""

    def _log_download_done(self) -> None:
        """TFDS prints a line to stdout here, where it would become a lesson's output."""

    def _count_examples(self) -> None:
        """Show a bar, if making the examples takes over two seconds."""
        # Writing needs it, and its import would be taken for the time of the first example.
        import tensorflow  # noqa: F401

        make_splits = self._split_generators

        @functools.wraps(make_splits)
        def counted(*args, **kwargs):
            splits = make_splits(*args, **kwargs)
            return {name: self._bar(name, examples) for name, examples in dict(splits).items()}

        self._split_generators = counted

    def _bar(self, split: str, examples: Iterable) -> Iterator:
        from tqdm import tqdm

        title = f"Preparing {self.name}, once ({split})"
        yield from tqdm(examples, desc=title, unit=" examples", delay=2, leave=False)


def _fingerprint(builder_class: type) -> str:
    file = getattr(sys.modules.get(builder_class.__module__), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


class _quiet_bars:
    """TFDS's own bars name temporary folders and files, of no use to a student."""

    def __enter__(self) -> None:
        tfds.display_progress_bar(enable=False)

    def __exit__(self, *exc) -> None:
        tfds.display_progress_bar(enable=True)
