"""A GAN's two steps: which weights move, under every dtype policy, and what Keras adds to them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import course
from course import gan as module
from course.gan import GAN

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
layers = keras.layers


@pytest.fixture(autouse=True)
def policy(request):
    course.setup(quiet=True)
    # Past course.setup, which refuses float16 on a CPU: a few tiny steps are slow but run.
    keras.config.set_dtype_policy(getattr(request, "param", "float32"))
    yield
    keras.config.set_dtype_policy("float32")


all_policies = pytest.mark.parametrize(
    "policy", ["float32", "mixed_bfloat16", "mixed_float16"], indirect=True
)
float16 = pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)


def parts():
    generator = keras.Sequential(
        [keras.Input((3,)), layers.Dense(8, activation="relu"), layers.Dense(4)]
    )
    discriminator = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, activation="relu"), layers.Dense(1)]
    )
    return generator, discriminator


def make(seed=0, rate=0.01, **kwargs):
    keras.utils.set_random_seed(seed)
    gan = GAN(*parts(), seed=seed)
    adam = keras.optimizers.Adam
    gan.compile(adam(rate), adam(rate), **kwargs)
    return gan


def real_data(n=64):
    return np.random.default_rng(0).normal(2, 0.5, size=(n, 4)).astype("float32")


def values(model):
    return [weight.numpy().copy() for weight in model.weights]


def moved(before, after):
    return [not np.array_equal(old, new) for old, new in zip(before, after, strict=True)]


@all_policies
def test_both_networks_move_and_the_history_says_what_happened(policy):
    gan = make()
    before = values(gan.generator), values(gan.discriminator)
    history = gan.fit(real_data(), batch_size=16, epochs=3, verbose=0).history
    assert all(moved(before[0], values(gan.generator)))
    assert all(moved(before[1], values(gan.discriminator)))
    assert set(history) == {"d_loss", "g_loss", "d_accuracy"}
    assert all(np.isfinite(history[name]).all() for name in history)
    assert min(history["d_loss"]) > 0
    assert min(history["g_loss"]) > 0


@all_policies
def test_each_step_leaves_the_other_network_alone(policy):
    gan = make()
    gan.fit(real_data(), verbose=0)
    generator, discriminator = values(gan.generator), values(gan.discriminator)
    gan.train_discriminator(tf.constant(real_data()))
    assert not any(moved(generator, values(gan.generator)))
    assert any(moved(discriminator, values(gan.discriminator)))
    discriminator = values(gan.discriminator)
    gan.train_generator(32)
    assert any(moved(generator, values(gan.generator)))
    assert not any(moved(discriminator, values(gan.discriminator)))


def test_losses_of_a_discriminator_that_cannot_tell_are_ln_2():
    zeros = tf.zeros((5, 1))
    assert float(module.discriminator_loss(zeros, zeros)) == pytest.approx(math.log(2))
    assert float(module.generator_loss(zeros)) == pytest.approx(math.log(2))


@all_policies
def test_a_fresh_gan_begins_near_ln_2_and_its_losses_are_float32(policy):
    gan = make()
    gan.discriminator.layers[-1].kernel.assign(gan.discriminator.layers[-1].kernel * 0.01)
    on_real, on_fake, d_loss = gan.train_discriminator(tf.constant(real_data()))
    g_loss = gan.train_generator(64)
    assert d_loss.dtype == g_loss.dtype == on_real.dtype == on_fake.dtype == "float32"
    assert float(d_loss) == pytest.approx(math.log(2), abs=0.1)
    assert float(g_loss) == pytest.approx(math.log(2), abs=0.1)


def test_losses_are_the_definitions_and_stay_finite():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 7, 1)).astype("float32")
    sigmoid = [1 / (1 + np.exp(-logits.astype("float64"))) for logits in (real, fake)]
    want = -(np.log(sigmoid[0]).mean() + np.log(1 - sigmoid[1]).mean()) / 2
    assert float(module.discriminator_loss(real, fake)) == pytest.approx(want, rel=1e-5)
    assert float(module.generator_loss(fake)) == pytest.approx(-np.log(sigmoid[1]).mean(), rel=1e-5)
    far = tf.constant([[-1e4]])
    assert float(module.generator_loss(far)) == pytest.approx(1e4)
    assert float(module.discriminator_loss(far, -far)) == pytest.approx(1e4)


def test_it_learns_where_the_data_lie():
    gan = make(rate=0.01)
    gan.fit(real_data(256), batch_size=32, epochs=40, verbose=0)
    assert abs(gan.generate(500, seed=0).mean() - 2) < 1


@all_policies
def test_every_optimizer_is_wrapped_where_it_must_be(policy):
    gan = make()
    scaled = keras.dtype_policies.get(gan.dtype_policy).name == "mixed_float16"
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == scaled
    assert gan.g_optimizer is not gan.d_optimizer


@float16
@pytest.mark.parametrize("name", ["generator", "discriminator"])
@pytest.mark.parametrize("scaling", [True, False])
def test_tiny_gradients_survive_only_with_scaling(policy, name, scaling, monkeypatch):
    """The last layers' gradients are tiny: without scaling, zero in float16 and nothing moves."""
    if not scaling:
        monkeypatch.setattr(module, "with_loss_scaling", lambda optimizer, *_: optimizer)
    tiny = 1e-8
    keras.utils.set_random_seed(0)
    gan = GAN(*parts(), seed=0)
    gan.compile(
        keras.optimizers.SGD(0.1 / tiny),
        keras.optimizers.SGD(0.1 / tiny),
        generator_loss=lambda fake: tiny * module.generator_loss(fake),
        discriminator_loss=lambda real, fake: tiny * module.discriminator_loss(real, fake),
    )
    kernel = getattr(gan, name).layers[0].kernel
    before = kernel.numpy().copy()
    real = tf.constant(real_data(32))
    gan.train_discriminator(real) if name == "discriminator" else gan.train_generator(32)
    change = np.abs(kernel.numpy() - before).max()
    assert change > 1e-4 if scaling else change == 0


