"""Types of what fine-tuning takes. Keras is imported by type checkers only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from warmstart.core.types import Data

if TYPE_CHECKING:
    import keras

    Augment: TypeAlias = bool | keras.layers.Layer | Callable[..., object]
    Callback: TypeAlias = keras.callbacks.Callback
    ClassWeight: TypeAlias = Literal["balanced"] | Mapping[str, float] | None
    Head: TypeAlias = keras.layers.Layer | Sequence[keras.layers.Layer] | None
    ImageSize: TypeAlias = int | tuple[int, int] | None
    Loss: TypeAlias = str | keras.losses.Loss | Callable[..., object] | None
    Metric: TypeAlias = str | keras.metrics.Metric | Callable[..., object]
    Optimizer: TypeAlias = str | keras.optimizers.Optimizer | None
    Validation: TypeAlias = float | Data | None
else:
    # An option of these types is checked by the task, for its values have no form in common.
    Augment = Callback = ClassWeight = Head = ImageSize = object
    Loss = Metric = Optimizer = Validation = object
