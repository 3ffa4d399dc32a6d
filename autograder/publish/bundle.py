"""The zip that students get: lessons, the package that they import, and what installs them."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import tomlkit
from packaging.requirements import Requirement

from autograder.errors import CourseError
from autograder.gates import leaks, secret_lines
from autograder.publish.conda import make_environment
from autograder.publish.lock import restrict
from autograder.publish.packages import FOLDER

NAME = "deep-learning-course"
FILES = ("LICENSE", "LICENSE-lessons")
LOCK = "requirements.lock"
STUDENT = Path(__file__).parent / "student"

# The part of the Makefile that makes .venv has its one home in the repository's Makefile.
SETUP_BEGIN, SETUP_END = "# --- setting up", "# --- end of setting up"
_SKIPPED = {"__pycache__", ".ipynb_checkpoints"}
_TIME = (1980, 1, 1, 0, 0, 0)


def make_bundle(root: Path, out: Path, packages: Path | None = None) -> Path:
    """Write the zip for students. The same course and packages make the same bytes.

    Args:
        root: the repository.
        out: the file to write, or a folder for one named after the course.
        packages: a folder of downloaded packages to put in; none by default.

    Returns:
        The file.

    Raises:
        CourseError: a file is missing, or the zip would hold what students must not see.
    """
    root, out = Path(root), Path(out)
    if out.suffix != ".zip":
        out = out / (f"{NAME}-with-packages.zip" if packages else f"{NAME}.zip")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        made = Path(folder) / out.name
        _write(made, dict(contents(root)))
        findings = leaks.find(made, secret_lines.collect(root))
        if findings:
            listed = "\n".join(map(str, findings[:10]))
            raise CourseError(f"The bundle would show students what they must not see:\n{listed}")
        if packages is not None:
            _add_packages(made, packages)
        made.replace(out)
    return out


def contents(root: Path) -> Iterator[tuple[str, bytes]]:
    """The names in the bundle, without its top folder, and what is in them.

    Raises:
        CourseError: a file is missing.
    """
    for folder in ("course", "lessons"):
        for path in sorted((root / folder).rglob("*")):
            inside = path.relative_to(root)
            hidden = any(part in _SKIPPED or part.startswith(".") for part in inside.parts)
            if path.is_file() and not path.is_symlink() and not hidden:
                yield inside.as_posix(), path.read_bytes()
    for name in FILES:
        yield name, _needed(root, name).read_bytes()
    pyproject, lock = student_pyproject(root), student_lock(root)
    yield "Makefile", student_makefile(root).encode()
    yield "pyproject.toml", pyproject.encode()
    yield LOCK, lock.encode()
    yield "environment.yml", make_environment(pyproject, lock).encode()
    yield "README.md", student_readme(root).encode()


def _needed(root: Path, name: str) -> Path:
    if not (root / name).is_file():
        raise CourseError(f"There is no {name} in {root}, and students need it.")
    return root / name


def student_pyproject(root: Path) -> str:
    """The repository's pyproject.toml with the package ``course`` alone, and what that needs."""
    document = tomlkit.parse(_needed(root, "pyproject.toml").read_text(encoding="utf-8"))
    project = document["project"]
    del project["scripts"]["autograder"]
    del project["optional-dependencies"]
    tools = document["tool"]
    tools["setuptools"]["packages"]["find"]["include"] = ["course*"]
    tools["setuptools"]["package-data"].pop("autograder")
    for name in [name for name in tools if name != "setuptools"]:
        del tools[name]
    return tomlkit.dumps(document).rstrip() + "\n"


def student_lock(root: Path) -> str:
    """The part of the repository's lock that students install: the same versions and hashes.

    Raises:
        CourseError: there is no lock, or it lacks something that ``course`` needs.
    """
    project = tomlkit.parse(_needed(root, "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [Requirement(text).name for text in project["dependencies"]]
    return restrict(_needed(root, LOCK).read_text(encoding="utf-8"), names)


def student_makefile(root: Path) -> str:
    """Students' targets, and the way in which the repository's Makefile sets up.

    Raises:
        CourseError: the Makefile has lost the lines around that part.
    """
    text = _needed(root, "Makefile").read_text(encoding="utf-8")
    _, begin, rest = text.partition(SETUP_BEGIN)
    setup, end, _ = rest.partition(SETUP_END)
    if not begin or not end:
        raise CourseError(f"The Makefile must hold the lines {SETUP_BEGIN!r} and {SETUP_END!r}.")
    rule = setup.partition("\n")[2].strip("\n")
    return f"{(STUDENT / 'Makefile').read_text(encoding='utf-8').rstrip()}\n\n{rule}\n"


def student_readme(root: Path) -> str:
    """The README, with a lesson that exists as the example."""
    lessons = sorted(path.name for path in (root / "lessons").glob("[0-9]*") if path.is_dir())
    if not lessons:
        raise CourseError("There are no lessons to bundle: run `autograder build`.")
    return (STUDENT / "README.md").read_text(encoding="utf-8").replace("EXAMPLE", lessons[0])


def _write(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(files):
            archive.writestr(_info(name, zipfile.ZIP_DEFLATED), files[name])


def _add_packages(path: Path, packages: Path) -> None:
    """Add files that are compressed already, one at a time, since together they take a gigabyte."""
    with zipfile.ZipFile(path, "a") as archive:
        for file in sorted(packages.iterdir()):
            info = _info(f"{FOLDER}/{file.name}", zipfile.ZIP_STORED)
            info.file_size = file.stat().st_size
            with file.open("rb") as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target)


def _info(name: str, compression: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{NAME}/{name}", _TIME)
    info.compress_type = compression
    info.external_attr = 0o644 << 16
    return info
