"""Cells that must fail or pass where answers and tests share a process, made anew each time.

They compare as tests do. If one does not end as it must, something has been done to how tests are
run.
"""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass

from autograder.sandbox.inside.protocol import SharedDone

_random = random.SystemRandom()

FAILING = (
    "assert {a} + {b} == {wrong}, {word!r}",
    "assert sorted([{b}, {a}])[0] == {wrong}, {word!r}",
    "assert __import__('numpy').allclose([{a}.0, {b}.0], [{a}.0, {wrong}.0]), {word!r}",
    "__import__('numpy').testing.assert_allclose({b}.0, {wrong}.0, err_msg={word!r})",
    "__import__('numpy').testing.assert_array_equal([{a}, {b}], [{a}, {wrong}], {word!r})",
    "__import__('unittest').TestCase().assertEqual({b}, {wrong}, {word!r})",
    "__import__('unittest').TestCase().assertTrue({b} == {wrong}, {word!r})",
)

PASSING = """\
def _{word}():
    import unittest, numpy, pandas
    case, frame = unittest.TestCase(), pandas.DataFrame({{"a": [{a}], "b": [{b}]}})
    attempts = (
        lambda: numpy.testing.assert_equal({b}, {wrong}),
        lambda: numpy.testing.assert_allclose([{a}.0, {b}.0], [{a}.0, {wrong}.0]),
        lambda: numpy.testing.assert_almost_equal({b}.0, {wrong}.0),
        lambda: numpy.testing.assert_array_almost_equal([{b}.0], [{wrong}.0]),
        lambda: numpy.testing.assert_array_equal([{b}], [{wrong}]),
        lambda: pandas.testing.assert_frame_equal(frame, frame + 1),
        lambda: pandas.testing.assert_series_equal(frame["a"], frame["a"] + 1),
        lambda: case.assertEqual({b}, {wrong}),
        lambda: case.assertAlmostEqual({b}.0, {wrong}.0),
        lambda: case.assertTrue({b} > {wrong}),
        lambda: case.assertIn({b}, [{wrong}]),
    )
    for attempt in attempts:
        try:
            attempt()
        except AssertionError:
            continue
        raise RuntimeError
    numpy.testing.assert_allclose({a}.0, {a}.0)
    case.assertEqual({b}, {b})
    assert numpy.allclose({a}.0, {a}.0) and not numpy.allclose({b}.0, {wrong}.0)
    assert numpy.isclose({a}.0, {a}.0) and not numpy.isclose({b}.0, {wrong}.0)
    assert numpy.array_equal([{a}], [{a}]) and not numpy.array_equal([{b}], [{wrong}])
    assert len([{a}, {b}]) == 2 and abs(-{a}) == {a} and isinstance({a}, int)
    assert not isinstance({a}, str) and not all([{a}, 0]) and not any([0, 0])
    return {a} * {b}
__import__("sys").stdout.write(str(_{word}()))
del _{word}
"""


@dataclass(frozen=True)
class Canary:
    """A cell, and how it must end: with an error that says ``word``, or printing ``printed``."""

    source: str
    word: str
    printed: str | None = None

    def wrong(self, done: SharedDone) -> str | None:
        """What is wrong with how it ended; None if nothing is."""
        error = done.error
        if error is not None and error.ename == "MemoryError":
            # That is nobody's doing against the tests, and they fail by themselves.
            return None
        if self.printed is None:
            if error is None or error.ename != "AssertionError" or self.word not in error.evalue:
                return "a comparison that must fail (it did not)"
            return None
        printed = "".join(output.get("text", "") for output in done.outputs)
        if error is not None or printed != self.printed:
            return "comparisons that must pass (they did not)"
        return None


def failing() -> Canary:
    """A cell that must fail."""
    a, b, word = _parts()
    text = _random.choice(FAILING).format(a=a, b=b, wrong=a + b + a, word=word)
    return Canary(text, word)


def passing() -> Canary:
    """A cell that must pass."""
    a, b, word = _parts()
    text = PASSING.format(a=a, b=b, wrong=b + a, word=word)
    return Canary(text, word, str(a * b))


def _parts() -> tuple[int, int, str]:
    return _random.randint(2, 900), _random.randint(1_000, 9_999), secrets.token_hex(8)
