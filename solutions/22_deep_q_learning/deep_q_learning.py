# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Deep Q-learning
#     summary: You let a table and then a network learn by trial and error, balance a pole with it, take its safeguards away, and see what happens when it is paid for the wrong thing.
#     part: V Reinforcement learning
#     minutes: 70
#     minutes_reading: 12
#     objectives:
#     - describe a task by observations, actions, rewards and ends, and say what a discounted return is
#     - update a table of action values from single steps, and check it against the exact solution
#     - write the targets of double deep Q-learning, right for episodes that end and for those that are cut off
#     - train a Q-network with replay and a target network in Keras, and measure what each of the two is good for
#     - recognise a reward that is gamed, and pay for progress in a way that cannot be
#     datasets: []
#     full_size: []
#     needs: [01_neurons_and_layers]
#     mirrors:
#       "1 Reinforcement Learning": "Deep Q-learning"
#       "1 Reinforcement Learning: Games": "Players that nobody taught to play"
#       "1 Reinforcement Learning: Agents, environments and rewards": "An agent, an environment, a reward"
#       "4 How is Deep Learning Different from Machine Learning?: Reinforcement learning": "An agent, an environment, a reward"
#       "4 Specific Applications/Examples of Deep Learning: Robotics": "From a pole to a robot"
# ---

# %% [markdown]
# # Deep Q-learning
#
# Nobody can write down how to ride a bicycle, and yet people learn it: try, wobble, fall, try again. In
# **reinforcement learning** a program learns that way. It has no examples with right answers, only the consequences of
# what it did.
#
# You will first let a small table learn to walk along a cliff, where the exact solution is known. Then a network takes
# the table's place and learns to balance a pole. At the end a walker finds a way to be paid without arriving,
# and you mend its pay. Reading and running takes about 12 minutes, of which less than one is waiting; the four
# exercises take about an hour.

# %%
import course

course.setup(seed=0)

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

from course import plots

# %% [markdown]
# The second half's task: a pole stands on a cart, and every fiftieth of a second the cart must be pushed to the left or to
# the right. Here the pushes are random.


# %% tags=["demo"]
def watch(policy, seed, steps=500):
    """Observations (time, 4) of one episode of CartPole, played by a policy."""
    world = gym.make("CartPole-v1")
    observation, _ = world.reset(seed=seed)
    seen, over = [observation], False
    while not over and len(seen) < steps:
        action = int(policy(observation[None])[0])
        observation, _, terminated, truncated, _ = world.step(action)
        seen.append(observation)
        over = terminated or truncated
    return np.array(seen)


def draw_cart(axis, observation):
    """Cart and pole, from position (m) and angle (rad)."""
    x, angle = observation[0], observation[2]
    axis.plot([-2.4, 2.4], [0, 0], color=plots.BLACK, lw=1)
    axis.plot([x - 0.3, x + 0.3], [0.1, 0.1], color=plots.BLUE, lw=8, solid_capstyle="butt")
    tip = (x + np.sin(angle), 0.1 + np.cos(angle))
    axis.plot([x, x], [0.1, 1.2], color=plots.BLACK, lw=1, ls=":")
    axis.plot([x, tip[0]], [0.1, tip[1]], color=plots.ORANGE, lw=4, solid_capstyle="round")
    axis.set(xlim=(-1.2, 1.2), ylim=(-0.1, 1.3), aspect="equal")
    axis.set_axis_off()


# %% tags=["demo"]
coin = np.random.default_rng(1)
at_random = watch(lambda observations: coin.integers(2, size=1), seed=3)
fig, axes = plt.subplots(1, 5, figsize=(6.4, 1.8))
moments = np.linspace(0, len(at_random) - 1, 5).astype(int)
for axis, moment in zip(axes, moments, strict=True):
    draw_cart(axis, at_random[moment])
    lean = abs(np.degrees(at_random[moment][2]))
    axis.set_title(f"{moment / 50:.1f} s, {lean:.0f}°", loc="center", fontsize=11)
fig.suptitle(
    "Pushed at random, the pole soon leans past 12° and counts as fallen",
    x=0.01,
    ha="left",
    fontsize=12,
)
plots.show(
    fig,
    alt="""Five pictures of a cart with a pole, in the order of time. The pole stands nearly upright in
    the first ones and leans more than 12 degrees in the last, within a second.""",
)

# %% [markdown]
# ## Players that nobody taught to play
#
# Games made this way of learning famous: they can be played millions of times, and the score says how well it went. In 2015
# a network learned 49 Atari games from their pixels and scores alone, with the same settings for all of them, and reached
# at least three quarters of a professional tester's score in more than half. Its method was deep Q-learning, which you will
# build here. Two years later AlphaZero beat the strongest chess, shogi and Go programs after playing against nobody but
# itself; it too learns what positions are worth, and looks ahead besides.
#
# What makes it hard: the consequences come late. A chess game is lost at move 40 because of move 12, and no teacher says so.
# And the player makes its own data: whoever never tries a move never learns what it is worth.

# %% [markdown]
# ## An agent, an environment, a reward
#
# At each step an **agent** sees an **observation** of its **environment**, takes an **action**, and gets a **reward**, a
# number: positive for what is good, negative for what is bad. An **episode** goes on until the environment ends it. How the
# agent chooses is its **policy**.
#
# Supervised learning is told the right answers. Here nobody knows the right action; a reward says only how well things
# went. Unsupervised learning has no such number at all.
#
# Our first environment comes from Gymnasium, the library of environments that the field shares: a grid of 4 × 12 fields, with
# a cliff along its lower edge. The walker starts at the lower left; the goal is at the lower right. Each step costs 1.
# Stepping over the edge costs 100 and leads back to the start. All of its rules fit into three tables of 48 fields by 4
# actions: where one gets, for what reward, and whether it ends there.

