"""nbgrader's exchange, where a class also holds pages that have nobody to go to."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from nbgrader.exchange.default import ExchangeReleaseFeedback


class ReleaseFeedback(ExchangeReleaseFeedback):
    """Releases the feedback on what came through the exchange, and passes over the rest.

    nbgrader finds the place of a page by the secret that was handed in with the notebook, and ends
    at the first page without one: of a student who has handed in nothing, or in another way.
    """

    def copy_files(self) -> None:
        """Release the pages, but those without a secret."""
        without = set()
        pages = glob.glob(os.path.join(self.src_path, "*.html"))
        for folder in {Path(page).parent for page in pages}:
            if not (folder / "submission_secret.txt").is_file():
                without.add(folder.parent.name)
            elif not (folder / "timestamp.txt").exists():
                # nbgrader only mentions it, and ends where it is missing.
                (folder / "timestamp.txt").touch()
        if without:
            self.log.warning(
                "Not released, since it was not handed in through the exchange: %s",
                ", ".join(sorted(without)),
            )
        excluded = set(filter(None, self.coursedir.student_id_exclude.split(",")))
        self.coursedir.student_id_exclude = ",".join(sorted(excluded | without))
        super().copy_files()
