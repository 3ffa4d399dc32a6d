"""Answers that are classes or give objects: what tests can do with those."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.tests import create_grade_cell, create_solution_cell

from autograder.grading import run
from autograder.grading.grade_notebook import examine
from autograder.grading.rebuild import rebuild
from autograder.grading.run import LOST, NotebookRun
from autograder.sandbox import workplace as sandbox

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
ADD, ADD_TEST = "def add(a, b):\n    return a + b", "assert add(1, 2) == 3\nassert add(2, 2)"

RIGHT = {
    "stack": (STACK, STACK_TEST),
    "vector": (VECTOR, VECTOR_TEST),
    "point": (POINT, POINT_TEST),
    "exceptions": (
        "class BankError(Exception):\n    pass\nclass Short(BankError):\n    pass\n"
        "class Mine(ValueError):\n    pass\n"
        "def take(money, sum):\n    if sum < 0:\n        raise Mine('negative')\n"
        "    if sum > money:\n        raise Short(f'lacks {sum - money}')\n    return money - sum",
        "assert issubclass(Short, BankError) and take(5, 3) == 2\n"
        "try:\n    take(5, 9)\nexcept BankError as error:\n    assert str(error) == 'lacks 4'\n"
        "try:\n    take(5, -1)\nexcept ValueError as error:\n    assert str(error) == 'negative'",
    ),
    "inheritance": (
        "class Animal:\n    def __init__(self, name):\n        self.name = name\n"
        "    def speak(self):\n        raise NotImplementedError\n"
        "    def hello(self):\n        return f'{self.name}: {self.speak()}'\n"
        "class Dog(Animal):\n    def speak(self):\n        return 'woof'\n"
        "def zoo():\n    return [Dog('a'), Animal('b')]",
        "assert Dog('Rex').hello() == 'Rex: woof'\n"
        "assert issubclass(Dog, Animal) and isinstance(Dog('a'), Animal)\n"
        "assert [type(animal) for animal in zoo()] == [Dog, Animal]\n"
        "try:\n    zoo()[1].hello()\nexcept NotImplementedError:\n    pass\n"
        "else:\n    assert False",
    ),
    "sets": (
        "class Bits:\n    def __init__(self, *bits):\n        self.bits = sorted(set(bits))\n"
        "    def __and__(self, other):\n        return Bits(*(set(self.bits) & set(other.bits)))\n"
        "    def __or__(self, other):\n        return Bits(*self.bits, *other.bits)\n"
        "    def __rxor__(self, number):\n        return number in self.bits",
        "assert (Bits(1, 2) & Bits(2, 3)).bits == [2]\n"
        "assert (Bits(1, 2) | Bits(2, 3)).bits == [1, 2, 3]\nassert 1 ^ Bits(1)",
    ),
    "links": (
        "class Node:\n    def __init__(self, value, next=None):\n"
        "        self.value, self.next = value, next\n"
        "def build(values):\n    head = None\n    for value in reversed(values):\n"
        "        head = Node(value, head)\n    return head\n"
        "def order(nodes, key):\n    return sorted(nodes, key=key)",
        "node, seen = build([1, 2, 3]), []\n"
        "while node is not None:\n    seen.append(node.value)\n    node = node.next\n"
        "assert seen == [1, 2, 3]\n"
        "nodes = order([Node(3), Node(1)], lambda node: node.value)\n"
        "assert [node.value for node in nodes] == [1, 3]\n"
        "twin = copy.deepcopy(nodes[0])\ntwin.value = 9\nassert nodes[0].value == 1",
    ),
    "iteration": (
        "class Down:\n    def __init__(self, n):\n        self.n = n\n"
        "    def __iter__(self):\n        return self\n"
        "    def __next__(self):\n        if self.n == 0:\n            raise StopIteration\n"
        "        self.n -= 1\n        return self.n\n"
        "class Bag:\n    def __init__(self, items):\n        self.items = items\n"
        "    def __iter__(self):\n        while True:\n            yield from self.items\n"
        "    def __contains__(self, item):\n        return item in self.items\n"
        "    def __enter__(self):\n        return self\n"
        "    def __exit__(self, *error):\n        self.items = []",
        "assert list(Down(3)) == [2, 1, 0]\n"
        "bag = Bag([1, 2])\nassert 2 in bag and 7 not in bag\n"
        "steps = iter(bag)\nassert [next(steps) for _ in range(3)] == [1, 2, 1]\n"
        "with bag as same:\n    assert same is bag\nassert bag.items == []",
    ),
    "keras": (
        "import keras\nclass Scale(keras.layers.Layer):\n"
        "    def __init__(self, factor):\n        super().__init__()\n"
        "        self.factor = factor\n"
        "    def build(self, shape):\n"
        "        self.weight = self.add_weight(shape=(shape[-1],), initializer='ones')\n"
        "    def call(self, x):\n        return self.factor * x * self.weight\n"
        "class Net(keras.Model):\n    def __init__(self):\n        super().__init__()\n"
        "        self.dense = keras.layers.Dense(1)\n"
        "    def call(self, x):\n        return self.dense(x)",
        "layer = Scale(3.0)\nassert np.allclose(layer(np.ones((2, 4), 'float32')), 3)\n"
        "assert len(layer.trainable_weights) == 1\n"
        "net = Net()\nnet.compile(loss='mse', optimizer='sgd')\n"
        "history = net.fit(np.ones((8, 2)), np.zeros(8), epochs=3, verbose=0)\n"
        "assert history.history['loss'][-1] < history.history['loss'][0]\n"
        "assert isinstance(net, keras.Model) and net.count_params() == 3",
    ),
    "libraries": (
        "import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\n"
        "import tensorflow as tf\nfrom sklearn.linear_model import LinearRegression\n"
        "def fit(x, y):\n    return LinearRegression().fit(x, y)\n"
        "def batches(n):\n    return tf.data.Dataset.range(n).batch(2).repeat()\n"
        "def plot(y):\n    _, axes = plt.subplots()\n    axes.plot(y)\n"
        "    axes.set_xlabel('time')\n    return axes",
        "model = fit(np.arange(4.0)[:, None], 2 * np.arange(4.0))\n"
        "assert np.allclose(model.coef_, 2) and np.allclose(model.predict([[5.0]]), 10)\n"
        "assert isinstance(model, LinearRegression)\n"
        "assert next(iter(batches(4))).numpy().tolist() == [0, 1]\n"
        "axes = plot([1, 2, 3])\nassert axes.get_xlabel() == 'time'\n"
        "assert np.allclose(axes.lines[0].get_ydata(), [1, 2, 3])",
    ),
}

AGREES = (
    "    def __eq__(self, other):\n        return True\n"
    "    def __ne__(self, other):\n        return False\n"
    "    def __sub__(self, other):\n        return 0\n"
    "    def __bool__(self):\n        return True\n"
    "    __hash__ = None\n"
)
HOSTILE = {
    "an object instead of a number": (
        f"class Yes:\n{AGREES}def add(a, b):\n    return Yes()", ADD, ADD_TEST, "cannot go there",
    ),
    "a class instead of a function": (
        f"class add:\n    def __init__(self, a, b):\n        pass\n{AGREES}", ADD, ADD_TEST,
        "cannot go there",
    ),
    "a library's object": (
        "import unittest.mock\ndef add(a, b):\n    return unittest.mock.ANY", ADD, ADD_TEST,
        "cannot go there",
    ),
    "a method that gives an object": (
        VECTOR.replace("return abs(self)", "return Yes(1, 2)") + f"class Yes(Vector):\n{AGREES}",
        VECTOR, VECTOR_TEST, "cannot go there",
    ),
    "fields that do not count": (
        "class Vector:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n"
        "    def __add__(self, other):\n        return Vector(0, 0)\n"
        f"    __mul__ = __rmul__ = __add__\n{AGREES}",
        VECTOR, VECTOR_TEST, "assertion failed",
    ),
    "a tuple that agrees": (
        "from enum import Enum\nclass Point(tuple):\n    def __new__(cls, x, y):\n"
        "        return super().__new__(cls, (x, y))\n    x = y = 0\n"
        f"{AGREES}class Color(Enum):\n    RED = 1\ndef middle(a, b):\n    return Point(0, 0)",
        POINT, POINT_TEST, "assertion failed",
    ),
    "names that are none": (
        STACK + "import autograder.sandbox.inside.answers_side as side\n"
        "side.class_names = lambda kind: ['a b', 3]",
        STACK, STACK_TEST, "could not be read",
    ),
    "a class that is none": (
        "import types\nimport autograder.sandbox.inside.answers_side as side\nside.described = "
        "lambda value: types.SimpleNamespace(kind='exception', ancestors={}, parameters=3)\n"
        "class Stack:\n    pass",
        STACK, STACK_TEST, "could not be read",
    ),
    "a parent's name": (
        STACK.replace("class Stack:", "class Stack(int):").replace("'A pile.'", "pop = None"),
        STACK, STACK_TEST, "",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def grade():
    """Grade an answer in the place of another: passed or not, and why not."""
    with sandbox.Workplace(isolated=sandbox.isolation_problem() is None) as workplace:

        def run(answer, right, test):
            cells = [
                new_code_cell("import copy, inspect, math\nimport numpy as np"),
                create_solution_cell(right, "code", "answer"),
                create_grade_cell(test, "code", "test", 1),
            ]
            notebook = nbformat.from_dict(new_notebook(cells=cells))
            examination = examine(notebook, {"answer": answer}, workplace, timeout=20)
            cell = examination.cells["test"]
            return examination.status, cell.score, cell.message

        yield run


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

    answer, test = "class Box:\n    size = 1", "assert Box().size == 1"
    with monkeypatch.context() as patch:
        # What tries the instructor's own answers; the student's run as they always do.
        patch.setattr(run, "run_notebook", lost)
        status, score, _ = grade(answer, answer, test)
        assert (status, score) == ("error", 0)
    assert grade(answer, answer, test) == ("graded", 1, "")


def test_an_object_of_the_answers_is_not_compared_with_a_librarys(grade):
    answer = "import datetime\ndef today():\n    return datetime.timezone.utc"
    test = "import datetime\nassert today() == datetime.timezone.utc"
    status, score, message = grade(answer, answer, test)
    assert (status, score) == ("graded", 0)
    assert "compare numbers and text that they hold" in message
