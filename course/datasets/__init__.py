"""The course's datasets, as TensorFlow Datasets builders that need no network.

``load("digits", split="train")`` is ``tfds.load`` with a data directory of ours and no look at the
network. Importing this package registers the builders, so ``tfds.load`` and ``tfds.builder`` know
them too. A public dataset is taken by the same call once it has been downloaded.
"""

from course.datasets.loading import DatasetNotDownloadedError, data_dir, load

__all__ = ["DatasetNotDownloadedError", "data_dir", "load"]
