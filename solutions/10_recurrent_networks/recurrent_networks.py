# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Recurrent networks
#     summary: You build a recurrent cell and an LSTM by hand, measure how far back each of them hears, and forecast a sea, a share and a melody beside honest baselines.
#     part: III Sequential data
#     minutes: 90
#     minutes_reading: 12
#     objectives:
#     - compute what a recurrent cell and an LSTM answer, step by step, and check it against Keras
#     - follow a gradient back through time, say why it vanishes or explodes, and clip it
#     - say what gates change, and which number decides whether they help at the start
#     - split a time series and make its windows so that nothing of the future leaks into training
#     - judge a forecast against persistence, climatology and ridge regression before trusting it
#     datasets: [sea_temperature, stock_prices, melodies]
#     full_size: [groove]
#     needs: [01_neurons_and_layers]
#     mirrors:
#       "1 Sequential Data: Recurrent neural networks": "One box, used again at every step"
#       "1 Sequential Data: Time series forecasting and music generation": "Forecasts and melodies"
#       "3 Common Deep Learning Architectures: Recurrent Neural Networks (RNNs) and LSTMs": "Gates decide what stays"
#       "4 Specific Applications/Examples of Deep Learning: Time series analysis": "The sea, some months ahead"
#       "4 What Are Some Deep Learning Methods: Recurrent neural networks (RNNs)": "One box, used again at every step"
#       "4 What Are Some Deep Learning Methods: Gated recurrent network (GRU)": "The GRU: two gates instead of three"
#       "4 What Are Some Deep Learning Methods: Long short-term memory (LSTM)": "Gates decide what stays"
# ---

# %% [markdown]
# # Recurrent networks
#
# Given what happened so far, what comes next? A month's temperature, a share's price, the next note of
# a tune. A network for such questions must have a memory, and memory is harder than it looks: the plain
# kind forgets within a few dozen steps, and you can calculate when.
#
# You will build a recurrent cell and its famous repair, the LSTM, by hand, measure how far back each of them
# hears, and let them forecast. In two of three cases something simpler will do as well or better, and you will
# know because you asked. About 12 minutes to read and run, 90 with the five exercises.

# %%
import course

course.setup(seed=0)

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

from course import datasets, plots

months = datasets.arrays("sea_temperature", "train")
YEAR, MONTH, CELSIUS = (months[key] for key in ("year", "month", "temperature"))

# %% [markdown]
# ## One box, used again at every step
#
# A **recurrent neural network** (RNN) reads a sequence one item at a time. Beside its weights it has a
# **hidden state** $h$, a list of numbers. At each step the input $x_t$ and the state so far make the new state:
#
# $$h_t = \tanh\left(x_t W_x + h_{t-1} W_h + b\right)$$
#
# $W_x$ weighs the input, $W_h$ the old state, $b$ is a bias, and tanh bends every number into −1 to 1. The
# state starts at zeros. **The weights are the same at every step**, so a network of fixed size reads sequences of
# any length. To say something about the whole, one reads the last state; to say something at each step, every
# state. Here are two steps of a cell with one input and two numbers of state.

# %% tags=["nbval-check-output"]
w_x, w_h, b = np.array([[1.0, -1.0]]), np.array([[0.5, 0.2], [0.0, 0.5]]), np.zeros(2)
h_1 = np.tanh(np.array([2.0]) @ w_x + np.zeros(2) @ w_h + b)
h_2 = np.tanh(np.array([0.0]) @ w_x + h_1 @ w_h + b)
print("after the input 2:", h_1.round(2), " after the input 0:", h_2.round(2))

# %% [markdown]
# The second input was zero, and the state still holds something: the echo of the first. There are two ways to
# draw this. **Folded**: a box with an arrow that leaves it and comes back. **Unrolled**: the same box once for
# each step. Unrolled one sees that for training it is a network as deep as the sequence is long: what the
# answer learns from an input must travel back through all the boxes between.
#
# The next cells draw it for eight months of 1997, when El Niño warmed the Pacific off Peru. `hear` lets a Keras
# cell read a sequence and asks how strongly the answer depends on each state: the length of the gradient.


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


season = np.array([CELSIUS[MONTH == m].mean() for m in range(1, 13)])
chosen = np.flatnonzero((YEAR == 1997) & (MONTH >= 5))
warmer = (CELSIUS - season[MONTH - 1])[chosen]
keras.utils.set_random_seed(0)
small_cell = layers.SimpleRNNCell(4, recurrent_initializer=keras.initializers.Orthogonal(0.8))
states, strength = hear(small_cell, 0.2 * warmer[:, None].astype("float32"))

# %% tags=["demo"]
from matplotlib.patches import Rectangle


def draw_box(axis, x, values=None):
    """A cell as a box; with values, its four numbers of state as colours."""
    axis.add_patch(Rectangle((x - 0.32, 0), 0.64, 2, fill=False, lw=1.5))
    if values is not None:
        cells = dict(extent=(x - 0.3, x + 0.3, 0.04, 1.96), aspect="auto", vmin=-1, vmax=1)
        axis.imshow(np.ravel(values)[:, None], cmap="PuOr_r", **cells)


def draw_arrow(axis, start, end, color="black", width=1.2, **style):
    """An arrow between two points."""
    props = dict(arrowstyle="-|>", color=color, lw=width, shrinkA=0, shrinkB=0, **style)
    axis.annotate("", end, start, arrowprops=props)


# %% tags=["demo"]
def draw_folded(axis):
    """The box whose arrow comes back, and the legend of the red arrows."""
    draw_box(axis, -1.9)
    draw_arrow(axis, (-1.58, 1.4), (-1.58, 0.6), connectionstyle="arc3,rad=-1.6")
    draw_arrow(axis, (-1.9, -0.8), (-1.9, -0.05))
    axis.text(-1.9, 1, "$h$", ha="center", va="center", fontsize=14)
    axis.text(-1.9, -1.35, "input", ha="center")
    axis.text(-0.62, 1, "=", ha="center", va="center", fontsize=18)
    heard_by = dict(fontsize=10, va="top", color=plots.VERMILION)
    axis.text(-2.2, 3.05, "heard by\nthe answer", **heard_by)


# %% tags=["demo", "thumbnail"]
fig, axis = plt.subplots(figsize=(6.4, 3.7))
draw_folded(axis)
for step, (state, degrees) in enumerate(zip(states, warmer)):
    draw_box(axis, step, state)
    draw_arrow(axis, (step, -0.8), (step, -0.05))
    axis.text(step, -1.35, f"{degrees:+.1f}°", ha="center", fontsize=10)
    axis.text(step, -1.95, "MJJASOND"[step], ha="center", fontsize=10)
    if step < 7:
        draw_arrow(axis, (step + 0.34, 1), (step + 0.66, 1))
        share = strength[step] / strength[-1]
        line = dict(color=plots.VERMILION, width=0.4 + 5 * share)
        draw_arrow(axis, (step + 1, 2.55), (step, 2.55), **line)
        axis.text(step + 0.5, 3.05, f"{100 * share:.0f} %", ha="center", fontsize=10)
draw_arrow(axis, (7, 2.05), (7, 3.3))
axis.text(7, 3.45, "answer", ha="center", fontsize=10)
axis.set(xlim=(-2.4, 7.6), ylim=(-2.1, 4.1), title="Each box further back, the answer hears less")
axis.set_axis_off()
plots.show(
    fig,
    alt="Left, a box h with an arrow back into itself. Right, the same unrolled: eight boxes for May to December, each "
    "with four coloured numbers of state and a temperature as input, joined by black arrows to the right. Red arrows above run "
    "back from the answer in December; they get thinner with each box, and May is heard with a few percent.",
)

# %% [markdown]
# Black arrows carry the state forward. The red ones carry the gradient back, and their numbers compare each
# state's influence on the answer with that of the last: **what came long ago is heard ever more faintly.**
# These weights are random; nothing has been trained. Why it fades, and what helps, is the first half of this
# lesson. Order matters to such a network: with the inputs reversed it ends elsewhere.

# %% tags=["demo", "nbval-check-output"]
print("May is heard with less than a fifth of December:", bool(strength[0] < 0.2 * strength[-1]))
backwards, _ = hear(small_cell, 0.2 * warmer[::-1, None].astype("float32"))
print("reversed, it ends elsewhere:", bool(np.abs(backwards[-1] - states[-1]).max() > 0.1))

# %% [markdown]
# ### Exercise 1: a recurrent layer by hand
#
# Write `recurrent_layer(x, w_x, w_h, b)` in NumPy, for a batch of sequences:
#
# | argument | shape | holds |
# |---|---|---|
# | `x` | (batch, time, inputs) | the sequences; each is on its own |
# | `w_x`, `w_h`, `b` | (inputs, units), (units, units), (units,) | the weights of the formula above |
#
# Return **all** states, shape (batch, time, units): entry `[:, t]` is the state after input `t`. Each sequence starts
# from a state of zeros.


