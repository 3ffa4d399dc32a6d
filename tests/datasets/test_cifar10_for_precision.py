"""The public data set that lesson 05 names, read as the lesson reads it, from a few made images."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from course import datasets


def few_images(count):
    rng = np.random.default_rng(count)
    for index in range(count):
        image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        yield index, {"id": f"made_{index}", "image": image, "label": index % 10}


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    builder = tfds.builder("cifar10", data_dir=str(tmp_path), try_gcs=False)
    splits = {"train": 50, "test": 10}
    monkeypatch.setattr(
        type(builder),
        "_split_generators",
        lambda self, manager: {name: few_images(count) for name, count in splits.items()},
    )
    config = tfds.download.DownloadConfig(try_download_gcs=False, compute_stats="skip")
    builder.download_and_prepare(download_config=config)


@pytest.mark.parametrize(("split", "count"), [("train", 50), ("train[:4%]", 2)])
def test_the_lessons_call_gives_batches_that_the_network_takes(cifar10, split, count):
    data = datasets.load("cifar10", split=split, as_supervised=True)
    data = data.cache().shuffle(10_000, seed=0).batch(256)
    ((images, labels),) = data.map(lambda x, y: (tf.cast(x, tf.float32) / 255, y))
    assert images.shape == (count, 32, 32, 3)
    assert images.dtype == tf.float32
    assert 0 <= float(tf.reduce_min(images)) < 0.1
    assert 0.9 < float(tf.reduce_max(images)) <= 1
    assert labels.shape == (count,)
    assert set(labels.numpy()) <= set(range(10))


def test_without_a_download_the_call_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    if tfds.core.constants.DATA_DIR and tfds.builder("cifar10", try_gcs=False).is_prepared():
        pytest.skip("cifar10 has been downloaded here")
    with pytest.raises(datasets.DatasetNotDownloadedError, match="cifar10"):
        datasets.load("cifar10", split="train", as_supervised=True)
