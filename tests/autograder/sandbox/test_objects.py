"""Answers that are classes or give objects: what tests can do with those."""

from textwrap import dedent, indent

import pytest

from autograder.grading import run
from autograder.grading.rebuild import rebuild
from autograder.grading.run import LOST, NotebookRun

pytestmark = pytest.mark.slow

STACK = """
class Stack:
    'A pile.'
    def __init__(self, items=()):
        self.items = list(items)
    def push(self, item):
        self.items.append(item)
        return self
    def pop(self):
        if not self.items:
            raise IndexError('empty')
        return self.items.pop()
    def __len__(self):
        return len(self.items)
    @classmethod
    def of(cls, *items):
        return cls(items)
    @property
    def top(self):
        return self.items[-1]
"""
STACK_TEST = """
stack = Stack()
assert not stack and stack.push(1).push(2) is stack
assert len(stack) == 2 and stack.top == 2 and stack.pop() == 2
assert Stack.of(1, 2).items == [1, 2]
assert isinstance(stack, Stack) and type(stack).__name__ == 'Stack' and Stack.__doc__ == 'A pile.'
assert hasattr(stack, 'push') and not hasattr(stack, 'shift')
assert list(inspect.signature(Stack).parameters) == ['items']
stack.items = []
try:
    stack.pop()
except IndexError as error:
    assert str(error) == 'empty'
else:
    assert False, 'nothing to pop'
"""
VECTOR = """
from dataclasses import dataclass
@dataclass
class Vector:
    x: float
    y: float
    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)
    def __sub__(self, other):
        return Vector(self.x - other.x, self.y - other.y)
    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor)
    __rmul__ = __mul__
    def __abs__(self):
        return math.hypot(self.x, self.y)
    def norm(self):
        return abs(self)
"""
VECTOR_TEST = """
assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6)
assert 2 * Vector(1, 2) == Vector(2, 4) == Vector(1, 2) * 2 != Vector(2, 5)
assert repr(Vector(1, 2)) == 'Vector(x=1, y=2)'
assert abs(Vector(3, 4).norm() - 5) < 1e-9
"""
POINT = """
from collections import namedtuple
from enum import Enum
Point = namedtuple('Point', 'x y')
class Color(Enum):
    RED = 1
def middle(a, b):
    return Point((a.x + b.x) / 2, (a.y + b.y) / 2)
"""
POINT_TEST = """
assert middle(Point(0, 0), Point(2, 4)) == Point(1, 2) == (1, 2)
x, y = Point(5, 6)
assert (x, y) == (5, 6) and Point(1, 2)[1] == 2
assert Color.RED is Color(1) and Color.RED.value == 1
"""
ADD, ADD_TEST = (
    dedent(
        """\
        def add(a, b):
            return a + b
        """
    ),
    dedent(
        """\
        assert add(1, 2) == 3
        assert add(2, 2)
        """
    ),
)

