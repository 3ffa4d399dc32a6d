"""Drum performances in Standard MIDI Files as grids of sixteenth notes."""

from __future__ import annotations

import numpy as np

# The groups of drums of Gillick et al. (2019), "Learning to Groove with Inverse Sequence
# Transformations": kick, snare, closed and open hi-hat, low, middle and high tom, crash, ride. The
# numbers are those that a Roland TD-11 sends.
GROUPS = (
    (36,),
    (37, 38, 40),
    (22, 42, 44),
    (26, 46),
    (43, 58),
    (45, 47),
    (48, 50),
    (49, 52, 55, 57),
    (51, 53, 59),
)
_GROUP = {pitch: group for group, pitches in enumerate(GROUPS) for pitch in pitches}

# How many bytes of data follow each kind of message to a channel.
_DATA = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}


def drum_grid(file: bytes) -> np.ndarray:
    """Which drums are struck at each sixteenth note.

    Args:
        file: a Standard MIDI File whose times are in ticks of a quarter note, as those of the
            Groove MIDI Dataset. Each blow goes to the nearest sixteenth; drums in none of
            ``GROUPS`` are left out.

    Returns:
        zeros and ones, float32, of shape (sixteenths up to the last blow, 9).

    Raises:
        ValueError: the bytes are not such a file.
    """
    if file[:4] != b"MThd" or len(file) < 14:
        raise ValueError("These bytes are not a MIDI file: it would begin with 'MThd'.")
    quarter = int.from_bytes(file[12:14], "big")
    if quarter & 0x8000:
        raise ValueError("The times of this MIDI file are in seconds, not in quarter notes.")
    blows: list[tuple[int, int]] = []
    place = 8 + int.from_bytes(file[4:8], "big")
    while place + 8 <= len(file):
        end = place + 8 + int.from_bytes(file[place + 4 : place + 8], "big")
        if file[place : place + 4] == b"MTrk":
            blows += _notes(file[place + 8 : end])
        place = end
    steps = [(round(4 * tick / quarter), pitch) for tick, pitch in blows if pitch in _GROUP]
    grid = np.zeros((max((step for step, _ in steps), default=-1) + 1, len(GROUPS)), "float32")
    for step, pitch in steps:
        grid[step, _GROUP[pitch]] = 1
    return grid


def _notes(track: bytes) -> list[tuple[int, int]]:
    """Time in ticks and pitch of each note that begins in a track."""
    notes, place, tick, status = [], 0, 0, 0
    while place < len(track):
        wait, place = _number(track, place)
        tick += wait
        # A message of the kind of the one before need not repeat its first byte.
        if track[place] & 0x80:
            status, place = track[place], place + 1
        if status >= 0xF0:
            size, place = _number(track, place + (status == 0xFF))
        else:
            size = _DATA[status >> 4]
            if status >> 4 == 0x9 and track[place + 1] > 0:
                notes.append((tick, track[place]))
        place += size
    return notes


def _number(data: bytes, place: int) -> tuple[int, int]:
    """A number written seven bits to a byte, and the place after it."""
    number = 0
    while True:
        byte, place = data[place], place + 1
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place
