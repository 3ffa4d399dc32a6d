"""Archives as Canvas, Moodle and Blackboard make them, and hostile ones, into a class's folder.

The names follow the platforms' own exporters; see ``classroom/platforms/recognise.py``.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from autograder.classroom.person import Person
from autograder.classroom.platforms import entries
from autograder.classroom.platforms.collect import Outcome, collect
from autograder.classroom.platforms.collection import read_collection
from autograder.classroom.platforms.platform import Platform
from autograder.errors import CourseError
from autograder.grading.read_submission import read_timestamp

LESSON, NOTEBOOK = "07_chest_xrays", "chest_xrays"
FILE = f"{NOTEBOOK}.ipynb"
RECORD = """\
Name: {name} ({user})
Assignment: Chest X-rays
Date Submitted: Tuesday, 21 April 2026 06:34:13 o'clock BST
Current Mark: Needs Marking

Submission Field:
There is no student submission text data for this assignment.

Files:
\tOriginal filename: chest_xrays.ipynb
"""


def notebook(answer: str) -> str:
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [], "x": answer}
    )


def pack(path: Path, files: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 11, 20, 12, 0, 0)), content)
    return path


@pytest.fixture
def take(tmp_path):
    """Collect files by their names in an archive, or an archive."""
    classes = tmp_path / "class"
    classes.mkdir()

    def run(files: Mapping[str, str] | Path, **options) -> Outcome:
        path = files if isinstance(files, Path) else pack(tmp_path / "archive.zip", files)
        known = options.pop("known", {})
        return collect(path, LESSON, [NOTEBOOK], classes, known, **options)

    run.classes = classes
    return run


def submitted(classes: Path) -> dict[str, list[str]]:
    """What each student has in the folder of the lesson."""
    return {
        folder.name: sorted(
            path.relative_to(folder / LESSON).as_posix()
            for path in folder.rglob("*")
            if path.is_file()
        )
        for folder in sorted((classes / "submitted").iterdir())
    }


# --- Canvas


def test_canvas_late_again_anonymous_and_names_of_all_scripts(take):
    outcome = take(
        {
            f"lovelaceada_101_9001_{FILE}": notebook("a"),
            f"müllerjürgen_LATE_102_9002_{NOTEBOOK}-1.ipynb": notebook("b"),
            f"王小明_103_9003_{FILE}": notebook("c"),
            f"team7_104_9004_{FILE}": notebook("d"),
            f"obrienpat2_105_9005_12_34_{FILE}": notebook("e"),
            f"_106_9006_{FILE}": notebook("f"),
            f"anon_aB3xZ_9007_{FILE}": notebook("g"),
            f"LATE_anon_cD4yW_9008_{FILE}": notebook("h"),
            "writera_107_text.html": "<p>typed</p>",
        }
    )
    assert outcome.platform is Platform.CANVAS
    assert not outcome.refused
    assert submitted(take.classes) == {
        "106": [FILE],
        "anon_aB3xZ": [FILE],
        "anon_cD4yW": [FILE],
        "lovelaceada-101": [FILE],
        "müllerjürgen-102": [FILE],
        "obrienpat2-105": [f"12_34_{FILE}"],
        "team7-104": [FILE],
        "writera-107": ["text.html"],
        "王小明-103": [FILE],
    }
    assert outcome.late == outcome.untimed == ["müllerjürgen-102", "anon_cD4yW"]
    assert Person("lovelaceada-101", lms_user_id="101") in outcome.people


def test_canvas_names_without_the_mark_of_utf8(take, tmp_path):
    # rubyzip writes UTF-8 and does not say so.
    path = pack(tmp_path / "a.zip", {f"m__llerj__rgen_102_9002_{FILE}": notebook("b")})
    raw = path.read_bytes().replace(b"m__llerj__rgen", "müllerjürgen".encode())
    path.write_bytes(raw)
    take(path)
    assert list(submitted(take.classes)) == ["müllerjürgen-102"]


def test_canvas_group_whose_name_ends_in_a_number(take):
    names = {f"lovelaceada_101_9001_{FILE}": "a", f"hopper_102_9002_{FILE}": "b"}
    take(names | {f"group_7_103_9003_{FILE}": "c"})
    assert "group_7-103" in submitted(take.classes)


def test_canvas_knows_a_user_by_the_class_list_whatever_the_name(take):
    known = {"ada": Person("ada", lms_user_id="101")}
    take({f"byronada_101_9001_{FILE}": notebook("a")}, known=known)
    assert list(submitted(take.classes)) == ["ada"]


def test_canvas_files_of_one_name_the_newest_keeps_it(take):
    take({f"ada_101_9002_{FILE}": "new", f"ada_101_9001_{FILE}": "old"})
    folder = take.classes / "submitted" / "ada-101" / LESSON
    assert (folder / FILE).read_text() == "new"
    older = folder / f"{NOTEBOOK} (1).ipynb"
    assert older.read_text() == "old"
    assert older.stat().st_mtime < (folder / FILE).stat().st_mtime


def test_lateness_without_a_time_counts_as_a_minute(take):
    due = datetime(2026, 11, 19, 12)
    take({f"ada_LATE_101_9001_{FILE}": "a", f"ben_102_9002_{FILE}": "b"}, due=due)
    stamp = take.classes / "submitted" / "ada-101" / LESSON / "timestamp.txt"
    assert read_timestamp(stamp) == datetime(2026, 11, 19, 12, 1)
    assert submitted(take.classes)["ben-102"] == [FILE]


def test_lateness_that_is_taken_back_leaves_no_stamp(take):
    due = datetime(2026, 11, 19, 12)
    take({f"ada_LATE_101_9001_{FILE}": "a"}, due=due)
    assert take({f"ada_101_9001_{FILE}": "a"}, due=due).same == ["ada-101"]
    assert submitted(take.classes)["ada-101"] == [FILE]


# --- Moodle


def test_moodle_folders_of_all_versions_text_and_groups(take):
    outcome = take(
        {
            f"Ada Lovelace_11_assignsubmission_file/{FILE}": "a",
            "Ada Lovelace_11_assignsubmission_file/data/own.csv": "1",
            "Ada Lovelace_11_assignsubmission_onlinetext/onlinetext.html": "<p>typed</p>",
            f"Jürgen von Müller_12_assignsubmission_file_/{NOTEBOOK} (1).ipynb": "b",
            f"Participant_13_assignsubmission_file/{FILE}": "c",
            f"Team Rot_14_assignsubmission_file/{FILE}": "d",
            f"Default group_assignsubmission_file/{FILE}": "e",
        }
    )
    assert outcome.platform is Platform.MOODLE
    assert submitted(take.classes) == {
        "Ada-Lovelace": [FILE, "data/own.csv", "onlinetext.html"],
        "Default-group": [FILE],
        "Jürgen-von-Müller": [f"{NOTEBOOK} (1).ipynb"],
        "Team-Rot": [FILE],
        "participant-13": [FILE],
    }
    assert Person("Jürgen-von-Müller", "Jürgen von", "Müller") in outcome.people


def test_moodle_flat_names(take):
    take({f"Ada Lovelace_11_assignsubmission_file_{FILE}": "a"})
    assert submitted(take.classes) == {"Ada-Lovelace": [FILE]}


def test_moodle_two_of_the_same_name_stay_apart(take):
    names = {
        f"Anna Schmidt_{number}_assignsubmission_file/{FILE}": str(number) for number in (7, 8)
    }
    outcome = take(names)
    assert list(submitted(take.classes)) == ["Anna-Schmidt-7", "Anna-Schmidt-8"]
    assert "More than one is called Anna Schmidt" in outcome.notes[0]
    assert take(names).same == ["Anna-Schmidt-7", "Anna-Schmidt-8"]


# --- Blackboard


def test_blackboard_takes_the_newest_attempt_and_keeps_the_others(take):
    def attempt(user: str, time: str, name: str) -> dict[str, str]:
        front = f"Chest_X-rays_{user}_attempt_{time}"
        return {
            f"{front}.txt": RECORD.format(name=name, user=user),
            f"{front}_{FILE}": f"{user} {time}",
        }

    files = attempt("a_lovelace", "2026-04-20-10-00-00", "Ada Lovelace")
    files |= attempt("a_lovelace", "2026-04-21-06-34-13", "Ada Lovelace")
    files |= attempt("a_turing", "2026-04-21-06-34-13", "Alan Turing")
    # Of this one the record is missing.
    files[f"Chest_X-rays_g_hopper_attempt_2026-04-21-07-00-00_{FILE}"] = "g"
    due = datetime(2026, 4, 21, 5, 0)
    outcome = take(files, due=due, zone=ZoneInfo("Europe/London"))
    assert outcome.platform is Platform.BLACKBOARD
    assert list(submitted(take.classes)) == ["a_lovelace", "a_turing", "g_hopper"]
    folder = take.classes / "submitted" / "a_lovelace" / LESSON
    assert (folder / FILE).read_text() == "a_lovelace 2026-04-21-06-34-13"
    # In summer London is an hour ahead.
    assert read_timestamp(folder / "timestamp.txt") == datetime(2026, 4, 21, 5, 34, 13)
    assert outcome.late == ["a_lovelace", "a_turing", "g_hopper"]
    earlier = take.classes / "collected" / LESSON / "earlier" / "a_lovelace" / "1" / FILE
    assert earlier.read_text() == "a_lovelace 2026-04-20-10-00-00"
    assert read_collection(take.classes, LESSON).titles() == {"Chest X-rays"}
    assert Person("a_turing", "Alan", "Turing") in outcome.people


# --- a folder


def test_a_folder_with_folders_and_one_with_named_notebooks(take, tmp_path):
    folder = tmp_path / "handed in"
    (folder / "ada" / LESSON).mkdir(parents=True)
    (folder / "ada" / LESSON / FILE).write_text("a")
    (folder / "ada" / "08_other").mkdir()
    (folder / "ada" / "08_other" / "other.ipynb").write_text("x")
    (folder / "Ben Müller").mkdir()
    (folder / "Ben Müller" / FILE).write_text("b")
    for name in (f"cleo_{FILE}", f"{NOTEBOOK} - Dora D.ipynb", FILE, f"{NOTEBOOK} (1).ipynb"):
        (folder / name).write_text(name)
    (folder / "link").symlink_to("/etc")
    outcome = take(folder)
    assert submitted(take.classes) == {
        "Ben-Müller": [FILE],
        "Dora-D": [f"{NOTEBOOK} - Dora D.ipynb"],
        "ada": [FILE],
        "cleo": [f"cleo_{FILE}"],
    }
    assert {refusal.entry for refusal in outcome.refused} == {FILE, f"{NOTEBOOK} (1).ipynb", "link"}


def test_an_archive_that_was_unpacked_and_packed_again(take):
    take(
        {
            f"submissions/lovelaceada_101_9001_{FILE}": "a",
            "__MACOSX/submissions/._lovelaceada_101": "x",
            "submissions/.DS_Store": "x",
        }
    )
    assert submitted(take.classes) == {"lovelaceada-101": [FILE]}


# --- once more


def test_a_newer_archive_replaces_and_keeps_an_older_one_does_not(take):
    first = {f"ada_101_9001_{FILE}": "old", f"ben_102_9002_{FILE}": "b"}
    second = {f"ada_101_9009_{FILE}": "new", f"ben_102_9002_{FILE}": "b"}
    assert take(first).new == ["ada-101", "ben-102"]
    outcome = take(second)
    assert (outcome.newer, outcome.same) == (["ada-101"], ["ben-102"])
    folder = take.classes / "submitted" / "ada-101" / LESSON
    assert (folder / FILE).read_text() == "new"
    kept = take.classes / "collected" / LESSON / "earlier" / "ada-101"
    assert [path.read_text() for path in kept.rglob(FILE)] == ["old"]
    assert take(first).older == ["ada-101"]
    assert (folder / FILE).read_text() == "new"
    assert [path.read_text() for path in kept.rglob(FILE)] == ["old"]


def test_what_lay_there_before_is_kept(take):
    folder = take.classes / "submitted" / "ada-101" / LESSON
    folder.mkdir(parents=True)
    (folder / FILE).write_text("by mail")
    assert take({f"ada_101_9001_{FILE}": "new"}).newer == ["ada-101"]
    kept = take.classes / "collected" / LESSON / "earlier" / "ada-101" / "1" / FILE
    assert kept.read_text() == "by mail"


# --- hostile


def test_hostile_entries_are_refused_one_at_a_time(take, tmp_path, monkeypatch):
    monkeypatch.setattr(entries, "ALWAYS_FINE", 100_000)
    path = tmp_path / "archive.zip"
    link = zipfile.ZipInfo(f"link_6_16_{FILE}")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    pipe = zipfile.ZipInfo(f"pipe_7_17_{FILE}")
    pipe.external_attr = (stat.S_IFIFO | 0o644) << 16
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"good_1_11_{FILE}", notebook("a"))
        archive.writestr(f"../../evil_2_12_{FILE}", "x")
        archive.writestr(f"/evil_3_13_{FILE}", "x")
        archive.writestr(f"..\\evil_4_14_{FILE}", "x")
        archive.writestr(f"C:\\evil_5_15_{FILE}", "x")
        archive.writestr(link, "/etc/passwd")
        archive.writestr(pipe, "")
        archive.writestr(f"bomb_8_18_{FILE}", "0" * 5_000_000)
        archive.writestr(f"a\x1b[31m_9_19_{FILE}", "x")
        archive.writestr(f"damaged_10_20_{FILE}", notebook("damaged" * 50))
        archive.writestr("stamp_11_21_timestamp.txt", "2020-01-01 00:00:00")
        archive.writestr(f"stamp_11_22_{FILE}", notebook("b"))
        archive.writestr("readme", "nobody's")
        archive.writestr(f"last_12_23_{FILE}", notebook("c"))
        at = archive.getinfo(f"damaged_10_20_{FILE}").header_offset
    raw = bytearray(path.read_bytes())
    raw[at + 80 : at + 90] = b"\xff" * 10
    path.write_bytes(raw)
    outcome = take(path)
    found = submitted(take.classes)
    assert {student for student, files in found.items() if files} == {
        "good-1",
        "last-12",
        "stamp-11",
    }
    assert found["stamp-11"] == [FILE]
    said = "\n".join(map(str, outcome.refused))
    for reason in (
        "its path leads out of the archive",
        "its path begins at the root of a disk",
        "it is a link, not a file",
        "it is no ordinary file",
        "packed bytes grow to more than",
        "its name has characters that cannot be shown",
        "it is damaged",
        "nbgrader would take it for what it writes itself",
        "its name is none of those that Canvas gives to files",
    ):
        assert reason in said
    assert "\x1b" not in said
    assert not list(tmp_path.rglob("evil*"))
    assert not list(take.classes.glob(".collecting-*"))
    assert "Nothing that bomb-8 has handed in could be taken." in outcome.notes


def test_a_student_who_says_too_much_is_cut_and_the_others_stay(take, monkeypatch):
    monkeypatch.setattr("autograder.classroom.platforms.collect.MAX_STUDENT", 1_000)
    monkeypatch.setattr("autograder.classroom.platforms.collect.MAX_FILES", 3)
    files = {f"Ada_1_assignsubmission_file/{number}.txt": "x" for number in range(5)}
    files[f"Ben_2_assignsubmission_file/{FILE}"] = os.urandom(800).hex()
    files[f"Cleo_3_assignsubmission_file/{FILE}"] = "c"
    outcome = take(files)
    assert [len(names) for names in submitted(take.classes).values()] == [3, 0, 1]
    assert len(outcome.refused) == 3


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_where_a_folder_should_be_and_a_name_twice(take, tmp_path):
    path = tmp_path / "a.zip"
    top = "Ada_1_assignsubmission_file"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{top}/{FILE}", "first")
        archive.writestr(f"{top}/{FILE}", "second")
        archive.writestr(f"{top}/{FILE}/below.txt", "x")
    outcome = take(path)
    folder = take.classes / "submitted" / "Ada" / LESSON
    assert (folder / FILE).read_text() == "second"
    assert len(outcome.refused) == 2


def test_an_encrypted_entry(take, tmp_path):
    path = pack(tmp_path / "a.zip", {f"ada_1_2_{FILE}": "a", f"ben_3_4_{FILE}": "b"})
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02")
    raw[at + 8] |= 1
    path.write_bytes(raw)
    assert [refusal.reason for refusal in take(path).refused] == ["it is encrypted"]


def test_entries_that_share_their_content(take, tmp_path):
    path = pack(tmp_path / "a.zip", {f"ada_1_2_{FILE}": "a" * 100, f"ben_3_4_{FILE}": "b" * 100})
    raw = bytearray(path.read_bytes())
    # The first one claims the bytes of the second as well.
    at = raw.index(b"PK\x01\x02")
    raw[at + 20 : at + 24] = (200).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(CourseError, match="in common with another entry"):
        take(path)


def test_an_archive_that_is_too_much_in_sum(take, monkeypatch):
    monkeypatch.setattr(
        entries.Source.__init__, "__defaults__", (*entries.Source.__init__.__defaults__[:-1], 150)
    )
    outcome = take({f"ada_1_2_{FILE}": "a" * 100, f"ben_3_4_{FILE}": "b" * 100})
    assert [refusal.entry for refusal in outcome.refused] == [f"ben_3_4_{FILE}"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "is a web page, as one gets when signed out"),
        (b"PK\x03\x04 and then nothing", "breaks off or is damaged"),
        (b"Rar!\x1a\x07", "download it again as .zip"),
    ],
)
def test_what_is_no_archive(take, tmp_path, content, said):
    path = tmp_path / "download.zip"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=said):
        take(path)


def test_nothing_there(take, tmp_path):
    with pytest.raises(CourseError, match="There is no"):
        take(tmp_path / "none.zip")
    with pytest.raises(CourseError, match="No submissions in"):
        take({"readme.txt": "x"})


def test_a_damaged_record_of_what_was_collected(take):
    take({f"ada_1_2_{FILE}": "a"})
    (take.classes / "collected" / LESSON / "submissions.json").write_text("{")
    with pytest.raises(CourseError, match="Move it away and collect"):
        take({f"ada_1_2_{FILE}": "a"})
