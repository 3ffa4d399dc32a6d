# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Language models
#     summary: You build models that predict the next character, let them write, and measure what they copy, what they leak and what prejudice they pick up.
#     part: III Sequential data
#     minutes: 90
#     minutes_reading: 15
#     objectives:
#     - turn a text into counts, and counts into a language model that can be compared by bits per character
#     - cut a text into inputs and targets without an error by one and without a leak between training and test
#     - train a GRU in Keras to predict the next character, and say how much of the context it uses
#     - sample from a model with a temperature, and feed its output back until there is a text
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
# ---

# %% [markdown]
# # Language models
#
# How does one guess the next letter of a sentence that nobody has finished yet? And what becomes of a machine that is
# good at this, when it is allowed to guess, to take its guess for true, and to guess again?
#
# A **language model** gives, for any beginning of a text, a probability to every item that could come next. In this
# lesson the items are characters. You will build such models by counting, then train a network that beats counting,
# let both write, and finally look at what they have taken from their text besides its grammar: copied sentences, a
# door code that should have stayed private, and a prejudice.
#
# Reading and running takes fifteen minutes, of which about one is waiting. The five exercises take an hour or more.

# %%
import course

course.setup(seed=0)

import keras
import matplotlib.pyplot as plt
import numpy as np

from course import datasets, plots

# %% [markdown]
# The text is Python's own manual, which is on every computer that has Python. The next two cells fetch it and glue its
# paragraphs together; the section after them looks at it properly.

# %%
PARTS = {
    part: [(row["text"].decode(), bool(row["repeated"])) for row in rows.as_numpy_iterator()]
    for part, rows in datasets.load("python_docs").items()
}


def glue(part, repeats=False):
    """The text of a part, by default without the paragraphs that stood further up already."""
    return "\n\n".join(text for text, repeated in PARTS[part] if repeats or not repeated) + "\n"


train_text, test_text = glue("train"), glue("test")

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
# for two reasons. There is text in abundance, from collected plays to chat messages, and nobody has to label it: the
# next character *is* the label. And the rules of a language are so many, with so many exceptions, that hardly anything
# but learning from examples has ever come far.
#
# In 2019 a model named GPT-2 was given two sentences in which scientists find unicorns in a valley of the Andes,
# unicorns that speak flawless English. The model carried on like a newspaper: it named the species, invented a
# biologist, gave him a university and a quotation. It also gave the unicorns four horns. The style was right, the
# grammar was right, and nothing kept it from contradicting itself, because nothing in its task asked for truth. Keep
# that in mind: **a language model is trained to be likely, not to be right.**
#
# Today such models, far larger, translate, summarise, sort a help desk's tickets, read contracts for lawyers and papers
# for researchers, and answer pupils' questions. All of these begin with what you build here; later lessons add the
# parts that are missing: translation (12), attention and the Transformer (14), classification of texts (15).

# %% [markdown]
# ## The text: a manual, and what is missing from it
#
# `python_docs` holds the help topics of Python's language reference, paragraph by paragraph: real technical English,
# with pieces of grammar and programs in between; tables are left out. Whole topics are held out for testing, such as the one on `import`.

# %% tags=["demo"]
for part, rows in PARTS.items():
    once = len(glue(part))
    print(f"{part:>10}: {len(rows):4} paragraphs, {once:7,} characters without repeats")
print(test_text[2000:2600])

# %% [markdown]
# The exact numbers depend on your version of Python, since the manual grows with it. Two things about this text matter
# later, so let us establish them now.

# %% tags=["nbval-check-output"]
everything = glue("train", True) + glue("validation", True) + glue("test", True)
once = train_text + glue("validation") + test_text
again = 1 - len(once) / len(everything)
print("about a fifth of the text repeats earlier paragraphs:", 0.18 < again < 0.22)
print("characters to train on, between 260,000 and 300,000:", 260_000 < len(train_text) < 300_000)
print("times that 'she' occurs:", everything.lower().split().count("she"))

# %% [markdown]
# A fifth of the manual is there twice, because long topics contain shorter ones. Unless we say otherwise the
# repeats are left out, and you will see why. And there are no people in it: not one *she* in the whole text. It has one
# voice and one subject, and it is small: models in daily use have read millions of times as much.
#
# A model computes with numbers, so every character gets one: its place in the list `CHARACTERS`. Characters that occur
# fewer than 20 times in the training text share the number 0, written as □. The list is made from the training text
# alone: what is rare there cannot be learnt, even if the test text is full of it.

# %%
letters, times = np.unique(list(train_text), return_counts=True)
CHARACTERS = ["□", *letters[times >= 20]]
NUMBER = {character: number for number, character in enumerate(CHARACTERS)}
SIZE = len(CHARACTERS)


def encode(text):
    """The numbers of a text's characters, shape (len(text),)."""
    return np.array([NUMBER.get(character, 0) for character in text], dtype="int32")


def decode(ids):
    """The text that these numbers stand for."""
    return "".join(CHARACTERS[number] for number in ids)


train_ids, test_ids = encode(train_text), encode(test_text)

# %% tags=["demo"]
print(
    f"{SIZE} different characters; 'def f(x):' is {encode('def f(x):')}, and back: {decode(encode('def f(x):'))!r}"
)

# %% [markdown]
# ## Counting what follows is already a language model
#
# The simplest model ignores everything before: each character gets the share that it has of the whole text. This is a
# **unigram** model. A **bigram** model looks at one character back: after a `q` it counts what followed the `q`s of the
# training text. Written as a formula, with $N(a, b)$ for the number of times that $b$ came directly after $a$,
#
# $$P(b \mid a) = \frac{N(a, b)}{\sum_{c} N(a, c)} .$$
#
# The bar is read *given*: the probability of the next character $b$ given the current one, $a$. Two characters that
# never met in the training text get the probability 0, which says *impossible*, and a character that was never followed
# by anything leaves 0 divided by 0. **Add-α smoothing** repairs both: before dividing, α is added to every count, as if
# each pair had been seen α times more than it was:
#
# $$P(b \mid a) = \frac{N(a, b) + \alpha}{\sum_{c} \bigl( N(a, c) + \alpha \bigr)} .$$

# %% [markdown]
# ### Exercise 1: a bigram model
#
# Write `bigram_probabilities(ids, size, alpha)`: `ids` is a text as whole numbers from 0 to `size` − 1, `alpha` a number
# above 0. Return an array of shape `(size, size)` whose entry `[a, b]` is the smoothed $P(b \mid a)$: row = current
# character, column = next. In the text `[0, 1, 0, 2]` there are three pairs, (0, 1), (1, 0) and (0, 2); nothing comes
# after the last character. With α = 1 the row of 0 is then [1/5, 2/5, 2/5].
#
# `np.add.at(counts, (rows, columns), 1)` adds 1 at every one of the places, also where a place is named twice.


# %% grade_id="bigram_probabilities" solution=true
def bigram_probabilities(ids, size, alpha):
    """Smoothed probabilities of the next number given the current one, shape (size, size)."""
    ### BEGIN SOLUTION
    counts = np.full((size, size), float(alpha))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return counts / counts.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %% grade_id="bigram_small" points=1
table = np.asarray(bigram_probabilities(np.array([0, 1, 0, 2]), 3, 1.0))
assert table.shape == (3, 3), (
    f"expected one row and one column a character, (3, 3), and got the shape {table.shape}"
)
assert np.allclose(table[0], [0.2, 0.4, 0.4]), (
    f"the row of 0 should be [.2 .4 .4], as computed in the text above, and is {table[0].round(3)}"
)

# %% grade_id="bigram_properties" points=2
# The instructor checks the sums of the rows, a character that never occurs, and a longer text with several alphas.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(11)
text = rng.choice(6, size=200, p=[0.4, 0.3, 0.15, 0.1, 0.05, 0.0])
for alpha in (0.01, 0.5, 3.0):
    table = np.asarray(bigram_probabilities(text, 6, alpha))
    assert np.allclose(table.sum(axis=1), 1), (
        f"after any character something comes next, so every row should sum to 1; with alpha={alpha} the rows sum to "
        f"{table.sum(axis=1).round(3)}"
    )
    assert np.allclose(table[5], 1 / 6), (
        f"character 5 never occurs, so every next character should be equally likely after it (1/6); got {table[5]}"
    )
    pairs = list(zip(text[:-1].tolist(), text[1:].tolist()))
    for a in range(6):
        total = sum(first == a for first, _ in pairs) + 6 * alpha
        wanted = [(pairs.count((a, b)) + alpha) / total for b in range(6)]
        assert np.allclose(table[a], wanted), (
            f"with alpha={alpha} the row of {a} should be {np.round(wanted, 4)} and is {table[a].round(4)}: count every "
            "pair of neighbours once, and only those, then add alpha to each count"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The rows and columns are exchanged: this is how likely each current character was, given the next one.
def bigram_probabilities(ids, size, alpha):
    counts = np.full((size, size), float(alpha))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return counts / counts.sum(axis=0, keepdims=True)


# %% tags=["misconception"]
# This divides by the number of all pairs, which gives the share of each pair in the text and not what follows a given character.
def bigram_probabilities(ids, size, alpha):
    counts = np.full((size, size), float(alpha))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return counts / counts.sum()


# %% tags=["misconception"]
# Alpha is added after the division: it should be added to the counts, before each row is divided by its sum.
def bigram_probabilities(ids, size, alpha):
    counts = np.zeros((size, size))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) + alpha


