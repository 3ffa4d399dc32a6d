"""Daily prices of one share, Google's from 2004 to 2008: real, from matplotlib's sample data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

PRICES = ("open", "high", "low", "close")


class Builder(OfflineBuilder):
    """1,047 trading days of one share, in the order of time."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "Matplotlib licence"
    HOMEPAGE = "https://matplotlib.org/"

    def features(self) -> dict[str, Any]:
        scalar = tfds.features.Scalar
        return {
            **{name: scalar(dtype=np.int32) for name in ("year", "month", "day")},
            **{name: scalar(dtype=np.float32, doc="US dollars.") for name in PRICES},
            "volume": scalar(dtype=np.int64, doc="Shares that changed hands."),
        }

    def examples(self) -> dict[str, Iterable[Example]]:
        from matplotlib.cbook import get_sample_data

        sample: Any = get_sample_data("goog.npz")  # its type depends on the file's name
        with sample:
            rows = sample["price_data"]
        return {"train": map(_example, rows)}


def _example(row: np.void) -> Example:
    date = row["date"].astype("datetime64[D]").item()
    values = {name: row[name] for name in (*PRICES, "volume")}
    return {"year": date.year, "month": date.month, "day": date.day} | values
