"""The fork server: it imports everything once, and then forks a kernel for every connection.

What it forks first is a keeper, which reads the request, forks the kernel and stays with it. So a
request that is wrong, or a kernel that attacks its parent, never reaches the server.
"""

from __future__ import annotations

import builtins
import contextlib
import fcntl
import importlib.util
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import tempfile
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.forking import (
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    PRELOAD,
    hide_memory,
    prctl,
    preload,
    share_memory,
)
from course.kernels import identity

IDLE_SECONDS = 600
# How often the server looks whether it is still wanted.
TICK_SECONDS = 5
REQUEST_SECONDS = 30

# What a kernel imports before it looks into its working directory, so that no file there could
# replace it in an ordinary kernel either.
KERNEL_MODULES = (
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "ipykernel.zmqshell",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "sqlite3",
    "tornado.platform.asyncio",
)
# What the first figure needs. Not the inline backend: it looks for its kernel when it is imported.
FIGURE_MODULES = ("IPython.core.pylabtools", "matplotlib.backends.backend_agg")


@dataclass(frozen=True)
class Job:
    """What a process that has been forked to be a kernel is to do."""

    arguments: list[str]
    is_watched: bool
    connection: socket.socket


def main(descriptor: int, path: Path) -> None:
    """Serve until no client needs the server; in a process forked to be a kernel, be a kernel."""
    listener = socket.socket(fileno=descriptor)
    is_listening, tell = os.pipe()
    if os.fork():
        # The process that started this one need not be its parent for long.
        os.close(tell)
        os.read(is_listening, 1)
        os._exit(0)
    listener.listen(128)
    os.close(is_listening)
    os.close(tell)
    _reset_signals()
    if not sys.flags.safe_path:
        # The folder that it was started in, which `-m` has put first.
        del sys.path[0]
    before = identity.fingerprint()
    variables = dict(os.environ)
    preload(KERNEL_MODULES)
    kernels_own = {name.partition(".")[0] for name in sys.modules} | sys.stdlib_module_names
    preload((*PRELOAD, *FIGURE_MODULES))
    if identity.fingerprint() != before:
        print("The environment changed while it was imported.", file=sys.stderr)
        return
    server = Server(listener, path, before)
    server.set_by_imports = {
        name: value for name, value in os.environ.items() if variables.get(name) != value
    }
    server.replaceable = {name.partition(".")[0] for name in sys.modules} - kernels_own
    share_memory()
    hide_memory()
    job = server.serve()
    if job is not None:
        be_kernel(job)


