"""A stand-in for ``tiny_shakespeare``: as there, one example a split, the whole of its text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

MODEL, HISTORY = "large", "large_history"
SMALL = {"UNITS": 8, "EMBEDDING": 4, "WINDOW": 16, "BATCH": 4, "EPOCHS": 2}


def prepare(folder: Path) -> None:
    """Write it: a few hundred words in random order."""
    words = "what light through yonder window breaks, it is the east".split()
    rng = np.random.default_rng(0)
    tfds.dataset_builders.store_as_tfds_dataset(
        name="tiny_shakespeare",
        version="1.0.0",
        data_dir=folder,
        features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
        split_datasets={
            part: [(0, {"text": " ".join(rng.choice(words, 150))})]
            for part in ("train", "validation", "test")
        },
    )
