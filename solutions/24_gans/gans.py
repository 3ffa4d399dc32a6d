# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Generative adversarial networks
#     summary: You write the losses of a generator and a discriminator and their training step in Keras, train the pair until it draws digits, and make the training fail in the two ways for which it is known.
#     part: VI Generative adversarial networks
#     minutes: 95
#     minutes_reading: 33
#     objectives:
#     - say what a generator and a discriminator are for, and write their losses so that they stay finite
#     - write the training step of a pair with two optimizers in Keras, and say which weights each part of it may move
#     - watch a training whose losses do not fall, by a distance to held-out images, and keep the weights where it is smallest
#     - measure how many kinds of things a generator makes, whether it copies, and what a simple rival does
#     - bring about mode collapse and a discriminator that teaches next to nothing, and explain both
#     datasets: [digits]
#     full_size: [celeb_a]
#     needs: [01_neurons_and_layers, 07_chest_xrays]
#     mirrors:
#       "1 GANs": "A critic instead of a teacher"
#       "1 GANs: Generator and discriminator": "A generator and a discriminator"
#       "1 GANs: Four steps of training": "Four steps, by hand"
#       "1 GANs: Mode collapse": "One digit is enough to fool it"
#       "3 Common Deep Learning Architectures: Generative Adversarial Networks (GANs)": "A generator and a discriminator"
#       "4 What is Deep Learning Used For and Who Uses It?: Generative modeling": "What generative models are for"
#       "4 What Are Some Deep Learning Methods: Generative adversarial networks (GANs)": "A generator and a discriminator"
#     built: a generator and a discriminator with their losses and their training step, a distance to real digits that says when to stop, the number of kinds that a generator makes, and two ways in which such training fails
#     terms:
#       "LeakyReLU": A ReLU that lets a small part of each negative value through.
#       "generative model": A model that makes new data that could have come from the same source.
#       "judge (of a generator)": A classifier, trained on real examples, that counts what a generator makes.
#       "Gaussian mixture": A model of data as several bell-shaped clouds.
#       "generator (of a GAN)": The network that makes an example from noise.
#       "discriminator": The network that tells real examples from generated ones.
#       "softplus": The function ln(1 + exp(x)), which is always positive.
#       "entropy (of shares)": How evenly they are spread.
#       "effective number of classes": How many equally large classes would be as evenly spread.
#       "saturating loss, saturating": A loss of the generator that is flat where the discriminator is sure, so that it teaches next to nothing there.
#       "non-saturating loss, non-saturating": The usual loss of the generator, which is steep where the discriminator is sure.
#       "Fréchet distance, FID": How far apart two sets of images are, by the means and covariances of what a classifier computes from them.
#       "Mean (of Keras)": The metric that averages what it is given over an epoch.
#       "mode collapse": A generator that turns all noise into a few kinds of examples.
#     explains: [backpropagation, dtype policy, float16, loss scaling, transposed convolution]
# ---

# %% [markdown]
# # Generative adversarial networks
#
# Nobody can write down what makes a picture look like a handwritten digit. Yet a network can learn to draw
# digits that nobody wrote, from a second network whose only task is to tell its drawings from real ones.
#
# You will write both losses and the training step of such a pair in Keras, train it, and decide when to stop although no
# loss tells you. You will measure what it makes with something better than a glance, and then break it in the two ways for
# which this kind of training is known. Reading and running takes about 33 minutes, of which less than one is waiting; the
# four exercises take an hour more. The last section trains with the same step on faces.

# %%
import time

import course

course.setup(seed=0)

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops

from course import datasets, fallbacks, plots, results
from course.training import Progress

LN2 = float(np.log(2))

# %% [markdown]
# This is what you will have at the end. Nobody wrote these twelve digits: a generator like the one of this lesson drew
# them. They are kept here as text, one letter for each pixel from `a` (paper) to `q` (ink).

# %% tags=["demo"]
DRAWN = """
aagqqaaaabqqqqaaaeqfoqfaaekbanaaabibapcaaahbaqfaaapppqaaaahqnbaa
aagpqnfaaaookqkaaaebbqdaaabppncaaadqqodaaabnonaaaahmkmaaaafqibaa
aaafnbaaaabnmdaaacippecaakpppjaaahkipnfaabhgqjdaaaciqgbaaaajqgda
abilkcaaacnklhbaadmcgibaacccghbaadhdhjcaacoeehfaacnkjmfaabjikica
aaihpeaaafiqppaaadiqqcaaaamqoaaaaaaqdaaaaaqqqaaaacppqaaaaaenpbaa
aagplbaaacpopphaafqneqjaafjaaoiaakpaaffaahqaapeaaeqnpqaaaainhbaa
aaafpaaaaabpofaaaahqpnbaaipqqfaaacnqqfdaaahcpldaaabfqobaaaalqoda
aacmqpbaaeopoqeaappcaeaaaiqqlaaaaadpqcaaaaafpcaaaaajqaaaaacqpaaa
aaaoqiaaaabogqaaababcfaaacqpqpaaaagqqpmaaaaqqaaaaaaqmaaaaaaqjaaa
aadonbaaaalpomcaaclmnpiaacgjgpbaacdbbpfaaabbdmiaaahponcaaadpmdaa
aabjeaaaaaiqhaaaaappbacaackbbgbaagqccncaadqgcjoaaaopjnkaaabipnca
aacppcaaaanpmniaablieqpaaddcaqcaachfdoeaaabehpcaaafpqpaaaadphbaa
"""
drawn = np.array([[ord(letter) - ord("a") for letter in line] for line in DRAWN.split()])
fig = plots.image_grid(drawn.reshape(-1, 8, 8), columns=6, cmap="gray_r")
fig.suptitle("Twelve digits that nobody wrote", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Twelve generated handwritten digits of 8 by 8 pixels in two rows. Most can be read at once; one or two are
    doubtful, with a stroke that ends nowhere.""",
)

# %% [markdown]
# ## What generative models are for
#
# Most lessons so far ask for a label, given the data. A **generative model** makes new data that could have come from
# the same source. Assistants that answer in sentences generate text; programs that draw from a description join a model
# of language with one of images. Less visible uses are additional samples for rare cases, such as scans of rare
# diseases, sharper versions of coarse pictures, the style of one picture on the content of another, and simulations
# where the real experiment is expensive.
#
# It is harder than naming. A classifier has one right answer to hit. Here infinitely many outputs are right, and to compare
# pixel by pixel with any one of them would punish all the others.

# %% [markdown]
# ## Real digits, and a judge that counts
#
# The data are the 1,797 images of `digits`: real, 8 × 8 pixels, from −1 (paper) to 1 (ink). All networks learn from
# 1,000 of them. 297 are **validation images**, which nothing learns from and which decide when training stops. The last 500
# are kept for testing.


# %%
def load_digits(split):
    """Images (n, 8, 8, 1) as float32 from -1 to 1, and their labels."""
    images, labels = datasets.arrays("digits", split, as_supervised=True, scaled=True)
    return 2 * images - 1, labels


# %% tags=["demo"]
images, labels = load_digits("train")
train_images, train_labels = images[:1000], labels[:1000]
held_images, held_labels = images[1000:], labels[1000:]
test_images, test_labels = load_digits("test")

# %% [markdown]
# To speak about thousands of pictures without looking at each, we need a measure. A small classifier, the **judge**, learns
# the ten labels from real images, and stops when it no longer gets better on the validation images. It never takes part in
# the game that follows. It says two things about a generated image: which digit it is, and how sure it is of that.

# %% tags=["demo"]
judge = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(10, dtype="float32"),
    ]
)
judge.compile(
    keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
)
stopping = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
held = held_images, held_labels
callbacks = [stopping, Progress("The judge learns to read")]
judge.fit(
    train_images, train_labels, epochs=30, validation_data=held, verbose=0, callbacks=callbacks
)


# %% tags=["demo"]
def ask_judge(images):
    """Probabilities of the ten digits, shape (n, 10)."""
    return np.asarray(ops.softmax(judge(images, training=False)))


def sureness(images):
    """Mean probability of the judge's first choice."""
    return float(ask_judge(images).max(axis=1).mean())


# %% [markdown]
# Sureness alone says little: a single perfect 7, a thousand times, would have a lot of it. So we also compare *sets* of
# images. The judge gives ten logits for each image. For a set, we take the mean of each logit, in a vector
# $\mathbf{m}$, and how the logits vary, alone and together, in their covariance matrix $\mathbf{C}$ of 10 × 10 numbers.
# The **Fréchet distance** of two sets is
#
# $$\lVert \mathbf{m}_1 - \mathbf{m}_2 \rVert^2 + \operatorname{tr}\bigl(\mathbf{C}_1 + \mathbf{C}_2 -
# 2 (\mathbf{C}_1 \mathbf{C}_2)^{1/2}\bigr)$$
#
# where $\operatorname{tr}$ adds up the diagonal of a matrix. It is 0 where means and covariances agree, and small only if
# images are both as convincing *and* as varied as real ones. Papers on generated photographs call it **FID**, and
# take two thousand numbers from inside a large classifier of photographs in place of our ten logits.


# %%
def frechet(first, second):
    """The Fréchet distance of two sets of vectors, arrays (n, size) and (m, size)."""
    gap = first.mean(axis=0) - second.mean(axis=0)
    one, other = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    # The trace of a matrix is the sum of its eigenvalues, and those of its root are their roots.
    shared = np.sqrt(np.linalg.eigvals(one @ other).real.clip(0)).sum()
    return float(gap @ gap + np.trace(one) + np.trace(other) - 2 * shared)


# %% tags=["demo"]
def distance(images, real):
    """The Fréchet distance of images to real ones, by the judge's logits."""
    return frechet(*(np.asarray(judge(each, training=False)) for each in (images, real)))


# %% [markdown]
# Before any adversary, a model without depth: a **Gaussian mixture**, bell-shaped clouds in the space of the 64 pixels.
# It is fitted in seconds, and sampled by drawing a cloud and then a point of it. Some of its pixels are a little whiter
# than paper; a picture would cut them off, and our measures take them as they are. How many clouds there are, the
# validation images decide. *Will its digits convince the judge? And will static, pixels drawn by chance?*

# %% tags=["demo", "nbval-check-output"]
from sklearn.mixture import GaussianMixture

flat = train_images.reshape(-1, 64).astype("float64")
candidates, began = {}, time.perf_counter()
for clouds in (10, 20, 40, 80):
    mixture = GaussianMixture(clouds, reg_covar=0.01, random_state=0).fit(flat)
    pixels = mixture.sample(1000)[0].reshape(-1, 8, 8, 1).astype("float32")
    numbers = clouds * (1 + 64 + 64 * 65 // 2)  # a weight, a centre, a symmetric covariance matrix
    candidates[distance(pixels, held_images)] = pixels, numbers
sampled, mixture_size = candidates[min(candidates)]
mixture_seconds = time.perf_counter() - began
static = np.random.default_rng(0).uniform(-1, 1, (1000, 8, 8, 1)).astype("float32")
accuracy = np.mean(ask_judge(test_images).argmax(axis=1) == test_labels)
results.table(
    ("judge, accuracy on test digits", accuracy, (0.967, 0.997)),
    ("sureness, test digits", sureness(test_images), (0.969, 0.999)),
    ("sureness, the mixture's digits", sureness(sampled), (0.94, 1.0)),
    ("sureness, static", sureness(static), (0.62, 0.89)),
    ("distance to test digits, training digits", distance(train_images, test_images), (1.4, 7.4)),
    ("distance to test digits, the mixture's", distance(sampled, test_images), (2.2, 12)),
    ("distance to test digits, static", distance(static, test_images), (110, 470)),
)

# %% [markdown]
# Three things to keep in mind. On images this small a mixture, much older than deep learning, is a serious opponent. The
# judge has ten words and no word for "none of these", so it is rather sure about static too: high sureness is necessary for
# good digits, and proves nothing by itself; the distance is not taken in by static. And two sets of real digits are not at
# distance 0 either, because each is a sample: the training digits' distance is as good as it gets.

# %% [markdown]
# ## A critic instead of a teacher
#
# Suppose we want pictures of cats. One could let a network draw, have people say "good" or "bad", and learn from their
# answers, at the pace of people who look at millions of pictures, one by one.
#
# The idea of 2014 was to replace these people by a second network. It sees real cats and drawn ones, and learns to tell
# them apart. Unlike a person it is fast, and it can be differentiated: backpropagation through it says, for each pixel of
# the drawing, in which direction it should change to look more real. That tells far more than "good" or "bad". Nobody
# defines what a cat looks like; whatever still tells drawn from real is what the critic looks for next.

# %% [markdown]
# ## A generator and a discriminator
#
# | network | takes | gives | wants |
# |---|---|---|---|
# | **generator** $G$ | noise $\mathbf{z}$, here 16 numbers from a normal distribution | an image $G(\mathbf{z})$ | to have it taken for real |
# | **discriminator** $D$ | an image, real or generated | a **logit**: positive for real, negative for generated | to be right |

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.0))
for start, end in [((0.35, 2.2), (1.0, 2.2)), ((2.4, 2.2), (2.9, 2.2)), ((3.8, 2.2), (4.3, 1.75))]:
    plots.arrow(axis, start, end)
