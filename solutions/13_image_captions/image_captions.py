# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Image captions
#     summary: You build and train a network in Keras that looks at a picture and writes a sentence about it, let a beam find what two annotators would say, watch where the network looks, and catch it naming things by the ground they lie on.
#     part: III Sequential data
#     minutes: 110
#     minutes_reading: 35
#     objectives:
#     - build a convolutional encoder and a decoder with attention over the places of a picture
#     - train both together on captions by several annotators, with validation and early stopping
#     - score captions by what they claim, where n-grams cannot tell a false one from a rephrased one
#     - decode with a beam, and say what it buys and what it does not
#     - measure over many pictures where a network looks while it writes a word
#     - expose a spurious correlation by counterfactual pictures, repair it by data, and test the repair against a control
#     datasets: [shore_scenes]
#     full_size: [coco_captions]
#     needs: [07_chest_xrays, 10_recurrent_networks, 12_translation]
#     mirrors:
#       "1 Sequential Data: Image captioning": "One network looks, another writes"
#       "1 Sequential Data: Spurious correlations": "The ground decides what is on it"
#     built: a convolutional encoder and a decoder with attention in Keras, their training on the captions of two annotators, beam search, and a repair by counterfactual pictures
#     terms:
#       "image captioning": Writing a sentence about a picture.
#       "SPICE": A score of captions by the facts that they claim.
#       "GlobalAveragePooling1D": The layer that takes the mean over all steps or places of a sequence.
#       "Attention": Keras's layer of attention whose scores are products of queries and keys.
#       "beam search": Decoding that keeps the several best beginnings at each step and not one only.
#       "counterfactual picture": A picture in which one thing is changed and all else is as it was.
#       "flip rate": The share of pairs in which an answer changes although it should not.
#       "bias amplification": A tendency of the data that becomes stronger in a model's answers.
#     explains: [Concatenate]
# ---

# %% [markdown]
# # Image captions
#
# *People crossing the street.* Networks have written such sentences under photographs since 2014, word after word, from
# pixels alone. How does a network get from a picture to a sentence? And when it writes *boat*, has it seen a boat, or
# has it seen water?
#
# You will build such a network in Keras: one half looks, the other writes. You will train it on the captions of two
# people who describe the same picture differently, write the search that finds both of their sentences, and measure
# where it looks for each word. Then you will find that its excellent score hides a mistake that it makes nearly every
# time, and repair it. Reading and running takes thirty-five minutes, of which a minute is waiting; the five exercises
# take an hour and a quarter more.

# %%
import course

course.setup(seed=0)

import re
import time
from collections import Counter
from itertools import permutations, product

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

from course import datasets, plots, results

PAD, START, END = range(3)

# %% [markdown]
# These are the pictures of this lesson, with a caption for each. The data name a scene's things by number: ball 0, box
# 1, tent 2, boat 3, and −1 where there is no second one.

# %% tags=["demo"]
GROUNDS = ["water", "grass", "sand"]
THINGS = ["ball", "box", "tent", "boat"]


def draw(axis, image, caption, color="black"):
    """A picture with its caption below."""
    axis.imshow(image)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_xlabel(re.sub(r"(.{1,15})(?: |$)", r"\1\n", caption).strip(), color=color)


SPLITS = {
    name: datasets.arrays("shore_scenes", name, scaled=True)
    for name in ("train", "test", "test_swapped", "test_new_pair", "empty")
}
train, test, swapped, new_pair, empty = SPLITS.values()

# %% tags=["demo"]
rows = [
    np.flatnonzero((train["things"] == pair).all(axis=1))[0]
    for pair in ([3, 1], [2, -1], [0, 3], [2, 2])
]
fig, axes = plt.subplots(1, 4, figsize=(6.4, 2.7))
for axis, row in zip(axes, rows, strict=True):
    draw(axis, train["image"][row], train["captions/text"][row][0])
fig.suptitle("One picture, one sentence", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Four small pictures of balls, boxes, tents and boats on water, grass or sand, each with a sentence below that says
    which things it shows, in which colours, how they are placed, and on what.""",
)

# %% [markdown]
# ## A picture in, a sentence out
#
# Captions are read aloud to people who cannot see a picture, and they make photographs searchable. A classifier (lesson
# 07) picks an answer from a fixed list. A sentence says how many things there are, and how they are placed. So it is
# written word by word, as in translation (lesson 12), with a picture in place of the sentence to translate. This is
# **image captioning**.
#
# **These scenes are drawn by rules, not photographed:** one or two things (ball, box, tent, boat) in four colours, on
# water, grass or sand, 32 × 32 pixels. Two invented annotators describe each. Of two things the first begins with the
# left or upper one, the second with the other. Real about it: a picture has several right captions, and things vary in
# size, place and colour. Not real: so few words, nothing half hidden, and no annotator errs.

# %% tags=["demo", "nbval-check-output"]
for name in ("train", "test"):
    print(f"{name:6}{len(SPLITS[name]['image']):5} scenes")
two = test["things"][:, 1] >= 0
print(f"with two things: {two.mean():.2f}")
for caption in test["captions/text"][np.flatnonzero(two)[0]]:
    print("   ", caption)

# %% [markdown]
# ### The nearest picture's caption
#
# Before any network: give every picture the commonest training caption, or the caption of the training picture whose
# pixels are nearest. **What do you expect** of the nearest among 4,000?

# %% tags=["demo"]
from sklearn.neighbors import NearestNeighbors

first_captions = [pair[0] for pair in train["captions/text"]]
commonest = Counter(first_captions).most_common(1)[0][0]
finder = NearestNeighbors(n_neighbors=1).fit(train["image"].reshape(len(train["image"]), -1))
nearest = finder.kneighbors(test["image"].reshape(len(test["image"]), -1))[1][:, 0]
retrieved = [first_captions[row] for row in nearest]


def is_exact(captions, references):
    """For each caption: does it equal one of its references?"""
    return np.array([caption in right for caption, right in zip(captions, references, strict=True)])


# %% tags=["demo", "nbval-check-output"]
by_pixels = is_exact(retrieved, test["captions/text"])
grounds_found = [
    text.split()[-1] == pair[0].split()[-1] for text, pair in zip(retrieved, test["captions/text"])
]
known = [pair[0] in first_captions for pair in test["captions/text"]]
by_habit = is_exact([commonest] * len(two), test["captions/text"])
results.table(
    ("commonest caption, exactly right, %", 100 * by_habit.mean(), (1, 2)),
    ("nearest picture's, exactly right, %", 100 * by_pixels.mean(), (35, 36)),
    ("the same, of one thing, %", 100 * by_pixels[~two].mean(), (65, 66)),
    ("the same, of two things, %", 100 * by_pixels[two].mean(), (17, 18)),
    ("the same, right ground, %", 100 * np.mean(grounds_found), (100, 100)),
    ("test captions that training has, %", 100 * np.mean(known), (95, 97)),
    over="all computers",
)

# %% [markdown]
# (In these tables `here` is the number of this run, and beside it is what other runs gave.) The ground it always gets
# right, since most pixels are ground. Nearly every test caption is in the training data, so the right sentence is there
# to be found. But pixels change when a thing has moved, and with two things it finds the sentence one time in six.

# %% [markdown]
# ## How right is a caption?
#
# Exact match is the same for one wrong word as for ten. Counting n-grams (runs of n words), lesson 12's remedy, has a
# weakness that captions bring out. Of these two sentences one says what the reference says, the other is false:


# %% tags=["demo", "nbval-check-output"]
def shared(one, other, n):
    """How many runs of n words two sentences have in common."""
    runs = [Counter(zip(*[text.split()[start:] for start in range(n)])) for text in (one, other)]
    return (runs[0] & runs[1]).total()


reference = "a red boat left of a white ball on water"
REPHRASED = "a white ball right of a red boat on water"
FALSE = "a red boat left of a black ball on water"
print(f"{'the reference:':29}{reference}")
for said in (REPHRASED, FALSE):
    single, pairs = shared(said, reference, 1), shared(said, reference, 2)
    print(f"{single} of 10 words, {pairs} of 9 pairs: {said}")

# %% [markdown]
# By words they are equal, and by pairs the true sentence even loses. A reader would compare what the sentences *claim*.
# That can be computed: take a caption apart into facts, and compare sets of facts. A fact is a thing with its colour,
# the ground, or the relation between two things. A relation can be said in two directions, so `right of` and `below`
# are turned round into `left of` and `above`. A text that is no whole sentence of this little language claims nothing.


# %%
PATTERN = re.compile(r"a (\w+ \w+)(?: (left of|right of|above|below) a (\w+ \w+))? on (\w+)")


def facts(caption):
    """The claims of a caption, as a set of short texts."""
    match = PATTERN.fullmatch(caption)
    if match is None:
        return set()
    one, relation, other, ground = match.groups()
    if relation is None:
        return {one, f"on {ground}"}
    if relation in ("right of", "below"):
        one, relation, other = other, {"right of": "left of", "below": "above"}[relation], one
    return {one, other, f"{one} {relation} {other}", f"on {ground}"}


def is_true(captions, references):
    """For each caption: does it claim what its references claim?"""
    return np.array([facts(a) == facts(b[0]) for a, b in zip(captions, references, strict=True)])


# %% tags=["demo", "nbval-check-output"]
claims = facts(reference)
print("claimed:", *sorted(claims), sep="\n    ")
for said in (REPHRASED, FALSE):
    print(f"{len(facts(said) & claims)} of {len(claims)} facts:  {said}")

# %% [markdown]
# A wrong colour costs two facts, since the relation was about a white ball. Researchers do the same with parsers for
# real sentences (**SPICE**, 2016). From here on a caption is **true** if it claims what the reference claims and
# nothing else.

# %% [markdown]
# ## One network looks, another writes
#
# An encoder-decoder, with the encoder replaced by a convolutional network. Here is the whole of it, at the moment when
# *a red boat left* has been written:


# %% tags=["demo"]
def draw_grid(axis, corner, size, cells, image, weights):
    """A picture under a grid of places, the brighter the more weight they have."""
    left, bottom = corner
    extent = (left, left + size, bottom, bottom + size)
    light = np.kron(0.35 + 0.65 * weights / weights.max(), np.ones((32 // cells, 32 // cells)))
    axis.imshow(image * light[..., None], extent=extent, zorder=1)
    for line in np.linspace(0, size, cells + 1):
        axis.plot([left, left + size], [bottom + line] * 2, color="white", lw=0.5, zorder=2)
        axis.plot([left + line] * 2, [bottom, bottom + size], color="white", lw=0.5, zorder=2)


def draw_gru(axis, words):
    """The steps of the decoder in a row, with the word that each reads."""
    for step, word in enumerate(words):
        x = 3.6 + 1.15 * step
        plots.box(axis, x, 1.4, "GRU", plots.ORANGE)
        axis.text(x, 0.72, word, ha="center", va="center", size=10)
        if step:
            plots.arrow(axis, (x - 0.77, 1.4), (x - 0.38, 1.4), plots.ORANGE)


# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.8, 3.3))
row = np.flatnonzero((train["things"] == [3, 0]).all(axis=1))[0]
on_second = (train["mask"][row, ..., 0] == 2).reshape(8, 4, 8, 4).mean(axis=(1, 3))
draw_grid(axis, (0, 0.3), 2.2, 8, train["image"][row], 0.15 + on_second)
axis.text(1.1, 0.15, "64 places", ha="center", va="top")
draw_gru(axis, "<start> a red boat left".split())
for x, text in [(1.1, "Conv2D × 3"), (5.9, "attention"), (8.5, "Dense")]:
    plots.box(axis, x, 3.3, text, plots.BLACK if text == "Dense" else plots.BLUE)
starts = [(1.1, 2.55), (2.0, 3.15), (2.0, 3.4), (6.7, 3.3)]
for start, end in zip(starts, [(1.1, 2.98), (3.4, 1.8), (5.1, 3.4), (8.0, 3.3)]):
    plots.arrow(axis, start, end, plots.BLUE)
plots.arrow(axis, (8.2, 1.8), (6.6, 2.95), plots.ORANGE)
plots.arrow(axis, (8.4, 1.8), (8.5, 2.92), plots.ORANGE)
spots = [(2.9, 2.6), (6.55, 2.2), (6.85, 3.45), (9.2, 3.2)]
for (x, y), text in zip(spots, "mean query context of".split(), strict=True):
    axis.text(x, y, text, size=10)
axis.set(xlim=(-0.2, 9.7), ylim=(-0.4, 3.9), title="For each word it looks at the picture anew")
axis.set_aspect("equal")
axis.set_axis_off()
plots.show(
    fig,
    alt="""A picture of a red boat and a white ball under 8 by 8 places, the ball bright; above it three convolutions. From there the
    mean goes to the first of five steps of a GRU, which read start, a, red, boat, left, and an arrow goes to attention. The fifth step sends
    a query to attention; its context and the GRU's state meet in a Dense layer, and the word of comes out.""",
)

# %% [markdown]
# 1. **It looks.** Three convolutions turn 32 × 32 pixels into a grid of 8 × 8 places with 64 features each. Read row by
#    row, the grid is a sequence of 64 vectors: what the states of 64 words were to the translator.
# 2. **It writes.** A GRU (lesson 10) starts from the mean of all places and reads the words so far. At each step
#    attention (lesson 12) looks up a context among the places, and from state and context comes the next word.
#
# ### Exercise 1: build the network that looks
#
# Write `make_looker(height, width, filters)`, a `keras.Model` from pictures (batch, `height`, `width`, 3) to places.
#
# - For each number in the list `filters` there is a block of three layers: a `Conv2D` with that many kernels of 3 × 3,
#   padding `"same"` and no bias; a `BatchNormalization` with `momentum=0.9`, since our trainings are short; and a
#   `ReLU`. In all blocks but the last the convolution has stride 2, which halves height and width (rounding up); in the
#   last it has stride 1.
# - To the features of each place come its row and its column, since attention does not know where a vector comes from,
#   and *left of* is about where. `with_coordinates` below does that.
# - Last, a `Reshape` makes a sequence of the grid, row by row: (batch, places, `filters[-1]` + 2).


# %%
def with_coordinates(grid):
    """A grid (batch, rows, columns, features) with two more features: row and column, -1 to 1."""
    _, rows, columns, _ = grid.shape
    at = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    where = ops.zeros_like(grid[..., :2]) + ops.cast(np.stack(at, axis=-1), grid.dtype)
    return ops.concatenate([grid, where], axis=-1)


# %% grade_id="make_looker" solution=true
def make_looker(height, width, filters):
    """A convolutional encoder: pictures to places (batch, places, filters[-1] + 2)."""
    ### BEGIN SOLUTION
    pictures = keras.Input((height, width, 3), name="pictures")
    grid = pictures
    for block, maps in enumerate(filters, 1):
        strides = 1 if block == len(filters) else 2
        grid = layers.Conv2D(maps, 3, strides, padding="same", use_bias=False)(grid)
        grid = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(grid))
    grid = with_coordinates(grid)
    return keras.Model(pictures, layers.Reshape((-1, filters[-1] + 2))(grid))
    ### END SOLUTION


