"""Where answers and tests share a process, what is done to the tests is noticed, and nobody else's
work is touched; see also ``test_foreign``."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.tests import create_grade_cell, create_solution_cell
from typer.testing import CliRunner

from autograder.cli import app
from autograder.grading.decide import decide
from autograder.grading.decision import Tests
from autograder.grading.grade_notebook import examine
from autograder.grading.own_cells import Handed
from autograder.nbgrader_course.api import nbgrader_api
from autograder.sandbox.inside.protocol import Limits
from autograder.sandbox.isolation import isolation_problem
from autograder.sandbox.workplace import Workplace

pytestmark = pytest.mark.skipif(
    isolation_problem() is not None, reason=f"no sandbox here: {isolation_problem()}"
)

TIMEOUT = 8
SETUP = """\
import unittest
from unittest import mock
import numpy as np
import pandas as pd
from numpy.testing import assert_allclose
def as_array(values):
    return np.array(values, dtype=float)
"""
RIGHT = "def add(a, b):\n    return as_array(a) + as_array(b)\n"
WRONG = "def add(a, b):\n    return as_array(a) * 0 - 1\n"
TESTS = [
    "assert_allclose(add([1, 2], [3, 4]), [4, 6])",
    "assert np.allclose(add([1], [1]), as_array([2]))\nassert len(add([1], [1])) == 1",
    "case = unittest.TestCase()\ncase.assertEqual(add([2], [2])[0], 4)",
    "pd.testing.assert_series_equal(pd.Series(add([1], [1])), pd.Series([2.0]))",
    """\
