"""``course doctor`` on machines that lack something."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from course import doctor
from course.cli import app
from course.doctor import ERROR, OK, WARNING, Row
from course.precision import Device

ROOT = Path(__file__).parents[2]


def run(monkeypatch, **results):
    """Let commands end as told: by the first word, (exit code, output)."""

    def answer(command, **options):
        code, out = results.get(command[0].rpartition("/")[2], (0, ""))
        return SimpleNamespace(returncode=code, stdout=out, stderr=out if code else "")

    monkeypatch.setattr(subprocess, "run", answer)


def test_every_row_that_is_not_ok_says_what_to_do(monkeypatch):
    slow = {"kernel", "extensions"}
    quick = {name: look for name, look in doctor.CHECKS.items() if name not in slow}
    monkeypatch.setattr(doctor, "CHECKS", quick)
    monkeypatch.setattr("course.precision.find_device", lambda: Device("CPU", "CPU"))
    rows = doctor.examine()
    assert [row.name for row in rows] == list(doctor.CHECKS)
    for row in rows:
        assert row.found
        assert row.state in {OK, WARNING, ERROR}
        assert (row.state == OK) == (row.remedy == ""), row


def look(name: str) -> Row:
    """What one of the checks finds."""
    return doctor.CHECKS[name](name)


def test_a_check_that_breaks_is_a_row(monkeypatch):
    def broken(name):
        raise RuntimeError("no such thing\nand more")

    monkeypatch.setattr(doctor, "CHECKS", {"broken": broken})
    (row,) = doctor.examine()
    assert (row.state, row.found) == (ERROR, "RuntimeError: no such thing")


def test_versions_other_than_the_locks_are_named(monkeypatch, tmp_path):
    (tmp_path / "lessons").mkdir()
    lock = "numpy==0.1 \\\n    --hash=sha256:0\nKeras==99.0 ; sys_platform == 'linux'\n"
    (tmp_path / "requirements.lock").write_text(lock)
    monkeypatch.chdir(tmp_path)
    row = look("packages")
    assert row.state == WARNING
    assert "(lock: 0.1)" in row.remedy
    assert "(lock: 99.0)" in row.remedy


def test_a_missing_package_is_an_error(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package"))
    row = look("packages")
    assert row.state == ERROR
    assert "no-such-package" in row.remedy


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        ({}, "Missing: tensorflow"),
        (
            {"tensorflow-cpu": "2.21.0", "tensorflow": "2.21.0"},
            "pip uninstall -y tensorflow-cpu tensorflow",
        ),
    ],
    ids=["none", "both"],
)
def test_tensorflow_is_installed_once(monkeypatch, installed, said):
    monkeypatch.setattr(doctor, "tensorflow_versions", lambda: installed)
    row = look("packages")
    assert row.state == ERROR
    assert said in row.remedy


def test_the_way_to_use_a_gpu_is_what_readme_says():
    assert f"`{doctor.USE_GPU}`" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_full_disk_and_little_memory(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=1e8))
    assert look("machine").state == ERROR
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=1e11))
    monkeypatch.setattr(doctor.os, "sysconf", lambda name: 30_000)
    assert look("machine").state == WARNING


def test_a_data_folder_that_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data" / "digits").mkdir(parents=True)
    (tmp_path / "data" / "digits" / "file").write_bytes(b"0" * 2_000_000)
    row = look("datasets")
    assert row.state == OK
    assert "digits (2 MB)" in row.found
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    assert look("datasets").state == ERROR


def test_isolation(monkeypatch):
    which = {"bwrap": "/usr/bin/bwrap"}
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    monkeypatch.setattr(doctor.shutil, "which", which.get)
    run(monkeypatch, bwrap=(0, "bubblewrap 0.8.0"))
    assert look("isolation").found == "bubblewrap 0.8.0 isolates processes"
    run(monkeypatch, bwrap=(1, "No permissions to create a new namespace"))
    row = look("isolation")
    assert row.state == WARNING
    assert "No permissions" in row.found
    which.clear()
    assert "apt install bubblewrap" in look("isolation").remedy
    monkeypatch.setattr(doctor.sys, "platform", "darwin")
    assert "Linux" in look("isolation").remedy


def test_extensions_that_are_off(monkeypatch):
    on = "\n".join(f"    {name} \x1b[32menabled\x1b[0m" for name in doctor.SERVER_EXTENSIONS)
    lab = f"\n        {doctor.LAB_EXTENSION} v0.9.6 enabled OK\n"
    run(monkeypatch, python=(0, on + lab))
    monkeypatch.setattr(doctor.sys, "executable", "/somewhere/python")
    assert look("extensions").state == OK
    run(monkeypatch, python=(0, on.replace("enabled", "disabled") + lab))
    assert "nbgrader.server_extensions.formgrader" in look("extensions").found
    run(monkeypatch, python=(0, on))
    assert doctor.LAB_EXTENSION in look("extensions").found


def test_a_gpu_that_tensorflow_does_not_see(monkeypatch):
    monkeypatch.setattr("course.precision.find_device", lambda: Device("CPU", "CPU"))
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    row = look("device")
    assert row.state == WARNING
    assert doctor.USE_GPU in row.remedy
    monkeypatch.setattr("course.precision.find_device", lambda: Device("GPU", "H200", (9, 0)))
    assert look("device").found == "H200 (compute capability 9.0)"


def test_the_kernel_belongs_to_this_environment():
    row = look("kernel")
    assert row.state == OK, row


def test_a_kernel_of_another_environment(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.sys, "prefix", str(tmp_path))
    row = look("kernel")
    assert row.state == ERROR
    assert "not this environment" in row.found
    assert "ipykernel install" in row.remedy


def test_no_kernel(monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    def refuse(self, name):
        raise NoSuchKernel(name)

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", refuse)
    assert look("kernel").found == "no kernel python3"


@pytest.mark.parametrize(("state", "code"), [(OK, 0), (WARNING, 0), (ERROR, 1)])
def test_exit_code_json_and_table(monkeypatch, state, code):
    row = Row("thing", state, "as found", "" if state == OK else "Do this.")
    monkeypatch.setattr(doctor, "CHECKS", {"thing": lambda name: row})
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == code
    assert json.loads(result.stdout) == [
        {"name": "thing", "state": state, "found": "as found", "remedy": row.remedy}
    ]
    console = Console(file=io.StringIO(), width=100)
    doctor.show([row], console)
    assert all(text in console.file.getvalue() for text in ("thing", state, row.remedy))
