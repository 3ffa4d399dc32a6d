"""The tables of lessons, made from the lessons' headers, the coverage map and the built notebooks.

One is in ``README.md`` between two markers, with the number of lessons. Another is
``lessons/README.md``, the page on which JupyterLab opens, with a picture of each lesson. The
glossary, ``lessons/GLOSSARY.md``, is written with them, and so is ``lessons/needs.json``.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from autograder.errors import CourseError
from autograder.gates.finding import Finding
from autograder.gates.section_map import MAP, Coverage, load
from autograder.notebooks.folders import number_of, title_of
from autograder.notebooks.source import Lesson, all_lessons
from autograder.publish import glossary, paths
from autograder.publish.thumbnails import thumbnail
from course.lessons import LESSONS, NEEDS

BEGIN = "<!-- lessons: written by `autograder build` from the lessons' headers -->"
END = "<!-- end of lessons -->"
# Where a README says in a sentence how many lessons there are; it need not.
COUNT = re.compile(r"(?<=<!-- count -->).*?(?=<!-- end of count -->)")
README, LANDING = Path("README.md"), Path("lessons") / "README.md"
GLOSSARY = Path("lessons") / "GLOSSARY.md"
PICTURES = Path("lessons") / "thumbnails"


def write(root: Path) -> None:
    """Write the tables of the course at ``root``; a course without a coverage map has none.

    Raises:
        CourseError: the README has lost its markers.
    """
    root = Path(root)
    made = _make(root, *_course(root))
    for path, content in made.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    for path in _left_over(root, made):
        path.unlink()


def check(root: Path) -> list[Finding]:
    """Which tables are not what ``write`` would write."""
    root = Path(root)
    lessons, coverage = _course(root)
    try:
        made = _make(root, lessons, coverage)
    except CourseError as error:
        return [Finding(str(README), str(error).rstrip("."), "put them there")]
    out_of_date = [
        path for path, content in made.items() if not path.is_file() or path.read_bytes() != content
    ]
    problems = {path: "out of date" for path in out_of_date}
    problems |= {path: "no lesson has this picture" for path in _left_over(root, made)}
    return [
        Finding(path.relative_to(root).as_posix(), problem, "run `autograder build`")
        for path, problem in problems.items()
    ]


def _left_over(root: Path, made: dict[Path, bytes]) -> list[Path]:
    """Pictures of lessons that are not there any more."""
    return sorted(set((root / PICTURES).glob("*")) - made.keys()) if made else []


def _course(root: Path) -> tuple[list[Lesson], Coverage | None]:
    return all_lessons(root), load(root) if (root / MAP).is_file() else None


def _make(root: Path, lessons: list[Lesson], coverage: Coverage | None) -> dict[Path, bytes]:
    """The content of each file."""
    if coverage is None:
        return {}
    readme = root / README
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise CourseError(f"{README} must hold the lines {BEGIN!r} and {END!r}, in this order.")
    before = COUNT.sub(count(lessons, coverage), before)
    table = readme_table(lessons, coverage)
    pictures = {lesson.name: picture for lesson in lessons if (picture := thumbnail(lesson))}
    alts = {name: picture.alt for name, picture in pictures.items()}
    ways = paths.load(
        root, {lesson.name for lesson in lessons} | set(coverage.to_come()) | set(coverage.later())
    )
    return {
        readme: f"{before}{BEGIN}\n\n{table}\n{END}{after}".encode(),
        root / LANDING: landing_page(lessons, coverage, alts, ways).encode(),
        root / GLOSSARY: glossary.page(lessons).encode(),
        root / LESSONS / NEEDS: needs(lessons).encode(),
        **{root / PICTURES / f"{name}.png": picture.png for name, picture in pictures.items()},
    }


def needs(lessons: list[Lesson]) -> str:
    """The lessons that each lesson needs, as JSON: ``course progress`` reads it."""
    data = {lesson.name: list(lesson.header.needs) for lesson in lessons}
    return json.dumps(data, indent=1) + "\n"


def count(lessons: list[Lesson], coverage: Coverage) -> str:
    """How many lessons there are, and how many there will be: "30 lessons, 15 of them written"."""
    done, open_ = len(lessons), len(coverage.to_come())
    return f"{done + open_} lessons, {done} of them written" if open_ else f"{done} lessons"


def readme_table(lessons: list[Lesson], coverage: Coverage) -> str:
    """The README's table: each lesson with what it mirrors, then what is still to come."""
    lines = _table(
        ("lesson", "minutes", "mirrors, by article and section"),
        (
            (
                f"[{number_of(lesson.name)} {_cell(lesson.header.title)}]"
                f"({_link(lesson, lesson.root)})",
                str(lesson.header.minutes),
                _sections(coverage, lesson.name),
            )
            for lesson in lessons
        ),
    )
    lines += ["", _articles(coverage)]
    opened = coverage.open()
    if opened:
        done = len(coverage.sections) - len(opened)
        lines += [
            "",
            f"{done} of the {len(coverage.sections)} sections and items are answered. "
            "Open are those whose lesson is still to come:",
            "",
            *_table(
                ("lesson to come", "sections open until then"),
                ((title_of(name), _sections(coverage, name)) for name in coverage.to_come()),
            ),
        ]
    if coverage.later():
        lines += [
            "",
            "The articles name these too, for lessons after those:",
            "",
            *_table(
                ("later", "sections open"),
                ((title_of(name), _sections(coverage, name)) for name in coverage.later()),
            ),
        ]
    return "\n".join(lines) + "\n"


