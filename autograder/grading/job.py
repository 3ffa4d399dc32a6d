"""What grading one submission needs, as plain data that can travel to another machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autograder.grading.conditions import Conditions
from autograder.grading.decision import Decision
from autograder.grading.intake import Intake


@dataclass(frozen=True)
class Job:
    """All that grading one submission needs.

    Attributes:
        instructors: the assignment's notebooks as JSON, by name; their outputs are not needed.
        intakes: what was read of the submission, by the notebook's name.
        files: a tar archive of what the notebooks may read or import.
        conditions: how the answers are run.
        known: what known mistakes do, to recognise them by, see ``KnownMistakes.to_bytes``.
        decisions: where the tests of each notebook run, by its name; apart where it has none.
    """

    instructors: Mapping[str, str]
    intakes: Mapping[str, Intake]
    files: bytes
    conditions: Conditions
    known: bytes = b""
    decisions: Mapping[str, Decision] = field(default_factory=dict)
