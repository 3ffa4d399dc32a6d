"""Loss scaling in a custom step, under every dtype policy, and the bar over epochs."""

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


def squared_error(y, predicted):
    return keras.ops.mean((y - predicted) ** 2, axis=-1)


@all_policies
def test_a_custom_step_learns_under_every_policy(policy):
    x, y = slope_data()
    model = models.mlp((1,), 1, hidden=(8,))
    step = training.make_train_step(model, keras.optimizers.Adam(0.05), squared_error)
    losses = [step(x, y) for _ in range(40)]
    assert losses[0].dtype == "float32"
    assert float(losses[-1]) < 0.05 * float(losses[0])


@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
def test_tiny_gradients_survive_only_with_scaling(policy):
    """Without scaling they are zero in float16, and the model silently does not learn."""
    x, y = slope_data()
    tiny = 1e-8

    def moved(scaling: bool) -> float:
        keras.utils.set_random_seed(0)
        model = models.mlp((1,), 1, hidden=(8,))
        before = model.layers[-2].kernel.numpy().copy()
        optimizer = keras.optimizers.SGD(0.1 / tiny)
        step = training.make_train_step(
            model,
            optimizer if scaling else _Unscaled(optimizer),
            lambda y, p: tiny * squared_error(y, p),
        )
        step(x, y)
        return float(abs(model.layers[-2].kernel.numpy() - before).max())

    assert moved(scaling=False) == 0
    assert moved(scaling=True) > 0.001


class _Unscaled(keras.optimizers.LossScaleOptimizer):
    """The mistake: an optimizer whose loss is not scaled."""

    def __init__(self, inner):
        super().__init__(inner, initial_scale=1.0)


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
