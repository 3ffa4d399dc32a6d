"""A pytest plugin for nbval: kernels get the environment in which the notebooks were built.

Under pytest, ipykernel finds ``PYTEST_CURRENT_TEST`` and does not capture what C code prints.
They are forked from a process with TensorFlow imported, so only the first waits for that.
"""

from __future__ import annotations

import functools

import nbval.kernel

from autograder.publish.execute import kernel_environment
from course.kernels import warm_by_default

_start = nbval.kernel.start_new_kernel


@functools.wraps(_start)
def _start_clean(*args, **kwargs):
    with warm_by_default():
        return _start(*args, env=kernel_environment(), **kwargs)


def pytest_configure():
    nbval.kernel.start_new_kernel = _start_clean
