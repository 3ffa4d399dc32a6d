"""Processes to grade in: one forks for answers, one for tests, each in bubblewrap's sandbox."""

from __future__ import annotations

import atexit
import itertools
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import IO, Any, cast

from autograder.errors import IsolationError
from autograder.sandbox.inside.channel import Channel, ChannelClosedError
from autograder.sandbox.inside.protocol import End, Limits, Role, Spawn, to_json
from autograder.sandbox.isolation import (
    SCRATCH,
    bubblewrap_command,
    environment,
    isolation_problem,
)

START_SECONDS = 120
ROLES: tuple[Role, ...] = ("answers", "tests")

# Bubblewrap ends with its parent, and to the kernel that is the thread which has started it. So one
# thread starts all zygotes and lives as long as this process, whatever pool asks for them.
_starter = ThreadPoolExecutor(1, thread_name_prefix="zygotes")

# What tarfile reads as an archive without files.
EMPTY_ARCHIVE = bytes(10240)


class WorkplaceLostError(Exception):
    """Something outside ended a process that grading works in, so no answer is to blame."""


class Zygote:
    """A process that has imported everything and forks on request, sandboxed or not."""

    def __init__(self, role: Role, isolated: bool) -> None:
        """Start it; ``ready`` waits until its imports are done.

        Args:
            role: what its children do.
            isolated: whether it runs in bubblewrap's sandbox, each child in its own namespaces.
        """
        self.role = role
        self.isolated = isolated
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "autograder.sandbox.inside.zygote"]
        command += ["--control", str(other.fileno())]
        if isolated:
            try:
                command = [*bubblewrap_command(role == "tests"), *command]
            except OSError as error:
                raise IsolationError(str(error)) from None
        self.process = _starter.submit(
            subprocess.Popen,
            command,
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(isolated),
        ).result()
        self._errors = cast(IO[bytes], self.process.stderr)
        other.close()
        self._is_ready = False
        # Its socket says so before the process around it has ended too.
        self._is_lost = False

    def ready(self) -> None:
        """Wait for the imports.

        Raises:
            IsolationError: the process ended instead.
            WorkplaceLostError: a signal ended it.
        """
        if self._is_ready:
            return
        self.control.settimeout(START_SECONDS)
        try:
            message = self.control.recv(65536)
        except OSError:
            message = b""
        if not message:
            if self.ended_by_signal():
                raise WorkplaceLostError
            self.process.kill()
            noise = self._errors.read().decode(errors="replace").strip()
            raise IsolationError(
                f"The process that grades could not start: {noise[-1500:] or 'no reason given'}."
            )
        self.control.settimeout(30)
        self._is_ready = True

    def spawn(
        self,
        ends: list[socket.socket],
        files: IO[bytes],
        limits: Limits,
        timeout: float,
        role: Role | None = None,
    ) -> int:
        """Fork a child.

        Args:
            ends: the sockets that it serves on; they are closed here.
            files: an archive of what it finds in its working directory.
            limits: what it may take.
            timeout: seconds that a child for tests waits for the answers.
            role: what it does; this zygote's own role by default.

        Returns:
            The child's number, for ``end``.

        Raises:
            WorkplaceLostError: the zygote no longer runs.
        """
        try:
            return self._spawn(ends, files, limits, timeout, role or self.role)
        except OSError as error:
            self._is_lost = True
            raise WorkplaceLostError from error
        finally:
            for end in ends:
                end.close()

    def _spawn(
        self,
        ends: list[socket.socket],
        files: IO[bytes],
        limits: Limits,
        timeout: float,
        role: Role,
    ) -> int:
        with self.lock:
            self.ready()
            number = next(self.numbers)
            scratch = SCRATCH if self.isolated else None
            request = Spawn(number, role, timeout, limits, scratch)
            descriptors = [end.fileno() for end in ends] + [files.fileno()]
            socket.send_fds(self.control, [to_json(request)], descriptors)
        return number

    def end(self, number: int) -> None:
        """Kill a child and everything that it has started."""
        with self.lock, suppress(OSError):
            self.control.send(to_json(End(number)))
            if self.control.recv(65536):
                return
        self._is_lost = True

    def alive(self) -> bool:
        """Whether it still runs."""
        return not self._is_lost and self.process.poll() is None

    def ended_by_signal(self) -> bool:
        """Whether something has killed it. bubblewrap reports a killed child as 128 and more."""
        with suppress(subprocess.TimeoutExpired):
            code = self.process.wait(1)
            return code < 0 or code > 128
        return False

    def close(self) -> None:
        """End it with all its children."""
        self.control.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._errors.close()


