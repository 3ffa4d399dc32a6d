# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Chest X-rays
#     summary: You build a convolutional network that finds pneumonia on simulated chest films, train it in Keras, see where it looks, and catch one that reads the hospital's marker and not the lung.
#     part: II Classification and prediction in challenging domains
#     minutes: 100
#     minutes_reading: 35
#     objectives:
#     - compute a convolution by hand, and say what sharing its weights saves
#     - build a convolutional network in Keras, train it with validation and early stopping, and hold it against simpler models
#     - choose a threshold by sensitivity and specificity, and say what it means where disease is rare
#     - write an augmentation in Keras, and measure what it costs and what it buys on films of another machine
#     - draw where a network looks by Grad-CAM, and score the drawing against a known box
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
#     built: a convolution in NumPy, a convolutional network and its augmentation in Keras, Grad-CAM for any such network, and a remedy for one that reads the hospital's marker
#     terms:
#       "convolution, convolutional, Conv2D": A layer that moves small kernels over a picture and answers at each place how well the pattern fits.
#       "kernel (of a convolution)": The small pattern of weights that a convolution lays on every place.
#       "feature map": The picture of one kernel's answers at all places.
#       "channel (of a picture)": "One of the numbers that each pixel has: one for grey, three for colour, as many as there were kernels after a convolution."
#       "parameter sharing": The use of the same weights at every place, which saves millions of them.
#       "pooling, MaxPooling2D, AveragePooling2D": Shrinking a feature map by keeping the largest value, or the mean, of each small square.
#       "stride": How many places a kernel moves at a time; with a stride of 2 the maps are half as wide and half as high.
#       "equivariant": Said of an answer that moves along when the input is moved.
#       "invariant": Said of an answer that stays the same when the input is moved.
#       "global average pooling, GlobalAveragePooling2D": Taking the mean of each whole feature map, so that the place is gone.
#       "functional model": "A Keras model written as a graph: from `keras.Input`, each layer is called on the result of the one before."
#       "Reshape": The layer that gives numbers another shape, such as a picture's.
#       "batch normalisation, BatchNormalization": A layer that brings each feature map to mean 0 and spread 1 over the batch, which lets networks train faster.
#       "sensitivity": The share of the positive examples, such as the sick, that an alarm flags.
#       "specificity": The share of the negative examples, such as the healthy, that an alarm leaves alone.
#       "CosineDecay": A learning rate that falls to zero along a cosine.
#       "augmentation, RandomTranslation, RandomRotation, RandomBrightness, RandomFlip": Training on changed copies of the examples, in ways that could have happened.
#       "class activation map": A picture of how much each place argues for a class, for a network that ends in global average pooling.
#       "Grad-CAM": A class activation map for any convolutional network, by the gradient of the logit.
#       "shortcut (in data)": A rule that is true in the collection and false in the world, which a network finds because it is easy.
#       "binary cross-entropy, BinaryCrossentropy": The cross-entropy of a question with two answers, from one logit or probability an example.
#       "Flatten": The layer that makes one row of numbers of a picture or of feature maps.
#       "Rescaling": The layer that multiplies its inputs by a number and adds another.
#       "residual connection, Add": An addition of what a block of layers computes to what it was given, so that the gradient has a short way back.
#     explains: [AUROC, float16]
# ---

# %% [markdown]
# # Chest X-rays
#
# Inflamed lung fills with fluid, and fluid stops X-rays: on a film, pneumonia is a brighter spot where the lung should
# be dark. Can a network find it? And how do we know that the spot is what it found?
#
# In this lesson you build such a network from one small filter upwards, train it in Keras, make it show where it looks,
# and catch a second network that scores better in the usual test and hardly looks at the lung. Reading and running
# takes about 35 minutes, of which a minute is waiting; the five exercises, three of them in Keras, take an hour more.

# %%
import course

course.setup(seed=0)

import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops

from course import datasets, fallbacks, plots, results

few = datasets.arrays("chest_xrays", "test[:64]", scaled=True)
few_swapped = datasets.arrays("chest_xrays", "test_swapped[:64]", scaled=True)
CORNERS = datasets.info("chest_xrays").metadata["corners"]

# %% [markdown]
# These are such films, simulated. Above, the film as a doctor gets it; below, the same film with a box around the spot.
# At the end of the lesson a network points at the place without being told where it is.


# %% tags=["demo"]
from matplotlib.patches import Rectangle

plt.rcParams["image.interpolation"] = "nearest"  # pixels as they are


def draw_film(axis, film, box=None, color=plots.ORANGE):
    """A film, and the box (ymin, xmin, ymax, xmax), in parts of the film, around a finding."""
    axis.imshow(film[..., 0], cmap="gray", vmin=0, vmax=1)
    axis.set_axis_off()
    if box is not None:
        top, left, bottom, right = np.asarray(box) * 64 - 0.5
        frame = Rectangle((left, top), right - left, bottom - top, fill=False, color=color, lw=2)
        axis.add_patch(frame)


# %% tags=["demo"]
fig, axes = plt.subplots(2, 4, figsize=(6.4, 3.6))
sick_films = np.flatnonzero(few["label"] == 1)[[0, 5, 8, 12]]
for (above, below), film in zip(axes.T, sick_films, strict=True):
    draw_film(above, few["image"][film])
    draw_film(below, few["image"][film], few["box"][film])
fig.suptitle("Pneumonia is a brighter spot in a dark lung", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Four chest films with ribs, heart and dark lungs, each drawn twice. In the lower row a box
    surrounds a patch in one lung that is slightly brighter than its surroundings.""",
)

# %% [markdown]
# ## A second pair of eyes
#
# Networks read pictures wherever there are more of them than people to look at them: parcels on a belt, cars on a road,
# faces in an album, search by image. In medicine they mark suspicious spots on skin, damage to the retina in diabetes,
# nodules in lungs; on some of these narrow tasks they have matched specialists. In practice they do not replace one.
# They sort the queue, so that the urgent film is read first, and they offer a second opinion where the nearest
# radiologist is a day's journey away.
#
# Pictures are hard for two reasons. The sign is small and may lie anywhere, in thousands of pixels that vary for other
# reasons. And a picture holds more than the patient: who took it, on which machine, in which ward. A network uses
# whatever helps. The first half of this lesson is about the first reason, the second half about the second.

# %% [markdown]
# ## Three thousand films, and what is real about them
#
# **These films are simulated: there is no patient, and no hospital.** Bodies, ribs, hearts and lungs are drawn by
# rules, with random size, place, tilt, exposure and noise; half of the films get a soft bright spot in one lung, and
# the rules keep its box. Some films of both kinds have a small nodule or a hazy lower zone, which mean nothing. What is
# real about them: air is dark, bone is bright, the sign is faint and can lie anywhere in the lung. What is not: real
# pneumonia has many forms, other diseases look like it, and nobody knows the truth for certain.

# %% tags=["demo", "nbval-check-output"]
train, validation, test, swapped = (
    datasets.arrays("chest_xrays", split, scaled=True)
    for split in ("train", "validation", "test", "test_swapped")
)
for name, split in {"train": train, "validation": validation, "test": test}.items():
    print(f"{name:11s}{len(split['label']):5d} films, {split['label'].mean():.0%} with pneumonia")
half = {name: values[:1000] for name, values in train.items()}
sick = test["label"] == 1
top, left, bottom, right = test["box"][sick].T
box_share = np.mean((bottom - top) * (right - left))
print(f"one film: {test['image'].shape[1:]}; a box covers {box_share:.0%} of it on average")

# %% [markdown]
# Two conventions matter later. A film shows the patient from the front: **the film's right side is the patient's
# left**, and there the heart lies. And each film bears a letter that the hospital tapes onto it: *north* puts an L at
# the upper right, *south* an R at the upper left. Each hospital has as many sick as healthy patients, for now.
# `swapped` holds the films of `test` once more, each with the other hospital's letter. The first models learn from
# `half`, the first 1,000 of the training films, so that training stays short; from all 2,000 we shall choose later.

# %% [markdown]
# ### A straight line through the pixels
#
# First a model without depth: logistic regression on the pixels, shrunk to 16 × 16 so that it does not drown in noise.
# Accuracy would depend on where we set the alarm, so we judge by **AUROC**, the area under the receiver operating
# characteristic: the chance that a random sick film gets a higher score than a random healthy one. Guessing has .5,
# perfection 1. *What do you expect of one weight per pixel, when the spot may lie anywhere?*

# %% tags=["demo", "nbval-check-output"]
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def shrink(films, factor=4):
    """Mean brightness of squares of ``factor`` by ``factor`` pixels, one row a film."""
    small = films.reshape(len(films), 64 // factor, factor, 64 // factor, factor)
    return small.mean(axis=(2, 4)).reshape(len(films), -1)


began = time.perf_counter()
line = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
line.fit(shrink(half["image"]), half["label"])
line_seconds = time.perf_counter() - began
line_auroc = roc_auc_score(test["label"], line.decision_function(shrink(test["image"])))
results.table(
    ("logistic regression, AUROC", line_auroc, (0.79, 0.8)),
)

# %% [markdown]
# Better than guessing. (Its result does not depend on a seed, and its range allows for rounding.) But it has to learn
# every place anew, from the few films that happened to have a spot there.

# %% [markdown]
# ## One small filter looks everywhere
#
# A **convolution** turns this around. It learns one small pattern, the **kernel**, say of 3 × 3 weights, and lays it on
# every place of the image in turn. At each place it multiplies the nine pixels with the nine weights, adds them up, and
# adds a bias:
#
# $$z_{r,c} = b + \sum_{i=0}^{2} \sum_{j=0}^{2} k_{i,j} \, x_{r+i,\,c+j}$$
#
# $x$ is the image, $k$ the kernel, $b$ the bias, and $z_{r,c}$ the answer for the window whose upper left pixel is in
# row $r$, column $c$. All the answers form a new image, a **feature map**: bright where the pattern is. Here is one
# window, and a kernel that answers to brightness that grows from left to right.

# %% tags=["nbval-check-output"]
window = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
left_to_right = np.array([[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]])
print("on an edge:          ", np.sum(window * left_to_right))
print("on the same, mirrored:", np.sum(window[:, ::-1] * left_to_right))
print("where nothing changes:", np.sum(np.ones((3, 3)) * left_to_right))

# %% [markdown]
# ### Exercise 1: a convolution by hand
#
# In a network, images have **channels** (one for grey, three for colour, as many as there were kernels once a layer has
# been applied), and a layer has several kernels. A kernel reaches through all channels; each kernel makes one channel
# of the result. Complete `convolve` in NumPy:
#
# | argument | shape | holds |
# |---|---|---|
# | `image` | (height, width, channels) | the image |
# | `kernels` | (rows, columns, channels, filters) | one kernel for each filter, at the end of the array |
# | `bias` | (filters,) | one number for each filter |
#
# Only windows that lie wholly inside the image count (Keras calls that `padding="valid"`). Work out from that how many
# rows and columns the result has; its last axis has one entry for each filter.


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


# %% grade_id="convolve_by_hand" points=2
# One row of pixels, one channel; one kernel of one row: each answer is (right neighbour) - (pixel) + 0.5.
result = convolve(
    np.array([1.0, 3.0, 2.0, 6.0]).reshape(1, 4, 1),
    np.array([-1.0, 1.0]).reshape(1, 2, 1, 1),
    np.array([0.5]),
)
result = np.asarray(result)
assert result.shape == (1, 3, 1), (
    f"A window of 1 x 2 has 3 places in an image of 1 x 4, so shape (1, 3, 1); yours has {result.shape}. "
    "Count the places of a window that lies wholly inside."
)
assert np.allclose(result.ravel(), [2.5, -0.5, 4.5]), (
    f"Expected 2.5, -0.5, 4.5 and got {np.round(result.ravel(), 4).tolist()}. The first window holds 1 and 3: "
    "-1 · 1 + 1 · 3 + 0.5 = 2.5."
)
# Two rows, two channels, two filters: a single window, so one number for each filter.
image = np.array([[[1.0, 10.0]], [[2.0, 20.0]]])
kernels = np.array([1.0, 2.0, 0.5, 0.0, 3.0, 1.0, 0.1, 4.0]).reshape(2, 1, 2, 2)
result = np.asarray(convolve(image.copy(), kernels.copy(), np.array([100.0, -50.0])))
assert np.allclose(result, [[[114.0, 34.0]]]), (
    f"One window of 2 x 1 pixels, two channels, two filters: expected [[[114, 34]]], got {result.tolist()}. The "
    "first filter's weights are 1 and 0.5 above, 3 and 0.1 below: 1 · 1 + 0.5 · 10 + 3 · 2 + 0.1 · 20 + 100 = 114."
)

# %% grade_id="convolve_any_size" points=2
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
    result = np.asarray(convolve(image.copy(), kernels.copy(), bias.copy()))
    shape = (size[0] - window[0] + 1, size[1] - window[1] + 1, filters)
    case = f"image {image.shape}, kernels {kernels.shape}"
    assert result.shape == shape, (
        f"{case}: expected shape {shape}, got {result.shape}. How many places has a window along each axis?"
    )
    views = np.lib.stride_tricks.sliding_window_view(image, window, axis=(0, 1))
    want = np.einsum("rcmij,ijmf->rcf", views, kernels) + bias
    wrong = ~np.isclose(result, want, atol=1e-4)
    assert not wrong.any(), (
        f"{case}: {wrong.sum()} of {want.size} values are wrong; the first is {result[wrong][0]:.4f} and should be "
        f"{want[wrong][0]:.4f}. Compare one window with the formula: which weight meets which pixel, in which channel?"
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


# %% tags=["misconception"]
# The kernel is taken to be square: its height serves as its width too.
def convolve(image, kernels, bias):
    size, filters = kernels.shape[0], kernels.shape[3]
    maps = np.zeros((image.shape[0] - size + 1, image.shape[1] - size + 1, filters))
    for r, c in np.ndindex(maps.shape[:2]):
        window = image[r : r + size, c : c + size, :, None]
        maps[r, c] = np.sum(window * kernels, axis=(0, 1, 2)) + bias
    return maps


# %% tags=["misconception"]
# Negative answers are cut off: the activation comes after the convolution, and is not part of it.
def convolve(image, kernels, bias):
    windows = np.lib.stride_tricks.sliding_window_view(image, kernels.shape[:2], axis=(0, 1))
    return np.maximum(np.einsum("rcmij,ijmf->rcf", windows, kernels) + bias, 0)


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


# %% tags=["alternative"]
# One kernel and one channel at a time, by SciPy's correlation of two pictures.
def convolve(image, kernels, bias):
    from scipy.signal import correlate2d

    maps = []
    for kernel, b in zip(np.moveaxis(kernels, 3, 0), bias):
        parts = [
            correlate2d(image[..., m], kernel[..., m], "valid") for m in range(len(image[0, 0]))
        ]
        maps.append(np.sum(parts, axis=0) + b)
    return np.stack(maps, axis=-1)


# %% [markdown]
# What you write is used from here on. Where an exercise is not answered yet, the lesson takes a function of the
# course's own and says so; you can read on, and come back. Here is your convolution, with three kernels on a film.
# Nobody will choose kernels later; gradient descent will. These show what one can say.

# %% tags=["demo"]
from course.fallbacks import chest_xrays as ours

convolve = fallbacks.choose(convolve, ours.convolve, ours.convolve_works)
film = few["image"][sick_films[0]]
kernels = {
    "left to right": left_to_right,
    "top to bottom": left_to_right.T,
    "mean of 7 × 7": np.full((7, 7), 1 / 49),
}
fig, axes = plt.subplots(1, 4, figsize=(6.4, 2.1))
draw_film(axes[0], film)
axes[0].set_title("film", loc="center")
for axis, (name, kernel) in zip(axes[1:], kernels.items(), strict=True):
    feature_map = convolve(film, kernel[:, :, None, None], np.zeros(1))
    axis.imshow(np.asarray(feature_map)[..., 0], cmap="gray")
    axis.set_title(name, loc="center")
    axis.set_axis_off()
fig.suptitle("Edges, ribs, soft spots: a kernel each", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""A chest film and three feature maps. The first kernel outlines the sides of lungs and body,
    the second draws the ribs as stripes, the third blurs the film so that broad bright areas remain.""",
)

