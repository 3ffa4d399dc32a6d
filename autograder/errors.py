"""Errors that an instructor can act on."""

import errno

# What the system says where a disk is full, or a person's share of it.
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


class CourseError(Exception):
    """Something is wrong with a lesson, a file or a command. The message says what, where and
    what to do; the command line prints it without a traceback."""


class IsolationError(CourseError):
    """Submissions cannot be isolated here."""
