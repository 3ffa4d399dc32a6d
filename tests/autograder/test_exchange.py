"""nbgrader's exchange from release to feedback, with `autograder grade` in the middle."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.nbgrader_course.settings import COURSE_ID
from tests.autograder.toy_class import ASSIGNMENT, DIFFERENCE, ISOLATED, RIGHT

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture
def exchange(toy, tmp_path):
    """Run a command as the instructor, in the course's folder, or as a student, in their own."""
    outside, classroom = tmp_path / "exchange", tmp_path / "students"
    for folder in (outside, classroom):
        folder.mkdir(mode=0o777)
    outside.chmod(0o777)
    config = toy / "nbgrader_config.py"
    config.write_text(f"{config.read_text()}\nget_config().Exchange.root = {str(outside)!r}\n")

    def run(*words: str, student: str = "") -> str:
        where = classroom / student if student else toy
        where.mkdir(exist_ok=True)
        if student:
            (where / "nbgrader_config.py").write_text(
                f"c = get_config()\nc.Exchange.root = {str(outside)!r}\n"
                f"c.CourseDirectory.course_id = {COURSE_ID!r}\n"
                f"c.Exchange.cache = {str(where / 'cache')!r}\n"
            )
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "USER": student or "instructor",
            "LOGNAME": student or "instructor",
            "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
            "JUPYTER_DATA_DIR": str(where / "data"),
        }
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=where, capture_output=True, text=True, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stderr

    run.folder = classroom
    return run


def answer(folder: Path, **answers: str) -> None:
    path = folder / "adding.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    nbformat.write(notebook, path)


def test_the_whole_round(toy, exchange):
    exchange("nbgrader", "generate_assignment", ASSIGNMENT, "--force")
    exchange("nbgrader", "release_assignment", ASSIGNMENT)
    answers = {"ada": RIGHT, "ben": RIGHT | {"add": DIFFERENCE}}
    for student, given in answers.items():
        exchange("nbgrader", "fetch_assignment", ASSIGNMENT, student=student)
        answer(exchange.folder / student / ASSIGNMENT, **given)
        exchange("nbgrader", "submit", ASSIGNMENT, f"--student={student}", student=student)
    exchange("nbgrader", "collect", ASSIGNMENT)
    secret = toy / "class" / "submitted" / "ada" / ASSIGNMENT / "submission_secret.txt"
    assert secret.is_file()
    # Of these two nothing came through the exchange.
    (toy / "class" / "submitted" / "cleo").mkdir()
    by_mail = toy / "class" / "submitted" / "dora" / ASSIGNMENT
    by_mail.mkdir(parents=True)
    shutil.copy(secret.with_name("adding.ipynb"), by_mail)
    words = [] if ISOLATED else ["--trust-submissions"]
    exchange("autograder", "grade", ASSIGNMENT, *words)
    for folder in ("autograded", "feedback"):
        kept = toy / "class" / folder / "ada" / ASSIGNMENT / "submission_secret.txt"
        assert kept.read_text() == secret.read_text()
    said = exchange("nbgrader", "release_feedback", ASSIGNMENT)
    assert "Not released, since it was not handed in through the exchange: cleo, dora" in said
    for student, points in (("ada", "4 of 4 points."), ("ben", "2 of 4 points.")):
        exchange("nbgrader", "fetch_feedback", ASSIGNMENT, f"--student={student}", student=student)
        (page,) = (exchange.folder / student / ASSIGNMENT / "feedback").rglob("*.html")
        assert points in page.read_text(encoding="utf-8")


def test_collecting_archives_leaves_the_repository_as_it_is(toy, exchange):
    before = {path.name for path in toy.iterdir()}
    archive = toy / "class" / "downloaded" / ASSIGNMENT / "archive"
    archive.mkdir(parents=True)
    shutil.copy(toy / "lessons" / ASSIGNMENT / "adding.ipynb", archive / "ada_adding.ipynb")
    exchange(
        "nbgrader", "zip_collect", ASSIGNMENT,
        r"--FileNameCollectorPlugin.named_regexp=.*/(?P<student_id>\w+)_(?P<file_id>.+)",
    )  # fmt: skip
    assert (toy / "class" / "submitted" / "ada" / ASSIGNMENT / "adding.ipynb").is_file()
    assert {path.name for path in toy.iterdir()} == before
