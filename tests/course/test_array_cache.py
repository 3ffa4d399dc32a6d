"""Splits kept as NumPy files: the same values, from whichever they come."""

from pathlib import Path

import numpy as np
import pytest

from course.datasets.array_cache import Columns, cached

TEXTS = ["", "क\0", "two\nlines ", "ü", "", "x"]


def columns() -> Columns:
    texts = np.empty((3, 2), object)
    texts.flat[:] = TEXTS
    return {
        "image": np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1),
        "captions/text": texts,
        "none": np.empty((0,), object),
        "label": np.array([2, 0, 1]),
    }


def unread() -> Columns:
    raise AssertionError("the records were read again")


def assert_same(first: Columns, second: Columns) -> None:
    assert list(first) == list(second)
    for name, values in first.items():
        assert values.dtype == second[name].dtype, name
        np.testing.assert_array_equal(values, second[name], err_msg=name)


def test_what_is_kept_is_what_was_read(tmp_path: Path) -> None:
    cached(tmp_path, "train", columns)
    kept = cached(tmp_path, "train", unread)
    assert_same(columns(), kept)
    # Whoever changes an array changes nobody else's.
    kept["image"][:] = 0
    assert_same(columns(), cached(tmp_path, "train", unread))


def test_each_part_of_a_split_is_kept_by_itself(tmp_path: Path) -> None:
    cached(tmp_path, "train", columns)
    part = cached(tmp_path, "train[:1]", lambda: {"label": np.array([2])})
    assert list(part) == ["label"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive at all"])
def test_a_damaged_file_is_read_and_written_again(tmp_path: Path, content: bytes) -> None:
    cached(tmp_path, "train", columns)
    (file,) = (tmp_path / "arrays").iterdir()
    file.write_bytes(content)
    assert_same(columns(), cached(tmp_path, "train", columns))
    assert_same(columns(), cached(tmp_path, "train", unread))


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "arrays").write_text("a file where the folder should be")
    assert_same(columns(), cached(tmp_path, "train", columns))
