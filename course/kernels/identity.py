"""Which kernels a fork server may fork: those that would have anyway what they inherit from it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import site
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

import course

# Variables that are read while TensorFlow and the others are imported, or by the interpreter when
# it starts. A kernel with other values needs another server.
_PREFIXES = (
    "ABSL_", "BLIS_", "CUDA", "CUDNN", "DEBUGPY_", "DNNL_", "GOMP_", "GRPC_", "HDF5_", "JAX_",
    "JOBLIB_", "KERAS_", "KMP_", "LC_", "LD_", "LOKY_", "MALLOC_", "MATPLOTLIB", "MKL_", "MPL",
    "NCCL_", "NPY_", "NUMEXPR_", "NUMPY_", "NVIDIA_", "OMP_", "ONEDNN_", "OPENBLAS_", "PANDAS_",
    "PILLOW_", "PROTOCOL_BUFFERS_", "PYDEVD_", "PYTHON", "PYZMQ_", "SCIPY_", "SKLEARN_", "SSL_",
    "TF2_", "TFDS_", "TF_", "TORNADO_", "TPU_", "TRAITLETS_", "XLA_",
)  # fmt: skip
_NAMES = {
    "HOME", "IPYTHON_SUPPRESS_CONFIG_ERRORS", "JUPYTER_ALLOW_INSECURE_WRITES",
    "JUPYTER_PLATFORM_DIRS", "LANG", "LANGUAGE", "REQUESTS_CA_BUNDLE", "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME", "XDG_DATA_HOME",
}  # fmt: skip
# These change no import, and let one find its programs and files.
_HARMLESS = {"PATH", "USER", "LOGNAME", "TMPDIR", "VIRTUAL_ENV"}
_NAMESPACES = ("mnt", "net", "pid", "user")


def read_at_import(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that must be there before the imports."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if name in _NAMES or name.startswith(_PREFIXES)
    }


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a server is started with: nothing that differs between the kernels it forks."""
    harmless = {name: environment[name] for name in _HARMLESS if name in environment}
    return harmless | read_at_import(environment)


def soft_limits() -> dict[str, int]:
    """The limits on resources that a process may change, by their name in ``resource``."""
    return {name: limits[0] for name, limits in _limits().items()}


def _limits() -> dict[str, tuple[int, int]]:
    names = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}


def fingerprint() -> str:
    """Changes whenever a package is installed or removed, or a file of the course is edited."""
    digest = hashlib.sha256()
    course_files = Path(course.__file__).parent.rglob("*.py")
    for path in sorted([*course_files, *_records()]):
        try:
            status = path.stat()
        except FileNotFoundError:  # removed while we looked
            continue
        digest.update(f"{path}\0{status.st_mtime_ns}\0{status.st_size}\n".encode())
    return digest.hexdigest()


def _records() -> list[Path]:
    """The folders that packages are installed in, and pip's records of what it installed."""
    folders = {
        *site.getsitepackages(),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
    }
    if site.ENABLE_USER_SITE:
        folders.add(site.getusersitepackages())
    present = [Path(folder) for folder in folders if Path(folder).is_dir()]
    return [*present, *(record for folder in present for record in folder.glob("*-info/RECORD"))]


def key(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Names the server for a kernel: what a fork takes over from it and cannot change afterwards.

    Args:
        command: the interpreter and its options, such as ``["python", "-X", "dev"]``.
        environment: the kernel's environment variables.
    """
    inherited = [
        list(command), sys.prefix, sys.version, course.__version__, fingerprint(),
        read_at_import(environment), platform.node(), os.getuid(), os.getgid(),
        sorted(os.getgroups()), os.getpriority(os.PRIO_PROCESS, 0),
        sorted(os.sched_getaffinity(0)),
        [hard for _, hard in _limits().values()],
        # Process numbers, ports and paths mean something else in another container.
        [os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(inherited).encode()).hexdigest()[:20]
