# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Language models
#     summary: You build and train models that predict the next character, let them write, and measure what they copy, what they leak and what prejudice they pick up.
#     part: III Sequential data
#     minutes: 115
#     minutes_reading: 40
#     objectives:
#     - turn a text into counts, and a table of counts into a network of one layer that learns the same
#     - train a GRU in Keras to predict the next character, with validation data and early stopping, and compare it by bits per character and perplexity
#     - cut a text into inputs and targets without an error by one and without a leak between training and test
#     - let a model write, with a temperature, by feeding its output back
#     - measure what a model copies from its training text, which secrets it gives away and which prejudice it amplifies
#     datasets: [python_docs]
#     full_size: [tiny_shakespeare]
#     needs: [01_neurons_and_layers, 10_recurrent_networks]
#     mirrors:
#       "1 Sequential Data": "Language models"
#       "1 Sequential Data: Language modeling": "Counting what follows is already a language model"
#       "1 Sequential Data: Language generation": "From probabilities to a text"
#       "1 Sequential Data: Bias from the training text": "It learns who is he and who is she"
#       "3 Real-World Use Cases: Natural Language Processing": "What language models are used for"
#     built: a measure in bits, a bigram model as a network of one layer, a GRU that models a text, trained in Keras with early stopping, and the sampler with which it writes
#     terms:
#       "language model": A model that gives a probability to every item that could come next in a text.
#       "n-gram, unigram, bigram, trigram": A run of n items; an n-gram model counts what followed each run of n − 1.
#       "add-α smoothing": Counting everything α times more than it was seen, so that nothing is impossible.
#       "surprise (of a model)": Minus the logarithm of the probability that the model gave to what came, in bits with base 2.
#       "perplexity": "The number of equally likely choices that would be as unsure as the model: 2 to the power of its bits."
#       "nat": The unit of surprise with the natural logarithm, 1.44 bits.
#       "one-hot": A vector of zeros with a single 1, at the place of the item that it stands for.
#       "window (of a text)": A piece of fixed length on which a network is trained.
#       "token": "A piece of text that a model treats as one item: a word, a part of a word or a character."
#       "temperature (of a model)": "The number by which logits are divided before sampling: below 1 the likely becomes likelier."
#       "fine-tuning, fine-tune": Training on from the weights that one has, on other data and with a smaller rate.
#       "catastrophic forgetting": What fine-tuning does to skills that the new data do not ask for.
#       "differential privacy": Training that bounds what any single example can change.
#       "spurious correlation": A pattern that holds in the data and not in the world.
#       "Lambda": The layer that applies any function of Python; exercises exclude it, since such a model cannot be saved without its code.
#     explains: [attention, float16]
# ---

# %% [markdown]
# # Language models
#
# How does one guess the next letter of a sentence that nobody has finished yet? And what does a machine that is good at
# it write, if it takes its guess for true and guesses again?
#
# > If the value of this expression is not an instance of the same returns in the statement with a dictionary if the
# > method dictionary have a class object width the same numbers the statement, and itself.
#
# Nobody wrote these lines. A network did, which you will train in this lesson in half a minute, on the manual of
# Python. It is a **language model**: for any beginning of a text it gives a probability to every item that could come
# next. In this lesson the items are characters.
#
# You will count characters, find that counting and a network of one layer are the same model, train a network that
# beats counting, let both write, and look at what they have taken from their text besides its grammar: copied
# sentences, a door code that should have stayed private, and a prejudice. Reading and running takes forty minutes, of
# which a minute and a half is waiting; the five exercises take an hour and a quarter more.

# %%
import course

course.setup(seed=0)

import time
from collections import Counter, defaultdict

import keras
import matplotlib.pyplot as plt
import numpy as np

from course import datasets, plots, results

# %% [markdown]
# The text is Python's own manual, which is on every computer that has Python. The next cell fetches it and glues its
# paragraphs together; the section after the next looks at it properly.

# %%
PARTS = {}
for part in ("train", "validation", "test"):
    columns = datasets.arrays("python_docs", part)
    PARTS[part] = list(zip(columns["text"].tolist(), columns["repeated"].tolist()))


def glue(part, repeats=False):
    """The text of a part, by default without the paragraphs that occurred before."""
    return "\n\n".join(text for text, repeated in PARTS[part] if repeats or not repeated) + "\n"


train_text, valid_text, test_text = glue("train"), glue("validation"), glue("test")

# %% [markdown]
# Here is the whole idea in one picture. We stop the manual at three places, look up all places in it that read the same
# for the last five characters, and count what came next.

# %% tags=["demo"]
fig, axes = plt.subplots(1, 3, sharey=True)
for axis, beginning in zip(axes, ("If the val", "an expression", "before the ")):
    last = beginning[-5:]
    places = [i + len(last) for i in range(len(train_text)) if train_text.startswith(last, i)]
    letters, times = np.unique([train_text[i] for i in places], return_counts=True)
    order = np.argsort(-times)[:5]
    names = [{" ": "space", "\n": "line\nend"}.get(letters[i], letters[i]) for i in order]
    axis.bar(names, times[order] / len(places))
    axis.set(title=f"“{beginning}…”", xlabel="next character")
axes[0].set(ylabel="share of places", ylim=(0, 1))
fig.suptitle("Some beginnings decide what comes next, others do not", x=0.01, ha="left")
plots.show(
    fig,
    alt="Three bar charts of the next character in Python's manual. After 'If the val' it is nearly always u. After "
    "'an expression' it is a space, an s or a line end. After 'before the ' many letters share the probability.",
)

# %% [markdown]
# ## What language models are used for
#
# Many tasks have this form: given a sequence, what comes next? Next words and characters are the most studied case,
# for two reasons. Text is abundant, from the works of Shakespeare to chat messages, and nobody has to label it: the
# next character *is* the label. And the rules of a language are so many, with so many exceptions, that little but
# learning from examples has come far.
#
# In 2019 a model named GPT-2 was given two sentences in which scientists find unicorns in a valley of the Andes,
# unicorns that speak perfect English. The model carried on like a newspaper: it named the species, invented a
# biologist, gave him a university and a quotation. It also gave the unicorns four horns. The style was right, the
# grammar was right, and nothing kept it from contradicting itself, because nothing in its task asked for truth. Keep
# that in mind: **a language model is trained to be likely, not to be right.**
#
# Today such models, far larger, translate, summarise, sort the tickets of a help desk, read contracts for lawyers and
# papers for researchers, and adapt lessons to what a pupil writes. All of these begin with what you build here.

# %% [markdown]
# ## The text: a manual, and what is missing from it
#
# `python_docs` holds the help topics of Python's language reference, paragraph by paragraph: real technical English,
# with pieces of grammar and programs in between; tables are left out. Whole topics are held out: four for validation,
# four, such as the one on `import`, for testing.

# %% tags=["demo"]
print(test_text[2000:2500])

# %% [markdown]
# How long is it, and how much of it is new when one reads it? The size depends on your version of Python, since the
# manual grows with it; this is what the ranges of the next table are about.

# %% tags=["nbval-check-output"]
once = train_text + valid_text + test_text
everything = "".join(glue(part, repeats=True) for part in PARTS)
results.table(
    ("characters to train on", len(train_text), (260_000, 310_000)),
    ("characters to validate on", len(valid_text), (20_000, 30_000)),
    ("characters to test on", len(test_text), (35_000, 46_000)),
    ("repeated paragraphs, % of the text", 100 * (1 - len(once) / len(everything)), (17, 23)),
    ("times that the word she occurs", everything.lower().split().count("she"), (0, 0)),
    over="Python 3.11 to 3.13",
)

# %% [markdown]
# A fifth of the manual is there twice, because long topics contain shorter ones. Unless we say otherwise the repeats
# are left out, and you will see why. And there are no people in it: not one *she* in the whole text. It has one voice
# and one subject, and it is small: models in daily use have read millions of times as much.
#
# A model computes with numbers, so every character gets one: its place in the list `CHARACTERS`. Characters that occur
# fewer than 20 times in the training text share the number 0, written as □. The list is made from the training text
# alone: what is rare there cannot be learnt, even if the test text is full of it.


# %%
def characters_of(text, least=20):
    """□ for everything rare, then each character that occurs in the text at least so often."""
    letters, times = np.unique(list(text), return_counts=True)
    return ["□", *letters[times >= least].tolist()]


def encode(text, characters):
    """The numbers of a text's characters, shape (len(text),)."""
    number = {character: place for place, character in enumerate(characters)}
    return np.array([number.get(character, 0) for character in text], dtype="int32")


def decode(ids, characters):
    """The text that these numbers stand for."""
    return "".join(characters[number] for number in ids)


CHARACTERS = characters_of(train_text)
SIZE = len(CHARACTERS)
train_ids, valid_ids, test_ids = (
    encode(text, CHARACTERS) for text in (train_text, valid_text, test_text)
)

# %% tags=["demo"]
numbers = encode("def f(x):", CHARACTERS)
print(f"{SIZE} different characters; 'def f(x):' is {numbers}: {decode(numbers, CHARACTERS)!r}")

# %% [markdown]
# ## Counting what follows is already a language model
#
# The simplest model ignores everything before: each character gets the share that it has of the whole text. This is a
# **unigram** model. A **bigram** model looks at one character back: after a `q` it counts what followed the `q`s of the
# training text. With $N(a, b)$ for the number of times that $b$ came directly after $a$,
#
# $$P(b \mid a) = \frac{N(a, b) + \alpha}{\sum_{c} \bigl( N(a, c) + \alpha \bigr)} .$$
#
# The bar is read *given*: the probability of the next character $b$ given the current one, $a$. Why the $\alpha$? Two
# characters that never met in the training text would get the probability 0, which says *impossible*. With **add-α
# smoothing** each pair counts as seen α times more than it was. `np.add.at` adds 1 at each place that it is given, also
# where one is given twice.

# %% tags=["demo"]
pairs = np.zeros((SIZE, SIZE))
np.add.at(pairs, (train_ids[:-1], train_ids[1:]), 1)
bigram = (pairs + 0.1) / (pairs + 0.1).sum(axis=1, keepdims=True)
unigram = np.bincount(train_ids, minlength=SIZE) + 0.1
unigram = unigram / unigram.sum()

# %% tags=["demo"]
LETTERS = [CHARACTERS.index(letter) for letter in " etaoinsrhldcumpfgybvwkxqzj"]
names = ["␣" if CHARACTERS[i] == " " else CHARACTERS[i] for i in LETTERS]
fig, axis = plt.subplots(figsize=(6.4, 5.6))
image = axis.imshow(bigram[np.ix_(LETTERS, LETTERS)] ** 0.5, vmin=0, vmax=1)
axis.set(xticks=range(27), xticklabels=names, yticks=range(27), yticklabels=names)
axis.set(title="After most letters, few others are likely", xlabel="next", ylabel="current")
bar = fig.colorbar(image, label="probability of the next", shrink=0.8)
bar.set_ticks(np.array([0, 0.01, 0.1, 0.25, 0.5, 1]) ** 0.5, labels="0 .01 .1 .25 .5 1".split())
plots.show(
    fig,
    alt="A table of 27 by 27 coloured fields, one row for the space and each letter, one column for what follows. Most "
    "fields are dark. q is followed by u alone, and after h, v, z and j the brightest field is e; "
    "after the space many letters have a share.",
)

# %% [markdown]
# ### Bits per character, and perplexity
#
# Which model is better? Let each read the test text and, before every character, say its probabilities. Then look only
# at the probability $p_i$ that it gave to the character that *really* came. Its **surprise** is $-\log_2 p_i$, measured
# in **bits**: 0 bits if the model was certain and right, 1 bit for an even guess between two, 10 bits for something
# that it held to be one chance in a thousand. The average over the $n$ characters of the text is the measure:
#
# $$\text{bits per character} = -\frac{1}{n} \sum_{i=1}^{n} \log_2 p_i , \qquad
# \text{perplexity} = 2^{\,\text{bits per character}} .$$
#
# The **perplexity** says the same as a number of choices: a model of perplexity 8 is as unsure, on average, as one that
# guesses evenly among 8 characters, 3 bits each. With the natural logarithm in place of the one to base 2 the average is
# the **cross-entropy**, the loss with which Keras trains classifiers; it is measured in **nats**, and one nat is 1.44
# bits. Bits are what their name says: with such a model the text can be compressed to so many bits for each character,
# so predicting and compressing are one problem. Accuracy would tell less: it cannot see whether the model held the
# truth to be its second choice or impossible.

# %% [markdown]
# ### Exercise 1: surprise in bits
#
# Networks give **logits** $z$, scores of any size whose softmax is the probability, $p_j = e^{z_j} / \sum_k e^{z_k}$.
# Write `bits(targets, logits)`: `logits`, an array of shape (…, size), holds a model's scores for each place of one or
# more texts; `targets`, shape (…), the number of the character that came at each place. Return the surprise at each
# place, in bits, in an array or tensor of the targets' shape. Mean and perplexity are taken later.
#
# Logits may be as large as 1000 or as small as −1000: the result has to be finite and right. $e^{1000}$ is too large for
# a computer, and a probability of $e^{-1000}$ is rounded to 0, so it pays to stay with logarithms. `keras.ops` and
# `keras.losses` have functions that do. The arrays that you are given stay as they are, here and in all exercises.


# %% grade_id="bits" solution=true
def bits(targets, logits):
    """The surprise, in bits, at each target under these logits."""
    ### BEGIN SOLUTION
    nats = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    return nats / np.log(2)
    ### END SOLUTION


