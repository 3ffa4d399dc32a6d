"""What maintainers, reporters and citers look for is there and agrees with the rest."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import grimp
import pytest
import yaml
from packaging.specifiers import SpecifierSet

import course

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "SECURITY.md",
        ".pre-commit-config.yaml",
        ".github/pull_request_template.md",
        ".github/ISSUE_TEMPLATE/bug.yml",
        ".github/ISSUE_TEMPLATE/lesson.yml",
        ".github/ISSUE_TEMPLATE/idea.yml",
        ".github/workflows/ci.yml",
        ".github/workflows/weekly.yml",
    ],
)
def test_it_is_there(name):
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_citation_and_changelog_know_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == course.__version__
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert course.__version__ in versions


def test_continuous_integration_runs_every_supported_python():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    tried = workflow["jobs"]["tests"]["strategy"]["matrix"]["python"]
    supported = SpecifierSet(PROJECT["requires-python"])
    assert tried == [f"3.{minor}" for minor in range(8, 30) if f"3.{minor}" in supported]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_what_everybody_runs(path):
    text = path.read_text()
    assert ".ci/run" in text
    assert "permissions:\n  contents: read" in text


def test_hooks_need_no_network():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    assert {hook["language"] for hook in repositories[0]["hooks"]} == {"system"}


def files_of_the_project() -> list[Path]:
    """The text files around the code: what sets up, describes and checks."""
    found = [path for path in ROOT.iterdir() if path.is_file() and path.suffix != ".zip"]
    found += [path for path in (ROOT / ".github").rglob("*") if path.is_file()]
    return [*found, ROOT / ".ci" / "run"]


@pytest.mark.parametrize("path", files_of_the_project(), ids=lambda path: path.name)
def test_no_package_index_is_named(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    assert not re.search(
        r"pypi\.org|pythonhosted|/simple\b|--(extra-)?index-url|--find-links", text
    )


# --- CONTRIBUTING.md and the house that it describes


def rooms() -> set[str]:
    """The folders and modules at the top of autograder/."""
    folder = ROOT / "autograder"
    return {
        path.stem
        for path in folder.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    } - {"__init__", "__main__"}


def drawn_arrows() -> set[tuple[str, str]]:
    """The arrows of the drawing: ("cli", "publish") and so on."""
    (drawing,) = re.findall(r"```mermaid\n(.*?)```", CONTRIBUTING, re.DOTALL)
    arrows = set()
    for start, ends in re.findall(r'^ +(\w+)\[".*?"\] --> (.+)$', drawing, re.MULTILINE):
        arrows |= {(start, end) for end in ends.split(" & ")}
    return arrows


def reachable(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The arrows, and those that lead to the same place by way of others."""
    every = set(arrows)
    while more := {(a, d) for a, b in every for c, d in every if b == c} - every:
        every |= more
    return every


def imports_between_rooms() -> set[tuple[str, str]]:
    """Which room imports which."""
    graph = grimp.build_graph("autograder", cache_dir=None)
    names = rooms()
    between = {
        (module.split(".")[1], other.split(".")[1])
        for module in graph.modules - {"autograder"}
        for other in graph.find_modules_directly_imported_by(module) - {"autograder"}
    }
    return {(room, other) for room, other in between if room != other and {room, other} <= names}


def test_every_room_is_drawn():
    assert {room for arrow in drawn_arrows() for room in arrow} == rooms()


def test_rooms_import_only_what_the_drawing_points_at():
    assert imports_between_rooms() <= reachable(drawn_arrows())


def test_drawn_arrows_are_imports():
    assert drawn_arrows() <= imports_between_rooms()


def test_paths_that_contributing_names_exist():
    named = re.findall(r"`([\w./]+/[\w./]*\w(?:\.\w+)?/?)`", CONTRIBUTING)
    paths = [name for name in named if not re.search(r"NAME|NN_|STUDENT", name)]
    assert len(paths) > 15
    missing = [
        name
        for name in paths
        if not any((base / name).exists() for base in (ROOT, ROOT / "autograder"))
    ]
    assert not missing


def test_submission_travels_in_ten_steps():
    (section,) = re.findall(r"^## From a file.*?(?=^## )", CONTRIBUTING, re.DOTALL | re.MULTILINE)
    assert re.findall(r"^(\d+)\. ", section, re.MULTILINE) == [str(n) for n in range(1, 11)]
