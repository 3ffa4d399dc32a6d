"""What cannot go from one process to the other, and what always can."""

from __future__ import annotations

# The sentence that `course check` says too.
from course.forms import advice as advice

# Types of values that travel as they are.
PLAIN = (str, int, float, bool, type(None))


class CannotTravelError(BaseException):
    """A value that is not data. The message says what to return instead.

    It is not an ``Exception``: a test that expects an answer to raise one must not take this for
    it.
    """
