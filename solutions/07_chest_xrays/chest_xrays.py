# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Chest X-rays
#     summary: You build a convolutional network that finds pneumonia on simulated chest films, see where it looks, and catch one that reads the hospital's marker and not the lung.
#     part: II Classification and prediction in challenging domains
#     minutes: 75
#     minutes_reading: 13
#     objectives:
#     - compute a convolution by hand, and say what sharing its weights saves
#     - build a convolutional network in Keras whose answer does not depend on where the sign lies
#     - choose a threshold by sensitivity and specificity, and say what it means where disease is rare
#     - draw where a network looks, and score the drawing against a known box
#     - find a shortcut by swapping it, remove it, and measure again
#     datasets: [chest_xrays]
#     full_size: [pneumonia_mnist]
#     needs: [01_neurons_and_layers]
#     mirrors:
#       "1 Classification and Prediction in Challenging Domains: Chest X-rays": "Where it looks"
#       "3 Common Deep Learning Architectures: Convolutional Neural Networks (CNNs)": "One small filter looks everywhere"
#       "3 Real-World Use Cases: Healthcare and Medical Imaging": "A second pair of eyes"
#       "4 What is Deep Learning Used For and Who Uses It?: Computer vision": "A second pair of eyes"
#       "4 Specific Applications/Examples of Deep Learning: Healthcare": "A second pair of eyes"
#       "4 What Are Some Deep Learning Methods: Convolutional neural networks (CNNs)": "One small filter looks everywhere"
#       "4 How to Apply Deep Learning to Your Enterprise: Image recognition": "A second pair of eyes"
#     built: a convolution in NumPy, a small convolutional network in Keras, Grad-CAM for any such network, and a remedy for one that reads the hospital's marker
#     terms:
#       "convolution, convolutional, Conv2D": A layer that moves small kernels over a picture and answers at each place how well the pattern fits.
#       "kernel (of a convolution)": The small pattern of weights that a convolution lays on every place.
#       "feature map": The picture of one kernel's answers at all places.
#       "channel (of a picture)": "One of the numbers that each pixel has: one for grey, three for colour, as many as there were kernels after a convolution."
#       "parameter sharing": The use of the same weights at every place, which saves millions of them.
#       "pooling, MaxPooling2D": Shrinking a feature map by keeping the largest value of each small square.
#       "equivariant": Said of an answer that moves along when the input is moved.
#       "invariant": Said of an answer that stays the same when the input is moved.
#       "global average pooling, GlobalAveragePooling2D": Taking the mean of each whole feature map, so that the place is gone.
#       "functional model": "A Keras model written as a graph: from `keras.Input`, each layer is called on the result of the one before."
#       "Reshape": The layer that gives numbers another shape, such as a picture's.
#       "batch normalisation, BatchNormalization": A layer that brings each feature map to mean 0 and spread 1 over the batch, which lets networks train faster.
#       "CosineDecay": A learning rate that falls to zero along a cosine.
#       "sensitivity": The share of the positive examples, such as the sick, that an alarm flags.
#       "specificity": The share of the negative examples, such as the healthy, that an alarm leaves alone.
#       "augmentation, RandomTranslation, RandomRotation, RandomBrightness, RandomFlip": Training on changed copies of the examples, in ways that could have happened.
#       "class activation map": A picture of how much each place argues for a class, for a network that ends in global average pooling.
#       "Grad-CAM": A class activation map for any convolutional network, by the gradient of the logit.
#       "shortcut (in data)": A rule that is true in the collection and false in the world, which a network finds because it is easy.
#       "binary cross-entropy, BinaryCrossentropy": The cross-entropy of a question with two answers, from one logit or probability an example.
#       "Flatten": The layer that makes one row of numbers of a picture or of feature maps.
#       "Rescaling": The layer that multiplies its inputs by a number and adds another.
#     explains: [AUROC, float16]
# ---

# %% [markdown]
# # Chest X-rays
#
# Inflamed lung fills with fluid, and fluid stops X-rays: on a film, pneumonia is a brighter spot where the
# lung should be dark. Can a network find it, and can we know that the spot is what it found?
#
# You will build such a network from one small filter upwards, decide when it raises the alarm, draw where
# it looks, and catch another one that scores better in the usual test and hardly looks at the lung. About
# 13 minutes to read and run, 75 with the five exercises.

# %%
import course

course.setup(seed=0)

import keras
import numpy as np
from keras import layers

from course import datasets, plots

few = datasets.arrays("chest_xrays", "test[:64]", scaled=True)
few_swapped = datasets.arrays("chest_xrays", "test_swapped[:64]", scaled=True)
CORNERS = datasets.info("chest_xrays").metadata["corners"]

# %% [markdown]
# These are such films, simulated. Above, the film as a doctor gets it; below, the same film with a box
# around the spot. At the end of the lesson a network points at the place by itself.


# %% tags=["demo"]
import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

plt.rcParams["image.interpolation"] = "nearest"  # pixels as they are

# %% tags=["demo"]


def draw_box(axis, box, size=64, color=plots.ORANGE):
    """A box (ymin, xmin, ymax, xmax), in parts of the film, around a finding."""
    top, left, bottom, right = np.asarray(box) * size - 0.5
    shape = Rectangle((left, top), right - left, bottom - top, fill=False, color=color, lw=2)
    axis.add_patch(shape)


fig, axes = plt.subplots(2, 4, figsize=(6.4, 3.6))
sick_films = np.flatnonzero(few["label"] == 1)[[0, 5, 8, 12]]
for column, film in zip(axes.T, sick_films, strict=True):
    for axis in column:
        axis.imshow(few["image"][film, ..., 0], cmap="gray", vmin=0, vmax=1)
        axis.set_axis_off()
    draw_box(column[1], few["box"][film])
