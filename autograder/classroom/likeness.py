"""Answers that are nearly the same, in groups."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz, process

# Answers below this length are alike by nature; above this likeness two of them are named.
SHORTEST, ALIKE = 200, 95
# What is compared of an answer, which bounds the time that a class takes.
LONGEST = 5_000
# Where more than this share of a class is alike, and more than a few, nobody has copied.
USUAL_SHARE, FEW = 0.5, 5

LAYOUT = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


@dataclass(frozen=True)
class Alike:
    """Students whose answers to an exercise are nearly the same.

    Attributes:
        exercise: the exercise.
        students: their names, in order.
        likeness: the least of two answers that were put together, in percent.
        compared: how many answers to the exercise were compared.
    """

    exercise: str
    students: list[str]
    likeness: float
    compared: int

    @property
    def is_usual(self) -> bool:
        """Whether so many are alike that it says more of the exercise than of them."""
        return len(self.students) > max(FEW, USUAL_SHARE * self.compared)


def alike(answers: Mapping[str, Mapping[str, str]]) -> Iterator[Alike]:
    """Groups of answers that are alike but for names, spaces and comments.

    Args:
        answers: by student and exercise, the text of the answer.
    """
    for exercise in dict.fromkeys(name for given in answers.values() for name in given):
        students: dict[str, list[str]] = defaultdict(list)
        for student, given in sorted(answers.items()):
            if len(given.get(exercise, "")) >= SHORTEST:
                students[_shape(given[exercise])].append(student)
        shapes = list(students)
        if not shapes:
            continue
        likeness = process.cdist(shapes, shapes, scorer=fuzz.ratio, score_cutoff=ALIKE)
        for group in _connected(likeness > 0):
            names = sorted(name for index in group for name in students[shapes[index]])
            if len(names) > 1:
                among = likeness[np.ix_(group, group)]
                compared = sum(map(len, students.values()))
                yield Alike(exercise, names, float(among[among > 0].min()), compared)


def _connected(links: np.ndarray) -> Iterator[list[int]]:
    """The groups of a symmetric matrix of links."""
    left = set(range(len(links)))
    while left:
        group, waiting = [], [min(left)]
        left -= {waiting[0]}
        while waiting:
            index = waiting.pop()
            group.append(index)
            near = left & set(np.flatnonzero(links[index]).tolist())
            left -= near
            waiting += near
        yield sorted(group)


def _shape(source: str) -> str:
    """An answer without what is changed first when it is copied: names are numbered by order of
    appearance. Words are told apart without parsing, which deep nesting would stop."""
    names: dict[str, str] = {}
    words: list[str] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source[:LONGEST]).readline):
            if token.type in LAYOUT:
                continue
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                own = token.string if words[-1:] == ["."] else f"n{len(names)}"
                words.append(names.setdefault(token.string, own))
            else:
                words.append(token.string)
    except (tokenize.TokenError, SyntaxError):
        # Cut short, or never Python.
        words.append("")
    return " ".join(words) or " ".join(source[:LONGEST].split())
