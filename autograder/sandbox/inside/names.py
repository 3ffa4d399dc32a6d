"""The names by which one process speaks of what the other one has.

==============  ===================================================================
``mean``        what the answers' notebook calls so
``numpy:tanh``  a function or class of a library that both sides have: module, name
``#3``          the function that was lent under number 3
``@4``          the object that was lent under number 4
``@4.push``     an attribute of that object
``Stack.of``    an attribute of what the answers' notebook calls ``Stack``
==============  ===================================================================

A message holds a name as text. ``parse`` reads it, and ``str`` of what ``parse`` returns writes it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Defined:
    """What the answers' notebook calls so."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Shared:
    """A function or class of a library that both sides have."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


@dataclass(frozen=True)
class LentFunction:
    """A function that stays in the other process, by the number that it was lent under."""

    number: int

    def __str__(self) -> str:
        return f"#{self.number}"


@dataclass(frozen=True)
class LentObject:
    """An object that stays in the other process, by the number that it was lent under."""

    number: int

    def __str__(self) -> str:
        return f"@{self.number}"


@dataclass(frozen=True)
class Attribute:
    """An attribute of an object, or of what the notebook defines."""

    owner: Defined | LentObject
    name: str

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}"


Name = Defined | Shared | LentFunction | LentObject | Attribute


def parse(text: str) -> Name:
    """Read a name.

    Raises:
        ValueError: what follows ``#`` or ``@`` is not a number.
    """
    if ":" in text:
        module, _, name = text.partition(":")
        return Shared(module, name)
    if text.startswith("#"):
        return LentFunction(int(text[1:]))
    owner, _, name = text.partition(".")
    if name:
        return Attribute(_owner(owner), name)
    return _owner(text)


def _owner(text: str) -> Defined | LentObject:
    return LentObject(int(text[1:])) if text.startswith("@") else Defined(text)


def without_number(text: str) -> str:
    """A name without whom it is about, since numbers differ from one run to the next.

    Returns:
        ``.push`` for that attribute of any object or class, ``#`` for any function that was lent,
        and other names as they are.
    """
    match parse(text):
        case Attribute(name=name):
            return f".{name}"
        case LentFunction():
            return "#"
    return text