# %% grade_id="recurrent_layer" solution=true
def recurrent_layer(x, w_x, w_h, b):
    """The state after each step, shape (batch, time, units)."""
    ### BEGIN SOLUTION
    state = np.zeros((len(x), len(b)))
    states = []
    for t in range(x.shape[1]):
        state = np.tanh(x[:, t] @ w_x + state @ w_h + b)
        states.append(state)
    return np.stack(states, axis=1)
    ### END SOLUTION


# %% grade_id="recurrent_by_hand" points=1
answer = np.asarray(recurrent_layer(np.array([[[2.0], [0.0]]]), w_x, w_h, b))
assert answer.shape == (1, 2, 2), (
    f"One sequence, two steps, two numbers of state: expected shape (1, 2, 2), got {answer.shape}."
)
assert np.allclose(answer[0, 0], h_1, atol=1e-4), (
    f"After the first input, 2, the text above has {h_1.round(4)}; yours is {answer[0, 0].round(4)}."
)
assert np.allclose(answer[0, 1], h_2, atol=1e-4), (
    f"After the second input, 0, the text above has {h_2.round(4)}; yours is {answer[0, 1].round(4)}. "
    "What does the second step know of the first?"
)

# %% grade_id="recurrent_against_keras" points=3
# Hidden tests: Keras' own layer with the same weights, for batches, long sequences and other sizes.
### BEGIN HIDDEN TESTS
for seed, (batch, time, inputs, units) in enumerate([(1, 1, 1, 3), (3, 7, 2, 4), (2, 30, 5, 6)]):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, time, inputs)).astype("float32")
    weights = [
        rng.normal(size=shape).astype("float32")
        for shape in ((inputs, units), (units, units), (units,))
    ]
    layer = layers.SimpleRNN(units, return_sequences=True)
    layer.build(x.shape)
    layer.set_weights([weights[0], 0.4 * weights[1], weights[2]])
    want = keras.ops.convert_to_numpy(layer(x))
    got = np.asarray(recurrent_layer(x, weights[0], 0.4 * weights[1], weights[2]))
    case = f"batch {batch}, {time} steps, {inputs} inputs, {units} units"
    assert got.shape == want.shape, f"{case}: expected shape {want.shape}, got {got.shape}."
    wrong = ~(np.abs(got - want).max(axis=(0, 2)) <= 1e-3)
    assert not wrong.any(), (
        f"{case}: differs from Keras' SimpleRNN with the same weights, first at step {wrong.argmax()} (counted from 0). "
        "If step 0 is wrong already, look at w_x and b; if only later steps are, at how the old state enters; if only other sequences than the first are, at where they start."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Every step starts from zeros again: the old state never enters, so this is a dense layer and not a recurrent one.
def recurrent_layer(x, w_x, w_h, b):
    zero = np.zeros((len(x), len(b)))
    steps = [np.tanh(x[:, t] @ w_x + zero @ w_h + b) for t in range(x.shape[1])]
    return np.stack(steps, axis=1)


# %% tags=["misconception"]
# What is carried on to the next step is the sum before tanh instead of the state after it.
def recurrent_layer(x, w_x, w_h, b):
    total = np.zeros((len(x), len(b)))
    states = []
    for t in range(x.shape[1]):
        total = x[:, t] @ w_x + total @ w_h + b
        states.append(np.tanh(total))
    return np.stack(states, axis=1)


# %% tags=["misconception"]
# The state is not set back to zeros between sequences: the second one starts where the first has ended.
def recurrent_layer(x, w_x, w_h, b):
    state = np.zeros(len(b))
    states = np.zeros((*x.shape[:2], len(b)))
    for i, t in np.ndindex(*x.shape[:2]):
        state = np.tanh(x[i, t] @ w_x + state @ w_h + b)
        states[i, t] = state
    return states


# %% tags=["misconception"]
# The recurrent weights are transposed: number j of the old state meets the weights that belong to number j of the new one.
def recurrent_layer(x, w_x, w_h, b):
    state = np.zeros((len(x), len(b)))
    states = []
    for t in range(x.shape[1]):
        state = np.tanh(x[:, t] @ w_x + state @ w_h.T + b)
        states.append(state)
    return np.stack(states, axis=1)


# %% tags=["misconception"]
# The old state is added after tanh instead of inside it, so the state can grow beyond 1.
def recurrent_layer(x, w_x, w_h, b):
    state = np.zeros((len(x), len(b)))
    states = []
    for t in range(x.shape[1]):
        state = np.tanh(x[:, t] @ w_x + b) + state @ w_h
        states.append(state)
    return np.stack(states, axis=1)


# %% tags=["alternative"]
# Input and state side by side, times both weight matrices stacked: one product a step.
def recurrent_layer(x, w_x, w_h, b):
    weights = np.concatenate([w_x, w_h])
    states = [np.zeros((len(x), len(b)))]
    for t in range(x.shape[1]):
        states.append(np.tanh(np.concatenate([x[:, t], states[-1]], axis=1) @ weights + b))
    return np.stack(states[1:], axis=1)


# %% tags=["alternative"]
# Keras' own layer with the weights put in.
def recurrent_layer(x, w_x, w_h, b):
    layer = layers.SimpleRNN(len(b), return_sequences=True)
    layer.build(x.shape)
    layer.set_weights([w_x, w_h, b])
    return keras.ops.convert_to_numpy(layer(np.asarray(x, "float32")))


# %% [markdown]
# ## A gradient fades on its way back
#
# To learn, a network must know how its loss changes when a number inside it changes: the **gradient**, computed
# backwards by the chain rule, one factor for each thing in between. Here the things in between are steps in
# time. If $g_t$ is the gradient of the loss with respect to the state $h_t$ (a list like $h_t$), then one step
# back
#
# $$g_{t-1} = \bigl(g_t \odot (1 - h_t^2)\bigr) \, W_h^{\top}$$
#
# $\odot$ multiplies number by number; $1 - h_t^2$ is the slope of tanh where it gave $h_t$; $W_h^{\top}$ is
# $W_h$ with rows and columns exchanged, because the gradient takes the weights the other way. This is
# **backpropagation through time**. Over 50 steps there are 50 such factors. The slope is at most 1. So if $W_h$
# shrinks what it multiplies, the gradient **vanishes**, exponentially; if it stretches more than the slopes
# shrink, it **explodes**.

# %% [markdown]
# ### Exercise 2: back through time
#
# Write `back_through_time(states, w_h, g)` for one sequence. `states` has shape (time, units): row `t` is $h_t$. `g`,
# shape (units,), is the gradient of the loss with respect to the *last* state, and only the last state enters the loss
# directly. Return the gradients with respect to all states, shape (time, units), the last row being `g`.


# %% grade_id="back_through_time" solution=true
def back_through_time(states, w_h, g):
    """The gradient with respect to every state, shape (time, units)."""
    ### BEGIN SOLUTION
    gradients = np.zeros(states.shape)
    gradients[-1] = g
    for t in range(len(states) - 1, 0, -1):
        gradients[t - 1] = (gradients[t] * (1 - states[t] ** 2)) @ w_h.T
    return gradients
    ### END SOLUTION


# %% grade_id="back_by_hand" points=1
# Two steps, one unit: g = 3, the second state .5, so its slope .75, the weight 2: 3 * .75 * 2 = 4.5.
back = np.asarray(back_through_time(np.array([[0.1], [0.5]]), np.array([[2.0]]), np.array([3.0])))
assert back.shape == (2, 1), f"Expected one row a state, shape (2, 1), got {back.shape}."
assert np.allclose(back[1], 3), f"The last row should be g itself, 3, and is {back[1, 0]:.3f}."
assert np.allclose(back[0], 4.5), (
    f"Expected 3 * (1 - .5 * .5) * 2 = 4.5 for the first state, got {back[0, 0]:.3f}. "
    "Which state's slope lies between the two?"
)


# %% grade_id="back_against_differences" points=3
# Hidden tests: what happens to the loss if one number of one state is moved a little, for several networks.
### BEGIN HIDDEN TESTS
def run_on(state, inputs, w):
    for value in inputs:
        state = np.tanh(value + state @ w)
    return state


for seed, (time, units) in enumerate([(2, 3), (5, 4), (12, 2)]):
    rng = np.random.default_rng(seed)
    w, g, values = (rng.normal(size=s) for s in ((units, units), units, (time, units)))
    states = np.array([run_on(np.zeros(units), values[: t + 1], w) for t in range(time)])
    got = np.asarray(back_through_time(states.copy(), w.copy(), g.copy()))
    assert got.shape == states.shape, f"expected shape {states.shape}, got {got.shape}."
    for t, unit in np.ndindex(time, units):
        nudge = 1e-5 * np.eye(units)[unit]
        ends = [run_on(states[t] + move, values[t + 1 :], w) @ g for move in (nudge, -nudge)]
        slope = (ends[0] - ends[1]) / 2e-5
        assert np.isclose(got[t, unit], slope, atol=1e-4), (
            f"{time} steps: moving number {unit} of state {t} changes the loss at the rate {slope:.4f}; your gradient "
            f"says {got[t, unit]:.4f}. Which state's slope enters, and which way are the weights taken?"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The slope of tanh is left out, so the gradient is that of a network without activation.
def back_through_time(states, w_h, g):
    gradients = [g]
    for _ in range(len(states) - 1):
        gradients.insert(0, gradients[0] @ w_h.T)
    return np.array(gradients)


# %% tags=["misconception"]
# The slope is taken at the state one step too early: between two states lies the tanh that made the later one.
def back_through_time(states, w_h, g):
    gradients = np.zeros(states.shape)
    gradients[-1] = g
    for t in range(len(states) - 1, 0, -1):
        gradients[t - 1] = (gradients[t] * (1 - states[t - 1] ** 2)) @ w_h.T
    return gradients


# %% tags=["misconception"]
# The weights are taken in the forward direction: on the way back rows and columns change their roles.
def back_through_time(states, w_h, g):
    gradients = np.zeros(states.shape)
    gradients[-1] = g
    for t in range(len(states) - 1, 0, -1):
        gradients[t - 1] = (gradients[t] * (1 - states[t] ** 2)) @ w_h
    return gradients


# %% tags=["misconception"]
# Every state gets the loss's gradient anew at each step, as if every state entered the loss directly.
def back_through_time(states, w_h, g):
    gradients = np.zeros(states.shape)
    gradients[-1] = g
    for t in range(len(states) - 1, 0, -1):
        gradients[t - 1] = g + (gradients[t] * (1 - states[t] ** 2)) @ w_h.T
    return gradients


# %% tags=["alternative"]
# Writes each step as a matrix, and multiplies the matrices from the end.
def back_through_time(states, w_h, g):
    gradients = [np.asarray(g)]
    for state in states[:0:-1]:
        gradients.append(w_h @ np.diag(1 - state**2) @ gradients[-1])
    return np.array(gradients[::-1])


# %% tags=["alternative"]
# Lets TensorFlow go back, from inputs that lead to the same states.
def back_through_time(states, w_h, g):
    before = np.vstack([np.zeros_like(states[:1]), states[:-1]])
    inputs = np.arctanh(states) - before @ w_h
    with tf.GradientTape() as tape:
        chain = [tf.Variable(states[:1])]
        for value in inputs[1:]:
            chain.append(tf.tanh(value + chain[-1] @ w_h))
        loss = tf.reduce_sum(chain[-1] * g)
    return np.concatenate(tape.gradient(loss, chain))


# %% [markdown]
# ### How far back can it hear?
#
# Now measure it. Three cells with 16 units read 60 random symbols. Their $W_h$ are rotations times a factor, the
# **gain**: .7 shrinks, 1 keeps the length, 1.5 stretches. *What do you expect for a gain of exactly 1?*


# %% tags=["demo"]
def rotation(gain):
    """Initial recurrent weights that rotate a state and multiply its length by gain."""
    return keras.initializers.Orthogonal(gain)


noise = np.eye(8, dtype="float32")[np.random.default_rng(0).integers(4, 8, size=60)]
keras.utils.set_random_seed(0)
heard = {
    gain: hear(layers.SimpleRNNCell(16, recurrent_initializer=rotation(gain)), noise)[1]
    for gain in (0.7, 1.0, 1.5)
}
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
    "near 1 to 100. With gain 1.5 and no tanh it rises in a straight line to ten billion.",
)

# %% tags=["demo", "nbval-check-output"]
far = {gain: lengths[0] / lengths[-1] for gain, lengths in heard.items()}
print("59 steps back, gain .7: less than a hundred-millionth:", bool(far[0.7] < 1e-8))
print("gain 1: less than a hundredth:", bool(far[1.0] < 1e-2))
print("gain 1.5 without tanh: more than a billionfold:", bool(far["1.5, no tanh"] > 1e9))

# %% [markdown]
# Straight lines on a logarithmic axis: each step multiplies. A gain of 1 is not safe, because the slopes of
# tanh still shrink. Tanh also holds the explosion back, since large states have small slopes. Without it
# nothing does.
#
# ### Exercise 3: clip what explodes
#
# One step with a huge gradient throws all weights far away. The common remedy is to **clip by the global norm**. Take
# the gradients of all weights as one long list $v$; its length (norm) is $\lVert v \rVert = \sqrt{\sum v_i^2}$. If it is larger
# than a limit, multiply *all* of them by limit / $\lVert v \rVert$. The step then has the limit's length and points the same
# way as before. Otherwise nothing changes.
#
# Write `clip_together(gradients, limit)`: a list of arrays of any shapes in, a list of arrays of the same shapes out. Leave the given arrays as they are.


# %% grade_id="clip_together" solution=true
def clip_together(gradients, limit):
    """The gradients, scaled so that their common length is at most limit."""
    ### BEGIN SOLUTION
    length = np.sqrt(sum(np.sum(g**2) for g in gradients))
    factor = limit / length if length > limit else 1.0
    return [g * factor for g in gradients]
    ### END SOLUTION


# %% grade_id="clip_by_hand" points=1
# The length of (3; 0, 4) is 5. With limit 1 everything is divided by 5.
clipped = clip_together([np.array([3.0]), np.array([[0.0, 4.0]])], 1.0)
assert len(clipped) == 2, f"Two arrays in, two out; got {len(clipped)}."
assert np.shape(clipped[0]) == (1,), (
    f"Shapes should stay; the first was (1,), now {np.shape(clipped[0])}."
)
assert np.shape(clipped[1]) == (1, 2), f"The second was (1, 2) and is {np.shape(clipped[1])}."
assert np.allclose(clipped[0], 0.6), f"Expected 3 / 5 = .6, got {clipped[0]}."
assert np.allclose(clipped[1], [0.0, 0.8]), f"Expected 0 and 4 / 5 = .8, got {clipped[1]}."

# %% grade_id="clip_properties" points=2
# Hidden tests: direction, length, what is short already, gradients of zero.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(4)
for scale, limit in [(100.0, 1.0), (3.0, 5.0), (1e6, 0.1)]:
    given = [scale * rng.normal(size=shape) for shape in ((4, 3), (3,), (2, 2, 2))]
    copies = [g.copy() for g in given]
    clipped = clip_together(given, limit)
    got, long = (np.concatenate([np.ravel(g) for g in part]) for part in (clipped, copies))
    case = f"length {np.linalg.norm(long):.1f}, limit {limit}"
    assert np.isclose(np.linalg.norm(got), limit, rtol=1e-3), (
        f"{case}: the length after clipping should be the limit and is {np.linalg.norm(got):.4f}. "
        "It is one length for all arrays together."
    )
    assert np.allclose(got / limit, long / np.linalg.norm(long), atol=1e-3), (
        f"{case}: the direction has changed."
    )
    assert all(map(np.array_equal, given, copies)), "The given arrays were changed."
for scale, limit in [(1, 1.0), (8, 5.0), (0.4, 0.5)]:
    short = clip_together([np.array([0.3 * scale]), np.array([0.4 * scale])], limit)
    assert np.allclose(np.ravel(short), [0.3 * scale, 0.4 * scale]), (
        f"Gradients of length {0.5 * scale:g} are below the limit {limit:g} and should come back unchanged."
    )
nothing = np.concatenate(clip_together([np.zeros(2), np.zeros(3)], 1.0))
assert np.array_equal(nothing, np.zeros(5)), f"Gradients of zero should stay zero, got {nothing}."
### END HIDDEN TESTS


# %% tags=["misconception"]
# Each number is cut off at the limit by itself, which turns the gradient into another direction.
def clip_together(gradients, limit):
    return [np.clip(g, -limit, limit) for g in gradients]


# %% tags=["misconception"]
# Each array is clipped by its own length: small and large weights then no longer share one direction.
def clip_together(gradients, limit):
    lengths = [np.sqrt(np.sum(g**2)) for g in gradients]
    return [g * min(1, limit / max(n, 1e-12)) for g, n in zip(gradients, lengths)]


# %% tags=["misconception"]
# Everything is scaled to the limit, short gradients too: steps near the minimum never get small.
def clip_together(gradients, limit):
    length = np.sqrt(sum(np.sum(g**2) for g in gradients))
    return [g * limit / max(length, 1e-12) for g in gradients]


# %% tags=["misconception"]
# The length is compared with 1 instead of the limit, so gradients between the two are scaled that should not be.
def clip_together(gradients, limit):
    length = np.sqrt(sum(np.sum(g**2) for g in gradients))
    return [g * limit / length if length > 1 else g.copy() for g in gradients]


# %% tags=["misconception"]
# The lengths of the arrays are added; the squares have to be added before the root is taken.
def clip_together(gradients, limit):
    length = sum(np.sqrt(np.sum(g**2)) for g in gradients)
    return [g * min(1, limit / max(length, 1e-12)) for g in gradients]


# %% tags=["alternative"]
# TensorFlow's own function.
def clip_together(gradients, limit):
    clipped, _ = tf.clip_by_global_norm([tf.constant(g) for g in gradients], limit)
    return [g.numpy() for g in clipped]


# %% tags=["alternative"]
# The length from one long vector.
def clip_together(gradients, limit):
    length = np.linalg.norm(np.concatenate([np.ravel(g) for g in gradients]))
    return [g / max(1.0, length / limit) for g in gradients]


# %% [markdown]
# In Keras one writes `global_clipnorm=1.0` into the optimizer. (Its `clipnorm`, used further down, clips each
# array of weights by itself; there that is enough.) Here the same exploding network, without tanh and with a
# gain of 1.3, is trained twice, to tell the mean of the last ten of 30 random numbers.

# %% tags=["demo", "nbval-check-output"]
numbers = np.random.default_rng(0).normal(size=(640, 30, 1)).astype("float32")
recent = 3 * numbers[:, -10:, 0].mean(axis=1)
losses = {}
for clip in (None, 1.0):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 1))
    x = layers.SimpleRNN(16, activation=None, recurrent_initializer=rotation(1.3))(inputs)
    network = keras.Model(inputs, layers.Dense(1, dtype="float32")(x))
    network.compile(keras.optimizers.SGD(0.03, global_clipnorm=clip), "mse")
    history = network.fit(numbers, recent, batch_size=32, epochs=5, verbose=0).history
    losses[clip] = history["loss"]
