"""What tests of lessons and gates have in common: a small map, changing files, and findings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

# A map of the toy course's sections.
TOY_MAP = """\
articles:
  1: An article
sections:
  "1 Introduction":
    90_adding: Two and two
  "1 Later": {}
  "1 Later: An item":
    91_subtracting: null
"""


def replace_once(path: Path, old: str, new: str) -> None:
    """Replace the first ``old`` in a file, which must hold one."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def said(findings: Iterable[object]) -> list[str]:
    """What gates have found, as a person reads it."""
    return [str(finding) for finding in findings]
