"""Stand-ins for the answers of the lesson on patient records; its exercises say what they do.

Beside each is a quick test of the reader's own, for ``fallbacks.choose``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

Pair = tuple[np.ndarray, np.ndarray]
Report = dict[str, dict[str, float]]


def split_by_patient(patients: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which dossiers (n,) belong to a random share of the patients, bool."""
    numbers = sorted(set(np.asarray(patients).tolist()))
    draw = np.random.default_rng(seed)
    held_out = draw.choice(numbers, size=int(share * len(numbers) + 0.5), replace=False)
    return np.array([patient in set(held_out.tolist()) for patient in patients], bool)


def preparation(numbers: np.ndarray, codes: np.ndarray) -> keras.Model:
    """A model from ``{"numbers": (batch, c), "reason": (batch,)}`` to columns for a network."""
    rows = np.asarray(numbers, "float64")
    has_gap = np.isnan(rows)
    middle = np.nanmedian(rows, axis=0)
    rows = np.where(has_gap, middle, rows)
    varies = np.ptp(rows, axis=0) > 0
    center = np.where(varies, rows.mean(axis=0), middle)
    variance = np.where(varies, rows.var(axis=0), 1.0)

    figures = keras.Input((rows.shape[1],), name="numbers")
    why = keras.Input((), dtype="string", name="reason")
    is_known = ops.equal(figures, figures)
    filled = ops.where(is_known, figures, ops.convert_to_tensor(middle, "float32"))
    parts = [keras.layers.Normalization(mean=center, variance=variance)(filled)]
    for place in np.flatnonzero(has_gap.any(axis=0)).tolist():
        parts.append(1.0 - ops.cast(is_known[:, place : place + 1], "float32"))
    vocabulary = sorted(set(np.asarray(codes).tolist()))
    parts.append(keras.layers.StringLookup(vocabulary=vocabulary, output_mode="one_hot")(why))
    return keras.Model(
        inputs={"numbers": figures, "reason": why}, outputs=keras.layers.Concatenate()(parts)
    )


def train_network(
    train: Pair, validation: Pair, width: int, penalty: float
) -> tuple[keras.Model, keras.callbacks.History]:
    """A trained network from columns (batch, c) to risks (batch, 1), and its history."""
    network = keras.Sequential([keras.layers.Input(np.shape(train[0])[1:])])
    for size in (width, width // 2):
        network.add(
            keras.layers.Dense(size, "relu", kernel_regularizer=keras.regularizers.L2(penalty))
        )
    network.add(keras.layers.Dense(1, "sigmoid"))
    network.compile(
        optimizer=keras.optimizers.Adam(learning_rate=3e-3),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=[keras.metrics.BinaryCrossentropy("cross_entropy")],
    )
    early = keras.callbacks.EarlyStopping(
        monitor="val_cross_entropy", patience=6, restore_best_weights=True, mode="min"
    )
    history = network.fit(
        *train,
        batch_size=256,
        epochs=60,
        validation_data=validation,
        callbacks=[early],
        verbose=0,
    )
    return network, history


def decision_model(
    preparation: keras.Model, network: keras.Model, costs: Sequence[Sequence[float]] | np.ndarray
) -> keras.Model:
    """A model from the preparation's inputs to decisions (batch, 1), 1 for a scan."""
    (home_well, scan_well), (home_ill, scan_ill) = np.asarray(costs, float).tolist()
    chance = network(preparation.output)
    gained = (home_ill - scan_ill) * chance - (scan_well - home_well) * (1.0 - chance)
    return keras.Model(preparation.input, ops.where(gained > 0, 1.0, 0.0))


def audit(truth: np.ndarray, risk: np.ndarray, group: np.ndarray, threshold: float) -> Report:
    """For each group, the share of the ill who are found, and ill for each one expected."""
    report = {}
    for name in sorted(set(np.asarray(group).tolist())):
        is_here = group == name
        is_ill = is_here & (truth == 1)
        report[name] = {
            "sensitivity": float(np.mean(risk[is_ill] >= threshold)),
            "observed_to_expected": float(is_ill.sum() / risk[is_here].sum()),
        }
    return report


def split_by_patient_works(answer: Callable[..., Any]) -> bool:
    """Whether whole patients are held out, as many as were asked for."""
    patients = np.array([3, 3, 8, 5, 8, 1])
    chosen = np.asarray(answer(patients, 0.5, 0))
    held_out = set(patients[chosen].tolist())
    is_whole = not held_out & set(patients[~chosen].tolist())
    return chosen.dtype == bool and is_whole and len(held_out) == 2


def preparation_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether two dossiers, one with a gap, give finite columns of the right number."""
    numbers = np.array([[1, 2], [np.nan, 4], [3, 9]], "float32")
    model = answer(numbers, np.array(["R05", "R91", "R05"], object))
    columns = model({"numbers": numbers, "reason": np.array(["R05", "R91", "R99"])})
    return np.shape(columns) == (3, 6) and bool(np.isfinite(columns).all())


def train_network_works(answer: Callable[..., Any]) -> bool:
    """Whether a training on few rows gives risks and a history of the metric."""
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    pair = x, (x[:, :1] > 0).astype("float32")
    network, history = answer(pair, pair, 4, 0.1)
    risk = network.predict(x, verbose=0)
    return "val_cross_entropy" in history.history and risk.shape == (40, 1) and risk.min() >= 0


def decision_model_works(answer: Callable[..., keras.Model]) -> bool:
    """Whether two risks on both sides of a threshold of 0.25 are decided rightly."""
    dossier, risk = keras.Input((1,), name="numbers"), keras.Input((1,))
    before = keras.Model({"numbers": dossier}, keras.layers.Rescaling(0.1)(dossier))
    after = keras.Model(risk, keras.layers.Rescaling(1.0)(risk))
    scan = answer(before, after, np.array([[0.0, 1.0], [3.0, 0.0]]))
    return np.array_equal(scan({"numbers": np.array([[2.0], [3.0]], "float32")}), [[0], [1]])


def audit_works(answer: Callable[..., Report]) -> bool:
    """Whether a group of two patients is reported rightly."""
    report = answer(np.array([1, 0]), np.array([0.3, 0.2]), np.array(["near", "near"]), 0.3)
    return report == {"near": {"sensitivity": 1.0, "observed_to_expected": 2.0}}
