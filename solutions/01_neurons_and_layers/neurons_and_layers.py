# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Neurons and layers
#     summary: Build a neural network from its smallest part, first in NumPy and then in Keras, and see what its layers can and cannot do.
#     part: I Foundations
#     minutes: 80
#     minutes_reading: 16
#     objectives:
#     - compute what a neuron, a layer and a small network answer, for a whole batch at once
#     - say why a stack of layers without activation functions is one layer, and prove it with numbers
#     - write a softmax that survives very large and very small inputs
#     - choose weights by hand so that a network draws a given curve
#     - build a network in Keras with weights of your own, train one on real digits, and tell when its first layers get no signal
#     datasets: [digits]
#     full_size: [mnist]
#     mirrors:
#       "1 Introduction": "One recipe, many problems"
#       "2 Discovering Deep Learning: Purpose & Business Applications": "One recipe, many problems"
#       "2 What is Deep Learning and how is it useful?": "Rules that nobody wrote"
#       "3 What Is Deep Learning?": "Features that nobody chose"
#       "3 How Deep Learning Works: Neurons, Layers, and Activation Functions": "Neurons, layers, and the bend between them"
#       "3 FAQ: What is the difference between deep learning and a neural network?": "When a network counts as deep"
#       "4 Introduction": "One recipe, many problems"
#       "4 What is Deep Learning?": "Features that nobody chose"
#       "4 What Are Some Deep Learning Methods: Feedforward neural networks": "A feedforward network folds the square"
#     built: a layer, a stable softmax and a network that draws a curve in NumPy, and in Keras a network that reads handwritten digits
#     terms:
#       "logistic regression": "A classifier that draws straight lines: one weighted sum of the inputs for each class, turned into probabilities."
#       "weights (of a network)": The numbers of a network that training changes.
#       "loss": One number that says how wrong a network's answers are; training lowers it.
#       "gradient descent, SGD": Training in small steps, each of which changes every weight in the direction that lowers the loss; SGD, stochastic gradient descent, takes each step on one batch.
#       "deep learning": Machine learning by networks of many layers, in which features are computed from features.
#       "feature": A number, computed from the raw data, that a model looks at.
#       "neuron (of a network)": A weighted sum of inputs and a bias, put through an activation function.
#       "bias (of a neuron)": The number that a neuron adds to its weighted sum.
#       "activation function, ReLU, rectified linear unit, sigmoid, Activation": The bend that a neuron puts its sum through; without it a stack of layers is one layer.
#       "kernel (of a layer)": The weights of a layer as an array; for a dense layer a matrix with a column for each neuron.
#       "batch": Several examples that a network answers at once, one in each row.
#       "numerically stable": Said of a formula that keeps its accuracy for numbers of any size, without overflow.
#       "logits, logit": The sums at the end of a classifier, numbers of any size that softmax or sigmoid turns into probabilities.
#       "softmax": The function that turns the logits of several classes into probabilities that add up to 1.
#       "feedforward network": A network in which information goes one way only, from the input through hidden layers to the output.
#       "hidden layer (of a network)": A layer between input and output, which moves the examples to where the next layer has an easier task.
#       "universal approximation theorem": One hidden layer with enough neurons comes as close as one likes to any continuous function on a bounded region.
#       "dense layer, Dense": A layer whose every neuron is connected to every input.
#       "Sequential": Keras's model of layers in a row.
#       "cross-entropy, SparseCategoricalCrossentropy, CategoricalCrossentropy": "The loss of classifiers: minus the logarithm of the probability that the right class got, as a mean over the examples."
#       "optimizer, Adam": What turns gradients into steps of the weights; Adam, the usual one, adapts the size of the steps to each weight.
#       "epoch": One pass of training over all the examples.
#       "gradient": How much the loss changes when a weight is nudged, for each weight.
#       "GradientTape": TensorFlow's recorder of a computation, which gives the gradients of its result.
#       "vanishing gradient": A gradient that shrinks from layer to layer on its way back, until the first layers learn nothing.
#       "XOR": The question whether exactly one of two switches is on, which no single neuron can answer.
#       "initializer, glorot_uniform, he_normal": What says which numbers a layer's weights start with.
#     explains: [recurrent network]
# ---

# %% [markdown]
# # Neurons and layers
#
# A neural network is multiplication, addition and one small bend, repeated. In this lesson you build
# one from its smallest part, in plain NumPy and then in Keras, and find out what the bend is for.
#
# At the end you will be able to
#
# - compute by hand what a neuron, a layer and a network answer,
# - show why a hundred layers without a bend are worth one,
# - choose weights yourself, so that a network draws a curve that you want,
# - build and train a network that reads handwritten digits, and see where it fails.
#
# Reading and running takes about a quarter of an hour; the five exercises about an hour more. You need some Python,
# and to know how a matrix is multiplied with another.

# %% [markdown]
# ## A straight line fails, a bent one does not
#
# Every lesson begins with a line that fixes the random numbers and says on what it computes. The imports follow.

# %%
import course

course.setup(seed=0, precision="float32")

import keras
import matplotlib.pyplot as plt
import numpy as np

from course import datasets, plots

# %% [markdown]
# Here is a puzzle: 400 points on the two arms of a spiral. Given a point's two coordinates, say which arm it
# is on. The points are made up by the few lines below, and nothing is hidden in them.


# %% tags=["demo"]
def spirals(count, seed):
    """Points (count, 2) on two spiral arms, and the arm, 0 or 1, of each."""
    rng = np.random.default_rng(seed)
    arm = np.arange(count) % 2
    radius = np.sqrt(rng.uniform(0.03, 1.0, count))
    angle = 3 * np.pi * radius + np.pi * arm
    points = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return (points + rng.normal(0, 0.02, (count, 2))).astype("float32"), arm


points, arm = spirals(400, seed=0)

# %% [markdown]
# Two models try. *Logistic regression* may draw one straight line. The *network* has two hidden layers of 64
# neurons; each word of that sentence will be explained before the lesson is over. Training it takes a few
# seconds.

# %% tags=["demo"]
from sklearn.linear_model import LogisticRegression


def spiral_network(activation):
    """Two hidden layers of 64 neurons, and one neuron that answers with a probability."""
    network = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(64, activation),
            keras.layers.Dense(64, activation),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    network.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    return network


line = LogisticRegression().fit(points, arm)
bent = spiral_network("relu")
_ = bent.fit(points, arm, epochs=60, batch_size=50, verbose=0)


# %% tags=["demo", "thumbnail"]
def draw_regions(axis, answer, title):
    """Colour the plane by a model's answer, and the points by their arm."""
    side = np.linspace(-1.15, 1.15, 150, dtype="float32")
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    arms = np.asarray(answer(grid.reshape(-1, 2))).reshape(150, 150) > 0.5
    axis.contourf(side, side, arms, levels=[-0.5, 0.5, 1.5], colors=["#cfe3f1", "#fbe6c2"])
    for value, (colour, marker) in enumerate([(plots.BLUE, "o"), (plots.VERMILION, "^")]):
        axis.scatter(*points[arm == value].T, s=9, color=colour, marker=marker)
    axis.set(
        title=title, xlabel="first coordinate", xticks=[-1, 0, 1], yticks=[-1, 0, 1], aspect="equal"
    )


fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.5), sharey=True)
draw_regions(axes[0], lambda p: line.predict_proba(p)[:, 1], "A straight line cuts both arms")
draw_regions(axes[1], lambda p: bent(p), "A network follows each arm")
axes[0].set_ylabel("second coordinate")
plots.show(
    fig,
    alt="""The same two interleaved spiral arms twice. Left, logistic regression splits the plane by
    one straight line that runs across both arms. Right, the network's border winds between the arms, and
    every point lies in the region of its own arm.""",
)

# %% tags=["demo", "nbval-check-output"]
line_accuracy = line.score(points, arm)
bent_accuracy = bent.evaluate(points, arm, verbose=0)[1]
# 20 seeds: the network 1.000 each time; the line has .69.
print("straight line right for fewer than 8 of 10 points:", line_accuracy < 0.8)
print("network right for more than 98 of 100 points:", bent_accuracy > 0.98)

# %% [markdown]
# The network was given no formula for a spiral. It was given points, answers, and enough places where its
# border may bend.

