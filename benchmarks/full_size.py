"""How fast the lessons' models at full size train under each dtype policy, and in how much memory.

Takes each model from its lesson, trains it on batches of random numbers of the right shape under
every policy that this machine can run, and prints the median time of a step, its ratio to float32
and the peak of memory, with the device's name. As `precision.py` it needs Keras and NumPy (and Rich
for the table), and runs under any Keras backend:

    python benchmarks/full_size.py
    KERAS_BACKEND=jax python benchmarks/full_size.py --lesson 10_recurrent_networks --json

Memory is measured in a process for each model and policy: of a GPU the most that was in use, on a
CPU by how much the process has grown since Keras was imported. float16 is never run on a CPU.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import re
import resource
import runpy
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from precision import BASE, Trainee, Work, classes, device, policies, run

ROOT = Path(__file__).resolve().parent.parent


def names_of(lesson: str) -> dict[str, Any]:
    """What a lesson's cells at full size and its answers define: functions, and plain values.

    Nothing else of the lesson runs, so neither its data nor its other packages are needed.

    Args:
        lesson: its folder in ``solutions/``.
    """
    (source,) = (ROOT / "solutions" / lesson).glob("*.py")
    cells = re.split(r"^# %%(.*)$", source.read_text(encoding="utf-8"), flags=re.MULTILINE)
    names = {"keras": keras, "layers": layers, "ops": keras.ops, "np": np}
    for tags, code in zip(cells[1::2], cells[2::2], strict=True):
        if "full-size" not in tags and "solution=true" not in tags:
            continue
        for node in ast.parse(code).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) or _is_plain(node):
                # A class may come from one of the lesson's other packages; no model needs it.
                with contextlib.suppress(NameError):
                    exec(compile(ast.Module([node], []), str(source), "exec"), names)
    return names


def _is_plain(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign):
        return False
    try:
        ast.literal_eval(node.value)
    except ValueError:
        return False
    return True


def reader(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """01: handwritten digits; the reader's layer computes what Dense does."""
    names["Neurons"] = layers.Dense
    digits = rng.integers(0, 256, (names["BATCH"], 28, 28, 1), dtype="uint8")
    loss = keras.losses.SparseCategoricalCrossentropy()
    return Work(names["large_network"](), digits, rng.integers(0, 10, names["BATCH"]), loss)


