# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Precision and hardware
#     summary: You count what a network costs before you run it, in multiplications, bytes and kilowatt hours, train Keras in 16-bit numbers until a layer silently stops moving, and write the types and the training step that put it right.
#     part: I Foundations
#     minutes: 110
#     minutes_reading: 40
#     objectives:
#     - count a network's multiplications and the memory that its training takes, without running it
#     - predict hours and kilowatt hours from both, and train with a batch that does not fit into memory
#     - say what float32, float16 and bfloat16 can hold, and which gradients each of them loses
#     - build a Keras model under a mixed dtype policy, and write a training step whose loss is scaled
#     - measure where the time of a training step goes on the machine at hand
#     datasets: [digits]
#     full_size: [cifar10]
#     needs: [01_neurons_and_layers]
#     mirrors:
#       "2 The current limitations of Deep Learning": "What stands in the way"
#       "2 The current limitations of Deep Learning: Computing resources": "A phone can answer, and cannot train"
#       "3 Challenges and Limitations: Computational Cost": "From multiplications to kilowatt hours"
#       "3 FAQ: What hardware is needed for deep learning?": "Which machine, then"
#     built: a count of a network's multiply-adds and of its largest batch, a classifier under a mixed dtype policy, a loss scale that adapts, and a training step that scales its loss
#     terms:
#       "type (of a number)": "What each bit of a number means: a sign, an exponent and a fraction."
#       "multiply-add": A multiplication whose product is added to a sum, of which nearly all work of a network consists.
#       "FLOP": A floating-point operation; a multiply-add is two.
#       "activations (of a network)": What all layers put out for a batch, which the way back needs and which fills the memory in training.
#       "gradient accumulation, gradient_accumulation_steps": Adding up the gradients of several small batches before each step of the weights, in place of one large batch that does not fit into memory.
#       "peak (of a machine)": The operations a second that a data sheet promises.
#       "utilisation": The share of a machine's peak that a program reaches.
#       "range (of a type)": From its smallest number above zero to its largest.
#       "precision (of a type)": The step from 1 to the next number, called epsilon.
#       "loss scaling, LossScaleOptimizer, scale_loss": Multiplying the loss by a large number, so that small gradients do not become zero in float16, and dividing the gradients by it afterwards.
#       "dtype policy, mixed_float16, mixed_bfloat16": What says in which type a layer of Keras keeps its variables and in which it computes.
#       "float16, bfloat16": "Numbers of 16 bits: float16 with three to four digits and a short range, bfloat16 with two to three digits and the range of float32."
#       "AMX": Units of a CPU that multiply small matrices of bfloat16 at once.
#       "arithmetic intensity": How many operations a program does for each byte that it fetches; where it is low, memory is the limit.
#       "prefetch": To make the next batches ready while the network computes.
#       "mean squared error, MeanSquaredError": The mean of the squares of all errors, as a loss or a measure.
#     explains: [AdamW, Flatten, GlobalAveragePooling1D, LayerNormalization, Permute, RandomFlip, Rescaling, Reshape, functional model, language model, token]
# ---

# %% [markdown]
# # Precision and hardware
#
# A network is multiplications, millions for each example, and each takes time, memory and electricity. How much, and
# can one know before starting? And why do people train with numbers that cannot tell 256 from 257?
#
# In this lesson you count a network's cost without running it and hold the count against this machine. You build a
# classifier that computes in 16 bits where that is safe, watch a layer stop learning without any error message, and
# write the training step that makes it learn again. Reading and running takes about 40 minutes, of which one is
# waiting; the five exercises take about 70 more.

# %%
import course

course.setup(seed=0, precision="float32")

import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

from course import datasets, fallbacks, plots, precision, results

SEED = 0
BFLOAT16 = tf.bfloat16.as_numpy_dtype  # NumPy has no bfloat16

# %% [markdown]
# A **type** says what each bit of a number means. In the three types of this lesson there is one bit for the sign; an
# **exponent**, which says at which power of two the number lies; and a **fraction**, which holds its digits.

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 2.2))
kinds = {"float32": (8, 23), "bfloat16": (8, 7), "float16": (5, 10)}
for row, (name, (exponent, fraction)) in enumerate(kinds.items()):
    colors = [plots.BLACK] + exponent * [plots.ORANGE] + fraction * [plots.SKY]
    axis.bar(np.arange(len(colors)), 0.7, 0.85, bottom=-row - 0.35, color=colors)
    axis.text(-1, -row, name, ha="right", va="center")
for place, text in {-0.4: "sign", 3: "exponent: range", 15: "fraction: precision"}.items():
    axis.text(place, 0.5, text)
axis.set(xlim=(-6.5, 32), ylim=(-2.5, 1))
axis.set_axis_off()
axis.set_title("Sixteen bits: keep the range, or the precision")
plots.show(
    fig,
    alt="""Three rows of boxes, one a bit. float32 has 1 bit for the sign, 8 for the exponent, 23 for the fraction.
    bfloat16 has 1, 8 and 7. float16 has 1, 5 and 10.""",
)

# %% [markdown]
# ## What stands in the way
#
# Three limits of deep learning are named again and again. It learns mostly from examples that people have chosen and
# labelled. Far from the examples it has seen, it fails. And the best-known models take so much computing that few
# people own the machines: one rents them, over the network. The third limit can be worked out with a pencil.

# %% [markdown]
# ## Counting before running
#
# Nearly all work of a network is **multiply-adds**: multiply two numbers, add the product to a sum. A `Dense` layer with
# $n$ inputs and $m$ neurons does $n\,m$ of them for one example.
#
# `Dense` can do more than lesson 01 showed. Cut a picture of 32 × 32 pixels in three colours into 64 squares of 4 × 4:
# each square is $4 \cdot 4 \cdot 3 = 48$ numbers, and the picture has the shape (64, 48). Given such an input, `Dense`
# looks at every square with *the same* weights, and puts out $m$ numbers for each. The 64 squares are its **places**:
#
# $$\text{multiply-adds} = p\,n\,m \qquad \text{weights} = n\,m$$
#
# with $p$ for the number of places, which is 1 for an input that is one row of numbers. Here is a network of both kinds.
# `Flatten` only writes the numbers of all places in one row. The network is a *functional model*, which says the same as
# `Sequential` in another way: each layer is called on what came before, beginning with a `keras.Input`, and
# `keras.Model(inputs, outputs)` takes the two ends. *Which layer has most of the weights, and which most of the
# work?*


# %% tags=["demo"]
def patch_network():
    """Pictures as 64 squares of 48 numbers to ten logits: two layers at each square, two for all."""
    squares = keras.Input((64, 48))
    x = layers.Dense(64, activation="relu", name="square_1")(squares)
    x = layers.Dense(64, activation="relu", name="square_2")(x)
    x = layers.Dense(64, activation="relu", name="whole_1")(layers.Flatten()(x))
    return keras.Model(squares, layers.Dense(10, name="whole_2")(x))


network = patch_network()

# %% [markdown]
# ### Exercise 1: count it yourself
#
# Complete `multiply_adds(model)`: the multiply-adds for one example, as an integer. Only the `Dense` layers in
# `model.layers` count; biases and all other layers cost nothing here. The places of a `Dense` layer may lie along one
# axis, along several, such as 6 × 5 places, or there may be none. `layer.kernel.shape` is $(n, m)$, and
# `layer.output.shape` begins with the batch, whose size is `None`, and ends with $m$.


# %% grade_id="multiply_adds" solution=true
def multiply_adds(model):
    """Multiply-adds of the model's Dense layers for one example."""
    ### BEGIN SOLUTION
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Dense):
            places = np.prod(layer.output.shape[1:-1], dtype=int)
            total += int(places * np.prod(layer.kernel.shape))
    return total
    ### END SOLUTION


# %% grade_id="multiply_adds_by_hand" points=1
tried = keras.Sequential([keras.Input((6, 5)), layers.Dense(4), layers.Flatten()])
tried.add(layers.Dense(3, name="last"))
count = multiply_adds(tried)
assert isinstance(count, int | np.integer), f"Return an integer; got {type(count).__name__}."
assert count == 6 * (5 * 4) + 24 * 3, (
    f"Expected 192 and got {count}: the first layer turns 5 numbers into 4 at each of 6 places, 120 multiply-adds; the "
    "last turns 24 numbers into 3, which is 72."
)
row = keras.Sequential([keras.Input((7,)), layers.Dense(9)])
count = multiply_adds(row)
assert isinstance(count, int | np.integer), (
    f"Return an integer, also where all inputs are one row of numbers; got {type(count).__name__}."
)
assert count == 63, f"7 inputs and 9 neurons make 63 multiply-adds; got {count}."

# %% grade_id="multiply_adds_any" points=2
# Hidden tests: several axes of places, layers that cost nothing, with and without biases.
### BEGIN HIDDEN TESTS
for shape, bias in [((9, 4), True), ((3, 5, 4), False), ((2, 3, 2, 6), True)]:
    inputs = keras.Input(shape)
    x = layers.Dense(7, use_bias=bias)(layers.Rescaling(2.0)(inputs))
    x = layers.Dense(5, activation="relu", use_bias=bias)(layers.Dropout(0.5)(x))
    x = layers.Dense(8, use_bias=not bias)(layers.Flatten()(layers.BatchNormalization()(x)))
    model = keras.Model(inputs, layers.Dense(2)(layers.ReLU()(x)))
    places = int(np.prod(shape[:-1]))
    want = places * (shape[-1] * 7 + 7 * 5) + places * 5 * 8 + 8 * 2
    got = multiply_adds(model)
    assert isinstance(got, int | np.integer), f"Return an integer; got {type(got).__name__}."
    assert got == want, (
        f"Inputs {shape}, 7 and 5 neurons at each of {places} places, then 8 and 2 for the whole: expected {want:,}, got "
        f"{got:,}. At how many places does each layer work? Biases and other layers cost nothing."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# This counts weights. A layer's weights are used again at every place.
def multiply_adds(model):
    counted = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    return sum(int(np.prod(layer.kernel.shape)) for layer in counted)


# %% tags=["misconception"]
# Biases are counted as multiply-adds, one more for each neuron.
def multiply_adds(model):
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Dense):
            places = np.prod(layer.output.shape[1:-1], dtype=int)
            total += int(places * layer.count_params())
    return total


# %% tags=["misconception"]
# These are floating-point operations, of which a multiply-add is two.
def multiply_adds(model):
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Dense):
            places = np.prod(layer.output.shape[1:-1], dtype=int)
            total += int(2 * places * np.prod(layer.kernel.shape))
    return total


# %% tags=["misconception"]
# The product of no numbers is 1.0 in NumPy, a float: without places the count is no integer.
def multiply_adds(model):
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Dense):
            total += np.prod(layer.output.shape[1:-1]) * np.prod(layer.kernel.shape)
    return total


# %% tags=["misconception"]
# Only the first axis of places is counted, and a picture's places may have rows and columns.
def multiply_adds(model):
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Dense):
            places = layer.output.shape[1] if len(layer.output.shape) > 2 else 1
            total += int(places * np.prod(layer.kernel.shape))
    return total


# %% tags=["misconception"]
# All layers with weights are counted, also those that only scale and shift each number.
def multiply_adds(model):
    total = 0
    for layer in model.layers:
        if layer.weights:
            places = np.prod(layer.output.shape[1:-1], dtype=int)
            total += int(places * np.prod(layer.weights[0].shape))
    return total


# %% tags=["alternative"]
# Asks of every number that a layer puts out how many products it is the sum of.
def multiply_adds(model):
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Dense):
            summed = layer.input.shape[-1]
            for size in layer.output.shape[1:]:
                summed *= size
            total += summed
    return total


