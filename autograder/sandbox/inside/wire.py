"""Values as bytes and back, for two processes that do not trust each other.

Only data passes: plain Python values, arrays (``.npz`` without pickle), Keras models (``.keras`` in
safe mode), random generators (their state), what an iterator gives, numbers of functions and
objects that stay where they are (see ``calls``), and, towards the answers, names of functions that
both sides already have. Nothing that is received is ever unpickled or evaluated.
"""

from __future__ import annotations

import collections
import datetime
import io
import itertools
import json
import random
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from autograder.sandbox.inside.channel import MAX_BYTES
from autograder.sandbox.inside.errors import CannotTravelError, advice
from autograder.sandbox.inside.library_values import (
    _history,
    _load_model,
    _model_bytes,
    _parts,
    shared_name,
)

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
    body = encoder.encode(value, 0)
    blobs: list[bytes] = []
    if encoder.arrays:
        buffer = io.BytesIO()
        np.savez(buffer, **{f"a{i}": array for i, array in enumerate(encoder.arrays)})
        blobs.append(buffer.getvalue())
    else:
        blobs.append(b"")
    blobs += encoder.models
    head = json.dumps(body).encode()
    parts = [head, *blobs]
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
) -> Any:
    """The value that ``encode`` made bytes of.

    Args:
        data: from the other process, which may have written anything.
        lookup: gives the object for a name; without it names are refused.
        borrow: gives what stands for a "function" or an "object" over there, by what ``lend`` said
            of it; without it they are refused.

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
        return _Decoder(arrays, parts[2:], lookup, borrow).decode(json.loads(parts[0]), 0)
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
        self.arrays: list[np.ndarray] = []
        self.models: list[bytes] = []
        self.items = 0

    def encode(self, value: Any, depth: int) -> Any:
        self.items += 1
        if depth > MAX_DEPTH or self.items > MAX_ITEMS:
            raise CannotTravelError("This value is nested too deeply or has too many parts.")
        kind = type(value)
        if value is None or kind in (bool, float, str) or (kind is int and abs(value) < 1 << 62):
            return value
        if kind in (list, tuple, set, frozenset):
            return {kind.__name__: [self.encode(item, depth + 1) for item in value]}
        if kind is dict:
            pairs = value.items()
            return {"dict": [[self.encode(part, depth + 1) for part in pair] for pair in pairs]}
        if kind in BUILTIN_PARTS:
            tag, parts = BUILTIN_PARTS[kind]
            return {tag: parts(value)}
        if kind in MAPPINGS:
            return {MAPPINGS[kind]: self.encode(dict(value), depth + 1)}
        if kind in VIEWS:
            return {VIEWS[kind]: self.encode(list(value), depth + 1)}
        if kind in (slice, collections.deque):
            parts = (
                list(value) if kind is collections.deque else [value.start, value.stop, value.step]
            )
            return {kind.__name__: [self.encode(part, depth + 1) for part in parts]}
        if kind is np.ndarray or isinstance(value, np.generic):
            return {"scalar" if isinstance(value, np.generic) else "array": self._array(value)}
        return self._encode_library(value, depth)

    def _array(self, value: Any) -> int:
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise CannotTravelError(
                "An array of Python objects cannot travel: give it a numeric dtype, or use a list."
            )
        if array.dtype.kind == "V" and array.dtype.names is None:
            # bfloat16 and its kin are no dtypes of NumPy's own, and float32 holds them exactly.
            array = array.astype(np.float32)
        self.arrays.append(array)
        return len(self.arrays) - 1

    def _encode_library(self, value: Any, depth: int) -> Any:
        if self.names is not None and id(value) in self.names:
            return {"name": self.names[id(value)]}
        lent = self.lend.object(value) if self.lend is not None else None
        if lent is not None:
            return {"object": lent}
        if isinstance(value, np.ma.MaskedArray):
            return {"masked": [self._array(value.data), self._array(np.ma.getmaskarray(value))]}
        if isinstance(value, np.ndarray):
            return {"array": self._array(value)}
        if isinstance(value, np.random.Generator):
            return {"generator": self.encode(value.bit_generator.state, depth + 1)}
        if isinstance(value, np.random.RandomState):
            return {"legacy": self.encode(value.get_state(legacy=False), depth + 1)}
        if type(value) is random.Random:
            return {"random": self.encode(value.getstate(), depth + 1)}
        if isinstance(value, tuple) and hasattr(type(value), "_fields"):
            fields = [type(value).__name__, list(type(value)._fields)]
            return {"named": [*fields, self.encode(list(value), depth + 1)]}
        if isinstance(value, np.dtype):
            return {"dtype": value.str}
        pandas = sys.modules.get("pandas")
        if pandas and isinstance(value, pandas.DataFrame):
            columns = [self._column(value.iloc[:, i], depth) for i in range(value.shape[1])]
            labels = [self._labels(axis, depth) for axis in (value.columns, value.index)]
            return {"frame": [*labels, columns]}
        if pandas and isinstance(value, pandas.Series):
            name = self.encode(value.name, depth + 1)
            return {"series": [name, self._labels(value.index, depth), self._column(value, depth)]}
        if pandas and isinstance(value, pandas.Index):
            return {"index": self._labels(value, depth)}
        if pandas and (value is pandas.NA or value is pandas.NaT):
            return {"absent": value is pandas.NA}
        if pandas and isinstance(value, pandas.Timestamp | pandas.Timedelta):
            return {type(value).__name__.lower(): value.isoformat()}
        keras, tensorflow = sys.modules.get("keras"), sys.modules.get("tensorflow")
        if keras and isinstance(value, keras.Model):
            self.models.append(_model_bytes(value))
            return {"model": len(self.models) - 1}
        if keras and isinstance(value, keras.callbacks.History):
            return {"history": [self.encode(part, depth + 1) for part in _parts(value)]}
        if keras and isinstance(value, keras.Variable):
            return {"tensor": self._array(value.numpy())}
        if tensorflow and isinstance(value, tensorflow.Tensor | tensorflow.Variable):
            return {"tensor": self._array(value.numpy())}
        if tensorflow and isinstance(value, tensorflow.dtypes.DType):
            return {"tfdtype": value.name}
        name = shared_name(value) if self.names is not None else None
        if name:
            return {"name": name}
        if isinstance(value, Iterator):
            return {"iterator": self._steps(value, depth)}
        function = self.lend.function(value) if self.lend is not None else None
        if function is not None:
            return {"function": function}
        lent = self.lend.object(value, any_class=True) if self.lend is not None else None
        if lent is not None:
            return {"object": lent}
        kind = type(value)
        name = f"a value of type {kind.__module__}.{kind.__qualname__}"
        raise CannotTravelError(advice("a function or class" if callable(value) else name))

    def _column(self, values: Any, depth: int) -> Any:
        """A column of a data frame: an array, or a list where it holds text, and the name of a
        type of pandas's own."""
        if isinstance(values.dtype, np.dtype) or hasattr(values, "levels"):
            array = values.to_numpy()
            parts = [None, array.tolist() if array.dtype.hasobject else array]
        elif hasattr(values.dtype, "categories"):
            categories = self._labels(values.dtype.categories, depth)
            codes = values.cat.codes if hasattr(values, "cat") else values.codes
            return ["category", [categories, values.dtype.ordered, self._array(np.asarray(codes))]]
        else:
            items = values.astype(object).tolist()
            parts = [str(values.dtype), [None if item is not item else item for item in items]]
        return [parts[0], self.encode(parts[1], depth + 1)]

    def _labels(self, index: Any, depth: int) -> list:
        return [self.encode(list(index.names), depth + 1), self._column(index, depth)]

    def _steps(self, iterator: Iterator, depth: int) -> list:
        """What an iterator gives, and whether that is all."""
        items = [self.encode(item, depth + 1) for item in itertools.islice(iterator, MAX_STEPS + 1)]
        return [items[:MAX_STEPS], len(items) <= MAX_STEPS]


