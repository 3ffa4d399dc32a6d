"""Each package can be imported with what its users install, and nothing else."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import autograder.cli
from autograder.publish.lock import read_pins, restrict

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()

# Imports every module of a package while some others cannot be found.
PROGRAM = """\
import importlib, importlib.abc, json, pkgutil, sys

package, absent = sys.argv[1], set(json.loads(sys.argv[2]))

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
modules = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
for module in modules:
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def absent(*extras: str) -> set[str]:
    """The installed modules that an installation with these extras would not have."""
    asked = [*PROJECT["dependencies"]]
    for extra in extras:
        asked += PROJECT["optional-dependencies"][extra]
    names = [Requirement(text).name for text in asked]
    present = {pin.name for pin in read_pins(restrict(LOCK, names))}
    # nbconvert looks whether this one is there, and does without it.
    everything = {pin.name for pin in read_pins(LOCK)} - {"playwright"}
    return {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if {canonicalize_name(owner) for owner in owners} <= everything - present
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "extras", "missing"),
    [
        ("course", (), {"jupytext", "distributed", "xdist"}),
        ("autograder", ("instructor",), {"distributed", "xdist"}),
    ],
)
def test_package_needs_no_more_than_its_users_install(package, extras, missing):
    others = absent(*extras) | ({"autograder"} if package == "course" else set())
    assert missing <= others
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, package, json.dumps(sorted(others))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr


def test_a_package_that_is_not_installed_is_named_with_what_installs_it(monkeypatch, capsys):
    def command(**options: str) -> None:
        raise ModuleNotFoundError("No module named 'jupytext'", name="jupytext")

    monkeypatch.setattr(autograder.cli, "app", command)
    with pytest.raises(SystemExit, match="2"):
        autograder.cli.main()
    message = capsys.readouterr().err
    assert message.startswith("jupytext is not installed here.")
    assert "pip install '.[instructor]'" in message


def test_a_module_of_our_own_that_is_missing_is_a_traceback(monkeypatch):
    def command(**options: str) -> None:
        raise ModuleNotFoundError("No module named 'course.x'", name="course.x")

    monkeypatch.setattr(autograder.cli, "app", command)
    with pytest.raises(ModuleNotFoundError):
        autograder.cli.main()


def test_lessons_import_only_what_students_have():
    others = absent()
    for path in sorted((ROOT / "lessons").glob("*/*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        words = [line.split() for cell in cells for line in "".join(cell["source"]).splitlines()]
        imported = {
            line[1].partition(".")[0].rstrip(",")
            for line in words
            if len(line) > 1 and line[0] in {"import", "from"}
        }
        assert not imported & others, path.name
