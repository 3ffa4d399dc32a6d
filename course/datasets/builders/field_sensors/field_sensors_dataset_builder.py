"""Simulated fields with sensors, drought and irrigation; README.md has the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

SEED = 8
WEEKS, DECISION_WEEK, FLOWERING = 20, 8, slice(8, 13)
SENSORS = ("moisture", "rain", "temperature")
IRRIGATION_MM = 10.0
HEAT = 28.0  # °C, mean of a week
FIELDS_A_YEAR = 4
# Farms and years of each split.
SPLITS = {
    "train": (range(60), range(2010, 2020)),
    "validation": (range(60, 75), range(2010, 2020)),
    "test": (range(75, 110), range(2020, 2024)),
    "dry_year": (range(75, 110), (2024,)),
    "archive": (range(60), range(2000, 2010)),
}
_FLOWERING_WEIGHTS = 0.15 + np.exp(-(((np.arange(WEEKS) - 10.0) / 1.8) ** 2))
_FLOWERING_WEIGHTS /= _FLOWERING_WEIGHTS.sum()


def make_farm(farm: int) -> dict[str, float]:
    """A farm's soil and hidden quality; the same number gives the same farm."""
    rng = np.random.default_rng([SEED, 0, farm])
    sandy = farm % 10 == 7
    capacity = rng.normal(65, 6) if sandy else rng.normal(140, 25)
    return {
        "water_capacity": float(np.clip(capacity, 50, 210)),
        "humus": float(np.clip(rng.normal(1.4 if sandy else 2.6, 0.5), 0.6, 4.5)),
        "acidity": float(rng.normal(6.4, 0.4)),
        "quality": float(np.exp(rng.normal(0, 0.08))),
    }


def make_weather(farm: int, year: int) -> tuple[np.ndarray, np.ndarray]:
    """Rain (mm) and temperature (°C) of the 20 weeks, each of shape (20,)."""
    shared = np.random.default_rng([SEED, 1, year])
    own = np.random.default_rng([SEED, 2, year, farm])
    wetness, warmth = shared.uniform(0.65, 1.35), shared.normal(0, 0.8)
    spell = 1 + 0.35 * np.repeat(shared.normal(size=5), 4)  # months that are wet or dry for all
    if year in SPLITS["dry_year"][1]:
        wetness, warmth, spell = 0.5, 3.5, np.ones(WEEKS)
    mean = 20.0 * wetness * np.clip(spell, 0.25, None)
    rain = own.gamma(1.1, mean / 1.1) * own.uniform(0.5, 1.5)
    usual = 13.0 + 9.0 * np.sin(np.pi * (np.arange(WEEKS) + 2) / 25)
    temperature = np.clip(usual + warmth + own.normal(0, 1.3, WEEKS), 5, None)
    if year in SPLITS["dry_year"][1]:
        temperature[FLOWERING] += 4.0
    else:
        temperature = np.minimum(temperature, 27.0)
    return rain, temperature


def keep_bucket(rain: np.ndarray, temperature: np.ndarray, capacity: float) -> np.ndarray:
    """How full the soil is in each week, from 0 to 1, shape (20,)."""
    water, filled = 0.85 * capacity, []
    for mm, celsius in zip(rain, temperature, strict=True):
        full = water / capacity
        demand = 1.25 * celsius
        water = min(water + mm, capacity)
        water -= min(demand * min(1.0, full / 0.6), 0.95 * water)
        filled.append(water / capacity)
    return np.array(filled)


def grow(
    moisture: np.ndarray, temperature: np.ndarray, humus: float, acidity: float, nitrogen: float
) -> float:
    """Tonnes a hectare that these conditions allow, without the farm's quality and chance."""
    supplied = np.clip(moisture / 0.5, 0, 1)
    water = 1.12 * (_FLOWERING_WEIGHTS * supplied).sum() ** 1.3
    food = 1.08 * (1 - np.exp(-(nitrogen + 8 * humus) / 75)) * (1 - 0.1 * (acidity - 6.4) ** 2)
    scarcer = -np.log(np.exp(-14 * water) + np.exp(-14 * food)) / 14
    thirst = np.clip(1.2 - moisture[FLOWERING] / 0.4, 0, 1)
    burnt = np.mean((temperature[FLOWERING] > HEAT) * thirst)
    return 11.0 * max(scarcer, 0.02) * (1 - 0.9 * burnt)


def simulate(split: str) -> Iterator[Example]:
    """A split's rows: what the sensors read, what was harvested, and what would have been."""
    farms, years = SPLITS[split]
    for year in years:
        for number in farms:
            farm = make_farm(number)
            rain, temperature = make_weather(number, year)
            soil = farm["humus"], farm["acidity"]
            watered = rain.copy()
            watered[DECISION_WEEK : DECISION_WEEK + 4] += IRRIGATION_MM
            moisture = [
                keep_bucket(mm, temperature, farm["water_capacity"]) for mm in (rain, watered)
            ]
            rng = np.random.default_rng([SEED, 3, year, number])
            for _ in range(FIELDS_A_YEAR):
                nitrogen, luck = rng.uniform(0, 200), farm["quality"] * np.exp(rng.normal(0, 0.05))
                grown = [luck * grow(m, temperature, *soil, nitrogen) for m in moisture]
                seen = np.stack([m + rng.normal(0, 0.02, WEEKS) for m in moisture])
                dry = 1 / (1 + np.exp((moisture[0][DECISION_WEEK - 1] - 0.4) / 0.04))
                chance = 0.05 + 0.85 * dry if split == "archive" else 0.5
                irrigated = int(rng.random() < chance)
                sensors = [seen[irrigated], rain, temperature]
                # Before the decision both courses of the season are one.
                sensors[0][:DECISION_WEEK] = seen[0][:DECISION_WEEK]
                yield {
                    "farm": number,
                    "year": year,
                    "season": np.stack(sensors, axis=1).astype("float32"),
                    "water_capacity": farm["water_capacity"],
                    "humus": farm["humus"],
                    "acidity": farm["acidity"],
                    "nitrogen": nitrogen,
                    "irrigated": irrigated,
                    "harvest": grown[irrigated],
                    "if_dry": grown[0],
                    "if_irrigated": grown[1],
                }


class Builder(OfflineBuilder):
    """Simulated fields with sensors; README.md has the rules and the limits."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"

    def features(self) -> dict[str, Any]:
        scalar = tfds.features.Scalar
        numbers = {
            "water_capacity": "mm of water that the soil holds for plants",
            "humus": "% of the soil",
            "acidity": "pH of the soil",
            "nitrogen": "kg/ha given",
            "irrigated": "1 if 10 mm a week were given in weeks 9 to 12",
            "harvest": "tonnes a hectare",
            "if_dry": "tonnes a hectare without irrigation; never a model's input",
            "if_irrigated": "tonnes a hectare with irrigation; never a model's input",
        }
        return {
            "farm": scalar(np.int32, doc="the farm's number"),
            "year": scalar(np.int32),
            "season": tfds.features.Tensor(
                shape=(WEEKS, len(SENSORS)), dtype=np.float32, doc="moisture, mm, °C"
            ),
            **{name: scalar(np.float32, doc=doc) for name, doc in numbers.items()},
        }

    def examples(self) -> dict[str, Iterable[Example]]:
        return {name: simulate(name) for name in SPLITS}
