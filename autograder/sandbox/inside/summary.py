"""What values look like when they are compared with those of another run.

A summary is JSON. It forgets what does not matter to somebody who reads the values (list or array,
the dtype, the names that Keras gives), keeps small arrays whole, and of large ones a sketch that
two arrays share only if they are equal but for rounding. Outside the sandbox
``grading.summaries`` compares two of them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import sys
from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np

from autograder.sandbox.inside.model_parts import ModelParts

Summary = Any

# The numbers of an array that are kept whole, of a reply and of an argument.
WHOLE, BRIEF = 256, 16
# A sketch: numbers that are kept, sums with random signs, and the most numbers that it looks at.
SAMPLES, SUMS, LOOKED_AT = 32, 8, 1_000_000
MAX_TEXT, MAX_STEPS = 200, 1_000


@dataclasses.dataclass(frozen=True)
class Elsewhere:
    """What stays in the other process or is known there by name: a function, a class or an object.

    Attributes:
        kind: "function", "object" or "name".
        text: of a name, the name; of an object, the library's class that it is one of.
    """

    kind: str
    text: str = ""


def summarise(value: Any, whole: int = WHOLE) -> Summary:
    """A value's summary.

    Args:
        value: what ``wire.decode`` gives, with ``Elsewhere`` for what stays where it is.
        whole: an array with more numbers is sketched.
    """
    return _Summaries(whole).summarise(value)


class _Summaries:
    def __init__(self, whole: int) -> None:
        self.whole = whole

    def summarise(self, value: Any) -> Summary:
        array = _as_array(value)
        if array is not None:
            return self._array(array)
        match value:
            case None:
                return ["None"]
            case str():
                return ["text", _short(value)]
            case bytes() | bytearray():
                return ["bytes", _short(bytes(value).hex())]
            case Elsewhere(kind, text):
                return ["elsewhere", kind, text]
            case Mapping():
                pairs = [[self.summarise(key), self.summarise(value[key])] for key in value]
                return ["dict", *(["pair", *pair] for pair in sorted(pairs, key=json.dumps))]
            case Set():
                return ["set", *sorted(map(self.summarise, value), key=json.dumps)]
            case np.ndarray():
                return self._odd_array(value)
            case list() | tuple():
                return ["list", *map(self.summarise, value)]
            case Iterator():
                return ["list", *map(self.summarise, itertools.islice(value, MAX_STEPS))]
            case np.random.Generator():
                return ["generator", *self.summarise(value.bit_generator.state)[1:]]
        return self._of_a_library(value)

    def _of_a_library(self, value: Any) -> Summary:
        pandas, keras = sys.modules.get("pandas"), sys.modules.get("keras")
        if pandas is not None:
            if isinstance(value, pandas.DataFrame):
                columns = [self.summarise(value.iloc[:, i]) for i in range(value.shape[1])]
                return ["frame", self.summarise(list(value.columns)), *columns]
            if isinstance(value, pandas.Series):
                index, items = self.summarise(value.index), self._items(value)
                return ["series", index, self.summarise(items)]
            if isinstance(value, pandas.Index):
                return self.summarise(self._items(value))
        if keras is not None:
            if isinstance(value, keras.Model):
                return ["model"] if self.whole < WHOLE else _model(value)
            if isinstance(value, keras.callbacks.History):
                return ["history", self.summarise(value.history)]
        return ["other", type(value).__name__, _short(repr(value))]

    def _items(self, column: Any) -> Any:
        numbers = getattr(column.dtype, "kind", "O") in "biuf" and isinstance(
            column.dtype, np.dtype
        )
        return column.to_numpy() if numbers else column.astype(object).tolist()

    def _odd_array(self, array: np.ndarray[Any, Any]) -> Summary:
        if isinstance(array, np.ma.MaskedArray):
            return [
                "masked",
                self._array(np.asarray(array.data)),
                self._array(np.asarray(array.mask)),
            ]
        if array.dtype.names:
            return ["fields", *(["field", n, self.summarise(array[n])] for n in array.dtype.names)]
        if array.dtype.kind in "mM":
            return [array.dtype.str, self._array(array.view(np.int64))]
        if array.dtype.kind == "c":
            return ["complex", self._array(array.real), self._array(array.imag)]
        if array.size > self.whole:
            return ["texts", list(array.shape), _digest(array.tobytes())]
        return ["list", *map(self.summarise, array.ravel().tolist())]

    def _array(self, array: np.ndarray[Any, Any]) -> Summary:
        kind = "exact" if array.dtype.kind in "biu" else "half" if array.itemsize < 4 else "float"
        shape = list(array.shape)
        if array.size <= self.whole:
            return ["numbers", kind, shape, _numbers(array)]
        flat, generator = array.ravel(), np.random.default_rng(array.size)
        if flat.size > LOOKED_AT:
            flat = flat[generator.integers(0, flat.size, LOOKED_AT)]
        samples = flat[generator.integers(0, flat.size, SAMPLES)]
        numbers = flat.astype(np.float64)
        finite = np.isfinite(numbers)
        # So that no single large number hides all others.
        small = np.arcsinh(np.where(finite, numbers, 0.0))
        odd = np.where(finite, 0.0, np.where(np.isnan(numbers), 1.0, np.sign(numbers) * 2.0 + 0.5))
        sums = np.empty((2, SUMS))
        for number in range(SUMS):
            signs = generator.integers(0, 2, flat.size, dtype=np.int8) * 2.0 - 1.0
            sums[:, number] = signs @ small, signs @ odd
        scale = math.sqrt(float(np.mean(small**2)))
        return [
            "sketch", kind, shape, _numbers(samples), _numbers(np.array(scale))[0],
            _numbers(sums[0] / math.sqrt(flat.size)), _numbers(sums[1]),
        ]  # fmt: skip


def _model(model: Any) -> Summary:
    brief = _Summaries(BRIEF).summarise
    parts = ModelParts(model)
    return [
        "model", ["list", *map(brief, parts.layers)], brief(parts.compiled), brief(parts.shapes),
        ["weights", *map(brief, parts.weights)], brief(parts.outputs()),
    ]  # fmt: skip


def _as_array(value: Any) -> np.ndarray[Any, Any] | None:
    """Numbers, in whatever container, as an array; None for anything else."""
    if type(value) in (bool, int, float):
        return np.asarray(value) if type(value) is not int or abs(value) < 1 << 62 else None
    if isinstance(value, np.ndarray | np.generic):
        is_plain = value.dtype.kind in "biuf" and not isinstance(value, np.ma.MaskedArray)
        return np.asarray(value) if is_plain else None
    if type(value).__module__.partition(".")[0] == "tensorflow" and hasattr(value, "numpy"):
        return _as_array(value.numpy())
    if type(value) not in (list, tuple):
        return None
    if not value:
        return np.zeros(0)
    parts: list[np.ndarray[Any, Any]] = []
    for item in value:
        part = _as_array(item)
        if part is None or (parts and part.shape != parts[0].shape):
            return None
        parts.append(part)
    return np.stack(parts)


def _numbers(array: np.ndarray[Any, Any]) -> list[Any]:
    if array.dtype.kind in "biu":
        return [int(number) for number in array.ravel()]
    return [float(f"{float(number):.9g}") for number in array.ravel()]


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else _digest(text.encode("utf-8", "replace"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
