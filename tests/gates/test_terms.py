"""Lessons use no term and no layer that neither they nor the lessons they need introduce."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autograder.gates import terms
from autograder.notebooks.markdown import passages
from autograder.notebooks.terms import Finder, read_terms
from tests.files import said

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "toy" / "solutions" / "90_adding" / "adding.py"


@pytest.fixture
def write(tmp_path):
    """Write a lesson: its folder's name, header keys, and cells, Markdown but for ``code``."""

    def lesson(name: str, *cells: str, code: str = "", **header: object) -> None:
        text = TOY.read_text(encoding="utf-8")
        built = re.escape("#     built: a sum of arrays\n") + r".*?# ---\n"
        keys = "".join(f"#     {key}: {value}\n" for key, value in header.items())
        text = re.sub(built, lambda _: f"#     built: a sum\n{keys}# ---\n", text, flags=re.DOTALL)
        shown = "".join(f"# %% [markdown]\n# {cell}\n\n" for cell in cells)
        shown += f"# %%\n{code}\n\n" if code else ""
        # The arrays of the toy lesson would be a term of each of these.
        text = text.replace(
            "# %% [markdown]\n# ## Two and two", f"{shown}# %% [markdown]\n# ## Two"
        )
        path = tmp_path / "solutions" / name / f"{name[3:]}.py"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")

    return lesson


@pytest.fixture
def found(tmp_path):
    """What the gate says of the lessons that were written."""
    return lambda: said(terms.check(tmp_path))


KERNEL = '{"kernel, Conv2D": "A pattern."}'
LAYER = '{"layer": "Some neurons."}'
EXPLAINED = "Here is the **kernel**."


def test_lessons_use_what_their_readers_know():
    assert said(terms.check(ROOT)) == []


def test_toy_uses_what_its_readers_know(toy):
    assert said(terms.check(toy)) == []


def test_what_a_needed_lesson_introduces_may_be_used(write, found):
    write("91_one", EXPLAINED, terms=KERNEL)
    write("92_two", "A **layer** has kernels.", terms=LAYER, needs="[91_one]")
    write("93_three", "A **net** has a kernel.", terms='{"net": "Layers."}', needs="[92_two]")
    assert found() == []


def test_a_term_used_before_its_lesson_is_noticed(write, found):
    write("91_one", "A **layer** has a Kernel.", terms=LAYER)
    write("92_two", EXPLAINED, terms=KERNEL)
    (problem,) = found()
    assert problem.startswith("solutions/91_one/one.py, cell 3, line 1: 'kernel' is used, which ")
    assert "92_two introduces" in problem
    assert "explain it here and list it under `explains`" in problem
    assert "`needs`" not in problem  # it comes later


def test_a_missing_need_is_noticed(write, found):
    write("91_one", EXPLAINED, terms=KERNEL)
    write("92_two", "A **layer** has two kernels.", terms=LAYER)
    (problem,) = found()
    assert "'kernel' is used" in problem
    assert "add 91_one to `needs`" in problem


def test_a_term_that_is_explained_again_may_be_used_and_so_where_that_is_needed(write, found):
    write("91_one", EXPLAINED, terms=KERNEL)
    write("92_two", "A **layer** has a kernel.", terms=LAYER, explains="[kernel]")
    write("93_three", "A **net** has a kernel.", terms='{"net": "Layers."}', needs="[92_two]")
    assert found() == []


@pytest.mark.parametrize(
    ("name", "needs", "complaint"),
    [
        ("nail", "[]", "no lesson lists as a term"),
        ("kernel", "[91_one]", "91_one introduces, which the reader has read"),
        ("bump", "[]", "the lesson does not use"),
    ],
)
def test_an_explanation_without_effect_is_noticed(write, found, name, needs, complaint):
    both = '{"kernel": "A pattern.", "bump": "A hill."}'
    write("91_one", EXPLAINED, "And a **bump**.", terms=both)
    write("92_two", "A **layer**.", terms=LAYER, needs=needs, explains=f"[{name}]")
    (problem,) = found()
    assert f"`explains` names {name!r}, which {complaint}" in problem


def test_a_term_in_two_lessons_is_noticed_in_both(write, found):
    write("91_one", EXPLAINED, terms=KERNEL)
    write("92_two", EXPLAINED, terms='{"kernel": "Something."}')
    first, second = found()
    assert "the term 'kernel' is listed here and a second time in 92_two" in first
    assert "a second time in 91_one" in second


