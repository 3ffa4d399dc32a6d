"""The README and the texts beside it name commands, targets and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

import autograder.cli
import course.cli

ROOT = Path(__file__).parents[2]
LINKING = [
    ROOT / "README.md",
    ROOT / "lessons" / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
TEXTS = [
    *LINKING,
    ROOT / "SECURITY.md",
    ROOT / "autograder/publish/student/README.md",
    ROOT / "deploy/jupyterhub/README.md",
]


@pytest.fixture(params=TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def text(request) -> str:
    return request.param.read_text(encoding="utf-8")


def code(text: str) -> str:
    """What is in code blocks and between backticks."""
    return "\n".join(
        re.findall(r"```\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    )


@pytest.mark.parametrize("cli", [autograder.cli, course.cli], ids=["autograder", "course"])
def test_commands_exist(text, cli):
    known = set(typer.main.get_command(cli.app).commands)
    name = cli.__name__.partition(".")[0]
    used = set(re.findall(rf"^(?:\.venv/bin/)?{name} ([a-z]+)", code(text), re.MULTILINE))
    assert used <= known


def test_make_targets_exist(text):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", code(text), re.MULTILINE)) <= targets


@pytest.mark.parametrize("path", LINKING, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    missing = [link for link in local if not (path.parent / link).exists()]
    assert local
    assert not missing
