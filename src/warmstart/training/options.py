"""Options of fine-tuning, from which each task takes those that apply to it.

    @dataclass(frozen=True, kw_only=True)
    class TextClassificationOptions(EncoderOptions):
        problem: Annotated[…] = None

This module does not import TensorFlow, so that `--help` can list the options of a task.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from warmstart.core.options import Option
from warmstart.errors import UsageError
from warmstart.training.types import (
    Augment,
    Callback,
    ClassWeight,
    Loss,
    Metric,
    Optimizer,
    Validation,
)

VALIDATION_FRACTION = 0.2
"""The fraction of the data that is set aside for validation by default."""
NOT_RECORDED = frozenset(
    {
        "output",
        "device",
        "verbose",
        "callbacks",
        "track",
        "validation",
        "features_on",
        "on",
        "address",
        "workers",
        "cpus",
        "encoding",
        "delimiter",
        "path_column",
        "text_column",
        "pair_column",
        "context_column",
        "answer_column",
        "label_column",
        "mask_column",
        "negative_column",
        "split_column",
        "group_column",
        "class_names",
    }
)
"""Options that do not affect the result, or only through the data, whose fingerprint is recorded."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Options of all tasks. A task with another default says why in a comment."""

    section: ClassVar[str] = "fine-tuning.md#options"
    """The section of the documentation on these options."""

    epochs: Annotated[int, Option("Maximum number of epochs; the best one is selected.", ge=1)] = 10
    learning_rate: Annotated[
        float | None, Option("Peak learning rate; default: depends on the model.", gt=0)
    ] = None
    batch_size: Annotated[int, Option("Number of training examples per step.", ge=1)] = 16
    validation: Annotated[
        Validation,
        Option(
            "Validation data, or the fraction of the data to set aside; 'auto': the "
            "validation split of the data, else a fifth; 0: none."
        ),
    ] = "auto"
    patience: Annotated[
        int | None, Option("Stop after this many epochs without improvement.", ge=1, rare=True)
    ] = None
    optimizer: Annotated[
        Optimizer, Option("An optimizer as keras.Model.compile takes it.", http=False, cli=False)
    ] = None
    callbacks: Annotated[
        Sequence[Callback],
        Option("Callbacks as keras.Model.fit takes them.", http=False, cli=False),
    ] = ()
    track: Annotated[
        Sequence[Literal["csv", "tensorboard", "mlflow", "wandb"]],
        Option("Trackers that log options, metrics and the report.", http=False, rare=True),
    ] = ()
    seed: Annotated[int, Option("Random seed; the same seed gives the same model.", ge=0)] = 0
    output: Annotated[
        str | Path | None,
        Option(
            "New folder for the model and its report; the same call with the same folder "
            "resumes. Default: a temporary folder.",
            http=False,
        ),
    ] = None
    device: Annotated[
        Literal["auto", "cpu", "gpu"],
        Option(
            "auto: the GPUs that TensorFlow finds, else the CPU; gpu: an error if it finds none.",
            http=False,
            rare=True,
        ),
    ] = "auto"
    name: Annotated[str | None, Option("Name of the resulting model.", rare=True)] = None
    verbose: Annotated[
        bool,
        Option("Report counts, progress and results on standard error.", http=False, cli=False),
    ] = True

    def __post_init__(self) -> None:
        self.check_validation()
        if self.learning_rate is not None and self.optimizer is not None:
            raise UsageError("An optimizer has its own learning_rate; pass one of the two.")

    def check_validation(self) -> None:
        """Raise `UsageError` if `validation` is a number, but not a fraction."""
        number = self.validation
        if isinstance(number, int | float) and (number is True or not 0 <= number < 1):
            raise UsageError(
                f"validation must be data or a fraction between 0 and 1, not {number!r}."
            )

    def recorded(self, without: Collection[str] = ()) -> Mapping[str, Any]:
        """The options that decide the result, by name, except those in `without`."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in NOT_RECORDED and field.name not in without
        }


@dataclass(frozen=True, kw_only=True)
class RayOptions(TrainOptions):
    """Options of tasks whose loss is a mean over examples, so that workers can share a batch."""

    on: Annotated[
        Literal["local", "ray"],
        Option("local: this process trains; ray: the workers of a Ray cluster.", http=False),
    ] = "local"
    address: Annotated[
        str | None,
        Option(
            "Address of the Ray cluster; default: RAY_ADDRESS, or the cluster on this "
            "machine, or a new one.",
            http=False,
            rare=True,
        ),
    ] = None
    workers: Annotated[
        int | None,
        Option(
            "Number of workers; default: one for each GPU, or for each machine without GPUs.",
            ge=1,
            http=False,
            rare=True,
        ),
    ] = None
    cpus: Annotated[
        int | None,
        Option("Processors per worker; default: as many as fit.", ge=1, http=False, rare=True),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.on == "local":
            for name in ("address", "workers", "cpus"):
                if getattr(self, name) is not None:
                    raise UsageError(f"{name} needs on='ray'.")


@dataclass(frozen=True, kw_only=True)
class FreezeOptions(TrainOptions):
    """Options of tasks whose bases are a stack of blocks."""

    freeze: Annotated[
        int | str,
        Option(
            "What to freeze of the base: none, backbone, a number of first blocks, or the "
            "name of the last layer to freeze."
        ),
    ] = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.freeze, bool) or not isinstance(self.freeze, int | str):
            raise UsageError(
                "freeze must be 'none', 'backbone', a number of first blocks or the name of a "
                f"layer, not {self.freeze!r}."
            )
        if isinstance(self.freeze, int) and self.freeze < 0:
            raise UsageError(f"freeze is a number of first blocks, 0 or more, not {self.freeze}.")


@dataclass(frozen=True, kw_only=True)
class AugmentOptions(TrainOptions):
    """Options of tasks whose inputs can be augmented without changing their labels."""

    other_augment: ClassVar[str] = ""
    """Further values of `augment` besides True and False, for messages."""

    augment: Annotated[Augment, Option("Whether, or how, the training data is augmented.")] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.augment, bool | None) and not self.is_augmentation(self.augment):
            types = f"True, False{self.other_augment}" if self.other_augment else "True or False"
            raise UsageError(f"augment must be {types}, not {self.augment!r:.80}.")

    def is_augmentation(self, value: Any) -> bool:
        """Whether a value is an augmentation for the data of this task."""
        return False


@dataclass(frozen=True, kw_only=True)
class ClassWeightOptions(TrainOptions):
    """Options of tasks with one class per example."""

    class_weight: Annotated[
        ClassWeight,
        Option("'balanced' for equal total weights, or a weight for each class name.", rare=True),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = self.class_weight
        if weights not in (None, "balanced") and not isinstance(weights, Mapping):
            raise UsageError(
                f"class_weight must be 'balanced' or weights by class name, not {weights!r}."
            )
        for name, weight in weights.items() if isinstance(weights, Mapping) else ():
            is_number = isinstance(weight, numbers.Real) and not isinstance(weight, bool)
            if not is_number or not 0 <= weight < math.inf:
                raise UsageError(
                    f"class_weight of {name!r} must be a finite number, 0 or more, not {weight!r}."
                )


@dataclass(frozen=True, kw_only=True)
class LossOptions(TrainOptions):
    """Options of classifiers; loss and metrics take probabilities."""

    loss: Annotated[
        Loss, Option("A loss as keras.Model.compile takes it.", http=False, cli=False)
    ] = None
    metrics: Annotated[
        Sequence[Metric],
        Option("Metrics as keras.Model.compile takes them.", http=False, cli=False),
    ] = ()


def validation_fraction(validation: Any) -> float | None:
    """The fraction of the data to set aside, 0 for none; None where `validation` is data."""
    if validation is None:
        return 0.0
    if isinstance(validation, str) and validation == "auto":
        return VALIDATION_FRACTION
    return float(validation) if isinstance(validation, int | float) else None
