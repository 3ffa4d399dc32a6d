"""Stand-ins for the answers of the lesson on fakes and fairness; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from course import datasets

_BATCH = 64
Pair = tuple[np.ndarray, np.ndarray]


def fit_drawn(
    model: keras.Model,
    inputs: np.ndarray,
    targets: np.ndarray,
    chances: np.ndarray,
    validation: Pair,
    epochs: int,
    patience: int,
) -> keras.callbacks.History:
    """Train a compiled model on batches of 64 that are drawn by chances, with early stopping.

    Args:
        model: a compiled model.
        inputs: examples, shape (n, ...).
        targets: what the model should make of them, shape (n, ...).
        chances: the probability of each example, shape (n,).
        validation: inputs and targets that are used as they are.
        epochs: the most epochs, of ``n // 64`` batches each.
        patience: so many epochs without a new minimum of the validation loss end the training.
    """
    # Where a random number falls among the chances, added up, says which example it takes.
    steps = tf.constant(np.cumsum(chances) / np.sum(chances), tf.float32)
    steps = tf.minimum(steps, 1.0)
    both = (tf.convert_to_tensor(inputs), tf.convert_to_tensor(targets))

    def batch(_: tf.Tensor) -> tuple[tf.Tensor, ...]:
        numbers = tf.random.uniform([_BATCH], maxval=steps[-1])
        found = tf.searchsorted(steps, numbers, side="right")
        return tuple(tf.gather(array, found) for array in both)

    # Without an end, since an iterator that starts again repeats its random numbers.
    stream = tf.data.Dataset.from_tensors(0).repeat().map(batch)
    return model.fit(
        x=stream,
        steps_per_epoch=inputs.shape[0] // _BATCH,
        shuffle=False,
        validation_data=validation,
        epochs=epochs,
        callbacks=[_early_stopping(patience)],
        verbose=0,
    )


def filter_step(
    network: keras.Model, photos: Any, portraits: Any, groups: Any, weight: float
) -> tf.Tensor:
    """One training step of a compiled network; returns the loss before it, a scalar.

    Args:
        network: from photos to portraits.
        photos: a batch of what it takes.
        portraits: what it should make of them, shape (n, 16, 16, 3), or more pixels.
        groups: the group of each face, 0 or 1, shape (n,).
        weight: the weight of the term for tones, whose mean is taken by group first.
    """
    groups = tf.cast(groups, tf.int32)
    with tf.GradientTape() as recorder:
        result = network(photos, training=True)
        gaps = tf.square(_skin(result) - _skin(portraits))
        # One mean a group that has a face; the others are left out.
        present, index = tf.unique(groups)
        means = tf.math.unsorted_segment_mean(gaps, index, tf.size(present))
        value = tf.reduce_mean(tf.square(result - portraits)) + weight * tf.reduce_mean(means)
        large = network.optimizer.scale_loss(value)
    trained = network.trainable_variables
    network.optimizer.apply(recorder.gradient(large, trained), trained)
    return value


def fit_detector(
    model: keras.Model, real: np.ndarray, fakes: np.ndarray, epochs: int, seed: int
) -> keras.callbacks.History:
    """Train a model to logits, positive for fakes, on four fifths of real pictures and fakes.

    Args:
        model: from pictures to logits (batch, 1), not compiled.
        real: real pictures.
        fakes: generated pictures of the same shape.
        epochs: the most epochs.
        seed: says which pictures are put aside for validation.
    """
    generator, sides = np.random.default_rng(seed), []
    for number, kind in enumerate((real, fakes)):
        mixed = kind[generator.permutation(len(kind))]
        labels = np.full([len(kind), 1], float(number))
        share = np.full(len(kind), (len(real) + len(fakes)) / len(kind) / 2)
        sides.append([np.split(part, [len(kind) // 5]) for part in (mixed, labels, share)])
    aside, used = (
        [np.concatenate([side[part][cut] for side in sides]) for part in range(3)] for cut in (0, 1)
    )
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=2e-3), loss=entropy)
    return model.fit(
        used[0],
        used[1],
        sample_weight=used[2],
        validation_data=tuple(aside),
        batch_size=_BATCH,
        epochs=epochs,
        callbacks=[_early_stopping(5)],
        verbose=0,
    )


def at_share(model: keras.Model, trained_share: float, share: float) -> keras.Model:
    """The detector as a model to probabilities where another share of the pictures are fakes."""
    given = keras.Input(model.input_shape[1:])
    prior = np.log([share, 1 - trained_share, 1 - share, trained_share])
    logits = keras.layers.Rescaling(1, float(prior @ [1, 1, -1, -1]), dtype="float32")(model(given))
    probabilities = keras.layers.Activation(keras.ops.sigmoid, dtype="float32")(logits)
    return keras.Model(inputs=given, outputs=probabilities)


def fit_drawn_works(answer: Callable[..., Any]) -> bool:
    """Whether it draws by chances, and returns a history with validation."""
    one = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    one.compile(keras.optimizers.SGD(0.2), "mse")
    one.set_weights([np.zeros((1, 1))])
    inputs, wanted = np.ones((128, 1), "float32"), np.repeat([0.0, 1.0], 64)[:, None]
    chances = np.repeat([0.0, 1 / 64], 64)
    history = answer(one, inputs, wanted.astype("float32"), chances, (inputs, inputs), 4, 4)
    return "val_loss" in history.history and float(one.get_weights()[0][0, 0]) > 0.9


def filter_step_works(answer: Callable[..., Any]) -> bool:
    """Whether it can be compiled, moves the network, and gives a finite loss without a group."""
    given = keras.Input((16, 16, 3))
    network = keras.Model(given, keras.layers.Conv2D(3, 1, dtype="float32")(given))
    network.compile(keras.optimizers.SGD(0.1))
    network.optimizer.build(network.trainable_variables)
    before, faces = network.get_weights()[0], np.full((3, 16, 16, 3), 0.5, "float32")
    loss = tf.function(answer)(network, faces, faces / 2, np.ones(3, "int64"), 0.3)
    moved = not np.array_equal(before, network.get_weights()[0])
    return moved and np.shape(loss) == () and bool(np.isfinite(float(loss)))


def fit_detector_works(answer: Callable[..., Any]) -> bool:
    """Whether it trains, validates, and makes logits positive for fakes."""
    model = _untrained(1)
    rows = np.linspace(1, 2, 80, dtype="float32")[:, None]
    history = answer(model, -rows, rows[:70], 3, 0)
    return "val_loss" in history.history and float(model.get_weights()[0][0, 0]) > 0


def at_share_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether a logit of 0 becomes the share."""
    model = _untrained(2)
    made = np.asarray(answer(model, 0.5, 0.2)(np.ones((3, 2), "float32")))
    return made.shape == (3, 1) and np.allclose(made, 0.2, atol=1e-4)


def _early_stopping(patience: int) -> keras.callbacks.Callback:
    return keras.callbacks.EarlyStopping("val_loss", 0, patience, restore_best_weights=True)


def _untrained(size: int) -> keras.Model:
    """A model from rows of numbers to a logit, which is 0."""
    given = keras.Input((size,))
    return keras.Model(given, keras.layers.Dense(1, kernel_initializer="zeros")(given))


def _skin(portraits: Any) -> tf.Tensor:
    """Tones of skin from 0 to 1, where the lesson reads them, in pictures of any such size."""
    facts = datasets.info("drawn_faces").metadata
    low, high = (np.array(facts[name], "float32") / 255 for name in ("darkest", "lightest"))
    size = portraits.shape[1] // 16
    top, left, bottom, right = (size * int(edge) for edge in facts["cheeks"])
    mean = tf.reduce_mean(portraits[:, top:bottom, left:right], axis=[1, 2])
    return tf.linalg.matvec(mean - low, (high - low) / np.sum((high - low) ** 2))
