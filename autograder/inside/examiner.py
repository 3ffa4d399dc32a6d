"""The tests' side: runs the instructor's cells, with stand-ins where the answers should be.

No line of a student's code runs here. A stand-in calls into the answers' process and brings back
data.
"""

from __future__ import annotations

import random
import sys
import time
from typing import Any

import numpy as np

from autograder.inside.calls import Lent, changeable, describe_error, local_error, signature
from autograder.inside.channel import Channel, ChannelClosedError
from autograder.inside.shell import MAX_TEXT, Shell, traceback_text
from autograder.inside.wire import CannotTravelError, decode, encode

# A lesson's own cells are known to end; on a busy machine they may take their time.
LESSON_PATIENCE = 4


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
        # What the lesson's own cells define: exceptions among them may be expected.
        self.exceptions: dict[str, Any] = {}
        self._stand_ins: list[StandIn] = []
        self._deadline: float | None = None

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
            data = encode(request, self.names, self.lent.lend)
            # A question within a question does not get more time.
            outer = self._deadline
            self._deadline = outer or time.monotonic() + patience * self.timeout
            try:
                return self._converse(data)
            except TimeoutError:
                self.stopped = "timeout"
            except ChannelClosedError:
                self.stopped = "died"
            finally:
                self._deadline = outer
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
            return encode({"value": value}, self.names, self.lent.lend)
        except (AnswerStoppedError, ChannelClosedError, TimeoutError):
            raise
        except (Exception, CannotTravelError) as error:
            return encode({"error": describe_error(error)})

    def _borrow(self, lent: list) -> StandIn:
        """Something to call for a function that an answer gives back."""
        number, described = lent
        return self.stand_in(f"#{int(number)}", described)

    def stand_in(self, name: str, described: Any = None) -> StandIn:
        """Something to call for a function of the answers.

        Args:
            name: what it is called there, or its number behind a ``#``.
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


def _outputs(outputs: Any) -> list[dict]:
    """What the other side says that a cell displayed, in the form that it should have."""
    kept = []
    for output in outputs if isinstance(outputs, list) else ():
        if not isinstance(output, dict):
            continue
        data = output.get("data")
        if isinstance(data, dict):
            texts = {str(kind): str(body) for kind, body in data.items()}
            kept.append({"output_type": "display_data", "data": texts, "metadata": {}})
        elif output.get("name") in ("stdout", "stderr"):
            text = str(output.get("text", ""))[:MAX_TEXT]
            kept.append({"output_type": "stream", "name": output["name"], "text": text})
    return kept[:1000]


class StandIn:
    """A function of the answers, called from the tests."""

    def __init__(self, name: str, answers: Answers, described: dict) -> None:
        own = described.get("name")
        self.__name__ = self.__qualname__ = own if isinstance(own, str) else name
        doc, known = described.get("doc"), signature(described.get("parameters"))
        self.__doc__ = doc if isinstance(doc, str) else None
        if known is not None:
            self.__signature__ = known
        self._name = name
        self._answers = answers

    def __repr__(self) -> str:
        return f"<the answer {self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        seeds, self._answers.seeds = self._answers.seeds, []
        given = list(changeable((*args, *kwargs.values())))
        reply = self._answers.value(
            op="call",
            name=self._name,
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


class Unusable:
    """An answer that tests cannot use, which says why as soon as one tries."""

    def __init__(self, name: str, reason: str) -> None:
        object.__setattr__(self, "_text", f"{name}: {reason}")

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise CannotTravelError(self._text)

    __call__ = __getitem__ = __iter__ = __len__ = __array__ = _refuse
    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _refuse
    __neg__ = __abs__ = __float__ = __int__ = __round__ = _refuse
    __hash__ = None

    def __getattr__(self, name: str) -> Any:
        raise CannotTravelError(self._text)


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


class TestsSide:
    """A namespace with the lesson's cells and stand-ins for the answers."""

    __test__ = False

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.shell = Shell()
        _record_seeds(answers)
        self.own: set[str] = set(self.shell.names)

    def lesson_cell(self, source: str) -> dict:
        """Run a cell of the lesson's own on both sides."""
        reply = self._run(source)
        for name in set(self.shell.names) - self.own:
            value = self.shell.names[name]
            if not name.startswith("_") and callable(value):
                self.answers.names.setdefault(id(value), name)
                if isinstance(value, type) and issubclass(value, Exception):
                    self.answers.exceptions[name] = value
        self.own = set(self.shell.names)
        self.answers.seeds.clear()
        if reply["error"] is None:
            try:
                self.answers.ask(LESSON_PATIENCE, op="run", source=source)
            except AnswerStoppedError as error:
                reply = self._reply([], error)
        return reply

    def answer_cell(
        self, source: str, name: str, defines: list[str], changes: list[str], imports: str
    ) -> dict:
        """Run an answer in its process, and put stand-ins for what it defines here.

        Args:
            source: the student's cell.
            name: its ``grade_id``.
            defines: the names that the instructor's own answer defines; no others are taken.
            changes: the lesson's own names whose values the instructor's answer changes in place.
            imports: the import statements of the instructor's own answer.
        """
        try:
            reply = self.answers.ask(op="run", source=source, name=name)
            if imports:
                self.shell.run(imports)
            kinds = self.answers.value(op="kinds", names=defines + changes)
            for defined in defines:
                self._bind(defined, kinds.get(defined))
            for changed in set(changes) & self.own:
                if kinds.get(changed) == {"kind": "value"}:
                    self._bind(changed, kinds[changed])
        except (AnswerStoppedError, CannotTravelError) as error:
            return self._reply([], error)
        return {
            "outputs": _outputs(reply.get("outputs")),
            "error": _error(reply["error"]) if reply.get("error") is not None else None,
            "value": None,
            "stopped": self.answers.stopped,
        }

    def _bind(self, name: str, described: Any) -> None:
        described = described if isinstance(described, dict) else {}
        kind = described.get("kind", "missing")
        names = self.shell.names
        names.pop(name, None)
        if kind == "function":
            names[name] = self.answers.stand_in(name, described)
        elif kind == "class":
            names[name] = Unusable(name, "a class cannot be tested: an answer is a function.")
        elif kind == "value":
            try:
                names[name] = self.answers.value(op="get", name=name)["value"]
            except CannotTravelError as error:
                names[name] = Unusable(name, str(error))
        self.own = set(names)

    def test_cell(self, source: str) -> dict:
        """Run a test cell."""
        return self._run(source)

    def _run(self, source: str) -> dict:
        self.answers.line = None
        run = self.shell.run(source)
        return self._reply(run.outputs, run.error, run.value)

    def _reply(
        self, outputs: list[dict], error: BaseException | None, value: str | None = None
    ) -> dict:
        described = None
        if error is not None:
            described = {
                "ename": type(error).__name__,
                "evalue": str(error),
                "line": self.answers.line,
                "traceback": traceback_text(error),
            }
        return {
            "outputs": outputs,
            "error": described,
            "value": value,
            "stopped": self.answers.stopped,
        }


def _record_seeds(answers: Answers) -> None:
    """Have seeds that a test sets here set over there, before the next call.

    ``answers.seeds`` is replaced at each call, so it is looked up when a seed is set.
    """

    def wrap(module: Any, attribute: str, library: str) -> None:
        original = getattr(module, attribute)

        def recorded(seed: Any = None, *args: Any, **kwargs: Any) -> Any:
            if isinstance(seed, int | np.integer):
                answers.seeds.append((library, int(seed)))
            return original(seed, *args, **kwargs)

        setattr(module, attribute, recorded)

    wrap(np.random, "seed", "numpy")
    wrap(random, "seed", "python")
    if "keras" in sys.modules:
        wrap(sys.modules["keras"].utils, "set_random_seed", "keras")
    if "tensorflow" in sys.modules:
        wrap(sys.modules["tensorflow"].random, "set_seed", "tensorflow")


def serve(control: Channel, channel: Channel, timeout: float) -> None:
    """Run the cells that come over ``control`` until it closes."""
    side = TestsSide(Answers(channel, timeout))
    while True:
        try:
            request = decode(control.receive())
        except ChannelClosedError:
            return
        reply = getattr(side, request.pop("kind") + "_cell")(**request)
        control.send(encode(reply))
