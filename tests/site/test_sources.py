"""What the site's pages are made from: released lessons with stored outputs, and nothing secret."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from nbformat.v4 import new_output

from autograder.errors import CourseError
from autograder.gates import leaks, secret_lines, section_map
from autograder.notebooks.markdown import headings
from autograder.notebooks.repository import Repository, read_repository
from autograder.notebooks.source import read_lesson
from autograder.publish.site import article_page, drawings, lesson_page
from autograder.publish.site.__main__ import refuse_leaks
from autograder.publish.site.links import Links, anchor
from autograder.publish.site.sources import make_sources
from tests.files import TOY_MAP

ROOT = Path(__file__).parents[2]
HERE = Repository("someone/course", "main")
ANSWER = "return as_array(a) + as_array(b)"
LINK = re.compile(r"(?<!!)\[[^\[\]]*\]\(([^()\s]+)\)")


@pytest.fixture(scope="module")
def sources() -> dict[str, bytes]:
    """The sources of the course's own site."""
    return make_sources(ROOT)


def change_runs(toy: Path, name: str, outputs: list, tags: list[str] | None = None) -> None:
    """Give a cell of the toy lesson's instructor notebook other outputs, and in both notebooks
    other tags; cells are named by a piece of their text."""
    for folder in ("solutions", "lessons"):
        path = toy / folder / "90_adding" / "adding.ipynb"
        notebook = nbformat.read(path, as_version=4)
        (cell,) = (cell for cell in notebook.cells if name in cell.source)
        if folder == "solutions":
            cell.outputs = outputs
        if tags is not None:
            cell.metadata["tags"] = tags
        nbformat.write(notebook, path)


def page_of(toy: Path, repository: Repository | None = None, pdf: bool = True):
    lesson = read_lesson(toy / "solutions" / "90_adding")
    return lesson_page.make_page(lesson, repository, pdf=pdf)


def cell_with(page, text: str):
    (cell,) = (cell for cell in page.cells if text in cell.source)
    return cell


