"""A Jupyter server and a browser, for tests of what people see."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from autograder.publish.site.chromium import chromium, installed

needs_chromium = pytest.mark.skipif(
    installed() is None and "CI" not in os.environ,
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


def run_all(page, until: str) -> None:
    """Run all cells until a text is there. An editor forgets what it is asked for before it has
    found its kernel."""
    from playwright.sync_api import TimeoutError as NotThereError

    for _ in range(20):
        # A dialog says that the kernel is not ready, and may come while the menu is being opened.
        page.keyboard.press("Escape")
        with suppress(NotThereError):
            page.get_by_role("menuitem", name="Run", exact=True).click(timeout=5_000)
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click(timeout=5_000)
            page.get_by_text(until).first.wait_for(timeout=15_000)
            return
    raise AssertionError(f"no cell shows {until!r}")


def faults_of_page(path: Path, width: int = 1280) -> list[str]:
    """What is wrong with a page that is one file: what axe finds, what it asks for beside itself,
    and whether it is wider than the window.

    Args:
        path: the page.
        width: of the window, in pixels.
    """
    from axe_playwright_python.sync_playwright import Axe

    with chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": 800})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        found = Axe().run(page)
        widest = page.evaluate("document.documentElement.scrollWidth")
    faults = [f"axe: {each['id']}: {each['help']}" for each in found.response["violations"]]
    faults += [
        f"asks for {url}" for url in asked if url != path.as_uri() and not url.startswith("data:")
    ]
    return faults + ([f"is {widest} pixels wide"] if widest > width else [])
