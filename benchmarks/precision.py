"""How much faster, or slower, each dtype policy trains on this machine.

Trains the same convolutional network and the same small transformer under every policy that the
machine can run, and prints the median time of a step and its ratio to float32, with the device's
name. It needs Keras and NumPy (and Rich for the table), and runs under any Keras backend:

    KERAS_BACKEND=jax python benchmarks/precision.py
    python benchmarks/precision.py --json --repeats 5

float16 is never run on a CPU, where it is emulated.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

BASE = "float32"


class Work(NamedTuple):
    """A model that is not compiled, one batch of inputs and targets, and the loss between them."""

    model: keras.Model
    x: np.ndarray | list[np.ndarray]
    y: np.ndarray
    loss: keras.losses.Loss


# From a scale, which multiplies width and batch where a model has one.
Build = Callable[[int], Work]


def device() -> tuple[str, str]:
    """The kind (``"GPU"``, ``"CPU"`` or ``"TPU"``) and name of the device that Keras uses."""
    if keras.backend.backend() == "torch":
        import torch

        kind = "GPU" if torch.cuda.is_available() else "CPU"
    else:
        kind = keras.distribution.list_devices()[0].partition(":")[0].upper()
        kind = "GPU" if kind == "CUDA" else kind
    if kind == "GPU":
        return kind, _first_line(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    if kind == "CPU":
        return kind, _cpu_name()
    return kind, kind


def _first_line(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "a GPU"


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            lines = dict(line.partition(":")[::2] for line in file if ":" in line)
    except OSError:
        lines = {}
    names = {name.strip(): value.strip() for name, value in lines.items()}
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    short = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in names.get("flags", "").split()]
    features = f", {' and '.join(short)}" if short else ""
    return f"{names.get('model name', platform.processor() or 'CPU')}, {cores} cores{features}"


def policies(kind: str) -> list[str]:
    """The dtype policies to compare on a kind of device."""
    return [BASE, "mixed_bfloat16"] + (["mixed_float16"] if kind == "GPU" else [])


def classes() -> keras.losses.Loss:
    """The loss between logits and whole numbers."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def cnn(scale: int) -> Work:
    """A convolutional network of three blocks, and a batch of images 32 × 32 × 3."""
    inputs = x = keras.Input((32, 32, 3))
    for maps in (32, 64, 128):
        x = layers.Conv2D(maps * scale, 3, padding="same", activation="relu")(x)
        x = layers.Conv2D(maps * scale, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(10, dtype="float32")(x), name="cnn")
    rng = np.random.default_rng(0)
    images = rng.normal(size=(64 * scale, 32, 32, 3)).astype("float32")
    return Work(model, images, rng.integers(0, 10, 64 * scale), classes())


def transformer(scale: int) -> Work:
    """A causal transformer of two blocks over 64 symbols, and a batch of texts."""
    width, length, symbols = 128 * scale, 64 * scale, 96
    inputs = keras.Input((length,), dtype="int32")
    x = layers.Embedding(symbols, width)(inputs)
    for _ in range(2):
        attended = layers.MultiHeadAttention(4 * scale, 32)(
            layers.LayerNormalization()(x), layers.LayerNormalization()(x), use_causal_mask=True
        )
        x = layers.Add()([x, attended])
        wide = layers.Dense(4 * width, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(width)(wide)])
    outputs = layers.Dense(symbols, dtype="float32")(x)
    model = keras.Model(inputs, outputs, name="transformer")
    texts = np.random.default_rng(0).integers(0, symbols, (32 * scale, length + 1))
    return Work(model, texts[:, :-1], texts[:, 1:], classes())


class Clock(keras.callbacks.Callback):
    """Takes the time from the first step of a ``fit`` until the device has finished the last."""

    def on_train_batch_begin(self, batch, logs=None) -> None:
        if batch == 0:
            self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None) -> None:
        # Work may still be under way: wait for the loss, and for the weights that it changes.
        self.loss = float(logs["loss"])
        keras.ops.convert_to_numpy(self.model.trainable_variables[-1].value)
        self.seconds = time.perf_counter() - self.start


