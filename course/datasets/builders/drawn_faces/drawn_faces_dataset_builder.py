"""Simulated drawings of faces, as photographs and portraits; README.md has the rules."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

SIZE = 16
SEED = 25
# Examples of each split, and how many of 100 are lighter.
SPLITS = {"train_skewed": (1600, 97), "train_balanced": (1600, 50), "test": (400, 50)}
GROUPS = ("darker", "lighter")
TONES = {"darker": (15.0, 45.0), "lighter": (55.0, 90.0)}
HAIR = ("none", "cropped", "short", "long", "covered")
LIGHT = (0.5, 1.1)
NOISE = 12.0  # standard deviation, of 255

# Skin of tone 0 and of tone 100, as red, green and blue from 0 to 255.
DARKEST, LIGHTEST = np.array([52.0, 34.0, 27.0]), np.array([250.0, 222.0, 204.0])
# (top, left, bottom, right) of pixels that are skin on every face: cheeks and nose.
CHEEKS = (9, 5, 10, 11)

_FINE = 3  # points per pixel and direction, averaged at the end
_Y, _X = (np.mgrid[0 : SIZE * _FINE, 0 : SIZE * _FINE] + 0.5) / _FINE


def skin_colour(tone: float | np.ndarray) -> np.ndarray:
    """Red, green and blue from 0 to 255 of skin of a tone from 0 to 100."""
    return DARKEST + np.asarray(tone)[..., None] / 100 * (LIGHTEST - DARKEST)


def _oval(x: float, y: float, wide: float, tall: float) -> np.ndarray:
    return ((_X - x) / wide) ** 2 + ((_Y - y) / tall) ** 2 < 1


def draw_face(face: dict[str, Any], smile: bool) -> np.ndarray:
    """A face in even light: (16, 16, 3) float64 from 0 to 255, from what ``make_face`` returns."""
    x, y, wide, tall = face["x"], face["y"], face["wide"], face["tall"]
    picture = np.empty((*_X.shape, 3))
    picture[:] = face["background"]
    skin, hair = skin_colour(face["tone"]), face["hair_colour"]
    kind = HAIR[face["hair"]]
    if kind in ("long", "covered"):  # behind the face
        picture[
            _oval(x, y + 0.5, wide + 1.5, tall + 1.2) | ((abs(_X - x) < wide + 1.0) & (y < _Y))
        ] = hair
    picture[(abs(_X - x) < 1.8) & (_Y > y)] = 0.88 * skin  # the neck, in the chin's shade
    for side in (-1, 1):
        if kind != "covered":
            picture[_oval(x + side * wide, y, 0.8, 1.3)] = 0.92 * skin
    oval = _oval(x, y, wide, tall)
    picture[oval] = skin
    if kind != "none":
        edge = {"cropped": 4.6, "short": 3.7, "long": 3.7, "covered": 3.9}[kind]
        top = _oval(x, y, wide + 0.5, tall + 0.5) & (_Y < y - edge + 0.12 * (_X - x) ** 2)
        picture[top] = hair
    for side in (-1, 1):
        eye_x, eye_y = x + side * 2.1, y - 1.1
        picture[_oval(eye_x, eye_y, 1.15, 0.7)] = (238, 238, 236)
        picture[_oval(eye_x, eye_y, 0.5, 0.6)] = (45, 32, 28)
        brow = (abs(_X - eye_x) < 1.3) & (abs(_Y - (eye_y - 1.5)) < 0.28)
        picture[brow] = 0.35 * skin
        if face["glasses"]:
            ring = _oval(eye_x, eye_y, 1.9, 1.5) & ~_oval(eye_x, eye_y, 1.5, 1.1)
            picture[ring] = (30, 30, 36)
    bend = 0.22 if smile else 0.0
    reach = 2.3 if smile else 1.7
    line = y + 4.1 - bend * (_X - x) ** 2
    mouth = (abs(_X - x) < reach) & (abs(_Y - line) < (0.62 if smile else 0.4))
    picture[mouth & oval] = 0.6 * skin + np.array([30.0, 0.0, 5.0])
    if smile:
        picture[(abs(_X - x) < 1.5) & (abs(_Y - line + 0.1) < 0.3)] = (240, 238, 232)
    return picture.reshape(SIZE, _FINE, SIZE, _FINE, 3).mean(axis=(1, 3))


def make_face(rng: np.random.Generator, group: str) -> dict[str, Any]:
    """The attributes of one face; only the tone depends on the group."""
    hair, shade = int(rng.integers(len(HAIR))), rng.uniform(25, 170)
    kind = HAIR[hair]
    return {
        "tone": float(np.float32(rng.uniform(*TONES[group]))),
        "x": 8 + rng.uniform(-0.3, 0.3),
        "y": 8.3 + rng.uniform(-0.3, 0.3),
        "wide": rng.uniform(4.5, 5.4),
        "tall": rng.uniform(5.9, 6.6),
        "hair": hair,
        # Black to blond; a covering may have any colour.
        "hair_colour": rng.uniform(30, 190, 3)
        if kind == "covered"
        else shade * np.array([1, 0.78, 0.55]),
        "glasses": int(rng.random() < 0.25),
        "smile": int(rng.random() < 0.5),
        "background": rng.uniform(60, 230) + rng.uniform(-25, 25, 3),
        "light": float(np.float32(rng.uniform(*LIGHT))),
    }


def _to_bytes(picture: np.ndarray) -> np.ndarray:
    return np.round(np.clip(picture, 0, 255)).astype(np.uint8)


def make_example(number: int, group: int) -> Example:
    """The face with this number, as the builder's features have it.

    Args:
        number: the number of the face; the same number and group give the same face.
        group: 0 for a darker face, 1 for a lighter one.
    """
    rng = np.random.default_rng([SEED, number])
    face = make_face(rng, GROUPS[group])
    lamp = face["light"] * rng.uniform(0.85, 1.15, 3)
    noise = rng.normal(0, NOISE, (SIZE, SIZE, 3))
    return {
        "photo": _to_bytes(lamp * draw_face(face, face["smile"]) + noise),
        "portrait": _to_bytes(draw_face(face, smile=True)),
        "group": group,
        **{key: face[key] for key in ("tone", "light", "smile", "hair", "glasses")},
    }


class Builder(OfflineBuilder):
    """Simulated drawings of faces; README.md has the rules and the limits."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"
    SUPERVISED_KEYS = ("photo", "portrait")

    def features(self) -> dict[str, Any]:
        picture = functools.partial(tfds.features.Image, shape=(SIZE, SIZE, 3))
        number = functools.partial(tfds.features.Scalar, dtype=np.float32)
        label = tfds.features.ClassLabel
        return {
            "photo": picture(doc="In any light, smiling or not, with noise."),
            "portrait": picture(doc="In even light, smiling, without noise."),
            "tone": number(doc="0 darkest, 100 lightest."),
            "group": label(names=list(GROUPS)),
            "light": number(doc="What the photo's colours were multiplied by."),
            "smile": label(names=["no", "yes"]),
            "hair": label(names=list(HAIR)),
            "glasses": label(names=["no", "yes"]),
        }

    def facts(self) -> dict[str, Any]:
        return {"cheeks": CHEEKS, "darkest": DARKEST.tolist(), "lightest": LIGHTEST.tolist()}

    def examples(self) -> dict[str, Iterable[Example]]:
        return {name: _faces_of(name) for name in SPLITS}


def _faces_of(split: str) -> Iterator[Example]:
    counts = [count for count, _ in SPLITS.values()]
    first = sum(counts[: list(SPLITS).index(split)])
    count, lighter = SPLITS[split]
    for number in range(count):
        # Exactly so many lighter faces in each hundred, spread evenly over it.
        yield make_example(first + number, int((number * lighter) % 100 < lighter))
