"""The students' zip holds what they need, and nothing else."""

from __future__ import annotations

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

from autograder.errors import CourseError
from autograder.gates import leaks
from autograder.publish import bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def course_bundle(tmp_path_factory) -> Path:
    """The bundle of this course."""
    return bundle.make_bundle(ROOT, tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def toy_course(toy) -> Path:
    """The toy course with what a bundle takes from the repository."""
    for name in (*bundle.FILES, "Makefile", "pyproject.toml"):
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
    assert made["project"] == ours["project"]
    tools = made["tool"].pop("setuptools")
    assert not made["tool"]
    assert tools["packages"] == {"find": {"include": ["course*"]}}
    assert list(tools["package-data"]) == ["course"]


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


def test_bundle_of_the_course_has_no_leak(course_bundle):
    assert leaks.find(course_bundle, leaks.collect(ROOT)) == []
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
