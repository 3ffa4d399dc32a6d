# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Autoencoders
#     summary: You build and train a convolutional autoencoder that draws faces from sixteen numbers, walk from face to face through its code, clean pictures with it, hold it against PCA and JPEG, and measure whom it forgets.
#     part: IV Learning without labels
#     minutes: 95
#     minutes_reading: 32
#     objectives:
#     - build a convolutional autoencoder in Keras, and say what encoder, code, decoder and reconstruction loss are
#     - train it with validation data and early stopping, beside the best linear autoencoder, PCA
#     - walk through the code from one picture to another, and train a network that removes noise
#     - judge a code by retrieval, clustering, few labels and bytes, beside methods that need no network
#     - measure who pays when a kind of picture is rare in training
#     datasets: [drawn_portraits, digits]
#     full_size: [mnist]
#     needs: [01_neurons_and_layers, 07_chest_xrays]
#     mirrors:
#       "1 Autoencoders and Anomaly Detection": "In through a waist, and out again"
#       "1 Autoencoders and Anomaly Detection: Encoder, code and reconstruction loss": "Encoder, code, decoder"
#       "1 Autoencoders and Anomaly Detection: Unsupervised learning": "The picture is its own answer"
#       "1 Autoencoders and Anomaly Detection: Compression, retrieval and clustering": "What a code is good for"
#       "4 What is Deep Learning Used For and Who Uses It?: Representation learning": "What a code is good for"
#       "4 What is Deep Learning Used For and Who Uses It?: Clustering": "Looking up, sorting, and a few labels"
#       "4 What Are Some Deep Learning Methods: Autoencoders": "Encoder, code, decoder"
#     built: a convolutional autoencoder with its training, a walk from face to face through its code, a denoiser, and weights that give the rare more say
#     terms:
#       "autoencoder": A network that is trained to give back its input through a narrow middle.
#       "encoder (of an autoencoder)": The half that makes the code of an input.
#       "code (of an autoencoder), latent representation": The few numbers in the narrow middle.
#       "decoder (of an autoencoder)": The half that makes the output from the code.
#       "reconstruction loss, reconstruction error": How far the output is from the input.
#       "supervised": Said of learning from examples with given answers.
#       "unsupervised": Said of learning from data without given answers.
#       "PCA, principal component analysis": "The best linear autoencoder, found by linear algebra: the directions in which the data vary most."
#       "transposed convolution, Conv2DTranspose": A convolution turned round, which makes a picture larger.
#       "variational autoencoder, variational": An autoencoder with a term in its loss that fills the space between codes.
#       "denoising autoencoder, denoiser": An autoencoder that is trained to make the clean input from a noisy one.
#       "representation learning": Learning vectors that serve in place of the data for other tasks.
#       "information retrieval": Looking up what is most like an example or a question.
#       "clustering": Grouping examples without labels.
#       "k-means": Clustering by centres that are moved until nothing changes.
#       "normalised mutual information": "How well two groupings agree: 0 unrelated, 1 the same up to names."
#       "tf-idf": Counts of words, weighted down the more documents a word occurs in.
#       "latent semantic analysis": PCA's relative for counts of words.
#       "sample_weight": Keras's argument by which each example has a weight in the loss.
#     explains: [GaussianNoise, Lambda, float16, mean squared error, ridge regression]
# ---

# %% [markdown]
# # Autoencoders
#
# How many numbers does it take to draw a face? A picture of 24 × 24 pixels in colour holds 1,728. In this lesson you
# build a network that squeezes such pictures through **sixteen** numbers and draws them again on the other side, and then
# you use those sixteen. The row below was drawn by such a network. Only its two ends were given; what
# lies between was drawn from numbers on the way from one to the other.
#
# You will write the network in Keras, train it, walk from face to face, make it remove noise, count bytes against JPEG,
# and find out whose glasses it takes off. Reading and running takes about 32 minutes, of which a minute is waiting; the
# five exercises take an hour more.

# %%
import course

course.setup(seed=0)

import io
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from course import datasets, fallbacks, plots, results

# %% [markdown]
# ## In through a waist, and out again
#
# Here are the pictures: drawn faces that turn their heads, smile or look sad, with and without glasses. Below them is a question
# for which the network will have an answer. What is half-way between two faces? The mean of their pixels is a ghost with
# two heads. One would rather have a face.


# %%
def draw(axis, picture, **options):
    """One picture, from 0 to 1, without axes."""
    axis.imshow(np.clip(picture, 0, 1), **options)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


# %% tags=["demo"]
FACES = {
    part: datasets.arrays("drawn_portraits", part, scaled=True)
    for part in ("train", "validation", "test", "walks")
}
train, valid, test = (FACES[part]["image"] for part in ("train", "validation", "test"))
starts, ends, half_ways = (FACES["walks"]["image"][place::3] for place in range(3))

# %% tags=["demo"]
fig, axes = plt.subplots(3, 8, figsize=(6.4, 3.0))
for axis, picture in zip(axes[:2].flat, test):
    draw(axis, picture)
for axis in axes[2]:
    axis.set_axis_off()
row = [starts[1], (starts[1] + ends[1]) / 2, half_ways[1], ends[1]]
names = ["one face", "mean of pixels", "half-way face", "another face"]
for place, picture, name in zip((0, 2, 5, 7), row, names):
    draw(axes[2, place], picture)
    axes[2, place].set_axis_on()
    axes[2, place].set_xlabel(name, fontsize=9)
fig.suptitle("Half-way between two faces is not the mean of their pixels", x=0.01, ha="left")
plots.show(
    fig,
    alt="""Two rows of eight drawn faces with different skin, hair, glasses and moods. Below, two faces, the
    mean of their pixels, in which both heads show at once, and a single face half-way between them.""",
)

# %% [markdown]
# ### Encoder, code, decoder
#
# A network that turns a picture or a sentence into a few numbers is called an encoder, and one that makes something new of
# those numbers a decoder. An **autoencoder** decodes the very thing that went in.
#
# - The **encoder** $f$ turns the input $x$ into a **code** $z = f(x)$, also called its *latent representation*.
# - The **decoder** $g$ tries to rebuild the input from the code alone: $\hat x = g(z)$.
# - The **reconstruction loss** is the difference between the two. Ours is the mean squared error over all $n$ pictures and
#   all $d$ numbers of a picture, here $24 \cdot 24 \cdot 3 = 1{,}728$:
#
# $$L = \frac{1}{n\,d} \sum_{i=1}^{n} \sum_{j=1}^{d} \big(x_{ij} - g(f(x_i))_j\big)^2$$
#
# If the code were as wide as the picture, copying would do. With less room, what is needed to redraw most pictures must stay,
# and the rest has to go. The loss and the training pictures decide what matters, and nobody else does. Keep that in mind until
# the end of the lesson.

# %% [markdown]
# ### The picture is its own answer
#
# In the lessons so far each example had a label, and the network learned to name it: **supervised** learning. Here the picture
# is the input and the wanted output at once, and the network learns what such pictures have in common. This is
# **unsupervised** learning: structure without labels. Labels cost people's time, and unlabelled pictures, texts and payments
# exist in millions; that is its appeal. What is known about our faces, such as who wears glasses, is shown to no
# autoencoder here. We use it afterwards, to ask what the codes are worth.

# %% [markdown]
# ## Three thousand faces that nobody has
#
# The faces are **simulated; no person is behind any of them**. Each is drawn from a dozen numbers and two choices (five kinds of hair or
# covering; glasses or none), all independent of each other. So we know what a perfect code would hold, and the data set `walks` can
# show the true half-way face of two others, which no collection of photographs could. What is not real: photographs have
# shadows, backgrounds and thousands of such numbers, and the faces of people are not ovals. What carries over is how the networks behave.
# The digits later in this lesson are real, as are those of the part at full size.
#
# The simplest guess draws the mean of all training faces, whatever went in: a code of *no* numbers.


# %% tags=["demo", "nbval-check-output"]
def squared_error(pictures, drawn):
    """Mean squared error over all pictures and pixels."""
    return float(np.mean((pictures - drawn) ** 2))


blank = squared_error(test, train.mean(axis=0))
print(f"{len(train):,} faces to train on, {len(valid)} to validate, {len(test)} to test")
print(f"drawing the mean face each time: error {blank:.4f}")

# %% [markdown]
# ## The best straight hourglass needs no training
#
# Let the encoder and the decoder be **linear**: each number of the code is a weighted sum of pixels, each redrawn pixel a
# weighted sum of the code's numbers. The best such hourglass has been known since 1901 as **principal component analysis**, PCA.
# Pictures are points in a space of 1,728 dimensions; PCA looks for the directions in which they spread most, each at
# right angles to those before, and keeps the first $k$:
#
# $$z = V\,(x - \mu), \qquad \hat x = \mu + V^\top z$$
#
# $\mu$ is the mean of the training pictures, and the $k$ rows of $V$ are the directions. They are found by linear algebra, in
# seconds and always the same. A linear network that is trained by gradient descent ends at the same plane (Baldi and Hornik
# proved it in 1989). So PCA is the rival of this lesson: a network that does no better was not worth training.

# %% tags=["demo"]
pca = PCA(100, svd_solver="randomized", random_state=0)
began = time.perf_counter()
pca.fit(train.reshape(len(train), -1))
pca_seconds = time.perf_counter() - began


def pca_codes(pictures, size, model=pca):
    """The first numbers of PCA's code, shape (n, size)."""
    return model.transform(pictures.reshape(len(pictures), -1))[:, :size]


def pca_draw(codes, model=pca, shape=(24, 24, 3)):
    """Pictures (n, *shape) from the first numbers of PCA's code, (n, k)."""
    drawn = model.mean_ + codes @ model.components_[: codes.shape[1]]
    return drawn.astype("float32").reshape(-1, *shape)


# %% [markdown]
# *With how many numbers will PCA draw a face that one would know again?*

# %% tags=["demo"]
fig, axes = plt.subplots(4, 8, figsize=(6.4, 3.6))
for line, size in zip(axes, (None, 4, 16, 64)):
    drawn = test if size is None else pca_draw(pca_codes(test, size))
    for axis, picture in zip(line, drawn):
        draw(axis, picture)
    name = "original" if size is None else f"PCA, {size}"
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
fig.suptitle("PCA draws place and colour first, the features last", x=0.01, ha="left")
plots.show(
    fig,
    alt="""Eight faces in four rows: the originals, and as PCA draws them from 4, 16 and 64 numbers. From 4 there are
    blurred heads of about the right colour, from 16 hair and faint eyes with a haze around the head, from 64 nearly
    all of the face.""",
)

# %% [markdown]
# A flat sheet of 16 dimensions does not hold these faces: when a head moves, its pixels do not change along a straight line. Around
# each face PCA leaves the haze of the places where other heads were. Hidden layers with an activation can bend the sheet.

# %% [markdown]
# ## A network that knows what a picture is
#
# Lesson 07 slid small filters over films. The encoder does the same, and each of its convolutions moves by two pixels at a time
# (`strides=2`), so that height and width are halved: 24, 12, 6. What remains is flattened, and a dense layer makes the code of it.
# The decoder goes the same way backwards. Its new part is the **transposed convolution**: where a convolution takes a patch of 3 × 3 pixels to one
# number, the transposed one takes each number to a patch of 3 × 3, weighted by its filter. The patches are set down two pixels apart
# (`strides=2` again) and added up where they overlap, so that height and width are doubled. In one dimension, with the filter (1, 2, 1):

# %% tags=["demo"]
numbers, kernel = np.array([1.0, 0.0, 3.0]), np.array([1.0, 2.0, 1.0])
spread_out = np.zeros(7)
for place, number in enumerate(numbers):
    spread_out[2 * place : 2 * place + 3] += number * kernel
