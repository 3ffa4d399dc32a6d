"""The drawn scenes: shapes, captions, the planted correlation, and the public data set's call."""

import re

import numpy as np
import pytest
import tensorflow_datasets as tfds

from course import datasets
from course.datasets.builders.shore_scenes import shore_scenes_dataset_builder as module


@pytest.fixture(scope="module")
def loaded(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        # Drawing all of the training scenes would take seconds and show nothing more.
        patch.setitem(module.SPLITS, "train", 500)
        data, info = datasets.load("shore_scenes", batch_size=-1, with_info=True)
        splits = {}
        for name, split in data.items():
            texts = [[text.decode() for text in two] for two in split["captions"]["text"].numpy()]
            keys = ("image", "mask", "boxes", "things", "colors", "ground", "number")
            splits[name] = {key: split[key].numpy() for key in keys} | {"captions": texts}
        yield splits, info


@pytest.fixture(scope="module")
def splits(loaded):
    return loaded[0]


def shows(split, thing):
    return (split["things"] == module.THINGS.index(thing)).any(axis=1)


def lies_on(split, *grounds):
    return np.isin(split["ground"], [module.GROUNDS.index(ground) for ground in grounds])


def test_shapes_types_and_sizes(splits):
    assert set(splits) == set(module.SPLITS)
    for name, split in splits.items():
        count = module.SPLITS[name]
        assert split["image"].shape == (count, 32, 32, 3)
        assert split["mask"].shape == (count, 32, 32, 1)
        assert split["image"].dtype == split["mask"].dtype == np.uint8
        assert split["boxes"].shape == (count, 2, 4)


@pytest.mark.parametrize("name", ["train", "test"])
def test_boats_are_on_water_and_tents_are_not(splits, name):
    split = splits[name]
    assert shows(split, "boat").sum() > 50
    assert lies_on(split, "water")[shows(split, "boat")].all()
    assert lies_on(split, "grass", "sand")[shows(split, "tent")].all()
    for thing in ("ball", "box"):
        grounds = np.bincount(split["ground"][shows(split, thing)], minlength=3)
        assert grounds.min() > 0.2 * grounds.sum()


def test_swapped_scenes_differ_in_their_ground_only(splits):
    test, swapped = splits["test"], splits["test_swapped"]
    for name in ("mask", "boxes", "things", "colors", "number"):
        np.testing.assert_array_equal(test[name], swapped[name])
    is_thing = np.broadcast_to(test["mask"] > 0, test["image"].shape)
    np.testing.assert_array_equal(test["image"][is_thing], swapped["image"][is_thing])
    assert (test["ground"] != swapped["ground"]).all()
    assert lies_on(swapped, "grass", "sand")[shows(test, "boat")].all()
    assert lies_on(swapped, "water")[shows(test, "tent")].all()
    for one, other in zip(test["captions"], swapped["captions"], strict=True):
        heads = [[text.rsplit(" ", 1)[0] for text in texts] for texts in (one, other)]
        assert heads[0] == heads[1]


def test_the_new_pair_is_in_its_split_only(splits):
    pair = " ".join(module.NEW_PAIR)
    for name, split in splits.items():
        has = np.array([pair in texts[0] for texts in split["captions"]])
        assert has.all() if name == "test_new_pair" else not has.any()
    words = " ".join(texts[0] for texts in splits["train"]["captions"]).split()
    assert set(module.NEW_PAIR) <= set(words)


def test_no_scene_is_in_two_splits(splits):
    numbers = np.concatenate([s["number"] for n, s in splits.items() if n != "test_swapped"])
    assert len(set(numbers.tolist())) == len(numbers)


def test_captions_say_what_the_masks_and_numbers_say(splits):
    split = splits["test"]
    for row, (one, other) in enumerate(split["captions"]):
        pairs = zip(split["colors"][row], split["things"][row], strict=True)
        named = [f"{list(module.COLORS)[c]} {module.THINGS[t]}" for c, t in pairs if t >= 0]
        ground = module.GROUNDS[split["ground"][row]]
        assert one.endswith(f" on {ground}")
        assert re.findall(r"a (\w+ \w+)", one) == named
        assert re.findall(r"a (\w+ \w+)", other) == named[::-1]
        if len(named) == 1:
            assert one == other
            continue
        centers = [np.argwhere(split["mask"][row, ..., 0] == n).mean(axis=0) for n in (1, 2)]
        down, right = centers[1] - centers[0]
        expected = ("above", "below") if abs(down) > abs(right) else ("left of", "right of")
        assert max(down, right) > 8
        assert expected[0] in one
        assert expected[1] in other


def test_boxes_hold_the_things_and_nothing_is_hidden(splits):
    split = splits["test"]
    for row in range(100):
        for thing in (0, 1):
            places = np.argwhere(split["mask"][row, ..., 0] == thing + 1)
            if split["things"][row, thing] < 0:
                assert len(places) == 0
                assert (split["boxes"][row, thing] == 0).all()
                continue
            edges = np.concatenate([places.min(axis=0), places.max(axis=0) + 1]) / module.SIZE
            np.testing.assert_allclose(split["boxes"][row, thing], edges, atol=1e-6)
            assert len(places) > 40


def test_boat_and_tent_are_different_shapes_of_like_size():
    center = np.array([16.0, 16.0])
    shapes = {name: module.draw_shape(name, center, 6.5) for name in module.THINGS}
    sizes = {name: int(shape.sum()) for name, shape in shapes.items()}
    assert 0.7 < sizes["boat"] / sizes["tent"] < 1.3
    assert (shapes["boat"] != shapes["tent"]).sum() > 10


def test_empty_grounds_have_nothing(splits):
    empty = splits["empty"]
    assert (empty["mask"] == 0).all()
    assert (empty["things"] == -1).all()
    assert empty["captions"][0] == [f"nothing on {module.GROUNDS[empty['ground'][0]]}"] * 2


def test_the_same_scene_every_time():
    one, other = (module.scene(7, "train") for _ in range(2))
    np.testing.assert_array_equal(one["image"], other["image"])
    assert one["captions"] == other["captions"]


def test_info_says_that_it_is_drawn_what_is_planted_and_under_which_licence(loaded):
    info = loaded[1]
    assert "drawn by rule" in info.description
    assert "A correlation is planted" in info.description
    assert "CC BY 4.0" in info.description
    assert "deep_learning_course_shore_scenes" in info.citation


def few_photographs(count):
    rng = np.random.default_rng(count)
    for index in range(count):
        sides = (40 + index, 60, 3)
        yield (
            index,
            {
                "image": rng.integers(0, 256, sides, dtype=np.uint8),
                "image/filename": f"{index}.jpg",
                "image/id": index,
                "captions": [
                    {"id": n, "text": f"Caption {n} of {index}."} for n in range(5 + index)
                ],
                "objects": [],
            },
        )


def test_the_public_data_set_is_read_by_the_lessons_call(tmp_path, monkeypatch):
    from keras import ops

    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    builder = tfds.builder("coco_captions", data_dir=str(tmp_path), try_gcs=False)
    monkeypatch.setattr(
        type(builder), "_split_generators", lambda self, manager: {"val": few_photographs(2)}
    )
    config = tfds.download.DownloadConfig(try_download_gcs=False, compute_stats="skip")
    builder.download_and_prepare(download_config=config)
    rows = list(datasets.load("coco_captions", split="val"))
    assert len(rows) == 2
    for row in rows:
        assert ops.image.resize(row["image"], (224, 224)).shape == (224, 224, 3)
        texts = [text.decode() for text in row["captions"]["text"].numpy()]
        assert len(texts) == 5 + int(row["image/id"])
        assert re.fullmatch(r"Caption 0 of \d\.", texts[0])
