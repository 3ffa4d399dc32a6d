"""Simulated card payments: habits, fraud and drift; README.md has the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

SEED = 18
CUSTOMERS = 600
PER_MONTH = 12_000
BASE_RATE = 0.002
DAYS = 30
TRAIN, VALIDATION, TEST = (1, 2, 3), (4,), (5, 6, 7, 8)
GROUPS = ("day", "night", "arrival")
SHOPS = ("groceries", "meals", "transport", "clothes", "electronics", "services", "cash")
KINDS = ("honest", "testing", "spree", "cash_abroad", "takeover", "mimic")

# Share of each kind of fraud; ``takeover`` does not exist before the test months.
_SHARES = {"testing": 0.2, "spree": 0.25, "cash_abroad": 0.2, "takeover": 0.25, "mimic": 0.1}
_PAYMENTS = {"testing": 4, "spree": 3, "cash_abroad": 2, "takeover": 1, "mimic": 1}
_OFFSETS = np.log([0.9, 0.6, 0.5, 1.6, 2.5, 1.0, 2.0])  # of a shop's kind, on the log of the amount
_LIKES = np.array([0.32, 0.2, 0.13, 0.1, 0.06, 0.12, 0.07])
_ONLINE = np.array([0.08, 0.12, 0.2, 0.35, 0.4, 0.6, 0.0])

COLUMNS = {
    "amount": "euros",
    "usual_ratio": "the amount divided by the customer's usual amount",
    "hour": "local time of day, from 0 to 24",
    "distance": "km from the customer's home; 0 for an online payment within the country",
    "gap": "hours since the customer's previous payment, at most 240",
    "payments_24h": "payments of the customer in the 24 hours before",
    "spent_24h": "euros that the customer spent in the 24 hours before",
    "online": "1 if paid over the internet",
    "abroad": "1 if the shop is in another country",
    "new_shop": "1 if the customer has never paid there before",
}


def make_customers() -> dict[str, np.ndarray]:
    """The 600 customers: group, log of the usual amount, likes for shops, activity, travels."""
    rng = np.random.default_rng([SEED, 0])
    group = rng.permutation(np.arange(CUSTOMERS) % 50)  # 3 in 50 each are night and arrival
    group = np.where(group < 3, 1, np.where(group < 6, 2, 0))
    likes = np.array([rng.dirichlet(12 * _LIKES + 0.3) for _ in range(CUSTOMERS)])
    travels = rng.random((CUSTOMERS, 9)) < np.where(np.arange(9) >= 7, 0.3, 0.1)
    return {
        "group": group,
        "usual": rng.normal(3.2, 0.45, CUSTOMERS),
        "likes": likes,
        "activity": rng.gamma(4, 1, CUSTOMERS),
        "travels": travels,  # by month: whether the customer is away for a week
        "leaves": rng.integers(0, DAYS - 7, (CUSTOMERS, 9)),  # the day on which the week begins
    }


def _payments(
    rng: np.random.Generator, customers: dict[str, np.ndarray], who: np.ndarray, month: int
) -> dict[str, np.ndarray]:
    """Payments as these customers make them, one for each entry of ``who``."""
    count, group = len(who), customers["group"][who]
    late = max(0, month - 3)
    day = rng.integers(0, DAYS, count)
    at_work = rng.random(count) < 0.5
    by_day = np.where(at_work, rng.normal(12.5, 2.2, count), rng.normal(18, 2.0, count))
    by_night = np.where(at_work, rng.normal(3, 2.0, count), rng.normal(22.5, 2.0, count))
    shop = (rng.random((count, 1)) > customers["likes"][who].cumsum(axis=1)).sum(axis=1)
    shop = np.minimum(shop, len(SHOPS) - 1)
    online = rng.random(count) < np.where(shop == 6, 0, _ONLINE[shop] + 0.025 * late)
    since = day - customers["leaves"][who, month]
    away = customers["travels"][who, month] & (since >= 0) & (since < 7) & ~online
    homeland = (group == 2) & (rng.random(count) < 0.25)
    abroad = away | homeland | (online & (rng.random(count) < 0.05))
    distance = np.where(online, 0.0, rng.exponential(7, count))
    distance = np.where(abroad, rng.uniform(300, 3000, count), distance)
    likely_new = np.where(away, 0.7, np.where(group == 2, 0.5, 0.12 + 0.015 * late))
    return {
        "customer": who,
        "day": day,
        "hour": np.where(group == 1, by_night, by_day) % 24,
        "shop": shop,
        "amount": np.exp(
            customers["usual"][who] + _OFFSETS[shop] + rng.normal(0, 0.5, count) + 0.02 * late
        ),
        "online": online,
        "abroad": abroad,
        "distance": distance,
        "new_shop": rng.random(count) < likely_new,
    }


def _episode(
    rng: np.random.Generator, customers: dict[str, np.ndarray], kind: str, month: int
) -> dict[str, np.ndarray]:
    """One fraud, of one to four payments."""
    chance = customers["activity"] / customers["activity"].sum()
    count = _PAYMENTS[kind]
    who = np.full(count, rng.choice(CUSTOMERS, p=chance))
    rows = _payments(rng, customers, who, month)
    usual = np.exp(customers["usual"][who])
    rows["day"][:] = rows["day"][0]
    if kind == "mimic":
        rows["amount"] = 1.3 * rows["amount"]
        return rows
    start, pace = rows["hour"][0], {"testing": 0.08, "spree": 0.7}.get(kind, 0.5)
    if kind == "cash_abroad":
        start = rng.uniform(0, 5)
    rows["hour"] = np.minimum(start + pace * np.arange(count) * rng.uniform(0.6, 1.4), 23.99)
    rows["new_shop"] = rng.random(count) < 0.9
    rows["abroad"] = rng.random(count) < {"spree": 0.1, "cash_abroad": 1.0}.get(kind, 0.35)
    rows["online"] = np.full(count, kind in ("testing", "takeover"))
    far = np.where(rows["online"], 0.0, rng.uniform(15, 120, count))
    rows["distance"] = np.where(rows["abroad"], rng.uniform(300, 6000, count), far)
    if kind == "testing":
        rows["shop"] = np.full(count, 5)
        rows["amount"] = rng.uniform(1, 6, count)
    else:
        shops = {"spree": (3, 4), "cash_abroad": (6,), "takeover": (4, 5)}[kind]
        rows["shop"] = rng.choice(shops, count)
        rows["amount"] = usual * rng.uniform(4, 10, count)
    return rows


def simulate(months: Sequence[int], base_rate: float, seed: int) -> dict[str, np.ndarray]:
    """Payments of the given months in the order of time; frauds are ``base_rate`` of each month.

    Args:
        months: the numbers of the months, from 1 to 8.
        base_rate: the share of payments that are fraud.
        seed: the seed of the payments; the customers are the same for every seed.

    Returns:
        a dictionary of arrays of one length: ``COLUMNS`` as float32, and ``shop``, ``kind``,
        ``group``, ``customer``, ``month`` and ``day`` (from 0, through all months) as integers.
    """
    customers = make_customers()
    rng = np.random.default_rng([SEED, seed])
    chance = customers["activity"] / customers["activity"].sum()
    parts = []
    for month in months:
        frauds = round(base_rate * PER_MONTH)
        who = rng.choice(CUSTOMERS, PER_MONTH - frauds, p=chance)
        parts.append(_payments(rng, customers, who, month) | _stamp(0, month, len(who)))
        shares = {k: s for k, s in _SHARES.items() if k != "takeover" or month in TEST}
        for kind, wanted in _portions(shares, frauds).items():
            while wanted > 0:
                rows = _episode(rng, customers, kind, month)
                rows |= _stamp(KINDS.index(kind), month, len(rows["day"]))
                parts.append({name: values[:wanted] for name, values in rows.items()})
                wanted -= len(parts[-1]["day"])
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    rows["day"] = rows["day"] + DAYS * (rows["month"] - 1)
    rows["group"] = customers["group"][rows["customer"]]
    rows["usual_ratio"] = rows["amount"] / np.exp(customers["usual"][rows["customer"]])
    _look_back(rows)
    order = np.lexsort((rows["hour"], rows["day"]))
    return {
        name: values[order].astype("float32" if name in COLUMNS else "int32")
        for name, values in rows.items()
    }


def _stamp(kind: int, month: int, count: int) -> dict[str, np.ndarray]:
    return {"kind": np.full(count, kind), "month": np.full(count, month)}


def _portions(shares: dict[str, float], total: int) -> dict[str, int]:
    """Whole numbers that add up to ``total``, by the method of the largest remainder."""
    exact = {name: total * share / sum(shares.values()) for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    for name in sorted(exact, key=lambda name: counts[name] - exact[name]):
        if sum(counts.values()) < total:
            counts[name] += 1
    return counts


def _look_back(rows: dict[str, np.ndarray]) -> None:
    """Add what the bank knows of the customer's last 24 hours, in place."""
    time = 24.0 * rows["day"] + rows["hour"]
    count = len(time)
    rows["gap"], rows["payments_24h"] = np.full(count, 240.0), np.zeros(count)
    rows["spent_24h"] = np.zeros(count)
    order = np.lexsort((time, rows["customer"]))
    starts = np.flatnonzero(np.diff(rows["customer"][order], prepend=-1))
    for mine in np.split(order, starts[1:]):
        when = time[mine]
        first = np.searchsorted(when, when - 24.0)
        spent = np.concatenate([[0.0], np.cumsum(rows["amount"][mine])])
        at = np.arange(len(mine))
        rows["payments_24h"][mine] = at - first
        rows["spent_24h"][mine] = spent[at] - spent[first]
        rows["gap"][mine[1:]] = np.minimum(np.diff(when), 240.0)


