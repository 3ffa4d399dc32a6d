"""A split as arrays in one call: names, shapes, types, scaling, and what cannot be arrays."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from course import datasets


@pytest.fixture(scope="module", autouse=True)
def data(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        yield generated_data


class Unequal(tfds.core.GeneratorBasedBuilder):
    """Two pictures of different sizes."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"picture": tfds.features.Image(shape=(None, None, 1))}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for size in (2, 3):
            yield size, {"picture": np.ones((size, size, 1), np.uint8)}


def test_every_feature_as_it_is_stored():
    loaded = datasets.load("digits", split="train", batch_size=-1)
    digits = datasets.arrays("digits", "train")
    assert set(digits) == {"image", "index", "label"}
    for name, values in digits.items():
        np.testing.assert_array_equal(values, loaded[name].numpy())
        assert values.dtype == loaded[name].numpy().dtype


def test_scaled_images_go_from_0_to_1_whatever_a_pixel_counts():
    plain, scaled = (
        datasets.arrays("digits", "test"),
        datasets.arrays("digits", "test", scaled=True),
    )
    assert scaled["image"].dtype == np.float32
    np.testing.assert_array_equal(scaled["image"], plain["image"].astype("float32") / 16)
    np.testing.assert_array_equal(scaled["label"], plain["label"])
    films = datasets.arrays("chest_xrays", "test[:3]", scaled=True)["image"]
    stored = datasets.arrays("chest_xrays", "test[:3]")["image"]
    np.testing.assert_array_equal(films, stored.astype("float32") / 255)


def test_a_mask_is_not_scaled():
    scenes = datasets.arrays("shore_scenes", "test[:20]", scaled=True)
    assert scenes["image"].dtype == np.float32
    assert scenes["mask"].dtype == np.uint8
    assert set(np.unique(scenes["mask"])) == {0, 1, 2}


def test_input_and_target_alone():
    x, y = datasets.arrays("digits", "test", as_supervised=True, scaled=True)
    assert x.shape == (500, 8, 8, 1)
    assert x.max() == 1
    assert y.shape == (500,)


def test_text_is_str_and_inner_features_have_a_slash():
    scenes = datasets.arrays("shore_scenes", "train[:5]")
    assert scenes["captions/text"].shape == (5, 2)
    assert all(isinstance(text, str) for text in scenes["captions/text"].flat)
    dates = datasets.arrays("hindi_dates", "test[:2]")
    assert dates["hi"].dtype == object
    assert isinstance(dates["hi"][0], str)


def test_a_public_dataset_by_the_same_call():
    with pytest.raises(datasets.DatasetNotDownloadedError):
        datasets.arrays("cifar10", "train")
    with pytest.raises(datasets.DatasetNotDownloadedError):
        datasets.info("cifar10")


def test_errors_say_what_can_be_had():
    with pytest.raises(ValueError, match="tets"):
        datasets.arrays("digits", "tets")
    with pytest.raises(ValueError, match=r"names no input and target.*notes"):
        datasets.arrays("melodies", "train", as_supervised=True)


def test_smaller_examples_are_filled_with_zeros(data):
    Unequal(data_dir=str(data)).download_and_prepare()
    pictures = datasets.arrays("unequal", "train")["picture"]
    assert pictures.shape == (2, 3, 3, 1)
    assert sorted(pictures.sum(axis=(1, 2, 3))) == [4, 9]


def test_facts_of_a_dataset_are_the_same_before_and_after_it_is_read_from_disk():
    for name in ("chest_xrays", "drawn_faces", "patient_dossiers", "hindi_dates"):
        first, again = datasets.info(name), datasets.info(name)
        assert first.metadata == again.metadata
        assert first.metadata
    assert datasets.info("chest_xrays").metadata["corners"]["north"] == [0, 52, 12, 64]
