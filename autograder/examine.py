"""Run a rebuilt notebook and score it, whatever the answers do.

An answer that never ends, or that ends its process, costs its own exercise: the notebook is run
again with that answer left blank, so the other exercises are still graded.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils

from autograder.execution import KERNEL, kernel_environment, socket_config
from autograder.rebuild import Answers, grade_id, groups, rebuild, stubs
from autograder.scoring import CellScore, answer_line, error_message, score_cell

# nbgrader's default. A lesson is graded in seconds; the rest is for slow machines.
CELL_TIMEOUT = 30

UNDEFINED = re.compile(r"NameError: name '(\w+)' is not defined")

GRADED, TIMEOUT, DIED, ERROR = "graded", "timeout", "died", "error"


@dataclass(frozen=True)
class Stop:
    """Where a run was cut short, and why."""

    cell: int
    status: str
    message: str


@dataclass
class Examination:
    """A notebook that has run, with what each test cell is worth."""

    notebook: NotebookNode
    status: str
    seconds: float
    message: str = ""
    cells: dict[str, CellScore] = field(default_factory=dict)

    @property
    def score(self) -> float:
        return sum(cell.score or 0.0 for cell in self.cells.values())

    @property
    def max_score(self) -> float:
        return sum(cell.max_score for cell in self.cells.values())


def examine(
    instructor: NotebookNode,
    answers: Answers,
    files: Path | None = None,
    timeout: int = CELL_TIMEOUT,
    elsewhere: Set[str] = frozenset(),
) -> Examination:
    """Grade answers against an instructor's notebook.

    Args:
        instructor: the instructor notebook.
        answers: text by ``grade_id``.
        files: a folder whose files the notebook may read or import; they are copied.
        timeout: seconds for one cell.
        elsewhere: names that the student defined in cells that do not take part; a failure for
            the lack of one is explained.
    """
    start = time.monotonic()
    blank = stubs(instructor)
    answers = blank | {name: text for name, text in answers.items() if name in blank}
    stops: dict[int, Stop] = {}
    while True:
        notebook = rebuild(instructor, answers)
        stop = _run(notebook, files, timeout, stops)
        if stop is None:
            break
        blamed = _blamed(notebook, stop.cell)
        if not blamed - stops.keys():
            return _broken(notebook, stop, time.monotonic() - start)
        stops |= {index: stop for index in blamed}
    _write_stops(notebook, stops)
    examination = Examination(notebook, GRADED, time.monotonic() - start)
    if stops:
        first = next(iter(stops.values()))
        examination.status, examination.message = first.status, first.message
    examination.cells = _score(notebook, blank, elsewhere)
    return examination


def _run(
    notebook: NotebookNode, files: Path | None, timeout: int, skip: dict[int, Stop]
) -> Stop | None:
    """Execute all cells but those in ``skip``; say where it was cut short, if it was."""
    running = -1

    def starts(cell: NotebookNode, cell_index: int) -> None:
        nonlocal running
        running = cell_index

    for index in skip:
        notebook.cells[index].metadata.setdefault("tags", []).append("skip-execution")
    with tempfile.TemporaryDirectory(prefix="grading-") as name:
        work, sockets = Path(name, "work"), Path(name, "sockets")
        sockets.mkdir()
        if files:
            shutil.copytree(files, work)
        else:
            work.mkdir()
        client = NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name=KERNEL,
            allow_errors=True,
            resources={"metadata": {"path": str(work)}},
            record_timing=False,
            coalesce_streams=True,
            on_cell_execute=starts,
            config=socket_config(sockets),
        )
        try:
            # What a kernel says while it is being ended is noise in an instructor's terminal.
            client.execute(env=kernel_environment(), stderr=subprocess.DEVNULL)
        except CellTimeoutError:
            return Stop(running, TIMEOUT, f"It ran for more than {timeout} seconds.")
        except DeadKernelError:
            return Stop(running, DIED, "It ended the Python process that runs it.")
    return None


def _blamed(notebook: NotebookNode, index: int) -> set[int]:
    """The cells of the exercise that a cell belongs to; none for a cell of the lesson's own."""
    for group in groups(notebook):
        cells = {*group.tests} | ({group.solution} if group.solution is not None else set())
        if index in cells:
            return cells
    return set()


def _write_stops(notebook: NotebookNode, stops: dict[int, Stop]) -> None:
    for index, stop in stops.items():
        cell = notebook.cells[index]
        cell.metadata["tags"].remove("skip-execution")
        message = f"This answer was stopped. {stop.message}"
        # The name is the one whose message is shown as it is.
        cell.outputs = [
            new_output("error", ename="AssertionError", evalue=message, traceback=[message])
        ]


def _broken(notebook: NotebookNode, stop: Stop, seconds: float) -> Examination:
    """A cell of the lesson itself was cut short: nobody's answer is to blame."""
    message = f"A cell of the lesson itself was stopped. {stop.message}"
    return Examination(notebook, ERROR, seconds, message, nothing(notebook, message))


def nothing(notebook: NotebookNode, message: str) -> dict[str, CellScore]:
    """No points for any test cell of a notebook, for one reason."""
    return {
        grade_id(cell): CellScore(0.0, float(cell.metadata["nbgrader"]["points"]), message)
        for cell in notebook.cells
        if utils.is_grade(cell)
    }


def _score(notebook: NotebookNode, blank: Answers, elsewhere: Set[str]) -> dict[str, CellScore]:
    scores = {grade_id(cell): score_cell(cell) for cell in notebook.cells if utils.is_grade(cell)}
    for group in groups(notebook):
        if group.solution is None:
            continue
        solution = notebook.cells[group.solution]
        for index in group.tests:
            test = notebook.cells[index]
            name = grade_id(test)
            if scores[name].score != scores[name].max_score:
                scores[name] = _explain(scores[name], test, solution, blank, elsewhere)
    return scores


def _explain(
    score: CellScore,
    test: NotebookNode,
    solution: NotebookNode,
    blank: Answers,
    elsewhere: Set[str],
) -> CellScore:
    """Say where a failure came from: no answer, an answer that did not run, or a line of it."""
    message = score.message
    if solution.source.strip() == blank[grade_id(solution)].strip():
        message = "Not answered."
    elif (failure := error_message(solution)) and failure != message:
        message = f"The answer itself did not run. {failure}"
    elif line := answer_line(test, solution):
        message = f"{message} (line {line} of the answer)"
    lacking = UNDEFINED.search(message)
    if lacking and lacking[1] in elsewhere:
        message += (
            f" You define {lacking[1]} in another cell, and grading runs only the answer cells: "
            "move it into the answer."
        )
    return CellScore(score.score, score.max_score, message)
