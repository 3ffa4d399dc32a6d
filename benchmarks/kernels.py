"""How soon a kernel can run TensorFlow when it is forked and when it is not, and its memory.

Cold and warm kernels take turns, so that other load on the machine affects both equally. The time
runs from the call that starts a kernel until it has answered
``import tensorflow, keras; tf.constant(1)``. Memory is the proportional set size (PSS): a page that
several processes share counts in equal parts for each, so the figures of all of them can be added.

    python benchmarks/kernels.py
    python benchmarks/kernels.py --json --repeats 3
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable

import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from course import kernels

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FIRST_CELL = "import tensorflow as tf, keras; tf.constant(1)"
SPECS = {"cold": "python3", "warm": kernels.KERNEL_NAME}


class Kernel:
    """A kernel that has run its first cell; ``seconds`` says how long that took."""

    def __init__(self, kind: str) -> None:
        specs = KernelSpecManager()
        specs.kernel_dirs = [str(kernels.JUPYTER_FOLDER / "kernels"), *specs.kernel_dirs]
        begun = time.perf_counter()
        self.manager = KernelManager(kernel_name=SPECS[kind], kernel_spec_manager=specs)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.manager.start_kernel(**quiet)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=300)
        reply = self.client.execute(FIRST_CELL, reply=True, timeout=300)
        self.seconds = time.perf_counter() - begun
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"The first cell failed: {reply['content']}")
        if (kind == "warm") != getattr(self.manager.provisioner, "is_warm", False):
            raise RuntimeError("The kernel should have been forked, and was not.")

    def server(self) -> psutil.Process:
        """The process that a warm kernel's keeper was forked from."""
        return psutil.Process(self.manager.provisioner.pid).parent().parent()

    def close(self) -> None:
        """End it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def _pss(process: psutil.Process) -> int:
    return process.memory_full_info().pss


def _total(processes: list[psutil.Process]) -> float:
    return sum(map(_pss, processes)) / 1e6


def measure(repeats: int, further: int, progress: Callable[[str], None]) -> dict:
    """Start kernels of both kinds in turn, then several of each at once.

    Args:
        repeats: the number of kernels of each kind to time, after a first one of each.
        further: the number of kernels that run at the same time, to see what one more takes.
        progress: a function that is called with what is being done.
    """
    seconds: dict[str, list[float]] = {"cold": [], "warm": []}
    first = {}
    for kind in SPECS:
        progress(f"a first {kind} kernel")
        # It fills the disk cache, or starts the server.
        kernel = Kernel(kind)
        first[kind] = kernel.seconds
        kernel.close()
    for repeat in range(repeats):
        for kind, times in seconds.items():
            progress(f"{kind}, {repeat + 1} of {repeats}")
            kernel = Kernel(kind)
            times.append(kernel.seconds)
            kernel.close()
    each, server = {}, 0.0
    for kind in SPECS:
        progress(f"memory of {further} {kind} kernels")
        started = [Kernel(kind) for _ in range(further)]
        processes = [psutil.Process(kernel.manager.provisioner.pid) for kernel in started]
        if kind == "warm":
            processes += [process.parent() for process in processes] + [started[0].server()]
        whole = _total(processes)
        started.pop().close()
        processes = [process for process in processes if process.is_running()]
        fewer = _total(processes)
        each[kind] = whole - fewer
        if kind == "warm":
            server = _pss(started[0].server()) / 1e6
        for kernel in started:
            kernel.close()
    ratios = [cold / warm for cold, warm in zip(seconds["cold"], seconds["warm"], strict=True)]
    return {
        "repeats": repeats,
        "first_seconds": {kind: round(value, 2) for kind, value in first.items()},
        "seconds": {kind: round(statistics.median(v), 3) for kind, v in seconds.items()},
        "fastest": {kind: round(min(v), 3) for kind, v in seconds.items()},
        "slowest": {kind: round(max(v), 3) for kind, v in seconds.items()},
        "speedup": round(statistics.median(ratios), 1),
        "mb_per_further_kernel": {kind: round(value) for kind, value in each.items()},
        "mb_server": round(server),
    }


def show(report: dict) -> None:
    """Print a report as a table."""
    from rich.console import Console
    from rich.table import Table

    note = (
        f"Median of {report['repeats']} kernels of each kind, in turn; in brackets the fastest "
        f"and slowest. A warm one is ready {report['speedup']} times sooner. The server that "
        f"they share had {report['mb_server']} MB in addition to them."
    )
    table = Table(caption=note, caption_justify="left")
    for column in ("kernel", "s until TensorFlow runs", "", "the first", "MB for one more"):
        table.add_column(column, justify="left" if column == "kernel" else "right")
    for kind in SPECS:
        table.add_row(
            kind,
            f"{report['seconds'][kind]:.2f}",
            f"({report['fastest'][kind]:.2f} to {report['slowest'][kind]:.2f})",
            f"{report['first_seconds'][kind]:.2f}",
            str(report["mb_per_further_kernel"][kind]),
        )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=7, help="kernels of each kind to time")
    parser.add_argument("--further", type=int, default=3, help="kernels at once, for their memory")
    arguments = parser.parse_args()
    if problem := kernels.unsupported():
        raise SystemExit(f"Kernels cannot be forked here: {problem}.")
    from course.kernels import client

    with tempfile.TemporaryDirectory(prefix="kernels-") as folder:
        os.environ["COURSE_RUNTIME_DIR"] = folder
        try:
            if arguments.json:
                report = measure(arguments.repeats, arguments.further, lambda doing: None)
                print(json.dumps(report, indent=2))
                return
            from rich.status import Status

            with Status("Starting") as status:
                report = measure(
                    arguments.repeats,
                    arguments.further,
                    lambda doing: status.update(doing.capitalize()),
                )
            show(report)
        finally:
            client.stop_servers()


if __name__ == "__main__":
    main()
