"""Run a lesson's visible tests against the student's answers, as grading will see them.

nbgrader's Validator runs and scores. It is given the notebook that grading would
make: the lesson's cells in the lesson's order with the student's answers, without the cells that
only show something and without the student's own.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.utils import run_sync
from nbclient.exceptions import DeadKernelError
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output
from nbgrader import utils
from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, Execute
from nbgrader.validator import Validator
from traitlets import Any as AnyTrait
from traitlets import Float

from course.cells import (
    RAISES,
    find_grade_id,
    first_line,
    grade_id,
    hidden_tests,
    is_edited,
    points_of,
    tags,
)
from course.check.lesson import Exercise, Lesson
from course.check.names import bound_names, needed_names
from course.forms import FormError
from course.kernels import warm_by_default

# The states of an exercise. "right" is said only where grading has no test that was not run here.
RIGHT, PASSES, HIDDEN, NOT_YET, UNANSWERED, ERROR, BY_HAND, UNTESTED = (
    "right",
    "passes the tests that you see",
    "runs",
    "not yet",
    "not answered",
    "error",
    "graded by hand",
    "not checked",
)
# Those that leave nothing to do.
DONE = {RIGHT, PASSES, HIDDEN, BY_HAND, UNTESTED}

# A student's tags must not change what runs.
_TAGS_THAT_STEER = {RAISES, "skip-execution"}
_FRAME = re.compile(r"Cell In\s?\[(\d+)\], line (\d+)")
_LINES_SHOWN = 12


@dataclass
class Outcome:
    """The state of one exercise.

    Attributes:
        name: its name, by which a lesson and ``--only`` know it.
        title: the heading above it.
        state: one of the constants above.
        message: why, for a student.
        passed: how many of the visible tests pass.
        tests: how many test cells have a visible test.
        hidden: how many tests are hidden, or None where the notebook does not tell.
        points: the points that it carries.
        earned: the points of tests that were seen in full and pass.
        open_points: the points that depend on hidden tests, where no visible test fails.
        points_by_hand: the points that a person gives.
        warnings: what grading will not see.
        unchanged: whether nothing has changed since an earlier check, whose outcome this is.
    """

    name: str
    title: str
    state: str
    message: str = ""
    passed: int = 0
    tests: int = 0
    hidden: int | None = None
    points: float = 0
    earned: float = 0
    open_points: float = 0
    points_by_hand: float = 0
    warnings: list[str] = field(default_factory=list)
    unchanged: bool = False

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do, as far as the visible tests tell."""
        return self.state in DONE and not self.warnings


class _Execute(Execute):
    """nbgrader's execution, which tells the validator where it is and survives a dead kernel."""

    dead = False

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.timeout = int(self.parent.cell_timeout)

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        # What the kernel's process itself prints is not part of the lesson.
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        await super().async_start_new_kernel(**{**quiet, **kwargs})

    start_new_kernel = run_sync(async_start_new_kernel)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        self.parent.on_cell(cell)
        if cell.cell_type != "code":
            return cell, resources
        if self.dead:
            cell.outputs = [_failure("NotRun", "Python had ended before this cell.")]
            return cell, resources
        try:
            cell, resources = super().preprocess_cell(cell, resources, index)
        except DeadKernelError:
            self.dead = True
            cell.outputs.append(
                _failure(
                    "KernelDied",
                    "Python ended while this cell ran: out of memory, or the code ended it.",
                )
            )
        # A log line of TensorFlow on stderr is not a failed test, though nbgrader counts it as one.
        cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        return cell, resources


class LessonValidator(Validator):
    """nbgrader's Validator, which keeps the executed notebook for a report by exercise."""

    cell_timeout = Float(300)
    on_cell = AnyTrait(lambda cell: None)

    def run(self, path: Path) -> NotebookNode:
        """Execute the notebook at ``path`` in its folder and return it with its outputs."""
        self.preprocessors = [CheckCellMetadata, ClearOutput, _Execute]
        with utils.chdir(str(path.parent)):
            return self._preprocess(nbformat.read(path.name, as_version=4))

    def failed_tests(self, notebook: NotebookNode) -> set[str]:
        """The ids of the tests that give less than their points."""
        return {grade_id(cell) for cell in self._get_failed_cells(notebook)}


