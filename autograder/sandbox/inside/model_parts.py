"""What a Keras model is, as data that another model shares if it computes the same and is set up
alike, however it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

# What differs between two models that were written alike, and what is told in another place.
LEFT_OUT = {"name", "seed", "registered_name", "build_config", "module", "dtype", "batch_shape"}
# Layers that an `activation` of the layer before can replace, with the settings that it has.
ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "ReLU": ("relu", {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
    "Softmax": ("softmax", {"axis": -1}),
}
# The sizes of an input that the model leaves open.
BATCH, LENGTH = 3, 5


class ModelParts:
    """What a model is.

    Attributes:
        layers: the layers in order, those of models within the model too, each with its settings;
            an activation is a layer whichever way it was written.
        compiled: how it is compiled.
        shapes: of each weight the shape and the type, and whether it is trained.
        weights: their values.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.layers = list(_layers(model))
        config = model.get_compile_config() if getattr(model, "compiled", False) else None
        self.compiled = _text(_plain(config))
        self.shapes = [f"{tuple(w.shape)} {w.dtype} {w.trainable}" for w in model.weights]
        self.weights = [np.asarray(weight.numpy()) for weight in model.weights]

    def outputs(self) -> Any:
        """What the model computes with other weights, the same for every model of these shapes, or
        the name of the error that it raises. The model keeps those weights."""
        try:
            return _outputs(self._model)
        except Exception as error:
            return type(error).__name__


def _layers(model: Any) -> Iterator[str]:
    for layer in model.layers:
        kind = type(layer).__name__
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        elif kind != "InputLayer":
            config = _plain(layer.get_config())
            policy = layer.dtype_policy.name
            activation = config.pop("activation", "linear")
            if kind in ACTIVATIONS and config | ACTIVATIONS[kind][1] == config:
                kind, activation = "Activation", ACTIVATIONS[kind][0]
            if kind != "Activation":
                yield f"{kind} {policy} {_text(config)}"
            if activation != "linear":
                yield f"{policy} {_text(activation)}"


def _plain(config: Any) -> Any:
    """A configuration without names and the like."""
    if isinstance(config, dict):
        return {key: _plain(value) for key, value in config.items() if key not in LEFT_OUT}
    return list(map(_plain, config)) if isinstance(config, list | tuple) else config


def _text(config: Any) -> str:
    return json.dumps(config, sort_keys=True, default=str)


def _outputs(model: Any) -> list[Any]:
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            shape = tuple(weight.shape)
            fan_in = int(np.prod(shape[:-1])) if len(shape) > 1 else 4
            values = generator.normal(size=shape) / np.sqrt(max(fan_in, 1))
            # A variance is positive.
            weight.assign(np.abs(values) + 0.5 if "variance" in weight.name else values)
    inputs = []
    for given in model.inputs:
        shape = (BATCH, *(size or LENGTH for size in given.shape[1:]))
        is_float = "float" in str(given.dtype)
        # Whole numbers are often places in a table, which may be small.
        whole = generator.integers(0, 2, size=shape)
        inputs.append(generator.normal(size=shape) if is_float else whole)
    found = []
    # Small and large numbers, and some that are missing.
    for change in (lambda x: x, lambda x: 10 * x, _with_gaps):
        given = [change(x) if x.dtype.kind == "f" else x for x in inputs]
        outputs = model(given[0] if len(given) == 1 else given, training=False)
        many = outputs if isinstance(outputs, list | tuple) else [outputs]
        found += [np.asarray(output, dtype=np.float32) for output in many]
    return found


def _with_gaps(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    missing = np.random.default_rng(1).random(array.shape) < 0.2
    return np.where(missing, np.nan, array)
