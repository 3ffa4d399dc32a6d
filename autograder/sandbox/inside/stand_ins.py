"""Functions, classes and objects of the answers that are not data, as the tests see them.

An object stays in the answers' process. What a test does with it (a method, an attribute, an
operator) is done there, and data comes back. Two objects are compared in the way that objects of
the instructor's class are: if that is by identity or by fields, the answer's ``__eq__`` is not
asked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, Protocol, cast

from autograder.sandbox.inside.classes import IDENTITY, OWN, TUPLE
from autograder.sandbox.inside.errors import CannotTravelError
from autograder.sandbox.inside.names import Defined, LentObject
from autograder.sandbox.inside.protocol import Description, FunctionDescription

OPERATORS = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul",
    "and", "or", "xor", "lshift", "rshift",
)  # fmt: skip

# What Python asks an object for, and the function that asks it.
SPECIAL = {
    **{f"__{name}__": f"operator:{name}" for name in ("lt", "le", "gt", "ge")},
    **{f"__{name}__": f"operator:{name}" for name in ("neg", "pos", "abs", "invert", "index")},
    **{f"__{name}__": f"operator:{name}" for name in ("contains", "getitem", "setitem", "delitem")},
    **{f"__{name}__": f"builtins:{name}" for name in ("len", "reversed", "hash")},
    **{f"__{name}__": f"builtins:{name}" for name in ("str", "repr", "format", "round")},
    **{f"__{name}__": f"builtins:{name}" for name in ("int", "float", "complex")},
    **{f"__{name}__": f"builtins:{name}" for name in ("setattr", "delattr")},
    "__bool__": "operator:truth",
    "__call__": "operator:call",
    "__copy__": "copy:copy",
}


class Owner(Protocol):
    """The process that functions, classes and objects stay in."""

    def call(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What a function returns, by its name over there (see ``names``)."""

    def attribute(self, owner: Defined | LentObject, name: str) -> Any:
        """An attribute of an object or a class; a method is something to call."""

    def comparison(self, ancestors: Sequence[str]) -> list[str]:
        """How objects of a class are compared, by the names of the classes that it comes from."""

    def steps(self, iterable: AnswerObject) -> Iterator[Any]:
        """What iterating over an object gives."""

    def next(self, iterator: AnswerObject) -> Any:
        """What an iterator gives next."""


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name != "__dict__"


class AnswerClass(type):
    """The type of the stand-ins for classes of the answers: calling one makes an object there."""

    _owner: Owner
    _called: Defined
    _ancestors: tuple[str, ...]

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._owner.call(str(cls._called), args, kwargs)

    def __getattr__(cls, name: str) -> Any:
        if _is_special(name):
            raise AttributeError(name)
        return cls._owner.attribute(cls._called, name)

    def __instancecheck__(cls, value: Any) -> bool:
        return cls.__subclasscheck__(type(value))

    def __subclasscheck__(cls, kind: Any) -> bool:
        return isinstance(kind, AnswerClass) and cls.__name__ in kind._ancestors  # noqa: SLF001 - it is its own class's


class AnswerObject:
    """A stand-in for an object of the answers, which it knows by number."""

    __slots__ = ("__weakref__", "_autograder_number")
    _autograder_number: int
    _owner: Owner
    _ancestors: tuple[str, ...]
    _library_class: type | None

    @property  # type: ignore[misc]  # it is only read
    def __class__(self) -> type:
        # So that `isinstance` is true of a library's class.
        return self._library_class or type(self)

    def __getattr__(self, name: str) -> Any:
        if _is_special(name):
            raise AttributeError(f"{type(self).__name__} has no {name}")
        return self._owner.attribute(LentObject(self._autograder_number), name)

    def __eq__(self, other: Any) -> Any:
        if other is None:
            return False
        how, *fields = self._owner.comparison(self._ancestors)
        if how == OWN:
            return self._owner.call("operator:eq", (self, other), {})
        if how == IDENTITY:
            return self is other
        if not is_answer_object(other):
            own = tuple(getattr(self, name) for name in fields)
            return own == other if how == TUPLE else NotImplemented
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in fields)

    def __ne__(self, other: Any) -> Any:
        if other is not None and self._owner.comparison(self._ancestors)[0] == OWN:
            return self._owner.call("operator:ne", (self, other), {})
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __iter__(self) -> Iterator[Any]:
        return self._owner.steps(self)

    def __next__(self) -> Any:
        return self._owner.next(self)

    def __enter__(self) -> Any:
        return self._owner.attribute(LentObject(self._autograder_number), "__enter__")()

    def __exit__(self, *error: object) -> Any:
        nothing = (None, None, None)
        return self._owner.attribute(LentObject(self._autograder_number), "__exit__")(*nothing)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self._owner.call("copy:deepcopy", (self,), {})


