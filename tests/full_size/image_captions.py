"""A stand-in for ``coco_captions``: a few pictures of noise, each with five captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

MODEL, HISTORY = "photographer", "photo_history"
# A network of random weights looks: the trained ones have to be fetched.
SMALL = {
    "BATCH": 4,
    "ROUNDS": 2,
    "LONGEST": 6,
    "LEAST": 1,
    "WIDTH": 8,
    "PIXELS": 64,
    "WEIGHTS": None,
}
COUNTS = {"train": 10, "val": 5, "test": 6}


def prepare(folder: Path) -> None:
    """Write it, with the features of the public data set and without its objects."""
    rng = np.random.default_rng(0)
    words = "a man and woman near the boat on water".split()

    def photograph(number: int) -> dict[str, object]:
        texts = [" ".join(rng.choice(words, rng.integers(3, 9))) + "." for _ in range(5)]
        return {
            "image": rng.integers(256, size=(40, 50 + number, 3)).astype("uint8"),
            "image/filename": f"{number}.jpg",
            "image/id": number,
            "captions": [{"id": who, "text": text} for who, text in enumerate(texts)],
            "objects": [],
        }

    public = tfds.builder("coco_captions", data_dir=folder)
    tfds.dataset_builders.store_as_tfds_dataset(
        name="coco_captions",
        config=public.builder_config.name,
        version=str(public.version),
        data_dir=folder,
        features=public.info.features,
        split_datasets={
            part: [(number, photograph(number)) for number in range(count)]
            for part, count in COUNTS.items()
        },
    )
