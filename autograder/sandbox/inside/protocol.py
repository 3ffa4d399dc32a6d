"""What the processes that grade say to each other.

::

    grader ──── Spawn, End ───────────────▶ zygotes, which fork the other two
    grader ──── LessonCell, … Watch ───────▶ tests' process
    grader ──── SharedCell ───────────────▶ the one process, where answers and tests run together
    tests' process ── Run, Kinds, Get, Call ▶ answers' process
    answers' process ── CallBack ─────────▶ tests' process, which is waiting for a reply

Every message is a frozen dataclass. It travels as a dict of its fields and a verb, the name of its
class: ``write`` makes the dict, and ``read`` makes the message again. The dict becomes JSON, and
between tests and answers, which exchange values too, what ``wire`` makes of it. How messages name
functions and objects: see ``names``.

The answers' process runs students' code, so it may send anything. What it sends is not for ``read``
but for ``from_answers``, which checks every part of it.
"""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# How many times as long as an answer's a lesson's own cell may take. It is known to end, but on a
# busy machine that may take its time.
LESSON_PATIENCE = 4

# An output of a cell as nbformat has it: "stream" or "display_data".
Output = dict[str, Any]

# Why the answers' process no longer answers.
Stopped = Literal["timeout", "died"]


@dataclass(frozen=True)
class ErrorReport:
    """An exception as data.

    Attributes:
        ename: the name of its class.
        evalue: its text.
        bases: the names of the classes that its own comes from.
        args: its arguments; None where some are not plain values.
        line: the line of the answer that raised it, if one did.
        traceback: lines as Jupyter would show them.
        asserted: for a test's assertion without a message, as it is written, and the values of the
            names in it.
    """

    ename: str
    evalue: str
    bases: list[str] = field(default_factory=list)
    args: list[Any] | None = None
    line: int | None = None
    traceback: list[str] = field(default_factory=list)
    asserted: str = ""


# What a forked process is for: one side of a pair, or both together.
Role = Literal["answers", "tests", "together"]


# ------------------------------------------------------------------- from the grader to the zygotes


@dataclass(frozen=True)
class Limits:
    """What one submission's answers may take, in megabytes and seconds, and as threads."""

    memory_mb: int = 4_000
    cpu_seconds: int = 300
    file_mb: int = 64
    scratch_mb: int = 128
    threads: int = 500


@dataclass(frozen=True)
class Spawn:
    """Fork a child.

    The message comes with open files: the sockets that the child serves on, then an archive of
    what it finds in its working directory.

    Attributes:
        number: what the child is called from now on.
        role: what it does.
        timeout: seconds that a child for tests waits for the answers.
        limits: what it may take, if it is isolated.
        scratch: where it may write; None for one that is not isolated.
    """

    number: int
    role: Role
    timeout: float
    limits: Limits
    scratch: str | None


@dataclass(frozen=True)
class End:
    """Kill a child and everything that it has started."""

    number: int


@dataclass(frozen=True)
class Ready:
    """The zygote's imports are done."""


@dataclass(frozen=True)
class Ended:
    """The child has ended."""

    number: int


# -------------------------------------------------------------------- from the grader to the tests


@dataclass(frozen=True)
class ObjectUse:
    """What an assignment's tests did with objects of the answers, and answers with what they got.

    Found out with the instructor's own answers, it is what the tests may do with a student's.

    Attributes:
        given_by: what gave an object when it was called or asked for, by name, see
            ``names.without_number``.
        comparisons: by class, how its objects are compared, see ``classes.comparison``.
        compared: the classes whose objects the tests compared.
        changed_by: what changed arguments that tests called it with.
        masked_by: what gave masked arrays, of which the masked part agrees with everything.
        refused: whether an object or a mask was refused because ``given_by`` or ``masked_by`` did
            not have its origin.
    """

    given_by: frozenset[str] = frozenset()
    comparisons: Mapping[str, list[str]] = field(default_factory=dict)
    compared: frozenset[str] = frozenset()
    changed_by: frozenset[str] = frozenset()
    masked_by: frozenset[str] = frozenset()
    refused: bool = False

    def __post_init__(self) -> None:
        # JSON has lists for sets.
        for name in ("given_by", "compared", "changed_by", "masked_by"):
            object.__setattr__(self, name, frozenset(getattr(self, name)))


@dataclass(frozen=True)
class LessonCell:
    """Run a cell of the lesson's own, on both sides."""

    source: str


@dataclass(frozen=True)
class TestCell:
    """Run a test cell."""

    __test__ = False

    source: str


