"""Connectionist temporal classification (Graves et al. 2006): the loss; the blank is symbol 0."""

from typing import Any

import keras
from keras import ops

BLANK = 0


def ctc_loss(y_true: Any, y_pred: Any) -> Any:
    """The negative log likelihood of each text of a batch, in nats.

    Args:
        y_true: int32 (B, L), the symbols, filled up with zeros at the end; at least one each.
        y_pred: logits float32 (B, T, symbols); every frame counts.

    Returns:
        float32 (B,). Infinite, or an error, if a text needs more frames than there are: one for
        each symbol, and one more between equal neighbours.
    """
    y_true = ops.cast(y_true, "int32")
    batch, frames = ops.shape(y_pred)[0], ops.shape(y_pred)[1]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # The native kernel for sparse labels takes a tenth to a hundredth of the time of the one
        # for dense labels, which `keras.ops.ctc_loss` calls.
        logits = tf.transpose(tf.cast(y_pred, "float32"), (1, 0, 2))
        return tf.nn.ctc_loss(
            tf.sparse.from_dense(y_true), logits, None, tf.fill([batch], frames), blank_index=BLANK
        )
    lengths = ops.sum(ops.cast(y_true != BLANK, "int32"), axis=1)
    return ops.ctc_loss(
        y_true, y_pred, lengths, ops.full((batch,), frames, "int32"), mask_index=BLANK
    )
