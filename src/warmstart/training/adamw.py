"""AdamW with one operation per variable and step instead of the dozen of Keras' own; the results
are the same.

Each of Keras' operations reads and writes arrays of the variable's size; with an embedding table of
30,522 x 384, its decay and its clipping, a step takes half the time. On several devices it is
Keras' own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
from keras import ops

from warmstart.training.schedules import warmup_linear


@keras.saving.register_keras_serializable("warmstart")
class AdamW(keras.optimizers.AdamW):
    """Decoupled weight decay (Loshchilov, Hutter, "Decoupled Weight Decay Regularization" (2017),
    arXiv:1711.05101).

    Arguments as for `keras.optimizers.AdamW`.
    """

    slow: tuple[frozenset[int], float] = (frozenset(), 1.0)

    def slow_down(self, variables: Iterable[Any], factor: float) -> None:
        """Multiply the learning rate of these variables by `factor`, such as those of a base below
        new layers (Howard, Ruder, "Universal Language Model Fine-tuning" (2018), arXiv:1801.06146,
        section 3.2).
        """
        self.slow = frozenset(id(variable) for variable in variables), factor

    def _on_one_device(self) -> bool:
        replicas: int = self._distribution_strategy.num_replicas_in_sync
        return bool(keras.backend.backend() == "tensorflow") and replicas == 1

    # For several devices, Keras enters a context for each variable and computes the learning rate in
    # each. With one device that only delays the first step, by a third of the time it takes to trace
    # a small network.
    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        if self.weight_decay is None or not self._on_one_device():
            super()._apply_weight_decay(variables)
            return
        rate = self.learning_rate
        for variable in variables:
            if self._use_weight_decay(variable):
                weights = variable.value
                decay, step = (
                    ops.cast(number, weights.dtype) for number in (self.weight_decay, rate)
                )
                weights.assign_sub(weights * decay * step)

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        slow, factor = self.slow
        pairs = list(zip(grads, trainable_variables, strict=True))
        for group, rate in (
            ([pair for pair in pairs if id(pair[1]) not in slow], learning_rate),
            ([pair for pair in pairs if id(pair[1]) in slow], learning_rate * factor),
        ):
            if group:
                self._update([pair[0] for pair in group], [pair[1] for pair in group], rate)

    def _update(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        if self.amsgrad or not self._on_one_device():
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        import tensorflow as tf

        numbers: dict[str, dict[str, Any]] = {}
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            dtype = variable.dtype
            if dtype not in numbers:
                step = ops.cast(self.iterations + 1, dtype)
                first, second = (ops.cast(beta, dtype) for beta in (self.beta_1, self.beta_2))
                numbers[dtype] = {
                    "beta1_power": ops.power(first, step),
                    "beta2_power": ops.power(second, step),
                    "lr": ops.cast(learning_rate, dtype),
                    "beta1": first,
                    "beta2": second,
                    "epsilon": ops.cast(self.epsilon, dtype),
                }
            index = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                grad=tf.convert_to_tensor(ops.cast(gradient, dtype)),
                **numbers[dtype],
            )


def warmed(rate: float, steps: int, *, weight_decay: float, warmup: float = 0.1) -> AdamW:
    """AdamW whose learning rate rises linearly to `rate` and falls linearly, with weight decay of
    kernels and embedding tables only.

    Args:
        rate, steps, warmup: as for `schedules.warmup_linear`.
        weight_decay: as for `AdamW`.
    """
    optimizer = AdamW(warmup_linear(rate, steps, warmup=warmup), weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
