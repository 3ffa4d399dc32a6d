"""What may go wrong around grading: killed processes, a killed run, a full disk, a large class."""

import json
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI

from autograder.classroom.assignment import Assignment
from autograder.classroom.folders import ClassFolder
from autograder.classroom.grade_class import make_job, read_task
from autograder.classroom.workers import local
from autograder.grading.conditions import Conditions
from autograder.grading.grade_submission import grade_submission
from autograder.nbgrader_course.settings import COURSE_ID, gradebook_url
from autograder.sandbox.isolation import bubblewrap
from tests.autograder.hostile import FILES, STOPS
from tests.autograder.toy_class import ASSIGNMENT, DIFFERENCE, ISOLATED, RIGHT, grade

pytestmark = pytest.mark.slow

ZYGOTE = "autograder.sandbox.inside.zygote"


def zygotes_and_children():
    """The processes that fork, and those that were forked."""
    mine = psutil.Process().children(recursive=True)
    found = []
    for process in mine:
        try:
            found.append((process, ZYGOTE in process.cmdline()))
        except psutil.Error:
            continue
    python = [process for process, is_python in found if is_python]
    parents = {process.ppid() for process in python if process.is_running()}
    return python, [process for process in python if process.pid not in parents]


def recorded_scores(toy):
    """Points by student, as nbgrader's database has them."""
    with Gradebook(gradebook_url(toy / "class"), COURSE_ID) as book:
        return {s.student_id: s.score for s in book.assignment_submissions(ASSIGNMENT)}


@pytest.mark.skipif(not ISOLATED, reason="without a sandbox nothing is between the processes")
def test_workers_that_are_killed_lose_and_repeat_nothing(toy, hand_in):
    wanted = {}
    for number in range(10):
        hand_in(f"s{number}", **(RIGHT if number % 2 else RIGHT | {"add": DIFFERENCE}))
        wanted[f"s{number}"] = 4 if number % 2 else 2
    rng = random.Random(0)
    kills = since = 0
    while kills < 50:
        results = []
        for result in grade(toy, force=True):
            results.append(result)
            since += 1
            if since < 4 or kills >= 50:
                continue
            everyone, last = zygotes_and_children()
            # Now and then one that forks, whose imports take seconds to be done again.
            victims = everyone if kills % 13 == 12 else last
            if victims:
                try:
                    rng.choice(victims).kill()
                except psutil.NoSuchProcess:
                    continue
                kills, since = kills + 1, 0
        assert sorted(result.student for result in results) == sorted(wanted)
        wrong = [result for result in results if result.score != wanted[result.student]]
        assert not wrong
    assert recorded_scores(toy) == wanted


