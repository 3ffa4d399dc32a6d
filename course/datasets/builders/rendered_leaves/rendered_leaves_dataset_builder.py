"""Rendered photographs of leaves, healthy or with one of four diseases; README.md has the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

SIZE = 48
SEED = 11
SPLITS = {"train": 2000, "validation": 400, "test": 600}
PLANTS = ("smooth", "toothed", "lobed", "heart")
CONDITIONS = ("healthy", "leaf spot", "rust", "mildew", "mosaic")

# Drawn at twice the size; image coordinates from -1 (left, top) to 1 (right, bottom).
_FINE = 2 * SIZE
_Y, _X = np.mgrid[0:_FINE, 0:_FINE] * (2.0 / (_FINE - 1)) - 1.0

Grid = np.ndarray


def _step(value: Grid, sharpness: float = 45.0) -> Grid:
    """0 where ``value`` is far below zero, 1 where it is far above."""
    return 0.5 * (1.0 + np.tanh(0.5 * sharpness * value))


def _texture(rng: np.random.Generator, cells: int) -> Grid:
    """Smooth random values of mean 0 and standard deviation about 1, one a fine pixel."""
    at = np.linspace(0, cells - 1.001, _FINE)
    low = at.astype(int)
    part = at - low
    part = part * part * (3 - 2 * part)
    weight = np.zeros((_FINE, cells))
    rows = np.arange(_FINE)
    weight[rows, low] = 1 - part
    weight[rows, low + 1] = part
    return 1.4 * weight @ rng.normal(size=(cells, cells)) @ weight.T


def _blend(picture: Grid, color: Iterable[float], share: Grid) -> None:
    """Mix a colour into a picture (rows, columns, 3), in place."""
    picture += share[..., None] * (np.asarray(color) - picture)


def outline(rng: np.random.Generator, plant: str, along: Grid, across: Grid) -> Grid:
    """Which points lie on a leaf, from 0 to 1.

    Args:
        rng: draws this leaf's proportions.
        plant: one of ``PLANTS``.
        along: the place of each point on the middle vein, 0 at the stalk, 1 at the tip.
        across: how far it is from that vein; the leaf is 2 long in this unit.
    """
    at = np.clip(along, 0, 1)
    width = rng.uniform(0.46, 0.64)
    if plant == "heart":
        half = 1.15 * width * np.sin(np.pi * at**0.55)
        notch = _step(0.16 - along - 0.9 * np.abs(across))
    else:
        half = width * np.sin(np.pi * at ** rng.uniform(0.8, 1.05))
        notch = np.zeros_like(along)
    if plant == "toothed":
        phase = at * rng.uniform(6, 8)
        half = half * (1 - rng.uniform(0.24, 0.36) * (phase - np.floor(phase)))
    if plant == "lobed":
        half = half * (0.78 + 0.3 * np.cos(2 * np.pi * (at * rng.uniform(2.7, 3.4) - 0.5)))
    return _step(half - np.abs(across)) * _step(along) * _step(1 - along) * (1 - notch)


def _discs(
    rng: np.random.Generator, leaf: Grid, count: int, radius: tuple[float, float]
) -> Iterator[tuple[Grid, float]]:
    """For each of several discs on a leaf the distance of all points from it, and its radius."""
    inside = np.flatnonzero(leaf > 0.8)
    for at in rng.choice(inside, count):
        stretch = rng.uniform(0.8, 1.25)
        distance = np.hypot((_X - _X.flat[at]) * stretch, (_Y - _Y.flat[at]) / stretch)
        yield distance, rng.uniform(*radius)


def infect(rng: np.random.Generator, picture: Grid, leaf: Grid, condition: str) -> Grid:
    """Draw a disease on a leaf, in place, and return where it is, from 0 to 1."""
    ill = np.zeros_like(leaf)
    if condition == "leaf spot":
        for distance, radius in _discs(rng, leaf, int(rng.integers(1, 8)), (0.05, 0.11)):
            halo = leaf * _step(1.6 * radius - distance)
            _blend(picture, (0.72, 0.68, 0.25), 0.7 * halo)
            _blend(picture, (0.34, 0.22, 0.12), leaf * _step(radius - distance))
            ill = np.maximum(ill, halo)
    elif condition == "rust":
        for distance, radius in _discs(rng, leaf, int(rng.integers(4, 45)), (0.022, 0.042)):
            dot = leaf * _step(radius - distance)
            _blend(picture, (0.68, 0.36, 0.1), 0.9 * dot)
            ill = np.maximum(ill, dot)
    elif condition == "mildew":
        cover = 0.75 + 0.25 * _texture(rng, 24)
        for distance, radius in _discs(rng, leaf, int(rng.integers(1, 6)), (0.09, 0.24)):
            patch = leaf * np.exp(-((distance / radius) ** 2))
            _blend(picture, (0.82, 0.83, 0.8), np.clip(0.85 * patch * cover, 0, 1))
            ill = np.maximum(ill, patch)
    elif condition == "mosaic":
        strength = rng.uniform(0.45, 0.85)
        ill = leaf * _step(_texture(rng, int(rng.integers(9, 14))) - rng.uniform(0, 1.1), 8.0)
        _blend(picture, (0.62, 0.7, 0.3), strength * ill)
    return ill


def _mishaps(rng: np.random.Generator, picture: Grid, leaf: Grid) -> Grid:
    """Draw soil and drops of water, which any leaf may have, and return its holes."""
    if rng.random() < 0.5:
        for distance, radius in _discs(rng, leaf, int(rng.integers(3, 25)), (0.015, 0.05)):
            _blend(picture, (0.33, 0.24, 0.16), 0.85 * leaf * _step(radius - distance))
    if rng.random() < 0.4:
        for distance, radius in _discs(rng, leaf, int(rng.integers(1, 8)), (0.04, 0.09)):
            _blend(picture, (0.1, 0.2, 0.08), 0.35 * _step(radius - distance))
            _blend(picture, (0.95, 0.97, 1.0), 0.9 * _step(0.4 * radius - distance))
    holes = np.zeros_like(leaf)
    if rng.random() < 0.4:
        for distance, radius in _discs(rng, leaf, int(rng.integers(1, 6)), (0.03, 0.09)):
            holes = np.maximum(holes, _step(radius - distance))
    return holes


def _sheet(rng: np.random.Generator) -> Grid:
    """A sheet of paper, evenly lit."""
    ground = np.ones((_FINE, _FINE, 3)) * rng.uniform(0.55, 0.9) * rng.uniform(0.94, 1.06, 3)
    slope_x, slope_y = rng.normal(0, 0.05, 2)
    return ground + (slope_x * _X + slope_y * _Y)[..., None]


def _soil(rng: np.random.Generator) -> Grid:
    """Soil with stones, and other leaves out of focus."""
    ground = np.array([0.36, 0.27, 0.18]) * rng.uniform(0.7, 1.2)
    ground = ground * (1 + 0.25 * _texture(rng, 30) + 0.15 * _texture(rng, 8))[..., None]
    for _ in range(int(rng.integers(2, 6))):
        x, y, angle = rng.uniform((-1, -1, 0), (1, 1, np.pi))
        u = (_X - x) * np.cos(angle) + (_Y - y) * np.sin(angle)
        v = (_Y - y) * np.cos(angle) - (_X - x) * np.sin(angle)
        green = (rng.uniform(0.2, 0.4), rng.uniform(0.35, 0.55), rng.uniform(0.1, 0.22))
        _blend(ground, green, _step(1 - (u / 0.55) ** 2 - (v / 0.25) ** 2, 9.0))
    return ground


def render(number: int, outdoors: bool = False) -> tuple[Grid, float]:
    """A picture of one leaf, (48, 48, 3), from 0 to 1, and the share of the leaf that is ill.

    Args:
        number: the leaf; the same number gives the same leaf, whose plant and condition follow
            from it.
        outdoors: whether it is seen before soil and in hard light. False, before a sheet of paper,
            by default.
    """
    rng = np.random.default_rng([SEED, number])
    around = np.random.default_rng([SEED, number, 1])
    plant, condition = PLANTS[number % 4], CONDITIONS[number // 4 % 5]

    angle, scale = rng.uniform(0, 2 * np.pi), rng.uniform(0.74, 0.96)
    shift_x, shift_y = rng.uniform(-0.14, 0.14, 2)
    x, y = (_X - shift_x) / scale, (_Y - shift_y) / scale
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    v = v - rng.normal(0, 0.12) * u**2
    along = (u + 1) / 2
    leaf = outline(rng, plant, along, v)

    green = np.array([rng.uniform(0.16, 0.34), rng.uniform(0.4, 0.58), rng.uniform(0.1, 0.24)])
    picture = np.ones((_FINE, _FINE, 3)) * green
    _blend(picture, (0.66, 0.62, 0.2), np.full_like(leaf, rng.uniform(0, 0.4)))  # age
    picture *= (1 + 0.05 * _texture(rng, 12) + rng.normal(0, 0.08) * v)[..., None]
    side = along * rng.uniform(7, 10) - np.abs(v) * rng.uniform(2.5, 4)
    veins = np.exp(-((v / 0.035) ** 2)) + 0.6 * np.exp(-(((side - np.round(side)) / 0.09) ** 2))
    _blend(picture, (0.62, 0.72, 0.45), rng.uniform(0.2, 0.45) * np.clip(veins, 0, 1))

    ill = infect(rng, picture, leaf, condition)
    holes = _mishaps(rng, picture, leaf)
    if rng.random() < 0.4:  # the sky in a smooth leaf
        at_x, at_y, wide = rng.uniform((-0.5, -0.5, 0.15), (0.5, 0.5, 0.35))
        glare = np.exp(-(((_X - at_x) ** 2 + (_Y - at_y) ** 2) / wide**2))
        _blend(picture, (0.9, 0.93, 0.95), rng.uniform(0.2, 0.5) * glare)

    shown = (leaf * (1 - holes))[..., None]
    ground = _soil(around) if outdoors else _sheet(around)
    picture = shown * picture + (1 - shown) * ground
    warmth = rng.uniform(-0.12, 0.12)
    picture *= rng.uniform(0.75, 1.15) * np.array([1 + warmth, 1.0, 1 - warmth])
    if outdoors:  # the edge of a shadow
        turn = around.uniform(0, 2 * np.pi)
        edge = _X * np.cos(turn) + _Y * np.sin(turn) - around.uniform(-0.5, 0.5)
        picture *= (1 - around.uniform(0.2, 0.5) * _step(edge, 12.0))[..., None]
    small = picture.reshape(SIZE, 2, SIZE, 2, 3).mean(axis=(1, 3))
    small += rng.normal(0, 0.02, small.shape)
    return np.clip(small, 0, 1), float(ill.sum() / leaf.sum())


def make_example(number: int, outdoors: bool = False) -> Example:
    """The leaf with this number, as the builder's features have it."""
    picture, affected = render(number, outdoors)
    return {
        "image": np.round(255 * picture).astype(np.uint8),
        "plant": number % 4,
        "condition": number // 4 % 5,
        "affected": affected,
        "leaf": number,
    }


