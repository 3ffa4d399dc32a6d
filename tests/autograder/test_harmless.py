"""What is left of outputs and written answers: words, tables and pictures, within limits."""

import base64
import io
import json
import re

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbgrader.tests import create_grade_and_solution_cell
from PIL import Image

from autograder.grading import harmless
from autograder.grading.harmless import make_harmless


def shown(*outputs):
    """The outputs of a cell after they were made harmless."""
    notebook = new_notebook(cells=[new_code_cell("1", outputs=list(outputs))])
    make_harmless(notebook)
    return notebook.cells[0].outputs


def displayed(data, **metadata):
    (output,) = shown(new_output("display_data", data, metadata=metadata))
    assert output.metadata == {}
    return output.data


def picture(kind="PNG", size=(3, 2)):
    buffer = io.BytesIO()
    Image.new("L", size).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    "kind",
    [
        "application/javascript",
        "application/json",
        "application/pdf",
        "application/vnd.jupyter.widget-view+json",
        "application/vnd.plotly.v1+json",
        "image/svg+xml",
        "image/gif",
        "text/latex",
        "text/markdown",
        "text/x-anything",
    ],
)
def test_other_types_are_named_and_not_shown(kind):
    data = displayed({kind: "alert(1)", "text/plain": "a value"})
    assert data == {"text/plain": f"a value\n[What was displayed as {kind} is not shown here.]"}


def test_a_type_that_is_no_type_is_not_repeated():
    assert "<script>" not in json.dumps(displayed({"<script>alert(1)</script>": "x"}))


def test_a_table_is_kept_without_styles_and_events():
    table = '<style>td {color: red}</style><table onload="f()"><tr><td colspan="2" style="x">1</td>'
    html = displayed({"text/html": table})["text/html"]
    assert '<td colspan="2">1</td>' in html
    assert not any(word in html for word in ("style", "color", "onload"))


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<SCRIPT SRC=//a.b/c.js></SCRIPT>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "<iframe src='javascript:alert(1)'></iframe>",
        "<meta http-equiv=refresh content='0;url=http://a.b'>",
        "<a href='javascript:alert(1)'>x</a>",
        "<link rel=stylesheet href=http://a.b/c.css>",
        "<form action=http://a.b><button>x</button></form>",
        "<b style='background: url(http://a.b)'>x</b>",
        "<math href='javascript:alert(1)'>x</math>",
        "<script <script>>alert(1)//<</script>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    ],
)
def test_no_html_runs_or_fetches(html):
    clean = displayed({"text/html": html}).get("text/html", "")
    assert set(re.findall("<[^>]*>?", clean)) <= {"<b>", "</b>", "<p>", "</p>"}


def test_html_is_closed_and_not_deep():
    html = displayed({"text/html": "</td><div>" * 1_000})["text/html"]
    assert html == "<div>" * harmless.MAX_DEPTH + "</div>" * harmless.MAX_DEPTH
    assert displayed({"text/html": "<b><i>x</b>y</i>"})["text/html"] == "<b><i>x</i></b>y"
    assert displayed({"text/html": "a &lt;b&gt; &amp;"})["text/html"] == "a &lt;b&gt; &amp;"


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_pictures_are_kept(kind):
    data = {f"image/{kind}": picture(kind.upper()) + "\n"}
    assert displayed(data, width='1" onload="alert(1)') == {f"image/{kind}": picture(kind.upper())}


@pytest.mark.parametrize(
    "text",
    [
        '" onerror="alert(1)',
        base64.b64encode(b"<svg onload='alert(1)'/>").decode(),
        picture("JPEG"),
        picture(size=(5000, 5000)),
        picture()[:40],
    ],
)
def test_what_is_no_png_of_a_sensible_size_is_not_shown(text):
    assert "image/png" not in displayed({"image/png": text})


def test_texts_lose_colours_and_control_characters():
    (output,) = shown(new_output("stream", text="\x1b[31mred\x1b[0m\x07 \x1b]0;title\x07\ttab\n"))
    assert output.text == "red ]0;title\ttab\n"


def test_outputs_are_limited_in_number_and_in_sum():
    many = shown(*[new_output("stream", text="x")] * (harmless.MAX_OUTPUTS + 7))
    assert len(many) == harmless.MAX_OUTPUTS + 1
    assert many[-1].text == "[7 more outputs of this cell were dropped.]\n"
    large = shown(*[new_output("stream", text="x" * 90_000)] * 1_000)
    assert sum(len(output.text) for output in large) <= harmless.MAX_TOTAL + 100
    assert "more outputs" in large[-1].text


def test_one_output_is_limited():
    (output,) = shown(new_output("stream", text="x" * 1_000_000))
    assert output.text.endswith("[900000 more characters were dropped.]")
    html = "<b>" * harmless.MAX_HTML
    assert list(displayed({"text/html": html, "text/plain": "b"})) == ["text/plain"]


def test_errors_are_cut():
    error = new_output("error", ename="E" * 5_000_000, evalue="v" * 5_000_000, traceback=["t"] * 5)
    error.traceback = ["\x1b[31mt" * 1_000_000]
    (output,) = shown(error)
    assert len(json.dumps(output)) < harmless.MAX_TRACEBACK + harmless.MAX_MESSAGE + 1_000
    assert "\x1b" not in output.traceback[0]


def test_messages_are_cut():
    cell = new_code_cell("1", metadata={"course": {"message": "m" * 5_000_000, "score": 0}})
    notebook = new_notebook(cells=[cell], metadata={"course": {"message": "m" * 5_000_000}})
    make_harmless(notebook)
    assert len(json.dumps(notebook)) < 3 * harmless.MAX_MESSAGE


def test_a_message_of_control_characters_is_still_a_message():
    cell = new_code_cell("1", metadata={"course": {"message": "\x00\x1b[31m", "score": 0}})
    make_harmless(new_notebook(cells=[cell]))
    assert cell.metadata["course"]["message"] == harmless.NO_TEXT


def test_written_answers_keep_words_code_and_formulas():
    text = "# Why\n*Because* $a < b$, `x[0]`, $\\frac{a}{b}$ and 1<2.\n```\nif a < b: pass\n```"
    assert harmless.harmless_markdown(text) == text


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("<script>alert(1)</script>", "< script>alert(1)< /script>"),
        ("<!-- --><?x ?>", "< !-- -->< ?x ?>"),
        ("[a](javascript:alert(1))", "[a] (javascript:alert(1))"),
        ("![a](http://a.b/c.png)", "![a] (http://a.b/c.png)"),
        ("![a][b]\n\n[b]: http://a.b", "![a] [b]\n\n[b] : http://a.b"),
        ("<javascript:alert(1)>", "< javascript:alert(1)>"),
        (r"$\href{javascript:alert(1)}{x}$", r"$\ href{javascript:alert(1)}{x}$"),
        ("<\x00script>", "< script>"),
    ],
)
def test_written_answers_have_no_html_links_and_images(written, kept):
    cell = create_grade_and_solution_cell(written, "markdown", "why", 5)
    notebook = new_notebook(cells=[cell])
    make_harmless(notebook)
    assert notebook.cells[0].source == kept
