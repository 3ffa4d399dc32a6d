# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Translation
#     summary: You build two networks that translate Hindi dates into English, see one vector run out of room, let attention look back, and test what its alignment really tells.
#     part: III Sequential data
#     minutes: 80
#     minutes_reading: 14
#     objectives:
#     - connect an encoder and a decoder, and train them with teacher forcing and a loss that ignores padding
#     - decode greedily without letting the decoder see the answer
#     - compute attention by hand, mask included, and read its alignment
#     - score translations by exact match and by partial credit, beside a dictionary and a page of rules
#     - test an alignment by replacing and hiding what it points at, and say where a translator will be fluent and wrong
#     datasets: [hindi_dates]
#     full_size: [ted_hrlr_translate/pt_to_en]
#     needs: [01_neurons_and_layers, 10_recurrent_networks, 11_language_models]
#     mirrors:
#       "1 Sequential Data: Encoder-decoder networks": "One network reads, another writes"
#       "1 Sequential Data: Interpretability": "What can be read from inside"
#       "2 Deep learning applications: Deep Learning in Translation": "From one sequence to another"
#       "4 Specific Applications/Examples of Deep Learning: Machine translation": "From one sequence to another"
#     built: the inputs, labels and masked loss of a translator, greedy decoding, attention by hand, two translators in Keras, and a test of what the alignment tells
#     terms:
#       "encoder-decoder": Two networks of which the first reads a sequence and the second writes another from what it has read.
#       "encoder (of a sequence)": The network that reads.
#       "decoder (of a sequence)": The network that writes, item by item, each given those before.
#       "subword": A piece of a rare word, so that a fixed list of tokens is enough for all words.
#       "exact match": The share of answers without any mistake.
#       "clipping (of n-grams)": Counting an n-gram at most as often as the reference has it.
#       "brevity penalty": The factor by which a translation that is too short loses score.
#       "BLEU": "The usual score of translations: a mean over n-grams of 1 to 4 words, with clipping and brevity penalty."
#       "teacher forcing": Giving the decoder the right items before each place in training, and not its own guesses.
#       "greedy decoding": Taking the most probable item at each step and feeding it back.
#       "attention, AdditiveAttention": A layer that lets the decoder look back at all states of the encoder, and choose by weights anew at each step.
#       "query (of attention)": What is looked for at a step.
#       "key (of attention)": What a place can be found by.
#       "value (of attention)": What a place hands over when it is found.
#       "context (of attention)": The mean of the values, weighted by attention.
#       "alignment": "The picture of attention's weights: which word looks at which."
#       "probe": A small model that is trained to read one fact out of a vector.
#     explains: [Concatenate, convolution]
# ---

# %% [markdown]
# # Translation
#
# बुधवार, पाँच मार्च दो हज़ार चौदह: *Wednesday, March 5, 2014*. Two languages, two orders, six words of one for four
# of the other. How can a network turn one sequence into another without being told which word belongs to which?
#
# You will connect two recurrent networks for it, watch the connection run out of room, and let the second network
# look back at the first. By itself it draws the picture of which word belongs to which, and you will test whether
# that picture may be believed. About 14 minutes to read and run, 80 with the five exercises.

# %%
import course

course.setup(seed=0)

import re

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

from course import datasets, plots
from course.training import Progress
from course.transliteration import romanize

# %% [markdown]
# This is the lesson's network, step by step, for one date. Below, the **encoder** reads the Hindi words; above, the
# **decoder** writes the English ones. (Figures show Hindi in Latin letters, since not every computer's figures have a
# font for Devanagari.)

# %% tags=["demo"]
hindi = "budhavār , pām̐c mārc do hazār caudah".split()
english = "Wednesday , March 5 , 20 14".split()


def draw_steps(axis, words, height, color, text_height):
    """A row of GRU steps, joined by arrows, with a word at each."""
    box = {"boxstyle": "round,pad=0.5", "fc": color, "ec": "none"}
    for step, word in enumerate(words):
        axis.text(step, height, "GRU", ha="center", va="center", color="white", size=9, bbox=box)
        axis.text(step, text_height, word, ha="center", va="center", size=9)
        if step:
            ends = (step - 0.32, height), (step - 0.68, height)
            axis.annotate("", *ends, arrowprops={"arrowstyle": "->", "lw": 1.5})


# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.9))
draw_steps(axis, hindi, 0, plots.BLUE, -0.7)
draw_steps(axis, english, 2.1, plots.ORANGE, 2.8)
for step in range(7):
    for target in range(7):
        axis.plot([step, target], [0.36, 1.74], color=plots.SKY, lw=0.6, alpha=0.6, zorder=0)
axis.plot([6.4, 6.8, 6.8, -0.8, -0.8, -0.4], [0, 0, 1.05, 1.05, 2.1, 2.1], color=plots.VERMILION)
axis.text(-0.75, 0.42, "one vector", color=plots.VERMILION, fontsize=10)
axis.text(-0.75, 1.45, "attention", color=plots.BLUE, fontsize=10, backgroundcolor="white")
axis.set(xlim=(-1.1, 7), ylim=(-1.1, 3.2))
axis.set_axis_off()
axis.set_title("The decoder gets one vector, or a look at every step")
plots.show(
    fig,
    alt="""Seven boxes in a row, the encoder's steps, read the Hindi words budhavār, comma, pām̐c, mārc, do, hazār, caudah.
    Above them seven boxes, the decoder's steps, write Wednesday, comma, March, 5, comma, 20, 14. One red line leads from
    the last encoder step to the first decoder step. Thin blue lines connect every encoder step with every decoder step.""",
)

# %% [markdown]
# ## From one sequence to another
#
# Translation was done by rules first: dictionaries, grammars, and exceptions written by linguists for decades. Then
# by counting which phrase stood opposite which in millions of pairs of sentences. Since about 2016 the large services
# use networks, which learn the whole way from sentence to sentence from such pairs. They translate web pages, a
# caller's speech, a menu before a camera.
#
# The same shape serves whenever a sequence turns into another of a different length: a text into its summary, speech
# into words, a question into a database query, and, with a convolutional encoder, a picture into a caption (lesson
# 13).
#
# Hindi and English disagree about order: English puts the month first; Hindi, the day. And Hindi has a word of its
# own for each number up to a hundred: 5 is पाँच, 55 is पचपन, 65 is पैंसठ.

# %% [markdown]
# ## Real words, made sentences
#
# `hindi_dates` lists calendar days in a sentence. **Real:** the names, the order of a date's parts and the way to
# string several together, from the Unicode Common Locale Data Repository, the tables by which phones and browsers
# write dates; and the number words. **Made by rule:** the sentences. The days are drawn at random, and there is one
# right answer each. So it shows how translators work and where they break, not how well anyone translates Hindi.

# %%
info = datasets.info("hindi_dates")
SPLITS = {split: datasets.arrays("hindi_dates", split) for split in info.splits}
NUMBERS = info.metadata["numbers"]  # the Hindi words for 0 to 99
for row in (0, 1):
    print(SPLITS["train"]["hi"][row], "\n   ", SPLITS["train"]["en"][row])

# %% [markdown]
# A network wants **tokens**, pieces from a fixed list. Ours are words and commas; a year in digits is cut into two
# pieces, 20 and 14, so that a year that never occurred can still be put together. (Large translators cut rare words
# likewise, into *subwords*.)


# %%
def hindi_words(text):
    """The tokens of a Hindi sentence: words and commas."""
    return re.findall(r"[^\s,]+|,", text)


def english_words(text):
    """The tokens of an English sentence: words, commas, and digits two by two."""
    return re.findall(r"[A-Za-z]+|\d\d|\d|,", text)


PAIRS = {
    split: [
        (hindi_words(hi), english_words(en)) for hi, en in zip(rows["hi"], rows["en"], strict=True)
    ]
    for split, rows in SPLITS.items()
}
print(PAIRS["train"][0])

# %% [markdown]
# Every token gets a number. Four mean something else: 0 fills a short sentence up (**padding**), 1 starts a sentence,
# 2 ends it, and 3 stands for any word that the training sentences do not have.

# %%
PAD, START, END, UNKNOWN = range(4)
MARKS = ["<pad>", "<start>", "<end>", "<unknown>"]
HINDI = MARKS + sorted({word for pair in PAIRS["train"] for word in pair[0]})
ENGLISH = MARKS + sorted({word for pair in PAIRS["train"] for word in pair[1]})


def encode(sentences, vocabulary):
    """Token numbers of several sentences, one a row, padded at the end."""
    number = {word: index for index, word in enumerate(vocabulary)}
    rows = np.full((len(sentences), max(map(len, sentences))), PAD, "int32")
    for row, words in zip(rows, sentences, strict=True):
        row[: len(words)] = [number.get(word, UNKNOWN) for word in words]
    return rows


def decode(row):
    """English words of token numbers, up to the end of the sentence."""
    numbers = [*row.tolist(), END]
    return [ENGLISH[n] for n in numbers[: numbers.index(END)] if n not in (PAD, START)]


