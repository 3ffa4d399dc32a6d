"""What forms of an answer's values grading takes, and the sentences that say so.

Grading runs tests in another process than answers. What an answer returns goes from one to the
other as data, and a Keras model goes as the file that it is saved in. ``course check`` runs both
in one kernel, so it holds values to the same rule: see ``guard``.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
import types
import zipfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

NOT_BUILT = "This Keras model has not been built: give it an input shape."
NOT_LOADABLE = (
    "This Keras model cannot be saved and loaded again, which the tests need: use Keras's own "
    "layers, no Lambda layer and no class of your own."
)
# The most items of a list or dict that are looked at.
_MOST_ITEMS = 1_000
_LOAD = "import sys, course, keras; keras.saving.load_model(sys.argv[1], safe_mode=True)"


class FormError(BaseException):
    """A value in a form that grading does not take. The message says what to return instead.

    It is not an ``Exception``: a test that expects an answer to raise one must not take this for
    it.
    """


def advice(what: str) -> str:
    """Why something cannot go from one process to the other, and what can."""
    return (
        f"Tests run in another process than answers, and {what} cannot go there: return numbers, "
        "arrays, text, lists, dicts or a Keras model made of Keras's own layers."
    )


def guard(namespace: dict[str, Any], names: Collection[str], classes: Collection[str] = ()) -> None:
    """Hold what an answer has defined to the forms that grading takes.

    A model is looked at at once. A function is replaced by one that looks at what it returns
    whenever a test calls it.

    Args:
        namespace: the notebook's global names.
        names: those that the answer has defined and tests use.
        classes: names of the notebook's own classes whose objects the tests know. None by default.

    Raises:
        FormError: a value has a form that grading does not take.
    """
    depth = [0]
    for name in names:
        value = namespace.get(name)
        if isinstance(value, types.FunctionType) and value.__module__ == "__main__":
            namespace[name] = _guarded(value, classes, depth)
        elif not callable(value) or _is_model(value):
            look_at(value, classes)


def _guarded(
    function: Callable[..., Any], classes: Collection[str], depth: list[int]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        depth[0] += 1
        try:
            value = function(*args, **kwargs)
        finally:
            depth[0] -= 1
        # What one answer returns to another stays on their side.
        if depth[0] == 0:
            look_at(value, classes)
        return value

    return guarded


def look_at(value: Any, classes: Collection[str] = ()) -> None:
    """Raise if a value, or one in it, has a form that grading does not take.

    Raises:
        FormError: it has.
    """
    if "keras" in sys.modules:
        for model in _models(value):
            _look_at_model(model, classes)


def _is_model(value: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


def _models(value: Any) -> Iterator[Any]:
    if _is_model(value):
        yield value
    elif isinstance(value, list | tuple | dict) and len(value) <= _MOST_ITEMS:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _models(item)


def _look_at_model(model: Any, classes: Collection[str]) -> None:
    kind = type(model)
    if kind.__module__ == "__main__":
        if kind.__name__ not in classes:
            raise FormError(advice(f"an object of the class {kind.__name__}"))
        return
    if not model.built:
        raise FormError(NOT_BUILT)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        try:
            model.save(path)
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
        except Exception:
            raise FormError(NOT_LOADABLE) from None
        if _is_all_keras(config):
            return
        # Only a process without the notebook's classes can tell, as grading will.
        command = [sys.executable, "-c", _LOAD, str(path)]
        if subprocess.run(command, capture_output=True).returncode:
            raise FormError(NOT_LOADABLE)


def _is_all_keras(config: Any) -> bool:
    """Whether the configuration of a saved model names nothing but Keras's own classes."""
    if isinstance(config, list):
        return all(_is_all_keras(item) for item in config)
    if not isinstance(config, dict):
        return True
    if "class_name" in config:
        module = str(config.get("module") or "")
        is_own = module != "keras" and not module.startswith("keras.")
        # A tensor between two layers is noted with this name and without a module.
        if config["class_name"] != "__keras_tensor__" and is_own:
            return False
        if config["class_name"] == "Lambda":
            return False
    return all(_is_all_keras(item) for item in config.values())
