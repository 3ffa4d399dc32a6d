# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Deep Q-learning
#     summary: You write the parts of a deep Q-network in Keras, train it until it keeps a pole upright, take its safeguards away one at a time, and see what happens when a walker is paid for the wrong thing.
#     part: V Reinforcement learning
#     minutes: 110
#     minutes_reading: 34
#     objectives:
#     - describe a task by observations, actions, rewards and ends, and learn a table of action values from single steps
#     - write in Keras a Q-network, the targets of double Q-learning, the training step and the step of the target network
#     - train a Q-network with a replay memory until it solves its task, and keep the best of what it learned
#     - measure over many seeds what each safeguard is worth
#     - recognise a reward that is gamed, and pay for progress in a way that cannot be
#     datasets: []
#     full_size: []
#     needs: [01_neurons_and_layers, 07_chest_xrays]
#     mirrors:
#       "1 Reinforcement Learning": "Deep Q-learning"
#       "1 Reinforcement Learning: Games": "Players that nobody taught to play"
#       "1 Reinforcement Learning: Agents, environments and rewards": "An agent, an environment, a reward"
#       "4 How is Deep Learning Different from Machine Learning?: Reinforcement learning": "An agent, an environment, a reward"
#       "4 Specific Applications/Examples of Deep Learning: Robotics": "From a pole to a robot"
#     built: the Q-network, targets, training step and target network of deep Q-learning in Keras, which together keep a pole upright, and a bonus that cannot be gamed
#     terms:
#       "agent": What acts, and learns from what comes of it.
#       "environment": The world in which an agent acts, with observations, rewards and ends.
#       "observation (of an agent)": What an agent sees of its environment at a step.
#       "action (of an agent)": What an agent does at a step.
#       "reward (of an agent)": The number that an agent gets after a step.
#       "episode": One run, from a start to an end.
#       "policy (of an agent)": How it chooses its actions.
#       "discounted return": The sum of all rewards from a step on, each multiplied by the discount once more.
#       "Bellman equation": "What the value of an action must be: the reward, and the discounted value of the best action afterwards."
#       "value iteration": Computing all values by applying the Bellman equation again and again.
#       "Q-learning": Learning the values of actions from single steps, by moving each towards its target.
#       "transition": "One step as it is remembered: state, action, reward, next state, ended or not."
#       "target (of Q-learning)": The reward, and the discounted value of what follows, as it is estimated now.
#       "bootstrapping": Building an estimate upon another estimate.
#       "epsilon-greedy, ε-greedy": The policy that takes the best known action mostly, and a random one with probability ε.
#       "Q-network, deep Q-network": A network that gives the values of all actions for an observation.
#       "replay memory, replay": The store of transitions from which batches are drawn at random.
#       "target network": A copy of the Q-network that follows slowly, and from which the targets are made.
#       "double Q-learning, Double Q": Choosing the next action by one network and judging it by another, against values that are too high.
#       "terminated": Said of an episode that came to its end.
#       "truncated": Said of an episode that was cut off, because time was up, and would have gone on.
#       "Huber": A loss that is squared for small errors and linear for large ones.
#       "reward hacking": Earning the reward in a way that nobody wanted.
#       "potential (of a state)": How good a place is; paying its gain leaves the best policy the best.
#       "Permute": The layer that changes the order of its input's axes.
#       "History": "What `fit` returns: the loss and the metrics of each epoch."
#     explains: [loss scaling, supervised, unsupervised]
# ---

# %% [markdown]
# # Deep Q-learning
#
# How does a program learn to keep a pole upright, when nobody tells it which push was right, and all that it ever hears
# is that the pole fell? In this lesson you write the program: a **deep Q-network** in Keras, with its memory, its targets and its
# training step. The picture below is what you will have at the end: above, a cart that is pushed at random; below, one that is
# pushed by a network that has practised for a quarter of a minute on each of eight carts.
#
# Reading and running takes about 34 minutes, of which a minute is waiting. The five exercises, four of them in
# Keras, take an hour and a quarter more.

# %%
import course

course.setup(seed=0)

import time

import gymnasium as gym
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops
from tqdm import tqdm

from course import datasets, fallbacks, plots, results

# %% [markdown]
# A pole is hinged to a cart. Every fiftieth of a second the cart is pushed to the left or to the right, and nothing else can be
# done.


# %% tags=["demo"]
def watch(policy, seed, steps=500):
    """Observations (time, 4) of one episode of CartPole, played by a policy."""
    world = gym.make("CartPole-v1")
    seen, over = [world.reset(seed=seed)[0]], False
    while not over and len(seen) < steps:
        after, _, terminated, truncated, _ = world.step(int(policy(seen[-1][None])[0]))
        seen.append(after)
        over = terminated or truncated
    return np.array(seen)


def draw_cart(axis, x, angle):
    """Cart and pole, from position (m) and angle (rad)."""
    axis.plot([-2.4, 2.4], [0, 0], color=plots.BLACK, lw=1)
    axis.plot([x - 0.3, x + 0.3], [0.1, 0.1], color=plots.BLUE, lw=8, solid_capstyle="butt")
    axis.plot([x, x], [0.1, 1.2], color=plots.BLACK, lw=1, ls=":")
    tip = (x + np.sin(angle), 0.1 + np.cos(angle))
    axis.plot([x, tip[0]], [0.1, tip[1]], color=plots.ORANGE, lw=4, solid_capstyle="round")
    axis.set(xlim=(-1.2, 1.2), ylim=(-0.1, 1.3), aspect="equal")
    axis.set_axis_off()


# %% tags=["demo"]
# Position (m) and angle (rad) of the agent that this lesson trains, written down every two seconds.
FINISHED = [(-0.04, 0.03), (-0.03, -0.001), (-0.11, -0.004), (-0.17, 0.005), (-0.22, -0.005)]

coin = np.random.default_rng(1)
at_random = watch(lambda seen: coin.integers(2, size=1), seed=3)
fig, axes = plt.subplots(2, 5, figsize=(6.4, 3.4))
moments = np.linspace(0, len(at_random) - 1, 5).astype(int)
for row, axis in enumerate(axes.flat):
    place = row % 5
    x, angle = at_random[moments[place], [0, 2]] if row < 5 else FINISHED[place]
    seconds = moments[place] / 50 if row < 5 else 2.0 * place
    draw_cart(axis, x, angle)
    axis.set_title(f"{seconds:.1f} s, {abs(np.degrees(angle)):.0f}°", loc="center", fontsize=11)
fig.suptitle(
    "Above, pushed at random: past 12° it counts as fallen.\nBelow, what you will train: after 8 seconds it is still up.",
    x=0.01,
    ha="left",
    fontsize=12,
)
plots.show(
    fig,
    alt="""Two rows of five pictures of a cart with a pole. Above, pushed at random, the pole is nearly upright
    at first and leans more than 12 degrees within a second. Below, pushed by the trained network, it is nearly upright in
    all five pictures, the last of them after eight seconds.""",
)

# %% [markdown]
# ## Players that nobody taught to play
#
# Games made this way of learning famous: they can be played millions of times, and the score says how well it went. In 2015
# one method learned 49 Atari games from their pixels and scores alone, with the same settings for all, and reached
# at least three quarters of a professional tester's score in more than half of them. It was the method of this lesson. Two years later
# AlphaZero beat the strongest chess, shogi and Go programs after playing against nobody but
# itself; it too learns what positions are worth, and looks ahead besides.
#
# Two things make it hard. The consequences come late: a chess game is lost at move 40 because of move 12, and no teacher says
# so. And the player makes its own data: what it never tries, it never learns about.

# %% [markdown]
# ## An agent, an environment, a reward
#
# At each step an **agent** sees an **observation** of its **environment**, takes an **action**, and gets a **reward**, a
# number: positive for what is good, negative for what is bad. An **episode** goes on until the environment ends it. How the
# agent chooses is its **policy**. Supervised learning is told the right answers. Here nobody knows the right action; a reward
# says only how well things went. Unsupervised learning has no such number at all.
#
# Before the pole, a task so small that the exact solution can be computed. It comes from Gymnasium, the library of environments
# that the field shares: a grid of 4 × 12 fields with
# a cliff along its lower edge. The walker starts at the lower left; the goal is at the lower right. Each step costs 1.
# Stepping over the edge costs 100 and leads back to the start. All of its rules fit into three tables of 48 fields by 4
# actions: where one gets, for what reward, and whether the episode ends there.

# %%
rules = gym.make("CliffWalking-v1").unwrapped.P
NEXT, REWARD, ENDS = np.zeros((48, 4), int), np.zeros((48, 4)), np.zeros((48, 4), bool)
for field in range(48):
    for action in range(4):
        ((_, NEXT[field, action], REWARD[field, action], ENDS[field, action]),) = rules[field][
            action
        ]
START, GOAL = 36, 47

# %% [markdown]
# ### What is a step worth?
#
# A step matters for all that follows. So we add up the rewards $r_0, r_1, r_2, \ldots$ from now on, each counting a bit less
# the later it comes, and call this the **discounted return**:
#
# $$G = r_0 + \gamma\, r_1 + \gamma^2 r_2 + \ldots$$
#
# The **discount** $\gamma$ (gamma), here .95, says how patient the agent is. Now let $Q(s, a)$ be the return that
# follows when one takes action $a$ in state $s$ and does everything right afterwards. With $Q$ one needs no plan: the best
# action is the one with the largest $Q$. And $Q$ must agree with itself:
#
# $$Q(s, a) = r + \gamma \max_{a'} Q(s', a')$$
#
# where $r$ is the reward, $s'$ the next state, and the second term is missing if the episode ended. This is the
# **Bellman equation**. Where the rules are known, as in our tables, it becomes a computation, **value iteration**: fill $Q$
# with zeros, compute the right side for all entries, take it as the new $Q$, repeat.


# %%
def best_values(reward, discount=0.95):
    """The exact action values (48, 4) for a table of rewards (48, 4), by value iteration."""
    values = np.zeros((48, 4))
    for _ in range(500):
        values = reward + discount * ~ENDS * values[NEXT].max(axis=2)
    return values


def walk(values, steps=100):
    """The fields that a walker visits who always takes the best action."""
    path = [START]
    while path[-1] != GOAL and len(path) <= steps:
        path.append(int(NEXT[path[-1], values[path[-1]].argmax()]))
    return path


# %% tags=["nbval-check-output"]
truth = best_values(REWARD)
print("steps of the best walk:", len(walk(truth)) - 1)
print("worth of up, right, down, left at the start:", truth[START].round(2))

# %% [markdown]
# One step up, eleven to the right along the edge, one down. The start is worth −9.73 and not −13 because of the discount.
#
# ## Learning from single steps
#
# Mostly nobody has such tables. One can only act and see what comes. **Q-learning** makes the Bellman equation into a
# rule for one step: having seen a **transition** (state, action, reward, next state, ended or not), move the entry
# a part of the way, the **rate** $\alpha$ (alpha), from what it says to what the right side says now, its **target**:
#
# $$Q(s, a) \leftarrow Q(s, a) + \alpha \big(\, \underbrace{r + \gamma \max_{a'} Q(s', a')}_{\text{target}} - Q(s, a) \,\big)$$
#
# The target is itself a guess, built upon another entry's guess. This is called **bootstrapping**. It works because the
# reward in it is real.
#
# Which action does the learner take while it learns? The best one that it knows, mostly; and with a small probability ε
# (epsilon) any action, drawn evenly from all. This is the **ε-greedy** policy, the plainest way to **explore**. The whole
# learner:


