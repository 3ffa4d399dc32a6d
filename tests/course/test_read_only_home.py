"""A home that cannot be written to: each command works, or says what to set."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

BUBBLEWRAP = shutil.which("bwrap")
ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BUBBLEWRAP is None, reason="bubblewrap makes the home read-only"),
]


@pytest.fixture
def command(tmp_path):
    """The beginning of a command that runs with a read-only home; and its environment."""
    home = tmp_path / "home"
    home.mkdir()
    words = [BUBBLEWRAP, "--dev-bind", "/", "/", "--ro-bind", str(home), str(home), sys.executable]
    told = ("XDG_", "JUPYTER", "COURSE_", "IPYTHON", "MPL", "PYTEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    return words, kept | {"HOME": str(home), "PYTHONPATH": str(ROOT)}


def run(command, where: Path, *words: str) -> subprocess.CompletedProcess:
    begin, environment = command
    return subprocess.run([*begin, *words], cwd=where, env=environment, capture_output=True)


def test_loading_data_names_the_variable_to_set(command, tmp_path):
    code = "from course import datasets; datasets.arrays('digits', 'train')"
    done = run(command, tmp_path, "-c", code)
    assert b"set the environment variable COURSE_DATA_DIR" in done.stderr.splitlines()[-1]
    done = run(command, tmp_path, "-m", "course", "download", "digits")
    assert done.returncode == 2
    assert b"COURSE_DATA_DIR" in done.stderr
    assert b"Traceback" not in done.stderr


def test_answers_are_checked(command, toy):
    toy.answer(double=toy.DOUBLE).save()
    done = run(command, toy.path.parent, "-m", "course", "check", str(toy.path), "--no-notebook")
    assert done.returncode == 1, done.stderr
    assert "double: right" in done.stdout.decode()


def test_jupyterlab_starts(command, toy):
    begin, environment = command
    options = ["--no-browser", "--port=0", "--allow-root"]
    process = subprocess.Popen(
        [*begin, "-m", "course", "lab", *options],
        cwd=toy.path.parents[2], env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        address = re.compile(r"http://\S+/lab/tree/lessons")
        lines, deadline = [""], time.monotonic() + 120
        while not address.search(lines[-1]):
            assert process.poll() is None, "".join(lines)
            assert time.monotonic() < deadline, "".join(lines)
            lines.append(process.stderr.readline())
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stderr.close()
