"""Drawings in Mermaid's language, which GitHub draws in a browser: here a table says the same."""

from __future__ import annotations

import re

_DRAWING = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
_NODE = re.compile(r'(\w+)\["(.*?)"\](?: --> (.+))?')


def as_tables(text: str) -> str:
    """A Markdown text with a table in place of each flowchart: every box, and where its arrows
    lead."""
    return _DRAWING.sub(lambda drawing: _table(drawing[1]), text)


def _table(drawing: str) -> str:
    names, arrows = {}, {}
    for key, label, ends in _NODE.findall(drawing):
        name, _, words = label.partition("<br>")
        names[key] = (name, words)
        arrows[key] = ends.split(" & ") if ends else []
    lines = ["| | | points at |", "|---|---|---|"]
    for key, (name, words) in names.items():
        ends = ", ".join(f"`{names[end][0]}`" for end in arrows[key] if end in names)
        lines.append(f"| `{name}` | {words} | {ends or 'nothing'} |")
    return "\n".join(lines) + "\n"
