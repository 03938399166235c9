"""The optimizer of fine-tuning gives Keras' own numbers."""

import keras
import numpy as np

from warmstart.training.adamw import AdamW


def trained(kind: type[keras.optimizers.Optimizer]) -> list[np.ndarray]:
    """The weights after 16 steps; texts hold words several times, and most words are in no batch."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            keras.layers.Embedding(50, 8),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    optimizer = kind(keras.optimizers.schedules.PolynomialDecay(1e-2, 20), weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.global_clipnorm = 1.0
    model.compile(optimizer, "mse")
    random = np.random.default_rng(0)
    words, targets = random.integers(0, 20, (64, 5)), random.normal(size=(64, 2)).astype(np.float32)
    model.fit(words, targets, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


def test_one_operation_learns_what_keras_does():
    for ours, theirs in zip(trained(AdamW), trained(keras.optimizers.AdamW), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
