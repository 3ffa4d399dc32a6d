"""How the Makefile finds a Python and sets up, with scripts in place of Python, pip and apt-get."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Answers as a Python would: is the version right, is venv there, make one, install.
PYTHON = """\
#!/bin/bash
echo "${0##*/} $*" >> "$LOG"
case "$*" in
    *"sys.version_info[:2] <="*) exit ${WRONG_VERSION:-0} ;;
    *"import ensurepip"*) [ -e "$VENV_MODULE" ] ;;
    *"print('%d.%d'"*) echo 3.12 ;;
    "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
esac
"""
APT = """\
#!/bin/bash
echo "apt-get $*" >> "$LOG"
if [ -n "${APT_WORKS:-}" ]; then touch "$VENV_MODULE"; else exit 100; fi
"""


@pytest.fixture
def machine(tmp_path):
    """A folder with the Makefile and a separate PATH: call it with a target and variables."""
    for name in ("make", "bash"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "mkdir", "cp", "touch", "env", "awk"):
        (tools / name).symlink_to(shutil.which(name))
    program(tools / "id", "#!/bin/bash\necho 0\n")
    log, venv = tmp_path / "log", tmp_path / "venv-module"
    venv.touch()

    def run(target: str = "setup", **variables: str) -> subprocess.CompletedProcess:
        log.unlink(missing_ok=True)
        environment = {"PATH": str(tools), "LOG": str(log), "VENV_MODULE": str(venv), **variables}
        make = shutil.which("make")
        return subprocess.run(
            [make, target],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    run.tools, run.log, run.venv = tools, log, venv
    return run


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_sets_up_once_and_again_after_a_change(machine, tmp_path):
    program(machine.tools / "python3.12", PYTHON)
    assert machine().returncode == 0
    steps = machine.log.read_text()
    assert "-m venv --clear .venv" in steps
    assert "--require-hashes -r requirements.lock" in steps
    assert "--no-deps --no-build-isolation -e ." in steps
    assert machine().returncode == 0
    assert not machine.log.exists()
    os.utime(tmp_path / "requirements.lock", (4e9, 4e9))
    assert machine().returncode == 0
    steps = machine.log.read_text()
    assert "-r requirements.lock" in steps
    assert "-m venv" not in steps, "a working environment is kept"


def test_takes_a_python_that_works(machine):
    program(machine.tools / "python3.13", "#!/bin/bash\nexit 127\n")
    program(machine.tools / "python3", PYTHON)
    assert machine().returncode == 0
    assert "python3 -m venv" in machine.log.read_text()


def test_takes_the_python_that_is_named(machine):
    program(machine.tools / "python3.13", PYTHON)
    program(machine.tools / "mine", PYTHON)
    assert machine(PYTHON="mine").returncode == 0
    assert "mine -m venv" in machine.log.read_text()


def test_takes_no_other_python_than_the_one_that_is_named(machine):
    program(machine.tools / "python3.13", PYTHON)
    result = machine(PYTHON="python3.9")
    assert result.returncode
    assert "PYTHON names python3.9, which is not a Python 3.11, 3.12 or 3.13" in result.stderr
    assert not machine.log.exists()


def test_without_python_says_so(machine):
    result = machine()
    assert result.returncode
    assert "No Python 3.11, 3.12 or 3.13 found" in result.stderr


def test_old_python_is_not_taken(machine):
    program(machine.tools / "python3", PYTHON)
    result = machine(WRONG_VERSION="1")
    assert "No Python 3.11, 3.12 or 3.13 found" in result.stderr


def test_installs_the_venv_module(machine):
    program(machine.tools / "python3.12", PYTHON)
    program(machine.tools / "apt-get", APT)
    machine.venv.unlink()
    result = machine(APT_WORKS="yes")
    assert result.returncode == 0, result.stderr
    assert "install -y -qq python3.12-venv" in machine.log.read_text()


def test_says_what_to_install_where_it_cannot(machine):
    program(machine.tools / "python3.12", PYTHON)
    program(machine.tools / "apt-get", APT)
    machine.venv.unlink()
    result = machine()
    assert result.returncode
    assert "sudo apt-get install python3.12-venv, then make again" in result.stderr


def test_prefers_a_python_with_its_venv_module(machine, tmp_path):
    program(machine.tools / "python3.13", PYTHON.replace('[ -e "$VENV_MODULE" ]', "exit 1"))
    program(machine.tools / "python3.11", PYTHON)
    assert machine().returncode == 0
    assert "python3.11 -m venv" in machine.log.read_text()


def test_help_lists_the_targets(machine):
    result = machine("help")
    assert result.returncode == 0, result.stderr
    for target in ("demo", "test", "lab", "check", "lock", "clean"):
        assert f"make {target} " in result.stdout


@pytest.mark.parametrize("python", [None, "python3.12", "python3.9"])
def test_ci_hands_the_python_that_is_named_to_make(machine, tmp_path, python):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (machine.tools / "dirname").symlink_to(shutil.which("dirname"))
    program(machine.tools / "python3.12", PYTHON)
    program(machine.tools / "apt-get", APT)
    program(machine.tools / "make", '#!/bin/bash\necho "make $* with ${PYTHON:-any}" >> "$LOG"\n')
    for name in ("git", "bwrap", "initdb", "chromium"):
        program(machine.tools / name, "#!/bin/bash\n")
    log = tmp_path / "log"
    variables = {"PATH": str(machine.tools), "LOG": str(log), "VENV_MODULE": str(machine.venv)}
    if python:
        variables["PYTHON"] = python
    process = subprocess.run(
        [shutil.which("bash"), str(tmp_path / ".ci" / "run")],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    steps = log.read_text().splitlines()
    assert steps[-1] == f"make test with {python or 'any'}"
    assert not any("apt-get" in step for step in steps), "nothing is missing here"
