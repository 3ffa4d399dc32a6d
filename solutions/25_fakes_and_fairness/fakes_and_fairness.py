# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Fakes and fairness
#     summary: You measure what generators make of skewed data, repair a filter that lightens skin, watch a detector of fakes grow old, and find out when generated samples help.
#     part: VI Generative adversarial networks
#     minutes: 60
#     minutes_reading: 14
#     objectives:
#     - correct a judge's counts for its own mistakes, and say when the correction fails
#     - measure a filter's harm for each group in a unit of its own, and repair it by data and by its loss
#     - say what a detector's answer means where fakes are rare, and why a detector ages
#     - sign a picture so that a change is noticed
#     - decide with numbers whether generated samples are worth adding to real ones
#     datasets: [digits, drawn_faces]
#     full_size: [celeb_a]
#     needs: [01_neurons_and_layers, 24_gans]
#     mirrors:
#       "1 GANs: Image editing, style transfer and augmentation": "What such networks are used for"
#       "1 GANs: Deep fakes": "A detector grows old"
#       "1 GANs: Reproduced bias": "What was rare becomes rarer"
#       "1 Conclusion": "Looking back"
#     built: a correction of a judge's counts, a filter with a loss that keeps the tone of a skin, a detector's answer where fakes are rare, and a signature that shows a changed picture
#     terms:
#       "style transfer": Giving a picture the style of another.
#       "tone (of a skin)": How light it is, here one number from 0 to 100, which no real skin is.
#       "support-vector machine": A classical classifier, strong where there are few examples.
#       "deep fake": A picture, film or voice of a person that a network has made.
#       "odds (of a probability)": A probability divided by that of the contrary.
#       "signature (of a picture)": A number computed from all its bytes and a secret key, by which a change is noticed.
#     explains: [AUROC, "Bayes' rule", cross-validation, mean squared error, PCA]
# ---

# %% [markdown]
# # Fakes and fairness
#
# A filter for selfies is sold with "add a smile, even out the light". It does both, and it makes dark skin lighter, though nobody asked for that and no line of its code
# mentions skin. Where does this come from, can it be measured, and can it be repaired?
#
# You will train such a filter, and also a generator that loses what is rare in its data, a detector of fakes, and models that live on generated data. Each harm is
# measured, and repaired as far as it can be. About 14 minutes to read and run, of which under a minute is waiting; 60 with the four exercises.

# %%
import course

course.setup(seed=0)

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

from course import datasets, plots
from course.gan import GAN
from course.training import Progress

# %% [markdown]
# The faces are drawings of 16 × 16 pixels. Above each time the photo, in any light, smiling or not, with noise. Below the portrait that the filter should make
# of it: the same face, smiling, in even light. The four on the left have darker skin, the four on the right lighter skin.

# %% tags=["demo"]
skewed, balanced, test = (
    datasets.arrays("drawn_faces", split, scaled=True)
    for split in ("train_skewed", "train_balanced", "test")
)


# %% tags=["demo"]
def show_rows(rows, title, alt):
    """Rows of pictures, a dict from a row's name to its images."""
    count = len(next(iter(rows.values())))
    fig, axes = plt.subplots(len(rows), count, figsize=(6.4, 0.72 * len(rows) + 0.45))
    for (name, images), row in zip(rows.items(), axes, strict=True):
        for axis, image in zip(row, images, strict=True):
            axis.imshow(np.clip(image, 0, 1), interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11)
    fig.suptitle(title, x=0.01, ha="left", fontsize=12)
    plots.show(fig, alt=alt)


some = np.concatenate([np.flatnonzero(test["group"] == group)[3:7] for group in (0, 1)])
show_rows(
    {"photo": test["photo"][some], "portrait": test["portrait"][some]},
    "A hasty photo, and the portrait to be made of it",
    """Eight drawn faces in two rows. The photos above are noisy, dim or tinted, some without a smile; the portraits below show
    the same faces smiling in even light. Four faces have darker skin, four have lighter skin.""",
)

# %% [markdown]
# ## What such networks are used for
#
# Adversarial training of generators works, and far beyond digits. It draws faces of people who do not exist. It edits pictures: hair, age, a smile, a clear sky. It carries the
# style of a painter over to a photograph (**style transfer**). And it makes additional samples where real ones are few, also in medicine, where a rare finding may have been
# photographed fifty times in all. The last use gets a section of its own below.
#
# All of these learn from a collection, and answer with what is likely *in that collection*. Four consequences follow: what is rare becomes rarer;
# an edit pulls towards the majority; a fake becomes hard to tell; and generated data are not new data. One section for each.
#
# **Two kinds of data.** `digits` are real, written by 13 people. `drawn_faces` are **simulated; no person stands behind any of them**. Each has one number
# for its skin, the **tone**, from 0 (darkest) to 100 (lightest), in two groups: *darker*, 15 to 45, and *lighter*, 55 to 90. Hair, glasses and everything else are
# independent of it. Above all: the skin of real people is not one number. It has undertones, differs over one face and with the season, and no group of people is a tone.
# Real is only the mechanism, by which a skewed collection becomes a skewed picture.

# %% [markdown]
# ## What was rare becomes rarer
#
# Take the generator of lesson 24, and a collection in which zeros are rare: 14 of them, 1.2 % of the images. *What share of the generated digits will be zeros:
# less than 1.2 %, as much, or more?* Someone must count: a judge, here a **support-vector machine** (a classical classifier, strong where there are few images) trained on
# real digits.

# %%
from sklearn.model_selection import cross_val_predict
from sklearn.svm import SVC


def load_digits(split):
    """Images (n, 8, 8, 1) as float32 from -1 to 1, and their labels."""
    images, labels = datasets.arrays("digits", split, as_supervised=True, scaled=True)
    return 2 * images - 1, labels


def flatten(images):
    """One row of pixels for each image."""
    return np.reshape(images, (len(images), -1))


# %% tags=["demo", "nbval-check-output"]
images, labels = load_digits("train")
test_images, test_labels = load_digits("test")
judge = SVC(C=10).fit(flatten(images), labels)
print("digits that the judge reads right, of 100 unseen:", end=" ")
print("more than 97" if judge.score(flatten(test_images), test_labels) > 0.97 else "fewer")
rng = np.random.default_rng(0)
zeros = np.flatnonzero(labels == 0)
kept = np.concatenate([np.flatnonzero(labels != 0), rng.permutation(zeros)[:14]])
few_zeros, few_labels = images[kept], labels[kept]
few = np.sum(few_labels == 0)
print(f"zeros in the collection: {few} of {len(few_labels):,}, {few / len(few_labels):.1%}")
print(f"in a batch of 64: {64 * few / len(few_labels):.2f} on average")