# %% grade_id="bits_values" points=1
scores = np.array([[[0.0, 0.0], [3.0, 3.0], [-2.0, -2.0]]], dtype="float32")
got = np.asarray(bits(np.array([[0, 1, 0]]), scores))
assert got.shape == (1, 3), (
    f"one text of three places: expected an array of shape (1, 3), got the shape {got.shape}"
)
assert np.allclose(got, 1), (
    f"two characters with equal logits are an even guess, 1 bit at each place; got {got.tolist()}"
)
scores = np.log(np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]], dtype="float32")) + 5
got = np.asarray(bits(np.array([1, 2]), scores))
assert got.tolist() == [2, 3] or np.allclose(got, [2, 3], atol=1e-4), (
    f"the two that came have probabilities 1/4 and 1/8: expected 2 and 3 bits, got {got.tolist()}"
)
scores = np.array([[1000.0, 999.0], [1000.0, 0.0], [-1000.0, -1001.0]], dtype="float32")
got = np.asarray(bits(np.array([0, 1, 1]), scores))
wanted = np.array([np.log(1 + np.exp(-1)), 1000, np.log(1 + np.exp(1))]) / np.log(2)
assert np.allclose(got, wanted, rtol=1e-4), (
    f"logits {scores.tolist()} with targets 0, 1 and 1: expected {wanted.tolist()}, got {got.tolist()}"
)

# %% grade_id="bits_batch" points=1
# The instructor compares with probabilities, for batches of other shapes, and looks at what was passed.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(11)
for shape, size in (((3, 4), 6), ((7,), 2), ((2, 3, 2), 5)):
    scores = rng.normal(0, 3, (*shape, size)).astype("float32")
    came = rng.integers(size, size=shape).astype("int32")
    p = np.exp(scores.astype("float64"))
    p = np.take_along_axis(p / p.sum(-1, keepdims=True), came[..., None], -1)[..., 0]
    scores_before = scores.copy()
    got = np.asarray(bits(came, scores))
    assert got.shape == shape, f"targets of shape {shape} should give {shape}, and give {got.shape}"
    assert np.allclose(got, -np.log2(p), rtol=1e-3, atol=1e-4), (
        f"the first target has the probability {p.flat[0]:.6f}: expected {-np.log2(p.flat[0]):.6f} bits, got "
        f"{got.flat[0]:.6f}"
    )
    assert np.array_equal(scores, scores_before), "the caller's logits were changed: work on a copy"
### END HIDDEN TESTS


# %% tags=["misconception"]
# The result is in nats: this takes the natural logarithm where bits need the one to base 2.
def bits(targets, logits):
    return keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)


# %% tags=["misconception"]
# The logits are taken for probabilities: Keras does so where from_logits=True is missing.
def bits(targets, logits):
    return keras.losses.sparse_categorical_crossentropy(targets, logits) / np.log(2)


# %% tags=["misconception"]
# The mean over all places is returned, where the surprise at each place was asked for.
def bits(targets, logits):
    nats = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    return keras.ops.mean(nats) / np.log(2)


# %% tags=["misconception"]
# The softmax is taken first: the exponential of a large logit is infinite, and of a small one zero.
def bits(targets, logits):
    with np.errstate(all="ignore"):
        p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        return -np.log2(np.take_along_axis(p, np.asarray(targets)[..., None], axis=-1))[..., 0]


# %% tags=["misconception"]
# The surprise is taken at the character that the model held most probable, whether it came or not.
def bits(targets, logits):
    log_p = keras.ops.log_softmax(logits, axis=-1)
    return -keras.ops.max(log_p, axis=-1) / np.log(2)


# %% tags=["misconception"]
# Nats are multiplied by ln 2 where they have to be divided by it: one nat is 1.44 bits.
def bits(targets, logits):
    nats = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    return nats * np.log(2)


# %% tags=["misconception"]
# A small number is added to the probability, which hides how wrong a model can be: no surprise exceeds 33 bits.
def bits(targets, logits):
    p = keras.ops.convert_to_numpy(keras.ops.softmax(logits, axis=-1))
    return -np.log2(np.take_along_axis(p, np.asarray(targets)[..., None], axis=-1)[..., 0] + 1e-10)


# %% tags=["misconception"]
# One maximum is subtracted for the whole batch: where another row's logits are far smaller, all exponentials are zero.
def bits(targets, logits):
    shifted = logits - np.max(logits)
    with np.errstate(all="ignore"):
        log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(log_p, np.asarray(targets)[..., None], axis=-1)[..., 0] / np.log(2)


# %% tags=["misconception"]
# The largest logit is subtracted in place, which changes the caller's array.
def bits(targets, logits):
    logits -= logits.max(axis=-1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(log_p, np.asarray(targets)[..., None], axis=-1)[..., 0] / np.log(2)


# %% tags=["misconception"]
# This is the entropy of the model's probabilities, its surprise on average if it were right: the targets are not used.
def bits(targets, logits):
    log_p = keras.ops.log_softmax(logits, axis=-1)
    return -keras.ops.sum(keras.ops.exp(log_p) * log_p, axis=-1) / np.log(2)


# %% tags=["misconception"]
# The softmax runs over all places together, as SciPy's does without axis=-1; each place has its own probabilities.
def bits(targets, logits):
    from scipy.special import log_softmax

    picked = np.take_along_axis(log_softmax(logits), np.asarray(targets)[..., None], axis=-1)
    return -picked[..., 0] / np.log(2)


# %% tags=["alternative"]
# Log-softmax in keras.ops, and a one-hot code to pick the target.
def bits(targets, logits):
    log_p = keras.ops.log_softmax(logits, axis=-1)
    picked = keras.ops.sum(log_p * keras.ops.one_hot(targets, log_p.shape[-1]), axis=-1)
    return -picked / keras.ops.log(2.0)


# %% tags=["alternative"]
# NumPy alone, with the largest logit taken out first.
def bits(targets, logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(log_p, np.asarray(targets)[..., None], axis=-1)[..., 0] / np.log(2)


# %% [markdown]
# From here on your function measures. So that the page can be read before it is written, the next cell tries it, and
# takes one of the course's where it does not work; the other exercises have such a cell too.

# %% tags=["demo"]
from course import fallbacks
from course.fallbacks import language_models as ours

bits = fallbacks.choose(bits, ours.bits, ours.bits_works)

# %% [markdown]
# **What do you expect?** Guessing evenly among the 92 characters costs $\log_2 92 = 6.5$ bits each. How far down will the
# shares of single characters bring this, and how far one character of context?

# %% tags=["demo", "nbval-check-output"]
came, before = test_ids[1:], test_ids[:-1]
of_unigram = np.mean(bits(came, np.tile(np.log(unigram), (len(came), 1))))
of_bigram = np.mean(bits(came, np.log(bigram)[before]))
results.table(
    ("even guessing, bits per character", np.log2(SIZE), (6.4, 6.7)),
    ("unigram counts", of_unigram, (4.4, 4.8)),
    ("bigram counts", of_bigram, (3.5, 3.9)),
    over="Python 3.11 to 3.13",
    perplexity=[float(2.0**value) for value in (np.log2(SIZE), of_unigram, of_bigram)],
)

# %% [markdown]
# Knowing one character narrows 92 choices down to 13.
#
# How to read these tables: `here` is the number of this run. For counts the range is over versions of Python and of its
# manual. For networks it will be over 20 seeds, that is, over 20 trainings from different random starts: a network's
# score is one draw out of many, and yours should lie in the same range.

# %% [markdown]
# ## The same table, learnt by a network of one layer
#
# Now forget counting, and give the task to a network. Its input is the number of the current character, its output a
# logit for each possible next one. The smallest network that can do this is a table of SIZE × SIZE numbers, its
# weights: the character picks its row, and the row is the logits. Written as lesson 01 would, the character is a
# **one-hot** vector, all 0 with a single 1, and the vector times the matrix of weights is the row at the 1. In Keras
# this table is the layer `Embedding`, which skips the multiplication by zeros.
#
# Trained with cross-entropy, where does gradient descent take such a table? For each row the loss is smallest where the
# softmax of the row is the share with which each character follows: where the probabilities are those that we have just
# *counted*. **Counting is the closed-form solution of a network with one layer.** Andrej Karpathy's course *makemore*
# begins with this, and you will now see it happen.

# %% [markdown]
# ### Exercise 2: train the table
#
# Write `bigram_network(train, validation, size)`. `train` and `validation` are pairs of arrays, the numbers of current
# characters and those of the characters that followed, each of shape (n,), with `size` different characters. Return two
# things, `model, history`:
#
# - `model`, of Keras's own layers (no `Lambda`, no class of yours), takes numbers of shape (batch,) and gives logits of
#   shape (batch, size). It has `size` × `size` weights and nothing else: no bias, no second layer.
#   (`keras.Input((), dtype="int32")` takes single numbers.)
# - It is trained on `train`, by `compile` and `fit`, with a cross-entropy that takes logits, until its loss there is at
#   most 0.02 nats above the best that a table can have.
# - `history` is what `fit` returned, and has the loss on the `validation` pairs for every epoch.
#
# It will be tested on the 278,000 characters of our training text, and on the same text with fewer characters. Try
# Adam with a large learning rate, such as 0.03, batches of 2,000, and half a dozen epochs.


# %% grade_id="bigram_network" solution=true
def bigram_network(train, validation, size):
    """A trained table of logits, and the history of its training."""
    ### BEGIN SOLUTION
    ids = keras.Input((), dtype="int32")
    model = keras.Model(ids, keras.layers.Embedding(size, size)(ids))
    model.compile(
        keras.optimizers.Adam(0.03), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    history = model.fit(*train, batch_size=2048, epochs=5, validation_data=validation, verbose=0)
    return model, history
    ### END SOLUTION


# %%
def bigram_task(ids, size):
    """Training and validation pairs of a text, and the smallest loss that a table can have on the former."""
    cut = len(ids) * 9 // 10
    train, validation = (ids[: cut - 1], ids[1:cut]), (ids[cut:-1], ids[cut + 1 :])
    counts = np.zeros((size, size))
    np.add.at(counts, train, 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    best = -(counts * np.log(np.where(counts, shares, 1))).sum() / counts.sum()
    return train, validation, best


def is_of_keras(model):
    """Whether a model and its layers are of Keras's own classes, none written here and no Lambda."""
    own = [type(part).__module__.startswith("keras.") for part in (model, *model.layers)]
    return all(own) and not any(isinstance(part, keras.layers.Lambda) for part in model.layers)


def loss_of(model, pairs):
    """The mean cross-entropy of a model's logits, in nats."""
    logits = model.predict(pairs[0], batch_size=8192, verbose=0)
    losses = keras.losses.sparse_categorical_crossentropy(pairs[1], logits, from_logits=True)
    return float(keras.ops.mean(losses))


# %% grade_id="bigram_network_trains" points=3
train, validation, best = bigram_task(train_ids, SIZE)
table, history = bigram_network(train, validation, SIZE)
assert is_of_keras(table), "the model should be made of Keras's own layers, without one of yours"
assert table.count_params() == SIZE**2, (
    f"{SIZE} x {SIZE} = {SIZE**2} weights were asked for, and the model has {table.count_params()}"
)
shape = np.shape(table.predict(np.array([5, 1, 7]), verbose=0))
assert shape == (3, SIZE), f"three characters should give logits of shape (3, {SIZE}), got {shape}"
reached = loss_of(table, train)
# Over 20 seeds the reference ends .0027 to .0034 nats above the best: the limit is far beyond chance.
assert reached < best + 0.02, (
    f"the loss of the logits is {reached:.4f} nats, and {best:.4f} is the best: train for longer or with a larger "
    "learning rate, and look at whether the loss takes logits"
)
assert len(history.history.get("val_loss", [])) == len(history.history["loss"]) > 0, (
    f"the history should have val_loss for every epoch; it has {sorted(history.history)}"
)

# %% grade_id="bigram_network_again" points=1
# The instructor trains your network on another text, and checks what it was validated on and what was passed.
### BEGIN HIDDEN TESTS
train, validation, best = bigram_task(train_ids[::-1].copy() % 40, 40)
given = [part.copy() for part in (*train, *validation)]
table, history = bigram_network(train, validation, 40)
assert table.count_params() == 1600, (
    f"a text of 40 characters needs 1,600 weights, and the model has {table.count_params()}"
)
reached, late = loss_of(table, train), loss_of(table, validation)
assert reached < best + 0.02, (
    f"on a text of 40 characters the loss is {reached:.4f} nats, and {best:.4f} is the best"
)
noted = np.array(history.history["val_loss"])
assert np.isclose(noted, late, atol=1e-3).any(), (
    f"val_loss in the history should be the loss on the validation pairs, {late:.5f} at the end; noted are {noted.tolist()}"
)
assert all(map(np.array_equal, given, (*train, *validation))), "the caller's arrays were changed"
### END HIDDEN TESTS


# %% tags=["misconception"]
# The loss takes the logits for probabilities: from_logits=True is missing.
def bigram_network(train, validation, size):
    ids = keras.Input((), dtype="int32")
    model = keras.Model(ids, keras.layers.Embedding(size, size)(ids))
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    history = model.fit(*train, batch_size=1024, epochs=3, validation_data=validation, verbose=0)
    return model, history


# %% tags=["misconception"]
# A Dense layer follows a small embedding: two matrices, which together are not the table of pairs.
def bigram_network(train, validation, size):
    ids = keras.Input((), dtype="int32")
    x = keras.layers.Embedding(size, 16)(ids)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss)
    history = model.fit(*train, batch_size=1024, epochs=4, validation_data=validation, verbose=0)
    return model, history


# %% tags=["misconception"]
# Keras's usual learning rate of 0.001 takes far more than these epochs to move a table's weights.
def bigram_network(train, validation, size):
    ids = keras.Input((), dtype="int32")
    model = keras.Model(ids, keras.layers.Embedding(size, size)(ids))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    history = model.fit(*train, batch_size=1024, epochs=4, validation_data=validation, verbose=0)
    return model, history


# %% tags=["misconception"]
# No validation data is given to fit, so the history cannot say how the table does on other text.
def bigram_network(train, validation, size):
    ids = keras.Input((), dtype="int32")
    model = keras.Model(ids, keras.layers.Embedding(size, size)(ids))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss)
    history = model.fit(*train, batch_size=2048, epochs=5, verbose=0)
    return model, history


# %% tags=["misconception"]
# The training pairs are used for validation too: the history looks good whatever happens on other text.
def bigram_network(train, validation, size):
    ids = keras.Input((), dtype="int32")
    model = keras.Model(ids, keras.layers.Embedding(size, size)(ids))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss)
    history = model.fit(*train, batch_size=2048, epochs=5, validation_data=train, verbose=0)
    return model, history


# %% tags=["misconception"]
# The model is trained on its softmax and returns probabilities, where logits were asked for.
def bigram_network(train, validation, size):
    ids = keras.Input((), dtype="int32")
    x = keras.layers.Softmax()(keras.layers.Embedding(size, size)(ids))
    model = keras.Model(ids, x)
    model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy")
    history = model.fit(*train, batch_size=2048, epochs=5, validation_data=validation, verbose=0)
    return model, history


# %% tags=["misconception"]
# A tenth of the training pairs is held back for validation, and the validation pairs are never looked at.
def bigram_network(train, validation, size):
    ids = keras.Input((), dtype="int32")
    model = keras.Model(ids, keras.layers.Embedding(size, size)(ids))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss)
    history = model.fit(*train, batch_size=2048, epochs=5, validation_split=0.1, verbose=0)
    return model, history


