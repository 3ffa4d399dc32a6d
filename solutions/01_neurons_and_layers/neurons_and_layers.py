# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Neurons and layers
#     summary: Build a neural network from its smallest part, write a Keras layer yourself, train your first network, and see what its layers can and cannot do.
#     part: I Foundations
#     minutes: 110
#     minutes_reading: 45
#     objectives:
#     - compute what a neuron, a layer and a small network answer, for a whole batch at once
#     - write a Keras layer, with its weights, that agrees with Keras's Dense
#     - say why a stack of layers without activation functions is one layer, and make that layer
#     - write a softmax that survives very large and very small inputs
#     - build, compile and fit a network with validation data and early stopping, read its learning curves and its errors, and compare it with simpler models
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
#     built: a layer of neurons in NumPy and as a layer of Keras, a stack of layers collapsed into one, a stable softmax, and a network that reads handwritten digits, trained with early stopping
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
#       "learning rate": The size of an optimizer's steps.
#       "early stopping, EarlyStopping, restore_best_weights": Ending the training when the loss on the validation data no longer improves, and going back to the best weights.
#       "ReduceLROnPlateau": The callback that makes the learning rate smaller when the loss on the validation data no longer falls.
#       "ModelCheckpoint": The callback that saves the best weights so far in a file.
#       "callback": What Keras calls after each epoch or batch of training, to watch it or to change it.
#       "overfitting": Learning the training examples by heart, so that the loss on them falls and on others rises.
#       "learning curve": The loss drawn over the epochs, of training and of validation data.
#       "accuracy": The share of right answers.
#       "dropout, Dropout": Setting a random share of numbers to 0 in training, so that nothing rests on a few of them.
#       "confusion matrix": The share of each true class that is taken for each class.
#       "XOR": The question whether exactly one of two switches is on, which no single neuron can answer.
#       "initializer, glorot_uniform, he_normal": What says which numbers a layer's weights start with.
#       "parameters (of a layer)": Its weights and biases.
#       "tensor": Keras's word for an array.
#     explains: [Flatten, Lambda, Rescaling, binary cross-entropy]
# ---

# %% [markdown]
# # Neurons and layers
#
# Below are 400 points on the two arms of a spiral. A straight line cannot tell the arms apart. The curved border beside it
# was drawn by a **neural network**: multiplication, addition and one small bend, repeated.
#
# In this lesson you build such a network from its smallest part. You compute a neuron and a layer with NumPy, write a layer
# for **Keras**, the library in which this course builds its networks, and then train a network that reads handwritten
# digits. On the way you find out what the bend is for, what a second layer can do that a single one cannot, and where your
# network fails.
#
# Reading and running takes about three quarters of an hour, of which a minute is waiting; the five exercises take about an
# hour more. You need some Python and NumPy, and to know how a matrix is multiplied by another. No knowledge of machine
# learning is needed.

# %% [markdown]
# ## A straight line fails, a bent one does not
#
# Every lesson begins with a line that fixes the random numbers, sets their precision to 32 bits and says on what the lesson
# computes. The imports follow.

# %%
import course

course.setup(seed=0, precision="float32")

import time

import keras
import matplotlib.pyplot as plt
import numpy as np

from course import datasets, plots, results

# %% [markdown]
# The puzzle: given a point's two coordinates, say which arm it is on. The points are made up by the few lines below. A
# second set, made in the same way, is kept for asking questions afterwards.


# %%
def spirals(count, seed):
    """Points (count, 2) on two spiral arms, and the arm, 0 or 1, of each."""
    rng = np.random.default_rng(seed)
    arm = np.arange(count) % 2
    radius = np.sqrt(rng.uniform(0.03, 1.0, count))
    angle = 3 * np.pi * radius + np.pi * arm
    points = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return (points + rng.normal(0, 0.02, (count, 2))).astype("float32"), arm


points, arm = spirals(400, seed=0)
new_points, new_arm = spirals(1000, seed=1)

# %% [markdown]
# Two models try. **Logistic regression** is the classic method, of 1958: it divides the plane by one straight line, chosen
# so that as many points as possible are on the right side. The other is a network. Do not try to read the next cell yet:
# it is here for its picture. By the section *Training finds the weights* each of its words will have been explained, and
# you will write such a cell yourself.

# %% tags=["demo"]
from sklearn.linear_model import LogisticRegression

line = LogisticRegression().fit(points, arm)
dense = keras.layers.Dense
bent = keras.Sequential(
    [keras.Input((2,)), dense(64, "relu"), dense(64, "relu"), dense(1, "sigmoid")]
)
bent.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
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
    axis.set(title=title, xlabel="first coordinate", aspect="equal")
    axis.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])


fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.5), sharey=True)
draw_regions(axes[0], lambda p: line.predict_proba(p)[:, 1], "A straight line cuts both arms")
draw_regions(axes[1], bent, "A network follows each arm")
axes[0].set_ylabel("second coordinate")
plots.show(
    fig,
    alt="""The same two interleaved spiral arms twice. Left, logistic regression splits the plane by
    one straight line that runs across both arms. Right, the network's border winds between the arms, and
    nearly every point lies in the region of its own arm.""",
)

# %% [markdown]
# How often is each right? Not on the points that it was fitted to, for which one could learn the answers by heart, but on
# the 1,000 others:

# %% tags=["demo", "nbval-check-output"]
line_accuracy = line.score(new_points, new_arm)
bent_accuracy = bent.evaluate(new_points, new_arm, verbose=0)[1]
print("right, of 100 new points")
results.table(
    ("straight line", 100 * line_accuracy, (59, 70)),
    ("network", 100 * bent_accuracy, (98, 100)),
)

# %% [markdown]
# This is how the course states results. A network starts from random numbers, so its score depends on luck. `here` is the
# score of this run. The run was repeated with 20 different *seeds*, which are the numbers that random number generators
# start from, and `over 20 seeds` says between which limits those scores lay, with a small margin. Yours should lie there
# too. The text claims only what is true of the whole range.
#
# The network was given no formula for a spiral. It was given points, answers, and enough places where its border may bend.

# %% [markdown]
# ## How a lesson works
#
# Run a cell with **Shift + Enter** and go from top to bottom. Change things as you like; a fresh copy is never far.
#
# **Exercises** come where the idea is. Each is a function or a class to complete: replace `raise NotImplementedError()`
# with your answer, and run the cell. The cell after it holds **tests**. A test that is satisfied says nothing. One that is
# not says what it expected, what came, and what usually causes that. As long as you have no answer it says so in one line.
#
# You can leave an exercise and come back. What you have written is used in the rest of the lesson; where it is missing or
# does not work yet, the lesson goes on with the course's version, and says so. When you have saved the notebook, this
# command in a terminal, in the course's folder, tells how you stand:
#
# ```
# course check 01_neurons_and_layers
# ```
#
# It runs your answers in a fresh Python, as grading does, which catches an answer that works only because of a cell that
# you have deleted since. It knows the tests that you can see. Grading adds **hidden tests**: the same promises, held
# against more cases. Where a test cell shows only a comment, its tests are hidden, and the comment says what they look at.

# %% [markdown]
# ## One recipe, many problems
#
# Networks play Go (AlphaGo), fold proteins (AlphaFold), write (GPT) and draw (DALL·E); they translate, drive, and read
# X-rays. One might expect a method for each. There is one recipe:
#
# 1. choose a function with many adjustable numbers, its *weights*: the network;
# 2. collect examples of the task, questions with their answers: the *data*;
# 3. measure by one number how wrong the network's answers are: the *loss*;
# 4. change the weights a little in the direction that lowers the loss, and repeat: *gradient descent*. This is what
#    *training* or *learning* means here.
#
# It serves for *classification* (which digit is this?) as for *regression* (how many tonnes will the field yield?), with
# another loss. What differs between fields is the shape of the network, because data have shape: pixels have neighbours,
# sentences have an order. In this lesson you build the function of step 1 with your own hands and let Keras do step 4.
#
# *Artificial intelligence*, *machine learning* and *deep learning* are often used as if they meant the same. They are
# nested: deep learning is the machine learning that uses networks of many layers, and machine learning is the artificial
# intelligence that finds its rules in data.

# %% [markdown]
# ### Rules that nobody wrote
#
# A programmer who wants to recognise a face would have to write down what a face is: two eyes, a nose, a mouth, but
# turned, in the dark, behind glasses. No list of rules ends. Deep learning goes the other way round. People supply
# examples with the wanted answers, and the rules come out, as weights; afterwards they work on pictures that were in no
# example.
#
# The idea is old. Single artificial neurons are from the 1940s and 50s, training of several layers from the 1980s. What
# changed around 2012 was the supply: enough data, and computers fast enough to use them. The word *neural* is a loose
# comparison. A neuron here adds and bends; a cell in the brain does far more, and as far as anyone knows it does not learn
# by gradient descent.

# %% [markdown]
# ### Features that nobody chose
#
# Before deep learning, a specialist chose the *features* that a model looked at: the width of a stroke, the number of
# loops in a digit. A deep network gets the raw pixels. Each layer computes its own features out of those of the layer
# before it. The usual story says: from spots of ink to edges, from edges to loops, from loops to an eight. Near the end of
# this lesson we look at what the layers of your network have in fact learnt, which is less tidy, and at a task in which
# features of features make a measurable difference.
#
# It has a price. A deep network wants many examples; it wants computing power; and its thousands or billions of weights do
# not explain themselves. Where there are few data and good features, older methods are often the better choice. So each
# network of this course is compared with the best simple method that we could think of.

# %% [markdown]
# ### When a network counts as deep
#
# *Neural network* names the thing: layers of neurons. *Deep* says how many layers lie between input and output. Those are
# the *hidden* layers. With one or two, people speak of a shallow network; with dozens or hundreds, of a deep one. In
# between nobody has drawn a line, and nothing happens at any particular number. What matters is that features are computed
# from features, and that begins with the second hidden layer.

# %% [markdown]
# ## Neurons, layers, and the bend between them
#
# ### A neuron weighs its inputs
#
# A **neuron** takes some numbers, multiplies each by a weight, adds them up, and adds one more number:
#
# $$z = w_1 x_1 + w_2 x_2 + \dots + w_n x_n + b$$
#
# Here $x_1 \dots x_n$ are its inputs, $w_1 \dots w_n$ its **weights** (how much each input matters, and in which
# direction), and $b$ is its **bias**, the sum that it gives when all inputs are zero. Then an **activation function** $f$
# turns the sum into what the neuron passes on, $a = f(z)$. First without it.

# %% tags=["nbval-check-output"]
x = np.array([0.5, 1.0, 0.0])
w = np.array([2.0, -1.0, 3.0])
b = 0.25
print("weighted sum, term by term:", 0.5 * 2.0 + 1.0 * -1.0 + 0.0 * 3.0 + 0.25)
print("the same as a dot product: ", x @ w + b)