def test_the_same_seed_gives_the_same_run_and_another_one_another():
    def run(seed):
        gan = make(seed)
        history = gan.fit(real_data(), batch_size=16, epochs=2, verbose=0, shuffle=False).history
        return history["g_loss"], gan.generate(3)

    first, again, other = run(1), run(1), run(2)
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])
    assert first[0] != other[0]


def test_the_seed_of_the_gan_decides_the_noise():
    weights = parts()
    first, again, other = (GAN(*weights, seed=seed).generate(3) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@all_policies
def test_generate(policy):
    gan = make()
    images = gan.generate(1030, seed=3)
    assert images.shape == (1030, 4)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, gan.generate(1030, seed=3))
    assert not np.array_equal(gan.generate(4), gan.generate(4))
    assert gan(np.zeros((2, 3), "float32")).shape == (2, 4)


@pytest.mark.parametrize("labelled", [False, True])
def test_tf_data_and_labels_that_are_ignored(labelled):
    data = (real_data(), np.zeros(64)) if labelled else real_data()
    batches = tf.data.Dataset.from_tensor_slices(data).batch(24)
    history = make().fit(batches, epochs=2, verbose=0, shuffle=False).history
    assert len(history["g_loss"]) == 2
    assert make().train_on_batch(real_data(), return_dict=True)["d_loss"] > 0


def test_several_steps_at_a_time_report_the_same():
    runs = [
        make(steps_per_execution=steps)
        .fit(real_data(), batch_size=16, epochs=2, verbose=0, shuffle=False)
        .history["d_loss"]
        for steps in (1, 4)
    ]
    assert runs[0] == pytest.approx(runs[1], rel=1e-4)


def test_early_stopping_brings_the_best_weights_back():
    gan = make(rate=0.05)
    stop = keras.callbacks.EarlyStopping(
        "g_loss", patience=1, mode="min", restore_best_weights=True
    )
    history = gan.fit(real_data(), batch_size=16, epochs=60, verbose=0, callbacks=[stop]).history
    assert len(history["g_loss"]) < 60
    assert stop.best == min(history["g_loss"])


def test_progress_and_keras_own_bar(capsys):
    from course.training import Progress

    gan = make()
    gan.fit(real_data(), epochs=2, verbose=0, callbacks=[Progress("GAN")])
    assert capsys.readouterr().out == ""
    gan.fit(real_data(), epochs=1, verbose=2)
    assert "d_accuracy" in capsys.readouterr().out