total = add([5], [6])
### BEGIN HIDDEN TESTS
secret_sum = 5 + 6
assert isinstance(total, np.ndarray) and abs(total[0] - secret_sum) < 1e-6
### END HIDDEN TESTS
""",
]
OTHER = "names = ['a', 'b']"


@pytest.fixture(scope="module")
def workplace():
    with Workplace(isolated=True, limits=Limits(memory_mb=1_500)) as place:
        yield place


@pytest.fixture(scope="module")
def notebook():
    cells = [
        new_code_cell(SETUP),
        create_solution_cell(RIGHT, "code", "add"),
        *(create_grade_cell(test, "code", f"test_{n}", 1) for n, test in enumerate(TESTS)),
        create_solution_cell(OTHER, "code", "names"),
        create_grade_cell("assert len(names) == 2", "code", "names_two", 1),
    ]
    return nbformat.from_dict(new_notebook(cells=cells))


@pytest.fixture(scope="module")
def grade(workplace, notebook):
    """Grade an answer to ``add``; that to ``names`` is right by default."""
    decision = decide(notebook, workplace, timeout=TIMEOUT, asked=Tests.TOGETHER)
    assert decision.changed == frozenset()

    def run(add, names=OTHER, handed=()):
        return examine(
            notebook,
            {"add": add, "names": names},
            workplace,
            timeout=TIMEOUT,
            decision=decision,
            handed=handed,
        )

    return run


def points(examination):
    return {name: cell.score for name, cell in examination.cells.items()}


HONEST = {
    "plain": RIGHT,
    "patches and restores": """\
        with mock.patch("builtins.input", return_value="3"), mock.patch.object(np, "allclose"):
            assert input() == "3"
        """,
    "figures": """\
        %matplotlib inline
        import matplotlib.pyplot as plt
        plt.plot([1, 2])
        plt.show()
        """,
    "warnings and printing": """\
        import warnings
        warnings.filterwarnings("error")
        np.set_printoptions(precision=2)
        np.seterr(all="raise")
        pd.set_option("display.width", 50)
        """,
    "threads": """\
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2)
        assert list(pool.map(abs, [-1, 2])) == [1, 2]
        """,
    "processes": """\
        import multiprocessing
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(abs, [-1, 2]) == [1, 2]
        !echo done
        """,
    "a builtin's name for a value": "sum = 3\nid = 4\nlist = [1]",
    "the lesson's helper copied": "def as_array(values):\n    return np.array(values, dtype=float)",
    "imports again": "import numpy as np\nfrom numpy import *\nfrom math import *",
    "a progress bar": "from tqdm.auto import tqdm\nfor i in tqdm(range(3)): pass",
    "magics": "%load_ext autoreload\n%autoreload 2\n%timeit -n1 -r1 1 + 1\n!echo\n%pwd",
    "tables with more methods": """\
        @pd.api.extensions.register_dataframe_accessor("mine")
        class Mine:
            def __init__(self, frame): self.frame = frame
        """,
}


def some_slow(names, quick):
    """Parameters of which the quick tests hold a few."""
    marks = {name: () if name in quick else pytest.mark.slow for name in names}
    return [pytest.param(name, marks=marks[name]) for name in names]


@pytest.mark.parametrize("name", some_slow(HONEST, ("plain", "patches and restores", "magics")))
def test_honest_answers_get_their_points(grade, name):
    text = dedent(HONEST[name])
    graded = grade(text if text == RIGHT else text + "\n" + RIGHT)
    assert set(points(graded).values()) == {1.0}, (graded.status, graded.cells)
    assert graded.status == "graded"


AT_CELL = {
    "numpy's testing": "import numpy.testing as t\nt.assert_allclose = lambda *a, **k: None",
    "functions under other names": """\
        import sys
        for module in list(sys.modules.values()):
            if getattr(module, "assert_allclose", None):
                module.assert_allclose = lambda *a, **k: None
            if getattr(module, "allclose", None):
                module.allclose = lambda *a, **k: True
        """,
    "the code of a function": """\
        np.testing.assert_allclose.__code__ = (lambda *a, **k: None).__code__
        """,
    "NumPy's comparisons": "np.allclose = np.isclose = np.array_equal = lambda *a, **k: True",
    "the inside of NumPy's comparisons": """\
        np.allclose._implementation.__code__ = (lambda *a, **k: True).__code__
        """,
    "pandas' testing": "pd.testing.assert_series_equal = lambda *a, **k: None",
    "unittest": "unittest.TestCase.assertEqual = lambda *a, **k: None",
    "builtins": "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.len = lambda x: 1",
    "isinstance": "import builtins\nbuiltins.isinstance = lambda *a: True",
    "names of builtins": "def abs(x): return 0\ndef isinstance(*a): return True",
    "names of the lesson's imports": "def assert_allclose(*args, **kwargs): pass",
    "a false numpy": """\
        class np:
            ndarray = object
            allclose = staticmethod(lambda *a: True)
        """,
    "the lesson's helper": "def as_array(values): return np.array([-1.0])",
    "AST transformer": """\
        import ast
        class Nothing(ast.NodeTransformer):
            def visit_Assert(self, node): return ast.Pass()
            def visit_Expr(self, node): return ast.Pass()
        get_ipython().ast_transformers.append(Nothing())
        """,
    "input transformer": """\
        get_ipython().input_transformers_cleanup.append(lambda lines: ["pass\\n"])
        """,
    "event": "get_ipython().events.register('pre_run_cell', lambda info: None)",
    "run_cell": "get_ipython().run_cell = lambda *a, **k: None",
    "run_ast_nodes": """\
        async def nothing(*a, **k): return False
        get_ipython().run_ast_nodes = nothing
        """,
    "run_code of the class": """\
        async def nothing(*a, **k): return False
        type(get_ipython()).run_code = nothing
        """,
    "handler of exceptions": """\
        get_ipython().set_custom_exc((AssertionError,), lambda *a, **k: None)
        """,
    "trace": "import sys\nsys.settrace(lambda *a: None)",
    "profile": "import sys\nsys.setprofile(lambda *a: None)",
    "modules": "import sys, types\nsys.modules['numpy.testing'] = types.ModuleType('t')",
    "import hook": """\
        import sys
        class Finder:
            def find_spec(self, *a): return None
        sys.meta_path.insert(0, Finder())
        """,
    "compile": "get_ipython().compile.ast_parse = lambda *a, **k: compile('', '', 'exec', 1024)",
    "builtins of the notebook": """\
        __builtins__ = dict(vars(__import__("builtins")), abs=lambda x: 0)
        """,
    "a thread": """\
        import threading, time
        def later():
            while True:
                np.testing.assert_allclose = lambda *a, **k: None
                time.sleep(0.001)
        threading.Thread(target=later, daemon=True).start()
        """,
    "a timer": """\
        import signal
        signal.signal(signal.SIGALRM, lambda *a: globals().update(np=None))
        signal.setitimer(signal.ITIMER_REAL, 0.5, 0.01)
        """,
}


@pytest.mark.parametrize(
    "name",
    some_slow(AT_CELL, ("numpy's testing", "builtins", "AST transformer", "the lesson's helper")),
)
def test_what_is_replaced_is_noticed(grade, name):
    graded = grade(dedent(AT_CELL[name]) + "\n" + WRONG)
    scores = points(graded)
    assert {score for test, score in scores.items() if test != "names_two"} == {0.0}, graded.cells
    # Without `isinstance` IPython runs no cell any more, and how that ends is a matter of chance.
    stopped = ("timeout", "died") if name == "isinstance" else ()
    assert graded.status in ("tampered", *stopped), graded.message
    if name not in ("isinstance", "builtins"):
        assert "had been changed" in graded.message
        assert any(cell.message.startswith("Not counted") for cell in graded.cells.values())


def test_what_is_replaced_when_a_test_calls_is_noticed(grade):
    answer = dedent(
        """\
        def add(a, b):
            np.testing.assert_allclose = np.allclose = lambda *a, **k: True
            unittest.TestCase.assertEqual = lambda *a, **k: None
            pd.testing.assert_series_equal = lambda *a, **k: None
            return np.array([-1.0])
        """
    )
    graded = grade(answer)
    assert [points(graded)[f"test_{n}"] for n in range(5)] == [0.0] * 5
    assert graded.status == "tampered"


FORGED = {
    "os._exit": ("import os\nos._exit(0)", "died"),
    "sys.exit": ("import sys\nsys.exit(0)", "graded"),
    "kills": ("import os, signal\nos.kill(os.getppid(), 9)\nos.kill(1, 9)\nos.kill(-1, 9)", None),
    "kills itself": ("import os\nos.kill(os.getpid(), 9)", "died"),
    "endless": ("while True: pass", "timeout"),
    "endless, and deaf": (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        "timeout",
    ),
    "endless, and catches": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "timeout",
    ),
    "garbage on all descriptors": (
        """\
        import os
        for n in range(3, 200):
            try: os.write(n, b"{}" * 50)
            except OSError: pass
        """,
        None,
    ),
    "replies beforehand": (
        """\
        import json, os, struct
        reply = dict(verb="SharedDone", token="0" * 32, outputs=[], error=None, value=None,
                     interrupted=False, changed=[], origins={})
        data = json.dumps(reply).encode()
        for n in range(3, 200):
            try:
                for _ in range(20): os.write(n, struct.pack("<Q", len(data)) + data)
            except OSError: pass
        """,
        "tampered",
    ),
    "much memory": ("x = np.ones(1_000_000_000)", "memory"),
    "many processes with much memory": (
        """\
        import os, time
        for _ in range(5):
            if os.fork() == 0:
                x = np.ones(100_000_000)
                time.sleep(60)
        time.sleep(20)
        """,
        None,
    ),
    "fork bomb": (
        "import os\ntry:\n    while True: os.fork()\nexcept OSError: pass",
        None,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORGED)
def test_no_point_is_forged_and_the_other_exercise_counts(grade, name):
    text, status = FORGED[name]
    graded = grade(dedent(text) + "\n" + WRONG)
    scores = points(graded)
    assert [scores[f"test_{n}"] for n in range(5)] == [0.0] * 5, graded.cells
    assert scores["names_two"] == 1.0, (graded.status, graded.message, graded.cells)
    assert status is None or graded.status == status, graded.message
    # The processes go on to serve others.
    assert set(points(grade(RIGHT)).values()) == {1.0}


def test_a_cell_magic_is_no_finding(grade):
    graded = grade(RIGHT, names=f"%%time\n{OTHER}")
    assert set(points(graded).values()) == {1.0}
    # The last test fails, since the cell does something else.
    graded = grade(RIGHT, names="%%bash\necho two")
    assert graded.status == "graded"
    assert graded.score == 5


@pytest.mark.slow
def test_an_answer_that_hangs_in_one_test_passes_the_others(grade):
    answer = RIGHT.replace("    return", "    while list(a) == [2]: pass\n    return")
    graded = grade(answer)
    assert points(graded) == {**dict.fromkeys(points(graded), 1.0), "test_2": 0.0}
    assert graded.status == "timeout"
    assert "more than 8 seconds" in graded.cells["test_2"].message


def test_hidden_tests_are_not_there_before_their_turn_and_are_not_shown_afterwards(grade):
    look = dedent(
        """\
        import gc
        found = [o for o in gc.get_objects() if isinstance(o, str) and "secret" + "_sum" in o]
        found += [t for t in In if "secret" + "_sum" in t]
        assert not found
        """
    )
    assert set(points(grade(look + RIGHT)).values()) == {1.0}
    tell = "print([t for t in In if 'secret' + '_sum' in t])\n" + OTHER
    graded = grade(RIGHT, names=tell)
    assert set(points(graded).values()) == {1.0}
    shown = [out for cell in graded.notebook.cells if cell.cell_type == "code"
             for out in cell.outputs]  # fmt: skip
    assert "secret_sum" not in str(shown)
    assert "hidden tests had run" in str(shown)
    raising = "def add(a, b):\n    raise ValueError(In[-1])"
    assert "secret_sum" not in str(grade(raising).cells)


@pytest.mark.slow
def test_nothing_of_the_machine_can_be_seen(grade):
    look = dedent(
        """\
        import os, socket, subprocess, sys
        import autograder
        root = os.path.dirname(os.path.dirname(autograder.__file__))
        # An environment may lie in the repository, as .venv does.
        environment = {os.path.relpath(sys.prefix, root).split(os.sep)[0]}
        assert set(os.listdir(root)) <= {"autograder", "course"} | environment
        assert set(os.listdir(os.path.join(root, "autograder"))) == {"__init__.py", "sandbox"}
        assert "COURSE_GRADEBOOK" not in os.environ
        for attempt in (
            lambda: socket.create_connection(("127.0.0.1", 22), 1),
            lambda: open("/etc/passwd"),
            lambda: open("/usr/written", "w"),
        ):
            try:
                attempt()
            except OSError:
                continue
            raise RuntimeError
        left = subprocess.run("unshare -r true; mount -t tmpfs t /dev/shm", shell=True)
        assert left.returncode != 0
        """
    )
    graded = grade(look + RIGHT)
    assert set(points(graded).values()) == {1.0}, graded.cells


@pytest.mark.slow
def test_own_cells_run_and_an_error_in_one_costs_nothing(grade):
    handed = [
        Handed(None, SETUP),
        Handed(None, "def helper(x):\n    return as_array(x)\n1 / 0"),
        Handed("add", ""),
        Handed(None, "never_used = helper([1])"),
        *(Handed(f"test_{n}", "") for n in range(5)),
        Handed("names", ""),
        Handed("names_two", ""),
    ]
    graded = grade("def add(a, b):\n    return helper(a) + helper(b)", handed=handed)
    assert set(points(graded).values()) == {1.0}, graded.cells
    # Without them the answer does not run.
    assert points(grade("def add(a, b):\n    return helper(a) + helper(b)"))["test_0"] == 0.0


@pytest.mark.slow
def test_a_class_is_told_that_its_tests_ran_together(toy, monkeypatch):
    folder = toy / "solutions" / "own"
    folder.mkdir()
    cells = [
        create_solution_cell("def ask():\n    return input('Yes? ')", "code", "ask"),
        create_grade_cell(
            "from unittest.mock import patch\n"
            "with patch('builtins.input', return_value='y'):\n    assert ask() == 'y'",
            "code", "asked", 2,
        ),
    ]  # fmt: skip
    nbformat.write(new_notebook(cells=cells), folder / "own.ipynb")
    answers = {
        "ada": cells[0].source,
        "bob": "def ask():\n    return 'n'",
        "eve": "import unittest.mock\nunittest.mock.patch = print\n" + cells[0].source,
    }
    for student, answer in answers.items():
        submission = toy / "class" / "submitted" / student / "own" / "own.ipynb"
        submission.parent.mkdir(parents=True)
        cells[0].source = answer
        nbformat.write(new_notebook(cells=cells), submission)
    monkeypatch.chdir(toy)

    def run(*words):
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == 0, done.output
        return done.output

    lines = run("grade", "own", "--json").splitlines()
    results = {r["student"]: r for r in (json.loads(x) for x in lines if x.startswith("{"))}
    assert {name: r["score"] for name, r in results.items()} == {"ada": 2, "bob": 0, "eve": 0}
    assert {r["tests"] for r in results.values()} == {"together"}
    assert results["eve"]["status"] == "tampered"
    assert "unittest.mock.patch" in results["eve"]["message"]
    assert "ran together" in " ".join(run("grade", "own").split())
    page = Path(run("report", "own").strip().splitlines()[-1]).read_text()
    assert "The tests ran together with the answers" in page
    assert "tampered: " in page
    for student in answers:
        (feedback,) = (toy / "class" / "feedback" / student / "own").glob("*.html")
        assert "The tests ran together with the answers" in feedback.read_text()
    # Somebody asks for the other way, which is another result.
    lines = run("grade", "own", "--tests", "apart", "--json").splitlines()
    apart = [json.loads(line) for line in lines if line.startswith("{")]
    assert {(r["tests"], r["score"]) for r in apart} == {("apart", 0)}
    # nbgrader's own command takes what was decided.
    run_nbgrader = nbgrader_api(toy).autograde("own", "ada", force=True)
    assert run_nbgrader["success"], run_nbgrader
    path = toy / "class" / "autograded" / "ada" / "own" / "own.ipynb"
    graded = nbformat.read(path, as_version=4)
    assert graded.metadata.course.tests == "together"
    assert graded.cells[1].metadata.course.score == 2
