"""What the description claims about the simulated card payments is true of them."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from course import datasets
from course.datasets.builders.card_transactions import card_transactions_dataset_builder as module

# Generating the transactions takes more than five seconds.
pytestmark = pytest.mark.slow

SPLITS = ("train", "validation", "test", "more_train_frauds", "more_test_frauds")


@pytest.fixture(scope="module")
def loaded(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        splits, info = datasets.load(
            "card_transactions", split=list(SPLITS), batch_size=-1, with_info=True
        )
        arrays = [{name: value.numpy() for name, value in split.items()} for split in splits]
        yield dict(zip(SPLITS, arrays, strict=True)), info


@pytest.fixture(scope="module")
def splits(loaded):
    return loaded[0]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("train", 36_000),
        ("validation", 12_000),
        ("test", 48_000),
        ("more_train_frauds", 1_800),
        ("more_test_frauds", 2_400),
    ],
)
def test_sizes_and_columns(splits, name, size):
    split = splits[name]
    ids = {"shop", "kind", "group", "customer", "month", "day"}
    assert set(split) == {*module.COLUMNS, *ids}
    for column in module.COLUMNS:
        assert split[column].shape == (size,)
        assert split[column].dtype == np.float32
        assert np.isfinite(split[column]).all()


def test_splits_follow_the_calendar_and_rows_the_clock(splits):
    for name, months in [("train", {1, 2, 3}), ("validation", {4}), ("test", {5, 6, 7, 8})]:
        split = splits[name]
        assert set(split["month"]) == months
        assert (split["day"] // 30 == split["month"] - 1).all()
        time = 24 * split["day"] + split["hour"].astype(float)
        assert (np.diff(time) >= -1e-4).all()


def test_two_in_a_thousand_are_frauds_in_every_month(splits):
    for name in SPLITS[:3]:
        for month in np.unique(splits[name]["month"]):
            fraud = splits[name]["kind"][splits[name]["month"] == month] > 0
            assert fraud.mean() == 0.002


def test_the_takeover_is_new_in_month_5(splits):
    takeover = module.KINDS.index("takeover")
    for name in SPLITS:
        kinds = set(splits[name]["kind"][splits[name]["kind"] > 0])
        assert (takeover in kinds) == ("test" in name)
        assert kinds >= {1, 2, 3, 5}


def test_the_mimic_pays_as_the_customer_and_the_others_do_not(splits):
    honest = splits["test"]["usual_ratio"][splits["test"]["kind"] == 0]
    frauds = splits["more_test_frauds"]
    middle = {
        name: np.median(frauds["usual_ratio"][frauds["kind"] == index])
        for index, name in enumerate(module.KINDS)
        if index
    }
    assert 1.1 < middle["mimic"] / np.median(honest) < 1.6
    assert middle["testing"] < 0.5 * np.median(honest)
    for name in ("spree", "cash_abroad", "takeover"):
        assert middle[name] > 4 * np.median(honest)


def test_prices_and_online_shares_rise_and_people_travel_late(splits):
    def mean(name, column, months):
        split = splits[name]
        chosen = np.isin(split["month"], months) & (split["group"] == 0)
        return split[column][chosen].mean(dtype=float)

    assert mean("test", "usual_ratio", [8]) > 1.05 * mean("train", "usual_ratio", [1, 2, 3])
    assert mean("test", "online", [8]) > mean("train", "online", [1, 2, 3]) + 0.08
    assert mean("test", "abroad", [7, 8]) > 1.5 * mean("test", "abroad", [5, 6])


def test_both_small_groups_live_as_described_and_are_robbed_as_often(splits):
    train = splits["train"]
    customers = module.make_customers()
    assert np.bincount(customers["group"]).tolist() == [528, 36, 36]
    day, night, arrival = (
        {name: values[train["group"] == group] for name, values in train.items()}
        for group in range(3)
    )
    at_night = [np.mean((part["hour"] < 6) | (part["hour"] > 23)) for part in (day, night)]
    assert at_night[0] < 0.05 < 0.5 < at_night[1]
    assert arrival["abroad"].mean() > 0.22 > 0.1 > day["abroad"].mean()
    assert arrival["new_shop"].mean() > 0.45 > 0.2 > day["new_shop"].mean()
    robbed = splits["more_test_frauds"]["group"] > 0
    lived = splits["test"]["group"] > 0
    assert abs(robbed.mean() - lived.mean()) < 0.03


def test_what_the_bank_remembers_is_counted_from_the_rows():
    rows = module.simulate((1,), 0.002, seed=1)
    who = np.bincount(rows["customer"]).argmax()
    mine = {name: values[rows["customer"] == who] for name, values in rows.items()}
    time = 24 * mine["day"] + mine["hour"].astype(float)
    for index in range(len(time)):
        before = (time >= time[index] - 24) & (np.arange(len(time)) < index)
        assert mine["payments_24h"][index] == before.sum()
        assert mine["spent_24h"][index] == pytest.approx(mine["amount"][before].sum(), abs=0.01)
        if index:
            gap = min(time[index] - time[index - 1], 240)
            assert mine["gap"][index] == pytest.approx(gap, abs=0.01)


def test_the_same_payments_every_time(splits):
    again = module.simulate(module.TRAIN + module.VALIDATION + module.TEST, 0.002, seed=1)
    for name, values in splits["train"].items():
        np.testing.assert_array_equal(values, again[name][:36_000])


def test_the_description_says_that_it_is_simulated_and_under_which_licence(loaded):
    info = loaded[1]
    assert "SIMULATED" in info.description
    assert "cannot show" in info.description
    assert "CC BY 4.0" in info.description
    assert "deep_learning_course_card_transactions" in info.citation
    assert info.features["amount"].doc.desc == "euros"


# The public data set that the lesson names, read as the lesson reads it, from a few made rows.


def few_connections(features, count):
    rng = np.random.default_rng(count)
    for index in range(count):
        row = {}
        for name, feature in features.items():
            if isinstance(feature, tfds.features.ClassLabel):
                row[name] = int(rng.integers(feature.num_classes))
            elif feature.np_dtype == np.bool_:
                row[name] = bool(rng.integers(2))
            else:
                row[name] = feature.np_dtype(rng.integers(100))
        row["label"] = "normal" if index % 4 == 0 else "smurf"
        yield index, row


@pytest.fixture
def kddcup99(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    builder = tfds.builder("kddcup99", data_dir=str(tmp_path), try_gcs=False)
    monkeypatch.setattr(
        type(builder),
        "_split_generators",
        lambda self, manager: {
            name: few_connections(self.info.features, count)
            for name, count in {"train": 400, "test": 20}.items()
        },
    )
    config = tfds.download.DownloadConfig(try_download_gcs=False, compute_stats="skip")
    builder.download_and_prepare(download_config=config)


def test_the_lessons_call_gives_connections_and_attacks(kddcup99):
    # As ``load_connections`` in the lesson.
    data, info = datasets.arrays("kddcup99", "train[:10%]"), datasets.info("kddcup99")
    words = ("label", "protocol_type", "service", "flag")
    numbers = [np.log1p(data[name].astype("float32")) for name in data if name not in words]
    attacks = data["label"] != info.features["label"].str2int("normal")
    assert np.column_stack(numbers).shape == (40, 38)
    assert np.isfinite(numbers).all()
    assert 0 < attacks.mean() < 1


def test_without_a_download_the_call_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    if tfds.core.constants.DATA_DIR and tfds.builder("kddcup99", try_gcs=False).is_prepared():
        pytest.skip("kddcup99 has been downloaded here")
    with pytest.raises(datasets.DatasetNotDownloadedError, match="kddcup99"):
        datasets.arrays("kddcup99", "train[:10%]")
