"""What tests and answers can do with functions of each other, and what answers cannot do."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.tests import create_grade_cell, create_solution_cell

from autograder import sandbox
from autograder.examine import examine

pytestmark = pytest.mark.slow

SETUP = "import contextlib, inspect, io, math, random\nimport numpy as np"


@pytest.fixture(scope="module")
def workplace():
    with sandbox.Workplace(isolated=sandbox.isolation_problem() is None) as place:
        yield place


@pytest.fixture
def grade(workplace):
    def run(answer, test, right=None, timeout=20):
        """Whether an answer passes a test, and with which message it fails."""

        cells = [
            new_code_cell(SETUP),
            create_solution_cell(right or answer, "code", "answer"),
            create_grade_cell(test, "code", "test", 1),
        ]
        notebook = nbformat.from_dict(new_notebook(cells=cells))
        examination = examine(notebook, {"answer": answer}, workplace, timeout=timeout)
        return examination.score == 1, examination.cells["test"].message, examination.status

    return run


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        (
            "def twice(f, x):\n    return f(f(x))",
            "assert twice(lambda v: v + 1, 1) == 3\nassert twice(math.sqrt, 16) == 2",
        ),
        (
            "def compose(f, g):\n    return lambda x: f(g(x))",
            "assert compose(lambda x: x + 1, lambda x: x * 2)(3) == 7\n"
            "assert compose(compose(math.sqrt, abs), abs)(-16) == 4",
        ),
        (
            "def counter():\n    count = [0]\n    def up():\n        count[0] += 1\n"
            "        return count[0]\n    return up",
            "one, other = counter(), counter()\n"
            "assert (one(), one(), other()) == (1, 2, 1)",
        ),
        (
            "def hello(n):\n    for i in range(n):\n        print('hello', i)",
            "out = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    hello(2)\n"
            "assert out.getvalue() == 'hello 0\\nhello 1\\n'",
        ),
        (
            "def evens(n):\n    for i in range(0, n, 2):\n        yield i",
            "assert list(evens(5)) == [0, 2, 4]\nassert next(evens(3)) == 0",
        ),
        (
            "def naturals():\n    n = 0\n    while True:\n        yield n\n        n += 1",
            "numbers = naturals()\nassert [next(numbers) for _ in range(4)] == [0, 1, 2, 3]",
        ),
        (
            "def power(base, exponent=2, *more, **named):\n"
            "    'A power.'\n    return base**exponent",
            "assert power.__doc__ == 'A power.'\n"
            "parameters = inspect.signature(power).parameters\n"
            "assert list(parameters) == ['base', 'exponent', 'more', 'named']\n"
            "assert parameters['exponent'].default == 2",
        ),
        (
            "import random\ndef roll(n):\n    return [random.randint(1, 6) for _ in range(n)]",
            "random.seed(0)\nfirst = roll(9)\nrandom.seed(0)\nassert first == roll(9)",
        ),
        (
            "def use(f):\n    try:\n        return f(-1)\n    except ValueError as error:\n"
            "        return str(error)",
            "def refuse(x):\n    raise ValueError('negative')\nassert use(refuse) == 'negative'",
        ),
        (
            "def outer(f):\n    return f(3)\ndef inner(x):\n    return 2 * x",
            "assert outer(lambda x: inner(x) + 1) == 7\nassert outer(inner) == 6",
        ),
        (
            "def each(f, values):\n    for value in values:\n        f(value)",
            "seen = []\neach(seen.append, [1, 2])\nassert seen == [1, 2]",
        ),
        ("operations = [lambda x: x + 1, lambda x: x * x]", "assert operations[1](5) == 25"),
    ],
    ids=["argument", "returned", "closure", "printed", "generator", "endless", "signature",
         "random", "error", "nested", "method", "listed"],
)  # fmt: skip
def test_functions_go_both_ways(grade, answer, test):
    assert grade(answer, test) == (True, "", "graded")


RIGHT = "def apply(f, x):\n    return f(x)"
TEST = "assert apply(lambda v: v + 1, 1) == 2, 'one more'"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("def apply(f, x):\n    while True:\n        f(x)", "4 seconds"),
        ("def apply(f, x):\n    return f", "one more"),
        ("def apply(f, x):\n    return f('text')", "TypeError"),
        ("def apply(f, x):\n    return f(object())", "cannot go there"),
        ("def apply(f, x):\n    return f(np.zeros(40_000_000))", "MB"),
        ("def apply(f, x):\n    f(x)\n    return (n for n in iter(int, 1))", "one more"),
        ("def apply(f, x):\n    return [lambda: 1] * 20_000", "Too many functions"),
        ("def apply(f, x):\n    print(2 * 10**6 * 'x')\n    return 3", "one more"),
        (
            "def apply(f, x):\n    side = f.__closure__[1].cell_contents\n"
            "    from autograder.inside.wire import encode\n"
            "    while True:\n"
            "        side.channel.send(encode({'callback': 99, 'args': [], 'kwargs': {}}))",
            "4 seconds",
        ),
        (
            "def apply(f, x):\n    side = f.__closure__[1].cell_contents\n"
            "    from autograder.inside.wire import encode\n"
            "    side.channel.send(encode({'callback': 'x', 'value': 2}))\n    return 3",
            "one more",
        ),
    ],
    ids=["for ever", "as it is", "text", "object", "large", "endless", "many", "long", "number",
         "forged"],
)  # fmt: skip
def test_an_answer_gains_nothing_from_a_borrowed_function(grade, answer, says):
    passed, message, _ = grade(answer, TEST, RIGHT, timeout=4)
    assert not passed
    assert says in message


def test_a_signature_that_lies_is_an_answer_without_one(grade):
    answer = RIGHT + "\napply.__signature__ = 3\napply.__doc__ = b'doc'"
    passed, message, _ = grade(answer, "assert apply.__doc__ is None\n" + TEST, RIGHT)
    assert passed, message
