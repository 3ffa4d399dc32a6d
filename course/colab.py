"""What a lesson needs on Colab, which has TensorFlow and much else, in its own versions."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course.installed import DISTRIBUTION, TENSORFLOW, installed_versions, tensorflow_versions


def missing() -> list[str]:
    """The requirements of the course that this environment does not meet.

    TensorFlow counts as there under either of its names: Colab's can use a GPU, and another one
    beside it would overwrite its files.
    """
    there = tensorflow_versions()
    found = []
    for text in metadata.requires(DISTRIBUTION) or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        if wanted.name in TENSORFLOW and there:
            is_met = any(version in wanted.specifier for version in there.values())
        else:
            version = installed_versions([wanted.name]).get(wanted.name)
            is_met = version is not None and version in wanted.specifier
        if not is_met:
            name = next(iter(there), wanted.name) if wanted.name in TENSORFLOW else wanted.name
            found.append(f"{name}{wanted.specifier}")
    return found


def install_what_is_missing() -> None:
    """Install what the course needs and Colab lacks, with pip, and say so.

    Raises:
        RuntimeError: pip could not.
    """
    wanted = missing()
    if not wanted:
        return
    print(f"Installing {', '.join(wanted)}.", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", *wanted]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(f"pip could not install {', '.join(wanted)}:\n{process.stderr[-2000:]}")
    if replaced := _imported(wanted):
        print(
            f"{', '.join(replaced)} had been imported before: choose Runtime, Restart session, "
            "and run the notebook again."
        )


def _imported(requirements: list[str]) -> list[str]:
    """The names of those whose modules this process has imported."""
    names = {canonicalize_name(Requirement(text).name) for text in requirements}
    loaded = {module.partition(".")[0] for module in sys.modules}
    owners = metadata.packages_distributions()
    found = {canonicalize_name(name) for module in loaded for name in owners.get(module, ())}
    return sorted(names & found)