print(f"{numbers} becomes {spread_out[:6]}")

# %% tags=["demo"]
blocks = [
    (0.0, 24, 3, "picture\n24 × 24 × 3"), (1.5, 12, 16, "12 × 12\n× 16"), (2.9, 6, 32, "6 × 6\n× 32"),
    (4.1, 2.2, 16, "code\n16"), (5.3, 6, 32, "6 × 6\n× 32"), (6.7, 12, 16, "12 × 12\n× 16"),
    (8.2, 24, 3, "drawn\n24 × 24 × 3"),
]  # fmt: skip
steps = ["Conv2D"] * 2 + ["Dense"] * 2 + ["Conv2D\nTranspose"] * 2

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.2))
for place, (x, side, depth, label) in enumerate(blocks):
    color = plots.ORANGE if place == 3 else plots.SKY if place < 3 else plots.GREEN
    wide, tall = 0.12 + depth / 60, side / 10
    axis.fill_between([x - wide, x + wide], -tall, tall, color=color, ec="k", lw=0.8, alpha=0.85)
    axis.text(x, -2.65, label, ha="center", va="top", fontsize=9)
for before, after, step in zip(blocks, blocks[1:], steps):
    edges = [x + way * (0.17 + depth / 60) for (x, _, depth, _), way in ((after, -1), (before, 1))]
    axis.annotate("", (edges[0], 0), (edges[1], 0), arrowprops={"arrowstyle": "->"})
    high, x = max(before[1], after[1]) / 10, (before[0] + after[0]) / 2
    axis.text(x, high + 0.12, step, ha="center", fontsize=8.5)
for x, name in ((1.4, "encoder"), (6.8, "decoder")):
    axis.text(x, 3.35, name, color=plots.BLUE, ha="center", weight="bold")
axis.set(xlim=(-0.8, 9.1), ylim=(-3.7, 3.7), frame_on=False, xticks=[], yticks=[])
axis.set_title("Sixteen numbers are all that the decoder gets to see")
plots.show(
    fig,
    alt="""The autoencoder as blocks from left to right. Encoder: a picture of 24 by 24 by 3, two convolutions to 12 by 12 by
    16 and 6 by 6 by 32, a dense layer to the code of 16. Decoder: a dense layer to 6 by 6 by 32 and two transposed
    convolutions to 12 by 12 by 16 and to the drawn picture, 24 by 24 by 3.""",
)

# %% [markdown]
# ### Exercise 1: the autoencoder
#
# Complete `autoencoder(shape, size)`, which returns a Keras model, not compiled, for pictures of `shape` (height, width, channels), whose
# sides are multiples of 4, and a code of `size` numbers. Use Keras's own layers, no `Lambda` (a layer made of any function) and no class of yours:
#
# - encoder: two `Conv2D`, 3 × 3, `strides=2`, `padding="same"`, with 16 and 32 filters; `Flatten`; then a `Dense` named `"code"`. A number of the
#   code may be anything, also negative, so this layer has **no activation**;
# - decoder: a `Dense` of as many numbers as the second convolution gave, `Reshape`d to its height, width and 32; then two
#   `Conv2DTranspose`, 3 × 3, `strides=2`, `padding="same"`, with 16 filters and with as many as the picture has channels;
# - after each hidden layer an activation. We take `"gelu"`, a ReLU whose corner is rounded; `"relu"` does too;
# - the last layer's values are pixels: its activation keeps each of them between 0 and 1;
# - all that comes out has passed through the code: there is no way around it.
#
# A layer's output has a `shape` without the batch in `x.shape[1:]`, and `np.prod` multiplies. Write it as a graph: from
# `keras.Input` call layer after layer, and hand first and last to `keras.Model`. A `Sequential` will not do: the model is to be cut in two later.


# %%
def patches(count, shape, seed=0):
    """Pictures for tests, (count, *shape) from 0 to 1: a coloured patch on a plain ground."""
    rng = np.random.default_rng(seed)
    pictures = np.ones((count, *shape), "float32") * rng.uniform(0, 1, (count, 1, 1, shape[2]))
    for picture in pictures:
        top, left = rng.integers(0, shape[0] // 2), rng.integers(0, shape[1] // 2)
        picture[top : top + shape[0] // 2, left : left + shape[1] // 2] = rng.uniform(
            0, 1, shape[2]
        )
    return pictures.astype("float32")


# %% grade_id="autoencoder" solution=true
def autoencoder(shape, size):
    """An uncompiled Keras model: pictures to pictures, through a layer "code" of ``size`` numbers."""
    ### BEGIN SOLUTION
    pictures = keras.Input(shape)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="gelu")(pictures)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="gelu")(x)
    maps = x.shape[1:]
    code = layers.Dense(size, name="code")(layers.Flatten()(x))
    x = layers.Dense(int(np.prod(maps)), activation="gelu")(code)
    x = layers.Reshape(maps)(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="gelu")(x)
    drawn = layers.Conv2DTranspose(
        shape[-1], 3, strides=2, padding="same", activation="sigmoid", dtype="float32"
    )(x)
    return keras.Model(pictures, drawn)
    ### END SOLUTION


# %% grade_id="autoencoder_form" points=2
for shape, size in [((24, 24, 3), 7), ((8, 12, 1), 5)]:
    model = autoencoder(shape, size)
    is_graph = isinstance(model, keras.Model) and not isinstance(model, keras.Sequential)
    assert is_graph, f"Return a graph, a keras.Model; you returned a {type(model).__name__}."
    assert model.input_shape == model.output_shape == (None, *shape), (
        f"Pictures of {shape} go in and come out; your model goes from {model.input_shape} to {model.output_shape}."
    )
    names = [layer.name for layer in model.layers]
    assert "code" in names, f"No layer is named 'code'; yours are named {', '.join(names)}."
    code = model.get_layer("code")
    assert code.output.shape == (None, size), (
        f"A code of {size} has shape (None, {size}); yours is {code.output.shape}."
    )
    maps = shape[0] // 4 * (shape[1] // 4) * 32
    kernels = [weight.shape for weight in model.weights if len(weight.shape) > 1]
    wanted = [(3, 3, shape[2], 16), (3, 3, 16, 32), (maps, size), (size, maps)]
    wanted += [(3, 3, 16, 32), (3, 3, shape[2], 16)]
    assert kernels == wanted, (
        f"For {shape} the kernels of the six layers have the shapes {wanted}; yours have {kernels}."
    )

# %% grade_id="autoencoder_pixels" points=1
model = autoencoder((8, 12, 2), 5)
keras.utils.set_random_seed(3)
rng = np.random.default_rng(3)
model.set_weights([rng.normal(0.1, 1, part.shape) for part in model.get_weights()])
drawn = np.asarray(model(rng.normal(0, 3, (50, 8, 12, 2)).astype("float32"), training=False))
assert 0 <= drawn.min() <= drawn.max() <= 1, (
    f"A pixel lies between 0 and 1, whatever the weights are; yours go from {drawn.min():.3f} to {drawn.max():.3f}."
)
assert drawn.min() < 0.05 < 0.95 < drawn.max(), (
    f"With large weights some pixels should be nearly 0 and some nearly 1; yours go from {drawn.min():.3f} to {drawn.max():.3f}."
)
assert np.ptp(drawn.sum(axis=3)) > 1, (
    "Each channel of a pixel should be free, whatever the others are."
)

# %% grade_id="autoencoder_code" points=1
# Hidden tests: may the code's numbers be anything, and are there as many as asked?
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
model = autoencoder((12, 8, 2), 6)
model.set_weights([rng.normal(0, 0.3, part.shape) for part in model.get_weights()])
encoder = keras.Model(model.inputs[0], model.get_layer("code").output)
kernel, bias = model.get_layer("code").get_weights()
flat = keras.Model(model.inputs[0], model.get_layer("code").input)
pictures = rng.normal(0, 2, (300, 12, 8, 2)).astype("float32")
want = np.asarray(flat(pictures, training=False)) @ kernel + bias
codes = np.asarray(encoder(pictures, training=False))
off = np.abs(codes - want).max()
assert off < 1e-3 * np.abs(want).max(), (
    f"A number of the code is a weighted sum of what comes in, and nothing else: yours lie between {codes.min():.2f} "
    f"and {codes.max():.2f}, the sums between {want.min():.2f} and {want.max():.2f}. What is done to them?"
)
### END HIDDEN TESTS

# %% grade_id="autoencoder_waist" points=1
# Hidden tests: does everything pass through the code, and all of the code into the picture?
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(1)
model, rng = autoencoder((8, 8, 1), 6), np.random.default_rng(1)
model.set_weights([rng.normal(0, 0.3, part.shape) for part in model.get_weights()])
# Rows of slopes: how each output pixel of one and the same picture depends on its 64 input pixels.
copies = ops.convert_to_tensor(np.repeat(rng.random((1, 8, 8, 1)), 64, axis=0).astype("float32"))
ones = np.eye(64, dtype="float32").reshape(64, 8, 8, 1)
with tf.GradientTape() as tape:
    tape.watch(copies)
    total = ops.sum(model(copies, training=False) * ones)
slopes = np.asarray(tape.gradient(total, copies), "float64").reshape(64, 64)
slopes = np.linalg.svd(slopes, compute_uv=False)
assert slopes[6] < 1e-4 * slopes[0], (
    "The drawing can follow the picture in more than 6 directions, and the code has 6 numbers: something reaches the "
    "output by another way."
)
# With random weights the sixth is .02 to .2 of the first in 20 draws.
assert slopes[5] > 1e-4 * slopes[0], (
    f"The code has 6 numbers, and the drawing follows in only {np.sum(slopes > 1e-4 * slopes[0])} directions: something is "
    "narrower than the code, or cut off."
)
### END HIDDEN TESTS

# %% grade_id="autoencoder_learns" points=1
# Hidden tests: can the model learn, with all of its weights?
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(2)
model, batch = autoencoder((8, 8, 2), 8), patches(32, (8, 8, 2))
fixed = len(model.weights) - len(model.trainable_weights)
assert fixed == 0, f"{fixed} of {len(model.weights)} weight arrays are not trained."
with tf.GradientTape() as tape:
    error = ops.mean(ops.square(batch - model(batch, training=True)))
slopes = tape.gradient(error, [weight.value for weight in model.trainable_weights])
reached = [slope is not None and float(ops.max(ops.abs(slope))) > 0 for slope in slopes]
assert all(reached), f"No gradient reaches {reached.count(False)} of {len(reached)} weight arrays."
### END HIDDEN TESTS

# %% grade_id="autoencoder_bends" points=1
# Hidden tests: is there an activation after each hidden layer?
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(2)
model, rng = autoencoder((8, 8, 2), 8), np.random.default_rng(4)
hidden = [layer for layer in model.layers if layer.weights and layer.name != "code"][:-1]
for layer in hidden:
    # The activation is the layer's own, or the next layer is one.
    after = model.layers[model.layers.index(layer) + 1]
    outs = [layer.output] + ([] if after.weights else [after.output])
    part = keras.Model(layer.input, outs)
    one, two = rng.normal(0, 2, (2, 20, *layer.input.shape[1:])).astype("float32")
    outs = zip(part(one), part(two), part((one + two) / 2))
    bends = [float(ops.max(ops.abs(a + b - 2 * m)) / ops.max(ops.abs(a))) for a, b, m in outs]
    # A weighted sum has less than 1e-5, an activation at least .1.
    assert max(bends) > 0.01, f"After the layer {layer.name!r} there is no activation."
### END HIDDEN TESTS


