"""Run a rebuilt notebook and score it, whatever the answers do.

The answers run in one process, the tests in another, which scores them (see ``sandbox``). An answer
that never ends, or that ends its process, costs its own exercise: the notebook is run again with
that answer left blank, so the other exercises are still graded.
"""

from __future__ import annotations

import ast
import hashlib
import re
import time
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils

from autograder.inside.channel import Channel, ChannelClosedError
from autograder.inside.examiner import LESSON_PATIENCE
from autograder.inside.wire import CannotTravelError, decode, encode
from autograder.intake import changed_names, defined_names, plain_python
from autograder.rebuild import Answers, grade_id, groups, is_answer, rebuild, references, stubs
from autograder.sandbox import Workplace, WorkplaceLostError
from autograder.scoring import CellScore, error_message, score_cell

# nbgrader's default. A lesson is graded in seconds; the rest is for slow machines.
CELL_TIMEOUT = 30

UNDEFINED = re.compile(r"NameError: name '(\w+)' is not defined")

GRADED, TIMEOUT, MEMORY, DIED, ERROR = "graded", "timeout", "memory", "died", "error"

# A process may be ended from outside too, by a machine short of memory, say. So an answer's process
# has died when it has died this often, and grading has failed when it has failed this often.
ATTEMPTS = {DIED: 3, ERROR: 5}

OUT_OF_MEMORY = {"MemoryError", "ResourceExhaustedError"}


# Before the first cell.
NOWHERE = -1


@dataclass(frozen=True)
class Stop:
    """Where a run was cut short, and why."""

    cell: int
    status: str
    message: str


LOST = Stop(NOWHERE, ERROR, "Something has ended the processes that grade.")


