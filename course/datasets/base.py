"""The base class of the course's datasets."""

from __future__ import annotations

import abc
import hashlib
import inspect
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from course.datasets.files import has_all_records, writing

_FINGERPRINT = "builder.sha256"

Example = dict[str, Any]


class OfflineBuilder(  # type: ignore[call-arg]  # TFDS, which takes the keyword, has no types
    tfds.core.GeneratorBasedBuilder, skip_registration=True
):
    """A dataset that is made from installed libraries or by simulation, never downloaded.

    A builder lives in a folder as TFDS's own do: ``digits/digits_dataset_builder.py`` with a class
    ``Builder``, and next to it the description as ``README.md`` and the citation as
    ``CITATIONS.bib``. The class adds ``VERSION``, ``LICENSE``, ``features`` and ``examples``.

    What is on disk is a cache: a damaged folder, or one that an older text of the builder's folder
    made, is made again. If several processes ask at the same time, one makes it and the others
    wait.

    Attributes:
        LICENSE: under which the data may be used; an SPDX identifier or a name.
        HOMEPAGE: the address of the data's source. None, the default, if the course is the source.
        SUPERVISED_KEYS: the features that are input and target. None, the default, if there is no
            such pair.
        SHUFFLED: whether TFDS mixes the examples on disk, always in the same way. By default they
            stay in the order in which ``examples`` gives them.
    """

    LICENSE: ClassVar[str]
    HOMEPAGE: ClassVar[str | None] = None
    SUPERVISED_KEYS: ClassVar[tuple[str, str] | None] = None
    SHUFFLED: ClassVar[bool] = False

    @abc.abstractmethod
    def features(self) -> dict[str, Any]:
        """What an example consists of: names, and TFDS's features or dtypes."""

    @abc.abstractmethod
    def examples(self) -> Mapping[str, Iterable[Example]]:
        """The examples of each split, by the split's name."""

    def facts(self) -> dict[str, Any]:
        """What else lessons need to know, as values that JSON can hold. By default nothing."""
        return {}

    def key(self, place: int, example: Example) -> int:
        """The number by which TFDS mixes the examples of a split; by default the place in it."""
        del example
        return place

    def __init__(self, **kwargs: Any):
        try:
            super().__init__(**kwargs)
        except Exception:
            # TFDS reads the folder's information here. If that is what failed, start afresh.
            folder = getattr(self, "_data_dir", None)
            if not folder or not Path(folder).exists():
                raise
            shutil.rmtree(folder)
            super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        facts = json.loads(json.dumps(self.facts()))  # as they are when read from disk
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(self.features()),
            supervised_keys=self.SUPERVISED_KEYS,
            homepage=self.HOMEPAGE,
            license=self.LICENSE,
            metadata=tfds.core.MetadataDict(facts) if facts else None,
            disable_shuffling=not self.SHUFFLED,
        )

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

    def download_and_prepare(
        self, *, download_dir: Any = None, download_config: Any = None, **kwargs: Any
    ) -> None:
        """As TFDS does it, but without the network, one process at a time, and quietly."""
        config = download_config or tfds.download.DownloadConfig()
        config.try_download_gcs = False
        folder = Path(self.data_dir)
        with writing(Path(self.data_dir_root), self.name), _quiet_bars():
            if folder.exists():
                # Another process may have made it while this one waited.
                fresh = type(self)(**self._original_state)
                if fresh.is_prepared() and not config.download_mode.overwrite_dataset:
                    self.info.read_from_directory(self.data_dir)
                    return
                shutil.rmtree(folder)
            for leftover in folder.parent.glob(f"incomplete.*_{folder.name}"):
                shutil.rmtree(leftover, ignore_errors=True)
            # A builder takes its information from the folder that it finds, and the one removed
            # may have been made by an older text: so another builder, which has found none.
            fresh = type(self)(**self._original_state)
            super(OfflineBuilder, fresh).download_and_prepare(
                download_dir=download_dir, download_config=config, **kwargs
            )
            self.info.read_from_directory(self.data_dir)

    def _download_and_prepare(self, dl_manager: Any, download_config: Any) -> None:
        super()._download_and_prepare(dl_manager, download_config)
        # TFDS writes to a temporary folder here, and renames it when all is done.
        Path(self.data_dir, _FINGERPRINT).write_text(_fingerprint(type(self)))

    def _log_download_bytes(self) -> None:
        """Nothing is downloaded."""

    def _log_download_done(self) -> None:
        """TFDS prints a line to stdout here, where it would become a lesson's output."""

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, Example]]]:
        del dl_manager  # nothing to download
        # Writing needs it, and its import would be taken for the time of the first example.
        import tensorflow  # noqa: F401

        return {name: self._generate_examples(name, all_) for name, all_ in self.examples().items()}

    def _generate_examples(
        self, split: str, examples: Iterable[Example]
    ) -> Iterator[tuple[int, Example]]:
        """Examples with their keys, and a bar if making them takes over two seconds."""
        from tqdm import tqdm

        title = f"Preparing {self.name}, once ({split})"
        bar = tqdm(examples, desc=title, unit=" examples", delay=2, leave=False)
        for place, example in enumerate(bar):
            yield self.key(place, example), example


def _fingerprint(builder_class: type) -> str:
    """A digest of the files in the builder's folder."""
    folder = Path(inspect.getfile(builder_class)).parent
    digest = hashlib.sha256()
    for source in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(source.read_bytes())
    return digest.hexdigest()


class _quiet_bars:
    """TFDS's own bars name temporary folders and files, which are of no use to a student."""

    def __enter__(self) -> None:
        tfds.display_progress_bar(enable=False)

    def __exit__(self, *exc: object) -> None:
        tfds.display_progress_bar(enable=True)
