"""The base of all tasks on images: photos become arrays, which the engine takes in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from warmstart.core.inputs import Item
from warmstart.core.model import Model, Prepared
from warmstart.core.options import BatchOptions, ColumnOptions, Option, takes
from warmstart.engines.base import Signature, TensorSpec
from warmstart.errors import BundleError, InputError
from warmstart.image import decoder, preprocessing
from warmstart.image.geometry import Frame
from warmstart.image.inputs import PHOTO, Photo
from warmstart.image.settings import PhotoSettings

if TYPE_CHECKING:
    import keras
    from PIL.Image import Image

    from warmstart.catalog import Entry, ImagePreprocessing
    from warmstart.core.input_kind import Several
    from warmstart.engines.base import Engine, Runner
    from warmstart.engines.keras import Program

PROBE_RANGES = {
    "tf": (-1.0, 1.0),
    "caffe": (-120.0, 140.0),
    "torch": (-2.0, 2.5),
    "standard": (-2.0, 2.0),
    "raw": (0.0, 255.0),
}

PHOTOS = "photos"
"""The SavedModel function that takes files."""
PHOTOS_NOTE = (
    "image_bytes: the bytes of JPEG files (also PNG and GIF without transparency); they are "
    "decoded, rotated upright, resized and scaled by TensorFlow, which differs from Pillow "
    "by the figures below; the outputs are those of `forward`"
)
EXAMPLES = Path(__file__).parents[1] / "serve" / "page" / "examples" / "image"
"""Photos of the package, used to compare this function with the model."""
FEATURE_NOTES = {"features": "(batch, D): the last feature map, averaged over its pixels"}
"""On the output that all tasks share."""

ResultT = TypeVar("ResultT")
OptionsT = TypeVar("OptionsT", bound="PhotoOptions")


ValueRange: TypeAlias = Literal["0..1", "0..255", "-1..1"] | tuple[float, float]
"""Black and white of a float array or float TIFF."""


@dataclass(frozen=True, kw_only=True)
class PhotoOptions(BatchOptions, ColumnOptions):
    """Options of every task on images."""

    value_range: Annotated[
        ValueRange | None,
        Option(
            '"0..1", "0..255", "-1..1" or two numbers: black and white of a float array or float TIFF.',
            http=False,
            cli=False,
        ),
    ] = None


@dataclass(frozen=True, eq=False)
class View:
    """A prepared photo.

    Attributes:
        frame: its position in the network's input.
        picture: opens the photo again, to draw on it.
    """

    frame: Frame
    picture: Callable[[], Image]


class PhotoModel(Model[Photo, ResultT, OptionsT], Generic[ResultT, OptionsT]):
    """A model of photos; subclasses interpret the outputs of the engine."""

    batch_size = 4  # on CPUs larger batches bring little speed and delay results
    settings_type = PhotoSettings

    @property
    def preprocessing(self) -> ImagePreprocessing:
        """The rules that convert a photo into the model's input."""
        if self.entry.preprocessing is None:
            raise BundleError(f"{self._manifest}: {self.name} needs entry.preprocessing, not null.")
        return self.entry.preprocessing

    def check_parts(self) -> None:
        self.preprocessing  # noqa: B018 (is it there?)
        super().check_parts()

    def check_program(self, signatures: Mapping[str, Signature]) -> None:
        super().check_program(signatures)
        for spec in signatures["forward"].inputs if "forward" in signatures else ():
            if spec.name == "images":
                self._check_size(spec.shape[1:3])

    def _check_size(self, shape: Sequence[int | str]) -> None:
        size = self.preprocessing.size
        sides = list(zip(shape, size, strict=False))
        if len(shape) != len(size) or any(isinstance(n, int) and n != own for n, own in sides):
            raise BundleError(
                f"{self._folder or self.name}: the program takes pictures of "
                f"{' x '.join(map(str, shape)) or 'another rank'}, and the preprocessing makes "
                f"{size[0]} x {size[1]}; save the model again."
            )

    @takes(PhotoOptions)
    def features(
        self, photos: Photo | Several[Photo], options: PhotoOptions
    ) -> NDArray[np.float32]:
        """The backbone's last feature map, averaged over its pixels: what a new head would be
        trained on.

        Args:
            photos: one, or a list of them.

        Returns:
            float32 (D,) for one photo, (N, D) for a list.

        Raises:
            InputError: a photo is unusable.
        """
        return self.predict_features(photos, self.options(**vars(options)))

    def preprocess(
        self, photo: Photo, *, value_range: ValueRange | None = None
    ) -> NDArray[np.float32]:
        """One photo as the model's input: float32 (H, W, 3), for use with `keras` or `ws.backbone`.

        Raises:
            InputError: the photo is unusable.
        """
        item = PHOTO.single(photo)
        return preprocessing.preprocess(self._decoded(item, value_range), self.preprocessing)

    def _decoded(self, item: Item, value_range: ValueRange | None) -> Image:
        target = preprocessing.decode_target(self.preprocessing)
        return decoder.decode(item.value, name=item.name, target=target, value_range=value_range)

    @classmethod
    def compare_saved_model(
        cls, entry: Entry, engine: Engine, functions: Mapping[str, Runner]
    ) -> Mapping[str, Any]:
        rules, output = entry.preprocessing, cls.class_output
        assert rules is not None
        if PHOTOS not in functions:
            return {}
        batch = engine.signatures["forward"].inputs[0].shape[0]
        count = batch if isinstance(batch, int) else 1
        largest: dict[str, float] = {}
        same: list[NDArray[Any]] = []
        paths = sorted(EXAMPLES.glob("*.jpg"))
        for path in paths:
            photo = decoder.decode(path, target=preprocessing.decode_target(rules))
            images = np.stack([preprocessing.preprocess(photo, rules)] * count)
            ours = engine.run("forward", images=images)
            files = np.array([path.read_bytes()] * count, object)
            theirs = functions[PHOTOS]({"image_bytes": files})
            for name, values in ours.items():
                difference = float(np.abs(theirs[name] - values).max())
                largest[name] = max(largest.get(name, 0.0), difference)
            if output in ours:
                same.append((ours[output].argmax(-1) == theirs[output].argmax(-1)).ravel())
        facts: dict[str, Any] = {
            "input": PHOTOS_NOTE,
            "compared_with_ours_on": [path.name for path in paths],
            "largest_difference": largest,
        }
        if same:
            facts["share_of_equal_classes"] = float(np.concatenate(same).mean())
        return {PHOTOS: facts}


