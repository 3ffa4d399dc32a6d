"""Recognise a known mistake in a student's answer by how it fails.

Each misconception of a lesson fails its exercise's tests in its own way: these tests, with these
messages. An answer that fails in the very same way has most likely made the same mistake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from nbformat import NotebookNode

from autograder.grading.score import CellScore
from autograder.notebooks.cells import groups
from course.cells import grade_id

# By exercise and by the messages of its failing tests, what the mistake is.
Signatures = dict[str, dict[str, str]]


def signature(messages: Mapping[str, str]) -> str:
    """One text for the way in which an exercise fails.

    Args:
        messages: what its failing tests say, by the test's ``grade_id``.
    """
    # The line of an answer depends on how it is written.
    return json.dumps(
        {name: message.partition(" (line ")[0] for name, message in sorted(messages.items())}
    )


def recognise(
    instructor: NotebookNode, scores: Mapping[str, CellScore], known: Signatures
) -> dict[str, str]:
    """The known mistakes in a submission, by exercise, each in a sentence.

    Args:
        instructor: the instructor notebook.
        scores: what each test cell is worth, by ``grade_id``.
        known: how known mistakes fail.
    """
    return {
        exercise: known[exercise][failure]
        for exercise, failure in _failures(instructor, scores)
        if failure in known.get(exercise, {})
    }


def _failures(
    instructor: NotebookNode, scores: Mapping[str, CellScore]
) -> Iterator[tuple[str, str]]:
    for group in groups(instructor):
        if group.solution is None:
            continue
        tests = [grade_id(instructor.cells[index]) for index in group.tests]
        cells = {name: scores[name] for name in tests if name in scores}
        lost = {name: cell.message for name, cell in cells.items() if cell.score != cell.max_score}
        if lost:
            yield grade_id(instructor.cells[group.solution]), signature(lost)
