"""Progress bars that are on the screen while something is imported."""

from __future__ import annotations

import os
import subprocess
import sys

# As many chances as there can be: a bar that is drawn 1,000 times a second, and threads that take
# turns as often as Python lets them.
BAR_WHILE_IMPORTING = """
import io, sys, threading, time
from course.progress import Bars
from rich.console import Console

failures = []
threading.excepthook = lambda args: failures.append(args.exc_value)
sys.setswitchinterval(1e-6)
console = Console(file=io.StringIO(), force_terminal=True)
with Bars(console=console, refresh_per_second=1000) as bars:
    bars.add_task("importing", total=None)
    import course.datasets
    time.sleep(0.05)
print(failures)
"""


def test_an_import_of_tensorflow_datasets_does_not_disturb_a_bar():
    command = [sys.executable, "-c", BAR_WHILE_IMPORTING]
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
