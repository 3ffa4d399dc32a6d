"""Run a rebuilt notebook and score it, whatever the answers do.

The answers run in one process, the tests in another (see ``sandbox``), or both in one (see
``together``), as was decided for the assignment. An answer that never ends, or that ends its
process, costs what it was asked for: the notebook is run again without that test, or without that
answer, so the other exercises are still graded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils

from autograder.grading.decision import Decision, Tests
from autograder.grading.own_cells import Handed, is_own, with_own_cells
from autograder.grading.rebuild import rebuild, references, stubs
from autograder.grading.run import (
    LOST,
    NotebookRun,
    Reference,
    known_objects,
    objects_in_tests,
    repeated,
    run_notebook,
)
from autograder.grading.score import (
    NOT_ANSWERED,
    CellScore,
    error_message,
    error_output,
    has_points,
    no_points,
    score_cell,
)
from autograder.grading.status import CELL_TIMEOUT, NOWHERE, Status, Stop
from autograder.grading.together import TogetherRun
from autograder.notebooks.cells import Answers, groups
from autograder.sandbox.inside.protocol import ObjectUse
from autograder.sandbox.workplace import Workplace
from course.cells import find_grade_id, grade_id, is_answer

# What ends a test where a value cannot travel, and an answer that asks for a program or for input.
CANNOT_TRAVEL = {"CannotTravelError"}
NEEDS_MORE = {"PermissionError", "EOFError"}
P = TypeVar("P", NotebookRun, TogetherRun)
UNDEFINED = re.compile(r"NameError: name '(\w+)' is not defined")


@dataclass
class Examination:
    """A notebook that has run, with what each test cell is worth.

    Attributes:
        notebook: with outputs.
        status: how it ended.
        seconds: how long it ran.
        message: why it did not end well.
        cells: points by test cell.
        behaviour: what answers did that were watched, by exercise, see ``run.NotebookRun``.
        decision: how its tests ran, and what the answers did in them. With the instructor's own
            answers it is what is to be known of them.
        asserted: by test cell, the assertion without a message that failed in it, and its values.
        stranded: the test cells that failed since something could not go from one process to the
            other, which says nothing of the answer.
    """

    notebook: NotebookNode
    status: Status
    seconds: float
    message: str = ""
    cells: dict[str, CellScore] = field(default_factory=dict)
    behaviour: dict[str, list[Any]] = field(default_factory=dict)
    decision: Decision = field(default_factory=Decision)
    asserted: dict[str, str] = field(default_factory=dict)
    stranded: list[str] = field(default_factory=list)

    @property
    def score(self) -> float:
        return sum(cell.score or 0.0 for cell in self.cells.values())

    @property
    def max_score(self) -> float:
        return sum(cell.max_score for cell in self.cells.values())


def examine(
    instructor: NotebookNode,
    answers: Answers,
    workplace: Workplace,
    files: bytes = b"",
    timeout: int = CELL_TIMEOUT,
    elsewhere: Set[str] = frozenset(),
    watch: Set[str] = frozenset(),
    decision: Decision | None = None,
    handed: Sequence[Handed] = (),
    *,
    right: bool = False,
) -> Examination:
    """Grade answers against an instructor's notebook.

    Args:
        instructor: the instructor notebook.
        answers: text by ``grade_id``.
        workplace: where to run them.
        files: a tar archive of what the assignment's notebook may read or import.
        timeout: seconds for one cell.
        elsewhere: names that the student defined in cells that do not take part; a failure for
            the lack of one is explained.
        watch: exercises whose answers are watched if they lose points.
        decision: where the tests run, and what is known of them; apart, with nothing known, by
            default.
        handed: the cells of the submission, whose own run too if the assignment was not made
            here; none by default.
        right: whether the answers are the instructor's own, so that what they do in the tests is
            what is expected.
    """
    start = time.monotonic()
    blank = stubs(instructor)
    answers = blank | {name: text for name, text in answers.items() if name in blank}
    decision = decision or Decision()
    if decision.tests == Tests.TOGETHER:
        shared = _SharedPasses(instructor, answers, workplace, files, timeout, handed, decision)
        return _examine_together(shared, blank, elsewhere, start, right)
    # A lesson says that only the answers run.
    own = handed if decision.values else ()
    passes = _ApartPasses(instructor, answers, workplace, files, timeout, own, watch)
    try:
        run, stops = passes.run()
        values = run.values if right else decision.values
        scores, behaviour = _score(run, blank, elsewhere, values), run.behaviour
        if passes.changed_arguments(run):
            # A test may compute what it expects from an argument that the answer has changed, and
            # another may ask whether it has: so every test must pass with the change and without.
            unseen, more_stops = passes.run(keeps_arguments=True)
            scores = _lower(scores, _score(unseen, blank, elsewhere, values))
            behaviour = unseen.behaviour | behaviour
            stops |= more_stops
    except _BrokenError as broken:
        return _broken(broken.notebook, broken.stop, time.monotonic() - start)
    examination = Examination(
        run.notebook,
        Status.GRADED,
        time.monotonic() - start,
        cells=scores,
        behaviour=behaviour,
        decision=Decision(values=run.values),
        asserted=_asserted(run),
        stranded=list(_stranded(run.notebook)),
    )
    _set_status(examination, stops, run.out_of_memory)
    return examination


def _stranded(notebook: NotebookNode) -> Iterator[str]:
    """The tests that failed by the way in which answers and tests are kept apart."""
    for group in groups(notebook):
        solution = None if group.solution is None else error_output(notebook.cells[group.solution])
        needs_more = solution is not None and solution.ename in NEEDS_MORE
        for index in group.tests:
            error = error_output(notebook.cells[index])
            if error is not None and (needs_more or error.ename in CANNOT_TRAVEL):
                yield grade_id(notebook.cells[index])


def _set_status(examination: Examination, stops: dict[int, Stop], out_of_memory: bool) -> None:
    if stops:
        first = next(iter(stops.values()))
        examination.status, examination.message = first.status, first.message
    elif out_of_memory:
        examination.status = Status.MEMORY
        examination.message = "An answer asked for too much memory."


def _asserted(run: NotebookRun | TogetherRun) -> dict[str, str]:
    cells = run.notebook.cells
    return {
        name: text
        for index, text in run.asserted.items()
        if (name := find_grade_id(cells[index])) is not None
    }


def _examine_together(
    passes: _SharedPasses, blank: Answers, elsewhere: Set[str], start: float, right: bool
) -> Examination:
    try:
        run, stops = passes.run(right)
    except _BrokenError as broken:
        return _broken(broken.notebook, broken.stop, time.monotonic() - start)
    if passes.handed:
        # They run, so nothing is elsewhere.
        elsewhere = frozenset()
    scores = _score(run, blank, elsewhere, run.values if right else passes.decision.values)
    for index, found in run.found.items():
        name = grade_id(run.notebook.cells[index])
        scores[name] = CellScore(0.0, scores[name].max_score, _tampered(found))
    examination = Examination(
        run.notebook,
        Status.GRADED,
        time.monotonic() - start,
        cells=scores,
        decision=Decision(
            Tests.TOGETHER,
            values=run.values,
            changed=frozenset(run.changed),
            origins=run.origins,
        ),
        asserted=_asserted(run),
    )
    _set_status(examination, stops, run.out_of_memory)
    if run.found:
        every = dict.fromkeys(text for found in run.found.values() for text in found)
        examination.status = Status.TAMPERED
        examination.message = (
            f"The tests ran together with the answers, and what they depend on had been changed: "
            f"{_listed(list(every))}. {len(run.found)} of {len(run.values)} tests count nothing."
        )
    elif run.interrupted and examination.status == Status.GRADED:
        examination.status = Status.TIMEOUT
        examination.message = f"A cell ran for more than {passes.timeout} seconds."
    return examination


def _tampered(found: Sequence[str]) -> str:
    return (
        f"Not counted: when this test ran, something that it depends on had been changed: "
        f"{_listed(found)}. Let the answers change nothing outside of them."
    )


def _listed(found: Sequence[str]) -> str:
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more


class _BrokenError(Exception):
    """Grading itself failed, through nobody's answer."""

    def __init__(self, notebook: NotebookNode, stop: Stop) -> None:
        super().__init__(stop.message)
        self.notebook = notebook
        self.stop = stop


