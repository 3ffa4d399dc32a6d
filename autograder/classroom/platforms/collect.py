"""Collect an archive of submissions into the class's folder: the newest of each student, and
nothing that was there before is lost."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count, groupby
from pathlib import Path, PurePosixPath

from autograder.classroom.person import Person
from autograder.classroom.platforms.collection import (
    Collected,
    CollectedFile,
    Collection,
    collected_folder,
    read_collection,
    write_collection,
)
from autograder.classroom.platforms.entries import (
    MAX_FILE,
    MAX_FILES,
    MAX_STUDENT,
    Refusal,
    RefusedError,
    open_source,
    printable,
)
from autograder.classroom.platforms.folder_names import FolderNames
from autograder.classroom.platforms.platform import Platform
from autograder.classroom.platforms.recognise import HandedFile, HandedIn, recognise
from autograder.errors import CourseError

# Where files wait until a student's submission is complete.
STAGED = ".collecting-"
STAMP = "timestamp.txt"
# By these nbgrader knows when something was handed in and whose feedback it is.
TRUSTED = {STAMP, "submission_secret.txt"}


@dataclass
class Outcome:
    """What came of an archive; students by the names of their folders.

    Attributes:
        platform: whose archive it is.
        new: those of whom nothing was there before.
        newer: those whose earlier submission was replaced, and is kept elsewhere.
        older: those of whom something newer was there already; what the archive holds is kept
            elsewhere.
        same: those of whom the same was there already.
        late: those who handed in late, as the platform says or the deadline tells.
        untimed: those of them whose lateness cannot count, since neither the platform says when
            they handed in nor the assignment has a deadline.
        refused: entries that were not taken.
        notes: what else there is to know, in sentences.
        people: for the class list.
    """

    platform: Platform
    new: list[str] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)
    older: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    untimed: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)


def collect(
    path: Path,
    assignment: str,
    notebooks: Iterable[str],
    classes: Path,
    known: Mapping[str, Person],
    *,
    due: datetime | None = None,
    zone: tzinfo | None = None,
) -> Outcome:
    """Put the submissions of an archive where grading looks for them.

    Args:
        path: the archive, or a folder.
        assignment: the assignment's name.
        notebooks: the names of its notebooks.
        classes: the class's folder.
        known: the class list, by student.
        due: the deadline in UTC; none by default.
        zone: the time zone of the platform's times; this machine's by default.

    Raises:
        CourseError: it cannot be read, or holds no submission.
    """
    users = {person.lms_user_id for person in known.values() if person.lms_user_id}
    collection = read_collection(classes, assignment)
    for left in classes.glob(f"{STAGED}*"):
        shutil.rmtree(left)
    with open_source(path) as source:
        found = recognise(source.entries, assignment, tuple(notebooks), users)
        if not found.submissions:
            raise CourseError(
                f"No submissions in {path}: it should be the archive that Canvas, Moodle or "
                "Blackboard gives for all submissions of an assignment, or hold a folder for each "
                f"student. {_some_names(source.refused + found.refused)}".strip()
            )
        outcome = Outcome(found.platform, refused=[*source.refused, *found.refused])
        names = FolderNames(collection, known, found.submissions)
        for key, group in groupby(found.submissions, lambda each: each.key):
            handed = list(group)
            student = names.of(handed[-1])
            outcome.people.append(_person(student, handed[-1], known.get(student)))
            place = _Place(classes, assignment, student)
            before = collection.students.get(student)
            with tempfile.TemporaryDirectory(prefix=STAGED, dir=classes) as staged:
                attempts = []
                for number, each in enumerate(handed):
                    folder = Path(staged, str(number))
                    folder.mkdir()
                    attempts.append(_write(each, folder, outcome.refused))
                    attempts[-1].archive = source.name
                    _say_when(attempts[-1], each, due, zone)
                for number in range(len(handed) - 1):
                    place.keep_earlier(Path(staged, str(number)))
                last = Path(staged, str(len(handed) - 1))
                _settle(student, last, attempts[-1], place, collection, outcome)
            if collection.student(found.platform, key) == student:
                now = collection.students[student]
                if before is not None and before.late and not now.late:
                    # The stamp of a lateness that the platform has taken back.
                    (place.submission / STAMP).unlink(missing_ok=True)
                _note_lateness(student, now, due, place, outcome)
        outcome.notes += names.notes
        write_collection(collection, classes, assignment)
    return outcome


def _some_names(refused: Sequence[Refusal]) -> str:
    return f"Not taken was, for example, {refused[0]}" if refused else "It is empty."


def _person(student: str, handed: HandedIn, known: Person | None) -> Person:
    user = handed.key if handed.platform is Platform.CANVAS and handed.key.isdecimal() else ""
    if (known is not None and known.last_name) or handed.platform is Platform.CANVAS:
        return Person(student, lms_user_id=user)
    first, _, last = handed.name.rpartition(" ")
    return Person(student, first, last)


# --- what is handed in


def _write(handed: HandedIn, folder: Path, refused: list[Refusal]) -> Collected:
    """Write a submission's files into an empty folder."""
    collected = Collected(
        platform=handed.platform,
        key=handed.key,
        name=handed.name,
        late=handed.late,
        order=handed.order,
        title=handed.title,
    )
    left = MAX_STUDENT
    # The newest of several files of one name keeps it.
    for number, file in enumerate(sorted(handed.files, key=lambda each: -each.rank)):
        try:
            if str(file.path).casefold() in TRUSTED:
                raise RefusedError(
                    "nbgrader would take it for what it writes itself when it collects"
                )
            if number >= MAX_FILES:
                raise RefusedError(f"the student has handed in more than {MAX_FILES} files")
            target = _free_path(folder, file.path)
            left -= file.entry.copy_to(target, min(MAX_FILE, left))
        except RefusedError as reason:
            refused.append(Refusal(printable(file.entry.raw), str(reason)))
            continue
        _set_time(target, file, number)
        collected.files.append(
            CollectedFile(path=target.relative_to(folder).as_posix(), entry=file.entry.raw)
        )
    collected.digest = _digest(folder)
    return collected