# %% tags=["alternative"]
# Keeps NumPy's integers, and takes the places from the input.
def multiply_adds(model):
    dense = [layer for layer in model.layers if layer.__class__.__name__ == "Dense"]
    each = [np.prod([*layer.input.shape[1:], layer.units], dtype="int64") for layer in dense]
    return np.sum(each)


# %% [markdown]
# What you write is used from here on. Where an exercise is not answered yet, the lesson goes on with a function of the
# course and says so, and you can come back.

# %% tags=["demo"]
from course.fallbacks import precision_and_hardware as ours

multiply_adds = fallbacks.choose(multiply_adds, ours.multiply_adds, ours.multiply_adds_works)
named = [network.get_layer(name) for name in ("square_1", "square_2", "whole_1", "whole_2")]
up_to = [multiply_adds(keras.Model(network.input, layer.output)) for layer in named]
work = np.diff([0, *up_to])
weights = np.array([layer.count_params() for layer in named])

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.2))
for shift, values, color, label in [
    (-0.2, weights, plots.SKY, "of the weights"),
    (0.2, work, plots.VERMILION, "of the work"),
]:
    share = 100 * values / values.sum()
    bars = axis.bar(np.arange(4) + shift, share, 0.38, color=color, label=label)
    axis.bar_label(bars, fmt="%.0f")
axis.set_xticks(range(4), ["square 1", "square 2", "whole 1", "whole 2"])
axis.set(ylabel="share (%)", ylim=(0, 118))
axis.legend()
axis.set_title("The work is not where the weights are")
plots.show(
    fig,
    alt="""Bars for four layers. The third, the first that looks at the whole picture, holds 97 percent of the weights
    and does 36 percent of the work. The two that look at each square hold 3 percent of the weights and do 64 percent of
    the work. The last has next to nothing of either.""",
)

# %% [markdown]
# The layers at the squares have 3 % of the weights and do 64 % of the work, because their weights work again at every
# place. Is the count right? TensorFlow counts, too, in floating-point operations, **FLOPs**: two for a multiply-add, and
# a few for all else.


# %% tags=["demo"]
def flops(function, shape):
    """What TensorFlow counts for one call with an array of this shape."""
    graph = tf.function(function).get_concrete_function(tf.TensorSpec(shape)).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