class Server:
    """Accepts connections and forks."""

    set_by_imports: dict[str, str]
    replaceable: set[str]

    def __init__(self, listener: socket.socket, path: Path, fingerprint: str) -> None:
        self.listener, self.path, self.fingerprint = listener, path, fingerprint
        self.inode = path.stat().st_ino
        self.pid = os.getpid()
        self.keepers: set[int] = set()

    def serve(self) -> Job | None:
        """Fork for each connection. Returns a job in a kernel, and None when the server is done."""
        last = time.monotonic()
        while True:
            ready, _, _ = select.select([self.listener], [], [], TICK_SECONDS)
            self._reap()
            if ready:
                connection, _ = self.listener.accept()
                pid = os.fork()
                if pid == 0:
                    self.listener.close()
                    return self._keep(connection)
                self.keepers.add(pid)
                connection.close()
            if ready or self.keepers:
                last = time.monotonic()
            if not ready and (time.monotonic() - last > IDLE_SECONDS or not self._is_wanted()):
                self._leave()
                return None

    def _reap(self) -> None:
        for pid in list(self.keepers):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self.keepers.discard(pid)

    def _is_at_path(self) -> bool:
        try:
            return self.path.stat().st_ino == self.inode
        except OSError:
            return False

    def _is_wanted(self) -> bool:
        return self._is_at_path() and identity.fingerprint() == self.fingerprint

    def _leave(self) -> None:
        """Remove what is ours, unless somebody is about to start another server there."""
        self.listener.close()
        try:
            with open(self.path.with_name("lock"), "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_at_path():
                    self.path.unlink()
                    self.path.with_suffix(".log").unlink(missing_ok=True)
        except OSError:
            return

    def _keep(self, connection: socket.socket) -> Job | None:
        """In a keeper: start the kernel and stay until it has ended. Returns only in the kernel."""
        try:
            os.setsid()
            job = self._answer(connection)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        if job is None:
            os._exit(0)
        return job

    def _answer(self, connection: socket.socket) -> Job | None:
        _, user, _ = struct.unpack(
            "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        )
        if user != os.getuid():
            return None
        connection.settimeout(REQUEST_SECONDS)
        _, descriptors, _, _ = socket.recv_fds(connection, 64, 4)
        connection.settimeout(None)
        payload, *streams = descriptors
        with open(payload, "rb") as file:
            file.seek(0)
            request = json.load(file)
        if request["do"] == "stop":
            os.kill(self.pid, signal.SIGTERM)
            return None
        if problem := self._obstacle(Path(request["cwd"])):
            connection.send(json.dumps({"cold": problem}).encode())
            return None
        keeper = os.getpid()
        pid = os.fork()
        if pid:
            for stream in streams:
                os.close(stream)
            _stay(pid, connection, request["independent"])
            return None
        try:
            self._become_fresh(request, streams, keeper)
        except OSError as error:
            connection.send(json.dumps({"cold": str(error)}).encode())
            os._exit(1)
        connection.send(json.dumps({"pid": os.getpid()}).encode())
        return Job(request["arguments"], not request["independent"], connection)

    def _obstacle(self, cwd: Path) -> str | None:
        """What an ordinary kernel would take from its working directory, and this one could not."""
        if (cwd / "matplotlibrc").is_file():
            return f"{cwd} holds a matplotlibrc"
        for entry in cwd.iterdir() if cwd.is_dir() else ():
            name = entry.stem if entry.suffix == ".py" else entry.name
            if name not in self.replaceable:
                continue
            file = entry / "__init__.py" if entry.is_dir() else entry
            loaded = getattr(sys.modules.get(name), "__file__", None)
            if file.is_file() and not (loaded and file.samefile(loaded)):
                return f"{cwd} holds another module {name}"
        return None

    def _become_fresh(self, request: dict[str, Any], streams: list[int], keeper: int) -> None:
        """In the kernel: take on what a process started from the command line would have.

        Raises:
            OSError: the system refuses.
        """
        os.setsid()
        # A keeper that is gone cannot say how its kernel ended, so the two end together.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(1)
        # A kernel belongs to its user, who may debug it.
        prctl(PR_SET_DUMPABLE, 1)
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        os.chdir(request["cwd"])
        os.umask(request["umask"])
        for name, limit in request["limits"].items():
            kind = getattr(resource, name)
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))
        os.environ.clear()
        os.environ.update(self.set_by_imports | request["environment"])
        if not request["independent"]:
            # ipykernel then ends with this process, and writes nothing to the terminal.
            os.environ["JPY_PARENT_PID"] = str(keeper)
        time.tzset()
        tempfile.tempdir = None
        _seed()
        _use_backend()


def _stay(pid: int, connection: socket.socket, independent: bool) -> None:
    """Stay with a kernel until it has ended and the process that asked for it knows."""
    process = os.pidfd_open(pid)
    poller = select.poll()
    poller.register(process, select.POLLIN)
    poller.register(connection, select.POLLIN)
    ready = {descriptor for descriptor, _ in poller.poll()}
    if process in ready:
        result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert result is not None  # only WNOHANG gives None
        ended = result.si_code == os.CLD_EXITED
        status = result.si_status if ended else -result.si_status
        try:
            connection.send(json.dumps({"exit": status}).encode())
            connection.recv(1)
        except OSError:
            pass
    elif not independent:
        try:
            os.killpg(pid, signal.SIGKILL)
        except OSError:
            os.kill(pid, signal.SIGKILL)
    # Only now may another process get its number.
    os.waitpid(pid, 0)


def be_kernel(job: Job) -> None:
    """Run as ``python -m ipykernel_launcher`` would with the job's arguments."""
    from ipykernel.kernelapp import IPKernelApp

    spec = importlib.util.find_spec("ipykernel_launcher")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'ipykernel_launcher'")
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, __file__=spec.origin, __spec__=spec)
    sys.modules["__main__"] = module
    sys.argv = [spec.origin, *job.arguments]
    app = IPKernelApp.instance(parent_handle=os.getppid() if job.is_watched else 0)
    app.initialize()
    # A client that connects too early tries again only after a tenth of a second.
    with contextlib.suppress(OSError), job.connection:
        job.connection.send(json.dumps({"listens": True}).encode())
    app.start()


def _reset_signals() -> None:
    """Later kernels do not inherit what the first user of the server has changed."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _seed() -> None:
    """Python seeds its generator again in every fork, NumPy its global one does not."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


def _use_backend() -> None:
    """Matplotlib chose its backend when it was imported, before there was a notebook to draw in."""
    backend = os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    matplotlib = sys.modules.get("matplotlib")
    if matplotlib is not None:
        matplotlib.rcParams["backend"] = backend
