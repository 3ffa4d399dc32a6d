"""Watch a lesson's known mistakes in its tests, and keep what they do beside the lesson."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from nbformat import NotebookNode

from autograder.grading.known_mistakes import (
    KnownMistakes,
    Mistake,
    key,
)
from autograder.grading.rebuild import references
from autograder.grading.summaries import ANYTHING, Summary, common, has_unsettled, same
from autograder.grading.tryout import Try, try_answers
from autograder.notebooks.files import archive
from autograder.notebooks.folders import known_mistakes_path
from autograder.notebooks.instructor import make_instructor_notebook
from autograder.notebooks.source import Exercise, Lesson, explanation
from autograder.publish.kept_mistakes import mistakes_key
from autograder.sandbox.isolation import isolation_problem
from autograder.sandbox.workplace import shared_workplace

# An author's own answers are known to end, also on a busy machine.
TIMEOUT = 120


def write(lesson: Lesson) -> KnownMistakes:
    """Watch a lesson's known mistakes and keep what they do."""
    known = watch(lesson)
    known_mistakes_path(lesson.folder).write_bytes(known.to_bytes())
    return known


def watch(lesson: Lesson) -> KnownMistakes:
    """What a lesson's known mistakes do in its tests.

    Each is watched twice, as is the right answer. What differs between two runs of both, such as
    the first weights of a network, is not compared. A mistake is left out where replies differ
    between its two runs that the right answer settles, and where it cannot be told from the right
    answer or from another mistake.
    """
    instructor = make_instructor_notebook(lesson)
    tries = [
        Try(exercise.name, source)
        for exercise in lesson.exercises
        for source in [
            references(instructor)[exercise.name],
            *(cell.source for cell in exercise.misconceptions),
        ]
    ]
    # In another order, since an answer may leave something for those that follow.
    orders = [tries, tries[::-1]]
    files = archive(lesson.folder)
    workplace = shared_workplace(isolation_problem() is None)

    def run(order: list[Try]) -> dict[Try, Summary]:
        outcomes = try_answers(instructor, order, workplace, files, TIMEOUT, watch=True)
        return {each: outcome.behaviour for each, outcome in zip(order, outcomes, strict=True)}

    with ThreadPoolExecutor(len(orders)) as pool:
        one, other = pool.map(run, orders)
    stable = {each: common(one[each], other[each]) for each in tries}
    exercises, silent = {}, []
    for exercise in lesson.exercises:
        mistakes, problems = _apart(exercise, instructor, stable)
        exercises[exercise.name] = mistakes
        silent += problems
    return KnownMistakes(key(instructor), mistakes_key(lesson), exercises, silent)


def _apart(
    exercise: Exercise, instructor: NotebookNode, stable: dict[Try, Summary]
) -> tuple[list[Mistake], list[str]]:
    """The mistakes that can be told from each other and from the right answer, and what is the
    matter with the others."""
    right = stable[Try(exercise.name, references(instructor)[exercise.name])]
    did = [stable[Try(exercise.name, cell.source)] for cell in exercise.misconceptions]
    mistakes, problems = [], []
    for number, (cell, behaviour) in enumerate(zip(exercise.misconceptions, did, strict=True), 1):
        name = f"{exercise.name} misconception {number}"
        others = [n for n, each in enumerate(did, 1) if n != number and same(each, behaviour)]
        if behaviour in ([], ANYTHING) or has_unsettled(behaviour, right):
            problems.append(
                f"{name} replies differently in each run, where the right answer does not"
            )
        elif same(right, behaviour):
            problems.append(f"{name} does what the right answer does in all that two runs agree on")
        elif others:
            problems.append(f"{name} does the same as misconception {others[0]}")
        else:
            mistakes.append(Mistake(explanation(cell), behaviour))
    return mistakes, problems
