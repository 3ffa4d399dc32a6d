"""What a row of ``wire``'s table of codecs is."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

# What ``pack`` gives for a value that it leaves to the rows below.
PASS = object()


class Encoder(Protocol):
    """What packing a value may use."""

    def encode(self, value: Any) -> Any:
        """A part of the value, as JSON has it."""

    def array(self, value: Any) -> int:
        """The number under which an array travels."""

    def blob(self, data: bytes) -> int:
        """The number under which bytes travel."""


class Decoder(Protocol):
    """What unpacking a value may use."""

    def decode(self, body: Any) -> Any:
        """The part of the value that ``Encoder.encode`` made JSON of."""

    def array(self, number: Any) -> np.ndarray[Any, Any]:
        """The array that travelled under a number."""

    def blob(self, number: Any) -> bytes:
        """The bytes that travelled under a number."""

    def masked(self, array: np.ma.MaskedArray[Any, Any]) -> Any:
        """What is taken for a masked array."""


@dataclass(frozen=True)
class Codec:
    """How values of some types travel.

    Attributes:
        tag: what they are called on the way.
        types: the types, as themselves or as ``module:name``, which is nothing until that module
            has been imported.
        pack: what JSON has of a value, or PASS.
        unpack: the value again. What it is given may be anything; any error that it raises means
            that it cannot be read.
        exact: whether a subclass does not count.
    """

    tag: str
    types: tuple[type | str, ...]
    pack: Callable[[Any, Any], Any]
    unpack: Callable[[Any, Any], Any]
    exact: bool = False

    def fits(self, value: Any) -> bool:
        """Whether a value is of one of the types or of a subclass."""
        return any(isinstance(value, _found(kind)) for kind in self.types)


def _found(kind: type | str) -> type | tuple[()]:
    if isinstance(kind, type):
        return kind
    module, _, path = kind.partition(":")
    library = sys.modules.get(module)
    found: type | tuple[()] = () if library is None else operator.attrgetter(path)(library)
    return found
