# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Recurrent networks
#     summary: You write recurrent cells for Keras, measure how far back they hear, stack, regularise and train them until they compose melodies, and forecast a sea and a share beside honest baselines.
#     part: III Sequential data
#     minutes: 115
#     minutes_reading: 36
#     objectives:
#     - write a recurrent cell, an LSTM and a GRU as layers of Keras, and check them against Keras's own
#     - follow a gradient back through time, say why it vanishes or explodes, and clip it
#     - build a stacked recurrent model with masking, both directions and dropout, and say where each belongs
#     - train a stacked, regularised recurrent model with validation data and early stopping
#     - make windows of a time series without a leak, and judge a forecast beside persistence and linear regression
#     datasets: [sea_temperature, stock_prices, melodies]
#     full_size: [groove]
#     needs: [01_neurons_and_layers]
#     mirrors:
#       "1 Sequential Data: Recurrent neural networks": "One box, used again at every step"
#       "1 Sequential Data: Time series forecasting and music generation": "A composer of two layers"
#       "3 Common Deep Learning Architectures: Recurrent Neural Networks (RNNs) and LSTMs": "Gates decide what stays"
#       "4 Specific Applications/Examples of Deep Learning: Time series analysis": "The sea, some months ahead"
#       "4 What Are Some Deep Learning Methods: Recurrent neural networks (RNNs)": "One box, used again at every step"
#       "4 What Are Some Deep Learning Methods: Gated recurrent network (GRU)": "The GRU: two gates instead of three"
#       "4 What Are Some Deep Learning Methods: Long short-term memory (LSTM)": "Gates decide what stays"
#     built: a GRU's step as a layer of Keras, the gradient's way back through time, a masked classifier of sequences, a stacked composer with validation and early stopping, and forecasts beside honest baselines
#     terms:
#       "recurrent network, recurrent neural network, RNN, SimpleRNN, SimpleRNNCell": A network that reads a sequence one item at a time, with the same weights at every step and a state that it carries along.
#       "hidden state": The numbers that a recurrent network hands from step to step.
#       "cell (of a recurrent network)": "What computes one step: from an input and the old state to the new state."
#       "unrolled": Said of a recurrent network that is drawn once for each step.
#       "backpropagation through time": Computing gradients backwards through the steps of an unrolled network, by the chain rule.
#       "clip by the global norm, global_clipnorm, clipnorm": Shortening the gradient of all weights to a limit where it is too long; `clipnorm` does so for each array by itself.
#       "LSTM, long short-term memory": A recurrent network with a second state that is passed on by addition and governed by three gates.
#       "cell state (of an LSTM)": The second state of an LSTM, which no matrix multiplies.
#       "gate (of a recurrent network), forget gate, input gate, output gate, update gate, reset gate": Numbers from 0 to 1, computed at each step, that decide what is kept, written or shown.
#       "GRU, gated recurrent unit, GRUCell": A recurrent network with two gates and one state.
#       "validation data": Examples that training does not learn from, and that decide when it stops and which network is kept.
#       "causal": Said of a model whose answer at a step depends on nothing that comes later.
#       "return_sequences": Whether a recurrent layer hands out its state after every step or after the last one only.
#       "Bidirectional": A layer that reads a sequence in both directions, with two recurrent networks.
#       "padding, padded": Filling up the shorter sequences of a batch.
#       "masking, Masking, mask_zero": Telling later layers which steps are padding, so that they leave them out.
#       "embedding, Embedding": A table that keeps for each item a list of numbers, which training learns.
#     explains: [binary cross-entropy, climatology, cross-validation, float16, persistence]
# ---

# %% [markdown]
# # Recurrent networks
#
# Given what happened so far, what comes next? A month's temperature, a share's price, the next note of
# a tune. A network for such questions must have a memory, and it must learn what to keep in it. The picture below is
# one of the things you will have made at the end: a tune by a network that was never told a rule of music, and that
# still remembers its theme eight notes later.
#
# You will write recurrent cells as layers of Keras, measure how far back they hear, and train stacked networks with
# validation data and early stopping. In two of three cases something simpler will forecast as well or better, and you
# will know because you asked. Reading and running takes about 36 minutes, of which a minute and a half is waiting; the
# five exercises, three of them in Keras, take an hour and a quarter more.

# %%
import course

course.setup(seed=0)

import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops

from course import datasets, fallbacks, plots, results

# %% tags=["demo"]
NOTES = ("C", "D", "E", "F", "G", "A", "B", "C'")


def draw_tune(tune, title):
    """Sixteen notes as blocks, in four phrases of four; the theme and its return have one colour."""
    fig, axis = plt.subplots(figsize=(6.4, 2.6))
    colors = (plots.BLUE, plots.GREEN, plots.BLUE, plots.ORANGE)
    for phrase, color in enumerate(colors):
        notes = np.array(tune[4 * phrase : 4 * phrase + 4])
        axis.bar(4 * phrase + np.arange(4), 0.8, bottom=notes - 0.4, color=color, width=0.9)
    axis.set_yticks(range(8), NOTES)
    axis.set_xticks(range(0, 16, 4), ["theme", "second", "theme again", "end"], ha="left")
    axis.set(xlabel="phrase, four notes each", ylabel="note", title=title)
    return fig


# %% tags=["demo"]
# A tune that the network of this lesson composed, written down.
FINISHED = [0, 2, 3, 1, 7, 6, 4, 6, 0, 2, 3, 1, 0, 2, 1, 0]
plots.show(
    draw_tune(FINISHED, "Composed by the network that you will train"),
    alt="Sixteen notes as blocks, height by pitch, in four phrases of four. The third phrase has the colour and the "
    "notes of the first: C E F D. The last note is C.",
)

# %% [markdown]
# ## One box, used again at every step
#
# Wherever numbers come in order, someone wants the next: demand, load on a power grid, traffic, a heart's rhythm,
# prices, words, notes. Recurrent networks were long the first choice for all of these. For language, Transformers, which
# read all steps at once, have mostly replaced them; where devices are small, or an answer is due after every step,
# recurrent networks are still at work.
#
# A **recurrent neural network** (RNN) reads a sequence one item at a time. Beside its weights it has a
# **hidden state** $h$, a list of numbers. At each step the input $x_t$ and the state so far make the new state:
#
# $$h_t = \tanh\left(x_t W + h_{t-1} U + b\right)$$
#
# $W$ weighs the input, $U$ the old state, $b$ is a bias, and tanh bends every number into −1 to 1. The
# state starts at zeros. **The weights are the same at every step**, so a network of fixed size reads sequences of
# any length.
#
# In Keras the formula is the `call` of a layer, a **cell**: it takes an input and the old states, and
# returns an output and the new states. `build` makes the weights as soon as the size of the input is known.
# `parts` says how many matrices lie side by side in each weight; for now it is one.


# %%
class PlainCell(layers.Layer):
    """One step of a recurrent network, for keras.layers.RNN."""

    parts, bias_rows = 1, ()

    def __init__(self, units):
        super().__init__()
        self.units = self.state_size = self.output_size = units

    def build(self, input_shape):
        width = self.parts * self.units
        self.kernel = self.add_weight(shape=(input_shape[-1], width))
        self.recurrent = self.add_weight(shape=(self.units, width), initializer="orthogonal")
        self.bias = self.add_weight(shape=(*self.bias_rows, width), initializer="zeros")

    def call(self, x, states):
        h = ops.tanh(ops.matmul(x, self.kernel) + ops.matmul(states[0], self.recurrent) + self.bias)
        return h, [h]


# %% [markdown]
# `keras.layers.RNN(cell)` is the loop over time. It returns the state after the last step; with
# `return_sequences=True` it returns the state after **every** step. The first is what one needs to say something about
# the whole sequence, the second to say something at each step. Keras has the same cell and loop in one layer,
# `SimpleRNN`. Given the same weights, do the two agree?


