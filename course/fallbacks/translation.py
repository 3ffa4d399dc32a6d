"""Stand-ins for the answers of the lesson on translation; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops

Pair = tuple[Sequence[np.ndarray], np.ndarray]
Trained = tuple[keras.Model, keras.callbacks.History]

# Token numbers, as the lesson has them.
_PAD, _START, _END = 0, 1, 2


def teacher_forcing(sentences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decoder inputs and labels, both (n, L + 1), of token numbers (n, L)."""
    count, longest = np.shape(sentences)
    given, wanted = (np.full((count, longest + 1), _PAD, "int32") for _ in range(2))
    for row, tokens in enumerate(sentences):
        kept = tokens[tokens != _PAD]
        given[row, : len(kept) + 1] = [_START, *kept]
        wanted[row, : len(kept) + 1] = [*kept, _END]
    return given, wanted


def one_vector_translator(source_size: int, target_size: int, units: int) -> keras.Model:
    """A model from [source, so far] to [logits (batch, steps, target_size), vector]."""
    foreign, own = _tokens("foreign"), _tokens("own")
    last = _encoder(source_size, units)(foreign)[1]
    writing = _decoder(target_size, units, own, last)
    return keras.Model([foreign, own], [_logits(target_size)(writing), last])


def train_translator(
    model: keras.Model, train: Pair, validation: Pair, rate: float, epochs: int
) -> Trained:
    """The model after training with early stopping, and the history of it."""
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(ignore_class=_PAD, from_logits=True)
    model.compile(
        optimizer=keras.optimizers.Adam(clipnorm=1.0, learning_rate=rate), loss=cross_entropy
    )
    patience = keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    noted = model.fit(
        list(train[0]),
        train[1],
        validation_data=(list(validation[0]), validation[1]),
        callbacks=[patience],
        batch_size=64,
        epochs=epochs,
        verbose=0,
    )
    return model, noted


def attention_layer(query_size: int, memory_size: int, units: int) -> keras.Model:
    """Additive attention, from [states, memory, visible] to [contexts, weights].

    Bahdanau, Cho and Bengio (2014), "Neural machine translation by jointly learning to align and
    translate".
    """
    asking = keras.Input((None, query_size), name="states")
    stored = keras.Input((None, memory_size), name="memory")
    seen = keras.Input((None,), dtype="bool", name="visible")
    asked = layers.Dense(units, name="query")(asking)[:, :, None]
    offered = layers.Dense(units, use_bias=False, name="key")(stored)[:, None]
    score = layers.Dense(1, use_bias=False, name="score")(ops.tanh(asked + offered))
    shares = ops.softmax(ops.where(seen[:, None], ops.squeeze(score, -1), -1e9))
    return keras.Model([asking, stored, seen], [shares @ stored, shares], name="attention")


def attention_translator(
    source_size: int, target_size: int, units: int, attend: keras.Model
) -> keras.Model:
    """A model from [source, so far, visible] to [logits, weights (batch, steps, words)]."""
    foreign, own = _tokens("foreign"), _tokens("own")
    seen = keras.Input((None,), dtype="bool", name="visible")
    stored, last = _encoder(source_size, units)(foreign)
    writing = _decoder(target_size, units, own, last)
    found, shares = attend([writing, stored, seen])
    said = _logits(target_size)(ops.concatenate([writing, found], axis=-1))
    return keras.Model([foreign, own, seen], [said, shares])


def _tokens(name: str) -> keras.KerasTensor:
    return keras.Input((None,), dtype="int32", name=name)


def _encoder(size: int, units: int) -> keras.Model:
    """From tokens to the state after each, and the last."""
    tokens = _tokens("tokens")
    vectors = layers.Embedding(size, units, mask_zero=True)(tokens)
    return keras.Model(tokens, layers.GRU(units, return_sequences=True, return_state=True)(vectors))


def _decoder(
    size: int, units: int, tokens: keras.KerasTensor, start: keras.KerasTensor
) -> keras.KerasTensor:
    """The state at each step."""
    vectors = layers.Embedding(size, units)(tokens)
    return layers.GRU(units, return_sequences=True, name="writer")(vectors, initial_state=start)


def _logits(size: int) -> keras.layers.Layer:
    return layers.Dense(size, dtype="float32", name="logits")


def teacher_forcing_works(answer: Callable[..., tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether two short sentences are moved by one."""
    inputs, labels = answer(np.array([[6, 5, 7], [9, 0, 0]]))
    expected = [[1, 6, 5, 7], [1, 9, 0, 0]], [[6, 5, 7, 2], [9, 2, 0, 0]]
    return np.array_equal(inputs, expected[0]) and np.array_equal(labels, expected[1])


def one_vector_translator_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives logits and a vector of the right shapes."""
    model = answer(6, 5, 3)
    shapes = [output.shape for output in model([np.array([[4, 5, 0]]), np.array([[1, 4]])])]
    return shapes == [(1, 2, 5), (1, 3)]


def train_translator_works(answer: Callable[..., Trained]) -> bool:
    """Whether a training on few sentences gives back the model that it got, and its losses."""
    tokens = _tokens("tokens")
    model = keras.Model([tokens], layers.Embedding(6, 6)(tokens))
    rows = np.random.default_rng(0).integers(1, 6, (8, 3)).astype("int32")
    trained, history = answer(model, ([rows], rows), ([rows], rows), 0.01, 1)
    return trained is model and "val_loss" in history.history


def attention_layer_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives contexts, and weights that sum to 1 and leave out what is hidden."""
    rng = np.random.default_rng(0)
    visible = np.array([[True, False, True]])
    inputs = [rng.normal(size=(1, 2, 4)), rng.normal(size=(1, 3, 5)), visible]
    contexts, weights = (np.asarray(output) for output in answer(4, 5, 2)(inputs))
    is_right = np.allclose(weights[:, :, 1], 0) and np.allclose(weights.sum(-1), 1, atol=1e-5)
    return is_right and contexts.shape == (1, 2, 5)


def attention_translator_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether it gives logits and weights of the right shapes."""
    model = answer(6, 5, 3, attention_layer(3, 3, 2))
    inputs = [np.array([[4, 5, 0]]), np.array([[1, 4]]), np.array([[True, True, False]])]
    return [output.shape for output in model(inputs)] == [(1, 2, 5), (1, 2, 3)]
