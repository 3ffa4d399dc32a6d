# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Precision and hardware
#     summary: You count what a network costs before you run it, in multiplications, bytes and kilowatt hours, train one in 16-bit numbers until nothing moves, and find out why.
#     part: I Foundations
#     minutes: 75
#     minutes_reading: 13
#     objectives:
#     - count a network's multiplications and the memory that its training takes, without running it
#     - turn both into hours, kilowatt hours and a machine that is large enough
#     - say what float32, float16 and bfloat16 can hold, and which gradients each of them loses
#     - build and train a Keras model in mixed precision, with a loss that is scaled where it must be
#     - measure where the time of a training step goes on the machine at hand
#     datasets: [digits]
#     full_size: [cifar10]
#     needs: [01_neurons_and_layers]
#     mirrors:
#       "2 The current limitations of Deep Learning": "What stands in the way"
#       "2 The current limitations of Deep Learning: Computing resources": "A phone can answer, and cannot train"
#       "3 Challenges and Limitations: Computational Cost": "From multiplications to kilowatt hours"
#       "3 FAQ: What hardware is needed for deep learning?": "Which machine, then"
#     built: a count of a network's multiply-adds and of its largest batch, a loss scale that adapts, a classifier under a mixed dtype policy, and a training step that scales its loss
#     terms:
#       "type (of a number)": "What each bit of a number means: a sign, an exponent and a fraction."
#       "multiply-add": A multiplication whose product is added to a sum, of which nearly all work of a network consists.
#       "FLOP": A floating-point operation; a multiply-add is two.
#       "activations (of a network)": What all layers put out for a batch, which the way back needs and which fills the memory in training.
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
#     explains: [CosineDecay, Flatten, attention, autoencoder, convolution, language model, pooling, token]
# ---

# %% [markdown]
# # Precision and hardware
#
# A network is multiplications, millions for each example, and each takes time, memory and electricity. How much, and
# can one know before starting? And why do people train with numbers that cannot tell 256 from 257?
#
# You will count a network's cost without running it, compare the count with this machine, train in 16 bits until
# nothing moves, and mend it. About 13 minutes to read and run, 75 with the five exercises.

# %%
import course

course.setup(seed=0, precision="float32")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from course import datasets, models, plots, precision

BFLOAT16 = tf.bfloat16.as_numpy_dtype  # NumPy has none of its own

# %% [markdown]
# A **type** says what each bit of a number means. In the three of this lesson: a sign, an **exponent**, the power of
# two that the number lies at, and a **fraction**, its digits.

# %% tags=["demo"]
import matplotlib.pyplot as plt

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
# Three limits are named again and again. Deep learning learns mostly from examples that people have chosen and
# labelled (lesson 19 asks for less). Far from what it has seen, it fails (lesson 04). And the best-known models take
# so much computing that few own the machines: one rents them, over the network. The third can be worked out with a
# pencil.

# %% [markdown]
# ## Counting before running
#
# Nearly all work is **multiply-adds**: multiply two numbers, add the product to a sum. A `Conv2D` layer (lesson 07)
# moves **filters**, small squares of weights, over a picture: at each place each filter multiplies what lies under it
# by its weights and adds up. For one example,
#
# $$\text{Dense: } n\,m \qquad \text{Conv2D: } h\,w\,(k^2 c f)$$
#
# $n$ inputs, $m$ outputs; $k$ is a filter's side, $c$ the channels that come in (three colours, say), $f$ the filters,
# together the **kernel**, and $h\,w$ the places of the *output*. Two more layers go with it and cost next to nothing:
# `MaxPooling2D` keeps the largest number of each small square of the picture, and `Flatten` makes one row of numbers of
# the picture, so that a dense layer can read it.
#
# *In the network below, which layer has most of the weights, and which most of the work?*


# %% tags=["demo"]
def small_network():
    """Pictures (32, 32, 3) to ten logits: two convolutions, two dense layers."""
    inputs = keras.Input((32, 32, 3))
    maps = layers.Conv2D(16, 3, padding="same", activation="relu", name="conv_1")(inputs)
    maps = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu", name="conv_2")(maps)
    maps = layers.MaxPooling2D(2)(maps)
    hidden = layers.Dense(256, activation="relu", name="dense_1")(layers.Flatten()(maps))
    return keras.Model(inputs, layers.Dense(10, name="dense_2")(hidden))


network = small_network()

# %% [markdown]
# TensorFlow counts too, in floating-point operations, **FLOPs**: two for a multiply-add, and a few for all else.


# %% tags=["demo"]
def flops(function, shape):
    """What TensorFlow counts for one call with an array of this shape."""
    graph = tf.function(function).get_concrete_function(tf.TensorSpec(shape)).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


named = [network.get_layer(name) for name in ("conv_1", "conv_2", "dense_1", "dense_2")]
up_to = [flops(keras.Model(network.input, layer.output), (1, 32, 32, 3)) for layer in named]
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
axis.set_xticks(range(4), [layer.name.replace("_", " ") for layer in named])
axis.set(ylabel="share (%)", ylim=(0, 112))
axis.legend()
axis.set_title("The work is not where the weights are")
plots.show(
    fig,
    alt="""Bars for four layers. The first dense layer holds 99 percent of the weights and does a quarter of the work.
    The two convolutions hold one percent of the weights and do three quarters of it.""",
)

# %% tags=["demo", "nbval-check-output"]
print("weights in convolutions, below 5 %:", weights[:2].sum() < 0.05 * weights.sum())
print("work in convolutions, above 70 %:", work[:2].sum() > 0.7 * work.sum())

# %% [markdown]
# A filter's weights work again at every place, a dense layer's once.
#
# ### Exercise 1: count it yourself
#
# Complete `multiply_adds(model)`: the multiply-adds for one example, an integer. `Conv2D` and `Dense` layers count (a
# `Dense` layer gets one row of numbers an example); biases and other layers cost nothing. `layer.kernel.shape` is (k,
# k, c, f) or (inputs, outputs); `layer.output.shape` begins with the batch, whose size is `None`.


# %% grade_id="multiply_adds" solution=true
def multiply_adds(model):
    """Multiply-adds of the model's Conv2D and Dense layers for one example."""
    ### BEGIN SOLUTION
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Dense):
            places = np.prod(layer.output.shape[1:-1], dtype=int)
            total += int(places * np.prod(layer.kernel.shape))
    return total
    ### END SOLUTION


# %% grade_id="multiply_adds_by_hand" points=1
tried = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(2, 3)])
tried.add(layers.GlobalAveragePooling2D())
tried.add(layers.Dense(3))
count = multiply_adds(tried)
assert count == 4 * 4 * (3 * 3 * 1 * 2) + 2 * 3, (
    f"Expected 294 and got {count}: the kernel of 3 x 3 has 4 x 4 places in a picture of 6 x 6, with 18 "
    "multiply-adds each, and the dense layer turns 2 numbers into 3."
)