# %% [markdown]
# ## How a lesson works
#
# Run a cell with **Shift + Enter** and go from top to bottom. Change things as you like; a fresh copy is
# never far.
#
# **Exercises** come where the idea is. Each is a function to complete: replace `raise NotImplementedError()`
# with your answer, and run the cell. The cell after it holds **tests**. As long as you have no answer they end
# in an error, and so does *Run All Cells*, which stops there; that is how it should be. A test that is
# satisfied says nothing. One that is not says what it expected, what came, and what usually causes that.
#
# Nothing later in a lesson needs your answers, so you can leave an exercise and come back. When you have saved
# the notebook, this command in a terminal, in the course's folder, tells how you stand:
#
# ```
# course check 01_neurons_and_layers
# ```
#
# It runs your answers in a fresh Python, as grading does, which catches an answer that works only because of a
# cell that you have deleted since. It knows the tests that you can see. Grading adds **hidden tests**: the same
# promises, held against more cases. Where a test cell shows only a comment, its tests are hidden, and the comment
# says what they look at.
#
# **Numbers in the text** come from the code. Where a cell states a result, such as `True` above, the course is
# tested for still giving it.

# %% [markdown]
# ## One recipe, many problems
#
# Networks play Go (AlphaGo), fold proteins (AlphaFold), write (GPT) and draw (DALL·E); they translate, drive, and
# read X-rays. One might expect a method for each. There is one recipe:
#
# 1. choose a function with many adjustable numbers, its *weights*: the network;
# 2. collect examples of the task: the *data*;
# 3. measure by one number how wrong the answers are: the *loss*;
# 4. change the weights a little in the direction that lowers the loss, and repeat: *gradient descent*.
#
# It serves for *classification* (which digit is this?) as for *regression* (how many tonnes will the field yield?),
# with another loss. What differs between fields is the shape of the network, because data have shape: pixels have neighbours,
# sentences have an order. The course follows that thread, from records, images and crops to text and DNA, to
# learning without labels, to robots and games, to networks that invent pictures; and it comes back in every
# part to what can go wrong. This lesson builds the function of step 1. Lesson 02 does steps 3 and 4.
#
# *Artificial intelligence*, *machine learning* and *deep learning* are often used as if they meant the same.
# They are nested: deep learning is the machine learning that uses networks of many layers, and machine
# learning is the artificial intelligence that finds its rules in data.

# %% [markdown]
# ### Rules that nobody wrote
#
# A programmer who is to recognise a face would have to write down what a face is: two eyes, a nose, a mouth,
# but turned, in the dark, behind glasses. No list of rules ends. Deep learning goes the other way round. People
# supply examples with the wanted answers, and the rules come out, as weights; afterwards they work on pictures
# that were in no example.
#
# The idea is old. Single artificial neurons are from the 1940s and 50s, training of several layers from the
# 1980s. What changed around 2012 was the supply: enough data, and computers fast enough to use them. The word
# *neural* is a loose comparison. A neuron here adds and bends; a cell in the brain does far more, and does not
# learn by the method of lesson 02 as far as anyone knows.

# %% [markdown]
# ### Features that nobody chose
#
# Before, a specialist chose the *features* that a model was to look at: the width of a stroke, the number of
# loops in a digit. A deep network gets the raw pixels. Each layer computes its own features out of those of
# the layer before: from spots of ink to edges, from edges to loops and corners, from those to an eight. When
# the way from input to answer is too tangled to be designed by hand, this is what makes the difference, and
# it can even serve older methods, which then work on the features that a network has found.
#
# It has a price, and you will meet it again and again. A deep network wants many examples; it wants computing
# power; and its thousands or billions of weights do not explain themselves. Where there are few data and
# good features, older methods are often the better choice. Lesson 04 measures where the border runs.

# %% [markdown]
# ### When a network counts as deep
#
# *Neural network* names the thing: layers of neurons. *Deep* says how many layers lie between input and
# output. Those are the *hidden* layers. With one or two, people speak of a shallow network; with dozens or
# hundreds, of a deep one. In between nobody has drawn a line, and nothing happens at any particular number.
# What matters is that features are computed from features, and that begins with the second hidden layer.

# %% [markdown]
# ## Ten digits, 64 numbers each
#
# Before any model, the data. The dataset `digits` has 1,797 images of handwritten digits: real ones, which 13
# people wrote on forms, scanned and reduced to 8 × 8 pixels. A pixel counts the black dots in its part of the
# scan, from 0 to 16. They come in two *splits*: one to learn from, and one to be asked about afterwards.

# %% tags=["demo"]
x_train, y_train = datasets.arrays("digits", "train", as_supervised=True, scaled=True)
x_test, y_test = datasets.arrays("digits", "test", as_supervised=True, scaled=True)
x_train, x_test = x_train.reshape(-1, 64), x_test.reshape(-1, 64)

# %% tags=["demo", "nbval-check-output"]
print("to learn from:", x_train.shape, " to be asked about:", x_test.shape)
print("each digit in the test split:", np.bincount(y_test))

# %% tags=["demo"]
fig = plots.image_grid(
    1 - x_train[:16].reshape(-1, 8, 8), titles=[str(y) for y in y_train[:16]], size=0.78
)
fig.suptitle("At 8 × 8 pixels a person still reads most of them", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Sixteen handwritten digits as coarse images of eight by eight grey pixels, each with its
    label above it. Most can be read at once; a few need a second look.""",
)

# %% [markdown]
# To our network an image will be a row of 64 numbers; it is not told that they form a square. One thing is missing
# from these data that we shall want at the end: who wrote which digit.
#
# A model is worth what it adds to a simpler one, so the simple one comes first: logistic regression once
# more, which gives every digit one weighted sum of the 64 pixels. *What do you expect from a method of 1958,
# at ten classes: 50 of 100, 80, 95?*

# %% tags=["demo", "nbval-check-output"]
baseline = LogisticRegression(max_iter=1000).fit(x_train, y_train)
baseline_accuracy = baseline.score(x_test, y_test)
print("guessing one digit is right for", round(100 * np.mean(y_test == 0)), "of 100")
print("logistic regression is right for 96 to 98 of 100:", 0.955 <= baseline_accuracy < 0.985)

# %% [markdown]
# That is a high bar for anything called deep. We come back with a network.

# %% [markdown]
# ## Neurons, layers, and the bend between them
#
# ### A neuron weighs its inputs
#
# A **neuron** takes some numbers, gives each a weight, adds them up, and adds a number of its own:
#
# $$z = w_1 x_1 + w_2 x_2 + \dots + w_n x_n + b$$
#
# Here $x_1 \dots x_n$ are its inputs, $w_1 \dots w_n$ its **weights** (how much each input matters, and in
# which direction), and $b$ is its **bias**, where it stands when all inputs are zero. Then an
# **activation function** $f$ turns the sum into what the neuron passes on, $a = f(z)$. First without it.

# %% tags=["nbval-check-output"]
x = np.array([0.5, 1.0, 0.0])
w = np.array([2.0, -1.0, 3.0])
b = 0.25
print("weighted sum, term by term:", 0.5 * 2.0 + 1.0 * -1.0 + 0.0 * 3.0 + 0.25)
print("the same as a dot product: ", x @ w + b)

# %% [markdown]
# A **layer** is some neurons side by side that all look at the same inputs. With 3 inputs and 2 neurons there
# are 3 · 2 weights. They are kept as a matrix, the **kernel**, of shape (inputs, neurons): each *column* is one
# neuron. The biases are a vector, one for each neuron.
#
# Nor does one ask about a single example. Networks answer a **batch**, many examples at once, one in each *row*,
# because one large multiplication is much faster than many small ones.

# %% [markdown]
# ### Exercise 1: a layer, for a whole batch
#
# Complete `layer`. Its three arguments are NumPy arrays:
#
# | argument | shape | holds |
# |---|---|---|
# | `x` | (examples, inputs) | a batch, one example in each row |
# | `kernel` | (inputs, neurons) | the weights, one neuron in each column |
# | `bias` | (neurons,) | one number for each neuron |
#
# Return the neurons' weighted sums, of shape (examples, neurons): row $i$, column $j$ is what neuron $j$ says
# about example $i$. No activation function yet. One line is enough.


# %% grade_id="layer" solution=true
def layer(x, kernel, bias):
    """The weighted sums of a layer's neurons, for every example of a batch."""
    ### BEGIN SOLUTION
    return x @ kernel + bias
    ### END SOLUTION


# %% grade_id="layer_by_hand" points=1
two_examples = np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 1.0]])
two_neurons = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]])
result = np.asarray(layer(two_examples, two_neurons, np.array([10.0, 20.0])))

assert result.shape == (2, 2), (
    f"Two examples and two neurons make an array of shape (2, 2); yours has {result.shape}. "
    "A missing row or column often means that something was summed which should not be."
)
# The first neuron sees 1, 2, 3 with weights 1, 0, 1 and bias 10: 1 + 0 + 3 + 10 = 14.
assert np.allclose(result, [[14, 19], [11, 18]]), (
    f"Expected [[14, 19], [11, 18]], got {result.tolist()}. Work out one entry by hand: "
    "which weights and which bias belong to it?"
)

