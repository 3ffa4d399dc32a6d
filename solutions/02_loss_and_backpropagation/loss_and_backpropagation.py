# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Loss and backpropagation
#     summary: Find out how a network learns, from the slope of its loss, computed backwards layer by layer, to optimizers that you write yourself and race against each other.
#     part: I Foundations
#     minutes: 125
#     minutes_reading: 45
#     objectives:
#     - choose a loss, and check its first value before any training
#     - compute the gradients of a network backwards by the chain rule, and check them against finite differences and GradientTape
#     - take steps of gradient descent in Keras, and recognise a learning rate that is too large or too small
#     - derive for any activation function how large the first weights should be
#     - write momentum and Adam as optimizers of Keras, and compare optimizers fairly
#     datasets: [digits]
#     full_size: [mnist]
#     needs: [01_neurons_and_layers]
#     mirrors:
#       "2 How does Deep Learning work?": "Neither Monte Carlo nor quadratic programming"
#       "3 How Deep Learning Works: Forward Propagation and Loss Calculation": "A forward pass ends in one number"
#       "3 How Deep Learning Works: Backpropagation and Gradient Descent": "Backwards, one link at a time"
#       "3 How to Get Started with Deep Learning: Mathematical prerequisites": "The mathematics that it takes"
#     built: backpropagation in NumPy, gradient descent with a tape, a start that fits any activation function, and momentum and Adam as optimizers of Keras
#     terms:
#       "forward pass, forward propagation": Computing a network's answers, layer by layer, from its inputs.
#       "derivative (of a function)": How fast a number changes with another; the slope of its curve.
#       "partial derivative": The derivative by one of several numbers, while the others stay as they are.
#       "chain rule (of derivatives)": "The derivative of a chain of functions is the product of the derivatives of its links."
#       "backpropagation, backward pass": Computing the gradients of all weights from the last layer to the first by the chain rule, in one pass.
#       "computational graph": A computation drawn as boxes, one for each operation, with arrows for the numbers between them.
#       "finite differences, finite difference": Measuring a slope by changing a number a little both ways and looking at the result.
#       "gradient check": Comparing gradients with finite differences.
#       "curvature (of a loss)": How fast a slope changes; it says how long a step may be.
#       "Monte Carlo": Methods that draw at random in order to estimate or to find something.
#       "quadratic programming": Finding the lowest point of a quadratic function under linear conditions.
#       "convex": Said of a function that nowhere lies above the straight line between two of its points, so that every valley is the deepest.
#       "maximum likelihood": Choosing the weights under which what was observed is most probable.
#       "mean square": The mean of the squares of some numbers; for numbers around 0, their variance.
#       "lecun_normal": The initializer that draws weights with the variance 1 / n, for n inputs; `he_normal` draws them with 2 / n.
#       "selu": An activation function that was made to bring its outputs to mean 0 and variance 1.
#       "momentum": A velocity that an optimizer keeps for each weight, so that steps in the same direction add up.
#       "RMSprop": An optimizer that divides each weight's gradient by the typical size of its recent gradients.
#       "moving average": A mean in which what is older counts less, by the same factor for each step.
#       "bias correction (of Adam)": The division that makes up for moving averages that start at 0.
#     explains: [mean squared error, class_weight, CosineDecay, loss scaling, Flatten, Rescaling, support vector machine, dtype policy]
# ---

# %% [markdown]
# # Loss and backpropagation
#
# Four walkers stand on the same slope of a long, narrow valley, in fog. Each feels how steep the ground is under its
# feet, and nothing else. Each takes 40 steps. They differ only in the rule that turns a slope into a step, and they end
# in different places.
#
# Training a network is this walk. The place is given by the weights, the height is the **loss**, and there are not two
# directions but thousands or billions. In this lesson you compute the slope in all these directions at once, by the
# method that makes deep learning possible, **backpropagation**. You check it in two ways, and then write the walkers:
# optimizers for Keras.
#
# Reading and running takes about 45 minutes, of which half a minute is waiting; the five exercises take about 80
# minutes more.

# %%
import course

course.setup(seed=0, precision="float32")

import itertools
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import ops

from course import datasets, plots, results

# %% [markdown]
# By the end of the lesson you will have written two of the four rules yourself, and know the other two. For now, the
# cells below are there for their picture.

# %% tags=["demo"]
RULES = {
    "plain gradient descent": keras.optimizers.SGD(0.035),
    "momentum": keras.optimizers.SGD(0.02, momentum=0.8),
    "RMSprop": keras.optimizers.RMSprop(0.15, rho=0.9),
    "Adam": keras.optimizers.Adam(0.4),
}


def walk_in_valley(optimizer, steps):
    """The places (steps + 1, 2) on the way down (x² + 50 y²) / 2."""
    optimizer = optimizer.from_config(optimizer.get_config())  # a new one for each walk
    place = keras.Variable([-4.0, 1.3])
    places = [place.numpy()]
    for _ in range(steps):
        optimizer.apply([place * np.array([1.0, 50.0], "float32")], [place])
        places.append(place.numpy())
    return np.array(places)


# %% tags=["demo", "thumbnail"]
fig, axes = plt.subplots(2, 2, figsize=(6.4, 4.6), sharex=True, sharey=True)
across, along = np.meshgrid(np.linspace(-4.6, 1.2, 120), np.linspace(-1.7, 1.7, 120))
colours = [plots.BLUE, plots.VERMILION, plots.GREEN, plots.BLACK]
for axis, (name, rule), colour in zip(axes.flat, RULES.items(), colours):
    height = np.sqrt(across**2 + 50 * along**2)
    axis.contourf(across, along, height, levels=12, cmap="Greys", alpha=0.55)
    places = walk_in_valley(rule, 40)
    axis.plot(*places.T, "o-", color=colour, ms=3, lw=1.4)
    axis.plot(0, 0, "*", ms=13, color=plots.ORANGE, mec=plots.BLACK)
    axis.set_title(name)
fig.supxlabel("first weight", fontsize=11)
fig.supylabel("second weight", fontsize=11)
plots.show(
    fig,
    alt="""A long narrow valley from above, four times, with a star at its lowest point and the path of 40 steps. Plain
    gradient descent jumps from wall to wall and then creeps along the floor, and is not there yet. Momentum swings down
    the valley and arrives. RMSprop bends to the floor and arrives. Adam overshoots in a wide loop and comes back.""",
)

# %% [markdown]
# ## The mathematics that it takes
#
# People ask how much mathematics one needs for deep learning. This lesson is where most of it is used, so here is the
# list.
#
# | field | what of it | where in this lesson |
# |---|---|---|
# | linear algebra | the product of two matrices, and the transpose $A^\top$, in which rows become columns | a layer, forwards and backwards |
# | calculus | the *derivative*, a slope; the *partial derivative*, the slope in one direction; the *chain rule* | the gradient |
# | probability | a distribution over classes; the logarithm, which makes sums of products | cross-entropy |
# | statistics | the variance of a sum; the error of a mean of random draws | first weights; batches |
#
# You have met the first row in lesson 01. The others are explained where they come up, and each is tried out in numbers
# beside its formula. Proofs are not needed.

# %% [markdown]
# ## A forward pass ends in one number
#
# A **forward pass**, or forward propagation, is what a network does when it is asked: layer by layer it computes its
# answers from its inputs. In training, one more step follows: a loss compares the answers with the truth.
#
# The data are the digits of lesson 01: images of 64 pixels in ten classes, 1,000 to learn from, 297 to validate and 500
# to test.


# %%
def digit_rows(split):
    """Images (n, 64) with pixels from 0 to 1, and their labels (n,)."""
    images, labels = datasets.arrays("digits", split, as_supervised=True, scaled=True)
    return images.reshape(-1, 64), labels


x_all, y_all = digit_rows("train")
train, validation = (x_all[:1000], y_all[:1000]), (x_all[1000:], y_all[1000:])
test = digit_rows("test")

# %% [markdown]
# The network has one hidden layer of 32 neurons with tanh, and ten logits $z$ that softmax turns into probabilities
# $p$. In NumPy the forward pass takes four lines. $W_1, b_1, W_2, b_2$ are the kernels and biases:
#
# $$h = \tanh(x W_1 + b_1) \qquad z = h W_2 + b_2 \qquad p = \mathrm{softmax}(z)$$


# %%
def forward(x, weights):
    """Hidden values (n, hidden) and probabilities (n, classes) for a batch (n, inputs)."""
    w1, b1, w2, b2 = weights
    hidden = np.tanh(x @ w1 + b1)
    logits = hidden @ w2 + b2
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return hidden, powers / powers.sum(axis=1, keepdims=True)


def cross_entropy(x, y, weights):
    """The mean of -log(probability of the right class) over a batch."""
    p = forward(x, weights)[1]
    return -np.mean(np.log(p[np.arange(len(y)), y]))


def random_weights(inputs, hidden, classes, seed):
    """Kernels of variance 1 / inputs and small biases, as float64."""
    rng = np.random.default_rng(seed)
    w1 = rng.normal(size=(inputs, hidden)) / np.sqrt(inputs)
    w2 = rng.normal(size=(hidden, classes)) / np.sqrt(hidden)
    return [w1, 0.1 * rng.normal(size=hidden), w2, 0.1 * rng.normal(size=classes)]


# %% [markdown]
# The ten probabilities of each image become one number by the loss. Cross-entropy looks at the probability that the
# right class got, takes its logarithm and changes the sign: 0 if the network was sure and right, large if it was sure
# and wrong. The mean over the batch is the number that training lowers.
#
# Why the logarithm? If the examples are independent of each other, the probability that the network gives to *all* the
# right answers together is the product of those of each. A product of 1,000 numbers below 1 is too small for a computer
# to hold; its logarithm is a sum. So the weights with the lowest mean cross-entropy are those under which the right
# answers are most probable. Statisticians call that *maximum likelihood*.
#
# ### The first value can be known in advance
#
# An untrained network knows nothing and should say so: about 0.1 for each of ten digits. *What should its loss be?*
# $-\log 0.1 = \log 10 = 2.303$. Look at the first loss before you train anything. One that is far higher means that the
# network is *sure* before it has seen an example, and the first part of its training will be spent on taking that back.
# Below is the network as it starts, and the same one with a last kernel ten times as large.

# %% tags=["demo", "nbval-check-output"]
start = random_weights(64, 32, 10, seed=5)
loud = [start[0], start[1], 10 * start[2], start[3]]
results.table(
    ("first loss", cross_entropy(*train, start), (2.2, 2.6)),
    ("first loss, last kernel times ten", cross_entropy(*train, loud), (4, 13)),
)

# %% [markdown]
# The second network is worse than one that answers at random. Code without an error message can have such a fault for
# months.

# %% [markdown]
# ### The loss decides what can be learnt
#
# Cross-entropy is the usual loss of classifiers. Where the answer is an amount, the usual one is the **mean squared
# error**, the mean of the squares of prediction minus truth. What happens if a classifier is trained on squared errors
# of its probabilities? Take the smallest one, a sigmoid, $p = 1 / (1 + e^{-z})$, and an example for which 1 would be
# right. Below is each loss against the logit $z$, and the slope of each.

# %% tags=["demo"]
z = np.linspace(-8, 8, 321)
p = 1 / (1 + np.exp(-z))
losses = {
    "cross-entropy": (-np.log(p), p - 1),
    "squared error": ((p - 1) ** 2, 2 * (p - 1) ** 2 * -p),
}
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.4))
for (name, (height, slope)), style in zip(losses.items(), ["-", "--"]):
    axes[0].plot(z, height, style, label=name)
    axes[1].plot(z, slope, style, label=name)
axes[0].set(title="Sure and wrong is on the left", xlabel="logit z, right answer 1", ylabel="loss")
axes[1].set(title="There, squared error is flat", xlabel="logit z, right answer 1", ylabel="slope")
axes[0].legend()
plots.show(
    fig,
    alt="""Left, two losses against the logit. Cross-entropy falls in a straight line from 8 at minus 8 and flattens at 0.
    Squared error stays near 1 on the left and falls to 0 in the middle. Right, their slopes: that of cross-entropy is minus 1
    on the left, that of squared error is close to 0 on both sides.""",
)

# %% [markdown]
# With cross-entropy the slope is $p - 1$: the more wrong, the steeper. With squared error it is $-2p(1-p)^2$, almost
# nothing where $p$ is almost 0. A neuron that is sure and wrong hears nothing. Start both at $z = -8$ and let them take
# 200 steps downhill:

# %% tags=["demo", "nbval-check-output"]
for name in losses:
    logit = -8.0
    for _ in range(200):
        p = 1 / (1 + np.exp(-logit))
        logit -= (p - 1) if name == "cross-entropy" else -2 * p * (1 - p) ** 2
    print(
        f"{name}: after 200 steps the right answer has the probability {1 / (1 + np.exp(-logit)):.4f}"
    )

# %% [markdown]
# A loss is a choice with consequences. For amounts it is one too: the single number with the smallest mean squared
# error is the *mean* of the data, that with the smallest mean absolute error their *median*. Of incomes, these are
# different people.

# %% [markdown]
# ## Backwards, one link at a time
#
# To lower the loss, one has to know for every weight in which direction to change it. That is the **gradient**: for
# each weight the slope of the loss, its **partial derivative**, by that weight while all others stay as they are.
#
# ### The slow way: try each weight
#
# A slope can be measured. Change one weight by a little $\varepsilon$ up and down, and compare: the **finite
# difference** $\bigl(L(w + \varepsilon) - L(w - \varepsilon)\bigr) / 2\varepsilon$. It works for anything, needs no
# thinking, and is far too slow: two forward passes *for every weight*.


