"""Answers that try to get points, harm others or escape. None gets a point that it did not earn,
each ends in a named state, and the next submission notices nothing.

Every answer stands in for ``add``; the answer to ``names`` is right, so 1 of 4 points is earned.
"""

import nbformat
import pytest

from autograder.examine import examine
from autograder.instructor import make_instructor_notebook
from autograder.lesson import read_lesson
from autograder.rebuild import references
from autograder.sandbox import Limits, Workplace, isolation_problem

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        isolation_problem() is not None, reason=f"no sandbox here: {isolation_problem()}"
    ),
]

TIMEOUT = 4

# What an answer to `add` cannot know, so what the tests must find to be wrong.
WRONG = "\ndef add(a, b):\n    return 0\n"


def body(text, before=""):
    """An answer that does something when it is called."""
    lines = "".join(f"    {line}\n" for line in text.strip().splitlines())
    return f"{before}\ndef add(a, b):\n{lines}"


AT_CELL = {
    "replaces numpy's testing": "import numpy.testing as t\nt.assert_allclose = lambda *a, **k: 0",
    "replaces numpy": "import numpy\nnumpy.ones = lambda *a: None\nnumpy.add = print",
    "replaces builtins": "import builtins\nbuiltins.abs = builtins.len = lambda *a: 2",
    "replaces isinstance": "import builtins\nbuiltins.isinstance = lambda *a: True",
    "empties modules": "import sys\nfor name in list(sys.modules): sys.modules[name] = None",
    "own module in sys.modules": "import sys, types\nsys.modules['numpy'] = types.ModuleType('n')",
    "ast transformer": "import ast\nclass T(ast.NodeTransformer):\n"
    "    def visit_Assert(self, node):\n        return ast.Pass()\n"
    "get_ipython().ast_transformers.append(T())",
    "input transformer": "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])",
    "event hook": "get_ipython().events.register('pre_run_cell', lambda *a: globals().clear())",
    "display formatter": "get_ipython().display_formatter.format = lambda *a, **k: ({}, {})",
    "run_cell replaced": "get_ipython().run_cell = lambda *a, **k: None",
    "except hook": "import sys\nsys.excepthook = lambda *a: None",
    "traceback hook": "get_ipython().showtraceback = lambda *a, **k: None",
    "custom exception handler": "get_ipython().set_custom_exc((Exception,), lambda *a, **k: None)",
    "warning hook": "import warnings\nwarnings.showwarning = lambda *a, **k: print('3')",
    "helper of the lesson replaced": "def as_array(values):\n    return np.zeros(2)",
    "names of tests defined": "add_numbers = add_arrays = names_two = 3",
    "prints a score": "print(3)\nprint('add_numbers: 2/2')\n3",
    "writes outputs": "import sys\nsys.__stdout__.write('{\"score\": 4}')",
    "trace function": "import sys\nsys.settrace(lambda *a: None)",
    "import hook": "import sys\nclass F:\n    def find_spec(self, *a): raise ImportError\n"
    "sys.meta_path.insert(0, F())",
    "atexit": "import atexit\natexit.register(lambda: print('bye'))",
    "garbage hook": "import gc\ngc.callbacks.append(lambda *a: None)",
    "reply of its own": "import os\nos.write(3, b'\\0' * 8)",
    "garbage on every descriptor": "import os\nfor number in range(3, 60):\n    try:\n"
    "        os.write(number, b'\\xff' * 64)\n    except OSError: pass",
    "closes every descriptor": "import os\nos.closerange(0, 100)",
    "reads the channel": "import os\nos.read(3, 10)",
}  # fmt: skip

