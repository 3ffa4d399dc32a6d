"""Which file of a student's folder is the notebook of an assignment, whatever it is called."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

# More than this nobody hands in; a folder of a million files must not hold up a class.
MAX_FILES, MAX_DEPTH = 500, 4

# What systems put around the name of a second copy: `X (1)`, `X-1`, `X-Copy1`, `Copy of X`.
_COPY = re.compile(
    r"^copy of |[ _]?\(\d+\)$|-copy\d*$| ?- ?copy( \(\d+\))?$|[-_]\d+$", re.IGNORECASE
)
_LOOKS_LIKE_ONE = re.compile(r".*\.(zip|tar|gz|7z|rar|json|html|py|pdf|ipynb\.\w+)", re.IGNORECASE)
_HIDDEN = {".ipynb_checkpoints", "__MACOSX", "__pycache__"}


def notebooks_in(folder: Path) -> list[Path]:
    """The notebooks in a student's folder and below it, links left out, in the order of names."""
    return [path for path in _files(folder) if path.suffix.lower() == ".ipynb"]


def is_named_after(path: Path, name: str) -> bool:
    """Whether a file's name is a notebook's, or that of a copy of it."""
    stem, wanted = path.stem.casefold(), name.casefold()
    while stem != wanted:
        shorter = _COPY.sub("", stem)
        if shorter == stem:
            return False
        stem = shorter
    return True


def what_lies_there(folder: Path, name: str) -> str:
    """A sentence about what was handed in instead of a notebook; empty where there is nothing.

    Args:
        folder: the student's folder of the assignment.
        name: the notebook's name without ``.ipynb``.
    """
    found = [path for path in _files(folder) if _LOOKS_LIKE_ONE.fullmatch(path.name)]
    others = [path for path in notebooks_in(folder) if not is_named_after(path, name)]
    if not found and not others:
        return ""
    path = (others + found)[0]
    shown = ", ".join(each.name for each in (others + found)[:5])
    if path.suffix.lower() in {".zip", ".tar", ".gz", ".7z", ".rar"}:
        advice = f"unpack it and hand in {name}.ipynb"
    elif path in others:
        advice = f"if it is the notebook, rename it to {name}.ipynb"
    elif path.name.lower().startswith(f"{name}.".lower()) and path.suffix != ".py":
        advice = f"rename it to {name}.ipynb"
    else:
        advice = f"hand in {name}.ipynb, the notebook itself"
    return f" Found instead: {shown}; {advice}."


def lies_beside(folder: Path, name: str) -> str:
    """A sentence about a notebook that a student has put beside the assignment's folder, which is
    not there; empty where there is none.

    Args:
        folder: where the assignment should be.
        name: the notebook's name without ``.ipynb``.
    """
    student = folder.parent
    found = [path for path in notebooks_in(student) if is_named_after(path, name)]
    if not found:
        return ""
    shown = found[0].relative_to(student).as_posix()
    return f" There is no folder {folder.name}; found instead: {shown}. Move it into that folder."


def _files(folder: Path) -> Iterator[Path]:
    """The files in a folder and below it that are neither links nor hidden by a program."""
    count = 0
    for where, folders, names in os.walk(folder):
        depth = len(Path(where).relative_to(folder).parts)
        folders[:] = sorted(set(folders) - _HIDDEN) if depth < MAX_DEPTH else []
        for name in sorted(names):
            count += 1
            if count > MAX_FILES:
                return
            path = Path(where, name)
            if path.is_file() and not path.is_symlink():
                yield path
