"""The Dockerfile, the dev container and Binder install what the README does, from the one lock."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
DEV = ROOT / ".devcontainer" / "devcontainer.json"
BINDER = ROOT / ".binder"


def program(name: str) -> str:
    """A program of this environment, or of the path; skips the test where there is none."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: run `make setup`")
    return found


def instructions() -> list[str]:
    """The Dockerfile's instructions, each in one line."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    return [
        " ".join(line.split()) for line in text.splitlines() if line and not line.startswith("#")
    ]


def test_hadolint_finds_nothing():
    process = subprocess.run(
        [program("hadolint"), "--no-color", DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout


def test_it_installs_with_the_commands_of_the_readme():
    said = instructions()
    assert "RUN make setup" in said
    assert said[-1].startswith('CMD ["course", "lab"')
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake (\w+)", " ".join(said).replace("git make python3", "")):
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target
    # Only the lock says which packages of Python there are.
    assert not re.search(r"\bpip3? |requirements|conda", " ".join(said))


def test_it_has_what_continuous_integration_installs():
    """What a bare Debian lacks is said in .ci/run; the dev container has all of it."""
    wanted = set(re.findall(r"missing\+=\((.+?)\)", (ROOT / ".ci" / "run").read_text()))
    installed = re.findall(r"apt-get install (.+?) &&", " ".join(instructions()))
    packages = {word for line in installed for word in line.split() if word[0] != "-"}
    assert {word for words in wanted for word in words.split()} <= packages


def test_a_class_is_not_copied_into_an_image():
    ignored = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert {".venv", ".git", "class"} <= set(ignored)


def test_dev_container_is_built_from_the_dockerfile():
    settings = json.loads(DEV.read_text())
    build = settings["build"]
    assert (DEV.parent / build["dockerfile"]).resolve() == DOCKERFILE
    assert (DEV.parent / build["context"]).resolve() == ROOT
    assert f"FROM base AS {build['target']}" in instructions()
    assert settings["postCreateCommand"] == "make setup"
    assert (
        f"useradd --create-home --uid 1000 --shell /bin/bash {settings['remoteUser']}"
        in " ".join(instructions())
    )


def test_binder_takes_the_lock_and_a_supported_python():
    lines = (BINDER / "requirements.txt").read_text().split()
    assert lines == ["-r", "../requirements.lock"]
    assert (BINDER / lines[1]).resolve() == ROOT / "requirements.lock"
    version = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version in SpecifierSet(project["requires-python"])
    install = "pip install --no-deps --no-build-isolation -e ."
    assert install in (BINDER / "postBuild").read_text()
    assert install in (ROOT / "autograder/publish/student/README.md").read_text()


def test_repo2docker_makes_a_dockerfile_of_it(tmp_path):
    if find_spec("repo2docker") is None:
        pytest.skip("jupyter-repo2docker is not installed: run `make setup`")
    # It copies all that lies beside these, such as an environment.
    shutil.copytree(BINDER, tmp_path / ".binder")
    for name in ("requirements.lock", "pyproject.toml", "environment.yml"):
        shutil.copy(ROOT / name, tmp_path)
    process = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    printed = process.stdout + process.stderr
    assert process.returncode == 0, printed
    copied = printed.index("COPY --chown=0:0 src/ ${REPO_DIR}/")
    assert copied < printed.index('pip install --no-cache-dir -r ".binder/requirements.txt"')
    assert "RUN ./.binder/postBuild" in printed
    version = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f"environment.py-{version}" in printed.replace("-2e", ".").replace("-2d", "-")
