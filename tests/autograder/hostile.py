"""What submissions have tried, or might: answers, edited notebooks, broken files.

Every answer stands in for ``add`` of the toy lesson; the one to ``names`` is right.
"""

import json
import os
from textwrap import dedent

import nbformat

# What an answer to `add` cannot know, so what the tests must find to be wrong.
WRONG = dedent(
    """\
    def add(a, b):
        return 0
    """
)


def body(text, before=""):
    """An answer that does something when it is called."""
    lines = "".join(f"    {line}\n" for line in text.strip().splitlines())
    return f"{before}\ndef add(a, b):\n{lines}"


AT_CELL = {
    "replaces numpy's testing": dedent(
        """\
        import numpy.testing as t
        t.assert_allclose = lambda *a, **k: 0
        """
    ),
    "replaces numpy": dedent(
        """\
        import numpy
        numpy.ones = lambda *a: None
        numpy.add = print
        """
    ),
    "replaces builtins": dedent(
        """\
        import builtins
        builtins.abs = builtins.len = lambda *a: 2
        """
    ),
    "replaces isinstance": dedent(
        """\
        import builtins
        builtins.isinstance = lambda *a: True
        """
    ),
    "empties modules": dedent(
        """\
        import sys
        for name in list(sys.modules): sys.modules[name] = None
        """
    ),
    "own module in sys.modules": dedent(
        """\
        import sys, types
        sys.modules['numpy'] = types.ModuleType('n')
        """
    ),
    "ast transformer": dedent(
        """\
        import ast
        class T(ast.NodeTransformer):
            def visit_Assert(self, node):
                return ast.Pass()
        get_ipython().ast_transformers.append(T())
        """
    ),
    "input transformer": "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])",
    "event hook": "get_ipython().events.register('pre_run_cell', lambda *a: globals().clear())",
    "display formatter": "get_ipython().display_formatter.format = lambda *a, **k: ({}, {})",
    "run_cell replaced": "get_ipython().run_cell = lambda *a, **k: None",
    "except hook": dedent(
        """\
        import sys
        sys.excepthook = lambda *a: None
        """
    ),
    "traceback hook": "get_ipython().showtraceback = lambda *a, **k: None",
    "custom exception handler": "get_ipython().set_custom_exc((Exception,), lambda *a, **k: None)",
    "warning hook": dedent(
        """\
        import warnings
        warnings.showwarning = lambda *a, **k: print('3')
        """
    ),
    "helper of the lesson replaced": dedent(
        """\
        def as_array(values):
            return np.zeros(2)
        """
    ),
    "names of tests defined": "add_numbers = add_arrays = names_two = 3",
    "prints a score": dedent(
        """\
        print(3)
        print('add_numbers: 2/2')
        3
        """
    ),
    "writes outputs": dedent(
        """\
        import sys
        sys.__stdout__.write('{"score": 4}')
        """
    ),
    "trace function": dedent(
        """\
        import sys
        sys.settrace(lambda *a: None)
        """
    ),
    "import hook": dedent(
        """\
        import sys
        class F:
            def find_spec(self, *a): raise ImportError
        sys.meta_path.insert(0, F())
        """
    ),
    "half a character in a cell": dedent(
        """\
        # \ud800
        print('\\ud800')
        """
    ),
    "atexit": dedent(
        """\
        import atexit
        atexit.register(lambda: print('bye'))
        """
    ),
    "garbage hook": dedent(
        """\
        import gc
        gc.callbacks.append(lambda *a: None)
        """
    ),
    "reply of its own": dedent(
        """\
        import os
        os.write(3, b'\\0' * 8)
        """
    ),
    "garbage on every descriptor": dedent(
        """\
        import os
        for number in range(3, 60):
            try:
                os.write(number, b'\\xff' * 64)
            except OSError: pass
        """
    ),
    "closes every descriptor": dedent(
        """\
        import os
        os.closerange(0, 100)
        """
    ),
    "reads the channel": dedent(
        """\
        import os
        os.read(3, 10)
        """
    ),
}