# %%
def measured_slope(x, y, weights, which, place, epsilon=1e-5):
    """The slope of the cross-entropy by one number, ``weights[which][place]``."""
    pair = []
    for change in (epsilon, -epsilon):
        changed = [w.copy() for w in weights]
        changed[which][place] += change
        pair.append(cross_entropy(x, y, changed))
    return (pair[0] - pair[1]) / (2 * epsilon)


# %% [markdown]
# ### The fast way, on the smallest example
#
# A loss is a chain of simple functions. If $u$ changes twice as fast as $w$, and $L$ changes three times as fast as
# $u$, then $L$ changes six times as fast as $w$. This is the **chain rule**: along a chain, slopes multiply. Draw the
# computation as a **computational graph**, a box for each operation. Here is one neuron with one input, tanh, and a
# squared error: $L = (\tanh(w x + b) - t)^2$, for $x = 2$, $w = 0.5$, $b = -0.7$ and the truth $t = 1$.


# %% tags=["demo"]
def draw_chain(axis, values, slopes):
    """Boxes from left to right, values above the arrows, slopes of the loss below them."""
    names = ["w", "times x", "plus b", "tanh", "minus t,\nsquared"]
    for place, name in enumerate(names):
        plots.box(axis, 1.6 * place, 0, name, plots.BLACK if place else plots.BLUE)
    for place, (value, slope) in enumerate(zip(values, slopes)):
        left, right = 1.6 * place + 0.5, 1.6 * place + 1.05
        plots.arrow(axis, (left, 0.12), (right, 0.12), plots.BLUE, 1.8)
        plots.arrow(axis, (right, -0.12), (left, -0.12), plots.VERMILION, 1.8)
        axis.text((left + right) / 2, 0.62, f"{value:.3f}", ha="center", color=plots.BLUE)
        axis.text((left + right) / 2, -0.85, f"{slope:.3f}", ha="center", color=plots.VERMILION)
    axis.text(7.6, 0, "L", va="center")
    axis.text(-0.3, 1.05, "forwards: values", color=plots.BLUE)
    axis.text(-0.3, -1.35, "backwards: slope of the loss by that value", color=plots.VERMILION)
    axis.set(xlim=(-0.6, 8.3), ylim=(-1.6, 1.5))
    axis.set_axis_off()


# %% tags=["demo"]
w, x, b, t = 0.5, 2.0, -0.7, 1.0
product, total = w * x, w * x + b
a = np.tanh(total)
loss = (a - t) ** 2
by_loss = 1.0
by_a = by_loss * 2 * (a - t)  # the slope of (a - t)² by a
by_total = by_a * (1 - a**2)  # the slope of tanh is 1 - tanh²
by_product = by_total * 1  # a sum passes its slope on to each of its terms
by_w = by_product * x  # w is multiplied by x, so its slope is

fig, axis = plt.subplots(figsize=(6.8, 2.6))
draw_chain(axis, [w, product, total, a, loss], [by_w, by_product, by_total, by_a, by_loss])
axis.set_title("Each box multiplies the slope that comes back by its own")
plots.show(
    fig,
    alt="""A chain of boxes that ends in L: w, times x, plus b, tanh, minus t squared. Blue arrows to the right carry the values 0.5, 1,
    0.3, 0.291 and 0.502. Vermilion arrows to the left carry the slopes, from 1 at the end back through minus 1.417 and
    minus 1.297 to minus 2.594 at w.""",
)

# %% tags=["demo", "nbval-check-output"]
up, down = ((np.tanh((w + e) * x + b) - t) ** 2 for e in (1e-5, -1e-5))
print(f"slope by w, backwards {by_w:.6f}, by finite differences {(up - down) / 2e-5:.6f}")

# %% [markdown]
# Going backwards, each box needs only what comes back to it and its own slope, and it finds that with the *value* that
# it computed on the way forward. That is why a network in training has to keep all its values in memory. And one pass
# back gives the slopes by *all* inputs of the graph: that by $b$ is the number which comes back into the box *plus b*.
# Four boxes cover most of what networks consist of:
#
# | forwards | backwards, a slope $s$ that comes back goes on as |
# |---|---|
# | sum, $u + v$ | $s$ to both |
# | product, $u v$ | $s v$ to $u$, and $s u$ to $v$: each gets the *other* one's value |
# | maximum, $\max(u, v)$, as in ReLU | $s$ to the larger one, 0 to the other |
# | one value used in two places | the two slopes that come back, added |

# %% [markdown]
# ### The same with matrices
#
# For layers the boxes are matrix products, one in each layer; below, $W$ is $W_2$, and the first layer has $x$ in place
# of $h$ and $u$ in place of $z$. Write $\bar v$ for the slope of the mean loss by $v$; it has the shape of $v$, and
# that alone tells where a transpose belongs. For a batch of $n$ examples, with $Y$ the labels as rows of zeros with a
# single 1:
#
# | forwards | backwards |
# |---|---|
# | $L$: mean cross-entropy of $p = \mathrm{softmax}(z)$ | $\bar z = (p - Y) / n$ |
# | $z = h W + b$ | $\bar W = h^\top \bar z \qquad \bar b = $ sum of the rows of $\bar z \qquad \bar h = \bar z\, W^\top$ |
# | $h = \tanh(u)$ | $\bar u = \bar h \odot (1 - h^2)$, element by element |
#
# The first line is a gift: softmax and logarithm, each with an unpleasant derivative, cancel to *what the network said
# minus what it should have said*. In the second line, $\bar W$ collects over the batch how large an input was and how
# much its neuron was at fault; $\bar h$ sends the fault back along the same weights that carried the signal forward.
# From last layer to first, this is **backpropagation**, or the *backward pass*. It costs about twice as much as the
# forward pass, however many weights there are. Seppo Linnainmaa described the method in 1970, for computations of any
# kind; David Rumelhart, Geoffrey Hinton and Ronald Williams made it known for networks in 1986.

# %% [markdown]
# ### Exercise 1: backpropagation by hand
#
# Complete `backward(x, y, weights)` with NumPy, for the network of `forward`: `x` (n, inputs) is a batch, `y` (n,)
# holds whole numbers, and `weights` is the list `[w1, b1, w2, b2]`. Return a list of four arrays, shaped as the
# weights: the gradient of the *mean* cross-entropy by each of them. Call `forward(x, weights)`, which gives you $h$ and
# $p$, and go back through the table. Measured slopes will not do: the gradients should agree with the chain rule to
# twelve decimals. Leave the arguments as they are.


# %% grade_id="backward" solution=true
def backward(x, y, weights):
    """The gradients of the mean cross-entropy by w1, b1, w2 and b2."""
    ### BEGIN SOLUTION
    hidden, p = forward(x, weights)
    by_logits = p.copy()
    by_logits[np.arange(len(y)), y] -= 1
    by_logits /= len(y)
    by_sums = by_logits @ weights[2].T * (1 - hidden**2)
    return [x.T @ by_sums, by_sums.sum(axis=0), hidden.T @ by_logits, by_logits.sum(axis=0)]
    ### END SOLUTION


