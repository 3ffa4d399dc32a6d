"""Terms: a lesson uses no term and no layer of Keras that neither it nor its needs introduce.

The header of each lesson lists the terms that it introduces, and the lessons that it needs. What
one of these introduces, or one that they need in turn, may be used; so may what the lesson says
that it explains itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder.gates.finding import Finding
from autograder.notebooks.cells import ALTERNATIVE, MISCONCEPTION
from autograder.notebooks.markdown import passages
from autograder.notebooks.source import Lesson, all_lessons
from autograder.notebooks.terms import Finder, Term, is_code, read_terms
from course.cells import tags

# A paragraph that begins so names books and papers, in whose titles terms stand.
REFERENCES = "To read:"


@dataclass(frozen=True)
class Place:
    """Where something is in a lesson's source: cell and line, counted from 1."""

    cell: int
    line: int


@dataclass(frozen=True)
class Introduction:
    """Where a lesson introduces a term: the heading that this is under, and the place."""

    heading: str
    place: Place


@dataclass(frozen=True)
class Use:
    """Where a lesson uses the name of a term or of Keras.

    Attributes:
        in_code: in a cell of code, not in prose.
        in_opening: before the first heading below the title, where the reader is told what is to
            come.
    """

    name: str
    place: Place
    in_code: bool
    in_opening: bool


class Glossary:
    """All terms of the course, and what each lesson may use.

    Args:
        lessons: all of them, in order.
    """

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        self.lessons = {lesson.name: lesson for lesson in lessons}
        self.terms = {lesson.name: read_terms(lesson.header.terms) for lesson in lessons}
        self._uses: dict[str, list[Use]] = {}

    @cached_property
    def homes(self) -> dict[str, tuple[str, Term]]:
        """The lesson that introduces each name that has one meaning only, and its term there."""
        return {
            name: (lesson, term)
            for lesson, terms in reversed(self.terms.items())
            for term in terms
            for name in term.unmistakable
        }

    @cached_property
    def finder(self) -> Finder:
        """Finds the names of all terms."""
        return Finder(self.homes)

    def needed(self, lesson: Lesson) -> set[str]:
        """The lessons that a lesson needs, and those that they need in turn."""
        found: set[str] = set()
        waiting = list(lesson.header.needs)
        while waiting:
            name = waiting.pop()
            if name in self.lessons and name not in found:
                found.add(name)
                waiting += self.lessons[name].header.needs
        return found

    def known(self, lesson: Lesson) -> set[tuple[str, str]]:
        """The terms that a lesson may use, each as its home and its first name with the bracket:
        what it introduces or explains, and what the lessons do that it needs."""
        found: set[tuple[str, str]] = set()
        for name in {lesson.name, *self.needed(lesson)}:
            found |= {(name, term.name) for term in self.terms[name]}
            for each in self.lessons[name].header.explains:
                if each in self.homes:
                    home, term = self.homes[each]
                    found.add((home, term.name))
        return found

    def introductions(self, lesson: Lesson) -> dict[str, Introduction]:
        """Where a lesson introduces its terms, by their first names with brackets: where one of the
        names is in bold, in italics or in backticks for the first time. A name that is told from
        words by its capitals, such as AUROC, need not be."""
        names = {name: term.name for term in self.terms[lesson.name] for name in term.names}
        finder, heading = Finder(names), lesson.header.title
        found: dict[str, Introduction] = {}
        plain: dict[str, Introduction] = {}
        for number, cell in enumerate(lesson.cells, 1):
            if cell.cell_type != "markdown":
                continue
            for passage in passages(cell.source):
                heading = passage.source if passage.level else heading
                here = Introduction(heading, Place(number, passage.line))
                for name in finder.marked(passage):
                    found.setdefault(names[name], here)
                for name in finder.in_passage(passage):
                    if is_code(name):
                        plain.setdefault(names[name], here)
        return plain | found

    def uses(self, lesson: Lesson) -> list[Use]:
        """The names of terms in a lesson's prose and in its code, in order; not in tests."""
        if lesson.name not in self._uses:
            self._uses[lesson.name] = list(self._find_uses(lesson))
        return self._uses[lesson.name]

    def _find_uses(self, lesson: Lesson) -> Iterator[Use]:
        opening = True
        for number, cell in enumerate(lesson.cells, 1):
            if cell.cell_type == "markdown":
                for passage in passages(cell.source):
                    opening = opening and passage.level <= 1
                    if not passage.text.startswith(REFERENCES):
                        for name in self.finder.in_passage(passage):
                            yield Use(name, Place(number, passage.line), False, opening)
            elif "points" not in cell.metadata and not tags(cell) & {MISCONCEPTION, ALTERNATIVE}:
                for name, line in self.finder.in_code(cell.source):
                    yield Use(name, Place(number, line), True, opening)


def check(root: Path, names: Collection[str] = ()) -> list[Finding]:
    """What is wrong with the terms of the lessons at ``root``, and with what lessons need.

    Args:
        root: the repository.
        names: only what is about these lessons; everything by default.
    """
    glossary = Glossary(all_lessons(Path(root)))
    chosen = [lesson for name, lesson in glossary.lessons.items() if not names or name in names]
    return [found for lesson in chosen for found in problems(glossary, lesson)]


