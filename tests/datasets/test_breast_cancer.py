import numpy as np
import pytest

from course import datasets


@pytest.fixture(scope="module")
def loaded(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        yield datasets.load("breast_cancer", split="train", batch_size=-1, with_info=True)


def test_shapes_and_class_balance(loaded):
    data, info = loaded
    assert data["features"].shape == (569, 30)
    assert info.features["label"].names == ["malignant", "benign"]
    assert np.bincount(data["label"].numpy()).tolist() == [212, 357]


def test_nothing_is_missing_and_no_mass_occurs_twice(loaded):
    features = loaded[0]["features"].numpy()
    assert np.isfinite(features).all()
    assert len(np.unique(features, axis=0)) == 569


def test_it_is_what_scikit_learn_ships(loaded):
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    ours = loaded[0]["features"].numpy()
    expected = bunch.data.astype("float32")
    order, reference = np.lexsort(ours.T), np.lexsort(expected.T)
    np.testing.assert_array_equal(ours[order], expected[reference])
    np.testing.assert_array_equal(loaded[0]["label"].numpy()[order], bunch.target[reference])
    assert loaded[1].metadata["feature_names"] == list(bunch.feature_names)


def test_licence_and_citation_are_recorded(loaded):
    info = loaded[1]
    assert "CC BY 4.0" in info.description
    assert "10.24432/C5DW2B" in info.citation