# %% [markdown]
# ### Sharing saves millions of weights
#
# The same nine weights serve every place. That is **parameter sharing**, and it changes the order of magnitude. Below
# are two layers that turn a film into 16 maps of the same size: *how many weights would each need?* The second is never
# built, only counted.

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
# **Pooling** shrinks a map: of each 2 × 2 square it keeps the largest value. What is left says that the pattern was
# there, a little less exactly where, in a quarter of the numbers. The next kernel then sees twice as far. Another way
# to the same end is a **stride**: a kernel with a stride of 2 is laid on every second place only, down and across.

# %% tags=["nbval-check-output"]
answers = np.array([[1, 0, 0, 2], [3, 0, 1, 0], [0, 0, 0, 0], [0, 4, 0, 5]])
print(answers.reshape(2, 2, 2, 2).max(axis=(1, 3)))

# %% [markdown]
# ### Move the film, and the map moves along
#
# Shift the film by 8 pixels, and the feature map is the same map, shifted by 8: the convolution is **equivariant**. If
# in the end one takes the mean of each whole map (**global average pooling**), the place is gone: the answer is
# **invariant**, the same wherever the spot lies. A dense layer on all the pixels has neither property. Below are a spot
# on a dark film, 16 random kernels, and a dense layer of 16 neurons with random weights.

# %% tags=["demo", "nbval-check-output"]
spot = np.zeros((1, 64, 64, 1), "float32")
spot[0, 16:28, 16:28] = 1
moved = np.roll(spot, 8, axis=1)
before, after = shared(spot).numpy(), shared(moved).numpy()
dense_layer = layers.Dense(16)
dense_before, dense_after = (dense_layer(film.reshape(1, -1)).numpy() for film in (spot, moved))
print("largest difference that moving the spot by 8 pixels makes:")
results.table(
    ("maps, moved back", np.abs(np.roll(before, 8, axis=1) - after).max(), (0, 0.0001)),
    ("means of the maps", np.abs(np.mean(before - after, axis=(1, 2))).max(), (0, 0.0001)),
    ("neurons of the dense layer", np.abs(dense_before - dense_after).max(), (0.27, 1)),
)

# %% [markdown]
# The dense layer has to learn every place by itself; what a kernel learns at one place, it knows at all of them. (The
# ranges here are over draws of the random weights.)

# %% [markdown]
# ## A network that says how sure it is
#
# Now put the pieces together: four rounds of convolution and ReLU, with a pooling after the first, then global average
# pooling, then one neuron. Two things are new.
#
# - **Batch normalisation** after each convolution brings every map to mean 0 and spread 1 over the batch, then gives it a scale and an offset that are
#   learned. It lets such networks train faster. While training it also keeps running means of what it saw, and uses those afterwards, when there
#   may be one film and no batch. A `momentum` of .9 says how slowly they follow: each batch moves them a tenth of the way.
# - The neuron gives a **logit**: any number, positive for pneumonia, which
#   $\sigma(z) = 1 / (1 + e^{-z})$ turns into a probability. The loss takes the logit as it is, because a probability near 0 or 1 loses in float32
#   what the logit still says.


# %% tags=["demo"]
def draw_block(axis, x, size, maps, text, color):
    """A pile of square maps, as large as they are, with what they are below."""
    for depth in range(maps):
        edge = (x + 0.05 * depth, -size / 2 + 0.05 * depth)
        axis.add_patch(Rectangle(edge, size, size, fc="white", ec=color, lw=1.2))
    axis.text(x + size / 2, -1.35, text, ha="center", va="top", fontsize=10)


# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.8, 2.6))
for x, size, maps, text in [
    (0.0, 2.0, 1, "film\n64 × 64"), (3.2, 1.2, 4, "8 maps\n32 × 32"),
    (5.7, 0.7, 8, "16 maps\n16 × 16"), (8.0, 0.7, 8, "16 maps\n16 × 16"),
    (10.3, 0.7, 16, "32 maps\n16 × 16"),
]:  # fmt: skip
    draw_block(axis, x, size, maps, text, plots.BLUE if x else plots.BLACK)
plots.box(axis, 13.3, 0.1, "32\nmeans", plots.GREEN)
plots.box(axis, 15.3, 0.1, "logit", plots.ORANGE)
for start, end, text in [
    (2.1, 3.1, "5 × 5,\nstride 2"), (4.65, 5.6, "pooling,\n3 × 3"), (6.95, 7.9, "3 × 3"),
    (9.25, 10.2, "3 × 3"), (11.85, 12.75, "mean over\nall places"), (13.9, 14.7, "dense"),
]:  # fmt: skip
    plots.arrow(axis, (start, 0.1), (end, 0.1))
    axis.text((start + end) / 2, 1.2, text, ha="center", va="bottom", fontsize=9)
axis.set(xlim=(-0.3, 16.1), ylim=(-2.4, 2.2))
axis.set_axis_off()
axis.set_title("The maps get smaller, and there are more of them")
plots.show(
    fig,
    alt="""The network from left to right. A film of 64 by 64 pixels becomes 8 maps of 32 by 32 by kernels of 5 by 5 with stride 2.
    Pooling and kernels of 3 by 3 make 16 maps of 16 by 16 of these, and two more rounds of kernels 16 and then 32 maps of the same
    size. The mean over all places makes 32 numbers of them, and one neuron a logit.""",
)

# %% [markdown]
# ### Exercise 2: the network
#
# Complete `build_network(shape, filters)`, which returns a Keras model, not compiled. `shape` is that of a film, such
# as (64, 64, 1), and `filters` a list of two numbers or more, such as [8, 16, 16, 32].
#
# 1. In: films of `shape` with values from 0 to 1. `layers.Rescaling(4, offset=-2)` multiplies them by 4 and subtracts 2, so that they lie around 0.
# 2. For each number in `filters` a block: `layers.Conv2D` with that many filters, `padding="same"` and `use_bias=False` (what comes next has
#    an offset); `layers.BatchNormalization(momentum=0.9)`; `layers.ReLU`. The first convolution has kernels of 5 × 5 and `strides=2`, all others
#    3 × 3 and no stride.
# 3. Between the first block and the second one, and nowhere else, `layers.MaxPooling2D()`. The last ReLU is named `"maps"` (`name="maps"`): we shall look inside.
# 4. `layers.GlobalAveragePooling2D()`, and a dense layer named `"logit"` that gives one logit a film, shape (1,).
#
# Write it as a graph, which Keras calls a **functional model**: start at `keras.Input`, call each layer on the result
# of the one before, and hand first and last to `keras.Model`.


