"""The answers' side: runs a student's cells, and answers calls with data.

Whatever happens here, the other side only ever gets what ``wire`` lets through.
"""

from __future__ import annotations

import operator
import random
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from autograder.sandbox.inside.channel import Channel, ChannelClosedError
from autograder.sandbox.inside.classes import class_names, comparison, is_own, library_class
from autograder.sandbox.inside.errors import CannotTravelError, describe_error, local_error
from autograder.sandbox.inside.lending import LENDABLE, Lent, changeable, describe
from autograder.sandbox.inside.library_values import find_shared
from autograder.sandbox.inside.shell import LimitedText, Shell, traceback_text
from autograder.sandbox.inside.wire import decode, encode


def serve(channel: Channel) -> None:
    """Answer requests until the other side has gone."""
    side = AnswersSide(channel)
    while True:
        try:
            request = channel.receive()
        except ChannelClosedError:
            return
        channel.send(side.answer(request))


class AnswersSide:
    """A namespace with the lesson's cells and the student's answers."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.shell = Shell()
        self.answer_files: dict[str, str] = {}
        # Functions and objects that answers have returned.
        self.lent = Lent(of_answers=True)

    def answer(self, data: bytes) -> bytes:
        """The reply to one request; never raises for what an answer does."""
        try:
            request = decode(data, self._lookup, self._borrow)
            reply = getattr(self, f"_{request.pop('op')}")(**request)
            return encode(reply, lend=self.lent)
        except BaseException as error:
            return encode({"error": self._describe(error)})

    def _borrow(self, kind: str, number: int) -> Callable:
        """A function of the tests', to be called here."""

        def borrowed(*args: Any, **kwargs: Any) -> Any:
            request = {"callback": number, "args": list(args), "kwargs": kwargs}
            self.channel.send(encode(request, lend=self.lent))
            while True:
                data = self.channel.receive()
                reply = decode(data, self._lookup, self._borrow)
                if "op" not in reply:
                    break
                # The tests' function calls an answer before it is done.
                self.channel.send(self.answer(data))
            if "error" in reply:
                raise local_error(reply["error"], self.shell.names)
            return reply["value"]

        return borrowed

    def _lookup(self, name: str) -> Any:
        """A shared function by ``module:name``, one that was returned by ``#number``, an object by
        ``@number``, or what an answer calls so; an attribute of those behind a dot."""
        if ":" in name:
            return find_shared(name)
        if name.startswith("#"):
            return self.lent[int(name[1:])]
        whose, _, attribute = name.partition(".")
        if attribute:
            return getattr(self._lookup(whose), attribute)
        if name.startswith("@"):
            return self.lent.objects[int(name[1:])]
        if name not in self.shell.names:
            raise CannotTravelError(f"{name} is not defined where the answers run.")
        return self.shell.names[name]

    def _run(self, source: str, name: str | None = None) -> dict:
        if name is not None:
            self.answer_files[self.shell.code_name(source)] = name
        run = self.shell.run(source)
        reply = {"outputs": _plain(run.outputs)}
        if run.error is not None:
            reply["error"] = self._describe(run.error)
        return reply

    def _kinds(self, names: list[str]) -> dict:
        values = {name: self.shell.names.get(name, MISSING) for name in names}
        return {name: _described(value) for name, value in values.items()}

    def _get(self, name: str) -> dict:
        value = self._lookup(name)
        if "." in name and isinstance(value, LENDABLE):
            # A method is another object each time that one asks for it.
            return {"function": describe(value)}
        return {"value": value}

    def _call(self, name: str, args: list, kwargs: dict, seeds: list) -> dict:
        _apply(seeds)
        given = list(changeable((*args, *kwargs.values()), self.lent.has))
        before = [_fingerprint(value) for value in given]
        value, printed = self._printed(self._lookup(name), args, kwargs)
        if name == "builtins:iter":
            # What a test takes of it is taken step by step: some never end.
            return {"iterator": self.lent.keep(value)}
        changed = [
            [number, _state(argument)]
            for number, argument in enumerate(given)
            if before[number] is not None and _fingerprint(argument) != before[number]
        ]
        same = [number for number, argument in enumerate(given) if argument is value]
        if same:
            value = None
        return {"value": value, "same": same, "changed": changed, "printed": printed}

    def _printed(self, function: Callable, args: list, kwargs: dict) -> tuple[Any, str]:
        """What a function returns, and what it prints meanwhile."""
        before, sys.stdout = sys.stdout, LimitedText()
        try:
            value = function(*args, **kwargs)
            return value, sys.stdout.getvalue() if type(sys.stdout) is LimitedText else ""
        finally:
            sys.stdout = before

    def _describe(self, error: BaseException) -> dict:
        return {
            **describe_error(error),
            "line": self._line(error),
            "traceback": traceback_text(error)[-20:],
        }

    def _line(self, error: BaseException) -> int | None:
        lines = []
        frame = error.__traceback__
        while frame is not None:
            if frame.tb_frame.f_code.co_filename in self.answer_files:
                lines.append(frame.tb_lineno)
            frame = frame.tb_next
        return lines[-1] if lines else None


MISSING = object()


def _kind(value: Any) -> str:
    if value is MISSING:
        return "missing"
    if isinstance(value, type):
        return "exception" if issubclass(value, Exception) else "class"
    if isinstance(value, types.ModuleType):
        return "module"
    if _is_model(value) or is_own(type(value)):
        return "value"
    return "function" if callable(value) else "value"


def _described(value: Any) -> dict:
    kind = _kind(value)
    described = {"kind": kind} | (describe(value) if kind in ("function", "class") else {})
    if kind == "exception" or (kind == "class" and is_own(value)):
        described |= {"ancestors": class_names(value), "library class": library_class(value)}
        described["comparison"] = comparison(value)
    return described


def _is_model(value: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


class _Parts(tuple):
    """The parts of a container, equal to the very same parts only."""

    def __eq__(self, other: object) -> bool:
        return len(self) == len(other) and all(map(operator.is_, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None


def _fingerprint(value: Any) -> Any:
    """Something that differs when an argument has changed; None where that cannot be told."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, dict):
        return _Parts(part for pair in value.items() for part in pair)
    if isinstance(value, list):
        return _Parts(value)
    if isinstance(value, set):
        return set(value)
    if _is_model(value):
        return [weight.numpy().tobytes() for weight in value.weights]
    try:
        return encode(value)
    except CannotTravelError:
        return None


def _state(value: Any) -> Any:
    return [weight.numpy() for weight in value.weights] if _is_model(value) else value


def _apply(seeds: list) -> None:
    for library, seed in seeds:
        if library == "keras":
            import keras

            keras.utils.set_random_seed(seed)
        elif library == "tensorflow":
            import tensorflow as tf

            tf.random.set_seed(seed)
        elif library == "python":
            random.seed(seed)
        else:
            np.random.seed(seed)  # noqa: NPY002 - it repeats what the test has called


def _plain(outputs: list[dict]) -> list[dict]:
    """Outputs without what is not text."""
    plain = []
    for output in outputs:
        if "data" in output:
            data = {str(kind): body for kind, body in output["data"].items() if type(body) is str}
            output = {"output_type": "display_data", "data": data, "metadata": {}}
        plain.append(output)
    return plain
