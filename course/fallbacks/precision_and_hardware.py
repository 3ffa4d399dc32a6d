"""Stand-ins for the answers of the lesson on precision and hardware.

Its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Step = tuple[keras.Model, float]


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of a model's dense layers for one example."""
    dense = (layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
    return sum(layer.kernel.shape[0] * math.prod(layer.output.shape[1:]) for layer in dense)


def largest_batch(model: keras.Model, memory: int, size: int = 4) -> int:
    """Examples that fit into so many bytes in training with Adam, for numbers of ``size`` bytes."""
    adams = 16 * sum(math.prod(weight.shape) for weight in model.trainable_weights)
    frozen = 4 * sum(math.prod(weight.shape) for weight in model.non_trainable_weights)
    outputs = (math.prod(layer.output.shape[1:]) for layer in model.layers)
    left = memory - adams - frozen
    return left // (size * sum(outputs)) if left > 0 else 0


def build_classifier(policy: str) -> keras.Model:
    """64 pixels to ten float32 logits, by two hidden layers under a dtype policy."""
    reader = keras.Sequential([keras.layers.Input((64,))])
    for neurons in (64, 32):
        reader.add(keras.layers.Dense(neurons, "relu", dtype=policy))
    reader.add(keras.layers.Dense(units=10, dtype="float32"))
    return reader


def next_scale(
    scale: float, good: int, gradients: Sequence[np.ndarray], wait: int
) -> tuple[float, int, bool]:
    """The scale for the next step, the count of good steps, and whether to apply this one."""
    if any(not np.isfinite(array).all() for array in gradients):
        return 0.5 * scale, 0, False
    count = (good + 1) % wait
    return (scale if count else 2.0 * scale), count, True


def train_step(model: keras.Model, x: np.ndarray, y: np.ndarray) -> Step:
    """The model after one step on the mean squared error, and the unscaled loss before it."""
    with tf.GradientTape() as tape:
        errors = model(x, training=True) - y
        value = tf.reduce_mean(tf.square(errors))
        to_lower = model.optimizer.scale_loss(value)
    slopes = tape.gradient(to_lower, model.trainable_weights)
    model.optimizer.apply(slopes, model.trainable_weights)
    return model, value.numpy().item()


def multiply_adds_works(answer: Callable[..., Any]) -> bool:
    """Whether layers at three places and for the whole are counted rightly."""
    network = keras.Sequential(
        [
            keras.layers.Input((3, 2)),
            keras.layers.Dense(5),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
        ]
    )
    return bool(answer(network) == 90)


def largest_batch_works(answer: Callable[..., Any]) -> bool:
    """Whether two memories, one of them too small, give the right batches."""
    inputs = keras.Input((9,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    fits = [answer(model, memory, 2) for memory in (160, 160 + 11 * 20 + 19, 90)]
    return fits == [0, 11, 0]


def build_classifier_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether a mixed model has the right shapes, and short layers before a float32 one."""
    model = answer("mixed_bfloat16")
    is_global = keras.config.dtype_policy().name == "float32"
    types = [model.layers[-1].compute_dtype, *{weight.dtype for weight in model.weights}]
    return is_global and model.output_shape == (None, 10) and set(types) == {"float32"}


def next_scale_works(answer: Callable[..., Any]) -> bool:
    """Whether a good step, the last good one and a bad one are told apart."""
    fine, bad = np.ones(2, "float16"), np.array([[1.0, np.nan]], "float16")
    told = [
        tuple(answer(4.0, good, [fine, last], 2)) for good, last in [(0, fine), (1, fine), (1, bad)]
    ]
    return told == [(4.0, 1, True), (8.0, 0, True), (2.0, 0, False)]


def train_step_works(answer: Callable[..., Any]) -> bool:
    """Whether a step with a scaled loss is as long as SGD's own."""
    inputs = keras.Input((1,), dtype="float32")
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", dtype="float32")
    model = keras.Model(inputs, layer(inputs))
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.25), 8.0)
    model.compile(optimizer, "mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    after, value = answer(model, np.ones((4, 1), "float32"), np.zeros((4, 1), "float32"))
    return bool(abs(value - 1) < 1e-4 and abs(after.get_weights()[0].item() - 0.5) < 1e-4)
