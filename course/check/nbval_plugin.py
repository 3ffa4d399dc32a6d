"""A pytest plugin beside nbval: writes what happened to each cell as JSON lines.

It also holds a locked cell to the result that the released lesson states, which stands in the
cell's metadata because a lesson is released without outputs; leaves stderr out of every comparison,
since it differs between machines; and notices at once when the kernel has died.
"""

from __future__ import annotations

import json
import re
import time
from queue import Empty

import pytest

from course.cells import stated_result, text_of

# A figure's text names its class and, at times, its address: no result.
_OBJECT = re.compile(r"<[\w.]+(?: object)?(?: at 0x[0-9a-f]+| size [^>]*)?>")


class KernelDied(RuntimeError):
    """Python ended while a cell ran."""


def pytest_addoption(parser):
    parser.addoption("--course-report", help="file to write a line of JSON per cell to")


def comparable(text: str) -> str:
    """The text without what may differ between two right runs: objects, space at line ends."""
    return "\n".join(line.rstrip() for line in _OBJECT.sub("", text).strip().splitlines())


def pytest_collection_modifyitems(items):
    for item in items:
        item.parent.skip_compare = (*item.parent.skip_compare, "stderr")
        if "nbgrader" in item.cell.metadata:
            # What a student tags must not hide an error or a test.
            item.options["check_exception"] = item.options["skip"] = False
        if item.cell.execution_count is None:
            item.cell.outputs = []
        expected = stated_result(item.cell)
        if item.options["check"] and expected is not None:
            # nbval compares with outputs that a released lesson does not have.
            item.cell.execution_count = item.cell.execution_count or 1
            item.compare_outputs = _comparison(item, expected, list(item.cell.outputs))


def _comparison(item, expected, saved):
    def compare(outputs, reference, skip_compare=None):
        shown = comparable(text_of(outputs))
        for source, text in (("the lesson", expected), ("your notebook", text_of(saved))):
            if (text or source == "the lesson") and comparable(text) != shown:
                item.comparison_traceback = [f"{source} shows:", text, "a fresh run shows:", shown]
                return False
        return True

    return compare


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    kernel = item.parent.kernel
    if "await_reply" not in vars(kernel):
        kernel.await_reply = _watched(kernel, kernel.await_reply)
    if not kernel.is_alive():
        raise KernelDied("Python had ended before this cell.")


def _watched(kernel, await_reply):
    """nbval waits its whole timeout for a kernel that is gone: look every second."""

    def wait(msg_id, timeout=None):
        deadline = time.monotonic() + (timeout or 60)
        while True:
            try:
                return await_reply(msg_id, timeout=1)
            except Empty:
                if not kernel.is_alive():
                    raise KernelDied("Python ended while this cell ran.") from None
                if time.monotonic() > deadline:
                    raise

    return wait


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" or report.failed:
        _write(item, _line(item, report, call.excinfo))
    return report


def _line(item, report, excinfo):
    error = excinfo.value if excinfo and report.outcome != "passed" else None
    outputs = [o for o in item.test_outputs or () if o.output_type == "error"]
    return {
        "cell": item.cell_num,
        "outcome": report.outcome,
        "compared": bool(item.options["check"]) and item.cell.execution_count is not None,
        "died": isinstance(error, KernelDied),
        "message": str(error) if error else "",
        "detail": getattr(error, "inner_traceback", None) or "",
        "ename": outputs[-1].ename if outputs else "",
        "evalue": outputs[-1].evalue if outputs else "",
    }


def _write(item, line):
    if path := item.config.getoption("--course-report"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
