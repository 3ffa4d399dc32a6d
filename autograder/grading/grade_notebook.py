"""Run a rebuilt notebook and score it, whatever the answers do.

The answers run in one process, the tests in another, which scores them (see ``sandbox``). An answer
that never ends, or that ends its process, costs its own exercise: the notebook is run again with
that answer left blank, so the other exercises are still graded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils

from autograder.grading.rebuild import references, stubs
from autograder.grading.run import (
    LOST,
    NOWHERE,
    NotebookRun,
    Reference,
    Stop,
    known_objects,
    objects_in_tests,
    run_notebook,
)
from autograder.grading.score import (
    NOT_ANSWERED,
    CellScore,
    error_message,
    has_points,
    no_points,
    score_cell,
)
from autograder.grading.status import CELL_TIMEOUT, Status
from autograder.notebooks.cells import Answers, groups
from autograder.sandbox.inside.protocol import ObjectUse
from autograder.sandbox.workplace import Workplace
from course.cells import grade_id, is_answer

UNDEFINED = re.compile(r"NameError: name '(\w+)' is not defined")


@dataclass
class Examination:
    """A notebook that has run, with what each test cell is worth.

    ``behaviour`` says what answers did that were watched, by exercise, see ``run.NotebookRun``.
    """

    notebook: NotebookNode
    status: Status
    seconds: float
    message: str = ""
    cells: dict[str, CellScore] = field(default_factory=dict)
    behaviour: dict[str, list[Any]] = field(default_factory=dict)

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
    """
    start = time.monotonic()
    blank = stubs(instructor)
    answers = blank | {name: text for name, text in answers.items() if name in blank}
    passes = _Passes(instructor, answers, workplace, files, timeout, watch)
    try:
        run, stops = passes.run()
        scores, behaviour = _score(run, blank, elsewhere), run.behaviour
        if passes.changed_arguments(run):
            # A test may compute what it expects from an argument that the answer has changed, and
            # another may ask whether it has: so every test must pass with the change and without.
            unseen, more_stops = passes.run(keeps_arguments=True)
            scores = _lower(scores, _score(unseen, blank, elsewhere))
            behaviour = unseen.behaviour | behaviour
            stops |= more_stops
    except _BrokenError as broken:
        return _broken(broken.notebook, broken.stop, time.monotonic() - start)
    seconds = time.monotonic() - start
    examination = Examination(
        run.notebook, Status.GRADED, seconds, cells=scores, behaviour=behaviour
    )
    if stops:
        first = next(iter(stops.values()))
        examination.status, examination.message = first.status, first.message
    elif run.out_of_memory:
        examination.status = Status.MEMORY
        examination.message = "An answer asked for too much memory."
    return examination


class _BrokenError(Exception):
    """Grading itself failed, through nobody's answer."""

    def __init__(self, notebook: NotebookNode, stop: Stop) -> None:
        super().__init__(stop.message)
        self.notebook = notebook
        self.stop = stop


class _Passes:
    """Passes over a rebuilt notebook, each repeated without the exercises that cut it short."""

    def __init__(
        self,
        instructor: NotebookNode,
        answers: Answers,
        workplace: Workplace,
        files: bytes,
        timeout: int,
        watch: Set[str],
    ) -> None:
        self.instructor = instructor
        self.answers = answers
        self.workplace = workplace
        self.files = files
        self.timeout = timeout
        self.watch = watch
        self.objects = known_objects(instructor, workplace, files)

    def run(self, keeps_arguments: bool = False) -> tuple[NotebookRun, dict[int, Stop]]:
        """A pass that came to its end, and the cells that were left out of it, each with why.

        Args:
            keeps_arguments: see ``protocol.AnswerCell``.

        Raises:
            _BrokenError: grading itself failed.
        """
        stops: dict[int, Stop] = {}
        while True:
            right = Reference(references(self.instructor), self.objects or ObjectUse())
            run, stop = run_notebook(
                self.instructor, self.answers, right, set(stops), self.workplace, self.files,
                self.timeout, keeps_arguments=keeps_arguments, watch=self.watch,
            )  # fmt: skip
            if run.objects.refused and self.objects is None:
                # No lesson's answer gives any, so it is found out when the first one does.
                self._find_out(run.notebook)
                continue
            if stop is None:
                _write_stops(run.notebook, stops)
                return run, stops
            blamed = _blamed(run.notebook, stop.cell)
            if not blamed - stops.keys():
                raise _BrokenError(run.notebook, stop)
            stops |= {index: stop for index in blamed}

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


def _lower(one: dict[str, CellScore], other: dict[str, CellScore]) -> dict[str, CellScore]:
    """By test cell, the lower of two scores."""
    return {
        name: other[name] if (other[name].score or 0.0) < (score.score or 0.0) else score
        for name, score in one.items()
    }


def _blamed(notebook: NotebookNode, index: int) -> set[int]:
    """The cells of the exercise where a run was cut short: the one that the cell belongs to, or,
    for a cell of the lesson's own, the one before it. None before the first."""
    blamed: set[int] = set()
    for group in groups(notebook):
        cells = {*group.tests} | ({group.solution} if group.solution is not None else set())
        if min(cells) > index:
            break
        blamed = cells
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


def _score(run: NotebookRun, blank: Answers, elsewhere: Set[str]) -> dict[str, CellScore]:
    notebook = run.notebook
    scores = {grade_id(cell): score_cell(cell) for cell in notebook.cells if has_points(cell)}
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
