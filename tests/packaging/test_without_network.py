"""The bundle's packages are downloaded by the lock's hashes, and installed without a network."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.errors import CourseError
from autograder.publish.bundle import student_makefile
from autograder.publish.packages import PYTHON, described, download_packages
from autograder.sandbox.isolation import isolation_problem
from tests.wheels import make_wheel

ROOT = Path(__file__).parents[2]
VERSION = ".".join(platform.python_version_tuple()[:2])

# Builds an editable installation of the folder's module without any other package.
BACKEND = """\
import zipfile

def build_editable(folder, settings=None, metadata=None):
    name = "toy_course-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("toy_course.py", "")
        about = "toy_course-1.0.dist-info"
        data = "Metadata-Version: 2.1\\nName: toy-course\\nVersion: 1.0\\n"
        wheel.writestr(f"{about}/METADATA", data)
        tag = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{about}/WHEEL", tag)
        wheel.writestr(f"{about}/RECORD", "")
    return name
"""
PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "toy-course"
version = "1.0"
"""


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> str:
    """The lock for a wheel that pip finds, and nothing else."""
    lock = make_wheel(tmp_path / "shelf")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
    return lock


def test_what_the_lock_pins_is_downloaded(shelf, tmp_path):
    folder = tmp_path / "packages"
    folder.mkdir()
    download_packages(shelf, folder)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [PYTHON, "toy_package-2.0-py3-none-any.whl"]
    assert (folder / PYTHON).read_text() == f"{VERSION}\n"
    assert described(folder) == f"Python {VERSION} on {platform.system()} {platform.machine()}"


def test_earlier_and_later_patch_releases_of_this_python_find_theirs_too(shelf, tmp_path):
    pins = [
        make_wheel(tmp_path / "shelf", version, f" ; python_full_version {marker}")
        for version, marker in [
            ("3.0", f"< '{VERSION}.1'"),
            ("4.0", f">= '{VERSION}.1' and python_full_version < '{VERSION}.98'"),
            ("5.0", f">= '{VERSION}.98'"),
            ("6.0", "< '3.8'"),
        ]
    ]
    folder = tmp_path / "packages"
    folder.mkdir()
    download_packages("".join(pins), folder)
    versions = [path.name.split("-")[1] for path in sorted(folder.glob("*.whl"))]
    assert versions == ["3.0", "4.0", "5.0"]


def test_another_file_than_the_pinned_one_is_refused(shelf, tmp_path):
    shutil.rmtree(tmp_path / "shelf")
    make_wheel(tmp_path / "shelf")
    wrong = shelf.replace(shelf[-20:-1], "0" * 19)
    with pytest.raises(
        CourseError, match=r"could not be downloaded:(?s:.*)THESE PACKAGES DO NOT|HASH"
    ):
        download_packages(wrong, tmp_path)


@pytest.mark.slow
def test_make_setup_installs_from_the_packages_without_a_network(tmp_path):
    if isolation_problem() is not None or shutil.which("make") is None:
        pytest.skip("cutting the network needs bubblewrap, and setting up make")
    (tmp_path / "requirements.lock").write_text(make_wheel(tmp_path / "packages"))
    (tmp_path / "packages" / PYTHON).write_text(f"{VERSION}\n")
    (tmp_path / "Makefile").write_text(student_makefile(ROOT))
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "backend.py").write_text(BACKEND)
    cut = ["bwrap", "--dev-bind", "/", "/", "--unshare-net"]
    process = subprocess.run(
        [*cut, "make", "setup", f"PYTHON={sys.executable}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "Installing into .venv: once, from packages/" in process.stdout
    program = "import toy_course, toy_package; print(toy_package.WORKS)"
    said = subprocess.run(
        [tmp_path / ".venv/bin/python", "-c", program], capture_output=True, text=True, check=False
    )
    assert said.stdout == "True\n", said.stderr


def test_the_python_of_the_packages_is_taken(tmp_path):
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / PYTHON).write_text("3.12\n")
    (tmp_path / "Makefile").write_text(
        student_makefile(ROOT) + "\nshow:\n\t@echo $(PYTHON) $$PIP_NO_INDEX\n"
    )
    process = subprocess.run(
        ["make", "show"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.stdout == "python3.12 1\n", process.stderr
