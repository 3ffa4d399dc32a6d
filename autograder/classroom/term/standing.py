"""What each student has reached in a term, by the gradebook's points and the term's rules."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from autograder.classroom.person import Person
from autograder.classroom.results import Result
from autograder.classroom.term.rules import EPSILON, Late, Rules
from autograder.grading.status import Status


class State(StrEnum):
    """How far a student's submission of a lesson is."""

    GRADED = "graded"
    # A person has yet to give points, so those that are there are not all.
    WAITING = "waiting"
    # Nothing was handed in.
    MISSING = "missing"
    # It was handed in, and grading was cut short or could not read it.
    FAILED = "failed"
    # Grading has not come to it yet.
    NOT_GRADED = "not graded"


@dataclass(frozen=True)
class Entry:
    """What a student has of a lesson.

    Attributes:
        state: how far the submission is.
        share: of the lesson's points, as the gradebook gives them; 1 is all.
        hours_late: how late it was handed in; 0 where it was in time or that is not known.
        counts: the share that counts, after the term's rule for late submissions.
        mistakes: how many known mistakes were recognised in it.
        remark: why grading was cut short.
    """

    state: State
    share: float = 0.0
    hours_late: float = 0.0
    counts: float = 0.0
    mistakes: int = 0
    remark: str = ""

    @property
    def is_handed_in(self) -> bool:
        """Whether there is something that was handed in, as far as it is known."""
        return self.state not in {State.MISSING, State.NOT_GRADED}


@dataclass(frozen=True)
class TermLesson:
    """A lesson of the term.

    Attributes:
        name: its folder in ``solutions/``.
        worth: the points that it brings at the term's end, when it is solved.
        due: its deadline in UTC, naive as nbgrader keeps it; None where it has none.
        results: what is graded of it, with the gradebook's points.
        entries: by student; of all students of the term where anything is graded, else none.
    """

    name: str
    worth: float
    due: datetime | None = None
    results: Sequence[Result] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def is_graded(self) -> bool:
        """Whether grading has come to this lesson."""
        return bool(self.entries)

    @property
    def handed_in(self) -> list[Entry]:
        """What its students have handed in."""
        return [entry for entry in self.entries.values() if entry.is_handed_in]

    @property
    def number(self) -> str:
        """What it is called where there is little room: the number before its name."""
        number, _, _ = self.name.partition("_")
        return number if number.isdigit() else self.name

    @property
    def title(self) -> str:
        """Its name in words, without the number."""
        number, _, rest = self.name.partition("_")
        return (rest if number.isdigit() else self.name).replace("_", " ")


@dataclass(frozen=True)
class Term:
    """A term up to now.

    Attributes:
        rules: its rules.
        lessons: in their order, those too that are not graded yet.
        people: its students, by the name of the folder, in the order of their names.
    """

    rules: Rules
    lessons: Sequence[TermLesson]
    people: Mapping[str, Person]

    @property
    def graded(self) -> list[TermLesson]:
        """The lessons that grading has come to."""
        return [lesson for lesson in self.lessons if lesson.is_graded]

    @property
    def worth(self) -> float:
        """The points of the whole term."""
        return math.fsum(lesson.worth for lesson in self.lessons)

    @property
    def worth_so_far(self) -> float:
        """The points of the lessons that are graded."""
        return math.fsum(lesson.worth for lesson in self.graded)

    def points(self, student: str) -> float:
        """What a student has reached so far of the term's points."""
        return math.fsum(
            lesson.worth * lesson.entries[student].counts
            for lesson in self.lessons
            if student in lesson.entries
        )


def make_term(
    rules: Rules,
    results: Mapping[str, Sequence[Result]],
    hours: Mapping[str, Mapping[str, float]],
    due: Mapping[str, datetime],
    class_list: Mapping[str, Person],
) -> Term:
    """A term from what is graded.

    Args:
        rules: the term's rules.
        results: by lesson, with the gradebook's points; empty where nothing is graded.
        hours: by lesson and student, from handing in to the deadline, negative where it was late.
        due: the deadlines, by lesson.
        class_list: who is in the class, by the name of the folder.
    """
    names = list(rules.lessons or (name for name, found in results.items() if found))
    students = set(class_list) | {each.student for name in names for each in results.get(name, ())}
    known = {name: class_list.get(name, Person(name)) for name in students}
    people = dict(sorted(known.items(), key=lambda pair: (_place(full_name(pair[1])), pair[0])))
    return Term(
        rules,
        [
            _lesson(name, rules, results.get(name, ()), hours.get(name, {}), due.get(name), people)
            for name in names
        ],
        people,
    )


