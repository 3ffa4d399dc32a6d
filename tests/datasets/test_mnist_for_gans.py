"""The public data set that lesson 24 names, read as the lesson reads it, from a few made images."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from course import datasets


def few_images(count):
    rng = np.random.default_rng(count)
    for index in range(count):
        image = rng.integers(0, 256, (28, 28, 1), dtype=np.uint8)
        yield index, {"image": image, "label": index % 10}


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    builder = tfds.builder("mnist", data_dir=str(tmp_path), try_gcs=False)
    splits = {"train": 24, "test": 8}
    monkeypatch.setattr(
        type(builder),
        "_split_generators",
        lambda self, manager: {name: few_images(count) for name, count in splits.items()},
    )
    config = tfds.download.DownloadConfig(try_download_gcs=False, compute_stats="skip")
    builder.download_and_prepare(download_config=config)


def test_the_lessons_call_gives_batches_that_a_gan_can_read(mnist):
    big = datasets.load("mnist", split="train", as_supervised=True)
    big = big.map(lambda image, label: tf.cast(image, tf.float32) / 127.5 - 1)
    (batch,) = big.batch(128)
    assert batch.shape == (24, 28, 28, 1)
    assert batch.dtype == tf.float32
    assert -1 <= float(tf.reduce_min(batch)) < -0.9
    assert 0.9 < float(tf.reduce_max(batch)) <= 1


def test_without_a_download_the_call_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    if tfds.core.constants.DATA_DIR and tfds.builder("mnist", try_gcs=False).is_prepared():
        pytest.skip("mnist has been downloaded here")
    with pytest.raises(datasets.DatasetNotDownloadedError, match="mnist"):
        datasets.load("mnist", split="train", as_supervised=True)
