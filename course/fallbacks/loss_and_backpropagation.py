"""Stand-ins for the answers of the lesson on loss and backpropagation, whose exercises say
what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from course.training import WalkingOptimizer


def backward(x: np.ndarray, y: np.ndarray, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The gradients of a network's mean cross-entropy by its two kernels and two biases."""
    first, shift, second, last = weights
    inner = np.tanh(np.dot(x, first) + shift)
    sums = np.dot(inner, second) + last
    shares = np.exp(sums - np.logaddexp.reduce(sums, axis=1)[:, None])
    is_right = np.arange(shares.shape[1]) == np.asarray(y)[:, None]
    fault = (shares - is_right) / np.shape(x)[0]
    passed_on = np.dot(fault, second.T) * (1 + inner) * (1 - inner)
    return [
        np.dot(x.T, passed_on),
        np.sum(passed_on, axis=0),
        np.dot(inner.T, fault),
        np.sum(fault, axis=0),
    ]


def descend(model: keras.Model, x: Any, y: Any, rate: Any) -> tf.Tensor:
    """One step of gradient descent; the mean cross-entropy before it, a scalar."""
    trained = model.trainable_variables
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as recorder:
        before = criterion(y, model(x, training=True))
    for variable, slope in zip(trained, recorder.gradient(before, trained), strict=True):
        variable.assign(ops.subtract(variable, ops.multiply(rate, slope)))
    return before


def scale_for(activation: str) -> float:
    """1 divided by the mean square of an activation function of a standard normal number."""
    # Gauss's points for the normal density are exact for polynomials, and close for these.
    points, shares = np.polynomial.hermite_e.hermegauss(150)
    values = ops.convert_to_numpy(keras.activations.get(activation)(points.astype("float32")))
    return float(np.sum(shares) / np.sum(shares * np.square(values, dtype="float64")))


class Momentum(WalkingOptimizer):
    """Gradient descent with momentum.

    Args:
        learning_rate: a number or a schedule, 0.01 by default.
        beta: the share of the velocity that is kept in a step, 0.9 by default.
        **rest: those of every Keras optimizer.
    """

    def __init__(self, learning_rate: Any = 0.01, beta: float = 0.9, **rest: Any):
        super().__init__(learning_rate, **rest)
        self.beta = beta

    def get_config(self) -> dict[str, Any]:
        """What the optimizer can be made again from."""
        return {"beta": self.beta, **super().get_config()}

    def build(self, variables: list[keras.Variable]) -> None:
        """Make a velocity for each weight array."""
        super().build(variables)
        self.rolling = self.add_optimizer_variables(variables, name="rolling")

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """Roll on, and change a weight array by that."""
        rolling = self.rolling[self._get_variable_index(variable)]
        rolling.assign(ops.subtract(self.beta * rolling, learning_rate * gradient))
        variable.assign_add(rolling)


class Adam(WalkingOptimizer):
    """Adam, by Kingma and Ba (2015).

    Args:
        learning_rate: a number or a schedule, 0.001 by default.
        beta_1: the share of the mean gradient that is kept in a step, 0.9 by default.
        beta_2: the same for the squares, 0.999 by default.
        **rest: those of every Keras optimizer.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        **rest: Any,
    ):
        super().__init__(learning_rate, **rest)
        self.decays = beta_1, beta_2

    def get_config(self) -> dict[str, Any]:
        """What the optimizer can be made again from."""
        return {**super().get_config(), **dict(zip(("beta_1", "beta_2"), self.decays, strict=True))}

    def build(self, variables: list[keras.Variable]) -> None:
        """Make two averages for each weight array."""
        super().build(variables)
        self.averages = self.add_optimizer_variables(variables, ["first", "second"])

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """Change a weight array and its averages."""
        finished = ops.cast(self.iterations, variable.dtype)
        corrected = []
        for kept, new, decay in zip(
            self.averages, (gradient, ops.square(gradient)), self.decays, strict=True
        ):
            average = kept[self._get_variable_index(variable)]
            average.assign_add((1 - decay) * (new - average))
            corrected.append(average / (1 - ops.power(decay, finished + 1)))
        direction, square = corrected
        variable.assign_sub(learning_rate * direction / (1e-7 + ops.sqrt(square)))


def backward_works(answer: Callable[..., Sequence[np.ndarray]]) -> bool:
    """Whether a gradient is as that of the stand-in."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 2)), np.array([1, 0, 1])
    weights = [rng.normal(size=shape) for shape in ((2, 3), (3,), (3, 2), (2,))]
    pairs = zip(answer(x, y, weights), backward(x, y, weights), strict=True)
    return all(np.shape(got) == want.shape and np.allclose(got, want) for got, want in pairs)


def descend_works(answer: Callable[..., Any]) -> bool:
    """Whether it changes the weights of a small model as it should, also compiled."""
    x, y = np.array([[1.0, 2.0]], "float32"), np.array([1])
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="zeros")])
    # By itself first: compiled, it would raise another error if it is not written.
    answer(model, x, y, 1.0)
    is_one_step = np.allclose(model.get_weights()[1], [-0.5, 0.5])
    return is_one_step and np.shape(tf.function(answer)(model, x, y, 0.1)) == ()


def scale_for_works(answer: Callable[[str], float]) -> bool:
    """Whether it knows the scale of a ReLU and that of tanh."""
    return abs(answer("relu") / 2 - 1) < 0.02 and abs(answer("tanh") / 2.536 - 1) < 0.02


def Momentum_works(answer: Callable[..., WalkingOptimizer]) -> bool:
    """Whether two steps lead where they should."""
    walked = answer(0.5, 0.5).walk([np.array([1.0])], [[np.array([1.0])]] * 2)
    return np.allclose(np.ravel(walked), [0.5, -0.25])


def Adam_works(answer: Callable[..., WalkingOptimizer]) -> bool:
    """Whether two steps along the same gradient have the size of the rate."""
    walked = answer(0.25).walk([np.array([1.0])], [[np.array([3.0])]] * 2)
    return np.allclose(np.ravel(walked), [0.75, 0.5], atol=1e-4)
