"""The two photographs as scikit-learn ships them, and a lesson that reads them and a public set."""

import ast
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from course import datasets

LESSON = Path(__file__).parents[2] / "solutions/17_autoencoders/autoencoders.py"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
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


class Mnist(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A few made-up pictures, in the folder and with the features of the public data set."""

    name = "mnist"
    VERSION = tfds.builder_cls("mnist").VERSION

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(), "test": self._generate_examples()}

    def _generate_examples(self):
        for number in range(6):
            image = np.full((28, 28, 1), 51 * min(number, 5), np.uint8)
            yield number, {"image": image, "label": number}


def lesson_function(name):
    """A function of the lesson, by its text."""
    for node in ast.parse(LESSON.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            scope = {"datasets": datasets, "np": np}
            exec(compile(ast.Module([node], []), str(LESSON), "exec"), scope)
            return scope[name]
    raise LookupError(name)


def test_the_lesson_reads_digits_and_the_public_mnist_in_the_same_way(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    load_pictures = lesson_function("load_pictures")
    with pytest.raises(datasets.DatasetNotDownloadedError):
        load_pictures("mnist", "train")
    Mnist(data_dir=str(tmp_path)).download_and_prepare()
    for name, shape in {"mnist": (6, 784), "digits": (1297, 64)}.items():
        pixels, labels = load_pictures(name, "train")
        assert pixels.shape == shape
        assert pixels.dtype == np.float32
        assert (pixels.min(), pixels.max()) == (0, 1)
        assert labels.shape == shape[:1]
