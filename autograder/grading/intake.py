"""What reading a submission gives."""

from __future__ import annotations

from dataclasses import dataclass, field

from autograder.grading.own_cells import Handed
from autograder.grading.status import Status
from autograder.notebooks.cells import Answers


@dataclass
class Intake:
    """What a submitted notebook holds. ``status`` is None where its answers could be read.

    Attributes:
        answers: their text by ``grade_id``.
        elsewhere: names that the student defines in cells that grading does not run.
        status: the state of a submission that cannot be graded.
        message: why it cannot be.
        notes: what student and instructor should know of one that can be, in sentences.
        file: the file that was read, below the student's folder.
        work: by a task's ``grade_id``, the cells that the student has added below it, each as its
            type and its text. A person grades them.
        handed: its cells that nbgrader knows, by name, and the code of those that it does not.
    """

    answers: Answers = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    status: Status | None = None
    message: str = ""
    notes: list[str] = field(default_factory=list)
    file: str = ""
    work: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    handed: list[Handed] = field(default_factory=list)
