"""The models' shapes, and their float32 outputs under every dtype policy."""

from __future__ import annotations

import numpy as np
import pytest

import course
from course import models

keras = pytest.importorskip("keras")

# mixed_float16 may not run on a CPU, but a model can be built under it and looked at.
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
BUILDERS = {
    "mlp": lambda: models.mlp((5,), 3, dropout=0.1),
    "language_model": lambda: models.language_model(11, units=8, embedding=4),
}


@pytest.fixture
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
@pytest.mark.parametrize("name", BUILDERS)
def test_outputs_are_float32_and_the_rest_follows_the_policy(policy, name):
    model = BUILDERS[name]()
    assert model.output.dtype == "float32"
    compute = {layer.compute_dtype for layer in model.layers if layer.weights}
    expected = policy.removeprefix("mixed_")
    assert compute == {"float32", expected}
    assert {weight.dtype for weight in model.weights if "seed" not in weight.path} == {"float32"}


def test_shapes():
    course.setup(quiet=True)
    assert models.mlp((4, 4, 1), 7)(np.zeros((2, 4, 4, 1))).shape == (2, 7)
    for cell in ("simple", "gru", "lstm"):
        model = models.language_model(11, units=8, embedding=4, cell=cell)
        assert model(np.zeros((2, 6), int)).shape == (2, 6, 11)


def test_a_language_model_does_not_look_ahead():
    model = models.language_model(11, units=8, embedding=4)
    text = np.arange(8)[None] % 11
    other = text.copy()
    other[0, 5:] = 0
    one, two = np.array(model(text)), np.array(model(other))
    np.testing.assert_allclose(one[0, :5], two[0, :5], atol=1e-6)
    assert abs(one[0, 5:] - two[0, 5:]).max() > 1e-4


def test_an_unknown_cell_is_named():
    with pytest.raises(ValueError, match="choose one of 'simple', 'gru', 'lstm'"):
        models.language_model(11, cell="transformer")
