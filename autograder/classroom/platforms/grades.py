"""Fill an assignment's points into one column of a gradebook that a platform has exported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from autograder.classroom.person import Person
from autograder.classroom.platforms.collection import Collected, Collection
from autograder.classroom.platforms.exports import Column, Export, Row, number, plain
from autograder.classroom.platforms.folder_names import folder_name
from autograder.classroom.platforms.platform import Platform
from autograder.classroom.platforms.table import Table

HUNDREDTH = Decimal("0.01")
EXCUSED = "EX"

# Why points are not filled in.
NOTHING_HANDED_IN = "nothing was handed in"
NOT_ALL_GIVEN = "a person has yet to give points"
GRADING_FAILED = "grading failed; run it again"


@dataclass(frozen=True)
class Points:
    """A student's points.

    Attributes:
        student: the name of the student's folder.
        points: what the assignment is worth in the end.
        most: what one can have.
        because: why the points are not to be filled in, as the end of a sentence; empty if they
            are.
    """

    student: str
    points: float
    most: float
    because: str = ""


@dataclass
class Filled:
    """What was done to a gradebook.

    Attributes:
        filled: how many cells have points now, those included that had them before.
        changed: how many of them have changed.
        left: students, and why their cell was left as it was.
        rows: rows of students of whom there is no result.
        notes: what else there is to know, in sentences.
    """

    filled: int = 0
    changed: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def fill(
    table: Table,
    export: Export,
    column: Column,
    results: Sequence[Points],
    collection: Collection,
    people: Mapping[str, Person],
    *,
    scale: bool = False,
) -> Filled:
    """Put points into the cells of one column.

    A cell stays as it is where nothing was handed in, a person still has to give points, the
    platform takes none, or somebody is excused.

    Args:
        table: the gradebook's file, changed in place.
        export: what it is.
        column: the column.
        results: the points.
        collection: whose submission is whose on the platform.
        people: the class list, by student.
        scale: whether points are written in proportion to what one can have in the column, and not
            as they are; False by default.
    """
    done = Filled()
    owners: dict[int, list[Points]] = defaultdict(list)
    rows = {row.number: row for row in export.rows}
    for each in results:
        found = _rows_of(
            each.student, export, collection.students.get(each.student), people.get(each.student)
        )
        for row in found:
            owners[row.number].append(each)
        if not found and not each.because:
            done.left.append((each.student, "no row of the file is this student's"))
        elif each.because:
            done.left.append((each.student, each.because))
    for row in export.rows:
        candidates = owners.get(row.number, [])
        # Who has handed in with a group has handed in nothing alone.
        candidates = [each for each in candidates if not each.because] or candidates
        if not candidates:
            done.rows.append(row.name or row.key)
        elif len(candidates) > 1:
            others = ", ".join(each.student for each in candidates)
            done.left.append((row.name or row.key, f"the row could be that of {others}"))
        elif not candidates[0].because:
            _fill_cell(table, export, column, rows[row.number], candidates[0], scale, done)
    _compare_most(column, results, scale, done)
    return done


def _rows_of(
    student: str, export: Export, collected: Collected | None, person: Person | None
) -> list[Row]:
    """The rows of a student: one, or those of all members of a group."""
    if collected is not None and collected.platform == export.platform:
        found = [row for row in export.rows if row.key == collected.key]
        if not found and export.platform is Platform.MOODLE:
            # A group has a number of its own, and in the worksheet its members have its name.
            # Names of files have lost some of its signs.
            group = plain(collected.name)
            found = [row for row in export.rows if group in map(plain, row.others) and group]
        # Moodle numbers people anew in each assignment, so nothing else may decide.
        if found or export.platform is Platform.MOODLE:
            return found
    keys = {student}
    if person is not None:
        keys |= {person.lms_user_id, person.email} - {""}
    is_key = export.platform is not Platform.MOODLE
    ways = (
        [row for row in export.rows if is_key and row.key in keys],
        [row for row in export.rows if row.others & keys],
        [row for row in export.rows if folder_name(export.platform, row.key, row.name) == student],
    )
    return next((found for found in ways if len(found) == 1), [])


def _fill_cell(
    table: Table,
    export: Export,
    column: Column,
    row: Row,
    result: Points,
    scale: bool,
    done: Filled,
) -> None:
    before = table.cell(row.number, column.number)
    if row.locked:
        done.left.append((result.student, "the platform says that it takes no points for it"))
        return
    if before.upper() == EXCUSED:
        done.left.append((result.student, "the student is excused there"))
        return
    points = Decimal(str(result.points))
    if scale and column.most is not None and result.most > 0:
        points = points * column.most / Decimal(str(result.most))
    points = points.quantize(HUNDREDTH, ROUND_HALF_UP)
    done.filled += 1
    if export.platform is Platform.MOODLE and column.most is not None and points > column.most:
        done.notes.append(
            f"{result.student} has {points:f} points, and Moodle passes over more than "
            f"{column.most:f}."
        )
    if number(before) == points:
        return
    done.changed += 1
    text = f"{points:f}".rstrip("0").rstrip(".")
    table.set(row.number, column.number, text.replace(".", export.decimal))


def _compare_most(column: Column, results: Sequence[Points], scale: bool, done: Filled) -> None:
    most = max((Decimal(str(each.most)) for each in results), default=None)
    if most and column.most is not None and most != column.most and not scale:
        done.notes.append(
            f"The assignment has {most:f} points and the column {column.most:f}. Points were "
            "written as they are; --scale writes them in proportion."
        )
