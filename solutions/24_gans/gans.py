# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Generative adversarial networks
#     summary: You train two networks against each other until one of them writes digits, then make it fail in the two ways for which such training is known, and measure both.
#     part: VI Generative adversarial networks
#     minutes: 65
#     minutes_reading: 12
#     objectives:
#     - say what a generator and a discriminator are for, and write their losses so that they stay finite
#     - carry out one round of adversarial training by hand, and say which weights each step may move
#     - measure how many kinds of things a generator makes, instead of looking at twenty nice ones
#     - explain with a derivative why a discriminator that is too good teaches nothing, and what helps
#     - bring about mode collapse, recognise it, and say why the losses do not show it
#     datasets: [digits]
#     full_size: [mnist]
#     needs: [01_neurons_and_layers, 07_chest_xrays]
#     mirrors:
#       "1 GANs": "A critic instead of a teacher"
#       "1 GANs: Generator and discriminator": "A generator and a discriminator"
#       "1 GANs: Four steps of training": "Four steps, by hand"
#       "1 GANs: Mode collapse": "One digit is enough to fool it"
#       "3 Common Deep Learning Architectures: Generative Adversarial Networks (GANs)": "A generator and a discriminator"
#       "4 What is Deep Learning Used For and Who Uses It?: Generative modeling": "What generative models are for"
#       "4 What Are Some Deep Learning Methods: Generative adversarial networks (GANs)": "A generator and a discriminator"
#     built: a generator and a discriminator with their losses and their four steps of training, the number of kinds that a generator makes, and two ways in which such training fails
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
#       "saturating loss, saturating": A loss of the generator that is flat where the discriminator is sure, so that it teaches nothing there.
#       "non-saturating loss, non-saturating": The usual loss of the generator, which is steep where the discriminator is sure.
#       "mode collapse": A generator that turns all noise into a few kinds of examples.
#     explains: [PCA, dtype policy, float16, loss scaling, transposed convolution]
# ---

# %% [markdown]
# # Generative adversarial networks
#
# Nobody can write down what makes a picture look like a handwritten digit. Yet a network can learn to draw
# digits that nobody wrote, from a second network whose only task is to tell them from real ones.
#
# You will train such a pair, carry out its steps by hand, measure what it makes with something better than a
# glance, and then break it in the two ways for which this kind of training is known. About 12 minutes to read and
# run, of which half a minute is waiting; 65 with the four exercises.

# %%
import course

course.setup(seed=0)

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

from course import datasets, plots
from course.gan import GAN, discriminator_loss, generator_loss
from course.training import Progress

LN2 = float(np.log(2))


# %% [markdown]
# First the finished thing. Pixels lie between −1 (paper) and 1 (ink). There are two small networks of dense layers;
# what each is for follows below. `LeakyReLU` is a ReLU that lets a fifth of each negative value through, so that no
# unit stops passing gradients on.


# %%
def load_digits(split):
    """Images (n, 8, 8, 1) as float32 from -1 to 1, and their labels."""
    images, labels = datasets.arrays("digits", split, as_supervised=True, scaled=True)
    return 2 * images - 1, labels


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
# `GAN`, the course's class for such pairs, trains them. (Twenty steps at a time spare Keras work between the steps.)

# %% tags=["demo"]
train_images, train_labels = load_digits("train")
test_images, test_labels = load_digits("test")
batches = tf.data.Dataset.from_tensor_slices(train_images).shuffle(len(train_images))
batches = batches.batch(64, drop_remainder=True)


def adam(rate):
    """Adam with less momentum than usual: the other player moves the goal at every step."""
    return keras.optimizers.Adam(rate, beta_1=0.5)


gan = GAN(build_generator(), build_discriminator())
gan.compile(adam(1e-3), adam(1e-3), steps_per_execution=20)
snapshots = {0: gan.generate(1000, seed=1)}


class Snapshots(keras.callbacks.Callback):
    """Images from the same noise after some epochs."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 in (5, 20, 50, 150):
            snapshots[epoch + 1] = gan.generate(1000, seed=1)


# %% tags=["demo"]
bar = Progress("Two networks, one game")
history = gan.fit(
    batches, epochs=150, verbose=0, shuffle=False, callbacks=[Snapshots(), bar]
).history
generated = snapshots[150]

# %% [markdown]
# Three of these six rows were written by people, and three by the network. *Which?*

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
# ## What generative models are for
#
# Most lessons so far ask for a label, given the data. A **generative model** makes new data that could have
# come from the same source. Assistants that answer in sentences generate text; programs that draw from a description
# join a model of language with one of images. Less visible uses are samples for rare cases, sharper versions of coarse
# pictures, the style of one picture on the content of another, and simulations where the real experiment is dear.
#
# It is harder than naming. A classifier has one right answer to hit; here infinitely many outputs are right, and to compare
# pixel by pixel with any one of them would punish all the others.

# %% [markdown]
# ## Real digits, and a judge that counts
#
# The data are the 1,297 training images of `digits`: real, 8 × 8 pixels. To speak about thousands of pictures without
# looking at each, we need a measure. A small classifier, the **judge**, learns the ten labels from real images. It never
# takes part in the game, and says two things about a generated image: which digit it is, and how sure it is of that.

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
bar = Progress("The judge learns to read")
judge.fit(train_images, train_labels, epochs=12, verbose=0, callbacks=[bar])


def ask_judge(images):
    """Probabilities of the ten digits, shape (n, 10)."""
    return np.asarray(keras.ops.softmax(judge(images, training=False)))


def sureness(images):
    """Mean probability of the judge's first choice."""
    return float(ask_judge(images).max(axis=1).mean())


# %% [markdown]
# Before any adversary, a model without depth: a **Gaussian mixture**, thirty bell-shaped clouds in the twenty directions in which
# digits vary most. It is fitted in a fraction of a second, and sampled by drawing a cloud and then a point of it.
# *Will its digits convince the judge? And will plain noise?*

# %% tags=["demo", "nbval-check-output"]
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

