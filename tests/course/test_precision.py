"""The rules for choosing a dtype policy, and ``course.setup``. The rules need no TensorFlow."""

from __future__ import annotations

import pytest

import course
from course.precision import POLICIES, Device, choose

CPU = Device("CPU", "CPU")
VOLTA = Device("GPU", "V100", (7, 0))
HOPPER = Device("GPU", "H200", (9, 0))
PASCAL = Device("GPU", "P100", (6, 0))
UNKNOWN = Device("GPU", "something", None)
DEVICES = (CPU, VOLTA, HOPPER, PASCAL, UNKNOWN)


@pytest.mark.parametrize(
    ("device", "policy", "why"),
    [
        (CPU, "float32", "which CPU"),
        (VOLTA, "mixed_float16", "7.0 has tensor cores"),
        (HOPPER, "mixed_float16", "9.0 has tensor cores"),
        (PASCAL, "float32", "6.0 has no tensor cores"),
        (UNKNOWN, "float32", "does not report"),
    ],
)
def test_auto(device, policy, why):
    choice = choose("auto", device)
    assert choice.policy == policy
    assert why in choice.reason


def test_float16_never_runs_on_a_cpu_whatever_is_asked_for():
    with pytest.raises(ValueError, match=r"needs a GPU.*Use 'auto'"):
        choose("mixed_float16", CPU)
    allowed = [choose(wish, CPU).policy for wish in POLICIES if wish != "mixed_float16"]
    assert "mixed_float16" not in allowed


@pytest.mark.parametrize("device", DEVICES)
def test_bfloat16_and_float32_are_explicit_choices(device):
    for wish in ("float32", "mixed_bfloat16"):
        assert choose(wish, device).policy == wish


@pytest.mark.parametrize("wish", ["float16", "mixed", "", "AUTO", None])
@pytest.mark.parametrize("device", DEVICES)
def test_an_unknown_wish_is_refused_and_the_known_ones_listed(wish, device):
    with pytest.raises(ValueError, match="'mixed_bfloat16'"):
        choose(wish, device)


@pytest.fixture
def on(monkeypatch):
    import keras

    def use(device: Device) -> None:
        monkeypatch.setattr("course.precision.find_device", lambda: device)

    yield use
    keras.config.set_dtype_policy("float32")


def test_setup_prints_one_line_and_seeds(on, capsys):
    import keras
    import numpy as np

    on(CPU)
    chosen = course.setup(seed=3)
    first = (np.random.rand(), float(keras.random.normal(())))  # noqa: NPY002 - what it seeds
    assert capsys.readouterr().out.startswith("seed 3 · float32 on a CPU with ")
    assert chosen.policy == keras.config.dtype_policy().name == "float32"
    course.setup(seed=3, quiet=True)
    assert (np.random.rand(), float(keras.random.normal(()))) == first  # noqa: NPY002
    assert capsys.readouterr().out == ""


def test_setup_sets_the_policy_that_fits_the_device(on):
    import keras

    on(HOPPER)
    assert course.setup(quiet=True).device == "H200"
    assert keras.config.dtype_policy().name == "mixed_float16"
    on(CPU)
    assert course.setup(precision="mixed_bfloat16", quiet=True).policy == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "mixed_bfloat16"


def test_a_refused_setup_changes_nothing(on):
    import keras

    on(CPU)
    course.setup(quiet=True)
    with pytest.raises(ValueError, match="needs a GPU"):
        course.setup(precision="mixed_float16")
    assert keras.config.dtype_policy().name == "float32"


def test_setup_is_not_shown_twice_in_a_notebook(on):
    from IPython.core.formatters import DisplayFormatter

    on(CPU)
    data, _ = DisplayFormatter().format(course.setup(quiet=True))
    assert data == {}
