"""One pass over a rebuilt notebook: cells go to the process of the tests, outputs come back.

A pass with the instructor's own answers finds out which objects the tests may get from answers.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils

from autograder.grading.decision import value_kind
from autograder.grading.names import changed_names, import_statements
from autograder.grading.own_cells import Handed, is_own, with_own_cells
from autograder.grading.rebuild import rebuild, references
from autograder.grading.score import score_cell
from autograder.grading.status import CELL_TIMEOUT, NOWHERE, OUT_OF_MEMORY, Status, Stop
from autograder.notebooks.cells import Answers, Group, groups
from autograder.sandbox.inside.channel import Channel, ChannelClosedError
from autograder.sandbox.inside.protocol import (
    LESSON_PATIENCE,
    AnswerCell,
    Cell,
    CellDone,
    LessonCell,
    ObjectUse,
    TestCell,
    Watch,
    Watched,
    from_json,
    to_json,
)
from autograder.sandbox.workplace import Workplace, WorkplaceLostError
from course.cells import grade_id, is_answer
from course.check.names import bound_names

# What the student's own cells are called where an answer has its name.
OWN = "the student's own cells"

# A process may be ended from outside too, by a machine short of memory, say. So an answer's process
# has died when it has died this often, and grading has failed when it has failed this often.
ATTEMPTS = {Status.DIED: 3, Status.ERROR: 5}
LOST = Stop(NOWHERE, Status.ERROR, "Something has ended the processes that grade.")


@dataclass(frozen=True)
class Reference:
    """The instructor's own answers, and what the tests did with objects of theirs; None if that is
    to be found out."""

    answers: Answers
    objects: ObjectUse | None


P = TypeVar("P", bound="Pass")


class Pass(Protocol):
    """One pass over a notebook."""

    def execute(self, workplace: Workplace, files: bytes, timeout: int) -> Stop | None:
        """Run it; say where it was cut short, if it was."""


def repeated(
    make: Callable[[], P], workplace: Workplace, files: bytes, timeout: int
) -> tuple[P, Stop | None]:
    """One pass, repeated where a process has ended."""
    tried: Counter[str] = Counter()
    while True:
        run = make()
        try:
            stop = run.execute(workplace, files, timeout)
        except WorkplaceLostError:
            stop = LOST
        if stop is None:
            return run, None
        tried[stop.status] += 1
        if tried[stop.status] >= ATTEMPTS.get(stop.status, 1):
            return run, stop


def run_notebook(
    instructor: NotebookNode,
    answers: Answers,
    right: Reference,
    skip: Set[int],
    workplace: Workplace,
    files: bytes,
    timeout: int,
    *,
    keeps_arguments: bool = False,
    watch: Set[str] = frozenset(),
    handed: Sequence[Handed] = (),
) -> tuple[NotebookRun, Stop | None]:
    """One pass over the rebuilt notebook, repeated where a process has ended; see ``NotebookRun``
    for ``watch``."""

    def make() -> NotebookRun:
        notebook = rebuild(instructor, answers)
        if handed:
            notebook = with_own_cells(notebook, instructor, handed, apart=True)
        return NotebookRun(notebook, right, skip, keeps_arguments, watch)

    return repeated(make, workplace, files, timeout)


class NotebookRun:
    """One pass over a rebuilt notebook.

    Attributes:
        behaviour: by exercise, what the answer did (``sandbox.inside.watching``), for those of
            ``watch`` that lost points.
    """

    def __init__(
        self,
        notebook: NotebookNode,
        right: Reference,
        skip: Set[int],
        keeps_arguments: bool = False,
        watch: Set[str] = frozenset(),
    ) -> None:
        self.notebook = notebook
        self.right = right
        self.skip = skip
        self.keeps_arguments = keeps_arguments
        self.watch = watch
        self.behaviour: dict[str, list[Any]] = {}
        self.objects = ObjectUse()
        self.lines: dict[int, int] = {}
        self.asserted: dict[int, str] = {}
        self.values: dict[str, str] = {}
        self.out_of_memory = False

    def execute(self, workplace: Workplace, files: bytes, timeout: int) -> Stop | None:
        """Run all cells but the skipped ones; say where it was cut short, if it was."""
        count = 0
        with workplace.pair(timeout, files) as channel:
            for index, cell in enumerate(self.notebook.cells):
                if cell.cell_type != "code" or index in self.skip or not cell.source.strip():
                    continue
                count += 1
                cell.execution_count = count
                stop = self.cell(channel, index, timeout)
                if stop is not None:
                    return stop
            # At the end, when it can no longer change what anything is worth.
            for group in groups(self.notebook):
                if self._is_watched(group):
                    self.watch_answer(channel, group, timeout)
        return None

    def _is_watched(self, group: Group) -> bool:
        cells = self.notebook.cells
        if group.solution is None or group.solution in self.skip:
            return False
        scores = (score_cell(cells[index]) for index in group.tests)
        is_lost = any(score.score != score.max_score for score in scores)
        return is_lost and grade_id(cells[group.solution]) in self.watch

    def watch_answer(self, channel: Channel, group: Group, timeout: int) -> None:
        """See what the answer to an exercise does in its tests; nothing where it ends or hangs.

        Args:
            channel: to the tests' process.
            group: the exercise.
            timeout: seconds for all its calls together.
        """
        name = grade_id(self.notebook.cells[group.solution])
        sources = [self.notebook.cells[index].source for index in group.tests]
        try:
            channel.send(to_json(Watch(self._defined(name), sources, timeout)))
            watched: Watched = from_json(channel.receive(2 * LESSON_PATIENCE * timeout))
        except (TimeoutError, ChannelClosedError):
            # A reply that comes later would be taken for another answer's.
            self.watch = frozenset()
            return
        self.behaviour[name] = watched.behaviour

    def _defined(self, name: str) -> list[str]:
        right = self.right.answers[name]
        return sorted(bound_names(right) - bound_names(import_statements(right)))

    def cell(self, channel: Channel, index: int, timeout: int) -> Stop | None:
        """Run one cell; say why the run is cut short, if it is.

        Args:
            channel: to the tests' process.
            index: the cell's, in the notebook.
            timeout: seconds.
        """
        cell = self.notebook.cells[index]
        try:
            channel.send(to_json(self._request(cell)))
            # The tests wait for the answers themselves; this is for tests that do not end.
            done: CellDone = from_json(channel.receive(2 * LESSON_PATIENCE * timeout))
        except TimeoutError:
            return Stop(index, Status.TIMEOUT, f"It ran for more than {timeout} seconds.")
        except ChannelClosedError:
            return Stop(index, Status.ERROR, "The process of the tests has ended.")
        cell.outputs = [nbformat.from_dict(output) for output in done.outputs]
        if done.value is not None:
            text = {"text/plain": done.value}
            cell.outputs.append(
                new_output("execute_result", text, execution_count=cell.execution_count)
            )
        self.objects = done.objects
        if utils.is_grade(cell):
            self.values[grade_id(cell)] = value_kind(done.value)
        error = done.error
        if done.stopped:
            return Stop(index, Status(done.stopped), error.evalue if error else "It has ended.")
        if error:
            self.out_of_memory |= error.ename in OUT_OF_MEMORY
            if error.line is not None:
                self.lines[index] = error.line
            if error.asserted:
                self.asserted[index] = error.asserted
            cell.outputs.append(
                new_output(
                    "error", ename=error.ename, evalue=error.evalue, traceback=error.traceback
                )
            )
        return None

    def _request(self, cell: NotebookNode) -> Cell:
        if is_own(cell):
            # It runs with the answers, and the tests take nothing of it.
            return AnswerCell(cell.source, OWN, [], [], "", self.right.objects)
        # Asked first: a cell that a person marks is a grade cell too, and a student's.
        if not is_answer(cell):
            return (TestCell if utils.is_grade(cell) else LessonCell)(cell.source)
        right = self.right.answers[grade_id(cell)]
        defined = self._defined(grade_id(cell))
        return AnswerCell(
            source=cell.source,
            grade_id=grade_id(cell),
            defines=defined,
            changes=sorted(changed_names(right) - set(defined)),
            imports=import_statements(right),
            objects=self.right.objects,
            keeps_arguments=self.keeps_arguments,
        )


def objects_in_tests(
    instructor: NotebookNode, workplace: Workplace, files: bytes = b"", timeout: int = CELL_TIMEOUT
) -> ObjectUse | None:
    """What gives the tests objects, when the answers are the instructor's own, and how those are
    compared.

    With another's answers nothing else may give objects: one could agree with whatever it is
    compared with.

    Args:
        instructor: the instructor notebook.
        workplace: where to run it, once.
        files: a tar archive of what the assignment's notebook may read or import.
        timeout: seconds for one cell; more are given, since much hangs on this run.

    Returns:
        None if the processes that grade were ended: then nothing has been found out.
    """
    with workplace.found_out(_key(instructor, files)) as found:
        if not found:
            right = references(instructor)
            unknown, patient = Reference(right, None), LESSON_PATIENCE * timeout
            run, stop = run_notebook(instructor, right, unknown, set(), workplace, files, patient)
            if stop is not None and stop.status == Status.ERROR:
                return None
            found.append(run.objects)
        use: ObjectUse = found[0]
        return use


def known_objects(
    instructor: NotebookNode, workplace: Workplace, files: bytes = b""
) -> ObjectUse | None:
    """What ``objects_in_tests`` has found out; None where nobody had to ask it yet."""
    with workplace.found_out(_key(instructor, files)) as found:
        return found[0] if found else None


def _key(instructor: NotebookNode, files: bytes) -> str:
    code = "\0".join(cell.source for cell in instructor.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode() + files).hexdigest()