flat = train_images.reshape(-1, 64).astype("float64")
directions = PCA(20, random_state=0).fit(flat)
clouds = GaussianMixture(30, reg_covar=1e-3, random_state=0).fit(directions.transform(flat))
sampled = directions.inverse_transform(clouds.sample(1000)[0]).clip(-1, 1)
sampled = sampled.reshape(-1, 8, 8, 1).astype("float32")
static = np.random.default_rng(0).uniform(-1, 1, (1000, 8, 8, 1)).astype("float32")
right = np.mean(ask_judge(test_images).argmax(axis=1) == test_labels)
print("judge reads unseen real digits, more than 97 of 100:", right > 0.97)
print("sureness on real digits above .97:", sureness(test_images) > 0.97)
print("sureness on the mixture's digits above .94:", sureness(sampled) > 0.94)
print("sureness on static, which shows nothing, above .5:", sureness(static) > 0.5)

# %% [markdown]
# Two things to keep in mind. On images this small a mixture, much older than deep learning, is a serious opponent. And
# the judge has ten words and no word for "none of these", so it is rather sure about static too: high sureness is
# necessary for good digits, and proves nothing on its own.

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
#
# Variety comes from the noise: other numbers, another digit. The logit $\ell$ becomes the probability that an image is real through
# $\sigma(\ell) = 1/(1 + e^{-\ell})$. Each network has a loss of its own, and they pull in opposite directions. For a batch of $n$
# real images with logits $r_i$ and $n$ generated ones with logits $f_i$:
#
# $$L_D = \frac{1}{2}\left(-\frac{1}{n}\sum_{i} \ln \sigma(r_i) - \frac{1}{n}\sum_{i} \ln\bigl(1 - \sigma(f_i)\bigr)\right), \qquad
# L_G = -\frac{1}{n} \sum_{i} \ln \sigma(f_i)$$
#
# $L_D$ is the cross-entropy of a classifier with two classes, real and generated, each counting one half. $L_G$ is small when $D$
# takes generated images for real. A discriminator that cannot tell says $\ell = 0$, probability one half, to everything. *What are both
# losses then?*

# %% tags=["nbval-check-output"]
cannot_tell = tf.zeros((8, 1))
print(f"discriminator: {float(discriminator_loss(cannot_tell, cannot_tell)):.3f}")
print(f"generator:     {float(generator_loss(cannot_tell)):.3f}")
print(f"ln 2:          {LN2:.3f}")

# %% [markdown]
# ### Exercise 1: two losses
#
# Complete `gan_losses(real_logits, fake_logits)`. Both arguments are arrays of logits; the two may hold different numbers of
# images, so take each mean over its own. Return two numbers, $L_D$ and $L_G$, in this order.
#
# Logits far from zero are common here: a discriminator can be *very* sure. In float32 $e^{100}$ is infinite, and $\ln 0$ too. The losses must be
# right at logits of ±1000. It helps to write each logarithm without $\sigma$:
#
# $$-\ln \sigma(\ell) = \ln(1 + e^{-\ell}), \qquad -\ln\bigl(1 - \sigma(\ell)\bigr) = \ln(1 + e^{\ell})$$
#
# and $\ln(1 + e^x)$, called **softplus**, is `np.logaddexp(0, x)` in NumPy and `keras.ops.softplus(x)` in Keras, both finite for any $x$.


# %% grade_id="gan_losses" solution=true
def gan_losses(real_logits, fake_logits):
    """(loss of the discriminator, loss of the generator) from logits, positive for "real"."""
    ### BEGIN SOLUTION
    on_real = np.mean(np.logaddexp(0, -real_logits))
    on_fake = np.mean(np.logaddexp(0, fake_logits))
    return (on_real + on_fake) / 2, np.mean(np.logaddexp(0, -fake_logits))
    ### END SOLUTION


# %% grade_id="gan_losses_by_hand" points=1
result = gan_losses(np.zeros((4, 1), "float32"), np.zeros((4, 1), "float32"))
assert len(result) == 2, f"Return two numbers; you returned {len(result)} values."
result = [float(value) for value in result]
assert np.allclose(result, LN2), (
    f"At logits of zero both losses are ln 2 = {LN2:.3f}; yours are {result[0]:.3f} and {result[1]:.3f}. "
    "The discriminator's loss is the mean of its two parts."
)

# %% grade_id="gan_losses_values" points=2
# Hidden tests: random logits against the formula, batches of different sizes, who wants which sign.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(1)
for real_count, fake_count, shift in [(6, 6, 0.0), (3, 9, 2.0), (8, 2, -1.5)]:
    real = rng.normal(shift, 1, (real_count, 1)).astype("float32")
    fake = rng.normal(-shift / 2, 1, (fake_count, 1)).astype("float32")
    got = [float(value) for value in gan_losses(real, fake)]
    on_real, on_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    want_d = -(np.log(on_real).mean() + np.log(1 - on_fake).mean()) / 2
    want_g = -np.log(on_fake).mean()
    case = f"{real_count} real and {fake_count} generated images"
    assert np.isclose(got[0], want_d, atol=1e-4), (
        f"{case}: the discriminator's loss, the first number, should be {want_d:.3f}, got {got[0]:.3f}. It is small where "
        "real images have large logits and generated ones small; each kind counts one half, however many there are."
    )
    assert np.isclose(got[1], want_g, atol=1e-4), (
        f"{case}: the generator's loss should be {want_g:.3f}, got {got[1]:.3f}. It is small where generated "
        "images are taken for real, and never negative."
    )
### END HIDDEN TESTS

