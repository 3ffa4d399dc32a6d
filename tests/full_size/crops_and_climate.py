"""Stand-ins for ``plant_village`` and ``eurosat``: pictures of noise with their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

MODEL, HISTORY = "large", "large_history"
SMALL = {"EPOCHS": 2, "BATCH": 8, "SIZE": 16, "FILTERS": (4, 6)}
LABELS = {
    "plant_village": ["Apple___Apple_scab", "Apple___healthy", "Tomato___Leaf_Mold"],
    "eurosat": ["Forest", "Highway", "River", "Pasture"],
}


def prepare(folder: Path) -> None:
    """Write them: 40 pictures each, in one split as there."""
    rng = np.random.default_rng(0)
    village = str(tfds.builder_cls("plant_village").VERSION)
    for name, version, size in (("plant_village", village, 60), ("eurosat", "2.0.0", 64)):
        pictures = rng.integers(256, size=(40, size, size, 3)).astype("uint8")
        key = {"plant_village": "image/filename", "eurosat": "filename"}[name]
        tfds.dataset_builders.store_as_tfds_dataset(
            name=name,
            config="rgb" if name == "eurosat" else None,
            version=version,
            data_dir=folder,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "label": tfds.features.ClassLabel(names=LABELS[name]),
                    key: tfds.features.Text(),
                }
            ),
            split_datasets={
                "train": [
                    (i, {"image": picture, "label": i % len(LABELS[name]), key: str(i)})
                    for i, picture in enumerate(pictures)
                ]
            },
        )
