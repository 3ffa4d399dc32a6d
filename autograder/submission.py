"""Grading one submitted notebook: answers in, a marked notebook out.

Nothing else is read or written, so submissions can be graded anywhere and in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nbformat import NotebookNode

from autograder.examine import CELL_TIMEOUT, Examination, examine, nothing
from autograder.intake import Intake
from autograder.rebuild import grade_id, rebuild
from autograder.recognise import Signatures, recognise
from autograder.sandbox import Workplace


def mark(
    instructor: NotebookNode,
    intake: Intake,
    workplace: Workplace,
    folder: Path | None = None,
    timeout: int = CELL_TIMEOUT,
    known: Signatures | None = None,
) -> NotebookNode:
    """Grade a submission's answers.

    Args:
        instructor: the instructor notebook.
        intake: what was read of the submission.
        workplace: where answers and tests run.
        folder: the assignment's folder, whose files its notebook may read or import.
        timeout: seconds for one cell.
        known: how known mistakes fail, to recognise them by.

    Returns:
        The instructor's notebook with the student's answers in it, run. Its metadata and that of
        its test cells say what it is worth (``course``).
    """
    if intake.status:
        notebook = rebuild(instructor, intake.answers)
        scores = nothing(notebook, f"Not graded. {intake.message}")
        examination = Examination(notebook, intake.status, 0.0, intake.message, scores)
    else:
        examination = examine(
            instructor, intake.answers, workplace, folder, timeout, intake.elsewhere
        )
    return _marked(examination, recognise(instructor, examination, known or {}))


def _marked(examination: Examination, mistakes: Mapping[str, str]) -> NotebookNode:
    notebook = examination.notebook
    for cell in notebook.cells:
        score = examination.cells.get(grade_id(cell))
        if score is not None:
            cell.metadata["course"] = {"score": score.score, "message": score.message}
        elif grade_id(cell) in mistakes:
            cell.metadata["course"] = {"misconception": mistakes[grade_id(cell)]}
    notebook.metadata["course"] = {
        "status": examination.status,
        "message": examination.message,
        "seconds": round(examination.seconds, 2),
        "misconceptions": dict(mistakes),
    }
    return notebook
