"""Wine of three grape varieties: 178 real bottles, 13 chemical measurements each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from sklearn.datasets import load_wine

from course.datasets.base import Example, OfflineBuilder

CULTIVARS = ("Nebbiolo", "Grignolino", "Barbera")


class Builder(OfflineBuilder):
    """Wine Recognition Data: 178 examples in the split ``train``.

    ``features`` are float32 of shape (13,), in the order of the fact ``"feature_names"``.
    """

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"
    HOMEPAGE = "https://archive.ics.uci.edu/dataset/109/wine"
    SUPERVISED_KEYS = ("features", "label")
    SHUFFLED = True

    def features(self) -> dict[str, Any]:
        return {
            "features": tfds.features.Tensor(shape=(13,), dtype=np.float32),
            "label": tfds.features.ClassLabel(names=list(CULTIVARS)),
        }

    def facts(self) -> dict[str, Any]:
        return {"feature_names": [str(name) for name in load_wine().feature_names]}

    def examples(self) -> dict[str, Iterable[Example]]:
        wines = load_wine()
        rows = zip(wines.data.astype(np.float32), wines.target.tolist(), strict=True)
        return {"train": ({"features": features, "label": label} for features, label in rows)}