# %% tags=["misconception"]
# The code has a ReLU: its numbers cannot be negative, and those that are zero for all pictures never learn again.
def autoencoder(shape, size):
    pictures = keras.Input(shape)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="gelu")(pictures)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="gelu")(x)
    maps = x.shape[1:]
    code = layers.Dense(size, activation="relu", name="code")(layers.Flatten()(x))
    x = layers.Dense(int(np.prod(maps)), activation="gelu")(code)
    x = layers.Reshape(maps)(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="gelu")(x)
    x = layers.Conv2DTranspose(shape[-1], 3, strides=2, padding="same", activation="sigmoid")(x)
    return keras.Model(pictures, x)


# %% tags=["misconception"]
# The code has a leaky ReLU: its negative numbers are squeezed, and it should have no activation at all.
def autoencoder(shape, size):
    pictures = keras.Input(shape)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(pictures)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    maps = x.shape[1:]
    code = layers.Dense(size, activation="leaky_relu", name="code")(layers.Flatten()(x))
    x = layers.Dense(int(np.prod(maps)), activation="relu")(code)
    x = layers.Reshape(maps)(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(shape[-1], 3, strides=2, padding="same", activation="sigmoid")(x)
    return keras.Model(pictures, x)


# %% tags=["misconception"]
# A shortcut leads around the waist: the decoder sees the encoder's second convolution as well as the code.
def autoencoder(shape, size):
    pictures = keras.Input(shape)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="gelu")(pictures)
    maps = layers.Conv2D(32, 3, strides=2, padding="same", activation="gelu")(x)
    code = layers.Dense(size, name="code")(layers.Flatten()(maps))
    x = layers.Dense(int(np.prod(maps.shape[1:])), activation="gelu")(code)
    x = layers.Add()([layers.Reshape(maps.shape[1:])(x), maps])
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="gelu")(x)
    x = layers.Conv2DTranspose(shape[-1], 3, strides=2, padding="same", activation="sigmoid")(x)
    return keras.Model(pictures, x)


# %% tags=["misconception"]
# The output has a ReLU, which lets pixels be larger than 1.
def autoencoder(shape, size):
    pictures = keras.Input(shape)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="gelu")(pictures)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="gelu")(x)
    maps = x.shape[1:]
    code = layers.Dense(size, name="code")(layers.Flatten()(x))
    x = layers.Dense(int(np.prod(maps)), activation="gelu")(code)
    x = layers.Reshape(maps)(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="gelu")(x)
    x = layers.Conv2DTranspose(shape[-1], 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(pictures, x)


# %% tags=["misconception"]
# The output is a softmax, which makes the channels of a pixel share one unit of light among them.
def autoencoder(shape, size):
    pictures = keras.Input(shape)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="gelu")(pictures)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="gelu")(x)
    maps = x.shape[1:]
    code = layers.Dense(size, name="code")(layers.Flatten()(x))
    x = layers.Dense(int(np.prod(maps)), activation="gelu")(code)
    x = layers.Reshape(maps)(x)
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="gelu")(x)
    x = layers.Conv2DTranspose(shape[-1], 3, strides=2, padding="same", activation="softmax")(x)
    return keras.Model(pictures, x)


# %% tags=["misconception"]
# The decoder's layers have no activation, so it can draw only points of a flat sheet, as PCA does.
def autoencoder(shape, size):
    pictures = keras.Input(shape)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="gelu")(pictures)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="gelu")(x)
    maps = x.shape[1:]
    code = layers.Dense(size, name="code")(layers.Flatten()(x))
    x = layers.Reshape(maps)(layers.Dense(int(np.prod(maps)))(code))
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same")(x)
    x = layers.Conv2DTranspose(shape[-1], 3, strides=2, padding="same", activation="sigmoid")(x)
    return keras.Model(pictures, x)


# %% tags=["misconception"]
# Before the code there is a layer that is narrower than the code, so the code cannot hold what it has room for.
def autoencoder(shape, size):
    pictures = keras.Input(shape)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="gelu")(pictures)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="gelu")(x)
    maps = x.shape[1:]
    x = layers.Dense(max(size // 2, 1), activation="gelu")(layers.Flatten()(x))
    code = layers.Dense(size, name="code")(x)
    x = layers.Reshape(maps)(layers.Dense(int(np.prod(maps)), activation="gelu")(code))
    x = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="gelu")(x)
    x = layers.Conv2DTranspose(shape[-1], 3, strides=2, padding="same", activation="sigmoid")(x)
    return keras.Model(pictures, x)


# %% tags=["alternative"]
# Activations as layers, each of another kind, and the sizes by hand.
def autoencoder(shape, size):
    pictures = keras.Input(shape)
    height, width = shape[0] // 4, shape[1] // 4
    x = layers.Activation("gelu")(layers.Conv2D(16, 3, strides=2, padding="same")(pictures))
    x = layers.LeakyReLU()(layers.Conv2D(32, 3, strides=2, padding="same")(x))
    code = layers.Dense(size, name="code")(layers.Flatten()(x))
    x = layers.ReLU()(layers.Dense(height * width * 32)(code))
    x = layers.Reshape((height, width, 32))(x)
    x = layers.ELU()(layers.Conv2DTranspose(16, 3, strides=2, padding="same")(x))
    x = layers.Conv2DTranspose(shape[2], 3, strides=2, padding="same")(x)
    return keras.Model(inputs=pictures, outputs=layers.Activation("sigmoid")(x))


# %% tags=["alternative"]
# The encoder in a loop, other activations, and the sigmoid as an operation.
def autoencoder(shape, size):
    pictures = x = keras.Input(shape)
    for filters in (16, 32):
        x = layers.Conv2D(filters, (3, 3), (2, 2), "same", activation="silu")(x)
    height, width, depth = x.shape[1:]
    x = layers.Dense(size, activation="linear", name="code")(layers.Flatten()(x))
    x = layers.Dense(height * width * depth, activation="tanh")(x)
    x = layers.Reshape((height, width, depth))(x)
    x = layers.Conv2DTranspose(16, (3, 3), (2, 2), "same", activation="silu")(x)
    x = layers.Conv2DTranspose(shape[-1], (3, 3), (2, 2), "same")(x)
    return keras.Model(pictures, ops.sigmoid(x))


# %% [markdown]
# From here on your function builds the networks. So that the page can be read before it is written, the next cell tries it, and takes
# one of the course's where it does not work. The other exercises have such a cell too.

# %% tags=["demo"]
from course.fallbacks import autoencoders as ours

autoencoder = fallbacks.choose(autoencoder, ours.autoencoder, ours.autoencoder_works)
network = autoencoder((24, 24, 3), 16)
network.summary()

# %% [markdown]
# ### Exercise 2: train it, and know when to stop
#
# Complete `fit_autoencoder(model, pictures, validation, epochs, rate, weights=None)`, which trains a model that is not compiled yet, and
# returns what `fit` returned.
#
# - `pictures`, an array (n, height, width, channels), are inputs and targets at once; the loss is the mean squared error, the optimizer Adam with the
#   learning rate `rate`;
# - `validation` is a pair of arrays, inputs and targets, that may differ from each other; after each of at most `epochs` epochs the history
#   has the loss on them, `val_loss`;
# - after **every** epoch in which `val_loss` was no better than its best so far, the learning rate is multiplied by .3. `ReduceLROnPlateau` does
#   so with `factor=0.3, patience=0`. Beware of its `min_delta`: improvements of less than .0001 do not count by default, and our losses
#   are a few thousandths. Here every improvement counts: `min_delta=0`;
# - after **three** such epochs in a row the training stops (`EarlyStopping`), and the model has the weights of its best epoch, however the training
#   ended;
# - `weights` goes to `fit` as its `sample_weight`; you will need it near the end of the lesson. `verbose=0` keeps the page short, and
#   batches of 64 do well.


# %%
def small_model(seed, shape=(4, 4, 1), size=3):
    """A small autoencoder of dense layers, for tests."""
    keras.utils.set_random_seed(seed)
    pictures = keras.Input(shape)
    x = layers.Dense(12, activation="tanh")(layers.Flatten()(pictures))
    x = layers.Dense(size, name="code")(x)
    x = layers.Dense(int(np.prod(shape)), activation="sigmoid")(x)
    return keras.Model(pictures, layers.Reshape(shape)(x))


# %% grade_id="fit_autoencoder" solution=true
def fit_autoencoder(model, pictures, validation, epochs, rate, weights=None):
    """Train a model to redraw pictures; returns its history."""
    ### BEGIN SOLUTION
    model.compile(keras.optimizers.Adam(rate), "mse")
    slower = keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=0, min_delta=0)
    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    return model.fit(
        pictures,
        pictures,
        sample_weight=weights,
        batch_size=64,
        epochs=epochs,
        validation_data=validation,
        callbacks=[slower, stop],
        verbose=0,
    )
    ### END SOLUTION


# %% grade_id="fit_autoencoder_form" points=1
model, pictures = small_model(1), patches(150, (4, 4, 1), seed=1)
checked = patches(40, (4, 4, 1), seed=2)
start = float(np.mean((checked - np.asarray(model(checked))) ** 2))
history = fit_autoencoder(model, pictures, (checked, checked), 6, 0.02)
log = getattr(history, "history", None)
assert isinstance(log, dict), f"Return what `fit` returned; you returned {type(history).__name__}."
assert len(log.get("val_loss", [])) == len(log["loss"]) == 6, (
    f"After 6 epochs the history should have 6 numbers for loss and for val_loss; it has {sorted(log)}."
)
reached = float(np.mean((checked - np.asarray(model(checked))) ** 2))
# Over 20 seeds each, the reference and another answer come to .24 to .66 of it: none fails.
assert reached < 0.8 * start, (
    f"After 6 epochs the error on pictures for validation went from {start:.4f} to {reached:.4f}: the given model should learn."
)
assert np.isclose(min(log["val_loss"]), reached, rtol=1e-3), (
    f"In its best epoch the model had a val_loss of {min(log['val_loss']):.5f}; after the training its mean squared "
    f"error on the validation pictures is {reached:.5f}. The two should be equal."
)

# %% grade_id="fit_autoencoder_stops" points=2
# Hidden tests: where learning makes the validation loss worse, when does it stop, how fast, with which weights?
### BEGIN HIDDEN TESTS
model, pictures = small_model(1), patches(130, (4, 4, 1), 1)
other = patches(50, (4, 4, 1), 8)
# The better a picture is redrawn, the farther it is from its negative.
log = fit_autoencoder(model, pictures, (other, 1 - other), 30, 0.02).history
losses, rates = log["val_loss"], log.get("learning_rate", [0])
best = int(np.argmin(losses))
assert len(losses) == best + 4, (
    f"The validation losses were {np.round(losses, 4).tolist()}: after three epochs without a new best it should stop."
)
left = float(np.mean((1 - other - np.asarray(model(other))) ** 2))
assert np.isclose(left, losses[best], rtol=1e-3), (
    f"The best epoch had a loss of {losses[best]:.5f} on the validation pair, and the model has {left:.5f} now: it should "
    "have the weights of its best epoch."
)
# The best epoch and the next one are trained at the full rate.
want = 0.02 * 0.3 ** np.array([0, 0, 1, 2])
same = len(rates) == len(losses) and np.allclose(rates[best:], want, rtol=1e-3)
assert same, (
    f"From the best epoch on the learning rates should be {want.tolist()}; they were {np.round(rates[best:], 6).tolist()}."
)
### END HIDDEN TESTS

