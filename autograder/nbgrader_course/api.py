"""nbgrader through its Python interface, and the release of a lesson with it."""

from __future__ import annotations

import copy
import functools
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from sqlalchemy.exc import SAWarning
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from autograder.errors import CourseError
from autograder.nbgrader_course.settings import (
    COURSE_ID,
    configure,
    find_alembic,
    only_reading,
    take_marked,
)

CONFIG_FILE = "nbgrader_config.py"


def nbgrader_api(
    root: Path,
    class_folder: Path | None = None,
    release: Path | None = None,
    gradebook: str | None = None,
    marked: Path | None = None,
) -> NbGraderAPI:
    """nbgrader's interface to the course at ``root``.

    Args:
        root: the repository.
        class_folder: see ``configure``, as for ``release`` and ``gradebook``.
        release: where lessons are released to.
        gradebook: the URL of nbgrader's database.
        marked: a folder of notebooks that are marked already, which ``autograde`` then records;
            by default it grades what was submitted. See ``take_marked``.
    """
    # nbgrader's own objects set these off, and an instructor can do nothing about them.
    warnings.filterwarnings("ignore", category=SAWarning)
    config = configure(_own_settings(Path(root)), root, class_folder, release, gradebook)
    if marked is not None:
        take_marked(config, root, marked)
    return NbGraderAPI(config=config)


def _own_settings(root: Path) -> Config:
    """What the instructor has set in ``nbgrader_config.py``, as the nbgrader commands read it.

    Raises:
        CourseError: the file cannot be run.
    """
    path = root / CONFIG_FILE
    if not path.is_file():
        return Config()
    return copy.deepcopy(_run_config(path.resolve(), path.stat().st_mtime_ns))


@functools.lru_cache(maxsize=8)
def _run_config(path: Path, changed: int) -> Config:
    """The settings that a file makes; ``changed`` is when it was written."""
    token = only_reading.set(True)
    try:
        return PyFileConfigLoader(path.name, str(path.parent)).load_config()
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise CourseError(
            f"{path} cannot be run: {type(error).__name__}: {reason}. It is the configuration of "
            "nbgrader: correct it, or take it from the repository again."
        ) from None
    finally:
        only_reading.reset(token)


def succeed(result: Mapping[str, Any], doing: str) -> None:
    """Raise what nbgrader reports as failed.

    Args:
        result: what a method of nbgrader's interface returned.
        doing: what it was asked for, such as "releasing 07_chest_xrays".

    Raises:
        CourseError: with the end of nbgrader's log.
    """
    if not result["success"]:
        report = result.get("log") or result.get("error") or "nbgrader gave no reason"
        raise CourseError(f"{doing} failed:\n{report.strip()[-4000:]}")


@functools.cache
def empty_gradebook() -> bytes:
    """The bytes of a gradebook without any assignment.

    nbgrader takes three seconds to make one, since it asks alembic for the tables' version; so it
    is made once in a process.
    """
    find_alembic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gradebook.db"
        Gradebook(f"sqlite:///{path}", COURSE_ID).close()
        return path.read_bytes()


def release_notebook(root: Path, assignment: str, release: Path | None = None) -> None:
    """Write an assignment's student version, as ``nbgrader generate_assignment`` does.

    The class's gradebook is left alone: an empty one takes its place, so that rebuilding a lesson
    never depends on who has handed in.

    Args:
        root: the repository.
        assignment: a folder of ``solutions/`` with an instructor notebook.
        release: the folder to write to; ``lessons/`` by default.

    Raises:
        CourseError: nbgrader failed, with the end of its log.
    """
    with tempfile.TemporaryDirectory() as folder:
        stand_in = Path(folder) / "gradebook.db"
        stand_in.write_bytes(empty_gradebook())
        api = nbgrader_api(root, Path(folder), release, gradebook=f"sqlite:///{stand_in}")
        succeed(api.generate_assignment(assignment, force=True), f"releasing {assignment}")
