"""Read answers out of a submission, whatever state it is in.

Of a submitted notebook only the text of its answers is used. What a student hands in is read in a
time that grows no faster than its size, and within limits; see ``reading_process`` for those that
need a separate process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.utils import parse_utc

from autograder.grading.find_notebook import (
    is_named_after,
    lies_beside,
    notebooks_in,
    what_lies_there,
)
from autograder.grading.intake import Intake
from autograder.grading.match_answers import Matched, SubmittedCell, match_answers
from autograder.grading.own_cells import Handed
from autograder.grading.released import ReleasedNotebook
from autograder.grading.status import Status

# A notebook with its figures has a few megabytes. What is larger was not written by hand.
MAX_BYTES = 50_000_000
# Of text in cells, outputs not counted, and of cells.
MAX_TEXT, MAX_LINES, MAX_CELLS = 2_000_000, 50_000, 50_000
# Copies of a notebook that are looked into, the newest first.
MAX_COPIES = 5


class _Refused(Exception):
    """A submission that is not read further; the message says why."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_answers(
    folder: Path, notebook: ReleasedNotebook, siblings: Set[str] = frozenset()
) -> Intake:
    """The answers to a notebook in a student's folder.

    The notebook is known by the lesson that its metadata names or by its file's name, which may be
    that of a copy, such as ``X (1).ipynb``. Of several the newest that holds answers is taken, and
    the notes say so.

    Never raises for what a student did: the intake's status and message say what is wrong.

    Args:
        folder: the student's folder of the assignment.
        notebook: what the student was given.
        siblings: the names of the assignment's other notebooks, which are no copies of this one.
    """
    try:
        return _read_newest(folder, notebook, siblings)
    except _Refused as refused:
        return Intake(status=refused.status, message=utf8(str(refused)))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return Intake(
            status=Status.UNREADABLE,
            message=f"{notebook.name}.ipynb cannot be read: {reason}.",
        )


def _read_newest(folder: Path, notebook: ReleasedNotebook, siblings: Set[str]) -> Intake:
    named = folder / f"{notebook.name}.ipynb"
    if named.is_symlink() or folder.is_symlink():
        raise _Refused(Status.REFUSED, f"{named.name} is a link, not a file.")
    found = _candidates(folder, notebook, siblings)
    if not found:
        where = what_lies_there if folder.is_dir() else lies_beside
        instead = where(folder, notebook.name)
        raise _Refused(Status.MISSING, f"No {named.name} was handed in.{instead}")
    intakes: list[tuple[Path, Intake]] = []
    refusals: list[tuple[Path, _Refused]] = []
    for path in found[:MAX_COPIES]:
        try:
            intakes.append((path, _read(path, notebook, path == named)))
        except _Refused as refused:
            refusals.append((path, refused))
    if not intakes:
        # The one with the right name speaks for all.
        raise min(refusals, key=lambda pair: pair[0] != named)[1]
    stubs = notebook.stubs
    answered = [
        (path, intake) for path, intake in intakes if Matched(intake.answers).answered(stubs)
    ]
    path, intake = (answered or sorted(intakes, key=lambda pair: pair[0] != named))[0]
    intake.file = utf8(path.relative_to(folder).as_posix())
    others = [utf8(other.relative_to(folder).as_posix()) for other in found if other != path]
    if others:
        intake.notes.insert(
            0,
            f"{intake.file} was graded, the newest with answers; also there: "
            f"{', '.join(others[:5])}.",
        )
    elif path != named:
        intake.notes.insert(0, f"{intake.file} was graded: there is no {named.name}.")
    return intake


def _candidates(folder: Path, notebook: ReleasedNotebook, siblings: Set[str]) -> list[Path]:
    """The files that may be the notebook, the newest first; of equally old ones the right name."""
    found = [
        path
        for path in notebooks_in(folder)
        if path.stem not in siblings
        and (is_named_after(path, notebook.name) or _names_lesson(path, notebook))
    ]
    return sorted(
        found, key=lambda path: (-path.stat().st_mtime, path.name != f"{notebook.name}.ipynb")
    )


def _names_lesson(path: Path, notebook: ReleasedNotebook) -> bool:
    """Whether a file under another name says in its metadata that it is this lesson."""
    if notebook.lesson is None:
        return False
    try:
        return _lesson_of(_load(path)) == notebook.lesson
    except (_Refused, OSError):
        return False


