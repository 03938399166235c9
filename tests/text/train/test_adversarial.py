"""Adversarial training of texts: what one step does. A run with it: `test_text_finetune`."""

import keras
import numpy as np
import pytest

from warmstart.text.train.adversarial import Adversarial

pytestmark = pytest.mark.tensorflow
WORDS = np.random.default_rng(0).integers(0, 12, (6, 4))
WANTED = np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)


def small() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            keras.layers.Embedding(12, 3, name="word_embeddings"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="tanh"),
        ]
    )


def gradients(network: keras.Model) -> list[np.ndarray]:
    """By central differences of the mean squared error, in float64."""
    weights = [w.astype(np.float64) for w in network.get_weights()]

    def loss() -> float:
        table, kernel, bias = weights
        return float(np.mean((np.tanh(table[WORDS].reshape(6, -1) @ kernel + bias) - WANTED) ** 2))

    found = []
    for w in weights:
        g = np.zeros_like(w)
        for place in np.ndindex(*w.shape):
            kept = w[place]
            w[place] = kept + 1e-6
            above = loss()
            w[place] = kept - 1e-6
            g[place] = (above - loss()) / 2e-6
            w[place] = kept
        found.append(g)
    return found


def test_a_step_follows_both_gradients_and_puts_the_table_back():
    network, other = small(), small()
    before = network.get_weights()
    model = Adversarial(network, 0.7)
    model.compile(keras.optimizers.SGD(1.0), "mse")
    told = model.fit(WORDS, WANTED, batch_size=6, verbose=0).history["loss"]
    clean = gradients(other)
    other.layers[0].set_weights([before[0] + 0.7 * clean[0] / np.linalg.norm(clean[0])])
    for old, new, a, b in zip(before, network.get_weights(), clean, gradients(other), strict=True):
        np.testing.assert_allclose(old - new, a + b, atol=1e-5)
    other.set_weights(before)
    assert told == pytest.approx(
        [float(np.mean((other.predict(WORDS, verbose=0) - WANTED) ** 2))], rel=1e-5
    )
