# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
#   course:
#     title: Patient records
#     summary: You train a network that finds a combination of signs in patients' dossiers, turn its risks into decisions, and find out what it can leak and whom it misses.
#     part: II Classification and prediction in challenging domains
#     minutes: 75
#     minutes_reading: 12
#     objectives:
#     - explain why three weak signs can be strong together, and which models can see that
#     - split, fill and scale patient records so that nothing leaks from the test patients
#     - judge a risk by AUROC and calibration, and turn it into a decision with costs
#     - recognise a leak by how it behaves on the day of use
#     - measure whether a model misses one group of patients more than another, and why its own records cannot show it
#     datasets: [patient_dossiers, breast_cancer]
#     full_size: [higgs]
#     needs: [01_neurons_and_layers]
#     mirrors:
#       "1 Classification and Prediction in Challenging Domains": "Where networks are used on patients, and why it is hard"
#       "1 Classification and Prediction in Challenging Domains: Patient records": "Nineteen columns, and one that comes too late"
#       "1 Classification and Prediction in Challenging Domains: Interacting features": "A straight line cannot see a combination"
#       "2 Deep learning applications: Deep Learning in Healthcare": "Where networks are used on patients, and why it is hard"
#       "4 Specific Applications/Examples of Deep Learning: Healthcare": "Where networks are used on patients, and why it is hard"
#     built: a split by patient, the preparation of incomplete records as a part of a Keras model, a threshold from costs, and an audit of a risk by group
#     terms:
#       "AUROC, AUC": "The chance that a random positive example gets a higher score than a random negative one: 0.5 is guessing, 1 perfect."
#       "indicator (of a gap)": A column that says by 1 or 0 where a value was missing.
#       "interaction (of columns)": An effect of one column that depends on the value of another.
#       "permutation importance": What a model loses when one column is shuffled among the examples.
#       "calibrated, calibration": "Said of risks that mean what they say: of a hundred patients with a risk of 30 %, about thirty are ill."
#       "class_weight": Keras's argument by which the examples of a class count more in the loss.
#     explains: [CosineDecay, boosting]
# ---

# %% [markdown]
# # Patient records
#
# Age, tobacco, a cough: each says little about lung cancer. All three together say a lot. Can a
# network find that in a table nobody has explained to it, and should a clinic act on what it says?
#
# You will train it, compare it with a straight line and with boosted trees, turn its risks into
# decisions, break it in three ways, and find a group of patients that it misses. About 12 minutes
# to read and run, 75 with the five exercises.

# %%
import course

course.setup(seed=0)

import keras
import numpy as np
from course import datasets, plots

archive, trial = (datasets.arrays("patient_dossiers", split) for split in ("archive", "trial"))
COLUMNS = datasets.info("patient_dossiers").metadata["columns"]  # a column's name to its unit

# %% [markdown]
# Here is what there is to find, in 6,000 simulated patients sent to a chest clinic.

# %% tags=["demo"]
import matplotlib.pyplot as plt

known = np.isfinite(trial["pack_years"]) & np.isfinite(trial["cough_weeks"])
signs = np.stack([trial["age"] > 60, trial["pack_years"] > 15, trial["cough_weeks"] > 4], axis=1)
rates = {}
for pattern in sorted(np.ndindex(2, 2, 2), key=sum):
    words = [word for word, there in zip(("old", "smoker", "long cough"), pattern) if there]
    chosen = known & np.all(signs == pattern, axis=1)
    rates[" + ".join(words) or "none of the three"] = 100 * trial["diagnosis"][chosen].mean()
fig, axis = plt.subplots(figsize=(6.4, 3.8))
bars = axis.barh(list(rates), list(rates.values()), color=[plots.SKY] * 7 + [plots.VERMILION])
axis.bar_label(bars, fmt="%.0f %%", padding=3)
axis.set_xlim(0, 90)
axis.set_xlabel("found to have lung cancer (%)")
axis.set_title("Only all three signs together are alarming")
plots.show(
    fig,
    alt="Bars of the cancer rate in eight groups of patients. Old smokers with a long cough: over "
    "70 %. Every other group, also with two of the three signs, is below 15 %.",
)

# %% tags=["demo", "nbval-check-output"]
*others, together = rates.values()
print(f"ill with all three signs: {together:.0f} %; in any other group at most {max(others):.0f} %")

# %% [markdown]
# ## Where networks are used on patients, and why it is hard
#
# Hospitals moved from paper to databases, and what lies in a database can be learned from. Networks
# look for disease in scans and X-rays (lesson 07 does that), read notes and billing codes together
# to suggest a diagnosis, watch over patients in intensive care, estimate who will have to come back
# to hospital, help to choose a treatment, and sift data for research into diseases without a cure.
# In most of these the network advises and a person decides.
#
# Two things make the field hard. A dossier has many columns of which few matter for the question at
# hand, and the few may matter only together; that is the part at which networks are good. And a
# record is not the patient. It holds what somebody chose to ask, measure and write down, some of it
# after the fact, and for some people less carefully than for others. That is the part at which
# nothing is good by itself, and most of this lesson is about it.

# %% [markdown]
# ## Nineteen columns, and one that comes too late
#
# **These patients are simulated.** Real dossiers may not be handed out, and here we want to know
# the truth behind the records. The rule that draws the cancers is of our making and must not be
# used on anyone; the gaps, the repeats and the faulty labels imitate what real records suffer
# from. `archive` is what the clinic has in its cupboards. `trial` comes later: other patients, all
# of whom were scanned, so that their diagnosis is the truth.

# %% tags=["demo", "nbval-check-output"]
print("column            gaps   unit or meaning")
for name, unit in COLUMNS.items():
    print(f"{name:16s}{np.isnan(archive[name]).mean():6.0%}   {unit}")

# %% tags=["demo", "nbval-check-output"]
patients, dossiers_each = np.unique(archive["patient"], return_counts=True)
complete = np.isfinite(np.stack([archive[name] for name in COLUMNS])).all(axis=0)
print(f"archive: {len(archive['patient']):,} dossiers of {len(patients):,} patients")
print(f"patients with more than one dossier: {np.mean(dossiers_each > 1):.0%}")
print(f"dossiers without a gap: {complete.mean():.0%}")
print(f"trial: {len(trial['patient']):,} patients, one dossier each")
print(
    f"with cancer: archive {archive['diagnosis'].mean():.1%}, trial {trial['diagnosis'].mean():.1%}"
)

# %% [markdown]
# Three things to keep in mind. Some patients come several times. More than half of the dossiers
# have a gap. And `oncology_visits` is filled in during the year *after* the referral: it is in the
# archive, but not on the day when somebody needs the risk. We leave it out, and come back to it.
#
# And everyone here was *sent* by somebody. A young patient with a cough and no tobacco mostly has
# an infection; one without a cough came because a picture taken for another reason looked
# suspicious. Old smokers without a cough come from a screening programme, where few are ill. That
# is why some single signs look protective in the first figure. Who gets into a data set shapes
# what one finds in it, and what holds at the clinic need not hold in the street.

# %%
INPUTS = [name for name in COLUMNS if name != "oncology_visits"]
x_archive, x_trial = (
    np.stack([data[name] for name in INPUTS], axis=1) for data in (archive, trial)
)
y_archive, y_trial = archive["diagnosis"], trial["diagnosis"]

# %% [markdown]
# ### No column says much alone
#
# With one dossier in ten of an ill patient, a model that calls everybody healthy is right for nine
# in ten, so accuracy says nothing. **AUROC** (area under the receiver operating characteristic)
# asks: if we draw one ill and one healthy patient, how often is the ill one ranked higher? 0.5 is a
# coin, 1 is perfect. Each column can be ranked by itself. How far do you expect age to get?

# %% tags=["demo", "nbval-check-output"]
from sklearn.metrics import roc_auc_score

alone = {}
for name, column in zip(INPUTS, x_archive.T):
    there = np.isfinite(column)
    area = roc_auc_score(y_archive[there], column[there])
    alone[name] = max(area, 1 - area)
for name in sorted(alone, key=alone.get, reverse=True)[:4]:
    print(f"{name:12s} {alone[name]:.2f}")
print(f"every other column below 0.60: {sorted(alone.values())[-4] < 0.60}")

# %% [markdown]
# None gets far. Note who is among the first four: `distance_km`, the way from home to the clinic,
# which is no sign of any disease. We meet it again at the end.
#
# ## Nobody may sit on both sides of the split
#
# To know how a model does on new patients, keep some away from training. Dossiers that come back
# are near copies of each other, so whoever splits *dossiers* at random lets the model meet most
# test patients in training. The patient is what must be new, not the sheet of paper.
#
# This clinic numbers its patients at random, so the lesson holds out every fourth number. Real
# numbers are rarely random: they grow with time, or carry the ward.

