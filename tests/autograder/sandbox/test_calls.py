"""What tests and answers can do with functions of each other, and what answers cannot do."""

from textwrap import dedent

import pytest

pytestmark = pytest.mark.slow

SETUP = dedent(
    """\
    import collections, contextlib, inspect, io, math, random
    import numpy as np, pandas as pd

    class ShapeError(Exception):
        pass

    x, table, items = "the lesson's", pd.DataFrame({"a": [1, 2]}), [1]
    """
)


@pytest.fixture
def grade(examine_one):
    """Whether an answer passes a test, with which message it fails, and the state."""

    def run(answer, test, right=None, timeout=20):
        examination = examine_one(SETUP, answer, test, right or answer, timeout)
        return examination.score == 1, examination.cells["test"].message, examination.status

    return run


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        pytest.param(
            dedent(
                """\
                def twice(f, x):
                    return f(f(x))
                """
            ),
            dedent(
                """\
                assert twice(lambda v: v + 1, 1) == 3
                assert twice(math.sqrt, 16) == 2
                """
            ),
            id="argument",
        ),
        pytest.param(
            dedent(
                """\
                def compose(f, g):
                    return lambda x: f(g(x))
                """
            ),
            dedent(
                """\
                assert compose(lambda x: x + 1, lambda x: x * 2)(3) == 7
                assert compose(compose(math.sqrt, abs), abs)(-16) == 4
                """
            ),
            id="returned",
        ),
        pytest.param(
            dedent(
                """\
                def counter():
                    count = [0]
                    def up():
                        count[0] += 1
                        return count[0]
                    return up
                """
            ),
            dedent(
                """\
                one, other = counter(), counter()
                assert (one(), one(), other()) == (1, 2, 1)
                """
            ),
            id="closure",
        ),
        pytest.param(
            dedent(
                """\
                def hello(n):
                    for i in range(n):
                        print('hello', i)
                """
            ),
            dedent(
                """\
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    hello(2)
                assert out.getvalue() == 'hello 0\\nhello 1\\n'
                """
            ),
            id="printed",
        ),
        pytest.param(
            dedent(
                """\
                def evens(n):
                    for i in range(0, n, 2):
                        yield i
                """
            ),
            dedent(
                """\
                assert list(evens(5)) == [0, 2, 4]
                assert next(evens(3)) == 0
                """
            ),
            id="generator",
        ),
        pytest.param(
            dedent(
                """\
                def naturals():
                    n = 0
                    while True:
                        yield n
                        n += 1
                """
            ),
            dedent(
                """\
                numbers = naturals()
                assert [next(numbers) for _ in range(4)] == [0, 1, 2, 3]
                """
            ),
            id="endless",
        ),
        pytest.param(
            dedent(
                """\
                def power(base, exponent=2, *more, **named):
                    'A power.'
                    return base**exponent
                """
            ),
            dedent(
                """\
                assert power.__doc__ == 'A power.'
                parameters = inspect.signature(power).parameters
                assert list(parameters) == ['base', 'exponent', 'more', 'named']
                assert parameters['exponent'].default == 2
                """
            ),
            id="signature",
        ),
        pytest.param(
            dedent(
                """\
                import random
                def roll(n):
                    return [random.randint(1, 6) for _ in range(n)]
                """
            ),
            dedent(
                """\
                random.seed(0)
                first = roll(9)
                random.seed(0)
                assert first == roll(9)
                """
            ),
            id="random",
        ),
        pytest.param(
            dedent(
                """\
                def use(f):
                    try:
                        return f(-1)
                    except ValueError as error:
                        return str(error)
                """
            ),
            dedent(
                """\
                def refuse(x):
                    raise ValueError('negative')
                assert use(refuse) == 'negative'
                """
            ),
            id="error",
        ),
        pytest.param(
            dedent(
                """\
                def outer(f):
                    return f(3)
                def inner(x):
                    return 2 * x
                """
            ),
            dedent(
                """\
                assert outer(lambda x: inner(x) + 1) == 7
                assert outer(inner) == 6
                """
            ),
            id="nested",
        ),
        pytest.param(
            dedent(
                """\
                def each(f, values):
                    for value in values:
                        f(value)
                """
            ),
            dedent(
                """\
                seen = []
                each(seen.append, [1, 2])
                assert seen == [1, 2]
                """
            ),
            id="method",
        ),
        pytest.param(
            "operations = [lambda x: x + 1, lambda x: x * x]",
            "assert operations[1](5) == 25",
            id="listed",
        ),
        pytest.param(
            dedent(
                """\
                def use(f, n):
                    return f(n)
                """
            ),
            "assert use(str.upper, 'a') == 'A'",
            id="descriptor",
        ),
        pytest.param(
            dedent(
                """\
                import functools
                def loud(f):
                    @functools.wraps(f)
                    def g(*args):
                        return f(*args).upper()
                    return g
                @loud
                def name():
                    'A name.'
                    return 'ada'
                def hello():
                    return loud(name)
                """
            ),
            dedent(
                """\
                assert hello()() == 'ADA' and hello().__name__ == 'name' == name.__name__
                assert hello().__doc__ == 'A name.'
                """
            ),
            id="decorator",
        ),
        pytest.param(
            dedent(
                """\
                import functools
                def cached(f):
                    return functools.lru_cache(f)
                """
            ),
            "assert cached(lambda n: n + 1)(1) == 2",
            id="cached",
        ),
    ],
)
def test_functions_go_both_ways(grade, answer, test):
    assert grade(answer, test) == (True, "", "graded")


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        pytest.param(
            dedent(
                """\
                def f(s):
                    s.add(3)
                """
            ),
            dedent(
                """\
                s = {1}
                f(s)
                assert s == {1, 3}
                """
            ),
            id="set",
        ),
        pytest.param(
            dedent(
                """\
                def f(d):
                    d['b'] = d['a'] + 1
                """
            ),
            dedent(
                """\
                d = pd.DataFrame({'a': [1]})
                f(d)
                assert d.b[0] == 2
                """
            ),
            id="data frame",
        ),
        pytest.param(
            dedent(
                """\
                def f(p):
                    for a in p:
                        a += 1
                """
            ),
            dedent(
                """\
                w, b = np.zeros(2), np.zeros(1)
                f((w, b))
                f([w])
                assert (w.sum(), b.sum()) == (4, 1)
                """
            ),
            id="arrays in a list",
        ),
        pytest.param(
            dedent(
                """\
                def f(rows):
                    rows.sort()
                    return rows
                """
            ),
            dedent(
                """\
                a = [2]
                rows = [a, [1]]
                assert f(rows) is rows
                assert rows == [[1], [2]] and a == [2]
                """
            ),
            id="the same list",
        ),
        pytest.param(
            dedent(
                """\
                def f(each):
                    return [next(one) for one in each]
                """
            ),
            "assert f([iter([1]), iter('a')]) == [1, 'a']",
            id="iterators",
        ),
        pytest.param(
            dedent(
                """\
                %matplotlib inline
                squares = [x**2 for x in range(3)]
                try:
                    import absent
                except ImportError:
                    def f():
                        return 1
                """
            ),
            dedent(
                """\
                %matplotlib inline
                assert x == "the lesson's" and squares[2] == 4 and f() == 1
                """
            ),
            id="in other words",
        ),
        pytest.param(
            dedent(
                """\
                %%time
                def f():
                    return 1
                """
            ),
            "assert f() == 1",
            id="cell command",
        ),
        pytest.param(
            dedent(
                """\
                table['b'] = table.a + 1
                table.drop(columns='a', inplace=True)
                items.append(2)
                """
            ),
            "assert list(table) == ['b'] and items == [1, 2]",
            id="in place",
        ),
        pytest.param(
            dedent(
                """\
                class Own(ValueError):
                    pass
                def f():
                    raise Own('negative')
                """
            ),
            dedent(
                """\
                try:
                    f()
                except ValueError as error:
                    assert str(error) == 'negative'
                """
            ),
            id="subclass",
        ),
        pytest.param(
            dedent(
                """\
                def f():
                    raise ShapeError('flat')
                """
            ),
            dedent(
                """\
                try:
                    f()
                except ShapeError:
                    pass
                """
            ),
            id="lesson's error",
        ),
        pytest.param(
            dedent(
                """\
                def f():
                    np.linalg.inv(np.zeros((2, 2)))
                def g():
                    {}['k']
                """
            ),
            dedent(
                """\
                try:
                    f()
                except np.linalg.LinAlgError:
                    pass
                try:
                    g()
                except KeyError as error:
                    assert error.args == ('k',)
                """
            ),
            id="library's error",
        ),
        pytest.param(
            dedent(
                """\
                import sys
                def f():
                    sys.stdout.writelines(['a', 'b'])
                """
            ),
            dedent(
                """\
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    f()
                assert out.getvalue() == 'ab'
                """
            ),
            id="lines",
        ),
        pytest.param("points = 1", "np.float64(points)", id="points"),
    ],
)
def test_what_other_instructors_write_works(grade, answer, test):
    assert grade(answer, test) == (True, "", "graded")


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        pytest.param(
            dedent(
                """\
                def f(x):
                    return object()
                """
            ),
            dedent(
                """\
                try:
                    f(1)
                except TypeError:
                    pass
                """
            ),
            id="type error",
        ),
        pytest.param(
            dedent(
                """\
                def f(x):
                    return np
                """
            ),
            dedent(
                """\
                try:
                    f(1)
                except Exception:
                    pass
                """
            ),
            id="any error",
        ),
        pytest.param(
            dedent(
                """\
                def f(x):
                    raise StopIteration
                """
            ),
            dedent(
                """\
                for y, z in zip(map(f, [1, 2]), [1, 4]):
                    assert y == z
                """
            ),
            id="end of an iteration",
        ),
        pytest.param(
            dedent(
                """\
                def f(x):
                    return x
                """
            ),
            dedent(
                """\
                x = [1]
                assert f(x) is not x
                """
            ),
            id="no copy",
        ),
        pytest.param(
            dedent(
                """\
                x = 'mine'
                squares = []
                """
            ),
            "assert x == 'mine'",
            id="a loop's name",
        ),
    ],
)
def test_what_is_not_right_is_not_taken_for_it(grade, answer, test):
    right = dedent(
        """\
        squares = [x**2 for x in range(3)]
        def f(x):
            return list(x)
        """
    )
    assert not grade(answer, test, right)[0]


