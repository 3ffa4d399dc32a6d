"""Errors that cross from one process to the other."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

import numpy as np


class CannotTravelError(BaseException):
    """A value that is not data. The message says what to return instead.

    No ``Exception``: a test that expects an answer to raise one must not take this for it.
    """


def advice(what: str) -> str:
    """Why something cannot go from one process to the other, and what can."""
    return (
        f"Tests run in another process than answers, and {what} cannot go there: return numbers, "
        "arrays, text, lists, dicts or a Keras model made of Keras's own layers."
    )


MAX_MESSAGE = 2_000

# Arguments of exceptions that travel as they are.
PLAIN = (str, int, float, bool, type(None))
ENDS = ("StopIteration", "StopAsyncIteration")


class AnswerError(Exception):
    """An error of the other side's that has no twin among Python's own."""


def describe_error(error: BaseException) -> dict:
    """An exception's type, the types that it belongs to, its arguments and its text, as data."""
    try:
        message = str(error)[:MAX_MESSAGE]
    except Exception:
        message = "an error whose text cannot be read"
    plain = all(type(argument) in PLAIN for argument in error.args) and len(error.args) < 6
    return {
        "ename": type(error).__name__,
        "evalue": message,
        "bases": [kind.__name__ for kind in type(error).__mro__[1:]],
        "args": list(error.args) if plain and len(str(error.args)) < MAX_MESSAGE else None,
    }


def local_error(described: dict, own: Mapping[str, Any] | None = None) -> BaseException:
    """An exception of the same name as one of the other side's, so that it may be expected.

    Args:
        described: by ``describe_error`` over there, or whatever was sent instead.
        own: names of this side; exceptions among them are known over there by the same name.
    """
    name, message = str(described.get("ename")), str(described.get("evalue", ""))
    if name == "CannotTravelError":
        return CannotTravelError(message)
    arguments, bases = described.get("args"), described.get("bases")
    plain = isinstance(arguments, list) and all(type(part) in PLAIN for part in arguments)
    for known in [name, *(bases if isinstance(bases, list) else ())]:
        kind = _exception(str(known), own or {})
        if kind is None:
            continue
        if known == name:
            try:
                made = kind(*arguments if plain else [message])
                if str(made) == message:
                    return made
            except Exception:
                # It wants other arguments.
                pass
        return _similar(kind, name, message)
    return _similar(AnswerError, name, message)


def exception_class(names: list[str], own: Mapping[str, Any]) -> type[Exception]:
    """A real class for one of the other side's exceptions, so that tests may expect it.

    Args:
        names: of the class and of those that it comes from.
        own: as for ``local_error``.
    """
    found = (_exception(name, own) for name in names[1:])
    return type(names[0], (next(filter(None, found), Exception),), {})


def _exception(name: str, own: Mapping[str, Any]) -> type[Exception] | None:
    kind = own.get(name) or getattr(builtins, name, None) or getattr(np.linalg, name, None)
    # The end of an iteration would end one of the test's own, `map` or `zip`, without a word.
    if isinstance(kind, type) and issubclass(kind, Exception) and name not in ("Exception", *ENDS):
        return kind
    return None


def _similar(kind: type[Exception], name: str, message: str) -> Exception:
    """An exception of a kind that is called otherwise and says this."""
    body = {"__init__": lambda *_: None, "__str__": lambda _: message}
    return type(name if name.isidentifier() else "AnswerError", (kind,), body)(message)
