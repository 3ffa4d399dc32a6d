"""YAML that is held to a pydantic model. What is wrong is said in sentences, with line numbers."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Model = TypeVar("Model", bound=BaseModel)

# pydantic's own messages speak of Python types; the readers of these have written YAML.
_EXPECTED = {
    "int_type": "must be a whole number, not {input}: write digits, such as 60",
    "float_type": "must be a number, not {input}: write digits, such as 12.5",
    "finite_number": "must be a finite number, not {input}: write digits, such as 12.5",
    "greater_than": "must be greater than {gt:g}, not {input}: write a larger number",
    "greater_than_equal": "must be {ge:g} or more, not {input}: write a larger number",
    "less_than_equal": "must be {le:g} or less, not {input}: write a smaller number",
    "string_type": "must be text, not {input}: write it in quotes",
    "string_too_short": "is empty: write what belongs there",
    "list_type": "must be a list, not {input}: put each item on a line with a dash, or all in "
    "square brackets",
    "dict_type": "must be `key: value` lines, not {input}",
    "model_type": "must be `key: value` lines, not {input}",
    "too_short": "is empty: give at least one entry",
}


class EntryError(ValueError):
    """What a validator raises that looks at several entries of a mapping: which one is at fault,
    and a sentence about it."""

    def __init__(self, entry: str, message: str) -> None:
        super().__init__(message)
        self.entry = entry


class YamlFault(ValueError):
    """YAML that cannot be read or does not follow its model.

    Attributes:
        faults: the number of the line and a sentence without its full stop, for each fault.
    """

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        super().__init__(faults)
        self.faults = faults

    def describe(self, file: str) -> str:
        """All faults, one a line, as those of ``file``."""
        return "\n".join(f"{file}, line {line}: {text}." for line, text in self.faults)


def load(text: str, first_line: int = 1) -> CommentedMap:
    """Read a mapping that remembers its lines.

    Args:
        text: YAML 1.2.
        first_line: the number of the text's first line in its file.

    Raises:
        YamlFault: it is not YAML, gives a key twice, or is not a mapping.
    """
    # Of ruamel.yaml's loaders this one alone keeps the lines.
    loader = YAML(typ="rt", pure=True)
    try:
        data = loader.load(text)
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        reason = (error.problem if isinstance(error, MarkedYAMLError) else None) or str(error)
        line = first_line + (mark.line if mark else 0)
        if isinstance(error, DuplicateKeyError):
            raise YamlFault([(line, f"{reason}: remove one of the two")]) from None
        advice = "look at quotes, colons and indentation"
        raise YamlFault([(line, f"it cannot be read, {reason}: {advice}")]) from None
    if not isinstance(data, CommentedMap):
        raise YamlFault([(first_line, "there should be `key: value` lines")])
    return data


def check(data: CommentedMap, model: type[Model], first_line: int = 1) -> Model:
    """Hold a mapping to a model.

    Args:
        data: from ``load``, or a mapping in it.
        model: what it must follow; in strict mode, so that 5 is not text and "5" not a number.
        first_line: as ``load`` was given it.

    Raises:
        YamlFault: with everything in which it does not follow the model.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = list(_faults(error, data, model))
    raise YamlFault(sorted((first_line + line, text) for line, text in faults)) from None


def _faults(
    error: ValidationError, data: CommentedMap, model: type[BaseModel]
) -> Iterator[tuple[int, str]]:
    details = error.errors(include_url=False)
    unknown = [each["loc"] for each in details if each["type"] == "extra_forbidden"]
    keys_at = {loc: _keys(model, loc[:-1]) for loc in unknown}
    meant = {
        str(loc[-1]): difflib.get_close_matches(str(loc[-1]), keys, 1)
        for loc, keys in keys_at.items()
    }
    misspelt = {name for names in meant.values() for name in names}
    for each in details:
        raised = each.get("ctx", {}).get("error")
        entry = (raised.entry,) if isinstance(raised, EntryError) else ()
        line, path = _locate(data, (*each["loc"], *entry))
        name = str(each["loc"][-1])
        if each["type"] == "extra_forbidden":
            keys = ", ".join(f"`{key}`" for key in keys_at[each["loc"]])
            write = (
                f"write `{meant[name][0]}`" if meant[name] else f"remove it or use one of {keys}"
            )
            yield line, f"unknown key `{name}`: {write}"
        elif each["type"] == "missing":
            # A misspelt key is one mistake, not two.
            if name not in misspelt:
                yield line, f"`{name}` is missing: add a line that begins with `{name}:`"
        elif each["type"] in _EXPECTED:
            values = {"input": _shown(each["input"]), **each.get("ctx", {})}
            yield line, f"`{path}` {_EXPECTED[each['type']].format(**values)}"
        else:
            yield line, str(raised or each["msg"])


def _keys(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys that a mapping may have, which stands at a place in what follows a model."""
    for step in place:
        field = model.model_fields.get(str(step))
        kinds = (field.annotation, *get_args(field.annotation)) if field else ()
        models = [each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)]
        if not models:
            break
        model = models[0]
    return list(model.model_fields)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _locate(data: CommentedMap, place: tuple[int | str, ...]) -> tuple[int, str]:
    """The line of an entry, counted from 0, and what to call the entry. The line is that of the
    nearest entry around it if it does not exist."""
    line: int = data.lc.line
    node: Any = data
    path = []
    for step in place:
        if isinstance(node, CommentedMap) and step in node:
            line = node.lc.key(step)[0]
            path.append(str(step))
        elif isinstance(node, CommentedSeq) and isinstance(step, int):
            line = node.lc.item(step)[0]
            path.append(f"item {step + 1}")
        else:
            break
        node = node[step]
    return line, ": ".join(path)