def full_name(person: Person) -> str:
    """A student's name as lists have it, the family name first; the folder's name where no other
    is known."""
    return ", ".join(filter(None, (person.last_name, person.first_name))) or person.student


def _place(name: str) -> str:
    """A name as lists are sorted by it: Ö beside O."""
    apart = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _lesson(
    name: str,
    rules: Rules,
    results: Sequence[Result],
    hours: Mapping[str, float],
    due: datetime | None,
    students: Collection[str],
) -> TermLesson:
    most = max((_finite(result.max_score) for result in results), default=0.0)
    found = {
        each.student: _entry(each, most, hours.get(each.student, 0.0), rules.late)
        for each in results
    }
    entries = {student: found.get(student, Entry(State.NOT_GRADED)) for student in students}
    worth = (rules.lessons or {}).get(name, most)
    return TermLesson(name, worth, due, results, entries if results else {})


def _entry(result: Result, most: float, hours_left: float, late: Late | None) -> Entry:
    share = _finite(result.score) / most if most else 0.0
    is_missing = result.status == Status.MISSING
    if is_missing and not share:
        return Entry(State.MISSING)
    hours_late = max(0.0, -hours_left)
    # What nbgrader's own rule has taken off is not taken off twice.
    kept = 1.0 if late is None or result.penalty else late.kept(hours_late)
    waits = any(cell.score is None for cell in result.cells.values())
    # Of what was not handed in there are points only where a person has given them.
    state = State.GRADED if is_missing or result.status == Status.GRADED else State.FAILED
    return Entry(
        State.WAITING if waits else state,
        share,
        hours_late,
        share * kept,
        len(result.misconceptions),
        result.message if state is State.FAILED else "",
    )


def _finite(points: float) -> float:
    """Points as a number from 0 up, whatever an assignment's metadata says."""
    return max(0.0, points) if math.isfinite(points) else 0.0


RECENT = 3
# Of a lesson's points: by so much the mean of the latest lessons is below that of the earlier ones.
FALL = 0.2


def falling_behind(term: Term) -> dict[str, list[str]]:
    """Who falls behind, and why, in sentences without their stop; those with most reasons first.

    Somebody falls behind who has handed in nothing of the two latest lessons or more, whose mean of
    the three latest is 20 percent of the points or more below that of the lessons before, or who is
    below what is needed to pass.
    """
    found = {student: list(_reasons(term, student)) for student in term.people}
    order = sorted(found, key=lambda student: -len(found[student]))
    return {student: found[student] for student in order if found[student]}


def _reasons(term: Term, student: str) -> Iterator[str]:
    lessons = term.graded
    entries = [lesson.entries[student] for lesson in lessons]
    silent = 0
    while silent < len(entries) and not entries[-1 - silent].is_handed_in:
        silent += 1
    if silent and silent == len(entries):
        yield "has handed in nothing so far"
    elif silent >= 2:
        numbers = ", ".join(lesson.number for lesson in lessons[-silent:])
        yield f"has handed in nothing of the last {silent} lessons ({numbers})"
    shares = [entry.share for entry in entries if entry.is_handed_in]
    before, latest = shares[:-RECENT], shares[-RECENT:]
    if len(before) >= RECENT and _mean(before) - _mean(latest) >= FALL:
        yield (
            f"has {100 * _mean(latest):.0f} % of the points in the last {RECENT} lessons that were "
            f"handed in, and had {100 * _mean(before):.0f} % before"
        )
    needed = term.rules.pass_percent
    if needed is None or not term.worth_so_far:
        return
    points = term.points(student)
    open_ = term.worth - term.worth_so_far
    if 100 * (points + open_) < needed * term.worth - EPSILON:
        yield f"cannot reach the {needed:g} % that are needed to pass any more"
    elif 100 * points < needed * term.worth_so_far - EPSILON:
        reached = 100 * points / term.worth_so_far
        yield f"has {reached:.0f} % so far, and {needed:g} % are needed to pass"


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return math.fsum(numbers) / len(numbers)


def has_passed(term: Term, student: str) -> bool:
    """Whether a student has reached what is needed to pass, of the points of the whole term.

    Args:
        term: a term with ``pass_percent``.
        student: the name of the folder.
    """
    needed = term.rules.pass_percent
    return needed is not None and 100 * term.points(student) >= needed * term.worth - EPSILON
