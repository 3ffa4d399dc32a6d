"""The packages of a lock as files, for machines without a network."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from autograder.errors import CourseError
from autograder.publish.lock import read_pins

FOLDER = "packages"
# Names the Python that the packages are for, such as 3.13; the students' Makefile looks for it.
PYTHON = "PYTHON"
MOST_LINES = 5


def download_packages(lock: str, folder: Path) -> None:
    """Download what a lock pins for this system and this minor version of Python, with its hashes
    checked.

    pip's progress goes to stderr.

    Args:
        lock: the text of the lock.
        folder: a folder for the files.

    Raises:
        CourseError: pip could not get one of them.
    """
    for pins in _pins_by_patch_release(lock):
        _download(pins, folder)
    (folder / PYTHON).write_text(".".join(platform.python_version_tuple()[:2]) + "\n")


def _pins_by_patch_release(lock: str) -> Iterator[str]:
    """The pins for this system without their markers: those for this Python, and then those that
    an earlier or a later patch release of it needs instead."""
    minor = ".".join(platform.python_version_tuple()[:2])
    seen: set[str] = set()
    for release in (platform.python_version(), f"{minor}.0", f"{minor}.99"):
        texts = []
        for pin in read_pins(lock):
            marker = Requirement(pin.requirement).marker
            holds = marker is None or marker.evaluate({"python_full_version": release})
            if holds and pin.requirement not in seen:
                seen.add(pin.requirement)
                texts.append(pin.text.replace(pin.requirement, pin.requirement.partition(" ;")[0]))
        if texts:
            yield "".join(texts)


def _download(pins: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as other:
        path = Path(other) / "requirements.lock"
        path.write_text(pins, encoding="utf-8")
        process = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check"),
                *("--no-input", "--no-deps", "--require-hashes", "--ignore-requires-python"),
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


def described(folder: Path) -> str:
    """For which machines downloaded packages are, such as `Python 3.13 on Linux x86_64`.

    Args:
        folder: where they are.
    """
    python = (folder / PYTHON).read_text().strip()
    return f"Python {python} on {platform.system()} {platform.machine()}"
