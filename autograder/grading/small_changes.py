"""Small changes of an answer, to ask its author about: another comparison, constant, operator, axis
or function, arguments in another order, a statement left out.

Each replaces one stretch of the text, so that the rest stays as its author wrote it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from course.check.names import parse, plain_python


class Kind(StrEnum):
    """What a change replaces."""

    COMPARISON = "comparison"
    CONSTANT = "constant"
    OPERATOR = "operator"
    ARGUMENTS = "order of arguments"
    FUNCTION = "function"
    AXIS = "axis"
    STATEMENT = "statement"


@dataclass(frozen=True)
class Change:
    """An answer with one small change.

    Attributes:
        kind: what was replaced.
        line: where, from 1.
        before: the lines that are concerned, as they were.
        after: the same lines with the change.
        old: the stretch that was replaced.
        new: what is there now.
        source: the whole answer with the change.
    """

    kind: Kind
    line: int
    before: str
    after: str
    old: str
    new: str
    source: str


COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">=")),
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<=")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
_PAIRS = (
    ("mean", "sum"), ("max", "min"), ("maximum", "minimum"), ("argmax", "argmin"),
    ("ones", "zeros"), ("ones_like", "zeros_like"), ("floor", "ceil"), ("sin", "cos"),
    ("reduce_mean", "reduce_sum"), ("reduce_max", "reduce_min"), ("any", "all"),
    ("hstack", "vstack"), ("cumsum", "cumprod"), ("std", "var"),
)  # fmt: skip
FUNCTIONS = dict(_PAIRS) | {other: one for one, other in _PAIRS}
_WORDS = (("relu", "sigmoid"), ("softmax", "sigmoid"), ("same", "valid"), ("tanh", "relu"))
# Arguments in words that Keras takes. Other texts mostly are for people.
WORDS = {other: one for one, other in _WORDS} | dict(_WORDS)
AXES = {"axis", "axes", "dim"}
# No answer that was written by hand has as many.
MOST_CHANGES = 400


def small_changes(answer: str) -> list[Change]:
    """The small changes of an answer in the order of its text, the first 400 of them.

    Imports, docstrings, annotations and f-strings stay as they are, and so does what decides how
    long a ``while`` loop runs, since a loop that never ends makes no question. Whether Python takes
    a changed text is not looked at: it mostly does.

    Args:
        answer: the text. One that is not plain Python has no changes, nor has one that is nested
            too deeply for Python to read.
    """
    text = answer.replace("\r\n", "\n").replace("\r", "\n")
    tree = parse(text)
    if tree is None or plain_python(text) != text:
        return []
    editor = _Editor(text, tree)
    changes: dict[str, Change] = {}
    edits = sorted(editor.edits(), key=lambda edit: (edit.start, edit.end, edit.new))
    for edit in edits[:MOST_CHANGES]:
        change = editor.apply(edit)
        if change.source != text:
            changes.setdefault(change.source, change)
    return list(changes.values())


@dataclass(frozen=True)
class _Edit:
    """Replace the characters from ``start`` up to ``end``."""

    kind: Kind
    start: int
    end: int
    new: str


class _Editor:
    """Finds what can be replaced in a text, and replaces it."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.text = text
        self.tree = tree
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.fixed = {id(node) for node in _fixed(tree)}

    def apply(self, edit: _Edit) -> Change:
        source = self.text[: edit.start] + edit.new + self.text[edit.end :]
        first = self.text.count("\n", 0, edit.start)
        before = self.text.count("\n", edit.start, edit.end) + 1
        after = edit.new.count("\n") + 1
        return Change(
            edit.kind,
            first + 1,
            "\n".join(self.lines[first : first + before]),
            "\n".join(source.split("\n")[first : first + after]),
            self.text[edit.start : edit.end],
            edit.new,
            source,
        )

    def edits(self) -> Iterator[_Edit]:
        for node in ast.walk(self.tree):
            if id(node) not in self.fixed:
                yield from self._edits(node)
        yield from self._statements()

    def _edits(self, node: ast.AST) -> Iterator[_Edit]:
        match node:
            case ast.Compare():
                sides = [node.left, *node.comparators]
                for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
                    old, others = COMPARISONS[type(operator)]
                    for new in others:
                        yield from self._between(left, right, old, new, Kind.COMPARISON)
            case ast.BinOp() if type(node.op) in OPERATORS:
                old, new = OPERATORS[type(node.op)]
                yield from self._between(node.left, node.right, old, new, Kind.OPERATOR)
            case ast.BoolOp():
                old, new = OPERATORS[type(node.op)]
                for left, right in zip(node.values, node.values[1:], strict=False):
                    yield from self._between(left, right, old, new, Kind.OPERATOR)
            case ast.AugAssign() if type(node.op) in OPERATORS:
                old, new = OPERATORS[type(node.op)]
                yield from self._between(
                    node.target, node.value, f"{old}=", f"{new}=", Kind.OPERATOR
                )
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                start = self._start(node)
                # `return-x` would become one word.
                if not self.text[start - 1 : start].isidentifier():
                    yield _Edit(Kind.OPERATOR, start, self._start(node.operand), "")
            case ast.keyword(arg=name, value=value) if name in AXES:
                if (axis := _whole_number(value)) is not None:
                    new = "-1" if axis == 0 else "0"
                    yield _Edit(Kind.AXIS, self._start(value), self._end(value), new)
            case ast.Call():
                yield from self._call(node)
            case ast.Constant():
                for new in _other_constants(node.value):
                    yield _Edit(Kind.CONSTANT, self._start(node), self._end(node), new)

    def _between(
        self, left: ast.expr, right: ast.expr, old: str, new: str, kind: Kind
    ) -> Iterator[_Edit]:
        """Replace the operator between two operands, where nothing but parentheses is beside it."""
        start = self._end(left)
        words = r"\s+".join(map(re.escape, old.split()))
        found = re.fullmatch(rf"[\s)\\]*({words})[\s(\\]*", self.text[start : self._start(right)])
        if found:
            yield _Edit(kind, start + found.start(1), start + found.end(1), new)

    def _call(self, call: ast.Call) -> Iterator[_Edit]:
        first, second = [*call.args, None, None][:2]
        plain = not any(isinstance(argument, ast.Starred) for argument in call.args[:2])
        if first is not None and second is not None and plain:
            start, end = self._start(first), self._end(second)
            one, two = self._text(first), self._text(second)
            between = self.text[self._end(first) : self._start(second)]
            yield _Edit(Kind.ARGUMENTS, start, end, f"{two}{between}{one}")
        match call.func:
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in FUNCTIONS:
                end = self._end(call.func)
                yield _Edit(Kind.FUNCTION, end - len(name), end, FUNCTIONS[name])

    def _statements(self) -> Iterator[_Edit]:
        """Leave out statements without which no name is missing."""
        for body in _bodies(self.tree):
            known: set[str] = set()
            for statement in body:
                names = _assigned(statement)
                if id(statement) not in self.fixed and _is_droppable(statement, names, known):
                    yield _Edit(
                        Kind.STATEMENT, self._start(statement), self._end(statement), "pass"
                    )
                known |= names or set()

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._offset(node.lineno, node.col_offset)

    def _end(self, node: ast.expr | ast.stmt) -> int:
        # Only nodes that something else has made lack their end.
        return self._offset(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)

    def _text(self, node: ast.expr) -> str:
        return self.text[self._start(node) : self._end(node)]

    def _offset(self, line: int, column: int) -> int:
        """Python counts bytes within a line."""
        within = self.lines[line - 1].encode()[:column].decode()
        return self.starts[line - 1] + len(within)


