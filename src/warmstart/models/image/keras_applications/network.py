"""The image families of Keras, built by `keras.applications`, with weights from our own reader.

The graphs are Keras' own. There are three differences to
`keras.applications.X(weights="imagenet")`:

- Nothing is downloaded here and no hash is skipped: the weights come in as a checked checkpoint.
- Files are matched by name if names agree, and in the order of the layers where they are
  generated ones (InceptionV3, Xception), which differ from process to process.
- EfficientNet (V1): for "imagenet" Keras inserts `Rescaling(1 / sqrt(std))` after the
  normalisation, because the variance in the official files contains the standard deviation
  (tensorflow/tensorflow#49930). We build the plain graph and square that variance while loading, so
  that one graph serves every checkpoint.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from warmstart.checkpoints.base import Checkpoint
from warmstart.errors import UsageError
from warmstart.models.image.classifier_head import check_pooling
from warmstart.models.image.repository import IMAGENET

FUNCTIONS = (
    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge",
    "DenseNet121", "DenseNet169", "DenseNet201",
    "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3", "EfficientNetB4", "EfficientNetB5",
    "EfficientNetB6", "EfficientNetB7",
    "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3", "EfficientNetV2S",
    "EfficientNetV2M", "EfficientNetV2L",
    "InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small",
    "NASNetLarge", "NASNetMobile",
    "ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2", "VGG16", "VGG19", "Xception",
)  # fmt: skip


def build(
    config: Mapping[str, Any],
    *,
    include_top: bool = True,
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
) -> keras.Model:
    """Build one network with random weights.

    Args:
        config: `function`, a name in `FUNCTIONS`; `input_size` (H, W), the default of
            `input_shape`; `classes`, the default of the argument; what is left are arguments of
            that function (`alpha`, `minimalistic`).
        include_top: whether the pooling and the classification layers are part of it.
        input_shape: (H, W, 3), at least the family's minimum. Without top, H and W may be None.
            Default: the size the variant was trained at.
        pooling: without the top: `None` (a map (B, h, w, C)), "avg" or "max" (a vector (B, C)).
        classes: with the top: the number of outputs. Default: the config's, else 1000.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3), scaled as the family's entry says, to
        probabilities (B, classes), or to features.

    Raises:
        UsageError: the function is unknown, or Keras refuses the arguments.
    """
    arguments = dict(config)
    function = arguments.pop("function", None)
    size = arguments.pop("input_size", None)
    outputs = arguments.pop("classes", 1000)
    if function not in FUNCTIONS:
        raise UsageError(
            f"keras.applications: there is no function {function!r}; available: "
            f"{', '.join(FUNCTIONS)}"
        )
    if input_shape is None and size is not None:
        input_shape = (*size, 3)
    if include_top:
        arguments |= {"classes": classes or outputs, "classifier_activation": "softmax"}
    else:
        check_pooling(pooling)
        arguments |= {"pooling": pooling}
    try:
        return getattr(keras.applications, function)(
            weights=None, include_top=include_top, input_shape=input_shape, **arguments
        )
    except (TypeError, ValueError) as error:
        raise UsageError(f"{function} cannot be built: {error}") from error


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint: all of it, or an error and nothing is changed.

    Args:
        model: what `build` made of the same config, with the top if the file has one.
        checkpoint: an opened file; see `warmstart.checkpoints.open_checkpoint`.
        config: as for `build`.

    Raises:
        MismatchError: the arrays do not fit the model; it names file, array and both shapes.
    """
    from warmstart.checkpoints.assign import assign
    from warmstart.checkpoints.folded import fill_folded
    from warmstart.checkpoints.parts import part_for
    from warmstart.checkpoints.tflite import TFLiteCheckpoint

    is_first = str(config.get("function", "")).startswith("EfficientNetB")
    if isinstance(checkpoint, TFLiteCheckpoint):
        fill_folded(model, checkpoint)
        return
    assign(model, part_for(model, checkpoint), transform=_true_variance if is_first else None)


def _true_variance(name: str, array: np.ndarray) -> np.ndarray:
    """The variance of EfficientNet's input normalisation, if a file contains the standard
    deviation instead.
    """
    is_variance = name.endswith("normalization/variance") and array.shape == (3,)
    if is_variance and np.allclose(array, IMAGENET["std"], rtol=1e-5, atol=0):
        variance: np.ndarray = np.square(np.asarray(IMAGENET["std"], array.dtype))
        return variance
    return array