# %%
held_out = archive["patient"] % 4 == 2
x_train, y_train = x_archive[~held_out], y_archive[~held_out]
x_test, y_test = x_archive[held_out], y_archive[held_out]

# %% [markdown]
# **Exercise 1: split by patient.** Write `split_by_patient(patients, share, seed)` for any numbers.
# `patients` holds the patient number of each dossier, shape `(n,)`. Return a boolean array of shape
# `(n,)`, true for the dossiers that are held out:
#
# - a patient's dossiers are all held out, or none is;
# - `share` of the *patients* is held out, to within one patient, and each patient is equally
#   likely to be, however often they came;
# - the same seed gives the same answer, another seed another one.


# %% grade_id="split_by_patient" solution=true
def split_by_patient(patients, share, seed):
    """Mark the dossiers of a random share of the patients, bool of shape (n,)."""
    ### BEGIN SOLUTION
    everyone = np.unique(patients)
    chosen = np.random.default_rng(seed).permutation(everyone)[: round(share * len(everyone))]
    return np.isin(patients, chosen)
    ### END SOLUTION


# %% grade_id="split_by_patient_form" points=1
_patients = np.array([7, 7, 3, 9, 3, 12, 40, 40, 40, 5, 6, 8])
_mask = np.asarray(split_by_patient(_patients, 0.5, 0))
assert _mask.shape == (12,), f"Expected one value a dossier, shape (12,), got {_mask.shape}."
assert _mask.dtype == bool, f"Expected booleans, got {_mask.dtype}."
_both = set(_patients[_mask].tolist()) & set(_patients[~_mask].tolist())
assert not _both, f"Expected nobody on both sides, got patients {sorted(_both)} on both."
_count = len(set(_patients[_mask].tolist()))
assert _count == 4, f"Expected 4 of the 8 patients held out at share 0.5, got {_count}."

# %% grade_id="split_by_patient_fair" points=2
# On 400 patients: whole patients, the right share, the seed obeyed, everyone equally likely.
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(5)
_patients = _rng.permutation(np.repeat(np.arange(400) * 7 + 100_000, _rng.integers(1, 6, 400)))
_copy = _patients.copy()
_masks = [np.asarray(split_by_patient(_patients, 0.2, seed)) for seed in (1, 1, 2, 3, 4, 5)]
assert np.array_equal(_patients, _copy), "Expected `patients` to stay as it was; it was changed."
for _mask in _masks:
    _counts = [len(np.unique(_patients[side])) for side in (_mask, ~_mask)]
    assert sum(_counts) == 400, f"Expected 400 patients on one side each, got {_counts}."
    assert 79 <= _counts[0] <= 81, f"Expected 80 of 400 patients at share 0.2, got {_counts[0]}."