# %% grade_id="multiply_adds_any" points=2
# Hidden tests: strides, padding, kernels that are not square, several channels, layers that cost nothing.
### BEGIN HIDDEN TESTS
for kernel, strides, padding, places in [
    (3, 2, "same", 5 * 6),
    ((2, 5), (1, 3), "valid", 8 * 3),
]:
    inputs = keras.Input((9, 12, 4))
    maps = layers.Conv2D(6, kernel, strides=strides, padding=padding)(layers.Rescaling(2.0)(inputs))
    maps = layers.BatchNormalization()(maps)
    hidden = layers.Dense(7, use_bias=False)(layers.Flatten()(maps))
    model = keras.Model(inputs, layers.Dense(2)(layers.Dropout(0.5)(hidden)))
    size = np.prod(np.broadcast_to(kernel, 2))
    want = places * size * 4 * 6 + places * 6 * 7 + 7 * 2
    got = multiply_adds(model)
    assert got == want, (
        f"Conv2D with kernel {kernel}, strides {strides}, padding {padding!r} on (9, 12, 4), then 7 and 2 dense neurons: "
        f"expected {want:,}, got {got:,}. At how many places of its *output* does the kernel work, and through how "
        "many channels does it reach? Biases and other layers cost nothing here."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# This counts weights. A kernel's weights are used again at every place of the output.
def multiply_adds(model):
    counted = (layers.Conv2D, layers.Dense)
    return sum(int(np.prod(x.kernel.shape)) for x in model.layers if isinstance(x, counted))


# %% tags=["misconception"]
# The kernel is applied at every place of the input, but with strides or without padding there are fewer in the output.
def multiply_adds(model):
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Dense):
            places = np.prod(layer.input.shape[1:-1], dtype=int)
            total += int(places * np.prod(layer.kernel.shape))
    return total


# %% tags=["misconception"]
# A kernel reaches through all channels that come in; here it is counted as if there were one.
def multiply_adds(model):
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            total += int(np.prod(layer.output.shape[1:]) * np.prod(layer.kernel_size))
        elif isinstance(layer, layers.Dense):
            total += int(np.prod(layer.kernel.shape))
    return total


# %% tags=["misconception"]
# Biases are counted as multiply-adds, one more a neuron.
def multiply_adds(model):
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Dense):
            places = np.prod(layer.output.shape[1:-1], dtype=int)
            total += int(places * layer.count_params())
    return total


# %% tags=["misconception"]
# These are floating-point operations, of which a multiply-add is two.
def multiply_adds(model):
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Dense):
            places = np.prod(layer.output.shape[1:-1], dtype=int)
            total += int(2 * places * np.prod(layer.kernel.shape))
    return total


# %% tags=["alternative"]
# Asks of every number that a layer puts out how many products it is the sum of.
def multiply_adds(model):
    total = 0
    for layer in model.layers:
        summed = 0
        if isinstance(layer, layers.Conv2D):
            summed = layer.kernel_size[0] * layer.kernel_size[1] * layer.input.shape[-1]
        elif isinstance(layer, layers.Dense):
            summed = layer.input.shape[-1]
        for size in layer.output.shape[1:]:
            summed *= size if summed else 1
        total += summed
    return total


# %% [markdown]
# ### Training costs about three forward passes
#
# On the way back each layer computes two things, each as much work as its forward pass: the gradient of its weights,
# and that of its inputs, for the layer before.

# %% tags=["demo", "nbval-check-output"]


