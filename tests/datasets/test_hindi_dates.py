"""Hindi dates: splits, leaks, what is real, and the public data set's call on small data."""

import datetime
import re
import unicodedata

import numpy as np
import pytest
import tensorflow_datasets as tfds
from babel.dates import format_date

from course import datasets
from course.datasets.builders.hindi_dates import hindi_dates_dataset_builder as module
from course.transliteration import romanize

DATE = re.compile(r"[A-Z][a-z]+day, [A-Z][a-z]+ \d+, \d{4}")


@pytest.fixture(scope="module")
def loaded(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        splits, info = datasets.load("hindi_dates", batch_size=-1, with_info=True)
        yield (
            {
                name: {
                    "hi": [text.decode() for text in split["hi"].numpy()],
                    "en": [text.decode() for text in split["en"].numpy()],
                    "dates": split["dates"].numpy(),
                    "number": split["number"].numpy(),
                }
                for name, split in splits.items()
            },
            info,
        )


@pytest.fixture(scope="module")
def splits(loaded):
    return loaded[0]


def days(split):
    return [day for text in split["en"] for day in DATE.findall(text)]


def words(split, side):
    return {word for text in split[side] for word in text.replace(",", "").split()}


@pytest.mark.parametrize("name", module.SPLITS)
def test_sizes_lengths_and_years(splits, name):
    first, last, lengths, count = module.SPLITS[name]
    split = splits[name]
    assert len(split["hi"]) == len(split["en"]) == count
    assert sorted(set(split["dates"].tolist())) == list(lengths)
    assert [len(DATE.findall(text)) for text in split["en"]] == split["dates"].tolist()
    years = [int(day[-4:]) for day in days(split)]
    assert first <= min(years) <= max(years) <= last


def test_no_day_occurs_twice_in_any_splits(splits):
    every = [day for split in splits.values() for day in days(split)]
    assert len(set(every)) == len(every)


def test_new_years_have_known_words_and_new_words_have_not(splits):
    train = words(splits["train"], "hi")
    assert words(splits["test"], "hi") <= train
    assert words(splits["test_longer"], "hi") <= train
    assert words(splits["test_new_years"], "hi") <= train
    assert all(text.split()[-1] not in train for text in splits["test_new_words"]["hi"])


def test_sides_are_cldrs_with_the_numbers_of_hindi_in_words():
    day = datetime.date(2014, 3, 5)
    assert module.date_in("en", day) == format_date(day, "full", locale="en")
    hindi = module.date_in("hi", day)
    assert hindi == "बुधवार, पाँच मार्च दो हज़ार चौदह"
    digits = hindi.replace("पाँच", "5").replace("दो हज़ार चौदह", "2014")
    assert digits == format_date(day, "full", locale="hi")


def test_lists_are_cldrs():
    assert module.list_in("en", ["a"]) == "a"
    assert module.list_in("en", ["a", "b"]) == "a and b"
    assert module.list_in("en", ["a", "b", "c", "d"]) == "a, b, c, and d"
    assert module.list_in("hi", ["a", "b", "c"]) == "a, b, और c"


def test_a_hundred_different_number_words():
    assert len(module.NUMBERS) == len(set(module.NUMBERS)) == 100
    assert [module.NUMBERS[n] for n in (5, 47, 55, 65, 99)] == [
        "पाँच", "सैंतालीस", "पचपन", "पैंसठ", "निन्यानवे",
    ]  # fmt: skip
    assert module.year_in_hindi(1947) == "उन्नीस सौ सैंतालीस"
    assert module.year_in_hindi(2000) == "दो हज़ार"


@pytest.mark.parametrize(
    ("hindi", "latin"),
    [("बुधवार", "budhavār"), ("फ़रवरी", "faravarī"), ("हज़ार", "hazār"), ("मई", "maī"), ("एक,", "ek,"),
     ("अड़तीस", "aṛatīs"), ("और", "aur"), ("ट्रेन", "ṭren")],
)  # fmt: skip
def test_romanized(hindi, latin):
    assert romanize(hindi) == latin
    assert romanize(unicodedata.normalize("NFD", hindi)) == latin


def test_all_words_can_be_drawn_without_devanagari(splits):
    for word in words(splits["train"], "hi"):
        assert all("DEVANAGARI" not in unicodedata.name(c) for c in romanize(word))


def test_made_again_it_is_the_same(splits, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    again = datasets.load("hindi_dates", split="test", batch_size=-1)
    assert [text.decode() for text in again["hi"].numpy()] == splits["test"]["hi"]


def test_info_says_what_is_real_and_under_which_licence(loaded):
    info = loaded[1]
    assert "Made by rule" in info.description
    assert "Unicode License v3" in info.description
    assert info.supervised_keys == ("hi", "en")
    assert "cldr" in info.citation


def test_the_public_data_set_is_read_by_the_lessons_call(tmp_path, monkeypatch):
    name = "ted_hrlr_translate/pt_to_en"
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    builder = tfds.builder(name, data_dir=str(tmp_path), try_gcs=False)
    rows = [{"pt": "bom dia , mundo .", "en": "good morning , world ."}] * 3
    monkeypatch.setattr(
        type(builder), "_split_generators", lambda self, manager: {"train": enumerate(rows)}
    )
    config = tfds.download.DownloadConfig(try_download_gcs=False, compute_stats="skip")
    builder.download_and_prepare(download_config=config)
    talks = datasets.load(name, split="train", as_supervised=True)
    read = [(source.decode(), target.decode()) for source, target in talks.as_numpy_iterator()]
    assert read == [("bom dia , mundo .", "good morning , world .")] * 3


def test_hindi_is_not_among_the_languages_of_the_public_data_set():
    configs = tfds.builder_cls("ted_hrlr_translate").BUILDER_CONFIGS
    assert "pt_to_en" in {config.name for config in configs}
    assert not any("hi" in config.language_pair for config in configs)


def test_days_are_drawn_without_returning():
    drawn = module.days_of("train")
    assert len(drawn) == len(set(drawn))
    assert np.mean([day.year for day in drawn]) == pytest.approx(1984.5, abs=1)
