"""nbval holds notebooks to the results that they state, as `make test` runs it."""

from __future__ import annotations

import os
import subprocess

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output

from tests.run import ROOT, environment, nbval, steps

pytestmark = pytest.mark.slow


@pytest.fixture
def run(toy):
    """Change the toy lesson's instructor notebook, and run it."""

    def run(edit=lambda notebook: None) -> subprocess.CompletedProcess:
        path = toy / "solutions" / "90_adding" / "adding.ipynb"
        notebook = nbformat.read(path, as_version=4)
        edit(notebook)
        nbformat.write(notebook, path)
        return subprocess.run(
            nbval([path], workers=0), cwd=ROOT, env=environment(), capture_output=True, text=True
        )

    return run


def stated(notebook):
    (cell,) = (
        cell
        for cell in notebook.cells
        if "nbval-check-output" in cell.metadata.get("tags", ()) and cell.cell_type == "code"
    )
    return cell


def test_notebook_as_it_was_built(run):
    result = run()
    assert result.returncode == 0, result.stdout


def test_edited_output_is_noticed(run):
    def edit(notebook):
        stated(notebook).outputs[0].text = "two and two: 5.0\n"

    result = run(edit)
    assert result.returncode == 1
    assert "Cell outputs differ" in result.stdout


def test_changed_result_is_noticed(run):
    def edit(notebook):
        stated(notebook).source += "\nprint('and more')"

    assert run(edit).returncode == 1


def test_cell_that_raises_is_noticed(run):
    result = run(lambda notebook: notebook.cells.append(new_code_cell("1 / 0", outputs=[])))
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stdout


def test_kernel_that_dies_does_not_hang(run):
    result = run(lambda notebook: notebook.cells.append(new_code_cell("import os; os._exit(1)")))
    assert result.returncode == 1


def test_stderr_and_cells_that_state_nothing_are_not_compared(run):
    def edit(notebook):
        cell = stated(notebook)
        cell.source += "\nimport sys; print('a warning', file=sys.stderr)"
        other = new_code_cell("print('one')", outputs=[new_output("stream", text="two\n")])
        notebook.cells.append(other)

    result = run(edit)
    assert result.returncode == 0, result.stdout


def test_kernels_do_not_see_pytest(run, monkeypatch):
    monkeypatch.setitem(os.environ, "PYTEST_CURRENT_TEST", "this one")
    source = "import os\nassert not [name for name in os.environ if name.startswith('PYTEST')]"
    result = run(lambda notebook: notebook.cells.append(new_code_cell(source)))
    assert result.returncode == 0, result.stdout


def test_every_instructor_notebook_is_run():
    (step,) = (step for step in steps(quick=False) if step.name == "notebooks")
    for path in (ROOT / "solutions").glob("*/*.py"):
        assert str(path.relative_to(ROOT).with_suffix(".ipynb")) in step.command
