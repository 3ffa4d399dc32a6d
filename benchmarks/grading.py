"""How much faster `autograder grade` is than stock `nbgrader autograde`, on the same submissions.

Makes a class out of a lesson's own right and wrong answers, grades it with both commands on this
machine, one after the other, and compares: seconds a submission, scores (which must agree), how
long a fresh pair of processes takes until TensorFlow answers, and the memory of one more worker.

    python benchmarks/grading.py
    python benchmarks/grading.py --lesson 07_chest_xrays --submissions 24 --json

Stock nbgrader grades with the same instructor notebook, in its own kernels, without a sandbox.
It runs a submission as it was handed in; `autograder grade` leaves out the cells that only show
something. So stock is measured twice: with those cells, and without.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from rich.console import Console
from rich.table import Table

from autograder.classroom import gradebook
from autograder.classroom.assignment import Assignment
from autograder.classroom.folders import ClassFolder
from autograder.classroom.grade_class import make_job, read_task
from autograder.grading.conditions import Conditions
from autograder.grading.grade_submission import grade_submission
from autograder.nbgrader_course.settings import COURSE_ID, gradebook_url
from autograder.notebooks.source import Lesson, read_lesson
from autograder.proofs import variants
from autograder.sandbox.inside.protocol import LessonCell, from_json, to_json
from autograder.sandbox.workplace import Workplace
from course.cells import DEMO, find_grade_id, tags

ROOT = Path(__file__).resolve().parent.parent


def make_class(lesson: Lesson, count: int, folder: Path, demos: bool) -> list[str]:
    """Hand in a lesson many times, with its author's right and wrong answers.

    Args:
        lesson: the lesson.
        count: the number of submissions.
        folder: the folder in which ``submitted/`` is made.
        demos: whether the cells that only show something are kept.

    Returns:
        The students.
    """
    released = nbformat.read(lesson.student_notebook, as_version=4)
    if not demos:
        released.cells = [cell for cell in released.cells if DEMO not in tags(cell)]
    # An answer that stops the process would be a race against the clock, not a comparison.
    answers = list(variants(lesson))
    step = max(1, len(answers) // count)
    chosen = list(itertools.islice(itertools.cycle(answers[::step]), count))
    students = []
    for number, variant in enumerate(chosen):
        notebook = nbformat.from_dict(released)
        for cell in notebook.cells:
            exercise = find_grade_id(cell)
            if exercise in variant.answers:
                # The same text is graded only once, so no two submissions have the same text.
                cell.source = f"{variant.answers[exercise]}\n# {number}"
        students.append(f"s{number:03}")
        path = folder / "submitted" / students[-1] / lesson.name / lesson.student_notebook.name
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    return students


def run(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command and return its seconds, and those until its first line.

    Raises:
        RuntimeError: with the end of what it wrote, where it failed.
    """
    start = first = time.monotonic()
    # nbgrader looks for alembic on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # Stock nbgrader gives no points for a test that writes anything to stderr, a warning included.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    environment = os.environ | quiet | {"PATH": path}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=said, text=True
        )
        assert process.stdout is not None
        for number, _ in enumerate(process.stdout):
            if number == 0:
                first = time.monotonic()
        if process.wait():
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{said.read()[-3000:]}")
    return time.monotonic() - start, first - start


def scores(url: str, lesson: Lesson) -> dict[str, float]:
    """Points by student, from a gradebook."""
    with Gradebook(url, COURSE_ID) as book:
        return {s.student_id: s.score for s in book.assignment_submissions(lesson.name)}


def stock(lesson: Lesson, count: int, folder: Path, demos: bool) -> tuple[float, dict[str, float]]:
    """Seconds and scores of stock `nbgrader autograde`."""
    make_class(lesson, count, folder, demos)
    source = folder / "source" / lesson.name
    source.mkdir(parents=True)
    instructor = nbformat.read(lesson.instructor_notebook, as_version=4)
    nbformat.write(
        instructor if demos else _without_demos(instructor), source / lesson.student_notebook.name
    )
    (folder / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.course_id = 'deep_learning'\nc.Execute.timeout = 600\n"
    )
    nbgrader = [sys.executable, "-m", "nbgrader"]
    run([*nbgrader, "generate_assignment", lesson.name], folder)
    seconds, _ = run([*nbgrader, "autograde", lesson.name], folder)
    return seconds, scores(gradebook_url(folder), lesson)


def _without_demos(notebook: NotebookNode) -> NotebookNode:
    notebook = nbformat.from_dict(notebook)
    notebook.cells = [cell for cell in notebook.cells if DEMO not in tags(cell)]
    return notebook


def ours(
    lesson: Lesson, count: int, folder: Path, workers: int
) -> tuple[float, float, dict[str, float]]:
    """Seconds of `autograder grade`, those until the first result, and scores.

    A first submission is graded before the clock starts: the lesson's data sets are prepared then,
    where no one has prepared them yet.
    """
    students = make_class(lesson, count, folder, demos=True)
    command = [str(Path(sys.executable).with_name("autograder")), "grade", lesson.name]
    command += ["--class", str(folder), "--json", "--workers", str(workers)]
    run([*command, "--student", students[0]], ROOT)
    seconds, first = run([*command, "--force"], ROOT)
    return seconds, first, scores(gradebook_url(folder), lesson)