# %% [markdown]
# A **layer** is some neurons side by side that all look at the same inputs. With 3 inputs and 2 neurons there are 3 · 2
# weights. They are kept as a matrix, the **kernel**, of shape (inputs, neurons): each *column* is one neuron. The biases
# are a vector, one number for each neuron. Weights and biases together are the layer's **parameters**. A network is
# layers in a row:


# %% tags=["demo"]
def draw_network(axis, widths, names):
    """Layers as columns of circles, with a line for each weight."""
    heights = [np.linspace(-1, 1, width) * (width - 1) / 2 for width in widths]
    for left, (here, there) in enumerate(zip(heights[:-1], heights[1:])):
        for y in here:
            for to in there:
                axis.plot([left, left + 1], [y, to], color="#999999", lw=0.9, zorder=1)
    for place, (layer_heights, name) in enumerate(zip(heights, names)):
        colour = "white" if place == 0 else "#cfe3f1"
        x = np.full(len(layer_heights), place)
        axis.scatter(x, layer_heights, s=420, color=colour, edgecolor=plots.BLUE, lw=2, zorder=2)
        axis.text(place, -2.0, name, ha="center", va="top")
    axis.set(xlim=(-0.6, len(widths) - 0.4), ylim=(-2.9, 2.3))
    axis.set_axis_off()


# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.6))
names = ["input layer:\n3 numbers", "hidden layer:\n4 neurons", "output layer:\n2 neurons"]
draw_network(axis, [3, 4, 2], names)
axis.text(0.5, 1.9, "kernel 3 × 4, bias 4", ha="center")
axis.text(1.5, 1.9, "kernel 4 × 2, bias 2", ha="center")
axis.set_title("Every neuron looks at all numbers of the layer before it")
plots.show(
    fig,
    alt="""A network drawn as three columns of circles: three inputs, four hidden neurons, two output neurons. A line
    goes from each circle to every circle of the next column. Above the lines are the sizes of the kernels, 3 by 4
    and 4 by 2.""",
)

# %% [markdown]
# Each line is a weight, each blue circle has a bias. One does not ask about a single example either. Networks answer a
# **batch**, many examples at once, one in each *row*, because one large multiplication is much faster than many small ones.

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
# Return the neurons' weighted sums, of shape (examples, neurons): row $i$, column $j$ is what neuron $j$ says about example
# $i$. No activation function yet. One line is enough. The arrays that you are given stay as they are, here and in all
# exercises.


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


# %% tags=["demo"]
from course import fallbacks
from course.fallbacks import neurons_and_layers as ours

layer = fallbacks.choose(layer, ours.layer, ours.layer_works)

# %% [markdown]
# The last cell looks at whether your `layer` works, and takes one of the course's where it does not; the other exercises
# have such a cell too.

# %% [markdown]
# ### Three bends
#
# An **activation function** is applied to every neuron's sum. These three are the ones you will meet most:
#
# | name | formula | range | use today |
# |---|---|---|---|
# | sigmoid | $1 / (1 + e^{-z})$ | 0 to 1 | a probability at the output |
# | tanh | $(e^z - e^{-z}) / (e^z + e^{-z})$ | −1 to 1 | networks that read sequences |
# | ReLU, *rectified linear unit* | $\max(z, 0)$ | 0 and up | hidden layers nearly everywhere |


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
# Remember the right-hand picture: where a function is flat, nothing says which way to change. It will explain a failure
# near the end of the lesson.

# %% [markdown]
# ## A feedforward network folds the square
#
# Put layers one after another and you have a **feedforward network**: the *input layer* is the data, one or more *hidden
# layers* compute, the *output layer* answers, and information goes one way only, never back. It is the plainest kind of
# network, and a part of nearly all the others.
#
# The smallest task that needs one has four examples. Two switches, each 0 or 1, and the answer is 1 if *exactly one* is
# on: the **XOR** problem. Can a single neuron do it? Let us ask 100,000 of them, with random weights, and count how many of
# the four answers the best gets right.

# %% tags=["nbval-check-output"]
corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
exactly_one = np.array([0, 1, 1, 0])

rng = np.random.default_rng(0)
sums = corners @ rng.normal(size=(2, 100_000)) + rng.normal(size=100_000)
right = ((sums > 0) == exactly_one[:, None]).sum(axis=0)
print("the best of 100,000 neurons gets", right.max(), "of 4 right")

# %% [markdown]
# No luck, and more would not help: a neuron's answer changes along one straight line, and no line has two opposite corners
# of a square on one side and the other two on the other. Now two hidden neurons with ReLU, and one output:
#
# $$h_1 = \mathrm{relu}(x_1 + x_2) \qquad h_2 = \mathrm{relu}(x_1 + x_2 - 1) \qquad \mathrm{answer} = h_1 - 2\,h_2$$
#
# With your `layer`, a network is two lines:

# %% tags=["demo", "nbval-check-output"]
hidden = relu(layer(corners, np.ones((2, 2)), np.array([0.0, -1.0])))
answer = layer(hidden, np.array([[1.0], [-2.0]]), np.zeros(1))
for corner, h, a in zip(corners, hidden, answer[:, 0]):
    print("switches", corner, " hidden", h, " answer", a)

# %% [markdown]
# All four are right. The hidden layer did the work, and a picture of the four examples *as the output neuron sees them*
# shows how.

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
# The two examples with answer 1 lie on the same point. The layer has folded the square, and in the folded square one line
# is enough. This is what hidden layers are for: they move the examples to where the next layer has an easy task. Here the
# weights were chosen by hand. Training finds them by itself, for images and sentences too, where nobody could.

# %% [markdown]
# ## The same in Keras, with the weights in your hand
#
# In practice nobody writes layers in NumPy. Keras has them ready: `Dense(units, activation)` is the layer of exercise 1
# with as many neurons as `units` says and an activation function after them. It is called *dense* because every neuron is
# connected to every input. `Sequential` puts layers in a row and makes a **model** of them, which can be called like a
# function; `Input` says how many numbers one example has. Here is the network of the two switches:

# %% tags=["nbval-check-output"]
switches = keras.Sequential(
    [keras.Input((2,)), keras.layers.Dense(2, "relu"), keras.layers.Dense(1)], name="switches"
)
switches.layers[0].set_weights([np.ones((2, 2)), np.array([0.0, -1.0])])
switches.layers[1].set_weights([np.array([[1.0], [-2.0]]), np.zeros(1)])
print(keras.ops.convert_to_numpy(switches(corners))[:, 0])

# %% [markdown]
# The same four answers. `set_weights` takes the kernel and the bias, in that order; `get_weights` returns them. All that a
# trained network knows is in these arrays. What comes out of a model is a **tensor**, Keras's word for an array;
# `keras.ops` has NumPy's functions for tensors, under the same names, and `@`, `+` and `*` work as usual.

# %% [markdown]
# ### What a Keras layer is made of
#
# A layer is a class with two methods of interest. `build` makes the weights. It is called once, when the layer first sees
# an input, because only then is the number of inputs known. `call` computes. Between them they do all that Keras needs:
# it finds the weights, starts them, trains them and saves them. Here is one that is not in Keras. It multiplies each of
# its inputs by a weight, as one turns the knobs of an equaliser:


# %%
class Knobs(keras.layers.Layer):
    """Multiplies each input by a weight that can be learnt."""

    def build(self, input_shape):
        """Make a weight for each input; ``input_shape`` is (examples, inputs)."""
        self.knobs = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="knobs")

    def call(self, inputs):
        """The inputs (examples, inputs), each multiplied by its weight."""
        return inputs * self.knobs


# %% tags=["demo", "nbval-check-output"]
knobs = Knobs()
print("before:", knobs(np.array([[1.0, 2.0, 3.0]])).numpy())
knobs.set_weights([np.array([0.5, 1.0, -1.0])])
print("after: ", knobs(np.array([[1.0, 2.0, 3.0]])).numpy())

# %% [markdown]
# `add_weight` tells Keras the weight's shape and what it starts with, its *initializer*: `"ones"`, `"zeros"`, or random
# numbers such as `"glorot_uniform"`, which is what `Dense` uses for its kernel. Why random? Neurons that start with the
# same weights get the same changes in training and stay the same.

# %% [markdown]
# ### Exercise 2: write the layer `Dense` yourself
#
# Complete the class `Neurons` so that it does what Keras's `Dense` does, without using `Dense`. Its `__init__` is there:
# it notes the number of neurons, and turns the name of an activation function, such as `"relu"`, into the function, which
# is then called as `self.activation(z)`. Without a name that function returns `z` as it is.
#
# - `build` makes two weights that training can change, first the kernel, of shape (inputs, units), with the initializer
#   `"glorot_uniform"`, then the bias, of shape (units,), which starts with zeros. Keep them as `self.kernel` and `self.bias`.
# - `call` gets a batch of shape (examples, inputs) and returns the neurons' activations, of shape (examples, units). `@` and
#   the functions of `keras.ops` are the right tools. NumPy's would fail in a network, because Keras first calls its layers
#   with inputs that have a shape and no numbers yet, to find out what shapes come out.


# %% grade_id="Neurons" solution=true
class Neurons(keras.layers.Layer):
    """Neurons side by side that all look at the same inputs: what Keras calls Dense."""

    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        """Make kernel and bias; ``input_shape`` is (examples, inputs)."""
        ### BEGIN SOLUTION
        inputs = input_shape[-1]
        self.kernel = self.add_weight(
            shape=(inputs, self.units), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        ### END SOLUTION

    def call(self, inputs):
        """The activations (examples, units) for a batch (examples, inputs)."""
        ### BEGIN SOLUTION
        return self.activation(inputs @ self.kernel + self.bias)
        ### END SOLUTION


# %% grade_id="Neurons_by_hand" points=2
two_examples = np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 1.0]], dtype="float32")
# First example: 1 + 3 - 2 = 2 and 2 - 3 + 3.5 = 2.5. Second: 1 - 2 = -1, and -1 - 1 + 3.5 = 1.5.
for name, wanted in [("relu", [[2, 2.5], [0, 1.5]]), (None, [[2, 2.5], [-1, 1.5]])]:
    neurons = Neurons(2, name)
    shape = np.shape(neurons(two_examples))
    assert shape == (2, 2), f"2 examples and 2 neurons give an output of shape (2, 2), not {shape}"
    shapes = [tuple(weight.shape) for weight in neurons.get_weights()]
    assert shapes == [(3, 2), (2,)], (
        f"3 inputs and 2 neurons need weights of shapes (3, 2) and (2,), in this order; yours are {shapes}. "
        "A weight that is not made by add_weight is not found by Keras."
    )
    kernel, bias = neurons.get_weights()
    assert not bias.any(), f"the bias should start with zeros, and starts with {bias.tolist()}"
    assert np.unique(kernel).size > 1, f"the kernel should start at random; it is {kernel.tolist()}"
    neurons.set_weights([np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]), np.array([-2.0, 3.5])])
    got = np.asarray(neurons(two_examples)).tolist()
    assert np.allclose(got, wanted), f"with the activation {name!r}: expected {wanted}, got {got}"

