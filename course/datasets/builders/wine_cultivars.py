"""Wine of three grape varieties: 178 real bottles, 13 chemical measurements each."""

from __future__ import annotations

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import OfflineBuilder

CULTIVARS = ("Nebbiolo", "Grignolino", "Barbera")

_DESCRIPTION = """
Wine Recognition Data: chemical analyses of 178 wines, real, all grown in one region of Italy,
Piedmont, from three cultivars. Which of the three a wine was made of is the label; a cultivar is a
variety of a plant species that people have bred, and all three are of one species, Vitis vinifera.
13 numbers a wine, among them alcohol, malic acid, flavanoids, colour, hue and proline; none is
missing. 59, 71 and 48 wines. The copy of the data numbers the cultivars; the names follow the study
that made the measurements (Forina and others, 1986), which calls the first wine Barolo: it is made
of the grape Nebbiolo.

What it cannot show: one region and a few vintages, bottles and not plants, and numbers from a
laboratory, where recognition in a field would start from pictures. 178 rows are also few: the
accuracy on a fifth of them moves by 2.8 points with each wine.

Taken from scikit-learn, which ships a copy. Licence: CC BY 4.0 (UCI Machine Learning Repository).
"""

_CITATION = """
@misc{aeberhard1992wine,
  author = {Aeberhard, Stefan and Forina, M.},
  title = {Wine},
  year = {1992},
  howpublished = {UCI Machine Learning Repository},
  doi = {10.24432/C5PC7J}
}
"""


class WineCultivars(OfflineBuilder):
    """Wine Recognition Data, from scikit-learn.

    One split, ``train``, of 178 examples: ``features`` of shape (13,), float32, in the order of
    ``builder.info.metadata["feature_names"]``, and ``label``, 0 to 2.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        from sklearn.datasets import load_wine

        names = [str(name) for name in load_wine().feature_names]
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            citation=_CITATION,
            homepage="https://archive.ics.uci.edu/dataset/109/wine",
            license="CC BY 4.0",
            features=tfds.features.FeaturesDict(
                {
                    "features": tfds.features.Tensor(shape=(13,), dtype=np.float32),
                    "label": tfds.features.ClassLabel(names=list(CULTIVARS)),
                }
            ),
            supervised_keys=("features", "label"),
            metadata=tfds.core.MetadataDict(feature_names=names),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        from sklearn.datasets import load_wine

        bunch = load_wine()
        for index, (features, label) in enumerate(zip(bunch.data, bunch.target, strict=True)):
            yield index, {"features": features.astype(np.float32), "label": int(label)}
