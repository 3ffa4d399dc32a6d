"""Which names a cell takes from other cells, and which it gives them, read from its text."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator


def compiled_text(source: str) -> str:
    """A cell's text with IPython's ``%magic`` and ``!shell`` lines turned into Python."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


def _tables(source: str) -> list[symtable.SymbolTable]:
    try:
        top = symtable.symtable(compiled_text(source), "cell", "exec")
    except (SyntaxError, ValueError):
        return []
    return list(_walk(top))


def _walk(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _walk(child)


COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def _symbols(source: str) -> Iterator[tuple[int, symtable.Symbol]]:
    """A cell's symbols, each with the number of its scope; the cell's own is 0."""
    # From Python 3.12 on the variables of comprehensions stand among those around them.
    inner = _comprehension_variables(source)
    for index, table in enumerate(_tables(source)):
        for symbol in table.get_symbols():
            if symbol.get_name() not in inner:
                yield index, symbol


def _comprehension_variables(source: str) -> set[str]:
    """The names that are variables of comprehensions and nothing else."""
    inner, others = set(), set()

    def visit(node: ast.AST, bound: frozenset[str]) -> None:
        if isinstance(node, COMPREHENSIONS):
            targets = (part for generator in node.generators for part in ast.walk(generator.target))
            bound |= {part.id for part in targets if isinstance(part, ast.Name)}
            inner.update(bound)
        elif isinstance(node, ast.Name) and node.id not in bound:
            others.add(node.id)
        for child in ast.iter_child_nodes(node):
            visit(child, bound)

    try:
        visit(ast.parse(compiled_text(source)), frozenset())
    except (SyntaxError, ValueError):
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
    try:
        tree = ast.parse(compiled_text(source))
    except (SyntaxError, ValueError):
        return set()
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def has_statements(source: str) -> bool:
    """Whether a cell does anything: not only comments."""
    try:
        return bool(ast.parse(compiled_text(source)).body)
    except (SyntaxError, ValueError):
        return True