# %%
def same_as_keras(cell, theirs, seed=0):
    """The largest difference between a cell of ours and a layer of Keras with the same random weights."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 7, 2)).astype("float32")
    ours = layers.RNN(cell, return_sequences=True)
    ours.build(x.shape)
    theirs.build(x.shape)
    weights = [rng.normal(0, 0.5, part.shape) for part in ours.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return float(ops.max(ops.abs(ours(x) - theirs(x))))


# %% tags=["nbval-check-output"]
difference = same_as_keras(PlainCell(4), layers.SimpleRNN(4, return_sequences=True))
results.table(("largest difference from SimpleRNN", difference, (0, 0.00001)))

# %% [markdown]
# How to read this table, and those that follow: `here` is the number of this run, and the range is what runs with
# other random starts gave, as many as the heading says. Where nothing is random but the weights, the range is narrow.
#
# ### Folded and unrolled
#
# There are two ways to draw such a network. **Folded**: a box with an arrow that leaves it and comes back. **Unrolled**:
# the same box once for each step. Unrolled one sees that for training it is a network as deep as the sequence is long:
# what the answer learns from an input must travel back through all the boxes between.
#
# The next cells draw it for eight months of 1997, when El Niño warmed the Pacific off Peru. How strongly does the answer
# depend on each state? That is what a **gradient** says: how fast one number changes with another. `tf.GradientTape`
# records a computation and gives its gradients; `hear` lets a cell read a sequence and returns, for each state, the
# length of the answer's gradient.


# %% tags=["demo"]
def hear(cell, inputs, slot=0):
    """Each step's states, and the length of the gradient of the last state's sum with respect to them."""
    states = [cell.get_initial_state(batch_size=1)]
    with tf.GradientTape() as tape:
        tape.watch(states[0])
        for x in inputs:
            states.append(cell(x[None], states[-1])[1])
        answer = tf.reduce_sum(states[-1][0])
    gradients = tape.gradient(answer, [state[slot] for state in states[1:]])
    return [state[slot] for state in states[1:]], np.array([tf.norm(g) for g in gradients])


# %% tags=["demo"]
months = datasets.arrays("sea_temperature", "train")
YEAR, MONTH, CELSIUS = (months[key] for key in ("year", "month", "temperature"))
usual = np.array([CELSIUS[MONTH == m].mean() for m in range(1, 13)])
chosen = np.flatnonzero((YEAR == 1997) & (MONTH >= 5))
warmer = (CELSIUS - usual[MONTH - 1])[chosen]
keras.utils.set_random_seed(0)
small_cell = layers.SimpleRNNCell(4, recurrent_initializer=keras.initializers.Orthogonal(0.8))
states, strength = hear(small_cell, 0.2 * warmer[:, None].astype("float32"))


# %% tags=["demo"]
def draw_state(axis, x, values):
    """A box with four numbers of state as colours."""
    axis.add_patch(plt.Rectangle((x - 0.32, 0), 0.64, 2, fill=False, lw=1.5))
    cells = dict(extent=(x - 0.3, x + 0.3, 0.04, 1.96), aspect="auto", vmin=-1, vmax=1)
    axis.imshow(np.ravel(values)[:, None], cmap="PuOr_r", **cells)


def draw_folded(axis):
    """The box whose arrow comes back, and the legend of the red arrows."""
    axis.add_patch(plt.Rectangle((-2.22, 0), 0.64, 2, fill=False, lw=1.5))
    plots.arrow(axis, (-1.58, 1.4), (-1.58, 0.6), bend=-1.6)
    plots.arrow(axis, (-1.9, -0.8), (-1.9, -0.05))
    axis.text(-1.9, 1, "$h$", ha="center", va="center", fontsize=14)
    axis.text(-1.9, -1.35, "input", ha="center")
    axis.text(-0.62, 1, "=", ha="center", va="center", fontsize=18)
    axis.text(-2.2, 3.05, "heard by\nthe answer", fontsize=10, va="top", color=plots.VERMILION)


# %% tags=["demo", "thumbnail"]
fig, axis = plt.subplots(figsize=(6.4, 3.7))
draw_folded(axis)
for step, (state, degrees) in enumerate(zip(states, warmer)):
    draw_state(axis, step, state)
    plots.arrow(axis, (step, -0.8), (step, -0.05))
    axis.text(step, -1.35, f"{degrees:+.1f}°", ha="center", fontsize=10)
    axis.text(step, -1.95, "MJJASOND"[step], ha="center", fontsize=10)
    if step < 7:
        plots.arrow(axis, (step + 0.34, 1), (step + 0.66, 1))
        share = strength[step] / strength[-1]
        red = dict(color=plots.VERMILION, width=0.4 + 5 * share)
        plots.arrow(axis, (step + 1, 2.55), (step, 2.55), **red)
        axis.text(step + 0.5, 3.05, f"{100 * share:.0f} %", ha="center", fontsize=10)
plots.arrow(axis, (7, 2.05), (7, 3.3))
axis.text(7, 3.45, "answer", ha="center", fontsize=10)
axis.set(xlim=(-2.4, 7.6), ylim=(-2.1, 4.1), title="Each box further back, the answer hears less")
axis.set_axis_off()
plots.show(
    fig,
    alt="Left, a box h with an arrow back into itself. Right, the same unrolled: eight boxes for May to December, each "
    "with four coloured numbers of state and a temperature as input, joined by black arrows to the right. Red arrows above run "
    "back from the answer in December; they get thinner with each box, and May is heard with two percent.",
)

# %% [markdown]
# Black arrows carry the state forward. The red ones carry the gradient back, and their numbers compare each
# state's influence on the answer with that of the last: **what came long ago is heard ever more faintly.**
# These weights are random; nothing has been trained. Order matters to such a network: with the inputs reversed it ends
# elsewhere.

# %% tags=["demo", "nbval-check-output"]
backwards, _ = hear(small_cell, 0.2 * warmer[::-1, None].astype("float32"))
moved = np.abs(backwards[-1] - states[-1]).max()
results.table(
    ("May's influence on the answer, % of December's", 100 * strength[0] / strength[-1], (0, 20)),
    ("change of the last state, inputs reversed", moved, (0.03, 0.4)),
)

# %% [markdown]
# ## A gradient fades on its way back
#
# To learn, a network must know how its loss changes when a number inside it changes: the gradient, computed
# backwards by the chain rule, one factor for each thing in between. Here the things in between are steps in
# time. If $g_t$ is the gradient of the loss with respect to the state $h_t$ (a list like $h_t$), then one step
# back
#
# $$g_{t-1} = \bigl(g_t \odot (1 - h_t^2)\bigr) \, U^{\top}$$
#
# $\odot$ multiplies number by number; $1 - h_t^2$ is the slope of tanh where it gave $h_t$; $U^{\top}$ is
# $U$ with rows and columns exchanged, because the gradient takes the weights the other way. This is
# **backpropagation through time**. Over 50 steps there are 50 such factors. The slope is at most 1. So if $U$
# shrinks what it multiplies, the gradient **vanishes**, exponentially; if it stretches more than the slopes
# shrink, it **explodes**.

# %% [markdown]
# ### Exercise 1: back through time
#
# Write `back_through_time(states, u, g)` for one sequence, with NumPy. `states`, an array of shape (time, units), holds
# in row `t` the state $h_t$; `u` are the weights $U$. `g`,
# shape (units,), is the gradient of the loss with respect to the *last* state, and only the last state enters the loss
# directly. Return the gradients with respect to all states, an array of shape (time, units), the last row being `g`.
# The arrays that you are given stay as they are, here and in all exercises.


# %% grade_id="back_through_time" solution=true
def back_through_time(states, u, g):
    """The gradient with respect to every state, shape (time, units)."""
    ### BEGIN SOLUTION
    gradients = np.zeros(states.shape)
    gradients[-1] = g
    for t in range(len(states) - 1, 0, -1):
        gradients[t - 1] = (gradients[t] * (1 - states[t] ** 2)) @ u.T
    return gradients
    ### END SOLUTION


# %% grade_id="back_by_hand" points=1
# Two steps: g = (3, 1), slopes 1 - .5 * .5 = .75 and 1 - .2 * .2 = .96, so (2.25, .96) times the transposed weights.
back = np.asarray(
    back_through_time(
        np.array([[0.1, -0.3], [0.5, 0.2]]), np.array([[2.0, 1.0], [0.0, -1.0]]), np.array([3.0, 1])
    )
)
assert back.shape == (2, 2), f"Expected one row for each state, shape (2, 2), got {back.shape}."
assert np.allclose(back[1], [3, 1]), f"The last row should be g itself, (3, 1), and is {back[1]}."
assert np.allclose(back[0], [5.46, -0.96]), (
    f"Expected (2.25 * 2 + .96 * 1, 2.25 * 0 - .96 * 1) = (5.46, -.96) for the first state, got {back[0]}. "
    "Which state's slope lies between the two, and which way are the weights taken?"
)
back = np.asarray(back_through_time(np.array([[0.0], [0.0], [0.6]]), np.array([[0.5]]), np.ones(1)))
assert np.allclose(back[:, 0], [0.16, 0.32, 1]), (
    "One unit, states 0, 0 and .6, weight .5, g = 1: expected 1, then 1 * (1 - .36) * .5 = .32, then .32 * 1 * .5 = .16, "
    f"so (.16, .32, 1) from the first state to the last; got {back[:, 0]}."
)


# %% grade_id="back_against_differences" points=2
# Hidden tests: what happens to the loss if one number of one state is moved a little, for several networks.
### BEGIN HIDDEN TESTS
def run_on(state, inputs, w):
    for value in inputs:
        state = np.tanh(value + state @ w)
    return state


for seed, (steps, units) in enumerate([(2, 3), (5, 4), (12, 2), (1, 3)]):
    rng = np.random.default_rng(seed)
    w, g, values = (rng.normal(size=s) for s in ((units, units), units, (steps, units)))
    states = np.array([run_on(np.zeros(units), values[: t + 1], w) for t in range(steps)])
    given = states.copy(), w.copy(), g.copy()
    got = np.array(back_through_time(*given))
    assert got.shape == states.shape, f"expected shape {states.shape}, got {got.shape}."
    for t, unit in np.ndindex(steps, units):
        nudge = 1e-5 * np.eye(units)[unit]
        ends = [run_on(states[t] + move, values[t + 1 :], w) @ g for move in (nudge, -nudge)]
        slope = (ends[0] - ends[1]) / 2e-5
        assert np.isclose(got[t, unit], slope, atol=1e-4), (
            f"{steps} steps: moving number {unit} of state {t} changes the loss at the rate {slope:.6f}; your gradient "
            f"says {got[t, unit]:.6f}. Which state's slope enters, and which way are the weights taken?"
        )
    assert all(map(np.array_equal, given, (states, w, g))), "The arrays that were given changed."
### END HIDDEN TESTS


# %% tags=["misconception"]
# The slope of tanh is left out, so the gradient is that of a network without activation.
def back_through_time(states, u, g):
    gradients = [g]
    for _ in range(len(states) - 1):
        gradients.insert(0, gradients[0] @ u.T)
    return np.array(gradients)


# %% tags=["misconception"]
# The slope is taken at the state one step too early: between two states lies the tanh that made the later one.
def back_through_time(states, u, g):
    gradients = np.zeros(states.shape)
    gradients[-1] = g
    for t in range(len(states) - 1, 0, -1):
        gradients[t - 1] = (gradients[t] * (1 - states[t - 1] ** 2)) @ u.T
    return gradients


# %% tags=["misconception"]
# The weights are taken in the forward direction: on the way back rows and columns change their roles.
def back_through_time(states, u, g):
    gradients = np.zeros(states.shape)
    gradients[-1] = g
    for t in range(len(states) - 1, 0, -1):
        gradients[t - 1] = (gradients[t] * (1 - states[t] ** 2)) @ u
    return gradients


# %% tags=["misconception"]
# Every state gets the loss's gradient anew at each step, as if every state entered the loss directly.
def back_through_time(states, u, g):
    gradients = np.zeros(states.shape)
    gradients[-1] = g
    for t in range(len(states) - 1, 0, -1):
        gradients[t - 1] = g + (gradients[t] * (1 - states[t] ** 2)) @ u.T
    return gradients


# %% tags=["misconception"]
# The slope is multiplied after the weights: it belongs to the later state, so it comes before them.
def back_through_time(states, u, g):
    gradients = np.zeros(states.shape)
    gradients[-1] = g
    for t in range(len(states) - 1, 0, -1):
        gradients[t - 1] = (gradients[t] @ u.T) * (1 - states[t] ** 2)
    return gradients


# %% tags=["misconception"]
# The rows come in the order in which they are computed, the last state first.
def back_through_time(states, u, g):
    gradients = [np.array(g)]
    for state in states[:0:-1]:
        gradients.append((gradients[-1] * (1 - state**2)) @ u.T)
    return np.array(gradients)


# %% tags=["misconception"]
# The states are turned into slopes in place, which changes the caller's array.
def back_through_time(states, u, g):
    states *= -states
    states += 1
    gradients = np.zeros(states.shape)
    gradients[-1] = g
    for t in range(len(states) - 1, 0, -1):
        gradients[t - 1] = (gradients[t] * states[t]) @ u.T
    return gradients


# %% tags=["alternative"]
# Writes each step as a matrix, and multiplies the matrices from the end.
def back_through_time(states, u, g):
    gradients = [np.asarray(g)]
    for state in states[:0:-1]:
        gradients.append(u @ np.diag(1 - state**2) @ gradients[-1])
    return np.array(gradients[::-1])


# %% tags=["alternative"]
# Lets TensorFlow go back, from inputs that lead to the same states.
def back_through_time(states, u, g):
    before = np.vstack([np.zeros_like(states[:1]), states[:-1]])
    inputs = np.arctanh(states) - before @ u
    with tf.GradientTape() as tape:
        chain = [tf.Variable(states[:1])]
        for value in inputs[1:]:
            chain.append(tf.tanh(value + chain[-1] @ u))
        loss = tf.reduce_sum(chain[-1] * g)
    return np.concatenate(tape.gradient(loss, chain))


# %% [markdown]
# What you write is used from here on. Where an exercise is not answered yet, or not yet right, the lesson goes on with a
# function of its own and says so; you can read on, and come back.

# %% tags=["demo"]
from course.fallbacks import recurrent_networks as ours

back_through_time = fallbacks.choose(
    back_through_time, ours.back_through_time, ours.back_through_time_works
)

# %% [markdown]
# ### How far back can it hear?
#
# Now measure it. Three cells with 16 units read 60 random symbols. Their $U$ are rotations times a factor, the
# **gain**: .7 shrinks, 1 keeps the length, 1.5 stretches. A fourth has no tanh; `hear` finds its gradients, as your
# function is for cells with one. *What do you expect for a gain of exactly 1?*


# %% tags=["demo"]
def rotation(gain):
    """Initial recurrent weights that rotate a state and multiply its length by gain."""
    return keras.initializers.Orthogonal(gain)


noise = np.eye(8, dtype="float32")[np.random.default_rng(0).integers(4, 8, size=60)]
keras.utils.set_random_seed(0)
heard = {}
for gain in (0.7, 1.0, 1.5):
    layer = layers.SimpleRNN(16, recurrent_initializer=rotation(gain), return_sequences=True)
    run = np.asarray(layer(noise[None]))[0]
    heard[gain] = np.linalg.norm(
        back_through_time(run, layer.get_weights()[1], np.ones(16)), axis=1
    )
linear_cell = layers.SimpleRNNCell(16, activation=None, recurrent_initializer=rotation(1.5))
heard["1.5, no tanh"] = hear(linear_cell, noise)[1]

# %% tags=["demo"]
fig, axis = plt.subplots()
looks = zip(heard, (plots.BLUE, plots.SKY, plots.ORANGE, plots.VERMILION), ("-", "--", "-.", ":"))
for gain, color, style in looks:
    axis.plot(np.arange(60), heard[gain][::-1], style, color=color, label=f"gain {gain}")
axis.axhline(1, color="0.6", lw=1, zorder=0)
axis.set(yscale="log", xlabel="steps back from the end", ylabel="length of the gradient")
axis.set(title="Factor by factor, a gradient vanishes or explodes", ylim=(1e-13, 1e13))
axis.legend(loc="upper left", ncols=2)
plots.show(
    fig,
    alt="Length of the gradient on a logarithmic axis against steps back, from 0 to 59. With gain .7 it falls in a straight line to "
    "about a hundred-billionth. With gain 1 it falls more slowly, to less than a thousandth. With gain 1.5 and tanh it stays "
    "near 1 to 100. With gain 1.5 and no tanh it rises in a straight line to more than ten billion.",
)

# %% tags=["demo", "nbval-check-output"]
print("gradient 59 steps back, as a power of ten of the last one:")
far = {gain: float(np.log10(lengths[0] / lengths[-1])) for gain, lengths in heard.items()}
results.table(
    ("gain 0.7", far[0.7], (-13, -11)),
    ("gain 1", far[1.0], (-6, -3)),
    ("gain 1.5", far[1.5], (-2.3, 2.3)),
    ("gain 1.5, no tanh", far["1.5, no tanh"], (10.3, 10.5)),
)

# %% [markdown]
# Straight lines on a logarithmic axis: each step multiplies. A gain of 1 is not safe, because the slopes of
# tanh still shrink. Tanh also holds the explosion back, since large states have small slopes. Without it
# nothing does.
#
# ### Clip what explodes
#
# One step with a huge gradient throws all weights far away. The common remedy is to **clip by the global norm**. Take
# the gradients of all weights as one long list $v$; its length (norm) is $\lVert v \rVert = \sqrt{\sum v_i^2}$. If it is larger
# than a limit, multiply *all* of them by limit / $\lVert v \rVert$. The step then has the limit's length and points the same
# way as before. Otherwise nothing changes. In Keras one writes `global_clipnorm=1.0` into the optimizer. (Its `clipnorm`
# clips each array of weights by itself, which turns the step a little, and is as common.)
#
# Here the same exploding network, without tanh and with a gain of 1.3, is trained twice, to tell the mean of the last
# ten of 30 random numbers.

# %% tags=["demo"]
numbers = np.random.default_rng(0).normal(size=(640, 30, 1)).astype("float32")
recent = 3 * numbers[:, -10:, 0].mean(axis=1)
losses = {}
for limit in (None, 1.0):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 1))
    x = layers.SimpleRNN(16, activation=None, recurrent_initializer=rotation(1.3))(inputs)
    network = keras.Model(inputs, layers.Dense(1, dtype="float32")(x))
    network.compile(keras.optimizers.SGD(0.03, global_clipnorm=limit), "mse")
    history = network.fit(numbers, recent, batch_size=32, epochs=5, verbose=0).history
    losses[limit] = np.array(history["loss"])

# %% tags=["demo", "nbval-check-output"]
results.table(
    ("epochs of 5 with a finite loss, no clipping", int(np.isfinite(losses[None]).sum()), (0, 0)),
    ("epochs of 5 with a finite loss, clipped", int(np.isfinite(losses[1.0]).sum()), (5, 5)),
    ("last loss, % of the first, clipped", 100 * losses[1.0][-1] / losses[1.0][0], (0, 2)),
)

# %% [markdown]
# Without clipping the loss is not a number before the first epoch is over; with it, it starts huge and falls. Against
# vanishing clipping does nothing: one can shorten what is too long, but what has faded to a hundred-billionth is lost
# among the noise.

# %% [markdown]
# ## Gates decide what stays
#
# If multiplying by a matrix at every step is the trouble, keep something that no matrix multiplies. A **long short-term
# memory** (LSTM) has, beside $h$, a **cell state** $c$ that is passed on by addition. **Gates**, lists of
# numbers from 0 (shut) to 1 (open), decide what happens to it. Each is made from the input and the old $h$, with
# weights of its own, by the sigmoid $\sigma(z) = 1 / (1 + e^{-z})$. We build it up in three steps, and follow each with
# numbers: one input, two units, random weights.

# %% tags=["demo"]
rng = np.random.default_rng(0)
x_t, h_old, c_old = rng.normal(size=(1, 3)), rng.normal(size=(1, 2)), rng.normal(size=(1, 2))
W, U, B = ({part: rng.normal(size=shape) for part in "ifco"} for shape in ((3, 2), (2, 2), (2,)))


def sigmoid(z):
    """From any number to one between 0 and 1."""
    return 1 / (1 + np.exp(-z))


# %% [markdown]
# The drawings share their signs: rounded boxes are computed with weights from $x_t$ and $h_{t-1}$, which come in
# below; circles work number by number. What a step adds is in colour.


# %% tags=["demo"]
def circle(axis, x, y, text, color=plots.BLACK):
    """A circle for an operation number by number."""
    axis.plot(x, y, "o", ms=19, mfc="white", mec=color, mew=1.6, zorder=3)
    axis.text(x, y, text, ha="center", va="center", fontsize=11, zorder=4)


def wire(axis, *points, color=plots.BLACK):
    """A line through points that ends in an arrow."""
    if len(points) > 2:
        axis.plot(*np.transpose(points[:-1]), color=color, lw=1.6, solid_joinstyle="round")
    plots.arrow(axis, points[-2], points[-1], color=color, width=1.6)


def gate(axis, x, y, text, color=plots.BLACK):
    """A box with weights, fed from the line of inputs below."""
    wire(axis, (x, 0.3), (x, y - 0.32), color=color)
    plots.box(axis, x, y, text, color)


# %% tags=["demo"]
def cell_axes(title, states):
    """An empty drawing of a cell, with its line of inputs and the names of what comes in."""
    fig, axis = plt.subplots(figsize=(6.4, 3.3))
    axis.plot([0.4, 8.3], [0.3, 0.3], color=plots.BLACK, lw=1.6)
    axis.text(0.3, 0.3, "$x_t,\\ h_{t-1}$", ha="right", va="center", fontsize=12)
    axis.text(0.3, 4, states[0], ha="right", va="center", fontsize=12)
    axis.text(10.1, 4, states[1], ha="left", va="center", fontsize=12)
    axis.set(xlim=(-1.1, 10.9), ylim=(0, 4.6), title=title)
    axis.set_axis_off()
    return fig, axis


def draw_lstm(stage, title):
    """An LSTM's cell up to a stage: 1 what stays, 2 what enters, 3 what shows."""
    fig, axis = cell_axes(title, ("$c_{t-1}$", "$c_t$"))
    colors = [plots.BLACK] * (stage - 1) + [plots.ORANGE]
    wire(axis, (0.4, 4), (10, 4), color=plots.ORANGE if stage == 1 else plots.BLACK)
    for draw, color in zip((draw_forget, draw_input, draw_output), colors):
        draw(axis, color)
    return fig


# %% tags=["demo"]
def draw_forget(axis, color):
    """The forget gate, which multiplies the cell state."""
    gate(axis, 1.6, 1.5, "σ", color)
    axis.text(1.75, 2.6, "$f$", fontsize=12)
    wire(axis, (1.6, 1.82), (1.6, 3.72), color=color)
    circle(axis, 1.6, 4, "⊙", color)


def draw_input(axis, color):
    """Input gate and candidate, whose product is added."""
    for x, text, name in ((3.4, "σ", "$i$"), (5.2, "tanh", "$\\tilde{c}$")):
        gate(axis, x, 1.5, text, color)
        axis.text(x + 0.1, 2.1, name, fontsize=12)
    wire(axis, (3.4, 1.82), (3.4, 2.8), (4.95, 2.8), color=color)
    wire(axis, (5.2, 1.82), (5.2, 2.55), color=color)
    wire(axis, (5.2, 3.05), (5.2, 3.72), color=color)
    circle(axis, 5.2, 2.8, "⊙", color)
    circle(axis, 5.2, 4, "+", color)


# %% tags=["demo"]
def draw_output(axis, color):
    """Output gate, and the state that shows."""
    gate(axis, 7.2, 1.5, "σ", color)
    axis.text(7.75, 1.65, "$o$", fontsize=12)
    wire(axis, (8.8, 4), (8.8, 1.77), color=color)
    axis.text(8.95, 2.9, "tanh", fontsize=11)
    wire(axis, (7.55, 1.5), (8.5, 1.5), color=color)
    wire(axis, (9.05, 1.5), (10, 1.5), color=color)
    circle(axis, 8.8, 1.5, "⊙", color)
    axis.text(10.1, 1.5, "$h_t$", ha="left", va="center", fontsize=12)


