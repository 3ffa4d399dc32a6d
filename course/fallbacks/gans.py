"""Stand-ins for the answers of the lesson on GANs; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def gan_losses(real_logits: Any, fake_logits: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """The losses of a discriminator and of a generator, two scalars.

    Goodfellow et al. (2014), "Generative Adversarial Nets", with the generator's second loss.
    """
    right = _surprise(real_logits, 1.0) + _surprise(fake_logits, 0.0)
    return right / 2, _surprise(fake_logits, 1.0)


def train_step(
    generator: keras.Model, discriminator: keras.Model, real: Any, noise: Any, more_noise: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """One step of each compiled network, the discriminator first; both losses, two scalars."""
    drawn = generator(noise, training=True)
    d_loss = _descend(
        discriminator,
        lambda: gan_losses(discriminator(real, training=True), discriminator(drawn, training=True))[
            0
        ],
    )

    def disbelief() -> tf.Tensor:
        anew = generator(more_noise, training=True)
        return _surprise(discriminator(anew, training=True), 1.0)

    return d_loss, _descend(generator, disbelief)


def coverage(probabilities: np.ndarray) -> tuple[np.ndarray, float]:
    """The share of each class, shape (classes,), and the effective number of classes."""
    average = np.asarray(probabilities).mean(0)
    # Each share to its own power: 0 to the power of 0 is 1, so an absent class changes nothing.
    return average, float(1 / np.prod(average**average))


def logit_slopes(logits: Any) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of the saturating and of the other loss at each logit, both of the logits' shape."""
    # The sigmoid by the hyperbolic tangent, which overflows nowhere.
    sigmoid = (1 + np.tanh(np.asarray(logits) / 2)) / 2
    return np.negative(sigmoid), np.subtract(sigmoid, 1)


def gan_losses_works(answer: Callable[..., Any]) -> bool:
    """Whether two losses that one can work out by hand are right."""
    logits = np.zeros((2, 1), "float32")
    return np.allclose([float(loss) for loss in answer(logits, logits)], np.log(2))


def train_step_works(answer: Callable[..., Any]) -> bool:
    """Whether it can be compiled, moves both networks, and gives two numbers."""
    pair = []
    for size in (1, 2):
        inputs = keras.Input((size,))
        model = keras.Model(inputs, keras.layers.Dense(3 - size, dtype="float32")(inputs))
        model.compile(keras.optimizers.SGD(0.1))
        model.optimizer.build(model.trainable_variables)
        pair.append(model)
    before = [model.get_weights()[0] for model in pair]
    arrays = np.ones((4, 2), "float32"), np.ones((4, 1), "float32"), np.ones((4, 1), "float32")
    losses = tf.function(answer)(*pair, *arrays)
    moved = [
        not np.array_equal(old, model.get_weights()[0])
        for old, model in zip(before, pair, strict=True)
    ]
    return all(moved) and [np.shape(loss) for loss in losses] == [(), ()]


def coverage_works(answer: Callable[..., Any]) -> bool:
    """Whether four classes of equal size are four."""
    shares, number = answer(np.eye(4))
    return np.allclose(shares, 0.25) and bool(np.isclose(float(number), 4))


def logit_slopes_works(answer: Callable[..., Any]) -> bool:
    """Whether both slopes at zero are right."""
    return all(np.allclose(slopes, -0.5) for slopes in answer(np.zeros((2, 1))))


def _surprise(values: Any, label: float) -> tf.Tensor:
    """The mean cross-entropy of logits, where each has the same label, 0 or 1."""
    values = tf.convert_to_tensor(values)
    labels = tf.fill(tf.shape(values), tf.cast(label, values.dtype))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, values))


def _descend(model: keras.Model, loss_of: Callable[[], tf.Tensor]) -> tf.Tensor:
    """One step of a network's own optimizer down a loss, which is returned."""
    with tf.GradientTape() as tape:
        loss = loss_of()
        target = model.optimizer.scale_loss(loss)
    model.optimizer.apply(tape.gradient(target, model.trainable_weights), model.trainable_weights)
    return loss
