"""The simulated radiographs: shapes, splits, determinism, and what the description says of them."""

import numpy as np
import pytest

from course import datasets
from course.datasets.builders.chest_xrays import chest_xrays_dataset_builder as module

NAMES = ("train", "validation", "test", "test_swapped")


@pytest.fixture(scope="module")
def loaded(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        splits, info = datasets.load(
            "chest_xrays", split=list(NAMES), batch_size=-1, with_info=True
        )
        arrays = [{name: value.numpy() for name, value in split.items()} for split in splits]
        yield dict(zip(NAMES, arrays, strict=True)), info


@pytest.fixture(scope="module")
def splits(loaded):
    return loaded[0]


def pixels(box):
    return np.round(np.asarray(box) * module.SIZE).astype(int)


@pytest.mark.parametrize(
    ("name", "size"), [("train", 2000), ("validation", 400), ("test", 600), ("test_swapped", 600)]
)
def test_shapes_types_and_sizes(splits, name, size):
    split = splits[name]
    assert split["image"].shape == (size, 64, 64, 1)
    assert split["image"].dtype == np.uint8
    assert split["box"].shape == split["marker"].shape == (size, 4)
    assert {"label", "hospital", "film"} <= set(split)


def test_every_pair_of_label_and_hospital_is_a_quarter_of_each_split(splits):
    for split in splits.values():
        pairs = np.bincount(2 * split["label"] + split["hospital"], minlength=4)
        assert (pairs == len(split["label"]) / 4).all()


def test_no_film_is_in_two_splits(splits):
    films = np.concatenate([splits[name]["film"] for name in NAMES[:3]])
    assert len(np.unique(films)) == len(films) == 3000
    images = np.concatenate([splits[name]["image"] for name in NAMES[:3]]).reshape(3000, -1)
    assert len(np.unique(images, axis=0)) == 3000


def test_a_box_where_there_is_pneumonia_and_four_zeros_elsewhere(splits):
    for split in splits.values():
        sick = split["label"] == 1
        assert (split["box"][~sick] == 0).all()
        tall, wide = (split["box"][sick][:, 2:] - split["box"][sick][:, :2]).T
        assert (tall > 0.1).all()
        assert (wide > 0.1).all()


def test_swapped_films_differ_in_the_corners_only(splits):
    test, swapped = splits["test"], splits["test_swapped"]
    for name in ("film", "label", "box"):
        np.testing.assert_array_equal(test[name], swapped[name])
    np.testing.assert_array_equal(test["hospital"], 1 - swapped["hospital"])
    changed = (test["image"] != swapped["image"]).any(axis=(0, 3))
    corners = np.zeros_like(changed)
    for top, left, bottom, right in module.CORNERS.values():
        corners[top:bottom, left:right] = True
    assert not changed[~corners].any()
    assert (test["image"] != swapped["image"]).any(axis=(1, 2, 3)).all()


def test_a_marker_is_the_brightest_thing_in_its_own_corner(splits):
    test = splits["test"]
    for index in range(40):
        top, left, bottom, right = pixels(test["marker"][index])
        corner = module.CORNERS[module.HOSPITALS[test["hospital"][index]]]
        assert corner[0] <= top < bottom <= corner[2]
        assert corner[1] <= left < right <= corner[3]
        assert test["image"][index, top:bottom, left:right].max() == 242


def test_the_opacity_is_all_that_a_sick_film_has_more_and_its_box_holds_it():
    for number in range(20):
        well, _ = module.draw_film(np.random.default_rng([module.SEED, number]), sick=False)
        sick, box = module.draw_film(np.random.default_rng([module.SEED, number]), sick=True)
        more = sick - well
        assert more.min() > -1e-9
        top, left, bottom, right = pixels(box)
        assert more[top:bottom, left:right].sum() > 0.7 * more.sum() > 0
        for edge_top, edge_left, edge_bottom, edge_right in module.CORNERS.values():
            in_corner = more[edge_top:edge_bottom, edge_left:edge_right].sum()
            assert in_corner < 0.01 * more.sum()


def test_the_heart_is_on_the_patients_left(splits):
    test = splits["test"]
    healthy = test["image"][test["label"] == 0, ..., 0].astype(float)
    mean = healthy.mean(axis=0)
    # The patient's left is the film's right.
    assert mean[34:46, 34:48].mean() > mean[34:46, 16:30].mean() + 10


def test_the_same_film_every_time():
    first = [module.draw_film(np.random.default_rng([module.SEED, 5]), True)[0] for _ in range(2)]
    np.testing.assert_array_equal(*first)


def test_mean_brightness_alone_hardly_tells(splits):
    train = splits["train"]
    brightness = train["image"].mean(axis=(1, 2, 3))
    sick, well = brightness[train["label"] == 1], brightness[train["label"] == 0]
    auroc = (sick[:, None] > well[None]).mean()
    assert 0.45 < auroc < 0.65


def test_the_description_says_that_it_is_simulated_and_under_which_licence(loaded):
    info = loaded[1]
    assert "Simulated" in info.description
    assert "No patient" in info.description
    assert "CC BY 4.0" in info.description
    assert "deep_learning_course_chest_xrays" in info.citation
