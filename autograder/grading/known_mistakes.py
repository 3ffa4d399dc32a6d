"""Recognise a known mistake in a student's answer by how it fails.

Each misconception of a lesson fails its exercise's tests in its own way: these tests, with these
messages. An answer that fails in the very same way has most likely made the same mistake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from nbformat import NotebookNode

from autograder.grading.grade_notebook import Examination
from autograder.notebooks.cells import groups
from course.cells import grade_id

# By exercise and by the messages of its failing tests, what the mistake is.
Signatures = dict[str, dict[str, str]]


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
