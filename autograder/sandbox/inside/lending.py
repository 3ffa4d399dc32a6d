"""Functions and objects that one side lends to the other, and data that goes to and fro.

A test may hand a function of its own to an answer, and an answer may return a function or an
object. Neither side gets the other's code: it gets something to call, which asks the side that has
the function.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograder.sandbox.inside.classes import (
    class_names,
    is_own,
    library_class,
)
from autograder.sandbox.inside.errors import PLAIN, CannotTravelError

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
MAX_OBJECTS = 100_000


class Lent:
    """Functions and objects of this side by number."""

    def __init__(self, of_answers: bool = False) -> None:
        """Nothing is lent yet.

        Args:
            of_answers: objects may be lent too, and functions are described. Tests say nothing
                else of theirs: the default of a parameter may be what is expected.
        """
        # They are kept, so that no other object gets the id of one.
        self.functions: list[Any] = []
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.of_answers = of_answers

    def function(self, value: Any) -> int | list | None:
        """The number of a function from now on, and what is said of it; None for what is none.

        Raises:
            CannotTravelError: too many have been lent.
        """
        if not isinstance(value, LENDABLE):
            return None
        number = self._number(value, self.functions, MAX_LENT, "functions")
        return [number, describe(value)] if self.of_answers else number

    def object(self, value: Any, any_class: bool = False) -> list | None:
        """The number of an object, the names of its classes, and where a library has the first of
        those that are its; None for what is none.

        Args:
            value: what may be one.
            any_class: take an object of a library's class too.

        Raises:
            CannotTravelError: too many have been lent.
        """
        if not self.of_answers or isinstance(value, type | types.ModuleType):
            return None
        if not (any_class or is_own(type(value))):
            return None
        return [self.keep(value), class_names(type(value)), library_class(type(value))]

    def keep(self, value: Any) -> int:
        """The number of an object from now on."""
        return self._number(value, self.objects, MAX_OBJECTS, "objects")

    def has(self, value: Any) -> bool:
        """Whether something has been lent."""
        return id(value) in self.numbers

    def _number(self, value: Any, kept: list[Any], most: int, what: str) -> int:
        if id(value) not in self.numbers:
            if len(kept) >= most:
                raise CannotTravelError(f"Too many {what} went from one process to the other.")
            kept.append(value)
            self.numbers[id(value)] = len(kept) - 1
        return self.numbers[id(value)]

    def __getitem__(self, number: int) -> Any:
        if not 0 <= number < len(self.functions):
            raise CannotTravelError("A function that has not been lent cannot be called.")
        return self.functions[number]


def changeable(value: Any, stays: Callable[[Any], bool]) -> Iterator[Any]:
    """Everything in the arguments of a call that the call may change, in an order that is the same
    on both sides.

    Args:
        value: the arguments.
        stays: whether something is an object of the answers', which does not travel.
    """
    if stays(value):
        return
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
                yield from changeable(item, stays)


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
