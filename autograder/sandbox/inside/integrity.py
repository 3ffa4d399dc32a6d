"""What tests depend on, as it was before any answer ran, and what has been replaced since.

It serves where answers and tests share a process, see ``together_side``. What is added is no
finding, only what is replaced or taken away: of the libraries that tests call, of IPython's hooks
and transformers, and of the names in the notebook that a test uses.
"""

from __future__ import annotations

import builtins
import hashlib
import inspect
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Libraries by which tests decide. TensorFlow's own modules are many, and made anew as they are
# asked for; tests see it through Keras and NumPy.
LIBRARIES = frozenset(
    "IPython ast autograder builtins codeop collections contextlib copy functools inspect "
    "itertools json keras math numpy operator pandas random re sklearn statistics time traceback "
    "types unittest".split()
)
# Where decorators keep the function that does the work.
INNER = ("__wrapped__", "_implementation", "__func__", "fget")
MAX_NAMED = 20

Namespace = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """Where something is to be found: a namespace, a key of it, and what the two are called."""

    namespace: Namespace
    key: str
    value: Any
    label: str

    @property
    def name(self) -> str:
        return f"{self.label}.{self.key}"


@dataclass(frozen=True)
class Body:
    """A function of Python's, and what it does."""

    function: types.FunctionType
    code: types.CodeType
    defaults: tuple[Any, ...] | None
    kwdefaults: dict[str, Any] | None
    name: str

    def is_same(self) -> bool:
        """Whether it still does that."""
        function = self.function
        return (
            function.__code__ is self.code
            and function.__defaults__ is self.defaults
            and function.__kwdefaults__ is self.kwdefaults
        )


class Libraries:
    """The functions and classes of the libraries that have been imported, as they are now."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.bodies: dict[int, Body] = {}
        self._seen: set[int] = set()
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in LIBRARIES and isinstance(module, types.ModuleType):
                self.places.append(Place(sys.modules, name, module, "sys.modules"))
                self._add(vars(module), name)

    def _add(self, namespace: Namespace, label: str) -> None:
        for key, value in list(namespace.items()):
            if not _is_code(value):
                continue
            self.places.append(Place(namespace, key, value, label))
            for function in _functions(value):
                body = Body(
                    function,
                    function.__code__,
                    function.__defaults__,
                    function.__kwdefaults__,
                    f"{label}.{key}",
                )
                self.bodies.setdefault(id(function), body)
            if isinstance(value, type) and id(value) not in self._seen:
                self._seen.add(id(value))
                self._add(vars(value), f"{label}.{key}")

    def changed(self) -> Iterator[str]:
        """The names of what has been replaced or taken away."""
        for place in self.places:
            if place.namespace.get(place.key) is not place.value:
                yield place.name
        for body in self.bodies.values():
            if not body.is_same():
                yield body.name


def _is_code(value: Any) -> bool:
    return callable(value) or isinstance(value, property | classmethod | staticmethod)


def _functions(value: Any) -> Iterator[types.FunctionType]:
    """A function, and those in it that decorators have put into others."""
    for _ in range(4):
        if isinstance(value, types.FunctionType):
            yield value
        if isinstance(value, type):
            return
        inner = (getattr(value, name, None) for name in INNER)
        value = next((each for each in inner if each is not None), None)
        if value is None:
            return


class Integrity:
    """What a shell's tests depend on."""

    def __init__(self, shell: Any, libraries: Libraries) -> None:
        """What is so now is how it is to stay.

        Args:
            shell: IPython's.
            libraries: as they were before.
        """
        self.shell = shell
        self.libraries = libraries
        self.single = dict(_single(shell))
        self.hooks = {label: list(hooks) for label, hooks in _hooks(shell)}
        self.magics = {(kind, name): magic for kind, name, magic in _magics(shell)}

    def changed(self) -> list[str]:
        """The names of what is no longer as it was, at most ``MAX_NAMED`` of them."""
        found = dict.fromkeys(self._changed())
        return list(found)[:MAX_NAMED]

    def _changed(self) -> Iterator[str]:
        yield from self.libraries.changed()
        now = dict(_single(self.shell))
        for label, value in self.single.items():
            if now.get(label) is not value:
                yield label
        for label in now.keys() - self.single.keys():
            yield label
        for label, hooks in _hooks(self.shell):
            before = self.hooks.get(label, [])
            if any(not _among(hook, hooks) for hook in before):
                yield label
            elif any(not _among(hook, before) and is_made_here(hook) for hook in hooks):
                yield label
        for kind, name, magic in _magics(self.shell):
            # IPython itself puts a magic in its place when it is first used.
            before = self.magics.get((kind, name), magic)
            if before is not magic and is_made_here(magic) and not _is_in_file(magic):
                yield f"IPython's {kind} magic {name}"
        for thread in threading.enumerate():
            target = getattr(thread, "_target", None)
            if target is not None and is_made_here(target):
                yield f"a thread that runs {getattr(target, '__name__', 'an answer')}"
        if signal.getitimer(signal.ITIMER_REAL)[0]:
            yield "a timer"


