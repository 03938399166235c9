"""A task of a user, defined in one module: how bright a photo is, measured on the features of a
classifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, overload

from warmstart.core.input_kind import Several
from warmstart.core.inputs import Item
from warmstart.core.model import Prepared
from warmstart.core.options import Option, takes
from warmstart.core.result_collections import Results
from warmstart.core.results import Failed
from warmstart.core.task import Task, register
from warmstart.core.wire import Record, Result, Score
from warmstart.image.inputs import PHOTO, Photo
from warmstart.image.model import PhotoModel, PhotoOptions, image_program


@dataclass(frozen=True, kw_only=True)
class BrightnessOptions(PhotoOptions):
    bands: Annotated[int, Option("Bands of equal height.", ge=1, le=16)] = 2
    scale: Annotated[float, Option("Factor of each value.", gt=0, le=100)] = 1.0


@dataclass(frozen=True)
class Band(Record):
    top: Score
    brightness: Score


@dataclass(frozen=True)
class Brightness(Result):
    rows: ClassVar = "bands"
    tensors: ClassVar = ("mean",)
    wire: ClassVar = ("input", "model", "mean", "bands")

    input: str
    model: str
    bands: tuple[Band, ...]

    @property
    def mean(self) -> float:
        return sum(band.brightness for band in self.bands) / len(self.bands)

    def __str__(self) -> str:
        return f"brightness {self.mean:.2f}"


class BrightnessMeter(PhotoModel[Brightness, BrightnessOptions]):
    """Measures how bright photos are."""

    task = "image-brightness"
    options = BrightnessOptions
    result = Brightness

    @overload
    @takes(BrightnessOptions)
    def __call__(self, photo: Photo, options: BrightnessOptions) -> Brightness: ...
    @overload
    @takes(BrightnessOptions)
    def __call__(
        self, photo: Several[Photo], options: BrightnessOptions
    ) -> Results[Brightness | Failed]: ...
    @takes(BrightnessOptions)
    def __call__(self, photo: Any, options: BrightnessOptions) -> Any:
        return self.predict(photo, options)

    @takes(BrightnessOptions)
    def stream(
        self, photos: Iterable[Photo] | Photo, options: BrightnessOptions
    ) -> Iterator[Brightness | Failed]:
        return self.predict_stream(photos, options)

    def prepare(self, item: Item, options: BrightnessOptions) -> Prepared:
        array = self.preprocess(item.value, value_range=options.value_range)
        return Prepared(item.name, [{"images": array}], array, item.index)

    def decode(self, prepared: Prepared, outputs: Any, options: BrightnessOptions) -> Brightness:
        height = len(prepared.context)
        edges = [round(height * band / options.bands) for band in range(options.bands + 1)]
        bands = tuple(
            Band(top / height, float(prepared.context[top:bottom].mean()) * options.scale)
            for top, bottom in pairwise(edges)
        )
        return Brightness(prepared.name, self.name, bands)

    def evaluate(self, data: Any, *, progress: Any = None) -> dict[str, Any]:
        return {"count": 0, "errors": []}

    @staticmethod
    def program(entry: Any, model: Any) -> Any:
        from warmstart.models.image import classifier_outputs

        return image_program(entry, classifier_outputs(model))


TASK = Task(
    name="image-brightness",
    verb="brightness",
    summary="Measure how bright photos are.",
    model=BrightnessMeter,
    input=PHOTO,
)
register(TASK)
