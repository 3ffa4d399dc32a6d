"""The simulated fields keep to the rules that their description states."""

import numpy as np
import pytest

from course import datasets
from course.datasets.builders.field_sensors import field_sensors_dataset_builder as module


@pytest.fixture(scope="module")
def loaded(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        splits, info = datasets.load("field_sensors", batch_size=-1, with_info=True)
        yield (
            {
                name: {key: values.numpy() for key, values in split.items()}
                for name, split in splits.items()
            },
            info,
        )


@pytest.fixture(scope="module")
def splits(loaded):
    return loaded[0]


@pytest.mark.parametrize(
    ("name", "size"),
    [("train", 2400), ("validation", 600), ("test", 560), ("dry_year", 140), ("archive", 2400)],
)
def test_sizes_types_and_ranges(splits, name, size):
    data = splits[name]
    assert data["season"].shape == (size, 20, 3)
    assert data["season"].dtype == np.float32
    for values in data.values():
        assert len(values) == size
        assert np.isfinite(values).all()
    assert -0.1 < data["season"][..., 0].min() < data["season"][..., 0].max() < 1.1
    assert data["season"][..., 1].min() >= 0
    assert 0 < data["harvest"].min() < data["harvest"].max() < 16


def test_new_farms_are_new_and_years_are_as_described(splits):
    farms = {name: set(split["farm"].tolist()) for name, split in splits.items()}
    assert not farms["train"] & farms["validation"]
    assert not farms["test"] & (farms["train"] | farms["validation"])
    assert farms["dry_year"] == farms["test"]
    assert farms["archive"] == farms["train"]
    years = {name: set(split["year"].tolist()) for name, split in splits.items()}
    assert max(years["archive"]) < min(years["train"]) <= max(years["train"]) < min(years["test"])
    assert years["dry_year"] == {2024}


def test_fields_of_a_farm_share_soil_and_weather(splits):
    data = splits["train"]
    for name in ("farm", "year", "water_capacity", "humus", "acidity"):
        blocks = data[name].reshape(-1, module.FIELDS_A_YEAR)
        assert (blocks == blocks[:, :1]).all()
    weather = data["season"][..., 1:].reshape(-1, module.FIELDS_A_YEAR, 20, 2)
    assert (weather == weather[:, :1]).all()
    assert len(np.unique(data["water_capacity"])) == 60


def test_the_harvest_is_one_of_the_two_courses(splits):
    for data in splits.values():
        want = np.where(data["irrigated"] == 1, data["if_irrigated"], data["if_dry"])
        np.testing.assert_array_equal(data["harvest"], want)
        assert np.mean(data["if_irrigated"] >= data["if_dry"] - 1e-4) > 0.97


def test_a_coin_decides_except_in_the_archive(splits):
    for name, data in splits.items():
        moisture, watered = data["season"][:, 7, 0], data["irrigated"] == 1
        gap = moisture[watered].mean() - moisture[~watered].mean()
        if name == "archive":
            assert gap < -0.2
            assert data["harvest"][watered].mean() < data["harvest"][~watered].mean() - 0.1
        else:
            assert watered.mean() == pytest.approx(0.5, abs=0.1)
            assert abs(gap) < 0.06
        # The water helps nevertheless.
        assert np.mean((data["if_irrigated"] - data["if_dry"])[watered]) > 0.5


def test_the_same_fields_every_time():
    first, second = (list(module.simulate(name)) for name in ("dry_year", "dry_year"))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one["season"], other["season"])


def test_water_and_nitrogen_limit_one_another():
    def grow(full, nitrogen):
        return module.grow(np.full(20, full), np.full(20, 20.0), 2.6, 6.4, nitrogen)

    assert grow(0.2, 200) - grow(0.2, 100) < 0.1 < 1.0 < grow(0.6, 200) - grow(0.6, 50)
    assert grow(0.6, 0) - grow(0.4, 0) < 0.1 < 1.0 < grow(0.6, 200) - grow(0.4, 200)
    assert grow(0.6, 60) - grow(0.6, 0) > grow(0.6, 160) - grow(0.6, 100)


def test_flowering_is_when_drought_harms_most():
    usual = np.full(20, 0.6)

    def with_drought(weeks):
        moisture = usual.copy()
        moisture[weeks] = 0.1
        return module.grow(moisture, np.full(20, 20.0), 2.6, 6.4, 150)

    assert with_drought(module.FLOWERING) < with_drought(slice(0, 5)) - 2
    assert with_drought(module.FLOWERING) < with_drought(slice(15, 20)) - 2


def test_only_the_dry_year_is_hot_while_the_crop_flowers(splits):
    for name, data in splits.items():
        hot = data["season"][:, module.FLOWERING, 2] > module.HEAT
        assert hot.any() == (name == "dry_year")
    assert (splits["dry_year"]["season"][:, module.FLOWERING, 2] > module.HEAT).mean() > 0.8
    assert splits["dry_year"]["harvest"].mean() < 0.5 * splits["test"]["harvest"].mean()


def test_one_farm_in_ten_is_sandy():
    capacity = np.array([module.make_farm(farm)["water_capacity"] for farm in range(110)])
    assert np.sum(capacity < 82) == pytest.approx(11, abs=2)


def test_the_description_says_that_it_is_simulated_and_under_which_licence(loaded):
    info = loaded[1]
    assert "SIMULATED" in info.description
    assert "cannot show" in info.description
    assert "CC BY 4.0" in info.description
    assert "deep_learning_course_field_sensors" in info.citation
    assert info.features["harvest"].doc.desc == "tonnes a hectare"
