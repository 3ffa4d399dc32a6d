"""Generative adversarial networks: two networks trained against each other, as one Keras model.

Source: Goodfellow et al. (2014), "Generative Adversarial Nets", https://arxiv.org/abs/1406.2661.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from course.training import with_loss_scaling

_BATCH = 512


@keras.saving.register_keras_serializable(package="course")
def discriminator_loss(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """How badly real images pass for real and generated ones for generated, as cross-entropy.

    Args:
        real_logits: the discriminator's answers to real images, of any shape, positive for "real".
        fake_logits: its answers to generated images, of any shape.

    Returns:
        the mean of both parts, a scalar: ln 2 for a discriminator that cannot tell.
    """
    on_real = tf.reduce_mean(tf.nn.softplus(-real_logits))
    on_fake = tf.reduce_mean(tf.nn.softplus(fake_logits))
    return (on_real + on_fake) / 2


@keras.saving.register_keras_serializable(package="course")
def generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """How badly generated images pass for real: the non-saturating loss, -log sigmoid(logit).

    Args:
        fake_logits: the discriminator's answers to generated images, of any shape.

    Returns:
        the mean, a scalar: ln 2 for a discriminator that cannot tell.
    """
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


@keras.saving.register_keras_serializable(package="course")
class GAN(keras.Model):
    """A generator and a discriminator that are trained in turns by ``fit``.

    ``fit`` takes real images, as an array or a ``tf.data.Dataset`` of batches; labels that come
    with them are ignored. A step is a step of the discriminator, with the generator as it is, and
    then one of the generator, with the discriminator as it is. Called on noise, the model
    generates.

    Training reports ``d_loss``, ``g_loss`` and ``d_accuracy``, the share of real and generated
    images that the discriminator sorts right. With ``validation_data`` (real images again) the same
    numbers are reported for them, with fresh generated ones.

    Saving with ``gan.save("gan.keras")`` keeps both networks, both optimizers with their state,
    and the state of the noise. Custom loss functions are needed again to load it, through
    ``custom_objects``. Each network can also be saved alone.

    Args:
        generator: a built model from noise (batch, ...) to images; its input shape says which
            noise it wants.
        discriminator: a built model from images to a logit, positive for "real". Layers that
            remember batches, such as batch normalisation, see real and generated batches apart.
        seed: the seed of the noise. None, the default, takes one from Keras's global seed.

    Raises:
        ValueError: the two do not fit together, or the discriminator returns a probability.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        _check(generator, discriminator)
        self.generator = generator
        self.discriminator = discriminator
        self.latent_shape = tuple(generator.input_shape[1:])
        self.seed = seed
        self.noise = keras.random.SeedGenerator(seed)
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in ("d_loss", "g_loss", "d_accuracy")
        }
        self.built = True

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer | str,
        discriminator_optimizer: keras.optimizers.Optimizer | str,
        generator_loss: Callable[[tf.Tensor], tf.Tensor] = generator_loss,
        discriminator_loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = discriminator_loss,
        **kwargs: Any,
    ) -> None:
        """Choose how to train. Under ``mixed_float16`` both losses are scaled.

        Args:
            generator_optimizer: the generator's optimizer, which keeps state for each weight.
            discriminator_optimizer: the discriminator's, a different object for that reason.
            generator_loss: a function from float32 logits of generated images to one number or
                several. The default is this module's ``generator_loss``.
            discriminator_loss: a function from float32 logits of real and of generated images to
                one number or several. The default is this module's ``discriminator_loss``.
            **kwargs: ``run_eagerly``, ``steps_per_execution`` and ``jit_compile``, which mean what
                they mean to every Keras model.

        Raises:
            ValueError: the two optimizers are one object.
        """
        if generator_optimizer is discriminator_optimizer and not isinstance(
            generator_optimizer, str
        ):
            raise ValueError("Each network needs its own optimizer: these two are one object.")
        super().compile(optimizer=None, **kwargs)
        self._parts_config = {
            "generator_optimizer": keras.optimizers.get(generator_optimizer),
            "discriminator_optimizer": keras.optimizers.get(discriminator_optimizer),
            "generator_loss": generator_loss,
            "discriminator_loss": discriminator_loss,
            **kwargs,
        }
        # The model's own policy, as Keras's `compile` does it: it outlives saving and loading.
        policy = self.dtype_policy
        self.g_optimizer = with_loss_scaling(self._parts_config["generator_optimizer"], policy)
        self.d_optimizer = with_loss_scaling(self._parts_config["discriminator_optimizer"], policy)
        self.g_optimizer.build(self.generator.trainable_variables)
        self.d_optimizer.build(self.discriminator.trainable_variables)
        self.generator_loss = generator_loss
        self.discriminator_loss = discriminator_loss

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What ``fit`` reports, and sets to zero before each epoch."""
        return list(self.trackers.values())

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Images for noise of shape ``(batch, *latent_shape)``."""
        return self.generator(inputs, training=training)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator."""
        real = _images(data)
        on_real, on_fake, d_loss = self.train_discriminator(real)
        g_loss = self.train_generator(tf.shape(real)[0])
        return self._report(on_real, on_fake, d_loss, g_loss)

    def train_discriminator(self, real: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Move the discriminator's weights, and no others.

        Returns:
            float32 logits of the real images, of as many generated ones, and the loss.
        """
        # Outside of the tape: these images are data, and no gradient reaches the generator.
        fake = self.generator(self._draw(tf.shape(real)[0]), training=True)
        with tf.GradientTape() as tape:
            on_real, on_fake = self._judge(real, training=True), self._judge(fake, training=True)
            loss = tf.reduce_mean(self.discriminator_loss(on_real, on_fake))
            scaled = self.d_optimizer.scale_loss(loss)
        weights = self.discriminator.trainable_variables
        self.d_optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights, strict=True))
        return on_real, on_fake, loss

    def train_generator(self, count: tf.Tensor | int) -> tf.Tensor:
        """Move the generator's weights, and no others; returns the loss on ``count`` images."""
        noise = self._draw(count)
        with tf.GradientTape() as tape:
            fake = self.generator(noise, training=True)
            loss = tf.reduce_mean(self.generator_loss(self._judge(fake, training=True)))
            scaled = self.g_optimizer.scale_loss(loss)
        weights = self.generator.trainable_variables
        self.g_optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights, strict=True))
        return loss

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The same numbers for other real images; no weight moves."""
        real = _images(data)
        fake = self.generator(self._draw(tf.shape(real)[0]), training=False)
        on_real, on_fake = self._judge(real, training=False), self._judge(fake, training=False)
        d_loss = tf.reduce_mean(self.discriminator_loss(on_real, on_fake))
        g_loss = tf.reduce_mean(self.generator_loss(on_fake))
        return self._report(on_real, on_fake, d_loss, g_loss)

    def generate(self, n: int, seed: int | None = None) -> np.ndarray:
        """New images.

        Args:
            n: the number of images.
            seed: the seed of the noise; the same seed gives the same images. None, the default,
                goes on drawing from the model's noise.

        Returns:
            float32, shape ``(n, *image)``.
        """
        source = self.noise if seed is None else seed
        noise = keras.random.normal((n, *self.latent_shape), seed=source)
        parts = [self.generator(noise[i : i + _BATCH], training=False) for i in range(0, n, _BATCH)]
        return np.concatenate([np.asarray(tf.cast(part, tf.float32)) for part in parts])

    def get_config(self) -> dict[str, Any]:
        parts = {"generator": self.generator, "discriminator": self.discriminator}
        saved = {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        return {**super().get_config(), **saved, "seed": self.seed}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> GAN:
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
            for name in ("generator", "discriminator")
        }
        return cls(**{**config, **parts})

    def get_compile_config(self) -> dict[str, Any]:
        return keras.saving.serialize_keras_object(self._parts_config) if self.compiled else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def save_own_variables(self, store: Any) -> None:
        # Keras saves no seeds, and training that goes on would repeat its noise.
        store["noise"] = keras.ops.convert_to_numpy(self.noise.state)

    def load_own_variables(self, store: Any) -> None:
        self.noise.state.assign(store["noise"])

    def _draw(self, count: tf.Tensor | int) -> tf.Tensor:
        return keras.random.normal((count, *self.latent_shape), seed=self.noise)

    def _judge(self, images: tf.Tensor, training: bool) -> tf.Tensor:
        # In float16 a logit over 65,504 is infinite, and so is the loss.
        return tf.cast(self.discriminator(images, training=training), tf.float32)

    def _report(
        self, on_real: tf.Tensor, on_fake: tf.Tensor, d_loss: tf.Tensor, g_loss: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        right = tf.concat([tf.reshape(on_real > 0, [-1]), tf.reshape(on_fake <= 0, [-1])], axis=0)
        count = tf.shape(on_real)[0]
        self.trackers["d_loss"].update_state(d_loss, sample_weight=count)
        self.trackers["g_loss"].update_state(g_loss, sample_weight=count)
        self.trackers["d_accuracy"].update_state(tf.cast(right, tf.float32))
        return {name: tracker.result() for name, tracker in self.trackers.items()}


def _images(data: Any) -> tf.Tensor:
    images = keras.utils.unpack_x_y_sample_weight(data)[0]
    if isinstance(images, dict):
        raise ValueError(
            f"A GAN is trained on images alone, and these batches are dicts of {sorted(images)}: "
            'map them first, such as data.map(lambda row: row["image"]).'
        )
    return images


def _check(generator: keras.Model, discriminator: keras.Model) -> None:
    for name, part in [("generator", generator), ("discriminator", discriminator)]:
        if not part.built:
            raise ValueError(f"The {name} has not been built: give it an input shape.")
    made, wanted = generator.output_shape[1:], discriminator.input_shape[1:]
    fits = (one == other or None in (one, other) for one, other in zip(made, wanted, strict=False))
    if len(made) != len(wanted) or not all(fits):
        raise ValueError(f"The generator makes images {made}; the discriminator takes {wanted}.")
    last = discriminator.layers[-1]
    if getattr(last, "activation", None) is keras.activations.sigmoid:
        raise ValueError(
            "The discriminator ends in a sigmoid, so it returns a probability. The losses take a "
            "logit: give its last layer no activation."
        )