# %% [markdown]
# **What stays.** The **forget gate** $f$ says how much of each number of the old $c$ is kept. Its name is misleading: 1
# keeps everything, 0 forgets.
#
# $$f = \sigma(x_t W_f + h_{t-1} U_f + b_f) \qquad f \odot c_{t-1}$$

# %% tags=["demo"]
f = sigmoid(x_t @ W["f"] + h_old @ U["f"] + B["f"])
kept = f * c_old
print("c before:", c_old[0].round(2), " forget gate:", f[0].round(2), " kept:", kept[0].round(2))
plots.show(
    draw_lstm(1, "LSTM 1: the forget gate says what stays"),
    alt="A line from the old cell state at the left to the new one at the right. Below, a box with a sigmoid, "
    "fed by the input and the old h, gives f, which multiplies the line in a circle.",
)

# %% [markdown]
# **What enters.** A **candidate** $\tilde c$, between −1 and 1, is what could be written, and the **input gate** $i$ says
# how much of it is added.
#
# $$i = \sigma(x_t W_i + h_{t-1} U_i + b_i) \qquad \tilde c = \tanh(x_t W_c + h_{t-1} U_c + b_c)
# \qquad c_t = f \odot c_{t-1} + i \odot \tilde c$$

# %% tags=["demo"]
i = sigmoid(x_t @ W["i"] + h_old @ U["i"] + B["i"])
candidate = np.tanh(x_t @ W["c"] + h_old @ U["c"] + B["c"])
c_new = kept + i * candidate
print(
    "candidate:", candidate[0].round(2), " input gate:", i[0].round(2), " new c:", c_new[0].round(2)
)
plots.show(
    draw_lstm(2, "LSTM 2: the input gate says what enters"),
    alt="The drawing before, and in colour two more boxes: a sigmoid that gives i and a tanh that gives the candidate. "
    "A circle multiplies them, and another circle adds the product to the line of the cell state.",
)

# %% [markdown]
# **What shows.** The **output gate** $o$ says how much of $c$, bent by tanh, becomes the new $h$, which the next layer
# reads and the next step's gates look at.
#
# $$o = \sigma(x_t W_o + h_{t-1} U_o + b_o) \qquad h_t = o \odot \tanh(c_t)$$

# %% tags=["demo"]
o = sigmoid(x_t @ W["o"] + h_old @ U["o"] + B["o"])
h_new = o * np.tanh(c_new)
print("output gate:", o[0].round(2), " new h:", h_new[0].round(2))
plots.show(
    draw_lstm(3, "LSTM 3: the output gate says what shows"),
    alt="The whole cell. In colour: from the new cell state a line goes down through tanh into a circle, where it is "
    "multiplied by o, the answer of a fourth box with a sigmoid. The product leaves as the new h.",
)

# %% [markdown]
# As a layer of Keras it is six lines. The weights of all four parts lie side by side in one matrix, in Keras's order
# **input gate, forget gate, candidate, output gate**, each `units` columns wide. So one product makes all four, and
# `ops.split` cuts it. There are two states now, $h$ and $c$.


