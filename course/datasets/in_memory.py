"""A split of a dataset as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from course.datasets.array_cache import cached
from course.datasets.loading import find_prepared, is_ours

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


@overload
def arrays(
    name: str, split: str, *, as_supervised: Literal[False] = ..., scaled: bool = ...
) -> dict[str, np.ndarray]: ...
@overload
def arrays(
    name: str, split: str, *, as_supervised: Literal[True], scaled: bool = ...
) -> tuple[np.ndarray, np.ndarray]: ...
def arrays(
    name: str, split: str, *, as_supervised: bool = False, scaled: bool = False
) -> dict[str, np.ndarray] | tuple[np.ndarray, np.ndarray]:
    """A whole split as NumPy arrays, in the order in which the dataset stores its examples.

    ``arrays("digits", "train")`` is ``{"image": …, "index": …, "label": …}``, where ``image`` has
    shape (1297, 8, 8, 1). All of the split is held in memory; take a part of a large dataset, or
    ``load`` it.

    Args:
        name: a dataset's name as in ``tfds.load``, such as ``"digits"`` or ``"cifar10"``.
        split: one split or a part of it, such as ``"train"`` or ``"train[:10%]"``.
        as_supervised: whether to return the pair of arrays that the dataset calls input and
            target instead of the dictionary. False by default.
        scaled: whether images are divided by the largest value that a pixel can have, which gives
            float32 from 0 to 1. False by default: pixels stay the integers that are stored.
            Images whose pixels are numbers of classes (``LabeledImage``) are never scaled.

    Returns:
        a dictionary from a feature's name to an array whose first axis counts the examples and
        whose other axes and dtype are those of ``info(name).features``. A class is its number,
        int64. Text is an object array of ``str``. A feature inside another is named with a slash,
        as in ``"captions/text"``. Examples of different sizes get zeros at their ends, up to the
        size of the largest. With ``as_supervised``, two such arrays.

    Raises:
        DataFolderError: a dataset of the course cannot be written to ``data_dir()``.
        DatasetNotDownloadedError: a public dataset that has not been downloaded yet.
        UnknownDatasetError: neither the course nor TFDS has a dataset of that name.
        ValueError: the dataset has no such split, or has no input and target.
    """
    import tensorflow_datasets as tfds

    builder = find_prepared(name)

    def read() -> dict[str, np.ndarray]:
        stored = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
        return dict(_columns("", builder.info.features, stored))

    # A public dataset may be large, and what is kept of it is for its owner to decide.
    ours = is_ours(builder)
    columns = cached(Path(builder.data_dir), split, read) if ours else read()
    if scaled:
        columns |= _scaled_images(columns, builder.info)
    if not as_supervised:
        return columns
    keys = builder.info.supervised_keys
    if keys is None or len(keys) != 2 or not set(keys) <= set(columns):
        raise ValueError(
            f"{name} names no input and target, so as_supervised=True has no meaning for it. "
            f"Leave it out and choose among the features {', '.join(columns)}."
        )
    return columns[keys[0]], columns[keys[1]]


def _columns(prefix: str, feature: Any, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _columns(f"{prefix}/{key}" if prefix else key, feature[key], inner)
    else:
        yield prefix, _decoded(value) if _is_text(feature) else value


def _is_text(feature: Any) -> bool:
    import tensorflow_datasets as tfds

    while isinstance(feature, tfds.features.Sequence):
        feature = feature.feature
    return isinstance(feature, tfds.features.Text)


def _decoded(texts: np.ndarray) -> np.ndarray:
    """The same array with ``str`` in place of UTF-8 bytes."""
    decoded = np.empty(texts.shape, object)
    decoded.flat[:] = [text.decode("utf-8") for text in texts.flat]
    return decoded


def _scaled_images(
    columns: dict[str, np.ndarray], info: tfds.core.DatasetInfo
) -> dict[str, np.ndarray]:
    import tensorflow_datasets as tfds

    # The pixels of digits count dots, and there are at most 16 of them.
    own_largest = (info.metadata or {}).get("largest_pixel", {})
    scaled = {}
    for name, values in columns.items():
        feature = info.features[name] if name in info.features else None
        is_image = isinstance(feature, tfds.features.Image)
        is_mask = isinstance(feature, tfds.features.LabeledImage)
        if is_image and not is_mask and np.issubdtype(values.dtype, np.integer):
            largest = own_largest.get(name, np.iinfo(values.dtype).max)
            scaled[name] = values.astype(np.float32) / np.float32(largest)
    return scaled
