"""Past one machine: a Dask cluster grades, and PostgreSQL keeps the gradebook. Both are real."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from autograder.classroom.workers import dask
from autograder.errors import CourseError
from autograder.grading.conditions import Conditions
from autograder.nbgrader_course.settings import gradebook_url
from tests.autograder.toy_class import DIFFERENCE, ISOLATED, RIGHT, grade

pytestmark = pytest.mark.slow


@pytest.fixture
def small_class(hand_in):
    """What each of twelve students should score."""
    answers = [
        (RIGHT, 4),
        (RIGHT | {"add": DIFFERENCE}, 2),
        ({}, 0),
    ]
    for number in range(12):
        hand_in(f"s{number}", **answers[number % 3][0])
    return {f"s{number}": answers[number % 3][1] for number in range(12)}


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as made:
        yield made


def test_a_cluster_grades_as_this_machine_does(toy, small_class, cluster):
    remote = grade(toy, pool=dask(cluster.scheduler_address))
    results = {result.student: result for result in remote}
    assert {name: result.score for name, result in results.items()} == small_class
    again = {result.student: result for result in grade(toy, force=True)}
    assert {name: result.cells for name, result in again.items()} == {
        name: result.cells for name, result in results.items()
    }


def test_a_killed_worker_loses_nothing(toy, small_class, cluster):
    from distributed import Client

    with Client(cluster.scheduler_address, set_as_default=False) as client:
        victims = list(client.run(os.getpid).values())
    seen = []
    for result in grade(toy, pool=dask(cluster.scheduler_address), force=True):
        if not seen:
            os.kill(victims[0], signal.SIGKILL)
        seen.append(result)
    assert sorted(result.student for result in seen) == sorted(small_class)
    assert {result.student: result.score for result in seen} == small_class


def test_a_cluster_that_is_not_there_is_named(toy, small_class):
    nowhere = dask("tcp://127.0.0.1:1", patience=1)
    with pytest.raises(CourseError, match=r"No Dask scheduler answers at tcp://127.0.0.1:1"):
        list(grade(toy, pool=nowhere))


def test_a_worker_with_another_version_refuses(toy, small_class):
    conditions = Conditions(isolated=ISOLATED, environment="another")
    with pytest.raises(CourseError, match="Install the same commit"):
        list(grade(toy, conditions=conditions))


def _postgres_program(name):
    found = shutil.which(name) or next(
        iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    return found and str(found)


@pytest.fixture(scope="module")
def database():
    """The URL of a new database in a server that runs for these tests."""
    if _postgres_program("initdb") is None:
        if os.environ.get("CI"):
            pytest.fail("continuous integration should have installed PostgreSQL")
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # A socket's path must be short, and PostgreSQL does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    who = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}

    def run(program, *words):
        subprocess.run(
            [_postgres_program(program), "-D", str(folder / "data"), *words],
            cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **who,
        )  # fmt: skip

    try:
        run("initdb", "--auth", "trust", "--username", "course", "--no-sync")
        settings = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run("pg_ctl", "--wait", "-l", str(folder / "log"), "-o", settings, "start")
        yield f"postgresql://course@/postgres?host={folder}"
        run("pg_ctl", "--wait", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_gradebook_in_postgresql(toy, small_class, database):
    (toy / "class" / "gradebook.db").unlink()
    results = list(grade(toy, database=database))
    assert {result.student: result.score for result in results} == small_class
    assert not (toy / "class" / "gradebook.db").exists()
    # Nothing is run again, so the seconds are those of the first time.
    again = list(grade(toy, database=database))
    assert {r.student: r.seconds for r in again} == {r.student: r.seconds for r in results}
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "export"],
        cwd=toy, env=os.environ | {"COURSE_GRADEBOOK": database},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (toy / "class" / "grades.csv").open(newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {name: float(row["score"]) for name, row in rows.items()} == small_class
    assert {row["state"] for row in rows.values()} == {"graded"}


def test_a_database_that_is_not_there_is_named(toy, small_class):
    away = "postgresql://course@/postgres?host=/nowhere"
    with pytest.raises(CourseError, match="The gradebook cannot be read"):
        list(grade(toy, database=away))


def test_urls_of_databases(tmp_path):
    assert gradebook_url(tmp_path) == f"sqlite:///{tmp_path}/gradebook.db"
    assert gradebook_url(tmp_path, "postgresql://a:b@c/d") == "postgresql+psycopg://a:b@c/d"
    with pytest.raises(CourseError, match="not the URL of a database"):
        gradebook_url(tmp_path, "over there")
