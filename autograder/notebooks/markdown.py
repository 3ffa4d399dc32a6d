"""Headings, passages and images of Markdown cells, as a Markdown parser sees them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from markdown_it.token import Token
from nbformat import NotebookNode

_PARSER = MarkdownIt("commonmark").enable("table")
_FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)


@dataclass(frozen=True)
class Heading:
    """A heading with the index of its cell."""

    level: int
    text: str
    cell: int


@dataclass(frozen=True)
class Picture:
    """An image of a Markdown cell; ``alt`` is empty where there is none."""

    source: str
    alt: str


@dataclass(frozen=True)
class Passage:
    """A heading, a paragraph, an item of a list or a field of a table.

    Attributes:
        line: of the cell, counted from 1, on which it begins.
        level: the heading's; 0 where it is none.
        source: as it is written.
        text: its words, without formulas and code.
        marked: what of the text is in bold or in italics.
        code: what is in backticks.
    """

    line: int
    level: int
    source: str
    text: str
    marked: tuple[str, ...]
    code: tuple[str, ...]


@functools.lru_cache(maxsize=1000)
def passages(text: str) -> tuple[Passage, ...]:
    """The passages of a Markdown text, in order. Blocks of code and HTML are none."""

    def blank(formula: re.Match[str]) -> str:
        return " " + "\n" * formula[0].count("\n")

    found, level = [], 0
    for token in _PARSER.parse(_FORMULA.sub(blank, text)):
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type == "heading_close":
            level = 0
        elif token.type == "inline":
            line = (token.map or [0])[0] + 1
            found.append(Passage(line, level, token.content, *_read_inline(token.children or [])))
    return tuple(found)


def _read_inline(tokens: Sequence[Token]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The text, what of it is marked, and what is code."""
    text, marked, code = "", [], []
    starts: list[int] = []  # where the emphasis began that is open
    for token in tokens:
        if token.type == "text":
            text += token.content
        elif token.type == "code_inline":
            text += " "
            code.append(token.content)
        elif token.type in {"softbreak", "hardbreak"}:
            text += " "
        elif token.type in {"strong_open", "em_open"}:
            starts.append(len(text))
        elif token.type in {"strong_close", "em_close"}:
            marked.append(text[starts.pop() :].strip())
    return text, tuple(marked), tuple(code)


def headings(notebook: NotebookNode) -> list[Heading]:
    """The headings of a notebook's Markdown cells, in order."""
    found = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        found += [Heading(level, text, index) for level, text in _levels(cell.source)]
    return found


@functools.lru_cache(maxsize=1000)
def _levels(text: str) -> tuple[tuple[int, str], ...]:
    """Each heading's level and text. A class's notebooks hold the same cells again and again."""
    tokens = _PARSER.parse(text)
    return tuple(
        (int(token.tag[1]), tokens[position + 1].content.strip())
        for position, token in enumerate(tokens)
        if token.type == "heading_open"
    )


def pictures(text: str) -> Iterator[Picture]:
    """The images of a Markdown text, whether written in Markdown or in HTML."""
    for token in _PARSER.parse(text):
        for part in (token, *(token.children or ())):
            if part.type == "image":
                yield Picture(str(part.attrGet("src")), part.content.strip())
            elif part.type in {"html_block", "html_inline"}:
                yield from html_pictures(part.content)


def html_pictures(html: str | None) -> list[Picture]:
    """The images of a piece of HTML."""
    images = BeautifulSoup(html or "", "html.parser").find_all("img")
    return [
        Picture(str(image.get("src") or ""), str(image.get("alt") or "").strip())
        for image in images
    ]
