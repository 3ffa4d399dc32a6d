"""Whose is whose in an archive: the names that Canvas, Moodle and Blackboard give to files.

The rules are those of the platforms' own exporters: Canvas's `lib/content_zipper.rb`, Moodle's
`mod/assign/classes/downloader.php`, and for Blackboard, whose source is closed, the records that it
puts beside each attempt. What follows none of them is a folder with a folder for each student.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from autograder.classroom.platforms.entries import Entry, Refusal, RefusedError, printable
from autograder.classroom.platforms.platform import Platform


@dataclass(frozen=True)
class HandedFile:
    """A file of a submission.

    Attributes:
        entry: where it is.
        path: what the student calls it, below the folder of the submission.
        rank: the larger the newer, among files of the same name.
    """

    entry: Entry
    path: PurePosixPath
    rank: int = 0


@dataclass
class HandedIn:
    """One submission of one student or group.

    Attributes:
        platform: where it comes from.
        key: what the platform knows the student by. Canvas: the user's ID; Moodle: the number of
            the participant, another one in each assignment; Blackboard: the user name.
        name: what the platform calls the student or group, as far as the archive says it.
        late: whether the platform says that it came late; None where it says nothing.
        time: when it was handed in, in the platform's local time, where the archive says it.
        order: the larger the newer, among submissions of the same student.
        files: what was handed in.
        title: what the platform calls the assignment, where the archive says it.
    """

    platform: Platform
    key: str
    name: str
    late: bool | None = None
    time: datetime | None = None
    order: str = ""
    files: list[HandedFile] = field(default_factory=list)
    title: str = ""


@dataclass
class Recognised:
    """What an archive or folder is.

    Attributes:
        platform: whose names its files have.
        submissions: those in it, of each student in the order in which they were handed in.
        refused: entries that are nobody's.
    """

    platform: Platform
    submissions: list[HandedIn]
    refused: list[Refusal]


# A name has lost its spaces and signs. What stands before the number is all that a name may hold,
# also in scripts whose vowels are signs of their own.
_NAME = r"(?P<name>[^\s/.,;:()\[\]]*?)"
_CANVAS = (
    re.compile(rf"{_NAME}_(?:(?P<late>LATE)_)?(?P<user>\d+)_(?P<attachment>\d+)_(?P<file>.+)"),
    re.compile(r"(?:(?P<late>LATE)_)?(?P<user>anon_[A-Za-z0-9]+)_(?P<attachment>\d+)_(?P<file>.+)"),
    re.compile(rf"{_NAME}_(?:(?P<late>LATE)_)?(?P<user>\d+)_(?P<file>text\.html|link\.html)"),
    re.compile(r"(?:(?P<late>LATE)_)?(?P<user>anon_[A-Za-z0-9]+)_(?P<file>text\.html|link\.html)"),
)
# Where a name ends in a number, as a group's may, there is more than one way to read it.
_CANVAS_OTHERWISE = re.compile(
    r"(?P<name>.+_\d+)_(?:(?P<late>LATE)_)?(?P<user>\d+)_(?P<attachment>\d+)_(?P<file>.+)"
)
# What Canvas adds to the name of a file that is handed in once more.
_CANVAS_AGAIN = re.compile(r"-\d+$")

_MOODLE = (
    re.compile(
        r"(?P<name>[^/]*?)(?:_(?P<id>\d+))?_assignsubmission_(?P<type>[a-z]+)_?/(?P<file>.+)"
    ),
    re.compile(r"(?P<name>[^/]*?)(?:_(?P<id>\d+))?_assignsubmission_(?P<type>[a-z]+)_(?P<file>.+)"),
)
_BLACKBOARD = re.compile(
    r"(?P<front>[^/]+?)_attempt_(?P<time>\d{4}(?:-\d\d){5})(?:_(?P<file>[^/]+)|\.txt)"
)
_RECORD_NAME = re.compile(r"^Name:\s*(?P<name>.*?)\s*\((?P<user>[^()]+)\)\s*$", re.MULTILINE)
_RECORD_TITLE = re.compile(r"^Assignment:\s*(?P<title>.+?)\s*$", re.MULTILINE)
# A record has a page of text, the answer that a student may have typed included.
MAX_RECORD = 100_000


def recognise(
    entries: Sequence[Entry],
    lesson: str,
    notebooks: Collection[str] = (),
    users: Collection[str] = (),
) -> Recognised:
    """Sort an archive's entries by who handed them in.

    Args:
        entries: those that can be taken.
        lesson: the name of the assignment's folder, which may lie in a student's own.
        notebooks: the names of its notebooks, which may stand before or after a student's.
        users: Canvas's IDs of users that are known already, which decide where a name can be read
            in two ways.
    """
    depth = 0
    while True:
        found = _recognise(entries, depth, users)
        tops = {entry.path.parts[depth] for entry in entries if len(entry.path.parts) > depth + 1}
        is_wrapped = len(tops) == 1 and all(len(each.path.parts) > depth + 1 for each in entries)
        # A folder around everything, as when an archive was unpacked and packed again.
        if found is not None or not is_wrapped:
            break
        depth += 1
    if found is not None:
        return found
    return _folders(entries, lesson, notebooks)


def _recognise(entries: Sequence[Entry], depth: int, users: Collection[str]) -> Recognised | None:
    """The submissions of a platform, or None if most of the names are of none."""
    readers: tuple[tuple[Callable[[str], object], Platform], ...] = (
        (_moodle_match, Platform.MOODLE),
        (_BLACKBOARD.fullmatch, Platform.BLACKBOARD),
        (_canvas_match, Platform.CANVAS),
    )
    names = [_below(entry, depth) for entry in entries]
    counts = {
        platform: sum(match(name) is not None for name in names) for match, platform in readers
    }
    platform = max(counts, key=lambda each: counts[each])
    if not entries or counts[platform] * 2 <= len(entries):
        return None
    if platform is Platform.MOODLE:
        return _moodle(entries, depth)
    if platform is Platform.BLACKBOARD:
        return _blackboard(entries, depth)
    return _canvas(entries, depth, users)


def _below(entry: Entry, depth: int) -> str:
    return "/".join(entry.path.parts[depth:])


def _nobodys(entry: Entry, platform: Platform) -> Refusal:
    return Refusal(
        printable(entry.raw), f"its name is none of those that {platform} gives to files"
    )


def _in_order(submissions: Iterable[HandedIn]) -> list[HandedIn]:
    return sorted(submissions, key=lambda each: (each.key, each.order))


# --- Canvas


def _canvas_match(name: str) -> re.Match[str] | None:
    if "/" in name:
        return None
    return next((match for form in _CANVAS if (match := form.fullmatch(name))), None)


def _canvas(entries: Sequence[Entry], depth: int, users: Collection[str]) -> Recognised:
    refused = []
    matches: list[tuple[Entry, re.Match[str], re.Match[str] | None]] = []
    for entry in entries:
        name = _below(entry, depth)
        match = _canvas_match(name)
        if match is None:
            refused.append(_nobodys(entry, Platform.CANVAS))
            continue
        other = _CANVAS_OTHERWISE.fullmatch(name) if match["user"].isdecimal() else None
        matches.append((entry, match, other))
    # Numbers of one course have much the same number of digits.
    digits = Counter(len(match["user"]) for _, match, other in matches if other is None)
    found: dict[str, HandedIn] = {}
    for entry, first, other in matches:
        match = first
        if other is not None and _is_better(other["user"], first["user"], users, digits):
            match = other
        parts = match.groupdict()
        user = parts["user"]
        submission = found.setdefault(
            user, HandedIn(Platform.CANVAS, user, parts.get("name") or "", late=False)
        )
        submission.late = submission.late or parts["late"] is not None
        attachment = int(parts.get("attachment") or 0)
        submission.files.append(HandedFile(entry, PurePosixPath(parts["file"]), attachment))
    for submission in found.values():
        # Attachments are numbered in the order in which they are uploaded.
        submission.order = f"{max(file.rank for file in submission.files):020d}"
        submission.files = _without_copies(submission.files)
    return Recognised(Platform.CANVAS, _in_order(found.values()), refused)


def _is_better(other: str, first: str, users: Collection[str], digits: Counter[int]) -> bool:
    if (other in users) != (first in users):
        return other in users
    return digits[len(other)] > digits[len(first)]


def _without_copies(files: list[HandedFile]) -> list[HandedFile]:
    """Files under the names that students gave them, without what Canvas adds to the second of the
    same name, as far as they stay apart."""
    plain = [
        PurePosixPath(f"{_CANVAS_AGAIN.sub('', file.path.stem)}{file.path.suffix}")
        for file in files
    ]
    counts = Counter([*plain, *(file.path for file in files)])
    return [
        HandedFile(file.entry, name, file.rank)
        if name != file.path and name.stem and counts[name] == 1
        else file
        for file, name in zip(files, plain, strict=True)
    ]


# --- Moodle


def _moodle_match(name: str) -> re.Match[str] | None:
    return next((match for form in _MOODLE if (match := form.fullmatch(name))), None)


def _moodle(entries: Sequence[Entry], depth: int) -> Recognised:
    refused = []
    found: dict[str, HandedIn] = {}
    for entry in entries:
        match = _moodle_match(_below(entry, depth))
        if match is None:
            refused.append(_nobodys(entry, Platform.MOODLE))
            continue
        # Those who are in no group share one, which has a name and no number.
        key = match["id"] or match["name"]
        submission = found.setdefault(key, HandedIn(Platform.MOODLE, key, match["name"]))
        path = PurePosixPath(match["file"])
        if match["type"] != "file" and path.suffix == ".html":
            # What was typed into the page, beside files that may have the same name.
            path = path.with_name(f"{match['type']}.html")
        submission.files.append(HandedFile(entry, path))
        if entry.time is not None:
            submission.order = max(submission.order, entry.time.isoformat())
    return Recognised(Platform.MOODLE, _in_order(found.values()), refused)


# --- Blackboard


def _blackboard(entries: Sequence[Entry], depth: int) -> Recognised:
    refused = []
    attempts: dict[tuple[str, str], list[tuple[Entry, str | None]]] = defaultdict(list)
    for entry in entries:
        match = _BLACKBOARD.fullmatch(_below(entry, depth))
        if match is None:
            refused.append(_nobodys(entry, Platform.BLACKBOARD))
        else:
            attempts[match["front"], match["time"]].append((entry, match["file"]))
    users = _Users()
    records: dict[tuple[str, str], str] = {}
    for attempt, files in attempts.items():
        for entry, file in files:
            if file is None:
                try:
                    records[attempt] = entry.read(MAX_RECORD).decode("utf-8-sig", "replace")
                except RefusedError as reason:
                    refused.append(Refusal(printable(entry.raw), str(reason)))
                else:
                    users.learn(attempt[0], records[attempt])
    submissions = []
    for (front, time), files in attempts.items():
        record = records.get((front, time), "")
        user = users.of(front)
        name = _RECORD_NAME.search(record)
        title = _RECORD_TITLE.search(record)
        submissions.append(
            HandedIn(
                Platform.BLACKBOARD,
                user,
                name["name"] if name and name["user"] == user else "",
                time=_blackboard_time(time),
                order=time,
                title=title["title"] if title else "",
                files=[
                    HandedFile(entry, PurePosixPath(file or "blackboard_record.txt"))
                    for entry, file in files
                ],
            )
        )
    return Recognised(Platform.BLACKBOARD, _in_order(submissions), refused)


class _Users:
    """Where in ASSIGNMENT_USER the user begins: both may hold an underscore, and records tell."""

    def __init__(self) -> None:
        self._titles: Counter[str] = Counter()
        self._users: dict[str, str] = {}

    def learn(self, front: str, record: str) -> None:
        """Take the user's name from an attempt's record, if its file's name says the same."""
        match = _RECORD_NAME.search(record)
        if match and front.endswith(f"_{match['user']}"):
            self._users[front] = match["user"]
            self._titles[front.removesuffix(match["user"])] += 1

    def of(self, front: str) -> str:
        """The user."""
        if front in self._users:
            return self._users[front]
        for title, _ in self._titles.most_common():
            if front.startswith(title) and front != title:
                return front.removeprefix(title)
        return front.rpartition("_")[2] or front


