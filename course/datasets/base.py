"""The base class of the course's datasets."""

from __future__ import annotations

import tensorflow_datasets as tfds


class OfflineBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A dataset that is made from installed libraries or by simulation, never downloaded."""

    def download_and_prepare(self, *, download_dir=None, download_config=None, **kwargs) -> None:
        """As TFDS does it, but without asking Google's bucket for a ready-made copy."""
        config = download_config or tfds.download.DownloadConfig()
        config.try_download_gcs = False
        super().download_and_prepare(
            download_dir=download_dir, download_config=config, **kwargs
        )
