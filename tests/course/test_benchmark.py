"""``benchmarks/precision.py``: never float16 on a CPU, Keras alone, and numbers that add up."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from course.check.names import imported_modules

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "precision.py"


def test_it_imports_keras_and_nothing_of_one_backend():
    modules = imported_modules(SCRIPT.read_text())
    assert "keras" in modules
    # torch has no list of devices in Keras, and is imported only where it is the backend.
    assert not modules & {"tensorflow", "jax", "course"}


def test_float16_never_runs_on_a_cpu():
    spec = importlib.util.spec_from_file_location("precision_benchmark", SCRIPT)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    assert benchmark.policies("CPU") == ["float32", "mixed_bfloat16"]
    assert benchmark.policies("GPU") == ["float32", "mixed_bfloat16", "mixed_float16"]


@pytest.mark.slow
def test_a_short_run():
    command = [sys.executable, str(SCRIPT), "--json", "--steps=1", "--repeats=1", "--scale=1"]
    done = subprocess.run(command, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert report["device"]
    assert {row["model"] for row in report["results"]} == {"cnn", "transformer"}
    for row in report["results"]:
        assert row["ms_per_step"] > 0
        assert 0 < row["loss"] < 10
        assert row["speedup"] == 1 or row["policy"] != "float32"