# %%
def small_case(seed, count, inputs, hidden, classes):
    """A random batch and random weights."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0.3, 1, size=(count, inputs)), rng.integers(classes, size=count)
    return x, y, random_weights(inputs, hidden, classes, seed + 100)


def all_measured(x, y, weights):
    """The gradients by finite differences, for every weight."""
    return [
        np.array(
            [measured_slope(x, y, weights, i, place) for place in np.ndindex(w.shape)]
        ).reshape(w.shape)
        for i, w in enumerate(weights)
    ]


NAMES = ("w1", "b1", "w2", "b2")

# %% grade_id="backward_measured" points=2
x, y, weights = small_case(3, 5, 3, 4, 3)
got = backward(x.copy(), y.copy(), [w.copy() for w in weights])
assert len(got) == 4, f"four weight arrays have four gradients, not {len(got)}"
for name, w, wanted, gradient in zip(NAMES, weights, all_measured(x, y, weights), got):
    gradient = np.asarray(gradient)
    assert gradient.shape == w.shape, (
        f"the gradient by {name} has the shape {w.shape}, not {gradient.shape}"
    )
    off = np.abs(gradient - wanted).max()
    assert off < 1e-6, (
        f"a slope by {name} differs by {off:.2g} from what finite differences give; they are {wanted.round(5).tolist()}, "
        f"and yours {gradient.round(5).tolist()}. Look at the gradients from last to first: the last wrong one comes first."
    )

# %% grade_id="backward_more" points=1
# Hidden tests: other sizes, one example, extreme logits, and what becomes of the arguments.
### BEGIN HIDDEN TESTS
for seed, count, inputs, hidden, classes in [
    (5, 7, 4, 3, 5),
    (6, 1, 2, 6, 2),
    (7, 4, 4, 4, 4),
    (8, 11, 5, 2, 3),
]:
    x, y, weights = small_case(seed, count, inputs, hidden, classes)
    if seed == 7:
        weights[2] = 6 * weights[2]
    given = [x.copy(), y.copy(), *(w.copy() for w in weights)]
    got = backward(x, y, weights)
    assert len(got) == 4, f"four gradients expected, got {len(got)}"
    same = all(np.array_equal(a, b) for a, b in zip(given, [x, y, *weights]))
    assert same, "the arguments were changed"
    for name, w, wanted, gradient in zip(NAMES, weights, all_measured(x, y, weights), got):
        assert np.shape(gradient) == w.shape, (
            f"{name}: shape {w.shape} expected, got {np.shape(gradient)}"
        )
        off = np.abs(np.asarray(gradient) - wanted).max()
        assert off < 1e-6, (
            f"{count} examples, {classes} classes: a slope by {name} is off by {off:.2g}"
        )
### END HIDDEN TESTS

# %% grade_id="backward_exact" points=1
# Hidden tests: whether the gradients are as exact as 64 bits allow, as those of the chain rule are.
### BEGIN HIDDEN TESTS
for seed, count, inputs, hidden, classes in [(9, 6, 3, 5, 4), (10, 3, 5, 3, 2)]:
    x, y, weights = small_case(seed, count, inputs, hidden, classes)
    variables = [tf.Variable(w) for w in weights]
    with tf.GradientTape() as tape:
        inner = tf.tanh(tf.constant(x) @ variables[0] + variables[1])
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(
            y, inner @ variables[2] + variables[3]
        )
        loss = tf.reduce_mean(each)
    got = backward(x.copy(), y.copy(), [w.copy() for w in weights])
    assert len(got) == 4, f"four gradients expected, got {len(got)}"
    for name, wanted, gradient in zip(NAMES, tape.gradient(loss, variables), got):
        assert np.shape(gradient) == wanted.shape, (
            f"{name}: shape {wanted.shape} expected, got {np.shape(gradient)}"
        )
        off = np.abs(np.asarray(gradient) - wanted.numpy()).max()
        assert off < 1e-12, (
            f"a slope by {name} is off by {off:.2g}. The chain rule in 64 bits is exact to about 1e-16; "
            "finite differences are not"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The gradients are measured by finite differences: close, but slow, and not exact.
def backward(x, y, weights):
    gradients = [np.zeros(w.shape) for w in weights]
    for which, w in enumerate(weights):
        for place in np.ndindex(w.shape):
            gradients[which][place] = measured_slope(x, y, weights, which, place)
    return gradients


# %% tags=["misconception"]
# The slope of tanh is left out: the fault goes through the bend as if it were a straight line.
def backward(x, y, weights):
    hidden, p = forward(x, weights)
    by_logits = (p - np.eye(p.shape[1])[y]) / len(y)
    by_sums = by_logits @ weights[2].T
    return [x.T @ by_sums, by_sums.sum(axis=0), hidden.T @ by_logits, by_logits.sum(axis=0)]


# %% tags=["misconception"]
# The gradient is of the sum of the losses and not of their mean, so it grows with the batch.
def backward(x, y, weights):
    hidden, p = forward(x, weights)
    by_logits = p - np.eye(p.shape[1])[y]
    by_sums = by_logits @ weights[2].T * (1 - hidden**2)
    return [x.T @ by_sums, by_sums.sum(axis=0), hidden.T @ by_logits, by_logits.sum(axis=0)]


# %% tags=["misconception"]
# The sign is turned round: these are the directions downhill, and the gradient points uphill.
def backward(x, y, weights):
    hidden, p = forward(x, weights)
    by_logits = (np.eye(p.shape[1])[y] - p) / len(y)
    by_sums = by_logits @ weights[2].T * (1 - hidden**2)
    return [x.T @ by_sums, by_sums.sum(axis=0), hidden.T @ by_logits, by_logits.sum(axis=0)]


# %% tags=["misconception"]
# The mean is taken twice: the biases get the mean of the rows where the division by n has already been done.
def backward(x, y, weights):
    hidden, p = forward(x, weights)
    by_logits = (p - np.eye(p.shape[1])[y]) / len(y)
    by_sums = by_logits @ weights[2].T * (1 - hidden**2)
    return [x.T @ by_sums, by_sums.mean(axis=0), hidden.T @ by_logits, by_logits.mean(axis=0)]


# %% tags=["misconception"]
# The slope of tanh is taken at the value after the bend, tanh of tanh, and not from the value itself.
def backward(x, y, weights):
    hidden, p = forward(x, weights)
    by_logits = (p - np.eye(p.shape[1])[y]) / len(y)
    by_sums = by_logits @ weights[2].T * (1 - np.tanh(hidden) ** 2)
    return [x.T @ by_sums, by_sums.sum(axis=0), hidden.T @ by_logits, by_logits.sum(axis=0)]


# %% tags=["misconception"]
# The logits' fault is p - Y times the slope of softmax, p (1 - p): that slope has cancelled already.
def backward(x, y, weights):
    hidden, p = forward(x, weights)
    by_logits = (p - np.eye(p.shape[1])[y]) * p * (1 - p) / len(y)
    by_sums = by_logits @ weights[2].T * (1 - hidden**2)
    return [x.T @ by_sums, by_sums.sum(axis=0), hidden.T @ by_logits, by_logits.sum(axis=0)]


# %% tags=["alternative"]
# Example by example, adding up outer products.
def backward(x, y, weights):
    totals = [np.zeros_like(w) for w in weights]
    for row, label in zip(x, y):
        hidden, p = (part[0] for part in forward(row[np.newaxis], weights))
        fault = p - (np.arange(len(p)) == label)
        inner = (weights[2] @ fault) * (1 - hidden**2)
        for total, part in zip(
            totals, [np.outer(row, inner), inner, np.outer(hidden, fault), fault]
        ):
            total += part / len(x)
    return totals


# %% tags=["alternative"]
# TensorFlow's tape, in 64 bits.
def backward(x, y, weights):
    variables = [tf.Variable(w, dtype="float64") for w in weights]
    with tf.GradientTape() as tape:
        hidden = tf.tanh(tf.constant(x) @ variables[0] + variables[1])
        logits = hidden @ variables[2] + variables[3]
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
    return [gradient.numpy() for gradient in tape.gradient(loss, variables)]


# %% tags=["demo"]
from course import fallbacks
from course.fallbacks import loss_and_backpropagation as ours

backward = fallbacks.choose(backward, ours.backward, ours.backward_works)

# %% [markdown]
# ### A gradient check, and its own two errors
#
# Comparing gradients with finite differences is called a **gradient check**. It is worth doing whenever you have
# written a layer or a loss. *How small should $\varepsilon$ be: the smaller the better?* Below, your gradient of the
# digits' network is compared with finite differences for 40 weights drawn at random, with steps from 0.1 down to
# $10^{-12}$, in 64 and in 32 bits.


# %% tags=["demo"]
def check_error(weights, epsilon, dtype):
    """The size of measured minus computed slopes, as a share of the computed ones."""
    x, y = train[0][:200].astype(dtype), train[1][:200]
    weights = [w.astype(dtype) for w in weights]
    wanted = backward(train[0][:200].astype("float64"), y, start)
    rng = np.random.default_rng(5)
    pairs = []
    for _ in range(40):
        which = int(rng.integers(4))
        place = tuple(int(rng.integers(size)) for size in weights[which].shape)
        slope = measured_slope(x, y, weights, which, place, dtype(epsilon))
        pairs.append((slope, wanted[which][place]))
    measured, computed = np.array(pairs, "float64").T
    return np.linalg.norm(measured - computed) / np.linalg.norm(computed)


steps = 10.0 ** np.arange(-12, 0)
off = {name: [check_error(start, e, name) for e in steps] for name in (np.float64, np.float32)}

# %% tags=["demo"]
fig, axis = plt.subplots()
for (kind, errors), marker in zip(off.items(), plots.MARKERS):
    axis.loglog(steps, np.maximum(errors, 1e-12), marker=marker, label=f"{kind.__name__}")
axis.set(title="Too small a step drowns in rounding", xlabel="step ε", ylabel="relative error")
axis.legend()
plots.show(
    fig,
    alt="""Relative error of finite differences against their step, both on logarithmic scales. In 64 bits it falls to
    a minimum near ten to the minus 5 and rises again for smaller steps. In 32 bits it is never small: it is lowest near
    one hundredth and rises steeply below that.""",
)

# %% tags=["demo", "nbval-check-output"]
print("relative error of finite differences, as a power of ten")
results.table(
    ("64 bits, step 1e-1", float(np.log10(off[np.float64][-1])), (-3, -2)),
    ("64 bits, step 1e-5", float(np.log10(off[np.float64][-5])), (-10, -8.5)),
    ("64 bits, step 1e-12", float(np.log10(off[np.float64][0])), (-3, -1.5)),
    ("32 bits, the best of all steps", float(np.log10(min(off[np.float32]))), (-4, -3)),
)

# %% [markdown]
# Two errors fight. A large step measures a chord and not the slope; the error falls with $\varepsilon^2$, because we
# step both ways. A tiny step subtracts two almost equal numbers, and what is left is rounding. So: 64 bits, a step
# around $10^{-5}$, and a *relative* error, since slopes may be tiny. One more trap: at the corner of a ReLU there is no
# slope. If a step crosses it, the check complains of a right gradient.

# %% [markdown]
# ### The tape does it for any network
#
# Nobody derives by hand any more. `tf.GradientTape` writes down each operation of a forward pass as it happens, which
# is the computational graph, and then walks back. What is computed *inside* its block is recorded;
# `tape.gradient(loss, weights)` gives one gradient for each weight. Does it agree with you?

# %% tags=["demo"]
model = keras.Sequential(
    [keras.Input((64,)), keras.layers.Dense(32, "tanh"), keras.layers.Dense(10)]
)
model.set_weights(start)
by_logit = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

with tf.GradientTape() as tape:
    taped_loss = by_logit(train[1], model(train[0]))
taped = [g.numpy() for g in tape.gradient(taped_loss, model.trainable_variables)]
own = backward(train[0].astype("float64"), train[1], start)

begin = time.perf_counter()
_ = [backward(*train, start) for _ in range(20)]
back_seconds = (time.perf_counter() - begin) / 20
begin = time.perf_counter()
_ = [measured_slope(*train, start, 0, (0, n)) for n in range(20)]
try_seconds = (time.perf_counter() - begin) / 20

# %% tags=["demo", "nbval-check-output"]
count = sum(w.size for w in start)
mine, its = (np.concatenate([np.ravel(g) for g in part]) for part in (own, taped))
apart = float(np.log10(np.linalg.norm(its - mine) / np.linalg.norm(mine)))
print(f"{count:,} weights; milliseconds for their gradients, backwards and by finite differences")
results.table(
    ("tape against yours, relative, as a power of ten", apart, (-7.5, -6)),
    backwards=[1000 * back_seconds],
    differences=[1000 * try_seconds * count],
)

# %% [markdown]
# They agree to what 32 bits can hold. And the two times are the reason why deep learning exists: for a few thousand
# weights trying costs hundreds of times as much as going backwards, and for a billion weights hundreds of millions of
# times.

# %% [markdown]
# ### Exercise 2: gradient descent with a tape
#
# Now downhill. **Gradient descent** moves every weight against its slope, by a share of it that is called the
# **learning rate** $\eta$: $w \leftarrow w - \eta\, \bar w$.
#
# Complete `descend(model, x, y, rate)`: one such step for any Keras model that gives logits, on the batch `x` (n, ...),
# `y` (n,). Compute the mean cross-entropy with `keras.losses.SparseCategoricalCrossentropy(from_logits=True)` inside a
# tape. You need no optimizer: `weight.assign_sub(change)` subtracts from a weight in place, and
# `model.trainable_variables` is the list of those that may change. Return the loss *before* the step, a scalar. No test
# asks for it, but stay with tensors: the lesson will let TensorFlow compile your step, and NumPy cannot be compiled.


# %% grade_id="descend" solution=true
def descend(model, x, y, rate):
    """One step of gradient descent; returns the loss before it, a scalar."""
    ### BEGIN SOLUTION
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x))
    gradients = tape.gradient(loss, model.trainable_variables)
    for weight, gradient in zip(model.trainable_variables, gradients):
        weight.assign_sub(rate * gradient)
    return loss
    ### END SOLUTION


# %%
def small_model(inputs, classes, seed, frozen=False):
    """A model that gives logits; its first layer may be kept from training."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((inputs,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(classes)]
    )
    model.layers[0].trainable = not frozen
    return model


# %% grade_id="descend_by_hand" points=2
# One layer, weights of zero, two classes: both get 1/2, the loss is log 2, and the slopes by the logits are ±1/4.
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer="zeros")])
x, y = np.array([[1.0, 2.0], [4.0, 0.0]], "float32"), np.array([0, 1])
loss = descend(model, x.copy(), y.copy(), 0.4)
assert np.shape(loss) == (), f"return the loss, one number; got the shape {np.shape(loss)}"
assert np.isclose(float(loss), np.log(2), atol=1e-5), (
    f"two classes at 1/2 have the cross-entropy log 2 = 0.69315 before the step; you return {float(loss):.5f}"
)
kernel, bias = model.get_weights()
wanted = [[-0.3, 0.3], [0.2, -0.2]]
assert np.allclose(kernel, wanted, atol=1e-5), (
    f"a step with rate 0.4 leads to the kernel {wanted}; it is {kernel.astype(float).round(4).tolist()}. Against the slope?"
)
model = small_model(4, 3, seed=9)
before = model.get_weights()
descend(model, np.ones((2, 4), "float32"), np.array([0, 2]), 0.5)
moved = [not np.allclose(old, new) for old, new in zip(before, model.get_weights())]
assert all(moved), f"a step moves all four weight arrays of two layers; which moved: {moved}"

# %% grade_id="descend_more" points=2
# Hidden tests: several steps of deeper models, also with a layer that may not change.
### BEGIN HIDDEN TESTS
for seed, count, inputs, classes, rate, frozen in [
    (1, 7, 4, 3, 0.3, False),
    (2, 1, 3, 2, 1.2, False),
    (3, 12, 2, 5, 0.05, True),
]:
    model, rng = small_model(inputs, classes, seed, frozen), np.random.default_rng(seed)
    for step in range(3):
        x = rng.normal(size=(count, inputs)).astype("float32")
        y = rng.integers(classes, size=count)
        weights = [w.astype("float64") for w in model.get_weights()]
        slopes = all_measured(x.astype("float64"), y, weights)
        rates = [0 if frozen else rate] * 2 + [rate] * 2
        goals = [w - each * s for w, s, each in zip(weights, slopes, rates)]
        loss = float(descend(model, x.copy(), y.copy(), rate))
        wanted = cross_entropy(x, y, weights)
        assert np.isclose(loss, wanted, atol=1e-4), f"the loss is {wanted:.5f}, not {loss:.5f}"
        off = max(np.abs(a - b).max() for a, b in zip(model.get_weights(), goals))
        assert off < 1e-4, (
            f"{count} examples, rate {rate}, {'first layer frozen, ' * frozen}step {step}: a weight is off by {off:.2g}"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The step goes uphill: the gradient is added.
def descend(model, x, y, rate):
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x))
    for weight, gradient in zip(weights, tape.gradient(loss, weights)):
        weight.assign_add(rate * gradient)
    return loss


# %% tags=["misconception"]
# The model's logits are taken for probabilities, because from_logits is left out.
def descend(model, x, y, rate):
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy()(y, model(x))
    for weight, gradient in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * gradient)
    return loss


# %% tags=["misconception"]
# The loss that is returned is that after the step.
def descend(model, x, y, rate):
    weights, measure = (
        model.trainable_variables,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    with tf.GradientTape() as tape:
        loss = measure(y, model(x))
    for weight, gradient in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * gradient)
    return measure(y, model(x))


# %% tags=["misconception"]
# The losses of the batch are added up, so a larger batch takes a larger step.
def descend(model, x, y, rate):
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = ops.sum(keras.losses.sparse_categorical_crossentropy(y, model(x), from_logits=True))
    for weight, gradient in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * gradient)
    return loss


# %% tags=["misconception"]
# Only the last layer learns: its two weight arrays are updated and the others left alone.
def descend(model, x, y, rate):
    weights = model.layers[-1].trainable_variables
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x))
    for weight, gradient in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * gradient)
    return loss


# %% tags=["misconception"]
# Only the sign of the gradient is used, so that every weight moves by the whole rate.
def descend(model, x, y, rate):
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x))
    for weight, gradient in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * ops.sign(gradient))
    return loss


# %% tags=["misconception"]
# Weights change one after the other, each by a gradient at the place where the changes before have led.
def descend(model, x, y, rate):
    measure = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    before = measure(y, model(x))
    for weight in model.trainable_variables:
        with tf.GradientTape() as tape:
            loss = measure(y, model(x))
        weight.assign_sub(rate * tape.gradient(loss, weight.value))
    return before


# %% tags=["alternative"]
# Weights are set by assign, and the loss is written by its formula.
def descend(model, x, y, rate):
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        right = ops.take_along_axis(logits, ops.expand_dims(ops.cast(y, "int32"), 1), axis=1)[:, 0]
        loss = ops.mean(ops.logsumexp(logits, axis=1) - right)
    slopes = tape.gradient(loss, model.trainable_weights)
    for w, slope in zip(model.trainable_weights, slopes):
        w.assign(w - rate * slope)
    return loss


# %% tags=["alternative"]
# Keras's own training step, with plain gradient descent.
def descend(model, x, y, rate):
    by_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(rate), loss=by_logits)
    return model.train_on_batch(x, y)


# %% tags=["alternative"]
# TensorFlow's own cross-entropy, with a model that is called inside the tape once.
def descend(model, x, y, rate):
    with tf.GradientTape(watch_accessed_variables=True) as tape:
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=model(x))
        loss = tf.reduce_mean(each)
    parts = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for v, part in zip(model.trainable_variables, parts):
        v.assign_sub(tf.multiply(part, rate))
    return loss


# %% tags=["demo"]
descend = fallbacks.choose(descend, ours.descend, ours.descend_works)

