"""The conda environment: the same package with the versions of ``requirements.lock``.

conda hands its pip section to one call of pip. That call cannot both check hashes and install a
folder, so the versions are listed without their hashes, written by ``make lock``.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from autograder.publish.lock import read_pins

FILE = "environment.yml"
_TEMPLATE = """\
# For conda users: `conda env create`, then `conda activate {name}`.
# Written by `make lock` from pyproject.toml and requirements.lock; do not edit.
name: {name}
channels:
- conda-forge
dependencies:
- python{python}
- pip
- pip:
  - -e .
{pins}
"""


def make_environment(pyproject: str, lock: str) -> str:
    """The text of ``environment.yml``.

    Args:
        pyproject: the text of ``pyproject.toml``.
        lock: the text of ``requirements.lock``.
    """
    project = tomllib.loads(pyproject)["project"]
    pins = [pin.requirement for pin in read_pins(lock)]
    return _TEMPLATE.format(
        name=project["name"],
        python=project["requires-python"],
        pins="\n".join(f'  - "{pin}"' if " " in pin else f"  - {pin}" for pin in pins),
    )


if __name__ == "__main__":
    folder = Path(__file__).parents[2]
    texts = [
        (folder / name).read_text(encoding="utf-8")
        for name in ("pyproject.toml", "requirements.lock")
    ]
    (folder / FILE).write_text(make_environment(*texts), encoding="utf-8")
