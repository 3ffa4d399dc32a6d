"""English prose about a programming language: the help topics that ship with every Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

# Whole topics are held out. These eight were chosen because they share next to nothing with the
# others once repeated paragraphs are left out, and they exist in every Python from 3.11 on.
TEST_TOPICS = ("calls", "comparisons", "customization", "import")
VALIDATION_TOPICS = ("assignment", "exceptions", "execmodel", "objects")


def split_of(topic: str) -> str:
    """The name of the split that a topic belongs to."""
    if topic in TEST_TOPICS:
        return "test"
    return "validation" if topic in VALIDATION_TOPICS else "train"


def paragraphs(topics: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """Cut topics into paragraphs: (topic, text, whether its words occur further up).

    A table is one paragraph, whose first character draws its frame; tables are left out.
    """
    seen = set()
    for topic in sorted(topics):
        for text in topics[topic].strip("\n").split("\n\n"):
            words = " ".join(text.split())
            if words and words[0] not in "+|":
                yield topic, text, words in seen
                seen.add(words)


class Builder(OfflineBuilder):
    """Paragraphs of Python's help topics, in order, with a mark on those that repeat others."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "PSF-2.0"
    HOMEPAGE = "https://docs.python.org/3/reference/"

    def features(self) -> dict[str, Any]:
        return {
            "topic": tfds.features.Text(),
            "text": tfds.features.Text(),
            "repeated": np.int64,
        }

    def examples(self) -> Mapping[str, Iterable[Example]]:
        from pydoc_data.topics import topics

        splits: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
        for topic, text, is_repeated in paragraphs(topics):
            example = {"topic": topic, "text": text, "repeated": int(is_repeated)}
            splits[split_of(topic)].append(example)
        return splits
