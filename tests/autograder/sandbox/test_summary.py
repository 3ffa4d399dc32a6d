"""Summaries of values: alike whatever container and rounding, apart for anything that matters."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from autograder.grading.summaries import ANYTHING, common, has_unsettled, same
from autograder.sandbox.inside.summary import WHOLE, summarise

LARGE = np.random.default_rng(0).normal(size=(100, 100))


def alike(one, other):
    return same(*(json.loads(json.dumps(summarise(value))) for value in (one, other)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2, 3], np.array([1.0, 2.0, 3.0])),
        ((0.1 + 0.2, 1.0), [0.3, 1.0]),
        (np.float32(0.1), 0.1),
        ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
        ([], np.zeros(0)),
        (float("nan"), np.float32("nan")),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({3, 1}, {1, 3}),
        (np.array([1e-17, 1.0]), np.array([0.0, 1.0])),
        (np.array([-1e9, 0.25]), np.array([-1e9, 0.25 + 1e-7])),
        (LARGE, LARGE * (1 + 1e-6)),
        (LARGE.astype("float32"), LARGE),
        (pd.Series([1, 2], index=["a", "b"]), pd.Series([1.0, 2.0], index=["a", "b"])),
        ({"x": [None, "y"]}, {"x": (None, "y")}),
        (np.random.default_rng(3), np.random.default_rng(3)),
    ],
)
def test_alike(one, other):
    assert alike(one, other)


def changed(array, place, value):
    copy = np.array(array)
    copy[place] = value
    return copy


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.5, 0.501),
        (0, None),
        (1, "1"),
        ([1, 2], [1, 2, 3]),
        (np.zeros((2, 1)), np.zeros((1, 2))),
        (float("nan"), 0.0),
        (float("inf"), float("-inf")),
        ({"a": 1}, {"b": 1}),
        (["x", "y"], ["y", "x"]),
        ("x" * WHOLE * 2, "x" * WHOLE * 2 + "y"),
        (np.array([-1e9, 0.25]), np.array([-1e9, 0.26])),
        (LARGE, changed(LARGE, (50, 50), 7.0)),
        (LARGE, changed(LARGE, (50, 50), np.nan)),
        (changed(LARGE, (1, 1), np.nan), changed(LARGE, (1, 2), np.nan)),
        (changed(LARGE, (0, 0), -1e9), changed(changed(LARGE, (0, 0), -1e9), (3, 3), 5.0)),
        (LARGE, LARGE.T),
        (np.ma.MaskedArray([1, 2], [False, True]), np.array([1, 2])),
        (pd.NA, None),
        (pd.Series([1, 2], index=["a", "b"]), pd.Series([1, 2], index=["b", "a"])),
        (np.random.default_rng(3), np.random.default_rng(4)),
    ],
)
def test_apart(one, other):
    assert not alike(one, other)


def test_a_sketch_is_short():
    assert len(json.dumps(summarise(LARGE))) < 1_500


def dense(units, activation=None, **settings):
    return lambda: keras.layers.Dense(units, activation=activation, **settings)


def network(*makers):
    """A model of layers that are made once the seed is set."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), *(make() for make in makers)])


def plain():
    return network(dense(3, "relu"), dense(2, "softmax"))


def functional():
    keras.utils.set_random_seed(0)
    given = keras.Input((4,))
    hidden = keras.layers.Dense(3)(given)
    hidden = keras.layers.ReLU()(hidden)
    return keras.Model(given, keras.layers.Dense(2, activation="softmax", name="last")(hidden))


def nested():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((4,)), dense(3, "relu")()])
    return keras.Sequential([keras.Input((4,)), inner, dense(2)(), keras.layers.Softmax()])


@pytest.mark.parametrize("other", [plain, functional, nested])
def test_models_that_were_written_in_another_way_are_alike(other):
    assert alike(plain(), other())


@pytest.mark.parametrize(
    "other",
    [
        [dense(3), dense(2, "softmax")],
        [dense(3, "relu"), dense(2)],
        [dense(3, "relu"), dense(2, "softmax", kernel_regularizer="l2")],
        [dense(3, "relu"), lambda: keras.layers.Dropout(0.5), dense(2, "softmax")],
        [dense(3, "relu"), dense(2, "softmax", dtype="mixed_bfloat16")],
        [dense(2, "relu"), dense(2, "softmax")],
        [dense(3), lambda: keras.layers.ReLU(max_value=6.0), dense(2, "softmax")],
    ],
)
def test_models_that_differ(other):
    assert not alike(plain(), network(*other))


def gaps_are(value):
    given = keras.Input((4,))
    filled = keras.ops.where(keras.ops.isnan(given), value, given)
    return keras.Model(given, filled)


def test_what_a_model_makes_of_gaps_counts():
    assert alike(gaps_are(0.0), gaps_are(0.0))
    assert not alike(gaps_are(0.0), gaps_are(1.0))


def test_compiling_counts():
    one, other = network(dense(1)), network(dense(1))
    one.compile("sgd", "mse")
    other.compile("sgd", "mae")
    assert not alike(one, other)


def test_weights_count_unless_two_runs_differ_in_them():
    def unseeded(activation):
        return keras.Sequential([keras.Input((4,)), dense(3, activation)()])

    one, other = (summarise(unseeded("relu")) for _ in range(2))
    assert not same(one, other)
    stable = common(one, other)
    assert same(stable, summarise(unseeded("relu")))
    assert not same(stable, summarise(unseeded("tanh")))


def test_what_two_runs_have_in_common():
    one, other = (summarise({"seed": 1, "noise": noise, "x": "y"}) for noise in (0.1, 0.2))
    stable = common(one, other)
    assert same(stable, summarise({"seed": 1, "noise": 5.0, "x": "y"}))
    assert not same(stable, summarise({"seed": 2, "noise": 0.1, "x": "y"}))
    assert common(summarise([1, "x"]), summarise([1])) == ANYTHING
    # A run that called nothing, and one that called something.
    assert common([], summarise(1)) == common(summarise(1), []) == ANYTHING


def test_what_the_right_answer_settles():
    right = summarise({"loss": 0.5})
    assert not has_unsettled(right, right)
    noisy = common(summarise({"loss": 0.1}), summarise({"loss": 0.2}))
    assert has_unsettled(noisy, right)
    assert not has_unsettled(noisy, noisy)
