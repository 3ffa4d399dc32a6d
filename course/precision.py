"""Which dtype policy a machine should train with, and why.

Under a mixed policy Keras keeps the weights in float32 and computes in the shorter type. On a GPU
with tensor cores float16 is much faster; on a CPU it is emulated and over a hundred times slower,
so nothing here ever picks float16 for a CPU. Source: Micikevicius et al. (2018), "Mixed Precision
Training", https://arxiv.org/abs/1710.03740.
"""

from __future__ import annotations

from dataclasses import dataclass

POLICIES = ("auto", "float32", "mixed_float16", "mixed_bfloat16")

# Tensor cores, which make float16 pay, came with NVIDIA's Volta architecture.
TENSOR_CORES = (7, 0)


@dataclass(frozen=True)
class Device:
    """The device that Keras will train on.

    ``capability`` is an NVIDIA GPU's compute capability, such as ``(9, 0)``, or None.
    """

    kind: str
    name: str
    capability: tuple[int, int] | None = None


@dataclass(frozen=True)
class Choice:
    """A dtype policy and the reason for it, in a sentence."""

    policy: str
    reason: str


def find_device() -> Device:
    """The first GPU that TensorFlow sees, or else the CPU."""
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpu)
        return Device(
            "GPU", details.get("device_name", gpu.name), details.get("compute_capability")
        )
    return Device("CPU", "CPU")


def choose(precision: str, device: Device) -> Choice:
    """The policy for a wish, which is one of ``POLICIES``, on a device.

    Raises:
        ValueError: the wish is unknown, or is float16 on a device where it cannot pay.
    """
    if precision not in POLICIES:
        raise ValueError(
            f"precision={precision!r} is unknown: choose one of {', '.join(map(repr, POLICIES))}."
        )
    if precision == "mixed_float16" and device.kind != "GPU":
        raise ValueError(
            f"precision='mixed_float16' needs a GPU, and this is a {device.kind}, where float16 is "
            "over 100 times slower than float32. Use 'auto', or 'mixed_bfloat16' on a CPU with AMX."
        )
    if precision != "auto":
        return Choice(precision, "you asked for it")
    if device.kind != "GPU":
        return Choice("float32", "results on a CPU should not depend on which CPU")
    if device.capability is None:
        return Choice("float32", "the GPU does not report a compute capability")
    version = ".".join(map(str, device.capability))
    if device.capability >= TENSOR_CORES:
        return Choice("mixed_float16", f"compute capability {version} has tensor cores")
    return Choice("float32", f"compute capability {version} has no tensor cores")
