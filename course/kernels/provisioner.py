"""The kernel provisioner: what Jupyter calls to start, watch and end a kernel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

# What a forked kernel can be given; whatever else a caller asks of Popen needs Popen.
_KNOWN = {"env", "cwd", "stdin", "stdout", "stderr", "independent"}
_LAUNCHER = ["-m", "ipykernel_launcher"]


class ForkProvisioner(LocalProvisioner):
    """Kernels that are forked from a process with TensorFlow imported, or started in the ordinary
    way where that is impossible."""

    _asked_the_dead = False

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start a kernel with a command, which must be ``python -m ipykernel_launcher ...``."""
        # What jupyter_client's own provisioner does before it starts a process.
        wanted = LocalProvisioner._scrub_kwargs(kwargs)  # noqa: SLF001
        problem, process = await asyncio.to_thread(try_fork, cmd, wanted)
        if process is None:
            self.log.warning("This kernel starts without the fast start: %s.", problem)
            return await super().launch_kernel(cmd, **kwargs)
        self.process = process
        self.pid = self.pgid = process.pid
        self.cwd = kwargs.get("cwd") or pathlib.Path.cwd()
        return self.connection_info

    async def shutdown_requested(self, restart: bool = False) -> None:
        """A request to shut down has been sent to the kernel."""
        self._asked_the_dead = self.process is not None and self.process.poll() is not None

    async def cleanup(self, restart: bool = False) -> None:
        """The kernel has ended."""
        await super().cleanup(restart=restart)
        if restart and self._asked_the_dead:
            # Jupyter's socket still tries to deliver for a tenth of a second. A forked kernel may
            # listen at the same port by then, and would shut down in the other's place.
            await asyncio.sleep(0.2)
        self._asked_the_dead = False

    @property
    def is_warm(self) -> bool:
        """Whether the kernel that runs has been forked."""
        return self.process is not None and not isinstance(self.process, subprocess.Popen)


def try_fork(cmd: list[str], wanted: dict[str, Any]) -> tuple[str, Any]:
    """Why there is no forked kernel, and the kernel if there is one."""
    from course.kernels import unsupported

    if problem := unsupported():
        return problem, None
    from course.kernels import client

    if cmd[0] != sys.executable:
        return f"it runs {cmd[0]}, another Python", None
    if _LAUNCHER != cmd[(at := cmd.index("-m") if "-m" in cmd else 0) : at + 2]:
        return "its command is not python -m ipykernel_launcher", None
    if others := sorted(name for name in set(wanted) - _KNOWN if wanted[name] is not None):
        return f"its caller sets {', '.join(others)}", None
    try:
        with _streams(wanted) as (streams, ours):
            process = client.start_kernel(
                command=cmd[:at],
                arguments=[os.path.expanduser(word) for word in cmd[at + 2 :]],
                environment=wanted.get("env") or dict(os.environ),
                cwd=str(wanted.get("cwd") or os.getcwd()),
                streams=streams,
                independent=bool(wanted.get("independent")),
            )
    except client.ColdStart as error:
        return str(error), None
    except Exception as error:  # a kernel must start, whatever is wrong here
        return f"{type(error).__name__}: {error}", None
    process.stdout, process.stderr = ours
    return "", process


@contextlib.contextmanager
def _streams(wanted: dict[str, Any]) -> Iterator[tuple[list[int], list[Any]]]:
    """Descriptors for a kernel's stdin, stdout and stderr, as Popen would read its arguments; and
    the ends of pipes to read what it writes, or None."""
    with contextlib.ExitStack() as stack:

        def null() -> int:
            descriptor = os.open(os.devnull, os.O_RDWR)
            stack.callback(os.close, descriptor)
            return descriptor

        given = wanted.get("stdin")
        # Jupyter gives its kernels an empty stdin, not its own.
        first = null() if given in (None, subprocess.PIPE, subprocess.DEVNULL) else _number(given)
        streams, ours = [first], []
        for own, name in ((1, "stdout"), (2, "stderr")):
            given, end = wanted.get(name), None
            if given == subprocess.STDOUT:
                stream = streams[1]
            elif given == subprocess.DEVNULL or (given is None and not _is_open(own)):
                stream = null()
            elif given == subprocess.PIPE:
                reading, stream = os.pipe()
                stack.callback(os.close, stream)
                end = os.fdopen(reading, "rb")
            else:
                stream = own if given is None else _number(given)
            streams.append(stream)
            ours.append(end)
        yield streams, ours


def _number(file: Any) -> int:
    return file if isinstance(file, int) else file.fileno()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
