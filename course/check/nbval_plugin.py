"""A pytest plugin beside nbval: writes what happened to each cell as JSON lines.

It also holds a locked cell to the result that the released lesson states, which is in the
cell's metadata because a lesson is released without outputs; leaves stderr out of every comparison,
since it differs between machines; holds tables of ``course.results`` to their names and ranges, and
each value to its range; and notices at once when the kernel has died.
"""

from __future__ import annotations

import copy
import json
import re
import time
from queue import Empty

import pytest

from course import results
from course.cells import FULL_SIZE, stated_result, tags, text_of

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
        if FULL_SIZE in tags(item.cell):
            # It may train for an hour, where its data set is there.
            item.options["skip"] = True
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
        elif item.options["check"]:
            item.compare_outputs = _with_ranges(item, item.compare_outputs)


def _comparison(item, expected, saved):
    """Compares with what a released lesson states, and with what the student saved."""

    def compare(outputs, reference, skip_compare=None):
        shown = text_of(outputs)
        for source, text in (("the lesson", expected), ("your notebook", text_of(saved))):
            if not text and source != "the lesson":
                continue
            found = results.differences(text, shown)
            stated, fresh = (comparable(results.without_values(each)) for each in (text, shown))
            if found or stated != fresh:
                shows = [f"{source} shows:", text, "a fresh run shows:", comparable(shown)]
                item.comparison_traceback = [*found, *shows]
                return False
        return True

    return compare


def _with_ranges(item, compare_outputs):
    """nbval's comparison with the stored outputs, but values in tables only have to be in range."""

    def compare(outputs, reference, skip_compare=None):
        found = results.differences(text_of(reference), text_of(outputs))
        if found:
            item.comparison_traceback = found
            return False
        return compare_outputs(_without_values(outputs), _without_values(reference), skip_compare)

    return compare


def _without_values(outputs):
    """Copies of outputs whose tables have lost what may differ."""
    outputs = copy.deepcopy(outputs)
    for output in outputs:
        if output.output_type == "stream":
            output.text = results.without_values(output.text)
        elif "text/plain" in output.get("data", {}):
            output.data["text/plain"] = results.without_values(output.data["text/plain"])
    return outputs


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