@dataclass(frozen=True)
class AnswerCell:
    """Run an answer in its process, and put stand-ins for what it defines among the tests' names.

    Attributes:
        source: the student's cell.
        grade_id: its name.
        defines: the names that the instructor's own answer defines; no others are taken.
        changes: the lesson's own names whose values the instructor's answer changes in place.
        imports: the import statements of the instructor's own answer.
        objects: what the tests may do with objects of the answers; None if that is to be found out.
        keeps_arguments: whether tests do not see what an answer changes in their arguments, unless
            the instructor's own changes some of that call too.
    """

    source: str
    grade_id: str
    defines: list[str]
    changes: list[str]
    imports: str
    objects: ObjectUse | None
    keeps_arguments: bool = False


@dataclass(frozen=True)
class Watch:
    """Run an exercise's test cells once more, past assertions that fail, and note what the answer
    does; the reply is ``Watched``.

    Attributes:
        names: what the instructor's own answer defines.
        sources: the test cells.
        seconds: how long the answer may take for all calls together.
    """

    names: list[str]
    sources: list[str]
    seconds: float


@dataclass(frozen=True)
class Watched:
    """What an answer did, see ``watching``; empty where it no longer answers."""

    behaviour: list[Any]


@dataclass(frozen=True)
class CellDone:
    """What running a cell came to.

    Attributes:
        outputs: what it displayed.
        error: the exception that ended it, if one did.
        value: the ``repr`` of its last expression, if it ended in one that is not None.
        stopped: why the answers' process no longer answers; None while it does.
        objects: what has been done with objects of the answers up to now.
    """

    outputs: list[Output]
    error: ErrorReport | None
    value: str | None
    stopped: Stopped | None
    objects: ObjectUse


# ------------------------------------------- between the grader and a process of answers and tests

# Whose a cell is: the instructor's, an answer, or what a student has added; a check is a cell that
# the grader has made, and expects to fail or to pass.
CellKind = Literal["lesson", "test", "answer", "own", "check"]


@dataclass(frozen=True)
class SharedCell:
    """Run a cell where answers and tests share a process.

    Attributes:
        token: what the reply has to repeat.
        source: the cell.
        kind: whose it is.
        seconds: after which it is interrupted.
        names: names of the notebook whose origin is asked for, see ``integrity.origins``.
    """

    token: str
    source: str
    kind: CellKind
    seconds: float
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SharedDone:
    """What running a cell came to there. Students' code runs in the process that says so.

    Attributes:
        token: the cell's.
        outputs: what it displayed.
        error: the exception that ended it, if one did.
        value: the text of its last expression, if it ended in one that is not None.
        interrupted: whether it was interrupted.
        changed: before or after it, what was no longer as it was before any answer ran, see
            ``integrity``; only for a test.
        origins: of the names that were asked for.
    """

    token: str
    outputs: list[Output]
    error: ErrorReport | None
    value: str | None
    interrupted: bool
    changed: list[str]
    origins: dict[str, str]


# ------------------------------------------------------------------- from the tests to the answers


@dataclass(frozen=True)
class Run:
    """Run a cell; the reply is ``Ran``.

    Attributes:
        source: the cell.
        grade_id: of an answer; None for a cell of the lesson's own.
    """

    source: str
    grade_id: str | None = None


@dataclass(frozen=True)
class Kinds:
    """Say of what kind the values of these names are; the reply is ``Described``."""

    names: list[str]


@dataclass(frozen=True)
class Get:
    """Give the value of a name; the reply is ``Got``."""

    name: str


@dataclass(frozen=True)
class Call:
    """Call a function; the reply is ``Returned``, or ``Iterating`` for ``builtins:iter``.

    Attributes:
        name: the function's.
        args: positional arguments.
        kwargs: those by name.
        seeds: libraries whose random numbers are to begin anew first, and with which seed.
    """

    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    seeds: list[tuple[str, int]]


@dataclass(frozen=True)
class CalledBack:
    """What a function that the answers called back has returned."""

    value: Any


# ------------------------------------------------------------------- from the answers to the tests


@dataclass(frozen=True)
class FunctionDescription:
    """What is said of a function, each as far as it is known.

    Attributes:
        name: its own name.
        doc: its docstring.
        parameters: of each the name, the number of its kind (``inspect.Parameter.kind``), and a
            list of the default value, or an empty one.
    """

    name: str | None = None
    doc: str | None = None
    parameters: list[tuple[str, int, list[Any]]] | None = None

    def signature(self) -> inspect.Signature | None:
        """How it is called; None if that is not known or makes no sense."""
        if self.parameters is None:
            return None
        try:
            return inspect.Signature(
                [
                    inspect.Parameter(
                        name,
                        PARAMETER_KINDS[kind],
                        default=default[0] if default else inspect.Parameter.empty,
                    )
                    for name, kind, default in self.parameters
                ]
            )
        except (ValueError, KeyError):
            return None


