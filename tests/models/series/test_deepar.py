"""DeepAR: its likelihoods, and that its three ways to run one network agree."""

import keras
import numpy as np
import pytest
from scipy import special, stats

from warmstart.errors import UsageError
from warmstart.models.series.deepar import network as deepar

pytestmark = pytest.mark.tensorflow
CONFIG = {"lags": [1, 2, 7], "features": 4, "cardinalities": [3], "hidden": 6, "layers": 2}


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(0)
    return {
        "lags": random.normal(size=(4, 9, 3)).astype("f"),
        "features": random.normal(size=(4, 9, 4)).astype("f"),
        "log_scale": random.normal(size=(4, 1)).astype("f"),
        "static": np.array([[0], [1], [2], [3]], "int32"),
    }


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return deepar.build(CONFIG)


def test_fused_and_scanned_lstm_agree_and_so_do_their_gradients(model, inputs):
    import tensorflow as tf

    scanned = deepar.build(CONFIG, fused=False)
    scanned.set_weights(model.get_weights())
    np.testing.assert_allclose(model(inputs), scanned(inputs), atol=1e-6)
    truth = np.stack([inputs["lags"][..., 0], np.ones((4, 9)), np.ones((4, 9))], -1).astype("f")
    gradients = []
    for network in (model, scanned):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                deepar.negative_log_likelihood("student_t")(truth, network(inputs))
            )
        gradients.append(
            [tf.convert_to_tensor(g) for g in tape.gradient(loss, network.trainable_variables)]
        )
    assert len(gradients[0]) == 9
    for fused, plain in zip(*gradients, strict=True):
        np.testing.assert_allclose(fused, plain, atol=1e-6)


@pytest.mark.parametrize("shortcut", [0, 7])
def test_step_by_step_gives_what_the_whole_window_gives(inputs, shortcut):
    """The lags 1 and 2 are told step by step; of the lag 7 only what is known before."""
    config = {**CONFIG, "shortcut": shortcut}
    model = deepar.build(config)
    model.get_layer("parameters").set_weights(
        [np.random.default_rng(2).normal(size=(6, 3)), np.ones(3)]
    )
    whole = np.asarray(model(inputs))
    project, encode, step = deepar.functions(model, config)
    known = inputs["lags"].copy()
    known[:, 5:, :2] = 0
    read = project(known, inputs["features"], inputs["log_scale"], inputs["static"])
    projected = np.asarray(read["projected"])
    states = {
        name: np.repeat(np.asarray(value)[:, None], 2, 1)
        for name, value in encode(projected[:, :5]).items()
    }
    assert list(states) == deepar.state_names(2)
    for t in range(5, 9):
        recent = np.repeat(inputs["lags"][:, t, None, :2], 2, 1)
        out = step(recent, read["kernel"][:2], projected[:, t : t + 1], *states.values())
        states = {name: out[name] for name in states}
        for sample in range(2):
            np.testing.assert_allclose(out["parameters"][:, sample], whole[:, t], atol=1e-5)


def test_the_shortcut_begins_as_the_value_a_season_ago(inputs):
    model = deepar.build({**CONFIG, "shortcut": 7})
    np.testing.assert_allclose(model(inputs)[..., 0], inputs["lags"][..., 2], atol=1e-6)


def test_log_gamma():
    x = np.geomspace(1e-3, 1e4, 400).astype("f")
    np.testing.assert_allclose(
        deepar.log_gamma(keras.ops.convert_to_tensor(x)), special.gammaln(x), rtol=1e-5, atol=1e-5
    )


def test_likelihoods_are_those_of_scipy():
    random = np.random.default_rng(1)
    value, scale = random.normal(5, 2, (2, 3)), np.full((2, 3), 3.0)
    weight = np.array([[1, 1, 0], [1, 0, 1]], float)
    a, b, df = (
        random.normal(1, 1, (2, 3)),
        random.random((2, 3)) + 0.5,
        random.random((2, 3)) * 5 + 2,
    )
    want = {
        "student_t": -stats.t.logpdf(value, df, a * scale, b * scale),
        "gaussian": -stats.norm.logpdf(value, a * scale, b * scale),
    }
    for name, expected in want.items():
        parameters = np.stack([a, b, df] if name == "student_t" else [a, b], -1).astype("f")
        got = deepar.negative_log_likelihood(name)(
            np.stack([value, weight, scale], -1).astype("f"), parameters
        )
        assert float(np.mean(got)) == pytest.approx(
            (expected * weight).sum() / weight.sum(), rel=1e-5
        )
    counts = random.poisson(4, (2, 3)).astype(float)
    mean, alpha = np.abs(a) + 0.5, b
    rate, shape = mean * scale, np.sqrt(scale) / alpha
    expected = -stats.nbinom.logpmf(counts, shape, shape / (shape + rate))
    got = deepar.negative_log_likelihood("negative_binomial")(
        np.stack([counts, weight, scale], -1).astype("f"), np.stack([mean, alpha], -1).astype("f")
    )
    assert float(np.mean(got)) == pytest.approx((expected * weight).sum() / weight.sum(), rel=1e-4)


@pytest.mark.parametrize("deviation", [0.003, 0.05, 1.0])
@pytest.mark.parametrize("rate", [3e3, 3e6, 1e9])
def test_the_likelihood_of_large_counts_is_that_of_scipy(rate, deviation):
    counts = np.float32(rate * np.array([[0.98, 1.0, 1.01, 1.3]]))
    scale = np.full((1, 4), rate)
    alpha = np.full((1, 4), deviation**2 * np.sqrt(rate))
    shape = np.sqrt(scale) / alpha
    expected = -stats.nbinom.logpmf(counts.astype(float), shape, shape / (shape + rate))
    truth = np.stack([counts, np.ones((1, 4)), scale], -1).astype("f")
    parameters = np.stack([np.ones((1, 4)), alpha], -1).astype("f")
    got = deepar.negative_log_likelihood("negative_binomial")(truth, parameters)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-3)


def test_nothing_observed_costs_nothing():
    truth = np.stack([np.ones((2, 3)), np.zeros((2, 3)), np.ones((2, 3))], -1).astype("f")
    assert (
        float(np.sum(deepar.negative_log_likelihood("gaussian")(truth, np.ones((2, 3, 2), "f"))))
        == 0
    )


def test_wrong_configs_are_refused():
    for change, words in (
        ({"distribution": "cauchy"}, "distribution"),
        ({"hidden": 10**6}, "hidden"),
        ({"lags": [0]}, "lags"),
        ({"shortcut": 3}, "shortcut"),
        ({"width": 3}, "unknown key 'width'"),
    ):
        with pytest.raises(UsageError, match=words):
            deepar.DeepARConfig.of({**CONFIG, **change})
