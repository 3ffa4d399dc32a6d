"""Answers and tests in one process, in the notebook's order, as nbgrader itself runs them.

The grader sends one cell at a time, so the text of a test is not here before its turn. What is said
of a cell can be forged by an answer, since it runs here too: the grader checks what it can.
"""

from __future__ import annotations

import asyncio
import builtins
import getpass
import os
import signal
import subprocess
import sys
import threading
import traceback
import unittest.mock  # noqa: F401 - a library that tests use, to be watched
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy.testing  # noqa: F401 - as above
import pandas.testing  # noqa: F401 - as above
from IPython.core.error import StdinNotImplementedError
from IPython.utils.text import SList

from autograder.sandbox.inside.assertions import bare_assertion
from autograder.sandbox.inside.channel import Channel, ChannelClosedError
from autograder.sandbox.inside.exceptions import describe_error
from autograder.sandbox.inside.integrity import Integrity, Libraries, origins
from autograder.sandbox.inside.protocol import (
    ErrorReport,
    Ready,
    SharedCell,
    SharedDone,
    from_json,
    to_json,
)
from autograder.sandbox.inside.shell import CellRun, QuietShell, Shell, traceback_text

# Taken when this module is imported, which is before anything forks and anybody's cell runs.
LIBRARIES = Libraries()


def serve(channels: Sequence[Channel], timeout: float) -> None:
    """Run the cells that the grader sends until it has gone.

    Args:
        channels: one, to the grader.
        timeout: not used: each cell comes with its own.
    """
    (channel,) = channels
    side = TogetherSide()
    channel.send(to_json(Ready()))
    while True:
        try:
            cell = from_json(channel.receive())
        except ChannelClosedError:
            return
        channel.send(to_json(side.run(cell)))


class _NotebookShell(QuietShell):
    """Runs programs without a terminal, and asks nobody for input, as a kernel does."""

    def system(self, cmd: str) -> None:
        """Run a command, and print what it prints."""
        expand: Callable[..., str] = self.var_expand
        done = _run_command(expand(cmd, depth=1))
        sys.stdout.write(done.stdout)
        self.user_ns["_exit_code"] = done.returncode

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """What a command prints, by line or as one text."""
        expand: Callable[..., str] = self.var_expand
        text = _run_command(expand(cmd, depth=depth + 1)).stdout
        return SList(text.splitlines()) if split else text


def _run_command(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        shell=True,
        executable="/bin/bash" if os.path.exists("/bin/bash") else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _no_input(*_: object, **__: object) -> NoReturn:
    raise StdinNotImplementedError(
        "raw_input was called, but this frontend does not support input requests."
    )


class TogetherSide:
    """The notebook's namespace, and what its tests depend on."""

    def __init__(self) -> None:
        os.environ["PATH"] = os.pathsep.join([f"{sys.prefix}/bin", os.environ["PATH"]])
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.shell = Shell(_NotebookShell)
        self.input = builtins.input
        builtins.input = getpass.getpass = _no_input
        self.kinds: dict[str, str] = {}
        # What was found after the last test; None once another cell has run.
        self.found: list[str] | None = None
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.integrity = Integrity(self.shell.ip, LIBRARIES)

    def run(self, cell: SharedCell) -> SharedDone:
        """Run a cell, and say what it came to."""
        is_test = cell.kind == "test"
        if cell.kind not in ("test", "check"):
            self.found = None
        changed: list[str] = []
        if is_test:
            changed = list(self._changed() if self.found is None else self.found)
        named = origins(cell.names, self.shell.names, self.kinds)
        self.kinds[self.shell.code_name(cell.source)] = cell.kind
        run, interrupted = self._run(cell)
        if is_test:
            self.found = self._changed()
            changed += [name for name in self.found if name not in changed]
        return SharedDone(
            token=cell.token,
            outputs=run.outputs,
            error=None if run.error is None else self._report(run.error),
            value=run.value,
            interrupted=interrupted,
            changed=changed,
            origins=named,
        )

    def _changed(self) -> list[str]:
        found = self.integrity.changed()
        if builtins.input is _no_input and "builtins.input" in found:
            found.remove("builtins.input")
        return found

    def _run(self, cell: SharedCell) -> tuple[CellRun, bool]:
        interrupted = threading.Event()
        main = threading.get_ident()

        def interrupt() -> None:
            interrupted.set()
            # A signal also ends a wait, as for a program.
            signal.pthread_kill(main, signal.SIGINT)

        timer = threading.Timer(cell.seconds, interrupt)
        timer.daemon = True
        timer.start()
        try:
            history = cell.kind != "check"
            return self.shell.run_in(self.loop, cell.source, history), interrupted.is_set()
        except KeyboardInterrupt as error:
            return CellRun(error=error), True
        except Exception as error:
            # IPython itself does not run as it must.
            return CellRun(error=error), interrupted.is_set()
        finally:
            timer.cancel()

    def _report(self, error: BaseException) -> ErrorReport:
        described = describe_error(error)
        return ErrorReport(
            described.ename,
            described.evalue,
            line=self._line(error),
            traceback=traceback_text(error)[-20:],
            asserted=bare_assertion(error),
        )

    def _line(self, error: BaseException) -> int | None:
        """The line of the answer that raised it, if the innermost one of the notebook's is in an
        answer."""
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            kind = self.kinds.get(frame.filename)
            if kind is not None:
                return frame.lineno if kind in ("answer", "own") else None
        return None