def test_validation_moves_nothing_and_reports():
    gan = make()
    history = gan.fit(real_data(), validation_data=(real_data(16),), epochs=2, verbose=0).history
    assert {"val_d_loss", "val_g_loss", "val_d_accuracy"} < set(history)
    before = values(gan.generator) + values(gan.discriminator)
    gan.evaluate(real_data(16), verbose=0)
    assert not any(moved(before, values(gan.generator) + values(gan.discriminator)))


def test_summary_counts_both_networks(capsys):
    gan = make()
    assert gan.count_params() == gan.generator.count_params() + gan.discriminator.count_params()
    gan.summary()
    assert "sequential" in capsys.readouterr().out


@pytest.mark.filterwarnings("error::UserWarning")
def test_saving_and_loading_changes_nothing_and_training_goes_on(tmp_path):
    gan = make()
    gan.fit(real_data(), batch_size=16, verbose=0, shuffle=False)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(gan.generate(5, seed=1), loaded.generate(5, seed=1))
    histories = [
        model.fit(real_data(), batch_size=16, epochs=2, verbose=0, shuffle=False).history
        for model in (gan, loaded)
    ]
    assert histories[0] == histories[1]


@float16
def test_saving_under_float16(policy, tmp_path):
    gan = make()
    gan.fit(real_data(), verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert isinstance(loaded.g_optimizer, keras.optimizers.LossScaleOptimizer)
    assert int(loaded.g_optimizer.inner_optimizer.iterations) == 2
    np.testing.assert_array_equal(gan.generate(5, seed=1), loaded.generate(5, seed=1))


@float16
def test_scaling_follows_the_model_and_not_the_policy_under_which_it_is_loaded(policy, tmp_path):
    gan = make()
    gan.fit(real_data(), verbose=0)
    gan.save(tmp_path / "gan.keras")
    keras.config.set_dtype_policy("float32")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.generator.layers[0].compute_dtype == "float16"
    for name in ("g_optimizer", "d_optimizer"):
        old, new = getattr(gan, name).variables, getattr(loaded, name).variables
        for one, other in zip(old, new, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_custom_loss_functions_are_named_again_to_load(tmp_path):
    make(generator_loss=raw_logit, steps_per_execution=2).save(tmp_path / "gan.keras")
    names = {"raw_logit": raw_logit}
    loaded = keras.saving.load_model(tmp_path / "gan.keras", custom_objects=names)
    assert loaded.generator_loss is raw_logit
    assert loaded.steps_per_execution == 2


def raw_logit(fake):
    return -tf.reduce_mean(fake)


def test_a_gan_that_was_never_compiled_can_be_saved(tmp_path):
    gan = GAN(*parts())
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(gan.generate(5, seed=1), loaded.generate(5, seed=1))


def test_compiling_again_with_another_loss_keeps_the_weights():
    gan = make()
    before = values(gan.generator)
    gan.compile("sgd", "sgd", generator_loss=lambda fake: -fake)
    assert not any(moved(before, values(gan.generator)))
    gan.fit(real_data(), verbose=0)
    assert any(moved(before, values(gan.generator)))


def test_a_discriminator_of_images_of_any_size_fits():
    generator, _ = parts()
    anything = keras.Sequential([keras.Input((None, 1)), layers.GlobalAveragePooling1D()])
    long = keras.Sequential([generator, layers.Reshape((4, 1))])
    assert GAN(long, anything).generate(2).shape == (2, 4, 1)


def test_what_does_not_fit_is_refused():
    generator, discriminator = parts()
    with pytest.raises(ValueError, match="makes images"):
        GAN(generator, generator)
    probability = keras.Sequential([keras.Input((4,)), layers.Dense(1, activation="sigmoid")])
    with pytest.raises(ValueError, match="probability"):
        GAN(generator, probability)
    with pytest.raises(ValueError, match="not been built"):
        GAN(keras.Sequential([layers.Dense(4)]), discriminator)
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="its own optimizer"):
        GAN(generator, discriminator).compile(adam, adam)
    with pytest.raises(ValueError, match="dicts of"):
        make(run_eagerly=True).fit({"image": real_data()}, verbose=0)
