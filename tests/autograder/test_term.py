"""The report on a whole term: its rules, points that can be checked by hand, who falls behind."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook as Database

from autograder.classroom.folders import ClassFolder
from autograder.classroom.gradebook import Gradebook
from autograder.classroom.person import Person
from autograder.classroom.results import Result
from autograder.classroom.term.page import make_term_page
from autograder.classroom.term.rules import Late, Rules, read_rules
from autograder.classroom.term.standing import State, Term, falling_behind, has_passed, make_term
from autograder.errors import CourseError
from autograder.grading.score import CellScore
from autograder.grading.status import Status
from autograder.nbgrader_course.settings import COURSE_ID
from tests.autograder import term_class
from tests.autograder.term_class import NOTHING, Work
from tests.browser import faults_of_page, needs_chromium

LESSONS = [f"{number:02}_lesson" for number in range(1, 9)]
NOW = datetime(2026, 11, 28, tzinfo=UTC)


def faults(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with a file of rules, one sentence each, without the file's name."""
    path = tmp_path / "term.yaml"
    path.write_text(text)
    with pytest.raises(CourseError) as caught:
        read_rules(path, LESSONS)
    return str(caught.value).replace(f"{path}, ", "").splitlines()


def test_rules_are_read(tmp_path):
    path = tmp_path / "term.yaml"
    path.write_text(
        "title: Winter\nlessons:\n  02_lesson: 5\n  01_lesson: 2.5\npass_percent: 50\n"
        "late: {free_hours: 2, percent_a_day: 10, days: 3}\ncertificate: {issuer: A school}\n"
    )
    rules = read_rules(path, LESSONS)
    assert list(rules.lessons) == ["02_lesson", "01_lesson"]
    assert (rules.pass_percent, rules.late.percent_a_day) == (50, 10)
    assert read_rules(tmp_path / "none.yaml", LESSONS) == Rules()


def test_the_example_in_the_documentation_is_read(tmp_path):
    page = Path(__file__).parents[2] / "docs" / "term.md"
    (text,) = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "term.yaml"
    path.write_text(text)
    known = {folder.name for folder in (page.parents[1] / "solutions").iterdir()}
    rules = read_rules(path, known)
    assert all(getattr(rules, name) is not None for name in Rules.model_fields)


def test_each_fault_in_the_rules_has_a_line_and_says_what_to_write(tmp_path):
    text = """\
title: 7
lessons:
  01_lesson: five
  02_lesson: -1
late:
  percent_a_day: 110
  free_hour: 2
pass: 50
certificate: {issuer: A school, url: example}
"""
    assert faults(tmp_path, text) == [
        "line 1: `title` must be text, not 7: write it in quotes.",
        "line 3: `lessons: 01_lesson` must be a number, not 'five': write digits, such as 12.5.",
        "line 4: `lessons: 02_lesson` must be greater than 0, not -1: write a larger number.",
        "line 6: `late: percent_a_day` must be 100 or less, not 110: write a smaller number.",
        "line 7: unknown key `free_hour`: write `free_hours`.",
        "line 8: unknown key `pass`: remove it or use one of `title`, `lessons`, `pass_percent`, "
        "`late`, `certificate`.",
        "line 9: `url` must be an address such as https://example.org, not 'example'.",
    ]


def test_a_lesson_that_the_course_does_not_have_is_an_error_of_its_line(tmp_path):
    assert faults(tmp_path, "lessons:\n  01_lesson: 1\n  02_lessen: 1\n") == [
        "line 3: the course has no lesson `02_lessen`: write `02_lesson`."
    ]


@pytest.mark.parametrize(
    ("hours", "kept"),
    [(-3, 1), (0, 1), (2, 1), (2.1, 0.9), (26, 0.9), (27, 0.8), (74, 0.7), (75, 0)],
)
def test_each_day_that_has_begun_costs(hours, kept):
    late = Late(free_hours=2.0, percent_a_day=10.0, days=3)
    assert late.kept(hours) == pytest.approx(kept)


def test_lateness_never_costs_more_than_everything():
    assert Late(percent_a_day=40.0).kept(24 * 30) == 0


def result(student: str, lesson: str, score: float, **options) -> Result:
    status = options.pop("status", Status.GRADED)
    cells = {"test": CellScore(score, 10.0)}
    return Result(student, lesson, status, score, 10.0, cells=cells, **options)


def term_of(shares: dict[str, list[float | None]], rules: Rules | None = None, **options) -> Term:
    """A term of lessons of ten points each; None where nothing was handed in."""
    results = {
        lesson: [
            result(student, lesson, 10 * found[number])
            if found[number] is not None
            else result(student, lesson, 0, status=Status.MISSING)
            for student, found in shares.items()
            if number < len(found)
        ]
        for number, lesson in enumerate(LESSONS)
    }
    hours, due = options.get("hours", {}), options.get("due", {})
    return make_term(rules or Rules(), results, hours, due, options.get("people", {}))


