"""Hindi dates, in words, with their English translations; README.md says what is real."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from babel import Locale

from course.datasets.base import Example, OfflineBuilder

SEED = 12

# Number words up to 99 follow no simple rule; everyone who speaks Hindi has learnt them one by one.
NUMBERS = """
शून्य एक दो तीन चार पाँच छह सात आठ नौ
दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस
बीस इक्कीस बाईस तेईस चौबीस पच्चीस छब्बीस सत्ताईस अट्ठाईस उनतीस
तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस
चालीस इकतालीस बयालीस तैंतालीस चौवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास
पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन अट्ठावन उनसठ
साठ इकसठ बासठ तिरसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर
सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उनासी
अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी
नब्बे इक्यानवे बानवे तिरानवे चौरानवे पचानवे छियानवे सत्तानवे अट्ठानवे निन्यानवे
""".split()
HUNDRED, THOUSAND = "सौ", "हज़ार"

# (first year, last year, days in each sentence, sentences); every sixth day of the first years is
# kept for the tests.
SPLITS = {
    "train": (1950, 2019, (1, 2, 3), 6000),
    "validation": (1950, 2019, (1, 2, 3), 300),
    "test": (1950, 2019, (1, 2, 3), 600),
    "test_longer": (1950, 2019, (4,), 200),
    "test_new_years": (2020, 2031, (1,), 300),
    "test_new_words": (1932, 1949, (1,), 300),
}


def year_in_hindi(year: int) -> str:
    """A year from 1900 to 2099 in words: 1947 is "nineteen hundred forty-seven"."""
    hundreds, rest = divmod(year, 100)
    words = [NUMBERS[19], HUNDRED] if hundreds == 19 else [NUMBERS[2], THOUSAND]
    return " ".join(words + [NUMBERS[rest]] * (rest > 0))


def date_in(language: str, day: datetime.date) -> str:
    """A day by CLDR's full date pattern, with the numbers of Hindi in words.

    Args:
        language: the language, ``"hi"`` or ``"en"``.
        day: a day from 1900 to 2099.
    """
    locale = Locale(language)
    fields = {
        "EEEE": locale.days["format"]["wide"][day.weekday()],
        "MMMM": locale.months["format"]["wide"][day.month],
        "d": NUMBERS[day.day] if language == "hi" else str(day.day),
        "y": year_in_hindi(day.year) if language == "hi" else str(day.year),
    }
    pattern = locale.date_formats["full"].pattern
    return re.sub("E+|M+|d+|y+", lambda field: fields[field.group()], pattern)


def list_in(language: str, items: Sequence[str]) -> str:
    """Items strung together as CLDR's list pattern has it: a; a and b; a, b, and c."""
    patterns = Locale(language).list_patterns["standard"]
    if len(items) == 1:
        return items[0]
    if len(items) == 2:
        return patterns["2"].format(*items)
    text = patterns["start"].format(*items[:2])
    for item in items[2:-1]:
        text = patterns["middle"].format(text, item)
    return patterns["end"].format(text, items[-1])


class Builder(OfflineBuilder):
    """Lists of dates in Hindi and English; README.md says what is real."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "Unicode-3.0 AND BSD-3-Clause AND CC-BY-4.0"
    HOMEPAGE = "https://cldr.unicode.org"
    SUPERVISED_KEYS = ("hi", "en")

    def features(self) -> dict[str, Any]:
        text = tfds.features.Text
        return {"hi": text(), "en": text(), "dates": np.int32, "number": np.int32}

    def facts(self) -> dict[str, Any]:
        return {"numbers": NUMBERS}

    def examples(self) -> dict[str, Iterable[Example]]:
        return {name: make_sentences(name) for name in SPLITS}


def make_sentences(split: str) -> Iterator[Example]:
    """The sentences of a split, as the builder's features have them."""
    _, _, lengths, sentences = SPLITS[split]
    days = iter(days_of(split))
    for number in range(sentences):
        chosen = [next(days) for _ in range(lengths[number % len(lengths)])]
        sides = {
            side: list_in(side, [date_in(side, day) for day in chosen]) for side in ("hi", "en")
        }
        yield {**sides, "dates": len(chosen), "number": number}


def days_of(split: str) -> list[datetime.date]:
    """The days that a split may use, in random order: each once."""
    first, last, *_ = SPLITS[split]
    begin = datetime.date(first, 1, 1)
    count = (datetime.date(last, 12, 31) - begin).days + 1
    numbers = np.arange(count)
    rng = np.random.default_rng(SEED)
    if first == SPLITS["train"][0]:
        rng.shuffle(numbers)
        kept = count // 6
        order = {"train": numbers[kept:], "validation": numbers[: kept // 3]}
        numbers = order.get(split, numbers[kept // 3 : kept])
        if split == "test_longer":
            numbers = numbers[::-1]
    else:
        rng.shuffle(numbers)
    return [begin + datetime.timedelta(days=int(number)) for number in numbers]
