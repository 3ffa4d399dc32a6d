"""Tables of results: the value of this run beside the range that many runs gave.

``table`` prints one. ``differences`` and ``without_values`` read what it printed, and hold a fresh
run to it: names and ranges as stored, each value within its range.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import TypeAlias

Number: TypeAlias = int | float
Row: TypeAlias = tuple[str, Number, tuple[Number, Number]]

_GAP = 4
_NUMBER = r"[-+]?(?:[\d,]+(?:\.\d+)?|nan|inf)"
_HEADING = re.compile(r"\s*here {2,}over (?P<over>\S+(?: \S+)*)(?: {2,}(?P<columns>\S.*))?")
_ROW = re.compile(
    rf"\s*(?P<name>\S+(?: \S+)*) {{2,}}(?P<value>{_NUMBER}) {{2,}}"
    rf"(?P<low>{_NUMBER}) to (?P<high>{_NUMBER})(?: {{2,}}\S.*)?"
)


def table(*rows: Row, over: str = "20 seeds", **columns: Sequence[Number | str | None]) -> None:
    """Print results beside their ranges. In a cell tagged ``nbval-check-output`` nbval and
    ``course check`` hold names and ranges to what is stored, and each value to its range.

    Args:
        rows: a name, the value of this run, and the lowest and highest value over many runs. A
            float is printed with one digit more than its range, an integer in full. Round the
            range outwards: a value is inside if it is as printed, and the ends are inside.
        over: what the runs differ in.
        columns: further columns by heading (``parameters=[1234, None]``), a value per row, None
            where there is none. They are shown, and nothing is compared. An underscore in a
            heading is printed as a space, a float with one digit after the point.

    Raises:
        ValueError: a name or heading is not one line of words with single spaces, a range is not
            two finite numbers in order, a value is not a number, or a column has not one value per
            row.
    """
    headings = [name.replace("_", " ") for name in columns]
    for text in (*(row[0] for row in rows), over, *headings):
        _check_words(text)
    for name, values in columns.items():
        if len(values) != len(rows):
            raise ValueError(f"The column {name!r} has {len(values)} values for {len(rows)} rows.")
    lines = [["", "here", f"over {over}", *headings]]
    for index, (name, value, limits) in enumerate(rows):
        shown, ends = _in_digits(name, value, limits)
        others = [_plain(values[index]) for values in columns.values()]
        lines.append([name, shown, ends, *others])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    printed = []
    for name, *others in lines:
        cells = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        printed.append((" " * _GAP).join([name.ljust(widths[0]), *cells]).rstrip())
    # In one piece, so that a line on stderr cannot come between.
    print("\n".join(printed))


def _check_words(text: str) -> None:
    if not text or text != " ".join(text.split()):
        raise ValueError(
            f"{text!r} cannot be a name in a table of results: write words on one line, with "
            "single spaces."
        )


def _in_digits(name: str, value: Number, limits: tuple[Number, Number]) -> tuple[str, str]:
    """A value and its range as text."""
    low, high = (_plain_number(end, f"an end of the range of {name!r}") for end in limits)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"The range of {name!r} is {low} to {high}: give the lower end first.")
    digits = max(_decimals(low), _decimals(high))
    ends = f"{low:,.{digits}f} to {high:,.{digits}f}"
    value = _plain_number(value, f"the value of {name!r}")
    return (f"{value:,}" if isinstance(value, int) else f"{value:,.{digits + 1}f}"), ends


def _plain_number(value: Number, what: str) -> Number:
    """NumPy's numbers as Python's own."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{value!r} is not a number, and {what} must be one.")
    return int(value) if isinstance(value, Integral) else float(value)


def _decimals(number: Number) -> int:
    """Digits after the point in the shortest text of a number: 0.25 has two, 3 and 3.0 none."""
    exponent = Decimal(str(number)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _plain(value: Number | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    value = _plain_number(value, "a value in a further column")
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


@dataclass(frozen=True)
class _Row:
    name: str
    value: str
    low: str
    high: str

    @property
    def range(self) -> str:
        return f"{self.low} to {self.high}"

    @property
    def is_inside(self) -> bool:
        value, low, high = (
            Decimal(text.replace(",", "")) for text in (self.value, self.low, self.high)
        )
        return not value.is_nan() and low <= value <= high


@dataclass(frozen=True)
class _Table:
    over: str
    columns: str
    rows: tuple[_Row, ...]


def _parse(text: str) -> tuple[list[_Table], list[str]]:
    """The tables in a text, and its lines without tables' values and further columns."""
    tables: list[_Table] = []
    lines: list[str] = []
    is_open = False
    for line in text.splitlines():
        heading = _HEADING.fullmatch(line.rstrip())
        row = _ROW.fullmatch(line.rstrip()) if is_open else None
        if heading:
            is_open = True
            columns = " ".join((heading["columns"] or "").split())
            tables.append(_Table(heading["over"], columns, ()))
            lines.append(f"here over {heading['over']} {columns}".rstrip())
        elif row:
            read = _Row(row["name"], row["value"], row["low"], row["high"])
            last = tables[-1]
            tables[-1] = _Table(last.over, last.columns, (*last.rows, read))
            lines.append(f"{read.name} {read.range}")
        else:
            is_open = False
            lines.append(line)
    return tables, lines


def without_values(text: str) -> str:
    """A text whose tables have lost what may differ between two right runs: the values within
    ranges, the further columns, and the width of columns."""
    return "\n".join(_parse(text)[1])


def differences(stored: str, fresh: str) -> list[str]:
    """What in the tables of a fresh run's text is not as in the stored text.

    Returns:
        a sentence for each difference, with the row, the value and the range; empty where names
        and ranges are the same and each fresh value is within its range. What is not in a table is
        not compared.
    """
    before, now = _parse(stored)[0], _parse(fresh)[0]
    if len(before) != len(now):
        return [f"The stored result has {_tables(len(before))}, the fresh run {_tables(len(now))}."]
    found: list[str] = []
    for old, new in zip(before, now, strict=True):
        found += _differences(old, new)
    return found


def _differences(old: _Table, new: _Table) -> list[str]:
    found = []
    if old.over != new.over:
        found.append(f"The ranges are over {old.over} as stored, and over {new.over} now.")
    if old.columns != new.columns:
        found.append(f"The further columns are {old.columns!r} as stored, {new.columns!r} now.")
    if len(old.rows) != len(new.rows):
        found.append(f"The table has {len(old.rows)} rows as stored, and {len(new.rows)} now.")
    for number, (before, now) in enumerate(zip(old.rows, new.rows, strict=False), 1):
        if before.name != now.name:
            found.append(
                f"Row {number} ({now.value}, range {now.range}) is named {now.name!r} now, and "
                f"{before.name!r} as stored."
            )
        elif before.range != now.range:
            found.append(
                f"{now.name!r} ({now.value}) has the range {now.range} now, and {before.range} "
                "as stored."
            )
        elif not now.is_inside:
            found.append(
                f"{now.name!r} is {now.value}, outside its range over {new.over}, {now.range}."
            )
    return found


def _tables(count: int) -> str:
    return "1 table of results" if count == 1 else f"{count} tables of results"
