"""How ``course lab`` starts JupyterLab, and the rest of the command line."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from course import kernels, lab
from course.cli import app, main
from course.lessons import LessonError, find_root


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    (tmp_path / "lessons" / "01_first").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "lessons" / "01_first")
    return tmp_path


def test_the_landing_page_is_the_table_of_lessons(root):
    assert lab.landing_page(root) == "/lab/tree/lessons"
    (root / "lessons" / "README.md").write_text("# Lessons")
    assert lab.landing_page(root) == "/lab/tree/lessons/README.md"


def test_the_root_is_found_from_inside(root):
    assert find_root() == root
    with pytest.raises(LessonError, match="no folder lessons/"):
        find_root(Path("/usr"))


def test_what_the_user_adds_comes_last(root):
    command = lab.lab_command(root, ["--no-browser", "--LabApp.news_url=https://example.org"])
    assert command[-2:] == ["--no-browser", "--LabApp.news_url=https://example.org"]
    assert f"--ServerApp.root_dir={root}" in command


def test_the_environment_is_set_and_cleaned_up(root, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/mine")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    with lab.lab_environment(root) as environment:
        folder, mine = environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)
        assert mine == "/mine"
        settings = json.loads(
            Path(folder, "labconfig", "default_setting_overrides.json").read_text()
        )
        assert settings == lab.SETTINGS
        assert environment["PATH"].startswith(str(Path(sys.executable).parent))
        assert environment["TF_CPP_MIN_LOG_LEVEL"] == "3"
    assert not Path(folder).exists()


@pytest.mark.parametrize("works", [True, False])
def test_kernels_start_fast_where_that_works(root, monkeypatch, works):
    variable = "JUPYTER_DEFAULT_PROVISIONER_NAME"
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(kernels, "unsupported", lambda: None if works else "there is no fork here")
    with lab.lab_environment(root) as environment:
        assert environment.get(variable) == (kernels.PROVISIONER_NAME if works else None)
    monkeypatch.setenv(variable, "mine")
    with lab.lab_environment(root) as environment:
        assert environment[variable] == "mine"


def test_settings_are_ones_that_jupyterlab_knows():
    import jupyterlab

    schemas = Path(jupyterlab.__file__).parent / "schemas"
    for plugin, settings in lab.SETTINGS.items():
        package, _, name = plugin.partition(":")
        schema = json.loads((schemas / package / f"{name}.json").read_text())
        assert set(settings) <= set(schema["properties"]), plugin


def test_the_validate_button_waits_as_long_as_a_lesson_needs(root, monkeypatch):
    """nbgrader's server extension reads its configuration as this does."""
    from nbgrader.apps import NbGrader

    with lab.lab_environment(root) as environment:
        monkeypatch.setenv("JUPYTER_CONFIG_PATH", environment["JUPYTER_CONFIG_PATH"])
        grader = NbGrader()
        grader.load_config_file()
    assert grader.config.Execute.timeout == lab.SECONDS_PER_CELL


def test_no_lessons_here_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("course.lessons.__file__", str(tmp_path / "lessons.py"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["course", "lab", "--no-browser"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert "Go to the folder of the course" in capsys.readouterr().err


def test_download_reports_as_a_sentence(monkeypatch, capsys):
    from course import datasets

    monkeypatch.setattr(sys, "argv", ["course", "download", "cifra10"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert "Did you mean cifar10" in capsys.readouterr().err
    monkeypatch.setattr(datasets, "download", lambda name: Path("/data") / name)
    result = CliRunner().invoke(app, ["download", "one", "two"])
    assert result.stdout == "one is in /data/one.\ntwo is in /data/two.\n"


@pytest.mark.slow
def test_jupyterlab_starts_with_the_readme_and_ends_when_told(root):
    (root / "lessons" / "README.md").write_text("# Lessons")
    code = "import sys; from course.lab import run_lab; sys.exit(run_lab(sys.argv[1:]))"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", f"--port={port}", "--IdentityProvider.token=", "--allow-root"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *options], stderr=subprocess.PIPE, text=True, cwd=root
    )
    try:
        address = None
        deadline = time.monotonic() + 60
        while address is None and time.monotonic() < deadline:
            match = re.search(r"http://127\.0\.0\.1:\d+/\S*", process.stderr.readline())
            address = match and match[0]
        assert address.endswith("/lab/tree/lessons/README.md")
        base = address.partition("/lab/")[0]

        def get(path: str) -> str:
            while True:
                try:
                    with urllib.request.urlopen(f"{base}{path}") as answer:
                        return answer.read().decode()
                except OSError:
                    # It says where it runs a moment before it listens.
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)

        plugin = json.loads(get("/lab/api/settings/@jupyterlab/docmanager-extension:plugin"))
        viewers = plugin["schema"]["properties"]["defaultViewers"]["default"]
        assert viewers["markdown"] == "Markdown Preview"
        assert '"news": {"disabled": true}' in get(address.removeprefix(base))
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stderr.close()
    with pytest.raises(OSError, match=r"refused|reset"):
        urllib.request.urlopen(address, timeout=5)
