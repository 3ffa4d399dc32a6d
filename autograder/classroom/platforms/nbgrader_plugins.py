"""The same for nbgrader's own commands: ``nbgrader zip_collect`` and ``nbgrader export``."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path, PurePosixPath
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.plugins import ExtractorPlugin, FileNameCollectorPlugin

from autograder.classroom.class_list import people_of
from autograder.classroom.platforms.collection import Collection, read_collection
from autograder.classroom.platforms.entries import RefusedError, open_source
from autograder.classroom.platforms.exports import choose_column, read_export
from autograder.classroom.platforms.folder_names import FolderNames
from autograder.classroom.platforms.grades import (
    GRADING_FAILED,
    NOT_ALL_GIVEN,
    NOTHING_HANDED_IN,
    Points,
    fill,
)
from autograder.classroom.platforms.recognise import HandedIn, recognise
from autograder.classroom.platforms.table import Table
from autograder.errors import CourseError
from autograder.grading.status import Status
from autograder.nbgrader_course.export_grades import NOT_GRADED, PARTLY_GRADED, ExportGrades


class Extractor(ExtractorPlugin):
    """Unpacks archives one entry at a time, and refuses what leads outward, is a link, or grows
    beyond all limits. Archives in archives stay packed."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Unpack all archives in a folder, and copy the other files.

        Args:
            archive_path: the folder.
            extracted_path: where to.
        """
        for path in sorted(Path(archive_path).iterdir()):
            is_archive = path.suffix.lower() == ".zip"
            if not is_archive and not path.is_dir():
                if path.is_file() and not path.is_symlink():
                    shutil.copy(path, extracted_path)
                continue
            target = Path(extracted_path, path.stem if is_archive else path.name)
            try:
                self._unpack(path, target)
            except CourseError as error:
                self.log.error("%s", error)

    def _unpack(self, path: Path, target: Path) -> None:
        with open_source(path) as source:
            for refusal in source.refused:
                self.log.warning("Not taken: %s", refusal)
            for entry in source.entries:
                try:
                    place = target / entry.path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    entry.copy_to(place)
                except (RefusedError, FileExistsError, NotADirectoryError) as reason:
                    self.log.warning("Not taken: %s: %s", entry.path, reason)


class Collector(FileNameCollectorPlugin):
    """Knows whose is whose in archives of Canvas, Moodle and Blackboard, without a regular
    expression. Where ``named_regexp`` is set, that counts."""

    def collect(self, submitted_file: str) -> dict[str, Any] | None:
        """Whose a file is, what it is called, and when it was handed in if its name says that.

        Args:
            submitted_file: its path.

        Returns:
            None if it is nobody's or no notebook.
        """
        if self.named_regexp:
            found: dict[str, Any] | None = super().collect(submitted_file)
            return found
        path = Path(submitted_file)
        if path.suffix not in self.valid_ext:
            return None
        return self._all(path).get(path)

    def _all(self, path: Path) -> dict[Path, dict[str, Any]]:
        """What is known of each file in the folder of what was unpacked."""
        top = next((each for each in path.parents if each.name == "extracted"), path.parent)
        known: dict[Path, dict[Path, dict[str, Any]]] = self.__dict__.setdefault("_known", {})
        if top not in known:
            known[top] = {}
            # Each archive was unpacked into a folder, and other files lie beside these.
            for folder in [*(each for each in sorted(top.iterdir()) if each.is_dir()), top]:
                with open_source(folder) as source:
                    beside = [each for each in source.entries if len(each.path.parts) == 1]
                    chosen = beside if folder == top else source.entries
                    submissions = recognise(chosen, top.parent.name).submissions
                names = FolderNames(Collection(), {}, submissions)
                for submission in submissions:
                    for place, info in _of_submission(submission, names.of(submission)):
                        known[top].setdefault(folder / place, info)
        return known[top]


def _of_submission(
    submission: HandedIn, student: str
) -> Iterator[tuple[PurePosixPath, dict[str, Any]]]:
    """Each file of a submission with what nbgrader wants to know of it; of several of one name the
    newest, since nbgrader ends where it cannot choose."""
    seen: set[str] = set()
    for file in sorted(submission.files, key=lambda each: -each.rank):
        if file.path.name not in seen:
            seen.add(file.path.name)
            info = {"student_id": student, "file_id": file.path.name}
            if submission.time is not None:
                time = submission.time.astimezone(UTC).replace(tzinfo=None)
                info["timestamp"] = time.isoformat(" ")
            yield file.entry.path, info


class PlatformExport(ExportGrades):
    """Fills the points of an assignment into the gradebook that a platform has exported: the file
    that ``--to`` names, with one ``--assignment``."""

    def export(self, gradebook: Gradebook) -> None:
        """Fill the file; a sentence and the exit status 1 where that cannot be done.

        Args:
            gradebook: the database, open.
        """
        try:
            self._fill(gradebook)
        except CourseError as error:
            sys.exit(str(error))

    def _fill(self, gradebook: Gradebook) -> None:
        if len(self.assignment) != 1:
            raise CourseError(
                "Name the one assignment whose points are to be filled in: nbgrader export "
                "--exporter=… --assignment '[\"07_chest_xrays\"]' --to FILE."
            )
        assignment = str(self.assignment[0])
        path = Path(self.to)
        classes = (
            Path(
                self.parent.coursedir.format_path(
                    self.parent.coursedir.submitted_directory, ".", "."
                )
            )
            .resolve()
            .parent
        )
        collection = read_collection(classes, assignment)
        results = [
            Points(
                row["student_id"],
                float(row["score"] or 0.0),
                float(row["max_score"] or 0.0),
                because(str(row["state"])),
            )
            for row in self._rows(gradebook)
        ]
        people = people_of(gradebook)
        table = Table.read(path)
        export = read_export(table, {*people, *(each.email for each in people.values())} - {""})
        titles = collection.titles() | {assignment, assignment.partition("_")[2]}
        done = fill(table, export, choose_column(export, titles), results, collection, people)
        path.write_bytes(table.to_bytes())
        self.log.info("Filled %s cells of %s", done.filled, path)
        for name, reason in done.left:
            self.log.warning("Not filled: %s: %s", name, reason)
        for name in done.rows:
            self.log.warning("No result for the row of %s", name)


def because(state: str) -> str:
    """Why points in this state are not filled in; empty where they are."""
    if state == PARTLY_GRADED:
        return NOT_ALL_GIVEN
    if state in (NOT_GRADED, Status.MISSING):
        return NOTHING_HANDED_IN
    return GRADING_FAILED if state == Status.ERROR else ""
