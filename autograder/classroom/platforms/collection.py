"""What has been collected of an assignment: who is whose, on which platform and under which name.

It is kept in the class's folder, as ``collected/ASSIGNMENT/submissions.json``, so that points and
feedback find the way back.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from autograder.classroom.platforms.platform import Platform
from autograder.classroom.whole_file import write_whole
from autograder.errors import CourseError


class CollectedFile(BaseModel):
    """A file of a submission: what it is called in the student's folder, and in the archive."""

    path: str
    entry: str


class Collected(BaseModel):
    """A student's submission as it was collected; see ``recognise.HandedIn``.

    Attributes:
        time: when it was handed in, in UTC; None where the platform does not say it.
        digest: of its files' names and content.
    """

    platform: Platform
    key: str
    name: str = ""
    late: bool | None = None
    time: datetime | None = None
    order: str = ""
    title: str = ""
    archive: str = ""
    digest: str = ""
    files: list[CollectedFile] = []


class Collection(BaseModel):
    """The submissions of an assignment, by student."""

    students: dict[str, Collected] = {}

    def student(self, platform: Platform, key: str) -> str | None:
        """Who has this key on a platform; None where nothing of theirs has been collected."""
        for student, collected in self.students.items():
            if collected.platform == platform and collected.key == key:
                return student
        return None

    def titles(self) -> set[str]:
        """What platforms call the assignment, as far as their archives say it."""
        return {each.title for each in self.students.values() if each.title}


def collected_folder(classes: Path, assignment: str) -> Path:
    """Where everything about an assignment's collecting is kept.

    Args:
        classes: the class's folder.
        assignment: the assignment's name.
    """
    return classes / "collected" / assignment


def read_collection(classes: Path, assignment: str) -> Collection:
    """What has been collected of an assignment; empty where nothing has been.

    Raises:
        CourseError: the file has been damaged.
    """
    path = collected_folder(classes, assignment) / "submissions.json"
    try:
        return Collection.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Collection()
    except ValidationError as error:
        raise CourseError(
            f"{path} cannot be read: {error.errors()[0]['msg']}. Move it away and collect the "
            "archives of this assignment again; submissions stay where they are."
        ) from None


def write_collection(collection: Collection, classes: Path, assignment: str) -> None:
    """Keep it, whole or not at all."""
    path = collected_folder(classes, assignment) / "submissions.json"
    write_whole(path, collection.model_dump_json(indent=1))