# %% tags=["demo"]
def learn_table(reward, seed, episodes=300, begin=0.0, epsilon=0.1, rate=0.5, discount=0.95):
    """Action values (48, 4) learned by walking, and how many steps each episode took, at most 100."""
    rng = np.random.default_rng(seed)
    values, lengths = np.full((48, 4), begin, float), []
    for _ in range(episodes):
        here, steps, ended = START, 0, False
        while steps < 100 and not ended:
            explores = rng.random() < epsilon
            action = rng.integers(4) if explores else values[here].argmax()
            after, ended = NEXT[here, action], ENDS[here, action]
            target = reward[here, action] + discount * (0 if ended else values[after].max())
            values[here, action] += rate * (target - values[here, action])
            here, steps = after, steps + 1
        lengths.append(steps)
    return values, np.array(lengths)


# %% [markdown]
# It is often said that a learner that never explores never learns. We try: with ε = .1; with ε = 0; and with ε = .1 again, but
# with a table that is filled with −30 at first and not with 0. (Walking about without a fall is worth −20 at worst.) *Which
# of the three will find the goal? How long will an episode take then?*

# %% tags=["demo", "nbval-check-output"]
learners = {
    "starts at 0, epsilon .1": (dict(begin=0, epsilon=0.1), (16, 19)),
    "starts at 0, epsilon 0": (dict(begin=0, epsilon=0), (13, 13)),
    "starts at -30, epsilon .1": (dict(begin=-30, epsilon=0.1), (100, 100)),
}
tables, rows = {}, []
for name, (settings, limits) in learners.items():
    tables[name], lengths = learn_table(REWARD, seed=0, **settings)
    rows.append((name, lengths[-100:].mean(), limits))
print("steps of an episode, mean of the last 100 of 300 episodes:")
results.table(*rows)

# %% [markdown]
# The learner that never explores is the best of the three, and the one that starts at −30 never arrives. What explores here
# is not ε but the zeros. They are **optimistic**: every true value is below 0, so whatever was tried looks worse afterwards
# than what was not, and is left for it. Started at −30, the first step that is tried looks better than all others, and is tried
# again and again, and one random step in ten does not lead all the way to the goal. So the same rule explores or does not, depending on
# what it believes of the unknown. ε is the remedy where one cannot choose that.
#
# *What do you expect of the values: where are they exact, and where not?*


# %% tags=["demo"]
def draw_walk(axis, values, path, title):
    """Worth of each field as a colour, and a path."""
    worth = values.max(axis=1).reshape(4, 12).copy()
    worth[3, 1:] = np.nan
    axis.imshow(worth, vmin=-10, vmax=0)
    rows, columns = np.divmod(np.array(path), 12)
    axis.plot(columns, rows, color=plots.ORANGE, marker="o", ms=4)
    axis.text(5.5, 3, "cliff", ha="center", va="center")
    axis.text(11, 3.35, "goal", ha="center", va="center", fontsize=9)
    axis.set_title(title, fontsize=11)
    axis.set(xticks=[], yticks=[])


