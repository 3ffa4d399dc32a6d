"""The names that the cells of a notebook change, and what they import, read from their text.

``course.check.names`` has the names that cells define.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from course.check.names import COMPREHENSIONS, parse

SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
# Methods that change what they are called on.
CHANGING = {
    "add", "append", "clear", "compile", "discard", "extend", "fit", "insert", "pop", "remove",
    "reverse", "set_weights", "setdefault", "sort", "update",
}  # fmt: skip


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


def deleted_names(source: str) -> set[str]:
    """The names that a cell deletes at its top level."""
    return {
        node.id
        for node in _nodes(source)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)
    }


def import_statements(source: str) -> str:
    """The import statements at the top level of a cell."""
    tree = parse(source)
    body = tree.body if tree is not None else ()
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(ast.unparse(node) for node in imports)


def _nodes(source: str) -> list[ast.AST]:
    """The nodes at the top level of a cell; none if it is not valid Python."""
    tree = parse(source)
    try:
        return list(_top_level(tree)) if tree is not None else []
    except RecursionError:
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
