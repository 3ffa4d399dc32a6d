"""Points in gradebooks as the platforms export them: one column changes, every other byte stays."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

import pytest

from autograder.classroom.person import Person
from autograder.classroom.platforms.collection import Collected, Collection
from autograder.classroom.platforms.exports import choose_column, read_export
from autograder.classroom.platforms.grades import Filled, Points, fill
from autograder.classroom.platforms.platform import Platform
from autograder.classroom.platforms.table import Table
from autograder.errors import CourseError

TITLES = {"Chest X-rays", "07_chest_xrays", "chest_xrays"}
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Notes,Warm-up (500),"
    '"Lesson 7: Chest X-rays, graded (501)",Assignments Current Score,Final Score\r\n'
    ",,,,,,,Manual Posting,,\r\n"
    "    Points Possible,,,,,,10.00,20.00,(read only),(read only)\r\n"
    '"Lovelace, Ada",101,s1,ada,"A, B","two\r\nlines",5.00,,50,50\r\n'
    '"Müller, Jürgen",102,s2,jm,A,,5.00,3.00,50,50\r\n'
    '"Hopper, ""Grace""",103,s3,gh,A,,5.00,EX,50,50\r\n'
    '"Turing, Alan",104,s4,at,A,,5.00,7.50,50,50\r\n'
    '"Nobody, N.",105,s5,nn,A,,,,50,50\r\n'
    '"Student, Test",999,,xyz,A,,,,,\r\n'
)


def put(
    data: bytes,
    points: Sequence[Points],
    collected: dict[str, tuple[Platform, str, str]],
    *,
    column: str | None = None,
    people: Sequence[Person] = (),
    scale: bool = False,
) -> tuple[bytes, Filled]:
    table = Table(data, "export.csv")
    collection = Collection(
        students={
            student: Collected(platform=platform, key=key, name=name)
            for student, (platform, key, name) in collected.items()
        }
    )
    known = {each.student for each in points} | {each.email for each in people} - {""}
    export = read_export(table, known)
    chosen = choose_column(export, TITLES, column)
    by_name = {each.student: each for each in people}
    done = fill(table, export, chosen, points, collection, by_name, scale=scale)
    return table.to_bytes(), done


def canvas(*keys: str) -> dict[str, tuple[Platform, str, str]]:
    return {key: (Platform.CANVAS, key, "") for key in keys}


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "with a mark"])
def test_canvas(mark):
    points = [
        Points("101", 17.125, 20),
        Points("102", 20, 20),
        Points("103", 5, 20),
        Points("104", 7.5, 20),
        Points("gone", 3, 20),
        Points("106", 0, 20, because="nothing was handed in"),
    ]
    text, done = put(mark + CANVAS.encode(), points, canvas("101", "102", "103", "104"))
    expected = CANVAS.replace('lines",5.00,,50', 'lines",5.00,17.13,50').replace(
        "5.00,3.00", "5.00,20"
    )
    assert text == mark + expected.encode()
    assert (done.filled, done.changed) == (3, 2)
    assert done.left == [
        ("gone", "no row of the file is this student's"),
        ("106", "nothing was handed in"),
        ("103", "the student is excused there"),
    ]
    assert done.rows == ["Nobody, N."]


def test_canvas_semicolons_and_decimal_commas():
    text = CANVAS.replace(",", ";").replace(".00", ",00").replace("7.50", "7,50")
    filled, _ = put(text.encode(), [Points("101", 17.5, 20)], canvas("101"))
    assert filled == text.replace('lines";5,00;;', 'lines";5,00;17,5;').encode()


def test_decimal_commas_between_commas_are_quoted():
    text = re.sub(r"\b(\d+)\.(\d\d)\b", r'"\1,\2"', CANVAS)
    filled, _ = put(text.encode(), [Points("101", 17.5, 20)], canvas("101"))
    assert filled == text.replace('lines","5,00",,50', 'lines","5,00","17,5",50').encode()


def test_canvas_by_login_and_by_the_class_list():
    people = [Person("x", lms_user_id="102")]
    points = [Points("ada", 1, 20), Points("x", 2, 20)]
    _, done = put(CANVAS.encode(), points, {}, people=people)
    assert done.filled == 2
    assert not done.left


def test_canvas_lastname_firstname():
    text = (
        "LastName,FirstName,ID,SIS Login ID,Section,Chest X-rays (501),Final Score\r\n"
        "Lovelace,Ada,101,ada,A,,50\r\n"
    )
    filled, _ = put(text.encode(), [Points("101", 4, 20)], canvas("101"))
    assert filled == text.replace("A,,50", "A,4,50").encode()


def test_columns_that_cannot_be_meant():
    with pytest.raises(CourseError, match=r"No column is the one of 'Final Score'.*Warm-up"):
        put(CANVAS.encode(), [], {}, column="Final Score")
    with pytest.raises(CourseError, match=r"More than one column .* --column"):
        put(CANVAS.replace("Warm-up", "Chest X-rays 2").encode(), [], {})
    _, done = put(CANVAS.encode(), [Points("101", 4, 10)], canvas("101"), column="501")
    assert "has 10 points and the column 20.00" in done.notes[0]
    filled, _ = put(CANVAS.encode(), [Points("101", 4, 10)], canvas("101"), scale=True)
    assert b'lines",5.00,8,50' in filled


