"""The instructor notebook: a lesson's source without its misconceptions and alternatives, with
nbgrader's metadata filled in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.notebooks.cells import ALTERNATIVE, MISCONCEPTION
from autograder.notebooks.source import Lesson
from course.cells import tags, text_digest

NBGRADER_SCHEMA = 3


def make_instructor_notebook(lesson: Lesson) -> NotebookNode:
    """The notebook that nbgrader knows as the source, not executed.

    Cell ids depend only on the cells, so the same source makes the same notebook.
    """
    cells = list(_cells(lesson))
    notebook: NotebookNode = new_notebook(
        cells=cells,
        metadata={
            "kernelspec": lesson.kernelspec,
            # nbclient writes the interpreter's version here, which would differ between machines.
            "language_info": {"name": "python"},
            "course": {"lesson": lesson.name, "cells": [cell.id for cell in cells]},
        },
    )
    return notebook


def _cells(lesson: Lesson) -> Iterator[NotebookNode]:
    ids: set[str] = set()
    for cell in lesson.cells:
        if tags(cell) & {MISCONCEPTION, ALTERNATIVE}:
            continue
        cell_id = cell.metadata.get("grade_id") or _content_id(cell, ids)
        ids.add(cell_id)
        if cell.cell_type == "code":
            made = new_code_cell(cell.source, id=cell_id[:64])
        else:
            made = new_markdown_cell(cell.source, id=cell_id[:64])
        if tags(cell):
            made.metadata["tags"] = sorted(tags(cell))
        if "grade_id" in cell.metadata:
            made.metadata["nbgrader"] = _nbgrader_metadata(cell)
        yield made


def _content_id(cell: NotebookNode, taken: set[str]) -> str:
    digest = text_digest(cell)
    count = 0
    while (cell_id := f"cell-{digest}{f'-{count}' if count else ''}") in taken:
        count += 1
    return cell_id


def _nbgrader_metadata(cell: NotebookNode) -> dict[str, Any]:
    is_solution = bool(cell.metadata.get("solution"))
    graded = {
        "cell_type": cell.cell_type,
        "grade": not is_solution,
        "grade_id": cell.metadata["grade_id"],
        "locked": not is_solution,
        "schema_version": NBGRADER_SCHEMA,
        "solution": is_solution,
        "task": False,
    }
    if not is_solution:
        graded["points"] = cell.metadata["points"]
    return graded
