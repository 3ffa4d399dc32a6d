"""Environment, repository, data and temporary folder behind links, or with unusual names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.errors import IsolationError
from autograder.sandbox.isolation import isolation_problem
from autograder.sandbox.workplace import Workplace
from tests.autograder.toy_class import ASSIGNMENT, DIFFERENCE, RIGHT

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]
ODD = "Übung 1 (größer, neu)"


@pytest.fixture(params=["links", "links to unusual names"])
def place(request, toy, tmp_path) -> tuple[Path, dict[str, str], Path]:
    """The course, the environment's variables and its Python, each reached through links: one to
    the folder itself, or one to a folder further up."""
    real = tmp_path / (ODD if "unusual" in request.param else "real")
    link = tmp_path / (f"{ODD} link" if "unusual" in request.param else "link")
    for name in ("course", "temporary", "data"):
        (real / name).mkdir(parents=True)
    link.symlink_to(real, target_is_directory=True)
    toy.rename(real / "course" / "toy")
    (real / "environment").symlink_to(sys.prefix, target_is_directory=True)
    (real / "code").symlink_to(REPOSITORY, target_is_directory=True)
    variables = os.environ | {
        "PYTHONPATH": str(link / "code"),
        "TMPDIR": str(link / "temporary"),
        "COURSE_DATA_DIR": str(link / "data" / "sets"),
        "COURSE_CLASS_DIR": str(link / "course" / "toy" / "class"),
        "COURSE_RUNTIME_DIR": str(link / "run"),
    }
    return link / "course" / "toy", variables, link / "environment" / "bin" / "python"


@pytest.mark.skipif(isolation_problem() is not None, reason="there is no sandbox here")
def test_grading_and_checking_work_there(place):
    root, variables, python = place
    released = root / "lessons" / ASSIGNMENT / "adding.ipynb"
    for student, answers in {"ada": RIGHT, "b en": RIGHT | {"add": DIFFERENCE}}.items():
        notebook = json.loads(released.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            cell["source"] = answers.get(cell["id"], cell["source"])
        path = root / "class" / "submitted" / student / ASSIGNMENT / "adding.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")

    def run(*words: str) -> str:
        done = subprocess.run(
            [python, "-m", *words], cwd=root, env=variables, capture_output=True, text=True
        )
        assert done.returncode in {0, 1}, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout

    lines = run("autograder", "grade", ASSIGNMENT, "--json").splitlines()
    results = {result["student"]: result for result in map(json.loads, lines)}
    assert {name: (r["status"], r["score"]) for name, r in results.items()} == {
        "ada": ("graded", 4), "b en": ("graded", 2)
    }  # fmt: skip
    assert (root / "class" / "feedback" / "b en" / ASSIGNMENT / "adding.html").is_file()
    checked = json.loads(run("course", "check", str(path), "--no-notebook", "--json"))
    states = {exercise["name"]: exercise["state"] for exercise in checked["exercises"]}
    assert states == {"add": "not yet", "names": "right"}


def test_data_that_cannot_be_kept_anywhere_is_said(monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", "/proc/sets")
    with pytest.raises(IsolationError, match=r"/proc/sets, cannot be made.*COURSE_DATA_DIR"):
        Workplace(isolated=True)
