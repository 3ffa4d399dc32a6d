"""Outputs and written answers that a browser shows, and neither runs nor fetches nor chokes on.

Formgrader shows graded notebooks in the origin of the instructor's Jupyter server, where a script
could do whatever the instructor can. So nothing active may reach a graded notebook.
"""

from __future__ import annotations

import base64
import binascii
import html
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from nbformat.v4 import new_output
from PIL import Image

from course.cells import is_answer

# Of a notebook: how many outputs are kept, and how many characters of them.
MAX_OUTPUTS, MAX_TOTAL = 200, 2_000_000
# Of one output, in characters. HTML is parsed, so it may be shorter than text.
MAX_TEXT, MAX_HTML, MAX_PICTURE = 100_000, 20_000, 500_000
# Of an error and of a message about it, in characters.
MAX_NAME, MAX_MESSAGE, MAX_TRACEBACK = 100, 2_000, 20_000
# A small file can hold a picture that fills a browser's memory.
MAX_PIXELS = 20_000_000

NO_TEXT = "The message holds nothing that can be shown."

PICTURES = {"image/png": "PNG", "image/jpeg": "JPEG"}
TEXT, HTML = "text/plain", "text/html"
MIME_TYPE = re.compile(r"[\w.+-]{1,40}/[\w.+-]{1,60}", re.ASCII)

# Tables and words. No links and no images: a request may also be harmful within the server.
TAGS = set(
    "b caption code colgroup dd div dl dt em i li ol p pre s small span strong sub sup table tbody "
    "td tfoot th thead tr u ul".split()
)
EMPTY_TAGS = {"br", "col", "hr"}
SPANS = {"colspan", "rowspan"}
NO_WORDS = {"script", "style", "template", "title"}
SPAN = re.compile(r"[0-9]{1,3}")
MAX_DEPTH = 50

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# Where HTML, a link, an image or a definition of one begins in Markdown.
TAG_BEGINS = re.compile(r"<(?=[A-Za-z/!?])")
LINK_BEGINS = re.compile(r"\](?=[(\[:])")
# Commands by which MathJax sets links, styles and identifiers, or loads more of itself.
ACTIVE_MATHS = re.compile(r"\\(?=(?:href|url|require|style|class|cssId|html|data|mmlToken)\b|html)")


def make_harmless(notebook: NotebookNode) -> None:
    """Leave in a graded notebook only what can be shown to an instructor, in place.

    Outputs are kept as plain text, tables and pictures, within limits for one and for all of them;
    whatever else an answer has displayed is replaced by a note. Written answers keep their words,
    emphasis, formulas and code, while HTML, links and images in them are shown as they were typed.

    Args:
        notebook: a notebook that has been marked. It is changed.
    """
    left = MAX_TOTAL
    count = 0
    _cut_message(notebook)
    for cell in notebook.cells:
        _cut_message(cell)
        if cell.cell_type != "code":
            if is_answer(cell):
                cell.source = harmless_markdown(cell.source)
            continue
        kept: list[NotebookNode] = []
        for index, output in enumerate(cell.outputs):
            count += 1
            shown = _output(output) if count <= MAX_OUTPUTS and left > 0 else None
            size = _size(shown) if shown else 0
            if shown is None or size > left:
                left = 0
                dropped = len(cell.outputs) - index
                kept.append(_note(f"[{dropped} more outputs of this cell were dropped.]"))
                break
            left -= size
            kept.append(shown)
        cell.outputs = kept


def harmless_markdown(text: str) -> str:
    """A text in Markdown without HTML, links and images.

    A space parts the signs that begin them, which leaves the words, formulas and code as they are.
    """
    text = TAG_BEGINS.sub("< ", CONTROL.sub("", text))
    return harmless_maths(LINK_BEGINS.sub("] ", text))


def harmless_maths(text: str) -> str:
    """A text whose formulas set no links, styles and identifiers."""
    return ACTIVE_MATHS.sub(r"\\ ", text)


def harmless_html(text: str) -> str:
    """The tables and words of an HTML text."""
    parser = _Tables()
    parser.feed(text)
    parser.close()
    return harmless_maths("".join(parser.parts))


