"""Questions about small changes of an answer: which to try first, and which ones to ask."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from autograder.grading.small_changes import Change

# Questions on a sheet, beside the one about a change that no visible test notices.
QUESTIONS = 3
_NUMBERS = re.compile(r"[-+]?\d[\d.,e]*")


@dataclass(frozen=True)
class Question:
    """A small change, and what the tests say of it.

    Attributes:
        change: the change.
        visible: by test that students see and that fails now, its message.
        hidden: the same for the whole tests; only where none of those fails that students see.
        is_crash: whether the failing tests ended in an error that no assertion of theirs raised.
    """

    change: Change
    visible: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    is_crash: bool = False

    @property
    def failure(self) -> frozenset[tuple[str, str]]:
        """What tells one way to fail from another: the tests and their messages without numbers,
        which depend on the change."""
        return frozenset((name, _NUMBERS.sub("", text)) for name, text in self.visible.items())


@dataclass(frozen=True)
class OralCheck:
    """What a student can be asked about one answer.

    Attributes:
        exercise: the exercise's ``grade_id``.
        answer: the student's own answer.
        tests: the text of the tests that students see, by ``grade_id``.
        questions: changes that those notice, in the order of the answer's lines; three at most.
        unnoticed: a change that none of those notices; None where none was found.
        tried: how many changes were tried.
    """

    exercise: str
    answer: str
    tests: Mapping[str, str]
    questions: Sequence[Question]
    unnoticed: Question | None
    tried: int


def in_turn(changes: Sequence[Change], chance: random.Random) -> list[Change]:
    """Changes in an order of chance in which their kinds take turns, since an answer may have many
    constants and one comparison.

    Args:
        changes: the changes.
        chance: what decides.
    """
    kinds: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        kinds[change.kind].append(change)
    for found in kinds.values():
        chance.shuffle(found)
    columns = list(kinds.values())
    chance.shuffle(columns)
    return [change for row in zip_longest(*columns) for change in row if change is not None]


def are_enough(noticed: Sequence[Question]) -> bool:
    """Whether there are questions about as many different failures as a sheet has room for.

    Args:
        noticed: what visible tests have noticed so far.
    """
    return len({each.failure for each in noticed if not each.is_crash}) >= QUESTIONS


def choose(noticed: Sequence[Question]) -> list[Question]:
    """The questions of a sheet, three at most: different failures, in different lines, and no mere
    crashes, as far as there are such.

    Args:
        noticed: what visible tests have noticed.
    """
    left, chosen = list(noticed), list[Question]()
    while left and len(chosen) < QUESTIONS:
        failures = {question.failure for question in chosen}
        lines = {question.change.line for question in chosen}
        best = max(
            left,
            key=lambda question: (
                question.failure not in failures,
                not question.is_crash,
                question.change.line not in lines,
            ),
        )
        left.remove(best)
        chosen.append(best)
    return sorted(chosen, key=lambda question: question.change.line)
