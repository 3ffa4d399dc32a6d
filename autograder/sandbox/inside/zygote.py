"""A process with everything imported, which forks one that runs cells in milliseconds.

Importing TensorFlow takes seconds; forking does not. It must happen before TensorFlow's first
operation, so nothing but imports happens here.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import signal
import socket
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from autograder.sandbox.inside import confine
from autograder.sandbox.inside.channel import Channel
from autograder.sandbox.inside.protocol import End, Ended, Limits, Ready, Spawn, from_json, to_json
from course.forking import PR_SET_PDEATHSIG, PRELOAD, hide_memory, prctl, preload, share_memory

# By role, the module whose ``serve`` a child runs. They are named, not imported: `preload` imports
# them when it imports everything, and says which of them cannot be.
SIDES = {
    "answers": "autograder.sandbox.inside.answers_side",
    "tests": "autograder.sandbox.inside.tests_side",
}
# Imported when it is first asked for, which no lesson does: it imports and remembers much.
TOGETHER = "autograder.sandbox.inside.together_side"

# Seconds from one look at the memory of a submission's processes to the next.
LOOK = 0.25
# A program starts some thousands of threads meanwhile at the most.
LOOK_AT_THREADS = 0.05


def main() -> None:
    """Import, then fork on request, until the control socket closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--control", type=int, required=True, help="file descriptor")
    options = parser.parse_args()
    control = socket.socket(fileno=options.control)
    preload((*PRELOAD, *SIDES.values()))
    share_memory()
    if sys.platform == "linux":
        hide_memory()
    control.send(to_json(Ready()))
    children: dict[int, int] = {}
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 65536, 4)
        if not message:
            break
        match from_json(message):
            case Spawn() as request:
                children[request.number] = _spawn(request, descriptors, control)
            case End(number):
                _end(children.pop(number, None))
                control.send(to_json(Ended(number)))
        for descriptor in descriptors:
            os.close(descriptor)
    for child in children.values():
        _end(child)


def _end(child: int | None) -> None:
    # Not with psutil: the child has to be waited for here, and it is known by the number that
    # `fork` gave, which no other process can get before that.
    if child is None:
        return
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def _spawn(request: Spawn, descriptors: list[int], control: socket.socket) -> int:
    if request.role == "together" and TOGETHER not in sys.modules:
        importlib.import_module(TOGETHER)
        share_memory()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        control.close()
        _child(request, descriptors)
        status = 0
    except BaseException as error:
        print(f"{request.role}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _child(request: Spawn, descriptors: list[int]) -> None:
    if sys.platform == "linux":
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    limits, scratch = request.limits, request.scratch
    programs = request.role == "together"
    if scratch is not None:
        confine.enter_namespaces()
        first = os.fork()
        if first:
            # Only the first process of a namespace can end it whole, so this one waits for it.
            for descriptor in descriptors:
                os.close(descriptor)
            if programs:
                _guard(first, _memory_and_threads(first, limits), LOOK)
            else:
                _guard(first, _threads(first, limits), LOOK_AT_THREADS)
            return
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        served = os.fork()
        if served:
            # The first process of the namespace is ours and ends with its parent, whatever signals
            # an answer has switched off. The kernel then ends all others in the namespace.
            hide_memory()
            for descriptor in descriptors:
                os.close(descriptor)
            # What is left behind by others is this process's to wait for.
            while os.wait()[0] != served:
                pass
            return
        confine.limit_resources(limits.memory_mb, limits.cpu_seconds, limits.file_mb)
        confine.private_files(scratch, limits.scratch_mb)
    # The last descriptor is an archive of the assignment's files.
    _enter_work_folder(descriptors.pop(), scratch)
    if scratch is not None:
        hide_memory()
        confine.drop_privileges(programs)
    _silence()
    channels = [Channel(socket.socket(fileno=descriptor)) for descriptor in descriptors]
    importlib.import_module(SIDES.get(request.role, TOGETHER)).serve(channels, request.timeout)


def _guard(first: int, takes_too_much: Callable[[], bool], seconds: float) -> None:
    """Wait for the first process of a namespace; end it, and so all others in there, when they take
    too much.

    Args:
        first: its number.
        takes_too_much: whether they do.
        seconds: between two looks.
    """
    while os.waitpid(first, os.WNOHANG) == (0, 0):
        if takes_too_much():
            os.kill(first, signal.SIGKILL)
        time.sleep(seconds)


def _threads(first: int, limits: Limits) -> Callable[[], bool]:
    """Whether the one process that the first has forked has more threads than it may.

    Linux has a limit on threads, RLIMIT_NPROC, which does not bind where root grades, and which
    older kernels compare with all that the user runs.
    """
    served: list[psutil.Process] = []

    def takes_too_much() -> bool:
        with suppress(psutil.Error):
            served[:] = served or psutil.Process(first).children()
            return any(process.num_threads() > limits.threads for process in served)
        return False

    return takes_too_much


def _memory_and_threads(first: int, limits: Limits) -> Callable[[], bool]:
    """Whether processes that may start others take too much memory together, or are too many.

    A limit on the memory of each process is none where there may be many.
    """
    # The second process in there begins as a copy of the first.
    most = 2 * _taken(first)[0] + limits.memory_mb * confine.MEGABYTE

    def takes_too_much() -> bool:
        memory, threads = _taken(first)
        return memory > most or threads > confine.MAX_PROCESSES

    return takes_too_much


def _taken(first: int) -> tuple[int, int]:
    """The bytes that a process and those below it have for themselves, and their threads."""
    memory = threads = 0
    with suppress(psutil.Error):
        parent = psutil.Process(first)
        for process in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.Error):
                taken = process.memory_info()
                memory += taken.rss - taken.shared
                threads += process.num_threads()
    return memory, threads


def _enter_work_folder(archive: int, scratch: str | None) -> None:
    if scratch is not None:
        work = Path(scratch, "work")
        work.mkdir()
    else:
        # Without a sandbox only the machine's own cleaning of /tmp takes it away again.
        work = Path(tempfile.mkdtemp(prefix="work-"))
    # Children share the descriptor's position, so each reads from the beginning by itself.
    data = os.pread(archive, os.fstat(archive).st_size, 0)
    os.close(archive)
    with tarfile.open(fileobj=io.BytesIO(data)) as files:
        # Python 3.11 has filters from 3.11.4 on, and Debian 12 has 3.11.2. The archive is our own.
        if hasattr(tarfile, "data_filter"):
            files.extractall(work, filter="data")
        else:
            files.extractall(work)
    os.chdir(work)
    sys.path.insert(0, str(work))
    os.environ["IPYTHONDIR"] = str(work.parent / "ipython")


def _silence() -> None:
    """Text written past Python, by C code, goes nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


if __name__ == "__main__":
    main()
