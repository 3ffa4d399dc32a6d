"""The students' zip holds what they need, and nothing else."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from autograder.errors import CourseError
from autograder.gates import leaks, secret_lines
from autograder.publish import bundle
from autograder.publish.lock import read_pins

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def course_bundle(tmp_path_factory) -> Path:
    """The bundle of this course."""
    return bundle.make_bundle(ROOT, tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def toy_course(toy) -> Path:
    """The toy course with what a bundle takes from the repository."""
    for name in (*bundle.FILES, bundle.LOCK, "Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, toy)
    (toy / "course" / "__pycache__").mkdir(parents=True)
    (toy / "course" / "__init__.py").write_text('"""A package."""\n')
    (toy / "course" / "__pycache__" / "old.pyc").write_bytes(b"old")
    checkpoints = toy / "lessons" / "90_adding" / ".ipynb_checkpoints"
    checkpoints.mkdir()
    (checkpoints / "adding.ipynb").write_text("{}")
    return toy


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_contents_are_exactly_these(toy_course, tmp_path):
    made = bundle.make_bundle(toy_course, tmp_path / "out")
    assert made == tmp_path / "out" / "deep-learning-course.zip"
    assert names(made) == [
        f"deep-learning-course/{name}"
        for name in (
            "LICENSE",
            "LICENSE-lessons",
            "Makefile",
            "README.md",
            "course/__init__.py",
            "environment.yml",
            "lessons/90_adding/adding.ipynb",
            "pyproject.toml",
            "requirements.lock",
        )
    ]


def test_same_course_makes_the_same_bytes(toy_course, tmp_path):
    one = bundle.make_bundle(toy_course, tmp_path / "one.zip")
    os.utime(toy_course / "LICENSE", (0, 0))
    other = bundle.make_bundle(toy_course, tmp_path / "other.zip")
    assert one.read_bytes() == other.read_bytes()


def test_packages_are_put_in_as_they_are(toy_course, tmp_path):
    packages = tmp_path / "downloaded"
    packages.mkdir()
    (packages / "PYTHON").write_text("3.13\n")
    (packages / "toy-1.0-py3-none-any.whl").write_bytes(b"PK" * 1_000)
    made = bundle.make_bundle(toy_course, tmp_path / "out", packages)
    assert made.name == "deep-learning-course-with-packages.zip"
    with zipfile.ZipFile(made) as archive:
        wheel = archive.getinfo("deep-learning-course/packages/toy-1.0-py3-none-any.whl")
        assert archive.read(wheel) == b"PK" * 1_000
    assert wheel.compress_type == zipfile.ZIP_STORED
    assert "deep-learning-course/packages/PYTHON" in names(made)
    assert "deep-learning-course/course/__init__.py" in names(made)


def test_leak_stops_the_bundle(toy_course, tmp_path):
    path = toy_course / "lessons/90_adding/adding.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(new_code_cell("return as_array(a) + as_array(b)"))
    nbformat.write(notebook, path)
    with pytest.raises(CourseError, match="answer of 90_adding"):
        bundle.make_bundle(toy_course, tmp_path / "out.zip")
    assert list(tmp_path.glob("*.zip")) == []


def test_missing_file_is_named(toy_course, tmp_path):
    (toy_course / "LICENSE").unlink()
    with pytest.raises(CourseError, match="There is no LICENSE"):
        bundle.make_bundle(toy_course, tmp_path)


def test_makefile_without_its_marks_is_an_error(toy_course, tmp_path):
    (toy_course / "Makefile").write_text("all:\n")
    with pytest.raises(CourseError, match="setting up"):
        bundle.make_bundle(toy_course, tmp_path)


def test_pyproject_is_the_same_without_the_autograder():
    made = tomllib.loads(bundle.student_pyproject(ROOT))
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert made["project"].pop("scripts") == {"course": "course.cli:main"}
    del ours["project"]["scripts"]
    # What only instructors use is not among the versions that students get.
    del ours["project"]["optional-dependencies"]
    assert made["project"] == ours["project"]
    tools = made["tool"].pop("setuptools")
    assert not made["tool"]
    assert tools["packages"] == {"find": {"include": ["course*"]}}
    assert list(tools["package-data"]) == ["course"]


def test_students_get_the_same_versions_and_hashes_of_what_they_need():
    lock = (ROOT / "requirements.lock").read_text()
    students = bundle.student_lock(ROOT)
    blocks = set(re.split(r"\n(?=\S)", lock.rstrip("\n")))
    assert set(re.split(r"\n(?=\S)", students.rstrip("\n"))) <= blocks
    names = {pin.name for pin in read_pins(students)}
    assert {"tensorflow", "tensorflow-cpu", "nbval", "setuptools", "wheel", "scipy"} <= names
    assert not names & {"distributed", "psycopg", "jupytext", "ruff", "mypy", "pytest-xdist"}


def test_students_lock_holds_all_that_is_needed_here():
    """As the installed packages say it: a second opinion beside the notes in the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed: set[str] = set()
    waiting = [(text, "") for text in project["dependencies"]]
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in {"", *requirement.extras}:
            if f"{name}[{wanted}]" not in needed:
                needed.add(f"{name}[{wanted}]")
                waiting += [(text, wanted) for text in importlib.metadata.requires(name) or ()]
    pinned = {pin.name for pin in read_pins(bundle.student_lock(ROOT))}
    assert {name.partition("[")[0] for name in needed} <= pinned


