"""Loading datasets: offline, with errors that say what is missing, safe against half a folder."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from course import datasets

# In another process, because another test may have loaded TensorFlow.
OFFLINE = """
import json, socket, sys

def refuse(*address):
    sys.exit(f"it asked the network: {address}")

socket.getaddrinfo = socket.socket.connect = refuse
from course import datasets
assert "tensorflow" not in sys.modules, "importing course.datasets loaded TensorFlow"
assert not [m for m in sys.modules if m.startswith("course.datasets.builders.")]
try:
    datasets.load("cifar10")
except datasets.DatasetNotDownloadedError as error:
    print(json.dumps([error.name, error.size, error.command, str(error)]))
import tensorflow_datasets as tfds
assert tfds.builder("digits", data_dir=sys.argv[1]).info.features["image"].shape == (8, 8, 1)
assert "tensorflow" not in sys.modules, "looking at a builder loaded TensorFlow"
"""


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path / "tfds"))
    return tmp_path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A data directory with digits in it, not to be changed."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(folder))
        datasets.load("digits")
    return folder


def run(code: str, *arguments: str, **options) -> subprocess.Popen:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], **pipes, **options)


def test_a_public_dataset_ends_at_once_in_an_error_that_helps(data):
    process = run(OFFLINE, str(data))
    out, err = process.communicate()
    assert process.returncode == 0, err
    name, size, command, message = json.loads(out)
    assert (name, size, command) == ("cifar10", "170.1 MB", "course download cifar10")
    assert all(part in message for part in (name, size, command))


@pytest.mark.parametrize(
    ("name", "close"),
    [("digit", "digits"), ("Breast_cancr", "breast_cancer"), ("cifra10", "cifar10")],
)
def test_an_unknown_name_suggests_close_ones(data, name, close):
    with pytest.raises(datasets.UnknownDatasetError, match=f"Did you mean .*{close}"):
        datasets.load(name)


@pytest.mark.parametrize("name", ["huggingface:squad", "../secret", ""])
def test_names_that_would_leave_the_machine_are_unknown(data, name):
    with pytest.raises(datasets.UnknownDatasetError):
        datasets.load(name)


def test_every_builder_has_its_datasets_name_and_is_documented():
    import tensorflow_datasets as tfds

    assert "digits" in datasets.names()
    for name in datasets.names():
        builder = tfds.builder(name)
        assert builder.name == name
        assert builder.info.description
        assert builder.info.citation, f"{name} has no citation"
        assert builder.info.redistribution_info.license, f"{name} has no licence"


def test_our_names_are_not_tfds_names():
    from tensorflow_datasets.core import registered

    public = registered.SourceDirDatasetBuilderProvider("datasets").dataset_packages
    assert not set(datasets.names()) & set(public)


def test_tfds_itself_reads_ours(prepared):
    import tensorflow_datasets as tfds

    images = tfds.load("digits", split="train[:5]", data_dir=str(prepared), batch_size=-1)["image"]
    assert images.shape == (5, 8, 8, 1)


def test_nothing_is_printed_where_it_would_become_a_lessons_output(data, capfd):
    datasets.load("breast_cancer")
    assert capfd.readouterr().out == ""


def copy_of(prepared: Path, data: Path) -> Path:
    import shutil

    shutil.copytree(prepared / "digits", data / "digits")
    return next((data / "digits").iterdir())


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "dataset_info.json").unlink(),
        lambda folder: (folder / "dataset_info.json").write_text('{"name": "dig'),
        lambda folder: next(folder.glob("*train.tfrecord*")).unlink(),
        lambda folder: next(folder.glob("*test.tfrecord*")).write_bytes(b"half"),
        lambda folder: (folder / "builder.sha256").write_text("an older text of the builder"),
    ],
    ids=["no info", "half info", "no shard", "half a shard", "an older builder"],
)
def test_a_damaged_or_outdated_folder_is_made_again(prepared, data, damage):
    folder = copy_of(prepared, data)
    damage(folder)
    assert datasets.load("digits", split="train", batch_size=-1)["label"].shape == (1297,)
    assert datasets.load("digits", split="test", batch_size=-1)["label"].shape == (500,)


def test_an_intact_folder_is_left_alone(prepared, data):
    folder = copy_of(prepared, data)
    times = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    datasets.load("digits")
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == times


def test_what_a_killed_process_left_is_cleared(data):
    leftover = data / "digits" / "incomplete.ABC123_1.0.0"
    leftover.mkdir(parents=True)
    datasets.load("digits")
    assert not leftover.exists()


def test_another_version_does_not_take_its_place(prepared, data, monkeypatch):
    import tensorflow_datasets as tfds

    from course.datasets.builders.digits.digits_dataset_builder import Builder

    folder = copy_of(prepared, data)
    monkeypatch.setattr(Builder, "VERSION", tfds.core.Version("9.0.0"))
    _, info = datasets.load("digits", with_info=True)
    assert str(info.version) == "9.0.0"
    assert folder.exists()


@pytest.mark.slow
def test_two_processes_at_once(data):
    code = (
        "import sys, course.datasets as d;"
        "print(d.load('digits', split='train', batch_size=-1)['label'].shape[0])"
    )
    processes = [run(code) for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert out.strip() == "1297", err


def make_cifar10(folder: Path, monkeypatch) -> None:
    """A cifar10 of three pictures, as TFDS's own builder writes it."""
    import tensorflow_datasets as tfds

    builder_class = tfds.core.registered.imported_builder_cls("cifar10")

    def examples(count):
        for index in range(count):
            image = np.full((32, 32, 3), index, np.uint8)
            yield f"{index}", {"id": f"train_{index}", "image": image, "label": index}

    with monkeypatch.context() as patch:
        patch.setattr(
            builder_class,
            "_split_generators",
            lambda self, manager: {"train": examples(3), "test": examples(1)},
        )
        builder_class(data_dir=str(folder)).download_and_prepare()


