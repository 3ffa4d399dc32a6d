# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Fakes and fairness
#     summary: You train a filter that lightens skin, find out when its data are to blame and when its training is, repair it by drawing and by its loss, train a detector of fakes that grows old, and see what becomes of a generator that lives on its own output.
#     part: VI Generative adversarial networks
#     minutes: 100
#     minutes_reading: 40
#     objectives:
#     - measure for each group what a filter does to it, and tell a training that ended early from a doubt that no training removes
#     - draw rare examples more often with tf.data, and write a training step whose loss counts every group alike
#     - train a detector of fakes in Keras with held-out pictures, weights and early stopping, and measure how it ages and whom it accuses
#     - say what a detector's answer means where fakes are rare, and build that into the model
#     - decide with numbers whether generated samples are worth adding to real ones
#     datasets: [digits, drawn_faces, photographs]
#     full_size: [celeb_a]
#     needs: [01_neurons_and_layers, 24_gans]
#     mirrors:
#       "1 GANs: Image editing, style transfer and augmentation": "What such networks are used for"
#       "1 GANs: Deep fakes": "A detector grows old"
#       "1 GANs: Reproduced bias": "What was rare becomes rarer"
#       "1 Conclusion": "Looking back"
#     built: a pipeline that draws the rare more often, a training step that counts groups alike, a detector of fakes with its training, and the same detector for a place where fakes are rare
#     terms:
#       "style transfer": Giving a picture the style of another.
#       "super-resolution": Making a fine picture of a coarse one, by what is likely.
#       "tone (of a skin)": How light it is, here one number from 0 to 100, which no real skin is.
#       "Gram matrix": For each two filters of a layer, the mean of the product of their answers over a picture, by which styles are compared.
#       "U-Net": A network that makes a picture smaller and larger again, with shortcuts between maps of one size.
#       "tf.data": TensorFlow's streams of batches, which can be drawn and changed on the way to training.
#       "resampling": Training on examples that are drawn by chances other than those of the collection.
#       "Mean": The metric of Keras that averages what it is given over an epoch.
#       "deep fake": A picture, film or voice of a person that a network has made.
#       "odds (of a probability)": A probability divided by that of the contrary.
#       "signature (of a picture)": A number computed from all its bytes and a secret key, by which a change is noticed.
#     explains: [AUROC, "Bayes' rule", Concatenate, mean squared error, PCA, ridge regression, sample_weight, Conv2DTranspose, support vector machine]
# ---

# %% [markdown]
# # Fakes and fairness
#
# Someone loads a coarse picture of a face into a program that promises to sharpen it, and gets a sharp face back, of a person
# with lighter skin. This has happened with well-known programs, and nobody had written a line about skin. Where does it come
# from, can it be measured, and can it be repaired?
#
# You will train such a filter and find two different reasons. One goes away when training is done properly. The other does not,
# and you will write two remedies in Keras for it. Then come the generator that makes the rare rarer, a detector of fakes that
# you train and that grows old, and models that live on generated data. Each harm is measured, and repaired as far as it can
# be. Reading and running takes about 40 minutes, of which less than one is waiting; the four exercises take an hour more.

# %%
import time

import course

SEED = 0
course.setup(seed=SEED)

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops

from course import datasets, fallbacks, plots, results
from course.gan import GAN
from course.training import Progress

# %% [markdown]
# The faces are drawings of 16 × 16 pixels. At the top is a photo of each, in any light, smiling or not, with noise. Below is
# what an old camera at a distance leaves of it, 4 × 4 squares. The last row is the portrait that a filter should make of
# it: the same face, smiling, in even light.


# %%
def coarse(photos):
    """What is left of photos (n, 16, 16, 3) from far away: squares (n, 4, 4, 3)."""
    return photos.reshape(-1, 4, 4, 4, 4, 3).mean(axis=(2, 4))


# %% tags=["demo"]
SPLITS = {"skewed": "train_skewed", "balanced": "train_balanced", "test": "test"}
FACES = {name: datasets.arrays("drawn_faces", split, scaled=True) for name, split in SPLITS.items()}
test = FACES["test"]
IS_DARKER = test["group"] == 0


def show_rows(rows, title, alt):
    """Rows of pictures, a dict from a row's name to its images, with values from 0 to 1."""
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


# %% tags=["demo"]
some = np.concatenate([np.flatnonzero(test["group"] == group)[3:7] for group in (0, 1)])
show_rows(
    {
        "photo": test["photo"][some],
        "from far": coarse(test["photo"][some]),
        "portrait": test["portrait"][some],
    },
    "A hasty photo, what is left from far, and the wanted portrait",
    """Eight drawn faces in three rows. The photos are noisy, dim or tinted, some without a smile; below, the same as four by
    four squares of colour, in which no face can be seen; then the portraits, smiling in even light. Four faces have
    darker skin, four have lighter skin.""",
)

# %% [markdown]
# ## What such networks are used for
#
# Networks that make pictures **edit** them: hair, age, a smile, a clear sky. The filter of this lesson is of this kind: it adds a smile,
# evens out the light, and draws what the coarse picture lacks, which is called **super-resolution**. They carry the style of a painter
# over to a photograph (**style transfer**). And they make additional samples where real ones are few, also in medicine, where a rare
# finding may have been photographed fifty times in all. The last use gets a section near the end.
#
# All of these learn from a collection, and answer with what is likely *in that collection*. Hence the questions of this lesson:
# where does an edit pull towards the majority? Does what is rare become rarer? How long does a fake stay easy to tell? And are generated data new data?
#
# **The data.** `drawn_faces` are **simulated; no real person is shown**. Each has one number for its skin, the **tone**,
# from 0 (darkest) to 100 (lightest), in two groups: *darker*, 15 to 45, and *lighter*, 55 to 90. Hair, glasses and everything else are
# independent of it. The skin of real people is not one number: it has undertones, differs over one face and with the
# season, and no group of people is a tone. Only the mechanism is real, by which a skewed collection becomes a skewed picture.
# `digits` and `photographs` are real.
#
# ### Style by numbers
#
# What is a style? Gatys, Ecker and Bethge (2015) proposed a number for it. Lay the filters of a convolutional layer on a picture; take, for each two
# filters, the mean over all places of the product of their answers. This table, the **Gram matrix**, says which strokes and colours occur
# together, and not where. A picture has another's style if its Gram matrix is near. Here are two photographs, a temple as the content and a flower as
# the style. The simplest transfer gives the temple the mean and the spread of the flower's colours. The other changes the temple's
# pixels by gradient descent, until the Gram matrices agree. Its filters are random. *By how much will each lower the distance of the styles, and what will
# you see?*

# %% tags=["demo"]
pictures = datasets.arrays("photographs", "train", scaled=True)["image"]
content, style = (picture[60:380:5, 40:540:5][None].astype("float32") for picture in pictures)
filters = keras.random.normal((7, 7, 3, 48), stddev=0.1, seed=SEED)


def gram(picture):
    """The Gram matrix (48, 48) of the filters' answers to a picture (1, height, width, 3)."""
    answers = ops.reshape(ops.relu(ops.conv(picture - 0.5, filters)), (-1, 48))
    return ops.transpose(answers) @ answers / answers.shape[0]


def style_distance(picture):
    """How far a picture's style is from the flower's; the temple's own distance is 1."""
    gaps = [ops.sum((gram(each) - gram(style)) ** 2) for each in (picture, content)]
    return gaps[0] / gaps[1]


spread = [picture.std(axis=(1, 2), keepdims=True) for picture in (content, style)]
middle = [picture.mean(axis=(1, 2), keepdims=True) for picture in (content, style)]
recoloured = np.clip((content - middle[0]) / spread[0] * spread[1] + middle[1], 0, 1)

# %% tags=["demo"]
canvas = tf.Variable(content)
descent = keras.optimizers.Adam(0.02)


@tf.function
def approach():
    """One step of the canvas towards the style."""
    with tf.GradientTape() as tape:
        value = style_distance(canvas)
    descent.apply([tape.gradient(value, canvas)], [canvas])
    canvas.assign(tf.clip_by_value(canvas, 0.0, 1.0))


for _ in range(60):
    approach()
styled = canvas.numpy()

# %% tags=["demo"]
fig, axes = plt.subplots(1, 4, figsize=(6.4, 1.6))
names = ["content", "style", "its colours", "Gram matrix"]
for axis, picture, name in zip(axes, (content, style, recoloured, styled), names):
    axis.imshow(picture[0])
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(name)
fig.suptitle("The number is satisfied, the eye is not", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Four small photographs: a temple, a flower, the temple in the colours of the flower, and the temple changed until its
    Gram matrix is the flower's: glaring patches and a grain lie over it. Neither looks as if the flower's picture had been its model.""",
)

# %% tags=["demo", "nbval-check-output"]
print("as a part of the distance of the temple as it is:")
results.table(
    ("distance of styles, flower's colours", float(style_distance(recoloured)), (0.01, 0.22)),
    ("distance of styles, flower's Gram matrix", float(style_distance(styled)), (0.000, 0.029)),
)

# %% [markdown]
# The distance falls below a thirtieth, and yet nobody would speak of the same style: colours moved, in glaring patches, and a grain came on
# top. Random filters know no strokes. Gatys and his colleagues took a network trained on a million photographs, whose filters
# answer to what people see, and there it works. Keep the warning for the rest of the lesson: a number that something was asked
# to lower may be low, and mean little.

# %% [markdown]
# ## A filter that lightens
#
# First we need a unit for the harm. `tone_of` reads a portrait's tone from its cheeks: how far along the line from
# the darkest to the lightest skin colour they lie.

# %%
facts = datasets.info("drawn_faces").metadata
CHEEKS, DARKEST, LIGHTEST = (np.array(facts[name]) for name in ("cheeks", "darkest", "lightest"))
LOW = (DARKEST / 255).astype("float32")
SPAN = ((LIGHTEST - DARKEST) / 255).astype("float32")


def tone_of(portraits):
    """Tone from 0 to 100 of each portrait (n, height, width, 3), read from pixels of its cheeks."""
    top, left, bottom, right = CHEEKS
    cheeks = ops.mean(portraits[:, top:bottom, left:right], axis=(1, 2))
    return 100 * ops.sum((cheeks - LOW) * SPAN, axis=-1) / np.sum(SPAN**2)


# %% [markdown]
# Of the 1,600 faces in `skewed`, 97 in 100 are lighter. The last 200 of them are put aside for validation, gathered as
# the others were; the 400 test faces hold both groups in equal parts. Three numbers for each group say what a filter does: by how much
# it shifts the tone on average; how many faces *cross* the middle, 50, and come out on the other group's side; and the
# error of all pixels, on a scale of 0 to 255.
#
# The first filter is a straight line, without any depth: **ridge regression**, in which each pixel of the portrait is a weighted sum of the
# numbers of the photo, with small weights. *The photos vary in light by a factor of two. What will a filter that has seen few dark faces make of one?*


# %% tags=["demo"]
def halves(name):
    """A collection without its last 200 faces, and these."""
    faces = FACES[name]
    return [{key: values[part] for key, values in faces.items()} for part in (PART, HELD)]


PART, HELD = slice(None, -200), slice(-200, None)
learn, held = halves("skewed")
ruler_error = np.abs(np.asarray(tone_of(test["portrait"])) - test["tone"]).mean()


def audit(made):
    """By group, darker first: mean shift of the tone, percent that cross, error of pixels."""
    tones, errors = np.asarray(tone_of(made)), np.square(made - test["portrait"])
    shifts, errors = tones - test["tone"], 255 * np.sqrt(errors.mean(axis=(1, 2, 3)))
    crossed = 100 * ((tones > 50) == IS_DARKER)
    groups = IS_DARKER, ~IS_DARKER
    return [
        [float(values[group].mean()) for group in groups] for values in (shifts, crossed, errors)
    ]


# %% tags=["demo", "nbval-check-output"]
from sklearn.linear_model import Ridge


def flatten(images):
    """One row of numbers for each image."""
    return np.reshape(images, (len(images), -1))


began = time.perf_counter()
line = Ridge(30).fit(flatten(learn["photo"]), flatten(learn["portrait"]))
line_seconds = time.perf_counter() - began
by_line = line.predict(flatten(test["photo"])).reshape(-1, 16, 16, 3).astype("float32")
(dark, light), crossed, _ = audit(by_line)
results.table(
    ("error of the ruler on true portraits, tones", ruler_error, (0.0, 0.1)),
    ("straight line, shift of darker faces, tones", dark, (16, 17)),
    ("straight line, shift of lighter faces, tones", light, (-2, 0)),
    ("straight line, darker faces that cross, %", crossed[0], (35, 40)),
)

# %% [markdown]
# Nobody wrote a line about skin, and more than a third of the darker faces come out on the lighter side. (Ridge regression has no seed; its range
# allows for rounding.) A mean over faces that were gathered as the training data were would not show it: 97 in 100 of them belong to the group that is served well.
#
# Is a straight line perhaps too simple? The whites of the eyes tell how much light there was, but to use that, one has to *divide* by them. A
# network can learn to. Ours is a **U-Net**: convolutions make the picture smaller, until a dense layer has seen all of it, and transposed ones make
# it larger again. Shortcuts hand the fine maps to the last layers (`Concatenate` puts maps side by side), so that what is sharp stays sharp.

# %% tags=["demo"]
boxes = [
    ("photo\n16 × 16", 0.1, 1.6, plots.BLUE), ("8 × 8", 1.5, 0.9, plots.BLUE),
    ("4 × 4", 2.7, 0.3, plots.BLUE), ("64", 3.8, -0.4, plots.ORANGE),
    ("4 × 4", 4.9, 0.3, plots.GREEN), ("8 × 8", 6.1, 0.9, plots.GREEN),
    ("portrait\n16 × 16", 7.5, 1.6, plots.GREEN),
]  # fmt: skip

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 2.7))
for name, x, height, color in boxes:
    plots.box(axis, x, height, name, color)
for (_, x, y, _), (_, u, v, _) in zip(boxes, boxes[1:]):
    gap, drop = 0.62 if max(y, v) > 1 else 0.42, 0.12 * np.sign(y - v)
    plots.arrow(axis, (x + gap, y - drop), (u - gap, v + drop))
plots.arrow(axis, (0.75, 1.75), (6.85, 1.75), color=plots.VERMILION)
plots.arrow(axis, (1.95, 0.95), (5.65, 0.95), color=plots.VERMILION)
axis.text(3.8, 1.85, "shortcuts", ha="center", color=plots.VERMILION)
axis.set(xlim=(-0.7, 8.3), ylim=(-0.8, 2.2))
axis.set_axis_off()
axis.set_title("Down to what all pixels say together, and up again to pixels")
plots.show(
    fig,
    alt="""A diagram of a U-Net. From the photo of 16 by 16 pixels, boxes lead down to maps of 8 by 8 and 4 by 4 and to 64 numbers, and
    up again by 4 by 4 and 8 by 8 to the portrait of 16 by 16. Two arrows named shortcuts lead from the photo's side straight
    over to the maps of the same size on the portrait's side.""",
)


