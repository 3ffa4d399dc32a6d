"""A stand-in for ``cifar10``: pictures of noise, of its shape and in its splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

MODEL, HISTORY = "large_mixer", "mixer_history"
SMALL = {"WIDTH": 8, "ACROSS": 4, "BLOCKS": 1, "BATCH": 8, "EPOCHS": 2}


def prepare(folder: Path) -> None:
    """Write it: 20 pictures to train on, 10 to test with."""
    rng = np.random.default_rng(0)
    tfds.dataset_builders.store_as_tfds_dataset(
        name="cifar10",
        version=str(tfds.builder_cls("cifar10").VERSION),
        data_dir=folder,
        features=tfds.features.FeaturesDict(
            {
                "id": tfds.features.Text(),
                "image": tfds.features.Image(shape=(32, 32, 3)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
        ),
        split_datasets={
            part: [
                (i, {"id": f"{part}_{i}", "image": picture, "label": i % 10})
                for i, picture in enumerate(
                    rng.integers(256, size=(count, 32, 32, 3), dtype="uint8")
                )
            ]
            for part, count in (("train", 20), ("test", 10))
        },
    )
