"""Values of NumPy, pandas, Keras and TensorFlow as data, and functions that both sides have."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np

from autograder.sandbox.inside.codec import PASS, Codec, Decoder, Encoder
from autograder.sandbox.inside.errors import CannotTravelError
from autograder.sandbox.inside.model_values import pack_model, unpack_model
from autograder.sandbox.inside.names import Shared

# Modules whose public functions a test may hand to an answer by name.
SHARED_MODULES = (
    "numpy", "keras", "tensorflow", "course", "math", "builtins", "collections", "operator", "copy",
)  # fmt: skip


def shared_name(value: Any) -> Shared | None:
    """The name of a public function or class of a library that both sides have."""
    name = getattr(value, "__name__", None)
    if not isinstance(name, str) or not callable(value):
        return None
    module = getattr(value, "__module__", None) or "numpy"
    if module.partition(".")[0] not in SHARED_MODULES:
        return None
    for candidate in (module, "numpy"):
        if getattr(sys.modules.get(candidate), name, None) is value:
            return Shared(candidate, name)
    return None


def find_shared(name: Shared) -> Any:
    """The function or class that ``shared_name`` named.

    Raises:
        CannotTravelError: it is in none of SHARED_MODULES.
    """
    if name.module.partition(".")[0] not in SHARED_MODULES:
        raise CannotTravelError(f"{name} is not shared.")
    return getattr(importlib.import_module(name.module), name.name)


# ------------------------------------------------------------------------------------------- NumPy


def pack_array(value: Any, encoder: Encoder) -> Any:
    """What is sent of an array."""
    return encoder.array(value)


def unpack_array(content: Any, decoder: Decoder) -> Any:
    """The array again."""
    return decoder.array(content)


def _pack_masked(value: Any, encoder: Encoder) -> Any:
    return [encoder.array(value.data), encoder.array(np.ma.getmaskarray(value))]


def _unpack_masked(content: Any, decoder: Decoder) -> Any:
    data, mask = (decoder.array(number) for number in content)
    return decoder.masked(np.ma.MaskedArray(data, mask))


def _unpack_generator(content: Any, decoder: Decoder) -> Any:
    generator = np.random.default_rng()
    generator.bit_generator.state = decoder.decode(content)
    return generator


def _unpack_legacy(content: Any, decoder: Decoder) -> Any:
    legacy = np.random.RandomState()
    legacy.set_state(decoder.decode(content))
    return legacy


# ------------------------------------------------------------------------------------------ pandas


def _pack_labels(index: Any, encoder: Encoder) -> list[Any]:
    return [encoder.encode(list(index.names)), _pack_column(index, encoder)]


def _unpack_labels(labels: Any, decoder: Decoder) -> Any:
    import pandas

    names, values = decoder.decode(labels[0]), _unpack_column(labels[1], decoder)
    if len(names) > 1:
        return pandas.MultiIndex.from_tuples(values, names=names)
    return pandas.Index(values, name=names[0])


def _pack_column(values: Any, encoder: Encoder) -> list[Any]:
    """A column of a data frame: the name of a type of pandas's own or None, and an array, or a list
    where the column holds text."""
    if isinstance(values.dtype, np.dtype) or hasattr(values, "levels"):
        array = values.to_numpy()
        return [None, encoder.encode(array.tolist() if array.dtype.hasobject else array)]
    if hasattr(values.dtype, "categories"):
        categories = _pack_labels(values.dtype.categories, encoder)
        codes = values.cat.codes if hasattr(values, "cat") else values.codes
        return ["category", [categories, values.dtype.ordered, encoder.array(np.asarray(codes))]]
    items = values.astype(object).tolist()
    # What is not itself is a missing value, NaN or NaT, for which pandas takes None again.
    items = [None if item is not item else item for item in items]
    return [str(values.dtype), encoder.encode(items)]


def _unpack_column(column: Any, decoder: Decoder) -> Any:
    import pandas

    kind, content = column
    if kind == "category":
        categories, is_ordered, codes = content
        return pandas.Categorical.from_codes(
            decoder.array(codes), _unpack_labels(categories, decoder), bool(is_ordered)
        )
    values = decoder.decode(content)
    return values if kind is None else pandas.array(values, dtype=str(kind))


def _pack_frame(frame: Any, encoder: Encoder) -> Any:
    columns = [_pack_column(frame.iloc[:, i], encoder) for i in range(frame.shape[1])]
    return [_pack_labels(frame.columns, encoder), _pack_labels(frame.index, encoder), columns]


def _unpack_frame(content: Any, decoder: Decoder) -> Any:
    import pandas

    labels, index, columns = content
    data = {i: _unpack_column(column, decoder) for i, column in enumerate(columns)}
    frame = pandas.DataFrame(data, _unpack_labels(index, decoder))
    frame.columns = _unpack_labels(labels, decoder)
    return frame


def _pack_series(series: Any, encoder: Encoder) -> Any:
    index = _pack_labels(series.index, encoder)
    return [encoder.encode(series.name), index, _pack_column(series, encoder)]


def _unpack_series(content: Any, decoder: Decoder) -> Any:
    import pandas

    name, labels, column = content
    index = _unpack_labels(labels, decoder)
    return pandas.Series(_unpack_column(column, decoder), index, name=decoder.decode(name))


def _pack_absent(value: Any, encoder: Encoder) -> Any:
    pandas = sys.modules.get("pandas")
    if pandas is None or not (value is pandas.NA or value is pandas.NaT):
        return PASS
    return value is pandas.NA


def _unpack_absent(content: Any, decoder: Decoder) -> Any:
    import pandas

    return pandas.NA if content else pandas.NaT


def _unpack_timestamp(content: Any, decoder: Decoder) -> Any:
    import pandas

    return pandas.Timestamp(str(content))


def _unpack_timedelta(content: Any, decoder: Decoder) -> Any:
    import pandas

    return pandas.Timedelta(str(content))


# ---------------------------------------------------------------------------- Keras and TensorFlow


def _pack_history(history: Any, encoder: Encoder) -> Any:
    losses = {name: [float(value) for value in values] for name, values in history.history.items()}
    return [encoder.encode(list(history.epoch)), encoder.encode(losses)]


def _unpack_history(content: Any, decoder: Decoder) -> Any:
    import keras

    history = keras.callbacks.History()
    history.epoch, history.history = (decoder.decode(part) for part in content)
    return history


def _unpack_tensor(content: Any, decoder: Decoder) -> Any:
    import tensorflow as tf

    return tf.constant(decoder.array(content))


def _unpack_tensorflow_type(content: Any, decoder: Decoder) -> Any:
    import tensorflow as tf

    return tf.as_dtype(content)


# The first row that a value fits is taken. So "masked" comes before "array", whose subclass it is.
LIBRARY_CODECS = (
    Codec("masked", (np.ma.MaskedArray,), _pack_masked, _unpack_masked),
    Codec(
        "array",
        (np.ndarray,),
        pack_array,
        unpack_array,
    ),
    Codec(
        "generator",
        (np.random.Generator,),
        lambda value, encoder: encoder.encode(value.bit_generator.state),
        _unpack_generator,
    ),
    Codec(
        "legacy",
        (np.random.RandomState,),
        lambda value, encoder: encoder.encode(value.get_state(legacy=False)),
        _unpack_legacy,
    ),
    Codec("dtype", (np.dtype,), lambda value, _: value.str, lambda content, _: np.dtype(content)),
    Codec("frame", ("pandas:DataFrame",), _pack_frame, _unpack_frame),
    Codec("series", ("pandas:Series",), _pack_series, _unpack_series),
    Codec("index", ("pandas:Index",), _pack_labels, _unpack_labels),
    Codec("absent", (object,), _pack_absent, _unpack_absent),
    Codec(
        "timestamp", ("pandas:Timestamp",), lambda value, _: value.isoformat(), _unpack_timestamp
    ),
    Codec(
        "timedelta", ("pandas:Timedelta",), lambda value, _: value.isoformat(), _unpack_timedelta
    ),
    Codec("model", ("keras:Model",), pack_model, unpack_model),
    Codec("history", ("keras:callbacks.History",), _pack_history, _unpack_history),
    Codec(
        "tensor",
        ("keras:Variable", "tensorflow:Tensor", "tensorflow:Variable"),
        lambda value, encoder: encoder.array(value.numpy()),
        _unpack_tensor,
    ),
    Codec(
        "tfdtype",
        ("tensorflow:dtypes.DType",),
        lambda value, _: value.name,
        _unpack_tensorflow_type,
    ),
)