# %% tags=["demo"]
def u_net(maps=6):
    """From photos (batch, 16, 16, 3) to portraits of that shape, from 0 to 1."""
    options = {"padding": "same", "activation": "relu"}
    photo = keras.Input((16, 16, 3))
    fine = layers.Conv2D(maps, 3, **options)(photo)
    half = layers.Conv2D(2 * maps, 3, strides=2, **options)(fine)
    quarter = layers.Conv2D(4 * maps, 3, strides=2, **options)(half)
    seen = layers.Dense(64, activation="relu")(layers.Flatten()(quarter))
    x = layers.Dense(4 * 4 * 2 * maps, activation="relu")(seen)
    x = layers.Conv2DTranspose(2 * maps, 3, strides=2, **options)(layers.Reshape((4, 4, -1))(x))
    x = layers.Concatenate()([x, half])
    x = layers.Concatenate()([layers.Conv2DTranspose(maps, 3, strides=2, **options)(x), fine])
    last = layers.Conv2D(3, 3, padding="same", activation="sigmoid", dtype="float32")
    return keras.Model(photo, last(x))


class Watch(keras.callbacks.Callback):
    """Notes after each epoch what the network does to the test faces. It decides nothing."""

    def on_train_begin(self, logs=None):
        self.audits = []

    def on_epoch_end(self, epoch, logs=None):
        self.audits.append(audit(self.model.predict(test["photo"], verbose=0)))


# %% [markdown]
# It is trained on the skewed faces, with the mean squared error, and the validation faces look on. This is an encoder and a decoder that learn from pairs, and no GAN: the
# pull towards the majority, if there is one, needs no adversary. (With a discriminator beside it, it would be Isola's *pix2pix*.)
# *Will it lighten less than the straight line? And the faces of which group will be right first?*

# %% tags=["demo"]
keras.utils.set_random_seed(SEED)
network, watch = u_net(), Watch()
network.compile(keras.optimizers.Adam(4e-3), "mse")
began = time.perf_counter()
history = network.fit(
    learn["photo"],
    learn["portrait"],
    batch_size=64,
    epochs=14,
    validation_data=(held["photo"], held["portrait"]),
    callbacks=[watch, Progress("A filter for whole photos")],
    verbose=0,
).history
network_seconds = time.perf_counter() - began

# %% tags=["demo"]
epochs = np.arange(1, 15)
fig, (upper, lower) = plt.subplots(2, 1, figsize=(6.4, 4.2), sharex=True)
upper.plot(epochs, history["loss"], color=plots.BLACK, ls=":", label="training")
upper.plot(epochs, history["val_loss"], color=plots.BLACK, label="validation")
upper.set(ylabel="squared error", yscale="log")
upper.legend()
upper.set_title("The error falls evenly; the darker faces come right last")
for group, color in enumerate([plots.BLUE, plots.ORANGE]):
    values = [shifts[group] for shifts, _, _ in watch.audits]
    lower.plot(epochs, values, "o-", color=color, label=["darker faces", "lighter faces"][group])
lower.axhline(0, color=plots.BLACK, lw=1)
lower.set(xlabel="epoch", ylabel="shift (tones)")
lower.legend()
plots.show(
    fig,
    alt="""Two plots over 14 epochs. Above, training and validation error, falling together on a logarithmic scale. Below, the mean
    shift of the tone: lighter faces begin below zero, darker faces above; in the last epochs both are near it, the
    darker ones still a little above.""",
)

# %% tags=["demo", "nbval-check-output"]
gaps = [shifts[0] - shifts[1] for shifts, _, _ in watch.audits]
late = watch.audits[-1]
print("shift of darker faces less that of lighter ones, tones:")
results.table(
    ("straight line", dark - light, (17, 18)),
    ("network, after 3 epochs", gaps[2], (11, 27)),
    ("network, after 14 epochs", gaps[-1], (-2, 11)),
    parameters=[768 * 769, None, network.count_params()],
    seconds=[line_seconds, None, network_seconds],
)
print("after 14 epochs:")
results.table(
    ("shift of darker faces, tones", late[0][0], (-4, 10)),
    ("shift of lighter faces, tones", late[0][1], (-8, 8)),
    ("darker faces that cross, %", late[1][0], (0, 18)),
)

# %% [markdown]
# Here is the first reason. Forty-two darker faces are little to learn from, and their share of the loss is small, so they are learned *last*. Whoever ends the training when the
# majority looks fine ships a filter that lightens, and blames the data. Trained five times as long, on the same skewed data, this network does less than half of the harm: the photo tells how
# much light there was, and the network has learned to look. A straight line cannot, however long one waits.

# %% [markdown]
# ### What the picture does not say
#
# From far away, 4 × 4 squares are left, and the whites of the eyes are mixed with skin and hair. Is a square light skin in dim light, or dark skin in bright light? Where the picture does not say, a network
# that minimises squared errors answers with the average of what it has *seen*. No training removes that doubt. The filter for coarse pictures is a network of dense layers; 16 numbers
# a colour need no convolutions. It is trained with early stopping, on the skewed and on the balanced faces. *Which of the two networks will be fairer? And will the fairer one still shift somebody?*


# %% tags=["demo"]
def sharpener():
    """From coarse pictures (batch, 4, 4, 3) to portraits (batch, 16, 16, 3) from 0 to 1."""
    x = squares = keras.Input((4, 4, 3))
    x = layers.Flatten()(x)
    for units in (128, 128):
        x = layers.Dense(units, activation="relu")(x)
    x = layers.Dense(16 * 16 * 3, activation="sigmoid", dtype="float32")(x)
    return keras.Model(squares, layers.Reshape((16, 16, 3), dtype="float32")(x))


def ready_sharpener():
    """A new sharpener, compiled; its first weights are the same each time."""
    keras.utils.set_random_seed(SEED)
    model = sharpener()
    model.compile(keras.optimizers.Adam(4e-3), "mse")
    return model


EPOCHS, PATIENCE = 25, 5
made, seconds, runs = {}, {}, {}
far = coarse(test["photo"])

# %% tags=["demo"]
for name in ("skewed", "balanced"):
    model, (known, aside) = ready_sharpener(), halves(name)
    stop = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
    began = time.perf_counter()
    runs[name] = model.fit(
        coarse(known["photo"]),
        known["portrait"],
        batch_size=64,
        epochs=EPOCHS,
        validation_data=(coarse(aside["photo"]), aside["portrait"]),
        callbacks=[stop, Progress(f"Sharpening, {name} faces")],
        verbose=0,
    ).history
    seconds[name] = time.perf_counter() - began
    made[name] = model.predict(far, verbose=0)
coarse_line = Ridge(0.1).fit(flatten(coarse(learn["photo"])), flatten(learn["portrait"]))
made["line"] = coarse_line.predict(flatten(far)).reshape(-1, 16, 16, 3).astype("float32")

# %% tags=["demo", "nbval-check-output"]
crossed = {name: audit(pictures)[1] for name, pictures in made.items()}
fell = [1 - run["val_loss"][-1] / run["val_loss"][-6] for run in runs.values()]
print("faces that come out on the other group's side, of 100:")
results.table(
    ("straight line, skewed, darker faces", crossed["line"][0], (80, 85)),
    ("network, skewed, darker faces", crossed["skewed"][0], (30, 63)),
    ("network, skewed, lighter faces", crossed["skewed"][1], (0.0, 4.4)),
    ("network, balanced, darker faces", crossed["balanced"][0], (0, 20)),
    ("network, balanced, lighter faces", crossed["balanced"][1], (0, 11)),
    parameters=[768 * 49, model.count_params(), None, model.count_params(), None],
    seconds=[None, seconds["skewed"], None, seconds["balanced"], None],
)
print("by how much the validation error still fell in the last 5 epochs, %:")
results.table(
    ("skewed", 100 * fell[0], (1, 9)),
    ("balanced", 100 * fell[1], (-7, 10)),
)

# %% tags=["demo", "thumbnail"]
people = np.flatnonzero(IS_DARKER & (test["light"] > 0.85))[:8]
show_rows(
    {"from far": far[people]}
    | {name: made[name][people] for name in ("skewed", "balanced")}
    | {"wanted": test["portrait"][people]},
    "Asked for a sharper face, given lighter skin as well",
    """Eight drawn faces with darker skin in four rows. The coarse squares in bright light; what a filter trained on skewed
    data makes of them, blurred faces, most with visibly lighter skin than wanted; what one trained on balanced data makes, with
    skin closer to the true tone; and the wanted portraits.""",
)

# %% [markdown]
# Here is the second reason, and the data *are* to blame. With the skewed collection a large part of the darker faces crosses over, also where training has nearly stopped improving. With the balanced
# one far fewer do. What is left is the doubt, which no data remove. In 2020 a published program for sharpening faces gave a coarse picture of a Black president a white face, and Jain and others (2022) found that
# the filters of a well-known app lighten skin; collections that are not balanced were named as a reason both times.

# %% [markdown]
# ## Two remedies
#
# Balanced data are the best repair, if one can get them. Suppose that no more darker faces are to be had than the forty-two. Two things are left to change: how often each is
# drawn, which is called **resampling**, and what a mistake costs.
#
# ### Exercise 1: draw the rare more often
#
# Complete `fit_drawn(model, inputs, targets, chances, validation, epochs, patience)`, which trains a compiled model and
# returns what `fit` returned. `inputs` and `targets` are float32 arrays of $n$ examples, 64 or more. `chances` (n,) holds
# the probability with which each example is drawn; they add up to 1, and some may be 0.
#
# - A batch holds 64 examples. Each of them is drawn with its chance, whatever else has been drawn, so the same example may
#   come twice. An epoch has `n // 64` batches, and every epoch draws anew.
# - `validation` is a pair of arrays, inputs and targets, which are used as they are. When `patience` epochs in a row have
#   brought no new minimum of the loss on them, or after `epochs` epochs, training ends, and the model has the weights of its
#   best epoch.
#
# TensorFlow's **tf.data** describes a stream of batches, on which `fit` trains in place of arrays. `tf.data.Dataset.counter()` is an
# endless stream of numbers, and its method `map` calls a function for each of them. In this function
# `tf.random.categorical([log_chances], 64)` draws positions by the *logarithms* of their chances, shape (1, 64), and
# `tf.gather(array, positions)` takes the examples there. As the stream has no end, tell `fit` its `steps_per_epoch`, and `shuffle=False`, without which it warns. (A stream
# with an end would start again in each epoch, and with it, where a seed is set as in this lesson, the random numbers: each epoch would draw
# the same.) `verbose=0` keeps the page short.


# %%
def one_answer(size=1, rate=0.1):
    """A model that answers 1 with its weights, `size` numbers that start at 0: they learn a mean.

    Its loss is a sum over the batch, so that a step depends on how many examples there are.
    """
    x = keras.Input((1,))
    model = keras.Model(x, layers.Dense(size, use_bias=False, kernel_initializer="zeros")(x))
    model.compile(keras.optimizers.SGD(rate / 64), keras.losses.MeanSquaredError(reduction="sum"))
    return model


# %% grade_id="fit_drawn" solution=true
def fit_drawn(model, inputs, targets, chances, validation, epochs, patience):
    """Train a compiled model on batches that are drawn by chances; returns its history."""
    ### BEGIN SOLUTION
    logs = tf.constant(np.log(np.maximum(chances, 1e-30))[None], "float32")
    pool = tf.constant(inputs), tf.constant(targets)

    def draw(_):
        places = tf.random.categorical(logs, 64)[0]
        return tf.gather(pool[0], places), tf.gather(pool[1], places)

    batches = tf.data.Dataset.counter().map(draw).prefetch(2)
    stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    options = {"validation_data": validation, "epochs": epochs, "callbacks": [stop]}
    steps = len(inputs) // 64
    return model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0, **options)
    ### END SOLUTION


# %% grade_id="fit_drawn_form" points=1
inputs = targets = np.resize([1, -1, -1], (200, 1)).astype("float32")
model, same = one_answer(rate=0.05), np.full(200, 1 / 200)
history = fit_drawn(model, inputs.copy(), targets.copy(), same, (inputs, targets), 2, 9)
log = getattr(history, "history", None)
assert isinstance(log, dict), f"Return what `fit` returned; you returned {type(history).__name__}."
assert len(log.get("val_loss", [])) == len(log["loss"]) == 2, (
    f"After 2 epochs the history should have 2 numbers for loss and for val_loss; it has {log}."
)
got = float(model.get_weights()[0][0, 0])
assert np.isclose(got, 1 - 0.9**6, atol=1e-4), (
    "Every target is its input, so the weight should be 1, and each batch of 64 takes away a tenth of what is missing. 200 examples make 3 "
    f"batches an epoch, so after 2 epochs the weight should be 0.4686; it is {got:.4f}."
)

# %% grade_id="fit_drawn_shares" points=2
# 20 of 400 examples have the target 1; each kind shall be half of what is drawn.
rare = np.arange(400) % 20 == 7
inputs, targets = np.ones((400, 1), "float32"), rare[:, None].astype("float32")
chances = np.where(rare, 0.5 / 20, 0.5 / 380)
keras.utils.set_random_seed(1)
model = one_answer()
fit_drawn(model, inputs.copy(), targets.copy(), chances.copy(), (inputs, targets + 9), 12, 12)
got = float(model.get_weights()[0][0, 0])
# The spread of the weight over seeds is .021: a right answer fails in less than 1 of 1,000,000 runs.
assert abs(got - 0.5) < 0.11, (
    f"Half of what is drawn has the target 1, and half the target 0, so the weight comes to about .5; yours is {got:.3f}. (Without any "
    "chances it would be .05.)"
)