# %% grade_id="gan_losses_far" points=1
# Hidden tests: logits of plus and minus 1000.
### BEGIN HIDDEN TESTS
for real, fake, want in [
    (-1000, 1000, (1000, 0)),
    (1000, -1000, (0, 1000)),
    (1000, 1000, (500, 0)),
]:
    pair = (np.full((2, 1), value, "float32") for value in (real, fake))
    got = np.array([float(value) for value in gan_losses(*pair)])
    assert np.all(np.isfinite(got)), (
        f"Real logits of {real}, generated ones of {fake}: your losses are {got.tolist()}. Somewhere an exponential "
        "overflows, or a logarithm is taken of zero."
    )
    assert np.allclose(got, want, atol=1e-3), (
        f"Real logits of {real}, generated ones of {fake}: expected about {want}, got {np.round(got, 3).tolist()}. "
        "If only this test fails: a loss that is cut off at some value has no slope there any more."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The generator minimises the discriminator's own term with its sign turned, which is the saturating loss.
def gan_losses(real_logits, fake_logits):
    on_real = np.mean(np.logaddexp(0, -real_logits))
    on_fake = np.mean(np.logaddexp(0, fake_logits))
    return (on_real + on_fake) / 2, -on_fake


# %% tags=["misconception"]
# The sigmoid is computed first and its logarithm taken afterwards, which breaks down far from zero.
def gan_losses(real_logits, fake_logits):
    with np.errstate(all="ignore"):
        real, fake = 1 / (1 + np.exp(-real_logits)), 1 / (1 + np.exp(-fake_logits))
        d_loss = -(np.log(real).mean() + np.log(1 - fake).mean()) / 2
        return d_loss, -np.log(fake).mean()


# %% tags=["misconception"]
# Probabilities are clipped away from 0 and 1, so that a confident mistake costs a constant and has no slope.
def gan_losses(real_logits, fake_logits):
    real, fake = (1 / (1 + np.exp(-np.clip(x, -15, 15))) for x in (real_logits, fake_logits))
    return -(np.log(real).mean() + np.log(1 - fake).mean()) / 2, -np.log(fake).mean()


# %% tags=["misconception"]
# All logits are put into one mean, so that the kind with more images counts for more.
def gan_losses(real_logits, fake_logits):
    signed = np.concatenate([-np.ravel(real_logits), np.ravel(fake_logits)])
    return np.mean(np.logaddexp(0, signed)), np.mean(np.logaddexp(0, -fake_logits))


# %% tags=["misconception"]
# The two numbers come back in the wrong order: the generator's loss first.
def gan_losses(real_logits, fake_logits):
    on_real, on_fake = np.logaddexp(0, -real_logits), np.logaddexp(0, fake_logits)
    return np.mean(np.logaddexp(0, -fake_logits)), (np.mean(on_real) + np.mean(on_fake)) / 2


# %% tags=["misconception"]
# Real and generated are swapped in the discriminator's loss.
def gan_losses(real_logits, fake_logits):
    on_real, on_fake = np.logaddexp(0, real_logits), np.logaddexp(0, -fake_logits)
    return (np.mean(on_real) + np.mean(on_fake)) / 2, np.mean(on_fake)


# %% tags=["alternative"]
# Keras's own cross-entropy, told that it gets logits.
def gan_losses(real_logits, fake_logits):
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    on_real = loss(np.ones_like(real_logits), real_logits)
    on_fake = loss(np.zeros_like(fake_logits), fake_logits)
    return (on_real + on_fake) / 2, loss(np.ones_like(fake_logits), fake_logits)


# %% tags=["alternative"]
# The softplus written out by hand, around its larger exponent.
def gan_losses(real_logits, fake_logits):
    softplus = lambda x: np.mean(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))
    return (softplus(-real_logits) + softplus(fake_logits)) / 2, softplus(-fake_logits)


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
# Here they are in TensorFlow. A `GradientTape` records what is computed inside its block, and afterwards gives the
# derivative of a result by any weights. Note step 4: the gradient flows *through* the discriminator *to* the generator,
# and changes the generator alone.

# %% tags=["demo"]
by_hand = build_generator(), build_discriminator()
optimizers = adam(1e-3), adam(1e-3)


@tf.function
def play(real):
    """One round; returns both losses."""
    generator, discriminator = by_hand
    noise = tf.random.normal((real.shape[0], 16))
    fake = generator(noise, training=True)  # 1
    with tf.GradientTape() as tape:
        on_real, on_fake = (discriminator(images, training=True) for images in (real, fake))  # 2
        d_loss = discriminator_loss(on_real, on_fake)
    weights = discriminator.trainable_variables
    optimizers[1].apply_gradients(zip(tape.gradient(d_loss, weights), weights))  # 3
    with tf.GradientTape() as tape:
        g_loss = generator_loss(discriminator(generator(noise, training=True), training=True))
    weights = generator.trainable_variables
    optimizers[0].apply_gradients(zip(tape.gradient(g_loss, weights), weights))  # 4
    return d_loss, g_loss


# %% [markdown]
# *Both networks are untrained. Near which value will the two losses begin? Who
# will be in front after 40 rounds, and who after 200?*

# %% tags=["demo", "nbval-check-output"]
rounds = np.array([play(real) for _ in range(10) for real in batches])
print("rounds:", len(rounds))
print("both losses begin within .5 of ln 2:", np.all(np.abs(rounds[0] - LN2) < 0.5))
print("generator's loss below ln 2 in the first 40 rounds:", rounds[:40, 1].mean() < LN2)
print("and above it in the last 40:", rounds[-40:, 1].mean() > LN2)

# %% [markdown]
# The generator is in front at first: a discriminator that knows nothing is easily fooled, even by blots. Then the discriminator
# catches up.
#
# ### Exercise 2: one round, and nothing else moves
#
# Complete `play_round(generator, discriminator, real, noise, rate)` with plain gradient descent, $w \leftarrow w - \text{rate} \cdot \partial L / \partial w$,
# for both networks. In this order:
#
# - the discriminator takes one step down `discriminator_loss`, on `real` and on what the generator makes of `noise`;
# - the generator takes one step down `generator_loss`, with the same `noise`, as judged by the discriminator *after* its step.
#
# Return both models, `(generator, discriminator)`, as trainable as they came. They have no dropout, so `training` does not
# matter here. `w.assign_sub(step)` changes a weight `w`; `keras.optimizers.SGD(rate)` does so with `apply_gradients`.


