"""The tests' side: runs the instructor's cells, with stand-ins where the answers should be.

No line of a student's code runs here. A stand-in calls into the answers' process and brings back
data.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from autograder.inside.calls import (
    MAX_ANCESTORS,
    Lent,
    changeable,
    describe_error,
    exception_class,
    local_error,
    signature,
)
from autograder.inside.channel import Channel, ChannelClosedError
from autograder.inside.objects import AnswerClass, AnswerObject, answer_class, answer_object
from autograder.inside.shell import MAX_TEXT, Shell, traceback_text
from autograder.inside.wire import CannotTravelError, advice, decode, encode

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
        # What the lesson's own cells and answers define: tests may expect them.
        self.exceptions: dict[str, type[Exception]] = {}
        # What may give objects and how those are compared: what gave some when the instructor's
        # own answers were tried. None while that is found out.
        self.expected: dict | None = None
        self.found = {"given by": set(), "comparisons": {}, "compared": set(), "refused": False}
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
            self.found["given by"].add(self._asked)
        elif self._asked not in self.expected["given by"]:
            self.found["refused"] = True
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
            self.found["comparisons"][names[0]] = described["comparison"]
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
        known = (self.expected or self.found)["comparisons"]
        self.found["compared"].add(ancestors[0])
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
        return self._answers.call(self._name, args, kwargs)


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
        self,
        source: str,
        name: str,
        defines: list[str],
        changes: list[str],
        imports: str,
        objects: dict | None,
    ) -> dict:
        """Run an answer in its process, and put stand-ins for what it defines here.

        Args:
            source: the student's cell.
            name: its ``grade_id``.
            defines: the names that the instructor's own answer defines; no others are taken.
            changes: the lesson's own names whose values the instructor's answer changes in place.
            imports: the import statements of the instructor's own answer.
            objects: what may give objects of the answers', and how those are compared; None if
                that is to be found out.
        """
        self.answers.expected = objects
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
            "objects": self.answers.found,
        }

    def _bind(self, name: str, described: Any) -> None:
        described = described if isinstance(described, dict) else {}
        kind = described.get("kind", "missing")
        names = self.shell.names
        names.pop(name, None)
        if kind == "function":
            names[name] = self.answers.stand_in(name, described)
        elif kind == "exception":
            ancestors = _identifiers(described.get("ancestors"))
            names[name] = exception_class(ancestors, self.answers.exceptions)
            self.answers.exceptions[ancestors[0]] = names[name]
        elif kind == "class" and described.get("ancestors"):
            names[name] = self.answers.define_class(name, described)
        elif kind == "class":
            names[name] = Unusable(name, advice("a class of a library"))
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
            "objects": self.answers.found,
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
