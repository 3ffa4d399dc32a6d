"""What the description claims about the simulated machine is true of its currents."""

import numpy as np
import pytest

from course import datasets
from course.datasets.builders.machine_traces import machine_traces_dataset_builder as module


@pytest.fixture(scope="module")
def splits(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        yield {name: datasets.arrays("machine_traces", name) for name in module.SPLITS}


@pytest.mark.parametrize("name", module.SPLITS)
def test_sizes_and_columns(splits, name):
    split = splits[name]
    kinds = np.bincount(split["kind"], minlength=len(module.KINDS))
    assert dict(zip(module.KINDS, kinds, strict=True)) == {
        kind: module.SPLITS[name].get(kind, 0) for kind in module.KINDS
    }
    assert split["current"].shape == split["turn"].shape == (kinds.sum(), module.LENGTH)
    assert split["current"].dtype == np.float32
    assert np.isfinite(split["current"]).all()


def test_one_whole_turn_of_a_faulty_window_is_wrong(splits):
    test = splits["test"]
    counts = test["turn"].sum(axis=1)
    assert (counts[test["kind"] == 0] == 0).all()
    faulty = test["turn"][test["kind"] > 0].astype(int)
    assert (np.abs(np.diff(faulty, axis=1)).sum(axis=1) <= 2).all()
    assert faulty.sum(axis=1).min() >= 25


def test_no_limit_on_the_current_finds_the_faults(splits):
    test = splits["test"]
    normal = test["current"][test["kind"] == 0]
    low, high = normal.min(), normal.max()
    faulty = test["current"][test["kind"] > 0]
    assert ((faulty > low) & (faulty < high)).all(axis=1).mean() > 0.98


def test_the_same_windows_every_time():
    one, two = (module.simulate(3, "slip", np.random.default_rng(4))[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    other = module.simulate(3, "slip", np.random.default_rng(5))[0]
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("kind", module.KINDS[1:])
def test_a_fault_changes_its_turn_and_nothing_else_of_a_window(kind):
    normal, _ = module.simulate(50, "normal", np.random.default_rng(6))
    faulty, turn = module.simulate(50, kind, np.random.default_rng(6))
    changed = np.abs(faulty - normal) > 1e-6
    before = np.cumsum(turn, axis=1) == 0
    assert not changed[before].any()
    assert (changed & (turn == 1)).any(axis=1).all()
    if kind != "slow":
        assert not changed[turn == 0].any()
