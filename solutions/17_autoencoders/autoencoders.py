# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Autoencoders
#     summary: You send digits through a waist of a few numbers and out again, measure what the network keeps and what it throws away, and find out what such a code is good for and for whom it is not.
#     part: IV Learning without labels
#     minutes: 75
#     minutes_reading: 12
#     objectives:
#     - build an autoencoder, and say what encoder, code, decoder and reconstruction loss are
#     - compute the best linear autoencoder without training, and use it as the baseline
#     - train a network that takes grain out of pictures
#     - judge a code by retrieval, clustering, classification and bytes, beside methods that need no network
#     - measure who pays when a kind of picture is rare in training
#     datasets: [digits, photographs]
#     full_size: [mnist]
#     needs: [01_neurons_and_layers]
#     mirrors:
#       "1 Autoencoders and Anomaly Detection": "In through a waist, and out again"
#       "1 Autoencoders and Anomaly Detection: Encoder, code and reconstruction loss": "Encoder, code, decoder"
#       "1 Autoencoders and Anomaly Detection: Unsupervised learning": "The picture is its own answer"
#       "1 Autoencoders and Anomaly Detection: Compression, retrieval and clustering": "What a code is good for"
#       "4 What is Deep Learning Used For and Who Uses It?: Representation learning": "What a code is good for"
#       "4 What is Deep Learning Used For and Who Uses It?: Clustering": "A code does not sort the digits better"
#       "4 What Are Some Deep Learning Methods: Autoencoders": "Encoder, code, decoder"
# ---

# %% [markdown]
# # Autoencoders
#
# A picture of a digit is 64 numbers. How many of them does one need to draw it again: 30, 10, 2? In this
# lesson a network answers, by sending pictures through a narrow waist and drawing them anew on the other side.
#
# You will build such a network, hold it against a method that needs no training at all, take grain out of
# pictures with it, look pictures up by their codes, count bytes against JPEG, and measure whom it serves badly.
# About 12 minutes to read and run, 75 with the five exercises.

# %%
import course

course.setup(seed=0)

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from course import datasets, plots


def load_pictures(name, split):
    """Pixels as float32 from 0 to 1, one row a picture, and the labels."""
    pixels, labels = datasets.arrays(name, split, as_supervised=True, scaled=True)
    return pixels.reshape(len(pixels), -1), labels


train, train_labels = load_pictures("digits", "train")
test, test_labels = load_pictures("digits", "test")

# %% [markdown]
# ## In through a waist, and out again
#
# Below is the whole idea. A picture goes in on the left and is squeezed into ten numbers; from these ten alone
# it is drawn again on the right. This first hourglass is made of straight lines only, and no training was
# needed; you build it in exercise 1. Then networks do better.

# %% tags=["demo"]
import matplotlib.pyplot as plt
from sklearn.decomposition import PCA


def draw_picture(axis, pixels, title="", **options):
    """One picture of 8 x 8 pixels, dark ink on white."""
    axis.imshow(pixels.reshape(8, 8), **{"cmap": "gray_r", "vmin": 0, "vmax": 1} | options)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(True)
    axis.set_title(title, loc="center", fontsize=11)


straight = PCA(10).fit(train)
picture = test[3]
code = straight.transform(picture[None])[0]
rebuilt = straight.inverse_transform(code[None])[0]

# %% tags=["demo", "thumbnail"]
ratios = {"width_ratios": [1, 2.6, 1]}
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(6.4, 2.8), gridspec_kw=ratios)
draw_picture(left, picture, "64 pixels")
draw_picture(right, rebuilt, "64 pixels")
for sign, name, color in [(-1, "encoder", plots.SKY), (1, "decoder", plots.ORANGE)]:
    for inner, outer, half_in, half_out in [(0.55, 1.5, 2.2, 3.4), (1.65, 2.6, 3.6, 4.8)]:
        x = sign * np.array([inner, outer, outer, inner])
        middle.fill(x, [half_in, half_out, -half_out, -half_in], color=color, alpha=0.75)
    middle.text(sign * 1.6, -5.9, name, ha="center")
limit = np.abs(code).max()
for place, number in enumerate(code):
    shade = plt.get_cmap("PuOr")(0.5 + 0.5 * number / limit)
    middle.fill_between(
        [-0.38, 0.38], 1.8 - 0.4 * place, 2.2 - 0.4 * place, color=shade, ec="k", lw=0.5
    )