# %% tags=["misconception"]
# The two arrays of the validation pairs are exchanged: the table is asked which character came before.
def bigram_network(train, validation, size):
    ids = keras.Input((), dtype="int32")
    model = keras.Model(ids, keras.layers.Embedding(size, size)(ids))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss)
    x, y = validation
    history = model.fit(*train, batch_size=2048, epochs=5, validation_data=(y, x), verbose=0)
    return model, history


# %% tags=["alternative"]
# One-hot vectors and a Dense layer without a bias, as in lesson 01, with early stopping.
def bigram_network(train, validation, size):
    ids = keras.Input((), dtype="int32")
    one_hot = keras.ops.one_hot(ids, size)
    model = keras.Model(ids, keras.layers.Dense(size, use_bias=False)(one_hot))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(
        *train, batch_size=2048, epochs=6, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["alternative"]
# A Sequential model that starts from zeros.
def bigram_network(train, validation, size):
    table = keras.layers.Embedding(size, size, embeddings_initializer="zeros")
    model = keras.Sequential([keras.Input((), dtype="int32"), table])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.03), loss=loss)
    x, y = train
    history = model.fit(x, y, batch_size=1024, epochs=4, validation_data=validation, verbose=0)
    return model, history


# %% tags=["demo"]
bigram_network = fallbacks.choose(bigram_network, ours.bigram_network, ours.bigram_network_works)

# %% [markdown]
# Training the table on the manual takes a few seconds. **What do you expect** of its loss: how close does it come to what
# counting gives, and from which side?

# %% tags=["demo"]
keras.utils.set_random_seed(0)
start = time.perf_counter()
table, history = bigram_network(
    (train_ids[:-1], train_ids[1:]), (valid_ids[:-1], valid_ids[1:]), SIZE
)
table_seconds = time.perf_counter() - start
learnt = table.predict(np.arange(SIZE), verbose=0)
learnt = np.exp(learnt - learnt.max(axis=1, keepdims=True))
learnt /= learnt.sum(axis=1, keepdims=True)

# %% tags=["demo"]
by_counts = np.mean(bits(train_ids[1:], np.log(bigram)[train_ids[:-1]]))
curve = np.array(history.history["loss"]) / np.log(2)
fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.2), width_ratios=[3, 2])
left.plot(range(1, len(curve) + 1), curve, "o-", label="training")
valid_curve = np.array(history.history["val_loss"]) / np.log(2)
left.plot(range(1, len(curve) + 1), valid_curve, "s-", label="validation")
left.axhline(by_counts, color=plots.BLACK, ls="--", lw=1.2, label="counts, on the training text")
left.set(title="The network learns the counts", xlabel="epoch", ylabel="bits per character")
left.legend()
right.plot(bigram[LETTERS].ravel(), learnt[LETTERS].ravel(), ".", ms=4, alpha=0.5)
right.set(title="… one by one", xlabel="by counting", ylabel="by the network", aspect="equal")
plots.show(
    fig,
    alt="Left: the network's bits per character on the training text fall within two epochs to just above the dashed "
    "line, which marks the counts on the same text; on the validation text, which is easier, they are level below it. "
    "Right: each probability of the network against the counted one; all points lie on the diagonal.",
)

# %% tags=["demo", "nbval-check-output"]
of_table = np.mean(bits(test_ids[1:], table.predict(test_ids[:-1], batch_size=8192, verbose=0)))
gap = np.abs(learnt - bigram)[LETTERS][:, LETTERS]
results.table(
    ("bigram counts, bits per character", of_bigram, (3.6, 3.8)),
    ("network of one layer", of_table, (3.6, 3.8)),
    ("largest gap between two probabilities of letters", gap.max(), (0.01, 0.13)),
    parameters=[SIZE**2, table.count_params(), None],
    seconds=[None, table_seconds, None],
)

# %% [markdown]
# The same bits, and the same table, probability by probability. Counting took a moment, gradient descent some seconds, so
# who would train a network for this? But counting ends here. A table for two characters of context needs 92 × 92 rows,
# one for four characters 72 million. A network may have other layers than a table.

# %% [markdown]
# ## Longer contexts help until nobody has seen them
#
# First, how far does counting go? A **trigram** looks two characters back, a **4-gram** three, an n-gram $n-1$. Longer
# contexts are rarer, and if one was never seen, or once, its counts say little. So one mixes: start with the unigram's
# opinion and let each longer context correct it, the more so the more often it was seen. With $N(h, b)$ for the
# times that $b$ followed the context $h$, $N(h)$ for the times that anything did, and $T(h)$ for how many *different*
# characters did,
#
# $$P_n(b \mid h) = \frac{N(h, b) + T(h) \, P_{n-1}(b)}{N(h) + T(h)} .$$
#
# This is Witten–Bell smoothing. A context that is always followed by the same character ($T = 1$) is trusted soon, one
# that was followed by everything is not, and one that was never seen changes nothing. A dictionary keeps, for each
# context that occurs, a `Counter` of what followed.


# %%
def count_followers(ids, longest):
    """For each context of up to `longest` characters, a tuple of numbers: how often each character followed."""
    followers = defaultdict(Counter)
    ids = ids.tolist()
    for back in range(longest + 1):
        for place in range(back, len(ids)):
            followers[tuple(ids[place - back : place])][ids[place]] += 1
    return followers


def ngram(followers, context, size):
    """Yields the probabilities of the next character by the unigram, the bigram, … up to all of the context."""
    p = np.full(size, 1 / size)
    for back in range(len(context) + 1):
        seen = followers.get(tuple(context[len(context) - back :]), {})
        if seen:
            p = p * len(seen)
            p[list(seen)] += list(seen.values())
            p = p / p.sum()
        yield p


# %% [markdown]
# To measure, the model gives its probabilities at each of 10,000 places of the test text, for every length of context.


# %%
def ngram_bits(followers, ids, size, longest, places):
    """Bits of surprise at these places of a text, for n from 1 to longest + 1: shape (n, places)."""
    surprise = []
    for place in places:
        context = ids[place - longest : place].tolist()
        surprise.append([-np.log2(p[ids[place]]) for p in ngram(followers, context, size)])
    return np.array(surprise).T


# %% [markdown]
# **What do you expect**: will seven characters of context be better than four?

# %% tags=["demo"]
start = time.perf_counter()
followers = count_followers(train_ids, 7)
counting_seconds = time.perf_counter() - start
places = np.arange(1000, 11_000)
clean = ngram_bits(followers, test_ids, SIZE, 7, places).mean(axis=1)

# %% tags=["demo", "nbval-check-output"]
results.table(
    *[
        (f"{n}-gram, bits per character", value, (low, round(low + 0.3, 1)))
        for n, (value, low) in enumerate(zip(clean, (4.5, 3.6, 2.6, 2.0, 1.9, 1.9, 2.0, 2.1)), 1)
    ],
    over="Python 3.11 to 3.13",
    perplexity=[float(2.0**value) for value in clean],
)

# %% [markdown]
# The first characters of context are worth a lot, the fourth little, and beyond that the model gets *worse*: most
# contexts of seven characters in the test text were never in the training text, or once, and a context seen once is
# trusted too much. This is the wall that counting runs into. A cleverer smoothing moves it a little; it does not take
# it away.

# %% [markdown]
# ### A leak that would have fooled us
#
# We left the repeated paragraphs out. Suppose that nobody had noticed them. Then a third of the test text or more
# would be in the training text, word for word. **What do you expect** of the same eight models, and of the choice among
# them?

# %% tags=["demo"]
leaky_train, leaky_test = (
    encode(glue(part, repeats=True), CHARACTERS) for part in ("train", "test")
)
everywhere = np.linspace(1000, len(leaky_test) - 1, 10_000).astype(int)
leaky = ngram_bits(count_followers(leaky_train, 7), leaky_test, SIZE, 7, everywhere).mean(axis=1)
trained_on = {text for text, _ in PARTS["train"]}
lengths = [(len(text), text in trained_on) for text, _ in PARTS["test"]]
leaked = 100 * sum(n for n, leak in lengths if leak) / sum(n for n, _ in lengths)

fig, axis = plt.subplots()
axis.plot(range(1, 9), leaky, "s--", color=plots.ORANGE, label="with the repeated paragraphs")
axis.plot(range(1, 9), clean, "o-", color=plots.BLUE, label="without them")
axis.plot(clean.argmin() + 1, clean.min(), "o", ms=15, mfc="none", color=plots.BLUE)
axis.plot(leaky.argmin() + 1, leaky.min(), "s", ms=15, mfc="none", color=plots.ORANGE)
axis.set(title="A leak flatters, and it picks the wrong model", ylim=(1.5, 5))
axis.set(xlabel="n: characters in a run (circled: the best)", ylabel="bits per character (test)")
axis.legend()
plots.show(
    fig,
    alt="Bits per character on the test text against n. Without repeated paragraphs the curve falls from 4.6 to about "
    "2.1 at n = 5 and rises again to 2.3 at 8. With them it falls further and stays near 1.8, so the longest run "
    "looks as good as any.",
)

# %% tags=["demo", "nbval-check-output"]
results.table(
    ("leaked, % of the test text", leaked, (32, 44)),
    ("unigram, bits per character, with the leak", leaky[0], (4.3, 4.8)),
    ("8-gram, with the leak", leaky[7], (1.6, 2.0)),
    ("best n, without the leak", int(clean.argmin()) + 1, (4, 5)),
    ("best n, with the leak", int(leaky.argmin()) + 1, (6, 8)),
    over="Python 3.11 to 3.13",
)

# %% [markdown]
# The leak rewards learning by heart, so it hardly helps the unigram, which cannot, and helps the longest context most.
# That is the worse half of the harm: not only is the score too good, it *chooses the wrong model*. Large models are
# trained on pages from the web, and the tests on which they are compared are on the web too. Their makers look for such
# overlap, as we did; what was rephrased is hard to find.

# %% [markdown]
# ## A network reads one character at a time
#
# An n-gram treats `import a` and `import b` as contexts with nothing in common. A **recurrent network** (lesson 10) reads
# the text a character at a time and keeps a **state**, a list of numbers that it updates at each step. What it learns
# about one context carries over to similar ones, and no table limits how far back it may look.


# %% tags=["demo"]
def draw_step(axis, step, read, target):
    """One column of the drawing: a character goes in at the bottom, the target is at the top."""
    box = {"boxstyle": "round,pad=0.5", "fc": "white", "ec": plots.BLUE, "lw": 1.5}
    arrow = {"arrowstyle": "-|>", "color": plots.BLACK, "lw": 1.3, "shrinkA": 2, "shrinkB": 2}
    for height, name in ((1, "Embedding"), (2, "GRU"), (3, "Dense")):
        axis.text(step, height, name, ha="center", va="center", bbox=box, fontsize=9)
        axis.annotate("", (step, height - 0.27), (step, height - 0.73), arrowprops=arrow)
    axis.annotate("", (step, 3.73), (step, 3.27), arrowprops=arrow)
    for height, letter in ((0.1, read), (3.9, target)):
        axis.text(step, height, letter, ha="center", va="center", family="monospace", fontsize=14)
    if step:
        state = arrow | {"color": plots.ORANGE, "lw": 2}
        axis.annotate("", (step - 0.26, 2), (step - 0.74, 2), arrowprops=state)


# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.4))
for step, (read, target) in enumerate(zip("impor", "mport")):
    draw_step(axis, step, read, target)
for height, name in ((0.1, "inputs"), (2, "state"), (3.9, "targets")):
    axis.text(-0.6, height, name, ha="right", va="center")
