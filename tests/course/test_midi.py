"""Reading drums from MIDI files."""

import numpy as np
import pytest

from course import midi


def file(track: bytes, quarter: int = 480) -> bytes:
    """A MIDI file of one track."""
    header = b"MThd" + (6).to_bytes(4, "big") + bytes([0, 0, 0, 1]) + quarter.to_bytes(2, "big")
    return header + b"MTrk" + len(track).to_bytes(4, "big") + track


END = bytes([0, 0xFF, 0x2F, 0])


def test_each_blow_is_at_its_nearest_sixteenth():
    # A kick and, in running status, a closed hi-hat at 0; a snare a little before the second beat.
    track = bytes([0, 0x99, 36, 90, 0, 42, 70]) + bytes([0x83, 0x50, 0x99, 38, 100])
    grid = midi.drum_grid(file(track + END))
    assert grid.shape == (5, 9)
    assert grid.dtype == np.float32
    assert [tuple(place) for place in np.argwhere(grid)] == [(0, 0), (0, 2), (4, 1)]


def test_what_is_not_a_blow_is_passed_over():
    tempo, text = bytes([0, 0xFF, 0x51, 3, 7, 161, 32]), b"\x00\xff\x03\x04funk"
    others = bytes([0, 0xB9, 4, 90, 0, 0xC9, 5, 0, 0xF0, 2, 1, 0xF7])
    silent = bytes([0, 0x99, 36, 0, 10, 0x89, 36, 64])
    unknown = bytes([0, 0x99, 80, 64])
    assert midi.drum_grid(file(tempo + text + others + silent + unknown + END)).shape == (0, 9)


def test_every_track_is_read():
    first, second = (file(bytes([0, 0x99, pitch, 64]) + END) for pitch in (51, 49))
    grid = midi.drum_grid(first + second[14:])
    assert [tuple(place) for place in np.argwhere(grid)] == [(0, 7), (0, 8)]


@pytest.mark.parametrize(
    ("data", "said"), [(b"RIFF" + bytes(20), "MThd"), (file(END, 0xE728), "seconds")]
)
def test_a_file_of_another_kind_is_refused(data, said):
    with pytest.raises(ValueError, match=said):
        midi.drum_grid(data)
