"""Known mistakes of the lessons: told in whatever words they are made, and not told otherwise."""

import nbformat
import pytest

from autograder.grading.grade_submission import mark
from autograder.grading.intake import Intake
from autograder.grading.known_mistakes import read_known_mistakes
from autograder.notebooks.folders import known_mistakes_path
from autograder.notebooks.source import explanation, read_lesson
from tests.autograder.rewritten_mistakes import NO_KNOWN_MISTAKE, REWRITTEN
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


def graded(workplace, name, answers):
    """What a submission of these answers is worth and is told, by exercise."""
    lesson = read_lesson(REPOSITORY / "solutions" / name)
    instructor = nbformat.read(lesson.instructor_notebook, as_version=4)
    right = {exercise.name: exercise.solution.source for exercise in lesson.exercises}
    known = read_known_mistakes(known_mistakes_path(lesson.folder).read_bytes())
    notebook = mark(instructor, Intake(right | answers), workplace, timeout=120, known=known)
    lost = {
        exercise.name
        for exercise in lesson.exercises
        for test in exercise.tests
        for cell in notebook.cells
        if cell.id == test.metadata["grade_id"]
        and cell.metadata["course"]["score"] < test.metadata["points"]
    }
    return lost, notebook.metadata["course"]["misconceptions"]


def mistakes(name, number):
    """The mistakes of that number of a lesson's exercises, each with its sentence."""
    lesson = read_lesson(REPOSITORY / "solutions" / name)
    for exercise in lesson.exercises:
        words = REWRITTEN[name][exercise.name]
        assert len(words) == len(exercise.misconceptions)
        if number < len(words) and words[number] is not None:
            yield exercise.name, words[number], explanation(exercise.misconceptions[number])


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (name, number)
        for name, exercises in REWRITTEN.items()
        for number in range(max(map(len, exercises.values())))
    ],
)
def test_a_mistake_in_other_words_is_told(workplace, name, number):
    made = list(mistakes(name, number))
    answers = {exercise: answer for exercise, answer, _ in made}
    lost, told = graded(workplace, name, answers)
    assert lost == answers.keys()
    assert told == {exercise: sentence for exercise, _, sentence in made}


@pytest.mark.parametrize("name", NO_KNOWN_MISTAKE)
def test_another_wrong_answer_is_told_nothing(workplace, name):
    lost, told = graded(workplace, name, NO_KNOWN_MISTAKE[name])
    assert lost == NO_KNOWN_MISTAKE[name].keys()
    assert told == {}
