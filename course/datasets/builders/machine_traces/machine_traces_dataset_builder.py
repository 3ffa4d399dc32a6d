"""Simulated currents of a machine that repeats itself, with faults; README.md has the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

SEED = 181
LENGTH = 128
NOISE = 0.05
KINDS = ("normal", "chatter", "slip", "stuck", "hard", "slow")
SPLITS = {
    "train": {"normal": 4_000},
    "validation": {"normal": 600} | dict.fromkeys(KINDS[1:], 20),
    "test": {"normal": 3_000} | dict.fromkeys(KINDS[1:], 20),
    "known_faults": {"chatter": 60, "hard": 60},
}

_TURNS = 5  # more than fit into a window


def simulate(count: int, kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Windows of one kind.

    Args:
        count: how many.
        kind: one of ``KINDS``.
        rng: where chance comes from.

    Returns:
        the currents, float32, and whether a sample belongs to the wrong turn, uint8, both of shape
        (count, LENGTH).
    """

    def some(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (count, 1))

    period = some(34, 50) * rng.normal(1, 0.002, (count, _TURNS))
    load = some(0.5, 1.2) * rng.normal(1, 0.01, (count, _TURNS))
    back, zero = some(0.4, 1.0), some(-0.1, 0.1)
    start = -some(0, 1) * period[:, :1]
    wrong = _whole_turn(start, period, rng)
    rows = np.arange(count)
    if kind == "hard":
        usual = load.mean(axis=1)
        load[rows, wrong] = np.where(usual > 0.85, usual - 0.35, usual + 0.35)
    if kind == "slow":
        usual = period.mean(axis=1)
        period[rows, wrong] = np.where(usual > 42, 0.78, 1.22) * usual
    edges = _edges(start, period)
    samples = np.arange(LENGTH)
    turn = (samples[:, None] >= edges[:, None, 1:]).sum(axis=2)
    at, length, height = (np.take_along_axis(x, turn, 1) for x in (edges, period, load))
    time = (samples - at) / length  # from 0 to 1 through each turn
    is_wrong = (turn == wrong[:, None]) & (kind != "normal")
    plateau = height * (1 + 0.2 * (time - 0.4)) * (_rise(time - 0.22) - _rise(time - 0.56))
    chance = some(0, 1)
    if kind == "chatter":
        ripple = 0.25 * np.sin(2 * np.pi * (time * (9 + 3 * chance) + chance))
        plateau += is_wrong * ripple * (_rise(time - 0.27) - _rise(time - 0.52))
    if kind == "slip":
        plateau *= 1 - is_wrong * 0.6 * _peak(time, 0.32 + 0.12 * chance, 0.035)
    returns = _peak(time, 0.78, 0.045)
    if kind == "stuck":
        returns = returns * ~is_wrong
    current = 0.85 * _peak(time, 0.1, 0.035) + plateau - back * returns + zero
    current += rng.normal(0, NOISE, current.shape)
    return current.astype("float32"), is_wrong.astype("uint8")


def _edges(start: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Where turns begin, and the last one ends, in samples."""
    return start + np.pad(period.cumsum(axis=1), ((0, 0), (1, 0)))


def _whole_turn(start: np.ndarray, period: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each window the number of a turn that lies in it, with room for a longer one."""
    edges = _edges(start, period)
    is_whole = (edges[:, :-1] >= 0) & (edges[:, 1:] <= LENGTH - 12)
    return (is_whole * rng.uniform(0.1, 1, is_whole.shape)).argmax(axis=1)


def _peak(time: np.ndarray, middle: float | np.ndarray, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((time - middle) / width) ** 2)


def _rise(time: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-time / 0.025))


class Builder(OfflineBuilder):
    """Simulated currents of a machine; README.md has the rules and the limits."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"

    def features(self) -> dict[str, Any]:
        return {
            "current": tfds.features.Tensor(
                shape=(LENGTH,), dtype=np.float32, doc="the motor's current, sample by sample"
            ),
            "turn": tfds.features.Tensor(
                shape=(LENGTH,), dtype=np.uint8, doc="1 in the turn that is wrong"
            ),
            "kind": tfds.features.ClassLabel(names=list(KINDS)),
        }

    def examples(self) -> dict[str, Iterable[Example]]:
        return {
            name: _windows(counts, np.random.default_rng([SEED, number]))
            for number, (name, counts) in enumerate(SPLITS.items())
        }


def _windows(counts: dict[str, int], rng: np.random.Generator) -> Iterator[Example]:
    for kind, count in counts.items():
        for current, turn in zip(*simulate(count, kind, rng), strict=True):
            yield {"current": current, "turn": turn, "kind": kind}
