"""Values as bytes and back, for two processes that do not trust each other.

Only data passes: plain Python values, arrays (``.npz`` without pickle), Keras models (``.keras`` in
safe mode), random generators (their state), what an iterator gives, numbers of functions and
objects that stay where they are (see ``lending``), and, towards the answers, names of functions
that both sides already have. Nothing that is received is ever unpickled or evaluated.

A value becomes JSON, in which ``{"tag": content}`` is anything that JSON does not have, followed by
the arrays and the models that the JSON refers to by number. CODECS says what becomes of which type.
"""

from __future__ import annotations

import collections
import datetime
import io
import itertools
import json
import random
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from autograder.sandbox.inside.channel import MAX_BYTES
from autograder.sandbox.inside.codec import PASS, Codec
from autograder.sandbox.inside.errors import CannotTravelError, advice
from autograder.sandbox.inside.library_values import (
    LIBRARY_CODECS,
    pack_array,
    shared_name,
    unpack_array,
)
from course.forms import OBJECT_ARRAY

MAX_DEPTH = 50
MAX_ITEMS = 1_000_000

# What is taken from an iterator, which may never end.
MAX_STEPS = 10_000


class Lends(Protocol):
    """What of one side may be used from the other without going there."""

    def function(self, value: Any) -> Any:
        """What is said of a function that may be called; None for anything else."""

    def object(self, value: Any, any_class: bool = False) -> Any:
        """What is said of an object that may be used; None for anything else."""


def encode(
    value: Any,
    names: Mapping[int, str] | None = None,
    lend: Lends | None = None,
) -> bytes:
    """A value as bytes.

    Args:
        value: data, a Keras model, or a container of them.
        names: by ``id``, the objects that travel as names because the other side has them too;
            None, which is what the answers' side passes, lets no names through.
        lend: gives numbers to functions and objects that stay here and may be used from there;
            without it they are refused.

    Raises:
        CannotTravelError: the value is something else, or too large.
    """
    encoder = _Encoder(names, lend)
    body = encoder.encode(value)
    arrays = io.BytesIO()
    if encoder.arrays:
        numbered: dict[str, Any] = {f"a{i}": array for i, array in enumerate(encoder.arrays)}
        np.savez(arrays, **numbered)
    parts = [json.dumps(body).encode(), arrays.getvalue(), *encoder.blobs]
    if sum(map(len, parts)) > MAX_BYTES:
        raise CannotTravelError(
            f"This value has more than {MAX_BYTES / 1e6:.0f} MB: return something smaller."
        )
    sizes = struct.pack(f"<I{len(parts)}Q", len(parts), *map(len, parts))
    return sizes + b"".join(parts)


def decode(
    data: bytes,
    lookup: Callable[[str], Any] | None = None,
    borrow: Callable[[str, Any], Any] | None = None,
    masked: Callable[[np.ma.MaskedArray[Any, Any]], Any] | None = None,
) -> Any:
    """The value that ``encode`` made bytes of.

    Args:
        data: from the other process, which may have written anything.
        lookup: gives the object for a name; without it names are refused.
        borrow: gives the stand-in for a "function" or an "object" over there, by what ``lend`` said
            of it; without it they are refused.
        masked: what to take for a masked array; the array itself by default.

    Raises:
        CannotTravelError: the bytes are not what ``encode`` writes.
    """
    try:
        (count,) = struct.unpack_from("<I", data)
        sizes = struct.unpack_from(f"<{count}Q", data, 4)
        offset = 4 + 8 * count
        parts = []
        for size in sizes:
            parts.append(data[offset : offset + size])
            offset += size
        arrays = np.load(io.BytesIO(parts[1]), allow_pickle=False) if parts[1] else {}
        return _Decoder(arrays, parts[2:], lookup, borrow, masked).decode(json.loads(parts[0]))
    except CannotTravelError:
        raise
    except Exception as error:
        raise CannotTravelError(
            f"What the answer gave back could not be read ({type(error).__name__})."
        ) from None


