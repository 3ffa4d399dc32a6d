"""Decide where an assignment's tests run, from what the instructor's own answers get."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader import utils

from autograder.grading.conditions import environment_key
from autograder.grading.decision import (
    OF_A_LESSON,
    Decision,
    Tests,
    decision_from_json,
)
from autograder.grading.grade_notebook import Examination, examine
from autograder.grading.names import changed_names, deleted_names, import_statements
from autograder.grading.rebuild import references, stubs
from autograder.grading.status import CELL_TIMEOUT
from autograder.notebooks.files import archive
from autograder.notebooks.folders import is_lesson
from autograder.sandbox.inside.protocol import LESSON_PATIENCE
from autograder.sandbox.workplace import Workplace
from course.cells import grade_id, is_answer
from course.check.names import bound_names, needed_names

# Characters of what a test says in a reason.
MAX_REASON = 300


def decide(
    instructor: NotebookNode,
    workplace: Workplace,
    files: bytes = b"",
    timeout: int = CELL_TIMEOUT,
    asked: Tests | None = None,
) -> Decision:
    """Where a notebook's tests run: apart, if the instructor's own answers get the same points that
    way as together with the tests; otherwise together.

    It is found out once for a workplace.

    Args:
        instructor: the instructor notebook.
        workplace: where to run it.
        files: a tar archive of what it may read or import.
        timeout: seconds for one cell; more are given, since much hangs on this.
        asked: where an author wants them; by default that is found out.
    """
    key = hashlib.sha256(f"{asked} {_notebook_text(instructor)}".encode() + files).hexdigest()
    with workplace.found_out(f"decision {key}") as found:
        if not found:
            found.append(_decide(instructor, workplace, files, LESSON_PATIENCE * timeout, asked))
        decision: Decision = found[0]
        return decision


def _decide(
    instructor: NotebookNode,
    workplace: Workplace,
    files: bytes,
    timeout: int,
    asked: Tests | None,
) -> Decision:
    right = references(instructor)

    def run(tests: Tests) -> Examination:
        decision = Decision(tests)
        return examine(instructor, right, workplace, files, timeout, decision=decision, right=True)

    def blank() -> Examination:
        return examine(instructor, stubs(instructor), workplace, files, timeout)

    if asked is not None:
        return replace(run(asked).decision, reason="somebody has asked for it", asked=True)
    if not _has_marked_answers(instructor):
        reason = "no cell is marked as an answer, so all that a student hands in has to run"
        return replace(run(Tests.TOGETHER).decision, reason=reason)
    if deleted := _deletes_names(instructor):
        by, name = deleted
        reason = f"{by} deletes {name}, which answers could still use if they ran apart"
        return replace(run(Tests.TOGETHER).decision, reason=reason)
    candidates = _about_unmarked_cells(instructor)
    if candidates and (test := _first_passed(candidates, blank())):
        reason = f"{test} is about cells that are not marked as answers"
        return replace(run(Tests.TOGETHER).decision, reason=reason)
    apart = run(Tests.APART)
    if all(cell.score in (None, cell.max_score) for cell in apart.cells.values()):
        return replace(apart.decision, reason="your answers get all points that way")
    together = run(Tests.TOGETHER)
    for name, cell in together.cells.items():
        other = apart.cells[name]
        if (cell.score or 0.0) > (other.score or 0.0):
            reason = (
                f"{name} gets {other.score or 0:g} of {other.max_score:g} points apart, and "
                f"{cell.score:g} together: {_why(apart, name)}"
            )
            return replace(together.decision, reason=reason)
    return replace(apart.decision, reason="your answers get the same points together")


def _why(examination: Examination, test: str) -> str:
    """Why a test lost points, in one line."""
    asserted = examination.asserted.get(test)
    text = asserted or (examination.cells[test].message.splitlines() or [""])[0]
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]} …"


def decisions(
    folder: Path,
    workplace: Workplace,
    timeout: int = CELL_TIMEOUT,
    asked: Tests | None = None,
    *,
    afresh: bool = False,
) -> dict[str, Decision]:
    """Where the tests of each of an assignment's notebooks run, by the notebook's name.

    It is found out once, and kept until notebooks, files, packages or the course change. What an
    author has asked for is kept until ``prove`` decides afresh.

    Args:
        folder: the assignment's, in ``solutions/``.
        workplace: where to run the instructor's own answers, if that has to be found out.
        timeout: seconds for one cell.
        asked: where to run them; by default what an author has asked for, or else what is found
            out.
        afresh: forget what was found out and asked for earlier.
    """
    paths = sorted(folder.glob("*.ipynb"))
    if is_lesson(folder) and asked in (None, Tests.APART):
        return dict.fromkeys((path.stem for path in paths), OF_A_LESSON)
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in paths}
    files = archive(folder)
    key = _key(notebooks, files)
    kept = _read(folder)
    earlier = _asked_for(kept)
    if not afresh and kept.get("key") == key and asked in (None, earlier):
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            return {name: decision_from_json(kept["notebooks"][name]) for name in notebooks}
    wanted = asked if afresh else asked or earlier
    found = {
        name: decide(notebook, workplace, files, timeout, wanted)
        for name, notebook in notebooks.items()
    }
    if afresh or asked is None:
        _write(folder, key, wanted, found)
    return found


def asked_for(folder: Path) -> Tests | None:
    """Where an author has asked an assignment's tests to run, with ``prove --tests``."""
    return _asked_for(_read(folder))


