"""The table of results in a terminal of 80 columns, with a real lesson's names."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from autograder.classroom.assignment import Assignment
from autograder.classroom.demo import DEMO_LESSON
from autograder.classroom.grade_table import grade_table
from autograder.classroom.growing_table import GrowingTable
from autograder.classroom.results import Result, failed
from autograder.grading.score import CellScore
from autograder.grading.status import Status

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lesson() -> Assignment:
    return Assignment(ROOT, DEMO_LESSON)


def shown(results, exercises, notes=None) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(grade_table(results, exercises, notes))
    return capture.get()


def words(text: str, student: str) -> list[str]:
    """The cells of a student's row."""
    (line,) = (line for line in text.splitlines() if f" {student}" in line)
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_table_of_the_demo_fits_a_terminal(lesson):
    nothing = failed("fay", lesson.name, lesson.notebooks, "Lost.")
    full = {name: CellScore(cell.max_score, cell.max_score) for name, cell in nothing.cells.items()}
    points = nothing.max_score
    right = Result("ada", lesson.name, Status.GRADED, points, points, cells=full)
    notes = {"ada": "right", "fay": "a broken file"}
    text = shown([right, nothing], lesson.exercises(), notes)
    names = list(dict.fromkeys(lesson.exercises().values()))
    assert len(names) == 5
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "…" not in text
    # Every name is there in one piece, after its number.
    assert text.splitlines()[-1] == "fay: error. Lost."
    legend = text.splitlines()[-2].replace("\N{NO-BREAK SPACE}", " ")
    assert legend.split("  ") == [f"{number} {name}" for number, name in enumerate(names, 1)]
    header = text.splitlines()[2]
    assert header.replace("┃", " ").split() == [
        "student",
        "1",
        "2",
        "3",
        "4",
        "5",
        "points",
        "status",
    ]
    ada, fay = words(text, "ada"), words(text, "fay")
    assert ada[0] == "ada (right)"
    assert ada[-2:] == [f"{points:g}/{points:g}", "graded"]
    assert [cell.split("/")[0] for cell in fay[1:6]] == ["0"] * 5
    assert fay[-1] == "error"


def test_points_that_a_person_gives_are_a_question():
    cells = {"a1": CellScore(1, 1), "why": CellScore(None, 5, "A person gives these points.")}
    result = Result("ada", "own", Status.GRADED, 1, 6, cells=cells)
    text = shown([result], {"a1": "a", "why": "why"})
    assert words(text, "ada") == ["ada", "1/1", "?", "1/6", "graded"]


def test_a_student_may_be_called_anything():
    result = Result("[red]x", "own", Status.GRADED, 1, 1, cells={"a": CellScore(1, 1)})
    assert "[red]x" in shown([result], {})


def test_what_was_taken_is_said_below():
    note = "mine (1).ipynb was graded: there is no mine.ipynb."
    results = [Result(f"s{n}", "own", Status.GRADED, notes=[note]) for n in range(25)]
    text = shown(results, {})
    assert f"s0: {note}" in text
    assert text.splitlines()[-1] == "… and 5 more."


def test_rows_are_shown_as_they_come_and_leave_with_the_bar(lesson):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, height=20)
    with GrowingTable(console=console, auto_refresh=False) as bar:
        for number in range(10):
            name = f"student{number}"
            bar.show(failed(name, lesson.name, lesson.notebooks, "Lost."), lesson.exercises())
        bar.refresh()
        drawn = screen.getvalue()
    assert "student9" in drawn
    # The newest, as many as the screen has lines for.
    assert "student3" not in drawn
    assert "Lost." not in drawn
    assert "student9" not in screen.getvalue()[len(drawn) :]
