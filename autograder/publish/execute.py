"""Run notebooks in fresh kernels, with an environment that is the same everywhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

KERNEL = "python3"


def kernel_environment() -> dict[str, str]:
    """The environment variables for a kernel.

    Under pytest, ipykernel sees ``PYTEST_CURRENT_TEST`` and does not capture what C code prints.
    TensorFlow's logs would go to stderr.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    environment |= {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    return environment


def socket_config(folder: Path) -> Config:
    """Kernels that are reached through files in ``folder``, which other users of the machine
    cannot open, as they could a port."""
    return Config({"KernelManager": {"transport": "ipc", "ip": str(folder / "socket")}})


def run_notebook(
    notebook: NotebookNode,
    folder: Path,
    timeout: int = 600,
    on_cell: Callable[[int], None] | None = None,
) -> NotebookNode:
    """Execute a notebook in place, from top to bottom, in a fresh kernel.

    Args:
        notebook: with code cells; their outputs are replaced.
        folder: the kernel's working directory.
        timeout: seconds for one cell.
        on_cell: called with each cell's index when it has run.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised.
    """
    with tempfile.TemporaryDirectory(prefix="kernel-") as sockets:
        client = NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name=KERNEL,
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,
            coalesce_streams=True,
            on_cell_complete=lambda cell, cell_index: on_cell(cell_index) if on_cell else None,
            config=socket_config(Path(sockets)),
        )
        client.execute(env=kernel_environment())
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_blank(output)]
    return notebook


def _is_blank(output: NotebookNode) -> bool:
    """Whether an output is what a progress bar leaves that has taken itself away."""
    return output.output_type == "stream" and not output.text.strip()
