"""The canary's report: what differs from the lock, what failed, and where it is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.canary import (
    NOTEBOOKS,
    ROOT,
    Difference,
    Outcome,
    canary_steps,
    differences,
    install_steps,
    make_report,
    named_in,
    run,
)
from tests.run import Step, steps

LOCK = """\
# Written by make lock.
coverage[toml]==7.0 \\
    --hash=sha256:aa
    # via pytest-cov
keras==3.10.0 \\
    --hash=sha256:bb
pywinpty==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:cc
scikit-learn==1.5.0 \\
    --hash=sha256:dd
tqdm==4.66.0 \\
    --hash=sha256:ee
"""
TRACEBACK = (
    "\x1b[31mFAILED\x1b[0m\n  ../venv/lib/python3.11/site-packages/keras/src/ops.py:3: TypeError"
)


def test_what_differs_from_the_lock():
    installed = {
        "coverage": "7.0", "Keras": "4.0", "scikit_learn": "1.6", "optree": "0.1",
        "pip": "26", "deep-learning-course": "1.0",
    }  # fmt: skip
    assert differences(LOCK, installed) == [
        Difference("keras", "3.10.0", "4.0"),
        Difference("optree", None, "0.1"),
        Difference("scikit-learn", "1.5.0", "1.6"),
        Difference("tqdm", "4.66.0", None),
    ]


def test_a_package_is_seen_in_the_tracebacks_of_failures():
    outcomes = [
        Outcome("unit tests", 1, 9, TRACEBACK),
        Outcome("notebooks", 0, 9, TRACEBACK),
        Outcome("types", 1, 1, "site-packages/keras_nlp/x.py and keras"),
        Outcome("lint", 1, 1, "site-packages/scikit_learn/x.py"),
    ]
    assert named_in("keras", outcomes) == ["unit tests"]
    assert named_in("scikit-learn", outcomes) == ["lint"]
    assert named_in("tqdm", outcomes) == []


def test_report_of_a_failure():
    outcomes = [
        Outcome("lint", 0, 1.2, ""),
        Outcome("unit tests", 1, 90, "x\n" * 200 + TRACEBACK),
    ]
    found = [Difference("keras", "3.10.0", "4.0"), Difference("optree", None, "0.1")]
    report = make_report(found, outcomes, "abc1234", "3.13.1")
    assert report.startswith(
        "# Newest releases: 1 of 2 steps failed\n\nCommit abc1234, Python 3.13.1."
    )
    assert "| lint | passed | 1 |" in report
    assert "| unit tests | failed (1) | 90 |" in report
    assert "| keras | 3.10.0 | 4.0 | unit tests |" in report
    assert "| optree | – | 0.1 |  |" in report
    assert "## Failed: unit tests\n\n````\nx\n" in report
    assert "\x1b" not in report
    assert len(report.splitlines()) < 120


def test_report_where_all_is_well():
    report = make_report([], [Outcome("lint", 0, 1, "")], "abc1234", "3.13.1")
    assert "all steps passed" in report
    assert "None: the lock has the newest releases." in report
    assert "Failed" not in report


def test_it_runs_what_make_check_runs_and_three_notebooks(tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    tried = canary_steps(python, ROOT)
    assert [step.name for step in tried[1:-1]] == [step.name for step in steps(quick=True)]
    assert {Path(step.command[0]).parent for step in tried} == {python.parent}
    notebooks = [part for part in tried[-1].command if part.endswith(".ipynb")]
    assert [Path(part).parts[1] for part in notebooks] == list(NOTEBOOKS)
    assert len(notebooks) == 3


def test_everything_is_installed_into_the_folder(tmp_path):
    clone, _, installation = install_steps(tmp_path)
    assert clone.command[-1] == str(tmp_path / "course")
    assert installation.command[0] == str(tmp_path / "venv" / "bin" / "python")
    assert installation.command[-1] == f"{tmp_path / 'course'}[instructor,cluster,hub,dev]"
    assert "--require-hashes" not in installation.command


@pytest.mark.parametrize("status", [0, 3])
def test_a_step_keeps_what_it_wrote(tmp_path, monkeypatch, status):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    script = f'echo "here ${{PYTHONPATH:-unset}}"; echo oh >&2; exit {status}'
    outcome = run(Step("shell", ["bash", "-c", script]), tmp_path)
    assert outcome.failed is bool(status)
    assert outcome.output == "here unset\noh\n"


def test_the_weekly_workflow_shows_the_report():
    workflow = yaml.safe_load((ROOT / ".github/workflows/weekly.yml").read_text())
    said = [step.get("run", "") for step in workflow["jobs"]["newest"]["steps"]]
    assert ".ci/run canary" in said
    assert any("build/canary.md" in text for text in said)
