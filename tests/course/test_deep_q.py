"""Deep Q-learning: targets against numbers worked out by hand, and what surrounds them."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import course
from course import models

keras = pytest.importorskip("keras")

from course import deep_q  # noqa: E402
from course.deep_q import Collector, DeepQNetwork, ReplayBuffer, evaluate, make_envs  # noqa: E402


@pytest.fixture(autouse=True)
def float32():
    course.setup(quiet=True)
    yield
    keras.config.set_dtype_policy("float32")


def linear_network(kernel) -> keras.Model:
    """Action values that are a product with ``kernel`` (inputs, actions)."""
    kernel = np.array(kernel, "float32")
    inputs = keras.Input((kernel.shape[0],))
    outputs = keras.layers.Dense(kernel.shape[1], use_bias=False, dtype="float32")(inputs)
    network = keras.Model(inputs, outputs)
    network.set_weights([kernel])
    return network


def two_networks(double: bool, discount: float = 0.5) -> DeepQNetwork:
    """Of the state [1, 0] the online network says 5, 1 and the target network 2, 4."""
    agent = DeepQNetwork(linear_network([[5, 1], [0, 0]]), discount=discount, double=double)
    agent.target.set_weights([np.array([[2, 4], [0, 0]], "float32")])
    return agent


def batch(terminated=(False, True)) -> dict[str, np.ndarray]:
    size = len(terminated)
    return {
        "observation": np.tile(np.array([[0, 1]], "float32"), (size, 1)),
        "action": np.zeros(size, "int32"),
        "reward": np.full(size, 10, "float32"),
        "next_observation": np.tile(np.array([[1, 0]], "float32"), (size, 1)),
        "terminated": np.array(terminated),
    }


def test_targets_by_hand():
    # 10 + 0.5 * max(2, 4); a terminated episode has nothing more to give.
    assert two_networks(double=False).td_targets(batch()).numpy() == pytest.approx([12, 10])


def test_double_q_takes_the_online_choice_and_the_target_value():
    # The online network prefers the first action, and the target network says that it is worth 2.
    assert two_networks(double=True).td_targets(batch()).numpy() == pytest.approx([11, 10])


def compiled(agent: DeepQNetwork, rate: float = 0.1) -> DeepQNetwork:
    agent.compile(keras.optimizers.SGD(rate), jit_compile=False)
    return agent


def test_the_target_network_moves_by_tau_and_gets_no_gradient():
    agent = compiled(two_networks(double=False))
    before = agent.target.get_weights()[0]
    agent.fit(as_dataset(batch()), epochs=1, shuffle=False, verbose=0)
    online = agent.online.get_weights()[0]
    assert agent.target.get_weights()[0] == pytest.approx(before + 0.01 * (online - before))
    assert agent.trainable_variables == agent.online.trainable_variables
    # The value of the action taken in [0, 1] was 0 and should rise; nothing else has a gradient.
    assert online[1, 0] > 0
    assert online[1, 1] == 0
    assert online[0].tolist() == [5, 1]


def test_an_error_above_delta_counts_linearly():
    agent = compiled(two_networks(double=False), rate=1.0)
    agent.fit(as_dataset(batch()), epochs=1, shuffle=False, verbose=0)
    assert agent.online.get_weights()[0][1, 0] == pytest.approx(1.0)  # errors are 12 and 10


def as_dataset(transitions):
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(transitions)


def test_the_history_is_that_of_the_step():
    agent = compiled(two_networks(double=False), rate=0.0)
    history = agent.fit(as_dataset(batch()), epochs=2, shuffle=False, verbose=0).history
    assert history["error"] == pytest.approx([11, 11], rel=0.01)
    assert history["loss"] == pytest.approx([10.5, 10.5], rel=0.01)  # Huber: error - 1/2
    assert set(history) == {"loss", "value", "error"}
    result = agent.evaluate(as_dataset(batch()), verbose=0, return_dict=True)
    assert result["error"] == pytest.approx(11, rel=0.01)


def test_a_plain_generator_is_enough_for_fit():
    def batches():
        while True:
            yield (batch(),)

    agent = compiled(two_networks(double=False))
    history = agent.fit(batches(), steps_per_epoch=3, epochs=2, shuffle=False, verbose=0).history
    assert history["error"][1] < history["error"][0]


def test_a_toy_world_is_solved():
    """Two states: the first leads to the second, and there one action ends it with reward 1."""
    world = {
        "observation": np.eye(2, dtype="float32")[[0, 0, 1, 1]],
        "action": np.array([0, 1, 0, 1], "int32"),
        "reward": np.array([0, 0, 1, 0], "float32"),
        "next_observation": np.eye(2, dtype="float32")[[0, 1, 1, 0]],
        "terminated": np.array([False, False, True, False]),
    }
    for double in (False, True):
        network = linear_network([[0, 0], [0, 0]])
        agent = DeepQNetwork(network, discount=0.9, tau=0.2, double=double)
        agent.compile(keras.optimizers.Adam(0.05))
        data = as_dataset(world).repeat(400)
        agent.fit(data, epochs=1, shuffle=False, verbose=0)
        values = agent.values(np.eye(2))
        assert values == pytest.approx(np.array([[0.81, 0.9], [1.0, 0.81]]), abs=0.01)
        assert agent.greedy(np.eye(2)).tolist() == [1, 0]


@pytest.mark.parametrize("scaling", [True, False])
def test_tiny_gradients_survive_float16_because_the_loss_is_scaled(scaling):
    keras.config.set_dtype_policy("mixed_float16")
    keras.utils.set_random_seed(0)
    network = models.mlp((2,), 2, hidden=(8,))
    # Values so far from the loss that what comes back to the first layer is below float16's range.
    network.layers[-1].set_weights([np.full((8, 2), 1e-8), np.zeros(2)])
    agent = DeepQNetwork(network)
    optimizer = keras.optimizers.SGD(1e8)
    if not scaling:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0)
    agent.compile(optimizer, jit_compile=False)
    assert isinstance(agent.optimizer, keras.optimizers.LossScaleOptimizer)
    first = next(layer for layer in network.layers if layer.weights)
    before = first.bias.numpy().copy()
    agent.fit(as_dataset(batch()), epochs=1, shuffle=False, verbose=0)
    assert (abs(first.bias.numpy() - before).max() > 0) == scaling
    assert agent.td_targets(batch()).dtype == "float32"


def test_saving_keeps_both_networks(tmp_path):
    agent = two_networks(double=True)
    config = agent.get_config()
    DeepQNetwork.from_config(config)
    assert "network" in config
    agent.save(tmp_path / "agent.keras")
    loaded = keras.models.load_model(tmp_path / "agent.keras")
    assert loaded.td_targets(batch()).numpy() == pytest.approx([11, 10])
    assert (loaded.tau, loaded.discount, loaded.double) == (0.01, 0.5, True)


def numbered(*numbers: int) -> dict[str, np.ndarray]:
    values = np.array(numbers, "float32")
    return {
        "observation": values[:, None],
        "action": values,
        "reward": values,
        "next_observation": values[:, None] + 1,
        "terminated": np.zeros(len(values), bool),
    }


def test_the_buffer_overwrites_the_oldest():
    buffer = ReplayBuffer(4, (1,), seed=0)
    buffer.add(**numbered(0, 1, 2))
    assert len(buffer) == 3
    buffer.add(**numbered(3, 4, 5))
    assert len(buffer) == 4
    drawn = buffer.sample(200)
    assert set(drawn["reward"]) == {2, 3, 4, 5}
    assert (drawn["next_observation"] == drawn["observation"] + 1).all()
    buffer.add(**numbered(*range(10, 20)))  # more than it holds
    assert set(buffer.sample(200)["reward"]) == {16, 17, 18, 19}


def test_sampling_is_seeded_and_uniform():
    drawn = []
    for seed in (0, 0, 1):
        buffer = ReplayBuffer(10, (1,), seed=seed)
        buffer.add(**numbered(*range(10)))
        drawn.append(buffer.sample(2000)["action"])
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()
    assert abs(np.bincount(drawn[0]) - 200).max() < 60


def test_the_dataset_draws_only_when_asked():
    buffer = ReplayBuffer(10, (1,), seed=0)
    batches = iter(buffer.dataset(8))
    buffer.add(**numbered(1))
    assert next(batches)["reward"].numpy().tolist() == [1] * 8
    buffer.add(**numbered(*[2] * 10))
    assert next(batches)["reward"].numpy().tolist() == [2] * 8


def test_faults_of_a_buffer_are_named():
    buffer = ReplayBuffer(4, (1,))
    with pytest.raises(ValueError, match="buffer is empty"):
        buffer.sample(2)
    with pytest.raises(ValueError, match="has the keys observation"):
        buffer.add(observation=np.zeros((1, 1)))
    with pytest.raises(ValueError, match="equally long"):
        buffer.add(**numbered(1, 2) | {"reward": np.zeros(3)})
    with pytest.raises(ValueError, match="at least one"):
        ReplayBuffer(0, (1,))


class Corridor(gym.Env):
    """Observes how many steps were made; action 1 ends the episode, reward 1 a step."""

    observation_space = gym.spaces.Box(0, 100, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.array([self.steps], np.float32), 1.0, bool(action), False, {}


def corridors(count: int, training: bool = True):
    return make_envs(lambda: gym.wrappers.TimeLimit(Corridor(), 3), count, training)


class Always(Collector):
    """Always plays the same action."""

    action = 0

    def _choose(self, epsilon):
        return np.full(self.envs.num_envs, self.action)


@pytest.mark.parametrize("training", [True, False])
def test_what_is_cut_off_by_time_goes_on_and_keeps_its_last_observation(training):
    buffer = ReplayBuffer(100, (1,))
    collector = Always(corridors(2, training), buffer)
    collector.play(8)
    stored = {name: values[: len(buffer)] for name, values in buffer._arrays.items()}
    # Steps 0-1, 1-2, 2-3 over and over, in neither mode one from an episode into the next.
    assert (stored["next_observation"] == stored["observation"] + 1).all()
    assert stored["next_observation"].max() == 3
    assert not stored["terminated"].any()
    assert len(buffer) == collector.transitions == (16 if training else 12)
    assert collector.returns == [3.0] * 4


@pytest.mark.parametrize("training", [True, False])
def test_what_ends_by_itself_is_terminated(training):
    buffer = ReplayBuffer(100, (1,))
    collector = Always(corridors(2, training), buffer)
    collector.action = 1
    collector.play(4)
    assert buffer._arrays["terminated"][: len(buffer)].all()
    assert (buffer._arrays["next_observation"][: len(buffer)] == 1).all()
    assert set(collector.returns) == {1.0}


def test_environments_that_do_not_reset_are_refused():
    envs = gym.vector.SyncVectorEnv([Corridor], autoreset_mode=AutoresetMode.DISABLED)
    with pytest.raises(ValueError, match="do not reset"):
        Collector(envs, ReplayBuffer(4, (1,)))


def test_playing_before_there_is_a_model_says_so():
    collector = Collector(make_envs("CartPole-v1", 2), ReplayBuffer(10, (4,)), epsilon=0.5)
    collector.play(1, epsilon=1.0)
    with pytest.raises(ValueError, match="Before `fit`"):
        collector.play(1)


def test_epsilon_is_the_share_of_random_actions():
    values = np.tile([[0.0, 3.0, 1.0, 2.0]], (8000, 1))
    for epsilon in (0.0, 0.4, 1.0):
        actions = deep_q.epsilon_greedy(values, epsilon, np.random.default_rng(0))
        wanted = 1 - 0.75 * epsilon  # a quarter of the random ones is the best one
        assert np.mean(actions == 1) == pytest.approx(wanted, abs=0.02)


def test_a_schedule_goes_down_and_stays():
    schedule = deep_q.linear_schedule(1.0, 0.1, 100)
    assert [schedule(n) for n in (0, 50, 100, 1000)] == pytest.approx([1.0, 0.55, 0.1, 0.1])


@pytest.mark.parametrize("training", [True, False])
def test_evaluate_plays_one_episode_in_each_environment(training):
    stay = lambda observations: np.zeros(len(observations), int)  # noqa: E731
    leave_second = lambda observations: (observations[:, 0] >= 1).astype(int)  # noqa: E731
    envs = corridors(5, training)
    assert evaluate(stay, envs).tolist() == [3.0] * 5
    assert evaluate(leave_second, envs).tolist() == [2.0] * 5


def learn(seed: int, **compile_options):
    keras.utils.set_random_seed(seed)
    agent = DeepQNetwork(models.mlp((4,), 2, hidden=(16,)))
    agent.compile(keras.optimizers.Adam(1e-3), **compile_options)
    buffer = ReplayBuffer(1000, (4,), seed=seed)
    collector = Collector(make_envs("CartPole-v1", 4), buffer, epsilon=0.2, seed=seed)
    collector.play(20, epsilon=1.0)
    callbacks = [
        collector,
        deep_q.Evaluation(make_envs("CartPole-v1", 4, training=False)),
        keras.callbacks.EarlyStopping(
            "val_return", mode="max", patience=9, restore_best_weights=True
        ),
    ]
    data = buffer.dataset(16)
    history = agent.fit(
        data, steps_per_epoch=24, epochs=3, callbacks=callbacks, shuffle=False, verbose=0
    ).history
    return agent, collector, history


def test_acting_and_learning_in_one_fit():
    agent, collector, history = learn(0)
    assert set(history) == {"loss", "value", "error", "return", "val_return"}
    assert all(np.isfinite(values).all() and np.any(values) for values in history.values())
    assert collector.transitions == 4 * (20 + 3 * 24)
    # The best weights are back.
    returns = evaluate(agent.greedy, make_envs("CartPole-v1", 4, training=False))
    assert returns.mean() == max(history["val_return"])


def test_the_same_seed_learns_the_same():
    assert learn(1)[2]["loss"] == learn(1)[2]["loss"]


def test_steps_in_one_execution_keep_the_share_of_acting():
    assert learn(0, steps_per_execution=4)[1].transitions == 4 * (20 + 3 * 24)
