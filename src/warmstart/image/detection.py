"""Object detection: photo -> array -> engine -> scores and boxes -> `Detections` in the photo's own pixels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.catalog import Entry
from warmstart.engines.base import TensorSpec
from warmstart.errors import UsageError
from warmstart.image.boxes import areas, choose
from warmstart.image.classification import PROBE_RANGES
from warmstart.image.geometry import Frame, Photo, PhotoModel, Rows
from warmstart.image.results.detections import Box, Detections

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

THRESHOLD, MOST = 0.5, 300


class ObjectDetector(PhotoModel):
    """Finds the things in a photo.

    Example:
        >>> model = ws.load("dfine_nano")
        >>> [(box.label, round(box.score, 2)) for box in model("street.jpg")]
        [('car', 0.93), ('person', 0.88)]
    """

    task = "object-detection"

    def __call__(self, inputs: Any, *, threshold: float | None = None, max_boxes: int | None = None,
                 batch_size: int | None = None, value_range: Any = None, **options: Any) -> Any:
        """Find things in photos.

        Args:
            inputs: a path, URL, bytes, file object, PIL image or array (H, W, 3); or a list, generator,
                folder, glob or array (N, H, W, 3) of them.
            threshold: least score of a box, 0 to 1; default: the entry's, else 0.5.
            max_boxes: of a photo; default: 300.
            batch_size: photos per call of the engine where there are several; does not change results.
            value_range: `"0..1"` or `"0..255"`; needed for float arrays.

        Returns:
            One `Detections`; a list of them for a list or batch array; an iterator for a generator,
            folder or glob. In a list or iterator an unusable photo is a `Failed` in its place.

        Raises:
            InputError: the one photo is unusable.
            UsageError: an option is wrong, or a folder or glob holds no photos.
        """
        if options:
            raise UsageError(f"ObjectDetector takes no option {next(iter(options))!r}.")
        threshold = float(self.entry.processing.get("threshold", THRESHOLD)) if threshold is None else threshold
        if not 0 <= threshold <= 1:
            raise UsageError(f"threshold must be from 0 to 1, not {threshold}.")
        most = MOST if max_boxes is None else max_boxes
        if most < 1:
            raise UsageError(f"max_boxes must be 1 or more, not {max_boxes}.")
        return self._results(inputs, ("scores", "boxes"), batch_size, value_range,
                             partial(self._result, threshold=threshold, most=most))

    def _result(self, photo: Photo, rows: Rows, *, threshold: float, most: int) -> Detections:
        boxes = in_photo(rows["boxes"], photo.frame)
        scores = np.where(areas(boxes)[:, None] > 0, rows["scores"], -1)  # nothing of it is on the photo
        place, kind, score = choose(boxes, scores, threshold, most, self.entry.processing.get("suppression"))
        found = tuple(Box(self.labels[k].name, int(k), float(s), *map(float, boxes[p]))
                      for p, k, s in zip(place, kind, score, strict=True))
        return Detections(photo.name, self.name, (photo.frame.width, photo.frame.height), found, photo.picture)

    def evaluate(self, data: Any, *, batch_size: int | None = None,
                 progress: Callable[[str, int, int | None], None] | None = None) -> dict[str, Any]:
        """COCO's average precision on photos with boxes.

        Args:
            data: what `ws.finetune` takes (a Pascal VOC folder, COCO JSON, YOLO folder, CSV), or a list of
                (photo, [(label, xmin, ymin, xmax, ymax), …]).
            batch_size: photos per call of the engine; does not change results.
            progress: called with (name of the model, photos so far, photos in all).

        Returns:
            `{"ap", "ap50", "ap75", "ap_small", …, "per_class": {label: {"ap", "ap50"}}, "count", "errors"}`.

        Raises:
            UsageError: no photos, or labels that the model does not have.
        """
        from warmstart.image.evaluation import evaluate_detection

        return evaluate_detection(self, data, batch_size, progress)

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: images float32 (batch, H, W, 3) -> scores (batch, N, classes), boxes (batch, N, 4), features.

        Boxes are xmin, ymin, xmax, ymax in shares of the network's input.
        """
        from warmstart.engines.keras import Function, Program
        from warmstart.models import architecture
        from warmstart.models.image.outputs import with_features

        rules = entry.preprocessing
        assert rules is not None
        module = architecture(entry.architecture)
        outputs = with_features(model, module.detections(model), module.feature_map(model))
        images = TensorSpec("images", "float32", ("batch", *rules.size, 3), *PROBE_RANGES[rules.scaling])
        return Program({"forward": Function(lambda images: outputs(images, training=False), (images,))}, outputs)


def in_photo(boxes: np.ndarray, frame: Frame) -> np.ndarray:
    """Boxes (N, 4) in shares of the network's input as pixels of the photo, cut at its edges."""
    scale = np.array([frame.width / frame.inner_width, frame.height / frame.inner_height] * 2)
    size = np.array([frame.input_width, frame.input_height] * 2)
    corner = np.array([frame.left, frame.top] * 2)
    pixels = (boxes.astype(np.float64) * size - corner) * scale
    return np.clip(pixels, 0, np.array([frame.width, frame.height] * 2))
