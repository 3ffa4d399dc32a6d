"""Grading one submission: a pure function, from what was handed in to marked notebooks.

It reads and writes nothing else, so submissions can be graded anywhere and in any order.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from packaging.requirements import Requirement

from autograder.errors import CourseError
from autograder.grading.grade_notebook import Examination, examine, nothing
from autograder.grading.known_mistakes import Signatures, recognise
from autograder.grading.read_submission import Intake, utf8
from autograder.grading.rebuild import rebuild
from autograder.grading.status import CELL_TIMEOUT
from autograder.sandbox.workplace import Workplace, shared_workplace
from course.cells import find_grade_id

DISTRIBUTION = "deep-learning-course"
EXTRAS = ("", "instructor", "cluster")


@dataclass(frozen=True)
class Job:
    """All that grading one submission needs, as plain data that can travel to another machine.

    Attributes:
        instructors: the assignment's notebooks as JSON, by name; their outputs are not needed.
        intakes: what was read of the submission, by the notebook's name.
        files: a tar archive of what the notebooks may read or import.
        timeout: seconds for one cell.
        known: how known mistakes fail, to recognise them by.
        isolated: whether answers run in a sandbox.
        environment: where the job was made, see ``environment_key``.
    """

    instructors: Mapping[str, str]
    intakes: Mapping[str, Intake]
    files: bytes
    timeout: int
    known: Signatures
    isolated: bool
    environment: str


def grade_submission(job: Job) -> dict[str, str]:
    """Grade one submission, on whichever machine this is called.

    Returns:
        The marked notebooks as JSON, by name (see ``mark``).

    Raises:
        CourseError: this machine has other versions than the one that the job comes from.
        IsolationError: a sandbox is asked for, and there is none here.
    """
    if job.environment != environment_key():
        raise CourseError(
            "A worker has another Python, other packages or another version of the course than "
            "this machine, and could grade otherwise. Install the same commit of the course and "
            "the same requirements.lock on all workers."
        )
    workplace = shared_workplace(job.isolated)
    return {
        name: nbformat.writes(
            mark(
                nbformat.reads(job.instructors[name], as_version=4),
                intake,
                workplace,
                job.files,
                job.timeout,
                job.known,
            )
        )
        for name, intake in job.intakes.items()
    }


@functools.cache
def environment_key() -> str:
    """What grades here: Python, the packages that the course asks for, its own code.

    A result that was made under another key is made again.
    """
    digest = hashlib.sha256(sys.version.encode())
    for name in sorted(_packages()):
        digest.update(f"{name} {_version(name)}\n".encode())
    for package in ("autograder", "course"):
        folder = Path(__file__).parents[2] / package
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _packages() -> set[str]:
    """What the course and its grader ask for; linters and the like change no grade."""
    try:
        requirements = list(map(Requirement, requires(DISTRIBUTION) or ()))
    except PackageNotFoundError:
        return set()
    return {
        requirement.name
        for requirement in requirements
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in EXTRAS)
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def mark(
    instructor: NotebookNode,
    intake: Intake,
    workplace: Workplace,
    files: bytes = b"",
    timeout: int = CELL_TIMEOUT,
    known: Signatures | None = None,
) -> NotebookNode:
    """Grade the answers in one notebook.

    Args:
        instructor: the instructor notebook.
        intake: what was read of the submission.
        workplace: where answers and tests run.
        files: a tar archive of what the notebook may read or import.
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
            instructor, intake.answers, workplace, files, timeout, intake.elsewhere
        )
    mistakes = recognise(instructor, examination, known or {})
    return _text_only(_marked(examination, mistakes, intake.notes))


def _text_only(notebook: NotebookNode) -> NotebookNode:
    """A notebook that can be written to a file, whatever has been printed."""
    return nbformat.from_dict(json.loads(utf8(json.dumps(notebook, ensure_ascii=False))))


def _marked(
    examination: Examination, mistakes: Mapping[str, str], notes: Sequence[str]
) -> NotebookNode:
    notebook = examination.notebook
    for cell in notebook.cells:
        name = find_grade_id(cell)
        score = examination.cells.get(name)
        if score is not None:
            cell.metadata["course"] = {"score": score.score, "message": score.message}
        elif name in mistakes:
            cell.metadata["course"] = {"misconception": mistakes[name]}
    notebook.metadata["course"] = {
        "status": examination.status,
        "message": examination.message,
        "seconds": round(examination.seconds, 2),
        "misconceptions": dict(mistakes),
        "notes": list(notes),
    }
    return notebook
