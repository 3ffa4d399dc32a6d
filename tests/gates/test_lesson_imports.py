"""Lessons load their data by the calls that are meant for students."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("solutions/[0-9]*/*.py"))

# ``from course import datasets`` is the way; its modules are not a student's concern.
INSIDE = re.compile(
    r"\bcourse\.datasets\.\w+|\bdatasets\.builders\b|\bfrom course\.datasets import\b"
)


def test_lessons_are_found():
    assert len(SOURCES) > 10


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parent.name)
def test_no_lesson_reaches_into_the_datasets_package(source):
    lines = source.read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if not line.startswith("#")]
    assert [line for line in code if INSIDE.search(line)] == []
