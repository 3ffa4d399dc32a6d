"""Stand-ins for the answers of the lesson on image captions; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops

Pair = tuple[np.ndarray, np.ndarray]
Trained = tuple[keras.Model, keras.Model, keras.callbacks.History]
Captions = list[tuple[list[int], float]]

# Token numbers, as the lesson has them.
_PAD, _START, _END = 0, 1, 2


def make_looker(height: int, width: int, filters: Sequence[int]) -> keras.Model:
    """Pictures (batch, height, width, 3) to places (batch, places, filters[-1] + 2)."""
    shown = keras.Input((height, width, 3), name="shown")
    features = shown
    for block, kernels in enumerate(filters):
        stride = 2 if block < len(filters) - 1 else 1
        convolve = layers.Conv2D(kernels, 3, stride, "same", use_bias=False)
        features = layers.BatchNormalization(momentum=0.9)(convolve(features))
        features = layers.Activation("relu")(features)
    _, rows, columns, depth = features.shape
    lines, across = np.linspace(-1, 1, rows), np.linspace(-1, 1, columns)
    spots = np.array([[line, place] for line in lines for place in across], "float32")
    sequence = ops.reshape(features, (-1, rows * columns, depth))
    located = ops.concatenate([sequence, 0 * sequence[..., :2] + spots], axis=-1)
    return keras.Model(shown, located, name="looker")


def make_writer(features: int, vocabulary: int, units: int) -> keras.Model:
    """A model from [places, words so far] to [logits, weights (batch, steps, places)]."""
    seen = keras.Input((None, features), name="seen")
    begun = keras.Input((None,), dtype="int32", name="begun")
    summary = layers.Dense(units, activation="tanh", name="summary")(ops.mean(seen, axis=1))
    read = layers.GRU(units, return_sequences=True, name="reader")
    states = read(layers.Embedding(vocabulary, units)(begun), initial_state=summary)
    asked = layers.Dense(units, name="query")(states)
    offered = layers.Dense(units, use_bias=False, name="key")(seen)
    fit = ops.einsum("bte,bpe->btp", asked, offered) / float(np.sqrt(units))
    shares = ops.softmax(fit, axis=-1)
    found = ops.einsum("btp,bpf->btf", shares, seen)
    joined = ops.concatenate([states, found], axis=-1)
    thought = layers.Dense(units, activation="relu", name="thought")(joined)
    said = layers.Dense(vocabulary, dtype="float32", name="logits")(thought)
    return keras.Model([seen, begun], [said, shares], name="writer")


def train_captioner(
    looker: keras.Model,
    writer: keras.Model,
    train: Pair,
    validation: Pair,
    rate: float,
    epochs: int,
) -> Trained:
    """Both after training together with early stopping, and the history of it."""
    annotators, tokens = train[1].shape[1:]
    heard = keras.Input((annotators, tokens - 1), dtype="int32", name="heard")
    copies = ops.repeat(looker(looker.inputs[0]), annotators, axis=0)
    said = writer([copies, ops.reshape(heard, (-1, tokens - 1))])[0]
    apart = ops.reshape(said, (-1, annotators, tokens - 1, said.shape[-1]))
    pupil = keras.Model([looker.inputs[0], heard], apart)
    pictures = max(1, 64 // annotators)
    steps = epochs * int(np.ceil(len(train[0]) / pictures))
    pupil.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(rate, steps), clipnorm=1.0
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=_PAD, from_logits=True),
    )
    patience = keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    learn, check = (([shown, rows[..., :-1]], rows[..., 1:]) for shown, rows in (train, validation))
    noted = pupil.fit(
        learn[0],
        learn[1],
        batch_size=pictures,
        validation_data=check,
        callbacks=[patience],
        epochs=epochs,
        verbose=0,
    )
    return looker, writer, noted


def beam_search(
    next_logits: Callable[[np.ndarray], np.ndarray], width: int, limit: int
) -> Captions:
    """The best beginnings by the sum of log probabilities, best first."""
    race: list[tuple[list[int], float]] = [([_START], 0.0)]
    for _ in range(limit):
        is_open = [tokens for tokens, _ in race if tokens[-1] != _END]
        if not is_open:
            break
        values = np.asarray(next_logits(np.array(is_open)), "float64")
        values = values - np.logaddexp.reduce(values, axis=1, keepdims=True)
        answers = iter(values)
        entries: list[tuple[list[int], float]] = []
        for tokens, total in race:
            if tokens[-1] == _END:
                entries.append((tokens, total))
            else:
                entries += [([*tokens, n], total + float(x)) for n, x in enumerate(next(answers))]
        race = sorted(entries, key=lambda entry: entry[1], reverse=True)[:width]
    return [([n for n in tokens[1:] if n != _END], total) for tokens, total in race]


def paste(
    images: np.ndarray,
    masks: np.ndarray,
    captions: Sequence[str],
    grounds: np.ndarray,
    names: Sequence[str],
    which: np.ndarray,
) -> tuple[np.ndarray, list[str]]:
    """Pictures and captions of the same things on other grounds."""
    chosen = [int(number) for number in which]
    is_thing = np.asarray(masks) != 0
    new = is_thing * images + ~is_thing * np.asarray(grounds)[chosen]
    kept = [text[: text.rindex(" ") + 1] for text in captions]
    return new, [start + names[number] for start, number in zip(kept, chosen, strict=True)]


def make_looker_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives places in reading order."""
    places = np.asarray(answer(8, 12, [4, 5])(np.zeros((1, 8, 12, 3), "float32")))
    return places.shape == (1, 24, 7) and np.allclose(places[0, [0, 5, 6], -1], [-1, 1, -1])


