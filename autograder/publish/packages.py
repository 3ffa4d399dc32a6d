"""The packages of a lock as files, for machines without a network."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from autograder.errors import CourseError

FOLDER = "packages"
# Names the Python that the packages are for, such as 3.13; the students' Makefile looks for it.
PYTHON = "PYTHON"
MOST_LINES = 5


def download_packages(lock: str, folder: Path) -> None:
    """Download what a lock pins for this machine's system and Python, with its hashes checked.

    pip's progress goes to stderr.

    Args:
        lock: the text of the lock.
        folder: an empty folder for the files.

    Raises:
        CourseError: pip could not get one of them.
    """
    with tempfile.TemporaryDirectory() as other:
        path = Path(other) / "requirements.lock"
        path.write_text(lock, encoding="utf-8")
        process = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check"),
                *("--no-input", "--no-deps", "--require-hashes"),
                *("--requirement", str(path), "--dest", str(folder)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    if process.returncode:
        said = "\n".join(process.stderr.strip().splitlines()[-MOST_LINES:])
        raise CourseError(f"The packages could not be downloaded:\n{said}")
    (folder / PYTHON).write_text(".".join(platform.python_version_tuple()[:2]) + "\n")


def described(folder: Path) -> str:
    """For which machines downloaded packages are, such as `Python 3.13 on Linux x86_64`.

    Args:
        folder: where they are.
    """
    python = (folder / PYTHON).read_text().strip()
    return f"Python {python} on {platform.system()} {platform.machine()}"
