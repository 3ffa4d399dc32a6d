"""What cannot go from one process to the other, and what always can."""

from __future__ import annotations

# Types of values that travel as they are.
PLAIN = (str, int, float, bool, type(None))


class CannotTravelError(BaseException):
    """A value that is not data. The message says what to return instead.

    It is not an ``Exception``: a test that expects an answer to raise one must not take this for
    it.
    """


def advice(what: str) -> str:
    """Why something cannot go from one process to the other, and what can."""
    return (
        f"Tests run in another process than answers, and {what} cannot go there: return numbers, "
        "arrays, text, lists, dicts or a Keras model made of Keras's own layers."
    )
