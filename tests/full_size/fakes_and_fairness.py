"""A stand-in for ``celeb_a``: the one of the lesson on GANs serves here as well."""

from __future__ import annotations

from tests.full_size.gans import prepare

__all__ = ["HISTORY", "MODEL", "SMALL", "prepare"]

MODEL, HISTORY = "large", "large_history"
SMALL = {"MAPS": 2, "BATCH": 4, "LONG": 2}
