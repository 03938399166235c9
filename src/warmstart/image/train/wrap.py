"""Wrap a user's model as an image classifier: its classes, and a check of its scaling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

from warmstart.catalog import Label
from warmstart.core.options import Option
from warmstart.errors import UsageError
from warmstart.image.train.scaling_check import Quality
from warmstart.image.train.wrap_photos import PhotoRuleOptions, PhotoWrapper
from warmstart.training.wrap.classes import chosen_activation, class_labels
from warmstart.training.wrap.wrapper import LabelOptions

FEATURES = "features"
"""The value of `activation` for a model whose outputs are features."""


@dataclass(frozen=True, kw_only=True)
class WrapPhotoOptions(PhotoRuleOptions, LabelOptions):
    """Options of wrapping an image classifier."""

    embedding: Annotated[
        bool,
        Option("The outputs are features, not class scores: the model has no labels."),
    ] = False


class ImageClassifierWrapper(PhotoWrapper[WrapPhotoOptions]):
    """Defines how outputs become probabilities."""

    task = "image-classification"
    quality = Quality("Accuracy", ("top1", "accuracy"))
    options_class: ClassVar = WrapPhotoOptions

    @cached_property
    def chosen(self) -> tuple[str, int, bool]:
        """(activation, number of classes, whether several may apply)."""
        if self.options.embedding:
            if self.options.labels is not None or self.options.activation is not None:
                raise UsageError("An embedding has no classes; leave out labels and activation.")
            return FEATURES, 0, False
        return chosen_activation(self.opened.model, self.options)

    def config(self) -> dict[str, Any]:
        self.check_input()
        activation, classes, _ = self.chosen
        return {"activation": activation, "classes": classes}

    def processing(self) -> dict[str, Any]:
        return {"multi_label": True} if self.chosen[2] else {}

    def labels(self) -> tuple[Label, ...]:
        return class_labels(self.options.labels, self.chosen[1]) if self.chosen[1] else ()