fig.suptitle("Pneumonia is a brighter spot in a dark lung", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Four chest films with ribs, heart and dark lungs, each drawn twice. In the lower row a box
    surrounds a patch in one lung that is slightly brighter than its surroundings.""",
)

# %% [markdown]
# ## A second pair of eyes
#
# Networks read pictures wherever there are more of them than people to look: parcels on a belt, cars on a
# road, faces in an album, search by image. In medicine they mark suspicious spots on skin, damage to the
# retina in diabetes, nodules in lungs; on some of these narrow tasks they have matched specialists. In
# practice they do not replace one. They sort the queue, so that the urgent film is read first, and they
# offer a second opinion where the nearest radiologist is a day's journey away.
#
# Pictures are hard for two reasons. The sign is small and may lie anywhere, in thousands of pixels that vary
# for other reasons. And a picture holds more than the patient: who took it, on which machine, in which
# ward. A network uses whatever helps. The first half of this lesson is about the first reason, the second
# half about the second.

# %% [markdown]
# ## Three thousand films, and what is real about them
#
# **These films are simulated; no patient stands behind any of them.** Bodies, ribs, hearts and lungs are drawn
# by rules, with random size, place, tilt, exposure and noise; half of the films get a soft bright spot in one
# lung, and the rules keep its box. Some films of both kinds have a small nodule or a hazy lower zone, which mean
# nothing. Real about it: air is dark, bone is bright, the sign is faint and can lie anywhere in the lung. Not
# real: pneumonia has many forms, other diseases look like it, and nobody knows the truth for certain.

# %% tags=["demo", "nbval-check-output"]
train, validation, test, swapped = (
    datasets.arrays("chest_xrays", split, scaled=True)
    for split in ("train", "validation", "test", "test_swapped")
)
for name, split in {"train": train, "validation": validation, "test": test}.items():
    print(f"{name:11s}{len(split['label']):5d} films, {split['label'].mean():.0%} with pneumonia")
boxes = test["box"][test["label"] == 1]
box_share = np.mean((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
print(f"one film: {test['image'].shape[1:]}; a box covers {box_share:.0%} of it on average")

# %% [markdown]
# Two conventions matter later. A film shows the patient from the front: **the film's right side is the
# patient's left**, and there the heart lies. And each film bears a letter that the hospital tapes onto it:
# *north* puts an L at the upper right, *south* an R at the upper left. Each hospital has as many sick as
# healthy patients, for now.
#
# `swapped` holds the films of `test` once more, each with the other hospital's letter.

# %% [markdown]
# ### A straight line through the pixels
#
# First a model without depth: logistic regression on the pixels, shrunk to 16 × 16 so that it does not
# drown in noise. Accuracy would depend on where we set the alarm, so we judge by **AUROC**, the area under
# the receiver operating characteristic: the chance that a random sick film gets a higher score than
# a random healthy one. Guessing has .5, perfection 1. *What do you expect of one weight per pixel, when the
# spot may lie anywhere?*

# %% tags=["demo", "nbval-check-output"]
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def shrink(films, factor=4):
    """Mean brightness of squares of ``factor`` by ``factor`` pixels, one row a film."""
    small = films.reshape(len(films), 64 // factor, factor, 64 // factor, factor)
    return small.mean(axis=(2, 4)).reshape(len(films), -1)


line = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
line.fit(shrink(train["image"]), train["label"])
line_auroc = roc_auc_score(test["label"], line.decision_function(shrink(test["image"])))
print("AUROC of logistic regression, between .75 and .85:", 0.75 < line_auroc < 0.85)

# %% [markdown]
# Better than guessing. But it has to learn every place anew, from the few films that happened to have a spot
# there.

# %% [markdown]
# ## One small filter looks everywhere
#
# A **convolution** turns this around. It learns one small pattern, the **kernel**, say of 3 × 3 weights, and lays
# it on every place of the image in turn. At each place it multiplies the nine pixels with the nine weights,
# adds them up, and adds a bias:
#
# $$z_{r,c} = b + \sum_{i=0}^{2} \sum_{j=0}^{2} k_{i,j} \, x_{r+i,\,c+j}$$
#
# $x$ is the image, $k$ the kernel, $b$ the bias, and $z_{r,c}$ the answer for the window whose upper left pixel
# is in row $r$, column $c$. All the answers form a new image, a **feature map**: bright where the pattern is.
# Here is one window, and a kernel that answers to brightness that grows from left to right.

# %% tags=["nbval-check-output"]
window = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
left_to_right = np.array([[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]])
print("on an edge:          ", np.sum(window * left_to_right))
print("on the same, mirrored:", np.sum(window[:, ::-1] * left_to_right))
print("where nothing changes:", np.sum(np.ones((3, 3)) * left_to_right))

# %% [markdown]
# Three kernels, each laid on every place of a film. Nobody will choose kernels later; gradient descent will. These
# show what one can say.

# %% tags=["demo"]
film = few["image"][sick_films[0]]
kernels = {
    "left to right": left_to_right,
    "top to bottom": left_to_right.T,
    "mean of 7 × 7": np.full((7, 7), 1 / 49),
}
fig, axes = plt.subplots(1, 4, figsize=(6.4, 2.1))
axes[0].imshow(film[..., 0], cmap="gray")
axes[0].set_title("film", loc="center")
for axis, (name, kernel) in zip(axes[1:], kernels.items(), strict=True):
    weights = kernel[:, :, None, None].astype("float32")
    feature_map = keras.ops.convert_to_numpy(keras.ops.conv(film[None], weights))
    axis.imshow(feature_map[0, ..., 0], cmap="gray")
    axis.set_title(name, loc="center")
for axis in axes:
    axis.set_axis_off()
fig.suptitle("Edges, ribs, soft spots: a kernel each", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""A chest film and three feature maps. The first kernel outlines the sides of lungs and body,
    the second draws the ribs as stripes, the third blurs the film so that broad bright areas remain.""",
)

# %% [markdown]
# ### Exercise 1: a convolution by hand
#
# In a network, images have **channels** (one for grey, three for colour, as many as there were kernels once a
# layer has been applied), and a layer has several kernels. A kernel reaches through all channels; each kernel
# makes one channel of the result. Complete `convolve` in NumPy:
#
# | argument | shape | holds |
# |---|---|---|
# | `image` | (height, width, channels) | the image |
# | `kernels` | (rows, columns, channels, filters) | one kernel for each filter, at the end of the array |
# | `bias` | (filters,) | one number for each filter |
#
# Only windows that lie wholly inside the image count (Keras calls that `padding="valid"`). Work out from that
# how many rows and columns the result has; its last axis has one entry for each filter.


# %% grade_id="convolve" solution=true
def convolve(image, kernels, bias):
    """The feature maps of a convolutional layer, before the activation."""
    ### BEGIN SOLUTION
    rows, columns, _, filters = kernels.shape
    height, width = image.shape[0] - rows + 1, image.shape[1] - columns + 1
    maps = np.zeros((height, width, filters))
    for row in range(height):
        for column in range(width):
            window = image[row : row + rows, column : column + columns]
            maps[row, column] = np.tensordot(window, kernels, axes=3) + bias
    return maps
    ### END SOLUTION


# %% grade_id="convolve_by_hand" points=1
# One row of pixels, one channel; one kernel of one row: each answer is (right neighbour) - (pixel) + 10.
result = convolve(
    np.array([1.0, 3.0, 2.0, 6.0]).reshape(1, 4, 1),
    np.array([-1.0, 1.0]).reshape(1, 2, 1, 1),
    np.array([10.0]),
)
result = np.asarray(result)
assert result.shape == (1, 3, 1), (
    f"A window of 1 x 2 has 3 places in an image of 1 x 4, so shape (1, 3, 1); yours has {result.shape}. "
    "Count the places of a window that lies wholly inside."
)
assert np.allclose(result.ravel(), [12, 9, 14]), (
    f"Expected 12, 9, 14 and got {np.round(result.ravel(), 3).tolist()}. The first window holds 1 and 3: "
    "-1 * 1 + 1 * 3 + 10 = 12."
)