# %% grade_id="fit_drawn_any_chances" points=1
# Hidden tests: three kinds with other shares, a chance of 0, and few examples that come again and again.
### BEGIN HIDDEN TESTS
kinds = np.repeat([0, 1, 2, 3], [3, 100, 60, 29])
shares = np.array([0.7, 0.1, 0.0, 0.2])
chances = shares[kinds] / np.bincount(kinds)[kinds]
inputs, targets = np.ones((192, 1), "float32"), np.eye(4, dtype="float32")[kinds]
keras.utils.set_random_seed(2)
model = one_answer(4, 0.4)
fit_drawn(model, inputs.copy(), targets.copy(), chances.copy(), (inputs, targets + 9), 20, 20)
got = model.get_weights()[0][0]
assert np.allclose(got, shares, atol=0.12), (
    f"Four kinds of targets that are drawn in shares of {shares.tolist()}: the weights come to about these, and are {got.round(3).tolist()}."
)
assert got[2] == 0, "What has a chance of 0 is never drawn."
### END HIDDEN TESTS

# %% grade_id="fit_drawn_anew" points=1
# Hidden tests: does every epoch draw anew?
### BEGIN HIDDEN TESTS
inputs = np.ones((320, 1), "float32")
targets = np.random.default_rng(3).normal(0.5, 0.5, (320, 1)).astype("float32")
keras.utils.set_random_seed(4)
still = one_answer(rate=0.0)
losses = fit_drawn(
    still, inputs.copy(), targets.copy(), np.full(320, 1 / 320), (inputs, targets), 4, 9
)
losses = losses.history["loss"]
assert np.ptp(losses) > 1e-3, (
    f"A model that does not learn has the same loss in every epoch, {losses[0]:.5f}: are other examples drawn each time?"
)
### END HIDDEN TESTS

