"""Release a lesson to students with nbgrader, through its Python interface."""

from __future__ import annotations

import functools
import tempfile
import warnings
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from autograder.errors import CourseError
from autograder.nbgrader_course.settings import COURSE_ID, configure, find_alembic


def nbgrader_api(
    root: Path,
    class_folder: Path | None = None,
    release: Path | None = None,
    gradebook: str | None = None,
) -> NbGraderAPI:
    """nbgrader's interface to the course at ``root``; see ``configure`` for what may be given."""
    # nbgrader's own objects set these off, and an instructor can do nothing about them.
    warnings.filterwarnings("ignore", category=SAWarning)
    return NbGraderAPI(config=configure(Config(), root, class_folder, release, gradebook))


def succeed(result: dict, doing: str) -> None:
    """Raise what nbgrader reports as failed.

    Raises:
        CourseError: with the end of nbgrader's log.
    """
    if not result["success"]:
        report = result.get("log") or result.get("error") or "nbgrader gave no reason"
        raise CourseError(f"{doing} failed:\n{report.strip()[-4000:]}")


@functools.cache
def empty_gradebook() -> bytes:
    """The file of a gradebook that knows of no assignment.

    nbgrader takes three seconds to make one, since it asks alembic for the tables' version.
    """
    find_alembic()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gradebook.db"
        Gradebook(f"sqlite:///{path}", COURSE_ID).close()
        return path.read_bytes()


def release_notebook(root: Path, assignment: str, release: Path | None = None) -> None:
    """Write an assignment's student version, as ``nbgrader generate_assignment`` does.

    The gradebook is left alone: a throw-away one stands in for it, so that rebuilding a lesson
    never depends on who has handed in.

    Args:
        root: the repository.
        assignment: a folder of ``solutions/`` with an instructor notebook.
        release: the folder to write to; ``lessons/`` by default.

    Raises:
        CourseError: nbgrader refused.
    """
    with tempfile.TemporaryDirectory() as folder:
        stand_in = Path(folder) / "gradebook.db"
        stand_in.write_bytes(empty_gradebook())
        api = nbgrader_api(root, Path(folder), release, gradebook=f"sqlite:///{stand_in}")
        succeed(api.generate_assignment(assignment, force=True), f"releasing {assignment}")
