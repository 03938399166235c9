"""Checks the scaling of a wrapped model, by its quality on labelled photos with each common
scaling.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from warmstart.catalog import ImagePreprocessing

if TYPE_CHECKING:
    from warmstart.core.model import Model

SCALINGS: Mapping[str, Mapping[str, Any]] = {
    "0..255": {"scaling": "raw"},
    "0..1": {"scaling": "standard", "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)},
    "-1..1": {"scaling": "tf"},
    "imagenet": {"scaling": "torch"},
    "caffe": {"scaling": "caffe"},
}
"""Rules by the name of the scaling, for pixels of 0..255."""
PER_CHANNEL = ("imagenet", "caffe")
"""Scalings with different numbers per colour channel."""
OWN = "its own"
"""The name of any other scaling."""


@dataclass(frozen=True)
class Quality:
    """The metric that is compared.

    Attributes:
        name: for the report.
        keys: of `evaluate`; the first one that it returns is used.
        margin: the improvement by another scaling above which there is a warning.
    """

    name: str
    keys: tuple[str, ...]
    margin: float = 0.0


def report(
    model: Model[Any, Any, Any], data: Any, quality: Quality, *, grey: bool
) -> Iterator[str]:
    """Lines with the quality by scaling, and a warning if another scaling is better.

    Args:
        model: with the requested scaling.
        data: labelled photos, as for `model.evaluate`.
        quality: the metric.
        grey: whether the model takes greyscale photos.
    """
    rules = model.entry.preprocessing
    assert rules is not None
    own = name_of(rules)
    names = [name for name in SCALINGS if not (grey and name in PER_CHANNEL)]
    values = {}
    for name in dict.fromkeys((*names, own)):
        fields = {"mean": None, "std": None, **SCALINGS[name]} if name != own else {}
        other = model.with_engine(model.engine)
        other.entry = replace(model.entry, preprocessing=replace(rules, **fields))
        metrics = other.evaluate(data)
        values[name] = float(next(metrics[key] for key in quality.keys if key in metrics))
    yield f"{quality.name} by scaling:"
    for name, value in values.items():
        yield f"  {name:<9} {value:6.1%}{'   (selected)' if name == own else ''}"
    best = max(values, key=lambda name: values[name])
    if values[best] > values[own] + quality.margin:
        yield f"Warning: scaling={best!r} gives a better result on these photos."


def name_of(rules: ImagePreprocessing) -> str:
    """The name of the scaling of rules."""
    for name, fields in SCALINGS.items():
        if all(getattr(rules, key) == value for key, value in fields.items()):
            return name
    return OWN