middle.text(0, 2.6, "code:\n10 numbers", ha="center")
middle.set(xlim=(-2.7, 2.7), ylim=(-6.3, 5))
middle.set_axis_off()
fig.suptitle("What comes out has passed through ten numbers", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""An hourglass. On the left a handwritten digit of 64 pixels, two narrowing blocks called encoder, in the
    middle a column of ten coloured cells called code, two widening blocks called decoder, and on the
    right the same digit, blurred but legible.""",
)

# %% [markdown]
# ### Encoder, code, decoder
#
# A network that turns a picture or a sentence into a few numbers is called an encoder, and one that makes
# something new of those numbers a decoder: so a sentence can be translated. An **autoencoder** decodes the very
# thing that went in.
#
# - The **encoder** $f$ turns the input $x$ into a **code** $z = f(x)$, also called its *latent representation*.
# - The **decoder** $g$ tries to rebuild the input from the code alone: $\hat x = g(z)$.
# - The **reconstruction loss** is the difference between both. Ours is the mean squared error over all $n$
#   pictures and all $d = 64$ pixels:
#
# $$L = \frac{1}{n\,d} \sum_{i=1}^{n} \sum_{j=1}^{d} \big(x_{ij} - g(f(x_i))_j\big)^2$$
#
# If the code were as wide as the picture, copying would do. With less room, what is needed to redraw most
# pictures must stay, and the rest has to go. The loss and the training pictures decide what matters, nobody
# else. Keep that in mind until the end of the lesson.

# %% [markdown]
# ### The picture is its own answer
#
# In the lessons so far each example had a label, and the network learned to name it: **supervised** learning.
# Here the picture is the input and the wanted output at once, and the network learns what such pictures have in
# common. This is **unsupervised** learning: structure without labels. Labels cost people's time, and unlabelled
# pictures, texts and payments exist in millions; that is its appeal.
#
# Our digits have labels. No network in this lesson sees one; we use them afterwards, to ask what the codes are
# worth.

# %% [markdown]
# ## Thirteen writers, 64 pixels
#
# The digits are real: 13 people wrote them on forms, and scikit-learn ships 1,797 of them, shrunk to 8 × 8
# pixels. A pixel here goes from 0, no ink, to 1. The same writers stand in both splits, so a test error says
# how well a network draws new digits by hands that it knows. The simplest guess draws the mean of all training
# pictures, whatever went in: a code of *no* numbers.


# %% tags=["nbval-check-output"]
def squared_error(pictures, rebuilt):
    """Mean squared error over all pictures and pixels."""
    return float(np.mean((pictures - rebuilt) ** 2))


blank = squared_error(test, train.mean(axis=0))
print(f"{len(train):,} pictures to train on, {len(test)} to test on, {train.shape[1]} pixels each")
print(f"drawing the mean picture each time: error {blank:.3f}")

# %% [markdown]
# ## The best straight hourglass needs no training
#
# Let the encoder and the decoder be **linear**: each number of the code is a weighted sum of pixels, each rebuilt pixel a
# weighted sum of code numbers. The best such hourglass has been known since 1901 as **principal component analysis**,
# PCA. Pictures are points in a space of 64 dimensions; PCA looks for the directions in which they spread most,
# each at right angles to those before, and keeps the first $k$:
#
# $$z = V\,(x - \mu), \qquad \hat x = \mu + V^\top z$$
#
# $\mu$ is the mean of the training pictures, and the $k$ rows of $V$ are the directions, each of length 1. They
# come from the **singular value decomposition** of the training pictures minus their mean: `np.linalg.svd(…,
# full_matrices=False)` returns three arrays, and the *rows of the third* are the directions, in order of
# spread, widest first.
#
# ### Exercise 1: the linear hourglass
#
# Complete `linear_hourglass(train, pictures, size)`. Mean and directions come from `train`, shape (n, d); the
# `pictures`, shape (m, d), are encoded and rebuilt with them. Return two arrays: the codes, shape (m, size), their
# columns in order of spread, and the rebuilt pictures, shape (m, d). A direction may point either way, so a column of
# your codes may have the other sign.


# %% grade_id="linear_hourglass" solution=true
def linear_hourglass(train, pictures, size):
    """Codes (m, size) and rebuilt pictures (m, d) of the best linear autoencoder of ``train``."""
    ### BEGIN SOLUTION
    mean = train.mean(axis=0)
    directions = np.linalg.svd(train - mean, full_matrices=False)[2][:size]
    codes = (pictures - mean) @ directions.T
    return codes, mean + codes @ directions
    ### END SOLUTION


# %% grade_id="linear_hourglass_by_hand" points=1
# Training points on a horizontal line at height 1; their mean is (2, 1), their direction (1, 0).
points = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
answer = linear_hourglass(points, np.array([[5.0, 3.0], [1.0, 1.0]]), 1)
assert len(answer) == 2, (
    f"Return two arrays, codes and rebuilt pictures; you returned {len(answer)}."
)
codes, drawn = (np.asarray(array) for array in answer)
assert (codes.shape, drawn.shape) == ((2, 1), (2, 2)), (
    f"Two pictures of two pixels and a code of one number: expected shapes (2, 1) and (2, 2), got {codes.shape} "
    f"and {drawn.shape}."
)
assert np.allclose(drawn, [[5, 1], [1, 1]]), (
    f"(5, 3) comes back as (5, 1), the nearest point on the line, and (1, 1) as itself; got {drawn.tolist()}."
)

# %% grade_id="linear_hourglass_values" points=3
# Hidden tests: other sizes, one picture alone, pictures far from the training mean, a code with room for all.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1)
many = rng.normal(3, 1, (60, 9)) * np.array([4, 3.2, 2.5, 2, 1.5, 1.1, 0.8, 0.5, 0.3])
many = many @ np.linalg.qr(rng.normal(size=(9, 9)))[0]
values, vectors = np.linalg.eigh(np.cov(many.T))
for size, count in [(2, 7), (4, 1), (1, 5), (9, 6)]:
    pictures = rng.normal(8, 3, (count, 9))
    codes, drawn = (np.asarray(array) for array in linear_hourglass(many, pictures, size))
    best = vectors[:, ::-1][:, :size]
    want = (pictures - many.mean(axis=0)) @ best
    case = f"{count} pictures of 9 pixels, a code of {size}"
    assert (codes.shape, drawn.shape) == ((count, size), (count, 9)), (
        f"{case}: expected shapes {(count, size)} and {(count, 9)}, got {codes.shape} and {drawn.shape}."
    )
    off = np.abs(drawn - many.mean(axis=0) - want @ best.T).max()
    assert off < 1e-6, (
        f"{case}: rebuilt pixels are off by up to {off:.2f}. Whose mean, which directions, and what is added at the end?"
    )
    assert np.allclose(np.abs(codes), np.abs(want), atol=1e-6), (
        f"{case}: the pictures are right and the codes are not, whatever their signs. In which order "
        "are the columns, and is each number the weighted sum of the pixels minus the mean?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The mean is taken of the pictures that are to be rebuilt, instead of the training pictures.
def linear_hourglass(train, pictures, size):
    directions = np.linalg.svd(train - train.mean(axis=0), full_matrices=False)[2][:size]
    codes = (pictures - pictures.mean(axis=0)) @ directions.T
    return codes, pictures.mean(axis=0) + codes @ directions


# %% tags=["misconception"]
# The mean that was subtracted before encoding is not added again after decoding.
def linear_hourglass(train, pictures, size):
    mean = train.mean(axis=0)
    directions = np.linalg.svd(train - mean, full_matrices=False)[2][:size]
    codes = (pictures - mean) @ directions.T
    return codes, codes @ directions


# %% tags=["misconception"]
# The directions are those of the raw pictures: without subtracting the mean, the first one points to the mean.
def linear_hourglass(train, pictures, size):
    mean = train.mean(axis=0)
    directions = np.linalg.svd(train, full_matrices=False)[2][:size]
    codes = (pictures - mean) @ directions.T
    return codes, mean + codes @ directions


# %% tags=["misconception"]
# The directions with the least spread are kept: eigenvalues come in growing order.
def linear_hourglass(train, pictures, size):
    mean = train.mean(axis=0)
    directions = np.linalg.eigh(np.cov(train.T))[1][:, :size]
    codes = (pictures - mean) @ directions
    return codes, mean + codes @ directions.T


# %% tags=["alternative"]
# Takes the directions from the covariance matrix, whose eigenvectors with the largest eigenvalues they are.
def linear_hourglass(train, pictures, size):
    mean = train.mean(axis=0)
    directions = np.linalg.eigh(np.cov(train.T))[1][:, ::-1][:, :size]
    codes = (pictures - mean) @ directions
    return codes, mean + codes @ directions.T


# %% tags=["alternative"]
# Lets scikit-learn do it.
def linear_hourglass(train, pictures, size):
    from sklearn.decomposition import PCA

    model = PCA(size, svd_solver="full").fit(train)
    codes = model.transform(pictures)
    return codes, model.inverse_transform(codes)


# %% [markdown]
# ### A linear network finds the same plane
#
# What would gradient descent make of the same hourglass? Below is one in Keras, 64 → 4 → 64, linear and without
# biases, trained on the pictures minus their mean. It has never heard of principal components. *Will it find
# them?*
#
# Two sets of directions can span the same plane and look different, as two pairs of arrows on one sheet of
# paper. So we compare the two four-dimensional planes by the largest **principal angle** between them: 0° is
# the same plane, 90° means that one of them has a direction that the other lacks altogether.

# %% tags=["demo"]
from tqdm import tqdm


def fit(network, inputs, targets, epochs=60, rate=3e-3, title="Training", weights=None):
    """Train with Adam and a learning rate that falls to zero along a cosine."""
    steps = epochs * -(-len(inputs) // 64)
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    network.compile(keras.optimizers.Adam(schedule), "mse")
    with tqdm(total=epochs, desc=title, unit="epoch", mininterval=1) as bar:
        count = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: bar.update())
        network.fit(
            inputs, targets, sample_weight=weights, batch_size=64, epochs=epochs, verbose=0,
            callbacks=[count],
        )  # fmt: skip


mean = train.mean(axis=0)
inputs = keras.Input((64,))
code = layers.Dense(4, use_bias=False)(inputs)
linear = keras.Model(inputs, layers.Dense(64, use_bias=False)(code))
fit(linear, train - mean, train - mean, rate=1e-2, title="Linear hourglass")


# %% tags=["demo", "nbval-check-output"]
def largest_angle(one, other):
    """Largest principal angle, in degrees, between what the columns of two arrays span."""
    one, other = np.linalg.qr(one)[0], np.linalg.qr(other)[0]
    cosines = np.linalg.svd(one.T @ other, compute_uv=False)
    return float(np.rad2deg(np.arccos(np.clip(cosines.min(), 0, 1))))


four = PCA(4).fit(train)
plane = linear.layers[-1].get_weights()[0].T
angle = largest_angle(plane, four.components_.T)
random_plane = np.random.default_rng(0).normal(size=(64, 4))
random_angle = largest_angle(random_plane, four.components_.T)
excess = squared_error(test, linear(test - mean).numpy() + mean) / squared_error(
    test, four.inverse_transform(four.transform(test))
)
# 20 seeds: angle 1.7 to 3.8 degrees (mean 2.4), error from .9996 to 1.0012 of PCA's.
print("linear network and PCA, angle below 8 degrees:", bool(angle < 8))
print("a random plane and PCA, angle above 75 degrees:", bool(random_angle > 75))
print("error of the network within 1 in 100 of PCA's:", bool(abs(excess - 1) < 0.01))

# %% [markdown]
# It found the plane, by many steps downhill, that the decomposition gives at once. So PCA is the baseline of
# this lesson: a network that does no better was not worth training.

# %% [markdown]
# ## The bent hourglass
#
# A code of $k$ numbers lets a linear decoder draw only points of a flat, $k$-dimensional sheet. Digits do not lie on
# one: between a 1 that leans left and a 1 that leans right the ink moves, pixel by pixel, along a curve. Hidden layers with
# an activation let encoder and decoder bend the sheet.
#
# ### Exercise 2: build the hourglass
#
# Complete `build_hourglass(size)`, which returns a Keras model, not compiled:
#
# - in and out: pictures of shape (64,), pixels from 0 to 1;
# - in the middle a dense layer named `"code"` with `size` numbers. A number of the code may be anything, negative
#   or large, so this layer has **no activation**;
# - **all** that comes out has passed through the code; there is no way around it;
# - at least one hidden layer with an activation on either side of the code, so that it can bend;
# - it can learn: in 200 steps of Adam on 32 digits the error falls below .04.
#
# A graph does it: from `keras.Input` call layer after layer, name one with `name="code"`, and hand first and last to
# `keras.Model`. The last layer's values are pixels: which activation keeps each of them between 0 and 1?


# %% grade_id="build_hourglass" solution=true
def build_hourglass(size):
    """An uncompiled Keras model: pictures (64,) to pictures (64,), through a layer "code" of ``size``."""
    ### BEGIN SOLUTION
    inputs = keras.Input((64,))
    hidden = layers.Dense(128, activation="relu")(inputs)
    code = layers.Dense(size, name="code")(hidden)
    hidden = layers.Dense(128, activation="relu")(code)
    return keras.Model(inputs, layers.Dense(64, activation="sigmoid")(hidden))
    ### END SOLUTION


# %% grade_id="build_hourglass_form" points=1
network = build_hourglass(7)
assert isinstance(network, keras.Model), (
    f"Return a Keras model; you returned {type(network).__name__}."
)
assert network.input_shape == network.output_shape == (None, 64), (
    f"Pictures of 64 pixels go in and come out; your model goes from {network.input_shape} to {network.output_shape}."
)
names = [layer.name for layer in network.layers]
assert "code" in names, f"No layer is named 'code'; yours are named {', '.join(names)}."
assert network.get_layer("code").output.shape == (None, 7), (
    f"build_hourglass(7) has a code of shape (None, 7); yours is {network.get_layer('code').output.shape}."
)

# %% grade_id="build_hourglass_waist" points=1
# Hidden tests: does everything pass through the code?
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(1)
network, rng = build_hourglass(5), np.random.default_rng(1)
# Row i of the gradients: how output pixel i of one and the same picture depends on its 64 input pixels.
copies = tf.Variable(np.repeat(rng.random((1, 64)), 64, axis=0).astype("float32"))
with tf.GradientTape() as tape:
    total = tf.reduce_sum(network(copies, training=False) * tf.eye(64))
slopes = np.linalg.svd(np.asarray(tape.gradient(total, copies), "float64"), compute_uv=False)
assert slopes[0] > 0, "Changing the input changes nothing in the output: something is cut off."
assert slopes[5] < 1e-4 * slopes[0], (
    "The output can follow the input in more than 5 directions, and the code has 5 numbers: some of the picture "
    "reaches the output by another way."
)
### END HIDDEN TESTS

# %% grade_id="build_hourglass_code" points=1
# Hidden tests: may the code's numbers be anything?
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(1)
network, rng = build_hourglass(5), np.random.default_rng(1)
encoder = keras.Model(network.inputs[0], network.get_layer("code").output)
codes = np.asarray(encoder(rng.normal(0, 100, (400, 64)).astype("float32"), training=False))
# Codes without activation, 20 seeds, five kinds of network: the shorter side is at least .5 of the longer.
reach = sorted([-codes.min(), codes.max()])
assert reach[0] > max(0.1 * reach[1], 1), (
    f"For very different pictures the code's numbers stay between {codes.min():.2f} and {codes.max():.2f}; they should be "
    "free to take any value, below zero as well as above. What cuts them off?"
)
### END HIDDEN TESTS

# %% grade_id="build_hourglass_bends" points=1
# Hidden tests: do encoder and decoder bend?
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(1)
network, rng = build_hourglass(5), np.random.default_rng(1)
encoder = keras.Model(network.inputs[0], network.get_layer("code").output)
pictures = rng.normal(0, 4, (400, 64)).astype("float32")
codes, drawn = (np.asarray(m(pictures, training=False), "float64") for m in (encoder, network))
# Pixels before a sigmoid are judged, too: a sigmoid at the end bends each pixel, not the sheet.
inside = bool(0 < drawn.min() and drawn.max() < 1)
parts = [drawn, np.log(drawn / (1 - drawn))] if inside else [drawn]
for name, given, made in [("encoder", pictures, [codes]), ("decoder", codes, parts)]:
    line = np.column_stack([given, np.ones(400)]).astype("float64")
    fits = [line @ np.linalg.lstsq(line, one, rcond=None)[0] for one in made]
    bend = min(np.std(one - fit) / np.std(one) for one, fit in zip(made, fits))
    # Without a bend at most 1e-6; with one, 5 seeds of five kinds of network, at least .06.
    assert bend > 1e-3, (
        f"The {name} is a straight map: all that it answers is a weighted sum of what goes in. It needs a hidden layer "
        "with an activation."
    )
### END HIDDEN TESTS

# %% grade_id="build_hourglass_learns" points=2
# Hidden tests: 200 steps on 32 digits.
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(2)
network, batch = build_hourglass(16), train[:32]
network.compile("adam", "mse", jit_compile=False)
network.optimizer.learning_rate = 0.01
before = [weight.numpy() for weight in network.trainable_variables]
for _ in range(200):
    network.train_on_batch(batch, batch)
after = [weight.numpy() for weight in network.trainable_variables]
still = sum(np.array_equal(old, new) for old, new in zip(before, after, strict=True))
assert still == 0, f"{still} of {len(after)} weight arrays never moved: no gradient reaches them."
outs = [np.asarray(network(batch, training=training)) for training in (True, False)]
reached = min(np.mean((batch - out) ** 2) for out in outs)
# Right networks of four kinds, 20 seeds each: at most .019 (mean .004). A softmax: at least .21.
assert reached < 0.04, (
    f"After 200 steps on 32 digits the error is {reached:.3f} and should be below .04; drawing their mean has about .07. "
    "Can every output pixel be 0 or 1, whatever the others are?"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The code has a ReLU: its numbers cannot be negative, and those that are zero for all pictures never learn again.
def build_hourglass(size):
    inputs = keras.Input((64,))
    hidden = layers.Dense(128, activation="relu")(inputs)
    code = layers.Dense(size, activation="relu", name="code")(hidden)
    hidden = layers.Dense(128, activation="relu")(code)
    return keras.Model(inputs, layers.Dense(64, activation="sigmoid")(hidden))


# %% tags=["misconception"]
# A shortcut leads around the waist: the decoder sees the encoder's hidden layer as well as the code.
def build_hourglass(size):
    inputs = keras.Input((64,))
    hidden = layers.Dense(128, activation="relu")(inputs)
    code = layers.Dense(size, name="code")(hidden)
    both = layers.Concatenate()([code, hidden])
    drawn = layers.Dense(128, activation="relu")(both)
    return keras.Model(inputs, layers.Dense(64, activation="sigmoid")(drawn))


# %% tags=["misconception"]
# No layer has an activation, so all of it together is one linear map: PCA by a longer way.
def build_hourglass(size):
    inputs = keras.Input((64,))
    code = layers.Dense(size, name="code")(layers.Dense(128)(inputs))
    return keras.Model(inputs, layers.Dense(64)(layers.Dense(128)(code)))


# %% tags=["misconception"]
# The decoder has no hidden layer with an activation, so it can draw only points of a flat sheet.
def build_hourglass(size):
    inputs = keras.Input((64,))
    hidden = layers.Dense(128, activation="relu")(inputs)
    code = layers.Dense(size, name="code")(hidden)
    return keras.Model(inputs, layers.Dense(64, activation="sigmoid")(code))


# %% tags=["misconception"]
# The output is a softmax, which makes the 64 pixels share one unit of ink among them.
def build_hourglass(size):
    inputs = keras.Input((64,))
    hidden = layers.Dense(128, activation="relu")(inputs)
    code = layers.Dense(size, name="code")(hidden)
    hidden = layers.Dense(128, activation="relu")(code)
    return keras.Model(inputs, layers.Dense(64, activation="softmax")(hidden))


# %% tags=["alternative"]
# Two hidden layers on either side that narrow and widen, with another activation, and no activation at the end.
def build_hourglass(size):
    model = keras.Sequential([keras.Input((64,))])
    for units in (48, 32):
        model.add(layers.Dense(units, activation="elu"))
    model.add(layers.Dense(size, name="code"))
    for units in (32, 48):
        model.add(layers.Dense(units, activation="elu"))
    model.add(layers.Dense(64))
    return model


# %% tags=["alternative"]
# Looks at the picture with a convolution first.
def build_hourglass(size):
    inputs = keras.Input((64,))
    maps = layers.Reshape((8, 8, 1))(inputs)
    maps = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(maps)
    code = layers.Dense(size, name="code")(layers.Flatten()(maps))
    hidden = layers.Dense(128, activation="gelu")(code)
    return keras.Model(inputs, layers.Dense(64, activation="sigmoid")(hidden))


# %% [markdown]
# ### The one that we train
#
# The lesson goes on with an hourglass of its own: 128 hidden neurons on either side, a code of any size. Input
# and target of `fit` are the same array. Here are four of them, with codes of 2, 5, 10 and 20 numbers. *PCA
# with 10 numbers leaves an error of .019. What will the network leave with 10?*


# %% tags=["demo"]
def hourglass(size, last="sigmoid"):
    """An autoencoder for 64 pixels with a code of ``size`` numbers."""
    inputs = keras.Input((64,))
    hidden = layers.Dense(128, activation="relu")(inputs)
    code = layers.Dense(size, name="code")(hidden)
    hidden = layers.Dense(128, activation="relu")(code)
    return keras.Model(inputs, layers.Dense(64, activation=last, dtype="float32")(hidden))


def halves(network):
    """Encoder and decoder of an autoencoder as models of their own, which share its weights."""
    code = network.get_layer("code").output
    return keras.Model(network.input, code), keras.Model(code, network.output)


networks = {}
for size in (2, 5, 10, 20):
    networks[size] = hourglass(size)
    fit(networks[size], train, train, title=f"Hourglass with {size} numbers")

# %% tags=["demo", "nbval-check-output"]
sizes = np.arange(1, 31)
flat = {size: PCA(size).fit(train) for size in sizes}
flat_errors = {
    size: squared_error(test, model.inverse_transform(model.transform(test)))
    for size, model in flat.items()
}
errors = {size: squared_error(test, network(test).numpy()) for size, network in networks.items()}
needed = min(size for size in sizes if flat_errors[size] <= errors[10])
# 20 seeds: .0113 to .0120 (mean .0116, sd .0002); at 2, 5 and 20 numbers .038 to .043, .020 to .022, .0058 to .0065.
print(f"PCA with 10 numbers: error {flat_errors[10]:.3f}")
print("network with 10 numbers: error from .010 to .014:", 0.010 < errors[10] < 0.014)
print(f"weights of the network: {networks[10].count_params():,}, of PCA: {10 * 64 + 64}")
print("at 2, 5, 10 and 20 numbers below PCA:", all(errors[k] < flat_errors[k] for k in errors))
print(
    "numbers that PCA needs to draw as well as the network with 10, at least 13:",
    bool(needed >= 13),
)

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.4))
axis.plot(sizes, list(flat_errors.values()), color=plots.BLUE)
axis.plot(list(errors), list(errors.values()), "o-", color=plots.VERMILION)
axis.axhline(blank, color=plots.BLACK, lw=1, ls=":")
axis.text(30, blank, "the mean picture", ha="right", va="bottom")
axis.text(11.5, 0.021, "PCA", color=plots.BLUE)
axis.text(3.4, 0.012, "network", color=plots.VERMILION, ha="right")
axis.set(
    xlabel="numbers in the code",
    ylabel="error on test digits\n(mean squared, ink from 0 to 1)",
    ylim=(0, 0.08),
)
axis.set_title("Each number draws more; bends help most when there are few")
plots.show(
    fig,
    alt="""Reconstruction error against the size of the code from 1 to 30. PCA falls from just under the error of
    the mean picture towards zero. The network's four points, at 2, 5, 10 and 20 numbers, lie clearly below
    PCA's curve, with the largest gap at 2 and 5.""",
)

