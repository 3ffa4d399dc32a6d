"""Fixtures for all tests: a course of one small lesson, which needs no TensorFlow."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from course.check.record import VARIABLE
from tests.files import TOY_MAP
from tests.run import forking_kernels

if TYPE_CHECKING:
    from autograder.sandbox.workplace import Workplace

REPOSITORY = Path(__file__).parent.parent
TOY = Path(__file__).parent / "toy"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Files of tests that run in one process, but for those whose tests share nothing."""
    if config.getoption("dist") != "loadfile":
        return None
    from tests.schedule import Schedule

    return Schedule(config, log)


@pytest.fixture(scope="session", autouse=True)
def _own_fork_servers():
    """Processes that kernels are forked from end with the tests that have started them."""
    with forking_kernels():
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_progress(tmp_path_factory):
    """What tests check is not noted as the progress of the person who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("progress") / "progress.json"))
        yield


@pytest.fixture(scope="session")
def generated_data(tmp_path_factory) -> Path:
    """A folder for ``COURSE_DATA_DIR`` in which each data set is generated once a run, whichever
    tests and processes read it. Read only."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "generated_data"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def workplace() -> Workplace:
    """Where answers and tests run, isolated where that is possible; all tests of a process share
    it, since each one's imports take seconds."""
    from autograder.sandbox.isolation import isolation_problem
    from autograder.sandbox.workplace import shared_workplace

    return shared_workplace(isolated=isolation_problem() is None)


@pytest.fixture(scope="session")
def built_toy(tmp_path_factory) -> Path:
    """The root of a course with one built lesson. Read only: copy it to change it."""
    from autograder.notebooks.source import read_lesson
    from autograder.publish.build import build

    root = tmp_path_factory.mktemp("built") / "course"
    shutil.copytree(TOY, root)
    shutil.copy(REPOSITORY / "nbgrader_config.py", root)
    build(read_lesson(root / "solutions" / "90_adding"))
    return root


@pytest.fixture
def toy(built_toy, tmp_path) -> Path:
    """The root of a built course of one's own, its gradebook made and empty."""
    from autograder.nbgrader_course.api import empty_gradebook

    root = tmp_path / "course"
    shutil.copytree(built_toy, root)
    (root / "class").mkdir()
    (root / "class" / "gradebook.db").write_bytes(empty_gradebook())
    return root


@pytest.fixture
def course(toy) -> Path:
    """The course ``toy`` with a map and a README, its tables of lessons written."""
    from autograder.gates.section_map import MAP
    from autograder.publish import lesson_lists

    (toy / MAP).write_text(TOY_MAP)
    markers = f"{lesson_lists.BEGIN}\n{lesson_lists.END}"
    (toy / "README.md").write_text(f"Before.\n\n{markers}\n\nAfter.\n")
    lesson_lists.write(toy)
    return toy


@pytest.fixture
def toy_lesson(toy):
    """The lesson of ``toy``."""
    from autograder.notebooks.source import read_lesson

    return read_lesson(toy / "solutions" / "90_adding")


@pytest.fixture
def hand_in(toy):
    """Hand in the toy lesson: ``hand_in(student, add="...", names="...")``."""

    def submit(student: str, **answers: str) -> Path:
        released = toy / "lessons" / "90_adding" / "adding.ipynb"
        notebook = nbformat.read(released, as_version=4)
        for cell in notebook.cells:
            if cell.id in answers:
                cell.source = answers[cell.id]
        path = toy / "class" / "submitted" / student / "90_adding" / "adding.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
        return path

    return submit


@pytest.fixture
def command(monkeypatch, capsys):
    """Run ``autograder`` in a folder: its exit status, and what it writes to stderr."""

    def run(folder: Path, *arguments: str) -> tuple[int, str]:
        from autograder.cli import main

        monkeypatch.chdir(folder)
        monkeypatch.setattr("sys.argv", ["autograder", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        return int(caught.value.code or 0), capsys.readouterr().err

    return run
