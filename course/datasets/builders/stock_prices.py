"""Daily prices of one share, Google's from 2004 to 2008: real, from matplotlib's sample data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import OfflineBuilder

_DESCRIPTION = """
Prices of one share of Google Inc. (GOOG, NASDAQ) on each of 1,047 trading days, from its first, 19
August 2004, to 14 October 2008, in United States dollars. Real data, as shipped with the library
Matplotlib for its examples (`goog.npz`).

year, month, day: the date. open, high, low, close: the first, highest, lowest and last price of the
day. volume: how many shares changed hands. The share was neither split nor paid a dividend in these
years, so no price is adjusted.

There is one split, train, with all days in the order of time; weekends and holidays are not there.
A forecast is tested on later days than it was made from, so cut the days at a date.

What it cannot show: one share, chosen because it did well and is remembered, over four years with
one boom and the beginning of one crash. No trading cost, no news, no other market. Nothing that
works on it need work anywhere else.

Licence: Matplotlib's licence (in the style of the PSF's) covers the file; prices are facts, whose
source the file does not name.
"""

_CITATION = r"""
@article{hunter2007matplotlib,
  author  = {Hunter, John D.},
  title   = {Matplotlib: A {2D} graphics environment},
  journal = {Computing in Science \& Engineering},
  volume  = {9},
  number  = {3},
  pages   = {90--95},
  year    = {2007},
  doi     = {10.1109/MCSE.2007.55},
  note    = {The prices are among its sample data, in the file goog.npz}
}
"""

PRICES = ("open", "high", "low", "close")


class StockPrices(OfflineBuilder):
    """1,047 trading days of one share, in the order of time."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        date = {name: tfds.features.Scalar(dtype=np.int32) for name in ("year", "month", "day")}
        prices = {
            name: tfds.features.Scalar(dtype=np.float32, doc="US dollars.") for name in PRICES
        }
        volume = tfds.features.Scalar(dtype=np.int64, doc="Shares that changed hands.")
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(date | prices | {"volume": volume}),
            homepage="https://matplotlib.org/",
            citation=_CITATION,
            license="Matplotlib licence",
            # Time is the order of the examples.
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        from matplotlib.cbook import get_sample_data

        with get_sample_data("goog.npz") as file:
            rows = file["price_data"]
        return {"train": self._generate_examples(rows)}

    def _generate_examples(self, rows: np.ndarray) -> Iterator[tuple[int, dict]]:
        for index, row in enumerate(rows):
            date = row["date"].astype("datetime64[D]").item()
            values = {name: row[name] for name in (*PRICES, "volume")}
            yield index, {"year": date.year, "month": date.month, "day": date.day} | values