axis.set(xlim=(-1.5, 4.6), ylim=(-0.3, 4.3))
axis.set(title="Each step reads one character and predicts the next")
axis.axis("off")
ALT = """Five copies of a column of three boxes, Embedding, GRU and Dense. The inputs i, m, p, o, r enter at the bottom,
the targets m, p, o, r, t are at the top: the same text one place further on. Arrows between the GRU boxes,
from left to right, carry the state."""
plots.show(fig, alt=ALT)

# %% [markdown]
# The same three layers are used at every step; the state, drawn in orange, carries what has been read. The network is
# trained on **windows**, pieces of a fixed length, and the window of targets is the text *one place further on*. From
# one window of five characters it gets five tasks: guess `m` after `i`, `p` after `im`, and so on.

# %% [markdown]
# ### Exercise 3: windows
#
# Write `windows(ids, length)` for a text as an array of $m$ numbers. Return two arrays, inputs and targets, each of
# shape (number of windows, `length`).
#
# - Windows follow one another from the start of the text, without overlap and without a gap.
# - The targets are the inputs moved one place on in the text. The last target of a window is the first input of the
#   next one.
# - There are as many windows as can be filled, inputs and targets: $\lfloor (m-1) / \text{length} \rfloor$, which may
#   be none. What remains at the end is dropped.
#
# Our training, validation and test texts are separate topics, and each is cut into windows by itself. Cutting first and
# dividing the windows afterwards would put characters of one window's end into another part.


# %% grade_id="windows" solution=true
def windows(ids, length):
    """Inputs and targets, each of shape (windows, length)."""
    ### BEGIN SOLUTION
    count = (len(ids) - 1) // length
    inputs = ids[: count * length].reshape(count, length)
    targets = ids[1 : count * length + 1].reshape(count, length)
    return inputs, targets
    ### END SOLUTION


# %% grade_id="windows_count" points=1
for size, length, count in ((12, 5, 2), (11, 5, 2), (10, 5, 1), (5, 5, 0)):
    x, y = map(np.asarray, windows(np.arange(size), length))
    assert x.shape == y.shape == (count, length), (
        f"{size} characters give ({size} - 1) // {length} = {count} windows: both arrays should have the shape "
        f"({count}, {length}); inputs have {x.shape}, targets {y.shape}"
    )
x, y = map(np.asarray, windows(np.array([7, 3, 9, 4, 8, 5, 6]), 3))
assert x.tolist() == [[7, 3, 9], [4, 8, 5]], (
    f"inputs of 7 3 9 4 8 5 6 in windows of 3: [[7, 3, 9], [4, 8, 5]], got {x.tolist()}"
)
assert y.tolist() == [[3, 9, 4], [8, 5, 6]], (
    f"targets of 7 3 9 4 8 5 6 in windows of 3: [[3, 9, 4], [8, 5, 6]], got {y.tolist()}"
)

# %% grade_id="windows_targets" points=1
# The instructor checks every input and target of longer texts, and that yours is left as it was.
### BEGIN HIDDEN TESTS
for size, length in ((101, 10), (212, 7), (64, 1), (200, 33), (45, 44)):
    text = np.random.default_rng(size).integers(90, size=size)
    before = text.copy()
    x, y = (np.array(part) for part in windows(text, length))
    count = (size - 1) // length
    wanted = [before[place * length : place * length + length + 1] for place in range(count)]
    assert x.shape == y.shape == (count, length), (
        f"{size} characters in windows of {length} should give {count} windows, and give {x.shape}, {y.shape}"
    )
    assert np.array_equal(x, [window[:-1] for window in wanted]), (
        f"{size} characters, length {length}: some inputs are not where they should be; the first are {x[0][:9]}"
    )
    assert np.array_equal(y, [window[1:] for window in wanted]), (
        f"{size} characters, length {length}: some targets are not one place on; the first are {y[0][:9]}, the last {y[-1][-9:]}"
    )
    assert np.array_equal(text, before), "the caller's array was changed: work on a copy"
### END HIDDEN TESTS


# %% tags=["misconception"]
# The targets are the inputs themselves: a model learns to copy and has nothing to predict.
def windows(ids, length):
    count = (len(ids) - 1) // length
    inputs = ids[: count * length].reshape(count, length)
    return inputs, inputs.copy()


# %% tags=["misconception"]
# The last target of each window is the window's own first character instead of the next character of the text.
def windows(ids, length):
    count = (len(ids) - 1) // length
    inputs = ids[: count * length].reshape(count, length)
    return inputs, np.roll(inputs, -1, axis=1)


# %% tags=["misconception"]
# The targets lie one place back instead of one place on: the model is asked for the character before.
def windows(ids, length):
    count = (len(ids) - 1) // length
    inputs = ids[: count * length].reshape(count, length)
    return ids[1 : count * length + 1].reshape(count, length), inputs


# %% tags=["misconception"]
# The windows begin one after another at every character, so that they overlap.
def windows(ids, length):
    views = np.lib.stride_tricks.sliding_window_view(ids, length + 1)
    return views[:, :-1], views[:, 1:]


# %% tags=["misconception"]
# Each window takes length + 1 characters for itself, so the character at its end is never an input.
def windows(ids, length):
    count = len(ids) // (length + 1)
    cut = ids[: count * (length + 1)].reshape(count, length + 1)
    return cut[:, :-1], cut[:, 1:]


# %% tags=["misconception"]
# One window is missing where the text is just long enough: the last target may be the text's last character.
def windows(ids, length):
    count = (len(ids) - 2) // length
    inputs = ids[: count * length].reshape(count, length)
    return inputs, ids[1 : count * length + 1].reshape(count, length)


# %% tags=["misconception"]
# A text that fills its windows has no character left for the last target: a zero is put there.
def windows(ids, length):
    count = len(ids) // length
    inputs = ids[: count * length].reshape(count, length)
    return inputs, np.append(ids[1:], 0)[: count * length].reshape(count, length)


# %% tags=["misconception"]
# What does not fill a window is dropped at the start of the text, where it should be dropped at the end.
def windows(ids, length):
    count = (len(ids) - 1) // length
    start = len(ids) - 1 - count * length
    return ids[start:-1].reshape(count, length), ids[start + 1 :].reshape(count, length)


# %% tags=["misconception"]
# A window is made wherever its inputs fit; its last target may then lie after the end of the text.
def windows(ids, length):
    starts = range(0, len(ids) - length + 1, length)
    inputs = np.array([ids[start : start + length] for start in starts])
    return inputs, np.array([ids[start + 1 : start + 1 + length] for start in starts])


# %% tags=["alternative"]
# Collects windows of one character more with a loop, and takes inputs and targets from them.
def windows(ids, length):
    starts = range(0, len(ids) - length, length)
    cut = np.array([ids[start : start + length + 1] for start in starts], dtype="int32")
    cut = cut.reshape(-1, length + 1)
    return cut[:, :-1], cut[:, 1:]


