"""Monthly sea-surface temperature off Peru and Ecuador, 1950 to 2010: real, from statsmodels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import OfflineBuilder

FIRST_YEAR, LAST_YEAR = 1950, 2010

_DESCRIPTION = """
Mean sea-surface temperature of each month from January 1950 to December 2010, in degrees Celsius,
in the region that climatologists call Niño 1+2: the Pacific off Ecuador and northern Peru, 0 to 10
degrees south, 90 to 80 degrees west. 732 months, none missing, in the order of time. Real data of
the United States' National Oceanic and Atmospheric Administration (ERSST.V3B), as shipped with the
library statsmodels (`statsmodels.datasets.elnino`).

year: 1950 to 2010. month: 1 (January) to 12. temperature: the month's mean in degrees Celsius.

The year's course is the largest part: about 26 degrees in March, 20 to 21 in September. The rest is
El Niño, some years up to four degrees warmer than the season's mean, and La Niña, colder ones.
El Niño brings floods to the coast of Peru and drought to other places, so this is a driver of
drought and of harvests, and neither of the two itself.

There is one split, train, with all months: a forecast is tested on later months than it was made
from, so take the months up to a year for training and those after it for testing.

What it cannot show: one region, one variable, one number a month. Forecasts in use also take winds,
temperatures below the surface and the whole Pacific. The numbers are themselves the result of an
analysis that fills gaps between ships and buoys; version 3b has been replaced by later ones.

Licence: public domain (a work of the United States government; so say the data's notes in
statsmodels too).
"""

_CITATION = r"""
@article{smith2008improvements,
  author  = {Smith, Thomas M. and Reynolds, Richard W. and Peterson, Thomas C. and Lawrimore, Jay},
  title   = {Improvements to {NOAA}'s historical merged land-ocean surface temperature analysis
             (1880--2006)},
  journal = {Journal of Climate},
  volume  = {21},
  number  = {10},
  pages   = {2283--2296},
  year    = {2008},
  doi     = {10.1175/2007JCLI2100.1}
}
"""


class SeaTemperature(OfflineBuilder):
    """732 months of sea-surface temperature in the region Niño 1+2, in the order of time."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "year": tfds.features.Scalar(dtype=np.int32),
                    "month": tfds.features.Scalar(dtype=np.int32, doc="1 (January) to 12."),
                    "temperature": tfds.features.Scalar(
                        dtype=np.float32, doc="Mean of the month, degrees Celsius."
                    ),
                }
            ),
            homepage="https://www.cpc.ncep.noaa.gov/data/indices/",
            citation=_CITATION,
            license="Public domain",
            # Time is the order of the examples.
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        # Only preparing needs statsmodels, whose import takes half a second.
        from statsmodels.datasets import elnino

        return {"train": self._generate_examples(elnino.load_pandas().data.to_numpy())}

    def _generate_examples(self, rows: np.ndarray) -> Iterator[tuple[int, dict]]:
        for year, *temperatures in rows.tolist():
            for month, temperature in enumerate(temperatures, start=1):
                yield (
                    int(12 * (year - FIRST_YEAR) + month - 1),
                    {"year": int(year), "month": month, "temperature": temperature},
                )
