"""Run a lesson's visible tests against the student's answers, as grading will see them.

nbgrader's Validator runs and scores. It is given the notebook that grading would
make: the lesson's cells in the lesson's order with the student's answers, without the cells that
only show something and without the student's own.
"""

from __future__ import annotations

import contextlib
import copy
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
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, Execute
from nbgrader.validator import Validator
from traitlets import Any as AnyTrait
from traitlets import Float

from course.cells import find_grade_id, first_line, grade_id, is_edited, tags
from course.check.lesson import Exercise, Lesson
from course.check.names import (
    bound_names,
    has_statements,
    imported_modules,
    needed_names,
)
from course.kernels import warm_by_default

RIGHT, NOT_YET, UNANSWERED, ERROR, BY_HAND = (
    "right",
    "not yet",
    "not answered",
    "error",
    "graded by hand",
)

# A student's tags must not change what runs.
_TAGS_THAT_STEER = {"raises-exception", "skip-execution"}
_FRAME = re.compile(r"Cell In\s?\[(\d+)\], line (\d+)")
_LINES_SHOWN = 12


@dataclass
class Outcome:
    """The state of one exercise.

    ``state`` is one of the constants above; ``message`` says why, for a student; ``passed`` and
    ``tests`` count the visible tests; ``warnings`` name what grading will not see.
    """

    name: str
    title: str
    state: str
    message: str = ""
    passed: int = 0
    tests: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return self.state in {RIGHT, BY_HAND} and not self.warnings


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


def as_graded(lesson: Lesson) -> NotebookNode:
    """The notebook that grading would run."""
    notebook = copy.deepcopy(lesson.notebook)
    notebook.cells = copy.deepcopy(lesson.graded_cells())
    for cell in notebook.cells:
        if find_grade_id(cell) and _TAGS_THAT_STEER & tags(cell):
            cell.metadata.tags = sorted(tags(cell) - _TAGS_THAT_STEER)
    return notebook


def check_answers(
    lesson: Lesson, *, timeout: float = 300, on_cell: Callable[[NotebookNode], None] | None = None
) -> tuple[list[Outcome], list[str]]:
    """Run the visible tests.

    Args:
        lesson: the lesson, as ``read_lesson`` returns it.
        timeout: the seconds that a cell may take, 300 by default.
        on_cell: a function that is called with each cell before it runs. None, the default, calls
            nothing.

    Returns:
        an outcome per exercise, and what is wrong with the lesson outside the exercises.
    """
    validator = LessonValidator(cell_timeout=timeout, on_cell=on_cell or (lambda cell: None))
    validator.log.setLevel("CRITICAL")
    with tempfile.TemporaryDirectory(prefix="course-check-") as folder:
        if not lesson.made_here:
            _copy_neighbours(lesson.path, Path(folder))
        path = Path(folder) / lesson.path.name
        nbformat.write(as_graded(lesson), path)
        with quiet_kernels():
            executed = validator.run(path)
    failed = validator.failed_tests(executed)
    run = _Run(executed)
    outcomes = [_judge(exercise, run, failed) for exercise in lesson.exercises]
    for exercise, outcome in zip(lesson.exercises, outcomes, strict=True):
        outcome.warnings += unseen(lesson, exercise)
    return outcomes, _problems(lesson, run)


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
    outcome = Outcome(exercise.name, exercise.title, RIGHT, tests=len(exercise.tests))
    answer = exercise.answer
    changed = [test for test in exercise.tests if is_edited(test) or test.cell_type != "code"]
    for test in changed:
        outcome.warnings.append(
            f"The test cell {grade_id(test)} was changed: grading uses the original. "
            "Take it from a fresh copy of the lesson."
        )
    if answer is not None and utils.is_grade(answer):
        return _judge_by_hand(answer, outcome)
    if answer is not None and "checksum" in answer.metadata.nbgrader and not is_edited(answer):
        outcome.state = UNANSWERED
        return outcome
    tests = [run.by_id[grade_id(test)] for test in exercise.tests if grade_id(test) in run.by_id]
    outcome.passed = sum(grade_id(test) not in failed for test in tests)
    ran = [run.by_id[exercise.name]] if answer is not None else []
    for cell in ran + tests:
        error = run.error(cell)
        if error is None:
            continue
        if error.ename == "NotImplementedError" and _has_stub(answer):
            outcome.state = UNANSWERED
            if outcome.passed:
                outcome.message = "A part of the answer is still `raise NotImplementedError()`."
        elif error.ename == "AssertionError" and cell in tests and not _in_answer(error, run):
            outcome.state, outcome.message = NOT_YET, _assertion(error, run)
        else:
            outcome.state, outcome.message = ERROR, _explain(error, run, cell)
        return outcome
    if outcome.passed < len(tests):
        outcome.state = NOT_YET
    elif not any(has_statements(test.source) for test in exercise.tests):
        outcome.state = BY_HAND
        outcome.message = "It runs. Its tests are the instructor's, so nothing was compared here."
    return outcome


