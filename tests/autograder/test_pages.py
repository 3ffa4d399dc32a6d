"""Pages that show what students have written, in a browser: nothing runs, nothing is fetched."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.tests import create_grade_and_solution_cell, create_grade_cell, create_solution_cell

from autograder.classroom.assignment import Assignment
from autograder.classroom.folders import ClassFolder
from autograder.classroom.report import make_report
from autograder.classroom.submissions import given_answers
from autograder.nbgrader_course.api import empty_gradebook
from autograder.publish.site.chromium import chromium
from tests.autograder import toy_class
from tests.browser import jupyter_server, needs_chromium

pytestmark = [pytest.mark.slow, needs_chromium]

NAME = "91_showing"
RUN = "console.log('RAN {0}')"
FETCH = "http://outside.invalid/{0}"
# What an answer displays, by the type of it. {run} logs a line, {fetch} is an address elsewhere.
DISPLAYED = {
    "script": ("text/html", "<script>{run}</script>"),
    "script from elsewhere": ("text/html", "<script src='{fetch}'></script>"),
    "image that fails": ("text/html", '<img src="x" onerror="{run}">'),
    "image from elsewhere": ("text/html", "<img src='{fetch}'>"),
    "drawing": ("text/html", '<svg onload="{run}"><script>{run}</script></svg>'),
    "frame": ("text/html", '<iframe srcdoc="<script>parent.{run}</script>"></iframe>'),
    "object": ("text/html", "<object data='{fetch}'></object><embed src='{fetch}'>"),
    "video": ("text/html", '<video src=x onerror="{run}" poster="{fetch}"></video>'),
    "details": ("text/html", '<details open ontoggle="{run}">x</details>'),
    "focus": ("text/html", '<input autofocus onfocus="{run}">'),
    "animation": (
        "text/html",
        '<style>@keyframes x {{}} b {{animation: x 1s}}</style><b onanimationstart="{run}">x</b>',
    ),
    "style sheet": ("text/html", "<link rel=stylesheet href='{fetch}'>"),
    "imported style": ("text/html", "<style>@import url('{fetch}');</style>"),
    "background": ("text/html", "<div style=\"background: url('{fetch}')\">x</div>"),
    "refresh": ("text/html", "<meta http-equiv=refresh content='0;url={fetch}'>"),
    "base": ("text/html", "<base href='http://outside.invalid/'>"),
    "form": ("text/html", "<form id=f action='{fetch}'></form><script>f.submit()</script>"),
    "link": ("text/html", '<a href="javascript:{run}">x</a>'),
    "end of a comment": ("text/html", '<!--><img src=x onerror="{run}">-->'),
    "javascript": ("application/javascript", "{run}"),
    "svg": ("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg' onload=\"{run}\"></svg>"),
    "picture": ("image/png", '" onerror="{run}'),
    "markdown": ("text/markdown", '<img src=x onerror="{run}"> ![]({fetch})'),
    "formula": ("text/latex", '<img src=x onerror="{run}">'),
    "type": ("<img src=x onerror={run}>", "x"),
    "widget": ("application/vnd.jupyter.widget-view+json", "</script><script>{run}</script>"),
    "plot": ("application/vnd.plotly.v1+json", "</script><script>{run}</script>"),
    "text": ("text/plain", '<img src=x onerror="{run}">'),
}
WRITTEN = (
    '<script>{run}</script> <img src=x onerror="{run}"> [a](javascript:{run}) ![b]({fetch}) '
    "<svg/onload={run}> [c][c] ![d][c] <javascript:{run}> $\\href{{javascript:{run}}}{{x}}$ "
    "`<b onclick={run}>`\n\n[c]: {fetch}\n\n<iframe src='{fetch}'>\n"
)
STUDENT, ODD_STUDENT = "ada", "<img src=x onerror=\"console.log('RAN name')\">"
ATTRIBUTES = """() => [...document.querySelectorAll('*')].flatMap(node => [...node.attributes]
    .filter(({name, value}) => name.startsWith('on') || /^\\s*javascript:/i.test(value))
    .map(({name, value}) => `${name}=${value}`))"""


def answer() -> str:
    """An answer that is right, and displays all that."""
    bundles = [
        {kind: text.format(run=RUN.format(name), fetch=FETCH.format(name)), "text/plain": name}
        for name, (kind, text) in DISPLAYED.items()
        if kind != "text/plain"
    ]
    lines = [
        "from IPython.display import display",
        f"for bundle in {bundles!r}:",
        "    display(bundle, raw=True)",
        f"print({json.dumps(DISPLAYED['text'][1].format(run=RUN.format('text')))})",
        "print('\\x1b[31m\\x1b]8;;http://outside.invalid/ansi\\x07<b onclick=1>link</b>\\x1b[0m')",
        "x = 12",
    ]
    return "\n".join(lines)


def notebook(code: str, written: str) -> NotebookNode:
    return new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}},
        cells=[
            new_markdown_cell("# Showing\n\n## Twelve\nLet `x` be 12."),
            create_solution_cell(code, "code", "x"),
            create_grade_cell("assert x == 12, f'x is {x}'", "code", "x_test", 3),
            # It shows what an answer has made.
            new_code_cell("x"),
            new_markdown_cell("## Why"),
            create_grade_and_solution_cell(written, "markdown", "why", 5),
        ],
    )


@pytest.fixture(scope="module")
def root(built_toy, tmp_path_factory) -> Path:
    """A course whose class has handed in what browsers might run, graded and reported."""
    root = tmp_path_factory.mktemp("pages") / "course"
    shutil.copytree(built_toy, root)
    (root / "class").mkdir()
    (root / "class" / "gradebook.db").write_bytes(empty_gradebook())
    folder = root / "solutions" / NAME
    folder.mkdir()
    right = "### BEGIN SOLUTION\nx = 12\n### END SOLUTION"
    nbformat.write(notebook(right, "Because."), folder / "showing.ipynb")
    written = WRITTEN.format(run=RUN.format("written"), fetch=FETCH.format("written"))
    error = (
        f"raise type({answer()[:40]!r}, (Exception,), {{}})('<script>{RUN.format('e')}</script>')"
    )
    for student, code in ((STUDENT, answer()), (ODD_STUDENT, error)):
        handed_in = root / "class" / "submitted" / student / NAME
        handed_in.mkdir(parents=True)
        nbformat.write(notebook(code, written), handed_in / "showing.ipynb")
        odd = f'<img src=x onerror="{RUN.format("file")}">.ipynb'.replace("/", "")
        (handed_in / odd).write_text("{}")
    results = {result.student: result for result in toy_class.grade(root, NAME)}
    assert results[STUDENT].cells["x_test"].score == 3
    assert {result.status for result in results.values()} == {"graded"}
    assignment, classes = Assignment(root, NAME), ClassFolder(root)
    page = make_report(
        classes.results(NAME), assignment.exercises(), given_answers(assignment, classes)
    )
    classes.report(NAME).parent.mkdir()
    classes.report(NAME).write_text(page, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def server(root, tmp_path_factory) -> Iterator[str]:
    """The address of a Jupyter server with Formgrader, started in the course's folder."""
    home = tmp_path_factory.mktemp("jupyter")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    }
    command = [sys.executable, "-m", "jupyter_server", f"--ServerApp.root_dir={root}"]
    with jupyter_server(command, root, home, environment) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


