"""Stand-ins for the answers of the lesson on neurons and layers; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

Pair = tuple[np.ndarray, np.ndarray]


def layer(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Weighted sums (examples, neurons) for a batch (examples, inputs)."""
    return np.matmul(x, kernel) + np.reshape(bias, (1, -1))


class Neurons(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A densely connected layer, from (examples, inputs) to (examples, units).

    Args:
        units: the number of neurons.
        activation: the name of their activation function. None, the default, is none.
        **rest: those of every Keras layer, such as ``dtype``.
    """

    def __init__(self, units: int, activation: str | None = None, **rest: Any):
        super().__init__(**rest)
        self.size, self.bend = units, layers.Activation(activation, dtype=self.dtype_policy)

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights for inputs of a shape."""
        sizes = (shape[-1], self.size)
        self.kernel = self.add_weight(sizes, "glorot_uniform", name="kernel")
        self.bias = self.add_weight(sizes[1:], "zeros", name="bias")

    def call(self, batch: Any) -> Any:
        """The activations for a batch."""
        return self.bend(ops.add(ops.matmul(batch, self.kernel), self.bias))


def collapse(network: keras.Model) -> keras.Model:
    """One Dense layer that does what a Sequential of linear Dense layers does."""
    _, size = network.input_shape
    kernel, bias = np.eye(size), np.zeros(size)
    for dense in network.layers:
        own, shift = (np.asarray(weight, "float64") for weight in dense.get_weights())
        kernel, bias = kernel @ own, bias @ own + shift
    result = keras.Sequential([layers.Input(shape=kernel.shape[:1]), layers.Dense(len(bias))])
    result.layers[-1].set_weights([kernel, bias])
    return result


def softmax(z: np.ndarray) -> np.ndarray:
    """Probabilities (examples, classes) from logits of any size."""
    below = z - np.max(z, axis=-1)[..., None]
    return np.exp(below) / np.exp(below).sum(-1)[..., None]


def train_classifier(
    train: Pair, validation: Pair, classes: int
) -> tuple[keras.Model, keras.callbacks.History]:
    """A network with two hidden layers, trained until its validation loss stops falling."""
    given = keras.Input(shape=train[0].shape[1:])
    hidden = layers.Dense(32, "relu")(layers.Dense(64, "relu")(given))
    network = keras.Model(given, layers.Dense(classes, "softmax")(hidden))
    network.compile(optimizer=keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy")
    patient = keras.callbacks.EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    history = network.fit(
        *train,
        validation_data=validation,
        batch_size=50,
        epochs=100,
        callbacks=[patient],
        verbose=0,
    )
    return network, history


def layer_works(answer: Callable[..., np.ndarray]) -> bool:
    """Whether two sums that one can work out by hand are right."""
    got = answer(np.array([[1.0, 2.0]]), np.array([[1.0, 3.0], [5.0, 0.5]]), np.array([1.0, -1.0]))
    return np.shape(got) == (1, 2) and np.allclose(got, [[12.0, 3.0]])


def Neurons_works(answer: Callable[..., keras.layers.Layer]) -> bool:
    """Whether a layer computes what its weights say, and a model of it can be trained."""
    # By itself first: a model would raise another error for a layer that is not written.
    answer(1)(np.ones((1, 2)))
    network = keras.Sequential([keras.Input((2,)), answer(2, "relu"), answer(1, "sigmoid")])
    weights = [np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([0.5, -1.0])]
    network.set_weights([*weights, np.array([[1.0], [-1.0]]), np.array([0.25])])
    got = network.predict(np.array([[1.0, 1.0], [-1.0, 3.0]]), verbose=0)[:, 0]
    network.compile("sgd", "binary_crossentropy")
    loss = network.train_on_batch(np.ones((2, 2)), np.array([1, 0]))
    return np.allclose(got, 1 / (1 + np.exp([-2.25, -1.25]))) and bool(np.isfinite(loss))


def collapse_works(answer: Callable[[keras.Model], keras.Model]) -> bool:
    """Whether three layers with biases become one that answers as they do."""
    stack = keras.Sequential([keras.Input((2,)), *(layers.Dense(size) for size in (3, 2, 1))])
    stack.set_weights(
        [np.linspace(-1, 2, weight.size).reshape(weight.shape) for weight in stack.get_weights()]
    )
    asked = np.array([[0.0, 0.0], [1.0, -2.0]])
    wanted, got = (model.predict(asked, verbose=0) for model in (stack, answer(stack)))
    return np.allclose(wanted, got, atol=1e-4)


def softmax_works(answer: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Whether small and large logits give the probabilities that they should."""
    logits = np.log([[1.0, 3.0], [6.0, 2.0]]) + np.array([[0.0], [900.0]])
    return np.allclose(answer(logits), [[0.25, 0.75], [0.75, 0.25]])


def train_classifier_works(
    answer: Callable[..., tuple[keras.Model, keras.callbacks.History]],
) -> bool:
    """Whether a training on few examples gives probabilities and a validation loss."""
    x = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    y = (x[:, 0] > 0).astype("int64")
    # Validated on the wrong answers, so that it stops at once.
    network, history = answer((x, y), (x, 1 - y), 2)
    got = network.predict(x, verbose=0)
    is_sum_one = np.allclose(got.sum(axis=1), 1, atol=1e-3)
    return "val_loss" in history.history and got.shape == (60, 2) and is_sum_one
