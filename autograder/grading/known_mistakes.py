"""Recognise a known mistake in a student's answer by what the answer does.

Each misconception of a lesson has been watched in its exercise's tests: what it returned, raised
and changed of its arguments in every call, and what every assertion came to. An answer that did the
same is told what it resembles. An answer that differs anywhere is told nothing.

What the mistakes did is kept beside the lesson, so nothing of this is run while a class waits.
"""

from __future__ import annotations

import functools
import hashlib
import json
import lzma
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode

from autograder.grading.summaries import same
from course.cells import DEMO, FULL_SIZE, is_answer, tags

# To be raised when summaries of behaviour change, so that they are made again.
FORMAT = 1


@dataclass(frozen=True)
class Mistake:
    """A known mistake: what it is, in a sentence, and what an answer with it does."""

    text: str
    behaviour: list[Any]


@dataclass(frozen=True)
class KnownMistakes:
    """What a lesson's known mistakes do.

    Attributes:
        key: what that depends on, see ``key``.
        source: a digest of the mistakes as they are written.
        exercises: the mistakes of each exercise that can be told apart.
        silent: sentences about those that cannot.
    """

    key: str = ""
    source: str = ""
    exercises: Mapping[str, list[Mistake]] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """Everything, compressed."""
        exercises = {name: [vars(each) for each in found] for name, found in self.exercises.items()}
        text = json.dumps(vars(self) | {"exercises": exercises}, separators=(",", ":"))
        return lzma.compress(text.encode())


@functools.lru_cache(maxsize=4)
def read_known_mistakes(data: bytes) -> KnownMistakes:
    """What ``to_bytes`` made bytes of; none of nothing. All submissions of a class ask for it."""
    if not data:
        return KnownMistakes()
    fields = json.loads(lzma.decompress(data))
    exercises = {
        name: [Mistake(**each) for each in found] for name, found in fields.pop("exercises").items()
    }
    return KnownMistakes(exercises=exercises, **fields)


def key(instructor: NotebookNode) -> str:
    """A digest of what decides how an answer behaves, beside the answer: the lesson's cells and the
    tests.

    Args:
        instructor: the instructor notebook.
    """
    cells = [
        (cell.source, cell.metadata.get("nbgrader", {}).get("grade_id"))
        for cell in instructor.cells
        if cell.cell_type == "code" and not is_answer(cell) and not tags(cell) & {DEMO, FULL_SIZE}
    ]
    return hashlib.sha256(json.dumps([FORMAT, cells]).encode()).hexdigest()


def recognise(behaviour: Mapping[str, list[Any]], known: KnownMistakes) -> dict[str, str]:
    """The known mistakes that a submission resembles, by exercise, each in a sentence.

    Args:
        behaviour: by exercise, what the answer did.
        known: what the known mistakes do.
    """
    found = {}
    for exercise, did in behaviour.items():
        alike = [
            each.text for each in known.exercises.get(exercise, []) if same(each.behaviour, did)
        ]
        if did and len(alike) == 1:
            (found[exercise],) = alike
    return found


def exercises_with_mistakes(known: KnownMistakes) -> Set[str]:
    """The exercises whose answers have something to be compared with."""
    return frozenset(name for name, mistakes in known.exercises.items() if mistakes)
