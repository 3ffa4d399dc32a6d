"""Where submissions are graded: on this machine, or on a Dask cluster.

Both are a pool, which is opened with ``with`` when there is something to grade.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import psutil

from autograder.errors import CourseError, IsolationError
from autograder.sandbox.isolation import isolation_problem

# What one submission takes at its most in everyday grading: two processes with a small model each.
MEGABYTES_PER_WORKER = 1_000

# Seconds in which a cluster should answer, and show its first worker.
CONNECT_SECONDS = 30


class Pool(NamedTuple):
    """What takes submissions, and how many it grades at a time."""

    executor: Executor
    workers: int


def default_workers() -> int:
    """How many submissions this machine should grade at a time: one for each core that this
    process may use, fewer where memory is short."""
    # Python 3.13 has os.process_cpu_count() for this, and psutil no call for all systems.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    free = psutil.virtual_memory().available // 2**20
    return max(1, min(cores or 1, free // MEGABYTES_PER_WORKER))


def local(workers: int | None = None, isolated: bool = True) -> AbstractContextManager[Pool]:
    """This machine.

    Args:
        workers: how many submissions run at a time; ``default_workers()`` by default.
        isolated: whether the submissions are to run in a sandbox.

    Raises:
        IsolationError: at once, where there is no sandbox on this machine.
    """
    if isolated and (problem := isolation_problem()):
        raise IsolationError(
            f"{problem} Nothing was graded. If you would run every submission yourself, "
            "unread, go on with --trust-submissions."
        )
    return _threads(workers or default_workers())


@contextmanager
def _threads(workers: int) -> Iterator[Pool]:
    """Threads, which only wait: the work is done by processes forked for each submission, and
    those share the imports of the process that forks them."""
    with ThreadPoolExecutor(workers, thread_name_prefix="grading") as executor:
        try:
            yield Pool(executor, workers)
        finally:
            # Whoever stops now should not wait for the rest of the class.
            executor.shutdown(wait=False, cancel_futures=True)


@contextmanager
def dask(address: str, patience: float = CONNECT_SECONDS) -> Iterator[Pool]:
    """A Dask cluster, whose workers each look for their own sandbox.

    A submission whose worker dies is graded by another one.

    Args:
        address: of the scheduler, such as ``tcp://10.0.0.1:8786``.
        patience: seconds to wait for the scheduler, and then for a first worker; 30 by default.

    Raises:
        CourseError: when it is opened: no scheduler answers there, or it has no workers.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=patience, set_as_default=False)
    except (OSError, ValueError) as error:
        raise CourseError(
            f"No Dask scheduler answers at {address} ({error}). Start one with `dask scheduler` "
            f"and workers with `dask worker {address}`."
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError:
            raise CourseError(
                f"The Dask scheduler at {address} has no workers: start some with "
                f"`dask worker {address}`."
            ) from None
        # Same submission, same result; but a run that is forced must not find the last one's.
        with client.get_executor(pure=False) as executor:
            yield Pool(executor, sum(client.nthreads().values()))
