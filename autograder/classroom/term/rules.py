"""The rules of a term, which an instructor writes in ``term.yaml`` in the class's folder."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from autograder.errors import CourseError
from autograder.notebooks import checked_yaml

FILE = "term.yaml"
EPSILON = 1e-9

Text = Annotated[str, StringConstraints(min_length=1)]
Points = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Late(_Part):
    """What handing in late costs.

    Attributes:
        free_hours: how late a submission may be without any cost; 0 by default.
        percent_a_day: of the submission's points, for each day that has begun after that.
        days: after so many days nothing counts; by default only the percentages decide.
    """

    free_hours: Annotated[float, Field(ge=0)] = 0.0
    percent_a_day: Percent
    days: Annotated[int, Field(gt=0)] | None = None

    def kept(self, hours: float) -> float:
        """The share of its points that a submission keeps.

        Args:
            hours: how late it was; 0 or less where it was in time.
        """
        days = math.ceil((hours - self.free_hours) / 24 - EPSILON)
        if days <= 0:
            return 1.0
        if self.days is not None and days > self.days:
            return 0.0
        return max(0.0, 1.0 - days * self.percent_a_day / 100)


class Certificate(_Part):
    """What is written on the certificates.

    Attributes:
        issuer: who signs, such as the school and the instructor.
        url: of the issuer, if there is one.
        criteria: for what it is given, in a sentence; made from the rules by default.
    """

    issuer: Text
    url: Text | None = None
    criteria: Text | None = None

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://\S+", url):
            raise ValueError(f"`url` must be an address such as https://example.org, not {url!r}")
        return url


class Rules(_Part):
    """The rules of a term.

    Attributes:
        title: of the course, for the page and for certificates.
        lessons: the lessons of the term in their order, and what each is worth at its end. By
            default every lesson that is graded, for its own points.
        pass_percent: of the term's points, what is needed to pass; by default nothing is said
            about passing.
        late: what handing in late costs; nothing by default.
        certificate: who signs certificates; by default there are none.
    """

    title: Text = "Deep learning, one lesson at a time"
    lessons: Annotated[dict[Text, Points], Field(min_length=1)] | None = None
    pass_percent: Percent | None = None
    late: Late | None = None
    certificate: Certificate | None = None


def read_rules(path: Path, known: Collection[str]) -> Rules:
    """The rules in a file, or those that hold without one.

    Args:
        path: the file; it need not exist.
        known: the names of the course's assignments.

    Raises:
        CourseError: it cannot be read or does not follow ``Rules``, or names a lesson that the
            course does not have: with the file and the line of each fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Rules()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise CourseError(f"{path} cannot be read: {reason}.") from None
    try:
        data = checked_yaml.load(text)
        rules = checked_yaml.check(data, Rules)
        unknown = [name for name in rules.lessons or () if name not in known]
        if unknown:
            lines = data["lessons"].lc
            raise checked_yaml.YamlFault(
                [(lines.key(name)[0] + 1, _unknown(name, known)) for name in unknown]
            )
    except checked_yaml.YamlFault as fault:
        raise CourseError(fault.describe(str(path))) from None
    return rules


def _unknown(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    write = f"write `{close[0]}`" if close else f"use one of {', '.join(sorted(known))}"
    return f"the course has no lesson `{name}`: {write}"
