"""Loss scaling under every dtype policy, and the bar over epochs."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from tqdm import tqdm

import course
from course import models, training

keras = pytest.importorskip("keras")


@pytest.fixture
def policy(request):
    course.setup(quiet=True)
    # Past course.setup, which refuses float16 on a CPU: a few tiny steps are slow but run.
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


all_policies = pytest.mark.parametrize(
    "policy", ["float32", "mixed_bfloat16", "mixed_float16"], indirect=True
)


@all_policies
def test_compile_wraps_the_optimizer_only_under_float16(policy):
    model = models.mlp((2,), 1)
    model.compile(optimizer="sgd", loss="mse")
    wrapped = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert wrapped == (policy == "mixed_float16")


@all_policies
def test_keras_does_not_wrap_an_optimizer_on_another_attribute(policy):
    """The reason for ``with_loss_scaling``; if this changes, the helper can go."""
    model = models.mlp((2,), 1)
    model.second_optimizer = keras.optimizers.SGD()
    model.compile(optimizer="sgd", loss="mse")
    assert not isinstance(model.second_optimizer, keras.optimizers.LossScaleOptimizer)


@all_policies
def test_with_loss_scaling_does_what_compile_does(policy):
    optimizer = keras.optimizers.SGD()
    scaled = training.with_loss_scaling(optimizer)
    assert isinstance(scaled, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    assert training.with_loss_scaling(scaled) is scaled
    assert (float(scaled.scale_loss(1.0)) > 1) == (policy == "mixed_float16")


def slope_data():
    x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    return x, 3 * x


def record_bars(monkeypatch) -> list[tqdm]:
    """The bars that are drawn from now on."""
    bars: list[tqdm] = []

    def drawn(**options):
        assert options["file"] is sys.stderr
        bars.append(tqdm(**options))
        return bars[-1]

    monkeypatch.setattr("tqdm.tqdm", drawn)
    return bars


def test_progress_shows_epochs_on_stderr_and_leaves_stdout_alone(capsys, monkeypatch):
    bars = record_bars(monkeypatch)
    x, y = slope_data()
    model = models.mlp((1,), 1, hidden=(4,))
    model.compile(optimizer="sgd", loss="mse")
    model.fit(x, y, epochs=3, verbose=0, callbacks=[training.Progress("Learning a slope")])
    assert capsys.readouterr().out == ""
    (drawn,) = bars
    assert drawn.n == 3
    assert "loss" in drawn.postfix


class Downhill(training.WalkingOptimizer):
    def update_step(self, gradient, variable, learning_rate):
        variable.assign_sub(learning_rate * gradient)


def test_an_optimizer_walks_with_given_gradients_and_rates():
    walked = Downhill(0.5).walk([[1.0], [0.0, 2.0]], [[[1.0], [2.0, 0.0]]] * 2)
    assert [[place.tolist() for place in places] for places in walked] == [
        [[0.5], [-1.0, 2.0]],
        [[0.0], [-2.0, 2.0]],
    ]
    (first,), (second,) = Downhill(0.5).walk([[1.0]], [[[1.0]]] * 2, rates=[1.0, 0.25])
    assert (first[0], second[0]) == (0.0, -0.25)
