"""PDFs of the lessons: their pages on the site, printed by Chromium."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.errors import CourseError
from autograder.publish.site.chromium import chromium

if TYPE_CHECKING:
    from playwright.sync_api import PdfMargins, Route

_MARGIN: PdfMargins = {"top": "15mm", "right": "15mm", "bottom": "18mm", "left": "15mm"}
_NUMBER = (
    '<div style="width: 100%; text-align: center; font-size: 8pt">'
    '<span class="pageNumber"></span></div>'
)
# Formulas are drawn when the page is there already.
_IS_DRAWN = """async () => {
    if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
    await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
}"""


def print_pages(pages: Iterable[Path]) -> Iterator[Path]:
    """Print pages, each to a PDF beside it; give each PDF once it is there.

    Args:
        pages: HTML files. Nothing is fetched that is not a file.

    Raises:
        CourseError: there is no browser, or a page asks for something elsewhere.
    """
    outside: list[str] = []

    def fetch(route: Route) -> None:
        if route.request.url.startswith(("file:", "data:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    with chromium() as browser:
        page = browser.new_page(color_scheme="light")
        page.route("**/*", fetch)
        for path in pages:
            page.goto(path.resolve().as_uri())
            page.evaluate(_IS_DRAWN)
            if outside:
                raise CourseError(f"{path.name} asks for {outside[0]}: the site must hold it.")
            printed = path.with_suffix(".pdf")
            page.pdf(
                path=printed,
                format="A4",
                margin=_MARGIN,
                display_header_footer=True,
                header_template="<span></span>",
                footer_template=_NUMBER,
                print_background=True,
                tagged=True,
                outline=True,
            )
            yield printed