def memory(lesson: Lesson, folder: Path, workers: int) -> float:
    """The peak of `autograder grade`'s memory in megabytes, for a class that ``ours`` made.

    Apart from ``ours``, because looking at memory slows down what it looks at.
    """
    command = [str(Path(sys.executable).with_name("autograder")), "grade", lesson.name]
    command += ["--class", str(folder), "--json", "--workers", str(workers), "--force"]
    with PeakMemory() as peak:
        run([*command, *(f"--student=s{number:03}" for number in range(4))], ROOT)
    return peak.megabytes


class PeakMemory:
    """The most memory that the processes below this one had, shared pages counted in parts."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._done.wait(1):
            total = sum(_proportional(process) for process in _below())
            self.megabytes = max(self.megabytes, total / 1e6)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def _below() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _proportional(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except (psutil.Error, OSError):
        return 0


def ready_seconds(repeats: int = 10) -> Iterator[float]:
    """Seconds from asking for a fresh pair of sandboxed processes to TensorFlow's first answer."""
    cell = LessonCell("import tensorflow as tf\nfloat(tf.constant(1.0) + 1)")
    with Workplace(isolated=True) as workplace:
        for number in range(repeats + 1):
            start = time.monotonic()
            with workplace.pair(60) as channel:
                channel.send(to_json(cell))
                done = from_json(channel.receive(120))
                assert done.error is None, done
                # The first one waits for the imports.
                if number:
                    yield time.monotonic() - start


def writing(lesson: Lesson, folder: Path) -> dict[str, float]:
    """What one writer does for each submission, wherever that was graded, and what travels.

    Args:
        lesson: the lesson.
        folder: a class that ``ours`` made.
    """
    assignment, classes, conditions = (
        Assignment(ROOT, lesson.name),
        ClassFolder(ROOT, folder),
        Conditions(),
    )
    key = assignment.key(conditions)
    students = classes.students(lesson.name)[:9]
    tasks = [read_task(assignment, classes, student, key) for student in students]
    jobs = [make_job(assignment, task, conditions) for task in tasks]
    marked = [grade_submission(job) for job in jobs]
    writer = gradebook.Gradebook(classes)
    spent = []
    with writer.alone():
        for task, notebooks in zip(tasks, marked, strict=True):
            start = time.process_time()
            writer.record(assignment, task.student, notebooks, task.key)
            spent.append(time.process_time() - start)
    # The first one makes the statements that all others use again.
    seconds = statistics.mean(spent[1:])
    sizes = [[len(pickle.dumps(each)) / 1000 for each in kind] for kind in (jobs, marked)]
    job, result = map(statistics.mean, sizes)
    return {
        "writing_cpu_seconds_a_submission": round(seconds, 2),
        "job_kilobytes": round(job),
        "result_kilobytes": round(result),
    }


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lesson", default="07_chest_xrays")
    parser.add_argument("--submissions", type=int, default=16)
    parser.add_argument("--stock-with-demos", type=int, default=2, help="submissions; 0 for none")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lesson = read_lesson(ROOT / "solutions" / options.lesson)
    count = options.submissions
    folder = Path(tempfile.mkdtemp(prefix="grading-"))
    try:
        ready = statistics.median(ready_seconds())
        own, first, own_scores = ours(lesson, count, folder / "ours", options.workers)
        one, all_ = (memory(lesson, folder / "ours", number) for number in (1, options.workers))
        plain, plain_scores = stock(lesson, count, folder / "stock", demos=False)
        result = {
            "lesson": lesson.name,
            "submissions": count,
            "workers": options.workers,
            "autograder_seconds_a_submission": round(own / count, 2),
            "stock_seconds_a_submission": round(plain / count, 2),
            "ratio": round(plain / own, 1),
            "first_result_after_seconds": round(first, 1),
            "same_scores": own_scores == plain_scores,
            "ready_seconds": round(ready, 3),
            "megabytes_with_one_worker": round(one),
            "megabytes_of_each_further_worker": round((all_ - one) / max(1, options.workers - 1)),
        }
        result |= writing(lesson, folder / "ours")
        if options.stock_with_demos:
            full, _ = stock(lesson, options.stock_with_demos, folder / "full", demos=True)
            seconds = full / options.stock_with_demos
            result["stock_with_all_cells_seconds_a_submission"] = round(seconds, 2)
            result["ratio_with_all_cells"] = round(seconds / (own / count), 1)
    finally:
        shutil.rmtree(folder)
    for student in own_scores:
        if own_scores[student] != plain_scores.get(student):
            found = f"{own_scores[student]:g} and {plain_scores.get(student)} points"
            print(f"{student}: {found}", file=sys.stderr)
    if options.json:
        print(json.dumps(result))
        return
    table = Table("figure", "value", title=f"Grading {lesson.name} on {os.cpu_count()} cores")
    for name, value in result.items():
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)


if __name__ == "__main__":
    main()
