"""Errors that an instructor can act on."""


class CourseError(Exception):
    """Something is wrong with a lesson, a file or a command. The message says what, where and
    what to do; the command line prints it without a traceback."""


class IsolationError(CourseError):
    """Submissions cannot be isolated here."""
