"""The `autograder` command."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.classroom.result_formats import Format
from autograder.cli import ask, platforms, reports
from autograder.cli.shared import (
    AssignmentName,
    ClassPath,
    DatabaseUrl,
    console,
    course_root,
    errors,
    progress,
)
from autograder.errors import CourseError
from autograder.grading.decision import Decision, Tests
from course.progress import Bars
from course.terminal import write_plainly

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import TaskID

    from autograder.classroom.assignment import Assignment
    from autograder.classroom.folders import ClassFolder
    from autograder.classroom.gradebook import Gradebook
    from autograder.classroom.results import Result
    from autograder.classroom.workers import Pool
    from autograder.grading.conditions import Conditions
    from autograder.notebooks.source import Lesson
    from autograder.proofs import Proof

app = typer.Typer(
    help="Build lessons, prove their tests, grade submissions, report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(reports.app)
app.add_typer(platforms.app)
app.add_typer(ask.app)

CORES = os.cpu_count() or 1

Names = Annotated[list[str] | None, typer.Argument(help="Lessons, such as 07_chest_xrays.")]
Workers = Annotated[int, typer.Option(help="How many notebooks run at a time.", min=1)]
WhereTests = Annotated[
    Tests | None,
    typer.Option(
        "--tests",
        help="Where the tests run: apart from the answers, or together with them in one process. "
        "By default apart, unless the instructor's own answers lose points that way.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def _lessons(names: list[str] | None) -> list[Lesson]:
    lessons, own = _assignments(names)
    if own:
        raise CourseError(f"{own[0].name} is not a lesson: it has no source to build it from.")
    return lessons


def _assignments(names: list[str] | None) -> tuple[list[Lesson], list[Path]]:
    """The lessons of these names, or all; and the folders of notebooks without a source."""
    from autograder.notebooks.folders import lesson_folders
    from autograder.notebooks.source import all_lessons, read_lesson

    root = course_root()
    if not names:
        return all_lessons(root), []
    known = {folder.name: folder for folder in lesson_folders(root)}
    lessons, own = [], []
    for name in (Path(name).name for name in names):
        if name in known:
            lessons.append(read_lesson(known[name]))
        elif any((root / "solutions" / name).glob("*.ipynb")):
            own.append(root / "solutions" / name)
        else:
            raise CourseError(f"There is no lesson {name!r}. Lessons are: {', '.join(known)}.")
    return lessons, own


@app.command()
def build(
    names: Names = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail if anything would change.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Execute unchanged lessons too.")] = False,
) -> None:
    """Make the instructor notebooks, the students' lessons and the tables of lessons."""
    from autograder.publish import build, lesson_lists
    from autograder.publish.kept_mistakes import is_fresh

    lessons = _lessons(names)
    if check:
        found = [finding for lesson in lessons for finding in build.check(lesson)]
        if not names:
            found += lesson_lists.check(course_root())
        for finding in found:
            errors.print(str(finding), markup=False, highlight=False, soft_wrap=True)
        console.print(f"{len(lessons)} lessons checked, {len(found)} differences.")
        raise typer.Exit(1 if found else 0)
    with progress(Bars) as bar:

        def advance(task: TaskID) -> Callable[[int, int], None]:
            return lambda done, total: bar.update(task, completed=done, total=total)

        for lesson in lessons:
            task = bar.add_task(lesson.name, total=None)
            executed = build.build(lesson, force=force, on_cell=advance(task))
            bar.update(task, completed=1, total=1)
            bar.console.print(
                f"{lesson.name}: {'executed and ' if executed else ''}released, "
                f"{len(lesson.exercises)} exercises, {lesson.points:g} points."
            )
            if force or not is_fresh(lesson):
                _watch_known_mistakes(lesson, bar)
    lesson_lists.write(course_root())


def _watch_known_mistakes(lesson: Lesson, bar: Bars) -> None:
    """See what a lesson's known mistakes do in its tests, so that answers can be compared."""
    from autograder.publish import known_mistakes

    task = bar.add_task(f"{lesson.name}, known mistakes", total=None)
    known = known_mistakes.write(lesson)
    bar.update(task, completed=1, total=1)
    for sentence in known.silent:
        bar.console.print(
            f"{lesson.name}: note: no answer is told of {sentence}.", markup=False, soft_wrap=True
        )


@app.command()
def check(
    names: Names = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Without the proofs, which take minutes.")
    ] = False,
    as_json: AsJson = False,
    workers: Workers = CORES,
) -> None:
    """Say what keeps lessons from being published: drift, leaks, coverage, style, and proofs."""
    from autograder.publish.check import gates

    lessons = _lessons(names)
    chosen = gates(course_root(), lessons, whole=not names)
    if not quick:
        from autograder import proofs

        chosen.append(proofs.gate(lessons, workers))
    count = 0
    with progress(Bars) as bar:
        for gate in chosen:
            task = bar.add_task(gate.name, total=gate.steps)
            for found in gate.findings:
                bar.advance(task)
                count += len(found)
                for finding in found:
                    if as_json:
                        print(json.dumps({"gate": gate.name} | asdict(finding)), flush=True)
                    else:
                        text = f"{gate.name} · {finding}"
                        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if not as_json:
        console.print(f"{len(lessons)} lessons checked, {count} findings.")
    raise typer.Exit(1 if count else 0)


