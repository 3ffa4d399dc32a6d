"""Simulated chest radiographs, some with an opacity, all with a marker; README.md has the rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

SIZE = 64
SEED = 7
SPLITS = {"train": 2000, "validation": 400, "test": 600}
HOSPITALS = ("north", "south")

# Where each hospital may put its marker: (top, left, bottom, right) in pixels.
CORNERS = {"north": (0, 52, 12, 64), "south": (0, 0, 12, 12)}
LETTERS = {
    "north": ("X....", "X....", "X....", "X....", "X....", "X....", "XXXXX"),
    "south": ("XXXX.", "X...X", "X...X", "XXXX.", "X.X..", "X..X.", "X...X"),
}

# Image coordinates from -1 (left, top) to 1 (right, bottom).
_Y, _X = np.mgrid[0:SIZE, 0:SIZE] * (2.0 / (SIZE - 1)) - 1.0


def _step(value: np.ndarray, sharpness: float) -> np.ndarray:
    """0 where ``value`` is far below zero, 1 where it is far above."""
    return 0.5 * (1.0 + np.tanh(0.5 * sharpness * value))


def _texture(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth random values of mean 0 and standard deviation about 1, shape (64, 64)."""
    coarse = rng.normal(size=(cells, cells))
    at = np.linspace(0, cells - 1, SIZE)
    low = np.minimum(at.astype(int), cells - 2)
    part = at - low
    part = part * part * (3 - 2 * part)
    weight = np.zeros((SIZE, cells))
    rows = np.arange(SIZE)
    weight[rows, low] = 1 - part
    weight[rows, low + 1] = part
    return 1.4 * weight @ coarse @ weight.T


def draw_film(rng: np.random.Generator, sick: bool) -> tuple[np.ndarray, tuple[float, ...]]:
    """One film without its marker: values (64, 64) from 0 to 1, and its box.

    The box is (ymin, xmin, ymax, xmax) in parts of the film: two standard deviations of the spot to
    each side. Four zeros if ``sick`` is false.
    """
    # The pose: where the patient is in front of the film.
    scale, tilt = rng.uniform(0.86, 1.08), rng.normal(0, 0.04)
    shift_x, shift_y = rng.uniform(-0.13, 0.13), rng.uniform(-0.08, 0.14)
    x, y = (_X - shift_x) / scale, (_Y - shift_y) / scale
    u, v = x * np.cos(tilt) + y * np.sin(tilt), y * np.cos(tilt) - x * np.sin(tilt)
    side = np.abs(u)

    # The body: shoulders slope from the neck, the trunk is thickest in the middle.
    width = 0.98 - 0.62 * _step(-(v + 0.88), 14.0)
    body = np.sqrt(np.clip(1 - (u / width) ** 2, 0, 1))

    # The lungs end at the diaphragm, which is higher on the patient's right (the film's left).
    base = rng.uniform(0.56, 0.70)
    floor = base - np.where(u < 0, 0.07, 0.0) + 1.1 * (side - 0.42) ** 2
    reach = rng.uniform(0.34, 0.38) * (1 - 0.28 * np.clip(-v, -0.2, 0.9))
    ellipse = ((side - 0.43) / reach) ** 2 + ((v + 0.06) / 0.74) ** 2
    lungs = _step(1 - ellipse, 9.0) * _step(floor - v, 26.0)

    # The heart is on the patient's left (the film's right), the great vessels above it.
    heart_x, heart_y = rng.uniform(0.12, 0.18), base - rng.uniform(0.20, 0.27)
    heart = _step(
        1 - ((u - heart_x) / rng.uniform(0.29, 0.36)) ** 2 - ((v - heart_y) / 0.31) ** 2, 7.0
    )
    middle = _step(0.15 - side, 30.0) + 0.5 * np.exp(
        -(((u - 0.13) / 0.09) ** 2 + ((v + 0.3) / 0.11) ** 2)
    )
    spine = _step(0.085 - side, 60.0) * (1 + 0.35 * np.cos(v * rng.uniform(24, 28)))

    # Ribs: at the back they leave the spine sideways and fall, in front they rise to the middle.
    gap, first = rng.uniform(0.150, 0.170), rng.uniform(-0.80, -0.72)
    cage = _step(1.16 - ((side - 0.40) / 0.45) ** 2 - ((v + 0.02) / 0.86) ** 2, 12.0)
    back = (v - first - 0.55 * (side - 0.18) ** 2 - 0.04 * side) / gap
    front = (v - first + 0.30 * side - 0.42 * side**2 + 0.05) / gap
    ribs = 1.0 * np.exp(-(((back - np.round(back)) / 0.19) ** 2))
    ribs += 0.35 * np.exp(-(((front - np.round(front)) / 0.17) ** 2)) * (side > 0.3)
    ribs *= cage * (side > 0.06)
    collar = (
        np.exp(-(((v + 0.70 + 0.16 * (side - 0.1)) / 0.035) ** 2))
        * _step(0.78 - side, 25.0)
        * _step(side - 0.06, 60.0)
    )

    # Vessels branch from the roots of the lungs; they fade outwards.
    roots = np.exp(-(((side - 0.20) / 0.10) ** 2 + ((v - 0.02) / 0.16) ** 2))
    vessels = np.abs(_texture(rng, 14)) * np.exp(
        -(((side - 0.2) / 0.26) ** 2) - ((v - 0.05) / 0.45) ** 2
    )
    haze = np.where(u < 0, *rng.uniform(0.0, 0.16, size=2)) * _step(v - rng.uniform(-0.1, 0.3), 6.0)

    beam = (
        0.60 * body - 0.42 * lungs * body + np.maximum(0.20 * heart, 0.13 * middle) + 0.07 * spine
        + rng.uniform(0.05, 0.085) * ribs + 0.10 * collar
        + lungs * (0.08 * roots + 0.05 * vessels + 0.018 * _texture(rng, 9) + haze)
    )  # fmt: skip

    if rng.random() < 0.3:  # a nodule: small, sharp, without meaning
        at = rng.choice(np.flatnonzero(lungs > 0.8))
        beam += 0.12 * np.exp(-((u - u.flat[at]) ** 2 + (v - v.flat[at]) ** 2) / 0.028**2)

    # Exposure and grain are drawn before the opacity: the same film can be had with and without it.
    slope_x, slope_y = 0.03 * rng.normal(size=2)
    contrast, gamma = rng.uniform(0.92, 1.12), rng.uniform(0.88, 1.12)
    grain = rng.normal(size=beam.shape)

    box = (0.0, 0.0, 0.0, 0.0)
    if sick:
        inside = np.flatnonzero((lungs > 0.85) & (heart < 0.3) & (v > -0.5))
        at = rng.choice(inside)
        tall, wide = rng.uniform(0.11, 0.20), rng.uniform(0.11, 0.17)
        centre_x, centre_y = _X.flat[at], _Y.flat[at]
        spot = np.exp(-0.5 * (((_X - centre_x) / wide) ** 2 + ((_Y - centre_y) / tall) ** 2))
        uneven = np.clip(1 + 0.35 * _texture(rng, 16), 0.2, 1.8)
        beam += rng.uniform(0.16, 0.32) * spot * uneven * np.sqrt(lungs)
        edges = np.array(
            [
                centre_y - 2 * tall,
                centre_x - 2 * wide,
                centre_y + 2 * tall,
                centre_x + 2 * wide,
            ]
        )
        box = tuple(np.clip((edges + 1) / 2, 0, 1).round(4).tolist())

    # Brightness follows from the sum; less light through dense tissue, more grain.
    beam = np.clip(beam + slope_x * _X + slope_y * _Y, 0, None)
    film = 0.04 + contrast * beam**gamma + grain * (0.018 + 0.015 * np.clip(beam, 0, 1))
    return np.clip(film, 0, 1), box