plots.arrow(axis, (3.8, 0.9), (4.3, 1.35))
plots.arrow(axis, (6.0, 1.55), (6.45, 1.55))
plots.arrow(axis, (6.9, 1.95), (1.7, 2.55), color=plots.ORANGE, bend=0.32)
plots.arrow(axis, (6.9, 1.15), (5.15, 1.2), color=plots.BLUE, bend=-0.5)
plots.box(axis, 0.0, 2.2, "noise")
plots.box(axis, 1.7, 2.2, "generator", plots.ORANGE)
plots.box(axis, 3.35, 2.2, "fakes")
plots.box(axis, 3.2, 0.9, "real images")
plots.box(axis, 5.15, 1.55, "discriminator", plots.BLUE)
plots.box(axis, 6.9, 1.55, "logits")
axis.text(4.3, 3.5, "generator's loss: through D, to G", ha="center", color=plots.ORANGE)
axis.text(5.5, 0.1, "discriminator's loss: to D", ha="center", color=plots.BLUE)
axis.set(xlim=(-0.5, 7.5), ylim=(-0.1, 3.9))
axis.set_axis_off()
axis.set_title("Two losses from the same logits, each to one network")
plots.show(
    fig,
    alt="""A diagram. Noise goes into the generator, which gives fakes. Fakes and real images go into the discriminator,
    which gives logits. From the logits an arrow named discriminator's loss leads back to the discriminator, and
    another named generator's loss leads back past the discriminator to the generator.""",
)

# %% [markdown]
# Variety comes from the noise: other numbers, another digit. Here are the two networks, both of dense layers.
# `LeakyReLU` is a ReLU that lets a fifth of each negative value through, so that no unit stops passing gradients on.
# `Dropout` keeps the discriminator from learning the training images by heart.
#
# The layers that give images and logits say `dtype="float32"`. Keras's **dtype policy** sets in which type of number
# all other layers compute. On a laptop that is float32, and nothing changes. On a GPU it may be **float16**, which
# takes half the space and has three to four digits: enough inside a network, too coarse for a logit from which a loss
# is taken.


# %%
def build_generator(noise_size=16):
    """A model from noise (batch, noise_size) to images (batch, 8, 8, 1) from -1 to 1."""
    noise = x = keras.Input((noise_size,))
    for units in (128, 128):
        x = layers.LeakyReLU(negative_slope=0.2)(layers.Dense(units)(x))
    x = layers.Dense(64, activation="tanh", dtype="float32")(x)
    return keras.Model(noise, layers.Reshape((8, 8, 1), dtype="float32")(x), name="generator")


def build_discriminator(units=128, dropout=0.3):
    """A model from images (batch, 8, 8, 1) to logits (batch, 1), positive for "real"."""
    image = keras.Input((8, 8, 1))
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Dense(units)(layers.Flatten()(image)))
    x = layers.Dropout(dropout)(x)
    return keras.Model(image, layers.Dense(1, dtype="float32")(x), name="discriminator")


# %% [markdown]
# The logit $\ell$ becomes the probability that an image is real through $\sigma(\ell) = 1/(1 + e^{-\ell})$. Each
# network has its own loss, and they pull in opposite directions. For $n$ real images with logits $r_i$ and $m$
# generated ones with logits $f_j$:
#
# $$L_D = \frac{1}{2}\left(-\frac{1}{n}\sum_{i} \ln \sigma(r_i) - \frac{1}{m}\sum_{j} \ln\bigl(1 - \sigma(f_j)\bigr)\right), \qquad
# L_G = -\frac{1}{m} \sum_{j} \ln \sigma(f_j)$$
#
# $L_D$ is the cross-entropy of a classifier with two classes, real and generated, each counting one half. $L_G$ is
# small when $D$ takes generated images for real.
#
# ### Exercise 1: two losses
#
# Complete `gan_losses(real_logits, fake_logits)`. Both arguments are float32 arrays or tensors of logits; the two may
# hold different numbers of images, so take each mean over its own. Return two scalar tensors, $L_D$ and $L_G$, in this
# order, computed with `keras.ops`.
#
# Logits far from zero are common here: a discriminator can be *very* sure. In float32 $e^{100}$ is infinite, and
# $\ln 0$ too. The losses must be right at logits of ±1000. It helps to write each logarithm without $\sigma$:
#
# $$-\ln \sigma(\ell) = \ln(1 + e^{-\ell}), \qquad -\ln\bigl(1 - \sigma(\ell)\bigr) = \ln(1 + e^{\ell})$$
#
# and $\ln(1 + e^x)$, called **softplus**, is `ops.softplus(x)` in Keras, finite for any $x$.


# %% grade_id="gan_losses" solution=true
def gan_losses(real_logits, fake_logits):
    """(loss of the discriminator, loss of the generator) from logits, positive for "real"."""
    ### BEGIN SOLUTION
    on_real = ops.mean(ops.softplus(-real_logits))
    on_fake = ops.mean(ops.softplus(fake_logits))
    return (on_real + on_fake) / 2, ops.mean(ops.softplus(-fake_logits))
    ### END SOLUTION


# %% grade_id="gan_losses_by_hand" points=2
# Logits of ln 3 and -ln 3 are probabilities of 3/4 and 1/4.
real = np.log(np.array([[3.0], [3.0], [1 / 3]], "float32"))
fake = np.log(np.array([[1 / 3], [3.0], [1 / 3], [1 / 3]], "float32"))
result = gan_losses(real.copy(), fake.copy())
assert len(result) == 2, f"Return two numbers; you returned {len(result)} values."
for value in result:
    assert ops.is_tensor(value), (
        f"Return tensors, computed with `keras.ops`; one of these is a {type(value).__name__}."
    )
    assert value.shape == (), f"Each loss is one number, of shape (); got shape {value.shape}."
quarter, most = np.log(4), np.log(4 / 3)
wants = ((2 * most + quarter) / 3 + (3 * most + quarter) / 4) / 2, (most + 3 * quarter) / 4
for name, got, want in zip(["discriminator", "generator"], result, wants, strict=True):
    assert np.isclose(float(got), want, atol=1e-4), (
        f"Real images with probabilities 3/4, 3/4, 1/4 and generated ones with 1/4, 3/4, 1/4, 1/4: the {name}'s loss is "
        f"{want:.4f}; got {float(got):.4f}."
    )

# %% grade_id="gan_losses_values" points=1
# Hidden tests: random logits against the formula, batches of different sizes, who wants which sign.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1)
for real_count, fake_count, shift in [(6, 6, 0.3), (3, 9, 2.0), (8, 2, -1.5)]:
    real = rng.normal(shift, 1, (real_count, 1)).astype("float32")
    fake = rng.normal(-shift / 2, 1, (fake_count, 1)).astype("float32")
    got = [float(value) for value in gan_losses(real.copy(), fake.copy())]
    on_real, on_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    want_d = -(np.log(on_real).mean() + np.log(1 - on_fake).mean()) / 2
    want_g = -np.log(on_fake).mean()
    case = f"{real_count} real and {fake_count} generated images"
    assert np.isclose(got[0], want_d, atol=1e-4), (
        f"{case}: the discriminator's loss, the first number, should be {want_d:.4f}, got {got[0]:.4f}. It is small where "
        "real images have large logits and generated ones small; each kind counts one half, however many there are."
    )
    assert np.isclose(got[1], want_g, atol=1e-4), (
        f"{case}: the generator's loss should be {want_g:.4f}, got {got[1]:.4f}. It is small where generated "
        "images are taken for real, and never negative."
    )
### END HIDDEN TESTS

