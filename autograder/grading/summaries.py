"""Whether two summaries of values agree, and what they agree on.

The sandbox makes the summaries (``sandbox/inside/summary.py``). They are JSON, so comparing them
needs nothing of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Summary = Any

# The part of a summary that agrees with anything: two runs of the same answer differed there.
ANYTHING = "*"

# By kind of number, how far two may be apart relative to the larger one, or to 1 if that is less.
TOLERANCE = {"exact": 1e-9, "float": 1e-4, "half": 2e-2}


def same(one: Summary, other: Summary) -> bool:
    """Whether two summaries agree but for rounding."""
    if ANYTHING in (one, other) or one is other:
        return True
    if not (isinstance(one, list) and isinstance(other, list)):
        return bool(type(one) is type(other) and one == other)
    if len(one) != len(other) or one[:1] != other[:1]:
        return False
    compare = NUMBERS.get(one[0]) if one and isinstance(one[0], str) else None
    return compare(one, other) if compare else all(map(same, one, other))


def common(one: Summary, other: Summary) -> Summary:
    """What two summaries agree on, with ANYTHING for what they do not."""
    if same(one, other):
        return one
    are_lists = isinstance(one, list) and isinstance(other, list)
    if are_lists and 0 < len(one) == len(other) and one[0] == other[0] and one[0] not in WHOLES:
        return [one[0], *map(common, one[1:], other[1:])]
    return ANYTHING


def has_unsettled(one: Summary, right: Summary) -> bool:
    """Whether a summary holds ANYTHING where another one does not."""
    if right == ANYTHING:
        return False
    if not (isinstance(one, list) and isinstance(right, list)):
        return bool(one == ANYTHING)
    pairs = itertools.zip_longest(one, right)
    return any(has_unsettled(part, other) for part, other in pairs)


def _same_numbers(one: Summary, other: Summary) -> bool:
    (_, kind, shape, numbers), (_, other_kind, other_shape, others) = one, other
    tolerance = max(TOLERANCE[kind], TOLERANCE[other_kind])
    return bool(shape == other_shape and _close(numbers, others, tolerance))


def _same_sketch(one: Summary, other: Summary) -> bool:
    _, kind, shape, samples, scale, sums, odd = one
    _, other_kind, other_shape, other_samples, other_scale, other_sums, other_odd = other
    tolerance = max(TOLERANCE[kind], TOLERANCE[other_kind])
    apart = np.abs(np.subtract(sums, other_sums))
    return bool(
        shape == other_shape
        and _close(odd, other_odd, TOLERANCE["exact"])
        and _close(samples, other_samples, tolerance)
        # Rounding has random signs too, so its sum is hardly ever four times as large as usual.
        and (apart <= 4 * tolerance * max(scale, other_scale)).all()
    )


def _close(one: Iterable[float], other: Iterable[float], tolerance: float) -> bool:
    first, second = (np.asarray(list(each), dtype=np.float64) for each in (one, other))
    finite = np.isfinite(first)
    if not np.array_equal(first[~finite], second[~finite], equal_nan=True):
        return False
    if not np.array_equal(finite, np.isfinite(second)):
        return False
    sizes = np.maximum(np.abs(first[finite]), np.abs(second[finite]))
    least = min(1.0, float(sizes.max(initial=0.0)))
    apart = np.abs(first[finite] - second[finite])
    return bool((apart <= tolerance * np.maximum(sizes, least)).all())


NUMBERS: dict[str, Callable[[Summary, Summary], bool]] = {
    "numbers": _same_numbers,
    "sketch": _same_sketch,
}
# What two runs agree on as a whole or not at all.
WHOLES = {*NUMBERS, "weights"}
