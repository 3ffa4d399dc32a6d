"""Links of texts that move: from their place in the repository to their page on the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote

from mdit_py_plugins.anchors.index import slugify

from autograder.notebooks.repository import Repository

_LINK = re.compile(r"(?<!!)\[([^\[\]]*)\]\(([^()\s]+)\)")
# What the front page shows in their place.
_FRONT = {"README.md", "lessons/README.md"}


@dataclass(frozen=True)
class Links:
    """Where links lead on the site.

    Attributes:
        pages: the sources of the site's pages; each has the path of the file that it is made from.
        repository: where the other files are; without it a link to one becomes plain text.
    """

    pages: Collection[str]
    repository: Repository | None = None

    def moved(self, text: str, source: str, page: str) -> str:
        """A Markdown text with its links to files as they are on its page.

        Args:
            text: of the file, or a part of it.
            source: the file's path in the repository.
            page: the path of the page's source.
        """

        def move(link: re.Match[str]) -> str:
            words, address = link[1], link[2]
            path, _, fragment = address.partition("#")
            if "://" in path or path.startswith("mailto:") or not path:
                return link[0]
            target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
            target = "index.md" if target in _FRONT else target
            if target not in self.pages:
                return f"[{words}]({self.repository.page(target)})" if self.repository else words
            if target == "index.md":
                fragment = ""  # the front page has other headings
            relative = posixpath.relpath(target, posixpath.dirname(page) or ".")
            return f"[{words}]({relative}{'#' + anchor(unquote(fragment)) if fragment else ''})"

        return _LINK.sub(move, text)


def anchor(heading: str) -> str:
    """The anchor of a heading, as MyST makes it."""
    return str(slugify(heading.strip()))
