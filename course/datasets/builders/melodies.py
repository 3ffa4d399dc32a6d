"""Melodies made by a small grammar: simulated, so that one can count which rules a model learnt.

**No composer stands behind any of them.** A melody has sixteen notes of the scale of C major, from
the C in the middle of the piano (0) to the C above it (7), all equally long, in four phrases of
four notes: A, B, A again, and C. The rules:

1. *Small steps.* Inside a phrase each note lies one or two places of the scale from the one before.
2. *Open ends.* Phrases A and B end on D, G or B (1, 4, 6), which sound as if more must come.
3. *The theme comes back.* The third phrase repeats the first, note for note. Nothing in the notes
   just before it says which; one has to remember what was played eight notes ago.
4. *Home.* The last note is a C, low or high, reached by a single step.

Phrases begin on C, E, G or the high C. Among all phrases that follow the rules each is drawn as
often as a random walk meets it.

What it cannot show: rhythm, harmony, dynamics, instruments, style, or whether anyone likes it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import OfflineBuilder

NOTES = ("C", "D", "E", "F", "G", "A", "B", "C'")
BEGINNINGS, OPEN_ENDS, HOME = (0, 2, 4, 7), (1, 4, 6), (0, 7)
PHRASE, LENGTH = 4, 16
SPLITS = {"train": 3000, "test": 500}
SEED = 20261003

_DESCRIPTION = f"""
Simulated melodies of sixteen notes in C major, {SPLITS["train"]} for training and {SPLITS["test"]}
for testing. **No composer stands behind any of them**: they follow four rules, so that one can
count which of them a model has learnt.

notes: sixteen numbers from 0 (the C in the middle of the piano) to 7 (the C above it), equally
long, in four phrases of four notes: A, B, A again, C. Inside a phrase each note lies one or two
places of the scale from the one before. A and B end on D, G or B. The third phrase repeats the
first. The last note is a C, reached by one step. Phrases begin on C, E, G or high C.

Each melody is drawn anew, so some occur twice, and some of test occur in train.

What it cannot show: rhythm, harmony, dynamics, instruments, style, or whether anyone likes it.

Licence: CC BY 4.0, as the course's texts are. No existing music was used.
"""

_CITATION = """
@misc{deep_learning_course_melodies,
  title = {Simulated melodies whose third phrase repeats the first},
  author = {{The authors of the deep-learning course}},
  year = {2026},
  note = {Simulated by course/datasets/builders/melodies.py, version 1.0.0},
}
"""


def _phrase(rng: np.random.Generator) -> list[int]:
    """Four notes in small steps that stay inside the octave."""
    while True:
        steps = rng.choice([-2, -1, 1, 2], size=PHRASE - 1)
        notes = np.cumsum([rng.choice(BEGINNINGS), *steps])
        if notes.min() >= 0 and notes.max() < len(NOTES):
            return notes.tolist()


def melody(rng: np.random.Generator) -> list[int]:
    """Sixteen notes by the rules of the module's docstring."""
    opened = []
    while len(opened) < 2:
        phrase = _phrase(rng)
        if phrase[-1] in OPEN_ENDS:
            opened.append(phrase)
    while True:
        last = _phrase(rng)
        if last[-1] in HOME and abs(last[-1] - last[-2]) == 1:
            first, second = opened
            return first + second + first + last


class Melodies(OfflineBuilder):
    """Simulated melodies: see the module's docstring for the rules and the limits."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {"notes": tfds.features.Tensor(shape=(LENGTH,), dtype=np.int32)}
            ),
            citation=_CITATION,
            license="CC BY 4.0",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        train, test = SPLITS.values()
        return {
            "train": self._generate_examples(0, train),
            "test": self._generate_examples(train, test),
        }

    def _generate_examples(self, first: int, count: int) -> Iterator[tuple[int, dict]]:
        for number in range(first, first + count):
            notes = melody(np.random.default_rng([SEED, number]))
            yield number, {"notes": np.array(notes, np.int32)}
