"""Grading a class: scores, states, feedback, and that no submission stops the others."""

import csv
import json
import re
import subprocess
import sys

import nbformat
import nbgrader.api
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook
from nbgrader.tests import create_grade_and_solution_cell, create_grade_cell, create_solution_cell

import autograder.cli
from autograder.classroom.assignment import Assignment
from autograder.classroom.folders import ClassFolder
from autograder.classroom.gradebook import Gradebook
from autograder.errors import CourseError
from autograder.gates import leaks
from autograder.grading.conditions import Conditions
from autograder.nbgrader_course.feedback_page import make_page
from autograder.nbgrader_course.settings import COURSE_ID
from tests.autograder import toy_class
from tests.autograder.hostile import EDITS, FILES
from tests.autograder.toy_class import ASSIGNMENT, DIFFERENCE, ISOLATED, RIGHT


@pytest.fixture
def grade(toy):
    """Grade everything that was handed in; results by student."""

    def run(**options):
        conditions = Conditions(timeout=5, isolated=ISOLATED)
        results = toy_class.grade(toy, conditions=conditions, **options)
        return {result.student: result for result in results}

    return run


def feedback(toy, student):
    return (toy / "class" / "feedback" / student / "90_adding" / "adding.html").read_text()


def test_scores_and_messages(toy, hand_in, grade):
    hand_in("ada", **RIGHT)
    hand_in("ben", **RIGHT | {"add": DIFFERENCE})
    hand_in("cleo")
    results = grade()
    assert {name: result.score for name, result in results.items()} == {
        "ada": 4, "ben": 2, "cleo": 0
    }  # fmt: skip
    assert {result.status for result in results.values()} == {"graded"}
    message = results["ben"].cells["add_numbers"].message
    assert message == "add(1, 2) should be 3, and is -1.0: is it a sum?"
    assert results["cleo"].cells["add_numbers"].message == "Not answered."
    assert "add(1, 2) should be 3, and is -1.0" in feedback(toy, "ben")
    assert "3 of 3 points." in feedback(toy, "ada")


def test_a_known_mistake_is_recognised(toy, hand_in, grade):
    hand_in("ben", **RIGHT | {"add": "def add(a, b):\n    c = as_array(a)\n    return c - b"})
    hand_in("cleo", **RIGHT | {"add": "def add(a, b):\n    return as_array(a) * 7"})
    results = grade()
    assert results["ben"].misconceptions == {"add": "Takes the difference instead of the sum."}
    assert "known mistake:</strong> Takes the difference" in feedback(toy, "ben")
    assert results["cleo"].misconceptions == {}


def test_a_known_mistake_is_told_only_where_its_tests_are_what_they_were(toy, hand_in, grade):
    path = toy / "solutions" / "90_adding" / "adding.ipynb"
    notebook = nbformat.read(path, as_version=4)
    (test,) = (cell for cell in notebook.cells if cell.id == "add_arrays")
    test.source = test.source.replace("np.ones(2), np.ones(2)", "np.ones(2), np.zeros(2)")
    nbformat.write(notebook, path)
    hand_in("ben", **RIGHT | {"add": DIFFERENCE})
    result = grade()["ben"]
    assert result.score == 2
    assert result.misconceptions == {}


def test_no_hidden_test_in_feedback(toy, hand_in, grade):
    hand_in(
        "ben", **RIGHT | {"add": "def add(a, b):\n    return abs(as_array(a)) + abs(as_array(b))"}
    )
    assert grade()["ben"].cells["add_numbers"].score == 0
    page = feedback(toy, "ben")
    assert "the sum of -1 and 1 should be 0" in page
    assert "assert add(-1, 1)" not in page.replace("&quot;", '"')
    assert "BEGIN HIDDEN" not in page
    (path,) = ClassFolder(toy).feedback("ben", ASSIGNMENT)
    assert leaks.check_feedback(path, leaks.collect(toy)) == []


