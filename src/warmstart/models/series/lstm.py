"""An LSTM layer that is fast for whole windows on CPUs, and can be run step by step.

The cell is that of Hochreiter and Schmidhuber (1997) with forget gates (Gers et al. 2000), gates in
the order of Keras: input, forget, candidate, output. `keras.layers.LSTM` multiplies the inputs in
every step of its loop, and each step is a dozen small operations; here the inputs are multiplied
once for the whole window, and on TensorFlow the loop is one fused operation with its own gradient
(`BlockLSTM`). Other backends scan.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


class LSTM(layers.Layer):
    """(B, T, D) -> (B, T, units), from states of zero.

    Args:
        units: width.
        fused: take TensorFlow's fused operation if there is one; it cannot be converted to
            TensorFlow Lite nor compiled by XLA.
    """

    def __init__(self, units: int, *, fused: bool = True, **options: Any):
        super().__init__(**options)
        self.units, self.fused = units, fused

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        units = self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], 4 * units), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(units, 4 * units), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(4 * units,), initializer=_forget_one(units), name="bias")

    def project(self, inputs: Any) -> Any:
        """The contribution of the inputs to the four gates: (…, D) -> (…, 4 * units)."""
        return ops.matmul(inputs, self.kernel) + self.bias

    def step(self, projected: Any, hidden: Any, cell: Any) -> tuple[Any, Any]:
        """One step from `project`ed inputs: (B, 4 * units), (B, units), (B, units) -> (hidden,
        cell).
        """
        return self._turn(projected + ops.matmul(hidden, self.recurrent_kernel), cell)

    def step_of(self, inputs: Any, hidden: Any, cell: Any) -> tuple[Any, Any]:
        """One step from inputs (B, D) that nobody has projected yet: one multiplication for them
        and the state.
        """
        both = ops.concatenate(
            [ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.recurrent_kernel)], 0
        )
        return self._turn(ops.matmul(ops.concatenate([inputs, hidden], -1), both) + self.bias, cell)

    def _turn(self, gates: Any, cell: Any) -> tuple[Any, Any]:
        enter, forget, candidate, leave = ops.split(gates, 4, axis=-1)
        cell = ops.sigmoid(forget) * cell + ops.sigmoid(enter) * ops.tanh(candidate)
        return ops.sigmoid(leave) * ops.tanh(cell), cell

    def call(self, inputs: Any) -> Any:
        if self.fused and keras.backend.backend() == "tensorflow":
            return self._fused(inputs)
        projected = ops.transpose(self.project(inputs), (1, 0, 2))  # (T, B, 4 * units)
        zero = ops.zeros_like(projected[0, :, : 2 * self.units])

        def next_states(states: Any, inputs: Any) -> Any:
            hidden, cell = self.step(inputs, states[:, : self.units], states[:, self.units :])
            both = ops.concatenate([hidden, cell], -1)
            return both, both  # Keras' scan on TensorFlow wants outputs of the states' shape

        _, outputs = ops.scan(next_states, zero, projected)
        return ops.transpose(outputs[..., : self.units], (1, 0, 2))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def _fused(self, inputs: Any) -> Any:
        import tensorflow as tf

        def reordered(array: Any) -> Any:  # the operation has the candidate before the forget gate
            enter, forget, candidate, leave = tf.split(array, 4, axis=-1)
            return tf.concat([enter, candidate, forget, leave], -1)

        x = tf.transpose(inputs, (1, 0, 2))
        zero = tf.zeros((tf.shape(x)[1], self.units), x.dtype)
        none = tf.zeros((self.units,), x.dtype)
        kernel = tf.concat(
            [tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.recurrent_kernel)], 0
        )
        # Not BlockLSTMV2: TensorFlow 2.21 gives it the gradient of this one, whose gates stand in
        # another order.
        outputs = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.cast(tf.shape(x)[0], tf.int64),
            x=x,
            cs_prev=zero,
            h_prev=zero,
            w=reordered(kernel),
            wci=none,
            wcf=none,
            wco=none,
            b=reordered(tf.convert_to_tensor(self.bias)),
            forget_bias=0.0,
            cell_clip=-1.0,
            use_peephole=False,
        )
        return tf.transpose(outputs.h, (1, 0, 2))


def _forget_one(units: int) -> Any:
    """Zeros, and ones for the forget gate, so that states last from the start."""

    def values(shape: tuple[int, ...], dtype: Any = None) -> Any:
        return ops.concatenate(
            [ops.zeros(units, dtype), ops.ones(units, dtype), ops.zeros(2 * units, dtype)]
        )

    return values
