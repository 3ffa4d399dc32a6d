"""Two colour photographs that ship with scikit-learn: a temple in China, and a flower."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

NAMES = ("china", "flower")
SHAPE = (427, 640, 3)


class Builder(OfflineBuilder):
    """Two photographs; ``image`` (427, 640, 3) uint8."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 2.0"
    HOMEPAGE = (
        "https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_sample_image.html"
    )

    def features(self) -> dict[str, Any]:
        return {
            "image": tfds.features.Image(shape=SHAPE),
            "name": tfds.features.ClassLabel(names=list(NAMES)),
        }

    def examples(self) -> dict[str, Iterable[Example]]:
        from sklearn.datasets import load_sample_image

        # scikit-learn's array is read-only, and TFDS wants one that it may change.
        return {
            "train": (
                {"image": np.array(load_sample_image(f"{name}.jpg")), "name": name}
                for name in NAMES
            )
        }
