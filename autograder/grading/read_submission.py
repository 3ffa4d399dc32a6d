"""Read answers out of a submission, whatever state it is in.

Of a submitted notebook only the text of its answer cells is used, found by ``grade_id``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import parse_utc

from autograder.grading.names import defined_names
from autograder.grading.rebuild import stubs
from autograder.grading.status import MISSING, REFUSED, UNREADABLE
from autograder.notebooks.cells import Answers

# A notebook with its figures has a few megabytes. What is larger was not written by hand.
MAX_BYTES = 50_000_000


@dataclass
class Intake:
    """What a submitted notebook holds. ``status`` is None where its answers could be read.

    ``elsewhere`` are names that the student defines in cells that grading does not run.
    """

    answers: Answers = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    status: str | None = None
    message: str = ""


def read_answers(folder: Path, name: str, instructor: NotebookNode) -> Intake:
    """The answers in ``folder/name.ipynb``.

    Never raises for what a student did: the intake's status and message say what is wrong.
    """
    path = folder / f"{name}.ipynb"
    problem = _problem(path)
    if problem:
        return problem
    try:
        text = path.read_bytes().decode("utf-8")
        json.loads(text)
        notebook = nbformat.reads(text, as_version=4)
        return collect(notebook, instructor)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        return Intake(
            status=UNREADABLE, message=f"{path.name} is not a Jupyter notebook: {_reason(error)}."
        )
    except Exception as error:
        # nbformat's own exceptions are many, and a broken notebook must not end a class's grading.
        return Intake(status=UNREADABLE, message=f"{path.name} cannot be read: {_reason(error)}.")


def _problem(path: Path) -> Intake | None:
    folder = path.parent
    if path.is_symlink() or folder.is_symlink():
        return Intake(status=REFUSED, message=f"{path.name} is a link, not a file.")
    if not path.is_file():
        found = sorted(other.name for other in folder.glob("*.ipynb")) if folder.is_dir() else []
        hint = f" Found instead: {utf8(', '.join(found[:5]))}; rename it." if found else ""
        return Intake(status=MISSING, message=f"No {path.name} was handed in.{hint}")
    if path.stat().st_size > MAX_BYTES:
        size = path.stat().st_size / 1e6
        return Intake(
            status=REFUSED,
            message=f"{path.name} has {size:.0f} MB, and the limit is {MAX_BYTES / 1e6:.0f} MB: "
            "clear its outputs and hand it in again.",
        )
    return None


def read_timestamp(path: Path) -> datetime | None:
    """When a submission was handed in, as its ``timestamp.txt`` says, in UTC.

    None where there is no such file, or what it says cannot be: it is not a time, or lies in the
    future. It is a file like the others that students hand in, so it can still be untrue.
    """
    try:
        # Reading a pipe would wait for ever.
        if path.is_symlink() or not path.is_file() or path.stat().st_size > 100:
            return None
        time = parse_utc(path.read_text("utf-8").strip())
    except (OSError, ValueError, OverflowError):
        return None
    now = datetime.now(UTC).replace(tzinfo=None)
    return time if time < now + timedelta(days=1) else None


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"its JSON breaks off or is wrong at line {error.lineno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not text"
    return utf8((str(error).splitlines() or [type(error).__name__])[0][:200])


def utf8(text: str) -> str:
    """A text that can be written to a file: half a surrogate pair, which notebooks, outputs and
    file names may hold, is no character in UTF-8."""
    return text.encode("utf-8", "replace").decode()


def collect(notebook: NotebookNode, instructor: NotebookNode) -> Intake:
    """The answers in a notebook, matched with the instructor's answer cells.

    Of two cells with one id the last counts, as in nbgrader. A cell that lost nbgrader's metadata
    on its way is known by its cell id.
    """
    intake = Intake()
    wanted = stubs(instructor)
    own = {cell.get("id"): cell.source for cell in instructor.cells}
    for cell in notebook.cells:
        if not isinstance(cell.get("source"), str):
            continue
        name = _claimed_id(cell)
        if name not in wanted and cell.get("id") in wanted:
            name = cell["id"]
        if name in wanted:
            intake.answers[name] = utf8(cell.source)
        elif cell.get("cell_type") == "code":
            # Students add to the lesson's own cells as well, an import mostly.
            intake.elsewhere |= defined_names(cell.source)
            intake.elsewhere -= defined_names(own.get(cell.get("id"), ""))
    return intake


def _claimed_id(cell: NotebookNode) -> str | None:
    graded = cell.get("metadata", {}).get("nbgrader")
    name = graded.get("grade_id") if isinstance(graded, dict) else None
    return name if isinstance(name, str) else None
