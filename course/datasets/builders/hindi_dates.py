"""Hindi dates, in words, with their English translations.

**Real:** the names of days and months, the order of a date's parts and the way in which several are
strung together are those of the Unicode Common Locale Data Repository (CLDR) for Hindi and English,
as Babel ships them. The Hindi number words are standard spellings, written down here, because Babel
has none.

**Made by rule:** the sentences. Nobody has said them. Each lists one to four calendar days drawn at
random, as ``Wednesday, March 5, 2014`` does for one, with the Hindi day of the month and year in
words.

What it cannot show: translation of a language. There is one topic, no verb, no gender, no idiom,
one right answer, and a page of rules would do the whole work.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow_datasets as tfds
from babel import Locale

from course.datasets.base import OfflineBuilder

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
        language: ``"hi"`` or ``"en"``.
        day: from 1900 to 2099.
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


_DESCRIPTION = """
Lists of one to four calendar days in Hindi, numbers in words, and the same in English:
"बुधवार, पाँच मार्च दो हज़ार चौदह" is "Wednesday, March 5, 2014".

Real: names of days and months, date patterns and list patterns come from the Unicode Common Locale
Data Repository (CLDR), in the version that the installed Babel ships. The number words are standard
Hindi, written down in the builder. Made by rule: the sentences. Days are drawn at random and nobody
has said these lists. It is a translation task with one topic and one right answer each; how well
anything translates Hindi, it cannot show.

hi, en: the two sides. dates: how many days the sentence lists. number: its number.

Every sixth day from 1950 to 2019 is kept out of the training sentences.
train: 6,000 sentences of one, two or three days by turns. No day stands in it twice.
validation, test: 300 and 600 sentences like these, of days that do not stand in train.
test_longer: 200 sentences of four days that stand in none of the splits above.
test_new_years: 300 days from 2020 to 2031. train has no such year, but all of its words, because
the numbers up to 31 are also days of a month.
test_new_words: 300 days from 1932 to 1949, whose last number word stands nowhere in train.

Licence: Unicode License v3 for CLDR's data (copyright 1991 Unicode, Inc.), BSD-3-Clause for Babel,
CC BY 4.0 for the sentences.
"""

_CITATION = """
@misc{cldr,
  title = {Unicode Common Locale Data Repository},
  author = {{Unicode, Inc.}},
  howpublished = {https://cldr.unicode.org},
  note = {As shipped with Babel, https://babel.pocoo.org},
}
"""


class HindiDates(OfflineBuilder):
    """Lists of dates in Hindi and English: see the module's docstring for what is real."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "hi": tfds.features.Text(),
                    "en": tfds.features.Text(),
                    "dates": np.int32,
                    "number": np.int32,
                }
            ),
            supervised_keys=("hi", "en"),
            homepage="https://cldr.unicode.org",
            citation=_CITATION,
            license="Unicode-3.0 AND BSD-3-Clause AND CC-BY-4.0",
            metadata=tfds.core.MetadataDict(numbers=NUMBERS),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        return {name: self._generate_examples(name) for name in SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
        _, _, lengths, sentences = SPLITS[split]
        days = iter(days_of(split))
        for number in range(sentences):
            chosen = [next(days) for _ in range(lengths[number % len(lengths)])]
            sides = {
                side: list_in(side, [date_in(side, day) for day in chosen]) for side in ("hi", "en")
            }
            yield number, sides | {"dates": len(chosen), "number": number}


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
