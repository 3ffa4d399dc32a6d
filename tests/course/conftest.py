"""A small released lesson, made as nbgrader makes one, to check copies of it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
DOUBLE_STUB = "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"


class ToyLesson:
    """A lesson of two exercises, ``double`` and ``triple``, in its own folder."""

    DOUBLE = "def double(x):\n    return 2 * np.asarray(x)"
    TRIPLE = "def triple(x):\n    return 3 * x"

    def __init__(self, folder: Path):
        from nbgrader import utils

        from course.cells import note_hidden_tests

        def graded(name: str, source: str, solution: bool = False) -> NotebookNode:
            meta = {
                "grade_id": name,
                "grade": not solution,
                "solution": solution,
                "locked": not solution,
                "schema_version": 3,
                "task": False,
            }
            if not solution:
                meta["points"] = 2
            tagged = {"nbgrader": meta, "tags": ["raises-exception"]}
            cell = new_code_cell(source, id=name, metadata=tagged)
            if not solution:
                note_hidden_tests(cell, 0)
            cell.metadata.nbgrader["checksum"] = utils.compute_checksum(cell)
            cell.metadata.nbgrader["cell_type"] = "code"
            return cell

        result = {"tags": ["nbval-check-output"], "course": {"expected": "one and one: 2"}}
        cells = [
            new_markdown_cell("# A toy lesson", id="title"),
            new_code_cell("import numpy as np", id="imports"),
            new_code_cell("shown = 1", id="demo", metadata={"tags": ["demo"]}),
            new_code_cell('print("one and one:", 1 + 1)', id="result", metadata=result),
            new_markdown_cell("## Twice as much", id="heading"),
            graded("double", DOUBLE_STUB, solution=True),
            graded("double_value", 'assert double(2) == 4, "double(2) should be 4"'),
            graded("double_array", 'assert double([1]).shape == (1,), "an array keeps its shape"'),
            new_markdown_cell("## Three times", id="heading-2"),
            graded("triple", STUB, solution=True),
            graded("triple_value", 'assert triple(2) == 6, f"expected 6, got {triple(2)}"'),
        ]
        listed = [cell.id for cell in cells]
        self.path = folder / "99_toy" / "toy.ipynb"
        self.path.parent.mkdir(parents=True)
        self.notebook = new_notebook(cells=cells)
        self.notebook.metadata = NotebookNode(
            kernelspec=NotebookNode(name="python3", display_name="Python 3", language="python"),
            course=NotebookNode(lesson="toy", cells=listed),
        )
        self.save()

    def cell(self, name: str) -> NotebookNode:
        return next(cell for cell in self.notebook.cells if cell.id == name)

    def answer(self, **sources: str) -> ToyLesson:
        """Put text into cells, by id."""
        for name, source in sources.items():
            self.cell(name).source = source
        return self

    def hide(self, name: str, count: int, source: str | None = None) -> ToyLesson:
        """Say that a test cell has hidden tests; ``source`` is what is left to be seen of it."""
        from course.cells import note_hidden_tests

        cell = self.cell(name)
        note_hidden_tests(cell, count)
        if source is not None:
            cell.source = source
            del cell.metadata.nbgrader["checksum"]
        return self

    def delete(self, *names: str) -> ToyLesson:
        """Delete cells, by id."""
        for name in names:
            self.notebook.cells.remove(self.cell(name))
        return self

    def add(self, before: str, source: str, **metadata) -> NotebookNode:
        """Put a cell of the student's before another."""
        cell = new_code_cell(source, metadata=metadata)
        self.notebook.cells.insert(self.notebook.cells.index(self.cell(before)), cell)
        return cell

    def save(self) -> Path:
        nbformat.write(self.notebook, self.path)
        return self.path


@pytest.fixture
def toy(tmp_path) -> ToyLesson:
    return ToyLesson(tmp_path / "lessons")
