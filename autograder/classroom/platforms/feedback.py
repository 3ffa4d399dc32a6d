"""The archive of feedback that a platform takes back."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from autograder.classroom.platforms.collection import Collected, CollectedFile, Collection
from autograder.classroom.platforms.exports import plain
from autograder.classroom.platforms.platform import Platform
from autograder.grading.find_notebook import is_named_after

# Each archive has the time of the oldest file that zip knows: the same feedback, the same bytes.
LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclass
class Returned:
    """What was made.

    Attributes:
        archives: by platform, the file and how many students' feedback is in it.
        left: students, and why theirs is in none.
    """

    archives: dict[Platform, tuple[Path, int]] = field(default_factory=dict)
    left: list[tuple[str, str]] = field(default_factory=list)


def make_archives(
    students: Iterable[str],
    collection: Collection,
    pages: Callable[[str], list[Path]],
    annotated: Callable[[str], Mapping[str, bytes]],
    members: Mapping[str, list[str]],
    path: Callable[[Platform], Path],
) -> Returned:
    """Write an archive for each platform that submissions came from.

    Args:
        students: whose feedback there is.
        collection: whose submission is whose.
        pages: a student's feedback pages.
        annotated: a student's notebooks with points and messages in them, by name. Canvas shows
            what it is given under the name of the file that was handed in, so to a notebook it
            takes a notebook.
        members: the numbers of the participants in each of Moodle's groups, by the group's name as
            ``plain`` gives it; empty where no list was given.
        path: where to write a platform's archive.
    """
    returned = Returned()
    content: dict[Platform, list[tuple[str, bytes]]] = defaultdict(list)
    count: dict[Platform, int] = defaultdict(int)
    for student in students:
        collected = collection.students.get(student)
        if collected is None:
            returned.left.append((student, "nothing of theirs came with an archive"))
            continue
        found = list(_of_student(student, collected, pages, annotated, members))
        if isinstance(why := found[0] if found else "there is no feedback yet", str):
            returned.left.append((student, why))
            continue
        content[collected.platform] += [each for each in found if not isinstance(each, str)]
        count[collected.platform] += 1
    for platform, files in content.items():
        target = path(platform)
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, files)
        returned.archives[platform] = target, count[platform]
    return returned


def _of_student(
    student: str,
    collected: Collected,
    pages: Callable[[str], list[Path]],
    annotated: Callable[[str], Mapping[str, bytes]],
    members: Mapping[str, list[str]],
) -> Iterable[tuple[str, bytes] | str]:
    """The name and the content of each file, or a reason why there is none."""
    if collected.platform is Platform.CANVAS:
        yield from _for_canvas(collected, annotated(student))
        return
    files = [(page.name, page.read_bytes()) for page in pages(student)]
    if collected.platform is not Platform.MOODLE:
        yield from ((f"{student}/{name}", page) for name, page in files)
        return
    participants = members.get(plain(collected.name), [])
    if not participants and not collected.key.isdecimal():
        yield (
            f"{collected.name} is a group, and Moodle takes feedback for participants: name the "
            "grading worksheet with --list"
        )
        return
    # Moodle takes a file's owner from between the first two underscores.
    shown = collected.name.replace("_", " ").replace("/", " ") or "Participant"
    for participant in participants or [collected.key]:
        for name, page in files:
            yield f"{shown}_{participant}_assignsubmission_file/{name}", page


def _for_canvas(
    collected: Collected, notebooks: Mapping[str, bytes]
) -> Iterable[tuple[str, bytes] | str]:
    handed = [file for file in collected.files if file.path.endswith(".ipynb")]
    if notebooks and not handed:
        names = ", ".join(file.path for file in collected.files) or "nothing"
        yield (
            f"no notebook was handed in ({names}), and Canvas would show feedback under the name "
            "of that file"
        )
        return
    for name, content in notebooks.items():
        file = _handed_for(name, handed, len(notebooks))
        if file is not None:
            yield PurePosixPath(file.entry).name, content


def _handed_for(name: str, handed: list[CollectedFile], notebooks: int) -> CollectedFile | None:
    """The file that a notebook was graded from: Canvas wants its name back."""
    named = [file for file in handed if is_named_after(Path(file.path), name)]
    return next(iter(named or (handed if notebooks == 1 else [])), None)


def _write(target: Path, files: list[tuple[str, bytes]]) -> None:
    temporary = target.with_suffix(".part")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files):
            info = zipfile.ZipInfo(name, LONG_AGO)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    temporary.replace(target)
