"""The known mistakes of two lessons in other words, in the order of the lessons' sources, and wrong
answers to exercises of several lessons that are none of the known mistakes."""

REWRITTEN = {
    "01_neurons_and_layers": {
        "layer": [
            "def layer(x, kernel, bias):\n    return (np.dot(x, kernel).T + bias).T",
            "def layer(x, kernel, bias):\n    return np.einsum('ij,jk->ik', x, kernel)",
            """\
def layer(x, kernel, bias):
    sums = x @ kernel + bias
    return sums * (sums > 0)""",
        ],
        "softmax": [
            """\
def softmax(z):
    e = np.e**z
    return e / np.sum(e, axis=1)[:, None]""",
            """\
def softmax(z):
    e = np.exp(z - np.max(z, axis=1).reshape(-1, 1))
    return e / np.sum(e)""",
            """\
def softmax(z):
    largest = max(z.ravel().tolist())
    e = np.exp(np.subtract(z, largest))
    return e / e.sum(1)[:, np.newaxis]""",
            """\
def softmax(z):
    e = np.exp(z.T - z.T.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).T""",
        ],
        "collapse": [
            """\
def collapse(kernels, biases):
    kernel, total = kernels[0], biases[0]
    for each in kernels[1:]:
        kernel = np.matmul(kernel, each)
    for each in biases[1:]:
        total = each + np.sum(total)
    return [kernel, total]""",
            """\
def collapse(kernels, biases):
    product = np.eye(len(kernels[0]))
    for each in kernels:
        product = product @ each
    return product, biases[len(biases) - 1].copy()""",
            """\
def collapse(kernels, biases):
    product, bias = kernels[-1], biases[0]
    for each in reversed(kernels[:-1]):
        product = product @ each
    for each, more in zip(kernels[1:], biases[1:]):
        bias = more + np.matmul(bias, each)
    return product, bias""",
        ],
        "draw_curve": [
            """\
def draw_curve(knots, values):
    slopes = (values[1:] - values[:-1]) / (knots[1:] - knots[:-1])
    return np.ones((1, slopes.size)), -1 * knots[:-1], slopes.reshape(-1, 1), [values[0]]""",
            """\
def draw_curve(knots, values):
    slopes = (values[1:] - values[:-1]) / (knots[1:] - knots[:-1])
    steps = np.concatenate([slopes[:1], slopes[1:] - slopes[:-1]])
    return np.ones((1, len(knots) - 1)), -knots[:-1], steps[:, None], [0.0]""",
            """\
def draw_curve(knots, values):
    rises = values[1:] - values[:-1]
    steps = np.append(rises[0], rises[1:] - rises[:-1])
    return np.ones((1, len(steps))), 0 - knots[:-1], steps.reshape(-1, 1), np.array([values[0]])""",
            """\
def draw_curve(knots, values):
    slopes = (values[1:] - values[:-1]) / (knots[1:] - knots[:-1])
    steps = np.append(slopes[0], np.diff(slopes))
    return np.ones((1, len(steps))), knots[:-1].copy(), steps[:, None], values[:1].copy()""",
        ],
        "build_network": [
            """\
def build_network(kernels, biases):
    given = signal = keras.Input((len(kernels[0]),))
    for kernel in kernels[:-1]:
        signal = keras.layers.Dense(kernel.shape[1])(signal)
    signal = keras.layers.Dense(kernels[-1].shape[1])(signal)
    model = keras.Model(given, keras.layers.Softmax()(signal))
    model.set_weights([part for pair in zip(kernels, biases) for part in pair])
    return model""",
            """\
def build_network(kernels, biases):
    given = signal = keras.Input((len(kernels[0]),))
    for kernel in kernels:
        signal = keras.layers.ReLU()(keras.layers.Dense(kernel.shape[1])(signal))
    model = keras.Model(given, keras.layers.Activation("softmax")(signal))
    model.set_weights([part for pair in zip(kernels, biases) for part in pair])
    return model""",
            None,
            """\
def build_network(kernels, biases):
    given = signal = keras.Input((len(kernels[0]),))
    for kernel in kernels[:-1]:
        signal = keras.layers.Dense(kernel.shape[1], "relu")(signal)
    outputs = keras.layers.Dense(kernels[-1].shape[1], "sigmoid")(signal)
    model = keras.Model(given, outputs)
    model.set_weights([part for pair in zip(kernels, biases) for part in pair])
    return model""",
        ],
    },
    "06_patient_records": {
        "split_by_patient": [
            """\
def split_by_patient(patients, share, seed):
    order = np.random.default_rng(seed).permutation(len(patients))
    held_out = set(order[: round(share * len(patients))].tolist())
    return np.array([place in held_out for place in range(len(patients))])""",
            """\
def split_by_patient(patients, share, seed):
    numbers = sorted(set(patients.tolist()))
    last = numbers[len(numbers) - round(share * len(numbers)) :]
    return np.array([patient in last for patient in patients.tolist()])""",
            """\
def split_by_patient(patients, share, seed):
    order = np.random.default_rng(seed).permutation(patients)
    everyone = list(dict.fromkeys(order.tolist()))
    return np.isin(patients, everyone[: round(share * len(everyone))])""",
        ],
        "prepare": [
            """\
def prepare(train, other):
    both = np.vstack([train, other])
    both = np.where(np.isnan(both), np.nanmedian(both, 0), both)
    spread = both.std(axis=0)
    spread[spread == 0] = 1
    gaps = np.isnan(other)[:, np.isnan(train).any(axis=0)].astype(float)
    return np.hstack([((both - both.mean(axis=0)) / spread)[len(train) :], gaps])""",
            """\
def prepare(train, other):
    filled = other.copy()
    for column in range(other.shape[1]):
        gaps = np.isnan(other[:, column])
        filled[gaps, column] = np.nanmedian(train[:, column])
    spread = np.std(filled, axis=0)
    spread[spread == 0] = 1
    gaps = np.isnan(other[:, np.isnan(train).any(axis=0)])
    return np.hstack([(filled - np.mean(filled, axis=0)) / spread, gaps])""",
            """\
def prepare(train, other):
    known = np.where(np.isnan(train), 0, train)
    mean, spread = known.mean(0), known.std(0)
    spread[spread == 0] = 1
    gaps = np.isnan(other[:, np.isnan(train).any(axis=0)])
    return np.hstack([(np.where(np.isnan(other), 0, other) - mean) / spread, gaps])""",
        ],
        "with_preparation": [
            """\
def with_preparation(network, median, mean, deviation, gaps):
    ops = keras.ops
    dossier = keras.Input((len(mean),))
    scaled = (dossier - np.asarray(mean, "float32")) / np.asarray(deviation, "float32")
    is_gap = ops.take(ops.isnan(dossier), list(gaps), axis=1)
    indicators = ops.where(is_gap, 1.0, 0.0)
    filled = ops.nan_to_num(scaled)
    return keras.Model(dossier, network(ops.concatenate([filled, indicators], axis=-1)))""",
            """\
def with_preparation(network, median, mean, deviation, gaps):
    ops = keras.ops
    dossier = keras.Input((len(mean),))
    is_gap = ops.cast(ops.isnan(dossier), "float32")
    filled = ops.where(ops.isnan(dossier), np.asarray(median, "float32"), dossier)
    scaled = (filled - np.asarray(mean, "float32")) / np.asarray(deviation, "float32")
    known = 1.0 - ops.take(is_gap, list(gaps), axis=1)
    return keras.Model(dossier, network(ops.concatenate([scaled, known], axis=1)))""",
            """\
def with_preparation(network, median, mean, deviation, gaps):
    ops = keras.ops
    dossier = keras.Input((len(mean),))
    is_gap = ops.isnan(dossier)
    filled = ops.where(is_gap, np.asarray(median, "float32"), dossier)
    centred = filled - ops.mean(filled, axis=0, keepdims=True)
    scaled = centred / (ops.sqrt(ops.var(filled, axis=0, keepdims=True)) + 1e-6)
    indicators = ops.cast(ops.take(is_gap, list(gaps), axis=1), "float32")
    return keras.Model(dossier, network(ops.concatenate([scaled, indicators], axis=1)))""",
        ],
        "threshold_from_costs": [
            """\
def threshold_from_costs(costs):
    needless = costs[0][1] - costs[0][0]
    return 1 - needless / (needless + costs[1][0] - costs[1][1])""",
            """\
def threshold_from_costs(costs):
    off, on = np.fliplr(costs).diagonal(), np.diagonal(costs)
    more = off - on
    return float(more[0] / more[1])""",
            """\
def threshold_from_costs(costs):
    alarm, missed = float(costs[0][1]), float(costs[1][0])
    return 1 / (1 + missed / alarm)""",
        ],
        "audit": [
            """\
def audit(truth, risk, group, threshold):
    report = {}
    for name in set(group.tolist()):
        ill, given = truth[group == name], risk[group == name]
        found = np.sum((ill == 1) & (given >= threshold))
        scanned = np.sum(given >= threshold)
        share = found / scanned if scanned else 0.0
        report[name] = dict(sensitivity=share, observed_to_expected=ill.mean() / given.mean())
    return report""",
            """\
def audit(truth, risk, group, threshold):
    report = {}
    for name in set(group.tolist()):
        ill, given = truth[group == name] == 1, risk[group == name]
        scanned = given >= threshold
        share = (ill & scanned).sum() / ill.sum()
        ratio = ill.sum() / (scanned.sum() or 1)
        report[name] = dict(sensitivity=share, observed_to_expected=ratio)
    return report""",
            """\
def audit(truth, risk, group, threshold):
    report = {}
    for name in set(group.tolist()):
        ill, given = truth[group == name] == 1, risk[group == name]
        share = (ill & (given >= threshold)).sum() / ill.sum()
        report[name] = dict(sensitivity=share, observed_to_expected=given.mean() / ill.mean())
    return report""",
        ],
    },
}

