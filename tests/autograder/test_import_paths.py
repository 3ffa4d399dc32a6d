"""What is imported: building lessons and reading results need nothing that runs submissions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from autograder.classroom.assignment import Assignment
from autograder.classroom.folders import ClassFolder
from autograder.classroom.results import failed, save
from tests.autograder.toy_class import ASSIGNMENT

RELEASE = """\
import sys
from pathlib import Path

import autograder.publish.build
import autograder.publish.bundle
import autograder.publish.check
from autograder.nbgrader_course.api import release_notebook

release_notebook(Path.cwd(), sys.argv[1], Path("released"))
assert list(Path("released", sys.argv[1]).glob("*.ipynb"))
"""

REPORT = """\
import sys

from autograder.cli import app

app(["report", sys.argv[1]], standalone_mode=False)
"""

# What a program has imported of the parts that run submissions.
LOADED = """
print(*(name for name in sys.modules if name.startswith("autograder.sandbox")))
print(*(name for name in sys.modules if name.startswith("autograder.grading.grade_")))
"""


@pytest.fixture
def one_result(toy, hand_in):
    """A class of one, whose result is there."""
    hand_in("ada")
    assignment = Assignment(toy, ASSIGNMENT)
    result = failed("ada", ASSIGNMENT, assignment.notebooks, "Lost.")
    save(result, "a key", ClassFolder(toy).result("ada", ASSIGNMENT))


@pytest.mark.slow
@pytest.mark.parametrize("program", [RELEASE, REPORT], ids=["release", "report"])
def test_nothing_that_runs_submissions_is_imported(toy, one_result, program):
    process = subprocess.run(
        [sys.executable, "-c", program + LOADED, ASSIGNMENT],
        cwd=toy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-2:] == ["", ""]