assert np.array_equal(_masks[0], _masks[1]), "Expected seed 1 twice to give the same; it did not."
_same = np.mean(_masks[1] == _masks[2])
assert _same < 0.9, f"Expected other patients with another seed; {_same:.0%} are on the same side."
# The mean over five draws of 80 patients has a standard deviation of 0.063: 0.3 is 4.7 of them
# away, so a right answer fails in 3 of a million seeds. The mistake lies at +0.6.
_each = np.mean([_mask.sum() / 80 for _mask in _masks[1:]])
_all = len(_patients) / 400
assert abs(_each - _all) < 0.3, (
    f"Expected held-out patients to have {_all:.2f} dossiers on average, as everyone, got "
    f"{_each:.2f}: were patients who came often more likely to be drawn?"
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The dossiers are drawn, not the patients, so a patient who came twice can be on both sides.
def split_by_patient(patients, share, seed):
    n = len(patients)
    mask = np.zeros(n, bool)
    mask[np.random.default_rng(seed).permutation(n)[: round(share * n)]] = True
    return mask


# %% tags=["misconception"]
# The split follows the patients' numbers and ignores the seed: numbers often grow with time.
def split_by_patient(patients, share, seed):
    everyone = np.unique(patients)
    return np.isin(patients, everyone[len(everyone) - round(share * len(everyone)) :])


# %% tags=["misconception"]
# Dossiers are drawn until enough patients are found, so whoever came often is likelier to be drawn.
def split_by_patient(patients, share, seed):
    wanted, chosen = round(share * len(np.unique(patients))), []
    for patient in np.random.default_rng(seed).permutation(patients):
        if patient not in chosen and len(chosen) < wanted:
            chosen.append(patient)
    return np.isin(patients, chosen)


# %% tags=["alternative"]
# scikit-learn's splitter for grouped rows does the same.
def split_by_patient(patients, share, seed):
    from sklearn.model_selection import GroupShuffleSplit

    splitter = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    mask = np.zeros(len(patients), bool)
    mask[next(splitter.split(patients, groups=patients))[1]] = True
    return mask


# %% tags=["alternative"]
# A random number for each patient, ranked, and carried over to the dossiers.
def split_by_patient(patients, share, seed):
    everyone, place = np.unique(patients, return_inverse=True)
    rank = np.random.default_rng(seed).random(len(everyone)).argsort().argsort()
    return (rank < round(share * len(everyone)))[place]


# %% [markdown]
# ## A gap is an answer too
#
# A network multiplies and adds, and one `nan` makes everything `nan`. Throwing away incomplete
# dossiers loses half of them, and leaves the clinic without an answer for half of its patients.
# Filling a gap with the column's median keeps everybody but forgets that there was a gap. Here
# that matters: most breath tests are missing because the patient was too breathless to finish.

# %% tags=["demo", "nbval-check-output"]
gap = np.isnan(archive["fev1"])
print(f"cancer among patients with a breath test:    {y_archive[~gap].mean():.0%}")
print(f"cancer among patients without a breath test: {y_archive[gap].mean():.0%}")

# %% [markdown]
# So each column with gaps gets a companion: 1 where the value was missing, 0 elsewhere, an
# **indicator**. Below, three ways to treat gaps, each followed by the plainest model there is,
# logistic regression. It is fitted in milliseconds, so the comparison costs nothing. Note the
# `Pipeline`: `fit` sees training patients only, so medians and scales cannot come from the test.

# %% tags=["demo", "nbval-check-output"]
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def preparation(indicators=True):
    """Medians for gaps, indicators beside them, every column to mean 0 and deviation 1."""
    fill = SimpleImputer(strategy="median", add_indicator=indicators)
    return make_pipeline(fill, StandardScaler())


full = np.isfinite(x_train).all(axis=1)
for name, rows, indicators in (
    ("only complete dossiers", full, False),
    ("medians", full | True, False),
    ("medians and indicators", full | True, True),
):
    model = make_pipeline(preparation(indicators), LogisticRegression(max_iter=1000))
    model.fit(x_train[rows], y_train[rows])
    area = roc_auc_score(y_test, model.predict_proba(x_test)[:, 1])
    print(f"{name:24s}{rows.sum():6d} dossiers   AUROC {area:.2f}")

# %% [markdown]
# An indicator also carries a danger. It describes how the clinic works, not the disease: the day
# somebody decides that everyone must take the breath test, its meaning changes.
#
# **Exercise 2: prepare by hand.** Write `prepare(train, other)`, which turns the dossiers `other`,
# shape `(m, c)`, into numbers for a network, and learns everything that it needs from `train`,
# shape `(n, c)`:
#
# - a gap (`nan`) takes the median of the column's known values in `train`;
# - then each column is shifted and scaled by the mean and the standard deviation of the *filled*
#   `train`; a column that is constant in `train` becomes 0 where `other` has the same constant;
# - after these `c` columns come the indicators, left unscaled: one for each column that has a gap
#   in `train`, in the same order, 1 where `other` has a gap there and 0 elsewhere.
#
# `np.nanmedian` knows about gaps.


# %% grade_id="prepare" solution=true
def prepare(train, other):
    """Filled and scaled columns of `other`, then its indicators; statistics from `train` only."""
    ### BEGIN SOLUTION
    median = np.nanmedian(train, axis=0)
    filled = np.where(np.isnan(train), median, train)
    mean, deviation = filled.mean(axis=0), filled.std(axis=0)
    scaled = (np.where(np.isnan(other), median, other) - mean) / np.where(deviation, deviation, 1)
    with_gaps = np.isnan(train).any(axis=0)
    return np.concatenate([scaled, np.isnan(other)[:, with_gaps]], axis=1)
    ### END SOLUTION


# %% grade_id="prepare_form" points=2
_nan = np.nan
_train = np.array([[1.0, 10.0, 5.0], [2.0, _nan, 5.0], [3.0, 30.0, 5.0], [6.0, 50.0, 5.0]])
_other = np.array([[3.0, _nan, 5.0], [5.0, 60.0, 5.0]])
_out = np.asarray(prepare(_train, _other), float)
assert _out.shape == (2, 4), (
    f"Expected 3 columns and 1 indicator, as only one column of `train` has a gap: shape (2, 4), "
    f"got {_out.shape}."
)
assert np.isfinite(_out).all(), "Expected finite numbers; a gap or a division by 0 was left over."
assert np.allclose(_out[:, 3], [1, 0]), f"Expected the indicator [1, 0], got {_out[:, 3]}."
assert np.allclose(_out[:, 0], [0, 1.0690], atol=1e-3), (
    f"Expected the first column to be [0, 1.069], got {_out[:, 0].round(3)}: whose mean and "
    "standard deviation were used?"
)
assert np.allclose(_out[:, 2], 0), f"Expected 0 for a constant column, got {_out[:, 2]}."

# %% grade_id="prepare_no_leak" points=2
# On made-up dossiers: everything is learned from `train`, and one patient alone gets the same numbers.
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(3)
_train, _other = np.exp(_rng.normal(2, 1, (40, 4))), np.exp(_rng.normal(3, 2, (15, 4)))
_train[_rng.random((40, 4)) < [0, 0.3, 0, 0.2]] = np.nan
_other[_rng.random((15, 4)) < [0.2, 0.3, 0, 0.2]] = np.nan
_copies = _train.copy(), _other.copy()
_out = np.asarray(prepare(_train, _other), float)
assert np.array_equal(_train, _copies[0], equal_nan=True), "`train` was changed by the call."
assert np.array_equal(_other, _copies[1], equal_nan=True), "`other` was changed by the call."
_fill = np.nanmedian(_train, axis=0)
_base = np.where(np.isnan(_train), _fill, _train)
_want = (np.where(np.isnan(_other), _fill, _other) - _base.mean(0)) / _base.std(0)
assert _out.shape == (15, 6), f"Expected 4 columns and 2 indicators, got shape {_out.shape}."
assert np.allclose(_out[:, 4:], np.isnan(_other)[:, [1, 3]]), "An indicator is wrong or misplaced."
_error = np.abs(_out[:, :4] - _want).max()
assert _error < 1e-4, (
    f"Expected the filled and scaled columns, got numbers up to {_error:.2g} away: is everything "
    "learned from `train`, the median for the gaps, the rest after filling?"
)
_one = np.asarray(prepare(_train, _other[:1]), float)
assert np.allclose(_one, _out[:1]), "A patient's numbers change with who else is in `other`."
### END HIDDEN TESTS


# %% tags=["misconception"]
# The statistics come from `train` and `other` together, so test patients leak into training.
def prepare(train, other):
    both = np.concatenate([train, other])
    median = np.nanmedian(both, axis=0)
    filled = np.where(np.isnan(both), median, both)
    scaled = (filled - filled.mean(0)) / np.where(filled.std(0), filled.std(0), 1)
    indicators = np.isnan(both)[:, np.isnan(train).any(axis=0)]
    return np.concatenate([scaled, indicators], axis=1)[len(train) :]


# %% tags=["misconception"]
# The new patients are scaled by their own mean and deviation: the same value means something else.
def prepare(train, other):
    median = np.nanmedian(train, axis=0)
    filled = np.where(np.isnan(other), median, other)
    scaled = (filled - filled.mean(0)) / np.where(filled.std(0), filled.std(0), 1)
    return np.concatenate([scaled, np.isnan(other)[:, np.isnan(train).any(axis=0)]], axis=1)


# %% tags=["misconception"]
# Gaps become 0 before scaling: 0 packs of cigarettes, or a body without platelets, is a value.
def prepare(train, other):
    filled = np.nan_to_num(train)
    scaled = (np.nan_to_num(other) - filled.mean(0)) / np.where(filled.std(0), filled.std(0), 1)
    return np.concatenate([scaled, np.isnan(other)[:, np.isnan(train).any(axis=0)]], axis=1)


# %% tags=["alternative"]
# scikit-learn's imputer, scaler and indicator, each fitted on the training patients.
def prepare(train, other):
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return make_union(numbers, MissingIndicator(error_on_new=False)).fit(train).transform(other)


# %% [markdown]
# ## A straight line cannot see a combination
#
# Logistic regression gives each column a weight $w_j$ and adds up:
# $\operatorname{logit}(p) = b + \sum_j w_j x_j$, where $p$ is the risk and
# $\operatorname{logit}(p) = \log\frac{p}{1-p}$. A year of age then always changes the logit by the
# same amount, cough or no cough. Yet in the first figure a long cough makes an old smoker's risk
# jump, and lowers the risk of someone young without tobacco: an **interaction**, where the effect
# of one column depends on others. A sum can only see it if somebody adds the product as a column of
# its own. Hidden layers with a bend in them can form such products by themselves.
#
# The network has two hidden layers. Its weights are held small by a penalty (L2), because 9,000
# dossiers are few for it. What do you expect: by how much will it beat the straight line?

# %% tags=["demo"]
from tqdm import tqdm

INDICATED = preparation().fit(x_train)
z_train, z_test, z_trial = (INDICATED.transform(x) for x in (x_train, x_test, x_trial))


def dense_network(inputs, penalty=2e-3):
    """A risk between 0 and 1 from `inputs` prepared numbers."""
    regularizer = keras.regularizers.L2(penalty)
    numbers = keras.Input((inputs,))
    hidden = keras.layers.Dense(64, activation="relu", kernel_regularizer=regularizer)(numbers)
    hidden = keras.layers.Dense(32, activation="relu", kernel_regularizer=regularizer)(hidden)
    risk = keras.layers.Dense(1, activation="sigmoid", dtype="float32")(hidden)
    return keras.Model(numbers, risk)


# %% tags=["demo"]
def train(z, y, seed=0, epochs=25, penalty=2e-3, class_weight=None, quiet=False):
    """A trained network; the learning rate falls to 0 along a cosine."""
    keras.utils.set_random_seed(seed)
    network = dense_network(z.shape[1], penalty)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(z) // 128))
    network.compile(keras.optimizers.Adam(rate), loss="binary_crossentropy")
    with tqdm(total=epochs, desc="epochs", disable=quiet) as bar:
        tick = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: bar.update())
        options = {"class_weight": class_weight, "callbacks": [tick], "verbose": 0}
        network.fit(z, y, batch_size=128, epochs=epochs, **options)
    return network


def risk_of(network, z):
    """The network's risks, shape (n,)."""
    return np.asarray(network(z.astype("float32")))[:, 0]


network = train(z_train, y_train)

# %% [markdown]
# Three rivals: the straight line, the straight line with the product of the three signs handed to
# it by someone who knows, and gradient boosting, which adds up 200 small decision trees and is
# what most people use on tables.

# %% tags=["demo"]
from sklearn.ensemble import GradientBoostingClassifier

SIGNS = [INPUTS.index(name) for name in ("age", "pack_years", "cough_weeks")]


def add_products(z, x):
    """Append the signs' products to the prepared columns: what a doctor would tell the model."""
    old, smoker, coughs = (np.nan_to_num(x[:, SIGNS]) > [58, 15, 3.5]).T
    products = [old & smoker & coughs, old & smoker, old & coughs, smoker & coughs]
    return np.concatenate([z, np.stack(products, axis=1)], axis=1)


line = LogisticRegression(max_iter=1000).fit(z_train, y_train)
informed = LogisticRegression(max_iter=1000).fit(add_products(z_train, x_train), y_train)
options = {"learning_rate": 0.04, "max_depth": 4, "subsample": 0.5, "min_samples_leaf": 20}
boosting = GradientBoostingClassifier(n_estimators=200, random_state=0, **options)
boosting = boosting.fit(z_train, y_train)

# %% tags=["demo"]
rivals = {
    "straight line": line.predict_proba(z_test)[:, 1],
    "line with products": informed.predict_proba(add_products(z_test, x_test))[:, 1],
    "network": risk_of(network, z_test),
    "boosted trees": boosting.predict_proba(z_test)[:, 1],
}
areas = {name: roc_auc_score(y_test, risk) for name, risk in rivals.items()}

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: network 0.776 to 0.799, line 0.693, with products 0.768, trees 0.798.
print(f"straight line: {areas['straight line']:.2f}")
print(
    f"network above the line by more than 0.04: {areas['network'] > areas['straight line'] + 0.04}"
)
print(f"network above the line with products: {areas['network'] > areas['line with products']}")
print(f"network and trees within 0.04: {abs(areas['network'] - areas['boosted trees']) < 0.04}")

# %% [markdown]
# The network found the combination without being told, and so did the trees, which are as good or
# a little better here. On tables of this size that is the usual outcome: try trees first, and
# take a network when the columns come with images, text or time series that one network can read
# together, or when there are far more rows.
#
# With a simulation we can look behind the records. Above, the risk by which the patients were
# drawn; below, what the network gives for the same ages and pack-years.

