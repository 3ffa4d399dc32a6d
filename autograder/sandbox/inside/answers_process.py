"""The answers' process, as the tests' process sees it: questions go there, data comes back."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from autograder.sandbox.inside.channel import Channel, ChannelClosedError
from autograder.sandbox.inside.errors import CannotTravelError, advice
from autograder.sandbox.inside.exceptions import describe_error, local_error
from autograder.sandbox.inside.from_answers import (
    BorrowedFunction,
    is_call_back,
    read_call_back,
    read_lent,
    read_reply,
    unreadable,
)
from autograder.sandbox.inside.lending import Lent, changeable
from autograder.sandbox.inside.names import (
    Attribute,
    Defined,
    LentFunction,
    LentObject,
    without_number,
)
from autograder.sandbox.inside.protocol import (
    Call,
    CalledBack,
    Description,
    FunctionDescription,
    Get,
    Got,
    Iterating,
    Kinds,
    ObjectUse,
    Raised,
    Ran,
    Reply,
    Request,
    Returned,
    Run,
    Stopped,
    write,
)
from autograder.sandbox.inside.stand_ins import (
    AnswerClass,
    AnswerFunction,
    AnswerObject,
    answer_class,
    answer_object,
    is_answer_object,
)
from autograder.sandbox.inside.watching import Watcher
from autograder.sandbox.inside.wire import decode, encode

R = TypeVar("R")


class AnswerStoppedError(Exception):
    """The answers' process hangs or has ended."""


