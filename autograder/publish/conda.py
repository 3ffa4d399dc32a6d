"""The conda environment: the same package with the versions of ``requirements.lock``.

conda hands its pip section to one call of pip. That call cannot both check hashes and install a
folder, so the versions stand here without their hashes, written by ``make lock``.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

FILE = "environment.yml"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*==[^\\\n]+?)\s*(?:\\)?$", re.MULTILINE)
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


def pins(lock: str) -> list[str]:
    """The requirements of a lock file, such as ``appnope==1.0.0 ; sys_platform == 'darwin'``."""
    return _PIN.findall(lock)


def make_environment(root: Path) -> str:
    """The text of ``environment.yml`` for the package at ``root``."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    return _TEMPLATE.format(
        name=project["name"],
        python=project["requires-python"],
        pins="\n".join(f'  - "{pin}"' if " " in pin else f"  - {pin}" for pin in pins(lock)),
    )


if __name__ == "__main__":
    folder = Path(__file__).parents[2]
    (folder / FILE).write_text(make_environment(folder), encoding="utf-8")
