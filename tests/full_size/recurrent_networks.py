"""A stand-in for ``groove``: as there, a few MIDI files a split, of a drummer's blows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

MODEL, HISTORY = "band", "band_history"
SMALL = {"UNITS": 8, "WINDOW": 16, "BATCH": 4, "EPOCHS": 2}
PITCHES = (36, 38, 42)


def performance(rng: np.random.Generator) -> bytes:
    """Sixty sixteenth notes with one blow each."""
    track = b"".join(bytes([120, 0x99, int(rng.choice(PITCHES)), 90]) for _ in range(60))
    track += bytes([0, 0xFF, 0x2F, 0])
    header = b"MThd" + bytes([0, 0, 0, 6, 0, 0, 0, 1, 1, 0xE0])
    return header + b"MTrk" + len(track).to_bytes(4, "big") + track


def prepare(folder: Path) -> None:
    """Write it, with the features of the real one."""
    rng = np.random.default_rng(0)
    features = tfds.builder("groove/full-midionly", data_dir=folder, try_gcs=False).info.features
    rest = {"drummer": 0, "type": 0, "bpm": 120, "time_signature": 1}
    rest |= {"id": "1", "style": {"primary": 5, "secondary": ""}}
    tfds.dataset_builders.store_as_tfds_dataset(
        name="groove",
        config="full-midionly",
        version="2.0.1",
        data_dir=folder,
        features=features,
        split_datasets={
            part: [(number, rest | {"midi": performance(rng)}) for number in range(2)]
            for part in ("train", "validation", "test")
        },
    )