# %% grade_id="gan_losses_far" points=1
real, fake = (np.full((2, 1), value, "float32") for value in (-1000, 1000))
got = [float(value) for value in gan_losses(real, fake)]
assert np.all(np.isfinite(got)), (
    f"Real logits of -1000 and generated ones of 1000: your losses are {got}. Somewhere an exponential overflows, or a "
    "logarithm is taken of zero."
)
assert np.allclose(got, (1000, 0), atol=1e-3), (
    f"Real logits of -1000 and generated ones of 1000: expected about 1000 and 0, got {np.round(got, 3).tolist()}. "
    "If only this test fails: a loss that is cut off at some value has no slope there any more."
)
### BEGIN HIDDEN TESTS
for real, fake, want in [(1000, -1000, (0, 1000)), (1000, 1000, (500, 0))]:
    pair = (np.full((2, 1), value, "float32") for value in (real, fake))
    got = [float(value) for value in gan_losses(*pair)]
    assert np.allclose(got, want, atol=1e-3), (
        f"Real logits of {real}, generated ones of {fake}: expected about {want}, got {np.round(got, 3).tolist()}."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The generator minimises the discriminator's own term with its sign turned, which is the saturating loss.
def gan_losses(real_logits, fake_logits):
    on_real = ops.mean(ops.softplus(-real_logits))
    on_fake = ops.mean(ops.softplus(fake_logits))
    return (on_real + on_fake) / 2, -on_fake


# %% tags=["misconception"]
# The sigmoid is computed first and its logarithm taken afterwards, which breaks down far from zero.
def gan_losses(real_logits, fake_logits):
    real, fake = ops.sigmoid(real_logits), ops.sigmoid(fake_logits)
    d_loss = -(ops.mean(ops.log(real)) + ops.mean(ops.log(1 - fake))) / 2
    return d_loss, -ops.mean(ops.log(fake))


# %% tags=["misconception"]
# Keras is not told that it gets logits, so it takes them for probabilities and cuts them off at 0 and 1.
def gan_losses(real_logits, fake_logits):
    loss = keras.losses.BinaryCrossentropy()
    on_real = loss(ops.ones_like(real_logits), real_logits)
    on_fake = loss(ops.zeros_like(fake_logits), fake_logits)
    return (on_real + on_fake) / 2, loss(ops.ones_like(fake_logits), fake_logits)


# %% tags=["misconception"]
# Logits are clipped, so that a confident mistake costs a constant and has no slope.
def gan_losses(real_logits, fake_logits):
    real, fake = (ops.clip(x, -15, 15) for x in (real_logits, fake_logits))
    on_real, on_fake = ops.mean(ops.softplus(-real)), ops.mean(ops.softplus(fake))
    return (on_real + on_fake) / 2, ops.mean(ops.softplus(-fake))


# %% tags=["misconception"]
# All logits are put into one mean, so that the kind with more images counts for more.
def gan_losses(real_logits, fake_logits):
    signed = ops.concatenate([-real_logits, fake_logits], axis=0)
    return ops.mean(ops.softplus(signed)), ops.mean(ops.softplus(-fake_logits))


# %% tags=["misconception"]
# The two parts of the discriminator's loss are added, where each counts one half.
def gan_losses(real_logits, fake_logits):
    on_real, on_fake = ops.softplus(-real_logits), ops.softplus(fake_logits)
    return ops.mean(on_real) + ops.mean(on_fake), ops.mean(ops.softplus(-fake_logits))


# %% tags=["misconception"]
# The two numbers come back in the wrong order: the generator's loss first.
def gan_losses(real_logits, fake_logits):
    on_real, on_fake = ops.softplus(-real_logits), ops.softplus(fake_logits)
    return ops.mean(ops.softplus(-fake_logits)), (ops.mean(on_real) + ops.mean(on_fake)) / 2


# %% tags=["misconception"]
# Real and generated are swapped in the discriminator's loss.
def gan_losses(real_logits, fake_logits):
    on_real, on_fake = ops.softplus(real_logits), ops.softplus(-fake_logits)
    return (ops.mean(on_real) + ops.mean(on_fake)) / 2, ops.mean(on_fake)


# %% tags=["misconception"]
# In the generator's loss the label of its images is 0, so that it learns to be found out.
def gan_losses(real_logits, fake_logits):
    on_real, on_fake = ops.mean(ops.softplus(-real_logits)), ops.mean(ops.softplus(fake_logits))
    return (on_real + on_fake) / 2, on_fake


# %% tags=["misconception"]
# Sums are taken where means are asked for, so that a larger batch has a larger loss.
def gan_losses(real_logits, fake_logits):
    on_real, on_fake = ops.sum(ops.softplus(-real_logits)), ops.sum(ops.softplus(fake_logits))
    return (on_real + on_fake) / 2, ops.sum(ops.softplus(-fake_logits))


# %% tags=["alternative"]
# Keras's own cross-entropy, told that it gets logits.
def gan_losses(real_logits, fake_logits):
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    on_real = loss(ops.ones_like(real_logits), real_logits)
    on_fake = loss(ops.zeros_like(fake_logits), fake_logits)
    return (on_real + on_fake) / 2, loss(ops.ones_like(fake_logits), fake_logits)


# %% tags=["alternative"]
# The logarithm of the sigmoid, which Keras has as a function of its own.
def gan_losses(real_logits, fake_logits):
    real, taken = ops.log_sigmoid(real_logits), ops.log_sigmoid(fake_logits)
    found_out = ops.log_sigmoid(-ops.convert_to_tensor(fake_logits))
    return -(ops.mean(real) + ops.mean(found_out)) / 2, -ops.mean(taken)


# %% tags=["alternative"]
# The logarithm of 1 plus an exponential, in the form that overflows nowhere.
def gan_losses(real_logits, fake_logits):
    def mean(x):
        return ops.mean(ops.relu(x) + ops.log1p(ops.exp(-ops.abs(x))))

    return 0.5 * (mean(-real_logits) + mean(fake_logits)), mean(-fake_logits)


# %% tags=["alternative"]
# TensorFlow's sums, divided by the number of logits.
def gan_losses(real_logits, fake_logits):
    real, fake = tf.convert_to_tensor(real_logits), tf.convert_to_tensor(fake_logits)
    mean = lambda x: tf.reduce_sum(tf.nn.softplus(x)) / tf.cast(tf.size(x), tf.float32)
    return 0.5 * mean(-real) + 0.5 * mean(fake), mean(-fake)


# %% [markdown]
# What you write is used from here on. Where an exercise is not answered yet, the lesson takes the course's function
# instead and says so; you can read on, and come back. *A discriminator that cannot tell says $\ell = 0$, probability
# one half, to everything. What are both losses then?*

# %% tags=["demo", "nbval-check-output"]
from course.fallbacks import gans as ours

gan_losses = fallbacks.choose(gan_losses, ours.gan_losses, ours.gan_losses_works)
d_loss, g_loss = gan_losses(np.zeros((8, 1), "float32"), np.zeros((8, 1), "float32"))
print(f"discriminator {float(d_loss):.3f}, generator {float(g_loss):.3f}, ln 2 {LN2:.3f}")

# %% [markdown]
# Both are ln 2, a landmark for what follows. Keras has the same losses as the cross-entropy of a classifier: in $L_D$
# the label is 1 for real images and 0 for generated ones, and in $L_G$ it is 1 for generated ones, which is what the
# generator *wants* to hear.

# %%
cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)  # of labels and logits

# %% [markdown]
# ## Four steps, by hand
#
# Training goes round and round through four steps:
#
# 1. The generator turns fresh noise into images.
# 2. The discriminator looks at these and at as many real ones.
# 3. The **discriminator's** weights move a little, so that it tells them apart better. The generator's stay.
# 4. The **generator's** weights move a little, so that the discriminator is fooled more. The discriminator's stay.
#
# In step 4 the gradient flows *through* the discriminator *to* the generator, and changes the generator alone. Left to
# itself, Keras's `fit` takes one step down one loss for each batch. Here there are two losses and two optimizers, so we
# write the step.
#
# ### Exercise 2: the training step
#
# Complete `train_step(generator, discriminator, real, noise, more_noise)`. Both networks are compiled, so each has an
# optimizer: `generator.optimizer` and `discriminator.optimizer`. `real` holds real images; `noise` and `more_noise` are two
# batches of noise. In this order:
#
# - the discriminator takes one step down $L_D$, on `real` and on what the generator makes of `noise`;
# - the generator takes one step down $L_G$, on what it makes of `more_noise`, as judged by the discriminator *after* its
#   step.
#
# Return both losses as they were computed for these steps, $(L_D, L_G)$, two scalar tensors. Call all networks with
# `training=True`. No network needs to be frozen: which weights move is decided by whose gradients are taken.
#
# A `tf.GradientTape` records what is computed inside its block, and afterwards gives the derivative of a result by any
# weights. For each of the two steps:
#
# - inside `with tf.GradientTape() as tape:` compute the loss, with `cross_entropy(labels, logits)`, `ops.ones_like` and
#   `ops.zeros_like`, or with softplus as above, and scale it: `optimizer.scale_loss(loss)`;
# - `tape.gradient(scaled_loss, weights)` gives the gradients by a network's `trainable_variables`. The tape must have seen
#   everything between the weights and the loss;
# - `optimizer.apply_gradients(zip(gradients, weights))` takes the step.
#
# Scaling is for float16, where numbers below about 0.00000003 become zero, and many gradients are smaller. **Loss
# scaling** makes the loss larger by a factor first, so that all gradients are larger by it, and the optimizer divides
# them by the same factor before it moves the weights. In float32 `scale_loss` changes nothing.


# %%
def linear_pair(optimizer):
    """A generator z -> w z and a discriminator x -> a x, with w = 1 and a = .5, both compiled."""
    pair = []
    for value in (1.0, 0.5):
        x = keras.Input((1,))
        model = keras.Model(x, layers.Dense(1, use_bias=False, dtype="float32")(x))
        model.set_weights([np.array([[value]], "float32")])
        pair.append(ready(model, optimizer()))
    return pair


def tiny_pair(seed, optimizer):
    """A generator (3 numbers to 4, with batch normalisation) and a discriminator (4 to a logit)."""
    keras.utils.set_random_seed(seed)
    noise, image = keras.Input((3,)), keras.Input((4,))
    normed = layers.BatchNormalization()(layers.Dense(5, activation="tanh")(noise))
    generator = keras.Model(noise, layers.Dense(4)(normed))
    hidden = layers.Dense(5, activation="tanh")(image)
    discriminator = keras.Model(image, layers.Dense(1)(hidden))
    return [ready(model, optimizer()) for model in (generator, discriminator)]


# %%
def ready(model, optimizer):
    """The model, compiled with an optimizer whose variables exist already."""
    model.compile(optimizer)
    model.optimizer.build(model.trainable_variables)
    return model


def plain():
    """Gradient descent: each weight moves by half of its gradient."""
    return keras.optimizers.SGD(0.5)


def float16_like():
    """Gradient descent as `compile` wraps it in float16: the loss is multiplied by 256, gradients divided."""
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), initial_scale=256.0)


def weights_of(model):
    """All weights of a model in one vector, without the moving averages of batch normalisation."""
    learned = [weight for weight in model.weights if "moving" not in weight.path]
    return np.concatenate([weight.numpy().ravel() for weight in learned])


# %% grade_id="train_step" solution=true
def train_step(generator, discriminator, real, noise, more_noise):
    """One step of each network; returns (loss of the discriminator, loss of the generator)."""
    ### BEGIN SOLUTION
    with tf.GradientTape() as tape:
        on_real = discriminator(real, training=True)
        on_fake = discriminator(generator(noise, training=True), training=True)
        on_both = cross_entropy(ops.ones_like(on_real), on_real)
        d_loss = (on_both + cross_entropy(ops.zeros_like(on_fake), on_fake)) / 2
        scaled = discriminator.optimizer.scale_loss(d_loss)
    weights = discriminator.trainable_variables
    discriminator.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
    with tf.GradientTape() as tape:
        on_fake = discriminator(generator(more_noise, training=True), training=True)
        g_loss = cross_entropy(ops.ones_like(on_fake), on_fake)
        scaled = generator.optimizer.scale_loss(g_loss)
    weights = generator.trainable_variables
    generator.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
    return d_loss, g_loss
    ### END SOLUTION


# %% grade_id="train_step_form" points=1
real, noise, more = (np.array(x, "float32") for x in ([[2], [5]], [[1], [3]], [[2], [1]]))
generator, discriminator = linear_pair(plain)
try:
    losses, problem = (
        train_step(generator, discriminator, real.copy(), noise.copy(), more.copy()),
        "",
    )
except ValueError as error:
    losses, problem = (), str(error)
assert not problem, (
    f"{problem} If it speaks of gradients: the tape has not seen how the loss comes from the weights. For the generator's step "
    "make its images inside the tape's block, of `more_noise`."
)
assert np.size(losses) == 2, (
    "Return the two losses, of the discriminator and of the generator, in this order."
)
for loss in losses:
    assert (ops.is_tensor(loss), np.shape(loss)) == (True, ()), (
        f"Return tensors of shape (), as they were computed; one of these is {loss!r}. `fit` runs the step as a graph, where "
        "a tensor has no number yet that `float` or `numpy()` could take."
    )

# %% grade_id="train_step_by_hand" points=1
real, noise, more = (np.array(x, "float32") for x in ([[2], [5]], [[1], [3]], [[2], [1]]))
generator, discriminator = linear_pair(plain)
losses = train_step(generator, discriminator, real.copy(), noise.copy(), more.copy())
w, a = (float(weights_of(model)[0]) for model in (generator, discriminator))
assert a != 0.5, "The discriminator's weight has not moved."
assert w != 1, "The generator's weight has not moved."
got = [float(loss) for loss in losses]
assert np.isclose(got[0], 0.76691, atol=1e-4), (
    f"With w = 1 and a = .5 the discriminator's loss is 0.76691; you returned {got[0]:.5f}."
)
assert np.isclose(a, 0.23025, atol=1e-4), (
    f"One step of SGD(.5) down the discriminator's loss leads from a = .5 to 0.23025; it is {a:.5f}."
)
assert np.allclose([got[1], w], [0.53690, 1.07002], atol=1e-4), (
    f"Judged by the moved discriminator, the generator's loss is 0.53690 and its step leads from w = 1 to 1.07002; "
    f"you returned {got[1]:.5f}, and w is {w:.5f}."
)