# %% [markdown]
# The network wins at all four sizes, and it costs: training, 19,274 weights instead of 704, and an error that
# changes from one training to the next. The more numbers, the less there is to win.

# %% [markdown]
# ### What is thrown away
#
# An **error map** shows where a picture and its reconstruction differ, pixel by pixel. *Where do you expect it to be
# bright: in the empty corners, along the strokes, or where a stroke ends?*

# %% tags=["demo"]
shown = [np.flatnonzero(test_labels == digit)[4] for digit in (0, 2, 4, 5, 7, 8, 9)]
rows = {
    "original": test[shown],
    "PCA, 10": straight.inverse_transform(straight.transform(test[shown])),
    "network, 10": networks[10](test[shown]).numpy(),
}
fig, axes = plt.subplots(5, len(shown), figsize=(6.4, 5.0))
for line, (name, pictures) in zip((0, 1, 3), rows.items()):
    for axis, pixels in zip(axes[line], pictures):
        draw_picture(axis, pixels)
    axes[line, 0].set_ylabel(name, rotation=0, ha="right", va="center")
    if line:
        for axis, original, pixels in zip(axes[line + 1], rows["original"], pictures):
            draw_picture(axis, np.abs(original - pixels), cmap="cividis", vmax=0.6)
        axes[line + 1, 0].set_ylabel("its error", rotation=0, ha="right", va="center")
