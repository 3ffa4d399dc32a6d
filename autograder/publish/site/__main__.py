"""``make site``: the sources, Sphinx, the gate of leaks, the notebooks, the PDFs."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from autograder.errors import CourseError
from autograder.gates import leaks, secret_lines
from autograder.publish.site import pdf
from autograder.publish.site.chromium import find_browser
from autograder.publish.site.sources import make_sources

ROOT = Path(__file__).parents[3]


def make_site(root: Path, out: Path, *, with_pdf: bool = True) -> Path:
    """Make the site of the course at ``root``.

    Args:
        root: the repository.
        out: the folder for it: ``html/`` is the site, the rest makes the next run quicker.
        with_pdf: whether lessons are printed too.

    Returns:
        The folder of the pages.

    Raises:
        CourseError: Sphinx complains, a page would show what students must not see, or lessons
            cannot be printed.
    """
    if with_pdf:
        find_browser()
    source, html = out / "source", out / "html"
    made = make_sources(root, pdf=with_pdf)
    _write(source, made)
    _run_sphinx(root, source, out)
    lessons = [path for path in made if path.endswith(".ipynb")]
    for path in lessons:
        shutil.copyfile(root / path, html / path)
    refuse_leaks(root, html)
    if with_pdf:
        for printed in pdf.print_pages((html / path).with_suffix(".html") for path in lessons):
            print(f"printed {printed.relative_to(html)}")
    return html


def refuse_leaks(root: Path, html: Path) -> None:
    """Look for what only instructors may see, in every file of the site.

    Raises:
        CourseError: there is some of it.
    """
    if findings := leaks.find(html, secret_lines.collect(root)):
        listed = "\n".join(map(str, findings[:10]))
        raise CourseError(f"The site would show what students must not see:\n{listed}")


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write files, those that have changed, so that Sphinx reads no others again."""
    kept = {folder / path for path in files}
    for path in list(folder.rglob("*")):
        if path.is_file() and path not in kept:
            path.unlink()
    for name, content in files.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _run_sphinx(root: Path, source: Path, out: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "--builder", "html", "--fail-on-warning", "--quiet"]
    command += ["--conf-dir", str(root / "docs"), "--doctree-dir", str(out / "doctrees")]
    process = subprocess.run([*command, str(source), str(out / "html")], check=False)
    if process.returncode:
        raise CourseError(
            "Sphinx did not make the site. It says above what is wrong; if Sphinx is missing: "
            "pip install '.[site]'"
        )


def main() -> int:
    """Make the site, and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="where to")
    parser.add_argument("--no-pdf", action="store_true", help="print no lessons")
    arguments = parser.parse_args()
    try:
        html = make_site(ROOT, arguments.out, with_pdf=not arguments.no_pdf)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Open {html / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