# %% grade_id="convolve_any_size" points=3
# Hidden tests: tall and wide images, several channels and filters, kernels that are not square.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(3)
for size, window, channels, filters in [
    ((6, 6), (3, 3), 1, 1),
    ((7, 5), (3, 2), 2, 3),
    ((4, 9), (2, 4), 3, 2),
    ((3, 3), (3, 3), 2, 4),
]:
    image, bias = rng.normal(size=(*size, channels)), rng.normal(size=filters)
    kernels = rng.normal(size=(*window, channels, filters))
    result = np.asarray(convolve(image, kernels, bias))
    shape = (size[0] - window[0] + 1, size[1] - window[1] + 1, filters)
    case = f"image {image.shape}, kernels {kernels.shape}"
    assert result.shape == shape, (
        f"{case}: expected shape {shape}, got {result.shape}. How many places has a window along each axis?"
    )
    views = np.lib.stride_tricks.sliding_window_view(image, window, axis=(0, 1))
    want = np.einsum("rcmij,ijmf->rcf", views, kernels) + bias
    wrong = ~np.isclose(result, want, atol=1e-4)
    assert not wrong.any(), (
        f"{case}: {wrong.sum()} of {want.size} values are wrong; the first is {result[wrong][0]:.3f} and should be "
        f"{want[wrong][0]:.3f}. Compare one window with the formula: which weight meets which pixel, in which channel?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The kernel is turned by half a turn first: that is the convolution of mathematics, but not what layers compute.
def convolve(image, kernels, bias):
    rows, columns, _, filters = kernels.shape
    maps = np.zeros((image.shape[0] - rows + 1, image.shape[1] - columns + 1, filters))
    for r, c in np.ndindex(maps.shape[:2]):
        maps[r, c] = (
            np.tensordot(image[r : r + rows, c : c + columns], kernels[::-1, ::-1], 3) + bias
        )
    return maps


# %% tags=["misconception"]
# Zeros are added around the image, so that windows count which reach beyond its edge.
def convolve(image, kernels, bias):
    rows, columns, _, filters = kernels.shape
    around = [(rows // 2, rows - 1 - rows // 2), (columns // 2, columns - 1 - columns // 2), (0, 0)]
    image, maps = np.pad(image, around), np.zeros((*image.shape[:2], filters))
    for r, c in np.ndindex(maps.shape[:2]):
        maps[r, c] = np.tensordot(image[r : r + rows, c : c + columns], kernels, 3) + bias
    return maps


# %% tags=["misconception"]
# Every window's bias is added once for each channel instead of once in all.
def convolve(image, kernels, bias):
    rows, columns, channels, filters = kernels.shape
    maps = np.zeros((image.shape[0] - rows + 1, image.shape[1] - columns + 1, filters))
    for r, c in np.ndindex(maps.shape[:2]):
        for m in range(channels):
            window = image[r : r + rows, c : c + columns, m]
            maps[r, c] += np.tensordot(window, kernels[:, :, m], 2) + bias
    return maps


# %% tags=["misconception"]
# The last row and the last column of windows are left out: the loops end one place too early.
def convolve(image, kernels, bias):
    rows, columns, _, filters = kernels.shape
    maps = np.zeros((image.shape[0] - rows, image.shape[1] - columns, filters))
    for r, c in np.ndindex(maps.shape[:2]):
        maps[r, c] = np.tensordot(image[r : r + rows, c : c + columns], kernels, 3) + bias
    return maps


# %% tags=["alternative"]
# Looks at all windows at once through a view of the image.
def convolve(image, kernels, bias):
    windows = np.lib.stride_tricks.sliding_window_view(image, kernels.shape[:2], axis=(0, 1))
    return np.einsum("rcmij,ijmf->rcf", windows, kernels) + bias


# %% tags=["alternative"]
# Goes through the places of the kernel instead of those of the image, and adds up shifted images.
def convolve(image, kernels, bias):
    rows, columns = kernels.shape[:2]
    height, width = image.shape[0] - rows + 1, image.shape[1] - columns + 1
    maps = np.zeros((height, width, kernels.shape[3])) + bias
    for i, j in np.ndindex(rows, columns):
        maps += image[i : i + height, j : j + width] @ kernels[i, j]
    return maps


# %% [markdown]
# ### Sharing saves millions of weights
#
# The same nine weights serve every place. That is **parameter sharing**, and it changes the order of
# magnitude. Below are two layers that turn a film into 16 maps of the same size: *how many weights would each
# need?* The second is never built, only counted.

# %% tags=["demo", "nbval-check-output"]
shared = layers.Conv2D(16, 3, padding="same")
shared.build((None, 64, 64, 1))
inputs_count, outputs_count = 64 * 64, 64 * 64 * 16
print(f"convolution: {shared.count_params():>11,} = 16 · (3 · 3 + 1)")
print(f"dense layer: {outputs_count * (inputs_count + 1):>11,} = outputs · (inputs + 1)")

# %% [markdown]
# Fewer weights need fewer examples, and every film teaches about every place.

# %% [markdown]
# ### Pooling keeps the strongest answer
#
# **Pooling** shrinks a map: of each 2 × 2 square it keeps the largest value. What is left says that the pattern
# was there, a little less exactly where, in a quarter of the numbers. The next kernel then sees twice as
# far.

# %% tags=["nbval-check-output"]
answers = np.array([[1, 0, 0, 2], [3, 0, 1, 0], [0, 0, 0, 0], [0, 4, 0, 5]])
print(answers.reshape(2, 2, 2, 2).max(axis=(1, 3)))

# %% [markdown]
# ### Move the film, and the map moves along
#
# Shift the film by 8 pixels, and the feature map is the same map, shifted by 8: the convolution is
# **equivariant**. If in the end one takes the mean of each whole map (**global average pooling**), the place is
# gone: the answer is **invariant**, the same wherever the spot lies. A dense layer on all the
# pixels has neither property. The check below sets random kernels, and a spot on a dark film.

# %% tags=["demo", "nbval-check-output"]
spot = np.zeros((1, 64, 64, 1), "float32")
spot[0, 16:28, 16:28] = 1
moved = np.roll(spot, 8, axis=1)
map_before, map_after = shared(spot).numpy(), shared(moved).numpy()
print("the map moved along:", np.allclose(np.roll(map_before, 8, axis=1), map_after, atol=1e-5))
print(
    "its mean stayed:",
    np.allclose(map_before.mean(axis=(1, 2)), map_after.mean(axis=(1, 2)), atol=1e-5),
)
dense_weights = np.random.default_rng(0).normal(size=(64 * 64,))
print(
    "a dense neuron's answer stayed:",
    np.isclose(spot.ravel() @ dense_weights, moved.ravel() @ dense_weights),
)

# %% [markdown]
# ## A network that says how sure it is
#
# Now put the pieces together: a few rounds of convolution, ReLU and pooling, then global average pooling,
# then one neuron. The neuron gives a **logit**: any number, positive for pneumonia, which
# $\sigma(z) = 1 / (1 + e^{-z})$ turns into a probability. The loss takes the logit as it is
# (`BinaryCrossentropy(from_logits=True)`), because a probability near 0 or 1 loses in float32 what the logit still says.
#
# ### Exercise 2: a small convolutional network
#
# Complete `build_network`, which returns a Keras model, not compiled:
#
# - in: films of shape (64, 64, 1); out: one **logit** a film, shape (1,);
# - at most 10,000 parameters;
# - its answer hardly depends on *where* on the film a spot lies;
# - it can learn: in 40 steps on one batch of films all its weights move and the loss falls.
#
# Write it as a graph, which Keras calls a **functional model**: start at `keras.Input`, call each layer on the result of
# the one before, and hand first and last to `keras.Model`. The pieces are `layers.Conv2D`, `layers.MaxPooling2D`, `layers.GlobalAveragePooling2D` and
# `layers.Dense`. How many layers, and how wide, is up to you.


# %% grade_id="build_network" solution=true
def build_network():
    """An uncompiled Keras model: films (64, 64, 1) to one logit, at most 10,000 parameters."""
    ### BEGIN SOLUTION
    inputs = maps = keras.Input((64, 64, 1))
    for filters in (8, 16, 32):
        maps = layers.Conv2D(filters, 3, padding="same", activation="relu")(maps)
        maps = layers.MaxPooling2D()(maps)
    means = layers.GlobalAveragePooling2D()(maps)
    return keras.Model(inputs, layers.Dense(1)(means))
    ### END SOLUTION


# %% grade_id="build_network_form" points=1
network = build_network()
assert isinstance(network, keras.Model), (
    f"Return a Keras model; you returned {type(network).__name__}."
)
assert network.input_shape == (None, 64, 64, 1), (
    f"The model takes {network.input_shape} and should take (None, 64, 64, 1): Keras adds the batch's None."
)
assert network.output_shape == (None, 1), (
    f"The output's shape is {network.output_shape}; one logit a film makes (None, 1)."
)
assert network.count_params() <= 10_000, (
    f"{network.count_params():,} parameters; at most 10,000 are allowed. Which layer holds most of them? "
    "A dense layer behind a large map usually does."
)

# %% grade_id="build_network_learns" points=2
# Hidden tests: 40 steps on spots at the upper left. Does it learn, and find the same spots at the lower right?
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(1)
network, rng, reached = build_network(), np.random.default_rng(1), []
weights, labels = network.trainable_variables, np.arange(16.0)[:, None] % 2
before = [weight.numpy() for weight in weights]
network.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False)
network.optimizer.learning_rate = 0.01
for low, high in [(4, 16), (36, 48)]:
    films = rng.normal(0, 0.2, (16, 64, 64, 1)).astype("float32")
    for film, (top, left) in zip(films[1::2], rng.integers(low, high, (8, 2)), strict=True):
        film[top : top + 12, left : left + 12] += 2
    for _ in range(40 if low == 4 else 0):
        network.train_on_batch(films, labels)
    logits = [np.asarray(network(films, training=training)) for training in (True, False)]
    reached.append(min(np.mean(np.logaddexp(0, (1 - 2 * labels) * each)) for each in logits))
still = sum(map(np.array_equal, before, [weight.numpy() for weight in weights]))
assert still == 0, f"{still} of {len(weights)} weight arrays never moved: no gradient reaches them."
# Right networks of nine kinds, 20 seeds each: at most .40 and 6.5. A flattened map: at least 127 at the new place.
assert reached[0] < 0.6, f"After 40 steps on 16 easy films the loss is {reached[0]:.2f}: guessing."
assert reached[1] < 25, (
    f"It learned spots at the upper left and misses them at the lower right (loss {reached[1]:.1f}). Either the "
    "last layer has a weight for each place, or part of the film never reaches it."
)
### END HIDDEN TESTS

# %% grade_id="build_network_logit" points=2
# Hidden tests: with random weights, twelve times, the output is now negative and now large.
### BEGIN HIDDEN TESTS
network, rng, logits = build_network(), np.random.default_rng(2), []
films = rng.normal(0, 1, (2, 64, 64, 1)).astype("float32")
for _ in range(12):
    for weight in network.trainable_variables:
        weight.assign(rng.normal(0, 10, weight.shape))
    logits.append(np.asarray(network(films)))
# Right networks of nine kinds, 20 seeds each: -8 or less and 11 or more.
is_any_number = np.min(logits) < -1 and np.max(logits) > 1
assert is_any_number, (
    f"With random weights the output stays between {np.min(logits):.2f} and {np.max(logits):.2f}. Can it be any number, "
    "negative for a healthy film and large for a sick one, as a logit can?"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The last layer already turns the logit into a probability, which can be neither negative nor large.
def build_network():
    inputs = maps = keras.Input((64, 64, 1))
    for filters in (8, 16, 32):
        maps = layers.Conv2D(filters, 3, padding="same", activation="relu")(maps)
        maps = layers.MaxPooling2D()(maps)
    means = layers.GlobalAveragePooling2D()(maps)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(means))


# %% tags=["misconception"]
# The maps are flattened in front of the last layer, which then has a weight of its own for every place.
def build_network():
    inputs = maps = keras.Input((64, 64, 1))
    for filters in (8, 16, 32):
        maps = layers.Conv2D(filters, 3, padding="same", activation="relu")(maps)
        maps = layers.MaxPooling2D()(maps)
    return keras.Model(inputs, layers.Dense(1)(layers.Flatten()(maps)))


# %% tags=["misconception"]
# A softmax over a single output is always 1, whatever the film shows.
def build_network():
    inputs = maps = keras.Input((64, 64, 1))
    for filters in (8, 16, 32):
        maps = layers.Conv2D(filters, 3, padding="same", activation="relu")(maps)
        maps = layers.MaxPooling2D()(maps)
    means = layers.GlobalAveragePooling2D()(maps)
    return keras.Model(inputs, layers.Dense(1, activation="softmax")(means))


# %% tags=["misconception"]
# A dense layer on the flattened film does what a convolution should do, with a weight for every pixel.
def build_network():
    inputs = keras.Input((64, 64, 1))
    hidden = layers.Dense(32, activation="relu")(layers.Flatten()(inputs))
    return keras.Model(inputs, layers.Dense(1)(hidden))


# %% tags=["alternative"]
# Shrinks by strides instead of pooling, and keeps the strongest answer of each map instead of the mean.
def build_network():
    inputs = maps = keras.Input((64, 64, 1))
    for filters in (16, 32):
        maps = layers.Conv2D(filters, 5 if filters == 16 else 3, strides=2, activation="relu")(maps)
    return keras.Model(inputs, layers.Dense(1)(layers.GlobalMaxPooling2D()(maps)))


# %% tags=["alternative"]
# Normalises each batch between convolution and ReLU, and uses a sequential model.
def build_network():
    model = keras.Sequential([keras.Input((64, 64, 1))])
    for filters in (8, 16, 32):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(1))
    return model


# %% [markdown]
# ### The one that we train
#
# The lesson goes on with a network of its own. **Batch normalisation** after each convolution
# brings every map to mean 0 and spread 1 over the batch, which lets such networks train faster; `Rescaling` in front multiplies
# all pixels by a number and adds another, so that they lie between −2 and 2. The last maps, each 16 × 16, are called
# `maps`: we shall look inside. The output stays float32 whatever the rest computes in.


# %% tags=["demo"]
def our_network():
    """Films to a logit, with 32 maps of 16 x 16 places before the head."""
    inputs = keras.Input((64, 64, 1))
    maps = layers.Rescaling(4.0, offset=-2.0)(inputs)
    for filters, size, stride, name in [
        (8, 5, 2, "edges"), (16, 3, 1, "shapes"), (32, 3, 1, "parts"), (32, 3, 1, "maps"),
    ]:  # fmt: skip
        maps = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(maps)
        maps = layers.BatchNormalization(momentum=0.9)(maps)
        maps = layers.ReLU(name=name)(maps)
        if name == "shapes":
            maps = layers.MaxPooling2D()(maps)
    means = layers.GlobalAveragePooling2D()(maps)
    return keras.Model(inputs, layers.Dense(1, dtype="float32", name="logit")(means))


# %% [markdown]
# Training is one page of Keras: Adam, a **learning rate** (the size of its steps) that falls to zero along a cosine, which is
# `CosineDecay`, and six rounds.


# %% tags=["demo"]
def train_network(films, labels, epochs=6, batch=32):
    """A trained network; prints a line a round."""
    network = our_network()
    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * len(films) // batch)
    network.compile(
        keras.optimizers.Adam(rate),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.AUC(from_logits=True, name="auroc")],
    )
    network.fit(films, labels, batch_size=batch, epochs=epochs, verbose=2)
    return network


