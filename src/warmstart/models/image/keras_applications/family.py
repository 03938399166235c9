"""The image families of Keras."""

from collections.abc import Mapping, Sequence
from typing import Any

BACKBONE = True

OWN_PREPROCESSING = {
    "EfficientNetV2B": (("Rescaling", "Normalization"),),
    "EfficientNetV2": (("Rescaling",),),
    "EfficientNetB": (
        ("Rescaling", "Normalization", "Rescaling"),
        ("Rescaling", "Normalization"),
    ),
    "MobileNetV3": (("Rescaling",),),
    "ConvNeXt": (("Normalization",),),
}
"""Beginnings of names of functions -> layers by which those networks scale their inputs."""


def own_preprocessing(config: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    """The classes of the layers by which a network scales its inputs, in each form that it may
    have; empty for one that takes scaled inputs.
    """
    function = str(config.get("function", ""))
    forms = (forms for start, forms in OWN_PREPROCESSING.items() if function.startswith(start))
    return next(forms, ())
