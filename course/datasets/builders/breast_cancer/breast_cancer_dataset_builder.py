"""Breast masses under the microscope: 569 real patients, 30 measurements each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from sklearn.datasets import load_breast_cancer

from course.datasets.base import Example, OfflineBuilder


class Builder(OfflineBuilder):
    """Wisconsin Diagnostic Breast Cancer: 569 examples in the split ``train``.

    ``features`` are float32 of shape (30,), in the order of the fact ``"feature_names"``.
    """

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"
    HOMEPAGE = "https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic"
    SUPERVISED_KEYS = ("features", "label")
    SHUFFLED = True

    def features(self) -> dict[str, Any]:
        return {
            "features": tfds.features.Tensor(shape=(30,), dtype=np.float32),
            "label": tfds.features.ClassLabel(names=["malignant", "benign"]),
        }

    def facts(self) -> dict[str, Any]:
        return {"feature_names": [str(name) for name in load_breast_cancer().feature_names]}

    def examples(self) -> dict[str, Iterable[Example]]:
        masses = load_breast_cancer()
        rows = zip(masses.data.astype(np.float32), masses.target.tolist(), strict=True)
        return {"train": ({"features": features, "label": label} for features, label in rows)}
