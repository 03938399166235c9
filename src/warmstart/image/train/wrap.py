"""Wrap a user's model as an image classifier: its classes, and a check of its scaling."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from warmstart.catalog import ImagePreprocessing, Label
from warmstart.core.options import Option
from warmstart.errors import UsageError
from warmstart.image.train.wrap_photos import SCALINGS, PhotoRuleOptions, PhotoWrapper
from warmstart.training.types import Examples
from warmstart.training.wrap.classes import chosen_activation, class_labels
from warmstart.training.wrap.wrapper import LabelOptions

if TYPE_CHECKING:
    from warmstart.core.model import Model


FEATURES = "features"
"""The value of `activation` for a model whose outputs are features."""


@dataclass(frozen=True, kw_only=True)
class WrapPhotoOptions(PhotoRuleOptions, LabelOptions):
    """Options of wrapping an image classifier."""

    embedding: Annotated[
        bool,
        Option("The outputs are features, not class scores: the model has no labels."),
    ] = False
    check: Annotated[
        Examples,
        Option("A few labelled photos: their accuracy is reported for each of the usual scalings."),
    ] = None


class ImageClassifierWrapper(PhotoWrapper[WrapPhotoOptions]):
    """Decides how outputs become probabilities."""

    task = "image-classification"
    options: ClassVar = WrapPhotoOptions

    @cached_property
    def chosen(self) -> tuple[str, int, bool]:
        """(activation, classes, whether several may apply)."""
        if self.asked.embedding:
            if self.asked.labels is not None or self.asked.activation is not None:
                raise UsageError("An embedding has no classes; leave out labels and activation.")
            return FEATURES, 0, False
        return chosen_activation(self.opened.model, self.asked)

    def config(self) -> dict[str, Any]:
        self.check_input()
        activation, classes, _ = self.chosen
        named = {"features": self.asked.features} if self.asked.features else {}
        return {"activation": activation, "classes": classes, **named}

    def processing(self) -> dict[str, Any]:
        return {"multi_label": True} if self.chosen[2] else {}

    def labels(self) -> tuple[Label, ...]:
        return class_labels(self.asked.labels, self.chosen[1]) if self.chosen[1] else ()

    def report(self, model: Model[Any, Any, Any]) -> None:
        if self.asked.check is None:
            return
        accuracy_by_scaling = accuracies(model, self.asked.check)
        own = _name_of(model.entry.preprocessing)
        best = max(accuracy_by_scaling, key=lambda name: accuracy_by_scaling[name])
        lines = [
            f"  {name:<9} {accuracy:6.1%}{'   as it is' if name == own else ''}"
            for name, accuracy in accuracy_by_scaling.items()
        ]
        print("Accuracy by scaling:", *lines, sep="\n", file=sys.stderr)
        if accuracy_by_scaling[best] > accuracy_by_scaling[own]:
            print(
                f"Warning: with scaling={best!r} more of these photos are right.", file=sys.stderr
            )


def accuracies(model: Model[Any, Any, Any], data: Any) -> dict[str, float]:
    """The accuracy of a classifier on labelled photos, by scaling; its own is one of them."""
    rules = model.entry.preprocessing
    assert rules is not None
    choices = {
        name: replace(rules, **{"mean": None, "std": None, **fields})
        for name, fields in SCALINGS.items()
    }
    choices[_name_of(rules)] = rules
    accuracy_by_scaling = {}
    for name, changed in choices.items():
        other = model.with_engine(model.engine)
        other.entry = replace(model.entry, preprocessing=changed)
        metrics = other.evaluate(data)
        accuracy_by_scaling[name] = float(metrics.get("top1", metrics.get("accuracy", 0.0)))
    return accuracy_by_scaling


def _name_of(rules: ImagePreprocessing | None) -> str:
    """The name of the scaling of rules; "its own" where it is not one of the usual ones."""
    assert rules is not None
    for name, fields in SCALINGS.items():
        if all(getattr(rules, key) == value for key, value in fields.items()):
            return name
    return "its own"
