"""A stand-in for ``mnist``: a few images of noise, of the same shape and type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

MODEL, HISTORY = "large", "large_history"
SMALL = {"WIDTH": 16, "LAYERS": 2, "BATCH": 4, "EPOCHS": 2}


def prepare(folder: Path) -> None:
    """Write it: 20 images to train on, 10 to test with."""
    rng = np.random.default_rng(0)
    tfds.dataset_builders.store_as_tfds_dataset(
        name="mnist",
        version="3.0.1",
        data_dir=folder,
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(28, 28, 1)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
        ),
        split_datasets={
            part: [
                (i, {"image": rng.integers(256, size=(28, 28, 1)).astype("uint8"), "label": i % 10})
                for i in range(count)
            ]
            for part, count in (("train", 20), ("test", 10))
        },
    )
