"""The page about a whole term: students by lessons, who falls behind, mistakes over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
from matplotlib.figure import Figure

from autograder.classroom.pages import BLUE, embedded, render
from autograder.classroom.term.rules import Rules
from autograder.classroom.term.standing import (
    Entry,
    State,
    Term,
    TermLesson,
    falling_behind,
    full_name,
)

ORANGE = "#B34700"
# More would make a page that nobody reads.
MOST_MISTAKES, MOST_NAMES, MOST_REMARK = 3, 12, 200
# The lower bounds of the shades, in shares of a lesson's points, with the classes of the style.
SHADES = ((0.9, "a"), (0.7, "b"), (0.5, "c"), (0.3, "d"), (0.0, "e"))


def make_term_page(term: Term, now: datetime | None = None) -> str:
    """The page, as one HTML document that needs no other file.

    Args:
        term: the term; something of it is graded.
        now: the time that the page tells; the present by default.
    """
    now = now or datetime.now(UTC)
    behind = falling_behind(term)
    picture, alt = _picture(term)
    needed = term.rules.pass_percent
    return render(
        "term.html.j2",
        title=term.rules.title,
        now=f"{now:%Y-%m-%d}",
        students=len(term.people),
        lessons=list(map(_lesson_row, term.lessons)),
        graded=len(term.graded),
        rows=list(_student_rows(term)),
        medians=[_median(lesson) for lesson in term.lessons],
        worth=_number(term.worth),
        so_far=_number(term.worth_so_far),
        needed=None if needed is None else f"{needed:g}",
        behind=[(full_name(term.people[name]), reasons) for name, reasons in behind.items()],
        picture=picture,
        picture_alt=alt,
        mistakes=list(_mistakes(term)),
        open=list(_open(term, now)),
        rules=list(_rules(term.rules)),
    )


def _number(points: float) -> str:
    return f"{round(points, 2):g}"


def _lesson_row(lesson: TermLesson) -> dict[str, str]:
    handed_in = lesson.handed_in
    late = sum(entry.hours_late > 0 for entry in handed_in)
    full = sum(entry.share >= 1 for entry in handed_in)
    found = [entry.mistakes for entry in handed_in]
    return {
        "number": lesson.number,
        "title": lesson.title,
        "worth": _number(lesson.worth) if lesson.worth else "–",
        "due": _day(lesson.due) if lesson.due else "–",
        "handed_in": str(len(handed_in)) if lesson.is_graded else "–",
        "late": str(late) if lesson.is_graded and lesson.due else "–",
        "median": _median(lesson),
        "full": str(full) if handed_in else "–",
        "mistakes": f"{np.mean(found):.1f}" if found else "–",
    }


def _day(at: datetime) -> str:
    """The day of a time in UTC, where this computer is."""
    return f"{at.replace(tzinfo=UTC).astimezone():%Y-%m-%d}"


def _median(lesson: TermLesson) -> str:
    shares = _shares(lesson)
    return f"{100 * np.median(shares):.0f}" if shares else "–"


def _student_rows(term: Term) -> Iterator[dict[str, object]]:
    for student, person in term.people.items():
        points = term.points(student)
        entries = [lesson.entries.get(student) for lesson in term.lessons]
        yield {
            "name": full_name(person),
            "cells": [_cell(entry) for entry in entries],
            "mistakes": sum(entry.mistakes for entry in entries if entry),
            "points": _number(points),
            "percent": f"{100 * points / term.worth_so_far:.0f}" if term.worth_so_far else "–",
        }


def _cell(entry: Entry | None) -> tuple[str, str, str]:
    """A cell of the table of students: its text, its marks, and the class of its shade."""
    if entry is None:
        return "", "", ""
    if entry.state is State.MISSING:
        return "–", "", "none"
    if entry.state is State.NOT_GRADED:
        return "…", "", ""
    marks = {State.WAITING: "?", State.FAILED: "!"}.get(entry.state, "")
    marks += "L" if entry.hours_late > 0 else ""
    shade = next(name for least, name in SHADES if entry.share >= least)
    return f"{100 * entry.share:.0f}", marks, shade


def _picture(term: Term) -> tuple[str, str]:
    """Points and known mistakes by lesson as base64, and the picture's alt text."""
    lessons = term.graded
    shares = [_shares(lesson) for lesson in lessons]
    places = np.arange(len(lessons))
    quartiles = np.array([np.percentile(each or [0.0], (25, 50, 75)) for each in shares]).T * 100
    with_mistake = np.array([_share_with_mistake(lesson) for lesson in lessons]) * 100
    figure = Figure(figsize=(8, 3.6), dpi=110, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.fill_between(places, quartiles[0], quartiles[2], color=BLUE, alpha=0.2, linewidth=0)
    upper.plot(places, quartiles[1], color=BLUE, marker="o", markersize=4)
    upper.set(ylim=(0, 105), ylabel="% of the\npoints")
    lower.bar(places, with_mistake, width=0.5, color=ORANGE)
    lower.set(ylim=(0, 105), ylabel="% with a\nknown mistake", xlabel="lesson")
    lower.set_xticks(places, [_short(lesson.number) for lesson in lessons])
    for axis in (upper, lower):
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_yticks([0, 50, 100])
    low, high = int(np.argmin(quartiles[1])), int(np.argmax(quartiles[1]))
    most = int(np.argmax(with_mistake))
    alt = (
        f"Two charts over the {len(lessons)} graded lessons. The median of the points goes from "
        f"{quartiles[1][low]:.0f} percent in lesson {lessons[low].number} to "
        f"{quartiles[1][high]:.0f} percent in lesson {lessons[high].number}. The share of "
        f"submissions with a known mistake is largest in lesson {lessons[most].number}, with "
        f"{with_mistake[most]:.0f} percent. The tables give the numbers."
    )
    return embedded(figure), alt


def _short(text: str) -> str:
    return text if len(text) <= 10 else f"{text[:9]}…"


def _shares(lesson: TermLesson) -> list[float]:
    return [entry.share for entry in lesson.handed_in]


def _share_with_mistake(lesson: TermLesson) -> float:
    found = [entry.mistakes > 0 for entry in lesson.handed_in]
    return sum(found) / len(found) if found else 0.0


def _mistakes(term: Term) -> Iterator[tuple[str, list[dict[str, str]], int]]:
    """For each lesson with known mistakes: its number, the most frequent of them, and how many
    more there are."""
    for lesson in term.graded:
        counts = Counter(
            pair for result in lesson.results for pair in sorted(result.misconceptions.items())
        )
        handed_in = len(lesson.handed_in)
        rows = [
            {
                "exercise": exercise,
                "mistake": mistake,
                "count": str(count),
                "share": f"{100 * count / handed_in:.0f} %" if handed_in else "–",
            }
            for (exercise, mistake), count in counts.most_common(MOST_MISTAKES)
        ]
        if rows:
            yield lesson.number, rows, len(counts) - len(rows)


def _open(term: Term, now: datetime) -> Iterator[tuple[str, str, str]]:
    """What somebody has yet to do: the lesson, what, and for which students."""
    today = now.astimezone(UTC).replace(tzinfo=None)
    for lesson in term.lessons:
        if not lesson.is_graded and lesson.due and lesson.due < today:
            yield lesson.number, "the deadline is over, and nothing is graded", "–"
        found: dict[str, list[str]] = defaultdict(list)
        for student, entry in lesson.entries.items():
            if what := _to_do(entry):
                found[what].append(full_name(term.people[student]))
        for what, names in found.items():
            shown = "; ".join(names[:MOST_NAMES])
            more = len(names) - MOST_NAMES
            yield lesson.number, what, f"{shown}; and {more} more" if more > 0 else shown


def _to_do(entry: Entry) -> str:
    if entry.state is State.FAILED:
        return f"look at it: {entry.remark[:MOST_REMARK] or 'grading was cut short'}"
    what = {State.WAITING: "give points", State.NOT_GRADED: "grade it, or see why it is not there"}
    return what.get(entry.state, "")


def _rules(rules: Rules) -> Iterator[str]:
    """The rules in sentences."""
    if rules.lessons is None:
        yield "Each lesson that is graded counts its own points."
    else:
        yield "Each lesson counts what it is worth times the share of its points that was reached."
    yield (
        "The share is the gradebook's, with the points that a person has given. What was not "
        "handed in or is not graded counts nothing."
    )
    if rules.late is not None:
        yield _late_rule(rules)
    if rules.pass_percent is not None:
        yield f"{rules.pass_percent:g} % of the term's points are needed to pass."


def _late_rule(rules: Rules) -> str:
    assert rules.late is not None
    late = rules.late
    text = f"Each day begun after the deadline costs {late.percent_a_day:g} % of the points"
    if late.free_hours:
        text = (
            f"Up to {late.free_hours:g} hours late costs nothing; each day begun after that costs "
            f"{late.percent_a_day:g} % of the points"
        )
    if late.days is not None:
        text += f", and after {late.days} days nothing counts"
    return (
        f"{text}. This is taken off in the column of points, not in those of the lessons, and not "
        "where nbgrader's own rule has taken something off."
    )