class _Tables(HTMLParser):
    """Writes the tags that it knows, and escapes all text, so what it writes is harmless however a
    browser would have read the original.

    nbconvert's sanitizer builds a tree, which takes a quarter of a minute for 50 kB of nested tags.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.open: list[str] = []
        self.silent: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.silent:
            return
        if tag in NO_WORDS:
            self.silent = tag
        elif tag in EMPTY_TAGS:
            self.parts.append(f"<{tag}>")
        elif tag in TAGS and len(self.open) < MAX_DEPTH:
            spans = [f' {name}="{value}"' for name, value in attrs if _is_span(name, value)]
            self.parts.append(f"<{tag}{''.join(spans)}>")
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.silent:
            self.silent = None if tag == self.silent else self.silent
        elif tag in self.open:
            while self.open[-1] != tag:
                self.parts.append(f"</{self.open.pop()}>")
            self.parts.append(f"</{self.open.pop()}>")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(html.escape(CONTROL.sub("", data)))

    def close(self) -> None:
        super().close()
        self.parts += [f"</{tag}>" for tag in reversed(self.open)]
        self.open.clear()


def _is_quickly_read(text: str) -> bool:
    """Whether HTML is short, and no tags are left open, for each of which the parser looks through
    all that follows."""
    return len(text) <= MAX_HTML and text.count("<") <= text.count(">")


def _is_span(name: str, value: str | None) -> bool:
    return name in SPANS and value is not None and SPAN.fullmatch(value) is not None


def plain(text: str, most: int = MAX_TEXT) -> str:
    """A text without colours and control characters, cut to ``most`` characters."""
    dropped = len(text) - most
    # Before the search for codes, whose time grows with the text.
    text = CONTROL.sub("", strip_ansi(text[:most]))
    return f"{text}\n[{dropped} more characters were dropped.]" if dropped > 0 else text


def _cut_message(part: NotebookNode) -> None:
    """Shorten what is noted of a cell or a notebook, which may quote an answer's exception."""
    noted = part.metadata.get("course", {})
    if noted.get("message"):
        noted["message"] = plain(noted["message"], MAX_MESSAGE).strip() or NO_TEXT


def _output(output: NotebookNode) -> NotebookNode:
    """What can be shown of an output. It is made anew, so that no other field comes along."""
    if output.output_type == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return _new("stream", name=name, text=plain(_text(output.get("text"))))
    if output.output_type == "error":
        traceback = "\n".join(str(line) for line in output.get("traceback", ()))
        return _new(
            "error",
            ename=plain(str(output.ename), MAX_NAME),
            evalue=plain(str(output.evalue), MAX_MESSAGE),
            traceback=plain(traceback, MAX_TRACEBACK).split("\n"),
        )
    data = output.get("data", {})
    shown = {kind: value for kind, value in _data(data) if value is not None}
    hidden = [kind for kind in data if kind not in shown]
    if hidden:
        names = ", ".join(_mime_type(kind) for kind in hidden[:5])
        note = f"[What was displayed as {names} is not shown here.]"
        shown[TEXT] = f"{shown.get(TEXT, '')}\n{note}".strip()
    if output.output_type == "execute_result":
        number = output.get("execution_count")
        number = number if isinstance(number, int) else None
        return _new("execute_result", shown, execution_count=number)
    return _new("display_data", shown)


def _data(data: NotebookNode) -> Iterator[tuple[str, str | None]]:
    """What can be shown of each representation of a value; None where nothing can."""
    for kind, value in data.items():
        text = _text(value)
        if kind == TEXT:
            yield kind, plain(text)
        elif kind == HTML:
            yield kind, harmless_html(text) if _is_quickly_read(text) else None
        elif kind in PICTURES and len(text) <= MAX_PICTURE:
            yield kind, _picture(text, PICTURES[kind])


def _picture(text: str, kind: str) -> str | None:
    """A picture as base64, or None where it is none or too large."""
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
        with Image.open(io.BytesIO(content), formats=[kind]) as picture:
            width, height = picture.size
    except (binascii.Error, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return base64.b64encode(content).decode() if width * height <= MAX_PIXELS else None


def _text(value: object) -> str:
    """The text of a field that nbformat allows to be a list of lines."""
    if isinstance(value, list):
        return "".join(str(line) for line in value)
    return value if isinstance(value, str) else ""


def _mime_type(name: object) -> str:
    return name if isinstance(name, str) and MIME_TYPE.fullmatch(name) else "an unknown type"


def _size(output: NotebookNode) -> int:
    if output.output_type == "stream":
        return len(output.text)
    if output.output_type == "error":
        return len(output.evalue) + sum(len(line) for line in output.traceback)
    return sum(len(text) for text in output.data.values())


def _note(text: str) -> NotebookNode:
    return _new("stream", text=f"{text}\n")


def _new(kind: str, data: dict[str, str] | None = None, **fields: object) -> NotebookNode:
    made: NotebookNode = new_output(kind, data, **fields)
    return made