AT_CALL = {
    "equal to everything": dedent(
        """\
        class Any:
            def __eq__(self, other): return True
            def __getattr__(self, name): return Any()
        return Any()
        """
    ),
    "true subclass of float": dedent(
        """\
        class F(float):
            def __eq__(self, other): return True
        return F(0)
        """
    ),
    "hostile reduce": dedent(
        """\
        class R:
            def __reduce__(self): return (eval, ('1/0',))
        return R()
        """
    ),
    "hostile array": dedent(
        """\
        class A:
            def __array__(self, *a, **k): return np.ones(2)
            shape = (2,)
        return A()
        """
    ),
    "hostile repr": dedent(
        """\
        class P:
            def __repr__(self): raise SystemExit
        return P()
        """
    ),
    "returns a generator": "return (number for number in iter(int, 1))",
    "returns a function": "return lambda *a: True",
    "returns a module": dedent(
        """\
        import sys
        return sys
        """
    ),
    "returns a type": "return type",
    "object array": "return np.array([lambda: 1], dtype=object)",
    "two gigabytes": "return np.zeros(250_000_000)",
    "deeply nested": dedent(
        """\
        deep = []
        for _ in range(10_000): deep = [deep]
        return deep
        """
    ),
    "refers to itself": dedent(
        """\
        loop = []
        loop.append(loop)
        return loop
        """
    ),
    "not a number": "return float('nan')",
    "none": "return None",
    "huge text": "return 'x' * 300_000_000",
    "raises something of its own": dedent(
        """\
        class Own(BaseException): pass
        raise Own('full marks')
        """
    ),
    "raises what cannot be shown": dedent(
        """\
        class Own(Exception):
            def __str__(self): raise ValueError
        raise Own
        """
    ),
    "stops iteration": "raise StopIteration",
    "half a character": dedent(
        """\
        print('\\ud800')
        raise ValueError('\\ud800')
        """
    ),
    "interrupts": "raise KeyboardInterrupt",
    "leaves": "raise SystemExit(0)",
    "reads the frames below": dedent(
        """\
        import sys
        frame = sys._getframe()
        while frame:
            for name in frame.f_globals:
                if 'hidden' in name: return 3
            frame = frame.f_back
        return 0
        """
    ),
    "searches memory for tests": dedent(
        """\
        import gc
        for thing in gc.get_objects():
            if isinstance(thing, str) and 'HIDDEN TESTS' in thing: return a + b
        return 0
        """
    ),
    "opens the repository": dedent(
        """\
        import glob
        return 3 if glob.glob('/**/solutions', recursive=False) or glob.glob('/*/*/solutions') else 0
        """
    ),
    "looks for the gradebook": dedent(
        """\
        import glob
        return 3 if glob.glob('/**/gradebook.db') else 0
        """
    ),
    "reads the environment": dedent(
        """\
        import os
        return 3 if 'PYTEST_CURRENT_TEST' in os.environ or 'USER' in os.environ else 0
        """
    ),
    "reads other processes": dedent(
        """\
        import glob
        return 3 if len(glob.glob('/proc/[0-9]*')) > 1 else 0
        """
    ),
    "reads memory": dedent(
        """\
        open('/proc/self/mem', 'rb')
        return 3
        """
    ),
    "network": dedent(
        """\
        import socket
        socket.create_connection(('192.0.2.1', 80), 1)
        return 3
        """
    ),
    "unix sockets": dedent(
        """\
        import socket
        socket.socket(socket.AF_UNIX).connect('/run/dbus/system_bus_socket')
        """
    ),
    "new process": dedent(
        """\
        import subprocess
        subprocess.run(['true'])
        return 3
        """
    ),
    "fork": dedent(
        """\
        import os
        os.fork()
        return 3
        """
    ),
    "program": dedent(
        """\
        import os
        os.execv('/usr/bin/env', ['env'])
        """
    ),
    "ptrace": dedent(
        """\
        import ctypes
        if ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0: return 3
        return 0
        """
    ),
    "namespaces": dedent(
        """\
        import ctypes
        if ctypes.CDLL(None).unshare(0x10000000) == 0: return 3
        return 0
        """
    ),
    "mounts": dedent(
        """\
        import ctypes
        if ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0: return 3
        return 0
        """
    ),
    "kills its parent": dedent(
        """\
        import os
        os.kill(os.getppid() or 2, 9)
        return 3
        """
    ),
    "kills everything": dedent(
        """\
        import os
        os.kill(-1, 9)
        return 3
        """
    ),
    "writes into packages": dedent(
        """\
        open(np.__file__, 'a').write('#')
        return 3
        """
    ),
    "writes into the course": dedent(
        """\
        import course
        open(course.__file__, 'a').write('#')
        return 3
        """
    ),
    "writes into the datasets": dedent(
        """\
        import os
        open(os.environ['COURSE_DATA_DIR'] + '/x', 'w')
        return 3
        """
    ),
    "sitecustomize": dedent(
        """\
        import site, os
        open(site.getsitepackages()[0] + '/x.pth', 'w')
        return 3
        """
    ),
    "fills the disk": dedent(
        """\
        for number in range(100):
            open(f'f{number}', 'wb').write(bytes(10**7))
        """
    ),
    "a million files": dedent(
        """\
        for number in range(10**6):
            open(f'f{number}', 'w').close()
        """
    ),
    "a file of a gigabyte": dedent(
        """\
        with open('big', 'wb') as file:
            for _ in range(1000): file.write(bytes(10**6))
        """
    ),
    "a hundred gigabytes": "return bytearray(10**11)",
    "much output": dedent(
        """\
        for _ in range(300): print('x' * 10**6)
        return 0
        """
    ),
}

