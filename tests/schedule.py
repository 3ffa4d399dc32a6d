"""Which tests run in one process, one after the other, under ``pytest -n``."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

# Their tests take up to minutes and share nothing.
EACH_ALONE = ("tests/course/test_run_all.py", "tests/full_size/test_full_size.py")


class Schedule(LoadFileScheduling):
    """The tests of a file in one process, since they share its fixtures; those of ``EACH_ALONE`` in
    whichever process is free, so that none is left with all of them at the end."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(EACH_ALONE) else super()._split_scope(nodeid)