# %% grade_id="fit_autoencoder_small" points=1
# Hidden tests: do small improvements count, and do weights reach the loss?
### BEGIN HIDDEN TESTS
model, pictures = small_model(3), 0.5 + 0.02 * patches(120, (4, 4, 1), 3)
heavy = np.repeat([3.0, 1.0], 60)[:, None, None]
squares = np.mean((pictures - np.asarray(model(pictures))) ** 2, axis=3)
want = float(np.mean(heavy * squares))
history = fit_autoencoder(model, pictures, (pictures, pictures), 5, 2e-5, heavy)
losses = np.array(history.history["val_loss"])
falls = bool(np.all(np.diff(losses) < 0))
rates = history.history.get("learning_rate", [2e-5] * 5)
assert not falls or (len(losses) == 5 and np.allclose(rates, 2e-5)), (
    f"The validation loss fell in every epoch, at last by {losses[-2] - losses[-1]:.7f}; the rate should stay 0.00002 "
    f"for all 5 epochs, and was {rates[-1]:.8f} in the last of {len(losses)}."
)
# At this rate an epoch hardly moves the model.
got = history.history["loss"][0]
assert np.isclose(got, want, rtol=0.05), (
    f"With weights of 3 and 1 the loss is about {want:.5f}, and the history has {got:.5f}: do the weights reach `fit`?"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The best weights are not restored: the model keeps those of its last epoch.
def fit_autoencoder(model, pictures, validation, epochs, rate, weights=None):
    model.compile(keras.optimizers.Adam(rate), "mse")
    slower = keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=0, min_delta=0)
    stop = keras.callbacks.EarlyStopping(patience=3)
    return model.fit(
        pictures, pictures, sample_weight=weights, batch_size=64, epochs=epochs,
        validation_data=validation, callbacks=[slower, stop], verbose=0,
    )  # fmt: skip


# %% tags=["misconception"]
# The callbacks look at the training loss, which goes on falling when the validation loss has long been rising.
def fit_autoencoder(model, pictures, validation, epochs, rate, weights=None):
    model.compile(keras.optimizers.Adam(rate), "mse")
    slower = keras.callbacks.ReduceLROnPlateau("loss", factor=0.3, patience=0, min_delta=0)
    stop = keras.callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True)
    return model.fit(
        pictures, pictures, sample_weight=weights, batch_size=64, epochs=epochs,
        validation_data=validation, callbacks=[slower, stop], verbose=0,
    )  # fmt: skip


# %% tags=["misconception"]
# With its usual min_delta the callback takes improvements below .0001 for none, and slows training down too early.
def fit_autoencoder(model, pictures, validation, epochs, rate, weights=None):
    model.compile(keras.optimizers.Adam(rate), "mse")
    slower = keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=0)
    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    return model.fit(
        pictures, pictures, sample_weight=weights, batch_size=64, epochs=epochs,
        validation_data=validation, callbacks=[slower, stop], verbose=0,
    )  # fmt: skip


# %% tags=["misconception"]
# The validation's inputs are used as its targets too, and its own targets are left out.
def fit_autoencoder(model, pictures, validation, epochs, rate, weights=None):
    model.compile(keras.optimizers.Adam(rate), "mse")
    slower = keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=0, min_delta=0)
    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    return model.fit(
        pictures, pictures, sample_weight=weights, batch_size=64, epochs=epochs,
        validation_data=(validation[0], validation[0]), callbacks=[slower, stop], verbose=0,
    )  # fmt: skip


# %% tags=["misconception"]
# The weights are taken and not handed on, so every picture counts alike.
def fit_autoencoder(model, pictures, validation, epochs, rate, weights=None):
    model.compile(keras.optimizers.Adam(rate), "mse")
    slower = keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=0, min_delta=0)
    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    return model.fit(
        pictures, pictures, batch_size=64, epochs=epochs,
        validation_data=validation, callbacks=[slower, stop], verbose=0,
    )  # fmt: skip


# %% tags=["alternative"]
# Names the losses and the optimizer's settings in full, and takes smaller batches.
def fit_autoencoder(model, pictures, validation, epochs, rate, weights=None):
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=rate), loss=keras.losses.MeanSquaredError()
    )
    callbacks = [
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss", factor=0.3, patience=0, min_delta=0, min_lr=0
        ),
    ]
    return model.fit(
        x=pictures, y=pictures, sample_weight=weights, batch_size=32, epochs=epochs,
        validation_data=tuple(validation), callbacks=callbacks, verbose=2,
    )  # fmt: skip


# %% tags=["alternative"]
# A metric beside the loss, and the other order of callbacks.
def fit_autoencoder(model, pictures, validation, epochs, rate, weights=None):
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="mean_squared_error", metrics=["mae"])
    stop = keras.callbacks.EarlyStopping(
        "val_loss", min_delta=0, patience=3, mode="min", restore_best_weights=True
    )
    slower = keras.callbacks.ReduceLROnPlateau(
        "val_loss", factor=0.3, patience=0, min_delta=0, mode="min"
    )
    return model.fit(
        pictures, pictures, 64, epochs, 0, [stop, slower],
        validation_data=validation, sample_weight=weights,
    )  # fmt: skip


# %% [markdown]
# ### Bent against straight
#
# Now train yours, with a code of 16 and a rate of .003. Beside it a rival of dense layers, 1,728 → 256 → 16 → 256 → 1,728, with the same
# patience. For each of the two we tried several rates on the faces for validation, and for the dense one widths of 128 and 256. *PCA leaves
# an error of .0047 with 16 numbers. Which of the two networks will do better, and at what price?*


# %% tags=["demo"]
def dense_autoencoder(shape, size, width=256, last="sigmoid"):
    """The rival: every pixel is connected to every hidden unit."""
    pictures = keras.Input(shape)
    x = layers.Dense(width, activation="gelu")(layers.Flatten()(pictures))
    code = layers.Dense(size, name="code")(x)
    x = layers.Dense(width, activation="gelu")(code)
    x = layers.Dense(int(np.prod(shape)), activation=last)(x)
    return keras.Model(pictures, layers.Reshape(shape)(x))


fit_autoencoder = fallbacks.choose(
    fit_autoencoder, ours.fit_autoencoder, ours.fit_autoencoder_works
)
keras.utils.set_random_seed(0)
network, dense = autoencoder((24, 24, 3), 16), dense_autoencoder((24, 24, 3), 16)
histories, seconds = {}, {}
for name, model, rate in [("convolutional", network, 3e-3), ("dense", dense, 1e-3)]:
    began = time.perf_counter()
    histories[name] = fit_autoencoder(model, train, (valid, valid), epochs=25, rate=rate)
    seconds[name] = time.perf_counter() - began

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.2))
for (name, history), color in zip(histories.items(), (plots.VERMILION, plots.BLUE)):
    epochs = 1 + np.arange(len(history.history["loss"]))
    axis.plot(epochs, history.history["val_loss"], color=color, label=f"{name}, validation")
    axis.plot(epochs, history.history["loss"], color=color, ls=":", label=f"{name}, training")
axis.axhline(squared_error(valid, pca_draw(pca_codes(valid, 16))), color=plots.BLACK, lw=1)
axis.text(25, 0.00475, "PCA, 16 numbers", ha="right", va="bottom", fontsize=9)
axis.set(xlabel="epoch", ylabel="mean squared error", ylim=(0, 0.014))
axis.legend(fontsize=9)
axis.set_title("Both pass PCA, and learn nothing by heart")
plots.show(
    fig,
    alt="""Training and validation error of both networks over 25 epochs. All four curves fall steeply and then slowly, cross the
    line of PCA with 16 numbers around the tenth epoch, and end close together below it; validation lies hardly above training.""",
)

# %% tags=["demo", "nbval-check-output"]
drawn = {
    "PCA, 16 numbers": pca_draw(pca_codes(test, 16)),
    "dense, 16 numbers": dense.predict(test, verbose=0),
    "convolutional, 16 numbers": network.predict(test, verbose=0),
}
errors = {name: squared_error(test, pictures) for name, pictures in drawn.items()}
pca_errors = {size: squared_error(test, pca_draw(pca_codes(test, size))) for size in range(1, 101)}
needed = min(k for k, error in pca_errors.items() if error <= errors["convolutional, 16 numbers"])
limits = [(0.0046, 0.0048), (0.0032, 0.004), (0.0032, 0.0041)]
print("mean squared error on 500 new faces:")
results.table(
    *((name, error, limit) for (name, error), limit in zip(errors.items(), limits)),
    ("numbers that PCA needs for the last", needed, (20, 30)),
    parameters=[17 * 1728, dense.count_params(), network.count_params(), None],
    seconds=[pca_seconds, seconds["dense"], seconds["convolutional"], None],
)

# %% [markdown]
# How to read such a table: `here` is the number of this run, and the range is over trainings that differ in their seed. A network's
# score is one draw out of many; yours should lie in the same range.
#
# Both networks draw better from 16 numbers than PCA does, which would need about 25 for the same. Between the two it is a tie: the rates that
# we tried moved either of them by more than they differ. But the convolutional one gets there with a nineteenth of the weights, since one filter serves every place of the
# picture. It has hardly more weights than PCA, whose 16 directions and mean are pictures themselves. The price is time. And the curves still fall a
# little at the end: *at most 25 epochs* is our patience, and not the best that the networks can do.


# %% tags=["demo"]
fig, axes = plt.subplots(4, 8, figsize=(6.4, 3.6))
rows = {"original": test} | {name.split(",")[0]: pictures for name, pictures in drawn.items()}
for line, (name, pictures) in zip(axes, rows.items()):
    for axis, picture in zip(line, pictures):
        draw(axis, picture)
    line[0].set_ylabel(name.replace("utional", "."), rotation=0, ha="right", va="center")
fig.suptitle("From 16 numbers: the networks know where a head ends", x=0.01, ha="left")
plots.show(
    fig,
    alt="""Eight faces in four rows: originals, and as PCA, the dense and the convolutional network draw them from 16 numbers. PCA
    leaves a haze around each head. Both networks draw sharp outlines and hair; eyes, mouths and glasses are
    blurred.""",
)

# %% [markdown]
# What is lost is what takes few pixels: the direction of a glance, the frame of the glasses. The loss counts pixels, and a mouth has twenty.
# For finding a person's place in a picture that is the right choice, for reading a mood the wrong one. The loss did not know which of the two we wanted.

# %% [markdown]
# ## From face to face
#
# Back to the question at the top. In between two *pictures* lie ghosts. What lies in between two *codes*? Take the network apart, and see: the
# encoder makes codes of both faces, one goes from one code to the other in a straight line, and the decoder draws each stop.
#
# ### Exercise 3: a walk through the code
#
# Complete `walk(model, first, last, steps)`. `model` is an autoencoder whose code is the output of a layer named `"code"`; `first` and `last` are
# two pictures, arrays of shape (height, width, channels). Return the pictures that the decoder draws at `steps` evenly spaced places on the straight line from the
# code of `first` to the code of `last`, both ends included: an array or tensor of shape (steps, height, width, channels). `steps` is at least 2.
#
# A model can be cut at any layer: `keras.Model(model.inputs[0], model.get_layer(name).output)` is its first half, and shares its weights; what goes from there to
# `model.outputs[0]` is the second. A network takes batches: a single picture is `picture[None]`.


# %% grade_id="walk" solution=true
def walk(model, first, last, steps):
    """Pictures (steps, ...) on the straight line between the codes of two pictures."""
    ### BEGIN SOLUTION
    code = model.get_layer("code").output
    encoder, decoder = keras.Model(model.inputs[0], code), keras.Model(code, model.outputs[0])
    start, end = encoder.predict(np.stack([first, last]), verbose=0)
    return decoder.predict(np.linspace(start, end, steps), verbose=0)
    ### END SOLUTION