@pytest.fixture
def large_class(toy, hand_in):
    """Two hundred students, each tenth with something broken; what each should get."""
    broken = [("file", name) for name in FILES] + [("stop", name) for name in STOPS]
    # These take four gigabytes, or run until their time is over.
    broken = [case for case in broken if "memory" not in case[1] and "endless" not in case[1]]
    wanted = {}
    for number in range(200):
        who = f"s{number:03}"
        if number % 10:
            hand_in(who, **RIGHT)
            wanted[who] = ("graded", 4)
            continue
        kind, name = broken[number // 10 % len(broken)]
        if kind == "stop":
            answer, status = STOPS[name]
            hand_in(who, **RIGHT | {"add": answer})
            wanted[who] = (status, 1)
        else:
            change, status = FILES[name]
            change(hand_in(who, **RIGHT))
            wanted[who] = (status, {"no cells": 0}.get(name, 4) if status == "graded" else 0)
    return wanted


def start_grading(toy, stdout=subprocess.PIPE):
    words = [] if ISOLATED else ["--trust-submissions"]
    return subprocess.Popen(
        [Path(sys.executable).with_name("autograder"), "grade", ASSIGNMENT, "--json",
         "--workers", "2", *words],
        cwd=toy, stdout=stdout, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def test_a_large_class_whose_grading_is_killed_and_goes_on(toy, large_class):
    saved = toy / "class" / "results" / ASSIGNMENT
    rng = random.Random(1)
    for target in (3, 40, 90, 150):
        # Nobody reads here: a pipe would be full after a hundred results, and the run would wait.
        process = start_grading(toy, subprocess.DEVNULL)
        below = psutil.Process(process.pid)
        while len(list(saved.glob("*.json"))) < target:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.05)
        time.sleep(rng.random())
        children = below.children(recursive=True)
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive, "a killed run leaves processes behind"
    process = start_grading(toy)
    lines, _ = process.communicate(timeout=500)
    assert process.returncode == 0
    results = {result["student"]: result for result in map(json.loads, lines.splitlines())}
    assert {name: (r["status"], r["score"]) for name, r in results.items()} == large_class
    assert all((toy / "class" / "feedback" / name / ASSIGNMENT).is_dir() for name in large_class)
    assert recorded_scores(toy) == {name: score for name, (_, score) in large_class.items()}
    assert not list((toy / "class").glob(".marked-*"))


def test_interrupted_grading_ends_at_once_and_goes_on(toy, hand_in):
    for number in range(30):
        hand_in(f"s{number}", **RIGHT)
    process = start_grading(toy)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    done = len(list((toy / "class" / "results" / ASSIGNMENT).glob("*.json")))
    assert 0 < done < 30
    lines, _ = start_grading(toy).communicate(timeout=300)
    assert [json.loads(line)["score"] for line in lines.splitlines()] == [4] * 30


def test_an_interrupt_while_nbgrader_writes_takes_effect_afterwards(toy, hand_in, monkeypatch):
    for number in range(3):
        hand_in(f"s{number}", **RIGHT)
    written = NbGraderAPI.autograde

    def interrupted(*words, **options):
        signal.raise_signal(signal.SIGINT)
        return written(*words, **options)

    monkeypatch.setattr(NbGraderAPI, "autograde", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(grade(toy, pool=local(1, ISOLATED)))
    kept = ClassFolder(toy).results(ASSIGNMENT)
    assert [(result.status, result.score) for result in kept] == [("graded", 4)]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.undo()
    assert [result.score for result in grade(toy)] == [4] * 3


# Grades a class in a folder that is nearly full, makes room, and grades again.
FILL_THE_DISK = """\
import pathlib, shutil, sys

from autograder.cli import main

small, submitted, assignment = sys.argv[1:]
small = pathlib.Path(small)
shutil.copytree(submitted, small / "submitted")
ballast = small / "ballast"
ballast.write_bytes(bytes(2_450_000))


def run():
    words = ["grade", assignment, "--json", "--trust-submissions", "--class", str(small)]
    sys.argv = ["autograder", *words]
    try:
        main()
    except SystemExit as leave:
        print("left with", leave.code, flush=True)


run()
print(len(list(small.glob("results/*/*.json"))), "saved", flush=True)
ballast.unlink()
run()
"""


@pytest.mark.skipif(bubblewrap() is None or not ISOLATED, reason="a small disk needs bubblewrap")
def test_a_full_disk_stops_with_a_message_and_loses_nothing(toy, hand_in):
    for number in range(12):
        hand_in(f"s{number}", **RIGHT)
    small = toy / "small"
    small.mkdir()
    done = subprocess.run(
        [bubblewrap(), "--dev-bind", "/", "/", "--size", "3000000", "--tmpfs", str(small),
         sys.executable, "-c", FILL_THE_DISK, str(small), str(toy / "class" / "submitted"),
         ASSIGNMENT],
        cwd=toy, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert "left with 2" in lines, done.stderr[-3000:]
    assert "is full" in done.stderr
    at = lines.index("left with 2")
    before = [json.loads(line)["student"] for line in lines[:at]]
    assert f"{len(before)} saved" in lines
    after = {json.loads(line)["student"]: json.loads(line)["score"] for line in lines[at + 2 : -1]}
    assert 0 < len(before) < 12
    assert after == {f"s{number}": 4 for number in range(12)}


def scores(notebooks):
    """Points by test cell."""
    cells = json.loads(notebooks["adding"])["cells"]
    noted = {cell["id"]: cell["metadata"].get("course", {}) for cell in cells}
    return {name: course["score"] for name, course in noted.items() if "score" in course}


def test_repeated_gradings_are_identical(toy, hand_in):
    variants = [
        RIGHT["add"],
        "def add(a, b):\n    return np.add(a, b)",
        "def add(a, b):\n    return as_array(b) + as_array(a)",
        "add = np.add",
    ]
    for number in range(20):
        hand_in(f"s{number:02}", **RIGHT | {"add": variants[number % 4] + f"\n# {number}"})
    assignment, folder = Assignment(toy, ASSIGNMENT), ClassFolder(toy)
    conditions = Conditions(isolated=ISOLATED)
    key = assignment.key(conditions)
    tasks = [read_task(assignment, folder, who, key) for who in folder.students(ASSIGNMENT)]
    jobs = [make_job(assignment, task, conditions) for task in tasks]
    with ThreadPoolExecutor(2) as pool:
        marked = [scores(notebooks) for notebooks in pool.map(grade_submission, jobs * 20)]
    assert marked == marked[:20] * 20
    assert set(marked[0].values()) == {1, 2}
