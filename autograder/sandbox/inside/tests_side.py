"""The tests' side: runs the instructor's cells, with stand-ins where the answers should be.

No line of a student's code runs here. A stand-in calls into the answers' process and brings back
data.
"""

from __future__ import annotations

import random
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from autograder.sandbox.inside.answers_process import (
    Answers,
    AnswerStoppedError,
    _error,
    _identifiers,
)
from autograder.sandbox.inside.channel import Channel, ChannelClosedError
from autograder.sandbox.inside.errors import (
    CannotTravelError,
    advice,
    exception_class,
)
from autograder.sandbox.inside.protocol import ObjectUse
from autograder.sandbox.inside.shell import MAX_TEXT, Shell, traceback_text
from autograder.sandbox.inside.stand_ins import (
    Unusable,
)
from autograder.sandbox.inside.wire import decode, encode

# A lesson's own cells are known to end; on a busy machine they may take their time.
LESSON_PATIENCE = 4


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
        self.answers.expected = None if objects is None else ObjectUse(**objects)
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
            "objects": asdict(self.answers.found),
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
            "objects": asdict(self.answers.found),
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