# %% grade_id="Neurons_like_dense" points=2
# The instructor compares with Dense: other sizes, activations and batches, and the weights that train.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(2)
for inputs, units, activation in [(5, 3, None), (4, 4, "tanh"), (1, 6, "sigmoid"), (7, 2, "relu")]:
    what = f"for {inputs} inputs, {units} neurons and the activation {activation!r}"
    batch = rng.normal(size=(9, inputs)).astype("float32")
    dense, neurons = keras.layers.Dense(units, activation), Neurons(units, activation)
    dense(batch), neurons(batch)
    trained = len(neurons.trainable_weights)
    assert trained == 2, f"{what}, training should find 2 weights, and finds {trained}"
    weights = [rng.normal(size=(inputs, units)), rng.normal(size=units)]
    dense.set_weights(weights), neurons.set_weights(weights)
    for examples in (batch, batch[:1], -batch):
        wanted, got = np.asarray(dense(examples)), np.asarray(neurons(examples))
        assert got.shape == wanted.shape, f"{what}: shape {wanted.shape} expected, not {got.shape}"
        assert np.allclose(got, wanted, atol=1e-5), (
            f"{what}, Dense gives {wanted[0].tolist()} and yours {got[0].tolist()}"
        )
    assert len(neurons.get_weights()) == 2, f"{what}: weights are made again at every call"
### END HIDDEN TESTS

# %% grade_id="Neurons_start" points=1
# The instructor looks at the random numbers with which kernels start.
### BEGIN HIDDEN TESTS
starts = [Neurons(50), Neurons(50)]
for each in starts:
    each(np.ones((1, 200), "float32"))
first, second = (each.get_weights()[0] for each in starts)
assert not np.allclose(first, second), "two layers should start with different random kernels"
limit = np.sqrt(6 / 250)
for size in (-first.min(), first.max()):
    assert 0.9 * limit < size <= 1.001 * limit, (
        f"glorot_uniform gives 200 x 50 weights between {-limit:.4f} and {limit:.4f}; yours lie between "
        f"{first.min():.4f} and {first.max():.4f}"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The kernel has the shape (units, inputs), one neuron in each row.
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        shape = (self.units, input_shape[-1])
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        return self.activation(inputs @ keras.ops.transpose(self.kernel) + self.bias)


# %% tags=["misconception"]
# The activation function is never applied.
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        return inputs @ self.kernel + self.bias


# %% tags=["misconception"]
# The activation function is applied before the bias is added, so a ReLU can give negative numbers.
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        return self.activation(inputs @ self.kernel) + self.bias


# %% tags=["misconception"]
# The kernel starts with zeros: all neurons are alike, get the same changes in training, and stay alike.
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="zeros")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        return self.activation(inputs @ self.kernel + self.bias)


# %% tags=["misconception"]
# The weights are NumPy arrays, which Keras does not find: nothing can be trained, set or saved.
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        start = keras.initializers.GlorotUniform()
        self.kernel = np.array(start((input_shape[-1], self.units)))
        self.bias = np.zeros(self.units, "float32")

    def call(self, inputs):
        return self.activation(keras.ops.matmul(inputs, self.kernel) + self.bias)


# %% tags=["misconception"]
# One bias is shared by all neurons.
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform")
        self.bias = self.add_weight(shape=(1,), initializer="zeros")

    def call(self, inputs):
        return self.activation(inputs @ self.kernel + self.bias)


# %% tags=["misconception"]
# ReLU is written into the layer, whatever activation function was asked for.
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        return keras.ops.relu(inputs @ self.kernel + self.bias)


# %% tags=["misconception"]
# The weights start at random, but ten times smaller than glorot_uniform would have them.
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        start = keras.initializers.RandomNormal(stddev=0.01)
        self.kernel = self.add_weight(shape=shape, initializer=start)
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        return self.activation(inputs @ self.kernel + self.bias)


# %% tags=["alternative"]
# Functions of keras.ops, a sum over products instead of the matrix product, and its own __init__.
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **options):
        super().__init__(**options)
        self.units, self.activation = units, keras.activations.get(activation)

    def build(self, input_shape):
        _, inputs = input_shape
        self.kernel = self.add_weight(
            shape=(inputs, self.units), initializer=keras.initializers.GlorotUniform()
        )
        self.bias = self.add_weight(shape=[self.units])
        self.bias.assign(keras.ops.zeros(self.units))

    def call(self, inputs):
        products = keras.ops.expand_dims(inputs, -1) * self.kernel
        return self.activation(keras.ops.add(keras.ops.sum(products, axis=1), self.bias))


# %% tags=["alternative"]
# Variables that are assigned to the layer, which Keras finds as well.
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        start = keras.initializers.get("glorot_uniform")
        self.kernel = keras.Variable(start((input_shape[1], self.units)))
        self.bias = keras.Variable(np.zeros(self.units, "float32"))

    def call(self, inputs):
        z = keras.ops.dot(inputs, self.kernel)
        z = z + self.bias
        return self.activation(z)


# %% tags=["demo"]
Neurons = fallbacks.choose(Neurons, ours.Neurons, ours.Neurons_works)

# %% [markdown]
# ## Training finds the weights
#
# Now the spirals again, with a network of your own layers: two hidden layers of 64 neurons with ReLU, and one output neuron
# with a sigmoid, whose answer between 0 and 1 is read as the probability that the point is on arm 1. Training it is two
# calls, `compile` and `fit`, and these are all the words in them:
#
# - The **loss** says how wrong an answer is. If the network gives the true arm the probability $p$, the loss is
#   $-\ln p$: 0 if it was sure and right, large if it was sure and wrong. This is the **cross-entropy**; for two classes
#   Keras calls it `binary_crossentropy`.
# - The **gradient** says, for every weight, how much the loss would change if that weight grew a little. Keras computes
#   it for all weights at once.
# - An **optimizer** moves each weight against its gradient, by a small step. The size of the step is the **learning
#   rate**. Adam is an optimizer that adapts the step to each weight; `Adam(0.01)` sets the rate.
# - One step uses one batch of examples, `batch_size=50` of them, in random order. One pass over all examples is an
#   **epoch**: 8 steps for 400 points, 480 steps in 60 epochs.
# - A **metric** is computed for the reader alone. The **accuracy** is the share of right answers.
#
# `validation_data` are further examples on which loss and metrics are computed after each epoch. The network does not
# learn from them, so they show whether it has understood something or has learnt its examples by heart.


# %% tags=["demo"]
def spiral_network(activation):
    """Two hidden layers of 64 neurons, and one neuron that answers with a probability."""
    return keras.Sequential(
        [
            keras.Input((2,)),
            Neurons(64, activation),
            Neurons(64, activation),
            Neurons(1, "sigmoid"),
        ]
    )


validation_points = spirals(400, seed=2)

keras.utils.set_random_seed(0)
yours = spiral_network("relu")
yours.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
history = yours.fit(
    points, arm, validation_data=validation_points, epochs=60, batch_size=50, verbose=0
)

# %% [markdown]
# `fit` returns a **history**, with the loss and the accuracy of every epoch. Drawn over the epochs they are the **learning
# curves**, the first thing to look at after any training. *What do you expect of the two losses?*


# %% tags=["demo"]
def draw_curves(history, title, alt):
    """Loss and accuracy over the epochs, on training and validation examples."""
    fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.2))
    for axis, name in zip(axes, ["loss", "accuracy"]):
        epochs = range(1, len(history.history[name]) + 1)
        axis.plot(epochs, history.history[name], label="training")
        axis.plot(epochs, history.history["val_" + name], "--", label="validation")
        axis.set(xlabel="epoch", ylabel=name)
    axes[0].set(title=title, ylim=(0, None))
    axes[1].legend(loc="lower right")
    plots.show(fig, alt=alt)


draw_curves(
    history,
    "Both losses fall together",
    """Two charts over 60 epochs. The loss on training and on validation points falls from about 0.6 to nearly 0, and the
    two curves stay close together. Both accuracies rise from about 0.6 to nearly 1.""",
)

# %% tags=["demo", "nbval-check-output"]
print("right, of 100 new points")
results.table(
    ("your layers", 100 * yours.evaluate(new_points, new_arm, verbose=0)[1], (98, 100)),
    parameters=[yours.count_params()],
)

# %% [markdown]
# The losses fall together: what the network has learnt from 400 points holds for others. If the loss on the validation
# examples turned upwards while the other kept falling, the network would be learning its examples by heart. That is
# **overfitting**, and you will see it below.

# %% [markdown]
# ## Without the bend, a stack of layers is one layer
#
# ReLU looks harmless. Leave it out. The same two hidden layers of 64 neurons and the same training, but with no activation
# function between them. *Will 4,417 weights and biases do better than the three of logistic regression?*

# %% tags=["demo"]
keras.utils.set_random_seed(0)
dense = keras.layers.Dense
straight = keras.Sequential([keras.Input((2,)), dense(64), dense(64), dense(1)])
loss = keras.losses.BinaryCrossentropy(from_logits=True)
straight.compile(keras.optimizers.Adam(0.01), loss)
straight_history = straight.fit(
    points, arm, validation_data=validation_points, epochs=60, batch_size=50, verbose=0
)

fig, axis = plt.subplots(figsize=(4.8, 3.6))
draw_regions(axis, lambda p: straight(p) > 0, "Three layers, no bend: one straight line")
axis.set_ylabel("second coordinate")
plots.show(
    fig,
    alt="""The two spiral arms, and the regions of the network without activation functions: a single
    straight line across both arms, as logistic regression drew it.""",
)

# %% [markdown]
# (The last layer has no sigmoid here either. Its sum, which is called a **logit**, is above 0 where the probability is above
# ½, and `from_logits=True` tells the loss that it gets logits.)

# %% tags=["demo", "nbval-check-output"]
losses = straight_history.history["val_loss"]
straight_right = 100 * np.mean((straight.predict(new_points, verbose=0)[:, 0] > 0) == new_arm)
results.table(
    ("straight line, right of 100", 100 * line_accuracy, (59, 70)),
    ("three layers without a bend", straight_right, (59, 70)),
    ("their validation loss, last 10 epochs", np.mean(losses[-10:]), (0.56, 0.68)),
    ("the same, 10 epochs before", np.mean(losses[-20:-10]), (0.56, 0.68)),
    parameters=[3, straight.count_params(), None, None],
)

