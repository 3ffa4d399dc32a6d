"""Python's help topics: order, splits, and what the description says about the repeats."""

import numpy as np
import pytest

from course import datasets
from course.datasets.builders.python_docs import python_docs_dataset_builder as python_docs


def cut_out(split, repeats):
    """The text of a split, with or without the paragraphs that repeat others."""
    return "\n\n".join(
        text
        for text, again in zip(split["text"], split["repeated"], strict=True)
        if repeats or not again
    )


def copied(text, source, length=50):
    """The share of a text that is in runs of ``length`` characters which the source has too."""
    runs = {source[i : i + length] for i in range(len(source) - length + 1)}
    covered = np.zeros(len(text), bool)
    for i in range(len(text) - length + 1):
        if text[i : i + length] in runs:
            covered[i : i + length] = True
    return covered.mean()


@pytest.fixture(scope="module")
def docs(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        loaded, info = datasets.load("python_docs", batch_size=-1, with_info=True)
        splits = {
            name: {
                "topic": [topic.decode() for topic in split["topic"].numpy()],
                "text": [text.decode() for text in split["text"].numpy()],
                "repeated": split["repeated"].numpy(),
            }
            for name, split in loaded.items()
        }
        yield splits, info


def test_the_paragraphs_of_a_topic_put_together_are_the_topic(docs):
    from pydoc_data.topics import topics

    splits, _ = docs
    for name, topic in (("train", "booleans"), ("validation", "objects"), ("test", "import")):
        split = splits[name]
        chosen = [t for t, of in zip(split["text"], split["topic"], strict=True) if of == topic]
        assert "\n\n".join(chosen) == topics[topic].strip("\n")


def test_every_topic_is_in_exactly_one_split(docs):
    from pydoc_data.topics import topics

    splits, _ = docs
    names = {name: set(split["topic"]) for name, split in splits.items()}
    assert names["test"] == set(python_docs.TEST_TOPICS)
    assert names["validation"] == set(python_docs.VALIDATION_TOPICS)
    assert names["train"] == set(topics) - names["test"] - names["validation"]


def test_sizes_are_as_described(docs):
    splits, _ = docs
    whole = sum(len(cut_out(split, repeats=True)) for split in splits.values())
    assert 420_000 < whole < 460_000
    assert 260_000 < len(cut_out(splits["train"], repeats=False)) < 300_000
    assert 38_000 < len(cut_out(splits["test"], repeats=False)) < 42_000
    assert 22_000 < len(cut_out(splits["validation"], repeats=False)) < 32_000


def test_a_fifth_is_repeated(docs):
    splits, _ = docs
    whole = sum(len(cut_out(split, repeats=True)) for split in splits.values())
    once = sum(len(cut_out(split, repeats=False)) for split in splits.values())
    assert 0.18 < 1 - once / whole < 0.22


def test_repeats_leak_the_test_text_and_without_them_it_does_not(docs):
    splits, _ = docs
    leaky = copied(cut_out(splits["test"], True), cut_out(splits["train"], True))
    clean = copied(cut_out(splits["test"], False), cut_out(splits["train"], False))
    assert leaky > 1 / 3
    assert clean < 0.01


def test_it_is_nearly_all_ascii_and_knows_no_women(docs):
    splits, _ = docs
    text = "".join(cut_out(split, repeats=True) for split in splits.values())
    assert np.mean([ord(character) > 127 for character in text]) < 0.002
    assert "she" not in text.lower().replace("\n", " ").split()


def test_tables_are_left_out():
    table = "+---+---+\n| a | b |\n+---+---+"
    rows = list(python_docs.paragraphs({"t": f"Before.\n\n{table}\n\n   {table}\n\nAfter."}))
    assert [text for _, text, _ in rows] == ["Before.", "After."]


def test_repeats_are_found_whatever_the_white_space():
    topics = {"b": "One two.\n\nthree", "a": "\nOne\n  two.\n\n\nfour\n"}
    rows = [
        ("a", "One\n  two.", False), ("a", "\nfour", False), ("b", "One two.", True),
        ("b", "three", False),
    ]  # fmt: skip
    assert list(python_docs.paragraphs(topics)) == rows


def test_preparing_it_again_gives_the_same(docs, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    again = datasets.load("python_docs", split="test", batch_size=-1)
    assert [text.decode() for text in again["text"].numpy()] == docs[0]["test"]["text"]


def test_info_names_source_licence_and_citation(docs):
    info = docs[1]
    assert "docs.python.org" in info.homepage
    assert "Python Software Foundation License" in info.description
    assert "Python Language Reference" in info.citation
