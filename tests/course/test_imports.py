"""``import course`` and the command are cheap: TensorFlow is loaded when something needs it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

# Importing any of these takes a good part of a second.
HEAVY = ("tensorflow", "keras", "matplotlib", "sklearn", "pandas", "nbgrader", "jupyterlab")


def loaded_by(code: str) -> set[str]:
    """The heavy modules that a fresh Python has loaded after running this."""
    code = f"{code}\nimport sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import course",
        "import course, course.precision; course.precision.choose",
        "import course.lessons",
        "from course import datasets; datasets.load",
        "import course.cli",
        "import course.lab, course.doctor",
    ],
)
def test_nothing_heavy_is_loaded(code):
    assert loaded_by(code) == set()


def test_help_loads_nothing_heavy():
    code = "import sys\nfrom course.cli import app\nsys.argv = ['course', '--help']\n"
    assert loaded_by(f"{code}try:\n    app()\nexcept SystemExit:\n    pass") == set()


def test_attributes_are_found_when_asked_for():
    import course

    assert {"setup", "datasets", "plots", "precision", "models", "training"} <= set(dir(course))
    assert callable(course.setup)
    with pytest.raises(AttributeError, match="no_such_thing"):
        course.no_such_thing  # noqa: B018


def stderr_of_importing_tensorflow(code: str = "", **environment: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith("TF_")} | environment
    code = f"import course\n{code}\nimport tensorflow as tf\nprint(tf.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
def test_tensorflow_is_imported_without_its_greeting():
    assert stderr_of_importing_tensorflow() == ""


@pytest.mark.slow
def test_who_asks_for_tensorflows_log_gets_it():
    assert "oneDNN" in stderr_of_importing_tensorflow(TF_CPP_MIN_LOG_LEVEL="0")


def test_only_log_lines_are_hidden(capfd):
    from course.quiet import hidden_log_lines

    def write(text: str) -> None:
        os.write(2, text.encode())

    with hidden_log_lines():
        write("I0000 00:00:1795239426.297213    5760 port.cc:153] oneDNN custom operations\n")
        write("WARNING: All log messages before absl::InitializeLog() is called\n")
        write("2026-01-01 10:00:00.123: E external/xla.cc:1] factory\n")
        write("Fatal: something else\n")
    assert capfd.readouterr().err == "Fatal: something else\n"
    with contextlib.suppress(ImportError), hidden_log_lines():
        write("E0000 00:00:17 1 dso_loader.cc:1] what would explain it\n")
        raise ImportError
    assert "what would explain it" in capfd.readouterr().err