class Workplace:
    """Where submissions are graded: two zygotes, one for answers and one for tests.

    Several threads may use it at once.
    """

    def __init__(self, isolated: bool, limits: Limits | None = None) -> None:
        """Start the zygotes.

        Args:
            isolated: use bubblewrap's sandbox; otherwise the answers can do whatever this user can.
            limits: what one submission may take; None for the defaults of ``Limits``.

        Raises:
            IsolationError: ``isolated`` is asked for and is not possible here.
        """
        if isolated and (problem := isolation_problem()):
            raise IsolationError(problem)
        self.isolated = isolated
        self.limits = limits or Limits()
        self.lock = threading.Lock()
        self.zygotes = {role: Zygote(role, isolated) for role in ROLES}
        self._found: dict[str, tuple[threading.Lock, list[Any]]] = {}

    @contextmanager
    def found_out(self, key: str) -> Iterator[list[Any]]:
        """A list to keep what has to be found out only once; it is empty until then.

        One thread at a time has the list of a key.
        """
        with self.lock:
            lock, found = self._found.setdefault(key, (threading.Lock(), []))
        with lock:
            yield found

    def _living(self, role: Role) -> Zygote:
        """The zygote of a role, started again if something has ended it."""
        with self.lock:
            zygote = self.zygotes[role]
            if not zygote.alive():
                zygote.close()
                zygote = self.zygotes[role] = Zygote(role, self.isolated)
            return zygote

    @contextmanager
    def pair(self, timeout: float, files: bytes = b"") -> Iterator[Channel]:
        """A new process for answers and one for tests, connected with each other.

        Args:
            timeout: seconds that the tests wait for the answers.
            files: a tar archive of what the notebook may read or import.

        Yields:
            The channel to the tests' process.

        Raises:
            WorkplaceLostError: something outside has ended one of the zygotes, so what came through
                the channel says nothing.
        """
        to_answers, answers_end = socket.socketpair()
        ours, tests_end = socket.socketpair()
        with closing(to_answers), closing(tests_end), closing(Channel(ours)) as channel:
            answers, tests = self._living("answers"), self._living("tests")
            with _archive(files) as archive:
                first = answers.spawn([answers_end], archive, self.limits, timeout)
                second = tests.spawn([tests_end, to_answers], archive, self.limits, timeout)
            try:
                yield channel
            finally:
                channel.close()
                answers.end(first)
                tests.end(second)
            if not (answers.alive() and tests.alive()):
                raise WorkplaceLostError

    @contextmanager
    def together(self, files: bytes = b"") -> Iterator[Channel]:
        """A new process in which answers and tests run together.

        It may start programs, and sees nothing that answers may not see.

        Args:
            files: a tar archive of what the notebook may read or import.

        Yields:
            The channel to the process.

        Raises:
            WorkplaceLostError: as for ``pair``.
        """
        ours, end = socket.socketpair()
        with closing(end), closing(Channel(ours)) as channel:
            zygote = self._living("answers")
            with _archive(files) as archive:
                number = zygote.spawn([end], archive, self.limits, 0, "together")
            try:
                # It imports more when the first one is asked for.
                channel.receive(START_SECONDS)
            except (TimeoutError, ChannelClosedError):
                zygote.end(number)
                raise WorkplaceLostError from None
            try:
                yield channel
            finally:
                channel.close()
                zygote.end(number)
            if not zygote.alive():
                raise WorkplaceLostError

    def close(self) -> None:
        """End everything."""
        for zygote in self.zygotes.values():
            zygote.close()

    def __enter__(self) -> Workplace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _archive(files: bytes) -> Iterator[IO[bytes]]:
    """An archive as an open file."""
    with tempfile.TemporaryFile() as archive:
        archive.write(files or EMPTY_ARCHIVE)
        archive.flush()
        yield archive


_sharing = threading.Lock()
_shared: dict[bool, Workplace] = {}


def shared_workplace(isolated: bool) -> Workplace:
    """The workplace of this process, which is started when it is first asked for and ended with
    the process.

    Args:
        isolated: as for ``Workplace``; there is one of each.
    """
    with _sharing:
        if isolated not in _shared:
            _shared[isolated] = Workplace(isolated)
            atexit.register(_shared[isolated].close)
        return _shared[isolated]