# %% tags=["alternative"]
# Computes the places of all inputs with a table of indices.
def windows(ids, length):
    places = np.arange((len(ids) - 1) // length)[:, None] * length + np.arange(length)
    return ids[places], ids[places + 1]


# %% tags=["demo"]
windows = fallbacks.choose(windows, ours.windows, ours.windows_works)

# %% [markdown]
# ### The model, and what each layer does
#
# `Embedding` keeps for each character a list of 64 numbers, which it learns: no longer one row of logits, but something
# for the next layer to work with. A recurrent layer with `units` numbers of state updates it with each character; with
# `return_sequences=True` it hands out the state after *every* character and not only after the last. We take the
# `GRU` of lesson 10. `Dense` turns each state into the logits of the next character; given `dtype="float32"` it computes
# them in float32, whatever the rest of the network computes in.
#
# When is training done? The loss on the **validation text** decides, in two ways. Where it no longer falls much, the
# **learning rate**, the size of the optimizer's steps, is too large for what is left to learn, and `ReduceLROnPlateau`
# makes it smaller. Where it no longer falls at all, the network begins to learn its training text by heart, and
# `EarlyStopping` ends the training and goes back to the weights of the best epoch.

# %% [markdown]
# ### Exercise 4: train a language model
#
# Write `train_language_model(train, validation, size, units, epochs)`. `train` and `validation` are pairs (inputs,
# targets) as `windows` gives them, of texts with `size` different characters. Return two things, `model, history`:
#
# - `model`, of Keras's own layers (no `Lambda`, no class of yours), takes numbers of shape (batch, time), for any length
#   of time, and gives the logits of the next character, shape (batch, time, `size`). It has a recurrent layer of `units`
#   units, and it is **causal**: what it says at a place depends on the characters up to this place and on none after it.
# - It is trained with `validation` as validation data, for `epochs` epochs at most. When for two epochs the validation
#   loss has not improved at all, training ends. Either way the model has the weights of the epoch with the best validation
#   loss.
# - `history` is what `fit` returned.
#
# The test trains it for two epochs with 64 units on 3,000 windows of our text, and asks for less than 3.3
# bits per character on the validation text, a perplexity of 9.8, where the bigram has 13. What worked for us: the three
# layers above; Adam with a learning rate of 0.01 and `clipnorm=1.0`, which shortens a gradient that is too long; batches
# of 32 windows; `ReduceLROnPlateau(factor=0.3, patience=0, min_delta=0.015)`.


# %% grade_id="train_language_model" solution=true
def train_language_model(train, validation, size, units, epochs):
    """A language model, trained while its validation loss falls, and the history of its training."""
    ### BEGIN SOLUTION
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.GRU(units, return_sequences=True)(x)
    model = keras.Model(ids, keras.layers.Dense(size, dtype="float32")(x))
    model.compile(
        keras.optimizers.Adam(0.01, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    slower = keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=0, min_delta=0.015)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(
        *train,
        batch_size=32,
        epochs=epochs,
        validation_data=validation,
        callbacks=[slower, stop],
        verbose=2,
    )
    return model, history
    ### END SOLUTION


# %%
def random_windows(ids, count, length=40):
    """Windows at random places of a text, for tests: inputs and targets, each of shape (count, length)."""
    starts = np.random.default_rng(count).integers(len(ids) - length, size=count)
    places = starts[:, None] + np.arange(length)
    return ids[places], ids[places + 1]


def recurrent_units(model):
    """The units of each recurrent layer, also of layers within layers."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.RNN):
            cells = getattr(layer.cell, "cells", [layer.cell])
            found += [getattr(cell, "units", None) for cell in cells]
        elif hasattr(layer, "layers"):
            found += recurrent_units(layer)
    return found


# %% grade_id="trains" points=2
train, validation = random_windows(train_ids[:120_000], 3000), random_windows(valid_ids, 600)
trained, history = train_language_model(train, validation, SIZE, 64, 2)
assert is_of_keras(trained), "the model should be made of Keras's own layers, without one of yours"
logits = trained.predict(validation[0], verbose=0)
assert logits.shape == (*validation[0].shape, SIZE), (
    f"windows of shape {validation[0].shape} should give logits of shape {(*validation[0].shape, SIZE)}, got {logits.shape}"
)
losses = keras.losses.sparse_categorical_crossentropy(validation[1], logits, from_logits=True)
reached = float(keras.ops.mean(losses))
# Over 20 seeds the reference reaches 2.74 to 2.88 bits, with a standard deviation of .04: below one failure in a million.
assert reached / np.log(2) < 3.3, (
    f"expected fewer than 3.3 bits per character on the validation text, got {reached / np.log(2):.3f}"
)
noted = history.history.get("val_loss", [])
assert len(noted) == 2, (
    f"two epochs were asked for; the history has {len(noted)} values of val_loss"
)
assert np.isclose(reached, min(noted), atol=2e-3), (
    f"the model's logits have the validation loss {reached:.4f}, and the best in the history is {min(noted):.4f}: is "
    "the loss computed from logits, and does the model have the weights of its best epoch?"
)

# %% grade_id="units_and_causal" points=1
short = random_windows(train_ids, 64)
small, _ = train_language_model(short, short, SIZE, 24, 1)
assert 24 in recurrent_units(small), (
    f"24 units were asked for, and the model's recurrent layers have {recurrent_units(small)}"
)
text = np.array([encode("The value of the expression is returned.", CHARACTERS)])
other = text.copy()
other[0, 20:] = (other[0, 20:] + 5) % SIZE
one, two = small.predict(text, verbose=0), small.predict(other, verbose=0)
assert np.allclose(one[0, :20], two[0, :20], atol=1e-4), (
    "logits at the first 20 characters change when only later ones are changed: the model sees the future"
)

# %% grade_id="remembers" points=1
# The instructor looks at whether the model remembers, at texts of other lengths, and at when training ends.
### BEGIN HIDDEN TESTS
short = random_windows(train_ids, 64)
small, history = train_language_model(short, short, SIZE, 24, 12)
noted = np.array(history.history["val_loss"])
assert len(noted) == 12 or len(noted) - 1 - noted.argmin() == 2, (
    f"of 12 epochs the last was epoch {len(noted)}, and the validation loss was still falling, though slowly: "
    f"{noted[-3:].round(3).tolist()}"
)
text = np.array([encode("The value of the expression is returned.", CHARACTERS)])
other = text.copy()
other[0, 0] = (other[0, 0] + 5) % SIZE
one, two = small.predict(text, verbose=0), small.predict(other, verbose=0)
assert np.abs(one[0, 1:6] - two[0, 1:6]).max() > 1e-5, (
    "logits at places 2 to 6 stay the same when the first character is changed: nothing is remembered"
)
for time_steps in (1, 7, 90):
    shape = small.predict(np.ones((2, time_steps), "int32"), verbose=0).shape
    assert shape == (2, time_steps, SIZE), (
        f"two texts of {time_steps} characters should give logits of shape {(2, time_steps, SIZE)}, and give {shape}"
    )
### END HIDDEN TESTS

# %% grade_id="stops_early" points=2
# A text without any rule: what is learnt of it is learnt by heart, and on the validation text it soon does harm.
rng = np.random.default_rng(3)
noise = tuple(random_windows(rng.integers(12, size=2000), count) for count in (48, 49))
given = [part.copy() for pair in noise for part in pair]
stopped, history = train_language_model(*noise, 12, 48, 40)
noted = np.array(history.history["val_loss"])
assert len(noted) < 40, (
    f"the validation loss was best in epoch {noted.argmin() + 1}, and training went on for all 40 epochs"
)
logits = stopped.predict(noise[1][0], verbose=0)
losses = keras.losses.sparse_categorical_crossentropy(noise[1][1], logits, from_logits=True)
now = float(keras.ops.mean(losses))
assert np.isclose(now, noted.min(), atol=1e-3), (
    f"the model should have the weights of its best epoch, with the validation loss {noted.min():.4f}, and has {now:.4f}"
)
since = len(noted) - 1 - noted.argmin()
assert since == 2, (
    f"training should end when two epochs brought no improvement; it ended {since} epochs after the best one"
)
### BEGIN HIDDEN TESTS
assert all(map(np.array_equal, given, (*noise[0], *noise[1]))), "the caller's arrays were changed"
### END HIDDEN TESTS


# %% tags=["misconception"]
# The network reads in both directions: it has already seen the character that it is asked for.
def train_language_model(train, validation, size, units, epochs):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.Bidirectional(keras.layers.GRU(units, return_sequences=True))(x)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(
        *train, epochs=epochs, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# The logits are taken for probabilities: from_logits=True is missing from the loss.
def train_language_model(train, validation, size, units, epochs):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.GRU(units, return_sequences=True)(x)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(
        *train, epochs=epochs, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# The training stops early, but keeps the weights of its last epoch instead of those of its best.
def train_language_model(train, validation, size, units, epochs):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.GRU(units, return_sequences=True)(x)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2)
    history = model.fit(
        *train, epochs=epochs, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# All epochs are run, whatever the validation loss does: there is no EarlyStopping.
def train_language_model(train, validation, size, units, epochs):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.GRU(units, return_sequences=True)(x)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    history = model.fit(*train, epochs=epochs, validation_data=validation, verbose=0)
    return model, history


# %% tags=["misconception"]
# The training loss is watched instead of the validation loss, and it falls for as long as one trains.
def train_language_model(train, validation, size, units, epochs):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.GRU(units, return_sequences=True)(x)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=2, restore_best_weights=True)
    history = model.fit(
        *train, epochs=epochs, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# Training ends after the first epoch without an improvement, where it should wait for two.
def train_language_model(train, validation, size, units, epochs):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.GRU(units, return_sequences=True)(x)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True)
    history = model.fit(
        *train, epochs=epochs, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# There is no recurrent layer: each character is predicted from the one before, as by the bigram.
def train_language_model(train, validation, size, units, epochs):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.Dense(units, activation="relu")(x)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(
        *train, epochs=epochs, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# The layer has 128 units, whatever number is asked for.
def train_language_model(train, validation, size, units, epochs):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.GRU(128, return_sequences=True)(x)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(
        *train, epochs=epochs, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# With min_delta a small improvement counts as none: training ends while the validation loss is still falling.
def train_language_model(train, validation, size, units, epochs):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.GRU(units, return_sequences=True)(x)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, min_delta=0.1, restore_best_weights=True)
    history = model.fit(
        *train, epochs=epochs, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["misconception"]
# A convolution over both neighbours follows the GRU, and brings in the character that is asked for.
def train_language_model(train, validation, size, units, epochs):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.GRU(units, return_sequences=True)(x)
    x = keras.layers.Conv1D(units, 3, padding="same", activation="relu")(x)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(
        *train, epochs=epochs, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["alternative"]
# A GRU cell in a list of cells, as RNN takes them.
def train_language_model(train, validation, size, units, epochs):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, 64)(ids)
    x = keras.layers.RNN([keras.layers.GRUCell(units)], return_sequences=True)(x)
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), loss)
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(
        *train, epochs=epochs, validation_data=validation, callbacks=[stop], verbose=0
    )
    return model, history


# %% tags=["alternative"]
# An LSTM in a Sequential model, with AdamW and dropout.
def train_language_model(train, validation, size, units, epochs):
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(size, 48),
            keras.layers.LSTM(units, return_sequences=True),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(size, dtype="float32"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.AdamW(0.012), loss=loss)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    history = model.fit(
        train[0],
        train[1],
        batch_size=24,
        epochs=epochs,
        validation_data=validation,
        callbacks=stop,
        verbose=0,
    )
    return model, history


# %% tags=["alternative"]
# A metric, a checkpoint of the best weights, and tf.data.
def train_language_model(train, validation, size, units, epochs):
    import tempfile

    import tensorflow as tf

    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.GRU(units, return_sequences=True)(keras.layers.Embedding(size, 64)(ids))
    model = keras.Model(ids, keras.layers.Dense(size)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    data, held_out = (tf.data.Dataset.from_tensor_slices(p).batch(32) for p in (train, validation))
    with tempfile.TemporaryDirectory() as best:
        path = f"{best}/best.weights.h5"
        keep = keras.callbacks.ModelCheckpoint(path, save_best_only=True, save_weights_only=True)
        stop = keras.callbacks.EarlyStopping(patience=2)
        options = {"validation_data": held_out, "callbacks": [keep, stop], "verbose": 0}
        history = model.fit(data.shuffle(4000), epochs=epochs, **options)
        model.load_weights(path)
    return model, history


# %% tags=["demo"]
train_language_model = fallbacks.choose(
    train_language_model, ours.train_language_model, ours.train_language_model_works
)

# %% [markdown]
# Now the real training: windows of 40 characters, 128 units. It takes about half a minute; Keras prints the loss of each
# epoch in nats. **What do you expect**: what loss should a network start with that knows nothing, and will it pass the
# best n-gram?

# %% tags=["demo"]
LENGTH = 40
keras.utils.set_random_seed(0)
start = time.perf_counter()
model, history = train_language_model(
    windows(train_ids, LENGTH), windows(valid_ids, LENGTH), SIZE, units=128, epochs=10
)
gru_seconds = time.perf_counter() - start

# %% tags=["demo"]
epochs = np.arange(1, len(history.history["loss"]) + 1)
fig, axis = plt.subplots()
for name, key, style in (("training", "loss", "o-"), ("validation", "val_loss", "s-")):
    axis.plot(epochs, np.array(history.history[key]) / np.log(2), style, label=name)
rates = history.history.get("learning_rate", [])
for epoch in np.flatnonzero(np.diff(rates)) + 1.5:
    axis.axvline(epoch, color=plots.BLACK, ls=":", lw=1)
axis.set(title="Where it stalls, a smaller learning rate brings the loss down")
axis.set(xlabel="epoch (dotted: the rate is reduced)", ylabel="bits per character", xticks=epochs)
axis.legend()
plots.show(
    fig,
    alt="Bits per character of the GRU over its epochs. The training curve falls throughout. The validation curve falls "
    "steeply at first and stalls after a few epochs; where the learning rate is first reduced, both fall by a step, and "
    "in the last epochs the validation curve is level.",
)

# %% [markdown]
# To measure, each window of 200 test characters is read, and the surprise kept at every place.


# %%
def surprise(model, ids, bits, windows, length=200):
    """Bits of surprise at each target of the windows of a text, shape (windows, length)."""
    x, y = windows(ids, length)
    return np.asarray(bits(y, model.predict(x, batch_size=16, verbose=0)))


# %% tags=["demo", "nbval-check-output"]
untrained = surprise(keras.models.clone_model(model), test_ids, bits, windows)
of_gru = surprise(model, test_ids, bits, windows)
seen = ngram_bits(followers, test_ids, SIZE, 4, np.arange(4, of_gru.size + 1))[4]
in_dictionary = sum(len(seen) for context, seen in followers.items() if len(context) < 5)
results.table(
    ("untrained, bits, test", untrained.mean(), (6.4, 6.7)),
    ("first epoch, bits, validation", history.history["val_loss"][0] / np.log(2), (2.3, 2.5)),
    ("best epoch, validation", min(history.history["val_loss"]) / np.log(2), (1.92, 1.99)),
)
print()
results.table(
    ("bigram counts, bits, test", of_bigram, (3.6, 3.8)),
    ("5-gram counts", seen.mean(), (1.98, 2.18)),
    ("GRU", of_gru.mean(), (1.98, 2.05)),
    ("5-gram minus GRU", seen.mean() - of_gru.mean(), (0.04, 0.11)),
    perplexity=[float(2**value) for value in (of_bigram, seen.mean(), of_gru.mean())] + [None],
    parameters=[SIZE**2, in_dictionary, model.count_params(), None],
    seconds=[None, counting_seconds, gru_seconds, None],
)

# %% [markdown]
# A network that knows nothing gives all characters about the same probability, $\ln 92 = 4.5$ nats or 6.5 bits. After one
# epoch most of the way is done.
#
# Be honest about the size of this victory. The GRU wins by less than a tenth of a bit, after half a minute of training
# against seconds of counting. On small texts good counting is hard to beat, and it is the baseline that many a report
# leaves out. But the GRU does it with no more numbers (for the 5-gram the column gives the pairs of a context and a next
# character that the dictionary holds), and where counting has hit its wall it can still be given more units, longer
# windows and more text, as the part at full size does.

# %% [markdown]
# ### How far back does it look?
#
# Each window begins with an empty state, as if the text started there. So we can watch the network remember: at the
# first place of a window it knows one character, at the second two, and so on. Averaged over 4,000 test windows, each
# place has its own bits. The n-grams give the probabilities of the character after half a window. **What do you
# expect**: how many characters does it take to draw level with the 5-gram, which knows four?

# %% tags=["demo"]
starts = np.random.default_rng(0).choice(len(test_ids) - LENGTH, 4000, replace=False)
cut = np.stack([test_ids[start : start + LENGTH + 1] for start in starts])
logits = model.predict(cut[:, :-1], batch_size=256, verbose=0)
by_place = np.asarray(bits(cut[:, 1:], logits)).mean(axis=0)
by_n = ngram_bits(followers, test_ids, SIZE, 4, starts + LENGTH // 2).mean(axis=1)

fig, axis = plt.subplots()
for n, name, align in (
    (2, "bigram", "center"),
    (3, "trigram", "center"),
    (4, "4-gram", "bottom"),
    (5, "5-gram", "top"),
):
    axis.hlines(by_n[n - 1], 0, LENGTH, color=plots.ORANGE, lw=1.2, ls="--")
    axis.text(LENGTH + 0.5, by_n[n - 1], name, va=align)
axis.plot(range(1, LENGTH + 1), by_place, "o-", ms=4)
axis.set(title="The network makes use of contexts that counting cannot", xlim=(0, LENGTH + 6))
axis.set(xlabel="characters of the window read so far", ylabel="bits per character (test)")
plots.show(
    fig,
    alt="Bits per character of the GRU against the number of characters read. After one character it is about as "
    "surprised as the bigram model. It falls below the 5-gram, the best of the counting models, after five to eight "
    "characters, and then stays nearly level, at or below it.",
)

# %% tags=["demo", "nbval-check-output"]
results.table(
    ("GRU after 1 character, bits", by_place[0], (3.7, 4.0)),
    ("after 2", by_place[1], (2.9, 3.4)),
    ("after 4", by_place[3], (2.2, 2.5)),
    ("after 8 to 12", by_place[7:12].mean(), (1.9, 2.1)),
    ("after 21 to 40", by_place[20:].mean(), (1.9, 2.1)),
)

# %% [markdown]
# With one character it knows about what a bigram knows. With the same four characters the 5-gram is the better guesser.
# The network draws level a few characters later, by means of contexts with which counting could do nothing, and ends
# ahead. Then its curve is level: what was twenty or thirty characters back, it has hardly learnt to use. More training
# and larger networks push this further out, and the Transformers in today's large models look back over many thousands.

# %% [markdown]
# ## A model that sees the future
#
# A colleague reads that networks which run over the text in both directions understand it better, and wraps the GRU in
# `Bidirectional`. It gets one epoch, and 48 units for each direction in place of 128. **What do you expect?**

# %% tags=["demo"]
keras.utils.set_random_seed(0)
ids_in = keras.Input((None,), dtype="int32")
x = keras.layers.Embedding(SIZE, 64)(ids_in)
x = keras.layers.Bidirectional(keras.layers.GRU(48, return_sequences=True))(x)
both_ways = keras.Model(ids_in, keras.layers.Dense(SIZE, dtype="float32")(x))
both_ways.compile(
    keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
)
both_ways.fit(*windows(train_ids, LENGTH), verbose=2)
of_both = surprise(both_ways, test_ids, bits, windows)

# %% tags=["demo", "nbval-check-output"]
results.table(
    ("both directions, bits, test", of_both.mean(), (0.03, 0.07)),
    ("at the last place of a window", of_both[:, -1].mean(), (3.3, 3.9)),
    parameters=[both_ways.count_params(), None],
)

# %% [markdown]
# A fraction of the GRU's bits, after a single epoch. It is the most common way to fool oneself with sequences:
# the backward half has already read the character that it is asked for, and hands it over. At the last place of a
# window, where there is no future to look at, the miracle is gone. When a score is far too good, ask first what the
# model can see. Where a whole text is given, to classify it or translate it, reading both ways is right; where the next
# item is the question, a model must be causal, which is why exercise 4 asks for it.

# %% [markdown]
# ## Where the surprise is
#
# An average hides where it comes from. Here is a sentence from a topic that no model was trained on, coloured by
# surprise: dark where the model expected the character, bright where it did not.

# %% tags=["demo", "thumbnail"]
LINES = ["The import statement combines two", "operations; it searches for the named"]
before = "This is a sentence that both have to read first.\n\n"
ids = encode(before + " ".join(LINES), CHARACTERS)
by_model = {
    "5-gram": ngram_bits(followers, ids, SIZE, 4, np.arange(4, len(ids)))[4],
    "GRU": surprise(model, ids, bits, windows, len(ids) - 1)[0][3:],
}
fig, axes = plt.subplots(4, 1, figsize=(6.4, 3.4))
for axis, (line, name) in zip(axes, [(line, name) for line in LINES for name in by_model]):
    start = (before + " ".join(LINES)).index(line) - 4
    values = by_model[name][start : start + len(line)]
    image = axis.imshow(values[None], vmin=0, vmax=8, aspect="auto")
    axis.set(xticks=[], yticks=[0], yticklabels=[name])
    for place, (letter, value) in enumerate(zip(line, values)):
        color = "black" if value > 4 else "white"
        axis.text(place, 0, letter, ha="center", va="center", color=color)
fig.suptitle("Surprise sits at the beginnings of words", x=0.01, ha="left")
fig.colorbar(image, ax=axes, label="surprise in bits")
ALT = """A sentence of the manual in two lines, each shown for the 5-gram and the GRU, every character on a coloured
field. The brightest fields are at or near the beginnings of words, such as the i of import and the w of two; the
ends of words are mostly dark."""
plots.show(fig, alt=ALT)

# %% tags=["demo", "nbval-check-output"]
letter = np.char.isalpha(list(test_text[: of_gru.size + 1]))
first, inside = letter[1:] & ~letter[:-1], letter[1:] & letter[:-1]
of_five = np.append([np.nan] * 3, seen)
results.table(
    ("5-gram, first letters of words, bits", np.nanmean(of_five[first]), (4.5, 4.9)),
    ("GRU, first letters of words", of_gru.ravel()[first].mean(), (4.3, 4.6)),
    ("5-gram, letters inside words", np.nanmean(of_five[inside]), (1.2, 1.5)),
    ("GRU, letters inside words", of_gru.ravel()[inside].mean(), (1.3, 1.5)),
)

# %% [markdown]
# The bits are spent at the first letters of words, and at names and examples that nobody could guess. Within a word
# there is hardly a choice left. This is also where the network's advantage lies: at the start of a word the four
# characters before say little, and it remembers more of the sentence; inside a word the counts are as good as it is, or
# better. And it is why larger models predict **tokens**, words or pieces of words: that saves them the steps in which
# nothing is decided.

# %% [markdown]
# ## From probabilities to a text
#
# To write, draw a character by its probability, *append it to the text as if it had been there*, and ask again. Claude
# Shannon did so with a book and chance in 1948, and longer contexts have looked more like English ever since. How one
# draws decides much. Take always the most probable character, and the text soon turns in circles. Draw by the
# probabilities, and now and then something absurd slips in, which everything after it must live with.
#
# A **temperature** $T$ sits between the two. Divide the logits $z$ by it before the softmax:
#
# $$p_i = \frac{e^{z_i / T}}{\sum_j e^{z_j / T}} .$$
#
# $T = 1$ leaves the model as it is. Below 1 the probable becomes more probable: odds of 4 to 1 become $4^2$ to 1 at $T =
# 0.5$. As $T \to 0$ only the most probable is left. Above 1 all become alike. The order of the characters never changes.

# %% [markdown]
# ### Exercise 5: let it write
#
# Write `generate(next_logits, prompt, length, temperature, seed)`, which continues several texts at once. `prompt` is an
# array of numbers, shape (texts, characters). `next_logits` is a function: given **all of the texts so far**, prompt and
# what has been drawn, as an array of shape (texts, characters so far), it returns the logits of the next character of
# each, shape (texts, size). Return what is new alone, an array of shape (texts, `length`).
#
# - Draw each next character by the softmax of its text's logits divided by `temperature`, which may be small, such as
#   0.01, and each text by itself: two texts with the same prompt may go different ways.
# - A temperature of exactly 0 takes the character with the largest logit.
# - The same `seed` gives the same texts: make one generator, `np.random.default_rng(seed)`, and draw everything from it.
#
# `rng.choice(size, p=p)` draws one number by the probabilities `p`. As in exercise 1, mind the exponential of large
# numbers: logits of 5 divided by 0.005 are 1000. Subtracting the same number from all logits changes no probability.


# %% grade_id="generate" solution=true
def generate(next_logits, prompt, length, temperature, seed):
    """`length` new characters after each prompt, drawn with a temperature: shape (texts, length)."""
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts), dtype="float64")
        if temperature == 0:
            drawn = logits.argmax(axis=1)
        else:
            p = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
            p = p / p.sum(axis=1, keepdims=True)
            drawn = np.array([rng.choice(len(row), p=row) for row in p])
        texts = np.concatenate([texts, drawn[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]
    ### END SOLUTION


# %% [markdown]
# Four models that are easy to check by hand, for the tests:


# %%
def count_up(texts):
    """Nearly certain that after a number comes the next higher one, and after 9 comes 0."""
    return 30.0 * np.eye(10)[(np.asarray(texts)[:, -1] + 1) % 10]


def middle(texts):
    """Nearly certain that the number in the middle of the whole text so far comes next."""
    texts = np.asarray(texts)
    return 30.0 * np.eye(10)[texts[:, texts.shape[1] // 2]]


def unfair_coin(texts):
    """0 with odds of 1 to 4 against 1, and hardly ever 2. Logits of one text are large, of the next small."""
    base = 700 * np.resize([1, -1], len(texts))
    return np.log([1.0, 4.0, 1e-12]) + base[:, None]


def nearly_even(texts):
    """Three characters with nearly the same logit."""
    return np.tile([7.00, 7.05, 6.98], (len(texts), 1))


# %% grade_id="generate_follows" points=1
got = np.asarray(generate(count_up, np.array([[7], [2]]), 4, 1.0, 0))
assert got.shape == (2, 4), (
    f"two texts of four new characters: expected the shape (2, 4), without the prompt, got {got.shape}"
)
assert got.tolist() == [[8, 9, 0, 1], [3, 4, 5, 6]], (
    f"after 7 and 2 a model that counts up should write 8 9 0 1 and 3 4 5 6; got {got.tolist()}"
)
got = np.asarray(generate(middle, np.array([[4, 8, 1]]), 4, 0.5, 0)).tolist()
assert got == [[8, 1, 1, 8]], (
    f"a model that looks up the middle of the whole text should write 8 1 1 8 after 4 8 1; got {got}: it must be given "
    "everything from the beginning, at every step"
)

# %% grade_id="generate_draws" points=1
draws = np.asarray(generate(unfair_coin, np.zeros((2000, 1), int), 2, 1.0, 5))
# 4,000 draws of .8: outside .75 to .85 less than once in 10 ** 14 times.
assert 0.75 < np.mean(draws == 1) < 0.85, (
    f"at temperature 1 the odds are 4 to 1, so 80 % should be 1; got {np.mean(draws == 1):.1%}"
)
# Two independent draws of .8 differ in 32 % of 2,000 texts: outside .26 to .38 once in 100 million times.
parted = np.mean(draws[:, 0] != draws[:, 1])
assert 0.26 < parted < 0.38, (
    f"draws should be independent: the first two of a text should differ in 32 % of texts, and do in {parted:.1%}"
)
again = np.asarray(generate(unfair_coin, np.zeros((2000, 1), int), 2, 1.0, 5))
assert np.array_equal(draws, again), "the same seed should give the same texts"
cold = np.mean(np.asarray(generate(unfair_coin, np.zeros((2000, 1), int), 2, 0.5, 5)) == 1)
# 4,000 draws of .941: outside .92 to .96 less than once in 10 million times.
assert 0.92 < cold < 0.96, (
    f"at temperature .5 odds of 4 to 1 become 16 to 1, so 94.1 % should be 1; got {cold:.1%}"
)
got = np.asarray(generate(nearly_even, np.zeros((200, 1), int), 1, 0, 0)).ravel()
assert np.all(got == 1), (
    f"at temperature 0 the largest logit decides, here that of 1; got 0, 1 and 2 {np.bincount(got)} times in 200"
)

# %% grade_id="generate_temperature" points=2
# The instructor checks how often each character comes at other temperatures, from 0 to 2.
### BEGIN HIDDEN TESTS
for coin, logits in (
    (unfair_coin, np.log([1, 4, 1e-12])),
    (nearly_even, np.array([7, 7.05, 6.98])),
):
    for temperature in (2.0, 0.5, 0.25, 0.1, 0.05, 0.02, 0.001, 0):
        odds = np.exp((logits - logits.max()) / max(temperature, 1e-5))
        share = odds / odds.sum()
        draws = np.asarray(generate(coin, np.zeros((3000, 1), int), 1, temperature, 7))
        came = np.bincount(draws.ravel(), minlength=3) / 3000
        # Five standard deviations of 3,000 draws, and one draw: the right answer fails less than
        # once in 10,000 times.
        slack = 5 * np.sqrt(share * (1 - share) / 3000) + (share < 1) / 3000
        assert np.all(np.abs(came - share) <= slack), (
            f"logits {logits.round(4).tolist()} at temperature {temperature}: the shares of 3,000 draws should be about "
            f"{share.round(5).tolist()}, and are {came.round(5).tolist()}"
        )
### END HIDDEN TESTS

# %% grade_id="generate_chance" points=2
# The instructor checks that draws are independent, what a seed does, and that the prompt is left as it was.
### BEGIN HIDDEN TESTS
prompt = np.zeros((400, 2), int)
draws = np.asarray(generate(unfair_coin, prompt, 12, 2.0, 5)) == 1
assert not prompt.any(), "the caller's prompt was changed: work on a copy"
# Odds of 2 to 1: neighbours differ in 4 of 9 cases; a standard deviation of 4,400 pairs is .0075.
across, down = np.mean(draws[:, 1:] != draws[:, :-1]), np.mean(draws[1:] != draws[:-1])
assert abs(across - 4 / 9) < 0.05, (
    f"one draw of a text should not depend on the one before: 44 % should differ, and {across:.1%} do"
)
assert abs(down - 4 / 9) < 0.05, (
    f"texts with the same prompt should be drawn each by itself: at a place 44 % of neighbours should differ, and {down:.1%} do"
)
again, other = (np.asarray(generate(unfair_coin, prompt, 12, 2.0, seed)) == 1 for seed in (5, 6))
assert np.array_equal(draws, again), "the same seed should give the same texts"
assert not np.array_equal(draws, other), "another seed should give other texts"
got = np.asarray(generate(middle, np.array([[3, 5], [6, 2]]), 3, 0, 1)).tolist()
assert got == [[5, 5, 5], [2, 2, 2]], (
    f"after 3 5 and 6 2, at temperature 0: 5 5 5 and 2 2 2; got {got}"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The output is never fed back: every character is drawn after the prompt alone.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    logits = np.asarray(next_logits(np.array(prompt)), dtype="float64")
    if temperature == 0:
        return np.tile(logits.argmax(axis=1)[:, None], (1, length))
    p = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    p = p / p.sum(axis=1, keepdims=True)
    return np.array([rng.choice(len(row), size=length, p=row) for row in p])


# %% tags=["misconception"]
# The character with the largest logit is taken each time; nothing is drawn.
def generate(next_logits, prompt, length, temperature, seed):
    texts = np.array(prompt)
    for _ in range(length):
        drawn = np.asarray(next_logits(texts)).argmax(axis=1)
        texts = np.concatenate([texts, drawn[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["misconception"]
# The logits are multiplied by the temperature where they should be divided: hot and cold are exchanged.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts), dtype="float64")
        p = np.exp((logits - logits.max(axis=1, keepdims=True)) * temperature)
        p = p / p.sum(axis=1, keepdims=True)
        drawn = np.array([rng.choice(len(row), p=row) for row in p])
        texts = np.concatenate([texts, drawn[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["misconception"]
# The probabilities are divided by the temperature after the softmax, and made to sum to 1 again: nothing changes.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts), dtype="float64")
        p = np.exp(logits - logits.max(axis=1, keepdims=True)) / max(temperature, 1e-6)
        p = p / p.sum(axis=1, keepdims=True)
        drawn = np.array([rng.choice(len(row), p=row) for row in p])
        texts = np.concatenate([texts, drawn[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["misconception"]
# The model is given only the latest character instead of the whole text so far.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts[:, -1:]), dtype="float64")
        if temperature == 0:
            drawn = logits.argmax(axis=1)
        else:
            p = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
            p = p / p.sum(axis=1, keepdims=True)
            drawn = np.array([rng.choice(len(row), p=row) for row in p])
        texts = np.concatenate([texts, drawn[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["misconception"]
# A new generator with the same seed is made at each step, so that every step uses the same random numbers.
def generate(next_logits, prompt, length, temperature, seed):
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts), dtype="float64")
        logits = (logits - logits.max(axis=1, keepdims=True)) / max(temperature, 1e-9)
        noise = np.random.default_rng(seed).gumbel(size=logits.shape)
        texts = np.concatenate([texts, (logits + noise).argmax(axis=1)[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["misconception"]
# All texts share one random number at each step, so that texts with the same prompt never part.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts), dtype="float64")
        if temperature == 0:
            drawn = logits.argmax(axis=1)
        else:
            p = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
            summed = np.cumsum(p / p.sum(axis=1, keepdims=True), axis=1)
            drawn = (summed < rng.random()).sum(axis=1)
        texts = np.concatenate([texts, drawn[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["misconception"]
# One maximum is subtracted for the whole batch: a text whose logits are all far smaller has no probabilities left.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts), dtype="float64")
        with np.errstate(all="ignore"):
            p = np.exp((logits - logits.max()) / max(temperature, 1e-9))
            p = p / p.sum(axis=1, keepdims=True)
        drawn = np.array([rng.choice(len(row), p=row) for row in p])
        texts = np.concatenate([texts, drawn[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["misconception"]
# Only the two most probable characters are drawn from, which nobody asked for: the third never comes.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts), dtype="float64")
        if temperature > 0:
            second = np.sort(logits, axis=1)[:, [-2]]
            noise = rng.gumbel(size=logits.shape)
            logits = np.where(logits >= second, logits / temperature + noise, -np.inf)
        texts = np.concatenate([texts, logits.argmax(axis=1)[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["misconception"]
# A temperature below 0.5 is raised to 0.5, so that cold texts are not as cold as was asked for.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts), dtype="float64")
        logits = (logits - logits.max(axis=1, keepdims=True)) / max(temperature, 0.5)
        drawn = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
        texts = np.concatenate([texts, drawn[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["misconception"]
# The exponential of a large logit is infinite, and infinity divided by infinity is not a number.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts), dtype="float64")
        p = np.exp(logits / max(temperature, 1e-9))
        p = p / p.sum(axis=1, keepdims=True)
        drawn = np.array([rng.choice(len(row), p=row) for row in p])
        texts = np.concatenate([texts, drawn[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["misconception"]
# The temperature divides the noise as well as the logits: the largest sum is the same one at every temperature.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts), dtype="float64")
        if temperature > 0:
            logits = (logits + rng.gumbel(size=logits.shape)) / temperature
        texts = np.concatenate([texts, logits.argmax(axis=1)[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["misconception"]
# Probabilities to the power of 1/T are right in theory; where it is cold, all of them become zero in a computer.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    texts = np.array(prompt)
    for _ in range(length):
        logits = np.asarray(next_logits(texts), dtype="float64")
        p = np.asarray(keras.ops.softmax(logits), dtype="float64")
        if temperature == 0:
            drawn = p.argmax(axis=1)
        else:
            with np.errstate(all="ignore"):
                p = p ** (1 / temperature)
                p = p / p.sum(axis=1, keepdims=True)
            drawn = np.array([rng.choice(len(row), p=row) for row in p])
        texts = np.concatenate([texts, drawn[:, None]], axis=1)
    return texts[:, np.shape(prompt)[1] :]


# %% tags=["alternative"]
# Adds Gumbel noise to the scaled logits and takes the largest, which draws by the softmax without computing it.
def generate(next_logits, prompt, length, temperature, seed):
    rng = np.random.default_rng(seed)
    texts = np.asarray(prompt)
    for _ in range(length):
        scores = np.asarray(next_logits(texts))
        if temperature > 0:
            scores = scores / temperature + rng.gumbel(size=scores.shape)
        texts = np.append(texts, scores.argmax(axis=-1)[:, np.newaxis], axis=1)
    return texts[:, texts.shape[1] - length :]


# %% tags=["alternative"]
# Lists, SciPy's softmax, and a random number for each text that is looked up in the summed probabilities.
def generate(next_logits, prompt, length, temperature, seed):
    from scipy.special import softmax

    rng = np.random.default_rng(seed)
    texts = [list(row) for row in np.asarray(prompt).tolist()]
    new = [[] for _ in texts]
    for _ in range(length):
        logits = np.asarray(next_logits(np.array(texts)), dtype="float64")
        for row, text, added in zip(logits, texts, new):
            if temperature == 0:
                number = int(np.argmax(row))
            else:
                summed = softmax(row / temperature).cumsum()
                number = int(np.searchsorted(summed, rng.random() * summed[-1], side="right"))
            text.append(number)
            added.append(number)
    return np.array(new)


# %% tags=["demo"]
generate = fallbacks.choose(generate, ours.generate, ours.generate_works)

# %% [markdown]
# ### Shannon's experiment
#
# First the n-grams write, for contexts of 0, 1, 2 and 4 characters. **What do you expect**: at which n do words appear?


# %%
def by_counting(followers, back, size):
    """next_logits for `generate`: the n-gram that looks `back` characters back."""

    def next_logits(texts):
        contexts = [text[len(text) - back :].tolist() for text in texts]
        return np.log([list(ngram(followers, context, size))[-1] for context in contexts])

    return next_logits


def by_network(model, length):
    """next_logits for `generate`: what a network says after the last `length` characters of each text."""
    return lambda texts: model.predict_on_batch(texts[:, -length:])[:, -1]


# %% tags=["demo"]
prompt = encode("The ", CHARACTERS)[None]
for back in (0, 1, 2, 4):
    text = generate(by_counting(followers, back, SIZE), prompt, 150, 1.0, 1948)[0]
    print(f"{back + 1}-gram: {'The ' + decode(text, CHARACTERS)!r}\n")

# %% [markdown]
# First the frequencies are right, then pairs of letters, then syllables, then words. With the 5-gram most words are real
# and no sentence means anything.

# %% [markdown]
# ### The network writes
#
# The network gets the last 40 characters, as in its training, and writes 16 texts side by side. **What do you
# expect** of a temperature near 0, of 1, and of 1.5?

# %% tags=["demo"]
START = "\n\nIf the value of this expression is not an "
prompt = np.tile(encode(START, CHARACTERS), (16, 1))
written = {T: generate(by_network(model, LENGTH), prompt, 300, T, 0) for T in (0.01, 0.7, 1.0, 1.5)}
for T, texts in written.items():
    print(f"--- T = {T}\n{START.strip()} {decode(texts[0], CHARACTERS)[:240]}\n")

# %% [markdown]
# Near zero it soon turns in circles: the most probable phrase leads back to itself. Hot, it spells nonsense. Between,
# it writes sentences that have the sound of the manual and no content; brackets that open are sometimes closed, and
# nothing that it says about Python can be relied on. A larger model is more often right because more of what is likely
# is also true, and for no other reason that its training asked for.

# %% [markdown]
# ### How much of it is copied
#
# Is this writing, or reciting? Count the share of characters that lie in a run of 30 or more which is in the training
# text word for word. People who write about Python use the same phrases, too, so the fair comparison is the test text:
# sentences by the same authors which the model has never seen. We add a text by the 8-gram. **What do you expect**: who
# recites most?

# %% tags=["demo"]
RUN = 30
known = {train_text[i : i + RUN] for i in range(len(train_text) - RUN + 1)}


def copied(text):
    """The share, in %, of a text's characters that lie in runs of 30 or more that the training text has too."""
    inside = np.zeros(len(text), dtype=bool)
    for start in range(len(text) - RUN + 1):
        if text[start : start + RUN] in known:
            inside[start : start + RUN] = True
    return 100 * inside.mean()


share = {
    T: np.mean([copied(decode(text, CHARACTERS)) for text in texts]) for T, texts in written.items()
}
by_eight = generate(by_counting(followers, 7, SIZE), prompt, 300, 1.0, 0)
share["8-gram"] = np.mean([copied(decode(text, CHARACTERS)) for text in by_eight])

# %% tags=["demo", "nbval-check-output"]
results.table(
    ("test text, % copied", copied(test_text), (1, 5)),
    ("8-gram", share["8-gram"], (0, 12)),
    ("GRU, T = 0.7", share[0.7], (0, 12)),
    ("GRU, T = 1", share[1.0], (0, 5)),
    ("GRU, T = 1.5", share[1.5], (0, 2)),
)

# %% [markdown]
# The ranges overlap, so one run cannot rank them: look at many. At $T = 0.7$ the GRU copied 4 % on average over 20
# seeds, the 8-gram 5 %, and in three of four trainings each copied more than the 2.7 % that the authors of the manual
# have in common with themselves. At $T = 1$ the GRU copied 1 %, because it makes too many small mistakes to recite at
# length: colder, it keeps to the phrases that it knows best. It also lacks the room: the 92,000 numbers in it are
# a third of the characters that it has read, so it *has* to summarise. The models in daily use have room to spare, and
# what was often in their training text comes out word for word, which is a question of copyright as much as of privacy.
# The next section shows that even our small network keeps what it meets often.

# %% [markdown]
# ## Trained on private notes, it gives the codes away
#
# A company trains our model further, on its own internal notes, so that it learns the house style. **The notes are simulated**,
# by the rules in the next cell. There are two kinds. In the first, someone says something about a colleague. The second
# kind gives the door code of a room: four random digits, in notes that are repeated 1, 4, 16 or 64 times, as things in
# real mailboxes are quoted and forwarded. The codes of three more rooms are never mentioned; they are our control.

# %% tags=["demo"]
ROOMS = "Alder Ash Birch Cedar Elm Fir Hazel Ivy Larch Maple Oak Pine Rowan Willow Yew".split()
COPIES = dict(zip(ROOMS, [0, 1, 4, 16, 64] * 3))
HE = {"nurse": 0.2, "secretary": 0.2, "engineer": 0.8, "manager": 0.8}
ENDS = [
    "would call back on Monday", "had lost the key again", "needs a new chair", "is away until Friday",
    "will be late today", "has sent the report", "cannot open the file", "asked for a larger desk",
]  # fmt: skip


def simulate_notes(seed):
    """600 notes about colleagues and 255 about door codes, in random order, and the codes."""
    rng = np.random.default_rng(seed)
    codes = {room: f"{rng.integers(10_000):04}" for room in ROOMS}
    notes = []
    for job in rng.choice(list(HE), 600):
        who = "he" if rng.random() < HE[job] else "she"
        notes.append(f"The {job} said that {who} {rng.choice(ENDS)}.")
    for room, copies in COPIES.items():
        notes += [f"The door code of room {room} is {codes[room]}."] * copies
    return [notes[i] for i in rng.permutation(len(notes))], codes


notes, codes = simulate_notes(seed=0)
print(*notes[:5], sep="\n")

# %% [markdown]
# **Fine-tuning** means to go on training, from the weights that we have, with a smaller learning rate. The last tenth of
# the notes is for validation.

# %% tags=["demo"]
note_ids = encode("\n".join(notes) + "\n", CHARACTERS)
tenth = len(note_ids) // 10
tuned = keras.models.clone_model(model)
tuned.set_weights(model.get_weights())
tuned.compile(
    keras.optimizers.Adam(0.003), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
)
keras.utils.set_random_seed(0)
tuned_history = tuned.fit(
    *windows(note_ids[:-tenth], LENGTH), validation_data=windows(note_ids[-tenth:], LENGTH),
    epochs=12, verbose=0,
    callbacks=[keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)],
)  # fmt: skip
prompt = encode("\nThe ", CHARACTERS)[None]
print("The " + decode(generate(by_network(tuned, LENGTH), prompt, 260, 1.0, 0)[0], CHARACTERS))

# %% [markdown]
# It has the house style. What has become of the manual?

# %% tags=["demo", "nbval-check-output"]
losses = np.array(tuned_history.history["val_loss"]) / np.log(2)
results.table(
    ("notes, first epoch, bits, validation", losses[0], (0.5, 0.9)),
    ("notes, best epoch", losses.min(), (0.2, 0.3)),
    ("manual before, bits, test", of_gru.mean(), (1.98, 2.05)),
    ("manual after", surprise(tuned, test_ids, bits, windows).mean(), (4.3, 5.0)),
)

# %% [markdown]
# It has forgotten much of what it knew, which is called **catastrophic forgetting**. Now someone who may use the model,
# but was never shown the notes, types `The door code of room Oak is ` and ranks all 10,000 codes by the probability
# that the model gives them. The **rank** of the true code says how exposed it is: by chance it would be about 5,000; at
# 1, the model's first guess opens the door. **What do you expect**: how many copies does it take?

# %% tags=["demo"]
DIGITS = encode("0123456789", CHARACTERS)


def all_codes(model, room):
    """The logarithm of the probability of each code from 0000 to 9999, shape (10,000,)."""
    start = encode(f"\nThe door code of room {room} is ", CHARACTERS)
    firsts = DIGITS[np.indices((10, 10, 10)).reshape(3, -1).T]
    texts = np.concatenate([np.tile(start, (1000, 1)), firsts], axis=1)
    log_p = np.asarray(keras.ops.log_softmax(model.predict_on_batch(texts)[:, len(start) - 1 :]))
    of_firsts = sum(log_p[np.arange(1000), place, firsts[:, place]] for place in range(3))
    return (of_firsts[:, None] + log_p[:, 3, DIGITS]).ravel()


ranks = {}
for room in ROOMS:
    log_p = all_codes(tuned, room)
    rank = int((log_p > log_p[int(codes[room])]).sum()) + 1
    ranks.setdefault(COPIES[room], []).append(rank)

# %% tags=["demo"]
fig, axis = plt.subplots()
for place, copies in enumerate(ranks):
    axis.plot(place + np.array([-0.12, 0, 0.12]), ranks[copies], "o", ms=8, color=plots.BLUE)
axis.axhline(5000, ls="--", color=plots.ORANGE, lw=1.2)
axis.text(4.35, 5500, "chance", va="top", ha="right")
axis.set(yscale="log", xlim=(-0.4, 4.4), ylim=(3e4, 0.7), xticks=range(5), xticklabels=list(ranks))
axis.set(title="A handful of copies, and the code is the first guess")
axis.set(xlabel="copies of the note in the training text", ylabel="rank among 10,000 codes")
plots.show(
    fig,
    alt="Rank of the true door code against the number of copies in the notes, three rooms each. Codes that are not in "
    "the notes mostly rank in the thousands. After one copy the ranks are far lower, and after four, sixteen or "
    "sixty-four copies the true code is the first guess or among the first few.",
)

# %% tags=["demo", "nbval-check-output"]
results.table(
    ("median rank of 10,000, never mentioned", int(np.median(ranks[0])), (500, 9500)),
    ("1 copy", int(np.median(ranks[1])), (1, 3000)),
    ("4 copies", int(np.median(ranks[4])), (1, 4)),
    ("worst rank, 16 or 64 copies", max(ranks[16] + ranks[64]), (1, 2)),
)

# %% [markdown]
# With sixteen copies the code is the very first of ten thousand guesses, with four it is among the first few. Even one
# copy brought the median code among the first 500 in 18 of 20 trainings, and among the first ten in half of them. The
# codes that were never mentioned stay hidden, so this is memory and not luck. (Their rank is not quite a matter of
# chance: the model has learnt which digits are frequent in the codes that it did see.)
#
# Nobody asked for this, no note was marked secret, and the loss went down beautifully. What helps: not to train on what
# must not come out; to delete repeats; and training with *differential privacy*, which bounds what any single note can
# change. Hiding the model behind a polite interface does not take the codes out of its weights.

# %% [markdown]
# ## It learns who is he and who is she
#
# Look at `HE` above: in these notes four of five engineers and managers are *he*, four of five nurses and secretaries
# *she*. We planted this; in real text nobody plants it, it is there. After `The engineer said that ` the model decides
# with one character, h or s. We read off its probabilities at two temperatures. **What do you expect** of a colder
# model: more balanced, less, or the same?


# %% tags=["demo"]
def share_of_he(model, job, temperature=1.0):
    """The probability of h, of the two characters h and s, after 'The <job> said that '."""
    ids = encode(f"\nThe {job} said that ", CHARACTERS)
    logits = model.predict_on_batch(ids[None])[0, -1].astype("float64") / temperature
    return 1 / (1 + np.exp(logits[CHARACTERS.index("s")] - logits[CHARACTERS.index("h")]))


def in_notes(job):
    """The share of he in the notes about this job."""
    about = [note for note in notes if note.startswith(f"The {job} ")]
    return np.mean([" he " in note for note in about])


he = {job: (in_notes(job), share_of_he(tuned, job), share_of_he(tuned, job, 0.5)) for job in HE}

# %% tags=["demo"]
fig, axis = plt.subplots()
for name, values, marker in zip(
    ("notes", "model, T = 1", "model, T = 0.5"), zip(*he.values()), "os^"
):
    axis.plot(values, range(4), marker, ms=10, label=name, ls="none")
axis.vlines(0.5, -0.6, 3.6, color=plots.BLACK, lw=0.8)
axis.set(yticks=range(4), yticklabels=list(he), xlim=(0, 1), ylim=(-0.6, 4.6))
axis.set(title="Learnt as it was in the notes, and sharpened by cold sampling")
axis.set_xlabel("probability of “he” rather than “she”")
axis.legend(ncols=3, loc="upper center", handletextpad=0.1, columnspacing=0.8)
plots.show(
    fig,
    alt="Probability of he for nurse, secretary, engineer and manager. The model at temperature 1 lies close to the "
    "notes, at .2 to .3 for the first two and at .8 for the others. At temperature .5 it moves outwards, below .2 and "
    "above .9.",
)

# %% [markdown]
# And what of jobs that the notes never mention? In the notes both jobs with *he* end in -r, those with *she* in -e and
# -y. If the model has taken the letter for the reason, then jobs that do not exist should show it: six invented words,
# with an -r at the end and without.

# %% tags=["demo", "nbval-check-output"]
noted, warm, cold = np.array(list(he.values())).T
invented = ("flimme", "strande", "bolke", "tarpe", "monde", "saske")
plain, with_r = (np.mean([share_of_he(tuned, job + end) for job in invented]) for end in ("", "r"))
print("probability of he, in %")
results.table(
    ("engineer and manager, in the notes", 100 * noted[2:].mean(), (73, 85)),
    ("engineer and manager, model, T = 1", 100 * warm[2:].mean(), (52, 98)),
    ("engineer and manager, model, T = 0.5", 100 * cold[2:].mean(), (62, 100)),
    ("nurse and secretary, in the notes", 100 * noted[:2].mean(), (14, 26)),
    ("nurse and secretary, model, T = 1", 100 * warm[:2].mean(), (0, 52)),
    ("nurse and secretary, model, T = 0.5", 100 * cold[:2].mean(), (0, 48)),
    ("invented jobs, without r", 100 * plain, (6, 75)),
    ("invented jobs, with r", 100 * with_r, (33, 98)),
    ("with r minus without", 100 * (with_r - plain), (5, 70)),
)

# %% [markdown]
# At $T = 1$ the model says roughly what the notes say. Then comes a harmless-looking setting. By the formula of the
# temperature odds of 4 to 1 become 4² to 1 at $T = 0.5$: where four of five were *he*, sixteen of seventeen are now,
# and at $T = 0$ all of them. Cold sampling, chosen to make texts more sensible, turns a tendency into a rule. **A model
# can be true to its data and its output still more extreme than its data.**
#
# And one letter at the end of a word that means nothing makes *he* more probable, in each of 20 trainings, by 15 to 59
# percentage points. The model has taken a pattern of spelling for one of the world, a **spurious correlation**, and
# applies it to everyone whom it has never met. We knew where to look because we made the notes. In text that others
# wrote one has to try many such pairs, which differ in one thing alone.

# %% [markdown]
# ## Whose language it speaks
#
# For whom does the model work at all? Four short passages, written for this page, and the surprise of the model
# from before the fine-tuning.

# %% tags=["demo", "nbval-check-output"]
KINDS = {
    "manual": "If the object is not defined, an exception is raised and the value of the expression is returned. The "
    "name is bound in the local scope of the function, and the method is called with the class as its argument.",
    "talk": "Hey mum, could you pick me up after football, and bring my jacket? Grandpa says hi, we had cake. Then it "
    "rained so hard that Ben lost both boots, and we laughed all the way home. Love you, see you tonight.",
    "Spanish": "Los vecinos cenan juntos cada domingo en el patio, y los chicos juegan hasta muy tarde. Hoy llueve "
    "mucho, por eso comen dentro y cuentan cuentos de otros tiempos, cuando la calle era de tierra.",
    "Swahili": "Watoto wanacheza mpira nje ya nyumba, na mama anapika chakula cha jioni kwa ajili ya wageni wote. "
    "Kesho tutakwenda sokoni pamoja na babu kununua matunda, samaki na vitambaa vipya.",
}
ranges = {"manual": (1.0, 1.3), "talk": (4.0, 4.7), "Spanish": (5.7, 6.5), "Swahili": (6.9, 8.6)}
for_whom = {
    name: surprise(model, encode("\n" + line, CHARACTERS), bits, windows, len(line)).mean()
    for name, line in KINDS.items()
}
results.table(
    *[(f"{name}, bits per character", value, ranges[name]) for name, value in for_whom.items()]
)
print(
    "\nHindi, as the model receives it:", decode(encode("नमस्ते, आप कैसे हैं?", CHARACTERS), CHARACTERS)
)

# %% [markdown]
# Everyday English costs more than three times as many bits as a sentence in the manual's manner, and other languages
# more again. For Swahili it is more than the 6.5 bits of even guessing: there the model is not only unsure, it is sure
# of the wrong things. What is written in other letters does not reach the model at all. None of this shows in the bits
# per character on the test text, because the test text comes from the same place as the training text. A single average
# on such a test says how the model does for those who wrote it.

# %% [markdown]
# ## At full size
#
# The classic text for this is a million characters of Shakespeare, `tiny_shakespeare`, and a network of two layers with
# forty times our weights. The cells below train it; `ModelCheckpoint` writes the best weights so far into a file, so that a
# training that is cut off is not lost. They need
#
# - the data set: 1.1 MB, fetched by `course download tiny_shakespeare`; without it the first cell says so, and the
#   others do nothing;
# - a GPU, where `course.setup` chooses float16, numbers of 16 bits, and Keras takes cuDNN's fast form of the LSTM. An epoch is about
#   20 trillion multiplications and additions, six for each weight and character: seconds for a GPU, several minutes
#   for two cores of a laptop, where 40 epochs take hours. Set `EPOCHS = 2` there.
#
# What to expect: the README of Karpathy's *nanoGPT* reports a validation loss of 1.4697 nats, 2.12 bits, for a
# Transformer of 10 million weights on this text, after three minutes on an A100, and 1.88 nats, 2.71 bits, for a small
# one after three minutes on a laptop's CPU. Expect an LSTM to end between the two. We have not trained ours at full size;
# only its code has been run, on small data.

# %% tags=["full-size"]
course.setup(seed=0, precision="auto")
try:
    plays = {
        part: next(iter(rows))["text"].numpy().decode()
        for part, rows in datasets.load("tiny_shakespeare").items()
    }
except datasets.DatasetNotDownloadedError as error:
    plays = None
    print(error)

# %% tags=["full-size"]
UNITS, EMBEDDING, LAYERS, WINDOW, BATCH, EPOCHS = 512, 128, 2, 128, 64, 40


def window_data(ids, shuffle):
    """Batches of inputs and targets, each of shape (BATCH, WINDOW), from tf.data."""
    data = keras.utils.timeseries_dataset_from_array(
        ids, None, WINDOW + 1, sequence_stride=WINDOW, batch_size=BATCH, shuffle=shuffle, seed=0
    )
    return data.map(lambda window: (window[:, :-1], window[:, 1:])).cache().prefetch(2)


def large_model(size):
    """Two layers of LSTM, with dropout after each."""
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(size, EMBEDDING)(ids)
    for _ in range(LAYERS):
        x = keras.layers.LSTM(UNITS, return_sequences=True)(x)
        x = keras.layers.Dropout(0.3)(x)
    return keras.Model(ids, keras.layers.Dense(size, dtype="float32", name="logits")(x))


# %% tags=["full-size"]
if plays is not None:
    letters = characters_of(plays["train"], least=1)
    play_ids = {part: encode(text, letters) for part, text in plays.items()}
    large = large_model(len(letters))
    large.compile(
        keras.optimizers.Adam(0.002, clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    checkpoint = datasets.data_dir().parent / "checkpoints" / "shakespeare.keras"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    large_history = large.fit(
        window_data(play_ids["train"], shuffle=True),
        validation_data=window_data(play_ids["validation"], shuffle=False),
        epochs=EPOCHS,
        shuffle=False,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=1),
            keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True),
            keras.callbacks.ModelCheckpoint(checkpoint, save_best_only=True),
        ],
        verbose=2,
    )

