"""The tests' side: runs the instructor's cells, with stand-ins where the answers should be.

No line of a student's code runs here. A stand-in calls into the answers' process and brings back
data.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from autograder.sandbox.inside.answers_process import AnswersProcess, AnswerStoppedError
from autograder.sandbox.inside.assertions import bare_assertion
from autograder.sandbox.inside.channel import Channel, ChannelClosedError
from autograder.sandbox.inside.errors import CannotTravelError, advice
from autograder.sandbox.inside.exceptions import exception_class
from autograder.sandbox.inside.protocol import (
    LESSON_PATIENCE,
    AnswerCell,
    Cell,
    CellDone,
    Described,
    Description,
    ErrorReport,
    Get,
    Got,
    Kinds,
    LessonCell,
    Output,
    TestCell,
    Watch,
    Watched,
    from_json,
    to_json,
)
from autograder.sandbox.inside.shell import Shell, traceback_text
from autograder.sandbox.inside.stand_ins import Unusable
from autograder.sandbox.inside.watching import NOTE, Watcher, going_on


def serve(channels: Sequence[Channel], timeout: float) -> None:
    """Run the cells that the grader sends until it has gone.

    Args:
        channels: to the grader and to the answers' process.
        timeout: seconds that one question to the answers may take.
    """
    grader, answers = channels
    side = TestsSide(AnswersProcess(answers, timeout))
    while True:
        try:
            cell = from_json(grader.receive())
        except ChannelClosedError:
            return
        grader.send(to_json(side.run(cell)))


class TestsSide:
    """A namespace with the lesson's cells and stand-ins for the answers."""

    __test__ = False

    def __init__(self, answers: AnswersProcess) -> None:
        self.answers = answers
        self.shell = Shell()
        _record_seeds(answers)
        self.own: set[str] = set(self.shell.names)

    def run(self, cell: Cell) -> CellDone | Watched:
        """Run a cell, and say what it came to."""
        match cell:
            case LessonCell(source):
                return self._lesson_cell(source)
            case AnswerCell():
                return self._answer_cell(cell)
            case TestCell(source):
                return self._run(source)
            case Watch():
                return self._watch(cell)

    def _lesson_cell(self, source: str) -> CellDone:
        done = self._run(source)
        for name in set(self.shell.names) - self.own:
            value = self.shell.names[name]
            if not name.startswith("_") and callable(value):
                self.answers.names.setdefault(id(value), name)
                if isinstance(value, type) and issubclass(value, Exception):
                    self.answers.exceptions[name] = value
        self.own = set(self.shell.names)
        self.answers.seeds.clear()
        if done.error is None:
            try:
                self.answers.run(source, patience=LESSON_PATIENCE)
            except AnswerStoppedError as error:
                return self._failed(error)
        return done

    def _answer_cell(self, cell: AnswerCell) -> CellDone:
        self.answers.expected = cell.objects
        self.answers.keeps_arguments = cell.keeps_arguments
        try:
            ran = self.answers.run(cell.source, cell.grade_id)
            if cell.imports:
                self.shell.run(cell.imports)
            kinds = self.answers.value(Kinds(cell.defines + cell.changes), Described).descriptions
            for name in cell.defines:
                self._bind(name, kinds.get(name, Description()))
            for name in set(cell.changes) & self.own:
                if name in kinds and kinds[name].kind == "value":
                    self._bind(name, kinds[name])
        except (Exception, CannotTravelError) as error:
            # Also what an answer's objects raise when one asks what they are.
            return self._failed(error)
        return self._done(ran.outputs, ran.error)

    def _bind(self, name: str, described: Description) -> None:
        """Put the stand-in for an answer among the tests' names."""
        names = self.shell.names
        names.pop(name, None)
        match described:
            case Description(kind="function"):
                names[name] = self.answers.function(name, described)
            case Description(kind="exception", ancestors=ancestors):
                names[name] = exception_class(ancestors, self.answers.exceptions)
                self.answers.exceptions[ancestors[0]] = names[name]
            case Description(kind="class", ancestors=[]):
                names[name] = Unusable(name, advice("a class of a library"))
            case Description(kind="class"):
                names[name] = self.answers.define_class(name, described)
            case Description(kind="value"):
                try:
                    names[name] = self.answers.value(Get(name), Got).value
                except AnswerStoppedError:
                    raise
                except (Exception, CannotTravelError) as error:
                    names[name] = Unusable(name, str(error))
        self.own = set(names)

    def _run(self, source: str) -> CellDone:
        self.answers.line = None
        run = self.shell.run(source)
        error = None if run.error is None else self._report(run.error)
        return self._done(run.outputs, error, run.value)

    def _watch(self, watch: Watch) -> Watched:
        watcher = Watcher()
        self.shell.names[NOTE] = watcher.assertion
        try:
            with self.answers.watched(watcher, watch.seconds):
                self._look_at(watch.names)
                for source in watch.sources:
                    watcher.end(self.shell.run(going_on(self.shell.plain(source))).error)
            return Watched([] if self.answers.stopped else watcher.summary())
        except (Exception, CannotTravelError):
            # Whatever is the matter, nothing can be said of the answer.
            return Watched([])
        finally:
            self.shell.names.pop(NOTE, None)

    def _look_at(self, names: list[str]) -> None:
        """Ask for an answer's names once more, and for the values of those that have some."""
        described = self.answers.value(Kinds(names), Described).descriptions
        for name in names:
            if name in described and described[name].kind == "value":
                with suppress(Exception, CannotTravelError):
                    self.answers.value(Get(name), Got)

    def _failed(self, error: BaseException) -> CellDone:
        return self._done([], self._report(error))

    def _report(self, error: BaseException) -> ErrorReport:
        return ErrorReport(
            type(error).__name__,
            str(error),
            line=self.answers.line,
            traceback=traceback_text(error),
            asserted=bare_assertion(error),
        )

    def _done(
        self, outputs: list[Output], error: ErrorReport | None, value: str | None = None
    ) -> CellDone:
        return CellDone(outputs, error, value, self.answers.stopped, self.answers.found)


def _record_seeds(answers: AnswersProcess) -> None:
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
