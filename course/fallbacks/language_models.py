"""Stand-ins for the answers of the lesson on language models; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from course import models

Pair = tuple[np.ndarray, np.ndarray]


def bits(targets: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Surprise in bits, shape (...), at targets (...) under logits (..., size)."""
    logits = np.asarray(logits, "float64")
    best = logits.max(-1, keepdims=True)
    total = best + np.log(np.exp(logits - best).sum(-1, keepdims=True))
    chosen = np.take_along_axis(logits, np.asarray(targets)[..., None], -1)
    return (total - chosen)[..., 0] / np.log(2)


def bigram_network(
    train: Pair, validation: Pair, size: int
) -> tuple[keras.Model, keras.callbacks.History]:
    """A trained network of one layer, from symbols (batch,) to logits (batch, size)."""
    network = keras.Sequential(
        [keras.Input((), dtype="int32"), keras.layers.Embedding(size, size, name="table")]
    )
    return network, _fit(network, train, validation, epochs=6, rate=0.03, batch=2048)


def windows(ids: np.ndarray, length: int) -> Pair:
    """Inputs and targets of a text, each of shape (windows, length)."""
    ends = range(length, len(ids), length)
    shape = (len(ends), length)
    now, later = (
        np.array([ids[end - length + on : end + on] for end in ends]).reshape(shape)
        for on in (0, 1)
    )
    return now, later


def train_language_model(
    train: Pair, validation: Pair, size: int, units: int, epochs: int
) -> tuple[keras.Model, keras.callbacks.History]:
    """A trained GRU, from symbols (batch, time) to logits (batch, time, size)."""
    network = models.language_model(size, units)
    return network, _fit(network, train, validation, epochs=epochs, rate=0.01, batch=32)


def _fit(
    network: keras.Model, train: Pair, held_out: Pair, *, epochs: int, rate: float, batch: int
) -> keras.callbacks.History:
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=0, min_delta=0.015),
        keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
    ]
    network.compile(
        optimizer=keras.optimizers.Adam(learning_rate=rate, clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return network.fit(
        *train,
        validation_data=held_out,
        epochs=epochs,
        batch_size=batch,
        callbacks=callbacks,
        verbose=2,
    )


def generate(
    next_logits: Callable[[np.ndarray], np.ndarray],
    prompt: np.ndarray,
    length: int,
    temperature: float,
    seed: int,
) -> np.ndarray:
    """What comes after each prompt (texts, characters), shape (texts, length)."""
    draw = np.random.default_rng(seed)
    whole = np.array(prompt)
    for _ in range(length):
        scores = np.asarray(next_logits(whole), "float64")
        if temperature > 0:
            # Gumbel's noise: the largest sum is distributed as the softmax says.
            scores = scores / temperature + draw.gumbel(size=scores.shape)
        whole = np.concatenate([whole, scores.argmax(-1)[:, None]], 1)
    return whole[:, np.shape(prompt)[1] :]


def bits_works(answer: Callable[..., np.ndarray]) -> bool:
    """Whether two surprises that one can work out by hand are right."""
    logits = np.log([[[0.75, 0.25], [0.5, 0.5]]]).astype("float32")
    return np.allclose(answer(np.array([[1, 0]]), logits), [[2, 1]])


def bigram_network_works(
    answer: Callable[..., tuple[keras.Model, keras.callbacks.History]],
) -> bool:
    """Whether a training on few pairs gives logits of the right shape and a validation loss."""
    ids = np.random.default_rng(0).integers(5, size=300).astype("int32")
    network, history = answer((ids[:-1], ids[1:]), (ids[:50], ids[1:51]), 5)
    shape = network.predict(ids[:2], verbose=0).shape
    return "val_loss" in history.history and shape == (2, 5)


def windows_works(answer: Callable[..., Pair]) -> bool:
    """Whether eight symbols give the two windows of three that are in them."""
    inputs, targets = answer(np.arange(8), 3)
    expected = [[0, 1, 2], [3, 4, 5]], [[1, 2, 3], [4, 5, 6]]
    return np.array_equal(inputs, expected[0]) and np.array_equal(targets, expected[1])


def train_language_model_works(
    answer: Callable[..., tuple[keras.Model, keras.callbacks.History]],
) -> bool:
    """Whether a training on few windows gives logits of the right shape and a validation loss."""
    pair = windows(np.random.default_rng(0).integers(5, size=201).astype("int32"), 10)
    network, history = answer(pair, pair, 5, 4, 1)
    shape = network.predict(pair[0][:2], verbose=0).shape
    return "val_loss" in history.history and shape == (2, 10, 5)


def generate_works(answer: Callable[..., np.ndarray]) -> bool:
    """Whether two texts by a model that counts up are what it should write."""

    def count_up(texts: np.ndarray) -> np.ndarray:
        return 30.0 * np.eye(10)[(texts[:, -1] + 1) % 10]

    texts = answer(count_up, np.array([[7], [2]]), 2, 0.9, 0)
    return np.array_equal(texts, [[8, 9], [3, 4]])
