"""What the description claims about the simulated dossiers is true of them."""

import numpy as np
import pytest

from course import datasets
from course.datasets.builders.patient_dossiers import patient_dossiers_dataset_builder as module


@pytest.fixture(scope="module")
def splits(generated_data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(generated_data))
        names = ["archive", "trial"]
        loaded, info = datasets.load("patient_dossiers", split=names, batch_size=-1, with_info=True)
        assert "SIMULATED" in info.description
        assert info.features["age"].doc.desc == "years"
        yield {
            name: {key: value.numpy() for key, value in data.items()}
            for name, data in zip(names, loaded, strict=True)
        }


def remote(data):
    return data["distance_km"] >= module.REMOTE_KM


def test_sizes_types_and_columns(splits):
    for name, size in {"archive": 12_000, "trial": 6_000}.items():
        data = splits[name]
        assert set(data) == {
            *module.COLUMNS,
            *module.TEXTS,
            "patient",
            "simulated_risk",
            "diagnosis",
        }
        for column in module.COLUMNS:
            assert data[column].shape == (size,)
            assert data[column].dtype == np.float32
        assert set(np.unique(data["diagnosis"])) == {0, 1}


def test_one_patient_in_eight_is_ill(splits):
    assert splits["trial"]["diagnosis"].mean() == pytest.approx(0.13, abs=0.005)
    assert splits["archive"]["diagnosis"].mean() == pytest.approx(0.106, abs=0.005)


def test_the_archive_knows_every_code_but_the_newest(splits):
    archive, trial = ({code.decode() for code in splits[name]["reason"]} for name in splits)
    assert archive == set(module.REASONS)
    assert trial - archive == {"R05.1", "R05.2", "R05.3"}


def test_a_note_tells_what_no_column_tells(splits):
    trial = splits["trial"]
    notes = [note.decode() for note in trial["note"]]
    assert np.mean([not note for note in notes]) == pytest.approx(0.2, abs=0.1)
    coughs_blood = np.array(["coughs blood" in note for note in notes])
    denies = np.array(["no blood" in note for note in notes])
    ill = trial["diagnosis"]
    # "does not cough blood" has another word.
    assert ill[coughs_blood].mean() > 2 * ill[~coughs_blood].mean()
    assert ill[denies].mean() < 1.2 * ill[~coughs_blood].mean()


def test_archive_patients_repeat_and_trial_patients_do_not(splits):
    patients, counts = np.unique(splits["archive"]["patient"], return_counts=True)
    assert len(patients) == 7_601
    assert counts.max() == 4
    assert len(np.unique(splits["trial"]["patient"])) == 6_000
    assert not set(patients) & set(splits["trial"]["patient"])


def test_dossiers_of_one_patient_agree(splits):
    data = splits["archive"]
    order = np.argsort(data["patient"], kind="stable")
    same = np.diff(data["patient"][order]) == 0
    for column in ("age", "sex", "distance_km", "diagnosis"):
        assert np.all(np.diff(data[column][order].astype(float))[same] == 0)
    # Blood is drawn again.
    assert np.mean(np.diff(data["platelets"][order])[same] != 0) > 0.9


def test_what_is_missing(splits):
    for data in splits.values():
        gaps = {name: np.isnan(data[name]).mean() for name in module.COLUMNS}
        assert {name for name, gap in gaps.items() if gap} == {
            "pack_years", "cough_weeks", "weight_loss", "fev1",
        }  # fmt: skip
        young = data["age"] < 45
        assert np.isnan(data["pack_years"][young]).mean() > 0.25
        assert np.isnan(data["pack_years"][~young]).mean() < 0.12
        # A breath test that is missing is a sign of breathlessness, and so of cancer.
        missing = np.isnan(data["fev1"])
        assert data["diagnosis"][missing].mean() > 1.4 * data["diagnosis"][~missing].mean()


def test_oncology_visits_come_after_the_diagnosis(splits):
    archive = splits["archive"]
    ill = archive["diagnosis"] == 1
    assert archive["oncology_visits"][ill].min() >= 1
    assert np.mean(archive["oncology_visits"][~ill] == 0) > 0.95
    assert np.all(splits["trial"]["oncology_visits"] == 0)


def test_the_archive_misses_cancers_of_remote_patients_and_the_trial_does_not(splits):
    archive, trial = splits["archive"], splits["trial"]
    assert remote(archive).mean() == pytest.approx(0.25, abs=0.02)
    rates = [archive["diagnosis"][remote(archive) == far].mean() for far in (False, True)]
    assert rates[1] / rates[0] == pytest.approx(0.5, abs=0.1)
    rates = [trial["diagnosis"][remote(trial) == far].mean() for far in (False, True)]
    assert rates[1] / rates[0] == pytest.approx(1.0, abs=0.1)


def test_simulated_risk_is_the_truth_in_the_trial(splits):
    trial = splits["trial"]
    for low, high in ((0, 0.05), (0.05, 0.2), (0.2, 0.6), (0.6, 1)):
        inside = (trial["simulated_risk"] >= low) & (trial["simulated_risk"] < high)
        rate, risk = trial["diagnosis"][inside].mean(), trial["simulated_risk"][inside].mean()
        error = np.sqrt(risk * (1 - risk) / inside.sum())
        assert abs(rate - risk) < 4 * error


def test_the_three_together_matter_and_no_column_alone(splits):
    from sklearn.metrics import roc_auc_score

    trial = splits["trial"]
    signs = (trial["age"] > 62, trial["pack_years"] > 19, trial["cough_weeks"] > 5)
    known = np.isfinite(trial["pack_years"]) & np.isfinite(trial["cough_weeks"])
    together = np.all(signs, axis=0) & known
    assert trial["diagnosis"][together].mean() > 4 * trial["diagnosis"][~together & known].mean()
    for column in module.COLUMNS:
        there = np.isfinite(trial[column])
        area = roc_auc_score(trial["diagnosis"][there], trial[column][there])
        assert 0.33 < area < 0.67, column


def test_the_other_columns_say_nothing(splits):
    from sklearn.metrics import roc_auc_score

    trial = splits["trial"]
    for column in ("sodium", "creatinine", "cholesterol", "bmi", "heart_rate", "crp", "sex"):
        assert roc_auc_score(trial["diagnosis"], trial[column]) == pytest.approx(0.5, abs=0.04)


def test_the_same_seed_gives_the_same_patients():
    first, again = (module.make_archive(50, np.random.default_rng(3)) for _ in range(2))
    other = module.make_archive(50, np.random.default_rng(4))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert any(not np.array_equal(first[name], other[name], equal_nan=True) for name in first)
