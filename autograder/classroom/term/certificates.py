"""Certificates for those who have passed: Open Badges 3.0, signed with the instructor's key."""

from __future__ import annotations

import os
import secrets
import stat
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from openbadgeslib.errors import LibOpenBadgesException
from openbadgeslib.keys import KeyEd25519
from openbadgeslib.ob3 import (
    Achievement,
    IdentityObject,
    Issuer,
    OB3Signer,
    OpenBadgeCredential,
    Result,
    ResultDescription,
    did_key_from_pem,
)

from autograder.classroom.pages import render
from autograder.classroom.person import Person
from autograder.classroom.term.rules import Certificate, Rules
from autograder.classroom.term.standing import State, Term, has_passed
from autograder.classroom.whole_file import write_whole
from autograder.errors import CourseError
from course.certificate import printable

KEY_FILE = "certificate-key.pem"
FOLDER = "certificates"


@dataclass(frozen=True)
class SigningKey:
    """The key that an instructor signs with.

    Attributes:
        path: its file, for the instructor's eyes alone.
        private: the private key, as PEM.
        name: what the public key is called, a did:key; everybody may know it.
        is_new: whether it was made just now.
    """

    path: Path
    private: bytes = field(repr=False)
    name: str
    is_new: bool = False


def signing_key(path: Path, make: bool) -> SigningKey:
    """The key in a file, made if there is none.

    Args:
        path: the file.
        make: whether a key is made where there is no file.

    Raises:
        CourseError: the file is no Ed25519 key, cannot be read or written, or can be read by
            others; or there is none, and none shall be made.
    """
    key = KeyEd25519()
    try:
        if path.exists() or not make:
            data = path.read_bytes()
            if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise CourseError(
                    f"{path} can be read by others, who could sign certificates in your name: run "
                    f"`chmod 600 {path}`. If somebody may have taken it, sign with a new key: move "
                    "this one away."
                )
            key.read_private_key(data)
            key.pub_key = key.priv_key.public_key()
            return SigningKey(path, data, did_key_from_pem(key.get_pub_key_pem()))
        private, public_pem = key.generate_keypair()
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
    except FileNotFoundError:
        raise CourseError(
            f"There is no key {path}: name the file of your key, or leave out --key; then one is "
            "made in the class's folder."
        ) from None
    except OSError as error:
        raise CourseError(f"The key {path} cannot be used: {error.strerror}.") from None
    except LibOpenBadgesException:
        raise CourseError(
            f"{path} is not a key that signs certificates, which is a private Ed25519 key in PEM: "
            "take it from your copy. A new one is made where there is none."
        ) from None
    return SigningKey(path, private, did_key_from_pem(public_pem), is_new=True)


@dataclass
class Issued:
    """What became of the students of a term.

    Attributes:
        made: who has got a certificate now, by the names of their folders.
        kept: who had one already.
        open: who has not reached the points, and of whom some are not given yet.
        below: who else has not reached the points.
    """

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    below: list[str] = field(default_factory=list)


def check_rules(term: Term, students: Sequence[str] = ()) -> None:
    """See that certificates can be signed.

    Args:
        term: the term.
        students: for whom; they must be in the class.

    Raises:
        CourseError: the rules do not say who signs or how much is needed, or there is no such
            student.
    """
    if term.rules.certificate is None or term.rules.pass_percent is None:
        missing = "`certificate`" if term.rules.certificate is None else "`pass_percent`"
        raise CourseError(
            f"The term's rules have no {missing}: write into term.yaml who signs and how many "
            "percent of the points are needed, such as\n\npass_percent: 50\ncertificate:\n"
            "  issuer: Example University, Prof. Example"
        )
    for student in students:
        if student not in term.people:
            raise CourseError(
                f"There is no student {student!r}. Students are: {', '.join(term.people)}."
            )


def issue(
    term: Term,
    key: SigningKey,
    folder: Path,
    students: Sequence[str] = (),
    force: bool = False,
    now: datetime | None = None,
) -> Issued:
    """Sign certificates for the students of a term who have reached the points.

    Args:
        term: the term, for which ``check_rules`` has found nothing.
        key: what they are signed with.
        folder: where they are written, as STUDENT.svg; one that is there stays as it is.
        students: whose; of everybody by default.
        force: sign those anew that are there already. False by default.
        now: the time of signing; the present by default.
    """
    outcome = Issued()
    for student in students or term.people:
        path = folder / f"{student}.svg"
        if not has_passed(term, student):
            waits = any(
                lesson.entries[student].state in {State.WAITING, State.NOT_GRADED}
                for lesson in term.graded
            )
            (outcome.open if waits else outcome.below).append(student)
        elif path.exists() and not force:
            outcome.kept.append(student)
        else:
            write_whole(path, _signed(term, key, student, now or datetime.now(UTC)))
            outcome.made.append(student)
    return outcome


def _signed(term: Term, key: SigningKey, student: str, now: datetime) -> bytes:
    """A student's certificate: a picture with the signed credential in it."""
    rules = term.rules
    assert rules.certificate is not None
    name = spoken_name(term.people[student])
    points, most = f"{round(term.points(student), 2):g}", f"{round(term.worth, 2):g}"
    picture = render(
        "certificate.svg.j2",
        name=name,
        size=round(min(15.0, 400 / max(1, len(name))), 1),
        title=printable(rules.title),
        points=points,
        most=most,
        issuer=printable(rules.certificate.issuer),
        on=f"{now:%Y-%m-%d}",
        key=key.name,
    )
    credential = _credential(term, rules, rules.certificate, key, student, points, most, now)
    return OB3Signer(key.private, algorithm="EdDSA").sign_into_svg(credential, picture.encode())


def _credential(
    term: Term,
    rules: Rules,
    certificate: Certificate,
    key: SigningKey,
    student: str,
    points: str,
    most: str,
    now: datetime,
) -> OpenBadgeCredential:
    needed = f"{round((rules.pass_percent or 0) * term.worth / 100, 2):g}"
    # The same course of the same issuer is the same achievement in every certificate.
    achievement = uuid.uuid5(uuid.NAMESPACE_URL, f"{key.name} {rules.title}").urn
    described = ResultDescription(
        id=f"{achievement}#points",
        name="Points",
        result_type="RawScore",
        required_value=needed,
        value_min="0",
        value_max=most,
    )
    titles = ", ".join(lesson.title for lesson in term.lessons)
    return OpenBadgeCredential(
        issuer=Issuer(key.name, certificate.issuer, url=certificate.url),
        recipient_id=None,
        identifiers=_identifiers(term.people[student]),
        achievement=Achievement(
            id=achievement,
            name=rules.title,
            description=f"A course of {len(term.lessons)} lessons: {titles}.",
            criteria_narrative=certificate.criteria
            or f"Reached {needed} of the {most} points of the course or more.",
            achievement_type="CertificateOfCompletion",
            result_descriptions=[described],
        ),
        results=[Result(value=points, result_description=described.id)],
        issuance_date=now.replace(microsecond=0),
    )


def spoken_name(person: Person) -> str:
    """A student's name as a certificate has it, the first name first; the folder's name where no
    other is known."""
    name = " ".join(filter(None, (person.first_name, person.last_name)))
    return printable(name) or person.student


def _identifiers(person: Person) -> list[IdentityObject]:
    """Who it is: the name, and a digest of the address, by which only who knows it finds it."""
    found = [IdentityObject(spoken_name(person), "name", hashed=False)]
    if person.email:
        found.append(IdentityObject.create(person.email, salt=secrets.token_hex(16)))
    return found
