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

from autograder.classroom.grade_class import Grading
from autograder.grading.grade_submission import grade_submission
from autograder.sandbox.isolation import bubblewrap, isolation_problem
from tests.autograder.hostile import FILES, STOPS

pytestmark = pytest.mark.slow

ISOLATED = isolation_problem() is None
ASSIGNMENT = "90_adding"
RIGHT = {
    "add": "def add(a, b):\n    return as_array(a) + as_array(b)",
    "names": "names = ['a', 'b']",
}
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


@pytest.mark.skipif(not ISOLATED, reason="without a sandbox nothing is between the processes")
def test_workers_that_are_killed_lose_and_repeat_nothing(toy, hand_in):
    wanted = {}
    for number in range(10):
        differs = "def add(a, b):\n    return as_array(a) - as_array(b)"
        hand_in(f"s{number}", **(RIGHT if number % 2 else RIGHT | {"add": differs}))
        wanted[f"s{number}"] = 4 if number % 2 else 2
    rng = random.Random(0)
    kills = since = 0
    while kills < 50:
        grading = Grading(toy, ASSIGNMENT, timeout=20, workers=2)
        results = []
        for result in grading.grade(list(wanted), force=True):
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
    with Gradebook(grading.gradebook, "deep_learning") as book:
        found = {s.student_id: s.score for s in book.assignment_submissions(ASSIGNMENT)}
    assert found == wanted


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


def start_grading(toy):
    words = [] if ISOLATED else ["--trust-submissions"]
    return subprocess.Popen(
        [Path(sys.executable).with_name("autograder"), "grade", ASSIGNMENT, "--json",
         "--workers", "2", *words],
        cwd=toy, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def test_a_large_class_whose_grading_is_killed_and_goes_on(toy, large_class):
    saved = toy / "class" / "results" / ASSIGNMENT
    rng = random.Random(1)
    for target in (3, 40, 90, 150):
        process = start_grading(toy)
        below = psutil.Process(process.pid)
        while len(list(saved.glob("*.json"))) < target:
            assert process.poll() is None, "it ended before it was killed"
            time.sleep(0.05)
        time.sleep(rng.random())
        children = below.children(recursive=True)
        process.kill()
        process.communicate()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive, "a killed run leaves processes behind"
    process = start_grading(toy)
    lines, _ = process.communicate(timeout=500)
    assert process.returncode == 0
    results = {result["student"]: result for result in map(json.loads, lines.splitlines())}
    assert {name: (r["status"], r["score"]) for name, r in results.items()} == large_class
    assert all((toy / "class" / "feedback" / name / ASSIGNMENT).is_dir() for name in large_class)
    with Gradebook(Grading(toy, ASSIGNMENT).gradebook, "deep_learning") as book:
        found = [(s.student_id, s.score) for s in book.assignment_submissions(ASSIGNMENT)]
    assert sorted(found) == sorted((name, score) for name, (_, score) in large_class.items())
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
    grading = Grading(toy, ASSIGNMENT, trust_submissions=not ISOLATED, workers=1)
    with pytest.raises(KeyboardInterrupt):
        list(grading.grade(grading.students()))
    assert [(result.status, result.score) for result in grading.results()] == [("graded", 4)]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.undo()
    assert [result.score for result in grading.grade(grading.students())] == [4] * 3


@pytest.mark.skipif(bubblewrap() is None or not ISOLATED, reason="a small disk needs bubblewrap")
def test_a_full_disk_stops_with_a_message_and_loses_nothing(toy, hand_in):
    for number in range(12):
        hand_in(f"s{number}", **RIGHT)
    classes = toy / "class"
    small = toy / "small"
    script = (
        "import shutil, sys, pathlib\n"
        "from autograder.cli import main\n"
        f"small = pathlib.Path({str(small)!r})\n"
        f"shutil.copytree({str(classes / 'submitted')!r}, small / 'submitted')\n"
        "(small / 'ballast').write_bytes(bytes(1_200_000))\n"
        "def run():\n"
        f"    sys.argv = ['autograder', 'grade', {ASSIGNMENT!r}, '--json', '--trust-submissions',"
        " '--class', str(small)]\n"
        "    try: main()\n"
        "    except SystemExit as leave: print('left with', leave.code, flush=True)\n"
        "run()\n"
        "print(len(list(small.glob('results/*/*.json'))), 'saved', flush=True)\n"
        "(small / 'ballast').unlink()\n"
        "run()\n"
    )
    small.mkdir()
    done = subprocess.run(
        [bubblewrap(), "--dev-bind", "/", "/", "--size", "3000000", "--tmpfs", str(small),
         sys.executable, "-c", script],
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
    grading = Grading(toy, ASSIGNMENT, trust_submissions=not ISOLATED)
    jobs = [grading.job(grading.task(student)) for student in grading.students()]
    with ThreadPoolExecutor(2) as pool:
        marked = [scores(notebooks) for notebooks in pool.map(grade_submission, jobs * 20)]
    assert marked == marked[:20] * 20
    assert set(marked[0].values()) == {1, 2}