# %% grade_id="make_looker_form" points=1
tried = make_looker(12, 20, [5, 7, 4])
blocks = {"block 1": 27 * 5 + 4 * 5, "block 2": 45 * 7 + 4 * 7, "block 3": 63 * 4 + 4 * 4}
assert tried.count_params() == sum(blocks.values()), (
    f"three blocks of 5, 7 and 4 kernels have {blocks} weights, together {sum(blocks.values())}; yours have "
    f"{tried.count_params()}"
)
places = np.asarray(tried(np.random.default_rng(0).random((2, 12, 20, 3), dtype="float32")))
assert places.shape == (2, 15, 6), (
    f"12 × 20 pixels, halved twice, are 3 × 5 places, each with 4 features, row and column: expected (2, 15, 6), got {places.shape}"
)
rows, columns = np.repeat([-1, 0, 1], 5), np.tile([-1, -0.5, 0, 0.5, 1], 3)
assert np.allclose(places[:, :, 4:], np.stack([rows, columns], axis=-1), atol=1e-6), (
    f"the last two numbers of a place are its row and column, place after place in reading order; got {places[0, :, 4:]}"
)
got = make_looker(9, 5, [3, 4]).output.shape
assert got == (None, 15, 6), (
    f"two blocks: 9 × 5 pixels, halved once and rounded up, are 5 × 3 places of 4 + 2 numbers: expected (None, 15, 6), got {got}"
)

# %% grade_id="make_looker_blocks" points=1
# Each block ends in a ReLU, and one pixel reaches as many places as 3 × 3 kernels with these strides let it.
tried = make_looker(16, 16, [5, 7, 4])
for weight in tried.weights:
    if weight.name == "beta":
        weight.assign(weight - 0.3)
black = np.zeros((1, 16, 16, 3), "float32")
assert np.asarray(tried(black))[..., :4].min() == 0, (
    "with a negative beta in the normalisation a black picture has features of 0: the ReLU comes after the normalisation"
)
for weight in tried.weights:
    if weight.name == "beta":
        weight.assign(weight + 9)
dotted = black.copy()
dotted[0, 6, 6] = 1
is_other = (np.asarray(tried(dotted)) != np.asarray(tried(black))).any(axis=-1).reshape(-1)
assert is_other.size == 16, f"16 × 16 pixels become 4 × 4 places; yours are {is_other.size}"
assert is_other.sum() == 9, (
    f"a dot at one place of 16 × 16 pixels should change 9 of the 16 places: yours changes {is_other.sum()} of {is_other.size}. Which "
    "blocks have stride 2?"
)

# %% grade_id="make_looker_values" points=1
# The instructor compares the features with those of convolutions that have the same weights.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1)
for height, width, filters in [(10, 7, [4, 6]), (9, 12, [3, 5, 8]), (5, 6, [7])]:
    tried = make_looker(height, width, list(filters))
    for weight in tried.weights:
        drawn = rng.normal(size=weight.shape)
        weight.assign(drawn if len(weight.shape) == 4 else abs(drawn) + 0.2)
    pictures = rng.random((2, height, width, 3), dtype="float32")
    got, want, depth = np.asarray(tried(pictures)), pictures, 3
    for block, maps in enumerate(filters):
        kernel = next(w for w in tried.weights if w.shape == (3, 3, depth, maps))
        one = {name: next(w.numpy() for w in tried.weights if w.shape == (maps,) and w.name == name)
               for name in ("gamma", "beta", "moving_mean", "moving_variance")}  # fmt: skip
        want = ops.conv(want, kernel, 1 if block == len(filters) - 1 else 2, "same")
        want = (want - one["moving_mean"]) / np.sqrt(one["moving_variance"] + 1e-3)
        want, depth = ops.relu(want * one["gamma"] + one["beta"]), maps
    want = np.asarray(want).reshape(2, -1, depth)
    case = f"pictures of {height} × {width} and filters {filters}"
    shape = (*want.shape[:2], depth + 2)
    assert got.shape == shape, f"{case}: expected shape {shape}, got {got.shape}"
    assert np.allclose(got[..., :depth], want, rtol=1e-3, atol=1e-3), (
        f"{case}: the features differ from Conv2D, BatchNormalization and ReLU with the same weights, in this order"
    )
### END HIDDEN TESTS

# %% grade_id="make_looker_momentum" points=1
# The instructor trains for one step, and looks at the means that BatchNormalization keeps.
### BEGIN HIDDEN TESTS
tried = make_looker(8, 8, [4, 6])
pictures = np.random.default_rng(2).random((5, 8, 8, 3), dtype="float32")
kernel = next(w for w in tried.weights if w.shape == (3, 3, 3, 4))
means = np.asarray(ops.mean(ops.conv(pictures, kernel, 2, "same"), axis=(0, 1, 2)))
tried.compile(keras.optimizers.SGD(0.0), "mse")
tried.fit(pictures, np.zeros((5, 16, 8)), epochs=1, batch_size=5, verbose=0)
kept = next(w.numpy() for w in tried.weights if w.shape == (4,) and w.name == "moving_mean")
assert np.allclose(kept, 0.1 * means, rtol=1e-2, atol=1e-5), (
    f"with momentum .9 the first block's moving means after one batch are a tenth of its means, {0.1 * means}; got {kept}"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# Every convolution has stride 2, so that the grid is half as fine as it should be.
def make_looker(height, width, filters):
    pictures = keras.Input((height, width, 3))
    grid = pictures
    for maps in filters:
        grid = layers.Conv2D(maps, 3, 2, padding="same", use_bias=False)(grid)
        grid = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(grid))
    grid = with_coordinates(grid)
    return keras.Model(pictures, layers.Reshape((-1, filters[-1] + 2))(grid))


# %% tags=["misconception"]
# The places are read column by column: rows and columns were exchanged before the grid became a sequence.
def make_looker(height, width, filters):
    pictures = keras.Input((height, width, 3))
    grid = pictures
    for block, maps in enumerate(filters, 1):
        grid = layers.Conv2D(
            maps, 3, 1 if block == len(filters) else 2, padding="same", use_bias=False
        )(grid)
        grid = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(grid))
    grid = layers.Permute((2, 1, 3))(with_coordinates(grid))
    return keras.Model(pictures, layers.Reshape((-1, filters[-1] + 2))(grid))


# %% tags=["misconception"]
# The ReLU comes before the normalisation, which moves what it has cut off.
def make_looker(height, width, filters):
    pictures = keras.Input((height, width, 3))
    grid = pictures
    for block, maps in enumerate(filters, 1):
        grid = layers.Conv2D(
            maps, 3, 1 if block == len(filters) else 2, padding="same", use_bias=False
        )(grid)
        grid = layers.BatchNormalization(momentum=0.9)(layers.ReLU()(grid))
    grid = with_coordinates(grid)
    return keras.Model(pictures, layers.Reshape((-1, filters[-1] + 2))(grid))


# %% tags=["misconception"]
# The first convolution has stride 1 and the others 2, where the last should keep the grid as it is.
def make_looker(height, width, filters):
    pictures = keras.Input((height, width, 3))
    grid = pictures
    for block, maps in enumerate(filters):
        grid = layers.Conv2D(maps, 3, 2 if block else 1, padding="same", use_bias=False)(grid)
        grid = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(grid))
    grid = with_coordinates(grid)
    return keras.Model(pictures, layers.Reshape((-1, filters[-1] + 2))(grid))


# %% tags=["misconception"]
# The normalisation keeps Keras's momentum of .99, too slow for a training of a few hundred steps.
def make_looker(height, width, filters):
    pictures = keras.Input((height, width, 3))
    grid = pictures
    for block, maps in enumerate(filters, 1):
        grid = layers.Conv2D(
            maps, 3, 1 if block == len(filters) else 2, padding="same", use_bias=False
        )(grid)
        grid = layers.ReLU()(layers.BatchNormalization()(grid))
    grid = with_coordinates(grid)
    return keras.Model(pictures, layers.Reshape((-1, filters[-1] + 2))(grid))


# %% tags=["alternative"]
# A Sequential model for the blocks, the last of which is written out.
def make_looker(height, width, filters):
    blocks = keras.Sequential([keras.Input((height, width, 3))])
    for maps in filters[:-1]:
        blocks.add(layers.Conv2D(maps, (3, 3), strides=(2, 2), padding="same", use_bias=False))
        blocks.add(layers.BatchNormalization(momentum=0.9))
        blocks.add(layers.Activation("relu"))
    blocks.add(layers.Conv2D(filters[-1], 3, padding="same", use_bias=False))
    blocks.add(layers.BatchNormalization(momentum=0.9))
    blocks.add(layers.Activation("relu"))
    grid = with_coordinates(blocks.outputs[0])
    places = ops.reshape(grid, (-1, grid.shape[1] * grid.shape[2], grid.shape[3]))
    return keras.Model(blocks.inputs[0], places)