# %% grade_id="train_step_float16" points=1
real, noise, more = (np.array(x, "float32") for x in ([[2], [5]], [[1], [3]], [[2], [1]]))
generator, discriminator = linear_pair(float16_like)
losses = train_step(generator, discriminator, real.copy(), noise.copy(), more.copy())
got = [float(loss) for loss in losses]
assert np.allclose(got, [0.76691, 0.53690], atol=1e-4), (
    f"Where the optimizers scale the losses by 256, those to return are still 0.76691 and 0.53690; got {got[0]:.5f} and {got[1]:.5f}."
)
w, a = (float(weights_of(model)[0]) for model in (generator, discriminator))
assert np.allclose([w, a], [1.07002, 0.23025], atol=1e-4), (
    f"With scaled losses w and a should come to 1.07002 and 0.23025, as without; they are {w:.5f} and {a:.5f}. Each optimizer divides "
    "the gradients by its scale: were they taken of the loss that it scaled?"
)

# %% grade_id="train_step_discriminator" points=1
# Hidden tests: is the discriminator where one step of its loss takes it, and what moves beside it?
### BEGIN HIDDEN TESTS
for seed, count in [(3, 6), (4, 9)]:
    rng = np.random.default_rng(seed)
    real, *noises = (rng.normal(size=(count, n)).astype("float32") for n in (4, 3, 3))
    generator, discriminator = tiny_pair(seed, plain)
    with tf.GradientTape() as tape:
        on_real, on_fake = discriminator(real), discriminator(generator(noises[0], training=True))
        loss = tf.reduce_mean(tf.nn.softplus(tf.concat([-on_real, on_fake], axis=0)))
    slopes = tape.gradient(loss, discriminator.trainable_variables)
    step = 0.5 * np.concatenate([np.ravel(slope) for slope in slopes])
    old, pair = weights_of(discriminator), tiny_pair(seed, plain)
    losses = train_step(*pair, real.copy(), *(noise.copy() for noise in noises))
    assert np.isclose(float(losses[0]), float(loss), atol=1e-4), (
        f"Batch of {count}: the discriminator's loss should be {float(loss):.5f}, got {float(losses[0]):.5f}."
    )
    off = np.abs(weights_of(pair[1]) - (old - step)).max() / np.abs(step).max()
    assert off < 0.01, (
        f"Batch of {count}: the discriminator is off by {off:.0%} of a step. It moves once, down its loss, on real images and on those of "
        "`noise`, all networks called with training=True; the generator's step must leave it alone."
    )
### END HIDDEN TESTS

# %% grade_id="train_step_generator" points=2
# Hidden tests: is the generator where one step takes it, judged by the discriminator that has moved?
### BEGIN HIDDEN TESTS
for seed, count in [(3, 6), (5, 8)]:
    rng = np.random.default_rng(seed)
    real, *noises = (rng.normal(size=(count, n)).astype("float32") for n in (4, 3, 3))
    generator, discriminator = tiny_pair(seed, plain)
    pair = tiny_pair(seed, plain)
    losses = train_step(*pair, real.copy(), *(noise.copy() for noise in noises))
    # The other test cell holds the discriminator to its step; here the one that came back judges.
    discriminator.set_weights(pair[1].get_weights())
    with tf.GradientTape() as tape:
        on_fake = discriminator(generator(noises[1], training=True))
        loss = tf.reduce_mean(tf.nn.softplus(-on_fake))
    slopes = tape.gradient(loss, generator.trainable_variables)
    step = 0.5 * np.concatenate([np.ravel(slope) for slope in slopes])
    off = np.abs(weights_of(pair[0]) - (weights_of(generator) - step)).max() / np.abs(step).max()
    assert off < 0.01, (
        f"Batch of {count}: the generator is off by {off:.0%} of a step. It moves once, down its loss, on what it makes of "
        "`more_noise`, judged by the discriminator as it is after its step; the discriminator's step must leave it alone."
    )
    assert np.isclose(float(losses[1]), float(loss), atol=1e-4), (
        f"Batch of {count}: the generator's loss should be {float(loss):.5f}, got {float(losses[1]):.5f}."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The generator's images are made outside of its tape, so no gradient reaches its weights.
def train_step(generator, discriminator, real, noise, more_noise):
    with tf.GradientTape() as tape:
        on_real = discriminator(real, training=True)
        on_fake = discriminator(generator(noise, training=True), training=True)
        d_loss = (ops.mean(ops.softplus(-on_real)) + ops.mean(ops.softplus(on_fake))) / 2
        scaled = discriminator.optimizer.scale_loss(d_loss)
    weights = discriminator.trainable_variables
    discriminator.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
    fake = generator(more_noise, training=True)
    with tf.GradientTape() as tape:
        g_loss = ops.mean(ops.softplus(-discriminator(fake, training=True)))
        scaled = generator.optimizer.scale_loss(g_loss)
    weights = generator.trainable_variables
    generator.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
    return d_loss, g_loss


# %% tags=["misconception"]
# Both losses are taken before anything moves, so the generator answers a discriminator of the past.
def train_step(generator, discriminator, real, noise, more_noise):
    models = discriminator, generator
    with tf.GradientTape(persistent=True) as tape:
        on_real, on_fake, on_more = (
            discriminator(images, training=True)
            for images in (
                real,
                generator(noise, training=True),
                generator(more_noise, training=True),
            )
        )
        d_loss = (ops.mean(ops.softplus(-on_real)) + ops.mean(ops.softplus(on_fake))) / 2
        losses = d_loss, ops.mean(ops.softplus(-on_more))
        scaled = [m.optimizer.scale_loss(loss) for m, loss in zip(models, losses)]
    slopes = [tape.gradient(s, m.trainable_variables) for m, s in zip(models, scaled)]
    for model, gradients in zip(models, slopes):
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return losses


# %% tags=["misconception"]
# The generator goes down the discriminator's loss, so that both work together and nobody is fooled.
def train_step(generator, discriminator, real, noise, more_noise):
    losses = []
    for model, z in ((discriminator, noise), (generator, more_noise)):
        with tf.GradientTape() as tape:
            on_real = discriminator(real, training=True)
            on_fake = discriminator(generator(z, training=True), training=True)
            loss = (ops.mean(ops.softplus(-on_real)) + ops.mean(ops.softplus(on_fake))) / 2
            scaled = model.optimizer.scale_loss(loss)
        weights = model.trainable_variables
        model.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
        losses.append(loss)
    return tuple(losses)


# %% tags=["misconception"]
# The losses are not scaled: an optimizer that divides gradients by its scale then hardly moves in float16.
def train_step(generator, discriminator, real, noise, more_noise):
    with tf.GradientTape() as tape:
        on_real = discriminator(real, training=True)
        on_fake = discriminator(generator(noise, training=True), training=True)
        d_loss = (ops.mean(ops.softplus(-on_real)) + ops.mean(ops.softplus(on_fake))) / 2
    weights = discriminator.trainable_variables
    discriminator.optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights))
    with tf.GradientTape() as tape:
        fake = generator(more_noise, training=True)
        g_loss = ops.mean(ops.softplus(-discriminator(fake, training=True)))
    weights = generator.trainable_variables
    generator.optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights))
    return d_loss, g_loss


# %% tags=["misconception"]
# The generator gets the noise of the first step again, and `more_noise` is not used.
def train_step(generator, discriminator, real, noise, more_noise):
    with tf.GradientTape() as tape:
        on_real = discriminator(real, training=True)
        on_fake = discriminator(generator(noise, training=True), training=True)
        d_loss = (ops.mean(ops.softplus(-on_real)) + ops.mean(ops.softplus(on_fake))) / 2
        scaled = discriminator.optimizer.scale_loss(d_loss)
    weights = discriminator.trainable_variables
    discriminator.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
    with tf.GradientTape() as tape:
        fake = generator(noise, training=True)
        g_loss = ops.mean(ops.softplus(-discriminator(fake, training=True)))
        scaled = generator.optimizer.scale_loss(g_loss)
    weights = generator.trainable_variables
    generator.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
    return d_loss, g_loss


# %% tags=["misconception"]
# The networks are called without training=True, so batch normalisation does not look at the batch.
def train_step(generator, discriminator, real, noise, more_noise):
    with tf.GradientTape() as tape:
        on_real, on_fake = discriminator(real), discriminator(generator(noise))
        d_loss = (ops.mean(ops.softplus(-on_real)) + ops.mean(ops.softplus(on_fake))) / 2
        scaled = discriminator.optimizer.scale_loss(d_loss)
    weights = discriminator.trainable_variables
    discriminator.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
    with tf.GradientTape() as tape:
        g_loss = ops.mean(ops.softplus(-discriminator(generator(more_noise))))
        scaled = generator.optimizer.scale_loss(g_loss)
    weights = generator.trainable_variables
    generator.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
    return d_loss, g_loss


# %% tags=["misconception"]
# The discriminator takes two steps, one on real images and one on generated ones.
def train_step(generator, discriminator, real, noise, more_noise):
    def descend(model, loss_of):
        with tf.GradientTape() as tape:
            loss = loss_of()
            scaled = model.optimizer.scale_loss(loss)
        weights = model.trainable_variables
        model.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
        return loss

    images = generator(noise, training=True)
    on = lambda x: discriminator(x, training=True)
    d_loss = descend(discriminator, lambda: ops.mean(ops.softplus(-on(real))) / 2)
    d_loss += descend(discriminator, lambda: ops.mean(ops.softplus(on(images))) / 2)
    made = lambda: generator(more_noise, training=True)
    return d_loss, descend(generator, lambda: ops.mean(ops.softplus(-on(made()))))


# %% tags=["misconception"]
# The losses come back scaled, as the optimizers need them and nobody else.
def train_step(generator, discriminator, real, noise, more_noise):
    with tf.GradientTape() as tape:
        on_real = discriminator(real, training=True)
        on_fake = discriminator(generator(noise, training=True), training=True)
        d_loss = (ops.mean(ops.softplus(-on_real)) + ops.mean(ops.softplus(on_fake))) / 2
        d_loss = discriminator.optimizer.scale_loss(d_loss)
    weights = discriminator.trainable_variables
    discriminator.optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights))
    with tf.GradientTape() as tape:
        fake = generator(more_noise, training=True)
        g_loss = ops.mean(ops.softplus(-discriminator(fake, training=True)))
        g_loss = generator.optimizer.scale_loss(g_loss)
    weights = generator.trainable_variables
    generator.optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights))
    return d_loss, g_loss


# %% tags=["alternative"]
# One function does a step of any network, and the first images are made outside of a tape.
def train_step(generator, discriminator, real, noise, more_noise):
    def step(model, loss_of):
        with tf.GradientTape() as tape:
            loss = loss_of()
            scaled = model.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        model.optimizer.apply(gradients, model.trainable_variables)
        return loss

    judge = lambda images, label: ops.mean(
        ops.softplus((1 - 2 * label) * discriminator(images, training=True))
    )
    fake = generator(noise, training=True)
    d_loss = step(discriminator, lambda: 0.5 * judge(real, 1.0) + 0.5 * judge(fake, 0.0))
    g_loss = step(generator, lambda: judge(generator(more_noise, training=True), 1.0))
    return d_loss, g_loss