def test_an_error_names_the_line_of_the_answer(hand_in, grade):
    hand_in("ada", **RIGHT | {"add": "def add(a, b):\n    return a.nothing"})
    message = grade()["ada"].cells["add_numbers"].message
    assert message.startswith("AttributeError")
    assert "(line 2 of the answer)" in message


def test_an_answer_that_does_not_compile_says_so(hand_in, grade):
    hand_in("ada", **RIGHT | {"add": "def add(a, b)\n    return a + b"})
    result = grade()["ada"]
    assert "The answer itself did not run. SyntaxError" in result.cells["add_numbers"].message
    assert result.score == 1


@pytest.mark.parametrize("own_cell", [True, False])
def test_a_helper_in_another_cell_is_explained(toy, hand_in, grade, own_cell):
    path = hand_in("ada", **RIGHT | {"add": "def add(a, b):\n    return plus(a, b)"})
    notebook = nbformat.read(path, as_version=4)
    plus = "def plus(a, b):\n    return a + b"
    if own_cell:
        notebook.cells.insert(1, nbformat.v4.new_code_cell(plus))
    else:
        (lesson,) = (cell for cell in notebook.cells if "def as_array" in cell.source)
        lesson.source += "\n\n" + plus
    nbformat.write(notebook, path)
    message = grade()["ada"].cells["add_numbers"].message
    assert "You define plus in another cell" in message


@pytest.mark.slow
def test_every_broken_submission_has_a_state_and_feedback(toy, hand_in, grade):
    hand_in("ada", **RIGHT)
    hand_in("loop", **RIGHT | {"add": "while True:\n    pass"})
    hand_in("stubborn", **RIGHT | {
        "add": "def add(a, b):\n    while True:\n        try:\n            while True: pass\n"
        "        except BaseException: pass"
    })  # fmt: skip
    hand_in("dies", **RIGHT | {"add": "import os\ndef add(a, b):\n    os._exit(0)"})
    broken = hand_in("broken")
    broken.write_text(broken.read_text()[:300])
    empty = hand_in("empty")
    empty.write_bytes(b"")
    binary = hand_in("binary")
    binary.write_bytes(bytes(range(256)) * 10)
    linked = hand_in("linked", **RIGHT)
    linked.rename(toy / "elsewhere.ipynb")
    linked.symlink_to(toy / "elsewhere.ipynb")
    future = hand_in("future", **RIGHT)
    future.write_text(future.read_text().replace('"nbformat": 4', '"nbformat": 5'))
    (toy / "class" / "submitted" / "absent").mkdir()
    results = grade()
    assert {name: result.status for name, result in results.items()} == {
        "ada": "graded", "loop": "timeout", "stubborn": "timeout", "dies": "died",
        "broken": "unreadable", "empty": "unreadable", "binary": "unreadable",
        "linked": "refused", "future": "unreadable", "absent": "missing",
    }  # fmt: skip
    # The other exercise of an answer that hangs or dies is still graded.
    assert [results[name].score for name in ("ada", "loop", "stubborn", "dies")] == [4, 1, 1, 1]
    assert "breaks off or is wrong at line" in results["broken"].message
    for name, result in results.items():
        assert result.max_score == 4
        assert name == "ada" or result.message
        if name != "ada":
            assert result.status.capitalize() in feedback(toy, name)


def test_a_notebook_under_another_name_is_graded_and_both_are_told(toy, hand_in, grade):
    path = hand_in("ada", **RIGHT)
    path.rename(path.with_name("adding (1).ipynb"))
    result = grade()["ada"]
    assert (result.status, result.score) == ("graded", 4)
    assert "adding (1).ipynb was graded" in result.notes[0]
    assert "adding (1).ipynb was graded" in feedback(toy, "ada")


