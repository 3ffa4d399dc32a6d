"""Handwritten digits, 8 × 8 pixels: the 1,797 that ship with scikit-learn."""

from __future__ import annotations

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import OfflineBuilder

# Each digit appears this often in the test split, so guessing one class scores exactly 10 %.
TEST_PER_CLASS = 50

_DESCRIPTION = """
Handwritten digits, 8 x 8 pixels. Real data: the 1,797 images that scikit-learn ships as
`load_digits`, which are the test set of the UCI collection "Optical Recognition of Handwritten
Digits" (Alpaydin and Kaynak, 1998). 13 people wrote them on forms. Each form was scanned as
32 x 32 black or white dots per digit; a pixel here counts the black dots in a block of 4 x 4.

image: (8, 8, 1), uint8, ink from 0 (none) to 16 (all dots of the block). Divide by 16 for a
number from 0 to 1. Kept as counted, so a viewer that expects 0 to 255 shows it nearly black.
label: the digit, 0 to 9.
index: the image's place in the original file, 0 to 1796.

Splits: test holds 50 images of each digit, train the other 1,297; drawn once at random with a
fixed seed. Every one of the 13 writers can therefore be in both, so a test score says how well a
model reads more digits of writers that it knows. Who wrote what is not recorded, but images that
stand near each other in the file tend to be by one hand: put both splits together and cut them
by `index` to come closer to writers that the model has never seen. Scores then are lower.

What it cannot show: anything about other scripts, cameras, crossed sevens in other countries, or
digits that are not centred. With 8 x 8 pixels linear models are already good.

Licence: Creative Commons Attribution 4.0 International (CC BY 4.0), as the UCI Machine Learning
Repository states for its collection. Please cite the work below.
"""

_CITATION = r"""
@misc{alpaydin1998optical,
  author       = {Alpaydin, E. and Kaynak, C.},
  title        = {Optical Recognition of Handwritten Digits},
  year         = {1998},
  howpublished = {UCI Machine Learning Repository},
  doi          = {10.24432/C50P49}
}
"""


class Digits(OfflineBuilder):
    """1,297 digits to train on and 500 to test on; ``image`` (8, 8, 1) uint8 from 0 to 16."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1), dtype=np.uint8),
                    "label": tfds.features.ClassLabel(num_classes=10),
                    "index": np.int64,
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
            citation=_CITATION,
            license="CC BY 4.0",
            metadata=tfds.core.MetadataDict(largest_pixel={"image": 16}),
        )

    def _split_generators(self, dl_manager):
        from sklearn.datasets import load_digits

        digits = load_digits()
        order = np.random.default_rng(1998).permutation(len(digits.target))
        test = np.concatenate(
            [order[digits.target[order] == digit][:TEST_PER_CLASS] for digit in range(10)]
        )
        train = np.setdiff1d(order, test)
        return {
            "train": self._generate_examples(digits, train),
            "test": self._generate_examples(digits, test),
        }

    def _generate_examples(self, digits, indices):
        for index in map(int, indices):
            yield (
                index,
                {
                    "image": digits.images[index].astype(np.uint8)[..., np.newaxis],
                    "label": int(digits.target[index]),
                    "index": index,
                },
            )