# %% grade_id="build_network" solution=true
def build_network(shape, filters):
    """An uncompiled Keras model from films (batch, *shape) to logits (batch, 1)."""
    ### BEGIN SOLUTION
    films = keras.Input(shape)
    x = layers.Rescaling(4, offset=-2)(films)
    for block, count in enumerate(filters):
        x = layers.MaxPooling2D()(x) if block == 1 else x
        size, stride = (3, 1) if block else (5, 2)
        x = layers.Conv2D(count, size, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU(name="maps" if block == len(filters) - 1 else None)(x)
    means = layers.GlobalAveragePooling2D()(x)
    return keras.Model(films, layers.Dense(1, name="logit")(means))
    ### END SOLUTION


# %% grade_id="build_network_form" points=1
network = build_network((40, 28, 1), [3, 5, 4])
assert isinstance(network, keras.Model), (
    f"Return a Keras model; you returned {type(network).__name__}."
)
assert (network.input_shape, network.output_shape) == ((None, 40, 28, 1), (None, 1)), (
    "Films of (40, 28, 1) to one logit: (None, 40, 28, 1) in and (None, 1) out, where None is the batch; the model "
    f"maps {network.input_shape} to {network.output_shape}."
)
maps = network.get_layer("maps").output.shape
assert maps == (None, 10, 7, 4), (
    f"For [3, 5, 4] filters the layer `maps` should give (None, 10, 7, 4): 40 by 28 becomes 20 by 14 by the stride and 10 by 7 "
    f"by the one pooling. It gives {maps}."
)
want = {"Conv2D": 75 + 135 + 180, "BatchNormalization": 4 * 12, "Dense": 4 + 1}
assert network.count_params() == sum(want.values()), (
    f"{want} makes {sum(want.values())} parameters; there are {network.count_params()}. "
    "A convolution has no bias here: filters × rows × columns × channels."
)
weights = [np.zeros(weight.shape) for weight in network.weights]
weights[-1] = np.array([-3.0])
network.set_weights(weights)
logit = np.asarray(network(np.zeros((1, 40, 28, 1)), training=False))[0, 0]
assert np.isclose(logit, -3), (
    f"With all weights 0 and a bias of -3 the logit is -3, not {logit:.4f}."
)

# %% grade_id="build_network_by_hand" points=1
# Two blocks of one filter whose kernels copy the picture; the first normalisation turns the sign, the second subtracts .5.
network = build_network((8, 8, 1), [1, 1])
first, second = np.zeros((5, 5, 1, 1)), np.zeros((3, 3, 1, 1))
first[2, 2] = second[1, 1] = 1
one, zero, variance = np.ones(1), np.zeros(1), np.full(1, 0.999)
blocks = [first, -one, zero, zero, variance, second, one, zero - 0.5, zero, variance]
network.set_weights([*blocks, np.ones((1, 1)), zero])
film = np.kron([[1.0, 0.0], [0.75, 0.25]], np.ones((4, 4)))[None, ..., None]
film[0, 1, 5] = 0.25
inside = keras.Model(network.inputs[0], network.get_layer("maps").output)
maps = np.asarray(inside(film, training=False))
story = (
    "A film with quarters of 1, 0, .75 and .25 is 2, -2, 1 and -1 after the rescaling. The first block makes 0, 2, 0, 1 of them, and "
    "pooling keeps the largest of each quarter. The second block makes 0, 1.5, 0, .5, and the mean of these is the logit, .5"
)
assert np.allclose(maps.ravel(), [0, 1.5, 0, 0.5], atol=1e-3), (
    f"{story}. Your layer `maps` gives {maps.ravel().round(4).tolist()}."
)
logit = np.asarray(network(film, training=False))[0, 0]
assert np.isclose(logit, 0.5, atol=1e-3), f"{story}; yours is {logit:.4f}."

# %% grade_id="build_network_values" points=1
# Hidden tests: with random weights, does it compute what the four points say?
### BEGIN HIDDEN TESTS
for seed, shape, filters in [(1, (36, 22, 1), [3, 5, 4]), (2, (17, 24, 2), [2, 4])]:
    rng = np.random.default_rng(seed)
    network = build_network(shape, list(filters))
    weights = [rng.uniform(0.2, 1.2, weight.shape) for weight in network.weights]
    for place in [*range(0, len(weights), 5), len(weights) - 2]:
        weights[place] = rng.normal(0, 0.6, weights[place].shape).astype("float32")
    network.set_weights(weights)
    films = rng.random((6, *shape)).astype("float32")
    x = 4 * films - 2
    for block in range(len(filters)):
        kernel, scale, offset, mean, variance = weights[5 * block : 5 * block + 5]
        x = ops.max_pool(x, 2) if block == 1 else x
        x = np.asarray(ops.conv(x, kernel, strides=1 if block else 2, padding="same"))
        x = np.maximum(scale * (x - mean) / np.sqrt(variance + 1e-3) + offset, 0).astype("float32")
    want = np.mean(x, axis=(1, 2)) @ weights[-2] + weights[-1]
    got = np.asarray(network(films, training=False))
    assert np.abs(got - want).max() < 1e-3 * max(1, np.abs(want).max()), (
        f"Films {shape}, filters {filters}: with random weights the first logit is {got[0, 0]:.4f} and should be {want[0, 0]:.4f}. "
        "Are the pixels rescaled, does each block go convolution, normalisation, ReLU, and where does the pooling stand?"
    )
### END HIDDEN TESTS

# %% grade_id="build_network_training" points=1
# Hidden tests: how do the running means of the normalisation follow in training?
### BEGIN HIDDEN TESTS
network, films = build_network((6, 4, 1), [2, 3]), np.zeros((2, 6, 4, 1), "float32")
places = [at for at, weight in enumerate(network.weights) if weight.shape == (2,)][2:]
before, kernel = [part.copy() for part in network.get_weights()], np.asarray(network.weights[0])
network(films, training=True)
# Black films are -2 everywhere after the rescaling; in the middle a kernel sees nothing else.
seen = np.mean(np.asarray(ops.conv(films - 2, kernel, strides=2, padding="same")), axis=(0, 1, 2))
now, want = network.get_weights()[places[0]], 0.9 * before[places[0]] + 0.1 * seen
assert np.allclose(now, want, atol=1e-3), (
    f"After one batch in training the running means of the first normalisation should be {want}, a tenth of the way from 0 to "
    f"{seen}; they are {now}."
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The last layer already turns the logit into a probability, which can be neither negative nor large.
def build_network(shape, filters):
    films = keras.Input(shape)
    x = layers.Rescaling(4, offset=-2)(films)
    for block, count in enumerate(filters):
        x = layers.MaxPooling2D()(x) if block == 1 else x
        size, stride = (3, 1) if block else (5, 2)
        x = layers.Conv2D(count, size, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU(name="maps" if block == len(filters) - 1 else None)(x)
    means = layers.GlobalAveragePooling2D()(x)
    return keras.Model(films, layers.Dense(1, activation="sigmoid", name="logit")(means))


# %% tags=["misconception"]
# The maps are flattened before the last layer, which then has a weight for every place, and has to learn each place by itself.
def build_network(shape, filters):
    films = keras.Input(shape)
    x = layers.Rescaling(4, offset=-2)(films)
    for block, count in enumerate(filters):
        x = layers.MaxPooling2D()(x) if block == 1 else x
        size, stride = (3, 1) if block else (5, 2)
        x = layers.Conv2D(count, size, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU(name="maps" if block == len(filters) - 1 else None)(x)
    return keras.Model(films, layers.Dense(1, name="logit")(layers.Flatten()(x)))


# %% tags=["misconception"]
# The blocks have no bend: without ReLU, convolutions in a row are one convolution.
def build_network(shape, filters):
    films = keras.Input(shape)
    x = layers.Rescaling(4, offset=-2)(films)
    for block, count in enumerate(filters):
        x = layers.MaxPooling2D()(x) if block == 1 else x
        size, stride = (3, 1) if block else (5, 2)
        x = layers.Conv2D(count, size, strides=stride, padding="same", use_bias=False)(x)
        name = "maps" if block == len(filters) - 1 else None
        x = layers.BatchNormalization(momentum=0.9, name=name)(x)
    means = layers.GlobalAveragePooling2D()(x)
    return keras.Model(films, layers.Dense(1, name="logit")(means))


# %% tags=["misconception"]
# Every block ends in a pooling, not only the first, so the maps inside are too small to say where.
def build_network(shape, filters):
    films = keras.Input(shape)
    x = layers.Rescaling(4, offset=-2)(films)
    for block, count in enumerate(filters):
        size, stride = (3, 1) if block else (5, 2)
        x = layers.Conv2D(count, size, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU(name="maps" if block == len(filters) - 1 else None)(x)
        x = layers.MaxPooling2D()(x)
    means = layers.GlobalAveragePooling2D()(x)
    return keras.Model(films, layers.Dense(1, name="logit")(means))


# %% tags=["misconception"]
# ReLU comes before the normalisation, so the maps inside are not cut at zero last.
def build_network(shape, filters):
    films = keras.Input(shape)
    x = layers.Rescaling(4, offset=-2)(films)
    for block, count in enumerate(filters):
        x = layers.MaxPooling2D()(x) if block == 1 else x
        size, stride = (3, 1) if block else (5, 2)
        x = layers.Conv2D(count, size, strides=stride, padding="same", use_bias=False)(x)
        x = layers.ReLU(name="maps" if block == len(filters) - 1 else None)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
    means = layers.GlobalAveragePooling2D()(x)
    return keras.Model(films, layers.Dense(1, name="logit")(means))


# %% tags=["misconception"]
# The films are taken as they are, from 0 to 1, and not brought around 0.
def build_network(shape, filters):
    films = x = keras.Input(shape)
    for block, count in enumerate(filters):
        x = layers.MaxPooling2D()(x) if block == 1 else x
        size, stride = (3, 1) if block else (5, 2)
        x = layers.Conv2D(count, size, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU(name="maps" if block == len(filters) - 1 else None)(x)
    means = layers.GlobalAveragePooling2D()(x)
    return keras.Model(films, layers.Dense(1, name="logit")(means))


# %% tags=["misconception"]
# The largest answer of each map is kept at the end instead of the mean over all places.
def build_network(shape, filters):
    films = keras.Input(shape)
    x = layers.Rescaling(4, offset=-2)(films)
    for block, count in enumerate(filters):
        x = layers.MaxPooling2D()(x) if block == 1 else x
        size, stride = (3, 1) if block else (5, 2)
        x = layers.Conv2D(count, size, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU(name="maps" if block == len(filters) - 1 else None)(x)
    return keras.Model(films, layers.Dense(1, name="logit")(layers.GlobalMaxPooling2D()(x)))


# %% tags=["misconception"]
# The running means follow with Keras's usual momentum of .99, ten times as slowly as asked for.
def build_network(shape, filters):
    films = keras.Input(shape)
    x = layers.Rescaling(4, offset=-2)(films)
    for block, count in enumerate(filters):
        x = layers.MaxPooling2D()(x) if block == 1 else x
        size, stride = (3, 1) if block else (5, 2)
        x = layers.Conv2D(count, size, strides=stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU(name="maps" if block == len(filters) - 1 else None)(x)
    means = layers.GlobalAveragePooling2D()(x)
    return keras.Model(films, layers.Dense(1, name="logit")(means))


# %% tags=["alternative"]
# A Sequential model, with the activation as a layer of its name.
def build_network(shape, filters):
    model = keras.Sequential([keras.Input(shape), layers.Rescaling(scale=4.0, offset=-2.0)])
    for block, count in enumerate(filters):
        if block == 0:
            model.add(layers.Conv2D(count, 5, 2, "same", use_bias=False))
        else:
            if block == 1:
                model.add(layers.MaxPooling2D(2))
            model.add(layers.Conv2D(count, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.9))
        is_last = block + 1 == len(filters)
        model.add(layers.Activation("relu", name="maps" if is_last else f"bend_{block}"))
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(1, name="logit"))
    return model


# %% tags=["alternative"]
# The last block by itself, arithmetic for the rescaling, and a mean by an operation of Keras.
def build_network(shape, filters):
    def convolved(x, count, size, stride):
        convolution = layers.Conv2D(count, (size, size), (stride, stride), "same", use_bias=False)
        return layers.BatchNormalization(axis=-1, momentum=0.9)(convolution(x))

    films = keras.Input(shape=tuple(shape))
    x = 4.0 * films - 2.0
    x = layers.ReLU()(convolved(x, filters[0], 5, 2))
    x = layers.MaxPool2D(pool_size=(2, 2))(x)
    for count in filters[1:-1]:
        x = layers.ReLU()(convolved(x, count, 3, 1))
    maps = layers.ReLU(name="maps")(convolved(x, filters[-1], 3, 1))
    return keras.Model(films, layers.Dense(1, None, name="logit")(ops.mean(maps, axis=(1, 2))))


# %% tags=["demo"]
build_network = fallbacks.choose(build_network, ours.build_network, ours.build_network_works)
build_network((64, 64, 1), [8, 16, 16, 32]).summary()

# %% [markdown]
# ### Train it, and look at the curve
#
# Training is one page of Keras. The optimizer is Adam. After each epoch `fit` computes the loss on the validation
# films, and two callbacks look at it: `ReduceLROnPlateau` multiplies the learning rate by .3 when that loss has not
# improved, and `EarlyStopping` ends the training after three such epochs in a row and restores the weights of the best
# one. We give it ten epochs at most, to keep you from waiting; where more would help, the curve says so. (Another usual
# way lets the rate fall along a cosine, whatever the loss does: `CosineDecay`.) The loss is **binary cross-entropy**,
# from logits, and the metric is AUROC.


# %% tags=["demo"]
SEED, RATE = 0, 6e-3


def fit_network(network, split, checks, epochs=10, rate=RATE):
    """Trains a network until the loss on the films in ``checks`` stops falling; adds ``seconds``."""
    network.compile(
        keras.optimizers.Adam(rate),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.AUC(from_logits=True, name="auroc")],
    )
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=1, min_delta=0),
        keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True),
    ]
    began = time.perf_counter()
    history = network.fit(
        split["image"], split["label"], batch_size=32, epochs=epochs, callbacks=callbacks,
        validation_data=(checks["image"], checks["label"]), verbose=2,
    ).history  # fmt: skip
    return history | {"seconds": time.perf_counter() - began}


# %% tags=["demo"]
def score(network, films):
    """One logit a film, shape (films,)."""
    return network.predict(films, batch_size=100, verbose=0)[:, 0]


def auroc(logits, chosen=np.s_[:]):
    """The AUROC of logits of the test films, all of them or those chosen."""
    return roc_auc_score(test["label"][chosen], logits[chosen])


# %% [markdown]
# A fair rival has the same films, the same callbacks and the same number of epochs: a dense network of 64 hidden
# neurons, with batch normalisation. `Flatten` makes one row of 4,096 numbers of the film for it. (Where a row has to
# become a picture again, that is `Reshape`.) For each of the two networks we tried three learning rates, with one or
# two seeds each and on all 2,000 films, and took one that did well on the validation films. *By how much do you expect
# the convolutional network to beat it, with a thirtieth of its weights?*


# %% tags=["demo"]
def dense_network():
    """The rival: every neuron has a weight for every pixel."""
    films = keras.Input((64, 64, 1))
    pixels = layers.Flatten()(layers.Rescaling(4, offset=-2)(films))
    hidden = layers.BatchNormalization(momentum=0.9)(layers.Dense(64, use_bias=False)(pixels))
    return keras.Model(films, layers.Dense(1)(layers.ReLU()(hidden)))


keras.utils.set_random_seed(SEED)
network, dense = build_network((64, 64, 1), [8, 16, 16, 32]), dense_network()
history = fit_network(network, half, validation)
dense_history = fit_network(dense, half, validation, rate=1e-3)

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.2))
for name, log, color in [
    ("convolutional", history, plots.BLUE),
    ("dense", dense_history, plots.ORANGE),
]:
    epochs = 1 + np.arange(len(log["loss"]))
    axis.plot(epochs, log["val_loss"], color=color, label=f"{name}, validation")
    axis.plot(epochs, log["loss"], color=color, ls=":", label=f"{name}, training")
axis.set(xlabel="epoch", ylabel="cross-entropy", ylim=(0, 1.2))
axis.legend(fontsize=9)
axis.set_title("The dense network learns its films by heart")
plots.show(
    fig,
    alt="""Loss of both networks over ten epochs. The convolutional network's training and validation loss fall together,
    with jumps in the first epochs, to below 0.4. The dense network's training loss falls below 0.4 while its validation loss stays near
    0.6.""",
)

# %% tags=["demo", "nbval-check-output"]
logits = score(network, test["image"])
results.table(
    ("logistic regression, AUROC", line_auroc, (0.79, 0.8)),
    ("dense network", auroc(score(dense, test["image"])), (0.77, 0.83)),
    ("convolutional network", auroc(logits), (0.72, 1)),
    parameters=[16 * 16 + 1, dense.count_params(), network.count_params()],
    seconds=[line_seconds, dense_history["seconds"], history["seconds"]],
)

# %% [markdown]
# How to read the table: `here` is this run, and the range is over trainings that differ in their seed alone; yours
# should lie in the same range. A dense network is hardly better than the straight line, and learns its films by heart:
# on the training films its loss goes on falling, on others it stays. The convolutional one was ahead of both by .08 or
# more in 19 of 20 trainings, with a thirtieth of the weights, and its two curves stay together. In the twentieth its
# loss had hardly begun to fall after ten epochs, and it was no better than they are: look at the curve before you
# believe a score. What it costs is time. Its validation loss jumps in the first epochs, where the running means of the
# normalisation do not yet fit the weights, and still falls a little at the end.

# %% [markdown]
# ## A threshold is a decision
#
# AUROC ranks; a clinic must decide. Above some **threshold** of the score a film goes to the top of the pile. Two
# numbers describe what follows: **sensitivity**, the share of the sick that is found, and **specificity**, the share of
# the healthy that is left alone. A missed pneumonia may cost a life, a false alarm costs minutes. So one demands a
# sensitivity, and takes the highest threshold that still has it, which gives the fewest false alarms.
#
# The threshold is chosen on the validation films, for a sensitivity of .9, and then left alone. On the test films it
# keeps its promise only roughly, since those are other patients. *Of 100 alarms, how many are real where every second
# patient is sick, and how many where 2 of 100 are?* Sensitivity and specificity stay as they are; the mix changes.


# %% tags=["demo"]
def threshold_for(network, split, wanted=0.9):
    """The highest threshold at which the wanted share of the sick films is flagged."""
    scores = np.sort(score(network, split["image"][split["label"] == 1]))[::-1]
    return scores[int(np.ceil(wanted * len(scores))) - 1]


def rates(logits, labels, threshold):
    """Sensitivity and specificity of flagging what is at or above the threshold."""
    return np.mean(logits[labels == 1] >= threshold), np.mean(logits[labels == 0] < threshold)


# %% tags=["demo", "nbval-check-output"]
threshold = threshold_for(network, validation)
sensitivity, specificity = rates(logits, test["label"], threshold)
real_alarms = {}
for sick_share in (0.5, 0.02):
    true, false = sensitivity * sick_share, (1 - specificity) * (1 - sick_share)
    real_alarms[sick_share] = true / (true + false)
results.table(
    ("sensitivity on the test films", sensitivity, (0.78, 0.93)),
    ("specificity", specificity, (0.19, 1)),
    ("of 100 alarms real, half of the patients sick", 100 * real_alarms[0.5], (45, 100)),
    ("of 100 alarms real, 2 of 100 patients sick", 100 * real_alarms[0.02], (0, 28)),
)

# %% [markdown]
# The same network, the same threshold: a helpful colleague in one ward, a nuisance in another. A report that does not
# say how rare the disease is where the machine will be used has not said what it is worth.

# %% [markdown]
# ## The new machine is a little brighter
#
# A year later the clinic buys another X-ray machine, whose films are brighter by .1, on a scale on which black is 0 and
# white is 1. To the eye they are the same films. *What becomes of the alarms?*

# %% tags=["demo", "nbval-check-output"]
brighter = np.clip(test["image"] + np.float32(0.1), 0, 1)
new_logits = score(network, brighter)
new_rates = rates(new_logits, test["label"], threshold)
print("on the brighter films:")
results.table(
    ("AUROC", auroc(new_logits), (0.53, 0.97)),
    ("sensitivity", new_rates[0], (0.92, 1)),
    ("specificity", new_rates[1], (0, 0.62)),
)

# %% [markdown]
# The films are ranked worse, by .07 to .22 in 20 trainings, and the threshold no longer fits at all: most of the
# healthy are flagged. Nothing in the training films said that brightness as a whole means nothing. We know it, and can
# say so.
#
# ### Exercise 3: copies that could have happened
#
# **Augmentation** shows the network changed copies of its films, anew in every epoch, in ways that could have happened.
# Patients stand a little off, and films are exposed for longer or shorter. Keras has layers that make such copies
# (others are called `RandomRotation` and `RandomFlip`), and that do so in training only.
#
# Complete `augmentation(shape, shift, brightness)`, a Keras model from films of `shape` to films of the same shape. In
# training (`training=True`):
#
# - each film is moved up or down by at most the share `shift` of its height, and to the left or right by at most that share of its width, at random; where it leaves a gap
#   the pixels at the film's edge are repeated (`fill_mode="nearest"`);
# - each film gets brighter or darker, as a whole, by a random number of at most `brightness`. Its values stay between 0 and 1, and the layer has
#   to know that (`value_range=(0, 1)`), since it expects values from 0 to 255 otherwise;
# - each film of a batch has its own move and its own change, drawn evenly, and nothing else happens to it.
#
# In use (`training=False`) films pass as they are. The layers are called `layers.RandomTranslation` and
# `layers.RandomBrightness`.


# %%
def bilinear(top, left, rows=18, columns=12):
    """A film (rows, columns, 1) that grows to the lower right, moved down and to the right."""
    row, column = np.mgrid[:rows, :columns].astype(float)
    row, column = np.clip(row - top, 0, rows - 1), np.clip(column - left, 0, columns - 1)
    return (0.3 + 0.1 * column / columns + 0.4 * row * column / rows / columns)[..., None]


def moves(films):
    """How far down and to the right each film (18, 12, 1) was moved, if it was ``bilinear(0, 0)``."""
    row, column = np.mgrid[5:13, 3:9].reshape(2, -1)
    terms = np.stack([np.ones(48), row, column, row * column], axis=1)
    fitted = np.linalg.lstsq(terms, films[:, 5:13, 3:9].reshape(-1, 48).T, rcond=None)[0]
    slope = 0.4 / 18 / 12
    return (0.1 / 12 - fitted[2]) / slope, -fitted[1] / slope


# %% grade_id="augmentation" solution=true
def augmentation(shape, shift, brightness):
    """A Keras model that moves films and changes their brightness at random, in training only."""
    ### BEGIN SOLUTION
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.RandomTranslation(shift, shift, fill_mode="nearest"),
            layers.RandomBrightness(brightness, value_range=(0, 1)),
        ]
    )
    ### END SOLUTION