# %% [markdown]
# ### A judge has a bias of its own
#
# No judge is perfect. If it takes every twentieth 1 for an 8, then it counts eights that are none, and a class with few members drowns in such mistakes. But on real images
# we know how it errs. Let $C_{t,j}$ be the share of images of the *true* class $t$ that it calls $j$, so that each row of $C$ adds up to 1 (the **confusion matrix**, by
# rows). If the true shares are $p_t$, it counts on average
#
# $$q_j = \sum_t p_t\, C_{t,j}$$
#
# We know $q$ and $C$, and want $p$: a system of linear equations, one for each $j$.
#
# ### Exercise 1: correct the count
#
# Complete `corrected_shares(true_labels, judged_labels, counted)`. The first two are labels from 0 to $k-1$ of the same real images: the truth, and what the judge said;
# every class occurs in the truth. `counted` holds $q$, one share for each of the $k$ classes. Return $p$, shape ($k$,). A share may come out negative, if the judge counts
# fewer than its own mistakes would make. Do not cut it off: it says how uncertain the correction is.


# %% grade_id="corrected_shares" solution=true
def corrected_shares(true_labels, judged_labels, counted):
    """True shares of the classes from a judge's count, corrected for its confusions."""
    ### BEGIN SOLUTION
    size = len(counted)
    confusion = np.zeros((size, size))
    np.add.at(confusion, (true_labels, judged_labels), 1)
    confusion /= confusion.sum(axis=1, keepdims=True)
    return np.linalg.solve(confusion.T, counted)
    ### END SOLUTION


# %% grade_id="corrected_shares_form" points=1
labels_three = np.array([0, 0, 1, 1, 2, 2])
result = np.asarray(corrected_shares(labels_three, labels_three, np.array([0.5, 0.3, 0.2])))
assert result.shape == (3,), f"Three classes have three shares; yours has shape {result.shape}."
assert np.allclose(result, [0.5, 0.3, 0.2]), (
    f"A judge without mistakes needs no correction: expected [0.5, 0.3, 0.2], got {result}."
)

# %% grade_id="corrected_shares_values" points=3
# Hidden tests: judges that err, more in one direction than in the other, on classes of unequal size.
### BEGIN HIDDEN TESTS
for counts, shares in [
    ([[8, 2], [1, 9]], [0.1, 0.9]),
    ([[16, 4], [1, 9]], [0.3, 0.7]),
    ([[16, 4], [1, 9]], [-0.05, 1.05]),
    ([[18, 1, 1], [6, 24, 0], [0, 4, 6]], [0.6, 0.1, 0.3]),
    ([[5, 0, 5, 0], [0, 10, 0, 0], [1, 1, 38, 0], [0, 3, 0, 17]], [0.25, 0.02, 0.7, 0.03]),
]:
    counts, shares = np.array(counts), np.array(shares)
    true, judged = np.divmod(np.repeat(np.arange(counts.size), counts.ravel()), len(counts))
    counted = shares @ (counts / counts.sum(axis=1, keepdims=True))
    got = np.asarray(corrected_shares(true, judged, counted))
    assert np.allclose(got, shares, atol=1e-6), (
        f"A judge that calls {counts.tolist()} (rows: truth) and counted {np.round(counted, 3).tolist()}: the true shares are "
        f"{shares.tolist()}, you have {np.round(got, 3).tolist()}. Which index of C is summed over, what does a row add up to, and do "
        "negative shares stay?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The matrix is the wrong way round: its rows are what the judge said, not what is true.
def corrected_shares(true_labels, judged_labels, counted):
    size = len(counted)
    confusion = np.zeros((size, size))
    np.add.at(confusion, (true_labels, judged_labels), 1)
    confusion /= confusion.sum(axis=1, keepdims=True)
    return np.linalg.solve(confusion, counted)


# %% tags=["misconception"]
# Each share is divided by the judge's hit rate, and what it wrongly adds to other classes is forgotten.
def corrected_shares(true_labels, judged_labels, counted):
    hits = [np.mean(judged_labels[true_labels == k] == k) for k in range(len(counted))]
    return counted / np.array(hits)


# %% tags=["misconception"]
# The matrix is divided by the number of all images, so that the sizes of the classes in the real sample leak in.
def corrected_shares(true_labels, judged_labels, counted):
    size = len(counted)
    confusion = np.zeros((size, size))
    np.add.at(confusion, (true_labels, judged_labels), 1)
    p = np.linalg.solve((confusion / confusion.sum()).T, counted)
    return p / p.sum()


# %% tags=["misconception"]
# Negative shares are cut off, and the others made smaller to add up to 1.
def corrected_shares(true_labels, judged_labels, counted):
    size = len(counted)
    confusion = np.zeros((size, size))
    np.add.at(confusion, (true_labels, judged_labels), 1)
    confusion /= confusion.sum(axis=1, keepdims=True)
    p = np.linalg.solve(confusion.T, counted).clip(0)
    return p / p.sum()


# %% tags=["misconception"]
# Columns add up to 1: what an image called j is in the real sample, whose shares of classes leak in.
def corrected_shares(true_labels, judged_labels, counted):
    size = len(counted)
    confusion = np.zeros((size, size))
    np.add.at(confusion, (true_labels, judged_labels), 1)
    return (confusion / confusion.sum(axis=0)) @ counted


# %% tags=["misconception"]
# Indexing with lists of labels and += counts each pair of truth and answer once, however often it occurs.
def corrected_shares(true_labels, judged_labels, counted):
    size = len(counted)
    confusion = np.zeros((size, size))
    confusion[true_labels, judged_labels] += 1
    confusion /= confusion.sum(axis=1, keepdims=True)
    return np.linalg.solve(confusion.T, counted)


# %% tags=["misconception"]
# The count is multiplied by the matrix, which adds the judge's mistakes once more.
def corrected_shares(true_labels, judged_labels, counted):
    size = len(counted)
    confusion = np.zeros((size, size))
    np.add.at(confusion, (true_labels, judged_labels), 1)
    return counted @ (confusion / confusion.sum(axis=1, keepdims=True))


# %% tags=["alternative"]
# Builds the matrix column by column and solves by least squares.
def corrected_shares(true_labels, judged_labels, counted):
    classes = range(len(counted))
    columns = [[np.mean(judged_labels[true_labels == t] == j) for t in classes] for j in classes]
    return np.linalg.lstsq(np.array(columns), np.asarray(counted), rcond=None)[0]


# %% [markdown]
# ### Two experiments
#
# First the generator with 14 zeros in its data. Then, as a check of our ruler, a generator whose data hold *no eights at all*. Whatever eights are counted there are none.
# The judge's confusions come from real training images that it had not seen (cross-validation). *Which count will deceive us more?*


# %% tags=["demo"]
def build_generator(noise_size=16):
    """The generator of lesson 24."""
    noise = x = keras.Input((noise_size,))
    for units in (128, 128):
        x = layers.LeakyReLU(negative_slope=0.2)(layers.Dense(units)(x))
    x = layers.Dense(64, activation="tanh", dtype="float32")(x)
    return keras.Model(noise, layers.Reshape((8, 8, 1), dtype="float32")(x))


def build_discriminator():
    """The discriminator of lesson 24."""
    image = keras.Input((8, 8, 1))
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Dense(128)(layers.Flatten()(image)))
    return keras.Model(image, layers.Dense(1, dtype="float32")(layers.Dropout(0.3)(x)))


