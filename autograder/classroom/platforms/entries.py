"""What an archive of submissions holds, or a folder, one entry at a time.

An archive comes from a platform, but its entries come from students. Each one is looked at by
itself: one that leads outward, is a link, cannot be read or grows beyond all limits is refused with
a reason, and the others are taken.
"""

from __future__ import annotations

import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import IO

from autograder.errors import DISK_FULL, CourseError

# Of one file, of all files of a student, and of a class's, in bytes.
MAX_FILE, MAX_STUDENT, MAX_TOTAL = 200_000_000, 500_000_000, 50_000_000_000
# More than this nobody hands in, and grading would not look at it.
MAX_FILES = 500
# Of an archive. Its list of entries is held in memory.
MAX_ENTRIES = 100_000
# How often a file may be as large as what is packed of it. The best that deflate does with a
# notebook full of printed zeros is about two hundred times; a bomb does a thousand.
MAX_RATIO, ALWAYS_FINE = 500, 10_000_000
MAX_NAME, MAX_DEPTH = 240, 10
CHUNK = 1 << 20

# What operating systems and Jupyter leave in archives.
_LEFT_OVER = {"__MACOSX", ".ipynb_checkpoints", ".DS_Store", "Thumbs.db", "desktop.ini"}
# Control characters, also those that turn the direction of writing, and halves of surrogate pairs.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_DRIVE = re.compile(r"[A-Za-z]:")
UTF8_FLAG, ENCRYPTED_FLAG = 0x800, 0x1


class RefusedError(Exception):
    """An entry that is not taken; the message says why, as the end of a sentence."""


@dataclass(frozen=True)
class Refusal:
    """An entry that was not taken: its name, made printable, and why."""

    entry: str
    reason: str

    def __str__(self) -> str:
        return f"{self.entry}: {self.reason}."


@dataclass(frozen=True)
class Entry:
    """A file in an archive or folder.

    Attributes:
        path: where it is, relative and without any step outward.
        raw: its name as the archive has it, which the platform may want back.
        time: when it was changed, in local time, as far as the archive says it.
        source: what holds it.
        place: where the source finds it.
    """

    path: PurePosixPath
    raw: str
    time: datetime | None
    source: Source = field(repr=False, compare=False)
    place: zipfile.ZipInfo | Path = field(repr=False, compare=False)

    def read(self, most: int) -> bytes:
        """Its first bytes.

        Args:
            most: how many at most.

        Raises:
            RefusedError: it cannot be read.
        """
        with _readable(), self.source.open(self) as file:
            return file.read(most)

    def copy_to(self, target: Path, most: int = MAX_FILE) -> int:
        """Write its content to a new file, and nothing where it is refused.

        Args:
            target: the file.
            most: how many bytes it may have; 200 MB by default.

        Returns:
            Its size in bytes.

        Raises:
            RefusedError: it cannot be read, or is larger than it may be.
        """
        packed = self.place.compress_size if isinstance(self.place, zipfile.ZipInfo) else None
        size = 0
        try:
            with _readable(), self.source.open(self) as file, target.open("xb") as copy:
                # What the archive says of sizes is not asked: a bomb says what it likes.
                while chunk := file.read(CHUNK):
                    size += len(chunk)
                    if size > most:
                        raise RefusedError(f"it is larger than {most / 1e6:.0f} MB when unpacked")
                    if packed is not None and size > max(ALWAYS_FINE, packed * MAX_RATIO):
                        raise RefusedError(
                            f"{packed:,} packed bytes grow to more than {size / 1e6:.0f} MB, which "
                            "no notebook does"
                        )
                    if size > self.source.left:
                        raise RefusedError(
                            f"what is taken of one archive would be more than {MAX_TOTAL / 1e9:.0f}"
                            " GB"
                        )
                    copy.write(chunk)
        except RefusedError:
            target.unlink(missing_ok=True)
            raise
        self.source.left -= size
        return size


