"""Output to terminals that cannot show every character."""

from __future__ import annotations

import codecs
import io
import sys

# What to write where a terminal's encoding, such as cp1252 or ASCII, lacks the character.
_PLAIN = {
    "✓": "+",
    "✗": "x",
    "·": "-",
    "×": "x",
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "→": "->",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
}
_HANDLER = "course.plain"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in missing), error.end


def write_plainly() -> None:
    """Let standard output and errors replace characters that their encoding lacks.

    Without it a sign such as ✓ ends a command in a traceback where the terminal is not UTF-8.
    """
    codecs.register_error(_HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)