class _Encoder:
    def __init__(self, names: Mapping[int, str] | None, lend: Lends | None) -> None:
        self.names = names
        self.lend = lend
        self.arrays: list[np.ndarray[Any, Any]] = []
        self.blobs: list[bytes] = []
        self.items = 0
        self.depth = -1

    def encode(self, value: Any) -> Any:
        """A value as JSON has it."""
        self.items += 1
        self.depth += 1
        if self.depth > MAX_DEPTH or self.items > MAX_ITEMS:
            raise CannotTravelError("This value is nested too deeply or has too many parts.")
        try:
            return self._encode(value)
        finally:
            self.depth -= 1

    def _encode(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind in (bool, float, str) or (kind is int and abs(value) < 1 << 62):
            return value
        for codec in [EXACT[kind]] if kind in EXACT else INEXACT:
            if codec.exact or codec.fits(value):
                content = codec.pack(value, self)
                if content is not PASS:
                    return {codec.tag: content}
        what = f"a value of type {kind.__module__}.{kind.__qualname__}"
        raise CannotTravelError(advice("a function or class" if callable(value) else what))

    def array(self, value: Any) -> int:
        """The number under which an array travels."""
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise CannotTravelError(OBJECT_ARRAY)
        if array.dtype.kind == "V" and array.dtype.names is None:
            # bfloat16 and its like are not dtypes of NumPy's own, and float32 holds them exactly.
            array = array.astype(np.float32)
        self.arrays.append(array)
        return len(self.arrays) - 1

    def blob(self, data: bytes) -> int:
        """The number under which bytes travel."""
        self.blobs.append(data)
        return len(self.blobs) - 1


class _Decoder:
    def __init__(
        self,
        arrays: Mapping[str, np.ndarray[Any, Any]],
        blobs: list[bytes],
        lookup: Callable[[str], Any] | None,
        borrow: Callable[[str, Any], Any] | None,
        masked: Callable[[np.ma.MaskedArray[Any, Any]], Any] | None,
    ) -> None:
        self.arrays = arrays
        self.blobs = blobs
        self.lookup = lookup
        self.borrow = borrow
        self.masked = masked or (lambda array: array)
        self.items = 0
        self.depth = -1

    def decode(self, body: Any) -> Any:
        """The value that JSON was made of."""
        self.items += 1
        self.depth += 1
        if self.depth > MAX_DEPTH or self.items > MAX_ITEMS:
            raise CannotTravelError("The answer gave back a value that is nested too deeply.")
        try:
            if body is None or isinstance(body, bool | int | float | str):
                return body
            ((tag, content),) = body.items()
            if tag not in BY_TAG:
                raise _unknown(tag)
            return BY_TAG[tag].unpack(content, self)
        finally:
            self.depth -= 1

    def array(self, number: Any) -> np.ndarray[Any, Any]:
        """The array that travelled under a number."""
        return self.arrays[f"a{int(number)}"]

    def blob(self, number: Any) -> bytes:
        """The bytes that travelled under a number."""
        return self.blobs[int(number)]


def _unknown(tag: str) -> CannotTravelError:
    return CannotTravelError(f"The answer gave back something unknown ({tag}).")


# ------------------------------------------------------------------------------ what the rows need


def _container(kind: type, tag: str, rebuild: Callable[[Iterable[Any]], Any]) -> Codec:
    """A type that is made of its items again."""
    return Codec(
        tag,
        (kind,),
        lambda value, encoder: [encoder.encode(item) for item in value],
        lambda content, decoder: rebuild(decoder.decode(item) for item in content),
        exact=True,
    )


def _plain(
    kind: type, tag: str, parts: Callable[[Any], Any], rebuild: Callable[[Any], Any]
) -> Codec:
    """A type whose parts JSON has."""
    return Codec(
        tag, (kind,), lambda value, _: parts(value), lambda content, _: rebuild(content), exact=True
    )


def _through(
    kind: type, tag: str, other: Callable[[Any], Any], rebuild: Callable[[Any], Any]
) -> Codec:
    """A type that is made of a value of another type, which travels."""
    return Codec(
        tag,
        (kind,),
        lambda value, encoder: encoder.encode(other(value)),
        lambda content, decoder: rebuild(decoder.decode(content)),
        exact=True,
    )


def _pack_dict(value: Any, encoder: _Encoder) -> Any:
    return [[encoder.encode(key), encoder.encode(item)] for key, item in value.items()]


def _unpack_dict(content: Any, decoder: _Decoder) -> Any:
    return {decoder.decode(key): decoder.decode(item) for key, item in content}


def _unpack_random(state: Any) -> random.Random:
    generator = random.Random()
    generator.setstate(state)
    return generator


def _pack_known_name(value: Any, encoder: _Encoder) -> Any:
    return PASS if encoder.names is None else encoder.names.get(id(value), PASS)


def _pack_shared_name(value: Any, encoder: _Encoder) -> Any:
    name = None if encoder.names is None else shared_name(value)
    return PASS if name is None else str(name)


def _unpack_name(content: Any, decoder: _Decoder) -> Any:
    if decoder.lookup is None:
        raise _unknown("name")
    return decoder.lookup(content)


def _pack_own_object(value: Any, encoder: _Encoder) -> Any:
    lent = None if encoder.lend is None else encoder.lend.object(value)
    return PASS if lent is None else lent


def _pack_any_object(value: Any, encoder: _Encoder) -> Any:
    lent = None if encoder.lend is None else encoder.lend.object(value, any_class=True)
    return PASS if lent is None else lent


def _unpack_object(content: Any, decoder: _Decoder) -> Any:
    if decoder.borrow is None:
        raise _unknown("object")
    return decoder.borrow("object", content)


def _pack_function(value: Any, encoder: _Encoder) -> Any:
    lent = None if encoder.lend is None else encoder.lend.function(value)
    return PASS if lent is None else lent


def _unpack_function(content: Any, decoder: _Decoder) -> Any:
    if decoder.borrow is None:
        raise _unknown("function")
    return decoder.borrow("function", content)


def _pack_named(value: Any, encoder: _Encoder) -> Any:
    kind = type(value)
    if not hasattr(kind, "_fields"):
        return PASS
    return [kind.__name__, list(kind._fields), encoder.encode(list(value))]


def _unpack_named(content: Any, decoder: _Decoder) -> Any:
    name, fields, values = content
    return collections.namedtuple(name, fields)(*decoder.decode(values))


def _pack_iterator(value: Any, encoder: _Encoder) -> Any:
    """What an iterator gives, and whether that is all."""
    items = [encoder.encode(item) for item in itertools.islice(value, MAX_STEPS + 1)]
    return [items[:MAX_STEPS], len(items) <= MAX_STEPS]


def _unpack_iterator(content: Any, decoder: _Decoder) -> Any:
    items, is_all = content
    return _iterator([decoder.decode(item) for item in items], is_all)


def _iterator(items: Iterable[Any], is_all: bool) -> Iterator[Any]:
    yield from items
    if not is_all:
        raise CannotTravelError(
            f"This iterator gives more than {MAX_STEPS:,} values, and only so many travel."
        )


# ----------------------------------------------------------------------------------- the codecs

# The first row that a value fits is taken.
CODECS: tuple[Codec, ...] = (
    # Values of exactly these types, in any order. A subclass does not pass as its base: it may
    # compare or calculate otherwise.
    _container(list, "list", list),
    _container(tuple, "tuple", tuple),
    _container(set, "set", set),
    _container(frozenset, "frozenset", frozenset),
    _container(collections.deque, "deque", collections.deque),
    Codec("dict", (dict,), _pack_dict, _unpack_dict, exact=True),
    _plain(bytes, "bytes", bytes.hex, bytes.fromhex),
    _plain(bytearray, "bytearray", bytearray.hex, bytearray.fromhex),
    _plain(complex, "complex", lambda z: [z.real, z.imag], lambda parts: complex(*parts)),
    _plain(range, "range", lambda r: [r.start, r.stop, r.step], lambda parts: range(*parts)),
    # Large ones only. Python reads and writes only so many decimal digits.
    _plain(int, "int", hex, lambda text: int(text, 16)),
    _plain(type(...), "ellipsis", lambda _: None, lambda _: ...),
    _plain(
        Fraction,
        "fraction",
        lambda value: [hex(value.numerator), hex(value.denominator)],
        lambda parts: Fraction(*(int(text, 16) for text in parts)),
    ),
    _plain(Decimal, "decimal", str, Decimal),
    _plain(type(Path()), "path", str, Path),
    _plain(datetime.date, "date", datetime.date.isoformat, datetime.date.fromisoformat),
    _plain(datetime.time, "time", datetime.time.isoformat, datetime.time.fromisoformat),
    _plain(
        datetime.datetime,
        "datetime",
        datetime.datetime.isoformat,
        datetime.datetime.fromisoformat,
    ),
    _plain(
        datetime.timedelta,
        "days",
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda parts: datetime.timedelta(*parts),
    ),
    Codec(
        "slice",
        (slice,),
        lambda value, encoder: [encoder.encode(p) for p in (value.start, value.stop, value.step)],
        lambda content, decoder: slice(*(decoder.decode(part) for part in content)),
        exact=True,
    ),
    _through(collections.Counter, "Counter", dict, collections.Counter),
    _through(collections.OrderedDict, "OrderedDict", dict, collections.OrderedDict),
    # What makes a missing value stays where it is.
    _through(
        collections.defaultdict,
        "defaultdict",
        dict,
        lambda pairs: collections.defaultdict(None, pairs),
    ),
    _through(type({}.keys()), "keys", list, lambda items: dict.fromkeys(items).keys()),
    _through(type({}.values()), "values", list, lambda items: dict(enumerate(items)).values()),
    _through(type({}.items()), "items", list, lambda items: dict(items).items()),
    _through(random.Random, "random", random.Random.getstate, _unpack_random),
    Codec(
        "array",
        (np.ndarray,),
        pack_array,
        unpack_array,
        exact=True,
    ),
    # From here on a subclass counts too, and the order matters.
    Codec(
        "scalar",
        (np.generic,),
        pack_array,
        lambda content, decoder: decoder.array(content)[()],
    ),
    # What the other side has under a name is not described to it.
    Codec("name", (object,), _pack_known_name, _unpack_name),
    # An object of the notebook's own class stays, even if it is a library's value too.
    Codec("object", (object,), _pack_own_object, _unpack_object),
    Codec("named", (tuple,), _pack_named, _unpack_named),
    *LIBRARY_CODECS,
    # A library's function is not lent but named, and an iterator or a function is lent as such
    # before it counts as just an object.
    Codec("name", (object,), _pack_shared_name, _unpack_name),
    Codec("iterator", (Iterator,), _pack_iterator, _unpack_iterator),
    Codec("function", (object,), _pack_function, _unpack_function),
    Codec("object", (object,), _pack_any_object, _unpack_object),
)
EXACT = {kind: codec for codec in CODECS if codec.exact for kind in codec.types}
INEXACT = tuple(codec for codec in CODECS if not codec.exact)

# Rows of the same tag unpack alike.
BY_TAG = {codec.tag: codec for codec in CODECS}
