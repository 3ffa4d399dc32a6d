"""Replies that compute nothing, of which tests may still think well.

The text of this module is put below an instructor's answer, in the process of the answers. So it
imports nothing of ours, and its names begin alike.
"""

import functools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

# Right replies by the function and its arguments, and the first right reply of each function.
_fool_known: dict[Any, Any] = {}
_fool_first: dict[str, Any] = {}


def _fool_right(function: Any, args: Any, kwargs: Any) -> Any:
    """The right reply, computed once for the same arguments, which stay as they are: a function
    that works by changing them would do its work."""
    try:
        given = pickle.dumps((args, kwargs))
        args, kwargs = pickle.loads(given)
    except Exception:
        return function(*args, **kwargs)
    key = function.__name__, given
    if key not in _fool_known:
        _fool_known[key] = function(*args, **kwargs)
    return _fool_known[key]


def _fool_map(change: Callable[[Any], Any], value: Any) -> Any:
    """A container with each item changed; None for anything else."""
    if isinstance(value, tuple):
        return tuple(map(change, value))
    if isinstance(value, list):
        return list(map(change, value))
    if isinstance(value, dict):
        return {key: change(item) for key, item in value.items()}
    return None


def _fool_like(value: Any, number: Any) -> Any:
    """Something of the same form that holds nothing but a number."""
    items = _fool_map(lambda item: _fool_like(item, number), value)
    if items is not None:
        return items
    if type(value).__module__.startswith("pandas") and hasattr(value, "iloc"):
        return value * 0 + number
    is_array = isinstance(value, np.ndarray) or hasattr(value, "numpy")
    return np.full(np.shape(value), number) if is_array else number


def _fool_emptied(value: Any) -> Any:
    """The same without what is in it."""
    if isinstance(value, tuple):
        return tuple(map(_fool_emptied, value))
    if isinstance(value, dict):
        return {}
    try:
        return value[:0]
    except Exception:
        return np.zeros(0)


def _fool_masked(value: Any) -> Any:
    """A masked array of the same shape, or several."""
    items = _fool_map(_fool_masked, value)
    if items is not None:
        return items
    shape = np.shape(value)
    return np.ma.MaskedArray(np.zeros(shape), np.ones(shape, bool))


def _fool_zero(value: Any) -> bool:
    """Write zeros into an argument; whether that was possible."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.size:
        value[...] = 0
        return True
    done = False
    keys = range(len(value)) if isinstance(value, list) else value if type(value) is dict else ()
    for key in list(keys):
        if isinstance(value[key], int | float):
            value[key], done = 0, True
        else:
            done |= _fool_zero(value[key])
    return done


_FOOL_SAME: dict[str, Any] = {
    "None": None,
    "0": 0,
    "True": True,
    "NaN": float("nan"),
    "an empty list": [],
}
_FOOL_FORM: dict[str, Callable[[Any], Any]] = {
    "NaN in every place": lambda value: _fool_like(value, np.nan),
    "zeros in every place": lambda value: _fool_like(value, 0.0),
    "an emptied reply": _fool_emptied,
    "a masked array": _fool_masked,
}


def _fool_value(value: Any, kind: str) -> Any:
    """What takes the place of an answer that is no function."""
    if kind == "an empty array":
        return np.zeros(0)
    if kind == "pd.NA":
        import pandas

        return pandas.NA
    return _FOOL_FORM[kind](value) if kind in _FOOL_FORM else _FOOL_SAME[kind]


def _fool_function(function: Any, kind: str) -> Any:
    """What takes the place of a function."""
    _fool_first.clear()

    @functools.wraps(function)
    def fool(*args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        if kind == "its argument":
            return given[0]
        if kind in ("its argument zeroed", "the reply for zeros"):
            # Where there is nothing to write zeros into, this would be the right answer.
            if not any([_fool_zero(each) for each in given]):
                return None
            return function(*args, **kwargs) if kind == "the reply for zeros" else given[0]
        if kind in _FOOL_FORM:
            right = _fool_right(function, args, kwargs)
            return _fool_function(right, kind) if callable(right) else _FOOL_FORM[kind](right)
        if kind == "the first reply":
            if "reply" not in _fool_first:
                _fool_first["reply"] = function(*args, **kwargs)
            return _fool_first["reply"]
        return _fool_value(None, kind)

    return fool
