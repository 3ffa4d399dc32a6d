"""From a platform's archive to its gradebook and its feedback, with the commands, and with
nbgrader's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook as Database
from typer.testing import CliRunner

from autograder.classroom.result_formats import Format, as_results_json
from autograder.classroom.results import Result
from autograder.cli import app
from autograder.errors import CourseError
from autograder.grading.score import CellScore
from autograder.grading.status import Status
from autograder.nbgrader_course.settings import COURSE_ID
from tests.autograder.toy_class import ASSIGNMENT, DIFFERENCE, ISOLATED, RIGHT, grade

ROOT = Path(__file__).parents[3]
FILE = "adding.ipynb"
TRUST = [] if ISOLATED else ["--trust-submissions"]


@pytest.fixture
def autograder(toy, monkeypatch):
    """Run a command of `autograder` in the toy course; what it prints."""
    monkeypatch.chdir(toy)

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, words, env={"COLUMNS": "200"}, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return run


@pytest.fixture
def answered(toy):
    """The released toy lesson with answers, as text."""

    def make(**answers: str) -> str:
        notebook = nbformat.read(toy / "lessons" / ASSIGNMENT / FILE, as_version=4)
        for cell in notebook.cells:
            cell.source = answers.get(cell.id, cell.source)
        return nbformat.writes(notebook)

    return make


def pack(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def in_course(root: Path, *words: str, fails: bool = False) -> str:
    """Run a module in the course; what it says on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=root,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr


