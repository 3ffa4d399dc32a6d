"""Wine cultivars: what scikit-learn ships, and the public pictures that lesson 08 names."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from course import datasets

LESSON = Path(__file__).parents[2] / "solutions/08_crops_and_climate/crops_and_climate.py"


@pytest.fixture(scope="module")
def loaded(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        yield datasets.load("wine_cultivars", split="train", batch_size=-1, with_info=True)


def test_shapes_and_counts(loaded):
    data, info = loaded
    assert data["features"].shape == (178, 13)
    assert info.features["label"].names == ["Nebbiolo", "Grignolino", "Barbera"]
    assert np.bincount(data["label"].numpy()).tolist() == [59, 71, 48]
    assert np.isfinite(data["features"].numpy()).all()


def test_it_is_what_scikit_learn_ships(loaded):
    from sklearn.datasets import load_wine

    bunch = load_wine()
    ours, expected = loaded[0]["features"].numpy(), bunch.data.astype("float32")
    order, reference = np.lexsort(ours.T), np.lexsort(expected.T)
    np.testing.assert_array_equal(ours[order], expected[reference])
    np.testing.assert_array_equal(loaded[0]["label"].numpy()[order], bunch.target[reference])
    assert loaded[1].metadata["feature_names"] == list(bunch.feature_names)


def test_licence_and_citation_are_recorded(loaded):
    info = loaded[1]
    assert "CC BY 4.0" in info.description
    assert "10.24432/C5PC7J" in info.citation


# The public pictures, read by the lesson's own function, from a few made ones.


@pytest.fixture(scope="module")
def lesson():
    """The lesson's functions for pictures."""
    import keras
    from keras import layers

    (cell,) = [
        cell
        for cell in re.split(r"(?m)^# %%", LESSON.read_text(encoding="utf-8"))
        if "def load_pictures(" in cell
    ]
    names = {"keras": keras, "layers": layers, "datasets": datasets}
    exec(cell.partition("\n")[2], names)
    return names


def few_pictures(features, count):
    rng = np.random.default_rng(count)
    height, width, _ = features["image"].shape
    for index in range(count):
        shape = (height or 90, width or 70, 3)
        row = {"image": rng.integers(0, 256, shape, dtype=np.uint8), "label": index % 3}
        yield index, row | {name: f"{index}.jpg" for name in features if name not in row}


@pytest.fixture(params=["beans", "plant_village", "eurosat"])
def prepared(request, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    builder = tfds.builder(request.param, data_dir=str(tmp_path), try_gcs=False)
    monkeypatch.setattr(
        type(builder),
        "_split_generators",
        lambda self, manager: {"train": few_pictures(self.info.features, 6)},
    )
    config = tfds.download.DownloadConfig(try_download_gcs=False, compute_stats="skip")
    builder.download_and_prepare(download_config=config)
    return request.param, builder


def test_the_lessons_call_gives_batches_that_its_network_learns_from(prepared, lesson):
    import keras

    name, builder = prepared
    batches, kinds = lesson["load_pictures"](name, "train", size=16, batch=4)
    assert len(kinds) == builder.info.features["label"].num_classes
    first, last = batches.as_numpy_iterator()
    assert first[0].shape == (4, 16, 16, 3)
    assert first[0].dtype == np.float32
    assert first[0].min() >= 0
    assert 0.5 < first[0].max() <= 1
    assert last[1].tolist() == [1, 2] or set(last[1].tolist()) <= {0, 1, 2}
    network = lesson["leaf_network"](16, len(kinds))
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = network.fit(batches, epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_its_output_is_float32_under_a_mixed_policy(lesson):
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = lesson["leaf_network"](16, 3)
        assert network.compute_dtype == "bfloat16"
        assert network.output.dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("name", ["beans", "plant_village", "eurosat"])
def test_without_a_download_the_call_says_what_is_missing(name, lesson, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    if tfds.core.constants.DATA_DIR and tfds.builder(name, try_gcs=False).is_prepared():
        pytest.skip(f"{name} has been downloaded here")
    with pytest.raises(datasets.DatasetNotDownloadedError, match=name):
        lesson["load_pictures"](name, "train")
