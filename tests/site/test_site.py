"""The site as its reader meets it, in a browser that reaches nothing else."""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from autograder.publish.site import pdf
from autograder.publish.site.__main__ import make_site
from autograder.publish.site.chromium import chromium
from tests.browser import needs_chromium

pytestmark = [pytest.mark.slow, needs_chromium]

ROOT = Path(__file__).parents[2]
LESSON = "lessons/07_chest_xrays/chest_xrays"
# Formulas are drawn when the page is there already.
DRAWN = "async () => { await window.MathJax?.startup?.promise; }"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of the pages, made once, with one lesson printed; making it fails where a page
    leaks."""
    folder = make_site(ROOT, tmp_path_factory.mktemp("site"), with_pdf=False)
    list(pdf.print_pages([folder / f"{LESSON}.html"]))
    return folder


@pytest.fixture(scope="module")
def pages(site) -> list[str]:
    """The paths of all pages; the theme has templates in its folder that are none."""
    found = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    return [path for path in found if not path.startswith("_static/")]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    """Where the site is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(site):
    """Begun when the site is made: Playwright works once at a time, and printing needs it too."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(address, browser):
    """Open a page: ``visit(path, viewport)``. A request to elsewhere, an error of a script and a
    file that is missing fail the test."""
    faults: list[str] = []

    def fetch(route):
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            faults.append(route.request.url)
            route.abort()

    opened = {}

    def go(path: str, viewport: dict[str, int], scheme: str = "light"):
        key = (viewport["width"], scheme)
        if key not in opened:
            page = browser.new_page(viewport=viewport, color_scheme=scheme)
            page.set_default_timeout(120_000)
            page.route("**/*", fetch)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("response", lambda reply: reply.status >= 400 and faults.append(reply.url))
            opened[key] = page
        opened[key].goto(f"{address}/{path}")
        opened[key].evaluate(DRAWN)
        return opened[key]

    yield go
    for page in opened.values():
        page.close()
    assert faults == []


def violations(page, path: str, colours: bool = True) -> list[str]:
    """What axe finds on a page; to look at colours takes most of its time."""
    from axe_playwright_python.sync_playwright import Axe

    options = {
        "resultTypes": ["violations"],
        "rules": {"color-contrast": {"enabled": colours}},
        "preload": False,  # it would fetch style sheets again, some from the wrong folder
    }
    results = Axe().run(page, options=options)
    return [
        f"{path}: {found['id']} ({found['impact']}): {found['nodes'][0]['html'][:200]}"
        for found in results.response["violations"]
    ]


@pytest.mark.timeout(1800)
def test_axe_finds_nothing(pages, visit):
    found = []
    for path in pages:
        # All lessons have the same colours.
        colours = not path.startswith("lessons/") or path.startswith(LESSON)
        found += violations(visit(path, WIDE), path, colours)
    assert found == []


@pytest.mark.parametrize("path", ["index.html", f"{LESSON}.html", "docs/api.html"])
def test_axe_finds_nothing_on_a_dark_and_narrow_screen(visit, path):
    assert violations(visit(path, NARROW, "dark"), path) == []


@pytest.mark.timeout(1800)
def test_no_page_is_wider_than_a_telephone_and_all_formulas_are_drawn(pages, visit):
    wide, undrawn, formulas = {}, {}, 0
    for path in pages:
        page = visit(path, NARROW)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > NARROW["width"]:
            wide[path] = width
        math, drawn = page.locator(".math").count(), page.locator("mjx-container").count()
        if math > drawn or page.locator("[data-mml-node=merror]").count():
            undrawn[path] = (math, drawn)
        formulas += drawn
    assert (wide, undrawn) == ({}, {})
    assert formulas > 100


def test_search_finds_a_lesson(visit):
    page = visit("search.html?q=Grad-CAM", WIDE)
    page.locator(f"#search-results a[href*='{LESSON}.html']").first.wait_for()


def test_the_package_is_described_without_its_large_libraries(site):
    text = (site / "docs" / "api.html").read_text(encoding="utf-8")
    assert 'id="course.gan.GAN.generate"' in text
    assert "keras.src" not in text  # a name that only an imported Keras tells


def test_links_lead_to_files_of_the_site(site, pages):
    missing = []
    for path in pages:
        document = BeautifulSoup((site / path).read_text(encoding="utf-8"), "html.parser")
        ids = {node["id"] for node in document.find_all(id=True)}
        for node in document.find_all(["a", "img", "link", "script"]):
            address = urlsplit(node.get("href") or node.get("src") or "")
            if address.scheme:
                continue
            if not address.path:
                if address.fragment and unquote(address.fragment) not in ids:
                    missing.append((path, address.geturl()))
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), address.path))
            if not (site / unquote(target)).is_file():
                missing.append((path, address.geturl()))
    assert missing == []


def test_a_lesson_is_printed(site):
    content = (site / f"{LESSON}.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    # Tagged for screen readers, with an outline, and with more than the text.
    assert b"/StructTreeRoot" in content
    assert b"/Outlines" in content
    assert len(content) > 500_000