# %% [markdown]
# `tf.function` compiles a step, which makes it several times faster. Here are 300 steps of your `descend` on the
# digits, on all 1,000 at once. *What will be the first value of the curve, and how long until it is halved?*


# %% tags=["demo"]
def digit_model():
    """64 pixels, 32 hidden neurons with tanh, ten logits."""
    return keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(32, "tanh"), keras.layers.Dense(10)]
    )


keras.utils.set_random_seed(5)
model, step = digit_model(), tf.function(descend)
curve = {"training": [], "validation": []}
for _ in range(300):
    curve["validation"].append(float(by_logit(validation[1], model(validation[0]))))
    curve["training"].append(float(step(model, *map(tf.constant, train), tf.constant(0.5))))

# %% tags=["demo"]
fig, axis = plt.subplots()
for (name, values), style in zip(curve.items(), ["-", "--"]):
    axis.plot(values, style, label=name)
axis.axhline(np.log(10), color=plots.BLACK, lw=1)
axis.text(300, np.log(10), "log 10, knowing nothing ", ha="right", va="bottom")
axis.set(title="300 steps downhill", xlabel="step", ylabel="cross-entropy", ylim=(0, 2.6))
axis.legend(loc="center right")
plots.show(
    fig,
    alt="""Cross-entropy over 300 steps, on training and validation digits. Both start near log 10, 2.3, fall steeply within
    50 steps, and end close together well below 0.4.""",
)

# %% tags=["demo", "nbval-check-output"]
right = 100 * np.mean(np.argmax(model(test[0]), axis=1) == test[1])
first = curve["training"][0]
results.table(
    ("first loss", first, (2.1, 2.6)),
    ("steps until it is halved", int(np.argmax(np.array(curve["training"]) < first / 2)), (9, 13)),
    ("training loss after 300 steps", curve["training"][-1], (0.06, 0.08)),
    ("validation loss after 300 steps", curve["validation"][-1], (0.11, 0.16)),
    ("right, of 100 test digits", right, (96, 98.6)),
)

# %% [markdown]
# It starts near $\log 10$, as it should, and the first half goes quickly. The rest takes most of the time. That is the
# shape of nearly every learning curve.
#
# ### Can it learn 20 digits by heart?
#
# You have two checks now that take seconds: the first value of the loss, and the gradient check. A third one tries the
# whole machinery. Give the network a handful of examples and train until it knows them by heart. If the loss does not
# come down to nearly 0, something is broken: the loss, a gradient, or the step. *What if the labels of the 20 are drawn
# at random?*

# %% tags=["demo"]
rng = np.random.default_rng(5)
by_heart = []
for labels in (train[1][:20], rng.integers(10, size=20)):
    keras.utils.set_random_seed(5)
    model, step = digit_model(), tf.function(descend)
    few = tf.constant(train[0][:20]), tf.constant(labels)
    by_heart.append([float(step(model, *few, tf.constant(0.5))) for _ in range(300)])

# %% tags=["demo", "nbval-check-output"]
results.table(
    ("20 digits, loss after 300 steps", by_heart[0][-1], (0.005, 0.008)),
    ("the same with random labels", by_heart[1][-1], (0.005, 0.016)),
)

# %% [markdown]
# The machinery works, and it learns nonsense by heart almost as well. So this check says nothing about the data. For
# that there are validation digits, which nobody has shown to the network.

# %% [markdown]
# ## Steps too large, steps too small
#
# The learning rate was 0.5. Why not 5, or 0.005?
#
# ### In a bowl the longest step can be computed
#
# Take a parabola, $L = \tfrac12 \lambda w^2$. Its slope is $\lambda w$, where $\lambda$, the **curvature**, says how
# fast the slope changes. A step leads from $w$ to $w - \eta \lambda w = (1 - \eta\lambda)\, w$. So each step multiplies
# $w$ by $1 - \eta \lambda$. With $\eta\lambda$ near 0 hardly anything happens, with $\eta\lambda = 1$ one step is
# enough, and beyond $\eta\lambda = 2$ the factor is below $-1$: each step overshoots and lands *higher* on the other
# side.
#
# With many weights there is a curvature for each direction, and the largest of them sets the limit,
# $\eta < 2 / \lambda_{\max}$. Along the flattest direction, meanwhile, the walk creeps. That was the valley at the
# beginning, with curvatures of 1 and 50.
#
# For *linear regression* with half the mean squared error as its loss, the curvatures are the eigenvalues of
# $X^\top X / n$, which NumPy computes. We predict from the upper four rows of a digit how much ink is in the lower
# four, with a rate 2 % below and one 2 % above the limit. *What do you expect of so small a difference?*

# %% tags=["demo"]
upper = np.column_stack([train[0][:, :32], np.ones(1000)])
ink = train[0][:, 32:].sum(axis=1).astype("float64")
curvatures = np.linalg.eigvalsh(upper.T @ upper / len(upper))
curvatures = curvatures[curvatures > 1e-9]  # a pixel that is always empty has none
limit = 2 / curvatures[-1]


def losses_of(rate, steps):
    """Half the mean squared error at each step of gradient descent from zero."""
    w, found = np.zeros(33), []
    for _ in range(steps):
        error = upper @ w - ink
        found.append(np.mean(error**2) / 2)
        w -= rate * upper.T @ error / len(upper)
    return found


# %% tags=["demo"]
fig, axis = plt.subplots()
for share, style in ((0.98, "-"), (1.02, "--")):
    axis.semilogy(losses_of(share * limit, 200), style, label=f"{share:.2f} times the limit")
axis.set(title="Two percent more, and it flies apart", xlabel="step", ylabel="loss (log scale)")
axis.legend()
plots.show(
    fig,
    alt="""Loss over 200 steps on a logarithmic scale. With 0.98 times the limit it falls and levels off. With 1.02 times
    the limit it grows from the first step on, in a straight line, to a hundred million.""",
)

# %% tags=["demo", "nbval-check-output"]
best = np.mean((upper @ np.linalg.lstsq(upper, ink, rcond=None)[0] - ink) ** 2) / 2
below, above = losses_of(0.98 * limit, 200)[-1], losses_of(1.02 * limit, 200)[-1]
print(
    f"limit for the rate: {limit:.3f}, curvatures from {curvatures[0]:.0e} to {curvatures[-1]:.1f}"
)
print(
    f"loss at the lowest point {best:.2f}; after 200 steps below the limit {below:.2f}, above it {above:.0e}"
)

# %% [markdown]
# The limit is a cliff, and just below it is not the best place either: after 200 steps the loss is still above the
# lowest one, because some directions are many thousand times flatter than the steepest. This ratio of curvatures is
# what makes training slow, and what better optimizers are about.

# %% [markdown]
# ### In a network it is found by trying
#
# A network's loss is no parabola, and its curvature changes on the way. One tries. Below are seven rates with Keras's
# plain `SGD`: always the same start, the same batches of 50 and eight epochs. `fit` would do it; but as this lesson
# trains more than seventy times, the loop is written out and compiled as a whole, with the tape of exercise 2. *Where
# will the best rate be, and how wide is the range of good ones?*


# %% tags=["demo"]
def try_rates(model, optimizer, rates, pairs, epochs):
    """Train from the same start with each rate: losses (epochs, 2) on both pairs, and weights."""
    (x, y), held = [tuple(map(tf.constant, pair)) for pair in pairs]
    weights, first, found = model.trainable_variables, model.get_weights(), []
    optimizer.build(weights)

    @tf.function
    def one_epoch(batches):
        total = 0.0
        for batch in batches:
            with tf.GradientTape() as tape:
                loss = by_logit(tf.gather(y, batch), model(tf.gather(x, batch)))
            optimizer.apply(tape.gradient(loss, weights), weights)
            total += loss
        return total / len(y) * 50, by_logit(held[1], model(held[0]))

    for rate in rates:
        model.set_weights(first)
        for state in optimizer.variables:
            state.assign(ops.zeros_like(state))  # it forgets the run before
        optimizer.learning_rate = rate
        rng = np.random.default_rng(5)
        orders = tf.constant([rng.permutation(len(y)).reshape(-1, 50) for _ in range(epochs)])
        found.append((np.array([one_epoch(each) for each in orders]), model.get_weights()))
    return found


# %% tags=["demo"]
keras.utils.set_random_seed(5)
rates = [0.001, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0]
swept = try_rates(digit_model(), keras.optimizers.SGD(0.1), rates, (train, validation), 8)
final = [curve[-1, 1] for curve, _ in swept]

fig, axis = plt.subplots()
axis.loglog(rates, final, "o-")
axis.axhline(np.log(10), color=plots.BLACK, lw=1)
axis.text(0.02, np.log(10) * 1.05, "log 10, knowing nothing", va="bottom")
axis.set(title="Too small learns nothing yet, too large nothing at all")
axis.set(xlabel="learning rate", ylabel="validation loss after 8 epochs")
plots.show(
    fig,
    alt="""Validation loss after eight epochs against the learning rate, both on logarithmic scales. It is near log 10 at
    0.001, falls to a minimum at 1, and at 3 and 10 lies far above log 10.""",
)

# %% tags=["demo", "nbval-check-output"]
print("validation loss after 8 epochs")
ranges = [(2.1, 2.6), (1.7, 2.1), (0.43, 0.58), (0.19, 0.27), (0.11, 0.23), (10, 70), (60, 200)]
results.table(
    *[(f"rate {rate:g}", value, limits) for rate, value, limits in zip(rates, final, ranges)]
)

# %% [markdown]
# One of the course's articles says that the learning rate needs careful tuning, since too large a rate overshoots and
# too small a one stalls. So it is, on a *logarithmic* scale. A third of the best rate is somewhat slower, and a tenth
# of it leaves about three times the loss; three times the best rate, and the training is lost. The side to err on is
# the small one. With 0.001 nothing is wrong; in eight epochs it gets nowhere. The picture of a loss that does not move
# is the same for a rate that is far too small and for a network that cannot learn, so try a larger one before you blame
# the network.

# %% [markdown]
# ## Neither Monte Carlo nor quadratic programming
#
# In ordinary programs people write the rules. In deep learning the examples and their answers are given, and training
# finds the rules. One of the articles that this course follows describes how: data become vectors, these pass through
# many layers, and through processes like *Monte Carlo* or *quadratic programming* a network gets through very large
# data sets in a short time. The first half is right. The second is not what happens, and it is worth knowing why.
#
# ### Drawing at random works, slowly
#
# **Monte Carlo** methods draw at random. One could train so: change all weights a little at random, and keep the change
# if the loss falls. It needs no gradient. Both ways get the same number of passes through the network here; a step of
# gradient descent counts as three, one forward and two for the way back. One network has 8 hidden neurons, the other
# has 32. *Which of the two will be easier for chance to train?*

# %% tags=["demo"]
PASSES = 1500


def trained_by_chance(weights, rng):
    """Random changes of all weights, of which those are kept that lower the loss."""
    lowest, size = cross_entropy(*train, weights), 0.03
    for _ in range(PASSES):
        tried = [w + size * rng.normal(size=w.shape) for w in weights]
        value = cross_entropy(*train, tried)
        if value < lowest:
            weights, lowest = tried, value
        size *= 1.1 if value == lowest else 0.975  # larger steps after a success, smaller ones else
    return weights