# %%
SOURCE = {split: encode([hi for hi, _ in pairs], HINDI) for split, pairs in PAIRS.items()}
TARGET = {
    split: encode([["<start>", *en, "<end>"] for _, en in pairs], ENGLISH)
    for split, pairs in PAIRS.items()
}

# %% tags=["demo", "nbval-check-output"]
for split, rows in SPLITS.items():
    print(f"{split:15}{len(rows['hi']):5} sentences, dates in one:", *np.unique(rows["dates"]))
DATE = r"[A-Z][a-z]+ \d+, \d{4}"
days = {
    split: {day for en in rows["en"] for day in re.findall(DATE, en)}
    for split, rows in SPLITS.items()
}
print("days of test that stand in train:", len(days["test"] & days["train"]))
print("Hindi and English tokens:", len(HINDI), len(ENGLISH))

# %% [markdown]
# No day of the tests stands in a training sentence. Otherwise a network could learn days by heart, and we would call
# it translation.

# %% [markdown]
# ### A dictionary gets the words right and the order wrong
#
# First, two translators without a network. The plainest puts down, for each Hindi word, the English one that occurs
# most exclusively in the same training sentences.

# %% tags=["demo"]
together = np.zeros((len(HINDI), len(ENGLISH)))
for source, target in zip(SOURCE["train"], TARGET["train"], strict=True):
    together[np.ix_(np.unique(source), np.unique(target))] += 1
# The share of sentences with either word that have both; marks are no words.
alone = [np.bincount(np.concatenate([np.unique(row) for row in rows]), minlength=size)
         for rows, size in ((SOURCE["train"], len(HINDI)), (TARGET["train"], len(ENGLISH)))]  # fmt: skip
exclusive = together / np.maximum(alone[0][:, None] + alone[1] - together, 1)
exclusive[:, :4] = 0
DICTIONARY = {HINDI[i]: ENGLISH[j] for i, j in enumerate(exclusive.argmax(axis=1)) if i > 3}

for words, right in PAIRS["test"][:2]:
    print(" ".join(words), "\n   ", " ".join(DICTIONARY[word] for word in words))
    print("   ", " ".join(right), "\n")

# %% [markdown]
# The other is a page of rules: look up the parts, swap day and month, put the year together.

# %% tags=["demo"]
from babel import Locale

DAYS = dict(zip(*[Locale(side).days["format"]["wide"].values() for side in ("hi", "en")]))
MONTHS = dict(zip(*[Locale(side).months["format"]["wide"].values() for side in ("hi", "en")]))


def translate_by_rules(words):
    """English tokens for Hindi tokens, by the grammar of dates."""
    out, words = [], [*words, "", ""]
    while words[0]:
        if words[0] in DAYS:  # weekday , day month hundreds (सौ or हज़ार) [rest] ...
            day, month, hundreds = NUMBERS.index(words[2]), words[3], words[4]
            has_rest = words[6] in NUMBERS
            rest = NUMBERS.index(words[6]) if has_rest else 0
            century = "19" if hundreds == NUMBERS[19] else "20"
            out += [DAYS[words[0]], ",", MONTHS[month], str(day), ",", century, f"{rest:02}"]
            words = words[6 + has_rest :]
        else:
            out.append({",": ",", "और": "and"}[words.pop(0)])
    return out


# %% tags=["demo", "nbval-check-output"]
test = PAIRS["test"]
by_words = [[DICTIONARY[word] for word in words] for words, _ in test]
by_rules = [translate_by_rules(words) for words, _ in test]
print("dictionary, exactly right:", sum(a == b for a, (_, b) in zip(by_words, test)))
print("rules, exactly right:", sum(a == b for a, (_, b) in zip(by_rules, test)), "of", len(test))

# %% [markdown]
# Rules win outright, and for dates one would take them. A language has no such page, and the networks below will not
# be told one rule.
#
# Why does the dictionary fail each time? It keeps the order of Hindi; it gives the two words of *nineteen hundred*
# one English piece each; and it knows one translation a word, where पाँच is 5 in a day and 05 in a year.

# %% [markdown]
# ## How right is half right?
#
# **Exact match**, the share of sentences without any mistake, is strict, but the same for a translation with one
# wrong word and for noise. The usual remedy is partial credit: of all runs of $n$ neighbouring words in the
# translation (its **n-grams**), how many stand in the reference, the right translation?
#
# Two tricks must not pay. Repeating a right word: an n-gram counts at most as often as the reference has it
# (**clipping**). And saying little: a translation of $c$ words against a reference of $r > c$ words is multiplied by
# the **brevity penalty** $e^{1 - r/c}$.
#
# $$\text{credit}_n = \min\left(1, e^{1-r/c}\right) \cdot
# \frac{\sum_g \min(\text{times of } g \text{ in the translation}, \text{times of } g \text{ in the reference})}
# {\text{number of n-grams in the translation}}$$
#
# $g$ runs over the different n-grams of the translation. BLEU, the standard score since 2002, is the geometric mean
# of this for $n$ from 1 to 4, over a whole test set.
#
# ### Exercise 1: partial credit
#
# Write `partial_credit(reference, translation, n)` for two lists of words. A translation with fewer than `n` words
# gets 0, an empty one too. With the reference `a b c d` and the translation `a b b`, for n = 1: of its three words
# two count (the second b is one too many), and $c = 3 < r = 4$, so the credit is $e^{1 - 4/3} \cdot 2/3 \approx
# .478$.

# %%
from collections import Counter


# %% grade_id="partial_credit" solution=true
def partial_credit(reference, translation, n):
    """Clipped n-gram precision with brevity penalty, from 0 to 1."""

    ### BEGIN SOLUTION
    def grams(words):
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    said = grams(translation)
    if not said:
        return 0.0
    counted = sum((said & grams(reference)).values())
    penalty = min(1.0, np.exp(1 - len(reference) / len(translation)))
    return float(penalty * counted / sum(said.values()))
    ### END SOLUTION


# %% grade_id="partial_credit_example" points=1
credit = partial_credit("a b c d".split(), "a b b".split(), 1)
assert np.isclose(credit, np.exp(-1 / 3) * 2 / 3), (
    f"the example of the text should give .478 and gives {credit:.3f}: two of three words count, and the "
    "translation is one word short"
)
assert partial_credit(["a", "b"], ["a"], 2) == 0, "fewer words than n: the credit should be 0"

# %% grade_id="partial_credit_cases" points=1
# The instructor checks order, repeated words, and translations that are too short and too long.
### BEGIN HIDDEN TESTS
for said, n, want, why in [
    ("a b c d", 1, 1, "every word is right"),
    ("d c b a", 1, 1, "single words have no order, and all four are right"),
    ("d c b a", 2, 0, "no pair of neighbours stands in the reference in this order"),
    ("a a a a", 1, 1 / 4, "the reference has one a, so one of four counts"),
    ("a b c d a b", 2, 3 / 5, "five pairs, of which ab counts once; long translations get no penalty"),
    ("a b", 1, np.exp(-1), "both words right, half of the length: only the brevity penalty is left"),
    ("a b", 2, np.exp(-1), "the one pair is right, half of the length: only the penalty is left"),
    ("c d a b", 2, 2 / 3, "three pairs, of which da is not in the reference"),
]:  # fmt: skip
    got = partial_credit("a b c d".split(), said.split(), n)
    assert np.isclose(got, want), (
        f"reference 'a b c d', translation '{said}', n = {n}: expected {want:.3f}, got {got:.3f} ({why})"
    )
### END HIDDEN TESTS

# %% grade_id="partial_credit_words" points=1
# The instructor checks words of several letters, and a translation without words.
### BEGIN HIDDEN TESTS
assert partial_credit(["a"], [], 1) == 0, "a translation without words should get 0"
for right, said, n, want in [
    ("March 15 , 20 05", "5 , 20", 3, 0),
    ("March 15 , 20 05", "5 15 , 20 05", 1, 4 / 5),
    ("1 19 5", "11 9 5", 2, 0),
    ("so so so", "so so so", 2, 1),
]:
    got = partial_credit(right.split(), said.split(), n)
    assert np.isclose(got, want), (
        f"reference '{right}', translation '{said}', n = {n}: expected {want:.3f}, got {got:.3f}. Whole words are "
        "compared, one by one, not their letters"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# Nothing is clipped: repeating one right word earns full credit.
def partial_credit(reference, translation, n):
    def grams(words):
        return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]

    said, right = grams(translation), grams(reference)
    if not said:
        return 0.0
    penalty = min(1.0, np.exp(1 - len(reference) / len(translation)))
    return penalty * sum(gram in right for gram in said) / len(said)


