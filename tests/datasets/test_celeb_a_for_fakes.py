"""The public data set that lesson 25 names, read as the lesson reads it, from a few made images."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from course import datasets


def few_images(features, count):
    rng = np.random.default_rng(count)
    for index in range(count):
        image = rng.integers(0, 256, (218, 178, 3), dtype=np.uint8)
        flags = {name: index % 2 == 0 for name in features["attributes"]}
        numbers = {name: dict.fromkeys(features[name], index) for name in ("landmarks", "identity")}
        yield index, {"image": image, "attributes": flags, **numbers}


@pytest.fixture
def celeb_a(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    builder = tfds.builder("celeb_a", data_dir=str(tmp_path), try_gcs=False)
    splits = {"train": 6, "validation": 2, "test": 2}
    monkeypatch.setattr(
        type(builder),
        "_split_generators",
        lambda self, manager: {
            name: few_images(self.info.features, count) for name, count in splits.items()
        },
    )
    config = tfds.download.DownloadConfig(try_download_gcs=False, compute_stats="skip")
    builder.download_and_prepare(download_config=config)


def test_the_lessons_call_gives_batches_of_small_photographs(celeb_a):
    big = datasets.load("celeb_a", split="train")
    big = big.map(lambda row: tf.image.resize(tf.cast(row["image"], tf.float32) / 255, (64, 64)))
    (batch,) = big.batch(64)
    assert batch.shape == (6, 64, 64, 3)
    assert 0 <= float(tf.reduce_min(batch)) < 0.3
    assert 0.7 < float(tf.reduce_max(batch)) <= 1


def test_without_a_download_the_call_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    if tfds.core.constants.DATA_DIR and tfds.builder("celeb_a", try_gcs=False).is_prepared():
        pytest.skip("celeb_a has been downloaded here")
    with pytest.raises(datasets.DatasetNotDownloadedError, match="celeb_a"):
        datasets.load("celeb_a", split="train")