# 20 seeds: never a number without clipping; with it .0001 to .010 of the first epoch's loss.
print("without clipping the loss is still a number:", bool(np.isfinite(losses[None][-1])))
shrunk = losses[1.0][-1] / losses[1.0][0]
print("with clipping it falls below a tenth in five epochs:", bool(shrunk < 0.1))

# %% [markdown]
# Without clipping the loss is no number any more; with it, it starts huge and falls. Against vanishing clipping
# does nothing: one can shorten what is too long, but what has faded to a hundred-billionth is lost among the
# noise.

# %% [markdown]
# ## Gates decide what stays
#
# If multiplying at every step is the trouble, keep something that no matrix multiplies. A **long short-term
# memory** (LSTM) has, beside $h$, a **cell state** $c$ that is passed on by addition. Three **gates**, lists of
# numbers from 0 (shut) to 1 (open), decide: how much of the old $c$ stays ($f$, forget gate), how much of the
# new candidate $\tilde c$ enters ($i$, input gate), and how much of $c$ shows in $h$ ($o$, output gate). With
# the sigmoid $\sigma(z) = 1 / (1 + e^{-z})$:
#
# $$i, f, o = \sigma(x_t W_\bullet + h_{t-1} U_\bullet + b_\bullet) \qquad \tilde c = \tanh(x_t W_c + h_{t-1} U_c + b_c)$$
#
# $$c_t = f \odot c_{t-1} + i \odot \tilde c \qquad h_t = o \odot \tanh(c_t)$$
#
# The dot $\bullet$ stands for $i$, $f$ or $o$: each gate has weights of its own. A step straight back along $c$
# multiplies by $f$ and nothing else, and where the forget gate is open, $f$ is near 1. The network learns when
# to open it.

