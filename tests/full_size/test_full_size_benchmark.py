"""``benchmarks/full_size.py``: each model at full size is timed, without the rest of its lesson."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.notebooks.source import all_lessons
from course.cells import FULL_SIZE, tags

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "full_size.py"

BUILD = """
import sys
import full_size
for lesson in full_size.MODELS:
    work = full_size.build(lesson)
    work.model.compile("sgd", work.loss)
    # As a batch of two is enough to see that shapes and loss fit.
    x, y = full_size.keras.tree.map_structure(lambda part: part[:2], (work.x, work.y))
    assert work.model.test_on_batch(x, y) >= 0, lesson
    print(lesson)
assert "course" not in sys.modules
"""


@pytest.mark.slow
def test_every_lesson_with_a_model_at_full_size_is_timed():
    lessons = [
        lesson.name
        for lesson in all_lessons(ROOT)
        if any(FULL_SIZE in tags(cell) for cell in lesson.cells)
    ]
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=SCRIPT.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == lessons


@pytest.mark.slow
def test_a_short_run():
    command = [sys.executable, str(SCRIPT), "--json", "--steps=1", "--repeats=1"]
    done = subprocess.run(
        [*command, "--lesson", "22_deep_q_learning"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["device"]
    for row in report["results"]:
        assert row["ms_per_step"] > 0
        assert row["megabytes"] > 0
        assert row["loss"] > 0
