"""Simulated melodies whose third phrase repeats the first; README.md has the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

NOTES = ("C", "D", "E", "F", "G", "A", "B", "C'")
BEGINNINGS, OPEN_ENDS, HOME = (0, 2, 4, 7), (1, 4, 6), (0, 7)
PHRASE, LENGTH = 4, 16
SPLITS = {"train": 3000, "test": 500}
SEED = 20261003


def _phrase(rng: np.random.Generator) -> list[int]:
    """Four notes in small steps that stay inside the octave."""
    while True:
        steps = rng.choice([-2, -1, 1, 2], size=PHRASE - 1)
        notes = np.cumsum([rng.choice(BEGINNINGS), *steps])
        if notes.min() >= 0 and notes.max() < len(NOTES):
            return notes.tolist()


def melody(rng: np.random.Generator) -> list[int]:
    """Sixteen notes by the rules of the module's docstring."""
    opened: list[list[int]] = []
    while len(opened) < 2:
        phrase = _phrase(rng)
        if phrase[-1] in OPEN_ENDS:
            opened.append(phrase)
    while True:
        last = _phrase(rng)
        if last[-1] in HOME and abs(last[-1] - last[-2]) == 1:
            first, second = opened
            return first + second + first + last


class Builder(OfflineBuilder):
    """Simulated melodies; README.md has the rules and the limits."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"

    def features(self) -> dict[str, Any]:
        return {"notes": tfds.features.Tensor(shape=(LENGTH,), dtype=np.int32)}

    def examples(self) -> dict[str, Iterable[Example]]:
        train, test = SPLITS.values()
        return {"train": _melodies(range(train)), "test": _melodies(range(train, train + test))}


def _melodies(numbers: Iterable[int]) -> Iterator[Example]:
    for number in numbers:
        yield {"notes": np.array(melody(np.random.default_rng([SEED, number])), np.int32)}
