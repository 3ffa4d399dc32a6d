"""What may pass between answers and tests, and what may not."""

import collections
import datetime
import itertools
import math
import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autograder.sandbox.inside.errors import CannotTravelError
from autograder.sandbox.inside.lending import Lent
from autograder.sandbox.inside.library_values import shared_name
from autograder.sandbox.inside.wire import decode, encode


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -1.5, math.inf, "text", [1, "a", None], (1, 2), {1, 2}, frozenset({3}),
        {"a": [1, {"b": (2,)}], 3: "int key", (1, 2): "tuple key"}, b"bytes", 2 + 3j,
        slice(1, 4, 2), range(0, 6, 2), -(2**70), bytearray(b"b"), ..., Path("a"), Fraction(1, 3),
        Decimal("1.1"), datetime.date(2020, 1, 2), datetime.timedelta(1, 2, 3),
        datetime.datetime(2020, 1, 2, 3, tzinfo=datetime.UTC), collections.Counter("aab"),
        collections.deque([1, 2]), collections.OrderedDict(a=1),
        collections.defaultdict(int, a=1), {"a": 1}.keys(),
    ],
)  # fmt: skip
def test_plain_values_come_back_as_they_went(value):
    back = decode(encode(value))
    assert back == value
    assert type(back) is type(value)


def test_other_plain_values_keep_what_they_say():
    point = collections.namedtuple("Point", "x y")(1, (2,))
    back = decode(encode(point))
    assert decode(encode(10**5000)) == 10**5000
    assert back == point
    assert (back.x, back.y) == point
    assert list(decode(encode({"a": 1}.values()))) == [1]
    assert decode(encode(np.ma.array([1, 2, 3], mask=[0, 1, 0]))).sum() == 4
    assert decode(encode(np.array([(1, 2.5)], "i4,f8")))["f1"] == 2.5
    assert decode(encode(random.Random(3))).random() == random.Random(3).random()
    legacy = np.random.RandomState(3)
    assert decode(encode(legacy)).rand() == legacy.rand()


def test_arrays_keep_shape_dtype_and_values():
    for array in (np.arange(6.0).reshape(2, 3), np.array([True]), np.zeros((0, 3), np.int8)):
        back = decode(encode(array))
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)
    scalar = decode(encode(np.float32(1.5)))
    assert type(scalar) is np.float32
    assert math.isnan(decode(encode(float("nan"))))


def test_a_random_generator_goes_on_where_it_was():
    generator = np.random.default_rng(3)
    generator.random(7)
    assert decode(encode(generator)).random() == generator.random()


class Hostile:
    def __reduce__(self):
        return (print, ("unpickled",))

    def __array__(self, *_, **__):
        raise RuntimeError("array")

    def __repr__(self):
        raise RuntimeError("repr")

    def __eq__(self, other):
        return True

    __hash__ = None


@pytest.mark.parametrize(
    "value",
    [
        Hostile(), [Hostile()], {"a": Hostile()}, np.array([{1}], dtype=object),
        lambda: 1, Hostile, open, type,
    ],
)  # fmt: skip
def test_what_is_not_data_is_refused_with_advice(value):
    with pytest.raises(CannotTravelError) as caught:
        encode(value)
    assert "return" in str(caught.value) or "dtype" in str(caught.value)


