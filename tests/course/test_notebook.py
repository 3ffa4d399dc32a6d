"""In a running notebook: ``%check``, and *Run All* on a lesson that is not answered."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import course
from course.cells import note_hidden_tests, text_of
from course.check.answers import NOT_YET, PASSES, RIGHT, UNANSWERED, quiet_kernels
from course.check.lesson import Exercise
from course.check.record import Record, digest
from course.check.session import NOT_TRIED, Standing, standings
from course.notebook import CellRun

SETUP = "import numpy as np\nfrom course.notebook import switch_on\nswitch_on()"


@pytest.fixture
def run_all(toy):
    """Run the toy lesson as an editor does; ``%check`` is its last cell. Its outputs by cell id."""

    def run(where=None, check="%check", **answers: str):
        toy.answer(imports=SETUP, **answers).save()
        notebook = nbformat.from_dict(toy.notebook)
        notebook.cells.append(nbformat.v4.new_code_cell(check, id="check"))
        with quiet_kernels():
            path = str(where or toy.path.parent)
            NotebookClient(notebook, resources={"metadata": {"path": path}}).execute()
        return {cell.id: cell.get("outputs", []) for cell in notebook.cells}

    return run


def test_an_unanswered_lesson_runs_to_its_end_and_says_so_in_one_line(run_all):
    outputs = run_all()
    for name in ("double_value", "double_array", "triple", "triple_value"):
        (output,) = outputs[name]
        assert output.output_type == "error", name
    for name in ("double_value", "double_array", "triple"):
        assert outputs[name][0].ename == "NotImplementedError"
        assert outputs[name][0].traceback == ["This exercise is not answered yet."]


def test_a_wrong_answer_keeps_its_message_and_run_all_goes_on(run_all, toy):
    outputs = run_all(double="def double(x):\n    raise NotImplementedError('soon')")
    assert "soon" in outputs["double_value"][0].traceback[-1]
    assert outputs["check"]


def test_a_broken_cell_of_the_lesson_stops_the_run(run_all):
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        run_all(demo="1 / 0")


def test_check_shows_what_passes_what_does_not_yet_and_why(run_all, toy):
    toy.hide("double_array", 2)
    outputs = run_all(double=toy.DOUBLE, triple="def triple(x):\n    return x")
    assert text_of(outputs["check"]).splitlines() == [
        "✓ double: passes the tests that you see. 2 more, hidden, count too.",
        "✗ triple: not yet. expected 6, got 2",
    ]


def test_check_of_an_unanswered_lesson(run_all):
    assert text_of(run_all()["check"]).splitlines() == [
        "· double: not answered",
        "· triple: not answered",
    ]


@pytest.mark.parametrize(
    ("check", "shown"),
    [
        ("%check triple", ["✓ triple: right"]),
        ("import course\ncourse.check_here('triple')", ["✓ triple: right"]),
        ("%check tripel", ["There is no such exercise. There are: double, triple."]),
        (
            "def triple(x):\n    return 9\n%check triple",
            ["✓ triple: right"],
        ),
    ],
)
def test_check_of_one_exercise(run_all, toy, check, shown):
    outputs = run_all(check=check, double=toy.DOUBLE, triple=toy.TRIPLE)
    assert text_of(outputs["check"]).splitlines() == shown


def test_without_the_lessons_file_cells_with_asserts_are_the_tests(run_all, toy, tmp_path_factory):
    outputs = run_all(tmp_path_factory.mktemp("elsewhere"), double=toy.DOUBLE, triple="triple = 1")
    assert text_of(outputs["check"]).splitlines() == [
        "✓ double: passes the tests that you see",
    ]


def exercise(hidden: int = 0) -> Exercise:
    test = nbformat.v4.new_code_cell("assert f() == 1")
    note_hidden_tests(test, hidden)
    return Exercise("f", "", nbformat.v4.new_code_cell("def f():\n    return 0"), [test])


WRONG, GOOD = "def f():\n    return 0", "def f():\n    return 1"
TEST = "assert f() == 1"


@pytest.mark.parametrize(
    ("runs", "state", "message"),
    [
        ([], NOT_TRIED, ""),
        ([CellRun(WRONG), CellRun(TEST, "f() is 0")], NOT_YET, "f() is 0"),
        ([CellRun(WRONG), CellRun(TEST, "f() is 0"), CellRun(GOOD), CellRun(TEST)], RIGHT, ""),
        (
            [CellRun(GOOD), CellRun(TEST), CellRun(WRONG)],
            NOT_TRIED,
            "The answer has run since: run its tests again.",
        ),
        ([CellRun(WRONG), CellRun(TEST, "NotImplementedError", is_blank=True)], UNANSWERED, ""),
    ],
)
def test_what_the_cells_that_ran_say(runs, state, message):
    assert standings([exercise()], runs) == [Standing("f", state, message)]
    expected = PASSES if state == RIGHT else state
    assert standings([exercise(hidden=1)], runs)[0].state == expected


def test_outside_a_notebook_there_is_nothing_to_check():
    with pytest.raises(RuntimeError, match=r"course\.setup\(\)"):
        course.check_here()


def test_check_notes_what_it_shows(run_all, toy, tmp_path, monkeypatch):
    path = tmp_path / "progress.json"
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    run_all(double=toy.DOUBLE)
    noted = Record(path).read()["toy"]
    assert noted["double"].passed
    assert noted["double"].answer == digest(toy.DOUBLE)
    assert "triple" not in noted
