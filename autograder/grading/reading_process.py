"""Read submissions in a separate process, within limits on time and memory.

Whatever somebody hands in, a file that takes for ever or all memory costs its own student alone.
"""

from __future__ import annotations

import atexit
import functools
import multiprocessing
import resource
import sys
import threading
from collections.abc import Set
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

import psutil

from autograder.grading.intake import Intake
from autograder.grading.read_submission import read_answers
from autograder.grading.released import ReleasedNotebook
from autograder.grading.status import Status

# A notebook of 50 MB is read in about two seconds on a slow machine.
SECONDS = 20
# Beyond what the process has when it begins.
MEGABYTES = 2_000
# The exit code of a process that had no memory left.
OUT_OF_MEMORY = 3


class ReadingProcess:
    """A process that reads submissions, started when the first one is read and again when one has
    ended it. Threads may share it."""

    def __init__(self, seconds: float = SECONDS, megabytes: int = MEGABYTES) -> None:
        """Nothing is started yet.

        Args:
            seconds: for one notebook.
            megabytes: of memory for one notebook.
        """
        self.seconds = seconds
        self.megabytes = megabytes
        self._lock = threading.Lock()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def read(
        self, folder: Path, notebook: ReleasedNotebook, siblings: Set[str] = frozenset()
    ) -> Intake:
        """As ``read_answers``, within the limits."""
        with self._lock:
            connection = self._connection or self._start()
            try:
                connection.send((folder, notebook, siblings))
                if connection.poll(self.seconds):
                    read = connection.recv()
                    assert isinstance(read, Intake)
                    return read
                reason = f"reading it took more than {self.seconds:g} seconds"
            except (EOFError, OSError):
                reason = "reading it ended the process that reads"
                if self._exit_code() == OUT_OF_MEMORY:
                    reason = f"reading it took more than {self.megabytes:,} MB of memory"
            self._stop()
            return Intake(
                status=Status.REFUSED,
                message=f"{notebook.name}.ipynb was not read to its end: {reason}. Clear its "
                "outputs, delete what is not part of the answers, and hand it in again.",
            )

    def _start(self) -> Connection:
        # Not forked: other threads of this process may hold locks.
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        process = context.Process(
            target=_serve, args=(other, self.megabytes), name="reading", daemon=True
        )
        process.start()
        self._process = process
        other.close()
        # The imports are not part of any notebook's time.
        self._connection.recv()
        return self._connection

    def _exit_code(self) -> int | None:
        if self._process is None:
            return None
        self._process.join(10)
        return self._process.exitcode

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._process = self._connection = None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()

    def __enter__(self) -> ReadingProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@functools.cache
def shared_reading_process() -> ReadingProcess:
    """A process for all of this one's reading, ended with it."""
    process = ReadingProcess()
    atexit.register(process.close)
    return process


def _serve(connection: Connection, megabytes: int) -> None:
    limit = psutil.Process().memory_info().vms + megabytes * 1_000_000
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    connection.send(None)
    while True:
        try:
            folder, notebook, siblings = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            read = read_answers(folder, notebook, siblings)
        except MemoryError:
            sys.exit(OUT_OF_MEMORY)
        connection.send(read)