# %% [markdown]
# ### Exercise 4: one step of an LSTM
#
# Write `lstm_step(x, h, c, kernel, recurrent, bias)` for a batch. Keras keeps the weights of all four parts side by side
# in one matrix, in the order **input gate, forget gate, candidate, output gate**, each `units` columns wide.
#
# | argument | shape |
# |---|---|
# | `x`; `h` and `c` (both of the step before) | (batch, inputs); (batch, units) each |
# | `kernel`, `recurrent`, `bias` | (inputs, 4 · units), (units, 4 · units), (4 · units,) |
#
# Return the new `h` and the new `c`, in this order. `sigmoid` is given; `np.split(z, 4, axis=-1)` cuts an array in four.


# %%
def sigmoid(z):
    """From any number to one between 0 and 1."""
    return 1 / (1 + np.exp(-z))


# %% grade_id="lstm_step" solution=true
def lstm_step(x, h, c, kernel, recurrent, bias):
    """The next h and c of an LSTM, each of shape (batch, units)."""
    ### BEGIN SOLUTION
    i, f, candidate, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
    return sigmoid(o) * np.tanh(c), c
    ### END SOLUTION


# %% grade_id="lstm_by_hand" points=1
# Weights of zero, biases that open the forget and output gates and shut the input gate: c stays, h = tanh(c).
shut, open_ = -30.0, 30.0
biases = np.array([shut, open_, 0.0, open_])
new_h, new_c = map(
    np.asarray,
    lstm_step(
        np.ones((1, 1)),
        np.zeros((1, 1)),
        np.full((1, 1), 0.5),
        np.zeros((1, 4)),
        np.zeros((1, 4)),
        biases,
    ),
)
assert new_h.shape == new_c.shape == (1, 1), (
    f"Expected shapes (1, 1), got {new_h.shape}, {new_c.shape}."
)
assert np.allclose(new_c, 0.5, atol=1e-3), (
    f"The forget gate is open, the input gate shut: c should stay .5, and is {new_c[0, 0]:.3f}."
)
assert np.allclose(new_h, np.tanh(0.5), atol=1e-3), (
    f"The output gate is open: h should be tanh(.5) = {np.tanh(0.5):.3f}, and is {new_h[0, 0]:.3f}."
)

# %% grade_id="lstm_against_keras" points=3
# Hidden tests: Keras' own LSTM with the same weights, over one step and over several.
### BEGIN HIDDEN TESTS
for seed, (batch, inputs, units) in enumerate([(1, 1, 1), (2, 3, 4), (5, 2, 3)]):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=s) for s in ((inputs, 4 * units), (units, 4 * units), 4 * units)]
    cell = layers.LSTMCell(units)
    cell.build((batch, inputs))
    cell.set_weights(weights)
    h, c = rng.normal(size=(2, batch, units))
    state = [h.astype("float32"), c.astype("float32")]
    for step in range(4):
        x = rng.normal(size=(batch, inputs))
        h, c = map(np.asarray, lstm_step(x, h, c, *weights))
        _, state = cell(x.astype("float32"), state)
        want_h, want_c = (keras.ops.convert_to_numpy(value) for value in state)
        case = f"batch {batch}, {inputs} inputs, {units} units, step {step + 1}"
        assert h.shape == want_h.shape, f"{case}: h of shape {want_h.shape}, not {h.shape}."
        assert np.allclose(c, want_c, atol=1e-3), (
            f"{case}: c differs from Keras' LSTM by up to {np.abs(c - want_c).max():.3f}. Do x, the old h and the bias all enter, which columns belong to which gate, which are squashed by tanh, and what is kept of the old c?"
        )
        assert np.allclose(h, want_h, atol=1e-3), (
            f"{case}: c is right, h is off by up to {np.abs(h - want_h).max():.3f}. What does the output gate multiply?"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Input and forget gate are exchanged: the columns come in the order input, forget, candidate, output.
def lstm_step(x, h, c, kernel, recurrent, bias):
    f, i, candidate, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
    return sigmoid(o) * np.tanh(c), c


# %% tags=["misconception"]
# The output gate multiplies the cell state itself; h is made from its tanh.
def lstm_step(x, h, c, kernel, recurrent, bias):
    i, f, candidate, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
    return sigmoid(o) * c, c


# %% tags=["misconception"]
# The candidate goes through the sigmoid as if it were a gate; it should lie between -1 and 1, so that c can also sink.
def lstm_step(x, h, c, kernel, recurrent, bias):
    i, f, candidate, o = sigmoid(np.stack(np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)))
    c = f * c + i * candidate
    return o * np.tanh(c), c


# %% tags=["misconception"]
# The forget gate is read as how much is forgotten: in the formula it says how much stays.
def lstm_step(x, h, c, kernel, recurrent, bias):
    i, f, candidate, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    c = (1 - sigmoid(f)) * c + sigmoid(i) * np.tanh(candidate)
    return sigmoid(o) * np.tanh(c), c


# %% tags=["misconception"]
# h is made from the old cell state: what has just been written into c should show at once.
def lstm_step(x, h, c, kernel, recurrent, bias):
    i, f, candidate, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    new = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
    return sigmoid(o) * np.tanh(c), new


# %% tags=["alternative"]
# Cuts the weights instead of the result: one product for each part.
def lstm_step(x, h, c, kernel, recurrent, bias):
    units = h.shape[-1]
    parts = [slice(k * units, (k + 1) * units) for k in range(4)]
    i, f, candidate, o = (x @ kernel[:, p] + h @ recurrent[:, p] + bias[p] for p in parts)
    c = c / (1 + np.exp(-f)) + np.tanh(candidate) / (1 + np.exp(-i))
    return np.tanh(c) / (1 + np.exp(-o)), c


# %% tags=["alternative"]
# Keras' own cell with the weights put in.
def lstm_step(x, h, c, kernel, recurrent, bias):
    cell = layers.LSTMCell(h.shape[-1])
    cell.build(x.shape)
    cell.set_weights([kernel, recurrent, bias])
    _, state = cell(
        *(tf.constant(v, "float32") for v in [x]), [tf.constant(v, "float32") for v in (h, c)]
    )
    return tuple(keras.ops.convert_to_numpy(value) for value in state)


