"""Ask a fork server for a kernel, and start the server first if none runs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from course.kernels import identity

# A server that has just been started is importing TensorFlow, perhaps on a busy machine.
ANSWER_SECONDS, LOCK_SECONDS, SPAWN_SECONDS, LISTEN_SECONDS = 120, 20, 60, 2
ATTEMPTS = 3


class ColdStart(Exception):
    """A warm kernel cannot be had. The message says why, as a part of a sentence."""


class ForkedKernel:
    """A kernel that a server has forked, with the part of ``subprocess.Popen`` that Jupyter uses.

    Its process stays in the system's table, as a child's would, until ``wait`` or ``close``, so its
    number names no other process before. ``close`` ends a kernel that still runs.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""
        while self.returncode is None:
            try:
                message = self._connection.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                message = b""
            self._take(message)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends.

        Raises:
            subprocess.TimeoutExpired: it runs longer than ``timeout`` seconds.
        """
        start = time.monotonic()
        while (status := self.poll()) is None:
            if timeout is not None and time.monotonic() - start > timeout:
                raise subprocess.TimeoutExpired("kernel", timeout)
            time.sleep(0.02)
        self.close()
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal to the kernel's process, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def wait_until_it_listens(self, timeout: float) -> None:
        """Wait until clients can connect or the kernel has ended, at most ``timeout`` seconds."""
        self._connection.settimeout(timeout)
        try:
            message = self._connection.recv(4096)
        except TimeoutError:
            return
        except OSError:
            message = b""
        finally:
            self._connection.settimeout(None)
        self._take(message)

    def close(self) -> None:
        """Release the kernel's process number; a kernel that still runs is ended."""
        self._connection.close()

    def _take(self, message: bytes) -> None:
        # A keeper that was killed says nothing, and its kernel is killed with it.
        answer = json.loads(message) if message else {"exit": -signal.SIGKILL}
        self.returncode = answer.get("exit")

    def __del__(self) -> None:
        self.close()


def folder() -> Path:
    """The folder of the sockets, which no other user can enter; it is made if it does not exist.

    ``COURSE_RUNTIME_DIR`` names another.

    Raises:
        ColdStart: somebody else could write to it.
    """
    if chosen := os.environ.get("COURSE_RUNTIME_DIR"):
        path = Path(chosen)
    elif runtime := os.environ.get("XDG_RUNTIME_DIR"):
        path = Path(runtime) / "deep-learning-course"
    else:
        path = Path(tempfile.gettempdir()) / f"deep-learning-course-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise ColdStart(f"{path} cannot be used ({error.strerror})") from error
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not is_ours or found.st_mode & 0o077:
        raise ColdStart(f"{path} is not a folder of this user's alone: remove it")
    return path


def start_kernel(
    command: Sequence[str],
    arguments: Sequence[str],
    environment: Mapping[str, str],
    cwd: str,
    streams: Sequence[int],
    independent: bool = False,
) -> ForkedKernel:
    """Have a kernel forked.

    Args:
        command: the interpreter and its options; the server runs the same ones.
        arguments: the arguments of ``ipykernel_launcher``, such as ``["-f", connection_file]``.
        environment: all environment variables of the kernel.
        cwd: its working directory.
        streams: the file descriptors of its stdin, stdout and stderr.
        independent: whether it lives on when this process ends.

    Raises:
        ColdStart: it has to be started in the ordinary way; the message says why.
    """
    relative = [p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p[:1] != "/"]
    if "PYTHONPATH" in environment and relative:
        raise ColdStart("PYTHONPATH holds a relative path")
    request = {
        "do": "kernel",
        "arguments": list(arguments),
        "environment": dict(environment),
        "cwd": os.path.abspath(cwd),
        "independent": independent,
        "umask": _umask(),
        "limits": identity.soft_limits(),
    }
    path = folder() / identity.key(command, environment)
    problem = "it ended"
    for _ in range(ATTEMPTS):
        try:
            connection = _connect(path) or _start_server(path, command, environment)
            answer = ask(connection, request, streams)
        except OSError as error:
            # It has ended between two steps, or something is in the way.
            problem = error.strerror or str(error)
            continue
        if answer is None:
            problem = _last_lines(path) or "it ended"
        elif "cold" in answer:
            connection.close()
            raise ColdStart(answer["cold"])
        else:
            kernel = ForkedKernel(answer["pid"], connection)
            kernel.wait_until_it_listens(LISTEN_SECONDS)
            return kernel
    raise ColdStart(f"its fork server does not answer ({problem})")