AT_CALL = {
    "equal to everything": "class Any:\n    def __eq__(self, other): return True\n"
    "    def __getattr__(self, name): return Any()\nreturn Any()",
    "true subclass of float": "class F(float):\n    def __eq__(self, other): return True\nreturn F(0)",
    "hostile reduce": "class R:\n    def __reduce__(self): return (eval, ('1/0',))\nreturn R()",
    "hostile array": "class A:\n    def __array__(self, *a, **k): return np.ones(2)\n"
    "    shape = (2,)\nreturn A()",
    "hostile repr": "class P:\n    def __repr__(self): raise SystemExit\nreturn P()",
    "returns a generator": "return (number for number in iter(int, 1))",
    "returns a function": "return lambda *a: True",
    "returns a module": "import sys\nreturn sys",
    "returns a type": "return type",
    "object array": "return np.array([lambda: 1], dtype=object)",
    "two gigabytes": "return np.zeros(250_000_000)",
    "deeply nested": "deep = []\nfor _ in range(10_000): deep = [deep]\nreturn deep",
    "refers to itself": "loop = []\nloop.append(loop)\nreturn loop",
    "not a number": "return float('nan')",
    "none": "return None",
    "huge text": "return 'x' * 300_000_000",
    "raises something of its own": "class Own(BaseException): pass\nraise Own('full marks')",
    "raises what cannot be shown": "class Own(Exception):\n    def __str__(self): raise ValueError\n"
    "raise Own",
    "stops iteration": "raise StopIteration",
    "interrupts": "raise KeyboardInterrupt",
    "leaves": "raise SystemExit(0)",
    "reads the frames below": "import sys\nframe = sys._getframe()\nwhile frame:\n"
    "    for name in frame.f_globals:\n        if 'hidden' in name: return 3\n"
    "    frame = frame.f_back\nreturn 0",
    "searches memory for tests": "import gc\nfor thing in gc.get_objects():\n"
    "    if isinstance(thing, str) and 'HIDDEN TESTS' in thing: return a + b\nreturn 0",
    "opens the repository": "import glob\nreturn 3 if glob.glob('/**/solutions', recursive=False) "
    "or glob.glob('/*/*/solutions') else 0",
    "looks for the gradebook": "import glob\nreturn 3 if glob.glob('/**/gradebook.db') else 0",
    "reads the environment": "import os\nreturn 3 if 'PYTEST_CURRENT_TEST' in os.environ "
    "or 'USER' in os.environ else 0",
    "reads other processes": "import glob\nreturn 3 if len(glob.glob('/proc/[0-9]*')) > 1 else 0",
    "reads memory": "open('/proc/self/mem', 'rb')\nreturn 3",
    "network": "import socket\nsocket.create_connection(('192.0.2.1', 80), 1)\nreturn 3",
    "unix sockets": "import socket\nsocket.socket(socket.AF_UNIX).connect('/run/dbus/system_bus_socket')",
    "new process": "import subprocess\nsubprocess.run(['true'])\nreturn 3",
    "fork": "import os\nos.fork()\nreturn 3",
    "program": "import os\nos.execv('/usr/bin/env', ['env'])",
    "ptrace": "import ctypes\nif ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0: return 3\nreturn 0",
    "namespaces": "import ctypes\nif ctypes.CDLL(None).unshare(0x10000000) == 0: return 3\nreturn 0",
    "mounts": "import ctypes\nif ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0: "
    "return 3\nreturn 0",
    "kills its parent": "import os\nos.kill(os.getppid() or 2, 9)\nreturn 3",
    "kills everything": "import os\nos.kill(-1, 9)\nreturn 3",
    "writes into packages": "open(np.__file__, 'a').write('#')\nreturn 3",
    "writes into the course": "import course\nopen(course.__file__, 'a').write('#')\nreturn 3",
    "writes into the datasets": "import os\nopen(os.environ['COURSE_DATA_DIR'] + '/x', 'w')\nreturn 3",
    "sitecustomize": "import site, os\nopen(site.getsitepackages()[0] + '/x.pth', 'w')\nreturn 3",
    "fills the disk": "for number in range(100):\n    open(f'f{number}', 'wb').write(bytes(10**7))",
    "a million files": "for number in range(10**6):\n    open(f'f{number}', 'w').close()",
    "a file of a gigabyte": "with open('big', 'wb') as file:\n"
    "    for _ in range(1000): file.write(bytes(10**6))",
    "a hundred gigabytes": "return bytearray(10**11)",
    "much output": "for _ in range(300): print('x' * 10**6)\nreturn 0",
}  # fmt: skip

