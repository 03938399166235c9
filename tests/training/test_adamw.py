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


def test_slow_variables_move_by_a_share_of_the_rate():
    slow, fast = keras.Variable([1.0, 2.0]), keras.Variable([1.0, 2.0])
    optimizer = AdamW(1e-2, weight_decay=0)
    optimizer.slow_down([slow], 0.1)
    gradient = keras.ops.convert_to_tensor([0.5, -3.0])
    for _ in range(3):
        optimizer.apply([gradient, gradient], [slow, fast])
    moved = [variable.numpy() - [1.0, 2.0] for variable in (slow, fast)]
    np.testing.assert_allclose(moved[1], [-0.03, 0.03], rtol=1e-4)  # Adam: about the rate a step
    np.testing.assert_allclose(moved[0], moved[1] * 0.1, rtol=1e-3)