class _Decoder:
    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        models: list[bytes],
        lookup: Callable[[str], Any] | None,
        borrow: Callable[[str, Any], Any] | None,
    ) -> None:
        self.arrays = arrays
        self.models = models
        self.lookup = lookup
        self.borrow = borrow
        self.items = 0

    def decode(self, body: Any, depth: int) -> Any:
        self.items += 1
        if depth > MAX_DEPTH or self.items > MAX_ITEMS:
            raise CannotTravelError("The answer gave back a value that is nested too deeply.")
        if body is None or isinstance(body, bool | int | float | str):
            return body
        ((tag, content),) = body.items()
        if tag in CONTAINERS:
            return CONTAINERS[tag](self.decode(item, depth + 1) for item in content)
        if tag == "dict":
            return {
                self.decode(key, depth + 1): self.decode(item, depth + 1) for key, item in content
            }
        if tag in BUILTINS:
            return BUILTINS[tag](content)
        if tag in REBUILT:
            return REBUILT[tag](self.decode(content, depth + 1))
        return self._decode_library(tag, content, depth)

    def _decode_library(self, tag: str, content: Any, depth: int) -> Any:
        if tag == "array":
            return self.arrays[f"a{int(content)}"]
        if tag == "scalar":
            return self.arrays[f"a{int(content)}"][()]
        if tag == "tensor":
            import tensorflow as tf

            return tf.constant(self.arrays[f"a{int(content)}"])
        if tag == "model":
            return _load_model(self.models[int(content)])
        if tag == "masked":
            data, mask = (self.arrays[f"a{int(number)}"] for number in content)
            return np.ma.MaskedArray(data, mask)
        if tag == "legacy":
            legacy = np.random.RandomState()
            legacy.set_state(self.decode(content, depth + 1))
            return legacy
        if tag == "random":
            generator = random.Random()
            generator.setstate(self.decode(content, depth + 1))
            return generator
        if tag == "named":
            name, fields, values = content
            return collections.namedtuple(name, fields)(*self.decode(values, depth + 1))
        if tag == "generator":
            generator = np.random.default_rng()
            generator.bit_generator.state = self.decode(content, depth + 1)
            return generator
        if tag == "tfdtype":
            import tensorflow as tf

            return tf.as_dtype(content)
        if tag == "name" and self.lookup is not None:
            return self.lookup(content)
        if tag in ("function", "object") and self.borrow is not None:
            return self.borrow(tag, content)
        if tag == "history":
            return _history(*(self.decode(part, depth + 1) for part in content))
        if tag in ("frame", "series"):
            return self._decode_pandas(tag, *content, depth + 1)
        if tag in ("index", "absent", "timestamp", "timedelta"):
            return self._decode_small(tag, content, depth + 1)
        if tag == "iterator":
            items, is_all = content
            return _iterator([self.decode(item, depth + 1) for item in items], is_all)
        raise CannotTravelError(f"The answer gave back something unknown ({tag}).")

    def _decode_pandas(self, tag: str, first: Any, index: list, last: Any, depth: int) -> Any:
        import pandas

        index = self._decode_labels(index, depth)
        if tag == "series":
            values = self._decode_column(last, depth)
            return pandas.Series(values, index, name=self.decode(first, depth))
        columns = {i: self._decode_column(column, depth) for i, column in enumerate(last)}
        frame = pandas.DataFrame(columns, index)
        frame.columns = self._decode_labels(first, depth)
        return frame

    def _decode_column(self, column: list, depth: int) -> Any:
        import pandas

        kind, content = column
        if kind == "category":
            categories, is_ordered, codes = content
            categories = self._decode_labels(categories, depth)
            codes = self.arrays[f"a{int(codes)}"]
            return pandas.Categorical.from_codes(codes, categories, bool(is_ordered))
        values = self.decode(content, depth)
        return values if kind is None else pandas.array(values, dtype=str(kind))

    def _decode_small(self, tag: str, content: Any, depth: int) -> Any:
        import pandas

        if tag == "index":
            return self._decode_labels(content, depth)
        if tag == "absent":
            return pandas.NA if content else pandas.NaT
        return (pandas.Timestamp if tag == "timestamp" else pandas.Timedelta)(str(content))

    def _decode_labels(self, labels: list, depth: int) -> Any:
        import pandas

        names, values = self.decode(labels[0], depth), self._decode_column(labels[1], depth)
        if len(names) > 1:
            return pandas.MultiIndex.from_tuples(values, names=names)
        return pandas.Index(values, name=names[0])