def unpack(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


CANVAS = (
    "Student,ID,SIS Login ID,Section,Adding (77),Final Score\r\n"
    "    Points Possible,,,,4.00,(read only)\r\n"
    '"Lovelace, Ada",101,ada,A,,\r\n'
    '"Müller, Jürgen",102,jm,A,,\r\n'
    '"Hopper, Grace",103,gh,A,,\r\n'
)


@pytest.mark.slow
def test_canvas_there_and_back(toy, tmp_path, autograder, answered):
    export = tmp_path / "grades.csv"
    export.write_bytes(CANVAS.encode())
    wrong = answered(**RIGHT | {"add": DIFFERENCE})
    archive = pack(
        tmp_path / "submissions.zip",
        {
            f"lovelaceada_101_9001_{FILE}": answered(**RIGHT),
            "müllerjürgen_LATE_102_9002_adding-1.ipynb": wrong,
            "../outside_103_9003_x.ipynb": wrong,
        },
    )
    said = autograder("collect", ASSIGNMENT, str(archive), "--list", str(export))
    assert "2 submissions from Canvas: 2 new." in said
    assert "Late: müllerjürgen-102." in said
    assert "../outside_103_9003_x.ipynb: its path leads out of the archive." in said
    with Database(f"sqlite:///{toy / 'class' / 'gradebook.db'}", COURSE_ID) as book:
        found = {(each.id, each.last_name, each.lms_user_id) for each in book.students}
    assert found == {
        ("lovelaceada-101", "Lovelace", "101"),
        ("müllerjürgen-102", "Müller", "102"),
        ("hoppergrace-103", "Hopper", "103"),
    }
    said = autograder("grade", ASSIGNMENT, *TRUST)
    assert "missing" in said
    said = autograder("grades", ASSIGNMENT, "--into", str(export))
    assert "hoppergrace-103: nothing was handed in." in said
    expected = CANVAS.replace("ada,A,,", "ada,A,4,").replace("jm,A,,", "jm,A,2,")
    assert export.read_bytes() == expected.encode()
    (before,) = (toy / "class" / "collected" / ASSIGNMENT).glob("before-*")
    assert before.read_bytes() == CANVAS.encode()
    said = autograder("return", ASSIGNMENT)
    assert "feedback for 2 students" in said
    assert "hoppergrace-103: nothing of theirs came with an archive." in said
    feedback = unpack(toy / "class" / "returned" / f"{ASSIGNMENT}-canvas.zip")
    # The names by which Canvas finds the submission.
    assert set(feedback) == {
        f"lovelaceada_101_9001_{FILE}",
        "müllerjürgen_LATE_102_9002_adding-1.ipynb",
    }
    shown = nbformat.reads(feedback["müllerjürgen_LATE_102_9002_adding-1.ipynb"], as_version=4)
    nbformat.validate(shown)
    text = "\n".join(cell.source for cell in shown.cells)
    assert "**2 of 4 points**" in text
    assert "Takes the difference instead of the sum." in text
    assert "as_array(a) - as_array(b)" in text
    for secret in ("as_array(a) + as_array(b)", "assert", "add(-1, 1) == 0"):
        assert secret not in text


@pytest.mark.slow
def test_moodle_there_and_back(toy, tmp_path, autograder, answered):
    worksheet = tmp_path / "worksheet.csv"
    text = (
        "Identifier,Full name,Email address,Status,Group,Grade,Maximum Grade,"
        "Grade can be changed,Last modified (grade)\n"
        'Participant 11,Ada Lovelace,ada@x.org,Submitted,,"","10,00",Yes,-\n'
        'Participant 12,Jürgen Müller,jm@x.org,Submitted,Team Rot,"","10,00",Yes,-\n'
        'Participant 13,Grace Hopper,gh@x.org,Submitted,Team Rot,"","10,00",Yes,-\n'
    )
    worksheet.write_text(text)
    archive = pack(
        tmp_path / "submissions.zip",
        {
            f"Ada Lovelace_11_assignsubmission_file/{FILE}": answered(**RIGHT),
            f"Team Rot_900_assignsubmission_file/{FILE}": answered(**RIGHT | {"add": DIFFERENCE}),
        },
    )
    autograder("collect", ASSIGNMENT, str(archive))
    autograder("grade", ASSIGNMENT, *TRUST)
    said = autograder("grades", ASSIGNMENT, "--into", str(worksheet), "--scale")
    assert "points of 2 students" not in said
    expected = text.replace('Submitted,,"",', 'Submitted,,"10",')
    expected = expected.replace('Team Rot,"",', 'Team Rot,"5",')
    assert worksheet.read_text() == expected
    said = autograder("return", ASSIGNMENT, "--list", str(worksheet))
    feedback = unpack(toy / "class" / "returned" / f"{ASSIGNMENT}-moodle.zip")
    # Moodle takes the participant's number from between the first two underscores.
    owners = {name: name.split("/")[0].split("_", 4)[1:4] for name in feedback}
    assert owners == {
        f"{shown}_{number}_assignsubmission_file/adding.html": [
            number,
            "assignsubmission",
            "file",
        ]
        for shown, number in (("Ada Lovelace", "11"), ("Team Rot", "12"), ("Team Rot", "13"))
    }
    page = feedback["Team Rot_13_assignsubmission_file/adding.html"]
    assert "2 of 4 points." in page
    said = autograder("return", ASSIGNMENT)
    assert "feedback for 2 students" in said


@pytest.mark.slow
def test_results_json_of_one_student(toy, hand_in, autograder):
    hand_in("ada", **RIGHT)
    hand_in("ben", **RIGHT | {"add": DIFFERENCE})
    said = autograder("grade", ASSIGNMENT, "--student", "ben", "--format", "gradescope", *TRUST)
    found = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert found["score"] == 2
    assert sum(test["score"] for test in found["tests"]) == 2
    assert found["stdout_visibility"] == "hidden"
    with pytest.raises(CourseError, match="prints the result of one student, and there are 2"):
        autograder("grade", ASSIGNMENT, "--format", "prairielearn", *TRUST)


def result(**changes) -> Result:
    cells = {"add_test": CellScore(1.0, 2.0, "it is wrong"), "own": CellScore(None, 2.0, "wait")}
    return Result("ada", "90", Status.GRADED, score=1.0, max_score=4.0, cells=cells, **changes)


def test_prairielearn():
    found = json.loads(as_results_json(result(), {"add_test": "add"}, Format.PRAIRIELEARN))
    assert (found["gradable"], found["score"]) == (True, 0.25)
    assert found["tests"][0] == {
        "name": "add: add_test",
        "points": 1.0,
        "max_points": 2.0,
        "message": "it is wrong",
    }
    unread = Result("ada", "90", Status.UNREADABLE, message="It is no notebook.", max_score=4.0)
    found = json.loads(as_results_json(unread, {}, Format.PRAIRIELEARN))
    assert found["gradable"] is False
    assert found["format_errors"] == ["unreadable: It is no notebook."]


def test_results_stay_below_a_megabyte():
    cells = {f"test{number}": CellScore(0.0, 1.0, "x" * 9_000) for number in range(500)}
    long = Result("ada", "90", Status.GRADED, max_score=500.0, cells=cells)
    for form in Format:
        assert len(as_results_json(long, {}, form).encode()) < 1_000_000


@pytest.mark.slow
def test_nbgrader_collects_and_exports(toy, tmp_path, answered):
    archives = toy / "class" / "downloaded" / ASSIGNMENT / "archive"
    archives.mkdir(parents=True)
    pack(
        archives / "submissions.zip",
        {
            f"lovelaceada_101_9001_{FILE}": answered(**RIGHT),
            f"../evil_102_9002_{FILE}": "x",
        },
    )
    said = in_course(toy, "nbgrader", "zip_collect", ASSIGNMENT)
    assert "its path leads out of the archive" in said
    student = "lovelaceada-101"
    assert (toy / "class" / "submitted" / student / ASSIGNMENT / FILE).is_file()
    assert [each.status for each in grade(toy)] == [Status.GRADED]
    export = tmp_path / "grades.csv"
    export.write_bytes(CANVAS.encode())
    exporter = "--exporter=autograder.classroom.platforms.nbgrader_plugins.PlatformExport"
    words = ["nbgrader", "export", exporter, "--to", str(export)]
    in_course(toy, *words, f"--assignment=['{ASSIGNMENT}']")
    assert export.read_bytes() == CANVAS.replace("ada,A,,", "ada,A,4,").encode()
    said = in_course(toy, *words, fails=True)
    assert said.splitlines()[-1].startswith("Name the one assignment")