# %% grade_id="layer_any_size" points=2
# Hidden tests: other sizes, negative sums, as many examples as neurons.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1)
for examples, inputs, neurons in [(5, 4, 3), (4, 4, 4), (1, 6, 2), (7, 2, 7)]:
    batch = rng.normal(size=(examples, inputs))
    kernel = rng.normal(size=(inputs, neurons))
    bias = rng.normal(size=neurons)
    result = np.asarray(layer(batch, kernel, bias))
    want = np.zeros((examples, neurons))
    for i in range(examples):
        for j in range(neurons):
            want[i, j] = sum(batch[i, k] * kernel[k, j] for k in range(inputs)) + bias[j]
    sizes = f"{examples} examples, {inputs} inputs and {neurons} neurons"
    assert result.shape == want.shape, (
        f"For {sizes} expected shape {want.shape}, got {result.shape}."
    )
    wrong = ~np.isclose(result, want, atol=1e-5)
    assert not wrong.any(), (
        f"For {sizes}, {wrong.sum()} of {want.size} sums are wrong; the first that is should be "
        f"{want[wrong][0]:.3f} and is {result[wrong][0]:.3f}. Sums may be negative, each neuron has its "
        "own bias, and that bias is the same for every example."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The bias is handed out to the examples, one for each row, instead of to the neurons.
def layer(x, kernel, bias):
    return x @ kernel + bias[:, np.newaxis]


# %% tags=["misconception"]
# The bias is left out, so a neuron whose inputs are all zero always says zero.
def layer(x, kernel, bias):
    return x @ kernel


# %% tags=["misconception"]
# Negative sums are cut off: that is an activation function, which this layer should not have yet.
def layer(x, kernel, bias):
    return np.maximum(x @ kernel + bias, 0)


# %% tags=["alternative"]
# Writes the sum out as an Einstein summation.
def layer(x, kernel, bias):
    return np.einsum("ei,in->en", x, kernel) + bias


# %% tags=["alternative"]
# Asks the neurons one after the other and puts their answers side by side.
def layer(x, kernel, bias):
    answers = [x @ kernel[:, j] + bias[j] for j in range(kernel.shape[1])]
    return np.stack(answers, axis=1)


# %% [markdown]
# ### Three bends
#
# An **activation function** is applied to every neuron's sum. These three are the ones you will meet most:
#
# | name | formula | range | use today |
# |---|---|---|---|
# | sigmoid | $1 / (1 + e^{-z})$ | 0 to 1 | a probability at the output; gates |
# | tanh | $(e^z - e^{-z}) / (e^z + e^{-z})$ | −1 to 1 | recurrent networks |
# | ReLU, *rectified linear unit* | $\max(z, 0)$ | 0 and up | hidden layers nearly everywhere |
#
# Below they are in NumPy. `sigmoid` looks roundabout; the next section says why.


# %%
def relu(z):
    """max(z, 0), for every element."""
    return np.maximum(z, 0)


def sigmoid(z):
    """1 / (1 + exp(-z)) for every element, by way of a logarithm that cannot overflow."""
    return np.exp(-np.logaddexp(0, -z))


# %% tags=["demo"]
z = np.linspace(-6, 6, 241)
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.4))
for (name, f), style in zip(
    [("sigmoid", sigmoid), ("tanh", np.tanh), ("ReLU", relu)], ["-", "--", ":"]
):
    axes[0].plot(z, f(z), style, label=name)
    axes[1].plot(z, np.gradient(f(z), z), style)
axes[0].set(
    title="All three bend", xlabel="weighted sum z", ylabel="activation f(z)", ylim=(-1.2, 3)
)
axes[1].set(title="Two go flat far from 0", xlabel="weighted sum z", ylabel="slope of f at z")
axes[0].legend()
plots.show(
    fig,
    alt="""Left, three activation functions: sigmoid rises from 0 to 1, tanh from minus 1 to 1, ReLU is
    zero and then the diagonal. Right, their slopes: sigmoid's is at most a quarter and tanh's at most one,
    and both fall to zero away from the middle; ReLU's is zero on the left and one on the right.""",
)

# %% [markdown]
# Remember the right-hand picture: a flat function passes on no information about which way to change. It will
# explain a failure near the end of the lesson.

# %% [markdown]
# ### A formula can be right and its code wrong
#
# The sigmoid may be written as $e^z / (1 + e^z)$ too: the same number, on paper. A computer's numbers end near
# $10^{308}$. *What comes out for z = 800?*

# %% tags=["nbval-check-output"]
with np.errstate(all="ignore"):
    z = np.array([-800.0, 0.0, 800.0])
    print("on paper the same:", np.exp(z) / (1 + np.exp(z)))
print("by the logarithm: ", sigmoid(z))

# %% [markdown]
# $e^{800}$ overflows to infinity, and infinity divided by infinity is `nan`, *not a number*. Whatever touches a
# `nan` becomes one, so a single such value ruins a day of training. Functions that keep their accuracy over
# the whole range are called **numerically stable**. The remedy is nearly always to rearrange the formula so
# that only numbers of reasonable size are exponentiated.

# %% [markdown]
# ### Exercise 2: softmax, without overflow
#
# A network with ten answers ends in ten sums, called **logits**. **Softmax** turns them into ten probabilities,
#
# $$p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}$$
#
# each above 0 and together 1; the largest logit gets the largest probability. Adding the same number $c$ to all
# logits of an example changes nothing, because $e^{z_i + c} = e^{c} e^{z_i}$ and $e^c$ cancels. You are
# therefore free to choose a $c$, for each example, that makes overflow impossible.
#
# Complete `softmax` for a batch `z` of shape (examples, classes). Every *row* is an example. It must give
# finite, right answers for logits of any size, also when one example's logits are near 1,000 and another's
# near −1,000.


# %% grade_id="softmax" solution=true
def softmax(z):
    """Probabilities (examples, classes) from logits of the same shape."""
    ### BEGIN SOLUTION
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %% grade_id="softmax_form" points=1
logits = np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 3.0]])
result = np.asarray(softmax(logits))
assert result.shape == (2, 4), (
    f"Expected one probability for each logit, shape (2, 4); got {result.shape}."
)
assert np.allclose(result.sum(axis=1), 1), (
    f"The probabilities of each example should add up to 1; yours add up to {result.sum(axis=1)}. "
    "Over which axis do you sum?"
)
assert np.allclose(result[0], 0.25), f"Four equal logits give 0.25 each; got {result[0]}."
assert np.allclose(result[1, 1:] / result[1, :-1], np.e), (
    "A logit that is larger by 1 should make a probability e = 2.718 times as large; "
    f"your ratios are {result[1, 1:] / result[1, :-1]}."
)
large = np.asarray(softmax(np.array([[800.0, 800.0]])))
assert np.allclose(large, 0.5), f"Two logits of 800 give 0.5 each, as two of 0 do; got {large[0]}."

# %% grade_id="softmax_stable" points=3
# Hidden tests: very large and very small logits, also side by side in a batch.
### BEGIN HIDDEN TESTS
base = np.array([[0.3, -1.2, 2.0], [1.0, 0.5, -4.0], [0.0, 0.1, 0.2]])
right = np.array([[np.exp(v) / sum(np.exp(w) for w in row) for v in row] for row in base])
cases = [
    ("ordinary logits", np.zeros((3, 1))),
    ("logits near 1,000", np.full((3, 1), 1000.0)),
    ("logits near -1,000", np.full((3, 1), -1000.0)),
    ("examples near -1,000, 0 and 1,000 in one batch", np.array([[-1000.0], [0.0], [1000.0]])),
]
for what, shift in cases:
    result = np.asarray(softmax(base + shift))
    assert np.isfinite(result).all(), (
        f"For {what} your probabilities contain {result[~np.isfinite(result)][0]}. "
        "Some exponential overflowed, or all of an example's exponentials vanished."
    )
    assert np.allclose(result, right, atol=1e-3), (
        f"For {what} expected {right.round(3).tolist()}, got {result.round(3).tolist()}."
    )
wide = np.asarray(softmax(np.array([[0.0, 5000.0]])))
assert np.allclose(wide, [[0, 1]], atol=1e-6), f"Logits 0 and 5,000 give 0 and 1; got {wide}."
### END HIDDEN TESTS


# %% tags=["misconception"]
# The formula as it stands on paper: large logits overflow, and very small ones make 0 / 0.
def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


# %% tags=["misconception"]
# The sum runs over the whole batch, so that the examples share one probability of 1 between them.
def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum()


