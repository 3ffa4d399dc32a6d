"""Keras models that several lessons need, whose outputs stay in float32 under every dtype policy.

A network's last numbers decide the loss: in float16 a logit over 65,504 is infinite, and a small
probability is zero. So the output layer computes in float32, and so does a loss that reads it.
All models return logits: train them with ``from_logits=True``.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers


def _logits(size: int) -> layers.Layer:
    return layers.Dense(size, dtype="float32", name="logits")


def mlp(
    input_shape: Sequence[int],
    outputs: int,
    hidden: Sequence[int] = (64, 64),
    activation: str = "relu",
    dropout: float = 0.0,
) -> keras.Model:
    """A multilayer perceptron.

    Args:
        input_shape: the shape of one example, such as ``(30,)`` or ``(8, 8, 1)``; the example is
            flattened.
        outputs: the number of logits.
        hidden: the units of each hidden layer, two layers of 64 by default.
        activation: the activation of the hidden layers, ``"relu"`` by default.
        dropout: the share of each hidden layer's units that is dropped in training, 0 by default.

    Returns:
        a model from ``(batch, *input_shape)`` to float32 logits ``(batch, outputs)``.
    """
    inputs = keras.Input(tuple(input_shape))
    x = layers.Flatten()(inputs)
    for units in hidden:
        x = layers.Dense(units, activation=activation)(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, _logits(outputs)(x), name="mlp")


def language_model(
    vocabulary: int, units: int = 128, embedding: int = 64, cell: str = "gru"
) -> keras.Model:
    """A recurrent language model: after each symbol, logits for the next.

    Args:
        vocabulary: the number of symbols.
        units: the size of the recurrent state, 128 by default.
        embedding: the size of a symbol's vector, 64 by default.
        cell: the kind of cell: ``"simple"``, ``"gru"``, the default, or ``"lstm"``.

    Returns:
        a model from integers (batch, time) to float32 logits (batch, time, vocabulary).

    Raises:
        ValueError: the cell is unknown.
    """
    cells = {"simple": layers.SimpleRNN, "gru": layers.GRU, "lstm": layers.LSTM}
    if cell not in cells:
        raise ValueError(f"cell={cell!r} is unknown: choose one of {', '.join(map(repr, cells))}.")
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(vocabulary, embedding)(inputs)
    x = cells[cell](units, return_sequences=True)(x)
    return keras.Model(inputs, _logits(vocabulary)(x), name="language_model")
