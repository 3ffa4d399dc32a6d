"""What the processes that grade say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ObjectUse:
    """What an assignment's tests did with objects of the answers.

    Found out with the instructor's own answers, it is what the tests may do with a student's.

    Attributes:
        given_by: the questions that were answered with an object, as ``name``, ``.method`` or
            ``#`` (any function that an answer returned).
        comparisons: by class, how its objects are compared, see ``classes.comparison``.
        compared: the classes whose objects the tests compared.
        refused: whether an object was refused because its question is not in ``given_by``.
    """

    given_by: frozenset[str] = frozenset()
    comparisons: Mapping[str, list[str]] = field(default_factory=dict)
    compared: frozenset[str] = frozenset()
    refused: bool = False