@app.command()
def prove(
    names: Names = None,
    tests: WhereTests = None,
    as_json: AsJson = False,
    workers: Workers = CORES,
) -> None:
    """Run the tests against right answers, blank ones, known mistakes, and answers that compute
    nothing, such as NaN, an empty list or a constant.

    Of an assignment that was not made here: against the instructor's own answers and blank ones. It
    is also decided there whether its tests run apart from the answers or together with them.
    """
    from autograder.proofs import decide_afresh, plan
    from autograder.proofs import prove as run_proofs

    lessons, own = _assignments(names)
    if lessons and tests is Tests.TOGETHER:
        raise CourseError(
            f"{lessons[0].name} is a lesson: its tests run apart from the answers. "
            "--tests together is for assignments that were not made here."
        )
    decided = {folder.name: decide_afresh(folder, tests) for folder in own}
    work = plan(lessons, own, asked=tests)
    with progress(Bars) as bar:
        task = bar.add_task("Proving", total=len(work))

        def report(proof: Proof) -> None:
            bar.advance(task)
            lines = [*proof.problems, *(f"note: {note}" for note in proof.notes)]
            for line in [] if as_json else lines:
                bar.console.print(
                    f"{proof.lesson} · {proof.variant}: {line}", markup=False, soft_wrap=True
                )

        proofs = run_proofs(work, workers, report)
    if as_json:
        for proof in proofs:
            print(json.dumps(proof.to_json()))
    else:
        for name, found in decided.items():
            for notebook, decision in found.items():
                shown = f"{name}/{notebook}" if len(found) > 1 else name
                text = f"{shown}: tests run {decision.tests}: {decision.reason}"
                console.print(text, markup=False, highlight=False, soft_wrap=True)
        held = sum(proof.holds for proof in proofs)
        count = len(lessons) + len(own)
        console.print(f"{held} of {len(proofs)} proofs hold, {count} lessons.")
    raise typer.Exit(0 if all(proof.holds for proof in proofs) else 1)


@app.command()
def grade(
    assignment: AssignmentName,
    students: Annotated[
        list[str] | None, typer.Option("--student", help="Only this student; may be repeated.")
    ] = None,
    class_folder: ClassPath = None,
    force: Annotated[
        bool, typer.Option("--force", help="Grade unchanged submissions again.")
    ] = False,
    timeout: Annotated[int, typer.Option(help="Seconds for one cell.", min=1)] = 30,
    trust_submissions: Annotated[
        bool,
        typer.Option("--trust-submissions", help="Grade without a sandbox, at your own risk."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Submissions that run at a time; as many as cores and memory allow by default.",
            min=1,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option("--dask", help="Grade on a Dask cluster: its scheduler, tcp://HOST:PORT."),
    ] = None,
    gradebook: DatabaseUrl = None,
    tests: WhereTests = None,
    as_json: AsJson = False,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Print the results.json of one --student for this grader."),
    ] = None,
) -> None:
    """Grade the submissions in class/submitted/STUDENT/ASSIGNMENT/, and write feedback.

    Stop it when you like: the same command goes on with what is left.
    """
    from autograder.classroom.assignment import Assignment
    from autograder.classroom.folders import ClassFolder
    from autograder.classroom.grade_table import grade_table
    from autograder.classroom.gradebook import Gradebook
    from autograder.classroom.result_formats import as_results_json
    from autograder.classroom.workers import dask, local
    from autograder.grading.conditions import Conditions
    from autograder.grading.decide import asked_for

    root = course_root()
    where = tests or asked_for(root / "solutions" / Path(assignment).name)
    conditions = Conditions(timeout, isolated=not trust_submissions, tests=where)
    pool = dask(cluster) if cluster else local(workers, conditions.isolated)
    folder = ClassFolder(root, class_folder)
    book = Gradebook(folder, gradebook)
    graded = Assignment(root, Path(assignment).name)
    everyone = folder.students(graded.name)
    for student in students or ():
        folder.check_student(student, graded.name)
    results = []
    chosen = students or everyone
    if form is not None and len(chosen) != 1:
        raise CourseError(
            f"--format {form} prints the result of one student, and there are {len(chosen)}: name "
            "the one with --student."
        )
    is_table = not as_json and form is None
    for result in _grade(graded, folder, book, pool, chosen, conditions, force, not is_table):
        results.append(result)
        if as_json:
            print(json.dumps(result.to_json()), flush=True)
    if form is not None:
        print(as_results_json(results[0], graded.exercises(), form))
    if is_table:
        results.sort(key=lambda result: result.student)
        console.print(grade_table(results, graded.exercises()))
        console.print(f"Feedback: {folder.path / 'feedback'}", soft_wrap=True)
        console.print(f"Gradebook: {book}", soft_wrap=True)