# %% tags=["demo"]
ages, packs = np.arange(32.5, 85, 5), np.arange(5, 60, 10)


def risk_map(data, risk, coughing):
    """Mean risk (%) of patients in each cell of age and pack-years."""
    chosen = (data["cough_weeks"] > 5) if coughing else (data["cough_weeks"] < 2)
    chosen &= np.isfinite(data["pack_years"])
    edges = [np.append(ages - 2.5, 85), np.append(packs - 5, 60)]
    place = data["age"][chosen], data["pack_years"][chosen]
    total = np.histogram2d(*place, edges, weights=risk[chosen])[0]
    count = np.histogram2d(*place, edges)[0]
    return 100 * np.divide(total, count, where=count > 2, out=np.full(count.shape, np.nan)).T


# %% tags=["demo", "thumbnail"]
fig, axes = plt.subplots(2, 2, figsize=(6.4, 5.2), sharex=True, sharey=True)
for who, risk, pair in zip(
    ("rule", "network"), (trial["simulated_risk"], risk_of(network, z_trial)), axes
):
    for coughing, axis in zip((False, True), pair):
        picture = axis.imshow(
            risk_map(trial, risk, coughing), origin="lower", aspect="auto", vmin=0, vmax=80,
            extent=(30, 85, 0, 60),
        )  # fmt: skip
        axis.set_title(f"{who}, {'cough over 5 weeks' if coughing else 'little or no cough'}")
fig.colorbar(picture, ax=axes, label="mean risk (%)")
fig.supxlabel("age (years)")
fig.supylabel("pack-years")
fig.suptitle("With a long cough, the network has found the corner", fontsize=12)
plots.show(
    fig,
    alt="Four maps of risk over age and pack-years. With a long cough, rule and network agree: high "
    "in the corner of old heavy smokers, low elsewhere. With little cough both are low all over.",
)

# %% [markdown]
# ### Which columns does it use?
#
# Shuffle one column among the test patients and the network loses what that column told it, also
# in combination with others (**permutation importance**). Compare that with what the column said
# alone. An indicator is shuffled together with its column.

# %% tags=["demo"]
rng = np.random.default_rng(0)
full_area = roc_auc_score(y_test, risk_of(network, z_test))
lost = {}
for index, name in enumerate(INPUTS):
    drops = []
    for _ in range(5):
        broken = x_test.copy()
        broken[:, index] = rng.permutation(broken[:, index])
        drops.append(
            full_area - roc_auc_score(y_test, risk_of(network, INDICATED.transform(broken)))
        )
    lost[name] = np.mean(drops)

# %% tags=["demo"]
order = sorted(INPUTS, key=alone.get)
fig, axis = plt.subplots(figsize=(6.4, 5.2))
axis.hlines(order, 0, [lost[name] for name in order], color=plots.SKY)
axis.plot([lost[name] for name in order], order, "o", color=plots.BLUE, label="lost when shuffled")
axis.plot(
    [alone[name] - 0.5 for name in order],
    order,
    "s",
    color=plots.ORANGE,
    label="alone, above a coin",
)
axis.set_xlabel("AUROC")
axis.legend(loc="lower right")
axis.set_title("A cough says little alone and much in company")
plots.show(
    fig,
    alt="For each column two marks: its AUROC alone above 0.5, and what the network loses when the "
    "column is shuffled. Pack-years, age and cough lead in both, and cough gains most: alone it is "
    "half as good as pack-years, in the network about as good. Blood values lie near zero.",
)

# %% tags=["demo", "nbval-check-output"]
leaders = sorted(lost, key=lost.get, reverse=True)[:3]
print("most used:", ", ".join(sorted(leaders)))
worth = lost["cough_weeks"] / (alone["cough_weeks"] - 0.5)
print(f"the network loses over 1.4 times what a cough says alone: {worth > 1.4}")
noise = ("sodium", "creatinine", "cholesterol", "bmi", "heart_rate", "crp", "haemoglobin")
print(
    f"seven columns that say nothing lose less than 0.02 each: {max(lost[c] for c in noise) < 0.02}"
)

# %% [markdown]
# ## One model that takes the dossier as it is
#
# Preparation and network must stay together. Someone who loads the network next year and fills a
# gap with another number gets a wrong risk, and no error message. The remedy is a model that takes
# the raw dossier, gaps included, and carries the training patients' statistics inside it.
#
# **Exercise 3: pack the preparation into the model.** Write
# `with_preparation(network, median, mean, deviation, gaps)`. It returns a `keras.Model` that takes
# raw dossiers, shape `(n, c)`, with `nan` for gaps, and returns what `network` gives for them after
# the preparation of exercise 2: fill with `median`, subtract `mean`, divide by `deviation` (all of
# shape `(c,)`, none of them 0 in `deviation`), and append 0/1 indicators of the columns whose
# numbers are in the list `gaps`. The network is used as it is, weights and all.
#
# Start with `keras.Input((c,))`. Operations of `keras.ops` such as `isnan`, `where`, `take`, `cast`
# and `concatenate` work on it as NumPy's do on arrays, and the result can be saved in one file.


# %% grade_id="with_preparation" solution=true
def with_preparation(network, median, mean, deviation, gaps):
    """A Keras model from raw dossiers, gaps and all, to the network's risks."""
    ### BEGIN SOLUTION
    dossier = keras.Input((len(median),))
    missing = keras.ops.isnan(dossier)
    filled = keras.ops.where(missing, np.asarray(median, "float32"), dossier)
    scaled = (filled - np.asarray(mean, "float32")) / np.asarray(deviation, "float32")
    indicators = keras.ops.cast(keras.ops.take(missing, list(gaps), axis=1), "float32")
    return keras.Model(dossier, network(keras.ops.concatenate([scaled, indicators], axis=1)))
    ### END SOLUTION


# %% [markdown]
# The tests use this small network of random weights, and made-up statistics for four columns, two
# of which have gaps.


# %%
def small_network(inputs, seed=0):
    """An untrained network with `inputs` inputs and a risk as its output."""
    keras.utils.set_random_seed(seed)
    numbers = keras.Input((inputs,))
    hidden = keras.layers.Dense(8, activation="tanh")(numbers)
    risk = keras.layers.Dense(1, activation="sigmoid", dtype="float32")(hidden)
    return keras.Model(numbers, risk)


STATISTICS = {
    "median": np.array([60.0, 10.0, 270.0, 1.0], "float32"),
    "mean": np.array([55.0, 14.0, 280.0, 0.5], "float32"),
    "deviation": np.array([15.0, 9.0, 60.0, 2.0], "float32"),
    "gaps": [1, 3],
}

# %% grade_id="with_preparation_form" points=2
_network = small_network(6)
_model = with_preparation(_network, **STATISTICS)
assert _model.input_shape == (None, 4), (
    f"Expected an input of shape (None, 4), got {_model.input_shape}."
)
_dossiers = np.array([[70, 40, 250, 2], [30, 0, 300, 0]], "float32")
_risk = np.asarray(_model(_dossiers))
assert _risk.shape == (2, 1), f"Expected one risk a patient, shape (2, 1), got {_risk.shape}."
_numbers = np.array(
    [[1, 26 / 9, -0.5, 0.75, 0, 0], [-25 / 15, -14 / 9, 1 / 3, -0.25, 0, 0]], "float32"
)
_want = np.asarray(_network(_numbers))
assert np.allclose(_risk, _want, atol=0.01), (
    f"Expected {_want.ravel().round(3)} for two patients without gaps, got {_risk.ravel().round(3)}: "
    "are the columns scaled by the numbers handed over, and the indicators 0 where nothing is missing?"
)