def learn(pictures):
    """The gradients of all weights, for some loss."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(pictures) ** 2)
    return tape.gradient(loss, network.trainable_variables)


# %% tags=["demo", "nbval-check-output"]
forward, training = (flops(function, (1, 64, 48)) for function in (network, learn))
print(f"twice your count: {2 * multiply_adds(network):,} FLOPs")
for name, count in {"an answer": forward, "a training step": training}.items():
    print(f"TensorFlow's count for {name}, over that: {count / 2 / multiply_adds(network):.1f}")

# %% [markdown]
# The count is right, and the last line is a rule worth remembering: *a training step costs
# about three times as much as an answer*. On the way back each layer computes two things, each as much work as its way
# forward: the gradient of its weights, and that of its inputs, for the layer before. (The first layer needs no gradient
# of its inputs, so it is a little less than three.)

# %% [markdown]
# ## What has to fit into memory
#
# While Adam trains, each weight comes with its gradient and two running means, of the gradient and of its square: four
# numbers of 4 bytes. And the way back needs what every layer put out, its **activations**, for each example of the
# batch:
#
# $$\text{bytes} = 16 P + B A s$$
#
# $P$ is the number of weights, $B$ the batch size, $A$ how many numbers all layers put out for one example, $s$ the
# bytes of each: 4 in float32, 2 in the short types. The next network looks at 1,024 squares of 2 × 2 pixels. *At a batch
# of 64, which term is larger?*


# %% tags=["demo"]
def fine_network():
    """Pictures as 1,024 squares of 12 numbers to ten logits: three layers at each square."""
    x = squares = keras.Input((1024, 12))
    for _ in range(3):
        x = layers.Dense(64, activation="relu")(x)
    return keras.Model(squares, layers.Dense(10)(layers.Flatten()(x)))


from_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
fine = fine_network()
fine.compile(keras.optimizers.Adam(), from_logits)
fine.optimizer.build(fine.trainable_variables)

# %% tags=["demo", "nbval-check-output"]
means = sum(variable.value.numpy().nbytes for variable in fine.optimizer.variables)
numbers = 1024 * (12 + 4 * 64) + 10  # inputs, three layers, Flatten, logits
print("Adam keeps, bytes a weight:", round(means / fine.count_params()))
print(f"16 P: {16 * fine.count_params() / 1e6:.0f} MB")
print(f"activations of 64 pictures: {64 * numbers * 4 / 1e6:.0f} MB")

# %% [markdown]
# The activations are the larger part by far, says the formula. Train with growing batches, and watch how much memory
# this process takes.

# %% tags=["demo"]
import threading

import psutil


def peak_memory(work):
    """Bytes in use at the worst moment of ``work()``: of the GPU if there is one, or else of this process."""
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.reset_memory_stats("GPU:0")
        work()
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    process, done = psutil.Process(), threading.Event()
    seen = [process.memory_info().rss]

    def watch():
        while not done.wait(0.001):
            seen.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return max(seen)


# %% tags=["demo"]
rng = np.random.default_rng(SEED)
batches = [8, 16, 32, 64, 128]
pictures = rng.normal(size=(128, 1024, 12)).astype("float32")
wanted = rng.integers(0, 10, 128)
for size in (1, 2):  # compiled here, so that only the batch is measured
    fine.train_on_batch(pictures[:size], wanted[:size])
before = peak_memory(lambda: None)
measured = [
    peak_memory(lambda size=size: fine.train_on_batch(pictures[:size], wanted[:size])) - before
    for size in batches
]

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.2))
formula = 4 * numbers * np.array(batches)
axis.plot(batches, np.array(measured) / 1e6, "o-", color=plots.VERMILION, label="measured here")
axis.plot(batches, formula / 1e6, "s--", color=plots.BLUE, label="formula")
axis.set(xlabel="batch size", ylabel="memory (MB)", ylim=(0, None), xticks=batches[1:])
axis.legend()
axis.set_title("Memory grows with the batch")
plots.show(
    fig,
    alt="""Memory against batch size. The formula is a straight line up to 141 megabytes at a batch of 128, and what was
    measured rises with the batch as well, near that line.""",
)

# %% tags=["demo"]
slope = (measured[-1] - measured[1]) / (formula[-1] - formula[1])
results.table(("growth measured, over the formula's", slope, (1.1, 1.5)), over="8 runs of ours")

# %% [markdown]
# Memory is measured from outside, in a process that does other things, so yours can differ, and nothing holds the last
# table to its range. Somewhat more was needed than counted, an eighth to two fifths: the formula counts what `Flatten` passes
# on, which needs no new memory, and leaves out the gradients of activations, which live for a moment.
#
# ### Exercise 2: the largest batch
#
# Complete `largest_batch(model, memory, size=4)`: how many examples fit into `memory` bytes, an integer, by the
# formula. `size` is $s$. A weight that is *not trained* has neither gradient nor means: it takes 4 bytes. Count the
# outputs of all `model.layers` of a functional model, of which the input is one. Return a whole number, 0 if nothing
# fits. `model.count_params()` and `model.trainable_weights` help.


# %% grade_id="largest_batch" solution=true
def largest_batch(model, memory, size=4):
    """Examples that fit into so many bytes while the model is trained with Adam."""
    ### BEGIN SOLUTION
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    fixed = 16 * trained + 4 * (model.count_params() - trained)
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    return max((memory - fixed) // each, 0)
    ### END SOLUTION


# %% grade_id="largest_batch_by_hand" points=1
inputs = keras.Input((100,))
tried = keras.Model(inputs, layers.Dense(50, use_bias=False)(inputs))
for memory, size, want in [(140_000, 4, 100), (139_999, 4, 99), (83_000, 2, 10), (79_000, 4, 0)]:
    got = largest_batch(tried, memory, size)
    assert isinstance(got, int | np.integer), f"Return a whole number; got {type(got).__name__}."
    assert got == want, (
        f"5,000 weights take 80,000 of {memory:,} bytes, and an example takes {size} (100 + 50) = {150 * size}: {want} fit, "
        f"got {got}."
    )

# %% grade_id="largest_batch_any" points=2
# Hidden tests: frozen layers, short activations, one byte too few, too little for a single example.
### BEGIN HIDDEN TESTS
for frozen, (train, keep) in {False: (30 + 12 + 365, 12), True: (12 + 365, 12 + 30)}.items():
    inputs = keras.Input((12, 4))
    x = layers.BatchNormalization()(layers.Dense(6, trainable=not frozen)(inputs))
    model = keras.Model(inputs, layers.Dense(5)(layers.Flatten()(x)))
    numbers = 12 * 4 + 3 * 12 * 6 + 5
    for size, examples, spare in [(4, 37, 1), (2, 41, -1), (2, 8, 0), (4, -3, 0)]:
        memory = 16 * train + 4 * keep + size * numbers * examples + spare
        want = max(examples - (spare < 0), 0)
        got = largest_batch(model, memory, size)
        assert isinstance(got, int | np.integer), f"Return a whole number, not {got!r}."
        assert got == want, (
            f"{train:,} weights trained and {keep} not, {numbers} numbers an example of {size} bytes, memory {memory:,} "
            f"bytes: expected {want}, got {got}. Which weights carry a gradient and two means, how many bytes has each "
            "kind of number, and what if nothing fits?"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Only the weights themselves are counted, not their gradients and Adam's means.
def largest_batch(model, memory, size=4):
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    return max((memory - 4 * model.count_params()) // each, 0)


# %% tags=["misconception"]
# Frozen weights and running statistics are counted as if they had gradients and means.
def largest_batch(model, memory, size=4):
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    return max((memory - 16 * model.count_params()) // each, 0)


# %% tags=["misconception"]
# The weights are counted in short numbers too, but their float32 copies stay.
def largest_batch(model, memory, size=4):
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    fixed = 4 * size * trained + size * (model.count_params() - trained)
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    return max((memory - fixed) // each, 0)


# %% tags=["misconception"]
# Too little memory gives a negative batch.
def largest_batch(model, memory, size=4):
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    fixed = 16 * trained + 4 * (model.count_params() - trained)
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    return (memory - fixed) // each


# %% tags=["misconception"]
# Only the network's last outputs are kept; the way back needs those of every layer.
def largest_batch(model, memory, size=4):
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    fixed = 16 * trained + 4 * (model.count_params() - trained)
    return max((memory - fixed) // (size * int(np.prod(model.output.shape[1:]))), 0)


# %% tags=["misconception"]
# Rounding to the nearest whole number lets in an example that does not fit.
def largest_batch(model, memory, size=4):
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    fixed = 16 * trained + 4 * (model.count_params() - trained)
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    return max(round((memory - fixed) / each), 0)


# %% tags=["misconception"]
# The input is left out, and the first layer's way back needs it.
def largest_batch(model, memory, size=4):
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    fixed = 16 * trained + 4 * (model.count_params() - trained)
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers[1:])
    return max((memory - fixed) // each, 0)


# %% tags=["alternative"]
# Takes the sizes of weights from their arrays, and counts down from the memory.
def largest_batch(model, memory, size=4):
    left = memory
    left -= 16 * sum(weight.numpy().size for weight in model.trainable_weights)
    left -= 4 * sum(weight.numpy().size for weight in model.non_trainable_weights)
    each = 0
    for layer in model.layers:
        each += size * np.prod([side for side in layer.output.shape if side is not None])
    return int(left / each) if left > 0 else 0


# %% [markdown]
# ### A batch that does not fit can come in parts
#
# Suppose that you want to train the network of 1,024 squares with batches of 128, on a device with 60 MB left. Your
# function says what fits:

# %% tags=["demo", "nbval-check-output"]
largest_batch = fallbacks.choose(largest_batch, ours.largest_batch, ours.largest_batch_works)
print("the largest batch in 60 MB:", largest_batch(fine, 60_000_000))

# %% [markdown]
# The loss is a mean over the batch, so the gradient of 128 pictures is the mean of the gradients of four times 32. An
# optimizer can wait for all four before it moves the weights: **gradient accumulation**, an argument of every optimizer
# in Keras. *Will the weights be the same as after one step on all 128?*


# %% tags=["demo"]
def train_in_parts(parts):
    """The weights before and after one step on 128 pictures in so many parts."""
    keras.utils.set_random_seed(SEED)
    model = fine_network()
    steps = parts if parts > 1 else None
    optimizer = keras.optimizers.SGD(0.01, gradient_accumulation_steps=steps)
    model.compile(optimizer, from_logits, jit_compile=False)
    start = model.get_weights()
    model.fit(pictures, wanted, batch_size=128 // parts, shuffle=False, verbose=0)
    return start, model.get_weights()


start, in_parts = train_in_parts(4)
start, at_once = train_in_parts(1)

# %% tags=["demo", "nbval-check-output"]
moved = max(np.abs(a - b).max() for a, b in zip(at_once, start))
apart = max(np.abs(a - b).max() for a, b in zip(at_once, in_parts))
results.table(
    ("largest difference of a weight, % of the largest step", 100 * apart / moved, (0, 0.01)),
    over="7 seeds",
)

# %% [markdown]
# The same step but for rounding, and by the formula a quarter of the activations at any time, 35 MB instead of 141. It
# is not free of traps. The accumulated gradients are one more number for each weight, so Adam then needs 20 bytes a
# weight instead of 16; and if the parts of an epoch do not divide by four, the rest is carried into the next epoch.
#
# ### A phone can answer, and cannot train
#
# Answering needs the weights and little else. *Can a model with seven billion of them run on a phone with 8 GB?*

# %% tags=["demo", "nbval-check-output"]
print("memory in GB:          float32  16 bits   4 bits   training with Adam")
for name, count in {"25 million": 25e6, "7 billion": 7e9, "70 billion": 70e9}.items():
    sizes = [count * width / 1e9 for width in (4, 2, 0.5, 16)]
    print(f"{name:20}" + "".join(f"{size:9,.1f}" for size in sizes[:3]) + f"{sizes[3]:12,.1f}")

# %% [markdown]
# Large models, one often reads, cannot run on a phone or laptop without the network. It depends. Seven billion weights
# take 14 GB in 16 bits, but 3.5 GB if each is rounded to one of 16 values, which takes 4 bits; phones do run such models,
# at some cost in accuracy. Seventy billion do not fit. *Training* seven billion takes more than 100 GB before the first
# example: so one rents.

# %% [markdown]
# ## From multiplications to kilowatt hours
#
# Time is work divided by speed. Training reaches a part of the **peak** on a machine's data sheet, its **utilisation**.
# Energy is power times time, and what it emits depends on the grid.


# %%
def bill(work, peak, utilisation, watts, kilograms_per_kwh=0.4):
    """Hours, kilowatt hours and kilograms of CO2 for ``work`` FLOPs at ``peak`` FLOPs a second."""
    hours = work / (peak * utilisation) / 3600
    energy = hours * watts / 1000
    return hours, energy, energy * kilograms_per_kwh


# %% [markdown]
# A *language model*, which writes a text piece by piece, uses each weight once a *token*, such a piece: a word or a part
# of one. That is 2 FLOPs a weight, and three times that in training: 6 · weights · tokens. An A100, a common GPU of
# 2020, does 312 · 10¹² FLOPs a second by its data sheet, and takes 400 watts.
#
# Meta trained four sizes of Llama 2 on 2 · 10¹² tokens each, and published the hours (Touvron and others, 2023, table
# 2). The utilisation is on no data sheet. We take it from the smallest of the four, and *predict* the other three from
# it. *How far off will we be?*

# %% tags=["demo", "nbval-check-output"]
published = {7e9: 184_320, 13e9: 368_640, 34e9: 1_038_336, 70e9: 1_720_320}
utilisation = bill(6 * 7e9 * 2e12, 312e12, 1, 400)[0] / published[7e9]
print(f"utilisation of the smallest: {utilisation:.2f}")
print("weights      hours predicted    published    off by")
for count, hours in list(published.items())[1:]:
    guess = bill(6 * count * 2e12, 312e12, utilisation, 400)[0]
    print(f"{count / 1e9:2.0f} billion {guess:18,.0f} {hours:12,} {guess / hours - 1:+9.0%}")

# %% [markdown]
# Within 14 %, over a tenfold range. The utilisation is the guess in such a bill: .4 is a good value, which takes experts
# and fast connections between the machines. For the largest model:

# %% tags=["demo", "nbval-check-output"]
hours, energy, _ = bill(6 * 70e9 * 2e12, 312e12, utilisation, 400)
print(f"predicted: {hours / 1e6:.1f} million GPU hours, {energy / 1000:,.0f} MWh")
print(f"weeks on 2,000 GPUs: {hours / 2000 / 24 / 7:.0f}")
print(f"at 2 dollars an hour: {2 * hours / 1e6:.1f} million dollars")
for grid, intensity in {"hydropower": 0.03, "mixed": 0.4, "coal": 0.9}.items():
    print(f"{grid}: {energy * intensity / 1000:,.0f} tonnes of CO2")
print("answers overtake training after days:", round(3 * 2e12 / (100e6 * 1000)))

# %% [markdown]
# Weeks on thousands of GPUs is no figure of speech, and the concern about energy is justified; but the same run emits
# thirty times as much on coal as on hydropower. Left out: cooling, making the chips, all runs that failed.
#
# The last line is about use. An answer takes 2 FLOPs a weight and token, so after three times as many tokens as in
# training a model has spent as much on answering. If 100 million people read 1,000 tokens a day, that takes two months.
# So the models that people use are made smaller, mostly at some cost in accuracy. What comes next costs almost none.

# %% [markdown]
# ## Sixteen bits, spent in two ways
#
# A type's **range** goes from its smallest number above zero to its largest. Its **precision** is epsilon, the step
# from 1 to the next number.

# %% tags=["demo", "nbval-check-output"]
print("              largest   above zero   epsilon")
for kind in (np.float32, BFLOAT16, np.float16):
    name, one = np.dtype(kind).name, kind(1)
    above, step = np.nextafter(kind(0), one), np.nextafter(one, kind(2)) - one
    print(f"{name:10}{float(tf.as_dtype(kind).max):11.5g}{float(above):12.1e}{float(step):11.1e}")

# %% [markdown]
# **float16** ends at 65,504; **bfloat16** reaches as far as float32, with two to three digits. *What is 256 + 1 in
# bfloat16? And 1, with .0004 added a thousand times?*

# %% tags=["demo", "nbval-check-output"]
print("256 + 1 in bfloat16:", float(BFLOAT16(256) + BFLOAT16(1)))
for kind in (np.float32, BFLOAT16, np.float16):
    total = kind(1)
    for _ in range(1000):
        total += kind(0.0004)
    print(f"{np.dtype(kind).name:9} 1 + 1,000 · .0004 = {float(total):.3f}")

# %% [markdown]
# In either short type a small step from a large number is lost. Training makes small steps, so **weights stay in
# float32**, and only the multiplications are done in 16 bits. This is *mixed precision* (Micikevicius and others, 2018).

# %% [markdown]
# ## Keras: short in the middle, long at both ends
#
# A **dtype policy** says in which type a layer keeps its variables, and in which it computes. Under `mixed_bfloat16`
# variables are float32 and multiplications bfloat16, and Keras casts in between; `mixed_float16` does the same with
# float16. A layer takes the global policy of the moment it is made, or the one that its argument `dtype` names. *In the
# network below, which layers compute in bfloat16?*

# %% tags=["demo", "nbval-check-output"]
keras.config.set_dtype_policy("mixed_bfloat16")
mixed = keras.Sequential(
    [keras.Input((48,)), layers.Dense(8, "relu"), layers.Dropout(0.1), layers.Dense(10)]
)
keras.config.set_dtype_policy("float32")
for layer in mixed.layers:
    kept = layer.variable_dtype if layer.weights else "nothing"
    print(f"{layer.__class__.__name__:8} keeps {kept:8} computes {layer.compute_dtype}")

# %% [markdown]
# All of them, and for the last one that is a mistake. Take a classifier that is nearly undecided between two classes,
# with logits of 20.06 and 20.01, and another one that is sure, by 20 against 0, and wrong. Here are their losses, by
# where the short type is used:

# %% tags=["demo", "nbval-check-output"]


def loss_of(logits, right, kind, softmax_kind):
    """Cross-entropy: logits rounded to one type, softmax and its probability to another."""
    z = np.array(logits, np.float32).astype(kind).astype(softmax_kind)
    shifted = np.exp(z - z.max())
    with np.errstate(divide="ignore"):
        return float(
            -np.log((shifted / shifted.sum()).astype(softmax_kind)[right], dtype="float32")
        )


print(
    "loss, with:                     float32   bfloat16 logits   all in bfloat16   all in float16"
)
for name, logits, right in [("undecided", (20.06, 20.01), 1), ("sure and wrong", (20, 0), 1)]:
    exact = loss_of(logits, right, np.float32, np.float32)
    late = loss_of(logits, right, BFLOAT16, np.float32)
    short = [loss_of(logits, right, kind, kind) for kind in (BFLOAT16, np.float16)]
    print(f"{name:30}{exact:9.3f}{late:15.3f}{short[0]:18.3f}{short[1]:17.3f}")

# %% [markdown]
# In float16 the probability of the right class is zero and the loss infinite. And in bfloat16 two different logits become
# one, so the loss forgets that the first classifier was wrong, even if softmax is computed in float32: what is rounded
# cannot be brought back by a cast. The guide of TensorFlow to mixed precision puts only the softmax into float32 (a
# `Dense`, then an `Activation` with `dtype="float32"`). That avoids the infinity, which is the worse fault. We are
# stricter and put the last `Dense` into float32 as well: it is ten neurons, and costs nothing.
#
# ### Exercise 3: the right type in every place
#
# Complete `build_classifier(policy)`: an uncompiled Keras model from rows of 64 pixels to ten logits. `policy` is one of
# the three names below.
#
# - Two hidden dense layers with ReLU, of 64 and of 32 neurons, then a dense layer of ten neurons that puts out logits:
#   any number, without an activation function. No other layer changes the numbers.
# - Every layer from the input to the last hidden one computes as the policy says. The layer that makes the logits, and
#   whatever comes after it, computes in float32.
# - Variables are float32 under every policy, and all of them can be trained.
# - Leave the global policy as it was, or set it back: every layer that is made after yours would follow it. The visible
#   test looks at that in your notebook.


# %%
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


def flat_layers(model):
    """The layers of a model in their order, without the input; those of models inside it one by one."""
    found = []
    for layer in model.layers:
        inside = flat_layers(layer) if isinstance(layer, keras.Model) else [layer]
        found += [each for each in inside if type(each).__name__ != "InputLayer"]
    return found


# %% grade_id="build_classifier" solution=true
def build_classifier(policy):
    """64 pixels to ten float32 logits; hidden layers compute as ``policy`` says."""
    ### BEGIN SOLUTION
    inputs = keras.Input((64,))
    x = layers.Dense(64, activation="relu", dtype=policy)(inputs)
    x = layers.Dense(32, activation="relu", dtype=policy)(x)
    return keras.Model(inputs, layers.Dense(10, dtype="float32")(x))
    ### END SOLUTION


# %% grade_id="build_classifier_form" points=1
model = build_classifier("mixed_bfloat16")
assert isinstance(model, keras.Model), f"Return a Keras model; got {type(model).__name__}."
shapes = model.input_shape, model.output_shape
assert shapes == ((None, 64), (None, 10)), f"Expected (None, 64) to (None, 10), got {shapes}."
kernels = [tuple(weight.shape) for weight in model.weights if len(weight.shape) == 2]
assert kernels == [(64, 64), (64, 32), (32, 10)], (
    f"Layers of 64, 32 and 10 neurons have kernels of (64, 64), (64, 32) and (32, 10); got {kernels}."
)
short = [layer.compute_dtype for layer in flat_layers(model)]
assert short[0] == "bfloat16", f"Under mixed_bfloat16 the first layer computes in {short[0]}."
assert short[-1] == "float32", f"The last layer computes in {short[-1]} and not in float32."
assert keras.config.dtype_policy().name == "float32", (
    "The global policy has changed, and with it every layer that is made after this one."
)

# %% grade_id="build_classifier_values" points=1
# Hidden tests: in float32, with given weights, the model computes what the exercise says.
### BEGIN HIDDEN TESTS
model, rng = build_classifier("float32"), np.random.default_rng(0)
count = len(model.weights), len(model.trainable_weights)
assert count == (6, 6), f"Expected 6 arrays of weights, 6 of them trainable; got {count}."
given = [rng.normal(0, 0.3, weight.shape) for weight in model.get_weights()]
model.set_weights(given)
x = rng.normal(size=(40, 64)).astype("float32")
want = x
for place in (0, 2, 4):
    want = want @ given[place] + given[place + 1]
    want = np.maximum(want, 0) if place < 4 else want
got = np.asarray(model(x))
assert got.shape == (40, 10), f"40 rows should give shape (40, 10), not {got.shape}."
hints = {
    "probabilities": np.allclose(got.sum(axis=1), 1, atol=1e-3),
    "logarithms of probabilities": np.allclose(np.exp(got).sum(axis=1), 1, atol=1e-3),
    "never negative": got.min() >= 0,
}
found = "".join(f" Yours are {name}." for name, is_so in hints.items() if is_so)
assert np.allclose(got, want, atol=1e-3), (
    f"For known weights the logits of the first row should be {want[0].round(3).tolist()}, and are "
    f"{got[0].round(3).tolist()}.{found}"
)
### END HIDDEN TESTS

# %% grade_id="build_classifier_types" points=2
# Hidden tests: what each layer keeps, computes and puts out under the three policies. Nothing is run.
### BEGIN HIDDEN TESTS
for policy, short in zip(POLICIES, ("float32", "bfloat16", "float16")):
    model = build_classifier(policy)
    kept = {str(weight.dtype) for weight in model.weights}
    assert kept == {"float32"}, (
        f"{policy}: variables are kept in {sorted(kept)}. Small updates would be lost in a short type."
    )
    inside = flat_layers(model)
    last = max(place for place, layer in enumerate(inside) if layer.weights)
    for place, layer in enumerate(inside):
        want = short if place < last else "float32"
        assert layer.compute_dtype == want, (
            f"{policy}: layer {place + 1} of {len(inside)}, {layer.__class__.__name__}, computes in {layer.compute_dtype}, "
            f"and should compute in {want}. A layer's policy is not handed on to the next; what is rounded in the last "
            "layer cannot be brought back by a cast."
        )
    assert model.outputs[0].dtype == "float32", f"{policy}: the output is {model.outputs[0].dtype}."
### END HIDDEN TESTS


# %% tags=["misconception"]
# The last layer computes in the short type and only its result is cast: what rounding took does not come back.
def build_classifier(policy):
    inputs = keras.Input((64,))
    x = layers.Dense(64, activation="relu", dtype=policy)(inputs)
    x = layers.Dense(32, activation="relu", dtype=policy)(x)
    logits = layers.Dense(10, dtype=policy)(x)
    return keras.Model(inputs, layers.Activation("linear", dtype="float32")(logits))


# %% tags=["misconception"]
# Without "mixed_" variables are short too, and small updates to them are lost.
def build_classifier(policy):
    short = policy.removeprefix("mixed_")
    inputs = keras.Input((64,))
    x = layers.Dense(64, activation="relu", dtype=short)(inputs)
    x = layers.Dense(32, activation="relu", dtype=short)(x)
    return keras.Model(inputs, layers.Dense(10, dtype="float32")(x))


# %% tags=["misconception"]
# The policy goes to one layer and is not inherited by the next: the others compute in float32.
def build_classifier(policy):
    inputs = keras.Input((64,))
    x = layers.Dense(64, activation="relu", dtype=policy)(inputs)
    x = layers.Dense(32, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(10)(x))


# %% tags=["misconception"]
# The last layer follows the policy as the others do.
def build_classifier(policy):
    inputs = keras.Input((64,))
    x = layers.Dense(64, activation="relu", dtype=policy)(inputs)
    x = layers.Dense(32, activation="relu", dtype=policy)(x)
    return keras.Model(inputs, layers.Dense(10, dtype=policy)(x))


# %% tags=["misconception"]
# The softmax makes probabilities out of the logits.
def build_classifier(policy):
    inputs = keras.Input((64,))
    x = layers.Dense(64, activation="relu", dtype=policy)(inputs)
    x = layers.Dense(32, activation="relu", dtype=policy)(x)
    return keras.Model(inputs, layers.Dense(10, "softmax", dtype="float32")(x))


# %% tags=["misconception"]
# The log-softmax makes logarithms of probabilities out of the logits, which are never above zero.
def build_classifier(policy):
    inputs = keras.Input((64,))
    x = layers.Dense(64, activation="relu", dtype=policy)(inputs)
    x = layers.Dense(32, activation="relu", dtype=policy)(x)
    return keras.Model(inputs, layers.Dense(10, "log_softmax", dtype="float32")(x))


# %% tags=["misconception"]
# The activation functions are left in float32: what comes between is cast to and fro, and takes twice the memory.
def build_classifier(policy):
    inputs = keras.Input((64,))
    x = layers.ReLU()(layers.Dense(64, dtype=policy)(inputs))
    x = layers.ReLU()(layers.Dense(32, dtype=policy)(x))
    return keras.Model(inputs, layers.Dense(10, dtype="float32")(x))


# %% tags=["alternative"]
# A sequential model with policy objects, and layers for the activation functions.
def build_classifier(policy):
    short = keras.DTypePolicy(policy)
    model = keras.Sequential([keras.Input((64,))])
    for neurons in (64, 32):
        model.add(layers.Dense(neurons, dtype=short))
        model.add(layers.ReLU(dtype=short))
    model.add(layers.Dense(10, dtype=keras.DTypePolicy("float32")))
    return model


# %% tags=["alternative"]
# The hidden layers are a model inside the model, made under the policy as the global one, which is set back.
def build_classifier(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    hidden = keras.Sequential(
        [keras.Input((64,)), layers.Dense(64, "relu"), layers.Dense(32, "relu")]
    )
    keras.config.set_dtype_policy(before)
    inputs = keras.Input((64,))
    return keras.Model(inputs, layers.Dense(10, dtype="float32")(hidden(inputs)))


# %% [markdown]
# ### As accurate, and how fast?
#
# Your network learns to read digits of 8 × 8 pixels, under each policy, with validation digits and early stopping. *Will
# the short types be less accurate? Faster, here?*

# %% tags=["demo"]
build_classifier = fallbacks.choose(
    build_classifier, ours.build_classifier, ours.build_classifier_works
)
parts = {split: datasets.arrays("digits", split, scaled=True) for split in ("train", "test")}
pixels = {split: part["image"].reshape(-1, 64) for split, part in parts.items()}
labels = {split: part["label"] for split, part in parts.items()}
order = np.random.default_rng(SEED).permutation(len(labels["train"]))
learning, held = order[:1000], order[1000:]


def train_digits(policy):
    """The network trained under a policy, its history, and the seconds of an epoch."""
    keras.utils.set_random_seed(SEED)
    model = build_classifier(policy)
    optimizer = keras.optimizers.Adam(0.005)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)  # explained below
    model.compile(optimizer, from_logits, metrics=["accuracy"], jit_compile=False)
    data = {split: (pixels["train"][rows], labels["train"][rows])
            for split, rows in [("learn", learning), ("hold", held)]}  # fmt: skip
    waits = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    start = time.perf_counter()
    history = model.fit(*data["learn"], 32, 40, validation_data=data["hold"],
                        validation_batch_size=297, callbacks=[waits], verbose=0).history  # fmt: skip
    return model, history, (time.perf_counter() - start) / len(history["loss"])


# %% tags=["demo"]
readers = {policy: train_digits(policy) for policy in POLICIES}
fig, axis = plt.subplots(figsize=(6.4, 3.2))
for (policy, (_, history, _)), color in zip(readers.items(), plots.PALETTE):
    axis.plot(history["loss"], ":", color=color)
    axis.plot(history["val_loss"], "-", color=color, label=policy)
axis.set(xlabel="epoch", ylabel="cross-entropy", ylim=(0, 1))
axis.legend(title="solid: validation, dotted: training")
axis.set_title("Sixteen bits learn as thirty-two do")
plots.show(
    fig,
    alt="""Cross-entropy against epochs under three policies, on training and on validation digits. The three curves of
    each kind fall together and nearly cover each other; the training loss goes to zero, the validation loss stays a
    little above it.""",
)

# %% tags=["demo", "nbval-check-output"]
right = {
    policy: 100 * np.mean(model.predict(pixels["test"], verbose=0).argmax(axis=1) == labels["test"])
    for policy, (model, _, _) in readers.items()
}
print("test digits read rightly, %")
results.table(
    *((policy, right[policy], (93.0, 100)) for policy in POLICIES),
    (
        "mixed_bfloat16 less float32, points",
        right["mixed_bfloat16"] - right["float32"],
        (-2.9, 2.9),
    ),
    ("mixed_float16 less float32, points", right["mixed_float16"] - right["float32"], (-2.9, 2.9)),
    epochs=[*(len(history["loss"]) for _, history, _ in readers.values()), None, None],
    seconds_an_epoch=[*(f"{seconds:.2f}" for _, _, seconds in readers.values()), None, None],
)

# %% [markdown]
# As accurate, within what the seed decides anyway. And not faster: this network is so small that Python and Keras take
# most of the time. How fast the multiplications are depends on the processor. Here is one large product of matrices on
# yours:


# %% tags=["demo"]
def product_speed(kind, rows, n):
    """Billions of FLOPs a second for (rows, n) times (n, n), the best of five measurements."""
    a, b = (tf.cast(tf.random.normal((size, n)), kind) for size in (rows, n))
    multiply = tf.function(lambda a, b: a @ b)
    passed = []
    for _ in range(6):  # the first one compiles
        start = time.perf_counter()
        multiply(a, b).numpy()
        passed.append(time.perf_counter() - start)
    return 2 * rows * n**2 / min(passed[1:]) / 1e9


here = {kind: product_speed(kind, 256, 256) for kind in ("float32", "bfloat16", "float16")}
for kind, speed in here.items():
    print(f"{kind:9}{speed:8.1f} GFLOPs a second, {speed / here['float32']:.2f} times float32")

# %% [markdown]
# Where we ran it, bfloat16 was up to three times as fast as float32. float16 was about as fast as float32 on one
# processor, and over a hundred times slower on another. That is why `course.setup` refuses float16 on a CPU, and why
# only tiny networks compute in it in this lesson. A CPU with **AMX** (Advanced Matrix Extensions: units that multiply
# small matrices of bfloat16 whole) gains more.
#
# On GPUs it pays. We have not measured one; these are the makers' and authors' figures:
#
# | | float32 | 16 bits | source |
# |---|---|---|---|
# | NVIDIA V100, 10¹² FLOPs a second | 15.7 | 125 | data sheet |
# | NVIDIA A100 | 19.5 (156 in a shortened float32, TF32) | 312 | data sheet |
# | layers on a V100 that computing or memory limits | 1 | 2 to 6 times faster | Micikevicius and others, 2018 |
# | whole Keras models on modern GPUs | 1 | can be more than 3 times faster | TensorFlow's guide, *Mixed precision* |
#
# Between the first two rows and the last is what this lesson is about: a peak is one thing, and what a program reaches is
# another. `python benchmarks/full_size.py` measures your device with the models of all lessons.

# %% [markdown]
# ## A gradient below the smallest number is zero
#
# A network that draws has a **mean squared error** as its loss, the mean of the squares of all errors: over every number
# of every picture of the batch. A pixel that is off by 0.3 then has the gradient $2 \cdot 0.3 / N$, and $N$ is large.
# Here it is for a batch of 256 pictures in three colours, as each type holds it. *From which size on will float16 lose
# it?*

# %% tags=["demo", "nbval-check-output"]
print("pictures of     float32      bfloat16     float16")
for side in (8, 64, 256, 1024):
    slope = 2 * 0.3 / (256 * 3 * side**2)
    held_as = [float(kind(slope)) for kind in (np.float32, BFLOAT16, np.float16)]
    print(f"{side:4} x {side:<4}" + "".join(f"{value:13.2e}" for value in held_as))

# %% [markdown]
# At 64 × 64 it has lost its digits, and from 256 × 256 on it is zero; bfloat16, which has the range of float32, keeps it.
# Does that matter? On its way back the gradient is multiplied by weights and added up, so zeros are not certain. We try
# it. Photographs of 1,024 × 1,024 would take too long, so a small network draws the lower half of a digit from its upper
# half, and its loss is multiplied by a small number, so that each pixel's gradient is as small as it would be for 256
# such photographs. The learning rate is as many times larger. In exact arithmetic nothing changes.

# %%
PHOTOGRAPHS = 256 * 1024 * 1024 * 3
SHRINK = 64 * 32 / PHOTOGRAPHS  # numbers in a batch of our halves, over those in the photographs


def drawing_network(policy):
    """The upper half of a digit, 32 pixels, to the lower half, under a dtype policy."""
    keras.config.set_dtype_policy(policy)
    upper = keras.Input((32,))
    x = layers.Dense(32, activation="tanh")(upper)
    x = layers.Dense(32, activation="tanh")(x)
    network = keras.Model(upper, layers.Dense(32, dtype="float32")(x))
    keras.config.set_dtype_policy("float32")
    return network


# %% tags=["demo"]
upper, lower = np.split(pixels["train"], 2, axis=1)
keras.utils.set_random_seed(SEED)
drawing = drawing_network("float32")
stages = keras.Model(drawing.input, [layer.output for layer in drawing.layers[1:]])
with tf.GradientTape() as tape:
    *hidden, drawn = stages(upper[learning[:64]])
    loss = SHRINK * tf.reduce_mean((drawn - lower[learning[:64]]) ** 2)
slopes = [slope.numpy().ravel() for slope in tape.gradient(loss, hidden)]

# %% [markdown]
# The figure shows the gradients of what the two hidden layers put out, and where float16 can hold them: near its end it
# has few digits, then only zero. **Loss scaling** multiplies the loss, and so by the chain rule every gradient, by a
# large number, here $2^{15}$; the optimizer divides by it afterwards, in float32.

# %% tags=["demo", "thumbnail"]
sizes = np.log2(np.abs(np.concatenate(slopes)))
fig, axis = plt.subplots(figsize=(6.4, 3.4))
share, bins = np.full(len(sizes), 100 / len(sizes)), np.arange(-50, 18)
axis.hist(sizes, bins, weights=share, color=plots.VERMILION, alpha=0.85)
axis.hist(sizes + 15, bins, weights=share, color=plots.BLUE, alpha=0.85)
axis.axvspan(-50, -25, color="#dddddd", zorder=0)
for edge in (-25, -14, 16):
    axis.axvline(edge, color=plots.BLACK, lw=1, ls=":")
top = axis.get_ylim()[1]
axis.set_ylim(0, 1.35 * top)
for place, text in {-38: "zero", -19.5: "few digits", 1: "float16 as it should be"}.items():
    axis.text(place, 1.22 * top, text, ha="center")
axis.text(-34, 1.05 * top, "as they are", color=plots.VERMILION, ha="center")
axis.text(-15, 1.05 * top, "loss times $2^{15}$", color=plots.BLUE, ha="center")
axis.set(xlim=(-50, 17), xlabel="size of a gradient (power of two)", ylabel="gradients (%)")
axis.set_title("Scaling the loss lifts gradients out of the grey")
plots.show(
    fig,
    alt="""Two histograms of gradient sizes on a logarithmic axis. As they are, all lie left of two to the minus 25, in
    the grey region that float16 rounds to zero. With the loss multiplied by two to the 15 the same histogram lies 15
    steps further right, most of it where float16 holds numbers with few or with all of its digits.""",
)

# %% [markdown]
# Under `mixed_float16`, `compile` wraps the optimizer in a `LossScaleOptimizer`, which begins with that $2^{15}$, and
# `fit` multiplies the loss. `auto_scale_loss=False` leaves it out, so that one can see what it is for. *What will the
# loss of the third network look like?*


# %% tags=["demo"]
def train_drawing(policy, scale_loss=True):
    """Validation losses of 12 epochs, and how far the hidden layers' weights have moved."""
    keras.utils.set_random_seed(SEED)
    model = drawing_network(policy)
    start = model.get_weights()
    options = {"auto_scale_loss": scale_loss, "jit_compile": False}
    model.compile(keras.optimizers.SGD(2.5 / SHRINK), "mse", loss_weights=[SHRINK], **options)
    pairs = [(upper[rows], lower[rows]) for rows in (learning, held)]
    history = model.fit(*pairs[0], 64, 12, validation_data=pairs[1], validation_batch_size=297, verbose=0)  # fmt: skip
    losses = np.array(history.history["val_loss"]) / SHRINK
    moved = max(np.abs(a - b).max() for a, b in zip(model.get_weights()[:4], start))
    return losses, moved


