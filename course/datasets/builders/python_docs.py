"""English prose about a programming language: the help topics that ship with every Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import OfflineBuilder

# Whole topics are held out. These eight were chosen because they share next to nothing with the
# others once repeated paragraphs are left out, and they exist in every Python from 3.11 on.
TEST_TOPICS = ("calls", "comparisons", "customization", "import")
VALIDATION_TOPICS = ("assignment", "exceptions", "execmodel", "objects")

_DESCRIPTION = """
The help topics of Python: what `help("FOR")` or `help("import")` prints. Real text, written by
the developers of Python for its language reference and shipped with every Python as
`pydoc_data.topics`: technical English with grammar rules and short programs in between. Tables,
drawn with | and +, are left out: they are a tenth of the characters and mostly spaces and dashes.
Nothing is downloaded, so the text is that of the Python which prepared it: between 420,000 and
460,000 characters in Python 3.11 to 3.13, and a little more with each version.

An example is one paragraph, in the order of the text. To have a text back, put an empty line
between its paragraphs.
topic: the name of the topic, such as "booleans".
text: the paragraph, UTF-8, with its line breaks and indentation.
repeated: 1 if the same words already stood in a paragraph further up, in this or another topic
(topics counted in alphabetical order, white space ignored), else 0.

Splits are by topic. test: calls, comparisons, customization, import. validation: assignment,
exceptions, execmodel, objects. train: all the others.

Beware of the repeats. The topics overlap: a fifth of the text stands in it twice, because
long topics such as "specialnames" and "compound" contain shorter ones. Over a third of the test
text can be found word for word in the training text. Keep only paragraphs with repeated == 0,
and that falls under one percent (counted as runs of 50 characters). Both ways are kept, so that
the leak can be measured.

What it cannot show: everyday language, conversation, stories, or people. It has one register and
one subject, hardly a character outside ASCII, and not one "she". It is also small: language
models in use are trained on millions of times as much.

Licence: Python Software Foundation License Version 2, as for Python and its documentation
(https://docs.python.org/3/license.html). Copyright 2001 Python Software Foundation; all rights
reserved.
"""

_CITATION = r"""
@manual{python_reference,
  author       = {{Python Software Foundation}},
  title        = {The Python Language Reference},
  organization = {Python Software Foundation},
  url          = {https://docs.python.org/3/reference/}
}
"""


def split_of(topic: str) -> str:
    """The name of the split that a topic belongs to."""
    if topic in TEST_TOPICS:
        return "test"
    return "validation" if topic in VALIDATION_TOPICS else "train"


def paragraphs(topics: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """Cut topics into paragraphs: (topic, text, whether its words stood further up already).

    A table is one paragraph, whose first character draws its frame; tables are left out.
    """
    seen = set()
    for topic in sorted(topics):
        for text in topics[topic].strip("\n").split("\n\n"):
            words = " ".join(text.split())
            if words and words[0] not in "+|":
                yield topic, text, words in seen
                seen.add(words)


class PythonDocs(OfflineBuilder):
    """Paragraphs of Python's help topics, in order, with a mark on those that repeat others."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "topic": tfds.features.Text(),
                    "text": tfds.features.Text(),
                    "repeated": np.int64,
                }
            ),
            homepage="https://docs.python.org/3/reference/",
            citation=_CITATION,
            license="PSF-2.0",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        from pydoc_data.topics import topics

        cut = list(paragraphs(topics))
        return {
            split: self._generate_examples([row for row in cut if split_of(row[0]) == split])
            for split in ("train", "validation", "test")
        }

    def _generate_examples(self, rows):
        for index, (topic, text, repeated) in enumerate(rows):
            yield index, {"topic": topic, "text": text, "repeated": int(repeated)}