# %% [markdown]
# No better, and it is not for want of training: the validation loss has stopped falling. Two lines of algebra say why.
# The first layer gives $x W_1 + b_1$, and the second works on that:
#
# $$(x W_1 + b_1) W_2 + b_2 \;=\; x \,(W_1 W_2) \;+\; (b_1 W_2 + b_2)$$
#
# The right side is a single layer, with kernel $W_1 W_2$ and bias $b_1 W_2 + b_2$. However many such layers one stacks,
# they collapse to one.

# %% [markdown]
# ### Exercise 3: collapse a stack
#
# Complete `collapse`. It gets `network`, a `keras.Sequential` of one or more `Dense` layers without activation functions,
# all of them with a bias. Return a `keras.Sequential` that has a *single* `Dense` layer and gives the same output for
# every input. `network.layers` are its layers, from the input to the output. `network` itself stays as it is.


# %% grade_id="collapse" solution=true
def collapse(network):
    """A model of one Dense layer that does what a stack of linear Dense layers does."""
    ### BEGIN SOLUTION
    kernel, bias = network.layers[0].get_weights()
    for after in network.layers[1:]:
        next_kernel, next_bias = after.get_weights()
        kernel, bias = kernel @ next_kernel, bias @ next_kernel + next_bias
    inputs, outputs = kernel.shape
    single = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(outputs)])
    single.set_weights([kernel, bias])
    return single
    ### END SOLUTION


# %%
def linear_stack(*weights):
    """A Sequential of Dense layers without activation functions, with these kernels and biases."""
    stack = keras.Sequential([keras.Input((len(weights[0]),))])
    for kernel in weights[::2]:
        stack.add(keras.layers.Dense(np.shape(kernel)[1]))
    stack.set_weights([np.array(each, "float32") for each in weights])
    return stack


# %% grade_id="collapse_two" points=1
stack = linear_stack([[1, 2, 0]], [0.5, 0, 1], [[1], [1], [5]], [3], [[2]], [-1])
single = collapse(stack)
assert isinstance(single, keras.Model), f"expected a Keras model, got {type(single).__name__}"
shapes = [tuple(weight.shape) for weight in single.get_weights()]
assert shapes == [(1, 1), (1,)], (
    "a stack with one input and one output collapses to a kernel of shape (1, 1) and a bias of shape (1,); "
    f"the weights of yours have {shapes}"
)
at = dict(zip((0, 1, -5), np.asarray(single(np.array([[0.0], [1.0], [-5.0]], "float32")))[:, 0]))
assert np.isclose(at[0], 16), (
    "for the input 0 the first layer gives 0.5, 0 and 1, the second 0.5 + 0 + 5 + 3 = 8.5, the third 2 · 8.5 - 1 = 16; "
    f"yours gives {at[0]}"
)
for x in (1, -5):
    assert np.isclose(at[x] - at[0], 6 * x), (
        f"the input counts (1·1 + 2·1 + 0·5) · 2 = 6 times, so {x} gives {16 + 6 * x}; yours {at[x]}"
    )

# %% grade_id="collapse_many" points=2
# The instructor collapses stacks of one to four layers with random weights, and looks at what is left of the stack.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(3)
for widths in [(3, 2), (4, 4, 4), (2, 7, 1, 6, 3)]:
    weights = []
    for before, after in zip(widths[:-1], widths[1:]):
        weights += [rng.normal(size=(before, after)), rng.normal(size=after)]
    network = linear_stack(*weights)
    single = collapse(network)
    stack = f"for the stack {' to '.join(map(str, widths))}"
    shapes = [tuple(weight.shape) for weight in single.get_weights()]
    wanted = [(widths[0], widths[-1]), (widths[-1],)]
    assert shapes == wanted, f"{stack}: weights of shapes {wanted} expected, got {shapes}"
    batch = np.vstack([np.zeros(widths[0]), rng.normal(size=(20, widths[0]))]).astype("float32")
    output, got = (np.asarray(model(batch)) for model in (network, single))
    assert np.allclose(got[0], output[0], rtol=1e-3, atol=1e-3), (
        f"{stack}: an input of zeros gives {output[0].tolist()}, and {got[0].tolist()} with yours. "
        "Follow the first layer's bias on its way through the layers after it."
    )
    assert np.allclose(got, output, rtol=1e-3, atol=1e-3), (
        f"{stack}: zeros give the right output, and other inputs do not. In which order do kernels act on an input?"
    )
    kept = all(np.allclose(a, b) for a, b in zip(network.get_weights(), weights))
    assert kept, f"{stack}: the stack's own weights were changed"
### END HIDDEN TESTS


# %% tags=["misconception"]
# The biases are added up as they are, although each but the last still passes through later layers.
def collapse(network):
    kernel, bias = network.layers[0].get_weights()
    for after in network.layers[1:]:
        next_kernel, next_bias = after.get_weights()
        kernel, bias = kernel @ next_kernel, bias.sum() + next_bias
    single = keras.Sequential(
        [keras.Input((kernel.shape[0],)), keras.layers.Dense(kernel.shape[1])]
    )
    single.set_weights([kernel, bias])
    return single


# %% tags=["misconception"]
# Only the last layer's bias is kept, as if the others were lost on the way.
def collapse(network):
    kernel, bias = network.layers[0].get_weights()
    for after in network.layers[1:]:
        next_kernel, bias = after.get_weights()
        kernel = kernel @ next_kernel
    single = keras.Sequential(
        [keras.Input((kernel.shape[0],)), keras.layers.Dense(kernel.shape[1])]
    )
    single.set_weights([kernel, bias])
    return single


# %% tags=["misconception"]
# Kernel and bias are right, and the new layer never gets them: it keeps its random start.
def collapse(network):
    kernel, bias = network.layers[0].get_weights()
    for after in network.layers[1:]:
        next_kernel, next_bias = after.get_weights()
        kernel, bias = kernel @ next_kernel, bias @ next_kernel + next_bias
    return keras.Sequential([keras.Input((len(kernel),)), keras.layers.Dense(len(bias))])


# %% tags=["misconception"]
# The biases are left out: the layer has the right kernel, and answers 0 to an input of zeros.
def collapse(network):
    kernel = np.eye(network.input_shape[-1])
    for layer in network.layers:
        kernel = kernel @ layer.get_weights()[0]
    single = keras.Sequential([keras.Input((len(kernel),)), keras.layers.Dense(kernel.shape[1])])
    single.set_weights([kernel, np.zeros(kernel.shape[1])])
    return single


# %% tags=["misconception"]
# Only the first two layers are collapsed, however many there are.
def collapse(network):
    kernel, bias = network.layers[0].get_weights()
    if len(network.layers) > 1:
        next_kernel, next_bias = network.layers[1].get_weights()
        kernel, bias = kernel @ next_kernel, bias @ next_kernel + next_bias
    single = keras.Sequential([keras.Input((len(kernel),)), keras.layers.Dense(len(bias))])
    single.set_weights([kernel, bias])
    return single


# %% tags=["alternative"]
# Asks the stack instead of doing algebra: zeros give the bias, the unit vectors give the kernel.
def collapse(network):
    inputs = network.input_shape[-1]
    bias = np.asarray(network(np.zeros((1, inputs), "float32")))[0]
    kernel = np.asarray(network(np.eye(inputs, dtype="float32"))) - bias
    single = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(len(bias))])
    single.layers[0].set_weights([kernel, bias])
    return single


# %% tags=["alternative"]
# From the output backwards, on a flat list of weights, with a layer that is built by hand.
def collapse(network):
    weights = network.get_weights()
    kernel, bias = weights[-2], weights[-1]
    for number in range(len(weights) - 4, -1, -2):
        bias = bias + weights[number + 1] @ kernel
        kernel = weights[number] @ kernel
    last = keras.layers.Dense(kernel.shape[1])
    single = keras.models.Sequential()
    single.add(keras.layers.Input(shape=(kernel.shape[0],)))
    single.add(last)
    last.kernel.assign(kernel)
    last.bias.assign(bias)
    return single


# %% tags=["demo"]
collapse = fallbacks.choose(collapse, ours.collapse, ours.collapse_works)

# %% [markdown]
# Collapse the trained network of 4,417 weights and biases, and look at what is left of it:

# %% tags=["demo", "nbval-check-output"]
single = collapse(straight)
difference = np.abs(single.predict(new_points, verbose=0) - straight.predict(new_points, verbose=0))
print("weights and biases:", straight.count_params(), "before,", single.count_params(), "after")
print("largest difference between their answers below 0.001:", bool(difference.max() < 0.001))

# %% [markdown]
# Three numbers: the straight line. So the bend is what makes depth worth anything. How much it is worth is the next
# question.

# %% [markdown]
# ## Enough bends draw any curve
#
# Three ReLU neurons make a bump. With the corners $a < b < c$ one unit apart, take
#
# $$\mathrm{relu}(x - a) - 2\,\mathrm{relu}(x - b) + \mathrm{relu}(x - c)$$
#
# Left of $a$ it is flat; at $a$ its slope changes by 1, at $b$ by −2, at $c$ by 1, and from there it is flat again. Bumps
# of different heights, side by side, draw a curve.


# %% tags=["demo"]
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

# %% tags=["demo", "nbval-check-output"]
x = np.linspace(0, 4, 4001)
for gaps in [8, 16, 32, 64, 128]:
    knots, step = np.linspace(0, 4, gaps + 1, retstep=True)
    drawn = sum(wave(k) * bump(x, k - step, k, k + step) for k in knots)
    print(f"{gaps + 1:3} bumps: largest error {np.abs(drawn - wave(x)).max():.4f}")

# %% [markdown]
# Twice the bumps, about a quarter of the error, and there is no end to it. That is the **universal approximation theorem**
# in its simplest case: with enough hidden neurons, one hidden layer comes as close as you like to any continuous function
# on a bounded region.
#
# Read the small print. It says that good weights *exist*; it does not say that training finds them, nor that their number
# is reasonable: a grid of bumps with 10 along each of 64 inputs would need $10^{64}$. And look at the left and the right
# end of the figure. Beyond the last bump the network knows nothing, and does not say so.

# %% [markdown]
# ## From sums to probabilities, without overflow
#
# The sigmoid may be written as $e^z / (1 + e^z)$ too: the same number, on paper. A computer's numbers end near
# $10^{308}$. *What comes out for z = 800?*

# %% tags=["nbval-check-output"]
with np.errstate(all="ignore"):
    z = np.array([-800.0, 0.0, 800.0])
    print("on paper the same:", np.exp(z) / (1 + np.exp(z)))
