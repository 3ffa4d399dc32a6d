"""What a process needs that imports everything and forks others: for kernels and for grading."""

from __future__ import annotations

import ctypes
import gc
import importlib
import inspect
import os
import sys
from collections.abc import Sequence

PRELOAD = (
    "numpy",
    "tensorflow",
    "keras",
    "matplotlib.pyplot",
    "tensorflow_datasets",
    "sklearn.linear_model",
    "course",
    "course.datasets",
    "course.models",
    "course.plots",
    "course.precision",
    "course.runtime",
    "course.training",
)

# Options of the system call prctl, by the names that Linux gives them.
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4


def preload(modules: Sequence[str] = PRELOAD) -> None:
    """Import modules; one that cannot be imported is named on stderr and fails later."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(f"not preloaded: {module} ({error})", file=sys.stderr)
    _remember_files()


def _remember_files() -> None:
    """Have ``inspect`` look up the files of all modules, which every process does before its first
    traceback. With TensorFlow's that takes longer than most tests."""
    inspect.getmodule(compile("", "<no file>", "exec"))


def share_memory() -> None:
    """Leave what is in memory to the processes that will be forked.

    The collector would write to every object, and each child would get its own copy.
    """
    gc.collect()
    gc.freeze()


def prctl(option: int, value: int) -> None:
    """The system call of that name, which only Linux has.

    Raises:
        OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")


def hide_memory() -> None:
    """Let no other process of this user look into this one's memory, or change it."""
    prctl(PR_SET_DUMPABLE, 0)
