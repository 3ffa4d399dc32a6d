"""Load a dataset by name without touching the network, or download it when asked to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from course.datasets.errors import (
    DatasetNotDownloadedError,
    DownloadFailedError,
    UnknownDatasetError,
)
from course.datasets.files import has_all_records, writing
from course.datasets.registry import names

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_SECONDS_TO_ANSWER = 10


def data_dir() -> Path:
    """Where prepared datasets are kept: ``$COURSE_DATA_DIR``, or a folder in the user's cache."""
    configured = os.environ.get("COURSE_DATA_DIR")
    return Path(configured) if configured else platformdirs.user_cache_path("course") / "tfds"


def load(name: str, *, split: Any = None, **kwargs: Any) -> Any:
    """``tfds.load`` without the network: prepares our own datasets, reads downloaded public ones.

    Args:
        name: a dataset's name as in ``tfds.load``, such as ``"digits"`` or ``"cifar10"``.
        split: a split such as ``"train"`` or ``"train[:80%]"``, or a list of those. None, the
            default, loads all splits.
        **kwargs: the other arguments of ``tfds.load``, except ``data_dir``, ``download`` and
            ``try_gcs``; with ``batch_size=-1`` a split comes as whole tensors.

    Raises:
        DataFolderError: a dataset of the course cannot be written to ``data_dir()``.
        DatasetNotDownloadedError: a public dataset that has not been downloaded yet.
        UnknownDatasetError: neither the course nor TFDS has a dataset of that name.
    """
    import tensorflow_datasets as tfds

    folder = find_prepared(name, kwargs.get("builder_kwargs")).data_dir_root
    return tfds.load(name, split=split, data_dir=folder, download=False, try_gcs=False, **kwargs)


def info(name: str) -> tfds.core.DatasetInfo:
    """A dataset's description, features, splits, licence and citation.

    ``info(name).metadata`` holds the facts that its lessons use, such as ``"feature_names"``. A
    dataset of the course is prepared first.

    Args:
        name: a dataset's name as in ``tfds.load``.

    Raises:
        DataFolderError: a dataset of the course cannot be written to ``data_dir()``.
        DatasetNotDownloadedError: a public dataset that has not been downloaded yet.
        UnknownDatasetError: neither the course nor TFDS has a dataset of that name.
    """
    return find_prepared(name).info


def find_prepared(
    name: str, builder_kwargs: dict[str, Any] | None = None
) -> tfds.core.DatasetBuilder:
    """The builder of a dataset that can be read; a dataset of the course is prepared first.

    Args:
        name: a dataset's name as in ``tfds.load``.
        builder_kwargs: further arguments of ``tfds.builder``. None, the default, adds none.

    Raises:
        DataFolderError: a dataset of the course cannot be written to ``data_dir()``.
        DatasetNotDownloadedError: a public dataset that has not been downloaded yet.
        UnknownDatasetError: neither the course nor TFDS has a dataset of that name.
    """
    builder = _find_builder(name, data_dir(), builder_kwargs)
    if is_ours(builder):
        if not builder.is_prepared():
            builder.download_and_prepare()
            # That builder has read the information of an older folder, if there was one.
            builder = _find_builder(name, data_dir(), builder_kwargs)
    elif not _is_complete(builder):
        # It may be where TFDS itself puts it.
        elsewhere = _find_builder(name, None, builder_kwargs)
        if not _is_complete(elsewhere):
            raise DatasetNotDownloadedError(name, _download_size(builder))
        builder = elsewhere
    return builder


