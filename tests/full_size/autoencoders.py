"""A stand-in for ``mnist``: pictures of one patch each, of its shape and in its splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

MODEL, HISTORY = "wide", "wide_history"
SMALL = {"EPOCHS": 2, "BATCH": 8, "CODE": 4, "FILTERS": (4, 8)}
COUNTS = {"train": 100, "test": 16}


def _digits(count: int):
    for number in range(count):
        image = np.zeros((28, 28, 1), np.uint8)
        top, left = 2 + number % 9, 2 + number // 9 % 9
        image[top : top + 12, left : left + 6] = 255 - number % 50
        yield number, {"image": image, "label": number % 10}


def prepare(folder: Path) -> None:
    """Write it."""
    tfds.dataset_builders.store_as_tfds_dataset(
        name="mnist",
        version=str(tfds.builder_cls("mnist").VERSION),
        data_dir=folder,
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(28, 28, 1)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
        ),
        split_datasets={name: _digits(count) for name, count in COUNTS.items()},
    )