# %% grade_id="walk_form" points=1
model, (first, last) = small_model(6), patches(2, (4, 4, 1), seed=6)
model.set_weights([3 * part for part in model.get_weights()])
stops = np.asarray(walk(model, first.copy(), last.copy(), 5))
assert stops.shape == (5, 4, 4, 1), (
    f"Five stops between pictures of shape (4, 4, 1): expected shape (5, 4, 4, 1), got {stops.shape}."
)
for name, place, picture in [("first", 0, first), ("last", -1, last)]:
    want = np.asarray(model(picture[None]))[0]
    off = np.abs(stops[place] - want).max()
    assert off < 1e-4, (
        f"The {name} stop should be the {name} picture as the model draws it; its pixels are off by up to {off:.5f}."
    )
mixed = np.asarray(model(((first + last) / 2)[None]))[0], (stops[0] + stops[-1]) / 2
for wrong, what in zip(mixed, ["the mean picture as the model draws it", "the mean of both ends"]):
    off = np.abs(stops[2] - wrong).max()
    assert off > 1e-4, (
        f"The stop in the middle is {what}; it should be drawn from the mean of two codes."
    )

# %% grade_id="walk_between" points=2
# Hidden tests: is every stop drawn from a code on the line? Other models, shapes and numbers of steps.
### BEGIN HIDDEN TESTS
for seed, shape, size, steps in [(7, (3, 5, 2), 4, 6), (8, (2, 2, 3), 1, 2)]:
    model, (first, last) = small_model(seed, shape, size), patches(2, shape, seed)
    model.set_weights([4 * part for part in model.get_weights()])
    code = model.get_layer("code").output
    encoder, decoder = keras.Model(model.inputs[0], code), keras.Model(code, model.outputs[0])
    start, end = np.asarray(encoder(np.stack([first, last])))
    want = np.asarray(decoder(np.linspace(start, end, steps)))
    got = np.asarray(walk(model, first.copy(), last.copy(), steps))
    assert got.shape == want.shape, (
        f"{steps} steps, pictures of {shape}: expected {want.shape}, got {got.shape}."
    )
    off = np.abs(got - want).reshape(steps, -1).max(axis=1)
    assert off.max() < 1e-4, (
        f"{steps} steps, pictures of {shape}: stop {off.argmax()} is off by up to {off.max():.5f}. Is it the codes that are mixed, "
        "evenly, and is each mixture decoded?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The pixels are mixed instead of the codes: every stop is the ghost of two pictures.
def walk(model, first, last, steps):
    return model.predict(np.linspace(first, last, steps), verbose=0)


# %% tags=["misconception"]
# The drawn ends are mixed pixel by pixel, after decoding.
def walk(model, first, last, steps):
    start, end = model.predict(np.stack([first, last]), verbose=0)
    return np.linspace(start, end, steps)


# %% tags=["misconception"]
# The last stop is missing: the walk ends one step before the last picture.
def walk(model, first, last, steps):
    code = model.get_layer("code").output
    encoder, decoder = keras.Model(model.inputs[0], code), keras.Model(code, model.outputs[0])
    start, end = encoder.predict(np.stack([first, last]), verbose=0)
    return decoder.predict(np.linspace(start, end, steps, endpoint=False), verbose=0)


# %% tags=["misconception"]
# The walk goes the wrong way, from the last picture to the first.
def walk(model, first, last, steps):
    code = model.get_layer("code").output
    encoder, decoder = keras.Model(model.inputs[0], code), keras.Model(code, model.outputs[0])
    start, end = encoder.predict(np.stack([first, last]), verbose=0)
    return decoder.predict(np.linspace(end, start, steps), verbose=0)


# %% tags=["misconception"]
# The stops are crowded at one end: the shares are squared, and the walk is not even.
def walk(model, first, last, steps):
    code = model.get_layer("code").output
    encoder, decoder = keras.Model(model.inputs[0], code), keras.Model(code, model.outputs[0])
    start, end = encoder.predict(np.stack([first, last]), verbose=0)
    share = np.linspace(0, 1, steps)[:, None] ** 2
    return decoder.predict((1 - share) * start + share * end, verbose=0)


# %% tags=["alternative"]
# Calls the halves on tensors, and mixes with operations of Keras.
def walk(model, first, last, steps):
    code = model.get_layer("code").output
    encoder, decoder = keras.Model(model.inputs[0], code), keras.Model(code, model.outputs[0])
    start, end = encoder(ops.convert_to_tensor(first[None])), encoder(last[None])
    share = ops.reshape(ops.linspace(0.0, 1.0, steps), (-1, 1))
    return decoder(start + share * (end - start))


# %% tags=["alternative"]
# Runs the decoder's layers one by one, stop after stop.
def walk(model, first, last, steps):
    place = [layer.name for layer in model.layers].index("code")
    encoder = keras.Model(model.inputs[0], model.layers[place].output)
    ends, drawn = np.asarray(encoder(np.array([first, last]))), []
    for step in range(steps):
        x = ends[:1] + step / (steps - 1) * (ends[1:] - ends[:1])
        for layer in model.layers[place + 1 :]:
            x = layer(x)
        drawn.append(np.asarray(x)[0])
    return np.array(drawn)


# %% [markdown]
# Now the walk of the first picture. *Will there be one head at every stop, or two?*

# %% tags=["demo"]
walk = fallbacks.choose(walk, ours.walk, ours.walk_works)


def two_halves(model):
    """Encoder and decoder of an autoencoder as two models, which share its weights."""
    code = model.get_layer("code").output
    return keras.Model(model.inputs[0], code), keras.Model(code, model.outputs[0])


shares = np.linspace(0, 1, 7)[:, None, None, None]
pairs = [1, 6]

# %% tags=["demo", "thumbnail"]
fig, axes = plt.subplots(4, 7, figsize=(6.4, 4.1))
for number, pair in enumerate(pairs):
    mixed = (1 - shares) * starts[pair] + shares * ends[pair]
    by_code = walk(network, starts[pair], ends[pair], 7)
    for line, pictures, name in zip(axes[2 * number :], (mixed, by_code), ("pixels", "codes")):
        for axis, picture in zip(line, np.asarray(pictures)):
            draw(axis, picture)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
fig.suptitle("Between two codes there is a face; between two pictures, a ghost", x=0.01, ha="left")
plots.show(
    fig,
    alt="""Two walks of seven stops from one face to another, each twice. By pixels the first face fades while the second appears, with
    two overlapping heads half-way. By codes a single head moves, turns and changes its colours from stop to stop.""",
)

# %% [markdown]
# One head, which moves. For a hundred pairs we know the true half-way face, whose every number (place, width, turn, mood, colours) is the mean of
# two. So the walk can be measured, beside the mean of pixels and beside a walk through PCA's 16 numbers. *A linear code cannot do better than a mean of pixels, or can
# it?*

# %% tags=["demo", "nbval-check-output"]
encoder, decoder = two_halves(network)
middle = (encoder.predict(starts, verbose=0) + encoder.predict(ends, verbose=0)) / 2
flat_middle = (pca_codes(starts, 16) + pca_codes(ends, 16)) / 2
print("error of the face half-way, mean of 100 pairs:")
results.table(
    ("mean of pixels", squared_error(half_ways, (starts + ends) / 2), (0.0054, 0.0055)),
    ("mean of PCA's codes", squared_error(half_ways, pca_draw(flat_middle)), (0.0044, 0.0046)),
    (
        "mean of the network's codes",
        squared_error(half_ways, decoder.predict(middle, verbose=0)),
        (0.0032, 0.0039),
    ),
    (
        "the true one, redrawn by the network",
        squared_error(half_ways, network.predict(half_ways, verbose=0)),
        (0.0022, 0.0029),
    ),
)

# %% [markdown]
# PCA's walk is the mean of pixels, a little blurred, and its blur makes it better than the sharp ghost. The network's walk is better than both: nobody told it
# that heads move, and yet moving is what the straight line in its code does. It is not perfect; the last row says how well this network draws
# the half-way faces when it is shown them.
#
# Can one also draw a code at random, and get a face that nobody drew? Above, each of the 16 numbers comes from another face; below, all 16 are drawn
# from a normal distribution with the mean and the correlations of the training codes.

# %% tags=["demo"]
codes = encoder.predict(train, verbose=0)
rng = np.random.default_rng(0)
shuffled = np.stack([rng.permutation(column)[:8] for column in codes.T], axis=1)
spread = rng.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), 8).astype("float32")
fig, axes = plt.subplots(2, 8, figsize=(6.4, 2.0))
for line, some, name in zip(axes, (shuffled, spread), ("each number\nby itself", "together")):
    for axis, picture in zip(line, decoder.predict(some, verbose=0)):
        draw(axis, picture)
    line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
fig.suptitle("Random codes give heads, and hardly a face", x=0.01, ha="left")
plots.show(
    fig,
    alt="""Two rows of eight pictures drawn from random codes. In both rows there are heads of plausible colours, with smeared hair and
    blurred, mostly missing features.""",
)

# %% [markdown]
# Heads with hair and shoulders, and hardly a face among them; the correlations are not what was missing.
# Nothing in the loss asked that the space between codes be filled. **Variational** autoencoders add a term that does.

# %% [markdown]
# ## Noise does not fit through
#
# A waist that has room only for what faces share has none for noise. So an autoencoder can clean pictures, and best if trained
# for it: a **denoising autoencoder** gets the noisy picture as input and the *clean* one as target. In Keras the noise can be a layer of the
# model. `GaussianNoise` is active in training only, and draws anew in every step, so that no noise can be learned by heart.
#
# ### Exercise 4: a model that makes its own noise
#
# Complete `denoiser(model, spread)`. `model` is an autoencoder, for pictures of whatever shape. Return a Keras model, from pictures to pictures, that does
# what `model` does, with noise before it in training:
#
# - in training, to each number of each picture noise is added, from a normal distribution with mean 0 and **standard deviation** `spread`, fresh for every
#   number and every call; what the noise lifts above 1 becomes 1, what it pushes below 0 becomes 0 (`ops.clip` works on the tensors of a graph
#   too); then comes `model`;
# - outside training the pictures go to `model` as they are;
# - it has the weights that `model` has, and no others.
#
# A model can be called like a layer. Use Keras's layers and operations, without `Lambda` and without a class of yours.


# %%
def affine_model(shape, factor, offset):
    """A model that multiplies pixels and adds a number, for tests."""
    pictures = keras.Input(shape)
    return keras.Model(pictures, layers.Rescaling(factor, offset, dtype="float32")(pictures))


# %% grade_id="denoiser" solution=true
def denoiser(model, spread):
    """A model with noise before an autoencoder, in training only."""
    ### BEGIN SOLUTION
    pictures = keras.Input(model.input_shape[1:])
    noisy = layers.GaussianNoise(spread)(pictures)
    return keras.Model(pictures, model(ops.clip(noisy, 0, 1)))
    ### END SOLUTION


# %% grade_id="denoiser_form" points=1
model, pictures = small_model(10), patches(30, (4, 4, 1), seed=10)
noisy = denoiser(model, 0.3)
assert isinstance(noisy, keras.Model), f"Return a Keras model, not a {type(noisy).__name__}."
assert noisy.input_shape == noisy.output_shape == (None, 4, 4, 1), (
    f"Pictures of (4, 4, 1) in and out; yours maps {noisy.input_shape} to {noisy.output_shape}."
)
assert noisy.count_params() == model.count_params(), (
    f"The model has {model.count_params()} weights and yours {noisy.count_params()}: there should be no others."
)
off = float(np.abs(np.asarray(noisy(pictures, training=False)) - np.asarray(model(pictures))).max())
assert off < 1e-5, (
    f"Outside training it should do what the model does; pixels differ by up to {off:.5f}."
)
again = [np.asarray(noisy(pictures, training=True)) for _ in range(2)]
assert np.abs(again[0] - again[1]).max() > 1e-3, (
    "In training two calls with the same pictures should differ, and they give the same."
)