def _blackboard_time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d-%H-%M-%S")
    except ValueError:
        return None


# --- a folder


def _folders(entries: Sequence[Entry], lesson: str, notebooks: Collection[str]) -> Recognised:
    """A folder for each student, or a notebook for each."""
    depth = 0
    while entries and _is_around_folders(entries, depth, lesson):
        depth += 1
    found: dict[str, HandedIn] = {}
    refused = []
    for entry in entries:
        parts = entry.path.parts[depth:]
        path = PurePosixPath(*parts[1:] or parts)
        name = parts[0] if len(parts) > 1 else _student_in(entry.path, notebooks)
        if not name:
            reason = "it lies in no student's folder, and its name is not that of a student"
            refused.append(Refusal(printable(entry.raw), reason))
            continue
        submission = found.setdefault(name, HandedIn(Platform.FOLDER, name, name))
        submission.files.append(HandedFile(entry, path))
        if entry.time is not None:
            submission.order = max(submission.order, entry.time.isoformat())
    for submission in found.values():
        submission.files = _of_lesson(submission.files, lesson)
    return Recognised(Platform.FOLDER, _in_order(found.values()), refused)


def _is_around_folders(entries: Sequence[Entry], depth: int, lesson: str) -> bool:
    """Whether one folder holds everything, and in it there are only students' folders."""
    tops = {entry.path.parts[depth] for entry in entries}
    return len(tops) == 1 and all(
        len(entry.path.parts) > depth + 2 and entry.path.parts[depth + 1] != lesson
        for entry in entries
    )


def _student_in(path: PurePosixPath, notebooks: Collection[str]) -> str:
    """Who a notebook is named after: what is left of its name without the lesson's; empty where
    nothing is."""
    if path.suffix != ".ipynb":
        return ""
    name = path.stem
    for notebook in notebooks:
        before, found, after = name.partition(notebook)
        if found:
            name = f"{before.strip(' _-.')} {after.strip(' _-.')}".strip()
            # `X (1)` is a copy, and no student.
            return "" if re.fullmatch(r"\(?\d{1,2}\)?", name) else name
    return name


def _of_lesson(files: list[HandedFile], lesson: str) -> list[HandedFile]:
    """Of a folder with a folder for each lesson, what is in this lesson's."""
    if not any(file.path.parts[0] == lesson for file in files if len(file.path.parts) > 1):
        return files
    return [
        HandedFile(file.entry, PurePosixPath(*file.path.parts[1:]), file.rank)
        for file in files
        if file.path.parts[0] == lesson and len(file.path.parts) > 1
    ]