print("by the logarithm: ", sigmoid(z))

# %% [markdown]
# $e^{800}$ overflows to infinity, and infinity divided by infinity is `nan`, *not a number*. Whatever touches a `nan`
# becomes one, so a single such value ruins a day of training. Functions that keep their accuracy over the whole range are
# called **numerically stable**. The remedy is nearly always to rearrange the formula so that only numbers of reasonable
# size are exponentiated.

# %% [markdown]
# ### Exercise 4: softmax, without overflow
#
# A network that chooses among ten answers ends in ten sums, its logits. **Softmax** turns them into ten probabilities,
#
# $$p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}$$
#
# each above 0 and together 1; the largest logit gets the largest probability. Adding the same number $c$ to all logits of
# an example changes nothing, because $e^{z_i + c} = e^{c} e^{z_i}$ and $e^c$ cancels. You are therefore free to choose a
# $c$, for each example, that makes overflow impossible.
#
# Complete `softmax` for a NumPy array `z` of shape (examples, classes). Every *row* is an example. It must give finite,
# right answers for logits of any size, also when one example's logits are near 1,000 and another's near −1,000, and when a
# single example has logits of both kinds.


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
for row, wanted in [([800.0, 800.0], [0.5, 0.5]), ([900.0, -900.0, 900.0], [0.5, 0.0, 0.5])]:
    large = np.asarray(softmax(np.array([row])))[0]
    assert np.allclose(large, wanted), f"The logits {row} give {wanted}; got {large.tolist()}."

# %% grade_id="softmax_stable" points=2
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
        f"For {what} expected {right.tolist()}, got {result.tolist()}."
    )
### END HIDDEN TESTS

# %% grade_id="softmax_wide" points=1
# Hidden tests: one example with logits far apart, the largest in every place, and the caller's array afterwards.
### BEGIN HIDDEN TESTS
for place in range(3):
    wide = np.array([[-700.0, 0.0, 40.0], [2.0, -3000.0, 0.0]])
    wide[:, place] = 5000.0
    wanted, kept = np.eye(3)[[place, place]], wide.copy()
    result = np.asarray(softmax(wide))
    assert np.allclose(result, wanted, atol=1e-6), (
        f"The logits {kept.tolist()} give {wanted.tolist()}; got {result.tolist()}."
    )
    assert np.array_equal(wide, kept), "The caller's logits were changed."
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


