"""Small changes of an answer: what is replaced, what stays, and which become questions."""

import ast
import random
import textwrap

import pytest

from autograder.grading.questions import Question, are_enough, choose, in_turn
from autograder.grading.small_changes import Change, Kind, small_changes


def changed(answer: str) -> list[tuple[str, str]]:
    """The kind of each change and its line as it is then."""
    found = small_changes(textwrap.dedent(answer))
    return [(str(change.kind), change.after.strip()) for change in found]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("x = a < b", [("comparison", "x = a <= b"), ("comparison", "x = a > b")]),
        ("x = a is  not b", [("comparison", "x = a is b")]),
        ("x = (a) + (b)", [("operator", "x = (a) - (b)")]),
        ("x = a and b", [("operator", "x = a or b")]),
        ("x = not a", [("operator", "x = a")]),
        ("x = -a", [("operator", "x = a")]),
        ("x = 3", [("constant", "x = 4"), ("constant", "x = 2")]),
        ("x = 0.5", [("constant", "x = 1.0")]),
        ("x = True", [("constant", "x = False")]),
        ("x = f(padding='same')", [("constant", 'x = f(padding="valid")')]),
        ("x = f(a, b, c)", [("order of arguments", "x = f(b, a, c)")]),
        (
            "x = a.mean(axis=0)",
            [("function", "x = a.sum(axis=0)"), ("axis", "x = a.mean(axis=-1)")],
        ),
        ("x = f(axis=-1)", [("axis", "x = f(axis=0)")]),
        ("x = 'é' * n", [("operator", "x = 'é' / n")]),
    ],
)
def test_what_is_replaced(answer, expected):
    assert sorted(changed(answer)) == sorted(expected)


def test_statements_are_left_out_where_no_name_would_be_missing():
    answer = """\
        def build(self):
            super().__init__()
            total = f()
            total = g(total)
            self.total = total
            return total
        """
    left_out = [
        change.before.strip()
        for change in small_changes(textwrap.dedent(answer))
        if change.kind == Kind.STATEMENT
    ]
    assert left_out == ["super().__init__()", "total = g(total)", "self.total = total"]


def test_imports_texts_annotations_and_endless_loops_are_left_alone():
    answer = """\
        import numpy as np
        def f(a: 3) -> 4:
            "Adds 1."
            print(f"{a + 1}")
            while a < 5:
                a += b
            return a
        """
    assert changed(answer) == [("statement", "pass")]


def test_an_answer_that_nobody_wrote_by_hand_is_changed_in_places():
    assert len(small_changes("x = 1\n" * 5_000)) == 400


def test_a_change_over_several_lines_shows_them_all():
    (change,) = small_changes("x = f(\n    a,\n    b,\n)")
    assert change.line == 2
    assert change.before == "    a,\n    b,"
    assert change.after == "    b,\n    a,"


@pytest.mark.parametrize(
    "answer", ["", "x = (", "%matplotlib inline\nx = 1", "x = " + "-" * 9_000 + "1", "(" * 300]
)
def test_what_python_cannot_read_has_no_changes(answer):
    assert small_changes(answer) == []


def test_every_change_is_python_and_changes_something():
    source = textwrap.dedent("""\
        def f(a, b=2):
            # A comment stays.
            if a[0] >= 1 and not b:
                a = a * 2 + b ** 2
            return np.max(a, axis=0)
        """)
    found = small_changes(source)
    assert len({change.source for change in found}) == len(found) > 8
    for change in found:
        assert ast.dump(ast.parse(change.source)) != ast.dump(ast.parse(source))
        assert "# A comment stays." in change.source


def question(line: int, message: str, test: str = "t", *, is_crash: bool = False) -> Question:
    change = Change(Kind.CONSTANT, line, "1", "2", "1", "2", f"line {line}")
    return Question(change, {test: message}, is_crash=is_crash)


def test_questions_are_about_different_failures_in_different_lines():
    noticed = [
        question(9, "crashed", is_crash=True),
        question(5, "got 1.5"),
        question(5, "got 2.5"),
        question(5, "another"),
        question(2, "got 7"),
        question(1, "got 7", test="u"),
    ]
    assert [each.change.line for each in choose(noticed)] == [1, 5, 5]
    assert {each.visible.get("t") for each in choose(noticed)} == {None, "got 1.5", "another"}
    assert are_enough(noticed)
    assert not are_enough(noticed[:4])


def test_two_failures_of_one_kind_are_better_than_one_question():
    noticed = [question(5, "got 1"), question(5, "got 2"), question(2, "got 3")]
    assert len(choose(noticed)) == 3


def test_kinds_take_turns_in_an_order_of_chance():
    changes = small_changes("x = f(1, 2) + 3 + 4 + 5 < 6")
    orders = {tuple(c.source for c in in_turn(changes, random.Random(seed))) for seed in "abcd"}
    assert len(orders) == 4
    first = in_turn(changes, random.Random("a"))
    assert first == in_turn(changes, random.Random("a"))
    assert len({change.kind for change in first[:4]}) == 4
    assert sorted(c.source for c in first) == sorted(c.source for c in changes)