@dataclass
class _Passes(Generic[P]):
    """Passes over a rebuilt notebook, each repeated without what cut it short."""

    instructor: NotebookNode
    answers: Answers
    workplace: Workplace
    files: bytes
    timeout: int
    handed: Sequence[Handed]

    def _complete(
        self, once: Callable[[Set[int]], tuple[P, Stop | None]]
    ) -> tuple[P, dict[int, Stop]]:
        """A pass that came to its end, and the cells that were left out of it, each with why.

        Args:
            once: makes one pass without some cells.

        Raises:
            _BrokenError: grading itself failed.
        """
        stops: dict[int, Stop] = {}
        while True:
            run, stop = once(set(stops))
            if stop is None:
                _write_stops(run.notebook, stops)
                return run, stops
            blamed = _blamed(run.notebook, stop.cell, stops.keys())
            if not blamed - stops.keys():
                raise _BrokenError(run.notebook, stop)
            stops |= dict.fromkeys(blamed, stop)


@dataclass
class _ApartPasses(_Passes[NotebookRun]):
    watch: Set[str]

    def __post_init__(self) -> None:
        self.objects = known_objects(self.instructor, self.workplace, self.files)

    def run(self, keeps_arguments: bool = False) -> tuple[NotebookRun, dict[int, Stop]]:
        """See ``_complete``.

        Args:
            keeps_arguments: see ``protocol.AnswerCell``.
        """

        def once(skip: Set[int]) -> tuple[NotebookRun, Stop | None]:
            right = Reference(references(self.instructor), self.objects or ObjectUse())
            return run_notebook(
                self.instructor, self.answers, right, skip, self.workplace, self.files,
                self.timeout,
                keeps_arguments=keeps_arguments,
                watch=self.watch,
                handed=self.handed,
            )  # fmt: skip

        def once_known(skip: Set[int]) -> tuple[NotebookRun, Stop | None]:
            run, stop = once(skip)
            if run.objects.refused and self.objects is None:
                # No lesson's answer gives any, so it is found out when the first one does.
                self._find_out(run.notebook)
                return once(skip)
            return run, stop

        return self._complete(once_known)

    def changed_arguments(self, run: NotebookRun) -> bool:
        """Whether answers changed arguments where the instructor's own change none.

        Raises:
            _BrokenError: grading itself failed.
        """
        if run.objects.changed_by and self.objects is None:
            self._find_out(run.notebook)
        allowed = self.objects.changed_by if self.objects else frozenset()
        return not run.objects.changed_by <= allowed

    def _find_out(self, notebook: NotebookNode) -> None:
        self.objects = objects_in_tests(self.instructor, self.workplace, self.files, self.timeout)
        if self.objects is None:
            raise _BrokenError(notebook, LOST)