# %%
def tiny_pair(seed):
    """A generator (3 numbers to 4) and a discriminator (4 numbers to a logit) without dropout."""
    keras.utils.set_random_seed(seed)
    pair = []
    for inputs, outputs in [(3, 4), (4, 1)]:
        x = keras.Input((inputs,), dtype="float32")
        hidden = layers.Dense(5, activation="tanh", dtype="float32")(x)
        pair.append(keras.Model(x, layers.Dense(outputs, dtype="float32")(hidden)))
    return pair


def weights_of(model):
    """All weights of a model in one vector."""
    return np.concatenate([weight.numpy().ravel() for weight in model.weights])


# %% grade_id="play_round" solution=true
def play_round(generator, discriminator, real, noise, rate):
    """Both models after one step of each."""
    ### BEGIN SOLUTION
    with tf.GradientTape() as tape:
        loss = discriminator_loss(discriminator(real), discriminator(generator(noise)))
    weights = discriminator.trainable_variables
    for weight, slope in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * slope)
    with tf.GradientTape() as tape:
        loss = generator_loss(discriminator(generator(noise)))
    weights = generator.trainable_variables
    for weight, slope in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * slope)
    return generator, discriminator
    ### END SOLUTION


# %% grade_id="play_round_form" points=1
rng = np.random.default_rng(2)
real, noise = (rng.normal(size=(6, size)).astype("float32") for size in (4, 3))
before = [weights_of(model) for model in tiny_pair(2)]
result = play_round(*tiny_pair(2), real, noise, 0.5)
assert len(result) == 2, f"Return two models; you returned {len(result)} values."
for name, model, old in zip(["generator", "discriminator"], result, before, strict=True):
    assert isinstance(model, keras.Model), f"The {name} came back as {type(model).__name__}."
    new = weights_of(model)
    assert new.shape == old.shape, (
        f"The {name} has {new.size} weights, should be {old.size}: order?"
    )
    assert not np.allclose(new, old), f"The {name} has not moved."
    assert model.trainable_variables, (
        f"The {name} came back frozen, and would never learn again. Who moves is decided by whose "
        "gradients are taken: nothing needs to be frozen."
    )

# %% grade_id="play_round_discriminator" points=2
# Hidden tests: is the discriminator where one step of its own loss takes it?
### BEGIN HIDDEN TESTS
for seed, rate in [(3, 0.5), (4, 1.0), (5, 0.2)]:
    rng = np.random.default_rng(seed)
    real, noise = (rng.normal(size=(6, size)).astype("float32") for size in (4, 3))
    generator, discriminator = tiny_pair(seed)
    with tf.GradientTape() as tape:
        loss = discriminator_loss(discriminator(real), discriminator(generator(noise)))
    weights = discriminator.trainable_variables
    slopes = np.concatenate([np.ravel(slope) for slope in tape.gradient(loss, weights)])
    old = weights_of(discriminator)
    got = weights_of(play_round(*tiny_pair(seed), real, noise, rate)[1])
    off = np.abs(got - (old - rate * slopes)).max() / np.abs(rate * slopes).max()
    assert off < 0.01, (
        f"rate {rate}: the discriminator is off by {off:.0%} of a step. It moves once, down its own loss, on real and "
        "generated images together; the generator's step must leave it alone."
    )
### END HIDDEN TESTS

# %% grade_id="play_round_generator" points=2
# Hidden tests: is the generator where one step takes it, judged by the discriminator that has moved?
### BEGIN HIDDEN TESTS
for seed, rate in [(3, 0.5), (4, 1.0), (5, 0.2)]:
    rng = np.random.default_rng(seed)
    real, noise = (rng.normal(size=(6, size)).astype("float32") for size in (4, 3))
    generator, discriminator = tiny_pair(seed)
    with tf.GradientTape() as tape:
        loss = discriminator_loss(discriminator(real), discriminator(generator(noise)))
    weights = discriminator.trainable_variables
    for weight, slope in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * slope)
    with tf.GradientTape() as tape:
        loss = generator_loss(discriminator(generator(noise)))
    slopes = tape.gradient(loss, generator.trainable_variables)
    step = rate * np.concatenate([np.ravel(slope) for slope in slopes])
    got = weights_of(play_round(*tiny_pair(seed), real, noise, rate)[0])
    off = np.abs(got - (weights_of(generator) - step)).max() / np.abs(step).max()
    assert off < 0.01, (
        f"rate {rate}: the generator is off by {off:.0%} of a step. It moves once, down `generator_loss`, with "
        "the same noise, judged by the discriminator as it is after its step; the discriminator's step must leave it alone."
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The generator's step moves the weights of both networks, so the discriminator helps to be fooled.
def play_round(generator, discriminator, real, noise, rate):
    with tf.GradientTape() as tape:
        loss = discriminator_loss(discriminator(real), discriminator(generator(noise)))
    weights = discriminator.trainable_variables
    for weight, slope in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * slope)
    with tf.GradientTape() as tape:
        loss = generator_loss(discriminator(generator(noise)))
    weights = generator.trainable_variables + discriminator.trainable_variables
    for weight, slope in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * slope)
    return generator, discriminator


# %% tags=["misconception"]
# The discriminator's step moves the generator too, down a loss that is small when it is found out.
def play_round(generator, discriminator, real, noise, rate):
    with tf.GradientTape() as tape:
        loss = discriminator_loss(discriminator(real), discriminator(generator(noise)))
    weights = generator.trainable_variables + discriminator.trainable_variables
    for weight, slope in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * slope)
    with tf.GradientTape() as tape:
        loss = generator_loss(discriminator(generator(noise)))
    weights = generator.trainable_variables
    for weight, slope in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * slope)
    return generator, discriminator


# %% tags=["misconception"]
# Both gradients are taken before anything moves, so the generator answers a discriminator of the past.
def play_round(generator, discriminator, real, noise, rate):
    with tf.GradientTape(persistent=True) as tape:
        on_real, on_fake = discriminator(real), discriminator(generator(noise))
        losses = generator_loss(on_fake), discriminator_loss(on_real, on_fake)
    models = generator, discriminator
    slopes = [tape.gradient(loss, m.trainable_variables) for loss, m in zip(losses, models)]
    for model, gradients in zip(models, slopes):
        for weight, slope in zip(model.trainable_variables, gradients):
            weight.assign_sub(rate * slope)
    return models


