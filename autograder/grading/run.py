"""One pass over a rebuilt notebook: cells go to the process of the tests, outputs come back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils

from autograder.grading.names import changed_names, import_statements
from autograder.grading.rebuild import rebuild
from autograder.grading.status import Status
from autograder.notebooks.cells import Answers, is_answer
from autograder.sandbox.inside.channel import Channel, ChannelClosedError
from autograder.sandbox.inside.errors import CannotTravelError
from autograder.sandbox.inside.protocol import (
    LESSON_PATIENCE,
    AnswerCell,
    Cell,
    CellDone,
    LessonCell,
    ObjectUse,
    TestCell,
    read,
    write,
)
from autograder.sandbox.inside.wire import decode, encode
from autograder.sandbox.workplace import Workplace, WorkplaceLostError
from course.cells import grade_id
from course.check.names import bound_names

# A process may be ended from outside too, by a machine short of memory, say. So an answer's process
# has died when it has died this often, and grading has failed when it has failed this often.
ATTEMPTS = {Status.DIED: 3, Status.ERROR: 5}
OUT_OF_MEMORY = {"MemoryError", "ResourceExhaustedError"}

# Before the first cell.
NOWHERE = -1


@dataclass(frozen=True)
class Stop:
    """Where a run was cut short, and why."""

    cell: int
    status: Status
    message: str


LOST = Stop(NOWHERE, Status.ERROR, "Something has ended the processes that grade.")


@dataclass(frozen=True)
class Reference:
    """The instructor's own answers, and what the tests did with objects of theirs; None if that is
    to be found out."""

    answers: Answers
    objects: ObjectUse | None


def run_notebook(
    instructor: NotebookNode,
    answers: Answers,
    right: Reference,
    skip: Set[int],
    workplace: Workplace,
    files: bytes,
    timeout: int,
) -> tuple[NotebookRun, Stop | None]:
    """One pass over the rebuilt notebook, repeated where a process has ended."""
    tried: Counter[str] = Counter()
    while True:
        run = NotebookRun(rebuild(instructor, answers), right, skip)
        try:
            stop = run.execute(workplace, files, timeout)
        except WorkplaceLostError:
            stop = LOST
        if stop is None:
            return run, None
        tried[stop.status] += 1
        if tried[stop.status] >= ATTEMPTS.get(stop.status, 1):
            return run, stop


class NotebookRun:
    """One pass over a rebuilt notebook."""

    def __init__(self, notebook: NotebookNode, right: Reference, skip: Set[int]) -> None:
        self.notebook = notebook
        self.right = right
        self.skip = skip
        self.objects = ObjectUse()
        self.lines: dict[int, int] = {}
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
                stop = self._cell(channel, index, cell, timeout)
                if stop is not None:
                    return stop
        return None

    def _cell(self, channel: Channel, index: int, cell: NotebookNode, timeout: int) -> Stop | None:
        try:
            channel.send(encode(write(self._request(cell))))
            # The tests wait for the answers themselves; this is for tests that do not end.
            done: CellDone = read(decode(channel.receive(2 * LESSON_PATIENCE * timeout)))
        except TimeoutError:
            return Stop(index, Status.TIMEOUT, f"It ran for more than {timeout} seconds.")
        except (ChannelClosedError, CannotTravelError):
            return Stop(index, Status.ERROR, "The process of the tests has ended.")
        cell.outputs = [nbformat.from_dict(output) for output in done.outputs]
        if done.value is not None:
            text = {"text/plain": done.value}
            cell.outputs.append(
                new_output("execute_result", text, execution_count=cell.execution_count)
            )
        self.objects = done.objects
        error = done.error
        if done.stopped:
            return Stop(index, Status(done.stopped), error.evalue if error else "It has ended.")
        if error:
            self.out_of_memory |= error.ename in OUT_OF_MEMORY
            if error.line is not None:
                self.lines[index] = error.line
            cell.outputs.append(
                new_output(
                    "error", ename=error.ename, evalue=error.evalue, traceback=error.traceback
                )
            )
        return None

    def _request(self, cell: NotebookNode) -> Cell:
        # Asked first: a cell that a person marks is a grade cell too, and a student's.
        if not is_answer(cell):
            return (TestCell if utils.is_grade(cell) else LessonCell)(cell.source)
        right = self.right.answers[grade_id(cell)]
        imports = import_statements(right)
        defined = bound_names(right) - bound_names(imports)
        return AnswerCell(
            source=cell.source,
            grade_id=grade_id(cell),
            defines=sorted(defined),
            changes=sorted(changed_names(right) - defined),
            imports=imports,
            objects=self.right.objects,
        )