NO_KNOWN_MISTAKE = {
    "01_neurons_and_layers": {
        "layer": "def layer(x, kernel, bias):\n    return x @ kernel - bias",
        "softmax": """\
def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.mean(axis=1, keepdims=True)""",
        "collapse": """\
def collapse(kernels, biases):
    kernel, bias = kernels[0], biases[0]
    for next_kernel, next_bias in zip(kernels[1:], biases[1:]):
        kernel = kernel @ next_kernel
        bias = bias @ next_kernel
    return kernel, bias""",
        "draw_curve": """\
def draw_curve(knots, values):
    changes = np.diff(np.diff(values) / np.diff(knots), prepend=0.0)
    return np.ones((1, len(changes))), -knots[1:], changes[:, np.newaxis], values[:1]""",
        # Neither random weights nor one of the activations: every bias is left at 0.
        "build_network": """\
def build_network(kernels, biases):
    model = keras.Sequential([keras.Input((kernels[0].shape[0],))])
    for kernel in kernels[:-1]:
        model.add(keras.layers.Dense(kernel.shape[1], activation="relu"))
    model.add(keras.layers.Dense(kernels[-1].shape[1], activation="softmax"))
    for dense, kernel, bias in zip(model.layers, kernels, biases):
        dense.set_weights([kernel, 0 * bias])
    return model""",
    },
    "06_patient_records": {
        "split_by_patient": """\
def split_by_patient(patients, share, seed):
    everyone = np.unique(patients)
    return np.isin(patients, everyone[: round(share * len(everyone))])""",
        "prepare": """\
def prepare(train, other):
    mean, spread = np.nanmean(train, 0), np.nanstd(train, 0)
    scaled = (np.where(np.isnan(other), mean, other) - mean) / np.where(spread, spread, 1)
    return np.concatenate([scaled, np.isnan(other)[:, np.isnan(train).any(axis=0)]], axis=1)""",
        # The mean instead of the median fills the gaps before scaling.
        "with_preparation": """\
def with_preparation(network, median, mean, deviation, gaps):
    dossier = keras.Input((len(median),))
    missing = keras.ops.isnan(dossier)
    scaled = (keras.ops.where(missing, 0.0, dossier) - mean) / deviation
    indicators = keras.ops.cast(keras.ops.take(missing, gaps, axis=1), "float32")
    return keras.Model(dossier, network(keras.ops.concatenate([scaled, indicators], axis=1)))""",
        "threshold_from_costs": """\
def threshold_from_costs(costs):
    return (costs[0, 1] - costs[0, 0]) / costs.sum()""",
        "audit": """\
def audit(truth, risk, group, threshold):
    report = {}
    for name in np.unique(group):
        ill, given = truth[group == name], risk[group == name]
        sensitivity = float((given[ill == 1] > threshold).mean())
        ratio = float(ill.sum() / given.sum())
        report[str(name)] = {"sensitivity": 1 - sensitivity, "observed_to_expected": ratio}
    return report""",
    },
    "12_translation": {
        # The scores are divided by the number of units.
        "attention_layer": """\
def attention_layer(query_size, memory_size, units):
    states, memory = keras.Input((None, query_size)), keras.Input((None, memory_size))
    visible = keras.Input((None,), dtype="bool")
    asked = layers.Dense(units)(states)[:, :, None]
    offered = layers.Dense(units, use_bias=False)(memory)[:, None]
    scores = layers.Dense(1, use_bias=False)(ops.tanh(asked + offered))[..., 0] / units
    weights = ops.softmax(ops.where(visible[:, None], scores, -1e9))
    return keras.Model([states, memory, visible], [weights @ memory, weights])""",
    },
}
