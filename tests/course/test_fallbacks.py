"""What lessons go on with where an exercise is not answered: it says so, and it is right itself."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import course.fallbacks
from autograder.notebooks.source import all_lessons
from course.cells import tags
from course.fallbacks import choose

ROOT = Path(__file__).parent.parent.parent


def double(x):
    return 2 * x


def unanswered(x):
    raise NotImplementedError()


def broken(x):
    return x.double


def wrong(x):
    return 3 * x


def right(x):
    return x + x


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (unanswered, "Your `double` is not written yet: the lesson goes on with one of its own.\n"),
        (broken, "Your `double` raises AttributeError: the lesson goes on with one of its own.\n"),
        (
            wrong,
            "Your `double` does not do what the exercise asks for yet: the lesson goes on with",
        ),
    ],
)
def test_an_answer_that_does_not_work_is_replaced_and_that_is_said(capsys, answer, said):
    assert choose(answer, double, lambda f: f(2) == 4) is double
    assert capsys.readouterr().out.startswith(said)


def test_an_answer_that_works_is_taken_without_a_word(capsys):
    assert choose(right, double, lambda f: f(2) == 4) is right
    assert capsys.readouterr().out == ""


def stand_ins():
    """Each stand-in with its lesson and its exercise."""
    modules = {m.name for m in pkgutil.iter_modules(course.fallbacks.__path__)}
    for lesson in all_lessons(ROOT):
        if lesson.notebook_name in modules:
            for exercise in lesson.exercises:
                yield pytest.param(lesson, exercise, id=f"{lesson.name}-{exercise.name}")


@pytest.mark.slow
@pytest.mark.parametrize(("lesson", "exercise"), list(stand_ins()))
def test_a_stand_in_passes_the_tests_of_its_exercise(lesson, exercise):
    module = importlib.import_module(f"course.fallbacks.{lesson.notebook_name}")
    names = {"__name__": "lesson"}
    for cell in lesson.cells:
        if cell.cell_type == "code" and not tags(cell) and "grade_id" not in cell.metadata:
            exec(cell.source, names)
    for test in exercise.tests:
        exec(test.source, names | {exercise.name: getattr(module, exercise.name)})