class Builder(OfflineBuilder):
    """Simulated card payments; README.md has the rules and the limits."""

    VERSION = tfds.core.Version("1.0.0")
    LICENSE = "CC BY 4.0"

    def features(self) -> dict[str, Any]:
        scalar = tfds.features.Scalar
        whole = {
            "customer": "the customer's number",
            "month": "from 1 to 8",
            "day": "from 0 to 239",
        }
        return (
            {name: scalar(np.float32, doc=doc) for name, doc in COLUMNS.items()}
            | {name: scalar(np.int32, doc=doc) for name, doc in whole.items()}
            | {
                "shop": tfds.features.ClassLabel(names=list(SHOPS)),
                "kind": tfds.features.ClassLabel(names=list(KINDS)),
                "group": tfds.features.ClassLabel(names=list(GROUPS)),
            }
        )

    def examples(self) -> dict[str, Iterable[Example]]:
        rows = simulate(TRAIN + VALIDATION + TEST, BASE_RATE, seed=1)
        many = simulate(TRAIN + TEST, 25 * BASE_RATE, seed=2)
        fraud = many["kind"] > 0
        return {
            "train": _rows(rows, np.isin(rows["month"], TRAIN)),
            "validation": _rows(rows, np.isin(rows["month"], VALIDATION)),
            "test": _rows(rows, np.isin(rows["month"], TEST)),
            "more_train_frauds": _rows(many, fraud & np.isin(many["month"], TRAIN)),
            "more_test_frauds": _rows(many, fraud & np.isin(many["month"], TEST)),
        }


def _rows(payments: dict[str, np.ndarray], chosen: np.ndarray) -> Iterator[Example]:
    columns = {name: values[chosen].tolist() for name, values in payments.items()}
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))