def _failure(name: str, message: str) -> NotebookNode:
    return new_output("error", ename=name, evalue=message, traceback=[])


def as_graded(lesson: Lesson, exercises: list[Exercise] | None = None) -> NotebookNode:
    """The notebook that grading would run, or as much of it as these exercises need.

    It is run by this Python's kernel, whatever kernel the student's editor has named.
    """
    cells = lesson.graded_cells()
    if exercises is not None:
        needed = {id(cell) for exercise in exercises for cell in lesson.needed_cells(exercise)}
        cells = [cell for cell in cells if id(cell) in needed]
    notebook = copy.deepcopy(lesson.notebook)
    notebook.cells = copy.deepcopy(cells)
    notebook.metadata["kernelspec"] = NotebookNode(
        name="python3", display_name="Python 3", language="python"
    )
    by_name = {exercise.name: exercise for exercise in lesson.exercises}
    for cell in list(notebook.cells):
        exercise = by_name.get(find_grade_id(cell) or "")
        if exercise is not None and cell.cell_type == "code" and utils.is_solution(cell):
            at = notebook.cells.index(cell) + 1
            notebook.cells.insert(at, _guard(lesson, exercise, cell.source))
        if find_grade_id(cell) and _TAGS_THAT_STEER & tags(cell):
            cell.metadata.tags = sorted(tags(cell) - _TAGS_THAT_STEER)
    return notebook


def _guard(lesson: Lesson, exercise: Exercise, answer: str) -> NotebookNode:
    """A cell to follow an answer's, which holds what it has defined to the forms that grading
    takes."""
    used = set().union(*(needed_names(test.source) for test in exercise.tests), set())
    others = [cell for cell in lesson.graded_cells() if cell.cell_type == "code"]
    shared = [c for c in others if all(c is not e.answer for e in lesson.exercises)]
    known = used.union(*(bound_names(cell.source) for cell in shared))
    names = sorted(bound_names(answer))
    # An instructor's own assignment may have answers that give objects.
    data = sorted(used) if lesson.made_here else None
    source = (
        "import course.forms as _forms\n"
        f"_forms.guard(globals(), {names!r}, {sorted(known)!r}, {data!r})\n"
        "del _forms"
    )
    return new_code_cell(source, metadata={"course": {"guards": exercise.name}})


def _guarded_by(cell: NotebookNode) -> str | None:
    """The exercise whose values a cell of ours looks at, or None for any other cell."""
    course = cell.metadata.get("course")
    return course.get("guards") if isinstance(course, dict) else None


def check_answers(
    lesson: Lesson,
    exercises: list[Exercise] | None = None,
    *,
    timeout: float = 300,
    on_cell: Callable[[NotebookNode], None] | None = None,
) -> tuple[list[Outcome], list[str]]:
    """Run the visible tests.

    Args:
        lesson: the lesson, as ``read_lesson`` returns it.
        exercises: the exercises to check. None, the default, checks all.
        timeout: the seconds that a cell may take, 300 by default.
        on_cell: a function that is called with each cell before it runs. None, the default, calls
            nothing.

    Returns:
        an outcome per exercise, without warnings, and the lesson's cells that fail outside the
        exercises, a sentence each.
    """
    # A logger of its own: without one it takes the process's, which is a kernel's for %check.
    silent = logging.getLogger(f"{__name__}.validator")
    silent.setLevel(logging.CRITICAL)
    validator = LessonValidator(
        cell_timeout=timeout, on_cell=on_cell or (lambda cell: None), log=silent
    )
    with tempfile.TemporaryDirectory(prefix="course-check-") as folder:
        if not lesson.made_here:
            _copy_neighbours(lesson.path, Path(folder))
        path = Path(folder) / lesson.path.name
        nbformat.write(as_graded(lesson, exercises), path)
        with quiet_kernels():
            executed = validator.run(path)
    failed = validator.failed_tests(executed)
    run = _Run(executed)
    chosen = lesson.exercises if exercises is None else exercises
    return [_judge(exercise, run, failed) for exercise in chosen], _failures(run)


