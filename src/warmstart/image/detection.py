"""Object detection: from photos to `Detections` in pixels of the photos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, overload

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Entry
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import Several
from warmstart.core.model import Prepared
from warmstart.core.options import Option, takes
from warmstart.core.records.options import BoxTable, EvaluateOptions, SplitTable
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.core.task import task_of
from warmstart.core.types import Data
from warmstart.engines.agreement import Rule
from warmstart.engines.boxes import MAX_BOXES, areas, choose
from warmstart.errors import documented_in
from warmstart.image.geometry import Frame
from warmstart.image.inputs import Photo
from warmstart.image.model import FEATURE_NOTES, DensePhotoModel, PhotoOptions, image_program
from warmstart.image.results.detections import Box, Detections

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class DetectOptions(PhotoOptions):
    """Options of object detection."""

    threshold: Annotated[
        float | None, Option("Lowest score of a box; default: the model's own.", ge=0, le=1)
    ] = None
    max_boxes: Annotated[int, Option("Maximum number of boxes per photo, best first.", ge=1)] = (
        MAX_BOXES
    )


@dataclass(frozen=True, kw_only=True)
class EvaluateBoxesOptions(BoxTable, SplitTable, EvaluateOptions):
    """Options of evaluating a detector."""


class ObjectDetector(DensePhotoModel[Detections, DetectOptions]):
    """Finds objects in photos.

    Example:
        >>> model = ws.load("bccd_fcos")
        >>> for box in model("smear.jpg", threshold=0.6)[:1]:
        ...     print(box.label)
        WBC
        >>> model.threshold
        0.4
    """

    task = "object-detection"
    class_output = "scores"
    options = DetectOptions
    evaluate_options = EvaluateBoxesOptions
    result = Detections
    output_notes: ClassVar = {
        "scores": "(batch, N, classes): 0 to 1 for each class, in the order of `labels`; a box counts "
        "where its score is at least `processing.threshold` (0.5 where there is none)",
        "boxes": "(batch, N, 4): xmin, ymin, xmax, ymax as fractions of the width and height of the "
        "network's input, not of the photo: undo the resize of `preprocessing`. Where `processing` "
        "has `suppression`, of two boxes of one class whose intersection over union is larger, the "
        "one with the lower score is dropped; this is not part of the program",
        **FEATURE_NOTES,
    }

    @overload
    @takes(DetectOptions)
    def __call__(self, photo: Photo, options: DetectOptions) -> Detections: ...
    @overload
    @takes(DetectOptions)
    def __call__(
        self, photo: Several[Photo], options: DetectOptions
    ) -> Results[Detections | Failed]: ...
    @takes(DetectOptions)
    def __call__(self, photo: Any, options: DetectOptions) -> Any:
        """Find the objects in a photo, or in each photo of a list.

        Returns:
            One `Detections`; for a list a list, in which an unusable photo is a `Failed` at its
            index.

        Raises:
            InputError: the one photo is unusable.
            UsageError: an option is wrong, or `photo` is a folder or pattern.
        """
        return self.predict(photo, options)

    @takes(DetectOptions)
    def stream(
        self, photos: Iterable[Photo] | Photo, options: DetectOptions
    ) -> ResultStream[Detections | Failed]:
        """Find the objects in the photos of an iterator, a folder or a pattern, in order, in
        constant memory.

        Returns:
            An iterator with a `Detections` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of photos.
        """
        return self.predict_stream(photos, options)

    @property
    def threshold(self) -> float:
        """The lowest score of a box if a call does not set `threshold`."""
        return float(self.entry.processing.get("threshold", THRESHOLD))

    @property
    def agreement_rule(self) -> Rule:
        suppression = self.entry.processing.get("suppression")
        outputs = ("scores", "boxes")
        return Rule("boxes", outputs, above=self.threshold, suppression=suppression)

    def decode(self, prepared: Prepared, outputs: Any, options: DetectOptions) -> Detections:
        (row,) = outputs
        frame: Frame = prepared.context.frame
        boxes = in_photo(row["boxes"], frame)
        scores = np.where(areas(boxes)[:, None] > 0, row["scores"], -1)  # none outside the photo
        threshold = self.threshold if options.threshold is None else options.threshold
        suppression = self.entry.processing.get("suppression")
        chosen = choose(boxes, scores, threshold, options.max_boxes, suppression)
        detected = tuple(
            Box(self.labels[label].name, int(label), float(score), *map(float, boxes[index]))
            for index, label, score in zip(*chosen, strict=True)
        )
        size = (frame.width, frame.height)
        return Detections(prepared.name, self.name, size, detected, prepared.context.picture)

    @takes(EvaluateBoxesOptions)
    @documented_in(task_of(task).guide)
    def evaluate(self, data: Data, options: EvaluateBoxesOptions) -> Evaluation:
        """COCO's average precision on photos with boxes.

        Args:
            data: as for `ws.finetune` (a Pascal VOC folder, COCO JSON, YOLO folder, CSV), or a list
                of (photo, [(label, xmin, ymin, xmax, ymax), …]).
            options: photos per call of the engine; and how a table is read.

        Returns:
            `ap`, `ap50`, `ap75`, `ap_small` and others (0 to 1), `per_class` with `ap`
            and `ap50` by label, `count`, and `errors`, a list of texts.

        Raises:
            UsageError: no photos, or labels that the model does not have.
        """
        from warmstart.image.evaluation import evaluate_detection

        return Evaluation.of(self, evaluate_detection(self, data, options))

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: images float32 (batch, H, W, 3) → scores (batch, N, classes), boxes (batch, N,
        4), features.

        Boxes are xmin, ymin, xmax, ymax as fractions of the network's input.
        """
        from warmstart.models import architecture
        from warmstart.models.image.outputs import with_features

        network = architecture(entry.architecture)
        if own := getattr(network, "detection_outputs", None):
            return image_program(entry, own(model, entry.config))
        outputs = with_features(model, network.detections(model), network.feature_map(model))
        return image_program(entry, outputs)


def in_photo(boxes: NDArray[Any], frame: Frame) -> NDArray[np.float64]:
    """Convert boxes (N, 4) from fractions of the network's input to pixels of the photo, clipped at
    its edges.
    """
    scale = np.array([frame.width / frame.inner_width, frame.height / frame.inner_height] * 2)
    size = np.array([frame.input_width, frame.input_height] * 2)
    corner = np.array([frame.left, frame.top] * 2)
    pixels = (boxes.astype(np.float64) * size - corner) * scale
    clipped: NDArray[np.float64] = np.clip(pixels, 0, np.array([frame.width, frame.height] * 2))
    return clipped
