"""The process of a fork server: ``python -m course.kernels LISTENER PATH``."""

import sys
from pathlib import Path

from course.kernels.server import main

main(int(sys.argv[1]), Path(sys.argv[2]))
