"""What an assertion without a message is about: as it is written, and the values in it."""

from __future__ import annotations

import ast
import linecache
import reprlib
from typing import Any

import numpy as np

MAX_LINE = 300
SHOWN = (bool, int, float, complex, str, bytes, list, tuple, dict, set, np.ndarray)


def bare_assertion(error: BaseException) -> str:
    """The assertion that an error without a message comes from, and the values of its names.

    Args:
        error: any exception.

    Returns:
        Nothing if it is no such error.
    """
    if not isinstance(error, AssertionError) or error.args or error.__traceback__ is None:
        return ""
    step = error.__traceback__
    while step.tb_next is not None:
        step = step.tb_next
    frame = step.tb_frame
    lines = linecache.getlines(frame.f_code.co_filename)
    statement = _assertion("".join(lines), step.tb_lineno)
    if statement is None:
        return lines[step.tb_lineno - 1].strip()[:MAX_LINE] if step.tb_lineno <= len(lines) else ""
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    found = {**frame.f_globals, **frame.f_locals}
    values = [f"{name} is {_shown(found[name])}" for name in sorted(names) if _has(found, name)]
    text = ast.unparse(statement)[:MAX_LINE]
    return f"{text} ({'; '.join(values)})" if values else text


def _assertion(source: str, line: int) -> ast.Assert | None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and node.lineno <= line <= (node.end_lineno or 0):
            return node
    return None


def _has(found: dict[str, Any], name: str) -> bool:
    if name not in found:
        return False
    kind = type(found[name])
    return kind in SHOWN or kind is type(None) or kind in np.sctypeDict.values()


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray | np.generic):
        return f"{type(value).__name__}({np.array2string(np.asarray(value), threshold=8)[:120]})"
    try:
        return reprlib.repr(value)
    except Exception as error:
        return f"a {type(value).__name__} whose repr raises {type(error).__name__}"