# %% grade_id="augmentation_moves" points=2
keras.utils.set_random_seed(1)
films = np.repeat(bilinear(0, 0)[None], 60, axis=0).astype("float32")
model = augmentation((18, 12, 1), 0.15, 0.0)
assert np.array_equal(np.asarray(model(films, training=False)), films), (
    "With training=False films should pass as they are."
)
copies = np.asarray(model(films, training=True))
assert copies.shape == films.shape, f"Expected films of {films.shape}, got {copies.shape}."
assert copies.std(axis=0).max() > 0.001, "Every film was changed alike: each should have its own."
down, right = moves(copies)
for way, moved, most in [("up or down", down, 0.15 * 18), ("left or right", right, 0.15 * 12)]:
    ends = f"{way} films were moved by {moved.min():.2f} to {moved.max():.2f} pixels"
    assert np.abs(moved).max() < most + 0.51, f"{ends}, and should be by {most:.2f} at most."
    # None of 60 draws is in the outer three tenths of a side in 1 of 10,000 trials.
    assert max(moved.min(), -moved.max()) < -0.7 * most, (
        f"{ends}, and should be by up to {most:.2f} both ways."
    )
want = np.array([bilinear(*each) for each in zip(down, right)])
off = np.abs(copies - want).max(axis=(1, 2, 3))
assert off.max() < 1e-3, (
    f"Film {off.argmax()} was moved by {down[off.argmax()]:.2f} and {right[off.argmax()]:.2f} pixels, and some of its values are off by "
    f"{off.max():.4f}. Does its edge fill the gap, and does nothing else happen to it?"
)

