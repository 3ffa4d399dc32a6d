"""Run cells as Jupyter would, without a kernel: outputs, last value, errors."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from autograder.sandbox.inside.channel import MAX_TEXT


@dataclass
class CellRun:
    """What a cell did.

    Attributes:
        outputs: what it displayed, as nbformat has it.
        error: the exception that ended it, if one did.
        value: the ``repr`` of its last expression, if that is not None.
    """

    outputs: list[dict[str, Any]] = field(default_factory=list)
    error: BaseException | None = None
    value: str | None = None


class LimitedText(io.TextIOBase):
    """A stream that keeps the beginning of what is written and counts the rest."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.size = 0

    def write(self, text: str) -> int:
        """Keep the text as far as there is room; its length."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        room = MAX_TEXT - self.size
        if room > 0:
            self.kept.append(text[:room])
        self.size += len(text)
        return len(text)

    def getvalue(self) -> str:
        """What was kept, and how much was not."""
        text = "".join(self.kept)
        dropped = self.size - len(text)
        return text + (f"\n[{dropped} more characters were dropped.]\n" if dropped > 0 else "")


class QuietShell(InteractiveShell):
    """Errors are returned, not shown."""

    def showtraceback(self, *_: Any, **__: Any) -> None:
        """Show nothing."""

    def showsyntaxerror(self, *_: Any, **__: Any) -> None:
        """Show nothing."""

    def enable_gui(self, *_: Any) -> None:
        """Do nothing: `%matplotlib inline` asks for it, and there is no window to keep alive."""


class Shell:
    """An IPython shell whose output is collected."""

    def __init__(self, kind: type[QuietShell] = QuietShell) -> None:
        """Make it.

        Args:
            kind: of shell.
        """
        os.environ.setdefault("IPYTHONDIR", "/tmp/ipython")
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        self.ip: Any = kind.instance(config=config)
        self.names: dict[str, Any] = self.ip.user_ns

    def run(self, source: str) -> CellRun:
        """Run one cell in the shared namespace."""
        return self._run(lambda: self.ip.run_cell(source, store_history=True))

    def run_in(
        self, loop: asyncio.AbstractEventLoop, source: str, store_history: bool = True
    ) -> CellRun:
        """As ``run``, with an event loop that runs meanwhile, as a kernel's does.

        Args:
            loop: the loop.
            source: the cell.
            store_history: whether the notebook's ``In`` and ``Out`` have the cell.
        """

        async def in_loop() -> Any:
            transformed, raised = source, None
            try:
                transformed = self.ip.transform_cell(source)
            except Exception:
                raised = sys.exc_info()
            if not self.ip.should_run_async(source, transformed_cell=transformed):
                return self.ip.run_cell(source, store_history=store_history)
            return await self.ip.run_cell_async(
                source,
                store_history=store_history,
                transformed_cell=transformed,
                preprocessing_exc_tuple=raised,
            )

        return self._run(lambda: loop.run_until_complete(in_loop()))

    def _run(self, execute: Callable[[], Any]) -> CellRun:
        stdout, stderr = LimitedText(), LimitedText()
        saved = sys.stdout, sys.stderr
        with capture_output(stdout=False, stderr=False, display=True) as captured:
            sys.stdout, sys.stderr = stdout, stderr
            try:
                result = execute()
            finally:
                sys.stdout, sys.stderr = saved
        run = CellRun(error=result.error_before_exec or result.error_in_exec)
        for name, stream in (("stdout", stdout), ("stderr", stderr)):
            if text := stream.getvalue():
                run.outputs.append({"output_type": "stream", "name": name, "text": text})
        run.outputs += [_display(output) for output in captured.outputs]
        if result.success and result.result is not None:
            run.value = _repr(result.result)
        return run

    def plain(self, source: str) -> str:
        """A cell as Python, without IPython's own syntax."""
        plain: str = self.ip.transform_cell(source)
        return plain

    def code_name(self, source: str) -> str:
        """The file name that tracebacks give to the cell that is run next."""
        name: str = self.ip.compile.get_code_name(
            source, self.plain(source), self.ip.execution_count
        )
        return name


def _display(output: Any) -> dict[str, Any]:
    return {
        "output_type": "display_data",
        "data": dict(output.data),
        "metadata": dict(output.metadata or {}),
    }


def _repr(value: Any) -> str:
    try:
        # NumPy's own repr says `np.float64(1.5)`, and points are numbers.
        return repr(value.item() if isinstance(value, np.number) else value)[:MAX_TEXT]
    except Exception as error:
        return f"<a value whose repr raises {type(error).__name__}>"


def traceback_text(error: BaseException) -> list[str]:
    """A traceback without the frames of IPython and of this package."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "/IPython/" not in frame.filename and "/autograder/sandbox/inside/" not in frame.filename
    ]
    lines = traceback.format_list(frames)
    return [line.rstrip("\n") for line in [*lines, *traceback.format_exception_only(error)]]