# %%
rules = gym.make("CliffWalking-v1").unwrapped.P
NEXT, REWARD, ENDS = np.zeros((48, 4), int), np.zeros((48, 4)), np.zeros((48, 4), bool)
for field in range(48):
    for action in range(4):
        ((_, NEXT[field, action], REWARD[field, action], ENDS[field, action]),) = rules[field][
            action
        ]
START, GOAL, DISCOUNT = 36, 47, 0.95
UP, RIGHT, DOWN, LEFT = range(4)

# %% [markdown]
# ### What is a step worth?
#
# A step matters for all that follows. So we add up the rewards $r_0, r_1, r_2, \ldots$ from now on, each counting a bit less
# the later it comes, and call this the **discounted return**:
#
# $$G = r_0 + \gamma\, r_1 + \gamma^2 r_2 + \ldots$$
#
# The **discount** $\gamma$ (gamma), here .95, says how patient the agent is. Now let $Q(s, a)$ be the return that
# follows when one takes action $a$ in state $s$ and does everything right afterwards. Whoever has $Q$ needs no plan: the best
# action is the one with the largest $Q$. And $Q$ must agree with itself:
#
# $$Q(s, a) = r + \gamma \max_{a'} Q(s', a')$$
#
# where $r$ is the reward, $s'$ the next state, and the second term is missing if the episode ended. This is the
# **Bellman equation**. Where the rules are known, as in our tables, it becomes a computation, **value iteration**: fill $Q$
# with zeros, compute the right side for all entries, take it as the new $Q$, repeat.


# %%
def best_values(reward):
    """The exact action values (48, 4) for a table of rewards (48, 4), by value iteration."""
    values = np.zeros((48, 4))
    for _ in range(500):
        values = reward + DISCOUNT * ~ENDS * values[NEXT].max(axis=2)
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
print("worth of the four actions at the start:", truth[START].round(2))

# %% [markdown]
# One step up, eleven to the right along the edge, one down. The start is worth −9.73 and not −13 because of the discount.
#
# ## Learning from single steps
#
# Mostly nobody has such tables. One can only act and see what comes. **Q-learning** makes the Bellman equation into a
# rule for one step: having seen a **transition** (state, action, reward, next state, ended or not), move the entry
# a part of the way, the **rate** $\alpha$, from what it says to what the right side says now, its **target**:
#
# $$Q(s, a) \leftarrow Q(s, a) + \alpha \big(\, \underbrace{r + \gamma \max_{a'} Q(s', a')}_{\text{target}} - Q(s, a) \,\big)$$
#
# The target is itself a guess, built upon another entry's guess. This is called **bootstrapping**. It works because the
# reward in it is real.
#
# ### Exercise 1: one step of Q-learning
#
# Complete `learned(values, state, action, reward, next_state, terminated, rate, discount)`. `values` is a table
# (states, actions); `terminated` tells whether the episode ended with this step: then nothing more will come.
# Return the **new value of the entry** `values[state, action]`, a number; leave the table as it is. The rate holds for every
# transition, the last one too.


# %% grade_id="learned" solution=true
def learned(values, state, action, reward, next_state, terminated, rate, discount):
    """The new value of values[state, action] after one transition."""
    ### BEGIN SOLUTION
    following = 0.0 if terminated else values[next_state].max()
    target = reward + discount * following
    return values[state, action] + rate * (target - values[state, action])
    ### END SOLUTION


# %% grade_id="learned_by_hand" points=1
table = np.array([[1.0, 2.0], [4.0, 8.0], [0.0, -6.0]])
result = learned(table, 0, 0, 3.0, 1, False, 0.5, 0.5)
assert np.ndim(result) == 0, (
    f"Return one number, the entry's new value; got shape {np.shape(result)}."
)
assert np.isclose(result, 4.0), (
    f"The entry says 1. The target is 3 + 0.5 · 8 = 7, and half of the way from 1 to 7 is 4; got {result}."
)
assert np.array_equal(table, [[1, 2], [4, 8], [0, -6]]), "The table itself has changed."