# %% grade_id="denoiser_noise" points=1
# Hidden tests: how strong is the noise, and is it fresh for each number of each picture?
### BEGIN HIDDEN TESTS
for spread, shape in [(0.05, (5, 4, 3)), (0.1, (6, 6, 1))]:
    pictures = np.random.default_rng(1).uniform(0.45, 0.55, (200, *shape)).astype("float32")
    noisy = denoiser(affine_model(shape, 1.0, 0.0), spread)
    noise = np.asarray(noisy(pictures, training=True), float) - pictures
    # At least 7,200 draws: a right answer stays within 4 of 100 of the spread.
    assert abs(noise.std() / spread - 1) < 0.1, (
        f"Asked for a spread of {spread}, the noise has a standard deviation of {noise.std():.4f}."
    )
    normal = abs(noise.mean()) < 0.08 * spread and np.abs(noise).max() > 3 * spread
    assert normal, (
        f"With a spread of {spread} the noise has the mean {noise.mean():.4f} and reaches {np.abs(noise).max():.4f}: is it normal "
        "with mean 0?"
    )
    flat = noise.reshape(200, -1)
    different = len(np.unique(np.round(noise, 7))) / noise.size
    fresh = different > 0.5 and abs(flat.mean(axis=1)).max() < 0.8 * spread
    assert fresh, (
        f"Of {noise.size} numbers only {100 * different:.0f} in 100 got noise unlike the others': is it fresh for each number?"
    )
### END HIDDEN TESTS

