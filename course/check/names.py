"""Which names a cell takes from other cells, and which it gives them, read from its text.

Reading takes a time that grows no faster than the text, whatever somebody wrote into the cell.
"""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Iterator

# What is longer was not written by hand. Python's compiler takes a second or two for as much.
MAX_TEXT = 200_000

COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

# The errors with which Python refuses a text, wrong or nested too deeply.
_REFUSED = (SyntaxError, ValueError, RecursionError, MemoryError)

# Lines of IPython's own: `%magic`, `!command`, `?help`, `help?`, and what is assigned from those.
_COMMAND = re.compile(r"[%!?].*|[\w.%]+\?{1,2}")
_ASSIGNED = re.compile(r"(?P<names>[\w.,\s]+=)\s*[%!].*")


def plain_python(source: str) -> str:
    """A cell's text without IPython's commands; of a cell with a ``%%magic`` what follows it.

    IPython's own transformer asks its tokenizer again after each line, so its time grows with the
    square of the text. A command becomes ``pass`` here, and what is assigned from one is None.
    """
    first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%"):
        source = rest
    if _parsed(source) is not None:
        return source
    lines, in_command = [], False
    for line in source.split("\n"):
        text = line.strip()
        indent = line[: len(line) - len(line.lstrip())]
        is_command = in_command or _COMMAND.fullmatch(text) is not None
        if is_command:
            lines.append(f"{indent}pass" if not in_command else "")
        elif assigned := _ASSIGNED.fullmatch(text):
            lines.append(f"{indent}{assigned['names']} None")
            is_command = True
        else:
            lines.append(line)
        in_command = is_command and text.endswith("\\")
    return "\n".join(lines)


def _parsed(source: str) -> ast.Module | None:
    if len(source) > MAX_TEXT:
        return None
    try:
        return ast.parse(source)
    except _REFUSED:
        return None


def parse(source: str) -> ast.Module | None:
    """A cell's syntax tree, or None where it is not valid Python or too long to have been written
    by hand."""
    return _parsed(plain_python(source)) if len(source) <= MAX_TEXT else None


def _tables(source: str) -> list[symtable.SymbolTable]:
    if len(source) > MAX_TEXT:
        return []
    try:
        return list(_walk(symtable.symtable(plain_python(source), "cell", "exec")))
    except _REFUSED:
        return []


def _walk(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _walk(child)


def _symbols(source: str) -> Iterator[tuple[int, symtable.Symbol]]:
    """A cell's symbols, each with the number of its scope; the cell's own is 0."""
    # From Python 3.12 on the variables of comprehensions are listed with those around them.
    inner = _comprehension_variables(source)
    for index, table in enumerate(_tables(source)):
        for symbol in table.get_symbols():
            if symbol.get_name() not in inner:
                yield index, symbol


def _comprehension_variables(source: str) -> set[str]:
    """The names that are variables of comprehensions and nothing else."""
    inner: set[str] = set()
    others: set[str] = set()

    def visit(node: ast.AST, bound: frozenset[str]) -> None:
        if isinstance(node, COMPREHENSIONS):
            targets = (part for generator in node.generators for part in ast.walk(generator.target))
            bound |= {part.id for part in targets if isinstance(part, ast.Name)}
            inner.update(bound)
        elif isinstance(node, ast.Name) and node.id not in bound:
            others.add(node.id)
        for child in ast.iter_child_nodes(node):
            visit(child, bound)

    tree = parse(source)
    try:
        if tree is not None:
            visit(tree, frozenset())
    except RecursionError:
        return set()
    return inner - others


def bound_names(source: str) -> set[str]:
    """The global names that a cell defines: functions, imports, assigned variables."""
    names = set()
    for index, symbol in _symbols(source):
        binds = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
        if binds and (index == 0 or symbol.is_declared_global()):
            names.add(symbol.get_name())
    return names


def needed_names(source: str) -> set[str]:
    """The global names that a cell reads, in any of its functions, and does not define."""
    names = set()
    for index, symbol in _symbols(source):
        if symbol.is_referenced() and (index == 0 or symbol.is_global()):
            names.add(symbol.get_name())
    return names - bound_names(source)


def imported_modules(source: str) -> set[str]:
    """The top-level modules that a cell imports anywhere in its text."""
    names: set[str] = set()
    for node in ast.walk(parse(source) or ast.Module([], [])):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def has_statements(source: str) -> bool:
    """Whether a cell does anything: not only comments. True of what is not valid Python."""
    tree = parse(source)
    return tree is None or bool(tree.body)
