"""Chromium, which prints lessons and shows tests what people see."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autograder.errors import CourseError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def installed() -> str | None:
    """The path of Chromium or Chrome; None where there is neither."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def find_browser() -> str:
    """The path of Chromium or Chrome.

    Raises:
        CourseError: there is none.
    """
    found = installed()
    if found is None:
        raise CourseError(
            "Lessons are printed with Chromium, and it is not installed: apt-get install chromium, "
            "or leave the PDFs out with --no-pdf."
        )
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, closed afterwards. Playwright works once at a time in a process.

    Raises:
        CourseError: it is not installed.
    """
    from playwright.sync_api import sync_playwright

    path = find_browser()
    with sync_playwright() as playwright:
        # Its own sandbox does not work for root, nor in most containers.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