# %% tags=["misconception"]
# One number is subtracted for the whole batch, so that an example far below the largest vanishes.
def softmax(z):
    powers = np.exp(z - z.max())
    return powers / powers.sum(axis=1, keepdims=True)


# %% tags=["misconception"]
# The sum runs down the columns: each class adds up to 1 over the examples, not each example over the classes.
def softmax(z):
    powers = np.exp(z - z.max(axis=0))
    return powers / powers.sum(axis=0)


# %% tags=["alternative"]
# Subtracts the logarithm of the sum before exponentiating once.
def softmax(z):
    return np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))


# %% tags=["alternative"]
# Takes the examples one by one, each shifted by its own largest logit.
def softmax(z):
    rows = []
    for row in z:
        top = row - row.max()
        rows.append(np.exp(top) / np.sum(np.exp(top)))
    return np.array(rows)


# %% [markdown]
# ## A feedforward network folds the square
#
# Put layers behind one another and you have a **feedforward network**: the *input layer* is the data, one or
# more *hidden layers* compute, the *output layer* answers, and information goes one way only, never back. It
# is the plainest kind of network, and a part of nearly all the others.
#
# The smallest task that needs one has four examples. Two switches, each 0 or 1, and the answer is 1 if
# *exactly one* is on: the **XOR** problem. Can a single neuron do it? Let us ask 100,000 of them, with random
# weights, and count how many of the four answers the best gets right.

# %% tags=["nbval-check-output"]
corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
exactly_one = np.array([0, 1, 1, 0])

rng = np.random.default_rng(0)
sums = corners @ rng.normal(size=(2, 100_000)) + rng.normal(size=100_000)
right = ((sums > 0) == exactly_one[:, None]).sum(axis=0)
print("the best of 100,000 neurons gets", right.max(), "of 4 right")

# %% [markdown]
# No luck, and more would not help: a neuron's answer changes along one straight line, and no line has two
# opposite corners of a square on one side and the other two on the other. Now two hidden neurons with ReLU,
# and one output:
#
# $$h_1 = \mathrm{relu}(x_1 + x_2) \qquad h_2 = \mathrm{relu}(x_1 + x_2 - 1) \qquad \mathrm{answer} = h_1 - 2\,h_2$$

# %% tags=["nbval-check-output"]
hidden = np.stack([relu(corners.sum(axis=1)), relu(corners.sum(axis=1) - 1)], axis=1)
answer = hidden[:, 0] - 2 * hidden[:, 1]
for corner, h, a in zip(corners, hidden, answer):
    print("switches", corner, " hidden", h, " answer", a)

# %% [markdown]
# All four are right. The hidden layer did the work, and a picture of the four examples *as the output neuron
# sees them* shows how.

# %% tags=["demo"]
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.4))
for axis, places in [(axes[0], corners), (axes[1], hidden)]:
    for value, (colour, marker) in enumerate([(plots.BLUE, "o"), (plots.VERMILION, "^")]):
        axis.scatter(
            *places[exactly_one == value].T,
            s=130,
            color=colour,
            marker=marker,
            label=f"answer {value}",
        )
    axis.set(xlim=(-0.4, 2.4), ylim=(-0.4, 1.4), xticks=[0, 1, 2], yticks=[0, 1])
axes[1].plot([0.1, 2.4], [-0.2, 0.95], "--", color=plots.BLACK)
axes[0].set(title="Before: no line separates", xlabel="first switch", ylabel="second switch")
axes[1].set(title="After folding: one does", xlabel="hidden neuron 1", ylabel="hidden neuron 2")
axes[1].text(1.15, -0.05, "two examples")
axes[1].legend(loc="upper left", markerscale=0.6, frameon=True)
plots.show(
    fig,
    alt="""Left, the four corners of a square; those with answer 1 lie on one diagonal and those with
    answer 0 on the other. Right, the same examples by their hidden values: both examples with answer 1 now
    fall on the same point, and a dashed line separates them from the other two.""",
)

# %% [markdown]
# The two examples with answer 1 lie on the same point. The layer has folded the square, and in the folded
# square one line is enough. This is what hidden layers are for: they move the examples to where the next
# layer has an easy task. Here the weights were chosen by hand. Training finds them by itself, for images
# and sentences too, where nobody could.

# %% [markdown]
# ## Without the bend, a stack of layers is one layer
#
# ReLU looks harmless. Leave it out. The spirals again, with the same two hidden layers of 64 neurons and the
# same training, but with no activation function between them. *Will 4,417 weights do better than the three of
# logistic regression?*

# %% tags=["demo"]
straight = spiral_network(None)
straight.fit(points, arm, epochs=60, batch_size=50, verbose=0)

fig, axis = plt.subplots(figsize=(4.8, 3.6))
draw_regions(axis, lambda p: straight(p), "Three layers, no bend: one straight line")
axis.set_ylabel("second coordinate")
plots.show(
    fig,
    alt="""The two spiral arms, and the regions of the network without activation functions: a single
    straight line across both arms, as logistic regression drew it.""",
)

# %% tags=["demo", "nbval-check-output"]
straight_accuracy = straight.evaluate(points, arm, verbose=0)[1]
print("weights and biases:", straight.count_params())
print("within 5 points of the straight line:", abs(straight_accuracy - line_accuracy) < 0.05)

# %% [markdown]
# It has 4,417 weights and draws the line of three. Two lines of algebra say why. The first layer gives
# $x W_1 + b_1$, the second works on that:
#
# $$(x W_1 + b_1) W_2 + b_2 \;=\; x \,(W_1 W_2) \;+\; (b_1 W_2 + b_2)$$
#
# The right side is a single layer, with kernel $W_1 W_2$ and bias $b_1 W_2 + b_2$. However many such layers
# one stacks, they collapse to one.

# %% [markdown]
# ### Exercise 3: collapse a stack
#
# Complete `collapse`. It gets two lists of the same length, at least 1: the kernels of a stack of layers
# without activation functions, and their biases, from the input to the output. Kernel $k$ has as many columns
# as kernel $k + 1$ has rows. Return `(kernel, bias)` of the *one* layer that gives the same output as the
# stack for every input.


# %% grade_id="collapse" solution=true
def collapse(kernels, biases):
    """The kernel and the bias of the one linear layer that equals a stack of them."""
    ### BEGIN SOLUTION
    kernel, bias = kernels[0], biases[0]
    for next_kernel, next_bias in zip(kernels[1:], biases[1:]):
        kernel = kernel @ next_kernel
        bias = bias @ next_kernel + next_bias
    return kernel, bias
    ### END SOLUTION


# %% grade_id="collapse_two" points=1
first, second = np.array([[1.0, 2.0, 0.0]]), np.array([[1.0], [1.0], [5.0]])
kernel, bias = collapse([first, second], [np.array([0.0, 0.0, 1.0]), np.array([3.0])])
kernel, bias = np.asarray(kernel), np.asarray(bias)
assert (kernel.shape, bias.shape) == ((1, 1), (1,)), (
    "A stack with one input and one output collapses to a kernel of shape (1, 1) and a bias of shape (1,); "
    f"yours have {kernel.shape} and {bias.shape}."
)
assert np.isclose(kernel[0, 0], 3), (
    f"The input counts 1·1 + 2·1 + 0·5 = 3 times; yours {kernel[0, 0]} times."
)
assert np.isclose(bias[0], 8), (
    f"For the input 0 the first layer gives 0, 0, 1 and the second 1·5 + 3 = 8; your bias is {bias[0]}."
)