MOODLE = (
    'Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\n'
    '"Participant 11","Ada Lovelace",ada@x.org,"Submitted for grading",,10.00,Yes,-,-,\n'
    '"Participant 12","Jürgen Müller",jm@x.org,"No submission",4.00,10.00,Yes,-,-,"so\nso"\n'
    '"Participant 13","Grace Hopper",gh@x.org,Submitted,,10.00,No,-,-,\n'
)
TEILNEHMER = (
    "ID;Vollständiger Name;Gruppe;Status;Bewertung;Bestwertung;Bewertung kann geändert werden;"
    "Zuletzt geändert (Bewertung);Feedback als Kommentar\n"
    'Teilnehmer/in11;Ada Lovelace;Team Rot;;"";10,00;Ja;-;\n'
    'Teilnehmer/in12;Jürgen Müller;Team Rot;;"";10,00;Ja;-;\n'
    'Teilnehmer/in13;Grace Hopper;Team Blau;;"";10,00;Ja;-;\n'
)


def test_moodle():
    handed = {
        "ada": (Platform.MOODLE, "11", "Ada Lovelace"),
        "grace": (Platform.MOODLE, "13", "Grace Hopper"),
    }
    filled, done = put(MOODLE.encode(), [Points("ada", 7.25, 10), Points("grace", 3, 10)], handed)
    assert filled == MOODLE.replace('grading",,10.00', 'grading",7.25,10.00').encode()
    assert done.left == [("grace", "the platform says that it takes no points for it")]
    assert done.rows == ["Jürgen Müller"]


def test_moodle_passes_over_what_is_too_much():
    handed = {"ada": (Platform.MOODLE, "11", "")}
    _, done = put(MOODLE.encode(), [Points("ada", 17, 20)], handed)
    assert "ada has 17.00 points, and Moodle passes over more than 10.00." in done.notes


@pytest.mark.parametrize("title", ["Bewertung", "Оценка"])
def test_moodle_in_other_languages_groups_and_decimal_commas(title):
    text = TEILNEHMER.replace("Status;Bewertung;", f"Status;{title};")
    handed = {"team": (Platform.MOODLE, "900", "Team Rot")}
    alone = Points("Ada-Lovelace", 0, 10, because="nothing was handed in")
    filled, done = put(text.encode(), [Points("team", 7.5, 10), alone], handed)
    assert filled == text.replace('Team Rot;;"";', 'Team Rot;;"7,5";').encode()
    assert done.rows == ["Grace Hopper"]


BLACKBOARD = (
    '"Last Name"\t"First Name"\t"Username"\t"Student ID"\t"Last Access"\t'
    '"Chest X-rays [EXTRA] [Total Pts: 20 Score] |3229258"\t"Quiz [Total Pts: 5 Score] |3229259"\t'
    '"Chest X-rays total [Total Pts: up to 55 Letter] |3229260"\n'
    '"Lovelace"\t"Ada"\t"a_lovelace"\t"0042"\t"2026-09-01"\t""\t"3"\t""\n'
    '"Turing"\t"Alan"\t"a_turing"\t"0043"\t"2026-09-01"\t""\t"3"\t""\n'
)


def test_moodle_with_a_marker_a_state_and_an_online_text():
    text = (
        "Identifiant,Nom complet,Statut,Correcteur,Note,Note maximale,État,"
        "La note peut être modifiée,Texte,Dernière modification (note)\n"
        'Participant 5,Ada L,Remis,Bob,"","20,00",Non noté,Oui,30,-\n'
    )
    filled, _ = put(text.encode(), [Points("ada", 7.5, 20)], {"ada": (Platform.MOODLE, "5", "")})
    assert filled == text.replace('Bob,"",', 'Bob,"7,5",').encode()


def test_moodle_with_a_scale():
    text = MOODLE.replace("Maximum Grade", "Scale").replace("10.00", '"poor, good"')
    with pytest.raises(CourseError, match="takes words of a scale"):
        put(text.encode(), [], {})


def test_blackboard_in_utf16():
    data = codecs.BOM_UTF16_LE + BLACKBOARD.encode("utf-16-le")
    points = [Points("a_lovelace", 17.5, 20)]
    filled, done = put(data, points, {}, column="3229258")
    expected = BLACKBOARD.replace('"2026-09-01"\t""\t"3"', '"2026-09-01"\t"17.5"\t"3"', 1)
    assert filled == codecs.BOM_UTF16_LE + expected.encode("utf-16-le")
    assert done.rows == ["Turing Alan"]


def test_another_table_by_addresses():
    text = "First name;Surname;Email address;Chest X-rays\nAda;L;ada@x.org;\nBen;M;ben@x.org;\n"
    people = [Person("ada", email="ada@x.org")]
    filled, _ = put(text.encode(), [Points("ada", 3, 4)], {}, people=people)
    assert filled == text.replace("ada@x.org;", "ada@x.org;3").encode()
    with pytest.raises(CourseError, match="No row of the file"):
        put(text.encode(), [Points("zoe", 3, 4)], {})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04", "is a spreadsheet file"),
        (b'Student,"ID\n1,2\n', "line 1: a cell begins with"),
        (codecs.BOM_UTF16_LE + b"a", "is neither UTF-8 nor UTF-16"),
        (b"", "No row of the file"),
    ],
)
def test_what_is_no_table(data, said):
    with pytest.raises(CourseError, match=said):
        read_export(Table(data, "export.csv"))


@pytest.mark.parametrize(
    "text",
    ["a,b\r1,2\r", "a,b\n1\n\n", 'sep=;\r\na;"b\r\nc"\r\n', "a,\n,\n", "é,b\n", '"x"y,b', "a"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_a_table_without_changes_is_as_it_was(text, encoding):
    data = text.encode(encoding)
    assert Table(data, "t").to_bytes() == data


def test_a_row_that_ends_early_is_filled_up():
    table = Table(b"a,b,c\n1\n2,3,4\n", "t")
    table.set(1, 2, "5")
    assert table.to_bytes() == b"a,b,c\n1,,5\n2,3,4\n"
