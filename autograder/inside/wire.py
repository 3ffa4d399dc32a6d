"""Values as bytes and back, for two processes that do not trust each other.

Only data passes: plain Python values, arrays (``.npz`` without pickle), Keras models (``.keras`` in
safe mode), random generators (their state), what an iterator gives, numbers of functions that stay
where they are (see ``calls``), and, towards the answers, names of functions that both sides already
have. Nothing that is received is ever unpickled or evaluated.
"""

from __future__ import annotations

import importlib
import io
import itertools
import json
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

MAX_BYTES = 256_000_000
MAX_DEPTH = 50
MAX_ITEMS = 1_000_000
# What is taken from an iterator, which may never end.
MAX_STEPS = 10_000

# Modules whose public functions a test may hand to an answer by name.
SHARED_MODULES = ("numpy", "keras", "tensorflow", "course", "math", "builtins")


class CannotTravelError(TypeError):
    """A value that is not data. The message says what to return instead."""


def encode(
    value: Any,
    names: Mapping[int, str] | None = None,
    lend: Callable[[Any], int | None] | None = None,
) -> bytes:
    """A value as bytes.

    Args:
        value: data, a Keras model, or a container of them.
        names: by ``id``, the objects that travel as names because the other side has them too;
            None, which is what the answers' side passes, lets no names through.
        lend: gives the number of a function that stays here and may be called from there; None
            for what is not to be called. Without it functions are refused.

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
    borrow: Callable[[int], Any] | None = None,
) -> Any:
    """The value that ``encode`` made bytes of.

    Args:
        data: from the other process, which may have written anything.
        lookup: gives the object for a name; without it names are refused.
        borrow: gives something to call for the number of a function over there; without it numbers
            are refused.

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
    def __init__(
        self, names: Mapping[int, str] | None, lend: Callable[[Any], int | None] | None
    ) -> None:
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
        if value is None or kind in (bool, int, float, str):
            return value
        if kind in (list, tuple, set, frozenset):
            return {kind.__name__: [self.encode(item, depth + 1) for item in value]}
        if kind is dict:
            pairs = value.items()
            return {"dict": [[self.encode(part, depth + 1) for part in pair] for pair in pairs]}
        if kind in (bytes, complex, slice, range):
            return _encode_builtin(value)
        if kind is np.ndarray or isinstance(value, np.generic):
            return {"scalar" if isinstance(value, np.generic) else "array": self._array(value)}
        return self._encode_library(value, depth)

    def _array(self, value: Any) -> int:
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise CannotTravelError(
                "An array of Python objects cannot travel: give it a numeric dtype, or use a list."
            )
        if array.dtype.kind == "V":
            # bfloat16 and its kin are no dtypes of NumPy's own, and float32 holds them exactly.
            array = array.astype(np.float32)
        self.arrays.append(array)
        return len(self.arrays) - 1

    def _encode_library(self, value: Any, depth: int) -> Any:
        if isinstance(value, np.ndarray):
            return {"array": self._array(value)}
        if isinstance(value, np.random.Generator):
            return {"generator": self.encode(value.bit_generator.state, depth + 1)}
        if isinstance(value, np.dtype):
            return {"dtype": value.str}
        if self.names is not None and id(value) in self.names:
            return {"name": self.names[id(value)]}
        pandas = sys.modules.get("pandas")
        if pandas and isinstance(value, pandas.DataFrame):
            columns = [self._column(value.iloc[:, i], depth) for i in range(value.shape[1])]
            labels = [self._labels(axis, depth) for axis in (value.columns, value.index)]
            return {"frame": [*labels, columns]}
        if pandas and isinstance(value, pandas.Series):
            name = self.encode(value.name, depth + 1)
            return {"series": [name, self._labels(value.index, depth), self._column(value, depth)]}
        keras, tensorflow = sys.modules.get("keras"), sys.modules.get("tensorflow")
        if keras and isinstance(value, keras.Model):
            self.models.append(_model_bytes(value))
            return {"model": len(self.models) - 1}
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
        number = self.lend(value) if self.lend is not None else None
        if number is not None:
            return {"function": number}
        raise CannotTravelError(_advice(value))

    def _column(self, values: Any, depth: int) -> Any:
        """A column of a data frame: an array, or a list where it holds text."""
        array = values.to_numpy()
        return self.encode(array.tolist() if array.dtype.hasobject else array, depth + 1)

    def _labels(self, index: Any, depth: int) -> list:
        return [self.encode(list(index.names), depth + 1), self._column(index, depth)]

    def _steps(self, iterator: Iterator, depth: int) -> list:
        """What an iterator gives, and whether that is all."""
        items = [self.encode(item, depth + 1) for item in itertools.islice(iterator, MAX_STEPS + 1)]
        return [items[:MAX_STEPS], len(items) <= MAX_STEPS]