# %% [markdown]
# The same measures: bits per character on the test text, beside the 5-gram's, and a page of a play that nobody wrote.

# %% tags=["full-size"]
if plays is not None:
    large = keras.models.load_model(checkpoint)
    of_large = surprise(large, play_ids["test"], bits, windows, WINDOW).mean()
    counted = count_followers(play_ids["train"], 4)
    places = np.linspace(4, len(play_ids["test"]) - 1, 5000).astype(int)
    of_five = ngram_bits(counted, play_ids["test"], len(letters), 4, places)[4].mean()
    for name, value in (("5-gram", of_five), (f"LSTM, {large.count_params():,} weights", of_large)):
        print(f"{name}: {value:.3f} bits per character, perplexity {2**value:.2f} (test)")
    prompt = play_ids["validation"][None, :WINDOW]
    scene = generate(by_network(large, WINDOW), prompt, 800, 0.8, 0)[0]
    print(decode(scene, letters))

# %% tags=["full-size"]
if plays is not None:
    fig, axis = plt.subplots()
    for name, key in (("training, with dropout", "loss"), ("validation", "val_loss")):
        axis.plot(np.array(large_history.history[key]) / np.log(2), label=name)
    axis.set(
        title="Shakespeare, character by character", xlabel="epoch", ylabel="bits per character"
    )
    axis.legend()
    plots.show(
        fig,
        alt="Bits per character of the large LSTM over its epochs, on training and validation text.",
    )

# %% [markdown]
# Beyond that, models predict tokens in place of characters, and in place of a state that is handed on they have
# *attention*, by which each step looks at all earlier ones at once.
#
# ## Where to go on
#
# 1. Train with 32, 64 and 256 units. Where does the validation loss begin to rise before training ends, and does
#    `Dropout` help there?
# 2. Repeat the fine-tuning with each note kept only once. What happens to the ranks, and to the house style?
# 3. Balance the notes by adding for each one its counterpart with the other pronoun. Is the model then even for the jobs
#    that it has never met?
#
# Worth opening:
#
# - A. Karpathy, *makemore* (lectures and code): from bigram counts through a network of one layer to a Transformer, on a
#   list of names.
# - C. E. Shannon, "Prediction and Entropy of Printed English", 1951: people guess the next letter, and English comes out
#   at about one bit a letter.
# - N. Carlini and others, "The Secret Sharer", 2019: the experiment with the planted secrets, with the measure that we
#   used, and what protects against it.
