"""``course check`` on copies of a toy lesson, as students leave them."""

from __future__ import annotations

import io
import json

import nbformat
import pytest
from rich.console import Console
from traitlets.log import get_logger
from typer.testing import CliRunner

from course.check import Report, check
from course.check.answers import ERROR, HIDDEN, NOT_YET, PASSES, RIGHT, UNANSWERED, UNTESTED
from course.check.show import show
from course.cli import app, main
from course.lessons import LessonError, find_notebook


def states(report: Report) -> dict[str, str]:
    return {outcome.name: outcome.state for outcome in report.exercises}


def messages(report: Report) -> dict[str, str]:
    return {outcome.name: outcome.message for outcome in report.exercises}


def warnings(report: Report) -> str:
    return "\n".join(text for outcome in report.exercises for text in outcome.warnings)


def printed(report: Report) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(report, console)
    return console.file.getvalue()


@pytest.mark.slow
def test_the_process_logs_as_before(toy):
    before = get_logger().level
    check(toy.path, whole=False)
    assert get_logger().level == before


def test_right_answers_are_right(toy):
    path = toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE).save()
    report = check(path, whole=False)
    assert states(report) == {"double": RIGHT, "triple": RIGHT}
    assert report.is_done
    assert [(e.title, e.passed, e.tests) for e in report.exercises] == [
        ("Twice as much", 2, 2),
        ("Three times", 1, 1),
    ]


def test_an_untouched_lesson_is_not_answered(toy):
    report = check(toy.path, whole=False)
    assert states(report) == {"double": UNANSWERED, "triple": UNANSWERED}
    assert not report.is_done
    assert "0 of 2 exercises pass the tests that you see" in printed(report)


def test_a_wrong_answer_gets_the_asserts_message_and_no_traceback(toy):
    path = toy.answer(double=toy.DOUBLE, triple="def triple(x):\n    return x").save()
    report = check(path, whole=False)
    assert states(report) == {"double": RIGHT, "triple": NOT_YET}
    assert messages(report)["triple"] == "expected 6, got 2"
    assert "Traceback" not in printed(report)


def test_an_error_names_its_kind_and_the_line_of_the_answer(toy):
    path = toy.answer(double="def double(x):\n    y = 1\n    return x.no").save()
    report = check(path, whole=False)
    assert states(report)["double"] == ERROR
    assert messages(report)["double"] == (
        "AttributeError: 'int' object has no attribute 'no'\nin line 3 of your answer: return x.no"
    )


def test_a_syntax_error_and_a_top_level_error_are_errors(toy):
    path = toy.answer(double="def double(x:\n    return x", triple="triple = 1 / 0").save()
    report = check(path, whole=False)
    assert states(report) == {"double": ERROR, "triple": ERROR}
    assert messages(report)["double"].startswith("SyntaxError: '(' was never closed\nin line 1")
    assert "ZeroDivisionError" in messages(report)["triple"]


def test_a_stub_left_in_a_changed_cell_is_not_answered(toy):
    path = toy.answer(triple="# thinking about it\nraise NotImplementedError()").save()
    assert states(check(path, whole=False))["triple"] == UNANSWERED


def test_an_assert_in_the_answer_is_an_error_of_the_answer(toy):
    path = toy.answer(triple="def triple(x):\n    assert x > 5\n    return 3 * x").save()
    report = check(path, whole=False)
    assert states(report)["triple"] == ERROR
    assert "line 2 of your answer: assert x > 5" in messages(report)["triple"]


def test_a_log_line_on_stderr_is_no_failure(toy):
    answer = f"import sys\n{toy.TRIPLE.replace('return', 'print(1, file=sys.stderr); return')}"
    assert states(check(toy.answer(triple=answer).save(), whole=False))["triple"] == RIGHT


def test_an_endless_loop_and_a_dead_kernel_are_reported(toy):
    path = toy.answer(double="while True:\n    pass", triple="import os\nos._exit(1)").save()
    report = check(path, whole=False, timeout=2)
    assert states(report) == {"double": ERROR, "triple": ERROR}
    assert "took too long" in messages(report)["double"]
    assert "Python ended" in messages(report)["triple"]


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        ([], "a cell of your own"),
        (["demo"], "a cell that only shows something"),
        (["full-size"], "a cell that only shows something"),
    ],
)
def test_a_helper_that_grading_does_not_see_is_named(toy, tags, what):
    if tags:
        toy.answer(demo="def helper(x):\n    return 3 * x")
        toy.cell("demo").metadata.tags = tags
    else:
        toy.add("double", "def helper(x):\n    return 3 * x")
    path = toy.answer(double=toy.DOUBLE, triple="def triple(x):\n    return helper(x)").save()
    report = check(path, whole=False)
    assert states(report) == {"double": RIGHT, "triple": ERROR}
    assert "`helper`" in warnings(report)
    assert what in warnings(report)