# %% tags=["demo"]
early, _ = learn_table(REWARD, seed=0, episodes=15)
late = tables["starts at 0, epsilon .1"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 4.8))
draw_walk(axes[0], early, walk(early, 12), "after 15 episodes: its best walk does not arrive")
draw_walk(axes[1], late, walk(late), "after 300 episodes: along the edge, to the goal")
fig.colorbar(axes[0].images[0], ax=axes, label="worth of a field (discounted)", shrink=0.8)
fig.suptitle("Values start at 0 and fall until they are true", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Two maps of a grid of 4 by 12 fields with a cliff below, coloured by the worth of each field. After 15
    episodes the values lie between minus 1 and minus 6, and the best walk does not leave the start. After 300 the worth falls
    from the goal on the right to about minus 10 at the start on the left, and the walk goes along the edge to the goal.""",
)

# %% tags=["demo", "nbval-check-output"]
print("distance from the exact worth, after 300 episodes:")
off = np.abs(late.max(axis=1) - truth.max(axis=1))
results.table(
    ("largest on the best walk", off[walk(truth)[:-1]].max(), (0, 0.01)),
    ("largest anywhere else", off[:36].max(), (0.7, 1.3)),
)

# %% [markdown]
# Along the best walk the values are exact; in corners that were not worth a visit they remain too high, and nobody needs them.
#
# It learns to walk **on the very edge**: the values assume that every step after this one is the best. When it explores there
# it falls now and then, which is why the learner with ε = .1 needs more steps than the one without; the table does not mind, for it
# describes the walker that never errs. A good reason not to let such a learner explore next to a real cliff.

# %% [markdown]
# ## A pole does not fit into a table
#
# Now the pole. An observation has four numbers: the cart's position and speed, the pole's angle and angular speed. There are two
# actions, left (0) and right (1). An episode ends when the pole
# leans more than 12° or the cart leaves its track, 2.4 m to either side; after 500 steps, ten seconds, time is up. The score is
# the number of steps, and Gymnasium counts the task as **solved** at a mean score of 475.
#
# Look at the data first. We let a hundred carts run at once, one array for all, with random pushes.


# %%
def poles(count, **options):
    """Carts with poles that are stepped together; one that has ended starts anew in its next step."""
    return gym.make_vec("CartPole-v1", count, vectorization_mode="vector_entry_point", **options)


def play(policy, envs, seed):
    """The return of one episode in each environment, (environments,), played by a policy."""
    seen, _ = envs.reset(seed=seed)
    total, goes_on = np.zeros(envs.num_envs), np.ones(envs.num_envs, bool)
    while goes_on.any():
        seen, reward, terminated, truncated, _ = envs.step(policy(seen))
        total += reward * goes_on
        goes_on &= ~(terminated | truncated)
    return total


# %% tags=["demo", "nbval-check-output"]
rng = np.random.default_rng(0)
hundred, seen = poles(100), []
hundred.reset(seed=0)
for _ in range(50):
    seen.append(hundred.step(rng.integers(2, size=100))[0])
spread = np.std(seen, axis=(0, 1))
print("standard deviation over 50 steps of 100 carts:")
results.table(
    ("position, m", spread[0], (0.06, 0.08)),
    ("speed, m/s", spread[1], (0.5, 0.56)),
    ("angle, rad", spread[2], (0.09, 0.1)),
    ("angular speed, rad/s", spread[3], (0.78, 0.84)),
)

# %% [markdown]
# The angle, on which everything depends, is among the smallest numbers: at 12°, .21 rad, the pole counts as fallen, while the speeds reach
# ten times as much. A network is slow to notice small inputs, so each number will be multiplied by a *scale* first.
#
# What can be had without learning? Random pushes, and a rule by hand: push to the side to which the pole will lean a
# quarter of a second from now. *What do you expect of one line of arithmetic?*

# %% tags=["demo", "nbval-check-output"]
at_random_scores = play(lambda seen: rng.integers(2, size=100), hundred, seed=5_000)
rule = lambda seen: (seen[:, 2] + 0.25 * seen[:, 3] > 0).astype(int)
rule_scores = play(rule, hundred, seed=5_000)
print("steps until the pole falls, mean of 100 episodes:")
results.table(
    ("random pushes", at_random_scores.mean(), (19, 27)),
    ("rule by hand", rule_scores.mean(), (500, 500)),
)

# %% [markdown]
# The rule is perfect. Whoever has a pole to balance should use it. We take the pole because one can see everything in it and
# learning takes seconds; the methods are made for tasks for which nobody can write the rule.
#
# A table would need a row for each observation, and hardly any comes twice. So a **Q-network** takes its place: an observation
# in, the values of all actions out. It is trained like any regression, with the targets of Q-learning as the numbers to predict.
#
# ### Exercise 1: the Q-network
#
# Complete `q_network(scales, actions)`, which returns a Keras model (compiling comes later):
#
# - in: observations of `len(scales)` numbers; each number is multiplied by its scale first (`layers.Rescaling` takes a list);
# - two hidden layers of 64 units with ReLU;
# - out: a value for each of the `actions`. It may be any number, also a negative one. The weights of this last layer begin at **0** (`kernel_initializer="zeros"`), so that, as in
#   the table, all values are 0 at first.

# %%
SCALES = [0.5, 0.5, 5.0, 0.5]


# %% grade_id="q_network" solution=true
def q_network(scales, actions):
    """A model from observations (batch, len(scales)) to action values (batch, actions)."""
    ### BEGIN SOLUTION
    observation = keras.Input((len(scales),))
    x = layers.Rescaling(scales)(observation)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dense(64, activation="relu")(x)
    values = layers.Dense(actions, kernel_initializer="zeros")(x)
    return keras.Model(observation, values)
    ### END SOLUTION


# %% grade_id="q_network_form" points=1
model = q_network([0.5, 2.0, 4.0], 5)
assert isinstance(model, keras.Model), f"Return a Keras model; this is a {type(model).__name__}."
assert (model.input_shape, model.output_shape) == ((None, 3), (None, 5)), (
    "Three scales and five actions: observations (None, 3) in, values (None, 5) out; the model maps "
    f"{model.input_shape} to {model.output_shape}."
)
sizes = [weights.shape for weights in model.get_weights() if weights.ndim == 2]
assert sizes == [(3, 64), (64, 64), (64, 5)], (
    f"Two hidden layers of 64 units and the output have kernels of (3, 64), (64, 64), (64, 5); got {sizes}."
)
observations = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
assert np.all(np.asarray(model(observations)) == 0), (
    "Before training every value should be 0: the last layer's weights begin at 0, the others do not."
)
assert all(np.any(kernel != 0) for kernel in model.get_weights()[:3:2]), (
    "The hidden layers begin with random weights, or they would never become different."
)

# %% grade_id="q_network_scales" points=1
model = q_network([0.5, 2.0, 4.0], 5)
observations = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
weights = [np.full(part.shape, 0.01) for part in model.get_weights()]
weights[-1] = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
model.set_weights(weights)
twice = q_network([1.0, 4.0, 8.0], 5)
twice.set_weights(weights)
values = np.asarray(model(2 * observations))
assert values.min() < -1, (
    f"With an output bias of -4 a value should be about -4, and the smallest is {values.min():.4f}: can it be any number?"
)
off = np.abs(values - np.asarray(twice(observations))).max()
assert off < 1e-4, (
    "Twice the scales on an observation should give the values that the scales give on twice the observation; they "
    f"differ by {off:.5f}."
)

# %% grade_id="q_network_values" points=2
# Hidden tests: with random weights, does the model compute what NumPy computes?
### BEGIN HIDDEN TESTS
for seed, scales, actions in [(1, [0.5, 0.5, 5.0, 0.5], 2), (2, [3.0], 4), (3, [0.1, 20.0], 3)]:
    rng = np.random.default_rng(seed)
    model = q_network(list(scales), actions)
    weights = [rng.normal(0, 0.4, part.shape) for part in model.get_weights()]
    assert len(weights) == 6, (
        f"Three layers with a kernel and biases each make 6 arrays of weights; there are {len(weights)}."
    )
    model.set_weights(weights)
    observations = rng.normal(size=(50, len(scales))).astype("float32")
    x = observations * np.array(scales)
    for layer in range(3):
        x = x @ weights[2 * layer] + weights[2 * layer + 1]
        x = np.maximum(x, 0) if layer < 2 else x
    got = np.asarray(model(observations))
    off = np.abs(got - x).max()
    assert off < 1e-3 * np.abs(x).max(), (
        f"scales {scales}: with random weights the values are off by up to {off:.4f}; for the first observation they "
        f"are {got[0]} and should be {x[0]}. Is each number multiplied by its scale, are the hidden layers "
        "ReLU, and can a value be any number?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The values are squeezed into probabilities by a softmax, but a value can be any number.
def q_network(scales, actions):
    observation = keras.Input((len(scales),))
    x = layers.Rescaling(scales)(observation)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dense(64, activation="relu")(x)
    values = layers.Dense(actions, activation="softmax", kernel_initializer="zeros")(x)
    return keras.Model(observation, values)


# %% tags=["misconception"]
# The output has a ReLU, so no value can be negative.
def q_network(scales, actions):
    observation = keras.Input((len(scales),))
    x = layers.Rescaling(scales)(observation)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dense(64, activation="relu")(x)
    values = layers.Dense(actions, activation="relu", kernel_initializer="zeros")(x)
    return keras.Model(observation, values)


# %% tags=["misconception"]
# The observation is divided by the scales instead of multiplied.
def q_network(scales, actions):
    observation = keras.Input((len(scales),))
    x = layers.Rescaling([1 / scale for scale in scales])(observation)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dense(64, activation="relu")(x)
    values = layers.Dense(actions, kernel_initializer="zeros")(x)
    return keras.Model(observation, values)


# %% tags=["misconception"]
# The scales of the pole are used, whatever scales are given.
def q_network(scales, actions):
    observation = keras.Input((len(scales),))
    x = layers.Rescaling((2 * SCALES)[: len(scales)])(observation)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dense(64, activation="relu")(x)
    values = layers.Dense(actions, kernel_initializer="zeros")(x)
    return keras.Model(observation, values)


# %% tags=["misconception"]
# The scales are not used at all.
def q_network(scales, actions):
    observation = keras.Input((len(scales),))
    x = layers.Dense(64, activation="relu")(observation)
    x = layers.Dense(64, activation="relu")(x)
    values = layers.Dense(actions, kernel_initializer="zeros")(x)
    return keras.Model(observation, values)


# %% tags=["misconception"]
# The hidden layers have no activation, so together they are one straight line.
def q_network(scales, actions):
    observation = keras.Input((len(scales),))
    x = layers.Rescaling(scales)(observation)
    x = layers.Dense(64)(x)
    x = layers.Dense(64)(x)
    values = layers.Dense(actions, kernel_initializer="zeros")(x)
    return keras.Model(observation, values)


# %% tags=["misconception"]
# The last layer begins with random weights, so the values are not 0 at first.
def q_network(scales, actions):
    observation = keras.Input((len(scales),))
    x = layers.Rescaling(scales)(observation)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dense(64, activation="relu")(x)
    return keras.Model(observation, layers.Dense(actions)(x))


# %% tags=["alternative"]
# A Sequential model, with activations as layers.
def q_network(scales, actions):
    return keras.Sequential(
        [
            keras.Input((len(scales),)),
            layers.Rescaling(scale=scales),
            layers.Dense(64),
            layers.ReLU(),
            layers.Dense(64),
            layers.ReLU(),
            layers.Dense(actions, activation="linear", kernel_initializer="zeros"),
        ]
    )


# %% tags=["alternative"]
# A Normalization with a given mean and variance; zeros are set afterwards.
def q_network(scales, actions):
    observation = keras.Input((len(scales),))
    variance = [1 / scale**2 for scale in scales]
    x = layers.Normalization(mean=[0.0] * len(scales), variance=variance)(observation)
    hidden = keras.Sequential([layers.Dense(64, "relu"), layers.Dense(64, "relu")])
    last = layers.Dense(actions)
    model = keras.Model(observation, last(hidden(x)))
    last.set_weights([np.zeros((64, actions)), np.zeros(actions)])
    return model


# %% tags=["alternative"]
# Multiplies with an operation of Keras, and makes the hidden layers in a loop.
def q_network(scales, actions):
    observation = keras.Input((len(scales),))
    x = observation * ops.convert_to_tensor(scales, "float32")
    for _ in range(2):
        x = layers.Dense(64, "relu")(x)
    zeros = keras.initializers.Zeros()
    return keras.Model(observation, layers.Dense(actions, kernel_initializer=zeros)(x))


# %% [markdown]
# What you write is used from here on. Where an exercise is not answered yet, the lesson takes a function of the course's own and says
# so; you can read on, and come back.

# %% tags=["demo"]
from course.fallbacks import deep_q_learning as ours

q_network = fallbacks.choose(q_network, ours.q_network, ours.q_network_works)
q_network(SCALES, 2).summary()

# %% [markdown]
# ### Four things that a network needs and a table does not
#
# A table's entries do not touch each other. In a network every step changes all values at once, also those that the targets
# are made from. Hence four additions.
#
# 1. **Replay.** Successive steps look alike, and a network that learns from them alone forgets the rest. So thousands of
#    transitions are kept in a *replay memory*, and each batch is drawn from it at random.
# 2. **A target network.** The targets come from a second network, a copy that follows slowly: after each step its weights
#    move a small share τ (tau) of the way to those of the *online* network, the one that learns.
# 3. **Double Q.** The largest of several noisy guesses is too large on average. So the online network *chooses* the
#    next action, and the target network says what it is *worth*.
# 4. **Cut off is not ended.** An episode that **terminated** has nothing to come. One that was **truncated**, cut off because
#    time was up, would have gone on: its last state keeps its value. Else a pole that is up at the end would count like
#    one that fell.


# %% tags=["demo"]
def box(axis, x, y, text, color):
    """A labelled box around a point."""
    style = {"boxstyle": "round,pad=0.5", "fc": "white", "ec": color, "lw": 2}
    axis.text(x, y, text, ha="center", va="center", fontsize=11, bbox=style, zorder=3)


def arrow(axis, start, end, text, at, bend=0.0):
    """An arrow between two points, and what goes along it."""
    curve = {"arrowstyle": "-|>", "connectionstyle": f"arc3,rad={bend}", "lw": 1.5}
    axis.annotate("", end, start, arrowprops={**curve, "shrinkA": 4, "shrinkB": 4}, zorder=1)
    axis.text(*at, text, fontsize=9.5, ha="center", va="center")


# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.9))
arrow(axis, (0.75, 2.82), (1.95, 2.82), "action, ε-greedy", (1.35, 3.02))
arrow(axis, (1.95, 2.58), (0.75, 2.58), "observation, reward", (1.35, 2.38))
arrow(axis, (2.6, 2.45), (2.6, 1.15), "every\ntransition", (3.05, 1.85))
arrow(axis, (1.8, 0.88), (0.5, 0.88), "random batch", (1.2, 1.06))
arrow(axis, (0, 1.25), (0, 2.45), "training\nstep", (0.42, 1.8))
arrow(axis, (-0.75, 2.65), (-1.8, 1.25), "follows\nslowly (τ)", (-1.95, 2.2), bend=0.3)
arrow(axis, (-1.35, 0.88), (-0.5, 0.88), "judges", (-0.92, 1.06))
box(axis, 0, 2.7, "online network", plots.BLUE)
box(axis, 2.6, 2.7, "environment", plots.GREEN)
box(axis, 2.6, 0.9, "replay memory", plots.ORANGE)
box(axis, 0.0, 0.88, "targets\nand loss", plots.BLACK)
box(axis, -1.8, 0.88, "target\nnetwork", plots.SKY)
axis.set(xlim=(-2.5, 3.5), ylim=(0.2, 3.3))
axis.set_axis_off()
axis.set_title("Acting fills the memory, and the memory teaches the network")
plots.show(
    fig,
    alt="""Five boxes with arrows. The online network sends actions to the environment, which returns observations and
    rewards. Every transition goes from the environment into the replay memory. A random batch goes from there to the targets
    and the loss, to which the target network contributes. Their training step changes the online network, which the
    target network follows slowly.""",
)

# %% [markdown]
# The third point by itself: ten actions that are all worth exactly 0, and guesses of them that are off by 1 on average. *How
# large is the largest guess? And what does a second, independent guesser say of the action that the first one chose?*

# %% tags=["demo", "nbval-check-output"]
guesses, other_guesses = np.random.default_rng(0).normal(0, 1, (2, 10_000, 10))
judged = np.take_along_axis(other_guesses, guesses.argmax(axis=1)[:, None], axis=1)
results.table(
    ("largest guess, mean", guesses.max(axis=1).mean(), (1.52, 1.56)),
    ("judged by the other, mean", judged.mean(), (-0.02, 0.02)),
)

# %% [markdown]
# The first of the four is the memory. It needs no Keras: arrays of a fixed length that are filled in a circle, so
# that the newest transition takes the place of the oldest.


# %%
class ReplayMemory:
    """The latest transitions, in arrays that are filled in a circle."""

    def __init__(self, capacity, seed=0):
        self.capacity, self.added, self.arrays = capacity, 0, {}
        self.rng = np.random.default_rng(seed)

    def add(self, **parts):
        """Store n transitions: one array (n, ...) for each part, such as reward=..."""
        count = len(parts["reward"])
        places = (self.added + np.arange(count)) % self.capacity
        for name, values in parts.items():
            if name not in self.arrays:
                self.arrays[name] = np.zeros((self.capacity, *values.shape[1:]), values.dtype)
            self.arrays[name][places] = values
        self.added += count

    def sample(self, size):
        """A batch of transitions, drawn evenly and with replacement: a dict of arrays."""
        places = self.rng.integers(min(self.added, self.capacity), size=size)
        return {name: values[places] for name, values in self.arrays.items()}


# %% [markdown]
# ### Exercise 2: the targets
#
# Complete `td_targets(batch, online, target, discount)`. `online` and `target` are Q-networks, and `batch` is a dict with $n$ transitions:
#
# | key | shape | holds |
# |---|---|---|
# | `"reward"` | (n,), float32 | the reward of each step |
# | `"next_observation"` | (n, ...), float32 | what was seen after it; of any shape, you only hand it to the networks |
# | `"terminated"` | (n,), bool | whether the episode came to its end with the step |
# | `"truncated"` | (n,), bool | whether it was cut off with the step, because time was up |
#
# Return the targets, (n,), as a float32 tensor: the reward, plus the discounted worth of the next observation where anything is still to come.
# The online network chooses the next action, the target network judges it. If both flags are true, the pole fell at the last
# moment: it fell. Compute with `keras.ops` and not with NumPy, so that TensorFlow can compile your function into
# a graph. You may need `ops.argmax(x, axis)`, `ops.take_along_axis(x, indices, axis)` or `ops.one_hot(indices, classes)`, `ops.where`, `ops.cast(x, dtype)`.


# %%
def linear_network(kernel, shape=None):
    """A model whose values are a flat observation times a kernel (inputs, actions), without biases."""
    kernel = np.array(kernel, "float32")
    observation = keras.Input(shape or (len(kernel),))
    dense = layers.Dense(kernel.shape[1], use_bias=False, dtype="float32")
    model = keras.Model(observation, dense(layers.Flatten()(observation)))
    model.set_weights([kernel])
    return model


# %% grade_id="td_targets" solution=true
def td_targets(batch, online, target, discount):
    """What the values of the actions taken should have been, (n,), float32."""
    ### BEGIN SOLUTION
    after = batch["next_observation"]
    chosen = ops.argmax(online(after), axis=1)
    worth = ops.take_along_axis(target(after), chosen[:, None], axis=1)[:, 0]
    return batch["reward"] + discount * ops.where(batch["terminated"], 0.0, worth)
    ### END SOLUTION


# %% grade_id="td_targets_by_hand" points=2
online = linear_network([[5, 1, 2], [1, 4, 9]])
target = linear_network([[2, 7, 6], [3, 8, 5]])
batch = {
    "reward": np.array([1, 2, 3, 4], "float32"),
    "next_observation": np.array([[1, 0], [0, 1], [1, 0], [0, 1]], "float32"),
    "terminated": np.array([False, False, True, False]),
    "truncated": np.array([False, False, False, True]),
}
result = td_targets({name: values.copy() for name, values in batch.items()}, online, target, 0.9)
assert ops.is_tensor(result), (
    f"Return a tensor, computed with `keras.ops`; this is a {type(result).__name__}."
)
assert (result.shape, result.dtype) == ((4,), "float32"), (
    f"One target a transition makes shape (4,), float32; got {result.shape}, {result.dtype}."
)
wants, whys = [2.8, 6.5, 3.0, 8.5], ["1 + 0.9 · 2", "2 + 0.9 · 5", "3", "4 + 0.9 · 5"]
for row, (got, want, why) in enumerate(zip(np.asarray(result), wants, whys)):
    assert np.isclose(got, want), (
        f"Transition {row}: expected {why} = {want}, got {got:.3f}. Online the values of its next observation are "
        f"{online(batch['next_observation'])[row]}, by the target network {target(batch['next_observation'])[row]}."
    )

# %% grade_id="td_targets_cases" points=2
# Hidden tests: random networks, all four combinations of flags, observations of other shapes.
### BEGIN HIDDEN TESTS
for count, shape, actions, discount in [(9, (3,), 2, 0.5), (40, (2, 3), 4, 0.99), (1, (1,), 3, 1)]:
    rng = np.random.default_rng(count)
    kernels = rng.normal(-1, 3, (2, int(np.prod(shape)), actions)).astype("float32")
    batch = {
        "reward": rng.normal(0, 2, count).astype("float32"),
        "next_observation": rng.normal(0.5, 1, (count, *shape)).astype("float32"),
        "terminated": rng.random(count) < 0.4,
        "truncated": rng.random(count) < 0.4,
    }
    online, judge = (batch["next_observation"].reshape(count, -1) @ kernel for kernel in kernels)
    worth = np.take_along_axis(judge, online.argmax(axis=1)[:, None], axis=1)[:, 0]
    want = batch["reward"] + discount * np.where(batch["terminated"], 0, worth)
    copy = {name: array.copy() for name, array in batch.items()}
    pair = (linear_network(kernel, shape) for kernel in kernels)
    got = np.asarray(td_targets(copy, *pair, discount))
    assert got.shape == (count,), f"{count} transitions make shape ({count},); got {got.shape}."
    at, flags = int(np.abs(got - want).argmax()), [batch["terminated"], batch["truncated"]]
    assert np.allclose(got, want, atol=1e-3), (
        f"Observations {shape}, discount {discount}: reward {batch['reward'][at]:.4f}, terminated and truncated "
        f"{[bool(flag[at]) for flag in flags]}, online {online[at]}, target network {judge[at]}: expected {want[at]:.4f}, "
        f"got {got[at]:.4f}. Who chooses, who judges, and what is still to come?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The worth of a next observation is added although the episode has ended and nothing more comes.
def td_targets(batch, online, target, discount):
    after = batch["next_observation"]
    chosen = ops.argmax(online(after), axis=1)
    worth = ops.take_along_axis(target(after), chosen[:, None], axis=1)[:, 0]
    return batch["reward"] + discount * worth


# %% tags=["misconception"]
# An episode that was cut off because time was up is treated as if it had come to its end.
def td_targets(batch, online, target, discount):
    after = batch["next_observation"]
    chosen = ops.argmax(online(after), axis=1)
    worth = ops.take_along_axis(target(after), chosen[:, None], axis=1)[:, 0]
    over = ops.logical_or(batch["terminated"], batch["truncated"])
    return batch["reward"] + discount * ops.where(over, 0.0, worth)


# %% tags=["misconception"]
# Where time was up at the very moment of the fall, the fall is forgotten.
def td_targets(batch, online, target, discount):
    after = batch["next_observation"]
    chosen = ops.argmax(online(after), axis=1)
    worth = ops.take_along_axis(target(after), chosen[:, None], axis=1)[:, 0]
    over = ops.logical_and(batch["terminated"], ops.logical_not(batch["truncated"]))
    return batch["reward"] + discount * ops.where(over, 0.0, worth)


# %% tags=["misconception"]
# The target network both chooses and judges: that is the plain maximum, with its bias.
def td_targets(batch, online, target, discount):
    worth = ops.max(target(batch["next_observation"]), axis=1)
    return batch["reward"] + discount * ops.where(batch["terminated"], 0.0, worth)


# %% tags=["misconception"]
# The roles are swapped: the slow network chooses, and the online network judges its own latest guess.
def td_targets(batch, online, target, discount):
    after = batch["next_observation"]
    chosen = ops.argmax(target(after), axis=1)
    worth = ops.take_along_axis(online(after), chosen[:, None], axis=1)[:, 0]
    return batch["reward"] + discount * ops.where(batch["terminated"], 0.0, worth)


# %% tags=["misconception"]
# Where the episode ended the reward is dropped too, although it was paid.
def td_targets(batch, online, target, discount):
    after = batch["next_observation"]
    chosen = ops.argmax(online(after), axis=1)
    worth = ops.take_along_axis(target(after), chosen[:, None], axis=1)[:, 0]
    return ops.where(batch["terminated"], 0.0, batch["reward"] + discount * worth)


# %% tags=["misconception"]
# The reward of this step is discounted as well, as if it came a step later.
def td_targets(batch, online, target, discount):
    after = batch["next_observation"]
    chosen = ops.argmax(online(after), axis=1)
    worth = ops.take_along_axis(target(after), chosen[:, None], axis=1)[:, 0]
    return discount * (batch["reward"] + ops.where(batch["terminated"], 0.0, worth))


# %% tags=["alternative"]
# Marks the chosen action with ones and zeros, and multiplies.
def td_targets(batch, online, target, discount):
    worths = target(batch["next_observation"])
    chosen = ops.one_hot(ops.argmax(online(batch["next_observation"]), axis=-1), worths.shape[-1])
    goes_on = 1.0 - ops.cast(batch["terminated"], "float32")
    return batch["reward"] + discount * goes_on * ops.sum(chosen * worths, axis=-1)


# %% tags=["alternative"]
# TensorFlow's own operations, which Keras's are made of.
def td_targets(batch, online, target, discount):
    after = tf.convert_to_tensor(batch["next_observation"])
    chosen = tf.argmax(online(after), axis=1)
    worth = tf.gather(target(after), chosen, axis=1, batch_dims=1)
    goes_on = tf.cast(tf.logical_not(batch["terminated"]), tf.float32)
    return tf.stop_gradient(batch["reward"] + discount * goes_on * worth)


# %% tags=["demo"]
td_targets = fallbacks.choose(td_targets, ours.td_targets, ours.td_targets_works)

# %% [markdown]
# ### Exercise 3: the training step
#
# The targets are numbers now, and what remains is a regression, with one peculiarity: of each row of values only **one** has a target, the value of
# the action that was taken. About the other actions the transition says nothing, and their values get no gradient.
#
# The loss is **Huber's** (`keras.losses.Huber()`): squared for errors below 1 and linear for larger ones, so that a single wild target
# cannot tear the network away. An **optimizer** (lesson 01 used Adam) turns gradients into steps.
#
# Complete `train_step(network, observations, actions, targets)`: one step, for a batch of $n$ transitions. `network` is compiled, so it has its
# optimizer: `network.optimizer`. `observations` (n, ...) float32 and `targets` (n,) float32 are arrays or tensors; `actions` (n,) are whole numbers.
#
# A `tf.GradientTape` records what is computed inside its block, and gives derivatives of it afterwards. In three steps:
#
# - Inside `with tf.GradientTape() as tape:` compute the values, pick those of the actions taken, compute the loss (the batch's mean), and scale it: `network.optimizer.scale_loss(loss)`.
#   In float16 small gradients would vanish; the optimizer multiplies the loss by a large number there and divides the gradients again. In float32 it
#   changes nothing.
# - `tape.gradient(scaled_loss, weights)` gives the gradients by `network.trainable_variables`.
# - `network.optimizer.apply_gradients(zip(gradients, weights))` takes the step.
#
# Return the loss, a scalar, not scaled.


# %%
def compiled_network(inputs, actions, optimizer, seed):
    """A small Q-network with biases, compiled with an optimizer whose variables exist already."""
    keras.utils.set_random_seed(seed)
    observation = keras.Input((inputs,))
    hidden = layers.Dense(6, activation="tanh", bias_initializer="random_normal")(observation)
    network = keras.Model(observation, layers.Dense(actions, dtype="float32")(hidden))
    network.compile(optimizer)
    network.optimizer.build(network.trainable_variables)
    return network


def float16_like():
    """Plain SGD as `compile` wraps it in float16: the loss is multiplied, gradients divided."""
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.3), initial_scale=256.0)


# %% grade_id="train_step" solution=true
def train_step(network, observations, actions, targets):
    """One training step; returns the loss before it, a scalar."""
    ### BEGIN SOLUTION
    huber = keras.losses.Huber()
    weights = network.trainable_variables
    with tf.GradientTape() as tape:
        values = network(observations, training=True)
        taken = ops.take_along_axis(values, ops.expand_dims(actions, 1), axis=1)[:, 0]
        loss = huber(targets, taken)
        scaled_loss = network.optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled_loss, weights)
    network.optimizer.apply_gradients(zip(gradients, weights))
    return loss
    ### END SOLUTION


# %% grade_id="train_step_by_hand" points=2
observations, goals = np.array([[1, 0], [0, 1]], "float32"), np.array([1.4, 6.0], "float32")
network = linear_network([[1, 2], [3, 4]])
network.compile(keras.optimizers.SGD(0.5))
network.optimizer.build(network.trainable_variables)
loss = train_step(network, observations.copy(), np.array([1, 0]), goals.copy())
assert np.shape(loss) == (), f"Return the loss, one number; got shape {np.shape(loss)}."
assert np.isclose(float(loss), 1.34), (
    "The actions taken are worth 2 and 3, their targets are 1.4 and 6: errors of 0.6 and 3, Huber's loss 0.18 and 2.5, on "
    f"average 1.34; got {float(loss):.5f}."
)
got, want = network.get_weights()[0], np.array([[1, 1.85], [3.25, 4]])
assert np.allclose(np.diag(got), [1, 4]), (
    f"The values of the actions that were not taken should stay 1 and 4; they are {np.diag(got)}."
)
assert np.allclose(got, want), (
    f"One step of SGD(0.5) leads to the weights {want.tolist()}; they are {got.round(4).tolist()}."
)

# %% grade_id="train_step_float16" points=1
observations, goals = np.array([[1, 0], [0, 1]], "float32"), np.array([1.4, 6.0], "float32")
network = linear_network([[1, 2], [3, 4]])
network.compile(float16_like())
network.optimizer.build(network.trainable_variables)
loss = float(train_step(network, observations.copy(), np.array([1, 0]), goals.copy()))
assert np.isclose(loss, 1.34), (
    f"Where the optimizer scales the loss by 256, the loss to return is still 1.34, the plain one; got {loss:.5f}."
)
got = network.get_weights()[0]
assert np.allclose(got, [[1, 1.91], [3.15, 4]]), (
    "One step of SGD(0.3) with a scaled loss leads to the weights [[1, 1.91], [3.15, 4]], as without scaling; they are "
    f"{got.round(4).tolist()}. The optimizer divides the gradients by the scale: were they taken of the scaled loss?"
)

# %% grade_id="train_step_plain" points=1
# Hidden tests: random networks and batches, two steps of plain SGD each.
### BEGIN HIDDEN TESTS
for seed, count, inputs, actions in [(1, 7, 2, 3), (2, 40, 5, 4), (3, 1, 3, 2)]:
    rng = np.random.default_rng(seed)
    network = compiled_network(inputs, actions, keras.optimizers.SGD(0.3), seed)
    for step in range(2):
        seen, goals = rng.normal(size=(count, inputs)), rng.normal(0, 2, count).astype("float32")
        seen, taken = seen.astype("float32"), rng.integers(actions, size=count)
        with tf.GradientTape() as tape:
            errors = goals - tf.gather(network(seen), taken, axis=1, batch_dims=1)
            small = tf.minimum(tf.abs(errors), 1.0)
            loss = tf.reduce_mean(small * (tf.abs(errors) - 0.5 * small))
        slopes = tape.gradient(loss, network.trainable_variables)
        wants = [w - 0.3 * s.numpy() for w, s in zip(network.get_weights(), slopes, strict=True)]
        got = float(train_step(network, seen.copy(), taken.copy(), goals.copy()))
        assert np.isclose(got, loss, rtol=1e-3), (
            f"SGD(0.3), batch of {count}: the loss should be {float(loss):.5f}, not scaled; got {got:.5f}."
        )
        off = max(np.abs(a - b).max() for a, b in zip(network.get_weights(), wants, strict=True))
        assert off < 1e-4, (
            f"SGD(0.3), batch of {count}, step {step}: a weight is off by {off:.5f}. Is it the gradient of the mean "
            "loss, scaled by the network's own optimizer, applied once and to all weights?"
        )
### END HIDDEN TESTS

# %% grade_id="train_step_scaled" points=1
# Hidden tests: the same with an optimizer that scales the loss, as in float16.
### BEGIN HIDDEN TESTS
for seed, count, inputs, actions in [(4, 7, 2, 3), (5, 30, 4, 2)]:
    rng = np.random.default_rng(seed)
    network = compiled_network(inputs, actions, float16_like(), seed)
    for step in range(2):
        seen, goals = rng.normal(size=(count, inputs)), rng.normal(0, 2, count).astype("float32")
        seen, taken = seen.astype("float32"), rng.integers(actions, size=count)
        with tf.GradientTape() as tape:
            errors = goals - tf.gather(network(seen), taken, axis=1, batch_dims=1)
            small = tf.minimum(tf.abs(errors), 1.0)
            loss = tf.reduce_mean(small * (tf.abs(errors) - 0.5 * small))
        slopes = tape.gradient(loss, network.trainable_variables)
        wants = [w - 0.3 * s.numpy() for w, s in zip(network.get_weights(), slopes, strict=True)]
        got = float(train_step(network, seen.copy(), taken.copy(), goals.copy()))
        assert np.isclose(got, loss, rtol=1e-3), (
            f"SGD(0.3), loss times 256, batch of {count}: the loss should be {float(loss):.5f}, not scaled; got {got:.5f}."
        )
        off = max(np.abs(a - b).max() for a, b in zip(network.get_weights(), wants, strict=True))
        assert off < 1e-4, (
            f"SGD(0.3), loss times 256, batch of {count}, step {step}: a weight is off by {off:.5f}. Is it the gradient of the mean "
            "loss, scaled by the network's own optimizer, applied once and to all weights?"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The values of all actions are pulled to the target, also of those that were not taken.
def train_step(network, observations, actions, targets):
    weights = network.trainable_variables
    with tf.GradientTape() as tape:
        values = network(observations)
        loss = keras.losses.Huber()(ops.expand_dims(targets, 1) + 0 * values, values)
        scaled_loss = network.optimizer.scale_loss(loss)
    network.optimizer.apply_gradients(zip(tape.gradient(scaled_loss, weights), weights))
    return loss


# %% tags=["misconception"]
# A new optimizer is made in each step, and the network's own is not used.
def train_step(network, observations, actions, targets):
    weights = network.trainable_variables
    with tf.GradientTape() as tape:
        values = network(observations)
        taken = ops.take_along_axis(values, ops.expand_dims(actions, 1), axis=1)[:, 0]
        loss = keras.losses.Huber()(targets, taken)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return loss


# %% tags=["misconception"]
# The largest value of each row is trained, whichever action was taken.
def train_step(network, observations, actions, targets):
    weights = network.trainable_variables
    with tf.GradientTape() as tape:
        loss = keras.losses.Huber()(targets, ops.max(network(observations), axis=1))
        scaled_loss = network.optimizer.scale_loss(loss)
    network.optimizer.apply_gradients(zip(tape.gradient(scaled_loss, weights), weights))
    return loss


# %% tags=["misconception"]
# The loss is the mean squared error, which a single wild target dominates.
def train_step(network, observations, actions, targets):
    weights = network.trainable_variables
    with tf.GradientTape() as tape:
        values = network(observations)
        taken = ops.take_along_axis(values, ops.expand_dims(actions, 1), axis=1)[:, 0]
        loss = keras.losses.MeanSquaredError()(targets, taken)
        scaled_loss = network.optimizer.scale_loss(loss)
    network.optimizer.apply_gradients(zip(tape.gradient(scaled_loss, weights), weights))
    return loss


# %% tags=["misconception"]
# The loss is not scaled, so where the optimizer divides the gradients again hardly anything moves.
def train_step(network, observations, actions, targets):
    weights = network.trainable_variables
    with tf.GradientTape() as tape:
        values = network(observations)
        taken = ops.take_along_axis(values, ops.expand_dims(actions, 1), axis=1)[:, 0]
        loss = keras.losses.Huber()(targets, taken)
    network.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return loss


# %% tags=["misconception"]
# The scaled loss is returned, which in float16 is hundreds of times the loss.
def train_step(network, observations, actions, targets):
    weights = network.trainable_variables
    with tf.GradientTape() as tape:
        values = network(observations)
        taken = ops.take_along_axis(values, ops.expand_dims(actions, 1), axis=1)[:, 0]
        loss = network.optimizer.scale_loss(keras.losses.Huber()(targets, taken))
    network.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return loss


# %% tags=["misconception"]
# The losses of a batch are added up, so a larger batch takes a larger step.
def train_step(network, observations, actions, targets):
    weights = network.trainable_variables
    with tf.GradientTape() as tape:
        values = network(observations)
        taken = ops.take_along_axis(values, ops.expand_dims(actions, 1), axis=1)
        loss = ops.sum(keras.losses.huber(ops.expand_dims(targets, 1), taken))
        scaled_loss = network.optimizer.scale_loss(loss)
    network.optimizer.apply_gradients(zip(tape.gradient(scaled_loss, weights), weights))
    return loss


# %% tags=["misconception"]
# Values times ones and zeros, compared with targets times ones and zeros: the zeros count in the mean.
def train_step(network, observations, actions, targets):
    weights = network.trainable_variables
    with tf.GradientTape() as tape:
        values = network(observations)
        taken = ops.one_hot(actions, values.shape[1])
        loss = keras.losses.Huber()(ops.expand_dims(targets, 1) * taken, values * taken)
        scaled_loss = network.optimizer.scale_loss(loss)
    network.optimizer.apply_gradients(zip(tape.gradient(scaled_loss, weights), weights))
    return loss


# %% tags=["alternative"]
# Huber's loss by its formula, the actions by ones and zeros.
def train_step(network, observations, actions, targets):
    weights = network.trainable_variables
    with tf.GradientTape() as tape:
        values = network(observations, training=True)
        taken = ops.sum(values * ops.one_hot(actions, values.shape[-1]), axis=-1)
        size = ops.abs(taken - targets)
        loss = ops.mean(ops.where(size < 1, size**2 / 2, size - 0.5))
        scaled_loss = network.optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled_loss, weights)
    network.optimizer.apply(gradients, weights)
    return loss


# %% tags=["alternative"]
# TensorFlow picks the actions' values, and the loss comes back as a plain number.
def train_step(network, observations, actions, targets):
    rows = tf.range(tf.shape(targets)[0])
    with tf.GradientTape() as tape:
        places = tf.stack([rows, tf.cast(actions, tf.int32)], axis=1)
        loss = tf.keras.losses.Huber()(targets, tf.gather_nd(network(observations), places))
        scaled_loss = network.optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled_loss, network.trainable_weights)
    network.optimizer.apply_gradients(zip(gradients, network.trainable_weights))
    return float(loss) if tf.executing_eagerly() else loss


# %% tags=["demo"]
train_step = fallbacks.choose(train_step, ours.train_step, ours.train_step_works)

# %% [markdown]
# ### Exercise 4: the target network follows
#
# Complete `follow(target, online, tau)`: every weight of `target`, trainable or not, moves the share τ of the way to the weight of
# `online` in the same place,
#
# $$w_{\text{target}} \leftarrow (1 - \tau)\, w_{\text{target}} + \tau\, w_{\text{online}}$$
#
# and `online` stays as it is. Nothing is returned. Both networks are built alike; all weights of a model are in the list
# `model.weights`, and `weight.assign(value)` changes one in place. Stay with tensors here too: what goes through NumPy, such as
# `get_weights`, cannot be compiled.


# %% grade_id="follow" solution=true
def follow(target, online, tau):
    """Move the target network's weights a share of the way to the online network's."""
    ### BEGIN SOLUTION
    for slow, fast in zip(target.weights, online.weights):
        slow.assign((1 - tau) * slow + tau * fast)
    ### END SOLUTION


# %% grade_id="follow_by_hand" points=1
target, online = linear_network([[8, 4], [0, 2]]), linear_network([[0, 8], [4, 2]])
follow(target, online, 0.25)
assert np.allclose(online.get_weights()[0], [[0, 8], [4, 2]]), (
    f"The online network should stay as it is; its weights are now {online.get_weights()[0].tolist()}."
)
assert np.allclose(target.get_weights()[0], [[6, 5], [1, 2]]), (
    "A quarter of the way from [[8, 4], [0, 2]] to [[0, 8], [4, 2]] is [[6, 5], [1, 2]]; the target network's weights are "
    f"{target.get_weights()[0].tolist()}."
)
follow(target, online, 0.25)
assert np.allclose(target.get_weights()[0], [[4.5, 5.75], [1.75, 2]]), (
    f"A second call goes on from there, to [[4.5, 5.75], [1.75, 2]]; got {target.get_weights()[0].tolist()}."
)

# %% grade_id="follow_all" points=2
# Hidden tests: all weights, trainable or not, of a network with several layers.
### BEGIN HIDDEN TESTS
for seed, tau in [(0, 0.1), (1, 1.0), (2, 0.005), (3, 0.0)]:
    rng = np.random.default_rng(seed)
    pair = []
    for _ in range(2):
        observation = keras.Input((3,))
        hidden = layers.BatchNormalization()(layers.Dense(4, activation="relu")(observation))
        pair.append(keras.Model(observation, layers.Dense(2)(hidden)))
        pair[-1].set_weights([rng.normal(0, 2, w.shape) for w in pair[-1].get_weights()])
    before = [[weight.copy() for weight in model.get_weights()] for model in pair]
    names = [weight.path for weight in pair[0].weights]
    follow(*pair, tau)
    for name, slow, fast, got, same in zip(
        names, *before, pair[0].get_weights(), pair[1].get_weights(), strict=True
    ):
        want = slow + tau * (fast - slow)
        at = np.unravel_index(np.abs(got - want).argmax(), got.shape)
        assert np.allclose(got, want, atol=1e-5), (
            f"tau {tau}: the weight {name} went from {slow[at]:.5f} to {got[at]:.5f}; online it is {fast[at]:.5f}, so it "
            f"should be {want[at]:.5f}. Every weight moves, trainable or not."
        )
        assert np.array_equal(same, fast), f"tau {tau}: the online network's {name} has changed."
### END HIDDEN TESTS


# %% tags=["misconception"]
# The shares are swapped: the target network goes nearly all of the way, and is slow no more.
def follow(target, online, tau):
    for slow, fast in zip(target.weights, online.weights):
        slow.assign(tau * slow + (1 - tau) * fast)


# %% tags=["misconception"]
# The target network is overwritten at once, whatever tau is.
def follow(target, online, tau):
    target.set_weights(online.get_weights())


# %% tags=["misconception"]
# The online network moves towards the target network, and not the other way round.
def follow(target, online, tau):
    for slow, fast in zip(target.weights, online.weights):
        fast.assign((1 - tau) * fast + tau * slow)


# %% tags=["misconception"]
# Only trainable weights move, so the running means of a normalisation stay behind.
def follow(target, online, tau):
    for slow, fast in zip(target.trainable_weights, online.trainable_weights):
        slow.assign((1 - tau) * slow + tau * fast)


# %% tags=["misconception"]
# A share of the online weights is added, and nothing is taken off, so the weights grow.
def follow(target, online, tau):
    for slow, fast in zip(target.weights, online.weights):
        slow.assign_add(tau * fast)


# %% tags=["alternative"]
# Adds a share of the difference.
def follow(target, online, tau):
    for number in range(len(target.weights)):
        slow, fast = target.weights[number], online.weights[number]
        slow.assign_add(tau * ops.subtract(fast, slow))


# %% tags=["alternative"]
# By way of NumPy arrays, all weights at once.
def follow(target, online, tau):
    pairs = zip(target.get_weights(), online.get_weights())
    target.set_weights([(1 - tau) * slow + tau * fast for slow, fast in pairs])


# %% tags=["demo"]
follow = fallbacks.choose(follow, ours.follow, ours.follow_works)

# %% [markdown]
# ## The whole loop
#
# From here on your four functions do the work. The player takes a step in all environments at once: ε-greedy actions, every
# environment for itself; what comes of them; into the memory. A vector environment starts a new episode in the step *after* an
# end. That step belongs to no episode, its action has no effect, and it is not remembered.


# %%
def epsilon_greedy(values, epsilon, rng):
    """An action for each row of action values."""
    best = np.argmax(values, axis=1)
    explores = rng.random(len(best)) < epsilon
    return np.where(explores, rng.integers(np.shape(values)[1], size=len(best)), best)


class Player:
    """Plays in all environments at once, and remembers every transition."""

    def __init__(self, envs, memory, seed):
        self.envs, self.memory, self.rng = envs, memory, np.random.default_rng(seed)
        self.seen, _ = envs.reset(seed=seed)
        self.ended = np.zeros(envs.num_envs, bool)

    def step(self, values, epsilon):
        """One step in each environment; ``values`` gives action values for observations."""
        action = epsilon_greedy(values(self.seen), epsilon, self.rng)
        after, reward, terminated, truncated, _ = self.envs.step(action)
        parts = {"observation": self.seen, "action": action, "reward": np.float32(reward)}
        parts |= {"next_observation": after, "terminated": terminated, "truncated": truncated}
        self.memory.add(**{name: part[~self.ended] for name, part in parts.items()})
        self.seen, self.ended = after, terminated | truncated


# %% [markdown]
# Every 250 steps the network plays without exploring, in *other* environments. That is its validation score: it decides which weights are
# kept, those of the best trial, whatever comes later. The log also holds the mean of the best
# action's value over a batch, for what the network *believes* is worth a look too.


# %%
class Trials:
    """Plays now and then without learning; keeps the best weights, and a log."""

    def __init__(self, envs, every=250, epsilon=0.0, save_as=None):
        self.envs, self.every, self.epsilon, self.save_as = envs, every, epsilon, save_as
        self.best, self.weights = -np.inf, None
        self.log = {"step": [], "score": [], "value": []}

    def hold(self, online, values, batch, step):
        """A trial of the online network, whose values are also known as a compiled function."""
        rng = np.random.default_rng(0)
        policy = lambda seen: epsilon_greedy(values(seen), self.epsilon, rng)
        score = play(policy, self.envs, seed=1_000).mean()
        value = np.max(values(batch["observation"]), axis=1).mean()
        for name, number in [("step", step), ("score", score), ("value", value)]:
            self.log[name].append(float(number))
        if score > self.best:
            self.best, self.weights = score, online.get_weights()
            if self.save_as:
                online.save(self.save_as)


# %% [markdown]
# And the method that this lesson is named after, from top to bottom. After each step of the player comes one training step, on a
# batch from the memory. ε falls from 1 to .1 along a straight line. `tf.function` runs a function once to record its computations as a
# graph, and then runs the graph, which is many times faster.


# %%
def deep_q_learning(
    player, trials, online, target, steps, explore, wait=50, batch_size=128, discount=0.99, tau=0.02
):
    """Train the online network, which is compiled; it has its best weights in the end."""
    target.set_weights(online.get_weights())
    online.optimizer.build(online.trainable_variables)
    values = tf.function(online)

    @tf.function
    def learn(batch):
        targets = td_targets(batch, online, target, discount)
        train_step(online, batch["observation"], batch["action"], targets)
        follow(target, online, tau)

    for step in tqdm(range(1, steps + 1), "Training", leave=False, delay=2, mininterval=1):
        player.step(values, epsilon=max(1 - step / explore, 0.1))
        if step > wait:  # the memory needs something to draw from
            batch = player.memory.sample(batch_size)
            learn(batch)
            if step % trials.every == 0:
                trials.hold(online, values, batch, step)
    online.set_weights(trials.weights)


# %% [markdown]
# The pole's pay: **nothing while it is up, −1 when it falls** (Gymnasium's option `sutton_barto_reward`). So all true values lie between −1
# and 0. With Gymnasium's usual pay, +1 for each step, they would grow towards 1 + .99 + .99² + … = 100, and a network that begins
# at 0 has a long way there. Scores are counted in steps all the same.
#
# The settings: eight carts, a memory of 50,000 transitions, batches of 128, γ = .99, τ = .02, Adam with a rate of .002, and 2,000 steps, which
# are 40 seconds for each of the eight carts. *Random pushes last about 22 steps. How far will it get, if it is told
# nothing but when the pole fell? And will each trial be better than the one before?*


# %% tags=["demo"]
def train(seed, scales=SCALES, tau=0.02, capacity=50_000, rate=2e-3, adam_epsilon=1e-3):
    """A Q-network trained to balance, and the log of its trials."""
    keras.utils.set_random_seed(seed)
    online, target = q_network(scales, 2), q_network(scales, 2)
    online.compile(keras.optimizers.Adam(rate, epsilon=adam_epsilon))
    player = Player(poles(8, sutton_barto_reward=True), ReplayMemory(capacity, seed), seed)
    trials = Trials(poles(20))
    deep_q_learning(player, trials, online, target, steps=2_000, explore=1_000, tau=tau)
    return online, trials.log


begin = time.perf_counter()
agent, log = train(seed=0)
seconds = time.perf_counter() - begin
for step, score in zip(log["step"], log["score"], strict=True):
    print(f"after {step:5.0f} steps of eight carts, a trial of 20 episodes: {score:.0f}")

# %% [markdown]
# On our machine the pole was balanced after 750 steps, a quarter of a minute for each cart, and what had been learned was lost again by the end.
# The best weights were kept, and that agent plays 100 new episodes, which had no part in choosing it.

# %% tags=["demo", "nbval-check-output"]
greedy = tf.function(agent)
agent_policy = lambda seen: np.argmax(greedy(seen), axis=1)
scores = play(agent_policy, hundred, seed=5_000)
print("steps until the pole falls, mean of 100 new episodes; 475 is solved, 500 the most:")
results.table(
    ("random pushes", at_random_scores.mean(), (19, 27)),
    ("rule by hand", rule_scores.mean(), (500, 500)),
    ("deep Q-network", scores.mean(), (393, 500)),
    parameters=[0, 1, agent.count_params()],
    seconds=[0, 0, seconds],
)

# %% [markdown]
# All this was learned from one kind of news, that the pole fell. It comes near the most that is possible, and is no
# better than a rule with one number in it: for a pole, the rule is the right answer. *What has the network found? Look at which
# push it prefers, for a cart in the middle of its track that does not move.*

# %% tags=["demo"]
angles, speeds = np.meshgrid(np.linspace(-12, 12, 61), np.linspace(-2, 2, 61))
grid = np.zeros((angles.size, 4), "float32")
grid[:, 2], grid[:, 3] = np.radians(angles.ravel()), speeds.ravel()
gain = np.diff(greedy(grid), axis=1).reshape(angles.shape)
fig, axis = plt.subplots(figsize=(6.4, 3.6))
most = np.abs(gain).max()
picture = axis.pcolormesh(angles, speeds, gain, cmap="PuOr", vmin=-most, vmax=most)
axis.plot(
    angles[0], -4 * np.radians(angles[0]), color=plots.BLACK, ls="--", label="the rule by hand"
)
axis.contour(angles, speeds, gain, levels=[0], colors=plots.BLUE)
axis.plot([], [], color=plots.BLUE, label="the network changes sides")
axis.set(xlabel="angle of the pole, degrees", ylabel="angular speed, rad/s")
axis.legend(loc="upper right", fontsize=9)
fig.colorbar(picture, label="value of right − value of left")
axis.set_title("Like the rule, it pushes to where the pole leans or swings")
plots.show(
    fig,
    alt="""A map over the pole's angle and angular speed, coloured by how much more a push to the right is worth than
    one to the left: right is worth more at the upper right, left at the lower left. The line between them falls from the
    upper left to the lower right. It crosses the dashed line of the rule by hand in the middle, and is steeper.""",
)

# %% [markdown]
# Where the pole both leans and swings to the right it pushes to the right, as the rule does; where it leans one way and swings the other, the
# two weigh differently. The network also has to care for the ends of
# the track, which the rule, as it happens, never reaches.
#
# ## Learned, and forgotten again
#
# Was the fall at the end bad luck? Four more trainings, in which only the seed differs. *What do you expect: curves that rise and stay?*

# %% tags=["demo"]
logs = [log] + [train(seed)[1] for seed in range(1, 5)]

# %% tags=["demo", "thumbnail"]
fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.4))
for log, marker in zip(logs, plots.MARKERS, strict=False):
    left.plot(log["step"], log["score"], marker=marker, ms=4, lw=1.5)
    right.plot(log["step"], log["value"], marker=marker, ms=4, lw=1.5)
left.axhline(475, color=plots.BLACK, ls=":")
left.text(250, 478, "solved", fontsize=9, va="bottom")
left.set(xlabel="steps of eight carts", ylabel="steps until the pole falls", ylim=(0, 520))
left.set_title("Scores in trials", fontsize=11)
right.axhline(0, color=plots.BLACK, ls=":")
right.text(250, 0.003, "the most possible", fontsize=9, va="bottom")
right.set(xlabel="steps of eight carts", ylabel="mean value of the best action")
right.set_title("What the networks believe", fontsize=11)
fig.suptitle("All five get there, and not all of them stay", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Left, the scores of five trainings over 2,000 steps: all of them pass 475 at some trial, some stay near 500
    and others fall back to 200 or 300. Right, the mean values that the five networks give their best actions: most of them fall
    at first, to about minus 0.2, and all rise then towards 0, which is the most possible.""",
)

