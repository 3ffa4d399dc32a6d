"""Two colour photographs that ship with scikit-learn: a temple in China, and a flower."""

from __future__ import annotations

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import OfflineBuilder

NAMES = ("china", "flower")
SHAPE = (427, 640, 3)

_DESCRIPTION = """
Two colour photographs, 427 x 640 pixels. Real data: the two pictures that scikit-learn ships for
its function `load_sample_image`, both from Flickr. `china` shows a temple before trees and sky,
full of edges; `flower` shows a flower in focus before a blurred background, mostly smooth.

image: (427, 640, 3), uint8, red, green and blue from 0 to 255.
name: china or flower.

One split, train, with both, china first.

Both were JPEG files: what JPEG throws away is gone before anything else looks at them, and its
blocks of 8 x 8 pixels are faintly in them. Two pictures show how a method works on two
pictures; they say nothing about pictures in general.

Licence: Creative Commons Attribution 2.0 Generic (CC BY 2.0). china: by danielbuechele,
https://www.flickr.com/photos/danielbuechele/6061409035/. flower: by vultilion,
https://www.flickr.com/photos/vultilion/6056698931/. Retrieved for scikit-learn in 2011 by Robert
Layton, as the file README.txt beside the pictures says.
"""

_CITATION = r"""
@article{pedregosa2011scikit,
  author  = {Pedregosa, F. and Varoquaux, G. and Gramfort, A. and Michel, V. and others},
  title   = {Scikit-learn: Machine Learning in {P}ython},
  journal = {Journal of Machine Learning Research},
  volume  = {12},
  pages   = {2825--2830},
  year    = {2011}
}
"""


class Photographs(OfflineBuilder):
    """Two photographs; ``image`` (427, 640, 3) uint8."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=SHAPE),
                    "name": tfds.features.ClassLabel(names=list(NAMES)),
                }
            ),
            homepage="https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_sample_image.html",
            citation=_CITATION,
            license="CC BY 2.0",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        from sklearn.datasets import load_sample_image

        for number, name in enumerate(NAMES):
            # scikit-learn's array is read-only, and TFDS asks for one of its own.
            yield number, {"image": np.array(load_sample_image(f"{name}.jpg")), "name": name}
