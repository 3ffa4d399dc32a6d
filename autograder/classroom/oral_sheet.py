"""A sheet with questions to a student about an answer, and the key to it for the teacher."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autograder.classroom.pages import render
from autograder.grading.harmless import plain
from autograder.grading.questions import OralCheck, Question
from autograder.grading.small_changes import Change, Kind

WIDTH = 88

# Paper has its limits; an answer that is longer is shown up to here.
MOST_LINES, MOST_LETTERS = 120, 10_000

WHICH = "Which test fails now, and why?"
WHY = "Why does the test fail now?"
NONE_FAILS = (
    "No test that you see fails after this change. Does the answer still do what it should? If "
    "not, name a case in which it does not."
)
NO_TEST = (
    "No test notices it, hidden ones included. Either it changes nothing that matters, or the "
    "tests lack this case."
)
HIDDEN = "Only hidden tests notice it."


@dataclass(frozen=True)
class Item:
    """A question as it is shown.

    Attributes:
        place: the line or lines.
        before: the lines as they were.
        after: the same lines now.
        text: what is asked.
        key: what was changed, and what the tests say, in sentences.
        messages: by test that fails, its message.
    """

    place: str
    before: str
    after: str
    text: str
    key: str
    messages: Mapping[str, str]


@dataclass(frozen=True)
class Sheet:
    """All that a sheet shows.

    Attributes:
        assignment: the assignment's name.
        student: whose answer it is.
        exercise: the exercise.
        answer: the answer, line by line.
        tests: the text of the tests that the student sees, by name.
        items: the questions.
    """

    assignment: str
    student: str
    exercise: str
    answer: list[str]
    tests: Mapping[str, str]
    items: list[Item]

    @property
    def title(self) -> str:
        return f"{self.assignment}, {self.exercise}: questions for {self.student}"


def make_sheet(assignment: str, student: str, check: OralCheck) -> Sheet:
    """The sheet for one student. Texts of students are shown without control characters.

    Args:
        assignment: the assignment's name.
        student: the student.
        check: the questions.
    """
    lines = plain(check.answer, MOST_LETTERS).rstrip().split("\n")
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"[{len(lines) - MOST_LINES} more lines]"]
    claims = sum(text.count("assert") for text in check.tests.values())
    asked = WHICH if claims > 1 else WHY
    items = [_item(question, asked, "", question.visible) for question in check.questions]
    if check.unnoticed is not None:
        hidden = check.unnoticed.hidden
        items.append(_item(check.unnoticed, NONE_FAILS, HIDDEN if hidden else NO_TEST, hidden))
    tests = {plain(name): plain(text).strip() for name, text in check.tests.items()}
    return Sheet(assignment, plain(student), plain(check.exercise), lines, tests, items)


def _item(question: Question, text: str, remark: str, messages: Mapping[str, str]) -> Item:
    change = question.change
    last = change.line + change.before.count("\n")
    return Item(
        f"Line {change.line}" if last == change.line else f"Lines {change.line} to {last}",
        textwrap.dedent(plain(change.before)),
        textwrap.dedent(plain(change.after)),
        text,
        f"{_what(change)} {remark}".strip(),
        messages,
    )


def _what(change: Change) -> str:
    match change.kind:
        case Kind.STATEMENT:
            return "A statement was left out."
        case Kind.ARGUMENTS:
            return "The first two arguments were swapped."
    old, new = (plain(text).strip() for text in (change.old, change.new))
    if not new:
        return f"The sign or word before a value was removed: {old}."
    return f"Another {change.kind}: {new} in place of {old}."


def as_text(sheet: Sheet) -> str:
    """The sheet for a terminal: the questions, a rule, and the key below it.

    Args:
        sheet: the sheet.
    """
    return "\n".join([*_questions(sheet), "", "=" * WIDTH, *_key(sheet)])


def _questions(sheet: Sheet) -> Iterator[str]:
    yield from (sheet.title, "", "The answer", "")
    for number, line in enumerate(sheet.answer, 1):
        yield f"{number:4}  {line}".rstrip()
    yield from ("", "The tests that you see")
    for name, text in sheet.tests.items():
        yield from ("", f"  {name}", textwrap.indent(text, "    "))
    yield from ("", "Each question is about the answer with one small change.")
    for number, item in enumerate(sheet.items, 1):
        yield from ("", f"{number}. {item.place}")
        yield _labelled("before", item.before)
        yield _labelled("now", item.after)
        yield _wrapped(item.text, "   ")


def _key(sheet: Sheet) -> Iterator[str]:
    yield f"Key for the teacher: {sheet.title}"
    for number, item in enumerate(sheet.items, 1):
        yield from ("", f"{number}. {item.place}: {item.after.strip()}")
        yield _wrapped(item.key, "   ")
        for name, message in item.messages.items():
            yield _wrapped(f"{name} fails: {message}", "   ")


def _labelled(label: str, text: str) -> str:
    return "\n".join(
        f"   {label if number == 0 else '':6}  {line}"
        for number, line in enumerate(text.split("\n"))
    )


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent)


def as_page(sheet: Sheet) -> str:
    """The sheet as one HTML document that needs no other file; the key is printed on a page of its
    own.

    Args:
        sheet: the sheet.
    """
    return render("oral_sheet.html.j2", sheet=sheet)