runs = {
    "float32": train_drawing("float32"),
    "mixed_bfloat16": train_drawing("mixed_bfloat16"),
    "mixed_float16, not scaled": train_drawing("mixed_float16", scale_loss=False),
    "mixed_float16, scaled": train_drawing("mixed_float16"),
}

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.2))
styles = ["-", "--", "-", ":"]
for (name, (losses, _)), style, color in zip(runs.items(), styles, plots.PALETTE):
    axis.plot(losses, ls=style, color=color, label=name)
axis.set(xlabel="epoch", ylabel="mean squared error, validation", ylim=(0.05, 0.1))
axis.legend()
axis.set_title("One of the four learns with its last layer alone")
plots.show(
    fig,
    alt="""Validation error against epochs for four trainings. float32, bfloat16 and scaled float16 fall together.
    float16 without scaling falls too, but stays clearly above them.""",
)

# %% tags=["demo", "nbval-check-output"]
mean_half = np.mean((lower[held] - lower[learning].mean(axis=0)) ** 2)
errors = {name: losses[-1] for name, (losses, _) in runs.items()}
worse = {name: 100 * (errors[name] / errors["float32"] - 1) for name in errors}
print("mean squared error on validation digits")
results.table(
    ("the mean lower half, for everyone", mean_half, (0.074, 0.081)),
    *((name, errors[name], (0.057, 0.068) if "not" in name else (0.051, 0.061)) for name in errors),
    ("not scaled, % above float32", worse["mixed_float16, not scaled"], (2, 22)),
    ("scaled, % above float32", worse["mixed_float16, scaled"], (-0.3, 0.5)),
    ("mixed_bfloat16, % above float32", worse["mixed_bfloat16"], (-3, 8)),
    (
        "not scaled, largest change in hidden layers",
        runs["mixed_float16, not scaled"][1],
        (0, 0.001),
    ),
    hidden_layers_moved=[None, *(f"{moved:.3f}" for _, moved in runs.values()), *(4 * [None])],
)