def download(name: str) -> Path:
    """Download and prepare a public dataset, or prepare one of ours, and return its folder.

    Shows TFDS's progress bars.

    Raises:
        DataFolderError: it cannot be written to ``data_dir()``.
        DownloadFailedError: there is no network, no space, or the source refuses.
        UnknownDatasetError: neither the course nor TFDS has a dataset of that name.
    """
    import tensorflow_datasets as tfds

    builder = _find_builder(name, data_dir(), None)
    if is_ours(builder):
        builder.download_and_prepare()
        return Path(builder.data_dir)
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    with writing(data_dir(), builder.name):
        if _is_complete(_find_builder(name, data_dir(), None)):
            return Path(builder.data_dir)
        _refuse_manual(name, builder)
        _check_connection(name, builder)
        if Path(builder.data_dir).exists():
            # Half a dataset, of a version that TFDS would take for whole.
            config.download_mode = tfds.GenerateMode.REUSE_CACHE_IF_EXISTS
        try:
            builder.download_and_prepare(download_config=config)
        except KeyboardInterrupt:
            raise
        except Exception as error:  # what a dataset raises depends on its source
            reason = str(error).strip().splitlines()
            raise DownloadFailedError(
                f"{name} could not be downloaded. {type(error).__name__}: "
                f"{reason[0] if reason else 'no reason given'}"
            ) from error
    return Path(builder.data_dir)


def is_ours(builder: tfds.core.DatasetBuilder) -> bool:
    """Whether the course makes this dataset itself."""
    from course.datasets.base import OfflineBuilder

    return isinstance(builder, OfflineBuilder)


def _is_complete(builder: tfds.core.DatasetBuilder) -> bool:
    # TFDS logs a warning about a folder that is not there.
    is_there = Path(builder.data_dir).is_dir()
    return is_there and builder.is_prepared() and has_all_records(builder)


def _find_builder(
    name: str, folder: Path | None, builder_kwargs: dict[str, Any] | None
) -> tfds.core.DatasetBuilder:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import naming

    try:
        parsed, _ = naming.parse_builder_name_kwargs(name)
    except ValueError:
        raise UnknownDatasetError(name, _all_names(), names()) from None
    if parsed.namespace:
        # A community dataset's code comes over the network.
        raise UnknownDatasetError(name, _all_names(), names())
    where = os.fspath(folder) if folder else None
    try:
        return tfds.builder(name, data_dir=where, try_gcs=False, **(builder_kwargs or {}))
    except tfds.core.registered.DatasetNotFoundError:
        raise UnknownDatasetError(parsed.name, _all_names(), names()) from None


def _all_names() -> list[str]:
    import tensorflow_datasets as tfds

    return [*names(), *tfds.list_builders(with_community_datasets=False)]


def _download_size(builder: tfds.core.DatasetBuilder) -> str:
    """What TFDS's list of checksums says, without the network."""
    # The same file may be listed under two addresses.
    sizes = {info.checksum: info.size or 0 for info in (builder.url_infos or {}).values()}
    total = int(builder.info.download_size or 0) or sum(sizes.values())
    if not total:
        return "an unknown amount"
    several = len(builder.builder_configs) > 1 and len(sizes) > 1
    return f"{'at most ' if several else ''}{_megabytes(total)}"


def _megabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _refuse_manual(name: str, builder: tfds.core.DatasetBuilder) -> None:
    instructions = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    manual = data_dir() / "downloads" / "manual"
    if instructions and not (manual.is_dir() and any(manual.iterdir())):
        raise DownloadFailedError(
            f"{name} cannot be downloaded by a program: its owner wants to be asked. Put its files "
            f"into {manual} and run this again. {' '.join(instructions.split())}"
        )


def _check_connection(name: str, builder: tfds.core.DatasetBuilder) -> None:
    """Find out at once whether there is a network; TFDS would try for minutes."""
    import requests

    url = next((url for url in builder.url_infos or () if url.startswith("http")), None)
    if url is None:
        return
    host = url.split("/")[2]
    try:
        requests.head(url, timeout=_SECONDS_TO_ANSWER, allow_redirects=False)
    except requests.RequestException as error:
        raise DownloadFailedError(
            f"{name} could not be downloaded: {host} does not answer ({type(error).__name__}). "
            "Check the network connection; behind a proxy, set HTTPS_PROXY."
        ) from error
