"""What is installed, and which TensorFlow: it comes in two packages with the same modules."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

DISTRIBUTION = "deep-learning-course"
# Built for CPUs alone, which is what the course installs on Linux, and the one that can use a GPU.
TENSORFLOW = ("tensorflow-cpu", "tensorflow")


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Those of some packages that are installed, each with its version."""
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def tensorflow_versions() -> dict[str, str]:
    """The installed packages that hold TensorFlow, each with its version.

    Two of them are one too many: they overwrite each other's files.
    """
    return installed_versions(TENSORFLOW)