# %% tags=["demo", "nbval-check-output"]
best = [max(log["score"]) for log in logs]
last = [log["score"][-1] for log in logs]
results.table(
    ("best trial, mean of five seeds", np.mean(best), (462, 500)),
    ("last trial, mean of five seeds", np.mean(last), (223, 500)),
    ("last value, mean of five seeds", np.mean([log["value"][-1] for log in logs]), (-0.09, 0)),
    over="draws from 20 seeds",
)

# %% [markdown]
# A classifier that has learned its data keeps what it knows. Here the data change with the player. Once it balances, hardly any fall comes into the
# memory, the two actions' values differ by some hundredths, and each further step moves all of
# them a little. So one measures again and again, in other episodes than those that one learns from, and keeps the best. A
# single number at the end of a training says how lucky its last steps were.
#
# ## What each safeguard is worth
#
# Now we take away **one thing at a time, and change nothing else**:
#
# - *no target network*: τ = 1, so the target network is always the online network's latest copy;
# - *no replay*: a memory of 128 transitions, the latest 16 steps of eight carts; batches of 128 as before;
# - *unscaled inputs*: all four scales are 1.
#
# A fourth needs two changes. Adam divides each step by the gradient's typical size plus a small number, which is called epsilon too: usually $10^{-7}$, and
# $10^{-3}$ above. *Usual Adam* has $10^{-7}$, and with it the rate that suited it best when we tried several, .0005.
#
# *Which of the four will be missed most?*