def test_a_warning_alone_is_not_all_right(toy):
    toy.add("double", "spare = 1")
    answer = "def triple(x):\n    return 3 * x if x else spare"
    report = check(toy.answer(double=toy.DOUBLE, triple=answer).save(), whole=False)
    assert states(report)["triple"] == RIGHT
    assert "`spare`" in warnings(report)
    assert not report.is_done


def test_a_module_next_to_the_notebook_is_not_seen(toy):
    (toy.path.parent / "mine.py").write_text("three = 3")
    answer = "from mine import three\ndef triple(x):\n    return three * x"
    report = check(toy.answer(triple=answer).save(), whole=False)
    assert states(report)["triple"] == ERROR
    assert "Imports mine" in warnings(report)


def test_a_name_that_lesson_and_student_define_is_the_lessons(toy):
    toy.add("double", "import numpy as np")
    path = toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE).save()
    assert check(path, whole=False).is_done


def test_a_changed_test_is_said(toy):
    path = toy.answer(triple_value="assert True").save()
    report = check(path, whole=False)
    assert "test cell triple_value was changed" in warnings(report)
    assert not report.is_done


def test_tags_of_the_students_do_not_skip_a_test(toy):
    toy.answer(triple="def triple(x):\n    return x")
    toy.cell("triple_value").metadata["tags"] = ["skip-execution", "raises-exception"]
    assert states(check(toy.save(), whole=False))["triple"] == NOT_YET


def test_moved_copied_and_deleted_cells(toy):
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE)
    cells = toy.notebook.cells
    cells.insert(0, cells.pop(cells.index(toy.cell("triple"))))
    copy = nbformat.from_dict(toy.cell("double"))
    copy.id = "pasted"
    cells.append(copy)
    cells.remove(toy.cell("demo"))
    report = check(toy.save(), whole=False)
    assert states(report) == {"double": RIGHT, "triple": RIGHT}
    assert "1 of the lesson's cells is missing" in report.problems[0]
    assert "copy of the cell double" in report.problems[1]


def test_a_broken_cell_of_the_lesson_is_a_problem(toy):
    path = toy.answer(imports="import no_such_module_here").save()
    report = check(path, whole=False)
    assert "no_such_module_here" in report.problems[0]


def test_nothing_is_right_while_tests_are_hidden(toy):
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE).hide("double_array", 1).hide("triple_value", 3)
    report = check(toy.save(), whole=False)
    assert states(report) == {"double": PASSES, "triple": PASSES}
    assert messages(report) == {
        "double": "1 more, which you do not see, decides 2 of its 4 points.",
        "triple": "3 more, which you do not see, decide 2 of its 2 points.",
    }
    assert "Points: 2 of 6 are certain, 4 more depend on tests that you do not see." in printed(
        report
    )


def test_a_notebook_that_does_not_tell_what_is_hidden_is_not_called_right(toy):
    del toy.cell("triple_value").metadata["course"]
    report = check(toy.answer(triple=toy.TRIPLE).save(), whole=False)
    assert states(report)["triple"] == PASSES
    assert messages(report)["triple"] == "Grading may also run tests that you do not see."


def test_a_test_that_is_all_hidden_is_not_counted_as_passed(toy):
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE)
    toy.hide("double_array", 2, "# Hidden tests: arrays.").hide("triple_value", 1, "# Hidden.")
    double, triple = check(toy.save(), whole=False).exercises
    assert (double.state, double.passed, double.tests) == (PASSES, 1, 1)
    assert (double.earned, double.open_points, double.points) == (2, 2, 4)
    assert (triple.state, triple.passed, triple.tests) == (HIDDEN, 0, 0)
    assert (triple.earned, triple.open_points, triple.points) == (0, 2, 2)


def test_points_of_failed_and_unanswered_exercises_are_not_counted(toy):
    answer = "def double(x):\n    return 2 * x"
    report = check(toy.answer(double=answer).hide("double_value", 1).save(), whole=False)
    double, triple = report.exercises
    assert (double.state, triple.state) == (ERROR, UNANSWERED)
    assert "AttributeError: 'list' object" in double.message
    assert (double.earned, double.open_points) == (0, 2)
    assert (triple.earned, triple.open_points) == (0, 0)


def test_deleted_tests_are_said(toy):
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE).delete("double_array", "triple_value")
    report = check(toy.save(), whole=False)
    assert states(report) == {"double": RIGHT, "triple": UNTESTED}
    assert "missing from your notebook, so nothing was compared" in messages(report)["triple"]
    assert "The test cell double_array is missing" in warnings(report)
    assert "The test cell triple_value is missing" in warnings(report)
    assert "1 of 2 exercises pass" in printed(report)
    assert not report.is_done


