"""The command ``autograder``: started as a module, on terminals that lack signs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.autograder.toy_class import ASSIGNMENT, ISOLATED, RIGHT

pytestmark = pytest.mark.slow

PLACES = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "the C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
ROOT = Path(__file__).parents[2]


def run(where: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "autograder", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(command, cwd=where, capture_output=True, env=environment)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_every_command_can_print_its_help(place):
    listed = run(ROOT, "--help", **place)
    assert b"autograder [OPTIONS]" in listed.stdout
    for command in ("build", "check", "prove", "grade", "report", "bundle", "demo"):
        assert command.encode() in listed.stdout
        done = run(ROOT, command, "--help", **place)
        assert done.returncode == 0, done.stderr.decode(errors="replace")


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_what_the_terminal_cannot_show_is_replaced_in_messages(toy, place):
    (toy / "solutions" / "90_adding" / "adding.py").write_text("# ✓ αβγ\n", encoding="utf-8")
    for words in (["build", "✓"], ["check", "--quick"], ["build", "--check"], ["grade", "αβγ…"]):
        done = run(toy, *words, **place)
        assert done.returncode in {1, 2}
        assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_grading_and_reporting_print_there(toy, hand_in, place):
    hand_in("ada", **RIGHT)
    hand_in("b✓n", **RIGHT | {"add": "def add(a, b):\n    raise ValueError('✗ …')"})
    words = [] if ISOLATED else ["--trust-submissions"]
    done = run(toy, "grade", ASSIGNMENT, *words, **place)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"4/4" in done.stdout
    assert run(toy, "report", ASSIGNMENT, **place).returncode == 0