# %% grade_id="fit_drawn_stops" points=1
# Hidden tests: when does training stop, and with which weights?
### BEGIN HIDDEN TESTS
inputs, same = np.ones((320, 1), "float32"), np.full(320, 1 / 320)
# The validation targets are far away on the other side: the first epoch is the best.
model = one_answer(rate=0.01)
log = fit_drawn(model, inputs.copy(), inputs.copy(), same, (inputs, -inputs), 9, 3)
count, got = len(log.history["val_loss"]), float(model.get_weights()[0][0, 0])
assert count == 4, (
    f"The validation loss rises from the second epoch on: with a patience of 3 there are 4 epochs, not {count}."
)
assert np.isclose(got, 1 - 0.98**5, atol=1e-4), (
    f"The best epoch was the first, after which the weight was 0.0961; at the end it is {got:.4f}."
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The stream has an end: it starts again in each epoch, and with the seed that is set it draws the same examples again.
def fit_drawn(model, inputs, targets, chances, validation, epochs, patience):
    logs = tf.math.log(tf.constant(chances[None], "float32"))
    given, wanted = tf.constant(inputs), tf.constant(targets)

    def draw(_):
        places = tf.random.categorical(logs, 64)[0]
        return tf.gather(given, places), tf.gather(wanted, places)

    batches = tf.data.Dataset.range(len(inputs) // 64).map(draw)
    stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    options = {"validation_data": validation, "callbacks": [stop], "verbose": 0}
    return model.fit(batches, epochs=epochs, **options)


# %% tags=["misconception"]
# The examples are drawn once, before training, so that every epoch brings the same ones.
def fit_drawn(model, inputs, targets, chances, validation, epochs, patience):
    count = len(inputs) // 64 * 64
    places = np.random.default_rng(0).choice(len(inputs), count, p=chances)
    stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    return model.fit(
        inputs[places],
        targets[places],
        batch_size=64,
        epochs=epochs,
        validation_data=validation,
        callbacks=[stop],
        verbose=0,
    )


# %% tags=["misconception"]
# Positions are drawn by the chances themselves, where TensorFlow expects their logarithms: nearly all come out alike.
def fit_drawn(model, inputs, targets, chances, validation, epochs, patience):
    values = tf.constant(chances[None], "float32")
    given, wanted = tf.constant(inputs), tf.constant(targets)

    def draw(_):
        places = tf.random.categorical(values, 64)[0]
        return tf.gather(given, places), tf.gather(wanted, places)

    batches = tf.data.Dataset.counter().map(draw)
    stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    options = {"steps_per_epoch": len(inputs) // 64, "validation_data": validation}
    return model.fit(batches, epochs=epochs, callbacks=[stop], verbose=0, **options)


# %% tags=["misconception"]
# Nothing is drawn: the chances are weights in the loss, and add up to 1 where their mean should be 1.
def fit_drawn(model, inputs, targets, chances, validation, epochs, patience):
    stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    return model.fit(
        inputs,
        targets,
        sample_weight=np.asarray(chances),
        batch_size=64,
        epochs=epochs,
        validation_data=validation,
        callbacks=[stop],
        verbose=0,
    )


# %% tags=["misconception"]
# Training stops, and keeps the weights of its last epoch: those of the best one are not restored.
def fit_drawn(model, inputs, targets, chances, validation, epochs, patience):
    logs = tf.math.log(tf.constant(chances[None], "float32"))
    given, wanted = tf.constant(inputs), tf.constant(targets)

    def draw(_):
        places = tf.random.categorical(logs, 64)[0]
        return tf.gather(given, places), tf.gather(wanted, places)

    batches = tf.data.Dataset.counter().map(draw)
    stop = keras.callbacks.EarlyStopping(patience=patience)
    options = {"steps_per_epoch": len(inputs) // 64, "validation_data": validation}
    return model.fit(batches, epochs=epochs, callbacks=[stop], verbose=0, **options)


# %% tags=["misconception"]
# It watches the loss on what is drawn, not the loss on the validation data.
def fit_drawn(model, inputs, targets, chances, validation, epochs, patience):
    logs = tf.math.log(tf.constant(chances[None], "float32"))
    given, wanted = tf.constant(inputs), tf.constant(targets)

    def draw(_):
        places = tf.random.categorical(logs, 64)[0]
        return tf.gather(given, places), tf.gather(wanted, places)

    batches = tf.data.Dataset.counter().map(draw)
    stop = keras.callbacks.EarlyStopping("loss", patience=patience, restore_best_weights=True)
    options = {"steps_per_epoch": len(inputs) // 64, "validation_data": validation}
    return model.fit(batches, epochs=epochs, callbacks=[stop], verbose=0, **options)


# %% tags=["misconception"]
# Examples are drawn without replacement: where a few of them should be most of a batch, they run out.
def fit_drawn(model, inputs, targets, chances, validation, epochs, patience):
    count, possible = len(inputs) // 64, np.count_nonzero(chances)
    rng = np.random.default_rng(0)

    def batches():
        while True:
            places = rng.choice(len(inputs), min(64, possible), replace=False, p=chances)
            yield inputs[places], targets[places]

    stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    return model.fit(
        batches(),
        steps_per_epoch=count,
        validation_data=validation,
        epochs=epochs,
        callbacks=[stop],
        verbose=0,
    )


# %% tags=["alternative"]
# A generator of NumPy's draws in place of a dataset.
def fit_drawn(model, inputs, targets, chances, validation, epochs, patience):
    rng = np.random.default_rng(1)

    def batches():
        while True:
            places = rng.choice(len(inputs), 64, p=chances)
            yield inputs[places], targets[places]

    best = keras.callbacks.EarlyStopping(
        monitor="val_loss", mode="min", patience=patience, restore_best_weights=True
    )
    return model.fit(
        batches(),
        steps_per_epoch=len(inputs) // 64,
        epochs=epochs,
        validation_data=validation,
        callbacks=[best],
        verbose=0,
    )


# %% tags=["alternative"]
# Draws a point between 0 and 1 and looks up where the chances, added up, pass it.
def fit_drawn(model, inputs, targets, chances, validation, epochs, patience):
    edges = tf.constant(np.cumsum(chances) / np.sum(chances), "float32")
    given, wanted = tf.constant(inputs), tf.constant(targets)

    def draw(_):
        places = tf.searchsorted(edges, tf.random.uniform([64]), side="right")
        places = tf.minimum(places, len(inputs) - 1)
        return tf.gather(given, places), tf.gather(wanted, places)

    batches = tf.data.Dataset.counter().map(draw)
    stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    options = {"steps_per_epoch": len(inputs) // 64, "validation_data": validation}
    return model.fit(batches, epochs=epochs, callbacks=[stop], verbose=0, **options)


# %% tags=["alternative"]
# Single examples are drawn, and put into batches afterwards.
def fit_drawn(model, inputs, targets, chances, validation, epochs, patience):
    logs = np.log(np.asarray(chances)[None] + 1e-30).astype("float32")
    pairs = tf.constant(inputs), tf.constant(targets)
    places = tf.data.Dataset.counter().map(lambda _: tf.random.categorical(logs, 1)[0, 0])
    batches = places.map(lambda i: tuple(array[i] for array in pairs)).batch(64)
    stop = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
    options = {"steps_per_epoch": len(inputs) // 64, "validation_data": validation}
    return model.fit(x=batches, epochs=epochs, callbacks=stop, verbose=0, **options)


# %% [markdown]
# From here on the lesson uses what you write. Where an exercise is not answered yet, it takes a function of the course instead and says
# so. Each group shall be half of what the network sees. *Forty-two darker faces, each drawn about 17 times as often as a lighter one: will they do as well as the seven hundred of the balanced collection?*

# %% tags=["demo"]
from course.fallbacks import fakes_and_fairness as ours

fit_drawn = fallbacks.choose(fit_drawn, ours.fit_drawn, ours.fit_drawn_works)
chances = 0.5 / np.bincount(learn["group"])[learn["group"]]
coarse_held = coarse(held["photo"]), held["portrait"]
model, began = ready_sharpener(), time.perf_counter()
runs["redrawn"] = fit_drawn(
    model,
    coarse(learn["photo"]),
    learn["portrait"],
    chances,
    coarse_held,
    EPOCHS,
    PATIENCE,
).history
seconds["redrawn"] = time.perf_counter() - began
made["redrawn"] = model.predict(far, verbose=0)

# %% [markdown]
# ### A loss that counts groups alike
#
# The second lever is the loss. In a mean over all faces of a batch, two darker ones of 64 hardly count, and in a mean over all pixels cheeks hardly count. A term of its own can name both. With portraits
# $y_i$, outputs $\hat y_i$, and tones $\tau$ from 0 to 100:
#
# $$L = \text{mean of } (y - \hat y)^2 \text{ over all numbers} \;+\; w \cdot \frac{1}{G} \sum_{g} \frac{1}{n_g} \sum_{i \in g} \left(\frac{\tau(\hat y_i) - \tau(y_i)}{100}\right)^2$$
#
# The outer sum is over the $G$ groups that occur in the batch, the inner one over the $n_g$ faces of one group. The square is inside the mean: a face that comes out lighter and one that comes out darker must
# not cancel.
#
# ### Exercise 2: a step with a term for fairness
#
# Complete `filter_step(network, photos, portraits, groups, weight)`: one training step of a compiled Keras model `network`
# from photos to portraits, down $L$, with its own `network.optimizer`. `portraits` have shape (n, 16, 16, 3), `groups` (n,)
# holds whole numbers, 0 or 1. Return $L$ as it was before the step, a scalar tensor.
#
# - Compute inside a `tf.GradientTape`, with the network called with `training=True`. `tone_of` from above takes tensors, and
#   everything on the way from the weights to the loss has to be computed by TensorFlow or `keras.ops`: a detour by NumPy has
#   no gradient.
# - In a batch without any face of one group, the mean over the groups is that of the other group alone. (`ops.one_hot(groups, 2)`
#   makes a table (n, 2) of ones and zeros, whose columns can be counted and averaged.)
# - As in lesson 24, take the gradients of `network.optimizer.scale_loss(loss)` and apply them once, to all trainable weights.
#   The loss to return is the one that is not scaled.


# %%
def tinter(seed, optimizer):
    """A compiled filter that mixes the three colours of each pixel, and what it should learn."""
    rng = np.random.default_rng(seed)
    x = keras.Input((16, 16, 3))
    last = layers.Conv2D(3, 1, dtype="float32")
    model = keras.Model(x, last(layers.BatchNormalization(dtype="float32")(x)))
    last.set_weights([rng.normal(0, 0.2, (1, 1, 3, 3)), rng.uniform(0, 0.3, 3)])
    model.compile(optimizer)
    model.optimizer.build(model.trainable_variables)
    photos, portraits = rng.uniform(0, 1, (2, seed, 16, 16, 3)).astype("float32")
    return model, photos, portraits * rng.uniform(0.2, 1, (seed, 1, 1, 1)).astype("float32")


# %%
def after_step(groups, weight, rate):
    """The right loss of a `tinter`, and its weights after a step of SGD."""
    model, photos, portraits = tinter(len(groups), keras.optimizers.SGD(rate))
    with tf.GradientTape() as tape:
        made = model(photos, training=True)
        off = tf.square((tone_of(made) - tone_of(portraits)) / 100)
        means = [tf.reduce_mean(off[groups == group]) for group in np.unique(groups)]
        loss = tf.reduce_mean(tf.square(made - portraits)) + weight * sum(means) / len(means)
    slopes = tape.gradient(loss, model.trainable_variables)
    moved = [w.numpy() - rate * s for w, s in zip(model.trainable_variables, slopes)]
    return float(loss), np.concatenate([np.ravel(w) for w in moved])


def weights_of(model):
    """All weights of a model that are trained, in one vector."""
    return np.concatenate([np.ravel(weight) for weight in model.trainable_variables])


# %% grade_id="filter_step" solution=true
def filter_step(network, photos, portraits, groups, weight):
    """One step of a compiled network; returns the loss, pixels plus weight times tones by group."""
    ### BEGIN SOLUTION
    with tf.GradientTape() as tape:
        outputs = network(photos, training=True)
        squares = ((tone_of(outputs) - tone_of(portraits)) / 100) ** 2
        members = ops.one_hot(groups, 2)
        counts = ops.sum(members, axis=0)
        by_group = ops.sum(members * squares[:, None], axis=0) / ops.maximum(counts, 1)
        unfair = ops.sum(by_group) / ops.sum(ops.minimum(counts, 1))
        loss = ops.mean((outputs - portraits) ** 2) + weight * unfair
        scaled = network.optimizer.scale_loss(loss)
    slopes = tape.gradient(scaled, network.trainable_variables)
    network.optimizer.apply_gradients(zip(slopes, network.trainable_variables))
    return loss
    ### END SOLUTION


# %% grade_id="filter_step_pixels" points=1
model, photos, portraits = tinter(5, keras.optimizers.SGD(0.5))
groups = np.array([0, 1, 1, 0, 1])
loss = filter_step(model, photos.copy(), portraits.copy(), groups.copy(), 0.0)
want, moved = after_step(groups, 0.0, 0.5)
assert (ops.is_tensor(loss), np.shape(loss)) == (True, ()), (
    f"Return the loss as a tensor of shape (), as it was computed; you returned {loss!r}."
)
assert np.isclose(float(loss), want, rtol=1e-3), (
    f"With weight 0 the loss is the mean squared error, {want:.5f}; yours is {float(loss):.5f}."
)
off = np.abs(weights_of(model) - moved).max()
assert off < 1e-4, (
    f"With weight 0, after one step of SGD(.5) down the mean squared error a weight of the network is off by {off:.5f}. Is it the "
    "gradient of the loss by the weights of the network, applied once?"
)

# %% grade_id="filter_step_groups" points=2
model, photos, portraits = tinter(6, keras.optimizers.SGD(0.2))
groups = np.array([1, 1, 0, 1, 1, 1])
loss = float(filter_step(model, photos.copy(), portraits.copy(), groups.copy(), 3.0))
want, moved = after_step(groups, 3.0, 0.2)
plain = after_step(groups, 0.0, 0.2)[1]
assert np.isclose(loss, want, rtol=1e-3), (
    f"One face of group 0 and five of group 1, weight 3: the loss should be {want:.5f}, and is {loss:.5f}. What is squared, what is "
    "averaged first, and in which unit are the tones?"
)
assert not np.allclose(weights_of(model), plain, atol=1e-4), (
    "The loss has the term for the tones, and the step goes down the pixels alone: somewhere between the outputs and the loss the "
    "term leaves TensorFlow, or is cut off from the gradient."
)
off = np.abs(weights_of(model) - moved).max()
assert off < 1e-4, (
    f"One face of group 0 and five of group 1, weight 3: after the step a weight is off by {off:.5f}."
)

# %% grade_id="filter_step_values" points=1
# Hidden tests: other batches, some with faces of one group only, and other weights of the term.
### BEGIN HIDDEN TESTS
for groups, weight, rate in [([0, 0, 1, 0], 0.7, 0.1), ([1, 1, 1], 2.0, 0.2), ([0], 12.0, 0.02)]:
    groups = np.array(groups)
    model, photos, portraits = tinter(len(groups), keras.optimizers.SGD(rate))
    loss = float(filter_step(model, photos.copy(), portraits.copy(), groups.copy(), weight))
    want, moved = after_step(groups, weight, rate)
    assert np.isclose(loss, want, rtol=1e-3), (
        f"Groups {groups.tolist()}, weight {weight}: the loss should be {want:.5f}, and is {loss:.5f}. A group without faces does not count."
    )
    off = np.abs(weights_of(model) - moved).max()
    assert off < 1e-4, (
        f"Groups {groups.tolist()}, weight {weight}: after the step a weight is off by {off:.5f}."
    )
### END HIDDEN TESTS

# %% grade_id="filter_step_float16" points=1
# An optimizer as `compile` wraps it in float16: the loss is multiplied by 256, gradients divided.
scaler = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.3), initial_scale=256.0)
model, photos, portraits = tinter(7, scaler)
groups = np.array([0, 1, 0, 1, 1, 1, 0])
loss = float(filter_step(model, photos.copy(), portraits.copy(), groups.copy(), 2.0))
want, moved = after_step(groups, 2.0, 0.3)
assert np.isclose(loss, want, rtol=1e-3), (
    f"Where the optimizer scales the loss, the loss to return is still the plain one, {want:.5f}; got {loss:.5f}."
)
off = np.abs(weights_of(model) - moved).max()
assert off < 1e-3, (
    f"With a scaled loss the step should lead to the same weights as without; one is off by {off:.4f}. The optimizer divides the "
    "gradients by its scale: were they taken of the loss that it scaled?"
)


# %% tags=["misconception"]
# The tones go through NumPy, so the loss has their term and the gradient does not.
def filter_step(network, photos, portraits, groups, weight):
    with tf.GradientTape() as tape:
        outputs = network(photos, training=True)
        off = (np.asarray(tone_of(outputs)) - np.asarray(tone_of(portraits))) / 100
        unfair = np.mean([np.mean(off[groups == group] ** 2) for group in np.unique(groups)])
        loss = ops.mean((outputs - portraits) ** 2) + weight * unfair
        scaled = network.optimizer.scale_loss(loss)
    slopes = tape.gradient(scaled, network.trainable_variables)
    network.optimizer.apply_gradients(zip(slopes, network.trainable_variables))
    return loss


# %% tags=["misconception"]
# All faces are put into one mean, so a group with few faces counts for little.
def filter_step(network, photos, portraits, groups, weight):
    with tf.GradientTape() as tape:
        outputs = network(photos, training=True)
        off = (tone_of(outputs) - tone_of(portraits)) / 100
        loss = ops.mean((outputs - portraits) ** 2) + weight * ops.mean(off**2)
        scaled = network.optimizer.scale_loss(loss)
    slopes = tape.gradient(scaled, network.trainable_variables)
    network.optimizer.apply_gradients(zip(slopes, network.trainable_variables))
    return loss


# %% tags=["misconception"]
# The mean shift of each group is squared, so that a face made lighter and one made darker cancel.
def filter_step(network, photos, portraits, groups, weight):
    with tf.GradientTape() as tape:
        outputs = network(photos, training=True)
        off = (tone_of(outputs) - tone_of(portraits)) / 100
        members = ops.one_hot(groups, 2)
        counts = ops.sum(members, axis=0)
        by_group = (ops.sum(members * off[:, None], axis=0) / ops.maximum(counts, 1)) ** 2
        unfair = ops.sum(by_group) / ops.sum(ops.minimum(counts, 1))
        loss = ops.mean((outputs - portraits) ** 2) + weight * unfair
        scaled = network.optimizer.scale_loss(loss)
    slopes = tape.gradient(scaled, network.trainable_variables)
    network.optimizer.apply_gradients(zip(slopes, network.trainable_variables))
    return loss


# %% tags=["misconception"]
# It divides by two groups, also where a batch has faces of one only.
def filter_step(network, photos, portraits, groups, weight):
    with tf.GradientTape() as tape:
        outputs = network(photos, training=True)
        squares = ((tone_of(outputs) - tone_of(portraits)) / 100) ** 2
        members = ops.one_hot(groups, 2)
        counts = ops.maximum(ops.sum(members, axis=0), 1)
        unfair = ops.mean(ops.sum(members * squares[:, None], axis=0) / counts)
        loss = ops.mean((outputs - portraits) ** 2) + weight * unfair
        scaled = network.optimizer.scale_loss(loss)
    slopes = tape.gradient(scaled, network.trainable_variables)
    network.optimizer.apply_gradients(zip(slopes, network.trainable_variables))
    return loss


# %% tags=["misconception"]
# The mean of a group without any face is zero divided by zero, and makes the loss of the whole batch no number.
def filter_step(network, photos, portraits, groups, weight):
    with tf.GradientTape() as tape:
        outputs = network(photos, training=True)
        squares = ((tone_of(outputs) - tone_of(portraits)) / 100) ** 2
        members = ops.one_hot(groups, 2)
        by_group = ops.sum(members * squares[:, None], axis=0) / ops.sum(members, axis=0)
        loss = ops.mean((outputs - portraits) ** 2) + weight * ops.mean(by_group)
        scaled = network.optimizer.scale_loss(loss)
    slopes = tape.gradient(scaled, network.trainable_variables)
    network.optimizer.apply_gradients(zip(slopes, network.trainable_variables))
    return loss


# %% tags=["misconception"]
# Tones stay in units of 0 to 100, so that the pixels hardly count beside them.
def filter_step(network, photos, portraits, groups, weight):
    with tf.GradientTape() as tape:
        outputs = network(photos, training=True)
        squares = (tone_of(outputs) - tone_of(portraits)) ** 2
        members = ops.one_hot(groups, 2)
        counts = ops.sum(members, axis=0)
        by_group = ops.sum(members * squares[:, None], axis=0) / ops.maximum(counts, 1)
        unfair = ops.sum(by_group) / ops.sum(ops.minimum(counts, 1))
        loss = ops.mean((outputs - portraits) ** 2) + weight * unfair
        scaled = network.optimizer.scale_loss(loss)
    slopes = tape.gradient(scaled, network.trainable_variables)
    network.optimizer.apply_gradients(zip(slopes, network.trainable_variables))
    return loss


# %% tags=["misconception"]
# The network is called without training=True, so batch normalisation does not look at the batch.
def filter_step(network, photos, portraits, groups, weight):
    with tf.GradientTape() as tape:
        outputs = network(photos)
        squares = ((tone_of(outputs) - tone_of(portraits)) / 100) ** 2
        members = ops.one_hot(groups, 2)
        counts = ops.sum(members, axis=0)
        by_group = ops.sum(members * squares[:, None], axis=0) / ops.maximum(counts, 1)
        unfair = ops.sum(by_group) / ops.sum(ops.minimum(counts, 1))
        loss = ops.mean((outputs - portraits) ** 2) + weight * unfair
        scaled = network.optimizer.scale_loss(loss)
    slopes = tape.gradient(scaled, network.trainable_variables)
    network.optimizer.apply_gradients(zip(slopes, network.trainable_variables))
    return loss


# %% tags=["misconception"]
# What is compared is the brightness of the whole picture, not the tone of the cheeks.
def filter_step(network, photos, portraits, groups, weight):
    with tf.GradientTape() as tape:
        outputs = network(photos, training=True)
        squares = ops.mean(outputs - portraits, axis=(1, 2, 3)) ** 2
        members = ops.one_hot(groups, 2)
        counts = ops.sum(members, axis=0)
        by_group = ops.sum(members * squares[:, None], axis=0) / ops.maximum(counts, 1)
        unfair = ops.sum(by_group) / ops.sum(ops.minimum(counts, 1))
        loss = ops.mean((outputs - portraits) ** 2) + weight * unfair
        scaled = network.optimizer.scale_loss(loss)
    slopes = tape.gradient(scaled, network.trainable_variables)
    network.optimizer.apply_gradients(zip(slopes, network.trainable_variables))
    return loss


# %% tags=["misconception"]
# The loss is not scaled: an optimizer that divides gradients by its scale then hardly moves in float16.
def filter_step(network, photos, portraits, groups, weight):
    with tf.GradientTape() as tape:
        outputs = network(photos, training=True)
        squares = ((tone_of(outputs) - tone_of(portraits)) / 100) ** 2
        members = ops.one_hot(groups, 2)
        counts = ops.sum(members, axis=0)
        by_group = ops.sum(members * squares[:, None], axis=0) / ops.maximum(counts, 1)
        unfair = ops.sum(by_group) / ops.sum(ops.minimum(counts, 1))
        loss = ops.mean((outputs - portraits) ** 2) + weight * unfair
    slopes = tape.gradient(loss, network.trainable_variables)
    network.optimizer.apply_gradients(zip(slopes, network.trainable_variables))
    return loss


# %% tags=["alternative"]
# Each face gets a weight, one divided by the size of its group and by the number of groups.
def filter_step(network, photos, portraits, groups, weight):
    groups = ops.cast(groups, "int32")
    same = ops.cast(groups[:, None] == groups[None], "float32")
    shares = 1 / ops.sum(same, axis=1)
    with tf.GradientTape() as tape:
        made = network(photos, training=True)
        gaps = tone_of(made) / 100 - tone_of(portraits) / 100
        pixels = keras.losses.MeanSquaredError()(portraits, made)
        loss = pixels + weight * ops.sum(shares * ops.square(gaps)) / ops.sum(shares)
        target = network.optimizer.scale_loss(loss)
    variables = network.trainable_weights
    network.optimizer.apply(tape.gradient(target, variables), variables)
    return loss


# %% tags=["alternative"]
# TensorFlow's functions, one group at a time, and both terms scaled one by one.
def filter_step(network, photos, portraits, groups, weight):
    with tf.GradientTape() as tape:
        made = network(photos, training=True)
        gaps = tf.math.squared_difference(0.01 * tone_of(made), 0.01 * tone_of(portraits))
        total, present = 0.0, 0.0
        for group in (0, 1):
            chosen = tf.cast(tf.equal(groups, group), tf.float32)
            total += tf.math.divide_no_nan(tf.reduce_sum(chosen * gaps), tf.reduce_sum(chosen))
            present += tf.reduce_max(chosen)
        parts = tf.reduce_mean((portraits - made) ** 2), weight * total / present
        scaled = sum(network.optimizer.scale_loss(part) for part in parts)
    slopes = tape.gradient(scaled, network.trainable_weights)
    network.optimizer.apply_gradients(zip(slopes, network.trainable_weights))
    return tf.add_n(parts)


# %% [markdown]
# The class below puts your step into a Keras model, so that `fit`, validation and early stopping work as for the other filters; the metric `Mean` averages the loss over an epoch. The validation loss is the mean squared error, the same for all.
# The data are the skewed ones, drawn as they are: two darker faces in a batch of 64, on average. *Which remedy will let fewer darker faces cross, and who pays for it?*


# %%
class FairFilter(keras.Model):
    """A compiled network that `fit` trains by a step, on photos and pairs (portraits, groups)."""

    def __init__(self, network, step, weight):
        super().__init__()
        self.network, self.step, self.weight = network, step, weight
        self.loss_shown = keras.metrics.Mean("loss")
        self.built = True

    @property
    def metrics(self):
        return [self.loss_shown]

    def train_step(self, data):
        photos, (portraits, groups) = data
        self.loss_shown.update_state(
            self.step(self.network, photos, portraits, groups, self.weight)
        )
        return {"loss": self.loss_shown.result()}

    def test_step(self, data):
        photos, (portraits, _) = data
        made = self.network(photos, training=False)
        self.loss_shown.update_state(ops.mean((made - portraits) ** 2))
        return {"loss": self.loss_shown.result()}


# %% tags=["demo"]
filter_step = fallbacks.choose(filter_step, ours.filter_step, ours.filter_step_works)
network = ready_sharpener()
network.optimizer.build(network.trainable_variables)
fair, began = FairFilter(network, filter_step, weight=0.3), time.perf_counter()
fair.compile(optimizer=None)
stop = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
runs["fair loss"] = fair.fit(
    coarse(learn["photo"]),
    (learn["portrait"], learn["group"]),
    batch_size=64,
    epochs=EPOCHS,
    validation_data=(coarse_held[0], (held["portrait"], held["group"])),
    callbacks=[stop, Progress("A loss that counts groups alike")],
    verbose=0,
).history
seconds["fair loss"] = time.perf_counter() - began
made["fair loss"] = network.predict(far, verbose=0)

# %% tags=["demo"]
audits = {name: audit(made[name]) for name in ("skewed", "redrawn", "fair loss", "balanced")}
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.2), sharey=True)
places = np.arange(len(audits))[::-1]
for axis, number, label in zip(
    axes, (1, 2), ["cross to the other side (%)", "error (pixel values)"]
):
    for group, color in enumerate([plots.BLUE, plots.ORANGE]):
        values = [numbers[number][group] for numbers in audits.values()]
        name = ["darker faces", "lighter faces"][group]
        axis.barh(places + 0.19 - 0.38 * group, values, 0.36, color=color, label=name)
    axis.set_xlabel(label)
axes[0].set_yticks(places, list(audits))
fig.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
fig.suptitle("Each remedy lets fewer darker faces cross", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Bars for four filters and two groups. Left, the percentage of faces that cross to the other group's side: with skewed data many
    darker faces and almost no lighter ones; redrawn, with the fair loss and with balanced data far fewer darker ones and a few lighter
    ones. Right, the error of all pixels: larger for darker faces in the first three filters, about equal for the balanced one.""",
)

# %% tags=["demo", "nbval-check-output"]
print("faces that come out on the other group's side, of 100:")
results.table(
    ("skewed, darker faces", audits["skewed"][1][0], (30, 63)),
    ("redrawn, darker faces", audits["redrawn"][1][0], (11, 26)),
    ("fair loss, darker faces", audits["fair loss"][1][0], (0, 36)),
    ("balanced, darker faces", audits["balanced"][1][0], (0, 20)),
    ("skewed, lighter faces", audits["skewed"][1][1], (0.0, 4.4)),
    ("redrawn, lighter faces", audits["redrawn"][1][1], (0.1, 5.4)),
    ("fair loss, lighter faces", audits["fair loss"][1][1], (0, 13)),
    ("balanced, lighter faces", audits["balanced"][1][1], (0, 11)),
)
print("error of all pixels, 0 to 255:")
results.table(
    ("skewed, darker faces", audits["skewed"][2][0], (29, 40)),
    ("redrawn, darker faces", audits["redrawn"][2][0], (22.4, 28.1)),
    ("fair loss, darker faces", audits["fair loss"][2][0], (24, 43)),
    ("balanced, darker faces", audits["balanced"][2][0], (17.9, 23.4)),
    ("skewed, lighter faces", audits["skewed"][2][1], (18.7, 20.4)),
    ("redrawn, lighter faces", audits["redrawn"][2][1], (19.7, 22.8)),
    ("fair loss, lighter faces", audits["fair loss"][2][1], (19.4, 23.5)),
    ("balanced, lighter faces", audits["balanced"][2][1], (18.9, 23.2)),
)

# %% [markdown]
# With either remedy clearly fewer darker faces cross, in most trainings about half as many or less, without a single new face. The loss repairs what it names, the tone, and little else: over all pixels, with hair and brows and mouths, darker faces stay about as wrong as they were.
# Drawing repairs more, since whole faces are seen more often. More faces repair most: forty-two of them, however often drawn, are forty-two ways to look.
#
# And somebody pays, though little: the pixels of lighter faces get worse by 1 to 4 of 255, and on average a few more lighter faces cross with the fair loss. The evidence in a coarse picture is what it is; to whom the doubt is charged is a *choice*, and it was
# one before, when nobody had made it. Both remedies also needed to know each face's group. Where nobody has noted groups, one can draw by how rare a face is among all others, as another network describes them in a few numbers (Amini and others, 2019): what is rare for any reason is then drawn
# more often.

# %% [markdown]
# ## What was rare becomes rarer
#
# Now to networks that make faces from nothing but noise. Take the GAN of lesson 24, of dense layers, and let it learn portraits from the
# skewed collection. Its darkest skins, tones below 30, are 15 in 1,000. *What share of the generated faces will be as dark: less, as much, or more?*
#
# Counting needs a ruler, and a ruler needs a **control**: what does it show where there is nothing? So a second GAN learns from the
# lighter faces alone, and whatever dark faces are counted in *its* output, there are none. A third one learns from the skewed collection, redrawn until each group is half of what is drawn.


# %%
def face_generator(noise_size=16):
    """A model from noise (batch, noise_size) to pictures (batch, 16, 16, 3) from -1 to 1."""
    noise = x = keras.Input((noise_size,))
    for units in (128, 128):
        x = layers.LeakyReLU(negative_slope=0.2)(layers.Dense(units)(x))
    x = layers.Dense(16 * 16 * 3, activation="tanh", dtype="float32")(x)
    return keras.Model(noise, layers.Reshape((16, 16, 3), dtype="float32")(x))


def face_discriminator():
    """A model from pictures (batch, 16, 16, 3) to logits (batch, 1), positive for "real"."""
    picture = keras.Input((16, 16, 3))
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Dense(128)(layers.Flatten()(picture)))
    return keras.Model(picture, layers.Dense(1, dtype="float32")(layers.Dropout(0.3)(x)))


# %% tags=["demo"]
def generate_faces(pictures, chances, title):
    """2,600 faces (n, 16, 16, 3) by a GAN that learned from pictures, drawn by chances."""
    keras.utils.set_random_seed(SEED)
    gan = GAN(face_generator(), face_discriminator())
    rates = [keras.optimizers.schedules.CosineDecay(2e-3, 1500) for _ in range(2)]
    gan.compile(*(keras.optimizers.Adam(r, beta_1=0.5) for r in rates), steps_per_execution=20)
    pool = tf.constant(2 * pictures - 1)
    logs = tf.math.log(tf.constant(chances[None], "float32"))
    stream = tf.data.Dataset.counter().map(
        lambda _: tf.gather(pool, tf.random.categorical(logs, 64)[0])
    )
    options = {"epochs": 75, "steps_per_epoch": 20, "verbose": 0, "shuffle": False}
    gan.fit(stream.prefetch(2), callbacks=[Progress(title)], **options)
    return (gan.generate(2600, seed=SEED) + 1) / 2


portraits, groups = FACES["skewed"]["portrait"], FACES["skewed"]["group"]
even = 0.5 / np.bincount(groups)[groups]
lighter_only = portraits[groups == 1]
generated = {
    "control": generate_faces(lighter_only, np.full(len(lighter_only), 1.0), "Lighter faces only"),
    "skewed": generate_faces(portraits, np.full(1600, 1.0), "Skewed faces"),
    "redrawn": generate_faces(portraits, even, "Skewed faces, redrawn"),
}

# %% tags=["demo"]
show_rows(
    {"data": portraits[:8]} | {name: faces[:8] for name, faces in generated.items()},
    "Faces of nobody, from three collections",
    """Four rows of eight faces. Faces of the skewed collection, nearly all with lighter skin; and the output of three
    generators, blurred but recognisable as faces: from lighter faces only, from the skewed collection, both with lighter
    skin, and from the redrawn collection with darker and lighter skin.""",
)

# %% tags=["demo", "nbval-check-output"]
tones = {name: np.asarray(tone_of(faces)) for name, faces in generated.items()}


def share(name, low, high):
    """Percent of a generator's faces whose tone lies between two values."""
    return 100 * float(np.mean((tones[name] > low) & (tones[name] < high)))


true_tones = FACES["skewed"]["tone"]
print(f"tones below 30 in the skewed collection: {100 * np.mean(true_tones < 30):.2f} %")
print(f"from 45 to 55, in any collection: {100 * np.mean(abs(true_tones - 50) < 5):.2f} %")
results.table(
    ("below 30, %, control: no darker face in its data", share("control", -99, 30), (0.0, 0.1)),
    ("below 30, %, skewed", share("skewed", -99, 30), (0.0, 0.9)),
    ("below 30, %, redrawn", share("redrawn", -99, 30), (12, 27)),
    ("from 45 to 55, %, control", share("control", 45, 55), (0, 8)),
    ("from 45 to 55, %, skewed", share("skewed", 45, 55), (0, 13)),
    ("from 45 to 55, %, redrawn", share("redrawn", 45, 55), (10, 18)),
)

# %% [markdown]
# The darkest faces become **rarer than they were**: to less than two thirds of their share in the data, and with most seeds to nearly none. Nothing in the loss of lesson 24 asks for shares, and a generator that draws none of them is hardly ever found out. Redrawn, they come back, though not quite to
# the 25 in 100 in which they are drawn then. Drawing repairs *how often*; the collection still holds 24 such faces, and how many *ways* to look there are, no drawing repairs.
#
# The other rows are a warning. Between 45 and 55 there is nobody in any collection, and generators put faces there all the same, with many seeds even the control. Had we drawn the line between *darker* and *lighter* at 50, where it suggests itself, the count would have
# depended on botched faces in no man's land. Below 30 the control shows nothing, so what is counted there is there. Be careful with sentences such as "generators amplify bias": it takes a ruler, a control, and a line that both can bear.

# %% [markdown]
# ## A detector grows old
#
# The same technique puts words into a politician's mouth: footage and voices that never were, **deep fakes**. A classifier that tells generated from real pictures seems the natural answer. Its fakes are 1,600 faces of the
# *skewed* generator from above, its real pictures the 1,600 portraits that this generator has learned from.
#
# Before training, a trap: real pictures were stored as bytes, generated ones come with all their decimals, and a detector that noticed would be perfect and useless. So everything passes through bytes first. The network gets
# augmentation, flips and moves by one pixel, so that it learns faces and not places.


# %%
def as_bytes(pictures):
    """Pictures as they are after having been stored, as float32 from 0 to 1."""
    return np.round(255 * np.clip(pictures, 0, 1)).astype("uint8").astype("float32") / 255


def detector():
    """A model from pictures (batch, 16, 16, 3) to logits (batch, 1), positive for "fake"."""
    x = pictures = keras.Input((16, 16, 3))
    x = layers.RandomFlip("horizontal")(x)
    x = layers.RandomTranslation(1 / 16, 1 / 16, fill_mode="nearest")(x)
    for maps in (12, 24):
        x = layers.Conv2D(maps, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    return keras.Model(pictures, layers.Dense(1, dtype="float32")(x))


# %% [markdown]
# ### Exercise 3: train the detector, and hold it to unseen pictures
#
# Complete `fit_detector(model, real, fakes, epochs, seed)`, which trains a model that is not compiled, from pictures to logits
# (batch, 1), and returns what `fit` returned. `real` and `fakes` are float32 arrays of pictures. There may be more of one than of
# the other, and they come in the order in which they were taken or made.
#
# - The label is 1 for fakes and 0 for real pictures; the loss is binary cross-entropy of logits, the optimizer Adam with a rate of 0.002,
#   in batches of 64.
# - For validation, put aside `len(real) // 5` of the real pictures and `len(fakes) // 5` of the fakes, drawn at random with
#   `np.random.default_rng(seed)`. Nothing is trained on them.
# - Whatever their numbers, real pictures and fakes count one half each, in training and in validation. Give `fit` weights
#   (`sample_weight`, and as the third of `validation_data`): each picture has $(r + f)/(2r)$ if it is real and $(r + f)/(2f)$ if it is a fake, where
#   $r$ and $f$ are the numbers of real pictures and fakes. So their mean is about 1.
# - Training ends when 5 epochs in a row have brought no new minimum of the loss on the validation pictures, or after `epochs`
#   epochs; then the model has the weights of its best epoch. `verbose=0`.


# %%
def two_kinds(seed, counts, size=6, apart=1.0):
    """Rows of random numbers, `counts` of two kinds; their first number tells them apart."""
    rng = np.random.default_rng(seed)
    kinds = [rng.normal(size=(count, size)).astype("float32") for count in counts]
    for rows, sign in zip(kinds, (-1, 1)):
        rows[:, 0] += sign * apart
    return kinds


def small_detector(seed, size=6, units=16):
    """A model from rows to logits, for tests."""
    keras.utils.set_random_seed(seed)
    x = keras.Input((size,))
    hidden = layers.Dense(units, activation="relu")(x)
    return keras.Model(x, layers.Dense(1, dtype="float32")(hidden))


# %% grade_id="fit_detector" solution=true
def fit_detector(model, real, fakes, epochs, seed):
    """Train a model to tell fakes (1) from real pictures (0); returns its history."""
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    train, held = [], []
    for label, pictures in enumerate((real, fakes)):
        weight = (len(real) + len(fakes)) / (2 * len(pictures))
        order = rng.permutation(len(pictures))
        for part, places in zip((held, train), np.split(order, [len(pictures) // 5])):
            size = len(places)
            part.append((pictures[places], np.full((size, 1), label), np.full(size, weight)))
    x, y, weights = (np.concatenate(arrays) for arrays in zip(*train))
    validation = tuple(np.concatenate(arrays) for arrays in zip(*held))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss)
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    options = {"batch_size": 64, "epochs": epochs, "callbacks": [stop], "verbose": 0}
    return model.fit(x, y, sample_weight=weights, validation_data=validation, **options)
    ### END SOLUTION


# %% grade_id="fit_detector_form" points=1
model, (real, fakes) = small_detector(1), two_kinds(1, (403, 198), apart=1.5)
history = fit_detector(model, real.copy(), fakes.copy(), 12, 0)
log = getattr(history, "history", None)
assert isinstance(log, dict), f"Return what `fit` returned; you returned {type(history).__name__}."
assert 6 <= len(log.get("val_loss", [])) == len(log["loss"]) <= 12, (
    f"The history should have loss and val_loss of up to 12 epochs; it has {sorted(log)}, {len(log['loss'])} epochs."
)
more_real, more_fakes = two_kinds(2, (300, 300), apart=1.5)
right = [float(np.mean(np.asarray(model(rows)) > 0)) for rows in (more_fakes, more_real)]
# Over 20 seeds a right answer has .85 or more of the one, and .15 or less of the other.
assert right[0] > 0.75 > 0.25 > right[1], (
    f"Logits should be positive for fakes: they are for {right[0]:.0%} of new fakes, and for {right[1]:.0%} of new real rows."
)

# %% grade_id="fit_detector_weights" points=2
# Real rows are all alike, and so are the fakes: the loss of a model that has not learned yet is known.
for counts in [(500, 100), (90, 810)]:
    model = small_detector(3, 1, 2)
    model.set_weights(
        [np.array([[1.0, -1.0]]), np.zeros(2), np.array([[1.0], [-2.0]]), np.zeros(1)]
    )
    real, fakes = (np.full((count, 1), x, "float32") for count, x in zip(counts, (-1, 0.5)))
    log = fit_detector(model, real, fakes, 1, 0).history
    want = (np.log1p(np.exp(-2)) + np.log1p(np.exp(-0.5))) / 2
    for name in ("loss", "val_loss"):
        # It learns a little meanwhile, and the last batch is smaller: over 20 seeds less than .02 off.
        got = log[name][0]
        assert abs(got - want) < 0.045, (
            f"{counts[0]} real rows with logits of -2, {counts[1]} fakes with logits of .5, each kind counting one half: after one epoch "
            f"{name} should be about {want:.3f}, and is {got:.3f}. Are there both kinds in it, with their weights and labels?"
        )

# %% grade_id="fit_detector_unseen" points=2
# Hidden tests: pure noise can be learned by heart, and then held-out rows get worse and worse.
### BEGIN HIDDEN TESTS
model, (real, fakes) = small_detector(4, 30, 128), two_kinds(4, (260, 190), 30, 0.0)
log = fit_detector(model, real.copy(), fakes.copy(), 60, 1).history
losses = log["val_loss"]
best = int(np.argmin(losses))
assert len(losses) == best + 6 < 60, (
    f"On pure noise the loss on held-out rows soon rises, and training stops 5 epochs after its best; yours ended after {len(losses)} of "
    f"60, and the lowest val_loss was in epoch {best + 1}. Is anything trained on what is held out?"
)
# The kept weights are those of the best epoch, from which the next one began.
logits = [np.asarray(model(rows)) for rows in (real, fakes)]
kept = (np.log1p(np.exp(logits[0])).mean() + np.log1p(np.exp(-logits[1])).mean()) / 2
want = 0.8 * log["loss"][best + 1] + 0.2 * losses[best]
assert abs(kept - want) < 0.03, (
    f"With the weights of the best epoch the loss on all rows is about {want:.3f}; with those that the model has it is {kept:.3f}."
)
### END HIDDEN TESTS

# %% grade_id="fit_detector_random" points=1
# Hidden tests: fakes that were made last are unlike the others; are some of them on both sides?
### BEGIN HIDDEN TESTS
model, (real, fakes) = small_detector(3), two_kinds(3, (150, 405), apart=2.0)
fakes[-81:, 0] -= 40
log = fit_detector(model, real.copy(), fakes.copy(), 2, 3).history
gap = abs(log["val_loss"][0] - log["loss"][1])
assert gap < 0.8, (
    f"150 real rows and 405 fakes, of which the last fifth is unlike the others: loss and val_loss differ by {gap:.3f}. Draw at "
    "random what is put aside."
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# Real pictures and fakes are not weighted, so the detector leans to what there was more of.
def fit_detector(model, real, fakes, epochs, seed):
    rng = np.random.default_rng(seed)
    train, held = [], []
    for label, pictures in enumerate((real, fakes)):
        order, count = rng.permutation(len(pictures)), len(pictures) // 5
        for part, places in ((held, order[:count]), (train, order[count:])):
            part.append((pictures[places], np.full((len(places), 1), label)))
    x, y = (np.concatenate(arrays) for arrays in zip(*train))
    validation = tuple(np.concatenate(arrays) for arrays in zip(*held))
    model.compile(keras.optimizers.Adam(0.002), keras.losses.BinaryCrossentropy(from_logits=True))
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    options = {"batch_size": 64, "epochs": epochs, "callbacks": [stop], "verbose": 0}
    return model.fit(x, y, validation_data=validation, **options)


# %% tags=["misconception"]
# Keras puts aside the last fifth of the arrays, which holds fakes only.
def fit_detector(model, real, fakes, epochs, seed):
    x = np.concatenate([real, fakes])
    y = np.repeat([0.0, 1.0], [len(real), len(fakes)])[:, None]
    weights = np.where(y[:, 0] == 1, len(x) / 2 / len(fakes), len(x) / 2 / len(real))
    model.compile(keras.optimizers.Adam(0.002), keras.losses.BinaryCrossentropy(from_logits=True))
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    options = {"batch_size": 64, "epochs": epochs, "callbacks": [stop], "verbose": 0}
    return model.fit(x, y, sample_weight=weights, validation_split=0.2, **options)


# %% tags=["misconception"]
# What is put aside for validation is trained on as well.
def fit_detector(model, real, fakes, epochs, seed):
    rng = np.random.default_rng(seed)
    x = np.concatenate([real, fakes])
    y = np.repeat([0.0, 1.0], [len(real), len(fakes)])[:, None]
    weights = np.where(y[:, 0] == 1, len(x) / 2 / len(fakes), len(x) / 2 / len(real))
    held = [rng.permutation(len(real))[: len(real) // 5]]
    held.append(len(real) + rng.permutation(len(fakes))[: len(fakes) // 5])
    held = np.concatenate(held)
    model.compile(keras.optimizers.Adam(0.002), keras.losses.BinaryCrossentropy(from_logits=True))
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    options = {"batch_size": 64, "epochs": epochs, "callbacks": [stop], "verbose": 0}
    validation = x[held], y[held], weights[held]
    return model.fit(x, y, sample_weight=weights, validation_data=validation, **options)


# %% tags=["misconception"]
# The loss is not told that it gets logits, and takes them for probabilities.
def fit_detector(model, real, fakes, epochs, seed):
    rng = np.random.default_rng(seed)
    train, held = [], []
    for label, pictures in enumerate((real, fakes)):
        weight = (len(real) + len(fakes)) / (2 * len(pictures))
        order, count = rng.permutation(len(pictures)), len(pictures) // 5
        for part, places in ((held, order[:count]), (train, order[count:])):
            size = len(places)
            part.append((pictures[places], np.full((size, 1), label), np.full(size, weight)))
    x, y, weights = (np.concatenate(arrays) for arrays in zip(*train))
    validation = tuple(np.concatenate(arrays) for arrays in zip(*held))
    model.compile(keras.optimizers.Adam(0.002), "binary_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    options = {"batch_size": 64, "epochs": epochs, "callbacks": [stop], "verbose": 0}
    return model.fit(x, y, sample_weight=weights, validation_data=validation, **options)


# %% tags=["misconception"]
# The labels are swapped: real pictures have 1, so the detector is positive for what is real.
def fit_detector(model, real, fakes, epochs, seed):
    rng = np.random.default_rng(seed)
    train, held = [], []
    for label, pictures in ((1, real), (0, fakes)):
        weight = (len(real) + len(fakes)) / (2 * len(pictures))
        order, count = rng.permutation(len(pictures)), len(pictures) // 5
        for part, places in ((held, order[:count]), (train, order[count:])):
            size = len(places)
            part.append((pictures[places], np.full((size, 1), label), np.full(size, weight)))
    x, y, weights = (np.concatenate(arrays) for arrays in zip(*train))
    validation = tuple(np.concatenate(arrays) for arrays in zip(*held))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss)
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    options = {"batch_size": 64, "epochs": epochs, "callbacks": [stop], "verbose": 0}
    return model.fit(x, y, sample_weight=weights, validation_data=validation, **options)


# %% tags=["misconception"]
# Training goes on to the last epoch and keeps its weights, whatever the validation pictures say.
def fit_detector(model, real, fakes, epochs, seed):
    rng = np.random.default_rng(seed)
    train, held = [], []
    for label, pictures in enumerate((real, fakes)):
        weight = (len(real) + len(fakes)) / (2 * len(pictures))
        order, count = rng.permutation(len(pictures)), len(pictures) // 5
        for part, places in ((held, order[:count]), (train, order[count:])):
            size = len(places)
            part.append((pictures[places], np.full((size, 1), label), np.full(size, weight)))
    x, y, weights = (np.concatenate(arrays) for arrays in zip(*train))
    validation = tuple(np.concatenate(arrays) for arrays in zip(*held))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss)
    options = {"batch_size": 64, "epochs": epochs, "verbose": 0}
    return model.fit(x, y, sample_weight=weights, validation_data=validation, **options)


# %% tags=["misconception"]
# The weights reach the training, and the validation loss is computed without them.
def fit_detector(model, real, fakes, epochs, seed):
    rng = np.random.default_rng(seed)
    train, held = [], []
    for label, pictures in enumerate((real, fakes)):
        weight = (len(real) + len(fakes)) / (2 * len(pictures))
        order, count = rng.permutation(len(pictures)), len(pictures) // 5
        for part, places in ((held, order[:count]), (train, order[count:])):
            size = len(places)
            part.append((pictures[places], np.full((size, 1), label), np.full(size, weight)))
    x, y, weights = (np.concatenate(arrays) for arrays in zip(*train))
    validation = tuple(np.concatenate(arrays) for arrays in zip(*held))[:2]
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss)
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    options = {"batch_size": 64, "epochs": epochs, "callbacks": [stop], "verbose": 0}
    return model.fit(x, y, sample_weight=weights, validation_data=validation, **options)


# %% tags=["alternative"]
# Labels and weights of all pictures first, and then one vector that says what is put aside.
def fit_detector(model, real, fakes, epochs, seed):
    rng, counts = np.random.default_rng(seed), [len(real), len(fakes)]
    pictures, is_fake = np.concatenate([real, fakes]), np.repeat([0, 1], counts)
    weights = sum(counts) / 2 / np.array(counts)[is_fake]
    aside = np.zeros(len(pictures), bool)
    for first, count in zip((0, counts[0]), counts):
        aside[first + rng.choice(count, count // 5, replace=False)] = True
    arrays = pictures, is_fake[:, None].astype("float32"), weights
    kept, held = ([array[part] for array in arrays] for part in (~aside, aside))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.002),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    best = keras.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    return model.fit(
        *kept[:2],
        batch_size=64,
        epochs=epochs,
        sample_weight=kept[2],
        validation_data=tuple(held),
        callbacks=[best],
        verbose=0,
    )


# %% tags=["alternative"]
# scikit-learn splits by kind, and a tf.data pipeline brings the batches.
def fit_detector(model, real, fakes, epochs, seed):
    from sklearn.model_selection import train_test_split

    rng = np.random.default_rng(seed)
    parts = []
    for label, rows in enumerate((real, fakes)):
        size = len(rows) // 5
        mix = train_test_split(rows, test_size=size, random_state=int(rng.integers(1000)))
        half = (len(real) + len(fakes)) / len(rows) / 2
        parts.append([(x, np.full((len(x), 1), label), np.full(len(x), half)) for x in mix])
    sets = [[np.concatenate(pair) for pair in zip(*two)] for two in zip(*parts)]
    kept, held = (tf.data.Dataset.from_tensor_slices(tuple(arrays)) for arrays in sets)
    model.compile(
        keras.optimizers.Adam(2e-3), loss=keras.losses.BinaryCrossentropy(from_logits=True)
    )
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    batches = kept.shuffle(len(sets[0][0]), seed=seed).batch(64)
    return model.fit(
        batches, validation_data=held.batch(256), epochs=epochs, callbacks=[stop], verbose=0
    )


# %% [markdown]
# *How good will it be on new faces of the same generator? On a newer one, the redrawn one from above, and on one of another kind, a Gaussian mixture as in lesson 24?* (It is fitted to 40
# numbers for each picture, which **PCA** finds: how far the picture lies along the 40 directions in which the pictures vary most.) The measure is the AUROC, how often a fake gets a higher score than a real test picture: 1 is
# perfect, .5 is guessing. *And whose true pictures will it accuse? Its real examples were 97 in 100 lighter.*

# %% tags=["demo"]
fit_detector = fallbacks.choose(fit_detector, ours.fit_detector, ours.fit_detector_works)
keras.utils.set_random_seed(SEED)
police, began = detector(), time.perf_counter()
fakes = {name: as_bytes(faces) for name, faces in generated.items()}
log = fit_detector(police, portraits, fakes["skewed"][:1600], 14, SEED).history
police_seconds = time.perf_counter() - began

# %% tags=["demo"]
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture

directions = PCA(40, random_state=SEED).fit(flatten(portraits))
spots = directions.transform(flatten(portraits))
clouds = GaussianMixture(20, covariance_type="diag", reg_covar=1e-3, random_state=SEED).fit(spots)
mixture = directions.inverse_transform(clouds.sample(1000)[0]).reshape(-1, 16, 16, 3)
says = {
    "same": fakes["skewed"][1600:],
    "newer": fakes["redrawn"][:1000],
    "mixture": as_bytes(mixture.astype("float32")),
    "real": test["portrait"],
}
says = {name: police.predict(faces, verbose=0)[:, 0] for name, faces in says.items()}


# %% tags=["demo", "nbval-check-output"]
def auroc(name):
    """How often a fake gets a higher logit than a real test picture."""
    logits = np.concatenate([says["real"], says[name]])
    return roc_auc_score(np.repeat([0, 1], [400, len(says[name])]), logits)


limit = np.quantile(says["real"][~IS_DARKER], 0.95)
accused = 100 * float(np.mean(says["real"][IS_DARKER] > limit))
results.table(
    ("validation loss, best epoch", min(log["val_loss"]), (0.01, 0.34)),
    ("AUROC, the generator that it learned from", auroc("same"), (0.991, 1.000)),
    ("AUROC, the newer generator", auroc("newer"), (0.3, 1.0)),
    ("AUROC, the mixture", auroc("mixture"), (0.35, 0.71)),
    ("real darker faces accused, %, where 5 % of lighter ones are", accused, (0, 52)),
    parameters=[police.count_params(), None, None, None, None],
    seconds=[police_seconds, None, None, None, None],
)

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.2))
kinds = {
    "real, lighter": says["real"][~IS_DARKER],
    "real, darker": says["real"][IS_DARKER],
    "same generator": says["same"],
    "newer generator": says["newer"],
    "mixture": says["mixture"],
}
colors = [plots.ORANGE, plots.BLUE, plots.VERMILION, plots.PINK, plots.GREEN]
boxes = axis.boxplot(list(kinds.values()), vert=False, whis=(5, 95), showfliers=False, widths=0.6)
for line, color in zip(boxes["boxes"], colors):
    line.set(color=color, lw=2)
axis.set_yticks(range(1, 6), list(kinds))
axis.invert_yaxis()
axis.axvline(0, color=plots.BLACK, lw=1)
axis.set_xlabel("logit (to the right: fake)")
axis.set_title("It learned the habits of one generator")
plots.show(
    fig,
    alt="""Boxes of the detector's logits for five kinds of faces. Real ones, lighter and darker, lie left of zero; those of the
    generator that it learned from lie far to the right; those of the newer generator are spread in between, and the mixture's
    lie on the side of the real ones.""",
)

# %% [markdown]
# It did not learn what real faces are. It learned the habits of one generator. Of a newer one of the same make it finds some, with a few seeds none, and faces of the mixture, which are smooth where the GAN's are grainy, it cannot tell from real ones.
# A detector can only be trained on generators that are known, so it is always late; and one that is published can serve as the next generator's discriminator.
#
# The last row of the table is a question of fairness, too. Darker faces were rare among its real examples, and in most of our trainings it accuses their true portraits more often than those of lighter faces, in some of them several times as often. The validation loss
# says nothing of it. Nobody would know without having measured.
#
# ### Where fakes are rare
#
# The detector learned from as many fakes as real pictures. Where it works, one picture in a thousand may be generated. What does its "97 % fake" mean there? By **Bayes' rule**,
# the **odds** (the probability of fake divided by that of real) are a product of what the picture says and what was to be expected before. Only the second factor changes with the place:
#
# $$\underbrace{\frac{P(\text{fake} \mid x)}{P(\text{real} \mid x)}}_{\text{odds here}} = \underbrace{e^{\ell}}_{\text{odds as trained}} \cdot
# \frac{\pi\,/\,(1-\pi)}{\pi_0\,/\,(1-\pi_0)}$$
#
# $\ell$ is the detector's logit, $\pi_0$ the share of fakes that it was trained with, and $\pi$ the share where it is used. It is assumed that fakes and real
# pictures themselves look as in training. (Weights count as numbers do: the detector of exercise 3 has $\pi_0 = .5$.)
#
# ### Exercise 4: the same detector, elsewhere
#
# Complete `at_share(model, trained_share, share)`. `model` is a Keras model from pictures to logits (batch, 1), positive for
# "fake", which learned where a part `trained_share` of the pictures were fakes. Return a Keras model from the same pictures
# to **probabilities** of "fake" (batch, 1) where a part `share` are. Both are numbers between 0 and 1, not included.
#
# - In logits, the product of odds becomes a sum: the new logit is $\ell$ plus the logarithm of the second factor. A sigmoid
#   makes the probability of it. Logits may be as large as ±500; the probabilities must stay finite.
# - It has the weights of `model` and no others. A model can be called like a layer, and `ops` and `+` work on its outputs.
# - The probabilities are float32, also where `model` computes in half precision and gives such logits (`ops.cast`, or a layer with
#   `dtype="float32"`).


# %%
def stretcher(factor, shape=(3,), kind="float32"):
    """A model from rows of numbers to a logit: `factor` times their sum."""
    x = keras.Input(shape)
    flat = layers.Flatten()(x)
    model = keras.Model(x, layers.Dense(1, use_bias=False, dtype=kind)(flat))
    model.set_weights([np.full((int(np.prod(shape)), 1), factor)])
    return model


# %% grade_id="at_share" solution=true
def at_share(model, trained_share, share):
    """A model that gives the probability of "fake" where fakes have another share."""
    ### BEGIN SOLUTION
    moved = np.log(share / (1 - share)) - np.log(trained_share / (1 - trained_share))
    pictures = keras.Input(model.input_shape[1:])
    logits = ops.cast(model(pictures), "float32") + float(moved)
    return keras.Model(pictures, ops.sigmoid(logits))
    ### END SOLUTION


# %% grade_id="at_share_form" points=1
model, rows = stretcher(1.0), np.array([[1.0, 1, 1], [0, 0, 0], [-1, 0, -2]], "float32")
moved = at_share(model, 0.5, 0.1)
assert isinstance(moved, keras.Model), f"Return a Keras model; you returned {type(moved).__name__}."
got = np.asarray(moved(rows))
assert got.shape == (3, 1), f"Three pictures: expected answers of shape (3, 1), got {got.shape}."
assert np.allclose(got[:, 0], [0.690576, 0.1, 0.005501], atol=1e-4), (
    "A detector that learned from as many fakes as real pictures gives logits of 3, 0 and -3. Where a tenth are fakes that means "
    f"0.6906, 0.1000 and 0.0055; got {got[:, 0].round(4).tolist()}."
)

# %% grade_id="at_share_values" points=2
# Hidden tests: other shares in training and elsewhere, pictures of another shape, logits far from zero, weights.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(5)
for trained, share, shape in [(0.5, 0.001, (4,)), (0.2, 0.2, (2, 2, 3)), (0.8, 0.3, (5, 1, 1))]:
    model = stretcher(0.7, shape)
    pictures = rng.normal(0, 1.5, (40, *shape)).astype("float32")
    says = 1 / (1 + np.exp(-np.asarray(model(pictures))))
    fake, real = says / trained * share, (1 - says) / (1 - trained) * (1 - share)
    want = fake / (fake + real)
    answer = at_share(model, trained, share)
    got = np.asarray(answer(pictures))
    assert got.shape == want.shape, f"Expected answers of shape {want.shape}, got {got.shape}."
    off = np.abs(got - want).max()
    assert off < 1e-4, (
        f"Trained with a share of {trained}, used where it is {share}: a probability is off by {off:.4f}. Which factor of the odds is "
        "from training, and which from the place?"
    )
    assert answer.count_params() == model.count_params(), "It has other weights than the model."
far = np.array([[500.0], [-500.0], [12.0], [16.0]], "float32")
got = np.asarray(at_share(stretcher(1.0, (1,)), 0.5, 1e-5)(far))[:, 0]
assert np.all(np.isfinite(got)), f"At logits of plus and minus 500 the answers are {got[:2]}."
assert np.allclose(got, [1, 0, 0.619417, 0.988873], atol=1e-3), (
    f"Where one in 100,000 is fake, logits of 500, -500, 12 and 16 mean 1, 0, 0.619 and 0.989; got {got.round(3).tolist()}."
)
### END HIDDEN TESTS

# %% grade_id="at_share_float32" points=1
# A detector that computes in half precision gives logits of that kind; the probabilities are float32.
half = stretcher(0.5, kind="mixed_bfloat16")
answers = at_share(half, 0.3, 0.01)(np.ones((2, 3), "float32"))
kind = keras.backend.standardize_dtype(answers.dtype)
assert kind == "float32", (
    f"From logits in bfloat16, the probabilities should be float32; they are {kind}."
)
got = float(answers[0, 0])
assert abs(got - 0.0955) < 2e-3, (
    f"A logit of 1.5, 0.3 in training, 0.01 here: 0.0955; got {got:.4f}."
)
half.set_weights([np.zeros((3, 1))])
got = float(at_share(half, 0.5, 0.01)(np.ones((2, 3), "float32"))[0, 0])
assert abs(got - 0.01) < 1e-4, (
    f"A detector that says 0 after training with as many fakes as real pictures knows nothing, so 0.01 stays 0.01; got {got:.4f}."
)


# %% tags=["misconception"]
# The two shares have changed places.
def at_share(model, trained_share, share):
    moved = np.log(trained_share / (1 - trained_share)) - np.log(share / (1 - share))
    pictures = keras.Input(model.input_shape[1:])
    sigmoid = layers.Activation("sigmoid", dtype="float32")
    return keras.Model(pictures, sigmoid(model(pictures) + moved))


# %% tags=["misconception"]
# The share in training is taken to be one half, whatever it was.
def at_share(model, trained_share, share):
    pictures = keras.Input(model.input_shape[1:])
    sigmoid = layers.Activation("sigmoid", dtype="float32")
    return keras.Model(pictures, sigmoid(model(pictures) + np.log(share / (1 - share))))


# %% tags=["misconception"]
# The probability is multiplied by the share of fakes, and the real pictures are left out of the account.
def at_share(model, trained_share, share):
    pictures = keras.Input(model.input_shape[1:])
    says = layers.Activation("sigmoid", dtype="float32")(model(pictures))
    return keras.Model(pictures, says * (share / trained_share))


# %% tags=["misconception"]
# The logarithms of the shares are used where those of their odds belong.
def at_share(model, trained_share, share):
    pictures = keras.Input(model.input_shape[1:])
    sigmoid = layers.Activation("sigmoid", dtype="float32")
    moved = model(pictures) + np.log(share / trained_share)
    return keras.Model(pictures, sigmoid(moved))


# %% tags=["misconception"]
# What comes back are logits, moved to the right place; nothing makes probabilities of them.
def at_share(model, trained_share, share):
    moved = np.log(share / (1 - share)) - np.log(trained_share / (1 - trained_share))
    pictures = keras.Input(model.input_shape[1:])
    return keras.Model(pictures, layers.Rescaling(1.0, moved, dtype="float32")(model(pictures)))


# %% tags=["misconception"]
# The odds are computed as such, and overflow where the detector is very sure.
def at_share(model, trained_share, share):
    factor = share / (1 - share) * (1 - trained_share) / trained_share
    pictures = keras.Input(model.input_shape[1:])
    odds = ops.exp(model(pictures)) * factor
    return keras.Model(pictures, odds / (1 + odds))


# %% tags=["misconception"]
# Logits in half precision are left so, and so are the probabilities.
def at_share(model, trained_share, share):
    odds = share / (1 - share) * (1 - trained_share) / trained_share
    pictures = keras.Input(model.input_shape[1:])
    return keras.Model(pictures, ops.sigmoid(model(pictures) + float(np.log(odds))))


# %% tags=["misconception"]
# Logits are cut off at plus and minus 10 against overflow, which makes a sure detector doubtful where fakes are rare.
def at_share(model, trained_share, share):
    moved = np.log(share / (1 - share)) - np.log(trained_share / (1 - trained_share))
    pictures = keras.Input(model.input_shape[1:])
    sigmoid = layers.Activation("sigmoid", dtype="float32")
    return keras.Model(pictures, sigmoid(ops.clip(model(pictures), -10, 10) + moved))


# %% tags=["alternative"]
# A Rescaling layer adds the constant, and the model's own graph is continued.
def at_share(model, trained_share, share):
    odds = share / (1 - share) * (1 - trained_share) / trained_share
    x = layers.Rescaling(1.0, float(np.log(odds)), dtype="float32")(model.outputs[0])
    return keras.Model(model.inputs[0], layers.Activation("sigmoid", dtype="float32")(x))


# %% tags=["alternative"]
# A Sequential around the model, with the sigmoid as the activation of an addition.
def at_share(model, trained_share, share):
    prior, place = (np.log(part) - np.log1p(-part) for part in (trained_share, share))
    steps = [
        keras.Input(model.input_shape[1:]),
        model,
        layers.Rescaling(1.0, float(place - prior), dtype="float32"),
        layers.Activation("sigmoid", dtype="float32"),
    ]
    return keras.Sequential(steps)


# %% [markdown]
# So what is a score of 97 % worth?

# %% tags=["demo", "nbval-check-output"]
at_share = fallbacks.choose(at_share, ours.at_share, ours.at_share_works)
scale = keras.Sequential([keras.Input((1,)), layers.Rescaling(1.0, dtype="float32")])
certain = np.log(np.array([[0.97 / 0.03]], "float32"))
for place in (0.5, 0.01, 0.001):
    worth = float(at_share(scale, 0.5, place)(certain)[0, 0])
    print(f"one picture in {1 / place:5.0f} is fake: the score of 97 % means {worth:.0%}")

# %% [markdown]
# Where one in a thousand is fake, 97 of 100 such alarms are false, and each accuses a true picture. Three things no detector settles: whether a picture that it lets pass is
# true; whether a generated one deceives (a cartoon does not); and what happens when people, knowing that fakes exist, wave away true footage as fake.
#
# ### The other road: say where it comes from
#
# Instead of guessing whether a picture is false, one can prove that it is unchanged. Whoever takes it attaches a **signature**, a number computed from all its bytes and a secret key; whoever has the key
# can check it. Python's `hmac` does it in a line. We change one pixel by one step.

# %% tags=["demo", "nbval-check-output"]
import hashlib
import hmac

key = b"known to the camera and to the one who checks"
picture = np.arange(64, dtype=np.uint8).reshape(8, 8)


def signature_of(picture):
    """A number, in hexadecimal, that no one can compute without the key."""
    return hmac.new(key, picture.tobytes(), hashlib.sha256).hexdigest()


changed = picture.copy()
changed[3, 4] += 1
for name, one in [("as taken", picture), ("one pixel brighter by 1", changed)]:
    same = hmac.compare_digest(signature_of(one), signature_of(picture))
    print(f"{name}: {signature_of(one)[:12]}…, {'unchanged' if same else 'changed'}")

# %% [markdown]
# This does not age with generators. It has limits of another kind. Here both sides hold one secret, so whoever can check can also sign; real systems (C2PA is the best
# known) sign with a private key and check with a public one. Each honest edit must be signed anew, platforms strip the signature, most pictures have none, and a signed photo of a staged scene is staged.

# %% [markdown]
# ## Samples that are not data
#
# Can a generator make more data where there are few? Take ten real digits of each kind, from 13 people's writing, and a **support-vector machine** (a classical classifier, strong where there are few examples). There are four ways to have more:
# fifty *generated* of each kind, by bell-shaped clouds around the means of these same ten; **ordinary augmentation**, each image shifted by a pixel in four directions; fifty generated by clouds
# fitted to all the *other* training digits, which we do not have (they play another hospital, which may not share its films, but may share a generator); and ten more real ones. *Put them in order.*


# %% tags=["demo"]
def fit_clouds(pictures, names):
    """Bell-shaped clouds: classes, their means, one covariance for all, shares of the classes."""
    kinds = np.unique(names)
    means = np.array([pictures[names == kind].mean(axis=0) for kind in kinds])
    rest = pictures - means[np.searchsorted(kinds, names)]
    covariance = rest.T @ rest / (len(pictures) - len(kinds))
    return kinds, means, covariance, np.array([np.mean(names == kind) for kind in kinds])


def draw_from(clouds, names, rng):
    """A sample of clouds for each name; nothing is cut off."""
    kinds, means, covariance, _ = clouds
    sizes, axes = np.linalg.eigh(covariance)
    noise = rng.normal(size=(len(names), len(sizes))) * np.sqrt(sizes.clip(0))
    return means[np.searchsorted(kinds, names)] + noise @ axes.T


def with_shifts(pictures, names):
    """Each picture, and four copies moved by a pixel; paper comes in at the side."""
    padded = np.pad(pictures.reshape(-1, 8, 8), [(0, 0), (1, 1), (1, 1)], constant_values=-1)
    corners = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]
    moved = [padded[:, row : row + 8, column : column + 8] for row, column in corners]
    return flatten(np.concatenate(moved)), np.tile(names, 5)


# %% tags=["demo"]
from sklearn.svm import SVC

digits, digit_names = datasets.arrays("digits", "train", as_supervised=True, scaled=True)
new_digits, new_names = datasets.arrays("digits", "test", as_supervised=True, scaled=True)
flat, new_flat = 2 * flatten(digits) - 1, 2 * flatten(new_digits) - 1
fifty, scores = np.repeat(np.arange(10), 50), {}
for trial in range(10):
    rng = np.random.default_rng([SEED, trial])
    order = [rng.permutation(np.flatnonzero(digit_names == digit)) for digit in range(10)]
    ten, more = (np.concatenate([index[:n] for index in order]) for n in (10, 20))
    others = np.concatenate([index[20:] for index in order])
    own, rest, twice = ((flat[index], digit_names[index]) for index in (ten, others, more))
    sets = {
        "ten real": own,
        "+ generated from them": (draw_from(fit_clouds(*own), fifty, rng), fifty),
        "+ shifted": with_shifts(*own),
        "+ by others' generator": (draw_from(fit_clouds(*rest), fifty, rng), fifty),
        "+ ten more real": twice,
    }
    for name, extra in sets.items():
        x, y = (np.concatenate(pair) for pair in zip(own, extra, strict=True))
        scores.setdefault(name, []).append(100 * SVC(C=10).fit(x, y).score(new_flat, new_names))

# %% tags=["demo", "nbval-check-output"]
mean = {name: float(np.mean(values)) for name, values in scores.items()}
print("unseen digits read right, of 100, mean of ten draws:")
results.table(
    ("ten real", mean["ten real"], (91.4, 93.8)),
    ("+ generated from them", mean["+ generated from them"], (89.5, 91.9)),
    ("+ shifted", mean["+ shifted"], (92.6, 94.7)),
    ("+ by others' generator", mean["+ by others' generator"], (93.8, 95.9)),
    ("+ ten more real", mean["+ ten more real"], (95.0, 96.9)),
)

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 2.9))
for place, values in enumerate(scores.values()):
    axis.plot(values, np.full(10, -place), "o", color=plots.SKY, ms=5)
    axis.plot(np.mean(values), -place, "|", color=plots.BLUE, ms=22, mew=3)
axis.set_yticks(-np.arange(len(scores)), list(scores))
axis.set_ylim(-4.5, 0.5)
axis.set_xlabel("unseen digits read right, of 100")
title = "Ten draws and their mean: a generator adds what it learned elsewhere"
fig.suptitle(title, x=0.01, ha="left", fontsize=11)
plots.show(
    fig,
    alt="""Scores of five training sets, ten draws each. Samples generated from the same ten real digits a class make it worse; shifted copies help, samples by a
    generator that has learned from other data help too, and ten more real digits help most.""",
)

# %% [markdown]
# Generated from the same ten, they *hurt*: they hold no more than the ten did, plus the generator's mistakes. Shifting adds
# knowledge, namely ours: a moved 3 is a 3. The others' generator adds knowledge as well: theirs. And ten more real digits beat all. In medicine, where one cannot always
# ask for ten more, the second and third are worth a trial, and the first deserves suspicion. The test set must be real.
#
# ### Living on one's own output
#
# The web fills with generated pictures, and the next generator learns from the web. Here is that circle in small. The clouds are fitted to real digits, shares of the ten digits included; they make as many labelled digits; the next clouds are fitted to
# those, and so on for fifty generations. Once with 100 digits a generation, once with 2,000, and once with 100 of which every time half are real. Nothing is cut off at the edge of what a pixel can be, and
# covariances are estimated without bias, so that nothing shrinks by itself. *What will be lost: variance, or kinds of digits?*


# %% tags=["demo"]
def generations(count, real_share, rng):
    """For fifty generations: kinds of digits left, and variance as a part of that of real digits."""
    picked = rng.choice(len(flat), count)
    pictures, names, kept = flat[picked], digit_names[picked], []
    for _ in range(50):
        clouds = fit_clouds(pictures, names)
        names = rng.choice(clouds[0], count, p=clouds[3])
        pictures = draw_from(clouds, names, rng)
        kept.append((len(np.unique(names)), pictures.var(axis=0).sum() / flat.var(axis=0).sum()))
        real = rng.choice(len(flat), round(real_share * count))
        places = slice(0, len(real))
        pictures[places], names[places] = flat[real], digit_names[real]
    return np.array(kept), pictures


rng = np.random.default_rng(SEED)
settings = {
    "100, own output only": (100, 0, 10),
    "100, half of them real": (100, 0.5, 10),
    "2,000, own output only": (2000, 0, 2),
}
chains = {
    name: [generations(count, part, rng) for _ in range(repeats)]
    for name, (count, part, repeats) in settings.items()
}

# %% tags=["demo"]
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.2))
for (name, several), color in zip(chains.items(), [plots.VERMILION, plots.BLUE, plots.GREEN]):
    for axis, column in zip(axes, (0, 1)):
        values = np.mean([kept[:, column] for kept, _ in several], axis=0)
        axis.plot(np.arange(1, 51), values, color=color, label=name)
axes[0].set(xlabel="generation", ylabel="kinds of digits left", ylim=(0, 10.5))
axes[1].set(xlabel="generation", ylabel="variance (real: 1)", ylim=(0, None))
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=1)
fig.suptitle("Kinds die out, and the variance does not show it", x=0.01, ha="left", fontsize=12)
plots.show(
    fig,
    alt="""Two plots over fifty generations. Left, the kinds of digits that are left: with 100 own samples a generation they fall from ten to about
    four; with half of them real, or with 2,000 samples, they stay at or near ten. Right, the variance: nowhere does it fall much below that of real
    digits, and with 100 own samples it is above.""",
)

# %% tags=["demo", "nbval-check-output"]
last = {
    name: np.mean([kept[-1] for kept, _ in several], axis=0) for name, several in chains.items()
}
print("after fifty generations, mean of ten runs (of two for 2,000):")
results.table(
    ("kinds left of 10, 100 of its own", last["100, own output only"][0], (2.5, 4.6)),
    ("kinds left of 10, 100, half real", last["100, half of them real"][0], (9.75, 10.00)),
    ("kinds left of 10, 2,000 of its own", last["2,000, own output only"][0], (9.0, 10)),
    ("variance, 100 of its own", last["100, own output only"][1], (1.0, 3.3)),
    ("variance, 100, half real", last["100, half of them real"][1], (1.03, 1.17)),
    ("variance, 2,000 of its own", last["2,000, own output only"][1], (0.98, 1.27)),
)

# %% [markdown]
# With few samples, kinds of digits die out, one after the other. Each generation draws its shares by chance; a share that has come to zero never comes back, and the rarer a kind, the sooner chance takes it there. With 2,000 samples a generation chance
# is smaller and next to nothing is lost in fifty; and with real digits in every generation what was lost is brought back. So it is not the circle alone that does the harm. It is the circle together with few samples and no way back.
#
# And look at the measure. The variance of the pixels did not fall, it even rose, while most kinds died out. Whoever had watched the variance alone would have seen no loss. (Experiments of this kind mislead easily: a line that cuts off pixel values at the edge, once in each
# generation, makes the variance fall all by itself.)

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
# ## At full size: photographs from far away
#
# `celeb_a` holds 202,599 photographs of well-known people with forty attributes, 1.5 GB to download. They were collected without asking those people, strangers gave the labels, and one of the labels is "pale skin". Read its terms
# first; a lesson can do without. There is no true tone in it: people would have to be asked, or a colour chart photographed beside them. What can be measured is how far a sharpened face is from the photograph it came from, for each group.
#
# The cells below train a convolutional sharpener from 8 × 8 squares to 64 × 64 pixels, with your `filter_step` under `FairFilter`. Its tone is read where the cheeks of these aligned photographs are, on the same line of skin colours, and the rare group is that of
# `RARE`, four photographs in a hundred. On a GPU most layers compute in float16; the weights and the last layer stay in float32. As bytes the training photographs take 2 GB of memory. These cells have not been run to their end. Set
# `WEIGHT = 0.0` for the filter without the term, and compare the two tables.

# %% tags=["full-size"]
course.setup(seed=SEED, precision="auto")
MAPS, BATCH, LONG, WEIGHT, RARE = 64, 128, 12, 0.3, "Pale_Skin"
CHEEKS = np.array([36, 20, 40, 44])
try:
    photographs = {part: datasets.load("celeb_a", split=part) for part in ("train", "validation")}
except datasets.DatasetNotDownloadedError as error:
    photographs = None
    print(error)


def middle(row):
    """The middle of a photograph as 64 × 64 bytes, and its group: 0 for the rare one."""
    picture = tf.image.resize(tf.image.central_crop(row["image"], 0.75), (64, 64))
    return tf.cast(picture, tf.uint8), tf.where(row["attributes"][RARE], 0, 1)


def as_pair(pictures, groups):
    """Coarse squares, and what is wanted: the photographs, and the groups."""
    pictures = tf.cast(pictures, tf.float32) / 255
    return tf.nn.avg_pool2d(pictures, 8, 8, "VALID"), (pictures, groups)


# %% tags=["full-size"]
def large_sharpener():
    """From squares (batch, 8, 8, 3) to photographs (batch, 64, 64, 3) from 0 to 1, in float32."""
    x = squares = keras.Input((8, 8, 3))
    x = layers.Conv2D(4 * MAPS, 3, padding="same", activation="relu")(x)
    for _ in range(3):
        more = layers.Conv2D(4 * MAPS, 3, padding="same", activation="relu")(x)
        x = layers.Add()([x, layers.Conv2D(4 * MAPS, 3, padding="same")(more)])
    for maps in (4 * MAPS, 2 * MAPS, MAPS):
        x = layers.Conv2DTranspose(maps, 4, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    last = layers.Conv2D(3, 3, padding="same", activation="sigmoid", dtype="float32")
    return keras.Model(squares, last(x))


# %% tags=["full-size"]
if photographs is not None:
    streams = {
        part: rows.map(middle, num_parallel_calls=tf.data.AUTOTUNE).cache()
        for part, rows in photographs.items()
    }
    drawn = streams["train"].shuffle(10_000).batch(BATCH, drop_remainder=True).map(as_pair)
    unseen = streams["validation"].batch(BATCH).map(as_pair)
    large = large_sharpener()
    large.compile(keras.optimizers.Adam(1e-3))
    large.optimizer.build(large.trainable_variables)
    large.summary()
    checkpoint = datasets.data_dir().parent / "checkpoints" / "sharpener.weights.h5"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    keep = keras.callbacks.ModelCheckpoint(checkpoint, save_best_only=True, save_weights_only=True)
    stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    fair_filter = FairFilter(large, filter_step, WEIGHT)
    fair_filter.compile(optimizer=None)
    large_history = fair_filter.fit(
        drawn.prefetch(2),
        epochs=LONG,
        validation_data=unseen,
        callbacks=[keep, stop],
        shuffle=False,
        verbose=2,
    )

# %% tags=["full-size"]
if photographs is not None:
    shifts, errors, which = [], [], []
    for squares, (pictures, group) in unseen:
        sharp = large(squares, training=False)
        shifts.append(np.asarray(tone_of(sharp) - tone_of(pictures)))
        errors.append(255 * np.sqrt(np.mean((sharp - pictures) ** 2, axis=(1, 2, 3))))
        which.append(np.asarray(group))
    shifts, errors, which = (np.concatenate(parts) for parts in (shifts, errors, which))
    for number, name in enumerate((f"with {RARE}", "without")):
        some = which == number
        print(f"{name}: {some.sum():,} faces, shift {shifts[some].mean():+.2f} tones, ", end="")
        print(f"size of it {np.abs(shifts[some]).mean():.2f}, error {errors[some].mean():.1f}")
    fig = plots.image_grid(np.concatenate([np.asarray(sharp)[:8], np.asarray(pictures)[:8]]))
    fig.suptitle("Sharpened from 8 × 8 squares, and the photographs", x=0.01, ha="left")
    plots.show(
        fig, alt="Two rows of up to eight faces: made from coarse squares, and the photographs."
    )

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Take the weight of the term for fairness from 0.3 to 0.03 and to 3. Where is the bend between the two kinds of error?
# 2. Draw by rarity, without knowing any group: chances in inverse proportion to how many portraits lie in the same bin along the first directions of PCA. How often are darker faces drawn then, and what
#    becomes of those that cross?
# 3. Train the detector on both generators. Does it know the mixture now? And whom does it accuse?
#
# To read: Buolamwini and Gebru (2018), *Gender Shades*, on measuring each group by itself; Amini and others (2019), *Uncovering and Mitigating Algorithmic Bias through Learned Latent Structure*; Jain and others (2022), *Imperfect ImaGANation*, on
# generators and filters that lighten skin; Shumailov and others (2024), *AI models collapse when trained on recursively generated data*; and the specification of C2PA, on signed pictures.
