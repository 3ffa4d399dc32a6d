"""Exceptions that cross from one process to the other."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

import numpy as np

from autograder.sandbox.inside.errors import PLAIN, CannotTravelError
from autograder.sandbox.inside.protocol import ErrorReport

# The longest message of an exception that is sent, in characters.
MAX_MESSAGE = 2_000

# They would end an iteration of the test's own, `map` or `zip`, without a word.
ENDS = ("StopIteration", "StopAsyncIteration")


class AnswerError(Exception):
    """An error of the other side's that has no counterpart among Python's own."""


def describe_error(error: BaseException) -> ErrorReport:
    """An exception as data, without line and traceback."""
    try:
        message = str(error)[:MAX_MESSAGE]
    except Exception:
        message = "an error whose text cannot be read"
    is_plain = all(type(argument) in PLAIN for argument in error.args) and len(error.args) < 6
    return ErrorReport(
        ename=type(error).__name__,
        evalue=message,
        bases=[kind.__name__ for kind in type(error).__mro__[1:]],
        args=list(error.args) if is_plain and len(str(error.args)) < MAX_MESSAGE else None,
    )


def local_error(report: ErrorReport, own: Mapping[str, Any]) -> BaseException:
    """An exception of the same name as one of the other side's, so that it may be expected.

    Args:
        report: what the other side says of it.
        own: names of this side; exceptions among them have the same name over there.
    """
    name, message = report.ename, report.evalue
    if name == "CannotTravelError":
        return CannotTravelError(message)
    for known in [name, *report.bases]:
        kind = _exception(known, own)
        if kind is None:
            continue
        if known == name:
            try:
                made = kind(*([message] if report.args is None else report.args))
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
    if isinstance(kind, type) and issubclass(kind, Exception) and name not in ("Exception", *ENDS):
        return kind
    return None


def _similar(kind: type[Exception], name: str, message: str) -> Exception:
    """An exception of a class that comes from ``kind``, has this name and says this."""
    body = {"__init__": lambda *_: None, "__str__": lambda _: message}
    similar: Any = type(name if name.isidentifier() else "AnswerError", (kind,), body)
    made: Exception = similar(message)
    return made