# %% tags=["misconception"]
# The generator goes down the discriminator's loss, so that both work together and nobody is fooled.
def play_round(generator, discriminator, real, noise, rate):
    for model in (discriminator, generator):
        with tf.GradientTape() as tape:
            loss = discriminator_loss(discriminator(real), discriminator(generator(noise)))
        weights = model.trainable_variables
        for weight, slope in zip(weights, tape.gradient(loss, weights)):
            weight.assign_sub(rate * slope)
    return generator, discriminator


# %% tags=["misconception"]
# The discriminator is frozen for the generator's step, and comes back frozen.
def play_round(generator, discriminator, real, noise, rate):
    with tf.GradientTape() as tape:
        loss = discriminator_loss(discriminator(real), discriminator(generator(noise)))
    weights = discriminator.trainable_variables
    for weight, slope in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * slope)
    discriminator.trainable = False
    with tf.GradientTape() as tape:
        loss = generator_loss(discriminator(generator(noise)))
    weights = generator.trainable_variables
    for weight, slope in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * slope)
    return generator, discriminator


# %% tags=["misconception"]
# The generator's step takes noise of its own, not the noise that was given.
def play_round(generator, discriminator, real, noise, rate):
    with tf.GradientTape() as tape:
        loss = discriminator_loss(discriminator(real), discriminator(generator(noise)))
    weights = discriminator.trainable_variables
    for weight, slope in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * slope)
    with tf.GradientTape() as tape:
        loss = generator_loss(discriminator(generator(tf.random.normal(noise.shape))))
    weights = generator.trainable_variables
    for weight, slope in zip(weights, tape.gradient(loss, weights)):
        weight.assign_sub(rate * slope)
    return generator, discriminator


# %% tags=["alternative"]
# Two optimizers apply the steps, and generated images are made once, outside of the first tape.
def play_round(generator, discriminator, real, noise, rate):
    fake = generator(noise)
    with tf.GradientTape() as tape:
        loss = discriminator_loss(discriminator(real), discriminator(fake))
    weights = discriminator.trainable_variables
    keras.optimizers.SGD(rate).apply_gradients(zip(tape.gradient(loss, weights), weights))
    with tf.GradientTape() as tape:
        loss = generator_loss(discriminator(generator(noise)))
    weights = generator.trainable_variables
    keras.optimizers.SGD(rate).apply_gradients(zip(tape.gradient(loss, weights), weights))
    return generator, discriminator


# %% tags=["alternative"]
# One function does a step for any loss and any model.
def play_round(generator, discriminator, real, noise, rate):
    def step(model, loss):
        with tf.GradientTape() as tape:
            value = loss()
        for weight, slope in zip(model.weights, tape.gradient(value, model.weights)):
            weight.assign(weight - rate * slope)

    step(
        discriminator,
        lambda: discriminator_loss(discriminator(real), discriminator(generator(noise))),
    )
    step(generator, lambda: generator_loss(discriminator(generator(noise))))
    return generator, discriminator


# %% [markdown]
# ### The same as a class
#
# `GAN` in `course/gan.py`, which the first cells used, puts these steps into the `train_step` of a Keras model, so that `fit`,
# callbacks, `evaluate` and saving work as everywhere else. It adds what is easily forgotten: an optimizer for each network,
# losses in float32, and, under `mixed_float16`, the arithmetic of fast GPUs, a scale on *both* losses, so that small gradients
# do not vanish. Each step draws fresh noise. Here is what became of ten noise vectors on the way.

# %% tags=["demo"]
fig, axes = plt.subplots(5, 10, figsize=(6.4, 3.6))
for (epoch, images), row in zip(snapshots.items(), axes, strict=True):
    for axis, image in zip(row, images[12:22], strict=True):
        axis.imshow(image[..., 0], cmap="gray_r", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    label = f"epoch {epoch}" if epoch else "untrained"
    row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=11)
fig.suptitle(
    "The same ten noise vectors: one blot, then strokes, then digits",
    x=0.01,
    ha="left",
    fontsize=12,
)
plots.show(
    fig,
    alt="""A grid of images: ten noise vectors in columns, rows for the untrained generator and for 5, 20, 50 and 150
    epochs. Grey speckle turns into one dark blot for all ten, then into strokes, and into readable digits in the last row.""",
)

# %% [markdown]
# A vector does not keep its digit; the generator rearranges its map of noise as it goes. And the losses? Elsewhere a falling loss
# means progress. *Draw in your mind the two curves that belong to the grid above.*

# %% tags=["demo"]
fig, axis = plt.subplots()
axis.plot(history["d_loss"], color=plots.BLUE, label="discriminator")
axis.plot(history["g_loss"], color=plots.ORANGE, label="generator")
axis.axhline(LN2, color=plots.BLACK, lw=1, ls="--", label="ln 2: cannot tell")
axis.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
axis.legend()
axis.set_title("After the first epochs the losses say nothing")
plots.show(
    fig,
    alt="""Two loss curves over 150 epochs. After a short start, both run level near 0.69, the logarithm of 2, with
    small wiggles, and show no sign that the images keep improving.""",
)

# %% [markdown]
# Both stay near ln 2, while the grid gets better and better. Each loss is measured against an opponent who improves as well,
# like a tennis player's share of won points: level between two beginners and between two champions. Progress has to be
# measured from outside.