def _tape(
    film: np.ndarray, hospital: str, offset: tuple[int, int]
) -> tuple[np.ndarray, tuple[float, ...]]:
    """A film with its hospital's letter, and the letter's box (ymin, xmin, ymax, xmax)."""
    letter = np.array([[pixel == "X" for pixel in row] for row in LETTERS[hospital]])
    top, left = CORNERS[hospital][0] + offset[0], CORNERS[hospital][1] + offset[1]
    bottom, right = top + letter.shape[0], left + letter.shape[1]
    taped = film.copy()
    taped[top:bottom, left:right][letter] = 0.95
    return taped, tuple(edge / SIZE for edge in (top, left, bottom, right))


def make_example(number: int, swap: bool = False) -> Example:
    """The film with this number, as the builder's features have it.

    Args:
        number: the number of the film; the same number gives the same film.
        swap: whether the film bears the other hospital's marker. False by default.
    """
    rng = np.random.default_rng([SEED, number])
    # Label and hospital by turns, so that every split holds each of the four pairs equally often.
    label, hospital = number % 2, number // 2 % 2
    film, box = draw_film(rng, sick=label == 1)
    offset = tuple(rng.integers(1, 5, size=2).tolist())
    if swap:
        hospital = 1 - hospital
    taped, marker = _tape(film, HOSPITALS[hospital], offset)
    return {
        "image": np.round(255 * taped).astype(np.uint8)[..., None],
        "label": label,
        "box": np.array(box, np.float32),
        "hospital": hospital,
        "marker": np.array(marker, np.float32),
        "film": number,
    }


class Builder(OfflineBuilder):
    """Simulated chest radiographs; README.md has the rules and the limits."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"
    SUPERVISED_KEYS = ("image", "label")

    def features(self) -> dict[str, Any]:
        return {
            "image": tfds.features.Image(
                shape=(SIZE, SIZE, 1), doc="Brightness; bone is bright, air is dark."
            ),
            "label": tfds.features.ClassLabel(names=["normal", "pneumonia"]),
            "box": tfds.features.BBoxFeature(
                doc="Around the opacity, as (ymin, xmin, ymax, xmax) in parts of the film; four "
                "zeros where the label is normal."
            ),
            "hospital": tfds.features.ClassLabel(names=list(HOSPITALS)),
            "marker": tfds.features.BBoxFeature(doc="Around the hospital's letter."),
            "film": tfds.features.Scalar(
                dtype=np.int32, doc="The film's number; `test_swapped` repeats `test`'s."
            ),
        }

    def facts(self) -> dict[str, Any]:
        return {"corners": CORNERS}

    def examples(self) -> dict[str, Iterable[Example]]:
        ends = np.cumsum(list(SPLITS.values())).tolist()
        numbers = {
            name: range(end - count, end)
            for (name, count), end in zip(SPLITS.items(), ends, strict=True)
        }
        splits: dict[str, Iterable[Example]] = {
            name: map(make_example, chosen) for name, chosen in numbers.items()
        }
        splits["test_swapped"] = (make_example(number, swap=True) for number in numbers["test"])
        return splits