def test_subclasses_of_plain_types_do_not_pass_as_them():
    class Number(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    with pytest.raises(CannotTravelError):
        encode(Number(3))


def test_deep_and_large_values_are_refused():
    deep = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(CannotTravelError, match="nested too deeply"):
        encode(deep)
    with pytest.raises(CannotTravelError, match="MB"):
        encode(np.zeros(40_000_000))


def test_names_travel_only_towards_the_answers():
    assert decode(encode(np.tanh, {}), lookup=lambda name: name) == "numpy:tanh"
    with pytest.raises(CannotTravelError):
        encode(np.tanh)
    with pytest.raises(CannotTravelError, match="unknown"):
        decode(encode(np.tanh, {}))


def test_what_an_iterator_gives_travels():
    back = decode(encode(number * 2 for number in range(3)))
    assert next(back) == 0
    assert list(back) == [2, 4]
    assert list(decode(encode(map(str, [1, 2])))) == ["1", "2"]


def test_data_frames_travel_as_their_columns():
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "x": [0.5, None],
            "text": ["a", "b"],
            "day": pd.to_datetime(["2020-01-02"] * 2),
        },
        index=["one", "two"],
    )
    frame["kind"] = pd.Categorical(["a", "b"], ["b", "a"], ordered=True)
    frame["count"] = pd.array([1, None], "Int64")
    frame["zone"] = frame["day"].dt.tz_localize("Europe/Berlin")
    pd.testing.assert_frame_equal(decode(encode(frame)), frame)
    pd.testing.assert_frame_equal(decode(encode(frame[:0])), frame[:0])
    pd.testing.assert_series_equal(decode(encode(frame["n"])), frame["n"])
    pd.testing.assert_index_equal(decode(encode(frame.columns)), frame.columns)
    assert decode(encode([frame["day"].iloc[0], pd.Timedelta("3h")])) == [
        pd.Timestamp("2020-01-02"),
        pd.Timedelta("3h"),
    ]
    table = frame.groupby(["n", "text"])["x"].mean()
    pd.testing.assert_series_equal(decode(encode(table)), table)
    assert decode(encode(pd.DataFrame())).shape == (0, 0)
    with pytest.raises(CannotTravelError):
        encode(pd.DataFrame({"a": [Hostile()]}))


def test_an_endless_iterator_is_cut_and_says_so():
    back = decode(encode(itertools.count()))
    assert [next(back) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(CannotTravelError, match="10,000"):
        list(back)


def test_functions_stay_where_they_are():
    lent = Lent()
    assert lent.function(len) == lent.function(len) == 0
    data = encode({"double": lambda x: 2 * x}, lend=lent)
    assert decode(data, borrow=lambda kind, number: lent[number])["double"](4) == 8
    with pytest.raises(CannotTravelError, match="unknown"):
        decode(data)
    for number in (-1, 2):
        with pytest.raises(CannotTravelError, match="not been lent"):
            lent[number]


def test_classes_and_objects_are_not_lent():
    for value in (Hostile, Hostile(), type("Callable", (), {"__call__": lambda self: 1})()):
        with pytest.raises(CannotTravelError):
            encode(value, lend=Lent())


def test_objects_stay_where_they_are():
    lent = Lent(of_answers=True)
    one, other = Hostile(), Hostile()
    found = decode(encode([one, other, one], lend=lent), borrow=lambda kind, content: content)
    assert [number for number, *_ in found] == [0, 1, 0]
    assert found[0][1] == ["Hostile", "object"]
    assert lent.objects == [one, other]
    for value in (Hostile, pytest):
        with pytest.raises(CannotTravelError):
            encode(value, lend=lent)


def helper():
    """A function of the lesson's own."""


def test_a_lessons_own_function_travels_by_its_name():
    assert decode(encode([helper], {id(helper): "helper"}), lookup=str.upper) == ["HELPER"]
    assert shared_name(helper) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00", b"garbage" * 10, b"\xff" * 100,
        encode([1, 2])[:-3], encode(np.ones(3))[:-10],
    ],
)  # fmt: skip
def test_broken_bytes_are_refused_not_believed(data):
    with pytest.raises(CannotTravelError):
        decode(data)


def test_pickles_inside_arrays_are_refused():
    import io
    import json
    import struct

    buffer = io.BytesIO()
    np.savez(buffer, a0=np.array([{"a": 1}], dtype=object))
    parts = [json.dumps({"array": 0}).encode(), buffer.getvalue()]
    data = struct.pack("<I2Q", 2, *map(len, parts)) + b"".join(parts)
    with pytest.raises(CannotTravelError):
        decode(data)