# %% tags=["demo"]
WAYS = {
    "no target network": {"tau": 1.0},
    "no replay": {"capacity": 128},
    "unscaled inputs": {"scales": [1.0, 1.0, 1.0, 1.0]},
    "usual Adam": {"rate": 5e-4, "adam_epsilon": 1e-7},
}
PAIR = (1, 4)
logs_by_way = {"complete": [logs[seed] for seed in PAIR]}
for way, settings in WAYS.items():
    logs_by_way[way] = [train(seed, **settings)[1] for seed in PAIR]

# %% [markdown]
# Two trainings prove little where chance plays such a part. So we ran these very cells for 20 seeds, and wrote down of each the score of its best
# trial, and the largest mean value in a trial.

# %% tags=["demo"]
# fmt: off
BEST_TRIAL = {
    "complete": [500, 487, 500, 500, 486, 370, 498, 500, 494, 500,
        489, 500, 500, 481, 491, 494, 500, 500, 500, 487],
    "no target network": [500, 500, 500, 468, 468, 461, 478, 489, 500, 500,
        464, 485, 500, 363, 500, 500, 500, 500, 500, 494],
    "no replay": [500, 486, 499, 500, 359, 500, 500, 500, 500, 457,
        500, 500, 500, 493, 500, 345, 500, 500, 500, 500],
    "unscaled inputs": [460, 406, 500, 460, 415, 442, 500, 500, 286, 500,
        354, 500, 494, 434, 488, 382, 484, 500, 500, 500],
    "usual Adam": [326, 222, 500, 424, 500, 406, 500, 472, 461, 489,
        485, 479, 500, 460, 481, 459, 500, 415, 500, 500],
}
# fmt: on