@contextlib.contextmanager
def quiet_kernels() -> Iterator[None]:
    """Set the environment that kernels are started with.

    TensorFlow does not log, ipykernel does not find that it is under test, which would switch off
    its capture of what C code prints, and kernels start warm where that is possible.
    """
    saved = dict(os.environ)
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # This environment's kernel comes before one that the user installed for another.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    try:
        with warm_by_default():
            yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def _copy_neighbours(path: Path, folder: Path) -> None:
    """Copy the files next to an instructor's own notebook, which may import them."""
    for neighbour in path.parent.iterdir():
        if neighbour.is_file() and neighbour.suffix != ".ipynb":
            shutil.copy(neighbour, folder)
        elif neighbour.is_dir() and not neighbour.name.startswith((".", "__")):
            shutil.copytree(neighbour, folder / neighbour.name)


class _Run:
    """An executed notebook, by cell id and by execution count."""

    def __init__(self, notebook: NotebookNode):
        self.by_id = {name: cell for cell in notebook.cells if (name := find_grade_id(cell))}
        self.cells = notebook.cells
        self.by_count = {
            cell.execution_count: cell
            for cell in notebook.cells
            if cell.cell_type == "code" and cell.execution_count
        }

    def error(self, cell: NotebookNode) -> NotebookNode | None:
        for output in cell.get("outputs", ()):
            if output.output_type == "error":
                return output
        return None

    def frames(self, error: NotebookNode) -> list[tuple[NotebookNode, int]]:
        """The notebook's cells in an error's traceback, outermost first, each with its line."""
        text = strip_ansi("\n".join(error.traceback)) if error.traceback else ""
        found = [(int(count), int(line)) for count, line in _FRAME.findall(text)]
        return [(self.by_count[count], line) for count, line in found if count in self.by_count]


def _judge(exercise: Exercise, run: _Run, failed: set[str]) -> Outcome:
    answer = exercise.answer
    seen = exercise.visible
    outcome = Outcome(exercise.name, exercise.title, RIGHT, tests=len(seen))
    outcome.hidden = exercise.hidden
    outcome.points = exercise.points
    if answer is not None and utils.is_grade(answer):
        outcome.points_by_hand = points_of(answer)
        outcome.state = UNANSWERED if exercise.is_untouched else BY_HAND
        return outcome
    if exercise.is_untouched:
        outcome.state = UNANSWERED
        return outcome
    _run_tests(exercise, seen, outcome, run, failed)
    return outcome


def _run_tests(
    exercise: Exercise,
    seen: list[NotebookNode],
    outcome: Outcome,
    run: _Run,
    failed: set[str],
) -> None:
    """What the run of an answer and its tests tells: state, message, points."""
    answer = exercise.answer
    ran = [] if answer is None else [run.by_id[exercise.name]]
    ran += [cell for cell in run.cells if _guarded_by(cell) == exercise.name]
    tests = [run.by_id[grade_id(test)] for test in seen if grade_id(test) in run.by_id]
    passing = [test for test in tests if grade_id(test) not in failed]
    error = next(((cell, e) for cell in ran + tests if (e := run.error(cell))), None)
    outcome.passed = len(passing)
    outcome.earned = sum(points_of(test) for test in passing if hidden_tests(test) == 0)
    if error and error[1].ename == "NotImplementedError" and _has_stub(answer):
        outcome.state = UNANSWERED
        if outcome.passed:
            outcome.message = "A part of the answer is still `raise NotImplementedError()`."
        return
    unseen_tests = [test for test in exercise.tests if test not in seen]
    possible = sum(map(points_of, [*passing, *unseen_tests]))
    outcome.open_points = possible - outcome.earned
    if error:
        cell, output = error
        if output.ename == FormError.__name__:
            outcome.state, outcome.message = NOT_YET, output.evalue
        elif output.ename == "AssertionError" and cell in tests and not _in_answer(output, run):
            outcome.state, outcome.message = NOT_YET, _assertion(output, run)
        else:
            outcome.state, outcome.message = ERROR, _explain(output, run, cell)
            if cell in ran:
                outcome.open_points = 0
    elif len(passing) < len(tests):
        outcome.state = NOT_YET
    elif not exercise.tests:
        outcome.state = UNTESTED
        outcome.message = (
            "Its tests are missing from your notebook, so nothing was compared."
            if exercise.missing
            else "It runs. The notebook has no test for it."
        )
    elif not seen:
        outcome.state = HIDDEN
        outcome.message = "All of its tests are hidden, so nothing was compared here."
    elif outcome.hidden != 0:
        outcome.state, outcome.message = PASSES, _what_is_open(outcome)


