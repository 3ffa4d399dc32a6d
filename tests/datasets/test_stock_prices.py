"""The share's prices: trading days in order, and what the description says of them."""

import datetime

import numpy as np
import pytest

from course import datasets


@pytest.fixture(scope="module")
def shares(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        loaded, info = datasets.load("stock_prices", split="train", batch_size=-1, with_info=True)
        yield {name: value.numpy() for name, value in loaded.items()}, info


def dates(split):
    columns = (split[name] for name in ("year", "month", "day"))
    return [datetime.date(*map(int, row)) for row in zip(*columns, strict=True)]


def test_trading_days_in_the_order_of_time(shares):
    days = dates(shares[0])
    assert len(days) == 1047
    assert days == sorted(set(days))
    assert days[0] == datetime.date(2004, 8, 19)
    assert days[-1] == datetime.date(2008, 10, 14)
    assert all(day.weekday() < 5 for day in days)


def test_values_are_those_of_matplotlib(shares):
    from matplotlib.cbook import get_sample_data

    with get_sample_data("goog.npz") as file:
        rows = file["price_data"]
    np.testing.assert_allclose(shares[0]["close"], rows["close"], rtol=1e-6)
    np.testing.assert_array_equal(shares[0]["volume"], rows["volume"])
    np.testing.assert_array_equal(rows["close"], rows["adj_close"])  # no price is adjusted


def test_a_days_prices_are_between_its_lowest_and_highest(shares):
    split = shares[0]
    for name in ("open", "close"):
        assert (split[name] >= split["low"] - 0.01).all()
        assert (split[name] <= split["high"] + 0.01).all()


def test_the_boom_and_the_crash_are_there(shares):
    close = shares[0]["close"]
    assert close[0] < 101
    assert close.max() > 700
    assert close[-1] < 400


def test_preparing_it_again_gives_the_same(shares, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    again = datasets.load("stock_prices", split="train", batch_size=-1)
    np.testing.assert_array_equal(again["close"], shares[0]["close"])


def test_info_names_source_licence_and_citation(shares):
    info = shares[1]
    assert "matplotlib.org" in info.homepage
    assert "Matplotlib's licence" in info.description
    assert "10.1109/MCSE.2007.55" in info.citation
