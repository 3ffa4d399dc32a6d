"""Recognise a known mistake in a student's answer by how it fails.

Each misconception of a lesson fails its exercise's tests in its own way: these tests, with these
messages. An answer that fails in the very same way has most likely made the same mistake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from autograder.examine import Examination
from autograder.lesson import Lesson
from autograder.prove import Proof, plan, prove
from autograder.rebuild import grade_id, groups

# By exercise and by the messages of its failing tests, what the mistake is.
Signatures = dict[str, dict[str, str]]


def signatures(lesson: Lesson, cache: Path, workers: int = 2) -> Signatures:
    """How each of a lesson's misconceptions fails.

    Args:
        lesson: the lesson.
        cache: a file to keep them in; read if it is there.
        workers: how many are run at a time.
    """
    if cache.is_file():
        return json.loads(cache.read_text())
    known: Signatures = {exercise.name: {} for exercise in lesson.exercises}
    ambiguous = set()
    for proof in prove(plan([lesson], kinds={"misconception"}), workers):
        exercise = proof.variant.partition(" ")[0]
        signature = _signature(_own_messages(lesson, exercise, proof))
        if signature in known[exercise]:
            ambiguous.add((exercise, signature))
        known[exercise][signature] = proof.text
    for exercise, signature in ambiguous:
        del known[exercise][signature]
    cache.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: a run may be stopped here too.
    temporary = cache.with_suffix(".part")
    temporary.write_text(json.dumps(known, indent=1))
    temporary.replace(cache)
    return known


def _own_messages(lesson: Lesson, exercise: str, proof: Proof) -> dict[str, str]:
    (tests,) = (e.tests for e in lesson.exercises if e.name == exercise)
    own = {test.metadata["grade_id"] for test in tests}
    return {name: message for name, message in proof.messages.items() if name in own}


def _signature(messages: dict[str, str]) -> str:
    # The line of an answer depends on how it is written.
    return json.dumps(
        {name: message.partition(" (line ")[0] for name, message in sorted(messages.items())}
    )


def recognise(
    instructor: NotebookNode, examination: Examination, known: Signatures
) -> dict[str, str]:
    """The known mistakes in a submission, by exercise, each in a sentence."""
    return {
        exercise: known[exercise][signature]
        for exercise, signature in _failures(instructor, examination)
        if signature in known.get(exercise, {})
    }


def _failures(instructor: NotebookNode, examination: Examination) -> Iterator[tuple[str, str]]:
    for group in groups(instructor):
        if group.solution is None:
            continue
        tests = [grade_id(instructor.cells[index]) for index in group.tests]
        cells = {name: examination.cells[name] for name in tests if name in examination.cells}
        lost = {name: cell.message for name, cell in cells.items() if cell.score != cell.max_score}
        if lost:
            yield grade_id(instructor.cells[group.solution]), _signature(lost)