# %% grade_id="with_preparation_gaps" points=2
# On dossiers with gaps: the median filled in, the indicators set, each patient for themselves.
### BEGIN HIDDEN TESTS
_network = small_network(6, seed=1)
_model = with_preparation(_network, **STATISTICS)
_nan = np.nan
_dossiers = np.array(
    [[70, _nan, 250, 2], [_nan, 0, 300, _nan], [_nan] * 4, [40, 5, _nan, 1]], "float32"
)
_missing = np.isnan(_dossiers)
_filled = np.where(_missing, STATISTICS["median"], _dossiers)
_numbers = (_filled - STATISTICS["mean"]) / STATISTICS["deviation"]
_numbers = np.concatenate([_numbers, _missing[:, [1, 3]]], axis=1).astype("float32")
_want = np.asarray(_network(_numbers)).ravel()
_risk = np.asarray(_model(_dossiers)).ravel()
assert np.isfinite(_risk).all(), "A gap came through to the risk, which is nan."
assert np.allclose(_risk, _want, atol=0.01), (
    f"Expected {_want.round(3)} for four dossiers with gaps, got {_risk.round(3)}: is the median "
    "filled in before scaling, and does an indicator say 1 where the value is missing?"
)
_one = np.asarray(_model(_dossiers[:1])).ravel()
assert np.allclose(_one, _risk[:1], atol=0.01), (
    "A patient's risk changes with who else is in the batch: the statistics must be the given ones."
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The gap is filled after scaling, with 0, which is the column's mean and not its median.
def with_preparation(network, median, mean, deviation, gaps):
    dossier = keras.Input((len(median),))
    missing = keras.ops.isnan(dossier)
    scaled = (dossier - mean) / deviation
    filled = keras.ops.where(missing, 0.0, scaled)
    indicators = keras.ops.cast(keras.ops.take(missing, gaps, axis=1), "float32")
    return keras.Model(dossier, network(keras.ops.concatenate([filled, indicators], axis=1)))


# %% tags=["misconception"]
# The indicators are the wrong way round: they say 1 where a value is known.
def with_preparation(network, median, mean, deviation, gaps):
    dossier = keras.Input((len(median),))
    missing = keras.ops.isnan(dossier)
    scaled = (keras.ops.where(missing, median, dossier) - mean) / deviation
    known = keras.ops.cast(keras.ops.logical_not(keras.ops.take(missing, gaps, axis=1)), "float32")
    return keras.Model(dossier, network(keras.ops.concatenate([scaled, known], axis=1)))


# %% tags=["misconception"]
# The columns are scaled by the batch's own statistics: a patient's risk depends on the neighbours.
def with_preparation(network, median, mean, deviation, gaps):
    dossier = keras.Input((len(median),))
    missing = keras.ops.isnan(dossier)
    filled = keras.ops.where(missing, median, dossier)
    spread = keras.ops.std(filled, axis=0) + 1e-6
    scaled = (filled - keras.ops.mean(filled, axis=0)) / spread
    indicators = keras.ops.cast(keras.ops.take(missing, gaps, axis=1), "float32")
    return keras.Model(dossier, network(keras.ops.concatenate([scaled, indicators], axis=1)))


# %% tags=["alternative"]
# A Normalization layer that is given the mean and the variance does the scaling.
def with_preparation(network, median, mean, deviation, gaps):
    dossier = keras.Input((len(median),), dtype="float32")
    missing = keras.ops.isnan(dossier)
    filled = keras.ops.where(missing, np.asarray(median, "float32"), dossier)
    scale = keras.layers.Normalization(mean=mean, variance=np.square(deviation))
    parts = [scale(filled)] + [keras.ops.cast(missing[:, i : i + 1], "float32") for i in gaps]
    return keras.Model(dossier, network(keras.layers.Concatenate()(parts)))


# %% [markdown]
# ## A risk should mean what it says
#
# AUROC only looks at the order. A doctor who reads "30 %" also wants that of a hundred such
# patients about thirty are ill: the risk should be **calibrated**. To see it, sort patients into
# groups of similar risk and compare the mean risk of each with the share that was ill.
#
# A habit that looks harmless breaks this. Ill patients are rare, so many people weigh them more in
# the loss, `class_weight={0: 1, 1: 8}`. What do you expect of AUROC, and of the risks?

# %% tags=["demo"]
weight = (1 - y_train.mean()) / y_train.mean()
weighted = train(z_train, y_train, class_weight={0: 1.0, 1: weight})
risks = {"plain": risk_of(network, z_test), "weighted": risk_of(weighted, z_test)}

# %% tags=["demo"]
from sklearn.calibration import calibration_curve

fig, axis = plt.subplots(figsize=(6.4, 4))
axis.plot([0, 100], [0, 100], color="0.6", linewidth=1, linestyle="--")
for (name, risk), color, marker in zip(risks.items(), (plots.BLUE, plots.VERMILION), "os"):
    ill, mean_risk = calibration_curve(y_test, risk, n_bins=8, strategy="quantile")
    axis.plot(100 * mean_risk, 100 * ill, marker=marker, color=color, label=f"{name} loss")
axis.set_xlabel("mean risk given by the network (%)")
axis.set_ylabel("patients who were ill (%)")
axis.legend()
axis.set_title("Weighting the ill makes every risk too high")
plots.show(
    fig,
    alt="Reliability diagram. The plain network's points lie near the diagonal; those of the network "
    "trained with class weights lie far below it: it says 50 % where about 15 % are ill.",
)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: AUROC differ by 0.013 at most; mean risk over share of ill 1.07 to 1.10, 2.9 to 3.1.
areas_by_loss = {name: roc_auc_score(y_test, risk) for name, risk in risks.items()}
print(
    f"AUROC within 0.04 of each other: {abs(areas_by_loss['plain'] - areas_by_loss['weighted']) < 0.04}"
)
for name, risk in risks.items():
    ratio = risk.mean() / y_test.mean()
    print(
        f"{name}: mean risk {'over twice' if ratio > 2 else 'within a fifth of'} the share of ill patients"
    )

# %% [markdown]
# Weighting tells the network that illness is common, and it believes that. If only the order is
# used nothing is lost; if the number is used, train without weights and move the threshold instead.
#
# ## A threshold comes from costs
#
# The clinic must decide: scan, or send home. Take one scan with its radiation, waiting and worry as
# the unit of cost. Sending home someone who is ill costs ten, say. Sending home the healthy costs
# nothing. A scan costs one, whether it finds something or not. Each policy then has a price.

# %% tags=["demo"]
COSTS = np.array([[0.0, 1.0], [10.0, 1.0]])  # COSTS[ill, scanned]


def cost_per_100(truth, scanned):
    """The cost of a policy for 100 patients."""
    return 100 * COSTS[truth.astype(int), scanned.astype(int)].mean()


thresholds = np.linspace(0.01, 0.8, 80)
prices = {
    name: [cost_per_100(y_test, risk >= t) for t in thresholds] for name, risk in risks.items()
}
fig, axis = plt.subplots(figsize=(6.4, 3.8))
for (name, price), color, style in zip(prices.items(), (plots.BLUE, plots.VERMILION), ("-", "--")):
    axis.plot(100 * thresholds, price, style, color=color, label=f"{name} loss")
axis.axvline(10, color="0.6", linewidth=1, linestyle=":")
axis.set_xlabel("patients are scanned from this risk on (%)")
axis.set_ylabel("cost for 100 patients (scans)")
axis.legend()
axis.set_title("Calibrated risks are cheapest to act on near 10 %")
plots.show(
    fig,
    alt="Cost against threshold. The plain network is cheapest near 10 % and gets dearer towards "
    "50 %. The network trained with class weights is cheapest at a much higher threshold.",
)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: costs 62 to 66 at 10 %, 76 to 78 at 50 %, 75 to 81 with weighted risks at 10 %.
plain = risks["plain"]
half, tenth = (cost_per_100(y_test, plain >= t) for t in (0.5, 0.1))
nobody, everybody = (cost_per_100(y_test, np.full(len(y_test), scan)) for scan in (0, 1))
print(f"scanning from 10 % costs less than from 50 %: {tenth < half}")
print(f"and less than scanning nobody or everybody: {tenth < min(nobody, everybody)}")
print(f"within 10 % of the best threshold in hindsight: {tenth < 1.1 * min(prices['plain'])}")
at_tenth = cost_per_100(y_test, risks["weighted"] >= 0.1)
print(f"with weighted risks, 10 % costs at least a tenth more: {at_tenth > 1.1 * tenth}")

# %% [markdown]
# There is no need to search. For a patient with risk $p$, and $c_{ij}$ the cost when the truth is
# $i$ (1: ill) and the decision $j$ (1: scan), sending home costs $p\,c_{10} + (1-p)\,c_{00}$ on
# average, and scanning $p\,c_{11} + (1-p)\,c_{01}$. The threshold is the risk at which both are
# equal, and it only works with risks that mean what they say.
#
# **Exercise 4: threshold from costs.** Write `threshold_from_costs(costs)` for a 2 × 2 array
# `costs[truth, decision]` in which the wrong decision always costs more than the right one. Return
# the risk above which scanning is the cheaper choice.


# %% grade_id="threshold_from_costs" solution=true
def threshold_from_costs(costs):
    """The risk at which acting and not acting cost the same."""
    ### BEGIN SOLUTION
    costs = np.asarray(costs, float)
    needless = costs[0, 1] - costs[0, 0]
    missed = costs[1, 0] - costs[1, 1]
    return needless / (needless + missed)
    ### END SOLUTION


# %% grade_id="threshold_from_costs_values" points=1
_half = float(threshold_from_costs(np.array([[0.0, 1.0], [1.0, 0.0]])))
assert abs(_half - 0.5) < 1e-4, f"Expected 0.5 where both mistakes cost the same, got {_half:.3f}."
_tenth = float(threshold_from_costs(np.array([[0.0, 1.0], [10.0, 1.0]])))
assert abs(_tenth - 0.1) < 1e-4, (
    f"Expected 0.1 for the clinic's costs, got {_tenth:.4f}: which of the four costs went in, and "
    "is a higher price of missing someone a reason to scan earlier or later?"
)

# %% grade_id="threshold_from_costs_cheapest" points=2
# For twenty sets of costs: the threshold takes the cheaper decision at every risk.
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(8)
_risk = np.linspace(0.0005, 0.9995, 1000)
for _ in range(20):
    _right, _more = _rng.uniform(0, 5, 2), _rng.uniform(0.5, 20, 2)
    _costs = np.array([[_right[0], _right[0] + _more[0]], [_right[1] + _more[1], _right[1]]])
    _t = float(threshold_from_costs(_costs.copy()))
    _home = _risk * _costs[1, 0] + (1 - _risk) * _costs[0, 0]
    _scan = _risk * _costs[1, 1] + (1 - _risk) * _costs[0, 1]
    _clear = np.abs(_home - _scan) > 0.02
    _wrong = (_risk > _t)[_clear] != (_scan < _home)[_clear]
    assert not _wrong.any(), (
        f"With costs {_costs.round(1).tolist()} a threshold of {_t:.3f} takes the dearer decision for "
        f"{_wrong.mean():.0%} of the risks from 0 to 1: what does each decision cost at that risk?"
    )
_costs = np.array([[0.0, 1.0], [10.0, 1.0]])
_scaled = float(threshold_from_costs(7 * _costs))
assert abs(_scaled - 0.1) < 1e-4, (
    f"Costs in another currency changed the threshold to {_scaled:.3f}."
)
### END HIDDEN TESTS


# %% tags=["misconception"]
# The share is upside down: the dearer a missed patient is, the later this one would scan.
def threshold_from_costs(costs):
    needless, missed = costs[0, 1] - costs[0, 0], costs[1, 0] - costs[1, 1]
    return missed / (needless + missed)


# %% tags=["misconception"]
# This is the ratio of the costs, which is the odds at which to scan and not the risk.
def threshold_from_costs(costs):
    return (costs[0, 1] - costs[0, 0]) / (costs[1, 0] - costs[1, 1])


# %% tags=["misconception"]
# Only the costs of the two mistakes are used, as if the right decisions were free.
def threshold_from_costs(costs):
    return costs[0, 1] / (costs[0, 1] + costs[1, 0])


# %% tags=["alternative"]
# Both costs are straight lines in the risk, so their difference is zero at the crossing.
def threshold_from_costs(costs):
    at_zero, at_one = costs[0, 1] - costs[0, 0], costs[1, 1] - costs[1, 0]
    return np.interp(0.0, [at_one, at_zero], [1.0, 0.0])


# %% tags=["alternative"]
# From the odds: scan where risk against no risk outweighs the price ratio.
def threshold_from_costs(costs):
    (healthy_home, healthy_scan), (ill_home, ill_scan) = np.asarray(costs, float).tolist()
    odds = (healthy_scan - healthy_home) / (ill_home - ill_scan)
    return odds / (1 + odds)


# %% [markdown]
# The formula is exact and the ten is not: who says what a missed cancer costs against a scan?
# That is a decision for patients, doctors and those who pay. Its place is in front of the model,
# in the open. A threshold of 0.5 is also an answer to it, given without being asked.


# %% [markdown]
# ## Break it: three leaks
#
# A leak is information that the model has in the test and will not have at work. Its sign is a
# result that is too good, and its price is paid on the day of use. The trial is that day.
#
# **From the future.** We put `oncology_visits` back. Then we use the model in the trial, where
# the column is still empty for everyone, because the year has not happened yet. What will it say?

# %% tags=["demo"]
x_all, x_day = (
    np.column_stack([x, data["oncology_visits"]])
    for x, data in ((x_archive, archive), (x_trial, trial))
)
prepared = preparation().fit(x_all[~held_out])
seer = train(prepared.transform(x_all[~held_out]), y_train, epochs=8)
seen = roc_auc_score(y_test, risk_of(seer, prepared.transform(x_all[held_out])))
risk_on_the_day = risk_of(seer, prepared.transform(x_day))

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: on the day 0.60 to 0.64, the honest network 0.777 to 0.790.
honest = roc_auc_score(y_trial, risk_of(network, z_trial))
day = roc_auc_score(y_trial, risk_on_the_day)
print(f"AUROC on the archive's test patients above 0.99: {seen > 0.99}")
print(f"AUROC on the day of use at least 0.08 below the honest network: {day < honest - 0.08}")
print(f"mean risk on the day below 2 %, where over 12 % are ill: {risk_on_the_day.mean() < 0.02}")

# %% [markdown]
# It tells nearly everyone that they are well: nobody has been to oncology yet. No test made from
# the archive could have warned us. What warns is a question, asked of every column: *on which day
# is this written down?*
#
# **Twins.** Now split dossiers instead of patients. To see what that does, take a network without
# the penalty, which has room to memorise, and a model that does nothing but memorise: the nearest
# neighbour, which gives the answer of the most similar dossier that it knows.

# %% tags=["demo"]
from sklearn.neighbors import KNeighborsClassifier

by_dossier = np.random.default_rng(0).random(len(y_archive)) < 0.25
twins = {}
for split, test in (("dossiers", by_dossier), ("patients", held_out)):
    fitted = preparation().fit(x_archive[~test])
    z, z_new = fitted.transform(x_archive[~test]), fitted.transform(x_archive[test])
    neighbour = KNeighborsClassifier(1).fit(z, y_archive[~test])
    free = train(z, y_archive[~test], penalty=0.0)
    for name, risk, later in (
        (
            "nearest neighbour",
            neighbour.predict_proba(z_new)[:, 1],
            neighbour.predict_proba(fitted.transform(x_trial))[:, 1],
        ),
        ("network without penalty", risk_of(free, z_new), risk_of(free, fitted.transform(x_trial))),
    ):
        twins[name, split] = roc_auc_score(y_archive[test], risk)
        twins[name, split, "trial"] = roc_auc_score(y_trial, later)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds, AUROC above the trial's, split by dossier: neighbour .14 to .19, network .03 to .08.
for name, much in (("nearest neighbour", 0.1), ("network without penalty", 0.015)):
    excess = {
        split: twins[name, split] - twins[name, split, "trial"]
        for split in ("dossiers", "patients")
    }
    print(
        f"{name}, split by dossier: over {much} better than in the trial: {excess['dossiers'] > much}"
    )
    print(f"{name}, split by patient: less so: {excess['patients'] < excess['dossiers']}")
memory = twins["nearest neighbour", "dossiers", "trial"]
print(f"nearest neighbour in the trial: below 0.6: {memory < 0.6}")

# %% [markdown]
# Split by dossier, a model that only remembers looks useful; on new patients it is hardly better
# than a coin. The more a model can memorise, the more such a split flatters it.
#
# **A look at everything first.** Preparing before the split uses the test patients' medians and
# scales. It is wrong, and with thousands of rows the damage is too small to see. The same habit
# with another step is a disaster: choosing columns. Take 100 patients, coin flips for labels, and
# 2,000 columns of pure noise. Keep the ten columns that agree best with the labels, then split.


# %% tags=["demo"]
def noise_trial(rng, look_first):
    """AUROC on 50 test patients, from columns that are noise, for labels that are coin flips."""
    x, y = rng.normal(size=(100, 2000)), np.repeat([0, 1], 50)[rng.permutation(100)]
    rows = slice(None) if look_first else slice(50)
    agreement = np.abs((x[rows] * (y[rows] - y[rows].mean())[:, None]).sum(axis=0))
    best = np.argsort(agreement)[-10:]
    model = LogisticRegression().fit(x[:50, best], y[:50])
    return roc_auc_score(y[50:], model.predict_proba(x[50:, best])[:, 1])


early = make_pipeline(preparation(), LogisticRegression(max_iter=1000))
early[0].fit(x_archive)  # the mistake: all rows, the test patients' too
early[1].fit(early[0].transform(x_train), y_train)
late = roc_auc_score(y_test, line.predict_proba(z_test)[:, 1])
difference = roc_auc_score(y_test, early.predict_proba(x_test)[:, 1]) - late
rng = np.random.default_rng(0)
looked, blind = (np.mean([noise_trial(rng, look) for _ in range(40)]) for look in (True, False))

# %% tags=["demo", "nbval-check-output"]
print(
    f"medians and scales from all rows change the AUROC by less than 0.002: {abs(difference) < 0.002}"
)
print(f"columns chosen on all rows, then split: AUROC {looked:.1f} from coin flips")
print(f"columns chosen on the training rows:    AUROC {blind:.1f}")

# %% [markdown]
# So the rule is the same for every step that learns from data, and a `Pipeline` keeps it for you:
# split first.
#
# ## Real patients: here the straight line is enough
#
# Now 569 real ones. Each had a breast mass; a needle took cells, and a program measured 30
# properties of their nuclei under the microscope. One row a patient, no gaps: a cleaner table than
# most. Five models of each kind are trained, each tested on the fifth that it has not seen. Who
# wins?

# %% tags=["demo"]
from sklearn.model_selection import StratifiedKFold

x_masses, benign = datasets.arrays("breast_cancer", "train", as_supervised=True)
malignant = (benign == 0).astype(int)
folds = {"straight line": [], "network": [], "boosted trees": []}
cuts = StratifiedKFold(5, shuffle=True, random_state=0).split(x_masses, malignant)
for fold, (old, new) in enumerate(tqdm(cuts, total=5, desc="folds")):
    fitted = StandardScaler().fit(x_masses[old])
    z, z_new = fitted.transform(x_masses[old]), fitted.transform(x_masses[new])
    trees = GradientBoostingClassifier(max_depth=2, subsample=0.5, random_state=0)
    for name, model in (("straight line", LogisticRegression()), ("boosted trees", trees)):
        folds[name].append(model.fit(z, malignant[old]).predict(z_new) == malignant[new])
    small = train(z, malignant[old], seed=fold, epochs=60, penalty=5e-3, quiet=True)
    folds["network"].append((risk_of(small, z_new) > 0.5) == malignant[new])
accuracies = {name: [100 * right.mean() for right in parts] for name, parts in folds.items()}

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 2.8))
for row, values in enumerate(accuracies.values()):
    axis.plot(values, np.full(5, row) + np.linspace(-0.12, 0.12, 5), "o", color=plots.SKY)
    axis.plot(np.mean(values), row, "|", color=plots.BLUE, markersize=28, markeredgewidth=3)
