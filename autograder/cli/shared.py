"""What several commands need: the course, the class, progress bars, and where messages go."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from autograder.errors import CourseError
from course.progress import Bars

# A name such as did:key:… or a path may hold what rich takes for an emoji.
console = Console(emoji=False)
errors = Console(stderr=True, emoji=False)

AssignmentName = Annotated[str, typer.Argument(help="A lesson or another folder of solutions/.")]
ClassPath = Annotated[
    Path | None,
    typer.Option("--class", help="The class's folder; class/ in the repository by default."),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--db",
        help="The gradebook's database, postgresql://USER@HOST/NAME; a file by default.",
        envvar="COURSE_GRADEBOOK",
    ),
]


def course_root() -> Path:
    """The repository: the nearest folder upwards that holds ``nbgrader_config.py``.

    Raises:
        CourseError: this is not inside the repository.
    """
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "nbgrader_config.py").is_file() and (folder / "solutions").is_dir():
            return folder
    raise CourseError(
        f"{here} is not inside a course: run this in the folder that holds nbgrader_config.py."
    )


AnyBars = TypeVar("AnyBars", bound=Bars)


def progress(kind: type[AnyBars]) -> AnyBars:
    """Progress bars with counts and times, on stderr so that stdout stays clean."""
    return kind(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=errors,
        # Above the bar where both are on the screen. In a file or a pipe it stays what it is.
        redirect_stdout=sys.stdout.isatty(),
    )
