"""The digits: shapes, splits, determinism, and what the description says about them."""

import numpy as np
import pytest

from course import datasets


@pytest.fixture(scope="module")
def digits(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        loaded = datasets.load("digits", split=["train", "test"], batch_size=-1, with_info=True)
        (train, test), info = loaded
        yield (
            {name: value.numpy() for name, value in train.items()},
            {name: value.numpy() for name, value in test.items()},
            info,
        )


def test_shapes_types_and_range(digits):
    for split, size in zip(digits[:2], (1297, 500), strict=True):
        assert split["image"].shape == (size, 8, 8, 1)
        assert split["image"].dtype == np.uint8
        assert (split["image"].min(), split["image"].max()) == (0, 16)
        assert split["label"].shape == (size,)


def test_the_test_split_is_balanced(digits):
    train, test, _ = digits
    assert np.bincount(test["label"]).tolist() == [50] * 10
    counts = np.bincount(train["label"])
    assert counts.sum() == 1297
    assert counts.min() >= 120


def test_every_image_is_in_exactly_one_split_and_unchanged(digits):
    from sklearn.datasets import load_digits

    original = load_digits()
    train, test, _ = digits
    index = np.concatenate([train["index"], test["index"]])
    assert sorted(index) == list(range(1797))
    images = np.concatenate([train["image"], test["image"]])[..., 0]
    np.testing.assert_array_equal(images, original.images[index])
    labels = np.concatenate([train["label"], test["label"]])
    np.testing.assert_array_equal(labels, original.target[index])


def test_preparing_it_again_gives_the_same_order(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    again = datasets.load("digits", split="test", batch_size=-1)
    np.testing.assert_array_equal(again["index"], digits[1]["index"])


def test_both_splits_arrive_mixed_and_not_sorted_by_digit(digits):
    for split in digits[:2]:
        assert len(set(split["label"][:30].tolist())) >= 7


def test_supervised_pairs(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    image, label = next(iter(datasets.load("digits", split="train", as_supervised=True)))
    assert image.shape == (8, 8, 1)
    assert label.shape == ()


def test_info_names_source_licence_and_citation(digits):
    info = digits[2]
    assert "uci.edu" in info.homepage
    assert "CC BY 4.0" in info.description
    assert "10.24432/C50P49" in info.citation
    assert info.features["label"].num_classes == 10


def test_neighbours_in_the_file_are_more_alike_so_cutting_by_index_is_harder(digits):
    """What the description says of the two ways to split, by the simplest model there is."""
    from sklearn.neighbors import KNeighborsClassifier

    train, test, _ = digits

    def score(fit, check):
        flat = [split["image"].reshape(len(split["image"]), -1) / 16 for split in (fit, check)]
        model = KNeighborsClassifier(1).fit(flat[0], fit["label"])
        return model.score(flat[1], check["label"])

    both = {name: np.concatenate([train[name], test[name]]) for name in train}
    early, late = both["index"] < 1297, both["index"] >= 1297
    by_index = score(
        {name: value[early] for name, value in both.items()},
        {name: value[late] for name, value in both.items()},
    )
    assert score(train, test) > 0.97
    assert by_index < score(train, test) - 0.01
