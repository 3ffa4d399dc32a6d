"""Stand-ins for the answers of the lesson on chest X-rays; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from course import datasets


def convolve(image: np.ndarray, kernels: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The feature maps of a convolution without padding, shape (rows, columns, filters).

    Args:
        image: shape (height, width, channels).
        kernels: shape (kernel's height, kernel's width, channels, filters).
        bias: shape (filters,).
    """
    batch, weights = np.asarray([image], "float32"), np.asarray(kernels, "float32")
    return np.asarray(keras.ops.conv(batch, weights, padding="valid"))[0] + bias


def build_network(shape: tuple[int, int, int], filters: Sequence[int]) -> keras.Model:
    """A convolutional network from films of a shape to logits, with a layer "maps"."""
    whole = [keras.Input(shape), keras.layers.Rescaling(scale=4.0, offset=-2.0)]
    for number, maps in enumerate(filters, start=1):
        options = {"kernel_size": 5, "strides": 2} if number == 1 else {"kernel_size": 3}
        name = "maps" if number == len(filters) else f"block_{number}"
        whole += [
            keras.layers.Conv2D(maps, padding="same", use_bias=False, **options),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(name=name),
        ]
        whole += [keras.layers.MaxPooling2D()] if number == 1 else []
    whole += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, name="logit")]
    return keras.Sequential(whole)


def augmentation(shape: tuple[int, int, int], shift: float, brightness: float) -> keras.Model:
    """A model that moves films and changes their brightness in training.

    Args:
        shape: that of a film.
        shift: the largest move, as a share of height and width.
        brightness: the largest change; values go from 0 to 1.
    """
    given = keras.Input(shape)
    move = keras.layers.RandomTranslation(
        height_factor=shift, width_factor=shift, fill_mode="nearest"
    )
    change = keras.layers.RandomBrightness(factor=brightness, value_range=(0, 1))
    return keras.Model(given, change(move(given)))


def grad_cam(model: keras.Model, film: np.ndarray, layer: str) -> np.ndarray:
    """The heat map of one film by Grad-CAM at a layer, from 0 to 1.

    Selvaraju et al. (2017), "Grad-CAM: Visual explanations from deep networks via gradient-based
    localization".
    """
    inside = keras.Model(model.inputs, [model.get_layer(layer).output, *model.outputs])
    with tf.GradientTape() as recorder:
        maps, logit = inside(film[np.newaxis], training=False)
    slopes = np.asarray(recorder.gradient(logit, maps))[0]
    heat = (np.asarray(maps)[0] * slopes.mean(axis=(0, 1))).sum(axis=-1).clip(min=0)
    return heat / (heat.max() or 1)


def hide_letters(films: np.ndarray) -> np.ndarray:
    """Films (films, 64, 64, 1) with both corners dark in which letters are taped."""
    is_shown = np.ones((64, 64, 1), films.dtype)
    for rows, columns in _corners():
        is_shown[rows, columns] = 0
    return films * is_shown


def convolve_works(answer: Callable[..., Any]) -> bool:
    """Whether it gives maps of the right shape."""
    return np.shape(answer(np.ones((5, 4, 2)), np.ones((2, 3, 2, 6)), np.zeros(6))) == (4, 2, 6)


def build_network_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives a model of the right shapes with a layer "maps"."""
    model = answer((16, 16, 1), [2, 3])
    shapes = model.input_shape, model.get_layer("maps").output.shape, model.output_shape
    return shapes == ((None, 16, 16, 1), (None, 4, 4, 3), (None, 1))


def augmentation_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it changes films in training, within 0 and 1, and leaves them alone in use."""
    films = np.linspace(0, 1, 256, dtype="float32").reshape(4, 8, 8, 1)
    model = answer((8, 8, 1), 0.2, 0.1)
    copies, same = (np.asarray(model(films, training=training)) for training in (True, False))
    is_changed = copies.shape == films.shape and not np.allclose(copies, films)
    return is_changed and np.allclose(same, films) and 0 <= copies.min() and copies.max() <= 1


def grad_cam_works(answer: Callable[..., Any]) -> bool:
    """Whether it gives a heat map of the right shape, from 0 to 1."""
    model = build_network((16, 16, 1), [2, 3])
    heat = np.asarray(answer(model, np.ones((16, 16, 1), "float32"), "maps"))
    return heat.shape == (4, 4) and 0 <= heat.min() and heat.max() <= 1


def hide_letters_works(answer: Callable[..., Any]) -> bool:
    """Whether films keep their shape, and what is in the corners does not matter."""
    films = np.full((2, 64, 64, 1), 0.5, "float32")
    for number, (rows, columns) in enumerate(_corners()):
        films[number, rows, columns] = 1
    hidden = np.asarray(answer(films))
    return hidden.shape == films.shape and np.array_equal(hidden[0], hidden[1])


def _corners() -> list[tuple[slice, slice]]:
    edges = datasets.info("chest_xrays").metadata["corners"].values()
    return [(slice(top, bottom), slice(left, right)) for top, left, bottom, right in edges]