PARAMETER_KINDS = {
    int(kind): kind
    for kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
    )
}


@dataclass(frozen=True)
class Description(FunctionDescription):
    """What is said of the value of a name.

    Attributes:
        kind: "missing", "value", "module", "function", "class" or "exception".
        ancestors: the names of a class of the notebook's own and of those that it comes from; empty
            for anything else.
        library_class: ``module:name`` of the first of those that is a library's.
        comparison: how its objects are compared, see ``classes.comparison``.
    """

    kind: str = "missing"
    ancestors: list[str] = field(default_factory=list)
    library_class: str = ""
    comparison: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ran:
    """What a cell displayed, and the exception that ended it, if one did."""

    outputs: list[Output]
    error: ErrorReport | None


@dataclass(frozen=True)
class Described:
    """What is said of the values of names."""

    descriptions: dict[str, Description]


@dataclass(frozen=True)
class Got:
    """The value of a name, or what is said of a method: that is another object each time."""

    value: Any
    method: FunctionDescription | None = None


@dataclass(frozen=True)
class Returned:
    """What a call came to.

    Attributes:
        value: what it returned.
        same: the number of the argument that it returned, among those that a call can change; None
            if it was none of them.
        changed: the numbers of the arguments that it changed, and what they are now.
        printed: what it wrote to the standard output.
    """

    value: Any
    same: int | None
    changed: list[tuple[int, Any]]
    printed: str


@dataclass(frozen=True)
class Iterating:
    """The number of an iterator, whose values are asked for one by one: some never end."""

    number: int


@dataclass(frozen=True)
class Raised:
    """The exception that ended what was asked for. The tests reply to ``CallBack`` with it too."""

    error: ErrorReport


@dataclass(frozen=True)
class CallBack:
    """Call a function that a test has lent; the reply is ``CalledBack`` or ``Raised``."""

    number: int
    args: list[Any]
    kwargs: dict[str, Any]


Control = Spawn | End | Ready | Ended
Cell = LessonCell | TestCell | AnswerCell | Watch
Shared = SharedCell | SharedDone
Request = Run | Kinds | Get | Call
Reply = Ran | Described | Got | Returned | Iterating | Raised
Message = Control | Cell | CellDone | Watched | Shared | Request | CalledBack | Reply | CallBack

# ---------------------------------------------------------------------- messages as dicts and back

# Fields that are dataclasses themselves. Any other field is left alone whatever it holds: what an
# answer returns may be a dataclass too.
PARTS: dict[str, type] = {
    "limits": Limits,
    "objects": ObjectUse,
    "error": ErrorReport,
    "method": FunctionDescription,
}
VERBS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        Spawn, End, Ready, Ended, LessonCell, TestCell, AnswerCell, CellDone, Watch, Watched,
        SharedCell, Run, Kinds, Get, Call, CalledBack, Raised,
    )
}  # fmt: skip


def write(message: Message) -> dict[str, Any]:
    """A message as a dict."""
    fields = dict(vars(message))
    for name, kind in PARTS.items():
        if type(fields.get(name)) is kind:
            fields[name] = dict(vars(fields[name]))
    if isinstance(message, Described):
        fields["descriptions"] = {
            name: dict(vars(each)) for name, each in message.descriptions.items()
        }
    return {"verb": type(message).__name__, **fields}


def read(body: dict[str, Any]) -> Any:
    """The message that ``write`` made a dict of, if the process that sent it can be trusted."""
    fields = dict(body)
    message = VERBS[fields.pop("verb")]
    for name, kind in PARTS.items():
        part = fields.get(name)
        if type(part) is dict:
            fields[name] = kind(**part)
    return message(**fields)


def to_json(message: Message) -> bytes:
    """A message without values of tests and answers as JSON."""
    return json.dumps(write(message), default=_as_json).encode()


def _as_json(part: Any) -> Any:
    match part:
        case frozenset():
            return sorted(part)
        case bytes():
            # A picture that a cell displays, as nbformat has it.
            return base64.b64encode(part).decode()
    # A picture's metadata may hold numbers of NumPy's, or anything else.
    return str(part)


def from_json(data: bytes) -> Any:
    """The message that ``to_json`` made JSON of."""
    return read(json.loads(data))