# %% grade_id="denoiser_bounds" points=1
# Hidden tests: what becomes of numbers that the noise pushes over a bound, before the model sees them?
### BEGIN HIDDEN TESTS
# Half a spread from the bound the noise crosses it for .309 of the numbers, at the bound for .5 (10,000 draws, sd .005).
for value, bound, share in [(0.0, 0, 0.5), (0.1, 0, 0.309), (0.9, 1, 0.309), (1.0, 1, 0.5)]:
    pictures = np.full((100, 10, 10, 1), value, "float32")
    noisy = denoiser(affine_model((10, 10, 1), 2.0, -0.5), 0.2)
    drawn = np.asarray(noisy(pictures, training=True))
    got = float(np.mean(np.abs(drawn - (2 * bound - 0.5)) < 1e-5))
    assert abs(got - share) < 0.03, (
        f"Pixels of {value} with a spread of .2: the noise takes {100 * share:.0f} in 100 of them over the bound, and "
        f"{100 * got:.0f} in 100 of yours come to the model as {bound}. What is pushed over a bound should stop there, before the model."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Nothing is clipped: noisy pictures leave the range from 0 to 1.
def denoiser(model, spread):
    pictures = keras.Input(model.input_shape[1:])
    return keras.Model(pictures, model(layers.GaussianNoise(spread)(pictures)))


# %% tags=["misconception"]
# The noise comes after the model, so that it is asked to draw noise instead of removing it.
def denoiser(model, spread):
    pictures = keras.Input(model.input_shape[1:])
    drawn = layers.GaussianNoise(spread)(model(pictures))
    return keras.Model(pictures, ops.clip(drawn, 0, 1))


# %% tags=["misconception"]
# Dropout sets numbers to zero and raises the others; it is no normal noise.
def denoiser(model, spread):
    pictures = keras.Input(model.input_shape[1:])
    noisy = layers.Dropout(spread)(pictures)
    return keras.Model(pictures, model(ops.clip(noisy, 0, 1)))


# %% tags=["misconception"]
# The square of the spread is taken: the layer wants a standard deviation, and not a variance.
def denoiser(model, spread):
    pictures = keras.Input(model.input_shape[1:])
    noisy = layers.GaussianNoise(spread**2)(pictures)
    return keras.Model(pictures, model(ops.clip(noisy, 0, 1)))


# %% tags=["misconception"]
# The noise is drawn once, when the graph is made, and is the same in every step and outside training.
def denoiser(model, spread):
    pictures = keras.Input(model.input_shape[1:])
    noise = np.random.default_rng(0).normal(0, spread, model.input_shape[1:]).astype("float32")
    return keras.Model(pictures, model(ops.clip(pictures + noise, 0, 1)))


# %% tags=["alternative"]
# A Sequential model, whose ReLU with a largest value does the clipping.
def denoiser(model, spread):
    return keras.Sequential(
        [
            keras.Input(model.input_shape[1:]),
            layers.GaussianNoise(spread),
            layers.ReLU(max_value=1.0),
            model,
        ]
    )


# %% tags=["alternative"]
# Clips with a minimum and a maximum, and calls the layer by its argument's name.
def denoiser(model, spread):
    pictures = keras.Input(shape=model.inputs[0].shape[1:])
    noisy = layers.GaussianNoise(stddev=spread)(pictures)
    noisy = ops.minimum(ops.maximum(noisy, 0.0), 1.0)
    return keras.Model(inputs=pictures, outputs=model(noisy))


# %% [markdown]
# ### Clean it
#
# Noise with a spread of .5, half of the way from black to white. A trap waits in the training: the noise layer sleeps when Keras computes `val_loss`. With clean
# faces for validation we would choose the epoch that draws *clean* faces best. So the validation pair is made by hand, noisy inputs
# and clean targets, and fixed.
#
# The rivals: PCA with the number of directions that cleans best; **ridge regression**, where each clean number is a weighted sum of all the noisy ones; and the network
# from above, which has seen clean faces only. All of them were set on the faces for validation. *Which order do you expect?*


# %% tags=["demo"]
def with_noise(pictures, seed, spread=0.5):
    """Noisy pictures, from 0 to 1."""
    noise = np.random.default_rng(seed).normal(0, spread, pictures.shape)
    return np.clip(pictures + noise, 0, 1).astype("float32")


denoiser = fallbacks.choose(denoiser, ours.denoiser, ours.denoiser_works)
noisy_valid, noisy_test = with_noise(valid, 1), with_noise(test, 2)
keras.utils.set_random_seed(0)
cleaner = denoiser(autoencoder((24, 24, 3), 16), 0.5)
began = time.perf_counter()
fit_autoencoder(cleaner, train, (noisy_valid, valid), epochs=20, rate=3e-3)
cleaning_seconds = time.perf_counter() - began

# %% tags=["demo"]
from sklearn.linear_model import Ridge

began = time.perf_counter()
noisy_train = np.concatenate([with_noise(train, seed) for seed in (3, 4)]).reshape(6000, -1)
ridge = Ridge(1000).fit(noisy_train, np.concatenate([train, train]).reshape(6000, -1))
ridge_seconds = time.perf_counter() - began
best = min(
    range(2, 61, 2),
    key=lambda size: squared_error(valid, pca_draw(pca_codes(noisy_valid, size))),
)

# %% tags=["demo", "nbval-check-output"]
cleaned = {
    "noisy": noisy_test,
    "PCA": pca_draw(pca_codes(noisy_test, best)),
    "ridge": ridge.predict(noisy_test.reshape(500, -1)).reshape(test.shape),
    "clean-trained": network.predict(noisy_test, verbose=0),
    "denoiser": cleaner.predict(noisy_test, verbose=0),
}
print(f"error that is left ({best} directions for PCA):")
limits = [(0.123, 0.124), (0.0094, 0.0097), (0.0063, 0.0065), (0.0098, 0.0119), (0.0058, 0.0071)]
results.table(
    *(
        (name, squared_error(test, one), limit)
        for (name, one), limit in zip(cleaned.items(), limits)
    ),
    parameters=[
        None,
        (best + 1) * 1728,
        ridge.coef_.size + 1728,
        network.count_params(),
        cleaner.count_params(),
    ],
    seconds=[None, pca_seconds, ridge_seconds, seconds["convolutional"], cleaning_seconds],
)

# %% tags=["demo"]
fig, axes = plt.subplots(5, 8, figsize=(6.4, 4.4))
rows = {name: cleaned[name] for name in ("noisy", "PCA", "ridge", "denoiser")} | {"original": test}
for line, (name, pictures) in zip(axes, rows.items()):
    for axis, picture in zip(line, pictures):
        draw(axis, picture)
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
fig.suptitle("From noise to faces: at the same error, ridge is softer", x=0.01, ha="left")
plots.show(
    fig,
    alt="""Eight faces in five rows: so noisy that one sees little more than a head; cleaned by PCA, with coloured clouds; by ridge
    regression, pale and soft; by the denoising network, with clear outlines; and the originals.""",
)

# %% [markdown]
# Training for it matters: the network that has seen clean faces only does worse than PCA, because its encoder answers noise with wrong codes. But the order at the top
# is a tie. Ridge regression, three million weights found by linear algebra, leaves as much error as the denoiser with its 48,000. Whoever wants the error alone need not train a network here. They
# differ in kind: ridge averages, so its faces are pale and soft; the denoiser decides, so its faces have edges, also where it decides wrongly.
#
# Compare the fourth row with the last. Where noise has hidden a pair of glasses, the network draws what faces usually have there. It is plausible, and it need not be true. One
# would not clean a patient's scan this way without saying so.

# %% [markdown]
# ## What a code is good for
#
# Nobody keeps an autoencoder for pictures that come out as they went in. What one wants is the code: a short vector in place
# of the picture, or of a document whose words were counted, in whatever comes next. Learning such vectors is called
# **representation learning**. The usual promises are that with codes one can *look up*, *cluster*, *classify* and *compress*. We test
# each beside the raw numbers and beside PCA, and not all of them hold.
#
# ### Looking up, sorting, and a few labels
#
# For this we take real pictures: 1,797 digits of 8 × 8 pixels, written by 13 people, whose labels no autoencoder sees. At 64 pixels a dense network serves
# well; it gets a code of 10.
#
# - **Information retrieval** by example: each test digit asks for its ten nearest training digits. *Precision at 10* is the share of answers that show the same digit.
# - **Clustering** groups examples without labels. **k-means** puts each picture to the nearest of ten centres, and moves the centres until nothing changes. How
#   well groups and digits agree is measured by **normalised mutual information**, from 0, unrelated, to 1, the same up to names.
# - **Few labels**: logistic regression learns from only five labelled digits of each kind; the mean accuracy over ten draws of these.
#
# *It is often said that one should do all three with codes instead of pixels. Should one?*

# %% tags=["demo"]
from sklearn.metrics import normalized_mutual_info_score

digits, labels = datasets.arrays("digits", "train", as_supervised=True, scaled=True)
new_digits, new_labels = datasets.arrays("digits", "test", as_supervised=True, scaled=True)


# %% tags=["demo"]
def precision_at_10(vectors, new_vectors):
    """The share of the ten nearest training digits that show the same digit."""
    nearest = NearestNeighbors(n_neighbors=10).fit(vectors).kneighbors(new_vectors)[1]
    return float(np.mean(labels[nearest] == new_labels[:, None]))


def agreement(vectors):
    """How well ten groups found by k-means agree with the digits, from 0 to 1."""
    groups = KMeans(10, n_init=5, random_state=0).fit(vectors).labels_
    return normalized_mutual_info_score(labels, groups)


def with_few_labels(vectors, new_vectors, each=5, draws=10):
    """Mean accuracy of logistic regression on ``each`` labelled digits of a kind."""
    scores, mean, spread = [], vectors.mean(axis=0), vectors.std()
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        places = [rng.choice(np.flatnonzero(labels == digit), each, False) for digit in range(10)]
        chosen = np.concatenate(places)
        model = LogisticRegression(max_iter=300)
        model.fit((vectors[chosen] - mean) / spread, labels[chosen])
        scores.append(model.score((new_vectors - mean) / spread, new_labels))
    return float(np.mean(scores))


# %% tags=["demo"]
keras.utils.set_random_seed(0)
for_digits = dense_autoencoder((8, 8, 1), 10, width=128)
held_out = digits[1100:]
fit_autoencoder(for_digits, digits[:1100], (held_out, held_out), epochs=40, rate=3e-3)
digit_encoder, _ = two_halves(for_digits)
ten = PCA(10).fit(digits.reshape(-1, 64))
vectors = {
    "64 pixels": (digits.reshape(-1, 64), new_digits.reshape(-1, 64)),
    "PCA, 10": (pca_codes(digits, 10, ten), pca_codes(new_digits, 10, ten)),
    "network, 10": tuple(digit_encoder.predict(d, verbose=0) for d in (digits, new_digits)),
}

# %% tags=["demo", "nbval-check-output"]
measures = {
    "precision at 10": precision_at_10,
    "clustering": lambda old, new: agreement(old),
    "5 labels each": with_few_labels,
}
limits = [
    (0.94, 0.96),
    (0.91, 0.94),
    (0.91, 0.95),
    (0.71, 0.75),
    (0.71, 0.75),
    (0.69, 0.78),
    (0.83, 0.86),
    (0.82, 0.85),
    (0.79, 0.87),
]
rows = [
    (f"{what}, {name}", measure(*pair))
    for what, measure in measures.items()
    for name, pair in vectors.items()
]
results.table(*((*row, limit) for row, limit in zip(rows, limits, strict=True)))

# %% [markdown]
# On these 1,797 digits: no. What the code buys is length, a sixth of the numbers, and it costs a few right answers. In clustering and with few labels
# it neither helps nor hurts beyond its own spread over seeds, and PCA's ten numbers do as much, although PCA draws worse. To draw well and to tell apart are different
# aims: nothing in the reconstruction loss asks for groups with gaps between them, and a 4 that slants into a 9 is drawn best from a code
# in between. Centred digits of 64 pixels are also an easy case for pixels. On photographs raw pixels are hopeless; but the representations that rule there were mostly learned
# with other tasks than copying.

# %% [markdown]
# ### Documents, too
#
# A document becomes a vector when one counts its words. Ours are paragraphs of Python's manual, with 800 words counted, each count weighted down the more paragraphs
# the word occurs in (**tf-idf**). PCA's kin for word counts is called **latent semantic analysis**. Each paragraph asks for its five nearest others: *which share comes
# from the same topic of the manual?*

# %% tags=["demo"]
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

manual = datasets.arrays("python_docs", "train")
kept = [
    place
    for place, text in enumerate(manual["text"])
    if len(text.split()) > 7 and not manual["repeated"][place]
]
counter = TfidfVectorizer(max_features=800, stop_words="english")
words = counter.fit_transform(manual["text"][kept]).toarray().astype("float32")
topics = manual["topic"][kept]


def same_topic(vectors):
    """The share of the five nearest other paragraphs, by angle, that have the same topic."""
    search = NearestNeighbors(n_neighbors=5, metric="cosine").fit(vectors)
    nearest = search.kneighbors(return_distance=False)
    return float(np.mean(topics[nearest] == topics[:, None]))


# %% tags=["demo", "nbval-check-output"]
keras.utils.set_random_seed(0)
reader = dense_autoencoder((800,), 16, width=128, last="linear")
part = np.arange(len(words)) % 10 == 0  # every tenth paragraph validates
fit_autoencoder(reader, words[~part], (words[part], words[part]), epochs=20, rate=3e-3)
word_codes = two_halves(reader)[0].predict(words, verbose=0)
analysis = TruncatedSVD(16, random_state=0).fit_transform(words)
results.table(
    ("800 words", same_topic(words), (0.45, 0.5)),
    ("latent semantic analysis, 16", same_topic(analysis), (0.39, 0.44)),
    ("autoencoder, 16", same_topic(word_codes), (0.4, 0.43)),
)

# %% [markdown]
# The counts themselves find most. Sixteen numbers find nearly as much at a fiftieth of the length, and a network does not find more than the linear method, which needs no training. On 1,206 paragraphs there is
# little to learn from; Hinton and Salakhutdinov, who had 800,000 news stories, found an autoencoder of ten numbers clearly ahead of latent semantic analysis.

# %% [markdown]
# ### Compressed, with every byte counted
#
# Sixteen numbers are shorter than 1,728, but a number is not a byte. An honest count has three parts. A code's number needs as many bits as one writes it with:
# here each is rounded to one of 16 steps between its smallest and largest value in training, 4 bits. What decodes must be sent as well, or nobody can read the codes: the
# network's decoder, or PCA's directions, at two bytes a weight. And the rivals must be given a fair chance: PCA gets as many numbers as it takes to reach the network's error, and
# all 500 test faces go onto one JPEG sheet, since one file a face is mostly header. JPEG needs no decoder to be sent; every computer has one.


# %% tags=["demo"]
from PIL import Image


def rounded(codes, reference, bits=4):
    """What a decoder gets from codes that were written with so many bits a number."""
    low, high = reference.min(axis=0), reference.max(axis=0)
    step = (high - low) / (2**bits - 1)
    return (low + np.clip(np.round((codes - low) / step), 0, 2**bits - 1) * step).astype("float32")


def as_jpeg(picture, quality):
    """Size in bytes and decoded pixels of a picture (height, width, 3) from 0 to 1."""
    file = io.BytesIO()
    whole = Image.fromarray(np.uint8(np.round(255 * picture)))
    whole.save(file, "jpeg", quality=quality, optimize=True)
    return file.tell(), np.asarray(Image.open(file), "float32") / 255


sheet = test.reshape(20, 25, 24, 24, 3).transpose(0, 2, 1, 3, 4).reshape(480, 600, 3)
jpegs = [as_jpeg(sheet, quality) for quality in range(2, 60)]

# %% tags=["demo", "nbval-check-output"]
test_codes = encoder.predict(test, verbose=0)
as_sent = decoder.predict(rounded(test_codes, codes), verbose=0)
error = squared_error(test, as_sent)
flat_codes = rounded(pca_codes(test, 100), pca_codes(train, 100))
size = next(k for k in range(1, 101) if squared_error(test, pca_draw(flat_codes[:, :k])) <= error)
jpeg = min(count for count, pixels in jpegs if squared_error(sheet, pixels) <= error) / 500
decoders = [2 * decoder.count_params(), 2 * 1728 * (size + 1), 0]
per_face = [16 * 4 / 8, size * 4 / 8, jpeg]
print(f"a face as it is: 1,728 bytes. At the network's error with rounded codes, {error:.4f}:")
results.table(
    ("network, bytes a face", per_face[0], (8, 8)),
    ("PCA, bytes a face", per_face[1], (10, 15)),
    ("JPEG, bytes a face", per_face[2], (67, 89)),
    decoder_in_kB=[count / 1000 for count in decoders],
    kB_for_500=[(500 * a + b) / 1000 for a, b in zip(per_face, decoders)],
    MB_for_a_million=[a + b / 1e6 for a, b in zip(per_face, decoders)],
)

# %% [markdown]
# Knowing one thing, these faces, is worth much: a tenth of JPEG's bytes a face for the network, a sixth for PCA. That knowledge is in what decodes. For 500
# faces JPEG is the smallest package all the same, as long as the others have to send theirs; for a million it is the largest by far. The network wins over PCA on both counts, fewer numbers
# and a smaller decoder, since its filters serve all places; the dense network's decoder would be ten times PCA's. And only JPEG works for pictures of anything else, as
# the end of the next section shows.

# %% [markdown]
# ## What is rare does not come through
#
# An encoder keeps what lowers the mean error and drops what matters little *to the mean*. What is rare in training matters little
# to it. So we make one thing rare. Two training sets of 1,500 faces: in the *even* one every second face wears glasses; in the *rare* one 30 do, 2 in 100, as
# can happen in a collection that nobody has looked through. A network is trained on each. *How much worse will the mean error get? And what will a face with glasses look like?*
#
# The second question needs a judge: logistic regression, trained on the pixels of the 3,000 true faces and their labels, says whether a picture shows glasses.


# %% tags=["demo"]
wears, wears_new = FACES["train"]["glasses"], FACES["test"]["glasses"] == 1
judge = LogisticRegression(C=0.1, max_iter=500).fit(train.reshape(3000, -1), wears)


def choose(without, with_glasses):
    """Places of so many training faces without and with glasses, always the same ones."""
    rng = np.random.default_rng(0)
    orders = [rng.permutation(np.flatnonzero(wears == kind)) for kind in (0, 1)]
    return np.concatenate([orders[0][:without], orders[1][:with_glasses]])


def kept_glasses(pictures):
    """The share of the test faces with glasses that the judge still sees them on."""
    return float(judge.predict(pictures[wears_new].reshape(-1, 1728)).mean())


def by_group(pictures):
    """The error on test faces with and without glasses."""
    squares = np.mean((test - pictures) ** 2, axis=(1, 2, 3))
    return squares[wears_new].mean(), squares[~wears_new].mean()


RARE, EVEN = choose(1470, 30), choose(750, 750)

# %% [markdown]
# There is a well-known remedy, to count the rare ones for more. `fit` takes a **weight** for each example, which multiplies its
# part of the loss. If all wearers together weigh as much as all others, each of the 30 counts like 49 faces without glasses.
#
# ### Exercise 5: weights for the rare
#
# Complete `group_weights(groups)`. `groups`, an array (n,) of whole numbers or strings, names the group of each of n pictures; there may be
# more than two. Return an array of one weight a picture:
#
# - pictures of one group weigh the same, and every group weighs the same in total;
# - the mean of all weights is 1, so that the learning rate keeps its meaning;
# - the shape is (n, 1, 1). Keras computes the mean over the *last* axis of a loss itself, the colours; what is left is a map of errors (n, height, width), and a weight has
#   to fit to that.


# %% grade_id="group_weights" solution=true
def group_weights(groups):
    """A weight for each picture (n, 1, 1), so that every group weighs the same."""
    ### BEGIN SOLUTION
    names, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = len(groups) / (len(names) * counts)
    return weights[places][:, None, None]
    ### END SOLUTION


# %% grade_id="group_weights_by_hand" points=1
result = np.asarray(group_weights(np.array([7, 3, 3, 3])), float)
assert result.shape == (4, 1, 1), (
    f"Four pictures: expected weights of shape (4, 1, 1), got {result.shape}."
)
assert np.allclose(result.ravel(), [2, 2 / 3, 2 / 3, 2 / 3]), (
    "One picture of group 7 and three of group 3: each group weighs 2 in total, so the weights are 2, 2/3, 2/3, 2/3; got "
    f"{np.round(result.ravel(), 4).tolist()}."
)

# %% grade_id="group_weights_values" points=2
# Hidden tests: more groups, other names, another order.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(6)
for names, share, count in [
    ([4, -1, 20], [0.9, 0.07, 0.03], 150),
    (["b", "a"], [0.3, 0.7], 31),
    ([5], [1], 6),
]:
    groups = rng.permutation(np.concatenate([names, rng.choice(names, count, p=share)]))
    result = np.asarray(group_weights(groups.copy()), float)
    counts = {name: int(np.sum(groups == name)) for name in names}
    assert result.shape == (len(groups), 1, 1), (
        f"Groups of {counts} pictures: expected shape {(len(groups), 1, 1)}, got {result.shape}."
    )
    for name in names:
        want, got = len(groups) / (len(names) * counts[name]), result[groups == name].ravel()
        assert np.allclose(got, want, rtol=1e-5), (
            f"Groups of {counts} pictures: each picture of {name} should weigh {want:.5f}, and yours weigh from {got.min():.5f} to "
            f"{got.max():.5f}. All groups weigh the same in total, and the mean weight is 1."
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The mean of the weights is not 1: they add up to 1, so that the learning rate is in effect far smaller.
def group_weights(groups):
    names, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / (len(names) * counts)
    return weights[places][:, None, None]


# %% tags=["misconception"]
# The common ones get the large weights: each picture is weighted with the size of its group.
def group_weights(groups):
    _, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = counts[places] / np.mean(counts[places])
    return weights[:, None, None]


# %% tags=["misconception"]
# The weights have the shape (n,), which Keras cannot multiply with a map of errors.
def group_weights(groups):
    names, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return (len(groups) / (len(names) * counts))[places]


# %% tags=["misconception"]
# There are taken to be two groups, however many there are.
def group_weights(groups):
    _, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return (len(groups) / (2 * counts))[places][:, None, None]


# %% tags=["misconception"]
# Square roots soften the weights: the rare group still weighs less in total than the others.
def group_weights(groups):
    _, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[places])
    return (weights / weights.mean())[:, None, None]


# %% tags=["alternative"]
# Lets scikit-learn compute the weights.
def group_weights(groups):
    from sklearn.utils.class_weight import compute_sample_weight

    return compute_sample_weight("balanced", groups).reshape(-1, 1, 1)


# %% tags=["alternative"]
# Counts with a loop, and divides by the mean at the end.
def group_weights(groups):
    weights = np.zeros((len(groups), 1, 1))
    for name in set(groups.tolist()):
        mine = groups == name
        weights[mine] = 1 / mine.sum()
    return weights / weights.mean()


# %% tags=["demo"]
group_weights = fallbacks.choose(group_weights, ours.group_weights, ours.group_weights_works)
by_set = {"even": test, "rare": test, "rare, weighted": test}
for name in by_set:
    places = EVEN if name == "even" else RARE
    weights = group_weights(wears[places]) if "weighted" in name else None
    keras.utils.set_random_seed(0)
    model = autoencoder((24, 24, 3), 16)
    fit_autoencoder(model, train[places], (valid, valid), 30, 3e-3, weights)
    by_set[name] = model.predict(test, verbose=0)
for name, places in (("PCA, even", EVEN), ("PCA, rare", RARE)):
    straight = PCA(16, random_state=0).fit(train[places].reshape(1500, -1))
    by_set[name] = pca_draw(pca_codes(test, 16, straight), straight)

# %% tags=["demo"]
fig, axes = plt.subplots(4, 7, figsize=(6.4, 4.1))
some = np.flatnonzero(wears_new & (FACES["test"]["tone"] > 0.35))[:7]
rows = {"original": test} | {n: by_set[n] for n in ("even", "rare", "rare, weighted")}
for line, (name, pictures) in zip(axes, rows.items()):
    for axis, picture in zip(line, pictures[some]):
        draw(axis, picture)
    line[0].set_ylabel(name.replace(", ", ",\n"), rotation=0, ha="right", va="center")
fig.suptitle("Where glasses were rare in training, the network takes them off", x=0.01, ha="left")
plots.show(
    fig,
    alt="""Seven faces with glasses in four rows: originals; as a network draws them whose training faces wore glasses in
    every second case, with the glasses visible; as one draws them that saw glasses on 2 in 100, with bare, blurred eyes; and
    as the same draws them with weights, coarser, with dark smudges around some eyes.""",
)

# %% tags=["demo", "nbval-check-output"]
usual = {name: np.dot([0.02, 0.98], by_group(pictures)) for name, pictures in by_set.items()}
print("the judge sees glasses on so many of the 225 test faces that wear them:")
print(f"on the faces themselves {kept_glasses(test):.2f}")
limits = [(0.65, 1), (0, 0.05), (0.2, 0.6), (0.66, 0.72), (0, 0.02)]
results.table(
    *((name, kept_glasses(one), limit) for (name, one), limit in zip(by_set.items(), limits)),
)
print()
print("mean squared error on faces of which 2 in 100 wear glasses, as in the rare set:")
limits = [(0.0031, 0.0043), (0.0033, 0.0042), (0.0047, 0.0083), (0.0042, 0.0044), (0.004, 0.0042)]
results.table(*((name, usual[name], limit) for name, limit in zip(by_set, limits)))

# %% [markdown]
# The network that saw 30 faces with glasses among 1,500 draws nearly everybody without. The mean error shows nothing of it: on a test set gathered like the training set, as test
# sets usually are, the network that takes off the glasses is as good as the other, within what seeds do: glasses are few pixels, and 2 in 100 are few faces. One
# must have thought of the group, and of a measure for what matters to it.
#
# Is this a fault of networks? No: PCA does the same. It is a property of compressing for the mean. And the weights? They bring some of the glasses
# back, at a price for everybody: the error rises by half and more. Thirty faces, however loudly shown, show thirty ways to look; what repairs is more faces with glasses.
# So filters and codecs that were trained mostly on some people come to treat others badly without anybody having meant it, and so a data set's mix belongs into its description,
# and each group's result into every report.

# %% [markdown]
# ### What it has never seen
#
# One step further: what does the network for faces make of something that is no face, such as a digit?

# %% tags=["demo", "nbval-check-output"]
large_digits = np.repeat(np.repeat(np.repeat(new_digits, 3, axis=1), 3, axis=2), 3, axis=3)
print("mean squared error of the network for faces:")
results.table(
    ("500 new faces", errors["convolutional, 16 numbers"], (0.0032, 0.0041)),
    (
        "500 digits",
        squared_error(large_digits, network.predict(large_digits, verbose=0)),
        (0.12, 0.26),
    ),
)

# %% [markdown]
# The error is tens of times as large, and that is useful: the reconstruction error itself says *this is not what I was trained on*. One can make an alarm of it, for a machine that sounds odd or
# a payment unlike all others. It is the same coin as above: an alarm that rings at what is rare also rings for people who are.

# %% [markdown]
# ## At full size
#
# `mnist` holds 70,000 real digits of 28 × 28 pixels, 11.6 MB to download. The cells below train a wider denoising autoencoder on them, 1.7 million weights with batch normalisation (which keeps the sums
# in each layer at a steady size), in batches that `tf.data` prepares, and show the same measures. Your `denoiser` puts the noise before it. `ModelCheckpoint`
# writes the best weights so far into a file. On a GPU `course.setup` chooses float16, numbers of 16 bits, for the convolutions. We expect one to two minutes there, and
# half an hour on two cores; we have not run these cells to their end on the full data. keras.io's example, *Convolutional autoencoder for image denoising*, trains a smaller network on the same digits.

# %% tags=["full-size"]
course.setup(seed=0, precision="auto")
EPOCHS, BATCH, CODE, FILTERS, SPREAD = 30, 128, 64, (64, 128), 0.5
try:
    parts = {
        name: datasets.load("mnist", split=split)
        for name, split in [
            ("train", "train[:92%]"),
            ("validation", "train[92%:]"),
            ("test", "test"),
        ]
    }
except datasets.DatasetNotDownloadedError as error:
    parts = None
    print(error)


# %% tags=["full-size"]
def wide_autoencoder(shape, size):
    """Two convolutions at each size; float32 at the end under every policy."""
    pictures = x = keras.Input(shape)
    for filters in FILTERS:
        x = layers.Conv2D(filters, 3, padding="same", activation="gelu")(x)
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.Activation("gelu")(layers.BatchNormalization()(x))
    maps = x.shape[1:]
    code = layers.Dense(size, name="code")(layers.Flatten()(x))
    x = layers.Reshape(maps)(layers.Dense(int(np.prod(maps)), activation="gelu")(code))
    for filters in reversed(FILTERS):
        x = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.Activation("gelu")(layers.BatchNormalization()(x))
    last = layers.Conv2D(shape[-1], 3, padding="same", activation="sigmoid", dtype="float32")
    return keras.Model(pictures, last(x))


# %% tags=["full-size"]
def with_targets(row):
    """A digit as input and as target."""
    picture = tf.cast(row["image"], "float32") / 255
    return picture, picture


SIZES = (10, 15, 20, 25, 30, 40)


def cleaned_by(flat, pictures):
    """Pictures through a PCA's code and back."""
    codes = flat.transform(pictures.reshape(len(pictures), -1))
    return flat.inverse_transform(codes).reshape(pictures.shape)


def with_noisy_input(inputs, targets):
    """The same digits with noise, for validation and testing."""
    noise = tf.random.stateless_normal(tf.shape(inputs), [1, 2], stddev=SPREAD)
    return tf.clip_by_value(inputs + noise, 0, 1), targets


# %% tags=["full-size"]
if parts is not None:
    rows = {name: part.map(with_targets).cache() for name, part in parts.items()}
    to_train = rows["train"].shuffle(10_000, seed=0).batch(BATCH).prefetch(2)
    noisy = {n: rows[n].batch(BATCH).map(with_noisy_input) for n in ("validation", "test")}
    wide = denoiser(wide_autoencoder((28, 28, 1), CODE), SPREAD)
    wide.compile(keras.optimizers.Adam(1e-3), "mse")
    checkpoint = datasets.data_dir().parent / "checkpoints" / "autoencoder.keras"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=1, min_delta=0),
        keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(checkpoint, save_best_only=True),
    ]
    wide_history = wide.fit(
        to_train,
        validation_data=noisy["validation"],
        epochs=EPOCHS,
        shuffle=False,
        callbacks=callbacks,
        verbose=2,
    )