STOPS = {
    "endless loop": (body("while True: pass"), "timeout"),
    "endless loop that ignores interrupts": (
        body(
            dedent(
                """\
                import signal
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                while True: pass
                """
            )
        ),
        "timeout",
    ),
    "endless sleep": (
        body(
            dedent(
                """\
                import time
                time.sleep(10**6)
                """
            )
        ),
        "timeout",
    ),
    "endless cell": ("while True: pass", "timeout"),
    "leaves at once": (
        body(
            dedent(
                """\
                import os
                os._exit(0)
                """
            )
        ),
        "died",
    ),
    "leaves in the cell": (
        dedent(
            """\
            import os
            os._exit(0)
            """
        ),
        "died",
    ),
    "kills itself": (
        body(
            dedent(
                """\
                import os, signal
                os.kill(os.getpid(), signal.SIGSEGV)
                import ctypes
                ctypes.string_at(0)
                """
            )
        ),
        "died",
    ),
    "aborts": (
        body(
            dedent(
                """\
                import os
                os.abort()
                """
            )
        ),
        "died",
    ),
    "memory in small pieces": (
        body(
            dedent(
                """\
                kept = []
                while True: kept.append(bytearray(10**7))
                """
            )
        ),
        "memory",
    ),
}


def tests_of(notebook):
    """The test cells of a submission."""
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]


def rewrite_tests(notebook):
    for cell in tests_of(notebook):
        cell.source = "pass"


def empty_tests(notebook):
    for cell in tests_of(notebook):
        cell.source = ""


def delete_tests(notebook):
    for cell in tests_of(notebook):
        notebook.cells.remove(cell)


def duplicate_tests(notebook):
    notebook.cells += [nbformat.from_dict(dict(cell, source="3")) for cell in tests_of(notebook)]


def retype_tests(notebook):
    for cell in tests_of(notebook):
        cell.cell_type = "markdown"
        cell.pop("outputs", None)
        cell.pop("execution_count", None)


def raise_points(notebook):
    for cell in tests_of(notebook):
        cell.metadata.nbgrader.points = 100


def make_points_text(notebook):
    for cell in tests_of(notebook):
        cell.metadata.nbgrader.points = "many"


def make_tests_answers(notebook):
    for cell in tests_of(notebook):
        cell.metadata.nbgrader |= {"solution": True, "grade": False}
        cell.source = "3"


def make_answers_tests(notebook):
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.metadata.nbgrader |= {"grade": True, "points": 50}


def unlock_everything(notebook):
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader |= {"locked": False, "schema_version": 3}


def remove_metadata(notebook):
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})


def future_schema(notebook):
    for cell in tests_of(notebook):
        cell.metadata.nbgrader.schema_version = 99


def old_schema(notebook):
    for cell in tests_of(notebook):
        cell.metadata.nbgrader.schema_version = 1


def odd_metadata(notebook):
    for cell in notebook.cells:
        cell.metadata["nbgrader"] = ["not", "a", "dictionary"]


def tag_everything(notebook):
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution", "raises-exception", "demo"]


def forge_the_course_metadata(notebook):
    notebook.metadata["course"] = {
        "status": "graded",
        "message": "",
        "seconds": 0,
        "misconceptions": {},
        "elsewhere": [],
    }
    for cell in tests_of(notebook):
        cell.metadata["course"] = {"score": 100, "message": "", "expected": "3"}


def forge_outputs(notebook):
    for cell in tests_of(notebook):
        cell.execution_count = 1
        cell.outputs = [
            nbformat.v4.new_output(
                "execute_result", {"text/plain": "3"}, execution_count=1, metadata={}
            )
        ]


def hostile_setup_cell(notebook):
    notebook.cells.insert(
        0,
        nbformat.v4.new_code_cell(
            dedent(
                """\
                import numpy
                numpy.asarray = lambda *a, **k: 3
                1 / 0
                """
            )
        ),
    )


def change_the_lessons_cells(notebook):
    for cell in notebook.cells:
        if "def as_array" in cell.source:
            cell.source = dedent(
                """\
                class as_array:
                    __init__ = lambda *_: None
                    __eq__ = lambda *_: True
                """
            )


