"""Kernels that start warm: forked from a process that has TensorFlow and Keras imported already.

Importing TensorFlow takes seconds, forking milliseconds. So a fork server imports what lessons use,
once, and forks a kernel whenever Jupyter asks for one. It never runs a TensorFlow operation:
a process forked after the first one would hang, and on a GPU could not use the device.

``ForkProvisioner`` is what Jupyter calls; ``client`` finds or starts the server; ``server`` is its
process; ``identity`` says which kernels one server may fork. Linux only: elsewhere, and whenever
something prevents the fork, a kernel starts cold, as it would without this package.

A server belongs to one user and one environment. It starts when it is first needed and ends by
itself after ten minutes without a kernel, or when packages or the course have changed, or when its
socket is gone. Kernels do not depend on it: each has a keeper, another process, which tells
Jupyter when the kernel ends and ends the kernel when Jupyter goes.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

# A folder for JUPYTER_PATH, which offers the kernel; an editable install puts no file elsewhere.
JUPYTER_FOLDER = Path(__file__).parent / "jupyter"
# The kernel in JupyterLab's launcher, and the provisioner that its kernel.json names.
KERNEL_NAME = "course-fast"
PROVISIONER_NAME = "course-fork"


def unsupported() -> str | None:
    """Why kernels cannot start warm on this system, or None."""
    if sys.platform != "linux":
        return f"forking a process that has imported TensorFlow is not safe on {sys.platform}"
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return "it needs Linux 5.3 or later"
    return None


def is_registered() -> bool:
    """Whether this environment's Jupyter knows the provisioner: it does once the course is
    installed."""
    from importlib.metadata import entry_points

    group = "jupyter_client.kernel_provisioners"
    return bool(entry_points(group=group, name=PROVISIONER_NAME))


def default_environment() -> dict[str, str]:
    """Environment variables that let kernels start warm whose kernel.json names no provisioner.
    Empty where that cannot work, and where the user has chosen another."""
    from jupyter_client.provisioning.factory import KernelProvisionerFactory

    variable = KernelProvisionerFactory.default_provisioner_name_env
    if unsupported() or not is_registered() or variable in os.environ:
        return {}
    return {variable: PROVISIONER_NAME}


@contextlib.contextmanager
def warm_by_default() -> Iterator[None]:
    """Let kernels whose kernel.json names no provisioner start warm, in this process and in those
    that it starts meanwhile."""
    if not is_registered():
        yield
        return
    from jupyter_client.provisioning.factory import KernelProvisionerFactory

    factory = KernelProvisionerFactory.instance()
    variable = KernelProvisionerFactory.default_provisioner_name_env
    before, name = os.environ.get(variable), factory.default_provisioner_name
    os.environ[variable] = factory.default_provisioner_name = PROVISIONER_NAME
    try:
        yield
    finally:
        factory.default_provisioner_name = name
        os.environ.pop(variable)
        if before is not None:
            os.environ[variable] = before