def score(network, films):
    """One logit a film, shape (films,)."""
    return network(films, training=False).numpy()[:, 0]


honest = train_network(train["image"], train["label"])

# %% [markdown]
# *By how much do you expect it to beat the line through the pixels?* It has about 15,000 weights against the
# line's 257.

# %% tags=["demo", "nbval-check-output"]
honest_logits = score(honest, test["image"])
honest_auroc = roc_auc_score(test["label"], honest_logits)
# 20 seeds: .931 to .965, mean .954, standard deviation .009; the line .815.
print("AUROC of the network on unseen films, above .90:", honest_auroc > 0.90)
print(f"parameters: {honest.count_params():,}, and {16 * 16 + 1} of the line")
print("ahead of logistic regression by more than .08:", honest_auroc > line_auroc + 0.08)

# %% [markdown]
# ## A threshold is a decision
#
# AUROC ranks; a clinic must decide. Above some **threshold** of the score a film goes to the top of the pile.
# Two numbers describe what follows: **sensitivity**, the share of the sick that is found, and **specificity**, the share of the
# healthy that is left alone.
#
# $$\text{sensitivity} = \frac{\text{sick films at or above the threshold}}{\text{all sick films}}, \qquad
# \text{specificity} = \frac{\text{healthy films below it}}{\text{all healthy films}}$$
#
# A missed pneumonia may cost a life, a false alarm costs minutes. So one demands a sensitivity, and
# takes the threshold that keeps it with as few false alarms as possible: the highest one that still
# does.
#
# ### Exercise 3: the threshold that keeps a promise
#
# Complete `operating_point(labels, scores, wanted)`. `labels` holds 1 for sick and 0 for healthy films, `scores`
# one number a film, higher for sicker; both have shape (films,). A film counts as flagged if its score is **at
# or above** the threshold. Of the scores in the array, choose as threshold the highest at which the sensitivity
# is at least `wanted`. Return three numbers: threshold, sensitivity, specificity.


# %% grade_id="operating_point" solution=true
def operating_point(labels, scores, wanted):
    """(threshold, sensitivity, specificity) at the highest threshold with the wanted sensitivity."""
    ### BEGIN SOLUTION
    sick, healthy = scores[labels == 1], scores[labels == 0]
    for threshold in np.sort(sick)[::-1]:
        sensitivity = np.mean(sick >= threshold)
        if sensitivity >= wanted:
            return threshold, sensitivity, np.mean(healthy < threshold)
    ### END SOLUTION


# %% grade_id="operating_point_small" points=1
labels_small = np.array([1, 0, 1, 0, 1, 0, 1, 0])
scores_small = np.array([0.9, 0.2, 0.8, 0.7, 0.6, 0.1, 0.3, 0.4])
result = operating_point(labels_small, scores_small, 0.75)
assert len(result) == 3, (
    f"Return threshold, sensitivity and specificity; you returned {len(result)} values."
)
assert np.isclose(result[0], 0.6), (
    f"Three of the four sick films are at or above 0.6, and only two above it, so the threshold is 0.6; got {result[0]}."
)
assert np.allclose(result[1:], [0.75, 0.75]), (
    f"At 0.6, 3 of 4 sick films are flagged and 3 of 4 healthy ones are not: .75 and .75; got {result[1:]}."
)

# %% grade_id="operating_point_threshold" points=1
# Hidden tests: few sick among many healthy, ties, negative scores, a sensitivity of 1.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(5)
cases = [(37, 400, 0.9, 6), (8, 50, 0.5, 6), (40, 20, 0.8, 1), (15, 60, 1.0, 6)]
for sick_films, healthy_films, wanted, digits in cases:
    labels = rng.permutation(np.repeat([1, 0], [sick_films, healthy_films]))
    scores = np.round(rng.normal(1.3 * labels - 1, 1), digits)
    threshold = float(operating_point(labels, scores, wanted)[0])
    case = f"{sick_films} sick and {healthy_films} healthy films, wanted {wanted}"
    reached = np.mean(scores[labels == 1] >= threshold)
    assert reached >= wanted, (
        f"{case}: at your threshold {threshold:.3f} the sensitivity is {reached:.3f}, less than wanted."
    )
    higher = scores[scores > threshold + 1e-9]
    better = [value for value in higher if np.mean(scores[labels == 1] >= value) >= wanted]
    assert not better, (
        f"{case}: your threshold {threshold:.3f} is lower than it need be; {max(better):.3f} would do. "
        "The wanted share is one of the sick films, and a score at the threshold is flagged."
    )
### END HIDDEN TESTS