class Trainee:
    """A fresh model under a policy, ready to be timed."""

    def __init__(self, build: Build, policy: str, scale: int, steps: int):
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy(policy)
        self.policy = policy
        self.milliseconds: list[float] = []
        self.model, x, y, loss = build(scale)
        self.model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
        self.batch, self.steps = len(y), steps
        self.x, self.y = keras.tree.map_structure(
            lambda part: np.concatenate([part] * steps), (x, y)
        )
        # Tracing and compiling are not timed, nor is a first whole round.
        self.round()
        self.milliseconds.clear()

    def round(self) -> None:
        """Train for a round of steps, and note the time of one."""
        clock = Clock()
        options = {"batch_size": self.batch, "shuffle": False, "verbose": 0, "callbacks": [clock]}
        self.model.fit(self.x, self.y, **options)
        self.milliseconds.append(clock.seconds / self.steps * 1000)
        self.loss = clock.loss


def run(
    builds: Mapping[str, Build],
    scale: int,
    steps: int,
    repeats: int,
    progress: Callable[[str], None] = print,
) -> dict:
    """Measure every model under every policy of this machine.

    The policies take turns, so that other load on the machine affects all of them equally; a
    policy's speed is the median over rounds of float32's time by its own.
    """
    kind, name = device()
    results = []
    for model, build in builds.items():
        progress(f"building {model}")
        trainees = [Trainee(build, policy, scale, steps) for policy in policies(kind)]
        for repeat in range(repeats):
            for trainee in trainees:
                progress(f"{model}, {trainee.policy}, {repeat + 1} of {repeats}")
                trainee.round()
        base = trainees[0].milliseconds
        for trainee in trainees:
            times = trainee.milliseconds
            speeds = [one / other for one, other in zip(base, times, strict=True)]
            results.append(
                {
                    "model": model,
                    "policy": trainee.policy,
                    "ms_per_step": round(statistics.median(times), 2),
                    "fastest": round(min(times), 2),
                    "slowest": round(max(times), 2),
                    "speedup": round(statistics.median(speeds), 2),
                    "loss": round(trainee.loss, 3),
                }
            )
    keras.config.set_dtype_policy(BASE)
    return {
        "device": name,
        "kind": kind,
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "steps": steps,
        "repeats": repeats,
        "scale": scale,
        "results": results,
    }


def show(report: dict) -> None:
    """Print a report as a table."""
    from rich.console import Console
    from rich.table import Table

    title = f"{report['device']} · Keras {report['keras']} on {report['backend']}"
    note = (
        f"Median of {report['repeats']} rounds of {report['steps']} steps each, after one round to "
        "warm up; in brackets the fastest and slowest. Speed relative to float32 in the same round."
    )
    table = Table(title=title, caption=note, title_justify="left", caption_justify="left")
    for column in ("model", "policy", "ms a step", "", "speed", "loss"):
        table.add_column(column, justify="left" if column in {"model", "policy"} else "right")
    for row in report["results"]:
        spread = f"({row['fastest']:.1f} to {row['slowest']:.1f})"
        speed = f"{row['speedup']:.2f} ×"
        times = f"{row['ms_per_step']:.1f}"
        table.add_row(row["model"], row["policy"], times, spread, speed, f"{row['loss']:.3f}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--steps", type=int, help="training steps a round (CPU 4, else 50)")
    parser.add_argument("--repeats", type=int, default=7, help="rounds, of which the median counts")
    parser.add_argument("--scale", type=int, help="width and batch (CPU 1, else 4)")
    arguments = parser.parse_args()
    on_cpu = device()[0] == "CPU"
    steps = arguments.steps or (4 if on_cpu else 50)
    scale = arguments.scale or (1 if on_cpu else 4)
    builds = {"cnn": cnn, "transformer": transformer}
    if arguments.json:
        report = run(builds, scale, steps, arguments.repeats, lambda doing: None)
        print(json.dumps(report, indent=2))
        return
    from rich.status import Status

    with Status("Starting") as status:
        say = lambda doing: status.update(doing.capitalize())  # noqa: E731
        report = run(builds, scale, steps, arguments.repeats, say)
    show(report)


if __name__ == "__main__":
    main()