def _encode_builtin(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    return {type(value).__name__: [value.start, value.stop, value.step]}


def _advice(value: Any) -> str:
    kind = type(value)
    what = f"a value of type {kind.__module__}.{kind.__qualname__}"
    if callable(value):
        what = "a function or class"
    hints = {
        "History": "return its `history`, which is a dict",
        "EagerTensor": "return an array",
    }
    hint = hints.get(kind.__name__, "return numbers, arrays, text, lists, dicts or a Keras model")
    return f"Tests run in another process than answers, and {what} cannot go there: {hint}."


def shared_name(value: Any) -> str | None:
    """``module:name`` for a public function or class of a library that both sides have."""
    name = getattr(value, "__name__", None)
    if not isinstance(name, str) or not callable(value):
        return None
    module = getattr(value, "__module__", None) or "numpy"
    if module.partition(".")[0] not in SHARED_MODULES:
        return None
    for candidate in (module, "numpy"):
        if getattr(sys.modules.get(candidate), name, None) is value:
            return f"{candidate}:{name}"
    return None


def find_shared(name: str) -> Any:
    """The function or class that ``shared_name`` named."""
    module, _, attribute = name.partition(":")
    if module.partition(".")[0] not in SHARED_MODULES:
        raise CannotTravelError(f"{name} is not shared.")
    return getattr(importlib.import_module(module), attribute)


def _model_bytes(model: Any) -> bytes:
    if not model.built:
        raise CannotTravelError("This Keras model has not been built: give it an input shape.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        try:
            model.save(path)
        except Exception as error:
            raise _not_loadable(error) from None
        return path.read_bytes()


def _load_model(data: bytes) -> Any:
    import keras

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise CannotTravelError("This Keras model is too large.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(data)
        try:
            return keras.saving.load_model(path, safe_mode=True)
        except Exception as error:
            raise _not_loadable(error) from None


def _not_loadable(error: Exception) -> CannotTravelError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return CannotTravelError(
        "This Keras model cannot be saved and loaded again, which the tests need: use Keras's own "
        f"layers, no Lambda layer and no class of your own. ({reason})"
    )


class _Decoder:
    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        models: list[bytes],
        lookup: Callable[[str], Any] | None,
        borrow: Callable[[int], Any] | None,
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
        if tag == "generator":
            generator = np.random.default_rng()
            generator.bit_generator.state = self.decode(content, depth + 1)
            return generator
        if tag == "tfdtype":
            import tensorflow as tf

            return tf.as_dtype(content)
        if tag == "name" and self.lookup is not None:
            return self.lookup(content)
        if tag == "function" and self.borrow is not None:
            return self.borrow(int(content))
        if tag in ("frame", "series"):
            return self._decode_pandas(tag, *content, depth + 1)
        if tag == "iterator":
            items, is_all = content
            return _iterator([self.decode(item, depth + 1) for item in items], is_all)
        raise CannotTravelError(f"The answer gave back something unknown ({tag}).")

    def _decode_pandas(self, tag: str, first: Any, index: list, last: Any, depth: int) -> Any:
        import pandas

        index = self._decode_labels(index, depth)
        if tag == "series":
            return pandas.Series(self.decode(last, depth), index, name=self.decode(first, depth))
        columns = {i: self.decode(column, depth) for i, column in enumerate(last)}
        frame = pandas.DataFrame(columns, index)
        frame.columns = self._decode_labels(first, depth)
        return frame

    def _decode_labels(self, labels: list, depth: int) -> Any:
        import pandas

        names, values = (self.decode(part, depth) for part in labels)
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
}
BUILTINS: dict[str, Callable] = {
    "bytes": bytes.fromhex,
    "complex": lambda parts: complex(*parts),
    "slice": lambda parts: slice(*parts),
    "range": lambda parts: range(*parts),
    "dtype": np.dtype,
}
