"""Drawn scenes at a lake, with captions and a planted correlation; README.md has the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

SIZE = 32
SEED = 13
GROUNDS = ("water", "grass", "sand")
THINGS = ("ball", "box", "tent", "boat")
COLORS = {
    "red": (214, 40, 40),
    "white": (244, 244, 240),
    "black": (28, 28, 34),
    "purple": (140, 50, 165),
}
# (the first thing's word, the second thing's word), if the first is left of or above the second.
RELATIONS = (("left of", "right of"), ("above", "below"))

SPLITS = {
    "train": 4000,
    "test": 600,
    "test_swapped": 600,
    "test_new_pair": 200,
    "empty": 300,
}

# A colour and a thing that never occur together in train and test, though each occurs with others.
NEW_PAIR = ("purple", "ball")

_GROUND_COLORS = {"water": (66, 133, 200), "grass": (98, 158, 72), "sand": (217, 192, 138)}
_FINE = 4  # points a pixel and axis at which a shape is looked up


def _texture(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Smooth random values, shape (32, 32), from ``rows`` x ``columns`` random numbers."""
    coarse = rng.normal(size=(rows, columns))
    for axis, count in enumerate((rows, columns)):
        at = np.linspace(0, count - 1, SIZE)
        low = np.minimum(at.astype(int), count - 2)
        part = np.expand_dims(at - low, 1 - axis)
        coarse = coarse.take(low, axis) * (1 - part) + coarse.take(low + 1, axis) * part
    return coarse


def _ground(rng: np.random.Generator, ground: str) -> np.ndarray:
    """A ground without things, shape (32, 32, 3), values from 0 to 255."""
    shade = 10 * _texture(rng, 3, 3) + 6 * rng.normal()
    if ground == "water":
        y, x = np.mgrid[:SIZE, :SIZE]
        bend = 1.5 * _texture(rng, 4, 5)
        shade += 11 * np.sin(y * rng.uniform(1.0, 1.5) + bend + 0.1 * x + rng.uniform(0, 6))
    elif ground == "grass":
        shade += 13 * _texture(rng, 10, 24)
    else:
        shade += 7 * rng.normal(size=(SIZE, SIZE))
    noise = 4 * rng.normal(size=(SIZE, SIZE, 3))
    return np.clip(np.array(_GROUND_COLORS[ground]) + shade[..., None] + noise, 0, 255)


