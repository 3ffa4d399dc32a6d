"""What plain nbgrader finds beside a submitted notebook: files, and nothing else."""

from __future__ import annotations

import os
import socket

from autograder.nbgrader_course.grading_steps import hand_in_all


def test_links_and_pipes_are_taken_away_and_files_stay(toy, hand_in, monkeypatch):
    monkeypatch.chdir(toy)
    folder = hand_in("ada").parent
    solution = toy / "solutions" / "90_adding" / "adding.py"
    (folder / "helper.py").write_text("x = 1")
    (folder / "inner").mkdir()
    for place in (folder, folder / "inner"):
        (place / "notes.txt").symlink_to(solution)
        (place / "dangling").symlink_to("/nowhere/at/all")
        (place / "folder").symlink_to(solution.parent)
        os.mkfifo(place / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(folder)
        server.bind("socket")
    monkeypatch.chdir(toy)
    hand_in_all("90_adding", "ada", ["class/submitted/ada/90_adding/adding.ipynb"])
    left = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    assert left == ["adding.ipynb", "helper.py", "inner"]
    assert solution.is_file()


def test_a_time_stamp_that_is_a_link_or_no_time_is_not_there_for_nbgrader(
    toy, hand_in, monkeypatch
):
    monkeypatch.chdir(toy)
    folder = hand_in("ada").parent
    stamp = folder / "timestamp.txt"
    for prepare in (
        lambda: stamp.symlink_to("/etc/hostname"),
        lambda: stamp.write_text("yesterday"),
        lambda: os.mkfifo(stamp),
    ):
        prepare()
        hand_in_all("90_adding", "ada", ["class/submitted/ada/90_adding/adding.ipynb"])
        assert not os.path.lexists(stamp)