# %% tags=["misconception"]
# The mean is subtracted and not the largest logit: one that lies far above the mean still overflows.
def softmax(z):
    powers = np.exp(z - z.mean(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


# %% tags=["misconception"]
# Logits are cut off at 500: what is far above that counts no more than what is a little above it.
def softmax(z):
    powers = np.exp(np.clip(z, -500, 500))
    return powers / powers.sum(axis=1, keepdims=True)


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


# %% tags=["demo"]
softmax = fallbacks.choose(softmax, ours.softmax, ours.softmax_works)

# %% tags=["demo", "nbval-check-output"]
print(
    "your softmax of 999, 1000 and 1001:", np.round(softmax(np.array([[999.0, 1000.0, 1001.0]])), 3)
)

# %% [markdown]
# ## Ten digits, 64 numbers each
#
# Now to real data. The dataset `digits` has 1,797 images of handwritten digits, which 13 people wrote on forms, scanned and
# reduced to 8 × 8 pixels. A pixel counts the black dots in its part of the scan, from 0 to 16; here it is divided by 16. We
# use the digits in three parts: 1,000 to learn from, 297 to **validate**, which is to judge a training while it runs, and
# 500 to **test** with at the end.


# %%
def digit_rows(split):
    """Images (n, 64) with pixels from 0 to 1, and their labels (n,)."""
    images, labels = datasets.arrays("digits", split, as_supervised=True, scaled=True)
    return images.reshape(-1, 64), labels


x_all, y_all = digit_rows("train")
train, validation, test = (
    (x_all[:1000], y_all[:1000]),
    (x_all[1000:], y_all[1000:]),
    digit_rows("test"),
)
x_test, y_test = test

# %% tags=["demo"]
fig = plots.image_grid(
    1 - train[0][:16].reshape(-1, 8, 8), titles=[str(y) for y in train[1][:16]], size=0.78
)
fig.suptitle("At 8 × 8 pixels a person still reads most of them", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Sixteen handwritten digits as coarse images of eight by eight grey pixels, each with its
    label above it. Most can be read at once; a few need a second look.""",
)

# %% [markdown]
# To our network an image is a row of 64 numbers; it is not told that they form a square. One thing is missing from these
# data that we shall want at the end: who wrote which digit.
#
# ### The models that have to be beaten
#
# A model is worth what it adds to a simpler one. The simplest says the most frequent digit, whatever it sees. Next comes
# logistic regression, with one weighted sum of the 64 pixels for each digit and a softmax: in the words of this lesson, a
# network without a hidden layer. It has one setting, `C`, which says how large its weights may become. We try three
# values and keep the one that is best on the validation digits. *What do you expect of a method of 1958: 50 of 100
# right, 80, 95?*

# %% tags=["demo", "nbval-check-output"]
most_frequent = np.bincount(train[1]).argmax()
begin = time.perf_counter()
tried = [LogisticRegression(C=c, max_iter=2000).fit(*train) for c in (0.1, 1, 10)]
logistic = max(tried, key=lambda model: model.score(*validation))
logistic_seconds = time.perf_counter() - begin
logistic_right = 100 * logistic.score(*test)
results.table(
    ("most frequent digit, right of 100", 100 * np.mean(y_test == most_frequent), (9, 11)),
    ("logistic regression", logistic_right, (96, 98)),
    parameters=[0, 650],
    seconds=[0.0, logistic_seconds],
)

# %% [markdown]
# That is a high bar for anything called deep.

# %% [markdown]
# ### Exercise 5: train your first network
#
# Complete `train_classifier(train, validation, classes)`. `train` and `validation` are pairs `(x, y)` of NumPy arrays: `x`
# of shape (examples, inputs) holds the examples, and `y` of shape (examples,) their labels, whole numbers from 0 to
# `classes` − 1. Build a network, train it on `train`, and return two things, `model, history`:
#
# - `model` is a Keras model of Keras's own layers (your `Neurons` cannot be sent to the process that grades it, so use
#   `Dense`). It has at least one hidden layer with an activation function, and gives for each example `classes`
#   probabilities, from a softmax in the last layer.
# - `history` is what `fit` returned. It has the loss on `validation` for every epoch.
# - Training takes at most 100 epochs, stops when the validation loss no longer improves, and leaves the model with the
#   weights of the epoch in which that loss was smallest.
#
# The last point is called **early stopping**, and Keras has it: give `fit` the argument
# `callbacks=[keras.callbacks.EarlyStopping(patience=…, restore_best_weights=True)]`. A *callback* is called after every
# epoch; this one ends training when the validation loss has not improved for `patience` epochs; 5 to 20 are usual. As the loss take
# `"sparse_categorical_crossentropy"`: the cross-entropy for more than two classes, with labels that are numbers. `epochs`,
# `batch_size`, widths and the learning rate are up to you; on the digits training should take a few seconds, and the
# network should then read more than 93 of 100 test digits. `verbose=0` keeps `fit` quiet.
#
# The tests ask for less, and make it harder: they train your network on 400 digits, and every second label is drawn at
# random. A network that trains on and on learns such labels by heart; one that stops in time should still read at least 60
# of 100 test digits.


# %% grade_id="train_classifier" solution=true
def train_classifier(train, validation, classes):
    """A trained network, and the history of its training."""
    ### BEGIN SOLUTION
    x, y = train
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(classes, "softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    stop = keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    history = model.fit(
        x, y, 50, epochs=100, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history
    ### END SOLUTION


# %%
def judge(model, pair):
    """The mean cross-entropy of a model's probabilities, and the share of right answers."""
    x, y = pair
    p = np.asarray(model(x), "float64")
    return -np.log(np.maximum(p[np.arange(len(y)), y], 1e-7)).mean(), np.mean(p.argmax(1) == y)


def is_of_keras(model):
    """Whether a model and its layers are of Keras's own classes, none written here and no Lambda."""
    own = [type(part).__module__.startswith("keras.") for part in (model, *model.layers)]
    return all(own) and not any(isinstance(part, keras.layers.Lambda) for part in model.layers)


def bends(model, x):
    """Whether a model's logits, which differ from its log probabilities by a constant, are not linear."""
    one, other = x[::2], x[1::2]
    ends, middle = (
        np.log(np.asarray(model(part), "float64") + 1e-30)
        for part in (np.stack([one, other]).reshape(-1, x.shape[1]), (one + other) / 2)
    )
    ends = ends.reshape(2, len(one), -1).mean(axis=0)
    off = (middle - middle[:, :1]) - (ends - ends[:, :1])
    # In 20 trainings of a network with tanh it is .21 or more; of one without a bend less than .00001.
    return np.abs(off).max() > 0.01


# %%
def with_wrong_labels(share, seed):
    """Pairs of 400 digits for training and 150 for validation; a share of the labels is drawn."""
    rng = np.random.default_rng(seed)
    x, y = x_all[:550], np.where(rng.random(550) < share, rng.integers(10, size=550), y_all[:550])
    return (x[:400], y[:400]), (x[400:], y[400:])


# %% grade_id="train_classifier_digits" points=2
keras.utils.set_random_seed(1)
few, few_held_out = with_wrong_labels(0.5, 0)
model, history = train_classifier(few, few_held_out, 10)
assert is_of_keras(model), "the model should be made of Keras's own layers, without one of yours"
p = np.asarray(model(x_test))
assert p.shape == (500, 10), f"500 digits, 10 classes: (500, 10) probabilities, not {p.shape}"
assert np.allclose(np.abs(p).sum(axis=1), 1, atol=1e-3), (
    f"the probabilities of a digit should be 0 or more and add up to 1; yours are {p[0]}"
)
assert bends(model, x_test[:40]), (
    "your network does what one linear layer can do: it has no hidden layer, or no activation function in it"
)
noted = history.history.get("val_loss", [])
assert 0 < len(noted) <= 100, (
    f"val_loss for 1 to 100 epochs is expected in the history; it has {len(noted)} values of it"
)
loss, _ = judge(model, few_held_out)
assert np.isclose(loss, min(noted), rtol=1e-3, atol=1e-4), (
    f"the smallest validation loss was {min(noted):.4f}, and the model that you return has {loss:.4f}: "
    "are the weights of the best epoch restored?"
)
right = judge(model, test)[1]
# Over 20 seeds each, the reference and two others get .73 to .89: none of 60 fails.
assert right >= 0.6, f"{100 * right:.1f} of 100 test digits are right, and 60 were asked for"

# %% grade_id="train_classifier_noise" points=3
# The instructor trains your network on other data, also on some without a pattern, and looks at when it stops.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(6)
x = rng.normal(size=(160, 30)).astype("float32")
labels = rng.integers(4, size=160)
pairs = (x[:100], labels[:100]), (x[100:], labels[100:])
given = [part.copy() for pair in pairs for part in pair]
keras.utils.set_random_seed(1)
model, history = train_classifier(*pairs, 4)
assert model(x).shape == (160, 4), "4 classes give 4 probabilities"
noted = history.history["val_loss"]
more = len(noted) - 1 - int(np.argmin(noted))
assert more <= 50, f"training went on for {more} epochs after the smallest validation loss"
loss, _ = judge(model, pairs[1])
assert np.isclose(loss, min(noted), rtol=1e-3, atol=1e-4), (
    f"on labels without a pattern the smallest validation loss was {min(noted):.4f}, and the model's is {loss:.4f}"
)
assert all(map(np.array_equal, given, (part for pair in pairs for part in pair))), (
    "the caller's arrays were changed"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# There is no early stopping: training goes on for all its epochs, and the model ends with the weights of the last.
def train_classifier(train, validation, classes):
    x, y = train
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(classes, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    history = model.fit(x, y, batch_size=50, epochs=40, validation_data=validation, verbose=0)
    return model, history


# %% tags=["misconception"]
# Training stops early, but the weights are those of the last epoch, patience epochs after the best one.
def train_classifier(train, validation, classes):
    x, y = train
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(classes, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=6)
    history = model.fit(
        x, y, batch_size=50, epochs=100, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# A part of the training examples is held back for validation, and the validation pair is never used.
def train_classifier(train, validation, classes):
    x, y = train
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(classes, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    history = model.fit(
        x, y, batch_size=50, epochs=100, validation_split=0.2, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# Training is validated on the training examples, so that it stops only where it has learnt them by heart.
def train_classifier(train, validation, classes):
    x, y = train
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(classes, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    history = model.fit(
        x, y, batch_size=50, epochs=20, validation_data=train, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# There is no hidden layer: this is logistic regression.
def train_classifier(train, validation, classes):
    x, y = train
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            keras.layers.Dense(classes, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    history = model.fit(
        x, y, batch_size=50, epochs=100, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# The hidden layer has no activation function, so that the whole network is one linear layer.
def train_classifier(train, validation, classes):
    x, y = train
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            keras.layers.Dense(64),
            keras.layers.Dense(classes, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    history = model.fit(
        x, y, batch_size=50, epochs=100, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# The last layer uses a sigmoid, so that the answers of an example do not add up to 1.
def train_classifier(train, validation, classes):
    x, y = train
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(classes, "sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    history = model.fit(
        x, y, batch_size=50, epochs=100, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# The last layer has no softmax, and the loss takes its logits for probabilities.
def train_classifier(train, validation, classes):
    x, y = train
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(classes),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    history = model.fit(
        x, y, batch_size=50, epochs=100, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# The number of classes is taken to be 10, whatever was asked for.
def train_classifier(train, validation, classes):
    x, y = train
    model = keras.Sequential(
        [
            keras.Input((x.shape[1],)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)
    history = model.fit(
        x, y, batch_size=50, epochs=100, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["alternative"]
# A functional model, Keras's usual Adam, and labels as one-hot vectors.
def train_classifier(train, validation, classes):
    given = keras.Input(train[0].shape[1:])
    hidden = keras.layers.Dense(100, activation="tanh")(given)
    hidden = keras.layers.Dense(50, activation="tanh")(hidden)
    model = keras.Model(given, keras.layers.Dense(classes, activation="softmax")(hidden))
    model.compile(optimizer="adam", loss="categorical_crossentropy")
    (x, y), (x_val, y_val) = (
        (x, keras.utils.to_categorical(y, classes)) for x, y in (train, validation)
    )
    stop = keras.callbacks.EarlyStopping("val_loss", patience=10, restore_best_weights=True)
    history = model.fit(
        x, y, epochs=100, validation_data=(x_val, y_val), callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["alternative"]
# Stochastic gradient descent with momentum, a softmax layer by itself, and early stopping on its own terms.
def train_classifier(train, validation, classes):
    x, y = train
    model = keras.Sequential()
    model.add(keras.Input(shape=x.shape[1:]))
    model.add(keras.layers.Dense(128))
    model.add(keras.layers.ReLU())
    model.add(keras.layers.Dense(classes))
    model.add(keras.layers.Softmax())
    model.compile(
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    stop = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=5, min_delta=0, restore_best_weights=True
    )
    slower = keras.callbacks.ReduceLROnPlateau(patience=3)
    options = {"batch_size": 32, "epochs": 80, "verbose": 0, "validation_data": validation}
    return model, model.fit(x, y, callbacks=[slower, stop], **options)


# %% tags=["demo"]
train_classifier = fallbacks.choose(
    train_classifier, ours.train_classifier, ours.train_classifier_works
)

# %% [markdown]
# Train it, and look at the curves before you look at the score. *Where will they part?*

# %% tags=["demo"]
keras.utils.set_random_seed(0)
begin = time.perf_counter()
network, history = train_classifier(train, validation, 10)
network_seconds = time.perf_counter() - begin

fig, axis = plt.subplots()
best = int(np.argmin(history.history["val_loss"]))
axis.plot(range(1, len(history.epoch) + 1), history.history["loss"], label="training")
axis.plot(range(1, len(history.epoch) + 1), history.history["val_loss"], "--", label="validation")
axis.plot(best + 1, history.history["val_loss"][best], "o", ms=9, label="best epoch, which is kept")
axis.set(title="The validation loss levels off, the training loss goes on")
axis.set(xlabel="epoch", ylabel="cross-entropy", ylim=(0, None))
axis.legend()
plots.show(
    fig,
    alt="""Cross-entropy over the epochs on training and on validation digits. Both fall steeply at first. Then
    the training loss goes on towards 0, while the validation loss levels off above it. A dot marks its lowest point.""",
)

# %% [markdown]
# The gap between the curves is overfitting: the network knows the 1,000 digits better and better, and others no longer.
# Early stopping keeps the epoch in which others were known best. And the score, beside its rivals:

# %% tags=["demo", "nbval-check-output"]
network_right = 100 * judge(network, test)[1]
results.table(
    ("logistic regression, right of 100", logistic_right, (96, 98)),
    ("network", network_right, (94, 99)),
    ("network minus logistic regression", network_right - logistic_right, (-3, 3)),
    parameters=[650, network.count_params(), None],
    seconds=[logistic_seconds, network_seconds, None],
)

# %% [markdown]
# From guessing to 95 of 100 or more, on digits that it had never seen, in seconds. And yet it hardly beats a
# method without hidden layers: 17 of the 20 networks were better than logistic regression, by 0.6 points on average. One
# point is five of the 500 test digits, and another choice of the 500 alone would move both scores by most of a point. If this
# were your project, logistic regression would be hard to argue against. You will meet a task below where it fails.

# %% [markdown]
# ### Which digits are misread
#
# One number hides what happened. A **confusion matrix** counts, for every true digit (row), what the network said (column).
# The right answers are on the diagonal and are left out of the picture. Beside the matrix, look at what was misread: would
# you have read it?

# %% tags=["demo"]
said = network.predict(x_test, verbose=0).argmax(axis=1)
confusion = np.zeros((10, 10), int)
np.add.at(confusion, (y_test, said), 1)

fig, axis = plt.subplots(figsize=(5.2, 4.6))
errors_only = np.where(np.eye(10, dtype=bool), 0, confusion)
axis.imshow(errors_only, cmap="Blues", vmax=max(6, errors_only.max()))
for row, column in np.argwhere(errors_only):
    axis.text(column, row, errors_only[row, column], ha="center", va="center", color=plots.BLACK)
axis.set(xticks=range(10), yticks=range(10), xlabel="the network said", ylabel="true digit")
axis.set_title(f"{errors_only.sum()} of 500 digits are misread")
plots.show(
    fig,
    alt="""A table of ten by ten fields, true digits against what the network said, with the diagonal left empty. Most
    fields are empty. The errors are spread over eight fields with one or two digits each.""",
)

# %% tags=["demo"]
wrong = np.flatnonzero(said != y_test)[:16]
titles = [f"{y_test[i]}, said {said[i]}" for i in wrong]
fig = plots.image_grid(1 - x_test[wrong].reshape(-1, 8, 8), titles=titles, size=0.8)
fig.suptitle("Some of the misread digits are hard for people too", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Ten test digits that the network misread, each with its true label and what the network said.
    Several are so coarse or unusual that a person could take them for the wrong digit too; others are clear.""",
)

# %% tags=["demo", "nbval-check-output"]
also_wrong = logistic.predict(x_test[said != y_test]) != y_test[said != y_test]
elsewhere = logistic.predict(x_test[said == y_test]) != y_test[said == y_test]
results.table(
    ("of the misread, also misread by logistic regression, %", 100 * also_wrong.mean(), (27, 100)),
    ("of the others, misread by logistic regression, %", 100 * elsewhere.mean(), (0.5, 2.1)),
)

# %% [markdown]
# Of what the network misreads, two thirds on average are misread by logistic regression too, which gets fewer than 2 of 100
# of the others wrong. To a good part, then, it is the digits that are hard, at 8 × 8 pixels, and not the network that is weak.

# %% [markdown]
# ### What the first layer looks for
#
# Each neuron of the first hidden layer has 64 weights, one for each pixel, so its weights can be drawn as an image. It
# gives a large sum where the ink lies on its blue pixels and not on its red ones. *Do you expect strokes, loops, whole
# digits?*

# %% tags=["demo"]
kernel = network.get_weights()[0]
strongest = np.argsort(-np.abs(kernel).sum(axis=0))[:16]
fig = plots.image_grid(kernel.T[strongest].reshape(-1, 8, 8), size=0.78, cmap="RdBu")
limit = np.abs(kernel).max()
for axis in fig.axes:
    for image in axis.images:
        image.set_clim(-limit, limit)
fig.suptitle(
    "The first layer learns contrasts, few of them strokes", x=0.01, ha="left", fontsize=12
)
plots.show(
    fig,
    alt="""The weights of sixteen hidden neurons as images of eight by eight pixels, blue where ink raises the neuron's sum
    and red where it lowers it. Patches of both colours lie side by side; hardly any image looks like a stroke or a digit.""",
)

# %% [markdown]
# Mostly patches: ink here and no ink there. Few of them are strokes, none is a digit, and what lies on pixels that hardly
# ever have ink is left over from the random start. The tidy story of edges, loops and eights is not what this network has
# learnt. Its neurons need not mean anything one by one; only together do they have to make the next layer's task easy.

# %% [markdown]
# ## Features made of features
#
# On single digits hidden layers bring next to nothing. Here is a task of the kind for which they are made: two digits side
# by side, 128 numbers, and the question *is their sum even?* A pixel alone says nothing about that. One has to know
# roughly what each digit is, then whether it is even, and then whether the two agree, which is XOR again.
#
# The pairs are drawn at random from the digits that we have: from the 1,000 to train on, from the validation digits to
# validate, from the test digits to test. Two networks get the same care, with the same optimizer, the same learning rate and the
# same early stopping: one *wide* hidden layer of 512 neurons, and four narrow ones of 64. *Which will win?*


# %% tags=["demo"]
def pairs(part, count, seed):
    """Two digits side by side (count, 128), and 1 where their sum is even, else 0."""
    images, digits = part
    first, second = np.random.default_rng(seed).integers(len(images), size=(2, count))
    return np.hstack([images[first], images[second]]), 1 - (digits[first] + digits[second]) % 2


def parity_network(widths):
    """Hidden ReLU layers of these widths, and the probability that the sum is even."""
    network = keras.Sequential([keras.Input((128,))])
    for width in widths:
        network.add(keras.layers.Dense(width, "relu", kernel_initializer="he_normal"))
    network.add(keras.layers.Dense(1, "sigmoid"))
    network.compile(keras.optimizers.Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
    return network


pair_train, pair_validation = pairs(train, 12_000, 0), pairs(validation, 2_000, 1)
pair_test = pairs(test, 4_000, 2)

# %% tags=["demo"]
parity, parity_seconds, parity_epochs = {}, {}, {}
for widths in [(512,), (64, 64, 64, 64)]:
    keras.utils.set_random_seed(0)
    begin = time.perf_counter()
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    parity[widths] = parity_network(widths)
    history = parity[widths].fit(
        *pair_train, 200, 60, validation_data=pair_validation, callbacks=[stop], verbose=0
    )
    parity_epochs[widths] = len(history.epoch)
    parity_seconds[widths] = time.perf_counter() - begin

# %% tags=["demo", "nbval-check-output"]
parity_line = LogisticRegression(max_iter=1000).fit(*pair_train)
nets = list(parity.values())
print("sum of two digits even or odd: right, of 100 pairs of test digits")
wide, four = (100 * net.evaluate(*pair_test, verbose=0)[1] for net in nets)
results.table(
    ("logistic regression", 100 * parity_line.score(*pair_test), (47, 52)),
    ("one hidden layer of 512", wide, (89, 95)),
    ("four hidden layers of 64", four, (91, 96)),
    ("four minus the wide one", four - wide, (-2, 4)),
    parameters=[129, *(net.count_params() for net in nets), None],
    epochs=[None, *parity_epochs.values(), None],
    seconds=[None, *parity_seconds.values(), None],
)

# %% [markdown]
# Logistic regression guesses. One wide hidden layer does most of the work. Four narrow ones do better still in 19 of the 20
# runs, by 1.6 points on average, with a third of the weights. That is what depth is for: not more weights,
# but features that are computed from features. Can we watch them being made? Take what each layer of the deep network
# passes on, and ask a *linear* model to read two things from it: the answer, and which digit is on the left. *What do you
# expect of each, layer by layer?*

# %% tags=["demo"]
deep_one = parity[(64, 64, 64, 64)]
x_pairs = np.concatenate([pair_train[0][:3000], pair_test[0][:2000]])
left = np.random.default_rng(0).integers(len(train[0]), size=(2, 12_000))[0][:3000]
left_test = np.random.default_rng(2).integers(len(x_test), size=(2, 4_000))[0][:2000]
left_digits = np.concatenate([train[1][left], y_test[left_test]])
answers = np.concatenate([pair_train[1][:3000], pair_test[1][:2000]])


def readable(features, labels):
    """How many of 100 test labels a linear model reads from features, learnt from the first 3,000."""
    scaled = (features - features[:3000].mean(axis=0)) / (features[:3000].std(axis=0) + 1e-6)
    probe = LogisticRegression(C=0.1, max_iter=300).fit(scaled[:3000], labels[:3000])
    return 100 * probe.score(scaled[3000:], labels[3000:])


signals = [x_pairs]
for hidden in deep_one.layers[:-1]:
    signals.append(np.asarray(hidden(signals[-1])))
is_even, is_digit = (
    [readable(signal, labels) for signal in signals] for labels in (answers, left_digits)
)

# %% tags=["demo"]
fig, axis = plt.subplots()
axis.plot(range(5), is_even, "o-", label="whether the sum is even")
axis.plot(range(5), is_digit, "s--", label="which digit is on the left")
axis.set(title="Layer by layer, the answer emerges and the digits fade")
axis.set(
    xticks=range(5), xticklabels=["pixels", *(f"layer {n}" for n in range(1, 5))], ylim=(0, 103)
)
axis.set(xlabel="read from", ylabel="right, of 100, by a linear model")
axis.legend(loc="lower left")
plots.show(
    fig,
    alt="""How well a linear model reads two things from the pixels and from each of four layers. Whether the sum is even
    starts near 50 of 100 at the pixels and rises to more than 90. Which digit is on the left starts above 90 and falls
    from layer to layer.""",
)

# %% tags=["demo", "nbval-check-output"]
print("right, of 100, by a linear model")
results.table(
    ("sum even? from the pixels", is_even[0], (46, 53)),
    ("sum even? from layer 1", is_even[1], (53, 75)),
    ("sum even? from layer 2", is_even[2], (79, 94)),
    ("sum even? from layer 4", is_even[4], (91, 96)),
    ("left digit? from the pixels", is_digit[0], (94, 99)),
    ("left digit? from layer 1", is_digit[1], (86, 95)),
    ("left digit? from layer 4", is_digit[4], (53, 78)),
)

# %% [markdown]
# From layer to layer the answer becomes easier to read, and which digit it was, which the answer no longer needs, becomes
# harder. Nobody told the network that digits or even numbers exist. A word of caution: the pairs share the same 500 test
# digits, so these scores are less certain than 4,000 pairs suggest, and another task could have another result.

# %% [markdown]
# ## Eight layers deep, and no word reaches the first
#
# If four hidden layers are good, are eight better? To say how much the loss would change with a weight of the first layer,
# the gradient has to travel back through all the others, and each multiplies it by its weights and by the slope of its
# activation function. The sigmoid's slope is at most ¼. *Leave the weights aside: what is left of a signal after eight of
# them?*

# %% tags=["nbval-check-output"]
print(f"a quarter of a quarter, eight times over: {0.25**8:.0e}")

# %% [markdown]
# But one must not leave the weights aside. Suppose a layer has $n$ inputs, and its weights are random with mean 0 and
# variance $v$. A sum of $n$ independent terms has $n$ times the variance of one term, so a signal's variance is multiplied
# by $n v$ in the sum, and by $n v s^2$ after an activation function of slope $s$; and the same happens to the gradient on its
# way back, with the number of outputs for $n$. For the signal to keep its size, choose $v = 1 / (n s^2)$:
#
# | activation | slope where it matters | variance that fits | in Keras |
# |---|---|---|---|
# | tanh | 1 | $1/n$ | `"glorot_uniform"`, with the mean of inputs and outputs for $n$ |
# | ReLU | 1 for half of the sums, else 0 | $2/n$ | `"he_normal"` |
# | sigmoid | ¼ | $16/n$ | not by a name: weights *four times* as large as Glorot's |
#
# The sigmoid has one more problem: it answers ½ to a sum of 0, so in the next layer every sum is shifted by ½ times the sum
# of the neuron's weights. A bias of minus that takes it out. Below are four networks of eight hidden layers
# with 32 neurons: sigmoid with the usual start, sigmoid with the start that we have just derived, tanh and ReLU. Before any
# training, we look at the gradients. `GradientTape` belongs to TensorFlow, the library in which Keras computes here; it
# records a computation and gives its gradients. We take their typical size in each layer.

# %% tags=["demo"]
import tensorflow as tf

FOUR_TIMES = keras.initializers.VarianceScaling(16, "fan_avg", "uniform")
STARTS = {
    "sigmoid, usual start": ("sigmoid", "glorot_uniform"),
    "sigmoid, start that fits": ("sigmoid", FOUR_TIMES),
    "tanh": ("tanh", "glorot_uniform"),
    "ReLU": ("relu", "he_normal"),
}


# %% tags=["demo"]
def deep_network(activation, start):
    """Eight hidden layers of 32 neurons, and a softmax over ten digits."""
    network = keras.Sequential([keras.Input((64,))])
    for _ in range(8):
        # Its own, since one initializer object gives every layer the same numbers.
        fresh = start if isinstance(start, str) else start.clone()
        network.add(keras.layers.Dense(32, activation, kernel_initializer=fresh))
    network.add(keras.layers.Dense(10, "softmax"))
    if start is FOUR_TIMES:
        for dense in network.layers[1:]:
            dense.bias.assign(-keras.ops.sum(dense.kernel, axis=0) / 2)
    return network


def gradient_sizes(network):
    """Root mean square of the loss's gradient for each layer's kernel, from input to output."""
    x, y = train[0][:256], train[1][:256]
    with tf.GradientTape() as tape:
        losses = keras.losses.sparse_categorical_crossentropy(y, network(x))
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, [dense.kernel for dense in network.layers])
    return np.array([np.sqrt(np.mean(gradient.numpy() ** 2)) for gradient in gradients])


# %% tags=["demo"]
keras.utils.set_random_seed(0)
deep = {name: deep_network(*start) for name, start in STARTS.items()}
sizes = {name: gradient_sizes(network) for name, network in deep.items()}

fig, axis = plt.subplots(figsize=(6.4, 3.6))
for (name, size), marker in zip(sizes.items(), plots.MARKERS):
    axis.semilogy(range(1, 10), size, marker=marker, label=name)
axis.set(title="The usual start lets the signal die on its way back")
axis.set(xlabel="layer, from the input (1) to the output (9)", xticks=range(1, 10))
axis.set_ylabel("typical gradient (log scale)")
axis.legend(loc="lower right")
plots.show(
    fig,
    alt="""Typical gradient size in each of nine layers, on a logarithmic scale. For tanh, ReLU and the sigmoid with the
    start that fits it stays within a factor of about ten. For the sigmoid with the usual start it falls from
    the output back to the input by about a factor of one hundred thousand.""",
)

# %% tags=["demo", "nbval-check-output"]
print("first layer's gradient divided by the last's, as a power of ten")
ratio = {name: float(np.log10(size[0] / size[-1])) for name, size in sizes.items()}
ranges = [(-5.7, -4.7), (-1.3, -0.6), (-0.5, 0.2), (-0.6, 0.1)]
results.table(*[(name, ratio[name], limits) for name, limits in zip(STARTS, ranges)])

# %% [markdown]
# With the usual start the first layer hears about a hundred-thousandth of what the last one hears. This is the **vanishing gradient**,
# which held deep networks back for years. With the start that fits, most of it is gone. Does it matter? Train all four in
# the same way. The learning rate, 0.005, is the one of 0.001, 0.005 and 0.02 at which the sigmoid with the usual start did best;
# early stopping waits for eight epochs.

# %% tags=["demo"]
from course.training import Progress

deep_right, deep_seconds, deep_epochs = {}, {}, {}
for name, model in deep.items():
    begin = time.perf_counter()
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=8, restore_best_weights=True)
    history = model.fit(
        *train, 50, 60, validation_data=validation, callbacks=[stop, Progress(name)], verbose=0
    )
    deep_right[name] = 100 * judge(model, test)[1]
    deep_seconds[name], deep_epochs[name] = time.perf_counter() - begin, len(history.epoch)

# %% tags=["demo", "nbval-check-output"]
print("eight hidden layers: right, of 100 test digits")
ranges = [(8, 74), (92, 98), (86, 100), (91, 98)]
results.table(
    *[(name, deep_right[name], limits) for name, limits in zip(STARTS, ranges)],
    ("your network, for comparison", network_right, (94, 99)),
    parameters=[*(model.count_params() for model in deep.values()), network.count_params()],
    epochs=[*deep_epochs.values(), None],
    seconds=[*deep_seconds.values(), None],
)

# %% [markdown]
# - With the **usual start** the sigmoid network is far behind the others after 60 epochs, in every run. Its last
#   layers have gradients enough, but what reaches them is nearly the same for every image, because on its way forward,
#   too, the signal has been flattened eight times.
# - With the **start that fits** the same network, with the same activation function, the same rate and the same patience,
#   reads the digits about as well as the others. It was not the sigmoid that failed, but how it was started.
# - Eight layers are no better than your two or three on these digits. Depth by itself is no merit.
#
# When a network of yours does not learn, look at the gradients, layer by layer, before you change anything else. Besides
# a start that fits, two remedies are in wide use: to rescale the signal between layers, and to give it paths that skip
# layers.

# %% [markdown]
# ## What this network does not know
#
# ### It has met these hands before
#
# The test digits were new to the network. Their writers may not have been: the parts were drawn at random from all digits.
# A machine that reads forms will meet other people. Who wrote what was not recorded, but the file keeps the order in which
# the digits came in, and neighbours tend to be by the same hand. So cut the file in two: learn from 1,000 digits of the front
# part, validate on the next 297, and test on the last 500. *How many points will that cost?*

# %% tags=["demo"]
whole = [datasets.arrays("digits", split, scaled=True) for split in ("train", "test")]
images, digits, index = (
    np.concatenate([part[key] for part in whole]) for key in ("image", "label", "index")
)
order = np.argsort(index)
images, digits = images.reshape(-1, 64)[order], digits[order]
last = images[1297:], digits[1297:]

keras.utils.set_random_seed(0)
stranger, _ = train_classifier(
    (images[:1000], digits[:1000]), (images[1000:1297], digits[1000:1297]), 10
)
front_line = LogisticRegression(max_iter=2000).fit(images[:1000], digits[:1000])

# Are the last 500 only harder to read? The first network was tested on some of them.
late = whole[1]["index"] >= 1297
late_right = 100 * judge(network, (x_test[late], y_test[late]))[1]

# %% tags=["demo", "nbval-check-output"]
print("right, of 100 digits")
stranger_right = 100 * judge(stranger, last)[1]
results.table(
    ("drawn at random, network", network_right, (94, 99)),
    ("the last 500, network", stranger_right, (88, 95)),
    ("the last 500, logistic regression", 100 * front_line.score(*last), (90, 92)),
    ("points lost by the network", network_right - stranger_right, (2, 10)),
    ("first network on those of the last 500 that it was tested on", late_right, (92, 99)),
)

# %% [markdown]
# The same network, as many examples, and 2 to 6 times as many errors. Logistic regression loses about as much. Are the last 500
# digits harder in themselves? A little, perhaps; but the first network, which has learnt from digits all over the file, reads those
# of them that it was tested on better than the second, which has not.
#
# Neither number is wrong; they answer different questions. The first says how the network reads people whom it knows.
# Before using it on the public one needs the second. And such errors are not spread evenly: whoever writes unlike these
# people, because they learned it in another country, or because their hand trembles, has to expect more of them, on a form
# that may decide about money or a vote. No training on these digits can repair that. It takes digits from those people.

# %% [markdown]
# ### It cannot say "that is no digit"
#
# Take the test images and shuffle the pixels of each. The ink is all there, the digit is gone. A person would shrug. *What
# will the network say, and how sure will it be?*

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
    alt="""Eight images of shuffled pixels in which no digit can be seen. Above each is the digit that
    the network reads in it, with a probability of 90 percent or more.""",
)

# %% tags=["demo", "nbval-check-output"]
on_digits = network.predict(x_test, verbose=0).max(axis=1)
print("of 100 images")
results.table(
    ("noise, certainty above 50 %", 100 * np.mean(certainty > 0.5), (76, 100)),
    ("noise, certainty above 90 %", 100 * np.mean(certainty > 0.9), (12, 74)),
    ("real digits, certainty above 90 %", 100 * np.mean(on_digits > 0.9), (82, 98)),
)

# %% [markdown]
# Noise gets less certain answers than digits do, but far too certain ones: a rule like *trust it above 90 %* would let a large
# part of the noise pass. Softmax shares out a probability of 1 among ten digits. There is no eleventh answer for *none of these*, and far from all
# that it has seen, the network goes on as its last bend points, like the curve beyond its last bump. A high probability is
# no evidence that the question made sense.

# %% [markdown]
# ## At full size
#
# The large relative of these digits is MNIST: 70,000 images of 28 × 28 pixels, with different writers in its training and
# test parts. The cells below train a network of *your own layers* on it, with nearly 3 million weights. They need
#
# - the data set: 12 MB, fetched by `course download mnist`; without it the first cell says so, and the others do nothing;
# - a GPU, or some patience. One epoch is about 1 trillion multiplications and additions: by that count about a minute on two
#   cores, and a second or two on a GPU.
#
# `precision="auto"` lets Keras compute with short numbers of 16 bits where a GPU has hardware for them. Weights stay in 32
# bits, and so does the last layer, because probabilities are compared by small differences. `Rescaling(1 / 255)` multiplies every pixel by that, and
# `Flatten` makes one long row of the rows of a picture. `Dropout` switches off a random fifth of a layer's
# outputs at each step of training, which makes it harder to learn examples by heart. `tf.data`, which `datasets.load`
# returns, reads, shuffles and batches the images while the network computes.
#
# What to expect: the web page of MNIST by LeCun, Cortes and Burges lists 1.6 errors in 100 for a network of two layers with
# 800 hidden neurons and cross-entropy (Simard and others, 2003), and 12 in 100 for a linear classifier. We have not trained ours
# at full size; only its code has been run, on small data.

# %% tags=["full-size"]
course.setup(seed=0, precision="auto")
WIDTH, LAYERS, BATCH, EPOCHS = 1024, 3, 256, 40
try:
    parts = ["train[:90%]", "train[90%:]", "test"]
    mnist = datasets.load("mnist", split=parts)
except datasets.DatasetNotDownloadedError as error:
    mnist = None
    print(error)


# %% tags=["full-size"]
def large_network():
    """Hidden layers of WIDTH neurons, written in this lesson, for images (28, 28, 1) of uint8."""
    images = keras.Input((28, 28, 1), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    for _ in range(LAYERS):
        x = keras.layers.Dropout(0.2)(Neurons(WIDTH, "relu")(x))
    return keras.Model(images, Neurons(10, "softmax", dtype="float32")(x))


# %% tags=["full-size"]
if mnist is not None:
    learn, hold, ask = (
        rows.map(lambda row: (row["image"], row["label"])).cache() for rows in mnist
    )
    learn = learn.shuffle(60_000, seed=0).batch(BATCH).prefetch(2)
    hold, ask = hold.batch(BATCH), ask.batch(BATCH)
    large = large_network()
    large.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    large.summary()
    checkpoint = datasets.data_dir().parent / "checkpoints" / "mnist.weights.h5"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=2),
        keras.callbacks.EarlyStopping(patience=5),
        keras.callbacks.ModelCheckpoint(checkpoint, save_best_only=True, save_weights_only=True),
    ]
    large_history = large.fit(
        learn, validation_data=hold, epochs=EPOCHS, shuffle=False, callbacks=callbacks, verbose=2
    )

# %% [markdown]
# `ReduceLROnPlateau` lowers the learning rate where the validation loss has stopped falling, and `ModelCheckpoint` keeps
# the weights of the best epoch in a file. The same measures as above, on the 10,000 test images:

# %% tags=["full-size"]
if mnist is not None:
    large.load_weights(checkpoint)
    true = np.concatenate([labels for _, labels in ask.as_numpy_iterator()])
    guess = large.predict(ask, verbose=0).argmax(axis=1)
    print(
        f"{large.count_params():,} parameters: {100 * np.mean(guess == true):.2f} of 100 test digits are right"
    )
    table = np.zeros((10, 10), int)
    np.add.at(table, (true, guess), 1)
    print("true digit in rows, what the network said in columns:", table, sep="\n")
    fig, axis = plt.subplots()
    for name, key in (("training, with dropout", "loss"), ("validation", "val_loss")):
        axis.plot(large_history.history[key], label=name)
    axis.set(title="MNIST with layers of your own", xlabel="epoch", ylabel="cross-entropy")
    axis.legend()
    plots.show(
        fig, alt="Loss of the large network over its epochs, on training and validation images."
    )

# %% [markdown]
# ## Where to go on
#
# **Try**
#
# - `spiral_network("tanh")`, or 8 neurons a layer in place of 64. How few neurons still follow the arms?
# - In `parity_network`, two layers of 96, or eight of 40. Where does depth stop helping?
# - Hide the right half of every test digit. Which digits are mistaken for which?
#
# **Read**
#
# - Michael Nielsen, *Neural Networks and Deep Learning* (2015), chapters 1 and 4: the same beginnings, slowly, with a
#   visual proof of the approximation theorem. Free online.
# - Keras, *Making new layers and models via subclassing*: the guide to layers like your `Neurons`, with what a layer
#   can do besides.
# - Xavier Glorot and Yoshua Bengio, *Understanding the difficulty of training deep feedforward neural networks* (2010):
#   the experiment with eight layers, done properly; `glorot_uniform` is from here.