# %% [markdown]
# ## How many kinds does it make?
#
# Here the judge comes in. Let $p_i(c)$ be its probability that image $i$ shows digit $c$. Averaged over all $n$ images this gives the **share** $s_c$ of each
# digit in what the generator makes:
#
# $$s_c = \frac{1}{n}\sum_{i=1}^{n} p_i(c), \qquad H = -\sum_{c} s_c \ln s_c, \qquad N_{\text{eff}} = e^{H}$$
#
# $H$ is the **entropy** of the shares. $N_{\text{eff}}$ is the **effective number of classes**: if $k$ classes share the images
# equally, it is exactly $k$. If one class has nearly everything, it is little more than 1, even if all others occur now and then.
#
# ### Exercise 3: the effective number of classes
#
# Complete `coverage(probabilities)`. The argument has shape (images, classes), each row adds up to 1. Return the shares, an array of shape (classes,), and the
# effective number, one number. A class with share 0 adds nothing to $H$: there, $0 \ln 0$ counts as 0.


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


# %% tags=["alternative"]
# Takes the entropy in bits, and two to its power.
def coverage(probabilities):
    shares = probabilities.sum(axis=0) / probabilities.shape[0]
    bits = -sum(share * np.log2(share) for share in shares if share > 0)
    return shares, 2**bits


# %% tags=["alternative"]
# Adds a number too small to matter before the logarithm.
def coverage(probabilities):
    shares = probabilities.mean(axis=0)
    return shares, np.exp(np.sum(shares * -np.log(shares + 1e-12)))


# %% [markdown]
# Now the generator of the first page. Does it make all ten digits, as convincingly and as variedly as the mixture does, or does it
# only repeat what it has seen? For the last question we measure how far each generated image lies from the closest training
# image, and compare with *unseen real* digits: a copier would be much closer. *What do you expect?*

# %% tags=["demo"]
from sklearn.neighbors import NearestNeighbors

nearest = NearestNeighbors(n_neighbors=1).fit(flat)


def distance(images):
    """Mean distance of images to the closest training image."""
    return nearest.kneighbors(images.reshape(len(images), -1))[0].mean()


def effective_classes(images):
    """What exercise 3 computes, for images."""
    shares = ask_judge(images).mean(axis=0)  # entropy: the cross-entropy of shares with themselves
    return float(np.exp(keras.ops.categorical_crossentropy(shares, shares)))


def variety(images):
    """Variance of the pixels within a digit, as the judge reads it; mean over digits."""
    names = ask_judge(images).argmax(axis=1)
    return np.mean([images[names == digit].var(axis=0).sum() for digit in np.unique(names)])


# %% tags=["demo", "nbval-check-output"]
names = ask_judge(generated).argmax(axis=1)
shares = np.bincount(names, minlength=10) / len(names)
# 20 seeds: effective classes 9.5 to 9.9, sureness .89 to .92, the mixture .96 to .97; variety
# .83 to 1.00 of real digits', the mixture .66 to .67.
print("digits that make up more than 1 %:", np.sum(shares > 0.01), "of 10")
print("effective classes above 8:", effective_classes(generated) > 8)
print("sureness above .86:", sureness(generated) > 0.86)
print("and below the mixture's:", sureness(generated) < sureness(sampled))
copies = distance(generated) / distance(test_images)
print("farther from the training images than unseen real digits are:", copies > 1)
varied = variety(generated) / variety(test_images)
print("variety within a digit, to that of real ones, between .75 and 1.1:", 0.75 < varied < 1.1)
print("and more than the mixture's:", variety(generated) > variety(sampled))

# %% [markdown]
# And the losses, meanwhile?

# %% tags=["demo", "nbval-check-output"]
late = np.abs(np.subtract(history["d_loss"][19::10], history["d_loss"][-1]))
print("from epoch 20 on, the discriminator's loss stays within .08:", late.max() < 0.08)
gain = effective_classes(snapshots[150]) - effective_classes(snapshots[20])
print("with more effective classes at the end than then:", gain > 0)

# %% [markdown]
# It makes all ten, and it does not copy: it strays farther from the training images than real digits do, and some of what it
# draws is no digit at all. The mixture, fitted in a blink, convinces the judge *more*, with less variety within a digit.
# On 64 pixels and 1,300 images one would begin with the mixture, and might end there. It does not carry over: in a photograph's
# million pixels neither clouds nor distances mean much, and there adversarial training made the first sharp faces.

# %% [markdown]
# ## A discriminator that gets too good
#
# The two must be about equally strong. What happens when the discriminator gets far ahead? We give it a start: it trains for twenty
# epochs against a generator that stands still (learning rate 0). It also has twice the units and no dropout.

# %% tags=["demo", "nbval-check-output"]
ahead = GAN(build_generator(), build_discriminator(256, dropout=0.0))
ahead.compile(keras.optimizers.SGD(0.0), adam(1e-3), steps_per_execution=20)
bar = Progress("The discriminator trains alone")
ahead.fit(batches, epochs=20, verbose=0, shuffle=False, callbacks=[bar])
found_out = ahead.discriminator(ahead.generate(1000, seed=1)).numpy()
print("generated images that it takes for real:", f"{np.mean(found_out > 0):.0%}")
print("its mean logit for them, below -4:", found_out.mean() < -4)

# %% [markdown]
# It catches every fake. What does the generator learn from it now? The first form of the game, in which one player wins what the
# other loses, lets it minimise $\ln(1 - \sigma(f))$: the term of $L_D$ that depends on it, with its sign turned. This is called the
# **saturating** loss. The one in exercise 1, $-\ln \sigma(f)$, is the **non-saturating** one. Both fall when $f$ rises. How steeply
# matters, since backpropagation multiplies everything that reaches the generator's weights by this slope.
#
# ### Exercise 4: what the generator hears
#
# Complete `logit_slopes(logits)` for an array of logits of generated images, of any shape. Return two arrays of the same shape: the derivatives, at each
# logit $\ell$, of
#
# - the saturating loss of this one image, $\ln\bigl(1 - \sigma(\ell)\bigr)$,
# - the non-saturating loss of this one image, $-\ln \sigma(\ell)$,
#
# with respect to $\ell$. Work them out with the chain rule; $\sigma'(\ell) = \sigma(\ell)\,(1 - \sigma(\ell))$ makes both short. Keras has
# `keras.ops.sigmoid`.


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


