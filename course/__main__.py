"""``python -m course``: the command ``course``, where its script is not on the path."""

from course.cli import main

main()
