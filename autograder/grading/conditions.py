"""What grading depends on beside notebooks and answers: how they are run, and by which programs."""

from __future__ import annotations

import functools
import hashlib
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

from autograder.grading.decision import Tests
from autograder.grading.status import CELL_TIMEOUT
from course.installed import DISTRIBUTION, TENSORFLOW, installed_versions

EXTRAS = ("", "instructor", "cluster")


@functools.cache
def environment_key() -> str:
    """What grades here: Python, the packages that the course asks for, and the course's own code.

    A result that was made under another key is made again.
    """
    digest = hashlib.sha256(sys.version.encode())
    names = sorted(_packages() | set(TENSORFLOW))
    versions = installed_versions(names)
    for name in names:
        digest.update(f"{name} {versions.get(name, 'absent')}\n".encode())
    for package in ("autograder", "course"):
        folder = Path(__file__).parents[2] / package
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _packages() -> set[str]:
    """What the course and its grader depend on; linters and the like change no grade."""
    try:
        requirements = list(map(Requirement, requires(DISTRIBUTION) or ()))
    except PackageNotFoundError:
        return set()
    return {
        requirement.name
        for requirement in requirements
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in EXTRAS)
    }


@dataclass(frozen=True)
class Conditions:
    """How answers are run. Grading the same submission under other conditions is another result.

    Attributes:
        timeout: seconds for one cell.
        isolated: whether answers run in a sandbox; without one they have all rights of this user.
        tests: where tests run, if somebody has asked for it; otherwise it is found out.
        environment: what grades, as ``environment_key`` says it; this machine's by default.
    """

    timeout: int = CELL_TIMEOUT
    isolated: bool = True
    tests: Tests | None = None
    environment: str = field(default_factory=environment_key)
