"""What a gate is, and what it finds: where a fault is, what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One fault in the course.

    Attributes:
        file: the path from the course's root; empty where a single notebook was looked at.
        problem: what is wrong, as a sentence without capital and full stop.
        remedy: what to do about it, likewise.
        cell: the notebook's or source's cell, counted from 1; None where it is about the file.
        line: the line of the cell, or of the file where there is no cell; counted from 1.
    """

    file: str
    problem: str
    remedy: str
    cell: int | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = [self.file] if self.file else []
        place += [f"{name} {n}" for name, n in (("cell", self.cell), ("line", self.line)) if n]
        return f"{', '.join(place)}: {self.problem}: {self.remedy}."


@dataclass(frozen=True)
class Gate:
    """One gate over the lessons that were chosen.

    Attributes:
        name: of the gate.
        steps: how many parts its work has.
        findings: what each part finds, which may be nothing. A part is done when it is asked for.
    """

    name: str
    steps: int
    findings: Iterator[Sequence[Finding]]