def test_only_answers_are_taken(hand_in, grade):
    path = hand_in("mallory", add="def add(a, b):\n    return 0")
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "pass"
            cell.metadata.nbgrader.points = 100
            cell.metadata.nbgrader.schema_version = 99
    notebook.cells.append(nbformat.v4.new_code_cell("class Any:\n    __eq__ = lambda *_: True"))
    notebook.cells += [cell for cell in notebook.cells if cell.id.startswith("add")]
    notebook.metadata["course"] = {"intake": {"status": "graded"}, "status": "graded"}
    path.write_text(json.dumps(notebook))
    result = grade()["mallory"]
    assert result.score == 0
    assert result.max_score == 4


def test_files_of_a_student_are_not_imported(hand_in, grade):
    path = hand_in("ada", **RIGHT)
    path.with_name("numpy.py").write_text("raise RuntimeError('mine')")
    assert grade()["ada"].score == 4


def test_scripts_in_displayed_output_are_taken_out(toy, hand_in, grade):
    display = (
        "from IPython.display import HTML, display\ndisplay(HTML('<script>alert(1)</script>'))\n"
    )
    hand_in("ada", **RIGHT | {"add": display + RIGHT["add"]})
    assert grade()["ada"].score == 4
    assert "<script>alert(1)</script>" not in feedback(toy, "ada")


def test_no_link_in_feedback_runs_anything():
    texts = [
        "[a](javascript:1)",
        "[a](java&#115;cript:1)",
        "[a](https://a.org) [b](#c) [d](x.html)",
    ]
    notebook = new_notebook(cells=[new_markdown_cell(text) for text in texts])
    page = make_page(notebook, {"notebook": "n", "score": 0, "max_score": 0, "late_penalty": 0})
    links = re.findall('<a href="(.*?)">', page)
    assert links == ["https://a.org", "#c", "x.html"]


def test_unchanged_submissions_are_not_run_again(toy, hand_in, grade):
    path = hand_in("ada", **RIGHT)
    first = grade()["ada"]
    assert grade()["ada"].seconds == first.seconds
    text = path.read_text()
    path.write_text(text.replace("as_array(a) + as_array(b)", "as_array(a) - as_array(b)"))
    assert grade()["ada"].score == 2
    assert grade(force=True)["ada"].score == 2
    (toy / "class" / "gradebook.db").unlink()
    assert grade()["ada"].score == 2
    assert (toy / "class" / "gradebook.db").is_file()


def test_a_stopped_run_goes_on_where_it_was(toy, hand_in):
    for number in range(6):
        hand_in(f"s{number}", **RIGHT)
    first = toy_class.grade(toy)
    done = next(first)
    first.close()
    saved = toy / "class" / "results" / "90_adding"
    kept = {path.stem: path.stat().st_mtime_ns for path in saved.glob("*.json")}
    assert done.student in kept
    results = {result.student: result for result in toy_class.grade(toy)}
    assert {result.score for result in results.values()} == {4}
    assert len(results) == 6
    assert (saved / f"{done.student}.json").stat().st_mtime_ns == kept[done.student]


@pytest.mark.slow
@pytest.mark.skipif(not ISOLATED, reason="plain nbgrader refuses to grade without isolation")
def test_the_plain_nbgrader_commands_agree(toy, hand_in, grade):
    hand_in("ada", **RIGHT)
    hand_in("ben", **RIGHT | {"add": "def add(a, b):\n    return a - b"})
    hand_in("cleo")
    # Says of itself what it is worth, as notebooks do that have been marked here.
    forged = hand_in("mallory")
    notebook = nbformat.read(forged, as_version=4)
    EDITS["forge the course metadata"](notebook)
    nbformat.write(notebook, forged)
    broken = {name: case for name, case in FILES.items() if name not in {"nothing", "wrong folder"}}
    for number, (change, _) in enumerate(broken.values()):
        change(hand_in(f"s{number:02}", **RIGHT))

    def nbgrader(*words):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *words],
            cwd=toy, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    nbgrader("generate_assignment", "90_adding", "--force")
    nbgrader("autograde", "90_adding")
    nbgrader("generate_feedback", "90_adding")
    nbgrader("export")
    with (toy / "class" / "grades.csv").open(newline="") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert (scores["ada"], scores["ben"], scores["cleo"], scores["mallory"]) == (4, 2, 0, 0)
    assert {name: result.score for name, result in grade().items()} == scores
    assert "assert add(-1, 1)" not in feedback(toy, "ben")
    for number, (_, status) in enumerate(broken.values()):
        page = feedback(toy, f"s{number:02}")
        assert status == "graded" or f"{status.capitalize()}." in page