def _iterator(items: Iterable, is_all: bool) -> Iterator:
    yield from items
    if not is_all:
        raise CannotTravelError(
            f"This iterator gives more than {MAX_STEPS:,} values, and only so many travel."
        )


CONTAINERS: dict[str, Callable] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
    "slice": lambda parts: slice(*parts),
}
BUILTINS: dict[str, Callable] = {
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda parts: complex(*parts),
    "range": lambda parts: range(*parts),
    "dtype": np.dtype,
    # Python reads and writes only so many decimal digits.
    "int": lambda text: int(text, 16),
    "ellipsis": lambda _: ...,
    "fraction": lambda parts: Fraction(*(int(text, 16) for text in parts)),
    "decimal": Decimal,
    "path": Path,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "days": lambda parts: datetime.timedelta(*parts),
}

# By type, the tag of a value and what is sent of it.
BUILTIN_PARTS: dict[type, tuple[str, Callable]] = {
    bytes: ("bytes", bytes.hex),
    bytearray: ("bytearray", bytearray.hex),
    complex: ("complex", lambda value: [value.real, value.imag]),
    range: ("range", lambda value: [value.start, value.stop, value.step]),
    int: ("int", hex),
    type(...): ("ellipsis", lambda _: None),
    Fraction: ("fraction", lambda value: [hex(value.numerator), hex(value.denominator)]),
    Decimal: ("decimal", str),
    type(Path()): ("path", str),
    datetime.date: ("date", datetime.date.isoformat),
    datetime.time: ("time", datetime.time.isoformat),
    datetime.datetime: ("datetime", datetime.datetime.isoformat),
    datetime.timedelta: ("days", lambda value: [value.days, value.seconds, value.microseconds]),
}

# Dictionaries of the library's own. What makes a missing value stays where it is.
MAPPINGS = {
    collections.Counter: "Counter",
    collections.OrderedDict: "OrderedDict",
    collections.defaultdict: "defaultdict",
}
VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
REBUILT: dict[str, Callable] = {
    "Counter": collections.Counter,
    "OrderedDict": collections.OrderedDict,
    "defaultdict": lambda pairs: collections.defaultdict(None, pairs),
    "keys": lambda items: dict.fromkeys(items).keys(),
    "values": lambda items: dict(enumerate(items)).values(),
    "items": lambda items: dict(items).items(),
}