def _judge_by_hand(answer: NotebookNode, outcome: Outcome) -> Outcome:
    untouched = "checksum" in answer.metadata.nbgrader and not is_edited(answer)
    outcome.state = UNANSWERED if untouched else BY_HAND
    return outcome


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
        place = "your answer" if utils.is_solution(cell) else f"the test {find_grade_id(cell)}"
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


def unseen(lesson: Lesson, exercise: Exercise) -> list[str]:
    """What an answer relies on that grading will not see."""
    if exercise.answer is None or exercise.answer.cell_type != "code":
        return []
    source = exercise.answer.source
    needed = needed_names(source)
    code = [cell for cell in lesson.own if cell.cell_type == "code"]
    seen = set().union(*(bound_names(c.source) for c in lesson.graded_cells() if c in code), set())
    warnings = []
    groups = [
        ("a cell of your own", [c for c in lesson.extra if c.cell_type == "code"]),
        ("a cell that only shows something", [c for c in code if c not in lesson.graded_cells()]),
    ]
    for what, cells in groups:
        for cell in cells:
            if names := sorted(needed & bound_names(cell.source) - seen):
                warnings.append(
                    f"Uses {_listed(names)}, defined only in {what} (`{first_line(cell)}`), which "
                    "grading does not run. Move it into the answer's cell."
                )
    for cell in code:
        edited = cell is not exercise.answer and not find_grade_id(cell) and is_edited(cell)
        if edited and (names := sorted(needed & bound_names(cell.source))):
            warnings.append(
                f"Uses {_listed(names)} from a cell of the lesson that you changed "
                f"(`{first_line(cell)}`): grading uses the original cell."
            )
    if lesson.made_here:
        warnings += [
            f"Imports {name}, a file beside the notebook, which grading does not see. "
            "Move what you need into the answer's cell."
            for name in sorted(imported_modules(source))
            if (lesson.path.parent / f"{name}.py").exists() or (lesson.path.parent / name).is_dir()
        ]
    return warnings


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _problems(lesson: Lesson, run: _Run) -> list[str]:
    problems = []
    if lesson.missing:
        count = len(lesson.missing)
        problems.append(
            f"{count} of the lesson's cells {'is' if count == 1 else 'are'} missing from your "
            "notebook. Grading puts back what it needs, but not an answer: take a fresh copy of "
            "the lesson and paste your answers into it."
        )
    for cell in lesson.extra:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in run.by_id:
            problems.append(
                f"There is a copy of the cell {name}. Grading takes the lesson's own: keep your "
                "answer there, and delete the copy."
            )
    for cell in run.cells:
        error = run.error(cell)
        if error is not None and not find_grade_id(cell) and "raises-exception" not in tags(cell):
            changed = "You changed this cell. " if is_edited(cell) else ""
            problems.append(
                f"A cell of the lesson fails without the cells that grading leaves out "
                f"(`{first_line(cell)}`): {_explain(error, run, cell)}. {changed}"
                "Compare it with a fresh copy of the lesson."
            )
    return problems