def test_time_to_the_deadline(toy, hand_in, grade):
    book = Gradebook(ClassFolder(toy))
    assert book.hours_before_deadline(ASSIGNMENT) == {}
    hand_in("ada").with_name("timestamp.txt").write_text("2026-01-09 21:00:00 UTC")
    hand_in("ben")
    grade()
    assert book.hours_before_deadline(ASSIGNMENT) == {}
    with nbgrader.api.Gradebook(book.url, COURSE_ID) as database:
        database.update_or_create_assignment(ASSIGNMENT, duedate="2026-01-10 00:00:00 UTC")
    assert book.hours_before_deadline(ASSIGNMENT) == {"ada": 3.0}


def test_an_instructors_own_assignment(toy):
    folder = toy / "solutions" / "own"
    folder.mkdir()
    (folder / "helper.py").write_text("def triple(x):\n    return 3 * x\n")

    v4 = nbformat.v4
    notebook = v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}},
        cells=[
            v4.new_code_cell("from helper import triple"),
            create_solution_cell(
                "### BEGIN SOLUTION\nx = triple(4)\n### END SOLUTION", "code", "x"
            ),
            create_grade_cell("assert x == 12", "code", "x_test", 3),
            create_grade_cell("1.5", "code", "part", 2),
            create_grade_cell("'a'", "code", "text", 2),
            create_grade_and_solution_cell("Because.", "markdown", "why", 5),
            # Marked by a person, written by a student: it runs where the answers do.
            create_grade_and_solution_cell("x = triple(2)", "code", "draw", 5),
            create_grade_cell("assert x == 6 and not hasattr(triple, 'mine')", "code", "x_6", 1),
        ],
    )
    # Older notebooks have no cell ids.
    notebook.nbformat_minor = 2
    for cell in notebook.cells:
        cell.pop("id", None)
    (folder / "own.ipynb").write_text(json.dumps(notebook))
    for student, lines in (("ada", ""), ("eve", "triple.mine = 1\n")):
        notebook.cells[-2].source = lines + "x = triple(2)"
        handed_in = toy / "class" / "submitted" / student / "own"
        handed_in.mkdir(parents=True)
        (handed_in / "own.ipynb").write_text(json.dumps(notebook))
        (result,) = toy_class.grade(toy, "own", students=[student])
        assert result.status == "graded"
        assert {name: cell.score for name, cell in result.cells.items()} == {
            "x_test": 3, "part": 1.5, "text": 0, "why": None, "draw": None, "x_6": 1
        }  # fmt: skip


def test_what_is_not_there_is_named(toy):
    with pytest.raises(CourseError, match="no assignment '91_none'"):
        Assignment(toy, "91_none")
    with pytest.raises(CourseError, match="No submissions"):
        ClassFolder(toy).students(ASSIGNMENT)


def test_refuses_to_grade_without_isolation(toy, hand_in, monkeypatch):
    monkeypatch.setattr(
        "autograder.classroom.workers.isolation_problem", lambda: "bubblewrap is missing."
    )
    monkeypatch.chdir(toy)
    hand_in("ada")
    with pytest.raises(CourseError, match=r"Nothing was graded.*--trust-submissions"):
        autograder.cli.app(["grade", ASSIGNMENT], standalone_mode=False)


def test_exercises_of_test_cells(toy):
    assert Assignment(toy, ASSIGNMENT).exercises() == {
        "add_numbers": "add", "add_arrays": "add", "names_two": "names"
    }  # fmt: skip
