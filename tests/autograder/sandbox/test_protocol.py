"""Messages between the processes that grade, and how malformed ones are refused."""

import dataclasses

import pytest

from autograder.sandbox.inside import names
from autograder.sandbox.inside.errors import CannotTravelError
from autograder.sandbox.inside.from_answers import read_call_back, read_lent, read_reply
from autograder.sandbox.inside.protocol import (
    AnswerCell,
    Call,
    CallBack,
    CellDone,
    Described,
    Description,
    ErrorReport,
    FunctionDescription,
    Got,
    Limits,
    ObjectUse,
    Raised,
    Ran,
    Returned,
    Spawn,
    from_json,
    read,
    to_json,
    write,
)
from autograder.sandbox.inside.wire import BY_TAG, CODECS, decode, encode

USE = ObjectUse(
    given_by=frozenset({"f", ".g"}),
    comparisons={"Stack": ["identity"]},
    compared=frozenset({"Stack"}),
    changed_by=frozenset({"f"}),
    masked_by=frozenset({".g"}),
    refused=True,
)
ERROR = ErrorReport("KeyError", "'k'", ["LookupError"], ["k"], 3, ["line 3"])
STACK = Description("Stack", None, [("items", 1, [()])], "class", ["Stack", "object"])


@pytest.mark.parametrize(
    "message",
    [
        Spawn(3, "tests", 1.5, Limits(memory_mb=10), None),
        AnswerCell("x = 1", "x", ["x"], [], "import math", None),
        AnswerCell("x = 1", "x", ["x"], [], "", USE),
        CellDone([{"output_type": "stream", "name": "stdout", "text": "\ud800"}], ERROR, "3",
                 "died", USE),
    ],
)  # fmt: skip
def test_what_the_grader_says_and_hears_travels_as_json(message):
    assert from_json(to_json(message)) == message


def test_a_picture_as_bytes_is_shown_too():
    shown = [{"data": {"image/png": b"\x89"}, "metadata": {"width": 3}}]
    done = from_json(to_json(CellDone(shown, None, None, None, ObjectUse())))
    assert done.outputs == [{"data": {"image/png": "iQ=="}, "metadata": {"width": 3}}]


def test_requests_travel_with_their_values():
    call = Call("f", [(1, 2)], {"x": {3}}, [("numpy", 0)])
    assert read(decode(encode(write(call)))) == call


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    "reply",
    [
        Ran([{"output_type": "stream", "name": "stdout", "text": "a"}], ERROR),
        Described({"error": Description(kind="value"), "f": Description("f", "Doc.", None)}),
        Described({"S": Description(None, None, None, "class", ["S"], "a:b", ["tuple", "x"])}),
        Got([1], None),
        Got(None, FunctionDescription("f", None, [("x", 1, [2])])),
        Returned(3, 0, [(0, [1])], "printed"),
        Raised(ERROR),
    ],
)  # fmt: skip
def test_replies_travel(reply):
    assert read_reply(decode(encode(write(reply)))) == reply


def test_the_value_of_a_reply_is_left_as_it_is():
    assert write(Got(Point(1)))["value"] == Point(1)


@pytest.mark.parametrize(
    "body",
    [
        None, 3, [], {}, {"verb": "Run", "source": "", "grade_id": None}, {"verb": ["Got"]},
        {"verb": "Returned", "value": 3}, {"verb": "Returned", "same": True, "changed": []},
        {"verb": "Returned", "same": -1, "changed": []},
        {"verb": "Returned", "same": None, "changed": [[0, 1]]},
        {"verb": "Returned", "same": None, "changed": [("0", 1)]},
        {"verb": "Iterating", "number": "0"}, {"verb": "Described", "descriptions": []},
        {"verb": "Described", "descriptions": {"S": {"kind": "class", "ancestors": ["a b"]}}},
        {"verb": "Described", "descriptions": {"S": {"kind": "class", "ancestors": ["S"] * 21}}},
        {"verb": "Described",
         "descriptions": {"S": {"kind": "class", "ancestors": ["S"], "comparison": ["mine"]}}},
    ],
)  # fmt: skip
def test_malformed_replies_are_refused(body):
    with pytest.raises(CannotTravelError, match="could not be read"):
        read_reply(body)


@pytest.mark.parametrize(
    "fields", [{"number": "x"}, {"number": 1, "args": (), "kwargs": {}}, {"number": 1, "args": []}]
)
def test_malformed_calls_are_refused(fields):
    assert read_call_back(write(CallBack(1, [2], {"x": 3}))) == CallBack(1, [2], {"x": 3})
    with pytest.raises(CannotTravelError, match="could not be read"):
        read_call_back({"verb": "CallBack", **fields})


@pytest.mark.parametrize(
    ("kind", "content"),
    [("function", 3), ("function", [0]), ("object", [0, ["a"]]), ("object", [0, ["a b"], "a:b"]),
     ("object", ["0", ["a"], "a:b"]), ("module", [0, {}])],
)  # fmt: skip
def test_malformed_loans_are_refused(kind, content):
    with pytest.raises(CannotTravelError, match="could not be read"):
        read_lent(kind, content)


def test_what_is_malformed_about_a_function_or_an_error_is_left_out():
    got = read_reply({"verb": "Got", "value": None, "method": {"name": 3, "parameters": [3]}})
    assert got.method == FunctionDescription()
    assert read_reply({"verb": "Raised", "error": 3}).error == ErrorReport("Error", "")
    lies = [("x", 9, []), ("x", 1, [])], [("x", 1, []), ("x", 1, [])], [("a b", 1, [])]
    assert [FunctionDescription(parameters=each).signature() for each in lies] == [None] * 3


@pytest.mark.parametrize(
    ("text", "name", "without"),
    [
        ("mean", names.Defined("mean"), "mean"),
        ("numpy.random:seed", names.Shared("numpy.random", "seed"), "numpy.random:seed"),
        ("#3", names.LentFunction(3), "#"),
        ("@4", names.LentObject(4), "@4"),
        ("@4.push", names.Attribute(names.LentObject(4), "push"), ".push"),
        ("Stack.of", names.Attribute(names.Defined("Stack"), "of"), ".of"),
    ],
)
def test_names_are_read_and_written(text, name, without):
    assert names.parse(text) == name
    assert str(name) == text
    assert names.without_number(text) == without


def test_rows_of_the_same_tag_unpack_alike():
    twice = [codec for codec in CODECS if BY_TAG[codec.tag] is not codec]
    assert {codec.tag for codec in twice} == {"array", "name", "object"}
    assert all(codec.unpack is BY_TAG[codec.tag].unpack for codec in twice)