def _is_inside(thing: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Whether points (u to the right, v downwards, from -1 to 1) belong to a thing."""
    side = np.abs(u)
    if thing == "ball":
        return u**2 + v**2 < 0.81
    if thing == "box":
        return np.maximum(side, np.abs(v)) < 0.8
    if thing == "tent":
        return (v < 0.8) & (side < 0.5 * (v + 1))
    sail = (v < 0.3) & (side < 0.5 * (v + 1))
    hull = (v > 0.5) & (v < 0.95) & (side < 1.0 - 0.8 * (v - 0.5))
    return sail | hull


def draw_shape(thing: str, center: np.ndarray, radius: float) -> np.ndarray:
    """The pixels of a thing, bool (32, 32); ``center`` is (y, x) in pixels."""
    fine = (np.arange(SIZE * _FINE) + 0.5) / _FINE
    v, u = (fine - center[0])[:, None] / radius, (fine - center[1])[None, :] / radius
    inside = _is_inside(thing, u, v).reshape(SIZE, _FINE, SIZE, _FINE)
    return inside.mean(axis=(1, 3)) > 0.5


def _places(rng: np.random.Generator, count: int) -> tuple[np.ndarray, int]:
    """Centres (count, 2), the left or upper one first, and the number of their relation."""
    if count == 1:
        return rng.uniform(8, SIZE - 8, (1, 2)), 0
    relation = int(rng.integers(2))
    along = [rng.uniform(7, 9), rng.uniform(SIZE - 9, SIZE - 7)]
    across = rng.uniform(9, SIZE - 9) + np.array([-1, 1]) * rng.uniform(-2.5, 2.5)
    columns = (across, along) if relation == 0 else (along, across)
    return np.stack(columns, axis=1), relation


def caption(things: list[tuple[str, str]], ground: str, relation: int, first: int) -> str:
    """What an annotator writes who names the thing number ``first`` before the other.

    Args:
        things: one or two pairs of a colour and a thing; of two, the left or upper one first.
        ground: what they are on.
        relation: 0 if they are side by side, 1 if one is above the other.
        first: the number of the thing that is named first, 0 or 1.
    """
    named = [f"a {color} {thing}" for color, thing in things]
    if len(named) == 1:
        return f"{named[0]} on {ground}"
    return f"{named[first]} {RELATIONS[relation][first]} {named[1 - first]} on {ground}"


def _content(rng: np.random.Generator, split: str) -> tuple[list[tuple[str, str]], str]:
    """What a scene shows: pairs of a colour and a thing, and the ground."""
    ground = str(rng.choice(GROUNDS))
    if split == "empty":
        return [], ground
    usual = "boat" if ground == "water" else "tent"
    count = 1 + int(rng.random() < 0.6)
    pairs: list[tuple[str, str]] = []
    while len(pairs) < count:
        thing = str(rng.choice(["ball", "box", usual], p=[0.3, 0.3, 0.4]))
        pair = (str(rng.choice(list(COLORS))), thing)
        if pair != NEW_PAIR:
            pairs.append(pair)
    if split == "test_new_pair":
        pairs[rng.integers(count)] = NEW_PAIR
    return pairs, ground


def _swapped(rng: np.random.Generator, things: list[tuple[str, str]], ground: str) -> str:
    """A ground on which the things have never lain; any other one for balls and boxes alone."""
    names = {thing for _, thing in things}
    if "tent" in names:
        return "water"
    others = [other for other in GROUNDS if other != ground]
    return str(rng.choice(others))


def scene(number: int, split: str) -> Example:
    """One example of a split, as the builder's features have it."""
    rng = np.random.default_rng([SEED, number])
    things, ground = _content(rng, split)
    centers, relation = _places(rng, max(len(things), 1))
    radii = rng.uniform(5.7, 7, 2)
    light = rng.uniform(0.85, 1.1)
    tints = 8 * rng.normal(size=(2, 3))
    # Drawn last, so that a swapped scene differs in nothing but its ground.
    ground_rng = np.random.default_rng([SEED, number, 1])
    if split == "test_swapped":
        ground = _swapped(ground_rng, things, ground)
    image = _ground(ground_rng, ground)
    mask = np.zeros((SIZE, SIZE, 1), np.uint8)
    boxes = np.zeros((2, 4), np.float32)
    for index, (color, thing) in enumerate(things):
        shape = draw_shape(thing, centers[index], radii[index])
        grain = 4 * rng.normal(size=(SIZE, SIZE, 3))
        image = np.where(shape[..., None], np.array(COLORS[color]) + tints[index] + grain, image)
        mask[shape] = index + 1
        rows, columns = np.nonzero(shape)
        edges = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        boxes[index] = np.array(edges) / SIZE
    texts = [caption(things, ground, relation, first) for first in (0, 1)] if things else None
    missing = [-1] * (2 - len(things))
    return {
        "image": np.clip(np.round(light * image), 0, 255).astype(np.uint8),
        "captions": {"text": texts or [f"nothing on {ground}"] * 2},
        "mask": mask,
        "boxes": boxes,
        "things": [THINGS.index(thing) for _, thing in things] + missing,
        "colors": [list(COLORS).index(color) for color, _ in things] + missing,
        "ground": ground,
        "number": number,
    }


class Builder(OfflineBuilder):
    """Drawn scenes with captions; README.md has the rules and the limits."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"
    SUPERVISED_KEYS = ("image", "captions")

    def features(self) -> dict[str, Any]:
        pair = tfds.features.Tensor(shape=(2,), dtype=np.int32)
        return {
            "image": tfds.features.Image(shape=(SIZE, SIZE, 3)),
            "captions": tfds.features.Sequence({"text": tfds.features.Text()}, length=2),
            "mask": tfds.features.LabeledImage(
                labels=["ground", "first thing", "second thing"], shape=(SIZE, SIZE, 1)
            ),
            "boxes": tfds.features.Tensor(shape=(2, 4), dtype=np.float32),
            "things": pair,
            "colors": pair,
            "ground": tfds.features.ClassLabel(names=list(GROUNDS)),
            "number": np.int32,
        }

    def examples(self) -> dict[str, Iterable[Example]]:
        return {name: _scenes_of(name) for name in SPLITS}


def _scenes_of(split: str) -> Iterator[Example]:
    names = list(SPLITS)
    # The scenes of test_swapped are those of test, and must stay in step with them.
    drawn = "test" if split == "test_swapped" else split
    first = sum(SPLITS[name] for name in names[: names.index(drawn)])
    for number in range(first, first + SPLITS[split]):
        yield scene(number, split)
