"""Answers that compute nothing: which tests take them."""

import ast

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.tests import create_grade_cell, create_solution_cell

from autograder.grading.fooling import ONLY_FUNCTIONS, VALUES, fooled_tests, fooling_answers

HALF = "def half(x):\n    return np.asarray(x) / 2"


@pytest.fixture
def taken(workplace):
    """What the tests of an exercise take: ``taken(right, *tests)``, each worth a point."""

    def run(right, *tests):
        cells = [
            new_code_cell("import numpy as np"),
            create_solution_cell(right, "code", "answer"),
            *(create_grade_cell(test, "code", f"test{n}", 1) for n, test in enumerate(tests)),
        ]
        notebook = nbformat.from_dict(new_notebook(cells=cells))
        return fooled_tests(notebook, workplace, b"", 20)

    return run


def test_every_fooling_answer_is_python():
    fools = list(fooling_answers("answer", f"{HALF}\n\nsizes = [1]"))
    assert [fool.kind for fool in fools if fool.name == "half"] == [*VALUES, *ONLY_FUNCTIONS]
    assert [fool.kind for fool in fools if fool.name == "sizes"] == list(VALUES)
    for fool in fools:
        ast.parse(fool.source)
    assert "the first reply" not in [fool.kind for fool in fooling_answers("", "def f():\n  pass")]


def test_good_tests_take_none(taken):
    test = "for x in ([1.0, 2.0], [4.0]):\n    y = half(np.array(x))\n"
    test += "    assert y.shape == (len(x),) and np.allclose(2 * y, x), 'half'"
    assert taken(HALF, test) == []


def test_what_weak_tests_take_is_said(taken):
    said = taken(
        HALF,
        "for x in ([4.0], [4.0]):\n    assert np.allclose(half(np.array(x)), 2), 'not 2'",
        "x = np.ones(3)\nassert half(x).shape == (3,), 'form'\nassert np.ptp(half(x)) == 0, 'same'",
    )
    assert said == [
        "test0 gives 1 of 1 point to `half` if it gives an empty array",
        "test0 gives 1 of 1 point to `half` if it gives an empty list",
        "test0 gives 1 of 1 point to `half` if it gives an emptied reply",
        "test1 gives 1 of 1 point to `half` if it gives its argument",
        "test1 gives 1 of 1 point to `half` if it gives its argument zeroed",
    ]


def test_a_constant_must_not_get_all_points(taken):
    once = "assert np.array_equal(half([4.0]), [2.0]), 'half of 4'"
    assert taken(HALF, once) == ["the tests give all points to `half` if it gives the first reply"]
    twice = "assert np.array_equal(half([2.0]), [1.0]), 'half of 2'"
    assert taken(HALF, once, twice) == []


def test_a_test_cell_can_say_what_is_right_there(taken):
    right = "def mean(x):\n    return sum(x) / len(x) if x else float('nan')"
    numbers = "assert mean([1, 3]) == 2 and mean([5]) == 5, 'mean'"
    nothing = "assert mean([]) != mean([]), 'NaN'"
    unsaid = taken(right, numbers, nothing)
    assert "test1 gives 1 of 1 point to `mean` if it gives NaN" in unsaid
    said = "# Takes NaN, NaN in every place: the mean of nothing.\n"
    assert len(taken(right, numbers, said + nothing)) == len(unsaid) - 2


def test_one_name_after_the_other(taken):
    right = "def one():\n    return 1.5\n\n\ndef two():\n    return 2.5"
    assert taken(right, "assert one() == 1.5, 'one'", "assert two() == 2.5, 'two'") == []
    assert taken(right, "assert one() == 1.5, 'one'\ntwo()") != []


def test_a_function_that_changes_its_argument_does_not_while_it_gives_nothing(taken):
    right = "def double(x):\n    x *= 2"
    test = "for x in (np.arange(1.0, 4), np.ones(2)):\n    given = x.copy()\n    double(x)\n"
    assert taken(right, test + "    assert np.allclose(x, 2 * given), 'double'") == []
    weak = "assert double(np.ones(2)) is not 3, 'double'"
    said = "the tests give all points to `double` if it gives an emptied reply"
    assert said in taken(right, weak)
