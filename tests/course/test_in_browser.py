"""What students see in a browser that ``course lab`` has opened, from the list of lessons to
``%check``, and their menus."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from autograder.publish.site.chromium import chromium
from tests.browser import jupyter_server, needs_chromium, run_all
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
def window() -> Iterator:
    """An empty page, high enough that every cell of a notebook is on the screen."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 2400})
        page.set_default_timeout(120_000)
        yield page


@contextlib.contextmanager
def opened(address: str) -> Iterator:
    """A page that shows a notebook."""
    with window() as page:
        page.goto(address)
        page.locator(".jp-Notebook").wait_for()
        page.get_by_role("menuitem", name="Nbgrader").wait_for()
        yield page


def entries(page) -> set[str]:
    """What nbgrader's menu offers."""
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.locator(".lm-Menu-itemLabel").first.wait_for()
    return set(filter(None, page.locator(".lm-Menu-itemLabel").all_inner_texts()))


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


FIGURE = """\
import matplotlib.pyplot as plt
from course import plots
fig, axis = plt.subplots()
axis.plot([0, 1])
plots.show(fig, alt="A line that rises from the left to the right.")
"""
# A kernel that has been forked has it before the first import.
IS_FAST = "import sys\nprint('starts fast:', 'tensorflow' in sys.modules)"

# What dialogs say, also of those that are gone again.
NOTE_DIALOGS = """
window.dialogs = [];
new MutationObserver(changes => changes.forEach(change => change.addedNodes.forEach(node => {
    if (node.classList?.contains("jp-Dialog")) window.dialogs.push(node.innerText);
}))).observe(document, {childList: true, subtree: true});
"""


def write_into(page, stub: str, answer: str) -> None:
    """Replace what a cell that shows some text holds."""
    page.locator(".jp-CodeCell .cm-content").filter(has_text=stub).first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(answer)


def test_from_the_list_of_lessons_to_a_checked_answer(tmp_path):
    """All that a student does in an evening, and what they must not meet."""
    root = tmp_path / "course"
    toy = ToyLesson(root / "lessons")
    toy.answer(imports=SETUP)
    toy.add(before="demo", source=IS_FAST)
    toy.add(before="demo", source=FIGURE)
    toy.notebook.cells.append(nbformat.v4.new_code_cell("%check", id="check"))
    toy.save()
    link = toy.path.relative_to(root / "lessons").as_posix()
    (root / "lessons" / "README.md").write_text(f"# Lessons\n\n[A toy lesson]({link})\n")
    with course_lab(root, tmp_path) as server, window() as page:
        asked: set[str] = set()
        page.on("request", lambda request: asked.add(request.url))
        page.on("websocket", lambda socket: asked.add(socket.url))
        page.add_init_script(NOTE_DIALOGS)
        page.goto(server)
        page.get_by_role("link", name="A toy lesson").click()
        page.get_by_text("| Idle").wait_for()
        run_all(page, until="double: not answered")
        assert page.get_by_text("starts fast: True").count() == 1
        # JupyterLab gives the picture itself no alternative text.
        assert page.get_by_text("Figure: A line that rises from the left").count() == 1
        write_into(page, "def double(x):", toy.DOUBLE)
        write_into(page, "# YOUR CODE HERE", toy.TRIPLE)
        run_all(page, until="✓ triple: right")
        assert page.get_by_text("✓ double: right").count() == 1
        page.keyboard.press("Control+S")
        page.locator(".jp-mod-dirty").wait_for(state="detached")
        assert page.evaluate("window.dialogs") == []
    address = server.partition("://")[2]
    outside = {url for url in asked if url.partition("://")[2].partition("/")[0] != address}
    assert {url for url in outside if not url.startswith(("data:", "blob:"))} == set()
    assert toy.DOUBLE.splitlines()[0] in toy.path.read_text()


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
