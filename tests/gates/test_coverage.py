"""Every section of the articles is answered by a lesson, under a heading that exists."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from autograder.errors import CourseError
from autograder.gates import coverage, section_map
from autograder.notebooks.source import all_lessons
from tests.files import TOY_MAP, replace_once, said

ROOT = Path(__file__).parents[2]
SECTIONS = (Path(__file__).parent / "sections.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def mapped_toy(toy) -> Path:
    """A course of one lesson with a map."""
    (toy / section_map.MAP).write_text(TOY_MAP)
    return toy


def test_course_is_covered():
    assert coverage.check(ROOT) == []


def test_map_names_every_section_in_the_articles_order():
    # The list here is the second entry: a section that leaves the map is missed here.
    assert list(section_map.load(ROOT).sections) == SECTIONS


def test_all_articles_are_there():
    assert list(section_map.load(ROOT).articles) == [1, 2, 3, 4]


def test_article_1_needs_no_lesson_outside_it():
    path = section_map.load(ROOT).lessons_of(1)
    lessons = {lesson.name: lesson for lesson in all_lessons(ROOT)}
    outside = {name: set(lessons[name].header.needs) - path for name in path if name in lessons}
    assert not any(outside.values()), outside


def test_toy_is_covered(mapped_toy):
    assert coverage.check(mapped_toy) == []
    assert section_map.load(mapped_toy).open() == {"1 Later: An item": ["91_subtracting"]}
    assert section_map.load(mapped_toy).to_come() == ["91_subtracting"]
    assert section_map.load(mapped_toy).later() == []


def test_lessons_beyond_those_planned_are_for_later(mapped_toy):
    replace_once(mapped_toy / section_map.MAP, "articles:", "planned: 90\narticles:")
    course = section_map.load(mapped_toy)
    assert course.open() == {"1 Later: An item": ["91_subtracting"]}
    assert (course.to_come(), course.later()) == ([], ["91_subtracting"])


@pytest.mark.parametrize("place", ["map", "header"])
def test_swapped_heading_is_noticed(mapped_toy, place):
    # "Your turn" is a heading of the lesson, and not the one that answers the section.
    if place == "map":
        replace_once(mapped_toy / section_map.MAP, "Two and two", "Your turn")
    else:
        source = mapped_toy / "solutions/90_adding/adding.py"
        replace_once(source, '"1 Introduction": "Two and two"', '"1 Introduction": "Your turn"')
    (problem,) = said(coverage.check(mapped_toy))
    assert "Which of the two is right" in problem


def test_section_missing_in_the_map_is_noticed(mapped_toy):
    replace_once(
        mapped_toy / section_map.MAP, '  "1 Introduction":\n    90_adding: Two and two\n', ""
    )
    (problem,) = said(coverage.check(mapped_toy))
    assert "not a section of" in problem


def test_section_missing_in_the_header_is_noticed(mapped_toy):
    replace_once(mapped_toy / section_map.MAP, '"1 Later": {}', '"1 Later": {90_adding: Your turn}')
    (problem,) = said(coverage.check(mapped_toy))
    assert "its header does not" in problem


def test_lesson_missing_in_the_map_is_noticed(mapped_toy):
    replace_once(mapped_toy / section_map.MAP, "90_adding: Two and two", "91_subtracting: null")
    (problem,) = said(coverage.check(mapped_toy))
    assert "does not name the lesson" in problem


@pytest.mark.parametrize("kind", ["instructor", "student"])
def test_removed_heading_is_noticed(mapped_toy, kind):
    folder = "solutions" if kind == "instructor" else "lessons"
    replace_once(mapped_toy / folder / "90_adding/adding.ipynb", "## Two and two", "Two and two")
    (problem,) = said(coverage.check(mapped_toy))
    assert f"the {kind} notebook has no such heading" in problem


def test_written_lesson_cannot_be_open(mapped_toy):
    replace_once(mapped_toy / section_map.MAP, "90_adding: Two and two", "90_adding: null")
    (problem,) = said(coverage.check(mapped_toy))
    assert "which is written" in problem


def test_unwritten_lesson_cannot_answer(mapped_toy):
    replace_once(mapped_toy / section_map.MAP, "91_subtracting: null", "91_subtracting: A heading")
    (problem,) = said(coverage.check(mapped_toy))
    assert "which is not written" in problem


LATER_ARTICLE_FIRST = """\
  2: Another