fig.suptitle("Both draw the digit; the network misses less of it", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Seven digits in a row; below them as PCA draws them from ten numbers and its error map, and as the
    network draws them from ten numbers and its error map. Both are legible. PCA's drawings are greyer and its
    error maps brighter over the whole digit; the network's errors are fewer and lie along the strokes.""",
)

# %% [markdown]
# What both lose is this writer's own: a hook, a gap, how dark the pen was. What they keep is what digits share.
# For reading postcodes that is the right choice, for telling whose hand it was the wrong one. The loss did not
# know which of the two we wanted.

# %% [markdown]
# ## Two numbers draw a map
#
# With two numbers a code is a point on a sheet of paper: every test digit at its place, drawn as its label. The
# labels came afterwards, only to colour the picture. *Will pictures of one digit lie together?*

# %% tags=["demo"]
encoder, decoder = halves(networks[2])
maps = {
    "PCA: they overlap": flat[2].transform(test),
    "network: better company": encoder(test).numpy(),
}
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.7))
for axis, (title, places) in zip(axes, maps.items()):
    for digit in range(10):
        chosen = places[test_labels == digit]
        color = plots.PALETTE[digit % 7]
        axis.scatter(*chosen.T, s=22, marker=f"${digit}$", color=color, lw=0.2)
    axis.set(title=title, xlabel="first number", xticks=[], yticks=[])