# %% tags=["alternative"]
# Row and column are added once the grid is a sequence.
def make_looker(height, width, filters):
    shown = layers.Input(shape=(height, width, 3))
    x = shown
    strides = [2] * (len(filters) - 1) + [1]
    for kernels, stride in zip(filters, strides, strict=True):
        x = layers.Conv2D(kernels, 3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = ops.relu(x)
    features = layers.Reshape((x.shape[1] * x.shape[2], x.shape[3]))(x)
    where = layers.Reshape((x.shape[1] * x.shape[2], 2))(with_coordinates(x)[..., -2:])
    return keras.Model(inputs=shown, outputs=layers.Concatenate()([features, where]))


# %% [markdown]
# From here on your functions build, train, search and repair. So that the page can be read before they are written, a
# cell after each exercise tries yours, and takes one of the course's where it does not work.

# %% tags=["demo"]
from course import fallbacks
from course.fallbacks import image_captions as ours

make_looker = fallbacks.choose(make_looker, ours.make_looker, ours.make_looker_works)

# %% [markdown]
# ### Exercise 2: build the network that writes
#
# At step $t$ the state $d_t$ of the GRU becomes a query, and each place $s$ with its features $v_s$ gets a key. The
# score is their product, and its softmax over the places gives the weights with which the features are averaged to a
# context:
#
# $$q_t = W_q d_t + b, \qquad k_s = W_k v_s, \qquad e_{t,s} = \frac{q_t \cdot k_s}{\sqrt{m}}, \qquad a_{t,s} = \frac{e^{e_{t,s}}}
# {\sum_{s'} e^{e_{t,s'}}}, \qquad c_t = \sum_s a_{t,s} \, v_s$$
#
# $W_q$, $W_k$ and $b$ are learnt; queries and keys have $m$ numbers. In lesson 12 the score was a sum through a tanh; a
# product does the same for less. A sum of $m$ products grows with $\sqrt{m}$, and large scores would leave the softmax
# no gradient, so it is divided by that. Keras's layer `Attention`, called with `[query, value, key]` and
# `return_attention_scores=True`, gives context and weights; it does not divide.
#
# Write `make_writer(features, vocabulary, units)`, where $m$ is `units`. It is a `keras.Model` whose two inputs, in a
# list, are places (batch, places, `features`) and the words so far (batch, steps), of dtype `int32`, which begin with
# `START`.
#
# - The GRU's first state comes from the mean of all places (`GlobalAveragePooling1D` takes it), by a `Dense` layer of
#   `units` with a tanh.
# - An `Embedding` of `units` numbers a word; a `GRU` of `units` that gives its state at every step.
# - Attention as above: a `Dense` layer for the queries and one without bias for the keys; the values are the places
#   themselves.
# - State and context side by side (`Concatenate`) go through a `Dense` layer of `units` with a ReLU; a last `Dense`
#   layer gives logits about the word after each step.
#
# Return two outputs, in a list: the logits (batch, steps, `vocabulary`), no softmax taken, and the weights (batch,
# steps, places).


# %% grade_id="make_writer" solution=true
def make_writer(features, vocabulary, units):
    """A decoder with attention, from [places, words so far] to [logits, weights]."""
    ### BEGIN SOLUTION
    places = keras.Input((None, features), name="places")
    words = keras.Input((None,), dtype="int32", name="words_so_far")
    first = layers.Dense(units, activation="tanh")(layers.GlobalAveragePooling1D()(places))
    vectors = layers.Embedding(vocabulary, units)(words)
    states = layers.GRU(units, return_sequences=True)(vectors, initial_state=first)
    queries = layers.Dense(units)(states) / units**0.5
    keys = layers.Dense(units, use_bias=False)(places)
    contexts, weights = layers.Attention()([queries, places, keys], return_attention_scores=True)
    hidden = layers.Dense(units, activation="relu")(layers.Concatenate()([states, contexts]))
    logits = layers.Dense(vocabulary, dtype="float32")(hidden)
    return keras.Model([places, words], [logits, weights])
    ### END SOLUTION


# %% [markdown]
# The tests give your model random weights, so that all of them matter, and look at what it does.


# %%
def randomize(model, seed):
    """The model, with weights and biases drawn anew."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.6, w.shape) for w in model.get_weights()])
    return model


def written(model, places, words):
    """What a writer gives for one picture's places and a list of words, as arrays."""
    inputs = [np.asarray([places], "float32"), np.asarray([words], "int32")]
    return [np.asarray(output)[0] for output in model(inputs)]


# %% grade_id="make_writer_form" points=1
tried = make_writer(7, 9, 4)
assert (len(tried.inputs), len(tried.outputs)) == (2, 2), (
    f"two inputs and two outputs were asked for; there are {len(tried.inputs)} and {len(tried.outputs)}"
)
parts = {"first state": 7 * 4 + 4, "Embedding": 9 * 4, "GRU": 3 * (2 * 16 + 8), "queries": 4 * 4 + 4, "keys": 7 * 4,
         "hidden": 11 * 4 + 4, "logits": 4 * 9 + 9}  # fmt: skip
assert tried.count_params() == sum(parts.values()), (
    f"the layers should have {parts} weights, together {sum(parts.values())}; yours have {tried.count_params()}"
)
places = np.random.default_rng(0).normal(size=(6, 7))
logits, weights = written(randomize(tried, 0), places, [START, 5, 3])
assert (logits.shape, weights.shape) == ((3, 9), (3, 6)), (
    f"6 places, 3 steps: expected logits (3, 9) and weights (3, 6) of each picture, got {logits.shape} and {weights.shape}"
)
assert logits.min() < 0, "no logit is below zero: has a softmax or another activation been applied?"
assert np.allclose(weights.sum(axis=-1), 1, atol=1e-5), (
    f"the weights of a step are a softmax over the places and sum to 1; got sums {weights.sum(axis=-1)}"
)

# %% grade_id="make_writer_scores" points=1
# Queries of ones, and keys that are four times the sum of a place's features: the score is 4 · sum / √4.
tried = make_writer(3, 5, 4)
tried.set_weights([np.full(w.shape, w.shape in [(3, 4), (4,)], float) for w in tried.get_weights()])
places = np.array([[0.2, 0.1, -0.5], [0.3, 0.4, 0.1], [-0.1, 0.2, 0.0]])
weights = written(tried, places, [START, 4])[1]
want = np.exp(2 * places.sum(axis=1)) / np.exp(2 * places.sum(axis=1)).sum()
assert np.allclose(weights, want, atol=1e-5), (
    f"the softmax over the places of q · k / √m should be {want.round(3)} at each step, and is {weights.round(3)}. Is the score a "
    "product of query and key, and is it divided by the root of their length?"
)

# %% grade_id="make_writer_steps" points=1
# The instructor checks what each step knows: the picture, the words so far, and none that come later.
### BEGIN HIDDEN TESTS
tried, rng = randomize(make_writer(5, 8, 6), 1), np.random.default_rng(1)
places, words = rng.normal(size=(4, 5)), [START, 5, 3, 7]
logits, weights = written(tried, places, words)
later = written(tried, places, [START, 5, 4, 6])
assert logits.shape == (4, 8), f"expected logits (4, 8), got {logits.shape}"
assert np.allclose(later[0][:2], logits[:2], atol=1e-5), "a step knows words that come later"
assert not np.allclose(later[0][2], logits[2], atol=1e-4), (
    "a step ignores the word that it is given"
)
assert not np.allclose(later[1][2], weights[2], atol=1e-4), (
    "the weights of a step do not depend on its word: is the query made of the GRU's state at this step?"
)
early = written(tried, places, [START, 4, 3, 7])
assert not np.allclose(early[0][2], logits[2], atol=1e-4), "a step has forgotten the words before"
order = [2, 0, 3, 1]
moved = written(tried, places[order], words)
assert np.allclose(moved[0], logits, atol=1e-4), "the order of the places alone changes the logits"
assert np.allclose(moved[1], weights[:, order], atol=1e-4), (
    "the weights do not go along with their places when these change their order"
)
### END HIDDEN TESTS

# %% grade_id="make_writer_values" points=1
# The instructor computes weights and logits from the formulas, with the weights of your layers.
### BEGIN HIDDEN TESTS
tried, words = randomize(make_writer(5, 8, 6), 2), [START, 5, 3, 7]
places = np.random.default_rng(2).normal(size=(4, 5))
logits, weights = written(tried, places, words)
of = lambda *shape: [w.numpy() for w in tried.weights if w.shape == shape]
assert len(of(5, 6) + of(6) + of(11, 6)) == 6, "layers of other shapes were asked for"
found, cell = [], layers.GRU(6, return_sequences=True)
cell.build((None, None, 6))
cell.set_weights([*of(6, 18), *of(2, 18)])
for (to_first, to_key), (b0, b1, b2) in product(permutations(of(5, 6)), permutations(of(6))):
    first = np.tanh(places.mean(axis=0) @ to_first + b0)[None].astype("float32")
    states = np.asarray(cell(of(8, 6)[0][[words]], initial_state=first))[0]
    shares = np.asarray(ops.softmax((states @ of(6, 6)[0] + b1) @ (places @ to_key).T / 6**0.5))
    for both in ([states, shares @ places], [shares @ places, states]):
        hidden = np.maximum(np.concatenate(both, axis=1) @ of(11, 6)[0] + b2, 0)
        found.append((shares, hidden @ of(6, 8)[0] + of(8)[0]))
assert any(np.allclose(shares, weights, atol=1e-4) for shares, _ in found), (
    "the attention weights are not the softmax of the formula: look at what queries and keys are made of, and at the root"
)
near = [np.abs(x - logits).max() for s, x in found if np.allclose(s, weights, atol=1e-4)]
assert min(near) < 1e-3, (
    "right weights, wrong logits: look at context, hidden layer and first state"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The product is not divided by the root of its length, so the softmax starts out too sharp.
def make_writer(features, vocabulary, units):
    places, words = keras.Input((None, features)), keras.Input((None,), dtype="int32")
    first = layers.Dense(units, activation="tanh")(layers.GlobalAveragePooling1D()(places))
    vectors = layers.Embedding(vocabulary, units)(words)
    states = layers.GRU(units, return_sequences=True)(vectors, initial_state=first)
    queries, keys = layers.Dense(units)(states), layers.Dense(units, use_bias=False)(places)
    contexts, weights = layers.Attention()([queries, places, keys], return_attention_scores=True)
    hidden = layers.Dense(units, activation="relu")(layers.Concatenate()([states, contexts]))
    return keras.Model([places, words], [layers.Dense(vocabulary)(hidden), weights])


# %% tags=["misconception"]
# The GRU starts from zeros: the mean of the picture is computed nowhere, and only attention sees the picture.
def make_writer(features, vocabulary, units):
    places, words = keras.Input((None, features)), keras.Input((None,), dtype="int32")
    vectors = layers.Embedding(vocabulary, units)(words)
    states = layers.GRU(units, return_sequences=True)(vectors)
    queries = layers.Dense(units)(states) / units**0.5
    keys = layers.Dense(units, use_bias=False)(places)
    contexts, weights = layers.Attention()([queries, places, keys], return_attention_scores=True)
    hidden = layers.Dense(units, activation="relu")(layers.Concatenate()([states, contexts]))
    return keras.Model([places, words], [layers.Dense(vocabulary)(hidden), weights])


# %% tags=["misconception"]
# The query is the word that was read last; it is the GRU's state that should ask.
def make_writer(features, vocabulary, units):
    places, words = keras.Input((None, features)), keras.Input((None,), dtype="int32")
    first = layers.Dense(units, activation="tanh")(layers.GlobalAveragePooling1D()(places))
    vectors = layers.Embedding(vocabulary, units)(words)
    states = layers.GRU(units, return_sequences=True)(vectors, initial_state=first)
    queries = layers.Dense(units)(vectors) / units**0.5
    keys = layers.Dense(units, use_bias=False)(places)
    contexts, weights = layers.Attention()([queries, places, keys], return_attention_scores=True)
    hidden = layers.Dense(units, activation="relu")(layers.Concatenate()([states, contexts]))
    return keras.Model([places, words], [layers.Dense(vocabulary)(hidden), weights])


# %% tags=["misconception"]
# The context is an average of the keys; the places themselves were asked for.
def make_writer(features, vocabulary, units):
    places, words = keras.Input((None, features)), keras.Input((None,), dtype="int32")
    first = layers.Dense(units, activation="tanh")(layers.GlobalAveragePooling1D()(places))
    vectors = layers.Embedding(vocabulary, units)(words)
    states = layers.GRU(units, return_sequences=True)(vectors, initial_state=first)
    queries = layers.Dense(units)(states) / units**0.5
    keys = layers.Dense(units, use_bias=False)(places)
    contexts, weights = layers.Attention()([queries, keys], return_attention_scores=True)
    hidden = layers.Dense(units, activation="relu")(layers.Concatenate()([states, contexts]))
    return keras.Model([places, words], [layers.Dense(vocabulary)(hidden), weights])


# %% tags=["misconception"]
# The softmax is taken of the logits already, so a loss on logits would take it twice.
def make_writer(features, vocabulary, units):
    places, words = keras.Input((None, features)), keras.Input((None,), dtype="int32")
    first = layers.Dense(units, activation="tanh")(layers.GlobalAveragePooling1D()(places))
    vectors = layers.Embedding(vocabulary, units)(words)
    states = layers.GRU(units, return_sequences=True)(vectors, initial_state=first)
    queries = layers.Dense(units)(states) / units**0.5
    keys = layers.Dense(units, use_bias=False)(places)
    contexts, weights = layers.Attention()([queries, places, keys], return_attention_scores=True)
    hidden = layers.Dense(units, activation="relu")(layers.Concatenate()([states, contexts]))
    return keras.Model([places, words], [layers.Dense(vocabulary, "softmax")(hidden), weights])


# %% tags=["misconception"]
# The softmax runs over the steps, so it is the places that share out the words and not each word that shares out its look.
def make_writer(features, vocabulary, units):
    places, words = keras.Input((None, features)), keras.Input((None,), dtype="int32")
    first = layers.Dense(units, activation="tanh")(layers.GlobalAveragePooling1D()(places))
    vectors = layers.Embedding(vocabulary, units)(words)
    states = layers.GRU(units, return_sequences=True)(vectors, initial_state=first)
    queries, keys = layers.Dense(units)(states), layers.Dense(units, use_bias=False)(places)
    weights = ops.softmax(queries @ ops.swapaxes(keys, 1, 2) / units**0.5, axis=1)
    hidden = layers.Dense(units, activation="relu")(ops.concatenate([states, weights @ places], -1))
    return keras.Model([places, words], [layers.Dense(vocabulary)(hidden), weights])


# %% tags=["alternative"]
# Attention written out with products of matrices, and the mean by an operation.
def make_writer(features, vocabulary, units):
    places, words = keras.Input((None, features)), keras.Input((None,), dtype="int32")
    first = layers.Dense(units, "tanh")(ops.mean(places, axis=1))
    writer = layers.RNN(layers.GRUCell(units), return_sequences=True)
    states = writer(layers.Embedding(vocabulary, units)(words), initial_state=[first])
    keys = layers.Dense(units, use_bias=False)(places)
    scores = ops.matmul(layers.Dense(units)(states), ops.transpose(keys, (0, 2, 1)))
    weights = layers.Softmax(axis=-1)(scores / np.sqrt(units))
    contexts = ops.matmul(weights, places)
    hidden = layers.ReLU()(layers.Dense(units)(ops.concatenate([contexts, states], axis=-1)))
    return keras.Model(inputs=[places, words], outputs=[layers.Dense(vocabulary)(hidden), weights])


# %% tags=["alternative"]
# The root divides the keys, and einsum adds up the scores.
def make_writer(features, vocabulary, units):
    places = keras.Input(shape=(None, features))
    words = keras.Input(shape=(None,), dtype="int32")
    average = layers.GlobalAveragePooling1D()(places)
    gru = layers.GRU(units, return_sequences=True, return_state=True)
    states, _ = gru(
        layers.Embedding(vocabulary, units)(words), layers.Dense(units, "tanh")(average)
    )
    keys = layers.Dense(units, use_bias=False)(places) * units**-0.5
    weights = ops.softmax(ops.einsum("btm,bsm->bts", layers.Dense(units)(states), keys), axis=-1)
    contexts = ops.einsum("bts,bsf->btf", weights, places)
    hidden = layers.Dense(units, activation="relu")(layers.Concatenate()([states, contexts]))
    return keras.Model([places, words], [layers.Dense(vocabulary)(hidden), weights])


# %% tags=["demo"]
make_writer = fallbacks.choose(make_writer, ours.make_writer, ours.make_writer_works)

# %% [markdown]
# ### Exercise 3: train them on what two annotators say
#
# First, sentences become numbers. Both annotators' captions are used, so there are two rows of tokens for each picture;
# the last 1,000 training scenes are put aside for validation.

# %%
STEPS = 11  # the longest caption has ten words, and END


def encode(captions, vocabulary, steps=STEPS):
    """Token numbers, a row of steps + 1 for each caption: START, words, END, padding."""
    number = {word: index for index, word in enumerate(vocabulary)}
    rows = np.full((len(captions), steps + 1), PAD, "int32")
    for row, caption in zip(rows, captions, strict=True):
        tokens = [number[word] for word in caption.split()]
        row[: len(tokens) + 2] = [START, *tokens, END]
    return rows


def decode(row, vocabulary):
    """The caption of token numbers, up to END."""
    numbers = [*np.asarray(row).tolist(), END]
    return " ".join(vocabulary[n] for n in numbers[: numbers.index(END)] if n > END)


# %% tags=["demo"]
WORDS = sorted({word for pair in train["captions/text"] for text in pair for word in text.split()})
VOCABULARY = ["<pad>", "<start>", "<end>", *WORDS]
by_annotator = [[pair[who] for pair in train["captions/text"]] for who in (0, 1)]
TOKENS = np.stack([encode(captions, VOCABULARY) for captions in by_annotator], axis=1)
TRAIN, CHECKS = (
    (train["image"][part], TOKENS[part]) for part in (slice(0, 3000), slice(3000, 4000))
)
print("captions:", TRAIN[1].shape, "of", len(WORDS), "different words")
for tokens in TRAIN[1][1]:
    print(*(VOCABULARY[token] for token in tokens))

# %% [markdown]
# How does a network learn from two right sentences about one picture? Each is an example, so every picture is shown
# with both. Teacher forcing (lesson 12) does the rest: the decoder gets all tokens of a caption but the last, and the
# labels are all but the first. A short caption's `<end>` is an input then, too, but the label there is padding, from
# which nothing is learnt.
#
# Write `train_captioner(looker, writer, train, validation, rate, epochs)`:
#
# - `looker` and `writer` are models such as yours, built and not compiled. Join them in one model from pictures and
#   words to the writer's logits, so that both learn.
# - `train` and `validation` are pairs `(pictures, captions)`: pictures (n, height, width, 3), and token numbers (n,
#   annotators, steps + 1), from `START` to `END` and then padded with `PAD`. There may be any number of annotators. All
#   their captions count, in training and in validation.
# - The loss is one of Keras's own, the mean of $-\ln P$ over all labels of a batch that are not `PAD`. A batch has 64
#   captions. (A picture need be looked at only once: where your model repeats its *places* for each annotator, a batch
#   has 64 / annotators pictures.)
# - The optimizer is Adam with `clipnorm=1.0`. Its learning rate begins at `rate` and falls to zero along a cosine
#   (`CosineDecay`) over all steps of `epochs` epochs.
# - Train for at most `epochs` epochs. When the loss on `validation` has not improved for two epochs, stop, and go back
#   to the weights of the best epoch.
# - Return `looker, writer, history`: both networks, trained, and what `fit` returned.


# %% grade_id="train_captioner" solution=true
def train_captioner(looker, writer, train, validation, rate, epochs):
    """Train looker and writer together on all annotators' captions, with early stopping."""
    ### BEGIN SOLUTION
    count, length = train[1].shape[1], train[1].shape[2] - 1
    words = keras.Input((count, length), dtype="int32")
    places = ops.repeat(looker.output, count, axis=0)
    logits = writer([places, ops.reshape(words, (-1, length))])[0]
    logits = ops.reshape(logits, (-1, count, length, logits.shape[-1]))
    both = keras.Model([looker.input, words], logits)
    batch = max(1, 64 // count)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(train[0]) // batch))
    both.compile(
        keras.optimizers.Adam(falling, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD),
    )
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    data = [([pictures, rows[..., :-1]], rows[..., 1:]) for pictures, rows in (train, validation)]
    history = both.fit(*data[0], batch_size=batch, epochs=epochs, validation_data=data[1],
                       callbacks=[stop], verbose=0)  # fmt: skip
    return looker, writer, history
    ### END SOLUTION


# %% [markdown]
# The tests train very small networks on pictures of one colour: the first annotator writes its word, the second goes on
# for two words more.


# %%
def colour_task(seed, count, is_noise=False):
    """Pictures of 4 × 4 in one of two colours, and the captions of two annotators."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 2, count)
    pictures = np.full((count, 4, 4, 3), 0.1, "float32")
    pictures[np.arange(count), :, :, colours] += rng.uniform(0.6, 1, (count, 1, 1))
    said = 3 + (rng.integers(0, 2, count) if is_noise else colours)
    captions = np.zeros((count, 2, 6), "int32")
    captions[:, 0, :3] = np.stack([np.full(count, START), said, np.full(count, END)], axis=1)
    captions[:, 1, :5] = [START, 0, 5, 6, END]
    captions[:, 1, 1] = said
    return pictures, captions


# %%
def small_captioner(seed):
    """A looker of four places and a writer of eight tokens, whose layers have rare names."""
    keras.utils.set_random_seed(seed)
    pictures, places = keras.Input((4, 4, 3), name="small_pictures"), keras.Input((4, 6))
    words = keras.Input((None,), dtype="int32")
    grid = layers.Conv2D(6, 2, 2, name="small_grid")(pictures)
    looker = keras.Model(
        pictures, layers.Reshape((4, 6), name="small_row")(grid), name="small_looker"
    )
    look = layers.Reshape((1, 32))(layers.Dense(32)(layers.GlobalAveragePooling1D()(places)))
    hidden = layers.ReLU()(layers.Embedding(8, 32)(words) + look)
    outputs = [layers.Dense(8)(hidden), hidden[..., :4]]
    return looker, keras.Model([places, words], outputs, name="small_writer")


def loss_of(looker, writer, pair):
    """The mean of -ln p over the tokens of all captions that are not padding."""
    pictures, captions = pair
    places, total, count = np.asarray(looker(pictures)), 0.0, 0
    for rows in np.moveaxis(captions, 1, 0):
        p = np.asarray(ops.softmax(writer([places, rows[:, :-1]])[0], axis=-1))
        chosen = np.take_along_axis(p, rows[:, 1:, None], axis=-1)[..., 0][rows[:, 1:] != PAD]
        total, count = total - float(np.log(chosen).sum()), count + chosen.size
    return total / count


# %% grade_id="train_captioner_learns" points=2
pair, held_out = colour_task(1, 320), colour_task(2, 30)
start = small_captioner(0)
kernel = start[0].get_weights()[0].copy()
tried_looker, tried_writer, tried_history = train_captioner(*start, pair, held_out, 0.02, 6)
noted = tried_history.history.get("val_loss", [])
assert 0 < len(noted) <= 6, f"the history should have val_loss for at most 6 epochs; it has {noted}"
reached = loss_of(tried_looker, tried_writer, held_out)
# No less than .231 is possible: that the second annotator goes on after the first word cannot be known. Over 20 seeds the
# reference reaches .231 to .233: it fails less than once in a million times.
assert reached < 0.3, (
    f"the loss on both annotators' captions of the validation pictures is {reached:.3f}; .24 is easily reached. Is the "
    "rate as given, does the loss take logits, are words and labels one place apart, are both annotators learnt from?"
)
assert np.isclose(min(noted), reached, rtol=1e-2, atol=1e-3), (
    f"over all labels that are not padding, of both annotators, the loss is {reached:.4f} on the validation pictures; in "
    f"the history val_loss is {np.round(noted, 4).tolist()}"
)
assert not np.allclose(tried_looker.get_weights()[0], kernel, atol=1e-3), (
    "the looker's weights are as they were: it should learn together with the writer"
)

# %% grade_id="train_captioner_stops" points=1
# The captions of these validation pictures are noise, so an early epoch is the best one: over 20 seeds the first or second.
pair, noise = colour_task(3, 320), colour_task(4, 30, is_noise=True)
given = [part.copy() for part in (*pair, *noise)]
trained_looker, trained_writer, history = train_captioner(
    *small_captioner(1), pair, noise, 0.01, 12
)
noted = history.history["val_loss"]
best = loss_of(trained_looker, trained_writer, noise)
assert len(noted) == int(np.argmin(noted)) + 3, (
    f"val_loss was {np.round(noted, 3).tolist()}: training should stop after two epochs without improvement"
)
assert np.isclose(best, min(noted), rtol=3e-3), (
    f"the best val_loss is {min(noted):.4f}, and the returned networks have {best:.4f}: the weights of the best epoch should "
    "be restored in both"
)
assert all(map(np.array_equal, given, (*pair, *noise))), "the caller's arrays were changed"

# %% grade_id="train_captioner_rate" points=1
# The instructor trains for eight steps, two in each epoch, and looks how far the looker's weights have moved.
### BEGIN HIDDEN TESTS
pair, start = colour_task(7, 60), small_captioner(3)
kernel = start[0].get_weights()[0].copy()
trained = train_captioner(*start, pair, pair, 0.002, 4)
moved = np.abs(trained[0].get_weights()[0] - kernel).max() / 0.002
# Over 20 seeds the reference moves by 4.43 to 4.52.
assert 3.5 < moved < 6, (
    f"120 captions make two batches; in four epochs, eight steps, a weight of the looker has moved by {moved:.1f} times the rate. "
    "Adam's steps are about as long as its rate: 8 times the rate in all if that stays as it is, 4.5 times if it falls to zero "
    "along a cosine over all eight"
)
### END HIDDEN TESTS

# %% grade_id="train_captioner_annotators" points=1
# The instructor trains on the captions of three annotators, with one picture that is far too bright.
### BEGIN HIDDEN TESTS
(pictures, captions), checks = colour_task(5, 240), colour_task(6, 20)
captions, checks = captions[:, [1, 0, 1]], (checks[0], checks[1][:, [1, 0, 1]])
pictures[0] *= 65535
trained = train_captioner(*small_captioner(2), (pictures, captions), checks, 0.02, 6)
noted, reached = min(trained[2].history["val_loss"]), loss_of(*trained[:2], checks)
assert np.isclose(noted, reached, rtol=1e-2), (
    f"three annotators: the best val_loss is {noted:.4f}, and the loss on all their captions is {reached:.4f}"
)
# Over 20 seeds the reference reaches .192 to .194, with a standard deviation of .0006: it fails less than once in a million
# times. Without the limit on gradients five seeds reached .200 to .238.
assert reached < 0.197, (
    f"one training picture has pixels up to 65,535; on the others the loss is {reached:.4f}, and .194 is easily reached. Does Adam "
    "limit the norm of gradients?"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# Padding counts as a word: ignore_class is missing, and most of what the network is paid for is writing nothing.
def train_captioner(looker, writer, train, validation, rate, epochs):
    words = keras.Input((None,), dtype="int32")
    both = keras.Model([looker.input, words], writer([looker.output, words])[0])
    data = []
    for pictures, captions in (train, validation):
        rows = captions.reshape(-1, captions.shape[-1])
        data.append(([np.repeat(pictures, captions.shape[1], axis=0), rows[:, :-1]], rows[:, 1:]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-train[1][..., 0].size // 64))
    both.compile(keras.optimizers.Adam(falling, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = both.fit(
        *data[0], batch_size=64, epochs=epochs, validation_data=data[1], callbacks=[stop], verbose=0
    )
    return looker, writer, history


# %% tags=["misconception"]
# Only the first annotator's captions are used, so the network never learns that there are others.
def train_captioner(looker, writer, train, validation, rate, epochs):
    words = keras.Input((None,), dtype="int32")
    both = keras.Model([looker.input, words], writer([looker.output, words])[0])
    data = [
        ([pictures, captions[:, 0, :-1]], captions[:, 0, 1:])
        for pictures, captions in (train, validation)
    ]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-train[1][..., 0].size // 64))
    both.compile(keras.optimizers.Adam(falling, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = both.fit(
        *data[0], batch_size=64, epochs=epochs, validation_data=data[1], callbacks=[stop], verbose=0
    )
    return looker, writer, history


# %% tags=["misconception"]
# The labels are the inputs: nothing is moved by one, and the network is shown the word that it should guess.
def train_captioner(looker, writer, train, validation, rate, epochs):
    words = keras.Input((None,), dtype="int32")
    both = keras.Model([looker.input, words], writer([looker.output, words])[0])
    data = []
    for pictures, captions in (train, validation):
        rows = captions.reshape(-1, captions.shape[-1])[:, 1:]
        data.append(([np.repeat(pictures, captions.shape[1], axis=0), rows], rows))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-train[1][..., 0].size // 64))
    both.compile(keras.optimizers.Adam(falling, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = both.fit(
        *data[0], batch_size=64, epochs=epochs, validation_data=data[1], callbacks=[stop], verbose=0
    )
    return looker, writer, history


# %% tags=["misconception"]
# The places are computed once and only the writer is trained: the looker stays as random as it was.
def train_captioner(looker, writer, train, validation, rate, epochs):
    places, words = keras.Input(looker.output.shape[1:]), keras.Input((None,), dtype="int32")
    both = keras.Model([places, words], writer([places, words])[0])
    data = []
    for pictures, captions in (train, validation):
        rows = captions.reshape(-1, captions.shape[-1])
        seen = np.repeat(looker.predict(pictures, verbose=0), captions.shape[1], axis=0)
        data.append(([seen, rows[:, :-1]], rows[:, 1:]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-train[1][..., 0].size // 64))
    both.compile(keras.optimizers.Adam(falling, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = both.fit(
        *data[0], batch_size=64, epochs=epochs, validation_data=data[1], callbacks=[stop], verbose=0
    )
    return looker, writer, history


# %% tags=["misconception"]
# Training stops in time and keeps the last weights, not the best ones.
def train_captioner(looker, writer, train, validation, rate, epochs):
    words = keras.Input((None,), dtype="int32")
    both = keras.Model([looker.input, words], writer([looker.output, words])[0])
    data = []
    for pictures, captions in (train, validation):
        rows = captions.reshape(-1, captions.shape[-1])
        data.append(([np.repeat(pictures, captions.shape[1], axis=0), rows[:, :-1]], rows[:, 1:]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-train[1][..., 0].size // 64))
    both.compile(keras.optimizers.Adam(falling, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2)
    history = both.fit(
        *data[0], batch_size=64, epochs=epochs, validation_data=data[1], callbacks=[stop], verbose=0
    )
    return looker, writer, history


# %% tags=["misconception"]
# The learning rate stays as it begins, so the loss keeps jumping where it should settle.
def train_captioner(looker, writer, train, validation, rate, epochs):
    words = keras.Input((None,), dtype="int32")
    both = keras.Model([looker.input, words], writer([looker.output, words])[0])
    data = []
    for pictures, captions in (train, validation):
        rows = captions.reshape(-1, captions.shape[-1])
        data.append(([np.repeat(pictures, captions.shape[1], axis=0), rows[:, :-1]], rows[:, 1:]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD)
    both.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = both.fit(
        *data[0], batch_size=64, epochs=epochs, validation_data=data[1], callbacks=[stop], verbose=0
    )
    return looker, writer, history


# %% tags=["misconception"]
# The pictures are repeated as a whole (tile) and the captions one by one, so most captions meet the wrong picture.
def train_captioner(looker, writer, train, validation, rate, epochs):
    words = keras.Input((None,), dtype="int32")
    both = keras.Model([looker.input, words], writer([looker.output, words])[0])
    data = []
    for pictures, captions in (train, validation):
        rows = captions.reshape(-1, captions.shape[-1])
        shown = np.tile(pictures, (captions.shape[1], 1, 1, 1))
        data.append(([shown, rows[:, :-1]], rows[:, 1:]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-train[1][..., 0].size // 64))
    both.compile(keras.optimizers.Adam(falling, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = both.fit(
        *data[0], batch_size=64, epochs=epochs, validation_data=data[1], callbacks=[stop], verbose=0
    )
    return looker, writer, history


# %% tags=["misconception"]
# The steps of the cosine are counted in pictures and the batches in captions, so the rate is zero after half of them.
def train_captioner(looker, writer, train, validation, rate, epochs):
    words = keras.Input((None,), dtype="int32")
    both = keras.Model([looker.input, words], writer([looker.output, words])[0])
    data = []
    for pictures, captions in (train, validation):
        rows = captions.reshape(-1, captions.shape[-1])
        data.append(([np.repeat(pictures, captions.shape[1], axis=0), rows[:, :-1]], rows[:, 1:]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(train[0]) // 64))
    both.compile(keras.optimizers.Adam(falling, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = both.fit(
        *data[0], batch_size=64, epochs=epochs, validation_data=data[1], callbacks=[stop], verbose=0
    )
    return looker, writer, history


# %% tags=["misconception"]
# Adam is left to take gradients of any size, so that one bad batch keeps its steps short long afterwards.
def train_captioner(looker, writer, train, validation, rate, epochs):
    words = keras.Input((None,), dtype="int32")
    both = keras.Model([looker.input, words], writer([looker.output, words])[0])
    data = []
    for pictures, captions in (train, validation):
        rows = captions.reshape(-1, captions.shape[-1])
        data.append(([np.repeat(pictures, captions.shape[1], axis=0), rows[:, :-1]], rows[:, 1:]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD)
    falling = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-train[1][..., 0].size // 64))
    both.compile(keras.optimizers.Adam(falling), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = both.fit(
        *data[0], batch_size=64, epochs=epochs, validation_data=data[1], callbacks=[stop], verbose=0
    )
    return looker, writer, history


# %% tags=["alternative"]
# Captions are put one annotator after the other, and go through a tf.data.Dataset.
def train_captioner(looker, writer, train, validation, rate, epochs):
    import tensorflow as tf

    def batches(pictures, captions, is_shuffled):
        count = captions.shape[1]
        rows = np.concatenate([captions[:, who] for who in range(count)])
        inputs = np.concatenate([pictures] * count), rows[:, :-1]
        data = tf.data.Dataset.from_tensor_slices((inputs, rows[:, 1:]))
        return (data.shuffle(len(rows)) if is_shuffled else data).batch(64)

    pictures, words = keras.Input(looker.input.shape[1:]), keras.Input((None,), dtype="int32")
    logits, _ = writer([looker(pictures), words])
    model = keras.Model(inputs=[pictures, words], outputs=logits)
    steps = epochs * -(-train[1].shape[0] * train[1].shape[1] // 64)
    falling = keras.optimizers.schedules.CosineDecay(rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=PAD, from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=falling, clipnorm=1.0), loss=loss)
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
    history = model.fit(batches(*train, True), validation_data=batches(*validation, False),
                        epochs=epochs, callbacks=[stop], verbose=0)  # fmt: skip
    return looker, writer, history


# %% tags=["alternative"]
# Each caption is an example with a copy of its picture, and the best weights are kept by hand.
def train_captioner(looker, writer, train, validation, rate, epochs):
    def examples(pictures, captions):
        rows = captions.reshape(-1, captions.shape[-1])
        return [np.repeat(pictures, captions.shape[1], axis=0), rows[:, :-1]], rows[:, 1:]

    words = keras.Input((None,), dtype="int32")
    both = keras.Model([looker.input, words], writer([looker.output, words])[0])
    (inputs, labels), held_out = examples(*train), examples(*validation)
    schedule = keras.optimizers.schedules.CosineDecay(rate, int(np.ceil(len(labels) / 64)) * epochs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD)
    both.compile(keras.optimizers.Adam(schedule, clipnorm=1.0), loss)
    history, best, since = keras.callbacks.History(), None, 0
    history.history, history.epoch = {"loss": [], "val_loss": []}, []
    while len(history.epoch) < epochs and since < 2:
        now = both.fit(inputs, labels, batch_size=64, validation_data=held_out, verbose=0).history
        history.epoch.append(len(history.epoch))
        for name, values in history.history.items():
            values += now[name]
        losses = history.history["val_loss"]
        since = len(losses) - 1 - int(np.argmin(losses))
        best = both.get_weights() if since == 0 else best
    both.set_weights(best)
    return looker, writer, history


# %% tags=["demo"]
train_captioner = fallbacks.choose(
    train_captioner, ours.train_captioner, ours.train_captioner_works
)

# %% [markdown]
# Now train, with three blocks of 16, 32 and 64 kernels. The rate was chosen by the validation loss, from several random
# starts. With .01 one training in four ended at .16, with a true caption for six pictures in ten. From the same start it
# ends at .09 with .005, and has nine in ten.

# %%
UNITS, FILTERS, RATE, EPOCHS = 64, [16, 32, 64], 0.005, 8

# %% tags=["demo"]
keras.utils.set_random_seed(0)
looker = make_looker(32, 32, FILTERS)
writer = make_writer(FILTERS[-1] + 2, len(VOCABULARY), UNITS)
begin = time.perf_counter()
looker, writer, history = train_captioner(looker, writer, TRAIN, CHECKS, RATE, EPOCHS)
captioner_seconds = time.perf_counter() - begin

# %% [markdown]
# How low can the loss fall? Not to zero. Which of two things an annotator begins with is nowhere in the picture: for
# half of the captions of two things it is the one, for half the other, and the best that a network can do is to give
# both the probability ½. That costs $\ln 2$ for each caption of two things, spread over all labels.

# %% tags=["demo"]
labels = CHECKS[1][..., 1:]
of_two = (CHECKS[1] != PAD).sum(axis=-1) > 8
FLOOR = np.log(2) * of_two.sum() / (labels != PAD).sum()
fig, axis = plt.subplots()
epochs = range(1, len(history.history["loss"]) + 1)
axis.plot(epochs, history.history["loss"], label="training")
axis.plot(epochs, history.history["val_loss"], label="validation")
axis.axhline(FLOOR, color=plots.BLACK, ls="--", lw=1.2)
axis.text(1, FLOOR * 0.8, "who begins with what cannot be known", va="top", size=10)
axis.set(xlabel="epoch", ylabel="loss (nats per token)", yscale="log", xticks=list(epochs))
axis.set_ylim(FLOOR / 2, None)
axis.legend()
axis.set_title("Nearly all that can be learnt is learnt")
plots.show(
    fig,
    alt="""Loss on a logarithmic axis over eight epochs, of training and of validation. Both fall fast at first and flatten at the end, a
    little above a dashed line that marks the loss of somebody who knows everything but which thing an annotator names first.""",
)

# %% [markdown]
# To describe new pictures it looks once and writes greedily, as in lesson 12: the most probable word is appended to the
# input, until that is `END`. **What do you expect**, beside the nearest picture's caption?


# %%
def describe(looker, writer, pictures, vocabulary, limit=STEPS):
    """Greedy captions of pictures (n, height, width, 3)."""
    places = looker.predict(pictures, batch_size=256, verbose=0)
    rows = np.full((len(pictures), limit + 1), PAD, "int32")
    rows[:, 0] = START
    is_open = np.full(len(pictures), True)
    for step in range(1, limit + 1):
        logits = writer.predict_on_batch([places, rows[:, :step]])[0][:, -1]
        rows[:, step] = np.where(is_open, logits.argmax(axis=-1), PAD)
        is_open &= rows[:, step] != END
        if not is_open.any():
            break
    return [decode(row, vocabulary) for row in rows]


# %% tags=["demo"]
said = describe(looker, writer, test["image"], VOCABULARY)
correct = is_true(said, test["captions/text"])
for row in [*np.flatnonzero(correct)[:2], *np.flatnonzero(~correct)[:2]]:
    print("true: " if correct[row] else "false:", said[row])
    if not correct[row]:
        print("       it shows", test["captions/text"][row][0])

# %% [markdown]
# ### All words at once
#
# Is the decoder needed? A plain classifier could choose all words of the caption at once: the same looker, its places
# in one long row, a hidden layer of 128, and logits for each of the eleven words. It gets more care than the captioner:
# the loss is the same, and so are the pictures; it may train nearly twice as long, with a rate of .003 (.001 and .01
# were worse) that is lowered whenever the validation loss stops falling. Once it learns from the first annotator only,
# once from both. **What do you expect?**


# %% tags=["demo"]
def classifier(annotators):
    """All words at once: pictures to logits (batch, annotators, STEPS, words), alike for each."""
    trunk = make_looker(32, 32, FILTERS)
    row = layers.Dropout(0.3)(layers.Flatten()(trunk.output))
    hidden = layers.Dense(128, activation="relu")(row)
    logits = layers.Dense(STEPS * len(VOCABULARY))(hidden)
    logits = layers.Reshape((1, STEPS, -1), dtype="float32")(logits)
    return keras.Model(trunk.input, ops.repeat(logits, annotators, axis=1))


def train_classifier(annotators, seed):
    """Its captions of the test pictures, its size, and how long it trained."""
    keras.utils.set_random_seed(seed)
    model, begin = classifier(annotators), time.perf_counter()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD)
    model.compile(keras.optimizers.Adam(0.003, clipnorm=1.0), loss)
    learn, check = ((shown, rows[:, :annotators, 1:]) for shown, rows in (TRAIN, CHECKS))
    lower = keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=1)
    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    model.fit(*learn, 32, 15, validation_data=check, callbacks=[lower, stop], verbose=0)
    seconds = time.perf_counter() - begin
    chosen = model.predict(test["image"], verbose=0)[:, 0].argmax(axis=-1)
    return [decode(row, VOCABULARY) for row in chosen], model.count_params(), seconds


# %% tags=["demo"]
at_once = {annotators: train_classifier(annotators, 1) for annotators in (1, 2)}
at_once_true = {n: is_true(texts, test["captions/text"]) for n, (texts, *_) in at_once.items()}
for row in np.flatnonzero(two & ~at_once_true[2])[:3]:
    print(at_once[2][0][row], "   |   it shows", test["captions/text"][row][0])

# %% tags=["demo", "nbval-check-output"]
captioner_size = looker.count_params() + writer.count_params()
results.table(
    ("word by word, true captions, %", 100 * correct.mean(), (82, 98)),
    ("word by word, of one thing, %", 100 * correct[~two].mean(), (96, 100)),
    ("word by word, of two things, %", 100 * correct[two].mean(), (72, 97)),
    parameters=[captioner_size, None, None],
    seconds=[captioner_seconds, None, None],
)
results.table(
    ("all at once, one annotator, true captions, %", 100 * at_once_true[1].mean(), (84, 100)),
    ("all at once, two annotators, true captions, %", 100 * at_once_true[2].mean(), (34, 46)),
    ("all at once, two annotators, of one thing, %", 100 * at_once_true[2][~two].mean(), (75, 99)),
    ("all at once, two annotators, of two things, %", 100 * at_once_true[2][two].mean(), (6, 15)),
    over="6 seeds",
    parameters=[at_once[1][1], at_once[2][1], None, None],
    seconds=[at_once[1][2], at_once[2][2], None, None],
)

# %% [markdown]
# Where everybody describes pictures in the same way, no decoder is needed: trained on one annotator's captions, with
# eight times the weights, all words at once is as good as word by word, or better. Trained on both annotators' it still
# knows the pictures of one thing, and loses nearly all of two. Look at what it writes there. Each word is chosen for
# itself: where *red* and *white* are equally probable as the second word, and *ball* and *boat* as the third, the words
# of two right sentences are mixed into a wrong one. Word by word, the decoder reads what is written already, and once
# *a red boat* is there, only one of the sentences goes on. So the decoder does not see better. It makes the words of a
# sentence agree.

# %% [markdown]
# ## A beam instead of one guess
#
# Greedy decoding takes the best word at each step, and the best first word may lead into a dead end. **Beam search**
# keeps the `width` best beginnings. In each step every beginning is continued by every token of the vocabulary. A
# beginning's score is the sum of the log probabilities of its tokens. One that has reached `END` is not continued, but
# stays in the race with its score. Of all that there are then, ended or not, the best `width` are kept.
#
# ### Exercise 4: beam search
#
# Write `beam_search(next_logits, width, limit)`. `next_logits(rows)` asks a network about one picture: it takes an
# array of integers (beginnings, steps), each row a `START` and the words so far, and returns logits (beginnings,
# vocabulary) about the token that comes after each; logits may be large, in both directions. After at most `limit`
# steps, or when all kept beginnings have ended, return them, best first, as a list of pairs `(words, score)`: words is
# a list of token numbers without `START` and `END`, score includes `END`'s log probability where it was reached. With
# width 1 this is greedy decoding.
#
# To try it on, `toy(table)` makes such a function without a network: the logits are the sum of the table's rows of all
# words so far, `START` included.


# %%
def toy(table):
    """A function from rows of tokens to the sum of the table's rows of these tokens."""
    return lambda rows: np.asarray(table)[np.asarray(rows)].sum(axis=1)


# After START: 3 (.6) or 4 (.4). After 3: END or 4 or 5, a third each. After 4: END (.9) or 5 (.1).
logs = np.log([[1] * 6, [1e-9, 1e-9, 1e-9, 0.6, 0.4, 1e-9], [1] * 6,
               [1e-9, 1e-9, 1 / 3, 1e-9, 1 / 3, 1 / 3], [1e-9, 1e-9, 0.9, 1e-9, 1e-9, 0.1], [1] * 6])  # fmt: skip
DEAD_END = (logs - np.outer([0, 0, 0, 1, 1, 1], logs[START])).astype("float32")


# %% grade_id="beam_search" solution=true
def beam_search(next_logits, width, limit):
    """The best beginnings by the sum of log probabilities, as pairs (words, score)."""
    ### BEGIN SOLUTION
    alive, ended = [([], 0.0)], []
    for _ in range(limit):
        logits = np.asarray(next_logits(np.array([[START, *words] for words, _ in alive])), float)
        top = logits.max(axis=1, keepdims=True)
        log_p = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        longer = [
            ([*words, word], score + value)
            for (words, score), values in zip(alive, log_p.tolist(), strict=True)
            for word, value in enumerate(values)
        ]
        best = sorted(ended + longer, key=lambda pair: -pair[1])[:width]
        ended = [pair for pair in best if pair[0][-1] == END]
        alive = [pair for pair in best if pair[0][-1] != END]
        if not alive:
            break
    return [(words[:-1] if words[-1] == END else words, score) for words, score in best]
    ### END SOLUTION


# %% grade_id="beam_search_dead_end" points=1
greedy = beam_search(toy(DEAD_END), 1, 1)[0]
assert list(greedy[0]) == [3], f"width 1, one step: the most probable word is 3, got {greedy[0]}"
both = beam_search(toy(DEAD_END), 2, 4)
assert len(both) == 2, f"width 2: expected two captions, got {len(both)}"
best = both[0]
assert list(best[0]) == [4], (
    f"[4] and the end have the probability .4 · .9 = .36, more than anything that begins with 3 (.6 / 3 at most): "
    f"expected [4], got {list(best[0])}"
)
assert np.isclose(best[1], np.log(0.36), atol=1e-3), (
    f"its score is ln .4 + ln .9 = {np.log(0.36):.3f}, got {best[1]:.3f}"
)


# %% grade_id="beam_search_race" points=1
# A beam of 3 on this table: captions of one word, of two, and of none at all, which have ended after different steps.
TABLE = np.array([
    [0.4, -1.0, -0.8, -4.9, 3.6, 2.3],
    [-0.7, 1.5, 0.6, -1.1, 2.0, -0.6],
    [-0.7, -1.6, 0.9, -0.2, 1.1, -1.2],
    [0.3, -1.8, 1.7, 0.4, 0.7, 0.8],
    [-2.0, 1.6, 4.1, -3.3, -3.5, -3.0],
    [1.7, 0.3, 2.2, 1.4, 0.4, 0.6],
])  # fmt: skip
got = beam_search(toy(TABLE), 3, 4)
assert [list(words) for words, _ in got] == [[4], [1, 4], []], (
    f"expected the captions [4], [1, 4] and [], best first; got {[list(words) for words, _ in got]}. Ended ones take one of the three "
    "places, and all compete in each step"
)
scores = [float(score) for _, score in got]
assert np.allclose(scores, [-0.899, -1.987, -2.113], atol=2e-3), (
    f"sums of log probabilities, that of END included: expected -0.899, -1.987, -2.113, got {np.round(scores, 3)}"
)


# %% grade_id="beam_search_tables" points=1
# The instructor compares with a search on random tables, with narrow and wide beams, short and long limits.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(8)
for width, limit in [(1, 4), (2, 3), (3, 5), (6, 2), (4, 6), (2, 6), (9, 1)] * 2:
    table = rng.normal(0, 1 + width % 2, (6, 6)).astype("float32")
    want = [((), 0.0)]
    for _ in range(limit):
        new = [pair for pair in want if END in pair[0]]
        for words, score in [pair for pair in want if END not in pair[0]]:
            row = table[START].astype(float) + sum(table[w] for w in words)
            row = row - np.log(np.exp(row).sum())
            new += [((*words, w), score + row[w]) for w in range(6)]
        want = sorted(new, key=lambda pair: -pair[1])[:width]
    got = beam_search(toy(table), width, limit)
    case = f"width {width}, limit {limit}"
    assert len(got) == len(want), f"{case}: expected {len(want)} captions, got {len(got)}"
    for (words, score), (right, value) in zip(got, want, strict=True):
        right = [w for w in right if w != END]
        assert [int(w) for w in words] == right, (
            f"{case}: expected {right} (score {value:.3f}), got {list(words)} ({score:.3f}). Do all beginnings compete, do "
            "ended ones take one of the width places, are scores sums of log probabilities?"
        )
        assert np.isclose(score, value, atol=1e-3), f"{case}: {right}: {value:.3f}, not {score:.3f}"
### END HIDDEN TESTS

# %% grade_id="beam_search_size" points=1
# The instructor shifts all logits by a large number, which changes no probability.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(9)
for shift in (-900.0, 900.0):
    table = rng.normal(0, 1, (7, 7))
    plain = beam_search(toy(table), 3, 4)
    moved = beam_search(toy(np.where(np.arange(7)[:, None] == START, table + shift, table)), 3, 4)
    assert len(moved) == len(plain) == 3, f"expected three captions, got {len(moved)}"
    for (words, score), (right, value) in zip(moved, plain, strict=True):
        assert [int(w) for w in words] == [int(w) for w in right], (
            f"logits + {shift}: {words}, not {right}"
        )
        assert np.isclose(score, value, atol=1e-3), (
            f"logits + {shift}: the score should stay {value:.3f}, and is {score}. The exponential of a large number is infinite"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Each beginning keeps its best continuation alone: nothing competes, and a bad first word is never dropped.
def beam_search(next_logits, width, limit):
    beams = [([], 0.0, False)]
    for step in range(limit):
        longer = []
        for words, score, ended in beams:
            if ended:
                longer.append((words, score, True))
                continue
            log_p = np.asarray(ops.log_softmax(next_logits(np.array([[START, *words]]))[0]))
            for w in np.argsort(-log_p)[: width if step == 0 else 1].tolist():
                longer.append((words + [w] * (w != END), score + float(log_p[w]), w == END))
        beams = longer
    return [(words, score) for words, score, _ in sorted(beams, key=lambda beam: -beam[1])]


# %% tags=["misconception"]
# Logits are summed as they are: without the softmax they are no log probabilities.
def beam_search(next_logits, width, limit):
    beams = [([], 0.0, False)]
    for _ in range(limit):
        longer = [beam for beam in beams if beam[2]]
        for words, score, _ in [beam for beam in beams if not beam[2]]:
            logits = next_logits(np.array([[START, *words]]))[0]
            longer += [
                (words + [w] * (w != END), score + float(x), w == END) for w, x in enumerate(logits)
            ]
        beams = sorted(longer, key=lambda beam: -beam[1])[:width]
    return [(words, score) for words, score, _ in beams]


# %% tags=["misconception"]
# What has ended is dropped in the next step, so only captions that run to the limit come back.
def beam_search(next_logits, width, limit):
    beams = [([], 0.0, False)]
    for _ in range(limit):
        longer = []
        for words, score, _ in [beam for beam in beams if not beam[2]]:
            log_p = np.asarray(ops.log_softmax(next_logits(np.array([[START, *words]]))[0]))
            longer += [
                (words + [w] * (w != END), score + float(x), w == END) for w, x in enumerate(log_p)
            ]
        beams = sorted(longer, key=lambda beam: -beam[1])[:width] or beams
    return [(words, score) for words, score, _ in beams]


# %% tags=["misconception"]
# What has ended is put aside and frees its place, so the beam is wider than it should be.
def beam_search(next_logits, width, limit):
    alive, ended = [([], 0.0)], []
    for _ in range(limit):
        longer = []
        for words, score in alive:
            log_p = np.asarray(ops.log_softmax(next_logits(np.array([[START, *words]]))[0]))
            longer += [([*words, w], score + float(x)) for w, x in enumerate(log_p)]
        longer.sort(key=lambda beam: -beam[1])
        ended += [(words[:-1], score) for words, score in longer[:width] if words[-1] == END]
        alive = [beam for beam in longer if beam[0][-1] != END][:width]
    return sorted(alive + ended, key=lambda beam: -beam[1])[:width]


# %% tags=["misconception"]
# The search stops as soon as one beginning has ended, though others could still overtake it.
def beam_search(next_logits, width, limit):
    beams = [([], 0.0, False)]
    for _ in range(limit):
        longer = []
        for words, score, _ in beams:
            log_p = np.asarray(ops.log_softmax(next_logits(np.array([[START, *words]]))[0]))
            longer += [
                (words + [w] * (w != END), score + float(x), w == END) for w, x in enumerate(log_p)
            ]
        beams = sorted(longer, key=lambda beam: -beam[1])[:width]
        if any(ended for *_, ended in beams):
            break
    return [(words, score) for words, score, _ in beams]


# %% tags=["misconception"]
# Scores are divided by the number of words, so that long captions win; the sum was asked for.
def beam_search(next_logits, width, limit):
    beams = [([], 0.0, False)]
    for _ in range(limit):
        longer = [beam for beam in beams if beam[2]]
        for words, score, _ in [beam for beam in beams if not beam[2]]:
            log_p = np.asarray(ops.log_softmax(next_logits(np.array([[START, *words]]))[0]))
            longer += [
                (words + [w] * (w != END), score + float(x), w == END) for w, x in enumerate(log_p)
            ]
        beams = sorted(longer, key=lambda beam: -beam[1] / (len(beam[0]) + beam[2]))[:width]
        if all(ended for *_, ended in beams):
            break
    return [(words, score) for words, score, _ in beams]


# %% tags=["misconception"]
# The softmax is written out without its maximum taken away, so the exponentials of large logits are infinite.
def beam_search(next_logits, width, limit):
    beams = [([], 0.0, False)]
    for _ in range(limit):
        longer = [beam for beam in beams if beam[2]]
        for words, score, _ in [beam for beam in beams if not beam[2]]:
            exponentials = np.exp(np.asarray(next_logits(np.array([[START, *words]]))[0], float))
            log_p = np.log(exponentials / exponentials.sum())
            longer += [
                (words + [w] * (w != END), score + float(x), w == END) for w, x in enumerate(log_p)
            ]
        beams = sorted(longer, key=lambda beam: -beam[1])[:width]
    return [(words, score) for words, score, _ in beams]


# %% tags=["alternative"]
# All beginnings in one array, ended ones carried along with END repeated for free.
def beam_search(next_logits, width, limit):
    rows, scores = np.array([[START]]), np.zeros(1)
    for _ in range(limit):
        log_p = np.asarray(ops.log_softmax(np.asarray(next_logits(rows), "float32"), axis=-1))
        free = np.where(np.arange(log_p.shape[1]) == END, 0, -np.inf)
        total = scores[:, None] + np.where(rows[:, -1:] == END, free, log_p)
        best = np.argsort(-total, axis=None, kind="stable")[:width]
        best = best[np.isfinite(total.flat[best])]
        row, word = np.unravel_index(best, total.shape)
        rows, scores = np.concatenate([rows[row], word[:, None]], axis=1), total[row, word]
        if (word == END).all():
            break
    return [
        ([w for w in row[1:].tolist() if w != END], float(s))
        for row, s in zip(rows, scores, strict=True)
    ]


# %% tags=["alternative"]
# One beginning at a time, and the best are found with a heap.
def beam_search(next_logits, width, limit):
    import heapq

    beams = [(0.0, (START,))]
    for _ in range(limit):
        race = []
        for score, tokens in beams:
            if tokens[-1] == END:
                race.append((score, tokens))
                continue
            logits = np.asarray(next_logits(np.array([tokens])), dtype=float)[0]
            log_p = logits - np.logaddexp.reduce(logits)
            race += [(score + x, (*tokens, int(w))) for w, x in enumerate(log_p)]
        beams = heapq.nlargest(width, race)
    return [([w for w in tokens[1:] if w != END], score) for score, tokens in beams]


# %% tags=["demo"]
beam_search = fallbacks.choose(beam_search, ours.beam_search, ours.beam_search_works)

# %% [markdown]
# What does it buy here? On a hundred pictures of two things, each looked at once: the best caption by a beam of 4
# beside the greedy one. And what is the *second* of a beam's captions?


# %% tags=["demo"]
def search(looker, writer, pictures, width):
    """For each picture the captions of a beam, best first."""
    found = []
    for place in looker.predict(pictures, verbose=0):

        def next_logits(rows, place=place):
            shown = np.repeat(place[None], len(rows), axis=0)
            return writer.predict_on_batch([shown, rows.astype("int32")])[0][:, -1]

        ranked = beam_search(next_logits, width, STEPS)
        found.append([" ".join(VOCABULARY[word] for word in words) for words, _ in ranked])
    return found


# %% tags=["demo"]
some = np.flatnonzero(two)[:100]
beams = search(looker, writer, test["image"][some], 4)
for row in (0, 1):
    print(test["captions/text"][some[row]][0], *beams[row][:3], sep="\n    ")

# %% tags=["demo", "nbval-check-output"]
right = [test["captions/text"][row] for row in some]
best_true = is_true([texts[0] for texts in beams], right)
both_said = [set(texts[:2]) == set(pair) for texts, pair in zip(beams, right, strict=True)]
results.table(
    ("greedy, true captions, %", 100 * correct[some].mean(), (68, 98)),
    ("a beam's best, true captions, %", 100 * best_true.mean(), (68, 100)),
    ("a beam's two best are the two annotators', %", 100 * np.mean(both_said), (57, 87)),
)

# %% [markdown]
# The best caption of the beam is hardly better than the greedy one: where the network has seen wrongly, no search
# repairs it. (On photographs, where many sentences compete, beams of 3 to 5 are usual. Wider ones tend to find shorter
# captions, since each further word costs probability.) But the beam finds something else: for about seven pictures in
# ten its two best captions are those of the two annotators. Nobody told the network that there are two of them. It has
# learnt that one picture has several right captions.

# %% [markdown]
# ## Where it looks while it writes
#
# The 64 weights of a step are a picture themselves. Here are the first three true captions of two things, with the
# weights of the steps that write the two names: the largest weight is bright, zero is dark. **Where do you expect** it
# to look?


# %% tags=["demo"]
def looked(looker, writer, pictures, captions):
    """Attention weights (pictures, steps, 64) while these captions are written."""
    places = looker.predict(pictures, batch_size=256, verbose=0)
    tokens = encode(captions, VOCABULARY)[:, :-1]
    return np.asarray(writer.predict_on_batch([places, tokens])[1], "float32")


def named_things(caption):
    """Which words of a caption name things: pairs of step and name."""
    return [(step, word) for step, word in enumerate(caption.split()) if word in THINGS]


# %% tags=["demo"]
shown = np.flatnonzero(correct & two)[:3]
looks = looked(looker, writer, test["image"][shown], [said[row] for row in shown])
fig, axes = plt.subplots(2, 3, figsize=(6.4, 4.9))
for pair, row, look in zip(axes.T, shown, looks, strict=True):
    for axis, (step, _) in zip(pair, named_things(said[row]), strict=True):
        light = np.kron((look[step] / look[step].max()).reshape(8, 8), np.ones((4, 4)))
        axis.imshow(test["image"][row] * (0.25 + 0.75 * light[..., None]))
        axis.set_title(" ".join(said[row].split()[step - 1 : step + 1]), loc="center", fontsize=12)
        axis.set_axis_off()
fig.suptitle("It looks at the thing that it names", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Three scenes of two things, each drawn twice: above while the first thing's name is written, below for the second, bright only
    where the network looks. The bright places lie on the thing that is named, and beside it.""",
)

# %% [markdown]
# Three pictures persuade; a number can be checked. Over all test scenes of two things with a true caption: while a
# thing's name is written, what share of the look falls on this thing, and what share on the other? A place covers 4 × 4
# pixels, and its weight is spread evenly over them. By chance, a look spread evenly over the picture, either has what
# it covers of the picture.


# %% tags=["demo"]
def shares_on_things(split, rows, captions):
    """Shares of the look on the thing that is named and on the other one, a row per name."""
    cells = split["mask"][rows, ..., 0].reshape(-1, 8, 4, 8, 4)
    looks = looked(looker, writer, split["image"][rows], captions)
    found = []
    for look, cell, caption in zip(looks, cells, captions, strict=True):
        is_turned = facts(caption) and caption.split()[3] in ("right", "below")
        covered = np.array([(cell == thing).mean(axis=(1, 3)).ravel() for thing in (1, 2)])
        for order, (step, _) in enumerate(named_things(caption)):
            which = 1 - order if is_turned else order
            found.append([covered[which] @ look[step], covered[1 - which] @ look[step]])
    return np.array(found)


# %% tags=["demo", "nbval-check-output"]
rows = np.flatnonzero(correct & two)
on_named, on_other = shares_on_things(test, rows, [said[row] for row in rows]).mean(axis=0)
results.table(
    ("of the look, on the thing that is named, %", 100 * on_named, (12, 85)),
    ("of the look, on the other thing, %", 100 * on_other, (0, 8)),
    ("by chance, on either, %", 100 * (test["mask"][rows] > 0).mean() / 2, (7, 9)),
    scenes=[len(rows), None, None],
)

# %% [markdown]
# It looks at the thing that it names: in each of twenty trainings three to eight times its share by chance lay on it, and
# less than its share on the other one. The rest lies on the ground. Nobody told the network where to look; the captions
# alone have taught it. Does it follow that it writes *boat* because it sees a boat?

# %% [markdown]
# ## The ground decides what is on it
#
# A network does not tell its reasons, and a reason may be a **spurious correlation**: a pattern that holds in the data
# and not in the world. Captions are known for it: networks have written of sheep grazing on hills where there was not
# one sheep. Our training scenes have such a pattern. Count what lies where:

# %% tags=["demo", "nbval-check-output"]
print("      ", *(f"{ground:>6}" for ground in GROUNDS))
for number, thing in enumerate(THINGS):
    counts = [(train["things"][train["ground"] == ground] == number).sum() for ground in range(3)]
    print(f"{thing:6}", *(f"{count:6}" for count in counts))

# %% [markdown]
# Boats lie on water only, tents never. True enough, until somebody pulls a boat ashore. `test` cannot notice, since it
# has the same pattern. `test_swapped` can: **counterfactual pictures**, the scenes of `test` once more, every pixel of
# a thing as it was, on another ground: boats ashore, tents on water, balls and boxes alone on any other. **What do you
# expect?**

# %% tags=["demo"]
said_swapped = describe(looker, writer, swapped["image"], VOCABULARY)
true_swapped = is_true(said_swapped, swapped["captions/text"])
has = {name: (test["things"] == THINGS.index(name)).any(axis=1) for name in THINGS}
PLANTED = has["boat"] | has["tent"]


def draw_pairs(rows, captions, title, alt):
    """Scenes on their usual ground (above) and on another (below), with captions."""
    fig, axes = plt.subplots(2, len(rows), figsize=(6.4, 4.6))
    for axes_row, split, texts in zip(axes, (test, swapped), captions, strict=True):
        for axis, row in zip(axes_row, rows, strict=True):
            good = is_true([texts[row]], [split["captions/text"][row]])[0]
            color = plots.BLUE if good else plots.VERMILION
            draw(axis, split["image"][row], texts[row] + ("" if good else " (false)"), color)
    fig.suptitle(title, x=0.01, ha="left", fontsize=12)
    plots.show(fig, alt=alt)


# %% tags=["demo", "thumbnail"]
single = correct & ~two
rows = [np.flatnonzero(single & has[name])[0] for name in ("boat", "tent", "ball", "box")]
draw_pairs(
    rows,
    (said, said_swapped),
    "Ashore, a boat is called a tent",
    """Four scenes above, and below them the same things on another ground, with the network's captions. A boat on water is called a
    boat, the same boat on land a tent. A tent on land is called a tent, the same tent on water a boat. A ball and a box
    keep their names.""",
)

# %% [markdown]
# A wrong caption may be wrong for other reasons. So we also count how often a caption names other things when only the
# ground has changed: the **flip rate**. And where does it look while it writes the wrong name?


# %% tags=["demo"]
def flips(before, after):
    """For each scene: do its two captions name different things, in order?"""
    named = [
        [[name for _, name in named_things(text)] for text in texts] for texts in (before, after)
    ]
    return np.array([one != other for one, other in zip(*named, strict=True)])


changed = flips(said, said_swapped)
renamed = np.flatnonzero(changed & PLANTED & two & [bool(facts(text)) for text in said_swapped])
renamed = renamed[[len(named_things(said_swapped[row])) == 2 for row in renamed]]
on_renamed = shares_on_things(swapped, renamed, [said_swapped[row] for row in renamed])[:, 0].mean()

# %% tags=["demo", "nbval-check-output"]
results.table(
    ("boats and tents, usual ground, true captions, %", 100 * correct[PLANTED].mean(), (81, 98)),
    ("boats and tents, other ground, true captions, %", 100 * true_swapped[PLANTED].mean(), (0, 3)),
    ("boats and tents, flip rate, %", 100 * changed[PLANTED].mean(), (91, 100)),
    ("balls and boxes alone, usual ground, true captions, %", 100 * correct[~PLANTED].mean(), (83, 98)),
    ("balls and boxes alone, other ground, true captions, %", 100 * true_swapped[~PLANTED].mean(), (84, 99)),
    ("balls and boxes alone, flip rate, %", 100 * changed[~PLANTED].mean(), (5, 18)),
    ("of the look, on the thing, while names have flipped, %", 100 * on_renamed, (8, 75)),
)  # fmt: skip

# %% [markdown]
# It never had to learn the hull, because the water told. And it *looks at the thing* while it writes the wrong name,
# about three quarters as much as before, and far more than by chance. A place of the grid has seen 15 × 15 pixels, the ground around a thing
# among them: attention says where it looked, not what it saw there. Nor does the score tell: **a test set drawn like the
# training set shares its mistakes.**
#
# ### Repair it: break the pattern

# %% [markdown]
# The remedy must break the pattern in the training data. Photographs of boats ashore would do. We make them: cut each
# thing out, and paste it onto a random ground. The split `empty` has 300 grounds with nothing on them: half to paste
# onto, half for a test further down.
#
# ### Exercise 5: the same things on other grounds
#
# Write `paste(images, masks, captions, grounds, names, which)`. Scene number $i$ gets ground number `which[i]`.
#
# | argument | shape | holds |
# |---|---|---|
# | `images` | (n, height, width, 3) | pictures |
# | `masks` | (n, height, width, 1) | 0 for ground, 1 for the first thing, 2 for the second |
# | `captions` | n texts | ending in a space and one word, the ground |
# | `grounds` | (m, height, width, 3) | pictures of grounds |
# | `names` | m texts | their words |
# | `which` | (n,) | numbers from 0 to m − 1 |
#
# Return new images and a list of new captions, of which only the last word is new; the old ones must stay as they are.


# %% grade_id="paste" solution=true
def paste(images, masks, captions, grounds, names, which):
    """Pictures and captions of the same things on other grounds."""
    ### BEGIN SOLUTION
    pasted = np.where(masks > 0, images, grounds[which])
    heads = [caption.rsplit(" ", 1)[0] for caption in captions]
    return pasted, [f"{head} {names[ground]}" for head, ground in zip(heads, which, strict=True)]
    ### END SOLUTION


# %% grade_id="paste_one" points=1
# Two pictures of one row: ground, first thing, second thing. The new grounds are all 8 and all 9.
images = np.arange(1.0, 7.0).reshape(2, 1, 3, 1) * np.ones(3)
masks = np.array([0, 1, 2]).reshape(1, 1, 3, 1).repeat(2, axis=0)
new_grounds = np.array([8.0, 9.0]).reshape(2, 1, 1, 1) * np.ones((1, 1, 3, 3))
told = ["a red box on top of a ball on sand", "a boat on a sand castle near sand"]
pasted, texts = paste(images, masks, told, new_grounds, ["grass", "water"], np.array([1, 0]))
assert np.shape(pasted) == (2, 1, 3, 3), f"expected shape (2, 1, 3, 3), got {np.shape(pasted)}"
assert np.allclose(np.asarray(pasted)[:, 0, :, 0], [[9, 2, 3], [8, 5, 6]]), (
    f"the ground's pixels become 9 and 8, those of both things stay 2, 3 and 5, 6: got {np.asarray(pasted)[:, 0, :, 0].tolist()}"
)
assert list(texts) == [
    "a red box on top of a ball on water",
    "a boat on a sand castle near grass",
], f"only the last word of a caption, the ground, is new: got {list(texts)}"
assert images[0, 0, 0, 0] == 1, "the pictures that were passed in have been changed"
assert told[0].endswith("sand"), "the captions that were passed in have been changed"

# %% grade_id="paste_many" points=2
# The instructor checks captions, second things, several grounds, and that nothing is changed in place.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(11)
for n, m, size in [(1, 1, (4, 4)), (7, 3, (6, 5)), (3, 5, (4, 8))]:
    images, grounds = rng.random((n, *size, 3)), rng.random((m, *size, 3))
    masks = rng.integers(0, 3, (n, *size, 1)).astype("uint8")
    which, names = rng.integers(0, m, n), [f"ground{j}" for j in range(m)]
    heads = ["a castle on wheels on", "a sand castle left of a boat near", "a box on a box on"]
    captions = [f"{heads[i % 3]} {('sand', 'water')[i % 2]}" for i in range(n)]
    given = [images, masks, grounds, captions]
    kept = [images.copy(), masks.copy(), grounds.copy(), list(captions)]
    pasted, texts = paste(images, masks, captions, grounds, names, which)
    for old, new in zip(kept, given, strict=True):
        assert np.array_equal(old, new), "something that was passed in has been changed"
    for i, (ground, mask) in enumerate(zip(which, masks[..., 0], strict=True)):
        for value, part in enumerate(("ground", "first thing", "second thing")):
            want = (images[i] if value else grounds[ground])[mask == value]
            assert np.allclose(np.asarray(pasted[i])[mask == value], want), (
                f"{n} pictures, {m} grounds: the {part} of picture {i} is not as it should be"
            )
        want = f"{heads[i % 3]} {names[ground]}"
        assert texts[i] == want, f"expected the caption {want!r}, got {texts[i]!r}"
### END HIDDEN TESTS


# %% tags=["misconception"]
# The captions stay, and now name a ground that is not there.
def paste(images, masks, captions, grounds, names, which):
    return np.where(masks > 0, images, grounds[which]), list(captions)


# %% tags=["misconception"]
# Only what the mask calls 1 is kept, so the second thing sinks into the ground.
def paste(images, masks, captions, grounds, names, which):
    texts = [c.rsplit(" ", 1)[0] + " " + names[g] for c, g in zip(captions, which, strict=True)]
    return np.where(masks == 1, images, grounds[which]), texts


# %% tags=["misconception"]
# The old ground's word is replaced wherever it stands, and a sand castle becomes a grass castle.
def paste(images, masks, captions, grounds, names, which):
    texts = [c.replace(c.split()[-1], names[g]) for c, g in zip(captions, which, strict=True)]
    return np.where(masks > 0, images, grounds[which]), texts


# %% tags=["misconception"]
# The pictures that were passed in are changed, so the usual training data are lost.
def paste(images, masks, captions, grounds, names, which):
    is_ground = np.broadcast_to(masks == 0, images.shape)
    images[is_ground] = grounds[which][is_ground]
    texts = [c.rsplit(" ", 1)[0] + " " + names[g] for c, g in zip(captions, which, strict=True)]
    return images, texts


# %% tags=["misconception"]
# The caption is cut at the first " on ", and what was on something else is lost.
def paste(images, masks, captions, grounds, names, which):
    texts = [c.split(" on ")[0] + " on " + names[g] for c, g in zip(captions, which, strict=True)]
    return np.where(masks > 0, images, grounds[which]), texts


# %% tags=["misconception"]
# The mask is multiplied as it is: the second thing comes out twice as bright.
def paste(images, masks, captions, grounds, names, which):
    texts = [c.rsplit(" ", 1)[0] + " " + names[g] for c, g in zip(captions, which, strict=True)]
    return masks * images + (1 - np.minimum(masks, 1)) * grounds[which], texts


# %% tags=["alternative"]
# One picture at a time.
def paste(images, masks, captions, grounds, names, which):
    pasted, texts = [], []
    for image, mask, caption, ground in zip(images, masks, captions, which, strict=True):
        new = grounds[ground].copy()
        new[mask[..., 0] != 0] = image[mask[..., 0] != 0]
        pasted.append(new)
        texts.append(" ".join([*caption.split(" ")[:-1], names[ground]]))
    return np.stack(pasted), texts


# %% tags=["alternative"]
# Adds both pictures, each multiplied by 0 or 1.
def paste(images, masks, captions, grounds, names, which):
    keep = np.minimum(masks, 1).astype("float64")
    pasted = keep * images + (1 - keep) * np.take(grounds, which, axis=0)
    return pasted, [re.sub(r"\S+$", names[g], c) for c, g in zip(captions, which, strict=True)]


# %% tags=["demo"]
paste = fallbacks.choose(paste, ours.paste, ours.paste_works)

# %% [markdown]
# The trained network now goes on learning for two epochs, with each training scene on a random ground. Is it the other
# grounds that help, or the two epochs, or pictures with cut edges? For comparison a second copy of the network learns
# for as long from things that are pasted, too, but onto grounds of the *kind on which they lay*. **What will it cost**
# on the usual test?


# %% tags=["demo"]
def pasted(grounds_of_scenes):
    """Training and validation pairs of the training scenes on other pictures of grounds."""
    names = [GROUNDS[ground] for ground in empty["ground"][:150]]
    tokens = []
    for captions in by_annotator:
        pictures, texts = paste(train["image"], train["mask"], captions, empty["image"][:150], names,
                                grounds_of_scenes)  # fmt: skip
        tokens.append(encode(texts, VOCABULARY))
    pictures, tokens = np.asarray(pictures, "float32"), np.stack(tokens, axis=1)
    return [(pictures[part], tokens[part]) for part in (slice(0, 3000), slice(3000, 4000))]


def retrained(pairs, seed):
    """Copies of looker and writer after two more epochs, and their captions."""
    keras.utils.set_random_seed(seed)
    eyes, hand = make_looker(32, 32, FILTERS), make_writer(FILTERS[-1] + 2, len(VOCABULARY), UNITS)
    eyes.set_weights(looker.get_weights())
    hand.set_weights(writer.get_weights())
    eyes, hand, _ = train_captioner(eyes, hand, *pairs, 0.003, 2)
    return [describe(eyes, hand, split["image"], VOCABULARY) for split in (test, swapped)]


# %% tags=["demo"]
rng = np.random.default_rng(0)
any_ground = rng.integers(0, 150, len(train["image"]))
same_kind = [rng.choice(np.flatnonzero(empty["ground"][:150] == kind)) for kind in train["ground"]]
said_after = {
    "as trained": (said, said_swapped),
    "same grounds": retrained(pasted(np.array(same_kind)), 1),
    "other grounds": retrained(pasted(any_ground), 1),
}

# %% tags=["demo"]
rates = {name: flips(*texts) for name, texts in said_after.items()}
fig, axis = plt.subplots()
for place, (group, label, color) in enumerate(
    [(PLANTED, "boats and tents", plots.VERMILION), (~PLANTED, "balls and boxes alone", plots.BLUE)]
):
    heights = [100 * rate[group].mean() for rate in rates.values()]
    bars = axis.bar(np.arange(3) + 0.4 * (place - 0.5), heights, 0.38, label=label, color=color)
    axis.bar_label(bars, fmt="%.0f")
axis.set_xticks(range(3), ["as trained", "pasted onto\nsuch grounds", "pasted onto\nany grounds"])
axis.set(ylim=(0, 118), ylabel="scenes whose things change name\nwith the ground (%)")
axis.legend(loc="upper right", ncols=2)
axis.set_title("Other grounds break the habit, not more training")
plots.show(
    fig,
    alt="""Bars of flip rates. As trained, and after more training on things pasted onto grounds of the kind on which they lay, nearly all scenes with
    boats or tents change names with the ground. After training on any grounds about one in five do. Of balls and boxes alone few do in all three.""",
)

# %% tags=["demo", "nbval-check-output"]
limits = {
    "as trained": [(82, 98), (0, 3), (91, 100)],
    "same grounds": [(87, 98), (0, 5), (91, 100)],
    "other grounds": [(79, 96), (61, 100), (11, 30)],
}
rows = []
for name, (usual, other) in said_after.items():
    found = [is_true(a, s["captions/text"]) for a, s in zip((usual, other), (test, swapped))]
    values = found[0].mean(), found[1][PLANTED].mean(), rates[name][PLANTED].mean()
    for what, value, ends in zip(
        ("usual test, true captions, %", "boats and tents elsewhere, true, %", "boats and tents, flip rate, %"),
        values, limits[name],
    ):  # fmt: skip
        rows.append((f"{name}, {what}", 100 * value, ends))
results.table(*rows)

# %% [markdown]
# It was the other grounds. More training on pasted things alone leaves the habit as it was; with other grounds most
# boats ashore are boats, for a few captions fewer on the usual test, where the ground had been a hint. The hull was
# there all the time; it took data in which it mattered. But we knew which pattern to break, and had outlines to cut
# along. Without these, one collects in other places, and tests on pictures that nobody expects.

# %% [markdown]
# ## What it cannot do, and whom it can hurt
#
# ### It describes what is not there
#
# Back to the network as it was trained. It is shown waters with *nothing on them*, which it has never seen. **What will
# it say?** Captions alone would not tell how sure it is, so we also look at the probabilities that the decoder gives to
# each thing after *a* and a colour, whichever the colour. And to see how it gets there, things are made to fade away:
# the single things that lie on water in the test, each pasted onto three empty waters, with an opacity of 100, 50 and
# 25 %.


# %% tags=["demo"]
def after(beginning, places):
    """Probabilities (pictures, words) of the word after a beginning."""
    tokens = encode([beginning], VOCABULARY)[:, : len(beginning.split()) + 1]
    logits = writer.predict_on_batch([places, np.repeat(tokens, len(places), axis=0)])[0]
    return np.asarray(ops.softmax(logits[:, -1], axis=-1))


def first_thing(pictures):
    """Probabilities (pictures, 4) that a caption first names each of THINGS."""
    places, total = looker.predict(pictures, verbose=0), 0
    number = {word: index for index, word in enumerate(VOCABULARY)}
    for colour in ("red", "white", "black", "purple"):
        things = after(f"a {colour}", places)[:, [number[name] for name in THINGS]]
        total = total + after("a", places)[:, [number[colour]]] * things
    return total / total.sum(axis=1, keepdims=True)


def shares_named(captions):
    """Shares of captions that first name each of THINGS."""
    first = [([name for _, name in named_things(text)] or [""])[0] for text in captions]
    return np.array([first.count(name) / len(first) for name in THINGS])


# %% tags=["demo"]
waters = empty["image"][150:][empty["ground"][150:] == 0]
floating = np.flatnonzero(~two & (test["ground"] == 0)).repeat(3)
beneath = waters[np.arange(len(floating)) % len(waters)]
MIX = np.array([has[name][floating].mean() for name in THINGS])
named, likely = {}, {}
for opacity in (1, 0.5, 0.25, 0):
    things = np.where(test["mask"][floating] > 0, test["image"][floating], beneath)
    faded = opacity * things + (1 - opacity) * beneath
    named[opacity] = shares_named(describe(looker, writer, faded, VOCABULARY))
    likely[opacity] = first_thing(faded).mean(axis=0)

# %% tags=["demo"]
fig, axes = plt.subplots(1, 2, figsize=(6.8, 3.4), sharey=True)
for axis, shares, title in zip(axes, (named, likely), ("what it writes", "its probabilities")):
    base = np.zeros(5)
    columns = np.array([MIX, *shares.values()])
    for thing, name in enumerate(THINGS):
        axis.bar(
            range(5), 100 * columns[:, thing], bottom=base, label=name, color=plots.PALETTE[thing]
        )
        base += 100 * columns[:, thing]
    axis.set_xticks(range(5), ["truth", "100", "50", "25", "0"])
    axis.set(xlabel="opacity of the thing (%)", title=title)
axes[0].set_ylabel("first thing named (%)")
axes[1].legend(loc="upper left", bbox_to_anchor=(1, 1))
fig.suptitle("The less there is to see, the more boats it writes", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Two panels of stacked bars: what captions name first, and its probabilities, for the true mix of things and for opacities of 100, 50, 25 and 0 %. At 100 %
    both are like the truth, a third each of balls, boxes and boats; at 25 and 0 % nearly all is boats.""",
)

# %% tags=["demo", "nbval-check-output"]
results.table(
    ("boats among the things on these waters, %", 100 * MIX[3], (35, 36)),
    ("says boat first, opacity 100 %, %", 100 * named[1][3], (34, 38)),
    ("says boat first, opacity 25 %, %", 100 * named[0.25][3], (80, 100)),
    ("says boat first, nothing there, %", 100 * named[0][3], (76, 100)),
    ("probability of boat, nothing there, %", 100 * likely[0][3], (93, 100)),
)

# %% [markdown]
# Boats are one in three of these things, and four in ten of all that lay on water in training. The captions of things
# that are plainly seen name as many. At a quarter of their opacity, nearly all are called boats: where the network sees
# little, it takes what is probable there. On empty water, too, it writes of a boat. A plurality in the data has become a
# certainty in the captions: this is **bias amplification**. The right panel shows that greedy decoding is not to blame:
# the probabilities have gone the same way, since in training there was no water with nothing on it, and no reward for
# doubt.
#
# Now put a person in the boat's place. Captions of kitchens name more women, captions of snowboards more men; and
# networks wrote *woman* or *man* by the kitchen or the snowboard more often still, even where the person was hardly to
# be seen. Our scenes show the mechanism. How large it is among people, and whom it insults, only data about people can
# show.
#
# ### It cannot put together what it has not seen together
#
# In training there were purple boxes, boats and tents, and balls of every other colour, but not one purple ball. **What
# will it write** of single purple balls? And why: is it the decoder, which has never written *ball* after *purple*, or
# does the looker see no ball? Two tests tell. The decoder is made to begin with *a red*, after which it has written
# *ball* often enough. And the balls are painted red, each pixel by the difference of the two colours.

# %% tags=["demo"]
alone = new_pair["things"][:, 1] < 0
purple_balls, mask = new_pair["image"][alone], new_pair["mask"][alone]
red_minus_purple = (np.array([214, 40, 40]) - np.array([140, 50, 165])) / 255
red_balls = np.clip(purple_balls + mask * red_minus_purple, 0, 1).astype("float32")
said_purple, said_red = (
    describe(looker, writer, pictures, VOCABULARY) for pictures in (purple_balls, red_balls)
)
fig, axes = plt.subplots(2, 4, figsize=(6.4, 4.6))
for column, pair in enumerate(axes.T):
    for axis, pictures, texts in zip(pair, (purple_balls, red_balls), (said_purple, said_red)):
        is_ball = "ball" in texts[column]
        draw(axis, pictures[column], texts[column], plots.BLUE if is_ball else plots.VERMILION)
fig.suptitle(
    "A purple ball is called a box; painted red, it is a ball", x=0.01, ha="left", fontsize=12
)
plots.show(
    fig,
    alt="""Four purple balls above, with false captions that name a box or another purple thing, and below the same balls painted red, with captions that
    mostly name a red ball.""",
)

# %% tags=["demo", "nbval-check-output"]
seen = looker.predict(purple_balls, verbose=0)
number = [VOCABULARY.index(name) for name in ("ball", "box")]
forced = after("a red", seen)[:, number].mean(axis=0)
free = after("a purple", seen)[:, number].mean(axis=0)
fluent = np.mean([bool(PATTERN.fullmatch(text)) for text in said_purple])
results.table(
    ("of purple balls: says ball, %", 100 * shares_named(said_purple)[0], (0, 3)),
    ("of purple balls: says box, %", 100 * shares_named(said_purple)[1], (62, 100)),
    ("of purple balls: a whole sentence, %", 100 * fluent, (97, 100)),
    ("after a purple, probability of ball, %", 100 * free[0], (0, 3)),
    ("after a purple, probability of box, %", 100 * free[1], (56, 100)),
    ("made to begin with a red, probability of ball, %", 100 * forced[0], (0, 80)),
    ("made to begin with a red, probability of box, %", 100 * forced[1], (0, 100)),
    ("the same balls painted red: says ball, %", 100 * shares_named(said_red)[0], (94, 100)),
    pictures=[alone.sum()] + 7 * [None],
)

# %% [markdown]
# A purple ball is called something else that is purple, mostly a box, in a faultless sentence. Is it the word *purple*,
# after which *ball* has never come? Not for the most part: made to begin with *a red*, the decoder hardly ever goes on
# with *ball* in most trainings, and in none of twenty more than about half of the time. And the same balls painted red
# are balls, nearly all of them. So most of the mistake is in the looking: the looker has learnt whole combinations of
# colour and shape, since no data ever asked it to tell a purple ball from a purple box. What sounds like a habit of
# speech is largely a habit of seeing, and only an experiment could tell which.
#
# Whom does it hurt? Captions are made for those who **cannot see the picture**, so they cannot see the mistake either.
# Modest remedies help: let it say *nothing* or *something purple*; test on swapped pictures, not only on more of the
# same; and never let a caption say of a person what only the surroundings suggest.

# %% [markdown]
# ## At full size
#
# `coco_captions` has photographs of everyday scenes with five captions each, by five people, gathered by Lin and others
# (2014) and Chen and others (2015): 82,783 to train on. Your writer can write about them; your looker cannot look at
# them, with three layers and so few pictures. So one takes a network that has learnt to see from another million
# photographs. The cells below need
#
# - the data set, by `course download coco_captions`; without it the first cell says how large it is, and the others do
#   nothing;
# - the weights of `MobileNetV3Large`, trained on the photographs of ImageNet, some 12 MB, which Keras fetches once from
#   its own site. Without a network, copy its file `weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5` into the
#   folder `models` of Keras's own folder, `~/.keras`;
# - a GPU, where `course.setup` chooses float16, numbers of 16 bits.
#
# What is new? The looker is *frozen*: its weights stay as they are, and it gives 7 × 7 places of 960 features. (They are
# the same in each epoch, so one could compute them once and keep them: 7.8 GB in float16.) A word that occurs fewer than
# five times becomes `<unknown>`. Each epoch shows a photograph with one of its five captions, drawn at random. Pictures
# are not mirrored, as one does with photographs otherwise: *left of* would become false.

# %% tags=["full-size"]
course.setup(seed=0, precision="auto")
BATCH, ROUNDS, LONGEST, LEAST, WIDTH, PIXELS, WEIGHTS = 128, 12, 20, 5, 512, 224, "imagenet"
PARTS = ("train", "val", "test")


def read_photographs(part, **how):
    """The photographs of a split, with their captions."""
    return datasets.load("coco_captions", split=part, **how)


try:
    sources = {part: read_photographs(part) for part in PARTS}
except datasets.DatasetNotDownloadedError as error:
    sources = None
    print(error)

# %% [markdown]
# The texts are read first, without the pictures: five captions of each photograph, as rows of tokens.


# %% tags=["full-size"]
def plain_words(text):
    """Lower-case words of a caption, at most LONGEST."""
    return re.findall(r"[a-z]+", text.decode().lower())[:LONGEST]


def photograph_captions(part):
    """Five captions of each photograph in a split, as lists of words."""
    import tensorflow_datasets as tfds

    rows = read_photographs(part, decoders={"image": tfds.decode.SkipDecoding()})
    return [
        [plain_words(text) for text in row["captions"]["text"][:5]]
        for row in rows.as_numpy_iterator()
    ]


def as_tokens(captions, vocabulary):
    """Rows of tokens (photographs, 5, LONGEST + 2)."""
    known = set(vocabulary)
    texts = [
        " ".join(word if word in known else "<unknown>" for word in words)
        for five in captions
        for words in five
    ]
    return encode(texts, vocabulary, LONGEST + 1).reshape(len(captions), 5, -1)


# %% tags=["full-size"]
if sources is not None:
    spoken = {part: photograph_captions(part) for part in PARTS}
    times = Counter(word for five in spoken["train"] for words in five for word in words)
    LEXICON = [
        "<pad>",
        "<start>",
        "<end>",
        "<unknown>",
        *sorted(w for w in times if times[w] >= LEAST),
    ]
    tokens = {part: as_tokens(captions, LEXICON) for part, captions in spoken.items()}
    print(f"{len(LEXICON):,} words, {len(tokens['train']):,} photographs to train on")


# %% tags=["full-size"]
def photograph_batches(part, is_training):
    """Batches of photographs and words, and labels; in training in a random order, without end."""
    import tensorflow as tf

    rows = tf.constant(tokens[part])

    def example(index, row):
        image = tf.image.resize(row["image"], (PIXELS, PIXELS))
        who = tf.random.uniform((), 0, 5, "int32") if is_training else 0
        said = rows[index][who]
        return (image, said[:-1]), said[1:]

    data = sources[part].enumerate()
    data = data.shuffle(500).repeat() if is_training else data
    return data.map(example, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(2)


# %% tags=["full-size"]
def photograph_captioner(words, weights):
    """A looker that was trained on ImageNet, your writer, and both in one model, which learns."""
    network = keras.applications.MobileNetV3Large(
        include_top=False, weights=weights, input_shape=(PIXELS, PIXELS, 3)
    )
    network.trainable = False
    features = network.output.shape[-1]
    eyes = keras.Model(network.input, layers.Reshape((-1, features))(network.output))
    hand = make_writer(features, words, WIDTH)
    photographs, so_far = keras.Input((PIXELS, PIXELS, 3)), keras.Input((None,), dtype="int32")
    logits = hand([eyes(photographs, training=False), so_far])[0]
    return eyes, hand, keras.Model([photographs, so_far], [logits])


# %% [markdown]
# Where the weights of the looker are missing and cannot be fetched, the next cell says so.

# %% tags=["full-size"]
if sources is not None:
    try:
        eyes, hand, photographer = photograph_captioner(len(LEXICON), WEIGHTS)
    except Exception as error:  # Keras raises a plain Exception where it cannot fetch them.
        sources = None
        print(
            f"The weights of MobileNetV3Large are not on this machine, and Keras could not fetch them: {error}"
        )

# %% tags=["full-size"]
if sources is not None:
    steps = -(-len(tokens["train"]) // BATCH)
    falling = keras.optimizers.schedules.CosineDecay(1e-3, ROUNDS * steps)
    photographer.compile(
        keras.optimizers.Adam(falling, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD),
    )
    checkpoint = datasets.data_dir().parent / "checkpoints" / "coco.weights.h5"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    photo_history = photographer.fit(
        photograph_batches("train", True), steps_per_epoch=steps, epochs=ROUNDS,
        validation_data=photograph_batches("val", False), shuffle=False, verbose=2,
        callbacks=[
            keras.callbacks.EarlyStopping(patience=2),
            keras.callbacks.ModelCheckpoint(checkpoint, save_best_only=True, save_weights_only=True),
        ],
    )  # fmt: skip
    photographer.load_weights(checkpoint)

# %% [markdown]
# Exact match is near zero here, since hardly two people describe a photograph in the same words. The usual score is
# BLEU (lesson 12) with all five captions as references: a run of words counts as often as the reference has it that has
# it most often, and the length is compared with the nearest of the five. Xu and others report 24.3 % for BLEU with
# attention of this kind on these photographs, with a larger looker that was not frozen and beam search.


# %% tags=["full-size"]
def bleu(said, references):
    """BLEU, 0 to 1, of captions as lists of words, with several references each."""

    def runs(words, n):
        return Counter(zip(*[words[start:] for start in range(n)]))

    shares = []
    for n in (1, 2, 3, 4):
        kept = total = 0
        for words, right in zip(said, references, strict=True):
            most = Counter()
            for reference in right:
                most |= runs(reference, n)
            kept, total = kept + (runs(words, n) & most).total(), total + runs(words, n).total()
        shares.append(kept / max(total, 1))
    nearest = [
        min((abs(len(reference) - len(words)), len(reference)) for reference in right)[1]
        for words, right in zip(said, references, strict=True)
    ]
    length = max(sum(map(len, said)), 1)
    return float(min(1, np.exp(1 - sum(nearest) / length)) * np.prod(shares) ** (1 / 4))


# %% tags=["full-size"]
if sources is not None:
    photographs, descriptions = [], []
    for (images, _), _ in photograph_batches("test", False):
        descriptions += describe(eyes, hand, images.numpy(), LEXICON, LONGEST)
        photographs += list(images.numpy()[: max(0, 4 - len(photographs))])
    split_descriptions = [text.split() for text in descriptions]
    print(
        f"BLEU on {len(descriptions):,} photographs: {100 * bleu(split_descriptions, spoken['test']):.1f} %"
    )
    print(f"different captions: {len(set(descriptions)):,}")

# %% [markdown]
# Then where it looks, and the counterpart of boats and waters: of the photographs in which at least three annotators
# name a woman and nobody a man, how many does it give to a man, and the other way round? Both are printed beside how
# many such photographs there are.

# %% tags=["full-size"]
if sources is not None:
    by_person = {}
    for person, other in (("woman", "man"), ("man", "woman")):
        sure = [
            sum(person in words for words in five) >= 3
            and not any(other in words for words in five)
            for five in spoken["test"]
        ]
        by_person[person] = [words for words, is_sure in zip(split_descriptions, sure) if is_sure]
        wrong = sum(other in words and person not in words for words in by_person[person])
        print(f"{person}: {len(by_person[person])} photographs, called a {other}: {wrong}")

# %% tags=["full-size"]
if sources is not None:
    fig, axes = plt.subplots(len(photographs), 5, figsize=(6.8, 1.6 * len(photographs)))
    for line, image, text in zip(axes, photographs, descriptions):
        row = encode([text], LEXICON, LONGEST + 1)[:, :-1]
        places = eyes.predict(image[None], verbose=0)
        looks = np.asarray(hand([places, row])[1], "float32")[0]
        side = round(looks.shape[-1] ** 0.5)
        for axis, word, look in zip(line, text.split(), looks):
            light = ops.image.resize((look / look.max()).reshape(side, side, 1), (PIXELS, PIXELS))
            axis.imshow(image / 255 * (0.3 + 0.7 * np.asarray(light)))
            axis.set_title(word, loc="center", fontsize=10)
        for axis in line:
            axis.set_axis_off()
    plots.show(
        fig,
        alt="Photographs, each drawn five times, bright where the network looks for its first five words.",
    )

# %% [markdown]
# We have not trained it on the photographs; only its code has been run. To read its mistakes is worth more than its
# score: a caption may be fluent, usual for such a scene, and about something that is not there. Try a photograph that
# you took: `keras.utils.load_img(path, target_size=(PIXELS, PIXELS))`, as an array with a first axis of length 1, goes
# into `describe(eyes, hand, …, LEXICON, LONGEST)`.
#
# ## Where to go on
#
# Three things to try:
#
# 1. Mirror every training picture at random (`RandomFlip`), and leave the captions as they are. Which words does it
#    lose, and by how much?
# 2. Add the empty grounds, *nothing on water*, to the training. How many does it take?
# 3. Paste purple balls into the training pictures. How many does it take until a purple ball is a ball?
#
# To read: Xu and others (2015), *Show, Attend and Tell*, whose network ours is a small copy of; Zhao and others (2017),
# *Men Also Like Shopping*, and Hendricks and others (2018), *Women Also Snowboard*, on bias amplified; Rohrbach and
# others (2018), *Object Hallucination in Image Captioning*; Geirhos and others (2020), *Shortcut Learning in Deep
# Neural Networks*. For other ways to build it: *Image Captioning* among the examples on keras.io, which writes with a
# Transformer, and *Image captioning with visual attention* among TensorFlow's tutorials, which draws words at random too.
