"""A stand-in for ``celeb_a``: photographs of its shape and in its splits, of noise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

MODEL, HISTORY = "painter", "face_history"
SMALL = {"NOISE": 4, "FILTERS": 2, "BATCH": 4, "EPOCHS": 2, "SHOWN": 16}
COUNTS = {"train": 16, "validation": 16, "test": 2}


def _photographs(count: int, features: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    rng = np.random.default_rng(count)
    for number in range(count):
        image = rng.integers(0, 256, (218, 178, 3), dtype=np.uint8)
        flags = {name: number % 2 == 0 for name in features["attributes"]}
        others = {name: dict.fromkeys(features[name], number) for name in ("landmarks", "identity")}
        yield number, {"image": image, "attributes": flags, **others}


def prepare(folder: Path) -> None:
    """Write it."""
    builder = tfds.builder("celeb_a", data_dir=str(folder / "unused"), try_gcs=False)
    features = builder.info.features
    tfds.dataset_builders.store_as_tfds_dataset(
        name="celeb_a",
        version=str(builder.version),
        data_dir=folder,
        features=features,
        split_datasets={name: _photographs(count, features) for name, count in COUNTS.items()},
    )
