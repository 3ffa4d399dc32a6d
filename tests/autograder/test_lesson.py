"""The source format: what a lesson is read as, and what is refused."""

import pytest

from autograder.errors import CourseError
from autograder.notebooks.source import explanation, is_source, read_lesson


def test_reads_header_and_exercises(toy_lesson):
    assert toy_lesson.header.title == "Adding"
    assert toy_lesson.header.mirrors == {"1 Introduction": "Two and two"}
    assert [exercise.name for exercise in toy_lesson.exercises] == ["add", "names"]
    add = toy_lesson.exercises[0]
    assert [test.metadata["grade_id"] for test in add.tests] == ["add_numbers", "add_arrays"]
    assert len(add.misconceptions) == 2
    assert explanation(add.misconceptions[0]) == "Takes the difference instead of the sum."
    assert add.points == 3
    assert toy_lesson.points == 4


def test_a_helper_module_is_not_a_source(toy):
    assert is_source(toy / "solutions" / "90_adding" / "adding.py")
    assert not is_source(toy / "solutions" / "90_adding" / "helper.py")
    assert not is_source(toy / "solutions" / "homework" / "homework.py")


LONG = "\n".join(f"x{line} = {line}" for line in range(26))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('grade_id="names_two"', 'grade_id="add"', "used twice"),
        ('grade_id="names_two" points=1', 'grade_id="names_two" points=0', "positive number"),
        ('grade_id="names_two" points=1', 'grade_id="a b" points=1', "letters, digits"),
        ('grade_id="names_two" points=1', "points=1", "need a `grade_id`"),
        ("### END SOLUTION", "", "do not pair up"),
        ("### END HIDDEN TESTS", "", "do not pair up"),
        ('tags=["demo"]', 'tags=["dmeo"]', "unknown tag dmeo"),
        ('tags=["demo"]', 'color="red"', "unknown color"),
        ("# One string is not a list of two.\n", "", "must begin with a comment"),
        ('# %% tags=["alternative"]\n# A tuple', "# %%\n# A tuple", "has 0 alternatives"),
        ('# %% tags=["misconception"]\n# One name', "# %%\n# One name", "has 1 misconceptions"),
        ("# The instructor checks that arrays keep their shape.\n", "", "shows nothing"),
        ('shown = [as_array', LONG + '\nshown = [as_array', "at most 25"),
        ("#     minutes: 5\n", "", "missing 1 required positional argument: 'minutes'"),
        ("#     minutes: 5\n", "#     minutes: 0\n", "`minutes` must be"),
        ("#     mirrors:\n#       \"1 Introduction\": \"Two and two\"\n", "#     mirrors: {}\n",
         "mirrors"),
    ],
)  # fmt: skip
def test_refuses_what_breaks_a_rule(toy, old, new, complaint):
    path = toy / "solutions" / "90_adding" / "adding.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(CourseError, match=r"90_adding/adding\.py") as caught:
        read_lesson(path.parent)
    assert complaint in str(caught.value)


def test_says_which_source_is_missing(tmp_path):
    with pytest.raises(CourseError, match="91_nothing has no source"):
        read_lesson(tmp_path / "91_nothing")
