"""What is said of classes that one process has and the other does not."""

from __future__ import annotations

import dataclasses
from typing import Any

MAX_ANCESTORS = 20

# Where the cells of a notebook define their classes.
NOTEBOOK = "__main__"

# How objects of a class are compared: as its own ``__eq__`` says, by identity, or by their fields.
OWN, IDENTITY, FIELDS, TUPLE = COMPARISONS = ("own", "identity", "fields", "tuple")


def is_own(kind: type) -> bool:
    """Whether a class is one that the notebook defines."""
    return kind.__dict__.get("__module__") == NOTEBOOK


def class_names(kind: type) -> list[str]:
    """The names of the classes that a class comes from, itself first; at most MAX_ANCESTORS."""
    return [each.__name__ for each in kind.__mro__[:MAX_ANCESTORS]]


def library_class(kind: type) -> str:
    """``module:name`` of the first class of a library that a class comes from."""
    found = next(each for each in kind.__mro__ if not is_own(each))
    return f"{found.__module__}:{found.__qualname__}"


def comparison(kind: type) -> list[str]:
    """How objects of a class are compared.

    Returns:
        One of COMPARISONS and, for FIELDS and TUPLE, the names of the fields that count.
    """
    compare: Any = kind.__eq__
    if compare is object.__eq__:
        return [IDENTITY]
    if compare is tuple.__eq__ and hasattr(kind, "_fields"):
        return [TUPLE, *kind._fields]
    # What `dataclass` writes is compiled from text.
    code = getattr(compare, "__code__", None)
    if code and code.co_filename == "<string>" and dataclasses.is_dataclass(kind):
        return [FIELDS, *(field.name for field in dataclasses.fields(kind) if field.compare)]
    return [OWN]