# %% grade_id="learned_cases" points=2
# Hidden tests: random tables, episodes that end, all rates.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(3)
for case in range(40):
    table = rng.normal(0, 5, (6, 3)) - 4 * (case % 2)
    state, after = (int(number) for number in rng.choice(6, 2, replace=False))
    action, reward, ends = int(rng.integers(3)), float(rng.normal()), case % 4 > 1
    rate, discount = [0.1, 0.3, 0.8, 1.0][case % 4], [0.9, 0.5, 1.0][case % 3]
    target = reward + (0 if ends else discount * table[after].max())
    want = (1 - rate) * table[state, action] + rate * target
    got = float(learned(table, state, action, reward, after, ends, rate, discount))
    ending = "The episode ended: nothing is left to come, and the rate still holds." if ends else ""
    assert np.isclose(got, want), (
        f"entry {table[state, action]:.2f}, reward {reward:.2f}, next state's values "
        f"{table[after].round(2)}, terminated {ends}, rate {rate}, discount {discount}: "
        f"expected {want:.3f}, got {got:.3f}. {ending}"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The value of a next state is added although the episode has ended and no next step will come.
def learned(values, state, action, reward, next_state, terminated, rate, discount):
    target = reward + discount * values[next_state].max()
    return values[state, action] + rate * (target - values[state, action])


# %% tags=["misconception"]
# Where the episode ends the entry becomes the reward at once, as if the rate were 1.
def learned(values, state, action, reward, next_state, terminated, rate, discount):
    if terminated:
        return reward
    target = reward + discount * values[next_state].max()
    return values[state, action] + rate * (target - values[state, action])


# %% tags=["misconception"]
# The target is built from the values of the state that one leaves instead of the one that one reaches.
def learned(values, state, action, reward, next_state, terminated, rate, discount):
    target = reward + discount * (0.0 if terminated else values[state].max())
    return values[state, action] + rate * (target - values[state, action])


# %% tags=["misconception"]
# The step is added to the entry whole, without taking off what the entry said already.
def learned(values, state, action, reward, next_state, terminated, rate, discount):
    target = reward + discount * (0.0 if terminated else values[next_state].max())
    return values[state, action] + rate * target


# %% tags=["misconception"]
# The next action is taken to be the same as this one instead of the best one.
def learned(values, state, action, reward, next_state, terminated, rate, discount):
    target = reward + discount * (0.0 if terminated else values[next_state, action])
    return values[state, action] + rate * (target - values[state, action])


# %% tags=["alternative"]
# A weighted mean of the old value and the target.
def learned(values, state, action, reward, next_state, terminated, rate, discount):
    target = reward + discount * (1 - terminated) * np.max(values[next_state])
    return (1 - rate) * values[state, action] + rate * target


# %% [markdown]
# ### Now and then, do something else
#
# A walker who always takes what looks best never learns about the rest. The plain remedy is the
# **ε-greedy** policy: with probability ε (epsilon) any action, drawn evenly from all of them; otherwise the
# best. Much exploration early, little later.
#
# ### Exercise 2: explore, row by row
#
# We shall soon play in eight environments at once. Complete `choose(values, epsilon, rng)`: `values` has shape
# (environments, actions). Return an array of whole numbers (environments,), each row's ε-greedy action. Every
# row decides for itself whether it explores. A random action may happen to be the best one. All chance comes from `rng`, a
# `np.random.Generator`: it has `rng.random(size)`, evenly from 0 to 1, and `rng.integers(high, size=...)`.


# %% grade_id="choose" solution=true
def choose(values, epsilon, rng):
    """Epsilon-greedy actions (environments,) for action values (environments, actions)."""
    ### BEGIN SOLUTION
    rows, actions = values.shape
    explores = rng.random(rows) < epsilon
    return np.where(explores, rng.integers(actions, size=rows), values.argmax(axis=1))
    ### END SOLUTION


# %% grade_id="choose_form" points=1
table = np.array([[0.0, 2.0, 1.0], [5.0, -1.0, 3.0], [-3.0, -2.0, -1.0], [1.0, 0.0, 0.5]])
result = np.asarray(choose(table, 0.0, np.random.default_rng(0)))
assert result.shape == (4,), f"One action a row makes shape (4,); got {result.shape}."
assert result.dtype.kind == "i", f"Actions are whole numbers; got an array of {result.dtype}."
assert result.tolist() == [1, 0, 2, 0], (
    f"With epsilon 0 each row takes its largest value: [1, 0, 2, 0]; got {result.tolist()}."
)
result = np.asarray(choose(table, 1.0, np.random.default_rng(0)))
assert set(result.tolist()) <= {0, 1, 2}, f"There are actions 0, 1 and 2; got {result.tolist()}."

# %% grade_id="choose_shares" points=2
# Hidden tests: 20,000 rows at once. Do the shares of the actions fit, and do rows decide for themselves?
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(8)
best = 2
table = rng.normal(0, 1, (20_000, 4)) + 20 * np.eye(4)[best]
for epsilon in (0.0, 0.2, 0.6, 1.0):
    actions = np.asarray(choose(table, epsilon, np.random.default_rng(9)))
    share, want = np.mean(actions == best), 1 - 0.75 * epsilon
    # Standard deviation of a share at most .0035, so .025 is seven of them.
    assert abs(share - want) < 0.025, (
        f"epsilon {epsilon}, 4 actions: the best one should come in {want:.3f} of the rows (a random "
        f"action is the best one by chance too); it came in {share:.3f}."
    )
    other = np.bincount((actions - best) % 4, minlength=4)[1:] / 20_000
    assert np.abs(other - epsilon / 4).max() < 0.025, (
        f"epsilon {epsilon}: the three other actions should come equally often, {epsilon / 4:.3f} each; "
        f"they came {other.round(3)}. Is one random action shared by all rows?"
    )
### END HIDDEN TESTS

# %% grade_id="choose_rows" points=1
# Hidden tests: eight rows, 400 times. Is each row as likely to explore as the next, and does `rng` alone decide?
### BEGIN HIDDEN TESTS
table = np.tile([0.0, 0.0, 9.0, 0.0], (40, 1))
first, again = (np.asarray(choose(table, 0.5, np.random.default_rng(6))) for _ in range(2))
assert np.array_equal(first, again), (
    "Two calls with generators of the same seed chose differently: every random number should come from `rng`."
)
calls = [np.asarray(choose(table[:8], 0.5, np.random.default_rng(seed))) for seed in range(400)]
strays = np.array(calls) != 2
# Right answers: .375 with a standard deviation of .024; variance 1.88, with one of .13.
shares, spread = strays.mean(axis=0), strays.sum(axis=1).var()
assert np.abs(shares - 0.375).max() < 0.15, (
    "epsilon 0.5, 4 actions, 400 calls with 400 generators: each of eight rows should leave its best action in .375 of the "
    f"calls; they did so in {shares.round(2)}. Is the choice made by chance, for each row, from `rng`?"
)
assert 1.1 < spread < 2.7, (
    f"epsilon 0.5: the number of rows that leave their best action has variance {spread:.2f} over 400 calls, and should have "
    "1.88. Every row decides for itself: in some calls none explores, in others nearly all."
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# One throw of the dice decides for all rows together whether they explore.
def choose(values, epsilon, rng):
    rows, actions = values.shape
    if rng.random() < epsilon:
        return rng.integers(actions, size=rows)
    return values.argmax(axis=1)


# %% tags=["misconception"]
# Epsilon is read the wrong way round: it is the share of random actions, not of the best ones.
def choose(values, epsilon, rng):
    rows, actions = values.shape
    greedy = rng.random(rows) < epsilon
    return np.where(greedy, values.argmax(axis=1), rng.integers(actions, size=rows))


# %% tags=["misconception"]
# A single random action is drawn and given to every row that explores.
def choose(values, epsilon, rng):
    rows, actions = values.shape
    explores = rng.random(rows) < epsilon
    return np.where(explores, rng.integers(actions), values.argmax(axis=1))


# %% tags=["misconception"]
# An exploring row never takes its best action, so less is random than it seems and epsilon 1 is not random.
def choose(values, epsilon, rng):
    rows, actions = values.shape
    best = values.argmax(axis=1)
    explores = rng.random(rows) < epsilon
    return np.where(explores, (best + 1 + rng.integers(actions - 1, size=rows)) % actions, best)


# %% tags=["misconception"]
# A new generator is made in every call, and the one that was given is not used.
def choose(values, epsilon, rng):
    rows, actions = values.shape
    rng = np.random.default_rng()
    explores = rng.random(rows) < epsilon
    return np.where(explores, rng.integers(actions, size=rows), values.argmax(axis=1))


# %% tags=["misconception"]
# A fixed number of rows explores, and always the first ones.
def choose(values, epsilon, rng):
    rows, actions = values.shape
    explores = np.arange(rows) < round(epsilon * rows)
    return np.where(explores, rng.integers(actions, size=rows), values.argmax(axis=1))


# %% tags=["alternative"]
# A loop over the rows.
def choose(values, epsilon, rng):
    chosen = []
    for row in values:
        explores = rng.random() < epsilon
        chosen.append(int(rng.integers(len(row))) if explores else int(np.argmax(row)))
    return np.array(chosen)


# %% [markdown]
# ### The table finds the edge
#
# Together they are a learner, which knows nothing of the rules. *How many episodes will it take to find the way, and will it
# keep a distance from the edge?*


# %% tags=["demo"]
def learn_table(reward, seed, episodes, rate=0.5, epsilon=0.1, limit=100):
    """Action values (48, 4) learned by walking, and how many steps each episode took."""
    rng = np.random.default_rng(seed)
    values, lengths = np.zeros((48, 4)), []
    for _ in range(episodes):
        here, step, ends = START, 0, False
        while step < limit and not ends:
            action = rng.integers(4) if rng.random() < epsilon else values[here].argmax()
            after, ends = NEXT[here, action], ENDS[here, action]
            target = reward[here, action] + DISCOUNT * (0 if ends else values[after].max())
            values[here, action] += rate * (target - values[here, action])
            here, step = after, step + 1
        lengths.append(step)
    return values, np.array(lengths)


table_early, _ = learn_table(REWARD, seed=0, episodes=15)
table_late, lengths = learn_table(REWARD, seed=0, episodes=300)

# %% tags=["demo", "nbval-check-output"]
best_walk = walk(truth)[:-1]
gap = np.abs(table_late.max(axis=1) - truth.max(axis=1))[best_walk].max()
# 20 seeds: always 13 steps, gap 0.00; unvisited corners of the table stay wrong.
print("steps of its best walk after 300 episodes:", len(walk(table_late)) - 1)
print("values along it, off the exact ones by less than .01:", gap < 0.01)
print("steps of the first five episodes, on average more than 50:", lengths[:5].mean() > 50)
print("of the last hundred, fewer than 25:", lengths[-100:].mean() < 25)


# %% tags=["demo"]
def draw_walk(axis, values, path, title):
    """Worth of each field as a colour, and a path."""
    worth = values.max(axis=1).reshape(4, 12).copy()
    worth[3, 1:] = np.nan
    axis.imshow(worth, vmin=-13, vmax=0)
    rows, columns = np.divmod(np.array(path), 12)
    axis.plot(columns, rows, color=plots.ORANGE, marker="o", ms=4)
    axis.text(5.5, 3, "cliff", ha="center", va="center")
    axis.text(11, 3.35, "goal", ha="center", va="center", fontsize=9)
    axis.set_title(title, fontsize=11)
    axis.set(xticks=[], yticks=[])


fig, axes = plt.subplots(2, 1, figsize=(6.4, 4.8))
draw_walk(axes[0], table_early, walk(table_early, 12), "after 15 episodes: it goes nowhere")
draw_walk(axes[1], table_late, walk(table_late), "after 300 episodes")
fig.colorbar(axes[0].images[0], ax=axes, label="worth of a field (discounted reward)", shrink=0.8)
fig.suptitle("Worth spreads from the goal back to the start", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Two maps of a grid of 4 by 12 fields with a cliff below. After 15 episodes most fields have
    similar colours and the walk does not leave the start. After 300 the worth rises towards the goal, and
    the walk goes straight along the edge of the cliff to it.""",
)

# %% [markdown]
# It learns to walk **on the very edge**: the values assume that every step after this one is the best. When it explores there
# it may fall; the table does not mind, for it describes the perfect walker. A good reason not to let such a learner
# explore next to a real cliff.

# %% [markdown]
# ## A pole does not fit into a table
#
# Now the pole. An observation has four numbers: the cart's position and speed, the pole's angle and angular speed. Two
# actions: push left (0), push right (1). An episode ends when the pole leans more than 12° or the cart leaves its
# track; after 500 steps, ten seconds, time is up. The score is the number of steps.
#
# What can be had without learning? Pushing at random, and a rule by hand: push to the side to which the pole will lean a
# quarter of a second from now. *What do you expect of one line of arithmetic?* We let a hundred environments run at once.

# %% tags=["demo", "nbval-check-output"]
from course.deep_q import evaluate

hundred = gym.make_vec("CartPole-v1", num_envs=100, vectorization_mode="vector_entry_point")
rng = np.random.default_rng(0)
random_returns = evaluate(lambda observations: rng.integers(2, size=100), hundred)
rule_returns = evaluate(lambda o: (o[:, 2] + 0.25 * o[:, 3] > 0).astype(int), hundred)
print("random, between 15 and 30 steps on average:", 15 < random_returns.mean() < 30)
print(f"the rule by hand: {rule_returns.mean():.0f} on average, {rule_returns.min():.0f} at worst")

# %% [markdown]
# The rule is perfect. Whoever has a pole to balance should use it. We take the pole because one can see everything in it and
# learning takes seconds; the methods are made for tasks for which nobody can write the rule.
#
# A table would need a row for each observation, and hardly any comes twice. So a **Q-network** takes its place: four numbers
# in, two action values out. It is trained like any regression, with the targets of Q-learning as the numbers to predict.
#
# ### Four things that make it work
#
# A table's entries do not touch each other. In a network every step changes all values at once, also those from which the
# targets are made. Hence four additions.
#
# 1. **Replay.** Successive steps look alike, and a network that learns from them alone forgets the rest. So thousands of
#    transitions are kept in a *replay buffer*; each batch is drawn from it at random.
# 2. **A target network.** The targets come from a copy of the network that follows slowly: after each step its weights move
#    a small share τ (tau) of the way to the *online* network's.
# 3. **Double Q.** The largest of several noisy guesses is too large on average. So the online network *chooses* the
#    next action, and the target network says what it is worth.
# 4. **Ends that are none.** An episode that **terminated** has nothing to come. One that was **truncated**, cut off because
#    time was up, would have gone on: its last state keeps its value. Else a pole that stands would count like one that fell.
#
# The third point, with ten actions that are all worth exactly 0 and guesses of them that are off by 1:

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
guesses, other_guesses = rng.normal(0, 1, (2, 100_000, 10))
print(f"largest guess, on average: {guesses.max(axis=1).mean():.1f}")
judged = np.take_along_axis(other_guesses, guesses.argmax(axis=1)[:, None], axis=1)
print(f"chosen by one, judged by the other: {abs(judged.mean()):.1f}")

# %% [markdown]
# ### Exercise 3: the targets of double Q-learning
#
# Complete `td_targets`, for a batch of $n$ transitions:
#
# | argument | shape | holds |
# |---|---|---|
# | `rewards` | (n,) | the reward of each step |
# | `terminated` | (n,) bool | whether the environment came to its end with the step |
# | `truncated` | (n,) bool | whether the step was the last only because time was up |
# | `next_online` | (n, actions) | the online network's values of the next observation |
# | `next_target` | (n, actions) | the target network's values of the next observation |
# | `discount` | a number | γ |
#
# Return the targets, shape (n,). If both flags are true, the pole fell at the last moment: it fell.


# %% grade_id="td_targets" solution=true
def td_targets(rewards, terminated, truncated, next_online, next_target, discount):
    """What the values of the chosen actions should have been, shape (n,)."""
    ### BEGIN SOLUTION
    chosen = next_online.argmax(axis=1)
    following = next_target[np.arange(len(rewards)), chosen]
    return rewards + discount * np.where(terminated, 0.0, following)
    ### END SOLUTION


# %% grade_id="td_targets_form" points=1
no = np.array([False, False])
online, target = np.array([[1.0, 3.0], [5.0, 4.0]]), np.array([[1.0, 3.0], [5.0, 4.0]])
result = np.asarray(td_targets(np.array([1.0, 2.0]), no, no, online, target, 0.5))
assert result.shape == (2,), f"One target a transition makes shape (2,); got {result.shape}."
assert np.allclose(result, [2.5, 4.5]), (
    f"Nothing ended, and both networks agree: 1 + 0.5 · 3 and 2 + 0.5 · 5; got {result}."
)

# %% grade_id="td_targets_double" points=2
# Hidden tests: the two networks disagree. Who chooses, and who judges?
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(4)
no = np.zeros(30, bool)
for discount in (0.9, 0.5):
    online, target = rng.normal(-2, 3, (2, 30, 4))
    rewards = rng.normal(0, 1, 30)
    judged = np.array([row[pick] for row, pick in zip(target, online.argmax(axis=1), strict=True)])
    result = np.asarray(td_targets(rewards, no, no, online, target, discount), float)
    at = int(np.abs(result - (rewards + discount * judged)).argmax())
    assert np.allclose(result, rewards + discount * judged), (
        f"reward {rewards[at]:.2f}, discount {discount}, online {online[at].round(2)}, target network "
        f"{target[at].round(2)}: expected {rewards[at] + discount * judged[at]:.3f}, got {result[at]:.3f}. "
        "Which network chooses the next action, and which says what it is worth?"
    )
### END HIDDEN TESTS

# %% grade_id="td_targets_ends" points=2
# Hidden tests: all four combinations of terminated and truncated.
### BEGIN HIDDEN TESTS
both = np.full((4, 2), -7.0)
terminated, truncated = np.array([[0, 1, 0, 1], [0, 0, 1, 1]], bool)
result = np.asarray(td_targets(np.full(4, 2.0), terminated, truncated, both, both, 0.5), float)
names = ["goes on", "terminated", "truncated", "terminated and truncated"]
for name, got, want in zip(names, result, [-1.5, 2.0, -1.5, 2.0], strict=True):
    assert np.isclose(got, want), (
        f"reward 2, next values -7 and -7, discount 0.5; the episode {name}: expected {want}, got {got}. "
        "Would more have come, had nobody stopped the clock?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# An episode that was cut off because time was up is treated as if it had come to its end.
def td_targets(rewards, terminated, truncated, next_online, next_target, discount):
    following = next_target[np.arange(len(rewards)), next_online.argmax(axis=1)]
    return rewards + discount * np.where(terminated | truncated, 0.0, following)


# %% tags=["misconception"]
# The target network both chooses and judges: that is the plain maximum, with its bias.
def td_targets(rewards, terminated, truncated, next_online, next_target, discount):
    return rewards + discount * np.where(terminated, 0.0, next_target.max(axis=1))


# %% tags=["misconception"]
# The roles are swapped: the slow network chooses, and the online network judges its own latest guess.
def td_targets(rewards, terminated, truncated, next_online, next_target, discount):
    following = next_online[np.arange(len(rewards)), next_target.argmax(axis=1)]
    return rewards + discount * np.where(terminated, 0.0, following)


# %% tags=["misconception"]
# Where the episode ended the reward is dropped too, although it was paid.
def td_targets(rewards, terminated, truncated, next_online, next_target, discount):
    following = next_target[np.arange(len(rewards)), next_online.argmax(axis=1)]
    return np.where(terminated, 0.0, rewards + discount * following)


# %% tags=["misconception"]
# The reward of this step is discounted as well, as if it came a step later.
def td_targets(rewards, terminated, truncated, next_online, next_target, discount):
    following = next_target[np.arange(len(rewards)), next_online.argmax(axis=1)]
    return discount * (rewards + np.where(terminated, 0.0, following))


# %% tags=["alternative"]
# A loop over the transitions.
def td_targets(rewards, terminated, truncated, next_online, next_target, discount):
    targets = np.array(rewards, float)
    for row in range(len(targets)):
        if not terminated[row]:
            targets[row] += discount * next_target[row, int(np.argmax(next_online[row]))]
    return targets


# %% tags=["alternative"]
# Marks the chosen action with ones and zeros, and multiplies.
def td_targets(rewards, terminated, truncated, next_online, next_target, discount):
    chosen = np.eye(next_online.shape[1])[next_online.argmax(axis=1)]
    return rewards + discount * (1.0 - terminated) * (chosen * next_target).sum(axis=1)


# %% [markdown]
# ## The agent learns to balance
#
# `course.deep_q` has these pieces in Keras. `DeepQNetwork` holds both networks, and its training step computes the targets
# above; its loss, Huber's, is squared for small errors and linear for large ones. `ReplayBuffer` is the memory. `Collector` is
# a callback that plays in eight environments, one forward pass for all, before each batch. So all of it is one `fit`.
# `Evaluation` plays ten episodes without exploring after each epoch, and `EarlyStopping` puts the best weights back at the end.
#
# The pay: **nothing while the pole stands, −1 when it falls.** All values then lie between −1 and 0, where a fresh network
# begins; +1 for each step would mean, with γ = .99, values up to 1 + .99 + .99² + … = 100, and a long way there. Scores are
# still counted in steps: watch `val_return` below. (`error` is how far the values are from their targets, `value` the mean
# of the best values, `return` the pay of the episodes played while exploring.)

# %% tags=["demo"]
import keras

from course import models
from course.deep_q import Collector, DeepQNetwork, Evaluation, ReplayBuffer
from course.deep_q import linear_schedule, make_envs

ten = gym.make_vec("CartPole-v1", num_envs=10, vectorization_mode="vector_entry_point")


def pole_world():
    """CartPole that pays nothing while the pole stands and -1 when it falls."""
    return gym.make("CartPole-v1", sutton_barto_reward=True, disable_env_checker=True)


# %% tags=["demo"]
def train(seed, epochs=6, tau=0.02, capacity=20_000, batch=128, verbose=0):
    """A trained agent, and its history over epochs of 100 batches."""
    keras.utils.set_random_seed(seed)
    agent = DeepQNetwork(models.mlp((4,), outputs=2), discount=0.99, tau=tau, double=True)
    agent.compile(keras.optimizers.Adam(1e-3), steps_per_execution=4)
    buffer = ReplayBuffer(capacity, (4,), seed=seed)
    epsilon = linear_schedule(1.0, 0.05, steps=3_000)
    collector = Collector(make_envs(pole_world, 8), buffer, epsilon, seed=seed)
    collector.play(50, epsilon=1.0)
    best = keras.callbacks.EarlyStopping(
        "val_return", mode="max", patience=99, restore_best_weights=True
    )
    history = agent.fit(
        buffer.dataset(batch),
        steps_per_epoch=100,
        epochs=epochs,
        callbacks=[collector, Evaluation(ten), best],
        shuffle=False,
        verbose=verbose,
    ).history
    return agent, history


agent, history = train(seed=0, epochs=10, verbose=2)

# %% [markdown]
# It has seen 10 epochs of 100 batches with 8 steps before each: less than three minutes of balancing. *Where does that lead, between 20 for
# random pushes and 500 for the rule?* The best agent plays 100 new episodes.

# %% tags=["demo", "nbval-check-output"]
returns = evaluate(agent.greedy, hundred, seed=5_000)
# 20 seeds: best epoch 169 to 500, mean 333, 18 of 20 above 195; new episodes 168 to 500, mean 328,
# standard deviation 108.
print("best epoch, more than 100 steps:", max(history["val_return"]) > 100)
print("in 100 new episodes, more than 100 steps on average:", returns.mean() > 100)
print("the rule by hand does at least as well:", rule_returns.mean() >= returns.mean())

# %% tags=["demo"]
learned_walk = watch(agent.greedy, seed=3)
fig, axes = plt.subplots(2, 5, figsize=(6.4, 3.4))
for row, (seen, name) in zip(axes, [(at_random, "random"), (learned_walk, "learned")], strict=True):
    for axis, moment in zip(row, [0, 12, 24, 36, 120], strict=True):
        if moment < len(seen):
            draw_cart(axis, seen[moment])
        else:
            axis.text(0, 0.5, "fallen", ha="center", va="center")
            axis.set(xlim=(-1.2, 1.2), ylim=(-0.1, 1.3), aspect="equal")
            axis.set_axis_off()
        when = f"{moment / 50:.2f} s"
        axis.set_title(when if moment else f"{name}, 0 s", loc="center", fontsize=11)
fig.suptitle("The trained agent keeps the pole up", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Two rows of pictures of a cart with a pole at the same moments. Above, pushed at random, the
    pole leans more and more and has fallen at the end. Below, played by the trained agent, it is still
    nearly upright after more than two seconds.""",
)

# %% [markdown]
# Far longer than at random, and the rule by hand is not beaten. The next figure shows why one keeps the best agent: data,
# targets and network all move at once, and now and then what was learned is lost again.

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.4))
batches = 100 * np.arange(1, len(history["val_return"]) + 1)
axis.plot(batches, history["val_return"], marker="o", label="agent, without exploring")
axis.axhline(500, color=plots.GREEN, ls="--", label="rule by hand")
axis.axhline(random_returns.mean(), color=plots.BLACK, ls=":", label="random pushes")
axis.set(xlabel="batches of training", ylabel="steps until the pole falls", ylim=(0, 530))
axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=10)
axis.set_title("It learns quickly, and not steadily")
plots.show(
    fig,
    alt="""A line of the mean number of steps over batches of training. It rises from low values to
    hundreds within a few hundred batches and then goes up and down, below the dashed line of the rule
    by hand at 500 and far above the dotted line of random pushes at about 20.""",
)