# %% [markdown]
# No error, no warning, and a loss that falls: the network without scaling looks like one that needs a little more
# tuning. In truth its hidden layers have not moved at all. Only the last one learned, which is float32 and whose
# gradient never was a float16. Scaled, float16 does what float32 does. bfloat16 needs no scaling; with two to three
# digits it can end a few percent off, for the worse in one of our seeds.
#
# One trap remains. `compile` looks at the policy of the *model*, which is the global policy of the moment it was made,
# and not at its layers. A model whose layers got their policy by the argument `dtype`, as in exercise 3, is not wrapped:

# %% tags=["demo", "nbval-check-output"]
for name, model in [("global policy", drawing_network("mixed_float16")), ("dtype=…", build_classifier("mixed_float16"))]:  # fmt: skip
    model.compile("sgd", "mse")
    print(f"{name:14} the optimizer is a {model.optimizer.__class__.__name__}")

# %% [markdown]
# So we wrapped it ourselves when the digits were read.
#
# ### Exercise 4: a scale that adapts
#
# Which scale is right? One that is too small leaves zeros, and one that is too large makes gradients infinite. So it
# adapts. Complete its rule, `next_scale(scale, good, gradients, wait)`. `gradients` is a list of arrays of any shapes and
# of any float type, computed from the scaled loss; `good` counts the steps applied since the scale last changed. If any
# number of any array is infinite or not a number, skip the step and halve the scale. Otherwise apply it, and if it is the
# `wait`-th good one, double the scale. Whenever the scale changes, counting starts again at 0. Return `(scale, good,
# apply)`, `apply` being True or False.


# %% grade_id="next_scale" solution=true
def next_scale(scale, good, gradients, wait):
    """The scale for the next step, the count of good steps, and whether to apply this one."""
    ### BEGIN SOLUTION
    if not all(np.isfinite(gradient).all() for gradient in gradients):
        return scale / 2, 0, False
    if good + 1 == wait:
        return scale * 2, 0, True
    return scale, good + 1, True
    ### END SOLUTION


# %% grade_id="next_scale_by_hand" points=1
fine = [np.array([0.5, -2.0], np.float16)]
result = next_scale(8.0, 0, fine, 3)
assert len(result) == 3, (
    f"Return scale, count and whether to apply; you returned {len(result)} values."
)
assert tuple(result) == (8.0, 1, True), (
    f"Finite gradients, the first good step of three: expected (8.0, 1, True), got {tuple(result)}."
)
result = next_scale(8.0, 1, [*fine, np.array([[1, np.inf]], np.float16), *fine], 3)
assert tuple(result) == (4.0, 0, False), (
    f"One infinite number in the second of three arrays: expected (4.0, 0, False), got {tuple(result)}."
)
result = next_scale(8.0, 2, [np.array([70_000.0, 1.0], np.float32)], 3)
assert tuple(result) == (16.0, 0, True), (
    f"The third good step of three, with a gradient of 70,000 in float32: expected (16.0, 0, True), got {tuple(result)}."
)

