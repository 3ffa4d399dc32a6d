"""Prove a lesson's tests: right answers get all points, wrong ones lose some.

Of an assignment that was not made here, the instructor's own answers and blank ones are tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader import utils

from autograder.gates.finding import Finding, Gate
from autograder.gates.foreign import faults, refusals, remarks
from autograder.grading.decide import decide, decisions
from autograder.grading.decision import OF_A_LESSON, Decision, Tests
from autograder.grading.fooling import fooled_tests
from autograder.grading.grade_notebook import Examination, examine
from autograder.grading.rebuild import references, stubs
from autograder.grading.run import known_objects
from autograder.grading.score import NO_MESSAGE, CellScore, error_message
from autograder.grading.status import Status
from autograder.notebooks.cells import ALTERNATIVE, MISCONCEPTION, Answers
from autograder.notebooks.files import archive
from autograder.notebooks.folders import source_path
from autograder.notebooks.instructor import make_instructor_notebook
from autograder.notebooks.source import Lesson, explanation
from autograder.sandbox.inside.classes import IDENTITY
from autograder.sandbox.inside.protocol import ObjectUse
from autograder.sandbox.isolation import isolation_problem
from autograder.sandbox.workplace import Workplace, shared_workplace
from course.cells import RAISES, find_grade_id, first_line, grade_id, tags

# An author's own cells are known to end, also on a busy machine.
CELL_TIMEOUT = 120
REFERENCE, BLANK, FOOLING = "reference", "blank", "fooling answers"
KINDS = frozenset({REFERENCE, BLANK, MISCONCEPTION, ALTERNATIVE, FOOLING})
REMEDIES = {
    REFERENCE: "correct the answer, or the test that it fails",
    BLANK: "let the tests fail where nothing has been answered",
    MISCONCEPTION: "let a test of this exercise fail for the mistake, and no test of another one",
    ALTERNATIVE: "let the tests accept it; if it is wrong, remove it",
    FOOLING: "let the test refuse it, or say in the cell why it is right: `# Takes NaN: …`",
}


@dataclass(frozen=True)
class Variant:
    """Answers whose outcome the author has promised.

    Attributes:
        lesson: the lesson's name.
        kind: reference, blank, misconception, alternative or fooling answers.
        answers: all answers of the notebook; the instructor's where many are tried.
        exercise: the one that a misconception or an alternative is about, as the others below.
        number: which one of its kind and exercise, from 1.
        text: what the author says about it.
        tests: the test cells of the exercise.
        cell: its place among the source's cells, from 1.
    """

    lesson: str
    kind: str
    answers: Answers
    exercise: str = ""
    number: int = 0
    text: str = ""
    tests: tuple[str, ...] = ()
    cell: int | None = None

    @property
    def name(self) -> str:
        return f"{self.exercise} {self.kind} {self.number}" if self.exercise else self.kind


@dataclass(frozen=True)
class Proof:
    """A variant's outcome; it holds if there are no problems.

    Attributes:
        lesson: the lesson's or assignment's name.
        variant: the variant's name.
        text: what the author says about it.
        score: its points.
        max_score: the points that can be had.
        seconds: how long it ran.
        problems: what is wrong, in sentences.
        messages: by test that lost points, why.
        notes: what to know of the tests, in sentences.
        tests: where they ran, ``apart`` or ``together``.
    """

    lesson: str
    variant: str
    text: str
    score: float
    max_score: float
    seconds: float
    problems: list[str] = field(default_factory=list)
    messages: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tests: Tests = Tests.APART

    @property
    def holds(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"holds": self.holds}


@dataclass(frozen=True)
class Work:
    """A variant, and how it is run.

    Attributes:
        variant: the answers.
        instructor: the notebook that they belong into.
        files: an archive of the files beside that.
        is_lesson: whether it was made here, so that its tests run apart.
        asked: where the tests are to run, if an author has asked for it.
        refused: why it cannot be run at all.
    """

    variant: Variant
    instructor: NotebookNode
    files: bytes
    is_lesson: bool = True
    asked: Tests | None = None
    refused: tuple[str, ...] = ()


def variants(lesson: Lesson) -> Iterator[Variant]:
    """Every variant of a lesson's answers that must be proven."""
    instructor = make_instructor_notebook(lesson)
    right = references(instructor)
    yield Variant(lesson.name, REFERENCE, right)
    yield Variant(lesson.name, BLANK, stubs(instructor))
    yield Variant(lesson.name, FOOLING, right)
    for exercise in lesson.exercises:
        tests = tuple(test.metadata["grade_id"] for test in exercise.tests)
        kinds = {MISCONCEPTION: exercise.misconceptions, ALTERNATIVE: exercise.alternatives}
        for kind, cells in kinds.items():
            for number, cell in enumerate(cells, 1):
                answers = right | {exercise.name: cell.source}
                place = next(n for n, other in enumerate(lesson.cells, 1) if other is cell)
                yield Variant(
                    lesson.name,
                    kind,
                    answers,
                    exercise.name,
                    number,
                    explanation(cell),
                    tests,
                    place,
                )


