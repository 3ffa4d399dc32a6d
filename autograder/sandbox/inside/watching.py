"""What an answer did in all the calls that its tests make, noted while the tests run again.

An assertion that fails does not end such a run: what it comes to is noted, and the test goes on, so
that one wrong reply does not hide the others. Nothing is scored in it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from autograder.sandbox.inside.errors import CannotTravelError
from autograder.sandbox.inside.lending import changeable
from autograder.sandbox.inside.names import without_number
from autograder.sandbox.inside.summary import BRIEF, WHOLE, Elsewhere, Summary, summarise
from autograder.sandbox.inside.wire import decode

MAX_CALLS, MAX_BYTES = 2_000, 64_000_000
# Under this name the notes are taken in the tests' namespace.
NOTE = "_autograder_note"

# Numbers and what is in quotes: two messages that differ in nothing else are of one kind.
DETAILS = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d[\d.,]*(?:e[-+]?\d+)?")


class Watcher:
    """Notes of calls, of assertions and of how cells ended, in order."""

    def __init__(self) -> None:
        self._noted: list[tuple[bytes, bytes] | Summary] = []
        self._calls = self._size = 0

    def call(self, request: bytes, reply: bytes) -> None:
        """Note a question to the answers and the reply, as they travelled."""
        self._calls += 1
        self._size += len(request) + len(reply)
        if self._calls <= MAX_CALLS and self._size <= MAX_BYTES:
            self._noted.append((request, reply))

    def assertion(self, holds: Any) -> None:
        """Note what an assertion came to; None for one that raised."""
        self._noted.append(["assert", None if holds is None else bool(holds)])

    def end(self, error: BaseException | None) -> None:
        """Note how a cell ended."""
        self._noted.append(["end", type(error).__name__])

    def summary(self) -> Summary:
        """All notes as one summary."""
        made = (_call(*note) if isinstance(note, tuple) else note for note in self._noted)
        return ["watched", *made]


def going_on(source: str) -> str:
    """A test cell whose assertions are noted under the name NOTE instead of ending it.

    Args:
        source: plain Python.

    Raises:
        SyntaxError: it is something else.
    """
    return ast.unparse(ast.fix_missing_locations(_GoingOn().visit(ast.parse(source))))


class _GoingOn(ast.NodeTransformer):
    def visit_Assert(self, node: ast.Assert) -> Any:
        return _noted(ast.Expr(_note(node.test)))

    def visit_Expr(self, node: ast.Expr) -> Any:
        """`np.testing.assert_allclose(…)` and its like."""
        match node.value:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
                pass
            case _:
                name = ""
        return _noted(node, _note(ast.Constant(True))) if name.startswith("assert") else node


def _note(value: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(NOTE, ast.Load()), [value], [])


def _noted(statement: ast.stmt, then: ast.expr | None = None) -> ast.Try:
    failed = ast.ExceptHandler(
        ast.Name("Exception", ast.Load()), None, [ast.Expr(_note(ast.Constant(None)))]
    )
    return ast.Try([statement], [failed], [ast.Expr(then)] if then else [], [])


def kind_of_message(text: str) -> str:
    """A message without its numbers and without what it quotes."""
    return DETAILS.sub("#", text.partition("\n")[0])


def _call(request: bytes, reply: bytes) -> Summary:
    asked = decode(request, lambda name: Elsewhere("name", without_number(name)), _elsewhere)
    name = without_number(asked["name"]) if "name" in asked else sorted(asked.get("names", ()))
    args, kwargs = asked.get("args", []), asked.get("kwargs", {})
    try:
        came = _reply(decode(reply, borrow=_elsewhere), args, kwargs)
    except CannotTravelError as error:
        came = ["unreadable", str(error)]
    return ["call", name, summarise([*args, kwargs], BRIEF), came]


def _elsewhere(kind: str, content: Any) -> Elsewhere:
    is_object = kind == "object" and isinstance(content, list) and len(content) == 3
    return Elsewhere(kind, str(content[2]) if is_object else "")


def _reply(body: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Summary:
    match body:
        case {"verb": "Raised", "error": {"ename": str(name), "evalue": str(text)}}:
            return ["raised", name, kind_of_message(text)]
        case {"verb": "Described", "descriptions": dict(found)}:
            return ["described", *([each, found[each].get("kind")] for each in sorted(found))]
        case {"verb": "Returned", "value": value, "same": same, "changed": list(changed)}:
            states = dict(changed)
            if same is not None:
                given = list(changeable((*args, *kwargs.values()), _stays))
                value = states.get(same, given[same] if same < len(given) else None)
            return ["returned", summarise(value, WHOLE), summarise(states, WHOLE)]
        case {"verb": "Got", "value": value, "method": None}:
            return ["got", summarise(value, WHOLE)]
    return ["replied", str(body.get("verb")) if isinstance(body, dict) else ""]


def _stays(value: Any) -> bool:
    return isinstance(value, Elsewhere)
