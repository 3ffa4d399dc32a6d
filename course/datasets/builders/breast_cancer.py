"""Breast masses under the microscope: 569 real patients, 30 measurements each."""

from __future__ import annotations

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import OfflineBuilder

_DESCRIPTION = """
The Wisconsin Diagnostic Breast Cancer data: 569 breast masses, one a patient, real. A fine needle
took cells from each mass; a microscope's picture of them was outlined by hand and a program
measured ten properties of the nuclei. The 30 numbers of a mass are the mean, the standard error
and the "worst" value (mean of the three largest) of each property. 212 masses were malignant
(label 0) and 357 benign (label 1), as scikit-learn numbers them. Nothing is missing, and every
patient had a mass already: this is a diagnosis on request, not a screening of the healthy.

Taken from scikit-learn, which ships a copy. Licence: CC BY 4.0 (UCI Machine Learning Repository).
"""

_CITATION = """
@misc{wolberg1993breast,
  author = {Wolberg, William and Mangasarian, Olvi and Street, Nick and Street, W.},
  title = {Breast Cancer Wisconsin (Diagnostic)},
  year = {1993},
  howpublished = {UCI Machine Learning Repository},
  doi = {10.24432/C5DW2B}
}
"""


class BreastCancer(OfflineBuilder):
    """Wisconsin Diagnostic Breast Cancer, from scikit-learn.

    One split, ``train``, of 569 examples: ``features`` of shape (30,), float32, in the order of
    ``builder.info.metadata["feature_names"]``, and ``label``, 0 for malignant and 1 for benign.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        from sklearn.datasets import load_breast_cancer

        names = [str(name) for name in load_breast_cancer().feature_names]
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            citation=_CITATION,
            homepage="https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic",
            license="CC BY 4.0",
            features=tfds.features.FeaturesDict(
                {
                    "features": tfds.features.Tensor(shape=(30,), dtype=np.float32),
                    "label": tfds.features.ClassLabel(names=["malignant", "benign"]),
                }
            ),
            supervised_keys=("features", "label"),
            metadata=tfds.core.MetadataDict(feature_names=names),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        from sklearn.datasets import load_breast_cancer

        bunch = load_breast_cancer()
        for index, (features, label) in enumerate(zip(bunch.data, bunch.target, strict=True)):
            yield index, {"features": features.astype(np.float32), "label": int(label)}