def plan(
    lessons: Sequence[Lesson],
    own: Sequence[Path] = (),
    kinds: Set[str] = KINDS,
    asked: Tests | None = None,
) -> list[Work]:
    """What is to be run, in the order of the lessons' cells.

    Args:
        lessons: the lessons.
        own: folders of assignments that were not made here.
        kinds: which kinds of variants of the lessons.
        asked: where the tests of the assignments run; by default that is found out.
    """
    planned = [
        Work(variant, _to_run(instructor, variant), b"")
        for lesson in lessons
        for instructor in [make_instructor_notebook(lesson)]
        for variant in variants(lesson)
        if variant.kind in kinds
    ]
    return planned + [each for folder in own for each in _plain_work(folder, asked)]


def _to_run(instructor: NotebookNode, variant: Variant) -> NotebookNode:
    """As much of the notebook as a variant needs.

    A mistake or another right answer changes one exercise, whose tests run. That an exercise's
    answer leaves the tests of others alone is seen once, with its first mistake.
    """
    first_mistake = variant.kind == MISCONCEPTION and variant.number == 1
    if not variant.exercise or first_mistake:
        return instructor
    cells = [
        cell
        for cell in instructor.cells
        if not utils.is_grade(cell) or grade_id(cell) in variant.tests
    ]
    return NotebookNode(instructor | {"cells": cells})


def _plain_work(folder: Path, asked: Tests | None) -> Iterator[Work]:
    files = archive(folder)
    paths = sorted(folder.glob("*.ipynb"))
    for path in paths:
        name = f"{folder.name}/{path.stem}" if len(paths) > 1 else folder.name
        instructor = nbformat.read(path, as_version=4)
        if refused := refusals(instructor):
            yield Work(
                Variant(name, REFERENCE, {}), instructor, files, False, asked, tuple(refused)
            )
            continue
        for kind, answers in ((REFERENCE, references(instructor)), (BLANK, stubs(instructor))):
            variant = Variant(name, kind, answers)
            yield Work(variant, instructor, files, is_lesson=False, asked=asked)


def decide_afresh(folder: Path, asked: Tests | None = None) -> dict[str, Decision]:
    """Where the tests of an assignment's notebooks run, found out and kept for grading; none of an
    assignment that cannot be graded.

    Args:
        folder: the assignment's.
        asked: where an author wants them; by default that is found out.
    """
    notebooks = (nbformat.read(path, as_version=4) for path in folder.glob("*.ipynb"))
    if any(map(refusals, notebooks)):
        return {}
    return decisions(folder, _workplace(), CELL_TIMEOUT, asked, afresh=True)


def judge(variant: Variant, examination: Examination) -> Proof:
    """Hold an outcome against what the author promised."""
    lost = {
        name: _message(cell, examination.asserted.get(name))
        for name, cell in examination.cells.items()
        if cell.score is not None and cell.score < cell.max_score
    }
    problems = list(_problems(variant, examination, lost))
    return Proof(
        variant.lesson,
        variant.name,
        variant.text,
        examination.score,
        examination.max_score,
        round(examination.seconds, 2),
        problems,
        lost,
        tests=examination.decision.tests,
    )


def _message(cell: CellScore, asserted: str | None) -> str:
    """Why points are missing; for an assertion without a message what it is about."""
    if asserted and NO_MESSAGE in cell.message:
        return cell.message.replace(NO_MESSAGE, f"An assertion failed: {asserted}.")
    return cell.message


def _problems(variant: Variant, examination: Examination, lost: dict[str, str]) -> Iterator[str]:
    if examination.status != Status.GRADED:
        yield f"ended as {examination.status}: {examination.message}"
    if variant.kind in {REFERENCE, ALTERNATIVE}:
        yield from (f"a right answer fails {name}: {message}" for name, message in lost.items())
        for name, cell in examination.cells.items():
            if cell.max_score == 0 and cell.score == 0 and cell.message:
                message = _message(cell, examination.asserted.get(name))
                yield f"a right answer fails {name}, which is worth 0 points: {message}"
    elif variant.kind == BLANK:
        if examination.score:
            yield f"an untouched lesson scores {examination.score:g} points"
    else:
        if not lost:
            yield "survived: a wrong answer gets all points"
        elif not lost.keys() & set(variant.tests):
            yield f"caught only by tests of other exercises: {', '.join(lost)}"
        elif lost.keys() - set(variant.tests):
            others = ", ".join(sorted(lost.keys() - set(variant.tests)))
            yield f"also fails other exercises, which must not depend on this one: {others}"
        crashed = [m for m in lost.values() if m.startswith("The answer itself did not run")]
        if crashed:
            yield f"is not a mistake that runs: {crashed[0]}"