by_chance, by_slope = {}, {}
for hidden in (8, 32):
    first = random_weights(64, hidden, 10, seed=5)
    by_chance[hidden] = trained_by_chance(first, np.random.default_rng(5))
    by_slope[hidden] = first
    for _ in range(PASSES // 3):
        slopes = backward(*train, by_slope[hidden])
        by_slope[hidden] = [w - 0.5 * g for w, g in zip(by_slope[hidden], slopes)]

# %% tags=["demo", "nbval-check-output"]
print(f"training loss after {PASSES:,} passes")
counts = [sum(w.size for w in weights) for weights in by_slope.values()]
found = [[cross_entropy(*train, way[n]) for n in by_slope] for way in (by_chance, by_slope)]
results.table(
    ("8 hidden neurons, random changes", found[0][0], (0.4, 0.75)),
    ("8 hidden neurons, gradient descent", found[1][0], (0.055, 0.1)),
    ("32 hidden neurons, random changes", found[0][1], (0.27, 0.54)),
    ("32 hidden neurons, gradient descent", found[1][1], (0.037, 0.047)),
    weights=[counts[0], counts[0], counts[1], counts[1]],
)

# %% [markdown]
# It works, and leaves a loss that is six to eleven times as large. A random change says something about one direction
# among many; the gradient says it for all at once, at the price of two more passes. One might have guessed that fewer
# weights would help chance. Here they do not: with a quarter of the weights chance leaves a higher loss, in each of the
# 20 runs. The number of weights alone does not say how hard a search is.
#
# ### It is no quadratic program either
#
# **Quadratic programming** finds the lowest point of a *quadratic* function under linear conditions. A bowl like that
# of our linear regression is one, and so is the training of a *support vector machine*, a classic and excellent method:
# scikit-learn's `SVC` does it. It can promise the best solution because such a bowl is **convex**: halfway between two
# points it is never higher than their mean. Is the loss of a network? Here is a test that needs two lines. Take the
# network just trained, and a second one that is the same with its hidden neurons in another order. They compute the
# same, so they have the same loss. *And the network halfway between them?*

# %% tags=["demo"]
order = np.random.default_rng(1).permutation(32)
w1, b1, w2, b2 = by_slope[32]
shuffled = [w1[:, order], b1[order], w2[order], b2]
shares = np.linspace(0, 1, 41)
between = [
    cross_entropy(*train, [(1 - s) * a + s * b for a, b in zip(by_slope[32], shuffled)])
    for s in shares
]

fig, axis = plt.subplots()
axis.plot(shares, between)
axis.plot([0, 1], [between[0], between[-1]], "--", label="what a convex loss would not exceed")
axis.set(title="Between two equal networks lies a hill", ylim=(0, 1.3 * max(between)))
axis.set(xlabel="share of the reordered network's weights", ylabel="cross-entropy")
axis.legend(loc="upper right")
plots.show(
    fig,
    alt="""Cross-entropy on the straight way between two networks that compute the same. It is low at both ends and rises to a
    high hump in the middle, far above the dashed straight line that joins the ends.""",
)

# %% tags=["demo", "nbval-check-output"]
from sklearn.svm import SVC

svm_right = 100 * SVC().fit(*train).score(*test)
slope_right = 100 * np.mean(forward(test[0], by_slope[32])[1].argmax(axis=1) == test[1])
results.table(
    ("loss of each network", between[0], (0.037, 0.047)),
    ("loss halfway between them", between[20], (0.15, 0.42)),
    ("network, right of 100 test digits", slope_right, (96, 98.8)),
    ("support vector machine, by quadratic programming", svm_right, (98.6, 99.4)),
)

# %% [markdown]
# The loss of a network is not convex: it has hills, and as many equally good valleys as there are orders of its
# neurons. No quadratic program describes it, and no practical method promises its lowest point. That gradient descent
# nevertheless finds good ones is an observation, not a theorem. Note the last row: on these small digits the machine
# that *is* trained by quadratic programming reads better than our network.

# %% [markdown]
# ### What is true about it: a batch is a Monte Carlo estimate
#
# There is one place where chance comes in. The gradient over all examples is a mean, and a mean can be *estimated* from
# a random sample: a batch. That is the *stochastic* in stochastic gradient descent, and it is Monte Carlo in the proper
# sense. It is right on average, and its error falls with the *root* of the batch's size. *How much more exact is a
# batch of 160 than one of 10?*

# %% tags=["demo"]
whole = np.concatenate([np.ravel(g) for g in backward(*train, start)])
rng = np.random.default_rng(5)
batch_error, downhill = {}, {}
for batch in (10, 40, 160):
    drawn = []
    for _ in range(100):
        pick = rng.integers(1000, size=batch)
        gradient = backward(train[0][pick], train[1][pick], start)
        drawn.append(np.concatenate([np.ravel(g) for g in gradient]) - whole)
    batch_error[batch] = np.sqrt(np.mean(np.sum(np.square(drawn), axis=1))) / np.linalg.norm(whole)
    bias = np.linalg.norm(np.mean(drawn, axis=0)) / np.linalg.norm(whole)
    downhill[batch] = sum((error + whole) @ whole > 0 for error in drawn)

# %% tags=["demo", "nbval-check-output"]
print("error of a batch's gradient, as a share of the whole gradient")
results.table(
    ("10 examples", batch_error[10], (1.3, 2.6)),
    ("40 examples", batch_error[40], (0.65, 1.3)),
    ("160 examples", batch_error[160], (0.32, 0.65)),
    ("160 examples, error of the mean of 100 such batches", bias, (0.01, 0.09)),
    ("error of 10 divided by error of 160", batch_error[10] / batch_error[160], (3.5, 4.5)),
    ("10 examples, of 100 batches that lead downhill", downhill[10], (95, 100)),
)

# %% [markdown]
# Sixteen times the work, a quarter of the error. Near the start a batch of 10 is wrong by more than the gradient is
# long, and still nearly all such steps lead downhill: the error points somewhere among thousands of directions, and
# rarely straight back. Many cheap, inexact steps beat few exact ones: this is why one trains in batches.

# %% [markdown]
# ## The start decides what arrives
#
# Before the first step there are weights. Lesson 01 derived how large they should be for three activation functions, by
# the slope at 0. There is a better way, which works for any function.
#
# A neuron sums $n$ inputs $a_i$ with random weights of mean 0 and variance $v$. The terms are independent, so the
# variance of the sum is $n\, v\, \overline{a^2}$, with $\overline{a^2}$ the **mean square** of the inputs. If this is
# 1, the sums are about normally distributed with variance 1, and what the activation function $f$ makes of them has the
# mean square $m = \overline{f(u)^2}$ with $u$ standard normal. The next layer keeps the sums at 1 if $n v m = 1$:
#
# $$v = \frac{s}{n} \qquad\text{with}\qquad s = \frac{1}{\overline{f(u)^2}},\quad u \sim \mathcal N(0, 1)$$
#
# Keras's initializer `VarianceScaling(scale=s, mode="fan_in")` draws such weights. Three scales have names: $s = 1$ is
# `"lecun_normal"` (LeCun, 1998), $s = 2$ is `"he_normal"` (He, 2015), and `"glorot_normal"` (Glorot, 2010) has $s = 1$
# with the mean of a layer's inputs and outputs for $n$. The slopes on the way back pass through the same weights, and
# of them a neuron collects as many as the layer has *outputs*. With both numbers the same, as in most of our hidden
# layers, what keeps the signal keeps the slopes about as well; where they differ, Glorot's mean is a compromise.

# %% [markdown]
# ### Exercise 3: the start that fits any activation function
#
# Complete `scale_for(activation)`: the number $s$ for an activation function, to within 1 %. `activation` is a name
# that Keras knows, such as `"relu"`, `"silu"` or `"linear"`; `keras.activations.get(name)` gives the function, which
# takes and gives tensors of any shape. The mean over a standard normal distribution may be taken over many random draws
# (Monte Carlo again: how many for 1 %?) or over a fine grid, weighted with the density $e^{-u^2/2} / \sqrt{2\pi}$.
# Return a plain number.


# %% grade_id="scale_for" solution=true
def scale_for(activation):
    """The scale of weights with which sums keep the variance 1 through an activation function."""
    ### BEGIN SOLUTION
    u = np.linspace(-10, 10, 20_001).astype("float32")
    density = np.exp(-(u**2) / 2)
    outputs = np.asarray(keras.activations.get(activation)(u), "float64")
    return float(density.sum() / (density * outputs**2).sum())
    ### END SOLUTION


# %% grade_id="scale_for_known" points=1
for name, wanted, why in [
    ("linear", 1.0, "a standard normal number has the mean square 1"),
    ("relu", 2.0, "a ReLU keeps one half of the squares"),
    ("tanh", 2.5361, "tanh makes numbers smaller, so that weights have to be larger"),
]:
    got = float(scale_for(name))
    assert abs(got / wanted - 1) < 0.015, f"{name}: {why}, and s is {wanted}; got {got:.4f}"

# %% grade_id="scale_for_others" points=2
# Hidden tests: activation functions with other shapes, the mean of which is not 0.
### BEGIN HIDDEN TESTS
points, shares = np.polynomial.hermite_e.hermegauss(200)
shares = shares / shares.sum()
for name in ("sigmoid", "selu", "softplus", "silu", "elu", "softsign", "gelu"):
    outputs = np.asarray(keras.activations.get(name)(points.astype("float32")), "float64")
    wanted, got = 1 / np.sum(shares * outputs**2), float(scale_for(name))
    assert abs(got / wanted - 1) < 0.015, f"{name}: s is {wanted:.4f}, and you return {got:.4f}"
### END HIDDEN TESTS


# %% tags=["misconception"]
# The variance of the outputs is taken and not their mean square: for ReLU the mean is not 0, and it counts.
def scale_for(activation):
    u = np.random.default_rng(0).normal(size=1_000_000).astype("float32")
    return float(1 / np.var(np.asarray(keras.activations.get(activation)(u))))


# %% tags=["misconception"]
# The root is forgotten or taken too often: this is the factor for standard deviations, not for variances.
def scale_for(activation):
    u = np.random.default_rng(0).normal(size=1_000_000).astype("float32")
    return float(1 / np.sqrt(np.mean(np.asarray(keras.activations.get(activation)(u)) ** 2)))


# %% tags=["misconception"]
# The mean square itself is returned: weights would be small where they have to be large.
def scale_for(activation):
    u = np.random.default_rng(0).normal(size=1_000_000).astype("float32")
    return float(np.mean(np.asarray(keras.activations.get(activation)(u)) ** 2))


# %% tags=["misconception"]
# Inputs are drawn uniformly between -1 and 1, and sums of many terms are normally distributed.
def scale_for(activation):
    u = np.random.default_rng(0).uniform(-1, 1, size=1_000_000).astype("float32")
    return float(1 / np.mean(np.asarray(keras.activations.get(activation)(u)) ** 2))


# %% tags=["misconception"]
# The square of the mean is taken and not the mean of the squares.
def scale_for(activation):
    u = np.abs(np.random.default_rng(0).normal(size=1_000_000)).astype("float32")
    return float(1 / np.mean(np.asarray(keras.activations.get(activation)(u))) ** 2)


# %% tags=["misconception"]
# Three hundred draws are too few: the error is several percent.
def scale_for(activation):
    u = np.random.default_rng(3).normal(size=300).astype("float32")
    return float(1 / np.mean(np.asarray(keras.activations.get(activation)(u)) ** 2))


# %% tags=["alternative"]
# A million random draws.
def scale_for(activation):
    u = np.random.default_rng(5).standard_normal(1_000_000).astype("float32")
    return 1 / np.mean(np.asarray(keras.activations.get(activation)(u), "float64") ** 2)


# %% tags=["alternative"]
# Keras's own random numbers and functions, as a tensor made into a float.
def scale_for(activation):
    f = keras.layers.Activation(activation)
    u = keras.random.normal((2000, 1000), seed=1)
    return float(1.0 / ops.mean(ops.square(f(u))))


# %% tags=["demo"]
scale_for = fallbacks.choose(scale_for, ours.scale_for, ours.scale_for_works)

# %% [markdown]
# Does it hold in a network? Below are 30 layers of 100 neurons, untrained, fed with 500 rows of standard normal
# numbers, with six starts. We look at the mean square of the sums, layer by layer. Two of the activation functions are
# new: SiLU is $u$ times the sigmoid of $u$, a smooth ReLU; **selu** is a ReLU that goes on below 0 in a curve, with
# constants to which we come. *Which lines will be flat?*

# %% tags=["demo"]
LAYERS, WIDTH = 30, 100
CASES = {
    "ReLU, LeCun (1)": ("relu", 1.0),
    "ReLU, He (2)": ("relu", scale_for("relu")),
    "tanh, LeCun or Glorot (1)": ("tanh", 1.0),
    "tanh, yours": ("tanh", scale_for("tanh")),
    "selu, LeCun (1)": ("selu", scale_for("selu")),
    "SiLU, yours": ("silu", scale_for("silu")),
}


def sums_by_layer(activation, scale, seed):
    """The mean square of the sums in each of LAYERS layers."""
    signal = np.random.default_rng(seed).normal(size=(500, WIDTH)).astype("float32")
    found = []
    for number in range(LAYERS):
        s = 1.0 if number == 0 else scale  # the data have not been through an activation function
        draw = keras.initializers.VarianceScaling(s, "fan_in", seed=1000 * seed + number)
        sums = signal @ np.asarray(draw((WIDTH, WIDTH)))
        found.append(float(np.mean(sums**2)))
        signal = np.asarray(keras.activations.get(activation)(sums))
    return found


# %% tags=["demo"]
sizes = {name: sums_by_layer(*case, seed=5) for name, case in CASES.items()}
fig, axis = plt.subplots(figsize=(6.4, 3.9))
for (name, size), marker in zip(sizes.items(), plots.MARKERS):
    axis.semilogy(range(1, LAYERS + 1), size, marker=marker, ms=4, label=name)
axis.set(title="The start decides what arrives in layer 30", xlabel="layer")
axis.set_ylabel("mean square of the sums (log scale)")
axis.legend(fontsize=9, loc="lower left")
plots.show(
    fig,
    alt="""Mean square of the sums in each of 30 layers, on a logarithmic scale, for six starts. ReLU with LeCun's start falls in a
    straight line to about a billionth. tanh with scale 1 falls ever more slowly, to about a hundredth. SiLU rises to
    several hundred. ReLU with He's start and tanh and selu with the scales that fit stay near 1.""",
)

# %% tags=["demo", "nbval-check-output"]
print("mean square of the sums in layer 30, as a power of ten")
ranges = [(-10.2, -7.8), (-1.2, 0.8), (-2.1, -1.5), (-0.1, 0.1), (-0.2, 0.2), (1.7, 4.2)]
results.table(
    *[
        (name, float(np.log10(size[-1])), limits)
        for (name, size), limits in zip(sizes.items(), ranges)
    ],
    scale=[round(scale, 2) for _, scale in CASES.values()],
)

# %% [markdown]
# - **ReLU** with a scale of 1 halves the mean square in every layer: $2^{-29} \approx 10^{-8.7}$. With 2, which is what
#   your function finds for it, the signal keeps its size, give or take a factor of about ten, which is the luck of 30
#   random matrices.
# - **tanh** with a scale of 1 loses less and less from layer to layer, because a small signal meets the straight middle
#   of tanh. This is why Glorot's start serves it well enough. With your scale it stays at 1.
# - selu was constructed so that LeCun's start fits: your scale for it is 1.
# - **SiLU** with your scale *explodes*, and that is a limit of our derivation. It asked that a mean square of 1 is
#   kept, and not what becomes of one that is slightly off. tanh brings it back to 1, since it cuts off what is too
#   large. ReLU passes it on as it is. SiLU makes a signal that is a little too large larger still, in each layer. A
#   pencil on its tip is in balance, too.
#
# And does it matter for training? Twenty layers with ReLU, both starts, otherwise the same, with a rate of 0.001:

# %% tags=["demo"]
deep_loss, deep_seconds = {}, {}
for name in ("lecun_normal", "he_normal"):
    begin = time.perf_counter()
    keras.utils.set_random_seed(5)
    deep = keras.Sequential([keras.Input((64,))])
    for _ in range(20):
        deep.add(keras.layers.Dense(64, "relu", kernel_initializer=name))
    deep.add(keras.layers.Dense(10))
    rule = keras.optimizers.Adam(0.001)
    ((deep_loss[name], _),) = try_rates(deep, rule, [0.001], (train, validation), 8)
    deep_seconds[name] = time.perf_counter() - begin

# %% tags=["demo", "nbval-check-output"]
print("20 hidden layers with ReLU: validation loss after one epoch and after eight")
results.table(
    ("LeCun, epoch 1", deep_loss["lecun_normal"][0, 1], (2.0, 2.4)),
    ("He, epoch 1", deep_loss["he_normal"][0, 1], (1.5, 2.3)),
    ("LeCun, epoch 8", deep_loss["lecun_normal"][-1, 1], (0.4, 1.6)),
    ("He, epoch 8", deep_loss["he_normal"][-1, 1], (0.15, 0.8)),
    (
        "LeCun divided by He, epoch 8",
        deep_loss["lecun_normal"][-1, 1] / deep_loss["he_normal"][-1, 1],
        (1.2, 5.4),
    ),
    seconds=[None, None, *deep_seconds.values(), None],
)

# %% [markdown]
# After one epoch neither has learnt much. After eight the loss of the network with He's start is lower in each of the
# 20 runs, most often less than half the other's. The other does learn: Adam divides each gradient by its typical size,
# and so makes up for some of what the start has taken. A start is not destiny, but it is free.

# %% [markdown]
# ## An optimizer is a rule for the step
#
# Training methods differ in what they make of the gradient. In Keras each is a subclass of
# `keras.optimizers.Optimizer`, and you can write your own. The base class has everything that all of them need:
#
# - `apply(gradients, weights)`, which `fit` calls after each batch. It calls `build` once, divides the gradients by the
#   factor of *loss scaling* where there is one (gradients too small for 16 bits are multiplied before, and divided
#   here), clips them if you ask for it, finds out the current learning rate from a number or a schedule, calls
#   `update_step` for each weight array, and at the end adds 1 to `self.iterations`;
# - `add_variable_from_reference(weight, name)`, which makes a variable shaped like a weight, of zeros, for what the
#   rule has to remember. Keras saves it with the model.
#
# A subclass adds two methods: `build(variables)` makes what is to be remembered, for each weight array its own;
# `update_step(gradient, variable, learning_rate)` changes one weight array. Plain gradient descent remembers nothing:

# %%
from course.training import WalkingOptimizer


class Plain(WalkingOptimizer):
    """Gradient descent: every weight goes against its slope."""

    def update_step(self, gradient, variable, learning_rate):
        """Change ``variable`` in place."""
        self.assign_sub(variable, learning_rate * gradient)


# %% [markdown]
# `WalkingOptimizer` is Keras's `Optimizer` with one more method, `walk(starts, gradients)`: it applies the gradients
# that you give it one after the other, compiled as in `fit`, and returns the places. So one can see what a rule does:

# %% tags=["demo", "nbval-check-output"]
places = Plain(0.1).walk(
    [np.array([1.0])], [[np.array([2.0])], [np.array([2.0])], [np.array([-5.0])]]
)
print("from 1, gradients 2, 2, -5, rate 0.1:", *(f"{place[0][0]:.2f}" for place in places))

# %% [markdown]
# ### Momentum remembers where it was going
#
# In the narrow valley the slopes across change their sign at every step, and those along the floor do not. A sum over
# time lets the first cancel and the second add up. **Momentum** (Polyak, 1964) keeps a velocity $m$ for each weight,
# like a ball that rolls:
#
# $$m \leftarrow \beta\, m - \eta\, g \qquad w \leftarrow w + m$$
#
# with $\beta = 0.9$ as a rule. If the gradient $g$ stays the same, $m$ grows to
# $-\eta g\, (1 + \beta + \beta^2 + \dots) = -\eta g / (1 - \beta)$: ten times the plain step. So it wants a rate about
# ten times smaller.
#
# ### Exercise 4: momentum as an optimizer of Keras
#
# Complete the class `Momentum`; `__init__` is there, and `get_config`, by which Keras saves and copies an optimizer.
#
# - `build(self, variables)`: call `super().build(variables)`, then make a velocity for each of `variables` with
#   `self.add_variable_from_reference(variable, name="velocity")`, and keep them in a list.
# - `update_step(self, gradient, variable, learning_rate)`: find this variable's velocity
#   (`self._get_variable_index(variable)` is its place in the list), and do what the two formulas say, with
#   `self.assign(variable, value)` or `self.assign_add(variable, value)`. The learning rate may change from step to
#   step; the velocity keeps the steps as they were taken. (Some libraries keep sums of gradients instead and multiply
#   by the rate at the end, which is the same only while the rate stays.)


# %% grade_id="Momentum" solution=true
class Momentum(WalkingOptimizer):
    """Gradient descent with a velocity for each weight."""

    def __init__(self, learning_rate=0.01, beta=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta = beta

    def get_config(self):
        return super().get_config() | {"beta": self.beta}

    def build(self, variables):
        """Make a velocity for each weight array."""
        ### BEGIN SOLUTION
        super().build(variables)
        self.kept = [self.add_variable_from_reference(v, name="velocity") for v in variables]
        ### END SOLUTION

    def update_step(self, gradient, variable, learning_rate):
        """Change ``variable`` and its velocity in place."""
        ### BEGIN SOLUTION
        velocity = self.kept[self._get_variable_index(variable)]
        self.assign(velocity, self.beta * velocity - learning_rate * gradient)
        self.assign_add(variable, velocity)
        ### END SOLUTION


# %%
def random_walk(seed, shapes, steps):
    """Random starts of these shapes, and random gradients for some steps."""
    rng = np.random.default_rng(seed)
    starts = [rng.normal(size=shape) for shape in shapes]
    return starts, [[rng.normal(0.3, 1, size=shape) for shape in shapes] for _ in range(steps)]


def momentum_by_hand(starts, gradients, rates, beta):
    """Where momentum leads, in NumPy."""
    places, velocities, found = [s.copy() for s in starts], [0 * s for s in starts], []
    for slopes, rate in zip(gradients, rates):
        velocities = [beta * v - rate * g for v, g in zip(velocities, slopes)]
        places = [w + v for w, v in zip(places, velocities)]
        found.append(places)
    return found


# %% grade_id="Momentum_by_hand" points=2
# From 1, with rate 0.1 and beta 0.5: m is -0.2, -0.3, +0.35; the place 0.8, 0.5, 0.85.
walked = Momentum(0.1, 0.5).walk([np.array([1.0])], [[np.array([g])] for g in (2.0, 2.0, -5.0)])
got = [float(np.ravel(place[0])[0]) for place in walked]
assert np.allclose(got, [0.8, 0.5, 0.85], atol=1e-5), (
    f"from 1 with the gradients 2, 2, -5, rate 0.1 and beta 0.5, momentum goes to 0.8, 0.5, 0.85; yours goes to {np.round(got, 4).tolist()}"
)
starts, gradients = random_walk(1, [(2, 3), (3,)], 4)
rates = [0.2, 0.1, 0.2, 0.05]
walked = Momentum(0.2, 0.9).walk(starts, gradients, rates)
for step, (place, goal) in enumerate(zip(walked, momentum_by_hand(starts, gradients, rates, 0.9))):
    off = max(np.abs(a - b).max() for a, b in zip(place, goal))
    assert off < 1e-4, (
        f"with two weight arrays and the rates {rates}, a place after step {step + 1} is off by {off:.3f}. Has each "
        "array a velocity to itself, which lasts, and keeps steps as they were taken?"
    )

# %% grade_id="Momentum_more" points=2
# Hidden tests: other shapes and betas, and a learning rate that changes from step to step.
### BEGIN HIDDEN TESTS
for seed, shapes, beta, rates in [
    (2, [(4,), (4,), (2, 2)], 0.8, [0.3] * 6),
    (3, [(3, 2), (2,)], 0.5, [0.4, 0.1, 0.4, 0.02, 0.3]),
    (4, [(1,)], 0.0, [0.1, 0.2, 0.3]),
]:
    starts, gradients = random_walk(seed, shapes, len(rates))
    walked = Momentum(rates[0], beta).walk(starts, gradients, rates)
    for step, (place, goal) in enumerate(
        zip(walked, momentum_by_hand(starts, gradients, rates, beta))
    ):
        off = max(np.abs(a - b).max() for a, b in zip(place, goal))
        assert off < 1e-4, (
            f"beta {beta}, rates {rates}: after step {step + 1} a weight is off by {off:.4f}"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The velocity is kept without the learning rate, so when the rate changes, old steps change too.
class Momentum(WalkingOptimizer):
    def __init__(self, learning_rate=0.01, beta=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta = beta

    def build(self, variables):
        super().build(variables)
        self.kept = [self.add_variable_from_reference(v, name="velocity") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        m = self.kept[self._get_variable_index(variable)]
        self.assign(m, self.beta * m + gradient)
        self.assign_sub(variable, learning_rate * m)


# %% tags=["misconception"]
# The gradient counts with 1 - beta, so steps do not add up to more than the plain one.
class Momentum(WalkingOptimizer):
    def __init__(self, learning_rate=0.01, beta=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta = beta

    def build(self, variables):
        super().build(variables)
        self.kept = [self.add_variable_from_reference(v, name="velocity") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        m = self.kept[self._get_variable_index(variable)]
        self.assign(m, self.beta * m - (1 - self.beta) * learning_rate * gradient)
        self.assign_add(variable, m)


# %% tags=["misconception"]
# The velocity does not last: it is not assigned to the variable that was made for it, or kept in no variable at all,
# so each compiled step starts from 0, which is plain gradient descent.
class Momentum(WalkingOptimizer):
    def __init__(self, learning_rate=0.01, beta=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta = beta

    def build(self, variables):
        super().build(variables)
        self.kept = [self.add_variable_from_reference(v, name="velocity") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        m = self.kept[self._get_variable_index(variable)]
        m = self.beta * m - learning_rate * gradient
        self.assign_add(variable, m)


# %% tags=["misconception"]
# The weight moves by the velocity of the step before, which is updated afterwards.
class Momentum(WalkingOptimizer):
    def __init__(self, learning_rate=0.01, beta=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta = beta

    def build(self, variables):
        super().build(variables)
        self.kept = [self.add_variable_from_reference(v, name="velocity") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        m = self.kept[self._get_variable_index(variable)]
        self.assign_add(variable, ops.convert_to_tensor(m))
        self.assign(m, self.beta * m - learning_rate * gradient)


# %% tags=["misconception"]
# The learning rate counts twice: it is in the velocity already.
class Momentum(WalkingOptimizer):
    def __init__(self, learning_rate=0.01, beta=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta = beta

    def build(self, variables):
        super().build(variables)
        self.kept = [self.add_variable_from_reference(v, name="velocity") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        m = self.kept[self._get_variable_index(variable)]
        self.assign(m, self.beta * m - learning_rate * gradient)
        self.assign_add(variable, learning_rate * m)


# %% tags=["misconception"]
# This is Nesterov's momentum: the weight moves by what the velocity would become with one more step.
class Momentum(WalkingOptimizer):
    def __init__(self, learning_rate=0.01, beta=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta = beta

    def build(self, variables):
        super().build(variables)
        self.kept = [self.add_variable_from_reference(v, name="velocity") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        m = self.kept[self._get_variable_index(variable)]
        self.assign(m, self.beta * m - learning_rate * gradient)
        self.assign_add(variable, self.beta * m - learning_rate * gradient)


# %% tags=["alternative"]
# A dictionary from a weight's place to its velocity, updated by assign_sub.
class Momentum(WalkingOptimizer):
    def __init__(self, learning_rate=0.01, beta=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta = beta

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.past = {}
        for number, variable in enumerate(variables):
            self.past[number] = self.add_variable(variable.shape, name=f"past_{number}")

    def update_step(self, gradient, variable, learning_rate):
        past = self.past[self._get_variable_index(variable)]
        past.assign(past * self.beta + ops.cast(learning_rate, "float32") * gradient)
        variable.assign_sub(past)


# %% tags=["alternative"]
# Keras's own way, with add_optimizer_variables and casts to the variable's dtype.
class Momentum(WalkingOptimizer):
    def __init__(self, learning_rate=0.01, beta=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta = beta

    def get_config(self):
        return {**super().get_config(), "beta": self.beta}

    def build(self, variables):
        super().build(variables)
        self.m = self.add_optimizer_variables(variables, "m")

    def update_step(self, gradient, variable, learning_rate):
        m = self.m[self._get_variable_index(variable)]
        step = ops.multiply(gradient, ops.cast(learning_rate, variable.dtype))
        new = ops.subtract(ops.multiply(m, self.beta), step)
        self.assign(variable, variable + new)
        self.assign(m, new)


# %% tags=["demo"]
Momentum = fallbacks.choose(Momentum, ours.Momentum, ours.Momentum_works)

# %% [markdown]
# ### RMSprop gives each weight a rate
#
# Momentum helps where slopes change their sign. What if some weights have gradients a hundred times larger than others?
# One rate cannot suit both. **RMSprop** (Hinton, 2012) keeps for each weight a **moving average** $v$ of its *squared*
# gradients, in which what is older counts less, and divides by its root:
#
# $$v \leftarrow \rho\, v + (1 - \rho)\, g^2 \qquad w \leftarrow w - \eta\, g / (\sqrt{v} + \varepsilon)$$
#
# Now the step is about $\eta$ for every weight, whether its gradients are large or small: multiply the loss by 1,000
# and nothing changes.


# %%
class RMSprop(WalkingOptimizer):
    """Each gradient is divided by the typical size of the recent ones."""

    def build(self, variables):
        """Make a mean of squares for each weight array."""
        super().build(variables)
        self.squares = self.add_optimizer_variables(variables, "squares")

    def update_step(self, gradient, variable, learning_rate):
        """Change ``variable`` and its mean of squares in place, with ρ = 0.9."""
        mean = self.squares[self._get_variable_index(variable)]
        self.assign_add(mean, 0.1 * (gradient**2 - mean))
        self.assign_sub(variable, learning_rate * gradient / (ops.sqrt(mean) + 1e-7))


# %% [markdown]
# ### Exercise 5: Adam, as an optimizer of Keras
#
# Adam (Kingma and Ba, 2015) puts the two together: a moving average of gradients, $m$, for the direction, and one of
# their squares, $v$, for the size.
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \qquad w \leftarrow w - \eta\, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \varepsilon}$$
#
# Both averages start at 0, so at first they are too small. The divisions by $1 - \beta^t$ make up for that, the **bias
# correction**; $t$ is the number of the step, from 1, and $\varepsilon = 10^{-7}$. Complete the class `Adam` as you did
# `Momentum`. `self.iterations` is a variable that counts the steps that are *finished*; `ops.cast(…, "float32")` makes
# a number of it that can be an exponent. Keep no count of your own: `update_step` is compiled, and called for each
# weight array.


# %% grade_id="Adam" solution=true
class Adam(WalkingOptimizer):
    """Steps along a mean of gradients, divided by their typical size."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def get_config(self):
        return super().get_config() | {"beta_1": self.beta_1, "beta_2": self.beta_2}

    def build(self, variables):
        ### BEGIN SOLUTION
        super().build(variables)
        self.averages = self.add_optimizer_variables(variables, ["mean", "square"])
        ### END SOLUTION

    def update_step(self, gradient, variable, learning_rate):
        ### BEGIN SOLUTION
        mean, square = (kept[self._get_variable_index(variable)] for kept in self.averages)
        self.assign(mean, self.beta_1 * mean + (1 - self.beta_1) * gradient)
        self.assign(square, self.beta_2 * square + (1 - self.beta_2) * gradient**2)
        t = ops.cast(self.iterations + 1, "float32")
        size = ops.sqrt(square / (1 - self.beta_2**t)) + 1e-7
        self.assign_sub(variable, learning_rate * mean / (1 - self.beta_1**t) / size)
        ### END SOLUTION


# %%
def adam_by_hand(starts, gradients, rates, beta_1=0.9, beta_2=0.999):
    """Where Adam leads, in NumPy."""
    places, found = [s.copy() for s in starts], []
    means, squares = [0 * s for s in starts], [0 * s for s in starts]
    for t, (slopes, rate) in enumerate(zip(gradients, rates), 1):
        means = [beta_1 * m + (1 - beta_1) * g for m, g in zip(means, slopes)]
        squares = [beta_2 * v + (1 - beta_2) * g**2 for v, g in zip(squares, slopes)]
        places = [
            w - rate * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + 1e-7)
            for w, m, v in zip(places, means, squares)
        ]
        found.append(places)
    return found


# %% grade_id="Adam_by_hand" points=2
# The first step has the size of the rate, however large the gradient; where there is none, nothing moves.
walked = Adam(0.1).walk([np.array([1.0, 1.0, 1.0])], [[np.array([200.0, -0.004, 0.0])]])
got = np.ravel(walked[0][0])
assert np.allclose(got, [0.9, 1.1, 1.0], rtol=0, atol=1.5e-4), (
    f"from 1, 1, 1 with the gradients 200, -0.004, 0 and rate 0.1, Adam's first step leads to 0.9, 1.1, 1; yours to {got.astype(float).round(4).tolist()}"
)
starts, gradients = random_walk(1, [(2, 3), (3,)], 5)
walked = Adam(0.2, 0.8, 0.99).walk(starts, gradients)
for step, (place, goal) in enumerate(
    zip(walked, adam_by_hand(starts, gradients, [0.2] * 5, 0.8, 0.99))
):
    off = max(np.abs(a - b).max() for a, b in zip(place, goal))
    assert off < 1e-3, (
        f"with two weight arrays, a place after step {step + 1} is off by {off:.4f}. Is it the same number t for both, and "
        "has each its averages?"
    )

# %% grade_id="Adam_more" points=3
# Hidden tests: other shapes, betas and rates, more steps, and gradients that are small.
### BEGIN HIDDEN TESTS
for seed, shapes, betas, rates, size in [
    (2, [(4,), (4,), (2, 2)], (0.9, 0.999), [0.1] * 12, 1),
    (3, [(3, 2), (2,)], (0.5, 0.8), [0.4, 0.1, 0.4, 0.02, 0.3], 1),
    (4, [(1,)], (0.8, 0.95), [0.1, 0.2, 0.3], 1),
    (5, [(5,)], (0.9, 0.999), [0.1] * 8, 2e-3),
]:
    starts, gradients = random_walk(seed, shapes, len(rates))
    gradients = [[size * slope for slope in slopes] for slopes in gradients]
    walked = Adam(rates[0], *betas).walk(starts, gradients, rates)
    goals = adam_by_hand(starts, gradients, rates, *betas)
    for step, (place, goal) in enumerate(zip(walked, goals)):
        off = max(np.abs(a - b).max() for a, b in zip(place, goal))
        assert off < 2e-3, (
            f"betas {betas}, rates {rates}, gradients about {size:g}: after step {step + 1} a weight is off by {off:.4f}"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# There is no bias correction: with averages that start at 0 the first steps have the wrong size.
class Adam(WalkingOptimizer):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables):
        super().build(variables)
        self.m, self.v = self.add_optimizer_variables(variables, ["m", "v"])

    def update_step(self, gradient, variable, learning_rate):
        place = self._get_variable_index(variable)
        m, v = self.m[place], self.v[place]
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * gradient)
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * gradient**2)
        self.assign_sub(variable, learning_rate * m / (ops.sqrt(v) + 1e-7))


# %% tags=["misconception"]
# t is counted by the optimizer itself, in Python: it stays 1 in a compiled step, or goes up with each weight array.
class Adam(WalkingOptimizer):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.t = beta_1, beta_2, 0

    def build(self, variables):
        super().build(variables)
        self.m, self.v = self.add_optimizer_variables(variables, ["m", "v"])

    def update_step(self, gradient, variable, learning_rate):
        self.t += 1
        place = self._get_variable_index(variable)
        m, v = self.m[place], self.v[place]
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * gradient)
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * gradient**2)
        size = ops.sqrt(v / (1 - self.beta_2**self.t)) + 1e-7
        self.assign_sub(variable, learning_rate * m / (1 - self.beta_1**self.t) / size)


# %% tags=["misconception"]
# The root is forgotten: the step is divided by the square of the typical size.
class Adam(WalkingOptimizer):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables):
        super().build(variables)
        self.m, self.v = self.add_optimizer_variables(variables, ["m", "v"])

    def update_step(self, gradient, variable, learning_rate):
        place, t = self._get_variable_index(variable), ops.cast(self.iterations + 1, "float32")
        m, v = self.m[place], self.v[place]
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * gradient)
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * gradient**2)
        size = v / (1 - self.beta_2**t) + 1e-7
        self.assign_sub(variable, learning_rate * m / (1 - self.beta_1**t) / size)


# %% tags=["misconception"]
# t is the number of finished steps, so the first correction divides by 1 - 1 = 0.
class Adam(WalkingOptimizer):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables):
        super().build(variables)
        self.m, self.v = self.add_optimizer_variables(variables, ["m", "v"])

    def update_step(self, gradient, variable, learning_rate):
        place, t = self._get_variable_index(variable), ops.cast(self.iterations, "float32")
        m, v = self.m[place], self.v[place]
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * gradient)
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * gradient**2)
        size = ops.sqrt(v / (1 - self.beta_2**t)) + 1e-7
        self.assign_sub(variable, learning_rate * m / (1 - self.beta_1**t) / size)


# %% tags=["misconception"]
# The step goes along the gradient and not along its average: this is RMSprop with a correction.
class Adam(WalkingOptimizer):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables):
        super().build(variables)
        self.v = self.add_optimizer_variables(variables, "v")

    def update_step(self, gradient, variable, learning_rate):
        v = self.v[self._get_variable_index(variable)]
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * gradient**2)
        t = ops.cast(self.iterations + 1, "float32")
        size = ops.sqrt(v / (1 - self.beta_2**t)) + 1e-7
        self.assign_sub(variable, learning_rate * gradient / size)


# %% tags=["misconception"]
# The corrected averages are stored, so that every step corrects them again.
class Adam(WalkingOptimizer):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables):
        super().build(variables)
        self.m, self.v = self.add_optimizer_variables(variables, ["m", "v"])

    def update_step(self, gradient, variable, learning_rate):
        place, t = self._get_variable_index(variable), ops.cast(self.iterations + 1, "float32")
        m, v = self.m[place], self.v[place]
        b, c = self.beta_1, self.beta_2
        self.assign(m, (b * m + (1 - b) * gradient) / (1 - b**t))
        self.assign(v, (c * v + (1 - c) * gradient**2) / (1 - c**t))
        self.assign_sub(variable, learning_rate * m / (ops.sqrt(v) + 1e-7))


# %% tags=["misconception"]
# Epsilon is added before the root is taken, where it is far larger than a small gradient's square.
class Adam(WalkingOptimizer):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables):
        super().build(variables)
        self.m, self.v = self.add_optimizer_variables(variables, ["m", "v"])

    def update_step(self, gradient, variable, learning_rate):
        place, t = self._get_variable_index(variable), ops.cast(self.iterations + 1, "float32")
        m, v = self.m[place], self.v[place]
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * gradient)
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * gradient**2)
        size = ops.sqrt(v / (1 - self.beta_2**t) + 1e-7)
        self.assign_sub(variable, learning_rate * m / (1 - self.beta_1**t) / size)


# %% tags=["alternative"]
# The two corrections are put into the rate, as Keras does.
class Adam(WalkingOptimizer):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables):
        super().build(variables)
        self.pairs = [
            [self.add_variable_from_reference(each, name=name) for name in ("m", "v")]
            for each in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        m, v = self.pairs[self._get_variable_index(variable)]
        t = ops.cast(self.iterations + 1, variable.dtype)
        one, two = 1 - ops.power(self.beta_1, t), 1 - ops.power(self.beta_2, t)
        m.assign_add((gradient - m) * (1 - self.beta_1))
        v.assign_add((ops.square(gradient) - v) * (1 - self.beta_2))
        rate = ops.cast(learning_rate, variable.dtype) * ops.sqrt(two) / one
        variable.assign_sub(rate * m / (ops.sqrt(v) + 1e-7))


# %% tags=["alternative"]
# TensorFlow's functions, and a variable for each power of beta that is updated with the first weight array.
class Adam(WalkingOptimizer):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables):
        super().build(variables)
        self.m = [self.add_variable(v.shape, name="m") for v in variables]
        self.v = [self.add_variable(v.shape, name="v") for v in variables]
        self.powers = [self.add_variable((), "ones", name="power") for _ in range(2)]

    def update_step(self, gradient, variable, learning_rate):
        number = self._get_variable_index(variable)
        if number == 0:
            for power, beta in zip(self.powers, (self.beta_1, self.beta_2)):
                power.assign(power * beta)
        m = self.m[number] * self.beta_1 + gradient * (1 - self.beta_1)
        v = self.v[number] * self.beta_2 + tf.square(gradient) * (1 - self.beta_2)
        self.m[number].assign(m), self.v[number].assign(v)
        m, v = m / (1 - self.powers[0]), v / (1 - self.powers[1])
        variable.assign_sub(learning_rate * m / (tf.sqrt(v) + 1e-7))


# %% tags=["demo"]
Adam = fallbacks.choose(Adam, ours.Adam, ours.Adam_works)

# %% [markdown]
# Do your optimizers do what Keras's do? The same 50 random gradients for each pair:

# %% tags=["demo", "nbval-check-output"]
rng = np.random.default_rng(5)
gradients = [[rng.normal(0.3, 1, size=(4, 3))] for _ in range(50)]
PAIRS = {
    "Momentum": (Momentum(0.05), keras.optimizers.SGD(0.05, momentum=0.9)),
    "RMSprop": (RMSprop(0.05), keras.optimizers.RMSprop(0.05)),
    "Adam": (Adam(0.05), keras.optimizers.Adam(0.05)),
}
for name, (mine, theirs) in PAIRS.items():
    place = keras.Variable(np.zeros((4, 3)))
    for slopes in gradients:
        theirs.apply([tf.constant(slopes[0], "float32")], [place])
    walked = mine.walk([np.zeros((4, 3))], gradients)[-1][0]
    print(
        f"{name} and Keras's are together after 50 steps: {np.allclose(walked, place.numpy(), atol=1e-4)}"
    )

# %% [markdown]
# ### A race, with equal care for each
#
# A race of optimizers is decided by their learning rates. So each gets the same search: seven rates, each about three
# times the one before, of which the validation loss chooses; the same start, the same batches, ten epochs. They run on
# the digits as they are, and on *uneven* digits, where each pixel is multiplied by a number between 0.1 and 10, as
# columns of a table in metres, years and euros would be. On a third track plain gradient descent runs alone: the uneven
# digits with each pixel divided by its standard deviation. *Which will win, and where will the choice matter most?*

# %% tags=["demo"]
RATES = np.array([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0])
RACERS = {
    "plain": (Plain, 10 * RATES),
    "momentum": (Momentum, RATES),
    "RMSprop": (RMSprop, RATES),
    "Adam": (Adam, RATES),
}
factors = 10 ** np.random.default_rng(5).uniform(-1, 1, 64).astype("float32")
spreads = np.maximum(train[0].std(axis=0), 0.01)
PARTS = (train, validation, test)
TRACKS = {
    "as they are": PARTS,
    "uneven": [(x * factors, y) for x, y in PARTS],
    "rescaled": [(x / spreads, y) for x, y in PARTS],
}
race = {}

# %% tags=["demo"]
for track, name in [*itertools.product(list(TRACKS)[:2], RACERS), ("rescaled", "plain")]:
    (kind, rates), pairs = RACERS[name], TRACKS[track]
    begin = time.perf_counter()
    keras.utils.set_random_seed(5)
    model = digit_model()
    tried = try_rates(model, kind(0.1), rates, pairs[:2], epochs=10)
    chosen = int(np.nanargmin([curve[-1, 1] for curve, _ in tried]))
    model.set_weights(tried[chosen][1])
    hits = np.argmax(model(pairs[2][0]), axis=1) == pairs[2][1]
    seconds = time.perf_counter() - begin
    at_same_rate = tried[np.argmin(np.abs(rates - 0.01))][0][-1, 0]
    race[track, name] = (
        tried[chosen][0][:, 0],
        100 * np.mean(hits),
        rates[chosen],
        seconds,
        at_same_rate,
    )

# %% tags=["demo"]
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.5), sharey=True)
for axis, track in zip(axes, TRACKS):
    for name, marker in zip(RACERS, plots.MARKERS):
        axis.semilogy(range(1, 11), race[track, name][0], marker=marker, ms=4, label=name)
    axis.set(
        title="as they are: velocity helps" if track == "as they are" else "uneven: own rates help",
        xlabel="epoch",
    )
axes[0].set_ylabel("training loss (log scale)")
axes[1].legend(fontsize=9, loc="lower left")
plots.show(
    fig,
    alt="""Training loss of four optimizers over ten epochs, each at its best rate, on a logarithmic scale. Left, on the digits as they
    are, momentum and Adam end lower than plain gradient descent and RMSprop. Right, on uneven digits, RMSprop and Adam end lower than
    plain gradient descent and momentum.""",
)


# %% tags=["demo"]
def race_table(runs, ranges):
    """Training loss and right answers of some runs, with the rate that was chosen for each."""
    rows = [
        (
            f"{run[-1]}, {what}",
            race[run][number][-1] if number == 0 else race[run][number],
            ends[number],
        )
        for number, what in enumerate(("training loss", "right of 100"))
        for run, ends in zip(runs, ranges)
    ]
    none, columns = [None] * len(runs), list(zip(*(race[run][2:] for run in runs)))
    results.table(
        *rows,
        rate=[f"{rate:g}" for rate in columns[0]] + none,
        seconds=[*columns[1], *none],
        **{"loss at 0.01": [f"{loss:.2f}" for loss in columns[2]] + none},
    )


# %% tags=["demo", "nbval-check-output"]
print("digits as they are")
ranges = [
    [(0.04, 0.22), (94.4, 98.2)],
    [(0.01, 0.08), (95.2, 98.6)],
    [(0.04, 0.35), (93.4, 99)],
    [(0.01, 0.09), (95, 99)],
]
race_table([("as they are", name) for name in RACERS], ranges)
print("uneven digits")
ranges = [
    [(0.1, 0.95), (62, 96)],
    [(0.07, 0.65), (72, 96)],
    [(0.05, 0.25), (90, 98)],
    [(0.01, 0.18), (91.6, 99)],
]
race_table([("uneven", name) for name in RACERS], ranges)
print("uneven digits, each pixel divided by its standard deviation")
race_table([("rescaled", "plain")], [[(0.06, 0.12), (94.4, 99)]])


# %% tags=["demo"]
def lead(track, ahead, behind):
    """How far the worse of two is ahead of the better of two: loss, as a factor, and points."""
    loss, score = ({name: race[track, name][n] for name in RACERS} for n in (0, 1))
    factor = min(loss[name][-1] for name in behind) / max(loss[name][-1] for name in ahead)
    return factor, min(score[name] for name in ahead) - max(score[name] for name in behind)


# %% tags=["demo", "nbval-check-output"]
print("how far the worse of the first two is ahead of the better of the other two")
even = lead("as they are", ["momentum", "Adam"], ["plain", "RMSprop"])
uneven = lead("uneven", ["RMSprop", "Adam"], ["plain", "momentum"])
again = race["rescaled", "plain"][1]
results.table(
    ("as they are, momentum and Adam: loss lower by the factor", even[0], (1, 5)),
    ("as they are, momentum and Adam: points", even[1], (-2, 2.4)),
    ("uneven, RMSprop and Adam: loss lower by the factor", uneven[0], (1.1, 3.4)),
    ("uneven, RMSprop and Adam: points", uneven[1], (0, 20)),
    ("plain: rescaled minus uneven, points", again - race["uneven", "plain"][1], (0, 35)),
    ("plain rescaled minus Adam on uneven, points", again - race["uneven", "Adam"][1], (-5, 7)),
)

# %% [markdown]
# A point is one more of 100 test digits. What these tables say holds for ten epochs, and in all of the 20 runs:
#
# - **On the digits as they are** the two with a velocity come further down in the same time. On the test digits that is
#   worth little: the worse of the two is now a little ahead of the better of the others, now a little behind. The last
#   column shows a race without a search, all four at the rate 0.01. It has clear winners, and one would learn from it
#   only whom 0.01 suits.
# - **On uneven digits** the two that give each weight its own rate are ahead, in loss and on the test digits, most
#   often by two to eight points. Momentum alone helps less. The ratio of curvatures may be ten thousand times what it
#   was.
# - **The third track** is the moral. Plain gradient descent on inputs of one size reads more digits than it does on
#   uneven ones, and about as many as Adam does there. Bring the inputs to one size first; choose an optimizer then.
#   Adam is the usual choice because it has both, the velocity and a rate for each weight, and because inside a deep
#   network nobody can rescale by hand.
#
# One of the articles says that SGD, Adam and RMSprop adapt the learning rate and converge faster than basic gradient
# descent. SGD adapts nothing: it is basic gradient descent, on batches. The other two adapt the rate to each weight.
# Where the weights do not need that, RMSprop is no faster than plain gradient descent. Nor is it free: RMSprop and
# momentum keep one more number for each weight, Adam two.

# %% [markdown]
# ## A mean listens to the many
#
# The loss is a mean over examples, and gradient descent serves the mean. What is rare hardly moves it. Suppose that 8s
# had hardly been collected: of those among the 1,000 training digits we keep 12. *How many 8s of the test will be read,
# when the others are read as before?* Keras can count the examples of some classes more, by `fit`'s argument
# `class_weight`; below, the 12 together then count as much as all the 8s did.

# %% tags=["demo"]
eights = np.flatnonzero(train[1] == 8)
kept = np.setdiff1d(np.arange(1000), eights[12:])
few = train[0][kept], train[1][kept]
more = {digit: 1.0 if digit != 8 else len(eights) / 12 for digit in range(10)}
of_eights, of_others = {}, {}
for name, weighting in (("a mean over examples", None), ("8s count more", more)):
    keras.utils.set_random_seed(5)
    model = digit_model()
    model.compile(keras.optimizers.Adam(0.003), by_logit)
    model.fit(*few, 50, 15, class_weight=weighting, verbose=0)
    hit = np.argmax(model(test[0]), axis=1) == test[1]
    of_eights[name] = 100 * hit[test[1] == 8].mean()
    of_others[name] = 100 * hit[test[1] != 8].mean()

# %% tags=["demo", "nbval-check-output"]
print("read, of 100 test digits")
ranges = [((0, 55), (96, 98.6)), ((66, 90), (94, 97.6))]
rows = []
for name, (low, high) in zip(of_eights, ranges):
    rows += [(f"{name}: 8s", of_eights[name], low), (f"{name}: others", of_others[name], high)]
results.table(*rows)

# %% [markdown]
# With the plain mean the network reads less than half of the 8s, in one of 20 runs one in twelve, and nearly all of the
# others, and its accuracy over all digits would hardly show that. Counting the 8s more brings most of them back, not
# all, and at a price of one or two points for the others. Nobody had decided that 8s matter less. It followed from the
# word *mean*.
#
# Replace 8s by people with a rare accent, with a rare disease, or with dark skin among photographs of light-skinned
# people: whoever is rare in the data is rare in the loss. The first question about a loss is therefore what it averages
# over, and whether those who are rare in the data are as rare among those whom the machine will judge. Weights help
# where examples exist; better are more examples, and a score for each group beside the mean.

# %% [markdown]
# ## At full size
#
# MNIST again, 60,000 images, and a network of nearly 3 million weights, trained by **your own Adam** in mixed
# precision. What is new is around it:
#
# - `precision="auto"` computes in 16 bits where a GPU has hardware for it. Under `mixed_float16`, `compile` wraps your
#   optimizer for *loss scaling*: the loss is multiplied by a large number, so that small gradients do not become 0, and
#   the gradients are divided by it before they reach your `update_step`. Your optimizer needs to know nothing of it;
#   weights and averages stay in 32 bits.
# - The learning rate is a schedule, `CosineDecay`: it falls along a cosine to 0. The base class looks it up at every
#   step.
# - The start is the one that fits: `he_normal` for ReLU.
#
# It needs the data, 12 MB (`course download mnist`), and takes about a minute an epoch on two cores, by the count of
# lesson 01, or a second or two on a GPU. What to expect: networks of this kind get 1.6 of 100 test digits wrong or
# fewer (the list on MNIST's web page by LeCun, Cortes and Burges). We have not trained it at full size; its code has
# been run on small data.

# %% tags=["full-size"]
course.setup(seed=0, precision="auto")
WIDTH, LAYERS_DEEP, BATCH, EPOCHS = 1024, 3, 256, 20
try:
    mnist = datasets.load("mnist", split=["train[:90%]", "train[90%:]", "test"])
except datasets.DatasetNotDownloadedError as error:
    mnist = None
    print(error)


# %% tags=["full-size"]
def wide_network():
    """Images (28, 28, 1) of uint8 to ten logits, started as ReLU needs it."""
    images = keras.Input((28, 28, 1), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    for _ in range(LAYERS_DEEP):
        x = keras.layers.Dense(WIDTH, "relu", kernel_initializer="he_normal")(x)
        x = keras.layers.Dropout(0.2)(x)
    return keras.Model(images, keras.layers.Dense(10, dtype="float32")(x))


# %% tags=["full-size"]
if mnist is not None:
    learn, hold, ask = (
        rows.map(lambda row: (row["image"], row["label"])).cache() for rows in mnist
    )
    learn = learn.shuffle(60_000, seed=0).batch(BATCH).prefetch(2)
    hold, ask = hold.batch(BATCH), ask.batch(BATCH)
    falling = keras.optimizers.schedules.CosineDecay(0.001, EPOCHS * learn.cardinality().numpy())
    wide = wide_network()
    wide.compile(
        Adam(falling),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    print("optimizer:", type(wide.optimizer).__name__, "| weights:", wide.count_params())
    checkpoint = datasets.data_dir().parent / "checkpoints" / "own_adam.weights.h5"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    keep = keras.callbacks.ModelCheckpoint(checkpoint, save_best_only=True, save_weights_only=True)
    wide_history = wide.fit(
        learn, validation_data=hold, epochs=EPOCHS, shuffle=False, callbacks=[keep], verbose=2
    )

# %% tags=["full-size"]
if mnist is not None:
    wide.load_weights(checkpoint)
    print(f"{100 * wide.evaluate(ask, verbose=0)[1]:.2f} of 100 test digits are right")
    fig, axis = plt.subplots()
    for name, key in (("training, with dropout", "loss"), ("validation", "val_loss")):
        axis.semilogy(wide_history.history[key], label=name)
    axis.set(title="MNIST with your own Adam", xlabel="epoch", ylabel="cross-entropy (log scale)")
    axis.legend()
    plots.show(fig, alt="Loss over the epochs, on training and validation images of MNIST.")

# %% [markdown]
# ## Where to go on
#
# **Try**
#
# - Write *Nesterov's* momentum: the step goes along $\beta m - \eta g$ after $m$ has been updated. In `Momentum` it is
#   one line.
# - Race Keras's newer optimizers by the same search: `Lion`, `Muon`. Does one beat your Adam on these digits?
# - Put a ReLU into `forward` and `backward`, and find a weight at which the gradient check complains of a right
#   gradient.
#
# To read:
#
# - Andrej Karpathy, *micrograd* and the lectures *Neural Networks: Zero to Hero*: backpropagation in 100 lines of
#   Python, a scalar at a time, and how to look at a network before it is trained.
# - *CS231n*, notes on backpropagation and on gradient checks: the traps of this lesson and more.
# - Zhang and others, *Dive into Deep Learning*, chapters 5.4 and 12: numerical stability, and optimizers with their
#   theory.
# - Diederik Kingma and Jimmy Ba, *Adam: A Method for Stochastic Optimization* (2015): the paper, short and readable.
