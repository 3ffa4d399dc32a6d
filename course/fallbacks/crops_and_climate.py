"""Stand-ins for the answers of the lesson on crops and climate; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

Pair = tuple[Any, np.ndarray]


def leaf_network(
    shape: tuple[int, int, int], filters: Sequence[int], questions: Mapping[str, int]
) -> keras.Model:
    """A convolutional network from pictures to logits, one head a question.

    Args:
        shape: that of a picture, whose values go from 0 to 1.
        filters: how many kernels each block has.
        questions: the number of answers by the name of the question.
    """
    trunk = [keras.layers.RandomFlip(), keras.layers.Rescaling(scale=2.0, offset=-1.0)]
    for number, maps in enumerate(filters):
        trunk += [keras.layers.MaxPool2D()] if number else []
        trunk += [
            keras.layers.Conv2D(maps, kernel_size=3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
        ]
    given = seen = keras.Input(shape)
    for layer in [*trunk, keras.layers.GlobalAveragePooling2D()]:
        seen = layer(seen)
    ends = {each: keras.layers.Dense(count, name=each) for each, count in questions.items()}
    return keras.Model(given, {each: head(seen) for each, head in ends.items()})


def train_ranges(
    network: keras.Model,
    train: Pair,
    validation: Pair,
    levels: Sequence[float] | np.ndarray,
    rate: float,
    epochs: int,
    patience: int,
) -> keras.callbacks.History:
    """Train a network in place to answer with quantiles, and return the history.

    Args:
        network: gives a quantile for each level along its last axis.
        train: inputs and truths, whose last axis has length 1.
        validation: the same, for early stopping.
        levels: from 0 to 1.
        rate: Adam's learning rate.
        epochs: at most so many.
        patience: after so many epochs without improvement it ends.
    """
    cost_below = np.asarray(levels, "float32")

    def loss(came: Any, said: Any) -> Any:
        short = keras.ops.relu(came - said)
        spare = keras.ops.relu(said - came)
        return keras.ops.mean(cost_below * short + (1 - cost_below) * spare)

    early = keras.callbacks.EarlyStopping(restore_best_weights=True, patience=patience)
    network.compile(optimizer=keras.optimizers.Adam(rate), loss=loss)
    return network.fit(
        *train,
        batch_size=64,
        epochs=epochs,
        callbacks=[early],
        validation_data=validation,
        verbose=0,
    )


def farm_folds(farms: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The fold (n,), 0 to k - 1, of each row; rows of a farm (n,) are together."""
    different = sorted(set(np.asarray(farms).tolist()))
    order = np.random.default_rng(seed).permutation(len(different))
    fold = {different[place]: number % k for number, place in enumerate(order)}
    return np.array([fold[farm] for farm in np.asarray(farms).tolist()])


def harvest_model(filters: int, dilations: Sequence[int]) -> keras.Model:
    """A causal network from a season (20, 3) and a field (5,) to quantiles (20, 3)."""
    weeks, soil = keras.Input((20, 3)), keras.Input((5,))
    every_week = keras.ops.tile(soil[:, None], (1, 20, 1))
    x = keras.layers.Concatenate()([weeks, every_week])
    for gap in dilations:
        x = keras.layers.Conv1D(
            filters, kernel_size=3, padding="causal", activation="relu", dilation_rate=gap
        )(x)
    center = keras.layers.Dense(1)(x)
    down, up = (keras.layers.Dense(1, activation="softplus")(x) for _ in range(2))
    return keras.Model(
        [weeks, soil], keras.layers.Concatenate()([center - down, center, center + up])
    )


def conformal_margin(quantiles: np.ndarray, truth: np.ndarray, share: float) -> float:
    """By how much to move the ends of ranges (n, 3) so that a share of the truths (n,) is inside.

    Romano, Patterson and Candès (2019), "Conformalized quantile regression".
    """
    outside = np.sort(np.maximum(quantiles[:, 0] - truth, truth - quantiles[:, -1]))
    place = math.ceil((1 + len(outside)) * share)
    return float(np.append(outside, np.inf)[min(place, len(outside) + 1) - 1])


def leaf_network_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives logits of the right shapes for two questions."""
    logits = answer((8, 8, 3), [2, 3], {"plant": 2, "age": 4})(np.ones((3, 8, 8, 3), "float32"))
    return {name: np.shape(values) for name, values in logits.items()} == {
        "plant": (3, 2),
        "age": (3, 4),
    }


def train_ranges_works(answer: Callable[..., Any]) -> bool:
    """Whether a quantile of level .9 rises in training, and the loss is right."""
    given = keras.Input((1,))
    network = keras.Model(given, keras.layers.Dense(1, kernel_initializer="zeros")(given))
    one = np.ones((64, 1), "float32")
    log = answer(network, (one, 2 * one), (one, 2 * one), np.array([0.9]), 0.01, 2, 2).history
    return bool(np.isclose(log["loss"][0], 1.8) and log["val_loss"][1] < log["val_loss"][0] < 1.8)


def farm_folds_works(answer: Callable[..., Any]) -> bool:
    """Whether farms are whole, and the folds are of the right number and size."""
    farms = np.array([4, 9, 4, 2, 7, 5, 5])
    folds = np.asarray(answer(farms, 2, 0))
    held = [len(set(farms[folds == fold].tolist())) for fold in (0, 1)]
    return sorted(held) == [2, 3]


def harvest_model_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether quantiles are in order, and do not know of the week to come."""
    network, draw = answer(8, [1, 2]), np.random.default_rng(0)
    season, field = (draw.normal(size=size).astype("float32") for size in ((9, 20, 3), (9, 5)))
    said = np.asarray(network([season, field]))
    season[:, 10:] += 1
    later = np.asarray(network([season, field]))
    is_in_order = bool((np.diff(said, axis=-1) >= 0).all())
    return said.shape == (9, 20, 3) and is_in_order and np.allclose(said[:, :10], later[:, :10])


def conformal_margin_works(answer: Callable[..., Any]) -> bool:
    """Whether the margin of four truths is the right one of them."""
    ends = np.array([[0.0, 1.0, 2.0]] * 4)
    return bool(np.isclose(answer(ends, np.array([3.0, 1.0, -0.5, 2.25]), 0.5), 0.5))
