"""``course doctor``: what this machine has, what is wrong with it, and what to do about it."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from course.installed import DISTRIBUTION, installed_versions, tensorflow_versions

if TYPE_CHECKING:
    from rich.console import Console

OK, WARNING, ERROR = "ok", "warning", "error"

# What the course is built on, beside TensorFlow; the other packages follow from these.
PACKAGES = (
    "keras",
    "numpy",
    "tensorflow-datasets",
    "scikit-learn",
    "matplotlib",
    "jupyterlab",
    "ipykernel",
    "nbgrader",
    "nbval",
)
USE_GPU = "pip uninstall -y tensorflow-cpu && pip install 'tensorflow[and-cuda]'"
LAB_EXTENSION = "@jupyter/nbgrader"
SERVER_EXTENSIONS = tuple(
    f"nbgrader.server_extensions.{name}"
    for name in ("validate_assignment", "assignment_list", "course_list", "formgrader")
)
# A lesson with its data and a kernel fits into this.
MEMORY_GB, DISK_GB = 4, 2


@dataclass
class Row:
    """One thing that was looked at: its state, what was found, and what to do if it is wrong."""

    name: str
    state: str
    found: str
    remedy: str = ""


def examine(console: Console | None = None) -> list[Row]:
    """Look at everything.

    Args:
        console: where to show what is being looked at. None, the default, shows nothing.
    """
    from course.progress import Bars

    rows: list[Row] = []
    with Bars(console=console, transient=True, disable=console is None) as progress:
        task = progress.add_task("", total=len(CHECKS))
        for name, look in CHECKS.items():
            progress.update(task, description=f"Looking at {name}")
            try:
                rows.append(look(name))
            except Exception as error:  # there is no telling what fails on a broken machine
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                rows.append(Row(name, ERROR, reason, "Install the course again."))
            progress.advance(task)
    return rows


def show(rows: list[Row], console: Console) -> None:
    """Print the rows as a table, and what to do below it."""
    from rich.table import Table
    from rich.text import Text

    styles = {OK: ("✓", "green"), WARNING: ("!", "yellow"), ERROR: ("✗", "red")}
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        sign, style = styles[row.state]
        found = Text(row.found)
        if row.remedy:
            found.append(f"\n{row.remedy}", style)
        table.add_row(Text(sign, style), Text(row.name, "bold"), Text(row.state, style), found)
    console.print(table)


def _python(name: str) -> Row:
    found = f"{platform.python_version()} in {sys.prefix} on {platform.platform()}"
    wanted = metadata.metadata(DISTRIBUTION)["Requires-Python"]
    from packaging.specifiers import SpecifierSet

    if wanted and platform.python_version() not in SpecifierSet(wanted):
        return Row(name, ERROR, found, f"Make an environment with Python {wanted}.")
    return Row(name, OK, found)


def _packages(name: str) -> Row:
    versions = tensorflow_versions()
    if len(versions) > 1:
        advice = f"Run pip uninstall -y {' '.join(versions)}, and install the one you want again."
        return Row(name, ERROR, f"{' and '.join(versions)} overwrite each other's files", advice)
    missing = [] if versions else ["tensorflow"]
    versions |= installed_versions(PACKAGES)
    missing += [package for package in PACKAGES if package not in versions]
    found = ", ".join(f"{package} {version}" for package, version in versions.items())
    if missing:
        return Row(name, ERROR, found, f"Missing: {', '.join(missing)}. Install the course again.")
    locked = _locked_versions()
    other = [
        f"{package} {version} (lock: {locked[package]})"
        for package, version in versions.items()
        if package in locked and locked[package] != version
    ]
    if other:
        advice = "The course was tried with the lock's: pip install -r requirements.lock."
        return Row(name, WARNING, found, f"Other than the lock: {', '.join(other)}. {advice}")
    return Row(name, OK, found + (" (as in requirements.lock)" if locked else ""))


def _locked_versions() -> dict[str, str]:
    from course.lessons import LessonError, find_root

    try:
        lock = find_root() / "requirements.lock"
    except LessonError:
        return {}
    if not lock.is_file():
        return {}
    pin = re.compile(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==([^\s;\\]+)", re.MULTILINE)
    counts: dict[str, set[str]] = {}
    for package, version in pin.findall(lock.read_text()):
        counts.setdefault(package.lower(), set()).add(version)
    # A package that the lock pins by platform has several versions: no single one to compare with.
    return {package: found.pop() for package, found in counts.items() if len(found) == 1}


def _machine(name: str) -> Row:
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count()
    # Windows has no sysconf; there the memory stays unknown.
    pages = (
        os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    )
    memory = pages / 1e9
    disk = shutil.disk_usage(_existing(_cache())).free / 1e9
    known = f"{memory:.0f} GB memory" if memory else "memory unknown"
    found = f"{cores} CPU cores, {known}, {disk:.0f} GB disk free"
    if disk < DISK_GB:
        return Row(name, ERROR, found, f"Make room: the course needs {DISK_GB} GB.")
    if 0 < memory < MEMORY_GB:
        return Row(name, WARNING, found, f"Under {MEMORY_GB} GB a lesson may run out of memory.")
    return Row(name, OK, found)


def _device(name: str) -> Row:
    from course.precision import find_device

    device = find_device()
    if device.kind == "GPU":
        return Row(name, OK, f"{device.name} (compute capability {_dotted(device.capability)})")
    if shutil.which("nvidia-smi"):
        advice = f"To use it: {USE_GPU}, then run this again."
        return Row(name, WARNING, "CPU; there is a GPU that TensorFlow does not see", advice)
    return Row(name, OK, "CPU; every lesson is made for it")


def _dotted(capability: tuple[int, int] | None) -> str:
    return ".".join(map(str, capability)) if capability else "unknown"


def _precision(name: str) -> Row:
    from course.precision import choose, find_device

    choice = choose("auto", find_device())
    return Row(name, OK, f"auto is {choice.policy}: {choice.reason}")


def _cache() -> Path:
    from course.datasets import data_dir

    return data_dir()


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def _datasets(name: str) -> Row:
    folder = _cache()
    present = sorted(path.name for path in folder.glob("*") if path.is_dir())
    present = [dataset for dataset in present if dataset != "downloads"]
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    found = f"{folder}: {', '.join(present) or 'empty'} ({size:.0f} MB)"
    if not os.access(_existing(folder), os.W_OK):
        advice = "Set COURSE_DATA_DIR to a folder that you may write to."
        return Row(name, ERROR, f"{found}, not writable", advice)
    return Row(name, OK, found)


def _kernel(name: str) -> Row:
    """Start the kernel that notebooks name, and ask it which Python it is."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    from jupyter_client.manager import start_new_kernel

    advice = f"{sys.executable} -m ipykernel install --sys-prefix"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Row(name, ERROR, "no kernel python3", advice)
    try:
        manager, client = start_new_kernel(
            kernel_name="python3",
            startup_timeout=60,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except Exception as error:
        return Row(name, ERROR, f"python3 does not start ({type(error).__name__})", advice)
    try:
        shown: list[str] = []
        client.execute_interactive(
            "import sys; print(sys.prefix)",
            timeout=60,
            output_hook=lambda message: shown.append(message["content"].get("text", "")),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    prefix = "".join(shown).strip()
    if not prefix or not Path(prefix).samefile(sys.prefix):
        found = f"python3 in {spec.resource_dir} runs {prefix or 'nothing'}, not this environment"
        return Row(name, ERROR, found, advice)
    found = f"python3 starts, and runs this environment ({spec.resource_dir})"
    if problem := _fast_start_problem():
        return Row(name, WARNING, f"{found}; no fast start: {problem[0]}", problem[1])
    return Row(name, OK, f"{found}; Course (fast start) is offered by course lab")


def _fast_start_problem() -> tuple[str, str] | None:
    """Why kernels cannot be forked here, and what to do about it."""
    from course import kernels

    if reason := kernels.unsupported():
        return reason, "Each kernel imports TensorFlow itself, which takes some seconds."
    if not kernels.is_registered():
        return "this installation is older than it", "Install the course again."
    from course.kernels import client

    try:
        client.folder()
    except client.ColdStart as error:
        return str(error), "Until then, each kernel imports TensorFlow itself."
    return None


def _extensions(name: str) -> Row:
    """nbgrader's extensions, as ``jupyter labextension list`` and ``server extension list`` say."""
    missing = [e for e in SERVER_EXTENSIONS if not _is_importable(e)]
    lab = subprocess.run(
        [sys.executable, "-m", "jupyter", "labextension", "list"], capture_output=True, text=True
    )
    line = next((x for x in (lab.stdout + lab.stderr).splitlines() if LAB_EXTENSION in x), "")
    if "enabled" not in line or "OK" not in line:
        missing.append(LAB_EXTENSION)
    server = subprocess.run(
        [sys.executable, "-m", "jupyter", "server", "extension", "list"],
        capture_output=True,
        text=True,
    )
    listing = server.stdout + server.stderr
    missing += [e for e in SERVER_EXTENSIONS if not re.search(rf"{e}\S* .*enabled", listing)]
    if missing:
        advice = (
            "Install nbgrader again into this environment: pip install --force-reinstall nbgrader"
        )
        return Row(name, ERROR, f"not enabled: {', '.join(sorted(set(missing)))}", advice)
    return Row(name, OK, f"{LAB_EXTENSION} and {len(SERVER_EXTENSIONS)} server extensions")


def _is_importable(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def _isolation(name: str) -> Row:
    """Whether submissions can be graded apart from everything else. Students do not need it."""
    advice = "Only grading needs it. "
    if sys.platform != "linux":
        return Row(name, WARNING, f"none on {sys.platform}", advice + "Grade on Linux.")
    if not shutil.which("bwrap"):
        return Row(name, WARNING, "no bubblewrap", advice + "Install it: apt install bubblewrap")
    command = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    version = subprocess.run(["bwrap", "--version"], capture_output=True, text=True).stdout.strip()
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        allow = "Allow user namespaces, such as `sysctl kernel.unprivileged_userns_clone=1`."
        return Row(name, WARNING, f"{version} cannot isolate: {reason}", advice + allow)
    return Row(name, OK, f"{version} isolates processes")


CHECKS: dict[str, Callable[[str], Row]] = {
    "python": _python,
    "packages": _packages,
    "machine": _machine,
    "device": _device,
    "precision": _precision,
    "datasets": _datasets,
    "kernel": _kernel,
    "extensions": _extensions,
    "isolation": _isolation,
}