def picture(alt: str):
    """A figure as ``course.plots.show`` displays it, and the paragraph that it adds."""
    image = new_output(
        "display_data", data={"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"alt": alt}}
    )
    hidden = f'<p style="position:absolute">Figure: {alt}</p>'
    return [image, new_output("display_data", data={"text/html": hidden})]


def test_a_page_has_prose_code_and_results(toy):
    page = page_of(toy)
    assert [heading.text for heading in headings(page)][:2] == ["Adding", "Two and two"]
    (output,) = cell_with(page, "two and two:").outputs
    assert output.text == "two and two: 4.0\n"


def test_a_page_has_neither_answers_nor_tests(toy):
    page = page_of(toy)
    stub = cell_with(page, "def add")
    assert "YOUR CODE HERE" in stub.source
    assert stub.outputs == []
    text = nbformat.writes(page)
    assert "assert" not in text
    assert ANSWER not in text
    assert "The notebook has 2 test cells for this, 3 points." in text
    assert "The notebook has 1 test cell for this, 1 point." in text


def test_a_page_says_nothing_of_grading(toy):
    for cell in page_of(toy).cells:
        assert not cell.metadata.keys() & {"nbgrader", "course", "tags"}


def test_an_answer_shows_nothing_even_if_the_instructors_did(toy):
    change_runs(toy, "def add", [new_output("stream", text=ANSWER)])
    assert ANSWER not in nbformat.writes(page_of(toy))


def test_a_figure_has_its_alternative_text_once(toy):
    change_runs(toy, "shown = ", picture("Three numbers in a row."))
    cell = cell_with(page_of(toy), "shown = ")
    assert cell.metadata["mystnb"] == {"image": {"alt": "Three numbers in a row."}}
    assert [list(output.data) for output in cell.outputs] == [["image/png"]]


def test_progress_and_colours_are_left_out(toy):
    bars = new_output("stream", name="stderr", text="100%|████|")
    table = new_output(
        "display_data",
        data={
            "text/html": '<pre><span style="color: #00af00">48,179</span></pre>',
            "text/plain": "",
        },
    )
    change_runs(toy, "shown = ", [bars, table])
    (output,) = cell_with(page_of(toy), "shown = ").outputs
    assert (output.output_type, output.text) == ("stream", "48,179")


def test_what_a_cell_at_full_size_shows_is_left_out(toy):
    change_runs(toy, "shown = ", [new_output("stream", text="not here")], ["full-size"])
    assert cell_with(page_of(toy), "shown = ").outputs == []


def test_notebooks_that_do_not_belong_together_are_refused(toy):
    path = toy / "lessons" / "90_adding" / "adding.ipynb"
    notebook = json.loads(path.read_text())
    del notebook["cells"][3]
    path.write_text(json.dumps(notebook))
    with pytest.raises(CourseError, match="run `autograder build 90_adding`"):
        page_of(toy)


@pytest.mark.parametrize(("pdf", "kinds"), [(True, {"ipynb", "pdf"}), (False, {"ipynb"})])
def test_a_page_links_to_notebook_and_pdf(toy, pdf, kinds):
    row = cell_with(page_of(toy, pdf=pdf), "course-links").source
    assert set(re.findall(r'href="adding\.(\w+)"', row)) == kinds
    assert "http" not in row


def test_badges_open_the_released_notebook(toy):
    row = cell_with(page_of(toy, HERE), "course-links").source
    addresses = dict(re.findall(r'href="(https://([\w.]+)/[^"]*)"', row))
    assert set(addresses.values()) == {"colab.research.google.com", "mybinder.org", "kaggle.com"}
    for address in addresses:
        assert "someone/course" in address
        assert address.endswith("lessons/90_adding/adding.ipynb")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("", None),
        ('[tool.course-site]\nrepository = ""\n', None),
        ('[tool.course-site]\nrepository = "someone/course"\n', HERE),
        (
            '[tool.course-site]\nrepository = "someone/course"\nbranch = "next"\n',
            Repository("someone/course", "next"),
        ),
        (
            '[tool.course-site]\nrepository = "someone/course"\nhub = "hub.example.org/"\n',
            Repository("someone/course", "main", "hub.example.org"),
        ),
    ],
)
def test_where_the_repository_is_is_one_setting(tmp_path, setting, expected):
    (tmp_path / "pyproject.toml").write_text(setting)
    assert read_repository(tmp_path) == expected


@pytest.mark.parametrize(
    ("lines", "advice"),
    [
        ('repository = "https://github.com/someone/course"', "write OWNER/NAME"),
        ('repository = "someone/course"\nhub = "https://hub.example.org"', "without https://"),
    ],
)
def test_a_wrong_setting_is_explained(tmp_path, lines, advice):
    (tmp_path / "pyproject.toml").write_text(f"[tool.course-site]\n{lines}\n")
    with pytest.raises(CourseError, match=advice):
        read_repository(tmp_path)


def test_a_hub_is_asked_to_bring_the_repository_and_open_the_notebook():
    services = Repository("someone/course", "main", "hub.example.org").services("a/b.ipynb")
    address = urlsplit(services["JupyterHub"])
    assert address.netloc + address.path == "hub.example.org/hub/user-redirect/git-pull"
    assert parse_qs(address.query) == {
        "repo": ["https://github.com/someone/course"],
        "branch": ["main"],
        "urlpath": ["lab/tree/course/a/b.ipynb"],
    }


def test_an_article_links_to_the_headings_that_answer_it(toy_lesson):
    page = article_page.make_page(1, section_map.parse(TOY_MAP), {"90_adding": toy_lesson})
    link = "[90 Adding: Two and two](../lessons/90_adding/adding.ipynb#two-and-two)"
    assert f"## Introduction\n\nAnswered in: {link}" in page
    assert "- **An item**: 91 subtracting (to come)" in page
    assert "1 of 2 sections and items are answered. The others wait" in page


