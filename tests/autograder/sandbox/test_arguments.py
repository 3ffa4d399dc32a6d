"""What answers do to the arguments of tests, and values that would agree with whatever they are
compared with."""

from __future__ import annotations

from textwrap import dedent

import pytest

pytestmark = pytest.mark.slow

SETUP = "import numpy as np"


def program(text: str) -> str:
    return dedent(text).strip()


RIGHT = program(
    """
    def softmax(z):
        e = np.exp(z - z.max())
        return e / e.sum()
    """
)
# The expectation is computed from the argument, after the answer has had it.
FROM_THE_ARGUMENT = program(
    """
    z = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(softmax(z), np.exp(z) / np.exp(z).sum())
    """
)
NOT_CHANGED = FROM_THE_ARGUMENT.replace(
    "np.testing", "assert (softmax(z) is not None) and z[0] == 1, 'it changes z'\nnp.testing"
)
ZEROS = program(
    """
    def softmax(z):
        z[...] = 0
        return np.full(z.shape, 1 / z.size)
    """
)
IN_PLACE = program(
    """
    def softmax(z):
        e = np.exp(z - z.max())
        z -= z.max()
        return e / e.sum()
    """
)


@pytest.fixture
def points(examine_one):
    """The points of an answer, of one."""

    def run(answer: str, test: str, right: str = RIGHT) -> float:
        return examine_one(SETUP, answer, test, right).score

    return run


def test_a_test_that_computes_from_a_changed_argument_is_not_fooled(points):
    assert points(RIGHT, FROM_THE_ARGUMENT) == 1
    assert points(ZEROS, FROM_THE_ARGUMENT) == 0


def test_an_answer_may_change_its_arguments_where_no_test_asks(points):
    value = "np.testing.assert_allclose(softmax(np.zeros(2)), [0.5, 0.5])"
    assert points(IN_PLACE, value) == 1
    assert points(IN_PLACE, FROM_THE_ARGUMENT) == 1


def test_a_test_of_exactly_that_catches_an_answer_that_changes_its_arguments(points):
    assert points(RIGHT, NOT_CHANGED) == 1
    assert points(IN_PLACE, NOT_CHANGED) == 0


def test_changes_are_seen_where_the_instructors_answer_changes_arguments_too(points):
    right = "def push(items):\n    items.append(1)"
    test = "items = []\npush(items)\nassert items == [1]"
    assert points("def push(items):\n    items += [1]", test, right) == 1
    assert points("def push(items):\n    pass", test, right) == 0


@pytest.mark.parametrize(
    "masked",
    [
        "np.ma.masked_all(z.shape)",
        "np.ma.masked_all(z.shape, int)",
        "np.ma.array(np.append(RIGHT[:1], z[1:]), mask=[False, True, True])",
        "[np.ma.masked_all(z.shape)][0]",
    ],
)
@pytest.mark.parametrize(
    "compare", ["np.testing.assert_allclose(a, b)", "assert np.allclose(a, b)"]
)
def test_masked_values_agree_with_nothing(points, masked, compare):
    answer = f"def softmax(z):\n    RIGHT = np.exp(z) / np.exp(z).sum()\n    return {masked}"
    test = "z = np.array([1.0, 2.0, 3.0])\na, b = softmax(z), np.exp(z) / np.exp(z).sum()\n"
    assert points(RIGHT, test + compare) == 1
    assert points(answer, test + compare) == 0


def test_masked_values_are_as_they_are_where_the_instructors_answer_gives_some(points):
    right = "def positive(z):\n    return np.ma.masked_less(z, 0)"
    test = "m = positive(np.array([-1.0, 2.0]))\nassert m.mask.tolist() == [True, False]\n"
    assert points("def positive(z):\n    return np.ma.array(z, mask=z < 0)", test, right) == 1
    assert points("def positive(z):\n    return z", test, right) == 0


def test_a_file_that_an_answer_leaves_closed_does_not_end_the_grading(examine_one):
    answer = program(
        """
        with open("notes.txt", "w") as f:
            f.write("3")
        def three():
            return 3
        """
    )
    examination = examine_one(SETUP, answer, "assert three() == 3", answer)
    assert (examination.status, examination.score) == ("graded", 1)


def test_an_object_that_raises_when_asked_what_it_is_costs_its_own_exercise(examine_one):
    hostile = program(
        """
        class Odd:
            @property
            def __class__(self):
                raise ValueError("no")
        three = Odd()
        """
    )
    examination = examine_one(SETUP, hostile, "assert three == 3", "three = 3")
    assert (examination.status, examination.score) == ("graded", 0)
