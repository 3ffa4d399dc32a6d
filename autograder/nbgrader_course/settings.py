"""The repository as an nbgrader course: folders, database and the steps of its pipeline.

Steps of ours are named as dotted strings, which nbgrader imports when it needs them. So building a
lesson, which uses these settings too, imports neither grading nor the sandbox.
"""

from __future__ import annotations

import glob
import os
import sys
from contextvars import ContextVar
from pathlib import Path

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import AssignLatePenalties, ClearHiddenTests, ClearOutput
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from traitlets.config import Config

from autograder.errors import CourseError
from autograder.notebooks.folders import known_mistakes_path, lesson_folders, source_path

COURSE_ID = "deep_learning"
# Whether the configuration is run for its settings alone, and nothing may be made on the disk.
only_reading: ContextVar[bool] = ContextVar("only_reading", default=False)
CLASS_VARIABLE = "COURSE_CLASS_DIR"
GRADEBOOK_VARIABLE = "COURSE_GRADEBOOK"

ROOM = "autograder.nbgrader_course"
RELEASE, GRADING, FEEDBACK = (
    f"{ROOM}.release_steps",
    f"{ROOM}.grading_steps",
    f"{ROOM}.feedback_steps",
)

# They use what the classroom knows of learning platforms, and nbgrader imports them by name.
PLUGINS = "autograder.classroom.platforms.nbgrader_plugins"

# The steps for a notebook that has been marked, by the step before or by `autograder grade`.
RECORDING = [f"{GRADING}.SaveScores", AssignLatePenalties]


def class_dir(root: Path) -> Path:
    """Where everything about a class is kept: ``$COURSE_CLASS_DIR``, or ``class/`` in the
    repository by default."""
    return Path(os.environ.get(CLASS_VARIABLE) or root / "class").resolve()


def gradebook_url(classes: Path, asked_for: str | None = None) -> str:
    """The URL of a class's gradebook: the one asked for, or by default ``gradebook.db`` in the
    class's folder.

    Raises:
        CourseError: it is not the URL of a database.
    """
    if not asked_for:
        return f"sqlite:///{classes / 'gradebook.db'}"
    try:
        url = make_url(asked_for)
    except ArgumentError:
        raise CourseError(
            f"{asked_for!r} is not the URL of a database: write postgresql://USER@HOST/NAME."
        ) from None
    if url.drivername == "postgresql":
        # Which driver that means depends on SQLAlchemy's version, and this one is installed.
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def configure(
    c: Config,
    root: Path,
    class_folder: Path | None = None,
    release: Path | None = None,
    gradebook: str | None = None,
) -> Config:
    """Fill in nbgrader's configuration for the course at ``root``.

    Args:
        c: the configuration to change.
        root: the repository.
        class_folder: where submissions, grades and feedback are; ``class_dir(root)`` by default.
        release: where lessons are released to; ``lessons/`` by default.
        gradebook: the URL of nbgrader's database; ``gradebook.db`` in the class's folder by
            default.

    Returns:
        ``c``.

    Raises:
        CourseError: ``gradebook`` is not the URL of a database.
    """
    root = Path(root).resolve()
    classes = class_folder or class_dir(root)
    if not only_reading.get():
        classes.mkdir(parents=True, exist_ok=True)
    find_alembic()

    # nbgrader joins each step's directory to the root, and an absolute path stays as it is.
    c.CourseDirectory.root = str(root)
    c.CourseDirectory.course_id = COURSE_ID
    c.CourseDirectory.source_directory = "solutions"
    c.CourseDirectory.release_directory = str(release or "lessons")
    for step in ("submitted", "autograded", "feedback"):
        c.CourseDirectory[f"{step}_directory"] = _from_root(classes / step, root)
    c.CourseDirectory.db_url = gradebook_url(classes, gradebook)
    # An absolute path is a pattern that matches one file: the sources stay at home, while a module
    # beside an instructor's own notebook travels with it. nbgrader writes "no student" as a dot.
    c.CourseDirectory.ignore = [
        ".ipynb_checkpoints",
        "*.pyc",
        "__pycache__",
        ".pytest_cache",
        *(
            os.path.join(glob.escape(str(root / "solutions")), ".", folder.name, path.name)
            for folder in lesson_folders(root)
            for path in (source_path(folder), known_mistakes_path(folder))
        ),
    ]
    c.ExchangeFactory.release_feedback = f"{ROOM}.exchange.ReleaseFeedback"
    # nbgrader joins it to the root before it fills in the names, so it has to begin there.
    c.ZipCollectApp.downloaded_directory = os.path.relpath(classes / "downloaded", root)
    c.ZipCollectApp.extractor_plugin = f"{PLUGINS}.Extractor"
    c.ZipCollectApp.collector_plugin = f"{PLUGINS}.Collector"
    c.ExportPlugin.to = str(classes / "grades.csv")
    c.ExportApp.plugin_class = f"{ROOM}.export_grades.ExportGrades"

    steps = list(GenerateAssignment.class_traits()["preprocessors"].default())
    steps.insert(steps.index(ClearOutput), f"{RELEASE}.KeepResults")
    at = steps.index(ClearHiddenTests)
    steps[at:at] = [f"{RELEASE}.NoteHiddenTests", f"{RELEASE}.GoOnAfterErrors"]
    c.GenerateAssignment.preprocessors = [*steps, f"{RELEASE}.InstallOnColab"]
    c.Autograde.exporter_class = f"{GRADING}.SubmissionExporter"
    c.Autograde.pre_convert_hook = f"{GRADING}.hand_in_all"
    c.Autograde.sanitize_preprocessors = [f"{GRADING}.RebuildNotebook"]
    c.Autograde.autograde_preprocessors = [f"{GRADING}.MarkNotebook", *RECORDING]
    c.GenerateFeedback.exporter_class = f"{FEEDBACK}.FeedbackExporter"
    c.GenerateFeedback.preprocessors = [f"{FEEDBACK}.GetPoints", ClearHiddenTests]
    return c


def take_marked(c: Config, root: Path, folder: Path) -> Config:
    """Have ``nbgrader autograde`` record notebooks that have been rebuilt and marked already.

    Never for notebooks that come from students: the marks in them are recorded as they are.

    Args:
        c: the configuration to change, as ``configure`` has left it.
        root: the repository.
        folder: where the marked notebooks are, as STUDENT/ASSIGNMENT/NOTEBOOK.ipynb.

    Returns:
        ``c``.
    """
    c.CourseDirectory.submitted_directory = _from_root(folder, root)
    c.Autograde.sanitize_preprocessors = []
    c.Autograde.autograde_preprocessors = RECORDING
    return c


def find_alembic() -> None:
    """Put this Python's folder on the PATH: nbgrader calls `alembic` by name, and it is there."""
    here = str(Path(sys.executable).parent)
    if here not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", os.defpath)])


def _from_root(path: Path, root: Path) -> str:
    return os.path.relpath(path, root) if path.is_relative_to(root) else str(path)