def problems(glossary: Glossary, lesson: Lesson) -> Iterator[Finding]:
    """What is wrong with one lesson's terms and needs."""
    yield from _needs_problems(glossary, lesson)
    yield from _header_problems(glossary, lesson)
    yield from _introduction_problems(glossary, lesson)
    yield from _use_problems(glossary, lesson)


def _source(lesson: Lesson) -> str:
    return lesson.source.relative_to(lesson.root).as_posix()


def _needs_problems(glossary: Glossary, lesson: Lesson) -> Iterator[Finding]:
    """Needs that a reader who takes the lessons in their order has not read."""
    for name in lesson.header.needs:
        if name not in glossary.lessons:
            problem = f"`needs` names {name}, which is not written"
            yield Finding(_source(lesson), problem, "name lessons that there are")
        elif name >= lesson.name:
            problem = f"`needs` names {name}, which does not come before this lesson"
            if lesson.name in glossary.needed(lesson):
                problem += ", and the two need each other"
            remedy = "explain here what the reader needs, list that under `explains`, and take the"
            yield Finding(_source(lesson), problem, f"{remedy} lesson out of `needs`")


def _header_problems(glossary: Glossary, lesson: Lesson) -> Iterator[Finding]:
    """Entries of the header that are missing, double or without effect."""
    file = _source(lesson)
    if not lesson.header.built:
        problem = "the header does not say what the reader will have built"
        yield Finding(file, problem, "add a line that begins with `built:`")
    terms = glossary.terms[lesson.name]
    if not terms:
        yield Finding(file, "the header lists no terms", "add those that the lesson introduces")
    for term in terms:
        others = [
            (other, name)
            for other, theirs in glossary.terms.items()
            for each in theirs
            if each is not term
            for name in {*each.unmistakable, each.name} & {*term.unmistakable, term.name}
        ]
        for other, name in others:
            where = "this lesson" if other == lesson.name else other
            yield Finding(
                file,
                f"the term {name!r} is listed here and a second time in {where}",
                "leave it where it comes first, and list it under `explains` in the other lesson "
                "unless that needs the first",
            )
    yield from _explains_problems(glossary, lesson)


def _explains_problems(glossary: Glossary, lesson: Lesson) -> Iterator[Finding]:
    known = {lesson.name, *glossary.needed(lesson)}
    names = {use.name for use in glossary.uses(lesson)}
    used = {glossary.homes[name] for name in names if name in glossary.homes}
    for name in lesson.header.explains:
        problem = ""
        if name not in glossary.homes:
            problem = "no lesson lists as a term"
        elif (home := glossary.homes[name])[0] in known:
            problem = f"{home[0]} introduces, which the reader has read"
        elif home not in used:
            problem = "the lesson does not use"
        if problem:
            said = f"`explains` names {name!r}, which {problem}"
            yield Finding(_source(lesson), said, "take it out, or correct the name")


def _introduction_problems(glossary: Glossary, lesson: Lesson) -> Iterator[Finding]:
    """Terms that the lesson does not visibly introduce, or uses before it does."""
    introduced = glossary.introductions(lesson)
    for term in glossary.terms[lesson.name]:
        if term.name not in introduced:
            yield Finding(
                _source(lesson),
                f"the header lists the term {term.name!r}, and the text has it nowhere in bold, in "
                "italics or, if it is a name of Python, in backticks",
                "mark it where the text explains it, or take it out of the header",
            )
    names = {name: term for term in glossary.terms[lesson.name] for name in term.unmistakable}
    seen: set[str] = set()
    for use in glossary.uses(lesson):
        name, place = use.name, use.place
        if use.in_code or use.in_opening or name not in names or names[name].name in seen:
            continue
        seen.add(names[name].name)
        introduction = introduced.get(names[name].name)
        if introduction and place.cell < introduction.place.cell:
            yield Finding(
                _source(lesson),
                f"{name!r} is used here and marked only in cell {introduction.place.cell}",
                "explain it here, in bold or italics, or use another word here",
                place.cell,
                place.line,
            )


def _use_problems(glossary: Glossary, lesson: Lesson) -> Iterator[Finding]:
    """Terms and names of Keras that the reader does not know."""
    known = glossary.known(lesson)
    own = {name for term in glossary.terms[lesson.name] for name in term.names}
    seen: set[str] = set()
    for use in glossary.uses(lesson):
        name, place = use.name, use.place
        home, term = glossary.homes.get(name, ("", None))
        word = term.name if term else name
        if name in own or (home, word) in known or word in seen:
            continue
        seen.add(word)
        if term is None:
            problem = f"{name!r}, a name of Keras, is used, and no lesson introduces it"
            remedy = "explain it in the text, in backticks, and list it among the header's terms"
        else:
            problem = (
                f"{name!r} is used, which {home} introduces, and this lesson does not need that"
            )
            remedy = "explain it here and list it under `explains`, or use another word"
            if home < lesson.name:
                remedy = f"add {home} to `needs`, or {remedy}"
        yield Finding(_source(lesson), problem, remedy, place.cell, place.line)