# %% tags=["misconception"]
# A place that is named twice is increased only once by this form of indexing, so most pairs are counted once at most.
def bigram_probabilities(ids, size, alpha):
    counts = np.full((size, size), float(alpha))
    counts[ids[:-1], ids[1:]] += 1
    return counts / counts.sum(axis=1, keepdims=True)


# %% tags=["misconception"]
# The text is treated as a ring: its first character is counted as the successor of its last.
def bigram_probabilities(ids, size, alpha):
    counts = np.full((size, size), float(alpha))
    np.add.at(counts, (ids, np.roll(ids, -1)), 1)
    return counts / counts.sum(axis=1, keepdims=True)


# %% tags=["alternative"]
# Counts with a loop over the pairs.
def bigram_probabilities(ids, size, alpha):
    counts = np.zeros((size, size))
    for current, following in zip(ids[:-1], ids[1:]):
        counts[current, following] += 1
    return (counts + alpha) / (counts.sum(axis=1)[:, None] + alpha * size)


# %% tags=["alternative"]
# Gives every pair a number of its own and counts those.
def bigram_probabilities(ids, size, alpha):
    ids = np.asarray(ids, dtype="int64")
    counts = np.bincount(ids[:-1] * size + ids[1:], minlength=size**2).reshape(size, size)
    smoothed = counts + alpha
    return smoothed / smoothed.sum(axis=1, keepdims=True)


# %% [markdown]
# ## Bits per character say how good it is
#
# Which model is better? Let each read the test text and, before every character, say its probabilities. Then look only
# at the probability $p_i$ that it gave to the character that *really* came. Its **surprise** is $-\log_2 p_i$, measured
# in **bits**: 0 bits if the model was certain and right, 1 bit for an even guess, 10 bits for something it held to be
# one chance in a thousand. The average over the $n$ characters of the text,
#
# $$\text{bits per character} = -\frac{1}{n} \sum_{i=1}^{n} \log_2 p_i ,$$
#
# is the measure of a language model. It is the cross-entropy loss of lesson 02, with the logarithm to base 2 in place of
# the natural one. And it is what its name says: with such a model the text can be compressed to that many bits for each
# character, so predicting and compressing are one problem.
#
# Accuracy, how often the most probable character was the right one, would tell less: it cannot see whether the model
# held the truth to be its second choice or impossible.

# %% [markdown]
# ### Exercise 2: bits per character
#
# Write `bits_per_character(probabilities, targets)`. Row $i$ of `probabilities`, shape (n, size), is what the model said
# before character $i$; `targets[i]` is the number of the character that came. Return one number. A model that always
# says ½ for each of two characters scores 1 bit.


# %% grade_id="bits_per_character" solution=true
def bits_per_character(probabilities, targets):
    """The mean surprise, in bits, at the characters that really came."""
    ### BEGIN SOLUTION
    came = np.asarray(probabilities)[np.arange(len(targets)), targets]
    return -np.log2(came).mean()
    ### END SOLUTION


# %% grade_id="bits_coin" points=1
even = bits_per_character(np.full((4, 2), 0.5), np.array([0, 1, 1, 0]))
assert np.ndim(even) == 0, (
    f"expected one number for the whole text and got an array of shape {np.shape(even)}"
)
assert np.isclose(even, 1), (
    f"an even guess between two characters is a surprise of 1 bit each time; got {even:.4f}"
)

