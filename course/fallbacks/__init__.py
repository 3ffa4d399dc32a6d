"""What a lesson goes on with where an exercise is not answered, or not yet right.

A lesson uses what its reader wrote. So that it can be read and run before, ``choose`` takes the
course's own function instead, and says so. There is a module for each lesson that needs one.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def choose(answer: Function, ours: Function, works: Callable[[Function], Any]) -> Function:
    """The reader's function where it works, else the course's. Prints a line if it is the latter.

    Args:
        answer: what the reader wrote; unanswered, it raises ``NotImplementedError``.
        ours: a function of the course that does the same.
        works: a quick test. It gets the answer, and the answer works if it returns something true.
            What is printed meanwhile is not shown.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            is_right = works(answer)
        if is_right:
            return answer
        problem = "does not do what the exercise asks for yet"
    except NotImplementedError:
        problem = "is not written yet"
    except Exception as error:
        problem = f"raises {type(error).__name__}"
    print(f"Your `{ours.__name__}` {problem}: the lesson goes on with one of its own.")
    return ours
