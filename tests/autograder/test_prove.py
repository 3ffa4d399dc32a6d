"""Proofs: they hold for the toy lesson, and find tests that are too weak or too strict."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.tests import create_grade_cell, create_solution_cell, create_task_cell
from typer.testing import CliRunner

from autograder.cli import app
from autograder.grading.decide import asked_for
from autograder.notebooks.source import read_lesson
from autograder.proofs import plan, prove

STRINGS = 'assert all(isinstance(name, str) for name in names), "the names should be strings"\n'
COUNT = 'assert len(names) == 2, f"there should be two names, and there are {len(names)}"'


@pytest.fixture
def proofs_after(toy_lesson):
    """Proofs of the toy lesson after a change of its source, by variant."""

    def run(old="", new=""):
        text = toy_lesson.source.read_text()
        assert old in text
        toy_lesson.source.write_text(text.replace(old, new, 1) if old else text)
        lesson = read_lesson(toy_lesson.folder)
        return {proof.variant: proof for proof in prove(plan([lesson]), workers=2)}

    return run


@pytest.mark.slow
def test_every_variant_is_proven(proofs_after):
    proofs = proofs_after()
    assert list(proofs) == [
        "reference", "blank", "fooling answers",
        "add misconception 1", "add misconception 2", "add alternative 1",
        "names misconception 1", "names misconception 2", "names alternative 1",
    ]  # fmt: skip
    assert all(proof.holds for proof in proofs.values()), proofs
    assert proofs["reference"].score == 4
    assert proofs["blank"].score == 0
    assert proofs["blank"].messages["add_numbers"] == "Not answered."
    assert proofs["add misconception 1"].messages.keys() == {"add_numbers"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "variant", "problem"),
    [
        # A weakened hidden test: the mistake survives.
        ("shape == (2,)", "shape != (3,)", "add misconception 2", "survived"),
        # A wrong reference.
        ('["ada", "emmy"]\n### END', '["ada"]\n### END', "reference", "a right answer fails"),
        # A test that demands more than the exercise says.
        ("len(names) == 2", "type(names) is list and len(names) == 2",
         "names alternative 1", "a right answer fails"),
        # A test that an untouched lesson passes.
        (STRINGS + COUNT,
         "assert True", "blank", "scores 1 points"),
        # A mistake that only the tests of another exercise catch.
        ("assert len(names) == 2,", "assert add(2, 2) == 4 and len(names) == 2,",
         "add misconception 1", "also fails other exercises"),
        # A mistake that is not even Python.
        ("    return as_array(a) - as_array(b)\n\n\n# %%", "    retrun a - b\n\n\n# %%",
         "add misconception 1", "is not a mistake that runs"),
        # Answers that compute nothing, in a test that looks at the shape alone.
        ("# Takes its argument, its argument zeroed: they have that shape too.\n", "",
         "fooling answers", "add_arrays gives 1 of 1 point to `add` if it gives its argument"),
        ("# Takes NaN in every place, a masked array: only the shape is looked at.\n", "",
         "fooling answers", "add_arrays gives 1 of 1 point to `add` if it gives a masked array"),
        # Empty strings or numbers for names.
        (STRINGS, "",
         "fooling answers", "the tests give all points to `names` if it is NaN in every place"),
    ],
)  # fmt: skip
def test_finds_a_planted_fault(proofs_after, old, new, variant, problem):
    proofs = proofs_after(old, new)
    assert any(problem in found for found in proofs[variant].problems), proofs[variant]


def test_an_exercise_meets_the_tests_of_others_once(toy_lesson):
    everything = {"add_numbers", "add_arrays", "names_two"}
    for work in plan([toy_lesson]):
        whole = (
            work.variant.kind in {"reference", "blank", "fooling answers"}
            or work.variant.number == 1
        )
        whole &= work.variant.kind != "alternative"
        cells = {cell.id for cell in work.instructor.cells}
        assert {"add", "names"} <= cells
        assert cells & everything == (everything if whole else set(work.variant.tests))


NINE = """\
### BEGIN SOLUTION
nine = triple(3)
### END SOLUTION"""

SIZE = """\
class Size(tuple):
    ### BEGIN SOLUTION
    def __eq__(self, other):
        return len(self) == len(other)
    ### END SOLUTION"""

KIND = """\
### BEGIN SOLUTION
kind = int
### END SOLUTION"""


