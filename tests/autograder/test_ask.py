"""The sheet for an oral check: questions about a student's own right answer, and their key."""

import html
import re
from dataclasses import replace

import pytest

from autograder.classroom.oral_sheet import (
    NO_TEST,
    NONE_FAILS,
    WHICH,
    WHY,
    as_page,
    as_text,
    make_sheet,
)
from autograder.cli import main
from autograder.grading.questions import OralCheck, Question
from autograder.grading.small_changes import small_changes
from tests.autograder.toy_class import DIFFERENCE, ISOLATED, RIGHT

ANSWER = """\
def add(a, b):
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 and a < 0:
        a = -abs(a)
    return a + b * 1
"""
KEY = "Key for the teacher"
TRUST = ["--trust-submissions"]
HOSTILE = "x = 1  # <script>alert(1)</script> \x1b[31m"


def check(answer: str = ANSWER, hidden: dict[str, str] | None = None) -> OralCheck:
    """A check whose tests say something of each change."""
    changes = small_changes(answer)
    questions = [Question(each, {"add_numbers": f"<b>{each.new}</b> is wrong"}) for each in changes]
    unnoticed = None if hidden is None else Question(changes[-1], hidden=hidden)
    return OralCheck("add", answer, {"add_numbers": "assert 1 < 2"}, questions[:3], unnoticed, 9)


def test_questions_come_before_the_key():
    text = as_text(make_sheet("90_adding", "ada", check(hidden={"add_arrays": "look at shapes"})))
    questions, key = text.split(KEY)
    assert questions.count(WHY) == 3, "there is one test only"
    assert NONE_FAILS.split(".")[0] in questions
    assert "is wrong" not in questions
    assert "shapes" not in questions
    assert key.count("is wrong") == 3
    assert "add_arrays fails: look at shapes" in key


def test_where_there_are_several_tests_it_is_asked_which():
    one = check()
    text = as_text(make_sheet("90_adding", "ada", replace(one, tests={"t": "assert 1\nassert 2"})))
    assert text.count(WHICH) == 3


def test_key_says_where_no_test_at_all_notices():
    text = as_text(make_sheet("90_adding", "ada", check(hidden={})))
    assert " ".join(text.split()).count(NO_TEST) == 1


def test_page_is_one_file_that_runs_nothing():
    page = as_page(make_sheet("90_adding", "<i>ada</i>", check(f"{ANSWER}{HOSTILE}", {})))
    assert "<script" not in page
    assert "<i>" not in page
    assert "<b>" not in page
    assert "\x1b" not in page
    assert not re.search(r"(src|href)=", page)
    assert "default-src 'none'" in page
    questions, key = page.split('<section class="key">')
    assert "&lt;b&gt;" not in questions
    assert "&lt;b&gt;" in key
    assert ".key { break-before: page" in page


def test_a_long_answer_is_cut():
    sheet = make_sheet("90_adding", "ada", check("x = 1\n" * 500))
    assert sheet.answer[-1] == "[380 more lines]"


# --- with the tests of the toy lesson, in the sandbox

SAYS_SUM = "is it a sum?"
ON_NEGATIVE = "look at negative numbers"


@pytest.fixture
def ask(toy, monkeypatch, capsys):
    """Run ``autograder ask``: its exit status, and what it writes to stdout and to stderr."""

    def run(student: str, *options: str) -> tuple[int, str, str]:
        arguments = ["ask", "90_adding", student, "--timeout", "5", *options]
        monkeypatch.chdir(toy)
        monkeypatch.setattr("sys.argv", ["autograder", *arguments, *([] if ISOLATED else TRUST)])
        with pytest.raises(SystemExit) as caught:
            main()
        written = capsys.readouterr()
        return int(caught.value.code or 0), written.out, " ".join(written.err.split())

    return run


@pytest.mark.slow
def test_questions_about_a_right_answer(hand_in, ask, tmp_path):
    hand_in("ada", **RIGHT | {"add": ANSWER})
    status, text, _ = ask("ada", "--exercise", "add")
    assert status == 0
    questions, key = text.split(KEY)
    assert "   5      return a + b * 1" in questions
    assert "assert add(1, 2) == 3" in questions
    assert "add(-1, 1)" not in questions, "the hidden test is shown"
    assert questions.count(WHY) == 3
    assert key.count(SAYS_SUM) >= 3
    # That test is hidden, and says something about one change only.
    assert "No test that you see fails" in questions
    assert ON_NEGATIVE in key
    page = tmp_path / "sheets" / "ada.html"
    status, said, _ = ask("ada", "--exercise", "add", "--output", str(page))
    assert (status, said.strip()) == (0, str(page))
    # The same seed asks the same.
    shown = page.read_text().split('class="key"')[0]
    now = re.findall(r"^   now     (.+)", questions, re.MULTILINE)
    assert [html.escape(line) for line in now] == re.findall(
        r"<dt>now.*?<pre>\s*(.+?)</pre>", shown
    )


@pytest.mark.slow
def test_another_student_and_another_seed_get_other_questions(hand_in, ask):
    for student in ("ada", "ben"):
        hand_in(student, **RIGHT | {"add": ANSWER})
    sheets = [ask("ada"), ask("ben"), ask("ada", "--seed", "1")]
    questions = [text.partition("Each question")[2].partition(KEY)[0] for _, text, _ in sheets]
    assert all(questions)
    assert len(set(questions)) > 1


def test_where_there_is_nothing_to_ask(hand_in, ask, toy):
    hand_in("ben", **RIGHT | {"add": DIFFERENCE})
    hand_in("cleo")
    hand_in("dora", add="import glob\n\nadd = np.add", names="names = list('ab')")
    (toy / "class" / "submitted" / "emil").mkdir()
    assert "No student 'zoe'" in ask("zoe")[2]
    assert "emil about 90_adding: No adding.ipynb was handed in" in ask("emil")[2]
    assert (
        "ben to add is not right, and questions are about right answers: add(1, 2)"
        in ask("ben", "--exercise", "add")[2]
    )
    status, _, said = ask("cleo")
    assert status == 2
    assert "No answer of cleo in 90_adding is right" in said
    assert "add: Not answered. names: Not answered." in said
    assert "Exercises are: add, names" in ask("ben", "--exercise", "subtract")[2]
    assert "no test that students see notices any of them" in ask("dora")[2]


@pytest.mark.slow
def test_answers_run_in_the_sandbox_only(hand_in, ask, tmp_path):
    trace = tmp_path / "trace"
    spy = f"import os\ntry:\n    open({str(trace)!r}, 'w').write('x')\nexcept OSError:\n    pass\n"
    hand_in("ada", **RIGHT | {"add": f"{spy}\n{ANSWER}"})
    status, _, _ = ask("ada", "--exercise", "add")
    assert status == 0
    assert trace.exists() is not ISOLATED
