"""A class's results follow the instructor: points, time stamps and nbgrader's own settings."""

from __future__ import annotations

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.classroom.assignment import Assignment
from autograder.errors import CourseError
from autograder.grading.conditions import Conditions
from autograder.nbgrader_course.api import nbgrader_api
from tests.autograder.toy_class import ASSIGNMENT, RIGHT, grade


def book(root):
    return Gradebook(f"sqlite:///{root / 'class' / 'gradebook.db'}", "deep_learning")


def submission(root, student="ada"):
    with book(root) as gradebook:
        found = gradebook.find_submission(ASSIGNMENT, student)
        return found.score, found.late_submission_penalty, found.total_seconds_late


@pytest.fixture
def late(toy, hand_in):
    """A right submission that came two hours after the deadline."""
    path = hand_in("ada", **RIGHT)
    path.with_name("timestamp.txt").write_text("2024-05-01 12:00:00 UTC")
    list(grade(toy))
    with book(toy) as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate="2024-05-01 10:00:00 UTC")
    return path


@pytest.mark.slow
def test_settings_in_nbgrader_config_have_the_effect_that_they_have_in_nbgrader(toy, late):
    config = toy / "nbgrader_config.py"
    config.write_text(
        config.read_text() + '\nget_config().LateSubmissionPlugin.penalty_method = "zero"\n'
    )
    list(grade(toy, force=True))
    assert submission(toy) == (4, 4, 7200)


@pytest.mark.slow
def test_a_corrected_time_stamp_is_taken_in_the_next_run(toy, late):
    list(grade(toy))
    late.with_name("timestamp.txt").write_text("2024-05-01 09:00:00 UTC")
    list(grade(toy))
    assert submission(toy)[2] == 0


def test_a_configuration_that_cannot_be_run_is_a_sentence(toy):
    (toy / "nbgrader_config.py").write_text("c = get_config(\n")
    with pytest.raises(CourseError, match=r"nbgrader_config\.py cannot be run: SyntaxError"):
        nbgrader_api(toy)


@pytest.mark.parametrize(
    "change",
    [
        lambda cell: cell.metadata.nbgrader.update(points=5),
        lambda cell: cell.metadata.nbgrader.update(grade_id="sums"),
        lambda cell: cell.metadata.nbgrader.update(locked=False),
        lambda cell: cell.update(source=cell.source + "\n# more"),
    ],
)
def test_changed_points_ids_kinds_and_tests_make_results_anew(toy, change):
    before = Assignment(toy, ASSIGNMENT).key(Conditions())
    path = toy / "solutions" / ASSIGNMENT / "adding.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(next(cell for cell in notebook.cells if cell.id == "add_numbers"))
    nbformat.write(notebook, path)
    assert Assignment(toy, ASSIGNMENT).key(Conditions()) != before


@pytest.mark.slow
def test_equal_answers_have_equal_points_after_a_change_of_points(toy, hand_in):
    hand_in("ada", **RIGHT)
    assert [result.max_score for result in grade(toy)] == [4]
    path = toy / "solutions" / ASSIGNMENT / "adding.ipynb"
    notebook = nbformat.read(path, as_version=4)
    next(cell for cell in notebook.cells if cell.id == "add_numbers").metadata.nbgrader.points = 5
    nbformat.write(notebook, path)
    hand_in("ben", **RIGHT)
    results = list(grade(toy))
    assert {result.student: result.max_score for result in results} == {"ada": 7, "ben": 7}
    assert {result.score for result in results} == {7}


@pytest.mark.slow
def test_the_first_result_comes_before_the_last_submission_is_read(toy, hand_in, monkeypatch):
    from autograder.classroom import grade_class

    for number in range(20):
        hand_in(f"student{number:02}", **RIGHT)
    read = []
    original = grade_class.read_task

    def reading(assignment, folder, student, key):
        read.append(student)
        return original(assignment, folder, student, key)

    monkeypatch.setattr(grade_class, "read_task", reading)
    results = grade(toy)
    next(results)
    assert len(read) < 20
    results.close()
