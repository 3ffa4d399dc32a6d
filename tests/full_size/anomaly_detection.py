"""A stand-in for ``kddcup99``: few connections, of its columns and in its splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

MODEL, HISTORY = "large", "large_history"
SMALL = {"EPOCHS": 2, "BATCH": 16, "CODE": 3, "UNITS": (12, 8)}
# Attacks of each split; ``snmpgetattack`` occurs in the test split alone, as in the real one.
SPLITS = {"train": (200, ("smurf", "neptune")), "test": (60, ("smurf", "snmpgetattack"))}


def _connections(features: tfds.features.FeaturesDict, count: int, attacks: tuple[str, ...]):
    rng = np.random.default_rng(count)
    for number in range(count):
        row = {}
        for name, feature in features.items():
            if isinstance(feature, tfds.features.ClassLabel):
                row[name] = int(rng.integers(feature.num_classes))
            else:
                high = 2 if feature.np_dtype == np.bool_ else 100
                row[name] = feature.np_dtype(rng.integers(high))
        row["label"] = attacks[number // 4 % 2] if number % 4 == 0 else "normal"
        yield number, row


def prepare(folder: Path) -> None:
    """Write it."""
    builder = tfds.builder("kddcup99", data_dir=str(folder), try_gcs=False)
    features = builder.info.features
    tfds.dataset_builders.store_as_tfds_dataset(
        name="kddcup99",
        version=str(builder.version),
        data_dir=folder,
        features=features,
        split_datasets={
            name: _connections(features, count, attacks)
            for name, (count, attacks) in SPLITS.items()
        },
    )