# %%
class LongCell(PlainCell):
    """One step of an LSTM, for keras.layers.RNN."""

    parts = 4

    def __init__(self, units):
        super().__init__(units)
        self.state_size = [units, units]

    def call(self, x, states):
        h, c = states
        z = ops.matmul(x, self.kernel) + ops.matmul(h, self.recurrent) + self.bias
        i, f, candidate, o = ops.split(z, 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(candidate)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, [h, c]


# %% tags=["nbval-check-output"]
difference = same_as_keras(LongCell(4), layers.LSTM(4, return_sequences=True))
results.table(("largest difference from LSTM", difference, (0, 0.00001)))

# %% [markdown]
# A step straight back along $c$ multiplies by $f$ and nothing else, and where the forget gate is open, $f$ is near 1. The
# network learns when to open it.

# %% [markdown]
# ### The GRU: two gates instead of three
#
# The **gated recurrent unit** (GRU) came later and does with less. It has no separate $c$. One gate $z$, the **update
# gate**, keeps and replaces together: what it does not keep, it fills with the candidate. The **reset gate** $r$ can hide
# the old state from the candidate.


# %% tags=["demo"]
def draw_gru():
    """The cell of a GRU."""
    fig, axis = cell_axes("GRU: what is not kept is replaced", ("$h_{t-1}$", "$h_t$"))
    wire(axis, (0.4, 4), (10, 4))
    gate(axis, 1.6, 1.5, "σ", plots.ORANGE)
    axis.text(1.2, 2.1, "$z$", fontsize=12)
    wire(axis, (1.6, 1.82), (1.6, 3.72), color=plots.ORANGE)
    wire(axis, (1.6, 2.8), (6.95, 2.8), color=plots.ORANGE)
    axis.text(4.3, 2.92, "$1 - z$", ha="center", fontsize=12)
    gate(axis, 3.6, 1.5, "σ", plots.BLUE)
    axis.text(4.2, 1.65, "$r$", fontsize=12)
    wire(axis, (3.95, 1.5), (5.05, 1.5), color=plots.BLUE)
    wire(axis, (5.3, 0.3), (5.3, 1.25))
    axis.text(5.4, 0.6, "$h_{t-1} U_h$", fontsize=11)
    wire(axis, (5.55, 1.5), (6.7, 1.5))
    gate(axis, 7.2, 1.5, "tanh")
    axis.text(7.35, 2.05, "$\\tilde{h}$", fontsize=12)
    wire(axis, (7.2, 1.82), (7.2, 2.55))
    wire(axis, (7.2, 3.05), (7.2, 3.72))
    for x, y, text, color in ((1.6, 4, "⊙", plots.ORANGE), (5.3, 1.5, "⊙", plots.BLUE)):
        circle(axis, x, y, text, color)
    circle(axis, 7.2, 2.8, "⊙", plots.ORANGE)
    circle(axis, 7.2, 4, "+")
    return fig


# %% tags=["demo"]
plots.show(
    draw_gru(),
    alt="A line from the old h at the left to the new h at the right. A sigmoid box gives z, which multiplies the line. "
    "A second sigmoid box gives r, which multiplies the old h times its weights; the product enters a tanh box, the candidate. "
    "The candidate is multiplied by 1 minus z and added to the line.",
)

# %% [markdown]
# ### Exercise 2: one step of a GRU
#
# Write `gru_step(x, h, kernel, recurrent, bias)` for a batch, and return the new $h$. As in Keras, the weights of the
# three parts lie side by side in the order **update gate, reset gate, candidate**, each `units` columns wide, and there
# are two rows of biases, $b$ that goes with the input and $b'$ that goes with the state:
#
# $$z, r = \sigma\bigl(x_t W_\bullet + b_\bullet + h_{t-1} U_\bullet + b'_\bullet\bigr) \qquad
# \tilde h = \tanh\bigl(x_t W_h + b_h + r \odot (h_{t-1} U_h + b'_h)\bigr)$$
#
# $$h_t = z \odot h_{t-1} + (1 - z) \odot \tilde h$$
#
# ($\bullet$ is $z$ or $r$.)
#
# | argument | shape |
# |---|---|
# | `x`, `h` (of the step before) | (batch, inputs), (batch, units) |
# | `kernel`, `recurrent` | (inputs, 3 · units), (units, 3 · units) |
# | `bias`: its row 0 is $b$, its row 1 is $b'$ | (2, 3 · units) |
#
# All are float32. Use `keras.ops`, as `LongCell` does, and not NumPy: the cell after the exercise makes a layer of your
# function, and Keras has to send gradients through it. Texts differ in two points from this form, which is Keras's:
# some exchange $z$ and $1 - z$, and some apply $r$ before the product with $U_h$.


# %% grade_id="gru_step" solution=true
def gru_step(x, h, kernel, recurrent, bias):
    """The next state of a GRU, shape (batch, units)."""
    ### BEGIN SOLUTION
    of_x = ops.split(ops.matmul(x, kernel) + bias[0], 3, axis=-1)
    of_h = ops.split(ops.matmul(h, recurrent) + bias[1], 3, axis=-1)
    z = ops.sigmoid(of_x[0] + of_h[0])
    r = ops.sigmoid(of_x[1] + of_h[1])
    candidate = ops.tanh(of_x[2] + r * of_h[2])
    return z * h + (1 - z) * candidate
    ### END SOLUTION


# %%
def gru_weights(seed, batch, inputs, units):
    """Random x, h, kernel, recurrent and bias of a GRU, float32."""
    rng = np.random.default_rng(seed)
    width = 3 * units
    shapes = (batch, inputs), (batch, units), (inputs, width), (units, width), (2, width)
    return [rng.normal(0, 0.8, shape).astype("float32") for shape in shapes]


def keras_gru_step(x, h, kernel, recurrent, bias):
    """The same step by Keras's own cell."""
    cell = layers.GRUCell(h.shape[1])
    cell.build(x.shape)
    cell.set_weights([kernel, recurrent, bias])
    return ops.convert_to_numpy(cell(x, [h])[0])


# %% grade_id="gru_form" points=2
# One unit. z = sigmoid(0 + 0) = .5, r = sigmoid(ln 3) = .75, candidate = tanh(.2 + .75 * (.4 * .5 + .2)) = tanh(.5).
x, h = np.array([[1.0]], "float32"), np.array([[0.4]], "float32")
kernel, recurrent = np.array([[0, np.log(3), 0.2]], "float32"), np.array([[0, 0, 0.5]], "float32")
bias = np.array([[0, 0, 0], [0, 0, 0.2]], "float32")
new = np.array(gru_step(x, h, kernel, recurrent, bias))
assert new.shape == (1, 1), f"One sequence, one unit: expected shape (1, 1), got {new.shape}."
assert np.allclose(new, 0.5 * 0.4 + 0.5 * np.tanh(0.5), atol=1e-4), (
    f"z = .5, r = .75, candidate tanh(.5) = {np.tanh(0.5):.4f}: expected .5 * .4 + .5 * {np.tanh(0.5):.4f} = "
    f"{0.2 + 0.5 * np.tanh(0.5):.4f}, got {new[0, 0]:.4f}."
)
given = gru_weights(0, 3, 2, 4)
new, wanted = np.array(gru_step(*given)), keras_gru_step(*given)
assert new.shape == wanted.shape, f"3 sequences, 4 units: expected shape (3, 4), got {new.shape}."
assert np.allclose(new, wanted, atol=1e-3), (
    f"3 sequences, 2 inputs, 4 units: the first new state should be {wanted[0].round(4)}, as of Keras's cell with the same "
    f"weights, and is {new[0].round(4)}. Do both rows of biases enter, and which columns belong to which part?"
)

# %% grade_id="gru_against_keras" points=2
# Hidden tests: Keras's own cell with the same weights, for other sizes and over several steps.
### BEGIN HIDDEN TESTS
for seed, sizes in enumerate([(1, 1, 1), (2, 3, 5), (5, 2, 3), (4, 4, 4)], 1):
    x, h, *weights = gru_weights(seed, *sizes)
    for step in range(3):
        given = [part.copy() for part in (x, h, *weights)]
        new, wanted = np.array(gru_step(*given)), keras_gru_step(x, h, *weights)
        case = "batch {}, {} inputs, {} units, step {}".format(*sizes, step + 1)
        assert new.shape == wanted.shape, f"{case}: expected {wanted.shape}, got {new.shape}."
        assert np.allclose(new, wanted, atol=1e-3), (
            f"{case}: the new state differs from that of Keras's cell by up to {np.abs(new - wanted).max():.6f}. Which part "
            "does r multiply, and what does z keep?"
        )
        same = map(np.array_equal, given, (x, h, *weights))
        assert all(same), "The arrays that were given changed."
        x, h = np.tanh(x + 0.3), wanted
### END HIDDEN TESTS


# %% tags=["misconception"]
# z and 1 - z are exchanged: in the formula z says what is kept.
def gru_step(x, h, kernel, recurrent, bias):
    of_x = ops.split(ops.matmul(x, kernel) + bias[0], 3, axis=-1)
    of_h = ops.split(ops.matmul(h, recurrent) + bias[1], 3, axis=-1)
    z, r = ops.sigmoid(of_x[0] + of_h[0]), ops.sigmoid(of_x[1] + of_h[1])
    return (1 - z) * h + z * ops.tanh(of_x[2] + r * of_h[2])


# %% tags=["misconception"]
# Reset and update gate are exchanged: the columns come in the order update, reset, candidate.
def gru_step(x, h, kernel, recurrent, bias):
    of_x = ops.split(ops.matmul(x, kernel) + bias[0], 3, axis=-1)
    of_h = ops.split(ops.matmul(h, recurrent) + bias[1], 3, axis=-1)
    r, z = ops.sigmoid(of_x[0] + of_h[0]), ops.sigmoid(of_x[1] + of_h[1])
    return z * h + (1 - z) * ops.tanh(of_x[2] + r * of_h[2])


# %% tags=["misconception"]
# r is applied to the old state before the product with U; in this form it comes after the product.
def gru_step(x, h, kernel, recurrent, bias):
    of_x = ops.split(ops.matmul(x, kernel) + bias[0], 3, axis=-1)
    of_h = ops.split(ops.matmul(h, recurrent) + bias[1], 3, axis=-1)
    z, r = ops.sigmoid(of_x[0] + of_h[0]), ops.sigmoid(of_x[1] + of_h[1])
    units = h.shape[-1]
    inside = ops.matmul(r * h, recurrent[:, 2 * units :]) + bias[1, 2 * units :]
    return z * h + (1 - z) * ops.tanh(of_x[2] + inside)


# %% tags=["misconception"]
# The state's bias of the candidate is added outside of what r multiplies.
def gru_step(x, h, kernel, recurrent, bias):
    of_x = ops.split(ops.matmul(x, kernel) + bias[0] + bias[1], 3, axis=-1)
    of_h = ops.split(ops.matmul(h, recurrent), 3, axis=-1)
    z, r = ops.sigmoid(of_x[0] + of_h[0]), ops.sigmoid(of_x[1] + of_h[1])
    return z * h + (1 - z) * ops.tanh(of_x[2] + r * of_h[2])


# %% tags=["misconception"]
# Only the first row of biases is used.
def gru_step(x, h, kernel, recurrent, bias):
    of_x = ops.split(ops.matmul(x, kernel) + bias[0], 3, axis=-1)
    of_h = ops.split(ops.matmul(h, recurrent), 3, axis=-1)
    z, r = ops.sigmoid(of_x[0] + of_h[0]), ops.sigmoid(of_x[1] + of_h[1])
    return z * h + (1 - z) * ops.tanh(of_x[2] + r * of_h[2])


# %% tags=["misconception"]
# The candidate goes through the sigmoid as if it were a gate; it should lie between -1 and 1.
def gru_step(x, h, kernel, recurrent, bias):
    of_x = ops.split(ops.matmul(x, kernel) + bias[0], 3, axis=-1)
    of_h = ops.split(ops.matmul(h, recurrent) + bias[1], 3, axis=-1)
    z, r = ops.sigmoid(of_x[0] + of_h[0]), ops.sigmoid(of_x[1] + of_h[1])
    return z * h + (1 - z) * ops.sigmoid(of_x[2] + r * of_h[2])


# %% tags=["misconception"]
# r multiplies the whole of the candidate's sum, the input's part too, which it should leave alone.
def gru_step(x, h, kernel, recurrent, bias):
    of_x = ops.split(ops.matmul(x, kernel) + bias[0], 3, axis=-1)
    of_h = ops.split(ops.matmul(h, recurrent) + bias[1], 3, axis=-1)
    z, r = ops.sigmoid(of_x[0] + of_h[0]), ops.sigmoid(of_x[1] + of_h[1])
    return z * h + (1 - z) * ops.tanh(r * (of_x[2] + of_h[2]))


# %% tags=["alternative"]
# Cuts the weights instead of the result, one product for each part.
def gru_step(x, h, kernel, recurrent, bias):
    units = h.shape[-1]
    z, r, new = (slice(k * units, (k + 1) * units) for k in range(3))
    keep = ops.sigmoid(x @ kernel[:, z] + h @ recurrent[:, z] + ops.sum(bias[:, z], axis=0))
    reset = ops.sigmoid(x @ kernel[:, r] + h @ recurrent[:, r] + ops.sum(bias[:, r], axis=0))
    state = h @ recurrent[:, new] + bias[1, new]
    return keep * h + (1 - keep) * ops.tanh(x @ kernel[:, new] + bias[0, new] + reset * state)


# %% tags=["alternative"]
# TensorFlow's functions, and the new state as a step from the candidate towards the old one.
def gru_step(x, h, kernel, recurrent, bias):
    xz, xr, xh = tf.split(x @ kernel + bias[0], 3, axis=1)
    hz, hr, hh = tf.split(h @ recurrent + bias[1], 3, axis=1)
    candidate = tf.tanh(xh + tf.sigmoid(xr + hr) * hh)
    return candidate + tf.sigmoid(xz + hz) * (h - candidate)


# %% tags=["demo"]
gru_step = fallbacks.choose(gru_step, ours.gru_step, ours.gru_step_works)

# %% [markdown]
# Your step becomes a cell, and the cell a layer. Is it Keras's?


# %% tags=["demo"]
class GatedCell(PlainCell):
    """One step of a GRU, for keras.layers.RNN."""

    parts, bias_rows = 3, (2,)

    def call(self, x, states):
        h = gru_step(x, states[0], self.kernel, self.recurrent, self.bias)
        return h, [h]


# %% tags=["demo", "nbval-check-output"]
difference = same_as_keras(GatedCell(4), layers.GRU(4, return_sequences=True))
results.table(("largest difference of your layer from GRU", difference, (0, 0.00001)))

# %% [markdown]
# From here on we take Keras's own layers, which compute the same. On a GPU, with their default arguments, they run in
# NVIDIA's fused cuDNN code, which is much faster than a loop over steps.

# %% [markdown]
# ### Who still knows the first symbol?
#
# A task that is nothing but memory, simulated: the first symbol is one of four, then come 40 random symbols of
# four other kinds, and at the end the network is asked for the first. Guessing scores .25.


# %%
def recall_task(count, gap, rng):
    """Simulated: one-hot symbols (count, 1 + gap, 8) and the number of the first one, 0 to 3."""
    first = rng.integers(4, size=count)
    symbols = np.column_stack([first, rng.integers(4, 8, size=(count, gap))])
    return np.eye(8, dtype="float32")[symbols], first


# %% [markdown]
# One number turns out to matter: the bias of the forget gate at the start. Keras sets it to 1, so the gate
# begins near $\sigma(1)$. What is left of a number after being multiplied by that forty times? And with a bias
# of 4?

# %% tags=["demo", "nbval-check-output"]
for bias in (0, 1, 4):
    print(f"bias {bias}: gate {sigmoid(bias):.2f}, left after 40 steps: {sigmoid(bias) ** 40:.0e}")

# %% [markdown]
# So an untrained LSTM forgets too, and a GRU, whose gate starts with a bias of 0, sooner still. Five networks: the
# plain cell, LSTM and GRU as Keras makes them, and the latter two with the bias of the keeping gate at 4. Each trains until it
# recalls 99 of 100 first symbols of sequences that are not in its training data, the **validation data**, or for twelve
# epochs. *Which will get there, and in which order?*


# %% tags=["demo"]
def open_lstm(shape, dtype=None):
    """Bias of an LSTM whose forget gate starts open: 4 in the second of four parts."""
    return ops.convert_to_tensor(np.repeat([0.0, 4.0, 0.0, 0.0], shape[0] // 4), dtype)


def open_gru(shape, dtype=None):
    """Bias (2, 3 · units) of a GRU whose state starts by staying: 4 in the first of three parts."""
    bias = np.zeros(shape, "float32")
    bias[0, : shape[1] // 3] = 4
    return ops.convert_to_tensor(bias, dtype)


CELLS = {
    "plain": (layers.SimpleRNN, {}),
    "LSTM": (layers.LSTM, {}),
    "GRU": (layers.GRU, {}),
    "LSTM, gate open": (layers.LSTM, {"bias_initializer": open_lstm, "unit_forget_bias": False}),
    "GRU, gate open": (layers.GRU, {"bias_initializer": open_gru}),
}


# %% tags=["demo"]
def recall(network, train, validation, epochs):
    """Train a classifier until it is right on 99 % of the validation data: its accuracy by epoch, and seconds."""
    network.compile(
        keras.optimizers.Adam(0.005, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def stop(_, logs):
        network.stop_training = logs["val_accuracy"] > 0.99

    enough = keras.callbacks.LambdaCallback(on_epoch_end=stop)
    start = time.perf_counter()
    history = network.fit(
        *train,
        batch_size=64,
        epochs=epochs,
        validation_data=validation,
        callbacks=[enough],
        verbose=0,
    )
    return np.array(history.history["val_accuracy"]), time.perf_counter() - start


# %% tags=["demo"]
from tqdm import tqdm

train = recall_task(2000, 40, np.random.default_rng(0))
asked = recall_task(500, 40, np.random.default_rng(1))
curves, seconds, parameters = {}, {}, {}
for name, (cell, options) in tqdm(CELLS.items(), delay=2, leave=False):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 8))
    network = keras.Model(inputs, layers.Dense(4, dtype="float32")(cell(16, **options)(inputs)))
    curves[name], seconds[name] = recall(network, train, asked, epochs=12)
    parameters[name] = network.count_params()

# %% tags=["demo"]
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.8))
colors = (plots.BLACK, plots.BLUE, plots.ORANGE, plots.BLUE, plots.ORANGE)
keras.utils.set_random_seed(0)
for (name, (cell, options)), color, style in zip(CELLS.items(), colors, ("-", ":", ":", "-", "-")):
    epochs = np.arange(1, len(curves[name]) + 1)
    axes[0].plot(epochs, curves[name], style, marker="o", ms=3, color=color)
    _, lengths = hear(cell(16, **options).cell, asked[0][0], slot=int("LSTM" in name))
    axes[1].plot(np.arange(41), lengths[::-1] / lengths[-1], style, color=color, label=name)
axes[0].axhline(0.25, color="0.4", ls="--", lw=1)
axes[0].text(12, 0.16, "guessing", fontsize=10, ha="right")
axes[0].set(ylabel="share recalled (validation)", xlabel="epoch", ylim=(0, 1.05))
axes[0].set_xticks([1, 4, 8, 12])
axes[1].set(yscale="log", xlabel="steps back, before training", ylabel="gradient, last step = 1")
fig.legend(fontsize=9, loc="outside lower center", ncols=5, columnspacing=1, handlelength=1.5)
fig.suptitle(
    "With its gate open, a cell learns to remember in a few epochs", x=0.01, ha="left", fontsize=12
)
plots.show(
    fig,
    alt="Left, share recalled on validation data against epochs. LSTM and GRU with open gates rise to 1 within two "
    "or three epochs, the plain cell in nine; the LSTM as Keras makes it reaches about three quarters, the GRU stays at guessing, .25. Right, "
    "gradients before training on a logarithmic axis against steps back: with open gates they stay between about a half and 2; the others fall by "
    "several orders of magnitude over 40 steps, the GRU furthest.",
)

# %% tags=["demo", "nbval-check-output"]
print("epochs until 99 of 100 are recalled, 12 if not reached:")
limits = dict(zip(CELLS, ((2, 12), (7, 12), (9, 12), (1, 5), (2, 6))))
results.table(
    *[(name, len(curve), limits[name]) for name, curve in curves.items()],
    recalled=[f"{curve[-1]:.2f}" for curve in curves.values()],
    parameters=list(parameters.values()),
    seconds=list(seconds.values()),
)

# %% [markdown]
# With their gates open, both cells get there in the first epochs, every time: at first everything is kept, there is a gradient to learn
# from, and the network can learn what to forget. As Keras makes them, they have to find the way with a gradient that has nearly
# vanished, and what comes of it is a matter of luck and of patience. Of 20 LSTMs 5 were there within twelve epochs, and of 20 GRUs, whose
# gradient fades fastest before training, 2; some tell two of the four symbols apart and stay at a half. The plain cell, whose weights start as a
# rotation, was ahead of both in 18 of 20 runs.
#
# Stop each after one epoch, as is easily done, and you would write that an LSTM cannot remember forty steps. It can; it learns it late.
# So "an LSTM remembers longer" is true of what it can learn, not of what it does as it comes from the shelf, and one
# number at the start is worth more here than the choice between LSTM and GRU. (The LSTM's gradient falls less fast than $c$ alone would
# let it, and with the gate open it may even grow: a part of it also gets back through $h$ and the gates.)

# %% [markdown]
# ## What one adds in practice
#
# Four additions are in most recurrent networks at work. Each is a layer, or an argument of one.
#
# - **Stacking.** A second recurrent layer reads the states of the first as its inputs. For that the first has to hand out
#   all of them, `return_sequences=True`; the last one does so only if there is something to say at every step.
# - **Both directions.** `Bidirectional(layer)` has a second copy that reads from the end, and puts the two states side by
#   side, twice `units` numbers. What stands at the beginning is then the last thing that one of the two has read. This
#   is for sequences that are there as a whole. Where the future is to be forecast it is a leak: the copy comes from
#   there.
# - **Masking.** Sequences of a batch must have one length, so shorter ones are **padded** with zeros at the end. A network
#   cannot know that these are not data: it goes on updating its state, and forgets. `Masking()` marks the steps whose
#   numbers are all 0, and a recurrent layer keeps its state unchanged there. (`Embedding(..., mask_zero=True)` does so for
#   whole numbers.)
# - **Dropout.** In training, `Dropout(.3)` sets three tenths of its inputs to 0, other ones each time, and scales up the
#   rest; in use it does nothing. Nothing can then be learnt by heart that rests on a few numbers. It belongs *between*
#   layers. Within a recurrent layer, `recurrent_dropout` does the same on the way from step to step, with one choice for
#   all steps of a sequence; it costs the fast code on a GPU.


# %% tags=["demo"]
def draw_stack():
    """Two bidirectional layers over five steps, the last two of them padding."""
    fig, axis = plt.subplots(figsize=(6.4, 4.4))
    for step in range(5):
        shade = plots.BLACK if step < 3 else "0.7"
        axis.text(
            step, -0.1, ("x₁", "x₂", "x₃", "0", "0")[step], ha="center", color=shade, fontsize=12
        )
        wire(axis, (step, 0.2), (step, 0.65), color=shade)
        for y in (1, 2.9):
            for on, color in ((-0.2, plots.BLUE), (0.5, plots.ORANGE)):
                inside = color if step < 3 else shade
                axis.add_patch(
                    plt.Rectangle(
                        (step - 0.3, y + on - 0.15), 0.6, 0.6, fc="white", ec=inside, lw=2
                    )
                )
                if step < 4:
                    ends = (step + 0.3, y + on + 0.15), (step + 0.7, y + on + 0.15)
                    ends = ends if color == plots.BLUE else ends[::-1]
                    plots.arrow(axis, *ends, color=inside if step < 2 else "0.7")
        wire(axis, (step, 1.95), (step, 2.55), color=shade)
    return fig, axis


# %% tags=["demo"]
fig, axis = draw_stack()
wire(axis, (2.5, 4.0), (2.5, 4.55))
plots.box(axis, 2.5, 4.9, "Dropout, Dense", plots.BLACK)
for y, text in (
    (1.1, "layer 1\nall states"),
    (2.15, "Dropout"),
    (3.0, "layer 2\nlast states"),
    (-0.05, "input"),
):
    axis.text(-0.6, y, text, ha="right", va="center", fontsize=10)
axis.text(4.5, 0.98, "forwards", color=plots.BLUE, fontsize=10, va="center")
axis.text(4.5, 1.68, "backwards", color=plots.ORANGE, fontsize=10, va="center")
axis.text(3.5, -0.55, "padding, masked", color="0.4", fontsize=10, ha="center")
axis.set(
    xlim=(-1.8, 5.6),
    ylim=(-0.7, 5.3),
    title="Stacked, in both directions, with masking and dropout",
)
axis.set_axis_off()
plots.show(
    fig,
    alt="Five steps from left to right, the last two grey: padding, masked. Each step has two layers, and each layer two boxes: a "
    "blue one whose arrows run to the right, forwards, and an orange one whose arrows run to the left, backwards. Layer 1 hands all "
    "states through Dropout to layer 2, whose last states go through Dropout to a Dense layer.",
)

# %% [markdown]
# ### Exercise 3: a classifier of sequences
#
# Write `sequence_classifier(features, classes, units, dropout)`, which returns a Keras model, functional or `Sequential` (it is not compiled):
#
# - in: sequences (batch, time, `features`) for any length of time. They are padded at the end with steps whose features are all 0;
#   such steps are skipped, so that the answer is the same with more or less padding;
# - two LSTM layers, one on the other, each in both directions with `units` units for a direction;
# - after each of the two a `Dropout` layer with the share `dropout`;
# - out: logits (batch, `classes`), from the states after the last step of either direction. A **logit** is any number;
#   the softmax of the logits is taken in the loss.


# %% grade_id="sequence_classifier" solution=true
def sequence_classifier(features, classes, units, dropout):
    """A model from padded sequences (batch, time, features) to logits (batch, classes)."""
    ### BEGIN SOLUTION
    inputs = keras.Input((None, features))
    x = layers.Masking()(inputs)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Bidirectional(layers.LSTM(units))(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(classes, dtype="float32")(x))
    ### END SOLUTION


# %%
def flat_layers(model):
    """A model's layers, with those of models within it."""
    for layer in model.layers:
        yield from flat_layers(layer) if hasattr(layer, "layers") else [layer]


def padded(sequences, length):
    """Sequences with zeros added at their end, up to a length."""
    return np.pad(sequences, [(0, 0), (0, length - sequences.shape[1]), (0, 0)])


def with_random_weights(model, seed):
    """The same model with random weights, no bias zero."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.4, part.shape) for part in model.get_weights()])
    return model


# %% grade_id="classifier_form" points=1
model = sequence_classifier(3, 5, 4, 0.25)
assert isinstance(model, keras.Model), f"Return a Keras model; this is a {type(model).__name__}."
assert (model.input_shape, model.output_shape) == ((None, None, 3), (None, 5)), (
    "3 features and 5 classes: sequences (None, None, 3) in, logits (None, 5) out; the model maps "
    f"{model.input_shape} to {model.output_shape}."
)
both = [part for part in flat_layers(model) if isinstance(part, layers.Bidirectional)]
kinds = [(type(part.forward_layer).__name__, part.forward_layer.units) for part in both]
assert kinds == [("LSTM", 4)] * 2, (
    f"Two Bidirectional layers of LSTM with 4 units were asked for; the model has {kinds}."
)
shares = [part.rate for part in flat_layers(model) if isinstance(part, layers.Dropout)]
assert shares == [0.25, 0.25], f"Two Dropout layers with the share .25; their shares are {shares}."
first, second = (both[0].output.shape, both[1].output.shape)
assert (len(first), *second[1:]) == (3, 8), (
    "The first layer gives the states after every step, the second those after the last, 8 numbers from two directions; their "
    f"outputs have the shapes {first} and {second}."
)

# %% grade_id="classifier_padding" points=1
model = with_random_weights(sequence_classifier(3, 5, 4, 0.25), 0)
model.set_weights([*model.get_weights()[:-1], np.full(5, -4.0)])
x = np.random.default_rng(0).normal(size=(6, 7, 3)).astype("float32")
logits = model.predict(x, verbose=0)
assert logits.mean() < -2, (
    f"Logits can be any number: with a bias of -4 in the last layer their mean is {logits.mean():.3f}."
)
more = model.predict(padded(x, 12), verbose=0)
assert np.allclose(logits, more, atol=1e-4), (
    f"Five steps of padding change the logits by up to {np.abs(logits - more).max():.3f}: padding is to be skipped."
)

# %% grade_id="classifier_values" points=1
# Hidden tests: are the logits those of the layers one by one, with the same weights?
### BEGIN HIDDEN TESTS
for seed, (features, classes, units) in enumerate([(2, 3, 5), (4, 1, 3)]):
    model = with_random_weights(sequence_classifier(features, classes, units, 0.5), seed)
    weights, x = model.get_weights(), np.random.default_rng(seed).normal(size=(9, 6, features))
    assert [part.shape[-1] for part in weights] == [4 * units] * 12 + [classes] * 2, (
        "The weights should be those of two LSTM layers in two directions and of one Dense layer; got the shapes "
        f"{[part.shape for part in weights]}."
    )
    wanted = x.astype("float32")
    for place, every in ((0, True), (6, False)):
        states = []
        for way in (0, 1):
            layer = layers.LSTM(units, return_sequences=every, go_backwards=bool(way))
            layer.build(wanted.shape)
            layer.set_weights(weights[place + 3 * way :][:3])
            states.append(ops.convert_to_numpy(layer(wanted)))
        states[1] = states[1][:, ::-1] if every else states[1]
        wanted = np.concatenate(states, axis=-1)
    off = model.predict(padded(x, 8), verbose=0) - (wanted @ weights[-2] + weights[-1])
    off = np.abs(off).max()
    assert off < 1e-3, (
        f"{features} features, {units} units: logits are off by up to {off:.5f}. Which states are read?"
    )
### END HIDDEN TESTS

# %% grade_id="classifier_drops" points=1
# Hidden tests: does dropout act in training, there alone, and as much as asked for?
### BEGIN HIDDEN TESTS
x = np.random.default_rng(0).normal(size=(64, 6, 3)).astype("float32")
spread = []
for share in (0.0, 0.2, 0.6):
    model = with_random_weights(sequence_classifier(3, 2, 6, share), 5)
    trained = [ops.convert_to_numpy(model(x, training=True)) for _ in range(4)]
    used = [ops.convert_to_numpy(model(x)) for _ in range(2)]
    assert np.allclose(*used, atol=1e-5), "In use, dropout should do nothing."
    spread.append(float(np.std(trained, axis=0).mean()))
assert spread[0] < 1e-4, "With the share 0, the logits should be the same each time in training."
assert 2 * spread[0] < spread[1] < spread[2], (
    f"In training, logits should vary more with a larger share; with 0, .2 and .6 they vary by {spread}."
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The padding is not masked: the network reads zeros as if they were data.
def sequence_classifier(features, classes, units, dropout):
    inputs = keras.Input((None, features))
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(inputs)
    x = layers.Dropout(dropout)(x)
    x = layers.Dropout(dropout)(layers.Bidirectional(layers.LSTM(units))(x))
    return keras.Model(inputs, layers.Dense(classes)(x))


# %% tags=["misconception"]
# The second layer returns all states and the mean over time is taken, where the last states were asked for.
def sequence_classifier(features, classes, units, dropout):
    inputs = keras.Input((None, features))
    x = layers.Masking()(inputs)
    for _ in range(2):
        x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(classes)(layers.GlobalAveragePooling1D()(x)))


# %% tags=["misconception"]
# A softmax is put on the output, where logits were asked for.
def sequence_classifier(features, classes, units, dropout):
    inputs = keras.Input((None, features))
    x = layers.Masking()(inputs)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Dropout(dropout)(layers.Bidirectional(layers.LSTM(units))(x))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


# %% tags=["misconception"]
# Only the first of the two layers reads in both directions.
def sequence_classifier(features, classes, units, dropout):
    inputs = keras.Input((None, features))
    x = layers.Masking()(inputs)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Dropout(dropout)(layers.LSTM(units)(x))
    return keras.Model(inputs, layers.Dense(classes)(x))


# %% tags=["misconception"]
# The units are halved, so that both directions together have as many as each should have.
def sequence_classifier(features, classes, units, dropout):
    inputs = keras.Input((None, features))
    x = layers.Masking()(inputs)
    x = layers.Bidirectional(layers.LSTM(units // 2, return_sequences=True))(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Dropout(dropout)(layers.Bidirectional(layers.LSTM(units // 2))(x))
    return keras.Model(inputs, layers.Dense(classes)(x))


# %% tags=["misconception"]
# The two directions are added, where Bidirectional puts them side by side unless it is told otherwise.
def sequence_classifier(features, classes, units, dropout):
    inputs = keras.Input((None, features))
    x = layers.Masking()(inputs)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True), merge_mode="sum")(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Bidirectional(layers.LSTM(units), merge_mode="sum")(x)
    return keras.Model(inputs, layers.Dense(classes)(layers.Dropout(dropout)(x)))


# %% tags=["misconception"]
# The share is fixed at one half, whatever share is asked for.
def sequence_classifier(features, classes, units, dropout):
    inputs = keras.Input((None, features))
    x = layers.Masking()(inputs)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Dropout(0.5)(layers.Bidirectional(layers.LSTM(units))(x))
    return keras.Model(inputs, layers.Dense(classes)(x))


# %% tags=["misconception"]
# The last step of the second layer's outputs is taken: there the backwards copy has read nothing but that step.
def sequence_classifier(features, classes, units, dropout):
    inputs = keras.Input((None, features))
    x = layers.Masking()(inputs)
    for _ in range(2):
        x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(classes)(x[:, -1]))


# %% tags=["alternative"]
# A Sequential model.
def sequence_classifier(features, classes, units, dropout):
    return keras.Sequential(
        [
            keras.Input((None, features)),
            layers.Masking(mask_value=0.0),
            layers.Bidirectional(layers.LSTM(units, return_sequences=True)),
            layers.Dropout(dropout),
            layers.Bidirectional(layers.LSTM(units)),
            layers.Dropout(dropout),
            layers.Dense(classes),
        ]
    )


# %% tags=["alternative"]
# The mask is computed with keras.ops and handed to the layers.
def sequence_classifier(features, classes, units, dropout):
    inputs = keras.Input((None, features))
    mask = ops.any(ops.not_equal(inputs, 0.0), axis=-1)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(inputs, mask=mask)
    x = layers.Dropout(dropout)(x)
    x = layers.Bidirectional(layers.LSTM(units))(x, mask=mask)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(classes, activation="linear")(x))


# %% tags=["demo"]
sequence_classifier = fallbacks.choose(
    sequence_classifier, ours.sequence_classifier, ours.sequence_classifier_works
)

# %% [markdown]
# Now the recall task with sequences of 5 to 30 symbols, padded to 30. Three networks: an LSTM as Keras makes it, which
# reads the padding; the same with masking; and yours, with 16 units. Five epochs at most. *Which of them will know the first
# symbol?*


# %% tags=["demo"]
def varied(task, rng):
    """The recall task's sequences cut to 5 to 30 symbols, padded with zeros."""
    symbols, first = task
    lengths = rng.integers(5, 31, size=len(first))
    return symbols * (np.arange(symbols.shape[1]) < lengths[:, None])[..., None], first


def forwards(masked):
    """An LSTM that reads forwards."""
    inputs = keras.Input((None, 8))
    x = layers.Masking()(inputs) if masked else inputs
    return keras.Model(inputs, layers.Dense(4, dtype="float32")(layers.LSTM(16)(x)))


# %% tags=["demo"]
rng = np.random.default_rng(0)
cut = varied(recall_task(2000, 29, rng), rng), varied(recall_task(500, 29, rng), rng)
makers = {
    "LSTM, reads the padding": lambda: forwards(masked=False),
    "LSTM, masked": lambda: forwards(masked=True),
    "yours: masked, both directions, stacked": lambda: sequence_classifier(8, 4, 16, 0.2),
}
found = {}
for name, make in makers.items():
    keras.utils.set_random_seed(0)
    network = make()
    curve, spent = recall(network, *cut, epochs=5)
    found[name] = curve[-1], network.count_params(), spent

# %% tags=["demo", "nbval-check-output"]
print("share of first symbols recalled, sequences of 5 to 30 symbols:")
limits = ((0.4, 1.0), (0.7, 1.0), (0.99, 1.0))
results.table(
    *[(name, value[0], limit) for (name, value), limit in zip(found.items(), limits)],
    parameters=[value[1] for value in found.values()],
    seconds=[value[2] for value in found.values()],
)

# %% [markdown]
# With the same layer, epochs and weights to begin with, the mask alone mostly makes the difference between half and nearly all: in 15 of
# 20 runs the LSTM that reads the padding ended near a half, and in 16 the masked one knew nineteen in twenty or more. The
# unmasked LSTM would get there later, as the one above; but with the mask the short sequences *are* short, and what is learnt on
# them helps with the long ones. Your model is right as well, and sooner, since one of its copies reads the first symbol last. It pays with
# six times the parameters and the longest training. Where a plain masked layer is enough, take that.

# %% [markdown]
# ## A composer of two layers
#
# To *generate*, feed the output back: take the network's probabilities for the next note, draw one, append it,
# and go on. `melodies` holds **simulated** tunes of sixteen notes; no composer stands behind them. Four
# rules made them: small steps; phrases one and two (four notes each) end openly, on D, G or B; **the third
# phrase repeats the first**; the last note is the home note C, reached by a step. Within the rules everything is equally
# likely, which makes 24,200 tunes. So we can count what a model has learnt, and even know how good one can be.
#
# A tune's input is the tune itself, one note late: 8, a sign for the start, then all notes but the last. The target at
# each place is the note that really comes. 2,600 tunes are for training and 400 for validation; another 500
# are for the test.

# %%
START = 8  # a ninth symbol, before the first note


def one_late(tunes):
    """Inputs and targets of tunes (count, 16): the notes so far, and the next."""
    return np.column_stack([np.full(len(tunes), START), tunes[:, :-1]]), tunes


ALL_TUNES = datasets.arrays("melodies", "train")["notes"]
TRAIN_TUNES, VALID_TUNES = one_late(ALL_TUNES[:2600]), one_late(ALL_TUNES[2600:])

# %% tags=["demo"]
TEST_TUNES = one_late(datasets.arrays("melodies", "test")["notes"])
print("input:  start", *[NOTES[note] for note in TRAIN_TUNES[0][0, 1:]])
print("target:      ", *[NOTES[note] for note in TRAIN_TUNES[1][0]])


def rules(tunes):
    """How well tunes keep the rules: the share, in %, of steps, of ends and of tunes."""
    phrases = tunes.reshape(-1, 4, 4)
    steps = np.abs(np.diff(phrases, axis=2))
    return {
        "small steps": 100 * np.isin(steps, (1, 2)).mean(),
        "open ends": 100 * np.isin(phrases[:, :2, -1], (1, 4, 6)).mean(),
        "home": 100 * (np.isin(tunes[:, -1], (0, 7)) & (steps[:, 3, -1] == 1)).mean(),
        "theme returns": 100 * (phrases[:, 0] == phrases[:, 2]).all(axis=1).mean(),
    }


# %% [markdown]
# The measure is the **cross-entropy**: the mean of $-\ln p$, where $p$ is the probability that a model gave to the note
# that came. It is the loss of training too. Who knows the rules, and that all else is even, cannot be beaten: 55
# phrases of four notes keep the rules for the first and for the second, the third is known, and 8 keep those for the
# last. Spread over 16 notes, $(2 \ln 55 + \ln 8) / 16$ is the floor.
#
# The baseline counts: how often did each note follow each pair of notes? *Which rules can a count of pairs learn,
# and which not?*


# %%
def count_pairs(inputs, targets):
    """Probabilities of the next note after each pair of notes, shape (9, 9, 8)."""
    pairs = np.full((9, 9, 8), 0.01)
    before = np.column_stack([np.full(len(inputs), START), inputs[:, :-1]])
    np.add.at(pairs, (before, inputs, targets), 1)
    return pairs / pairs.sum(axis=-1, keepdims=True)


def of_pairs(pairs, inputs):
    """The counted probabilities of the next note after each place of the inputs, (count, time, 8)."""
    return pairs[np.column_stack([np.full(len(inputs), START), inputs[:, :-1]]), inputs]


def cross_entropy(probabilities, targets):
    """Mean of -ln of the probabilities of the notes that came."""
    return -np.log(np.take_along_axis(probabilities, targets[..., None], axis=-1)).mean()


# %% tags=["nbval-check-output"]
pairs = count_pairs(*TRAIN_TUNES)
of_counts = cross_entropy(of_pairs(pairs, VALID_TUNES[0]), VALID_TUNES[1])
floor = (2 * np.log(55) + np.log(8)) / 16
results.table(
    ("even guessing, cross-entropy", np.log(8), (2.0, 2.1)),
    ("counts of pairs, validation", of_counts, (1.26, 1.27)),
    ("floor", floor, (0.63, 0.64)),
)

# %% [markdown]
# ### Exercise 4: train a composer
#
# Write `train_composer(train, validation, units, dropout, epochs)`. `train` and `validation` are pairs (inputs, targets)
# as above. Return two things, `model, history`:
#
# - `model`, of Keras's own layers, takes notes 0 to 8 of shape (batch, time), for any length of time, and gives logits of the
#   next note, shape (batch, time, 8). It starts with an `Embedding`, a table that keeps a list of numbers for each symbol
#   and learns them. Then **two** LSTM layers with `units` units each, one on the other, with a `Dropout` layer of the share `dropout`
#   after each. It is **causal**: what it says at a place depends on the notes up to this place and on none after it.
# - It is trained on `train` with `validation` as validation data, for `epochs` epochs at most. Training ends when the
#   validation loss has not improved for four epochs. Either way the model has the weights of the epoch with the best
#   validation loss.
# - `history` is what `fit` returned.
#
# The test trains it with 32 units for four epochs and asks for a validation loss below 1.26, that of the counts of pairs. What worked for us: an embedding of 16 numbers; Adam with a learning rate, the size of its steps, of .01 and
# `clipnorm=1.0`; `SparseCategoricalCrossentropy(from_logits=True)`; batches of 64 tunes; `EarlyStopping`, and
# `ReduceLROnPlateau(factor=0.3, patience=1)`, which makes the steps smaller where the validation loss no longer falls.


# %% grade_id="train_composer" solution=true
def train_composer(train, validation, units, dropout, epochs):
    """A stacked composer, trained while its validation loss falls, and the history of its training."""
    ### BEGIN SOLUTION
    notes = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 16)(notes)
    for _ in range(2):
        x = layers.LSTM(units, return_sequences=True)(x)
        x = layers.Dropout(dropout)(x)
    model = keras.Model(notes, layers.Dense(8, dtype="float32")(x))
    model.compile(
        keras.optimizers.Adam(0.01, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    slower = keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=1)
    stop = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
    history = model.fit(
        *train, batch_size=64, epochs=epochs, validation_data=validation,
        callbacks=[slower, stop], verbose=0,
    )  # fmt: skip
    return model, history
    ### END SOLUTION


# %%
def loss_of(model, pair):
    """The cross-entropy of a model's logits."""
    logits = model.predict(pair[0], batch_size=500, verbose=0)
    losses = keras.losses.sparse_categorical_crossentropy(pair[1], logits, from_logits=True)
    return float(ops.mean(losses))


# %% grade_id="composer_trains" points=2
keras.utils.set_random_seed(1)
given = [part.copy() for part in (*TRAIN_TUNES, *VALID_TUNES)]
composer, history = train_composer(given[:2], given[2:], 32, 0.2, 4)
kinds = [type(part).__name__ for part in flat_layers(composer)]
assert kinds.count("LSTM") == 2, f"Two LSTM layers were asked for; the layers are {kinds}."
sizes = [part.units for part in flat_layers(composer) if isinstance(part, layers.LSTM)]
assert sizes == [32, 32], f"The LSTM layers should have 32 units each, and have {sizes}."
shares = [part.rate for part in flat_layers(composer) if isinstance(part, layers.Dropout)]
assert shares == [0.2, 0.2], f"Two Dropout layers with the share .2; their shares are {shares}."
shape = composer.predict(given[2][:3, :5], verbose=0).shape
assert shape == (3, 5, 8), f"3 tunes of 5 notes should give logits of shape (3, 5, 8), got {shape}"
reached, noted = loss_of(composer, VALID_TUNES), history.history.get("val_loss", [])
# Over 20 seeds the reference reaches .89 to 1.02, mean .94, deviation .03: the limit is far beyond chance.
assert reached < 1.26, (
    f"Expected a validation loss below 1.26 after four epochs, got {reached:.4f}."
)
assert len(noted) == 4, f"Four epochs were asked for; the history has {len(noted)} of val_loss."
assert np.isclose(reached, min(noted), atol=2e-3), (
    f"The model's logits have the validation loss {reached:.4f}, and the best in the history is {min(noted):.4f}: is "
    "the loss computed from logits, and does the model have the weights of its best epoch?"
)
late = composer.predict(given[2][:5], verbose=0)[:, :9] - composer.predict(
    given[2][:5, :9], verbose=0
)
assert np.abs(late).max() < 1e-3, "What the model says of a note should not depend on later notes."

# %% grade_id="composer_stops" points=2
# Hidden tests: on few tunes whose validation is unlike the training, when does it stop, and with which weights?
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(3)
few, other = (one_late(tunes) for tunes in (ALL_TUNES[:64], rng.integers(8, size=(40, 16))))
given = [part.copy() for part in (*few, *other)]
composer, history = train_composer(given[:2], given[2:], 8, 0.0, 80)
noted = np.array(history.history["val_loss"])
best = int(noted.argmin())
assert len(noted) < 80, (
    "The validation loss no longer improved, and training went on to the last epoch."
)
assert len(noted) - 1 - best == 4, (
    f"The best validation loss came in epoch {best + 1}: training should end four epochs later, and ended in epoch {len(noted)}."
)
reached = loss_of(composer, other)
assert np.isclose(reached, noted[best], atol=2e-3), (
    f"The model should have the weights of its best epoch, with a validation loss of {noted[best]:.5f}, and has {reached:.5f}."
)
assert all(map(np.array_equal, given, (*few, *other))), "The arrays that were given changed."
sizes = [part.units for part in flat_layers(composer) if isinstance(part, layers.LSTM)]
assert sizes == [8, 8], f"8 units were asked for; the LSTM layers have {sizes}."
### END HIDDEN TESTS


# %% tags=["misconception"]
# The layers read in both directions: the backwards copy has read the very note that is to be told.
def train_composer(train, validation, units, dropout, epochs):
    notes = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 16)(notes)
    for _ in range(2):
        x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
        x = layers.Dropout(dropout)(x)
    model = keras.Model(notes, layers.Dense(8)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
    history = model.fit(
        *train,
        batch_size=64,
        epochs=epochs,
        validation_data=validation,
        callbacks=[stop],
        verbose=0,
    )
    return model, history


# %% tags=["misconception"]
# EarlyStopping keeps the weights of the last epoch: restore_best_weights=True is missing.
def train_composer(train, validation, units, dropout, epochs):
    notes = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 16)(notes)
    for _ in range(2):
        x = layers.Dropout(dropout)(layers.LSTM(units, return_sequences=True)(x))
    model = keras.Model(notes, layers.Dense(8)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=4)
    history = model.fit(
        *train,
        batch_size=32,
        epochs=epochs,
        validation_data=validation,
        callbacks=[stop],
        verbose=0,
    )
    return model, history


# %% tags=["misconception"]
# The training loss is watched, which goes on falling while the network learns its tunes by heart.
def train_composer(train, validation, units, dropout, epochs):
    notes = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 16)(notes)
    for _ in range(2):
        x = layers.Dropout(dropout)(layers.LSTM(units, return_sequences=True)(x))
    model = keras.Model(notes, layers.Dense(8)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=4, restore_best_weights=True)
    history = model.fit(
        *train,
        batch_size=32,
        epochs=epochs,
        validation_data=validation,
        callbacks=[stop],
        verbose=0,
    )
    return model, history


