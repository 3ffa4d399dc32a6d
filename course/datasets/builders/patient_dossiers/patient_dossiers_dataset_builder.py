"""Simulated dossiers of patients whom a chest clinic saw because somebody suspected lung cancer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import Example, OfflineBuilder

# From this distance on a patient counts as remote, in km.
REMOTE_KM = 60.0

# Dossiers of each split.
SIZES = {"archive": 12_000, "trial": 6_000}

# Of the cancers, the share that the clinic's archive knows about.
RECORDED_NEAR, RECORDED_REMOTE = 0.97, 0.5

COLUMNS = {
    "age": "years",
    "sex": "0 woman, 1 man",
    "pack_years": "packs of cigarettes a day times years; 0 never smoked; nan not asked",
    "cough_weeks": "weeks of coughing so far; 0 no cough; nan not asked",
    "weight_loss": "kg lost in six months; nan not weighed",
    "asbestos": "1 worked with asbestos",
    "family_history": "1 a parent or sibling had lung cancer",
    "fev1": "breath test: % of the expected volume in one second; nan not done",
    "platelets": "billion per litre of blood",
    "haemoglobin": "g per litre of blood",
    "crp": "mg per litre of blood",
    "sodium": "mmol per litre of blood",
    "creatinine": "µmol per litre of blood",
    "cholesterol": "mmol per litre of blood",
    "bmi": "kg per m²",
    "heart_rate": "beats a minute",
    "systolic": "blood pressure, mmHg",
    "fever": "1 above 38 °C",
    "distance_km": "km from home to the clinic's scanner",
    "oncology_visits": "visits to the oncology department in the year AFTER the referral",
}

TEXTS = {
    "reason": "why the patient was referred: a code of ICD-10",
    "note": "what the referring doctor wrote; empty where nothing was",
}

# Codes and their titles in the World Health Organization's ICD-10, 2019.
REASONS = {
    "R05": "cough",
    "R06.0": "dyspnoea",
    "R07.4": "chest pain, unspecified",
    "R50.9": "fever, unspecified",
    "R63.4": "abnormal weight loss",
    "R91": "abnormal findings on diagnostic imaging of lung",
    "Z12.2": "special screening examination for neoplasm of respiratory organs",
}

# Of the trial's coughs, the share with a code that the archive does not have: since October 2021
# the United States' ICD-10-CM has R05.1 to R05.9 in the place of R05.
NEW_CODES = 0.2

# What a note may say of blood, breath, fever and tobacco, where it is so and where it is not.
PHRASES = {
    "blood": (
        ("coughs blood", "some blood in the phlegm"),
        ("no blood in the phlegm", "does not cough blood"),
    ),
    "breathless": (
        ("short of breath on the stairs", "often short of breath", "breathless at night"),
        ("not short of breath", "not breathless", "no trouble with breathing"),
    ),
    "fever": (("fever for two days", "feverish"), ("no fever", "not feverish")),
    "smokes": (("smokes", "has smoked for years", "gave up smoking"), ("has never smoked",)),
}
MENTIONED = {
    "blood": (0.9, 0.4),
    "breathless": (0.7, 0.7),
    "fever": (0.5, 0.5),
    "smokes": (0.5, 0.5),
}
REMARKS = (
    "works as a driver", "works as a nurse", "works as a baker", "retired", "lives alone",
    "sleeps badly", "worried", "no allergies", "seen before", "please call back",
)  # fmt: skip


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def simulate_patients(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw patients with nothing missing, their cancers included.

    Args:
        count: the number of patients.
        rng: a NumPy generator; the same state gives the same patients.

    Returns:
        A dictionary of arrays of shape (count,): the columns but ``oncology_visits``, and
        ``breathless`` and ``blood`` (0 or 1), ``simulated_risk`` (a probability) and ``cancer``
        (0 or 1).
    """
    age = np.clip(rng.normal(58, 14, count), 20, 92).round()
    sex = rng.integers(0, 2, count)
    smoked = rng.random(count) < 0.6
    pack_years = np.where(smoked, np.clip(rng.gamma(2.6, 10, count), 1, 90), 0).round()
    coughs = rng.random(count) < 0.55
    cough_weeks = np.where(coughs, rng.gamma(2, 4, count), 0).round(1)
    patients = {
        "age": age,
        "sex": sex,
        "pack_years": pack_years,
        "cough_weeks": cough_weeks,
        "weight_loss": rng.gamma(1.2, 1.4, count).round(1),
        "asbestos": rng.random(count) < 0.06,
        "family_history": rng.random(count) < 0.1,
        "breathless": rng.random(count) < 0.2,
        "platelets": rng.normal(270, 60, count).round(),
        "haemoglobin": rng.normal(np.where(sex == 1, 150, 137), 12).round(),
        "crp": np.exp(rng.normal(1.3, 1, count)).round(1),
        "sodium": rng.normal(140, 2.8, count).round(),
        "creatinine": rng.normal(78, 15, count).round(),
        "cholesterol": rng.normal(5.2, 1, count).round(1),
        "bmi": rng.normal(27, 4.5, count).round(1),
        "heart_rate": rng.normal(76, 11, count).round(),
        "systolic": rng.normal(115 + 0.3 * age, 17).round(),
        "fever": rng.random(count) < np.where(coughs, 0.15, 0.05),
    }
    fev1 = rng.normal(92 - 0.35 * pack_years - 12 * patients["breathless"], 13)
    patients["fev1"] = np.clip(fev1, 20, 140).round()
    remote = rng.random(count) < 0.25
    near = np.clip(rng.gamma(2, 9, count), 1, REMOTE_KM - 1)
    patients["distance_km"] = np.where(remote, REMOTE_KM + rng.gamma(2, 25, count), near).round()

    # A generator of its own, so that the other columns do not depend on this one.
    patients["blood"] = coughs & (rng.spawn(1)[0].random(count) < 0.2)

    tobacco_and_age = _sigmoid((age - 58) / 4) * _sigmoid((pack_years - 15) / 4)
    long_cough = _sigmoid(cough_weeks - 3.5)
    log_odds = (
        -2.6
        + 5.3 * tobacco_and_age * long_cough
        - 2.5 * (1 - tobacco_and_age) * long_cough
        - 2.5 * tobacco_and_age * (1 - long_cough)
        + 0.6 * patients["asbestos"]
        + 0.5 * patients["family_history"]
        + 0.15 * (patients["weight_loss"] - 1.7)
        + 0.2 * (patients["platelets"] - 270) / 60
        + 1.2 * patients["breathless"]
        + 1.8 * patients["blood"]
    )
    patients["simulated_risk"] = _sigmoid(log_odds)
    patients["cancer"] = rng.random(count) < patients["simulated_risk"]
    return {name: np.asarray(values, "float32") for name, values in patients.items()}