# %% [markdown]
# ### The GRU: two gates instead of three
#
# The **gated recurrent unit** (GRU) came later and does with less: no separate $c$, one gate $z$ for keeping and
# replacing together, and a reset gate $r$ that can hide the old state from the candidate.
#
# $$h_t = z \odot h_{t-1} + (1 - z) \odot \tilde h \qquad \tilde h = \tanh\bigl(x_t W + (r \odot h_{t-1})\, U + b\bigr)$$
#
# With $z$ at 1 the state stays as it is; $z$ and $r$ are made as the LSTM's gates are. (Some texts exchange $z$
# and $1 - z$, and Keras applies $r$ after the product with $U$ unless told otherwise; neither changes the
# idea.) A GRU has three sets of weights and an LSTM four, where the plain cell has one.

# %% [markdown]
# ### Who still knows the first symbol?
#
# A task that is nothing but memory, simulated: the first symbol is one of four, then come 60 random symbols of
# four other kinds, and at the end the network is asked for the first. Guessing scores .25.


# %%
def recall_task(count, gap, rng):
    """Simulated: one-hot symbols (count, 1 + gap, 8) and the number of the first one, 0 to 3."""
    first = rng.integers(4, size=count)
    symbols = np.column_stack([first, rng.integers(4, 8, size=(count, gap))])
    return np.eye(8, dtype="float32")[symbols], first


# %% [markdown]
# One number turns out to matter: the bias of the forget gate at the start. Keras sets it to 1, so the gate
# begins near $\sigma(1)$. What is left of a number after being multiplied by that sixty times? And with a bias
# of 4?

# %% tags=["demo", "nbval-check-output"]
for bias in (0, 1, 4):
    print(f"bias {bias}: gate {sigmoid(bias):.2f}, left after 60 steps: {sigmoid(bias) ** 60:.0e}")

# %% [markdown]
# So an untrained LSTM forgets too, and a GRU, whose gate starts with a bias of 0, sooner still. *Which of these
# five will learn to recall?* The plain cell, LSTM and GRU as Keras makes them, and both with the bias of the
# keeping gate at 4.