# %% tags=["misconception"]
# The loss takes the logits for probabilities: from_logits=True is missing.
def train_composer(train, validation, units, dropout, epochs):
    notes = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 16)(notes)
    for _ in range(2):
        x = layers.Dropout(dropout)(layers.LSTM(units, return_sequences=True)(x))
    model = keras.Model(notes, layers.Dense(8)(x))
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
    history = model.fit(
        *train,
        batch_size=32,
        epochs=epochs,
        validation_data=validation,
        callbacks=[stop],
        verbose=0,
    )
    return model, history


# %% tags=["misconception"]
# There is one LSTM layer instead of two.
def train_composer(train, validation, units, dropout, epochs):
    notes = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 16)(notes)
    x = layers.Dropout(dropout)(layers.LSTM(units, return_sequences=True)(x))
    model = keras.Model(notes, layers.Dense(8)(layers.Dropout(dropout)(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
    history = model.fit(
        *train,
        batch_size=32,
        epochs=epochs,
        validation_data=validation,
        callbacks=[stop],
        verbose=0,
    )
    return model, history


# %% tags=["misconception"]
# There is no early stopping: training goes on to the last epoch, however the validation loss rises.
def train_composer(train, validation, units, dropout, epochs):
    notes = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 16)(notes)
    for _ in range(2):
        x = layers.Dropout(dropout)(layers.LSTM(units, return_sequences=True)(x))
    model = keras.Model(notes, layers.Dense(8)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    history = model.fit(*train, batch_size=32, epochs=epochs, validation_data=validation, verbose=0)
    return model, history


# %% tags=["alternative"]
# A Sequential model, trained from tf.data.
def train_composer(train, validation, units, dropout, epochs):
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(START + 1, 24),
            layers.LSTM(units, return_sequences=True),
            layers.Dropout(dropout),
            layers.LSTM(units, return_sequences=True),
            layers.Dropout(dropout),
            layers.Dense(8),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01, global_clipnorm=1.0), loss=loss)
    batches = tf.data.Dataset.from_tensor_slices(tuple(train)).shuffle(3000, seed=0).batch(32)
    held_out = tf.data.Dataset.from_tensor_slices(tuple(validation)).batch(500)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    history = model.fit(
        batches, validation_data=held_out, epochs=epochs, callbacks=[stop], shuffle=False, verbose=0
    )
    return model, history


# %% tags=["alternative"]
# Forget gates that start open, RMSprop, and stacked cells written out.
def train_composer(train, validation, units, dropout, epochs):
    notes = keras.Input((None,), dtype="int32")
    first = layers.LSTM(units, return_sequences=True)(layers.Embedding(9, 16)(notes))
    second = layers.LSTM(units, return_sequences=True)(layers.Dropout(rate=dropout)(first))
    logits = layers.Dense(8, activation=None)(layers.Dropout(rate=dropout)(second))
    model = keras.Model(inputs=notes, outputs=logits)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.learning_rate = 0.01
    stop = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True, mode="min")
    history = model.fit(
        train[0], train[1], batch_size=26, epochs=epochs, validation_data=tuple(validation),
        callbacks=[stop], verbose=0,
    )  # fmt: skip
    return model, history


