"""Answers are found in whatever is handed in, within limits, and what was odd about it is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.grading import read_submission
from autograder.grading.read_submission import read_answers, read_timestamp
from autograder.grading.reading_process import ReadingProcess
from autograder.grading.released import ReleasedNotebook, released

STUB = "def {0}(a):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
DOUBLE = "def double(a):\n    return 2 * a"
HALF = "def half(a):\n    return a / 2"
LESSON = "90_numbers"


def _graded(name: str, solution: bool) -> dict:
    graded = {"grade_id": name, "solution": solution, "grade": not solution, "locked": not solution}
    return {"nbgrader": graded | {"schema_version": 3, "task": False, "points": 1}}


def _instructor() -> nbformat.NotebookNode:
    answer = "### BEGIN SOLUTION\n    return 0\n    ### END SOLUTION"
    cells = [
        new_markdown_cell("# Numbers", id="title"),
        new_code_cell("import math", id="imports"),
        new_code_cell(
            f"def double(a):\n    {answer}", id="double", metadata=_graded("double", True)
        ),
        new_code_cell("assert double(1) == 2", id="test_a", metadata=_graded("test_a", False)),
        new_markdown_cell("Now half of it.", id="prose"),
        new_code_cell(f"def half(a):\n    {answer}", id="half", metadata=_graded("half", True)),
        new_code_cell("assert half(2) == 1", id="test_b", metadata=_graded("test_b", False)),
    ]
    course = {"lesson": LESSON, "cells": [cell.id for cell in cells]}
    return new_notebook(cells=cells, metadata={"course": course})


@pytest.fixture
def given() -> ReleasedNotebook:
    return released("numbers", _instructor())


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "ada" / LESSON
    path.mkdir(parents=True)
    return path


def notebook(given: ReleasedNotebook, **answers: str) -> dict:
    """A released notebook as JSON, with answers in it."""
    cells = []
    for cell in given.cells:
        text = answers.get(cell.answer, cell.text) if cell.answer else cell.text
        metadata = _graded(cell.grade_id, cell.answer is not None) if cell.grade_id else {}
        cells.append(
            {"cell_type": cell.cell_type, "id": cell.cell_id, "metadata": metadata, "source": text}
            | ({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
        )
    course = {"lesson": given.lesson, "cells": list(given.own_ids)}
    return {"cells": cells, "metadata": {"course": course}, "nbformat": 4, "nbformat_minor": 5}


def write(folder: Path, data: object, name: str = "numbers.ipynb", age: float = 0) -> Path:
    """Write a notebook that was last changed ``age`` seconds ago, more or less."""
    path = folder / name
    path.write_text(json.dumps(data), encoding="utf-8")
    time = 1_700_000_000 - age
    os.utime(path, (time, time))
    return path


def test_answers_and_nothing_to_say(given, folder):
    write(folder, notebook(given, double=DOUBLE))
    intake = read_answers(folder, given)
    assert intake.status is None
    assert intake.answers == {"double": DOUBLE, "half": STUB.format("half")}
    assert intake.notes == []
    assert intake.file == "numbers.ipynb"


def without_marks(data: dict) -> dict:
    """As Colab gives a notebook back: other ids, no metadata of nbgrader's."""
    for number, cell in enumerate(data["cells"]):
        cell["metadata"] = {"id": f"x{number}"}
        del cell["id"]
    data["metadata"] = {"colab": {"provenance": []}}
    return data


def test_cells_without_metadata_and_ids_are_known_by_what_they_define(given, folder):
    write(folder, without_marks(notebook(given, double=DOUBLE, half=HALF)))
    intake = read_answers(folder, given)
    assert intake.answers == {"double": DOUBLE, "half": HALF}
    assert len(intake.notes) == 2
    assert "double was known by its text" in intake.notes[0]


def test_cells_without_marks_are_known_by_their_place(given, folder):
    # It defines the function in another way than the blank answer.
    answer = "import operator\nresult = operator.mul"
    write(folder, without_marks(notebook(given, double=answer, half=HALF)))
    assert read_answers(folder, given).answers == {"double": answer, "half": HALF}


def test_what_could_be_either_of_two_cells_is_not_taken_and_said(given, folder):
    data = without_marks(notebook(given, half=HALF))
    data["cells"][2:3] = [
        {"cell_type": "code", "metadata": {}, "source": DOUBLE},
        {"cell_type": "code", "metadata": {}, "source": DOUBLE.replace("2 *", "3 *")},
    ]
    write(folder, data)
    intake = read_answers(folder, given)
    assert intake.answers == {"half": HALF}
    assert any("No answer to double was found" in note for note in intake.notes)


