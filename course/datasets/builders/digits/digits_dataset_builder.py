"""Handwritten digits, 8 × 8 pixels: the 1,797 that ship with scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

# Each digit appears this often in the test split, so guessing one class scores exactly 10 %.
TEST_PER_CLASS = 50
# A pixel counts the dots in a block of 4 x 4.
LARGEST_PIXEL = 16
SEED = 1998


class Builder(OfflineBuilder):
    """1,297 digits to train on and 500 to test on; ``image`` (8, 8, 1) uint8 from 0 to 16."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"
    HOMEPAGE = "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits"
    SUPERVISED_KEYS = ("image", "label")
    SHUFFLED = True

    def features(self) -> dict[str, Any]:
        return {
            "image": tfds.features.Image(shape=(8, 8, 1), dtype=np.uint8),
            "label": tfds.features.ClassLabel(num_classes=10),
            "index": np.int64,
        }

    def facts(self) -> dict[str, Any]:
        return {"largest_pixel": {"image": LARGEST_PIXEL}}

    def examples(self) -> dict[str, Iterable[Example]]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        order = np.random.default_rng(SEED).permutation(len(digits.target))
        test = np.concatenate(
            [order[digits.target[order] == digit][:TEST_PER_CLASS] for digit in range(10)]
        )
        splits = {"train": np.setdiff1d(order, test), "test": test}
        images = digits.images.astype(np.uint8)[..., np.newaxis]
        labels = digits.target.tolist()
        return {
            name: (
                {"image": images[index], "label": labels[index], "index": index}
                for index in indices.tolist()
            )
            for name, indices in splits.items()
        }

    def key(self, place: int, example: Example) -> int:
        return int(example["index"])
