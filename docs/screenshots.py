"""Take the two pictures of the README from the real thing: ``python -m docs.screenshots``.

One is a lesson in JupyterLab as ``course lab`` opens it, after its first cells have run. The other
is the feedback of a student of ``autograder demo``, which is run if it has not been.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from autograder.publish.site.chromium import chromium
from tests.browser import jupyter_server

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
LESSON = "07_chest_xrays"
# The student whose answers are partly right.
FEEDBACK = ROOT / "class" / "demo" / "feedback" / "ben"
SIZE = {"width": 1000, "height": 760}


def picture_lesson(page: Page, path: Path) -> None:
    """Run a lesson's cells until its first figure is there."""
    with tempfile.TemporaryDirectory() as folder:
        # A copy, because JupyterLab saves by itself.
        root, home = Path(folder, "course"), Path(folder, "home")
        home.mkdir()
        shutil.copytree(ROOT / "lessons" / LESSON, root / "lessons" / LESSON)
        (notebook,) = (root / "lessons" / LESSON).glob("*.ipynb")
        command = [sys.executable, "-m", "course", "lab"]
        here = {"PYTHONPATH": str(ROOT), "JUPYTER_DATA_DIR": str(home / "data")}
        with jupyter_server(command, root, home, here) as server:
            page.goto(f"{server}/lab/tree/{notebook.relative_to(root)}")
            page.get_by_text("| Idle").wait_for()
            page.keyboard.press("Control+B")
            page.locator(".jp-MarkdownCell").first.click()
            figure = page.locator(".jp-OutputArea-output img")
            while not figure.count():
                page.keyboard.press("Shift+Enter")
                page.wait_for_timeout(2_000)
            figure.first.scroll_into_view_if_needed()
            page.wait_for_timeout(1_000)
            page.screenshot(path=path)


def picture_feedback(page: Page, path: Path) -> None:
    """Open a student's feedback."""
    if not FEEDBACK.is_dir():
        subprocess.run([sys.executable, "-m", "autograder", "demo"], cwd=ROOT, check=True)
    page.goto(next(FEEDBACK.glob("*/*.html")).as_uri())
    page.get_by_role("row").filter(has_text="not solved").get_by_role("link").click()
    page.screenshot(path=path)


def main() -> None:
    """Take both."""
    PICTURES.mkdir(exist_ok=True)
    with chromium() as browser:
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(120_000)
        picture_lesson(page, PICTURES / "lesson.png")
        picture_feedback(page, PICTURES / "feedback.png")


if __name__ == "__main__":
    main()