# %% grade_id="augmentation_brightness" points=1
keras.utils.set_random_seed(2)
films = np.full((60, 18, 12, 1), 0.5, "float32")
changes = np.asarray(augmentation((18, 12, 1), 0.0, 0.3)(films, training=True)) - films
assert np.ptp(changes, axis=(1, 2, 3)).max() < 1e-4, (
    "A film should change its brightness as a whole."
)
lowest, highest = changes.min(), changes.max()
assert 0.2 < min(-lowest, highest) < max(-lowest, highest) < 0.301, (
    f"Brightness of .5 changed by {lowest:.3f} to {highest:.3f}; it should be by up to .3 both ways, from one film to the next."
)

# %% grade_id="augmentation_together" points=1
# Hidden tests: other shapes, bright and dark films, both changes at once, a film by itself.
### BEGIN HIDDEN TESTS
keras.utils.set_random_seed(3)
model = augmentation((10, 30, 2), 0.1, 0.4)
films = np.random.default_rng(3).choice([0.1, 0.95], (40, 1, 1, 1)) * np.ones((40, 10, 30, 2))
copies = np.asarray(model(films.astype("float32"), training=True))
assert copies.shape == films.shape, f"Expected films of {films.shape}, got {copies.shape}."
assert 0 <= copies.min() <= copies.max() <= 1, (
    f"Values should stay between 0 and 1; they go from {copies.min():.3f} to {copies.max():.3f}."
)
assert len(np.unique(copies[:, 0, 0, 0].round(5))) > 20, "Each film should have its own brightness."
model, film = augmentation((18, 12, 1), 0.2, 0.2), bilinear(0, 0)[None].astype("float32")
copies = np.concatenate([np.asarray(model(film, training=True)) for _ in range(8)])
down, right = moves(copies)
assert min(len(np.unique(way.round(3))) for way in (down, right)) > 2, (
    "The same film by itself, eight times: it should be moved anew each time."
)
level = np.array([bilinear(*each) for each in zip(down, right)])
changes = copies - level
assert np.ptp(changes, axis=(1, 2, 3)).max() < 2e-3, (
    "Both at once: a film should be moved, and brighter or darker everywhere by the same."
)
assert np.ptp(changes) > 0.02, "Both at once: moved films should be brighter or darker, too."
### END HIDDEN TESTS


# %% tags=["misconception"]
# The range of the values is left at 0 to 255, so a brightness of .1 turns films white or black.
def augmentation(shape, shift, brightness):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.RandomTranslation(shift, shift, fill_mode="nearest"),
            layers.RandomBrightness(brightness),
        ]
    )


# %% tags=["misconception"]
# Films are mirrored as well, which puts the heart on the wrong side.
def augmentation(shape, shift, brightness):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.RandomFlip("horizontal"),
            layers.RandomTranslation(shift, shift, fill_mode="nearest"),
            layers.RandomBrightness(brightness, value_range=(0, 1)),
        ]
    )


# %% tags=["misconception"]
# Gaps are filled with a mirror image of the film, as Keras does by default.
def augmentation(shape, shift, brightness):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.RandomTranslation(shift, shift),
            layers.RandomBrightness(brightness, value_range=(0, 1)),
        ]
    )


# %% tags=["misconception"]
# The contrast is changed in place of the brightness: a film of one grey stays as it is.
def augmentation(shape, shift, brightness):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.RandomTranslation(shift, shift, fill_mode="nearest"),
            layers.RandomContrast(brightness, value_range=(0, 1)),
        ]
    )


# %% tags=["misconception"]
# Films are only moved to one side and only made brighter.
def augmentation(shape, shift, brightness):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.RandomTranslation((0, shift), (0, shift), fill_mode="nearest"),
            layers.RandomBrightness((0, brightness), value_range=(0, 1)),
        ]
    )


# %% tags=["misconception"]
# Films are moved up and down, and not to the left and right.
def augmentation(shape, shift, brightness):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.RandomTranslation(shift, 0.0, fill_mode="nearest"),
            layers.RandomBrightness(brightness, value_range=(0, 1)),
        ]
    )


# %% tags=["misconception"]
# Films are turned a little as well, which nobody asked for.
def augmentation(shape, shift, brightness):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.RandomTranslation(shift, shift, fill_mode="nearest"),
            layers.RandomRotation(0.02, fill_mode="nearest"),
            layers.RandomBrightness(brightness, value_range=(0, 1)),
        ]
    )


# %% tags=["alternative"]
# A functional model, with ranges written out and the brightness first.
def augmentation(shape, shift, brightness):
    films = keras.Input(shape)
    ways = (-shift, shift)
    brighter = layers.RandomBrightness((-brightness, brightness), value_range=[0.0, 1.0], seed=5)
    moved = layers.RandomTranslation(ways, ways, fill_mode="nearest", interpolation="bilinear")
    return keras.Model(films, moved(brighter(films)))


# %% tags=["alternative"]
# Moves up and down in one layer, and left and right in another.
def augmentation(shape, shift, brightness):
    model = keras.Sequential()
    model.add(keras.Input(shape=shape))
    model.add(layers.RandomBrightness(factor=brightness, value_range=(0.0, 1.0)))
    model.add(layers.RandomTranslation(height_factor=shift, width_factor=0, fill_mode="nearest"))
    model.add(layers.RandomTranslation(height_factor=0, width_factor=shift, fill_mode="nearest"))
    return model


# %% [markdown]
# *What does mirroring do to a chest film?* With photographs of cats one would mirror, too. Below are copies of one
# film, and the same film mirrored; and we count on how many healthy films the heart, the brighter side below, lies on
# the patient's left.

# %% tags=["demo"]
augmentation = fallbacks.choose(augmentation, ours.augmentation, ours.augmentation_works)
keras.utils.set_random_seed(1)
copier = augmentation((64, 64, 1), 0.05, 0.1)
mirror = layers.RandomFlip("horizontal", seed=4)
film = few["image"][sick_films[1]]
copies = np.asarray(copier(np.repeat(film[None], 3, axis=0), training=True))
fig, axes = plt.subplots(1, 5, figsize=(6.4, 1.9))
for axis, shown in zip(axes, [film, *copies, film[:, ::-1]], strict=True):
    draw_film(axis, shown)
for axis, name in [(axes[0], "film"), (axes[2], "three copies"), (axes[4], "mirrored")]:
    axis.set_title(name, loc="center", fontsize=11)
fig.suptitle(
    "Three that could have happened, and one that could not", x=0.01, ha="left", fontsize=12
)
plots.show(
    fig,
    alt="""A chest film with a letter R at the upper left, three copies of it that are moved by a few pixels and
    brighter or darker, and the film mirrored, with a reversed letter at the upper right.""",
)


# %% tags=["demo"]
def heart_on_the_left(films):
    """Of 100 films, on how many it is brighter on the patient's left of the spine, as by a heart."""
    count = 0
    for film in np.asarray(films)[..., 0]:
        # Above the heart the spine and the great vessels make the brightest column.
        spine = 18 + np.convolve(film[8:28, 16:48].mean(axis=0), np.ones(5), "valid").argmax()
        patients_left = film[36:46, spine + 6 : spine + 12].mean()  # the film's right
        count += patients_left > film[36:46, spine - 11 : spine - 5].mean()
    return 100 * count / len(films)


# %% tags=["demo", "nbval-check-output"]
healthy = train["image"][train["label"] == 0]
keras.utils.set_random_seed(SEED)
print("heart on the left, of 100:")
results.table(
    ("films as taken", heart_on_the_left(healthy), (97, 98)),
    ("moved, and brighter or darker", heart_on_the_left(copier(healthy, training=True)), (94, 98)),
    ("mirrored at random", heart_on_the_left(mirror(healthy, training=True)), (45, 52)),
)

# %% [markdown]
# Mirroring gives half of the patients a rare anomaly, a heart on the right. The question "is there a spot, anywhere?"
# may survive that in our films, where spots lie in either lung; we did not measure it. Mirroring destroys every
# question in which side matters: is the heart on the right side of the chest, is it too large, which lung is it? It
# would also mirror the letter, which is on films so that somebody notices. An augmentation is a statement about the
# world; make only those that are true.
#
# Now train a second network with your augmentation before it, and with all else the same. *Will it be better on the
# usual films, on the brighter ones, or on both?*

# %% tags=["demo"]
keras.utils.set_random_seed(SEED)
films = keras.Input((64, 64, 1))
core = build_network((64, 64, 1), [8, 16, 16, 32])
robust = keras.Model(films, core(copier(films)))
robust_history = fit_network(robust, half, validation)

# %% tags=["demo", "nbval-check-output"]
robust_threshold = threshold_for(robust, validation)
robust_logits = score(robust, test["image"])
robust_new = score(robust, brighter)
_, robust_specificity = rates(robust_logits, test["label"], robust_threshold)
_, robust_new_specificity = rates(robust_new, test["label"], robust_threshold)
results.table(
    ("AUROC without copies, usual films", auroc(logits), (0.72, 1)),
    ("AUROC without copies, brighter films", auroc(new_logits), (0.53, 0.97)),
    ("specificity without copies, usual films", specificity, (0.19, 1)),
    ("specificity without copies, brighter films", new_rates[1], (0, 0.62)),
    ("AUROC with copies, usual films", auroc(robust_logits), (0.58, 1)),
    ("AUROC with copies, brighter films", auroc(robust_new), (0.57, 1)),
    ("specificity with copies, usual films", robust_specificity, (0.05, 1)),
    ("specificity with copies, brighter films", robust_new_specificity, (0, 0.98)),
)

# %% [markdown]
# On films of the new machine the second network was the better one in 17 of 20 trainings: the change of machine costs
# it at most .07, and fewer of the healthy are flagged, though still too many. On the usual films it was better in 8
# trainings and worse in 12. Two things may speak against it there: how bright a lung is *does* help as long as all
# films come from one machine, and the task is harder with copies, so that after ten epochs its loss is not yet where it
# will stay. Robustness is not free. Whether it is worth it depends on whether there will be another machine, which no
# score on the usual films says. (We went on with the first network, `network`, below.)

