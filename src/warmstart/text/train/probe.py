"""The best linear head on a text encoder's features: a candidate for the result of fine-tuning.

Linear probes of pretrained networks are a strong baseline for small data; since the probe is a
candidate for the best epoch, fine-tuning is never worse than it on the validation data.
"""

from __future__ import annotations

import keras
import numpy as np

from warmstart.core.metrics import linear
from warmstart.models.text.encoder_config import is_head
from warmstart.text.train.batches import TextBatches


def head_layer(network: keras.Model) -> keras.layers.Dense:
    """The linear layer that gives the logits."""
    return [layer for layer in network.layers if layer.weights and is_head(layer.name)][-1]


def solve_head(
    network: keras.Model,
    batches: TextBatches,
    targets: np.ndarray,
    weights: np.ndarray | None,
    *,
    multi_label: bool,
) -> bool:
    """Put the last layer at its optimum on the features of the training texts.

    Args:
        network: an encoder with a head.
        batches: the training texts.
        targets: 0 and 1, (N, classes), in the order of the texts.
        weights: of the texts, (N,), mean 1.
        multi_label: a sigmoid per class instead of the softmax.

    Returns:
        Whether it was solved; False if that would take minutes.
    """
    layer = head_layer(network)
    if not linear.fits_in_time(len(targets), layer.kernel.shape[0], targets.shape[1]):
        return False
    model = keras.Model(network.inputs, layer.input)
    features = np.zeros((len(targets), layer.kernel.shape[0]), np.float32)
    for index in range(len(batches)):
        rows = batches.indices(0, index)
        # Not `predict`, which would trace a program for each length, for one pass over the data.
        features[rows] = np.asarray(model(batches.batch(0, index)[0], training=False))
    head = linear.solve(features, targets, weights, multi_label=multi_label)
    kernel = head.kernel / np.sqrt(head.variance)[:, None]
    layer.set_weights([kernel, head.bias - head.mean @ kernel])
    return True