def two_answers(notebook):
    (answer,) = (cell for cell in notebook.cells if cell.id == "add")
    notebook.cells.append(nbformat.from_dict(dict(answer, source=WRONG + "# the last one counts")))


def another_kernel(notebook):
    notebook.metadata["kernelspec"] = {"name": "evil", "display_name": "E", "language": "bash"}


# What is done to the notebook of a student whose `add` is wrong.
EDITS = {
    edit.__name__.replace("_", " "): edit
    for edit in (
        rewrite_tests,
        empty_tests,
        delete_tests,
        duplicate_tests,
        retype_tests,
        raise_points,
        make_points_text,
        make_tests_answers,
        make_answers_tests,
        unlock_everything,
        remove_metadata,
        future_schema,
        old_schema,
        odd_metadata,
        tag_everything,
        forge_the_course_metadata,
        forge_outputs,
        hostile_setup_cell,
        change_the_lessons_cells,
        two_answers,
        another_kernel,
    )
}


def cut(path):
    path.write_text(path.read_text()[:300])


def no_cells(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cells": []}))


def cells_are_text(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cells": ["a", 1, None]}))


def format_version(number):
    def change(path):
        path.write_text(path.read_text().replace('"nbformat": 4', f'"nbformat": {number}'))

    return change


def rename(path):
    path.rename(path.with_name("Untitled.ipynb"))


def wrong_folder(path):
    (path.parent / "inner").mkdir()
    path.rename(path.parent / "inner" / path.name)


def symlink(path):
    path.unlink()
    path.symlink_to("/etc/passwd")


def link_to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


def a_folder(path):
    path.unlink()
    path.mkdir()


def second_notebook(path):
    path.with_name("solutions.ipynb").write_bytes(path.read_bytes())


def huge(path):
    with path.open("r+b") as file:
        file.truncate(10**9)


def own_modules(path):
    for name in ("numpy", "keras", "sitecustomize", "usercustomize", "ipykernel_launcher"):
        path.with_name(f"{name}.py").write_text("raise RuntimeError('mine')\n")
    folder = path.with_name("course")
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('mine')\n")
    path.with_name("x.pth").write_text("import os; os._exit(3)\n")


ACTIVE = "<img src=x onerror=alert(1)>.ipynb"


def bad_timestamp(path):
    path.with_name("timestamp.txt").write_text("the day before yesterday")


def timestamp_from_the_future(path):
    path.with_name("timestamp.txt").write_text("2999-01-01 00:00:00 UTC")


def odd_file_names(path):
    path.with_name("\u202egnp.ipynb ").write_text("x")
    with open(os.fsencode(path.parent) + b"/\xff\xfe", "w") as file:
        file.write("not UTF-8")


# What is done to the file, and the state that follows. Those that are graded earn `names`.
FILES = {
    "cut short": (cut, "unreadable"),
    "empty": (lambda path: path.write_bytes(b""), "unreadable"),
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 10), "unreadable"),
    "not JSON": (lambda path: path.write_text("{'cells': []}"), "unreadable"),
    "a list": (lambda path: path.write_text("[]"), "unreadable"),
    "a number": (lambda path: path.write_text("3"), "unreadable"),
    "deeply nested": (lambda path: path.write_text("[" * 100_000), "unreadable"),
    "no cells": (no_cells, "unreadable"),
    "cells are text": (cells_are_text, "unreadable"),
    "format 5": (format_version(5), "unreadable"),
    "format 3": (format_version(3), "unreadable"),
    "format 2": (format_version(2), "unreadable"),
    "wrong name": (rename, "graded"),
    "wrong folder": (wrong_folder, "graded"),
    "a name that is not text": (lambda path: path.rename(path.parent / "\udcff.ipynb"), "graded"),
    "a name that is HTML": (lambda path: path.rename(path.with_name(ACTIVE)), "graded"),
    "a pipe for a time stamp": (lambda path: os.mkfifo(path.with_name("timestamp.txt")), "graded"),
    "nothing": (lambda path: path.unlink(), "missing"),
    "link to a file": (symlink, "refused"),
    "link to itself": (link_to_itself, "refused"),
    "a folder with the name": (a_folder, "missing"),
    "two notebooks": (second_notebook, "graded"),
    "a gigabyte": (huge, "refused"),
    "modules of its own": (own_modules, "graded"),
    "bad time stamp": (bad_timestamp, "graded"),
    "time stamp from the future": (timestamp_from_the_future, "graded"),
    "odd file names": (odd_file_names, "graded"),
}
