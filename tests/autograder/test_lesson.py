"""The source format: what a lesson is read as, and what is refused."""

import pytest

from autograder.errors import CourseError
from autograder.notebooks.folders import is_source
from autograder.notebooks.source import explanation, read_lesson
from tests.files import replace_once


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
        ("#     minutes: 5\n", "", "`minutes` is missing"),
        ("#     minutes: 5\n", "#     minutes: 0\n", "`minutes` must be"),
        ("#     mirrors:\n#       \"1 Introduction\": \"Two and two\"\n", "#     mirrors: {}\n",
         "mirrors"),
    ],
)  # fmt: skip
def test_refuses_what_breaks_a_rule(toy, old, new, complaint):
    path = toy / "solutions" / "90_adding" / "adding.py"
    replace_once(path, old, new)
    with pytest.raises(CourseError, match=r"90_adding/adding\.py") as caught:
        read_lesson(path.parent)
    assert complaint in str(caught.value)


HEADER_FAULTS = {
    "minutes: five": ("minutes: 5", "minutes: five", 11, "must be a whole number, not 'five'"),
    "minutes: 5.5": ("minutes: 5", "minutes: 5.5", 11, "must be a whole number, not 5.5"),
    "objectives as text": (
        "objectives:\n#     - add two arrays", "objectives: add two arrays", 13, "must be a list"
    ),
    "objective as a number": ("- add two arrays", "- 2", 14, "`objectives: item 1` must be text"),
    "no title": ("#     title: Adding\n", "", 8, "`title` is missing: add"),
    "empty title": ("title: Adding", "title:", 8, "`title` must be text, not nothing"),
    "misspelt key": ("title:", "titel:", 8, "unknown key `titel`: write `title`"),
    "unknown key": (
        "minutes: 5", "minutes: 5\n#     colour: red", 12, "unknown key `colour`: remove it"
    ),
    "doubled key": (
        "minutes: 5", "minutes: 5\n#     minutes: 6", 12, 'duplicate key "minutes"'
    ),
    "more reading than minutes": ("reading: 1", "reading: 9", 12, "`minutes_reading` is 9"),
    "a term without a sentence": (
        "rows and columns.", "rows and columns", 18, "must be a sentence: end it"
    ),
    "a term with a comma too much": ('"array":', '"array,":', 18, "`array,` has an empty name"),
    "not YAML": ("title: Adding", "title: [Adding", 9, "cannot be read"),
    "heading as a number": ('"Two and two"', "22", 16, "`mirrors: 1 Introduction` must be text"),
    "no course": ("course:", "curse:", 1, "has no `jupyter: course:` block"),
    "no header": ("# ---\n# jupyter", "# jupyter", 1, "has no `jupyter: course:` block"),
}  # fmt: skip


@pytest.fixture(params=HEADER_FAULTS.values(), ids=HEADER_FAULTS.keys())
def faulty_header(request, toy):
    """A lesson's folder with a fault in its header, and the sentence that it should give."""
    old, new, line, complaint = request.param
    path = toy / "solutions" / "90_adding" / "adding.py"
    replace_once(path, old, new)
    return path.parent, f"90_adding/adding.py, line {line}: ", complaint


def test_a_fault_in_the_header_is_one_sentence(faulty_header):
    folder, place, complaint = faulty_header
    with pytest.raises(CourseError) as caught:
        read_lesson(folder)
    message = str(caught.value)
    assert message.startswith(place)
    assert complaint in message
    assert "\n" not in message
    assert message.endswith(".")


def test_the_command_says_it_without_a_traceback(faulty_header, command):
    folder, place, complaint = faulty_header
    code, shown = command(folder, "build", "90_adding", "--check")
    assert code == 2
    assert shown.startswith(place)
    assert complaint in shown
    assert "Traceback" not in shown


def test_every_fault_of_a_header_is_named(toy):
    path = toy / "solutions" / "90_adding" / "adding.py"
    replace_once(path, "minutes: 5", "minutes: five")
    replace_once(path, "title:", "titel:")
    with pytest.raises(CourseError) as caught:
        read_lesson(path.parent)
    first, second = str(caught.value).splitlines()
    assert "titel" in first
    assert "'five'" in second


def test_says_which_source_is_missing(tmp_path):
    with pytest.raises(CourseError, match="91_nothing has no source"):
        read_lesson(tmp_path / "91_nothing")