@pytest.mark.parametrize(
    "kernelspec",
    [
        {"name": "colab", "display_name": "Python 3 (Colab)"},
        {"name": "venv-3.12", "display_name": ".venv (3.12.1)", "language": "python"},
    ],
)
def test_the_kernel_that_another_editor_has_named_is_not_needed(toy, kernelspec):
    toy.notebook.metadata["kernelspec"] = kernelspec
    assert states(check(toy.answer(triple=toy.TRIPLE).save(), whole=False))["triple"] == RIGHT


def test_a_notebook_in_another_language_is_refused(toy):
    kernelspec = {"name": "ir", "display_name": "R", "language": "R"}
    toy.notebook.metadata["kernelspec"] = kernelspec
    with pytest.raises(LessonError, match="a notebook for a kernel of R"):
        check(toy.save())


def test_where_a_cell_of_the_lesson_fails_is_said_in_sentences(toy):
    path = toy.answer(imports="def f():\n    1 / 0\n\n\nf()").save()
    (problem,) = check(path, whole=False).problems
    assert "in line 2 of the cell: 1 / 0. You changed this cell." not in problem
    assert "in line 2 of the cell: 1 / 0. Compare it with a fresh copy" in problem
    path = toy.answer(imports="while True:\n    pass").save()
    (problem,) = check(path, whole=False, timeout=2).problems
    assert "a loop that never ends. Compare it" in problem


def test_only_the_named_exercises_run(toy):
    toy.answer(double="1 / 0", triple=toy.TRIPLE)
    report = check(toy.save(), only=["triple"])
    assert states(report) == {"triple": RIGHT}
    assert report.whole is None
    with pytest.raises(LessonError, match=r"no exercise 'tripel'\. Did you mean triple\?"):
        check(toy.path, only=["tripel"])


def test_an_answer_that_uses_another_runs_with_it(toy):
    toy.answer(double=toy.DOUBLE, triple="def triple(x):\n    return double(x) + x")
    assert states(check(toy.save(), only=["triple"])) == {"triple": RIGHT}


@pytest.mark.slow
def test_only_what_has_changed_runs_again(toy, tmp_path):
    def again(**options):
        report = check(toy.save(), whole=False, memory=tmp_path / "memory", **options)
        return [(e.name, e.state, e.unchanged) for e in report.exercises]

    toy.answer(double=toy.DOUBLE)
    assert again() == [("double", RIGHT, False), ("triple", UNANSWERED, False)]
    assert again() == [("double", RIGHT, True), ("triple", UNANSWERED, True)]
    toy.answer(triple="def triple(x):\n    return double(x) + x")
    assert again() == [("double", RIGHT, True), ("triple", RIGHT, False)]
    toy.answer(double="def double(x):\n    return x")
    assert again() == [("double", NOT_YET, False), ("triple", NOT_YET, False)]
    assert again(force=True) == [("double", NOT_YET, False), ("triple", NOT_YET, False)]
    next((tmp_path / "memory").iterdir()).write_text("{")
    assert again(only=["triple"]) == [("triple", NOT_YET, False)]


def test_warnings_are_new_where_the_rest_is_unchanged(toy, tmp_path):
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE)
    check(toy.save(), whole=False, memory=tmp_path / "memory")
    toy.delete("demo")
    report = check(toy.save(), whole=False, memory=tmp_path / "memory")
    assert all(outcome.unchanged for outcome in report.exercises)
    assert report.problems


def test_a_notebook_not_made_here_may_import_its_neighbours(toy):
    del toy.notebook.metadata["course"]
    (toy.path.parent / "mine.py").write_text("three = 3")
    answer = "from mine import three\ndef triple(x):\n    return three * x"
    report = check(toy.answer(double=toy.DOUBLE, triple=answer).save(), whole=False)
    assert report.is_done


# The notebook as a whole.


@pytest.mark.slow
def test_a_byte_order_mark_is_no_part_of_the_notebook(toy):
    path = toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE).save()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    report = check(path)
    assert report.is_done, printed(report)
    assert report.whole.ran == 8


@pytest.mark.slow
def test_the_whole_notebook_runs_and_states_the_lessons_result(toy):
    report = check(toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE).save())
    assert report.is_done
    assert (report.whole.cells, report.whole.ran, report.whole.compared) == (8, 8, 1)
    assert "runs from top to bottom: 8 code cells" in printed(report)


@pytest.mark.slow
def test_a_file_that_has_not_changed_is_not_run_again(toy, tmp_path):
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE).save()
    first, second = (check(toy.path, memory=tmp_path / "memory") for _ in range(2))
    assert (first.whole.unchanged, second.whole.unchanged) == (False, True)
    assert second.is_done
    assert "unchanged since the last check" in printed(second)


