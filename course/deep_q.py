"""Deep Q-learning: a Keras model that learns from transitions, and what collects and tests them.

A **transition** is one step of an agent: what it observed, what it did, the reward, what it
observed next, and whether the episode ended there. A batch of them is a dict of arrays::

    observation (n, *shape)   action (n,)   reward (n,)   next_observation (n, *shape)
    terminated (n,)           True where the episode came to its end, not where time ran out

An agent acts and learns in turns, in one call of ``fit``::

    agent = DeepQNetwork(models.mlp((4,), outputs=2))
    agent.compile(keras.optimizers.Adam(5e-4))
    buffer = ReplayBuffer(20_000, (4,), seed=0)
    collector = Collector(make_envs("CartPole-v1", 8), buffer, epsilon=0.1, seed=0)
    collector.play(100, epsilon=1.0)
    agent.fit(buffer.dataset(128), steps_per_epoch=100, epochs=10, callbacks=[collector],
              shuffle=False, verbose=0)
    returns = evaluate(agent.greedy, make_envs("CartPole-v1", 20, training=False))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium as gym
import keras
import numpy as np
import tensorflow as tf
from gymnasium.vector import AutoresetMode, VectorEnv
from keras import ops

from course.training import Logs

# Transitions: a name to an array or a tensor, as the module's docstring lists them.
Batch = dict[str, Any]


@keras.saving.register_keras_serializable(package="course")
class DeepQNetwork(keras.Model):
    """Two copies of a network: one learns action values, the other supplies its targets.

    The **online** network is trained; the **target** network follows it slowly, so that the online
    network does not chase its own latest guess. Mnih et al. (2015), "Human-level control through
    deep reinforcement learning"; with ``double`` van Hasselt et al. (2016), "Deep reinforcement
    learning with double Q-learning".

    The model maps observations to action values, and learns in ``fit`` from batches of transitions
    (see the module's docstring). Its history holds ``loss``, ``value`` (the mean of the best action
    values) and ``error`` (the mean distance from the targets).

    Args:
        network: a built Keras model from observations (batch, *shape) to action values
            (batch, actions). Its output should stay float32, as in ``course.models``. It becomes
            the online network; the target network is a copy of it.
        discount: how much a reward of the next step is worth now, from 0 to 1.
        tau: the share of the way to the online network that the target network goes after each
            step of training; 1 copies, which is as good as no target network.
        double: let the online network choose the next action and the target network judge it,
            which takes away most of the bias of a maximum over noisy values.
        huber_delta: errors above this size count linearly, and not squared.
    """

    def __init__(
        self,
        network: keras.Model,
        discount: float = 0.99,
        tau: float = 0.01,
        double: bool = False,
        huber_delta: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.online = network
        self.target = keras.models.clone_model(network)
        self.target.set_weights(network.get_weights())
        self.target.trainable = False
        self.discount, self.tau, self.double = discount, tau, double
        self.huber_delta = huber_delta
        self.huber = keras.losses.Huber(delta=huber_delta)
        self.loss_tracker = keras.metrics.Mean("loss")
        self.value_tracker = keras.metrics.Mean("value")
        self.error_tracker = keras.metrics.Mean("error")
        inputs = network.inputs[0]
        # Called directly, a Keras model costs milliseconds; as one graph a few tenths of one.
        self._forward = tf.function(
            lambda observation: network(observation, training=False),
            input_signature=[tf.TensorSpec(inputs.shape, inputs.dtype)],
        )
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.loss_tracker, self.value_tracker, self.error_tracker]

    def call(self, observation: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.online(observation, training=training)

    def values(self, observations: np.ndarray) -> np.ndarray:
        """The online network's action values (n, actions), as a NumPy array."""
        observations = np.asarray(observations, self.online.inputs[0].dtype)
        return self._forward(observations).numpy()

    def greedy(self, observations: np.ndarray) -> np.ndarray:
        """The best action (n,) for each observation (n, *shape)."""
        return self.values(observations).argmax(axis=1)

    def td_targets(self, batch: Batch) -> tf.Tensor:
        """What the values of the chosen actions should have been, shape (n,), without gradient.

        The reward, and the discounted value of what comes next unless the episode terminated.
        """
        following = ops.cast(self.target(batch["next_observation"], training=False), "float32")
        if self.double:
            judge = self.online(batch["next_observation"], training=False)
            chosen = ops.one_hot(ops.argmax(judge, axis=1), following.shape[1])
            best = ops.sum(chosen * following, axis=1)
        else:
            best = ops.max(following, axis=1)
        goes_on = 1.0 - ops.cast(batch["terminated"], "float32")
        targets = ops.cast(batch["reward"], "float32") + self.discount * goes_on * best
        return ops.stop_gradient(targets)

    def follow(self) -> None:
        """Move the target network's weights by ``tau`` towards the online network's."""
        for slow, fast in zip(self.target.weights, self.online.weights, strict=True):
            if keras.backend.is_float_dtype(slow.dtype):
                slow.assign_add(self.tau * (fast - slow))
            else:  # a counter, of which a share makes no sense
                slow.assign(fast)

    def train_step(self, data: Batch | tuple[Batch]) -> dict[str, tf.Tensor]:
        data = _transitions(data)
        targets = self.td_targets(data)
        with tf.GradientTape() as tape:
            values, loss = self._loss(data, targets, training=True)
            scaled = self.optimizer.scale_loss(loss)
        weights = self.online.trainable_variables
        gradients = tape.gradient(scaled, weights)
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        self.follow()
        return self._track(loss, values, data, targets)

    def test_step(self, data: Batch | tuple[Batch]) -> dict[str, tf.Tensor]:
        data = _transitions(data)
        targets = self.td_targets(data)
        values, loss = self._loss(data, targets, training=False)
        return self._track(loss, values, data, targets)

    def _loss(self, data: Batch, targets: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        values = ops.cast(self(data["observation"], training=training), "float32")
        chosen = self._of_action(values, data)
        return values, self.huber(targets[:, None], chosen[:, None])

    @staticmethod
    def _of_action(values: tf.Tensor, data: Batch) -> tf.Tensor:
        return ops.take_along_axis(values, ops.cast(data["action"], "int32")[:, None], axis=1)[:, 0]

    def _track(
        self, loss: tf.Tensor, values: tf.Tensor, data: Batch, targets: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        size = ops.shape(targets)[0]
        self.loss_tracker.update_state(loss, sample_weight=size)
        self.value_tracker.update_state(ops.max(values, axis=1))
        self.error_tracker.update_state(ops.abs(self._of_action(values, data) - targets))
        return {metric.name: metric.result() for metric in self.metrics}

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "network": keras.saving.serialize_keras_object(self.online),
            "discount": self.discount,
            "tau": self.tau,
            "double": self.double,
            "huber_delta": self.huber_delta,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DeepQNetwork:
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**{**config, "network": network})


def _transitions(data: Batch | tuple[Batch]) -> Batch:
    """A batch as it comes from ``fit``: Keras has generators yield tuples, here of one dict."""
    return data[0] if isinstance(data, tuple) else data


class ReplayBuffer:
    """The latest transitions, in arrays that are allocated once; the oldest are overwritten.

    Args:
        capacity: how many transitions it holds.
        observation_shape: of one observation, such as ``(4,)``.
        seed: of the sampling.
        dtype: of observations; ``"uint8"`` for pictures takes a quarter of the memory.
    """

    def __init__(
        self,
        capacity: int,
        observation_shape: Sequence[int],
        seed: int = 0,
        dtype: str = "float32",
    ):
        if capacity < 1:
            raise ValueError(f"capacity={capacity}: a buffer holds at least one transition.")
        shape = tuple(observation_shape)
        self.capacity = capacity
        self._arrays = {
            "observation": np.zeros((capacity, *shape), dtype),
            "action": np.zeros(capacity, "int32"),
            "reward": np.zeros(capacity, "float32"),
            "next_observation": np.zeros((capacity, *shape), dtype),
            "terminated": np.zeros(capacity, "bool"),
        }
        self._added = 0
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return min(self._added, self.capacity)

    def add(self, **transitions: np.ndarray) -> None:
        """Store a batch: one array a key, (n, ...) each; the keys are those of a transition.

        Raises:
            ValueError: a key is missing or unknown, or the arrays differ in length.
        """
        if transitions.keys() != self._arrays.keys():
            raise ValueError(
                f"A transition has the keys {', '.join(self._arrays)}, "
                f"not {', '.join(transitions)}."
            )
        lengths = {len(values) for values in transitions.values()}
        if len(lengths) != 1:
            raise ValueError(f"The arrays of a batch are equally long, not {sorted(lengths)}.")
        (size,) = lengths
        kept = min(size, self.capacity)
        places = (self._added + np.arange(size - kept, size)) % self.capacity
        for name, values in transitions.items():
            self._arrays[name][places] = values[size - kept :]
        self._added += size

    def sample(self, batch_size: int) -> dict[str, np.ndarray]:
        """Transitions drawn uniformly, with replacement.

        Raises:
            ValueError: there is none yet.
        """
        if not len(self):
            raise ValueError("The buffer is empty: let the collector `play` before you train.")
        places = self._rng.integers(len(self), size=batch_size)
        return {name: values[places] for name, values in self._arrays.items()}

    def dataset(self, batch_size: int) -> tf.data.Dataset:
        """Endless batches for ``fit``, each drawn when it is asked for and not before.

        Nothing is fetched ahead: a batch may hold the step that was just made, and the same seed
        gives the same batches.
        """

        def batches() -> Iterator[dict[str, np.ndarray]]:
            while True:
                yield self.sample(batch_size)

        signature = {
            name: tf.TensorSpec((batch_size, *values.shape[1:]), values.dtype)
            for name, values in self._arrays.items()
        }
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False
        data = tf.data.Dataset.from_generator(batches, output_signature=signature)
        return data.with_options(options)


def make_envs(
    environment: str | Callable[[], gym.Env], count: int, training: bool = True
) -> gym.vector.SyncVectorEnv:
    """Copies of an environment that are stepped together, so that one forward pass serves all.

    Args:
        environment: a name that Gymnasium knows, or a function that makes one environment.
        count: how many copies.
        training: a copy whose episode ends starts its next one in the same step
            (``AutoresetMode.SAME_STEP``), so no step is lost; else in the next step
            (``AutoresetMode.NEXT_STEP``), so the last observation is the one that is returned.
    """

    def make() -> gym.Env:
        if isinstance(environment, str):
            return gym.make(environment, disable_env_checker=True)
        return environment()

    mode = AutoresetMode.SAME_STEP if training else AutoresetMode.NEXT_STEP
    return gym.vector.SyncVectorEnv([make] * count, autoreset_mode=mode)


def epsilon_greedy(values: np.ndarray, epsilon: float, rng: np.random.Generator) -> np.ndarray:
    """Each row's best action, or with probability ``epsilon`` any action. (n, actions) to (n,)."""
    count, actions = values.shape
    explores = rng.random(count) < epsilon
    return np.where(explores, rng.integers(actions, size=count), values.argmax(axis=1))


def linear_schedule(start: float, end: float, steps: int) -> Callable[[int], float]:
    """A straight line from ``start`` at 0 to ``end`` at ``steps``, flat from there on."""
    return lambda count: start + (end - start) * min(count / steps, 1.0)


class Collector(keras.callbacks.Callback):
    """Plays between the batches of ``fit`` and stores the transitions.

    The history gets ``return``: the mean return of the episodes that ended in the epoch (NaN if
    none did). What ended because time ran out is stored as not terminated, with the observation at
    which it was cut off, so that its value is still estimated.

    Args:
        envs: environments that reset themselves in the same or in the next step.
        buffer: where transitions go.
        epsilon: the share of random actions; or a function from the number of transitions so far
            to that share.
        seed: of the environments and of exploration.
        steps: of all environments for each batch. With ``compile(steps_per_execution=4)``, which
            halves the time of small networks, four times as many before each four batches.
    """

    def __init__(
        self,
        envs: VectorEnv,
        buffer: ReplayBuffer,
        epsilon: float | Callable[[int], float] = 0.05,
        seed: int = 0,
        steps: int = 1,
    ):
        super().__init__()
        self.envs, self.buffer, self.epsilon, self.steps = envs, buffer, epsilon, steps
        self._mode = AutoresetMode(envs.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP))
        if self._mode == AutoresetMode.DISABLED:
            raise ValueError("The environments do not reset themselves: use `make_envs`.")
        if not isinstance(envs.single_action_space, gym.spaces.Discrete):
            raise ValueError("Deep Q-learning chooses among actions that can be counted.")
        self._actions = int(envs.single_action_space.n)
        self._rng = np.random.default_rng(seed)
        self._observations, _ = envs.reset(seed=seed)
        self._resetting = np.zeros(envs.num_envs, bool)
        self._running = np.zeros(envs.num_envs)
        self._ended_before_epoch = 0
        self.transitions = 0
        self.returns: list[float] = []

    def play(self, steps: int, epsilon: float | None = None) -> None:
        """Step all environments ``steps`` times; with ``epsilon=1`` no model is needed.

        Raises:
            ValueError: a model would be needed, and ``fit`` has not given one yet.
        """
        for _ in range(steps):
            self._step(self._choose(epsilon))

    def _choose(self, epsilon: float | None) -> np.ndarray:
        if epsilon is None:
            schedule = self.epsilon
            epsilon = schedule(self.transitions) if callable(schedule) else schedule
        if epsilon >= 1:
            values = np.zeros((self.envs.num_envs, self._actions))
        else:
            if self.model is None:
                raise ValueError("Before `fit` no model can choose: play(steps, epsilon=1.0).")
            values = self.model.values(self._observations)
        return epsilon_greedy(values, epsilon, self._rng)

    def _step(self, actions: np.ndarray) -> None:
        following, rewards, terminated, truncated, info = self.envs.step(actions)
        ended = terminated | truncated
        last = following
        if self._mode == AutoresetMode.SAME_STEP and ended.any():
            # `following` already begins the next episode there.
            last = following.copy()
            last[ended] = np.stack(list(info["final_obs"][ended]))
        # In the mode that resets in the next step, that step belongs to no episode.
        real = ~self._resetting
        self.buffer.add(
            observation=self._observations[real],
            action=actions[real],
            reward=rewards[real],
            next_observation=last[real],
            terminated=terminated[real],
        )
        self.transitions += int(real.sum())
        self._running += rewards * real
        self.returns += self._running[ended].tolist()
        self._running[ended] = 0
        if self._mode == AutoresetMode.NEXT_STEP:
            self._resetting = ended
        self._observations = following

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._ended_before_epoch = len(self.returns)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self.play(self.steps * self.model.steps_per_execution)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        ended = self.returns[self._ended_before_epoch :]
        if logs is not None:
            logs["return"] = float(np.mean(ended)) if ended else float("nan")


