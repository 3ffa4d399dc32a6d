"""The notebook that grading makes of the instructor's and a student's answers."""

from __future__ import annotations

from nbformat.v4 import new_code_cell, new_notebook

from autograder.grading.rebuild import rebuild


def test_grading_runs_no_cell_that_only_shows_something():
    kinds = {"kept = 1": [], "shown = 2": ["demo"], "large = 3": ["full-size"]}
    cells = [new_code_cell(source, metadata={"tags": tags}) for source, tags in kinds.items()]
    assert [cell.source for cell in rebuild(new_notebook(cells=cells), {}).cells] == ["kept = 1"]