@pytest.mark.slow
def test_what_runs_at_full_size_is_left_out(toy):
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE, demo="1 / 0")
    toy.cell("demo").metadata.tags = ["full-size"]
    report = check(toy.save())
    assert report.is_done
    assert (report.whole.cells, report.whole.ran) == (8, 7)


@pytest.mark.slow
def test_unanswered_exercises_are_no_breakage(toy):
    toy.add("triple_value", "print(triple_of_nothing)")
    report = check(toy.save())
    assert [(p.cell, p.kind) for p in report.whole.problems] == [
        (7, "waiting"),
        (8, "waiting"),
        (10, "waiting"),
        (11, "waiting"),
        (12, "waiting"),
    ]


@pytest.mark.slow
def test_a_changed_result_is_seen_and_stderr_is_not(toy):
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE, demo="1 / 0")
    toy.answer(result='import sys\nprint("one and one: 3")\nprint("log", file=sys.stderr)')
    report = check(toy.save())
    kinds = [(p.cell, p.kind) for p in report.whole.problems]
    assert kinds == [(3, "breaks"), (4, "result")]
    assert "the lesson shows:\none and one: 2" in report.whole.problems[1].message


@pytest.mark.slow
def test_the_students_own_outputs_are_compared(toy):
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE)
    for cell, text in (
        (toy.cell("result"), "one and one: 2\n"),
        (toy.add("double", "print(1)", tags=["nbval-check-output"]), "2\n"),
    ):
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
        cell.execution_count = 1
    report = check(toy.save())
    assert [(p.cell, p.kind) for p in report.whole.problems] == [(6, "result")]
    assert report.whole.compared == 1


@pytest.mark.slow
def test_a_kernel_that_dies_ends_the_whole_run_at_once(toy):
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE, demo="import os\nos._exit(1)")
    # A cell may take longer than the test: waiting for it to time out would fail.
    report = check(toy.save(), timeout=6_000)
    assert [(p.cell, p.kind) for p in report.whole.problems] == [(3, "stopped")]


# Bad input: a sentence that says what, where and what to do.


def broken(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ('{"cells": [', "line 1, column 12"),
        (b"\xff\xfe\x00", "not UTF-8"),
        ("[]", "has no cells"),
        ('{"worksheets": [], "nbformat": 3, "metadata": {}}', "format 4"),
        (
            '{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
            "not a valid notebook",
        ),
        ('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "no exercise"),
    ],
)
def test_a_file_that_is_no_lesson(toy, text, said):
    with pytest.raises(LessonError, match=r"toy\.ipynb") as error:
        check(broken(toy.path, text))
    assert said in str(error.value)


def test_damaged_metadata_is_said(toy):
    del toy.notebook.metadata["course"]
    copy = nbformat.from_dict(toy.cell("double"))
    copy.id = "pasted"
    toy.notebook.cells.append(copy)
    with pytest.raises(LessonError, match="Duplicate grade id: double"):
        check(toy.save())
    toy.cell("triple").metadata.nbgrader["schema_version"] = 99
    with pytest.raises(LessonError, match="too new"):
        check(toy.save())


def test_lessons_are_found_by_name(toy, monkeypatch):
    monkeypatch.chdir(toy.path.parent)
    for name in ("99_toy", "toy", "99"):
        assert find_notebook(name) == toy.path
    with pytest.raises(LessonError, match="Did you mean 99_toy"):
        check("99_toi")
    with pytest.raises(LessonError, match=r"no file or folder .*Did you mean toy\.ipynb"):
        check("./toi.ipynb")


def test_two_notebooks_none_and_another_file(toy):
    folder = toy.path.parent
    (folder / "toy copy.ipynb").write_text("{}")
    with pytest.raises(LessonError, match="has 2 notebooks"):
        check(folder)
    (folder / "notes.txt").write_text("")
    with pytest.raises(LessonError, match="not a notebook"):
        check(folder / "notes.txt")
    (folder / "empty").mkdir()
    with pytest.raises(LessonError, match="has no notebook"):
        check(folder / "empty")


def test_exit_codes_and_json(toy, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["course", "check", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        return exit_.value.code

    toy.answer(double=toy.DOUBLE).save()
    result = CliRunner().invoke(app, ["check", str(toy.path), "--json", "--no-notebook"])
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["done"] is False
    assert [e["state"] for e in report["exercises"]] == [RIGHT, UNANSWERED]
    toy.answer(triple=toy.TRIPLE).save()
    assert run(toy.path, "--no-notebook") == 0
    assert "2 of 2 exercises pass the tests that you see" in capsys.readouterr().out
    assert run(toy.path.parent / "nothing") == 2
    assert "Error: There is no file or folder" in capsys.readouterr().err