sections:
  "2 First":
    91_subtracting: null"""

MAP_FAULTS = [
    ('"1 Later": {}', '"1 Introduction": {}', 6, 'duplicate key "1 Introduction"'),
    ('"1 Later": {}', '"Later": {}', 6, "number of an article"),
    ('"1 Later": {}', '"7 Later": {}', 6, "number of an article"),
    ('"1 Later: An item"', '"1 Something: An item"', 6, "neither a lesson nor items"),
    ("sections:", LATER_ARTICLE_FIRST, 7, "does not follow the other sections of its article"),
    ('"1 Later": {}', '"1 Later": 90_adding', 6, "must be `key: value` lines, not '90_adding'"),
    ("91_subtracting", "Subtracting", 8, "not the name of a lesson"),
    ("Two and two", "[Two]", 5, "a text or null"),
    ("An article", "4", 2, "`articles: 1` must be text, not 4"),
    ("  1: An article", "- An article", 1, "`articles` must be `key: value` lines"),
    ("articles:", "articels:", 1, "unknown key `articels`: write `articles`"),
    ("articles:\n  1: An article\n", "", 1, "`articles` is missing: add"),
    ("sections:", "colour: red\nsections:", 3, "unknown key `colour`: remove it"),
    ("articles:", "articles: }", 1, "cannot be read"),
]


@pytest.mark.parametrize(("old", "new", "line", "reason"), MAP_FAULTS)
def test_a_fault_in_the_map_is_one_sentence(mapped_toy, command, old, new, line, reason):
    replace_once(mapped_toy / section_map.MAP, old, new)
    with pytest.raises(CourseError) as caught:
        section_map.load(mapped_toy)
    message = str(caught.value)
    assert message.startswith(f"{section_map.MAP}, line {line}: ")
    assert reason in message
    assert "\n" not in message
    assert message.endswith(".")
    code, shown = command(mapped_toy, "check", "--quick")
    assert (code, shown.strip()) == (2, message)


def test_open_sections_only_shrink():
    if not coverage.has_history(ROOT):
        pytest.skip("there is no git history here")
    assert coverage.history_problems(ROOT) == []


@pytest.fixture
def history(tmp_path):
    """A git repository with a map; call it to commit another version."""

    def git(*arguments: str) -> None:
        name = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *name, *arguments], check=True)

    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git("init", "-q")

    def commit(text: str) -> Path:
        (tmp_path / section_map.MAP).parent.mkdir(exist_ok=True)
        (tmp_path / section_map.MAP).write_text(text)
        git("add", ".")
        git("commit", "-qm", "a version")
        return tmp_path

    commit(TOY_MAP)
    return commit


def test_closing_a_section_is_fine(history):
    root = history(TOY_MAP.replace("91_subtracting: null", "91_subtracting: A heading"))
    assert coverage.history_problems(root) == []


def test_opening_a_section_is_noticed_in_history(history):
    history(TOY_MAP.replace("Two and two", "null"))
    root = history(TOY_MAP)
    (problem,) = said(coverage.history_problems(root))
    assert "'1 Introduction' is open again" in problem


def test_losing_a_section_is_noticed_before_it_is_committed(history):
    root = history(TOY_MAP + "\n")
    replace_once(root / section_map.MAP, '  "1 Later": {}\n', "")
    replace_once(root / section_map.MAP, "1 Later: An item", "1 An item")
    problems = said(coverage.history_problems(root))
    assert len(problems) == 2
    assert all("the working tree" in problem for problem in problems)


def test_without_history_says_so(tmp_path):
    with pytest.raises(CourseError, match="no git history"):
        coverage.history_problems(tmp_path)
