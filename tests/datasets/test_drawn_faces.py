"""The simulated faces: shapes, splits, determinism, and what the description says of them."""

import numpy as np
import pytest

from course import datasets
from course.datasets.builders.drawn_faces import drawn_faces_dataset_builder as module

# Drawing the faces takes more than five seconds.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def loaded(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        names = list(module.SPLITS)
        splits, info = datasets.load("drawn_faces", split=names, batch_size=-1, with_info=True)
        arrays = [{name: value.numpy() for name, value in split.items()} for split in splits]
        yield dict(zip(names, arrays, strict=True)), info


@pytest.fixture(scope="module")
def splits(loaded):
    return loaded[0]


def measured_tone(pictures):
    top, left, bottom, right = module.CHEEKS
    span = module.LIGHTEST - module.DARKEST
    cheeks = pictures[:, top:bottom, left:right].mean(axis=(1, 2))
    return 100 * (cheeks - module.DARKEST) @ span / (span @ span)


@pytest.mark.parametrize(
    ("name", "darker", "lighter"),
    [("train_skewed", 48, 1552), ("train_balanced", 800, 800), ("test", 200, 200)],
)
def test_shapes_types_and_groups(splits, name, darker, lighter):
    split = splits[name]
    for pictures in (split["photo"], split["portrait"]):
        assert pictures.shape == (darker + lighter, 16, 16, 3)
        assert pictures.dtype == np.uint8
    assert np.bincount(split["group"]).tolist() == [darker, lighter]


def test_tones_are_in_the_range_of_their_group(splits):
    for split in splits.values():
        for number, name in enumerate(module.GROUPS):
            tones = split["tone"][split["group"] == number]
            low, high = module.TONES[name]
            assert low <= tones.min() <= tones.max() <= high


def test_cheeks_of_every_portrait_show_the_tone(splits):
    for split in splits.values():
        assert np.abs(measured_tone(split["portrait"]) - split["tone"]).max() < 1


def test_photos_are_brighter_in_more_light(splits):
    test = splits["test"]
    ratio = test["photo"].mean(axis=(1, 2, 3)) / test["portrait"].mean(axis=(1, 2, 3))
    assert np.corrcoef(ratio, test["light"])[0, 1] > 0.9


def test_everything_else_is_independent_of_the_tone(splits):
    balanced = splits["train_balanced"]
    for name in ("light", "smile", "glasses"):
        assert abs(np.corrcoef(balanced[name], balanced["group"])[0, 1]) < 0.1
    shares = [np.bincount(balanced["hair"][balanced["group"] == g]) / 800 for g in (0, 1)]
    assert np.abs(shares[0] - shares[1]).max() < 0.08


def test_no_face_is_in_two_splits(splits):
    portraits = np.concatenate([split["portrait"] for split in splits.values()])
    assert len(np.unique(portraits.reshape(len(portraits), -1), axis=0)) == len(portraits)


def test_the_same_face_every_time_and_a_smile_changes_the_mouth_only():
    faces = [module.make_face(np.random.default_rng([module.SEED, 3]), "darker") for _ in range(2)]
    one, two = (module.draw_face(face, smile=True) for face in faces)
    np.testing.assert_array_equal(one, two)
    changed = (one != module.draw_face(faces[0], smile=False)).any(axis=-1)
    assert changed.any()
    assert not changed[:10].any()


def test_the_description_says_that_it_is_simulated_and_what_it_cannot_show(loaded):
    info = loaded[1]
    assert "Simulated" in info.description
    assert "No person" in info.description
    assert "Real skin is not one number" in info.description
    assert "CC BY 4.0" in info.description
    assert "deep_learning_course_drawn_faces" in info.citation
