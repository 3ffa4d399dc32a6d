"""Monthly sea-surface temperature off Peru and Ecuador, 1950 to 2010: real, from statsmodels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

FIRST_YEAR, LAST_YEAR = 1950, 2010


class Builder(OfflineBuilder):
    """732 months of sea-surface temperature in the region Niño 1+2, in the order of time."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "Public domain"
    HOMEPAGE = "https://www.cpc.ncep.noaa.gov/data/indices/"

    def features(self) -> dict[str, Any]:
        scalar = tfds.features.Scalar
        return {
            "year": scalar(dtype=np.int32),
            "month": scalar(dtype=np.int32, doc="1 (January) to 12."),
            "temperature": scalar(dtype=np.float32, doc="Mean of the month, degrees Celsius."),
        }

    def examples(self) -> dict[str, Iterable[Example]]:
        # Only preparing needs statsmodels, whose import takes half a second.
        from statsmodels.datasets import elnino

        rows = elnino.load_pandas().data.to_numpy().tolist()
        return {
            "train": (
                {"year": int(year), "month": month, "temperature": temperature}
                for year, *temperatures in rows
                for month, temperature in enumerate(temperatures, start=1)
            )
        }