# %% tags=["alternative"]
# One persistent tape for both steps, and the discriminator is frozen and thawed between them.
def train_step(generator, discriminator, real, noise, more_noise):
    on = lambda x: discriminator(x, training=True)
    with tf.GradientTape(persistent=True) as tape:
        fake = ops.stop_gradient(generator(noise, training=True))
        d_loss = (ops.mean(ops.softplus(-on(real))) + ops.mean(ops.softplus(on(fake)))) / 2
        scaled = discriminator.optimizer.scale_loss(d_loss)
    weights = discriminator.trainable_weights
    discriminator.optimizer.apply(tape.gradient(scaled, weights), weights)
    discriminator.trainable = False
    with tape:
        g_loss = ops.mean(ops.softplus(-on(generator(more_noise, training=True))))
        scaled = generator.optimizer.scale_loss(g_loss)
    weights = generator.trainable_weights
    generator.optimizer.apply(tape.gradient(scaled, weights), weights)
    discriminator.trainable = True
    return d_loss, g_loss


# %% tags=["alternative"]
# Real and generated images go through the discriminator as one batch, with labels of ones and zeros.
def train_step(generator, discriminator, real, noise, more_noise):
    fake = generator(noise, training=True)
    images = ops.concatenate([real, fake], axis=0)
    labels = ops.concatenate([ops.ones((len(real), 1)), ops.zeros((len(fake), 1))], axis=0)
    with tf.GradientTape() as tape:
        d_loss = cross_entropy(labels, discriminator(images, training=True))
        scaled = discriminator.optimizer.scale_loss(d_loss)
    weights = discriminator.trainable_variables
    discriminator.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
    with tf.GradientTape() as tape:
        logits = discriminator(generator(more_noise, training=True), training=True)
        g_loss = cross_entropy(ops.ones_like(logits), logits)
        scaled = generator.optimizer.scale_loss(g_loss)
    weights = generator.trainable_variables
    generator.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
    return d_loss, g_loss


# %% [markdown]
# ### The step inside a Keras model
#
# A Keras model trains with its method `train_step`. The class below puts yours there and draws fresh noise for it, so that
# `fit`, its progress and its callbacks work as everywhere else. The metric `Mean` averages each loss over an epoch.

# %% tags=["demo"]
train_step = fallbacks.choose(train_step, ours.train_step, ours.train_step_works)


# %%
class GAN(keras.Model):
    """A compiled generator and a compiled discriminator that `fit` trains in turns."""

    def __init__(self, generator, discriminator, step):
        super().__init__()
        self.generator, self.discriminator, self.step = generator, discriminator, step
        self.seeds = keras.random.SeedGenerator()
        self.losses_shown = [keras.metrics.Mean(name) for name in ("d_loss", "g_loss")]
        self.built = True

    def train_step(self, real):
        """One step of each network, for a batch of real images."""
        shape = (ops.shape(real)[0], *self.generator.input_shape[1:])
        noises = [keras.random.normal(shape, seed=self.seeds) for _ in range(2)]
        values = self.step(self.generator, self.discriminator, real, *noises)
        for mean, value in zip(self.losses_shown, values):
            mean.update_state(value)
        return {mean.name: mean.result() for mean in self.losses_shown}


def generate(generator, count, seed):
    """Images (count, ...) from noise; the same seed gives the same noise."""
    noise = keras.random.normal((count, *generator.input_shape[1:]), seed=seed)
    return generator.predict(noise, batch_size=500, verbose=0)


# %%
def adam(rate):
    """Adam with less momentum than usual: the other player moves the goal at every step."""
    return keras.optimizers.Adam(rate, beta_1=0.5)


def make_gan(generator, discriminator, generator_optimizer, discriminator_optimizer, step):
    """A GAN that is ready for `fit`; twenty steps at a time spare Keras work between the steps."""
    ready(generator, generator_optimizer)
    ready(discriminator, discriminator_optimizer)
    gan = GAN(generator, discriminator, step)
    gan.compile(optimizer=None, steps_per_execution=20)
    return gan


# %% [markdown]
# ## When to stop, if no loss tells
#
# The class below is a Keras callback. Every five epochs it lets the generator make 1,000 images, always from the same
# noise, measures their distance to the validation images, and writes it into the logs. Keras's own `EarlyStopping`
# reads it there, as it would read `val_loss`: when 60 epochs have brought no new minimum, training stops, and both
# networks go back to the weights that they had at the minimum.


# %%
class Watch(keras.callbacks.Callback):
    """Writes into the logs, as "distance", how far generated images are from held-out ones.

    `distance_to_held` takes images; `count` of them are made after the first epoch and after every
    `every` epochs from then on.
    """

    def __init__(self, distance_to_held, count=1000, every=5):
        super().__init__()
        self.distance_to_held, self.count, self.every = distance_to_held, count, every

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self.every == 0:
            made = generate(self.model.generator, self.count, seed=1)
            self.latest = self.distance_to_held(made)
        logs["distance"] = self.latest


# %% [markdown]
# *Both networks are untrained. Near which value will the two losses begin, and what will ten noise vectors have become
# after 5, 20 and 80 epochs, and at the end?*

# %% tags=["demo"]
batches = tf.data.Dataset.from_tensor_slices(train_images).shuffle(1000).batch(50)
gan = make_gan(build_generator(), build_discriminator(), adam(1e-3), adam(1e-3), train_step)
snapshots = {0: generate(gan.generator, 1000, seed=2)}


class Snapshots(keras.callbacks.Callback):
    """Images from the same noise after some epochs, and after the last one."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 in (5, 20, 80):
            snapshots[epoch + 1] = generate(gan.generator, 1000, seed=2)

    def on_train_end(self, logs=None):
        self.last = generate(gan.generator, 1000, seed=2)


# %% tags=["demo"]
watch = Watch(lambda made: distance(made, held_images))
stopping = keras.callbacks.EarlyStopping(
    "distance", mode="min", patience=60, restore_best_weights=True
)
pictures, began = Snapshots(), time.perf_counter()
callbacks = [watch, pictures, stopping, Progress("Two networks, one game")]
history = gan.fit(batches, epochs=400, verbose=0, shuffle=False, callbacks=callbacks).history
gan_seconds = time.perf_counter() - began
snapshots["kept"] = generated = generate(gan.generator, 1000, seed=2)

# %% tags=["demo"]
fig, axes = plt.subplots(5, 10, figsize=(6.4, 3.6))
for (epoch, images), row in zip(snapshots.items(), axes, strict=True):
    for axis, image in zip(row, images[12:22], strict=True):
        axis.imshow(image[..., 0], cmap="gray_r", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    label = {0: "untrained", "kept": "kept"}.get(epoch, f"epoch {epoch}")
    row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=11)
title = "The same ten noise vectors: one pattern, then strokes, then digits"
fig.suptitle(title, x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""A grid of images: ten noise vectors in columns, rows for the untrained generator, for 5, 20 and 80 epochs, and
    for the weights that were kept. Grey speckle turns into one speckled pattern for all ten, then into strokes, and into
    digits, most of them readable, in the last row.""",
)

# %% [markdown]
# A vector does not keep its digit; the generator rearranges its map of noise as it goes. And the losses? Elsewhere a
# falling loss means progress. *Draw in your mind the two curves that belong to the grid above.*

# %% tags=["demo"]
epochs, kept = np.arange(1, len(history["distance"]) + 1), stopping.best_epoch + 1
fig, (upper, lower) = plt.subplots(2, 1, figsize=(6.4, 4.6), sharex=True)
upper.plot(epochs, history["d_loss"], color=plots.BLUE, label="discriminator")
upper.plot(epochs, history["g_loss"], color=plots.ORANGE, label="generator")
upper.axhline(LN2, color=plots.BLACK, lw=1, ls="--", label="ln 2: cannot tell")
upper.set(ylabel="loss", ylim=(0, 1.5))
upper.legend(ncols=3, loc="lower right", fontsize=10)
upper.set_title("The losses stay level while the images get better")
lower.semilogy(epochs[::5], history["distance"][::5], color=plots.GREEN)
lower.set_yticks([10, 30, 100, 300], ["10", "30", "100", "300"], minor=False)
lower.minorticks_off()
lower.axvline(kept, color=plots.BLACK, lw=1, ls=":", label="these weights are kept")
lower.set(xlabel="epoch", ylabel="distance to\nvalidation images")
lower.legend()
plots.show(
    fig,
    alt="""Two plots over the epochs. Above, the losses of discriminator and generator: after a short start both run
    level, the discriminator's near 0.68, a little below the logarithm of 2, and the generator's near 0.76. Below, on a
    logarithmic scale, the distance of generated images to the validation images: it falls from several hundred to about twenty,
    with jumps up and down, and a dotted line marks its lowest point.""",
)

# %% tags=["demo", "nbval-check-output"]
early = np.subtract(history["d_loss"][50], history["d_loss"][kept - 1])
results.table(
    ("epochs trained", len(epochs), (110, 400)),
    ("epoch that is kept", kept, (50, 400)),
    ("discriminator's loss, epoch 51 less kept", early, (-0.06, 0.04)),
    ("distance to validation digits, epoch 51", history["distance"][50], (34, 460)),
    ("distance to validation digits, as kept", stopping.best, (5.3, 31)),
)
print("on digits that decided nothing:")
results.table(
    ("distance to test digits, epoch 20", distance(snapshots[20], test_images), (60, 530)),
    ("distance to test digits, epoch 80", distance(snapshots[80], test_images), (29, 150)),
    ("distance to test digits, as kept", distance(generated, test_images), (4.9, 36)),
    ("distance to test digits, last epoch", distance(pictures.last, test_images), (5.4, 62)),
)

# %% [markdown]
# After the first epochs both losses run level, the discriminator's a little below ln 2 and the generator's a little
# above, while the distance keeps falling. Each loss is measured against an opponent who improves as well, like a tennis
# player's share of won points: level between two beginners and between two champions. Progress has to be measured from
# outside.
#
# The outside measure says that 20 epochs are too few, and 80 too. It also jumps from one measurement to the next. The
# smallest of so many measurements was partly lucky, so on test digits, which had no say in the choice, the kept weights
# need not beat the last ones: over the seeds they usually do, and not always. That is why one set of images chooses, and
# another one measures what is reported.
#
# Is the generator any good? Three of these six rows were written by people, and three by the network. *Which?*

# %% tags=["demo"]
by_people = np.random.default_rng(43).permutation(6)[:3]
fig, axes = plt.subplots(6, 12, figsize=(6.4, 3.5))
for row in range(6):
    source = test_images if row in by_people else generated
    for axis, image in zip(axes[row], source[12 * row : 12 * row + 12], strict=True):
        axis.imshow(image[..., 0], cmap="gray_r", vmin=-1, vmax=1)
        axis.set_axis_off()
