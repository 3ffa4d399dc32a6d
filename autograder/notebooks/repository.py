"""Where the repository is, as links, badges and a lesson on Colab need it: one setting."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CourseError

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub, from which Colab, Binder and Kaggle open notebooks.

    Attributes:
        name: ``OWNER/NAME``.
        branch: the branch whose files are opened.
    """

    name: str
    branch: str

    @property
    def package(self) -> str:
        """What pip installs the course from."""
        return f"git+https://github.com/{self.name}@{self.branch}"

    def page(self, path: str) -> str:
        """The address of a file's page."""
        return f"https://github.com/{self.name}/blob/{self.branch}/{path}"

    def services(self, notebook: str) -> dict[str, str]:
        """The services that open a notebook, by name, each with the address that does."""
        return {
            "Colab": f"https://colab.research.google.com/github/{self.name}/blob/{self.branch}/{notebook}",
            "Binder": f"https://mybinder.org/v2/gh/{self.name}/{self.branch}?labpath={notebook}",
            "Kaggle": f"https://kaggle.com/kernels/welcome?src={self.page(notebook)}",
        }


def read_repository(root: Path) -> Repository | None:
    """The repository that ``[tool.course-site]`` in ``pyproject.toml`` names; None where it names
    none. The site then has no badges, and no links to files that are not on it, and lessons have no
    cell that installs the course on Colab.

    Raises:
        CourseError: the setting is not of the form ``OWNER/NAME``.
    """
    path = Path(root) / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    section = project.get("tool", {}).get("course-site", {})
    name = section.get("repository", "")
    if not name:
        return None
    if not isinstance(name, str) or not _REPOSITORY.fullmatch(name):
        raise CourseError(
            f"`repository` in [tool.course-site] of pyproject.toml is {name!r}: write OWNER/NAME, "
            "as in the address on GitHub."
        )
    return Repository(name, section.get("branch", "main"))
