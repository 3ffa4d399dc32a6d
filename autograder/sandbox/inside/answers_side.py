"""The answers' side: runs a student's cells, and answers requests with data.

Whatever happens here, the other side only ever gets what ``wire`` lets through and ``from_answers``
can read.
"""

from __future__ import annotations

import operator
import random
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograder.sandbox.inside.channel import Channel, ChannelClosedError
from autograder.sandbox.inside.classes import class_names, comparison, is_own, library_class
from autograder.sandbox.inside.errors import CannotTravelError
from autograder.sandbox.inside.exceptions import describe_error, local_error
from autograder.sandbox.inside.lending import LENDABLE, Lent, changeable, describe
from autograder.sandbox.inside.library_values import find_shared
from autograder.sandbox.inside.names import (
    Attribute,
    Defined,
    LentFunction,
    LentObject,
    Name,
    Shared,
    parse,
)
from autograder.sandbox.inside.protocol import (
    Call,
    CallBack,
    CalledBack,
    Described,
    Description,
    ErrorReport,
    Get,
    Got,
    Iterating,
    Kinds,
    Output,
    Raised,
    Ran,
    Reply,
    Request,
    Returned,
    Run,
    read,
    write,
)
from autograder.sandbox.inside.shell import LimitedText, Shell, traceback_text
from autograder.sandbox.inside.wire import decode, encode


def serve(channels: Sequence[Channel], timeout: float) -> None:
    """Answer requests until the other side has gone.

    Args:
        channels: one, to the tests' process.
        timeout: not used: the tests wait, answers do not.
    """
    (channel,) = channels
    side = AnswersSide(channel)
    while True:
        try:
            data = channel.receive()
        except ChannelClosedError:
            return
        channel.send(side.answer(data))


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
            request = read(decode(data, self._lookup, self._borrow))
            return encode(write(self._reply(request)), lend=self.lent)
        except BaseException as error:
            return encode(write(Raised(self._report(error))))

    def _reply(self, request: Request) -> Reply:
        match request:
            case Run(source, grade_id):
                return self._run(source, grade_id)
            case Kinds(names):
                values = {name: self.shell.names.get(name, MISSING) for name in names}
                return Described({name: described(value) for name, value in values.items()})
            case Get(name):
                return self._get(name)
            case Call():
                return self._call(request)

    def _borrow(self, kind: str, number: int) -> Callable[..., Any]:
        """A function of the tests', to be called here."""

        def borrowed(*args: Any, **kwargs: Any) -> Any:
            self.channel.send(encode(write(CallBack(number, list(args), kwargs)), lend=self.lent))
            while True:
                data = self.channel.receive()
                match read(decode(data, self._lookup, self._borrow)):
                    case CalledBack(value):
                        return value
                    case Raised(error):
                        raise local_error(error, self.shell.names)
                # The tests' function calls an answer before it is done.
                self.channel.send(self.answer(data))

        return borrowed

    def _lookup(self, text: str) -> Any:
        """What a name of the other side's means here."""
        return self._named(parse(text))

    def _named(self, name: Name) -> Any:
        match name:
            case Shared():
                return find_shared(name)
            case LentFunction(number):
                return self.lent[number]
            case LentObject(number):
                return self.lent.objects[number]
            case Attribute(owner, attribute):
                return getattr(self._named(owner), attribute)
            case Defined(word):
                if word not in self.shell.names:
                    raise CannotTravelError(f"{word} is not defined where the answers run.")
                return self.shell.names[word]

    def _run(self, source: str, grade_id: str | None) -> Ran:
        if grade_id is not None:
            self.answer_files[self.shell.code_name(source)] = grade_id
        run = self.shell.run(source)
        return Ran(_plain(run.outputs), None if run.error is None else self._report(run.error))

    def _get(self, text: str) -> Got:
        name = parse(text)
        value = self._named(name)
        if isinstance(name, Attribute) and isinstance(value, LENDABLE):
            # A method is another object each time that one asks for it.
            return Got(None, describe(value))
        return Got(value)

    def _call(self, call: Call) -> Returned | Iterating:
        _apply(call.seeds)
        given = list(changeable((*call.args, *call.kwargs.values()), self.lent.has))
        before = [_fingerprint(value) for value in given]
        value, printed = self._printed(self._lookup(call.name), call.args, call.kwargs)
        if call.name == "builtins:iter":
            return Iterating(self.lent.keep(value))
        changed = [
            (number, _state(argument))
            for number, argument in enumerate(given)
            if before[number] is not None and _fingerprint(argument) != before[number]
        ]
        same = next((number for number, each in enumerate(given) if each is value), None)
        return Returned(value if same is None else None, same, changed, printed)

    def _printed(
        self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
    ) -> tuple[Any, str]:
        """What a function returns, and what it prints meanwhile."""
        before, sys.stdout = sys.stdout, LimitedText()
        try:
            value = function(*args, **kwargs)
            return value, sys.stdout.getvalue() if type(sys.stdout) is LimitedText else ""
        finally:
            sys.stdout = before

    def _report(self, error: BaseException) -> ErrorReport:
        return replace(
            describe_error(error), line=self._line(error), traceback=traceback_text(error)[-20:]
        )

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


def described(value: Any) -> Description:
    """What is said of the value of a name."""
    kind = _kind(value)
    said = Description(kind=kind)
    if kind in ("function", "class"):
        said = replace(said, **vars(describe(value)))
    if kind == "exception" or (kind == "class" and is_own(value)):
        said = replace(
            said,
            ancestors=class_names(value),
            library_class=library_class(value),
            comparison=comparison(value),
        )
    return said


def _is_model(value: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


class _Parts(tuple[Any, ...]):
    """The parts of a container, equal to the very same parts only."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Parts):
            return False
        return len(self) == len(other) and all(map(operator.is_, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]  # Python's way to say so


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


def _apply(seeds: list[tuple[str, int]]) -> None:
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


def _plain(outputs: list[Output]) -> list[Output]:
    """Outputs without what is not text."""
    plain = []
    for output in outputs:
        if "data" in output:
            data = {str(kind): body for kind, body in output["data"].items() if type(body) is str}
            output = {"output_type": "display_data", "data": data, "metadata": {}}
        plain.append(output)
    return plain