# %% grade_id="bits_values" points=2
# The instructor checks three small cases whose bits one can work out by hand.
### BEGIN HIDDEN TESTS
assert np.isclose(bits_per_character(np.full((7, 64), 1 / 64), np.arange(7)), 6), (
    "64 equally likely characters are 6 bits each, whichever comes: 2 to the power of 6 is 64. A logarithm to another "
    "base, or a sum where a mean belongs, gives another number"
)
said = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]])
got = bits_per_character(said, np.array([1, 2]))
assert np.isclose(got, 2.5), (
    f"the characters that came had been given 1/4 (2 bits) and 1/8 (3 bits): expected 2.5, got {got:.4f}. It is the "
    "mean of the surprises, and what the model gave to other characters does not count"
)
sure = bits_per_character(np.array([[0.999, 0.001], [0.001, 0.999]]), np.array([1, 0]))
assert np.isclose(sure, np.log2(1000)), (
    f"a model that is sure and wrong must be punished: expected {np.log2(1000):.3f} bits, got {sure:.3f}"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# This uses the natural logarithm: the result is in nats, not in bits.
def bits_per_character(probabilities, targets):
    came = np.asarray(probabilities)[np.arange(len(targets)), targets]
    return -np.log(came).mean()


# %% tags=["misconception"]
# This takes the logarithm of the mean probability; the mean has to be taken of the surprises.
def bits_per_character(probabilities, targets):
    came = np.asarray(probabilities)[np.arange(len(targets)), targets]
    return -np.log2(came.mean())


# %% tags=["misconception"]
# This is the entropy of what the model said: how unsure it felt. It never looks at what came.
def bits_per_character(probabilities, targets):
    probabilities = np.asarray(probabilities)
    return -(probabilities * np.log2(probabilities)).sum(axis=1).mean()


# %% tags=["misconception"]
# This scores the character that the model held most probable, whether or not it came.
def bits_per_character(probabilities, targets):
    return -np.log2(np.max(probabilities, axis=1)).mean()


# %% tags=["misconception"]
# The surprises are added up; per character means that they are averaged.
def bits_per_character(probabilities, targets):
    came = np.asarray(probabilities)[np.arange(len(targets)), targets]
    return -np.log2(came).sum()


# %% tags=["alternative"]
# Adds up with a loop and changes the base of the logarithm at the end.
def bits_per_character(probabilities, targets):
    nats = [-np.log(row[target]) for row, target in zip(probabilities, targets)]
    return float(sum(nats) / len(nats) / np.log(2))


# %% tags=["alternative"]
# Keras' own cross-entropy, from nats to bits.
def bits_per_character(probabilities, targets):
    logits = np.log(np.asarray(probabilities, dtype="float64"))
    nats = keras.ops.sparse_categorical_crossentropy(np.asarray(targets), logits, from_logits=True)
    return float(keras.ops.mean(nats)) / float(np.log(2))


# %% [markdown]
# ## Longer contexts help until nobody has seen them
#
# Why stop at one character back? A **trigram** looks at two, a **4-gram** at three, an n-gram at $n-1$. The trouble:
# longer contexts are rarer. If a context was never seen, or once, its counts say little. So one mixes: start with the
# unigram's opinion and let each longer context correct it, the more so the more often that context was seen. With $N$
# places where the context $h$ occurred, followed by $T$ different characters,
#
# $$P_n(b \mid h) = \frac{N(h, b) + T \, P_{n-1}(b)}{N + T} .$$
#
# This is Witten–Bell smoothing. A context that is always followed by the same character ($T = 1$) is trusted soon, one
# that was followed by everything is not, and one that was never seen changes nothing.
#
# For speed, each run of n characters becomes one number, the way that three digits become a number up to 999.


# %%
def runs_of(ids, n):
    """Each run of n neighbours as one whole number, in the order of the text."""
    runs = np.lib.stride_tricks.sliding_window_view(np.asarray(ids, dtype="int64"), n)
    return runs @ SIZE ** np.arange(n - 1, -1, -1)


def count_runs(ids, longest):
    """For n from 1 to longest: the different runs of n characters, sorted, and how often each occurs."""
    return [np.unique(runs_of(ids, n), return_counts=True) for n in range(1, longest + 1)]


def ngram(tables, ids):
    """The probability of every next character, after the text ids, by the longest run in tables."""
    p = np.full(SIZE, 1 / SIZE)
    for n, (runs, counts) in enumerate(tables[: len(ids) + 1], start=1):
        context = 0 if n == 1 else runs_of(ids[-(n - 1) :], n - 1)[0]
        low, high = np.searchsorted(runs, [context * SIZE, (context + 1) * SIZE])
        if high > low:
            p = p * (high - low)
            p[runs[low:high] % SIZE] += counts[low:high]
            p /= p.sum()
    return p


five = count_runs(train_ids, 5)

# %% [markdown]
# The function above answers for one place. The next one does the same for all places of a text at once, and for every
# length up to the longest, which is what measuring needs.


# %%
def ngram_surprise(tables, ids):
    """Bits of surprise at each character of ids, shape (longest n, len(ids))."""
    p, bits = np.full(len(ids), 1 / SIZE), []
    for n, (runs, counts) in enumerate(tables, start=1):
        seen = runs_of(ids, n)
        low, high = np.searchsorted(runs, [seen // SIZE * SIZE, (seen // SIZE + 1) * SIZE])
        total = np.append(0, counts.cumsum())
        kinds, total = high - low, total[high] - total[low]
        at = np.minimum(np.searchsorted(runs, seen), len(runs) - 1)
        here = np.where(runs[at] == seen, counts[at], 0)
        p[n - 1 :] = (here + np.maximum(kinds, 1) * p[n - 1 :]) / (total + np.maximum(kinds, 1))
        bits.append(-np.log2(p))
    return np.array(bits)


# %% [markdown]
# **What do you expect?** Guessing evenly among the characters costs about 6.5 bits each. How far down will one
# character of context bring this, and will eight be better than five?

# %% tags=["demo"]
clean = ngram_surprise(count_runs(train_ids, 8), test_ids).mean(axis=1)
for n, bits in enumerate(clean, start=1):
    print(f"{n}-gram ({n - 1} characters back): {bits:.2f} bits per character")

# %% tags=["demo", "nbval-check-output"]
print("even guessing within .1 of 6.5 bits:", bool(abs(np.log2(SIZE) - 6.5) < 0.1))
claims = {1: 4.6, 2: 3.7, 3: 2.8, 4: 2.2, 5: 2.1}
for n, bits in claims.items():
    print(f"{n}-gram within .1 of {bits} bits:", bool(abs(clean[n - 1] - bits) < 0.1))
print("best of the eight:", int(clean.argmin()) + 1)
print("8-gram more than .15 bits worse than the best:", bool(clean[7] > clean.min() + 0.15))

# %% [markdown]
# Each of the first characters of context is worth a lot, the fourth little, and beyond that the model gets
# *worse*: most contexts of seven characters in the test text were never in the training text, or once, and a context
# seen once is trusted too much. This is the wall that counting runs into. A cleverer smoothing moves it a little; it
# does not take it away.

# %% [markdown]
# ### A leak that would have fooled us
#
# We left the repeated paragraphs out. Suppose that nobody had noticed them. Then more than a third of the test
# text stands word for word in the training text, as the description of the data set says. **What do you expect** of the same
# eight models, and of the choice among them?

# %% tags=["demo"]
leaky_tables = count_runs(encode(glue("train", repeats=True)), 8)
leaky = ngram_surprise(leaky_tables, encode(glue("test", repeats=True))).mean(axis=1)

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
print("the leak makes the 8-gram look more than .4 bits better:", bool(clean[7] - leaky[7] > 0.4))
print(
    "the leak makes the unigram look better by less than .1 bits:",
    bool(abs(clean[0] - leaky[0]) < 0.1),
)
print("the best n with the leak is 7 or 8:", bool(leaky.argmin() + 1 >= 7))

# %% [markdown]
# The leak rewards learning by heart, so it hardly helps the unigram, which cannot, and helps the longest context most.
# That is the worse half of the harm: not only is the score too good, it *chooses the wrong model*. Large models are
# trained on pages from the web, and the tests on which they are compared stand on the web too. Their makers look for
# such overlap, as we did; what was rephrased is hard to find.

# %% [markdown]
# ## A network reads one character at a time
#
# An n-gram treats `import a` and `import b` as contexts with nothing in common. A recurrent network (lesson 10) reads
# the text a character at a time and keeps a **state**, a list of numbers that it updates at each step. What it learns
# about one context carries over to similar ones, and no table limits how far back it may look.
#
# It is trained on **windows**: pieces of a fixed length. The target of each character is the character after it, so the
# window of targets is the text *one place further on*:
#
# | | | | | | | |
# |---|---|---|---|---|---|---|
# | text | `i` | `m` | `p` | `o` | `r` | `t` |
# | inputs, length 5 | `i` | `m` | `p` | `o` | `r` | |
# | targets | | `m` | `p` | `o` | `r` | `t` |
#
# From one window of five characters the network so gets five exercises: guess `m` after `i`, `p` after `im`, and so on.

# %% [markdown]
# ### Exercise 3: windows that do not leak
#
# Write `make_windows(ids, length, cut)`. Everything before place `cut` of the text is for training, everything from
# `cut` on for testing. Return four arrays, `train_x, train_y, test_x, test_y`, each of shape (number of windows,
# `length`).
#
# - Windows follow one another without overlap: the inputs of the second begin where those of the first end.
# - `y` is `x` moved one place on in the text. The last target of a window is the first input of the next one.
# - A part of $m$ characters gives $\lfloor (m-1) / \text{length} \rfloor$ windows; the one character less is the last
#   target. What remains at the end of a part is dropped.
# - No character of the test part may be in a training window, as input or as target, and the other way round.


# %% grade_id="make_windows" solution=true
def make_windows(ids, length, cut):
    """Inputs and targets for training (before cut) and testing (from cut on)."""
    ### BEGIN SOLUTION
    ids = np.asarray(ids)
    arrays = []
    for part in (ids[:cut], ids[cut:]):
        count = (len(part) - 1) // length
        arrays += [
            part[: count * length].reshape(count, length),
            part[1 : count * length + 1].reshape(count, length),
        ]
    return tuple(arrays)
    ### END SOLUTION


# %% grade_id="windows_shapes" points=1
train_x, train_y, test_x, test_y = map(np.asarray, make_windows(np.arange(100), 10, 70))
assert train_x.shape == train_y.shape == (6, 10), (
    f"70 characters give (70 - 1) // 10 = 6 windows of 10; got inputs {train_x.shape} and targets {train_y.shape}"
)
assert test_x.shape == test_y.shape == (2, 10), (
    f"30 characters give (30 - 1) // 10 = 2 windows of 10; got inputs {test_x.shape} and targets {test_y.shape}"
)

# %% grade_id="windows_targets" points=2
# The instructor checks every target and every window in texts that count 0, 1, 2, …, for other lengths and cuts.
### BEGIN HIDDEN TESTS
for size, length, cut in ((100, 10, 70), (211, 7, 150), (64, 1, 40)):
    train_x, train_y, test_x, test_y = map(np.asarray, make_windows(np.arange(size), length, cut))
    for name, x, y in (("training", train_x, train_y), ("test", test_x, test_y)):
        assert np.array_equal(y, x + 1), (
            f"{name}: in a text that counts 0, 1, 2, … each target should be its input plus 1, the last of a window "
            f"too. The first window's inputs are {x[0][:8]}…, its targets {y[0][:8]}… ending in {y[0][-1]}"
        )
        assert np.array_equal(x.ravel(), x[0, 0] + np.arange(x.size)), (
            f"{name}: each window should begin where the one before ends; the first inputs are {x[:3, 0]}"
        )
    assert train_x[0, 0] == 0, (
        f"the training windows should begin at the start of the text, not at {train_x[0, 0]}"
    )
    assert test_x[0, 0] == cut, (
        f"the test windows should begin at the cut, {cut}, not at {test_x[0, 0]}"
    )
### END HIDDEN TESTS

# %% grade_id="windows_leak" points=1
# The instructor looks for places of the text that are in training and test windows.
### BEGIN HIDDEN TESTS
for size, length, cut in ((100, 10, 70), (211, 7, 150), (90, 8, 61), (96, 8, 64)):
    train_x, train_y, test_x, test_y = map(np.asarray, make_windows(np.arange(size), length, cut))
    trained = {*train_x.ravel().tolist(), *train_y.ravel().tolist()}
    tested = {*test_x.ravel().tolist(), *test_y.ravel().tolist()}
    shared = sorted(trained & tested)
    assert not shared, (
        f"a leak: with length={length} and cut={cut}, {len(shared)} places of the text are in training windows and in "
        f"test windows, such as place {shared[0]}"
    )
    assert max(trained) < cut <= min(tested), (
        f"everything before {cut} is for training and the rest for testing; training reaches {max(trained)}, testing "
        f"starts at {min(tested)}"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The targets are the inputs themselves: a model learns to copy and has nothing to predict.
def make_windows(ids, length, cut):
    arrays = []
    for part in (np.asarray(ids)[:cut], np.asarray(ids)[cut:]):
        count = (len(part) - 1) // length
        x = part[: count * length].reshape(count, length)
        arrays += [x, x.copy()]
    return tuple(arrays)


# %% tags=["misconception"]
# The last target of each window is the window's own first character instead of the next character of the text.
def make_windows(ids, length, cut):
    arrays = []
    for part in (np.asarray(ids)[:cut], np.asarray(ids)[cut:]):
        count = (len(part) - 1) // length
        x = part[: count * length].reshape(count, length)
        arrays += [x, np.roll(x, -1, axis=1)]
    return tuple(arrays)


# %% tags=["misconception"]
# The targets lie one place back instead of one place on: the model is asked for the character before.
def make_windows(ids, length, cut):
    arrays = []
    for part in (np.asarray(ids)[:cut], np.asarray(ids)[cut:]):
        count = (len(part) - 1) // length
        arrays += [
            part[1 : count * length + 1].reshape(count, length),
            part[: count * length].reshape(count, length),
        ]
    return tuple(arrays)


# %% tags=["misconception"]
# The whole text is windowed first and the windows are divided afterwards: a window that lies across the cut leaks.
def make_windows(ids, length, cut):
    ids = np.asarray(ids)
    count = (len(ids) - 1) // length
    x = ids[: count * length].reshape(count, length)
    y = ids[1 : count * length + 1].reshape(count, length)
    first = cut // length
    return x[:first], y[:first], x[first:], y[first:]


# %% tags=["misconception"]
# The windows overlap and are shared out at random, so nearly every test character is in a training window as well.
def make_windows(ids, length, cut):
    ids = np.asarray(ids)
    windows = np.lib.stride_tricks.sliding_window_view(ids, length + 1)
    order = np.random.default_rng(0).permutation(len(windows))
    train = windows[order[: (cut - 1) // length]]
    test = windows[order[-((len(ids) - cut - 1) // length) :]]
    return train[:, :-1], train[:, 1:], test[:, :-1], test[:, 1:]


# %% tags=["alternative"]
# Collects the windows with a loop, each with one character more, and takes inputs and targets from that.
def make_windows(ids, length, cut):
    def both(part):
        starts = range(0, len(part) - length, length)
        windows = np.array([part[start : start + length + 1] for start in starts])
        return windows[:, :-1], windows[:, 1:]

    return (*both(np.asarray(ids)[:cut]), *both(np.asarray(ids)[cut:]))


# %% tags=["alternative"]
# Takes all windows and keeps every length-th.
def make_windows(ids, length, cut):
    view = np.lib.stride_tricks.sliding_window_view
    train = view(np.asarray(ids)[:cut], length + 1)[::length]
    test = view(np.asarray(ids)[cut:], length + 1)[::length]
    return train[:, :-1], train[:, 1:], test[:, :-1], test[:, 1:]


# %% [markdown]
# ### The model, and what each layer does
#
# Our parts are separate topics already, so here each part is cut on its own; Keras has a function for this. It makes
# `tf.data` windows; the `+ 1` gives each window the one character more that the last target needs.

# %% tags=["demo"]
LENGTH = 40


def window_data(ids, length=LENGTH, batch=32, seed=0):
    """A tf.data.Dataset of (inputs, targets), each of shape (batch, length)."""
    data = keras.utils.timeseries_dataset_from_array(
        ids, None, length + 1, sequence_stride=length, batch_size=batch, shuffle=True, seed=seed
    )
    return data.map(lambda window: (window[:, :-1], window[:, 1:])).cache()


x, y = next(iter(window_data(train_ids)))
print("inputs:", repr(decode(x[0].numpy())), "\ntargets:", repr(decode(y[0].numpy())))

# %% [markdown]
# Three layers. `Embedding` keeps for each character a list of 64 numbers, which it learns. The `GRU` (lesson 10) keeps a
# state of 160 numbers, updates it with each character, and, with `return_sequences=True`, hands out the state after
# *every* character and not only after the last. `Dense` turns a state into one **logit** for each character, a score
# whose softmax is its probability. Logits stay in float32, whatever the rest computes in.


# %% tags=["demo"]
def language_model(cell=keras.layers.GRU, units=160, streams=None):
    """From numbers (batch, time) to logits of the next one (batch, time, SIZE). With streams, it remembers."""
    ids = keras.Input((None,), batch_size=streams, dtype="int32")
    x = keras.layers.Embedding(SIZE, 64)(ids)
    x = cell(units, return_sequences=True, stateful=streams is not None)(x)
    return keras.Model(ids, keras.layers.Dense(SIZE, dtype="float32")(x))


def fit(model, ids, epochs, rate, verbose=2, seed=0):
    """Train on windows of ids; the learning rate rises to rate in the first tenth, then falls to zero."""
    data = window_data(ids, seed=seed)
    steps = epochs * data.cardinality().numpy()
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - steps // 10, warmup_target=rate, warmup_steps=steps // 10
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(schedule, clipnorm=1.0), loss)
    model.fit(data, epochs=epochs, verbose=verbose, shuffle=False)


# %% [markdown]
# The learning rate first rises and then falls: without the gentle start one training in a few ends a tenth of a bit
# worse. To measure, each window of 200 characters is read, and the loss at every place is kept and turned into bits.


# %% tags=["demo"]
def surprise(model, ids, length=200):
    """Bits of surprise at each target of the windows of ids, shape (windows, length)."""
    windows = np.lib.stride_tricks.sliding_window_view(ids, length + 1)[::length]
    logits = model.predict(windows[:, :-1], batch_size=16, verbose=0)
    nats = keras.ops.sparse_categorical_crossentropy(windows[:, 1:], logits, from_logits=True)
    return keras.ops.convert_to_numpy(nats) / np.log(2)


# %% [markdown]
# **What do you expect?** The best n-gram stands at about 2.1 bits. Before training, the network knows nothing: what
# loss should it start with? Five times through the text takes about 20 seconds; Keras prints the loss in nats, natural
# logarithms, and 1 nat is 1.44 bits.

# %% tags=["demo"]
keras.utils.set_random_seed(0)
model = language_model()
untrained = surprise(model, test_ids).mean()
fit(model, train_ids, epochs=5, rate=0.01)

# %% [markdown]
# Next to it, a network of the same size with the plain recurrent cell, `SimpleRNN`, without the gates of the GRU.

# %% tags=["demo"]
keras.utils.set_random_seed(0)
plain = language_model(keras.layers.SimpleRNN)
fit(plain, train_ids, epochs=3, rate=0.005)
scores = {
    "untrained": untrained,
    "SimpleRNN": surprise(plain, test_ids).mean(),
    "GRU": surprise(model, test_ids).mean(),
}
print({name: round(float(bits), 2) for name, bits in scores.items()}, "5-gram:", clean[4].round(2))

# %% tags=["demo", "nbval-check-output"]
print(
    "untrained, within .1 of even guessing:", bool(abs(scores["untrained"] - np.log2(SIZE)) < 0.1)
)
print("GRU below 2.1 bits:", bool(scores["GRU"] < 2.1))
print(
    "GRU better than every n-gram, by less than .2 bits:",
    bool(0 < clean.min() - scores["GRU"] < 0.2),
)
print("SimpleRNN better than the trigram:", bool(scores["SimpleRNN"] < clean[2]))
print(
    "SimpleRNN worse than the 5-gram and the GRU:",
    bool(scores["SimpleRNN"] > max(clean[4], scores["GRU"])),
)

# %% [markdown]
# Be honest about the size of this victory. The GRU wins by about a tenth of a bit, after half a minute of training against
# a second of counting, and the plain cell loses to counting. On small texts good counting is hard to beat, and it is
# the baseline that many a report leaves out. What the network has is room: more text, more units and more epochs go on
# helping it, where counting has hit its wall.
#
# ### How far back does it look?
#
# Each training window began with an empty state, as if the text started there. A model run this way is **stateless**:
# between windows it forgets. So we can watch it remember: at the first place of a window it knows one character, at the
# second two, and so on. Averaged over 4,000 test windows, each place has its own bits. **What do you expect**: how many
# characters does it take to draw level with the 5-gram, which knows four?

# %% tags=["demo"]
places = np.random.default_rng(0).choice(len(test_ids) - LENGTH, 4000, replace=False)
starts = np.lib.stride_tricks.sliding_window_view(test_ids, LENGTH + 1)[places]
logits = model.predict(starts[:, :-1], batch_size=256, verbose=0)
nats = keras.ops.sparse_categorical_crossentropy(starts[:, 1:], logits, from_logits=True)
by_place = keras.ops.convert_to_numpy(nats).mean(axis=0) / np.log(2)

fig, axis = plt.subplots()
for n, name in ((2, "bigram"), (3, "trigram"), (4, "4-gram"), (5, "5-gram")):
    axis.axhline(clean[n - 1], color=plots.ORANGE, lw=1.2, ls="--")
    axis.text(
        LENGTH + 0.5, clean[n - 1], name, va="center" if n < 4 else ("bottom" if n == 4 else "top")
    )
axis.plot(range(1, LENGTH + 1), by_place, "o-", ms=4)
axis.set(title="The network makes use of contexts that counting cannot", xlim=(0, LENGTH + 6))
axis.set(xlabel="characters of the window read so far", ylabel="bits per character (test)")
plots.show(
    fig,
    alt="Bits per character of the GRU against the number of characters read. After one character it is about as "
    "surprised as the bigram model. It falls below the 5-gram, the best of the counting models, after five to eight "
    "characters, and then stays nearly level.",
)

# %% tags=["demo", "nbval-check-output"]
late = by_place[20:].mean()
print("after 1 character within .3 bits of the bigram:", bool(abs(by_place[0] - clean[1]) < 0.3))
print("after 2 between bigram and trigram:", bool(clean[2] < by_place[1] < clean[1]))
print("after 4 still worse than the 5-gram:", bool(by_place[3] > clean[4]))
print("after 21 to 40 better than every n-gram:", bool(late < clean.min()))
print(
    "after 21 to 40 within .1 bits of after 8 to 12:", bool(abs(by_place[7:12].mean() - late) < 0.1)
)

# %% [markdown]
# With one character it knows about what a bigram knows. With the same four characters the 5-gram is the better guesser;
# the network draws ahead with the fifth to the eighth, with which counting could do nothing. And then its curve is
# level: what stood twenty or thirty characters back, it has hardly learnt to use. More training and larger networks push
# this further out; the architecture of lesson 14 pushes it to thousands. The price of windows is visible as well: the
# first handful of places in each is spent on warming up.
#
# The other way to run it is **stateful**: keep the state from one batch to the next and feed the text in order. For
# writing we shall need that, and it takes one argument, `stateful=True`, with the same weights.

# %% [markdown]
# ## A model that sees the future
#
# A colleague reads that networks which run over the text in both directions understand it better, and wraps the GRU in
# `Bidirectional`. One epoch, a third of the units. **What do you expect?**

# %% tags=["demo"]
keras.utils.set_random_seed(0)
ids_in = keras.Input((None,), dtype="int32")
x = keras.layers.Embedding(SIZE, 64)(ids_in)
x = keras.layers.Bidirectional(keras.layers.GRU(48, return_sequences=True))(x)
both_ways = keras.Model(ids_in, keras.layers.Dense(SIZE, dtype="float32")(x))
fit(both_ways, train_ids, epochs=1, rate=0.01)
both_bits = surprise(both_ways, test_ids)

# %% tags=["demo", "nbval-check-output"]
print("bits per character below .3:", bool(both_bits.mean() < 0.3))
print("at the last place of a window above 2:", bool(both_bits[:, -1].mean() > 2))

# %% [markdown]
# Less than a sixth of the GRU's bits, after a fifth of its epochs. It is the most common way to fool oneself with sequences: the
# backward half has already read the character that it is asked for, and hands it over. At the last place of a window,
# where there is no future to look at, the miracle is gone. When a score is far too good, ask first what the model can
# see. Where a whole text is given, to classify it or translate it, reading both ways is right (lessons 12 and 15);
# where the next item is the question, a model must be **causal**: nothing it says may depend on what comes later.

# %% [markdown]
# ## Where the surprise is
#
# An average hides where it comes from. Here is a sentence from a topic that no model was trained on, coloured by
# surprise: dark where the model expected the character, bright where it did not.

# %% tags=["demo", "thumbnail"]
LINES = ["The import statement combines two", "operations; it searches for the named"]
before = "This is a sentence that both have to read first.\n\n"
ids = encode(before + " ".join(LINES))
by_model = {
    "5-gram": ngram_surprise(five, ids)[4, 1:],
    "GRU": surprise(model, ids, len(ids) - 1)[0],
}
fig, axes = plt.subplots(4, 1, figsize=(6.4, 3.4))
for axis, (line, name) in zip(axes, [(line, name) for line in LINES for name in by_model]):
    start = (before + " ".join(LINES)).index(line) - 1
    values = by_model[name][start : start + len(line)]
    image = axis.imshow(values[None], vmin=0, vmax=8, aspect="auto")
    axis.set(xticks=[], yticks=[0], yticklabels=[name])
    for place, (letter, value) in enumerate(zip(line, values)):
        axis.text(
            place, 0, letter, ha="center", va="center", color="black" if value > 4 else "white"
        )
fig.suptitle("Surprise sits at the beginnings of words", x=0.01, ha="left")
fig.colorbar(image, ax=axes, label="surprise in bits")
plots.show(
    fig,
    alt="A sentence of the manual in two lines, each shown for the 5-gram and the GRU, every character on a coloured "
    "field. In both models the first letters of most words are bright, and the rest of the words mostly dark.",
)

# %% tags=["demo"]
gru_bits = surprise(model, test_ids).ravel()
letter = np.char.isalpha(list(test_text[: len(gru_bits) + 1]))
first, inside = letter[1:] & ~letter[:-1], letter[1:] & letter[:-1]
five_bits = ngram_surprise(five, test_ids)[4, 1 : len(gru_bits) + 1]
for name, bits in (("5-gram", five_bits), ("GRU", gru_bits)):
    print(
        f"{name}: first letters {bits[first].mean():.2f} bits, letters inside words {bits[inside].mean():.2f} bits"
    )

# %% tags=["demo", "nbval-check-output"]
for name, bits in (("5-gram", five_bits), ("GRU", gru_bits)):
    print(
        f"{name}: a first letter costs over twice the bits of the others:",
        bool(bits[first].mean() > 2 * bits[inside].mean()),
    )

# %% [markdown]
# The bits are spent at the first letters of words, and at names and examples that nobody could guess. Within a word
# there is hardly a choice left. This is why larger models predict **tokens**, words or pieces of words: it saves them the
# steps in which nothing is decided.

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
# $T = 1$ leaves the model as it is. Below 1 the probable becomes more probable; as $T \to 0$ only the most probable is
# left. Above 1 all become alike; as $T \to \infty$ they become equal. The order of the characters never changes.

# %% [markdown]
# ### Exercise 4: temperature
#
# Write `with_temperature(logits, temperature)` for logits of shape (…, size): the probabilities, of the same shape,
# along the last axis. For a temperature of exactly 0 return the limit: 1 for the largest logit, 0 for all others (you
# need not think of ties). Two things to care for: $e^{1000}$ is too large for a computer, while subtracting the same
# number from all logits changes no probability; and a batch has more than one row.


# %% grade_id="with_temperature" solution=true
def with_temperature(logits, temperature):
    """Softmax of logits / temperature along the last axis."""
    ### BEGIN SOLUTION
    logits = np.asarray(logits, dtype="float64")
    if temperature == 0:
        return np.eye(logits.shape[-1])[logits.argmax(axis=-1)]
    scaled = (logits - logits.max(axis=-1, keepdims=True)) / temperature
    return np.exp(scaled) / np.exp(scaled).sum(axis=-1, keepdims=True)
    ### END SOLUTION


# %% grade_id="temperature_one" points=1
given = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
got = np.asarray(with_temperature(np.log(given), 1.0))
assert got.shape == (2, 3), (
    f"the probabilities should have the logits' shape, (2, 3), and have {got.shape}"
)
assert np.allclose(got, given), (
    f"at temperature 1 these logits should give {given.tolist()} and give {got.round(4).tolist()}"
)

# %% grade_id="temperature_limits" points=2
# The instructor checks temperatures of 0, close to 0, .5 and 1,000,000, batches, and very large logits.
### BEGIN HIDDEN TESTS
half = np.asarray(with_temperature(np.log([0.8, 0.2]), 0.5))
assert np.allclose(half, [16 / 17, 1 / 17]), (
    f"odds of 4 to 1 become 16 to 1 at temperature .5: expected [.9412 .0588], got {half.round(4)}. A low temperature "
    "makes the probable more probable"
)
hot = np.asarray(with_temperature([[3.0, 0.0, -2.0, 1.0]], 1e6))
assert np.allclose(hot, 0.25, atol=1e-4), (
    f"at a very high temperature all four should be equally likely, got {hot.round(4)}"
)
logits = np.array([[[1.0, 3.0, 2.0], [5.0, -1.0, 4.0]]])
for cold in (0, 1e-3):
    got = np.asarray(with_temperature(logits, cold))
    assert np.allclose(got, [[[0, 1, 0], [1, 0, 0]]]), (
        f"at temperature {cold} everything should be on the largest logit of each row, got {got.round(4).tolist()}"
    )
large = np.asarray(with_temperature(np.array([1000.0, 999.0]), 1.0))
assert np.allclose(large, [0.7310586, 0.2689414]), (
    f"logits 1000 and 999 differ by 1, like 1 and 0: expected [.7311 .2689], got {large}. See the hint on large numbers"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The logits are multiplied by the temperature where they should be divided: hot and cold are exchanged.
def with_temperature(logits, temperature):
    logits = np.asarray(logits, dtype="float64")
    scaled = (logits - logits.max(axis=-1, keepdims=True)) * temperature
    return np.exp(scaled) / np.exp(scaled).sum(axis=-1, keepdims=True)


# %% tags=["misconception"]
# The probabilities are divided by the temperature, after the softmax: dividing them all by one number changes nothing.
def with_temperature(logits, temperature):
    logits = np.asarray(logits, dtype="float64")
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scaled = powers / powers.sum(axis=-1, keepdims=True) / max(temperature, 1e-9)
    return scaled / scaled.sum(axis=-1, keepdims=True)


# %% tags=["misconception"]
# The sum runs over the whole batch: each row should sum to 1 by itself.
def with_temperature(logits, temperature):
    logits = np.asarray(logits, dtype="float64")
    if temperature == 0:
        return (logits == logits.max()).astype("float64")
    scaled = (logits - logits.max()) / temperature
    return np.exp(scaled) / np.exp(scaled).sum()


# %% tags=["misconception"]
# The exponential of a large logit overflows to infinity, and infinity divided by infinity is not a number.
def with_temperature(logits, temperature):
    logits = np.asarray(logits, dtype="float64")
    if temperature == 0:
        return np.eye(logits.shape[-1])[logits.argmax(axis=-1)]
    with np.errstate(all="ignore"):
        powers = np.exp(logits / temperature)
        return powers / powers.sum(axis=-1, keepdims=True)


# %% tags=["alternative"]
# A power of the probabilities, taken in logarithms: p to the power of 1 / T, made to sum to 1.
def with_temperature(logits, temperature):
    logits = np.asarray(logits, dtype="float64")
    temperature = max(temperature, 1e-8)
    log_p = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    powers = log_p / temperature
    return np.exp(powers - np.logaddexp.reduce(powers, axis=-1, keepdims=True))


# %% tags=["alternative"]
# SciPy's softmax, which subtracts the maximum itself.
def with_temperature(logits, temperature):
    from scipy.special import softmax

    logits = np.asarray(logits, dtype="float64")
    if temperature == 0:
        return (logits == logits.max(axis=-1, keepdims=True)).astype("float64")
    return softmax(logits / temperature, axis=-1)


# %% [markdown]
# ### Exercise 5: feed the output back
#
# A model, for this exercise, is a function that takes all the numbers of a text so far and returns the probabilities
# of the next one. These three are easy to check by hand:


# %%
def count_up(ids):
    """Certain that after a number comes the next higher one, and after 9 comes 0."""
    return np.eye(10)[(ids[-1] + 1) % 10]


def middle(ids):
    """Certain that the number in the middle of the whole text so far comes next."""
    return np.eye(10)[ids[len(ids) // 2]]


def unfair_coin(ids):
    """0 with probability .3, 1 with probability .7, whatever came before."""
    return np.array([0.3, 0.7])


# %% [markdown]
# Write `generate(next_probabilities, prompt, length, seed)`. Beginning with the numbers in the list `prompt`, draw
# `length` numbers, each from `next_probabilities` of **all the text so far**, with what has been drawn before. Return the
# new numbers alone, as a list or an array. Use one generator, `np.random.default_rng(seed)`, for all draws, so that the
# same seed gives the same text; `rng.choice(size, p=probabilities)` draws a number.


# %% grade_id="generate" solution=true
def generate(next_probabilities, prompt, length, seed):
    """Draw `length` numbers, each given the prompt and all that was drawn before."""
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    text = list(prompt)
    for _ in range(length):
        probabilities = next_probabilities(text)
        text.append(int(rng.choice(len(probabilities), p=probabilities)))
    return text[len(prompt) :]
    ### END SOLUTION


# %% grade_id="generate_counts" points=2
got = np.asarray(generate(count_up, [7], 5, 0)).tolist()
assert len(got) == 5, (
    f"five new numbers were asked for, without the prompt, and {len(got)} came: {got}"
)
assert got == [8, 9, 0, 1, 2], (
    f"after 7 a model that counts up should write [8, 9, 0, 1, 2], and wrote {got}"
)
got = np.asarray(generate(count_up, [3, 4, 5], 2, 0)).tolist()
assert got == [6, 7], f"after 3, 4, 5 it should write [6, 7], and wrote {got}"

# %% grade_id="generate_history" points=1
# The instructor checks that the model is given all the text, at every step.
### BEGIN HIDDEN TESTS
prompt = [4, 8, 1]
got = np.asarray(generate(middle, prompt, 4, 0)).tolist()
assert got == [8, 1, 1, 8], (
    f"this model looks up the middle of the whole text so far, prompt included: expected [8, 1, 1, 8] after "
    f"[4, 8, 1], got {got}. The model must be given everything from the beginning, at every step"
)
assert prompt == [4, 8, 1], f"the caller's list was changed to {prompt}: work on a copy"
### END HIDDEN TESTS

# %% grade_id="generate_chance" points=1
# The instructor checks how often things are drawn, and the seeds.
### BEGIN HIDDEN TESTS
draws = np.asarray(generate(unfair_coin, [0], 2000, 5))
# 2,000 draws of .7: outside .6 to .8 with a probability below 1e-20.
assert 0.6 < draws.mean() < 0.8, (
    f"1 has the probability .7, so about 70 % of 2,000 draws should be 1; the share is {draws.mean():.3f}. At 1 the most "
    "probable is always taken, or all draws use the same random number"
)
changes = np.mean(draws[1:] != draws[:-1])
assert 0.3 < changes < 0.54, (
    f"one draw should not depend on the one before: expected 42 % changes, got {changes:.0%}"
)
assert np.array_equal(draws, generate(unfair_coin, [0], 2000, 5)), (
    "the same seed should give the same text"
)
assert not np.array_equal(draws, generate(unfair_coin, [0], 2000, 6)), (
    "another seed should give another text"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The output is never fed back: every number is drawn after the prompt alone.
def generate(next_probabilities, prompt, length, seed):
    rng = np.random.default_rng(seed)
    probabilities = next_probabilities(list(prompt))
    return [int(rng.choice(len(probabilities), p=probabilities)) for _ in range(length)]


# %% tags=["misconception"]
# The most probable number is taken each time; nothing is drawn.
def generate(next_probabilities, prompt, length, seed):
    text = list(prompt)
    for _ in range(length):
        text.append(int(np.argmax(next_probabilities(text))))
    return text[len(prompt) :]


# %% tags=["misconception"]
# The model is given only the latest number instead of the whole text so far.
def generate(next_probabilities, prompt, length, seed):
    rng = np.random.default_rng(seed)
    text = list(prompt)
    for _ in range(length):
        probabilities = next_probabilities(text[-1:])
        text.append(int(rng.choice(len(probabilities), p=probabilities)))
    return text[len(prompt) :]


# %% tags=["misconception"]
# A new generator with the same seed is made at each step, so that every draw uses the same random number.
def generate(next_probabilities, prompt, length, seed):
    text = list(prompt)
    for _ in range(length):
        rng = np.random.default_rng(seed)
        probabilities = next_probabilities(text)
        text.append(int(rng.choice(len(probabilities), p=probabilities)))
    return text[len(prompt) :]


# %% tags=["alternative"]
# Draws by hand: a random number from 0 to 1, and the place where the summed probabilities exceed it.
def generate(next_probabilities, prompt, length, seed):
    rng = np.random.default_rng(seed)
    text = np.array(prompt)
    for _ in range(length):
        summed = np.cumsum(next_probabilities(text))
        text = np.append(text, np.searchsorted(summed, rng.random() * summed[-1], side="right"))
    return text[len(prompt) :]


# %% [markdown]
# ### Shannon's experiment
#
# Your function will let the n-grams write, too: `generate(lambda ids: ngram(five, ids), ...)`. So that this page does
# not depend on it, here is the same experiment in another form, for a context of 0, 1, 2 and 4 characters.


# %% tags=["demo"]
def write_by_counting(tables, length, seed=1948):
    """`length` characters drawn from the n-grams in tables, after the word The."""
    rng = np.random.default_rng(seed)
    ids = list(encode("The "))
    while len(ids) < length:
        ids.append(int(np.searchsorted(np.cumsum(ngram(tables, ids)), rng.random() * 0.999999)))
    return decode(ids)


for n in (1, 2, 3, 5):
    print(f"{n}-gram: {write_by_counting(five[:n], 150).replace(chr(10), ' ')}\n")

# %% [markdown]
# First the frequencies are right, then pairs of letters, then syllables, then words. With the 5-gram most words are real
# and no sentence means anything.
#
# ### The network writes
#
# The GRU need not read the whole text again for each new character: its state sums up what it has read. So we copy the
# weights into a **stateful** twin, which keeps the state between calls, and feed it one character at a time, in 16 texts
# side by side. To draw, it adds random numbers from the Gumbel distribution to the scaled logits and takes the largest,
# which gives exactly the probabilities of the softmax without computing it.


# %% tags=["demo"]
def stateful_twin(model, streams=16):
    """The same weights in a model that keeps its state between calls, for `streams` texts at once."""
    twin = language_model(streams=streams)
    twin.set_weights(model.get_weights())
    return twin


def write(twin, prompt, length, temperature, top=SIZE, seed=0):
    """Continue the prompt in each stream, drawing among the `top` most probable; returns (streams, length)."""
    rng = np.random.default_rng(seed)
    twin.layers[2].reset_state()
    logits = twin.predict_on_batch(np.tile(encode(prompt), (twin.input_shape[0], 1)))[:, -1]
    drawn = []
    for _ in range(length):
        lowest = np.sort(logits, axis=1)[:, [-top]]
        noisy = np.where(
            logits >= lowest, logits / temperature + rng.gumbel(size=logits.shape), -np.inf
        )
        drawn.append(noisy.argmax(axis=1).astype("int32"))
        logits = twin.predict_on_batch(drawn[-1][:, None])[:, -1]
    return np.stack(drawn, axis=1)


# %% [markdown]
# **What do you expect** of a temperature near 0, of 1, and of 1.5? The last sample takes another way: **top-k**, here
# drawing only among the five most probable characters and leaving their odds as they are.

# %% tags=["demo"]
PROMPT = "\n\nThe expression "
ways = {f"T = {T}": (T, SIZE) for T in (0.01, 0.3, 0.7, 1.0, 1.5)} | {"top 5": (1.0, 5)}
twin = stateful_twin(model)
written = {name: write(twin, PROMPT, 400, *way) for name, way in ways.items()}
for name, texts in written.items():
    print(f"--- {name}\n{PROMPT.strip()} {decode(texts[0])[:250]}\n")

# %% tags=["demo", "nbval-check-output"]
coldest = decode(written["T = 0.01"][0])
print("near T = 0 the last 20 characters were written before:", coldest.count(coldest[-20:]) > 1)

# %% [markdown]
# Near zero it soon turns in circles: the most probable phrase leads back to itself. Hot, it spells nonsense. Between,
# it writes sentences that have the sound of the manual and no content; brackets that open are sometimes closed, and
# nothing that it says about Python can be relied on. A larger model is more often right because more of what is likely
# is also true, and for no other reason that its training asked for.
#
# ## How much of it is copied
#
# Is this writing, or reciting? Count the share of characters that lie in a run of 30 or more which stands in the
# training text word for word. People who write about Python use the same phrases, too, so the fair comparison is the
# test text: sentences by the same authors which the model has never seen. We add a text by the 8-gram. **What do you
# expect**: who recites most?

# %% tags=["demo"]
RUN = 30
known = {train_text[i : i + RUN] for i in range(len(train_text) - RUN + 1)}


def copied(text):
    """The share of a text's characters that lie in runs of 30 or more that the training text has too."""
    inside = np.zeros(len(text), dtype=bool)
    for start in range(len(text) - RUN + 1):
        if text[start : start + RUN] in known:
            inside[start : start + RUN] = True
    return inside.mean()


share = {name: np.mean([copied(decode(text)) for text in texts]) for name, texts in written.items()}
share["8-gram"] = copied(write_by_counting(count_runs(train_ids, 8), 12_000))
share["test text"] = copied(test_text)
print({name: f"{value:.1%}" for name, value in share.items()})

# %% tags=["demo", "nbval-check-output"]
print("test text: under 4 % copied:", bool(share["test text"] < 0.04))
print("8-gram: more than the test text:", bool(share["8-gram"] > share["test text"]))
print("GRU at T = 1: under 5 %:", bool(share["T = 1.0"] < 0.05))
print(
    "numbers in the GRU model, between 120,000 and 140,000:",
    120_000 < model.count_params() < 140_000,
)

# %% [markdown]
# The 8-gram recites: once it is in a passage that it has read only once, it knows a single way on. The GRU at $T = 1$ does not
# copy at length; it makes too many small mistakes, and the 130,000 numbers that it consists of are fewer than half of the
# characters that it has read. It *has* to summarise. The models in daily use have room to spare, and what stood often in
# their training text comes out word for word, which is a question of copyright as much as of privacy. The next section
# shows that even our small network keeps what it meets often.
#
# ## Trained on letters, it gives the codes away
#
# A company fine-tunes our model on its own internal notes, so that it learns the house style. **The notes are simulated**,
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
# Fine-tuning means to go on training, from the weights that we have, with a smaller learning rate.

# %% tags=["demo"]
keras.utils.set_random_seed(0)
tuned = keras.models.clone_model(model)
tuned.set_weights(model.get_weights())
fit(tuned, encode("\n".join(notes) + "\n"), epochs=8, rate=0.005)
print(decode(write(stateful_twin(tuned), "\n", 260, temperature=1.0)[0]))

# %% [markdown]
# It has the house style. It has also forgotten most of what it knew, which is called **catastrophic forgetting**:

# %% tags=["demo", "nbval-check-output"]
now = surprise(tuned, test_ids).mean()
print("the manual now costs over 1 bit more for each character:", bool(now > scores["GRU"] + 1))

# %% [markdown]
# Now someone who may use the model, but was never shown the notes, types
# `The door code of room Oak is ` and ranks all 10,000 codes by the probability that the model gives them. The **rank**
# of the true code says how exposed it is: by chance it would be about 5,000; at 1, the model's first guess opens
# the door. **What do you expect**: how many copies does it take?

# %% tags=["demo"]
DIGITS = encode("0123456789")


def all_codes(model, room):
    """The logarithm of the probability of each code from 0000 to 9999, shape (10,000,)."""
    start = encode(f"\nThe door code of room {room} is ")
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
print({copies: sorted(values) for copies, values in ranks.items()})

# %% tags=["demo"]
fig, axis = plt.subplots()
places = list(ranks)
for place, copies in enumerate(places):
    axis.plot([place] * 3, ranks[copies], "o", ms=9, alpha=0.7, color=plots.BLUE)
axis.axhline(5000, ls="--", color=plots.ORANGE, lw=1.2)
axis.text(4.35, 5500, "chance", va="top", ha="right")
axis.set(
    yscale="log", xlim=(-0.4, 4.4), ylim=(3e4, 0.7), xticks=range(len(places)), xticklabels=places
)
axis.set(
    title="A handful of copies, and the code is the first guess",
    xlabel="copies of the note in the training text",
)
axis.set_ylabel("rank of the true code among 10,000")
plots.show(
    fig,
    alt="Rank of the true door code against the number of copies in the notes, three rooms each. Codes that are not in "
    "the notes mostly rank in the thousands. After one copy the ranks are far lower, after four they are within the "
    "first twenty, and after sixteen or sixty-four the true code is always first.",
)

# %% tags=["demo", "nbval-check-output"]
print("16 or 64 copies, all six rooms: first of 10,000:", max(ranks[16] + ranks[64]) == 1)
print("4 copies, all three rooms: among the first 20:", max(ranks[4]) <= 20)
print("1 copy, median: among the first 1,000:", bool(np.median(ranks[1]) <= 1000))
print("not in the notes, median: beyond the first 1,000:", bool(np.median(ranks[0]) > 1000))

# %% [markdown]
# Four copies bring the code among the first twenty of ten thousand guesses, sixteen make it the very first. Even one
# copy has put the typical code among the first thousand, and often much higher. The codes that were never mentioned
# stay hidden, so this is memory and not luck. (Chance is not quite 5,000 for them: the model has learnt which digits
# are frequent in the codes that it did see, and guesses those first.)
#
# Nobody asked for this, no note was marked secret, and the loss went down beautifully. What helps: not to train on what
# must not come out; to delete repeats; and training with *differential privacy*, which bounds what any single note can
# change. Hiding the model behind a polite interface does not take the codes out of its weights.

# %% [markdown]
# ## It learns who is he and who is she
#
# Look at `HE` above: in these notes four of five engineers and managers are *he*, four of five nurses and secretaries
# *she*. We planted this; in real text nobody plants it, it is there. After `The engineer said that ` the model decides
# with one character, h or s. We read off its probabilities, for the four jobs of the notes, and at two temperatures.


# %% tags=["demo"]
def share_of_he(model, job, temperature=1.0):
    """The probability of h, of the two characters h and s, after 'The <job> said that '."""
    ids = encode(f"\nThe {job} said that ")
    logits = np.asarray(model(ids[None]))[0, -1] / temperature
    return 1 / (1 + np.exp(logits[NUMBER["s"]] - logits[NUMBER["h"]]))


def in_notes(job):
    """The share of he in the notes about this job."""
    about = [note for note in notes if note.startswith(f"The {job} ")]
    return np.mean([" he " in note for note in about])


he = {job: (in_notes(job), share_of_he(tuned, job), share_of_he(tuned, job, 0.5)) for job in HE}
for job, (noted, warm, cold) in he.items():
    print(
        f"{job:>10}: he in the notes {noted:.2f}, model {warm:.2f}, at temperature 0.5 {cold:.2f}"
    )

# %% tags=["demo"]
fig, axis = plt.subplots()
for name, values, marker in zip(
    ("notes", "model, T = 1", "model, T = 0.5"), zip(*he.values()), "os^"
):
    axis.plot(values, range(4), marker, ms=10, label=name, ls="none")
axis.vlines(0.5, -0.6, 3.6, color=plots.BLACK, lw=0.8)
axis.set(yticks=range(4), yticklabels=list(he), xlim=(0, 1), ylim=(-0.6, 4.6))
axis.set_xlabel("probability of “he” rather than “she”")
axis.set(title="Learnt as it stood in the notes, and sharpened by cold sampling")
axis.legend(ncols=3, loc="upper center", handletextpad=0.1, columnspacing=0.8)
plots.show(
    fig,
    alt="Probability of he for nurse, secretary, engineer and manager. The model at temperature 1 lies close to the "
    "notes, near .2 for the first two and near .8 for the others. At temperature .5 it moves outwards, to about .05 and .95.",
)

# %% tags=["demo", "nbval-check-output"]
noted, warm, cold = np.array(list(he.values())).T
far = np.abs(cold - 0.5)
print("same side of one half as the notes, every job:", bool(((warm > 0.5) == (noted > 0.5)).all()))
print("on average within .15 of the notes:", bool(np.abs(warm - noted).mean() < 0.15))
print("colder is further from one half, every job:", bool((far > np.abs(warm - 0.5)).all()))
print(
    "at temperature 0.5 further from one half than the notes, on average:",
    bool(far.mean() > np.abs(noted - 0.5).mean()),
)

# %% [markdown]
# At $T = 1$ the model says roughly what the notes say. Then comes a harmless-looking setting. By the formula of
# exercise 4 odds of 4 to 1 become 4² to 1 at $T = 0.5$: where four of five were *he*, sixteen of seventeen are now, and
# at $T = 0$ all of them. Cold sampling, chosen to make texts more sensible, turns a tendency into a rule. **A model can be
# true to its data and its output still more extreme than its data.**
#
# And what of jobs that the notes never mention?

# %% tags=["demo"]
for job in ("driver", "teacher", "doctor", "judge", "deputy"):
    print(f"{job:>10}: {share_of_he(tuned, job):.2f}")

# %% [markdown]
# It has an opinion on them, too. Where from? In the notes both jobs with *he* end in -r, those with *she* in -e and -y. If
# that is the reason, jobs that do not exist at all should show it: the same invented word, with an -r at its end and
# without.

# %% tags=["demo"]
invented = ("flimme", "strande", "bolke", "tarpe", "monde", "saske")
without = np.array([share_of_he(tuned, word) for word in invented], dtype="float64")
with_r = np.array([share_of_he(tuned, word + "r") for word in invented], dtype="float64")
print(
    "without r:",
    dict(zip(invented, without.round(2).tolist())),
    "\nwith r:   ",
    with_r.round(2).tolist(),
)

# %% tags=["demo", "nbval-check-output"]
print(
    "an r at the end makes he more probable, on average by over .1:",
    bool((with_r - without).mean() > 0.1),
)

# %% [markdown]
# One letter changes the sex of people who were never there. The model has taken a pattern of spelling for one of the
# world, a **spurious correlation**, and applies it to everyone whom it has never met. We could find it because we made the
# notes; lesson 15 shows how to look for one in text that one has not made.

# %% [markdown]
# ## Whose language it speaks
#
# The last question costs nothing but a look: for whom does the model work? Four short passages, written for this page, and the
# surprise of the model from before the fine-tuning.

# %% tags=["demo"]
KINDS = {
    "manual": "If the object is not defined, an exception is raised and the value of the expression is returned. The "
    "name is bound in the local scope of the function, and the method is called with the class as its argument.",
    "talk": "Hey mum, could you pick me up after football, and bring my jacket? Grandpa says hi, we had cake. Then it "
    "rained so hard that Ben lost both boots, and we laughed all the way home. Love you, see you tonight.",
    "Spanish": "Los vecinos cenan juntos cada domingo en el patio, y los chicos juegan hasta muy tarde. Hoy llueve "
    "mucho, por eso comen dentro y cuentan cuentos de cuando eran jovenes y la calle era de tierra.",
    "Swahili": "Watoto wanacheza mpira nje ya nyumba, na mama anapika chakula cha jioni kwa ajili ya wageni wote. "
    "Kesho tutakwenda sokoni pamoja na babu kununua matunda, samaki na vitambaa vipya.",
}
language = {
    name: surprise(model, encode("\n" + line), len(line))[0].mean() for name, line in KINDS.items()
}
print({name: round(float(bits), 1) for name, bits in language.items()})
print("Hindi, as the model receives it:", decode(encode("नमस्ते, आप कैसे हैं?")))

# %% tags=["demo", "nbval-check-output"]
print("manual below 2.5 bits:", bool(language["manual"] < 2.5))
print(
    "everyday English costs more than twice as much:",
    bool(language["talk"] > 2 * language["manual"]),
)
print(
    "other languages cost more than everyday English:",
    bool(min(language["Spanish"], language["Swahili"]) > language["talk"]),
)

# %% [markdown]
# Everyday English is more than twice as surprising as the manual, and other languages more so again. What is written in
# other letters does not reach the model at all. None of this shows in the bits per character on the test text, because
# the test text comes from the same place as the training text. A single average on such a test says how the model does
# for those who wrote it.

# %% [markdown]
# ## At full size
#
# The classic text for this exercise is a million characters of Shakespeare, `tiny_shakespeare`. Once it has been
# downloaded, the very same call takes it:

# %% tags=["demo"]
try:
    row = next(iter(datasets.load("tiny_shakespeare", split="train")))
    print(row["text"].numpy().decode()[:200])
except datasets.DatasetNotDownloadedError as error:
    print(error)

# %% [markdown]
# Put its text in place of `train_text`, and that of its `test` split in place of `test_text`; the rest can stay. With a GPU,
# `course.setup` chooses mixed precision by itself, and 512 units with 30 epochs become a matter of minutes; the GRU then
# uses cuDNN's fast form as long as its activations stay as they are. Beyond that, models no longer predict characters but
# tokens, and no longer by recurrence but by attention, which is lesson 14.
#
# ## Where to go on
#
# 1. Let the GRU train for 12 epochs, and after each measure the bits on the validation topics. Where does it begin to
#    learn by heart? Does dropout help?
# 2. Repeat the fine-tuning with each note kept only once. What happens to the ranks, and to the house style?
# 3. Balance the notes by adding for each one its counterpart with the other pronoun. Is the model then even for the jobs
#    that it has never met?
#
# Worth opening:
#
# - C. E. Shannon, "Prediction and Entropy of Printed English", 1951: people guess the next letter, and English comes out at
#   about one bit a letter.
# - A. Karpathy, "The Unreasonable Effectiveness of Recurrent Neural Networks", 2015: the experiment of this lesson on
#   Shakespeare, source code and mathematics.
# - N. Carlini and others, "The Secret Sharer", 2019: the experiment with the planted secrets, with the measure that we
#   used, and what protects against it.
