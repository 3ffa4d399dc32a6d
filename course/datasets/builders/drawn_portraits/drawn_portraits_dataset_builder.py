"""Simulated portraits that turn their heads, smile and look sad; README.md has the rules."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

SIZE = 24
SEED = 17
# Examples of each split. The three of a walk are a face, another one, and the one half-way.
SPLITS = {"train": 3000, "validation": 500, "test": 500, "walks": 300}
HAIR = ("none", "cropped", "short", "long", "covered")
GLASSES_SHARE = 0.4

# Skin of tone 0 and of tone 1, as red, green and blue from 0 to 255.
DARKEST, LIGHTEST = np.array([62.0, 40.0, 32.0]), np.array([250.0, 222.0, 204.0])

# The ends of what other colours may be.
HAIRS = ((28, 22, 18), (216, 178, 112))
COVERINGS = ((30, 110, 100), (190, 90, 170))
CLOTHES = ((40, 70, 160), (225, 120, 60))
BACKGROUNDS = ((104, 128, 150), (232, 226, 206))

_FINE = 4  # points per pixel and direction, averaged at the end
# Where these points are, on a canvas of 32 by 32 units.
_Y, _X = (np.mgrid[0 : SIZE * _FINE, 0 : SIZE * _FINE] + 0.5) * 32 / (SIZE * _FINE)


def _oval(x: float, y: float, wide: float, tall: float) -> np.ndarray:
    return ((_X - x) / wide) ** 2 + ((_Y - y) / tall) ** 2 < 1


def draw_portrait(face: dict[str, Any]) -> np.ndarray:
    """A face, (24, 24, 3) uint8, from what ``make_face`` returns."""
    x, y, wide, tall = face["x"], face["y"], face["wide"], face["tall"]
    skin = DARKEST + face["tone"] * (LIGHTEST - DARKEST)
    picture = np.empty((*_X.shape, 3))
    picture[:] = face["background"]
    kind = HAIR[face["hair"]]
    if kind in ("long", "covered"):  # behind the face
        falls = (abs(_X - x) < wide + 2.4) & (_Y > y)
        picture[_oval(x, y, wide + 2.4, tall + 2.0) | falls] = 0.85 * face["hair_colour"]
    body = _oval(x, 36.0, 13.0, 9.0)
    picture[body] = face["clothes"]
    picture[(abs(_X - x) < 3.4) & (_Y > y) & ~_oval(x, 37.5, 13.0, 9.0)] = 0.86 * skin
    _draw_head(picture, face, skin)
    _draw_features(picture, face, skin)
    fine = picture.reshape(SIZE, _FINE, SIZE, _FINE, 3).mean(axis=(1, 3))
    return np.round(np.clip(fine, 0, 255)).astype(np.uint8)


def _draw_head(picture: np.ndarray, face: dict[str, Any], skin: np.ndarray) -> None:
    x, y, wide, tall, turn = (face[key] for key in ("x", "y", "wide", "tall", "turn"))
    kind = HAIR[face["hair"]]
    for side in (-1, 1):  # turning hides one ear and shows more of the other
        if kind != "covered":
            picture[_oval(x + side * wide - 0.8 * turn, y, 1.5, 2.4)] = 0.9 * skin
    picture[_oval(x, y, wide, tall)] = skin
    if kind != "none":
        depth = {"cropped": 9.0, "short": 7.0, "long": 7.0, "covered": 7.6}[kind]
        line = y - depth + 0.07 * (_X - x - 2 * turn) ** 2
        picture[_oval(x, y, wide + 0.8, tall + 1.0) & (_Y < line)] = face["hair_colour"]


def _draw_features(picture: np.ndarray, face: dict[str, Any], skin: np.ndarray) -> None:
    """Eyes, brows, nose, mouth and glasses: they move sideways when the head turns."""
    x, y = face["x"] + 2.4 * face["turn"], face["y"]
    for side in (-1, 1):
        eye_x, eye_y = x + side * 4.0, y - 2.0
        picture[_oval(eye_x, eye_y, 2.0, 1.2)] = (240, 240, 238)
        picture[_oval(eye_x + 0.7 * face["turn"], eye_y, 1.0, 1.1)] = (50, 36, 30)
        brow = eye_y - 2.7 - 0.12 * side * face["mood"] * (_X - eye_x)
        picture[(abs(_X - eye_x) < 2.4) & (abs(_Y - brow) < 0.5)] = 0.4 * skin
        if face["glasses"]:
            ring = _oval(eye_x, eye_y, 3.5, 2.9) & ~_oval(eye_x, eye_y, 2.7, 2.1)
            picture[ring] = (28, 28, 34)
    if face["glasses"]:
        picture[(abs(_X - x) < 0.8) & (abs(_Y - y + 2.0) < 0.5)] = (28, 28, 34)
    nose = _oval(x + 0.4 * face["turn"], y + 1.8, 1.1, 1.5) & (_Y > y + 1.4)
    picture[nose] = 0.8 * skin
    bend = 0.13 * face["mood"]  # a smile has its ends above its middle
    line = y + 6.6 - bend * ((_X - x) ** 2 - 6)
    mouth = (abs(_X - x) < 3.6) & (abs(_Y - line) < 0.75)
    picture[mouth] = 0.5 * skin + np.array([60.0, 0.0, 10.0])


def _between(ends: tuple[tuple[int, ...], tuple[int, ...]], share: float) -> np.ndarray:
    """A colour on the straight line between two, red, green and blue from 0 to 255."""
    first, last = np.array(ends, float)
    return first + share * (last - first)


def make_face(rng: np.random.Generator) -> dict[str, Any]:
    """The attributes of a face, each drawn independently of the others."""
    hair = int(rng.integers(len(HAIR)))
    return {
        "tone": rng.uniform(0, 1),
        "x": 16 + rng.uniform(-3, 3),
        "y": 16.5 + rng.uniform(-2.5, 2.5),
        "wide": rng.uniform(7.6, 9.8),
        "tall": rng.uniform(9.6, 11.6),
        "turn": rng.uniform(-1, 1),
        "mood": rng.uniform(-1, 1),
        "hair": hair,
        "hair_colour": _between(COVERINGS if HAIR[hair] == "covered" else HAIRS, rng.uniform(0, 1)),
        "glasses": int(rng.random() < GLASSES_SHARE),
        "clothes": _between(CLOTHES, rng.uniform(0, 1)),
        "background": _between(BACKGROUNDS, rng.uniform(0, 1)),
    }


def half_way(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The face whose every number is the mean of two faces' numbers."""
    kept = ("hair", "glasses")
    return {key: one[key] if key in kept else (one[key] + other[key]) / 2 for key in one}


