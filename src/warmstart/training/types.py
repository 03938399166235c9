"""Types of the options of fine-tuning and wrapping. Only type checkers import Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from warmstart.core.types import Data

if TYPE_CHECKING:
    from os import PathLike

    import keras

    from warmstart.catalog import ImagePreprocessing

    Augment: TypeAlias = bool | keras.layers.Layer | Callable[..., object]
    Callback: TypeAlias = keras.callbacks.Callback
    ClassWeight: TypeAlias = Literal["balanced"] | Mapping[str, float] | None
    Head: TypeAlias = keras.layers.Layer | Sequence[keras.layers.Layer] | None
    ImageSize: TypeAlias = int | tuple[int, int] | None
    Loss: TypeAlias = str | keras.losses.Loss | Callable[..., object] | None
    Metric: TypeAlias = str | keras.metrics.Metric | Callable[..., object]
    Optimizer: TypeAlias = str | keras.optimizers.Optimizer | None
    Validation: TypeAlias = float | Data | None
    ClassNames: TypeAlias = str | PathLike[str] | Sequence[str] | None
    Examples: TypeAlias = Data | None
    KerasSource: TypeAlias = keras.Model | str | PathLike[str]
    PhotoRules: TypeAlias = ImagePreprocessing | Mapping[str, object] | str | None
    TextSplitter: TypeAlias = keras.layers.TextVectorization | str | PathLike[str] | None
else:
    # The task checks options of these types, because their values have no common form.
    Augment = Callback = ClassWeight = Head = ImageSize = object
    Loss = Metric = Optimizer = Validation = object
    ClassNames = Examples = KerasSource = PhotoRules = TextSplitter = object
