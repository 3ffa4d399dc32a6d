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

from course.kernels import JUPYTER_FOLDER
from course.lessons import LESSONS, find_root

# Settings that a user has not chosen otherwise, by the plugins' ids.
SETTINGS = {
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}

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
        # News, updates and extensions are looked up on the network.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        *arguments,
    ]


@contextlib.contextmanager
def lab_environment() -> Iterator[dict[str, str]]:
    """Environment variables for JupyterLab and the kernels that it starts."""
    with tempfile.TemporaryDirectory(prefix="course-lab-") as folder:
        (Path(folder) / "labconfig").mkdir()
        settings = Path(folder) / "labconfig" / "default_setting_overrides.json"
        settings.write_text(json.dumps(SETTINGS))
        nbgrader = f"get_config().Execute.timeout = {SECONDS_PER_CELL}\n"
        (Path(folder) / "nbgrader_config.py").write_text(nbgrader)
        here = str(Path(sys.executable).parent)
        yield {
            **os.environ,
            "JUPYTER_CONFIG_PATH": _first(folder, "JUPYTER_CONFIG_PATH"),
            # The kernel that starts fast.
            "JUPYTER_PATH": _first(str(JUPYTER_FOLDER), "JUPYTER_PATH"),
            # So that `!course download cifar10` in a notebook finds this environment's command.
            "PATH": os.pathsep.join([here, os.environ.get("PATH", os.defpath)]),
            # nbgrader takes a log line for a failed test.
            "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
        }


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
    with lab_environment() as environment:
        process = subprocess.Popen(lab_command(root, arguments), cwd=root, env=environment)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # JupyterLab gets it too, and asks whether it is meant.
                continue
