"""Stand-ins for the answers of the lesson on anomaly detection; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Rows = tuple[np.ndarray, np.ndarray]


def trace_autoencoder(length: int, size: int) -> keras.Model:
    """A convolutional autoencoder for traces (length, 1), with a layer "code" of ``size``."""
    options = {"kernel_size": 7, "strides": 2, "padding": "same"}
    down = [keras.layers.Conv1D(n, activation="gelu", **options) for n in (16, 32, 32)]
    up = [keras.layers.Conv1DTranspose(n, activation="gelu", **options) for n in (32, 16)]
    whole = [
        keras.layers.Input(shape=(length, 1)),
        *down,
        keras.layers.Flatten(),
        keras.layers.Dense(64, activation="gelu"),
        keras.layers.Dense(size, name="code"),
        keras.layers.Dense(64, activation="gelu"),
        keras.layers.Dense(4 * length, activation="gelu"),
        keras.layers.Reshape((-1, 32)),
        *up,
        keras.layers.Conv1DTranspose(1, dtype="float32", **options),
    ]
    return keras.Model(whole[0], functools.reduce(lambda x, layer: layer(x), whole))


def alarm(autoencoder: keras.Model, width: int) -> keras.Model:
    """A model from traces to their smoothed squared errors (n, length) and scores (n,)."""
    given = keras.layers.Input(shape=autoencoder.input_shape[1:])
    off = keras.layers.Subtract()([given, autoencoder(given)])
    near = keras.layers.AveragePooling1D(pool_size=width, strides=1, padding="same")(off * off)
    near = keras.ops.reshape(near, (-1, given.shape[1]))
    return keras.Model(given, [near, keras.ops.max(near, axis=-1)])


def fraud_classifier(train: Rows, validation: Rows) -> tuple[keras.Model, keras.callbacks.History]:
    """A classifier of rows that stops by the area under the precision-recall curve."""
    judge = keras.Sequential([keras.layers.Input(shape=(train[0].shape[-1],))])
    for layer in ("gelu", "gelu"):
        judge.add(keras.layers.Dense(32, activation=layer))
        judge.add(keras.layers.Dropout(rate=0.15))
    judge.add(keras.layers.Dense(1))
    area = keras.metrics.AUC(curve="PR", name="pr", from_logits=True)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    judge.compile(optimizer=keras.optimizers.Adam(0.003), loss=loss, metrics=[area])
    settings: dict[str, Any] = {"verbose": 0, "epochs": 20, "batch_size": 256}
    history = judge.fit(
        x=train[0],
        y=train[1],
        **settings,
        validation_data=validation,
        callbacks=[
            keras.callbacks.EarlyStopping(
                monitor="val_pr", patience=4, restore_best_weights=True, mode="max"
            )
        ],
    )
    return judge, history


def cheapest_threshold(
    scores: np.ndarray, is_fraud: np.ndarray, amounts: np.ndarray, review: float
) -> float:
    """The threshold whose alarms and missed frauds cost least together; inf is never to ring."""
    loot = np.asarray(is_fraud) * np.asarray(amounts)
    levels, place = np.unique(scores, return_inverse=True)
    rung = np.cumsum(np.bincount(place)[::-1])[::-1]
    saved = np.cumsum(np.bincount(place, weights=loot)[::-1])[::-1]
    gain = saved - review * rung
    return float(levels[gain.argmax()]) if gain.max() > 0 else float("inf")


def precision_elsewhere(
    scores: np.ndarray, is_fraud: np.ndarray, threshold: float, base_rate: float
) -> float:
    """The share of alarms that are frauds, where frauds are ``base_rate`` of all payments."""
    heard = np.asarray(scores) >= threshold
    shares = [float(heard[np.asarray(is_fraud) == kind].mean()) for kind in (0, 1)]
    right, false = base_rate * shares[1], (1 - base_rate) * shares[0]
    return right / (right + false)


def trace_autoencoder_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives a model of the right shapes with a layer "code"."""
    model = answer(16, 3)
    shapes = (model.input_shape, model.get_layer("code").output.shape, model.output_shape)
    return shapes == ((None, 16, 1), (None, 3), (None, 16, 1))


def alarm_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives two outputs of the right shapes, the second the largest of the first."""
    few = np.linspace(-1, 2, 48, dtype="float32").reshape(3, 16, 1)
    errors, score = (np.asarray(part) for part in answer(trace_autoencoder(16, 2), 3)(few))
    return errors.shape == (3, 16) and bool(np.allclose(score, errors.max(axis=1), rtol=1e-3))


def fraud_classifier_works(answer: Callable[..., Any]) -> bool:
    """Whether a training on few rows gives a model and a history with the area."""
    few = np.linspace(-1, 1, 80, dtype="float32").reshape(40, 2)
    rows = few, np.arange(40, dtype="float32") % 4 // 3
    model, history = answer(rows, rows)
    return "val_pr" in history.history and np.shape(model(few)) == (40, 1)


def cheapest_threshold_works(answer: Callable[..., float]) -> bool:
    """Whether it is right for three payments."""
    scores, amounts = np.array([0.1, 0.5, 0.9]), np.array([20.0, 30.0, 40.0])
    return 0.1 < float(answer(scores, np.array([0, 1, 1]), amounts, 8.0)) <= 0.5


def precision_elsewhere_works(answer: Callable[..., float]) -> bool:
    """Whether it is right for four payments."""
    scores, is_fraud = np.array([0.1, 0.6, 0.7, 0.2]), np.array([0, 0, 1, 1])
    return abs(float(answer(scores, is_fraud, 0.5, 0.2)) - 0.2) < 1e-6