# %% grade_id="next_scale_any" points=3
# Hidden tests: not a number, minus infinity, one bad number in any array, many steps in a row.
### BEGIN HIDDEN TESTS
for bad in (np.nan, np.inf, -np.inf):
    for place in range(4):
        gradients = [np.zeros((2, 3 + extra), np.float16) for extra in range(4)]
        gradients[place][1, place % 3] = bad
        got = tuple(next_scale(1.0, 5, gradients, 6))
        assert got == (0.5, 0, False), (
            f"Scale 1, one {bad} in array {place + 1} of 4: expected (0.5, 0, False), got {got}. A single bad number "
            "spoils the step, counting starts again, and the scale is halved however small it is."
        )
for wait in (1, 4):
    scale, good = 64.0, 0
    for step in range(1, 9):
        gradients = [np.full(3, -6e4, np.float16), np.full(2, 1e30, np.float32)]
        got = tuple(next_scale(scale, good, gradients, wait))
        want = (scale * 2, 0, True) if step % wait == 0 else (scale, step % wait, True)
        assert got == want, (
            f"wait {wait}, good step number {step} since the start, count {good}: expected {want}, got {got}. Large numbers are "
            "fine as long as they are finite; the scale doubles with the step that completes the count."
        )
        scale, good = want[:2]
### END HIDDEN TESTS


# %% tags=["misconception"]
# This looks for infinite numbers only. Infinity minus infinity or times zero is NaN, which passes.
def next_scale(scale, good, gradients, wait):
    if any(np.isinf(gradient).any() for gradient in gradients):
        return scale / 2, 0, False
    if good + 1 == wait:
        return scale * 2, 0, True
    return scale, good + 1, True


# %% tags=["misconception"]
# The step is skipped only if every number is bad, but one is enough to spoil a weight.
def next_scale(scale, good, gradients, wait):
    if not any(np.isfinite(gradient).all() for gradient in gradients):
        return scale / 2, 0, False
    if good + 1 == wait:
        return scale * 2, 0, True
    return scale, good + 1, True


# %% tags=["misconception"]
# The bad step is applied all the same, so infinity reaches the weights before the smaller scale can help.
def next_scale(scale, good, gradients, wait):
    if not all(np.isfinite(gradient).all() for gradient in gradients):
        return scale / 2, 0, True
    if good + 1 == wait:
        return scale * 2, 0, True
    return scale, good + 1, True


# %% tags=["misconception"]
# The count is not started again after an overflow, so the scale is back up too soon.
def next_scale(scale, good, gradients, wait):
    if not all(np.isfinite(gradient).all() for gradient in gradients):
        return scale / 2, good, False
    if good + 1 == wait:
        return scale * 2, 0, True
    return scale, good + 1, True


# %% tags=["misconception"]
# The scale is doubled one step too late: the step at hand is not counted before asking.
def next_scale(scale, good, gradients, wait):
    if not all(np.isfinite(gradient).all() for gradient in gradients):
        return scale / 2, 0, False
    if good == wait:
        return scale * 2, 0, True
    return scale, good + 1, True


# %% tags=["misconception"]
# The list is made into one array, which works only while all gradients have the same shape. Weights have many shapes.
def next_scale(scale, good, gradients, wait):
    if not np.isfinite(np.array(gradients)).all():
        return scale / 2, 0, False
    if good + 1 == wait:
        return scale * 2, 0, True
    return scale, good + 1, True


# %% tags=["misconception"]
# Dividing with // drops what comes after the point, and a scale of 1 becomes 0.
def next_scale(scale, good, gradients, wait):
    if not all(np.isfinite(gradient).all() for gradient in gradients):
        return scale // 2, 0, False
    if good + 1 == wait:
        return scale * 2, 0, True
    return scale, good + 1, True


# %% tags=["misconception"]
# Only the first and the last gradient are looked at, and any layer may overflow.
def next_scale(scale, good, gradients, wait):
    if not all(np.isfinite(gradient).all() for gradient in (gradients[0], gradients[-1])):
        return scale / 2, 0, False
    if good + 1 == wait:
        return scale * 2, 0, True
    return scale, good + 1, True


# %% tags=["misconception"]
# Compares with the largest float16: not a number is not larger than anything, and other types hold more.
def next_scale(scale, good, gradients, wait):
    if any((np.abs(gradient) > 65504).any() for gradient in gradients):
        return scale / 2, 0, False
    if good + 1 == wait:
        return scale * 2, 0, True
    return scale, good + 1, True


# %% tags=["alternative"]
# Looks at all numbers in one array: a sum in float64 is finite if and only if all of them are.
def next_scale(scale, good, gradients, wait):
    total = sum(float(np.sum(np.abs(gradient), dtype=np.float64)) for gradient in gradients)
    if total != total or total == float("inf"):
        return scale * 0.5, 0, False
    good = (good + 1) % wait
    return (scale if good else 2 * scale), good, True


# %% tags=["alternative"]
# Puts all numbers in one row, and returns a list.
def next_scale(scale, good, gradients, wait):
    everything = np.concatenate([np.ravel(gradient) for gradient in gradients])
    is_fine = bool(np.isfinite(everything).all())
    good = good + 1 if is_fine else 0
    if good == wait:
        return [scale * 2, 0, True]
    return [scale if is_fine else scale / 2, good, is_fine]


# %% [markdown]
# Now your rule runs a training of the drawing network under `mixed_float16`, from a scale of $2^{60}$, which is far too
# large, with a step by hand: multiply the loss, take gradients, ask `next_scale`, and divide by the scale before the
# weights move. Beside it, Keras's own scale in `fit`, noted by a callback after each batch.


# %% tags=["demo"]
def adapt_by_hand(epochs, wait):
    """The scale after each step of SGD whose scale follows ``next_scale``."""
    keras.utils.set_random_seed(SEED)
    model, optimizer = drawing_network("mixed_float16"), keras.optimizers.SGD(2.5 / SHRINK)
    scale, good, noted = 2.0**60, 0, []
    for rows in epochs * np.split(learning[:960], 15):
        with tf.GradientTape() as tape:
            error = tf.reduce_mean((model(upper[rows]) - lower[rows]) ** 2)
            multiplied = scale * SHRINK * error
        slopes, used = tape.gradient(multiplied, model.trainable_weights), scale
        scale, good, is_applied = next_scale(scale, good, [slope.numpy() for slope in slopes], wait)
        if is_applied:
            optimizer.apply([slope / used for slope in slopes], model.trainable_weights)
        noted.append(scale)
    return noted


class NoteScale(keras.callbacks.Callback):
    """Notes the scale of the model's optimizer after each batch."""

    def on_train_batch_end(self, batch, logs=None):
        noted_by_keras.append(float(self.model.optimizer.dynamic_scale))


# %% tags=["demo"]
next_scale = fallbacks.choose(next_scale, ours.next_scale, ours.next_scale_works)
noted, noted_by_keras = adapt_by_hand(epochs=8, wait=20), []
keras.utils.set_random_seed(SEED)
model = drawing_network("mixed_float16")
inner = keras.optimizers.SGD(2.5 / SHRINK)
optimizer = keras.optimizers.LossScaleOptimizer(inner, 2.0**60, dynamic_growth_steps=20)
model.compile(optimizer, "mse", loss_weights=[SHRINK], jit_compile=False)
_ = model.fit(
    upper[learning[:960]],
    lower[learning[:960]],
    batch_size=64, epochs=8, shuffle=False, callbacks=[NoteScale()], verbose=0,
)  # fmt: skip

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.2))
axis.plot(np.log2(noted), color=plots.VERMILION, lw=4, alpha=0.6, label="your rule")
axis.plot(np.log2(noted_by_keras), "--", color=plots.BLACK, label="Keras's")
axis.set(xlabel="step", ylabel="scale (power of two)")
axis.legend()
axis.set_title("The scale comes down fast, and goes up slowly")
plots.show(
    fig,
    alt="""The scale against steps. It falls from two to the 60 by a power of two at each step, for about twenty steps, and
    then goes up by single powers of two, every twenty steps. Your rule's line and Keras's lie on each other.""",
)

# %% tags=["demo", "nbval-check-output"]
powers = np.log2([noted, noted_by_keras]).astype(int)
results.table(
    ("steps of 120 with the same scale", int(np.sum(powers[0] == powers[1])), (100, 120)),
    ("your last scale, as a power of two", int(powers[0][-1]), (39, 43)),
    ("Keras's", int(powers[1][-1]), (39, 43)),
)

# %% [markdown]
# Each step with an infinite gradient is skipped and halves the scale. After twenty good steps in a row it doubles. Here it
# goes up, since gradients become smaller as the network learns; should it go too far, one skipped step brings it back.
# Keras waits for 2,000 good steps unless told otherwise, so a skipped step now and then costs next to nothing.

# %% [markdown]
# ## A step of your own has to scale its loss
#
# A `LossScaleOptimizer` divides gradients by the scale, skips bad steps and adapts. It does not multiply the loss: `fit`
# does. A training step that you write yourself must do it, and nothing complains if it does not. Own steps are common:
# models with two networks, or with a loss that needs more than predictions and targets, cannot be trained without one.
#
# ### Exercise 5: a training step
#
# Complete `train_step(model, x, y)` for a compiled `model`: one step of `model.optimizer` on the mean squared error of
# the batch. `x` has shape (batch, inputs), `y` and the model's answers (batch, 1).
#
# - The model answers as in training: `Dropout` drops.
# - `optimizer.scale_loss(loss)` returns the scaled loss, or the loss itself if the optimizer is not wrapped; differentiate
#   that. `optimizer.apply(gradients, variables)` does the rest.
# - Return the model and the loss before the step, *not* scaled, as a number.


