"""Helpers for training: an optimizer that is right under every dtype policy, one whose steps can be
looked at, and a quiet bar."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
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


class WalkingOptimizer(keras.optimizers.Optimizer):
    """Keras's base class of optimizers, with a method that shows the steps of one."""

    def walk(
        self,
        starts: Sequence[np.ndarray],
        gradients: Sequence[Sequence[np.ndarray]],
        rates: Sequence[float] | None = None,
    ) -> list[list[np.ndarray]]:
        """The places that weights go to, one after the other, compiled as ``fit`` compiles them.

        Args:
            starts: where each weight array is at first.
            gradients: for each step one gradient for each weight array, of its shape.
            rates: the learning rate of each step. None, the default, leaves it as it is.

        Returns:
            for each step the weight arrays after it, float32.
        """
        weights = [keras.Variable(start, dtype="float32") for start in starts]
        self.build(weights)
        step = tf.function(lambda slopes: self.apply(slopes, weights))
        places = []
        for number, slopes in enumerate(gradients):
            if rates is not None:
                self.learning_rate = float(rates[number])
            step([tf.constant(slope, tf.float32) for slope in slopes])
            places.append([weight.numpy() for weight in weights])
        return places


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
