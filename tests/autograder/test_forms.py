"""Whatever form an answer has, grading and ``course check`` say the same of it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.tests import create_grade_cell, create_solution_cell

from autograder.grading.grade_notebook import examine
from autograder.grading.rebuild import references
from autograder.notebooks.folders import lesson_folders
from course.cells import find_grade_id, note_hidden_tests
from course.check import check
from course.check.answers import NOT_YET, RIGHT
from course.forms import NOT_BUILT, NOT_LOADABLE, OBJECT_ARRAY, advice

ROOT = Path(__file__).parents[2]
SETUP = "import keras\nimport numpy as np\n\n\ndef shared(x):\n    return 2 * x"

MODEL = """\
def NAME():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
"""
TEST_MODEL = """\
network = NAME()
assert isinstance(network, keras.Model)
assert network(np.ones((2, 3))).shape == (2, 1), "one number a row"
"""
DOUBLED = "def NAME(x):\n    return 2 * np.asarray(x)\n"
TEST_DOUBLED = "assert list(NAME([1, 2])) == [2, 4], 'twice each'\n"

# Each with an answer, what is said of it ("" if it is right), the instructor's answer and a test.
FORMS = {
    "as_sequential": (MODEL, "", MODEL, TEST_MODEL),
    "as_nested_sequential": (
        """\
        def NAME():
            inner = keras.Sequential([keras.layers.Dense(2, activation="relu")])
            return keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1)])
        """,
        "",
        MODEL,
        TEST_MODEL,
    ),
    "as_functional": (
        """\
        def NAME():
            inputs = keras.Input((3,))
            hidden = keras.layers.Dense(3, activation="tanh")(inputs)
            return keras.Model(inputs, keras.layers.Dense(1)(hidden + inputs))
        """,
        "",
        MODEL,
        TEST_MODEL,
    ),
    "as_subclassed": (
        """\
        class Net(keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = keras.layers.Dense(1)

            def call(self, x):
                return self.dense(x)


        def NAME():
            net = Net()
            net(np.ones((1, 3)))
            return net
        """,
        advice("an object of the class Net"),
        MODEL,
        TEST_MODEL,
    ),
    "as_lambda_layer": (
        """\
        def NAME():
            twice = keras.layers.Lambda(lambda x: 2 * x)
            return keras.Sequential([keras.Input((3,)), twice, keras.layers.Dense(1)])
        """,
        NOT_LOADABLE,
        MODEL,
        TEST_MODEL,
    ),
    "as_own_layer": (
        """\
        class Twice(keras.layers.Layer):
            def call(self, x):
                return 2 * x


        def NAME():
            return keras.Sequential([keras.Input((3,)), Twice(), keras.layers.Dense(1)])
        """,
        NOT_LOADABLE,
        MODEL,
        TEST_MODEL,
    ),
    "as_own_activation": (
        """\
        def bend(x):
            return x


        def NAME():
            return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation=bend)])
        """,
        NOT_LOADABLE,
        MODEL,
        TEST_MODEL,
    ),
    "as_not_built": (
        "def NAME():\n    return keras.Sequential([keras.layers.Dense(1)])\n",
        NOT_BUILT,
        MODEL,
        TEST_MODEL,
    ),
    "as_array": (DOUBLED, "", DOUBLED, TEST_DOUBLED),
    "as_list": ("def NAME(x):\n    return [2 * i for i in x]\n", "", DOUBLED, TEST_DOUBLED),
    "as_generator": (
        "def NAME(x):\n    yield from (2 * i for i in x)\n",
        "",
        DOUBLED,
        TEST_DOUBLED,
    ),
    "as_lambda": ("NAME = lambda x: [2 * i for i in x]\n", "", DOUBLED, TEST_DOUBLED),
    "as_scalars": ("def NAME(x):\n    return tuple(2 * np.array(x))\n", "", DOUBLED, TEST_DOUBLED),
    "as_lessons_own": ("def NAME(x):\n    return shared(np.array(x))\n", "", DOUBLED, TEST_DOUBLED),
    "as_object_array": (
        "def NAME(x):\n    return np.array([2 * i for i in x], dtype=object)\n",
        OBJECT_ARRAY,
        DOUBLED,
        TEST_DOUBLED,
    ),
    "as_own_object": (
        """\
        class Pair:
            def __iter__(self):
                return iter([2, 4])


        def NAME(x):
            return Pair()
        """,
        advice("an object of the class Pair"),
        DOUBLED,
        TEST_DOUBLED,
    ),
    "as_own_list": (
        """\
        class Numbers(list):
            pass


        def NAME(x):
            return Numbers(2 * i for i in x)
        """,
        advice("an object of the class Numbers"),
        DOUBLED,
        TEST_DOUBLED,
    ),
    "as_own_object_in_a_list": (
        """\
        class Four(int):
            pass


        def NAME(x):
            return [2, Four(4)]
        """,
        advice("an object of the class Four"),
        DOUBLED,
        TEST_DOUBLED,
    ),
    "as_dataset": (
        "import tensorflow as tf\n\n\ndef NAME(x):\n"
        "    return tf.data.Dataset.from_tensor_slices([2 * i for i in x])\n",
        "an object of the class _TensorSliceDataset",
        DOUBLED,
        TEST_DOUBLED,
    ),
    "as_class": (
        "def NAME(x):\n    return list\n",
        advice("a function or class"),
        DOUBLED,
        TEST_DOUBLED,
    ),
    "as_masked": (
        "def NAME(x):\n    return np.ma.masked_array([2, 4], mask=[True, True])\n",
        "twice each",
        DOUBLED,
        "assert np.allclose(NAME([1, 2]), [2, 4]), 'twice each'\n",
    ),
    "as_tensor": (
        "import tensorflow as tf\n\n\ndef NAME(x):\n    return 2 * tf.constant(x)\n",
        "",
        DOUBLED,
        TEST_DOUBLED,
    ),
    "as_series": (
        "import pandas as pd\n\n\ndef NAME(x):\n    return 2 * pd.Series(x)\n",
        "",
        DOUBLED,
        TEST_DOUBLED,
    ),
    "as_map": ("def NAME(x):\n    return map(lambda i: 2 * i, x)\n", "", DOUBLED, TEST_DOUBLED),
    "as_helped": (
        """\
        class Pair:
            pass


        def helper(x):
            pair = Pair()
            pair.numbers = [2 * i for i in x]
            return pair


        def NAME(x):
            return helper(x).numbers
        """,
        "",
        DOUBLED,
        TEST_DOUBLED,
    ),
    "as_value_of_no_form": (
        """\
        class Pair:
            def __iter__(self):
                return iter([2, 4])


        unused = Pair()
        NAME = Pair()
        """,
        advice("an object of the class Pair"),
        "NAME = [2, 4]\n",
        "assert list(NAME) == [2, 4], 'twice each'\n",
    ),
    "as_wrong": ("def NAME(x):\n    return x\n", "twice each", DOUBLED, TEST_DOUBLED),
}


def cells(form: str, source: str, test: str) -> list[NotebookNode]:
    """An answer cell and its test cell."""
    named = [textwrap.dedent(text).replace("NAME", form) for text in (source, test)]
    made = [
        create_solution_cell(named[0], "code", form),
        create_grade_cell(named[1], "code", f"{form}_test", 1),
    ]
    for cell in made:
        cell["id"] = cell.metadata.nbgrader.grade_id
    note_hidden_tests(made[1], 0)
    return made


@pytest.fixture(scope="module")
def graded(workplace) -> dict[str, tuple[float, str]]:
    """The score and the message that grading gives each form."""
    made = [
        cell for name, (_, _, right, test) in FORMS.items() for cell in cells(name, right, test)
    ]
    notebook = nbformat.from_dict(new_notebook(cells=[new_code_cell(SETUP), *made]))
    answers = {name: cells(name, form[0], form[3])[0].source for name, form in FORMS.items()}
    found = examine(notebook, answers, workplace, timeout=60)
    return {n: (found.cells[f"{n}_test"].score, found.cells[f"{n}_test"].message) for n in FORMS}


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> dict[str, tuple[str, str]]:
    """The state and the message that ``course check`` gives each form."""
    made = [cell for n, (answer, _, _, test) in FORMS.items() for cell in cells(n, answer, test)]
    setup = new_code_cell(SETUP, id="setup")
    course = {"lesson": "forms", "cells": ["setup", *(cell["id"] for cell in made)]}
    notebook = nbformat.from_dict(new_notebook(cells=[setup, *made], metadata={"course": course}))
    path = tmp_path_factory.mktemp("forms") / "forms.ipynb"
    nbformat.write(notebook, path)
    return {o.name: (o.state, o.message) for o in check(path, whole=False).exercises}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_grading_and_checking_agree(form, graded, checked):
    said = FORMS[form][1]
    score, why = graded[form]
    state, message = checked[form]
    assert (score, state) == ((0, NOT_YET) if said else (1, RIGHT)), (why, message)
    assert said in message
    assert said in why
    assert bool(message) == bool(said)


@pytest.mark.slow
@pytest.mark.parametrize("folder", list(lesson_folders(ROOT)), ids=lambda folder: folder.name)
def test_the_instructors_answers_have_forms_that_course_check_takes(folder, tmp_path):
    (released,) = (ROOT / "lessons" / folder.name).glob("*.ipynb")
    own = references(nbformat.read(folder / released.name, as_version=4))
    notebook = nbformat.read(released, as_version=4)
    for cell in notebook.cells:
        cell.source = own.get(find_grade_id(cell) or "", cell.source)
    path = tmp_path / folder.name / released.name
    path.parent.mkdir()
    nbformat.write(notebook, path)
    report = check(path, whole=False)
    assert [(o.name, o.state, o.message) for o in report.exercises if not o.is_done] == []
    assert report.problems == []
