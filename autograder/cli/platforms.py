"""The commands for learning platforms: collect submissions, fill in grades, return feedback."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from autograder.cli.shared import AssignmentName, ClassPath, DatabaseUrl, console, course_root
from autograder.errors import DISK_FULL, CourseError

if TYPE_CHECKING:
    from autograder.classroom.assignment import Assignment
    from autograder.classroom.folders import ClassFolder
    from autograder.classroom.person import Person
    from autograder.classroom.platforms.collect import Outcome
    from autograder.classroom.platforms.platform import Platform

app = typer.Typer(rich_markup_mode="rich")

# More would push what matters off the screen.
MOST_LINES, MOST_LETTERS = 30, 5_000

ListFile = Annotated[
    Path | None,
    typer.Option(
        "--list",
        help="The gradebook or the grading worksheet that the platform exports: who is in the "
        "class, with names and addresses.",
    ),
]


@app.command()
def collect(
    assignment: AssignmentName,
    archives: Annotated[
        list[Path],
        typer.Argument(
            help="The archive of all submissions from Canvas, Moodle or Blackboard, or a folder "
            "with a folder for each student; the oldest first where there are several."
        ),
    ],
    class_list: ListFile = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="Where the platform's clock is, such as Europe/Berlin; here by default."),
    ] = None,
    class_folder: ClassPath = None,
    gradebook: DatabaseUrl = None,
) -> None:
    """Put submissions where grading looks for them, and everybody into the class list.

    Of each student the newest counts; earlier ones are kept in class/collected/.
    """
    from autograder.classroom.class_list import add_to_class_list, deadline, read_class_list
    from autograder.classroom.gradebook import Gradebook
    from autograder.classroom.platforms.collect import collect as collect_archive

    given, folder = _assignment(assignment, class_folder)
    zone = _zone(timezone)
    folder.path.mkdir(parents=True, exist_ok=True)
    book = Gradebook(folder, gradebook)
    with book.alone():
        known = read_class_list(book.url)
        listed = list(_listed(class_list, known, folder, given.name)) if class_list else []
        add_to_class_list(book.url, listed)
        known = read_class_list(book.url) if listed else known
        due = deadline(book.url, given.name)
        for archive in archives:
            try:
                outcome = collect_archive(
                    archive, given.name, given.notebooks, folder.path, known, due=due, zone=zone
                )
            except OSError as error:
                if error.errno not in DISK_FULL:
                    raise
                raise CourseError(
                    f"The disk that holds {folder.path} is full. Make room, and collect the same "
                    "archive again: what was collected is kept."
                ) from None
            add_to_class_list(book.url, outcome.people)
            known = read_class_list(book.url)
            _show(outcome, archive, folder)
        for person in listed:
            # Who has handed in nothing is graded as missing, and not forgotten.
            (folder.submitted / person.student).mkdir(parents=True, exist_ok=True)


def _show(outcome: Outcome, archive: Path, folder: ClassFolder) -> None:
    counts = {
        "new": outcome.new,
        "newer than before": outcome.newer,
        "as before": outcome.same,
        "older than what is there, so not taken": outcome.older,
    }
    said = [f"{len(names)} {what}" for what, names in counts.items() if names]
    total = sum(map(len, counts.values()))
    _print(f"{archive.name}: {total} submissions from {outcome.platform}: {', '.join(said)}.")
    if outcome.newer or outcome.older:
        _print(f"Earlier submissions are kept in {folder.path / 'collected'}.")
    if outcome.late:
        _print(f"Late: {', '.join(outcome.late)}.")
    if outcome.untimed:
        _print(
            "Canvas does not say when they were handed in, and the assignment has no deadline: set "
            "it in Formgrader once the assignment is there, and collect the archive again, so that "
            "lateness counts."
        )
    _print_some(outcome.notes)
    if outcome.refused:
        _print(f"Not taken, {len(outcome.refused)}:")
        _print_some(map(str, outcome.refused))


@app.command()
def grades(
    assignment: AssignmentName,
    into: Annotated[
        Path,
        typer.Option(
            "--into",
            help="The gradebook that Canvas or Blackboard exports, the grading worksheet of "
            "Moodle, or another table of the students.",
        ),
    ],
    column: Annotated[
        str | None,
        typer.Option(help="The title of the column, or a part of it; found by itself by default."),
    ] = None,
    scale: Annotated[
        bool,
        typer.Option("--scale", help="Write points in proportion to what the column can hold."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write to this file, and leave the other as it is.")
    ] = None,
    class_folder: ClassPath = None,
    gradebook: DatabaseUrl = None,
) -> None:
    """Fill the points into one column of your gradebook, and change nothing else in it.

    Then import the file into the platform.
    """
    from autograder.classroom.class_list import read_class_list
    from autograder.classroom.gradebook import Gradebook
    from autograder.classroom.platforms.collection import collected_folder, read_collection
    from autograder.classroom.platforms.exports import choose_column, read_export
    from autograder.classroom.platforms.grades import (
        GRADING_FAILED,
        NOT_ALL_GIVEN,
        NOTHING_HANDED_IN,
        Points,
        fill,
    )
    from autograder.classroom.platforms.table import Table
    from autograder.grading.status import Status

    given, folder = _assignment(assignment, class_folder)
    book = Gradebook(folder, gradebook)
    results = []
    for result in book.final_results(given.name):
        reason = ""
        if result.status == Status.MISSING:
            reason = NOTHING_HANDED_IN
        elif any(cell.score is None for cell in result.cells.values()):
            reason = NOT_ALL_GIVEN
        elif not result.is_final:
            reason = GRADING_FAILED
        results.append(Points(result.student, result.score, result.max_score, reason))
    if not results:
        raise CourseError(
            f"Nothing of {given.name} is graded: run `autograder grade {given.name}` first."
        )
    people = read_class_list(book.url)
    collection = read_collection(folder.path, given.name)
    table = Table.read(into)
    known = {each.student for each in results} | {
        person.email for person in people.values() if person.email
    }
    export = read_export(table, known)
    chosen = choose_column(export, _titles(given) | collection.titles(), column)
    done = fill(table, export, chosen, results, collection, people, scale=scale)
    target = out or into
    if target == into and done.changed:
        kept = collected_folder(folder.path, given.name) / f"before-{into.name}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(into.read_bytes())
        _print(f"The file as it was: {kept}")
    _write(target, table.to_bytes())
    _print(
        f"{target}: column {chosen.title!r} of {export.platform}, points of {done.filled} "
        f"students, {done.changed} changed."
    )
    _print_some(done.notes)
    if done.left:
        _print(f"Left as they were, {len(done.left)}:")
        _print_some(f"{name}: {reason}." for name, reason in done.left)
    if done.rows:
        _print(f"Rows without a result here, {len(done.rows)}:")
        _print_some(done.rows)


@app.command("return")
def return_feedback(
    assignment: AssignmentName,
    class_list: ListFile = None,
    class_folder: ClassPath = None,
    gradebook: DatabaseUrl = None,
) -> None:
    """Make the archive of feedback that the platform takes back.

    For Moodle's groups name the grading worksheet with --list.
    """
    import nbformat

    from autograder.classroom.gradebook import Gradebook
    from autograder.classroom.platforms.annotated import annotated_notebook
    from autograder.classroom.platforms.collection import read_collection
    from autograder.classroom.platforms.exports import plain, read_export
    from autograder.classroom.platforms.feedback import make_archives
    from autograder.classroom.platforms.table import Table

    given, folder = _assignment(assignment, class_folder)
    results = {
        each.student: each for each in Gradebook(folder, gradebook).final_results(given.name)
    }
    if not results:
        raise CourseError(
            f"Nothing of {given.name} is graded: run `autograder grade {given.name}` first."
        )
    exercises = given.exercises()
    members: dict[str, list[str]] = {}
    if class_list is not None:
        for row in read_export(Table.read(class_list)).rows:
            for text in row.others:
                members.setdefault(plain(text), []).append(row.key)

    def annotated(student: str) -> dict[str, bytes]:
        autograded = folder.autograded(student, given.name)
        return {
            path.stem: annotated_notebook(
                path.stem,
                nbformat.read(path, as_version=4),
                results[student],
                exercises,
                len(given.notebooks),
            )
            for path in sorted(autograded.glob("*.ipynb"))
        }

    def archive(platform: Platform) -> Path:
        name = "plain" if platform.value == "a folder" else platform.value.lower()
        return folder.path / "returned" / f"{given.name}-{name}.zip"

    made = make_archives(
        sorted(results),
        read_collection(folder.path, given.name),
        lambda student: folder.feedback(student, given.name),
        annotated,
        members,
        archive,
    )
    for platform, (path, count) in made.archives.items():
        _print(f"{path}: feedback for {count} students. {_HOW[platform.value]}")
    if made.left:
        _print(f"Not in an archive, {len(made.left)}:")
        _print_some(f"{name}: {reason}." for name, reason in made.left)


_HOW = {
    "Canvas": "On the assignment's page choose Upload Submissions. Do it once: each upload adds a "
    "comment.",
    "Moodle": "On the assignment's page choose Upload multiple feedback files in a zip; the "
    "assignment must have feedback files switched on.",
    "Blackboard": "Blackboard takes no archive of feedback: it holds a folder for each student.",
    "a folder": "It holds a folder for each student.",
}


def _assignment(name: str, class_folder: Path | None) -> tuple[Assignment, ClassFolder]:
    from autograder.classroom.assignment import Assignment
    from autograder.classroom.folders import ClassFolder

    root = course_root()
    return Assignment(root, Path(name).name), ClassFolder(root, class_folder)


def _titles(assignment: Assignment) -> set[str]:
    """What a teacher may call the assignment on the platform."""
    headings = {
        cell.source.splitlines()[0].removeprefix("# ")
        for notebook in assignment.notebooks.values()
        for cell in notebook.cells[:1]
        if cell.source.startswith("# ")
    }
    number, _, rest = assignment.name.partition("_")
    return headings | {assignment.name, rest if number.isdigit() else assignment.name}


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise CourseError(
            f"There is no time zone {name!r}: name it as Europe/Berlin or America/New_York."
        ) from None


def _listed(
    path: Path, known: dict[str, Person], folder: ClassFolder, assignment: str
) -> Iterable[Person]:
    """Everybody in an exported gradebook, under the names of their folders."""
    from autograder.classroom.person import Person
    from autograder.classroom.platforms.collection import read_collection
    from autograder.classroom.platforms.exports import read_export
    from autograder.classroom.platforms.folder_names import folder_name
    from autograder.classroom.platforms.platform import Platform
    from autograder.classroom.platforms.table import Table

    export = read_export(Table.read(path), known)
    collection = read_collection(folder.path, assignment)
    by_user = {each.lms_user_id: each.student for each in known.values() if each.lms_user_id}
    for row in export.rows:
        student = (
            collection.student(export.platform, row.key)
            or by_user.get(row.key if export.platform is Platform.CANVAS else "")
            or folder_name(export.platform, row.key, row.name)
        )
        last, comma, first = row.name.partition(", ")
        if not comma:
            first, _, last = row.name.rpartition(" ")
        if export.platform is Platform.BLACKBOARD:
            # There the family name comes first.
            last, _, first = row.name.partition(" ")
        address = next((text for text in sorted(row.others) if "@" in text), "")
        user = row.key if export.platform is Platform.CANVAS else ""
        yield Person(student, first, last, address, user)


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f"{path.name}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CourseError(
            f"{path} cannot be written: {error.strerror}. Name another file with --out."
        ) from None


def _print(text: str) -> None:
    from autograder.classroom.platforms.entries import printable

    # Names of students and of files may hold what a terminal takes for commands.
    console.print(printable(text, MOST_LETTERS), markup=False, highlight=False, soft_wrap=True)


def _print_some(lines: Iterable[str]) -> None:
    shown = list(lines)
    for line in shown[:MOST_LINES]:
        _print(f"  {line}")
    if len(shown) > MOST_LINES:
        _print(f"  … and {len(shown) - MOST_LINES} more.")