axes[0].set_ylabel("second number")
fig.suptitle("Nobody said which pictures are the same digit", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Two maps of 500 test digits, each drawn as its numeral in a colour. On PCA's map zeros, fours and sixes
    lie at the edges and the others overlap in the middle. On the network's map zeros, twos, threes
    and sevens reach outwards in arms of their own, and the middle is still crowded.""",
)


# %% tags=["demo", "nbval-check-output"]
from sklearn.neighbors import NearestNeighbors


def look_up(shelf, questions, count=10):
    """For each question, the share of its nearest pictures on the shelf that show the same digit."""
    nearest = NearestNeighbors(n_neighbors=count).fit(shelf).kneighbors(questions)[1]
    return float(np.mean(train_labels[nearest] == test_labels[:, None]))


def codes_of(network):
    """Codes of the training and of the test pictures."""
    encoder, _ = halves(network)
    return encoder(train).numpy(), encoder(test).numpy()


alike_flat = look_up(flat[2].transform(train), flat[2].transform(test))
alike = look_up(*codes_of(networks[2]))
# 20 seeds: .62 to .69 (mean .66, sd .02).
print(f"neighbours of the same digit on PCA's map: {alike_flat:.2f}")
print("on the network's map more, by at least .03:", alike >= alike_flat + 0.03)

# %% [markdown]
# They do, mostly: pictures of one digit share ink, and a decoder with two numbers at its disposal can draw well
# only if pictures that look alike get neighbouring codes. Distances and empty places on such a map mean little,
# though: another training gives another map, and nothing in the loss asked for even spacing.

# %% [markdown]
# ## Grain does not fit through
#
# A waist that has room only for what digits share has none for grain. So autoencoders can clean pictures, and
# best if trained for it: a **denoising autoencoder** gets the grainy picture as input and the *clean* one as
# target.
#
# ### Exercise 3: pairs to learn cleaning from
#
# Complete `grainy_pairs(pictures, spread, copies, seed)`. `pictures` has shape (n, d), values from 0 to 1. Return two
# arrays, inputs and targets, both of shape (copies · n, d), row by row belonging together:
#
# - each picture occurs `copies` times among the targets, clean;
# - its inputs are the picture plus noise from a normal distribution with mean 0 and **standard deviation** `spread`,
#   drawn afresh for each copy and each pixel from `np.random.default_rng(seed)`;
# - ink stays between 0 and 1: what the noise lifts above 1 is 1, what it pushes below 0 is 0.


# %% grade_id="grainy_pairs" solution=true
def grainy_pairs(pictures, spread, copies, seed):
    """Inputs with noise and clean targets, both (copies * n, d)."""
    ### BEGIN SOLUTION
    targets = np.tile(pictures, (copies, 1))
    noise = np.random.default_rng(seed).normal(0, spread, targets.shape)
    return np.clip(targets + noise, 0, 1), targets
    ### END SOLUTION


# %% grade_id="grainy_pairs_form" points=1
given = np.array([[0.0, 0.5, 1.0, 0.5], [0.2, 0.2, 0.8, 0.8]])
answer = grainy_pairs(given, 0.4, 3, 0)
assert len(answer) == 2, f"Return two arrays, inputs and targets; you returned {len(answer)}."
inputs, targets = (np.asarray(array) for array in answer)
assert inputs.shape == targets.shape == (6, 4), (
    f"Three copies of 2 pictures of 4 pixels: expected shapes (6, 4) and (6, 4), got {inputs.shape} and {targets.shape}."
)
assert 0 <= inputs.min() <= inputs.max() <= 1, (
    f"Ink lies between 0 and 1; your inputs go from {inputs.min():.2f} to {inputs.max():.2f}."
)
assert not np.allclose(inputs, targets), (
    "Inputs and targets are equal: nothing is there to be cleaned."
)

# %% grade_id="grainy_pairs_clean" points=1
# Hidden tests: are the targets clean, and each picture as often among them as asked?
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(3)
pictures = rng.uniform(0.4, 0.6, (50, 40))
inputs, targets = (np.asarray(array) for array in grainy_pairs(pictures, 0.04, 4, 7))
distance = np.abs(targets[:, None] - pictures[None]).max(axis=2)
assert np.all(distance.min(axis=1) < 1e-6), (
    f"{np.sum(distance.min(axis=1) > 1e-6)} of {len(targets)} targets are none of the pictures: what should come out is clean."
)
counts = np.bincount(distance.argmin(axis=1), minlength=50)
assert np.all(counts == 4), (
    f"Each picture should be a target 4 times; yours are from {counts.min()} to {counts.max()} times."
)
### END HIDDEN TESTS

# %% grade_id="grainy_pairs_fresh" points=1
# Hidden tests: how strong is the noise, and is it fresh for each copy, each pixel and each seed?
### BEGIN HIDDEN TESTS
pictures = np.random.default_rng(3).uniform(0.4, 0.6, (50, 40))
inputs, targets = (np.asarray(array) for array in grainy_pairs(pictures, 0.04, 4, 7))
noise = (inputs - targets).astype(float)
# 8,000 draws: a right answer stays within 2 of 100 of the spread; 10 would be 12 standard deviations.
assert abs(noise.std() / 0.04 - 1) < 0.1, (
    f"Asked for a spread of 0.04, the noise has a standard deviation of {noise.std():.3f}. Do rows belong together, and is the "
    "spread taken as it is?"
)
# The mean of 8,000 draws: .004 would be 9 standard deviations. All of them within 3 spreads: 4 in 10^10.
normal = [abs(noise.mean()) < 0.004, np.abs(noise).max() > 0.12]
assert all(normal), (
    f"The noise has the mean {noise.mean():.3f} and reaches {np.abs(noise).max():.3f}: is it normal with mean 0?"
)
different = len(np.unique(np.round(noise, 9)))
assert different > 7000, (
    f"Of 8,000 values of the noise only {different} differ: it repeats, and could be learned by heart."
)
again = np.asarray(grainy_pairs(pictures, 0.04, 4, 7)[0])
other = np.asarray(grainy_pairs(pictures, 0.04, 4, 8)[0])
assert [np.allclose(again, inputs), np.allclose(other, inputs)] == [True, False], (
    "The same seed should give the same noise, and another seed another."
)
### END HIDDEN TESTS

# %% grade_id="grainy_pairs_bounds" points=1
# Hidden tests: what becomes of ink that the noise pushes over a bound?
### BEGIN HIDDEN TESTS
# Half a spread from the bound the noise crosses it for .309 of the pixels (8,000 draws, sd .005).
for ink, bound in [(0.05, 0), (0.95, 1)]:
    dabs = np.asarray(grainy_pairs(np.full((50, 40), ink), 0.1, 4, 5)[0])
    share = np.mean(np.abs(dabs - bound) < 1e-6)
    assert 0.28 < share < 0.34, (
        f"Ink of {ink} with a spread of .1: noise takes 31 of 100 pixels over the bound, and {100 * share:.0f} of 100 "
        f"of yours are {bound}. What is pushed over a bound should stop there."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The targets are grainy, too, so the network is asked to draw the grain instead of removing it.
def grainy_pairs(pictures, spread, copies, seed):
    many = np.tile(pictures, (copies, 1))
    rng = np.random.default_rng(seed)
    grainy = np.clip(many + rng.normal(0, spread, many.shape), 0, 1)
    return grainy, np.clip(many + rng.normal(0, spread, many.shape), 0, 1)


# %% tags=["misconception"]
# Noise is drawn once and the grainy pictures are repeated, so that all copies of a picture have the same grain.
def grainy_pairs(pictures, spread, copies, seed):
    noise = np.random.default_rng(seed).normal(0, spread, pictures.shape)
    grainy = np.clip(pictures + noise, 0, 1)
    return np.tile(grainy, (copies, 1)), np.tile(pictures, (copies, 1))


# %% tags=["misconception"]
# One random number is drawn for a whole picture: it becomes lighter or darker as a whole, without any grain.
def grainy_pairs(pictures, spread, copies, seed):
    targets = np.tile(pictures, (copies, 1))
    noise = np.random.default_rng(seed).normal(0, spread, (len(targets), 1))
    return np.clip(targets + noise, 0, 1), targets


# %% tags=["misconception"]
# The spread is taken for the variance of the noise, which is the square of its standard deviation.
def grainy_pairs(pictures, spread, copies, seed):
    targets = np.tile(pictures, (copies, 1))
    noise = np.random.default_rng(seed).normal(0, np.sqrt(spread), targets.shape)
    return np.clip(targets + noise, 0, 1), targets


# %% tags=["alternative"]
# Keeps the copies of a picture together, and draws noise picture by picture.
def grainy_pairs(pictures, spread, copies, seed):
    rng = np.random.default_rng(seed)
    inputs, targets = [], []
    for picture in pictures:
        for _ in range(copies):
            inputs.append(np.clip(picture + spread * rng.standard_normal(len(picture)), 0, 1))
            targets.append(picture)
    return np.array(inputs), np.array(targets)


# %% tags=["alternative"]
# Draws the noise for all copies in an array of three axes, and flattens the first two.
def grainy_pairs(pictures, spread, copies, seed):
    shape = (copies, *pictures.shape)
    noise = np.random.default_rng(seed).normal(scale=spread, size=shape)
    inputs = (pictures[None] + noise).clip(0, 1).reshape(-1, pictures.shape[1])
    return inputs, np.broadcast_to(pictures, shape).reshape(-1, pictures.shape[1])


# %% [markdown]
# ### Clean it
#
# Now ten grainy copies of each training digit, a spread of .3, a code of 20 numbers. The rivals: PCA with the
# number of directions that cleans best, **ridge regression** from grainy to clean pixels (each clean pixel a
# weighted sum of all the grainy ones), and the network with 10 numbers from above, which has seen clean digits
# only. *Which order do you expect?*

# %% tags=["demo"]
grain = np.random.default_rng(1).normal(0, 0.3, (10 * len(train), 64))
clean = np.tile(train, (10, 1))
grainy = np.clip(clean + grain, 0, 1).astype("float32")
grainy_test = np.clip(test + np.random.default_rng(2).normal(0, 0.3, test.shape), 0, 1)
grainy_test = grainy_test.astype("float32")
cleaner = hourglass(20)
fit(cleaner, grainy, clean, epochs=8, title="Denoising hourglass")

# %% tags=["demo", "nbval-check-output"]
from sklearn.linear_model import Ridge

ridge = Ridge(1.0).fit(grainy, clean)
left_over = {
    "nothing": squared_error(test, grainy_test),
    "PCA": min(
        squared_error(test, model.inverse_transform(model.transform(grainy_test)))
        for model in flat.values()
    ),
    "clean-trained": squared_error(test, networks[10](grainy_test).numpy()),
    "ridge": squared_error(test, ridge.predict(grainy_test)),
    "denoising": squared_error(test, cleaner(grainy_test).numpy()),
}
# 20 seeds: denoising .0178 to .0185, trained on clean digits .031 to .035.
for name in ("nothing", "PCA", "ridge"):
    print(f"{name:8s} leaves an error of {left_over[name]:.3f}")
print(
    "denoising network below .020, and below ridge:",
    left_over["denoising"] < min(0.020, left_over["ridge"]),
)
print(
    "trained on clean digits only, worse than PCA:", left_over["clean-trained"] > left_over["PCA"]
)

# %% tags=["demo"]
fig, axes = plt.subplots(4, len(shown), figsize=(6.4, 4.1))
rows = {
    "grainy": grainy_test[shown],
    "ridge": ridge.predict(grainy_test[shown]).clip(0, 1),
    "network": cleaner(grainy_test[shown]).numpy(),
    "original": test[shown],
}
for line, (name, pictures) in zip(axes, rows.items()):
    for axis, pixels in zip(line, pictures):
        draw_picture(axis, pixels)
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
fig.suptitle("A line cleans well, the network a little better", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Seven digits in four rows: with heavy grain, as ridge regression cleans them, as the denoising network
    cleans them, and the originals. Both methods remove the grain; the network's background is whiter and its
    strokes are darker.""",
)

# %% [markdown]
# The network is best, and ridge regression went most of the way. The surprise is the network trained on clean
# digits only: its encoder has never seen grain, and answers with wrong codes. Compare the third row with the
# last: where grain has hidden a stroke, the network draws what digits usually have there. It is plausible, not
# true. One would not clean a patient's scan this way without saying so.


# %% [markdown]
# ## What a code is good for
#
# Nobody keeps an autoencoder for pictures that come out as they went in. What one wants is the code: a short
# vector that stands for the picture, or for a document whose words were counted, in whatever comes next.
# Learning such vectors is called **representation learning**. The usual promises are that with codes one can
# *look up*, *cluster*, *classify* and *compress*. We test each beside the raw pixels and beside PCA, and not
# all of them hold.
#
# ### Looking up: shorter, not better
#
# **Information retrieval** by example: here is a picture, find those on the shelf that show the same. With
# codes one compares 10 numbers instead of 64. **Precision at k** says how good a search is: of the k nearest
# pictures, which share is right?
#
# ### Exercise 4: precision at k
#
# Complete `precision_at(codes, labels, k)`. `codes` has shape (n, d), `labels` shape (n,). Each of the n pictures asks once for
# its `k` nearest among the **others**, by Euclidean distance between codes. Return the share of the answers that have the
# asking picture's label, over all n · k answers, as one number. No two codes are equal.


# %% grade_id="precision_at" solution=true
def precision_at(codes, labels, k):
    """The share of right answers among the k nearest others, over all pictures."""
    ### BEGIN SOLUTION
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :k]
    return float(np.mean(labels[nearest] == labels[:, None]))
    ### END SOLUTION


# %% grade_id="precision_at_by_hand" points=1
# Five codes on a line. Nearest other of 0 is 1, of 1 is 0, of 3 is 1, of 7 is 8, of 8 is 7.
line = np.array([[0.0], [1.0], [3.0], [7.0], [8.0]])
kinds = np.array([4, 4, 9, 9, 4])
result = precision_at(line, kinds, 1)
assert np.ndim(result) == 0, (
    f"Return one number; you returned an array of shape {np.shape(result)}."
)
assert np.isclose(result, 0.4), (
    f"The nearest others are 4, 4, 4, 4 and 9, where 4, 4, 9, 9 and 4 asked: 2 of 5 are right, .4. Got {result:.3f}."
)

