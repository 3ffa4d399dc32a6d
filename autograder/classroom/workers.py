"""Where submissions are graded: on this machine, or on a Dask cluster.

Both are a ``concurrent.futures.Executor`` for ``submission.grade_submission``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from autograder.errors import CourseError

# What one submission takes at its most in everyday grading: two processes with a small model each.
MEGABYTES_PER_WORKER = 1_000

# Seconds in which a cluster should answer, and show its first worker.
CONNECT_SECONDS = 30


def default_workers() -> int:
    """How many submissions this machine should grade at a time: by its cores, fewer where memory
    is short."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, _free_megabytes() // MEGABYTES_PER_WORKER))


def _free_megabytes() -> int:
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":") for line in file)
        return int(lines["MemAvailable"].split()[0]) // 1024
    except (OSError, KeyError, ValueError):
        return MEGABYTES_PER_WORKER * (os.cpu_count() or 1)


@contextmanager
def local(workers: int) -> Iterator[tuple[Executor, int]]:
    """This machine. The threads only wait: the work is done by processes forked for each
    submission, and those share the imports of the process that forks them."""
    with ThreadPoolExecutor(workers, thread_name_prefix="grading") as pool:
        try:
            yield pool, workers
        finally:
            # Whoever stops now should not wait for the rest of the class.
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def dask(address: str) -> Iterator[tuple[Executor, int]]:
    """A Dask cluster, and how many submissions it takes at a time.

    A submission whose worker dies is graded by another one.

    Args:
        address: of the scheduler, such as ``tcp://10.0.0.1:8786``.

    Raises:
        CourseError: no scheduler answers there, or it has no workers.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise CourseError(
            f"No Dask scheduler answers at {address} ({error}). Start one with `dask scheduler` "
            f"and workers with `dask worker {address}`."
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
            raise CourseError(
                f"The Dask scheduler at {address} has no workers: start some with "
                f"`dask worker {address}`."
            ) from None
        # Same submission, same result; but a run that is forced must not find the last one's.
        with client.get_executor(pure=False) as executor:
            yield executor, sum(client.nthreads().values())
