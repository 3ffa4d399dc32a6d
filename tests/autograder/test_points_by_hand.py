"""Points that a person gives: in the next results, in the table, the feedback, the report."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook as Database
from nbgrader.tests import (
    create_grade_and_solution_cell,
    create_grade_cell,
    create_solution_cell,
    create_task_cell,
)
from rich.console import Console

from autograder.classroom.assignment import Assignment
from autograder.classroom.folders import ClassFolder
from autograder.classroom.grade_table import grade_table
from autograder.classroom.gradebook import Gradebook
from autograder.classroom.results import Result
from autograder.nbgrader_course.settings import COURSE_ID
from tests.autograder import toy_class

pytestmark = pytest.mark.slow

NAME = "own"
WRITTEN = "Because two and two are four."


def notebook(code: str, written: str) -> NotebookNode:
    """An assignment of ten points: three by a test, five for a text, two for a task."""
    made = new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}},
        cells=[
            new_markdown_cell("# Four\n\n## A number"),
            create_solution_cell(code, "code", "x"),
            create_grade_cell("assert x == 4, f'x is {x}'", "code", "x_test", 3),
            new_markdown_cell("## Why"),
            create_grade_and_solution_cell(written, "markdown", "why", 5),
            new_markdown_cell("## A drawing"),
            create_task_cell("Draw it.", "markdown", "draw", 2),
        ],
    )
    return made


@pytest.fixture
def own(toy) -> Path:
    """A course with that assignment, handed in by three students."""
    folder = toy / "solutions" / NAME
    folder.mkdir()
    right = "### BEGIN SOLUTION\nx = 4\n### END SOLUTION"
    nbformat.write(notebook(right, WRITTEN), folder / "four.ipynb")
    hand_in(toy, "ada", "x = 4", "It is so.")
    hand_in(toy, "ben", "x = 5", "I think so.")
    (toy / "class" / "submitted" / "cleo").mkdir(parents=True)
    return toy


def hand_in(root: Path, student: str, code: str, written: str) -> Path:
    folder = root / "class" / "submitted" / student / NAME
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook(code, written), folder / "four.ipynb")
    return folder


def grade(root: Path, **options) -> dict[str, Result]:
    return {result.student: result for result in toy_class.grade(root, NAME, **options)}


def give(root: Path, student: str, cell: str, points: float, extra: float | None = None) -> None:
    """What Formgrader writes when a person has filled in a score."""
    with Database(Gradebook(ClassFolder(root)).url, COURSE_ID) as book:
        given = book.find_grade(cell, "four", NAME, student)
        given.manual_score, given.extra_credit = points, extra
        given.needs_manual_grade = False
        book.db.commit()


def table(root: Path, results: dict[str, Result]) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(grade_table(list(results.values()), Assignment(root, NAME).exercises()))
    return capture.get()


def row(text: str, student: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if f" {student} " in line)
    return [cell.strip() for cell in line.strip("│").split("│")]


def page(root: Path, student: str) -> str:
    (path,) = ClassFolder(root).feedback(student, NAME)
    return path.read_text(encoding="utf-8")


def test_points_wait_for_a_person_and_count_when_they_are_given(own):
    results = grade(own)
    assert (results["ada"].score, results["ada"].max_score) == (3, 10)
    assert row(table(own, results), "ada") == ["ada", "3/3", "?", "?", "3/10", "graded"]
    # Nobody has to look at what was not handed in.
    assert row(table(own, results), "cleo")[1:5] == ["0/3", "0/5", "0/2", "0/10"]
    assert "not graded yet" in page(own, "ada")
    give(own, "ada", "why", 4)
    give(own, "ada", "draw", 2, extra=1)
    give(own, "ben", "x_test", 1)
    results = grade(own)
    assert row(table(own, results), "ada") == ["ada", "3/3", "4/5", "3/2", "10/10", "graded"]
    assert row(table(own, results), "ben") == ["ben", "1/3", "?", "?", "1/10", "graded"]
    assert results["ada"].cells["why"].by_hand
    assert "10 of 10 points." in page(own, "ada")
    assert "not graded yet" not in page(own, "ada")
    assert "1 of 10 points." in page(own, "ben")


def test_points_of_a_person_survive_a_run_that_grades_again(own):
    grade(own)
    give(own, "ada", "why", 4)
    give(own, "ada", "draw", 1)
    assert grade(own, force=True)["ada"].score == 8
    hand_in(own, "ada", "x = 5", "It is so, I think.")
    results = grade(own)
    assert results["ada"].score == 5
    assert "5 of 10 points." in page(own, "ada")


def test_a_comment_gets_into_the_feedback(own):
    grade(own)
    with Database(Gradebook(ClassFolder(own)).url, COURSE_ID) as book:
        book.find_comment("why", "four", NAME, "ada").manual_comment = "Which two?"
        book.db.commit()
    assert grade(own)["ada"].comments == {"why": "Which two?"}
    assert "Which two?" in page(own, "ada")


def test_points_that_are_taken_back_are_awaited_again(own):
    grade(own)
    give(own, "ada", "why", 4)
    grade(own)
    give(own, "ada", "why", None)
    result = grade(own)["ada"]
    assert (result.score, result.cells["why"].score) == (3, None)
    assert result.cells["why"].message
    assert "not graded yet" in page(own, "ada")


def test_an_answer_that_nobody_has_written_waits_for_nobody(own):
    hand_in(own, "dora", "x = 4", "YOUR ANSWER HERE")
    cell = grade(own)["dora"].cells["why"]
    assert (cell.score, cell.message) == (0, "Not answered.")


def test_what_is_added_below_a_task_is_there_for_the_person_who_grades_it(own):
    folder = hand_in(own, "ada", "x = 4", "It is so.")
    handed_in = nbformat.read(folder / "four.ipynb", as_version=4)
    drawn = ["draw_four('<b>')", "This is a **four**. <script>run()</script>"]
    handed_in.cells += [new_code_cell(drawn[0]), new_markdown_cell(drawn[1])]
    nbformat.write(handed_in, folder / "four.ipynb")
    result = grade(own)["ada"]
    assert (result.score, result.cells["draw"].score) == (3, None)
    (path,) = ClassFolder(own).autograded("ada", NAME).glob("*.ipynb")
    cells = nbformat.read(path, as_version=4).cells[-3:]
    assert cells[0].metadata.nbgrader.grade_id == "draw"
    assert cells[1].source == drawn[0]
    assert cells[2].source.startswith("This is a **four**.")
    assert "<script>" not in cells[2].source
    assert "draw_four" in page(own, "ada")


def test_a_penalty_is_in_the_points_everywhere(own):
    config = own / "nbgrader_config.py"
    config.write_text(
        config.read_text() + '\nget_config().LateSubmissionPlugin.penalty_method = "zero"\n'
    )
    grade(own)
    with Database(Gradebook(ClassFolder(own)).url, COURSE_ID) as book:
        book.update_or_create_assignment(NAME, duedate="2024-05-01 10:00:00 UTC")
    folder = hand_in(own, "ada", "x = 4", "It is so.")
    (folder / "timestamp.txt").write_text("2024-05-01 12:00:00 UTC")
    results = grade(own)
    assert (results["ada"].score, results["ada"].penalty) == (0, 3)
    assert row(table(own, results), "ada")[-2:] == ["0/10", "graded, -3 late"]
    assert "0 of 10 points." in page(own, "ada")


@pytest.mark.skipif(not toy_class.ISOLATED, reason="plain nbgrader refuses without a sandbox")
def test_exported_grades_tell_missing_unreadable_and_zero_apart(own):
    (hand_in(own, "dora", "x = 4", "") / "four.ipynb").write_text("{")
    hand_in(own, "emil", "x = 5", "YOUR ANSWER HERE")
    grade(own)
    give(own, "ada", "why", 4)
    give(own, "ada", "draw", 0.5)
    give(own, "emil", "draw", 0)
    with Database(Gradebook(ClassFolder(own)).url, COURSE_ID) as book:
        book.add_student("fay", last_name='de "Fay", jr.')
    command = [sys.executable, "-m", "nbgrader", "export"]
    done = subprocess.run(command, cwd=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with (own / "class" / "grades.csv").open(newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {name: (row["score"], row["state"]) for name, row in rows.items()} == {
        "ada": ("7.5", "graded"),
        "ben": ("0.0", "partly graded"),
        "cleo": ("0.0", "missing"),
        "dora": ("0.0", "unreadable"),
        "emil": ("0.0", "graded"),
        "fay": ("0.0", "not graded"),
    }
    assert rows["fay"]["last_name"] == 'de "Fay", jr.'
    assert {row["max_score"] for row in rows.values()} == {"10.0"}


def test_the_report_counts_points_of_a_person(own, command, capsys):
    grade(own)
    waiting = report(own, command)
    assert "points to be given by a person: why, draw" in waiting
    give(own, "ada", "why", 5)
    give(own, "ada", "draw", 2)
    text = report(own, command)
    assert "the highest 10" in text
    assert re.search(r"<tr><td>why</td><td[^>]*>5</td><td[^>]*>33%</td>", text)
    assert "<td>ada</td>" not in text


def report(root: Path, command) -> str:
    command(root, "report", NAME)
    return ClassFolder(root).report(NAME).read_text(encoding="utf-8")
