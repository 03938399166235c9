"""Options of fine-tuning image models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from warmstart.core.options import Option
from warmstart.core.records.options import BoxTable, GroupTable, MaskTable, NamedClasses, PhotoTable
from warmstart.errors import UsageError
from warmstart.json_values import is_integer
from warmstart.training.options import (
    AugmentOptions,
    ClassWeightOptions,
    FreezeOptions,
    LossOptions,
    RayOptions,
)
from warmstart.training.types import Head, ImageSize

MULTIPLE = 32
"""The sides of a detector's or segmenter's input are multiples of this."""


@dataclass(frozen=True, kw_only=True)
class ImageClassificationOptions(
    PhotoTable,
    GroupTable,
    NamedClasses,
    FreezeOptions,
    AugmentOptions,
    ClassWeightOptions,
    LossOptions,
    RayOptions,
):
    """Options of image classification. Phase 1 trains the head, phase 2 the head and the base.

    There are two phases because a random head sends large, meaningless gradients into the base
    (Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution" (2022), arXiv:2202.10054, section 3.4).
    """

    other_augment = " or a function of (picture, random, size)"

    epochs: Annotated[
        int, Option("Maximum number of epochs of phase 2; 0: only phase 1.", ge=0)
    ] = 10
    # Far below Adam's common rate, because the base is already close to its optimum (Howard and
    # Ruder, "Universal Language Model Fine-tuning" (2018), arXiv:1801.06146, section 3.2), and Adam
    # changes every weight, however unimportant, by about the rate in each of the first steps:
    # measured with MobileNet, 1e-4 loses a tenth of the accuracy in the first epoch and needs the
    # other epochs to recover it.
    learning_rate: Annotated[
        float | None, Option("Peak learning rate of phase 2; default: 3e-5.", gt=0)
    ] = None
    # Small batches generalise better (Masters and Luschi 2018, arXiv:1804.07612).
    batch_size: Annotated[int, Option("Number of training photos per step.", ge=1)] = 16
    # Phase 2 starts from a good model: most runs are best after a few epochs.
    patience: Annotated[
        int | None,
        Option("Stop phase 2 after this many epochs without improvement.", ge=1, rare=True),
    ] = 6
    # Sizes other than that of the base are nearly as good without training, and better with it
    # (Touvron et al. 2019, arXiv:1906.06423).
    image_size: Annotated[
        ImageSize,
        Option(
            "Height and width of the network's input, or one number for both; default: those "
            "of the base."
        ),
    ] = None
    head: Annotated[
        Head,
        Option(
            "Keras layers of the head, instead of a single linear layer.", http=False, cli=False
        ),
    ] = None
    multi_label: Annotated[
        bool | None,
        Option(
            "Whether a photo may have several labels; default: inferred from the data.", rare=True
        ),
    ] = None
    features_on: Annotated[
        Literal["local", "ray"], Option("Where the features of phase 1 are computed.", rare=True)
    ] = "local"
    views: Annotated[
        int,
        Option(
            "Number of augmented views of each training photo in phase 1, in addition to the "
            "original.",
            ge=0,
            rare=True,
        ),
    ] = 4
    head_epochs: Annotated[
        int,
        Option(
            "Number of epochs of phase 1, for a head without a closed-form solution.",
            ge=1,
            rare=True,
        ),
    ] = 30
    head_rate: Annotated[
        float, Option("Learning rate of phase 1, for such a head.", gt=0, rare=True)
    ] = 1e-3
    # Wortsman et al. 2022, arXiv:2109.01903. Off by default: in complete runs no average was better
    # than the best epoch (docs/benchmarks.md).
    average: Annotated[
        bool,
        Option(
            "Whether averages of the weights before and after phase 2 are candidates, too; "
            "the best on the validation data is selected.",
            rare=True,
        ),
    ] = False
    # Goyal et al. 2017, arXiv:1706.02677.
    warmup: Annotated[
        float,
        Option("Fraction of phase 2 in which the learning rate rises.", ge=0, lt=1, rare=True),
    ] = 0.1
    # Szegedy et al. 2015, arXiv:1512.00567, section 7; Müller et al. 2019, arXiv:1906.02629, for
    # calibration.
    label_smoothing: Annotated[
        float,
        Option(
            "Label smoothing: the fraction of a label that is spread over all classes.",
            ge=0,
            lt=1,
            rare=True,
        ),
    ] = 0.1
    # Decoupled (Loshchilov and Hutter 2017, arXiv:1711.05101).
    weight_decay: Annotated[float, Option("Of AdamW.", ge=0, rare=True)] = 1e-4
    # Pascanu et al. 2013, arXiv:1211.5063.
    clip_norm: Annotated[
        float, Option("Maximum norm of the gradients; 0: no limit.", ge=0, rare=True)
    ] = 1.0
    # Not the loss, which penalises overconfidence that temperature scaling removes (Guo et al. 2017,
    # section 3).
    monitor: Annotated[str, Option("Metric that selects the best epoch.", rare=True)] = (
        "val_accuracy"
    )
    # Micikevicius et al. 2017, arXiv:1710.03740.
    precision: Annotated[
        Literal["float32", "mixed_bfloat16", "mixed_float16"],
        Option("Precision of the computation in phase 2; weights stay in float32.", rare=True),
    ] = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        sides_of(self.image_size)

    def is_augmentation(self, value: Any) -> bool:
        return callable(value) and not isinstance(value, type)


@dataclass(frozen=True, kw_only=True)
class DenseOptions(FreezeOptions, AugmentOptions):
    """Options of detection and segmentation."""

    other_augment = " or a warmstart.image.train.dense_augment.Variation"

    # The layers on top of the backbone start from random numbers.
    epochs: Annotated[int, Option("Maximum number of epochs; the best one is selected.", ge=1)] = 40
    # Inputs are larger: a batch of 8 takes as much memory as one of 100 in classification.
    batch_size: Annotated[int, Option("Number of training photos per step.", ge=1)] = 8
    freeze: Annotated[
        int | str,
        Option(
            "What to freeze of the base: none, stem (the layers with the largest feature "
            "maps), backbone, a number of first layers, or the name of the last layer to "
            "freeze."
        ),
    ] = "none"
    labels: Annotated[
        Sequence[str] | None, Option("Class names in order; default: those of the data.", rare=True)
    ] = None
    image_size: Annotated[
        ImageSize,
        Option(
            "Height and width of the network's input, or one number for both, in multiples of 32; "
            "default: 384 on the shorter side."
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(side % MULTIPLE for side in sides_of(self.image_size) or ()):
            raise UsageError(
                f"image_size must be (height, width) in multiples of {MULTIPLE}, not "
                f"{self.image_size!r}."
            )

    def is_augmentation(self, value: Any) -> bool:
        from warmstart.image.train.dense_augment import Variation

        return isinstance(value, Variation)


@dataclass(frozen=True, kw_only=True)
class DetectionOptions(BoxTable, GroupTable, DenseOptions):
    """Options of detection."""

    width: Annotated[
        int,
        Option("Number of channels of the pyramid and head of a new detector.", ge=1, rare=True),
    ] = 64
    depth: Annotated[
        int, Option("Number of layers of the head of a new detector.", ge=1, rare=True)
    ] = 2


@dataclass(frozen=True, kw_only=True)
class SegmentationOptions(MaskTable, GroupTable, DenseOptions):
    """Options of segmentation."""

    width: Annotated[
        int, Option("Number of channels of the pyramid and decoder of a new segmenter.", ge=1)
    ] = 96
    colours: Annotated[
        Mapping[str, tuple[int, int, int]] | None,
        Option("Colour of each class in RGB masks.", cli=False, rare=True),
    ] = None


def sides_of(size: Any) -> tuple[int, int] | None:
    """The (height, width) of the option `image_size`; None if it is not set.

    Raises:
        UsageError: it is neither one positive integer nor two.
    """
    if size is None:
        return None
    sides = (size, size) if isinstance(size, int) else size
    if (
        not isinstance(sides, list | tuple)
        or len(sides) != 2
        or not all(is_integer(side, 1) for side in sides)
    ):
        raise UsageError(f"image_size must be an integer, or (height, width), not {size!r}.")
    return sides[0], sides[1]
