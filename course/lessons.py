"""Where the lessons are, and how to name one."""

from __future__ import annotations

import difflib
from pathlib import Path

LESSONS = "lessons"
# In that folder: the lessons that each lesson needs. `autograder build` writes it.
NEEDS = "needs.json"


class LessonError(Exception):
    """A lesson cannot be found or read. The message says what, where and what to do; the command
    line prints it without a traceback."""


def find_root(start: Path | None = None) -> Path:
    """The folder that holds ``lessons/``: the repository, or what a student unpacked.

    Args:
        start: the folder in which the search begins; its parents are searched too. None, the
            default, begins in the working directory, and then in the folder that this package was
            installed from.

    Raises:
        LessonError: there is no such folder.
    """
    starts = [start] if start else [Path.cwd(), Path(__file__).parent]
    for folder in starts:
        folder = folder.resolve()
        for candidate in (folder, *folder.parents):
            if (candidate / LESSONS).is_dir():
                return candidate
    raise LessonError(
        f"There is no folder {LESSONS}/ in {starts[0].resolve()} or above it. "
        "Go to the folder of the course first: cd PATH/TO/COURSE."
    )


def find_notebook(name: str | Path) -> Path:
    """The notebook of a lesson.

    Args:
        name: a notebook, a lesson's folder such as ``lessons/07_chest_xrays``, or a lesson's name
            with or without its number.

    Raises:
        LessonError: there is no such lesson, or it is not clear which notebook is meant.
    """
    path = Path(name)
    if path.is_file():
        if path.suffix != ".ipynb":
            raise LessonError(
                f"{path} is not a notebook: name a file that ends in .ipynb, or a lesson's folder."
            )
        return path
    return _notebook_in(path if path.is_dir() else _named_folder(path))


def _named_folder(path: Path) -> Path:
    missing = f"There is no file or folder {path}, and no lesson of that name."
    if path.suffix == ".ipynb" or len(path.parts) != 1:
        near = path.parent if path.parent.is_dir() else None
        found = sorted(p.name for p in near.iterdir()) if near else []
        raise LessonError(missing + _suggest(path.name, found))
    lessons = find_root() / LESSONS
    folders = [p for p in sorted(lessons.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    for folder in folders:
        number, _, title = folder.name.partition("_")
        if path.name in {folder.name, number, number.lstrip("0"), title}:
            return folder
    names = [folder.name for folder in folders]
    raise LessonError(
        f"There is no lesson {path.name!r} in {lessons}."
        + _suggest(path.name, names + [name.partition("_")[2] for name in names])
        + (f" There are: {', '.join(names)}." if names else " That folder is empty.")
    )


def _suggest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _notebook_in(folder: Path) -> Path:
    notebooks = sorted(folder.glob("*.ipynb"))
    if not notebooks:
        raise LessonError(f"{folder} has no notebook: name a lesson's folder, or a notebook in it.")
    if len(notebooks) > 1:
        raise LessonError(
            f"{folder} has {len(notebooks)} notebooks ({', '.join(n.name for n in notebooks)}). "
            "Name the one that you mean, such as "
            f"`course check {notebooks[0]}`, and keep copies in another folder: "
            "grading looks at the lesson's own name only."
        )
    return notebooks[0]