def train_gan(data, title):
    """A pair trained for 2,000 steps."""
    gan = GAN(build_generator(), build_discriminator())
    optimizers = [keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2)]
    gan.compile(*optimizers, steps_per_execution=20)
    batches = tf.data.Dataset.from_tensor_slices(data).shuffle(len(data)).repeat().batch(64)
    bar = [Progress(title)]
    gan.fit(batches, epochs=100, steps_per_epoch=20, verbose=0, shuffle=False, callbacks=bar)
    return gan


# %% tags=["demo"]
unseen_guess = cross_val_predict(SVC(C=10), flatten(images), labels, cv=5)
confusion = np.array(
    [[np.mean(unseen_guess[labels == t] == j) for j in range(10)] for t in range(10)]
)


def shares_of(pictures):
    """Shares of the ten digits: as counted, and corrected."""
    counted = np.bincount(judge.predict(flatten(pictures)), minlength=10) / len(pictures)
    return counted, np.linalg.solve(confusion.T, counted)


gan_few_zeros = train_gan(few_zeros, "Few zeros")
gan_no_eights = train_gan(images[labels != 8], "No eights")
from_few_zeros = gan_few_zeros.generate(3000, seed=1)
from_no_eights = gan_no_eights.generate(3000, seed=1)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: zeros 0 to 2.3 % (1.2 in the data); eights .8 to 6.4 % (none in the data).
zeros_made, eights_made = shares_of(from_few_zeros)[1][0], shares_of(from_no_eights)[1][8]
print("zeros, 1.2 % of the data: below 4 % of what is generated:", zeros_made < 0.04)
print("eights, none in the data: above .3 % of what is generated:", eights_made > 0.003)

# %% [markdown]
# One generator is one throw of the dice. These are the corrected shares, in percent, from 20 repeats of the two trainings with other seeds, noted down so that you need not
# wait for them.

# %% tags=["nbval-check-output"]
zeros_in_repeats = np.array(
    [0.9, 1.1, 0.0, 0.2, 1.1, 1.5, 0.0, 0.9, 0.0, 0.4]
    + [2.3, 0.2, 0.1, 0.3, 0.9, 1.5, 0.1, 0.3, 0.6, 0.0]
)
eights_in_repeats = np.array(
    [3.5, 2.5, 3.6, 2.3, 2.7, 6.0, 2.6, 0.8, 3.3, 2.9]
    + [2.1, 5.9, 1.1, 2.5, 5.4, 2.7, 4.0, 5.4, 6.4, 1.7]
)
print(f"zeros, 1.2 % of the data: {zeros_in_repeats.mean():.1f} % on average, ", end="")
print(f"below 1.2 % in {np.sum(zeros_in_repeats < 1.2)} of {len(zeros_in_repeats)}")
print(f"eights, none in the data: {eights_in_repeats.mean():.1f} % on average")

# %% [markdown]
# Two answers. The zeros became **rarer than they were**, on average about half, and sometimes they are gone: that is amplification. Fourteen images in 1,183 are fewer than one in a batch; a generator
# that never draws a zero loses next to nothing. But look at the other line. The judge sees eights in a world without any, even after correction. These are some of them:

# %% tags=["demo"]
called = from_no_eights[judge.predict(flatten(from_no_eights)) == 8][:8]
eights = {"called 8": called, "real 8": images[labels == 8][: len(called)]}
show_rows(
    {name: np.repeat((some + 1) / 2, 3, axis=-1) for name, some in eights.items()},
    "Eights by a generator that has never seen one",
    """Eight generated digits that the judge calls 8, above eight real eights. The generated ones are blurred: loops are filled, gaps are closed;
    in the real ones the strokes and loops are clearer.""",
)

# %% [markdown]
# Generated images are not like real ones: botched shapes, with gaps closed that should be open, are read as an 8, and the confusions measured on *real* images do not know
# about those. Had we made the eights rare, and read off such a share, we would have reported the opposite of amplification, and measured the judge. A count needs a floor: what
# does the ruler show where there is nothing?
#
# So be careful with sentences such as "generators amplify bias". Here the zeros, which look like nothing else, become rarer. For a digit that other digits
# resemble, this ruler cannot say.

# %% [markdown]
# ### Draw the rare more often
#
# The repair that costs nothing to program: draw the training images with unequal probabilities, so that the batches are balanced though the collection is not.
#
# ### Exercise 2: probabilities for drawing
#
# Complete `draw_weights(labels, wanted)`. `labels` are integers from 0 to $k-1$, one for each image; `wanted` holds the share that each class shall have among
# the images drawn, one for each of the $k$ classes, adding up to 1. Return one probability for each image: images of one class have equal ones, all add up to 1, and those
# of class $c$ add up to `wanted[c]`. A class without any image cannot be drawn: then the others share what it would have had, in proportion.


# %% grade_id="draw_weights" solution=true
def draw_weights(labels, wanted):
    """The probability with which each image is drawn, so that classes come in wanted shares."""
    ### BEGIN SOLUTION
    counts = np.bincount(labels, minlength=len(wanted))
    weights = np.asarray(wanted)[labels] / counts[labels]
    return weights / weights.sum()
    ### END SOLUTION


# %% grade_id="draw_weights_form" points=1
result = np.asarray(draw_weights(np.array([0, 0, 0, 1]), np.array([0.5, 0.5])))
assert result.shape == (4,), (
    f"One probability for each of 4 images; yours has shape {result.shape}."
)
assert np.isclose(result.sum(), 1), f"Probabilities add up to 1; yours to {result.sum():.3f}."
assert np.isclose(result[3], 0.5), (
    f"The only image of class 1 must be half of what is drawn; yours is {result[3]:.3f} of it."
)

# %% grade_id="draw_weights_values" points=2
# Hidden tests: other shares than equal ones, and a class that has no image.
### BEGIN HIDDEN TESTS
for counts, wanted in [
    ([6, 2, 4], [1 / 3, 1 / 3, 1 / 3]),
    ([90, 9, 1], [0.2, 0.3, 0.5]),
    ([5, 0, 15], [0.25, 0.5, 0.25]),
    ([0, 3, 7, 1], [0.1, 0.6, 0.2, 0.1]),
]:
    labels_here = np.random.default_rng(3).permutation(np.repeat(np.arange(len(counts)), counts))
    got = np.asarray(draw_weights(labels_here, np.array(wanted)))
    sums = np.bincount(labels_here, weights=got, minlength=len(counts))
    target = np.where(np.array(counts) > 0, wanted, 0)
    target = target / target.sum()
    assert np.allclose(sums, target, atol=1e-6), (
        f"{counts} images in the classes, wanted {np.round(wanted, 3).tolist()}: classes would be drawn {np.round(sums, 3).tolist()}, "
        f"should be {np.round(target, 3).tolist()}. How many images share the probability of their class?"
    )
    for c in np.unique(labels_here):
        assert np.ptp(got[labels_here == c]) < 1e-9, f"Images of class {c} differ in probability."
### END HIDDEN TESTS


# %% tags=["misconception"]
# Every image gets its class's wanted share, however many images the class has.
def draw_weights(labels, wanted):
    weights = np.asarray(wanted)[labels]
    return weights / weights.sum()


