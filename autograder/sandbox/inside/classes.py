"""What is said of classes that one process has and the other does not."""

from __future__ import annotations

import dataclasses

MAX_ANCESTORS = 20

# Where the cells of a notebook define their classes.
NOTEBOOK = "__main__"


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


# How objects of a class are compared: as its own ``__eq__`` says, by identity, or by their fields.
OWN, IDENTITY, FIELDS, TUPLE = "own", "identity", "fields", "tuple"
