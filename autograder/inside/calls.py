"""Functions that one side lends to the other: it calls them, and data goes to and fro.

A test may hand a function of its own to an answer, and an answer may return a function. Neither
side gets the other's code: it gets something to call, which asks the side that has the function.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from autograder.inside.wire import CannotTravelError

LENDABLE = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    functools.partial,
    type(functools.lru_cache(lambda: None)),
    np.vectorize,
    np.ufunc,
)
MAX_LENT = 10_000
MAX_MESSAGE = 2_000

# Arguments of exceptions that travel as they are.
PLAIN = (str, int, float, bool, type(None))
ENDS = ("StopIteration", "StopAsyncIteration")


class AnswerError(Exception):
    """An error of the other side's that has no twin among Python's own."""


class Lent:
    """Functions of this side by number."""

    def __init__(self) -> None:
        # They are kept, so that no other object gets the id of one.
        self.functions: list[Any] = []
        self.numbers: dict[int, int] = {}

    def lend(self, value: Any) -> int | None:
        """The number of a function from now on; None for what is not one.

        Raises:
            CannotTravelError: too many have been lent.
        """
        if not isinstance(value, LENDABLE):
            return None
        if id(value) not in self.numbers:
            if len(self.functions) >= MAX_LENT:
                raise CannotTravelError("Too many functions went from one process to the other.")
            self.functions.append(value)
            self.numbers[id(value)] = len(self.functions) - 1
        return self.numbers[id(value)]

    def __getitem__(self, number: int) -> Any:
        if not 0 <= number < len(self.functions):
            raise CannotTravelError("A function that has not been lent cannot be called.")
        return self.functions[number]


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
                return kind(*arguments if plain else [message])
            except Exception:
                # It wants other arguments.
                pass
        return _similar(kind, name, message)
    return _similar(AnswerError, name, message)


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


def changeable(value: Any) -> Iterator[Any]:
    """Everything in the arguments of a call that the call may change, in an order that is the same
    on both sides."""
    pandas, keras = sys.modules.get("pandas"), sys.modules.get("keras")
    if isinstance(value, list | dict | set | np.ndarray | np.random.Generator):
        yield value
    elif (pandas and isinstance(value, pandas.DataFrame | pandas.Series)) or (
        keras and isinstance(value, keras.Model)
    ):
        yield value
    if isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            if type(item) not in PLAIN:
                yield from changeable(item)


def describe(function: Any) -> dict:
    """A function's name, docstring and parameters; a default that is not data is an ellipsis."""
    described = {"name": None, "doc": None, "parameters": None}
    name = getattr(function, "__name__", None)
    if type(name) is str:
        described["name"] = name[:1_000]
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
