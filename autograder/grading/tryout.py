"""Try many answers to the exercises of one notebook, in one pair of processes.

The lesson's cells and the instructor's own answers run once. Then each answer that is to be tried
takes the place of the instructor's, its exercise's tests run, and the instructor's comes back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from nbgrader import utils

from autograder.grading.rebuild import rebuild, references
from autograder.grading.run import NotebookRun, Reference, objects_in_tests
from autograder.grading.score import CellScore, score_cell
from autograder.grading.status import Stop
from autograder.notebooks.cells import Group, groups
from autograder.sandbox.inside.channel import Channel
from autograder.sandbox.inside.protocol import ObjectUse
from autograder.sandbox.workplace import Workplace
from course.cells import grade_id


@dataclass(frozen=True)
class Try:
    """An answer to try: the exercise's ``grade_id``, and the text of the answer."""

    exercise: str
    source: str


@dataclass(frozen=True)
class Outcome:
    """What came of a try.

    Attributes:
        scores: the points of the exercise's test cells.
        behaviour: what the answer did, if that was asked for, see ``sandbox.inside.watching``.
        stop: why it was stopped, if it was.
    """

    scores: dict[str, CellScore] = field(default_factory=dict)
    behaviour: list[Any] = field(default_factory=list)
    stop: Stop | None = None


def try_answers(
    instructor: NotebookNode,
    tries: Sequence[Try],
    workplace: Workplace,
    files: bytes,
    timeout: int,
    *,
    watch: bool,
) -> Iterator[Outcome]:
    """Try answers one after the other; a new pair of processes goes on where one was stopped.

    Args:
        instructor: the instructor notebook.
        tries: what to try.
        workplace: where.
        files: a tar archive of what the notebook may read or import.
        timeout: seconds for one cell.
        watch: watch what the answers do, in place of scoring them.

    Yields:
        The outcome of each try, in their order.
    """
    done = 0
    while done < len(tries):
        for outcome in _one_pair(instructor, tries[done:], workplace, files, timeout, watch):
            yield outcome
            done += 1


def _one_pair(
    instructor: NotebookNode,
    tries: Sequence[Try],
    workplace: Workplace,
    files: bytes,
    timeout: int,
    watch: bool,
) -> Iterator[Outcome]:
    """The outcomes up to the first answer that is stopped, with it; at least one."""
    right = references(instructor)
    # An author's mistakes may give objects, and change arguments, where the right answer does.
    objects = None if watch else objects_in_tests(instructor, workplace, files) or ObjectUse()
    notebook = rebuild(instructor, right)
    cells = notebook.cells
    # In grading an answer passes only if it does without its changes of arguments too. So here the
    # tests' own arrays stay what they are, whatever is tried.
    run = NotebookRun(notebook, Reference(right, objects), set(), keeps_arguments=not watch)
    exercises = {
        grade_id(cells[group.solution]): group
        for group in groups(notebook)
        if group.solution is not None
    }
    with workplace.pair(timeout, files) as channel:
        for index, cell in enumerate(cells):
            if cell.cell_type == "code" and cell.source.strip() and not utils.is_grade(cell):
                stop = run.cell(channel, index, timeout)
                if stop is not None:
                    yield Outcome(stop=stop)
                    return
        for each in tries:
            outcome = _try(run, channel, exercises[each.exercise], each.source, timeout, watch)
            yield outcome
            if outcome.stop is not None:
                return


def _try(
    run: NotebookRun, channel: Channel, group: Group, source: str, timeout: int, watch: bool
) -> Outcome:
    cells, place = run.notebook.cells, group.solution
    if place is None:
        raise ValueError("tests without an exercise have no answer to try")
    solution = cells[place]
    right, solution.source = solution.source, source
    stop = run.cell(channel, place, timeout)
    if stop is None and watch:
        run.watch_answer(channel, group, timeout)
    for index in [] if watch else group.tests:
        cells[index].execution_count = 1
        stop = stop or run.cell(channel, index, timeout)
    solution.source = right
    if stop is None:
        stop = run.cell(channel, place, timeout)
    scores = {grade_id(cells[index]): score_cell(cells[index]) for index in group.tests}
    behaviour = run.behaviour.pop(grade_id(solution), [])
    return Outcome({} if watch else scores, behaviour, stop)