# %% tags=["demo"]
train_composer = fallbacks.choose(train_composer, ours.train_composer, ours.train_composer_works)

# %% [markdown]
# ### What stacking and dropout are worth
#
# Now in earnest. Your composer with 48 units and a share of .3, for up to 20 epochs; and, with the same care, a plainer
# rival: one layer of 64 units and no dropout. **What do you expect** of the two curves, training and validation, of each?

# %% tags=["demo"]
keras.utils.set_random_seed(0)
start = time.perf_counter()
composer, history = train_composer(TRAIN_TUNES, VALID_TUNES, 48, 0.3, 20)
composer_seconds = time.perf_counter() - start

# %% tags=["demo"]
keras.utils.set_random_seed(0)
notes = keras.Input((None,), dtype="int32")
x = layers.LSTM(64, return_sequences=True)(layers.Embedding(9, 16)(notes))
single = keras.Model(notes, layers.Dense(8, dtype="float32")(x))
single.compile(
    keras.optimizers.Adam(0.01, clipnorm=1.0),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
start = time.perf_counter()
single_history = single.fit(
    *TRAIN_TUNES, batch_size=64, epochs=20, validation_data=VALID_TUNES, verbose=0,
    callbacks=[
        keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=1),
        keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True),
    ],
)  # fmt: skip
single_seconds = time.perf_counter() - start

# %% tags=["demo"]
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.4), sharey=True)
names = ("one layer, no dropout", "two layers, dropout .3")
for axis, curves, name in zip(axes, (single_history.history, history.history), names):
    epochs = np.arange(1, len(curves["loss"]) + 1)
    axis.plot(epochs, curves["loss"], "--", color=plots.SKY, label="training")
    axis.plot(epochs, curves["val_loss"], color=plots.BLUE, label="validation")
    axis.axhline(floor, color=plots.BLACK, lw=1, ls=":", label="floor")
    axis.set(xlabel="epoch", ylim=(0.58, 1.0))
    axis.set_title(name, fontsize=11)
axes[0].set(ylabel="cross-entropy")
axes[0].legend(fontsize=10)
fig.suptitle(
    "Without dropout, the training loss falls below the floor", x=0.01, ha="left", fontsize=12
)
plots.show(
    fig,
    alt="Two panels of cross-entropy against epochs, with a dotted line at the floor, .63. Left, one layer without dropout: the "
    "validation loss levels off above the floor, and the training loss falls below it. Right, two layers with dropout: the training loss stays "
    "above the validation loss, which comes closer to the floor.",
)


# %% tags=["demo"]
def generate(probabilities, count, rng):
    """Tunes (count, 16) drawn note by note; probabilities maps notes so far (count, t) to the next (count, 8)."""
    tunes = np.full((count, 1), START)
    for _ in range(16):
        p = probabilities(tunes).cumsum(axis=1)
        drawn = (p < rng.random((count, 1))).sum(axis=1)
        tunes = np.column_stack([tunes, np.minimum(drawn, 7)])
    return tunes[:, 1:]


def by_network(model):
    """probabilities for `generate`: the softmax of a network's logits."""
    return lambda tunes: ops.convert_to_numpy(ops.softmax(model.predict_on_batch(tunes)[:, -1]))


# %% tags=["demo"]
KNOWN = {tune.tobytes() for tune in ALL_TUNES}
models = {
    "pairs": lambda tunes: of_pairs(pairs, tunes)[:, -1],
    "one layer": by_network(single),
    "two layers, dropout": by_network(composer),
}
made = {
    name: generate(model, 500, np.random.default_rng(0)).astype(ALL_TUNES.dtype)
    for name, model in models.items()
}
kept = {name: rules(tunes) for name, tunes in made.items()}
copied = {
    name: 100 * np.mean([t.tobytes() in KNOWN for t in tunes]) for name, tunes in made.items()
}
for name, shares in kept.items():
    print(f"{name:20s}", "  ".join(f"{rule} {share:.0f} %" for rule, share in shares.items()))

# %% tags=["demo", "nbval-check-output"]
lost = [loss_of(network, TEST_TUNES) for network in (single, composer)]
results.table(
    ("one layer, cross-entropy (test)", lost[0], (0.64, 0.66)),
    ("two layers with dropout", lost[1], (0.63, 0.65)),
    ("one layer, % above the floor", 100 * (lost[0] / floor - 1), (2, 4.2)),
    ("two layers with dropout, % above the floor", 100 * (lost[1] / floor - 1), (0.5, 2.5)),
    parameters=[single.count_params(), composer.count_params(), None, None],
    seconds=[single_seconds, composer_seconds, None, None],
    epochs=[len(single_history.history["loss"]), len(history.history["loss"]), None, None],
)
print("\nof 500 tunes, in %:")
results.table(
    ("theme returns, pairs", kept["pairs"]["theme returns"], (0, 2)),
    ("theme returns, one layer", kept["one layer"]["theme returns"], (86, 97)),
    ("theme returns, two layers", kept["two layers, dropout"]["theme returns"], (89, 100)),
    ("ends at home, two layers", kept["two layers, dropout"]["home"], (98, 100)),
    ("copied, one layer", copied["one layer"], (10, 21)),
    ("copied, two layers", copied["two layers, dropout"], (8, 17)),
    ("copied by chance, who knows the rules", 100 * len(KNOWN) / (55 * 55 * 8), (11, 12)),
)

# %% [markdown]
# Look at the left curve: its training loss goes *below the floor*. Nobody who knows the rules alone can do that, so this network
# has begun to learn its 2,600 tunes by heart, and the validation data show that this is of no use. With dropout it cannot; the training
# loss, measured with three tenths of the numbers missing, even lies above that of the validation. Two layers with dropout
# come nearer to the floor, for half as many parameters again and about twice the time. Both changes were made at once, so this does
# not say which of them it was. The difference is one between good and slightly better: both networks keep
# the theme in their state over eight notes, which no count of pairs does.
#
# Do they copy? Of the tunes by two layers with dropout, one in nine is in the data that we had. That sounds like copying, and it is what chance gives:
# of the 24,200 tunes that keep the rules, we had so large a share. The one layer without dropout copied more than chance in each of 20 runs, as its
# training curve has let us fear, if only by a few tunes in a hundred. Without the third number one would accuse the honest composer, or acquit the other.
#
# Here is the first of your composer's tunes that is new and whose theme returns, to hear.

# %% tags=["demo"]
from IPython.display import Audio, display

phrases = made["two layers, dropout"].reshape(-1, 4, 4)
returns = (phrases[:, 0] == phrases[:, 2]).all(axis=1)
fresh = [tune.tobytes() not in KNOWN for tune in made["two layers, dropout"]]
tune = made["two layers, dropout"][np.flatnonzero(returns & fresh)[0]]
moments = np.arange(2000) / 8000
semitones = np.array([0, 2, 4, 5, 7, 9, 11, 12])[tune]
fade = np.minimum(1, 40 * moments) * np.exp(-5 * moments)
sound = [fade * np.sin(2 * np.pi * 261.6 * 2 ** (s / 12) * moments) for s in semitones]
display(Audio(np.concatenate(sound), rate=8000))

# %% [markdown]
# ### A composer that has read the answer
#
# Recall the warning about both directions. Here is the composer again with one change: its one layer is bidirectional. *What
# will its validation loss be after three epochs, and what will its tunes be like?*

