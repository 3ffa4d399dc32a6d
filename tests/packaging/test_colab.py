"""A lesson that is opened on Colab installs what it needs, and elsewhere nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest

from autograder.notebooks.source import read_lesson
from autograder.publish.build import build, check
from course import colab
from course.cells import INSTALL, tags
from tests.wheels import make_wheel

ROOT = Path(__file__).parents[2]
SETTING = '[tool.course-site]\nrepository = "someone/course"\n'

# As Colab's own shell is called, which is how a notebook tells that it is there.
SHELL = """\
from IPython.core.interactiveshell import InteractiveShell

class Shell(InteractiveShell):
    pass
"""
PROGRAM = """\
import json, sys
from importlib import metadata

if sys.argv[1] == "colab":
    from google.colab._shell import Shell
else:
    from IPython.core.interactiveshell import InteractiveShell as Shell

def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None

result = Shell.instance().run_cell(sys.stdin.read())
result.raise_error()
print(json.dumps({name: version(name) for name in ("nbgrader", "deep-learning-course")}))
"""


@pytest.fixture
def lesson(toy):
    """A lesson of a course whose repository is known."""
    (toy / "pyproject.toml").write_text(SETTING)
    lesson = read_lesson(toy / "solutions" / "90_adding")
    build(lesson)
    return lesson


def install_cell(lesson) -> str:
    """The text of the cell that installs the course."""
    cells = nbformat.read(lesson.student_notebook, as_version=4).cells
    first = next(cell for cell in cells if cell.cell_type == "code")
    assert tags(first) == {INSTALL}
    assert sum(INSTALL in tags(cell) for cell in cells) == 1
    return first.source


def test_a_lesson_installs_the_course_where_it_is_known_where_from(lesson, toy):
    assert "git+https://github.com/someone/course@main" in install_cell(lesson)
    assert check(lesson) == []
    (toy / "pyproject.toml").unlink()
    assert len(check(lesson)) == 1
    build(lesson)
    assert INSTALL not in lesson.student_notebook.read_text()


def test_what_is_missing(monkeypatch):
    asked = ["rich>=13", "nbgrader>=0.9", "tensorflow-cpu>=2.19", "ruff>=1; extra == 'dev'"]
    installed = {"rich": "12.0"}
    monkeypatch.setattr(colab.metadata, "requires", lambda name: asked)
    monkeypatch.setattr(colab, "installed_versions", lambda names: installed)
    monkeypatch.setattr(colab, "tensorflow_versions", lambda: {"tensorflow": "2.20.0"})
    assert colab.missing() == ["rich>=13", "nbgrader>=0.9"]
    monkeypatch.setattr(colab, "tensorflow_versions", lambda: {"tensorflow": "2.18.0"})
    assert colab.missing()[-1] == "tensorflow>=2.19"
    monkeypatch.setattr(colab, "tensorflow_versions", lambda: {})
    assert colab.missing()[-1] == "tensorflow-cpu>=2.19"


def test_what_pip_says_when_it_fails_is_told(monkeypatch):
    monkeypatch.setattr(colab, "missing", lambda: ["no-such-package-of-this-course>=1"])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(RuntimeError, match=r"could not install no-such-package(?s:.*)No matching"):
        colab.install_what_is_missing()


def environment_without(folder: Path, *absent: str) -> Path:
    """The Python of an environment with the packages of this one, but for some."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        name = entry.name.replace("-", "_").lower()
        if not any(word in name for word in absent):
            (site / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


def a_repository(folder: Path) -> Path:
    """What is published, as a repository."""
    for name in ("course", "autograder"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-lessons"):
        shutil.copy(ROOT / name, folder)
    git = ["git", "-c", "user.name=Emmy", "-c", "user.email=emmy@example.org", "-C", str(folder)]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "All"]):
        subprocess.run([*git, *command], check=True)
    return folder


@pytest.mark.slow
def test_on_colab_the_first_cell_installs_the_course(lesson, tmp_path):
    python = environment_without(tmp_path / "env", "nbgrader", "deep_learning_course")
    fake = tmp_path / "fake" / "google" / "colab"
    fake.mkdir(parents=True)
    (fake / "_shell.py").write_text(SHELL)
    make_wheel(tmp_path / "wheels", "9.0", name="nbgrader")
    settings = {
        # Where pip finds packages, and the repository: all of it here.
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "wheels"),
        "PIP_NO_BUILD_ISOLATION": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{a_repository(tmp_path / 'repository').as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/someone/course",
        "PYTHONPATH": str(tmp_path / "fake"),
    }

    def run(where: str) -> dict[str, str | None]:
        done = subprocess.run(
            [python, "-c", PROGRAM, where], input=install_cell(lesson), cwd=tmp_path / "fake",
            env=os.environ | settings, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    assert run("elsewhere") == {"nbgrader": None, "deep-learning-course": None}
    installed = run("colab")
    assert installed["nbgrader"] == "9.0"
    assert installed["deep-learning-course"] is not None
