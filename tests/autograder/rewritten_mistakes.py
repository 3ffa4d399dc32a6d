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
        # What is None replies differently in each run: its weights start at random.
        "Neurons": [
            None,
            """\
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **more):
        super().__init__(**more)
        self.units, self.activation = units, keras.activations.get(activation)

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[1], self.units), "glorot_uniform")
        self.bias = self.add_weight((self.units,), "zeros")

    def call(self, x):
        z = keras.ops.matmul(x, self.kernel) + self.bias
        return z""",
            """\
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **more):
        super().__init__(**more)
        self.units, self.activation = units, keras.activations.get(activation)

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[1], self.units), "glorot_uniform")
        self.bias = self.add_weight((self.units,), "zeros")

    def call(self, x):
        return keras.ops.add(self.activation(keras.ops.dot(x, self.kernel)), self.bias)""",
            """\
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **more):
        super().__init__(**more)
        self.units, self.activation = units, keras.activations.get(activation)

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[1], self.units), "zeros")
        self.bias = self.add_weight((self.units,), "zeros")

    def call(self, x):
        z = keras.ops.matmul(x, self.kernel) + self.bias
        return self.activation(z)""",
            None,
            None,
            """\
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **more):
        super().__init__(**more)
        self.units, self.activation = units, keras.activations.get(activation)

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[1], self.units), "glorot_uniform")
        self.bias = self.add_weight((self.units,), "zeros")

    def call(self, x):
        z = keras.ops.matmul(x, self.kernel) + self.bias
        return keras.ops.maximum(z, 0)""",
            None,
        ],
        "collapse": [
            """\
def collapse(network):
    parts = [dense.get_weights() for dense in network.layers]
    kernel, total = parts[0]
    for each, shift in parts[1:]:
        kernel, total = np.matmul(kernel, each), shift + np.sum(total)
    one = keras.Sequential([keras.Input(kernel.shape[:1]), keras.layers.Dense(len(total))])
    one.set_weights([kernel, total])
    return one""",
            """\
def collapse(network):
    kernel = np.eye(network.input_shape[1])
    for dense in network.layers:
        kernel = kernel @ dense.get_weights()[0]
    one = keras.Sequential([keras.Input(kernel.shape[:1]), keras.layers.Dense(kernel.shape[1])])
    one.set_weights([kernel, network.layers[-1].get_weights()[1]])
    return one""",
            None,
            """\
def collapse(network):
    kernel = network.get_weights()[0]
    for each in network.get_weights()[2::2]:
        kernel = np.matmul(kernel, each)
    one = keras.Sequential([keras.Input((kernel.shape[0],)), keras.layers.Dense(kernel.shape[1])])
    one.set_weights([kernel, np.zeros_like(kernel[0])])
    return one""",
            """\
def collapse(network):
    weights = network.get_weights()
    kernel, bias = weights[:2]
    if len(weights) > 2:
        kernel, bias = np.matmul(kernel, weights[2]), weights[3] + np.matmul(bias, weights[2])
    one = keras.Sequential([keras.Input(kernel.shape[:1]), keras.layers.Dense(len(bias))])
    one.layers[0].set_weights([kernel, bias])
    return one""",
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
            """\
def softmax(z):
    e = np.exp(z - np.mean(z, axis=1)[:, None])
    return e / e.sum(axis=1)[:, None]""",
            """\
def softmax(z):
    e = np.exp(np.minimum(np.maximum(z, -500), 500))
    return e / np.sum(e, axis=1)[:, None]""",
        ],
        # Two trainings from different random starts do not behave alike.
        "train_classifier": [None] * 9,
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
            """\
def split_by_patient(patients, share, seed):
    numbers, place = np.unique(patients, return_inverse=True)
    many = round(share * len(numbers))
    first = np.random.default_rng(seed).integers(0, len(numbers) - many)
    return (place >= first) & (place < first + many)""",
        ],
        "preparation": [None] * 6,
        "train_network": [None] * 5,
        "decision_model": [None] * 6,
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
            """\
def audit(truth, risk, group, threshold):
    report = {}
    for name in set(group.tolist()):
        ill, given = truth[group == name] == 1, risk[group == name]
        share = (ill & ~(given <= threshold)).sum() / ill.sum()
        report[name] = dict(sensitivity=share, observed_to_expected=ill.mean() / given.mean())
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
        "Neurons": """\
class Neurons(keras.layers.Layer):
    def __init__(self, units, activation=None, **more):
        super().__init__(**more)
        self.units, self.activation = units, keras.activations.get(activation)

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[1], self.units), "glorot_uniform")
        self.bias = self.add_weight((self.units,), "zeros")

    def call(self, x):
        return self.activation(keras.ops.matmul(x, self.kernel) - self.bias)""",
        "collapse": """\
def collapse(network):
    kernel, bias = network.layers[0].get_weights()
    for dense in network.layers[1:]:
        each, _ = dense.get_weights()
        kernel, bias = kernel @ each, bias @ each
    one = keras.Sequential([keras.Input(kernel.shape[:1]), keras.layers.Dense(len(bias))])
    one.set_weights([kernel, bias])
    return one""",
    },
    "06_patient_records": {
        "split_by_patient": """\
def split_by_patient(patients, share, seed):
    everyone = np.unique(patients)
    return np.isin(patients, everyone[: round(share * len(everyone))])""",
        "decision_model": """\
def decision_model(preparation, network, costs):
    limit = (costs[0, 1] - costs[0, 0]) / np.sum(costs)
    chance = network(preparation.output)
    return keras.Model(preparation.input, ops.cast(chance > limit, "float32"))""",
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