# %% tags=["demo"]
keras.utils.set_random_seed(0)
notes = keras.Input((None,), dtype="int32")
both_ways = layers.Bidirectional(layers.LSTM(32, return_sequences=True))
x = both_ways(layers.Embedding(9, 16)(notes))
prophet = keras.Model(notes, layers.Dense(8, dtype="float32")(x))
prophet.compile(
    keras.optimizers.Adam(0.01, clipnorm=1.0),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
prophet.fit(*TRAIN_TUNES, batch_size=64, epochs=3, validation_data=VALID_TUNES, verbose=0)


def without_future(model, pair):
    """The cross-entropy where each note is told from the notes before it, and nothing else is there."""
    logits = [model.predict_on_batch(pair[0][:, : place + 1])[:, -1] for place in range(16)]
    probabilities = ops.convert_to_numpy(ops.softmax(np.stack(logits, axis=1)))
    return cross_entropy(probabilities, pair[1])


# %% tags=["demo", "nbval-check-output"]
results.table(
    ("validation loss of fit", loss_of(prophet, VALID_TUNES), (0.004, 0.008)),
    ("floor", floor, (0.63, 0.64)),
    ("loss where the future is not there", without_future(prophet, VALID_TUNES), (1.9, 2.8)),
    ("the same for your composer", without_future(composer, VALID_TUNES), (0.63, 0.65)),
)

# %% [markdown]
# A loss far *below the floor* is a score that nobody can reach, and a sign of a leak. The input one place on *is* the note to
# be told, and the backwards copy has read it. Where the future is not there, as whenever one composes, this network is worse
# than the composer; early stopping would not have told, for its validation data leak in the same way.

# %% [markdown]
# ## The sea, some months ahead
#
# `sea_temperature` holds 732 real months, 1950 to 2010, of the Pacific off Ecuador and northern Peru. In some
# years it is more than four degrees too warm, El Niño, and floods, failed fisheries and droughts elsewhere
# follow. Fishers and farmers would like to know some months before. Most of the movement is the year's own
# course: the mean of each calendar month, the **climatology**. We subtract it and forecast what remains, the
# **anomaly**.
#
# Now the rule that everything rests on: **whatever a forecast is made from must have been known when it is made.** That
# goes for the weights, and for the climatology and the scale too. We train on targets before 1980, choose on those of
# the 1980s, which are the validation data, and test on 1990 to 2010.

# %% [markdown]
# ### Exercise 5: windows without the future
#
# Write `make_windows(celsius, month, length, horizon, valid, test)` with NumPy. `celsius`, an array of shape (n,), holds
# the temperatures of consecutive months; `month` their calendar months, 1 to 12. The months at positions before `valid` are for
# training, those from `test` on for the test, and those between for validation.
#
# 1. From the **training months alone**, compute the mean of each calendar month; subtract it from *all* temperatures.
# 2. Make windows: `length` anomalies in a row are the input, and the `horizon` anomalies that follow them are the target.
# 3. A window belongs to the part in which its target lies, **all** of it; a window whose target lies in two parts is
#    dropped. *Inputs* of validation and test may lie in earlier parts: the past is known.
#
# Return three pairs, `(x, y)` for training, for validation and for the test, in the order of time; each `x` is an array of shape
# (windows, `length`), each `y` of shape (windows, `horizon`). Use every window there is.


# %% grade_id="make_windows" solution=true
def make_windows(celsius, month, length, horizon, valid, test):
    """Three pairs of inputs and targets, anomalies: training, validation, test."""
    ### BEGIN SOLUTION
    mean = np.array([celsius[:valid][month[:valid] == m].mean() for m in range(1, 13)])
    anomaly = celsius - mean[month - 1]
    both = np.lib.stride_tricks.sliding_window_view(anomaly, length + horizon)
    first = np.arange(len(both)) + length
    parts = []
    for begin, end in ((0, valid), (valid, test), (test, len(celsius))):
        inside = (first >= begin) & (first + horizon <= end)
        parts.append((both[inside, :length], both[inside, length:]))
    return tuple(parts)
    ### END SOLUTION


# %%
def windows_one_by_one(celsius, month, length, horizon, valid, test):
    """The number of windows of each part, and what their first and last inputs and targets should be."""
    known = [celsius[:valid][month[:valid] == m].mean() for m in range(1, 13)]
    anomaly = np.array([t - known[m - 1] for t, m in zip(celsius, month)])
    for begin, end in ((length, valid), (max(valid, length), test), (test, len(celsius))):
        starts = range(begin - length, end - length - horizon + 1)
        cut = [anomaly[s : s + length + horizon] for s in starts]
        yield np.reshape(cut, (len(starts), length + horizon))


# %% grade_id="windows_by_hand" points=2
count = 20.0 + np.arange(60) ** 1.5 % 7
given = count, (np.arange(60) + 2) % 12 + 1, 6, 2, 30, 41
parts = [tuple(map(np.asarray, part)) for part in make_windows(*given)]
shapes = [(x.shape, y.shape) for x, y in parts]
assert shapes == [((23, 6), (23, 2)), ((10, 6), (10, 2)), ((18, 6), (18, 2))], (
    "60 months, 6 as input, the 2 after them as target; training before 30, test from 41: there are 23, 10 and 18 windows. "
    f"The shapes of the pairs (x, y) are {shapes}."
)
for name, (x, y), wanted in zip(
    ("training", "validation", "test"), parts, windows_one_by_one(*given)
):
    for what, got, right in (("input", x, wanted[:, :6]), ("target", y, wanted[:, 6:])):
        assert np.allclose(got[0], right[0], atol=1e-3), (
            f"{name}: the first {what} should be {right[0].round(3)}, and is {got[0].round(3)}. Where does the first "
            "target of this part lie, and which months make the means?"
        )

# %% grade_id="windows_values" points=1
# Hidden tests: every window, for other lengths and for series that begin in another month.
### BEGIN HIDDEN TESTS
for size, *how, first in [(70, 6, 3, 36, 50, 1), (95, 12, 1, 50, 70, 4), (80, 5, 6, 40, 55, 11)]:
    rng, (length, horizon, valid, test) = np.random.default_rng(size), how
    celsius, month = 20 + rng.normal(size=size), (np.arange(size) + first - 1) % 12 + 1
    given = celsius.copy(), month.copy()
    parts = make_windows(*given, *how)
    case = f"length {length}, horizon {horizon}, validation from {valid}, test from {test}"
    names = ("training", "validation", "test")
    whole = list(windows_one_by_one(celsius, month, *how))
    for name, part, wanted in zip(names, parts, whole, strict=True):
        x, y = (np.array(values) for values in part)
        shapes, count = (x.shape, y.shape), len(wanted)
        assert shapes == ((count, length), (count, horizon)), f"{case}: {name} shapes {shapes}."
        assert np.allclose(x, wanted[:, :length], atol=1e-4), (
            f"{case}: some {name} inputs are wrong."
        )
        assert np.allclose(y, wanted[:, length:], atol=1e-4), (
            f"{case}: some {name} targets are wrong."
        )
    assert all(map(np.array_equal, given, (celsius, month))), "The arrays that were given changed."
### END HIDDEN TESTS

# %% grade_id="windows_leak" points=1
# Hidden tests: the future is changed; nothing of the training windows may change with it.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(7)
celsius, month = 20 + rng.normal(size=90), np.arange(90) % 12 + 1
for begin, name in ((48, "validation"), (66, "test")):
    hotter = celsius + 10 * (np.arange(90) >= begin)
    before, after = (make_windows(values, month, 6, 3, 48, 66) for values in (celsius, hotter))
    counts = [len(part) for part in windows_one_by_one(celsius, month, 6, 3, 48, 66)]
    for part in range(1 if begin == 48 else 2):
        shapes = (counts[part], 6), (counts[part], 3)
        pairs = zip(("inputs", "targets"), shapes, before[part], after[part], strict=True)
        for what, shape, one, other in pairs:
            got = np.shape(one), np.shape(other)
            assert got == (shape, shape), f"Expected {what} of shape {shape}, got {got}."
            assert np.allclose(np.array(one), np.array(other)), (
                f"A leak: the {name} months were made 10 degrees hotter, and the {what} of earlier windows changed. "
                "What do they, or the means of the calendar months, know of later months?"
            )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The means of the calendar months are taken over all years, so the training data know how warm the future was.
def make_windows(celsius, month, length, horizon, valid, test):
    mean = np.array([celsius[month == m].mean() for m in range(1, 13)])
    both = np.lib.stride_tricks.sliding_window_view(celsius - mean[month - 1], length + horizon)
    first, parts = np.arange(len(both)) + length, []
    for begin, end in ((0, valid), (valid, test), (test, len(celsius))):
        inside = (first >= begin) & (first + horizon <= end)
        parts.append((both[inside, :length], both[inside, length:]))
    return tuple(parts)


# %% tags=["misconception"]
# The means of the calendar months are taken over everything before the test: the validation months help to make them.
def make_windows(celsius, month, length, horizon, valid, test):
    mean = np.array([celsius[:test][month[:test] == m].mean() for m in range(1, 13)])
    both = np.lib.stride_tricks.sliding_window_view(celsius - mean[month - 1], length + horizon)
    first, parts = np.arange(len(both)) + length, []
    for begin, end in ((0, valid), (valid, test), (test, len(celsius))):
        inside = (first >= begin) & (first + horizon <= end)
        parts.append((both[inside, :length], both[inside, length:]))
    return tuple(parts)


# %% tags=["misconception"]
# A window belongs to the part in which its target begins, so the end of the target can lie in the next part.
def make_windows(celsius, month, length, horizon, valid, test):
    mean = np.array([celsius[:valid][month[:valid] == m].mean() for m in range(1, 13)])
    both = np.lib.stride_tricks.sliding_window_view(celsius - mean[month - 1], length + horizon)
    first, parts = np.arange(len(both)) + length, []
    for begin, end in ((0, valid), (valid, test), (test, len(celsius))):
        inside = (first >= begin) & (first < end)
        parts.append((both[inside, :length], both[inside, length:]))
    return tuple(parts)


# %% tags=["misconception"]
# The series is cut into its parts first, so the first test windows lack the past that was known.
def make_windows(celsius, month, length, horizon, valid, test):
    mean = np.array([celsius[:valid][month[:valid] == m].mean() for m in range(1, 13)])
    parts = []
    for piece in np.split(celsius - mean[month - 1], [valid, test]):
        both = np.lib.stride_tricks.sliding_window_view(piece, length + horizon)
        parts.append((both[:, :length], both[:, length:]))
    return tuple(parts)


# %% tags=["misconception"]
# The windows are shuffled before they are divided, so months on both sides of every test month are in training.
def make_windows(celsius, month, length, horizon, valid, test):
    mean = np.array([celsius[:valid][month[:valid] == m].mean() for m in range(1, 13)])
    both = np.lib.stride_tricks.sliding_window_view(celsius - mean[month - 1], length + horizon)
    both = np.random.default_rng(0).permutation(both)
    cuts = valid - length - horizon + 1, test - length - 2 * horizon + 2
    parts = both[: cuts[0]], both[cuts[0] : cuts[1]], both[cuts[1] : len(both) - horizon + 1]
    return tuple((part[:, :length], part[:, length:]) for part in parts)


# %% tags=["misconception"]
# The target is the single month that lies `horizon` months on, where all months up to it were asked for.
def make_windows(celsius, month, length, horizon, valid, test):
    mean = np.array([celsius[:valid][month[:valid] == m].mean() for m in range(1, 13)])
    both = np.lib.stride_tricks.sliding_window_view(celsius - mean[month - 1], length + horizon)
    first, parts = np.arange(len(both)) + length, []
    for begin, end in ((0, valid), (valid, test), (test, len(celsius))):
        inside = (first >= begin) & (first + horizon <= end)
        parts.append((both[inside, :length], both[inside, -1:]))
    return tuple(parts)


# %% tags=["misconception"]
# The target begins one month late: the month after the last input is left out.
def make_windows(celsius, month, length, horizon, valid, test):
    mean = np.array([celsius[:valid][month[:valid] == m].mean() for m in range(1, 13)])
    both = np.lib.stride_tricks.sliding_window_view(celsius - mean[month - 1], length + horizon + 1)
    first, parts = np.arange(len(both)) + length + 1, []
    for begin, end in ((0, valid), (valid, test), (test, len(celsius))):
        inside = (first >= begin) & (first + horizon <= end)
        parts.append((both[inside, :length], both[inside, length + 1 :]))
    return tuple(parts)


# %% tags=["misconception"]
# The means are subtracted in place, which changes the caller's temperatures.
def make_windows(celsius, month, length, horizon, valid, test):
    mean = np.array([celsius[:valid][month[:valid] == m].mean() for m in range(1, 13)])
    celsius -= mean[month - 1]
    both = np.lib.stride_tricks.sliding_window_view(celsius, length + horizon)
    first, parts = np.arange(len(both)) + length, []
    for begin, end in ((0, valid), (valid, test), (test, len(celsius))):
        inside = (first >= begin) & (first + horizon <= end)
        parts.append((both[inside, :length], both[inside, length:]))
    return tuple(parts)


# %% tags=["alternative"]
# A loop over the windows.
def make_windows(celsius, month, length, horizon, valid, test):
    total, times = (np.bincount(month[:valid], w, 13) for w in (celsius[:valid], None))
    anomaly = celsius - (total / np.maximum(times, 1))[month]
    parts = [([], []), ([], []), ([], [])]
    for begin in range(length, len(celsius) - horizon + 1):
        first, last = (
            int(np.searchsorted([valid, test], m, "right")) for m in (begin, begin + horizon - 1)
        )
        if first == last:
            parts[first][0].append(anomaly[begin - length : begin])
            parts[first][1].append(anomaly[begin : begin + horizon])
    return [(np.array(x), np.array(y)) for x, y in parts]


# %% tags=["alternative"]
# Slices: how many windows each part has can be counted.
def make_windows(celsius, month, length, horizon, valid, test):
    means = {m: celsius[:valid][month[:valid] == m].mean() for m in range(1, 13)}
    anomaly = celsius - np.array([means[m] for m in month])
    both = np.lib.stride_tricks.sliding_window_view(anomaly, length + horizon)
    spans = (0, valid - length), (valid - length, test - length), (test - length, len(anomaly))
    parts = [
        both[begin : end - horizon + 1] if end < len(anomaly) else both[begin:]
        for begin, end in spans
    ]
    return [(part[:, :length], part[:, length:]) for part in parts]


# %% tags=["demo"]
make_windows = fallbacks.choose(make_windows, ours.make_windows, ours.make_windows_works)
LENGTH, HORIZON = 12, 6
VALID, TEST = (int(np.argmax(YEAR == year)) for year in (1980, 1990))
(x_sea, y_sea), (x_valid, y_valid), (x_test, y_test) = make_windows(
    CELSIUS, MONTH, LENGTH, HORIZON, VALID, TEST
)

# %% [markdown]
# ### Four forecasts that need no network
#
# *Climatology* forecasts an anomaly of 0. *Persistence* forecasts that the anomaly stays as it is. *Linear
# regression* weighs the last twelve anomalies, with twelve weights and a constant for each month ahead and a penalty on large
# weights. And *nearest past* looks for the most similar windows of the past and takes the mean of what followed. Penalty and number
# of neighbours are chosen on the validation windows. The measure is the mean absolute error (MAE) in degrees, and the
# linear model is fitted to it, as the network will be, and not to the squared error.

# %% tags=["demo"]
from sklearn.linear_model import LinearRegression, QuantileRegressor
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor


def error(forecast, truth):
    """Mean absolute error, in °C, of each month ahead."""
    return np.abs(forecast - truth).mean(axis=0)


def best_of(candidates):
    """The fitted model with the smallest error on the validation windows."""
    fitted = [model.fit(x_sea, y_sea) for model in candidates]
    return min(fitted, key=lambda model: error(model.predict(x_valid), y_valid).mean())


def linear_model(penalty):
    """Linear regression on the absolute error: for each month ahead, the median of what may come."""
    return MultiOutputRegressor(QuantileRegressor(quantile=0.5, alpha=penalty))


# %% tags=["demo"]
squared = LinearRegression().fit(x_sea, y_sea)
linear = best_of([linear_model(penalty) for penalty in (0, 0.001, 0.01, 0.03, 0.1)])
nearest = best_of([KNeighborsRegressor(k) for k in (1, 3, 5, 10, 20, 40)])
forecasts = {
    "climatology": np.zeros_like(y_test),
    "persistence": np.repeat(x_test[:, -1:], HORIZON, axis=1),
    "nearest past": nearest.predict(x_test),
    "linear": linear.predict(x_test),
}

# %% [markdown]
# The network: a GRU reads the twelve anomalies, in units of their standard deviation in the training months, and answers for
# six months at once. It is trained on the measure itself, with early stopping, in three sizes, and
# the validation windows choose. *Where do you expect it between persistence and the linear model?*

# %% tags=["demo"]
SCALE = float(np.std(y_sea))


def train_forecaster(units, dropout):
    """A GRU that forecasts, trained while its validation error falls, and its history."""
    inputs = keras.Input((LENGTH, 1))
    x = layers.Dropout(dropout)(layers.GRU(units)(inputs))
    model = keras.Model(inputs, layers.Dense(HORIZON, dtype="float32")(x))
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), "mae")
    stop = keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    history = model.fit(
        x_sea[..., None] / SCALE, y_sea / SCALE, epochs=40, verbose=0, callbacks=[stop],
        validation_data=(x_valid[..., None] / SCALE, y_valid / SCALE),
    )  # fmt: skip
    return model, np.array(history.history["val_loss"]) * SCALE


# %% tags=["demo"]
keras.utils.set_random_seed(0)
start = time.perf_counter()
sizes = [(16, 0.0), (32, 0.0), (32, 0.3)]
trials = {size: train_forecaster(*size) for size in sizes}
gru_seconds = time.perf_counter() - start
size = min(trials, key=lambda size: trials[size][1].min())
gru = trials[size][0]
forecasts["GRU"] = SCALE * gru.predict(x_test[..., None] / SCALE, verbose=0)
errors = {name: error(forecast, y_test) for name, forecast in forecasts.items()}

# %% tags=["demo"]
fig, axis = plt.subplots()
looks = zip(
    errors,
    (plots.BLACK, plots.SKY, plots.PINK, plots.GREEN, plots.ORANGE),
    "sD^vo",
    ("--", ":", ":", "-", "-"),
)
for name, color, marker, style in looks:
    axis.plot(range(1, 7), errors[name], style, marker=marker, color=color, label=name)
axis.set(xlabel="months ahead", ylabel="mean absolute error (°C)", ylim=(0, 1.15))
axis.set(title="Twelve weights for each month forecast the sea as well as a GRU")
axis.legend(loc="lower right", fontsize=10)
plots.show(
    fig,
    alt="Mean absolute error in degrees for 1 to 6 months ahead. Climatology is level at about .85. Persistence starts at .37 and crosses "
    "it between four and five months. Nearest past lies between persistence and climatology up to three months, and above climatology from four. Linear and GRU are nearly the same line, from less than .4 to about .8.",
)