def _special(name: str) -> Callable[..., Any]:
    def ask(self: AnswerObject, *args: Any, **kwargs: Any) -> Any:
        return self._owner.call(name, (self, *args), kwargs)

    return ask


def _reflected(name: str) -> Callable[..., Any]:
    def ask(self: AnswerObject, other: Any) -> Any:
        return self._owner.call(name, (other, self), {})

    return ask


for _name, _function in SPECIAL.items():
    setattr(AnswerObject, _name, _special(_function))


for _name in OPERATORS:
    # By these names, since `and` and `or` are words of the language.
    setattr(AnswerObject, f"__{_name}__", _special(f"operator:__{_name}__"))
    setattr(AnswerObject, f"__r{_name}__", _reflected(f"operator:__{_name}__"))


def answer_class(owner: Owner, called: str, described: Description) -> AnswerClass:
    """A stand-in for a class of the answers.

    Args:
        owner: the process that has it.
        called: the name that it is found under there.
        described: what is said of it.
    """
    known: dict[str, Any] = {
        "__slots__": (),
        "__doc__": described.doc,
        "_owner": owner,
        "_called": Defined(called),
        "_ancestors": tuple(described.ancestors),
        "_library_class": _found(described.library_class),
    }
    signature = described.signature()
    if signature is not None:
        known["__signature__"] = signature
    return AnswerClass(described.ancestors[0], (AnswerObject,), known)


def _found(library_class: str) -> type | None:
    """A class of a library that has been imported here; nothing is imported for it."""
    module, _, name = library_class.partition(":")
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and found is not object else None


def answer_object(kind: AnswerClass, number: int) -> AnswerObject:
    """A stand-in for the object that was lent under a number."""
    made = object.__new__(cast(type[AnswerObject], kind))
    object.__setattr__(made, "_autograder_number", number)
    return made


def is_answer_object(value: Any) -> bool:
    """Whether a value is such a stand-in; ``isinstance`` would believe what it says of itself."""
    return issubclass(type(value), AnswerObject)


class AnswerFunction:
    """A stand-in for a function of the answers."""

    def __init__(self, owner: Owner, name: str, described: FunctionDescription) -> None:
        """Args:
        owner: the process that has it.
        name: what it is called there, see ``names``.
        described: what is said of it.
        """
        self.__name__ = self.__qualname__ = described.name or name
        self.__doc__ = described.doc
        signature = described.signature()
        if signature is not None:
            self.__signature__ = signature
        self._name = name
        self._owner = owner

    def __repr__(self) -> str:
        return f"<the answer {self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._owner.call(self._name, args, kwargs)


class Unusable:
    """An answer that tests cannot use. It says why as soon as one tries."""

    def __init__(self, name: str, reason: str) -> None:
        object.__setattr__(self, "_text", f"{name}: {reason}")

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise CannotTravelError(self._text)

    __call__ = __getitem__ = __iter__ = __len__ = __array__ = _refuse
    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _refuse
    __neg__ = __abs__ = __float__ = __int__ = __round__ = _refuse
    __hash__ = None  # type: ignore[assignment]  # Python's way to say so

    def __getattr__(self, name: str) -> NoReturn:
        raise CannotTravelError(self._text)