RIGHT = dedent(
    """\
    def apply(f, x):
        return f(x)
    """
)
TEST = "assert apply(lambda v: v + 1, 1) == 2, 'one more'"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(
            dedent(
                """\
                def apply(f, x):
                    while True:
                        f(x)
                """
            ),
            "4 seconds",
            id="for ever",
        ),
        pytest.param(
            dedent(
                """\
                def apply(f, x):
                    return f
                """
            ),
            "one more",
            id="as it is",
        ),
        pytest.param(
            dedent(
                """\
                def apply(f, x):
                    return f('text')
                """
            ),
            "TypeError",
            id="text",
        ),
        pytest.param(
            dedent(
                """\
                def apply(f, x):
                    return f(object())
                """
            ),
            "cannot go there",
            id="object",
        ),
        pytest.param(
            dedent(
                """\
                def apply(f, x):
                    return f(np.zeros(40_000_000))
                """
            ),
            "MB",
            id="large",
        ),
        pytest.param(
            dedent(
                """\
                def apply(f, x):
                    f(x)
                    return (n for n in iter(int, 1))
                """
            ),
            "one more",
            id="endless",
        ),
        pytest.param(
            dedent(
                """\
                def apply(f, x):
                    return [lambda: 1 for _ in range(20_000)]
                """
            ),
            "Too many functions",
            id="many",
        ),
        pytest.param(
            dedent(
                """\
                def apply(f, x):
                    print(2 * 10**6 * 'x')
                    return 3
                """
            ),
            "one more",
            id="long",
        ),
        pytest.param(
            dedent(
                """\
                def apply(f, x):
                    side = f.__closure__[1].cell_contents
                    from autograder.sandbox.inside.wire import encode
                    while True:
                        wanted = {'verb': 'CallBack', 'number': 99, 'args': [], 'kwargs': {}}
                        side.channel.send(encode(wanted))
                """
            ),
            "4 seconds",
            id="number",
        ),
        pytest.param(
            dedent(
                """\
                def apply(f, x):
                    side = f.__closure__[1].cell_contents
                    from autograder.sandbox.inside.wire import encode
                    side.channel.send(encode({'verb': 'CallBack', 'number': 'x', 'value': 2}))
                    return 3
                """
            ),
            "one more",
            id="forged",
        ),
    ],
)
def test_an_answer_gains_nothing_from_a_borrowed_function(grade, answer, says):
    passed, message, _ = grade(answer, TEST, RIGHT, timeout=4)
    assert not passed
    assert says in message


def test_a_signature_that_lies_is_an_answer_without_one(grade):
    answer = RIGHT + dedent(
        """\
        apply.__signature__ = 3
        apply.__doc__ = b'doc'
        """
    )
    passed, message, _ = grade(answer, "assert apply.__doc__ is None\n" + TEST, RIGHT)
    assert passed, message
