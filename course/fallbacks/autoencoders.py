"""Stand-ins for the answers of the lesson on autoencoders; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Shape = tuple[int, int, int]
Pair = tuple[np.ndarray, np.ndarray]


def autoencoder(shape: Shape, size: int) -> keras.Model:
    """A convolutional autoencoder for pictures of a shape, with a layer "code" of ``size``."""
    height, width, channels = shape
    options = {"kernel_size": 3, "strides": 2, "padding": "same"}
    convolution, transposed = keras.layers.Conv2D, keras.layers.Conv2DTranspose
    whole = [
        keras.Input(shape),
        convolution(16, activation="gelu", **options),
        convolution(32, activation="gelu", **options),
        keras.layers.Flatten(),
        keras.layers.Dense(size, name="code"),
        keras.layers.Dense(height * width * 2, activation="gelu"),
        keras.layers.Reshape((height // 4, width // 4, 32)),
        transposed(16, activation="gelu", **options),
        transposed(channels, activation="sigmoid", dtype="float32", **options),
    ]
    return keras.Model(whole[0], functools.reduce(lambda x, layer: layer(x), whole))


def fit_autoencoder(
    model: keras.Model,
    pictures: np.ndarray,
    validation: Pair,
    epochs: int,
    rate: float,
    weights: np.ndarray | None = None,
) -> keras.callbacks.History:
    """The history of a training that stops early and keeps the best weights."""
    every = {"monitor": "val_loss", "min_delta": 0.0}
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="mean_squared_error")
    history = model.fit(
        x=pictures,
        y=pictures,
        batch_size=64,
        epochs=epochs,
        sample_weight=weights,
        validation_data=validation,
        verbose="0",
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(patience=0, factor=0.3, **every),
            keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True, **every),
        ],
    )
    return history


def walk(model: keras.Model, first: np.ndarray, last: np.ndarray, steps: int) -> np.ndarray:
    """Pictures (steps, ...) drawn from codes on the straight line between two pictures' codes."""
    middle = model.get_layer("code").output
    codes = np.asarray(keras.Model(model.inputs[0], middle)(np.array([first, last])))
    shares = np.arange(steps)[:, None] / (steps - 1)
    return np.asarray(
        keras.Model(middle, model.outputs[0])(codes[0] + shares * (codes[1] - codes[0]))
    )


def denoiser(model: keras.Model, spread: float) -> keras.Model:
    """The same model with clipped normal noise before it, in training only."""
    given = keras.layers.Input(shape=model.inputs[0].shape[1:])
    grainy = keras.layers.GaussianNoise(stddev=spread)(given)
    within = keras.layers.ReLU(max_value=1)(grainy)
    return keras.Model(given, model(within))


def group_weights(groups: np.ndarray) -> np.ndarray:
    """Weights (n, 1, 1) with mean 1 that make every group weigh the same in total."""
    is_same = np.asarray(groups)[:, None] == np.asarray(groups)
    weights = 1 / is_same.sum(axis=1)
    return (weights / weights.mean()).reshape(-1, 1, 1)


def autoencoder_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives a model of the right shapes with a layer "code"."""
    model = answer((8, 4, 2), 3)
    shapes = (model.input_shape, model.get_layer("code").output.shape, model.output_shape)
    return shapes == ((None, 8, 4, 2), (None, 3), (None, 8, 4, 2))


def fit_autoencoder_works(answer: Callable[..., keras.callbacks.History]) -> bool:
    """Whether a training on few pictures changes the model and has a validation loss."""
    model, few = autoencoder((4, 4, 1), 2), np.linspace(0, 1, 128, dtype="float32")
    few = few.reshape(8, 4, 4, 1)
    before = model.get_weights()[0]
    log = answer(model, few, (few, few), 2, 0.01).history
    return len(log["val_loss"]) > 0 and not np.array_equal(before, model.get_weights()[0])


def walk_works(answer: Callable[..., Any]) -> bool:
    """Whether it gives as many pictures as asked, of the right shape."""
    few = np.zeros((2, 4, 4, 1), "float32")
    return np.shape(answer(autoencoder((4, 4, 1), 2), few[0], few[1], 3)) == (3, 4, 4, 1)


def denoiser_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives a model of the same shape that draws noise in training."""
    model, few = autoencoder((4, 4, 1), 2), np.full((2, 4, 4, 1), 0.5, "float32")
    noisy = answer(model, 0.3)
    one, two = (np.asarray(noisy(few, training=True)) for _ in range(2))
    return noisy.output_shape == model.output_shape and not np.array_equal(one, two)


def group_weights_works(answer: Callable[..., np.ndarray]) -> bool:
    """Whether it gives finite weights of the right shape."""
    weights = np.asarray(answer(np.array([0, 0, 1])))
    return weights.shape == (3, 1, 1) and bool(np.isfinite(weights).all())
