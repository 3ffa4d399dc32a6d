"""What students see in a browser that ``course lab`` has opened: ``%check``, and their menus."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.browser import CHROMIUM, jupyter_server, needs_chromium
from tests.course.conftest import ToyLesson

pytestmark = [pytest.mark.slow, needs_chromium]
ROOT = Path(__file__).parents[2]
SETUP = "import numpy as np\nfrom course.notebook import switch_on\nswitch_on()"
FOR_INSTRUCTORS = {"Course List", "Formgrader", "Formgrader (local)", "Create assignment"}


@contextlib.contextmanager
def course_lab(root: Path, home: Path) -> Iterator[str]:
    """Run ``course lab`` in a folder; the address of its server."""
    environment = {"PYTHONPATH": str(ROOT), "JUPYTER_DATA_DIR": str(home / "data")}
    command = [sys.executable, "-m", "course", "lab"]
    with jupyter_server(command, root, home, environment) as address:
        yield address


@contextlib.contextmanager
def opened(address: str) -> Iterator:
    """A page that shows a notebook, high enough that every cell is on the screen."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 2400})
        page.set_default_timeout(120_000)
        page.goto(address)
        page.locator(".jp-Notebook").wait_for()
        page.get_by_role("menuitem", name="Nbgrader").wait_for()
        yield page
        browser.close()


def entries(page) -> set[str]:
    """What nbgrader's menu offers."""
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.locator(".lm-Menu-itemLabel").first.wait_for()
    return set(filter(None, page.locator(".lm-Menu-itemLabel").all_inner_texts()))


def run_all(page, until: str) -> None:
    """Run all cells until a text is there. An editor forgets what it is asked for before it has
    found its kernel."""
    from playwright.sync_api import TimeoutError as NotThereError

    for _ in range(20):
        # A dialog says that the kernel is not ready, and may come while the menu is being opened.
        page.keyboard.press("Escape")
        with contextlib.suppress(NotThereError):
            page.get_by_role("menuitem", name="Run", exact=True).click(timeout=5_000)
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click(timeout=5_000)
            page.get_by_text(until).first.wait_for(timeout=15_000)
            return
    raise AssertionError(f"no cell shows {until!r}")


@pytest.fixture
def lesson(tmp_path) -> ToyLesson:
    """A lesson with a right answer, a wrong one, and ``%check`` at its end."""
    toy = ToyLesson(tmp_path / "course" / "lessons")
    toy.answer(imports=SETUP, double=toy.DOUBLE, triple="def triple(x):\n    return x")
    toy.notebook.cells.append(nbformat.v4.new_code_cell("%check", id="check"))
    toy.save()
    return toy


@pytest.mark.parametrize("where", ["lab/tree", "notebooks"], ids=["JupyterLab", "Notebook 7"])
def test_check_shows_how_far_the_exercises_are(lesson, tmp_path, where):
    root = tmp_path / "course"
    with course_lab(root, tmp_path) as server:
        with opened(f"{server}/{where}/{lesson.path.relative_to(root)}") as page:
            run_all(page, until="triple: not yet")
            shown = page.locator(".jp-OutputArea-output").all_inner_texts()[-1]
            assert shown.splitlines() == [
                "✓ double: right",
                "✗ triple: not yet. expected 6, got 2",
            ]


@pytest.mark.parametrize("who", ["student", "instructor"])
def test_students_do_not_see_what_is_for_instructors(lesson, tmp_path, who):
    root = tmp_path / "course"
    if who == "instructor":
        (root / "solutions").mkdir()
        (root / "nbgrader_config.py").write_text("c = get_config()\n")
    with course_lab(root, tmp_path) as server:
        with opened(f"{server}/lab/tree/{lesson.path.relative_to(root)}") as page:
            panel = page.get_by_title("Nbgrader Create Assignment")
            offered = entries(page)
            if who == "instructor":
                assert offered >= FOR_INSTRUCTORS
                assert panel.count() == 1
            else:
                assert offered == {"Assignment List"}
                assert panel.count() == 0
