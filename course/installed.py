"""Which TensorFlow is installed: it comes in two packages with the same modules."""

from __future__ import annotations

from importlib import metadata

# Built for CPUs alone, which is what the course installs on Linux, and the one that can use a GPU.
TENSORFLOW = ("tensorflow-cpu", "tensorflow")


def tensorflow_versions() -> dict[str, str]:
    """The installed packages that hold TensorFlow, each with its version.

    Two of them are one too many: they overwrite each other's files.
    """
    versions = {}
    for name in TENSORFLOW:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