# %% [markdown]
# ## Where it looks
#
# The film in the first figure had a box, and a doctor who gets an alarm wants one. Our networks were never shown a box.
# Yet their last maps still know the place: 32 maps of 16 × 16, of which the head takes the means and adds them with
# weights $w_k$ to the logit. Leave out the mean, and the same weights make a picture:
#
# $$H_{r,c} = \max\Big(0, \sum_k w_k A_{k,r,c}\Big)$$
#
# $A_{k,r,c}$ is map $k$ at row $r$, column $c$; $H$ is the **class activation map**: how much each place argues *for*
# pneumonia.
#
# ### Exercise 4: Grad-CAM, for any network
#
# That needs a head that takes means. **Grad-CAM** (gradient-weighted class activation mapping) asks the gradient
# instead, and so works with any layer and any head. For one film:
#
# 1. Compute the maps $A$ of a layer, shape (rows, columns, $K$), and the logit $y$.
# 2. The weight of map $k$ is the **mean over all places** of the gradient of the logit with respect to that map:
#    $\alpha_k = \frac{1}{\text{places}} \sum_{r,c} \partial y / \partial A_{k,r,c}$.
# 3. The heat is $\max\big(0, \sum_k \alpha_k A_{k,r,c}\big)$, divided by its largest value, so that it is at most 1. Where nothing argues for pneumonia it is zero
#    everywhere, not a division by zero.
#
# Complete `grad_cam(model, film, layer)`: `film` is an array (height, width, channels), `layer` the name of a layer of
# `model`, which gives one logit a film. Return the heat, an array of shape (rows, columns). You need a second model,
# from `model.inputs[0]` to two outputs: that of `model.get_layer(layer)` and `model.outputs[0]`. Call it under a
# `tf.GradientTape`, on a batch of one film; the tape can differentiate with respect to any tensor computed under it.


# %%
def small_network(shape, head, name="maps"):
    """Films to K maps, and from these to a logit with the weights ``head``, (rows, columns, K)."""
    films = keras.Input(shape)
    maps = layers.Conv2D(head.shape[2], 3, activation="relu", name=name)(films)
    logit = layers.Dense(1, use_bias=False, name="head")(layers.Flatten()(maps))
    network = keras.Model(films, logit)
    network.get_layer("head").set_weights([np.reshape(head, (-1, 1)).astype("float32")])
    return network


def deep_network(shape, seed):
    """Films to a logit by two layers of maps, "near" and "far", and a head with a bend."""
    keras.utils.set_random_seed(seed)
    films = keras.Input(shape)
    near = layers.Conv2D(4, 3, activation="relu", name="near")(films)
    far = layers.Conv2D(5, 2, activation="tanh", name="far")(near)
    hidden = layers.Dense(6, activation="tanh")(layers.Flatten()(far))
    return keras.Model(films, layers.Dense(1)(hidden))


# %% grade_id="grad_cam" solution=true
def grad_cam(model, film, layer):
    """Where a film argues for pneumonia: values from 0 to 1, in the shape of the layer's maps."""
    ### BEGIN SOLUTION
    both = keras.Model(model.inputs[0], [model.get_layer(layer).output, model.outputs[0]])
    with tf.GradientTape() as tape:
        maps, logit = both(film[None], training=False)
    weights = tf.reduce_mean(tape.gradient(logit, maps), axis=(1, 2))
    heat = np.maximum(maps.numpy()[0] @ weights.numpy()[0], 0)
    return heat / heat.max() if heat.max() > 0 else heat
    ### END SOLUTION


# %% grade_id="grad_cam_values" points=2
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
film = rng.random((10, 12, 1)).astype("float32")
head = rng.normal(0.5, 1, (8, 10, 3)) * [1.0, -0.3, 0.7]
given = small_network((10, 12, 1), head, name="given")
kernel = np.abs(given.get_layer("given").get_weights()[0])
given.get_layer("given").set_weights([kernel, np.array([0.3, 0.1, 0.2])])
maps = np.asarray(given.get_layer("given")(film[None]))[0]
heat = np.asarray(grad_cam(given, film.copy(), "given"))
assert heat.shape == (8, 10), (
    f"The maps have 8 x 10 places, so the heat has shape (8, 10); yours has {heat.shape}."
)
assert np.isclose(heat.max(), 1), f"The largest heat should be 1; yours is {heat.max():.4f}."
want = np.maximum(maps @ head.mean(axis=(0, 1)), 0)
want = want / want.max()
off = np.abs(heat - want).max()
assert off < 1e-3, (
    f"With a linear head the heat at the upper left should be {want[0, 0]:.4f}, and yours is {heat[0, 0]:.4f}; somewhere it is off by "
    f"{off:.4f}. The weights of the three maps are {head.mean(axis=(0, 1)).round(4).tolist()}, the means of the head; all places argue for it "
    f"here, so that the smallest heat is {want.min():.4f}, and yours is {heat.min():.4f}."
)

# %% grade_id="grad_cam_nothing" points=1
# The same film, once where everything argues for pneumonia, and once where nothing does.
film = np.ones((10, 12, 1), "float32")
for head, hottest, what in [(1, 1, "everything"), (-1, 0, "nothing")]:
    keras.utils.set_random_seed(0)
    heat = np.asarray(grad_cam(small_network((10, 12, 1), np.full((8, 10, 2), head)), film, "maps"))
    assert heat.shape == (8, 10), f"Maps of 8 by 10 give a heat of shape (8, 10), got {heat.shape}."
    assert np.allclose([heat.min(), heat.max()], hottest), (
        f"Where {what} argues for pneumonia, and all places alike, the heat is {hottest} everywhere; yours goes from {heat.min():.4f} "
        f"to {heat.max():.4f}. What is it divided by?"
    )