def test_cells_below_a_task_are_kept_up_to_the_next_of_the_lessons(folder):
    instructor = _instructor()
    task = _graded("draw", False)["nbgrader"] | {"task": True, "grade": False, "locked": False}
    instructor.cells.insert(4, new_markdown_cell("Draw.", id="draw", metadata={"nbgrader": task}))
    given = released("numbers", instructor)
    data = notebook(given, double=DOUBLE)
    for place, text in ((4, "# no work"), (6, "plot()"), (7, ""), (8, "a + b"), (10, "# nor this")):
        cell = {"cell_type": "code", "id": f"mine{place}", "metadata": {}, "source": text}
        data["cells"].insert(place, cell)
    write(folder, data)
    intake = read_answers(folder, given)
    assert intake.work == {"draw": [("code", "plot()"), ("code", "a + b")]}
    assert intake.answers["double"] == DOUBLE


def test_an_answer_in_a_new_cell_is_found_and_said(given, folder):
    data = notebook(given)
    data["cells"].append({"cell_type": "code", "id": "mine", "metadata": {}, "source": DOUBLE})
    write(folder, data)
    intake = read_answers(folder, given)
    assert intake.answers["double"] == DOUBLE
    assert intake.notes == [
        "The answer to double was found in another cell than its own, and graded."
    ]


def test_a_blank_copy_behind_an_answer_does_not_take_its_place(given, folder):
    data = notebook(given, double=DOUBLE)
    blank = notebook(given)["cells"][2]
    data["cells"].insert(3, blank)
    write(folder, data)
    intake = read_answers(folder, given)
    assert intake.answers["double"] == DOUBLE
    assert intake.notes == []


def test_of_two_answers_the_last_is_taken_and_it_is_said(given, folder):
    data = notebook(given, double=DOUBLE)
    data["cells"].append(dict(data["cells"][2], source="def double(a):\n    return a + a"))
    write(folder, data)
    intake = read_answers(folder, given)
    assert "a + a" in intake.answers["double"]
    assert "2 different answers to double" in intake.notes[0]


def test_another_lesson_under_this_name_is_refused(given, folder):
    data = notebook(given, double=DOUBLE)
    data["metadata"]["course"]["lesson"] = "07_chest_xrays"
    write(folder, data)
    intake = read_answers(folder, given)
    assert intake.status == "refused"
    assert "the notebook of 07_chest_xrays, not of 90_numbers" in intake.message


def test_a_notebook_without_any_of_the_answers_says_so(given, folder):
    foreign = new_notebook(cells=[new_code_cell("print('hello')")])
    write(folder, foreign)
    intake = read_answers(folder, given)
    assert intake.status == "unreadable"
    assert "None of the 2 answer cells" in intake.message


def test_an_earlier_release_is_said(given, folder):
    data = notebook(given, double=DOUBLE)
    data["metadata"]["course"]["cells"] = ["title", "double"]
    write(folder, data)
    assert "another version of the lesson" in read_answers(folder, given).notes[0]


@pytest.mark.parametrize(
    "name",
    ["numbers (1).ipynb", "numbers-1.ipynb", "numbers-Copy1.ipynb", "Copy of numbers.ipynb",
     "NUMBERS.IPYNB", "mine.ipynb"],
)  # fmt: skip
def test_a_notebook_is_known_under_another_name(given, folder, name):
    write(folder, notebook(given, double=DOUBLE), name)
    intake = read_answers(folder, given)
    assert intake.answers["double"] == DOUBLE
    assert name in intake.notes[0]


def test_a_notebook_in_a_folder_of_its_own_is_found(given, folder):
    inner = folder / "numbers"
    inner.mkdir()
    write(inner, notebook(given, double=DOUBLE))
    intake = read_answers(folder, given)
    assert intake.answers["double"] == DOUBLE
    assert intake.file == "numbers/numbers.ipynb"


def test_an_untouched_copy_does_not_hide_an_answered_one(given, folder):
    write(folder, notebook(given))
    write(folder, notebook(given, double=DOUBLE), "numbers (1).ipynb", age=1000)
    intake = read_answers(folder, given)
    assert intake.answers["double"] == DOUBLE
    assert "numbers (1).ipynb was graded" in intake.notes[0]


def test_of_two_answered_notebooks_the_newest_is_taken(given, folder):
    write(folder, notebook(given, double=DOUBLE), age=1000)
    write(folder, notebook(given, half=HALF), "numbers (1).ipynb")
    intake = read_answers(folder, given)
    assert intake.answers["half"] == HALF
    assert "also there: numbers.ipynb" in intake.notes[0]


