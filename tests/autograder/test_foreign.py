"""Honest work on assignments that were not made for this grader gets what nbgrader itself gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from autograder.grading.decision import Tests
from tests.autograder import foreign_assignments as foreign

# Some that the quick tests hold, each with where its tests run.
A_FEW = {
    "coroutines": Tests.TOGETHER,
    "deleted_helper": Tests.TOGETHER,
    "own_helper_cell": Tests.APART,
    "last_value_is_shown": Tests.APART,
    "partial_credit": Tests.APART,
    "patched_input": Tests.TOGETHER,
    "shell_command": Tests.TOGETHER,
    "unmarked_answers": Tests.TOGETHER,
}


@pytest.mark.parametrize("name", A_FEW)
def test_right_answers_get_all_points_and_wrong_ones_some(name, workplace):
    assignment = foreign.read(name)
    decision = foreign.our_decision(assignment, workplace)
    assert decision.tests == A_FEW[name], decision.reason
    right = foreign.our_grade(assignment, assignment.right, decision, workplace)
    assert right.score == right.max_score, right.cells
    wrong = foreign.our_grade(assignment, assignment.wrong, decision, workplace)
    assert 0 < wrong.score < wrong.max_score, wrong.cells
    assert right.status == wrong.status == "graded"


def test_there_is_one_for_each_way_of_testing():
    names = foreign.names()
    assert len(names) >= 40
    assert all(foreign.read(name).about.endswith(".") for name in names)


@pytest.mark.slow
def test_scores_are_those_of_nbgrader_itself(workplace, tmp_path, monkeypatch):
    # With it set, a kernel leaves out its capture of what C code writes.
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    faults = []

    def compare(name):
        assignment = foreign.read(name)
        decision = foreign.our_decision(assignment, workplace)
        for kind in ("right", "wrong"):
            notebook = getattr(assignment, kind)
            folder = tmp_path / name / kind
            folder.mkdir(parents=True)
            stock = foreign.stock_scores(notebook, assignment.timeout, folder)
            ours = foreign.our_grade(assignment, notebook, decision, workplace)
            scores = {test: cell.score for test, cell in ours.cells.items()}
            same = all(scores[test] == points for test, points in stock.items())
            better = all(scores[test] >= points for test, points in stock.items())
            if not (better if kind == "right" else same):
                faults.append((name, kind, decision.tests, stock, ours.status, ours.cells))
            if not 0 < sum(stock.values()) < assignment.points + (kind == "right"):
                faults.append((name, kind, "says nothing", stock))
        return name

    with ThreadPoolExecutor(2) as pool:
        compared = list(pool.map(compare, foreign.names()))
    assert compared == foreign.names()
    assert not faults, "\n\n".join(map(str, faults))
