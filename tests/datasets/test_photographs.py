"""The two photographs as scikit-learn ships them."""

import numpy as np
import pytest

from course import datasets


@pytest.fixture(scope="module")
def photographs(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        loaded, info = datasets.load("photographs", split="train", batch_size=-1, with_info=True)
        yield {name: value.numpy() for name, value in loaded.items()}, info


def test_both_photographs_unchanged_and_in_order(photographs):
    from sklearn.datasets import load_sample_image

    data, info = photographs
    assert data["image"].shape == (2, 427, 640, 3)
    assert data["image"].dtype == np.uint8
    assert [info.features["name"].int2str(name) for name in data["name"]] == ["china", "flower"]
    for image, name in zip(data["image"], ["china", "flower"], strict=True):
        np.testing.assert_array_equal(image, load_sample_image(f"{name}.jpg"))


def test_the_temple_has_more_edges_than_the_flower(photographs):
    grey = photographs[0]["image"].mean(axis=3)
    china, flower = (np.abs(np.diff(image, axis=1)).mean() for image in grey)
    assert china > 3 * flower


def test_preparing_it_again_gives_the_same(photographs, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    again = datasets.load("photographs", split="train", batch_size=-1)
    np.testing.assert_array_equal(again["image"], photographs[0]["image"])


def test_info_names_authors_licence_and_citation(photographs):
    info = photographs[1]
    assert "CC BY 2.0" in info.description
    for author in ("danielbuechele", "vultilion"):
        assert author in info.description
    assert "scikit-learn.org" in info.homepage
    assert "pedregosa2011scikit" in info.citation
