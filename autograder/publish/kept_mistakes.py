"""Whether what is kept of a lesson's known mistakes is about the lesson as it is now."""

from __future__ import annotations

import hashlib
import json

from autograder.grading.known_mistakes import key, read_known_mistakes
from autograder.notebooks.folders import known_mistakes_path
from autograder.notebooks.instructor import make_instructor_notebook
from autograder.notebooks.source import Lesson


def mistakes_key(lesson: Lesson) -> str:
    """A digest of a lesson's known mistakes as they are written."""
    sources = [[cell.source for cell in exercise.misconceptions] for exercise in lesson.exercises]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def is_fresh(lesson: Lesson) -> bool:
    """Whether what is kept of a lesson's known mistakes is about these mistakes and these tests."""
    path = known_mistakes_path(lesson.folder)
    known = read_known_mistakes(path.read_bytes() if path.is_file() else b"")
    wanted = key(make_instructor_notebook(lesson)), mistakes_key(lesson)
    return (known.key, known.source) == wanted