# %% tags=["misconception"]
# This divides by the reference's n-grams: it measures how much was covered (recall), not how much of what was said is right.
def partial_credit(reference, translation, n):
    def grams(words):
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    said, right = grams(translation), grams(reference)
    if not said:
        return 0.0
    penalty = min(1.0, np.exp(1 - len(reference) / len(translation)))
    return penalty * sum((said & right).values()) / max(sum(right.values()), 1)


# %% tags=["misconception"]
# There is no brevity penalty: one safe word would be a perfect translation of a long sentence.
def partial_credit(reference, translation, n):
    def grams(words):
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    said = grams(translation)
    return sum((said & grams(reference)).values()) / max(sum(said.values()), 1)


# %% tags=["misconception"]
# N-grams are looked for in the joined text, where 5 is found inside 15.
def partial_credit(reference, translation, n):
    said = Counter(" ".join(translation[i : i + n]) for i in range(len(translation) - n + 1))
    if not said:
        return 0.0
    text = " ".join(reference)
    penalty = min(1.0, np.exp(1 - len(reference) / len(translation)))
    counted = sum(min(times, text.count(gram)) for gram, times in said.items())
    return penalty * counted / sum(said.values())


# %% tags=["misconception"]
# Words are compared place by place: one word too many at the start, and nothing behind it counts.
def partial_credit(reference, translation, n):
    count = len(translation) - n + 1
    if count < 1:
        return 0.0
    penalty = min(1.0, np.exp(1 - len(reference) / len(translation)))
    same = sum(reference[i : i + n] == translation[i : i + n] for i in range(count))
    return penalty * same / count


# %% tags=["alternative"]
# Crosses off the reference's n-grams one by one.
def partial_credit(reference, translation, n):
    left = [reference[i : i + n] for i in range(len(reference) - n + 1)]
    total, counted = max(len(translation) - n + 1, 0), 0
    for i in range(total):
        if translation[i : i + n] in left:
            left.remove(translation[i : i + n])
            counted += 1
    if total == 0:
        return 0.0
    short = len(translation) < len(reference)
    penalty = np.exp(1 - len(reference) / len(translation)) if short else 1.0
    return penalty * counted / total


# %% [markdown]
# What does it say of the dictionary? All of its translations are long enough, so the next cell needs no penalty.

# %% tags=["demo", "nbval-check-output"]


def precision(translations, references, n):
    """Clipped n-gram precision over a whole set."""
    counted = said = 0
    for words, right in zip(translations, references, strict=True):
        a, b = (Counter(zip(*[part[i:] for i in range(n)])) for part in (words, right))
        counted, said = counted + sum((a & b).values()), said + sum(a.values())
    return counted / said


right = [en for _, en in test]
print(f"dictionary, single words: {precision(by_words, right, 1):.2f}")
print(f"dictionary, runs of four: {precision(by_words, right, 4):.2f}")

# %% [markdown]
# Single words: .85, which sounds like a translator that is nearly there. Runs of four: .17. Whole sentences: none.
# **Ask of every score what it cannot see.**

# %% [markdown]
# ## One network reads, another writes
#
# An **encoder-decoder** network puts two recurrent networks behind each other. The encoder, a GRU (lesson 10), reads
# the Hindi sentence and keeps a state. Its *last* state is all that the decoder gets, which starts from it and writes
# English as a language model does (lesson 11), word after word, each given the words before.
#
# In training the decoder gets the *right* words before, not its own guesses: **teacher forcing**. One wrong guess at
# the start would otherwise spoil the rest of the sentence; and all steps can be computed in one go. So the decoder's
# input is the English sentence moved one place on:
#
# | | | | | | | |
# |---|---|---|---|---|---|---|
# | decoder input | `<start>` | May | 5 | , | 20 | 14 |
# | label | May | 5 | , | 20 | 14 | `<end>` |
#
# Short sentences of a batch are padded. A guess behind the end of a sentence is no achievement: the loss must count
# words and `<end>`, and leave the padding out.
#
# ### Exercise 2: shift, and ignore the padding
#
# Two functions. `teacher_forcing(sentences)` gets token numbers of shape (sentences, $L$): words only, without
# `START` and `END`, filled up with `PAD`. Return `(inputs, labels)`, both of shape (sentences, $L + 1$) and padded at
# the end. The inputs are `START` and then the words; the labels are the words and, directly behind the last one,
# `END`.
#
# `masked_loss(labels, logits)`: labels (sentences, steps), logits (sentences, steps, vocabulary). Return one number:
# the mean of $-\ln p$ over all labels of the batch that are not `PAD`, where $p$ is the softmax probability of the
# label.


# %% grade_id="teacher_forcing" solution=true
def teacher_forcing(sentences):
    """Decoder inputs and labels of sentences (n, L), both (n, L + 1)."""
    ### BEGIN SOLUTION
    inputs = np.pad(sentences, ((0, 0), (1, 0)), constant_values=START)
    labels = np.pad(sentences, ((0, 0), (0, 1)), constant_values=PAD)
    labels[np.arange(len(labels)), (sentences != PAD).sum(axis=1)] = END
    return inputs, labels
    ### END SOLUTION


def masked_loss(labels, logits):
    """Mean cross-entropy over the labels that are not padding."""
    ### BEGIN SOLUTION
    top = logits.max(axis=-1, keepdims=True)
    log_p = logits - top - np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))
    losses = -np.take_along_axis(log_p, labels[..., None], axis=-1)[..., 0]
    return losses[labels != PAD].mean()
    ### END SOLUTION


# %% grade_id="teacher_forcing_example" points=1
inputs, labels = map(np.asarray, teacher_forcing(np.array([[7, 8, 9], [5, 0, 0]])))
assert inputs.shape == labels.shape == (2, 4), (
    f"two sentences of up to three words: both should have shape (2, 4), got {inputs.shape} and {labels.shape}"
)
for row, (said, heard) in enumerate([([7, 8, 9], [7, 8, 9, END]), ([5, 0, 0], [5, END, 0, 0])]):
    assert inputs[row].tolist() == [START, *said], (
        f"inputs of the words {said}: expected {[START, *said]}, got {inputs[row].tolist()}"
    )
    assert labels[row].tolist() == heard, (
        f"labels of the words {said}: expected {heard}, got {labels[row].tolist()}"
    )

# %% grade_id="teacher_forcing_padding" points=1
# The instructor checks sentences of many lengths.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(2)
words = rng.integers(4, 30, (40, 9))
lengths = rng.integers(1, 10, 40)
words[np.arange(9) >= lengths[:, None]] = PAD
inputs, labels = map(np.asarray, teacher_forcing(words.copy()))
for row, length in enumerate(lengths):
    said, fill = words[row, :length].tolist(), [PAD] * (9 - length)
    assert inputs[row].tolist() == [START, *said, *fill], (
        f"inputs of {said} with {len(fill)} places of padding should be START, the words, then padding; got "
        f"{inputs[row].tolist()}"
    )
    assert labels[row].tolist() == [*said, END, *fill], (
        f"labels of {said} with {len(fill)} places of padding should be the words, END right behind the last, then "
        f"padding; got {labels[row].tolist()}"
    )
### END HIDDEN TESTS