@pytest.mark.parametrize(
    ("link", "moved", "without_repository"),
    [
        ("[a](../SECURITY.md)", "[a](../SECURITY.md)", None),
        ("[a](guide.md#how-to)", "[a](guide.md#how-to)", None),
        (
            "[a](../lessons/x.ipynb#What%2C-then)",
            "[a](../lessons/x.ipynb#what-then)",
            None,
        ),
        ("[a](../README.md#licences)", "[a](../index.md)", None),
        ("[a](https://example.org/b)", "[a](https://example.org/b)", None),
        (
            "[a](../Makefile)",
            "[a](https://github.com/someone/course/blob/main/Makefile)",
            "a",
        ),
    ],
)
def test_links_lead_to_pages_or_to_the_repository(link, moved, without_repository):
    pages = {"index.md", "SECURITY.md", "docs/guide.md", "lessons/x.ipynb"}
    assert Links(pages, HERE).moved(link, "docs/a.md", "docs/a.md") == moved
    alone = Links(pages).moved(link, "docs/a.md", "docs/a.md")
    assert alone == (moved if without_repository is None else without_repository)


def test_a_drawing_becomes_a_table():
    drawing = '```mermaid\nflowchart TD\n    a["a<br>first?"] --> b & c\n    b["b.py<br>x"] --> c\n'
    table = drawings.as_tables(f'{drawing}    c["c<br>last"]\n```\n')
    assert "| `a` | first? | `b.py`, `c` |" in table
    assert "| `c` | last | nothing |" in table


# --- the course's own site


def test_no_source_of_the_site_leaks(sources, tmp_path):
    for path, content in sources.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    assert leaks.find(tmp_path, secret_lines.collect(ROOT)) == []


def test_every_lesson_article_and_guide_has_a_page(sources):
    lessons = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("lessons/*/*.ipynb")}
    assert lessons <= sources.keys()
    assert sum(path.startswith("articles/") for path in sources) == 4
    guides = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")}
    assert guides - {"docs/index.md"} <= sources.keys()
    contents = re.findall(r"```{toctree}\n.*?\n\n(.*?)```", sources["index.md"].decode(), re.DOTALL)
    listed = [line.rpartition("<")[2].rstrip(">") for text in contents for line in text.split("\n")]
    pages = {path.rpartition(".")[0] for path in sources if not path.endswith(".png")}
    assert set(filter(None, listed)) == pages - {"index"}


def test_links_between_pages_lead_to_headings(sources):
    anchors = {}
    for path, content in sources.items():
        if path.endswith(".ipynb"):
            notebook = nbformat.reads(content.decode(), as_version=4)
            anchors[path] = {anchor(heading.text) for heading in headings(notebook)}
    found = 0
    for path, content in sources.items():
        for link in LINK.findall(content.decode()) if path.endswith(".md") else ():
            target, _, fragment = link.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            if target in anchors and fragment:
                assert fragment in anchors[target], f"{path}: {link}"
                found += 1
    assert found > 200


def test_guides_take_sections_of_the_readme(sources):
    guide = sources["docs/students.md"].decode()
    assert "## For students: am I right?" in guide
    assert "course check lessons/07_chest_xrays --only convolve" in guide
    assert "README.md" not in guide


def test_a_page_that_leaks_stops_the_site(toy):
    """As Sphinx writes code, in a piece for each word."""
    page = toy / "html" / "lessons" / "adding.html"
    page.parent.mkdir(parents=True)
    page.write_text("<html><body><p>Two and two</p></body></html>")
    refuse_leaks(toy, toy / "html")
    code = " ".join(f'<span class="n">{word}</span>' for word in ANSWER.split(" "))
    page.write_text(f'<html><body><div class="highlight"><pre>{code}</pre></div></body></html>')
    with pytest.raises(CourseError, match=r"lessons/adding\.html, line \d+: answer of 90_adding"):
        refuse_leaks(toy, toy / "html")
