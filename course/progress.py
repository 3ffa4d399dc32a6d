"""Progress bars whose refreshing no import disturbs.

rich draws a bar from a thread and imports parts of itself there, when it first needs them.
TensorFlow Datasets replaces ``builtins.__import__`` while it is imported, by a function that knows
no relative imports. A bar that is on the screen meanwhile fails in its thread.
"""

from __future__ import annotations

import contextlib

from rich.progress import Progress


class Bars(Progress):
    """rich's progress bars, for which TensorFlow Datasets is imported before they are drawn."""

    def start(self) -> None:
        """Draw the bars, unless they are disabled."""
        if not self.disable:
            # Where it is broken or missing, nobody can import it later either.
            with contextlib.suppress(Exception):
                import tensorflow_datasets  # noqa: F401
        super().start()
