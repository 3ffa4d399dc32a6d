"""Answers, hidden tests and known mistakes stay where only instructors look."""

from __future__ import annotations

import html
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.gates import leaks, secret_lines
from autograder.gates.secret_lines import ANSWER, EXPLANATION, HIDDEN
from autograder.notebooks.cells import ALTERNATIVE, MISCONCEPTION

ROOT = Path(__file__).parents[2]

SOLUTION = "return as_array(a) + as_array(b)"
TEST = 'assert add(-1, 1) == 0, "the sum of -1 and 1 should be 0: look at negative numbers"'
WRONG = "return as_array(a) - as_array(b)"
OTHER = "return np.add(a, b)"
SENTENCE = "Takes the difference instead of the sum."


@pytest.fixture(scope="module")
def secrets():
    return secret_lines.collect(ROOT)


@pytest.fixture(scope="module")
def toy_secrets(built_toy):
    return secret_lines.collect(built_toy)


def test_lessons_of_the_course(secrets):
    assert secrets.lines, "there should be something to keep secret"
    assert leaks.find(ROOT / "lessons", secrets) == []


def test_toy_has_no_leak(toy):
    assert leaks.check(toy) == []


def test_what_is_secret(toy_secrets):
    kinds = {line: kind for line, (_, kind) in toy_secrets.lines.items()}
    assert kinds[SOLUTION] == ANSWER
    assert kinds[TEST] == HIDDEN
    assert kinds[WRONG] == MISCONCEPTION
    assert kinds[OTHER] == ALTERNATIVE
    assert kinds[SENTENCE] == EXPLANATION
    # The head of the function is given, and each wrong answer has it too.
    assert "def add(a, b):" not in kinds
    assert "BEGIN SOLUTION" not in kinds


def change(root: Path, edit) -> None:
    path = root / "lessons/90_adding/adding.ipynb"
    notebook = nbformat.read(path, as_version=4)
    edit(notebook)
    nbformat.write(notebook, path)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"def add(a, b):\n    {SOLUTION}\n", ANSWER),
        (f"    # {SOLUTION}", ANSWER),
        (f"y = 1; {SOLUTION}  # so", ANSWER),
        ('names = ["ada",   "emmy"]', ANSWER),
        (TEST, HIDDEN),
        (WRONG, MISCONCEPTION),
        (OTHER, ALTERNATIVE),
        (f"# {SENTENCE}", EXPLANATION),
        ("### BEGIN HIDDEN TESTS", "marker"),
    ],
)
@pytest.mark.parametrize("new_cell", [new_code_cell, new_markdown_cell])
def test_secret_line_in_a_lesson_is_found(toy, text, kind, new_cell):
    change(toy, lambda notebook: notebook.cells.append(new_cell(f"Look:\n\n{text}")))
    found = leaks.check(toy)
    assert [finding.kind for finding in found] == [kind]
    assert found[0].file == "lessons/90_adding/adding.ipynb"
    assert found[0].cell == len(nbformat.read(toy / found[0].file, as_version=4).cells)


def test_secret_line_in_an_output_or_in_metadata_is_found(toy):
    def edit(notebook):
        output = nbformat.v4.new_output("stream", text=SOLUTION)
        notebook.cells.append(new_code_cell("1", outputs=[output]))
        notebook.cells[0].metadata["hint"] = TEST

    change(toy, edit)
    assert {finding.kind for finding in leaks.check(toy)} == {ANSWER, HIDDEN}


def test_pairing_is_found(toy):
    change(toy, lambda notebook: notebook.metadata.update(jupytext={"formats": "ipynb,py"}))
    (finding,) = leaks.check(toy)
    assert finding.kind == "metadata"
    assert "jupytext" in str(finding)


@pytest.mark.parametrize("tag", [MISCONCEPTION, ALTERNATIVE])
def test_tagged_cell_is_found(toy, tag):
    change(toy, lambda notebook: notebook.cells[0].metadata.update(tags=[tag]))
    (finding,) = leaks.check(toy)
    assert (finding.kind, finding.cell) == ("tag", 1)


def test_source_and_instructor_notebook_are_found_anywhere(toy, toy_secrets):
    shutil.copytree(toy / "solutions" / "90_adding", toy / "lessons" / "90_adding" / "more")
    files = {Path(finding.file).name for finding in leaks.check(toy)}
    assert files == {"adding.py", "adding.ipynb"}


def test_leak_in_an_archive_is_found(tmp_path, toy, toy_secrets):
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", toy / "solutions")
    inner = tmp_path / "inner"
    inner.mkdir()
    shutil.move(archive, inner)
    outer = Path(shutil.make_archive(str(tmp_path / "outer"), "zip", inner))
    assert len(leaks.find(outer, toy_secrets)) > 10


def page(code: str) -> str:
    """A page of feedback, highlighted as nbconvert does, in a piece for each word."""
    spans = " ".join(f'<span class="n">{html.escape(word)}</span>' for word in code.split(" "))
    return f"<html><style>pre {{}}</style><body><div><pre>{spans}</pre></div></body></html>"


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        (f"----> 2 {TEST}", [HIDDEN]),
        (f"AssertionError\n      1 {OTHER}", [ALTERNATIVE]),
        (SENTENCE, []),
        (SOLUTION, [ANSWER]),
        ("AssertionError: the sum of -1 and 1 should be 0: look at negative numbers", []),
    ],
)
def test_feedback(tmp_path, toy_secrets, code, kinds):
    path = tmp_path / "adding.html"
    path.write_text(page(code))
    assert [finding.kind for finding in leaks.check_feedback(path, toy_secrets)] == kinds


def test_own_right_answer_is_no_leak_in_feedback(tmp_path, toy_secrets):
    path = tmp_path / "adding.html"
    path.write_text(page(f"def add(a, b):\n    {SOLUTION}"))
    assert leaks.check_feedback(path, toy_secrets, f"def add(a, b):\n  {SOLUTION}") == []


def make_wheel(folder: Path) -> Path:
    """A wheel of a copy of the package, so that nothing is left in the repository."""
    copy = folder / "copy"
    copy.mkdir()
    for name in ("course", "autograder"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    for path in (ROOT / "pyproject.toml", ROOT / "README.md", *ROOT.glob("LICENSE*")):
        shutil.copy(path, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(copy)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.parametrize("package", ["course", "autograder"])
def test_packages(package, secrets):
    assert leaks.find(ROOT / package, secrets) == []


@pytest.mark.slow
def test_wheel(tmp_path, secrets):
    assert leaks.find(make_wheel(tmp_path), secrets) == []


def test_program_with_an_answer_is_found(tmp_path, toy_secrets):
    (tmp_path / "models.py").write_text(f"def plus(a, b):\n    {SOLUTION}\n")
    (finding,) = leaks.find(tmp_path, toy_secrets)
    assert (finding.file, finding.line, finding.lesson) == ("models.py", 2, "90_adding")