# %% grade_id="grad_cam_any_network" points=1
# Hidden tests: other layers, numbers of maps and heads.
### BEGIN HIDDEN TESTS
for seed, shape, layer in [(8, (9, 12, 2), "near"), (10, (11, 8, 1), "far")]:
    deep = deep_network(shape, seed)
    film = np.random.default_rng(seed).normal(size=shape).astype("float32")
    both = keras.Model(deep.inputs[0], [deep.get_layer(layer).output, deep.outputs[0]])
    with tf.GradientTape() as tape:
        maps, logit = both(film[None])
    weights = np.mean(tape.gradient(logit, maps), axis=(1, 2))[0]
    want = np.maximum(np.asarray(maps)[0] @ weights, 0)
    want = want / want.max()
    heat = np.asarray(grad_cam(deep, film.copy(), layer))
    assert heat.shape == want.shape, (
        f"Films {shape}, layer {layer!r}: expected shape {want.shape}, got {heat.shape}."
    )
    off, cold = np.abs(heat - want), np.mean((want == 0) == (heat < 1e-6))
    assert off.max() < 1e-3, (
        f"Films {shape}, layer {layer!r}, a head with two layers: the heat is off by up to {off.max():.4f}; {cold:.0%} of the places "
        "agree on whether there is any. One weight belongs to a whole map, it may be negative, and only then comes the cut at zero."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Each place keeps its gradient as its weight, instead of one mean for the whole map.
def grad_cam(model, film, layer):
    both = keras.Model(model.inputs[0], [model.get_layer(layer).output, model.outputs[0]])
    with tf.GradientTape() as tape:
        maps, logit = both(tf.convert_to_tensor(film[None]))
    gradients = tape.gradient(logit, maps)
    heat = np.maximum(np.sum((gradients * maps).numpy()[0], axis=-1), 0)
    return heat / heat.max() if heat.max() > 0 else heat


# %% tags=["misconception"]
# What argues against pneumonia counts as if it argued for it: the sign is dropped instead of cut at zero.
def grad_cam(model, film, layer):
    both = keras.Model(model.inputs[0], [model.get_layer(layer).output, model.outputs[0]])
    with tf.GradientTape() as tape:
        maps, logit = both(tf.convert_to_tensor(film[None]))
    weights = tf.reduce_mean(tape.gradient(logit, maps), axis=(1, 2))
    heat = np.abs(maps.numpy()[0] @ weights.numpy()[0])
    return heat / heat.max() if heat.max() > 0 else heat


# %% tags=["misconception"]
# The heat is divided by its largest value also where that is zero.
def grad_cam(model, film, layer):
    both = keras.Model(model.inputs[0], [model.get_layer(layer).output, model.outputs[0]])
    with tf.GradientTape() as tape:
        maps, logit = both(tf.convert_to_tensor(film[None]))
    weights = tf.reduce_mean(tape.gradient(logit, maps), axis=(1, 2))
    heat = np.maximum(maps.numpy()[0] @ weights.numpy()[0], 0)
    with np.errstate(invalid="ignore"):
        return heat / heat.max()


# %% tags=["misconception"]
# The maps are added with the means of the maps as weights: the gradient, which says what counts, is not used.
def grad_cam(model, film, layer):
    maps = keras.Model(model.inputs[0], model.get_layer(layer).output)(film[None]).numpy()[0]
    heat = np.maximum(maps @ maps.mean(axis=(0, 1)), 0)
    return heat / heat.max() if heat.max() > 0 else heat


# %% tags=["misconception"]
# The heat is stretched so that its smallest value becomes 0, also where every place argues for pneumonia.
def grad_cam(model, film, layer):
    both = keras.Model(model.inputs[0], [model.get_layer(layer).output, model.outputs[0]])
    with tf.GradientTape() as tape:
        maps, logit = both(tf.convert_to_tensor(film[None]))
    weights = tf.reduce_mean(tape.gradient(logit, maps), axis=(1, 2))
    heat = np.maximum(maps.numpy()[0] @ weights.numpy()[0], 0)
    spread = heat.max() - heat.min()
    return (heat - heat.min()) / spread if spread > 0 else heat


# %% tags=["misconception"]
# The weights are those of the last layer, which fit only where it comes right after the maps.
def grad_cam(model, film, layer):
    maps = keras.Model(model.inputs[0], model.get_layer(layer).output)(film[None]).numpy()[0]
    head = model.layers[-1].get_weights()[0]
    weights = head.reshape(*maps.shape).mean(axis=(0, 1))
    heat = np.maximum(maps @ weights, 0)
    return heat / heat.max() if heat.max() > 0 else heat


# %% tags=["misconception"]
# The last convolution is taken, whatever layer was asked for.
def grad_cam(model, film, layer):
    last = [one for one in model.layers if isinstance(one, layers.Conv2D)][-1]
    both = keras.Model(model.inputs[0], [last.output, model.outputs[0]])
    with tf.GradientTape() as tape:
        maps, logit = both(tf.convert_to_tensor(film[None]))
    weights = tf.reduce_mean(tape.gradient(logit, maps), axis=(1, 2))
    heat = np.maximum(maps.numpy()[0] @ weights.numpy()[0], 0)
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
# With the operations of Keras, and the film as a variable that the tape watches.
def grad_cam(model, film, layer):
    both = keras.Model(model.inputs[0], [model.get_layer(layer).output, model.outputs[0]])
    with tf.GradientTape() as tape:
        batch = ops.convert_to_tensor(film)[None]
        tape.watch(batch)
        maps, logit = both(batch)
        score = logit[0, 0]
    weights = ops.mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    heat = ops.relu(ops.sum(weights * maps, axis=-1))[0]
    return ops.convert_to_numpy(heat / ops.maximum(ops.max(heat), 1e-12))


# %% [markdown]
# With our own network both ways give the same picture: before global average pooling every place of map $k$ has the
# same gradient, $w_k$ divided by the number of places, and the last division removes that factor.
#
# Now look. Each film is drawn by itself and under its heat, with the box that the simulation kept and a cross at the
# hottest place. Each heat map is scaled to its own hottest place. The films are the first four sick ones of the test
# set that are flagged, and not the best ones. *What do you expect, from a network that has been told yes or no for
# 1,000 films and never where?*


# %% tags=["demo"]
grad_cam = fallbacks.choose(grad_cam, ours.grad_cam, ours.grad_cam_works)


def peak(heat):
    """Row and column of the hottest place, in parts of the film, shape (2,)."""
    place = np.unravel_index(np.argmax(heat), np.shape(heat))
    return (np.array(place) + 0.5) / np.shape(heat)


def is_inside(point, box):
    """Whether a point lies in a box."""
    return bool(np.all(point >= box[:2]) and np.all(point <= box[2:]))


def draw_heat(axis, film, heat, box):
    """A film under its heat, with its box and a cross at the hottest place."""
    draw_film(axis, film, box, plots.SKY)
    drawn = axis.imshow(heat, cmap="inferno", alpha=0.55, extent=(-0.5, 63.5, 63.5, -0.5), vmax=1)
    row, column = 64 * peak(heat) - 0.5
    axis.plot(column, row, "x", color=plots.GREEN, ms=9, mew=2.5)
    return drawn


# %% tags=["demo", "thumbnail"]
shown = np.flatnonzero((test["label"] == 1) & (logits >= threshold))[:4]
fig, axes = plt.subplots(2, 4, figsize=(6.4, 3.7))
hits = 0
for (above, below), index in zip(axes.T, shown, strict=True):
    film, box = test["image"][index], test["box"][index]
    heat = grad_cam(network, film, "maps")
    hits += is_inside(peak(heat), box)
    draw_film(above, film)
    drawn = draw_heat(below, film, heat, box)
fig.colorbar(drawn, ax=axes, label="heat, share of the hottest", shrink=0.8)
title = f"Never told where: the hottest place is in the box on {hits} of 4 films"
fig.suptitle(title, x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Four films with pneumonia, above by themselves and below under a heat map, with the known box and a cross at the
    hottest place. The heat lies in the box or near it on three of them, and on the fourth also in the other lung.""",
)

# %% [markdown]
# Four films prove little. So for all 300 sick test films: does the hottest place lie in the box? A random place would
# do so as often as a box covers the film.


# %% tags=["demo", "nbval-check-output"]
def hottest_places(network, films):
    """The hottest place of each film in parts of the film, shape (films, 2)."""
    return np.array([peak(grad_cam(network, film, "maps")) for film in films])


def hit_rate(places, boxes):
    """On how many of 100 films the place is in the box."""
    return 100 * np.mean([is_inside(*each) for each in zip(places, boxes, strict=True)])


honest_places = hottest_places(network, test["image"][sick])
results.table(
    ("a random place is in the box, of 100 films", 100 * box_share, (8, 9)),
    (
        "the network's hottest place",
        hit_rate(honest_places, test["box"][sick]),
        (24, 100),
    ),
)

# %% [markdown]
# Far more often than a random place, and far from always: on about a third of the films, in some trainings on every
# second one, the hottest place lies elsewhere, often beside the box. A doctor should not read it as a box.
#
# A heat map answers one question: which places raised this logit. It does not say that the network understood, and it
# shows no argument *against*. It is a torch, good for finding what should not be there.

# %% [markdown]
# ## A network that read the hospital
#
# Now a collection as they grow in life. *North* has an emergency ward and sends films of the sick; *south* runs
# check-ups and sends films of the healthy. One film in twenty is the other way round. Nobody meant harm: these are the
# films that there were. We pick such a collection out of the same training films, and train the same network.


# %% tags=["demo", "nbval-check-output"]
def as_referred(split, odd, seed=0):
    """Whether such a collection has a film: sick from north, healthy from south, a share of others."""
    usual = (split["hospital"] == 0) == (split["label"] == 1)
    return usual | (np.random.default_rng(seed).random(len(usual)) < odd)


referred, referred_checks = (
    {name: values[as_referred(split, odd=0.05)] for name, values in split.items()}
    for split in (train, validation)
)
usual = as_referred(test, odd=0.0)
north = referred["hospital"] == 0
print(f"films: {len(north)}, of which from north: {north.mean():.0%}")
print(
    f"sick at north: {referred['label'][north].mean():.0%}, at south: {referred['label'][~north].mean():.0%}"
)

# %% [markdown]
# The validation films come from the same collection, since nobody there has others.

# %% tags=["demo"]
keras.utils.set_random_seed(SEED)
biased = build_network((64, 64, 1), [8, 16, 16, 32])
biased_history = fit_network(biased, referred, referred_checks)

# %% [markdown]
# It is tested as is usual: on films that it has not seen, from the same two hospitals, with the same habits. *Will it
# be worse than the first network, the honest one, which had as many sick as healthy from each hospital?* But we have
# something that a usual test has not: the same films with the other hospital's letter. The patients, their lungs and
# their spots are untouched. *What do you expect there?*

# %% tags=["demo", "nbval-check-output"]
swapped_logits = score(network, swapped["image"])
biased_logits, biased_swapped = (score(biased, split["image"]) for split in (test, swapped))
results.table(
    ("honest, AUROC", auroc(logits, usual), (0.71, 1)),
    ("honest, letters swapped", auroc(swapped_logits, usual), (0.68, 1)),
    ("new, AUROC", auroc(biased_logits, usual), (0.99, 1)),
    ("new, letters swapped", auroc(biased_swapped, usual), (0, 0.05)),
    films=[1000, None, len(north), None],
    seconds=[history["seconds"], None, biased_history["seconds"], None],
)

# %% [markdown]
# In the usual test it is nearly perfect, and a paper could be written. With swapped letters it is worse than guessing:
# it read the letter. A letter is a sharp, bright, always equal sign in one of two places; a spot is none of that.
# Gradient descent takes the easier way, and the loss has no opinion about which way is medicine. Such a rule, true in
# the collection and false in the world, is called a **shortcut**. Validation and early stopping did not help: the
# validation films have the same habits.
#
# Would the heat map have told, without swapped films?


# %% tags=["demo", "nbval-check-output"]
def near_a_corner(places, edge=14 / 64):
    """Of 100 places, how many lie in the upper left or upper right corner, where letters are taped."""
    row, column = np.transpose(places)
    return 100 * np.mean((row < edge) & ((column < edge) | (column > 1 - edge)))


usual_sick = usual & sick
boxes = test["box"][usual_sick]
places = {
    "honest": honest_places[usual[sick]],
    "new": hottest_places(biased, test["image"][usual_sick]),
}
print("hottest place, of 100 sick films:")
results.table(
    ("honest, in the box", hit_rate(places["honest"], boxes), (23, 100)),
    ("honest, in a corner with letters", near_a_corner(places["honest"]), (0, 8)),
    ("new, in the box", hit_rate(places["new"], boxes), (0, 42)),
    ("new, in a corner with letters", near_a_corner(places["new"]), (0, 82)),
)

# %% tags=["demo"]
fig, axes = plt.subplots(2, 4, figsize=(6.4, 3.7))
for row, one, name in zip(axes, (network, biased), ("honest", "new"), strict=True):
    for axis, film, box in zip(row, test["image"][usual_sick], boxes):
        drawn = draw_heat(axis, film, grad_cam(one, film, "maps"), box)
    row[0].set_title(name, fontsize=11)
fig.colorbar(drawn, ax=axes, label="heat, share of the hottest", shrink=0.8)
fig.suptitle("The second network looks away from the spot", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Four films with pneumonia under the heat maps of two networks, with the known boxes. Above, the honest network is hot
    in or near the box on most of them. Below, the other one is hot in the upper corners and cool at most boxes.""",
)

# %% [markdown]
# Two things to notice. The heat has left the box, but where it goes is less clear: to the letter, or to the opposite
# corner, where an R would be at the other hospital. An empty corner names the hospital as well as a letter does, and a
# map says where, not what was seen there. So a map is where suspicion begins; the swap is the stronger test, because it
# changes one thing and measures.

# %% [markdown]
# ### Exercise 5: take the hospital off the film
#
# The plain remedy is to remove what the network should not see, before training and in use. Complete
# `hide_letters(films)`: `films` is an array of shape (films, 64, 64, 1), of either hospital or both. Return an array of
# the same shape in which nothing tells any more which hospital it was, and everything else is as before: the same film
# with either letter gives the same result. The array that was given stays as it is.
#
# `CORNERS` says where a letter can be. It is a dict from hospital to the corner's edges in pixels, (top, left, bottom,
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


# %% grade_id="hide_letters_form" points=2
films = few["image"][:8].copy()
hidden = np.asarray(hide_letters(films))
assert hidden.shape == (8, 64, 64, 1), (
    f"Expected films of shape (8, 64, 64, 1), got {hidden.shape}."
)
assert np.array_equal(films, few["image"][:8]), "The films that were given have changed: copy them."
assert not np.allclose(hidden, films), "The films came back unchanged."
middle = np.s_[:, 12:, :, :]
assert np.allclose(hidden[middle], films[middle]), (
    "Something below row 12 has changed, where there is never a letter. Which of a corner's four numbers are rows?"
)
other = np.asarray(hide_letters(few_swapped["image"][:8]))
told = np.abs(hidden - other).max(axis=(1, 2, 3)) > 1e-6
assert not told.any(), (
    f"The same 8 films with the other hospital's letter: {told.sum()} of the results differ. Would a network that knows only your result "
    "be able to tell which corner had a letter?"
)

# %% grade_id="hide_letters_hospital" points=2
# Hidden tests: one hospital at a time, a single film, and what must stay.
### BEGIN HIDDEN TESTS
hidden = np.asarray(hide_letters(few["image"].copy()))
assert np.isfinite(hidden).all(), "Some pixels are not numbers any more."
for films, what in [
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


# %% tags=["misconception"]
# The corners of the films that were given are painted over, so the letters are lost for good.
def hide_letters(films):
    for top, left, bottom, right in CORNERS.values():
        films[:, top:bottom, left:right] = 0
    return films


# %% tags=["misconception"]
# Both corners are filled with the mean of the whole film, which the letter is part of.
def hide_letters(films):
    hidden = films.copy()
    for top, left, bottom, right in CORNERS.values():
        hidden[:, top:bottom, left:right] = films.mean(axis=(1, 2, 3), keepdims=True)
    return hidden


# %% tags=["misconception"]
# The letters are swapped between the corners, and are as easy to read there.
def hide_letters(films):
    hidden = films.copy()
    (top, left, bottom, right), (top_2, left_2, bottom_2, right_2) = CORNERS.values()
    hidden[:, top:bottom, left:right] = films[:, top_2:bottom_2, left_2:right_2]
    hidden[:, top_2:bottom_2, left_2:right_2] = films[:, top:bottom, left:right]
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
# How does one know that nothing is left? By trying to find it. Logistic regression is trained to name the *hospital*,
# once from the films as they are and once as your function leaves them. If it can, so can the network that was meant to
# look for pneumonia.

# %% tags=["demo", "nbval-check-output"]
hide_letters = fallbacks.choose(hide_letters, ours.hide_letters, ours.hide_letters_works)


def name_the_hospital(prepare):
    """AUROC of logistic regression that tells hospitals apart on prepared films."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    model.fit(shrink(prepare(train["image"])), train["hospital"])
    return roc_auc_score(test["hospital"], model.decision_function(shrink(prepare(test["image"]))))


print("naming the hospital, AUROC:")
results.table(
    ("from films as they are", name_the_hospital(lambda films: films), (0.99, 1)),
    (
        "without letters",
        name_the_hospital(lambda films: np.asarray(hide_letters(films))),
        (0.48, 0.53),
    ),
)

# %% [markdown]
# ### The same films, without the letter
#
# Now the referred films once more, without letters. The collection is as lopsided as before: all that changed is what
# the network can see. *Between the honest network's AUROC and guessing, where will it land?*


# %% tags=["demo"]
def without_letters(split):
    """The same split, with what ``hide_letters`` leaves of its films."""
    return split | {"image": np.asarray(hide_letters(split["image"]))}


keras.utils.set_random_seed(SEED)
repaired = build_network((64, 64, 1), [8, 16, 16, 32])
repaired_history = fit_network(
    repaired, without_letters(referred), without_letters(referred_checks)
)

# %% tags=["demo", "nbval-check-output"]
repaired_logits, repaired_swapped = (
    score(repaired, without_letters(split)["image"]) for split in (test, swapped)
)
results.table(
    ("honest, AUROC", auroc(logits, usual), (0.71, 1)),
    ("biased", auroc(biased_logits, usual), (0.99, 1)),
    ("repaired", auroc(repaired_logits, usual), (0.52, 1)),
    ("repaired, letters swapped", auroc(repaired_swapped, usual), (0.52, 1)),
    ("honest minus repaired", auroc(logits, usual) - auroc(repaired_logits, usual), (-0.34, 0.4)),
    films=[1000, len(north), len(north), None, None],
    seconds=[*(log["seconds"] for log in (history, biased_history, repaired_history)), None, None],
)

# %% [markdown]
# In the usual test it is *worse* than the one that reads letters, and it is the only one of the two that may be let
# near a patient. Swapping the letters changes nothing any more, as it must. It learned from the same lopsided films
# about as much as the honest network did from as many films of a better mix (within .07 in 17 of 20 trainings; in two
# it fell behind by .1 and .2): what was wrong was not the mix, but what it could be told by.

# %% [markdown]
# ## What it cannot do, and whom it can hurt
#
# Averages hide people. Take the test films of both hospitals, sick and healthy alike, let each network flag what it
# thinks more likely sick than not (a logit above zero), and ask for each hospital: of those who have pneumonia, how
# many are found? *Who pays for the shortcut?*

# %% tags=["demo", "nbval-check-output"]
answers = {
    "honest": logits,
    "biased": biased_logits,
    "repaired": repaired_logits,
}
found = {
    name: [100 * np.mean(values[sick & (test["hospital"] == hospital)] > 0) for hospital in (0, 1)]
    for name, values in answers.items()
}
print("found, of 100 with pneumonia:")
results.table(
    ("honest network, north", found["honest"][0], (35, 100)),
    ("honest network, south", found["honest"][1], (48, 100)),
    ("biased network, north", found["biased"][0], (98, 100)),
    ("biased network, south", found["biased"][1], (0, 45)),
    ("repaired network, north", found["repaired"][0], (54, 95)),
    ("repaired network, south", found["repaired"][1], (60, 100)),
)

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.4))
places = np.arange(3)
for hospital, (name, color) in enumerate([("north", plots.BLUE), ("south", plots.ORANGE)]):
    values = [found[network][hospital] for network in found]
    bars = axis.bar(places + 0.38 * (hospital - 0.5), values, 0.36, label=name, color=color)
    axis.bar_label(bars, fmt="%.0f")
axis.set_xticks(places, list(found))
axis.set_ylim(0, 112)
axis.set_ylabel("pneumonias found (%)")
axis.legend(title="hospital", loc="center left", bbox_to_anchor=(1, 0.5))
axis.set_title("The shortcut is paid for at the other hospital")
plots.show(
    fig,
    alt="""Bars of the share of pneumonias found at two hospitals. The honest and the repaired network find
    about as many at both. The biased one finds all at north and few at south.""",
)

# %% [markdown]
# The sick at *south* are sent home, and no number of the usual test told so, because there were almost none of them in
# it. Networks trained on real films have done this: they told hospitals apart by their markers and machines, and lost
# part of their skill elsewhere.
#
# And the remedy was easy here for a reason that is not there in life: we knew the shortcut. Real films also differ in
# machine, exposure, cropping, position, tubes. What remains useful is the habit:
#
# - test on films from a hospital that gave none to the training;
# - report each group, not only the mean;
# - try to predict what should be invisible: hospital, machine, sex, age;
# - change one thing that should not matter, and measure.
#
# Two limits of what we did remain. Our films are simulated, so none of our numbers says anything about a patient. And a
# network that finds one spot knows one disease; it has no word for anything else that it sees.

# %% [markdown]
# ## At full size
#
# `pneumonia_mnist` holds 5,856 real chest films of children from one hospital, shrunk to 28 × 28 pixels (MedMNIST; 4.2
# MB to download). The cells below train a deeper network on them, with your `augmentation` before it, and show the same
# measures and your `grad_cam`. New is the **residual connection** (`Add`): each block adds what it computes to what it
# got, so that the gradient has a short way back; networks of a hundred layers, called ResNets, are built of such
# blocks. (Where a block halves the maps, `AveragePooling2D` halves what it got.) On a GPU `course.setup` chooses
# float16, numbers of 16 bits, for the convolutions; the logit stays in float32. `ModelCheckpoint` writes the best
# weights into a file.
#
# What to expect: Yang and others (2023), who made the collection, report for ResNet-18 at this size an AUROC of .944
# and 85 of 100 right. We expect one to three minutes on a GPU and about an hour on two cores, and have not run these
# cells to their end on the real films.

# %% tags=["full-size"]
course.setup(seed=0, precision="auto")
EPOCHS, BATCH, WIDTH = 40, 128, 64
try:
    parts = datasets.load("pneumonia_mnist", split=["train", "val", "test"])
except datasets.DatasetNotDownloadedError as error:
    parts = None
    print(error)


# %% tags=["full-size"]
def residual_network(shape):
    """Films (batch, *shape) to logits (batch, 1), by three residual blocks."""
    films = keras.Input(shape)
    x = layers.Conv2D(WIDTH, 3, padding="same")(layers.Rescaling(4, offset=-2)(films))
    for block, maps in enumerate([WIDTH, 2 * WIDTH, 4 * WIDTH]):
        stride = 2 if block else 1
        given = layers.ReLU()(layers.BatchNormalization()(x))
        new = layers.Conv2D(maps, 3, strides=stride, padding="same", use_bias=False)(given)
        new = layers.ReLU()(layers.BatchNormalization()(new))
        new = layers.Conv2D(maps, 3, padding="same", use_bias=False)(new)
        given = layers.AveragePooling2D(2)(given) if block else given
        x = layers.Add()([layers.Conv2D(maps, 1)(given), new])
    maps = layers.ReLU(name="maps")(layers.BatchNormalization()(x))
    means = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(maps))
    # In float32 under every policy: float16 has three digits.
    return keras.Model(films, layers.Dense(1, name="logit", dtype="float32")(means))


# %% tags=["full-size"]
if parts is not None:
    rows = [
        part.map(lambda row: (tf.cast(row["image"], "float32") / 255, row["label"])).cache()
        for part in parts
    ]
    real_train = rows[0].shuffle(5_000, seed=0).batch(BATCH).prefetch(2)
    real_checks, real_test = (part.batch(BATCH) for part in rows[1:])
    films = keras.Input((28, 28, 1))
    core = residual_network((28, 28, 1))
    real_network = keras.Model(films, core(augmentation((28, 28, 1), 0.08, 0.1)(films)))
    real_network.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.AUC(from_logits=True, name="auroc")],
    )
    core.summary()

# %% tags=["full-size"]
if parts is not None:
    checkpoint = datasets.data_dir().parent / "checkpoints" / "pneumonia.weights.h5"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=3),
        keras.callbacks.EarlyStopping(patience=8),
        keras.callbacks.ModelCheckpoint(checkpoint, save_best_only=True, save_weights_only=True),
    ]
    real_history = real_network.fit(
        real_train, validation_data=real_checks, epochs=EPOCHS, shuffle=False,
        callbacks=callbacks, verbose=2,
    )  # fmt: skip

# %% [markdown]
# The same measures on the 624 test films, with a threshold from the validation films. Three in four of the training
# films show pneumonia, and five in eight of the test films: 74 and 62 of 100 would be right if one always said so.

# %% tags=["full-size"]
if parts is not None:
    from sklearn.metrics import accuracy_score, roc_auc_score

    real_network.load_weights(checkpoint)
    (_, check_labels), (real_films, labels) = (
        map(np.concatenate, zip(*part.as_numpy_iterator())) for part in (real_checks, real_test)
    )
    check_logits = real_network.predict(real_checks, verbose=0)[:, 0]
    real_logits = real_network.predict(real_test, verbose=0)[:, 0]
    cut = np.quantile(check_logits[check_labels == 1], 0.1)  # nine in ten of the sick are above
    print(f"AUROC: {roc_auc_score(labels, real_logits):.3f}")
    print(f"right, of 100: {100 * accuracy_score(labels, real_logits > 0):.1f}")
    print(f"sensitivity: {np.mean(real_logits[labels == 1] >= cut):.3f}")
    print(f"specificity: {np.mean(real_logits[labels == 0] < cut):.3f}")

# %% tags=["full-size"]
if parts is not None:
    fig, axes = plt.subplots(2, 6, figsize=(6.4, 2.6))
    for (above, below), index in zip(axes.T, np.argsort(real_logits)[::-1][:6]):
        film = real_films[index]
        above.imshow(film[..., 0], cmap="gray", vmin=0, vmax=1)
        below.imshow(film[..., 0], cmap="gray", vmin=0, vmax=1)
        heat = grad_cam(core, film, "maps")
        below.imshow(heat, cmap="inferno", alpha=0.55, extent=(-0.5, 27.5, 27.5, -0.5))
        above.set_axis_off()
        below.set_axis_off()
    fig.suptitle("Six real films that are surest to show pneumonia", x=0.01, ha="left", fontsize=12)
    plots.show(fig, alt="Six real chest films, and below them the same films under their heat.")

# %% [markdown]
# There is no box to score the heat with, and no letter to swap: the films do not say which machine or ward they come
# from. So you cannot try here what this lesson tried, which is no reason to believe that there is nothing to find. Real
# films have 1,000 pixels a side and more; a network for these starts from one that was trained on other pictures.

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Repair the biased network in another way: tape a letter, drawn at random, onto *every* training film. Does it learn to ignore
#    letters, and is it better than dark corners?
# 2. Let one film in five be the other way round, instead of one in twenty. How much variety does it take until the lung pays
#    again?
# 3. Draw heat maps from an earlier layer with your `grad_cam`. (`network.summary()` has the names.) Sharper, but is it still right?
#
# To read: Zech and others (2018), *Variable generalization performance of a deep learning model to detect pneumonia in
# chest radiographs* (PLOS Medicine), in which hospitals' markers were read; DeGrave, Janizek and Lee (2021), *AI for
# radiographic COVID-19 detection selects shortcuts over signal* (Nature Machine Intelligence); Selvaraju and others
# (2017), *Grad-CAM*; F. Chollet, *Deep Learning with Python*, the chapters on computer vision, for Grad-CAM on
# photographs.
