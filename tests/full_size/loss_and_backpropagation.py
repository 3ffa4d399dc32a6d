"""A stand-in for ``mnist``, the same as that of the lesson on neurons and layers."""

from __future__ import annotations

from tests.full_size.neurons_and_layers import prepare

MODEL, HISTORY = "wide", "wide_history"
SMALL = {"WIDTH": 16, "LAYERS_DEEP": 2, "BATCH": 4, "EPOCHS": 2}

__all__ = ["HISTORY", "MODEL", "SMALL", "prepare"]