# %%
def line_model(optimizer, dropout=0.0, policy="float32"):
    """Three numbers to one, compiled, with 16 neurons between them."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    inputs = keras.Input((3,))
    hidden = layers.Dropout(dropout)(layers.Dense(16, activation="tanh")(inputs))
    model = keras.Model(inputs, layers.Dense(1, dtype="float32")(hidden))
    model.compile(optimizer, "mse", jit_compile=False)
    keras.config.set_dtype_policy("float32")
    model.optimizer.build(model.trainable_variables)
    return model


# %% grade_id="train_step" solution=true
def train_step(model, x, y):
    """The model after one step, and the unscaled loss before it."""
    ### BEGIN SOLUTION
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        scaled = model.optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled, model.trainable_variables)
    model.optimizer.apply(gradients, model.trainable_variables)
    return model, float(loss)
    ### END SOLUTION


# %% grade_id="train_step_plain" points=1
rng = np.random.default_rng(1)
x, y = (rng.normal(size=(32, size)).astype("float32") for size in (3, 1))
old = line_model(keras.optimizers.SGD(0.1))
before = [weight.numpy() for weight in old.weights]
want = float(np.mean((old(x).numpy() - y) ** 2))
result = train_step(line_model(keras.optimizers.SGD(0.1)), x, y)
assert len(result) == 2, f"Return the model and the loss; got {len(result)} values."
assert np.isclose(float(result[1]), want, rtol=1e-3), (
    f"The loss is {want:.4f}, a mean over the batch; got {result[1]}."
)
moved = [np.abs(a - b.numpy()).max() for a, b in zip(before, result[0].weights)]
assert min(moved) > 1e-7, (
    f"{sum(m <= 1e-7 for m in moved)} of {len(before)} weight arrays have not moved."
)

# %% grade_id="train_step_wrapped" points=1
x, y = (np.random.default_rng(n).normal(size=(20, n)).astype("float32") for n in (3, 1))
plain, _ = train_step(line_model(keras.optimizers.SGD(0.1)), x, y)
wrapped = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), 512.0)
scaled, loss = train_step(line_model(wrapped), x, y)
start = line_model(keras.optimizers.SGD(0.1)).get_weights()
steps = [
    np.concatenate([(a - b).ravel() for a, b in zip(model.get_weights(), start)])
    for model in (plain, scaled)
]
lengths = [float(np.linalg.norm(step)) for step in steps]
assert lengths[0] > 0.01, (
    f"A step of SGD at a rate of 0.1 has the length {lengths[0]:.6f}: too short."
)
apart = float(np.linalg.norm(steps[0] - steps[1])) / lengths[0]
assert apart < 0.01, (
    f"With and without loss scaling a step should be the same; with a scale of 512 it has the length {lengths[1]:.6f}, "
    f"without one {lengths[0]:.6f}."
)

# %% grade_id="train_step_scaled" points=2
# Hidden tests: wrapped and plain optimizers, whatever the scale, have to arrive at the same weights.
### BEGIN HIDDEN TESTS
for kind, make in {"plain": keras.optimizers.RMSprop, "wrapped": keras.optimizers.SGD}.items():
    x, y = (np.random.default_rng(n).normal(size=(32, n)).astype("float32") for n in (3, 1))
    reference = line_model(make(0.05))
    before = [weight.numpy() for weight in reference.weights]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((reference(x) - y) ** 2)
    slopes = tape.gradient(loss, reference.trainable_variables)
    reference.optimizer.apply(slopes, reference.trainable_variables)
    steps = [new.numpy() - old for new, old in zip(reference.weights, before)]
    optimizer = make(0.05)
    if kind == "wrapped":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, 2.0**10)
    model, value = train_step(line_model(optimizer), x, y)
    moves = [new.numpy() - old for new, old in zip(model.weights, before)]
    off = sum(np.sum((a - b) ** 2) for a, b in zip(moves, steps)) ** 0.5
    off /= sum(np.sum(step**2) for step in steps) ** 0.5
    assert off < 0.01, (
        f"{kind} {make.__name__}: the step is off by {off:.1%} of its length. Loss and gradients meet the scale once "
        "each: which of the two does the optimizer see to?"
    )
    want = float(loss)
    assert np.isclose(value, want, rtol=1e-3), f"{kind}: the loss is {want:.4f}, not {value:.4f}."
### END HIDDEN TESTS

# %% grade_id="train_step_overflow" points=1
# Hidden tests: a scale so large that gradients overflow, where the step has to be skipped; and dropout.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(3)
x, y = (rng.normal(0, 10, (32, size)).astype("float32") for size in (3, 1))
start = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05), 2.0**127)
model = line_model(start)
before = [weight.numpy() for weight in model.weights]
want = float(np.mean((model(x).numpy() - y) ** 2))
model, value = train_step(model, x, y)
moved = sum(not np.array_equal(old, new.numpy()) for old, new in zip(before, model.weights))
assert moved == 0, (
    f"With a scale of 2^127 all gradients are infinite, and the step has to be skipped: {moved} weight arrays have "
    "changed. Does the wrapped optimizer get to see the gradients of the scaled loss, as they are?"
)
assert np.isclose(value, want, rtol=1e-3), (
    f"With a scale of 2^127 the loss that is not scaled is still {want:.2f}; you return {value:.2f}."
)
model = line_model(keras.optimizers.SGD(0.05), dropout=0.8)
calm = float(np.mean((model(x, training=False).numpy() - y) ** 2))
_, value = train_step(model, x, y)
assert abs(value / calm - 1) > 1e-5, (
    f"With Dropout(0.8) the loss is {value:.4f}, which is what it is without dropout. Does the model know that it trains?"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The loss is not scaled, but a wrapped optimizer divides by the scale: its steps are 32,768 times too small.
def train_step(model, x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    model.optimizer.apply(gradients, model.trainable_variables)
    return model, float(loss)


# %% tags=["misconception"]
# The loss that is returned is the scaled one.
def train_step(model, x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        loss = model.optimizer.scale_loss(loss)
    gradients = tape.gradient(loss, model.trainable_variables)
    model.optimizer.apply(gradients, model.trainable_variables)
    return model, float(loss)


# %% tags=["misconception"]
# This sums the squared errors instead of taking their mean, so the step grows with the batch.
def train_step(model, x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((model(x, training=True) - y) ** 2)
        scaled = model.optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled, model.trainable_variables)
    model.optimizer.apply(gradients, model.trainable_variables)
    return model, float(loss) / len(x)


# %% tags=["misconception"]
# The optimizer inside the wrapper takes the step: nothing is scaled, so float16 would lose it, and no bad step skipped.
def train_step(model, x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    inner.apply(gradients, model.trainable_variables)
    return model, float(loss)


# %% tags=["misconception"]
# The loss is multiplied by the scale that Keras starts with, but a scale adapts: ask the optimizer for it.
def train_step(model, x, y):
    factor = 2.0**15 if hasattr(model.optimizer, "inner_optimizer") else 1.0
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        scaled = factor * loss
    gradients = tape.gradient(scaled, model.trainable_variables)
    model.optimizer.apply(gradients, model.trainable_variables)
    return model, float(loss)


# %% tags=["misconception"]
# The model is told that it does not train, so dropout drops nothing.
def train_step(model, x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=False) - y) ** 2)
        scaled = model.optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled, model.trainable_variables)
    model.optimizer.apply(gradients, model.trainable_variables)
    return model, float(loss)


# %% tags=["misconception"]
# The loss is that after the step, and not that before it.
def train_step(model, x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        scaled = model.optimizer.scale_loss(loss)
    gradients = tape.gradient(scaled, model.trainable_variables)
    model.optimizer.apply(gradients, model.trainable_variables)
    return model, float(tf.reduce_mean((model(x, training=True) - y) ** 2))


# %% tags=["alternative"]
# Uses Keras's loss function and the older way to apply gradients.
def train_step(model, x, y):
    with tf.GradientTape() as tape:
        loss = keras.losses.MeanSquaredError()(y, model(x, training=True))
        scaled = model.optimizer.scale_loss(loss)
    variables = model.trainable_variables
    model.optimizer.apply_gradients(zip(tape.gradient(scaled, variables), variables))
    return model, loss.numpy().item()


# %% tags=["alternative"]
# Lets Keras make the step, which scales the loss by itself, and forgets the losses of earlier steps.
def train_step(model, x, y):
    model.reset_metrics()
    return model, float(model.train_on_batch(x, y))


# %% [markdown]
# Now 100 steps in real float16: your step, and one that forgets to scale, each with SGD and with Adam. The task could not
# be easier: $y = x_1 - 2 x_2 + 3 x_3$. *What will the second loss look like? And the fourth?*

# %% tags=["demo"]
train_step = fallbacks.choose(train_step, ours.train_step, ours.train_step_works)


def forgetful_step(model, x, y):
    """A step as one writes it for float32."""
    with tf.GradientTape() as tape:
        error = tf.reduce_mean((model(x, training=True) - y) ** 2)
    slopes = tape.gradient(error, model.trainable_weights)
    model.optimizer.apply(slopes, model.trainable_weights)
    return model, float(error)


rng = np.random.default_rng(SEED)
x = rng.normal(size=(256, 3)).astype("float32")
y = x @ np.array([[1.0], [-2.0], [3.0]], "float32")
losses = {}
for step, verb in [(train_step, "scaled"), (forgetful_step, "forgotten")]:
    for make in (keras.optimizers.SGD, keras.optimizers.Adam):
        model = line_model(make(0.1), policy="mixed_float16")
        name = f"{make.__name__}, {verb}"
        losses[name] = [step(model, x, y)[1] for _ in range(100)]

# %% tags=["demo", "nbval-check-output"]
print("mean squared error after 100 steps, % of that before the first")
limits = dict(zip(losses, [(0, 16), (0, 0.16), (99.67, 99.81), (0, 0.11)]))
results.table(
    *((name, 100 * values[-1] / values[0], limits[name]) for name, values in losses.items()),
    before=[f"{values[0]:.2f}" for values in losses.values()],
    after=[f"{values[-1]:.3f}" for values in losses.values()],
)

# %% [markdown]
# SGD that forgets goes down, by a quarter of a percent, and looks like a hard problem. It is a learning rate divided by
# 32,768, which nobody asked for. Adam divides each step by the gradients' size and hides the mistake: it learns as well
# as with scaling here. It would show where gradients become zero, as in the drawing network.

# %% [markdown]
# ## Which machine, then
#
# The work is multiplying matrices, and the numbers of the result can be computed side by side. **GPUs** have thousands of
# units for that; NVIDIA's, programmed through CUDA, are supported best. One buys them, or rents them by the hour (AWS,
# Google Cloud, Azure). Google's TPUs serve the same purpose, and edge chips in phones and cameras answer alone.
#
# But a peak needs to be fed. A dense layer with $n$ inputs and outputs does $2 B n^2$ FLOPs on a batch of $B$, and must
# fetch its $n^2$ weights, besides what goes in and out. If FLOPs for each byte fetched, the **arithmetic intensity**,
# are few, memory is the limit. *What part of a GPU's peak can one example at a time use?*

# %% tags=["demo", "nbval-check-output"]
# Peak in 16 bits (TFLOPS) and memory (TB/s) from data sheets, rounded; the laptop's are assumed.
MACHINES = {"laptop CPU": (0.3, 0.05), "T4": (65, 0.32), "A100": (312, 2.0), "H100": (989, 3.35)}


def reachable(batch, peak, bandwidth, n=4096, size=2):
    """The share of its peak that a machine can reach in a dense layer."""
    intensity = 2 * batch * n**2 / (size * (n**2 + 2 * batch * n))
    return np.minimum(1, intensity * bandwidth / peak)


for name, machine in MACHINES.items():
    one, many = reachable(np.array([1, 512]), *machine)
    print(f"{name:11} one example {one:6.1%}, 512 at once {many:6.1%}")

# %% [markdown]
# Of a GPU's, below one percent: it waits for weights. Next, a dense layer on your machine.

# %% tags=["demo"]
tried_batches = np.array([1, 4, 16, 64, 256])
speeds = {
    kind: [product_speed(kind, int(batch), 1024) for batch in tried_batches]
    for kind in ("float32", "bfloat16")
}

# %% tags=["demo"]
fig, (left, right_axis) = plt.subplots(1, 2, figsize=(6.4, 3.4))
sizes = 2.0 ** np.arange(13)
for (name, machine), style, color in zip(MACHINES.items(), ["-", "--", "-.", ":"], plots.PALETTE):
    left.plot(sizes, 100 * reachable(sizes, *machine), ls=style, color=color, label=name)
left.set(xscale="log", xlabel="batch size", ylabel="reachable (% of peak)", title="Computed")
fig.legend(ncols=4, loc="outside lower center", fontsize=9)
for (kind, values), marker in zip(speeds.items(), "os"):
    right_axis.plot(tried_batches, values, marker=marker, label=kind)
right_axis.set(xscale="log", xlabel="batch size", ylabel="GFLOPs a second", title="Measured here")
right_axis.set_ylim(0, None)
right_axis.legend(fontsize=9)
fig.suptitle("One example at a time leaves a machine idle", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Left, the share of peak that four machines can reach against batch size: near zero at a batch of one for
    the GPUs, all of it at some hundreds, the laptop much earlier. Right, the measured speed of a dense layer
    on this machine, in float32 and in bfloat16: slowest at a batch of one.""",
)

# %% tags=["demo"]
gain = {kind: values[-1] / values[0] for kind, values in speeds.items()}
results.table(
    ("float32, speed at 256 over that at 1", gain["float32"], (7, 50)),
    ("bfloat16, speed at 256 over that at 1", gain["bfloat16"], (30, 100)),
    over="8 runs of ours",
)

