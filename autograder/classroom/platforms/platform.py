"""The platforms whose formats are known."""

from __future__ import annotations

from enum import StrEnum


class Platform(StrEnum):
    """Where submissions come from."""

    CANVAS = "Canvas"
    MOODLE = "Moodle"
    BLACKBOARD = "Blackboard"
    FOLDER = "a folder"