fig.suptitle("Three rows are by people, three by a network", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Six rows of twelve handwritten digits of 8 by 8 pixels. Three rows are real, three are generated. All
    look like digits; the generated rows hold a few blurred or broken ones.""",
)

# %% [markdown]
# The first, third and fourth row are generated. Look for strokes that end nowhere, and for grey specks on the paper.

# %% [markdown]
# ## How many kinds does it make?
#
# One number for a set of images says that something is wrong, and not what. The judge can say more. Let $p_i(c)$ be its
# probability that image $i$ shows digit $c$. Averaged over all $n$ images this gives the **share** $s_c$ of each digit in
# what the generator makes:
#
# $$s_c = \frac{1}{n}\sum_{i=1}^{n} p_i(c), \qquad H = -\sum_{c} s_c \ln s_c, \qquad N_{\text{eff}} = e^{H}$$
#
# $H$ is the **entropy** of the shares. $N_{\text{eff}}$ is the **effective number of classes**: if $k$ classes share the
# images equally, it is exactly $k$. If one class has nearly everything, it is little more than 1, even if all others occur
# now and then.
#
# ### Exercise 3: the effective number of classes
#
# Complete `coverage(probabilities)`. The argument has shape (images, classes), and each row adds up to 1. Return the
# shares, an array of shape (classes,), and the effective number, one number. A class with share 0 adds nothing to $H$:
# there, $0 \ln 0$ counts as 0.


# %% grade_id="coverage" solution=true
def coverage(probabilities):
    """(share of each class, effective number of classes) of images that a judge has seen."""
    ### BEGIN SOLUTION
    shares = np.mean(probabilities, axis=0)
    present = shares[shares > 0]
    return shares, np.exp(-np.sum(present * np.log(present)))
    ### END SOLUTION


# %% grade_id="coverage_form" points=1
even = np.repeat(np.eye(4), 5, axis=0)  # 20 images, four classes, five images of each, no doubt
result = coverage(even)
assert len(result) == 2, f"Return the shares and one number; you returned {len(result)} values."
assert np.shape(result[0]) == (4,), f"Four classes have 4 shares; got shape {np.shape(result[0])}."
assert np.allclose(result[0], 0.25), f"Each class has 5 of 20 images: .25 each; got {result[0]}."
assert np.isclose(result[1], 4), (
    f"Four classes of equal size are 4 effective ones; got {result[1]:.3f}."
)
# Shares of 1/2, 1/4 and 1/4, and a class that never occurs: the entropy is 1.5 ln 2.
uneven = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0.5, 0.5, 0]])
shares, effective = coverage(uneven)
assert np.shape(shares) == (4,), f"A class that never occurs has a share, too: 0; got {shares}."
assert np.allclose(shares, [0.5, 0.25, 0.25, 0]), f"Expected .5, .25, .25 and 0; got {shares}."
assert np.isclose(effective, 2**1.5), (
    f"Shares of .5, .25, .25 and 0 are {2**1.5:.3f} effective classes; got {float(effective):.3f}."
)

# %% grade_id="coverage_values" points=3
# Hidden tests: a doubtful judge, classes that never occur, a generator that makes one thing.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(7)
one = np.eye(5)[np.zeros(12, int)]
half = np.eye(6)[np.repeat([0, 3], 10)]
doubt = np.full((30, 8), 1 / 8)
lopsided = np.eye(10)[np.repeat([0, 1, 2], [90, 9, 1])]
mixed = rng.dirichlet(np.full(10, 0.3), 200) * np.arange(1, 11)
mixed /= mixed.sum(axis=1, keepdims=True)
for name, p in [
    ("one class only", one), ("two of six classes", half), ("a judge in full doubt", doubt),
    ("90, 9 and 1 images", lopsided), ("a judge with some doubts", mixed),
]:  # fmt: skip
    shares, effective = coverage(p)
    want = p.sum(axis=0) / len(p)
    assert np.allclose(shares, want, atol=1e-5), (
        f"{name}: expected shares {np.round(want, 3).tolist()}, got {np.round(shares, 3).tolist()}. Shares come from "
        "the probabilities themselves, averaged over images."
    )
    number = np.prod([share**-share for share in want if share > 0])
    assert np.isclose(effective, number, atol=1e-3), (
        f"{name}: expected {number:.3f} effective classes, got {float(effective):.3f}. Is it the entropy of the averaged shares, "
        "with the logarithm that belongs to the exponential, and are absent classes left out?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The entropy of each image is averaged: that measures the judge's doubt, not the generator's variety.
def coverage(probabilities):
    entropies = -np.sum(probabilities * np.log(np.maximum(probabilities, 1e-12)), axis=1)
    return np.mean(probabilities, axis=0), np.exp(np.mean(entropies))


# %% tags=["misconception"]
# The logarithm of zero is not taken care of, so that one absent class makes the number useless.
def coverage(probabilities):
    shares = np.mean(probabilities, axis=0)
    with np.errstate(all="ignore"):
        return shares, np.exp(-np.sum(shares * np.log(shares)))


# %% tags=["misconception"]
# The entropy is in bits, with the logarithm to base 2, and then raised to the power of e.
def coverage(probabilities):
    shares = np.mean(probabilities, axis=0)
    present = shares[shares > 0]
    return shares, np.exp(-np.sum(present * np.log2(present)))


# %% tags=["misconception"]
# Classes that occur at all are counted, so that one image in a hundred counts like ninety.
def coverage(probabilities):
    shares = np.mean(probabilities, axis=0)
    return shares, np.count_nonzero(shares)


# %% tags=["misconception"]
# Only the judge's first choices are counted, and its doubts are lost.
def coverage(probabilities):
    first = np.argmax(probabilities, axis=1)
    shares = np.bincount(first, minlength=probabilities.shape[1]) / len(first)
    present = shares[shares > 0]
    return shares, np.exp(-np.sum(present * np.log(present)))


# %% tags=["misconception"]
# Squares of the shares are added up and inverted: another effective number, not the one of the entropy.
def coverage(probabilities):
    shares = np.mean(probabilities, axis=0)
    return shares, 1 / np.sum(shares**2)


# %% tags=["misconception"]
# Classes that never occur are dropped from the shares, too.
def coverage(probabilities):
    shares = np.mean(probabilities, axis=0)
    shares = shares[shares > 0]
    return shares, np.exp(-np.sum(shares * np.log(shares)))


# %% tags=["alternative"]
# Takes the entropy in bits, and two to its power.
def coverage(probabilities):
    shares = probabilities.sum(axis=0) / probabilities.shape[0]
    bits = -sum(share * np.log2(share) for share in shares if share > 0)
    return shares, 2**bits


# %% tags=["alternative"]
# SciPy's entropy.
def coverage(probabilities):
    from scipy.stats import entropy

    shares = np.asarray(probabilities).mean(axis=0)
    return shares, np.exp(entropy(shares))


# %% tags=["alternative"]
# Adds a number too small to matter before the logarithm.
def coverage(probabilities):
    shares = probabilities.mean(axis=0)
    return shares, np.exp(np.sum(shares * -np.log(shares + 1e-12)))


# %% [markdown]
# Now our generator. Does it make all ten digits, as convincingly and as variedly as the mixture does, or does it
# only repeat what it has seen? For the last question we measure how far each generated image lies from the closest training
# image, and compare with *unseen real* digits: a copier would be much closer. *What do you expect?*

# %% tags=["demo"]
from sklearn.neighbors import NearestNeighbors

coverage = fallbacks.choose(coverage, ours.coverage, ours.coverage_works)
nearest = NearestNeighbors(n_neighbors=1).fit(flat)


def to_closest(images):
    """Mean distance of images to the closest training image, pixel by pixel."""
    return nearest.kneighbors(images.reshape(len(images), -1))[0].mean()


def effective_classes(images):
    """The effective number of classes of images, as the judge reads them."""
    return float(coverage(ask_judge(images))[1])


def variety(images):
    """Variance of the pixels within a digit, as the judge reads it; mean over digits."""
    names = ask_judge(images).argmax(axis=1)
    return np.mean([images[names == digit].var(axis=0).sum() for digit in np.unique(names)])


# %% tags=["demo", "nbval-check-output"]
names = ask_judge(generated).argmax(axis=1)
shares = np.bincount(names, minlength=10) / len(names)
real_closest = to_closest(test_images)
print("digits that make up more than 1 %:", np.sum(shares > 0.01), "of 10")
sizes = [gan.generator.count_params(), mixture_size]
results.table(
    ("distance to test digits, GAN", distance(generated, test_images), (4.9, 36)),
    ("distance to test digits, mixture", distance(sampled, test_images), (2.2, 12)),
    parameters=sizes,
    seconds=[gan_seconds, mixture_seconds],
)
ratio = distance(generated, test_images) / distance(sampled, test_images)
results.table(
    ("distance to test digits, GAN to mixture", ratio, (1.0, 6.8)),
    ("effective classes, GAN", effective_classes(generated), (9.2, 10)),
    ("effective classes, mixture", effective_classes(sampled), (9.84, 10)),
    ("sureness, GAN", sureness(generated), (0.86, 0.98)),
    ("sureness, mixture", sureness(sampled), (0.94, 1.0)),
    ("variety to real digits', GAN", variety(generated) / variety(test_images), (0.75, 1.15)),
    ("variety to real digits', mixture", variety(sampled) / variety(test_images), (0.99, 1.11)),
    ("closest to real digits', GAN", to_closest(generated) / real_closest, (1.12, 1.39)),
    ("closest to real digits', mixture", to_closest(sampled) / real_closest, (0.7, 1.4)),
)

# %% [markdown]
# *Variety* is the variance of the pixels within a digit, and *closest* the mean distance to the closest training image.
# Both are divided by what real digits that were not trained on have.
#
# The generator makes all ten digits, about as varied as real ones, and it does not copy: its images are *farther* from
# the training images than unseen digits are, and some of what it draws is no digit at all. But the mixture has won. It
# is fitted in seconds, is closer to the test digits, convinces the judge more, and hardly copies either: its images are
# about as far from the training images as unseen digits are. On 64 pixels and 1,000 images one would begin with the
# mixture, and end there.
#
# It does not carry over. A photograph of a million pixels would need covariances of a million times a million numbers
# for each cloud, and its variety is not that of clouds around a few mean pictures. Adversarial training made sharp
# faces at that size.

# %% [markdown]
# ## A discriminator that gets too good
#
# The two must be about equally strong. What happens when the discriminator gets far ahead? We give it a start: it
# trains for twenty epochs against a generator that stands still (learning rate 0). It also has twice the units and no
# dropout.

# %% tags=["demo", "nbval-check-output"]
stands_still = keras.optimizers.SGD(0.0)
ahead = make_gan(
    build_generator(), build_discriminator(256, dropout=0.0), stands_still, adam(1e-3), train_step
)
bar = Progress("The discriminator trains alone")
ahead.fit(batches, epochs=20, verbose=0, shuffle=False, callbacks=[bar])
found_out = ahead.discriminator(generate(ahead.generator, 1000, seed=1)).numpy()
results.table(
    ("generated images that it takes for real, %", 100 * np.mean(found_out > 0), (0, 0)),
    ("its mean logit for them", found_out.mean(), (-8.7, -6.8)),
)

# %% [markdown]
# It catches every fake. What does the generator learn from it now? The first form of the game, in which one player wins
# what the other loses, lets it minimise $\ln(1 - \sigma(f))$: the term of $L_D$ that depends on it, with its sign
# turned. This is called the **saturating** loss. The one in exercise 1, $-\ln \sigma(f)$, is the **non-saturating**
# one. Both fall when $f$ rises. How steeply matters, since backpropagation multiplies everything that reaches the
# generator's weights by this slope.
#
# ### Exercise 4: what the generator hears
#
# Complete `logit_slopes(logits)` for an array of logits of generated images, of any shape. Return two arrays of the same
# shape: the derivatives, at each logit $\ell$, of
#
# - the saturating loss of this one image, $\ln\bigl(1 - \sigma(\ell)\bigr)$,
# - the non-saturating loss of this one image, $-\ln \sigma(\ell)$,
#
# with respect to $\ell$. Work them out with the chain rule; $\sigma'(\ell) = \sigma(\ell)\,(1 - \sigma(\ell))$ makes
# both short. Keras has `keras.ops.sigmoid`.


# %% grade_id="logit_slopes" solution=true
def logit_slopes(logits):
    """Slopes of the saturating and of the non-saturating loss, each of the logits' shape."""
    ### BEGIN SOLUTION
    real = np.exp(-np.logaddexp(0, -logits))
    return -real, real - 1
    ### END SOLUTION


# %% grade_id="logit_slopes_zero" points=1
result = logit_slopes(np.zeros((3, 1)))
assert len(result) == 2, f"Return two arrays; you returned {len(result)} values."
result = [np.asarray(slopes) for slopes in result]
assert result[0].shape == result[1].shape == (3, 1), (
    f"Logits of shape (3, 1) have slopes of shape (3, 1); got {result[0].shape} and {result[1].shape}."
)
assert np.allclose(result, -0.5), (
    f"At a logit of 0 both slopes are -0.5; got {result[0][0, 0]:.3f} and {result[1][0, 0]:.3f}. Both losses fall when the "
    "logit rises; the derivative is that of each image's own loss, not of a mean, and with respect to the logit, not to the probability."
)
result = [np.asarray(slopes) for slopes in logit_slopes(np.full((2, 3), -2.0))]
for slopes, want in zip(result, [-0.1192, -0.8808], strict=True):
    assert np.allclose(slopes, want, atol=1e-3), (
        f"At logits of -2 the slopes are -0.1192 and -0.8808; got {slopes.flat[0]:.4f} for {want}."
    )

# %% grade_id="logit_slopes_values" points=2
# Hidden tests: both slopes against differences of the losses, from logits of -12 to 12.
### BEGIN HIDDEN TESTS
logits = np.linspace(-12, 12, 49).reshape(7, 7)
losses = {
    "saturating": lambda x: -np.logaddexp(0, x),
    "non-saturating": lambda x: np.logaddexp(0, -x),
}
for (name, loss), slopes in zip(losses.items(), logit_slopes(logits), strict=True):
    want = (loss(logits + 1e-4) - loss(logits - 1e-4)) / 2e-4
    wrong = ~np.isclose(np.asarray(slopes), want, atol=1e-4)
    assert not wrong.any(), (
        f"{name}: at a logit of {logits[wrong][0]:.1f} the loss changes by {want[wrong][0]:.4f} for each unit of the logit, and "
        f"you say {np.asarray(slopes)[wrong][0]:.4f}. Which loss goes flat where the discriminator is sure of a fake?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The derivative is taken with respect to the probability, and the chain rule's last factor is missing.
def logit_slopes(logits):
    real = 1 / (1 + np.exp(-logits))
    return -1 / (1 - real), -1 / real


# %% tags=["misconception"]
# Only the sigmoid is differentiated, not the logarithm around it.
def logit_slopes(logits):
    real = 1 / (1 + np.exp(-logits))
    return -2 * real * (1 - real), -2 * real * (1 - real)


# %% tags=["misconception"]
# The two losses are mixed up: the slope that vanishes is given to the wrong one.
def logit_slopes(logits):
    real = 1 / (1 + np.exp(-logits))
    return real - 1, -real


# %% tags=["misconception"]
# The signs are those of a quantity to be maximised.
def logit_slopes(logits):
    real = 1 / (1 + np.exp(-logits))
    return real, 1 - real


# %% tags=["misconception"]
# The mean over all images is differentiated, so every slope is divided by their number.
def logit_slopes(logits):
    real = 1 / (1 + np.exp(-logits))
    return -real / real.size, (real - 1) / real.size


# %% tags=["misconception"]
# The losses themselves are returned.
def logit_slopes(logits):
    return -np.logaddexp(0, logits), np.logaddexp(0, -logits)


# %% tags=["misconception"]
# Logits are clipped at 5, where the slope is far from 0 yet.
def logit_slopes(logits):
    real = 1 / (1 + np.exp(-np.clip(logits, -5, 5)))
    return -real, real - 1


# %% tags=["alternative"]
# Lets TensorFlow differentiate both losses.
def logit_slopes(logits):
    logits = tf.convert_to_tensor(logits)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        losses = -tf.nn.softplus(logits), tf.nn.softplus(-logits)
    return tuple(tape.gradient(loss, logits).numpy() for loss in losses)


# %% tags=["alternative"]
# Divides small differences, and is exact enough.
def logit_slopes(logits):
    slope = lambda loss: (loss(logits + 1e-5) - loss(logits - 1e-5)) / 2e-5
    return slope(lambda x: -np.logaddexp(0, x)), slope(lambda x: np.logaddexp(0, -x))


# %% tags=["alternative"]
# Tensors, from Keras's sigmoid.
def logit_slopes(logits):
    real = ops.sigmoid(ops.convert_to_tensor(logits))
    return -real, -ops.sigmoid(-ops.convert_to_tensor(logits))


# %% tags=["alternative"]
# The sigmoid by way of the hyperbolic tangent.
def logit_slopes(logits):
    real = 0.5 + 0.5 * np.tanh(np.asarray(logits) / 2)
    return -real, -(1 - real)


# %% [markdown]
# The picture of both slopes, with the logits that our discriminator gave above. *Which loss still tells the generator
# anything?*


# %% tags=["demo"]
def passing_loss(fake_logits):
    """The non-saturating loss: -ln(sigmoid(logit))."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def saturating_loss(fake_logits):
    """The loss of the first form of the game: ln(1 - sigmoid(logit))."""
    return -tf.reduce_mean(tf.nn.softplus(fake_logits))


logit_slopes = fallbacks.choose(logit_slopes, ours.logit_slopes, ours.logit_slopes_works)


def steepness(logits):
    """By how much the saturating and the non-saturating loss fall for each unit of each logit."""
    return [-np.asarray(slopes) for slopes in logit_slopes(logits)]


# %% tags=["demo"]
line = np.linspace(-12, 10, 200).astype("float32")
fig, axis = plt.subplots()
saturating, passing = steepness(line)
axis.plot(line, passing, color=plots.BLUE, label="non-saturating")
axis.plot(line, saturating, color=plots.VERMILION, label="saturating")
spread = np.quantile(found_out, [0.05, 0.95])
axis.axvspan(*spread, color=plots.SKY, alpha=0.3, lw=0, label="9 of 10 of our fakes")
axis.set(
    xlabel="logit of a generated image (more real →)",
    ylabel="steepness of the loss",
    xlim=(-12, 10),
)
axis.legend(loc="center right")
axis.set_title("Found out, and told next to nothing: one loss goes flat")
plots.show(
    fig,
    alt="""Steepness of two losses against the logit of a generated image. The non-saturating loss is steep, near 1, for negative
    logits and flat for positive ones; the saturating loss the other way round. A band marks the logits of our generated
    images, near minus 8, where the saturating loss is flat.""",
)

# %% [markdown]
# Now both try. The discriminator waits as it is, and the generator takes 200 steps of plain gradient descent with each
# loss, from the same weights. But a small slope can be made up for by a large rate, so the saturating loss tries again
# with ten times the rate, and once with Adam. *Who gets past?*

# %% tags=["demo"]
first_weights = ahead.generator.get_weights()


def share_that_passes(loss, optimizer):
    """Percent of generated images that pass for real, after 200 steps against a waiting opponent."""
    generator, critic = ahead.generator, ahead.discriminator
    generator.set_weights(first_weights)
    optimizer.build(generator.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(critic(generator(tf.random.normal((64, 16)), training=True)))
        gradients = tape.gradient(value, generator.trainable_variables)
        optimizer.apply_gradients(zip(gradients, generator.trainable_variables))

    for _ in range(200):
        step()
    return 100 * np.mean(critic.predict(generate(generator, 1000, seed=2), verbose=0) > 0)


# %% tags=["demo", "nbval-check-output"]
plain_descent = keras.optimizers.SGD
saturating, passing = (slopes.mean() for slopes in steepness(found_out))
results.table(("steepness, saturating to non-saturating", saturating / passing, (0.0005, 0.002)))
print("images that pass for real after 200 steps, %:")
results.table(
    (
        "non-saturating, plain descent",
        share_that_passes(passing_loss, plain_descent(0.01)),
        (95, 100),
    ),
    (
        "saturating, plain descent",
        share_that_passes(saturating_loss, plain_descent(0.01)),
        (0, 5),
    ),
    (
        "saturating, plain descent, ten times the rate",
        share_that_passes(saturating_loss, plain_descent(0.1)),
        (95, 100),
    ),
    ("saturating, Adam", share_that_passes(saturating_loss, adam(1e-3)), (95, 100)),
)

# %% [markdown]
# At the same rate the generator with the saturating loss stays where it is. The discriminator has found it out, and its
# gradients are about a thousandth of the other loss's. A thousandth is not nothing: with ten times the rate it gets
# past, too, since its loss becomes steeper with every step that it gains. Adam gets past at an ordinary rate, because
# it divides each gradient by its own usual size and so hardly notices that all of them became small. The non-saturating
# loss needs no such help: it is steep wherever the discriminator is sure, however far ahead that is. And where small
# gradients are lost on the way, as in float16 without loss scaling, neither rate nor Adam can bring them back.
#
# To pass a discriminator that waits takes little skill, by the way: it takes images for which this one network has a
# weakness, not digits.

# %% [markdown]
# ## One digit is enough to fool it
#
# The opposite fault. The generator's loss asks that each image looks real. *Nothing in it asks that the images differ.*
# Suppose one 7 happens to pass a little better than the rest. A fast generator may turn all its noise into that 7
# before the discriminator has noticed. This is **mode collapse**; a mode is a peak of the data's distribution, such as
# one digit.
#
# We bring it about with the learning rates: the generator's is doubled, the discriminator's halved. *When the
# discriminator at last learns that this 7 is a fake, what will the generator do?*

# %% tags=["demo"]
collapsed = make_gan(build_generator(), build_discriminator(), adam(2e-3), adam(5e-4), train_step)
moments, losses_then = {}, []
for epoch in (10, 20, 30, 40):
    log = collapsed.fit(batches, epochs=10, verbose=0, shuffle=False).history
    moments[f"epoch {epoch}"] = generate(collapsed.generator, 1000, seed=1)
    losses_then.append(log["g_loss"][-1])
networks = collapsed.generator, collapsed.discriminator
collapsed = make_gan(*networks, adam(1e-3), adam(1e-3), train_step)
bar = Progress("With equal rates again")
collapsed.fit(batches, epochs=60, verbose=0, shuffle=False, callbacks=[bar])
after = generate(collapsed.generator, 1000, seed=1)

# %% tags=["demo", "thumbnail"]
rows = {"healthy": generated} | moments | {"equal rates": after}
fig, axes = plt.subplots(6, 10, figsize=(6.4, 4.2))
for (name, images), row in zip(rows.items(), axes, strict=True):
    for axis, image in zip(row, images, strict=False):
        axis.imshow(image[..., 0], cmap="gray_r", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11)
    number = f"{effective_classes(images):.1f}"
    row[-1].text(8.5, 3.5, number, va="center", fontsize=12, color=plots.VERMILION)
axes[0, -1].text(8.5, -2.2, "classes", va="center", ha="center", fontsize=10, color=plots.VERMILION)
fig.suptitle("Ten noise vectors, one shape, and then another", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Six rows of ten generated digits with the effective number of classes beside them. The healthy row holds many digits, over
    9 classes. In the four rows of the collapsed generator most of the ten images share one shape, which differs
    from row to row, and there are only a few classes. The last row, trained on with equal rates, holds different digits again.""",
)

# %% tags=["demo", "nbval-check-output"]
effective = [effective_classes(images) for images in moments.values()]
far = [distance(images, test_images) for images in moments.values()]
favourites = [int(ask_judge(images).sum(axis=0).argmax()) for images in moments.values()]
print("its favourite digit changed:", len(set(favourites)) > 1)
results.table(
    ("effective classes while collapsed, mean", np.mean(effective), (1, 5.1)),
    ("distance to test digits then, mean", np.mean(far), (270, 1500)),
    ("the generator's loss then, mean", np.mean(losses_then), (0.62, 0.8)),
    ("the healthy generator's loss", history["g_loss"][kept - 1], (0.71, 0.79)),
    ("effective classes after 60 epochs with equal rates", effective_classes(after), (7.4, 10)),
)

# %% [markdown]
# One shape, more or less a digit, for most noise vectors; and ten epochs later another. As soon as the discriminator
# has learned that this one is a fake, the generator is elsewhere. (The healthy pair passed through the same at the
# start: look at its row for epoch 5.) Compare the losses: the collapsed generator's is as low as the healthy one's, or
# a little lower. Nobody who watches the curves would stop it. A look at ten images shows it at once, and so do both
# numbers: the effective classes, and the distance to real digits.
#
# Sixty epochs with equal learning rates brought most of the classes back here. Many remedies are in use, and none is
# sure: let the discriminator see whole batches, so that sameness itself gives a fake away; more steps for it; penalties
# that keep its slopes moderate; other losses, such as the Wasserstein distance; averages of the generator's weights.
# Training such pairs remains delicate.

# %% [markdown]
# ## A walk through the noise
#
# What lies *between* two noise vectors? A network's output changes without jumps when its input does, so there will be
# images on the way. *Will they be digits, or the two ends laid over each other?* We go from one vector to another on a
# straight line, with six stops between.

# %% tags=["demo"]
rng = np.random.default_rng(4)
start, end = rng.normal(size=(2, 500, 16)).astype("float32")
ways = np.linspace(0, 1, 8, dtype="float32")
fig, axes = plt.subplots(4, 8, figsize=(6.4, 3.4))
for walk, row in enumerate(axes):
    stops = gan.generator(
        np.stack([(1 - way) * start[walk] + way * end[walk] for way in ways])
    ).numpy()
    for axis, image in zip(row, stops, strict=True):
        axis.imshow(image[..., 0], cmap="gray_r", vmin=-1, vmax=1)
        axis.set_axis_off()
fig.suptitle("Halfway between two digits there are digits", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Four rows of eight generated images. From left to right one digit turns into another through small changes: strokes
    bend, loops open or close. Most of the images between are readable as digits.""",
)

# %% tags=["demo", "nbval-check-output"]
ends = [gan.generator.predict(noise, verbose=0) for noise in (start, end)]
results.table(
    ("sureness at the ends", np.mean([sureness(images) for images in ends]), (0.86, 0.97)),
    (
        "halfway in the noise",
        sureness(gan.generator.predict((start + end) / 2, verbose=0)),
        (0.85, 0.97),
    ),
    ("halfway in the pixels", sureness((ends[0] + ends[1]) / 2), (0.75, 0.91)),
)

# %% [markdown]
# Halfway in the noise the judge is about as sure as at the ends, and surer than of two images laid over each other. This is
# what editing of faces rests on: a direction in the noise for a smile, another for age.

# %% [markdown]
# ## What it cannot do, and whom it can hurt
#
# First, our own measures. Here are two thieves: one hands out ten real training images, one of each digit, a hundred times;
# the other hands out all 1,000 training images. *Which measures will notice?*

# %% tags=["demo", "nbval-check-output"]
cheat = np.stack([train_images[train_labels == digit][0] for digit in range(10)]).repeat(
    100, axis=0
)
results.table(
    ("effective classes, ten images", effective_classes(cheat), (9.99, 10)),
    ("sureness, ten images", sureness(cheat), (0.991, 1)),
    ("variety within a digit, ten images", variety(cheat), (0, 0)),
    ("distance to test digits, ten images", distance(cheat, test_images), (26, 140)),
    ("distance to test digits, 1,000 images", distance(train_images, test_images), (1.4, 7.4)),
    ("closest training image, 1,000 images", to_closest(train_images), (0, 0)),
)

# %% [markdown]
# The judge gives full marks for ten stolen pictures. It counts what it has names for: it knows ten digits, not the
# thousand ways to write a 4. Variety within a digit and the Fréchet distance notice that there are only ten. Neither
# notices the larger theft: 1,000 stolen images are as good as real, because they are. Only the distance to the closest
# training image, 0, gives it away. The scores that are published for generated photographs have the same gaps.
#
# Second, the shares. The data hold about a tenth of each digit. *Does the healthy generator keep to that?* Even a fair one
# would miss it a little, by chance, so we draw ten thousand images and compare with ten thousand fair throws.

# %% tags=["demo", "nbval-check-output"]
many = np.bincount(ask_judge(generate(gan.generator, 10_000, seed=2)).argmax(axis=1), minlength=10)
fair = np.random.default_rng(0).multinomial(10_000, np.full(10, 0.1))
results.table(
    ("commonest digit to rarest, GAN", many.max() / many.min(), (1.2, 3.4)),
    ("commonest digit to rarest, fair throws", fair.max() / fair.min(), (1.0, 1.22)),
)

# %% [markdown]
# It does not, and neither loss asks for it: what is harder to draw, or easier to find out, may well be drawn less. With
# digits that is a blemish. Where the images are faces, and are meant to train or test another model, it can be a group of
# people that becomes rarer than it was, and no loss says so.
#
# Third, the same few lines learn faces as readily as digits. Whoever trains such a model answers for whose pictures it has
# been fed, and for what it shows to people who take it for a photograph.

# %% [markdown]
# ## At full size: faces
#
# Your training step learns faces, too, from `celeb_a`: 202,599 photographs of well-known people, 1.4 GB to download. They
# were collected without asking those people, so read the terms first. What changes is the networks. They become
# convolutional, after Radford, Metz and Chintala (2016). The discriminator halves height and width with strided `Conv2D`
# layers. The generator doubles them with the **transposed convolution**, `Conv2DTranspose`. A convolution adds up a window
# of its input, pixel times weight, into one pixel of its output. The transposed one goes the other way: it spreads each
# pixel of its input, times weights, over a window of its output. With stride 2 the window moves on by two pixels for each
# pixel of the input, and where windows overlap their values add up.
#
# On a GPU `course.setup` chooses float16 for the layers that do not say `dtype="float32"`; weights stay float32. `compile`
# then gives each network an optimizer with loss scaling, which your step already calls. As 64 × 64 pixels of bytes the
# photographs of the training split take 2 GB of memory.
#
# These cells have not been run to their end. Expect recognisable faces after a few epochs, and odd ones among them after
# thirty; set `EPOCHS = 1` to see it run.

# %% tags=["full-size"]
course.setup(seed=0, precision="auto")
NOISE, FILTERS, BATCH, EPOCHS, SHOWN = 128, 64, 128, 30, 2000
try:
    faces = datasets.load("celeb_a", split="train")
    more_faces = datasets.load("celeb_a", split="validation")
except datasets.DatasetNotDownloadedError as error:
    faces = None
    print(error)


def small_faces(rows):
    """The middle of each photograph as 64 × 64 bytes."""

    def middle(row):
        picture = tf.image.resize(tf.image.central_crop(row["image"], 0.75), (64, 64))
        return tf.cast(picture, tf.uint8)

    return rows.map(middle, num_parallel_calls=tf.data.AUTOTUNE)


# %% tags=["full-size"]
def face_generator():
    """From noise (batch, NOISE) to pictures (batch, 64, 64, 3) from -1 to 1, in float32."""
    noise = keras.Input((NOISE,))
    x = layers.Reshape((4, 4, 8 * FILTERS))(layers.Dense(4 * 4 * 8 * FILTERS)(noise))
    for maps in (4 * FILTERS, 2 * FILTERS, FILTERS):
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2DTranspose(maps, 4, strides=2, padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    options = {"strides": 2, "padding": "same", "activation": "tanh", "dtype": "float32"}
    return keras.Model(noise, layers.Conv2DTranspose(3, 4, **options)(x))


def face_discriminator():
    """From pictures (batch, 64, 64, 3) to float32 logits (batch, 1)."""
    x = picture = keras.Input((64, 64, 3))
    for maps in (FILTERS, 2 * FILTERS, 4 * FILTERS, 8 * FILTERS):
        x = layers.Conv2D(maps, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    return keras.Model(picture, layers.Dense(1, dtype="float32")(x))


# %% [markdown]
# No judge here reads faces. Instead `Watch` shrinks pictures to 8 × 8 pixels and compares these with photographs that
# nothing is trained on. That is a coarse measure: it sees light, colours and where a face is, and cannot see whether
# hair is sharp. It notices a collapse, and `ModelCheckpoint` keeps the weights of the epoch at which it was smallest. A
# finer measure is the FID, with a classifier that was trained on a million photographs.


# %% tags=["full-size"]
def shrunk(pictures):
    """Pictures as rows of 8 × 8 × 3 numbers."""
    return np.asarray(tf.image.resize(pictures, (8, 8), antialias=True)).reshape(len(pictures), -1)


if faces is not None:
    known, unseen = (
        np.stack(list(small_faces(rows.take(SHOWN)).as_numpy_iterator())) / 127.5 - 1
        for rows in (faces, more_faces)
    )
    photographs = small_faces(faces).cache().shuffle(10_000).batch(BATCH, drop_remainder=True)
    photographs = photographs.map(lambda batch: tf.cast(batch, tf.float32) / 127.5 - 1).prefetch(2)
    checkpoint = datasets.data_dir().parent / "checkpoints" / "faces.weights.h5"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)


# %% tags=["full-size"]
if faces is not None:
    painter = face_generator()
    painter.summary()
    rates = [adam(2e-4) for _ in range(2)]
    face_gan = make_gan(painter, face_discriminator(), *rates, train_step)
    far = Watch(lambda made: frechet(shrunk(made), shrunk(unseen)), count=SHOWN, every=1)
    keep = keras.callbacks.ModelCheckpoint(
        checkpoint, "distance", mode="min", save_best_only=True, save_weights_only=True
    )
    face_history = face_gan.fit(
        photographs, epochs=EPOCHS, shuffle=False, callbacks=[far, keep], verbose=2
    )
    face_gan.load_weights(checkpoint)

# %% [markdown]
# Two of the measures from above need no judge either: variety, the variance of the pixels, and the distance of each
# picture to the closest of some photographs. Both are shown beside those of photographs that were not trained on, so
# that copies would show.

# %% tags=["full-size"]
if faces is not None:
    made = generate(painter, SHOWN, seed=2)
    for name, pictures in [("generated", made), ("photographs, unseen", unseen)]:
        rows, others = shrunk(pictures), shrunk(known)
        squared = (rows**2).sum(1)[:, None] + (others**2).sum(1) - 2 * rows @ others.T
        closest = np.sqrt(squared.clip(0).min(axis=1)).mean()
        print(f"{name}: variety {pictures.var(axis=0).mean():.3f}, to the closest {closest:.2f}")
    fig = plots.image_grid((made[:16] + 1) / 2)
    fig.suptitle("Faces of nobody, if the training went well", x=0.01, ha="left", fontsize=12)
    plots.show(fig, alt="Sixteen faces of 64 by 64 pixels that the generator made from noise.")

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Give the generator 2 numbers of noise instead of 16. How many classes are left, and can you draw the whole map of its
#    noise as one picture?
# 2. Take the dropout out of the discriminator and compare its mean logits of training and of test images as it trains. From
#    which epoch on does it know the training images by heart?
# 3. Let the generator's rate grow from 1e-3 to 2e-3, and the discriminator's fall to 5e-4, in small steps. Is there a sharp
#    edge at which variety is lost?
#
# To read: Goodfellow and others (2014), *Generative Adversarial Nets*, which is short and has both losses; Radford,
# Metz and Chintala (2016), *Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
# Networks*, for networks that work on pictures; Heusel and others (2017), *GANs Trained by a Two Time-Scale Update
# Rule*, on rates and on the Fréchet distance.