# %% grade_id="precision_at_values" points=2
# Hidden tests: several answers a picture, codes of many lengths, classes of unequal size.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(4)
for count, size, k in [(40, 3, 1), (60, 5, 4), (25, 2, 10)]:
    kinds = rng.integers(0, 3, count)
    codes = rng.normal(size=(count, size)) * rng.uniform(0.2, 3, (count, 1)) + kinds[:, None]
    want = 0
    for asking in range(count):
        squares = ((codes - codes[asking]) ** 2).sum(axis=1)
        others = [other for other in np.argsort(squares) if other != asking]
        want += np.sum(kinds[others[:k]] == kinds[asking]) / (count * k)
    result = precision_at(codes, kinds, k)
    case = f"{count} codes of {size} numbers, k = {k}"
    assert np.isclose(result, want, atol=1e-6), (
        f"{case}: expected {want:.4f} and got {result:.4f}. Does a picture find itself, and is near what has the smallest "
        "distance? Each single answer counts, right or wrong."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Every picture finds itself first, which is always right: it is among the answers and should not be.
def precision_at(codes, labels, k):
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=2)
    nearest = np.argsort(distances, axis=1)[:, :k]
    return float(np.mean(labels[nearest] == labels[:, None]))


# %% tags=["misconception"]
# The largest product of two codes is taken for the smallest distance, so that long codes are near to everything.
def precision_at(codes, labels, k):
    products = codes @ codes.T
    np.fill_diagonal(products, -np.inf)
    nearest = np.argsort(-products, axis=1)[:, :k]
    return float(np.mean(labels[nearest] == labels[:, None]))


# %% tags=["misconception"]
# A picture counts as found if any of its k answers is right, however many of them are wrong.
def precision_at(codes, labels, k):
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :k]
    return float(np.mean(np.any(labels[nearest] == labels[:, None], axis=1)))


# %% tags=["misconception"]
# The sorting is the wrong way round: these are the k pictures that are farthest away.
def precision_at(codes, labels, k):
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=2)
    np.fill_diagonal(distances, -np.inf)
    nearest = np.argsort(-distances, axis=1)[:, :k]
    return float(np.mean(labels[nearest] == labels[:, None]))


# %% tags=["alternative"]
# Lets scikit-learn find the neighbours; asked without an argument, it leaves each picture out of its own answers.
def precision_at(codes, labels, k):
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=k).fit(codes).kneighbors(return_distance=False)
    return (labels[nearest] == labels[:, None]).mean()


# %% tags=["alternative"]
# Goes through the pictures one by one, with the others in an array of their own.
def precision_at(codes, labels, k):
    right = 0
    for place in range(len(codes)):
        others, kinds = np.delete(codes, place, axis=0), np.delete(labels, place)
        squares = np.sum((others - codes[place]) ** 2, axis=1)
        right += np.sum(kinds[np.argpartition(squares, k - 1)[:k]] == labels[place])
    return right / (len(codes) * k)


# %% [markdown]
# Now the promise. Each test digit asks for its 10 nearest on the shelf of training digits: by pixels, by PCA's 10 numbers,
# by the network's. *Which finds most?*

# %% tags=["demo", "nbval-check-output"]
codes, test_codes = codes_of(networks[10])
found = {
    "64 pixels": look_up(train, test),
    "PCA, 10 numbers": look_up(straight.transform(train), straight.transform(test)),
}
found_code = look_up(codes, test_codes)
# 20 seeds: .913 to .935 (mean .924, sd .006).
for name, share in found.items():
    print(f"precision at 10, {name}: {share:.2f}")
print("network, 10 numbers, between .90 and .95:", 0.90 < found_code < 0.95)
print("behind the pixels:", found_code < found["64 pixels"])

# %% [markdown]
# The pixels win. What the code buys is length: a shelf with a sixth of the numbers, and a few right answers
# fewer. And PCA's ten numbers are about as good for this as the network's, although they draw worse; to draw
# well and to tell apart are different aims.

# %% [markdown]
# ### A code does not sort the digits better
#
# **Clustering** groups examples without labels. **k-means** with ten groups puts each picture to the nearest of
# ten centres, and moves centres until nothing changes. How well groups and digits agree is measured by
# **normalised mutual information**, from 0, unrelated, to 1, the same up to names. It is often said that one
# should cluster codes instead of pixels. *Should one?*

# %% tags=["demo", "nbval-check-output"]
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score


def agreement(vectors):
    """How well ten groups found by k-means agree with the digits, from 0 to 1."""
    groups = KMeans(10, n_init=10, random_state=0).fit(vectors).labels_
    return normalized_mutual_info_score(train_labels, groups)


sorted_pixels, sorted_codes = agreement(train), agreement(codes)
# 20 seeds: codes .67 to .74 (mean .71, sd .02).
print("pixels, agreement from .70 to .77:", bool(0.70 < sorted_pixels < 0.77))
print("codes better than pixels by more than .05:", bool(sorted_codes > sorted_pixels + 0.05))

# %% [markdown]
# No. Nothing in the reconstruction loss asks for groups with gaps between them; it asks for codes from which
# one can draw, and a 4 that slants into a 9 is drawn best from a code in between.

# %% [markdown]
# ### With few labels, no gain either
#
# The strongest argument for learning without labels: pictures are plenty, labels are few. So the code is
# learned from all 1,297 training digits without labels, and then a classifier (logistic regression) from only 5
# labelled ones of each kind, on pixels, on PCA's and on the network's codes, averaged over 20 draws of the
# labelled ones. *Do the codes help?*

# %% tags=["demo", "nbval-check-output"]
from sklearn.linear_model import LogisticRegression


def with_few_labels(vectors, test_vectors, each=5, draws=20):
    """Mean test accuracy of logistic regression on ``each`` labelled pictures a digit."""
    scores = []
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        chosen = np.concatenate(
            [rng.choice(np.flatnonzero(train_labels == digit), each, False) for digit in range(10)]
        )
        mean, spread = vectors.mean(axis=0), vectors.std()
        model = LogisticRegression(max_iter=300)
        model.fit((vectors[chosen] - mean) / spread, train_labels[chosen])
        scores.append(model.score((test_vectors - mean) / spread, test_labels))
    return float(np.mean(scores))


few_pixels, few_codes = with_few_labels(train, test), with_few_labels(codes, test_codes)
few_flat = with_few_labels(straight.transform(train), straight.transform(test))
# 20 seeds: codes .804 to .849 (mean .828, sd .011); pixels .847.
print("pixels and PCA's 10 numbers differ by less than .02:", abs(few_pixels - few_flat) < 0.02)
print("codes at most .06 behind the pixels:", few_codes > few_pixels - 0.06)
print("codes ahead of the pixels by more than .02:", few_codes > few_pixels + 0.02)

# %% [markdown]
# A sixth of the numbers, about the same accuracy or a little less, and no gain. Centred digits of 64 pixels are
# an easy case for pixels. On photographs raw pixels are hopeless and learned representations rule, but those
# are mostly learned with other tasks than copying.

# %% [markdown]
# ### Compressed, with every byte counted
#
# Ten numbers are shorter than 64, but a number is not a byte. An honest count has three parts. A code's number
# needs as many bits as one writes it with: here each is rounded to one of 16 steps between the smallest and the
# largest value in training, 4 bits. The decoder must be sent as well, or nobody can read the codes. And the
# rival must be given a fair chance: one JPEG file a digit is mostly header, so all 500 test digits go onto one
# sheet. JPEG works in blocks of 8 × 8 pixels, so each digit is exactly one block.


# %% tags=["demo"]
import io
import zlib
from PIL import Image


def rounded(codes, bits, reference):
    """Codes as whole numbers of ``bits`` bits, and what the decoder gets from them."""
    low, high = reference.min(axis=0), reference.max(axis=0)
    step = (high - low) / (2**bits - 1)
    whole = np.clip(np.round((codes - low) / step), 0, 2**bits - 1)
    return whole.astype("uint8"), (low + whole * step).astype("float32")


def as_jpeg(picture, quality):
    """Size in bytes and decoded pixels of a grey picture (height, width) from 0 to 1."""
    file = io.BytesIO()
    Image.fromarray(np.uint8(np.round(255 * picture))).save(
        file, "jpeg", quality=quality, optimize=True
    )
    return file.tell(), np.asarray(Image.open(file), "float32") / 255


sheet = test.reshape(20, 25, 8, 8).transpose(0, 2, 1, 3).reshape(160, 200)

# %% tags=["demo", "nbval-check-output"]
_, decoder = halves(networks[10])
code_error = squared_error(test, decoder(rounded(test_codes, 4, codes)[1]).numpy())
packed = len(zlib.compress(np.uint8(16 * test).tobytes(), 9)) / 500
jpegs = {quality: as_jpeg(sheet, quality) for quality in range(5, 60)}
good = [size for size, pixels in jpegs.values() if squared_error(sheet, pixels) <= code_error]
jpeg_bytes, decoder_bytes = min(good) / 500, 4 * decoder.count_params()
# 20 seeds: error .0122 to .0128.
print("a digit as it is: 64 bytes; without loss by zlib, between 22 and 30:", 22 < packed < 30)
print("10 numbers of 4 bits: 5 bytes, error below .015:", code_error < 0.015)
print("JPEG of the same error, between 13 and 17 bytes:", 13 < jpeg_bytes < 17)
print(f"the decoder: {decoder.count_params():,} numbers, {decoder_bytes / 1000:.0f} kB")
pays_from = decoder_bytes / (jpeg_bytes - 5)
print("digits from which on the network is smaller, more than 3,000:", pays_from > 3000)

