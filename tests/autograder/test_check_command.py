"""`autograder check`: all gates, each finding with its place and what to do."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.notebooks.source import all_lessons
from autograder.publish import check
from tests.files import replace_once


@pytest.fixture
def run(course, monkeypatch):
    """Run ``autograder check`` in the course: exit status, and the lines that it prints."""
    monkeypatch.chdir(course)

    def run(*arguments: str) -> tuple[int, list[str]]:
        done = CliRunner().invoke(app, ["check", *arguments])
        return done.exit_code, done.stdout.splitlines()

    return run


def test_a_good_course_passes(course, run):
    assert run("--quick") == (0, ["1 lessons checked, 0 findings."])
    assert run("--quick", "--json") == (0, [])


def test_steps_are_as_many_as_announced(course):
    gates = check.gates(course, all_lessons(course), whole=True)
    assert [gate.name for gate in gates] == ["coverage", "terms", "style", "leaks", "drift"]
    for gate in gates:
        assert len(list(gate.findings)) == gate.steps


def test_each_gate_says_where_and_what_to_do(course, run):
    lesson = course / "lessons" / "90_adding" / "adding.ipynb"
    replace_once(lesson, "Write `names`, a list of two strings.", "return np.add(a, b)")
    replace_once(lesson, "## Two and two", "#### Two and two")
    replace_once(course / "solutions" / "coverage.yml", "Two and two", "Your turn")
    code, lines = run("--quick", "--json")
    assert code == 1
    rows = [json.loads(line) for line in lines]
    source, released = "solutions/90_adding/adding.py", "lessons/90_adding/adding.ipynb"
    assert [(row["gate"], row["file"], row["cell"]) for row in rows] == [
        ("coverage", source, None),
        ("style", released, 3),
        ("leaks", released, 10),
        ("drift", released, 3),
    ]
    assert rows[1]["problem"] == "'Two and two' is of level 4 and follows a heading of level 1"
    assert rows[1]["remedy"] == "headings go down one level at a time"
    assert all(row["problem"] and row["remedy"] for row in rows)
    code, lines = run("--quick")
    assert code == 1
    assert lines == [
        *(
            f"{row['gate']} · {row['file']}{f', cell {cell}' if (cell := row['cell']) else ''}"
            f"{f', line {line}' if (line := row['line']) else ''}: {row['problem']}: "
            f"{row['remedy']}."
            for row in rows
        ),
        "1 lessons checked, 4 findings.",
    ]


def test_a_chosen_lesson_is_looked_at_alone(course, run):
    (course / "README.md").write_text("Nothing.")
    (course / "lessons" / "90_adding" / "more.py").write_text("a = 1")
    code, lines = run("--quick", "90_adding")
    assert code == 1
    assert len(lines) == 2
    assert "more.py: no source makes this file: remove it" in lines[0]


def test_an_unknown_lesson_is_an_error(course, command):
    code, shown = command(course, "check", "91_nothing")
    assert code == 2
    assert "There is no lesson '91_nothing'" in shown


@pytest.mark.slow
def test_proofs_belong_to_it(course, run):
    source = course / "solutions" / "90_adding" / "adding.py"
    replace_once(source, "shape == (2,)", "shape != (3,)")
    code, lines = run("--json")
    assert code == 1
    rows = {row["problem"]: row for line in lines if (row := json.loads(line))["gate"] == "proof"}
    row = rows.pop("add misconception 2, survived: a wrong answer gets all points")
    assert row["file"] == "solutions/90_adding/adding.py"
    assert row["cell"] == 11
    assert row["remedy"].startswith("let a test of this exercise fail")
    # The others are answers that compute nothing, which such a test lets pass as well.
    assert all(" misconception " not in problem for problem in rows)
