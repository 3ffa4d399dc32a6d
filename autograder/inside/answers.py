"""The answers' side: runs a student's cells, and answers calls with data.

Whatever happens here, the other side only ever gets what ``wire`` lets through.
"""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograder.inside.calls import Lent, describe, local_error
from autograder.inside.channel import Channel, ChannelClosedError
from autograder.inside.shell import LimitedText, Shell, traceback_text
from autograder.inside.wire import CannotTravelError, decode, encode, find_shared

MAX_MESSAGE = 2_000


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
        # Functions that answers have returned.
        self.lent = Lent()

    def answer(self, data: bytes) -> bytes:
        """The reply to one request; never raises for what an answer does."""
        try:
            request = decode(data, self._lookup, self._borrow)
            reply = getattr(self, f"_{request.pop('op')}")(**request)
            return encode(reply, lend=self.lent.lend)
        except BaseException as error:
            return encode({"error": self._describe(error)})

    def _borrow(self, number: int) -> Callable:
        """A function of the tests', to be called here."""

        def borrowed(*args: Any, **kwargs: Any) -> Any:
            request = {"callback": number, "args": list(args), "kwargs": kwargs}
            self.channel.send(encode(request, lend=self.lent.lend))
            while True:
                data = self.channel.receive()
                reply = decode(data, self._lookup, self._borrow)
                if "op" not in reply:
                    break
                # The tests' function calls an answer before it is done.
                self.channel.send(self.answer(data))
            if "error" in reply:
                raise local_error(reply["error"]["ename"], reply["error"]["evalue"])
            return reply["value"]

        return borrowed

    def _lookup(self, name: str) -> Any:
        if name.startswith("#"):
            return self.lent[int(name[1:])]
        if ":" in name:
            return find_shared(name)
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
        return {"value": self.shell.names[name]}

    def _call(self, name: str, args: list, kwargs: dict, seeds: list) -> dict:
        _apply(seeds)
        before = {key: _fingerprint(value) for key, value in _arguments(args, kwargs)}
        value, printed = self._printed(self._lookup(name), args, kwargs)
        changed = {
            key: _state(value)
            for key, value in _arguments(args, kwargs)
            if before[key] is not None and _fingerprint(value) != before[key]
        }
        return {"value": value, "changed": changed, "printed": printed}

    def _printed(self, function: Callable, args: list, kwargs: dict) -> tuple[Any, str]:
        """What a function returns, and what it prints meanwhile."""
        before, sys.stdout = sys.stdout, LimitedText()
        try:
            value = function(*args, **kwargs)
            return value, sys.stdout.getvalue() if type(sys.stdout) is LimitedText else ""
        finally:
            sys.stdout = before

    def _describe(self, error: BaseException) -> dict:
        try:
            message = str(error)[:MAX_MESSAGE]
        except Exception:
            message = "an error whose text cannot be read"
        return {
            "ename": type(error).__name__,
            "evalue": message,
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
        return "class"
    if isinstance(value, types.ModuleType):
        return "module"
    if _is_model(value):
        return "value"
    return "function" if callable(value) else "value"


def _described(value: Any) -> dict:
    kind = _kind(value)
    return {"kind": kind} | (describe(value) if kind == "function" else {})


def _is_model(value: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


def _arguments(args: list, kwargs: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [*((str(index), value) for index, value in enumerate(args)), *kwargs.items()]


def _fingerprint(value: Any) -> Any:
    """Something that differs when a changeable argument has changed; None for other values."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, list | dict):
        try:
            return encode(value)
        except CannotTravelError:
            return None
    if _is_model(value):
        return [weight.numpy().tobytes() for weight in value.weights]
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
