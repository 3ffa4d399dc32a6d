"""A Jupyter server and a browser, for tests of what people see."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ,
    reason="no chromium: install Debian's to see the pages in a browser",
)


@contextmanager
def jupyter_server(
    command: Sequence[str], folder: Path, home: Path, environment: Mapping[str, str]
) -> Iterator[str]:
    """Run a Jupyter server; the address of it.

    Args:
        command: what starts it. Options that open it to a test on this machine are added.
        folder: where it is started.
        home: for its own files and its log.
        environment: further variables.
    """
    places = {"JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_CONFIG_DIR": "config"}
    mine = {name: str(home / place) for name, place in places.items()}
    options = ["--no-browser", "--port=0", "--IdentityProvider.token=", "--allow-root"]
    log = home / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *options, "--ServerApp.ip=127.0.0.1"],
            cwd=folder, env=os.environ | mine | environment,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            while not (started := list((home / "runtime").glob("jpserver-*.json"))):
                assert process.poll() is None, log.read_text()
                time.sleep(0.2)
            yield json.loads(started[0].read_text())["url"].rstrip("/")
        finally:
            process.terminate()
            process.wait()