# %% grade_id="collapse_many" points=3
# Hidden tests: stacks of one to five layers with random weights, on random inputs.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(3)
for widths in [(3, 2), (3, 5, 2), (4, 4, 4, 4), (2, 7, 1, 6, 3), (5, 5, 5, 5, 5, 5)]:
    kernels = [rng.normal(size=pair) for pair in zip(widths[:-1], widths[1:])]
    biases = [rng.normal(size=width) for width in widths[1:]]
    kernel, bias = (np.asarray(part) for part in collapse(kernels, biases))
    stack = f"For the stack {' to '.join(map(str, widths))}"
    shapes = kernel.shape, bias.shape
    wanted = (widths[0], widths[-1]), (widths[-1],)
    assert shapes == wanted, f"{stack}: expected kernel and bias of shapes {wanted}, got {shapes}."
    batch = np.vstack([np.zeros(widths[0]), rng.normal(size=(20, widths[0]))])
    output = batch
    for one_kernel, one_bias in zip(kernels, biases):
        output = output @ one_kernel + one_bias
    assert np.allclose(bias, output[0], rtol=1e-4, atol=1e-4), (
        f"{stack}: for an input of zeros it gives {output[0].round(3)}, your layer {bias.round(3)}. "
        "Follow the first layer's bias on its way through the layers after it."
    )
    assert np.allclose(batch @ kernel + bias, output, rtol=1e-3, atol=1e-3), (
        f"{stack}: the bias is right and the output is not. In which order do the kernels act on an input?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The biases are added up as they are, although each but the last still passes through later layers.
def collapse(kernels, biases):
    kernel, bias = kernels[0], biases[0]
    for next_kernel, next_bias in zip(kernels[1:], biases[1:]):
        kernel = kernel @ next_kernel
        bias = bias.sum() + next_bias
    return kernel, bias


# %% tags=["misconception"]
# Only the last layer's bias is kept, as if the others were lost on the way.
def collapse(kernels, biases):
    kernel = kernels[0]
    for next_kernel in kernels[1:]:
        kernel = kernel @ next_kernel
    return kernel, biases[-1]


# %% tags=["misconception"]
# The kernels are multiplied in the reverse order, last layer first, although an input meets the first one first.
def collapse(kernels, biases):
    kernel, bias = kernels[0], biases[0]
    for next_kernel, next_bias in zip(kernels[1:], biases[1:]):
        kernel = next_kernel @ kernel
        bias = bias @ next_kernel + next_bias
    return kernel, bias


# %% tags=["alternative"]
# Asks the stack instead of doing algebra: zeros give the bias, the unit vectors give the kernel.
def collapse(kernels, biases):
    def stack(x):
        for kernel, bias in zip(kernels, biases):
            x = x @ kernel + bias
        return x

    inputs = len(kernels[0])
    bias = stack(np.zeros((1, inputs)))[0]
    return stack(np.eye(inputs)) - bias, bias


# %% tags=["alternative"]
# Collapses the layers after the first, and then those two.
def collapse(kernels, biases):
    if len(kernels) == 1:
        return kernels[0], biases[0]
    kernel, bias = collapse(kernels[1:], biases[1:])
    return kernels[0] @ kernel, biases[0] @ kernel + bias


# %% [markdown]
# So the bend is what makes depth worth anything. How much it is worth is the next question.

# %% [markdown]
# ## Enough bends draw any curve
#
# Three ReLU neurons make a bump. With the corners $a < b < c$ one unit apart, take
#
# $$\mathrm{relu}(x - a) - 2\,\mathrm{relu}(x - b) + \mathrm{relu}(x - c)$$
#
# Left of $a$ it is flat; at $a$ its slope changes by 1, at $b$ by −2, at $c$ by 1, and from there it is flat
# again. Bumps of different heights, side by side, draw a curve.


# %%
def bump(x, left, top, right):
    """0 outside left..right, 1 at top, straight between: three ReLU neurons."""
    up, down = 1 / (top - left), 1 / (right - top)
    return up * relu(x - left) - (up + down) * relu(x - top) + down * relu(x - right)


def wave(x):
    """The curve to be drawn."""
    return np.sin(2 * x) + 0.5 * x


# %% tags=["demo"]
x = np.linspace(-1, 5, 601)
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.4), sharey=True)
for axis, gaps, finding in zip(axes, [6, 24], ["follow roughly", "lie on the curve"]):
    knots = np.linspace(0, 4, gaps + 1)
    step = knots[1]
    bumps = [wave(k) * bump(x, k - step, k, k + step) for k in knots]
    for one in bumps:
        axis.plot(x, one, color=plots.SKY, linewidth=0.8)
    axis.plot(x, wave(x), color=plots.BLACK, linewidth=1, label="curve")
    axis.plot(x, sum(bumps), "--", color=plots.VERMILION, label="sum of bumps")
    axis.set(title=f"{len(knots)} bumps {finding}", xlabel="input x")
axes[0].set_ylabel("output")
axes[1].legend(loc="upper left")
plots.show(
    fig,
    alt="""A wavy curve, and the sum of triangular bumps that approximates it between 0 and 4. Seven bumps
    follow it roughly; 25 lie on it. Outside the interval from 0 to 4 the sum falls to zero and stays there,
    while the curve goes on.""",
)

# %% [markdown]
# *How does the largest error shrink when there are twice as many bumps?*

# %% tags=["nbval-check-output"]
x = np.linspace(0, 4, 4001)
for gaps in [8, 16, 32, 64, 128]:
    knots, step = np.linspace(0, 4, gaps + 1, retstep=True)
    drawn = sum(wave(k) * bump(x, k - step, k, k + step) for k in knots)
    print(f"{gaps + 1:3} bumps: largest error {np.abs(drawn - wave(x)).max():.4f}")

# %% [markdown]
# Twice the bumps, about a quarter of the error, and there is no end to it. That is the **universal
# approximation theorem** in its simplest case: with enough hidden neurons, one hidden layer comes as close as
# you like to any continuous function on a bounded region.
#
# Read the small print. It says that good weights *exist*; it does not say that training finds them, nor that
# their number is reasonable: a grid of bumps with 10 along each of 64 inputs would need $10^{64}$. And look at
# the left and the right end of the figure. Beyond the last bump the network knows nothing, and says so to nobody.

# %% [markdown]
# ### Exercise 4: draw a curve with ReLU
#
# Choose the weights of a network with one input, one hidden layer of ReLU neurons, and one output, such that
#
# `relu(x @ kernel_1 + bias_1) @ kernel_2 + bias_2`
#
# goes through given points and is straight between them. Complete `draw_curve(knots, values)`. `knots` is an
# increasing NumPy array of at least two positions, **not always equally far apart**; the array `values` holds what
# the network should answer there. Return `(kernel_1, bias_1, kernel_2, bias_2)`, of shapes (1, $h$), ($h$,), ($h$, 1) and
# (1,). The number $h$ of hidden neurons is up to you. Only inputs between the first and the last knot matter.
#
# One way needs a single neuron for each gap between two knots. Begin at the first knot with the first value.
# The neuron $\mathrm{relu}(x - k)$ is silent until $x$ reaches $k$ and then adds a slope; the output's weight for
# it says how much. What must it add, given the slope that the neurons before it have made already?


# %% grade_id="draw_curve" solution=true
def draw_curve(knots, values):
    """Weights of a ReLU network that goes through (knots, values) and is straight between them."""
    ### BEGIN SOLUTION
    slopes = np.diff(values) / np.diff(knots)
    changes = np.diff(slopes, prepend=0.0)
    kernel_1 = np.ones((1, len(changes)))
    return kernel_1, -knots[:-1], changes[:, np.newaxis], values[:1]
    ### END SOLUTION


# %% grade_id="draw_curve_three" points=1
parts = [
    np.asarray(part) for part in draw_curve(np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0, 1.0]))
]
kernel_1, bias_1, kernel_2, bias_2 = parts
neurons = len(bias_1)
assert (kernel_1.shape, kernel_2.shape, bias_2.shape) == ((1, neurons), (neurons, 1), (1,)), (
    f"With {neurons} hidden neurons the shapes should be (1, {neurons}), ({neurons},), ({neurons}, 1) and (1,); "
    f"yours are {[part.shape for part in parts]}."
)
at_knots = relu(np.array([[0.0], [1.0], [2.0]]) @ kernel_1 + bias_1) @ kernel_2 + bias_2
assert np.allclose(at_knots[:, 0], [0, 2, 1]), (
    f"At the knots 0, 1, 2 the network should answer 0, 2, 1; it answers {at_knots[:, 0]}. "
    "If it is right up to the second knot and wrong after it, look at what the second neuron adds."
)

