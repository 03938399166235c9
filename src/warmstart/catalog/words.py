"""The facts of an entry as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from warmstart.catalog.entry import Entry, ImagePreprocessing

SCALINGS = {
    "tf": "RGB, scaled to -1..1",
    "caffe": "BGR, 0..255 minus the ImageNet mean",
    "torch": "RGB, scaled to 0..1, ImageNet mean subtracted, divided by the standard deviation",
    "raw": "RGB, 0..255 (the network scales by itself)",
}
LONGEST_VALUE = 400
"""Characters of a value of a config that are shown."""


def preprocessing_in_words(rules: ImagePreprocessing) -> str:
    """One line: what happens to a photo before the network gets it."""
    height, width = rules.size
    size = f"{width}x{height}"
    if rules.resize == "crop":
        shorter = round(min(rules.size) / rules.crop_ratio)
        resize = f"shorter side to {shorter} pixels ({rules.interpolation}), centre crop {size}"
    elif rules.resize == "pad":
        resize = f"fitted into {size} ({rules.interpolation}), the rest filled"
    else:
        resize = f"resized to {size} ({rules.interpolation}), not keeping the aspect ratio"
    scaling = SCALINGS.get(rules.scaling)
    if scaling is None:
        scaling = "RGB, scaled to 0..1"
        if any(rules.mean or ()) or set(rules.std or ()) != {1.0}:
            scaling += f", minus {_numbers(rules.mean)}, divided by {_numbers(rules.std)}"
    return f"{resize}; {scaling}"


def config_in_words(entry: Entry) -> str:
    """The arguments of an architecture: "classes=3, temperature=1.2"; long ones are cut."""
    shown = []
    for key, value in entry.to_dict()["config"].items():
        text = repr(value)
        if isinstance(value, Mapping) and isinstance(value.get("config"), Mapping):
            layers = value["config"].get("layers")
            if isinstance(layers, Sequence) and len(text) > LONGEST_VALUE:
                text = f"{value.get('class_name')} of {len(layers)} layers"
        shown.append(f"{key}={text}")
    return ", ".join(shown)


def _numbers(values: tuple[float, ...] | None) -> str:
    return ", ".join(f"{value:g}" for value in values or ())