def make_writer_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives logits, and weights that sum to 1."""
    inputs = [np.random.default_rng(0).normal(size=(2, 5, 4)), np.array([[1, 3, 4], [1, 5, 3]])]
    logits, weights = (np.asarray(output) for output in answer(4, 6, 3)(inputs))
    return logits.shape == (2, 3, 6) and np.allclose(
        weights.sum(axis=-1), np.ones((2, 3)), atol=1e-5
    )


def train_captioner_works(answer: Callable[..., Trained]) -> bool:
    """Whether a training on few pictures gives back the networks that it got, and its losses."""
    looker, writer = make_looker(4, 4, [2, 2]), make_writer(4, 6, 2)
    rng = np.random.default_rng(0)
    pair = rng.random((6, 4, 4, 3), dtype="float32"), rng.integers(1, 6, (6, 2, 4)).astype("int32")
    trained = answer(looker, writer, pair, pair, 0.01, 1)
    return trained[0] is looker and trained[1] is writer and "val_loss" in trained[2].history


def beam_search_works(answer: Callable[..., Captions]) -> bool:
    """Whether a beam finds what greedy decoding misses."""
    after = np.log([[1.0] * 5, [1e-9, 1e-9, 1e-9, 0.6, 0.4], [1.0] * 5,
                    [1e-9, 1e-9, 0.4, 0.3, 0.3], [1e-9, 1e-9, 0.98, 0.01, 0.01]])  # fmt: skip
    (words, score), *_ = answer(lambda rows: after[np.asarray(rows)[:, -1]], 3, 3)
    return list(words) == [4] and bool(np.isclose(score, np.log(0.4 * 0.98), atol=1e-3))


def paste_works(answer: Callable[..., tuple[np.ndarray, list[str]]]) -> bool:
    """Whether a thing is kept, its ground exchanged, and its caption ends in the new ground."""
    images, masks = np.array([[[[0.5] * 3, [0.25] * 3]]]), np.array([[[[2], [0]]]])
    grounds = np.stack([np.zeros((1, 2, 3)), np.ones((1, 2, 3))])
    new, texts = answer(images, masks, ["a red box on sand"], grounds, ["x", "ice"], np.array([1]))
    is_right = np.allclose(np.asarray(new)[0, 0, :, 0], [0.5, 1])
    return is_right and list(texts) == ["a red box on ice"]
