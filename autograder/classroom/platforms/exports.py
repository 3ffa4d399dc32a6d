"""The gradebooks that platforms export: which row is whose, and which column is which.

The rules are those of the platforms' importers: Canvas's `lib/gradebook_importer.rb`, Moodle's
`mod/assign/feedback/offline/importgradeslib.php`, and what Blackboard's help says of its files.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from autograder.classroom.platforms.platform import Platform
from autograder.classroom.platforms.table import Table
from autograder.errors import CourseError


@dataclass(frozen=True)
class Row:
    """A student's row.

    Attributes:
        number: its place in the table.
        key: what the platform knows the student by.
        name: for messages, and where a platform tells groups by their names.
        others: further texts that may be the student: logins, addresses, numbers.
        locked: whether the platform says that it takes no points for it.
    """

    number: int
    key: str
    name: str
    others: frozenset[str] = frozenset()
    locked: bool = False


@dataclass(frozen=True)
class Column:
    """A column that takes points.

    Attributes:
        number: its place in the table.
        title: what the teacher calls it.
        most: the points that one can have there; None where the file does not say it.
    """

    number: int
    title: str
    most: Decimal | None = None


@dataclass
class Export:
    """A gradebook.

    Attributes:
        platform: whose it is; ``FOLDER`` of a table that is of none of them.
        rows: the students'.
        columns: those that take points.
        decimal: the sign in numbers.
    """

    platform: Platform
    rows: list[Row] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    decimal: str = "."


_CANVAS_COLUMN = re.compile(r".*\s\((\d+)\)")
_CANVAS_TOTAL = re.compile(r"(Current|Final|Override) (Score|Points|Grade|Status)")
_CANVAS_OTHERS = ("SIS User ID", "SIS Login ID", "Integration ID")
_BLACKBOARD_COLUMN = re.compile(
    r"(?P<title>.*?)\s*"
    r"(?:\[[^\[\]]*?(?P<upto>up to )?(?P<most>\d+(?:[.,]\d+)?)[^\[\]]*\])?\s*\|\s*\d+"
)
_BLACKBOARD_TOTALS = {"total", "weighted total", "overall grade", "running total"}
_MOODLE_KEY = re.compile(r"[^\d,;@]*?(\d+)")
# The header of the column that says whether points are taken, and what it says if not, in the
# languages that Moodle's sites use most.
_MOODLE_OPEN = {
    "grade can be changed",
    "bewertung kann geändert werden",
    "la calificación puede ser cambiada",
    "la calificación se puede cambiar",
    "la note peut être modifiée",
    "la valutazione può essere modificata",
    "a nota pode ser alterada",
    "cijfer kan gewijzigd worden",
}
_NO = {"no", "nein", "non", "não", "nee", "nej", "nie"}
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")
_DECIMAL = re.compile(r"-?\d+([.,])\d+")


def read_export(table: Table, known: Collection[str] = ()) -> Export:
    """What a table is.

    Args:
        table: the file.
        known: texts by which students are known, for a table that is of no platform.

    Raises:
        CourseError: no column says whose the rows are.
    """
    header = table.rows[0] if table.rows else []
    for read in (_canvas, _blackboard, _moodle):
        export = read(table, header)
        if export is not None:
            break
    else:
        export = _any_table(table, header, known)
    export.decimal = _decimal_sign(table, export)
    return export


def number(text: str) -> Decimal | None:
    """A number as gradebooks write it, with a point or a comma; None where it is none."""
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text.replace(",", "."))
    except InvalidOperation:
        return None


def _canvas(table: Table, header: list[str]) -> Export | None:
    apart = header[:3] == ["LastName", "FirstName", "ID"]
    at = 2 if apart else 1
    if not (apart or (len(header) > 3 and "Student" in header[0] and header[1] == "ID")):
        return None
    if "Section" not in header:
        return None
    most: dict[int, str] = {}
    others = [number for number, title in enumerate(header) if title in _CANVAS_OTHERS]
    export = Export(Platform.CANVAS)
    for place in range(1, len(table.rows)):
        if "Points Possible" in table.cell(place, 0):
            most = dict(enumerate(table.rows[place]))
            continue
        found = frozenset(filter(None, (table.cell(place, column) for column in others)))
        key = table.cell(place, at)
        name = ", ".join(filter(None, table.rows[place][:at]))
        # A row that says which assignments are posted by hand has no student.
        if (key or found) and name not in ("Student, Test", "Test Student"):
            export.rows.append(Row(place, key, name, found))
    for place, title in enumerate(
        header[header.index("Section") + 1 :], header.index("Section") + 1
    ):
        is_read_only = "read only" in most.get(place, "") or _CANVAS_TOTAL.search(title)
        if _CANVAS_COLUMN.fullmatch(title) and not is_read_only:
            export.columns.append(Column(place, title, number(most.get(place, ""))))
    return export


def _blackboard(table: Table, header: list[str]) -> Export | None:
    matches = {place: _BLACKBOARD_COLUMN.fullmatch(title) for place, title in enumerate(header)}
    names = [place for place, title in enumerate(header) if _is_user_name(title)]
    if not names or not any(matches.values()):
        return None
    export = Export(Platform.BLACKBOARD)
    for place, match in matches.items():
        if match and not match["upto"] and match["title"].casefold() not in _BLACKBOARD_TOTALS:
            export.columns.append(Column(place, header[place], number(match["most"] or "")))
    first = min(place for place, match in matches.items() if match)
    for place in range(1, len(table.rows)):
        cells = [table.cell(place, column) for column in range(first)]
        if key := table.cell(place, names[0]):
            # A first name is nobody's key.
            others = frozenset(filter(None, cells[2:]))
            export.rows.append(Row(place, key, " ".join(cells[:2]), others))
    return export


def _is_user_name(title: str) -> bool:
    plain = re.sub(r"[\W_]", "", title).casefold()
    return plain in {"username", "benutzername", "nombredeusuario", "nomdutilisateur", "nomeutente"}


def _moodle(table: Table, header: list[str]) -> Export | None:
    """The worksheet of an assignment, whose headers are in the site's language: its first column
    is a word and a number, and the one that takes points stands before the one that has the same
    number, the maximum, in each row."""
    places = [place for place in range(1, len(table.rows)) if any(table.rows[place])]
    keys = {place: _MOODLE_KEY.fullmatch(table.cell(place, 0)) for place in places}
    if not places or len(header) < 5 or not all(keys.values()):
        return None
    columns = range(2, len(header))
    constant = [
        column
        for column in columns
        if len(seen := {table.cell(place, column) for place in places}) == 1
        and number(next(iter(seen))) is not None
        and all(_takes_points(table.cell(place, column - 1)) for place in places)
    ]
    named = [column for column in columns if header[column].casefold() in _MOODLE_GRADE]
    if not constant and not named:
        return None
    at = named[0] if named else constant[-1] - 1
    most = number(table.cell(places[0], at + 1))
    if at + 1 not in constant or most is None:
        raise CourseError(
            f"The worksheet's column {header[at]!r} takes words of a scale, and not points: choose "
            "Point as the type of grade in the assignment's settings, and download it again."
        )
    opened = [place for place, title in enumerate(header) if title.casefold() in _MOODLE_OPEN]
    export = Export(Platform.MOODLE, columns=[Column(at, header[at], most)])
    for place in places:
        match = keys[place]
        assert match is not None
        locked = any(table.cell(place, column).casefold() in _NO for column in opened)
        others = frozenset(filter(None, table.rows[place][1:at]))
        export.rows.append(Row(place, match[1], table.cell(place, 1), others, locked))
    return export


_MOODLE_GRADE = {"grade", "bewertung", "calificación", "note", "valutazione", "nota", "cijfer"}


def _takes_points(text: str) -> bool:
    return text in ("", "-") or number(text) is not None


def _any_table(table: Table, header: list[str], known: Collection[str]) -> Export:
    """A table of no platform: the column of students is the one that knows most of them."""
    counts = Counter(
        column
        for place in range(1, len(table.rows))
        for column, text in enumerate(table.rows[place])
        if text in known
    )
    if not counts:
        raise CourseError(
            "No row of the file is that of a student who is known here. It should be what the "
            "platform exports: Canvas's gradebook, the grading worksheet of a Moodle assignment, "
            "Blackboard's gradebook, or a table with a column of the students' names of folders or "
            f"addresses. Its columns are: {', '.join(header) or 'none'}."
        )
    at = counts.most_common(1)[0][0]
    export = Export(Platform.FOLDER)
    for place in range(1, len(table.rows)):
        if key := table.cell(place, at):
            name = " ".join(table.rows[place][:2])
            export.rows.append(Row(place, key, name, frozenset(filter(None, table.rows[place]))))
    export.columns = [Column(place, title) for place, title in enumerate(header) if place != at]
    return export


def choose_column(export: Export, titles: Iterable[str], asked: str | None = None) -> Column:
    """The column of an assignment.

    Args:
        export: the gradebook.
        titles: what the assignment may be called.
        asked: its title, part of it, or its number, as a person has given it.

    Raises:
        CourseError: there is none, or more than one could be meant.
    """
    if asked is not None:
        exact = [each for each in export.columns if each.title == asked]
        found = exact or [
            each for each in export.columns if asked.casefold() in each.title.casefold()
        ]
        said = f"of {asked!r}"
    elif export.platform is Platform.MOODLE:
        found, said = export.columns, "that takes points"
    else:
        wanted = {plain(title) for title in titles} - {""}
        bare = {each: plain(_title(each.title)) for each in export.columns}
        found = [each for each, text in bare.items() if text in wanted]
        found = found or [
            each for each, text in bare.items() if any(title in text for title in wanted)
        ]
        said = "of this assignment"
    if len(found) == 1:
        return found[0]
    several = "More than one column could be the one" if found else "No column is the one"
    columns = "; ".join(each.title for each in found or export.columns) or "none that takes points"
    raise CourseError(f"{several} {said}: name it with --column. There are: {columns}.")


def _title(header: str) -> str:
    """A column's title without the number and the points that a platform puts after it."""
    return re.sub(r"\s*(\(\d+\)|\[[^\[\]]*\]\s*\|\s*\d+|\|\s*\d+)$", "", header)


def plain(text: str) -> str:
    """A text without signs, blanks and capitals, to compare it with another spelling."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", text)).casefold()


def _decimal_sign(table: Table, export: Export) -> str:
    """A comma where the file has numbers with one, and none with a point."""
    texts = [
        table.cell(place, column.number)
        for place in range(len(table.rows))
        for column in [*export.columns, *_after(export)]
    ]
    signs = {match[1] for text in texts if (match := _DECIMAL.fullmatch(text))}
    return "," if signs == {","} else "."


def _after(export: Export) -> list[Column]:
    """The column after that of points in Moodle's worksheet, which holds the maximum."""
    if export.platform is not Platform.MOODLE:
        return []
    return [Column(export.columns[0].number + 1, "")]