def ask(
    connection: socket.socket, request: dict[str, Any], streams: Sequence[int] = ()
) -> dict[str, Any] | None:
    """Send a request and wait for the answer; None where the server has ended instead."""
    with _file_of(json.dumps(request).encode()) as payload:
        socket.send_fds(connection, [b"request"], [payload, *streams])
    server = _credentials(connection)[0]
    deadline = time.monotonic() + ANSWER_SECONDS
    connection.settimeout(1)
    while True:
        try:
            message = connection.recv(65536)
            break
        except TimeoutError:
            if _is_stopped(server):
                # A process of this user did that. Kernels that run no longer need the server.
                os.kill(server, signal.SIGKILL)
            elif time.monotonic() > deadline:
                raise
        except ConnectionError:
            message = b""
            break
    if not message:
        connection.close()
        return None
    connection.settimeout(None)
    answer: dict[str, Any] = json.loads(message)
    return answer


def stop_servers() -> None:
    """End this user's servers, and wait until they have ended. Kernels live on."""
    for path in folder().iterdir():
        connection = _connect(path) if path.is_socket() else None
        if connection is None:
            continue
        ask(connection, {"do": "stop"})
        deadline = time.monotonic() + 10
        while (still := _connect(path)) and time.monotonic() < deadline:
            still.close()
            time.sleep(0.02)
        path.unlink(missing_ok=True)
        path.with_suffix(".log").unlink(missing_ok=True)


def _connect(path: Path) -> socket.socket | None:
    """A connection to one of this user's servers, or None if no server listens there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(10)
    try:
        connection.connect(str(path))
        if _credentials(connection)[1] != os.getuid():
            raise ConnectionError(f"{path} belongs to another user")
    except OSError:
        connection.close()
        return None
    return connection


def _start_server(
    path: Path, command: Sequence[str], environment: Mapping[str, str]
) -> socket.socket:
    """Start a server, unless another process has just done so, and connect to it."""
    with _locked(path.with_name("lock")):
        if connection := _connect(path):
            return connection
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            try:
                listener.bind(str(path))
            except OSError as error:
                raise ColdStart(f"there can be no socket {path} ({error})") from error
            with open(path.with_suffix(".log"), "wb") as log:
                process = subprocess.Popen(
                    [*command, "-m", "course.kernels", str(listener.fileno()), str(path)],
                    cwd=path.parent,
                    env=identity.server_environment(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[listener.fileno()],
                    start_new_session=True,
                )
                try:
                    failed = process.wait(SPAWN_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    failed = process.wait()
            if failed:
                raise ColdStart(f"its fork server does not start ({_last_lines(path)})")
    # It listens already, and answers when it has imported everything.
    if connection := _connect(path):
        return connection
    raise ColdStart(f"its fork server does not start ({_last_lines(path)})")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ColdStart(f"{path} is held by another process") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _file_of(data: bytes) -> Iterator[int]:
    """A descriptor to read ``data`` from: a message itself is limited in size."""
    descriptor = os.memfd_create("request")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield descriptor
    finally:
        os.close(descriptor)


def _credentials(connection: socket.socket) -> tuple[int, int, int]:
    """The process, user and group at the other end."""
    size = struct.calcsize("3i")
    return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))


def _is_stopped(pid: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] in {"T", "t"}


def _umask() -> int:
    """This process's umask, which the system call for it could only tell by changing it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022


def _last_lines(path: Path) -> str:
    try:
        text = path.with_suffix(".log").read_text(errors="replace").strip()
    except OSError:
        return ""
    return " ".join(text.splitlines()[-2:])[-300:]