# %% tags=["demo"]
def open_lstm(shape, dtype=None):
    """Bias of an LSTM whose forget gate starts open: 4 in the second of four parts."""
    return keras.ops.convert_to_tensor(np.repeat([0.0, 4.0, 0.0, 0.0], shape[0] // 4), dtype)


def open_gru(shape, dtype=None):
    """Bias (2, 3 · units) of a GRU whose state starts by staying: 4 in the first of three parts."""
    bias = np.zeros(shape, "float32")
    bias[0, : shape[1] // 3] = 4
    return keras.ops.convert_to_tensor(bias, dtype)


CELLS = {
    "plain": (layers.SimpleRNN, {}),
    "LSTM": (layers.LSTM, {}),
    "GRU": (layers.GRU, {}),
    "LSTM, gate open": (layers.LSTM, {"bias_initializer": open_lstm, "unit_forget_bias": False}),
    "GRU, gate open": (layers.GRU, {"bias_initializer": open_gru}),
}

# %% tags=["demo"]
from course.training import Progress

x_recall, y_recall = recall_task(8000, 60, np.random.default_rng(0))
x_asked, y_asked = recall_task(500, 60, np.random.default_rng(1))
recalled = {}
for name, (cell, options) in CELLS.items():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 8))
    network = keras.Model(inputs, layers.Dense(4, dtype="float32")(cell(16, **options)(inputs)))
    network.compile(
        keras.optimizers.Adam(0.005, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    network.fit(x_recall, y_recall, batch_size=64, verbose=0, callbacks=[Progress(name)])
    logits = keras.ops.convert_to_numpy(network(x_asked))
    recalled[name] = np.mean(logits.argmax(axis=1) == y_asked)

# %% tags=["demo"]
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.4), width_ratios=(1, 1.1))
short_names = ["plain", "LSTM", "GRU", "LSTM\nopen", "GRU\nopen"]
colors = [plots.BLACK, plots.BLUE, plots.ORANGE, plots.BLUE, plots.ORANGE]
bars = axes[0].bar(short_names, recalled.values(), color=colors)
for bar, hatch in zip(bars, ("", "//", "//", "", "")):
    bar.set(hatch=hatch, edgecolor="white")
axes[0].axhline(0.25, color="0.4", ls="--", lw=1)
axes[0].text(-0.4, 0.32, "guessing", fontsize=10)
axes[0].set(ylabel="share recalled after 60 steps", ylim=(0, 1.05))
axes[0].tick_params(axis="x", labelsize=9)
keras.utils.set_random_seed(0)
for (name, (cell, options)), color, style in zip(CELLS.items(), colors, ("-", ":", ":", "-", "-")):
    _, lengths = hear(cell(16, **options).cell, x_asked[0], slot=int("LSTM" in name))
    axes[1].plot(np.arange(61), lengths[::-1] / lengths[-1], style, color=color, label=name)
axes[1].set(yscale="log", xlabel="steps back, before training", ylabel="gradient, last step = 1")
axes[1].legend(fontsize=8, loc="lower left")
fig.suptitle("A gate helps to remember if it is open to begin with", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="Left, bars of how often the first symbol is recalled: the plain cell, LSTM and GRU stay near guessing, .25; LSTM and GRU "
    "whose gates start open come close to 1. Right, gradients before training on a logarithmic axis: with open gates they "
    "stay near 1 over 60 steps; the others fall by many orders of magnitude, the GRU fastest.",
)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: as Keras makes them .21 to .29; open .52 to 1.00 (LSTM mean .96, GRU mean .95).
for name, share in recalled.items():
    print(f"{name:16s} recalls more than 40 of 100:", bool(share > 0.40))

# %% [markdown]
# The gates were not enough. What made the memory long was to start with the gate open, so that at first
# everything is kept, there is a gradient to learn from, and the network can learn what to forget. "An LSTM
# remembers longer" is true of what it can learn, not of what it does as it comes from the shelf. (The LSTM's
# gradient falls less fast than $c$ alone would let it: a little also gets back through $h$ and the gates.)

# %% [markdown]
# ## Forecasts and melodies
#
# Wherever numbers come in order, someone wants the next: demand, load on a power grid, traffic, a heart's
# rhythm, prices, notes. Recurrent networks were long the first choice. For language, Transformers (lesson 14)
# have mostly replaced them, since these read all steps at once; where devices are small or answers due after
# every step, recurrent networks are still at work.
#
# ### The sea, some months ahead
#
# `sea_temperature` holds 732 real months, 1950 to 2010, of the Pacific off Ecuador and northern Peru. In some
# years it is more than four degrees too warm, El Niño, and floods, failed fisheries and droughts elsewhere
# follow. Fishers and farmers would like to know some months before. Most of the movement is the year's own
# course: the mean of each calendar month, the **climatology**. We subtract it and forecast what remains, the
# **anomaly**.
#
# Now the rule that everything rests on: **whatever a forecast is made from must have been known when it is made.** That goes for the weights, and for the
# climatology and the scale too. We train on targets before 1990 and test on 1990 to 2010.

# %% [markdown]
# ### Exercise 5: windows without the future
#
# Write `make_windows(celsius, month, length, horizon, cut)`. `celsius`, shape (n,), are temperatures of consecutive months;
# `month` their calendar months, 1 to 12. Everything before position `cut` was known when the model was made.
#
# 1. From the months before `cut` alone, compute the mean of each calendar month; subtract it from *all* temperatures.
# 2. Make windows: `length` anomalies in a row are the input, and the target is the anomaly `horizon` months after the input's last
#    (with `horizon` 1, the very next).
# 3. A window is for training if its target lies before `cut`, else for testing. A test window's *inputs* may lie before
#    `cut`: the past is known.
#
# Return `train_x, train_y, test_x, test_y`, in the order of time; `x` has shape (windows, length), `y` (windows,). Use every window there is.


# %% grade_id="make_windows" solution=true
def make_windows(celsius, month, length, horizon, cut):
    """Anomalies as inputs and targets, for training and for testing."""
    ### BEGIN SOLUTION
    mean = np.array([celsius[:cut][month[:cut] == m].mean() for m in range(1, 13)])
    anomaly = celsius - mean[month - 1]
    targets = np.arange(length + horizon - 1, len(celsius))
    starts = targets - horizon - length + 1
    x = anomaly[starts[:, None] + np.arange(length)]
    y = anomaly[targets]
    past = targets < cut
    return x[past], y[past], x[~past], y[~past]
    ### END SOLUTION


# %% grade_id="windows_shapes" points=1
count = np.arange(60) * 1.0
made = [np.asarray(part) for part in make_windows(count, np.arange(60) % 12 + 1, 6, 2, 36)]
shapes = [part.shape for part in made]
assert shapes == [(29, 6), (29,), (24, 6), (24,)], (
    "60 months, 6 as input, the target 2 after: targets are months 7 to 59 (counted from 0), 29 of them before 36. "
    f"Expected shapes (29, 6), (29,), (24, 6), (24,), got {shapes}."
)
assert all(np.isfinite(part).all() for part in made), (
    "Some windows hold values that are no numbers."
)

# %% grade_id="windows_values" points=2
# Hidden tests: every window of series in which one can see what comes from where.
### BEGIN HIDDEN TESTS
for size, *how, first in [(60, 6, 2, 36, 1), (90, 12, 1, 50, 4), (70, 5, 6, 40, 11)]:
    rng, (length, horizon, cut) = np.random.default_rng(size), how
    celsius, month = 20 + rng.normal(size=size), (np.arange(size) + first - 1) % 12 + 1
    known = [celsius[:cut][month[:cut] == m].mean() for m in range(1, 13)]
    want = celsius - np.array([known[m - 1] for m in month])
    parts = [np.asarray(part) for part in make_windows(celsius, month, *how)]
    x, y = np.concatenate(parts[::2]), np.concatenate(parts[1::2])
    case, count = f"length {length}, horizon {horizon}, cut {cut}", size - length - horizon + 1
    assert len(x) == len(y) == count, f"{case}: {len(x)} windows instead of {count}."
    for j in range(length):
        assert np.allclose(x[:, j], want[j : j + count], atol=1e-4), (
            f"{case}: input {j} of the windows should be the anomalies from month {j} on, in order. Which months make the means?"
        )
    last = length + horizon - 1
    assert np.allclose(y, want[last:], atol=1e-4), (
        f"{case}: the first target should be {want[last]:.3f}, the anomaly {horizon} months after the first window's last input, and is {y[0]:.3f}."
    )
    trained = cut - length - horizon + 1
    assert len(parts[1]) == trained, f"{case}: {len(parts[1])} training windows, not {trained}."
### END HIDDEN TESTS

# %% grade_id="windows_leak" points=1
# Hidden tests: the future is changed; nothing of the training windows may change with it.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(7)
celsius, month = 20 + rng.normal(size=80), np.arange(80) % 12 + 1
hotter = celsius + 10 * (np.arange(80) >= 48)
before, after = (make_windows(values, month, 6, 3, 48) for values in (celsius, hotter))
assert len(before) == len(after) == 4, f"Four arrays are asked for, and there are {len(before)}."
for name, shape, one, other in zip(("inputs", "targets"), ((40, 6), (40,)), before, after):
    assert np.shape(one) == shape, (
        f"The training {name} should have the shape {shape}, and have {np.shape(one)}."
    )
    same = np.shape(other) == shape and np.allclose(one, other)
    assert same, (
        f"A leak: the months from the cut on were made 10 degrees hotter, and the training {name} changed with them. "
        "What do the windows or the means of training know of later months?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The means of the calendar months are taken over all years, so the training data know how warm the future was.
def make_windows(celsius, month, length, horizon, cut):
    mean = np.array([celsius[month == m].mean() for m in range(1, 13)])
    anomaly = celsius - mean[month - 1]
    targets = np.arange(length + horizon - 1, len(celsius))
    x = anomaly[(targets - horizon - length + 1)[:, None] + np.arange(length)]
    past = targets < cut
    return x[past], anomaly[targets][past], x[~past], anomaly[targets][~past]


# %% tags=["misconception"]
# The windows are shuffled before they are divided, so months on both sides of every test month are in training.
def make_windows(celsius, month, length, horizon, cut):
    mean = np.array([celsius[:cut][month[:cut] == m].mean() for m in range(1, 13)])
    anomaly = celsius - mean[month - 1]
    targets = np.arange(length + horizon - 1, len(celsius))
    targets = np.random.default_rng(0).permutation(targets)
    x = anomaly[(targets - horizon - length + 1)[:, None] + np.arange(length)]
    size = cut - length - horizon + 1
    return x[:size], anomaly[targets][:size], x[size:], anomaly[targets][size:]


# %% tags=["misconception"]
# A window counts as training if its inputs lie before the cut, even where its target lies after it.
def make_windows(celsius, month, length, horizon, cut):
    mean = np.array([celsius[:cut][month[:cut] == m].mean() for m in range(1, 13)])
    anomaly = celsius - mean[month - 1]
    targets = np.arange(length + horizon - 1, len(celsius))
    x = anomaly[(targets - horizon - length + 1)[:, None] + np.arange(length)]
    past = targets - horizon < cut
    return x[past], anomaly[targets][past], x[~past], anomaly[targets][~past]


# %% tags=["misconception"]
# The target lies one month too late: the month after the last input is one month ahead, not zero.
def make_windows(celsius, month, length, horizon, cut):
    mean = np.array([celsius[:cut][month[:cut] == m].mean() for m in range(1, 13)])
    anomaly = celsius - mean[month - 1]
    targets = np.arange(length + horizon, len(celsius))
    x = anomaly[(targets - horizon - length)[:, None] + np.arange(length)]
    past = targets < cut
    return x[past], anomaly[targets][past], x[~past], anomaly[targets][~past]


# %% tags=["misconception"]
# The target is the window's own last month, which the input holds already: there is nothing to forecast.
def make_windows(celsius, month, length, horizon, cut):
    mean = np.array([celsius[:cut][month[:cut] == m].mean() for m in range(1, 13)])
    anomaly = celsius - mean[month - 1]
    targets = np.arange(length + horizon - 1, len(celsius))
    x = anomaly[(targets - length + 1)[:, None] + np.arange(length)]
    past = targets < cut
    return x[past], x[past][:, -1], x[~past], x[~past][:, -1]


# %% tags=["alternative"]
# A loop over the targets.
def make_windows(celsius, month, length, horizon, cut):
    total, times = (np.bincount(month[:cut], w, 13) for w in (celsius[:cut], None))
    anomaly = celsius - (total / np.maximum(times, 1))[month]
    parts = [], [], [], []
    for target in range(length + horizon - 1, len(celsius)):
        last, side = target - horizon, 0 if target < cut else 2
        parts[side].append(anomaly[last - length + 1 : last + 1])
        parts[side + 1].append(anomaly[target])
    return tuple(np.array(part) for part in parts)


# %% tags=["alternative"]
# Windows that hold input and target, taken apart afterwards.
def make_windows(celsius, month, length, horizon, cut):
    means = {m: celsius[:cut][month[:cut] == m].mean() for m in range(1, 13)}
    anomaly = celsius - np.array([means[m] for m in month])
    both = np.lib.stride_tricks.sliding_window_view(anomaly, length + horizon)
    x, y, size = both[:, :length], both[:, -1], cut - length - horizon + 1
    return x[:size], y[:size], x[size:], y[size:]


# %% [markdown]
# ### Four forecasts that need no network
#
# *Climatology* forecasts an anomaly of 0. *Persistence* forecasts that the anomaly stays as it is. *Ridge
# regression* weighs the last twelve anomalies, with twelve weights for each month ahead. And *nearest past*
# looks for the three most similar windows of the past and takes the mean of what followed. The measure is the
# mean absolute error (MAE) in degrees.

# %% tags=["demo"]
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor

LENGTH, HORIZONS = 12, 6
CUT = int(np.argmax(YEAR == 1990))
season = np.array([CELSIUS[:CUT][MONTH[:CUT] == m].mean() for m in range(1, 13)])
anomaly = CELSIUS - season[MONTH - 1]
windows = np.lib.stride_tricks.sliding_window_view(anomaly, LENGTH + HORIZONS)
x_sea, y_sea = windows[:, :LENGTH], windows[:, LENGTH:]
first_target = np.arange(len(windows)) + LENGTH
past, future = first_target + HORIZONS <= CUT, first_target >= CUT
forecasts = {
    "climatology": np.zeros_like(y_sea[future]),
    "persistence": np.repeat(x_sea[future][:, -1:], HORIZONS, axis=1),
    "nearest past": KNeighborsRegressor(3).fit(x_sea[past], y_sea[past]).predict(x_sea[future]),
    "ridge": Ridge(1.0).fit(x_sea[past], y_sea[past]).predict(x_sea[future]),
}

# %% [markdown]
# The network: a GRU of 16 units reads the twelve anomalies, in units of their standard deviation before 1990,
# and answers for six months at once. *Where do you expect it between persistence and ridge?*

# %% tags=["demo"]
keras.utils.set_random_seed(0)
scale = anomaly[:CUT].std()
inputs = keras.Input((LENGTH, 1))
gru = keras.Model(inputs, layers.Dense(HORIZONS, dtype="float32")(layers.GRU(16)(inputs)))
gru.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), "mse")
gru.fit(
    x_sea[past][..., None] / scale,
    y_sea[past] / scale,
    epochs=15,
    verbose=0,
    callbacks=[Progress("GRU")],
)
forecasts["GRU"] = scale * keras.ops.convert_to_numpy(gru(x_sea[future][..., None] / scale))
errors = {name: np.abs(f - y_sea[future]).mean(axis=0) for name, f in forecasts.items()}

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
axis.set(title="Twelve weights forecast the sea as well as a GRU")
axis.legend(loc="lower right", fontsize=10)
plots.show(
    fig,
    alt="Mean absolute error in degrees for 1 to 6 months ahead. Climatology is level at about .8. Persistence starts at .37 and crosses "
    "it at four months. Nearest past lies above persistence throughout, from .6 to nearly 1. Ridge and GRU are nearly the same line, from .36 "
    "to just under .8.",
)