def _load(path: Path) -> dict[str, Any]:
    """A notebook's JSON, of nbformat's version 4.

    Raises:
        _Refused: it is too large, or no notebook.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise _Refused(
            Status.REFUSED,
            f"{path.name} has {size / 1e6:.0f} MB, and the limit is {MAX_BYTES / 1e6:.0f} MB: "
            "clear its outputs and hand it in again.",
        )
    try:
        # Some editors begin a file with a byte order mark.
        text = path.read_bytes().decode("utf-8-sig")
        data: dict[str, Any] = json.loads(text)
        if not isinstance(data, dict) or data.get("nbformat") != 4:
            data = nbformat.reads(text, as_version=4)
        if not isinstance(data.get("cells"), list):
            raise ValueError("it has no cells")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{path.name} is not a Jupyter notebook: {_reason(error)}."
        raise _Refused(Status.UNREADABLE, reason) from None
    except MemoryError:
        raise
    except Exception as error:
        # nbformat's own exceptions are many, and a broken notebook must not end a class's grading.
        raise _Refused(
            Status.UNREADABLE, f"{path.name} cannot be read: {_reason(error)}."
        ) from None
    return data


def _read(path: Path, notebook: ReleasedNotebook, is_named: bool) -> Intake:
    data = _load(path)
    lesson = _lesson_of(data)
    if notebook.lesson is not None and lesson not in (None, notebook.lesson):
        raise _Refused(
            Status.REFUSED,
            f"{path.name} is the notebook of {lesson}, not of {notebook.lesson}: hand in the "
            "right one.",
        )
    cells = _cells(path, data["cells"])
    matched = match_answers(cells, notebook)
    if notebook.stubs and not matched.answers:
        raise _Refused(
            Status.UNREADABLE,
            f"None of the {len(notebook.stubs)} answer cells of {notebook.name}.ipynb is in "
            f"{path.name}: it is another notebook, or its cells have lost what tells them apart. "
            "Copy the answers into a fresh copy of the notebook.",
        )
    if _is_another_version(data, notebook):
        matched.notes.append(
            "The notebook was made from another version of the lesson than the one that grades it."
        )
    answers = {name: utf8(text) for name, text in matched.answers.items()}
    work = {
        name: [(kind, utf8(text)) for kind, text in cells] for name, cells in matched.work.items()
    }
    notes = [utf8(note) for note in matched.notes]
    handed = list(_handed(cells, notebook))
    return Intake(answers, matched.elsewhere, notes=notes, work=work, handed=handed)


def _handed(cells: list[SubmittedCell], notebook: ReleasedNotebook) -> Iterator[Handed]:
    """The cells as grading takes them where answers and tests run together."""
    known = {cell.grade_id for cell in notebook.cells} - {None}
    for cell in cells:
        name = next((name for name in (cell.grade_id, cell.cell_id) if name in known), None)
        if name is not None:
            yield Handed(name, "")
        elif cell.cell_type == "code":
            yield Handed(None, utf8(cell.text))


def _cells(path: Path, cells: list[Any]) -> list[SubmittedCell]:
    """A notebook's cells, as far as they are some.

    Raises:
        _Refused: there are too many, or too much text, or none of them is a cell.
    """
    if len(cells) > MAX_CELLS:
        raise _Refused(
            Status.REFUSED, f"{path.name} has {len(cells):,} cells, and the limit is {MAX_CELLS:,}."
        )
    read = [_cell(cell) for cell in cells if isinstance(cell, dict)]
    if cells and not read:
        raise _Refused(
            Status.UNREADABLE, f"{path.name} is not a Jupyter notebook: it has no cells."
        )
    size = sum(len(cell.text) for cell in read)
    lines = sum(cell.text.count("\n") + 1 for cell in read)
    if size > MAX_TEXT or lines > MAX_LINES:
        raise _Refused(
            Status.REFUSED,
            f"{path.name} has {size:,} characters in {lines:,} lines, and the limits are "
            f"{MAX_TEXT:,} and {MAX_LINES:,}, outputs not counted.",
        )
    return read


def _cell(cell: dict[str, Any]) -> SubmittedCell:
    metadata = cell.get("metadata")
    graded = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = graded.get("grade_id") if isinstance(graded, dict) else None
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return SubmittedCell(
        _text(name), _text(cell.get("id")), _text(cell.get("cell_type")), _text(source) or ""
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _course(data: dict[str, Any]) -> dict[str, Any]:
    metadata = data.get("metadata")
    course = metadata.get("course") if isinstance(metadata, dict) else None
    return course if isinstance(course, dict) else {}


def _lesson_of(data: dict[str, Any]) -> str | None:
    return _text(_course(data).get("lesson"))


def _is_another_version(data: dict[str, Any], notebook: ReleasedNotebook) -> bool:
    listed = _course(data).get("cells")
    return isinstance(listed, list) and bool(notebook.own_ids) and tuple(listed) != notebook.own_ids


def read_timestamp(path: Path) -> datetime | None:
    """When a submission was handed in, as its ``timestamp.txt`` says, in UTC.

    None where there is no such file, or what it says cannot be: it is not a time, or lies in the
    future. It is a file like the others that students hand in, so it can still be untrue.
    """
    try:
        # Reading a pipe would wait for ever.
        if path.is_symlink() or not path.is_file() or path.stat().st_size > 100:
            return None
        time: datetime = parse_utc(path.read_text("utf-8-sig").strip())
    except (OSError, ValueError, OverflowError):
        return None
    now = datetime.now(UTC).replace(tzinfo=None)
    return time if time < now + timedelta(days=1) else None


def read_secret(path: Path) -> str | None:
    """What ``nbgrader submit`` has put beside a submission, to find its feedback by. None where
    there is no such file, or where it is none of nbgrader's."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > 1_000:
            return None
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"its JSON breaks off or is wrong at line {error.lineno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not text"
    return utf8((str(error).splitlines() or [type(error).__name__])[0][:200])


def utf8(text: str) -> str:
    """A text that can be written to a file: half a surrogate pair, which notebooks, outputs and
    file names may hold, is not a character in UTF-8."""
    return text.encode("utf-8", "replace").decode()