@dataclass
class _SharedPasses(_Passes[TogetherRun]):
    decision: Decision

    def run(self, right: bool) -> tuple[TogetherRun, dict[int, Stop]]:
        """See ``_complete``.

        Args:
            right: whether the answers are the instructor's own.
        """
        expected = None if right else self.decision

        def once(skip: Set[int]) -> tuple[TogetherRun, Stop | None]:
            return repeated(
                lambda: TogetherRun(self._notebook(), expected, skip),
                self.workplace,
                self.files,
                self.timeout,
            )

        return self._complete(once)

    def _notebook(self) -> NotebookNode:
        notebook = rebuild(self.instructor, self.answers)
        if self.handed:
            notebook = with_own_cells(notebook, self.instructor, self.handed, apart=False)
        return notebook


def _lower(one: dict[str, CellScore], other: dict[str, CellScore]) -> dict[str, CellScore]:
    """By test cell, the lower of two scores."""
    return {
        name: other[name] if (other[name].score or 0.0) < (score.score or 0.0) else score
        for name, score in one.items()
    }


def _blamed(notebook: NotebookNode, index: int, earlier: Set[int]) -> set[int]:
    """The cells that are left out of the next run, since this one was cut short.

    Where it was a test, that test alone: the answer may well pass another. If that happens a second
    time in an exercise, its later tests are left out too. Where it was an answer or a cell of the
    lesson's own, the exercise that it belongs to or that is before it; none before the first.

    Args:
        notebook: the notebook.
        index: the cell where the run was cut short.
        earlier: what has been left out already.
    """
    if index != NOWHERE and is_own(notebook.cells[index]):
        return {index}
    blamed: set[int] = set()
    for group in groups(notebook):
        cells = {*group.tests} | ({group.solution} if group.solution is not None else set())
        if min(cells) > index:
            break
        blamed = cells
        if index in group.tests:
            again = cells & earlier
            blamed = {test for test in group.tests if test == index or (again and test > index)}
    return blamed