# %% tags=["misconception"]
# np.unique leaves out a class without images, so that the counts after it belong to other classes.
def draw_weights(labels, wanted):
    _, counts = np.unique(labels, return_counts=True)
    weights = np.asarray(wanted)[labels] / counts[labels]
    return weights / weights.sum()


# %% tags=["misconception"]
# What a class without images would have had is spread evenly over the others, not in proportion.
def draw_weights(labels, wanted):
    counts = np.bincount(labels, minlength=len(wanted))
    there = counts > 0
    shares = np.asarray(wanted) + np.asarray(wanted)[~there].sum() / there.sum()
    return shares[labels] / counts[labels]


# %% tags=["misconception"]
# All classes are made equally likely, whatever was wanted.
def draw_weights(labels, wanted):
    weights = 1 / np.bincount(labels, minlength=len(wanted))[labels]
    return weights / weights.sum()


# %% tags=["misconception"]
# The probabilities do not add up to 1 where a class has no image.
def draw_weights(labels, wanted):
    counts = np.bincount(labels, minlength=len(wanted))
    return np.asarray(wanted)[labels] / counts[labels]


# %% tags=["misconception"]
# The weight grows with the size of the class, so the common becomes more common.
def draw_weights(labels, wanted):
    weights = np.asarray(wanted)[labels] * np.bincount(labels, minlength=len(wanted))[labels]
    return weights / weights.sum()


# %% tags=["alternative"]
# Goes through the classes one by one.
def draw_weights(labels, wanted):
    weights = np.zeros(len(labels))
    for c, share in enumerate(wanted):
        members = labels == c
        if members.any():
            weights[members] = share / members.sum()
    return weights / weights.sum()


# %% [markdown]
# With equal shares for all ten digits, a zero is drawn more than eight times as often as before. *What comes back, and what cannot come back?*

# %% tags=["demo"]
even = 1 / np.bincount(few_labels)[few_labels]
drawn = rng.choice(len(few_labels), 20_000, p=even / even.sum())
gan_repaired = train_gan(few_zeros[drawn], "Zeros drawn more often")
from_repaired = gan_repaired.generate(3000, seed=1)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: share .05 to .12; ratio of variances 1.19 to 1.67.
times = np.sum(few_labels == 0) * even[few_labels == 0][0] / 10 / np.mean(few_labels == 0)
print(f"zeros are drawn {times:.1f} times as often as before")
print("zeros now between 3 and 16 %:", 0.03 < shares_of(from_repaired)[1][0] < 0.16)
new_zeros = from_repaired[judge.predict(flatten(from_repaired)) == 0]
spread = new_zeros.var(axis=0).sum() / test_images[test_labels == 0].var(axis=0).sum()
print("their variance is larger than that of real unseen zeros:", spread > 1)

# %% [markdown]
# The share is repaired. Do not read the second line as variety: botched zeros and specks have variance too, a measure that asks *how different* cannot tell good from bad.
# The network has met 14 zeros, and a way of writing it that is not among them can come out by luck only. Weights repair *how often*. Only new images repair *how many ways*.

# %% [markdown]
# ## A filter that lightens
#
# Back to the selfie filter. Its photos vary in light, from half to full, and in tint. It shall return even light, so it must decide for each face: is this light skin in
# dim light, or dark skin in bright light? Where the photo does not say, a network that minimises squared errors answers with the average of what it has *seen*. In
# `train_skewed`, 97 of 100 faces are lighter. *What will it make of the darker faces in the test, where both groups are equal?*
#
# To measure it we need a unit. `tone_of` reads a portrait's tone from its cheeks: how far along the line from the darkest to the lightest skin colour they lie.

# %%
facts = datasets.info("drawn_faces").metadata
CHEEKS, DARKEST, LIGHTEST = (np.array(facts[name]) for name in ("cheeks", "darkest", "lightest"))
LOW = (DARKEST / 255).astype("float32")
SPAN = ((LIGHTEST - DARKEST) / 255).astype("float32")


def tone_of(portraits):
    """Tone from 0 to 100 of each portrait (n, 16, 16, 3), read from six pixels of its cheeks."""
    top, left, bottom, right = CHEEKS
    cheeks = keras.ops.mean(portraits[:, top:bottom, left:right], axis=(1, 2))
    return 100 * keras.ops.sum((cheeks - LOW) * SPAN, axis=-1) / np.sum(SPAN**2)


def build_filter():
    """From photos to portraits, through a code of 32 numbers."""
    photo = keras.Input((16, 16, 3))
    x = layers.Flatten()(photo)
    for units in (256, 32, 256):
        x = layers.Dense(units, activation="relu")(x)
    x = layers.Dense(16 * 16 * 3, activation="sigmoid", dtype="float32")(x)
    return keras.Model(photo, layers.Reshape((16, 16, 3), dtype="float32")(x))


# %% [markdown]
# It is an encoder and a decoder of plain dense layers, and no adversary is needed: the pull towards the majority comes from the data and the loss, not from the game.


# %% tags=["demo", "nbval-check-output"]
def train_filter(photos, portraits, loss, title):
    """A filter trained for 15 epochs."""
    model = build_filter()
    model.compile(keras.optimizers.Adam(1e-3), loss)
    model.fit(photos, portraits, 64, epochs=15, verbose=0, callbacks=[Progress(title)])
    return model


def report(model):
    """For darker and lighter faces: mean shift in tone units, and error of all pixels (0 to 255)."""
    made = model(test["photo"]).numpy()
    shift = np.asarray(tone_of(made) - tone_of(test["portrait"]))
    error = 255 * np.sqrt(np.mean((made - test["portrait"]) ** 2, axis=(1, 2, 3)))
    groups = [test["group"] == group for group in (0, 1)]
    return np.array([[shift[group].mean(), error[group].mean()] for group in groups])


ruler = np.abs(np.asarray(tone_of(test["portrait"])) - test["tone"])
print("the ruler's mean error on true portraits, below 1 tone unit:", ruler.mean() < 1)
for name, split in {"skewed": skewed, "balanced": balanced, "test": test}.items():
    print(f"{name}: {np.sum(split['group'] == 0)} of {len(split['group']):,} faces are darker")

# %% tags=["demo"]
filters = {
    "skewed": train_filter(skewed["photo"], skewed["portrait"], "mse", "Skewed data"),
    "balanced": train_filter(balanced["photo"], balanced["portrait"], "mse", "Balanced data"),
}
reports = {name: report(model) for name, model in filters.items()}

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: darker +8 to +17 (mean 14), lighter -4 to 2.3, nearest 3.5 beside 8; balanced: darker -2
# to 6.7, of 16. Error of the darker ones' pixels 22 to 30, of the lighter ones' 17 to 21.
dark, light = reports["skewed"][:, 0]
print("skewed data: darker faces come out lighter by more than 5 units:", dark > 5)
print("             the lighter group moves by less than that:", abs(light) < dark)
dark_then = reports["balanced"][0, 0]
print(
    "balanced data: darker faces move by less than two thirds of that:", abs(dark_then) < dark / 1.5
)
worse = reports["skewed"][0, 1] > reports["skewed"][1, 1]
print("skewed data: more error in the darker faces' pixels:", worse)