# %% tags=["alternative"]
# Lets TensorFlow differentiate both losses.
def logit_slopes(logits):
    logits = tf.convert_to_tensor(logits)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        losses = -tf.nn.softplus(logits), tf.nn.softplus(-logits)
    return tuple(tape.gradient(loss, logits).numpy() for loss in losses)


# %% tags=["alternative"]
# The sigmoid by way of the hyperbolic tangent.
def logit_slopes(logits):
    real = 0.5 + 0.5 * np.tanh(np.asarray(logits) / 2)
    return -real, -(1 - real)


# %% [markdown]
# The picture of both slopes, with the logits that our discriminator gave above. *Which loss still tells the generator anything?*


# %% tags=["demo"]
def saturating_loss(fake_logits):
    """The loss of the first form of the game: ln(1 - sigmoid(logit))."""
    return -tf.reduce_mean(tf.nn.softplus(fake_logits))


def steepness(loss, logits):
    """By how much a loss falls for each unit of each logit."""
    logits = tf.constant(logits, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(logits) * tf.size(logits, tf.float32)
    return -tape.gradient(value, logits).numpy()


# %% tags=["demo"]
line = np.linspace(-12, 10, 200).astype("float32")
fig, axis = plt.subplots()
axis.plot(line, steepness(generator_loss, line), color=plots.BLUE, label="non-saturating")
axis.plot(line, steepness(saturating_loss, line), color=plots.VERMILION, label="saturating")
spread = np.quantile(found_out, [0.05, 0.95])
axis.axvspan(*spread, color=plots.SKY, alpha=0.3, lw=0, label="9 of 10 of our fakes")
axis.set(
    xlabel="logit of a generated image (more real →)",
    ylabel="steepness of the loss",
    xlim=(-12, 10),
)
axis.legend(loc="center right")
axis.set_title("Found out, and told nothing: one loss goes flat")
plots.show(
    fig,
    alt="""Steepness of two losses against the logit of a generated image. The non-saturating loss is steep, near 1, for negative
    logits and flat for positive ones; the saturating loss the other way round. A band marks the logits of our generated
    images, near minus 8, where the saturating loss is flat.""",
)

# %% [markdown]
# Now both try. The discriminator waits as it is, and the generator takes 200 steps of plain gradient descent with each loss, from
# the same weights. Then once more with the saturating loss and Adam. *Who gets past?*


# %% tags=["demo", "nbval-check-output"]
first_weights = ahead.generator.get_weights()


def share_that_passes(loss, optimizer):
    """Share of generated images that pass for real, after 200 steps against a waiting opponent."""
    ahead.generator.set_weights(first_weights)
    waits = keras.optimizers.SGD(0.0)
    ahead.compile(optimizer, waits, generator_loss=loss, steps_per_execution=20)
    ahead.fit(batches, epochs=10, verbose=0, shuffle=False)
    return np.mean(ahead.discriminator(ahead.generate(1000, seed=2)).numpy() > 0)


plain = keras.optimizers.SGD
quiet = steepness(saturating_loss, found_out).mean() / steepness(generator_loss, found_out).mean()
print("steepness, saturating to non-saturating, below 1/100:", quiet < 0.01)
print(
    "non-saturating, plain descent, more than 90 % pass:",
    share_that_passes(generator_loss, plain(0.01)) > 0.9,
)
print(
    "saturating, plain descent, fewer than 10 %:",
    share_that_passes(saturating_loss, plain(0.01)) < 0.1,
)
print("saturating, Adam, more than 90 %:", share_that_passes(saturating_loss, adam(1e-3)) > 0.9)

# %% [markdown]
# With the saturating loss the generator is found out, is told nothing, and stays where it is. The other loss is steep just there.
# The last line is worth a thought: Adam divides each gradient by its own usual size, so it hardly notices that all of them became
# small. An optimizer can hide such a failure, until small gradients are lost on the way, as in float16 without loss scaling.
#
# To pass a discriminator that waits is no art, by the way: it takes images for which this one network has a weakness, not digits.

# %% [markdown]
# ## One digit is enough to fool it
#
# The opposite fault. The generator's loss asks that each image looks real. *Nothing in it asks that the images differ.* Suppose one 7
# happens to pass a little better than the rest. A fast generator may turn all its noise into that 7 before the discriminator has
# noticed. This is **mode collapse**; a mode is a peak of the data's distribution, such as one digit.
#
# We bring it about with the learning rates: the generator's is doubled, the discriminator's halved. *When the discriminator at
# last learns that this 7 is a fake, what will the generator do?*

# %% tags=["demo"]
collapsed = GAN(build_generator(), build_discriminator())
collapsed.compile(adam(2e-3), adam(5e-4), steps_per_execution=20)
moments, losses_then = {}, []
for epoch in (10, 20, 30, 40):
    log = collapsed.fit(batches, epochs=10, verbose=0, shuffle=False).history
    moments[f"epoch {epoch}"] = collapsed.generate(1000, seed=1)
    losses_then.append(log["g_loss"][-1])
collapsed.compile(adam(1e-3), adam(1e-3), steps_per_execution=20)
bar = Progress("With equal rates again")
collapsed.fit(batches, epochs=60, verbose=0, shuffle=False, callbacks=[bar])
after = collapsed.generate(1000, seed=1)

# %% tags=["demo", "thumbnail"]
rows = {"healthy": generated} | moments | {"mended": after}
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
fig.suptitle("Ten noise vectors, one digit, and then another", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Six rows of ten generated digits with the effective number of classes beside them. The healthy row holds many digits, over
    9 classes. In the four rows of the collapsed generator most of the ten images share one shape, which differs
    from row to row, and there are only a few classes. The last row, trained on with equal rates, holds different digits again.""",
)

# %% tags=["demo", "nbval-check-output"]
effective = [effective_classes(images) for images in moments.values()]
favourites = [int(ask_judge(images).sum(axis=0).argmax()) for images in moments.values()]
# 27 seeds: 1.2 to 3.5 on average, two to four favourites, loss .67 to .77 (healthy: .73 to .77),
# mended 8.1 to 9.8.
print("effective classes while collapsed, on average below 6:", np.mean(effective) < 6)
print("its favourite digit changed:", len(set(favourites)) > 1)
apart = abs(np.mean(losses_then) - history["g_loss"][-1])
print("its loss was like the healthy generator's, within .2:", apart < 0.2)
print("effective classes after 60 epochs with equal rates, above 7:", effective_classes(after) > 7)

# %% [markdown]
# One shape, more or less a digit, for most noise vectors; and ten epochs later another. No sooner has the discriminator learned that
# this one is a fake than the generator is elsewhere. (The healthy pair passed through the same at the start: look at its row for
# epoch 5.) Note the third line: by its own loss the collapsed generator does about as well as the healthy one. Nobody who watches the
# curves would stop it; a look at ten images, or a number as in exercise 3, shows it at once.
#
# Equal learning rates mended it here. In general there is a bag of remedies and no cure: let the discriminator see whole
# batches, so that sameness itself gives a fake away; more steps for it; penalties that keep its slopes moderate; other losses, such
# as the Wasserstein distance; averages of the generator's weights. Training such pairs remains touchy.

# %% [markdown]
# ## A walk through the noise
#
# What lies *between* two noise vectors? If the generator had memorised single images, we should see jumps. We go from one vector to
# another on a straight line, with six stops between.

# %% tags=["demo"]
rng = np.random.default_rng(4)
start, end = rng.normal(size=(2, 500, 16)).astype("float32")
ways = np.linspace(0, 1, 8, dtype="float32")
fig, axes = plt.subplots(4, 8, figsize=(6.4, 3.4))
for walk, row in enumerate(axes):
    stops = gan(np.stack([(1 - way) * start[walk] + way * end[walk] for way in ways])).numpy()
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
middle = sureness(gan((start + end) / 2).numpy())
print(
    "in the middle as sure as at the ends, within .06:",
    abs(middle - sureness(gan(start).numpy())) < 0.06,
)

# %% [markdown]
# Smooth, and about as readable halfway as at the ends. This is what editing of faces rests on: a direction in the noise for a smile, another for age.

# %% [markdown]
# ## What it cannot do, and whom it can hurt
#
# First, our own measure. Here is a "generator" that hands out ten real training images, one of each digit, a hundred times. *What will the
# judge say?*

# %% tags=["demo", "nbval-check-output"]
cheat = np.stack([train_images[train_labels == digit][0] for digit in range(10)]).repeat(
    100, axis=0
)
print(
    "effective classes above those of the GAN:",
    effective_classes(cheat) > effective_classes(generated),
)
print("sureness above the GAN's:", sureness(cheat) > sureness(generated))
print(f"variety within a digit: {variety(cheat):.3f}")
print(f"distance to the training images: {distance(cheat):.3f}")

# %% [markdown]
# Full marks for ten stolen pictures. A judge counts what it has names for: it knows ten digits, not the thousand ways to write a 4.
# Collapse *within* a class needs another number (variety), and theft yet another (distance). So do the scores that are
# published for generated photographs.
#
# Second, the shares. The data hold about a tenth of each digit. *Does the healthy generator keep to that?* Even a fair one would miss it
# a little, by chance, so we draw ten thousand images and compare with ten thousand fair throws.

# %% tags=["demo", "nbval-check-output"]
many = np.bincount(ask_judge(gan.generate(10_000, seed=2)).argmax(axis=1), minlength=10)
fair = np.random.default_rng(0).multinomial(10_000, np.full(10, 0.1))
# 20 seeds: 1.5 to 7.3; the rarest digit was the 1 in 12 of them and the 8 in 6.
print("its commonest digit to its rarest, more than 1.2 to 1:", many.max() / many.min() > 1.2)
print(f"fair throws, by chance: {fair.max() / fair.min():.1f} to 1")

# %% [markdown]
# It does not, and nobody asked for that. Whatever is harder to draw, or easier to find out, is drawn less. With digits that is a
# blemish. Where the images are faces, and are meant to train or test another model, it is a group of people that becomes rarer than
# it was, and no loss says so. Lesson 25 measures that with data that are skewed to begin with.
#
# Third, the same few lines learn faces as readily as digits. Who trains such a model answers for whose pictures it has been fed, and
# for what it shows to people who take it for a photograph. That, too, is lesson 25.

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Give the generator 2 numbers of noise instead of 16. How many classes are left, and can you draw the whole map of its noise as one picture?
# 2. Take the dropout out of the discriminator and pass `validation_data=(test_images,)` to `fit`. From which epoch on does it know the training images by heart?
# 3. Let the generator's rate grow from 1e-3 to 2e-3, and the discriminator's fall to 5e-4, in small steps. Is there a sharp edge at which variety is lost?
#
# To read: Goodfellow and others (2014), *Generative Adversarial Nets*, which is short and has both losses; Radford, Metz and Chintala
# (2016), *Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks*, for networks that work on
# pictures; Heusel and others (2017), *GANs Trained by a Two Time-Scale Update Rule*, on rates and on a better judge.
#
# ### At full size
#
# `mnist` holds 60,000 training digits of 28 × 28 pixels, 11 MB. The same call takes it once it has been downloaded.

# %% tags=["demo"]
try:
    big = datasets.load("mnist", split="train", as_supervised=True)
    big = big.map(lambda image, label: tf.cast(image, tf.float32) / 127.5 - 1)
    print(big.batch(128).element_spec)
except datasets.DatasetNotDownloadedError as error:
    print(error)

# %% [markdown]
# What changes: the networks become convolutional. The generator makes 7 × 7 × 128 numbers of the noise and doubles their size twice
# with `layers.Conv2DTranspose(..., strides=2)`, with batch normalisation between; the discriminator goes the other way with strided
# `layers.Conv2D` and ends in one logit. That needs a GPU and some minutes. There `course.setup(precision="auto")` computes in
# float16, and `GAN` scales both losses. Keep the last layers in float32, as here. The judge must be trained anew on `mnist`.
