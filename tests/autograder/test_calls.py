"""What tests and answers can do with functions of each other, and what answers cannot do."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.tests import create_grade_cell, create_solution_cell

from autograder.grading.grade_notebook import examine
from autograder.sandbox import workplace as sandbox

pytestmark = pytest.mark.slow

SETUP = """import collections, contextlib, inspect, io, math, random
import numpy as np, pandas as pd

class ShapeError(Exception):
    pass

x, table, items = "the lesson's", pd.DataFrame({"a": [1, 2]}), [1]"""


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
        ("def use(f, n):\n    return f(n)", "assert use(str.upper, 'a') == 'A'"),
        ("import functools\ndef loud(f):\n    @functools.wraps(f)\n    def g(*args):\n"
         "        return f(*args).upper()\n    return g\n@loud\ndef name():\n    'A name.'\n"
         "    return 'ada'\ndef hello():\n    return loud(name)",
         "assert hello()() == 'ADA' and hello().__name__ == 'name' == name.__name__\n"
         "assert hello().__doc__ == 'A name.'"),
        ("import functools\ndef cached(f):\n    return functools.lru_cache(f)",
         "assert cached(lambda n: n + 1)(1) == 2"),
    ],
    ids=["argument", "returned", "closure", "printed", "generator", "endless", "signature",
         "random", "error", "nested", "method", "listed", "descriptor", "decorator", "cached"],
)  # fmt: skip
def test_functions_go_both_ways(grade, answer, test):
    assert grade(answer, test) == (True, "", "graded")


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        ("def f(s):\n    s.add(3)", "s = {1}\nf(s)\nassert s == {1, 3}"),
        ("def f(d):\n    d['b'] = d['a'] + 1",
         "d = pd.DataFrame({'a': [1]})\nf(d)\nassert d.b[0] == 2"),
        ("def f(p):\n    for a in p:\n        a += 1",
         "w, b = np.zeros(2), np.zeros(1)\nf((w, b))\nf([w])\nassert (w.sum(), b.sum()) == (4, 1)"),
        ("def f(rows):\n    rows.sort()\n    return rows", "a = [2]\nrows = [a, [1]]\n"
         "assert f(rows) is rows\nassert rows == [[1], [2]] and a == [2]"),
        ("def f(each):\n    return [next(one) for one in each]",
         "assert f([iter([1]), iter('a')]) == [1, 'a']"),
        ("%matplotlib inline\nsquares = [x**2 for x in range(3)]\ntry:\n    import absent\n"
         "except ImportError:\n    def f():\n        return 1",
         "%matplotlib inline\nassert x == \"the lesson's\" and squares[2] == 4 and f() == 1"),
        ("%%time\ndef f():\n    return 1", "assert f() == 1"),
        ("table['b'] = table.a + 1\ntable.drop(columns='a', inplace=True)\nitems.append(2)",
         "assert list(table) == ['b'] and items == [1, 2]"),
        ("class Own(ValueError):\n    pass\ndef f():\n    raise Own('negative')",
         "try:\n    f()\nexcept ValueError as error:\n    assert str(error) == 'negative'"),
        ("def f():\n    raise ShapeError('flat')", "try:\n    f()\nexcept ShapeError:\n    pass"),
        ("def f():\n    np.linalg.inv(np.zeros((2, 2)))\ndef g():\n    {}['k']",
         "try:\n    f()\nexcept np.linalg.LinAlgError:\n    pass\n"
         "try:\n    g()\nexcept KeyError as error:\n    assert error.args == ('k',)"),
        ("import sys\ndef f():\n    sys.stdout.writelines(['a', 'b'])",
         "out = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    f()\n"
         "assert out.getvalue() == 'ab'"),
        ("points = 1", "np.float64(points)"),
    ],
    ids=["set", "data frame", "arrays in a list", "the same list", "iterators", "in other words",
         "cell command", "in place", "subclass", "lesson's error", "library's error", "lines",
         "points"],
)  # fmt: skip
def test_what_other_instructors_write_works(grade, answer, test):
    assert grade(answer, test) == (True, "", "graded")


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        ("def f(x):\n    return object()", "try:\n    f(1)\nexcept TypeError:\n    pass"),
        ("def f(x):\n    return np", "try:\n    f(1)\nexcept Exception:\n    pass"),
        ("def f(x):\n    raise StopIteration",
         "for y, z in zip(map(f, [1, 2]), [1, 4]):\n    assert y == z"),
        ("def f(x):\n    return x", "x = [1]\nassert f(x) is not x"),
        ("x = 'mine'\nsquares = []", "assert x == 'mine'"),
    ],
    ids=["type error", "any error", "end of an iteration", "no copy", "a loop's name"],
)  # fmt: skip
def test_what_is_not_right_is_not_taken_for_it(grade, answer, test):
    right = "squares = [x**2 for x in range(3)]\ndef f(x):\n    return list(x)"
    assert not grade(answer, test, right)[0]


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
        ("def apply(f, x):\n    return [lambda: 1 for _ in range(20_000)]", "Too many functions"),
        ("def apply(f, x):\n    print(2 * 10**6 * 'x')\n    return 3", "one more"),
        (
            "def apply(f, x):\n    side = f.__closure__[1].cell_contents\n"
            "    from autograder.sandbox.inside.wire import encode\n"
            "    while True:\n"
            "        wanted = {'verb': 'CallBack', 'number': 99, 'args': [], 'kwargs': {}}\n"
            "        side.channel.send(encode(wanted))",
            "4 seconds",
        ),
        (
            "def apply(f, x):\n    side = f.__closure__[1].cell_contents\n"
            "    from autograder.sandbox.inside.wire import encode\n"
            "    side.channel.send(encode({'verb': 'CallBack', 'number': 'x', 'value': 2}))\n"
            "    return 3",
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