class Builder(OfflineBuilder):
    """Rendered photographs of leaves; README.md has the rules and the limits."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"
    SUPERVISED_KEYS = ("image", "condition")

    def features(self) -> dict[str, Any]:
        return {
            "image": tfds.features.Image(shape=(SIZE, SIZE, 3), doc="One leaf from above."),
            "plant": tfds.features.ClassLabel(names=list(PLANTS)),
            "condition": tfds.features.ClassLabel(names=list(CONDITIONS)),
            "affected": tfds.features.Scalar(
                dtype=np.float32, doc="The share of the leaf that is ill; never a model's input."
            ),
            "leaf": tfds.features.Scalar(
                dtype=np.int32, doc="The leaf's number; `test_outdoors` repeats `test`'s."
            ),
        }

    def examples(self) -> dict[str, Iterable[Example]]:
        ends = np.cumsum(list(SPLITS.values())).tolist()
        numbers = {
            name: range(end - count, end)
            for (name, count), end in zip(SPLITS.items(), ends, strict=True)
        }
        splits: dict[str, Iterable[Example]] = {
            name: map(make_example, chosen) for name, chosen in numbers.items()
        }
        splits["test_outdoors"] = (
            make_example(number, outdoors=True) for number in numbers["test"]
        )
        return splits
