"""Tables of results, and what holds a fresh run to them."""

from __future__ import annotations

import nbformat
import numpy as np
import pytest

from course import results
from course.check import check

EXAMPLE = """\
                           here    over 20 seeds
network, AUROC            0.940     0.91 to 0.96
random forest, AUROC      0.934     0.93 to 0.94
digits remembered            12          8 to 15
loss, all of them       1,234.5      900 to 2000"""


def printed(capsys, *rows, **options) -> str:
    results.table(*rows, **options)
    return capsys.readouterr().out.rstrip("\n")


def test_a_table_as_it_is_printed(capsys):
    text = printed(
        capsys,
        ("network, AUROC", np.float32(0.94), (0.91, 0.96)),
        ("random forest, AUROC", 0.9341, (0.93, 0.94)),
        ("digits remembered", np.int64(12), (8, 15)),
    )
    assert text == "\n".join(
        [
            "                         here    over 20 seeds",
            "network, AUROC          0.940     0.91 to 0.96",
            "random forest, AUROC    0.934     0.93 to 0.94",
            "digits remembered          12          8 to 15",
        ]
    )


def test_both_ends_have_the_same_digits_and_thousands_a_comma(capsys):
    text = printed(capsys, ("loss", 1234.56, (0.9, 2000)), over="30 drives")
    assert text == "            here    over 30 drives\nloss    1,234.56    0.9 to 2,000.0"


def test_further_columns_are_shown(capsys):
    text = printed(
        capsys,
        ("counts", 3.4, (3, 4)),
        ("network", 2.1, (2, 3)),
        parameters=[None, 71796],
        training_time=["none", 4.26],
    )
    assert text == "\n".join(
        [
            "           here    over 20 seeds    parameters    training time",
            "counts      3.4           3 to 4                           none",
            "network     2.1           2 to 3        71,796              4.3",
        ]
    )


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([("two  spaces", 1.0, (0, 2))], {}, "single spaces"),
        ([("", 1.0, (0, 2))], {}, "single spaces"),
        ([("a", 1.0, (2, 0))], {}, "lower end first"),
        ([("a", 1.0, (0, float("nan")))], {}, "lower end first"),
        ([("a", np.zeros(3), (0, 2))], {}, "the value of 'a' must be one"),
        ([("a", True, (0, 2))], {}, "the value of 'a' must be one"),
        ([("a", 1.0, (0, 2))], {"seconds": [1.0, 2.0]}, "2 values for 1 rows"),
    ],
)
def test_what_is_no_table_is_refused(rows, options, said):
    with pytest.raises(ValueError, match=said):
        results.table(*rows, **options)


@pytest.mark.parametrize(
    ("value", "limits", "is_inside"),
    [
        (0.964, (0.91, 0.96), False),
        (0.9604, (0.91, 0.96), True),  # printed as 0.960, the upper end
        (0.9096, (0.91, 0.96), True),  # printed as 0.910, the lower end
        (0.9094, (0.91, 0.96), False),
        (15, (8, 15), True),
        (16, (8, 15), False),
        (-0.3, (-0.5, 0.2), True),
        (-0.6, (-0.5, 0.2), False),
        (1200.0, (900, 2000), True),
        (float("nan"), (0.91, 0.96), False),
        (float("inf"), (0.91, 0.96), False),
    ],
)
def test_a_value_is_inside_as_it_is_printed(capsys, value, limits, is_inside):
    text = printed(capsys, ("score", value, limits))
    assert (results.differences(text, text) == []) == is_inside


def test_other_values_within_the_ranges_are_no_difference():
    fresh = EXAMPLE.replace("0.940", "0.912").replace("   12 ", "    8 ")
    assert results.differences(EXAMPLE, fresh) == []
    assert results.without_values(EXAMPLE) == results.without_values(fresh)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0.940", "0.970", "'network, AUROC' is 0.970, outside its range over 20 seeds, 0.91 to"),
        ("0.91 to", "0.90 to", "'network, AUROC' (0.940) has the range 0.90 to 0.96 now, and 0.91"),
        ("network,", "a network,", "Row 1 (0.940, range 0.91 to 0.96) is named 'a network, AUROC'"),
        ("over 20", "over 30", "The ranges are over 20 seeds as stored, and over 30 seeds now."),
        ("\nloss, all of them       1,234.5      900 to 2000", "", "has 4 rows as stored, and 3"),
        ("    over 20 seeds", "", "has 1 table of results, the fresh run 0 tables of results."),
        ("20 seeds", "20 seeds    seconds", "columns are '' as stored, 'seconds' now."),
    ],
)
def test_each_difference_is_a_sentence(old, new, said):
    assert old in EXAMPLE
    (sentence,) = results.differences(EXAMPLE, EXAMPLE.replace(old, new))
    assert said in sentence


def test_further_columns_are_not_compared(capsys):
    row = ("network", 2.1, (2, 3))
    quick, slow = (printed(capsys, row, seconds=[seconds]) for seconds in (9.9, 123.4))
    assert results.differences(quick, slow) == []
    assert results.without_values(quick) == results.without_values(slow)


def test_what_is_around_a_table_is_kept():
    text = f"before\n{EXAMPLE}\n\nscore    0.940    0.91 to 0.96"
    lines = results.without_values(text).splitlines()
    assert (lines[0], lines[-1]) == ("before", "score    0.940    0.91 to 0.96")
    assert "0.940" not in "\n".join(lines[:-1])


# A lesson's cell, with nbval.

CELL = "from course import results\nresults.table(('score', {value}, (0.91, {high})))"
STATED = "         here    over 20 seeds\nscore    0.940     0.91 to 0.96"


def whole(toy, source: str):
    toy.cell("result").metadata["course"]["expected"] = STATED
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE, result=source)
    return check(toy.save()).whole


@pytest.mark.slow
def test_a_students_run_is_held_to_the_ranges(toy):
    run = whole(toy, CELL.format(value=0.95, high=0.96))
    assert (run.problems, run.compared) == ([], 1)


@pytest.mark.slow
def test_a_students_value_outside_is_said(toy):
    (problem,) = whole(toy, CELL.format(value=0.97, high=0.96)).problems
    assert problem.kind == "result"
    assert "'score' is 0.970, outside its range over 20 seeds, 0.91 to 0.96." in problem.message


@pytest.mark.slow
def test_text_beside_a_table_is_still_compared(toy):
    source = CELL.format(value=0.95, high=0.96) + "\nprint('and more')"
    assert [p.kind for p in whole(toy, source).problems] == ["result"]


def with_stored_output(toy, source: str):
    """A notebook with outputs, as the instructor's, and no stated result."""
    cell = toy.cell("result")
    del cell.metadata["course"]
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=STATED + "\n")]
    cell.execution_count = 1
    toy.answer(double=toy.DOUBLE, triple=toy.TRIPLE, result=source)
    return check(toy.save()).whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "high", "said"),
    [
        (0.92, 0.96, None),
        (0.97, 0.96, "'score' is 0.970, outside its range over 20 seeds, 0.91 to 0.96."),
        (0.94, 0.97, "'score' (0.940) has the range 0.91 to 0.97 now, and 0.91 to 0.96 as stored."),
    ],
)
def test_stored_outputs_are_held_to_the_ranges(toy, value, high, said):
    problems = with_stored_output(toy, CELL.format(value=value, high=high)).problems
    assert [said in p.message for p in problems] == ([True] if said else [])
