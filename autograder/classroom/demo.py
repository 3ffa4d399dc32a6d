"""A small class whose submissions show what grading does with each kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat

from autograder.nbgrader_course.api import release_notebook
from autograder.notebooks.cells import Answers
from autograder.notebooks.source import Lesson, read_lesson
from course.cells import find_grade_id

DEMO_LESSON = "01_neurons_and_layers"

ENDLESS = "while True:\n    pass"


def make_class(root: Path, classes: Path) -> dict[str, str]:
    """Release the demo lesson and hand it in six times.

    Args:
        root: the repository.
        classes: the class's folder; whatever is there from an earlier demo is removed.

    Returns:
        What each student's submission is like, by student.
    """
    lesson = read_lesson(root / "solutions" / DEMO_LESSON)
    shutil.rmtree(classes, ignore_errors=True)
    classes.mkdir(parents=True)
    release_notebook(root, lesson.name, classes / "released")
    released = classes / "released" / lesson.name / f"{lesson.notebook_name}.ipynb"
    right = {exercise.name: exercise.solution.source for exercise in lesson.exercises}
    wrong = {exercise.name: exercise.misconceptions[0].source for exercise in lesson.exercises}
    first, last = lesson.exercises[0].name, lesson.exercises[-1].name
    _hand_in(classes, "ada", lesson, released, right)
    _hand_in(classes, "ben", lesson, released, right | {last: wrong[last]})
    _hand_in(classes, "cleo", lesson, released, wrong)
    _hand_in(classes, "dora", lesson, released, {})
    path = _hand_in(classes, "emil", lesson, released, right)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _hand_in(classes, "fay", lesson, released, right | {first: ENDLESS})
    return {
        "ada": "right",
        "ben": "partly right",
        "cleo": "wrong",
        "dora": "blank",
        "emil": "broken file",
        "fay": "endless loop",
    }


def _hand_in(classes: Path, student: str, lesson: Lesson, released: Path, answers: Answers) -> Path:
    notebook = nbformat.read(released, as_version=4)
    for cell in notebook.cells:
        if (name := find_grade_id(cell)) in answers:
            cell.source = answers[name]
    path = classes / "submitted" / student / lesson.name / released.name
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    return path