# %% grade_id="draw_curve_any" points=3
# Hidden tests: uneven knots, negative positions, a first value that is not zero, a smooth curve.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(4)
cases = [
    ("knots at 1, 2, 3 that begin with the value 5", np.array([1.0, 2, 3]), np.array([5.0, 5, 4])),
    (
        "knots at 0, 1, 5, 6, not equally far apart",
        np.array([0.0, 1, 5, 6]),
        np.array([0.0, 1, -1, 3]),
    ),
    ("knots from -3 to 3", np.array([-3.0, -1, 0, 0.5, 3]), rng.normal(size=5)),
    ("two knots", np.array([-1.0, 1.0]), np.array([2.0, -2.0])),
    ("a wave through 41 knots", np.linspace(0, 4, 41), wave(np.linspace(0, 4, 41))),
]
for what, knots, values in cases:
    kernel_1, bias_1, kernel_2, bias_2 = (np.asarray(part) for part in draw_curve(knots, values))
    places = np.unique(np.concatenate([knots, np.linspace(knots[0], knots[-1], 200)]))
    drawn = (relu(places[:, np.newaxis] @ kernel_1 + bias_1) @ kernel_2 + bias_2)[:, 0]
    wanted = np.interp(places, knots, values)
    worst = np.abs(drawn - wanted).argmax()
    assert np.allclose(drawn, wanted, atol=1e-4), (
        f"For {what}: at x = {places[worst]:.2f} the network should answer {wanted[worst]:.3f} and answers "
        f"{drawn[worst]:.3f}. At the first knot it should answer {wanted[0]:.3f}, and gives {drawn[0]:.3f}."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Each neuron adds the slope of its own gap, although the neurons before it go on adding theirs.
def draw_curve(knots, values):
    slopes = np.diff(values) / np.diff(knots)
    return np.ones((1, len(slopes))), -knots[:-1], slopes[:, np.newaxis], values[:1]


# %% tags=["misconception"]
# The output begins at zero and not at the first value.
def draw_curve(knots, values):
    changes = np.diff(np.diff(values) / np.diff(knots), prepend=0.0)
    return np.ones((1, len(changes))), -knots[:-1], changes[:, np.newaxis], np.zeros(1)


# %% tags=["misconception"]
# Rise is taken for slope: the difference of two values is not divided by the distance of their knots.
def draw_curve(knots, values):
    changes = np.diff(np.diff(values), prepend=0.0)
    return np.ones((1, len(changes))), -knots[:-1], changes[:, np.newaxis], values[:1]


# %% tags=["misconception"]
# The hidden biases have the wrong sign, so that the neurons wake up at minus their knots.
def draw_curve(knots, values):
    changes = np.diff(np.diff(values) / np.diff(knots), prepend=0.0)
    return np.ones((1, len(changes))), knots[:-1], changes[:, np.newaxis], values[:1]


# %% tags=["alternative"]
# A bump for each knot, of three neurons each, as in the figure.
def draw_curve(knots, values):
    corners = np.concatenate([[2 * knots[0] - knots[1]], knots, [2 * knots[-1] - knots[-2]]])
    up, down = 1 / np.diff(corners)[:-1], 1 / np.diff(corners)[1:]
    biases = -np.stack([corners[:-2], corners[1:-1], corners[2:]], axis=1).ravel()
    heights = np.stack([up, -(up + down), down], axis=1) * values[:, np.newaxis]
    return np.ones((1, len(biases))), biases, heights.reshape(-1, 1), np.zeros(1)


# %% tags=["alternative"]
# Solves for the output's weights: one linear equation for each knot after the first.
def draw_curve(knots, values):
    heard = relu(knots[1:, np.newaxis] - knots[:-1])
    weights = np.linalg.solve(heard, values[1:] - values[0])
    return np.ones((1, len(weights))), -knots[:-1], weights[:, np.newaxis], values[:1]


# %% [markdown]
# When the tests are satisfied, look at what your weights draw: twelve points of a mountain ridge, 200 positions
# between them. (Without an answer this cell ends in `NotImplementedError`; go on to the next.)

# %% tags=["demo"]
ridge_x = np.array([0.0, 0.8, 1.1, 1.9, 2.2, 3.0, 3.3, 3.6, 4.4, 4.7, 5.5, 6.0])
ridge_y = np.array([0.9, 1.6, 1.4, 2.6, 2.3, 3.4, 3.1, 3.2, 1.9, 2.2, 1.0, 0.8])
kernel_1, bias_1, kernel_2, bias_2 = draw_curve(ridge_x, ridge_y)
x = np.linspace(0, 6, 200)[:, np.newaxis]
drawn = relu(x @ kernel_1 + bias_1) @ kernel_2 + bias_2

fig, axis = plt.subplots(figsize=(6.4, 3.0))
axis.plot(ridge_x, ridge_y, "o", color=plots.VERMILION, label="points given")
axis.plot(x[:, 0], drawn[:, 0], label="network")
axis.fill_between(x[:, 0], drawn[:, 0], alpha=0.15)
axis.set(
    title=f"{len(bias_1)} ReLU neurons draw a ridge", xlabel="input x", ylabel="output", ylim=(0, 4)
)
axis.legend(loc="upper right")
plots.show(
    fig,
    alt="""The outline of a mountain ridge, made of straight pieces, that passes through all twelve
    given points: the output of a network whose weights were computed from them.""",
)

# %% [markdown]
# ## The same in Keras, with the weights in your hand
#
# In practice nobody writes layers in NumPy. **Keras** has them ready: `Dense(units, activation)` is the layer
# of exercise 1 with an activation function after it, called *dense* because every neuron is connected to
# every input. `Sequential` puts layers in a row. Here is the network of the two switches, weights included.

# %% tags=["nbval-check-output"]
switches = keras.Sequential(
    [keras.Input((2,)), keras.layers.Dense(2, "relu"), keras.layers.Dense(1)], name="switches"
)
switches.layers[0].set_weights([np.ones((2, 2)), np.array([0.0, -1.0])])
switches.layers[1].set_weights([np.array([[1.0], [-2.0]]), np.zeros(1)])
print(keras.ops.convert_to_numpy(switches(corners))[:, 0])

# %% [markdown]
# The same four answers. `set_weights` takes the kernel and the bias, in that order; `get_weights` returns
# them. Everything that a trained network knows is in these arrays.
#
# The last layer has no activation function here. If the answer is to be one of several classes, it gets
# `"softmax"`, and Keras uses a stable one.

# %% [markdown]
# ### Exercise 5: build a network from its weights
#
# Complete `build_network`. It gets two lists of the same length, at least 1: kernels and biases, from the input
# to the output, as in exercise 3. Return a Keras model with one `Dense` layer for each pair, which
#
# - takes a batch of shape (examples, rows of the first kernel),
# - uses ReLU in every layer but the last, and softmax in the last,
# - carries these weights.


# %% grade_id="build_network" solution=true
def build_network(kernels, biases):
    """A Keras model: Dense layers with these weights, ReLU between them, softmax at the end."""
    ### BEGIN SOLUTION
    model = keras.Sequential([keras.Input((kernels[0].shape[0],))])
    for kernel in kernels[:-1]:
        model.add(keras.layers.Dense(kernel.shape[1], activation="relu"))
    model.add(keras.layers.Dense(kernels[-1].shape[1], activation="softmax"))
    for dense, kernel, bias in zip(model.layers, kernels, biases):
        dense.set_weights([kernel, bias])
    return model
    ### END SOLUTION


# %% grade_id="build_network_form" points=1
model = build_network([np.ones((3, 4)), np.ones((4, 2))], [np.zeros(4), np.zeros(2)])
assert isinstance(model, keras.Model), f"Expected a Keras model, got {type(model).__name__}."
assert model.count_params() == 26, (
    "3 inputs, 4 hidden neurons and 2 outputs make (3 + 1) · 4 + (4 + 1) · 2 = 26 weights and biases; "
    f"your model has {model.count_params()}."
)
result = keras.ops.convert_to_numpy(model(np.ones((5, 3), "float32")))
assert result.shape == (5, 2), (
    f"5 examples and 2 classes give an output of shape (5, 2); yours has {result.shape}."
)
assert np.allclose(result, 0.5, atol=1e-3), (
    f"With equal weights for both classes each gets probability 0.5; got {result[0]}."
)

# %% grade_id="build_network_values" points=3
# Hidden tests: one to four layers with random weights, against NumPy.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(5)
for widths in [(4, 3), (3, 6, 4), (5, 8, 8, 3), (2, 5, 5, 5, 3)]:
    kernels = [rng.normal(size=pair).astype("float32") for pair in zip(widths[:-1], widths[1:])]
    biases = [rng.normal(size=width).astype("float32") for width in widths[1:]]
    signal = batch = rng.normal(size=(30, widths[0])).astype("float32")
    for kernel, bias in zip(kernels[:-1], biases[:-1]):
        signal = np.maximum(signal @ kernel + bias, 0)
    logits = signal @ kernels[-1] + biases[-1]
    wanted = np.exp(logits - logits.max(axis=1, keepdims=True))
    wanted /= wanted.sum(axis=1, keepdims=True)
    result = keras.ops.convert_to_numpy(build_network(kernels, biases)(batch))
    network = f"For the network {' to '.join(map(str, widths))}"
    assert np.allclose(result.sum(axis=1), 1, atol=5e-3), (
        f"{network}: each example's probabilities should add up to 1; yours to {result[0].sum():.3f}."
    )
    off = np.abs(result - wanted).max()
    assert off < 5e-3, (
        f"{network}: a probability is off by {off:.3f}. Check which activation each layer has, and that every "
        "layer carries the weights and biases that it was given."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The hidden layers have no activation function, so that the whole network is one linear layer.
def build_network(kernels, biases):
    model = keras.Sequential([keras.Input((kernels[0].shape[0],))])
    for kernel in kernels[:-1]:
        model.add(keras.layers.Dense(kernel.shape[1]))
    model.add(keras.layers.Dense(kernels[-1].shape[1], activation="softmax"))
    for dense, kernel, bias in zip(model.layers, kernels, biases):
        dense.set_weights([kernel, bias])
    return model


# %% tags=["misconception"]
# ReLU is applied to the last layer too, before the softmax, so that negative logits are lost.
def build_network(kernels, biases):
    model = keras.Sequential([keras.Input((kernels[0].shape[0],))])
    for kernel, bias in zip(kernels, biases):
        dense = keras.layers.Dense(kernel.shape[1], activation="relu")
        model.add(dense)
        dense.set_weights([kernel, bias])
    model.add(keras.layers.Softmax())
    return model


# %% tags=["misconception"]
# The layers keep the random weights that Keras gave them: the given ones are never set.
def build_network(kernels, biases):
    model = keras.Sequential([keras.Input((kernels[0].shape[0],))])
    for kernel in kernels[:-1]:
        model.add(keras.layers.Dense(kernel.shape[1], activation="relu"))
    model.add(keras.layers.Dense(kernels[-1].shape[1], activation="softmax"))
    return model


# %% tags=["misconception"]
# The output uses sigmoid, which judges each class by itself: its answers do not add up to 1.
def build_network(kernels, biases):
    model = keras.Sequential([keras.Input((kernels[0].shape[0],))])
    for kernel in kernels[:-1]:
        model.add(keras.layers.Dense(kernel.shape[1], activation="relu"))
    model.add(keras.layers.Dense(kernels[-1].shape[1], activation="sigmoid"))
    for dense, kernel, bias in zip(model.layers, kernels, biases):
        dense.set_weights([kernel, bias])
    return model


# %% tags=["alternative"]
# A functional model, whose weights are set all at once.
def build_network(kernels, biases):
    inputs = signal = keras.Input((len(kernels[0]),))
    for position, kernel in enumerate(kernels, 1):
        activation = "softmax" if position == len(kernels) else "relu"
        signal = keras.layers.Dense(kernel.shape[1], activation)(signal)
    model = keras.Model(inputs, signal)
    model.set_weights([array for pair in zip(kernels, biases) for array in pair])
    return model


# %% tags=["alternative"]
# Layers and activation functions one by one, with the weights set after each layer.
def build_network(kernels, biases):
    model = keras.Sequential([keras.Input((kernels[0].shape[0],))])
    for kernel, bias in zip(kernels, biases):
        model.add(keras.layers.Dense(kernel.shape[1]))
        model.layers[-1].set_weights([kernel, bias])
        model.add(keras.layers.Softmax() if kernel is kernels[-1] else keras.layers.ReLU())
    return model


# %% [markdown]
# ## A first training, beside an honest baseline
#
# Back to the digits, and to the bar that logistic regression has set. The network: 64 pixels, a hidden layer
# of 64 neurons, one of 32, and ten outputs. *How many weights and biases is that? Work it out before you run
# the cell.*


# %% tags=["demo"]
def digit_network(widths=(64, 32), activation="relu"):
    """Hidden layers of these widths, and a softmax over the ten digits."""
    start = "he_normal" if activation == "relu" else "glorot_uniform"
    network = keras.Sequential([keras.Input((64,))], name="digits")
    for width in widths:
        network.add(keras.layers.Dense(width, activation, kernel_initializer=start))
    network.add(keras.layers.Dense(10, "softmax"))
    return network


# %% tags=["demo", "nbval-check-output"]
keras.utils.set_random_seed(0)
network = digit_network()
print("layer by layer:", [dense.count_params() for dense in network.layers])
print("together:", network.count_params())

# %% [markdown]
# (64 + 1) · 64, (64 + 1) · 32 and (32 + 1) · 10: each neuron has a weight for every input and a bias. They start
# as random numbers of a size that suits the activation function, which is what `he_normal` and `glorot_uniform`
# name. *What will the network get right before any training?*

# %% tags=["demo", "nbval-check-output"]
network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
untrained_accuracy = network.evaluate(x_test, y_test, verbose=0)[1]
print("untrained, right for fewer than 30 of 100:", untrained_accuracy < 0.3)

# %% [markdown]
# Random weights guess. `compile` has named the loss, the *cross-entropy*, which is small when the right digit
# gets a high probability, and an *optimizer*, Adam, which changes the weights. Both are the subject of lesson 02;
# here they are tools. An **epoch** is one pass over all the examples. Watch the loss fall and the accuracy rise.

# %% tags=["demo"]
history = network.fit(x_train, y_train, epochs=15, batch_size=32, verbose=2)

# %% tags=["demo", "nbval-check-output"]
network_accuracy = network.evaluate(x_test, y_test, verbose=0)[1]
# 20 seeds: .958 to .982, mean .974, sd .006; the baseline has .972 to .974.
print("network right for at least 94 of 100:", network_accuracy >= 0.94)
print(
    "within 2.5 points of logistic regression:", abs(network_accuracy - baseline_accuracy) < 0.025
)

# %% [markdown]
# From guessing to 94 of 100 and more, on digits that it had never seen, in a few seconds. And yet: within 2.5
# points of the baseline, which has 650 weights and no hidden layer. On 500 test digits a difference of that
# size is a dozen digits. If this were your project, logistic regression would be hard to argue against.
# Deep networks earn their keep where the way from pixels to answer is longer than this: larger pictures,
# sounds, sentences.

# %% [markdown]
# ## Eight layers deep, and no word reaches the first
#
# If two hidden layers are good, are eight better? Training asks, for every weight, how much the loss would
# change if that weight were nudged. That number is the weight's **gradient**, and the weight moves in
# proportion to it. To get to the first layer, the question has to travel back through all the others, and each
# multiplies it by its weights and by the slope of its activation function.
#
# The sigmoid's slope is at most ¼. *Leave the weights aside: what is left of a signal after eight of them?*

# %% tags=["nbval-check-output"]
print(f"a quarter of a quarter, eight times over: {0.25**8:.0e}")

# %% [markdown]
# So much for the estimate; let us measure. Take four networks of eight hidden layers with 32 neurons each, not
# trained yet, which differ in the activation function and start with weights of a size that suits it.
# `GradientTape` records what is computed and gives the gradients; we take their typical size in each layer.

# %% tags=["demo"]
import tensorflow as tf

ACTIVATIONS = ["linear", "sigmoid", "tanh", "relu"]


def gradient_sizes(network):
    """Root mean square of the loss's gradient for each layer's kernel, from input to output."""
    with tf.GradientTape() as tape:
        losses = keras.losses.sparse_categorical_crossentropy(y_train[:256], network(x_train[:256]))
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, [dense.kernel for dense in network.layers])
    return np.array([np.sqrt(np.mean(gradient.numpy() ** 2)) for gradient in gradients])


keras.utils.set_random_seed(0)
deep = {name: digit_network([32] * 8, name) for name in ACTIVATIONS}
sizes = {name: gradient_sizes(network) for name, network in deep.items()}

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.6))
for (name, size), marker in zip(sizes.items(), plots.MARKERS):
    axis.semilogy(range(1, 10), size, marker=marker, label=name)
