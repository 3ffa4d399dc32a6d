"""``course lab``: JupyterLab on the lessons, without a look at the network."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

from course import kernels
from course.lessons import LESSONS, find_root

# Settings that a user has not chosen otherwise, by the plugins' ids.
SETTINGS = {
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}

# What nbgrader adds to JupyterLab for those who make assignments and grade them.
FOR_INSTRUCTORS = (
    "@jupyter/nbgrader:create-assignment",
    "@jupyter/nbgrader:formgrader",
    "@jupyter/nbgrader:course-list",
)

# News, updates and extensions are looked up on the network.
WITHOUT_NETWORK = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)

# A lesson trains models, and nbgrader's Validate button would stop a cell after 30 seconds.
SECONDS_PER_CELL = 300


def landing_page(root: Path) -> str:
    """The address that JupyterLab opens: the table of lessons, or else their folder."""
    readme = root / LESSONS / "README.md"
    return f"/lab/tree/{LESSONS}/README.md" if readme.is_file() else f"/lab/tree/{LESSONS}"


def lab_command(root: Path, arguments: Sequence[str] = ()) -> list[str]:
    """The command that starts JupyterLab; what the user adds comes last, and so wins."""
    return [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url={landing_page(root)}",
        *WITHOUT_NETWORK,
        *arguments,
    ]


def is_instructors(root: Path) -> bool:
    """Whether this is the repository, which an instructor has, and not what students unpack."""
    return (root / "nbgrader_config.py").is_file() and (root / "solutions").is_dir()


def write_settings(folder: Path, *, instructors: bool) -> None:
    """Write settings of JupyterLab and nbgrader, for ``JUPYTER_CONFIG_PATH``.

    Args:
        folder: where to.
        instructors: whether to show what nbgrader offers to instructors.
    """
    (folder / "labconfig").mkdir(exist_ok=True)
    settings = folder / "labconfig" / "default_setting_overrides.json"
    settings.write_text(json.dumps(SETTINGS))
    hidden = {} if instructors else dict.fromkeys(FOR_INSTRUCTORS, True)
    page = settings.with_name("page_config.json")
    page.write_text(json.dumps({"disabledExtensions": hidden}))
    nbgrader = f"get_config().Execute.timeout = {SECONDS_PER_CELL}\n"
    (folder / "nbgrader_config.py").write_text(nbgrader)


@contextlib.contextmanager
def lab_environment(root: Path) -> Iterator[dict[str, str]]:
    """Environment variables for JupyterLab and the kernels that it starts.

    Students do not see what nbgrader offers to instructors.

    Args:
        root: the folder that holds ``lessons/``.
    """
    with tempfile.TemporaryDirectory(prefix="course-lab-") as folder:
        write_settings(Path(folder), instructors=is_instructors(root))
        here = str(Path(sys.executable).parent)
        yield {
            **os.environ,
            "JUPYTER_CONFIG_PATH": _first(folder, "JUPYTER_CONFIG_PATH"),
            # The kernel that starts fast, by its name and, where it works, for every notebook.
            "JUPYTER_PATH": _first(str(kernels.JUPYTER_FOLDER), "JUPYTER_PATH"),
            **kernels.default_environment(),
            # So that `!course download cifar10` in a notebook finds this environment's command.
            "PATH": os.pathsep.join([here, os.environ.get("PATH", os.defpath)]),
            # nbgrader takes a log line for a failed test.
            "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
            **_instead_of_home(Path(folder)),
        }


def _instead_of_home(folder: Path) -> dict[str, str]:
    """Where JupyterLab keeps its files if it cannot write where it would by itself, as in a home
    that is read-only. Without them it does not start."""
    if _is_writable(Path(jupyter_runtime_dir())):
        return {}
    places = {
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "JUPYTER_DATA_DIR": folder / "data",
        "JUPYTERLAB_SETTINGS_DIR": folder / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
    }
    return {name: os.environ.get(name) or str(path) for name, path in places.items()}


def _is_writable(path: Path) -> bool:
    """Whether files can be made in a folder, or in the nearest one that there is above it."""
    path = next(place for place in (path, *path.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=path):
            return True
    except OSError:
        return False


def _first(folder: str, variable: str) -> str:
    """A list of folders in the environment, with one more in front."""
    return os.pathsep.join(filter(None, [folder, os.environ.get(variable)]))


def run_lab(arguments: Sequence[str] = ()) -> int:
    """Run JupyterLab until it ends, and return its exit code.

    Args:
        arguments: what JupyterLab is to be given, such as ``--no-browser`` or ``--port=9000``.

    Raises:
        LessonError: there is no folder of lessons here.
    """
    root = find_root()
    with lab_environment(root) as environment:
        process = subprocess.Popen(lab_command(root, arguments), cwd=root, env=environment)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # JupyterLab gets it too, and asks whether it is meant.
                continue