def walker(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """02: handwritten digits, and a network of dense layers."""
    digits = rng.integers(0, 256, (names["BATCH"], 28, 28, 1), dtype="uint8")
    return Work(names["wide_network"](), digits, rng.integers(0, 10, names["BATCH"]), classes())


def photographer(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """05: small photographs, and which of ten things each shows."""
    pictures = rng.integers(0, 256, (names["BATCH"], 32, 32, 3), dtype="uint8")
    return Work(names["mixer"](), pictures, rng.integers(0, 10, names["BATCH"]), classes())


def physicist(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """06: columns of particle collisions, and whether each made a Higgs boson."""
    columns = rng.normal(size=(names["BATCH"], 28)).astype("float32")
    model = names["deep_network"](np.zeros(28), np.ones(28))
    is_higgs = rng.integers(0, 2, (names["BATCH"], 1))
    return Work(model, columns, is_higgs, keras.losses.BinaryCrossentropy())


def radiologist(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """07: small chest films, and whether they show pneumonia."""
    films = rng.random((names["BATCH"], 28, 28, 1)).astype("float32")
    labels = rng.integers(0, 2, (names["BATCH"], 1)).astype("float32")
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return Work(names["residual_network"]((28, 28, 1)), films, labels, loss)


def botanist(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """08: satellite pictures of ten kinds of land."""
    pictures = rng.random((names["BATCH"], names["SIZE"], names["SIZE"], 3)).astype("float32")
    whole = names["large_network"]({"first": 10})
    model = keras.Model(whole.input, whole.output["first"])
    return Work(model, pictures, rng.integers(0, 10, names["BATCH"]), classes())


def composer(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """10: drums at each sixteenth, and the same one step on."""
    names["DRUMS"] = range(9)
    grid = (rng.random((names["BATCH"], names["WINDOW"] + 1, 9)) < 0.2).astype("float32")
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return Work(names["drummer"](), grid[:, :-1], grid[:, 1:], loss)


def writer(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """11: windows of a text of 65 different characters."""
    ids = rng.integers(0, 65, (names["BATCH"], names["WINDOW"] + 1))
    return Work(names["large_model"](65), ids[:, :-1], ids[:, 1:], classes())


def translator(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """12: sentences of 40 tokens, in two languages of 20,000 and 16,000 tokens."""
    shape, sizes = (names["BATCH"], names["LONGEST"]), (20_000, 16_000)
    source, so_far, labels = (rng.integers(1, size, shape) for size in (*sizes, sizes[1]))
    model = names["large_translator"](*sizes)
    return Work(model, [source, so_far, np.ones(shape, bool)], labels, classes())


def describer(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """13: photographs and captions of 10,000 different words; the looker is frozen."""
    # The file alone: the package around it needs more than Keras and NumPy.
    ours = runpy.run_path(str(ROOT / "course" / "fallbacks" / "image_captions.py"))
    names["make_writer"] = ours["make_writer"]
    side, words = names["PIXELS"], 10_000
    photographs = rng.random((names["BATCH"], side, side, 3), dtype="float32") * 255
    rows = rng.integers(1, words, (names["BATCH"], names["LONGEST"] + 2))
    _, _, model = names["photograph_captioner"](words, None)
    return Work(model, [photographs, rows[:, :-1]], rows[:, 1:], classes())


def denoiser(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """17: digits with noise, and the same without."""
    digits = rng.random((names["BATCH"], 28, 28, 1)).astype("float32")
    noisy = layers.GaussianNoise(names["SPREAD"])
    inputs = keras.Input((28, 28, 1))
    network = names["wide_autoencoder"]((28, 28, 1), names["CODE"])
    model = keras.Model(inputs, network(noisy(inputs)))
    return Work(model, digits, digits, keras.losses.MeanSquaredError())


def guard(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """18: columns of connections, standardised; what goes in is to come out."""
    rows = rng.normal(size=(names["BATCH"], 122)).astype("float32")
    return Work(names["wide_hourglass"](122), rows, rows, keras.losses.MeanSquaredError())


def player(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """22: four grey pictures of a game, and the values of its four actions."""
    pictures = rng.integers(0, 256, (names["BATCH"], 4, 84, 84), dtype="uint8")
    values = rng.normal(size=(names["BATCH"], 4)).astype("float32")
    return Work(names["pixel_network"]((4, 84, 84), 4), pictures, values, keras.losses.Huber())


def critic(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """24: a discriminator of faces that are real or made by its generator, as labels of 1 or 0."""
    noise = keras.Input((names["NOISE"],))
    model = keras.Model(noise, names["face_discriminator"]()(names["face_generator"]()(noise)))
    labels = rng.integers(0, 2, (names["BATCH"], 1)).astype("float32")
    drawn = rng.normal(size=(names["BATCH"], names["NOISE"])).astype("float32")
    return Work(model, drawn, labels, keras.losses.BinaryCrossentropy(from_logits=True))


def sharpener(names: dict[str, Any], rng: np.random.Generator) -> Work:
    """25: coarse squares of faces, and the photographs that they were."""
    squares, photographs = (
        rng.random((names["BATCH"], size, size, 3)).astype("float32") for size in (8, 64)
    )
    return Work(names["large_sharpener"](), squares, photographs, keras.losses.MeanSquaredError())


MODELS: dict[str, Callable[[dict[str, Any], np.random.Generator], Work]] = {
    "01_neurons_and_layers": reader,
    "02_loss_and_backpropagation": walker,
    "05_precision_and_hardware": photographer,
    "06_patient_records": physicist,
    "07_chest_xrays": radiologist,
    "08_crops_and_climate": botanist,
    "10_recurrent_networks": composer,
    "11_language_models": writer,
    "12_translation": translator,
    "13_image_captions": describer,
    "17_autoencoders": denoiser,
    "18_anomaly_detection": guard,
    "22_deep_q_learning": player,
    "24_gans": critic,
    "25_fakes_and_fairness": sharpener,
}


def build(lesson: str, scale: int = 1) -> Work:
    """A lesson's model and one batch for it; these models have their own size."""
    return MODELS[lesson](names_of(lesson), np.random.default_rng(0))


def megabytes(lesson: str, policy: str) -> float:
    """The peak of memory of training a model for two steps, measured in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Trainee(partial(build, lesson), policy, 1, 2)
    if device()[0] != "GPU":
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    if keras.backend.backend() == "jax":
        import jax

        return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"] / 1e6
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6


def _in_its_own_process(lesson: str, policy: str) -> float:
    command = [sys.executable, __file__, "--memory", policy, "--lesson", lesson]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def show(report: dict[str, Any]) -> None:
    """Print a report as a table."""
    from rich.console import Console
    from rich.table import Table

    title = f"{report['device']} · Keras {report['keras']} on {report['backend']}"
    table = Table(title=title, title_justify="left")
    for column in ("model", "policy", "ms a step", "", "speed", "MB"):
        table.add_column(column, justify="left" if column in {"model", "policy"} else "right")
    for row in report["results"]:
        spread = f"({row['fastest']:.1f} to {row['slowest']:.1f})"
        speed, memory = f"{row['speedup']:.2f} ×", f"{row['megabytes']:,.0f}"
        table.add_row(
            row["model"], row["policy"], f"{row['ms_per_step']:.1f}", spread, speed, memory
        )
    Console().print(table)


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lesson", action="append", choices=sorted(MODELS), help="all by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--steps", type=int, help="training steps a round (CPU 2, else 50)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds, of which the median counts")
    parser.add_argument(
        "--memory",
        choices=[BASE, "mixed_bfloat16", "mixed_float16"],
        help="print the megabytes that a lesson's model takes under this policy, and nothing else",
    )
    options = parser.parse_args()
    chosen = options.lesson or sorted(MODELS)
    if options.memory:
        print(megabytes(chosen[0], options.memory))
        return
    # Before this process has memory of the device, which some backends take as a whole.
    kind = subprocess.run(
        [sys.executable, "-c", "import precision; print(precision.device()[0])"],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
    ).stdout.split()[-1]  # fmt: skip
    memory = {
        (lesson, policy): _in_its_own_process(lesson, policy)
        for lesson in chosen
        for policy in policies(kind)
    }
    steps = options.steps or (2 if kind == "CPU" else 50)
    report = run(
        {lesson: partial(build, lesson) for lesson in chosen}, 1, steps, options.repeats,
        lambda doing: print(doing, file=sys.stderr),
    )  # fmt: skip
    for row in report["results"]:
        row["megabytes"] = round(memory[row["model"], row["policy"]], 1)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)


if __name__ == "__main__":
    main()
