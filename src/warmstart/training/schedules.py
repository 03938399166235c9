"""Learning rates that rise from zero and then fall, for fine-tuning.

The rise keeps a new optimizer, whose averages are still empty, from destroying what the base has
learned (Goyal et al., "Accurate, Large Minibatch SGD" (2017), arXiv:1706.02677, section 2.2); the
fall lets training converge.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from warmstart.errors import UsageError


def warmup_cosine(
    peak: float, steps: int, *, warmup: float = 0.1, final: float = 0.0
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear from 0 to `peak`, then down along half a cosine (Loshchilov and Hutter, "SGDR" (2016),
    arXiv:1608.03983, section 3).

    Args:
        peak: the highest learning rate.
        steps: the total number of batches.
        warmup: the fraction of steps in which the rate rises, 0 to less than 1.
        final: the learning rate at the end, as a fraction of `peak`.
    """
    rise = _rise(steps, warmup)
    falling = max(1, steps - rise)
    if rise == 0:
        return keras.optimizers.schedules.CosineDecay(peak, falling, alpha=final)
    return keras.optimizers.schedules.CosineDecay(
        0.0, falling, alpha=final, warmup_target=peak, warmup_steps=rise
    )


def warmup_linear(
    peak: float, steps: int, *, warmup: float = 0.1, final: float = 0.0
) -> WarmupLinear:
    """Linear from 0 to `peak`, then linear down (Devlin et al., "BERT" (2018), arXiv:1810.04805,
    appendix A.2). Arguments as for `warmup_cosine`.
    """
    return WarmupLinear(peak, steps, _rise(steps, warmup), final)


@keras.saving.register_keras_serializable("warmstart")
class WarmupLinear(keras.optimizers.schedules.LearningRateSchedule):
    """The schedule of `warmup_linear`; `rise`: the number of steps in which the rate rises."""

    def __init__(self, peak: float, steps: int, rise: int, final: float = 0.0):
        super().__init__()
        self.peak, self.steps, self.rise, self.final = peak, steps, rise, final

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        falling = 1 - (step - self.rise) / max(1, self.steps - self.rise)
        share = self.final + (1 - self.final) * ops.clip(falling, 0.0, 1.0)
        return self.peak * (ops.minimum(step / self.rise, share) if self.rise else share)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "steps": self.steps, "rise": self.rise, "final": self.final}


def _rise(steps: int, warmup: float) -> int:
    if steps < 1 or not 0 <= warmup < 1:
        raise UsageError(
            f"A schedule needs 1 step or more and a warm-up of 0 to less than 1, not {steps}, {warmup}."
        )
    return round(steps * warmup)