def test_a_word_with_two_meanings_is_two_terms(write, found):
    write("91_one", EXPLAINED, terms='{"kernel (of a layer)": "Its weights."}')
    write("92_two", EXPLAINED, terms='{"kernel (of a convolution)": "A pattern."}')
    write("93_three", "A **net** of kernels.", terms='{"net": "Layers."}')
    assert found() == []


def test_needs_in_a_circle_are_noticed(write, found):
    write("91_one", EXPLAINED, terms=KERNEL, needs="[92_two]")
    write("92_two", "A **layer**.", terms=LAYER, needs="[91_one]")
    (problem,) = found()
    assert problem.startswith("solutions/91_one/one.py: `needs` names 92_two, which does not come")
    assert "the two need each other" in problem


def test_a_need_that_is_not_written_is_noticed(write, found):
    write("91_one", EXPLAINED, terms=KERNEL, needs="[90_none]")
    (problem,) = found()
    assert "`needs` names 90_none, which is not written" in problem


def test_a_term_that_the_text_does_not_mark_is_noticed(write, found):
    write("91_one", "Here is the kernel. *Is it a kernel?*", terms='{"kernel": "A pattern."}')
    (problem,) = found()
    assert "the header lists the term 'kernel', and the text has it nowhere in bold" in problem


def test_a_term_used_before_it_is_explained_is_noticed(write, found):
    cells = ("You will lay kernels.", "## First", "A kernel.", EXPLAINED)
    write("91_one", *cells, terms=KERNEL)
    (problem,) = found()  # not of the opening, which says what is to come
    assert "cell 5, line 1: 'kernel' is used here and marked only in cell 6" in problem


def test_a_layer_that_no_lesson_introduces_is_noticed(write, found):
    code = "made = [layers.Conv2D, layers.Dense, keras.losses.huber, layers.Layer, losses.append]"
    write("91_one", EXPLAINED, terms=KERNEL, code=code)
    dense, huber = sorted(found())
    assert "cell 4, line 1: 'Dense', a name of Keras, is used, and no lesson introduces" in dense
    assert "'huber'" in huber


def test_a_header_without_terms_is_noticed(write, found, tmp_path):
    write("91_one")
    (problem,) = found()
    assert "the header lists no terms" in problem
    path = tmp_path / "solutions" / "91_one" / "one.py"
    path.write_text(path.read_text().replace("#     built: a sum\n", ""))
    assert any("does not say what the reader will have built" in each for each in found())


def test_tests_and_titles_of_papers_use_no_terms(write, found):
    write("91_one", "A **layer**.", "To read: *Kernels*.", terms=LAYER)
    write("92_two", EXPLAINED, terms=KERNEL)
    assert found() == []


def test_a_header_writes_names_and_brackets():
    first, second = read_terms({"code (of a picture), latent": "Few numbers.", "bit": "0 or 1."})
    assert (first.name, first.names) == ("code (of a picture)", ("code", "latent"))
    assert (first.unmistakable, first.meaning) == (("latent",), "Few numbers.")
    assert (second.name, second.unmistakable) == ("bit", ("bit",))


def test_names_are_found_as_people_write_them():
    finder = Finder(["hidden layer", "policy", "policy gradient", "loss", "Dense", "mask_zero"])
    text = "Losses of hidden-layers; the policy\ngradient. Dense, lossless, mask_zero."
    expected = ["loss", "hidden layer", "policy gradient", "mask_zero"]
    assert list(finder.in_text(text)) == expected
    code = "x = layers.Dense(4)(y)\nz = Embedding(mask_zero=True)"
    assert sorted(finder.in_code(code)) == [("Dense", 1), ("mask_zero", 2)]
    assert list(finder.in_code("%check loss")) == []


def test_passages_are_text_marks_and_code():
    text = "## A `head`\n\n$x$ is **bold *and* more**,\nand `code`.\n\n| a | *b* |\n|---|---|\n"
    head, paragraph, cell, other = passages(text)
    assert (head.level, head.source, head.code) == (2, "A `head`", ("head",))
    assert (paragraph.line, paragraph.marked) == (3, ("and", "bold and more"))
    assert paragraph.text.split() == ["is", "bold", "and", "more,", "and", "."]
    assert (cell.text, other.marked) == ("a", ("b",))