# %% [markdown]
# And the agent in motion: the first three seconds of an episode, at a third of the speed.


# %% tags=["demo"]
import io

from IPython.display import Image, display
from PIL import Image as Picture


def animate(seen, every=4):
    """A small GIF of an episode, as bytes; it plays twice and stops."""
    frames = []
    for observation in seen[::every]:
        fig, axis = plt.subplots(figsize=(3.2, 1.8), dpi=100)
        draw_cart(axis, observation)
        fig.canvas.draw()
        frames.append(Picture.fromarray(np.asarray(fig.canvas.buffer_rgba())).convert("P"))
        plt.close(fig)
    buffer = io.BytesIO()
    frames[0].save(buffer, "gif", save_all=True, append_images=frames[1:], duration=240, loop=1)
    return buffer.getvalue()


alt = (
    "A cart that rolls to and fro in small movements, so that the pole on it stays nearly upright."
)
display(Image(animate(learned_walk[:150]), format="gif", alt=alt))

# %% [markdown]
# ## Take a part away
#
# Are the safeguards needed? We train again **without a target network** (τ = 1: the copy follows at once), and **without
# replay** (the memory holds the last 32 steps only). *What do you expect? Remember that all values must lie between −1 and 0.*

# %% tags=["demo"]
from tqdm import tqdm

