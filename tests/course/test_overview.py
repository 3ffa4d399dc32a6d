"""``course progress``: what passes, what was tried, what comes next; and what is kept for it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from rich.console import Console

from course.check import check
from course.check.answers import ERROR, NOT_YET, PASSES, RIGHT, UNANSWERED
from course.check.lesson import read_lesson
from course.check.overview import CHANGED, NOT_TRIED, PASSED, TRIED, overview, show
from course.check.record import Record, record_path
from course.lessons import LessonError
from tests.course.conftest import ToyLesson


@pytest.fixture
def record(tmp_path) -> Record:
    return Record(tmp_path / "reader" / "progress.json")


def note(record: Record, toy: ToyLesson, **states: str) -> None:
    """Note states of exercises, with the answers that the notebook has."""
    record.note(read_lesson(toy.save()), {name: (state, None) for name, state in states.items()})


def states(toy: ToyLesson, record: Record) -> dict[str, str]:
    (lesson,) = overview(toy.path.parents[2], record.read()).lessons
    return lesson.exercises


@pytest.fixture
def toy(tmp_path) -> ToyLesson:
    lesson = ToyLesson(tmp_path / "lessons")
    lesson.notebook.metadata.course.lesson = "99_toy"
    lesson.save()
    return lesson


def test_nothing_is_tried_at_first(toy, record):
    assert states(toy, record) == {"double": NOT_TRIED, "triple": NOT_TRIED}


def test_an_answer_that_was_never_checked_is_tried(toy, record):
    toy.answer(double=toy.DOUBLE).save()
    assert states(toy, record) == {"double": TRIED, "triple": NOT_TRIED}


def test_what_a_check_finds_is_kept(toy, record):
    toy.answer(double=toy.DOUBLE, triple="def triple(x):\n    return x")
    note(record, toy, double=PASSES, triple=NOT_YET)
    assert states(toy, record) == {"double": PASSED, "triple": TRIED}
    (lesson,) = overview(toy.path.parents[2], record.read()).lessons
    assert (lesson.points, lesson.max_points) == (4, 6)


def test_an_answer_that_changes_is_to_be_checked_again(toy, record):
    toy.answer(double=toy.DOUBLE)
    note(record, toy, double=RIGHT)
    toy.answer(double=toy.DOUBLE + "  # twice").save()
    assert states(toy, record)["double"] == CHANGED
    toy.answer(double=f"\n{toy.DOUBLE}\n").save()
    assert states(toy, record)["double"] == PASSED


def test_a_fresh_copy_takes_nothing_away(toy, record):
    fresh = toy.path.read_text()
    toy.answer(double=toy.DOUBLE)
    note(record, toy, double=RIGHT)
    toy.path.write_text(fresh)
    assert states(toy, record)["double"] == PASSED


def test_what_says_nothing_about_an_answer_is_not_noted(toy, record):
    toy.answer(double=toy.DOUBLE)
    note(record, toy, double=RIGHT)
    note(record, toy, double=ERROR, triple=UNANSWERED)
    assert states(toy, record) == {"double": PASSED, "triple": NOT_TRIED}


def test_a_notebook_of_nobody_knows_where_is_not_noted(toy, record, tmp_path):
    del toy.notebook.metadata["course"]
    note(record, toy, double=RIGHT)
    assert record.read() == {}


def test_the_file_is_small_and_holds_no_answer(toy, record, tmp_path):
    toy.answer(double=toy.DOUBLE)
    note(record, toy, double=RIGHT, triple=NOT_YET)
    text = (tmp_path / "reader" / "progress.json").read_text()
    assert "def" not in text
    assert set(json.loads(text)["99_toy"]["double"]) == {"passed", "answer", "on"}
    assert [path.name for path in (tmp_path / "reader").iterdir()] == ["progress.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": {"b": {"c": 1}}}'])
def test_a_damaged_file_counts_as_empty_and_is_written_anew(toy, record, tmp_path, text):
    (tmp_path / "reader").mkdir()
    (tmp_path / "reader" / "progress.json").write_text(text)
    assert record.read() == {}
    note(record, toy, double=RIGHT)
    assert record.read()["99_toy"]["double"].passed


def test_a_folder_that_cannot_be_written_stops_no_check(toy, tmp_path):
    (tmp_path / "file").touch()
    note(Record(tmp_path / "file" / "progress.json"), toy, double=RIGHT)


def test_where_the_file_is(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "mine.json"))
    assert record_path() == tmp_path / "mine.json"
    monkeypatch.delenv("COURSE_PROGRESS")
    assert record_path().parts[-2:] == ("course", "progress.json")


@pytest.fixture
def three(tmp_path, toy) -> Path:
    """A course of lessons 97, 98, 99; 98 needs 97, and 99 needs both."""
    root = toy.path.parents[2]
    for name in ("97_first", "98_second"):
        copy = nbformat.from_dict(toy.notebook)
        copy.metadata.course.lesson = name
        copy.cells[0].source = f"# {name[3:].title()} things"
        folder = root / "lessons" / name
        folder.mkdir()
        nbformat.write(copy, folder / f"{name[3:]}.ipynb")
    needs = {"97_first": [], "98_second": ["97_first"], "99_toy": ["97_first", "98_second", "96_x"]}
    (root / "lessons" / "needs.json").write_text(json.dumps(needs))
    return root


def pass_all(record: Record, root: Path, lesson: str) -> None:
    (path,) = (root / "lessons" / lesson).glob("*.ipynb")
    record.note(read_lesson(path), {"double": (RIGHT, "x"), "triple": (RIGHT, "y")})


def printed(root: Path, record: Record) -> list[str]:
    console = Console(width=100, record=True, file=open(os.devnull, "w"))
    show(overview(root, record.read()), console)
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_what_comes_next_is_what_the_reader_is_ready_for(three, record):
    assert overview(three, record.read()).next_lesson == "97_first"
    pass_all(record, three, "97_first")
    found = overview(three, record.read())
    assert (found.next_lesson, found.next_exercise) == ("98_second", "double")
    pass_all(record, three, "98_second")
    # A lesson that is not there is not waited for.
    assert overview(three, record.read()).next_lesson == "99_toy"
    pass_all(record, three, "99_toy")
    found = overview(three, record.read())
    assert (found.next_lesson, found.next_exercise) == (None, None)
    assert printed(three, record)[-1] == "Every lesson is done."


def test_a_lesson_that_is_begun_comes_before_one_that_is_not(three, record):
    (three / "lessons" / "needs.json").unlink()
    note_path = three / "lessons" / "98_second" / "second.ipynb"
    record.note(read_lesson(note_path), {"double": (RIGHT, "x")})
    found = overview(three, record.read())
    assert (found.next_lesson, found.next_exercise) == ("98_second", "triple")


def test_the_table(three, record):
    pass_all(record, three, "97_first")
    lines = printed(three, record)
    assert lines[:4] == [
        "lesson passed tried not tried points",
        "97 First things 2 · · 6/6 done",
        "98 Second things · · 2 0/6 next",
        "99 A toy lesson · · 2 0/6 after 98",
    ]
    assert lines[5].startswith("2 of 6 exercises pass the tests that you see, 6 of 18 points.")
    assert lines[6] == "Next: exercise double of 98 Second things, in lessons/98_second."


def test_a_broken_notebook_is_named_and_the_others_are_shown(three, record):
    path = three / "lessons" / "97_first" / "first.ipynb"
    path.write_text("{")
    lines = printed(three, record)
    assert lines[1] == "97 first · · · 0/0 cannot be read"
    assert any("first.ipynb is not a valid notebook" in line for line in lines)
    assert "Every lesson is done." not in lines


def test_of_copies_the_lessons_own_name_counts(three, record):
    folder = three / "lessons" / "97_first"
    shutil.copy(folder / "first.ipynb", folder / "a copy.ipynb")
    (folder / "a copy.ipynb").write_text("{")
    assert overview(three, record.read()).lessons[0].problem == ""


def test_no_lessons(tmp_path):
    (tmp_path / "lessons").mkdir()
    with pytest.raises(LessonError, match="There is no lesson in"):
        overview(tmp_path, {})


@pytest.mark.slow
def test_course_check_notes_what_it_finds(toy, tmp_path):
    toy.answer(double=toy.DOUBLE, triple="def triple(x):\n    return x").save()
    path = tmp_path / "progress.json"
    check(toy.path, whole=False, record=path)
    assert {name: found.passed for name, found in Record(path).read()["99_toy"].items()} == {
        "double": True,
        "triple": False,
    }
    assert states(toy, Record(path)) == {"double": PASSED, "triple": TRIED}
