"""Writing files of which nobody shall find a half."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or as it was, whatever ends this process.

    Args:
        path: the file; its folder is made.
        text: its content, written in UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
