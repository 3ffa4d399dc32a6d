"""Ways through the course: prerequisites, a term, an article, and ways that somebody has chosen."""

from __future__ import annotations

import dataclasses

import pytest

from autograder.errors import CourseError
from autograder.gates import section_map
from autograder.notebooks.source import all_lessons
from autograder.publish import lesson_lists, paths
from tests.files import TOY_MAP

NEEDS = {
    "01_a": [],
    "02_b": ["01_a"],
    "03_c": ["01_a", "02_b"],
    "04_d": ["01_a"],
    "05_e": ["03_c", "04_d", "01_a", "09_not_written"],
}
WAYS = """\
ways:
  - title: For the impatient
    about: The end first.
    lessons: [93_c]
"""


def test_everything_that_some_lessons_need():
    assert paths.everything_for({"03_c", "09_not_written"}, NEEDS) == ["01_a", "02_b", "03_c"]
    assert paths.everything_for(set(), NEEDS) == []


def test_what_follows_from_other_needs_is_not_drawn():
    assert paths.direct_needs(NEEDS) == {
        "01_a": [],
        "02_b": ["01_a"],
        "03_c": ["02_b"],
        "04_d": ["01_a"],
        "05_e": ["03_c", "04_d", "09_not_written"],
    }


@pytest.fixture
def lessons(course):
    """Three lessons, of 5 minutes each, of which the last needs the first."""
    (first,) = all_lessons(course)
    found = [first]
    for name, title, needs in (("92_b", 'The "second"', []), ("93_c", "Third", ["90_adding"])):
        header = first.header.model_copy(update={"title": title, "needs": needs})
        source = first.folder.with_name(name) / f"{name[3:]}.py"
        found.append(dataclasses.replace(first, name=name, source=source, header=header))
    return found


def test_the_page_shows_needs_weeks_articles_and_chosen_ways(course, lessons):
    (course / paths.FILE).write_text(WAYS)
    ways = paths.load(course, {"93_c"})
    text = paths.page(lessons, section_map.parse(TOY_MAP), ways)
    assert '    l90["90<br>Adding"] --> l93\n' in text
    assert "    l92[\"92<br>The 'second'\"]\n" in text
    first, third = "[90 Adding](90_adding/adding.ipynb)", "[93 Third](93_c/c.ipynb)"
    assert f'| 1 | {first}, [92 The "second"](92_b/b.ipynb) | 0.2 |\n| 2 | {third} | 0.1 |' in text
    assert f"- **1** *An article*: {first} (about 0 hours). To come: 91 subtracting.\n" in text
    assert f"### For the impatient\n\nThe end first.\n\n{first}, {third} (about 0 hours)." in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[93_c]", "[c]", "'c' is not the name of a lesson"),
        ("title: For the impatient", "titel: x", "titel"),
        ("93_c", "94_d", "names 94_d, which is neither a lesson nor in the map"),
    ],
)
def test_faults_of_the_file_are_named(course, old, new, said):
    (course / paths.FILE).write_text(WAYS.replace(old, new))
    with pytest.raises(CourseError, match=said):
        paths.load(course, {"93_c"})


def test_a_course_need_not_have_chosen_ways(course):
    assert paths.load(course, set()) == []
    assert "## Ways through the course" in (course / lesson_lists.LANDING).read_text()