def _among(hook: Any, hooks: Sequence[Any]) -> bool:
    # A bound method is another object each time, and equal.
    return any(each is hook or (inspect.ismethod(each) and each == hook) for each in hooks)


def _single(shell: Any) -> Iterator[tuple[str, Any]]:
    """What there is one of in a shell and in ``sys``."""
    yield "sys.excepthook", sys.excepthook
    yield "sys.displayhook", sys.displayhook
    yield "sys.settrace", sys.gettrace()
    yield "sys.setprofile", sys.getprofile()
    yield "builtins of the notebook", shell.user_ns.get("__builtins__")
    yield "the notebook's namespace", shell.user_ns
    yield "IPython's handlers of exceptions", shell.custom_exceptions
    parts = {
        "the shell": shell,
        "the shell's compiler": shell.compile,
        "the shell's displayhook": shell.displayhook,
        "the shell's display formatter": shell.display_formatter,
        "the shell's events": shell.events,
        "the shell's input transformer": shell.input_transformer_manager,
    }
    for label, part in parts.items():
        if part is not shell:
            yield label, part
        for key, value in list(vars(part).items()):
            if key != "compile" and callable(value) and hasattr(type(part), key):
                yield f"{key} of {label}", value


def _hooks(shell: Any) -> Iterator[tuple[str, list[Any]]]:
    """What a shell, or Python's import, calls one after the other."""
    manager = shell.input_transformer_manager
    yield "IPython's AST transformers", shell.ast_transformers
    yield (
        "IPython's input transformers",
        [
            *manager.cleanup_transforms,
            *manager.line_transforms,
            *manager.token_transformers,
            *shell.input_transformers_post,
        ],
    )
    for event, callbacks in shell.events.callbacks.items():
        yield f"IPython's event {event}", callbacks
    yield "sys.meta_path", sys.meta_path
    yield "sys.path_hooks", sys.path_hooks


def _magics(shell: Any) -> Iterator[tuple[str, str, Any]]:
    for kind, magics in shell.magics_manager.magics.items():
        for name, magic in list(magics.items()):
            yield kind, name, magic


def is_made_here(value: Any) -> bool:
    """Whether something was made in the notebook, and is not found in a library."""
    value = getattr(value, "__func__", value)
    if isinstance(value, types.ModuleType):
        return sys.modules.get(value.__name__) is not value or value.__spec__ is None
    found = _in_its_module(value)
    if not found and not isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        # An object, as a transformer is, is where its class is.
        return is_made_here(type(value))
    return not found


def _is_in_file(function: Any) -> bool:
    """Whether a function says that it was made in the file of its module, as IPython makes some of
    its magics when they are first used."""
    code = getattr(function, "__code__", None)
    module = sys.modules.get(str(getattr(function, "__module__", None)))
    return code is not None and code.co_filename == getattr(module, "__file__", None)


def _in_its_module(value: Any) -> bool:
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    module = getattr(value, "__module__", None)
    if module is None:
        # NumPy's functions in C do not say where they are.
        return isinstance(name, str) and getattr(sys.modules.get("numpy"), name, None) is value
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, property):
        found = found.fget
    return found is value or getattr(found, "__func__", None) is value


def origins(names: Sequence[str], namespace: Namespace, cells: Mapping[str, str]) -> dict[str, str]:
    """Where the values of a notebook's names come from.

    Args:
        names: the names.
        namespace: the notebook's.
        cells: what kind of cell each has been, by the name of its code's file.

    Returns:
        "missing", "library", "value", or for what code of the notebook has made the kind of its
        cell and a digest of its code; "object" for what cannot be told and can be called.
    """
    return {name: _origin(name, namespace, cells) for name in names}


def _origin(name: str, namespace: Namespace, cells: Mapping[str, str]) -> str:
    if name not in namespace:
        return "library" if hasattr(builtins, name) else "missing"
    value = namespace[name]
    if isinstance(value, types.ModuleType):
        return "object" if is_made_here(value) else "library"
    if not callable(value):
        return "value"
    codes = list(_codes(value))
    for code in codes:
        if code.co_filename in cells:
            return f"{cells[code.co_filename]}:{_digest(codes)}"
    return "object" if is_made_here(value) else "library"


def _codes(value: Callable[..., Any]) -> Iterator[types.CodeType]:
    """The code of a function, or of what a class defines."""
    for function in _functions(value):
        yield function.__code__
    if isinstance(value, type):
        for part in vars(value).values():
            for function in _functions(part):
                yield function.__code__


def _digest(codes: Sequence[types.CodeType]) -> str:
    """The same for code that does the same, wherever it is written."""
    digest = hashlib.sha256()

    def add(code: types.CodeType) -> None:
        digest.update(code.co_code + repr((code.co_names, code.co_varnames)).encode())
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                add(constant)
            elif isinstance(constant, frozenset):
                digest.update(repr(sorted(map(repr, constant))).encode())
            else:
                digest.update(repr(constant).encode())

    for code in codes:
        add(code)
    return digest.hexdigest()[:16]
