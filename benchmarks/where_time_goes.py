"""Where the processor time of grading one submission goes.

Grades a few submissions of a lesson in the sandbox, one after the other, and adds up the processor
time of the two sandboxed processes by what they were doing, and that of the process that grades.

    python benchmarks/where_time_goes.py
    python benchmarks/where_time_goes.py --lesson 11_language_models --submissions 8
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil
from grading import ROOT, make_class
from nbgrader import utils
from rich.console import Console
from rich.table import Table

from autograder.classroom.assignment import Assignment
from autograder.classroom.folders import ClassFolder
from autograder.classroom.grade_class import make_job, read_task
from autograder.classroom.gradebook import Gradebook
from autograder.grading.conditions import Conditions
from autograder.grading.grade_submission import grade_submission
from autograder.grading.run import NotebookRun
from autograder.notebooks.source import read_lesson
from autograder.sandbox.workplace import Workplace
from course.cells import is_answer

START = "start of the two processes, until the first cell"
LESSON, ANSWERS, TESTS = "the lesson's cells", "the answers' cells", "the tests' cells"
GRADER, READER, WRITER = "comparing, scoring, making the page", "reading", "writing"


class Watch:
    """Adds up seconds of processor time by what they were spent on.

    Args:
        workplace: where the answers run.
    """

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self.seconds: dict[str, float] = defaultdict(float)
        self._idle: float | None = None

    def spent(self) -> float:
        """The processor seconds of all processes in the sandboxes."""
        start = time.process_time()
        total = 0.0
        for zygote in self.workplace.zygotes.values():
            for process in psutil.Process(zygote.process.pid).children(recursive=True):
                try:
                    times = process.cpu_times()
                except psutil.Error:
                    continue
                total += times.user + times.system
        # Looking takes time itself, which grading does not.
        self.seconds[GRADER] -= time.process_time() - start
        return total

    def begin(self) -> None:
        """A submission begins: what has been spent by now was spent once for all of them."""
        self._idle = self.spent()

    def cell(self, run: NotebookRun, channel: Any, index: int, timeout: int) -> Any:
        """Run a cell as ``NotebookRun.cell`` does, and note what it took."""
        before = self.spent()
        if self._idle is not None:
            self.seconds[START] += before - self._idle
            self._idle = None
        done = ORIGINAL(run, channel, index, timeout)
        cell = run.notebook.cells[index]
        kind = TESTS if utils.is_grade(cell) else ANSWERS if is_answer(cell) else LESSON
        self.seconds[kind] += self.spent() - before
        return done


ORIGINAL = NotebookRun.cell


def measure(name: str, count: int) -> dict[str, float]:
    """Processor seconds a submission by what they were spent on.

    Args:
        name: the lesson.
        count: the number of submissions, each with another answer.
    """
    lesson = read_lesson(ROOT / "solutions" / name)
    folder = Path(tempfile.mkdtemp(prefix="where-"))
    try:
        students = make_class(lesson, count + 1, folder, demos=True)
        assignment, classes = Assignment(ROOT, lesson.name), ClassFolder(ROOT, folder)
        conditions = Conditions()
        key = assignment.key(conditions)
        book = Gradebook(classes)
        book.register(assignment)
        with book.alone(), Workplace(isolated=True) as workplace:
            watch = Watch(workplace)
            for number, student in enumerate(students):
                if number == 1:
                    # The first one has found out what all others use.
                    watch.seconds.clear()
                    NotebookRun.cell = lambda *given: watch.cell(*given)  # type: ignore[method-assign]
                start = time.process_time()
                task = read_task(assignment, classes, student, key)
                job = make_job(assignment, task, conditions)
                # The processes of the one before end a moment after it.
                time.sleep(0.5)
                watch.begin()
                read = time.process_time()
                marked = grade_submission(job, workplace)
                graded = time.process_time()
                book.record(assignment, task.student, marked, task.key)
                watch.seconds[READER] += read - start
                watch.seconds[GRADER] += graded - read
                watch.seconds[WRITER] += time.process_time() - graded
    finally:
        NotebookRun.cell = ORIGINAL  # type: ignore[method-assign]
        shutil.rmtree(folder)
    return {what: seconds / count for what, seconds in watch.seconds.items()}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lesson", default="07_chest_xrays")
    parser.add_argument("--submissions", type=int, default=8)
    options = parser.parse_args()
    spent = measure(options.lesson, options.submissions)
    table = Table("processor time of a submission", "seconds", title=options.lesson)
    for what in (READER, START, LESSON, ANSWERS, TESTS, GRADER, WRITER):
        table.add_row(what, f"{spent[what]:.3f}")
    table.add_row("all", f"{sum(spent.values()):.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