axis.set(
    title="Through sigmoids the signal dies on its way back",
    xlabel="layer, from the input (1) to the output (9)",
    ylabel="typical gradient (log scale)",
    xticks=range(1, 10),
)
axis.legend(loc="lower right")
plots.show(
    fig,
    alt="""Typical gradient size in each of nine layers, on a logarithmic scale. For linear, tanh and ReLU
    it is about the same in all layers. For sigmoid it falls from the output back to the input by
    about a factor of one hundred thousand.""",
)

# %% tags=["demo", "nbval-check-output"]
ratio = {name: size[0] / size[-1] for name, size in sizes.items()}
# 20 seeds: sigmoid 2e-6 to 9e-6, the others .37 to 1.5.
for name in ACTIVATIONS:
    print(f"{name:8} first layer's gradient above a tenth of the last's:", ratio[name] > 0.1)
print("sigmoid  below a ten-thousandth:", ratio["sigmoid"] < 1e-4)

# %% [markdown]
# With sigmoids the first layer hears less than a ten-thousandth of what the last one hears. This is the
# **vanishing gradient**. It held deep networks back for years. Does it matter? Train all four in the same way; it
# takes some ten seconds.

# %% tags=["demo"]
from tqdm import tqdm

deep_accuracy = {}
for name, deep_network in tqdm(deep.items(), desc="training", mininterval=1):
    deep_network.compile(
        keras.optimizers.SGD(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    deep_network.fit(x_train, y_train, epochs=25, batch_size=32, verbose=0)
    deep_accuracy[name] = deep_network.evaluate(x_test, y_test, verbose=0)[1]

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.2))
names = [*ACTIVATIONS, "baseline"]
heights = [100 * deep_accuracy[name] for name in ACTIVATIONS] + [100 * baseline_accuracy]
bars = axis.bar(
    names, heights, color=[plots.BLUE, plots.VERMILION, plots.BLUE, plots.BLUE, "#999999"]
)
axis.bar_label(bars, fmt="%.0f")
axis.set(
    title="The sigmoid network still guesses", ylabel="right, of 100 test digits", ylim=(0, 112)
)
axis.set_xlabel("activation in eight hidden layers; logistic regression")
plots.show(
    fig,
    alt="""Bars of test accuracy. The eight-layer networks with linear, tanh and ReLU activation are right
    for more than 85 of 100 digits, near the logistic regression beside them. The one with sigmoid is
    right for about 10 of 100, which is guessing.""",
)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: sigmoid always .100; tanh .920 to .960, ReLU .912 to .970, linear .932 to .962.
print("sigmoid still guesses, fewer than 25 of 100:", deep_accuracy["sigmoid"] < 0.25)
for name in ["tanh", "relu"]:
    print(f"{name} learned, more than 85 of 100:", deep_accuracy[name] > 0.85)
