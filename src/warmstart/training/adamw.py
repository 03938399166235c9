"""AdamW whose step is one operation per variable: the same numbers as Keras' own, which takes a dozen.

Each of Keras' operations reads and writes arrays of the variable's size; with a table of 30,522 word vectors of 384
numbers and its decay and clipping, a step takes half the time.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from warmstart.training.schedules import warmup_linear


@keras.saving.register_keras_serializable("warmstart")
class AdamW(keras.optimizers.AdamW):
    """Decoupled weight decay (Loshchilov, Hutter, "Decoupled Weight Decay Regularization" (2017), arXiv:1711.05101).

    Arguments as for `keras.optimizers.AdamW`.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        import tensorflow as tf

        if self.amsgrad or self._distribution_strategy.num_replicas_in_sync > 1:
            super().update_step(gradient, variable, learning_rate)
            return
        place = self._get_variable_index(variable)
        step = ops.cast(self.iterations + 1, variable.dtype)
        first, second = (ops.cast(beta, variable.dtype) for beta in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=self._momentums[place].value.handle, v=self._velocities[place].value.handle,
            beta1_power=ops.power(first, step), beta2_power=ops.power(second, step),
            lr=ops.cast(learning_rate, variable.dtype), beta1=first, beta2=second,
            epsilon=ops.cast(self.epsilon, variable.dtype),
            grad=tf.convert_to_tensor(ops.cast(gradient, variable.dtype)))


def warmed(rate: float, steps: int, *, weight_decay: float, warmup: float = 0.1) -> AdamW:
    """AdamW with a linear rise and fall of the learning rate up to `rate`, in which only kernels and tables decay.

    Args:
        rate, steps, warmup: as for `schedules.warmup_linear`.
        weight_decay: as for `AdamW`.
    """
    optimizer = AdamW(warmup_linear(rate, steps, warmup=warmup), weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