WAYS = {
    "complete": {},
    "no target network": {"tau": 1.0},
    "no replay": {"capacity": 32, "batch": 32},
}
runs = {}
for way, options in WAYS.items():
    runs[way] = [train(seed, **options)[1] for seed in tqdm((1, 2), desc=way)]
    for run in runs[way]:
        steps = [round(value) for value in run["val_return"]]
        print(f"{way:18s} steps {steps}, mean value at the end {run['value'][-1]:,.2f}")

# %% tags=["demo", "nbval-check-output"]
size = {way: [np.abs(run["value"]).max() for run in runs[way]] for way in WAYS}
# 20 seeds, largest mean value: complete .02 to .13, no replay .08 to .36, no target network 2.6 to 6,189.
print("complete, values below .5 in size:", max(size["complete"]) < 0.5)
print("no replay, values below 1 in size:", max(size["no replay"]) < 1)
print("no target network, values above 1 in size:", min(size["no target network"]) > 1)

# %% [markdown]
# Without a target network the network chases its own guesses: each step moves the value of this state and of the next, which
# moves the target further, and so on, past all that is possible. Without replay the values stay sane.
#
# Two trainings prove little where chance plays such a part. So we ran this very cell for 20 seeds and wrote down how many
# steps the pole stood, averaged over the last three epochs.