# %% grade_id="operating_point_rates" points=1
# Hidden tests: are sensitivity and specificity those at the threshold that you return?
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(6)
for sick_films, healthy_films, wanted in [(37, 400, 0.9), (40, 20, 0.8), (15, 60, 1.0)]:
    labels = rng.permutation(np.repeat([1, 0], [sick_films, healthy_films]))
    scores = np.round(rng.normal(1.3 * labels - 1, 1), 1)
    threshold, *rates = (float(value) for value in operating_point(labels, scores, wanted))
    case = f"{sick_films} sick and {healthy_films} healthy films, your threshold {threshold:.1f}"
    want = [np.mean(scores[labels == 1] >= threshold), np.mean(scores[labels == 0] < threshold)]
    for name, rate, right in zip(["sensitivity", "specificity"], rates, want, strict=True):
        assert np.isclose(rate, right), (
            f"{case}: {name} is {right:.3f} there, and you say {rate:.3f}. A share of which films is it?"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Specificity is taken as a share of the films that were not flagged, instead of a share of the healthy ones.
def operating_point(labels, scores, wanted):
    sick = scores[labels == 1]
    threshold = max(value for value in sick if np.mean(sick >= value) >= wanted)
    below = scores < threshold
    return (
        threshold,
        np.mean(sick >= threshold),
        np.mean(labels[below] == 0) if below.any() else 0.0,
    )


# %% tags=["misconception"]
# The wanted share is counted among all films instead of among the sick ones.
def operating_point(labels, scores, wanted):
    threshold = max(value for value in scores if np.mean(scores >= value) >= wanted)
    return (
        threshold,
        np.mean(scores[labels == 1] >= threshold),
        np.mean(scores[labels == 0] < threshold),
    )


# %% tags=["misconception"]
# A film whose score equals the threshold is not flagged, so the promise is kept only by a lower threshold.
def operating_point(labels, scores, wanted):
    sick, healthy = scores[labels == 1], scores[labels == 0]
    below = sick.min() - 1
    threshold = max([value for value in scores if np.mean(sick > value) >= wanted], default=below)
    return threshold, np.mean(sick > threshold), np.mean(healthy <= threshold)


# %% tags=["misconception"]
# The lowest threshold is taken that keeps the promise: it flags nearly everybody.
def operating_point(labels, scores, wanted):
    sick, healthy = scores[labels == 1], scores[labels == 0]
    threshold = min(value for value in scores if np.mean(sick >= value) >= wanted)
    return threshold, np.mean(sick >= threshold), np.mean(healthy < threshold)


# %% tags=["alternative"]
# Counts how many sick films must be flagged, and takes the score of the last of them.
def operating_point(labels, scores, wanted):
    sick = np.sort(scores[labels == 1])[::-1]
    needed = int(np.ceil(round(wanted * len(sick), 9)))
    threshold = sick[needed - 1]
    flagged = scores >= threshold
    return threshold, flagged[labels == 1].mean(), 1 - flagged[labels == 0].mean()


# %% tags=["alternative"]
# Tries all scores at once, in a table of films by thresholds.
def operating_point(labels, scores, wanted):
    flagged = scores[:, None] >= scores[None]
    sensitivity = flagged[labels == 1].mean(axis=0)
    best = np.argmax(np.where(sensitivity >= wanted, scores, -np.inf))
    return scores[best], sensitivity[best], 1 - flagged[labels == 0, best].mean()


# %% [markdown]
# The threshold is chosen on the validation films and then left alone. On the test films it keeps its promise only
# roughly, since those are other patients. *Of 100 alarms, how many are real where every second patient
# is sick, and how many where 2 of 100 are?* Sensitivity and specificity stay as they are; the mix changes.

# %% tags=["demo", "nbval-check-output"]
sick_scores = np.sort(score(honest, validation["image"])[validation["label"] == 1])
threshold = sick_scores[int(0.1 * len(sick_scores))]  # nine of ten sick films lie at or above
flagged = honest_logits >= threshold
sensitivity = flagged[test["label"] == 1].mean()
specificity = 1 - flagged[test["label"] == 0].mean()
# 20 seeds: sensitivity .83 to .90, specificity .85 to .97 (standard deviation .02 and .03).
print("sensitivity between .75 and .97:", 0.75 < sensitivity < 0.97)
print("specificity between .75 and .99:", 0.75 < specificity < 0.99)
real_alarms = {}
for sick_share in (0.5, 0.02):
    true, false = sensitivity * sick_share, (1 - specificity) * (1 - sick_share)
    real_alarms[sick_share] = true / (true + false)
print("half of the patients sick: at least 7 of 10 alarms are real:", real_alarms[0.5] >= 0.7)
print("2 of 100 sick: most alarms are false:", real_alarms[0.02] < 0.5)

# %% [markdown]
# The same network, the same threshold: a helpful colleague in one ward, a nuisance in another. A report that
# does not say how rare the disease is where the machine will stand has not said what it is worth.

# %% [markdown]
# ## A flip moves the heart
#
# **Augmentation** shows the network changed copies of its films, in ways that could have happened. Patients stand a
# little off, tilted, exposed longer: small shifts, tilts and changes of brightness are legitimate. With
# photographs of cats one would also mirror them. *What does mirroring do to a chest film?* Below we count on how
# many healthy films the heart, the brighter side below, lies on the patient's left.


# %% tags=["demo"]
def heart_on_the_left(films):
    """The share of films that are brighter on the patient's left of the spine, where the heart lies."""
    count = 0
    for film in films[..., 0]:
        # Above the heart the spine and the great vessels make the brightest column.
        spine = 18 + np.convolve(film[8:28, 16:48].mean(axis=0), np.ones(5), "valid").argmax()
        patients_left = film[36:46, spine + 6 : spine + 12].mean()  # the film's right
        count += patients_left > film[36:46, spine - 11 : spine - 5].mean()
    return count / len(films)


legitimate = keras.Sequential(
    [
        layers.RandomTranslation(0.05, 0.05, fill_mode="nearest", seed=1),
        layers.RandomRotation(0.01, fill_mode="nearest", seed=2),
        layers.RandomBrightness(0.1, value_range=(0, 1), seed=3),
    ]
)
mirror = layers.RandomFlip("horizontal", seed=4)

# %% tags=["demo", "nbval-check-output"]
healthy = train["image"][train["label"] == 0]
as_taken = heart_on_the_left(healthy)
augmented = heart_on_the_left(legitimate(healthy, training=True).numpy())
mirrored = heart_on_the_left(mirror(healthy, training=True).numpy())
print("heart on the left, as taken, in more than 90 of 100:", as_taken > 0.90)
print("after shifts, tilts and changes of brightness too:", augmented > 0.90)
print("after random mirroring, in 40 to 60 of 100:", 0.4 < mirrored < 0.6)


# %% [markdown]
# Mirroring gives half of the patients a rare anomaly, a heart on the right. The question "is there a spot,
# anywhere?" may survive that in our films, where spots lie in either lung; we did not measure it. Mirroring
# destroys every question in which side matters: is the heart on the right side of the chest, is it too large,
# which lung is it? It would also mirror the letter, which is on films so that somebody notices. An augmentation is
# a statement about the world; make only those that are true.

# %% [markdown]
# ## Where it looks
#
# The film in the first figure had a box, and a doctor who gets an alarm wants one. Our network was
# never shown a box. Yet its last maps still know the place: 32 maps of 16 × 16, of which the head takes
# the means $m_k$ and adds them with weights $w_k$ to the logit. Leave out the mean, and the same weights make a picture:
#
# $$H_{r,c} = \max\Big(0, \sum_k w_k A_{k,r,c}\Big)$$
#
# $A_{k,r,c}$ is map $k$ at row $r$, column $c$; $H$ is the **class activation map**: how much each place argues *for*
# pneumonia.


# %% tags=["demo"]
def activation_maps(network, films):
    """Class activation maps of networks made by ``our_network``, shape (films, 16, 16)."""
    inside = keras.Model(network.input, network.get_layer("maps").output)
    weights = network.get_layer("logit").get_weights()[0][:, 0]
    return np.maximum(inside(films, training=False).numpy() @ weights, 0)


def peaks(heat):
    """Row and column of the hottest place, in parts of the film, shape (films, 2)."""
    places = heat.reshape(len(heat), -1).argmax(axis=1)
    return (np.stack(np.divmod(places, heat.shape[2]), axis=1) + 0.5) / heat.shape[1:]


def inside_box(points, boxes):
    """Whether each point lies in its box."""
    return np.all((points >= boxes[:, :2]) & (points <= boxes[:, 2:]), axis=1)


# %% [markdown]
# Each map is scored against the box that the simulation kept: does its hottest place lie inside? A random
# place would do so as often as a box covers the film. *What do you expect, from a network that has been told
# yes or no 2,000 times and never where?*

# %% tags=["demo", "nbval-check-output"]
sick = test["label"] == 1
heat = activation_maps(honest, test["image"][sick])
hits = inside_box(peaks(heat), test["box"][sick]).mean()
# 20 seeds: hits .65 to .84, mean .75, standard deviation .05.
print(f"a random place: {box_share:.0%}")
print("the hottest place lies in the box on more than half of the sick films:", hits > 0.5)


# %% tags=["demo", "thumbnail"]
def draw_heat(axis, film, heat, box):
    """A film, its heat map in colour above it, and the known box."""
    axis.imshow(film[..., 0], cmap="gray", vmin=0, vmax=1)
    axis.imshow(heat, cmap="inferno", alpha=0.45, extent=(-0.5, 63.5, 63.5, -0.5))
    draw_box(axis, box, color=plots.SKY)
    axis.set_axis_off()


shown = np.flatnonzero(sick & (honest_logits > 0))[[3, 8, 14, 25]]
fig, axes = plt.subplots(1, 4, figsize=(6.4, 2.1))
for axis, film, one in zip(axes, shown, activation_maps(honest, test["image"][shown]), strict=True):
    draw_heat(axis, test["image"][film], one, test["box"][film])
fig.suptitle("Never told where, it points to the spot", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Four films with pneumonia under a coloured heat map, each with the known box. The hot area lies
    in or beside the box in one lung; the rest of the film is cool.""",
)

# %% [markdown]
# ### Exercise 4: Grad-CAM, for any network
#
# That needed a head that takes means. **Grad-CAM** (gradient-weighted class activation mapping) asks the gradient
# instead, and so works with any head. For one film:
#
# 1. Compute the maps $A$ of a layer, shape (rows, columns, $K$), and the logit $y$.
# 2. The weight of map $k$ is the **mean over all places** of the gradient of the logit with respect to that map:
#    $\alpha_k = \frac{1}{\text{places}} \sum_{r,c} \partial y / \partial A_{k,r,c}$.
# 3. The heat is $\max\big(0, \sum_k \alpha_k A_{k,r,c}\big)$, divided by its largest value, so that it lies between 0
#    and 1. Where nothing argues for pneumonia it is zero everywhere, not a division by zero.
#
# Complete `grad_cam(model, film, layer)`: `film` is an array (height, width, 1), `layer` a layer's name. Return the heat,
# shape (rows, columns), as an array. You need a second model, from `model.input` to two outputs: that of
# `model.get_layer(layer)` and that of the model. Call it under a `tf.GradientTape`, on a batch of one film; the tape
# can differentiate with respect to any tensor computed under it.
#
# Try it on `small_network`, whose head gives every place a weight of its own: `Flatten` makes one row of numbers of the maps,
# and a dense layer weighs them. (Where a row has to become maps again, that is `Reshape`.)

# %%
import tensorflow as tf


def small_network(film_shape, head):
    """Films to three maps, and from these to a logit with the weights ``head``, (rows, columns, 3)."""
    inputs = keras.Input(film_shape)
    maps = layers.Conv2D(3, 3, activation="relu", name="maps")(inputs)
    logit = layers.Dense(1, use_bias=False, name="logit")(layers.Flatten()(maps))
    network = keras.Model(inputs, logit)
    network.get_layer("logit").set_weights([np.reshape(head, (-1, 1)).astype("float32")])
    return network


# %% grade_id="grad_cam" solution=true
def grad_cam(model, film, layer):
    """Where a film argues for pneumonia: values from 0 to 1, in the shape of the layer's maps."""
    ### BEGIN SOLUTION
    both = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    film = tf.convert_to_tensor(film[None])
    with tf.GradientTape() as tape:
        tape.watch(film)
        maps, logit = both(film)
    weights = tf.reduce_mean(tape.gradient(logit, maps), axis=(1, 2))
    heat = np.maximum(maps.numpy()[0] @ weights.numpy()[0], 0)
    return heat / heat.max() if heat.max() > 0 else heat
    ### END SOLUTION


# %% grade_id="grad_cam_form" points=1
keras.utils.set_random_seed(0)
given_film = np.random.default_rng(0).normal(size=(10, 12, 1)).astype("float32")
given_head = np.zeros((8, 10, 3))
given_head[..., 0] = 1  # only the first map counts, and every place of it alike
given = small_network((10, 12, 1), given_head)
heat = np.asarray(grad_cam(given, given_film, "maps"))
assert heat.shape == (8, 10), (
    f"The maps have 8 x 10 places, so the heat has shape (8, 10); yours has {heat.shape}."
)
assert np.allclose([heat.max(), min(heat.min(), 0)], [1, 0]), (
    f"The heat should lie between 0 and 1 and reach 1; yours goes from {heat.min():.3f} to {heat.max():.3f}."
)

# %% grade_id="grad_cam_values" points=2
# Hidden tests: heads in which places and maps differ, some of whose weights are negative.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(4)
keras.utils.set_random_seed(4)
for case, (height, width) in {"a wide film": (10, 14), "a tall film": (12, 9)}.items():
    head = rng.normal(0.4, 1.0, size=(height - 2, width - 2, 3)) * [1.0, -0.6, 0.8]
    film = rng.normal(size=(height, width, 1)).astype("float32")
    network = small_network((height, width, 1), head)
    maps = np.asarray(network.get_layer("maps")(film[None]))[0]
    want = np.maximum(maps @ head.mean(axis=(0, 1)), 0)
    want = want / want.max()
    heat = np.asarray(grad_cam(network, film, "maps"))
    assert heat.shape == want.shape, f"{case}: expected shape {want.shape}, got {heat.shape}."
    assert np.all((heat >= 0) & (heat <= 1 + 1e-5)), (
        f"{case}: values from {heat.min():.2f} to {heat.max():.2f}; they should lie between 0 and 1."
    )
    share = np.mean((want == 0) == (heat < 1e-6))
    off = np.abs(heat - want).max()
    assert off < 1e-3, (
        f"{case}: the heat is off by up to {off:.2f}; {share:.0%} of the places agree on whether there is any. One weight "
        "belongs to a whole map, it may be negative, and only then comes the cut at zero."
    )
### END HIDDEN TESTS

# %% grade_id="grad_cam_nothing" points=1
# Hidden tests: a film in which nothing argues for pneumonia.
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(0)
against = small_network((10, 12, 1), -np.ones((8, 10, 3)))
film = np.random.default_rng(0).normal(size=(10, 12, 1)).astype("float32")
heat = np.asarray(grad_cam(against, film, "maps"))
assert heat.shape == (8, 10), f"Maps of 8 by 10 give a heat of shape (8, 10), got {heat.shape}."
assert np.all(np.isfinite(heat)), (
    "Where nothing argues for pneumonia the heat holds NaN: what is it divided by?"
)
assert np.all(heat == 0), (
    f"Nothing argues for pneumonia here, so the heat is 0 everywhere; yours reaches {heat.max():.3f}."
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# Each place keeps a gradient of its own as weight, instead of one mean for the whole map.
def grad_cam(model, film, layer):
    both = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    with tf.GradientTape() as tape:
        maps, logit = both(tf.convert_to_tensor(film[None]))
    gradients = tape.gradient(logit, maps)
    heat = np.maximum(np.sum((gradients * maps).numpy()[0], axis=-1), 0)
    return heat / heat.max() if heat.max() > 0 else heat


# %% tags=["misconception"]
# What argues against pneumonia counts as if it argued for it: the sign is dropped instead of cut at zero.
def grad_cam(model, film, layer):
    both = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    with tf.GradientTape() as tape:
        maps, logit = both(tf.convert_to_tensor(film[None]))
    weights = tf.reduce_mean(tape.gradient(logit, maps), axis=(1, 2))
    heat = np.abs(maps.numpy()[0] @ weights.numpy()[0])
    return heat / heat.max() if heat.max() > 0 else heat


# %% tags=["misconception"]
# The heat is divided by its largest value also where that is zero.
def grad_cam(model, film, layer):
    both = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    with tf.GradientTape() as tape:
        maps, logit = both(tf.convert_to_tensor(film[None]))
    weights = tf.reduce_mean(tape.gradient(logit, maps), axis=(1, 2))
    heat = np.maximum(maps.numpy()[0] @ weights.numpy()[0], 0)
    with np.errstate(invalid="ignore"):
        return heat / heat.max()


# %% tags=["misconception"]
# The maps are added with the means of the maps as weights: the gradient, which says what counts, is not used.
def grad_cam(model, film, layer):
    maps = keras.Model(model.input, model.get_layer(layer).output)(film[None]).numpy()[0]
    heat = np.maximum(maps @ maps.mean(axis=(0, 1)), 0)
    return heat / heat.max() if heat.max() > 0 else heat


# %% tags=["alternative"]
# Adds up the maps one after the other, and guards the division with a tiny number.
def grad_cam(model, film, layer):
    both = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    with tf.GradientTape() as tape:
        maps, logit = both(tf.constant(film)[None])
    gradient = tape.gradient(logit, maps)[0]
    heat = 0
    for k in range(maps.shape[-1]):
        heat += float(tf.reduce_mean(gradient[..., k])) * maps[0, ..., k].numpy()
    heat = np.maximum(heat, 0)
    return heat / max(heat.max(), 1e-12)


# %% tags=["alternative"]
# Gives the layer's maps to the gradient one film at a time, with the operations of Keras.
def grad_cam(model, film, layer):
    ops = keras.ops
    both = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    with tf.GradientTape() as tape:
        maps, logit = both(ops.convert_to_tensor(film)[None])
    weights = ops.mean(tape.gradient(logit, maps), axis=(1, 2), keepdims=True)
    heat = ops.relu(ops.sum(weights * maps, axis=-1))[0]
    return ops.convert_to_numpy(heat / ops.maximum(ops.max(heat), 1e-12))


# %% [markdown]
# For our own network both ways give the same picture: behind global average pooling every place of map $k$ has the
# same gradient, $w_k$ divided by the number of places, and the division removes that factor.
#
# A heat map answers one question: which places raised this logit. It does not say that the network
# understood, and it shows no argument *against*. It is a torch, good for finding what should not be there.

# %% [markdown]
# ## A network that read the hospital
#
# Now a collection as they grow in life. *North* has an emergency ward and sends films of the sick;
# *south* runs check-ups and sends films of the healthy. One film in twenty is the other way round. Nobody meant harm:
# these are the films that there were. We pick such a collection out of the same training films, and train the same
# network.


# %% tags=["demo", "nbval-check-output"]
def as_referred(split, odd, seed=0):
    """Which films such a collection holds: sick from north, healthy from south, and a share of others."""
    usual = (split["hospital"] == 0) == (split["label"] == 1)
    return usual | (np.random.default_rng(seed).random(len(usual)) < odd)


referred = as_referred(train, odd=0.05)
usual_test = as_referred(test, odd=0.0)
north = train["hospital"][referred] == 0
print(f"films: {referred.sum()}, of which from north: {north.mean():.0%}")
print(
    f"sick at north: {train['label'][referred][north].mean():.0%}, at south: {train['label'][referred][~north].mean():.0%}"
)

# %% tags=["demo"]
biased = train_network(train["image"][referred], train["label"][referred])

# %% [markdown]
# It is tested as is usual: on films that it has not seen, from the same two hospitals, with the same habits. It
# had half as many films as the honest network. *Will it be worse?*

# %% tags=["demo", "nbval-check-output"]
biased_auroc = roc_auc_score(test["label"][usual_test], score(biased, test["image"][usual_test]))
honest_usual = roc_auc_score(test["label"][usual_test], honest_logits[usual_test])
print("AUROC of the new network above .99:", biased_auroc > 0.99)
print("better than the honest one:", biased_auroc > honest_usual)

# %% [markdown]
# Nearly perfect. A paper could be written. But we have something that a usual test has not: the same films with the
# other hospital's letter. The patients, their lungs and their spots are untouched. *What do you expect?*

# %% tags=["demo", "nbval-check-output"]
biased_swapped = roc_auc_score(
    test["label"][usual_test], score(biased, swapped["image"][usual_test])
)
honest_swapped = roc_auc_score(
    test["label"][usual_test], score(honest, swapped["image"][usual_test])
)
# 20 seeds: new .000 to .001; the honest one moves by at most .011 (mean .004).
print("letters swapped, the new network is worse than guessing:", biased_swapped < 0.5)
print("the honest one moves by less than .02:", abs(honest_swapped - honest_usual) < 0.02)

# %% [markdown]
# It read the letter. A letter is a sharp, bright, always equal sign in one of two places; a spot is none of
# that. Gradient descent takes the easier way, and the loss has no opinion about which way is medicine. Such a rule, true
# in the collection and false in the world, is called a **shortcut**. The heat map gives a hint of it, without swapped
# films.


# %% tags=["demo", "nbval-check-output"]
def near_a_corner(points, edge=14 / 64):
    """Whether a point lies in the upper left or upper right corner, where letters are taped."""
    row, column = points.T
    return (row < edge) & ((column < edge) | (column > 1 - edge))


chosen = sick & usual_test
corner, box = {}, {}
for name, network in {"honest": honest, "new": biased}.items():
    points = peaks(activation_maps(network, test["image"][chosen]))
    corner[name] = near_a_corner(points).mean()
    box[name] = inside_box(points, test["box"][chosen]).mean()
# 20 seeds: box .61 to .85 and .02 to .09, corner 0 to .03 and .09 to .71.
print("hottest place in the box, honest network, more than 50 of 100:", box["honest"] > 0.5)
print("hottest place in the box, new network, fewer than 20 of 100:", box["new"] < 0.2)
print("hottest place in a corner, new more often than honest:", corner["new"] > corner["honest"])

# %% tags=["demo"]
shown = np.flatnonzero(sick & usual_test & (honest_logits > 0))[[1, 6, 12]]
fig, axes = plt.subplots(2, 3, figsize=(6.4, 4.6))
for row, network in zip(axes, (honest, biased), strict=True):
    maps = activation_maps(network, test["image"][shown])
    for axis, film, one in zip(row, shown, maps, strict=True):
        draw_heat(axis, test["image"][film], one, test["box"][film])
axes[0, 0].set_title("honest", fontsize=11)
axes[1, 0].set_title("trained on the referred films", fontsize=11)
fig.suptitle("The second network looks away from the spot", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Three films with pneumonia and their boxes, with heat maps of two networks. Above, the honest
    network is hot at the box. Below, the other one is hot in the corner with the letter and at the
    opposite shoulder, and cool at the box.""",
)

# %% [markdown]
# Two things to notice. The heat has left the box, but where it goes is less clear: to the letter, or to the
# opposite corner, where an R would stand at the other hospital. An empty corner names the hospital as well as a letter
# does, and a map says where, not what was seen there. How often the hottest place lies in a corner changes
# much from one training to the next. So a map is where suspicion begins; the swap is the stronger test, because it
# changes one thing and measures.

# %% [markdown]
# ### Exercise 5: take the hospital off the film
#
# The plain remedy is to remove what the network should not see, before training and in use. Complete
# `hide_letters(films)`: `films` has shape (films, 64, 64, 1), of either hospital or both. Return films of the same shape in
# which nothing tells any more which hospital it was, and everything else is as before.
#
# `CORNERS` says where a letter can stand. It is a dict from hospital to the corner's edges in pixels, (top, left, bottom,
# right): rows from top up to but not including bottom, columns from left up to right.

# %%
print(CORNERS)


# %% grade_id="hide_letters" solution=true
def hide_letters(films):
    """Copies of films (films, 64, 64, 1) that do not tell their hospital."""
    ### BEGIN SOLUTION
    hidden = films.copy()
    for top, left, bottom, right in CORNERS.values():
        hidden[:, top:bottom, left:right] = 0
    return hidden
    ### END SOLUTION


# %% grade_id="hide_letters_form" points=1
hidden = np.asarray(hide_letters(few["image"][:8]))
assert hidden.shape == (8, 64, 64, 1), (
    f"Expected films of shape (8, 64, 64, 1), got {hidden.shape}."
)
assert not np.allclose(hidden, few["image"][:8]), "The films came back unchanged."
middle = np.s_[:, 12:, :, :]
assert np.allclose(hidden[middle], few["image"][:8][middle]), (
    "Something below row 12 has changed, where no letter ever stands. Which of a corner's four numbers are rows?"
)

# %% grade_id="hide_letters_hospital" points=2
# Hidden tests: the same films with either letter, one hospital at a time, and what must stay.
### BEGIN HIDDEN TESTS
hidden = np.asarray(hide_letters(few["image"]))
assert np.isfinite(hidden).all(), "Some pixels are not numbers any more."
for films, what in [
    (np.arange(64), "64 films"),
    (np.flatnonzero(few["hospital"] == 0), "films of north only"),
    ([2], "one film"),
]:
    one, other = (np.asarray(hide_letters(split["image"][films])) for split in (few, few_swapped))
    told = np.abs(one - other).max(axis=(1, 2, 3)) > 1e-6
    assert not told.any(), (
        f"{what}: on {told.sum()} of {len(told)} the result still depends on the hospital's letter. Would a network "
        "that knows only your result be able to tell which corner had one?"
    )
allowed = np.zeros((64, 64), bool)
for top, left, bottom, right in CORNERS.values():
    allowed[top:bottom, left:right] = True
changed = np.any(np.abs(hidden - few["image"]) > 1e-6, axis=(0, 3)) & ~allowed
assert not changed.any(), (
    f"{changed.sum()} pixels outside the two corners have changed; lungs reach up there on some films."
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# Only the letter itself is painted over, which leaves a hole in the shape and place of the letter.
def hide_letters(films):
    hidden = films.copy()
    for top, left, bottom, right in CORNERS.values():
        corner = hidden[:, top:bottom, left:right]
        corner[corner > 0.9] = 0
    return hidden


# %% tags=["misconception"]
# Only the corner in which the film has its letter is covered, so the covered corner names the hospital.
def hide_letters(films):
    hidden = films.copy()
    for film in hidden:
        for top, left, bottom, right in CORNERS.values():
            if film[top:bottom, left:right].max() > 0.9:
                film[top:bottom, left:right] = 0
    return hidden


# %% tags=["misconception"]
# Each corner is filled with its own mean, and the mean of a corner with a letter is brighter.
def hide_letters(films):
    hidden = films.copy()
    for top, left, bottom, right in CORNERS.values():
        corner = hidden[:, top:bottom, left:right]
        corner[:] = corner.mean(axis=(1, 2), keepdims=True)
    return hidden


# %% tags=["misconception"]
# The whole upper strip is cut away, and with it the tips of the lungs.
def hide_letters(films):
    hidden = films.copy()
    hidden[:, :12] = 0
    return hidden


# %% tags=["alternative"]
# Multiplies with a mask that is the same for all films.
def hide_letters(films):
    mask = np.ones((64, 64, 1), films.dtype)
    for top, left, bottom, right in CORNERS.values():
        mask[top:bottom, left:right] = 0
    return films * mask


# %% tags=["alternative"]
# Fills both corners with a grey that does not depend on the film.
def hide_letters(films):
    hidden = np.array(films)
    (top, left, bottom, right), (top_2, left_2, bottom_2, right_2) = CORNERS.values()
    hidden[:, top:bottom, left:right] = hidden[:, top_2:bottom_2, left_2:right_2] = 0.3
    return hidden


# %% [markdown]
# ### Ask a model to name the hospital
#
# How does one know that nothing is left? By trying to find it. A model is trained to name the *hospital*, once from the
# films as they are and once with both corners dark. If it can, so can the network that was meant to look for
# pneumonia.

# %% tags=["demo", "nbval-check-output"]
dark = np.zeros((64, 64, 1), bool)
for top, left, bottom, right in CORNERS.values():
    dark[top:bottom, left:right] = True


def name_the_hospital(prepare):
    """AUROC of logistic regression that tells hospitals apart on prepared films."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    model.fit(shrink(prepare(train["image"])), train["hospital"])
    return roc_auc_score(test["hospital"], model.decision_function(shrink(prepare(test["image"]))))


print(
    "hospital from films as they are, AUROC above .99:",
    name_the_hospital(lambda films: films) > 0.99,
)
covered = name_the_hospital(lambda films: np.where(dark, np.float32(0), films))
print("with both corners dark, between .4 and .6:", 0.4 < covered < 0.6)

# %% [markdown]
# ### The same films, without the letter
#
# Now the referred films once more, both corners dark. The collection is as lopsided as before: all that changed is what
# the network can see. *Between the honest network's AUROC and guessing, where will it land?*

# %% tags=["demo"]
mended = train_network(
    np.where(dark, np.float32(0), train["image"][referred]), train["label"][referred]
)

# %% tags=["demo", "nbval-check-output"]
logits = {
    "honest": honest_logits,
    "biased": score(biased, test["image"]),
    "mended": score(mended, np.where(dark, np.float32(0), test["image"])),
}
mended_auroc = roc_auc_score(test["label"][usual_test], logits["mended"][usual_test])
mended_swapped = roc_auc_score(
    test["label"][usual_test],
    score(mended, np.where(dark, np.float32(0), swapped["image"][usual_test])),
)
# 20 seeds: .86 to .93, .01 to .07 behind the honest network (mean .05, standard deviation .02).
print("mended, AUROC above .80:", mended_auroc > 0.80)
print("below the network that reads letters:", mended_auroc < biased_auroc)
print("at most .02 ahead of the honest network:", mended_auroc < honest_usual + 0.02)
print("swapping the letters changes it by:", round(abs(mended_auroc - mended_swapped), 3))

# %% [markdown]
# In the usual test it is *worse* than the one that reads letters, and it is the only one of the two that may be
# let near a patient. It does not get ahead of the honest network either, which had twice as many films, of a better
# mix: taking the shortcut away brings back no evidence that the collection never had.

# %% [markdown]
# ## What it cannot do, and whom it can hurt
#
# Averages hide people. Take the test films of both hospitals, sick and healthy alike, let each network flag what it
# thinks more likely sick than not (a logit above zero), and ask for each hospital: of those who have pneumonia,
# how many are found? *Who pays for the shortcut?*

# %% tags=["demo", "nbval-check-output"]
found = {
    name: [np.mean(values[sick & (test["hospital"] == hospital)] > 0) for hospital in (0, 1)]
    for name, values in logits.items()
}
# 20 seeds: 1.00 at north, 0 to .02 at south; mended, differences of .03 to .12.
print("biased network finds more than 95 of 100 sick at north:", found["biased"][0] > 0.95)
print("and fewer than 20 of 100 at south:", found["biased"][1] < 0.20)
gap = abs(found["mended"][0] - found["mended"][1])
print("mended, the hospitals differ by less than 20 of 100:", gap < 0.20)

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.4))
places = np.arange(3)
for hospital, (name, color) in enumerate([("north", plots.BLUE), ("south", plots.ORANGE)]):
    values = [100 * found[network][hospital] for network in found]
    bars = axis.bar(places + 0.38 * (hospital - 0.5), values, 0.36, label=name, color=color)
    axis.bar_label(bars, fmt="%.0f")
axis.set_xticks(places, ["honest", "biased", "mended"])
axis.set_ylim(0, 112)
axis.set_ylabel("pneumonias found (%)")
axis.legend(title="hospital", loc="center left", bbox_to_anchor=(1, 0.5))
axis.set_title("The shortcut is paid for at the other hospital")
plots.show(
    fig,
    alt="""Bars of the share of pneumonias found at two hospitals. The honest and the mended network find
    about as many at both. The biased one finds nearly all at north and nearly none at south.""",
)

# %% [markdown]
# The sick at *south* are sent home, and no number of the usual test told so, because there were almost none of them
# in it. Networks trained on real films have done this: they told hospitals apart by their markers and machines,
# and lost part of their skill elsewhere.
#
# And the remedy was easy here for a reason that is not there in life: we knew the shortcut. Real films also differ in machine, exposure,
# cropping, position, tubes. What remains useful is the habit:
#
# - test on films from a hospital that gave none to the training;
# - report each group, not only the mean;
# - try to predict what should be invisible: hospital, machine, sex, age;
# - change one thing that should not matter, and measure.
#
# Two limits of what we did remain. Our films are simulated, so none of our numbers says anything about a patient. And a network
# that finds one spot knows one disease; it has no word for anything else that it sees.

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Mend the biased network in another way: tape a letter, drawn at random, onto *every* training film. Does it learn to ignore
#    letters, and is it better than dark corners?
# 2. Let one film in five be the other way round, instead of one in twenty. How much variety does it take until the lung pays
#    again?
# 3. Draw the heat maps from an earlier layer, `parts`, with your `grad_cam`. Sharper, but is it still right?
#
# To read: Zech and others (2018), *Variable generalization performance of a deep learning model to detect pneumonia in chest
# radiographs* (PLOS Medicine), in which hospitals' markers were read; DeGrave, Janizek and Lee (2021), *AI for radiographic
# COVID-19 detection selects shortcuts over signal* (Nature Machine Intelligence); Selvaraju and others (2017), *Grad-CAM*.
#
# ### At full size
#
# `pneumonia_mnist` holds 5,856 real chest films of children, 28 × 28 pixels, 4.2 MB, from the MedMNIST collection. The same
# call takes it once it has been downloaded. It has no boxes and does not say who taped what.

# %% tags=["demo"]
try:
    real, info = datasets.load("pneumonia_mnist", split="train", with_info=True)
    print(info.features)
except datasets.DatasetNotDownloadedError as error:
    print(error)

# %% [markdown]
# What changes: the input's shape, (28, 28, 1), so the first layer keeps `strides=1`; about three in four of its films show
# pneumonia, so compare with that share, and keep AUROC; its films are of children from one hospital, so you cannot try what this lesson
# tried. At the size of real films, 1,000 pixels and more a side, a GPU is needed: `course.setup(precision="auto")` then computes in
# float16, numbers of 16 bits (lesson 05), with float32 weights, and our network keeps its output in float32 for that reason. And one starts from a network trained on other
# pictures, which is lesson 09.
