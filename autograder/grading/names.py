"""The names that the cells of a notebook define and change."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from course.check.names import COMPREHENSIONS, compiled_text


def defined_names(source: str) -> set[str]:
    """The names that a cell defines at its top level; none if it is not valid Python."""
    names: set[str] = set()
    for node in _nodes(source):
        if isinstance(node, SCOPES):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def changed_names(source: str) -> set[str]:
    """The names whose values a cell changes in place at its top level, as ``frame["x"] = 1`` and
    ``items.append(1)`` do."""
    names: set[str] = set()
    for node in map(_changed, _nodes(source)):
        while isinstance(node, ast.Subscript | ast.Attribute):
            node = node.value
        if isinstance(node, ast.Name):
            names.add(node.id)
    return names


SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
CHANGING = {
    "add", "append", "clear", "compile", "discard", "extend", "fit", "insert", "pop", "remove",
    "reverse", "set_weights", "setdefault", "sort", "update",
}  # fmt: skip


def _nodes(source: str) -> list[ast.AST]:
    """The nodes at the top level of a cell; none if it is not valid Python."""
    try:
        return list(_top_level(ast.parse(plain_python(source))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _top_level(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a cell that are in no function, class or comprehension."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, COMPREHENSIONS | ast.Lambda):
            yield child
            if not isinstance(child, SCOPES):
                yield from _top_level(child)


def _changed(node: ast.AST) -> ast.AST | None:
    """What a node changes in place, if it does."""
    if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        in_place = any(keyword.arg == "inplace" for keyword in node.keywords)
        # Students can set what is in place here, so looking at a variable does not count.
        return node.func.value if in_place or node.func.attr in CHANGING else None
    return None


def plain_python(source: str) -> str:
    """A cell without IPython's commands: they become calls, and a cell command's body remains."""
    first, _, rest = source.lstrip().partition("\n")
    try:
        return compiled_text(rest if first.startswith("%%") else source)
    except Exception:
        return source
