"""Entries of the catalogue: frozen dataclasses that convert to JSON and back.

Data only: nothing here downloads, builds or runs anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from warmstart.errors import UsageError
from warmstart.json_values import JSON, check

SCALINGS = ("tf", "caffe", "torch", "raw", "standard")
RESIZES = ("crop", "squash", "pad")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "area")
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9.]+)*")


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Attributes:
        source: its source (`https://...`, `hf://...`, `package:...`, `embedded:...`, a path).
        md5: hexadecimal digest, if Keras publishes one.
        sha256: hexadecimal digest, if known.
        layout: "keras-h5", "keras-weights-h5", "safetensors" or "tflite" (see
            `warmstart.checkpoints`), or "huggingface".
    """

    source: str
    md5: str | None = None
    sha256: str | None = None
    layout: str = "keras-h5"


@dataclass(frozen=True)
class ImagePreprocessing:
    """The rules that convert a photo into the input of a network.

    Attributes:
        size: (height, width) in pixels.
        scaling: "tf": RGB to -1..1; "caffe": BGR 0..255 minus the ImageNet mean; "torch": RGB /
            255, then ImageNet mean and standard deviation; "raw": RGB 0..255 as float (the graph
            scales by itself); "standard": RGB / 255, then `mean` and `std`.
        mean, std: three values each on the 0..1 scale; for "standard" only.
        resize: "crop": the shorter side to round(size / crop_ratio), then the centre; "squash":
            straight to `size`, the aspect ratio is lost; "pad": fit inside `size`, then letterbox.
        crop_ratio: in (0, 1]; used by "crop".
        interpolation: "nearest", "bilinear", "bicubic", "lanczos" or "area".
    """

    size: tuple[int, int]
    scaling: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: str = "crop"
    crop_ratio: float = 0.875
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise UsageError(
                f"preprocessing: size must be (height, width) of 1 or more, not {self.size!r}"
            )
        _one_of("preprocessing", "scaling", self.scaling, SCALINGS)
        _one_of("preprocessing", "resize", self.resize, RESIZES)
        _one_of("preprocessing", "interpolation", self.interpolation, INTERPOLATIONS)
        if not 0 < self.crop_ratio <= 1:
            raise UsageError(
                f"preprocessing: crop_ratio must be in (0, 1], not {self.crop_ratio!r}"
            )
        for key in ("mean", "std"):
            if (getattr(self, key) is not None) != (self.scaling == "standard"):
                raise UsageError(
                    f"preprocessing: {key} belongs to the scaling 'standard', and to it only"
                )
            if (values := getattr(self, key)) is not None and len(values) != 3:
                raise UsageError(f"preprocessing: {key} must have 3 numbers, not {len(values)}")


@dataclass(frozen=True)
class Metric:
    """One published figure.

    Attributes:
        name: "top1", "top5", ...
        value: accuracies are fractions in 0..1.
        dataset: the dataset of the measurement.
        source: address of the page that publishes it.
    """

    name: str
    value: float
    dataset: str
    source: str


@dataclass(frozen=True)
class Label:
    """One class: its index in the output, its id (a WordNet id for ImageNet) and a readable name."""

    index: int
    id: str
    name: str


class _Settings(dict[str, JSON]):
    """Settings in which a missing key is a `UsageError` that names them."""

    def __init__(self, values: Mapping[str, JSON], name: str):
        super().__init__(values)
        self._name = name

    def __missing__(self, key: str) -> JSON:
        raise UsageError(f"{self._name} lacks the key {key!r}.")


