"""A student's feedback as a notebook, for platforms that show a notebook where one was handed in.

It holds the student's own answers, and of the tests only their messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.classroom.results import Result, cell_name
from autograder.grading.score import CellScore
from autograder.grading.status import Status
from course.cells import find_grade_id, is_answer


def annotated_notebook(
    name: str, graded: NotebookNode, result: Result, exercises: Mapping[str, str], notebooks: int
) -> bytes:
    """The notebook, as JSON.

    Args:
        name: the notebook's name.
        graded: the student's graded notebook; only its answers are taken.
        result: the final points and messages.
        exercises: the exercise of each cell with points.
        notebooks: how many notebooks the assignment has.
    """
    answers = {find_grade_id(cell): cell for cell in graded.cells if is_answer(cell)}
    cells = [new_markdown_cell(_summary(name, result))]
    prefix = f"{name}/" if notebooks > 1 else ""
    of_this = [key for key in result.cells if key.startswith(prefix)]
    for exercise in dict.fromkeys(exercises.get(key, key) for key in of_this):
        tests = [result.cells[key] for key in of_this if exercises.get(key, key) == exercise]
        comment = result.comments.get(cell_name(name, exercise, notebooks), "")
        mistake = result.misconceptions.get(exercise, "")
        cells.append(new_markdown_cell("\n\n".join(_exercise(exercise, tests, mistake, comment))))
        answer = answers.get(exercise)
        if answer is not None and answer.cell_type == "code":
            cells.append(new_code_cell(answer.source))
        elif answer is not None:
            cells.append(new_markdown_cell(answer.source))
    for number, cell in enumerate(cells):
        # The same feedback has the same bytes.
        cell["id"] = f"feedback-{number}"
    metadata = {"kernelspec": graded.metadata.get("kernelspec", {})}
    text: str = nbformat.writes(new_notebook(cells=cells, metadata=metadata))
    return text.encode("utf-8")


def _summary(name: str, result: Result) -> str:
    lines = [f"# Feedback on {name}", f"**{result.score:g} of {result.max_score:g} points**"]
    if result.penalty:
        lines.append(f"Handing in late cost {result.penalty:g} points.")
    if result.status != Status.GRADED:
        lines += [f"{result.status.capitalize()}:", _as_it_is(result.message)]
    lines += [_as_it_is(note) for note in result.notes]
    return "\n\n".join(lines)


def _exercise(name: str, tests: list[CellScore], mistake: str, comment: str) -> Iterator[str]:
    given, most = sum(test.score or 0.0 for test in tests), sum(test.max_score for test in tests)
    yield f"## {name}: {given:g} of {most:g} points"
    for message in dict.fromkeys(test.message for test in tests if test.message):
        yield _as_it_is(message)
    if mistake:
        yield f"This behaves like a known mistake. {mistake}"
    if comment:
        yield f"Comment:\n\n{_as_it_is(comment)}"


def _as_it_is(text: str) -> str:
    """A text in Markdown in which nothing of it is read as Markdown or HTML."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 3)
    return f"{fence}text\n{text}\n{fence}"
