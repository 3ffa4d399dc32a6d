"""The states that grading a submission can end in, and how long a cell may take."""

from __future__ import annotations

from enum import StrEnum

# Seconds; nbgrader's default. A lesson is graded in seconds, and the rest is for slow machines.
CELL_TIMEOUT = 30


class Status(StrEnum):
    """How grading a submission ended. In JSON and in notebooks a state is its text."""

    GRADED = "graded"

    # Of what was handed in: it is not there, it cannot be read, or it is not taken.
    MISSING = "missing"
    UNREADABLE = "unreadable"
    REFUSED = "refused"

    # Of an answer: it ran too long, took too much memory, or ended its process.
    TIMEOUT = "timeout"
    MEMORY = "memory"
    DIED = "died"

    # Of grading itself, through nobody's answer.
    ERROR = "error"
