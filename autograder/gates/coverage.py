"""Coverage: every section of the articles is answered under a heading that exists.

The map of sections names the heading of each lesson, and each lesson says in its header what it
mirrors. The two must agree, so that a mistake in one of them is noticed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from autograder.errors import CourseError
from autograder.gates.finding import Finding
from autograder.gates.section_map import MAP, Coverage, load, parse
from autograder.notebooks.cells import read_notebook
from autograder.notebooks.markdown import headings
from autograder.notebooks.source import Lesson, all_lessons


def check(root: Path, names: Collection[str] = ()) -> list[Finding]:
    """What is wrong with the coverage of the course at ``root``.

    Args:
        root: the repository.
        names: only what is about these lessons; everything by default.
    """
    coverage, lessons = load(root), all_lessons(Path(root))
    if names:
        chosen = [lesson for lesson in lessons if lesson.name in names]
        return [found for lesson in chosen for found in lesson_problems(coverage, lesson)]
    return problems(coverage, lessons)


def problems(coverage: Coverage, lessons: Sequence[Lesson]) -> list[Finding]:
    """Where the map, the lessons' headers and the built notebooks do not agree."""
    written = {lesson.name for lesson in lessons}
    found = [
        Finding(
            str(MAP),
            f"{section!r} names a heading of {name}, which is not written",
            "write null, or restore the lesson",
        )
        for section, entries in coverage.sections.items()
        for name, heading in entries.items()
        if name not in written and heading is not None
    ]
    return found + [each for lesson in lessons for each in lesson_problems(coverage, lesson)]


def lesson_problems(coverage: Coverage, lesson: Lesson) -> Iterator[Finding]:
    """Where a lesson's header, its notebooks and the map do not agree."""
    source = lesson.source.relative_to(lesson.root).as_posix()
    mapped = coverage.mirrored_by(lesson.name)
    for section, heading in mapped.items():
        yield from _compare(section, heading, lesson, source)
    for section in lesson.header.mirrors:
        if section not in coverage.sections:
            problem = f"the header mirrors {section!r}, which is not a section of {MAP}"
            yield Finding(source, problem, "take the name from there")
        elif section not in mapped:
            problem = f"the header mirrors {section!r}, and {MAP} does not name the lesson there"
            yield Finding(source, problem, "add it in one or take it out of the other")
    yield from _missing_headings(lesson)


def _compare(section: str, heading: str | None, lesson: Lesson, source: str) -> Iterator[Finding]:
    stated = lesson.header.mirrors.get(section)
    if stated is None:
        problem = f"{MAP} says that the lesson answers {section!r}, and its header does not mirror"
        yield Finding(source, f"{problem} it", "add it in one or take it out of the other")
    elif heading is None:
        problem = f"{section!r} is open for {lesson.name}, which is written"
        yield Finding(str(MAP), problem, f"name the heading, which its header says is {stated!r}")
    elif heading != stated:
        yield Finding(
            source,
            f"{section!r} is answered under {heading!r} in {MAP} and under {stated!r} in the "
            "header",
            "Which of the two is right? Write that one in both",
        )


def _missing_headings(lesson: Lesson) -> Iterator[Finding]:
    notebooks = {
        "instructor notebook": lesson.instructor_notebook,
        "student notebook": lesson.student_notebook,
    }
    for kind, path in notebooks.items():
        file = path.relative_to(lesson.root).as_posix()
        notebook = read_notebook(path)
        if notebook is None:
            yield Finding(file, f"there is no {kind}", "run `autograder build`")
            continue
        existing = {heading.text for heading in headings(notebook)}
        for section, heading in lesson.header.mirrors.items():
            if heading not in existing:
                yield Finding(
                    file,
                    f"{section!r} should be answered under the heading {heading!r}, and the "
                    f"{kind} has no such heading",
                    "correct the heading in the lesson's header or in its text, then build",
                )


def growth(old: Coverage, new: Coverage) -> list[str]:
    """What a later version of the map may not do: open a section that was answered, or lose one."""
    closed = old.sections.keys() - old.open().keys()
    opened = [f"{section!r} is open again" for section in new.open() if section in closed]
    lost = [f"{section!r} is gone" for section in old.sections if section not in new.sections]
    return opened + lost


def has_history(root: Path) -> bool:
    """Whether ``root`` is a git repository, and git is installed."""
    return shutil.which("git") is not None and (Path(root) / ".git").exists()


def history_problems(root: Path) -> list[Finding]:
    """Changes of the map, in git's history and the working tree, that opened or lost a section.

    Raises:
        CourseError: ``root`` has no git history.
    """
    root = Path(root)
    log = _git(root, "log", "--format=%H %P", "--", str(MAP))
    if log is None or not log.strip():
        raise CourseError(f"{root} has no git history of {MAP}.")
    steps: list[tuple[str, Coverage | None, Coverage | None]] = []
    for line in log.splitlines():
        commit, *parents = line.split()
        new = _version(root, commit)
        steps += [(commit[:10], _version(root, parent), new) for parent in parents]
    head = _version(root, "HEAD")
    steps.append(("the working tree", head, load(root)))
    return [
        Finding(str(MAP), f"in {where}, {problem}", "restore it")
        for where, old, new in steps
        # A clone of limited depth, or a version that could not be read, has nothing to compare.
        if old is not None and new is not None
        for problem in growth(old, new)
    ]


def _version(root: Path, commit: str) -> Coverage | None:
    text = _git(root, "show", f"{commit}:./{MAP.as_posix()}")
    try:
        return None if text is None else parse(text)
    except CourseError:
        return None


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints, or None where it fails or is not there."""
    try:
        process = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return process.stdout if process.returncode == 0 else None
