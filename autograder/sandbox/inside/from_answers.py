"""Read what the answers' process sends, which may be anything: students' code runs there.

Nothing else reads it. The exact type of every part is checked, since an object of the answers can
claim to be of any class, and comparing it with something would ask the answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autograder.sandbox.inside.channel import MAX_TEXT
from autograder.sandbox.inside.classes import COMPARISONS, MAX_ANCESTORS
from autograder.sandbox.inside.errors import PLAIN, CannotTravelError
from autograder.sandbox.inside.protocol import (
    CallBack,
    Described,
    Description,
    ErrorReport,
    FunctionDescription,
    Got,
    Iterating,
    Output,
    Raised,
    Ran,
    Reply,
    Returned,
    SharedDone,
)

MAX_OUTPUTS = 1_000
# Of the name of an exception, and of its traceback.
MAX_NAME, MAX_FRAMES = 200, 50


@dataclass(frozen=True)
class BorrowedFunction:
    """A function that stays with the answers: its number, and what is said of it."""

    number: int
    described: FunctionDescription


@dataclass(frozen=True)
class BorrowedObject:
    """An object that stays with the answers.

    Attributes:
        number: the one that it was lent under.
        ancestors: the names of its class and of those that this comes from.
        library_class: ``module:name`` of the first of those that is a library's.
    """

    number: int
    ancestors: list[str]
    library_class: str


def is_call_back(body: Any) -> bool:
    """Whether the answers want something called, whatever else may be wrong with the message."""
    return type(body) is dict and _text(body.get("verb")) == CallBack.__name__


def read_call_back(body: Any) -> CallBack:
    """What the answers want called.

    Raises:
        CannotTravelError: it is malformed.
    """
    fields = _fields(body)
    number, args, kwargs = (fields.get(name) for name in ("number", "args", "kwargs"))
    if type(number) is int and type(args) is list and type(kwargs) is dict:
        if all(type(name) is str for name in kwargs):
            return CallBack(number, args, kwargs)
    raise CannotTravelError("What the answer wants called could not be read.")


def read_reply(body: Any) -> Reply:
    """A reply.

    Raises:
        CannotTravelError: it is malformed.
    """
    fields = _fields(body)
    match _text(fields.get("verb")):
        case "Ran":
            error = fields.get("error")
            outputs = _read_outputs(fields.get("outputs"))
            return Ran(outputs, None if error is None else _read_error(error))
        case "Described":
            described = _fields(fields.get("descriptions"))
            return Described(
                {_text(name): _read_description(described[name]) for name in described}
            )
        case "Got":
            method = fields.get("method")
            return Got(fields.get("value"), None if method is None else _read_function(method))
        case "Returned":
            same = fields.get("same")
            return Returned(
                fields.get("value"),
                None if same is None else _number(same),
                _read_changed(fields.get("changed")),
                _text(fields.get("printed"))[:MAX_TEXT],
            )
        case "Iterating":
            return Iterating(_number(fields.get("number")))
        case "Raised":
            return Raised(_read_error(fields.get("error")))
    raise unreadable()


def read_shared(body: Any) -> SharedDone:
    """What a cell came to in a process that answers share with tests.

    Raises:
        CannotTravelError: it is malformed.
    """
    fields = _fields(body)
    error, value = fields.get("error"), fields.get("value")
    changed, origins = fields.get("changed"), fields.get("origins")
    if type(changed) is not list or type(origins) is not dict:
        raise unreadable()
    return SharedDone(
        token=_text(fields.get("token")),
        outputs=_read_outputs(fields.get("outputs")),
        error=None if error is None else _read_error(error),
        value=None if value is None else _text(value)[:MAX_TEXT],
        interrupted=fields.get("interrupted") is True,
        changed=[_text(name)[:MAX_NAME] for name in changed],
        origins={_text(name): _text(origins[name]) for name in origins},
    )


def read_lent(kind: str, content: Any) -> BorrowedFunction | BorrowedObject:
    """What is said of something that stays with the answers.

    Args:
        kind: "function" or "object".
        content: what ``lending.Lent`` wrote of it.

    Raises:
        CannotTravelError: it is malformed.
    """
    if type(content) is list and kind == "function" and len(content) == 2:
        return BorrowedFunction(_number(content[0]), _read_function(content[1]))
    if type(content) is list and kind == "object" and len(content) == 3:
        number, ancestors, library_class = content
        return BorrowedObject(_number(number), _read_identifiers(ancestors), _text(library_class))
    raise unreadable()


def unreadable() -> CannotTravelError:
    """The error for a reply that is malformed, or that is not one to what was asked."""
    return CannotTravelError("What the answer gave back could not be read.")


def _fields(body: Any) -> dict[Any, Any]:
    if type(body) is not dict:
        raise unreadable()
    return body


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise unreadable()
    return value


def _text(value: Any) -> str:
    return value if type(value) is str else ""


def _read_outputs(outputs: Any) -> list[Output]:
    """What a cell displayed, as nbformat has it; what is malformed is left out."""
    kept: list[Output] = []
    for output in outputs if type(outputs) is list else ():
        if type(output) is not dict:
            continue
        data, stream = output.get("data"), _text(output.get("name"))
        if type(data) is dict:
            texts = {_text(kind): _text(body) for kind, body in data.items()}
            kept.append({"output_type": "display_data", "data": texts, "metadata": {}})
        elif stream in ("stdout", "stderr"):
            text = _text(output.get("text"))[:MAX_TEXT]
            kept.append({"output_type": "stream", "name": stream, "text": text})
    return kept[:MAX_OUTPUTS]


def _read_error(error: Any) -> ErrorReport:
    """What is said of an exception; what is malformed is left out."""
    fields = error if type(error) is dict else {}
    line, frames = fields.get("line"), fields.get("traceback")
    bases, args = fields.get("bases"), fields.get("args")
    is_plain = type(args) is list and all(type(argument) in PLAIN for argument in args)
    return ErrorReport(
        ename=_text(fields.get("ename"))[:MAX_NAME] or "Error",
        evalue=_text(fields.get("evalue"))[:MAX_TEXT],
        bases=[_text(base)[:MAX_NAME] for base in bases[:MAX_ANCESTORS]]
        if type(bases) is list
        else [],
        args=args if is_plain else None,
        line=line if type(line) is int else None,
        traceback=[_text(frame)[:MAX_TEXT] for frame in frames[:MAX_FRAMES]]
        if type(frames) is list
        else [],
        asserted=_text(fields.get("asserted"))[:MAX_TEXT],
    )


def _read_changed(changed: Any) -> list[tuple[int, Any]]:
    if type(changed) is not list:
        raise unreadable()
    pairs: list[tuple[int, Any]] = []
    for pair in changed:
        if type(pair) is not tuple or len(pair) != 2:
            raise unreadable()
        pairs.append((_number(pair[0]), pair[1]))
    return pairs


def _read_function(described: Any) -> FunctionDescription:
    """What is said of a function; what is malformed is left out."""
    fields = described if type(described) is dict else {}
    name, doc = fields.get("name"), fields.get("doc")
    return FunctionDescription(
        name if type(name) is str else None,
        doc if type(doc) is str else None,
        _read_parameters(fields.get("parameters")),
    )


def _read_parameters(parameters: Any) -> list[tuple[str, int, list[Any]]] | None:
    if type(parameters) is not list:
        return None
    kept: list[tuple[str, int, list[Any]]] = []
    for parameter in parameters:
        if type(parameter) is not tuple or len(parameter) != 3:
            return None
        name, kind, default = parameter
        if type(name) is not str or type(kind) is not int or type(default) is not list:
            return None
        if len(default) > 1 or not all(type(value) in PLAIN for value in default):
            return None
        kept.append((name, kind, default))
    return kept


def _read_description(described: Any) -> Description:
    function = _read_function(described)
    fields = described if type(described) is dict else {}
    known = function.name, function.doc, function.parameters
    kind, ancestors = _text(fields.get("kind")) or "missing", fields.get("ancestors")
    # A library's class comes without ancestors, and what is not a class has none.
    if kind != "exception" and (kind != "class" or ancestors == []):
        return Description(*known, kind)
    names, comparison = _read_identifiers(ancestors), fields.get("comparison")
    if type(comparison) is not list or not comparison:
        raise _unreadable_class()
    how = [_text(part) for part in comparison]
    if how[0] not in COMPARISONS:
        raise _unreadable_class()
    return Description(*known, kind, names, _text(fields.get("library_class")), how)


def _read_identifiers(names: Any) -> list[str]:
    """The names of a class and of those that it comes from."""
    if type(names) is list and 0 < len(names) <= MAX_ANCESTORS:
        if all(type(name) is str and name.isidentifier() for name in names):
            return names
    raise _unreadable_class()


def _unreadable_class() -> CannotTravelError:
    return CannotTravelError("What the answer says of its classes could not be read.")