# %% [markdown]
# About a third of JPEG's bytes for the same error is a real success. It comes from knowing one thing, digits,
# and that knowledge is the decoder, 39 kB of it. With 1,797 digits in all, JPEG is the smaller package; with a
# million, the network. But JPEG was made for photographs. So let it play at home.


# %% tags=["demo"]
def tiles(picture):
    """A picture (height, width), both multiples of 8, as rows of 64 pixels, one an 8 x 8 tile."""
    height, width = picture.shape
    return picture.reshape(height // 8, 8, width // 8, 8).transpose(0, 2, 1, 3).reshape(-1, 64)


def untiled(rows, width=640):
    """The picture that ``tiles`` has cut."""
    return rows.reshape(-1, width // 8, 8, 8).transpose(0, 2, 1, 3).reshape(-1, width)


photographs = datasets.arrays("photographs", "train")["image"]
temple, flower = photographs[:, :424].mean(axis=3).astype("float32") / 255  # grey
temple_tiles = tiles(temple)
photo_network = hourglass(8, last="linear")
fit(photo_network, temple_tiles, temple_tiles, epochs=20, title="Hourglass for tiles")

# %% [markdown]
# The photograph of a temple is cut into tiles of 8 × 8 pixels. An hourglass with 8 numbers is trained on these
# very tiles, its codes are rounded to 6 bits and packed with zlib, and its decoder is not even counted: a home
# game for it, too. *Who needs fewer bytes for the same error?*

# %% tags=["demo", "nbval-check-output"]
photo_encoder, photo_decoder = halves(photo_network)
photo_codes = photo_encoder(temple_tiles).numpy()
whole, kept = rounded(photo_codes, 6, photo_codes)
drawn = untiled(photo_decoder(kept).numpy())
photo_bytes, photo_error = len(zlib.compress(whole.T.tobytes(), 9)), squared_error(temple, drawn)
photo_flat = PCA(8).fit(temple_tiles)
flat_error = squared_error(
    temple_tiles, photo_flat.inverse_transform(photo_flat.transform(temple_tiles))
)
jpeg_size, jpeg_drawn = as_jpeg(temple, 10)
jpeg_error = squared_error(temple, jpeg_drawn)
# 20 seeds: 16.1 to 17.2 kB, error .0058 to .0060.
print(
    "network: 14 to 20 kB, error from .005 to .0065:",
    14e3 < photo_bytes < 20e3,
    0.005 < photo_error < 0.0065,
)
print("PCA with 8 numbers, error within 1 in 10 of that:", abs(flat_error / photo_error - 1) < 0.1)
print(
    "JPEG at quality 10: 9 to 12 kB, error below .005:", 9e3 < jpeg_size < 12e3, jpeg_error < 0.005
)

# %% tags=["demo"]
fig, axes = plt.subplots(1, 3, figsize=(6.4, 3.0))
part = np.s_[140:268, 250:378]
for axis, pixels, title in [
    (axes[0], temple, "original\n271 kB"),
    (axes[1], drawn, f"network\n{photo_bytes / 1000:.0f} kB"),
    (axes[2], jpeg_drawn, f"JPEG\n{jpeg_size / 1000:.0f} kB"),
]:
    axis.imshow(pixels[part], cmap="gray", vmin=0, vmax=1)
    axis.set_title(title, loc="center", fontsize=11)
    axis.set_axis_off()
fig.suptitle("On photographs JPEG is sharper with fewer bytes", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""A part of a photograph of a Chinese temple three times: the original, as the network draws it, with
    soft edges and visible tiles, and as JPEG at quality 10, with sharper edges and fewer bytes.""",
)

# %% [markdown]
# JPEG, and clearly. It spends many bits on a tile with an edge and nearly none on sky, where our code spends
# eight numbers on every tile. PCA draws as well as the network here: small tiles of photographs bend little.
# Networks that do beat JPEG look at far more than 8 × 8 pixels, and learn how many bits a place deserves.


# %% [markdown]
# ## What is rare does not come through
#
# An encoder keeps what lowers the mean error and throws away what matters little *to the mean*. A kind of picture that is
# rare in training matters little to it. For a digit that is a blur; where the pictures are faces, voices or medical scans, the
# rare kind are people.
#
# So we make one digit rare. Two training sets of practically equal size: in `even_set` each digit occurs
# equally often, in `rare_set` there are three zeros and a little more of everything else. An hourglass is
# trained on each. *How much worse will the zeros be? And the mean over all digits?*

# %% tags=["demo"]
most = int(np.bincount(train_labels).min())


def choose(counts):
    """Places of the first ``counts[digit]`` pictures of each digit, in an order that is always the same."""
    rng = np.random.default_rng(0)
    orders = [rng.permutation(np.flatnonzero(train_labels == digit)) for digit in range(10)]
    return np.concatenate([order[:count] for order, count in zip(orders, counts)])


rare_set = choose([3] + 9 * [most])
even_set = choose(10 * [(9 * most + 3) // 10])
rare_network, even_network = hourglass(10), hourglass(10)
fit(rare_network, train[rare_set], train[rare_set], title="Three zeros")
fit(even_network, train[even_set], train[even_set], title="All digits alike")

# %% [markdown]
# Here a trap waits. Even with evenly mixed digits zeros are drawn better than the mean digit: they are smooth,
# without ends and crossings. Whoever compares them with the other digits *in one network* mixes up how hard a
# digit is with how rare it was. The fair question compares the same pictures in two networks that differ in
# nothing else: **by which factor has being rare raised the error of this group?**
#
# ### Exercise 5: the price of being rare
#
# Complete `price_of_rarity(pictures, groups, drawn_rare, drawn_even)`. `pictures`, shape (n, d), are test pictures, `groups`,
# shape (n,), the group of each; `drawn_rare` and `drawn_even`, both (n, d), are their reconstructions by two networks. For each
# group compute the mean squared error over all its pictures and pixels in either network, and return an array with
# one number a group, in growing order of the groups' names: its error in the first network divided by its error
# in the second. 1 means no change, 2 twice the error.


# %% grade_id="price_of_rarity" solution=true
def price_of_rarity(pictures, groups, drawn_rare, drawn_even):
    """For each group, in order, its error in the one network divided by its error in the other."""
    ### BEGIN SOLUTION
    prices = []
    for group in np.unique(groups):
        mine = groups == group
        rare = np.mean((pictures[mine] - drawn_rare[mine]) ** 2)
        even = np.mean((pictures[mine] - drawn_even[mine]) ** 2)
        prices.append(rare / even)
    return np.array(prices)
    ### END SOLUTION


# %% grade_id="price_of_rarity_by_hand" points=1
# Group 2 has errors 4 and 0 in the one network, 1 and 1 in the other; group 5 has 1 and 4.
blank_pictures = np.zeros((3, 2))
kinds = np.array([5, 2, 2])
first = np.array([[1.0, 1.0], [2.0, 2.0], [0.0, 0.0]])
second = np.array([[2.0, 2.0], [1.0, 1.0], [1.0, 1.0]])
result = np.asarray(price_of_rarity(blank_pictures, kinds, first, second), float)
assert result.shape == (2,), (
    f"Two groups, 2 and 5: expected an array of shape (2,), got {result.shape}."
)
assert np.allclose(result, [2, 0.25]), (
    f"Group 2: mean errors 2 and 1, so 2. Group 5: 1 and 4, so .25. Got {result.tolist()}."
)

# %% grade_id="price_of_rarity_values" points=2
# Hidden tests: groups of very unequal size and difficulty, labels that are not 0, 1, 2.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(6)
for names, share in [([3, 7, 20], [0.9, 0.07, 0.03]), ([1, 4], [0.5, 0.5])]:
    kinds = np.concatenate([names, names, rng.choice(names, 150, p=share)])
    pictures = rng.random((len(kinds), 12))
    hard = (
        0.05 * (1 + np.searchsorted(names, kinds))[:, None] * rng.uniform(0.2, 2, (len(kinds), 1))
    )
    drawn = [pictures + hard * rng.normal(size=pictures.shape) * level for level in (1.5, 1.0)]
    drawn[0][kinds == names[-1]] += 0.2
    squares = [np.mean((pictures - one) ** 2, axis=1) for one in drawn]
    want = [squares[0][kinds == name].mean() / squares[1][kinds == name].mean() for name in names]
    result = np.asarray(price_of_rarity(pictures, kinds, *drawn), float)
    case = f"groups {names} with {[int(np.sum(kinds == name)) for name in names]} pictures"
    assert result.shape == (len(names),), (
        f"{case}: expected {len(names)} numbers, got shape {result.shape}."
    )
    wrong = ~np.isclose(result, want, rtol=1e-4)
    assert not wrong.any(), (
        f"{case}: expected {np.round(want, 2).tolist()} and got {np.round(result, 2).tolist()}. Each group is compared with "
        "itself in the other network; first its mean errors, then one division."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Each group is compared with all pictures in the same network, which mixes up how hard it is with how rare it was.
def price_of_rarity(pictures, groups, drawn_rare, drawn_even):
    errors = np.mean((pictures - drawn_rare) ** 2, axis=1)
    return np.array([errors[groups == group].mean() for group in np.unique(groups)]) / errors.mean()


# %% tags=["misconception"]
# The ratio is taken picture by picture and then averaged, so that a few nearly perfect pictures decide it.
def price_of_rarity(pictures, groups, drawn_rare, drawn_even):
    rare = np.mean((pictures - drawn_rare) ** 2, axis=1)
    even = np.mean((pictures - drawn_even) ** 2, axis=1)
    return np.array([np.mean((rare / even)[groups == group]) for group in np.unique(groups)])


# %% tags=["misconception"]
# The division is upside down: a group that is drawn worse gets a number below 1.
def price_of_rarity(pictures, groups, drawn_rare, drawn_even):
    rare = np.mean((pictures - drawn_rare) ** 2, axis=1)
    even = np.mean((pictures - drawn_even) ** 2, axis=1)
    names = np.unique(groups)
    return np.array([even[groups == one].mean() / rare[groups == one].mean() for one in names])


# %% tags=["misconception"]
# Groups are taken in the order in which they first occur, instead of the order of their names.
def price_of_rarity(pictures, groups, drawn_rare, drawn_even):
    rare = np.mean((pictures - drawn_rare) ** 2, axis=1)
    even = np.mean((pictures - drawn_even) ** 2, axis=1)
    names = list(dict.fromkeys(groups.tolist()))
    return np.array([rare[groups == one].mean() / even[groups == one].mean() for one in names])


# %% tags=["alternative"]
# Adds up the errors of all groups at once; the number of pictures cancels in the division.
def price_of_rarity(pictures, groups, drawn_rare, drawn_even):
    places = np.unique(groups, return_inverse=True)[1]
    sums = [
        np.bincount(places, weights=((pictures - drawn) ** 2).sum(axis=1))
        for drawn in (drawn_rare, drawn_even)
    ]
    return sums[0] / sums[1]


# %% tags=["alternative"]
# Keeps the two errors of each group in a table, and divides its columns.
def price_of_rarity(pictures, groups, drawn_rare, drawn_even):
    table = [
        [
            np.mean(np.square(pictures - drawn)[groups == group])
            for drawn in (drawn_rare, drawn_even)
        ]
        for group in sorted(set(groups.tolist()))
    ]
    return np.array(table)[:, 0] / np.array(table)[:, 1]


# %% [markdown]
# ### The mean does not tell
#
# Now the two networks on the 500 test digits. *What will the mean error say?*

# %% tags=["demo", "nbval-check-output"]
zeros = test_labels == 0


def errors_of(network):
    """Mean squared error of each test digit."""
    return np.mean((test - network(test).numpy()) ** 2, axis=1)


rare, even = errors_of(rare_network), errors_of(even_network)
price, others = rare[zeros].mean() / even[zeros].mean(), rare[~zeros].mean() / even[~zeros].mean()
mix = np.bincount(train_labels[rare_set]) / len(rare_set)  # a test as lopsided as the training


def lopsided_mean(errors):
    """The mean error on test digits that are mixed as ``rare_set`` is."""
    return sum(mix[digit] * errors[test_labels == digit].mean() for digit in range(10))


usual = lopsided_mean(rare) / lopsided_mean(even)
# 20 seeds: zeros 2.31 to 4.99 (mean 3.30, sd .77) times, others .91 to 1.02 (mean .97, sd .03), lopsided mean .92 to 1.03 (mean .98, sd .03).
print("all even, zeros are drawn better than the mean digit:", even[zeros].mean() < even.mean())
print("zeros rare, their error grows by at least half:", price > 1.5)
print("error of the nine others grows by less than 1 in 10:", others < 1.1)
print("mean over a test mixed as the training was grows by less than 1 in 10:", usual < 1.1)

# %% [markdown]
# The zeros' error is two to five times what it was, the others do not notice, and a test set gathered in the
# same way as the training set, as test sets usually are, shows nothing: three pictures in over a thousand do
# not move a mean. Only the group's own error does, and one must have thought of the group.
#
# Is this a fault of networks? PCA is quick, so we can make each of the ten digits rare in turn and ask the same.


# %% tags=["demo", "nbval-check-output"]
def flat_price(digit):
    """How PCA's error of a digit grows, if there are three of it in training instead of an even share."""
    counts = np.where(np.arange(10) == digit, 3, most)
    mine = test[test_labels == digit]
    models = [PCA(10).fit(train[chosen]) for chosen in (choose(counts), even_set)]
    one, two = (squared_error(mine, m.inverse_transform(m.transform(mine))) for m in models)
    return one / two


prices = [flat_price(digit) for digit in range(10)]
print("PCA: digits, out of ten, whose error grows when they are rare:", sum(p > 1 for p in prices))
print(f"PCA's zeros: {prices[0]:.1f} times")

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.4))
axis.bar(range(10), prices, color=plots.BLUE, label="PCA, each digit rare in turn")
axis.plot(0, price, "D", color=plots.VERMILION, ms=9, label="network, zeros rare")
axis.axhline(1, color=plots.BLACK, lw=1, ls=":")
axis.text(11.7, 1.02, "no change", ha="right", va="bottom")
axis.set(
    xticks=range(10),
    xlim=(-0.6, 11.8),
    xlabel="the digit that is rare in training",
    ylim=(0, max(price, 2.2) * 1.25),
)
axis.set_ylabel("its error when rare ÷\nits error when all are even")
axis.legend(loc="upper right")
axis.set_title("Whoever is rare in training is drawn worse")
plots.show(
    fig,
    alt="""Bars for the ten digits: how many times larger PCA's error of a digit is when it is rare in training. All
    bars reach above 1, most between 1.2 and 2. A diamond for the network whose zeros were rare stands higher than
    PCA's bar for zero.""",
)

# %% [markdown]
# No: it is a property of compressing for the mean. A first remedy is to give each picture a **weight** in the
# loss, so that all digits weigh the same together: each zero then counts as much as dozens of others. *Will
# three pictures, looked at hard, do?*

# %% tags=["demo"]
weights = 1 / np.bincount(train_labels[rare_set])[train_labels[rare_set]]
weighted_network = hourglass(10)
fit(
    weighted_network, train[rare_set], train[rare_set],
    title="Three heavy zeros", weights=weights / weights.mean(),
)  # fmt: skip

# %% tags=["demo", "nbval-check-output"]
weighted = errors_of(weighted_network)
# 20 seeds: .41 to .90 (mean .66, sd .13) of the error without weights, 1.83 to 2.57 (mean 2.10, sd .15) times that of even data.
print("weights lower the zeros' error:", weighted[zeros].mean() < rare[zeros].mean())
print(
    "but leave it at least 1.4 times as high as with even data:",
    weighted[zeros].mean() > 1.4 * even[zeros].mean(),
)

# %% [markdown]
# They help, and do not repair: three zeros show three ways to write one, however loudly. What repairs is more
# zeros. So filters and codecs trained mostly on some faces come to treat other faces badly without anybody
# having meant it, and so a dataset's mix belongs into its description, and each group's error into every
# report.

# %% [markdown]
# ### What it has never seen
#
# One step further: what does the hourglass for digits make of something that is no digit, tiles of the temple?

# %% tags=["demo", "nbval-check-output"]
strange = np.mean((temple_tiles - networks[10](temple_tiles).numpy()) ** 2, axis=1)
usual_errors = errors_of(networks[10])
mean_tile = squared_error(temple_tiles, temple_tiles.mean(axis=0))
# 20 seeds: 19 to 24 times; one mean tile has an error of .105.
print(
    "tiles through the digits' hourglass, worse than drawing one mean tile each time:",
    strange.mean() > mean_tile,
)
print(
    "their error against that of digits, at least 10 times:",
    strange.mean() > 10 * usual_errors.mean(),
)

# %% [markdown]
# It draws them worse than one grey tile would, and that is useful: the reconstruction error itself says *this
# is not what I was trained on*. Lesson 18 makes an alarm of it. It is the same coin as above: an alarm that
# rings at what is rare also rings for people who are.

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Leave the waist wide (64 numbers), and punish large codes instead: `activity_regularizer="l1"` on the code layer. What do
#    the codes look like?
# 2. Encode two test digits, walk in ten equal steps from one code to the other, and decode each step, once with 2 numbers and
#    once with 20. Where are the pictures still digits?
# 3. Train the cleaner with grain of spread .1 and give it grain of .5, then the other way round.
#
# To read: Hinton and Salakhutdinov (2006), *Reducing the dimensionality of data with neural networks*, which
# brought deep autoencoders, and PCA beside them; Vincent and others (2010), *Stacked denoising autoencoders*;
# Baldi and Hornik (1989), *Neural networks and principal component analysis*, for why the linear hourglass
# finds PCA's plane.
#
# ### At full size
#
# `mnist` holds 70,000 digits of 28 × 28 pixels, 11.6 MB to download. The same function loads it, once it is there.

# %% tags=["demo"]
try:
    pictures, labels = load_pictures("mnist", "train")
    print(f"{pictures.shape[0]:,} pictures of {pictures.shape[1]} pixels")
except datasets.DatasetNotDownloadedError as error:
    print(error)

# %% [markdown]
# What changes: 784 pixels in and out, so the two `64`s of `hourglass` and the reshape of `draw_picture`; more
# hidden neurons; codes of 16 to 32 numbers; and convolutions that halve the picture on the way in,
# `Conv2DTranspose` on the way out.
