"""Stand-ins for the answers of the lesson on deep Q-learning, and quick tests of answers.

Each test says whether an answer can be used in the lesson, not whether it is right: ``q_network``
gives a model of the right shapes, and the parts of the training step can be compiled into a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops


def q_network(scales: Sequence[float], actions: int) -> keras.Model:
    """A model from observations (batch, len(scales)) to action values (batch, actions), 0 at first.

    Args:
        scales: what each number of an observation is multiplied by.
        actions: how many there are.
    """
    return keras.Sequential(
        [
            keras.layers.Input(shape=np.shape(scales)),
            keras.layers.Rescaling(list(scales)),
            *[keras.layers.Dense(64, "relu") for _ in range(2)],
            keras.layers.Dense(actions, kernel_initializer="zeros", dtype="float32"),
        ]
    )


def td_targets(
    batch: Mapping[str, Any], online: keras.Model, target: keras.Model, discount: float
) -> tf.Tensor:
    """The targets (n,) of double Q-learning, float32, for n transitions.

    Van Hasselt et al. (2016), "Deep reinforcement learning with double Q-learning".
    """
    judged = target(batch["next_observation"])
    is_chosen = ops.one_hot(ops.argmax(online(batch["next_observation"]), axis=1), judged.shape[1])
    goes_on = 1 - ops.cast(batch["terminated"], "float32")
    return batch["reward"] + discount * goes_on * ops.sum(is_chosen * judged, axis=1)


def train_step(network: keras.Model, observations: Any, actions: Any, targets: Any) -> tf.Tensor:
    """One step of the network's own optimizer down Huber's loss, which is returned, a scalar."""
    with tf.GradientTape() as tape:
        is_taken = ops.one_hot(actions, network.output_shape[1])
        errors = ops.sum(is_taken * network(observations), axis=1) - targets
        # Huber (1964): squared below an error of 1, linear above it.
        below_one = ops.minimum(ops.abs(errors), 1.0)
        loss = ops.mean(below_one * (ops.abs(errors) - below_one / 2))
        goal = network.optimizer.scale_loss(loss)
    slopes = tape.gradient(goal, network.trainable_weights)
    network.optimizer.apply(slopes, network.trainable_weights)
    return loss


def follow(target: keras.Model, online: keras.Model, tau: float) -> None:
    """Move every weight of ``target`` the share ``tau`` of the way to ``online``'s."""
    for behind, ahead in zip(target.weights, online.weights, strict=True):
        behind.assign_add(tau * (ahead - behind))


def bonus(
    potential: np.ndarray, next_potential: np.ndarray, terminated: np.ndarray, discount: float
) -> np.ndarray:
    """What is paid on top of the reward of each of n steps, shape (n,).

    Ng, Harada and Russell (1999), "Policy invariance under reward transformations".
    """
    remaining = np.asarray(next_potential) * np.logical_not(terminated)
    return discount * remaining - np.asarray(potential)


def q_network_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives a model of the right shapes."""
    model = answer([1.0, 2.0], 3)
    return (model.input_shape, model.output_shape) == ((None, 2), (None, 3))


def td_targets_works(answer: Callable[..., Any]) -> bool:
    """Whether it can be compiled, and gives one target a transition."""
    seen, no = np.ones((4, 2), "float32"), np.zeros(4, bool)
    batch = {"reward": seen[:, 0], "next_observation": seen, "terminated": no, "truncated": no}
    return np.shape(_run_compiled(answer, batch, *_two_networks(), 0.9)) == (4,)


def train_step_works(answer: Callable[..., Any]) -> bool:
    """Whether it can be compiled, and gives a number."""
    seen, network = np.ones((4, 2), "float32"), _two_networks()[0]
    return np.shape(_run_compiled(answer, network, seen, np.arange(4) % 3, seen[:, 0])) == ()


def follow_works(answer: Callable[..., Any]) -> bool:
    """Whether it can be compiled."""
    _run_compiled(answer, *_two_networks(), 0.5)
    return True


def bonus_works(answer: Callable[..., Any]) -> bool:
    """Whether it gives one number a step."""
    return np.shape(answer(np.zeros(3), np.ones(3), np.zeros(3, bool), 0.9)) == (3,)


class CannotBeCompiledError(Exception):
    """TensorFlow cannot make a graph of a function, which runs otherwise."""


def _run_compiled(answer: Callable[..., Any], *arguments: Any) -> Any:
    answer(*arguments)
    try:
        return tf.function(answer)(*arguments)
    except Exception as error:
        raise CannotBeCompiledError from error


def _two_networks() -> tuple[keras.Model, keras.Model]:
    """Two compiled ones: two numbers are observed, and there are three actions."""
    pair = []
    for _ in range(2):
        inputs = keras.Input((2,))
        network = keras.Model(inputs, keras.layers.Dense(3, dtype="float32")(inputs))
        network.compile(keras.optimizers.SGD(0.01))
        network.optimizer.build(network.trainable_variables)
        pair.append(network)
    return pair[0], pair[1]
