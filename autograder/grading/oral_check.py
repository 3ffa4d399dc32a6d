"""Questions about a student's own right answer: which test fails after a small change, and why?

The changed answers run as all answers do in grading: in the same sandbox, under the same limits and
in the instructor's notebook.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import ClearHiddenTests

from autograder.grading.decision import Decision
from autograder.grading.grade_notebook import Examination, examine
from autograder.grading.harmless import plain
from autograder.grading.intake import Intake
from autograder.grading.questions import OralCheck, Question, are_enough, choose, in_turn
from autograder.grading.score import CellScore, error_output
from autograder.grading.small_changes import small_changes
from autograder.grading.status import CELL_TIMEOUT, Status
from autograder.notebooks.cells import Answers, Group, groups
from autograder.sandbox.workplace import Workplace
from course.cells import grade_id, is_answer
from course.check.names import has_statements, parse

# Changed answers that are run for one sheet.
MOST_TRIES = 16
# Characters of a test's message.
MOST_MESSAGE = 1_000


@dataclass(frozen=True)
class Submission:
    """One notebook that a student has handed in, and how it is graded.

    Attributes:
        instructor: the instructor's notebook.
        intake: what was read of the submission.
        workplace: where answers and tests run.
        files: a tar archive of what the notebook may read or import.
        timeout: seconds for one cell.
        decision: where the tests run.
        is_lesson: whether it was made here, so that no test needs those of another exercise.
    """

    instructor: NotebookNode
    intake: Intake
    workplace: Workplace
    files: bytes = b""
    timeout: int = CELL_TIMEOUT
    decision: Decision = field(default_factory=Decision)
    is_lesson: bool = True

    def run(self, instructor: NotebookNode, changed: Answers) -> Examination:
        """Grade the student's answers as they are graded otherwise.

        Args:
            instructor: the notebook, whole or a part of it.
            changed: answers that take the place of the student's own, by ``grade_id``.
        """
        return examine(
            instructor,
            self.intake.answers | changed,
            self.workplace,
            self.files,
            self.timeout,
            self.intake.elsewhere,
            decision=self.decision,
            handed=self.intake.handed,
        )


def faults(submission: Submission) -> dict[str, str]:
    """What a test says of each exercise, by ``grade_id``; an empty text where all points were
    given. Exercises without tests are left out.

    Args:
        submission: the submission.
    """
    cells = submission.instructor.cells
    outcome = submission.run(submission.instructor, {})
    found = {}
    for group in groups(submission.instructor):
        if group.solution is None or not group.tests:
            continue
        scores = [outcome.cells[grade_id(cells[index])] for index in group.tests]
        lost = [score for score in scores if _is_lost(score)]
        name = grade_id(cells[group.solution])
        found[name] = _message(lost[0]) or "points are missing" if lost else ""
    return found


def make_oral_check(
    submission: Submission, exercise: str, seed: str, on_try: Callable[[], None] = lambda: None
) -> OralCheck:
    """Change a right answer until there are questions about it.

    Changes that visible tests notice in different ways are preferred, and of those that none of
    them notices one that a hidden test does. What runs too long or ends its process is left out.

    Args:
        submission: the submission.
        exercise: the ``grade_id`` of an exercise whose answer is right.
        seed: decides which changes are tried; the same one tries the same.
        on_try: called after each changed answer.
    """
    answer = submission.intake.answers[exercise]
    whole = _part(submission, exercise)
    visible, _ = ClearHiddenTests().preprocess(copy.deepcopy(whole), {})
    right = submission.run(visible, {})
    # Without its hidden part a test may give nobody its points.
    tests = {
        grade_id(visible.cells[index]): visible.cells[index].source
        for index in _group(visible, exercise).tests
        if has_statements(visible.cells[index].source)
        and not _is_lost(right.cells[grade_id(visible.cells[index])])
    }
    noticed: list[Question] = []
    unnoticed: list[Question] = []
    changes = in_turn(small_changes(answer), random.Random(seed))
    tried = 0
    for change in islice((each for each in changes if parse(each.source)), MOST_TRIES):
        if are_enough(noticed) and any(question.hidden for question in unnoticed):
            break
        tried += 1
        outcome = submission.run(visible, {exercise: change.source})
        if outcome.status == Status.GRADED:
            question = Question(change, _failing(outcome, tests), is_crash=_is_crash(outcome))
            if question.visible:
                noticed.append(question)
            elif not any(question.hidden for question in unnoticed):
                outcome = submission.run(whole, {exercise: change.source})
                if outcome.status == Status.GRADED:
                    unnoticed.append(Question(change, hidden=_failing(outcome, outcome.cells)))
        on_try()
    unnoticed.sort(key=lambda question: not question.hidden)
    return OralCheck(exercise, answer, tests, choose(noticed), next(iter(unnoticed), None), tried)


def _part(submission: Submission, exercise: str) -> NotebookNode:
    """As much of the notebook as the tests of an exercise need."""
    notebook = submission.instructor
    tests = _group(notebook, exercise).tests
    cells = [
        cell
        for index, cell in enumerate(notebook.cells[: tests[-1] + 1])
        if index in tests or is_answer(cell) or not (utils.is_grade(cell) and submission.is_lesson)
    ]
    return NotebookNode(notebook | {"cells": cells})


def _group(notebook: NotebookNode, exercise: str) -> Group:
    return next(
        group
        for group in groups(notebook)
        if group.solution is not None and grade_id(notebook.cells[group.solution]) == exercise
    )


def _failing(outcome: Examination, tests: Iterable[str]) -> dict[str, str]:
    scores = ((name, outcome.cells[name]) for name in tests)
    return {name: _message(score) for name, score in scores if _is_lost(score)}


def _is_lost(score: CellScore) -> bool:
    return score.score is None or score.score < score.max_score


def _is_crash(outcome: Examination) -> bool:
    errors = (error_output(cell) for cell in outcome.notebook.cells if utils.is_grade(cell))
    names = {error.ename for error in errors if error is not None}
    return bool(names) and "AssertionError" not in names


def _message(score: CellScore) -> str:
    return plain(score.message, MOST_MESSAGE).strip()