@dataclass
class Examination:
    """A notebook that has run, with what each test cell is worth."""

    notebook: NotebookNode
    status: str
    seconds: float
    message: str = ""
    cells: dict[str, CellScore] = field(default_factory=dict)

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
    """
    start = time.monotonic()
    blank = stubs(instructor)
    answers = blank | {name: text for name, text in answers.items() if name in blank}
    stops: dict[int, Stop] = {}
    objects = known_objects(instructor, workplace, files)
    while True:
        right = _Right(references(instructor), objects)
        run, stop = _run(instructor, answers, right, set(stops), workplace, files, timeout)
        if run.objects["refused"] and objects is NO_OBJECTS:
            # No lesson's answer gives any, so it is found out when the first one does.
            objects = objects_in_tests(instructor, workplace, files, timeout)
            if objects is None:
                return _broken(run.notebook, LOST, time.monotonic() - start)
            continue
        notebook = run.notebook
        if stop is None:
            break
        blamed = _blamed(notebook, stop.cell)
        if not blamed - stops.keys():
            return _broken(notebook, stop, time.monotonic() - start)
        stops |= {index: stop for index in blamed}
    _write_stops(notebook, stops)
    examination = Examination(notebook, GRADED, time.monotonic() - start)
    if stops:
        first = next(iter(stops.values()))
        examination.status, examination.message = first.status, first.message
    elif run.out_of_memory:
        examination.status, examination.message = MEMORY, "An answer asked for too much memory."
    examination.cells = _score(run, blank, elsewhere)
    return examination


@dataclass(frozen=True)
class _Right:
    """The instructor's own answers, and what the tests did with objects of theirs; None if that is
    to be found out."""

    answers: Answers
    objects: dict | None


NO_OBJECTS = {"given by": set(), "comparisons": {}, "compared": set(), "refused": False}


def objects_in_tests(
    instructor: NotebookNode, workplace: Workplace, files: bytes = b"", timeout: int = CELL_TIMEOUT
) -> dict | None:
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
            unknown, patient = _Right(right, None), LESSON_PATIENCE * timeout
            run, stop = _run(instructor, right, unknown, set(), workplace, files, patient)
            if stop is not None and stop.status == ERROR:
                return None
            # Never NO_OBJECTS itself, which stands for what has not been found out.
            found.append(dict(run.objects))
        return found[0]


def known_objects(instructor: NotebookNode, workplace: Workplace, files: bytes = b"") -> dict:
    """As ``objects_in_tests``, as far as it had to be found out."""
    with workplace.found_out(_key(instructor, files)) as found:
        return found[0] if found else NO_OBJECTS


def _key(instructor: NotebookNode, files: bytes) -> str:
    code = "\0".join(cell.source for cell in instructor.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode() + files).hexdigest()


def _run(
    instructor: NotebookNode,
    answers: Answers,
    right: _Right,
    skip: Set[int],
    workplace: Workplace,
    files: bytes,
    timeout: int,
) -> tuple[_Run, Stop | None]:
    """One pass over the rebuilt notebook, repeated where a process has ended."""
    tried: Counter[str] = Counter()
    while True:
        run = _Run(rebuild(instructor, answers), right, skip)
        try:
            stop = run.execute(workplace, files, timeout)
        except WorkplaceLostError:
            stop = LOST
        if stop is None:
            return run, None
        tried[stop.status] += 1
        if tried[stop.status] >= ATTEMPTS.get(stop.status, 1):
            return run, stop


class _Run:
    """One pass over a rebuilt notebook."""

    def __init__(self, notebook: NotebookNode, right: _Right, skip: Set[int]) -> None:
        self.notebook = notebook
        self.right = right
        self.skip = skip
        self.objects = NO_OBJECTS
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
            channel.send(encode(self._request(cell)))
            # The tests wait for the answers themselves; this is for tests that do not end.
            reply = decode(channel.receive(2 * LESSON_PATIENCE * timeout))
        except TimeoutError:
            return Stop(index, TIMEOUT, f"It ran for more than {timeout} seconds.")
        except (ChannelClosedError, CannotTravelError):
            return Stop(index, ERROR, "The process of the tests has ended.")
        cell.outputs = [nbformat.from_dict(output) for output in reply["outputs"]]
        if reply["value"] is not None:
            text = {"text/plain": reply["value"]}
            cell.outputs.append(
                new_output("execute_result", text, execution_count=cell.execution_count)
            )
        self.objects = reply["objects"]
        error = reply["error"]
        if reply["stopped"]:
            return Stop(index, reply["stopped"], error["evalue"] if error else "It has ended.")
        if error:
            self.out_of_memory |= error["ename"] in OUT_OF_MEMORY
            if error["line"] is not None:
                self.lines[index] = error["line"]
            cell.outputs.append(
                new_output(
                    "error",
                    ename=error["ename"],
                    evalue=error["evalue"],
                    traceback=error["traceback"],
                )
            )
        return None

    def _request(self, cell: NotebookNode) -> dict:
        # Asked first: a cell that a person marks is a grade cell too, and a student's.
        if not is_answer(cell):
            kind = "test" if utils.is_grade(cell) else "lesson"
            return {"kind": kind, "source": cell.source}
        right = self.right.answers[grade_id(cell)]
        imports = import_statements(right)
        defined = defined_names(right) - defined_names(imports)
        return {
            "kind": "answer",
            "source": cell.source,
            "name": grade_id(cell),
            "defines": sorted(defined),
            "changes": sorted(changed_names(right) - defined),
            "imports": imports,
            "objects": self.right.objects,
        }


def import_statements(source: str) -> str:
    """The import statements at the top level of a cell."""
    try:
        tree = ast.parse(plain_python(source))
    except (SyntaxError, ValueError):
        return ""
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(ast.unparse(node) for node in imports)


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
    return Examination(notebook, ERROR, seconds, message, nothing(notebook, message))


def nothing(notebook: NotebookNode, message: str) -> dict[str, CellScore]:
    """No points for any test cell of a notebook, for one reason."""
    return {
        grade_id(cell): CellScore(0.0, float(cell.metadata["nbgrader"]["points"]), message)
        for cell in notebook.cells
        if utils.is_grade(cell)
    }


def _score(run: _Run, blank: Answers, elsewhere: Set[str]) -> dict[str, CellScore]:
    notebook = run.notebook
    scores = {grade_id(cell): score_cell(cell) for cell in notebook.cells if utils.is_grade(cell)}
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


def _explain(
    score: CellScore,
    line: int | None,
    solution: NotebookNode,
    blank: Answers,
    elsewhere: Set[str],
) -> CellScore:
    """Say where a failure came from: no answer, an answer that did not run, or a line of it."""
    message = score.message
    if solution.source.strip() == blank[grade_id(solution)].strip():
        message = "Not answered."
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