@pytest.mark.parametrize("place", ["ours", "TFDS's own"])
def test_a_downloaded_public_dataset_is_taken_by_the_same_call(data, monkeypatch, place):
    make_cifar10(data if place == "ours" else data / "tfds", monkeypatch)
    train = datasets.load("cifar10", split="train", batch_size=-1)
    assert train["image"].shape == (3, 32, 32, 3)
    assert datasets.load("cifar10", split="test", as_supervised=True).cardinality() == 1


def test_half_a_public_dataset_is_not_taken(data, monkeypatch):
    make_cifar10(data, monkeypatch)
    next(data.glob("cifar10/*/*train.tfrecord*")).write_bytes(b"half")
    with pytest.raises(datasets.DatasetNotDownloadedError):
        datasets.load("cifar10", split="train")


def test_download_says_that_there_is_no_network(data, monkeypatch):
    import requests

    asked = []

    def refuse(*args, **kwargs):
        asked.append(args)
        raise requests.ConnectionError

    monkeypatch.setattr(requests.Session, "request", refuse)
    with pytest.raises(
        datasets.DownloadFailedError, match=r"www\.cs\.toronto\.edu does not answer"
    ):
        datasets.download("cifar10")
    # TFDS itself would try again for minutes.
    assert len(asked) == 1


def test_download_again_repairs_half_a_dataset(data, monkeypatch):
    import tensorflow_datasets as tfds

    make_cifar10(data, monkeypatch)
    next(data.glob("cifar10/*/*train.tfrecord*")).write_bytes(b"half")
    builder_class = tfds.core.registered.imported_builder_cls("cifar10")
    monkeypatch.setattr(
        builder_class,
        "_split_generators",
        lambda self, manager: {
            "train": iter(
                [("a", {"id": "a", "image": np.zeros((32, 32, 3), np.uint8), "label": 1})]
            )
        },
    )
    monkeypatch.setattr("requests.head", lambda *args, **kwargs: None)
    datasets.download("cifar10")
    assert datasets.load("cifar10", split="train", batch_size=-1)["label"].shape == (1,)


def test_download_names_what_must_be_asked_for(data):
    with pytest.raises(datasets.DownloadFailedError, match="its owner wants to be asked"):
        datasets.download("imagenet2012")


def test_download_reports_what_the_source_says(data, monkeypatch):
    import tensorflow_datasets as tfds

    def refuse(self, manager):
        raise OSError("404 Not Found\nand more")

    monkeypatch.setattr("requests.head", lambda *args, **kwargs: None)
    monkeypatch.setattr(
        tfds.core.registered.imported_builder_cls("cifar10"), "_split_generators", refuse
    )
    with pytest.raises(datasets.DownloadFailedError, match=r"OSError: 404 Not Found$"):
        datasets.download("cifar10")


def test_download_prepares_ours(data):
    assert datasets.download("digits").is_dir()


def test_what_an_older_builder_said_of_itself_is_forgotten(prepared, data):
    import tensorflow_datasets as tfds

    folder = copy_of(prepared, data)
    (folder / "builder.sha256").write_text("an older text of the builder")
    stored = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps(stored | {"disableShuffling": True}))
    (folder / "metadata.json").write_text('{"largest_pixel": {"image": 99}}')
    assert tfds.builder("digits", data_dir=str(data)).info.disable_shuffling
    info = datasets.info("digits")
    assert not info.disable_shuffling
    assert info.metadata == {"largest_pixel": {"image": 16}}
    index = datasets.arrays("digits", "train")["index"]
    assert index.tolist() != sorted(index)


def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file where a folder should be")
    folder = tmp_path / "home" / "tfds"
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    with pytest.raises(datasets.DataFolderError) as caught:
        datasets.load("digits")
    message = str(caught.value)
    assert all(part in message for part in ("digits", str(folder), "COURSE_DATA_DIR"))
    assert caught.value.folder == folder


def refuse_to_write(self, *args, **kwargs):
    raise OSError(errno.EROFS, "Read-only file system", str(self))


def test_a_read_only_home_is_named_with_what_to_do(data, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(data / "cache" / "tfds"))
    monkeypatch.setattr(Path, "mkdir", refuse_to_write)
    with pytest.raises(datasets.DataFolderError, match=r"Read-only file system.*COURSE_DATA_DIR"):
        datasets.load("digits")
    with pytest.raises(datasets.DataFolderError):
        datasets.download("digits")


def test_prepared_data_are_read_where_nothing_can_be_written(prepared, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(prepared))
    monkeypatch.setattr(Path, "mkdir", refuse_to_write)
    assert datasets.arrays("digits", "test")["label"].shape == (500,)


def test_another_error_of_the_system_stays_what_it_is(data):
    from course.datasets.files import writing

    with pytest.raises(PermissionError), writing(data, "digits"):
        raise PermissionError(errno.EACCES, "Permission denied", "/another/place")