class AnswersProcess:
    """The answers' process, as the tests' process sees it.

    Attributes:
        stopped: why it no longer answers; None while it does.
        names: by ``id``, what has a name over there.
        exceptions: exceptions that the lesson's own cells and the answers define, by name: tests
            may expect them.
        seeds: which libraries' random numbers a test has made begin anew since the last call.
        line: the line of the answer that the last exception came from.
        expected: what the tests may do with objects of the answers; None while that is found out.
        keeps_arguments: see ``protocol.AnswerCell``.
        found: what they have done with them.
        watcher: takes notes of questions and replies; None by default.
    """

    def __init__(self, channel: Channel, timeout: float) -> None:
        """Args:
        channel: to the process.
        timeout: seconds that one question may take.
        """
        self.channel = channel
        self.timeout = timeout
        self.stopped: Stopped | None = None
        self.names: dict[int, str] = {}
        self.seeds: list[tuple[str, int]] = []
        self.line: int | None = None
        self.exceptions: dict[str, type[Exception]] = {}
        self.expected: ObjectUse | None = None
        self.keeps_arguments = False
        self.found = ObjectUse()
        self.watcher: Watcher | None = None
        # Functions that tests have handed to answers.
        self._lent = Lent()
        self._classes: dict[str, AnswerClass] = {}
        self._objects: dict[int, AnswerObject] = {}
        # They are kept so that no other object gets the id of one.
        self._kept: list[Any] = []
        self._deadline: float | None = None
        self._asked = ""

    def ask(self, request: Request, patience: float = 1) -> Reply:
        """Send a request and wait for the reply.

        Args:
            request: what is asked for.
            patience: how many times as long as usual the reply may take.

        Raises:
            AnswerStoppedError: no reply came.
            CannotTravelError: an argument is not data, or the reply is malformed.
        """
        if self.stopped is None:
            data = encode(write(request), self.names, self._lent)
            # A question within a question does not get more time.
            outer, asked = self._deadline, self._asked
            deadline = outer or time.monotonic() + patience * self.timeout
            self._deadline, self._asked = deadline, _origin(request)
            try:
                return self._converse(data, deadline)
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

    @contextmanager
    def watched(self, watcher: Watcher, seconds: float) -> Iterator[None]:
        """Have notes taken meanwhile.

        Args:
            watcher: takes them.
            seconds: how long all questions together may take.
        """
        self.watcher, self._deadline = watcher, time.monotonic() + seconds
        try:
            yield
        finally:
            self.watcher = self._deadline = None

    def _converse(self, data: bytes, deadline: float) -> Reply:
        """Send a request, call what the answer wants called meanwhile, and return the reply."""
        self.channel.send(data)
        while True:
            received = self.channel.receive(max(0.0, deadline - time.monotonic()))
            body = decode(received, borrow=self._borrow, masked=self._masked)
            if not is_call_back(body):
                if self.watcher is not None:
                    self.watcher.call(data, received)
                return read_reply(body)
            self.channel.send(self._call_back(body))

    def _call_back(self, body: Any) -> bytes:
        """Call a function that a test has lent, as the answer asks."""
        try:
            wanted = read_call_back(body)
            value = self._lent[wanted.number](*wanted.args, **wanted.kwargs)
            return encode(write(CalledBack(value)), self.names, self._lent)
        except (AnswerStoppedError, ChannelClosedError, TimeoutError):
            raise
        except (Exception, CannotTravelError) as error:
            return encode(write(Raised(describe_error(error))))

    def _borrow(self, kind: str, content: Any) -> AnswerFunction | AnswerObject:
        """The stand-in for a function or an object over there."""
        lent = read_lent(kind, content)
        if isinstance(lent, BorrowedFunction):
            return self.function(str(LentFunction(lent.number)), lent.described)
        if self.expected is None:
            self.found = replace(self.found, given_by=self.found.given_by | {self._asked})
        elif self._asked not in self.expected.given_by:
            self.found = replace(self.found, refused=True)
            raise CannotTravelError(advice(f"an object of the class {lent.ancestors[0]}"))
        if lent.number not in self._objects:
            described = Description(ancestors=lent.ancestors, library_class=lent.library_class)
            self._objects[lent.number] = self._object(self._class(described), lent.number)
        return self._objects[lent.number]

    def _masked(self, array: np.ma.MaskedArray[Any, Any]) -> Any:
        """A masked array, if the instructor's own answer gives one here; otherwise an array with
        NaN where it is masked, which agrees with nothing."""
        if self.expected is None:
            self.found = replace(self.found, masked_by=self.found.masked_by | {self._asked})
            return array
        if self._asked in self.expected.masked_by:
            return array
        self.found = replace(self.found, refused=True)
        try:
            return np.ma.filled(array.astype(float), np.nan)
        except (TypeError, ValueError):
            raise CannotTravelError(advice("a masked array without numbers")) from None

    def _object(self, kind: AnswerClass, number: int) -> AnswerObject:
        made = answer_object(kind, number)
        self._kept.append(made)
        self.names[id(made)] = str(LentObject(number))
        return made

    def _class(self, described: Description) -> AnswerClass:
        """The stand-in for the class of an object."""
        name = described.ancestors[0]
        if name not in self._classes:
            self._classes[name] = answer_class(self, name, described)
        return self._classes[name]

    def define_class(self, name: str, described: Description) -> AnswerClass:
        """The stand-in for a class that the answers have under a name.

        Args:
            name: what it is called there.
            described: what is said of it.
        """
        own_name = described.ancestors[0]
        if self.expected is None:
            comparisons = {**self.found.comparisons, own_name: described.comparison}
            self.found = replace(self.found, comparisons=comparisons)
        defined = self._classes[own_name] = answer_class(self, name, described)
        self._kept.append(defined)
        self.names[id(defined)] = name
        return defined

    def comparison(self, ancestors: Sequence[str]) -> list[str]:
        """How objects of a class are compared: as those of the instructor's are.

        Raises:
            CannotTravelError: the instructor's answers have no such class.
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

    def function(self, name: str, described: FunctionDescription) -> AnswerFunction:
        """The stand-in for a function of the answers.

        Args:
            name: what it is called there, see ``names``.
            described: what is said of it.
        """
        made = AnswerFunction(self, name, described)
        self._kept.append(made)
        self.names[id(made)] = name
        return made

    def run(self, source: str, grade_id: str | None = None, patience: float = 1) -> Ran:
        """Run a cell over there.

        Args:
            source: the cell.
            grade_id: of an answer; None for a cell of the lesson's own.
            patience: as for ``ask``.
        """
        match self.ask(Run(source, grade_id), patience):
            case Ran() as ran:
                return ran
            case Raised(error):
                return Ran([], error)
        raise unreadable()

    def value(self, request: Request, kind: type[R]) -> R:
        """As ``ask``, for a reply of that kind; raises what the answer raised."""
        reply = self.ask(request)
        if isinstance(reply, Raised):
            self.line = reply.error.line
            raise local_error(reply.error, self.exceptions)
        if not isinstance(reply, kind):
            raise unreadable()
        return reply

    def call(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What a function of the answers returns, or one that both sides have.

        Args:
            name: what it is called, see ``names``.
            args: positional arguments; what the answer changes in them is changed here too.
            kwargs: those by name.
        """
        seeds, self.seeds = self.seeds, []
        given = list(changeable((*args, *kwargs.values()), is_answer_object))
        request = Call(name, list(args), kwargs, seeds)
        reply = self.value(request, Returned)
        numbers = [number for number, _ in reply.changed]
        if reply.same is not None:
            numbers.append(reply.same)
        if any(number >= len(given) for number in numbers):
            raise unreadable()
        if reply.changed:
            self.found = replace(self.found, changed_by=self.found.changed_by | {_origin(request)})
        for number, state in reply.changed if self._sees_changes(request) else ():
            _write_back(given[number], state)
        # A test may look at what was printed.
        sys.stdout.write(reply.printed)
        # A function may give back the very thing that it was given.
        return reply.value if reply.same is None else given[reply.same]

    def _sees_changes(self, request: Call) -> bool:
        if not self.keeps_arguments:
            return True
        return self.expected is not None and _origin(request) in self.expected.changed_by

    def attribute(self, owner: Defined | LentObject, name: str) -> Any:
        """An attribute of an object or a class of the answers; a method is something to call."""
        path = str(Attribute(owner, name))
        got = self.value(Get(path), Got)
        return got.value if got.method is None else self.function(path, got.method)

    def next(self, iterator: AnswerObject) -> Any:
        """What an iterator of the answers gives next."""
        try:
            return self.call("builtins:next", (iterator,), {})
        except Exception as error:
            # It has been given another class, see ``exceptions.ENDS``.
            if type(error).__name__ == "StopIteration":
                raise StopIteration(*error.args) from None
            raise

    def steps(self, iterable: AnswerObject) -> Iterator[Any]:
        """What iterating over an object of the answers gives, one after the other."""
        number = self.value(Call("builtins:iter", [iterable], {}, []), Iterating).number
        iterator = self._object(self._class(Description(ancestors=["iterator"])), number)
        while True:
            try:
                value = self.next(iterator)
            except StopIteration:
                return
            yield value


def _origin(request: Request) -> str:
    """What gives an object, if the reply holds one; see ``ObjectUse.given_by``."""
    match request:
        case Get(name) | Call(name=name):
            return without_number(name)
        case Run(grade_id=grade_id):
            return grade_id or ""
        case Kinds():
            return ""


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
        original._update_inplace(state)  # noqa: SLF001
    else:
        original.set_weights(state)
