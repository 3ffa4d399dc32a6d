"""Certificates: signed for those who have passed, verified without a network, not to be changed."""

from __future__ import annotations

import base64
import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from autograder.classroom.person import Person
from autograder.classroom.results import Result
from autograder.classroom.term.certificates import SigningKey, check_rules, issue, signing_key
from autograder.classroom.term.rules import Certificate, Rules
from autograder.classroom.term.standing import Term, make_term
from autograder.errors import CourseError
from autograder.grading.score import CellScore
from autograder.grading.status import Status
from course.certificate import NotValidError, read_certificate
from course.lessons import LessonError
from tests.autograder import term_class
from tests.autograder.term_class import Work

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
RULES = Rules(
    title="Deep learning, winter",
    lessons={"01_first": 40.0, "02_second": 60.0},
    pass_percent=50.0,
    certificate=Certificate(issuer="A school, a teacher", url="https://example.org"),
)


def term_of(
    points: dict[str, float], people: dict[str, Person] | None = None, rules: Rules = RULES
) -> Term:
    """A term of which the second lesson is graded, with points of ten."""
    results = [
        Result(student, "02_second", Status.GRADED, score, 10.0, cells={"a": CellScore(score, 10)})
        for student, score in points.items()
    ]
    return make_term(rules, {"02_second": results}, {}, {}, people or {})


@pytest.fixture
def key(tmp_path) -> SigningKey:
    return signing_key(tmp_path / "keys" / "key.pem", make=True)


@pytest.fixture
def ada(key, tmp_path) -> Path:
    """Ada's certificate."""
    people = {"ada": Person("ada", "Ada", "Lovelace", "ada@example.org")}
    outcome = issue(term_of({"ada": 9.5}, people), key, tmp_path / "made", now=NOW)
    assert outcome.made == ["ada"]
    return tmp_path / "made" / "ada.svg"


def test_a_certificate_says_who_signed_what_for_whom(ada, key):
    found = read_certificate(ada)
    assert found.given_to == "Ada Lovelace"
    assert (found.course, found.issuer) == ("Deep learning, winter", "A school, a teacher")
    assert found.points == "57 of 100; 50 are needed"
    assert found.criteria == "Reached 50 of the 100 points of the course or more."
    assert (found.key, found.on) == (key.name, "2026-11-28")


def test_it_is_an_open_badge_of_version_3(ada):
    badge = read_certificate(ada).credential.to_vc()
    assert badge["@context"][:2] == [
        "https://www.w3.org/ns/credentials/v2",
        "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
    ]
    assert badge["type"] == ["VerifiableCredential", "OpenBadgeCredential"]
    assert badge["credentialSubject"]["achievement"]["achievementType"] == "CertificateOfCompletion"
    assert badge["credentialSubject"]["result"][0]["value"] == "57"


def test_the_address_is_a_digest_that_only_who_knows_it_finds(ada):
    token = embedded(ada).split(".")[1]
    assert b"ada@example.org" not in base64.urlsafe_b64decode(token + "==")
    found = read_certificate(ada)
    assert found.is_made_out_to(" Ada@Example.org")
    assert not found.is_made_out_to("ben@example.org")


def test_only_those_who_have_passed_get_one(key, tmp_path):
    people = {"dora": Person("dora")}
    term = term_of({"ada": 9.0, "ben": 8.4, "cleo": 8.33}, people)
    outcome = issue(term, key, tmp_path / "made")
    assert (outcome.made, outcome.below, outcome.open) == (["ada", "ben"], ["cleo"], ["dora"])
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["ada.svg", "ben.svg"]


def test_a_certificate_stays_unless_it_is_asked_for_anew(ada, key, tmp_path):
    before = ada.read_bytes()
    term = term_of({"ada": 10.0, "ben": 10.0})
    assert issue(term, key, tmp_path / "made", ["ada"]).kept == ["ada"]
    assert ada.read_bytes() == before
    assert issue(term, key, tmp_path / "made", ["ada"], force=True).made == ["ada"]
    assert read_certificate(ada).points.startswith("60 of")
    assert not (tmp_path / "made" / "ben.svg").exists()


def test_the_picture_is_well_formed_whatever_people_are_called(key, tmp_path):
    odd = {"x": Person("x", "<script>", 'a"&\x07\x1b[31m'), "long": Person("long", "A" * 300, "B")}
    issue(term_of({"x": 10.0, "long": 10.0}, odd), key, tmp_path)
    for name in odd:
        tree = ElementTree.parse(tmp_path / f"{name}.svg")
        assert not tree.findall(".//{http://www.w3.org/2000/svg}script")
    assert read_certificate(tmp_path / "x.svg").given_to == '<script> a"&  [31m'


def embedded(path: Path) -> str:
    """The token in a picture."""
    text = path.read_text(encoding="utf-8")
    return text.partition('verify="')[2].partition('"')[0]