# %% tags=["demo", "nbval-check-output"]
TWENTY = {
    "complete": [138, 157, 175, 193, 194, 200, 204, 207, 208, 215]
    + [232, 239, 242, 259, 266, 305, 312, 325, 423, 494],
    "no target network": [9, 9, 9, 9, 9, 9, 9, 9, 10, 10]
    + [10, 10, 20, 46, 84, 108, 126, 194, 265, 277],
    "no replay": [43, 62, 68, 108, 115, 132, 135, 143, 153, 161]
    + [192, 195, 211, 213, 223, 235, 236, 237, 245, 277],
}
for way, steps in TWENTY.items():
    print(f"{way:18s} mean {np.mean(steps):3.0f}, from {min(steps):3d} to {max(steps):3d}")

# %% tags=["demo"]
fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.6))
for place, (way, color) in enumerate(zip(WAYS, plots.PALETTE, strict=False)):
    spread = place + np.random.default_rng(0).uniform(-0.2, 0.2, 20)
    left.scatter(spread, TWENTY[way], s=16, color=color)
    left.plot([place - 0.3, place + 0.3], [np.mean(TWENTY[way])] * 2, color=plots.BLACK)
    for run, style in zip(runs[way], ["-", "--"], strict=True):
        values = np.abs(run["value"])
        right.plot(100 * np.arange(1, 7), values, style, color=color)