def _asked_for(kept: Mapping[str, Any]) -> Tests | None:
    try:
        return Tests(kept["asked"])
    except (KeyError, ValueError):
        return None


def _record(folder: Path) -> Path:
    return folder.parent / ".proofs" / f"{folder.name}.json"


def _read(folder: Path) -> dict[str, Any]:
    try:
        data = json.loads(_record(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _write(folder: Path, key: str, asked: Tests | None, found: Mapping[str, Decision]) -> None:
    record = _record(folder)
    data = {
        "key": key,
        "asked": asked,
        "notebooks": {name: decision.to_json() for name, decision in found.items()},
    }
    # Where it cannot be kept it is found out again.
    with suppress(OSError):
        record.parent.mkdir(exist_ok=True)
        temporary = record.with_suffix(".part")
        temporary.write_text(json.dumps(data, indent=1), encoding="utf-8")
        temporary.replace(record)


def _key(notebooks: Mapping[str, NotebookNode], files: bytes) -> str:
    digest = hashlib.sha256(environment_key().encode() + files)
    for name, notebook in notebooks.items():
        digest.update(f"{name} {_notebook_text(notebook)}".encode())
    return digest.hexdigest()


def _has_marked_answers(notebook: NotebookNode) -> bool:
    """Whether a notebook says in which cells its answers are."""
    return any(cell.metadata.get("nbgrader", {}).get("solution") for cell in notebook.cells)


def _deletes_names(notebook: NotebookNode) -> tuple[str, str] | None:
    """A test that deletes a name of the notebook's, so that answers cannot use it, and the name;
    None if there is none."""
    known: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if utils.is_grade(cell) and not is_answer(cell):
            for name in sorted(deleted_names(cell.source) & known):
                return grade_id(cell), name
        else:
            known |= bound_names(cell.source)
    return None


def _about_unmarked_cells(notebook: NotebookNode) -> list[str]:
    """The tests that use names of cells that nobody has marked, and none that an answer makes or
    changes."""
    tests = []
    made: set[str] = set()
    unmarked: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if is_answer(cell):
            made |= bound_names(cell.source) | changed_names(cell.source)
        elif utils.is_grade(cell):
            names = needed_names(cell.source)
            if names & unmarked and not names & made:
                tests.append(grade_id(cell))
        else:
            unmarked |= bound_names(cell.source) - bound_names(import_statements(cell.source))
    return tests


def _first_passed(tests: Sequence[str], examination: Examination) -> str | None:
    """The first of some tests that has all its points, if it has any."""
    cells = examination.cells
    passed = (name for name in tests if cells[name].score == cells[name].max_score > 0)
    return next(passed, None)


def _notebook_text(notebook: NotebookNode) -> str:
    """What a decision about a notebook depends on."""
    cells = [
        (cell.cell_type, cell.source, cell.metadata.get("nbgrader"), cell.metadata.get("tags"))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    return json.dumps(cells, sort_keys=True)