def test_points_are_the_worth_of_each_lesson_times_the_share():
    rules = Rules(lessons={"01_lesson": 20.0, "02_lesson": 5.0, "03_lesson": 75.0})
    term = term_of({"ada": [0.5, 1.0], "ben": [None, 0.2]}, rules)
    assert term.points("ada") == pytest.approx(15)
    assert term.points("ben") == pytest.approx(1)
    assert (term.worth, term.worth_so_far) == (100, 25)


def test_without_rules_points_are_those_of_the_lessons():
    term = term_of({"ada": [0.5, 1.0]})
    assert (term.points("ada"), term.worth) == (15, 20)


def test_a_late_submission_costs_once():
    rules = Rules(late=Late(percent_a_day=10.0))
    hours = {"01_lesson": {"ada": -30.0}, "02_lesson": {"ada": -30.0}}
    lessons = {
        "01_lesson": [result("ada", "01_lesson", 10)],
        # nbgrader's own rule has taken off two.
        "02_lesson": [result("ada", "02_lesson", 8, penalty=2.0)],
    }
    term = make_term(rules, lessons, hours, {}, {})
    assert [lesson.entries["ada"].counts for lesson in term.lessons] == [0.8, 0.8]
    assert [lesson.entries["ada"].share for lesson in term.lessons] == [1.0, 0.8]


def test_points_that_a_person_gives_for_what_is_missing_count():
    given = result("ada", "01_lesson", 4, status=Status.MISSING)
    term = make_term(Rules(), {"01_lesson": [given]}, {}, {}, {})
    assert (term.points("ada"), term.lessons[0].entries["ada"].state) == (4, State.GRADED)


def test_somebody_whom_grading_has_not_seen_is_in_the_list():
    term = term_of({"ada": [1.0]}, people={"zoe": Person("zoe", "Zoe", "Öz"), "ada": Person("ada")})
    assert list(term.people) == ["ada", "zoe"]
    assert term.lessons[0].entries["zoe"].state is State.NOT_GRADED
    assert term.points("zoe") == 0


def test_names_are_in_the_order_of_lists():
    people = {name: Person(name, last_name=name) for name in ("Zoe", "Öz", "Ober", "adam")}
    assert list(term_of({"ada": [1.0]}, people=people).people) == [
        "ada", "adam", "Ober", "Öz", "Zoe"
    ]  # fmt: skip


def test_who_falls_behind_and_why():
    rules = Rules(lessons=dict.fromkeys(LESSONS, 10.0), pass_percent=50.0)
    term = term_of(
        {
            "good": [0.8] * 6,
            "one missing": [0.9, 0.9, 0.9, 0.9, 0.9, None],
            "silent": [1.0, 1.0, 1.0, 0.9, None, None],
            "never": [None] * 6,
            "falls": [0.9, 0.9, 0.9, 0.6, 0.5, 0.5],
            "low": [0.45] * 6,
        },
        rules,
    )
    assert falling_behind(term) == {
        "never": [
            "has handed in nothing so far",
            "cannot reach the 50 % that are needed to pass any more",
        ],
        "falls": [
            "has 53 % of the points in the last 3 lessons that were handed in, and had 90 % before"
        ],
        "low": ["has 45 % so far, and 50 % are needed to pass"],
        "silent": ["has handed in nothing of the last 2 lessons (05, 06)"],
    }


def test_passing_counts_the_whole_term():
    rules = Rules(lessons=dict.fromkeys(LESSONS[:4], 10.0), pass_percent=50.0)
    term = term_of({"ada": [1.0, 1.0], "ben": [1.0, 0.9]}, rules)
    assert has_passed(term, "ada")
    assert not has_passed(term, "ben")


def row(page: str, name: str) -> list[str]:
    """The cells of a student's row, with their marks."""
    (found,) = re.findall(rf'<tr><th scope="row">{name}</th>(.*?)</tr>', page, re.S)
    return [re.sub("<.*?>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", found)]


def test_the_page_shows_states_and_marks():
    people = {name: Person(name) for name in ("ada", "ben", "cleo")}
    waiting = result("ada", "02_lesson", 5)
    waiting.cells["why"] = CellScore(None, 4.0)
    missing = result("ben", "01_lesson", 0, status=Status.MISSING)
    stopped = result("ben", "02_lesson", 3, status=Status.TIMEOUT, message="Too <long>.")
    lessons = {
        "01_lesson": [result("ada", "01_lesson", 7), missing],
        "02_lesson": [waiting, stopped],
        "03_lesson": [],
    }
    rules = Rules(title="A <b>term</b>", lessons=dict.fromkeys(lessons, 10.0))
    due = {"03_lesson": datetime(2026, 11, 1)}
    term = make_term(rules, lessons, {"01_lesson": {"ada": -1.0}}, due, people)
    page = make_term_page(term, NOW)
    assert row(page, "ada") == ["70L", "50?", "", "0", "12", "60"]
    assert row(page, "ben") == ["–", "30!", "", "0", "3", "15"]
    assert row(page, "cleo") == ["…", "…", "", "0", "0", "0"]
    assert "A &lt;b&gt;term" in page
    assert "look at it: Too &lt;long&gt;." in page
    assert "the deadline is over, and nothing is graded" in page
    assert not re.search(r'<script|(src|href)="(?!data:)', page)


