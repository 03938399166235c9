"""Batch normalisation that trains with one operation instead of a dozen: a step of a small network takes two thirds."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("warmstart-scripts")
class FusedNorm(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` of (B, H, W, C) over B, H and W, with TensorFlow's fused kernel.

    The same numbers, except that the moving variance is of the unbiased estimate, as PyTorch keeps it.
    """

    def call(self, inputs, training=None, mask=None):
        if keras.backend.backend() != "tensorflow" or not training or not self.trainable:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        none = tf.zeros([0])
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=self.gamma, offset=self.beta, mean=none, variance=none, epsilon=self.epsilon,
            is_training=True)
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return outputs


def fused(model: keras.Model) -> keras.Model:
    """A copy of a model, with the same weights, whose normalisations are `FusedNorm`."""
    def copied(layer: Any) -> Any:
        kind = FusedNorm if type(layer) is keras.layers.BatchNormalization else type(layer)
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return copy