def _what_is_open(outcome: Outcome) -> str:
    if not outcome.hidden:
        return "Grading may also run tests that you do not see."
    decide = (
        "1 more, which you do not see, decides"
        if outcome.hidden == 1
        else (f"{outcome.hidden} more, which you do not see, decide")
    )
    return f"{decide} {outcome.open_points:g} of its {_counted(outcome.points)}."


def _counted(points: float) -> str:
    return "1 point" if points == 1 else f"{points:g} points"


def _has_stub(answer: NotebookNode | None) -> bool:
    return answer is not None and "NotImplementedError" in answer.source


def _in_answer(error: NotebookNode, run: _Run) -> bool:
    frames = run.frames(error)
    return bool(frames) and utils.is_solution(frames[-1][0])


def _assertion(error: NotebookNode, run: _Run) -> str:
    if error.evalue.strip():
        return _shorten(error.evalue)
    frames = run.frames(error)
    where = _line(*frames[-1]) if frames else ""
    return f"This does not hold: {where}" if where else "A test does not hold."


def _explain(error: NotebookNode, run: _Run, cell: NotebookNode) -> str:
    if error.ename in {"CellTimeoutError", "KeyboardInterrupt"}:
        return "It took too long and was stopped: look for a loop that never ends."
    if error.ename in {"KernelDied", "NotRun"}:
        return error.evalue
    # IPython names a cell's text after a hash, which tells a student nothing.
    value = re.sub(r" \(\d+\.py, line \d+\)$", "", _shorten(error.evalue))
    message = f"{error.ename}: {value}".rstrip(": ")
    frames = run.frames(error)
    mine = [frame for frame in frames if utils.is_solution(frame[0])]
    if mine:
        return f"{message}\nin line {mine[-1][1]} of your answer: {_line(*mine[-1])}"
    if frames:
        name = find_grade_id(cell)
        place = "the cell" if name is None else f"the test {name}"
        if utils.is_solution(cell):
            place = "your answer"
        return f"{message}\nin line {frames[-1][1]} of {place}: {_line(*frames[-1])}"
    return message


def _line(cell: NotebookNode, number: int) -> str:
    lines = cell.source.splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def _shorten(text: str) -> str:
    lines = strip_ansi(text).strip().splitlines()
    if len(lines) > _LINES_SHOWN:
        lines = [*lines[:_LINES_SHOWN], f"... ({len(lines) - _LINES_SHOWN} more lines)"]
    return "\n".join(line if len(line) <= 300 else line[:297] + "..." for line in lines)


def _failures(run: _Run) -> list[str]:
    """The lesson's own cells that fail, a sentence each."""
    found = []
    for cell in run.cells:
        error = run.error(cell)
        of_lesson = not find_grade_id(cell) and _guarded_by(cell) is None
        if error is not None and of_lesson and RAISES not in tags(cell):
            changed = "You changed this cell. " if is_edited(cell) else ""
            why = _explain(error, run, cell)
            end = "" if why.endswith((".", "!", "?")) else "."
            found.append(
                f"A cell of the lesson fails without the cells that grading leaves out "
                f"(`{first_line(cell)}`): {why}{end} {changed}"
                "Compare it with a fresh copy of the lesson."
            )
    return found
