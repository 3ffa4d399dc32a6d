"""JupyterHub as `deploy/jupyterhub` configures it: an assignment goes round in a browser."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests

from autograder.publish.site.chromium import chromium
from tests.autograder.toy_class import ASSIGNMENT, RIGHT
from tests.browser import needs_chromium, run_all

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy" / "jupyterhub"
CONFIG = HERE / "jupyterhub_config.py"
PROXY = HERE / "node_modules" / "configurable-http-proxy"
needs_proxy = pytest.mark.skipif(
    not PROXY.is_dir() and "CI" not in os.environ,
    reason="no proxy for JupyterHub: run `make proxy`",
)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def settings(toy, tmp_path) -> dict[str, str]:
    """A class of one instructor, one grader and one student, as variables of the environment."""
    (tmp_path / "exchange").mkdir()
    (tmp_path / "exchange").chmod(0o1777)
    (tmp_path / "students.txt").write_text("ada\nben\n")
    return {
        "COURSE_HUB_INSTRUCTOR": "grace",
        "COURSE_HUB_GRADERS": "tom",
        "COURSE_HUB_STUDENTS": str(tmp_path / "students.txt"),
        "COURSE_HUB_COURSE": str(toy),
        "COURSE_HUB_EXCHANGE": str(tmp_path / "exchange"),
        "COURSE_HUB_STATE": str(tmp_path / "state"),
        # Nobody needs an account of this machine.
        "COURSE_HUB_AUTHENTICATOR": "dummy",
        "COURSE_HUB_SPAWNER": "simple",
    }


@pytest.fixture
def hub(settings, tmp_path) -> Iterator[str]:
    """The address of a hub that runs, its users' homes below `tmp_path`."""
    homes = tmp_path / "homes"
    for name in ("grace", "tom", "ada", "ben"):
        (homes / name / ".jupyter").mkdir(parents=True)
        # A test may be run by root, whom Jupyter refuses otherwise.
        own = {"ServerApp": {"allow_root": True}}
        (homes / name / ".jupyter" / "jupyter_server_config.json").write_text(json.dumps(own))
    address, inner, api = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
    command = [
        *(sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)),
        f"--SimpleLocalProcessSpawner.home_dir_template={homes}/{{username}}",
        *(f"--Spawner.env_keep={name}" for name in ("COURSE_RUNTIME_DIR", "LANG", "PYTHONPATH")),
        *(f"--JupyterHub.hub_bind_url={inner}", f"--ConfigurableHTTPProxy.api_url={api}"),
    ]
    log = tmp_path / "hub.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT,
            env=os.environ | settings | {"COURSE_HUB_ADDRESS": address, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:
        while not is_up(address):
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def is_up(address: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{address}/hub/health", timeout=10).ok
    return False


class Person:
    """Somebody in a browser of their own, logged in to the hub.

    Args:
        browser: of Playwright.
        address: the hub's.
        name: the account's.
        place: the path of the page that opens; a server of their own, with JupyterLab, by default.
    """

    def __init__(self, browser, address: str, name: str, place: str = "") -> None:
        self.name, self.server = name, f"{address}/user/{name}"
        # High enough that all of a notebook is on the screen.
        self.page = browser.new_context(viewport={"width": 1400, "height": 1800}).new_page()
        self.page.set_default_timeout(120_000)
        self.page.goto(f"{address}/hub/login?{urlencode({'next': place})}")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill("any")
        self.page.get_by_role("button", name="Sign in").click()
        if not place:
            self.page.get_by_role("menuitem", name="Nbgrader").wait_for()

    def offered(self) -> set[str]:
        """What nbgrader's menu offers."""
        self.page.get_by_role("menuitem", name="Nbgrader").click()
        labels = self.page.locator(".lm-Menu-itemLabel")
        labels.first.wait_for()
        found = set(filter(None, labels.all_inner_texts()))
        self.page.keyboard.press("Escape")
        return found

    def choose(self, entry: str) -> None:
        """Open a panel of nbgrader's."""
        self.page.get_by_role("menuitem", name="Nbgrader").click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()

    def press(self, name: str) -> None:
        """Press a button of the list of assignments."""
        self.page.get_by_role("button", name=name).click()

    def in_formgrader(self, column: str) -> None:
        """Press what the table of Formgrader has in a column, and wait until it says that it is
        done."""
        frame = self.page.frame_locator("iframe")
        frame.locator(f"td.{column} a").click()
        frame.get_by_text("Success", exact=True).wait_for()
        frame.get_by_role("button", name="OK").click()
        frame.locator(".modal-backdrop").wait_for(state="detached")

    def status(self, path: str) -> int:
        """How the hub answers a request of this person's."""
        return self.page.request.get(path).status


@pytest.fixture
def log_in(hub):
    with chromium() as browser:
        yield lambda *words: Person(browser, hub, *words)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@needs_chromium
@needs_proxy
def test_an_assignment_goes_round(log_in, hub, toy, tmp_path):
    # The instructor releases it.
    grace = log_in("grace")
    assert grace.offered() >= {"Formgrader", "Assignment List"}
    grace.choose("Formgrader")
    grace.in_formgrader("assign")
    grace.in_formgrader("release")

    # A student, who cannot see Formgrader, nor reach it, fetches it, answers and submits.
    ada = log_in("ada")
    assert ada.offered() == {"Assignment List"}
    assert ada.status(f"{ada.server}/formgrader") == 404
    assert ada.status(f"{grace.server}/formgrader/manage_assignments") == 403
    assert ada.status(f"{grace.server}/api/contents") == 403
    ada.choose("Assignment List")
    ada.press("Fetch")
    ada.page.get_by_role("button", name="Submit").wait_for()
    answer(ada, tmp_path / "homes" / "ada" / ASSIGNMENT / "adding.ipynb", RIGHT)
    ada.choose("Assignment List")
    ada.press("Submit")
    ada.page.get_by_role("button", name="Fetch Feedback").wait_for()

    # The instructor collects, grades, and releases feedback.
    grace.in_formgrader("collect")
    assert (toy / "class" / "submitted" / "ada" / ASSIGNMENT / "adding.ipynb").is_file()
    grace.page.frame_locator("iframe").locator("td.num-submissions a").click()
    grace.in_formgrader("autograde")
    grace.in_formgrader("generate-feedback")
    grace.in_formgrader("release-feedback")

    # The student reads it.
    ada.press("Fetch Feedback")
    ada.page.get_by_text("view feedback").click()
    ada.page.locator(".jp-DirListing-item").filter(has_text="adding.html").dblclick()
    feedback = ada.page.frame_locator(".jp-HTMLViewer iframe")
    feedback.get_by_text("4 of 4 points.").wait_for()

    # A link brings her files from a repository.
    repository = tmp_path / "given"
    shutil.copytree(toy / "lessons" / ASSIGNMENT, repository)
    for words in ("init -q -b main", "add .", "commit -q -m Lesson"):
        me = ("-c", "user.name=Grace", "-c", "user.email=grace@example.org")
        subprocess.run(["git", *me, *words.split()], cwd=repository, check=True)
    pull = {"repo": str(repository), "branch": "main", "urlpath": "lab/tree/given/adding.ipynb"}
    ada.page.goto(f"{hub}/hub/user-redirect/git-pull?{urlencode(pull)}")
    ada.page.wait_for_url("**/given/adding.ipynb*", wait_until="commit")
    assert (tmp_path / "homes" / "ada" / "given" / "adding.ipynb").is_file()

    # Another grader works in the instructor's server.
    tom = log_in("tom", "/user/grace/formgrader/manage_submissions/90_adding")
    tom.page.get_by_role("button", name="Authorize").click()
    tom.page.locator("td.score").filter(has_text="4 / 4").wait_for()
    assert "without the fast start" not in (tmp_path / "hub.log").read_text()


def answer(person: Person, path: Path, answers: dict[str, str]) -> None:
    """Write answers into a notebook's cells in JupyterLab, run all of it, and save it."""
    page = person.page
    page.goto(f"{person.server}/lab/tree/{path.parent.name}/{path.name}")
    page.locator(".jp-Notebook").wait_for()
    for cell, text in answers.items():
        number = [each["id"] for each in json.loads(path.read_text())["cells"]].index(cell)
        page.locator(f".jp-Cell[data-windowed-list-index='{number}'] .cm-content").click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(text)
    run_all(page, until="two and two: 4.0")
    page.keyboard.press("Control+S")
    page.locator(".lm-TabBar-tab.jp-mod-dirty").wait_for(state="detached")
    saved = {cell["id"]: "".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]}
    assert {cell: saved[cell] for cell in answers} == answers