axis.set_yticks(range(3), accuracies)
axis.set_ylim(-0.5, 2.5)
axis.set_xlabel("right on patients that were not seen (%); dots: folds, bar: mean")
axis.set_title("569 real masses: the folds differ more than the models", x=-0.2)
plots.show(
    fig,
    alt="Accuracy of three models in five folds each on the real breast data. All means lie between "
    "94 and 99 %, within two points of each other, and the dots of the folds spread more widely.",
)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: network 97.2 to 98.2, line 98.1, trees 96.1 to 97.5.
means = {name: np.mean(values) for name, values in accuracies.items()}
spread = max(np.ptp(values) for values in accuracies.values())
print(f"all three right on over 94 %: {min(means.values()) > 94}")
print(
    f"network within 2 points of the straight line: {abs(means['network'] - means['straight line']) < 2}"
)
print(
    f"the models differ by less than the folds of one model: {np.ptp(list(means.values())) < spread}"
)

# %% [markdown]
# Nobody wins. Somebody has already built the right columns here, and they add up. One patient more
# or less is 0.9 points of a fold, so whoever publishes a winner from such a table should show the
# folds. The straight line is the one that a doctor can check by hand.
#
# ## Whom it can hurt
#
# Back to the clinic. Some of its patients are **remote**: they live 60 km or more from the scanner.
# By the simulation's rule they are ill as often as the others. What does the network think of
# distance? We move the *same* patients nearer and farther, and change nothing else.