def _grade(
    assignment: Assignment,
    folder: ClassFolder,
    gradebook: Gradebook,
    pool: AbstractContextManager[Pool],
    students: Sequence[str],
    conditions: Conditions,
    force: bool,
    as_json: bool = False,
) -> Iterator[Result]:
    """Grade these students' submissions with a progress bar; see ``grade_class``."""
    from autograder.classroom.grade_class import grade_class
    from autograder.classroom.growing_table import GrowingTable
    from autograder.grading.decide import decisions
    from autograder.grading.grade_submission import grade_submission
    from autograder.sandbox.isolation import isolation_problem
    from autograder.sandbox.workplace import shared_workplace

    if assignment.is_lesson and not assignment.known_mistakes:
        errors.print(
            f"Known mistakes are not recognised: run `autograder build {assignment.name}` once, "
            "since its tests have changed.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def decided() -> dict[str, Decision]:
        # The instructor's own answers run here, also where a cluster grades.
        place = shared_workplace(conditions.isolated and isolation_problem() is None)
        return decisions(assignment.folder, place, conditions.timeout, conditions.tests)

    exercises = assignment.exercises()
    with progress(GrowingTable) as bar:
        task = bar.add_task(f"Grading {assignment.name}", total=len(students))
        for result in grade_class(
            assignment,
            folder,
            gradebook,
            pool,
            grade_submission,
            students=students,
            conditions=conditions,
            decisions=decided,
            force=force,
        ):
            bar.advance(task)
            if not as_json:
                bar.show(result, exercises)
            yield result


@app.command()
def bundle(
    out: Annotated[Path, typer.Argument(help="The zip, or a folder to put it in.")] = Path("dist"),
    with_packages: Annotated[
        bool,
        typer.Option(
            "--with-packages",
            help="Put the packages in too, for machines like this one that have no network.",
        ),
    ] = False,
) -> None:
    """Write the zip that students get: course/, lessons/ and what installs them."""
    from autograder.publish.bundle import make_bundle, student_lock
    from autograder.publish.packages import described, download_packages

    root = course_root()
    if with_packages:
        with tempfile.TemporaryDirectory() as folder:
            packages = Path(folder)
            download_packages(student_lock(root), packages)
            path = make_bundle(root, out, packages)
            console.print(f"Installs without a network: {described(packages)}.", soft_wrap=True)
    else:
        path = make_bundle(root, out)
    console.print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)", soft_wrap=True)


@app.command()
def demo() -> None:
    """Release a lesson, make a small class that answers it well and badly, and grade it."""
    from autograder.classroom.assignment import Assignment
    from autograder.classroom.demo import DEMO_LESSON, make_class
    from autograder.classroom.folders import ClassFolder
    from autograder.classroom.grade_table import grade_table
    from autograder.classroom.gradebook import Gradebook
    from autograder.classroom.workers import local
    from autograder.grading.conditions import Conditions
    from autograder.sandbox.isolation import install_bubblewrap, isolation_problem

    root = course_root()
    if isolation_problem() is not None:
        console.print("Installing bubblewrap, which isolates submissions.")
        install_bubblewrap()
    problem = isolation_problem()
    if problem is not None:
        console.print(f"{problem} The demo grades its own submissions without a sandbox.")
    folder = ClassFolder(root, root / "class" / "demo")
    console.print(f"Releasing {DEMO_LESSON}, and making a class in {folder.path}", soft_wrap=True)
    notes = make_class(root, folder.path)
    lesson = Assignment(root, DEMO_LESSON)
    conditions = Conditions(isolated=problem is None)
    pool = local(isolated=conditions.isolated)
    book = Gradebook(folder)
    graded = _grade(lesson, folder, book, pool, list(notes), conditions, True)
    results = sorted(graded, key=lambda result: result.student)
    console.print(grade_table(results, lesson.exercises(), notes))
    first = next(iter(notes))
    console.print(
        f"Feedback, for example: {folder.feedback(first, lesson.name)[0]}", soft_wrap=True
    )
    console.print(f"Gradebook: {folder.path / 'gradebook.db'}", soft_wrap=True)
    console.print("Open the lessons with: make lab")


def main() -> None:
    """Run the command; an error that a person can act on is one message, not a traceback."""
    write_plainly()
    try:
        app(prog_name="autograder")
    except CourseError as error:
        message = str(error)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module in {"", "autograder", "course"}:
            raise
        message = (
            f"{module} is not installed here. Instructors install more than students do: "
            "run `pip install '.[instructor]'` in the repository, or `make setup` for everything; "
            "--dask and PostgreSQL also need `pip install '.[cluster]'`."
        )
    else:
        return
    errors.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)