def test_a_notebook_of_the_same_assignment_is_no_copy(given, folder):
    write(folder, notebook(given, double=DOUBLE), "numbers-2.ipynb")
    assert read_answers(folder, given, {"numbers-2"}).status == "missing"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("numbers.zip", "unpack it"),
        ("numbers.ipynb.txt", "rename it to numbers.ipynb"),
        ("numbers.json", "rename it to numbers.ipynb"),
        ("numbers.html", "rename it"),
        ("numbers.py", "the notebook itself"),
    ],
)
def test_what_lies_there_instead_is_named(given, folder, name, advice):
    (folder / name).write_text("something")
    intake = read_answers(folder, given)
    assert intake.status == "missing"
    assert name in intake.message
    assert advice in intake.message


@pytest.mark.parametrize("place", [".", "Numbers", "90-numbers/inner"])
def test_a_notebook_beside_the_assignments_folder_is_named(given, folder, place):
    folder.rmdir()
    (folder.parent / place).mkdir(parents=True, exist_ok=True)
    write(folder.parent / place, notebook(given, double=DOUBLE), "numbers (1).ipynb")
    intake = read_answers(folder, given)
    assert intake.status == "missing"
    assert "numbers (1).ipynb. Move it into that folder." in intake.message
    assert LESSON in intake.message


def test_a_byte_order_mark_is_read(given, folder):
    path = write(folder, notebook(given, double=DOUBLE))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_answers(folder, given).answers["double"] == DOUBLE
    stamp = folder / "timestamp.txt"
    stamp.write_bytes(b"\xef\xbb\xbf" + b"2024-05-01 12:00:00 UTC\n")
    assert read_timestamp(stamp).hour == 12


def test_too_many_cells_or_lines_are_refused(given, folder, monkeypatch):
    data = notebook(given, double=DOUBLE)
    write(folder, data)
    monkeypatch.setattr(read_submission, "MAX_CELLS", 5)
    assert "7 cells, and the limit is 5" in read_answers(folder, given).message
    monkeypatch.setattr(read_submission, "MAX_CELLS", 50)
    monkeypatch.setattr(read_submission, "MAX_LINES", 5)
    intake = read_answers(folder, given)
    assert intake.status == "refused"
    assert "lines" in intake.message


@pytest.fixture(scope="module")
def reading():
    with ReadingProcess() as process:
        yield process


@pytest.mark.parametrize(
    "line", ["!a", "%a", "x = !a", "a?", "?a", "!a \\", "(", "'''", "@", "if 1:", "-"]
)
def test_a_notebook_of_one_line_many_times_is_read(given, folder, reading, line):
    data = notebook(given, double=DOUBLE)
    text = "\n".join([line] * 9_000)
    data["cells"].insert(1, {"cell_type": "code", "id": "own", "metadata": {}, "source": text})
    write(folder, data)
    assert reading.read(folder, given).answers["double"] == DOUBLE


@pytest.mark.parametrize("text", ["(" * 90_000, "-" * 90_000, "[" * 90 + "]" * 90, "a." * 50_000])
def test_what_python_cannot_parse_is_read(given, folder, reading, text):
    data = notebook(given, double=DOUBLE)
    data["cells"].insert(1, {"cell_type": "code", "id": "own", "metadata": {}, "source": text})
    write(folder, data)
    assert reading.read(folder, given).answers["double"] == DOUBLE


@pytest.mark.slow
def test_a_notebook_that_takes_too_long_costs_its_own_student_alone(given, folder):
    data = notebook(given, double=DOUBLE)
    text = "\n".join(["x = 1"] * 40_000)
    data["cells"].append({"cell_type": "code", "id": "own", "metadata": {}, "source": text})
    path = write(folder, data)
    with ReadingProcess(seconds=0) as process:
        intake = process.read(folder, given)
        assert intake.status == "refused"
        assert "more than 0 seconds" in intake.message
        process.seconds = 60
        assert process.read(path.parent, given).answers["double"] == DOUBLE


@pytest.mark.slow
def test_a_notebook_that_takes_too_much_memory_costs_its_own_student_alone(given, folder):
    data = notebook(given, double=DOUBLE)
    write(folder, data | {"waste": [[] for _ in range(3_000_000)]})
    with ReadingProcess(megabytes=60) as process:
        intake = process.read(folder, given)
        assert intake.status == "refused"
        assert "60 MB of memory" in intake.message
        write(folder, data)
        assert process.read(folder, given).answers["double"] == DOUBLE
