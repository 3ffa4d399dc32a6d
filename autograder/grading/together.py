"""One pass over a rebuilt notebook where answers and tests share a process.

Each test comes after two canaries, and what tests depend on is compared before and after it with
how it was before any answer ran. A test for which something was replaced counts nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Set

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils

from autograder.grading.canaries import Canary, failing, passing
from autograder.grading.decision import Decision, value_kind
from autograder.grading.own_cells import is_own
from autograder.grading.status import OUT_OF_MEMORY, Status, Stop
from autograder.notebooks.cells import BEGIN_HIDDEN
from autograder.sandbox.inside.channel import Channel, ChannelClosedError
from autograder.sandbox.inside.errors import CannotTravelError
from autograder.sandbox.inside.from_answers import read_shared
from autograder.sandbox.inside.protocol import (
    LESSON_PATIENCE,
    CellKind,
    SharedCell,
    SharedDone,
    to_json,
)
from autograder.sandbox.workplace import Workplace
from course.cells import grade_id, is_answer, tags
from course.check.names import needed_names

# Seconds in which a cell has to end once it has been interrupted.
GRACE = 5
# Of what an answer's error says in a hidden test: it could quote the test.
MAX_SAID = 200
NO_REPLY = (
    "What came back from its process was no reply: an answer has changed how Python or IPython "
    "works there."
)
SKIPPED = "skip-execution"


class TogetherRun:
    """One pass over a notebook.

    Attributes:
        notebook: the notebook, with outputs once it has run.
        expected: what the instructor's own answers do in the tests; None if that is to be found
            out.
        lines: by cell, the line of an answer that raised its error.
        asserted: by cell, an assertion without a message, as it was written, and its values.
        found: by test cell, what had been done to it.
        values: by test's ``grade_id``, what it ends in.
        changed: what has been changed of what tests depend on.
        origins: by test's ``grade_id``, where the values of its names come from.
        out_of_memory: whether an answer had too little memory.
        interrupted: whether a cell was interrupted.
    """

    def __init__(self, notebook: NotebookNode, expected: Decision | None, skip: Set[int]) -> None:
        self.notebook = notebook
        self.expected = expected
        self.skip = skip
        self.lines: dict[int, int] = {}
        self.asserted: dict[int, str] = {}
        self.found: dict[int, list[str]] = {}
        self.values: dict[str, str] = {}
        self.changed: set[str] = set()
        self.origins: dict[str, Mapping[str, str]] = {}
        self.out_of_memory = False
        self.interrupted = False
        self._hidden_seen = False

    def execute(self, workplace: Workplace, files: bytes, timeout: int) -> Stop | None:
        """Run all cells but the skipped ones; say where it was cut short, if it was."""
        count = 0
        with workplace.together(files) as channel:
            for index, cell in enumerate(self.notebook.cells):
                kind = _kind(cell)
                if cell.cell_type != "code" or index in self.skip:
                    continue
                if SKIPPED in tags(cell) and kind == "lesson":
                    continue
                count += 1
                cell.execution_count = count
                try:
                    self._cell(channel, index, cell, kind, timeout)
                except TimeoutError:
                    return Stop(index, Status.TIMEOUT, f"It ran for more than {timeout} seconds.")
                except ChannelClosedError:
                    return Stop(index, Status.DIED, "It ended the Python process that runs it.")
                except _ForgedError:
                    return Stop(
                        index,
                        Status.TAMPERED,
                        NO_REPLY,
                    )
        return None

    def _cell(
        self, channel: Channel, index: int, cell: NotebookNode, kind: CellKind, timeout: int
    ) -> None:
        seconds = timeout if kind in ("answer", "own", "test") else LESSON_PATIENCE * timeout
        if kind != "test":
            self._show(index, cell, _ask(channel, cell.source, kind, seconds), kind, timeout)
            return
        wrong = [self._canary(channel, canary, timeout) for canary in (failing(), passing())]
        names = sorted(needed_names(cell.source))
        done = _ask(channel, cell.source, kind, seconds, names)
        name = grade_id(cell)
        self._hidden_seen |= BEGIN_HIDDEN in cell.source
        self._show(index, cell, done, kind, timeout)
        self.values[name] = value_kind(done.value)
        self.changed |= set(done.changed)
        self.origins[name] = done.origins
        found = [text for text in wrong if text]
        if self.expected is not None:
            found += sorted(set(done.changed) - self.expected.changed)
            found += _replaced(done.origins, self.expected.origins.get(name, {}))
        if found:
            self.found[index] = found

    def _canary(self, channel: Channel, canary: Canary, timeout: int) -> str | None:
        return canary.wrong(_ask(channel, canary.source, "check", timeout))

    def _show(
        self, index: int, cell: NotebookNode, done: SharedDone, kind: CellKind, timeout: int
    ) -> None:
        """Put into a cell what it came to."""
        cell.outputs = [nbformat.from_dict(output) for output in done.outputs]
        if kind in ("answer", "own") and self._hidden_seen and cell.outputs:
            # It shares a process with hidden tests that have run, and could print them.
            text = "[Not shown: hidden tests had run in the same process.]\n"
            cell.outputs = [new_output("stream", text=text)]
        if done.value is not None and kind == "test":
            data, count = {"text/plain": done.value}, cell.execution_count
            cell.outputs.append(new_output("execute_result", data, execution_count=count))
        self.interrupted |= done.interrupted
        error = done.error
        if error is None:
            return
        self.out_of_memory |= error.ename in OUT_OF_MEMORY
        ename, evalue = error.ename, error.evalue
        if done.interrupted:
            ename, evalue = "AssertionError", f"It ran for more than {timeout} seconds."
        elif error.line is not None:
            self.lines[index] = error.line
            if BEGIN_HIDDEN in cell.source:
                evalue = _unquoted(evalue, cell.source)
        if error.asserted:
            self.asserted[index] = error.asserted
        cell.outputs.append(
            new_output("error", ename=ename, evalue=evalue, traceback=error.traceback)
        )


class _ForgedError(Exception):
    """A reply that the process cannot have given to what it was asked."""


def _ask(
    channel: Channel, source: str, kind: CellKind, seconds: float, names: list[str] | None = None
) -> SharedDone:
    """Have a cell run, and wait for what it comes to.

    Raises:
        TimeoutError: it does not end, though it was interrupted.
        ChannelClosedError: the process has ended.
        _ForgedError: the reply is none to this cell.
    """
    token = secrets.token_hex(16)
    channel.send(to_json(SharedCell(token, source, kind, seconds, names or [])))
    data = channel.receive(seconds + GRACE)
    try:
        done = read_shared(json.loads(data))
    except (ValueError, CannotTravelError, RecursionError):
        raise _ForgedError from None
    if done.token != token:
        raise _ForgedError
    return done


def _kind(cell: NotebookNode) -> CellKind:
    # Asked first: a cell that a person marks is a grade cell too, and a student's.
    if is_answer(cell):
        return "answer"
    if utils.is_grade(cell):
        return "test"
    return "own" if is_own(cell) else "lesson"


def _replaced(origins: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """The names that a test takes from a library or from the instructor's cells, and that an
    answer has given another function, class or module."""
    found = []
    for name, origin in origins.items():
        before, after = expected.get(name, "missing"), origin.partition(":")[0]
        from_library = before == "library" and after not in ("library", "missing", "value")
        from_lesson = before.startswith(("lesson:", "test:")) and after == "answer"
        if from_library or (from_lesson and before.partition(":")[2] != origin.partition(":")[2]):
            found.append(f"{name}, which the test uses")
    return found


def _unquoted(text: str, test: str) -> str:
    """What an answer's error says, if it does not quote a test."""
    lines = (line.strip() for line in test.splitlines())
    if any(len(line) > 10 and line in text for line in lines):
        return "(What it says quotes a hidden test.)"
    return text if len(text) <= MAX_SAID else f"{text[:MAX_SAID]} …"