left.set_xticks(range(3), ["complete", "no target\nnetwork", "no replay"], fontsize=9)
left.set(ylabel="steps at the end of training", ylim=(0, 510))
left.set_title("Scores, 20 seeds", fontsize=11)
right.axhline(1, color=plots.BLACK, ls=":")
right.text(600, 0.8, "limit", fontsize=9, ha="right", va="top")
right.set(yscale="log", xlabel="batches of training", ylabel="size of the mean value")
right.set_title("Values, two seeds each", fontsize=11)
fig.suptitle("Without a target network the values run away", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Left, scores of 20 trainings each: the complete method has the highest mean, without replay the scores
    are lower on average and overlap with it, without a target network most lie near 9 steps. Right, the size of the
    values on a logarithmic scale: only without a target network it climbs past the possible limit of 1.""",
)

# %% [markdown]
# The target network decides between learning and not, most of the time. Replay helps on average, and the clouds overlap: with
# a single seed one could have reported the opposite. Eight environments at once stand in for part of it, because their steps do
# not resemble each other. And one must look at the ends: even a network without safeguards may have had a good epoch on its way.

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


table, _ = learn_table(helpful, seed=0, episodes=300)
print("the best policy for this pay arrives within 100 steps:", GOAL in paid_path)
print("what Q-learning has learned arrives within 100 steps:", GOAL in walk(table))
print(f"paid to a walker who goes straight to the goal: {income(honest_path, helpful):.0f}")
print(f"paid to the best policy in 100 steps: {income(paid_path, helpful):.0f}")
print("where it spends its time (row, column):", [divmod(field, 12) for field in paid_path[-2:]])

# %% tags=["demo", "thumbnail"]
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
# ### Exercise 4: a bonus that cannot be gamed
#
# Complete `bonus(potential, next_potential, terminated, discount)`, which returns what is paid on top of the
# reward, shape (n,). `potential` and `next_potential` (n,) are Φ before and after each of n steps; `terminated` (n,) bool.


# %% grade_id="bonus" solution=true
def bonus(potential, next_potential, terminated, discount):
    """The extra pay (n,) of n steps, which leaves the best policy the best."""
    ### BEGIN SOLUTION
    return discount * np.where(terminated, 0.0, next_potential) - potential
    ### END SOLUTION


# %% grade_id="bonus_form" points=1
no = np.array([False, False])
result = np.asarray(bonus(np.array([1.0, 4.0]), np.array([4.0, 1.0]), no, 1.0))
assert result.shape == (2,), f"One number for each step makes shape (2,); got {result.shape}."
assert np.allclose(result, [3.0, -3.0]), (
    f"Without discount a step from potential 1 to 4 brings 3, and the way back costs 3; got {result}."
)

# %% grade_id="bonus_sums" points=2
# Hidden tests: along any path to the end, does the discounted bonus depend on the first state alone?
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(6)
for discount, steps in [(1.0, 5), (0.9, 8), (0.5, 3), (0.95, 40)]:
    potentials = rng.normal(2, 3, steps + 1)
    ends = np.arange(steps) == steps - 1
    paid = np.asarray(bonus(potentials[:-1], potentials[1:], ends, discount), float)
    for what, flags, left in [("terminates", ends, 0.0), ("goes on", ends & False, potentials[-1])]:
        paid = np.asarray(bonus(potentials[:-1], potentials[1:], flags, discount), float)
        total = np.sum(discount ** np.arange(steps) * paid)
        want = discount**steps * left - potentials[0]
        assert np.isclose(total, want), (
            f"{steps} steps, discount {discount}, a path that {what}: the discounted bonus adds up to "
            f"{total:.3f} and should be {want:.3f}. Is the later potential discounted, are losses charged, and "
            "what is left after the end?"
        )
### END HIDDEN TESTS

# %% grade_id="bonus_policy" points=1
# Hidden tests: on the cliff, is the best policy still the best with your bonus, whatever the potential?
### BEGIN HIDDEN TESTS
for seed in range(4):
    potential = np.random.default_rng(seed).normal(5, 4, 48)
    before, after = np.repeat(potential, 4), potential[NEXT].ravel()
    extra = np.asarray(bonus(before, after, ENDS.ravel(), DISCOUNT), float).reshape(48, 4)
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


# %% [markdown]
# Now pay the walker for the gain in potential, with the missing columns as the potential. *Sooner than without help?*

# %% tags=["demo", "nbval-check-output"]
missing = np.arange(48) % 12 - 11.0
shaped = REWARD + DISCOUNT * np.where(ENDS, 0, missing[NEXT]) - missing[:, None]
table, shaped_lengths = learn_table(shaped, seed=0, episodes=60)
_, plain_lengths = learn_table(REWARD, seed=0, episodes=60)
print("arrives, in 13 steps:", walk(table)[-1] == GOAL and len(walk(table)) - 1 == 13)
share = shaped_lengths.sum() / plain_lengths.sum()
# 20 seeds: .41 to .49.
print("steps of 60 episodes, less than 60 of 100 that it took without help:", share < 0.6)

# %% [markdown]
# The same idea, to the right is good, once as a trap and once as help. But the cure has a limit: it cannot repair a *reward*
# that is wrong by itself. If arriving is not what we want, no potential will tell.

# %% [markdown]
# ## From a pole to a robot
#
# Robots learn to walk and to grasp by the methods of this family. Three things stand between our pole and them.
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
# **Trust.** In twenty trainings the number of steps at the end differed by more than three times, with nothing changed but the
# seed. A single curve is an anecdote. And nothing here guarantees what the agent does in a state that it has never seen.

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Pay +1 for each step instead (`gym.make("CartPole-v1")` in `pole_world`). How large must the values become, and how long does that
#    take?
# 2. Let `ReplayBuffer` hold 1,000 transitions, then 100,000. Is more memory always better?
# 3. Start poles that lean already: `evaluate(agent.greedy, hundred, options={"low": -0.2, "high": 0.2})`. Does your best agent
#    still catch them? Does the rule?
#
# To read: Sutton and Barto, *Reinforcement Learning: An Introduction* (2nd edition, free online), chapters 3 to 6; Mnih and others (2015),
# *Human-level control through deep reinforcement learning* (Nature); Ng, Harada and Russell (1999), *Policy invariance under
# reward transformations*, where the bonus comes from.
#
# ### At full size
#
# Atari games take the same agent with a convolutional network in front. Their emulator is a package of its own, which this
# course does not install. The call is one line; where the emulator is missing it says so.

# %% tags=["demo"]
try:
    games = gym.make_vec("ALE/Breakout-v5", num_envs=8)
    print(games.single_observation_space)
except gym.error.Error as error:
    print(error)
    print('`pip install "gymnasium[atari]"` brings the emulator, with its games.')

# %% [markdown]
# What changes: four grey pictures of 84 × 84 pixels in a row are one observation, so that movement can be seen
# (`AtariPreprocessing` and `FrameStackObservation` in `gymnasium.wrappers`); `ReplayBuffer(..., dtype="uint8")` keeps a million
# transitions in a quarter of the memory, some 28 GB for each of their two observations; the network is three convolutions and
# a dense layer; and training takes tens of millions of steps, a day on a GPU. There `course.setup(precision="auto")` computes in
# float16 with float32 weights, and the loss of `DeepQNetwork` is scaled so that small gradients survive.
