"""A Keras model that travels is the same model, whichever way it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from autograder.sandbox.inside.errors import CannotTravelError
from autograder.sandbox.inside.model_values import pack_model, unpack_model
from autograder.sandbox.inside.wire import decode, encode


def shared() -> keras.Model:
    inputs = keras.Input((4,))
    dense = layers.Dense(4, "relu", name="used_twice")
    return keras.Model(inputs, [dense(inputs), layers.Add()([dense(dense(inputs)), inputs])])


def frozen() -> keras.Model:
    model = keras.Sequential([keras.Input((5, 4, 1)), layers.Conv2D(3, 3, padding="same")])
    model.add(layers.BatchNormalization())
    model.add(layers.Flatten())
    model.layers[1].trainable = False
    return model


def nested() -> keras.Model:
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dropout(0.5)])
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(2)(inner(inputs)))


def random() -> keras.Model:
    return keras.Sequential(
        [keras.Input((6, 6, 1)), layers.RandomTranslation(0.3, 0.3), layers.GaussianNoise(0.2)]
    )


def sequence() -> keras.Model:
    notes = keras.Input((None,), dtype="int32")
    x = layers.GRU(3, return_sequences=True)(layers.Embedding(7, 4, mask_zero=True)(notes))
    return keras.Model(notes, layers.MultiHeadAttention(2, 2)(x, x))


def short() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype="mixed_bfloat16")])


def both_ways() -> keras.Model:
    return keras.Sequential([keras.Input((None, 2)), layers.Bidirectional(layers.LSTM(3))])


def adapted() -> keras.Model:
    layer = layers.Normalization()
    layer.adapt(np.arange(12.0).reshape(6, 2))
    return keras.Sequential([keras.Input((2,)), layer])


def words() -> keras.Model:
    layer = layers.StringLookup(vocabulary=["left", "right"])
    return keras.Sequential([keras.Input((1,), dtype="string"), layer])


def trained() -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones((8, 4)), np.ones(8), epochs=2, verbose=0)
    return model


def one_cell() -> keras.Model:
    cell = layers.SimpleRNNCell(2)
    inputs = keras.Input((None, 2))
    first = layers.RNN(cell, return_sequences=True)(inputs)
    return keras.Model(inputs, layers.RNN(cell)(first))


def at_every_step() -> keras.Model:
    inputs = keras.Input((3, 4))
    dense = layers.Dense(4)
    return keras.Model(inputs, dense(layers.TimeDistributed(dense)(inputs)))


BY_LAYERS = [shared, frozen, nested, random, sequence, short, both_ways]
BY_FILE = [adapted, words, trained]


def example(model: keras.Model) -> Any:
    """Inputs of a model's shape and type."""
    given = model.inputs[0]
    shape = (3, *(size or 5 for size in given.shape[1:]))
    if given.dtype == "string":
        return np.array([["left"], ["right"], ["up"]])
    rng = np.random.default_rng(0)
    if given.dtype == "int32":
        return rng.integers(0, 7, shape)
    return rng.normal(size=shape).astype("float32")


def results(model: keras.Model, training: bool) -> list[np.ndarray]:
    outputs = model(keras.ops.convert_to_tensor(example(model)), training=training)
    many = outputs if isinstance(outputs, list) else [outputs]
    return [keras.ops.convert_to_numpy(output).astype("float32") for output in many]


class ByFile(list):
    """An encoder that keeps what it is given."""

    def blob(self, data: bytes) -> int:
        self.append(data)
        return len(self) - 1

    array = blob


@pytest.mark.parametrize("make", BY_LAYERS + BY_FILE, ids=lambda make: make.__name__)
def test_a_model_computes_the_same_when_it_has_travelled(make: Callable[[], keras.Model]):
    keras.utils.set_random_seed(3)
    model = make()
    for value in model.variables if make in BY_LAYERS else ():
        if "float" in str(value.dtype):
            value.assign(np.abs(np.random.default_rng(1).normal(size=value.shape)) + 0.1)
    # Random layers go on where they were.
    results(model, training=True)
    there = decode(encode(model))
    assert isinstance(pack_model(model, ByFile()), list) == (make in BY_LAYERS)
    assert there.to_json() == model.to_json()
    assert there.compiled == model.compiled
    trainable = [[each.trainable for each in one.variables] for one in (model, there)]
    assert trainable[0] == trainable[1]
    for training in (False, True, True):
        for one, other in zip(results(model, training), results(there, training), strict=True):
            np.testing.assert_array_equal(one, other)
    if model.compiled:
        assert there.optimizer.iterations == model.optimizer.iterations == 2


@pytest.mark.parametrize("make", [one_cell, at_every_step], ids=lambda make: make.__name__)
def test_what_two_layers_hold_is_left_to_keras(make: Callable[[], keras.Model]):
    assert not isinstance(pack_model(make(), ByFile()), list)


def test_what_cannot_be_loaded_is_a_sentence():
    class Decoder(ByFile):
        array = blob = ByFile.__getitem__

    model = shared()
    sent = ByFile()
    config, numbers = pack_model(model, sent)
    for content in (
        [config, numbers[:-1]],
        [config, [*numbers[1:], numbers[0]]],
        [len(sent), numbers],
    ):
        decoder = Decoder([*sent, b"{"])
        with pytest.raises(CannotTravelError, match="model"):
            unpack_model(content, decoder)


def test_a_lambda_is_not_run_where_the_tests_are():
    model = keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: x + 1)])
    with pytest.raises(CannotTravelError, match=r"(?i)lambda"):
        decode(encode(model))
