"""The states that a graded submission can end in, and how long a cell may take."""

from __future__ import annotations

MISSING, UNREADABLE, REFUSED = "missing", "unreadable", "refused"

# nbgrader's default. A lesson is graded in seconds; the rest is for slow machines.
CELL_TIMEOUT = 30
GRADED, TIMEOUT, MEMORY, DIED, ERROR = "graded", "timeout", "memory", "died", "error"
