"""Adversarial training of text models: every batch is used twice, the second time with a perturbation
of the word embeddings that raises the loss.

Source: Miyato, Dai, Goodfellow, "Adversarial Training Methods for Semi-Supervised Text
Classification" (2017), arXiv:1605.07725, section 3. There each occurrence of a word is perturbed by
itself; here the word is, in the whole batch, which needs no change of the network.
"""

from __future__ import annotations

from typing import Any

import keras

from warmstart.errors import UsageError


class Adversarial(keras.Model):
    """A text network with adversarial training; its predictions are those of the network.

    Args:
        network: with trainable word embeddings.
        size: norm of the perturbation of the whole table.

    Raises:
        UsageError: the word embeddings are frozen, or there are none.
    """

    def __init__(self, network: keras.Model, size: float):
        super().__init__(name=network.name)
        self.network, self.size = network, size
        tables = [
            variable
            for layer in network.layers
            if layer.name.endswith("word_embeddings")
            for variable in layer.trainable_variables
        ]
        if not tables:
            raise UsageError(
                "adversarial training perturbs the word embeddings, which are not trained here: leave "
                "freeze and lora out."
            )
        self.table = tables[0]
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.network(inputs, training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        """The gradients of the batch as it is and of the moved one, added."""
        import tensorflow as tf

        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        variables = self.trainable_variables
        values = [variable.value for variable in variables]

        def gradients() -> tuple[Any, Any, list[Any]]:
            with tf.GradientTape() as tape:
                outputs = self(x, training=True)
                loss = self.compute_loss(x, y, outputs, weights, training=True)
            slopes = tape.gradient(loss, values)
            return (
                outputs,
                loss,
                [None if slope is None else tf.convert_to_tensor(slope) for slope in slopes],
            )

        outputs, loss, clean = gradients()
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=tf.shape(keras.tree.flatten(x)[0])[0])
        uphill = clean[
            next(index for index, variable in enumerate(variables) if variable is self.table)
        ]
        before = tf.identity(self.table.value)
        self.table.assign_add(uphill * (self.size / (tf.norm(uphill) + 1e-12)))
        _, _, moved = gradients()
        self.table.assign(before)
        both = zip(clean, moved, variables, strict=True)
        self.optimizer.apply_gradients(
            [(a + b, v) for a, b, v in both if a is not None and b is not None]
        )
        metrics: dict[str, Any] = self.compute_metrics(x, y, outputs, sample_weight=weights)
        return metrics
