"""Proofs: they hold for the toy lesson, and find tests that are too weak or too strict."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.tests import create_grade_cell, create_solution_cell
from typer.testing import CliRunner

from autograder.cli import app
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
    assert right["score"] == 3
    assert "a class of a library cannot go there" in right["problems"][0]
    assert "compare objects of the answers' class Size" in right["notes"][0]
    assert blank["problems"] == ["an untouched lesson scores 1 points"]