def landing_page(
    lessons: list[Lesson],
    coverage: Coverage,
    pictures: Mapping[str, str],
    ways: Iterable[paths.Way] = (),
) -> str:
    """The page of ``lessons/``: the lessons by part, and how to work with them.

    Args:
        lessons: in their order.
        coverage: which sections they mirror.
        pictures: the alternative texts of the pictures that there are, by lesson.
        ways: through the lessons, which somebody has chosen.
    """
    titles = {lesson.name: lesson.header.title for lesson in lessons}
    lines = ["# Lessons", "", _HOW_TO.format(example=lessons[0].name), ""]
    for part, group in itertools.groupby(lessons, key=lambda lesson: lesson.header.part):
        lines += [f"## {part}", ""]
        for lesson in group:
            picture = pictures.get(lesson.name)
            lines += [*_landing_entry(lesson, coverage, titles, picture), ""]
    lines += [paths.page(lessons, coverage, ways)]
    if coverage.to_come():
        lines += [
            "",
            "## Still to come",
            "",
            ", ".join(title_of(name) for name in coverage.to_come()) + ".",
        ]
    return "\n".join(lines) + "\n"


_HOW_TO = """\
Click a lesson's title to open it, run its cells from top to bottom with Shift+Enter, and write your
answers where it says `YOUR CODE HERE`. The tests below each exercise tell whether an answer has the
right form.

To see where you stand, run a cell with `%check`: it tells which exercises pass the tests that you
have run, which do not yet, and why. Or save the lesson, open a terminal (File, New, Terminal) and
have the whole lesson run again:

```
course check lessons/{example}
```

It lists each exercise with its state and the message of the check that fails, and runs only what
has changed since the last time; `--only NAME` runs one exercise, `--force` everything.
`course progress` shows all lessons and what comes next; `course doctor` says whether the
installation is in order.

The lessons come in the order of their numbers. What a lesson needs of earlier ones it says below;
its words are explained in the [glossary](GLOSSARY.md), with links to where they come from."""


def _landing_entry(
    lesson: Lesson, coverage: Coverage, titles: dict[str, str], picture: str | None
) -> list[str]:
    header = lesson.header
    needs = ", ".join(
        f"{number_of(name)} {titles[name]}" if name in titles else f"{title_of(name)} (to come)"
        for name in header.needs
    )
    return [
        f"### [{number_of(lesson.name)} {header.title}]({_link(lesson, lesson.root / 'lessons')})",
        "",
        *(
            [f"![{_cell(picture)}]({PICTURES.name}/{lesson.name}.png)", ""]
            if picture is not None
            else []
        ),
        " ".join(header.summary.split()),
        "",
        *([f"- You will have built {' '.join(header.built.split())}"] if header.built else []),
        f"- {header.minutes_reading} minutes to read and run, {header.minutes} with the exercises",
        f"- Read first: {needs or 'nothing'}",
        f"- Mirrors {_sections(coverage, lesson.name).replace('<br>', '; ')}",
    ]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _articles(coverage: Coverage) -> str:
    titles = "; ".join(f"**{number}** {title}" for number, title in coverage.articles.items())
    return f"The articles: {titles}."


def _sections(coverage: Coverage, lesson: str) -> str:
    """What a lesson mirrors, by article, with items in brackets: ``**1** Intro · GANs (Fakes)``."""
    articles: dict[int, dict[str, list[str]]] = {}
    for key in coverage.mirrored_by(lesson):
        number, section, item = coverage.split(key)
        items = articles.setdefault(number, {}).setdefault(section, [])
        if item:
            items.append(item)
    return "<br>".join(
        f"**{number}** "
        + " · ".join(
            _cell(section) + (f" ({'; '.join(map(_cell, items))})" if items else "")
            for section, items in sections.items()
        )
        for number, sections in articles.items()
    )


def _link(lesson: Lesson, base: Path) -> str:
    return lesson.student_notebook.relative_to(base).as_posix()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