RIGHT = {
    "stack": (STACK, STACK_TEST),
    "vector": (VECTOR, VECTOR_TEST),
    "point": (POINT, POINT_TEST),
    "exceptions": (
        dedent(
            """\
            class BankError(Exception):
                pass
            class Short(BankError):
                pass
            class Mine(ValueError):
                pass
            def take(money, sum):
                if sum < 0:
                    raise Mine('negative')
                if sum > money:
                    raise Short(f'lacks {sum - money}')
                return money - sum
            """
        ),
        dedent(
            """\
            assert issubclass(Short, BankError) and take(5, 3) == 2
            try:
                take(5, 9)
            except BankError as error:
                assert str(error) == 'lacks 4'
            try:
                take(5, -1)
            except ValueError as error:
                assert str(error) == 'negative'
            """
        ),
    ),
    "inheritance": (
        dedent(
            """\
            class Animal:
                def __init__(self, name):
                    self.name = name
                def speak(self):
                    raise NotImplementedError
                def hello(self):
                    return f'{self.name}: {self.speak()}'
            class Dog(Animal):
                def speak(self):
                    return 'woof'
            def zoo():
                return [Dog('a'), Animal('b')]
            """
        ),
        dedent(
            """\
            assert Dog('Rex').hello() == 'Rex: woof'
            assert issubclass(Dog, Animal) and isinstance(Dog('a'), Animal)
            assert [type(animal) for animal in zoo()] == [Dog, Animal]
            try:
                zoo()[1].hello()
            except NotImplementedError:
                pass
            else:
                assert False
            """
        ),
    ),
    "sets": (
        dedent(
            """\
            class Bits:
                def __init__(self, *bits):
                    self.bits = sorted(set(bits))
                def __and__(self, other):
                    return Bits(*(set(self.bits) & set(other.bits)))
                def __or__(self, other):
                    return Bits(*self.bits, *other.bits)
                def __rxor__(self, number):
                    return number in self.bits
            """
        ),
        dedent(
            """\
            assert (Bits(1, 2) & Bits(2, 3)).bits == [2]
            assert (Bits(1, 2) | Bits(2, 3)).bits == [1, 2, 3]
            assert 1 ^ Bits(1)
            """
        ),
    ),
    "links": (
        dedent(
            """\
            class Node:
                def __init__(self, value, next=None):
                    self.value, self.next = value, next
            def build(values):
                head = None
                for value in reversed(values):
                    head = Node(value, head)
                return head
            def order(nodes, key):
                return sorted(nodes, key=key)
            """
        ),
        dedent(
            """\
            node, seen = build([1, 2, 3]), []
            while node is not None:
                seen.append(node.value)
                node = node.next
            assert seen == [1, 2, 3]
            nodes = order([Node(3), Node(1)], lambda node: node.value)
            assert [node.value for node in nodes] == [1, 3]
            twin = copy.deepcopy(nodes[0])
            twin.value = 9
            assert nodes[0].value == 1
            """
        ),
    ),
    "iteration": (
        dedent(
            """\
            class Down:
                def __init__(self, n):
                    self.n = n
                def __iter__(self):
                    return self
                def __next__(self):
                    if self.n == 0:
                        raise StopIteration
                    self.n -= 1
                    return self.n
            class Bag:
                def __init__(self, items):
                    self.items = items
                def __iter__(self):
                    while True:
                        yield from self.items
                def __contains__(self, item):
                    return item in self.items
                def __enter__(self):
                    return self
                def __exit__(self, *error):
                    self.items = []
            """
        ),
        dedent(
            """\
            assert list(Down(3)) == [2, 1, 0]
            bag = Bag([1, 2])
            assert 2 in bag and 7 not in bag
            steps = iter(bag)
            assert [next(steps) for _ in range(3)] == [1, 2, 1]
            with bag as same:
                assert same is bag
            assert bag.items == []
            """
        ),
    ),
    "keras": (
        dedent(
            """\
            import keras
            class Scale(keras.layers.Layer):
                def __init__(self, factor):
                    super().__init__()
                    self.factor = factor
                def build(self, shape):
                    self.weight = self.add_weight(shape=(shape[-1],), initializer='ones')
                def call(self, x):
                    return self.factor * x * self.weight
            class Net(keras.Model):
                def __init__(self):
                    super().__init__()
                    self.dense = keras.layers.Dense(1)
                def call(self, x):
                    return self.dense(x)
            """
        ),
        dedent(
            """\
            layer = Scale(3.0)
            assert np.allclose(layer(np.ones((2, 4), 'float32')), 3)
            assert len(layer.trainable_weights) == 1
            net = Net()
            net.compile(loss='mse', optimizer='sgd')
            history = net.fit(np.ones((8, 2)), np.zeros(8), epochs=3, verbose=0)
            assert history.history['loss'][-1] < history.history['loss'][0]
            assert isinstance(net, keras.Model) and net.count_params() == 3
            """
        ),
    ),
    "libraries": (
        dedent(
            """\
            import matplotlib
            matplotlib.use('agg')
            import matplotlib.pyplot as plt
            import tensorflow as tf
            from sklearn.linear_model import LinearRegression
            def fit(x, y):
                return LinearRegression().fit(x, y)
            def batches(n):
                return tf.data.Dataset.range(n).batch(2).repeat()
            def plot(y):
                _, axes = plt.subplots()
                axes.plot(y)
                axes.set_xlabel('time')
                return axes
            """
        ),
        dedent(
            """\
            model = fit(np.arange(4.0)[:, None], 2 * np.arange(4.0))
            assert np.allclose(model.coef_, 2) and np.allclose(model.predict([[5.0]]), 10)
            assert isinstance(model, LinearRegression)
            assert next(iter(batches(4))).numpy().tolist() == [0, 1]
            axes = plot([1, 2, 3])
            assert axes.get_xlabel() == 'time'
            assert np.allclose(axes.lines[0].get_ydata(), [1, 2, 3])
            """
        ),
    ),
}

