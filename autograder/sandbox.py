"""Processes to grade in: one that forks for answers, one for tests, each behind bubblewrap."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import shutil
import site
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from autograder.errors import CourseError
from autograder.inside.channel import Channel
from autograder.inside.zygote import SCRATCH

START_SECONDS = 120

# What tarfile reads as an archive without files.
EMPTY_ARCHIVE = bytes(10240)


@dataclass(frozen=True)
class Limits:
    """What one submission's answers may take, in megabytes and seconds."""

    memory_mb: int = 4_000
    cpu_seconds: int = 300
    file_mb: int = 64
    scratch_mb: int = 128


class IsolationError(CourseError):
    """Submissions cannot be isolated here."""


class WorkplaceLostError(Exception):
    """Something outside has ended a process that grading works in: nobody's answer is to blame."""


def bubblewrap() -> str | None:
    """The path of bubblewrap's command, or None."""
    return shutil.which("bwrap")


@cache
def isolation_problem() -> str | None:
    """Why submissions cannot be isolated on this machine, in a sentence; None where they can."""
    if sys.platform != "linux":
        return "Isolation needs Linux: grade on a Linux machine, or in WSL or a virtual machine."
    command = bubblewrap()
    if command is None:
        return "bubblewrap is not installed: apt-get install bubblewrap (or dnf, or pacman)."
    trial = subprocess.run(
        [command, "--unshare-all", "--ro-bind", "/", "/", "true"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    if trial.returncode:
        reason = (trial.stderr.strip().splitlines() or ["no reason given"])[-1]
        return (
            f"bubblewrap cannot make a sandbox here ({reason}). Unprivileged user namespaces are "
            "needed: see kernel.unprivileged_userns_clone and kernel.apparmor_restrict_"
            "unprivileged_userns, or run in a container that allows them."
        )
    return None


def install_bubblewrap() -> None:
    """Install bubblewrap with apt-get, where there is one and this user may; else do nothing."""
    apt = shutil.which("apt-get")
    if apt is None or sys.platform != "linux":
        return
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    for words in (["update", "-qq"], ["install", "-y", "-qq", "bubblewrap"]):
        with suppress(OSError):
            subprocess.run(
                [*root, "env", "DEBIAN_FRONTEND=noninteractive", apt, *words],
                capture_output=True,
                check=False,
            )
    isolation_problem.cache_clear()


def _readable() -> list[Path]:
    """What a sandbox sees of the machine: Python, the packages, the course, the datasets."""
    package = Path(__file__).resolve().parent
    course = package.parent / "course"
    folders = [
        Path("/usr"), Path("/lib"), Path("/lib64"), Path("/bin"), Path("/sbin"),
        Path("/etc/ld.so.cache"), Path("/etc/localtime"), Path("/etc/fonts"),
        Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_exec_prefix),
        *map(Path, site.getsitepackages()), Path(sysconfig.get_path("stdlib")),
        course, package / "__init__.py", package / "inside",
    ]  # fmt: skip
    return [path for path in dict.fromkeys(folders) if path.exists()]


def environment(isolated: bool) -> dict[str, str]:
    """The environment variables of a sandbox: none of the host's."""
    from course.datasets import data_dir

    package = Path(__file__).resolve().parent
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": SCRATCH if isolated else tempfile.gettempdir(),
        "TMPDIR": SCRATCH if isolated else tempfile.gettempdir(),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(package.parent),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "MPLBACKEND": "agg",
        "COURSE_DATA_DIR": str(data_dir()),
        # Several submissions at once keep the cores busy; more threads would only wait.
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
    }


def _bubblewrap_command(writes_data: bool) -> list[str]:
    from course.datasets import data_dir

    command = [
        bubblewrap() or "bwrap", "--unshare-all", "--die-with-parent", "--new-session",
        "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL", "--clearenv",
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm", "--tmpfs", SCRATCH,
    ]  # fmt: skip
    for path in _readable():
        if path.is_symlink():
            command += ["--symlink", os.readlink(path), str(path)]
        else:
            command += ["--ro-bind", str(path), str(path)]
    data_dir().mkdir(parents=True, exist_ok=True)
    # The lesson's own cells run on the tests' side first, and prepare their datasets there.
    command += ["--bind" if writes_data else "--ro-bind", str(data_dir()), str(data_dir())]
    for name, value in environment(isolated=True).items():
        command += ["--setenv", name, value]
    if not any(path.is_relative_to("/tmp") for path in [*_readable(), data_dir()]):
        command += ["--symlink", SCRATCH.lstrip("/"), "/tmp"]
    # What one submission could leave in these, the next one would find.
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", SCRATCH]


