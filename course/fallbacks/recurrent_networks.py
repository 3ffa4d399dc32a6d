"""Stand-ins for the answers of the lesson on recurrent networks; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

Pair = tuple[np.ndarray, np.ndarray]
Trained = tuple[keras.Model, keras.callbacks.History]


def back_through_time(states: np.ndarray, u: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The gradient with respect to each state, (time, units); that of the last is g (units,)."""
    if len(states) == 1:
        return np.array([g], "float64")
    # The last two steps first: what comes before them ends at the earlier of the two.
    earlier = u @ (g - g * states[-1] * states[-1])
    return np.vstack([back_through_time(states[:-1], u, earlier), g])


def gru_step(x: Any, h: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    """The next state (batch, units) of a GRU whose weights are laid out as Keras's."""
    size = ops.shape(h)[-1]
    read, held = ops.matmul(x, kernel) + bias[0], ops.matmul(h, recurrent) + bias[1]
    gates = ops.sigmoid(read[:, : 2 * size] + held[:, : 2 * size])
    fresh = ops.tanh(read[:, 2 * size :] + gates[:, size:] * held[:, 2 * size :])
    return fresh + gates[:, :size] * (h - fresh)


def sequence_classifier(features: int, classes: int, units: int, dropout: float) -> keras.Model:
    """From sequences (batch, time, features), padded with zeros, to logits (batch, classes)."""
    stack: list[Any] = [keras.Input(shape=(None, features)), keras.layers.Masking()]
    for is_first in (True, False):
        lstm = keras.layers.LSTM(units, return_sequences=is_first)
        stack += [keras.layers.Bidirectional(lstm), keras.layers.Dropout(dropout)]
    return keras.Sequential([*stack, keras.layers.Dense(classes, dtype="float32")])


def train_composer(
    train: Pair, validation: Pair, units: int, dropout: float, epochs: int
) -> Trained:
    """A trained model from notes (batch, time) to logits of the next (batch, time, 8)."""
    stack: list[Any] = [keras.Input(shape=(None,), dtype="int32"), keras.layers.Embedding(9, 16)]
    for _ in "12":
        lstm = keras.layers.LSTM(units=units, return_sequences=True)
        stack += [lstm, keras.layers.Dropout(dropout)]
    stack.append(keras.layers.Dense(8, dtype="float32"))
    composer = keras.Sequential(stack)
    composer.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.01, clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    callbacks = [
        keras.callbacks.EarlyStopping("val_loss", patience=4, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=1),
    ]
    history = composer.fit(
        *train,
        validation_data=validation,
        batch_size=64,
        epochs=epochs,
        verbose=0,
        callbacks=callbacks,
    )
    return composer, history


def make_windows(
    celsius: np.ndarray, month: np.ndarray, length: int, horizon: int, valid: int, test: int
) -> list[Pair]:
    """Pairs of anomalies, (windows, length) and (windows, horizon): training, validation, test."""
    usual = {m: np.mean(celsius[:valid][month[:valid] == m]) for m in np.unique(month)}
    anomaly = celsius - np.vectorize(usual.get)(month)
    pairs = []
    for begin, end in zip((length, valid, test), (valid, test, len(anomaly)), strict=True):
        # Positions at which a target begins, so that all of it lies before the end.
        starts = np.arange(max(begin, length), end - horizon + 1)[:, None]
        pairs.append(
            (anomaly[starts + np.arange(-length, 0)], anomaly[starts + np.arange(horizon)])
        )
    return pairs


def back_through_time_works(answer: Callable[..., np.ndarray]) -> bool:
    """Whether two steps that one can work out by hand are right."""
    rows = answer(np.array([[0.3], [0.5]]), np.array([[2.0]]), np.array([1.0]))
    return np.allclose(rows, [[1.5], [1.0]])


def gru_step_works(answer: Callable[..., Any]) -> bool:
    """Whether Keras can take it for a step of a layer and gives one state a sequence."""
    x, h, kernel = keras.Input((2,)), keras.Input((3,)), np.ones((2, 9), "float32")
    recurrent, bias = np.ones((3, 9), "float32"), np.ones((2, 9), "float32")
    state = keras.Model([x, h], answer(x, h, kernel, recurrent, bias))
    seen = state([np.zeros((4, 2), "float32"), np.zeros((4, 3), "float32")])
    return np.allclose(seen, 0.1192029 * np.tanh(1 + 0.8807971), atol=1e-3)


def sequence_classifier_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives a model of the right shapes."""
    model = answer(2, 3, 4, 0.1)
    return (model.input_shape, model.output_shape) == ((None, None, 2), (None, 3))


def train_composer_works(answer: Callable[..., Trained]) -> bool:
    """Whether a training on few tunes gives logits of the right shape and a validation loss."""
    tunes = np.random.default_rng(0).integers(8, size=(8, 6))
    model, history = answer((tunes, tunes), (tunes, tunes), 3, 0.1, 1)
    return model.predict(tunes, verbose=0).shape == (8, 6, 8) and "val_loss" in history.history


def make_windows_works(answer: Callable[..., Any]) -> bool:
    """Whether the parts of a series of 40 months have as many windows as they should."""
    month = np.arange(40) % 12 + 1
    parts = answer(np.sqrt(np.arange(40.0)), month, 5, 2, 20, 30)
    shapes = [(np.shape(x), np.shape(y)) for x, y in parts]
    return shapes == [((n, 5), (n, 2)) for n in (14, 9, 9)]