def learn(pictures):
    """The gradients of all weights, for some loss."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(pictures) ** 2)
    return tape.gradient(loss, network.trainable_variables)


forward, training = (flops(function, (1, 32, 32, 3)) for function in (network, learn))
print(f"forward, millions of FLOPs: {forward / 1e6:.0f}")
print("training, 2.5 to 3.5 times as many:", 2.5 < training / forward < 3.5)

# %% [markdown]
# ## What has to fit into memory
#
# While Adam trains, the usual optimizer, each weight comes with its gradient and two running means, of the gradient
# and of its square: four numbers of 4 bytes. And the way back needs what every layer put out, its **activations**,
# for each example of the batch:
#
# $$\text{bytes} = 16 P + B A s$$
#
# $P$ is the number of weights, $B$ the batch size, $A$ how many numbers all layers put out for one example, $s$ the
# bytes of each: 4 in float32, 2 in the short types. *At a batch of 64, which term is larger?*


# %% tags=["demo", "nbval-check-output"]
def activations(model):
    """Numbers that all layers put out for one example."""
    return sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)


wide = models.cnn((64, 64, 3), 10)  # the course's small network for pictures
wide.compile(keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
wide.optimizer.build(wide.trainable_variables)
means = sum(variable.value.numpy().nbytes for variable in wide.optimizer.variables)
print("Adam keeps, bytes a weight:", round(means / wide.count_params()))
print(f"16 P: {16 * wide.count_params() / 1e6:.1f} MB")
print(f"activations of 64 pictures: {64 * activations(wide) * 4 / 1e6:.0f} MB")

# %% [markdown]
# The weights are next to nothing, says the formula. Train with growing batches, and watch.

# %% tags=["demo"]
import threading
import time

import psutil


def peak_memory(work):
    """Bytes in use at the worst moment of ``work()``: of the GPU if there is one, or else of this process."""
    if tf.config.list_physical_devices("GPU"):
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
rng = np.random.default_rng(0)
batches = [8, 16, 32, 64, 128]
pictures = rng.normal(size=(128, 64, 64, 3)).astype("float32")
wanted = rng.integers(0, 10, 128)
for size in (1, 2):  # compiled here, so that only the batch is measured
    wide.train_on_batch(pictures[:size], wanted[:size])
before = peak_memory(lambda: None)
measured = [
    peak_memory(lambda size=size: wide.train_on_batch(pictures[:size], wanted[:size])) - before
    for size in batches
]

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.2))
formula = 4 * activations(wide) * np.array(batches)
axis.plot(batches, np.array(measured) / 1e6, "o-", color=plots.VERMILION, label="measured here")
axis.plot(batches, formula / 1e6, "s--", color=plots.BLUE, label="formula")
axis.set(xlabel="batch size", ylabel="memory (MB)", ylim=(0, None), xticks=batches[1:])
axis.legend()
axis.set_title("Memory grows with the batch")
plots.show(
    fig,
    alt="""Memory against batch size, a straight line by the formula up to 120 megabytes at a batch of 128. The
    measured memory rises along a straight line too, somewhat steeper.""",
)

# %% [markdown]
# A line, usually steeper than counted: gradients of activations live for a moment too. When memory runs out, halve
# the batch first.
#
# ### Exercise 2: the largest batch
#
# Complete `largest_batch(model, gigabytes, size=4)`: how many examples fit, by the formula. A gigabyte is $10^9$
# bytes, `size` is $s$. A weight that is *not trained* has neither gradient nor means: it takes 4 bytes. Count the
# outputs of all `model.layers`, of which the input is one. Return a whole number, 0 if nothing fits.
# `model.count_params()` and `model.trainable_weights` help.


# %% grade_id="largest_batch" solution=true
def largest_batch(model, gigabytes, size=4):
    """Examples that fit into memory while the model is trained with Adam."""
    ### BEGIN SOLUTION
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    fixed = 16 * trained + 4 * (model.count_params() - trained)
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    return max(int((gigabytes * 1e9 - fixed) // each), 0)
    ### END SOLUTION


# %% grade_id="largest_batch_by_hand" points=1
inputs = keras.Input((100,))
tried = keras.Model(inputs, layers.Dense(50, use_bias=False)(inputs))
got = largest_batch(tried, 0.00014)
assert isinstance(got, int | np.integer), f"Return a whole number; got {type(got).__name__}."
assert got == 100, (
    f"5,000 weights take 80,000 of the 140,000 bytes, an example 4 (100 + 50) = 600, so 100 fit; got {got}."
)

# %% grade_id="largest_batch_any" points=2
# Hidden tests: frozen layers, short activations, one byte too few, too little for a single example.
### BEGIN HIDDEN TESTS
inputs = keras.Input((8, 8, 3))
maps = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(inputs))
model = keras.Model(inputs, layers.Dense(5)(layers.Flatten()(maps)))
numbers = 8 * 8 * 3 + 3 * 8 * 8 * 4 + 5
for frozen, (train, keep) in {False: (112 + 8 + 1285, 8), True: (8 + 1285, 8 + 112)}.items():
    model.layers[1].trainable = not frozen
    fixed = 16 * train + 4 * keep
    size = 2 if frozen else 4
    for examples, spare in [(37, 0.5), (37, -0.5), *([] if frozen else [(-3, 0)])]:
        total = (fixed + size * numbers * examples + spare) / 1e9
        want = max(examples - (spare < 0), 0)
        got = largest_batch(model, total, size)
        assert got == want, (
            f"{train:,} weights trained and {keep} not, {numbers} numbers an example of {size} bytes, memory "
            f"{total * 1e9:,.0f} bytes: expected {want}, got {got}. Which weights carry a gradient and two means, "
            "how many bytes has each kind of number, and what if nothing fits?"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Only the weights themselves are counted, not their gradients and Adam's means.
def largest_batch(model, gigabytes, size=4):
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    return max(int((gigabytes * 1e9 - 4 * model.count_params()) // each), 0)


# %% tags=["misconception"]
# Frozen weights and running statistics are counted as if they had gradients and means.
def largest_batch(model, gigabytes, size=4):
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    return max(int((gigabytes * 1e9 - 16 * model.count_params()) // each), 0)


# %% tags=["misconception"]
# The weights are counted in short numbers too, but their float32 copies stay.
def largest_batch(model, gigabytes, size=4):
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    fixed = 4 * size * trained + size * (model.count_params() - trained)
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    return max(int((gigabytes * 1e9 - fixed) // each), 0)


# %% tags=["misconception"]
# Too little memory gives a negative batch.
def largest_batch(model, gigabytes, size=4):
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    fixed = 16 * trained + 4 * (model.count_params() - trained)
    each = size * sum(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    return int((gigabytes * 1e9 - fixed) // each)


# %% tags=["misconception"]
# Only the network's last outputs are kept; the pass back needs those of every layer.
def largest_batch(model, gigabytes, size=4):
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    fixed = 16 * trained + 4 * (model.count_params() - trained)
    each = size * int(np.prod(model.output.shape[1:]))
    return max(int((gigabytes * 1e9 - fixed) // each), 0)


# %% tags=["alternative"]
# Takes the sizes of weights from their arrays.
def largest_batch(model, gigabytes, size=4):
    left = gigabytes * 1e9
    left -= 16 * sum(weight.numpy().size for weight in model.trainable_weights)
    left -= 4 * sum(weight.numpy().size for weight in model.non_trainable_weights)
    each = 0
    for layer in model.layers:
        each += size * np.prod([side for side in layer.output.shape if side is not None])
    return int(left / each) if left > 0 else 0


# %% [markdown]
# ### A phone can answer, and cannot train
#
# Answering needs the weights and little else. *Can a model with seven billion of them run on a phone with 8 GB?*

# %% tags=["demo", "nbval-check-output"]
print("memory in GB:          float32  16 bits   4 bits   training with Adam")
for name, count in {"ResNet-50": 25.6e6, "7 billion": 7e9, "70 billion": 70e9}.items():
    sizes = [count * width / 1e9 for width in (4, 2, 0.5, 16)]
    print(f"{name:20}" + "".join(f"{size:9,.1f}" for size in sizes[:3]) + f"{sizes[3]:12,.1f}")

# %% [markdown]
# Large models, one often reads, cannot run on a phone or laptop without the network. It depends. Seven billion
# weights take 14 GB in 16 bits, but 3.5 in 4 bits (lesson 28), and phones do run such models. Seventy billion do not
# fit. *Training* seven billion takes more than 100 GB before the first example: so one rents.

# %% [markdown]
# ## From multiplications to kilowatt hours
#
# Time is work divided by speed. Training reaches a part of the **peak** on a machine's data sheet, the
# **utilisation**. Energy is power times time, and what it emits depends on the grid.


# %%
def bill(work, peak, utilisation, watts, kilograms_per_kwh=0.4):
    """Hours, kilowatt hours and kilograms of CO2 for ``work`` FLOPs at ``peak`` FLOPs a second."""
    hours = work / (peak * utilisation) / 3600
    energy = hours * watts / 1000
    return hours, energy, energy * kilograms_per_kwh


# %% [markdown]
# A language model, which writes a text piece by piece, uses each weight once a **token**, such a piece: a word or a part
# of one. That is 2 FLOPs a weight, and three times that in training. Meta
# reports 1,720,320 hours of A100 GPUs for the Llama 2 with 70 billion weights, on 2 · 10¹² tokens. An A100's data
# sheet says 312 · 10¹² FLOPs a second and 400 watts. *Does 6 · weights · tokens lead there?*

# %% tags=["demo", "nbval-check-output"]
for weights_count, published in {7e9: 184_320, 70e9: 1_720_320}.items():
    total = 6 * weights_count * 2e12
    at_peak = bill(total, 312e12, 1, 400)[0]
    print(
        f"{weights_count / 1e9:.0f} billion: {total:.1e} FLOPs, utilisation {at_peak / published:.2f}"
    )
hours, energy, _ = bill(total, 312e12, 0.43, 400)
print(f"at .43: {hours / 1e6:.1f} million GPU hours, {energy / 1000:,.0f} MWh")
print(
    f"weeks on 2,000 GPUs: {hours / 2000 / 24 / 7:.0f}; at 2 dollars an hour: {2 * hours / 1e6:.1f} million"
)
for grid, intensity in {"hydropower": 0.03, "mixed": 0.4, "coal": 0.9}.items():
    print(f"{grid}: {bill(total, 312e12, 0.43, 400, intensity)[2] / 1000:,.0f} tonnes of CO2")

# %% [markdown]
# With a utilisation of .41 to .43 the arithmetic reaches the published hours. Weeks on thousands of GPUs is no figure
# of speech, and the concern about energy is justified; but the same run emits thirty times as much on coal as on
# hydropower. Left out: cooling, making the chips, all runs that failed.
#
# An answer takes 2 FLOPs a weight and token, so after three times as many tokens as in training a model has spent as
# much on answering. *With 100 million users at 1,000 tokens a day, when is that?*

# %% tags=["demo", "nbval-check-output"]
print("answers overtake training after days:", round(3 * 2e12 / (100e6 * 1000)))

# %% [markdown]
# Two months. So deployed models are made smaller, by distillation, pruning and quantization, at some cost in accuracy
# (lesson 28). What comes next costs almost none.

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
# **float16** ends at 65,504; **bfloat16** reaches as far as float32, with two to three digits. *What is 256 + 1 in it? And 1,
# with .0004 added a thousand times?*

# %% tags=["demo", "nbval-check-output"]
print("256 + 1 in bfloat16:", float(BFLOAT16(256) + BFLOAT16(1)))
for kind in (np.float32, BFLOAT16, np.float16):
    total = kind(1)
    for _ in range(1000):
        total += kind(0.0004)
    print(f"{np.dtype(kind).name:9} 1 + 1,000 · .0004 = {float(total):.3f}")
with np.errstate(over="ignore", invalid="ignore"):
    scores = np.array([-1e9, -1e9]).astype(np.float16)
    weights_of_masked = np.exp(scores - scores.max())
print("a row masked with -1e9 in float16:", scores, "softmax:", weights_of_masked)

# %% [markdown]
# Small updates are lost in either short type, so **weights stay in float32**. A mask of −10⁹, by which attention
# (lesson 12: a weighted look at every part of a text) shuts parts out, is minus infinity in float16, and a row that is masked throughout becomes *not a number*. And gradients
# can fall below the smallest number.

# %% [markdown]
# ### A gradient below the smallest number is zero
#
# Take a **mean squared error**, the mean of the squares of all errors, over 32 photographs of 1,024 × 1,024 pixels in three colours: a mean over a hundred
# million numbers $p$ with targets $x$. The gradient of each, $2 (p - x) / 100{,}663{,}296$, is tiny.
#
# In place of such photographs we take digits of 8 × 8. An autoencoder (it redraws its input through a narrow middle;
# lesson 17) learns them, its error divided by that same hundred million, and the learning rate is as many times
# larger: in exact arithmetic nothing changes. All is written by hand, because **a CPU only emulates float16, and a
# Keras network in it takes over a hundred times as long**: `course` refuses it.

# %% tags=["demo", "nbval-check-output"]
try:
    precision.choose("mixed_float16", precision.Device("CPU", "CPU"))
except ValueError as error:
    print(error)

# %% [markdown]
# So we round after every operation in NumPy, much as a GPU's float16 units do.

# %% tags=["demo"]
digits = datasets.arrays("digits", "train", scaled=True)["image"].reshape(-1, 64)
NUMBERS = 32 * 1024 * 1024 * 3


def rounded(values, kind):
    """Values as ``kind`` can hold them, in float32 again."""
    return values.astype(kind).astype(np.float32)


def slopes(weights, x, kind, scale):
    """Gradients of ``scale`` times the loss: for weights, and for the outputs of either layer."""
    first, second = (rounded(weight, kind) for weight in weights)
    hidden = rounded(np.tanh(rounded(x @ first, kind)), kind)
    drawn = rounded(hidden @ second, kind)
    d_drawn = rounded(scale * 2 * (drawn - x) / NUMBERS, kind)
    d_hidden = rounded(rounded(d_drawn @ second.T, kind) * (1 - hidden**2), kind)
    return [rounded(x.T @ d_hidden, kind), rounded(hidden.T @ d_drawn, kind)], (d_drawn, d_hidden)


def fresh_weights(seed=0):
    """64 pixels to 24 numbers and back."""
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 1 / 8, (64, 24)), rng.normal(0, 0.05, (24, 64))]


# %% [markdown]
# Here are these gradients in float32, and where float16 can hold them; near its end it has few digits, then only
# zero. **Loss scaling** multiplies the loss, and so by the chain rule every gradient, by a large number, here
# $2^{24}$; the optimizer divides by it afterwards, in float32. *What will the picture look like?*

# %% tags=["demo", "thumbnail"]
_, parts = slopes(fresh_weights(), digits, np.float32, 1.0)
sizes = np.abs(np.concatenate([part.ravel() for part in parts]))
sizes = np.log2(sizes[sizes > 0])
fig, axis = plt.subplots(figsize=(6.4, 3.4))
bins = np.arange(-50, 18)
share = np.full(len(sizes), 100 / len(sizes))
axis.hist(sizes, bins, weights=share, color=plots.VERMILION, alpha=0.85)
axis.hist(sizes + 24, bins, weights=share, color=plots.BLUE, alpha=0.85)
axis.axvspan(-50, -25, color="#dddddd", zorder=0)
for edge in (-25, -14, 16):
    axis.axvline(edge, color=plots.BLACK, lw=1, ls=":")
top = axis.get_ylim()[1]
axis.set_ylim(0, 1.3 * top)
for place, text in {-37.5: "zero", -19.5: "few digits", 1: "float16 as it should be"}.items():
    axis.text(place, 1.2 * top, text, ha="center")
axis.text(-42, 0.8 * top, "as they are", color=plots.VERMILION, ha="center")
axis.text(8, 0.8 * top, "loss times $2^{24}$", color=plots.BLUE, ha="center")
axis.set(xlim=(-50, 17), xlabel="size of a gradient (power of two)", ylabel="gradients (%)")
axis.set_title("Scaling the loss lifts gradients out of the grey")
plots.show(
    fig,
    alt="""Two histograms of gradient sizes on a logarithmic axis. As they are, all lie left of two to the minus 25, in
    the grey region that float16 rounds to zero. With the loss multiplied by two to the 24 the
    same histogram stands 24 steps further right, where float16 holds numbers with all its digits.""",
)

# %% tags=["demo"]


def error(weights):
    """The mean squared error over all digits, in float32 or better."""
    return np.mean((np.tanh(digits @ weights[0]) @ weights[1] - digits) ** 2)


def train_by_hand(kind, scale=1.0, steps=400, seed=0):
    """Losses of gradient descent computed in ``kind``, the loss multiplied by ``scale``."""
    rng, weights, losses = np.random.default_rng(seed), fresh_weights(seed), []
    for _ in range(steps):
        gradients, _ = slopes(weights, digits[rng.integers(0, len(digits), 128)], kind, scale)
        rate = 0.04 * NUMBERS / 128
        weights = [w - rate * (g / scale) for w, g in zip(weights, gradients)]
        losses.append(error(weights))
    return np.array(losses)


# %% [markdown]
# Keras has an optimizer around an optimizer that takes scaled gradients, divides them, and adapts the scale.

# %% tags=["demo"]


def train_adapting(kind, start, steps=400, seed=0):
    """The same with a scale that Keras adapts: losses, and the scale at each step."""
    rng, losses, scales = np.random.default_rng(seed), [], []
    inner = keras.optimizers.SGD(0.04 * NUMBERS / 128)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, start, dynamic_growth_steps=40)
    weights = [keras.Variable(weight) for weight in fresh_weights(seed)]
    optimizer.build(weights)
    apply = tf.function(lambda *gradients: optimizer.apply(list(gradients), weights))
    for _ in range(steps):
        scales.append(float(optimizer.dynamic_scale))
        now = [weight.numpy() for weight in weights]
        x = digits[rng.integers(0, len(digits), 128)]
        gradients, _ = slopes(now, x, kind, scales[-1])
        apply(*map(tf.constant, gradients))
        losses.append(error([weight.numpy() for weight in weights]))
    return np.array(losses), np.array(scales)


# %% tags=["demo"]
with np.errstate(over="ignore", invalid="ignore"):
    runs = {
        "float32": train_by_hand(np.float32),
        "float16": train_by_hand(np.float16),
        "float16, scaled": train_by_hand(np.float16, 2.0**24),
        "float16, scale 2^40": train_by_hand(np.float16, 2.0**40),
        "bfloat16": train_by_hand(BFLOAT16),
    }
    runs["float16, adapting"], scales = train_adapting(np.float16, 2.0**40)
final = {name: losses[-1] for name, losses in runs.items()}

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: float32 .046 to .059 of where float16 stays; scaled 0 and bfloat16 at most 2.4 % away, adapting -8 to +10 %.
print("float16 never moved:", np.ptp(runs["float16"]) == 0)
print("float32 ends below a tenth of that:", final["float32"] < 0.1 * final["float16"])
for name, margin in {"float16, scaled": 0.1, "bfloat16": 0.1, "float16, adapting": 0.3}.items():
    near = abs(final[name] / final["float32"] - 1) < margin
    print(f"{name}: within {margin:.0%} of float32:", bool(near))
print("scale 2^40, not a number:", np.isnan(final["float16, scale 2^40"]))

# %% [markdown]
# No error, no warning, a loss at every step: without scaling float16 did *nothing*. Scaled, it follows float32.
# bfloat16 needs no scaling, since it has float32's range. And a scale too large makes gradients infinite and the
# weights *not a number*, for ever; the scale that adapts started there too, and came down.
#
# ### Exercise 3: a scale that adapts
#
# Write its rule. Complete `next_scale(scale, good, gradients, wait)`. `gradients` is a list of arrays of any
# shapes, computed from the scaled loss; `good` counts the steps applied since the scale last changed. If any number
# is infinite or not a number, skip the step and halve the scale. Otherwise apply it, and if it is the `wait`-th good
# one, double the scale. Whenever the scale changes, counting starts again at 0. Return `(scale, good, apply)`,
# `apply` being True or False.


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
result = next_scale(8.0, 1, [np.array([np.inf], np.float16)], 3)
assert tuple(result) == (4.0, 0, False), (
    f"An infinite gradient: expected (4.0, 0, False), got {tuple(result)}."
)

# %% grade_id="next_scale_any" points=3
# Hidden tests: not a number, minus infinity, one bad number among many arrays, many steps in a row.
### BEGIN HIDDEN TESTS
for bad in (np.nan, np.inf, -np.inf):
    for place in (0, 2):
        gradients = [np.zeros((2, 3 + extra), np.float16) for extra in range(3)]
        gradients[place][1, 2] = bad
        got = tuple(next_scale(1.0, 5, gradients, 6))
        assert got == (0.5, 0, False), (
            f"Scale 1, one {bad} in array {place + 1} of 3: expected (0.5, 0, False), got {got}. A single bad number "
            "spoils the step, counting starts again, and the scale is halved however small it is."
        )
for wait in (1, 4):
    scale, good = 64.0, 0
    for step in range(1, 9):
        got = tuple(next_scale(scale, good, [np.full(3, -60000, np.float16)], wait))
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
# Dividing with // drops what is behind the point, and a scale of 1 becomes 0.
def next_scale(scale, good, gradients, wait):
    if not all(np.isfinite(gradient).all() for gradient in gradients):
        return scale // 2, 0, False
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


# %% [markdown]
# Keras' scale went down while gradients overflowed, and then up, after every 40 good steps, until they did again.

# %% tags=["demo"]
fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.2))
styles = {"float16": ":", "float32": "-", "float16, scaled": "--", "bfloat16": "-."}
for (name, style), color in zip(styles.items(), plots.PALETTE):
    left.semilogy(runs[name], ls=style, color=color, label=name, lw=2)
left.set(xlabel="step", ylabel="mean squared error", title="Stuck, or together")
left.legend(fontsize=9)
right.plot(np.log2(scales), color=plots.BLUE)
right.set(xlabel="step", ylabel="scale (power of two)", title="A scale finds its place")
plots.show(
    fig,
    alt="""Left, error against steps: float16 without scaling is a flat line, while float32, scaled float16 and bfloat16 fall
    together. Right, the scale that adapts: it falls from two to the 40 within a few steps and then
    goes up and down by single powers of two.""",
)

# %% [markdown]
# ## Keras: short in the middle, long at both ends
#
# A **dtype policy** says in which type a layer keeps its variables, and in which it computes. Under `mixed_bfloat16`
# variables are float32 and multiplications bfloat16; Keras casts in between. *Does every layer of the course's
# network compute in bfloat16?*

# %% tags=["demo", "nbval-check-output"]
keras.config.set_dtype_policy("mixed_bfloat16")
mixed = models.cnn((8, 8, 1), 10)
keras.config.set_dtype_policy("float32")
for layer in mixed.layers[1:]:
    kept = layer.variable_dtype if layer.weights else ""
    print(f"{layer.name.rstrip('_0123456789'):26}{kept:9} computes {layer.compute_dtype}")

# %% [markdown]
# All but the last, made with `dtype="float32"`. Take a network that is sure, by 20 against 0, and wrong:

# %% tags=["demo", "nbval-check-output"]
logits = np.array([20.0, 0.0], np.float32)
probability = np.exp(logits[1]) / np.exp(logits).sum()
with np.errstate(divide="ignore"):
    print("loss from a float32 logit:      ", round(float(np.log1p(np.exp(20.0))), 2))
    print("from a probability in float16:  ", -np.log(np.float16(probability)))
print("logits 20.06 and 20.01 in bfloat16:", *(float(BFLOAT16(z)) for z in (20.06, 20.01)))

# %% [markdown]
# In float16 the probability is zero and the loss infinite; in bfloat16 different logits become the same. Outputs and
# losses are few numbers, and float32 costs nothing there.
#
# ### Exercise 4: the right type in every place
#
# Complete `build_classifier(policy)`, `policy` being one of the three below: an uncompiled model from digits (8, 8,
# 1) to ten logits. All layers between the input and the last one with weights follow the policy, also those without
# weights, and one has 16 neurons or filters or more; variables are always float32. The last layer with weights, and
# whatever comes behind it, computes in float32. Every layer takes an argument `dtype`, which may be a policy's name.
# The global policy stays as it is.

# %%
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


# %% grade_id="build_classifier" solution=true
def build_classifier(policy):
    """Digits (8, 8, 1) to ten float32 logits; hidden layers compute as ``policy`` says."""
    ### BEGIN SOLUTION
    inputs = keras.Input((8, 8, 1))
    maps = layers.Conv2D(16, 3, activation="relu", dtype=policy)(inputs)
    flat = layers.Flatten(dtype=policy)(maps)
    hidden = layers.Dense(32, activation="relu", dtype=policy)(flat)
    return keras.Model(inputs, layers.Dense(10, dtype="float32")(hidden))
    ### END SOLUTION


# %% grade_id="build_classifier_form" points=1
model = build_classifier("mixed_bfloat16")
assert isinstance(model, keras.Model), f"Return a Keras model; got {type(model).__name__}."
shapes = model.input_shape, model.output_shape
assert shapes == ((None, 8, 8, 1), (None, 10)), (
    f"Expected (None, 8, 8, 1) to (None, 10), got {shapes}."
)
assert len([layer for layer in model.layers if layer.weights]) > 1, "There is no hidden layer."
assert all(layer.trainable for layer in model.layers), "A layer is frozen and would never learn."
assert keras.config.dtype_policy().name == "float32", (
    "The global policy has changed, and with it every layer that is made after this one."
)

# %% grade_id="build_classifier_types" points=2
# Hidden tests: what each layer keeps, computes and puts out under the three policies. Nothing is run.
### BEGIN HIDDEN TESTS
for policy, short in zip(POLICIES, ("float32", "bfloat16", "float16")):
    model = build_classifier(policy)
    last = [layer for layer in model.layers if layer.weights][-1]
    for layer in model.layers:
        kept = {str(weight.dtype) for weight in layer.weights}
        assert kept <= {"float32"}, (
            f"{policy}: {layer.name} keeps its variables in {kept}. Small updates would be lost there."
        )
    place = model.layers.index(last)
    for layer in model.layers[:place]:
        assert layer.compute_dtype == short or isinstance(layer, layers.InputLayer), (
            f"{policy}: {layer.name} computes in {layer.compute_dtype}, should be {short}."
        )
    for layer in model.layers[place:]:
        assert layer.compute_dtype == "float32", (
            f"{policy}: {layer.name}, at or behind the last layer with weights, computes in {layer.compute_dtype}. What is rounded there "
            "cannot be brought back by a cast."
        )
    assert model.outputs[0].dtype == "float32", (
        f"{policy}: the output is {model.outputs[0].dtype}, should be float32."
    )
### END HIDDEN TESTS

# %% grade_id="build_classifier_learns" points=1
# Hidden tests: 16 steps on a few pictures in mixed_bfloat16: all weights move, the loss falls, logits are free.
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(0)
upright = np.arange(20) % 2 == 0
images = np.random.default_rng(0).normal(0, 0.1, (20, 8, 8, 1)).astype("float32")
images[upright, :, ::2] += 0.7  # stripes that stand are threes, stripes that lie are eights
images[~upright, ::2] += 0.7
labels = np.where(upright, 3, 8)
model = build_classifier("mixed_bfloat16")
before = [weight.numpy() for weight in model.trainable_variables]
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.02), loss, run_eagerly=True)  # nothing to compile
for _ in range(16):
    model.train_on_batch(images, labels)
pairs = zip(before, model.trainable_variables)
still = sum(np.array_equal(old, new.numpy()) for old, new in pairs)
assert still == 0, f"{still} of {len(before)} weight arrays did not move in 16 steps."
both = [np.asarray(model(images, training=training)) for training in (True, False)]
loss = min(np.mean(np.logaddexp.reduce(z, 1) - z[np.arange(20), labels]) for z in both)
lowest = min(z.min() for z in both)
# Right networks of six kinds, 20 seeds each: loss at most .61, lowest at most -2.6. A softmax: at least 1.461 and 0.
found = f"After 16 steps the loss is {loss:.2f} and the lowest output {lowest:.2f}: are they"
assert loss < 1.2, f"{found} logits? The loss should be below 1.2."
assert lowest < -1.2, f"{found} any number? Some should be below -1.2."
### END HIDDEN TESTS


# %% tags=["misconception"]
# The last layer computes in the short type and only its result is cast: what rounding took does not come back.
def build_classifier(policy):
    inputs = keras.Input((8, 8, 1))
    flat = layers.Flatten(dtype=policy)(inputs)
    hidden = layers.Dense(32, activation="relu", dtype=policy)(flat)
    logits = layers.Dense(10, dtype=policy)(hidden)
    return keras.Model(inputs, layers.Activation("linear", dtype="float32")(logits))


# %% tags=["misconception"]
# Without "mixed_" variables are short too, and small updates to them are lost.
def build_classifier(policy):
    short = policy.removeprefix("mixed_")
    inputs = keras.Input((8, 8, 1))
    flat = layers.Flatten(dtype=short)(inputs)
    hidden = layers.Dense(32, activation="relu", dtype=short)(flat)
    return keras.Model(inputs, layers.Dense(10, dtype="float32")(hidden))


# %% tags=["misconception"]
# The policy goes to one layer and is not inherited by the next: all others compute in float32.
def build_classifier(policy):
    inputs = keras.Input((8, 8, 1), dtype=None)
    flat = layers.Flatten(dtype=policy)(inputs)
    hidden = layers.Dense(32, activation="relu")(flat)
    return keras.Model(inputs, layers.Dense(10)(hidden))


# %% tags=["misconception"]
# The last layer follows the policy as the others do.
def build_classifier(policy):
    inputs = keras.Input((8, 8, 1))
    maps = layers.Conv2D(16, 3, activation="relu", dtype=policy)(inputs)
    return keras.Model(inputs, layers.Dense(10, dtype=policy)(layers.Flatten(dtype=policy)(maps)))


# %% tags=["misconception"]
# The softmax makes probabilities out of the logits.
def build_classifier(policy):
    inputs = keras.Input((8, 8, 1))
    flat = layers.Flatten(dtype=policy)(inputs)
    hidden = layers.Dense(32, activation="relu", dtype=policy)(flat)
    return keras.Model(inputs, layers.Dense(10, "softmax", dtype="float32")(hidden))


# %% tags=["misconception"]
# The last layer has an activation that cuts off negative numbers, and a logit may be any number.
def build_classifier(policy):
    inputs = keras.Input((8, 8, 1))
    flat = layers.Flatten(dtype=policy)(inputs)
    hidden = layers.Dense(32, activation="relu", dtype=policy)(flat)
    return keras.Model(inputs, layers.Dense(10, "relu", dtype="float32")(hidden))


# %% tags=["misconception"]
# Layers without weights are left in float32: what comes between is cast to and fro, and takes twice the memory.
def build_classifier(policy):
    inputs = keras.Input((8, 8, 1))
    maps = layers.ReLU()(layers.Conv2D(16, 3, dtype=policy)(inputs))
    return keras.Model(inputs, layers.Dense(10, dtype="float32")(layers.Flatten()(maps)))


# %% tags=["alternative"]
# A sequential model with policy objects, batch normalisation and a pooling layer.
def build_classifier(policy):
    short = keras.DTypePolicy(policy)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(24, 3, padding="same", dtype=short),
            layers.BatchNormalization(dtype=short),
            layers.ReLU(dtype=short),
            layers.GlobalMaxPooling2D(dtype=short),
            layers.Dense(10, dtype=keras.DTypePolicy("float32")),
        ]
    )


# %% [markdown]
# ### As accurate, and how fast?
#
# The same network on digits under two policies, with a learning rate (the size of the optimizer's steps) that falls to
# zero along a cosine: `CosineDecay`. *Will it be less accurate? Faster, here?*

# %% tags=["demo"]
from course.training import Progress

data = {split: datasets.arrays("digits", split, scaled=True) for split in ("train", "test")}
images = {split: part["image"] for split, part in data.items()}
labels = {split: part["label"] for split, part in data.items()}
accuracy, seconds = {}, {}
for policy in ("float32", "mixed_bfloat16"):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    trained = models.cnn((8, 8, 1), 10)
    keras.config.set_dtype_policy("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = keras.optimizers.schedules.CosineDecay(5e-3, decay_steps=126)  # 6 epochs
    trained.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    trained.train_on_batch(images["train"][:64], labels["train"][:64])  # compiles
    start = time.perf_counter()
    bar = Progress(policy)
    trained.fit(images["train"], labels["train"], 64, 6, verbose=0, callbacks=[bar])
    seconds[policy] = time.perf_counter() - start
    accuracy[policy] = trained.evaluate(images["test"], labels["test"], verbose=0)[1]

# %% tags=["demo"]
speed = seconds["float32"] / seconds["mixed_bfloat16"]
print(f"here, float32's time divided by mixed_bfloat16's: {speed:.2f}")

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: .914 to .968 in either (means .944 and .945); at most 1.2 points apart (mean .5).
for policy, value in accuracy.items():
    print(f"{policy}: more than 85 of 100 right:", value > 0.85)
gap = abs(accuracy["float32"] - accuracy["mixed_bfloat16"])
print("they differ by less than 3 points:", gap < 0.03)

# %% [markdown]
# As accurate. The speed is your own cell's. A GPU's tensor cores multiply short numbers many times faster; so does a
# server CPU with **AMX** (Advanced Matrix Extensions: units that multiply small matrices of bfloat16 whole, in
# Intel's since 2023). Other CPUs gain less, or lose. `python benchmarks/precision.py` measures yours with larger
# networks.
#
# ### A step of your own has to scale its loss
#
# Under `mixed_float16`, `compile` wraps your optimizer in that `LossScaleOptimizer`, which divides gradients by the
# scale, skips bad steps and adapts. `fit` multiplies the loss. A step of your own must do that itself, and nothing
# complains if it does not. An optimizer wrapped by hand shows it in float32 as well.
#
# ### Exercise 5: a training step
#
# Complete `train_step(model, x, y)` for a compiled `model`: one step of `model.optimizer` on the mean squared error
# of the batch. `x` has shape (batch, inputs), `y` and the model's answers (batch, 1). `optimizer.scale_loss(loss)`
# returns the scaled loss, or the loss itself if the optimizer is not wrapped; differentiate that.
# `optimizer.apply(gradients, variables)` does the rest. Return the model and the loss before the step, *not* scaled,
# as a number.


# %%
def line_model(optimizer, seed=0):
    """Three numbers to one, compiled, always in float32."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((3,), dtype="float32")
    hidden = layers.Dense(16, "tanh", dtype="float32")(inputs)
    model = keras.Model(inputs, layers.Dense(1, dtype="float32")(hidden))
    model.compile(optimizer, "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def wrapped(optimizer):
    """What ``compile`` makes of an optimizer under mixed_float16."""
    return keras.optimizers.LossScaleOptimizer(optimizer)


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
assert np.isclose(result[1], want, rtol=1e-3), (
    f"The loss is {want:.4f}, a mean over the batch; got {result[1]}."
)
still = sum(np.allclose(a, b.numpy(), atol=1e-7) for a, b in zip(before, result[0].weights))
assert still == 0, f"{still} of {len(before)} weight arrays have not moved."

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
# Hidden tests: a scale so large that gradients overflow; the step has to be skipped.
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
# The gradients are divided by the scale here, and the optimizer divides them once more.
def train_step(model, x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        scaled = model.optimizer.scale_loss(loss)
    factor = float(scaled) / float(loss)
    gradients = [g / factor for g in tape.gradient(scaled, model.trainable_variables)]
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


# %% tags=["alternative"]
# Uses Keras' loss function and the older way to apply gradients.
def train_step(model, x, y):
    with tf.GradientTape() as tape:
        loss = keras.losses.MeanSquaredError()(y, model(x, training=True))
        scaled = model.optimizer.scale_loss(loss)
    variables = model.trainable_variables
    model.optimizer.apply_gradients(zip(tape.gradient(scaled, variables), variables))
    return model, loss.numpy().item()


# %% tags=["alternative"]
# Lets Keras make the step, which scales the loss by itself.
def train_step(model, x, y):
    model.compile(model.optimizer, "mse", jit_compile=False)
    loss = float(np.mean((model(x).numpy() - y) ** 2))
    model.train_on_batch(x, y)
    return model, loss


# %% [markdown]
# Now 200 steps of the course's `make_train_step`, which scales, beside a step that forgets to. *What will the second
# loss look like?*

# %% tags=["demo"]
from course.training import make_train_step

rng = np.random.default_rng(0)
x = rng.normal(size=(256, 3)).astype("float32")
y = x @ np.array([[1.0], [-2.0], [3.0]], "float32")
forgetful = line_model(wrapped(keras.optimizers.SGD(0.02)))
careful = line_model(wrapped(keras.optimizers.SGD(0.02)))


@tf.function
def step_without_scaling():
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((forgetful(x) - y) ** 2)
    slopes = tape.gradient(loss, forgetful.trainable_variables)
    forgetful.optimizer.apply(slopes, forgetful.trainable_variables)
    return loss


step = make_train_step(careful, careful.optimizer, keras.losses.mean_squared_error)
losses = {"scaled": [float(step(x, y)) for _ in range(200)]}
losses["forgotten"] = [float(step_without_scaling()) for _ in range(200)]

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: .008 to .016 and .9987 to .9995.
ratios = {name: values[-1] / values[0] for name, values in losses.items()}
print("the scale:", int(careful.optimizer.dynamic_scale))
print("scaled, less than a twentieth of the loss is left:", ratios["scaled"] < 0.05)
print("forgotten, more than 99 % is left:", ratios["forgotten"] > 0.99)

# %% [markdown]
# It goes down, by less than a hundredth, and looks like a hard problem. It is a learning rate divided by 32,768.
# Adam, which divides by the gradients' size, would hide it.

# %% [markdown]
# ## Which machine, then
#
# The work is multiplying matrices, and the numbers of the result can be computed side by side. **GPUs** have
# thousands of units for that; NVIDIA's, programmed through CUDA, are supported best. One buys them, or rents them by
# the hour (AWS, Google Cloud, Azure). Google's TPUs serve the same purpose, edge chips in phones and cameras
# answering alone.
#
# But a peak needs to be fed. A dense layer with $n$ inputs and outputs does $2 B n^2$ FLOPs on a batch of $B$, and
# must fetch its $n^2$ weights. If FLOPs per byte fetched, the **arithmetic intensity**, are few, memory is the limit.
# *What part of a GPU's peak can one example at a time use?*

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
# A GPU's, below one percent: it waits for weights. Next, a dense layer on your machine.

# %% tags=["demo"]


def speed_of(kind, batch, n=1024):
    """Billions of FLOPs a second of a dense layer, the best of five measurements."""
    kernel = tf.cast(tf.random.normal((n, n)), kind)
    rows = tf.cast(tf.random.normal((batch, n)), kind)
    multiply = tf.function(lambda: rows @ kernel)
    calls, passed = max(4, 256 // batch), []
    for _ in range(6):  # the first one compiles
        start = time.perf_counter()
        for _ in range(calls):
            result = multiply()
        result.numpy()
        passed.append(time.perf_counter() - start)
    return 2 * batch * n**2 * calls / min(passed[1:]) / 1e9


tried_batches = np.array([1, 4, 16, 64, 256])
speeds = {
    kind: [speed_of(kind, int(batch)) for batch in tried_batches]
    for kind in ("float32", "bfloat16")
}

# %% tags=["demo"]
fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.4))
sizes = 2.0 ** np.arange(13)
for (name, machine), style, color in zip(MACHINES.items(), ["-", "--", "-.", ":"], plots.PALETTE):
    left.plot(sizes, 100 * reachable(sizes, *machine), ls=style, color=color, label=name)
left.set(xscale="log", xlabel="batch size", ylabel="reachable (% of peak)", title="Computed")
fig.legend(ncols=4, loc="outside lower center", fontsize=9)
for (kind, values), marker in zip(speeds.items(), "os"):
    right.plot(tried_batches, values, marker=marker, label=kind)
right.set(xscale="log", xlabel="batch size", ylabel="GFLOPs a second", title="Measured here")
right.set_ylim(0, None)
right.legend(fontsize=9)
fig.suptitle("One example at a time leaves a machine idle", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Left, the share of peak that four machines can reach against batch size: near zero at a batch of one for
    the GPUs, all of it at some hundreds, the laptop much earlier. Right, the measured speed of a dense layer
    on this machine, in float32 and in bfloat16: slowest at a batch of one.""",
)

# %% [markdown]
# So a GPU is for large batches, in training or when many users ask at once. For one at a time, a CPU with a good
# library or an edge chip can be cheaper: look at the laptop's row.
#
# ### The machine may be waiting for data
#
# Before buying, see whether what you have is busy. Here 256 pictures come from a slow disk, simulated by waiting a
# millisecond each. `tf.data` can **prefetch** batches while the network computes, read several pictures at once, and
# **cache** what it has read. *What helps most?*

# %% tags=["demo"]
reads = []


def read(index):
    """One picture and its label, from a slow disk."""
    reads.append(int(index))
    time.sleep(0.001)
    return images["train"][index], labels["train"][index]


def pipeline(parallel=None, cache=False, prefetch=False):
    """Batches of 32 out of 256 pictures."""
    data = tf.data.Dataset.range(256).map(
        lambda index: tf.numpy_function(read, [index], (tf.float32, tf.int64)), parallel
    )
    data = data.map(lambda x, y: (tf.ensure_shape(x, (8, 8, 1)), tf.ensure_shape(y, ())))
    data = data.cache() if cache else data
    return data.batch(32).prefetch(2) if prefetch else data.batch(32)


# %% tags=["demo"]
network = models.cnn((8, 8, 1), 10, filters=(32, 64))
network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
network.fit(images["train"][:32], labels["train"][:32], verbose=0)  # compiles
ways = {
    "one by one": {},
    "+ prefetch": {"prefetch": True},
    "+ 8 at once": {"prefetch": True, "parallel": 8},
    "+ cache": {"prefetch": True, "parallel": 8, "cache": True},
}
took, counts = {}, {}
for name, options in ways.items():
    reads.clear()
    start = time.perf_counter()
    network.fit(pipeline(**options), epochs=3, verbose=0, shuffle=False)
    took[name], counts[name] = time.perf_counter() - start, len(reads)

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 2.8))
bars = axis.barh(list(took), list(took.values()), color=plots.BLUE)
axis.bar_label(bars, fmt="%.1f", padding=3)
axis.invert_yaxis()
axis.set(xlabel="seconds for three epochs, measured here", xlim=(0, 1.15 * max(took.values())))
axis.set_title("Waiting for the disk, until reading is arranged")
plots.show(
    fig,
    alt="""Bars of the time for three epochs: reading one by one takes longest; with prefetching, reading eight
    at once and caching it becomes shorter, several times in all.""",
)

# %% tags=["demo", "nbval-check-output"]
print("pictures read without a cache:", counts["+ 8 at once"], "with one:", counts["+ cache"])

# %% [markdown]
# Prefetching hides the wait behind computing, reading several at once shortens it, and a cache spares it from the
# second epoch on. `course doctor`, in a terminal, says what yours has. The course chooses:

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
line.fit(images["train"].reshape(-1, 64), labels["train"])
right = line.score(images["test"].reshape(-1, 64), labels["test"])
print(
    "FLOPs, more than 500 times as many as a line:", flops(mixed, (1, 8, 8, 1)) > 500 * 2 * 64 * 10
)
# 20 seeds: the network .914 to .968; the line has .972.
print("points that the line gives up, fewer than 2:", 100 * (max(accuracy.values()) - right) < 2)

# %% [markdown]
# Hundreds of times less, and little or nothing given up. A network has to earn its bill. Two habits help to find out:
# **count before you run, and report what it took**, machine, hours and kilowatt hours, beside the accuracy.

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Divide by `NUMBERS / 1000`, in `slopes` and in the rate. Does float16 learn without scaling?
# 2. Keep the *weights* in bfloat16 in `train_by_hand`, with a rate a hundred times smaller. When do updates stop?
# 3. From which batch on does `small_network` take longer a picture on your machine?
#
# To read: Micikevicius and others (2018), *Mixed precision training* (ICLR); Touvron and others (2023), *Llama 2*,
# for hours and carbon; Williams and others (2009), *Roofline*.
#
# ### At full size
#
# `cifar10` has 60,000 photographs of 32 × 32 pixels; the same call takes it once it has been downloaded, and on a GPU
# the policy is what `auto` chooses. ImageNet has 1.28 million of 224 × 224. What ResNet-50 costs there can be counted
# without them.


# %% tags=["demo"]
def train_on_photographs(split, policy, epochs):
    """Train on a split of cifar10 under a policy, batches of 256, and return the history."""
    data = datasets.load("cifar10", split=split, as_supervised=True)
    data = data.cache().shuffle(10_000, seed=0).batch(256)
    data = data.map(lambda x, y: (tf.cast(x, tf.float32) / 255, y)).prefetch(tf.data.AUTOTUNE)
    keras.config.set_dtype_policy(policy)
    model = models.cnn((32, 32, 3), 10, filters=(32, 64))
    keras.config.set_dtype_policy("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, metrics=["accuracy"])
    return model.fit(data, epochs=epochs, verbose=2, shuffle=False).history


device = precision.find_device()
share, epochs = ("train", 10) if device.kind == "GPU" else ("train[:4%]", 1)
try:
    train_on_photographs(share, precision.choose("auto", device).policy, epochs)
except datasets.DatasetNotDownloadedError as error:
    print(error)

# %% tags=["demo", "nbval-check-output"]
resnet = keras.applications.ResNet50(weights=None)
answer = flops(lambda photographs: resnet(photographs, training=False), (1, 224, 224, 3))
hours, energy, _ = bill(3 * answer * 1.28e6 * 90, 312e12, 0.2, 400)
print(
    f"ResNet-50: {resnet.count_params() / 1e6:.1f} million weights, {answer / 1e9:.1f} billion FLOPs"
)
print(f"90 epochs of ImageNet on one A100 at .2: {hours:.0f} hours, {energy:.1f} kWh")