class Zygote:
    """A process that has imported everything and forks on request, sandboxed or not."""

    def __init__(self, role: str, isolated: bool) -> None:
        """Start it; ``ready`` waits until its imports are done.

        Args:
            role: "answers" or "tests".
            isolated: behind bubblewrap, each child in namespaces of its own.
        """
        self.role = role
        self.isolated = isolated
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "autograder.inside.zygote"]
        command += ["--control", str(other.fileno())]
        if isolated:
            command = [*_bubblewrap_command(role == "tests"), *command]
        self.process = subprocess.Popen(
            command,
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(isolated),
        )
        other.close()
        self._is_ready = False
        # Known by its socket before the process around it has ended too.
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
            noise = (self.process.stderr.read() or b"").decode(errors="replace").strip()
            raise IsolationError(
                f"The process that grades could not start: {noise[-1500:] or 'no reason given'}."
            )
        self.control.settimeout(30)
        self._is_ready = True

    def spawn(
        self, ends: list[socket.socket], files: BinaryIO, limits: Limits, timeout: float
    ) -> int:
        """Fork a child that serves this role; its number.

        Args:
            ends: the sockets that it serves on; they are closed here.
            files: an archive of what it finds in its working directory.
            limits: what it may take.
            timeout: seconds that a child for tests waits for the answers.

        Raises:
            WorkplaceLostError: it does not run any more.
        """
        try:
            return self._spawn(ends, files, limits, timeout)
        except OSError as error:
            self._is_lost = True
            raise WorkplaceLostError from error
        finally:
            for end in ends:
                end.close()

    def _spawn(
        self, ends: list[socket.socket], files: BinaryIO, limits: Limits, timeout: float
    ) -> int:
        with self.lock:
            self.ready()
            number = next(self.numbers)
            request = {
                "do": "spawn",
                "id": number,
                "role": self.role,
                "confine": self.isolated,
                "timeout": timeout,
                "limits": asdict(limits),
            }
            descriptors = [end.fileno() for end in ends] + [files.fileno()]
            socket.send_fds(self.control, [json.dumps(request).encode()], descriptors)
        return number

    def end(self, number: int) -> None:
        """Kill a child and everything that it has started."""
        with self.lock, suppress(OSError):
            self.control.send(json.dumps({"do": "end", "id": number}).encode())
            if self.control.recv(65536):
                return
        self._is_lost = True

    def alive(self) -> bool:
        """Whether it still runs."""
        return not self._is_lost and self.process.poll() is None

    def ended_by_signal(self) -> bool:
        """Whether something has killed it; bubblewrap reports a killed child as 128 and more."""
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
        self.process.stderr.close()


class Workplace:
    """Where submissions are graded: two zygotes, one for answers and one for tests.

    Several threads may use it at once.
    """

    def __init__(self, isolated: bool, limits: Limits | None = None) -> None:
        """Start the zygotes.

        Args:
            isolated: behind bubblewrap; otherwise the answers can do whatever this user can.
            limits: what one submission may take.

        Raises:
            IsolationError: ``isolated`` is asked for and cannot be had.
        """
        if isolated and (problem := isolation_problem()):
            raise IsolationError(problem)
        self.isolated = isolated
        self.limits = limits or Limits()
        self.lock = threading.Lock()
        self.zygotes = {role: Zygote(role, isolated) for role in ("answers", "tests")}
        self._found: dict[str, tuple[threading.Lock, list]] = {}

    @contextmanager
    def found_out(self, key: str) -> Iterator[list]:
        """A list for what is to be found out once, empty until then; one thread at a time."""
        with self.lock:
            lock, found = self._found.setdefault(key, (threading.Lock(), []))
        with lock:
            yield found

    def _living(self, role: str) -> Zygote:
        """The zygote of a role, started again if something has ended it."""
        with self.lock:
            zygote = self.zygotes[role]
            if not zygote.alive():
                zygote.close()
                zygote = self.zygotes[role] = Zygote(role, self.isolated)
            return zygote

    @contextmanager
    def pair(self, timeout: float, files: bytes = b"") -> Iterator[Channel]:
        """A fresh process for answers and one for tests, connected with each other.

        Args:
            timeout: seconds that the tests wait for the answers.
            files: a tar archive of what the notebook may read or import.

        Yields:
            The channel to the tests' process.

        Raises:
            WorkplaceLostError: one of the processes that fork them was ended from outside, so
                what came through the channel says nothing.
        """
        to_answers, answers_end = socket.socketpair()
        ours, tests_end = socket.socketpair()
        with closing(to_answers), closing(tests_end), closing(Channel(ours)) as channel:
            answers, tests = self._living("answers"), self._living("tests")
            with tempfile.TemporaryFile() as archive:
                archive.write(files or EMPTY_ARCHIVE)
                archive.flush()
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

    def close(self) -> None:
        """End everything."""
        for zygote in self.zygotes.values():
            zygote.close()

    def __enter__(self) -> Workplace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_sharing = threading.Lock()
_shared: dict[bool, Workplace] = {}


def shared_workplace(isolated: bool) -> Workplace:
    """A workplace that is started once and ended with this process."""
    with _sharing:
        if isolated not in _shared:
            _shared[isolated] = Workplace(isolated)
            atexit.register(_shared[isolated].close)
        return _shared[isolated]
