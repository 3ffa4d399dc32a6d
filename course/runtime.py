"""One call at the top of every lesson: seeds, dtype policy, figure style, ``%check``."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from course import precision as precision_module


@dataclass(frozen=True)
class Setup:
    """What ``setup`` chose. Prints as one line."""

    seed: int
    policy: str
    reason: str
    device: str

    def __str__(self) -> str:
        return f"seed {self.seed} · {self.policy} on {self.device}: {self.reason}"

    def _ipython_display_(self) -> None:
        """Show nothing: as the last value of a cell it would repeat what ``setup`` has printed."""


def setup(seed: int = 0, precision: str = "auto", *, quiet: bool = False) -> Setup:
    """Seed Python, NumPy and TensorFlow, pick the dtype policy, and say what was chosen and why.

    In a notebook it also offers ``%check``, and shows an exercise that is not answered yet in one
    line (see ``course.notebook``).

    Args:
        seed: the seed, an integer from 0 to 2**32 - 1. The default is 0.
        precision: the dtype policy. ``"auto"``, the default, is ``mixed_float16`` on a GPU with
            tensor cores and ``float32`` elsewhere. The others are ``"float32"``,
            ``"mixed_float16"`` (on a GPU only) and ``"mixed_bfloat16"``.
        quiet: whether the line is left out. False by default.

    Raises:
        ValueError: the precision is unknown or cannot run well on this device.
    """
    import keras

    from course import notebook, plots

    # TensorFlow's advice on how often it traces functions looks like an error of the lesson.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    device = precision_module.find_device()
    choice = precision_module.choose(precision, device)
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(choice.policy)
    plots.use_style()
    notebook.switch_on()
    name = device.name if device.kind == "GPU" else f"a CPU with {os.cpu_count()} cores"
    chosen = Setup(seed, choice.policy, choice.reason, name)
    if not quiet:
        print(chosen)
    return chosen
