"""The course's glossary, ``lessons/GLOSSARY.md``: the terms of all lessons, from their headers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from urllib.parse import quote

from autograder.gates.terms import Glossary, Introduction
from autograder.notebooks.source import Lesson
from autograder.notebooks.terms import Term

_TOP = """\
# Glossary

What the lessons call things, and what the layers of Keras do that they use, each with a link to
where it is explained. Back to the [lessons](README.md)."""


def page(lessons: Sequence[Lesson]) -> str:
    """The glossary as Markdown, in alphabetical order.

    Args:
        lessons: all of them, in order.
    """
    glossary = Glossary(lessons)
    entries = sorted(
        (
            (term, lesson, introductions.get(term.name))
            for lesson in lessons
            for introductions in [glossary.introductions(lesson)]
            for term in glossary.terms[lesson.name]
        ),
        key=lambda entry: (entry[0].name.casefold(), entry[1].name),
    )
    lines = [_TOP]
    for letter, group in itertools.groupby(entries, key=lambda entry: entry[0].name[0].upper()):
        lines += ["", f"## {letter}"]
        for term, lesson, introduction in group:
            lines += ["", _entry(term, lesson, introduction)]
    return "\n".join(lines) + "\n"


def _entry(term: Term, lesson: Lesson, introduction: Introduction | None) -> str:
    about = f" ({term.about})" if term.about else ""
    names = ", ".join([f"**{term.names[0]}**{about}", *term.names[1:]])
    return f"{names}: {term.meaning} {_link(lesson, introduction)}"


def _link(lesson: Lesson, introduction: Introduction | None) -> str:
    """A link to the heading in the lesson, in JupyterLab's way to name headings."""
    path = lesson.student_notebook.relative_to(lesson.root / "lessons").as_posix()
    title = f"{lesson.name.partition('_')[0]} {lesson.header.title}"
    if introduction is None:  # a fault that the gate of terms reports
        return f"[{title}]({path})"
    heading = introduction.heading.replace("`", "").replace("*", "")
    return f"[{title}: {heading}]({path}#{quote(heading.replace(' ', '-'))})"