STOPS = {
    "endless loop": (body("while True: pass"), "timeout"),
    "endless loop that ignores interrupts": (
        body("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"),
        "timeout",
    ),
    "endless sleep": (body("import time\ntime.sleep(10**6)"), "timeout"),
    "endless cell": ("while True: pass", "timeout"),
    "leaves at once": (body("import os\nos._exit(0)"), "died"),
    "leaves in the cell": ("import os\nos._exit(0)", "died"),
    "kills itself": (body("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
                          "import ctypes\nctypes.string_at(0)"), "died"),
    "aborts": (body("import os\nos.abort()"), "died"),
    "memory in small pieces": (
        body("kept = []\nwhile True: kept.append(bytearray(10**7))"), "memory"),
}  # fmt: skip


@pytest.fixture(scope="module")
def grade(built_toy):
    """Grade an answer to ``add``, then an honest one in the same workplace."""
    lesson = read_lesson(built_toy / "solutions" / "90_adding")
    instructor = make_instructor_notebook(lesson)
    right = references(instructor)
    with Workplace(isolated=True, limits=Limits(memory_mb=1_000)) as workplace:

        def run(answer):
            result = examine(instructor, right | {"add": answer}, workplace, timeout=TIMEOUT)
            honest = examine(instructor, right, workplace, timeout=30)
            assert (honest.status, honest.score) == ("graded", 4), honest.cells
            return result

        yield run


def points_of_add(result):
    return sum(result.cells[name].score for name in ("add_numbers", "add_arrays"))


@pytest.mark.parametrize("name", AT_CELL)
def test_tampering_in_the_cell_gains_nothing(grade, name):
    result = grade(AT_CELL[name] + WRONG)
    assert points_of_add(result) == 0, result.cells
    assert result.status in {"graded", "timeout", "died", "memory"}
    assert result.max_score == 4
    assert all(cell.message for cell in result.cells.values() if not cell.score)


@pytest.mark.parametrize("name", AT_CALL)
def test_tampering_in_a_call_gains_nothing(grade, name):
    result = grade(body(AT_CALL[name]))
    assert points_of_add(result) == 0, result.cells
    assert result.status in {"graded", "timeout", "died", "memory"}
    assert result.max_score == 4
    assert result.cells["names_two"].score == 1
    assert all(cell.message for cell in result.cells.values() if not cell.score)


@pytest.mark.parametrize("name", STOPS)
def test_what_never_ends_or_dies_costs_its_own_exercise(grade, name):
    answer, status = STOPS[name]
    result = grade(answer)
    assert result.status == status
    assert result.message
    assert points_of_add(result) == 0
    assert result.cells["names_two"].score == 1


def test_nothing_is_left_for_the_next_submission(grade):
    """Files, threads and changed modules are gone with the process."""
    folders = (
        "import os\nfolders = ['/', '/tmp', '/var/tmp', '/dev', '/dev/shm', '/scratch', '/run', "
        "'/etc', '/usr', os.path.dirname(np.__file__), os.environ['COURSE_DATA_DIR'], '.', "
        "os.path.expanduser('~')]\n"
    )
    write = (
        "for folder in folders:\n    try:\n        open(folder + '/left', 'w').write('x')\n"
        "    except OSError: pass\nnp.left = 1\n"
    )
    assert points_of_add(grade(folders + write + WRONG)) == 0
    look = (
        "found = [f for f in folders if os.path.exists(f + '/left')] or hasattr(np, 'left')\n"
        "def add(a, b):\n    if found: raise ValueError(f'found {found}')\n"
        "    return as_array(a) + as_array(b)"
    )
    result = grade(folders + look)
    assert result.score == 4, result.cells


def test_thousands_of_cells_and_ids_are_taken_as_they_are(toy, hand_in):
    from autograder.grade import Grading

    path = hand_in("many", add="def add(a, b):\n    return as_array(a) + as_array(b)")
    notebook = nbformat.read(path, as_version=4)
    extra = nbformat.v4.new_code_cell("x = 1")
    notebook.cells += [nbformat.from_dict(dict(extra, id=f"x{n}")) for n in range(20_000)]
    nbformat.write(notebook, path)
    (result,) = Grading(toy, "90_adding").grade(["many"])
    assert (result.status, result.score) == ("graded", 3)
