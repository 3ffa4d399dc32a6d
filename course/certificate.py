"""Certificates of the course: Open Badges 3.0, signed by an instructor, verified without a network.

A certificate is a credential as a JSON Web Token, which ``openbadgeslib`` signs and verifies. It is
embedded in a picture; the picture can be changed by anybody, the token cannot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from openbadgeslib.errors import LibOpenBadgesException
from openbadgeslib.ob3 import IdentityObject, OB3Verifier, OpenBadgeCredential
from openbadgeslib.verify import issuer_did_from_token

from course.lessons import LessonError

# Longer is no certificate of a course.
MOST_BYTES = 5_000_000
_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")


class NotValidError(Exception):
    """A certificate that does not hold. The message says why, in a sentence."""


@dataclass(frozen=True)
class Certificate:
    """What a certificate says that holds.

    Attributes:
        course: the course's title.
        given_to: the student's name.
        criteria: for what it is given.
        points: what was reached, in words; "" where it does not say.
        issuer: who signs, as the certificate itself says.
        key: the public key that it is signed with, a did:key.
        on: the day it was signed, as 2026-11-28.
        credential: all of it.
    """

    course: str
    given_to: str
    criteria: str
    points: str
    issuer: str
    key: str
    on: str
    credential: OpenBadgeCredential

    def is_made_out_to(self, address: str) -> bool:
        """Whether it names this e-mail address, which it holds as a digest only."""
        return any(
            IdentityObject.create(each, known.salt).identity_hash == known.identity_hash
            for known in self.credential.identifiers
            if known.hashed and known.identity_type == "emailAddress"
            for each in (address.strip(), address.strip().lower())
        )


def read_certificate(path: Path) -> Certificate:
    """Verify a certificate and read it.

    Args:
        path: a picture, SVG or PNG, with a credential in it, or a file with the token alone.

    Raises:
        LessonError: the file cannot be read or holds no credential.
        NotValidError: its signature is not that of the key that it names, or it does not hold now.
    """
    token = _token(path)
    try:
        key = issuer_did_from_token(token)
        if not key.startswith("did:key:"):
            raise NotValidError(
                f"It is signed by {printable(key)}, whose key is on the web: this command verifies "
                "certificates that carry their key, without a network."
            )
        credential = OB3Verifier.for_issuer_did(key).verify(token)
    except LibOpenBadgesException as error:
        raise NotValidError(f"It does not hold: {printable(str(error))}.") from None
    names = [each.identity_hash for each in credential.identifiers if not each.hashed]
    assert credential.issuance_date is not None  # The library sets one.
    return Certificate(
        course=printable(credential.achievement.name),
        given_to=printable(", ".join(names) or credential.recipient_id or ""),
        criteria=printable(credential.achievement.criteria_narrative),
        points=_points(credential),
        issuer=printable(credential.issuer.name),
        key=key,
        on=f"{credential.issuance_date:%Y-%m-%d}",
        credential=credential,
    )


def _token(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise LessonError(f"{path} is no certificate: it has more than {MOST_BYTES:,} bytes.")
        data = path.read_bytes()
    except OSError as error:
        raise LessonError(f"{path} cannot be read: {error.strerror}.") from None
    text = data.decode("utf-8", errors="replace").strip()
    if _TOKEN.fullmatch(text):
        return text
    try:
        if data.startswith(b"\x89PNG"):
            return OB3Verifier.extract_token_from_png(data)
        if text.startswith("<"):
            return OB3Verifier.extract_token_from_svg(data)
    except LibOpenBadgesException:
        pass
    raise LessonError(
        f"{path} holds no certificate: give the picture, SVG or PNG, as you have got it, or the "
        "file with the token."
    )


def _points(credential: OpenBadgeCredential) -> str:
    described = {each.id: each for each in credential.achievement.result_descriptions}
    for result in credential.results:
        about = described.get(result.result_description or "")
        if about is not None and result.value:
            needed = f"; {about.required_value} are needed" if about.required_value else ""
            return printable(f"{result.value} of {about.value_max or '?'}{needed}")
    return ""


def printable(text: str) -> str:
    """A text as one line, without what a terminal takes for commands."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text)).strip()
