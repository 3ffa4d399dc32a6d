"""Values of libraries as bytes: Keras's models and records, and functions that both sides have."""

from __future__ import annotations

import importlib
import io
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from autograder.sandbox.inside.channel import MAX_BYTES
from autograder.sandbox.inside.errors import CannotTravelError

# Modules whose public functions a test may hand to an answer by name.
SHARED_MODULES = (
    "numpy", "keras", "tensorflow", "course", "math", "builtins", "collections", "operator", "copy",
)  # fmt: skip


def shared_name(value: Any) -> str | None:
    """``module:name`` for a public function or class of a library that both sides have."""
    name = getattr(value, "__name__", None)
    if not isinstance(name, str) or not callable(value):
        return None
    module = getattr(value, "__module__", None) or "numpy"
    if module.partition(".")[0] not in SHARED_MODULES:
        return None
    for candidate in (module, "numpy"):
        if getattr(sys.modules.get(candidate), name, None) is value:
            return f"{candidate}:{name}"
    return None


def find_shared(name: str) -> Any:
    """The function or class that ``shared_name`` named."""
    module, _, attribute = name.partition(":")
    if module.partition(".")[0] not in SHARED_MODULES:
        raise CannotTravelError(f"{name} is not shared.")
    return getattr(importlib.import_module(module), attribute)


def _model_bytes(model: Any) -> bytes:
    if not model.built:
        raise CannotTravelError("This Keras model has not been built: give it an input shape.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        try:
            model.save(path)
        except Exception as error:
            raise _not_loadable(error) from None
        return path.read_bytes()


def _parts(history: Any) -> tuple[list, dict]:
    """What of Keras's record of a training is data."""
    losses = {name: [float(value) for value in values] for name, values in history.history.items()}
    return list(history.epoch), losses


def _history(epochs: list, losses: dict) -> Any:
    import keras

    history = keras.callbacks.History()
    history.epoch, history.history = epochs, losses
    return history


def _load_model(data: bytes) -> Any:
    import keras

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise CannotTravelError("This Keras model is too large.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(data)
        try:
            return keras.saving.load_model(path, safe_mode=True)
        except Exception as error:
            raise _not_loadable(error) from None


def _not_loadable(error: Exception) -> CannotTravelError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return CannotTravelError(
        "This Keras model cannot be saved and loaded again, which the tests need: use Keras's own "
        f"layers, no Lambda layer and no class of your own. ({reason})"
    )
