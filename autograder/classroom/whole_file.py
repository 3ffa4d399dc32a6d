"""Writing files of which nobody shall find a half."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or as it was, whatever ends this process.

    Args:
        path: the file; its folder is made.
        content: a text, which is written in UTF-8, or bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    temporary.replace(path)