# The inside of a class whose objects are equal to everything.
AGREES = indent(
    dedent(
        """\
        def __eq__(self, other):
            return True
        def __ne__(self, other):
            return False
        def __sub__(self, other):
            return 0
        def __bool__(self):
            return True
        __hash__ = None
        """
    ),
    "    ",
)
HOSTILE = {
    "an object instead of a number": (
        "class Yes:\n"
        + AGREES
        + dedent(
            """\
            def add(a, b):
                return Yes()
            """
        ),
        ADD,
        ADD_TEST,
        "cannot go there",
    ),
    "a class instead of a function": (
        dedent(
            """\
            class add:
                def __init__(self, a, b):
                    pass
            """
        )
        + AGREES,
        ADD,
        ADD_TEST,
        "cannot go there",
    ),
    "a library's object": (
        dedent(
            """\
            import unittest.mock
            def add(a, b):
                return unittest.mock.ANY
            """
        ),
        ADD,
        ADD_TEST,
        "cannot go there",
    ),
    "a method that gives an object": (
        VECTOR.replace("return abs(self)", "return Yes(1, 2)") + "class Yes(Vector):\n" + AGREES,
        VECTOR,
        VECTOR_TEST,
        "cannot go there",
    ),
    "fields that do not count": (
        dedent(
            """\
            class Vector:
                def __init__(self, x, y):
                    self.x, self.y = x, y
                def __add__(self, other):
                    return Vector(0, 0)
                __mul__ = __rmul__ = __add__
            """
        )
        + AGREES,
        VECTOR,
        VECTOR_TEST,
        "assertion failed",
    ),
    "a tuple that agrees": (
        dedent(
            """\
            from enum import Enum
            class Point(tuple):
                def __new__(cls, x, y):
                    return super().__new__(cls, (x, y))
                x = y = 0
            """
        )
        + AGREES
        + dedent(
            """\
            class Color(Enum):
                RED = 1
            def middle(a, b):
                return Point(0, 0)
            """
        ),
        POINT,
        POINT_TEST,
        "assertion failed",
    ),
    "names that are none": (
        STACK
        + dedent(
            """\
            import autograder.sandbox.inside.answers_side as side
            side.class_names = lambda kind: ['a b', 3]
            """
        ),
        STACK,
        STACK_TEST,
        "could not be read",
    ),
    "a class that is none": (
        dedent(
            """\
            import types
            import autograder.sandbox.inside.answers_side as side
            forged = types.SimpleNamespace(kind='exception', ancestors={}, parameters=3)
            side.described = lambda value: forged
            class Stack:
                pass
            """
        ),
        STACK,
        STACK_TEST,
        "could not be read",
    ),
    "a parent's name": (
        STACK.replace("class Stack:", "class Stack(int):").replace("'A pile.'", "pop = None"),
        STACK,
        STACK_TEST,
        "",
    ),
}


SETUP = dedent(
    """\
    import copy, inspect, math
    import numpy as np
    """
)


@pytest.fixture
def grade(examine_one):
    """Grade an answer in the place of another: the state, the points, and why not all."""

    def run(answer, right, test):
        examination = examine_one(SETUP, answer, test, right)
        cell = examination.cells["test"]
        return examination.status, cell.score, cell.message

    return run


@pytest.mark.parametrize("name", RIGHT)
def test_classes_and_objects_can_be_tested(grade, name):
    answer, test = RIGHT[name]
    assert grade(answer, answer, test) == ("graded", 1, "")


@pytest.mark.parametrize("name", HOSTILE)
def test_an_object_gains_nothing(grade, name):
    answer, right, test, says = HOSTILE[name]
    status, score, message = grade(answer, right, test)
    assert (status, score) == ("graded", 0)
    assert says in message


def test_an_assignment_that_could_not_be_tried_is_nobodys_fault(grade, monkeypatch):
    def lost(instructor, answers, right, *_):
        return NotebookRun(rebuild(instructor, answers), right, set()), LOST

    answer = dedent(
        """\
        class Box:
            size = 1
        """
    )
    test = "assert Box().size == 1"
    with monkeypatch.context() as patch:
        # What tries the instructor's own answers; the student's run as they always do.
        patch.setattr(run, "run_notebook", lost)
        status, score, _ = grade(answer, answer, test)
        assert (status, score) == ("error", 0)
    assert grade(answer, answer, test) == ("graded", 1, "")


def test_an_object_of_the_answers_is_not_compared_with_a_librarys(grade):
    answer = dedent(
        """\
        import datetime
        def today():
            return datetime.timezone.utc
        """
    )
    test = dedent(
        """\
        import datetime
        assert today() == datetime.timezone.utc
        """
    )
    status, score, message = grade(answer, answer, test)
    assert (status, score) == ("graded", 0)
    assert "compare numbers and text that they hold" in message
