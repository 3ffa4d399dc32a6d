"""Keras models as data.

A model that is only layers travels as its configuration and its variables, which is quicker than
Keras's own file by half. Whatever has more to it, an optimizer, a vocabulary, a layer inside of two
others, travels as that file.
"""

from __future__ import annotations

import io
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from autograder.sandbox.inside.channel import MAX_BYTES
from autograder.sandbox.inside.codec import Decoder, Encoder
from autograder.sandbox.inside.errors import CannotTravelError
from course.forms import NOT_BUILT, NOT_LOADABLE


def pack_model(model: Any, encoder: Encoder) -> Any:
    """What is sent of a model.

    Raises:
        CannotTravelError: it is not built, or Keras cannot save it.
    """
    if not model.built:
        raise CannotTravelError(NOT_BUILT)
    try:
        if _is_only_layers(model):
            config = encoder.blob(model.to_json().encode())
            return [config, [encoder.array(value.numpy()) for value in model.variables]]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.keras")
            model.save(path)
            return encoder.blob(path.read_bytes())
    except CannotTravelError:
        raise
    except Exception as error:
        raise _not_loadable(error) from None


def unpack_model(content: Any, decoder: Decoder) -> Any:
    """The model again. Nothing that it was sent with is run: Keras's safe mode refuses it.

    Raises:
        CannotTravelError: it is too large, or Keras cannot load it.
    """
    if isinstance(content, list):
        config, numbers = content
        return _from_layers(decoder.blob(config).decode(), [decoder.array(n) for n in numbers])
    return _from_file(decoder.blob(content))


def _is_only_layers(model: Any) -> bool:
    """Whether a model is told whole by its configuration and its variables."""
    keras = sys.modules["keras"]
    if model.compiled or not type(model).__module__.startswith("keras."):
        return False
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            if not _is_only_layers(layer):
                return False
        elif (
            not type(layer).__module__.startswith("keras.")
            or hasattr(layer, "layers")
            # What these have learned of data is more than their variables.
            or hasattr(layer, "adapt")
            or getattr(layer, "quantization_mode", None) is not None
        ):
            return False
    # What two layers hold, such as a cell, would come out twice.
    held = sum(len(layer.variables) for layer in model.layers)
    return held == len({id(variable) for variable in model.variables})


def _from_layers(config: str, values: list[np.ndarray[Any, Any]]) -> Any:
    import keras

    try:
        model = keras.models.model_from_json(config)
        variables = model.variables
        if [tuple(each.shape) for each in variables] != [value.shape for value in values]:
            raise ValueError("Its variables are not those of its layers.")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    except Exception as error:
        raise _not_loadable(error) from None
    return model


def _from_file(data: bytes) -> Any:
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
    return CannotTravelError(f"{NOT_LOADABLE} ({reason})")
