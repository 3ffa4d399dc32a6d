"""The states that grading a submission can end in, and how long a cell may take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Seconds; nbgrader's default. A lesson is graded in seconds, and the rest is for slow machines.
CELL_TIMEOUT = 30


class Status(StrEnum):
    """How grading a submission ended. In JSON and in notebooks a state is its text."""

    GRADED = "graded"

    # What was handed in is not there, cannot be read, or is not accepted.
    MISSING = "missing"
    UNREADABLE = "unreadable"
    REFUSED = "refused"

    # An answer ran too long, took too much memory, or ended its process.
    TIMEOUT = "timeout"
    MEMORY = "memory"
    DIED = "died"

    # Where answers and tests share a process, an answer changed what the tests depend on.
    TAMPERED = "tampered"

    # Grading itself failed, and no answer is to blame.
    ERROR = "error"


# The names of exceptions that say so.
OUT_OF_MEMORY = {"MemoryError", "ResourceExhaustedError"}

# Before the first cell.
NOWHERE = -1


@dataclass(frozen=True)
class Stop:
    """Where a run was cut short, and why."""

    cell: int
    status: Status
    message: str