def _example(face: dict[str, Any]) -> Example:
    shown = ("turn", "mood", "tone", "hair", "glasses")
    return {"image": draw_portrait(face), **{key: face[key] for key in shown}}


class Builder(OfflineBuilder):
    """Simulated portraits; README.md has the rules and the limits."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"

    def features(self) -> dict[str, Any]:
        number = functools.partial(tfds.features.Scalar, dtype=np.float32)
        return {
            "image": tfds.features.Image(shape=(SIZE, SIZE, 3)),
            "turn": number(doc="-1 to the left of the picture, 1 to the right."),
            "mood": number(doc="-1 sad, 1 smiling."),
            "tone": number(doc="Of the skin; 0 darkest, 1 lightest."),
            "hair": tfds.features.ClassLabel(names=list(HAIR)),
            "glasses": tfds.features.ClassLabel(names=["no", "yes"]),
        }

    def examples(self) -> dict[str, Iterable[Example]]:
        return {name: _portraits_of(name) for name in SPLITS}


def _portraits_of(split: str) -> Iterator[Example]:
    names = list(SPLITS)
    first = sum(SPLITS[name] for name in names[: names.index(split)])
    numbers = range(first, first + SPLITS[split])
    if split != "walks":
        yield from (
            _example(make_face(np.random.default_rng([SEED, number]))) for number in numbers
        )
        return
    for number in numbers[::3]:
        one, other = (make_face(np.random.default_rng([SEED, number + end])) for end in (0, 1))
        # Hair and glasses have no middle, so both ends have the same.
        other |= {"hair": one["hair"], "glasses": one["glasses"]}
        for face in (one, other, half_way(one, other)):
            yield _example(face)
