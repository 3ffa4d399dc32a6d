"""The answers' process, seen from the tests' side: questions go there, data comes back."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograder.sandbox.inside.channel import Channel, ChannelClosedError
from autograder.sandbox.inside.classes import MAX_ANCESTORS
from autograder.sandbox.inside.errors import CannotTravelError, advice, describe_error, local_error
from autograder.sandbox.inside.lending import Lent, changeable, signature
from autograder.sandbox.inside.protocol import ObjectUse
from autograder.sandbox.inside.shell import MAX_TEXT
from autograder.sandbox.inside.stand_ins import (
    AnswerClass,
    AnswerObject,
    StandIn,
    answer_class,
    answer_object,
)
from autograder.sandbox.inside.wire import decode, encode


class AnswerStoppedError(Exception):
    """The answers' process hangs or has ended."""


class Answers:
    """The answers' process, seen from the tests.

    ``stopped`` is None, "timeout" or "died" once it no longer answers.
    """

    def __init__(self, channel: Channel, timeout: float) -> None:
        self.channel = channel
        self.timeout = timeout
        self.stopped: str | None = None
        self.names: dict[int, str] = {}
        self.seeds: list[tuple[str, int]] = []
        self.line: int | None = None
        # Functions that tests have handed to answers.
        self.lent = Lent()
        # What the lesson's own cells and answers define: tests may expect them.
        self.exceptions: dict[str, type[Exception]] = {}
        # What may give objects and how those are compared: what gave some when the instructor's
        # own answers were tried. None while that is found out.
        self.expected: ObjectUse | None = None
        self.found = ObjectUse()
        self.classes: dict[str, AnswerClass] = {}
        self._objects: dict[int, AnswerObject] = {}
        self._stand_ins: list[StandIn | AnswerObject] = []
        self._deadline: float | None = None
        self._asked = ""

    def ask(self, patience: float = 1, **request: Any) -> dict:
        """Send a request and wait for the reply.

        Args:
            patience: how many times as long as usual the reply may take.
            **request: the operation, ``op``, and what it needs.

        Raises:
            AnswerStoppedError: no reply came.
            CannotTravelError: an argument or the reply is not data.
        """
        if self.stopped is None:
            data = encode(request, self.names, self.lent)
            # A question within a question does not get more time.
            outer, asked = self._deadline, self._asked
            self._deadline = outer or time.monotonic() + patience * self.timeout
            self._asked = _kind_of_question(request.get("name") or "")
            try:
                return self._converse(data)
            except TimeoutError:
                self.stopped = "timeout"
            except ChannelClosedError:
                self.stopped = "died"
            finally:
                self._deadline, self._asked = outer, asked
        raise AnswerStoppedError(
            f"It ran for more than {self.timeout:g} seconds."
            if self.stopped == "timeout"
            else "It ended the Python process that runs it."
        )

    def _converse(self, data: bytes) -> dict:
        """Send a request, call what the answer wants called meanwhile, and return the reply."""
        self.channel.send(data)
        while True:
            received = self.channel.receive(max(0.0, self._deadline - time.monotonic()))
            reply = decode(received, borrow=self._borrow)
            if not isinstance(reply, dict):
                raise CannotTravelError("What the answer gave back could not be read.")
            if "callback" not in reply:
                return reply
            self.channel.send(self._call_back(reply))

    def _call_back(self, wanted: dict) -> bytes:
        """Call a function that a test has lent, as the answer asks."""
        try:
            function = self.lent[int(wanted["callback"])]
            value = function(*wanted["args"], **wanted["kwargs"])
            return encode({"value": value}, self.names, self.lent)
        except (AnswerStoppedError, ChannelClosedError, TimeoutError):
            raise
        except (Exception, CannotTravelError) as error:
            return encode({"error": describe_error(error)})

    def _borrow(self, kind: str, content: list) -> Any:
        """What stands here for a function or an object over there."""
        number = int(content[0])
        if kind == "function":
            return self.stand_in(f"#{number}", content[1])
        names = _identifiers(content[1])
        if self.expected is None:
            self.found = replace(self.found, given_by=self.found.given_by | {self._asked})
        elif self._asked not in self.expected.given_by:
            self.found = replace(self.found, refused=True)
            raise CannotTravelError(advice(f"an object of the class {names[0]}"))
        if number not in self._objects:
            kind = self._class(names, content[2])
            kept = self._objects[number] = answer_object(kind, number)
            self.names[id(kept)] = f"@{number}"
        return self._objects[number]

    def _class(self, names: list[str], library_class: Any = None) -> AnswerClass:
        """What stands for the class of an object, by its name and those that it comes from."""
        if names[0] not in self.classes:
            self.classes[names[0]] = answer_class(self, names[0], names, library_class)
        return self.classes[names[0]]

    def define_class(self, name: str, described: dict) -> AnswerClass:
        """What stands for a class that the answers have under a name.

        Args:
            name: what it is called there.
            described: what the other side says of it.
        """
        names = _identifiers(described["ancestors"])
        if self.expected is None:
            how = {**self.found.comparisons, names[0]: described["comparison"]}
            self.found = replace(self.found, comparisons=how)
        library_class, doc = described.get("library class"), described.get("doc")
        known = signature(described.get("parameters"))
        defined = answer_class(self, name, names, library_class, doc, known)
        self.classes[names[0]] = defined
        self.names[id(defined)] = name
        return defined

    def comparison(self, ancestors: Sequence[str]) -> list[str]:
        """How objects of a class are compared, as those of the instructor's are.

        Raises:
            CannotTravelError: it is no class of the instructor's.
        """
        known = (self.expected or self.found).comparisons
        self.found = replace(self.found, compared=self.found.compared | {ancestors[0]})
        for name in ancestors:
            if name in known:
                return known[name]
        raise CannotTravelError(
            f"Objects of the class {ancestors[0]} stay in the answers' process and are not "
            "compared: compare numbers and text that they hold."
        )

    def stand_in(self, name: str, described: Any = None) -> StandIn:
        """Something to call for a function of the answers.

        Args:
            name: what it is called there, or its number behind a ``#``, or a method behind the
                number of its object, ``@number.method``.
            described: what the other side says of it, see ``calls.describe``.
        """
        stand_in = StandIn(name, self, described if isinstance(described, dict) else {})
        # It is kept, so that no other object gets its id.
        self._stand_ins.append(stand_in)
        self.names[id(stand_in)] = name
        return stand_in

    def value(self, **request: Any) -> Any:
        """As ``ask``, for a reply that is a value; raises what the answer raised."""
        reply = self.ask(**request)
        if "error" in reply:
            error = _error(reply["error"])
            self.line = error["line"]
            raise local_error(error, self.exceptions)
        return reply

    def call(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What a function of the answers returns, or one that both sides have.

        Args:
            name: see ``stand_in``; ``module:name`` for one that both sides have.
            args: positional arguments; what the answer changes in them is changed here too.
            kwargs: those by name.
        """
        seeds, self.seeds = self.seeds, []
        given = list(changeable((*args, *kwargs.values()), _is_theirs))
        reply = self.value(
            op="call",
            name=name,
            args=list(args),
            kwargs=kwargs,
            seeds=[list(seed) for seed in seeds],
        )
        for number, state in reply["changed"]:
            _write_back(given[number], state)
        # A test may look at what was printed.
        sys.stdout.write(str(reply["printed"])[:MAX_TEXT])
        # A function may give back the very thing that it was given.
        return given[reply["same"][0]] if reply["same"] else reply["value"]

    def attribute(self, whose: str, name: str) -> Any:
        """An attribute of an object or a class of the answers; a method is something to call."""
        path = f"{whose}.{name}"
        reply = self.value(op="get", name=path)
        return self.stand_in(path, reply["function"]) if "function" in reply else reply["value"]

    def next(self, iterator: AnswerObject) -> Any:
        """What an iterator of the answers gives next."""
        try:
            return self.call("builtins:next", (iterator,), {})
        except Exception as error:
            # It has been given another class, see ``calls.local_error``.
            if type(error).__name__ == "StopIteration":
                raise StopIteration(*error.args) from None
            raise

    def steps(self, iterable: AnswerObject) -> Iterator:
        """What an object of the answers gives when it is iterated over, one after the other."""
        reply = self.value(op="call", name="builtins:iter", args=[iterable], kwargs={}, seeds=[])
        number = int(reply["iterator"])
        iterator = answer_object(self._class(["iterator"]), number)
        self.names[id(iterator)] = f"@{number}"
        # It is kept, so that no other object gets its id.
        self._stand_ins.append(iterator)
        while True:
            try:
                value = self.next(iterator)
            except StopIteration:
                return
            yield value


def _is_theirs(value: Any) -> bool:
    return issubclass(type(value), AnswerObject)


def _identifiers(names: Any) -> list[str]:
    """Names that the other side gives of classes.

    Raises:
        CannotTravelError: they are none.
    """
    if isinstance(names, list) and 0 < len(names) <= MAX_ANCESTORS:
        texts = [name for name in names if isinstance(name, str) and name.isidentifier()]
        if len(texts) == len(names):
            return texts
    raise CannotTravelError("What the answer says of its classes could not be read.")


def _kind_of_question(name: str) -> str:
    """What is asked, without whom: ``.method`` for any object's or class's, ``#`` for any function
    that an answer returned."""
    if name.startswith("#"):
        return "#"
    _, dot, attribute = name.rpartition(".")
    return f".{attribute}" if dot and ":" not in name else name


def _error(described: Any) -> dict:
    """What the other side says of an error, in the form that it should have."""
    described = described if isinstance(described, dict) else {}
    line, frames = described.get("line"), described.get("traceback")
    return {
        "ename": str(described.get("ename", "Error")),
        "evalue": str(described.get("evalue", ""))[:MAX_TEXT],
        "bases": described.get("bases"),
        "args": described.get("args"),
        "line": line if isinstance(line, int) else None,
        "traceback": [str(frame)[:MAX_TEXT] for frame in frames]
        if isinstance(frames, list)
        else [],
    }


def _write_back(original: Any, state: Any) -> None:
    """Repeat in a test's own argument what the answer did to its copy of it."""
    if isinstance(original, np.ndarray):
        original[...] = state
    elif isinstance(original, np.random.Generator):
        original.bit_generator.state = state.bit_generator.state
    elif isinstance(original, list):
        original[:] = state
    elif isinstance(original, dict | set):
        original.clear()
        original.update(state)
    elif type(original).__module__.partition(".")[0] == "pandas":
        # pandas has no public way to put one table in the place of another.
        original._update_inplace(state)
    else:
        original.set_weights(state)
