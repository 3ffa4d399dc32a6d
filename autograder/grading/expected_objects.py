"""Which objects an assignment's tests may get from answers, found out with the instructor's own."""

from __future__ import annotations

import hashlib

from nbformat import NotebookNode

from autograder.grading.rebuild import references
from autograder.grading.run import Reference, run_notebook
from autograder.grading.status import CELL_TIMEOUT, Status
from autograder.sandbox.inside.protocol import LESSON_PATIENCE, ObjectUse
from autograder.sandbox.workplace import Workplace


def objects_in_tests(
    instructor: NotebookNode, workplace: Workplace, files: bytes = b"", timeout: int = CELL_TIMEOUT
) -> ObjectUse | None:
    """What gives the tests objects, when the answers are the instructor's own, and how those are
    compared.

    With another's answers nothing else may give objects: one could agree with whatever it is
    compared with.

    Args:
        instructor: the instructor notebook.
        workplace: where to run it, once.
        files: a tar archive of what the assignment's notebook may read or import.
        timeout: seconds for one cell; more are given, since much hangs on this run.

    Returns:
        None if the processes that grade were ended: then nothing has been found out.
    """
    with workplace.found_out(_key(instructor, files)) as found:
        if not found:
            right = references(instructor)
            unknown, patient = Reference(right, None), LESSON_PATIENCE * timeout
            run, stop = run_notebook(instructor, right, unknown, set(), workplace, files, patient)
            if stop is not None and stop.status == Status.ERROR:
                return None
            found.append(run.objects)
        return found[0]


def known_objects(
    instructor: NotebookNode, workplace: Workplace, files: bytes = b""
) -> ObjectUse | None:
    """What ``objects_in_tests`` has found out; None where nobody had to ask it yet."""
    with workplace.found_out(_key(instructor, files)) as found:
        return found[0] if found else None


def _key(instructor: NotebookNode, files: bytes) -> str:
    code = "\0".join(cell.source for cell in instructor.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode() + files).hexdigest()
