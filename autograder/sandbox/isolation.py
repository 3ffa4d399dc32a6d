"""Whether this machine can isolate submissions, and the command for their sandbox."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

# Where a sandbox may write. Not /tmp, which may hold the course itself.
SCRATCH = "/scratch"


def bubblewrap() -> str | None:
    """The path of bubblewrap's command, or None."""
    return shutil.which("bwrap")


@cache
def isolation_problem() -> str | None:
    """Why submissions cannot be isolated on this machine, in a sentence; None where they can."""
    if sys.platform != "linux":
        return "Isolation needs Linux: grade on a Linux machine, or in WSL or a virtual machine."
    command = bubblewrap()
    if command is None:
        return "bubblewrap is not installed: apt-get install bubblewrap (or dnf, or pacman)."
    trial = subprocess.run(
        [command, "--unshare-all", "--ro-bind", "/", "/", "true"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    if trial.returncode:
        reason = (trial.stderr.strip().splitlines() or ["no reason given"])[-1]
        return (
            f"bubblewrap cannot make a sandbox here ({reason}). Unprivileged user namespaces are "
            "needed: see kernel.unprivileged_userns_clone and kernel.apparmor_restrict_"
            "unprivileged_userns, or run in a container that allows them."
        )
    return None


def install_bubblewrap() -> None:
    """Install bubblewrap with apt-get. Does nothing where there is none or this user may not."""
    apt = shutil.which("apt-get")
    if apt is None or sys.platform != "linux":
        return
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    for words in (["update", "-qq"], ["install", "-y", "-qq", "bubblewrap"]):
        with suppress(OSError):
            subprocess.run(
                [*root, "env", "DEBIAN_FRONTEND=noninteractive", apt, *words],
                capture_output=True,
                check=False,
            )
    isolation_problem.cache_clear()


def _readable() -> list[tuple[Path, Path]]:
    """What a sandbox sees of the machine, Python, the packages, the course: where each is, and
    where it is seen.

    A path may lead through symbolic links, as where a home folder or an environment is one. It is
    seen under that path and under the one that the links lead to, with no link in between.
    """
    shown: list[tuple[Path, Path]] = []
    for path in filter(Path.exists, _needed()):
        real = path.resolve()
        for place in (Path(os.path.abspath(path)), real):
            if not any(place.is_relative_to(other) for _, other in shown):
                shown.append((real, place))
    return shown


def _needed() -> list[Path]:
    """What Python needs to run here. Each path comes before what is below it."""
    package = Path(__file__).resolve().parents[1]
    course = package.parent / "course"
    folders = [
        Path("/usr"), Path("/lib"), Path("/lib64"), Path("/bin"), Path("/sbin"),
        Path("/etc/ld.so.cache"), Path("/etc/localtime"), Path("/etc/fonts"),
        Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_exec_prefix),
        *_links_to(Path(sys.executable)),
        *map(Path, site.getsitepackages()), Path(sysconfig.get_path("stdlib")),
        course, package / "__init__.py",
        package / "sandbox" / "__init__.py", package / "sandbox" / "inside",
    ]  # fmt: skip
    return sorted(set(folders), key=lambda path: len(path.parts))


def _links_to(path: Path) -> Iterator[Path]:
    """What a path leads to, link by link."""
    while path.is_symlink():
        path = Path(os.path.abspath(path.parent.resolve() / path.readlink()))
        yield path


def environment(isolated: bool) -> dict[str, str]:
    """The environment variables of a sandbox, none of which are taken from this process.

    Args:
        isolated: whether there is a sandbox; otherwise the machine's temporary folder is used.
    """
    from course.datasets import data_dir

    package = Path(__file__).resolve().parents[1]
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": SCRATCH if isolated else tempfile.gettempdir(),
        "TMPDIR": SCRATCH if isolated else tempfile.gettempdir(),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(package.parent),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "MPLBACKEND": "agg",
        "COURSE_DATA_DIR": str(data_dir().resolve()),
        # Several submissions are graded at once and keep the cores busy. More threads would wait.
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
    }


def _data_folder() -> Path:
    """The data sets' folder, which is made where there is none.

    Raises:
        OSError: it cannot be made; its message says what to do.
    """
    from course.datasets import data_dir

    try:
        data_dir().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"The folder for data sets, {data_dir()}, cannot be made ({error.strerror}): set the "
            "environment variable COURSE_DATA_DIR to a folder that you may write to."
        ) from None
    return data_dir().resolve()


def bubblewrap_command(writes_data: bool) -> list[str]:
    """The command that runs what follows it in a sandbox.

    Args:
        writes_data: whether the data sets' folder can be written to.

    Raises:
        OSError: there is no folder for data sets, and none can be made.
    """
    command = [
        bubblewrap() or "bwrap", "--unshare-all", "--die-with-parent", "--new-session",
        "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL", "--clearenv",
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm", "--tmpfs", SCRATCH,
        # A pseudo-terminal of one submission could be opened by the next.
        "--tmpfs", "/dev/pts", "--remount-ro", "/dev/pts",
    ]  # fmt: skip
    shown = _readable()
    for real, place in shown:
        command += ["--ro-bind", str(real), str(place)]
    stand_ins = Path(__file__).resolve().parents[2] / "course" / "fallbacks"
    for real, place in shown:
        if stand_ins.is_dir() and stand_ins.is_relative_to(real):
            # What a lesson goes on with where an exercise is not answered is no answer.
            hidden = str(place / stand_ins.relative_to(real))
            command += ["--tmpfs", hidden, "--remount-ro", hidden]
    data = _data_folder()
    # A lesson's own cells run on the tests' side first, and prepare their data sets there.
    command += ["--bind" if writes_data else "--ro-bind", str(data), str(data)]
    for name, value in environment(isolated=True).items():
        command += ["--setenv", name, value]
    if not any(place.is_relative_to("/tmp") for place in [*(place for _, place in shown), data]):
        command += ["--symlink", SCRATCH.lstrip("/"), "/tmp"]
    # What one submission could leave in these, the next one would find.
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", SCRATCH]