# %% tags=["demo", "nbval-check-output"]
# 21 seeds: GRU within .017 to .038 of ridge; .66 to .69 three months ahead; ridge is the same each time.
print(f"{len(CELSIUS)} months; {past.sum()} windows to train on, {future.sum()} to test")
print("warmest month more than 4 °C too warm:", bool(anomaly.max() > 4))
gap = np.abs(errors["GRU"] - errors["ridge"]).max()
print("GRU within .06 °C of ridge at all six horizons:", bool(gap < 0.06))
print(
    "one month ahead, persistence within .04 °C of the best:",
    bool(errors["persistence"][0] - min(e[0] for e in errors.values()) < 0.04),
)
print(
    "three months ahead, GRU better than climatology by .08 °C:",
    bool(errors["climatology"][2] - errors["GRU"][2] > 0.08),
)
print(
    "six months ahead, ridge and GRU less than .08 °C better than climatology:",
    bool(errors["climatology"][5] - min(errors["ridge"][5], errors["GRU"][5]) < 0.08),
)
print(
    "nearest past, six months ahead, worse than climatology:",
    bool(errors["nearest past"][5] > errors["climatology"][5]),
)

# %% [markdown]
# The network is about as good as twelve weights for each month ahead, and one month ahead neither is much
# better than "as it is now". Up to about three months these forecasts know something that climatology does not,
# and at six months next to nothing. The network may pay with many series at once, with winds and depths as
# further inputs, with relations that bend. With 463 windows of one number, take ridge.

# %% [markdown]
# ### A leak that makes the worst model the best
#
# *Nearest past* is the worst of five at six months. Now the same model, scored on the *same months*, but with
# the usual shuffled cross-validation: the windows are dealt into ten parts at random, and each part is forecast
# from the other nine. *What will it score?*
#
# And two other leaks. *Smoothing*: the series is smoothed with a centred mean of five months before windows are
# made. *Scaling*: the climatology is taken over all years, test years too.

# %% tags=["demo", "nbval-check-output"]
folds = KFold(10, shuffle=True, random_state=0)
shuffled = cross_val_predict(KNeighborsRegressor(3), x_sea, y_sea, cv=folds)[future]
leaky = np.abs(shuffled - y_sea[future]).mean(axis=0)
print(
    "six months ahead, shuffled, nearest past looks better than every honest forecast:",
    bool(leaky[5] < min(e[5] for e in errors.values())),
)
print(f"its error: honest {errors['nearest past'][5]:.1f} °C, shuffled {leaky[5]:.1f} °C")

smooth = np.convolve(anomaly, np.full(5, 0.2), "same")
x_smooth = np.lib.stride_tricks.sliding_window_view(smooth, LENGTH + HORIZONS)[:, :LENGTH]
peeking = Ridge(1.0).fit(x_smooth[past], y_sea[past]).predict(x_smooth[future])
peeking = np.abs(peeking - y_sea[future]).mean(axis=0)
print(
    f"ridge, one month ahead: honest {errors['ridge'][0]:.1f} °C, smoothed first {peeking[0]:.1f} °C"
)

all_years = np.array([CELSIUS[MONTH == m].mean() for m in range(1, 13)])
w = np.lib.stride_tricks.sliding_window_view(CELSIUS - all_years[MONTH - 1], LENGTH + HORIZONS)
scaled = Ridge(1.0).fit(w[past, :LENGTH], w[past, LENGTH:]).predict(w[future, :LENGTH])
change = np.abs(scaled - w[future, LENGTH:]).mean(axis=0) - errors["ridge"]
print(
    "climatology over all years changes ridge by less than .02 °C:",
    bool(np.abs(change).max() < 0.02),
)

# %% [markdown]
# Shuffled, nearly every test window has neighbours in training that begin a month earlier or later and share
# eleven of its twelve inputs and five of its six targets. To look such a neighbour up is what this model does,
# so **the worst forecast would have been chosen as the best**. The smoothed month holds a fifth of each of the
# two months after it: the answer was in the input. The climatology over all years, the leak that is named most
# often, changed next to nothing here. It breaks the rule all the same, and with a trend, or few years, it would
# do harm. The size of a leak cannot be guessed from its kind; so leave none.

# %% [markdown]
# ### Stock prices: yesterday's wins
#
# `stock_prices` has 1,047 real trading days of one share, Google's, 2004 to 2008. A GRU reads twenty closing
# prices and forecasts the next; it is trained up to the end of 2007 and tested on 2008. One usually shows such
# a plot:

# %% tags=["demo"]
days = datasets.arrays("stock_prices", "train")
price = days["close"].astype("float64")
first_day = int(np.argmax(days["year"] == 2008))
both = np.lib.stride_tricks.sliding_window_view(price, 21)
in_2008 = np.arange(len(both)) + 20 >= first_day
mean, spread = price[:first_day].mean(), price[:first_day].std()
z = ((both - mean) / spread).astype("float32")

keras.utils.set_random_seed(0)
inputs = keras.Input((20, 1))
trader = keras.Model(inputs, layers.Dense(1, dtype="float32")(layers.GRU(16)(inputs)))
trader.compile(keras.optimizers.Adam(0.01), "mse")
trader.fit(
    z[~in_2008, :-1, None], z[~in_2008, -1], epochs=15, verbose=0, callbacks=[Progress("GRU")]
)
said = mean + spread * keras.ops.convert_to_numpy(trader(z[in_2008, :-1, None]))[:, 0]
real, yesterday = both[in_2008, -1], both[in_2008, -2]

# %% tags=["demo"]
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.2), width_ratios=(2, 1.3))
for axis, part in zip(axes, (slice(None), slice(60, 90))):
    axis.plot(np.arange(len(real))[part], real[part], color=plots.BLACK, lw=1.5, label="real")
    axis.plot(
        np.arange(len(real))[part], said[part], "--", color=plots.ORANGE, lw=1.5, label="GRU said"
    )
    axis.set(xlabel="trading day of 2008")
axes[0].set(ylabel="price (US dollars)")
axes[0].legend(fontsize=10)
axes[1].set_title("the same, 30 days", fontsize=11)
fig.suptitle(
    "The forecast looks right, and it is yesterday's price", x=0.01, ha="left", fontsize=12
)
plots.show(
    fig,
    alt="Left, real and forecast price through 2008: the two lines lie on top of each other. Right, thirty days enlarged: the dashed forecast makes "
    "each jump of the real price one day late.",
)

# %% [markdown]
# It looks splendid, and the share of the prices' variance that it explains, $R^2$, is high. *Does it beat the
# price of the day before?*

# %% tags=["demo", "nbval-check-output"]
r_squared = 1 - np.mean((said - real) ** 2) / real.var()
mae = {"GRU": np.abs(said - real).mean(), "yesterday": np.abs(yesterday - real).mean()}
# 21 seeds: R² .939 to .950; errors 10.97 to 12.5 dollars, yesterday 10.80; direction .40 to .54.
print(f"{len(price)} days, {len(real)} of them to test")
print("R² above .9:", bool(r_squared > 0.9))
print("yesterday's price is the better forecast:", bool(mae["yesterday"] < mae["GRU"]))
print(
    "the GRU lies nearer to yesterday's price than to the one it forecasts:",
    bool(np.abs(said - yesterday).mean() < mae["GRU"]),
)
direction = np.mean((said > yesterday) == (real > yesterday))
print("it is right about up or down on fewer than 58 of 100 days:", bool(direction < 0.58))

# %% [markdown]
# The network has learnt to repeat the last price, with some noise. It could hardly do better: if it were known
# that the price will be higher tomorrow, people would buy today, until it is higher today. A high $R^2$ says
# only that today's price resembles yesterday's. For any forecast, ask first: **what would the last value have
# scored?**

# %% [markdown]
# ### Melodies, note by note
#
# To *generate*, feed the output back: take the network's probabilities for the next note, draw one, append it,
# and go on. `melodies` holds 3,000 **simulated** tunes of sixteen notes; no composer stands behind them. Four
# rules made them: small steps; phrases one and two (four notes each) end openly, on D, G or B; **the third
# phrase repeats the first**; the last note is the home note C, reached by a step. So we can count what a model
# has learnt.

# %% tags=["demo"]
NOTES = ("C", "D", "E", "F", "G", "A", "B", "C'")
START = len(NOTES)  # a ninth symbol, before the first note
tunes = datasets.arrays("melodies", "train")["notes"]
before = np.column_stack([np.full(len(tunes), START), tunes[:, :-1]])
print("one tune:", " ".join(NOTES[note] for note in tunes[0]))