class Evaluation(keras.callbacks.Callback):
    """Plays greedily after each epoch; the history gets ``val_return``, the mean return.

    With ``keras.callbacks.EarlyStopping(monitor="val_return", mode="max",
    restore_best_weights=True)`` *after* it in the list the best agent is kept. (Deep Q-learning
    gets worse again now and then; the last agent is rarely the best.)

    Args:
        envs: as for ``evaluate``.
        seed: of the environments; every epoch is tested on the same episodes.
    """

    def __init__(self, envs: VectorEnv, seed: int = 1_000):
        super().__init__()
        self.envs, self.seed = envs, seed

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        returns = evaluate(self.model.greedy, self.envs, seed=self.seed)
        if logs is not None:
            logs["val_return"] = float(returns.mean())


def evaluate(
    policy: Callable[[np.ndarray], np.ndarray],
    envs: VectorEnv,
    seed: int = 1_000,
    options: dict[str, Any] | None = None,
) -> np.ndarray:
    """Returns of one episode in each environment, shape (environments,), rewards undiscounted.

    Each environment plays one episode to its end: to take the first episodes that end would prefer
    short ones.

    Args:
        policy: from observations (n, *shape) to actions (n,), such as ``DeepQNetwork.greedy`` or a
            rule written by hand.
        envs: environments whose episodes end, if only by a time limit.
        seed: the first environment's; the others take the numbers after it.
        options: for ``envs.reset``, such as other states to start from.
    """
    observations, _ = envs.reset(seed=seed, options=options)
    returns, active = np.zeros(envs.num_envs), np.ones(envs.num_envs, bool)
    while active.any():
        observations, rewards, terminated, truncated, _ = envs.step(policy(observations))
        returns += rewards * active
        active &= ~(terminated | truncated)
    return returns
