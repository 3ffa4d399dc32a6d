"""The processes that grading works in."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder.sandbox.isolation import isolation_problem
from autograder.sandbox.workplace import Zygote


@pytest.mark.slow
@pytest.mark.skipif(isolation_problem() is not None, reason=str(isolation_problem()))
def test_a_zygote_outlives_the_thread_that_has_asked_for_it():
    def start() -> Zygote:
        zygote = Zygote("answers", isolated=True)
        zygote.ready()
        return zygote

    with ThreadPoolExecutor(1) as pool:
        zygote = pool.submit(start).result()
    try:
        # The kernel ends a process a moment later.
        with pytest.raises(subprocess.TimeoutExpired):
            zygote.process.wait(1)
        assert zygote.alive()
    finally:
        zygote.close()
