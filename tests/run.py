"""Everything that continuous integration runs, one step after the other, with a summary.

``make test`` runs all of it, ``make check`` the quick half: no slow test, no notebook executed.
All steps run, also after one has failed; the exit status is 1 when any has.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from autograder.sandbox.isolation import install_bubblewrap, isolation_problem
from course.kernels import unsupported

ROOT = Path(__file__).parent.parent
WORKERS = 2

# A cell that hangs is given up on after this many seconds, and its test some time later, so that
# the message is about the cell.
CELL_TIMEOUT, TEST_TIMEOUT = 300, 400

# Lines of a failed step that are shown again at the end.
END = 40


@dataclass(frozen=True)
class Step:
    """A command with a name; ``quick`` steps are those of ``make check``."""

    name: str
    command: list[str]
    quick: bool = True


def nbval(
    notebooks: Sequence[Path], workers: int = WORKERS, python: str = sys.executable
) -> list[str]:
    """The command that runs instructor notebooks and compares the results that they state."""
    return [
        *(python, "-m", "pytest", "-q", "-n", str(workers), "--dist", "loadscope"),
        *("-p", "course.check.nbval_plugin", "-p", "tests.nbval_kernels"),
        *("--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={CELL_TIMEOUT}"),
        *("--timeout", str(TEST_TIMEOUT), "--maxfail=20"),
        *map(str, notebooks),
    ]


def steps(quick: bool, python: str = sys.executable) -> list[Step]:
    """The steps, in the order in which a mistake is cheapest to find.

    Args:
        quick: only those of ``make check``.
        python: the environment's Python; this process's by default.
    """
    unit = [python, "-m", "pytest", "-q", "-n", str(WORKERS), "--dist", "loadfile"]
    unit += ["--durations=5", *(["-m", "not slow"] if quick else []), "tests"]
    autograder = [str(Path(python).with_name("autograder"))]
    notebooks = sorted(path.relative_to(ROOT) for path in ROOT.glob("solutions/*/*.ipynb"))
    everything = [
        Step("format", [python, "-m", "ruff", "format", "--check", "."]),
        Step("lint", [python, "-m", "ruff", "check", "."]),
        Step("types", [python, "-m", "mypy"]),
        Step("drift", [*autograder, "build", "--check"]),
        Step("unit tests and gates", unit),
        Step("proofs", [*autograder, "prove"], quick=False),
        Step("notebooks", nbval(notebooks, python=python), quick=False),
    ]
    return [step for step in everything if step.quick or not quick]


def environment() -> dict[str, str]:
    """This process's environment without what another pytest, or make, has left in it."""
    left = ("PYTEST_", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left)}
    return kept | {"TF_CPP_MIN_LOG_LEVEL": "3", "COLUMNS": os.environ.get("COLUMNS", "100")}


@contextlib.contextmanager
def forking_kernels() -> Iterator[None]:
    """Fork servers for kernels in a new folder, where none is set yet; ended afterwards."""
    if "COURSE_RUNTIME_DIR" in os.environ or unsupported():
        yield
        return
    from course.kernels.client import stop_servers

    # The path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="kernels-") as folder:
        os.environ["COURSE_RUNTIME_DIR"] = folder
        try:
            yield
        finally:
            stop_servers()
            del os.environ["COURSE_RUNTIME_DIR"]


def run(command: Sequence[str]) -> tuple[int, str]:
    """Run a command here, what it prints shown as it comes.

    Returns:
        Its exit status, and the last ``END`` lines of what it has printed.
    """
    end = b""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as process:
        assert process.stdout is not None
        while part := process.stdout.read(1 << 16):
            sys.stdout.buffer.write(part)
            sys.stdout.flush()
            end = b"\n".join((end + part).rsplit(b"\n", END + 1)[-END - 1 :])
    return process.returncode, end.decode(errors="replace").rstrip()


def main() -> int:
    """Run the steps and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the quick half")
    quick = parser.parse_args().quick
    if isolation_problem() is not None:
        # Without it the tests of the sandbox would be skipped.
        install_bubblewrap()
    console = Console(highlight=False)
    table = Table("step", "result", "seconds", box=None)
    failed: dict[str, str] = {}
    start = time.monotonic()
    with forking_kernels():
        for step in steps(quick):
            console.rule(step.name)
            begun = time.monotonic()
            status, end = run(step.command)
            if status:
                failed[step.name] = end
            result = f"failed ({status})" if status else "passed"
            table.add_row(step.name, result, f"{time.monotonic() - begun:.0f}")
    # Whoever sees only the last lines of a log finds there what failed.
    for name, end in failed.items():
        console.rule(f"{name}: the end of what it printed")
        print(end)
    console.rule("summary")
    console.print(table)
    minutes = (time.monotonic() - start) / 60
    verdict = f"failed: {', '.join(failed)}" if failed else "all passed"
    console.print(f"{'make check' if quick else 'make test'}: {verdict}, {minutes:.1f} minutes.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