# %% [markdown]
# That is no invention of this lesson: filters of a well-known app for selfies were found to whiten their users' skin, and its generators had learned from unbalanced data.
# Here, too, nobody wrote a line about skin. The average over all *training* faces looks fine, since 97 of 100 are of the group that is served well; only a number for each group
# shows the rest. Look at the same people in all three versions.

# %% tags=["demo", "thumbnail"]
people = np.flatnonzero((test["group"] == 0) & (test["light"] > 0.8))[:8]
rows = {"photo": test["photo"][people], "skewed data": filters["skewed"](test["photo"][people])}
rows["balanced"] = filters["balanced"](test["photo"][people])
rows["wanted"] = test["portrait"][people]
show_rows(
    rows,
    "Asked for a smile, given lighter skin as well",
    """Eight drawn faces with darker skin in four rows. The photos; what a filter trained on skewed data makes of them, smiling and with visibly lighter
    skin; what a filter trained on balanced data makes, smiling with skin close to the true tone; and the wanted portraits.""",
)

# %% [markdown]
# ### A loss that names what matters
#
# Balanced data are the better repair, if one can get them. The second lever is the loss: six cheek pixels of 256 hardly count in a mean over all. A term of its own makes the
# tone count. With portraits $y_i$, outputs $\hat y_i$ of $n$ faces and tones $\tau$ from 0 to 100:
#
# $$L = \text{mean of } (y - \hat y)^2 \text{ over all numbers} \;+\; w \cdot \frac{1}{n}\sum_{i=1}^{n} \left(\frac{\tau(\hat y_i) - \tau(y_i)}{100}\right)^2$$
#
# ### Exercise 3: a loss that keeps the tone
#
# Complete `tone_keeping_loss(portraits, outputs, weight)`, where `portraits` and `outputs` have shape (n, 16, 16, 3), values from 0 to 1. Use `tone_of` from above and operations
# of `keras.ops`, so that gradients can flow, and return one number (a scalar tensor). The square stands *inside* the mean: an error up and one down must not cancel.


# %% grade_id="tone_keeping_loss" solution=true
def tone_keeping_loss(portraits, outputs, weight):
    """Mean squared error of all pixels, plus weight times that of the tones (0 to 1)."""
    ### BEGIN SOLUTION
    off = (tone_of(outputs) - tone_of(portraits)) / 100
    return keras.ops.mean((portraits - outputs) ** 2) + weight * keras.ops.mean(off**2)
    ### END SOLUTION


# %% grade_id="tone_keeping_loss_form" points=1
rng_here = np.random.default_rng(4)
a, b = rng_here.uniform(0, 1, (2, 5, 16, 16, 3)).astype("float32")
result = tone_keeping_loss(a, b, 0.0)
assert keras.ops.is_tensor(result), (
    f"Return a tensor, from keras.ops; a {type(result).__name__} carries no gradient."
)
assert np.shape(result) == (), f"Return one number; yours has shape {np.shape(result)}."
assert np.isclose(float(result), np.mean((a - b) ** 2), atol=1e-5), (
    f"With weight 0 it is the mean squared error, {np.mean((a - b) ** 2):.4f}; yours is {float(result):.4f}."
)

# %% grade_id="tone_keeping_loss_values" points=3
# Hidden tests: cheeks lightened and darkened by known amounts.
### BEGIN HIDDEN TESTS
top, left, bottom, right = CHEEKS
for shifts in ([20.0, 20.0], [20.0, -20.0], [-10.0, 30.0], [0.0, 0.0]):
    portraits = np.full((2, 16, 16, 3), 0.4, "float32")
    outputs = portraits.copy()
    for face, shift in enumerate(shifts):
        outputs[face, top:bottom, left:right] += shift / 100 * SPAN
    pixels = np.mean((portraits - outputs) ** 2)
    for weight in (0.5, 3.0):
        want = pixels + weight * np.mean((np.array(shifts) / 100) ** 2)
        got = float(tone_keeping_loss(portraits, outputs, weight))
        assert np.isclose(got, want, atol=1e-5), (
            f"Two faces shifted by {shifts} units, weight {weight}: expected {want:.5f}, got {got:.5f}. What is squared, what is averaged, "
            "and in which unit are tones?"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The mean shift is squared, so that a lighter face and a darker one cancel.
def tone_keeping_loss(portraits, outputs, weight):
    off = keras.ops.mean(tone_of(outputs) - tone_of(portraits)) / 100
    return keras.ops.mean((portraits - outputs) ** 2) + weight * off**2


# %% tags=["misconception"]
# Tones stay in units of 0 to 100, so that the pixels no longer count beside them.
def tone_keeping_loss(portraits, outputs, weight):
    off = tone_of(outputs) - tone_of(portraits)
    return keras.ops.mean((portraits - outputs) ** 2) + weight * keras.ops.mean(off**2)


# %% tags=["misconception"]
# The numbers are right, but NumPy's mean cuts the way back for gradients.
def tone_keeping_loss(portraits, outputs, weight):
    off = np.asarray(tone_of(outputs) - tone_of(portraits)) / 100
    return np.mean((np.asarray(portraits) - np.asarray(outputs)) ** 2) + weight * np.mean(off**2)


# %% tags=["misconception"]
# The faces' squared shifts are added up, not averaged, so that the term grows with the batch.
def tone_keeping_loss(portraits, outputs, weight):
    off = (tone_of(outputs) - tone_of(portraits)) / 100
    return keras.ops.mean((portraits - outputs) ** 2) + weight * keras.ops.sum(off**2)


# %% tags=["misconception"]
# The size of the shift is averaged, not its square.
def tone_keeping_loss(portraits, outputs, weight):
    off = keras.ops.abs(tone_of(outputs) - tone_of(portraits)) / 100
    return keras.ops.mean((portraits - outputs) ** 2) + weight * keras.ops.mean(off)


# %% tags=["misconception"]
# Only lightening is punished; a face that comes out too dark costs nothing.
def tone_keeping_loss(portraits, outputs, weight):
    off = keras.ops.relu(tone_of(outputs) - tone_of(portraits)) / 100
    return keras.ops.mean((portraits - outputs) ** 2) + weight * keras.ops.mean(off**2)


# %% tags=["alternative"]
# Two of Keras's own losses.
def tone_keeping_loss(portraits, outputs, weight):
    mse = keras.losses.MeanSquaredError()
    tones = mse(tone_of(portraits) / 100, tone_of(outputs) / 100)
    return mse(portraits, outputs) + weight * tones


# %% [markdown]
# Now suppose that no more darker faces are to be had. We draw the 48 that we have more often, as in exercise 2, until each group is half of what the network sees; and
# then the same with the term for the tone. *Will 48 faces do as well as 800?*


# %% tags=["demo"]
def keeps_tone(portraits, outputs):
    """Exercise 3 with weight 0.1."""
    off = keras.losses.mean_squared_error(tone_of(portraits) / 100, tone_of(outputs) / 100)
    return keras.ops.mean((portraits - outputs) ** 2) + 0.1 * off


group_size = np.bincount(skewed["group"])[skewed["group"]]
again = np.random.default_rng(0).choice(1600, 1600, p=1 / group_size / 2)
photos, portraits = skewed["photo"][again], skewed["portrait"][again]
filters["redrawn"] = train_filter(photos, portraits, "mse", "Darker faces drawn more often")
filters["redrawn + term"] = train_filter(photos, portraits, keeps_tone, "With a term for tone")
reports = {name: report(model) for name, model in filters.items()}

# %% tags=["demo"]
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.4), sharey=True)
places = np.arange(len(reports))[::-1]
for column, (axis, unit) in enumerate(
    zip(axes, ["mean shift (tone units)", "error (pixel values)"], strict=True)
):
    for group, color in enumerate([plots.BLUE, plots.ORANGE]):
        values = [numbers[group, column] for numbers in reports.values()]
        name = ["darker faces", "lighter faces"][group]
        axis.barh(places + 0.19 - 0.38 * group, values, 0.36, color=color, label=name)
    axis.set_xlabel(unit)
    axis.axvline(0, color="k", lw=1)
