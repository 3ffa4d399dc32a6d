"""The format of a released notebook: what its cells carry, for the students' and the grader's side.

A released notebook is nbgrader's. Beside nbgrader's metadata a cell may have tags, and a cell that
claims a result has the result that the instructor's run of it showed (``course.expected``). A test
cell has the number of the tests that were cut from it (``course.hidden_tests``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from nbformat import NotebookNode
from nbgrader import utils

# A cell that teaches or shows, and that no test needs.
DEMO = "demo"
# A cell that trains at full size on a public data set, where that is on the machine.
FULL_SIZE = "full-size"
# A cell that claims a result; nbval compares its output with the stored one.
RESULT = "nbval-check-output"
# A cell that is no lesson's own: on Colab it installs the course.
INSTALL = "install"
# Jupyter runs the cells that follow one with this tag, also if it raises.
RAISES = "raises-exception"

# The build names a cell that has no grade_id after the digest of its text, which tells an edit.
_DIGEST_ID = re.compile(r"cell-([0-9a-f]{10})(-\d+)?")


def tags(cell: Mapping[str, Any]) -> set[str]:
    """The tags of a cell, or of the JSON of one; a malformed entry counts as none."""
    metadata = cell.get("metadata")
    found = metadata.get("tags") if isinstance(metadata, Mapping) else None
    return {tag for tag in found if isinstance(tag, str)} if isinstance(found, list) else set()


def find_grade_id(cell: NotebookNode) -> str | None:
    """The name that nbgrader knows a cell by, or None where it is not one of nbgrader's
    cells: an answer, a test, a task or a locked cell."""
    roles = (utils.is_grade, utils.is_solution, utils.is_task, utils.is_locked)
    if not any(has_role(cell) for has_role in roles):
        return None
    name = cell.metadata["nbgrader"].get("grade_id")
    return name if isinstance(name, str) else None


def grade_id(cell: NotebookNode) -> str:
    """The name that nbgrader knows a cell by.

    Raises:
        ValueError: nbgrader does not know the cell.
    """
    name = find_grade_id(cell)
    if name is None:
        raise ValueError(f"this cell has no grade_id: {first_line(cell)}")
    return name


def is_answer(cell: NotebookNode) -> bool:
    """Whether students write in this cell: a solution, a written answer or a task."""
    return bool(utils.is_solution(cell) or utils.is_task(cell))


def points_of(cell: NotebookNode) -> float:
    """The points that a cell gives; 0 where it gives none."""
    return float(cell.metadata.nbgrader.get("points") or 0) if utils.is_grade(cell) else 0.0


def is_edited(cell: NotebookNode) -> bool:
    """Whether a cell's text differs from the released one, as far as the notebook can tell."""
    checksum = cell.metadata.get("nbgrader", {}).get("checksum")
    if checksum and find_grade_id(cell):
        return bool(checksum != utils.compute_checksum(cell))
    if match := _DIGEST_ID.fullmatch(cell.get("id", "")):
        return text_digest(cell) != match[1]
    return False


def is_named_by_digest(name: str) -> bool:
    """Whether the build has named a cell so, because it is neither an answer nor a test."""
    return _DIGEST_ID.fullmatch(name) is not None


def text_digest(cell: NotebookNode) -> str:
    """Ten hexadecimal digits that identify a cell's type and text."""
    return hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:10]


def first_line(cell: NotebookNode) -> str:
    """What to call a cell in a message: its first line that says something."""
    lines = [line.strip() for line in cell.source.splitlines()]
    line = next((line for line in lines if line and not line.startswith("#")), "an empty cell")
    return line if len(line) <= 60 else line[:57] + "..."


def text_of(outputs: Iterable[NotebookNode]) -> str:
    """What a cell shows as text: its standard output and the text of its values."""
    parts = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stdout":
            parts.append(output.text)
        elif output.output_type in {"execute_result", "display_data"}:
            parts.append(output.data.get("text/plain", ""))
    return "".join(parts)


def stated_result(cell: NotebookNode) -> str | None:
    """The result that a released cell states, or None."""
    course = cell.metadata.get("course")
    expected = course.get("expected") if isinstance(course, dict) else None
    return expected if isinstance(expected, str) else None


def note_hidden_tests(cell: NotebookNode, count: int) -> None:
    """Note in a test cell how many of its tests students do not see."""
    cell.metadata["course"] = {"hidden_tests": count}


def hidden_tests(cell: NotebookNode) -> int | None:
    """How many of a test cell's tests students do not see, or None where that was not noted."""
    course = cell.metadata.get("course")
    count = course.get("hidden_tests") if isinstance(course, dict) else None
    return count if isinstance(count, int) and count >= 0 else None
