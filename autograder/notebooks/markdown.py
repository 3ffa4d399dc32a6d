"""Headings and images of Markdown cells, as a Markdown parser sees them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from nbformat import NotebookNode

_PARSER = MarkdownIt("commonmark").enable("table")


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
