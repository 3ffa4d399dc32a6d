"""What the course does in a running notebook: ``%check``, and one line for a blank answer.

``course.setup`` switches it on. It needs IPython and no extension of an editor, so it is the same
in JupyterLab, Notebook 7, VS Code and Colab. A submission that is graded has none of it.
"""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from types import TracebackType
from typing import Any

# What nbgrader puts in the place of an answer.
_BLANK = ["# YOUR CODE HERE", "raise NotImplementedError()"]


@dataclass(frozen=True)
class CellRun:
    """A cell that has run: its text, why it failed ("" if it did not), and whether it only met an
    answer that is still blank."""

    source: str
    failure: str = ""
    is_blank: bool = False


class Session:
    """The cells that have run in this kernel, in their order."""

    def __init__(self) -> None:
        self.runs: list[CellRun] = []

    def note(self, result: Any) -> None:
        """After a cell: note how it ended, and let *Run All* go on after a blank answer.

        The error stays in the cell's output, so whoever grades the output sees it; only the reply
        to the editor, which decides whether the next cell runs, says that the cell has ended well.
        """
        source = getattr(getattr(result, "info", None), "raw_cell", None)
        if not isinstance(source, str):
            return
        error = result.error_before_exec or result.error_in_exec
        if error is None:
            self.runs.append(CellRun(source))
            return
        is_blank = isinstance(error, NotImplementedError) and in_blank(error.__traceback__)
        self.runs.append(CellRun(source, _sentence(error), is_blank))
        if is_blank:
            result.error_in_exec = None


def _sentence(error: BaseException) -> str:
    text = str(error).strip()
    if isinstance(error, AssertionError):
        return text or "A test does not hold."
    return f"{type(error).__name__}: {text}".rstrip(": ")


def in_blank(traceback: TracebackType | None) -> bool:
    """Whether an error was raised by the line that a blank answer consists of."""
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    number = traceback.tb_lineno
    lines = linecache.getlines(traceback.tb_frame.f_code.co_filename)[:number]
    return [line.strip() for line in lines if line.strip()][-2:] == _BLANK


def _show_in_one_line(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    if in_blank(traceback):
        # IPython shows what this gives instead of a traceback.
        vars(error)["_render_traceback_"] = lambda: ["This exercise is not answered yet."]
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)


_sessions: dict[int, Session] = {}


def switch_on() -> None:
    """Offer ``%check`` in this notebook, and show a blank answer in one line. Does nothing outside
    a notebook, and nothing the second time."""
    shell = _kernel_shell()
    if shell is None or id(shell) in _sessions:
        return
    session = _sessions[id(shell)] = Session()
    shell.events.register("post_run_cell", session.note)
    shell.set_custom_exc((NotImplementedError,), _show_in_one_line)
    shell.register_magic_function(_check_magic, "line", "check")


def _kernel_shell() -> Any:
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


def _check_magic(line: str) -> None:
    check_here(*line.split())


def check_here(*names: str) -> None:
    """Show how far the exercises of this notebook are: those that pass the tests that you see,
    those that do not yet and why, and those that you have not tried.

    It says what the cells that have run in this notebook have shown, and runs nothing. In a cell
    ``%check`` does the same.

    Args:
        names: exercises to show, all by default.

    Raises:
        RuntimeError: this is not a notebook, or ``course.setup()`` has not run in it.
    """
    session = _sessions.get(id(_kernel_shell()))
    if session is None:
        raise RuntimeError("There is nothing to check yet: run `course.setup()` in a notebook.")
    from course.check.record import Record, record_path
    from course.check.session import exercises_by_shape, lesson_of, standings

    lesson = lesson_of(session.runs)
    exercises = exercises_by_shape(session.runs) if lesson is None else lesson.exercises
    found = standings(exercises, session.runs)
    if lesson is not None:
        Record(record_path()).note(lesson, {s.name: (s.state, s.answer) for s in found})
    chosen = [standing for standing in found if not names or standing.name in names]
    if not found:
        print("No test of an exercise has run yet.")
    elif not chosen:
        print(f"There is no such exercise. There are: {', '.join(s.name for s in found)}.")
    for standing in chosen:
        print(standing)
