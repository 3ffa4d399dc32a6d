"""Answers that compute nothing and fool ordinary tests: empty, NaN, masked, a constant, an
argument, zeros written into the arguments. What do the tests of each exercise give for them?"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from nbformat import NotebookNode

from autograder.grading.names import import_statements
from autograder.grading.rebuild import references
from autograder.grading.score import CellScore
from autograder.grading.tryout import Outcome, Try, try_answers
from autograder.notebooks.cells import groups
from autograder.sandbox.inside import fooling_replies
from autograder.sandbox.workplace import Workplace
from course.cells import grade_id
from course.check.names import bound_names, parse

# What an answer may be or give instead, as `fooling_replies` has it.
VALUES = (
    "None", "pd.NA", "0", "True", "NaN", "an empty array", "an empty list",
    "NaN in every place", "zeros in every place", "an emptied reply", "a masked array",
)  # fmt: skip
ONLY_FUNCTIONS = ("the first reply", "its argument", "its argument zeroed", "the reply for zeros")
# One case may have such an answer; all of an exercise's cases may not.
CONSTANTS = {"0", "True", "zeros in every place", "the first reply", "the reply for zeros"}
# How a test cell says that it is right to take one: `# Takes NaN: the mean of nothing is NaN.`
TAKES = re.compile(r"^\s*# Takes (?P<what>[^:\n]+): \S", re.MULTILINE)


@dataclass(frozen=True)
class FoolingAnswer:
    """An answer that computes nothing.

    Attributes:
        exercise: the exercise's ``grade_id``.
        name: which of the names that the right answer defines is something else.
        kind: one of VALUES or ONLY_FUNCTIONS.
        source: the answer.
        is_function: whether the name is a function's.
    """

    exercise: str
    name: str
    kind: str
    source: str
    is_function: bool

    def __str__(self) -> str:
        return f"`{self.name}` if it {'gives' if self.is_function else 'is'} {self.kind}"


def fooled_tests(
    instructor: NotebookNode, workplace: Workplace, files: bytes, timeout: int
) -> list[str]:
    """What is wrong with a notebook's tests, one sentence for each fooling answer that they take.

    Args:
        instructor: the instructor notebook.
        workplace: where the answers are tried.
        files: a tar archive of what the notebook may read or import.
        timeout: seconds for one cell.
    """
    right = references(instructor)
    fools = [fool for name in right for fool in fooling_answers(name, right[name])]
    tries = [Try(fool.exercise, fool.source) for fool in fools]
    outcomes = try_answers(instructor, tries, workplace, files, timeout, watch=False)
    tests = {
        grade_id(instructor.cells[group.solution]): [
            instructor.cells[index] for index in group.tests
        ]
        for group in groups(instructor)
        if group.solution is not None
    }
    said: list[str] = []
    for fool, outcome in zip(fools, outcomes, strict=True):
        said += _problems(fool, outcome, tests[fool.exercise])
    return said


def _problems(fool: FoolingAnswer, outcome: Outcome, tests: list[NotebookNode]) -> Iterator[str]:
    if outcome.stop is not None:
        # It would have been stopped in grading too, without points.
        return
    about = {grade_id(test): test for test in tests if re.search(rf"\b{fool.name}\b", test.source)}
    scores = {name: outcome.scores[name] for name in about}
    wrong = [
        name
        for name, test in about.items()
        if scores[name].score and fool.kind not in _taken(test.source)
    ]
    if wrong and all(score.score == score.max_score for score in scores.values()):
        yield f"the tests give all points to {fool}"
    elif fool.kind not in CONSTANTS:
        for name in wrong:
            yield f"{name} gives {_points(scores[name])} to {fool}"


def _taken(test: str) -> set[str]:
    """What a test cell says that it is right to take."""
    lists = (found["what"].split(",") for found in TAKES.finditer(test))
    return {text.strip() for texts in lists for text in texts}


def _points(score: CellScore) -> str:
    return f"{score.score:g} of {score.max_score:g} point{'s' if score.max_score != 1 else ''}"


def fooling_answers(exercise: str, right: str) -> Iterator[FoolingAnswer]:
    """What may be tried in place of an instructor's own answer, one name that it defines after the
    other.

    Args:
        exercise: the exercise's ``grade_id``.
        right: that answer.
    """
    tree = parse(right)
    body = tree.body if tree is not None else []
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    # An object of another class would have to be made for a class.
    classes = {node.name for node in body if isinstance(node, ast.ClassDef)}
    replies = inspect.getsource(fooling_replies)
    for name in sorted(bound_names(right) - bound_names(import_statements(right)) - classes):
        kinds: tuple[str, ...] = VALUES
        make = "_fool_value"
        if name in functions:
            kinds, make = VALUES + ONLY_FUNCTIONS, "_fool_function"
            if not _takes_something(functions[name]):
                kinds = VALUES
        for kind in kinds:
            source = f"{right}\n\n\n{replies}\n\n{name} = {make}({name}, {kind!r})\n"
            yield FoolingAnswer(exercise, name, kind, source, name in functions)


def _takes_something(function: ast.FunctionDef) -> bool:
    given = function.args
    return bool(given.posonlyargs or given.args or given.vararg or given.kwonlyargs)
