"""The tests of this course's lessons run apart from the answers, all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.grading.decide import decisions
from autograder.grading.decision import Tests
from autograder.notebooks.folders import lesson_folders

ROOT = Path(__file__).parents[2]
FOLDERS = list(lesson_folders(ROOT))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_lessons_tests_run_apart(folder):
    # Nothing has to run to know it, so there is no workplace; `autograder check` proves that the
    # lesson's own answers get all points that way.
    decided = decisions(folder, None)
    assert decided
    assert {decision.tests for decision in decided.values()} == {Tests.APART}


def test_there_are_lessons():
    assert len(FOLDERS) >= 15