def _free_path(folder: Path, path: PurePosixPath) -> Path:
    target = folder / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RefusedError("a file of the same student has the name of its folder") from None
    for number in count(1):
        if not target.exists():
            return target
        target = folder / path.with_name(f"{path.stem} ({number}){path.suffix}")
    raise AssertionError("there is always a next number")


def _set_time(target: Path, file: HandedFile, number: int) -> None:
    """Grading takes the newest of several copies, so their order must be seen from their times."""
    time = file.entry.time
    try:
        seconds = time.timestamp() if time is not None else target.stat().st_mtime
        os.utime(target, (seconds - number, seconds - number))
    except (OSError, OverflowError, ValueError):
        return


def _digest(folder: Path) -> str:
    """Of the files that a student has handed in; empty where there are none."""
    found = hashlib.sha256()
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and str(path.relative_to(folder)) not in TRUSTED
    ]
    for path in paths:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        name = path.relative_to(folder).as_posix()
        found.update(f"{len(os.fsencode(name))} ".encode() + os.fsencode(name) + content.encode())
    return found.hexdigest() if paths else ""


# --- when


def _say_when(
    collected: Collected, handed: HandedIn, due: datetime | None, zone: tzinfo | None
) -> None:
    """Note the time in UTC, and whether that was late."""
    if handed.time is None:
        return
    try:
        here = handed.time.replace(tzinfo=zone) if zone is not None else handed.time
        collected.time = here.astimezone(UTC).replace(tzinfo=None)
    except (OverflowError, ValueError, OSError):
        return
    if due is not None:
        collected.late = collected.time > due


def _stamp(collected: Collected, due: datetime | None) -> datetime | None:
    """The time that nbgrader should know. Canvas says that a submission was late and not by how
    much, so that counts as a minute."""
    if collected.time is None and collected.late and due is not None:
        return due + timedelta(minutes=1)
    return collected.time


def _note_lateness(
    student: str, collected: Collected, due: datetime | None, place: _Place, outcome: Outcome
) -> None:
    if collected.time is not None and due is not None:
        # The deadline may have been set since.
        collected.late = collected.time > due
    stamp = _stamp(collected, due)
    if collected.late:
        outcome.late.append(student)
        if stamp is None:
            outcome.untimed.append(student)
    if stamp is not None and place.submission.is_dir():
        (place.submission / STAMP).write_text(f"{stamp.isoformat(' ')} UTC", encoding="utf-8")


# --- where


class _Place:
    """Where a student's submission is, and where earlier ones are kept."""

    def __init__(self, classes: Path, assignment: str, student: str) -> None:
        self.submission = classes / "submitted" / student / assignment
        self.earlier = collected_folder(classes, assignment) / "earlier" / student

    def keep_earlier(self, folder: Path) -> None:
        """Move a submission to those that are kept, unless it is there already or empty."""
        digest = _digest(folder)
        kept = sorted(self.earlier.iterdir()) if self.earlier.is_dir() else []
        if not digest or any(_digest(each) == digest for each in kept if each.is_dir()):
            shutil.rmtree(folder)
            return
        self.earlier.mkdir(parents=True, exist_ok=True)
        numbers = [int(each.name) for each in kept if each.name.isdecimal()]
        folder.rename(self.earlier / str(max(numbers, default=0) + 1))

    def put(self, folder: Path) -> None:
        """Make a folder the student's submission, and keep the one that was there."""
        if self.submission.is_symlink():
            raise CourseError(
                f"{self.submission} is a link, so nothing is written there: remove it, and collect "
                "the archive again."
            )
        if self.submission.is_dir():
            self.keep_earlier(self.submission)
        self.submission.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(self.submission)


def _settle(
    student: str,
    staged: Path,
    collected: Collected,
    place: _Place,
    collection: Collection,
    outcome: Outcome,
) -> None:
    """Decide between what has come and what was there."""
    before = collection.students.get(student)
    if not collected.files:
        place.submission.parent.mkdir(parents=True, exist_ok=True)
        outcome.notes.append(f"Nothing that {student} has handed in could be taken.")
        if before is not None:
            return
    elif place.submission.is_dir() and _digest(place.submission) == collected.digest:
        outcome.same.append(student)
    elif before is not None and _is_older(collected, before):
        place.keep_earlier(staged)
        outcome.older.append(student)
        return
    else:
        (outcome.newer if place.submission.is_dir() else outcome.new).append(student)
        place.put(staged)
    collection.students[student] = collected


def _is_older(collected: Collected, before: Collected) -> bool:
    return collected.platform == before.platform and collected.order < before.order
