"""The simulated melodies follow their four rules; and the drum data set that lesson 10 names."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from course import datasets
from course.datasets.builders.melodies import melodies_dataset_builder as module


@pytest.fixture(scope="module")
def loaded(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        splits, info = datasets.load("melodies", batch_size=-1, with_info=True)
        yield {name: split["notes"].numpy() for name, split in splits.items()}, info


@pytest.mark.parametrize(("name", "size"), [("train", 3000), ("test", 500)])
def test_shapes_and_range(loaded, name, size):
    notes = loaded[0][name]
    assert notes.shape == (size, 16)
    assert (notes.min(), notes.max()) == (0, 7)


def test_every_melody_follows_the_rules(loaded):
    for notes in loaded[0].values():
        phrases = notes.reshape(-1, 4, 4)
        steps = np.abs(np.diff(phrases, axis=2))
        assert set(np.unique(steps)) == {1, 2}
        assert np.isin(phrases[:, :, 0], module.BEGINNINGS).all()
        assert np.isin(phrases[:, :2, -1], module.OPEN_ENDS).all()
        np.testing.assert_array_equal(phrases[:, 0], phrases[:, 2])
        assert np.isin(notes[:, -1], module.HOME).all()
        assert (steps[:, 3, -1] == 1).all()


def test_the_notes_just_before_do_not_tell_the_theme(loaded):
    """The theme's first note hardly depends on the note before it: one has to remember."""
    notes = loaded[0]["train"]
    table = np.zeros((8, 8))
    np.add.at(table, (notes[:, 7], notes[:, 8]), 1)
    table = table[table.sum(axis=1) > 0]
    rows = table / table.sum(axis=1, keepdims=True)
    assert np.abs(rows - table.sum(axis=0) / table.sum()).max() < 0.06


def test_most_melodies_are_different_and_few_of_test_are_in_train(loaded):
    train, test = loaded[0]["train"], loaded[0]["test"]
    assert len(np.unique(train, axis=0)) > 2700
    known = {row.tobytes() for row in train}
    assert 0 < np.mean([row.tobytes() in known for row in test]) < 0.2


def test_the_same_melody_every_time(loaded):
    rng = np.random.default_rng([module.SEED, 3])
    assert module.melody(rng) == loaded[0]["train"][3].tolist()


def test_the_description_says_that_it_is_simulated_and_under_which_licence(loaded):
    info = loaded[1]
    assert "Simulated" in info.description
    assert "No composer" in info.description
    assert "CC BY 4.0" in info.description


def test_the_drums_that_the_lesson_names_are_read_by_its_call(tmp_path, monkeypatch):
    """``groove/full-midionly`` in a folder made here, with the features of the real one."""
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    with pytest.raises(datasets.DatasetNotDownloadedError, match="groove"):
        datasets.load("groove/full-midionly", split="train")
    builder = tfds.builder("groove/full-midionly", data_dir=tmp_path, try_gcs=False)
    one = {
        "id": "drummer1/session1/1:0",
        "drummer": 0,
        "type": 0,
        "bpm": 138,
        "time_signature": 0,
        "style": {"primary": 0, "secondary": "funk"},
        "midi": b"MThd",
    }
    rows = [one, one | {"id": "drummer1/session1/1:1", "bpm": 90}]
    with monkeypatch.context() as patch:
        splits = {"train": iter(list(enumerate(rows)))}
        patch.setattr(type(builder), "_split_generators", lambda *args, **kwargs: splits)
        config = tfds.download.DownloadConfig(try_download_gcs=False)
        builder.download_and_prepare(download_config=config)
    data, info = datasets.load("groove/full-midionly", split="train", with_info=True)
    assert info.splits["train"].num_examples == 2
    assert sorted(int(row["bpm"]) for row in data) == [90, 138]
    assert next(iter(data))["midi"].numpy() == b"MThd"
