"""Printing pages: what they ask for elsewhere is refused."""

from __future__ import annotations

import pytest

from autograder.errors import CourseError
from autograder.publish.site import pdf
from autograder.publish.site.chromium import find_browser
from tests.browser import needs_chromium


@pytest.mark.slow
@needs_chromium
def test_a_page_that_asks_for_something_elsewhere_is_not_printed(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<html><body><img src='http://outside.invalid/a.png'></body></html>")
    with pytest.raises(CourseError, match=r"page\.html asks for http://outside\.invalid/a\.png"):
        list(pdf.print_pages([page]))


def test_without_a_browser_it_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CourseError, match="apt-get install chromium, or leave the PDFs out"):
        find_browser()
