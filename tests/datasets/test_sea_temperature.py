"""Sea-surface temperature: every month once, in order, and what the description says of it."""

import numpy as np
import pytest

from course import datasets


@pytest.fixture(scope="module")
def sea(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        loaded, info = datasets.load(
            "sea_temperature", split="train", batch_size=-1, with_info=True
        )
        yield {name: value.numpy() for name, value in loaded.items()}, info


def test_every_month_once_in_the_order_of_time(sea):
    months = 12 * sea[0]["year"] + sea[0]["month"] - 1
    np.testing.assert_array_equal(months, np.arange(12 * 1950, 12 * 2011))
    assert sea[0]["temperature"].dtype == np.float32


def test_values_are_those_of_statsmodels(sea):
    from statsmodels.datasets import elnino

    table = elnino.load_pandas().data
    want = table.drop(columns="YEAR").to_numpy().ravel()
    np.testing.assert_allclose(sea[0]["temperature"], want, rtol=1e-6)
    np.testing.assert_array_equal(sea[0]["year"][::12], table["YEAR"])


def test_the_seasons_and_el_nino_are_as_described(sea):
    temperature = sea[0]["temperature"].reshape(-1, 12)
    season = temperature.mean(axis=0)
    assert 25.5 < season.max() == season[2] < 26.5
    assert 20 < season.min() == season[8] < 21
    assert 3.8 < (temperature - season).max() < 4.6
    warm_years = np.unique(1950 + np.argwhere(temperature - season > 3)[:, 0])
    assert set(warm_years) == {1982, 1983, 1997, 1998}


def test_preparing_it_again_gives_the_same(sea, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    again = datasets.load("sea_temperature", split="train", batch_size=-1)
    np.testing.assert_array_equal(again["temperature"], sea[0]["temperature"])


def test_a_slice_keeps_the_order(sea, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    rows = list(datasets.load("sea_temperature", split="train[:3]").as_numpy_iterator())
    assert [(row["year"], row["month"]) for row in rows] == [(1950, 1), (1950, 2), (1950, 3)]


def test_info_names_source_licence_and_citation(sea):
    info = sea[1]
    assert "noaa.gov" in info.homepage
    assert "public domain" in info.description
    assert "10.1175/2007JCLI2100.1" in info.citation