def hide_values(dossiers: dict[str, np.ndarray], rng: np.random.Generator) -> None:
    """Replace by nan, in place, what was not asked or not measured."""
    count = len(dossiers["age"])
    chance: dict[str, np.ndarray | float] = {
        "pack_years": np.where(dossiers["age"] < 45, 0.3, 0.08),
        "cough_weeks": 0.05,
        "weight_loss": 0.25,
        "fev1": np.where(dossiers["breathless"] == 1, 0.85, 0.1),
    }
    for name, probability in chance.items():
        dossiers[name] = np.where(rng.random(count) < probability, np.nan, dossiers[name])


def write_reasons(
    dossiers: dict[str, np.ndarray], rng: np.random.Generator, new_codes: float = 0.0
) -> np.ndarray:
    """The codes (count,) for which patients with nothing missing are referred.

    Args:
        dossiers: as ``simulate_patients`` returns them.
        rng: a NumPy generator.
        new_codes: the share of coughs that get one of the newer codes. 0 by default.
    """
    weeks = dossiers["cough_weeks"]
    old_smoker = (dossiers["age"] > 55) & (dossiers["pack_years"] > 10)
    # The first that applies is written down, each with a chance.
    choices = (
        ("R06.0", dossiers["breathless"] == 1, 0.5),
        ("R50.9", dossiers["fever"] == 1, 0.4),
        ("R05", weeks > 0, 0.8),
        ("R63.4", dossiers["weight_loss"] > 4, 0.6),
        ("Z12.2", old_smoker & (weeks == 0), 0.8),
        ("R91", weeks == 0, 0.8),
    )
    reasons = np.full(len(weeks), "R07.4", object)
    for code, applies, chance in choices[::-1]:
        reasons[applies & (rng.random(len(weeks)) < chance)] = code
    is_new = (reasons == "R05") & (rng.random(len(weeks)) < new_codes)
    reasons[is_new] = np.select([weeks < 3, weeks <= 8], ["R05.1", "R05.2"], "R05.3")[is_new]
    return reasons