print("linear no better than the baseline:", deep_accuracy["linear"] < baseline_accuracy + 0.01)
print("eight ReLU layers beat two:", deep_accuracy["relu"] > network_accuracy + 0.01)

before_last = keras.Model(deep["sigmoid"].inputs, deep["sigmoid"].layers[-2].output)
spread = before_last.predict(x_test, verbose=0).std(axis=0).mean()
print("sigmoid's last hidden layer, spread between images below 0.001:", spread < 0.001)

# %% [markdown]
# - **Sigmoid** has learned nothing. Its last layers have gradients enough, but what reaches them is nearly the
#   same for every image: on its way forward, too, the signal has been flattened eight times.
# - **Tanh** and **ReLU** learn: their slopes near zero are 1, or 1 wherever a neuron is active.
# - **Linear** keeps its gradients alive and gains nothing by them: eight layers without a bend are one layer.
# - And eight layers with ReLU are no better than two. Depth is no merit in itself.
#
# When a network of yours does not learn, look at the gradients, layer by layer, before you change anything
# else. Two more remedies are in wide use, and the transformers of lesson 14 have both: to rescale the signal between
# layers, and to give it paths that skip layers.

# %% [markdown]
# ## What this network does not know
#
# ### It has met these hands before
#
# The test digits were new to the network. Their writers were not: the splits were drawn at random, so all 13
# people may be in both. A machine that reads forms will meet other people. Who wrote what was not recorded, but the
# file keeps the order in which the digits came in, and neighbours tend to be by the same hand. So
# cut the file in two, learn from the front part, and test on the last 500. *How many points will that cost?*

# %% tags=["demo"]
whole = [datasets.arrays("digits", split, scaled=True) for split in ("train", "test")]
images, digits, index = (
    np.concatenate([part[key] for part in whole]) for key in ("image", "label", "index")
)
images = images.reshape(-1, 64)
front, back = index < 1297, index >= 1297

keras.utils.set_random_seed(0)
stranger = digit_network()
stranger.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
stranger.fit(images[front], digits[front], epochs=15, batch_size=32, verbose=0)
stranger_accuracy = stranger.evaluate(images[back], digits[back], verbose=0)[1]

# %% tags=["demo", "nbval-check-output"]
loss_of_points = 100 * (network_accuracy - stranger_accuracy)
print("on other hands it loses 3 to 10 points:", 3 < loss_of_points < 10)
more_errors = (1 - stranger_accuracy) / (1 - network_accuracy)
# 20 seeds: 4.4 to 7.4 points, sd 0.7; 2.2 to 4.8 times the errors, mean 3.5.
print("errors, at least half as many again:", more_errors > 1.5)

# Are the last 500 only harder to read? Ask the first network for those of them that it was tested on.
late_ones = index[len(x_train) :] >= 1297
late_accuracy = network.evaluate(x_test[late_ones], y_test[late_ones], verbose=0)[1]
# 20 seeds: 0.7 to 3.0 points below its score on all of the test split.
print("the first network stays within 5 points there:", late_accuracy > network_accuracy - 0.05)
print("and reads them better than the second:", late_accuracy > stranger_accuracy)

# %% [markdown]
# The same network, as many examples, and at least half as many errors again. Are the last 500 digits harder in
# themselves? A little, perhaps; but the first network, which has met the hands, reads those of them that it was
# tested on better than the second, which has not.
#
# Neither number is wrong; they answer different questions. The first says how the network reads people whom it
# knows. Before using it on the public one needs the second. And such errors are not spread evenly: whoever writes
# unlike the 13, because they learned it in another country, or because their hand trembles, has to expect more of
# them, on a form that may decide about money or a vote. No training on these digits can repair that. It takes
# digits from those people.

# %% [markdown]
# ### It cannot say "that is no digit"
#
# Take the test images and shuffle the pixels of each. The ink is all there, the digit is gone. A
# person would shrug. *What will the network say, and how sure will it be?*

# %% tags=["demo"]
shuffled = np.random.default_rng(0).permuted(x_test, axis=1)
certainty = network.predict(shuffled, verbose=0).max(axis=1)

pick = np.argsort(-certainty)[:8]
verdicts = network.predict(shuffled[pick], verbose=0)
titles = [f"{v.argmax()}: {100 * v.max():.0f} %" for v in verdicts]
fig = plots.image_grid(1 - shuffled[pick].reshape(-1, 8, 8), titles=titles, size=0.78)
fig.suptitle("Noise, and what the network is sure to see in it", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Eight images of shuffled pixels in which no digit can be seen. Above each stands the digit that
    the network reads in it, with a probability of almost 100 percent.""",
)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: 66 to 82 of 100 over 50 %, sd 4.7; 12 to 26 of 100 over 90 %, sd 3.8.
print("more than half get over 50 % certainty:", np.mean(certainty > 0.5) > 0.5)
print("more than 5 of 100 get over 90 %:", np.mean(certainty > 0.9) > 0.05)

# %% [markdown]
# Softmax shares out a probability of 1 among ten digits. There is no eleventh answer for *none of these*, and
# far from all it has seen, the network goes on as its last bend points, like the curve beyond its last bump. A high
# probability is no evidence that the question made sense. Lesson 18 builds networks that notice what is unlike
# their data.

# %% [markdown]
# ## Where to go on
#
# **Try**
#
# - `spiral_network("tanh")`, or 8 neurons a layer in place of 64. How few neurons still follow the arms?
# - In `digit_network`, start the sigmoid network with `"he_normal"`, or with a depth of 2, 4, 6. At
#   which depth does learning stop?
# - Hide the right half of every test digit. Which digits are mistaken for which?
#
# **Read**
#
# - Michael Nielsen, *Neural Networks and Deep Learning* (2015), chapters 1 and 4: the same beginnings, slowly,
#   with a visual proof of the approximation theorem. Free online.
# - Ian Goodfellow, Yoshua Bengio and Aaron Courville, *Deep Learning* (2016), chapter 6: feedforward networks,
#   with the two switches as its first example. Free online.
# - Xavier Glorot and Yoshua Bengio, *Understanding the difficulty of training deep feedforward neural networks*
#   (2010): the experiment with eight layers, done properly; `glorot_uniform` is from here.

# %% [markdown]
# ### At full size
#
# The grown-up relative of these digits is MNIST: 70,000 images of 28 × 28 pixels, by some 500 writers, with
# different writers in its training and test split. Once it has been downloaded, the same call loads it.

# %% tags=["demo"]
try:
    mnist = datasets.load("mnist", split="train", as_supervised=True)
    print(mnist)
except datasets.DatasetNotDownloadedError as error:
    print(error)

# %% [markdown]
# What changes: the input has 784 numbers, divided by 255; batches of 512 keep a GPU busy; and in the first
# line `course.setup(seed=0)` without `precision="float32"` picks shorter numbers where the GPU has tensor cores,
# which pays for networks much larger than this one. This lesson asks for `float32` because it looks at gradients of a
# millionth, and small numbers are the first to get lost in a short type. Lesson 05 is about that.
#
# **Next: lesson 02**, where the network learns: what a loss is, how the gradient gets back to the first layer,
# and what the optimizer does with it.
