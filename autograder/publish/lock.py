"""The lock file: what it pins, and the part of it that some packages need.

uv notes below each pin which packages asked for it (``# via``), for all systems and Pythons at
once. So the lock alone tells what belongs to a package, whatever machine this is and whatever is
installed on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from autograder.errors import CourseError

_PIN = re.compile(r"(([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[.*?\])?==[^\\\n]+?)\s*\\?$", re.MULTILINE)
_NEXT_PIN = re.compile(r"^(?=[A-Za-z0-9])", re.MULTILINE)
_VIA = re.compile(r"^ +# via (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Pin:
    """One package of a lock.

    Attributes:
        name: of the package, in its canonical form.
        requirement: version and marker, such as ``appnope==1.0.0 ; sys_platform == 'darwin'``.
        text: its lines in the lock, with hashes.
        wanted_by: the canonical names of the packages that asked for it.
    """

    name: str
    requirement: str
    text: str
    wanted_by: frozenset[str]


def read_pins(lock: str) -> list[Pin]:
    """The pins of a lock file's text, in its order.

    Raises:
        CourseError: a line pins no version.
    """
    pins = []
    for text in _NEXT_PIN.split(lock)[1:]:
        if (pin := _PIN.match(text)) is None:
            raise CourseError(f"The lock has a line that pins nothing: {text.splitlines()[0]}")
        via = _VIA.search(text)
        wanted_by = via[1].split(", ") if via else []
        pins.append(
            Pin(
                canonicalize_name(pin[2]),
                pin[1],
                text,
                frozenset(map(canonicalize_name, wanted_by)),
            )
        )
    return pins


def restrict(lock: str, names: Iterable[str]) -> str:
    """The text of a lock with what some packages need, and nothing else.

    Args:
        lock: the text of the whole.
        names: the packages.

    Raises:
        CourseError: the lock does not pin one of them.
    """
    pins = read_pins(lock)
    needed: set[str] = set()
    found: set[str] = {canonicalize_name(name) for name in names}
    if missing := found - {pin.name for pin in pins}:
        raise CourseError(f"The lock does not pin {', '.join(sorted(missing))}: run `make lock`.")
    while found:
        needed |= found
        found = {pin.name for pin in pins if pin.wanted_by & found} - needed
    head = _NEXT_PIN.split(lock)[0]
    return head + "".join(pin.text for pin in pins if pin.name in needed)