# %% tags=["demo"]
DISTANCE = INPUTS.index("distance_km")
kilometres = np.array([5, 20, 35, 50, 65, 80, 100, 120, 140])
moved = []
for distance in kilometres:
    elsewhere = x_trial.copy()
    elsewhere[:, DISTANCE] = distance
    moved.append(100 * risk_of(network, INDICATED.transform(elsewhere)).mean())
fig, axis = plt.subplots(figsize=(6.4, 3.6))
axis.plot(kilometres, moved, "o-", label="risk that the network gives")
axis.axhline(
    100 * y_trial.mean(), color=plots.VERMILION, linestyle="--", label="truly ill, near or remote"
)
axis.set_ylim(0, 16)
axis.set_xlabel("distance from home to the scanner (km)")
axis.set_ylabel("mean risk (%)")
axis.legend(loc="lower left")
axis.set_title("Moving away makes the same patients look healthier")
plots.show(
    fig,
    alt="The network's mean risk for the same patients falls steadily, from about 12 % near the "
    "scanner to about half of that at 120 km; the share that is truly ill is 12.6 % everywhere.",
)

# %% [markdown]
# The network is not wrong about its data. In the archive remote patients do have fewer diagnoses,
# because theirs are found elsewhere, late, or never. The label is not "has cancer" but "cancer is
# in our records", and the network has learned exactly that.
#
# **Exercise 5: audit by group.** Write `audit(truth, risk, group, threshold)`. `truth` (0 or 1),
# `risk` (0 to 1) and `group` (strings) have shape `(n,)`. Return a dictionary with one entry for
# each group that occurs, its name to a dictionary of two floats:
#
# - `"sensitivity"`: of the group's ill patients, the share whose risk is at least `threshold`;
# - `"observed_to_expected"`: the number of ill patients in the group, divided by the number that
#   the risks lead one to expect, which is their sum. 1 is calibrated, 2 means that twice as many
#   are ill as the risks say.
#
# Every group has at least one ill patient.


# %% grade_id="audit" solution=true
def audit(truth, risk, group, threshold):
    """Sensitivity and observed-to-expected ratio of each group."""
    ### BEGIN SOLUTION
    report = {}
    for name in np.unique(group):
        ill, given = truth[group == name], risk[group == name]
        report[str(name)] = {
            "sensitivity": float((given[ill == 1] >= threshold).mean()),
            "observed_to_expected": float(ill.sum() / given.sum()),
        }
    return report
    ### END SOLUTION


# %% grade_id="audit_form" points=2
_truth = np.array([1, 1, 0, 0, 0, 1, 1, 0, 0, 0])
_risk = np.array([0.4, 0.1, 0.2, 0.1, 0.2, 0.1, 0.3, 0.05, 0.3, 0.05])
_group = np.array(["near"] * 5 + ["remote"] * 5)
_report = audit(_truth, _risk, _group, 0.25)
assert set(_report) == {"near", "remote"}, (
    f"Expected entries 'near' and 'remote', got {list(_report)}."
)
for _name, _expected in (("near", 2.0), ("remote", 2.5)):
    _entry = _report[_name]
    assert set(_entry) == {"sensitivity", "observed_to_expected"}, (
        f"Expected two values, got {_entry}."
    )
    assert abs(_entry["sensitivity"] - 0.5) < 1e-6, (
        f"Expected a sensitivity of 0.5 in {_name}, where one of two ill patients is scanned, got "
        f"{_entry['sensitivity']:.3f}: of whom is the share taken?"
    )
    assert abs(_entry["observed_to_expected"] - _expected) < 1e-6, (
        f"Expected {_expected} in {_name}, 2 ill against {2 / _expected:g} expected, got "
        f"{_entry['observed_to_expected']:.3f}."
    )

# %% grade_id="audit_groups" points=2
# On three groups of different size, with a risk that is exactly the threshold.
### BEGIN HIDDEN TESTS
_rng = np.random.default_rng(2)
_group = np.array(["a", "b", "c"])[_rng.permutation(np.repeat([0, 1, 2], [200, 60, 40]))]
_risk = _rng.beta(1, 5, 300)
_truth = (_rng.random(300) < np.where(_group == "b", 2, 1) * _risk).astype(int)
_truth[[np.flatnonzero(_group == name)[0] for name in "abc"]] = 1
_risk[5], _truth[5] = 0.3, 1  # exactly at the threshold: scanned
_report = audit(_truth, _risk, _group, 0.3)
assert set(_report) == {"a", "b", "c"}, f"Expected groups a, b and c, got {list(_report)}."
for _name in "abc":
    _in = _group == _name
    _want = np.sum(_truth[_in & (_risk >= 0.3)]) / np.sum(_truth[_in])
    _got = _report[_name]["sensitivity"]
    assert abs(_got - _want) < 1e-6, (
        f"Expected a sensitivity of {_want:.3f} in {_name}, got {_got:.3f}."
    )
    _want, _got = np.sum(_truth[_in]) / np.sum(_risk[_in]), _report[_name]["observed_to_expected"]
    assert abs(_got - _want) < 1e-6, (
        f"Expected {_want:.3f} ill patients for each expected one in {_name}, got {_got:.3f}: what is "
        "expected of a patient whose risk is 0.2?"
    )
### END HIDDEN TESTS


# %% tags=["misconception"]
# This divides by the scanned instead of the ill: the share of scans that find something.
def audit(truth, risk, group, threshold):
    report = {}
    for name in np.unique(group):
        ill, given = truth[group == name], risk[group == name]
        scanned = given >= threshold
        report[str(name)] = {
            "sensitivity": float(ill[scanned].sum() / max(scanned.sum(), 1)),
            "observed_to_expected": float(ill.sum() / given.sum()),
        }
    return report