def rules(tunes):
    """How well tunes keep the rules: the share of steps, of ends and of tunes."""
    phrases = tunes.reshape(-1, 4, 4)
    steps = np.abs(np.diff(phrases, axis=2))
    return {
        "small steps": np.isin(steps, (1, 2)).mean(),
        "open ends": np.isin(phrases[:, :2, -1], (1, 4, 6)).mean(),
        "home": (np.isin(tunes[:, -1], (0, 7)) & (steps[:, 3, -1] == 1)).mean(),
        "theme returns": (phrases[:, 0] == phrases[:, 2]).all(axis=1).mean(),
    }


# %% tags=["demo"]
def generate(probabilities, count, rng):
    """Tunes drawn note by note; probabilities maps notes so far (count, t) to the next (count, 8)."""
    tunes = np.full((count, 1), START)
    for _ in range(16):
        p = probabilities(tunes).cumsum(axis=1)
        drawn = (p < rng.random((count, 1))).sum(axis=1)
        tunes = np.column_stack([tunes, np.minimum(drawn, 7)])
    return tunes[:, 1:]


# %% [markdown]
# The baseline counts: how often did each note follow each pair of notes? The network is an LSTM of 64 units with its gate open from the start. *Which rules
# can a count of pairs learn, and which not?*

# %% tags=["demo"]
padded = np.column_stack([np.full(len(tunes), START), before, tunes[:, -1]])
pairs = np.full((9, 9, 8), 0.01)
np.add.at(pairs, (padded[:, :16], padded[:, 1:17], padded[:, 2:]), 1)
pairs /= pairs.sum(axis=-1, keepdims=True)


def counted(tunes):
    """Probabilities of the next note from the last two."""
    return pairs[tunes[:, -2] if tunes.shape[1] > 1 else START, tunes[:, -1]]


keras.utils.set_random_seed(0)
inputs = keras.Input((None,), dtype="int32")
x = layers.Embedding(9, 16)(inputs)
x = layers.LSTM(64, return_sequences=True, bias_initializer=open_lstm, unit_forget_bias=False)(x)
composer = keras.Model(inputs, layers.Dense(8, dtype="float32")(x))
schedule = keras.optimizers.schedules.CosineDecay(0.01, 20 * 47)
composer.compile(
    keras.optimizers.Adam(schedule, clipnorm=1.0),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
history = composer.fit(
    before, tunes, batch_size=64, epochs=20, verbose=0, callbacks=[Progress("LSTM")]
)

# %% tags=["demo"]


def composed(tunes):
    """Probabilities of the next note from the LSTM's logits."""
    return keras.ops.convert_to_numpy(keras.ops.softmax(composer(tunes)[:, -1]))


made = {
    "pairs": generate(counted, 300, np.random.default_rng(0)),
    "LSTM": generate(composed, 300, np.random.default_rng(0)),
}
kept = {name: rules(one) for name, one in made.items()}
new = np.mean([not (tunes == one).all(axis=1).any() for one in made["LSTM"]])
for name, shares in kept.items():
    print(f"{name:6s}", "   ".join(f"{rule} {share:.2f}" for rule, share in shares.items()))

# %% tags=["demo", "nbval-check-output"]
print(f"{len(tunes)} tunes of {tunes.shape[1]} notes to train on, {len(made['LSTM'])} made")
# 20 seeds, LSTM: the theme returns in .89 to .93, home .94 to .99, new .82 to .88.
print("the theme returns, pairs: fewer than 5 of 100:", bool(kept["pairs"]["theme returns"] < 0.05))
print("the theme returns, LSTM: more than 70 of 100:", bool(kept["LSTM"]["theme returns"] > 0.70))
print("LSTM ends at home: more than 90 of 100:", bool(kept["LSTM"]["home"] > 0.90))
print("of the LSTM's tunes, new ones: more than 70 of 100:", bool(new > 0.70))

# %% [markdown]
# Counting pairs does not even know when a phrase ends, and the return of a theme eight notes later is out of
# its reach. The LSTM kept it in its state, and most of its tunes are new: it has learnt the rules rather than
# the tunes. Here is the first of those that are new and whose theme returns, to hear. What the rules do not say
# it has not learnt; nor would keeping rules make a piece of music good.

# %% tags=["demo"]
from IPython.display import Audio, display

phrases = made["LSTM"].reshape(-1, 4, 4)
returns = (phrases[:, 0] == phrases[:, 2]).all(axis=1)
fresh = [not (tunes == one).all(axis=1).any() for one in made["LSTM"]]
tune = made["LSTM"][np.flatnonzero(returns & fresh)[0]]
RATE, seconds = 8000, np.arange(2000) / 8000
semitones = np.array([0, 2, 4, 5, 7, 9, 11, 12])[tune]
fade = np.minimum(1, 40 * seconds) * np.exp(-5 * seconds)
sound = [fade * np.sin(2 * np.pi * 261.6 * 2 ** (s / 12) * seconds) for s in semitones]
display(Audio(np.concatenate(sound), rate=RATE))

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 2.6))
for phrase, color in enumerate((plots.BLUE, plots.GREEN, plots.BLUE, plots.ORANGE)):
    axis.bar(
        4 * phrase + np.arange(4),
        0.8,
        bottom=tune[4 * phrase : 4 * phrase + 4] - 0.4,
        color=color,
        width=0.9,
    )
axis.set_yticks(range(8), NOTES)
axis.set_xticks(range(0, 16, 4), ["theme", "second", "theme again", "end"], ha="left")
axis.set(
    xlabel="phrase, four notes each", ylabel="note", title="A tune by the LSTM: its theme returns"
)
plots.show(
    fig,
    alt="Sixteen notes of a generated tune as blocks, height by pitch, in four phrases of four. The third phrase has the colour and the notes of the first.",
)

# %% [markdown]
# ## What it cannot do, and whom it can hurt
#
# Nobody on the coast of Peru needs to be told that the sea will be as usual; what matters is the large El Niño.
# So take the months from 1990 on that were more than 1.5 degrees too warm. *How much of the excess had been
# forecast three months before?*

# %% tags=["demo", "nbval-check-output"]
hot = y_sea[future][:, 2] > 1.5
print("months more than 1.5 °C too warm:", int(hot.sum()), "of", len(hot))
truth = y_sea[future][hot, 2].mean()
# 21 seeds, GRU: .56 to .63 of the excess, 1.68 to 1.85 times the error; ridge .57 and 1.84.
for name in ("ridge", "GRU"):
    share = forecasts[name][hot, 2].mean() / truth
    print(f"{name}: less than 70 % of the excess was forecast:", bool(share < 0.70))
share = forecasts["persistence"][hot, 2].mean() / truth
print("persistence: more than 80 % of it:", bool(share > 0.80))
missed = {
    name: np.abs(forecasts[name] - y_sea[future])[hot, 2].mean() / errors[name][2]
    for name in ("ridge", "GRU")
}
print(
    "their error there is more than one and a half times the mean:",
    bool(min(missed.values()) > 1.5),
)

# %% [markdown]
# Ridge and GRU forecast less than 70 % of the heat that came, and their error in those months is more than one
# and a half times their usual one. Persistence, worse on average, forecast more of it. A model trained to be
# right on average draws everything towards the average, and extremes were rare in its data. Those who fish and
# farm pay for that, while the mean error looks respectable. So report the error where it matters, and give a
# range, not one number.
#
# A share's forecast hurts otherwise: plots like ours, without persistence beside them, are used to sell. And a
# recurrent network gives no reasons: all that it read is mixed into one vector, and nothing in there says which
# month, or which word, made the answer.

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Give the LSTM of `recall_task` ten times as many examples and no open gate. When does it get there? And a gap of 200 with the gate open?
# 2. Forecast the *change* of the price, or its logarithm, instead of the price. Does anything beat a change of zero in 2008? And in 2007?
# 3. Let each melody have a theme of six notes, or return after two phrases instead of one. How many units does the LSTM need?
#
# To read: Hochreiter and Schmidhuber (1997), *Long short-term memory*; Pascanu, Mikolov and Bengio (2013), *On
# the difficulty of training recurrent neural networks*; Hyndman and Athanasopoulos, *Forecasting: principles
# and practice*, free on the web, on baselines and honest tests.
#
# ### At full size
#
# `groove/2bar-midionly` holds real drumming in pieces of two bars, some 22,000 of them. Its file has 3.1 MB;
# the 5.1 GB that the cell may name are those of the collection with sound.

# %% tags=["demo"]
try:
    drums, info = datasets.load("groove/2bar-midionly", split="train", with_info=True)
    print(info.splits["train"].num_examples, "pieces of two bars;", info.features)
except datasets.DatasetNotDownloadedError as error:
    print(error)

# %% [markdown]
# What changes: an example is a MIDI file, a list of events (which drum, how hard, when), to be turned into
# symbols on a grid of sixteenths, several drums at once; the last layer then has a probability for each drum.
# On a GPU, with Keras' default arguments, LSTM and GRU layers run in NVIDIA's fused cuDNN code, much faster
# than a loop over steps. Lesson 11 takes recurrent networks to text.