# %% [markdown]
# The same measures, on the 10,000 test digits: what noise is left, beside PCA with the number of directions that cleans the validation digits best.

# %% tags=["full-size"]
if parts is not None:
    wide = keras.models.load_model(checkpoint)
    arrays = {
        name: [np.concatenate(part) for part in zip(*data.as_numpy_iterator())]
        for name, data in noisy.items()
    }
    clean = np.concatenate([one for one, _ in rows["train"].batch(500).as_numpy_iterator()])
    clean = clean[:20_000].reshape(-1, 784)
    inputs, targets = arrays["validation"]
    flats = [PCA(size, svd_solver="randomized", random_state=0).fit(clean) for size in SIZES]
    flat = min(flats, key=lambda one: np.mean((cleaned_by(one, inputs) - targets) ** 2))
    inputs, targets = arrays["test"]
    outputs = {
        "noisy": inputs,
        "PCA": cleaned_by(flat, inputs),
        "network": wide.predict(inputs, batch_size=500, verbose=0),
    }
    for name, pictures in outputs.items():
        print(f"{name}: error {np.mean((pictures - targets) ** 2):.4f}")

# %% tags=["full-size"]
if parts is not None:
    fig, axes = plt.subplots(4, 10, figsize=(6.4, 2.9))
    for line, (name, pictures) in zip(axes, (outputs | {"original": targets}).items()):
        for axis, picture in zip(line, pictures):
            draw(axis, picture[..., 0], cmap="gray_r", vmin=0, vmax=1)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    plots.show(fig, alt="Ten digits of mnist: noisy, cleaned by PCA and by the network, and clean.")

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Train with codes of 4, 8 and 32 numbers. Where is the network's lead over PCA largest, as a difference and as a ratio?
# 2. Give the code room for 128 numbers, and punish large ones with `activity_regularizer="l1"` on the code layer: a *sparse* autoencoder. Which share of a code is
#    near 0, and does the walk still work?
# 3. In the rare set, raise the number of faces with glasses from 30 to 60, 120, 240. From which number on do the glasses come back?
#
# To read: Hinton and Salakhutdinov (2006), *Reducing the dimensionality of data with neural networks* (Science), which brought deep autoencoders, with pictures, documents, and PCA beside
# them; Vincent and others (2010), *Stacked denoising autoencoders*; F. Chollet, *Deep Learning with Python*, the chapter on generative models, for variational autoencoders.
