"""The report: numbers that can be checked by hand, a picture with alt text, one file."""

import re

import pytest

from autograder.classroom.report import make_report
from autograder.classroom.results import Result
from autograder.errors import CourseError
from autograder.grading.score import CellScore
from autograder.grading.status import Status
from tests.browser import faults_of_page, needs_chromium

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


def row(page, name, heading=""):
    """The cells of the first row that is about ``name``, below a heading."""
    found = re.search(rf"<tr><td>{name}</td>.*?</tr>", page[page.index(heading) :], re.S)[0]
    return re.findall(r"<td[^>]*>(.*?)</td>", found)


def test_difficulty_and_discrimination(page):
    # Points of `a` are 2, 1, 1, 0 and of `b` 2, 2, 0, 0: their correlation is .71.
    assert row(page, "a") == ["a", "2", "25%", "1", "50%", "0.71"]
    assert row(page, "b") == ["b", "2", "50%", "2", "50%", "0.71"]


def test_mistakes_are_counted_and_escaped(page):
    (found,) = re.findall(r"<tr><td>a</td><td>Takes.*?</tr>", page, re.S)
    assert found.startswith("<tr><td>a</td><td>Takes &lt;the&gt; difference.")
    assert "<pre>def a(numbers):" in found
    assert found.endswith('<td class="number">2</td></tr>')


def test_what_needs_a_look(page):
    assert "timeout: It ran for more than 30 seconds." in page


def test_what_was_taken_for_a_submission_is_said():
    ada = result("ada", 1, 1, 2)
    ada.notes.append("mine (1).ipynb was graded: there is no mine.ipynb.")
    assert "mine (1).ipynb was graded" in make_report([ada], EXERCISES, {})


def test_renamed_copies_are_found_and_short_answers_are_not(page):
    assert "<td>ada, ben</td>" in page
    assert "ada, dora" not in page
    assert "cleo" not in re.findall(r"nearly the same.*", page, re.S)[0]


def test_one_file_with_a_described_picture(page):
    assert re.search(r'<img src="data:image/png;base64,[^"]{1000,}" alt="Histogram[^"]{50,}"', page)
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_answers_that_fail_alike_are_one_group(page):
    # Dora's submission was stopped, so it says nothing of her answers.
    assert row(page, "b", "Other mistakes") == [
        "b", "NameError: name &#39;f&#39; is not defined", "1: cleo"
    ]  # fmt: skip


def test_when_submissions_came():
    results = [result("ada", 1, 1, 2), result("ben", 1, 0, 0), result("cleo", 0, 0, 0)]
    page = make_report(results, EXERCISES, {}, {"ada": 30.0, "ben": -2.0, "cleo": -0.5})
    assert row(page, "one to two days before") == ["one to two days before", "1", "4"]
    assert row(page, "late") == ["late", "2", "0.5"]
    assert "deadline" not in make_report(results, EXERCISES, {})


def test_a_class_that_is_alike_is_one_row():
    answers = {f"s{number:02}": {"a": LONG.replace("total", f"t{number}")} for number in range(45)}
    page = make_report([result("s00", 1, 1, 2)], EXERCISES, answers)
    assert "45 of 45: there are few ways to be right here" in page
    assert page.count("few ways to be right here") == 1


def test_odd_answers_names_and_points():
    nested = "x = " + "-" * 8_000 + "1"
    answers = {
        "a": {"a": nested},
        "b": {"a": nested},
        "c": {"a": "(" * 300},
        "d": {"a": "é'" * 200},
    }
    results = [result("<script>x</script>", 1, 1, 2), result("n" * 252, 1, 1, 2)]
    for points in (0.0, float("nan"), float("inf"), -3.0, 1e12, 0.25):
        cells = {"a1": CellScore(points, points, "<b>m</b>")}
        results.append(Result("odd", "90_adding", Status.GRADED, points, points, cells=cells))
        page = make_report(results, EXERCISES, answers)
        assert "<script>" not in page
    assert "<td>a, b</td>" in page


def test_nothing_to_report():
    with pytest.raises(CourseError, match="grade the assignment first"):
        make_report([], {}, {})


@pytest.mark.slow
@needs_chromium
def test_the_page_is_accessible_and_asks_for_nothing(page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    assert faults_of_page(path) == []
