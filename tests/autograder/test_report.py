"""The report: numbers that can be checked by hand, a picture with alt text, one file."""

import re

import pytest

from autograder.classroom.report import make_report
from autograder.classroom.results import Result
from autograder.errors import CourseError
from autograder.grading.score import CellScore
from autograder.grading.status import Status

EXERCISES = {"a1": "a", "a2": "a", "b1": "b"}
LONG = "def a(values):\n" + "".join(f"    total_{n} = values[{n}] + {n}\n" for n in range(12))


def result(student, a1, a2, b1, status="graded", mistakes=None):
    cells = {
        "a1": CellScore(a1, 1), "a2": CellScore(a2, 1),
        "b1": CellScore(b1, 2, "" if b1 else "NameError: name 'f' is not defined"),
    }  # fmt: skip
    message = "" if status == "graded" else "It ran for more than 30 seconds."
    return Result(
        student, "90_adding", Status(status), a1 + a2 + b1, 4, 1, message, cells, mistakes or {}
    )


@pytest.fixture
def page():
    results = [
        result("ada", 1, 1, 2),
        result("ben", 1, 0, 2, mistakes={"a": "Takes <the> difference."}),
        result("cleo", 1, 0, 0, mistakes={"a": "Takes <the> difference."}),
        result("dora", 0, 0, 0, status="timeout"),
    ]
    answers = {
        "ada": {"a": LONG, "b": "b = 1"},
        "ben": {"a": LONG.replace("values", "numbers").replace("total", "sum")},
        "cleo": {"a": "def a(values):\n    # quite another way\n" + "    print(1)\n" * 30},
        "dora": {"b": "b = 1"},
    }
    return make_report(results, EXERCISES, answers)


def row(page, name):
    found = re.search(rf"<tr><td>{name}</td>.*?</tr>", page, re.S)[0]
    return re.findall(r"<td[^>]*>(.*?)</td>", found)


def test_difficulty_and_discrimination(page):
    # Points of `a` are 2, 1, 1, 0 and of `b` 2, 2, 0, 0: their correlation is .71.
    assert row(page, "a") == ["a", "2", "1", "1", "50%", "0.71"]
    assert row(page, "b") == ["b", "2", "2", "2", "50%", "0.71"]


def test_mistakes_are_counted_and_escaped(page):
    assert '<td>Takes &lt;the&gt; difference.</td><td class="number">2</td>' in page


def test_what_needs_a_look(page):
    assert "timeout: It ran for more than 30 seconds." in page


def test_renamed_copies_are_found_and_short_answers_are_not(page):
    assert "<td>ada, ben</td>" in page
    assert "ada, dora" not in page
    assert "cleo" not in re.findall(r"nearly the same.*", page, re.S)[0]


def test_one_file_with_a_described_picture(page):
    assert re.search(r'<img src="data:image/png;base64,[^"]{1000,}" alt="Histogram[^"]{50,}"', page)
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_nothing_to_report():
    with pytest.raises(CourseError, match="grade the assignment first"):
        make_report([], {}, {})
