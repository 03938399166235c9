"""Image segmentation: from photos to `Segmentation`s, with a class for every pixel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

from warmstart.catalog import Entry
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import Several
from warmstart.core.model import Prepared
from warmstart.core.options import takes
from warmstart.core.records.options import EvaluateOptions, MaskTable, SplitTable
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.core.task import task_of
from warmstart.core.types import Data
from warmstart.engines.agreement import Rule
from warmstart.errors import documented_in
from warmstart.image.inputs import Photo
from warmstart.image.label_maps import label_map
from warmstart.image.model import FEATURE_NOTES, DensePhotoModel, PhotoOptions, image_program
from warmstart.image.results.segmentation import Segmentation

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program


@dataclass(frozen=True, kw_only=True)
class EvaluateMasksOptions(MaskTable, SplitTable, EvaluateOptions):
    """Options of evaluating a segmenter."""


class ImageSegmenter(DensePhotoModel[Segmentation, PhotoOptions]):
    """Assigns a class to every pixel of photos.

    Example:
        >>> result = ws.load("leaf_deeplabv3")("leaf.jpg")
        >>> [area.label for area in result.areas]
        ['background', 'leaf', 'symptom']
        >>> result.overlay().size == result.size
        True
    """

    task = "image-segmentation"
    class_output = "logits"
    options = PhotoOptions
    evaluate_options = EvaluateMasksOptions
    result = Segmentation
    output_notes: ClassVar = {
        "logits": "(batch, h, w, classes) on a coarse grid over the network's input: upsample "
        "bilinearly to the size of the photo, then the index of the highest is the class, in the "
        "order of `labels`",
        **FEATURE_NOTES,
    }

    @property
    def agreement_rule(self) -> Rule:
        return Rule("classes", ("logits",))

    @overload
    @takes(PhotoOptions)
    def __call__(self, photo: Photo, options: PhotoOptions) -> Segmentation: ...
    @overload
    @takes(PhotoOptions)
    def __call__(
        self, photo: Several[Photo], options: PhotoOptions
    ) -> Results[Segmentation | Failed]: ...
    @takes(PhotoOptions)
    def __call__(self, photo: Any, options: PhotoOptions) -> Any:
        """Segment a photo, or each photo of a list.

        Returns:
            One `Segmentation`; for a list a list, in which an unusable photo is a `Failed` at its
            index.

        Raises:
            InputError: the one photo is unusable.
            UsageError: an option is wrong, or `photo` is a folder or pattern.
        """
        return self.predict(photo, options)

    @takes(PhotoOptions)
    def stream(
        self, photos: Iterable[Photo] | Photo, options: PhotoOptions
    ) -> ResultStream[Segmentation | Failed]:
        """Segment the photos of an iterator, a folder or a pattern, in order, in constant memory.

        Returns:
            An iterator with a `Segmentation` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of photos.
        """
        return self.predict_stream(photos, options)

    def decode(self, prepared: Prepared, outputs: Any, options: PhotoOptions) -> Segmentation:
        (row,) = outputs
        classes = label_map(row["logits"], prepared.context.frame)
        return Segmentation(
            prepared.name, self.name, classes, self.labels, prepared.context.picture
        )

    @takes(EvaluateMasksOptions)
    @documented_in(task_of(task).guide)
    def evaluate(self, data: Data, options: EvaluateMasksOptions) -> Evaluation:
        """Mean IoU and related metrics on photos with masks.

        Args:
            data: pairs (photo, mask), a table of both, or a folder with `images/` and `masks/`; see
                `read_masks`. A mask is a path or array (H, W) of class indices; 255 is not counted.
            options: how a table is read, and photos per call of the engine.

        Returns:
            `miou`, `pixel_accuracy` and `mean_dice` (0 to 1), `iou` and `dice` by
            label, `count`, and `errors`, a list of texts.

        Raises:
            UsageError: no photos, or masks that do not fit.
        """
        from warmstart.image.evaluation import evaluate_segmentation

        return Evaluation.of(self, evaluate_segmentation(self, data, options))

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: images float32 (batch, H, W, 3) → logits (batch, h, w, classes), features
        (batch, D).
        """
        from warmstart.models import architecture
        from warmstart.models.image.outputs import with_features

        network = architecture(entry.architecture)
        if own := getattr(network, "segmentation_outputs", None):
            return image_program(entry, own(model, entry.config), files=True)
        outputs = with_features(model, {"logits": model.output}, network.feature_map(model))
        return image_program(entry, outputs, files=True)