def test_conda_gets_what_the_students_lock_pins():
    files = dict(bundle.contents(ROOT))
    pins = [pin.requirement for pin in read_pins(files[bundle.LOCK].decode())]
    assert all(pin in files["environment.yml"].decode() for pin in pins)
    assert "distributed" not in files["environment.yml"].decode()


def test_a_dependency_that_the_lock_lacks_is_named(toy_course):
    path = toy_course / "pyproject.toml"
    path.write_text(path.read_text().replace('"babel>=2.14"', '"a-package-of-nobody"'))
    with pytest.raises(CourseError, match="a-package-of-nobody: run `make lock`"):
        bundle.student_lock(toy_course)


def test_makefile_offers_setup_lab_and_check():
    text = bundle.student_makefile(ROOT)
    shared = ("SHELL", ".SHELLFLAGS", "VENV", "BIN", "STAMP", "SUPPORTED")
    for line in (ROOT / "Makefile").read_text().splitlines():
        if line.startswith(shared):
            assert line in text.splitlines(), "students' Makefile should set the same"
    process = subprocess.run(
        ["make", "-f", "-", "-n", "help"], input=text, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    targets = re.findall(r"^([a-z]+):.*## ", text, re.MULTILINE)
    assert targets == ["help", "setup", "lab", "check"]
    assert "autograder" not in text


def test_readme_names_a_lesson_that_exists():
    assert "lessons/EXAMPLE" not in bundle.student_readme(ROOT)


def test_students_get_the_glossary(course_bundle):
    assert "deep-learning-course/lessons/GLOSSARY.md" in names(course_bundle)


def test_bundle_of_the_course_has_no_leak(course_bundle):
    assert leaks.find(course_bundle, secret_lines.collect(ROOT)) == []
    parts = {Path(name).parts[1] for name in names(course_bundle)}
    assert parts == {
        *("course", "lessons", "Makefile", "README.md", "pyproject.toml", "requirements.lock"),
        *("environment.yml", "LICENSE", "LICENSE-lessons"),
    }


@pytest.mark.slow
def test_unpacked_bundle_runs_by_itself(course_bundle, tmp_path):
    shutil.unpack_archive(course_bundle, tmp_path)
    folder = tmp_path / "deep-learning-course"
    # The unpacked course is imported, and nothing of this repository.
    program = "import course.cli, sys; print(course.__file__); sys.argv[1:] = ['--help']; "
    process = subprocess.run(
        [sys.executable, "-c", program + "course.cli.main()"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(str(folder))
    assert "check" in process.stdout
    lesson = sorted((folder / "lessons").glob("[0-9]*"))[0]
    assert list(lesson.glob("*.ipynb"))
