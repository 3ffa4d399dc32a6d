"""The simulated portraits: shapes, splits, walks, and what the description says of them."""

import numpy as np
import pytest

from course import datasets
from course.datasets.builders.drawn_portraits import drawn_portraits_dataset_builder as module

# Drawing the portraits takes more than five seconds.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def splits(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        yield {name: datasets.arrays("drawn_portraits", name) for name in module.SPLITS}


def test_shapes_and_types(splits):
    for name, count in module.SPLITS.items():
        assert splits[name]["image"].shape == (count, 24, 24, 3)
        assert splits[name]["image"].dtype == np.uint8


def test_no_face_is_in_two_splits(splits):
    pictures = np.concatenate([split["image"] for split in splits.values()])
    assert len(np.unique(pictures.reshape(len(pictures), -1), axis=0)) == len(pictures)


def test_every_attribute_is_independent_of_the_others(splits):
    names = ("turn", "mood", "tone", "hair", "glasses")
    related = np.corrcoef([splits["train"][name] for name in names])
    assert np.abs(related - np.eye(len(names))).max() < 0.08


def test_glasses_are_as_frequent_as_the_description_says(splits):
    assert abs(splits["train"]["glasses"].mean() - module.GLASSES_SHARE) < 0.03


def test_the_third_face_of_a_walk_is_half_way(splits):
    walks = splits["walks"]
    for name in ("turn", "mood", "tone"):
        first, last, middle = (walks[name][place::3] for place in range(3))
        np.testing.assert_allclose(middle, (first + last) / 2, atol=1e-6)
    for name in ("hair", "glasses"):
        first, last, middle = (walks[name][place::3] for place in range(3))
        np.testing.assert_array_equal(first, last)
        np.testing.assert_array_equal(first, middle)


def test_the_same_face_every_time_and_glasses_change_the_eyes_only():
    face = module.make_face(np.random.default_rng(3))
    bare, worn = (module.draw_portrait(face | {"glasses": worn}) for worn in (0, 1))
    np.testing.assert_array_equal(bare, module.draw_portrait(face | {"glasses": 0}))
    rows = np.flatnonzero((bare != worn).any(axis=(1, 2))) * 32 / module.SIZE
    assert len(rows)
    assert abs(rows - (face["y"] - 2)).max() < 5


def test_info_says_that_nobody_is_behind_a_picture():
    assert "Simulated, not real" in datasets.info("drawn_portraits").description
