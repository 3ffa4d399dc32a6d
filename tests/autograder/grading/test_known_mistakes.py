"""Known mistakes: told to answers that behave the same in every call, and to no others."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.tests import create_grade_cell, create_solution_cell

from autograder.grading.grade_notebook import examine
from autograder.grading.known_mistakes import KnownMistakes, Mistake, read_known_mistakes, recognise
from autograder.sandbox.inside.watching import going_on, kind_of_message


class Exercise:
    """An exercise with a right answer and a known mistake."""

    def __init__(self, setup, right, mistake, *tests):
        self.setup, self.right, self.mistake, self.tests = setup, right, mistake, tests


PRECISION = Exercise(
    "import numpy as np\nrng = np.random.default_rng(4)\n"
    "codes, kinds = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)",
    """\
def precision_at(codes, labels, k):
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :k]
    return float(np.mean(labels[nearest] == labels[:, None]))""",
    """\
def precision_at(codes, labels, k):
    products = codes @ codes.T
    np.fill_diagonal(products, -np.inf)
    nearest = np.argsort(-products, axis=1)[:, :k]
    return float(np.mean(labels[nearest] == labels[:, None]))""",
    """\
for k, want in [(2, 0.525), (3, 0.6), (5, 0.58)]:
    got = precision_at(codes, kinds, k)
    assert abs(got - want) < 1e-6, "Is near what has the smallest distance?\"""",
)
ATTENTION = Exercise(
    "import numpy as np",
    """\
def attention(scores, mask):
    scores = np.where(mask, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)""",
    """\
def attention(scores, mask):
    scores = scores * mask
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)""",
    """\
for scores in [[[0.0, 0.0, 0.0]], [[1.0, 2.0, 900.0]]]:
    weights = attention(np.array(scores), np.array([True, True, False]))
    assert np.isfinite(weights).all(), "not numbers"
    assert np.allclose(weights[:, 2], 0), "padding keeps its share\"""",
)
CHOOSE = Exercise(
    "import numpy as np",
    """\
def choose(values, epsilon, rng):
    if rng.random() < epsilon:
        return int(rng.integers(len(values)))
    return int(np.argmax(values))""",
    """\
def choose(values, epsilon, rng):
    if rng.random() > epsilon:
        return int(rng.integers(len(values)))
    return int(np.argmax(values))""",
    """\
rng = np.random.default_rng(0)
picked = [choose(np.array([0.0, 1.0, 0.5]), 0.1, rng) for _ in range(100)]
assert picked.count(1) > 80, "the best one should be chosen most of the time\"""",
)
CHANGES = Exercise(
    "import numpy as np",
    "def scaled(x):\n    return x / 2",
    "def scaled(x):\n    x *= 2\n    return x",
    "x = np.ones(3)\nassert np.allclose(scaled(x), 0.5), 'should be halves'",
    "x = np.ones(3)\nscaled(x)\nassert np.allclose(x, 1), 'x has changed'",
)
RAISES = Exercise(
    "import numpy as np",
    "def first(items):\n    return items[0] if items else None",
    "def first(items):\n    return items[0]",
    "assert first([]) is None, 'of nothing there is no first'",
)
DATA = Exercise(
    "",
    "sizes = [64, 32, 8]",
    "sizes = [8, 32, 64]",
    "assert sizes[0] == 64, 'begin with the largest'",
)
CALLED = Exercise(
    "def squared(x):\n    return x * x",
    "def total(function, numbers):\n    return sum(map(function, numbers))",
    "def total(function, numbers):\n    return sum(map(function, numbers[1:]))",
    "assert total(squared, [2, 3]) == 13, 'all of them'\nassert total(abs, [-1]) == 1, 'one'",
)


@pytest.fixture
def did(workplace):
    """What an answer to an exercise does in its tests: ``did(exercise, answer)``."""

    def run(exercise, answer, timeout=20):
        tests = enumerate(exercise.tests)
        cells = [
            new_code_cell(exercise.setup),
            create_solution_cell(exercise.right, "code", "answer"),
            *(create_grade_cell(test, "code", f"test{number}", 1) for number, test in tests),
        ]
        notebook = nbformat.from_dict(new_notebook(cells=cells))
        return examine(
            notebook, {"answer": answer}, workplace, timeout=timeout, watch={"answer"}
        ).behaviour

    return run