# %% tags=["demo"]
# fmt: off
LARGEST_VALUE = {
    "complete": [-0.02, -0.06, -0.03, -0.06, -0.04, -0.03, -0.01, 0.01, 0.0, -0.04,
        -0.04, -0.04, -0.04, -0.09, -0.03, -0.05, -0.02, -0.03, 0.0, -0.04],
    "no target network": [0.10, 0.17, 0.17, -0.01, 0.13, 0.15, 0.27, 0.30, 0.32, 0.27,
        0.09, 0.37, 0.34, 0.10, 0.24, 0.18, 0.19, 0.45, 0.49, 0.21],
    "no replay": [-0.04, -0.04, -0.11, -0.08, -0.12, -0.03, -0.07, -0.03, -0.07, -0.04,
        -0.03, -0.06, -0.05, -0.03, -0.01, -0.08, -0.08, -0.02, -0.01, -0.03],
    "unscaled inputs": [0.01, 0.01, -0.04, -0.03, -0.07, -0.11, 0.04, 0.03, -0.03, -0.02,
        -0.06, 0.02, -0.06, -0.07, -0.02, -0.01, -0.05, 0.03, -0.04, 0.05],
    "usual Adam": [0.04, -0.01, -0.02, 0.01, 0.08, 0.0, 0.06, 0.08, 0.10, 0.07,
        0.01, 0.01, 0.03, 0.10, 0.09, 0.05, 0.12, 0.01, 0.02, 0.03],
}
# fmt: on

