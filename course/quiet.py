"""Import TensorFlow without its greeting.

TensorFlow 2.21 writes six lines to stderr whenever it is imported, before it looks at
``TF_CPP_MIN_LOG_LEVEL`` (https://github.com/tensorflow/tensorflow/issues/100442). They carry a time
and a process number, so every notebook would differ from run to run, and nbgrader takes a line on
stderr for a failed test.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_LOG_LINE = re.compile(
    rb"[IWE]\d{4} \d\d:|\d{4}-\d\d-\d\d .*: [IWE] |WARNING: All log messages before absl"
    rb"|To enable the following instructions"
)


class _QuietImport:
    """A finder that hides log lines while TensorFlow's module is executed, and then is gone."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_quietly(module: ModuleType) -> None:
            with hidden_log_lines():
                execute(module)

        spec.loader.exec_module = execute_quietly  # type: ignore[method-assign]  # on purpose
        return spec


@contextlib.contextmanager
def hidden_log_lines() -> Iterator[None]:
    """Hold back what is written to the process's stderr, and then let through all but log lines.

    If the block raises, everything comes through.
    """
    try:
        saved = os.dup(2)
    except OSError:  # a process without stderr
        yield
        return
    lines: list[bytes] = []
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            lines = [line for line in file if failed or not _LOG_LINE.match(line)]
            if lines:
                os.write(2, b"".join(lines))


def quiet_import() -> None:
    """Hide the log lines of TensorFlow's import, unless the user has asked for its logs."""
    if "tensorflow" in sys.modules or os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        return
    if not any(isinstance(finder, _QuietImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietImport())