def _fixed(tree: ast.Module) -> Iterator[ast.AST]:
    """What is not replaced."""
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr():
                yield from ast.walk(node)
            case ast.keyword(arg=name) if name in AXES:
                # The axis itself is replaced, by one that there is.
                yield from ast.walk(node.value)
            case ast.arg(annotation=ast.expr() as annotation):
                yield from ast.walk(annotation)
            case ast.AnnAssign():
                yield from ast.walk(node.annotation)
            case ast.While():
                yield from ast.walk(node.test)
                yield from (each for each in ast.walk(node) if isinstance(each, ast.AugAssign))
            case ast.FunctionDef(returns=ast.expr() as returns):
                yield from ast.walk(returns)
        if (first := next(iter(_body(node)), None)) is not None and _is_text(first):
            yield from ast.walk(first)


def _body(node: ast.AST) -> list[ast.stmt]:
    body = getattr(node, "body", None)
    return body if isinstance(body, list) else []


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            # In `lambda` and `x if y else z` it is an expression.
            if isinstance(body, list):
                yield body


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is a docstring."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def _assigned(statement: ast.stmt) -> set[str] | None:
    """The names that an assignment gives a value; none where it changes something in place, and
    None where the statement is no assignment."""
    match statement:
        case ast.Assign(targets=targets):
            nodes = [node for target in targets for node in ast.walk(target)]
        case ast.AnnAssign(target=target):
            nodes = [*ast.walk(target)]
        case _:
            return None
    return {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _is_droppable(statement: ast.stmt, names: set[str] | None, known: set[str]) -> bool:
    if names is not None:
        return names <= known
    return isinstance(statement, ast.AugAssign | ast.Raise) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    )


def _whole_number(node: ast.expr) -> int | None:
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
    return None


def _other_constants(value: object) -> Iterator[str]:
    match value:
        case bool():
            yield str(not value)
        case int():
            yield str(value + 1)
            if value > 1:
                yield str(value - 1)
        case float():
            yield repr(2 * value if value else 1.0)
        case str() if value in WORDS:
            yield f'"{WORDS[value]}"'
