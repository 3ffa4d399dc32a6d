"""Where the repository is, as links, badges and a lesson on Colab need it: one setting."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from autograder.errors import CourseError

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub, from which Colab, Binder, Kaggle and a JupyterHub open notebooks.

    Attributes:
        name: ``OWNER/NAME``.
        branch: the branch whose files are opened.
        hub: the host of a JupyterHub with nbgitpuller, perhaps with a path; empty for none.
    """

    name: str
    branch: str
    hub: str = ""

    @property
    def package(self) -> str:
        """What pip installs the course from."""
        return f"git+https://github.com/{self.name}@{self.branch}"

    def page(self, path: str) -> str:
        """The address of a file's page."""
        return f"https://github.com/{self.name}/blob/{self.branch}/{path}"

    def services(self, notebook: str) -> dict[str, str]:
        """The services that open a notebook, by name, each with the address that does."""
        found = {
            "Colab": f"https://colab.research.google.com/github/{self.name}/blob/{self.branch}/{notebook}",
            "Binder": f"https://mybinder.org/v2/gh/{self.name}/{self.branch}?labpath={notebook}",
            "Kaggle": f"https://kaggle.com/kernels/welcome?src={self.page(notebook)}",
        }
        if self.hub:
            folder = self.name.partition("/")[2]
            pull = {
                "repo": f"https://github.com/{self.name}",
                "branch": self.branch,
                "urlpath": f"lab/tree/{folder}/{notebook}",
            }
            found["JupyterHub"] = f"https://{self.hub}/hub/user-redirect/git-pull?{urlencode(pull)}"
        return found


def read_repository(root: Path) -> Repository | None:
    """The repository that ``[tool.course-site]`` in ``pyproject.toml`` names; None where it names
    none. The site then has no badges, and no links to files that are not on it, and lessons have no
    cell that installs the course on Colab.

    Raises:
        CourseError: the setting is not of the form ``OWNER/NAME``, or the one of the hub is no
            host.
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
    hub = section.get("hub", "")
    if not isinstance(hub, str) or not re.fullmatch(r"([\w.-]+(:\d+)?(/[\w./~-]*)?)?", hub):
        raise CourseError(
            f"`hub` in [tool.course-site] of pyproject.toml is {hub!r}: write where a "
            "JupyterHub is, without https://, as in hub.example.org."
        )
    return Repository(name, section.get("branch", "main"), hub.rstrip("/"))
