"""The terms of lessons: how a header writes them, and where prose and code use them.

In a header a term stands with what it means:

    "convolution, convolutional, Conv2D": A layer that moves small filters over a picture.
    "code (of an autoencoder)": The few numbers to which an encoder reduces its input.

The first name is the one in the glossary; the others are further words for it, and names of Keras.
A bracket after the first name says that this word has other meanings too, so that uses of it in
other lessons are not looked for.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from autograder.notebooks.markdown import Passage

# Modules of Keras whose names a lesson has to introduce before it uses them.
_MODULES = {"layers", "losses", "optimizers", "schedules", "callbacks", "metrics"}
# Base classes, and the callback that calls any function: what they do, the code beside them says.
_PLAIN = {"Layer", "Loss", "Metric", "Optimizer", "Callback", "LambdaCallback"}
_KEY = re.compile(r"([^,(]+?)\s*(?:\(([^)]*)\))?\s*(?:,(.*))?", re.DOTALL)
# A bold or italic phrase introduces a term if it has few words beside the term's.
_MORE_WORDS = 3
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Term:
    """A term with its first name, its further names, and what it means.

    Attributes:
        names: all of them, the first one first.
        about: what the bracket says, in which meaning the word is a term; empty without one.
        meaning: a sentence.
    """

    names: tuple[str, ...]
    about: str
    meaning: str

    @property
    def name(self) -> str:
        """The first name, with the bracket."""
        return f"{self.names[0]} ({self.about})" if self.about else self.names[0]

    @property
    def unmistakable(self) -> tuple[str, ...]:
        """The names that mean this term wherever they are used."""
        return self.names[1:] if self.about else self.names


def read_terms(written: dict[str, str]) -> list[Term]:
    """The terms of a header, in its order."""
    found = []
    for key, meaning in written.items():
        match = _KEY.fullmatch(key.strip())
        first, about, rest = match.groups() if match else (key, None, None)
        names = [first, *(rest or "").split(",")]
        listed = tuple(" ".join(name.split()) for name in names if name.strip())
        found.append(Term(listed, about or "", " ".join(meaning.split())))
    return found


def is_code(name: str) -> bool:
    """Whether a name can be one of Python's that is told from a word: ``Conv2D``, ``mask_zero``."""
    return name.isidentifier() and (name != name.lower() or "_" in name)


class Finder:
    """Finds names in prose and code.

    Where two names would do, the longer one is found: "policy gradient" is no use of "policy".
    Plurals count; so does a hyphen for a space. Names with a capital are found as they are
    written, others in small letters and capitals alike. A name of Python that could be a word at
    the beginning of a sentence, such as ``Attention``, is found in code and in backticks alone.

    Args:
        names: the names to look for.
    """

    def __init__(self, names: Iterable[str]) -> None:
        every = set(names)
        told = [name for name in every if not _starts_like_a_word(name)]
        self._names = sorted(told, key=_longest_first)
        patterns = []
        for name in self._names:
            words = r"[-\s]+".join(re.escape(word) for word in re.split(r"[-\s]+", name))
            patterns.append(f"({words})" if name != name.lower() else f"((?i:{words}))")
        self._words = re.compile(rf"(?<![\w.])(?:{'|'.join(patterns)})(?:e?s)?(?!\w)")
        self._begin = {_beginning(name) for name in self._names}
        self._code = {name for name in every if is_code(name)}
        self._keras = {_plain(name): name for name in sorted(self._code)}

    def in_text(self, text: str) -> Iterator[str]:
        """The names in a text, in order."""
        if not self._names:
            return
        # Most words begin no name; to try all names at each of them takes seconds.
        end = 0
        for word in _WORD.finditer(text):
            if word.start() < end or _beginning(word[0]) not in self._begin:
                continue
            if match := self._words.match(text, word.start()):
                end = match.end()
                yield self._names[(match.lastindex or 1) - 1]

    def in_passage(self, passage: Passage) -> Iterator[str]:
        """The names in a passage: words of its text, and names of Python in backticks."""
        yield from self.in_text(passage.text)
        for piece in passage.code:
            for word in re.findall(r"\w+", piece):
                if word in self._code:
                    yield word

    def marked(self, passage: Passage) -> Iterator[str]:
        """The names that a passage sets in bold or italics, or in backticks if they are Python's.

        Sentences in italics, such as questions to the reader, introduce nothing.
        """
        for phrase in passage.marked:
            for name in self.in_text(phrase):
                more = len(phrase.split()) - len(name.split())
                if more <= _MORE_WORDS and not phrase.endswith("?"):
                    yield name
        for piece in passage.code:
            for word in re.findall(r"\w+", piece):
                if word in self._code:
                    yield word

    def in_code(self, source: str) -> Iterator[tuple[str, int]]:
        """The names in a cell of code, and those of Keras that it does not look for; with lines.

        A loss counts whether it is written as a class or as a function.
        """
        try:
            tree = ast.parse(source)
        except SyntaxError:  # one of IPython's commands
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                if node.attr in self._code:
                    yield node.attr, node.lineno
                elif _of_keras(node):
                    yield self._keras.get(_plain(node.attr), node.attr), node.lineno
            elif isinstance(node, ast.Name) and node.id in self._code:
                yield node.id, node.lineno
            elif isinstance(node, ast.keyword) and node.arg in self._code:
                yield str(node.arg), node.value.lineno


def _of_keras(node: ast.Attribute) -> bool:
    """Whether this is ``layers.Dense``, ``keras.losses.mean_squared_error`` or the like."""
    owner = node.value
    if node.attr in _PLAIN | _MODULES:
        return False
    if isinstance(owner, ast.Attribute) and owner.attr in _MODULES:
        return "keras" in ast.unparse(owner)
    return isinstance(owner, ast.Name) and owner.id in _MODULES and node.attr[:1].isupper()


def _beginning(name: str) -> str:
    """The first two letters of a name's first word, plural or not, in small letters."""
    return name[: 2 if name[1:2].isalnum() else 1].lower()


def _starts_like_a_word(name: str) -> bool:
    return is_code(name) and name[:1].isupper() and name[1:].islower()


def _longest_first(name: str) -> tuple[int, str]:
    return -len(name), name


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