def test_known_mistakes_are_counted_by_lesson():
    lessons = {
        "01_lesson": [
            result("ada", "01_lesson", 7, misconceptions={"mean": "Takes the sum."}),
            result("ben", "01_lesson", 7, misconceptions={"mean": "Takes the sum."}),
            result("cleo", "01_lesson", 7, misconceptions={"mean": "Takes the <max>."}),
            result("dora", "01_lesson", 10),
        ]
    }
    page = make_term_page(make_term(Rules(), lessons, {}, {}, {}), NOW)
    table = page[page.index("<h2>Known mistakes</h2>") :]
    rows = re.findall(r"<tr>(<td>.*?)</tr>", table, re.S)
    assert [re.sub(r"<[^>]*>|\n", " ", cells).split() for cells in rows] == [
        ["01", "mean", "Takes", "the", "sum.", "2", "50", "%"],
        ["01", "mean", "Takes", "the", "&lt;max&gt;.", "1", "25", "%"],
    ]
    assert row(page, "ada")[1] == "1"


def test_points_that_are_no_numbers_make_a_page():
    odd = [result(str(points), "01_lesson", points) for points in (float("nan"), float("inf"), -3)]
    odd.append(Result("nothing", "01_lesson", Status.GRADED, 0.0, 0.0))
    term = make_term(Rules(), {"01_lesson": odd}, {}, {}, {})
    assert [term.points(student) for student in ("nan", "inf", "-3", "nothing")] == [0, 0, 0, 0]
    assert row(make_term_page(term, NOW), "nan") == ["0", "0", "0", "0"]


@pytest.fixture(scope="module")
def classroom(tmp_path_factory) -> Path:
    """A course with a class of three, two lessons graded, and one to come."""
    root = term_class.make_course(tmp_path_factory.mktemp("term") / "course", LESSONS[:3])
    names = {"ada": ("Ada", "Lovelace"), "ben": ("Ben", "Okafor"), "cleo": ("", "")}
    works = {
        "01_lesson": {
            "ada": Work(6, 4, mistakes={"mean": "Takes the sum."}),
            "ben": Work(3, 1, hours_late=30),
            "cleo": NOTHING,
        },
        "02_lesson": {
            "ada": Work(6, None),
            "ben": Work(6, 4, hours_late=1, penalty=2),
            "cleo": Work(0, 0),
        },
        "03_lesson": {},
    }
    term_class.fill(root, names, works)
    return root


@pytest.fixture
def written(classroom, monkeypatch, capsys):
    """Run ``autograder report`` in that class with further options; the page."""

    def run(*options: str) -> str:
        from autograder.cli import app

        monkeypatch.chdir(classroom)
        app(["report", *options], standalone_mode=False)
        path = Path(capsys.readouterr().out.replace("\n", ""))
        assert path == classroom / "class" / "reports" / "term.html"
        return path.read_text(encoding="utf-8")

    return run


@pytest.mark.slow
def test_points_are_the_gradebooks_with_those_of_a_person(classroom, written, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("lessons: {01_lesson: 10, 02_lesson: 10}\nlate: {percent_a_day: 10}\n")
    page = written("--term", str(rules))
    assert row(page, "Lovelace, Ada") == ["100", "60?", "1", "16", "80"]
    # 40 percent, two days late; and 80 percent, from which nbgrader has taken off already.
    assert row(page, "Okafor, Ben") == ["40L", "80L", "0", "11.2", "56"]
    assert row(page, "cleo") == ["–", "0", "0", "0", "0"]
    book = Gradebook(ClassFolder(classroom))
    for lesson, shown in (("01_lesson", [100, 40]), ("02_lesson", [60, 80])):
        final = {each.student: each for each in book.final_results(lesson)}
        assert [10 * final[student].score for student in ("ada", "ben")] == shown


@pytest.mark.slow
def test_points_given_later_are_in_the_next_report(classroom, written):
    with Database(Gradebook(ClassFolder(classroom)).url, COURSE_ID) as book:
        given = book.find_grade("why", "notebook", "02_lesson", "cleo")
        given.manual_score = 3.0
        book.db.commit()
    assert row(written(), "cleo")[:2] == ["–", "30"]


def test_a_report_on_nothing_says_what_to_do(tmp_path, command):
    root = tmp_path / "course"
    (root / "solutions").mkdir(parents=True)
    (root / "nbgrader_config.py").write_text("c = get_config()\n")
    status, message = command(root, "report")
    assert status == 2
    assert "run `autograder grade LESSON` first" in message
    status, message = command(root, "report", "--term", "none.yaml")
    assert "There is no file none.yaml" in message
    status, message = command(root, "report", "01_lesson", "--term", "none.yaml")
    assert "--term is for the report on the whole term" in message


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_accessible_and_asks_for_nothing(written, classroom, width):
    written()
    assert faults_of_page(classroom / "class" / "reports" / "term.html", width) == []