# %% [markdown]
# So a GPU is for large batches, in training or when many users ask at once. For one at a time, a CPU with a good library
# or an edge chip can be cheaper: look at the laptop's row.
#
# ### The machine may be waiting for data
#
# Before buying, see whether what you have is busy. Here a device computes 20 milliseconds on each batch, and the pictures
# come from a disk that takes 40 to read one. Both are simulated by waiting, so that what the remedies do can be seen on
# any machine. `tf.data` can **prefetch** batches while the device computes; read several batches at once; and **cache**
# what it has read. *Which of the three helps, and by how much?* You can work it out: for an epoch the device needs a time
# of 1, the disk 2.

# %% tags=["demo"]
reads = []


def read(number):
    """The pictures and labels of a batch of 32, from a slow disk."""
    reads.append(int(number))
    time.sleep(0.04)
    rows = slice(32 * number, 32 * number + 32)
    return pixels["train"][rows], labels["train"][rows]


def pipeline(parallel=None, cache=False, prefetch=False):
    """Sixteen batches of 32 pictures."""
    data = tf.data.Dataset.range(16).map(
        lambda number: tf.numpy_function(read, [number], (tf.float32, tf.int64)), parallel
    )
    data = data.cache() if cache else data
    options = tf.data.Options()  # without them TensorFlow adds a prefetch by itself
    options.experimental_optimization.inject_prefetch = False
    return (data.prefetch(4) if prefetch else data).with_options(options)


# %% tags=["demo"]
ways = {
    "one by one": {},
    "+ prefetch": {"prefetch": True},
    "+ 4 at once": {"prefetch": True, "parallel": 4},
    "+ cache": {"prefetch": True, "parallel": 4, "cache": True},
}
took, counts = {}, {}
for name, options in ways.items():
    data = pipeline(**options)
    reads.clear()
    start = time.perf_counter()
    for _ in range(2):  # epochs
        for _batch in data:
            time.sleep(0.02)  # the device computes, and the CPU waits for it
    took[name], counts[name] = (time.perf_counter() - start) / (2 * 16 * 0.02), len(reads)

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 2.8))
bars = axis.barh(list(took), list(took.values()), color=plots.BLUE)
axis.bar_label(bars, fmt="%.1f", padding=3)
axis.axvline(1, color=plots.BLACK, ls=":")
axis.invert_yaxis()
axis.set(xlabel="time for two epochs, measured here; 1 is computing alone", xlim=(0, 1.15 * max(took.values())))  # fmt: skip
axis.set_title("Waiting for the disk, until reading is arranged")
plots.show(
    fig,
    alt="""Bars of the time for two epochs, in units of the time that computing alone takes: reading one by one takes
    longest, about three units; with prefetching it is about two, and with four at once or a cache it comes near one.""",
)

# %% tags=["demo"]
limits = dict(zip(took, [(3, 4), (2, 4.5), (1, 2.2), (1, 2)]))
results.table(
    *((name, took[name], limits[name]) for name in took),
    over="8 runs of ours",
    batches_read=[counts[name] for name in took],
)

# %% [markdown]
# One by one, the times add up: 3. Prefetching reads while the device computes, so that only the longer of the two counts:
# 2, and no less, because the disk is still the slower. Reading four batches at once makes the disk the faster, and the
# device is busy at last. A cache then saves little more time, but half of the reads: all from the second epoch on. In some
# of our runs the machine had other work to do; on an idle one the four times are near 3, 2, 1 and 1. Nothing holds this
# table to its range. Which remedy helps depends on what is waiting for what, so measure first.
#
# TensorFlow adds a prefetch by itself to a pipeline without one. We switched that off, or the first two bars would be
# equal. Nobody adds the other two for you.
#
# `course doctor`, in a terminal, says what your machine has. The course chooses a policy by it:

# %% tags=["demo"]
print(precision.choose("auto", precision.find_device()))

# %% tags=["demo", "nbval-check-output"]
for device in (precision.Device("GPU", "A100", (8, 0)), precision.Device("CPU", "CPU")):
    print(device.name, "→", precision.choose("auto", device).policy)

# %% [markdown]
# One choice for all GPUs: tensor cores before the A100's know no bfloat16.
#
# ## Whom the bill keeps out
#
# One run of a large model costs millions of dollars, and no laboratory gets it right the first time. So a few firms
# decide which languages such models speak and what they refuse, and others rent the result.
#
# The largest saving comes last: no network. *On these digits, what does logistic regression cost, and give up?*

# %% tags=["demo", "nbval-check-output"]
from sklearn.linear_model import LogisticRegression

line = LogisticRegression(max_iter=1000)
line.fit(pixels["train"][learning], labels["train"][learning])
on_line = 100 * line.score(pixels["test"], labels["test"])
reader = readers["float32"][0]
print("test digits read rightly, %")
results.table(
    ("network", right["float32"], (93.0, 100)),
    ("logistic regression", on_line, (95.5, 98.9)),
    ("network less logistic regression, points", right["float32"] - on_line, (-3.6, 3.3)),
    parameters=[reader.count_params(), 650, None],
    multiply_adds=[multiply_adds(reader), 640, None],
)

# %% [markdown]
# A tenth of the work, and next to nothing given up: over the seeds now the network is ahead, now the straight line, and on
# average they are level to a few tenths of a point. A network has to earn its bill. Two habits help to find out: **count before you run, and report what it took**,
# machine, hours and kilowatt hours, beside the accuracy.

# %% [markdown]
# ## At full size
#
# `cifar10` has 60,000 photographs of 32 × 32 pixels in ten classes. The cells below train a network on them that is made
# of this lesson's layers: dense layers that look at each of 64 squares, and dense layers that look *across* the squares,
# in turn. It is called MLP-Mixer (Tolstikhin and others, 2021). They need
#
# - the data set: 160 MB to fetch by `course download cifar10`. Without it the first cell says so, and the others do
#   nothing;
# - a GPU, where `course.setup` chooses float16. The second cell prints, by your own `multiply_adds` and the `bill` above,
#   what the training costs before it starts. On a CPU set `WIDTH, BLOCKS, EPOCHS = 64, 4, 3`.
#
# What is new in it: `Rescaling` maps pixels to −1 to 1; `RandomFlip` and `RandomTranslation` mirror and shift the
# pictures in training; `Reshape` and `Permute` order the same numbers anew, here pixels into squares, and squares into
# the last place and back; `LayerNormalization` brings each row of numbers to mean 0 and spread 1; `layers.add` adds
# what a block computes to what came in; GELU is a ReLU with a round corner; `GlobalAveragePooling1D` takes the mean
# over the squares; and `AdamW` is Adam that also makes the weights a little smaller at every step.
#
# What to expect: Lin, Memisevic and Konda (2015) report about 70 % for networks of dense layers that look at the whole
# picture, and 78 % with shifted and turned pictures in training; networks made for pictures read well over 90 %. We have
# not trained this one at full size; only its code has been run, on small data.

# %% tags=["full-size"]
course.setup(seed=0, precision="auto")
WIDTH, ACROSS, BLOCKS, BATCH, EPOCHS = 256, 128, 8, 256, 60
try:
    photographs = datasets.load("cifar10", split=["train[:90%]", "train[90%:]", "test"])
except datasets.DatasetNotDownloadedError as error:
    photographs = None
    print(error)


# %% tags=["full-size"]
def mixer():
    """Photographs (32, 32, 3) of uint8 to ten float32 logits, by dense layers alone."""
    pictures = keras.Input((32, 32, 3), dtype="uint8")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32")(pictures)
    x = layers.RandomFlip("horizontal", dtype="float32")(x)
    x = layers.RandomTranslation(0.1, 0.1, fill_mode="constant", dtype="float32")(x)
    x = layers.Permute((1, 3, 2, 4))(layers.Reshape((8, 4, 8, 12))(x))  # rows of squares first
    x = layers.Dense(WIDTH)(layers.Reshape((64, 48))(x))
    for _ in range(BLOCKS):
        y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
        y = layers.Dense(64)(layers.Dense(ACROSS, activation="gelu")(y))
        x = layers.add([x, layers.Permute((2, 1))(y)])
        y = layers.Dense(4 * WIDTH, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.add([x, layers.Dropout(0.1)(layers.Dense(WIDTH)(y))])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(pictures, layers.Dense(10, dtype="float32")(x))


if photographs is not None:
    large_mixer = mixer()
    work = 3 * 2 * multiply_adds(large_mixer) * 45_000 * EPOCHS
    for name, peak, share, watts in [("an A100", 312e12, 0.2, 400), ("two cores", 1e11, 0.3, 30)]:
        hours, energy, _ = bill(work, peak, share, watts)
        print(f"{EPOCHS} epochs on {name}: {hours:.2f} hours, {energy:.2f} kWh")

# %% tags=["full-size"]
if photographs is not None:
    learn, hold, ask = (
        rows.map(lambda row: (row["image"], row["label"])).cache() for rows in photographs
    )
    learn = learn.shuffle(50_000, seed=0).batch(BATCH).prefetch(2)
    hold, ask = hold.batch(BATCH).prefetch(2), ask.batch(BATCH).prefetch(2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.05)
    large_mixer.compile(optimizer, loss, metrics=["accuracy"])
    checkpoint = datasets.data_dir().parent / "checkpoints" / "cifar10.weights.h5"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=3),
        keras.callbacks.EarlyStopping(patience=8),
        keras.callbacks.ModelCheckpoint(checkpoint, save_best_only=True, save_weights_only=True),
    ]
    start = time.perf_counter()
    mixer_history = large_mixer.fit(
        learn, validation_data=hold, epochs=EPOCHS, shuffle=False, callbacks=callbacks, verbose=2
    )
    seconds = time.perf_counter() - start

# %% [markdown]
# The measures of this lesson beside the accuracy: the FLOPs a second that your device reached, which you can hold against
# its peak.

# %% tags=["full-size"]
if photographs is not None:
    large_mixer.load_weights(checkpoint)
    score = large_mixer.evaluate(ask, verbose=0)[1]
    done = work / EPOCHS * len(mixer_history.history["loss"])
    print(f"{large_mixer.count_params():,} parameters: {score:.1%} of the test photographs right")
    print(f"{seconds / 3600:.2f} hours at {done / seconds / 1e12:.2f} · 10¹² FLOPs a second")
    fig, axis = plt.subplots()
    for name, key in (("training, with shifts", "loss"), ("validation", "val_loss")):
        axis.plot(mixer_history.history[key], label=name)
    axis.set(title="Photographs read by dense layers", xlabel="epoch", ylabel="cross-entropy")
    axis.legend()
    plots.show(fig, alt="Loss of the mixer over its epochs, on training and validation pictures.")

# %% [markdown]
# ## Where to go on
#
# **Try it.** (1) Make `PHOTOGRAPHS` a thousand times smaller: does float16 learn without scaling? (2) Keep the *weights*
# in bfloat16 in `build_classifier` (the policy `"bfloat16"`) and train with a rate a hundred times smaller: when do the
# updates stop? (3) Make the disk as fast as the network, or half as slow: which remedy helps now?
#
# To read: Micikevicius and others (2018), *Mixed precision training* (ICLR); Touvron and others (2023), *Llama 2*, for
# hours and carbon; Williams, Waterman and Patterson (2009), *Roofline*; Tolstikhin and others (2021), *MLP-Mixer*; Lin,
# Memisevic and Konda (2015), *How far can we go without convolution*; TensorFlow's guide *Mixed precision*.