def test_the_token_alone_is_verified_too(ada, tmp_path):
    (tmp_path / "ada.jwt").write_text(embedded(ada) + "\n")
    assert read_certificate(tmp_path / "ada.jwt").given_to == "Ada Lovelace"


def changed(token: str, **claims: object) -> str:
    """The token with other claims, and the signature that it has."""
    head, body, signature = token.split(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "=="))
    new = json.dumps(payload | claims).encode()
    return ".".join([head, base64.urlsafe_b64encode(new).decode().rstrip("="), signature])


def test_what_was_changed_does_not_hold(ada, key, tmp_path):
    other = signing_key(tmp_path / "keys" / "other.pem", make=True)
    token, path = embedded(ada), tmp_path / "changed.jwt"
    for claims in ({"name": "Another course"}, {"iss": other.name}, {"iss": "did:key:zzz"}):
        path.write_text(changed(token, **claims))
        with pytest.raises(NotValidError, match="It does not hold"):
            read_certificate(path)
    path.write_text(token[:-8] + "AAAAAAAA")
    with pytest.raises(NotValidError):
        read_certificate(path)


def test_a_changed_picture_does_not_change_what_is_verified(ada):
    ada.write_text(ada.read_text().replace("Ada Lovelace", "Eve"))
    assert read_certificate(ada).given_to == "Ada Lovelace"


def test_a_key_that_is_on_the_web_is_not_asked_for(ada, tmp_path):
    path = tmp_path / "web.jwt"
    path.write_text(changed(embedded(ada), iss="did:web:example.org"))
    with pytest.raises(NotValidError, match="without a network"):
        read_certificate(path)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"<svg/>", b"<svg", b"\x89PNG\r\n\x1a\n", b"\xff\xfe\x00", b"a.b.c"]
)
def test_what_is_no_certificate_is_said(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises((LessonError, NotValidError)) as caught:
        read_certificate(path)
    assert str(caught.value).endswith(".")


def test_a_file_that_is_not_there_or_too_large(tmp_path):
    with pytest.raises(LessonError, match="cannot be read"):
        read_certificate(tmp_path / "none.svg")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(10_000_000)
    with pytest.raises(LessonError, match=r"more than 5,000,000 bytes"):
        read_certificate(tmp_path / "large")


def test_the_key_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "key.pem"
    first = signing_key(path, make=True)
    assert first.is_new
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = signing_key(path, make=True)
    assert (again.name, again.is_new) == (first.name, False)
    assert first.private.decode() not in repr(first)


def test_a_key_that_is_missing_open_or_none_is_refused(tmp_path):
    with pytest.raises(CourseError, match="There is no key"):
        signing_key(tmp_path / "none.pem", make=False)
    path = tmp_path / "key.pem"
    path.write_text("hello")
    path.chmod(0o600)
    with pytest.raises(CourseError, match="is not a key that signs certificates"):
        signing_key(path, make=True)
    path.chmod(0o644)
    with pytest.raises(CourseError, match="can be read by others"):
        signing_key(path, make=True)


def test_rules_without_a_signer_or_a_mark_are_refused():
    for rules in (Rules(pass_percent=50.0), Rules(certificate=RULES.certificate)):
        with pytest.raises(CourseError, match=r"The term's rules have no `\w+`: write into"):
            check_rules(term_of({"ada": 1.0}, rules=rules))
    with pytest.raises(CourseError, match=r"There is no student 'bob'\. Students are: ada"):
        check_rules(term_of({"ada": 1.0}), ["bob"])


@pytest.mark.slow
def test_the_commands(tmp_path, command, capsys, monkeypatch):
    from course.cli import app

    root = term_class.make_course(tmp_path / "course", ["01_first"])
    names = {"ada": ("Ada", "Lovelace"), "ben": ("Ben", "Okafor")}
    term_class.fill(root, names, {"01_first": {"ada": Work(), "ben": Work(1, 1)}})
    status, message = command(root, "certificate")
    assert (status, "no `certificate`: write into term.yaml" in message) == (2, True)
    rules = root / "class" / "term.yaml"
    rules.write_text("title: A term\npass_percent: 50\ncertificate: {issuer: A school}\n")
    assert command(root, "certificate")[0] == 0
    made = root / "class" / "certificates"
    assert [path.name for path in made.iterdir()] == ["ada.svg"]
    key = read_certificate(made / "ada.svg").key

    def verify(*options: str) -> tuple[int, str]:
        status = app(["certificate", str(made / "ada.svg"), *options], standalone_mode=False)
        captured = capsys.readouterr()
        return status or 0, captured.out + captured.err

    status, shown = verify()
    assert status == 0
    assert "Given to:  Ada Lovelace" in shown
    assert "Anybody can sign in the name of A school" in shown
    assert verify("--issuer", key, "--email", "ada@example.org")[0] == 0
    assert verify("--issuer", "did:key:z6Mk")[0] == 1
    assert verify("--email", "ben@example.org") == (1, "✗ It is not made out to ben@example.org.\n")
    assert json.loads(verify("--json")[1])["issuer"]["name"] == "A school"
