"""Functions and objects that one side lends to the other.

A test may hand one of its functions to an answer, and an answer may return a function or an
object. Neither side gets the other's code. It gets something to call, which asks the side that has
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

from autograder.sandbox.inside.classes import class_names, is_own, library_class
from autograder.sandbox.inside.errors import PLAIN, CannotTravelError
from autograder.sandbox.inside.protocol import FunctionDescription

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
MAX_FUNCTIONS = 10_000
MAX_OBJECTS = 100_000

# The longest name and docstring of a function that are sent, in characters.
MAX_NAME, MAX_DOC = 1_000, 10_000


class Lent:
    """Functions and objects of this side by number."""

    def __init__(self, of_answers: bool = False) -> None:
        """Args:
        of_answers: lend objects too, and describe functions. Tests do not describe theirs: the
            default of a parameter may be what is expected.
        """
        # They are kept so that no other object gets the id of one.
        self.functions: list[Any] = []
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.of_answers = of_answers

    def function(self, value: Any) -> int | list[Any] | None:
        """What is sent of a function: its number and, of the answers', what is said of it.

        Returns:
            None for anything that is not a function.

        Raises:
            CannotTravelError: too many have been lent.
        """
        if not isinstance(value, LENDABLE):
            return None
        number = self._number(value, self.functions, MAX_FUNCTIONS, "functions")
        return [number, dict(vars(describe(value)))] if self.of_answers else number

    def object(self, value: Any, any_class: bool = False) -> list[Any] | None:
        """What is sent of an object: its number, the names of its class and of those that this
        comes from, and ``module:name`` of the first of those that is a library's.

        Args:
            value: what may be such an object.
            any_class: whether its class may be a library's; otherwise only the notebook's own are
                taken.

        Returns:
            None for classes, modules and what ``any_class`` excludes.

        Raises:
            CannotTravelError: too many have been lent.
        """
        if not self.of_answers or isinstance(value, type | types.ModuleType):
            return None
        if not (any_class or is_own(type(value))):
            return None
        return [self.keep(value), class_names(type(value)), library_class(type(value))]

    def keep(self, value: Any) -> int:
        """Lend an object, whatever it is, and return its number."""
        return self._number(value, self.objects, MAX_OBJECTS, "objects")

    def has(self, value: Any) -> bool:
        """Whether a function or an object has been lent."""
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
    """Everything in the arguments of a call that the call may change, in the same order on both
    sides.

    Args:
        value: the arguments.
        stays: whether a value is an object of the answers', which does not travel.
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


def describe(function: Any) -> FunctionDescription:
    """What is said of a function; a default that is not a plain value is an ellipsis."""
    name, doc = getattr(function, "__name__", None), getattr(function, "__doc__", None)
    return FunctionDescription(
        name[:MAX_NAME] if type(name) is str else None,
        doc[:MAX_DOC] if type(doc) is str else None,
        _parameters(function),
    )


def _parameters(function: Any) -> list[tuple[str, int, list[Any]]] | None:
    try:
        parameters = inspect.signature(function).parameters.values()
        return [(each.name, int(each.kind), _default(each)) for each in parameters]
    except (TypeError, ValueError):
        return None


def _default(parameter: inspect.Parameter) -> list[Any]:
    if parameter.default is inspect.Parameter.empty:
        return []
    return [parameter.default if type(parameter.default) in PLAIN else "..."]