# %% tags=["demo"]
fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.6), sharey=True)
for axis, numbers in ((left, BEST_TRIAL), (right, LARGEST_VALUE)):
    for place, way in enumerate(numbers):
        spread = place + np.random.default_rng(0).uniform(-0.2, 0.2, 20)
        axis.scatter(numbers[way], spread, s=14, color=plots.PALETTE[place])
        axis.plot([np.median(numbers[way])] * 2, [place - 0.3, place + 0.3], color=plots.BLACK)
left.axvline(475, color=plots.BLACK, ls=":")
right.axvline(0, color=plots.BLACK, ls=":")
left.set_yticks(range(5), BEST_TRIAL)
left.invert_yaxis()
left.set(xlabel="steps until the pole falls")
left.set_title("Best trial (solved: 475)", fontsize=11)
right.set(xlabel="mean value")
right.set_title("Largest value (limit: 0)", fontsize=11)
title = "Without a target network the values pass their limit;\nscores suffer most from unscaled inputs and usual Adam"
fig.suptitle(title, x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Dots for 20 trainings of each of five ways, with medians. Left, the best trial: complete, without a target
    network and without replay most dots lie near 500; with unscaled inputs and with the usual Adam nearly half of them lie
    between 200 and 475. Right, the largest mean value: it is about 0 for all ways but the one without a target
    network, where it reaches 0.5 and its median is 0.2.""",
)

# %% tags=["demo", "nbval-check-output"]
from scipy.stats import fisher_exact

RANGES = [(425, 500), (412, 500), (351, 500), (320, 500), (273, 500)]
best = {way: np.mean([max(log["score"]) for log in two]) for way, two in logs_by_way.items()}
print("best trial, mean of two seeds:")
rows = [(way, best[way], limits) for way, limits in zip(best, RANGES, strict=True)]
results.table(*rows, over="draws from 20 seeds")
print(
    "\nsolved at some trial, of 20 seeds, and the probability of a difference as large by chance:"
)
solved = {way: sum(score >= 475 for score in twenty) for way, twenty in BEST_TRIAL.items()}
for way, count in solved.items():
    p = fisher_exact([[solved["complete"], 20 - solved["complete"]], [count, 20 - count]]).pvalue
    print(f"{way:20}{count:3}   {p:.3f}")

# %% [markdown]
# A surprise, if one has read that replay and target network are what makes deep Q-learning work. **In scores**, 15 or 17 of 20
# against 19 may well be chance: on this pole, with eight carts whose steps do not resemble each other, the two safeguards
# are hardly missed. 11 against 19 are not: the scale of the inputs and Adam's epsilon, which most descriptions do not mention, matter
# more. A likely reason for the second: when errors become tiny, Adam with $10^{-7}$ blows the noise in them up to full steps, which shake off what was learned.
#
# **In what the networks believe** the target network shows. All true values are at most 0. Without it the network chases its own
# guesses, each step moves this state's value and the next one's, which moves the target further, and the values climb to half of what a fall costs, on the wrong
# side of zero. On a pole the *order* of two values may still be right. The larger the task, the less can one count on that. Small values above 0 come with the others
# too: where a network has errors, a maximum picks those that are too high, which double Q lessens and does not end.
#
# This does not say that one can do without them elsewhere. In *Breakout* Mnih and others (2015) report 317 points with both, 241 without the target
# network and 10 without replay. It says that one has to measure, over many seeds, on one's own task.

# %% [markdown]
# ## Paid for the wrong thing
#
# Back to the cliff, where the first episodes were long. A helpful person has an idea: the goal lies to the right, so let us
# pay 3 for every step to the right. *Will it arrive sooner?*

# %% tags=["demo", "nbval-check-output"]
to_the_right = NEXT % 12 > np.arange(48)[:, None] % 12
helpful = REWARD + 3 * to_the_right
honest_path, paid_path = walk(best_values(REWARD)), walk(best_values(helpful))


def income(path, reward):
    """The sum of the rewards along a path."""
    return sum(reward[here, list(NEXT[here]).index(there)] for here, there in zip(path, path[1:]))


table, _ = learn_table(helpful, seed=0)
print("the best policy for this pay arrives within 100 steps:", GOAL in paid_path)
print("what Q-learning has learned arrives within 100 steps:", GOAL in walk(table))
print(f"paid to a walker who goes straight to the goal: {income(honest_path, helpful):.0f}")
print(f"paid to the best policy in 100 steps: {income(paid_path, helpful):.0f}")
print("where it spends its time (row, column):", [divmod(field, 12) for field in paid_path[-2:]])

# %% tags=["demo"]
fig, axes = plt.subplots(2, 1, figsize=(6.4, 4.4))
names = ["paid −1 a step: arrives", "paid 3 more for each step to the right: never does"]
for axis, path, name in zip(axes, (honest_path, paid_path), names, strict=True):
    visits = np.bincount(path, minlength=48).reshape(4, 12).astype(float)
    visits[3, 1:11] = np.nan
    axis.imshow(visits, vmin=0, vmax=10, cmap="Blues")
    rows, columns = np.divmod(np.array(path), 12)
    axis.plot(columns, rows, color=plots.ORANGE, marker="o", ms=4)
    for row, column in np.argwhere(visits > 1):
        times = f"{visits[row, column]:.0f}×"
        axis.text(column, row + 0.15, times, ha="center", va="top", color="white", fontsize=9)
    axis.text(5.5, 3, "cliff", ha="center", va="center")
    axis.text(11, 3.3, "goal", ha="center", va="center", fontsize=9)
    axis.set(xticks=[], yticks=[])
    axis.set_title(name, fontsize=11)
fig.suptitle("It waits at the door, because arriving would end the pay", x=0.01, ha="left")
plots.show(
    fig,
    alt="""Two maps of the cliff world with the walk of the best policy for each pay. With the plain pay the
    walker goes along the edge into the goal. Paid for steps to the right it goes to the field above the goal, and
    from there steps left and right more than forty times each, and never into the goal.""",
)

# %% [markdown]
# It has found a loop: a step to the left costs 1, a step to the right brings 2 net, and at the door of the goal it does
# that forever, since arriving would end the pay. Nothing is broken. It does exactly what it is paid for, and earns three
# times as much as the honest walker. This is called **reward hacking**. It has happened to researchers: a simulated bicycle
# that was paid for getting nearer to its goal, and not charged for getting away, rode in circles; a boat in a racing game
# collected the same bonus targets again and again and never finished the race.
#
# A person who sees only the curve of the rewards sees success. One has to look at what the agent *does*, and to measure
# the goal apart from the pay: arrived, or not.
#
# ### Pay for where one is, not for moving
#
# There is a cure. Choose a **potential** $\Phi(s)$: a number for each state that says how good a place it is, such as minus the
# number of columns that are missing. With each step pay the *gain in potential*: the potential of the next state, discounted
# like everything that comes a step later, minus the potential of this state. Where the episode has terminated there is no
# next state any more, and its potential counts as 0. A way back is then charged as the way forth was paid. Whatever path an
# agent takes to the end, its discounted bonuses add up to the same, $-\Phi$ of its first state, because all terms between
# cancel. So the best policy stays the best.
#
# ### Exercise 5: a bonus that cannot be gamed
#
# Complete `bonus(potential, next_potential, terminated, discount)`, which returns what is paid on top of the
# reward, shape (n,). `potential` and `next_potential` are arrays (n,) of Φ before and after each of n steps; `terminated` (n,) is
# an array of bool.


# %% grade_id="bonus" solution=true
def bonus(potential, next_potential, terminated, discount):
    """The extra pay (n,) of n steps, which leaves the best policy the best."""
    ### BEGIN SOLUTION
    return discount * np.where(terminated, 0.0, next_potential) - potential
    ### END SOLUTION


# %% grade_id="bonus_by_hand" points=1
before, after = np.array([1.0, 4.0, 2.0]), np.array([4.0, 1.0, 5.0])
result = np.asarray(bonus(before.copy(), after.copy(), np.array([False, False, True]), 0.5))
assert result.shape == (3,), f"One number for each step makes shape (3,); got {result.shape}."
assert np.allclose(result, [1.0, -3.5, -2.0]), (
    "Discount 0.5: from potential 1 to 4 brings 0.5 · 4 − 1 = 1, from 4 to 1 costs 3.5, and where the third step "
    f"terminates at 2 there is no next state, so it costs 2; got {result}."
)

# %% grade_id="bonus_sums" points=1
# Hidden tests: along any path to the end, does the discounted bonus depend on the first state alone?
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(6)
for discount, steps in [(1.0, 5), (0.9, 8), (0.5, 3), (0.95, 40)]:
    potentials = rng.normal(2, 3, steps + 1)
    ends = np.arange(steps) == steps - 1
    for what, flags, left in [("terminates", ends, 0.0), ("goes on", ends & False, potentials[-1])]:
        steps_taken = potentials[:-1].copy(), potentials[1:].copy(), flags.copy()
        paid = np.asarray(bonus(*steps_taken, discount), float)
        total = np.sum(discount ** np.arange(steps) * paid)
        want = discount**steps * left - potentials[0]
        assert np.isclose(total, want), (
            f"{steps} steps, discount {discount}, a path that {what}: the discounted bonus adds up to "
            f"{total:.5f} and should be {want:.5f}. Is the later potential discounted, are losses charged, and "
            "what is left after the end?"
        )
### END HIDDEN TESTS

# %% grade_id="bonus_policy" points=1
# Hidden tests: on the cliff, is the best policy still the best with your bonus, whatever the potential?
### BEGIN HIDDEN TESTS
for seed in range(4):
    potential = np.random.default_rng(seed).normal(5, 4, 48)
    before, after = np.repeat(potential, 4), potential[NEXT].ravel()
    extra = np.asarray(bonus(before, after, ENDS.ravel().copy(), 0.95), float).reshape(48, 4)
    values = best_values(REWARD + extra)
    path = walk(values)
    assert (path[-1], len(path)) == (GOAL, 14), (
        f"With your bonus and a random potential the best walk takes {len(path) - 1} steps and ends in field {path[-1]}; "
        f"without it 13 steps, to field {GOAL}. Somewhere a loop or a detour is paid."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Only gains are paid and losses are not charged, so going to and fro pays.
def bonus(potential, next_potential, terminated, discount):
    after = discount * np.where(terminated, 0.0, next_potential)
    return np.maximum(after - potential, 0)


# %% tags=["misconception"]
# The potential of the next state is not discounted, although it is reached a step later.
def bonus(potential, next_potential, terminated, discount):
    return np.where(terminated, 0.0, next_potential) - potential


# %% tags=["misconception"]
# The whole difference is discounted, also the potential of the state in which one is now.
def bonus(potential, next_potential, terminated, discount):
    return discount * (np.where(terminated, 0.0, next_potential) - potential)


# %% tags=["misconception"]
# The potential that remains at the end of an episode is paid out, so an end in a high place is a prize.
def bonus(potential, next_potential, terminated, discount):
    return discount * next_potential - potential


# %% tags=["misconception"]
# The last step gets no bonus at all, so what was paid on the way is never settled.
def bonus(potential, next_potential, terminated, discount):
    return np.where(terminated, 0.0, discount * next_potential - potential)


# %% tags=["alternative"]
# Multiplies with zeros and ones.
def bonus(potential, next_potential, terminated, discount):
    goes_on = 1.0 - np.asarray(terminated, float)
    return -np.asarray(potential) + discount * goes_on * np.asarray(next_potential)


# %% tags=["alternative"]
# A loop over the steps.
def bonus(potential, next_potential, terminated, discount):
    paid = []
    for before, after, ended in zip(potential, next_potential, terminated):
        paid.append((0 if ended else discount * after) - before)
    return np.array(paid)


# %% [markdown]
# Now pay the walker for the gain in potential, with the missing columns as the potential. *Sooner than without help?*

# %% tags=["demo", "nbval-check-output"]
bonus = fallbacks.choose(bonus, ours.bonus, ours.bonus_works)
missing = np.arange(48) % 12 - 11.0
extra = bonus(np.repeat(missing, 4), missing[NEXT].ravel(), ENDS.ravel(), 0.95).reshape(48, 4)
table, with_bonus = learn_table(REWARD + extra, seed=0, episodes=60)
_, without = learn_table(REWARD, seed=0, episodes=60)
print("arrives, in 13 steps:", walk(table)[-1] == GOAL and len(walk(table)) - 1 == 13)
results.table(
    ("steps of 60 episodes, without help", without.sum(), (2640, 2800)),
    ("with the bonus", with_bonus.sum(), (1140, 1300)),
)

# %% [markdown]
# The same idea, to the right is good, once as a trap and once as help. But the cure has a limit: it cannot repair a *reward*
# that is wrong by itself. If arriving is not what we want, no potential will tell.

# %% [markdown]
# ## From a pole to a robot
#
# Robots learn to walk and to grasp by the methods of this family. Three things lie between our pole and them.
#
# **Data.** Our agent fell again and again, which cost nothing. The Atari agent played each game for 38 days of game time. A real
# arm would be worn out, and a real car must not crash once. So one trains in a **simulation** and carries the policy over;
# what is lost on the way is the subject of lesson 23.
#
# **The reward.** Somebody has to write it, and what matters most is often hard to count: do not frighten anybody, keep the cup
# full, be fair. Recommenders that are paid for clicks learn what is clicked, and the people who bear the cost are not in the
# formula. So state the goal in words, measure it apart from the reward, look at episodes, and ask who loses when the agent
# wins.
#
# **Trust.** Within one training the score went from solved to less than half of it, and twenty seeds of the same program spread over hundreds of steps. A single
# curve is an anecdote. And nothing here guarantees what the agent does in a state that it has never seen.

# %% [markdown]
# ## At full size
#
# The task that made the method known: the game *Breakout*, from its pixels. The functions that you wrote and the loop above serve as they are; new are
# the world and the network in front. The cells below need
#
# - the emulator, `pip install "gymnasium[atari]"`, 3 MB with its games. Without it the first cell says so and the others do nothing;
# - 6 GB of memory for 100,000 transitions, and a GPU, where `course.setup` chooses float16;
# - ten million steps of the game, 1.25 million of eight games at once: hours, not minutes. Set `STEPS = 15_000` to see it run.
#
# An observation is four grey pictures of 84 × 84 pixels in a row, since one picture does not show where the ball flies to; `Permute`
# puts them where a convolution expects channels, last. Losing
# a life ends an episode, and rewards are cut to 1, in training only; trials count whole games. The network is that of
# Mnih and others (2015).
#
# What to expect: they report 1.7 points for random play, 31.8 for a tester, and 401 for their agent after 50 million steps;
# CleanRL reports 367 ± 40 after 10 million. keras.io's example says of its own that 10 million frames take a day at most. We have not
# run these cells to their end: tell us if they do not get there.

# %% tags=["full-size"]
course.setup(seed=0, precision="auto")
ENVS, CAPACITY, BATCH = 8, 100_000, 64
STEPS, EXPLORE, WAIT, EVERY = 1_250_000, 125_000, 10_000, 12_500


def games(count, **options):
    """Games that are played together, by the emulator's own threads."""
    return gym.make_vec(
        "ALE/Breakout-v5", count, vectorization_mode="vector_entry_point", **options
    )


try:
    import ale_py

    gym.register_envs(ale_py)
    training_games = games(ENVS, episodic_life=True, reward_clipping=True)
    trial_games = games(ENVS, episodic_life=False, reward_clipping=False)
except (ImportError, gym.error.Error):
    training_games = None
    print('The emulator is missing. This command brings it: pip install "gymnasium[atari]"')


# %% tags=["full-size"]
def pixel_network(shape, actions):
    """From uint8 pictures (batch, *shape), the oldest first, to float32 values (batch, actions)."""
    pictures = keras.Input(shape, dtype="uint8")
    x = layers.Permute((2, 3, 1))(layers.Rescaling(1 / 255)(pictures))
    x = layers.Conv2D(32, 8, strides=4, activation="relu")(x)
    x = layers.Conv2D(64, 4, strides=2, activation="relu")(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.Dense(512, activation="relu")(layers.Flatten()(x))
    # In float32 under every policy: targets are made from these numbers.
    return keras.Model(pictures, layers.Dense(actions, dtype="float32")(x))


# %% tags=["full-size"]
if training_games is not None:
    shape = training_games.single_observation_space.shape
    actions = int(training_games.single_action_space.n)
    breakout, its_target = pixel_network(shape, actions), pixel_network(shape, actions)
    breakout.compile(keras.optimizers.Adam(1e-4, epsilon=1.5e-4))
    breakout.summary()
    # A trial explores now and then, or a game may never end.
    checkpoint = datasets.data_dir().parent / "checkpoints" / "breakout.keras"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    trials = Trials(trial_games, every=EVERY, epsilon=0.05, save_as=checkpoint)
    player = Player(training_games, ReplayMemory(CAPACITY), seed=0)
    deep_q_learning(player, trials, breakout, its_target, STEPS, EXPLORE, WAIT, BATCH, tau=0.005)
    history = keras.callbacks.History()
    history.history = trials.log

# %% [markdown]
# The same measures: points in trials, and the values that the network believes in, handed on as `fit` would, in a `History`. The best network was saved at each trial that it won, and is loaded again here.

# %% tags=["full-size"]
if training_games is not None:
    best = keras.models.load_model(checkpoint)
    in_graph, dice = tf.function(best), np.random.default_rng(1)
    policy = lambda seen: epsilon_greedy(in_graph(seen), 0.05, dice)
    anything = lambda seen: dice.integers(actions, size=ENVS)
    for name, chosen in [("random", anything), ("deep Q-network", policy)]:
        print(
            f"{name}: {play(chosen, trial_games, seed=5_000).mean():.1f} points, mean of {ENVS} games"
        )
    fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.4))
    for axis, name, label in [(left, "score", "points"), (right, "value", "mean value")]:
        axis.plot(ENVS * np.array(trials.log["step"]), trials.log[name])
        axis.set(xlabel="steps of the game", ylabel=label)
    left.set_title("Breakout from pixels: points, and beliefs")
    plots.show(fig, alt="Points in trials and the network's mean values over steps of Breakout.")

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Pay +1 for each step instead (without `sutton_barto_reward`). How large must the values become, and how long does that
#    take?
# 2. Let the memory hold 1,000 transitions, then 10,000. Is more memory always better?
# 3. Start poles that lean already: `poles(100).reset(seed=0, options={"low": -0.2, "high": 0.2})`. Does your best agent
#    still catch them? Does the rule?
#
# To read: Sutton and Barto, *Reinforcement Learning: An Introduction* (2nd edition, free online), chapters 3 to 6; Mnih and others (2015),
# *Human-level control through deep reinforcement learning* (Nature); van Hasselt, Guez and Silver (2016), *Deep reinforcement learning with
# double Q-learning*; Ng, Harada and Russell (1999), *Policy invariance under reward transformations*, where the bonus comes from.
