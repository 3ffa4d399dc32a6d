"""The rendered leaves keep to the rules that their description states."""

import numpy as np
import pytest

from course import datasets
from course.datasets.builders.rendered_leaves import rendered_leaves_dataset_builder as module

NAMES = ("train", "validation", "test", "test_outdoors")


@pytest.fixture(scope="module")
def loaded(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        splits, info = datasets.load(
            "rendered_leaves", split=list(NAMES), batch_size=-1, with_info=True
        )
        arrays = [{name: value.numpy() for name, value in split.items()} for split in splits]
        yield dict(zip(NAMES, arrays, strict=True)), info


@pytest.fixture(scope="module")
def splits(loaded):
    return loaded[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [("train", 2000), ("validation", 400), ("test", 600), ("test_outdoors", 600)]
)
def test_shapes_types_and_sizes(splits, name, size):
    split = splits[name]
    assert split["image"].shape == (size, 48, 48, 3)
    assert split["image"].dtype == np.uint8
    pairs = np.bincount(5 * split["plant"] + split["condition"], minlength=20)
    assert (pairs == size / 20).all()


@pytest.mark.slow
def test_no_leaf_is_in_two_splits_and_outdoors_are_those_of_the_test(splits):
    leaves = np.concatenate([splits[name]["leaf"] for name in NAMES[:3]])
    assert len(np.unique(leaves)) == len(leaves) == 3000
    for name in ("leaf", "plant", "condition", "affected"):
        np.testing.assert_array_equal(splits["test"][name], splits["test_outdoors"][name])
    margins = [splits[name]["image"][:, :3].mean(axis=(1, 2)) for name in ("test", "test_outdoors")]
    assert margins[0].mean() > 1.5 * margins[1].mean()


@pytest.mark.slow
def test_healthy_leaves_have_no_disease_and_others_have_little_or_much(splits):
    for split in splits.values():
        affected, healthy = split["affected"], split["condition"] == 0
        assert (affected[healthy] == 0).all()
        assert 0 < affected[~healthy].min() < 0.05
        assert 0.4 < affected[~healthy].max() < 1


@pytest.mark.slow
def test_the_description_says_that_they_are_simulated_and_under_which_licence(loaded):
    info = loaded[1]
    assert "Simulated, not real" in info.description
    assert "cannot show" in info.description
    assert "CC BY 4.0" in info.description
    assert "deep_learning_course_rendered_leaves" in info.citation


def test_the_same_leaf_every_time_and_before_soil():
    first, again, outdoors = module.render(7), module.render(7), module.render(7, outdoors=True)
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1] == outdoors[1]
    assert np.abs(first[0] - outdoors[0]).mean() > 0.1


@pytest.mark.parametrize("plant", module.PLANTS)
def test_outlines_are_leaves_of_their_kind(plant):
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    leaf = module.outline(np.random.default_rng(0), plant, (x + 1) / 2, y) > 0.5
    across = leaf.sum(axis=0).astype(int)
    widest = int(across.argmax())
    grows, shrinks = np.diff(across[: widest + 1]), np.diff(across[widest:])
    # A smooth edge leaves the vein up to the widest place and comes back from there.
    bays = -grows.clip(max=0).sum() + shrinks.clip(min=0).sum()
    assert (bays > 3) == (plant in {"toothed", "lobed"})
    # Only a heart has a notch where the stalk is.
    assert leaf[46:50, 6:8].any() == (plant != "heart")