def resembles(did, exercise, answer):
    mistakes = [Mistake("the known mistake", did(exercise, exercise.mistake)["answer"])]
    known = read_known_mistakes(KnownMistakes(exercises={"answer": mistakes}).to_bytes())
    return bool(recognise(did(exercise, answer), known))


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (PRECISION, """\
def precision_at(codes, labels, k):
    count = 0
    for asking in range(len(codes)):
        products = [code @ codes[asking] for code in codes]
        products[asking] = -np.inf
        best = sorted(range(len(codes)), key=lambda other: -products[other])[:k]
        count += sum(labels[best] == labels[asking])
    return count / (len(codes) * k)"""),
        (ATTENTION, """\
def attention(scores, mask):
    scores = np.where(mask, scores, 0.0)
    e = np.exp(scores - scores.max())
    return (e.T / e.sum(axis=1)).T"""),
        (CHOOSE, """\
def choose(values, epsilon, rng):
    greedy = rng.random() <= epsilon
    return np.argmax(values) if greedy else rng.integers(0, len(values))"""),
        (CHANGES, "def scaled(x):\n    np.multiply(x, 2, out=x)\n    return x.copy()"),
        (RAISES, "def first(items):\n    for_all = list(items)\n    return for_all[0]"),
        (DATA, "sizes = tuple(sorted([64, 8, 32]))"),
        (CALLED, """\
def total(f, numbers):
    result = 0
    for number in numbers[1:]:
        result = result + f(number)
    return result"""),
    ],
)  # fmt: skip
def test_the_same_mistake_in_other_words_is_told(did, exercise, answer):
    assert resembles(did, exercise, answer)


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        # Manhattan distance.
        (PRECISION, PRECISION.right.replace("norm(codes[:, None] - codes[None], axis=2)",
                                            "norm(codes[:, None] - codes[None], 1, axis=2)")),
        # Padding in the maximum, and nowhere else.
        (ATTENTION, """\
def attention(scores, mask):
    weights = np.exp(scores - scores.max(axis=1, keepdims=True)) * mask
    return weights / weights.sum(axis=1, keepdims=True)"""),
        # Always at random.
        (CHOOSE, "def choose(values, epsilon, rng):\n    return int(rng.integers(len(values)))"),
        # The same reply, and the argument left alone.
        (CHANGES, "def scaled(x):\n    return 2 * x"),
        # Another error.
        (RAISES, "def first(items):\n    return next(iter(items))"),
        (RAISES, "def first(items):\n    raise IndexError('nothing')"),
        (DATA, "sizes = [8, 64, 32]"),
        # The same in the calls up to the first assertion that fails.
        (CALLED, "def total(function, numbers):\n    return 9"),
        (CALLED, "def total(function, numbers):\n    raise NotImplementedError"),
    ],
)  # fmt: skip
def test_another_mistake_is_told_nothing(did, exercise, answer):
    assert not resembles(did, exercise, answer)


def test_right_answers_are_not_watched(did):
    assert did(DATA, DATA.right) == {}


def test_an_answer_that_hangs_is_told_nothing_and_costs_its_own_points(did):
    exercise = Exercise(
        "import time", DATA.right, DATA.mistake, "assert sizes() == 1, 'one'\nsizes()"
    )
    answer = "asked = []\ndef sizes():\n    asked.append(1)\n    time.sleep(100 * (len(asked) > 1))"
    assert did(exercise, answer, timeout=2) in ({"answer": []}, {})


def test_an_answer_that_resembles_two_mistakes_is_told_nothing():
    both = KnownMistakes(exercises={"x": [Mistake("one", [1]), Mistake("two", [1])]})
    assert recognise({"x": [1]}, both) == {}
    assert recognise({"x": []}, KnownMistakes(exercises={"x": [Mistake("one", [])]})) == {}


def test_a_test_goes_on_after_an_assertion():
    text = going_on("for x in y:\n    assert x > 0, 'no'\nnp.testing.assert_equal(x, 1)\nlast = x")
    assert "'no'" not in text
    assert text.count("except Exception") == 2
    assert text.endswith("last = x")


def test_kinds_of_messages():
    one = "operands could not be broadcast together with shapes (3,) (4,2)"
    other = "operands could not be broadcast together with shapes (5,) (12,1)"
    assert kind_of_message(one) == kind_of_message(other)
    assert kind_of_message("name 'x' is not defined") == kind_of_message("name 'y' is not defined")
    assert kind_of_message("k is too large") != kind_of_message("k is too small")