@pytest.mark.slow
def test_an_assignment_that_was_not_made_here(toy, monkeypatch):
    folder = toy / "solutions" / "own"
    folder.mkdir()
    (folder / "helper.py").write_text("def triple(x):\n    return 3 * x\n")
    cells = [
        new_code_cell("from helper import triple"),
        create_solution_cell(NINE, "code", "nine"),
        create_grade_cell("assert nine == 9", "code", "nine_test", 1),
        create_solution_cell(SIZE, "code", "size"),
        create_grade_cell("assert Size('ab') == Size('cd')", "code", "size_test", 1),
        create_solution_cell(KIND, "code", "kind"),
        create_grade_cell("assert kind('3') == 3", "code", "kind_test", 1),
        create_grade_cell("assert True", "code", "anything_test", 1),
    ]
    nbformat.write(new_notebook(cells=cells), folder / "own.ipynb")
    monkeypatch.chdir(toy)
    done = CliRunner().invoke(app, ["prove", "own", "--json"])
    assert done.exit_code == 1
    right, blank = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    # An answer that is a library's class cannot travel, so these tests run together.
    assert (right["score"], right["tests"], right["problems"]) == (4, "together", [])
    assert "a class of a library cannot go there" in right["notes"][0]
    assert blank["problems"] == ["an untouched lesson scores 1 points"]


def _own(toy, cells, name="own", **metadata):
    """An assignment of a course, made by hand."""
    folder = toy / "solutions" / name
    folder.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata=metadata), folder / f"{name}.ipynb")
    return folder


def _proven(toy, monkeypatch, *options):
    monkeypatch.chdir(toy)
    done = CliRunner().invoke(app, ["prove", "own", "--json", *options])
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_what_keeps_an_assignment_from_being_graded_is_said_at_once(toy, monkeypatch):
    cells = [
        create_solution_cell("x = 1", "code", "same"),
        create_grade_cell("assert x == 1", "code", "same", 1),
    ]
    _own(toy, cells)
    (proof,) = _proven(toy, monkeypatch)
    assert "Duplicate grade id: same" in proof["problems"][0]
    kernel = {"name": "ir", "display_name": "R", "language": "R"}
    _own(toy, [create_grade_cell("1", "code", "t", 1)], kernelspec=kernel)
    (proof,) = _proven(toy, monkeypatch)
    assert proof["problems"] == ["its kernel runs r, and only Python is graded here"]
    region = new_code_cell("### BEGIN SOLUTION\nx = 1\n### END SOLUTION")
    _own(toy, [region, create_grade_cell("assert x", "code", "t", 1)])
    (proof,) = _proven(toy, monkeypatch)
    assert "Solution region detected in a non-solution cell" in proof["problems"][0]


@pytest.mark.slow
def test_what_an_author_should_know_of_an_assignment(toy, monkeypatch):
    cells = [
        new_code_cell("base = 2\nimport not_there_at_all"),
        create_solution_cell("def double(x):\n    return 3 * x", "code", "double"),
        create_grade_cell("twice = double(base)\nassert twice == 4", "code", "bare", 1),
        create_grade_cell("assert double(0) == 1, 'wrong'", "code", "nothing", 0),
        create_grade_cell("### AUTOTEST double(1)", "code", "auto", 1),
        create_task_cell("Write about it.", "markdown", "essay", 5),
    ]
    _own(toy, cells)
    right, _ = _proven(toy, monkeypatch)
    text = "\n".join(right["problems"])
    assert "cell 1, the assignment's own, fails: base = 2: ModuleNotFoundError" in text
    assert "fails bare: An assertion failed: assert twice == 4 (twice is 6)." in text
    assert "fails nothing, which is worth 0 points: wrong" in text
    assert "auto has AUTOTEST comments" in text
    assert any("5 points are given by a person" in note for note in right["notes"])
    assert right["tests"] == "apart"


@pytest.mark.slow
def test_where_tests_run_is_decided_kept_and_can_be_asked_for(toy, monkeypatch):
    cells = [
        create_solution_cell("def ask():\n    return input('Yes? ')", "code", "ask"),
        new_code_cell("from unittest.mock import patch"),
        create_grade_cell(
            "with patch('builtins.input', return_value='y'):\n    assert ask() == 'y'",
            "code", "asked", 2,
        ),
    ]  # fmt: skip
    folder = _own(toy, cells)
    record = toy / "solutions" / ".proofs" / "own.json"
    right, blank = _proven(toy, monkeypatch)
    assert (right["score"], right["tests"], blank["score"]) == (2, "together", 0)
    (note,) = [note for note in right["notes"] if note.startswith("tests run together")]
    assert "asked gets 0 of 2 points apart, and 2 together" in note
    kept = json.loads(record.read_text())
    assert kept["notebooks"]["own"]["tests"] == "together"
    assert asked_for(folder) is None
    right, _ = _proven(toy, monkeypatch, "--tests", "apart")
    assert (right["score"], right["tests"]) == (0, "apart")
    assert asked_for(folder) == "apart"
    # What has been asked for is forgotten when it is proven again.
    right, _ = _proven(toy, monkeypatch)
    assert right["tests"] == "together"
    assert asked_for(folder) is None


def test_a_lessons_tests_run_apart(toy, command):
    status, said = command(toy, "prove", "90_adding", "--tests", "together")
    assert status == 2
    assert "its tests run apart" in said
