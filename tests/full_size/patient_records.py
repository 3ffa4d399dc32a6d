"""A stand-in for ``higgs``: as there, one split, and a number for each of 28 columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.structured.higgs import Higgs

MODEL, HISTORY = "deep", "deep_history"
SMALL = {
    "ROWS": 300, "HELD_OUT": 20, "BATCH": 32, "EPOCHS": 2, "UNITS": 16, "LAYERS": 1, "RIVAL": 100,
}  # fmt: skip


def prepare(folder: Path) -> None:
    """Write it: 420 rows of noise, in which the first column says a little."""
    features = Higgs(data_dir=folder).info.features
    rng = np.random.default_rng(0)
    rows = []
    for number in range(420):
        row = {name: rng.normal() for name in features if name != "class_label"}
        row["class_label"] = np.float32(row["lepton_pT"] + rng.normal() > 0)
        rows.append((number, row))
    tfds.dataset_builders.store_as_tfds_dataset(
        name="higgs",
        version="2.0.0",
        data_dir=folder,
        features=features,
        split_datasets={"train": rows},
    )
