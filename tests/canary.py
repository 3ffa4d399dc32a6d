"""What the next upgrade will break: the newest releases that the bounds of pyproject.toml allow.

``make canary`` installs them into a fresh environment beside a clone of the last commit, runs the
steps of ``make check`` and three notebooks there, and writes a report in Markdown. The exit status
is 1 when something has failed.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbconvert.filters import strip_ansi
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.console import Console

from autograder.publish.lock import read_pins
from autograder.sandbox.isolation import install_bubblewrap, isolation_problem
from tests.run import ROOT, Step, environment, forking_kernels, nbval, steps

REPORT = ROOT / "build" / "canary.md"
# Gradients and layers, images, sequences.
NOTEBOOKS = ("01_neurons_and_layers", "07_chest_xrays", "10_recurrent_networks")
EXTRAS = "instructor,cluster,hub,dev"
# Not in the lock: the course itself, and what installs.
OWN = {"deep-learning-course", "pip"}
# Lines of a failed step that the report shows.
MOST_LINES = 80


@dataclass(frozen=True)
class Difference:
    """A package of which the newest release is not what the lock has.

    Attributes:
        name: its canonical name.
        locked: its version in the lock; None where it is not there.
        newest: the version that was installed; None where it was not.
    """

    name: str
    locked: str | None
    newest: str | None


@dataclass(frozen=True)
class Outcome:
    """What came of a step.

    Attributes:
        name: the step's name.
        status: its exit status.
        seconds: how long it took.
        output: all that it wrote.
    """

    name: str
    status: int
    seconds: float
    output: str

    @property
    def failed(self) -> bool:
        return self.status != 0


def differences(lock: str, installed: Mapping[str, str]) -> list[Difference]:
    """Where an environment and the lock differ, by name.

    Args:
        lock: the text of the lock; what its markers keep from this Python and system is left out.
        installed: versions by name, as pip lists them.
    """
    pinned = (Requirement(pin.requirement) for pin in read_pins(lock))
    locked = {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pinned
        if pin.marker is None or pin.marker.evaluate()
    }
    newest = {canonicalize_name(name): version for name, version in installed.items()}
    found = (
        Difference(name, locked.get(name), newest.get(name))
        for name in sorted({*locked, *newest} - OWN)
    )
    return [each for each in found if each.locked != each.newest]


def named_in(package: str, outcomes: Sequence[Outcome]) -> list[str]:
    """The steps that failed and show a file of a package, as tracebacks do.

    Args:
        package: its canonical name; its module is taken to be called so too.
        outcomes: of all steps.
    """
    module = re.escape(package).replace(r"\-", "[-_]")
    file = re.compile(rf"site-packages/{module}(?:/|\.py)", re.IGNORECASE)
    return [each.name for each in outcomes if each.failed and file.search(each.output)]


def make_report(
    found: Sequence[Difference], outcomes: Sequence[Outcome], commit: str, python: str
) -> str:
    """The report in Markdown.

    Args:
        found: where the environment differs from the lock.
        outcomes: of all steps, in their order.
        commit: what was tried.
        python: the version of Python.
    """
    failed = [each for each in outcomes if each.failed]
    verdict = f"{len(failed)} of {len(outcomes)} steps failed" if failed else "all steps passed"
    lines = [
        f"# Newest releases: {verdict}",
        "",
        f"Commit {commit}, Python {python}.",
        "",
        "| step | result | seconds |",
        "|---|---|---|",
        *(f"| {each.name} | {_result(each)} | {each.seconds:.0f} |" for each in outcomes),
        "",
        "## Other versions than in requirements.lock",
        "",
    ]
    if found:
        lines += ["| package | locked | newest | seen in failures of |", "|---|---|---|---|"]
        for each in found:
            seen = ", ".join(named_in(each.name, outcomes))
            lines.append(f"| {each.name} | {each.locked or '–'} | {each.newest or '–'} | {seen} |")
    else:
        lines.append("None: the lock has the newest releases.")
    for each in failed:
        shown = strip_ansi(each.output).rstrip().splitlines()[-MOST_LINES:]
        # Four, since the output may hold a fence of three.
        lines += ["", f"## Failed: {each.name}", "", "````", *shown, "````"]
    return "\n".join(lines) + "\n"


def _result(outcome: Outcome) -> str:
    return f"failed ({outcome.status})" if outcome.failed else "passed"


def canary_steps(python: Path, clone: Path) -> list[Step]:
    """What runs in the fresh environment, in its order.

    Args:
        python: the environment's Python.
        clone: the clone of the course that it is installed from.
    """
    notebooks = [
        path.relative_to(clone)
        for name in NOTEBOOKS
        for path in sorted((clone / "solutions" / name).glob("*.ipynb"))
    ]
    return [
        Step("requirements", [str(python), "-m", "pip", "check"]),
        *steps(quick=True, python=str(python)),
        Step("three notebooks", nbval(notebooks, python=str(python))),
    ]


def install_steps(folder: Path) -> list[Step]:
    """What makes the clone and the environment, in ``course/`` and ``venv/`` of a folder."""
    python = str(folder / "venv" / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    # A new environment may bring an old setuptools along.
    pip += ["--upgrade", "--upgrade-strategy", "eager"]
    return [
        Step("clone", ["git", "clone", "--quiet", str(ROOT), str(folder / "course")]),
        Step("environment", [sys.executable, "-m", "venv", str(folder / "venv")]),
        Step("installation", [*pip, "-e", f"{folder / 'course'}[{EXTRAS}]"]),
    ]


def run(step: Step, folder: Path) -> Outcome:
    """Run a step without what this environment's variables say of Python.

    Args:
        step: the step.
        folder: where.
    """
    variables = environment()
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        variables.pop(name, None)
    start = time.monotonic()
    process = subprocess.run(
        step.command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return Outcome(step.name, process.returncode, time.monotonic() - start, process.stdout)


def main() -> int:
    """Try the newest releases, print how each step went, and write the report."""
    if isolation_problem() is not None:
        install_bubblewrap()
    console = Console(highlight=False)
    outcomes: list[Outcome] = []
    found: list[Difference] = []

    def add(step: Step, where: Path) -> bool:
        outcomes.append(outcome := run(step, where))
        console.print(f"{step.name}: {_result(outcome)}, {outcome.seconds:.0f} seconds")
        return not outcome.failed

    with tempfile.TemporaryDirectory(prefix="canary-") as name, forking_kernels():
        folder = Path(name)
        clone, python = folder / "course", folder / "venv" / "bin" / "python"
        if all(add(step, folder) for step in install_steps(folder)):
            listed = run(Step("list", [str(python), "-m", "pip", "list", "--format=json"]), folder)
            versions = {each["name"]: each["version"] for each in _json(listed.output)}
            found = differences((clone / "requirements.lock").read_text("utf-8"), versions)
            for step in canary_steps(python, clone):
                add(step, clone)
    commit = run(Step("commit", ["git", "rev-parse", "--short", "HEAD"]), ROOT).output.strip()
    REPORT.parent.mkdir(exist_ok=True)
    text = make_report(found, outcomes, commit, platform.python_version())
    REPORT.write_text(text, encoding="utf-8")
    console.print(f"Report: {os.path.relpath(REPORT)}")
    return 1 if any(each.failed for each in outcomes) else 0


def _json(output: str) -> list[dict[str, str]]:
    """The list in what pip has written, beside which there may be warnings."""
    line = next(line for line in output.splitlines() if line.startswith("["))
    listed: list[dict[str, str]] = json.loads(line)
    return listed


if __name__ == "__main__":
    sys.exit(main())
