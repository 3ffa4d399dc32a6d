"""The map of sections, ``solutions/coverage.yml``: which lessons answer which section.

A section is open while a lesson that the map names for it is not written.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from autograder.errors import CourseError
from autograder.notebooks import checked_yaml
from autograder.notebooks.folders import FOLDER, number_of

MAP = Path("solutions") / "coverage.yml"
_SECTION = re.compile(r"(\d+) \S.*")


def _lesson(name: str) -> str:
    if not FOLDER.fullmatch(name):
        raise ValueError(
            f"{name!r} is not the name of a lesson: write the name of its folder, such as "
            "07_chest_xrays"
        )
    return name


def _heading(heading: object) -> object:
    if heading is not None and not (isinstance(heading, str) and heading.strip()):
        raise ValueError(f"the heading must be a text or null, not {heading!r}: write it in quotes")
    return heading


Headings = dict[
    Annotated[str, AfterValidator(_lesson)], Annotated[str | None, BeforeValidator(_heading)]
]


class Coverage(BaseModel):
    """The articles' titles by number, and for each section the heading in each of its lessons.

    A heading is None where the lesson is not written yet.

    Attributes:
        articles: titles by number.
        planned: the number of the last lesson that the course is to have; 99, the default, is
            beyond all. What later ones would answer is open too.
        sections: by section, headings by lesson.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    articles: dict[int, str]
    planned: Annotated[int, Field(ge=1, le=99)] = 99
    sections: dict[str, Headings]

    @field_validator("sections")
    @classmethod
    def _in_order(cls, sections: dict[str, Headings], info: ValidationInfo) -> dict[str, Headings]:
        articles = info.data.get("articles")
        if articles is None:  # a fault in there is enough for now
            return sections
        last = 0
        for section, lessons in sections.items():
            match = _SECTION.fullmatch(section)
            number = int(match[1]) if match else 0
            fault = ""
            if number not in articles:
                fault = "must be the number of an article, a space and a section"
            elif number < last:
                fault = "does not follow the other sections of its article: move it there"
            elif not lessons and not any(other.startswith(f"{section}: ") for other in sections):
                fault = "has neither a lesson nor items: name the lesson that answers it"
            if fault:
                raise checked_yaml.EntryError(section, f"{section!r} {fault}")
            last = number
        return sections

    def open(self) -> dict[str, list[str]]:
        """The open sections, each with the lessons that it waits for, in the articles' order."""
        waiting = {
            section: [name for name, heading in lessons.items() if heading is None]
            for section, lessons in self.sections.items()
        }
        return {section: names for section, names in waiting.items() if names}

    def to_come(self) -> list[str]:
        """The planned lessons that are not written yet, in order."""
        return [name for name in self._unwritten() if int(number_of(name)) <= self.planned]

    def later(self) -> list[str]:
        """The lessons that are named and not planned, in order."""
        return [name for name in self._unwritten() if int(number_of(name)) > self.planned]

    def _unwritten(self) -> list[str]:
        return sorted({name for names in self.open().values() for name in names})

    def mirrored_by(self, lesson: str) -> dict[str, str | None]:
        """The sections that a lesson answers, each with the heading, in the articles' order."""
        return {
            section: lessons[lesson]
            for section, lessons in self.sections.items()
            if lesson in lessons
        }

    def lessons_of(self, article: int) -> set[str]:
        """The lessons that answer an article's sections."""
        return {
            name
            for section, entries in self.sections.items()
            if section.startswith(f"{article} ")
            for name in entries
        }

    def split(self, section: str) -> tuple[int, str, str | None]:
        """The article's number, the section's title and, where it is an item, its name.

        Titles contain colons too, so what comes before one is a section only if the map has it.
        """
        number, _, title = section.partition(" ")
        parts = title.split(": ")
        for count in range(1, len(parts)):
            parent = ": ".join(parts[:count])
            if f"{number} {parent}" in self.sections:
                return int(number), parent, ": ".join(parts[count:])
        return int(number), title, None


def load(root: Path) -> Coverage:
    """Read the map of the course at ``root``.

    Raises:
        CourseError: there is no map, or it is not one.
    """
    path = Path(root) / MAP
    if not path.is_file():
        raise CourseError(f"There is no {MAP}: it says which lesson answers which section.")
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> Coverage:
    """Read a map.

    Raises:
        CourseError: it is not YAML, or not of the form that its first lines describe.
    """
    try:
        return checked_yaml.check(checked_yaml.load(text), Coverage)
    except checked_yaml.YamlFault as fault:
        raise CourseError(fault.describe(str(MAP))) from None
