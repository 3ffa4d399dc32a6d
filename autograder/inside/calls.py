"""Functions that one side lends to the other: it calls them, and data goes to and fro.

A test may hand a function of its own to an answer, and an answer may return a function. Neither
side gets the other's code: it gets something to call, which asks the side that has the function.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import types
from typing import Any

from autograder.inside.wire import CannotTravelError

LENDABLE = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    functools.partial,
)
MAX_LENT = 10_000


class AnswerError(Exception):
    """An error of the other side's that has no twin among Python's own."""


class Lent:
    """Functions of this side by number."""

    def __init__(self) -> None:
        self.functions: list[Any] = []

    def lend(self, value: Any) -> int | None:
        """The number of a function from now on; None for what is not one.

        Raises:
            CannotTravelError: too many have been lent.
        """
        if not isinstance(value, LENDABLE):
            return None
        if len(self.functions) >= MAX_LENT:
            raise CannotTravelError("Too many functions went from one process to the other.")
        self.functions.append(value)
        return len(self.functions) - 1

    def __getitem__(self, number: int) -> Any:
        if not 0 <= number < len(self.functions):
            raise CannotTravelError("A function that has not been lent cannot be called.")
        return self.functions[number]


def local_error(name: str, message: str) -> Exception:
    """An exception of the same name as one of the other side's, so that it may be expected."""
    if name == "CannotTravelError":
        return CannotTravelError(message)
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(message)
        except TypeError:
            pass
    safe = name if name.isidentifier() else "AnswerError"
    return type(safe, (AnswerError,), {})(message)


def describe(function: Any) -> dict:
    """A function's docstring and parameters, as data; a default that is not is an ellipsis."""
    described = {"doc": None, "parameters": None}
    doc = getattr(function, "__doc__", None)
    if type(doc) is str:
        described["doc"] = doc[:10_000]
    try:
        parameters = inspect.signature(function).parameters.values()
        described["parameters"] = [
            [parameter.name, int(parameter.kind), _default(parameter)] for parameter in parameters
        ]
    except (TypeError, ValueError):
        pass
    return described


def _default(parameter: inspect.Parameter) -> list:
    if parameter.default is inspect.Parameter.empty:
        return []
    kind = type(parameter.default)
    return [parameter.default if kind in (bool, int, float, str, type(None)) else "..."]


def signature(parameters: Any) -> inspect.Signature | None:
    """What ``describe`` said of a function's parameters; None if that makes no sense."""
    try:
        return inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    inspect._ParameterKind(kind),
                    default=default[0] if default else inspect.Parameter.empty,
                )
                for name, kind, default in parameters
            ]
        )
    except (TypeError, ValueError, KeyError):
        return None
