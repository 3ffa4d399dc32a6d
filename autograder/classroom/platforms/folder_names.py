"""Which folder of the class a submission belongs into."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence

from autograder.classroom.person import Person
from autograder.classroom.platforms.collection import Collection
from autograder.classroom.platforms.entries import printable
from autograder.classroom.platforms.platform import Platform
from autograder.classroom.platforms.recognise import HandedIn

# Of a folder's name, in bytes.
MAX_LABEL = 100


class FolderNames:
    """Which folder a submission belongs into: that of the student who is known by the key, or one
    that is named after what the platform says."""

    def __init__(
        self, collection: Collection, known: Mapping[str, Person], submissions: Sequence[HandedIn]
    ) -> None:
        self._collection = collection
        self._by_user = {each.lms_user_id: name for name, each in known.items()}
        self._taken: dict[str, str] = {}
        self._keys: dict[str, set[str]] = {}
        self.notes: list[str] = []
        for each in submissions:
            self._keys.setdefault(folder_name(each.platform, each.key, each.name), set()).add(
                each.key
            )

    def of(self, handed: HandedIn) -> str:
        """The name of the folder."""
        before = self._collection.student(handed.platform, handed.key)
        if before is None and handed.platform is Platform.CANVAS:
            before = self._by_user.get(handed.key)
        label = before or self._new(handed)
        self._taken[label] = handed.key
        return label

    def _new(self, handed: HandedIn) -> str:
        label = folder_name(handed.platform, handed.key, handed.name)
        if len(self._keys[label]) == 1 and self._is_free(label, handed):
            return label
        self.notes.append(
            f"More than one is called {printable(handed.name or handed.key)}, so the folder of "
            f"number {printable(handed.key)} is {label}-{as_folder_name(handed.key)}."
        )
        tries = (f"{label}-{as_folder_name(handed.key)}", *(f"{label}-{n}" for n in range(2, 1000)))
        return next(name for name in tries if self._is_free(name, handed))

    def _is_free(self, label: str, handed: HandedIn) -> bool:
        if self._taken.get(label, handed.key) != handed.key:
            return False
        other = self._collection.students.get(label)
        # The same name on two platforms is the same student.
        return other is None or other.platform != handed.platform or other.key == handed.key


def folder_name(platform: Platform, key: str, name: str) -> str:
    """What a student's folder is called at first.

    Args:
        platform: where the student is known.
        key: by which number or user name.
        name: under which name.
    """
    if platform is Platform.CANVAS:
        # Canvas's archives have names without spaces and signs, its gradebook has the whole ones.
        shown = re.sub(r"\W", "", name.casefold())
        return as_folder_name(f"{shown}-{key}" if shown else key)
    if platform is Platform.MOODLE:
        is_anonymous = re.fullmatch(r"(?i)participant", name) or not name
        return as_folder_name(f"participant-{key}" if is_anonymous else name)
    return as_folder_name(key)


def as_folder_name(text: str) -> str:
    """A text as a name that a folder, nbgrader and a shell take without quotes."""
    plain = re.sub(r"[^\w.@-]+", "-", unicodedata.normalize("NFC", text)).strip("-.")
    while len(os.fsencode(plain)) > MAX_LABEL:
        plain = plain[:-1]
    return plain or f"student-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"