# %% grade_id="masked_loss_values" points=2
# The instructor checks the loss on batches with more and less padding.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(3)
labels = np.array([[4, 5, 2], [6, 2, 0]])
even = float(masked_loss(labels, np.zeros((2, 3, 8), "float32")))
assert np.isclose(even, np.log(8)), (
    f"logits that are all alike give each of 8 words the probability 1/8: expected ln 8 = 2.079, got {even:.3f}. "
    "Padding that counts as a loss of zero would make it smaller"
)
for length in (2, 5, 9):
    labels = rng.integers(1, 12, (6, length))
    labels[np.arange(length) >= rng.integers(1, length + 1, 6)[:, None]] = PAD
    logits = rng.normal(size=(6, length, 12)).astype("float32") * 3
    got = float(masked_loss(labels, logits))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    every = [-np.log(p[i, t, labels[i, t]]) for i, t in np.argwhere(labels != PAD)]
    assert np.isclose(got, np.mean(every), atol=1e-4), (
        f"{len(every)} labels that are not padding: expected {np.mean(every):.4f}, got {got:.4f}. Every word of the "
        "batch counts alike, and padding does not count, neither above nor below the fraction bar"
    )
    filled = np.where((labels == PAD)[..., None], 5 * rng.normal(size=(1, 1, 12)), logits)
    assert np.isclose(float(masked_loss(labels, filled.astype("float32"))), got, atol=1e-4), (
        "the loss changes with the logits at padded places; nobody reads what is said there"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The inputs are the labels: nothing is shifted, so the decoder is shown the word that it should guess.
def teacher_forcing(sentences):
    labels = np.pad(sentences, ((0, 0), (0, 1)), constant_values=PAD)
    labels[np.arange(len(labels)), (sentences != PAD).sum(axis=1)] = END
    return labels.copy(), labels


def masked_loss(labels, logits):
    losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return np.asarray(losses)[labels != PAD].mean()


# %% tags=["misconception"]
# END stands in the last column, behind the padding: the decoder would learn to write padding and then to stop.
def teacher_forcing(sentences):
    inputs = np.pad(sentences, ((0, 0), (1, 0)), constant_values=START)
    return inputs, np.pad(sentences, ((0, 0), (0, 1)), constant_values=END)


def masked_loss(labels, logits):
    losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return np.asarray(losses)[labels != PAD].mean()


# %% tags=["misconception"]
# Padding is set to a loss of zero and still counted in the mean, so the loss falls when a batch has more padding.
def teacher_forcing(sentences):
    inputs = np.pad(sentences, ((0, 0), (1, 0)), constant_values=START)
    labels = np.pad(sentences, ((0, 0), (0, 1)), constant_values=PAD)
    labels[np.arange(len(labels)), (sentences != PAD).sum(axis=1)] = END
    return inputs, labels


def masked_loss(labels, logits):
    losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return (np.asarray(losses) * (labels != PAD)).mean()


# %% tags=["misconception"]
# The loss has no mask: the network is rewarded for guessing padding behind the end of a sentence.
def teacher_forcing(sentences):
    inputs = np.pad(sentences, ((0, 0), (1, 0)), constant_values=START)
    labels = np.pad(sentences, ((0, 0), (0, 1)), constant_values=PAD)
    labels[np.arange(len(labels)), (sentences != PAD).sum(axis=1)] = END
    return inputs, labels


def masked_loss(labels, logits):
    losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return np.asarray(losses).mean()


# %% tags=["misconception"]
# The mean is taken sentence by sentence first: a word of a short sentence weighs more than one of a long sentence.
def teacher_forcing(sentences):
    inputs = np.pad(sentences, ((0, 0), (1, 0)), constant_values=START)
    labels = np.pad(sentences, ((0, 0), (0, 1)), constant_values=PAD)
    labels[np.arange(len(labels)), (sentences != PAD).sum(axis=1)] = END
    return inputs, labels


def masked_loss(labels, logits):
    losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    words = labels != PAD
    return ((np.asarray(losses) * words).sum(axis=1) / words.sum(axis=1)).mean()


# %% tags=["alternative"]
# Row by row, and Keras' cross-entropy with weights of 0 and 1.
def teacher_forcing(sentences):
    inputs, labels = [], []
    for row in sentences.tolist():
        words = [word for word in row if word != PAD]
        fill = [PAD] * (len(row) - len(words))
        inputs.append([START, *words, *fill])
        labels.append([*words, END, *fill])
    return np.array(inputs), np.array(labels)


def masked_loss(labels, logits):
    losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    weights = ops.cast(labels != PAD, losses.dtype)
    return float(ops.sum(losses * weights) / ops.sum(weights))


# %% [markdown]
# ### The network with one vector
#
# In Keras it is a graph with two inputs. `mask_zero=True` tells the encoder to skip padding; `ignore_class=0` is your
# masked loss.

# %%
UNITS = 64


def make_reader():
    """The encoder: inputs, word vectors, the state after each word, and the last state."""
    source = keras.Input((None,), dtype="int32", name="hindi")
    vectors = layers.Embedding(len(HINDI), UNITS, mask_zero=True)(source)
    states, last = layers.GRU(UNITS, return_sequences=True, return_state=True)(vectors)
    return source, vectors, states, last


def make_writer(last):
    """The decoder: inputs, and its state before each word that it writes."""
    target = keras.Input((None,), dtype="int32", name="english_so_far")
    vectors = layers.Embedding(len(ENGLISH), UNITS)(target)
    return target, layers.GRU(UNITS, return_sequences=True)(vectors, initial_state=last)


def make_one_vector():
    """Encoder-decoder without attention: the decoder gets the encoder's last state, nothing else."""
    source, _, _, last = make_reader()
    target, states = make_writer(last)
    logits = layers.Dense(len(ENGLISH), dtype="float32")(states)
    return keras.Model([source, target], logits), keras.Model(source, last)


# %%
def train(model, title, epochs=2):
    """Teacher forcing: the decoder sees all words but the last, and should say all but the first."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD)
    model.compile(keras.optimizers.Adam(5e-3), loss)
    inputs, labels = TARGET["train"][:, :-1], TARGET["train"][:, 1:]
    batches = {"batch_size": 32, "epochs": epochs, "verbose": 0}
    model.fit([SOURCE["train"], inputs], labels, callbacks=[Progress(title)], **batches)


# %% tags=["demo"]
keras.utils.set_random_seed(0)
one_vector, to_vector = make_one_vector()
train(one_vector, "One vector")

# %% [markdown]
# ### Writing without looking
#
# When a real sentence comes, there is no right translation to feed. The decoder begins with `START` alone, takes its
# most probable word, *appends it to its own input*, and asks again, until that word is `END`: **greedy decoding**.
# The usual mistake is to run the model once on the reference and take the best word at each step. That decoder has
# been shown all the words before, and looks far too good.
#
# ### Exercise 3: greedy decoding
#
# Write `greedy_decode(model, source, limit)`. `model([source_rows, target_rows])` gives logits of shape (rows, steps,
# vocabulary); those at step $t$ are about the word that comes *after* `target_rows[:, t]`. `source` is one sentence,
# shape (length,). Return the translation as a list of token numbers, without `START` and `END`, of at most `limit`
# words.
#
# To try it there is a toy translator, in which each next word depends on the source and on *all* words before it.


# %%
def make_toy():
    """A model with known answers: the next word follows from the numbers so far and their count."""
    source = keras.Input((None,), dtype="int32")
    target = keras.Input((None,), dtype="int32")
    so_far = ops.sum(source, axis=1, keepdims=True) + ops.cumsum(target + 1, axis=1)
    rest = ops.mod(so_far, 7)
    word = ops.where(ops.equal(rest, 6), END, rest + 4)
    return keras.Model([source, target], 9.0 * ops.one_hot(word, 11))


toy = make_toy()


# %% grade_id="greedy_decode" solution=true
def greedy_decode(model, source, limit):
    """The most probable word at each step, as a list of token numbers."""
    ### BEGIN SOLUTION
    words = []
    while len(words) < limit:
        logits = np.asarray(model([source[None], np.array([[START, *words]])]))
        word = int(logits[0, -1].argmax())
        if word == END:
            break
        words.append(word)
    return words
    ### END SOLUTION


# %% grade_id="greedy_decode_toy" points=1
# 10 and START make 10 + (1 + 1) = 12, remainder 5, word 9; with 9 it is 22, word 5; with 5 it is 28, word 4.
words = [int(word) for word in greedy_decode(toy, np.array([10]), 3)]
assert words == [9, 5, 4], (
    f"three words for the source [10]: expected [9, 5, 4], got {words}. The first follows from START, the second from "
    "START and 9, the third from START, 9 and 5"
)


# %% grade_id="greedy_decode_many" points=3
# The instructor checks many sources and limits, with and without an end.
### BEGIN HIDDEN TESTS
def expected(source, limit):
    total, words = sum(source) + START + 1, []
    while len(words) < limit and total % 7 != 6:
        words.append(total % 7 + 4)
        total += words[-1] + 1
    return words


rng = np.random.default_rng(4)
for limit in (1, 4, 12):
    for _ in range(8):
        source = rng.integers(4, 40, rng.integers(1, 6))
        got = [int(word) for word in greedy_decode(toy, source, limit)]
        want = expected(source.tolist(), limit)
        assert not {START, END} & set(got), f"START or END is in the answer: {got}"
        assert len(got) <= limit, f"{len(got)} words, and the limit is {limit}"
        assert got == want, (
            f"source {source.tolist()}, limit {limit}: expected {want}, got {got}. Which step of the logits is about the "
            "next word, what has the decoder been fed, and when does it stop?"
        )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The model runs once, on padding: no word that it says is ever fed back to it.
def greedy_decode(model, source, limit):
    target = np.array([[START] + [PAD] * (limit - 1)])
    words = np.asarray(model([source[None], target]))[0].argmax(axis=-1).tolist()
    return words[: words.index(END)] if END in words else words


# %% tags=["misconception"]
# Only the last word is fed, so the decoder has forgotten what it wrote before.
def greedy_decode(model, source, limit):
    words, last = [], START
    while len(words) < limit:
        last = int(np.asarray(model([source[None], np.array([[last]])]))[0, -1].argmax())
        if last == END:
            break
        words.append(last)
    return words


# %% tags=["misconception"]
# END is taken for a word like any other, and decoding goes on behind it.
def greedy_decode(model, source, limit):
    words = []
    for _ in range(limit):
        logits = np.asarray(model([source[None], np.array([[START, *words]])]))
        words.append(int(logits[0, -1].argmax()))
    return words


# %% tags=["misconception"]
# The logits are read at the last place of the padded input, which is behind the padding and not behind the last word.
def greedy_decode(model, source, limit):
    target, words = np.full((1, limit + 1), PAD), []
    target[0, 0] = START
    for step in range(1, limit + 1):
        word = int(np.asarray(model([source[None], target]))[0, -1].argmax())
        if word == END:
            break
        words.append(word)
        target[0, step] = word
    return words


# %% tags=["alternative"]
# An input of fixed length, filled from left to right.
def greedy_decode(model, source, limit):
    target = np.full((1, limit + 1), PAD)
    target[0, 0] = START
    for step in range(limit):
        word = np.asarray(model([source[None], target]))[0, step].argmax()
        if word == END:
            return target[0, 1 : step + 1].tolist()
        target[0, step + 1] = word
    return target[0, 1:].tolist()


# %% [markdown]
# The lesson's own decoder does it for many sentences at once. What it is not given, the reference, it cannot peek at.


# %%
def translate(model, source, limit=36):
    """Greedy translations of many sentences, one row each, START first."""
    rows = np.full((len(source), limit), PAD, "int32")
    rows[:, 0] = START
    is_open = np.full(len(source), True)
    for step in range(1, limit):
        logits = model.predict_on_batch([source, rows])[:, step - 1]
        rows[:, step] = np.where(is_open, logits.argmax(axis=-1), PAD)
        is_open &= rows[:, step] != END
        if not is_open.any():
            break
    return rows


def exact(model, split):
    """For each sentence of a split: is its translation exactly right?"""
    written = translate(model, SOURCE[split])
    return np.array([decode(row) == en for row, (_, en) in zip(written, PAIRS[split])])


# %% [markdown]
# **What do you expect** of the network with one vector, on 600 sentences with one, two or three dates, all of them new?

# %% tags=["demo"]
written = translate(one_vector, SOURCE["test"])
for row in range(3):
    print(" ".join(test[row][0]), "\n   ", " ".join(decode(written[row])))

# %% tags=["demo", "nbval-check-output"]
one_vector_words = [decode(row) for row in written]
one_vector_exact = np.mean([a == b for a, b in zip(one_vector_words, right)])
# 21 seeds: .000 to .002; length right .94 to 1.00; single words .58 to .67.
print("one vector, exactly right, under 5 of 100:", bool(one_vector_exact < 0.05))
print("its length is right, over 85 of 100:",
      bool(np.mean([len(a) == len(b) for a, b in zip(one_vector_words, right)]) > 0.85))  # fmt: skip
print("single words over .5:", precision(one_vector_words, right, 1) > 0.5)

# %% [markdown]
# It writes flawless English dates. They are the wrong ones. It has learnt the form, how many dates there are, and
# hardly any of what they say.

# %% [markdown]
# ## Attention: look back at every word
#
# Why should the whole sentence pass through one vector, when the encoder has made one after every word? **Attention**
# keeps them all and lets the decoder choose, anew for each word that it writes. It takes three things:
#
# - a **query** $q_t$: what the decoder is looking for at step $t$, made from its state;
# - a **key** $k_s$ for each source word $s$: what this word can be found by;
# - a **value** $v_s$: what it hands over when it is found.
#
# How well key $s$ fits query $t$ is the **score**. We use the form with which attention began in 2014, called
# *additive*: $e_{t,s} = w \cdot \tanh(q_t + k_s)$, with a learnt vector $w$. A softmax over the source words turns
# scores into **weights** $a_{t,s}$ that sum to 1, and the **context** $c_t$ is the mean of the values with these
# weights:
#
# $$a_{t,s} = \frac{e^{e_{t,s}}}{\sum_{s'} e^{e_{t,s'}}} \qquad c_t = \sum_s a_{t,s} \, v_s$$
#
# The sum over $s'$ runs over the real words: padding gets no weight at all.
#
# ### Exercise 4: attention by hand
#
# | argument | shape | holds |
# |---|---|---|
# | `query` | (steps, size) | a query for each word to be written |
# | `keys` | (words, size) | a key for each source word |
# | `values` | (words, depth) | a value for each source word |
# | `mask` | (words,) | True for words, False for padding |
# | `w` | (size,) | the vector of the score |
#
# Write `attention(query, keys, values, mask, w)` in NumPy. Return `(context, weights)` with shapes (steps, depth) and
# (steps, words). Scores may be as large as 1,000 or as small as −1,000, so keep the exponentials from overflowing.


# %% grade_id="attention" solution=true
def attention(query, keys, values, mask, w):
    """Additive attention: contexts (steps, depth) and weights (steps, words)."""
    ### BEGIN SOLUTION
    scores = np.tanh(query[:, None, :] + keys[None, :, :]) @ w
    scores = np.where(mask, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights @ values, weights
    ### END SOLUTION


# %% grade_id="attention_form" points=1
context, weights = map(np.asarray, attention(
    np.zeros((2, 4)), np.zeros((3, 4)), np.array([[6.0], [2.0], [50.0]]), np.array([True, True, False]), np.ones(4)
))  # fmt: skip
assert (context.shape, weights.shape) == ((2, 1), (2, 3)), (
    f"expected shapes (2, 1) and (2, 3), got {context.shape} and {weights.shape}"
)
assert np.allclose(weights, [0.5, 0.5, 0]), (
    f"two words with equal scores and one place of padding: expected weights .5 .5 0, got {weights[0].round(3)}"
)
assert np.allclose(context, 4), f"half of 6 and half of 2 is 4, got {context[0]}"

# %% grade_id="attention_weights" points=1
# The instructor checks what the weights must be whatever the numbers: no padding, a sum of 1, no overflow.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(5)
for steps, words, size, scale in [(1, 3, 4, 1), (5, 4, 6, 3), (3, 7, 2, 1000)]:
    query, keys = rng.normal(size=(steps, size)), rng.normal(size=(words, size))
    mask = np.arange(words) < words - 1
    with np.errstate(all="ignore"):
        result = attention(query, keys, keys, mask, scale * rng.normal(size=size))
    weights = np.asarray(result[1])
    case = f"{steps} steps, {words} words, the last one padding, scores up to about {scale}"
    assert weights.shape == (steps, words), f"{case}: got weights of shape {weights.shape}."
    assert np.isfinite(weights).all(), (
        f"{case}: some weights are not numbers. Did e^score overflow?"
    )
    assert np.allclose(weights[:, -1], 0), f"{case}: padding got weights {weights[:, -1].round(3)}"
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-5), (
        f"{case}: for each step the weights of the words should sum to 1; they sum to {weights.sum(axis=1).round(3)}"
    )
### END HIDDEN TESTS

# %% grade_id="attention_large_scores" points=1
# The instructor checks scores of 1,000 and -1,000, with padding whose own score would be large.
### BEGIN HIDDEN TESTS
query, keys = np.array([[-20.0], [20.0], [1.0]]), np.array([[0.0], [1.0], [30.0]])
with np.errstate(all="ignore"):
    result = attention(query, keys, keys, np.array([True, True, False]), np.array([1000.0]))
    alone = attention(query[:1], keys, keys, np.array([True, True, False]), np.array([1000.0]))
weights = np.asarray(result[1])
assert weights.shape == (3, 3), f"three steps, three words: got weights of shape {weights.shape}."
for row, want, scores in zip(
    weights,
    ([0.5, 0.5, 0], [0.5, 0.5, 0], [0, 1, 0]),
    ("-1000 and -1000", "1000 and 1000", "762 and 964"),
):
    assert np.allclose(row, want, atol=1e-4), (
        f"two words with the scores {scores}, and padding: expected weights {want}, got {row.round(3)}. Is the number for "
        "padding far below every score, and is each step's own largest score taken off before the exponential?"
    )
assert np.allclose(alone[1], [[0.5, 0.5, 0]], atol=1e-4), (
    f"the step with the scores -1000 and -1000 alone: expected .5, .5 and 0, got {np.round(alone[1], 3)}"
)
### END HIDDEN TESTS

# %% grade_id="attention_values" points=1
# The instructor compares weights and contexts with those of Keras.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(7)
for steps, words, size, depth in [(1, 3, 4, 2), (5, 4, 6, 3), (3, 7, 2, 5)]:
    query, keys = rng.normal(size=(steps, size)), rng.normal(size=(words, size))
    values, w = rng.normal(size=(words, depth)), rng.normal(size=size)
    mask = np.arange(words) < words - 1
    context, weights = map(np.asarray, attention(query, keys, values, mask, w))
    layer = keras.layers.AdditiveAttention(dtype="float64")
    layer.build([(1, steps, size), (1, words, depth), (1, words, size)])
    layer.scale.assign(w)
    three = [query[None], values[None], keys[None]]
    want, share = layer(three, mask=[None, mask[None]], return_attention_scores=True)
    want, share = np.asarray(want)[0], np.asarray(share)[0]
    case = f"{steps} steps, {words} words"
    assert np.allclose(weights, share, atol=1e-4), (
        f"{case}: the weights differ from w · tanh(q + k) with a softmax over the words; first step "
        f"{weights[0].round(3)}, expected {share[0].round(3)}"
    )
    assert np.allclose(context, want, atol=1e-4), f"{case}: right weights, wrong contexts"
### END HIDDEN TESTS


# %% tags=["misconception"]
# The softmax runs over the steps instead of the source words: each word shares itself out, and a step may get nothing.
def attention(query, keys, values, mask, w):
    scores = np.where(mask, np.tanh(query[:, None] + keys) @ w, -1e9)
    weights = np.exp(scores - scores.max(axis=0))
    weights = weights / weights.sum(axis=0) * mask
    return weights @ values, weights


# %% tags=["misconception"]
# The score of padding is set to 0, and e to the power of 0 is 1: padding keeps its share of the weights.
def attention(query, keys, values, mask, w):
    scores = np.tanh(query[:, None] + keys) @ w * mask
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights @ values, weights


# %% tags=["misconception"]
# Padding is taken out after the softmax, so the weights that are left no longer sum to 1.
def attention(query, keys, values, mask, w):
    scores = np.tanh(query[:, None] + keys) @ w
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = weights / weights.sum(axis=1, keepdims=True) * mask
    return weights @ values, weights


# %% tags=["misconception"]
# Large scores overflow: e to the power of 1,000 is infinite, and infinite divided by infinite is no number.
def attention(query, keys, values, mask, w):
    weights = np.exp(np.tanh(query[:, None] + keys) @ w) * mask
    weights = weights / weights.sum(axis=1, keepdims=True)
    return weights @ values, weights


# %% tags=["misconception"]
# The number in the place of padding is not far enough down: where all words score lower, padding gets the weight.
def attention(query, keys, values, mask, w):
    scores = np.where(mask, np.tanh(query[:, None] + keys) @ w, -100)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights @ values, weights


# %% tags=["misconception"]
# The largest score of all steps is taken off: a step with low scores is left with zeros, and 0 by 0 is no number.
def attention(query, keys, values, mask, w):
    scores = np.where(mask, np.tanh(query[:, None] + keys) @ w, -1e9)
    weights = np.exp(scores - scores.max())
    weights /= weights.sum(axis=1, keepdims=True)
    return weights @ values, weights


# %% tags=["misconception"]
# The score is the dot product of query and key, as in a Transformer; additive attention has a tanh and a vector w.
def attention(query, keys, values, mask, w):
    scores = np.where(mask, query @ keys.T, -1e9)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights @ values, weights


# %% tags=["alternative"]
# One step at a time, over the real words only.
def attention(query, keys, values, mask, w):
    words = np.flatnonzero(mask)
    weights = np.zeros((len(query), len(keys)))
    for step, q in enumerate(query):
        scores = np.array([np.dot(w, np.tanh(q + keys[word])) for word in words])
        shares = np.exp(scores - scores.max())
        weights[step, words] = shares / shares.sum()
    return weights @ values, weights


# %% tags=["alternative"]
# With Keras' operations.
def attention(query, keys, values, mask, w):
    scores = ops.sum(w * ops.tanh(query[:, None] + keys[None]), axis=-1)
    weights = ops.softmax(ops.where(mask, scores, -1e30), axis=-1)
    return ops.convert_to_numpy(weights @ values), ops.convert_to_numpy(weights)


# %% [markdown]
# ### The same network, with attention
#
# `AdditiveAttention` is your function as a layer. A value here is the encoder's state after the word, together with
# the word's own vector. The second model that comes back shares all weights; it also hands out the attention weights,
# and its third input says which words attention may see.


# %%
def make_attention():
    """Encoder-decoder with attention; the second model also takes a mask and gives the weights."""
    source, vectors, states, last = make_reader()
    target, state = make_writer(last)
    visible = keras.Input((None,), dtype="bool", name="visible")
    values = layers.Concatenate()([states, vectors])
    query, keys = layers.Dense(UNITS)(state), layers.Dense(UNITS, use_bias=False)(values)
    attend = layers.AdditiveAttention()
    say = layers.Dense(len(ENGLISH), dtype="float32")

    def write(mask):
        context, weights = attend([query, values, keys], [None, mask], return_attention_scores=True)
        return say(layers.Concatenate()([state, context])), weights

    usual, _ = write(ops.not_equal(source, PAD))
    return (
        keras.Model([source, target], usual),
        keras.Model([source, target, visible], write(visible)),
    )


# %% tags=["demo"]
keras.utils.set_random_seed(0)
attentive, opened = make_attention()
train(attentive, "Attention")

# %% [markdown]
# It has seen the same sentences as often. **What do you expect now?**

# %% tags=["demo"]
is_right = exact(attentive, "test")
dates = SPLITS["test"]["dates"]
for count in (1, 2, 3):
    print(f"{count} dates: {is_right[dates == count].mean():.2f} exactly right")

# %% tags=["demo", "nbval-check-output"]
print("with attention, exactly right, over 90 of 100:", bool(is_right.mean() > 0.90))
print("one vector:", "under 5 of 100" if one_vector_exact < 0.05 else "5 of 100 or more")

# %% [markdown]
# From almost none to almost all, by one change. And while it learnt to translate it learnt where to look, which
# nobody told it. The weights $a_{t,s}$ of one sentence make a picture, the **alignment**.


# %% tags=["demo", "thumbnail"]
def weights_of(source, target):
    """Attention weights (sentences, words to write, source words)."""
    return opened.predict_on_batch([source, target, source != PAD])[1]


has_rest = np.array(["00" not in english for _, english in test])  # 2000 has no last word
shown = np.flatnonzero((dates == 2) & is_right & has_rest)[1]
hindi, english = test[shown]
weights = weights_of(SOURCE["test"][shown : shown + 1], TARGET["test"][shown : shown + 1])
fig, axis = plt.subplots(figsize=(6.4, 5.6))
image = axis.imshow(weights[0, : len(english), : len(hindi)], vmin=0, vmax=1)
axis.set_xticks(range(len(hindi)), [romanize(word) for word in hindi], rotation=60, ha="right")
axis.set_yticks(range(len(english)), english)
axis.set(xlabel="Hindi word that is read", ylabel="English word to be written")
axis.spines[:].set_visible(False)
fig.colorbar(image, label="attention weight", shrink=0.8)
axis.set_title("Day and month cross, as English wants it")
plots.show(
    fig,
    alt="""A matrix with the Hindi words of two dates below and the English words at the left. In most rows one square is
    bright. The bright squares run down the diagonal and step back where English puts the month before the day.""",
)

# %% [markdown]
# The same sentence in its own script:

# %% tags=["demo"]
print(" ".join(hindi), "\n", " ".join(english))

# %% [markdown]
# ## What can be read from inside
#
# A rule can be read; a state of 64 numbers cannot. A sentence in one vector works, or does not, and does not say why.
# And the alignment *looks* like an explanation. Both can be tested.
#
# ### One vector: what a probe finds in it
#
# A **probe** is a small model that is trained to read one fact out of a vector. Ours, logistic regressions, get the
# 64 numbers of the one-vector network and should tell four facts about the sentence's *first* date: weekday, day,
# month, and the last word of the year. **What do you expect** to be lost, and what to be kept?

# %% tags=["demo"]
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FACTS = {"weekday": 0, "day": 2, "month": 3, "year": 6}  # the place of its word
vector = {split: to_vector.predict(SOURCE[split], verbose=0) for split in ("train", "test")}


def probe(fact, count):
    """How often a probe reads a fact about the first of ``count`` dates from the vector."""
    x, y = {}, {}
    for split in ("train", "test"):
        words = SOURCE[split][:, FACTS[fact]]
        # The year 2000 has no sixth word.
        named = np.isin(words, [HINDI.index(n) for n in NUMBERS if n in HINDI])
        rows = (SPLITS[split]["dates"] == count) & (named | (fact != "year"))
        x[split], y[split] = vector[split][rows], words[rows]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, tol=0.01, max_iter=1000))
    return model.fit(x["train"], y["train"]).score(x["test"], y["test"])


found = {fact: [probe(fact, count) for count in (1, 2, 3)] for fact in FACTS}

# %% tags=["demo"]
fig, axis = plt.subplots()
for (fact, shares), marker in zip(found.items(), plots.MARKERS):
    axis.plot([1, 2, 3], shares, marker + "-", label=fact)
axis.set(xticks=[1, 2, 3], ylim=(0, 1.05), xlabel="dates in the sentence")
axis.set_ylabel("share read correctly")
axis.legend(title="of the first date", loc="center left", bbox_to_anchor=(1, 0.5))
axis.set_title("One vector keeps the weekday and loses the date")
plots.show(
    fig,
    alt="""Accuracy of four probes against the number of dates in the sentence. The weekday is read always, whatever the length. The year is read from most sentences of one date and almost never in longer ones; month and day are read from some sentences of one date and from few longer ones.""",
)

# %% tags=["demo", "nbval-check-output"]
weekday, year = found["weekday"][2], found["year"][2]
print("three dates, weekday of the first, over .7:", weekday > 0.7)
print("three dates, year of the first, under .3:", year < 0.3)
single = np.flatnonzero((dates == 1) & has_rest)
written_year = np.mean([one_vector_words[row][-1] == right[row][-1] for row in single])
# 21 seeds: weekday 1.00 always; year .005 to .06 with three dates, .46 to 1.00 with one, written .005 to .08.
gap = found["year"][0] - written_year
print(
    "one date, year: the probe is right more often than the decoder, by over .1:", bool(gap > 0.1)
)

# %% [markdown]
# The sentence does not fade evenly. The weekday, the first word to be written, is there at any length. The year's
# last word is often there in a sentence of one date, because the encoder has just read it, and is overwritten by the
# next date. And where the probe finds the year, the decoder seldom writes it: the vector holds more than the decoder
# has learnt to use. So a probe says what *can* be read, not what the decoder uses; and what it cannot read may be
# there in another form.

# %% [markdown]
# ### The alignment: replace what it points at
#
# If the alignment is right, then replacing the Hindi word at which an English word points should change this English
# word, and replacing any other should leave it alone. For 100 sentences with two dates we do this with every weekday,
# day, month and last word of a year: another word of the same kind goes in its place, and the network translates
# again.


# %% tags=["demo"]
def kinds_of_words():
    """The groups of Hindi words that can stand in for one another."""
    numbers = [NUMBERS[n] for n in range(1, 32)]
    years = [NUMBERS[n] for n in range(50, 100)]
    groups = [list(DAYS), list(MONTHS), numbers, years]
    return [[HINDI.index(word) for word in group if word in HINDI] for group in groups]


def can_be_replaced(source):
    """Which words of a sentence name a weekday, a day, a month or the last part of a year."""
    before = {HINDI.index(word) for word in (NUMBERS[19], NUMBERS[2])}
    after = [HINDI.index(word) for word in ("सौ", "हज़ार")]
    follows = np.append(np.isin(source[1:], after), False)
    is_century = np.isin(source, list(before)) & follows
    return np.isin(source, np.concatenate(kinds_of_words())) & ~is_century


chosen = np.flatnonzero((dates == 2) & is_right & has_rest)[:100]
sources, usual = SOURCE["test"][chosen], translate(attentive, SOURCE["test"][chosen])
alignment = weights_of(sources, usual)

# %% tags=["demo"]
rng = np.random.default_rng(0)
sentence, place = np.nonzero([can_be_replaced(source) for source in sources])
changed_sources = sources[sentence].copy()
for row, at in zip(changed_sources, place, strict=True):
    group = next(group for group in kinds_of_words() if row[at] in group)
    row[at] = rng.choice([word for word in group if word != row[at]])
again = translate(attentive, changed_sources)
changed = again[:, 1:] != usual[sentence, 1:]  # (replacements, words written)
points_at = alignment.argmax(axis=2)[:, :-1]  # the source word of each word written
is_content = usual[:, 1:] > UNKNOWN
commas = [ENGLISH.index(word) for word in (",", "and", "19", "20")]
is_content &= ~np.isin(usual[:, 1:], commas)
pointed = (points_at[sentence] == place[:, None]) & is_content[sentence]
other = (points_at[sentence] != place[:, None]) & is_content[sentence]
print(f"{len(place)} replacements in {len(chosen)} sentences")

# %% tags=["demo", "nbval-check-output"]
# 21 seeds: .99 to 1.00, other words .00 to .04, none of the replaced words .00 (19 of them) to .25.
print("what it points at was replaced, it changes: over .9:", bool(changed[pointed].mean() > 0.9))
print("another word was replaced, it changes: under .1:", bool(changed[other].mean() < 0.1))
reached = np.zeros_like(is_content)
np.logical_or.at(reached, sentence, pointed)
missed = 1 - reached[is_content].mean()
print("points at none of the replaced words, under .5:", bool(missed < 0.5))

# %% [markdown]
# This is more than a picture: where a word points at a replaced one, that one decides, and a change elsewhere hardly
# matters. Three cautions. First, where a word points at *none* of the replaced words the question was never asked.
# The next cell asks: did those change all the same, when some other word was replaced?

# %% tags=["demo"]
touched = np.zeros_like(is_content)
np.logical_or.at(touched, sentence, changed)
astray = is_content & ~reached
print(
    f"{astray.sum()} of {is_content.sum()} words point at no replaced word; {touched[astray].sum()} change all the same"
)
for row, step in np.argwhere(astray)[:4]:
    at = points_at[row, step]
    words = [HINDI[number] for number in sources[row]]
    print(
        f"{ENGLISH[usual[row, step + 1]]:>10} points at {words[at]!r}, which follows {' '.join(words[max(at - 3, 0) : at])}"
    )

# %% [markdown]
# Look where they point: often at a comma or a small word close behind the word that they translate. That is no
# mistake. The encoder has *read* the word by then, and its state at the comma holds it. So **a weight says where the
# decoder looked, not what it found there.** Second, an alignment is made by one training: with some seeds the network
# points at the word itself throughout, with others it does not, and it translates as well. Third, we knew which words
# can be replaced by which. For a novel nobody does.

# %% [markdown]
# ### Exercise 5: does it change what it points at?
#
# Write the measurement as a function, for one sentence: `pointing_effect(weights, changed)`.
#
# - `weights`: (written, words), the attention weight of each source word for each word that is written;
# - `changed`: (words, written), True at `[s, t]` if replacing source word $s$ changed the written word $t$.
#
# A written word *points at* the source word with its largest weight. Return two numbers: the share of written words
# that change when the source word they point at is replaced; and the share of changes among all *other* pairs of a
# source word and a written word. There are at least two source words.


# %% grade_id="pointing_effect" solution=true
def pointing_effect(weights, changed):
    """Share of changes where a written word points, and everywhere else."""
    ### BEGIN SOLUTION
    written = np.arange(len(weights))
    points = np.zeros(changed.shape, bool)
    points[weights.argmax(axis=1), written] = True
    return changed[points].mean(), changed[~points].mean()
    ### END SOLUTION


# %% grade_id="pointing_effect_example" points=1
where, elsewhere = pointing_effect(
    np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]]),
    np.array([[True, False], [True, False], [False, True]]),
)
assert np.isclose(where, 1), (
    f"word 0 points at source word 0, word 1 at source word 2, and both change when it is replaced: expected 1, got {where}"
)
assert np.isclose(elsewhere, 1 / 4), (
    f"of the four other pairs one changed (source word 1, written word 0): expected .25, got {elsewhere}"
)

# %% grade_id="pointing_effect_shared" points=1
# The instructor checks a sentence in which two written words point at the same source word.
### BEGIN HIDDEN TESTS
same = pointing_effect(
    np.array([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6]]), np.array([[True, False, True], [False] * 3])
)
assert np.allclose(same, [1 / 3, 1 / 3]), (
    "three written words, two of which point at source word 0: one of the three changes, and one of the three other "
    f"pairs: expected .333 and .333, got {np.round(same, 3)}"
)
### END HIDDEN TESTS

# %% grade_id="pointing_effect_cases" points=2
# The instructor checks random sentences, and alignments that are always right and always wrong.
### BEGIN HIDDEN TESTS
rng = np.random.default_rng(6)
for written, words in [(6, 6), (9, 4), (3, 8)]:
    weights = rng.dirichlet(np.ones(words), written)
    at = weights.argmax(axis=1)
    perfect = np.arange(words)[:, None] == at
    for changed, want in [(perfect, (1, 0)), (~perfect, (0, 1))]:
        got = pointing_effect(weights, changed)
        assert np.allclose(got, want), (
            f"{written} written words, {words} source words, changes {'only' if want[0] else 'nowhere but not'} where "
            f"they point: expected {want}, got {np.round(got, 3)}. Which axis of each array is which?"
        )
    changed = rng.random((words, written)) < 0.4
    got = pointing_effect(weights, changed)
    hits = [changed[at[t], t] for t in range(written)]
    rest = [changed[s, t] for t in range(written) for s in range(words) if s != at[t]]
    assert np.allclose(got, (np.mean(hits), np.mean(rest))), (
        f"random changes: expected {np.mean(hits):.3f} and {np.mean(rest):.3f}, got {np.round(got, 3)}. The second "
        "share is over the other pairs only"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# The second share is taken over all pairs, those pointed at included.
def pointing_effect(weights, changed):
    at = weights.argmax(axis=1)
    return changed[at, np.arange(len(at))].mean(), changed.mean()


# %% tags=["misconception"]
# This asks which written word each source word is strongest for, which is the other axis: some written words are never asked.
def pointing_effect(weights, changed):
    points = np.zeros(changed.shape, bool)
    points[np.arange(weights.shape[1]), weights.argmax(axis=0)] = True
    return changed[points].mean(), changed[~points].mean()


# %% tags=["misconception"]
# Each change is weighted with the attention weight, where the largest weight alone should decide.
def pointing_effect(weights, changed):
    where = (weights.T * changed).sum() / weights.sum()
    return where, ((1 - weights.T) * changed).sum() / (1 - weights).sum()


# %% tags=["misconception"]
# Words with at least half of the weight are taken, not the largest: a step that spreads its weight points nowhere.
def pointing_effect(weights, changed):
    points = weights.T >= 0.5
    return changed[points].mean() if points.any() else 0.0, changed[~points].mean()


# %% tags=["misconception"]
# The second share leaves out source words that any written word points at, so most of the other pairs are missing.
def pointing_effect(weights, changed):
    at = weights.argmax(axis=1)
    rest = changed[np.setdiff1d(np.arange(len(changed)), at)]
    return changed[at, np.arange(len(at))].mean(), rest.mean() if rest.size else 0.0


# %% tags=["alternative"]
# Walks over all pairs.
def pointing_effect(weights, changed):
    here, there = [], []
    for word, row in enumerate(weights):
        at = int(np.argmax(row))
        for source in range(len(row)):
            (here if source == at else there).append(bool(changed[source, word]))
    return sum(here) / len(here), sum(there) / len(there)


# %% [markdown]
# ### And hide what it points at
#
# A stricter question. If a word is translated *because* attention looks at one place, then it should be lost when
# attention may not look there. We hide, for each English word in turn, the one Hindi word at which it points; the
# encoder has read that word, only attention cannot see it.


# %% tags=["demo"]
def still_right(hide):
    """For each content word: is it still the first choice when ``hide`` (sentences, written) is hidden?"""
    kept = np.zeros_like(is_content)
    for step in range(usual.shape[1] - 1):
        visible = sources != PAD
        visible[np.arange(len(sources)), hide[:, step]] = False
        logits, _ = opened.predict_on_batch([sources, usual, visible])
        kept[:, step] = logits[:, step].argmax(axis=-1) == usual[:, step + 1]
    return kept[is_content].mean()


somewhere = (points_at + 3) % (sources != PAD).sum(axis=1)[:, None]
kept_pointed, kept_other = still_right(points_at), still_right(somewhere)
print(f"hidden where it points: {kept_pointed:.2f} still right; hidden elsewhere: {kept_other:.2f}")

# %% tags=["demo", "nbval-check-output"]
# 21 seeds: 1.00 elsewhere, .05 to .10 where it points.
print("elsewhere hidden, still right, over .9:", bool(kept_other > 0.9))
print("pointed at hidden, still right, under .6:", bool(kept_pointed < 0.6))

# %% [markdown]
# Where it points, it needs what is there: most words are lost when attention cannot see that one place, and next to
# none when another is hidden. Here, then, the alignment is close to an explanation. It need not be: when two places
# hold the same information, a network can lean on either, and hiding the one that the weights show changes nothing.
# So test it anew for each network.

# %% [markdown]
# ## What it cannot do, and whom it can hurt
#
# A test set like the training set is a friendly place. Three that are less so: sentences of *four* dates, where three
# was the longest before; years from 2020 to 2031, whose words are all known, as days of the month; and years from
# 1932 to 1949, whose last word the network has never seen, so that it reads `<unknown>`. **Which of the three will go
# well?**

# %% tags=["demo"]
names = ["test", "test_longer", "test_new_years", "test_new_words"]
shares = {split: exact(attentive, split).mean() for split in names[1:]}
shares = {"test": is_right.mean()} | shares
fig, axis = plt.subplots()
labels = ["like\ntraining", "four\ndates", "new years,\nknown words", "new\nwords"]
bars = axis.bar(labels, [100 * share for share in shares.values()])
axis.bar_label(bars, fmt="%.0f")
axis.set(ylim=(0, 112), ylabel="exactly right (%)")
axis.set_title("New years go well; four dates and new words do not")
plots.show(
    fig,
    alt="""Bars of the share of exactly right translations by the network with attention: nearly all on sentences like those
    of the training, few or none on sentences of four dates, and none on years with words that it has never seen.""",
)

# %% tags=["demo", "nbval-check-output"]
# 21 seeds: .99 to 1.00; four dates and new words .00; new years .72 to 1.00 (mean .93).
print("like training, over 90 of 100:", bool(shares["test"] > 0.90))
print("four dates, under 10 of 100:", bool(shares["test_longer"] < 0.10))
print("new years of known words, over 50 of 100:", bool(shares["test_new_years"] > 0.50))
print("unknown words, under 5 of 100:", bool(shares["test_new_words"] < 0.05))

# %% tags=["demo"]
new_words = translate(attentive, SOURCE["test_new_words"])
for row in range(3):
    print(" ".join(PAIRS["test_new_words"][row][0]), "→", " ".join(decode(new_words[row])))
print()
longer = translate(attentive, SOURCE["test_longer"][:1])
print(" ".join(PAIRS["test_longer"][0][1]), "\n", " ".join(decode(longer[0])))

# %% [markdown]
# The new years go well, because the pieces of a date are learnt as pieces. Now read the others. The unknown year
# comes out as *another year*, in faultless English. Nothing in the words says that one was not understood.


# %% tags=["demo", "nbval-check-output"]
def is_fluent(words):
    """Whether the words have the form of one English date."""
    return bool(re.fullmatch(r"[A-Z][a-z]+day , [A-Z][a-z]+ \d+ , (19|20) \d\d", " ".join(words)))


def chance_of_last_word(split, rows):
    """The probability that the network gave to the last word that it wrote, for each sentence."""
    logits = attentive.predict_on_batch([SOURCE[split][: len(rows)], rows])
    p = np.asarray(ops.softmax(logits, axis=-1)).max(axis=-1)
    return p[np.arange(len(rows)), (rows != PAD).sum(axis=1) - 3]  # START and END are no words


year_p = {
    "test": np.median(chance_of_last_word("test", translate(attentive, SOURCE["test"][:100]))),
    "new": np.median(chance_of_last_word("test_new_words", new_words)),
}
# 21 seeds: .99 to 1.00 and .03 to .20.
print("probability of the last word, median, test, over .9:", bool(year_p["test"] > 0.9))
print("probability of the last word, median, new words, under .5:", bool(year_p["new"] < 0.5))
print("form of a date, over 90 of 100:", np.mean([is_fluent(decode(r)) for r in new_words]) > 0.9)
print("has an unknown word, so one could have known:",
      bool((SOURCE["test_new_words"] == UNKNOWN).any(axis=1).all()))  # fmt: skip

# %% [markdown]
# The word was unknown, and the decoder still had to say something: no token of its own means *I did not understand*.
# Yet inside, it knew: the probability of its choice is small for the unknown years, and near 1 for the others. Greedy
# decoding throws that number away.
#
# And the four dates? The network has learnt *lists of up to three*. Compare the translation above with its reference:
# is a date missing, or put together from two? It reads as well as a right one, which makes this the quietest mistake
# of all.
#
# Whom does it hurt? Whoever cannot read the source and so cannot see the mistake: that is what a translation is for.
# Here it is the date of an appointment; elsewhere a dose, a court's deadline, a name. Three remedies, from cheap to
# dear: **refuse** when the source holds an unknown word, which here catches every such sentence, or when a
# probability is low; translate back and compare; and keep a person who reads both languages where a mistake is dear.

# %% [markdown]
# ## Where to go on
#
# Three things to try:
#
# 1. Add sentences of four dates to the training ones and test on five. Does it learn to count, or does it learn four?
# 2. Leave the word vectors out of the values (`values = states`) and draw the alignment again. Does it still point at
#    the word itself?
# 3. Train the network with one vector for ten epochs, or with 256 units. What does each buy?
#
# To read: Sutskever, Vinyals and Le (2014), *Sequence to Sequence Learning with Neural Networks*; Bahdanau, Cho and Bengio (2015),
# *Neural Machine Translation by Jointly Learning to Align and Translate*, which is our second network; Jain and Wallace (2019),
# *Attention is not Explanation*, and the answer by Wiegreffe and Pinter (2019), *Attention is not not Explanation*.
#
# ### At full size
#
# `ted_hrlr_translate` holds the subtitles of TED talks, translated by volunteers. Hindi is not among its languages;
# Portuguese to English, about 50,000 sentences, is the usual choice. The same call takes it once it has been
# downloaded.

# %% tags=["demo"]
try:
    talks = datasets.load("ted_hrlr_translate/pt_to_en", split="train", as_supervised=True)
    for portuguese, english in talks.take(2).as_numpy_iterator():
        print(portuguese.decode(), "\n   ", english.decode())
except datasets.DatasetNotDownloadedError as error:
    print(error)

# %% [markdown]
# What changes: tens of thousands of different words, so cut them into subwords (`keras_hub` and `tensorflow_text`
# have tools); sentences of all lengths, so batch those of like length together; several right answers for each
# sentence, so BLEU beside exact match; 512 units, a GPU and mixed precision (`course.setup(precision="auto")`). And
# today one would take the Transformer of lesson 14.
