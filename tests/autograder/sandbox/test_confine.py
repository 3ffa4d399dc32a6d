"""What a submission leaves behind, and what it cannot reach."""

from __future__ import annotations

import time
from textwrap import dedent

import psutil
import pytest

from autograder.sandbox.isolation import isolation_problem

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(isolation_problem() is not None, reason=str(isolation_problem())),
]


def processes(workplace) -> set[int]:
    """All processes of a workplace."""
    parents = [psutil.Process(zygote.process.pid) for zygote in workplace.zygotes.values()]
    return {child.pid for parent in parents for child in parent.children(recursive=True)}


def test_an_answer_that_no_signal_of_its_parent_reaches_ends_with_its_submission(
    workplace, examine_one
):
    assert examine_one("", "three = 3", "assert three == 3", "three = 3").score == 1
    before = processes(workplace)
    stubborn = dedent(
        """\
        import ctypes, signal, threading, time
        ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        threading.Thread(target=lambda: time.sleep(600)).start()
        three = 3
        """
    )
    assert examine_one("", stubborn, "assert three == 3", "three = 3").score == 1
    # The kernel ends them a moment later.
    for _ in range(600):
        if processes(workplace) <= before:
            break
        time.sleep(0.1)
    assert processes(workplace) <= before


@pytest.mark.parametrize(
    "reach",
    [
        pytest.param("os.openpty()", id="a terminal"),
        pytest.param("open('/dev/ptmx', 'rb+', 0)", id="ptmx"),
        pytest.param("open('/dev/pts/0')", id="another's terminal"),
        pytest.param("open('/dev/pts/left', 'w')", id="a file among the terminals"),
        pytest.param("socket.socket(40, socket.SOCK_STREAM)", id="vsock"),
        pytest.param("socket.create_connection(('127.0.0.1', 80), 1)", id="network"),
    ],
)
def test_what_an_answer_cannot_reach(examine_one, reach):
    answer = dedent(
        f"""\
        import os, socket
        try:
            {reach}
            reached = "it could"
        except OSError:
            reached = ""
        """
    )
    examination = examine_one("", answer, "assert reached == '', reached", "reached = ''")
    assert examination.score == 1, examination.cells


def test_an_answer_can_connect_with_itself(examine_one):
    answer = dedent(
        """\
        import socket
        one, other = socket.socketpair()
        one.sendall(b"3")
        three = int(other.recv(1))
        """
    )
    assert examine_one("", answer, "assert three == 3", "three = 3").score == 1


def test_an_answer_that_starts_two_thousand_threads_is_ended_and_others_are_graded(examine_one):
    answer = dedent(
        """\
        import _thread, threading, time
        threading.stack_size(65536)
        forever = threading.Lock()
        forever.acquire()
        started = 0
        while started < 2_000:
            try:
                _thread.start_new_thread(forever.acquire, ())
                started += 1
            except RuntimeError:
                break
        time.sleep(1)
        three = 3
        """
    )
    ended = examine_one("", answer, "assert three == 3", "three = 3")
    assert (ended.status, ended.score) == ("died", 0)
    assert examine_one("", "three = 3", "assert three == 3", "three = 3").score == 1


def test_an_answer_may_have_a_hundred_threads(examine_one):
    answer = dedent(
        """\
        import concurrent.futures, time
        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            list(pool.map(lambda _: time.sleep(0.2), range(100)))
        three = 3
        """
    )
    assert examine_one("", answer, "assert three == 3", "three = 3").score == 1