def _write_stops(notebook: NotebookNode, stops: dict[int, Stop]) -> None:
    for index, stop in stops.items():
        cell = notebook.cells[index]
        message = f"This answer was stopped. {stop.message}"
        # The name is the one whose message is shown as it is.
        cell.outputs = [
            new_output("error", ename="AssertionError", evalue=message, traceback=[message])
        ]


def _broken(notebook: NotebookNode, stop: Stop, seconds: float) -> Examination:
    """A cell of the lesson itself was cut short: nobody's answer is to blame."""
    message = stop.message
    if stop.cell != NOWHERE:
        message = f"A cell of the lesson itself was stopped. {message}"
    return Examination(notebook, Status.ERROR, seconds, message, no_points(notebook, message))


def _score(
    run: NotebookRun | TogetherRun,
    blank: Answers,
    elsewhere: Set[str],
    values: Mapping[str, str],
) -> dict[str, CellScore]:
    notebook = run.notebook
    scores = {
        grade_id(cell): score_cell(cell, values.get(grade_id(cell)))
        for cell in notebook.cells
        if has_points(cell)
    }
    for cell in notebook.cells:
        if utils.is_grade(cell) and is_answer(cell) and _is_blank(cell, blank):
            # As in nbgrader, nobody has to look at what nobody has written.
            scores[grade_id(cell)] = CellScore(0.0, scores[grade_id(cell)].max_score, NOT_ANSWERED)
    for group in groups(notebook):
        if group.solution is None:
            continue
        solution = notebook.cells[group.solution]
        for index in group.tests:
            name = grade_id(notebook.cells[index])
            if scores[name].score != scores[name].max_score:
                scores[name] = _explain(
                    scores[name], run.lines.get(index), solution, blank, elsewhere
                )
    return scores


def _is_blank(answer: NotebookNode, blank: Answers) -> bool:
    return bool(answer.source.strip() == blank[grade_id(answer)].strip())


def _explain(
    score: CellScore,
    line: int | None,
    solution: NotebookNode,
    blank: Answers,
    elsewhere: Set[str],
) -> CellScore:
    """Say where a failure came from: no answer, an answer that did not run, or a line of it."""
    message = score.message
    if _is_blank(solution, blank):
        message = NOT_ANSWERED
    elif (failure := error_message(solution)) and failure != message:
        message = f"The answer itself did not run. {failure}"
    elif line is not None:
        message = f"{message} (line {line} of the answer)"
    lacking = UNDEFINED.search(message)
    if lacking and lacking[1] in elsewhere:
        message += (
            f" You define {lacking[1]} in another cell, and grading runs only the answer cells: "
            "move it into the answer."
        )
    return CellScore(score.score, score.max_score, message)
