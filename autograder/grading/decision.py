"""How an assignment's tests are run: apart from the answers, or together with them.

Apart, answers and tests have a process each, and only data passes between them. Together, they
share one, as in nbgrader itself, which any test takes that was ever written, and which protects
the tests less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Tests(StrEnum):
    """Where an assignment's tests run. In JSON it is its text."""

    __test__ = False

    APART = "apart"
    TOGETHER = "together"


# What a test ends in: the points of partial credit, something else, or nothing.
NUMBER, OTHER, NOTHING = "number", "other", "nothing"


@dataclass(frozen=True)
class Decision:
    """How a notebook's tests are run, and what the instructor's own answers do in them.

    Attributes:
        tests: where they run.
        reason: why, in a sentence.
        asked: whether an author has asked for it.
        values: by test cell, what it ends in: ``NUMBER``, ``OTHER`` or ``NOTHING``; empty where
            that is not known.
        changed: what the instructor's own cells change of what tests depend on, by name.
        origins: by test cell, where the values of the names in it come from, see
            ``integrity.origins``; together only.
    """

    tests: Tests = Tests.APART
    reason: str = ""
    asked: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    origins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"tests": str(self.tests), "changed": sorted(self.changed)}


def decision_from_json(data: Mapping[str, Any]) -> Decision:
    """The decision that ``Decision.to_json`` made JSON of.

    Raises:
        TypeError, ValueError: it is none.
    """
    fields = dict(data)
    tests, changed = Tests(fields.pop("tests")), frozenset(fields.pop("changed"))
    return Decision(tests=tests, changed=changed, **fields)


# A lesson's tests are written for two processes.
OF_A_LESSON = Decision(Tests.APART, "the lesson's tests are written for two processes")


def value_kind(text: str | None) -> str:
    """What the text of a test's last value is.

    Args:
        text: None where the test ends in no value.
    """
    if text is None:
        return NOTHING
    try:
        float(text)
    except ValueError:
        return OTHER
    return NUMBER