class DensePhotoModel(PhotoModel[ResultT, OptionsT], Generic[ResultT, OptionsT]):
    """A model whose results have coordinates in the photo."""

    def prepare(self, item: Item, options: OptionsT) -> Prepared:
        picture = self._decoded(item, options.value_range)
        frame = Frame.of(picture.info["size"], self.preprocessing)
        # Drawing opens a file again, so that a list of results does not keep all photos in memory.
        read_once = hasattr(item.value, "read") or (
            isinstance(item.value, str) and "://" in item.value
        )
        reopen = partial(_reopen, item, options.value_range, picture.info["size"])
        view = View(frame, picture.copy if read_once else reopen)
        array = preprocessing.preprocess(picture, self.preprocessing)
        return Prepared(item.name, [{"images": array}], view, item.index)


def _reopen(item: Item, value_range: Any, size: tuple[int, int]) -> Image:
    """Read the photo of an item again, whose (width, height) was `size`."""
    picture = decoder.decode(item.value, name=item.name, value_range=value_range)
    if picture.size != size:
        raise InputError(
            f"{item.name}: the photo had {size[0]}x{size[1]} pixels when it was predicted, "
            f"and now has {picture.width}x{picture.height}; predict again.",
            item.name,
        )
    return picture


def image_spec(entry: Entry) -> TensorSpec:
    """The input of `forward` of an entry's program: images, float32 (batch, H, W, 3)."""
    rules = entry.preprocessing
    assert rules is not None
    low, high = PROBE_RANGES[rules.scaling]
    batch = entry.config.get("batch", "batch")
    return TensorSpec("images", "float32", (batch, *rules.size, 3), low, high)


def image_program(entry: Entry, outputs: keras.Model, *, files: bool = False) -> Program:
    """A program with one function, `forward`, from images to the outputs of a Keras model.

    Args:
        entry: of the model.
        outputs: the Keras model.
        files: whether a SavedModel also gets the function `photos`, which takes JPEG files.
    """
    from warmstart.engines.keras import Function, Program

    def forward(images: Any) -> Mapping[str, Any]:
        named: Mapping[str, Any] = outputs(images, training=False)
        return named

    spec, rules = image_spec(entry), entry.preprocessing

    def photos() -> Any:
        from warmstart.image.train.photo_graph import photo_function

        assert rules is not None
        batch = spec.shape[0]
        return photo_function(rules, forward, batch if isinstance(batch, int) else None)

    saved_model = {PHOTOS: photos} if files else {}
    return Program({"forward": Function(forward, (spec,))}, outputs, saved_model)
