"""Grade one submission: a pure function, from what was handed in to marked notebooks.

It reads and writes nothing else, so submissions can be graded on any machine and in any order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.errors import CourseError
from autograder.grading.conditions import environment_key
from autograder.grading.decision import Decision
from autograder.grading.grade_notebook import Examination, examine
from autograder.grading.harmless import harmless_markdown, make_harmless
from autograder.grading.intake import Intake
from autograder.grading.job import Job
from autograder.grading.known_mistakes import (
    KnownMistakes,
    exercises_with_mistakes,
    read_known_mistakes,
    recognise,
)
from autograder.grading.read_submission import utf8
from autograder.grading.rebuild import rebuild
from autograder.grading.score import no_points
from autograder.grading.status import CELL_TIMEOUT
from autograder.sandbox.workplace import Workplace, shared_workplace
from course.cells import find_grade_id

# Graders are told, and decide; to take the better of two ways would let every answer choose.
MAY_BE_RIGHT = (
    "failed since something could not go from the process of the answers to that of the tests. The "
    "answer may be right all the same: `autograder grade --tests together` has both in one process."
)


def grade_submission(job: Job, workplace: Workplace | None = None) -> dict[str, str]:
    """Grade one submission, on whichever machine this is called.

    Args:
        job: the submission, and all that grading it needs.
        workplace: where answers and tests run; by default the one that this process shares.

    Returns:
        The marked notebooks as JSON, by name (see ``mark``).

    Raises:
        CourseError: this machine has other versions than the one that the job comes from.
        IsolationError: a sandbox is asked for, and there is none here.
    """
    conditions = job.conditions
    if conditions.environment != environment_key():
        raise CourseError(
            "A worker has another Python, other packages or another version of the course than "
            "this machine, and might grade differently. Install the same commit of the course and "
            "the same requirements.lock on all workers."
        )
    place = workplace or shared_workplace(conditions.isolated)
    known = read_known_mistakes(job.known)
    return {
        name: nbformat.writes(
            mark(
                nbformat.reads(job.instructors[name], as_version=4),
                intake,
                place,
                job.files,
                conditions.timeout,
                known,
                job.decisions.get(name),
            )
        )
        for name, intake in job.intakes.items()
    }


def mark(
    instructor: NotebookNode,
    intake: Intake,
    workplace: Workplace,
    files: bytes = b"",
    timeout: int = CELL_TIMEOUT,
    known: KnownMistakes | None = None,
    decision: Decision | None = None,
) -> NotebookNode:
    """Grade the answers in one notebook.

    Args:
        instructor: the instructor notebook.
        intake: what was read of the submission.
        workplace: where answers and tests run.
        files: a tar archive of what the notebook may read or import; empty by default.
        timeout: seconds for one cell; 30 by default.
        known: what known mistakes do, to recognise them by; none by default.
        decision: where the tests run; apart by default.

    Returns:
        The instructor's notebook with the student's answers in it, run. Its metadata and that of
        its test cells say what it is worth (``course``). Nothing in it is active content.
    """
    known = known or KnownMistakes()
    decision = decision or Decision()
    if intake.status:
        notebook = rebuild(instructor, intake.answers)
        scores = no_points(notebook, f"Not graded. {intake.message}")
        examination = Examination(
            notebook, intake.status, 0.0, intake.message, scores, decision=decision
        )
    else:
        watch = exercises_with_mistakes(known)
        examination = examine(
            instructor,
            intake.answers,
            workplace,
            files,
            timeout,
            intake.elsewhere,
            watch,
            decision,
            intake.handed,
        )
    notes = list(intake.notes)
    if examination.stranded and decision.values:
        # An assignment that was not made here; a lesson says which forms its answers may have.
        notes.append(f"{', '.join(examination.stranded)}: {MAY_BE_RIGHT}")
    mistakes = recognise(examination.behaviour, known)
    marked = _text_only(_marked(examination, mistakes, notes))
    _show_work(marked, intake.work)
    make_harmless(marked)
    return marked


def _show_work(notebook: NotebookNode, work: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Put the cells that a student has added below a task there again, for a person to grade."""
    for name, cells in work.items():
        at = next(i for i, cell in enumerate(notebook.cells, 1) if find_grade_id(cell) == name)
        notebook.cells[at:at] = [
            new_code_cell(text) if kind == "code" else new_markdown_cell(harmless_markdown(text))
            for kind, text in cells
        ]


def _text_only(notebook: NotebookNode) -> NotebookNode:
    """A notebook that can be written to a file, whatever has been printed."""
    text = utf8(json.dumps(notebook, ensure_ascii=False))
    writable: NotebookNode = nbformat.from_dict(json.loads(text))
    return writable


def _marked(
    examination: Examination, mistakes: Mapping[str, str], notes: Sequence[str]
) -> NotebookNode:
    notebook = examination.notebook
    for cell in notebook.cells:
        name = find_grade_id(cell)
        if name is None:
            continue
        if name in examination.cells:
            score = examination.cells[name]
            cell.metadata["course"] = {"score": score.score, "message": score.message}
        elif name in mistakes:
            cell.metadata["course"] = {"misconception": mistakes[name]}
    notebook.metadata["course"] = {
        "status": examination.status,
        "message": examination.message,
        "seconds": round(examination.seconds, 2),
        "misconceptions": dict(mistakes),
        "notes": list(notes),
        "tests": str(examination.decision.tests),
    }
    return notebook
