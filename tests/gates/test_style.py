"""Notebooks that everyone can read, and that nbval can hold to what they show."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder.gates import style
from autograder.notebooks.source import all_lessons
from autograder.publish.thumbnails import thumbnail
from tests.files import said

ROOT = Path(__file__).parents[2]
ALT = "Accuracy rises from 0.1 to 0.9 within five epochs."
PNG = "iVBORw0KGgo="

# Of all notebooks together: a clone should be small, and quick to open.
MAX_BYTES = 12_000_000


def test_notebooks_of_the_course():
    assert style.check(ROOT) == []


def test_notebooks_stay_small():
    notebooks = [*ROOT.glob("solutions/*/*.ipynb"), *ROOT.glob("lessons/*/*.ipynb")]
    assert sum(path.stat().st_size for path in notebooks) < MAX_BYTES


def test_every_lesson_has_a_picture():
    assert [lesson.name for lesson in all_lessons(ROOT) if thumbnail(lesson) is None] == []


def test_toy(toy):
    assert style.check(toy) == []


def test_missing_notebook_is_noticed(toy):
    (toy / "lessons/90_adding/adding.ipynb").unlink()
    (problem,) = said(style.check(toy))
    assert "the lesson is missing" in problem


def figure(**metadata):
    return new_output("display_data", {"image/png": PNG}, metadata=metadata)


def shown(text="found: True\n"):
    return new_output("stream", name="stdout", text=text)


@pytest.fixture
def notebook():
    """An instructor notebook without fault."""
    result = new_code_cell('print("found: True")', outputs=[shown()], execution_count=1)
    result.metadata["tags"] = ["nbval-check-output"]
    picture = new_code_cell(
        "plots.show(fig, alt=…)", outputs=[figure(**{"image/png": {"alt": ALT}})]
    )
    cells = [
        new_markdown_cell("# Title\n\n```\n# no heading\n```"),
        new_markdown_cell(f"## Section\n\n![{ALT}](picture.png)"),
        result,
        picture,
        new_markdown_cell("### Part"),
        new_markdown_cell("## Section"),
    ]
    return new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python"}}
    )


def test_a_good_notebook_passes(notebook):
    nbformat.validate(notebook)
    assert list(style.problems(notebook, style.INSTRUCTOR)) == []


def test_alt_text_for_the_whole_output_will_do(notebook):
    notebook.cells[3].outputs = [figure(alt=ALT)]
    assert list(style.problems(notebook, style.INSTRUCTOR)) == []


def test_a_progress_bar_passes(notebook):
    bar = "epochs:  50%|████    | 2/4 [00:05<00:05]\repochs: 100%|████████| 4/4 [00:10<00:00]\n"
    notebook.cells[3].outputs.append(new_output("stream", name="stderr", text=bar))
    assert list(style.problems(notebook, style.INSTRUCTOR)) == []


def no_alt(notebook):
    notebook.cells[3].outputs = [figure()]


def empty_alt(notebook):
    notebook.cells[3].outputs = [figure(**{"image/png": {"alt": " ", "width": 480}})]


def second_figure_without_alt(notebook):
    notebook.cells[3].outputs.append(figure())


def html_without_alt(notebook):
    output = new_output("display_data", {"text/html": '<p><img src="data:image/gif;base64,R"></p>'})
    notebook.cells[3].outputs = [output]


def markdown_without_alt(notebook):
    notebook.cells[1].source = "## Section\n\n![](picture.png)"


def markdown_html_without_alt(notebook):
    notebook.cells[1].source = '## Section\n\nText <img src="picture.png"> text.'


def no_title(notebook):
    notebook.cells[0].source = "Title"


def two_titles(notebook):
    notebook.cells[5].source = "# Another"


def title_late(notebook):
    notebook.cells[0].source, notebook.cells[5].source = "## Section", "# Title"


def skipped_level(notebook):
    notebook.cells[4].source = "#### Part"


def long_cell(notebook):
    notebook.cells[2].source = "x = 1\n" * 26


def long_output(notebook):
    notebook.cells[2].outputs = [shown("x" * 100_001)]


def error_output(notebook):
    notebook.cells[2].outputs = [new_output("error", ename="ValueError", evalue="", traceback=[])]


def warning(notebook):
    notebook.cells[3].outputs.append(
        new_output("stream", name="stderr", text="fit: 100%|██| 2/2\nWARNING: retracing\n")
    )


def empty_stderr(notebook):
    notebook.cells[3].outputs.append(new_output("stream", name="stderr", text="      \r"))


def path_of_the_machine(notebook):
    notebook.cells[2].outputs = [shown("found: /home/ada/data/digits\n")]


def result_without_output(notebook):
    notebook.cells[2].outputs = []


def figure_without_output(notebook):
    notebook.cells[3].outputs = []
    notebook.cells[3].source = "plots.show(fig, alt=text)"


def no_result_cell(notebook):
    del notebook.cells[2].metadata["tags"]


def other_kernel(notebook):
    notebook.metadata.kernelspec.name = "my-environment"


def no_kernel(notebook):
    del notebook.metadata["kernelspec"]


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (no_alt, "cell 4: a figure without alt text"),
        (empty_alt, "cell 4: a figure without alt text"),
        (second_figure_without_alt, "cell 4: a figure without alt text"),
        (html_without_alt, "cell 4: an image in an HTML output"),
        (markdown_without_alt, "cell 2: the image 'picture.png'"),
        (markdown_html_without_alt, "cell 2: the image 'picture.png'"),
        (no_title, "there are 0 of level one"),
        (two_titles, "there are 2 of level one"),
        (title_late, "'Section' comes before the title"),
        (skipped_level, "cell 5: 'Part' is of level 4"),
        (long_cell, "cell 3: 26 lines"),
        (long_output, "cell 3: an output of 100 kB"),
        (error_output, "cell 3: it ended in ValueError"),
        (warning, "cell 4: it stores 'WARNING: retracing' on stderr"),
        (empty_stderr, "cell 4: it stores '' on stderr"),
        (path_of_the_machine, "cell 3: its output names '/home/ada/data/digits'"),
        (result_without_output, "cell 3: it is tagged nbval-check-output and has no stored"),
        (figure_without_output, "cell 4: it shows something, and no output"),
        (no_result_cell, "no cell is tagged nbval-check-output"),
        (other_kernel, "the kernel is 'my-environment'"),
        (no_kernel, "the kernel is None"),
    ],
)
def test_each_fault_is_noticed(notebook, plant, message):
    plant(notebook)
    problems = said(style.problems(notebook, style.INSTRUCTOR))
    assert any(message in problem for problem in problems)


def test_a_lesson_with_outputs_is_noticed(notebook):
    problems = said(style.problems(notebook, style.STUDENT))
    assert [problem.partition(":")[0] for problem in problems] == ["cell 3", "cell 4"]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    assert list(style.problems(notebook, style.STUDENT)) == []
