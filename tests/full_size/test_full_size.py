"""Every lesson's part at full size runs from its first cell to its last, on a data set made here.

What a lesson needs for that stands beside this file, in a module named as the lesson's notebook:

``prepare(folder)`` writes the lesson's public data set into ``folder``, with a few made examples;
``SMALL`` maps names that its cells set, such as ``EPOCHS``, to small values;
``MODEL`` and ``HISTORY`` are the names of the trained model and of what ``fit`` returned.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import keras
import matplotlib
import numpy as np
import pytest
from nbformat import NotebookNode

from autograder.notebooks.source import Lesson, all_lessons
from course.cells import FULL_SIZE, tags
from course.precision import Choice

ROOT = Path(__file__).parent.parent.parent
LESSONS = [
    pytest.param(lesson, id=lesson.name)
    for lesson in all_lessons(ROOT)
    if any(FULL_SIZE in tags(cell) for cell in lesson.cells)
]

pytestmark = pytest.mark.slow


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a lesson's part at full size with a dtype policy, and return the names it has bound."""
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    backend = matplotlib.get_backend()
    matplotlib.use("agg")

    def run(lesson: Lesson, policy: str, small: dict) -> dict:
        choice = Choice(policy, "the test asks for it")
        monkeypatch.setattr("course.precision.choose", lambda wish, device: choice)
        names = {"__name__": "lesson"}
        left = dict(small)
        for number, cell in _cells(lesson):
            exec(compile(cell.source, f"<cell {number}>", "exec"), names)
            if FULL_SIZE in tags(cell):
                for name in left.keys() & _assigned(cell.source):
                    names[name] = left.pop(name)
        assert not left, f"no cell at full size sets {', '.join(left)}"
        return names

    yield run
    matplotlib.use(backend)
    keras.config.set_dtype_policy("float32")


def _cells(lesson: Lesson) -> Iterator[tuple[int, NotebookNode]]:
    """What a part at full size may use: answers, cells without a tag, and its own."""
    for number, cell in enumerate(lesson.cells, 1):
        is_test = "points" in cell.metadata
        if cell.cell_type == "code" and not is_test and not tags(cell) - {FULL_SIZE}:
            yield number, cell


def _assigned(source: str) -> set[str]:
    """The names that a cell sets."""
    nodes = ast.walk(ast.parse(source))
    return {node.id for node in nodes if isinstance(node, ast.Name) and _is_set(node)}


def _is_set(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


@pytest.mark.parametrize("lesson", LESSONS)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_from_first_cell_to_last(run, tmp_path, lesson, policy):
    parts = importlib.import_module(f"tests.full_size.{lesson.notebook_name}")
    parts.prepare(tmp_path / "tfds")
    names = run(lesson, policy, parts.SMALL)
    model, history = names[parts.MODEL], names[parts.HISTORY]
    short = {"float32": "float32"}.get(policy, policy.removeprefix("mixed_"))
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert short in {layer.compute_dtype for layer in model.layers}
    assert {output.dtype for output in model.outputs} == {"float32"}
    is_scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_scaled == (policy == "mixed_float16")
    assert all(np.isfinite(values).all() for values in history.history.values())


@pytest.mark.parametrize("lesson", LESSONS)
def test_without_the_data_set_one_line_says_what_is_missing(run, lesson, capsys):
    run(lesson, "float32", {})
    said = capsys.readouterr().out
    for name in lesson.header.full_size:
        assert f"course download {name}" in said