class Seen:
    """What pages have done: lines logged, dialogs, requests to elsewhere, failures."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.outside: list[str] = []
        self.failed: list[str] = []


@contextmanager
def watched(browser, inside: str = "file:", **options):
    """A page of its own, and what it does."""
    context = browser.new_context(**options)
    context.set_default_timeout(120_000)
    page, seen = context.new_page(), Seen()

    def fetch(route):
        if route.request.url.startswith((inside, "data:", "blob:")):
            route.continue_()
        else:
            seen.outside.append(route.request.url)
            route.abort()

    context.route("**/*", fetch)
    page.on("console", lambda line: "RAN" in line.text and seen.done.append(line.text))
    page.on("dialog", lambda dialog: (seen.done.append(dialog.message), dialog.dismiss()))
    page.on("response", lambda answer: answer.status >= 500 and seen.failed.append(answer.url))
    yield page, seen
    page.wait_for_timeout(1_000)
    context.close()
    assert (seen.done, seen.failed) == ([], [])


def test_a_script_would_be_seen(browser, tmp_path):
    (tmp_path / "page.html").write_text(
        f'<img src=x onerror="{RUN.format(1)}"><img src="{FETCH.format(1)}">'
    )
    with pytest.raises(AssertionError, match="RAN 1"), watched(browser) as (page, seen):
        page.goto((tmp_path / "page.html").as_uri())
    assert seen.outside == [FETCH.format(1)]


@pytest.mark.parametrize("student", [STUDENT, ODD_STUDENT])
@pytest.mark.parametrize("bypass_csp", [False, True])
def test_feedback(root, browser, student, bypass_csp):
    (path,) = ClassFolder(root).feedback(student, NAME)
    with watched(browser, bypass_csp=bypass_csp) as (page, seen):
        page.goto(path.as_uri())
        assert page.evaluate(ATTRIBUTES) == []
    assert seen.outside == []


@pytest.mark.parametrize("bypass_csp", [False, True])
def test_report(root, browser, bypass_csp):
    with watched(browser, bypass_csp=bypass_csp) as (page, seen):
        page.goto(ClassFolder(root).report(NAME).as_uri())
        assert page.evaluate(ATTRIBUTES) == []
    assert seen.outside == []


def submissions(page, server: str) -> dict[str, str]:
    """The address of each student's submission in Formgrader."""
    listed = page.request.get(f"{server}/formgrader/api/submitted_notebooks/{NAME}/showing")
    return {
        entry["student"]: f"{server}/formgrader/submissions/{entry['id']}/"
        for entry in listed.json()
    }


def test_formgrader(server, browser):
    with watched(browser, server) as (page, seen):
        for part in (
            "manage_assignments",
            f"manage_submissions/{NAME}",
            "manage_students",
            f"manage_students/{STUDENT}",
            "gradebook",
            f"gradebook/{NAME}",
            f"gradebook/{NAME}/showing",
        ):
            page.goto(f"{server}/formgrader/{part}")
            page.wait_for_load_state("networkidle")
        for address in submissions(page, server).values():
            page.goto(address)
            page.wait_for_load_state("networkidle")
            page.locator("input.score").first.wait_for()
    assert seen.outside == []


def test_a_submission_in_formgrader_is_harmless_by_itself(server, browser):
    """Without the policy, too; nbgrader's own page then fetches MathJax."""
    with watched(browser, server, bypass_csp=True) as (page, seen):
        page.goto(submissions(page, server)[STUDENT])
        page.wait_for_load_state("networkidle")
        found = page.evaluate(ATTRIBUTES.replace("'*'", "'#notebook *'"))
        assert found == []
        assert page.locator("#notebook iframe, #notebook svg, #notebook form").count() == 0
    assert all("mathjax" in url for url in seen.outside)


def test_formgraders_own_buttons_work_under_the_policy(server, browser):
    with watched(browser, server) as (page, _):
        page.goto(submissions(page, server)[STUDENT])
        page.wait_for_load_state("networkidle")
        page.locator("span.glyphicon-eye-open").click()
        assert page.locator("a.name-shown").is_visible()
