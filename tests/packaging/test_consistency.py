"""pyproject.toml, requirements.lock and environment.yml say the same."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import course
from autograder.publish.conda import make_environment
from autograder.publish.lock import read_pins

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
PINS = [pin.requirement for pin in read_pins(LOCK)]
EXTRAS = PROJECT["optional-dependencies"]
# What the lock pins.
LOCKED = {"base": PROJECT["dependencies"]} | EXTRAS


def pinned(lock: str) -> dict[str, list[Requirement]]:
    """The pins of a lock by canonical name; one package may have several, with markers."""
    found: dict[str, list[Requirement]] = {}
    for pin in read_pins(lock):
        found.setdefault(pin.name, []).append(Requirement(pin.requirement))
    return found


def problems(dependencies: list[str], lock: str) -> list[str]:
    """Dependencies that the lock does not pin within their bounds."""
    found = []
    locked = pinned(lock)
    for dependency in map(Requirement, dependencies):
        requirements = locked.get(canonicalize_name(dependency.name), [])
        if not requirements:
            found.append(f"{dependency.name} is not in requirements.lock: run `make lock`.")
        for requirement in requirements:
            version = requirement.specifier.__str__().removeprefix("==")
            if not dependency.specifier.contains(Version(version)):
                found.append(f"{requirement} is outside of {dependency}: run `make lock`.")
    return found


@pytest.mark.parametrize("name", LOCKED)
def test_lock_pins_every_dependency_within_its_bounds(name):
    assert problems(LOCKED[name], LOCK) == []


@pytest.mark.parametrize(
    ("dependency", "reason"),
    [("a-package-of-nobody", "not in requirements.lock"), ("numpy<1", "outside of")],
)
def test_a_dependency_that_the_lock_lacks_is_noticed(dependency, reason):
    problem = problems([dependency], LOCK)[0]
    assert reason in problem


def test_every_pin_is_exact_and_has_hashes():
    blocks = re.split(r"\n(?=\S)", LOCK)
    requirements = [block for block in blocks if not block.startswith("#")]
    assert len(requirements) == len(PINS) > 100
    for block in requirements:
        assert re.match(r"[A-Za-z0-9._-]+(\[.*\])?==[^\s;]+", block), (
            f"not an exact pin: {block[:80]}"
        )
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), f"no hash: {block[:80]}"


@pytest.mark.parametrize("name", ["requirements.lock", "environment.yml", "pyproject.toml"])
def test_no_addresses(name):
    text = (ROOT / name).read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|file:", text)


def test_lock_has_no_duplicate_for_the_same_system():
    for name, requirements in pinned(LOCK).items():
        if len(requirements) > 1:
            assert all(requirement.marker for requirement in requirements), name


def test_lock_names_the_extras_that_packages_ask_for():
    """Beside a pin of `coverage`, pip looks for `coverage[toml]` separately, and finds one without
    a hash as soon as there is a newer release."""
    pinned_extras = {
        canonicalize_name(requirement.name): requirement.extras
        for requirement in map(Requirement, PINS)
    }
    for name in pinned_extras.keys() & {
        canonicalize_name(distribution.name) for distribution in importlib.metadata.distributions()
    }:
        for text in importlib.metadata.requires(name) or ():
            asked = Requirement(text)
            if asked.extras and (not asked.marker or asked.marker.evaluate({"extra": ""})):
                assert asked.extras <= pinned_extras[canonicalize_name(asked.name)], (
                    f"{name}: {text}"
                )


def test_environment_is_made_from_the_lock():
    assert (ROOT / "environment.yml").read_text() == make_environment(
        (ROOT / "pyproject.toml").read_text(), LOCK
    ), "run `make lock`"


def test_environment_installs_this_package_and_python():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip[0] == "-e ."
    assert pip[1:] == PINS
    (python,) = (
        Requirement(entry)
        for entry in environment["dependencies"]
        if isinstance(entry, str) and entry.startswith("python")
    )
    assert python.specifier == SpecifierSet(PROJECT["requires-python"])


def test_makefile_and_ci_look_for_the_supported_pythons():
    supported = SpecifierSet(PROJECT["requires-python"])
    minors = [minor for minor in range(8, 30) if f"3.{minor}" in supported]
    lowest, highest = minors[0], minors[-1]
    for name in ("Makefile", ".ci/run"):
        text = (ROOT / name).read_text()
        assert f"(3, {lowest}) <= sys.version_info[:2] <= (3, {highest})" in text, name
        for minor in minors:
            assert f"python3.{minor}" in text, f"{name} does not try python3.{minor}"


def third_party_imports(folder: Path) -> set[str]:
    """The top-level modules that a folder's code imports, without Python's own and ours."""
    modules: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module.partition(".")[0])
    return modules - set(sys.stdlib_module_names) - {"autograder", "course"}


def names(dependencies: list[str]) -> list[str]:
    """The canonical names of requirements, in their order."""
    return [canonicalize_name(Requirement(text).name) for text in dependencies]


@pytest.mark.parametrize(
    ("folder", "groups"),
    [("course", ("base",)), ("autograder", ("base", "instructor", "cluster", "site"))],
)
def test_what_is_imported_is_declared(folder, groups):
    declared = {name for group in groups for name in names(LOCKED[group])}
    distributions = importlib.metadata.packages_distributions()
    undeclared = {
        module
        for module in third_party_imports(ROOT / folder)
        if not declared & {canonicalize_name(name) for name in distributions.get(module, [module])}
    }
    assert not undeclared, f"{folder} imports {sorted(undeclared)}, which pyproject does not name"


@pytest.mark.parametrize("package", ["course", "autograder"])
def test_files_beside_the_code_are_shipped(package):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = {
        path
        for pattern in settings["package-data"][package]
        for path in (ROOT / package).glob(pattern)
    }
    beside = {
        path
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and path.name[0] != "."
    }
    assert beside <= shipped


@pytest.mark.parametrize("name", LOCKED)
def test_dependencies_are_in_order(name):
    assert names(LOCKED[name]) == sorted(names(LOCKED[name]))


def test_version_is_written_once():
    assert PROJECT["dynamic"] == ["version"]
    assert importlib.metadata.version(PROJECT["name"]) == course.__version__


def test_dependencies_are_named_once():
    every = [name for dependencies in LOCKED.values() for name in names(dependencies)]
    assert len(every) == len(set(every))
