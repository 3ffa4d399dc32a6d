"""A table as a gradebook exports it, in which single cells change and every other byte stays.

The library's readers of CSV give the text of cells and not their place in the file, so a file that
they have read and written again has other quotes, line ends or marks at its beginning.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CourseError

DELIMITERS = ",;\t"
# A line that spreadsheets read and do not show.
_SEPARATOR_LINE = re.compile(r"sep=([,;\t])\r?\n", re.IGNORECASE)
# A gradebook of ten thousand students has some megabytes.
MAX_BYTES = 100_000_000


@dataclass(frozen=True)
class Cell:
    """A cell: its text, where it stands in the file's text, and whether it is quoted there."""

    text: str
    start: int
    end: int
    quoted: bool


class Table:
    """The rows of a file.

    Attributes:
        rows: the text of each row's cells, blanks around it taken off.
        delimiter: what stands between cells.
    """

    def __init__(self, data: bytes, name: str) -> None:
        """Read it.

        Args:
            data: the file's content.
            name: the file's name, for messages.

        Raises:
            CourseError: it is not a table in a text file.
        """
        if len(data) > MAX_BYTES:
            raise CourseError(f"{name} has {len(data) / 1e6:.0f} MB: that is no gradebook.")
        if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            raise CourseError(
                f"{name} is a spreadsheet file of Excel or LibreOffice, and the platform exports "
                "text: download its CSV file again, and give that."
            )
        self._mark, self._encoding = _encoding(data)
        try:
            self._text = data[len(self._mark) :].decode(self._encoding)
        except UnicodeError:
            raise CourseError(
                f"{name} is neither UTF-8 nor UTF-16 throughout: download it again, and do not "
                "save it with another program."
            ) from None
        self._name = name
        first = _SEPARATOR_LINE.match(self._text)
        begin = first.end() if first else 0
        self.delimiter = first[1] if first else _delimiter(self._text)
        self._cells = self._parse(begin)
        self._changes: dict[tuple[int, int], str] = {}
        self.rows = [[cell.text.strip() for cell in row] for row in self._cells]

    @classmethod
    def read(cls, path: Path) -> Table:
        """The table in a file.

        Raises:
            CourseError: the file cannot be read, or is no table.
        """
        try:
            return cls(path.read_bytes(), str(path))
        except OSError as error:
            raise CourseError(
                f"{path} cannot be read: {error.strerror}. Give the file that the platform's "
                "gradebook exports."
            ) from None

    def cell(self, row: int, column: int) -> str:
        """The text of a cell; empty where the row is shorter."""
        cells = self.rows[row]
        return cells[column] if column < len(cells) else ""

    def set(self, row: int, column: int, text: str) -> None:
        """Change a cell."""
        self._changes[row, column] = text

    def to_bytes(self) -> bytes:
        """The file with the changes, and otherwise as it was."""
        parts: list[str] = []
        at = 0
        for (row, column), text in sorted(self._changes.items()):
            cells = self._cells[row]
            if column < len(cells):
                cell, missing = cells[column], 0
            else:
                # A row may end where nothing more follows.
                cell, missing = cells[-1], column - len(cells) + 1
                cell = Cell("", cell.end, cell.end, False)
            quoted = cell.quoted or any(sign in text for sign in f'{self.delimiter}"\r\n')
            doubled = text.replace('"', '""')
            new = f'"{doubled}"' if quoted else text
            parts += [self._text[at : cell.start], self.delimiter * missing, new]
            at = cell.end
        return self._mark + "".join([*parts, self._text[at:]]).encode(self._encoding)

    def _parse(self, at: int) -> list[list[Cell]]:
        """Rows of cells, as RFC 4180 has them; a line break may be of any system."""
        text, rows, row = self._text, list[list[Cell]](), list[Cell]()
        plain = re.compile(rf"[^{re.escape(self.delimiter)}\r\n]*")
        quoted = re.compile(r'"((?:[^"]|"")*)"')
        while at < len(text) or row:
            if text.startswith('"', at):
                match = quoted.match(text, at)
                if match is None:
                    line = text.count("\n", 0, at) + 1
                    raise CourseError(
                        f'{self._name}, line {line}: a cell begins with " and nothing closes it. '
                        "Download the file again."
                    )
                rest = plain.match(text, match.end())
                assert rest is not None
                end = rest.end()
                content = match[1].replace('""', '"') + rest[0]
            else:
                match = plain.match(text, at)
                assert match is not None
                end, content = match.end(), match[0]
            row.append(Cell(content, at, end, text.startswith('"', at)))
            if text.startswith(self.delimiter, end):
                at = end + 1
                if at < len(text):
                    continue
                row.append(Cell("", at, at, False))
            rows.append(row)
            row = []
            at = end + (2 if text.startswith("\r\n", end) else 1) if end < len(text) else len(text)
        return rows


def _encoding(data: bytes) -> tuple[bytes, str]:
    """The mark at the beginning and the encoding of what follows."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return mark, encoding
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        # What Windows writes in Western countries; each byte comes back as it was.
        return b"", "latin-1"
    return b"", "utf-8"


def _delimiter(text: str) -> str:
    """What stands between the cells of the first row, outside quotes."""
    line = re.match(r'(?:"(?:[^"]|"")*"|[^"\r\n])*', text)
    outside = re.sub(r'"(?:[^"]|"")*"', "", line[0] if line else "")
    return max(DELIMITERS, key=lambda sign: outside.count(sign))