axes[0].set_yticks(places, list(reports))
fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
fig.suptitle("Other data: no group is shifted as far", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Bars for four filters and two groups. Left, the mean shift in tone: for the skewed data, darker faces move far up; in the three other filters
    they move much less, and lighter faces can come out a little too dark. Right, the error over all pixels: with skewed data larger for darker faces; with the other data the groups come closer.""",
)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: drawing takes away 4.6 units or more, at least .55 of the shift; the term changes it by at
# most 2.7. Largest shift left, any group and filter: 6.7, at most .5 of before. Lighter faces'
# error changes by -2 to 2; 800 faces beat 48 redrawn ones by .2 to 4 pixel values.
before, redrawn, term = (reports[name] for name in ("skewed", "redrawn", "redrawn + term"))
moved = before[0, 0] - redrawn[0, 0]
print("redrawn: more than a third of the darker faces' shift is gone:", moved > before[0, 0] / 3)
print("the term changes less than the drawing did:", abs(term[0, 0] - redrawn[0, 0]) < moved)
left = np.abs([reports[name][:, 0] for name in ("balanced", "redrawn", "redrawn + term")])
print("no group is shifted as far as the darker one was:", left.max() < before[0, 0])
paid = max(redrawn[1, 1], term[1, 1]) - before[1, 1]
print("lighter faces pay with less than 5 pixel values of error:", paid < 5)
ahead = reports["balanced"][0, 1] - redrawn[0, 1]
print("800 darker faces are as good as 48 redrawn, or better (within 1):", ahead < 1)

# %% [markdown]
# Even 48 faces, drawn more often, take much of the shift away. The term for the tone, on top of that, did little: it names what matters, but an average of squares still leans to what the network
# has seen, and where the photo leaves a doubt no loss can remove it. It would have been easy to keep quiet about that. The cost to lighter faces exists, and
# is small: the network's 32 numbers of code now serve two groups, and a light face in dim light can be taken for a darker one. So part of the shift may change sides: look at the
# lighter faces' bars on the left. What remains is smaller than what was there, and shared. It was a *choice* to count both groups alike, and choices like that are made by people.

# %% [markdown]
# ## A detector grows old
#
# The same technique puts words into a politician's mouth: footage and voices that never were, **deep fakes**. A classifier that tells generated from real seems the natural
# answer. Here it is: real digits against the output of our first generator, the one with few zeros. *How good is it on new images of that generator? And on
# two that it has not met: a newer one (the repaired one from above) and one of another kind, a mixture of Gaussian clouds as in lesson 24?* This mixture is fitted to
# 20 numbers for each image, which **PCA** finds: how far the image lies along the 20 directions in which the images vary most. The measure is the AUROC, how often a
# fake gets a higher score than a real digit: 1 is perfect, 0.5 is guessing.

# %% tags=["demo"]
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture

flat = flatten(images).astype("float64")
detector = keras.Sequential(
    [
        keras.Input((64,)),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.3),
        layers.Dense(1, dtype="float32"),
    ]
)
detector.compile(keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(from_logits=True))
known = np.concatenate([flat, flatten(from_few_zeros[:1297])])
is_fake = np.repeat([0.0, 1.0], 1297)
history = detector.fit(known, is_fake, 64, epochs=20, verbose=0, callbacks=[Progress("Detector")])

# %% tags=["demo", "nbval-check-output"]
directions = PCA(20, random_state=0).fit(flat)
clouds = GaussianMixture(30, reg_covar=1e-3, random_state=0).fit(directions.transform(flat))
mixture = directions.inverse_transform(clouds.sample(1000)[0]).clip(-1, 1)


def auroc(fakes):
    """How often a fake gets a higher score than an unseen real digit."""
    real, fake = (detector(x.astype("float32")).numpy() for x in (flatten(test_images), fakes))
    scores = np.concatenate([real, fake])[:, 0]
    return roc_auc_score(np.repeat([0, 1], [len(real), len(fake)]), scores)


# 20 seeds: .998 to 1, newer .26 to .73, other .47 to .58 (guessing: .5).
first, newer = auroc(flatten(from_few_zeros[1500:])), auroc(flatten(from_repaired))
other = auroc(mixture)
print("AUROC, the generator it was trained on, above .93:", first > 0.93)
print("a newer generator, below .85:", newer < 0.85)
print("a generator of another kind, below .7:", other < 0.7)

# %% [markdown]
# It did not learn what real digits are. It learned the habits of one generator. A detector can only be trained on generators that are known, so it is always behind; and
# one that is published can be used as the next generator's discriminator.
#
# ### Where fakes are rare
#
# The detector learned from as many fakes as real images. Where it works, one picture in a thousand may be generated. What does its "97 % fake" mean there? By Bayes' rule,
# the *odds* (fake to real) are a product of what the image says and what was to be expected before. Only the second factor changes with the place:
#
# $$\underbrace{\frac{P(\text{fake} \mid x)}{P(\text{real} \mid x)}}_{\text{odds here}} = \underbrace{e^{\ell}}_{\text{odds as trained}} \cdot
# \frac{\pi\,/\,(1-\pi)}{\pi_0\,/\,(1-\pi_0)}$$
#
# $\ell$ is the detector's logit (its output before the sigmoid), $\pi_0$ the share of fakes it was trained with, and $\pi$ the share where it is used. It assumes that fakes and real
# images themselves look as in training.
#
# ### Exercise 4: the same score, elsewhere
#
# Complete `fake_probability(logits, trained_share, share)`: the probability that each image is fake where a `share` of all are. `logits` is an array of any
# shape, and so is the answer. Logits may be as large as ±500; the answer must stay finite. (From odds $o$, a probability is $o/(1+o)$.)


# %% grade_id="fake_probability" solution=true
def fake_probability(logits, trained_share, share):
    """The probability of "fake" where fakes have another share than in training."""
    ### BEGIN SOLUTION
    moved = logits + np.log(share / (1 - share)) - np.log(trained_share / (1 - trained_share))
    return np.exp(-np.logaddexp(0, -moved))
    ### END SOLUTION


# %% grade_id="fake_probability_form" points=1
result = np.asarray(fake_probability(np.array([[0.0, 3.0]]), 0.5, 0.5))
assert result.shape == (1, 2), (
    f"Logits of shape (1, 2) have answers of that shape, got {result.shape}."
)
assert np.allclose(result, [[0.5, 0.952574]], atol=1e-4), (
    f"Where the share is as in training, the answer is the detector's own: [0.5, 0.953]; got {result[0]}."
)

# %% grade_id="fake_probability_values" points=3
# Hidden tests: rare fakes, another share in training, logits far from zero.
### BEGIN HIDDEN TESTS
logits = np.array([-500.0, -4.0, 0.0, 2.0, 3.5, 500.0], "float32")
for trained, share in [(0.5, 0.001), (0.5, 0.9), (0.2, 0.2), (0.2, 0.01), (0.8, 0.3)]:
    got = np.asarray(fake_probability(logits, trained, share))
    assert np.all(np.isfinite(got)), (
        f"At logits of plus or minus 500 you return {got}: an exponential overflows."
    )
    detector_says = 1 / (1 + np.exp(-logits[1:5]))
    fake = detector_says / trained * share
    real = (1 - detector_says) / (1 - trained) * (1 - share)
    want = np.concatenate([[0], fake / (fake + real), [1]])
    assert np.allclose(got, want, atol=1e-4), (
        f"Trained with a share of {trained}, used where it is {share}: logits {logits[1:5].tolist()} should give "
        f"{np.round(want[1:5], 4).tolist()}, got {np.round(got[1:5], 4).tolist()}. What of the odds depends on the place, and what on training?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The probability is multiplied by the share of fakes, and the real images are left out of the account.
def fake_probability(logits, trained_share, share):
    return np.exp(-np.logaddexp(0, -logits)) * share / trained_share


# %% tags=["misconception"]
# The share in training is taken to be one half, whatever it was.
def fake_probability(logits, trained_share, share):
    return np.exp(-np.logaddexp(0, -(logits + np.log(share / (1 - share)))))


# %% tags=["misconception"]
# The two shares have changed places.
def fake_probability(logits, trained_share, share):
    moved = logits - np.log(share / (1 - share)) + np.log(trained_share / (1 - trained_share))
    return np.exp(-np.logaddexp(0, -moved))


# %% tags=["misconception"]
# Logits are cut off at plus and minus 10 against overflow, which makes a sure detector doubtful where fakes are rare.
def fake_probability(logits, trained_share, share):
    odds = np.exp(np.clip(logits, -10, 10))
    odds = odds * share / (1 - share) * (1 - trained_share) / trained_share
    return odds / (1 + odds)


# %% tags=["misconception"]
# What comes back are the odds, not the probability.
def fake_probability(logits, trained_share, share):
    moved = logits + np.log(share / (1 - share)) - np.log(trained_share / (1 - trained_share))
    return np.exp(moved)


# %% tags=["misconception"]
# The logarithm of the share is used where that of its odds belongs.
def fake_probability(logits, trained_share, share):
    moved = logits + np.log(share) - np.log(trained_share)
    return np.exp(-np.logaddexp(0, -moved))


# %% tags=["misconception"]
# The odds are computed as such, and overflow where the detector is very sure.
def fake_probability(logits, trained_share, share):
    with np.errstate(all="ignore"):
        odds = np.exp(logits) * share / (1 - share) * (1 - trained_share) / trained_share
        return odds / (1 + odds)


# %% tags=["alternative"]
# Keras's sigmoid of the moved logit.
def fake_probability(logits, trained_share, share):
    odds = share / (1 - share) * (1 - trained_share) / trained_share
    moved = np.asarray(logits, "float64") + np.log(odds)
    return keras.ops.convert_to_numpy(keras.ops.sigmoid(moved))


# %% [markdown]
# So what is a score of 97 % worth?

# %% tags=["nbval-check-output"]
odds_as_trained = 0.97 / 0.03
for share in (0.5, 0.01, 0.001):
    odds = odds_as_trained * share / (1 - share)
    print(
        f"one picture in {1 / share:5.0f} is fake: the score of 97 % means {odds / (1 + odds):.0%}"
    )

# %% [markdown]
# Where one in a thousand is fake, 97 of 100 such alarms are false, and each accuses a true picture. Three things no detector settles: whether a picture that it lets pass is
# true; whether a generated one deceives (a cartoon does not); and what happens when people, knowing that fakes exist, wave away true footage as fake.
#
# ### The other road: say where it comes from
#
# Instead of guessing whether a picture is false, one can prove that it is unchanged. Whoever takes it attaches a **signature**, a number computed from all its bytes and a secret key; whoever has the key
# can check it. Python's `hmac` does it in a line. We change one pixel by one step.

# %% tags=["nbval-check-output"]
import hashlib
import hmac

key = b"known to the camera and to the one who checks"
picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
signature = hmac.new(key, picture.tobytes(), hashlib.sha256).hexdigest()


def is_unchanged(picture, signature):
    """Whether this picture is the one that was signed."""
    now = hmac.new(key, picture.tobytes(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(now, signature)


changed = picture.copy()
changed[3, 4] += 1
print("the picture as taken:", is_unchanged(picture, signature))
print("one pixel brighter by one of 255:", is_unchanged(changed, signature))

# %% [markdown]
# This does not age with generators. It has limits of another kind: here both sides hold one secret, so whoever can check can also sign; real systems (C2PA is the best
# known) sign with a private key and check with a public one. Each honest edit must be signed anew, platforms strip the signature, most pictures have none, and a signed photo of a staged scene is staged.

# %% [markdown]
# ## Samples that are not data
#
# Can a generator make more data where there are few? Ten real digits of each kind, and four ways to have more: fifty *generated* of each
# kind, by bell-shaped clouds around the means of these same ten; **ordinary augmentation**, each image shifted by a pixel in four directions; fifty generated by clouds
# fitted to the *thousand* training digits that we do not have (they play another hospital, which may not share its films, but may share a generator); and ten more real ones.
# *Put them in order.*


# %% tags=["demo"]
def generate_like(pictures, names, count, rng):
    """Labelled samples from one bell-shaped cloud a class, all of one shape."""
    means = np.array([pictures[names == digit].mean(axis=0) for digit in range(10)])
    shape = np.linalg.cholesky(np.cov((pictures - means[names]).T) + 1e-3 * np.eye(64))
    new = np.repeat(np.arange(10), count)
    return (means[new] + rng.normal(size=(len(new), 64)) @ shape.T).clip(-1, 1), new


def with_shifts(pictures, names):
    """Each picture, and four copies moved by a pixel; paper comes in at the side."""
    padded = np.pad(pictures.reshape(-1, 8, 8), [(0, 0), (1, 1), (1, 1)], constant_values=-1)
    places = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]
    moved = [padded[:, row : row + 8, column : column + 8] for row, column in places]
    return flatten(np.concatenate(moved)), np.tile(names, 5)


# %% tags=["demo"]
scores = {}
for seed in range(10):
    rng = np.random.default_rng(seed)
    order = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    ten, more = (np.concatenate([index[:n] for index in order]) for n in (10, 20))
    others = np.concatenate([index[20:] for index in order])
    own = flat[ten], labels[ten]
    sets = {
        "ten real": own,
        "+ generated from them": generate_like(*own, 50, rng),
        "+ shifted": with_shifts(*own),
        "+ by others' generator": generate_like(flat[others], labels[others], 50, rng),
        "+ ten more real": (flat[more], labels[more]),
    }
    for name, extra in sets.items():
        x, y = (np.concatenate(pair) for pair in zip(own, extra, strict=True))
        fitted = SVC(C=10).fit(x, y)
        scores.setdefault(name, []).append(fitted.score(flatten(test_images), test_labels))

# %% tags=["demo", "nbval-check-output"]
mean = {name: np.mean(values) for name, values in scores.items()}
base = mean["ten real"]
print("generated from the same ten: better than without:", mean["+ generated from them"] > base)
print("shifted: better than without:", mean["+ shifted"] > base)
print("others' generator: better than without:", mean["+ by others' generator"] > base)
print("ten more real: best of all:", max(mean, key=mean.get) == "+ ten more real")

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 2.9))
for place, values in enumerate(scores.values()):
    axis.plot(100 * np.array(values), np.full(10, -place), "o", color=plots.SKY, ms=5)
    axis.plot(100 * np.mean(values), -place, "|", color=plots.BLUE, ms=22, mew=3)
axis.set_yticks(-np.arange(len(scores)), list(scores))
axis.set_ylim(-4.5, 0.5)
axis.set_xlabel("unseen digits read right, of 100")
fig.suptitle(
    "Ten draws and their mean: a generator adds what it learned elsewhere",
    x=0.01,
    ha="left",
    fontsize=11,
)
plots.show(
    fig,
    alt="""Scores of five training sets, ten draws each. Samples generated from the same ten real digits a class do not help; shifted copies help, samples by a
    generator that has learned from other data help too, and ten more real digits help most.""",
)

# %% [markdown]
# Generated from the same ten, they *hurt*: they hold no more than the ten did, plus the generator's mistakes. Shifting adds
# knowledge, namely ours: a moved 3 is a 3. The others' generator adds knowledge as well: theirs. And ten more real digits beat all. In medicine, where one cannot always
# ask for ten more, the second and third are worth a trial, and the first deserves suspicion. The test set must be real.
#
# ### Living on one's own output
#
# The web fills with generated pictures, and the next generator learns from the web. A mixture of clouds is fitted to real digits, its samples train the next, and so on, eight
# times; once with nothing else, and once with half of each training set real. *What happens to variety?*

# %% tags=["demo", "nbval-check-output"]
varieties = {}
for kind in ("own output only", "half real"):
    rng, now, varieties[kind] = np.random.default_rng(0), flat, [1.0]
    for generation in range(8):
        clouds = GaussianMixture(
            20, covariance_type="diag", reg_covar=1e-3, random_state=generation
        )
        directions = PCA(20, random_state=0).fit(now)
        clouds.fit(directions.transform(now))
        now = directions.inverse_transform(clouds.sample(600)[0]).clip(-1, 1)
        varieties[kind].append(now.var(axis=0).sum() / flat.var(axis=0).sum())
        if kind == "half real":
            now = np.concatenate(
                [now[rng.permutation(600)[:300]], flat[rng.permutation(1297)[:300]]]
            )
alone, mixed = (values[-1] for values in varieties.values())
print("own output only: after 8 generations less than .55 of the variance:", alone < 0.55)
print("half real: more than that:", mixed > alone + 0.05)

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3))
for (name, values), color in zip(varieties.items(), [plots.VERMILION, plots.BLUE], strict=True):
    axis.plot(values, "o-", color=color)
    axis.text(8.3, values[-1], name, color=color, va="center")
axis.set(xlabel="generation", ylabel="variance (part of real)", xlim=(0, 10.6), ylim=(0, 1.05))
axis.set_xticks(range(0, 9, 2))
axis.set_title("A generator that eats its own output loses variety")
plots.show(
    fig,
    alt="""Variance of generated digits over eight generations, as a part of that of real ones. Trained on their own output only it keeps falling, to under
    one half; with half real images in each generation it levels off higher.""",
)

# %% [markdown]
# Each generation misses a little of the edge of what it saw, and the next has that as its truth. Real data in every generation slow the fall, though they do not undo it. What lies at the edge is, once more, whatever is rare.

# %% [markdown]
# ## Looking back
#
# This closes the tour of applications that began with lesson 1. It was a sample, not a map: each field had a success, and each had a limit that we could measure.
#
# | lessons | field | where it ended |
# |---|---|---|
# | 06, 07, 08 | hard classification and prediction: records, films, fields | a straight line is a strong opponent; a network may read the hospital's letter and not the lung |
# | 10 to 13 | sequences: forecasts, language, translation, captions | what a text model repeats may be private or unjust, and why it said so lies hidden in a vector |
# | 17, 18 | learning without labels: codes and anomalies | what is rare is rebuilt badly, whether it is a fraud or a face |
# | 22, 23 | rewards: games, driving | it learns what is rewarded, in the world where it was trained |
# | 24, 25 | generators | what is rare becomes rarer, and nothing in the loss says so |
#
# One line runs through the last column. A network learns what its data and its loss say, and neither says all that we mean. The answer was the same each time: find a number for what one fears, for each group that
# it may hit; measure; repair; measure again; and say what the repair costs, and whom.

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Make another digit rare, and its floor known by a generator without it. For which digits can you show amplification?
# 2. Take the weight of the tone term from 0.1 to 1 and to 0.01. Where is the bend between the two kinds of error?
# 3. Train the detector on both generators. Does it know the mixture now?
#
# To read: Buolamwini and Gebru (2018), *Gender Shades*, on measuring each group by itself; Jain and others (2022), *Imperfect ImaGANation*, on generators and filters that lighten skin; Shumailov and others (2024),
# *AI models collapse when trained on recursively generated data*; and the specification of C2PA, on signed pictures.
#
# ### At full size
#
# `celeb_a` holds 202,599 photographs of well-known people with forty attributes, 1.5 GB. Its pictures were collected without asking those people, its labels were given by strangers, and one of them is "pale skin". Read its terms first; a lesson
# can do without.

# %% tags=["demo"]
try:
    big = datasets.load("celeb_a", split="train")
    big = big.map(lambda row: tf.image.resize(tf.cast(row["image"], tf.float32) / 255, (64, 64)))
    print(big.batch(64).element_spec)
except datasets.DatasetNotDownloadedError as error:
    print(error)

# %% [markdown]
# What changes: filter and generator become convolutional (lesson 24's last section), which needs a GPU and some hours; `course.setup(precision="auto")` then computes in float16, with the last layers kept in float32, as
# here. There is no true tone in these data. People would have to be asked, or a colour chart photographed beside them: at full size the ruler is the hard part.
