"""Attention of the encoders: all heads at once in training, head by head in a compiled program."""

import keras
import numpy as np

from warmstart.models.text.encoder import Attention


def test_training_attends_as_predicting_does():
    random = np.random.default_rng(0)
    query, key, value = (
        keras.ops.convert_to_tensor(random.normal(size=(3, 7, 12)).astype(np.float32))
        for _ in range(3)
    )
    mask = keras.ops.convert_to_tensor(
        np.array([[1] * 7, [1] * 4 + [0] * 3, [1] + [0] * 6], np.int32)
    )
    attention = Attention(4, dropout=0.0)
    together, singly = (
        keras.ops.convert_to_numpy(attention(query, key, value, mask, training=training))
        for training in (True, False)
    )
    np.testing.assert_allclose(together, singly, atol=1e-6)


def test_dropout_is_on_in_training_alone():
    x = keras.ops.ones((1, 64, 8))
    mask, attention = keras.ops.ones((1, 64), dtype="int32"), Attention(2, dropout=0.5)
    predicted, trained = (
        keras.ops.convert_to_numpy(attention(x, x, x, mask, training=training))
        for training in (False, True)
    )
    np.testing.assert_allclose(predicted, 1, atol=1e-6)
    assert np.std(trained) > 0.05
