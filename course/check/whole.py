"""Run a saved notebook from top to bottom in a fresh kernel with nbval, and say what it shows."""

from __future__ import annotations

import codecs
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from nbgrader import utils

from course.cells import first_line, is_edited
from course.check.answers import UNANSWERED, Outcome, quiet_kernels
from course.check.lesson import Lesson
from course.check.names import bound_names

WAITING, EXERCISE, BREAKS, RESULT, STOPPED = (
    "waiting",
    "exercise",
    "breaks",
    "result",
    "stopped",
)

_UNDEFINED = re.compile(r"name '(\w+)' is not defined")


@dataclass
class Problem:
    """A cell that did not do what it should.

    ``cell`` counts the notebook's cells from 1, ``kind`` is one of the constants above, and
    ``line`` is the cell's first line, to find it by.
    """

    cell: int
    line: str
    kind: str
    message: str


@dataclass
class WholeRun:
    """What nbval found: how many code cells ran, how many results were compared, and problems.

    ``unchanged`` is whether the file is as it was at an earlier check, which this was found by.
    """

    cells: int
    ran: int = 0
    compared: int = 0
    problems: list[Problem] = field(default_factory=list)
    failure: str = ""
    unchanged: bool = False

    @property
    def is_right(self) -> bool:
        return not self.problems and not self.failure


def run_whole(
    lesson: Lesson,
    outcomes: list[Outcome],
    *,
    timeout: float = 300,
    on_cell: Callable[[int], None] | None = None,
) -> WholeRun:
    """Run the notebook as it was saved, with nbval.

    Args:
        lesson: the lesson, as ``read_lesson`` returns it.
        outcomes: the outcomes of its exercises, which tell an unanswered exercise from a broken
            notebook.
        timeout: the seconds that a cell may take, 300 by default.
        on_cell: a function that is called with the number of code cells done so far. None, the
            default, calls nothing.
    """
    code = [
        (i, cell) for i, cell in enumerate(lesson.notebook.cells, 1) if cell.cell_type == "code"
    ]
    run = WholeRun(len(code))
    lines, log = _run_nbval(lesson.path, timeout, on_cell or (lambda done: None))
    waiting = any(outcome.state == UNANSWERED for outcome in outcomes)
    bound = set().union(*(bound_names(cell.source) for _, cell in code), set())
    stopped = False
    for line in lines:
        if stopped:
            break
        number, cell = code[line["cell"]]
        run.ran += not line["died"] and line["outcome"] != "skipped"
        run.compared += line["compared"] and line["outcome"] == "passed"
        if line["outcome"] == "failed":
            kind, message = _classify(line, cell, waiting, bound, timeout)
            run.problems.append(Problem(number, first_line(cell), kind, message))
            stopped = kind == STOPPED
    if not lines and code:
        run.failure = "nbval could not run the notebook:\n" + "\n".join(log.splitlines()[-8:])
    return run


def _run_nbval(
    path: Path, timeout: float, on_cell: Callable[[int], None]
) -> tuple[list[dict[str, Any]], str]:
    with tempfile.TemporaryDirectory(prefix="course-check-") as folder:
        report, log = Path(folder) / "report", Path(folder) / "log"
        if (data := path.read_bytes()).startswith(codecs.BOM_UTF8):
            # nbval does not read past it.
            path = Path(folder) / path.name
            path.write_bytes(data.removeprefix(codecs.BOM_UTF8))
        report.touch()
        (Path(folder) / "pytest.ini").write_text("[pytest]\n")
        command = [
            *(sys.executable, "-m", "pytest", str(path.resolve())),
            *("-c", f"{folder}/pytest.ini", "--rootdir", folder, "--noconftest"),
            *("-p", "no:cacheprovider", "-p", "nbval.plugin", "-p", "course.check.nbval_plugin"),
            *("--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={timeout}"),
            *(f"--course-report={report}", "--color=no", "-q"),
        ]
        with quiet_kernels(), log.open("w") as output:
            # No plugin, option or setting of the folder that the student is in.
            os.environ.pop("PYTEST_ADDOPTS", None)
            os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                on_cell(report.read_bytes().count(b"\n"))
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
        return lines, log.read_text(encoding="utf-8", errors="replace")


def _classify(
    line: dict[str, Any], cell: NotebookNode, waiting: bool, bound: set[str], timeout: float
) -> tuple[str, str]:
    name, value = line["ename"], line["evalue"]
    if line["died"]:
        return STOPPED, f"{line['message']} Later cells were not run."
    if line["message"].startswith("Timeout"):
        return STOPPED, f"It did not end within {timeout:g} seconds, so later cells were not run."
    undefined = _UNDEFINED.search(value) if name == "NameError" else None
    if waiting and (name == "NotImplementedError" or (undefined and undefined[1] not in bound)):
        return WAITING, "It waits for an exercise that is not answered yet."
    if line["message"] == "Cell outputs differ":
        changed = "You changed this cell.\n" if is_edited(cell) else ""
        return RESULT, changed + strip_ansi(line["detail"]).strip("\n")
    error = f"{name}: {value}".strip(": ") or line["message"]
    listed = utils.is_grade(cell) or utils.is_solution(cell)
    return (EXERCISE if listed else BREAKS), strip_ansi(error)
