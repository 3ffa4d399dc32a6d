"""What forms of an answer's values grading takes, and the sentences that say so.

Grading runs tests in another process than answers. What an answer returns goes from one to the
other as data, and a Keras model goes as the file that it is saved in. ``course check`` runs both
in one kernel, so it holds values to the same rule: see ``guard``.
"""

from __future__ import annotations

import functools
import json
import operator
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
OBJECT_ARRAY = "An array of Python objects cannot travel: give it a numeric dtype, or use a list."
# Modules whose values are data, and other types that are.
_OF_DATA = {
    "builtins", "collections", "datetime", "decimal", "fractions", "numpy", "pandas", "pathlib",
    "random",
}  # fmt: skip
_OTHER_DATA = (
    "keras:Variable", "keras:callbacks.History", "tensorflow:Tensor", "tensorflow:Variable",
    "tensorflow:dtypes.DType",
)  # fmt: skip
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


def guard(
    namespace: dict[str, Any],
    names: Collection[str],
    classes: Collection[str] = (),
    data: Collection[str] | None = None,
) -> None:
    """Hold what an answer has defined to the forms that grading takes.

    A value is looked at at once. A function is replaced by one that looks at what it returns
    whenever a test calls it.

    Args:
        namespace: the notebook's global names.
        names: those that the answer has defined.
        classes: names of the notebook's own classes whose objects the tests know. None by default.
        data: where answers give nothing but data, as in the lessons of this course, the names that
            tests use. None, the default, where an instructor's own answers may give objects too:
            then only models are looked at.

    Raises:
        FormError: a value has a form that grading does not take.
    """
    for name in names:
        value = namespace.get(name)
        if isinstance(value, types.FunctionType) and value.__module__ == "__main__":
            namespace[name] = _guarded(value, classes, data is not None)
        elif _is_model(value) or (data is not None and name in data and not callable(value)):
            look_at(value, classes, data is not None)


# How deep answers call each other. What one returns to another stays on their side.
_depth = 0


def _guarded(
    function: Callable[..., Any], classes: Collection[str], is_data: bool
) -> Callable[..., Any]:
    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        global _depth
        _depth += 1
        try:
            value = function(*args, **kwargs)
        finally:
            _depth -= 1
        if _depth:
            return value
        look_at(value, classes, is_data)
        return _unmasked(value) if is_data else value

    return guarded


def look_at(value: Any, classes: Collection[str] = (), is_data: bool = False) -> None:
    """Raise if a value, or one in it, has a form that grading does not take.

    Args:
        value: what an answer gives.
        classes: names of the notebook's own classes whose objects the tests know. None by default.
        is_data: whether it must be data, or a function. By default only models are looked at.

    Raises:
        FormError: it has.
    """
    if _is_model(value):
        _look_at_model(value, classes)
    elif isinstance(value, list | tuple | dict) and len(value) <= _MOST_ITEMS:
        for item in value.values() if isinstance(value, dict) else value:
            look_at(item, classes, is_data)
    if not is_data or _is_model(value):
        return
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray) and value.dtype.hasobject:
        raise FormError(OBJECT_ARRAY)
    kind = type(value)
    if isinstance(value, type | types.ModuleType):
        raise FormError(advice("a function or class" if callable(value) else _named(kind)))
    if not _is_data(value) and kind.__name__ not in classes:
        raise FormError(advice(f"an object of the class {kind.__name__}"))


def _named(kind: type) -> str:
    return f"a value of type {kind.__module__}.{kind.__qualname__}"


def _is_data(value: Any) -> bool:
    """Whether a value is of a type that goes to another process, or is a function."""
    module = type(value).__module__
    if module == "__main__":
        return isinstance(value, types.FunctionType)
    return (
        module.partition(".")[0] in _OF_DATA
        or isinstance(value, Iterator | types.FunctionType | functools.partial)
        or any(isinstance(value, _library(name)) for name in _OTHER_DATA)
    )


def _library(name: str) -> type | tuple[()]:
    """A library's class, if that library has been imported."""
    module, _, path = name.partition(":")
    found: type | tuple[()] = ()
    if module in sys.modules:
        found = operator.attrgetter(path)(sys.modules[module])
    return found


def _unmasked(value: Any) -> Any:
    """What grading takes for a masked array: NaN where it is masked, which agrees with nothing."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ma.MaskedArray):
        return value
    try:
        return numpy.ma.filled(value.astype(float), numpy.nan)
    except (TypeError, ValueError):
        raise FormError(advice("a masked array without numbers")) from None


def _is_model(value: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


def _look_at_model(model: Any, classes: Collection[str]) -> None:
    kind = type(model)
    if kind.__module__ == "__main__":
        if kind.__name__ not in classes:
            raise FormError(advice(f"an object of the class {kind.__name__}"))
        return
    if not model.built:
        raise FormError(NOT_BUILT)
    with tempfile.TemporaryDirectory(prefix="form-") as folder:
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
