"""The command ``course``: started by name or as a module, on terminals of every kind."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from course import __version__

PLACES = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "the C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
PRINT_ALL_HELP = """
import typer
from course.cli import app
from course.terminal import write_plainly
write_plainly()
commands = typer.main.get_command(app).commands
for name in commands:
    app([name, "--help"], standalone_mode=False)
print(*commands)
"""
SHOW_A_REPORT = """
from rich.console import Console
from course.check import Report
from course.check.answers import NOT_YET, RIGHT, Outcome
from course.check.show import show
from course.terminal import write_plainly
write_plainly()
message = "3 \\u00d7 3 is 9 \\u2026"
outcomes = [Outcome("relu", "A bend", RIGHT), Outcome("mean", "", NOT_YET, message)]
show(Report("01", "01.ipynb", outcomes, [], None, 1.0), Console())
"""


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, env={**os.environ, **variables})


def test_as_a_module():
    done = run("-m", "course", "--version")
    assert (done.returncode, done.stdout.decode().strip()) == (0, __version__)
    assert b"course [OPTIONS]" in run("-m", "course", "--help").stdout


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_terminal_that_lacks_the_signs_gets_plain_ones(place):
    done = run("-c", SHOW_A_REPORT, **place)
    assert done.returncode == 0, done.stderr.decode()
    encoding = place.get("PYTHONIOENCODING", "ascii")
    text = done.stdout.decode(encoding)
    assert "+ relu: right" in text
    assert "x mean: not yet" in text
    assert "3 is 9 ..." in text or "3 is 9 \u2026" in text


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_every_command_can_print_there(place):
    done = run("-c", PRINT_ALL_HELP, **place)
    assert done.returncode == 0, done.stderr.decode()
    assert set(done.stdout.splitlines()[-1].split()) >= {b"check", b"download", b"lab"}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_an_error_names_what_the_terminal_cannot_show(place):
    done = run("-m", "course", "check", "no/ünïcode✓.ipynb", **place)
    assert done.returncode == 2
    assert b"Error: " in done.stderr
    assert b"Traceback" not in done.stderr