@dataclass(frozen=True)
class Entry:
    """One model of the catalogue.

    Attributes:
        name: lower snake case; unique over names and aliases.
        task: such as "image-classification".
        family: the group of models it belongs to, such as "mobilenet_v2".
        title: as people write it, such as "MobileNetV2 1.0 224".
        architecture: one of `warmstart.models.ARCHITECTURES`.
        config: the arguments of that module's `build`; JSON values only.
        weights: "top" and "notop" for image classification (with and without the classification
            layers); "repo" for a whole repository in Hugging Face layout (see `models.repository`);
            may be empty.
        preprocessing: of images; `None` for other inputs.
        labels: the name of a label set (see `labels`), or "".
        licence: of the weights, as an SPDX identifier.
        parameters: numbers in the model with its top, moving statistics included.
        gflops: multiply-adds of one forward pass / 1e9 at `preprocessing.size`, the unit in which
            papers and model tables give it (one multiply-add counts once); `None` if unknown.
        min_size: the smallest height and width in pixels that the network without top accepts; 0
            without images.
        metrics: published figures, each with its source; may be empty.
        paper: authors, title, year, arXiv number.
        aliases: other names.
        processing: settings of inputs and outputs other than images: the longest text, the sampling
            rate, the frequency, the pooling; JSON values only, with the names that the task's class
            expects.

    Example:
        >>> entry = ws.load("efficientnet_lite0").entry
        >>> entry.parameters, entry.licence, entry.preprocessing.size
        (4694024, 'Apache-2.0', (224, 224))
        >>> ws.Entry.from_dict(entry.to_dict()) == entry
        True
    """

    name: str
    task: str
    family: str
    title: str
    architecture: str
    config: Mapping[str, JSON]
    weights: Mapping[str, WeightFile]
    preprocessing: ImagePreprocessing | None
    labels: str
    licence: str
    parameters: int
    gflops: float | None
    min_size: int
    metrics: tuple[Metric, ...]
    paper: str
    aliases: tuple[str, ...] = ()
    processing: Mapping[str, JSON] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (self.name, *self.aliases):
            if not NAME.fullmatch(name):
                raise UsageError(f"entry {self.name!r}: the name {name!r} is not lower snake case")
        # Read-only, because all callers share an entry.
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))
        for key in ("config", "processing"):
            settings = _Settings(getattr(self, key), f"entry {self.name!r}: its {key}")
            object.__setattr__(self, key, MappingProxyType(settings))

    def __hash__(self) -> int:
        return hash((self.name, self.task, self.family))

    def __reduce__(self) -> tuple[Any, ...]:  # a mappingproxy cannot be pickled or deep-copied
        return Entry.from_dict, (self.to_dict(),)

    @classmethod
    def from_dict(cls, data: Mapping[str, JSON]) -> Entry:
        """Make an entry from plain (JSON or TOML) values.

        Raises:
            UsageError: a key is missing or unknown, or a value is invalid; the message names key
            and entry.
        """
        name = data.get("name", "(no name)") if isinstance(data, Mapping) else "(no name)"
        where = f"entry {name!r:.60}"
        try:
            check(data, cls)
            values = dict(data)
            values["weights"] = {key: WeightFile(**file) for key, file in data["weights"].items()}
            if (rules := data["preprocessing"]) is not None:
                lists = {key: rules.get(key) for key in ("size", "mean", "std")}
                tuples = {key: tuple(one) for key, one in lists.items() if one is not None}
                values["preprocessing"] = ImagePreprocessing(**{**rules, **tuples})
            values["metrics"] = tuple(Metric(**metric) for metric in data["metrics"])
            values["aliases"] = tuple(data.get("aliases", ()))
            return cls(**values)
        except UsageError as error:
            raise error if where in str(error) else UsageError(f"{where}: {error}") from None
        except ValueError as error:
            raise UsageError(f"{where}, {error}") from None

    def to_dict(self) -> dict[str, JSON]:
        """The entry as JSON values; `Entry.from_dict(entry.to_dict()) == entry`."""
        return {key.name: _plain(getattr(self, key.name)) for key in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, (WeightFile, ImagePreprocessing, Metric)):
        return {key.name: _plain(getattr(value, key.name)) for key in fields(value)}
    return value


def _one_of(where: str, key: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{where}: {key} must be one of {', '.join(allowed)}, not {value!r}")