# %% tags=["misconception"]
# Expected counts the patients above the threshold, as if each of them were surely ill.
def audit(truth, risk, group, threshold):
    report = {}
    for name in np.unique(group):
        ill, given = truth[group == name], risk[group == name]
        report[str(name)] = {
            "sensitivity": float((given[ill == 1] >= threshold).mean()),
            "observed_to_expected": float(ill.sum() / max((given >= threshold).sum(), 1)),
        }
    return report


# %% tags=["misconception"]
# The ratio is upside down: this is expected to observed.
def audit(truth, risk, group, threshold):
    report = {}
    for name in np.unique(group):
        ill, given = truth[group == name], risk[group == name]
        report[str(name)] = {
            "sensitivity": float((given[ill == 1] >= threshold).mean()),
            "observed_to_expected": float(given.sum() / ill.sum()),
        }
    return report


# %% tags=["alternative"]
# Sums for all groups at once, without a loop over patients' groups.
def audit(truth, risk, group, threshold):
    names, place = np.unique(group, return_inverse=True)
    ill = np.bincount(place, truth)
    found = np.bincount(place, truth * (risk >= threshold)) / ill
    ratio = ill / np.bincount(place, risk)
    return {
        str(name): {"sensitivity": float(s), "observed_to_expected": float(r)}
        for name, s, r in zip(names, found, ratio)
    }


# %% tags=["alternative"]
# scikit-learn's recall is the sensitivity.
def audit(truth, risk, group, threshold):
    from sklearn.metrics import recall_score

    report = {}
    for name in sorted(set(group.tolist())):
        inside = group == name
        recall = recall_score(truth[inside], risk[inside] >= threshold)
        ratio = truth[inside].mean() / risk[inside].mean()
        report[name] = {"sensitivity": float(recall), "observed_to_expected": float(ratio)}
    return report


# %% [markdown]
# ### The archive's own test sees nothing wrong
#
# First the audit that a clinic can do with what it has: the archive's test patients. Then the one
# that takes a trial in which everybody is scanned. We use half of the trial to find out, and keep
# the other half to see whether a remedy works.

# %% tags=["demo"]
first = np.arange(len(y_trial)) < 3000
far_test, far_trial = (x[:, DISTANCE] >= 60 for x in (x_test, x_trial))
risk_test, risk_trial = risk_of(network, z_test), risk_of(network, z_trial)


def ratio(truth, risk):
    """Ill patients for each one that the risks lead one to expect."""
    return truth.sum() / risk.sum()


in_archive = [ratio(y_test[far_test == far], risk_test[far_test == far]) for far in (False, True)]
in_trial = [
    ratio(y_trial[first & (far_trial == far)], risk_trial[first & (far_trial == far)])
    for far in (False, True)
]

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: archive 0.96 to 1.00 and 0.63 to 0.71, trial 1.09 to 1.12 and 1.59 to 1.74.
print("ill patients for each one that the network expects")
print(f"archive, near:   between 0.8 and 1.2: {0.8 < in_archive[0] < 1.2}")
print(f"archive, remote: below 1.0: {in_archive[1] < 1.0}")
print(f"trial, near:   between 0.8 and 1.3: {0.8 < in_trial[0] < 1.3}")
print(f"trial, remote: above 1.5: {in_trial[1] > 1.5}")

# %% [markdown]
# Judged by the archive, the network is right about near patients and, if anything, rates remote
# ones too high. The trial shows the opposite: a remote patient's risk is far higher than what the
# network says. No amount of testing on the archive could have found this, since the same hand that
# misses the cancers writes the labels of the test.
#
# ### What one threshold for all does to them
#
# A threshold from costs needs risks that mean the same for everyone. Here the clinic's 10 % is,
# for remote patients, really over 15 %. Two remedies: train without the distance, or multiply each
# group's risk by its ratio from the first half of the trial. Which do you expect to do better?

# %% tags=["demo"]
without = np.delete(x_archive, DISTANCE, axis=1), np.delete(x_trial, DISTANCE, axis=1)
fitted = preparation().fit(without[0][~held_out])
unaware = train(fitted.transform(without[0][~held_out]), y_train)
policies = {
    "as trained": risk_trial,
    "without distance": risk_of(unaware, fitted.transform(without[1])),
    "corrected by the trial": np.minimum(risk_trial * np.array(in_trial)[far_trial.astype(int)], 1),
}
found, price = {}, {}
for name, risk in policies.items():
    for far in (False, True):
        chosen = ~first & (far_trial == far)
        truth, scanned = y_trial[chosen], risk[chosen] >= 0.1
        found[name, far] = 100 * scanned[truth == 1].mean()
        price[name, far] = cost_per_100(truth, scanned)

# %% tags=["demo"]
fig, axis = plt.subplots(figsize=(6.4, 3.4))
places = np.arange(len(policies))
for far, color, label in ((False, plots.BLUE, "near"), (True, plots.ORANGE, "remote")):
    heights = [found[name, far] for name in policies]
    bars = axis.bar(places + (0.2 if far else -0.2), heights, 0.38, color=color, label=label)
    axis.bar_label(bars, fmt="%.0f", padding=2)
axis.set_xticks(places, policies)
axis.set_ylim(0, 100)
axis.set_ylabel("ill patients scanned (%)")
axis.legend(ncols=2)
axis.set_title("One threshold misses more of the remote patients")
plots.show(
    fig,
    alt="Share of ill patients who are scanned, near and remote, under three policies. As trained, "
    "remote patients are found much less often than near ones; both remedies close most of the gap.",
)

# %% tags=["demo", "nbval-check-output"]
# 20 seeds: gap 21 to 28 points as trained, -2 to 3 without distance, 4 to 13 corrected.
gaps = {name: found[name, False] - found[name, True] for name in policies}
low = [
    ratio(y_trial[far_trial == far], policies["without distance"][far_trial == far])
    for far in (0, 1)
]
print(f"remote: {far_trial.mean():.0%} of the trial's patients")
print(
    f"as trained, remote patients are found less often by over 12 points: {gaps['as trained'] > 12}"
)
for name in ("without distance", "corrected by the trial"):
    print(f"{name}: gap smaller by over 5 points: {gaps['as trained'] - gaps[name] > 5}")
    print(
        f"{name}: remote patients cost less than as trained: {price[name, True] < price['as trained', True]}"
    )
print(f"without distance, all risks too low, near and remote: {min(low) > 1}")

# %% [markdown]
# Both help. Leaving the distance out works here because distance is the only column that tells who
# is remote; in real records a postcode, an insurer or a pattern of gaps says the same. And it
# spreads the error: everyone's risk is now a little too low. The correction goes to the cause, and
# needs the thing that money was saved on: scans of remote patients, suspicious or not. It also
# rests on an assumption, that within a group every cancer is equally likely to go unrecorded.
#
# A well-known case is not about distance. A program used on millions of patients in the United
# States predicted the *cost* of care as a stand-in for need. Less had been spent on Black patients
# with the same illness, so the program rated them healthier than they were (Obermeyer and others,
# 2019). The label was accurate. It was the wrong label.
#
# What this lesson cannot show: whether any of these numbers holds for a real clinic. The rule is
# ours, it is the same in the archive and in the trial, and real medicine changes its tests, its
# forms and its patients every year.

# %% [markdown]
# ## Where to go on
#
# **Try it.** (1) Let the breath test be given to everyone in the trial (fill its gaps with 85 and
# set no indicator): what happens to the risks? (2) Train on 1,000, 3,000 and 9,000 dossiers: from
# where on does the network see the combination? (3) Find the threshold for a clinic in which a
# missed cancer costs 40 scans, and draw both groups' costs against it.
#
# **Read.** Obermeyer, Powers, Vogeli and Mullainathan (2019), "Dissecting racial bias in an
# algorithm used to manage the health of populations", *Science* 366. Grinsztajn, Oyallon and
# Varoquaux (2022), "Why do tree-based models still outperform deep learning on typical tabular
# data?", NeurIPS. Van Calster and others (2019), "Calibration: the Achilles heel of predictive
# analytics", *BMC Medicine* 17.
#
# **At full size.** Large clinical tables, such as MIMIC-IV, are given out only under an agreement.
# A public table in which a network has to find combinations by itself, with millions of rows, is
# `higgs`: particle collisions, 28 columns. With a GPU, `course.setup` picks mixed precision; use
# batches of some thousands, wider layers, and `tf.data` in place of arrays.

# %% tags=["demo"]
try:
    collisions = datasets.load("higgs", split="train[:1%]")
    print(collisions.element_spec)
except datasets.DatasetNotDownloadedError as error:
    print(error)