@dataclass
class Source:
    """An open archive or folder.

    Attributes:
        name: the name of its file.
        entries: its files that can be taken, in its order.
        refused: what cannot be.
        archive: where the entries of an archive are read from.
        left: how many bytes may still be taken of it.
    """

    name: str
    entries: list[Entry] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    archive: zipfile.ZipFile | None = None
    left: int = field(default_factory=lambda: MAX_TOTAL)

    def open(self, entry: Entry) -> IO[bytes]:
        """The content of one of its entries."""
        if isinstance(entry.place, zipfile.ZipInfo):
            assert self.archive is not None
            return self.archive.open(entry.place)
        # A file that has become a link since it was listed is not followed.
        return os.fdopen(os.open(entry.place, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def printable(text: str, most: int = 200) -> str:
    """A text from elsewhere as a terminal can show it.

    Args:
        text: a name, for example.
        most: how many characters of it; 200 by default.
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)[:most]


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """An archive or a folder, with what it holds.

    Args:
        path: a zip file, or a folder.

    Raises:
        CourseError: there is nothing of this name, or it is no zip archive.
    """
    if path.is_dir():
        yield _of_folder(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise CourseError(
            f"There is no {path}: give the archive that the platform lets you download, or a "
            "folder of submissions."
        ) from None
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise CourseError(f"{path} is not a zip archive: {_no_archive(path, error)}.") from None
    with archive:
        yield _of_archive(path, archive)


def _no_archive(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        begin = file.read(200).lstrip().lower()
    if begin.startswith((b"<!doctype", b"<html")):
        return "it is a web page, as one gets when signed out; sign in and download it again"
    if begin.startswith(b"pk"):
        return "it breaks off or is damaged; download it again"
    return f"{printable(str(error)).rstrip('.')}; download it again as .zip, or unpack it first"


def _of_archive(path: Path, archive: zipfile.ZipFile) -> Source:
    source = Source(path.name, archive=archive)
    infos = archive.infolist()
    if len(infos) > MAX_ENTRIES:
        raise CourseError(
            f"{path} has {len(infos):,} entries, and the limit is {MAX_ENTRIES:,}: that is not an "
            "archive of one class's submissions. Download it again."
        )
    last = {info.filename: info for info in infos}
    overlapping = _overlapping(infos)
    for info in infos:
        raw = _name(info)
        try:
            if last[info.filename] is not info:
                raise RefusedError("a later entry has the same name, and that one counts")
            if info.is_dir() and not info.file_size:
                continue
            entry_path = safe_path(raw)
            if is_left_over(entry_path):
                continue
            _refuse_special(info)
            if info.header_offset in overlapping:
                raise RefusedError("it has its content in common with another entry, as a bomb has")
        except RefusedError as refused:
            source.refused.append(Refusal(printable(raw), str(refused)))
            continue
        source.entries.append(Entry(entry_path, raw, _time(info), source, info))
    return source


def _overlapping(infos: Sequence[zipfile.ZipInfo]) -> set[int]:
    """Where entries begin whose packed bytes are also those of the next one. Older releases of
    Python do not look at that."""
    found = set()
    placed = sorted(infos, key=lambda info: info.header_offset)
    for info, following in pairwise(placed):
        if info.header_offset + info.compress_size > following.header_offset:
            found |= {info.header_offset, following.header_offset}
    return found


def _name(info: zipfile.ZipInfo) -> str:
    """An entry's name. Some platforms write UTF-8 and do not say so, and Python then takes the
    bytes for those of a page of MS-DOS."""
    name = info.orig_filename
    if not info.flag_bits & UTF8_FLAG:
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return name


def _refuse_special(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise RefusedError("it is a link, not a file")
    if kind not in (0, stat.S_IFREG):
        raise RefusedError("it is no ordinary file")
    if info.flag_bits & ENCRYPTED_FLAG:
        raise RefusedError("it is encrypted")


def _time(info: zipfile.ZipInfo) -> datetime | None:
    try:
        return datetime(*info.date_time)
    except ValueError:
        return None


def safe_path(name: str) -> PurePosixPath:
    """An entry's name as a relative path that leads to no place above it.

    Raises:
        RefusedError: it leads elsewhere, or is no name that a file could have.
    """
    slashed = name.replace("\\", "/")
    if _UNPRINTABLE.search(slashed):
        raise RefusedError("its name has characters that cannot be shown")
    if slashed.startswith("/") or _DRIVE.match(slashed):
        raise RefusedError("its path begins at the root of a disk")
    parts = [part for part in slashed.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise RefusedError("its path leads out of the archive")
    if not parts:
        raise RefusedError("it has no name")
    if len(parts) > MAX_DEPTH or any(len(os.fsencode(part)) > MAX_NAME for part in parts):
        raise RefusedError(
            f"its path has a part of more than {MAX_NAME} bytes, or more than {MAX_DEPTH} parts"
        )
    return PurePosixPath(*parts)


def is_left_over(path: PurePosixPath) -> bool:
    """Whether an operating system or Jupyter has made a file, and no student."""
    return bool(_LEFT_OVER.intersection(path.parts)) or path.name.startswith("._")


def _of_folder(path: Path) -> Source:
    source = Source(path.name)
    count = 0
    for where, folders, names in os.walk(path):
        links = [name for name in folders if Path(where, name).is_symlink()]
        folders[:] = sorted(set(folders) - {*links} - _LEFT_OVER)
        for name in sorted([*names, *links]):
            count += 1
            if count > MAX_ENTRIES:
                raise CourseError(
                    f"{path} has more than {MAX_ENTRIES:,} files: that is not a folder of one "
                    "class's submissions. Give the one that holds nothing else."
                )
            file = Path(where, name)
            raw = file.relative_to(path).as_posix()
            try:
                entry_path = safe_path(raw)
                if is_left_over(entry_path):
                    continue
                state = file.lstat()
                if stat.S_ISLNK(state.st_mode):
                    raise RefusedError("it is a link, not a file")
                if not stat.S_ISREG(state.st_mode):
                    raise RefusedError("it is no ordinary file")
            except RefusedError as refused:
                source.refused.append(Refusal(printable(raw), str(refused)))
                continue
            time = datetime.fromtimestamp(state.st_mtime)
            source.entries.append(Entry(entry_path, raw, time, source, file))
    return source


@contextmanager
def _readable() -> Iterator[None]:
    """Make one kind of error of all that a damaged entry can raise."""
    try:
        yield
    except NotImplementedError:
        raise RefusedError("it is packed in a way that Python cannot unpack") from None
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RefusedError(f"it is damaged ({printable(reason).rstrip('.')})") from None
    except RuntimeError:
        raise RefusedError("it is encrypted") from None
    except (OSError, ValueError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise RefusedError(f"it cannot be read ({printable(reason)})") from None
