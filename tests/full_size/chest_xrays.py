"""A stand-in for ``pneumonia_mnist``: a few films of noise, of its shape and in its splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

MODEL, HISTORY = "real_network", "real_history"
SMALL = {"EPOCHS": 2, "BATCH": 8, "WIDTH": 4}
COUNTS = {"train": 24, "val": 10, "test": 12}


def prepare(folder: Path) -> None:
    """Write it, with as many healthy as sick."""
    rng = np.random.default_rng(0)
    tfds.dataset_builders.store_as_tfds_dataset(
        name="pneumonia_mnist",
        version=str(tfds.builder_cls("pneumonia_mnist").VERSION),
        data_dir=folder,
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(28, 28, 1)),
                "label": tfds.features.ClassLabel(names=["Normal", "Pneumonia"]),
            }
        ),
        split_datasets={
            part: [
                (i, {"image": rng.integers(256, size=(28, 28, 1)).astype("uint8"), "label": i % 2})
                for i in range(count)
            ]
            for part, count in COUNTS.items()
        },
    )