# %% tags=["demo", "nbval-check-output"]
print("mean absolute error in °C, 1990 to 2010:")
shown = ("climatology", "persistence", "linear", "GRU")
limits = {
    1: ((0.84, 0.85), (0.36, 0.37), (0.36, 0.37), (0.35, 0.4)),
    3: ((0.84, 0.85), (0.72, 0.73), (0.66, 0.68), (0.64, 0.7)),
    6: ((0.85, 0.86), (0.95, 0.97), (0.81, 0.82), (0.76, 0.84)),
}
columns = [None, None, 6 * (LENGTH + 1), gru.count_params()]
results.table(
    *[
        (f"{name}, {ahead} months ahead", errors[name][ahead - 1], limit)
        for ahead, ranges in limits.items()
        for name, limit in zip(shown, ranges)
    ],
    (
        "linear on squared errors, 6 months ahead",
        error(squared.predict(x_test), y_test)[5],
        (0.83, 0.85),
    ),
    parameters=[*columns * 3, columns[2]],
    seconds=([None] * 3 + [gru_seconds]) * 3 + [None],
)

# %% [markdown]
# One month ahead neither the line nor the network is better than "as it is now"; at three months line and network are alike, and
# know something that climatology does not; at six months the network was ahead in 19 of 20 runs, by some two hundredths of a degree, where the
# forecasts are off by eight tenths. Note what made this comparison even: the same windows, the same measure in training, and a choice on the
# same validation data. Against a linear model fitted to *squared* errors the network
# would have seemed to win by twice as much. The network may pay with many series at once, with winds and depths as
# further inputs, with relations that bend. With some 340 windows of one number, take the line.

# %% [markdown]
# ### A leak that makes a bad model look good
#
# *Nearest past* is worse than climatology at six months. Now the same kind of model with three neighbours, scored on the *same months*, but with
# the usual shuffled cross-validation: all windows are dealt into ten parts at random, and each part is forecast
# from the other nine. *What will it score?*
#
# And two other leaks. *Smoothing*: the series is smoothed with a centred mean of five months before windows are
# made. *Scaling*: the climatology is taken over all years, test years too.

# %% tags=["demo"]
from sklearn.model_selection import KFold, cross_val_predict

x_all, y_all = (
    np.concatenate(parts) for parts in ((x_sea, x_valid, x_test), (y_sea, y_valid, y_test))
)
folds = KFold(10, shuffle=True, random_state=0)
shuffled = cross_val_predict(KNeighborsRegressor(3), x_all, y_all, cv=folds)[-len(x_test) :]

season = np.array([CELSIUS[:VALID][MONTH[:VALID] == m].mean() for m in range(1, 13)])
smooth = np.convolve(CELSIUS - season[MONTH - 1], np.full(5, 0.2), "same")
(x_smooth, _), _, (x_smooth_test, _) = make_windows(
    smooth + season[MONTH - 1], MONTH, LENGTH, HORIZON, VALID, TEST
)
peeking = linear_model(0.001).fit(x_smooth, y_sea).predict(x_smooth_test)

all_years = np.array([CELSIUS[MONTH == m].mean() for m in range(1, 13)])
both = CELSIUS - all_years[MONTH - 1]
both = np.lib.stride_tricks.sliding_window_view(both, LENGTH + HORIZON)
x_known, y_known = both[: len(x_sea), :LENGTH], both[: len(x_sea), LENGTH:]
knowing = linear_model(0.001).fit(x_known, y_known)
known = error(knowing.predict(both[-len(x_test) :, :LENGTH]), both[-len(x_test) :, LENGTH:])

# %% tags=["demo", "nbval-check-output"]
results.table(
    ("nearest past, 6 months ahead, honest", errors["nearest past"][5], (0.93, 0.94)),
    ("nearest past, 6 months ahead, shuffled", error(shuffled, y_test)[5], (0.73, 0.79)),
    ("linear, 1 month ahead, honest", errors["linear"][0], (0.36, 0.37)),
    ("linear, 1 month ahead, smoothed before", error(peeking, y_test)[0], (0.14, 0.15)),
    ("linear, 6 months ahead, honest", errors["linear"][5], (0.81, 0.82)),
    ("linear, 6 months ahead, climatology of all years", known[5], (0.81, 0.83)),
)

# %% [markdown]
# Shuffled, nearly every test window has neighbours in training that begin a month earlier or later and share
# eleven of its twelve inputs and five of its six targets. To look such a neighbour up is what this model does, so a forecast that
# is worse than climatology looks **as good as the best honest one**. The smoothed month holds a fifth of each of the
# two months after it: the answer was in the input. The climatology over all years, the leak that is named most
# often, changed least, and for the worse. The size of a leak cannot be guessed from its kind; so leave none.

# %% [markdown]
# ## Stock prices: yesterday's wins
#
# `stock_prices` has 1,047 real trading days of one share, Google's, 2004 to 2008. A GRU reads twenty closing
# prices and forecasts the next. It is trained on prices up to the end of June 2007, stops by those of the rest of 2007,
# and is tested on 2008. One usually shows such a plot:

# %% tags=["demo"]
days = datasets.arrays("stock_prices", "train")
price = days["close"].astype("float64")
both = np.lib.stride_tricks.sliding_window_view(price, 21)
first_day = int(np.argmax(days["year"] == 2008))
target_day = np.arange(len(both)) + 20
in_2008, late_2007 = (
    target_day >= first_day,
    (target_day < first_day) & (target_day >= first_day - 126),
)
early = ~in_2008 & ~late_2007
mean, spread = price[: first_day - 126].mean(), price[: first_day - 126].std()
z = ((both - mean) / spread).astype("float32")

keras.utils.set_random_seed(0)
inputs = keras.Input((20, 1))
trader = keras.Model(inputs, layers.Dense(1, dtype="float32")(layers.GRU(16)(inputs)))
trader.compile(keras.optimizers.Adam(0.01), "mse")
trader.fit(
    z[early, :-1, None], z[early, -1], epochs=25, verbose=0,
    validation_data=(z[late_2007, :-1, None], z[late_2007, -1]),
    callbacks=[keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)],
)  # fmt: skip
said = mean + spread * trader.predict(z[in_2008, :-1, None], verbose=0)[:, 0]
real, yesterday = both[in_2008, -1], both[in_2008, -2]

# %% tags=["demo"]
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.2), width_ratios=(2, 1.3))
for axis, part in zip(axes, (slice(None), slice(60, 90))):
    day = np.arange(len(real))[part]
    axis.plot(day, real[part], color=plots.BLACK, lw=1.5, label="real")
    axis.plot(day, said[part], "--", color=plots.ORANGE, lw=1.5, label="GRU said")
    axis.set(xlabel="trading day of 2008")
axes[0].set(ylabel="price (US dollars)")
axes[0].legend(fontsize=10)
axes[1].set_title("the same, 30 days", fontsize=11)
fig.suptitle(
    "The forecast looks right, and it is yesterday's price", x=0.01, ha="left", fontsize=12
)
plots.show(
    fig,
    alt="Left, real and forecast price through 2008: the two lines lie nearly on top of each other. Right, thirty days enlarged: the dashed forecast makes "
    "each jump of the real price one day late.",
)

# %% [markdown]
# It looks splendid, and the share of the prices' variance that it explains, $R^2$, is high. *Does it beat the
# price of the day before?*

# %% tags=["demo", "nbval-check-output"]
results.table(
    ("R² of the GRU", 1 - np.mean((said - real) ** 2) / real.var(), (0.89, 0.96)),
    ("error of the GRU, dollars", np.abs(said - real).mean(), (10.8, 18)),
    ("error of yesterday's price, dollars", np.abs(yesterday - real).mean(), (10.7, 10.9)),
    (
        "right about up or down, % of days",
        100 * np.mean((said > yesterday) == (real > yesterday)),
        (48, 61),
    ),
    parameters=[None, trader.count_params(), None, None],
)

# %% [markdown]
# The network has learnt to repeat the last price, with some noise. It could hardly do better: if it were known
# that the price will be higher tomorrow, people would buy today, until it is higher today. A high $R^2$ says
# only that today's price resembles yesterday's. For any forecast, ask first: **what would the last value have
# scored?**

# %% [markdown]
# ## What it cannot do, and whom it can hurt
#
# Nobody on the coast of Peru needs to be told that the sea will be as usual; what matters is the large El Niño.
# So take the months from 1990 on that were more than 1.5 degrees too warm. *How much of the excess had been
# forecast three months before?*

# %% tags=["demo", "nbval-check-output"]
hot = y_test[:, 2] > 1.5
truth = y_test[hot, 2].mean()
share = {name: 100 * forecasts[name][hot, 2].mean() / truth for name in forecasts}
worse = {
    name: np.abs(forecasts[name] - y_test)[hot, 2].mean() / errors[name][2]
    for name in ("linear", "GRU")
}
results.table(
    ("test months more than 1.5 °C too warm", int(hot.sum()), (35, 35)),
    ("excess forecast by the linear model, %", share["linear"], (43, 44)),
    ("excess forecast by the GRU, %", share["GRU"], (39, 54)),
    ("excess forecast by persistence, %", share["persistence"], (74, 75)),
    ("linear model: error there, times the usual", worse["linear"], (2.1, 2.2)),
    ("GRU: error there, times the usual", worse["GRU"], (1.9, 2.3)),
)

# %% [markdown]
# Line and GRU forecast about half of the heat that came, or less, and their error in those months is about twice
# their usual one. Persistence, worse on average, forecast more of it. A model trained to be
# right on average draws everything towards the average, and extremes were rare in its data. Those who fish and
# farm pay for that, while the mean error looks respectable. So report the error where it matters, and give a
# range, not one number.
#
# A share's forecast hurts otherwise: plots like ours, without persistence beside them, are used to sell. And a
# recurrent network gives no reasons: all that it read is mixed into one vector, and nothing in there says which
# month, or which word, made the answer.

# %% [markdown]
# ## At full size
#
# `groove/full-midionly` holds real drumming: 1,150 performances by professional drummers, 13.6 hours, each blow with its time and
# strength, divided into training, validation and test by the musicians and researchers who recorded them (Gillick and others, 2019).
# The cells below train a stacked composer on it. They need
#
# - the data set: 3.1 MB, fetched by `course download groove/full-midionly`; without it the first cell says so, and the
#   others do nothing;
# - a GPU, where `course.setup` chooses float16, numbers of 16 bits. `ModelCheckpoint` writes the best weights so far into a
#   file, so that a training that is cut off is not lost. We have not trained it at full size; only its code has been run, on
#   small data. Dropout stands between the layers and not within, so that cuDNN's fast LSTM is used. With some 600 steps an epoch
#   expect minutes; on two cores of a laptop set `EPOCHS = 2`.
#
# What is new: several drums sound at once. A step is a sixteenth note and holds nine numbers, 1 where a drum is struck, after
# the nine groups of drums that the data's authors use. So the output is nine logits, each with a sigmoid, and the loss the
# **binary cross-entropy** of each, added up. A file is read by `course.midi`.

# %% tags=["full-size"]
course.setup(seed=0, precision="auto")
from course import midi

DRUMS = "kick snare closed-hat open-hat low-tom mid-tom high-tom crash ride".split()
try:
    grids = {
        part: [midi.drum_grid(row["midi"].numpy()) for row in rows]
        for part, rows in datasets.load("groove/full-midionly").items()
    }
except datasets.DatasetNotDownloadedError as error:
    grids = None
    print(error)

# %% tags=["full-size"]
UNITS, WINDOW, BATCH, EPOCHS = 256, 64, 64, 60


def drum_data(grids, shuffle):
    """Batches of four bars: nine drums at each sixteenth, and the same one step on."""
    pieces = []
    for grid in grids:
        for start in range(0, len(grid) - WINDOW, WINDOW // 4):
            pieces.append(grid[start : start + WINDOW + 1])
    data = tf.data.Dataset.from_tensor_slices(np.array(pieces, "float32"))
    data = data.shuffle(len(pieces), seed=0) if shuffle else data
    return data.batch(BATCH).map(lambda piece: (piece[:, :-1], piece[:, 1:])).prefetch(2)


def drummer():
    """Two stacked layers of LSTM with dropout, and a logit for each drum."""
    steps = keras.Input((None, len(DRUMS)))
    x = steps
    for _ in range(2):
        x = layers.LSTM(UNITS, return_sequences=True)(x)
        x = layers.Dropout(0.3)(x)
    return keras.Model(steps, layers.Dense(len(DRUMS), dtype="float32", name="logits")(x))


# %% tags=["full-size"]
if grids is not None:
    band = drummer()
    band.compile(
        keras.optimizers.Adam(0.001, clipnorm=1.0),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    checkpoint = datasets.data_dir().parent / "checkpoints" / "groove.keras"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    band_history = band.fit(
        drum_data(grids["train"], shuffle=True),
        validation_data=drum_data(grids["validation"], shuffle=False),
        epochs=EPOCHS,
        shuffle=False,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=2),
            keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True),
            keras.callbacks.ModelCheckpoint(checkpoint, save_best_only=True),
        ],
        verbose=2,
    )

# %% [markdown]
# The same questions as above: is it better than counting, and better than persistence? The rivals here are each drum's own share of
# steps, and the bar before. Drumming repeats itself, so the second is a strong one; persistence says 0 or 1, so it is compared by
# the share of blows that are right.

# %% tags=["full-size"]
if grids is not None:
    pairs_of = list(drum_data(grids["test"], shuffle=False).as_numpy_iterator())
    heard_steps, came = (np.concatenate(parts) for parts in zip(*pairs_of))
    chance = 1 / (1 + np.exp(-band.predict(heard_steps, batch_size=BATCH, verbose=0)))
    base = np.mean(np.concatenate(grids["train"]), axis=0).clip(1e-3, 1)

    def bits(p):
        """Bits of surprise for each drum and step."""
        return -np.log2(np.where(came == 1, p, 1 - p).clip(1e-7)).mean()

    def f1(said):
        """F1 of the blows: the harmonic mean of how many of those told came, and the other way round."""
        return 2 * (said * came)[:, 16:].sum() / max((said + came)[:, 16:].sum(), 1)

    print(f"bits a drum and step: own share {bits(base):.3f}, LSTM {bits(chance):.3f} (test)")
    before = np.pad(came, [(0, 0), (16, 0), (0, 0)])[:, : came.shape[1]]
    print(f"F1 of the blows: the bar before {f1(before):.3f}, LSTM {f1(chance > 0.5):.3f} (test)")

# %% tags=["full-size"]
if grids is not None:
    bars = heard_steps[:1, :32]
    rng = np.random.default_rng(0)
    for _ in range(64):
        p = 1 / (1 + np.exp(-band.predict_on_batch(bars)[:, -1:]))
        bars = np.concatenate([bars, (rng.random(p.shape) < p).astype("float32")], axis=1)
    fig, axis = plt.subplots(figsize=(6.4, 3))
    axis.imshow(1 - bars[0].T, cmap="gray", aspect="auto", origin="lower")
    axis.axvline(31.5, color=plots.VERMILION)
    axis.set_yticks(range(len(DRUMS)), DRUMS)
    axis.set(xlabel="sixteenths", title="Left of the line a drummer, right of it the network")
    plots.show(
        fig, alt="Six bars of nine drums: two by a drummer of the test data, four by the network."
    )

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Give the task of the first symbol a gap of 200. Which of the five cells still learn it, and after how many epochs?
# 2. Forecast the *change* of the price, or its logarithm, instead of the price. Does anything beat a change of zero in 2008? And in 2007?
# 3. Let each melody have a theme of six notes, or return after two phrases instead of one. How many units does the composer need?
#
# To read: Hochreiter and Schmidhuber (1997), *Long short-term memory*; Pascanu, Mikolov and Bengio (2013), *On
# the difficulty of training recurrent neural networks*; Gal and Ghahramani (2016), *A theoretically grounded application of dropout in
# recurrent neural networks*; Hyndman and Athanasopoulos, *Forecasting: principles
# and practice*, free on the web, on baselines and honest tests.