def write_notes(dossiers: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Notes (count,) about patients with nothing missing; one in eight is empty."""
    facts = {
        "blood": dossiers["blood"] == 1,
        "breathless": dossiers["breathless"] == 1,
        "fever": dossiers["fever"] == 1,
        "smokes": dossiers["pack_years"] > 0,
    }
    notes = []
    for place in range(len(dossiers["age"])):
        said = [str(rng.choice(REMARKS))] if rng.random() < 0.6 else []
        for fact, (yes, no) in PHRASES.items():
            if rng.random() < MENTIONED[fact][0 if facts[fact][place] else 1]:
                said.append(str(rng.choice(yes if facts[fact][place] else no)))
        is_empty = rng.random() < 0.125
        notes.append("" if is_empty else ", ".join(rng.permutation(said).tolist()))
    return np.array(notes, object)


def make_trial(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Dossiers as they are on the day of the referral, one a patient, with the true diagnosis."""
    dossiers = simulate_patients(count, rng)
    # Texts have a generator of their own, so that numbers do not depend on them.
    for_texts = rng.spawn(1)[0]
    dossiers["reason"] = write_reasons(dossiers, for_texts, NEW_CODES)
    dossiers["note"] = write_notes(dossiers, for_texts)
    hide_values(dossiers, rng)
    dossiers["patient"] = 100_000 + np.arange(count)
    dossiers["oncology_visits"] = np.zeros(count)
    dossiers["diagnosis"] = dossiers["cancer"]
    return dossiers


def make_archive(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Dossiers as they are in the records years later, up to four a patient, in random order."""
    patients = simulate_patients(count, rng)
    remote = patients["distance_km"] >= REMOTE_KM
    known = rng.random(count) < np.where(remote, RECORDED_REMOTE, RECORDED_NEAR)
    patients["diagnosis"] = patients["cancer"] * known
    ruled_out = rng.random(count) < 0.03
    visits = np.where(patients["diagnosis"] == 1, 1 + rng.poisson(4, count), ruled_out)
    patients["oncology_visits"] = visits

    dossiers_each = rng.choice([1, 2, 3, 4], size=count, p=[0.65, 0.18, 0.11, 0.06])
    owner = rng.permutation(np.repeat(np.arange(count), dossiers_each)[:count])
    dossiers = {name: values[owner] for name, values in patients.items()}
    dossiers["patient"] = owner
    # A patient who comes back is the same but for the blood values, which are drawn again.
    for name, spread in {"platelets": 15, "haemoglobin": 3, "sodium": 1, "heart_rate": 5}.items():
        dossiers[name] = (dossiers[name] + rng.normal(0, spread, count)).round()
    for_texts = rng.spawn(1)[0]
    dossiers["reason"] = write_reasons(dossiers, for_texts)
    dossiers["note"] = write_notes(dossiers, for_texts)
    hide_values(dossiers, rng)
    return dossiers


class Builder(OfflineBuilder):
    """Simulated referrals to a chest clinic; README.md has the rules and the limits.

    Every column of ``COLUMNS`` is a float32 scalar, nan where missing; those of ``TEXTS`` are text.
    ``patient`` is an int64 that is equal for dossiers of one patient, ``simulated_risk`` a float32
    probability, and ``diagnosis`` 0 (no cancer) or 1 (cancer).
    """

    VERSION = tfds.core.Version("1.1.0")
    LICENSE = "CC BY 4.0"
    SHUFFLED = True

    def features(self) -> dict[str, Any]:
        scalar = tfds.features.Scalar
        return {
            "patient": scalar(np.int64, doc="who"),
            **{name: scalar(np.float32, doc=unit) for name, unit in COLUMNS.items()},
            **{name: tfds.features.Text(doc=what) for name, what in TEXTS.items()},
            "simulated_risk": scalar(np.float32, doc="never a model's input"),
            "diagnosis": tfds.features.ClassLabel(names=["no cancer", "cancer"]),
        }

    def facts(self) -> dict[str, Any]:
        return {"columns": COLUMNS, "texts": TEXTS, "reasons": REASONS}

    def examples(self) -> dict[str, Iterable[Example]]:
        # Seeds whose rates are near the rule's, so that chance does not hide what is taught.
        return {
            "archive": _rows(make_archive(SIZES["archive"], np.random.default_rng([6, 9]))),
            "trial": _rows(make_trial(SIZES["trial"], np.random.default_rng([6, 9, 1]))),
        }


def _rows(dossiers: dict[str, np.ndarray]) -> Iterator[Example]:
    for place in range(len(dossiers["patient"])):
        yield {
            **{name: np.float32(dossiers[name][place]) for name in COLUMNS},
            **{name: dossiers[name][place] for name in TEXTS},
            "simulated_risk": np.float32(dossiers["simulated_risk"][place]),
            "patient": int(dossiers["patient"][place]),
            "diagnosis": int(dossiers["diagnosis"][place]),
        }
