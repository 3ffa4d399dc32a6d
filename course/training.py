"""Helpers for training: a custom step that is right under every dtype policy, and a quiet bar."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

# What Keras hands to a callback: names of losses and metrics, and their values.
Logs = dict[str, Any] | None


def with_loss_scaling(
    optimizer: keras.optimizers.Optimizer, policy: keras.DTypePolicy | None = None
) -> keras.optimizers.Optimizer:
    """What ``compile`` does to its optimizer, for one that it does not see.

    Under ``mixed_float16`` small gradients would become zero, so the loss is multiplied by a large
    number first, and the gradients are divided by it. ``compile`` wraps its optimizer for that; an
    optimizer of a custom loop, or a GAN's second one, must be wrapped by hand.

    Args:
        optimizer: any Keras optimizer.
        policy: the dtype policy of the model that is trained. None, the default, takes the global
            one; the two differ where a saved model is loaded under another policy.

    Returns:
        the optimizer, wrapped where the policy is ``mixed_float16``. Either way its
        ``scale_loss`` is to be called on the loss before gradients are taken.
    """
    scaled = keras.optimizers.LossScaleOptimizer
    is_needed = (policy or keras.config.dtype_policy()).name == "mixed_float16"
    return scaled(optimizer) if is_needed and not isinstance(optimizer, scaled) else optimizer


def make_train_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> Callable[[Any, Any], tf.Tensor]:
    """A compiled training step that learns under every dtype policy.

    Args:
        model: any Keras model.
        optimizer: any Keras optimizer; it is wrapped by ``with_loss_scaling`` if the policy needs
            it.
        loss: a function from targets and float32 predictions to one number, or to one number for
            each example.

    Returns:
        ``step(x, y)``, which changes the model's weights and returns the mean loss, unscaled, as a
        float32 scalar.
    """
    optimizer = with_loss_scaling(optimizer)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x: Any, y: Any) -> tf.Tensor:
        with tf.GradientTape() as tape:
            predicted = tf.cast(model(x, training=True), tf.float32)
            value = tf.reduce_mean(loss(y, predicted))
            scaled_loss = optimizer.scale_loss(value)
        gradients = tape.gradient(scaled_loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return value

    compiled: Callable[[Any, Any], tf.Tensor] = step
    return compiled


class Progress(keras.callbacks.Callback):
    """A bar over epochs with the last epoch's numbers, for ``fit(..., verbose=0)``.

    Keras' own bar leaves thousands of characters in a notebook. This one appears after two seconds
    and disappears at the end.

    Args:
        title: what is being trained, ``"Training"`` by default.
    """

    def __init__(self, title: str = "Training"):
        super().__init__()
        self.title = title
        self._bar: Any = None

    def on_train_begin(self, logs: Logs = None) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=self.params["epochs"],
            desc=self.title,
            unit="epoch",
            delay=2,
            leave=False,
            file=sys.stderr,
        )

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._bar.set_postfix({k: f"{v:.3g}" for k, v in (logs or {}).items()}, refresh=False)
        self._bar.update()

    def on_train_end(self, logs: Logs = None) -> None:
        self._bar.close()
