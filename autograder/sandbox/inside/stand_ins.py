"""Objects that answers give and that are no data, as the tests see them.

An object stays in the answers' process. What a test does with it (a method, an attribute, an
operator) is done there, and data comes back. Two objects are compared as those of the instructor's
class are: where that is by identity or by fields, whatever the answer's ``__eq__`` says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from autograder.sandbox.inside.classes import IDENTITY, OWN, TUPLE
from autograder.sandbox.inside.errors import CannotTravelError
from autograder.sandbox.inside.lending import signature

if TYPE_CHECKING:
    from autograder.sandbox.inside.answers_process import Answers

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


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name != "__dict__"


class AnswerClass(type):
    """The type of a class of the answers: calling one makes an object over there."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._answers.call(cls._called, args, kwargs)

    def __getattr__(cls, name: str) -> Any:
        if _is_special(name):
            raise AttributeError(name)
        return cls._answers.attribute(cls._called, name)

    def __instancecheck__(cls, value: Any) -> bool:
        return cls.__subclasscheck__(type(value))

    def __subclasscheck__(cls, kind: Any) -> bool:
        return isinstance(kind, AnswerClass) and cls.__name__ in kind._ancestors


class AnswerObject:
    """An object of the answers, by its number."""

    __slots__ = ("__weakref__", "_autograder_number")
    _answers: Answers
    _ancestors: tuple[str, ...]
    _library_class: type | None

    @property
    def __class__(self) -> type:
        # So that `isinstance` is true of a library's class.
        return self._library_class or type(self)

    def __getattr__(self, name: str) -> Any:
        if _is_special(name):
            raise AttributeError(f"{type(self).__name__} has no {name}")
        return self._answers.attribute(f"@{self._autograder_number}", name)

    def __eq__(self, other: Any) -> Any:
        if other is None:
            return False
        how, *fields = self._answers.comparison(self._ancestors)
        if how == OWN:
            return self._answers.call("operator:eq", (self, other), {})
        if how == IDENTITY:
            return self is other
        if not issubclass(type(other), AnswerObject):
            own = tuple(getattr(self, name) for name in fields)
            return own == other if how == TUPLE else NotImplemented
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in fields)

    def __ne__(self, other: Any) -> Any:
        if other is not None and self._answers.comparison(self._ancestors)[0] == OWN:
            return self._answers.call("operator:ne", (self, other), {})
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __iter__(self) -> Iterator:
        return self._answers.steps(self)

    def __next__(self) -> Any:
        return self._answers.next(self)

    def __enter__(self) -> Any:
        return self._answers.attribute(f"@{self._autograder_number}", "__enter__")()

    def __exit__(self, *error: object) -> Any:
        nothing = (None, None, None)
        return self._answers.attribute(f"@{self._autograder_number}", "__exit__")(*nothing)

    def __deepcopy__(self, memo: dict) -> Any:
        return self._answers.call("copy:deepcopy", (self,), {})


def _special(name: str) -> Callable:
    def ask(self: AnswerObject, *args: Any, **kwargs: Any) -> Any:
        return self._answers.call(name, (self, *args), kwargs)

    return ask


def _reflected(name: str) -> Callable:
    def ask(self: AnswerObject, other: Any) -> Any:
        return self._answers.call(name, (other, self), {})

    return ask


for _name, _function in SPECIAL.items():
    setattr(AnswerObject, _name, _special(_function))


for _name in OPERATORS:
    # By these names, since `and` and `or` are words of the language.
    setattr(AnswerObject, f"__{_name}__", _special(f"operator:__{_name}__"))
    setattr(AnswerObject, f"__r{_name}__", _reflected(f"operator:__{_name}__"))


def answer_class(
    answers: Answers,
    called: str,
    ancestors: list[str],
    library_class: Any = None,
    doc: Any = None,
    signature: Any = None,
) -> AnswerClass:
    """A class that stands for one of the answers'.

    Args:
        answers: where it is.
        called: the name that it is found under over there.
        ancestors: its own name, and those of the classes that it comes from.
        library_class: ``module:name`` of the first of those that is a library's.
        doc: its docstring.
        signature: how it is called; None if that is not known.
    """
    known = {"__slots__": (), "_answers": answers, "_called": called}
    known |= {"_library_class": _found(library_class), "_ancestors": tuple(ancestors)}
    known |= {"__doc__": doc if isinstance(doc, str) else None}
    if signature is not None:
        known["__signature__"] = signature
    return AnswerClass(ancestors[0], (AnswerObject,), known)


def _found(library_class: Any) -> type | None:
    """A class of a library that has been imported here; nothing is imported for it."""
    module, _, name = str(library_class).partition(":")
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and found is not object else None


def answer_object(kind: AnswerClass, number: int) -> AnswerObject:
    """The object of that number over there."""
    made = object.__new__(kind)
    object.__setattr__(made, "_autograder_number", number)
    return made


class StandIn:
    """A function of the answers, called from the tests."""

    def __init__(self, name: str, answers: Answers, described: dict) -> None:
        own = described.get("name")
        self.__name__ = self.__qualname__ = own if isinstance(own, str) else name
        doc, known = described.get("doc"), signature(described.get("parameters"))
        self.__doc__ = doc if isinstance(doc, str) else None
        if known is not None:
            self.__signature__ = known
        self._name = name
        self._answers = answers

    def __repr__(self) -> str:
        return f"<the answer {self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._answers.call(self._name, args, kwargs)


class Unusable:
    """An answer that tests cannot use, which says why as soon as one tries."""

    def __init__(self, name: str, reason: str) -> None:
        object.__setattr__(self, "_text", f"{name}: {reason}")

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise CannotTravelError(self._text)

    __call__ = __getitem__ = __iter__ = __len__ = __array__ = _refuse
    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _refuse
    __neg__ = __abs__ = __float__ = __int__ = __round__ = _refuse
    __hash__ = None

    def __getattr__(self, name: str) -> Any:
        raise CannotTravelError(self._text)
