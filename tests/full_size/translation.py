"""A stand-in for ``ted_hrlr_translate/pt_to_en``: a few pairs of sentences of made-up words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

MODEL, HISTORY = "large", "large_history"
SMALL = {"UNITS": 8, "BATCH": 4, "EPOCHS": 2, "LONGEST": 8}


def prepare(folder: Path) -> None:
    """Write it: each word of one language is one of the other, in reverse order."""
    words = {"eu": "i", "não": "not", "sei": "know", "onde": "where", "fica": "is", ".": "."}
    rng = np.random.default_rng(0)

    def pair() -> dict[str, str]:
        chosen = rng.choice(list(words), rng.integers(2, 12)).tolist()
        return {"pt": " ".join(chosen), "en": " ".join(words[word] for word in chosen[::-1])}

    tfds.dataset_builders.store_as_tfds_dataset(
        name="ted_hrlr_translate",
        config="pt_to_en",
        version="1.0.0",
        data_dir=folder,
        features=tfds.features.Translation(languages=("pt", "en")),
        split_datasets={
            part: [(number, pair()) for number in range(count)]
            for part, count in (("train", 40), ("validation", 12), ("test", 12))
        },
    )
