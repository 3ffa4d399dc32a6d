"""Functions and objects that one side lends to the other, and data that goes to and fro.

A test may hand a function of its own to an answer, and an answer may return a function or an
object. Neither side gets the other's code: it gets something to call, which asks the side that has
the function.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from autograder.inside.objects import FIELDS, IDENTITY, OWN, TUPLE
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
MAX_OBJECTS = 100_000
MAX_ANCESTORS = 20
MAX_MESSAGE = 2_000

# Where the cells of a notebook define their classes.
NOTEBOOK = "__main__"

# Arguments of exceptions that travel as they are.
PLAIN = (str, int, float, bool, type(None))
ENDS = ("StopIteration", "StopAsyncIteration")


class AnswerError(Exception):
    """An error of the other side's that has no twin among Python's own."""


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


def is_own(kind: type) -> bool:
    """Whether a class is one that the notebook defines."""
    return kind.__dict__.get("__module__") == NOTEBOOK


def class_names(kind: type) -> list[str]:
    """The names of the classes that a class comes from, itself first."""
    return [each.__name__ for each in kind.__mro__[:MAX_ANCESTORS]]


def library_class(kind: type) -> str:
    """``module:name`` of the first class of a library that a class comes from."""
    found = next(each for each in kind.__mro__ if not is_own(each))
    return f"{found.__module__}:{found.__qualname__}"


def comparison(kind: type) -> list[str]:
    """How objects of a class are compared, and the names of the fields that count; see
    ``objects``."""
    compare = kind.__eq__
    if compare is object.__eq__:
        return [IDENTITY]
    if compare is tuple.__eq__ and hasattr(kind, "_fields"):
        return [TUPLE, *kind._fields]
    # What `dataclass` writes is compiled from text.
    is_written = getattr(compare, "__code__", None) and compare.__code__.co_filename == "<string>"
    if is_written and dataclasses.is_dataclass(kind):
        return [FIELDS, *(field.name for field in dataclasses.fields(kind) if field.compare)]
    return [OWN]


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