def prove(
    work: Sequence[Work],
    workers: int = 2,
    on_proof: Callable[[Proof], None] | None = None,
) -> list[Proof]:
    """Run every variant, several at a time.

    Args:
        work: what to run, from ``plan``.
        workers: how many notebooks run at the same time.
        on_proof: called with each outcome as it comes.

    Returns:
        The outcomes, in the order of ``work``.
    """
    proofs: dict[int, Proof] = {}
    for index, proof in as_proven(work, workers):
        proofs[index] = proof
        if on_proof:
            on_proof(proof)
    return [proofs[index] for index in range(len(work))]


def as_proven(work: Sequence[Work], workers: int = 2) -> Iterator[tuple[int, Proof]]:
    """Run every variant, several at a time, and give each outcome as it comes, with its index."""
    workplace = _workplace()
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(_prove, each, workplace): index for index, each in enumerate(work)}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _workplace() -> Workplace:
    # The sandbox is not needed for an author's own cells, but they should meet it here first.
    return shared_workplace(isolation_problem() is None)


def gate(lessons: Sequence[Lesson], workers: int = 2) -> Gate:
    """The proofs of lessons as a gate of ``autograder check``; ``workers`` run at a time."""
    work = plan(lessons)
    found = (findings(work[index].variant, proof) for index, proof in as_proven(work, workers))
    return Gate("proof", len(work), found)


def findings(variant: Variant, proof: Proof) -> list[Finding]:
    """What is wrong with a lesson's variant, as a gate reports it: in the lesson's source, at the
    cell of the mistake or of the other right answer."""
    source = source_path(Path("solutions") / variant.lesson).as_posix()
    return [
        Finding(source, f"{variant.name}, {problem}", REMEDIES[variant.kind], variant.cell)
        for problem in proof.problems
    ]


def _prove_fooling(work: Work, workplace: Workplace) -> Proof:
    """Whether the tests refuse answers that compute nothing."""
    start = time.monotonic()
    problems = fooled_tests(work.instructor, workplace, work.files, CELL_TIMEOUT)
    seconds = round(time.monotonic() - start, 2)
    return Proof(work.variant.lesson, work.variant.name, "", 0, 0, seconds, problems)


def _prove(work: Work, workplace: Workplace) -> Proof:
    if work.refused:
        return Proof(work.variant.lesson, REFERENCE, "", 0.0, 0.0, 0.0, list(work.refused))
    if work.variant.kind == FOOLING:
        return _prove_fooling(work, workplace)
    answers, decision = work.variant.answers, OF_A_LESSON
    if not work.is_lesson:
        decision = decide(work.instructor, workplace, work.files, CELL_TIMEOUT, work.asked)
    outcome = examine(
        work.instructor, answers, workplace, work.files, CELL_TIMEOUT, decision=decision
    )
    proof = judge(work.variant, outcome)
    if not work.is_lesson and work.variant.kind == REFERENCE:
        proof.problems[:0] = faults(work.instructor)
        proof.notes.append(f"tests run {decision.tests}: {decision.reason}")
        proof.notes.extend(remarks(work.instructor))
        failing = list(_failing_cells(outcome.notebook))
        # Where points are lost, that is where to look first.
        (proof.problems if proof.problems else proof.notes)[:0] = failing
    if work.variant.kind == REFERENCE:
        proof.notes.extend(_notes(known_objects(work.instructor, workplace, work.files)))
    return proof


def _failing_cells(notebook: NotebookNode) -> Iterator[str]:
    """The assignment's own cells that ended in an error, which no tag expects."""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code" or find_grade_id(cell) or RAISES in tags(cell):
            continue
        if message := error_message(cell):
            yield f"cell {number}, the assignment's own, fails: {first_line(cell)}: {message}"


def _notes(objects: ObjectUse | None) -> Iterator[str]:
    objects = objects or ObjectUse()
    for name in sorted(objects.compared):
        if objects.comparisons.get(name) != [IDENTITY]:
            yield (
                f"tests compare objects of the answers' class {name}, and an answer has a say in "
                "what they are equal to: compare numbers and text that they hold"
            )
